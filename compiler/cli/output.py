"""What the commands print: results to stdout, everything else to stderr, colour only where a person looks."""
from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from caplex.compiler.diagnostics.diagnostic import Diagnostic

CANNOT_WRITE = frozenset({errno.ENOSPC, errno.EBADF, errno.EIO, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
ERROR_SCHEMA = "caplex.error/1"


class Status(IntEnum):
    """Exit statuses. They are a contract."""

    WORKED = 0
    NO = 1
    USAGE = 2
    BUG = 70
    IO = 74
    AGAIN = 75
    INTERRUPTED = 130


class Stop(Exception):
    """Ends a command: *status* to leave with, and what to tell."""

    def __init__(self, status: Status, message: str = "", diagnostics: Sequence[Diagnostic] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.diagnostics = tuple(diagnostics)


def prepare() -> None:
    """A name in any script may be printed to a terminal that does not know it; an error may be told to nobody."""
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def finish() -> None:
    """What was said is out. Raises OSError if it is not."""
    sys.stdout.flush()


class _Closed(io.TextIOBase):
    """Standard output that was closed before we began: whatever is said to it is lost, and that is an error."""

    def __init__(self) -> None:
        self._lost = False

    def write(self, text: str) -> int:
        self._lost = True
        return len(text)

    def flush(self) -> None:
        if self._lost:
            self._lost = False
            raise OSError(errno.EBADF, "standard output is closed")


def has_colour(stream: IO[str]) -> bool:
    """Only a terminal gets colour, and only if neither `NO_COLOR` nor a dumb terminal speaks against it."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width(stream: IO[str]) -> int:
    """Columns of the terminal; 100 where there is none, so that files do not depend on who wrote them."""
    if not stream.isatty():
        return 100
    from shutil import get_terminal_size

    return get_terminal_size((100, 24)).columns


def say(text: str) -> None:
    """A result, to stdout."""
    print(text, file=sys.stdout)


def tell(text: str) -> None:
    """Anything that is not the result, to stderr."""
    print(text, file=sys.stderr)


def show_progress(text: str) -> None:
    """One line on the terminal of who looks on, which the next one replaces; an empty one takes it away."""
    print(f"\r{text}" if text else "\r\x1b[K", end="", file=sys.stderr, flush=True)


def say_json(document: Mapping[str, Any], *, one_line: bool = False) -> None:
    """A result as JSON, to stdout."""
    import json

    say(json.dumps(document, indent=None if one_line else 2, ensure_ascii=False))


def show(diagnostics: Sequence[Diagnostic], stream: IO[str]) -> None:
    """Diagnostics as people read them, an empty line between two."""
    from caplex.compiler.diagnostics.render import render

    colour, columns = has_colour(stream), width(stream)
    for number, found in enumerate(diagnostics):
        print(("\n" if number else "") + render(found, colour=colour, width=columns), file=stream)


def show_failure(status: int, message: str, diagnostics: Sequence[Diagnostic], *, as_json: bool) -> None:
    """Why a command could not do its work: a sentence on stderr, or an object on stdout."""
    if as_json:
        from caplex.compiler.diagnostics.formats import to_dict

        say_json({
            "schema": ERROR_SCHEMA,
            "status": int(status),
            "message": message or (diagnostics[0].message if diagnostics else ""),
            "diagnostics": [to_dict(found) for found in diagnostics],
        })
    elif diagnostics:
        show(diagnostics, sys.stderr)
    else:
        from caplex.compiler.diagnostics.render import visible

        tell(f"error: {visible(message)}")


def write(path: str | Path, text: str) -> None:
    """*text* into a file, whole or not at all."""
    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A place to write to, which becomes *path* once all is written. Raises Stop where that cannot be."""
    from pathlib import Path

    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield beside
        os.replace(beside, target)
    except OSError as error:
        from caplex.compiler.diagnostics.codes_input import CANNOT_WRITE
        from caplex.compiler.diagnostics.diagnostic import Diagnostic

        beside.unlink(missing_ok=True)
        reason = error.strerror or type(error).__name__
        raise Stop(Status.IO, "", [Diagnostic(CANNOT_WRITE, f"`{target}` cannot be written: {reason}", where=str(target))]) from None
