"""Doc comments taken apart: paragraphs, lists and code, and words between backticks. Pages escape each piece by itself."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_CODE = re.compile(r"`([^`\n]+)`")
_ITEM = re.compile(r"^[-*] +")


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """*lines*: of code as it stands, of a list its items, of a paragraph one."""

    kind: Literal["paragraph", "list", "code"]
    lines: tuple[tuple[Piece, ...], ...]


def blocks(text: str) -> list[Block]:
    return [each for part in re.split(r"\n[ \t]*\n", text) if part.strip() for each in _block(part.strip("\n").split("\n"))]


def _block(lines: list[str]) -> Iterator[Block]:
    if all(line.startswith("    ") for line in lines):
        yield Block("code", tuple((Piece(line[4:], True),) for line in lines))
        return
    first = next((number for number, line in enumerate(lines) if _ITEM.match(line)), len(lines))
    if first:
        yield Block("paragraph", (_pieces(lines[:first]),))
    items: list[list[str]] = []
    for line in lines[first:]:
        if _ITEM.match(line):
            items.append([_ITEM.sub("", line)])
        else:
            items[-1].append(line)
    if items:
        yield Block("list", tuple(map(_pieces, items)))


def _pieces(lines: list[str]) -> tuple[Piece, ...]:
    text = " ".join(line.strip() for line in lines)
    return tuple(Piece(part, number % 2 == 1) for number, part in enumerate(_CODE.split(text)) if part)
