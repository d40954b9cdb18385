"""Events from a file or a pipe, a line at a time, and an end that Ctrl-C can bring without tearing anything."""
from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import IO, Any, Self

from caplex.compiler.cli.output import Status, Stop
from caplex.runtime.document import read_json
from caplex.runtime.errors import DocumentError

MOST_LINE = 4 * 2**20


class Unread(str):
    """Why a line holds no event, and the code of that."""

    __slots__ = ("code",)
    code: str

    @classmethod
    def because(cls, code: str, sentence: str) -> Self:
        found = cls(sentence)
        found.code = code
        return found


class Feed:
    """Iterate for pairs: the number of a line, and the object in it, or a sentence that says why there is none.

    While a line is waited for, Ctrl-C ends the iteration at once; while an event is worked on, after it.
    """

    def __init__(self, path: str) -> None:
        self.name = "<stdin>" if path == "-" else path
        self.interrupted = False
        self._waiting = False
        self._before: Any = None
        self._stream: IO[bytes]
        try:
            self._stream = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115 - closed where this object is left
        except OSError as error:
            from caplex.compiler.diagnostics.codes_input import CANNOT_READ
            from caplex.compiler.diagnostics.diagnostic import Diagnostic

            raise Stop(Status.USAGE, "", [Diagnostic(
                CANNOT_READ, f"`{path}` cannot be read: {error.strerror or type(error).__name__}", where=path)]) from None

    def __enter__(self) -> Self:
        try:
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        except ValueError:  # not in the main thread: then nobody presses Ctrl-C here
            self._before = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self.name != "<stdin>":
            self._stream.close()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True
        if self._waiting:
            raise KeyboardInterrupt

    def place(self, line: int) -> str:
        return f"{self.name}:{line}"

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any] | Unread]]:
        number = 0
        while True:
            raw = self._next()
            if not raw:
                return
            number += 1
            if len(raw) > MOST_LINE:
                while raw and not raw.endswith(b"\n"):
                    raw = self._next()
                yield number, Unread.because("CAP920", f"the line is longer than {MOST_LINE // 2**20} MiB")
            elif raw.strip():
                yield number, _read(raw)

    def _next(self) -> bytes:
        """The next line; nothing at the end, or once it was interrupted."""
        try:
            self._waiting = True
            return b"" if self.interrupted else self._stream.readline(MOST_LINE + 1)
        except KeyboardInterrupt:
            self.interrupted = True
            return b""
        except IsADirectoryError:
            raise Stop(Status.USAGE, f"`{self.name}` is a folder; name a file of events, one JSON object a line") from None
        finally:
            self._waiting = False


def _read(raw: bytes) -> dict[str, Any] | Unread:
    try:
        return read_json(raw.rstrip(b"\r\n"))
    except DocumentError as error:
        cause = error.__context__
        if isinstance(cause, json.JSONDecodeError):
            return Unread.because("CAP910", f"not JSON: {cause.msg}, at column {cause.colno}")
        sentence = str(error).removeprefix("facts: ")
        code = "CAP926" if "object is wanted" in sentence else "CAP920" if "nested" in sentence else "CAP910"
        return Unread.because(code, sentence)
