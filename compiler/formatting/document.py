"""A small algebra of layouts, and its printer.

A layout is a token, a text, a list of layouts, or one of the marks below. A group is printed on one line if it fits, else its own lines break.
Comments come with their tokens: the printer puts one above or behind its token whatever the layout says, and breaks the line after it.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from caplex.compiler.formatting.tokens import Tok

WIDTH = 100
FURTHEST = 16
"""A column further away than this is not read as one: then nothing is aligned."""


@dataclass(slots=True, frozen=True)
class Line:
    """A line end if its group breaks, else *flat*."""

    flat: str = " "


@dataclass(slots=True, frozen=True)
class Pad:
    """*text* if its group breaks, else nothing."""

    text: str


@dataclass(slots=True, frozen=True)
class Hard:
    """A line end, with an empty line if *blank*."""

    blank: bool = False


@dataclass(slots=True, frozen=True)
class Nest:
    """*inside*, each of its lines *by* columns further right."""

    inside: Doc
    by: int = 2


@dataclass(slots=True, frozen=True)
class Group:
    """*inside* on one line, if it fits and is not *broken* from the start."""

    inside: Doc
    broken: bool = False


@dataclass(slots=True, frozen=True)
class Block:
    """*inside*; comments behind its lines have one column."""

    inside: Doc


Doc: TypeAlias = "Tok | str | Line | Pad | Hard | Nest | Group | Block | list[Doc]"

LINE, SOFT, GAP = Line(), Line(""), Line("  ")


def broken(*parts: Doc) -> Doc:
    """The parts on a line of their own, further in, if they do not fit behind what stands before them."""
    return Nest(Group([LINE, *parts]))


def flat_width(doc: Doc) -> int | None:
    """How wide *doc* is on one line; None if a comment or a line end stands inside. Comments above its first token and behind its last do not."""
    width = 0
    began = ended = False
    stack = [doc]
    while stack:
        here = stack.pop()
        if isinstance(here, list):
            stack.extend(reversed(here))
        elif isinstance(here, Tok):
            if ended or (here.above and began):
                return None
            width += len(here.text)
            began, ended = True, bool(here.behind)
        elif isinstance(here, str):
            width += len(here)
        elif isinstance(here, Line):
            width += len(here.flat)
        elif isinstance(here, Hard) or (isinstance(here, Group) and here.broken):
            return None
        elif not isinstance(here, Pad):
            stack.append(here.inside)
    return width


@dataclass(slots=True)
class Row:
    """A printed line: its code, the comment behind it, the column that the author gave that and the space before it, the block it is in."""

    code: str
    comments: list[str] = field(default_factory=list)
    column: int = 0
    space: int = 0
    block: int = 0
    own: int = -1
    """Where a comment with a line of its own begins; -1 for code."""


class Printer:
    """Prints one layout."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._parts: list[str] = []
        self._column = 0
        self._behind: Tok | None = None
        self._block = 0
        self._blocks = 0

    def print(self, doc: Doc) -> str:
        # What is still to print: indent, whether its group breaks, the layout; None ends a block.
        stack: list[tuple[int, bool, Doc | None]] = [(0, True, doc)]
        while stack:
            indent, breaks, here = stack.pop()
            if isinstance(here, Tok):
                self._token(here, indent)
            elif isinstance(here, str):
                self._text(here, indent)
            elif isinstance(here, list):
                stack.extend((indent, breaks, part) for part in reversed(here))
            elif isinstance(here, Nest):
                stack.append((indent + here.by, breaks, here.inside))
            elif isinstance(here, Group):
                column = indent if self._behind is not None or not self._parts else self._column
                flat = not here.broken and _fits(here.inside, stack, column, indent)
                stack.append((indent, not flat, here.inside))
            elif isinstance(here, Line):
                if breaks:
                    self._end()
                else:
                    self._text(here.flat, indent)
            elif isinstance(here, Pad):
                if breaks:
                    self._text(here.text, indent)
            elif isinstance(here, Hard):
                self._end()
                if here.blank:
                    self._empty()
            elif isinstance(here, Block):
                self._blocks += 1
                stack.append((self._block, False, None))
                stack.append((indent, breaks, here.inside))
                self._block = self._blocks
            else:
                self._block = indent
        self._end()
        return _joined(self.rows)

    def _text(self, text: str, indent: int) -> None:
        if not text.strip():
            if self._behind is None and self._parts:
                self._parts.append(text)
                self._column += len(text)
            return
        if self._behind is not None:
            self._end()
        if not self._parts:
            self._parts.append(" " * indent)
            self._column = indent
        self._parts.append(text)
        self._column += len(text)

    def _token(self, token: Tok, indent: int) -> None:
        if token.above:
            self._end()
            for number, comment in enumerate(token.above):
                if comment.blank and token.starts and number:
                    self._empty()
                self.rows.append(Row(" " * indent + comment.text, own=-1 if comment.text.startswith("##") else indent))
            if token.blank and token.starts and token.text:
                self._empty()
        if token.text:
            self._text(token.text, indent)
        if token.behind:
            self._behind = token

    def _empty(self) -> None:
        if self.rows and self.rows[-1].code:
            self.rows.append(Row(""))

    def _end(self) -> None:
        code = "".join(self._parts).rstrip()
        if code:
            row = Row(code)
            if self._behind is not None and self._behind.close:
                row.code += self._behind.behind[0]
                self.rows += [row, *(Row(" " * len(code) + comment) for comment in self._behind.behind[1:])]
                row = self.rows.pop()
            elif self._behind is not None:
                row.comments, row.column, row.space, row.block = self._behind.behind, self._behind.column, self._behind.space, self._block
            self.rows.append(row)
        self._parts = []
        self._column = 0
        self._behind = None


