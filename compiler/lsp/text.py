"""Offsets, positions as editors count them, and what becomes of an offset when the text is edited."""
from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_LINE_END = re.compile(r"\r\n|\n|\r")


class Lines:
    """Lines of one text; columns count code units of *encoding* (``utf-16`` unless client and server agreed otherwise)."""

    __slots__ = ("_starts", "encoding", "text")

    def __init__(self, text: str, encoding: str = "utf-16") -> None:
        self.text = text
        self.encoding = encoding
        self._starts = [0, *(end.end() for end in _LINE_END.finditer(text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of *offset*, both from 0."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self._starts, offset) - 1
        return line, units(self.text[self._starts[line] : offset], self.encoding)

    def offset(self, line: int, column: int) -> int:
        """Where *line* and *column* are; a place past the end of a line is its end, one past the text is the text's."""
        if line < 0:
            return 0
        if line >= len(self._starts):
            return len(self.text)
        start = self._starts[line]
        end = self._starts[line + 1] if line + 1 < len(self._starts) else len(self.text)
        content = self.text[start:end].rstrip("\r\n")
        return start + characters(content, column, self.encoding)


def units(text: str, encoding: str) -> int:
    """How many code units *text* has."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    return len(text.encode("utf-8", "surrogatepass")) if encoding == "utf-8" else len(text.encode("utf-16-le", "surrogatepass")) // 2


def characters(text: str, column: int, encoding: str) -> int:
    """How many characters of *text* lie before *column*; a column inside a character is before it."""
    if encoding == "utf-32" or text.isascii():
        return max(0, min(column, len(text)))
    seen = 0
    for index, character in enumerate(text):
        seen += units(character, encoding)
        if seen > column:
            return index
    return len(text)


@dataclass(frozen=True, slots=True)
class Edit:
    """What stood in ``[start, end)`` has become *length* characters."""

    start: int
    end: int
    length: int

    @property
    def moved(self) -> int:
        return self.length - (self.end - self.start)


def forward(offset: int, edits: Sequence[Edit]) -> int:
    """Where *offset* of the text before *edits* is after them."""
    for edit in edits:
        if offset >= edit.end:
            offset += edit.moved
        elif offset > edit.start:
            offset = min(offset, edit.start + edit.length)
    return offset


def backward(offset: int, edits: Sequence[Edit]) -> int:
    """Where *offset* of the text after *edits* was before them."""
    for edit in reversed(edits):
        if offset >= edit.start + edit.length:
            offset -= edit.moved
        elif offset > edit.start:
            offset = min(offset, edit.end)
    return offset


def difference(old: str, new: str) -> Edit:
    """The one edit that makes *new* of *old*: what begins and ends alike is left alone."""
    most = min(len(old), len(new))
    start = _alike(old, new, most)
    tail = _alike(old[start:][::-1], new[start:][::-1], most - start)
    return Edit(start, len(old) - tail, len(new) - tail - start)


def _alike(left: str, right: str, most: int) -> int:
    """How many characters both begin with."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
