"""Compiled policies on disk: the plan, its byte code and what checking it found, looked up by content.

A later process needs no parser, no tree and no graph: an artifact holds classes of `runtime` and of `diagnostics` only.
What is read is believed only from a folder and a file that belong to this user and that nobody else can write (`keeping`).
Deleting the folder is always safe. `CAPLEX_NO_CACHE` turns the cache off.
"""
from __future__ import annotations

import errno
import hashlib
import os
import pickle
import stat
import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from caplex.compiler import keeping
from caplex.version import __version__

FORMAT = 5
"""Raised whenever what is kept changes its shape."""
_DAMAGED = (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, ValueError, TypeError)
MOST_BYTES = 64 * 1024 * 1024
_SOURCES = (".py", ".lark", ".cap")


@dataclass(slots=True)
class Artifact:
    """What a later process needs instead of parsing and checking.

    Attributes:
        files: Each file that was read, with the hash of its bytes.
        diagnostics: What checking found, pickled; apart from the plan, so that `check` does not pay for it.
        plan: The plan and its code (`codegen.plans`), to be unpacked part by part; empty where the policy was only checked.
    """

    files: tuple[tuple[str, str], ...]
    diagnostics: bytes | memoryview
    plan: bytes | memoryview

    def encode(self) -> bytes:
        head = pickle.dumps((self.files, len(self.diagnostics)), protocol=5)
        return b"".join((len(head).to_bytes(4, "little"), head, self.diagnostics, self.plan))

    @classmethod
    def decode(cls, content: bytes | memoryview) -> Artifact:
        """Raises one of `_DAMAGED`."""
        content = memoryview(content)
        end = 4 + int.from_bytes(content[:4], "little")
        files, length = pickle.loads(content[4:end])
        return cls(files, content[end : end + length], content[end + length :])


def folder() -> str | None:
    """The cache folder, made if need be; None if there is none that can be trusted."""
    if os.environ.get("CAPLEX_NO_CACHE"):
        return None
    base = os.environ.get("CAPLEX_CACHE_DIR") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "caplex")
    return keeping.folder(os.path.join(base, "policies"))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def key(*parts: str) -> str:
    """Name of an artifact: everything that its content depends on."""
    return sha256("\0".join((str(FORMAT), __version__, sys.version, engine_stamp(), *parts)).encode("utf-8", "surrogatepass"))  # of a path that is not UTF-8


@cache
def engine_stamp() -> str:
    """Sizes and times of the package's own files: whoever works on the compiler never sees a stale artifact."""
    seen: list[str] = []
    for package in ("compiler", "grammar", "runtime", "stdlib_rules"):
        for base in import_module(f"caplex.{package}").__path__:
            _stamps(base, seen)
    return sha256("\n".join(sorted(seen)).encode("utf-8", "surrogatepass"))


def _stamps(folder: str, seen: list[str]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_SOURCES):
                status = entry.stat()
                seen.append(f"{entry.path} {status.st_size} {status.st_mtime_ns}")
            elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
                _stamps(entry.path, seen)


def read(name: str, known: tuple[str, str] = ("", "")) -> Artifact | None:
    """The artifact, if it is there, whole, and every file that went into it is unchanged; *known* is one with its hash."""
    home = folder()
    content = keeping.read(os.path.join(home, f"{name}.bin")) if home is not None else None
    if content is None:
        return None
    try:
        artifact = Artifact.decode(content)
        for path, digest in artifact.files:
            if (known[1] if path == known[0] else digest_of(path)) != digest:
                return None
    except (OSError, *_DAMAGED):
        return None
    return artifact


def digest_of(path: str | os.PathLike[str]) -> str:
    """Hash of the bytes of the file *path*. Raises OSError, also for what can be read only once, or without end."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would take its writer from whoever reads it next
        raise OSError(errno.EINVAL, "not a file to remember", os.fspath(path))
    with open(path, "rb", opener=_quickly) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise OSError(errno.EINVAL, "not a file to remember", os.fspath(path))
        return sha256(file.read())


def _quickly(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # opening a pipe must not wait for its writer


def write(name: str, artifact: Artifact) -> None:
    """Keep *artifact*; atomic, and quiet where the disk does not want it."""
    home = folder()
    if home is not None:
        keeping.write(os.path.join(home, f"{name}.bin"), artifact.encode())


# ── what stands in it ─────────────────────────────────────────────────────────────────────────────────


def dump(value: Any) -> bytes | None:
    """*value* as bytes; None if it cannot be kept."""
    try:
        return pickle.dumps(value, protocol=5)
    except (pickle.PicklingError, RecursionError, TypeError, AttributeError):
        return None


def load(data: bytes | memoryview) -> Any:
    """The value in *data*; None if it is damaged."""
    try:
        return pickle.loads(data)
    except _DAMAGED:
        return None
