"""Where the cursor stands: in which item, behind which words, and what the grammar lets come next.

The parser is asked, not a list of cases: it runs the item up to the cursor and tells which words it would take. It has
tables of its own, so that a question never waits for a check that is running.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from lark.exceptions import UnexpectedInput
from lark.utils import TextSlice

from caplex.compiler.syntax.recovery import is_head
from caplex.compiler.syntax.tables import Tables

_TEXT = re.compile(r'"(?P<text>(?:[^"\\\n]|\\.)*)(?P<end>"?)|(?P<comment>\#[^\n]*)')
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9-]*)?$")
_PATH = re.compile(r"((?:[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]\n]*\])?\.)+)$")
_DIGITS = re.compile(r"(?<![\w.\-:])(\d[\d_]*(?:\.\d+)?)([A-Za-z%]*)$")
_FARTHEST = 60_000

Inside = Literal["code", "text", "comment", "hole"]


@dataclass(frozen=True, slots=True)
class Spot:
    """The place of a cursor.

    Attributes:
        start: Where the word begins that is being typed.
        word: What of it is there.
        before: The item's text up to *start*; texts and comments in it are as they were written.
        path: What stands before the word with dots: ``["account"]``, ``["after", "position"]``; rows without their key.
        number: The numeral directly before the word: ``20`` of ``20b``.
        takes: Types of the tokens that could come at *start*; None if the text before cannot be read.
        inside: Code, or the hole of a text; in texts and comments nothing is offered.
        opened: The text around the cursor began here, if *inside* is text.
        behind: What follows, as far as the line and the next go.
    """

    start: int
    word: str
    before: str
    path: tuple[str, ...] = ()
    number: str = ""
    takes: frozenset[str] | None = None
    inside: Inside = "code"
    opened: int = 0
    behind: str = ""
    words: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def can(self, *terminals: str) -> bool:
        return self.takes is not None and any(each in self.takes for each in terminals)

    @property
    def expression(self) -> bool:
        """A value could begin here."""
        return self.takes is None or "NUMBER" in self.takes

    def keywords(self) -> list[str]:
        return sorted(self.words[each] for each in self.takes or () if each in self.words)


@cache
def tables() -> Tables:
    """A parser that builds nothing."""
    return Tables(None)


def spot(text: str, offset: int) -> Spot:
    """The place of a cursor at *offset*."""
    begin = item_start(text, offset)
    inside, opened = _inside(text, begin, offset)
    if inside in ("comment", "text"):
        return Spot(offset, "", text[begin:offset], inside=inside, opened=opened)
    left = text[opened if inside == "hole" else begin : offset]
    number = _DIGITS.search(left)
    if number is not None:
        return Spot(offset - len(number[2]), number[2], left[: len(left) - len(number[2])], number=number[1], inside=inside)
    word = _WORD.search(left)
    typed = word[0] if word is not None else ""
    start = offset - len(typed)
    before = left[: len(left) - len(typed)]
    path = _PATH.search(before)
    steps: tuple[str, ...] = ()
    if path is not None:
        steps = tuple(re.sub(r"\[[^\]]*\]", "", path[1])[:-1].split("."))
    at = start - (len(path[1]) if path is not None else 0)
    first = opened if inside == "hole" else begin
    takes = _takes(text, first, at, "hole" if inside == "hole" else "module")
    return Spot(start, typed, before, steps, takes=takes, inside=inside, opened=opened, behind=text[offset : offset + 200].partition("\n\n")[0],
                words=tables().words)


def item_start(text: str, offset: int) -> int:
    """Where the item around *offset* begins: the last line before it that begins as items do."""
    at = offset
    while at > 0 and offset - at < _FARTHEST:
        line = text.rfind("\n", 0, at) + 1
        head = line
        while head < offset and text[head] in " \t":
            head += 1
        if (is_head(text, head) and head < offset) or text.startswith("policy ", head, offset):
            return head
        if line == 0:
            return 0
        at = line - 1
    return at


def _inside(text: str, begin: int, offset: int) -> tuple[Inside, int]:
    """Whether *offset* is in a text, a comment or a hole, and where that began."""
    for match in _TEXT.finditer(text, begin):
        if match.start() >= offset:
            break
        if match["comment"] is not None:
            if offset <= match.end():
                return "comment", match.start()
            continue
        closed = bool(match["end"])
        if offset < match.end() or (not closed and offset <= match.end()):
            # Only what is told is a template: `because`, `emit`.
            hole = text.rfind("{", match.start(), offset)
            told = re.search(r"(?:\bbecause|\balways|,)\s*$", text[begin : match.start()]) is not None
            if told and hole >= 0 and "}" not in text[hole:offset] and text[hole - 1] != "\\":
                return "hole", hole + 1
            return "text", match.start()
    return "code", begin


def _takes(text: str, begin: int, end: int, start: str) -> frozenset[str] | None:
    parser: Any = tables().lark
    try:
        run = parser.parse_interactive(TextSlice(text, begin, end), start=start)
        run.exhaust_lexer()
        return frozenset(run.accepts())
    except UnexpectedInput:
        return None
