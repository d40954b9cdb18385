"""The tokens of a text with what stands between them: comments, empty lines, line ends.

The formatter walks Lark's own tree, in which no token is missing, not `ast.Module`, which has forgotten parentheses, commas and the order of
clauses. Each token knows the comments that belong to it, so whoever prints all tokens prints all comments.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lark import Token, Tree

from caplex.compiler.syntax.tables import Tables

_COMMENT = re.compile(r"#[^\n]*")


@dataclass(slots=True)
class Comment:
    """A comment on lines of its own; *blank*: the author left an empty line above it."""

    text: str
    blank: bool


@dataclass(slots=True, eq=False)
class Tok:
    """One token.

    Attributes:
        above: Comments on the lines above it.
        behind: The comment behind it on its line, and those that go on exactly below that.
        blank: An empty line stands directly above it (and below the last of *above*, if there are any).
        first: It is the first on its line.
        column: Where the comment behind it began, from 0.
        space: How much space stood before that.
        starts: A line of the layout begins with it; then empty lines around its comments are kept.
        close: The comment behind it stands directly behind it: a space would turn the sign of a number into an operator.
    """

    text: str
    above: list[Comment] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    blank: bool = False
    first: bool = False
    column: int = 0
    space: int = 0
    starts: bool = False
    close: bool = False

    @property
    def gap(self) -> bool:
        """Whether an empty line parts it, or the first of its comments, from what stands before."""
        return self.above[0].blank if self.above else self.blank


@cache
def _tables() -> Tables:
    """A parser that builds nothing: its trees hold every token."""
    return Tables(None)


class Text:
    """A text that parses, as a tree and as tokens.

    Attributes:
        tree: Lark's tree of the module.
        end: A token without text behind the last one; comments at the end of the file stand above it.
    """

    def __init__(self, text: str) -> None:
        self.tree: Tree[Token] = _tables().lark.parse(text, start="module")
        self.end = Tok("")
        self._by_start: dict[int, Tok] = {}
        self._read(text)

    def tok(self, token: Token) -> Tok:
        return self._by_start[token.start_pos or 0]

    def _read(self, text: str) -> None:
        before: Tok | None = None
        at = 0
        for token in leaves(self.tree):
            start, end = token.start_pos, token.end_pos
            assert start is not None
            assert end is not None
            tok = Tok(" ".join(token.split()) if token.type == "UNLESS_WORSE" else str(token))
            _between(text, at, start, before, tok)
            self._by_start[start] = tok
            before, at = tok, end
        _between(text, at, len(text), before, self.end)


def leaves(node: Any) -> Iterator[Token]:
    """The tokens below *node*, in the order of the text."""
    stack = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, Token):
            yield here
        elif here is not None:
            stack.extend(reversed(here.children))


def _between(text: str, start: int, end: int, before: Tok | None, after: Tok) -> None:
    """Gives the comments in ``text[start:end]`` to the token before or to the one after."""
    gap = text[start:end]
    if "#" not in gap:
        assert not gap or gap.isspace(), "only white space may stand between tokens and comments"
        ends = gap.count("\n")
        after.blank, after.first = ends > 1, ends > 0 or before is None
        return
    at = start
    follows = before is not None  # whether what comes next may stand behind a token on its line
    continues = False
    for match in _COMMENT.finditer(text, start, end):
        ends = text.count("\n", at, match.start())
        column = match.start() - (text.rfind("\n", 0, match.start()) + 1)
        said = match[0].rstrip()
        if follows and ends == 0:
            assert before is not None
            before.behind.append(said)
            before.column, before.space = column, match.start() - start
            continues = True
        elif continues and ends == 1 and before is not None and column == before.column and not said.startswith("##"):
            before.behind.append(said)
        else:
            after.above.append(Comment(said, ends > 1))
            continues = False
        assert not text[at : match.start()].strip(), "only white space may stand between tokens and comments"
        follows = False
        at = match.end()
    assert not text[at:end].strip(), "only white space may stand between tokens and comments"
    ends = text.count("\n", at, end)
    after.blank = ends > 1
    after.first = ends > 0 or before is None
