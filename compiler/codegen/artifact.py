"""Compiled policies on disk: the plan, its byte code and what checking it found, looked up by content.

A later process needs no parser, no tree and no graph: an artifact holds classes of `runtime` and of `diagnostics` only.
It is a pickle, so it is only read from a folder that belongs to this user and that nobody else can write.
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

from caplex.version import __version__

FORMAT = 3
"""Raised whenever what is kept changes its shape."""
MOST_BYTES = 64 * 1024 * 1024
_SOURCES = (".py", ".lark", ".cap")


@dataclass(slots=True)
class Artifact:
    """What a later process needs instead of parsing and checking.

    Attributes:
        files: Each file that was read, with the hash of its bytes.
        diagnostics: What checking found, pickled; apart from the plan, so that `check` does not pay for it.
        plan: The plan and its code (`codegen.plans`); empty where the policy was only checked.
    """

    files: tuple[tuple[str, str], ...]
    diagnostics: bytes
    plan: bytes


def folder() -> str | None:
    """The cache folder, made if need be; None if there is none that can be trusted."""
    if os.environ.get("CAPLEX_NO_CACHE"):
        return None
    base = os.environ.get("CAPLEX_CACHE_DIR") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "caplex")
    path = os.path.join(base, "policies")
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        status = os.stat(path)
    except OSError:
        return None
    return path if _ours(status) else None


def _ours(status: os.stat_result) -> bool:
    """Does it belong to this user, and can nobody else write it?"""
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)


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


def read(name: str) -> Artifact | None:
    """The artifact, if it is there, whole, and every file that went into it is unchanged."""
    home = folder()
    if home is None:
        return None
    try:
        with open(os.path.join(home, f"{name}.bin"), "rb") as file:
            if not _ours(os.fstat(file.fileno())):
                return None
            artifact = pickle.load(file)
        if not isinstance(artifact, Artifact):
            return None
        for path, digest in artifact.files:
            if digest_of(path) != digest:
                return None
    except (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, ValueError, TypeError):
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
    import tempfile

    home = folder()
    if home is None:
        return
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=home)
        with os.fdopen(handle, "wb") as file:
            pickle.dump(artifact, file, protocol=5)
        os.replace(temporary, os.path.join(home, f"{name}.bin"))
    except OSError:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


# ── what stands in it ─────────────────────────────────────────────────────────────────────────────────


def dump(value: Any) -> bytes | None:
    """*value* as bytes; None if it cannot be kept."""
    try:
        return pickle.dumps(value, protocol=5)
    except (pickle.PicklingError, RecursionError, TypeError, AttributeError):
        return None


def load(data: bytes) -> Any:
    """The value in *data*; None if it is damaged."""
    try:
        return pickle.loads(data)
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, ValueError, TypeError):
        return None
