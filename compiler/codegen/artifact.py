"""Compiled policies on disk: the graph, the generated source and its byte code, found again by content.

An artifact is a pickle, so it is only read from a folder that belongs to this user and that nobody else can write.
Deleting the folder is always safe. `CAPLEX_NO_CACHE` turns the cache off.
"""
from __future__ import annotations

import os
import pickle
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from caplex.runtime.canonical import sha256_bytes as sha256
from caplex.version import __version__

FORMAT = 1
"""Raised whenever graph or generated code change their shape."""


@dataclass(slots=True)
class Artifact:
    """What a later process needs instead of parsing: assembler state, generated source, diagnostics, and the files it read."""

    payload: Any
    files: tuple[tuple[str, str], ...]


def folder() -> Path | None:
    """The cache folder, made if need be; None if there is none that can be trusted."""
    if os.environ.get("CAPLEX_NO_CACHE"):
        return None
    base = os.environ.get("CAPLEX_CACHE_DIR") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "caplex")
    path = Path(base) / "policies"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError:
        return None
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return None
    return path


def key(*parts: str) -> str:
    """Name of an artifact: everything that its content depends on."""
    return sha256("\0".join((str(FORMAT), __version__, sys.version, engine_stamp(), *parts)).encode()).removeprefix("sha256:")


@cache
def engine_stamp() -> str:
    """Sizes and times of the package's own files: whoever works on the compiler never sees a stale artifact."""
    seen = []
    for package in ("compiler", "grammar", "runtime", "stdlib_rules"):
        for base in map(Path, import_module(f"caplex.{package}").__path__):
            for path in sorted(base.rglob("*")):
                if path.suffix in (".py", ".lark", ".cap"):
                    status = path.stat()
                    seen.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
    return sha256("\n".join(seen).encode())


def read(name: str) -> Artifact | None:
    """The artifact, if it is there, whole, and every file that went into it is unchanged."""
    home = folder()
    if home is None:
        return None
    try:
        with open(home / f"{name}.bin", "rb") as file:
            artifact = pickle.load(file)
        if not isinstance(artifact, Artifact):
            return None
        for path, digest in artifact.files:
            if sha256(Path(path).read_bytes()) != digest:
                return None
    except (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, ValueError, TypeError):
        return None
    return artifact


def write(name: str, artifact: Artifact) -> None:
    """Keep *artifact*; atomic, and quiet where the disk does not want it."""
    home = folder()
    if home is None:
        return
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=home)
        with os.fdopen(handle, "wb") as file:
            pickle.dump(artifact, file, protocol=5)
        os.replace(temporary, home / f"{name}.bin")
    except (OSError, pickle.PicklingError, RecursionError, TypeError, AttributeError):
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
