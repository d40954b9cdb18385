"""What the journal asks of the operating system: a file of its own, whole writes, and word that they reached the disk."""
from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

from caplex.runtime.journal.trouble import JournalTrouble, refused

_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_LOCK_AT = 2**62  # Windows keeps readers out of locked bytes: lock one that is never there


def open_for_writing(path: Path) -> int:
    """A descriptor of *path*, made if it is not there, and locked. Raises JournalTrouble."""
    doing = f"the journal `{path}` cannot be opened"
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise JournalTrouble("foreign", f"{doing}: it is {'a folder' if path.is_dir() else 'no ordinary file'}; name a file")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY, 0o644)
    except FileNotFoundError:
        raise JournalTrouble("missing", f"{doing}: its folder `{path.parent}` is not there; make it first") from None
    except (OSError, ValueError) as error:
        raise refused(doing, error) if isinstance(error, OSError) else JournalTrouble("io", f"{doing}: {error}") from None
    try:
        _lock(fd, path)
        here, there = os.fstat(fd), path.stat()
        if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
            raise JournalTrouble("locked", f"the journal `{path}` was exchanged while it was opened; try again", retryable=True)
    except OSError as error:
        os.close(fd)
        raise refused(doing, error) from None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _lock(fd: int, path: Path) -> None:
    """An exclusive lock that ends with the process. Readers take none."""
    busy = JournalTrouble(
        "locked", f"the journal `{path}` is in use by another process; one engine writes a journal at a time", retryable=True)
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(fd, _LOCK_AT, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            raise busy from None
        raise JournalTrouble(
            "io", f"the journal `{path}` cannot be locked ({error.strerror}), so a second writer would not be seen; "
            "keep it on a local disk") from None


def open_beside(path: Path) -> int:
    """A descriptor of a file that is written over in place. Raises OSError."""
    return os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o644)


def write_whole(fd: int, data: bytes) -> None:
    """All of *data*. The system may take less at a time. Raises OSError."""
    done = os.write(fd, data)
    while done < len(data):
        done += os.write(fd, data[done:])


def sync(fd: int) -> None:
    """Return once the disk has it. Raises OSError, after which nothing is known about what was written."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:
        os.fsync(fd)


def sync_folder(path: Path) -> None:
    """That a file is there must reach the disk too. Raises OSError."""
    if sys.platform == "win32":
        return
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def set_aside(journal: Path, seq: int, data: bytes, *, durable: bool) -> Path:
    """*data* in ``FILE.torn-SEQ``, or the next free name; what is there already is never written over. Raises OSError."""
    for number in range(1, 1000):
        path = journal.with_name(f"{journal.name}.torn-{seq}" + (f".{number}" if number > 1 else ""))
        if path.exists():
            if path.read_bytes() == data:  # a crash came between this and what follows it
                return path
            continue
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o644)
        try:
            write_whole(fd, data)
            if durable:
                sync(fd)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)  # half of it, and the whole is still in the journal
            raise
        os.close(fd)
        if durable:
            sync_folder(path.parent)
        return path
    raise FileExistsError(errno.EEXIST, f"a thousand files are named `{journal.name}.torn-{seq}…`")
