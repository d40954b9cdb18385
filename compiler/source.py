"""Text that a person wrote, and places in it.

A `Span` is a half-open range of offsets into one `Source`; lines and columns are worked out only when a person asks.
"""
from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import TypeVar, dataclass_transform

_SEALED = ".capc"
_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[_T]) -> type[_T]:
    """A slotted dataclass that nobody writes into; type checkers see to that. One that is frozen takes three times as long to make,
    and a policy of ten thousand rules has hundreds of thousands."""
    return dataclass(slots=True, unsafe_hash=True)(cls)


@record
class Position:
    """A place as people count it: line and column both start at 1, columns count characters."""

    line: int
    column: int


@dataclass(slots=True, eq=False)
class Source:
    """One file, or one text with a name.

    Attributes:
        name: What messages call it, e.g. ``desk.cap``; never an absolute path unless the user typed one.
        text: The whole text.
    """

    name: str
    text: str
    _starts: list[int] | None = field(default=None, repr=False)

    def starts(self) -> list[int]:
        """Offsets at which the lines begin."""
        if self._starts is None:
            starts = [0]
            find = self.text.find
            at = find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = find("\n", at + 1)
            self._starts = starts
        return self._starts

    def position(self, offset: int) -> Position:
        """Line and column of *offset*; an offset past the end is the place behind the last character."""
        starts = self.starts()
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(starts, offset)
        return Position(line, offset - starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """Text of line *number* (from 1), without its line end."""
        starts = self.starts()
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")


@dataclass(slots=True, unsafe_hash=True)
class Span:
    """Half-open range ``[start, end)`` of character offsets in *source*.

    Nobody writes into one. It is not frozen because a frozen one takes three times as long to make, and a policy of ten
    thousand rules has a quarter of a million.
    """

    source: Source = field(compare=False, repr=False)
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def begin(self) -> Position:
        return self.source.position(self.start)

    @property
    def finish(self) -> Position:
        """The place just behind the last character."""
        return self.source.position(self.end)

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of *other*."""
        return Span(self.source, self.start, other.end)


def is_sealed(path: str | PathLike[str]) -> bool:
    """Does the name say that the file is a sealed policy (`compiler.sealed`), and no text of one?"""
    return fspath(path).endswith(_SEALED)
