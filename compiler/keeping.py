"""Files that a later process believes: read only where nobody else can have written them, written so that none is ever half there.

What is kept is unpickled, so whoever can write it can run code. A file is believed if it belongs to this user, is a file and
no link, and nobody else may write it; a folder likewise. Deleting a file or the folder is safe at any moment: a reader has
read the whole of it or goes without, and a writer writes beside and renames.
"""
from __future__ import annotations

import os
import stat
from contextlib import suppress
from zlib import crc32

_MARK = b"caplex\x00"
_SUM = 4


def believed(status: os.stat_result) -> bool:
    """Does it belong to this user, and can nobody else write it?"""
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)


def folder(path: str) -> str | None:
    """The folder *path*, made if need be; None if it cannot be made or is not to be believed."""
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        status = os.lstat(path)
    except OSError:
        return None
    return path if stat.S_ISDIR(status.st_mode) and believed(status) else None


def read(path: str | os.PathLike[str]) -> memoryview | None:
    """What `write` has put into the file *path*, whole and in memory; None if it is not there, damaged, or not to be believed."""
    try:
        with open(path, "rb", opener=_no_link) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not believed(status):
                return None
            content = file.read()
    except OSError:
        return None
    begin = len(_MARK) + _SUM
    kept = memoryview(content)[begin:]  # no copy of it: that would take as long as reading it
    whole = content[: len(_MARK)] == _MARK and crc32(kept) == int.from_bytes(content[len(_MARK) : begin], "little")
    return kept if whole and kept else None


def write(path: str | os.PathLike[str], content: bytes) -> bool:
    """Put *content* at *path*, at once; False where the disk does not want it."""
    import tempfile

    beside = None
    try:
        handle, beside = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")  # readable by this user alone
        with os.fdopen(handle, "wb") as file:
            file.write(_MARK + crc32(content).to_bytes(_SUM, "little"))
            file.write(content)
        os.replace(beside, path)
        beside = None
    except OSError:
        return False
    finally:
        if beside is not None:  # also when the user breaks off
            with suppress(OSError):
                os.unlink(beside)
    return True


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
