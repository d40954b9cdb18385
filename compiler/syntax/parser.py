"""Text to tree. Bad text is never an exception: it comes back as diagnostics, several at a time."""
from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import count
from threading import RLock
from typing import Any

from lark.exceptions import UnexpectedInput, UnexpectedToken
from lark.utils import TextSlice

from caplex.compiler.collecting import paused
from caplex.compiler.diagnostics import codes_syntax as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.source import Source, Span
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.builder import Builder
from caplex.compiler.syntax.guards import guard
from caplex.compiler.syntax.loop import GivenUp, Loop
from caplex.compiler.syntax.mistakes import Teller
from caplex.compiler.syntax.recovery import resync
from caplex.compiler.syntax.tables import Tables

# The builder holds the state of one parse; parsing does not wait for anything, so threads lose nothing by queueing.
_lock = RLock()


def parse(source: Source, *, limit: int = 50, ids: Iterator[int] | None = None) -> tuple[ast.Module | None, list[Diagnostic]]:
    """Parse one module.

    Args:
        source: The text.
        limit: How many diagnostics are told at most; recovery goes on that long.
        ids: Where node ids come from; hand the same iterator to all modules of one compilation.
    Returns:
        The tree and no diagnostics, or None and what is wrong, in the order of the text.
    """
    return _parse(source, "module", limit, ids if ids is not None else count())


def parse_expression(source: Source, ids: Iterator[int] | None = None) -> tuple[ast.Expr | None, list[Diagnostic]]:
    """Parse a lone expression, such as the value of a setting: ``8%``, ``5_000 USD``, ``["SPY"]``."""
    return _parse(source, "lone", 1, ids if ids is not None else count())


@cache
def front() -> tuple[Tables, Builder]:
    """The parser and its builder, made once."""
    builder = Builder()
    tables = Tables(builder, builder._on_comment)
    builder._parse_hole = lambda start, end: _parse_hole(tables, builder, start, end)
    return tables, builder


@cache
def loop() -> Loop:
    """The way for texts without mistakes."""
    return Loop(front()[0].lark)


def _parse(source: Source, start: str, limit: int, ids: Iterator[int]) -> tuple[Any, list[Diagnostic]]:
    problems = guard(source, limit)
    if problems:
        return None, problems
    with _lock, paused():
        tables, builder = front()
        try:
            builder._begin(source, ids)
            try:
                tree = loop().parse(source.text, start)
            except GivenUp:
                builder._begin(source, ids)
                tree = _run(tables, builder, source, start, limit)
            problems = builder._problems
        finally:
            builder._begin(Source("", ""), count())
    return (None, _ordered(problems)[:limit]) if problems else (tree, [])


def _run(tables: Tables, builder: Builder, source: Source, start: str, limit: int) -> Any:
    teller = Teller(source, start, tables, builder)
    problems = builder._problems

    def on_error(error: UnexpectedInput) -> bool:
        problems.append(teller.tell(error))
        at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        if at_end or start != "module" or len(problems) >= limit:
            return False
        resync(error, source.text)
        return True

    try:
        return tables.lark.parse(source.text, start=start, on_error=on_error)
    except UnexpectedInput:
        return None


def _parse_hole(tables: Tables, builder: Builder, start: int, end: int) -> ast.Hole | None:
    """The inside of ``{…}``; a slice of the whole text, so that its nodes know their true places."""
    source = builder._source
    if not source.text[start:end].strip():
        problem = Diagnostic(codes.BAD_HOLE, "this hole is empty", Span(source, start - 1, end + 1), help="write `\\{` for a plain brace")
        builder._problems.append(problem)
        return None
    mark = builder._mark()
    try:
        try:
            parsed: Any = loop().parse(source.text, "hole", start, end)
        except GivenUp:
            builder._rewind(mark)
            parsed = tables.lark.parse(TextSlice(source.text, start, end), start="hole")
    except UnexpectedInput as error:
        builder._problems.append(Teller(source, "hole", tables, builder).tell(error))
        return None
    parsed.span = Span(source, start - 1, end + 1)
    hole: ast.Hole = parsed
    return hole


def _ordered(problems: list[Diagnostic]) -> list[Diagnostic]:
    """In the order of the text; of several at one place the first counts."""
    problems = sorted(problems, key=Diagnostic.sort_key)
    seen: set[int] = set()
    out = []
    for problem in problems:
        start = problem.span.start if problem.span is not None else -1
        if start not in seen:
            seen.add(start)
            out.append(problem)
    return out