def _fits(doc: Doc, rest: list[tuple[int, bool, Doc | None]], column: int, indent: int) -> bool:
    """Whether *doc* fits on the line from *column* on, with what must follow it on that line."""
    room = WIDTH - column
    inside: list[Doc] = [doc]
    behind = began = False
    at = len(rest)
    breaks = False  # in the rest, a line of a group that is not decided yet may break
    while room >= 0:
        if not inside:
            at -= 1
            if at < 0:
                return True
            _, breaks, following = rest[at]
            if following is not None:
                inside.append(following)
            continue
        here = inside.pop()
        within = at == len(rest)
        if isinstance(here, list):
            inside.extend(reversed(here))
        elif isinstance(here, Tok):
            if behind or (here.above and began):
                return not within
            if here.above:
                room = WIDTH - indent
            room -= len(here.text)
            began, behind = True, bool(here.behind)
        elif isinstance(here, str):
            room -= len(here)
            began = True
        elif isinstance(here, Line):
            if not within and breaks:
                return True
            if behind:
                return not within
            room -= len(here.flat)
            began = True
        elif isinstance(here, Hard):
            return not within
        elif isinstance(here, Group):
            if here.broken and within:
                return False
            inside.append(here.inside)
        elif not isinstance(here, Pad):
            inside.append(here.inside)
    return False


# ── comments behind code ──────────────────────────────────────────────────────────────────────────────


def _joined(rows: list[Row]) -> str:
    lines: list[str] = []
    columns = _comment_columns(rows)
    for number, row in enumerate(rows):
        if not row.comments:
            lines.append(row.code)
            continue
        column = columns[number]
        lines.append(row.code.ljust(column) + row.comments[0])
        lines += [" " * column + comment for comment in row.comments[1:]]
    return "\n".join(lines) + "\n" if lines else ""


def _comment_columns(rows: list[Row]) -> dict[int, int]:
    """The column of the comment of each row that has one."""
    runs: dict[tuple[int, int], list[int]] = {}
    run = 0
    for number, row in enumerate(rows):
        if row.comments:
            runs.setdefault((row.block, 0 if row.block else run), []).append(number)
        else:
            run = number + 1
    return {number: column for numbers in runs.values() for number, column in _aligned(rows, numbers)}


def _aligned(rows: list[Row], numbers: list[int]) -> Iterable[tuple[int, int]]:
    least = max(len(rows[number].code) for number in numbers) + 2
    shortest = min(len(rows[number].code) for number in numbers) + 2
    column = least
    space = min(rows[number].space for number in numbers)
    if len({rows[number].column for number in numbers}) == 1 and 2 < space <= FURTHEST:
        column += space - 2  # the author has set them all into one column
    if column == least and least - shortest > FURTHEST:
        return [(number, _apart(rows, [number], len(rows[number].code) + 2)) for number in numbers]
    return [(number, _apart(rows, numbers, column)) for number in numbers]


def _apart(rows: list[Row], numbers: list[int], column: int) -> int:
    """*column*, or one more if a comment below that has its own line would seem to go on with one behind code."""
    below = {rows[number + 1].own for number in numbers if number + 1 < len(rows)}
    while column in below:
        column += 1
    return column
