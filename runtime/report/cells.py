"""Text in the cells of a terminal: how wide it is, what of it may be shown, where it breaks."""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

TAB: Final = "    "
ELLIPSIS: Final = "…"
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
# Categories whose characters would move the cursor, turn the direction of the line, or show nothing.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_EIGHTHS = " ▏▎▍▌▋▊▉"


def visible(text: str) -> str:
    """*text* with every character that shows nothing, or moves the cursor, written as its number."""
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character == "\t":
        return TAB
    return f"<U+{ord(character):04X}>" if unicodedata.category(character) in _UNSEEN else character


def cells(text: str) -> int:
    """Columns that *text* takes; colours take none."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    return sum(map(_cell, _STYLE.sub("", text)))


def _cell(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, width: int, *, right: bool = False) -> str:
    """*text* filled up with blanks to *width* columns."""
    blanks = " " * max(0, width - cells(text))
    return blanks + text if right else text + blanks


def cut(text: str, width: int) -> str:
    """*text* in at most *width* columns, with ``…`` where it was longer."""
    if cells(text) <= width:
        return text
    return _head(text, width - 1) + ELLIPSIS if width > 0 else ""


def cut_front(text: str, width: int) -> str:
    """As `cut`, and the end is what stays: of a place the line."""
    if cells(text) <= width:
        return text
    return ELLIPSIS + _head(text[::-1], width - 1)[::-1] if width > 0 else ""


def _head(text: str, width: int) -> str:
    taken = 0
    for index, character in enumerate(text):
        taken += _cell(character)
        if taken > width:
            return text[:index]
    return text


def wrapped(text: str, width: int, indent: str = "", more: str | None = None) -> list[str]:
    """*text* broken at blanks into lines of at most *width* columns; what is longer than a line is broken anywhere.

    The first line begins with *indent*, the others with *more*.
    """
    more = indent if more is None else more
    lines: list[str] = []
    line, empty = indent, True
    for word in text.split(" "):
        if not empty and cells(line) + 1 + cells(word) > width:
            lines.append(line)
            line, empty = more, True
        line, empty = line + ("" if empty else " ") + word, False
        while cells(line) > width and cells(line) > cells(more) + 1:
            head = _head(line, width)
            if len(head) <= len(more):
                break
            lines.append(head)
            line = more + line[len(head):]
    return [*lines, line]


def pieced(pieces: Sequence[str], width: int, start: str, indent: str, joint: str = "   ") -> list[str]:
    """*pieces* side by side; one that does not fit begins a line, and is only broken if it is longer than that."""
    lines, line, empty = [], start, True
    for piece in pieces:
        if not empty and cells(line) + cells(joint) + cells(piece) > width:
            lines.append(line)
            line, empty = indent, True
        line, empty = line + ("" if empty else joint) + piece, False
        if cells(line) > width:
            begin = start if not lines else indent
            *done, line = wrapped(line[len(begin):], width, begin, indent)
            lines += done
    return [*lines, line]


def sides(left: str, right: str, width: int) -> str | None:
    """*right* at the right edge of *left*'s line; None where they do not fit."""
    free = width - cells(left) - cells(right)
    return left + " " * free + right if free >= 2 else None


def bar(percent: int, width: int = 8) -> str:
    """``▕███▏  ▏``: a share as a bar; what is beyond the whole fills it."""
    eighths = min(max(percent, 0), 100) * width * 8 // 100
    if percent > 0:
        eighths = max(eighths, 1)
    full, rest = divmod(eighths, 8)
    return "▕" + ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width) + "▏"
