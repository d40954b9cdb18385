"""Reductions of expressions and literals."""
from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from lark import Token

from caplex.compiler.diagnostics import codes_syntax as codes
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.build_core import MAX_DEPTH, MAX_DIGITS, Children, Clause, Core
from caplex.compiler.syntax.words import HARD

NANOSECONDS = {
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_DURATION_PART = re.compile(r"([0-9]+)(ms|min|s|h|d|w)")
_EPOCH = 719_163  # date(1970, 1, 1).toordinal()


class Expressions(Core):
    # ── literals ─────────────────────────────────────────────────────────────────────────────────────

    def _decimal(self, token: Token, *, front: int = 0, back: int = 0) -> Decimal:
        """The number in *token*, without *front* characters before it and *back* behind it."""
        digits = token.value[front : len(token.value) - back]
        if len(digits) > MAX_DIGITS:
            self._too_long(token, f"a number has at most {MAX_DIGITS} digits")
            return Decimal(0)
        return Decimal(digits.replace("_", ""))

    def number(self, c: Children) -> ast.Number:
        return ast.Number(id=self._next(), span=self._token_span(c[0]), value=self._decimal(c[0]))

    def money(self, c: Children) -> ast.Money:
        return ast.Money(id=self._next(), span=self._span(c), amount=self._decimal(c[0]), currency=c[1].value)

    def dollars(self, c: Children) -> ast.Money:
        return ast.Money(id=self._next(), span=self._token_span(c[0]), amount=self._decimal(c[0], front=1), currency=None)

    def percent(self, c: Children) -> ast.Percent:
        return ast.Percent(id=self._next(), span=self._token_span(c[0]), value=self._decimal(c[0], back=1))

    def basis_points(self, c: Children) -> ast.BasisPoints:
        return ast.BasisPoints(id=self._next(), span=self._token_span(c[0]), value=self._decimal(c[0], back=2))

    def points(self, c: Children) -> ast.Points:
        return ast.Points(id=self._next(), span=self._token_span(c[0]), value=self._decimal(c[0], back=2))

    def multiple(self, c: Children) -> ast.Multiple:
        return ast.Multiple(id=self._next(), span=self._token_span(c[0]), value=self._decimal(c[0], back=1))

    def units(self, c: Children) -> ast.Units:
        return ast.Units(id=self._next(), span=self._span(c), value=self._decimal(c[0]))

    def duration(self, c: Children) -> ast.Duration:
        return self._duration(c[0])

    def _duration(self, token: Token) -> ast.Duration:
        total = 0
        if len(token.value) > MAX_DIGITS:
            self._too_long(token, f"a duration has at most {MAX_DIGITS} digits")
        else:
            total = sum(int(amount) * NANOSECONDS[unit] for amount, unit in _DURATION_PART.findall(token.value))
        return ast.Duration(id=self._next(), span=self._token_span(token), nanoseconds=total)

    def instant(self, c: Children) -> ast.Instant:
        return self._instant(c[0])

    def _instant(self, token: Token) -> ast.Instant:
        day, _, time = token.value[:-1].partition("T")
        nanoseconds = (self._ordinal(day, token) - _EPOCH) * NANOSECONDS["d"] + self._clock(time, token)
        return ast.Instant(id=self._next(), span=self._token_span(token), nanoseconds=nanoseconds)

    def date(self, c: Children) -> ast.Date:
        return self._day(c[0])

    def time_of_day(self, c: Children) -> ast.TimeOfDay:
        return self._time(c[0])

    def _time(self, token: Token) -> ast.TimeOfDay:
        return ast.TimeOfDay(id=self._next(), span=self._token_span(token), nanoseconds=self._clock(token.value, token))

    def _clock(self, text: str, token: Token) -> int:
        """Nanoseconds since midnight of ``15:00``, ``15:00:30`` or ``15:00:30.25``."""
        hour, minute, second = (text + ":00").split(":")[:3]
        whole, _, fraction = second.partition(".")
        if int(hour) > 23 or int(minute) > 59 or int(whole) > 59:
            self._complain(codes.IMPOSSIBLE_TIME, f"`{text}` is not a time of day", self._token_span(token))
            return 0
        seconds = int(hour) * 3600 + int(minute) * 60 + int(whole)
        return seconds * NANOSECONDS["s"] + int(fraction.ljust(9, "0") or 0)

    def text(self, c: Children) -> ast.Text:
        return ast.Text(id=self._next(), span=self._token_span(c[0]), value=self._string(c[0]))

    def true(self, c: Children) -> ast.Bool:
        return ast.Bool(id=self._next(), span=self._token_span(c[0]), value=True)

    def false(self, c: Children) -> ast.Bool:
        return ast.Bool(id=self._next(), span=self._token_span(c[0]), value=False)

    def unlimited(self, c: Children) -> ast.Unlimited:
        return ast.Unlimited(id=self._next(), span=self._token_span(c[0]))

    # ── readings ─────────────────────────────────────────────────────────────────────────────────────

    def name(self, c: Children) -> ast.Read:
        return ast.Read(id=self._next(), span=self._token_span(c[0]), name=c[0].value)

    def path(self, c: Children) -> ast.Read:
        token = c[0]
        first = token.value.partition(".")[0]
        if first in HARD and first != "after":
            place = Span(self._source, token.start_pos, token.start_pos + len(first))
            self._complain(codes.RESERVED_WORD, f"`{first}` is a word of the language, no section of facts is called so", place)
        return self._read_path(token.value, token.start_pos)

    def after_field(self, c: Children) -> ast.Read:
        """``after . position`` with white space; without it, it is one token."""
        step = ast.FieldStep(id=self._next(), span=self._span(c[1:]), name=c[2].value)
        return ast.Read(id=self._next(), span=self._span(c), name="after", steps=(step,))

    def step_field(self, c: Children) -> ast.Read:
        step = ast.FieldStep(id=self._next(), span=self._span(c[1:]), name=c[2].value)
        return self._longer(c, step)

    def step_row(self, c: Children) -> ast.Read:
        step = ast.RowStep(id=self._next(), span=self._span(c[1:]), key=c[2])
        return self._longer(c, step)

    def _longer(self, c: Children, step: ast.FieldStep | ast.RowStep) -> ast.Read:
        """One step more. The depth of a reading is that of its deepest key; the number of its steps is capped too."""
        read: ast.Read = c[0]
        depth = self._depths.get(read.id, 0)
        if isinstance(step, ast.RowStep):
            depth = max(depth, self._depths.get(step.key.id, 0) + 1)
        if depth > MAX_DEPTH or len(read.steps) >= MAX_DEPTH:
            self._complain_of_depth(read.span)
            return read
        longer = ast.Read(id=self._next(), span=self._span(c), name=read.name, steps=(*read.steps, step))
        self._depths[longer.id] = depth
        return longer

    # ── operators ────────────────────────────────────────────────────────────────────────────────────

    def arithmetic(self, c: Children) -> Any:
        built = ast.Arithmetic(id=self._next(), span=self._span(c), operator=c[1].value, left=c[0], right=c[2])
        return self._nest(built, c)

    def negate(self, c: Children) -> Any:
        return self._nest(ast.Negate(id=self._next(), span=self._span(c), operand=c[1]), c)

    def parentheses(self, c: Children) -> Any:
        """Not a node: but what stands inside is shown with its parentheses."""
        inner = c[1]
        inner.span = self._span(c)
        return inner

    def or_(self, c: Children) -> Any:
        return self._nest(ast.Logic(id=self._next(), span=self._span(c), operator="or", left=c[0], right=c[2]), c)

    def and_(self, c: Children) -> Any:
        return self._nest(ast.Logic(id=self._next(), span=self._span(c), operator="and", left=c[0], right=c[2]), c)

    def not_(self, c: Children) -> Any:
        return self._nest(ast.Not(id=self._next(), span=self._span(c), operand=c[1]), c)

    def compare(self, c: Children) -> Any:
        built = ast.Compare(id=self._next(), span=self._span(c), operator=c[1].value, left=c[0], right=c[2])
        return self._nest(built, c)

    def is_known(self, c: Children) -> Any:
        return self._nest(ast.IsKnown(id=self._next(), span=self._span(c), value=c[0], negated=len(c) == 4), c)

    def is_multiple(self, c: Children) -> Any:
        return self._nest(ast.IsMultiple(id=self._next(), span=self._span(c), value=c[0], of=c[4]), c)

    def within(self, c: Children) -> Any:
        return self._nest(ast.Within(id=self._next(), span=self._span(c), value=c[0], low=c[2], high=c[4]), c)

    def in_(self, c: Children) -> Any:
        built = ast.Among(id=self._next(), span=self._span(c), value=c[0], collection=c[2], negated=False)
        return self._nest(built, c)

    def not_in(self, c: Children) -> Any:
        return self._nest(ast.Among(id=self._next(), span=self._span(c), value=c[0], collection=c[3], negated=True), c)

    def in_last(self, c: Children) -> Any:
        return self._nest(ast.InLast(id=self._next(), span=self._span(c), value=c[0], window=c[3]), c)

    def today(self, c: Children) -> Any:
        return self._nest(ast.Today(id=self._next(), span=self._span(c), value=c[0]), c)

    def switch_is(self, c: Children) -> Any:
        switch = self._reference(c[1])
        return ast.SwitchIs(id=self._next(), span=self._span(c), switch=switch, state=c[2].value)

    def else_(self, c: Children) -> Any:
        return self._nest(ast.Else(id=self._next(), span=self._span(c), value=c[0], fallback=c[2]), c)

    def if_(self, c: Children) -> Any:
        built = ast.If(id=self._next(), span=self._span(c), condition=c[1], then=c[3], otherwise=c[5])
        return self._nest(built, c)

    def list_of(self, c: Children) -> Any:
        items = tuple(child for child in c if child is not None and child.__class__ is not Token)
        return self._nest(ast.ListOf(id=self._next(), span=self._span(c), items=items), [*items])

    # ── calls and aggregates ─────────────────────────────────────────────────────────────────────────

    def interval(self, c: Children) -> Any:
        return self._nest(ast.Interval(id=self._next(), span=self._span(c), low=c[0], high=c[2]), c)

    def where(self, c: Children) -> Clause:
        return Clause("where", c[1], self._span(c))

    def filtered(self, c: Children) -> Clause:
        return Clause("filtered", (c[0], c[1].value), self._span(c))

    def source(self, c: Children) -> Clause:
        return Clause("source", (c[0], None, False), self._span(c))

    def source_last(self, c: Children) -> Clause:
        return Clause("source", (c[0], c[3], False), self._span(c))

    def source_today(self, c: Children) -> Clause:
        return Clause("source", (c[0], None, True), self._span(c))

    def each(self, c: Children) -> Clause:
        variable = self._declared(c[2])
        where = c[5].value if len(c) == 6 else None
        return Clause("each", (c[0], variable, c[4].value, where), self._span(c))

    def call(self, c: Children) -> Any:
        """A call, or an aggregate: with `for`, with `where`, over a window, or `count` of one thing."""
        function, span = self._name(c[0]), self._span(c)
        arguments = [child for child in c[2:-1] if child is not None and child.__class__ is not Token]
        clauses = [argument for argument in arguments if argument.__class__ is Clause]
        if clauses and len(arguments) > 1:
            self._complain(
                codes.UNEXPECTED, "an aggregate with `for` or `where` takes nothing else", clauses[0].span,
                "write one aggregate after the other",
            )
            return ast.Bool(id=self._next(), span=span, value=True)
        if clauses:
            return self._aggregate(function, span, clauses[0])
        first = arguments[0] if len(arguments) == 1 else None
        if first is not None and (c[0].value == "count" or isinstance(first, (ast.Today, ast.InLast))):
            return self._aggregate(function, span, Clause("filtered", (first, None), span))
        built = ast.Call(id=self._next(), span=span, function=function, arguments=tuple(arguments))
        return self._nest(built, arguments)

    def _aggregate(self, function: ast.Name, span: Span, clause: Clause) -> Any:
        body: Any = None
        variable: Any = None
        last: Any = None
        today = False
        source: Any
        if clause.kind == "each":
            body, variable, (source, last, today), where = clause.value
        else:
            source, where = clause.value
            if isinstance(source, ast.Today):
                source, today = source.value, True
            elif isinstance(source, ast.InLast):
                source, last = source.value, source.window
        built = ast.Aggregate(
            id=self._next(), span=span, function=function, body=body, variable=variable,
            source=source, last=last, today=today, where=where,
        )
        return self._nest(built, [part for part in (body, source, last, where) if part is not None])

    def hole(self, c: Children) -> ast.Hole:
        form = c[1].value[1:].strip() if len(c) > 1 and c[1] is not None else None
        span = self._span(c)
        return ast.Hole(id=self._next(), span=Span(self._source, span.start - 1, span.end + 1), value=c[0], format=form)

    def lone(self, c: Children) -> Any:
        return c[0]
