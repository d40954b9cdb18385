"""Reductions of sizing, allocation, labels, tests and properties."""
from __future__ import annotations

from typing import Any

from lark import Token

from caplex.compiler.syntax import ast
from caplex.compiler.syntax.build_core import Children, Clause
from caplex.compiler.syntax.build_rules import Rules


class Plans(Rules):
    # ── sizing, allocation ───────────────────────────────────────────────────────────────────────────

    def reach(self, c: Children) -> Clause:
        return Clause("reach", "unsized" if len(c) == 2 else "all opening", self._span(c))

    def size_start(self, c: Children) -> ast.SizeStart:
        return ast.SizeStart(id=self._next(), span=self._span(c), value=c[1])

    def size_times(self, c: Children) -> ast.SizeTimes:
        return ast.SizeTimes(id=self._next(), span=self._span(c), value=c[1])

    def size_at_most(self, c: Children) -> ast.SizeAtMost:
        return ast.SizeAtMost(id=self._next(), span=self._span(c), value=c[2])

    def size_at_least(self, c: Children) -> ast.SizeAtLeast:
        because = self._said(c).get("because")
        return ast.SizeAtLeast(id=self._next(), span=self._span(c), value=c[2], because=because)

    def size_in_margin(self, c: Children) -> ast.SizeInMargin:
        return ast.SizeInMargin(id=self._next(), span=self._span(c), leverage=c[3])

    def size(self, c: Children) -> ast.Size:
        return ast.Size(
            id=self._next(), span=self._span(c), rule_id=self._name(c[1]), title=self._string_or_none(c[2]),
            reach=c[4].value, steps=tuple(c[6:-1]), doc=self._doc(c[0].start_pos),
        )

    def allocate_clause(self, c: Children) -> ast.AllocateClause:
        subject = self._string(c[1]) if c[0].type == "FIXED" else None
        words = [c[0].value] if subject is not None else [child.value for child in c[:2] if child.__class__ is Token]
        return ast.AllocateClause(
            id=self._next(), span=self._span(c), kind=" ".join(words), value=c[-1], subject=subject  # type: ignore[arg-type]
        )

    def allocate(self, c: Children) -> ast.Allocate:
        return ast.Allocate(
            id=self._next(), span=self._span(c), name=self._name(c[1]), across=self._name(c[3]), clauses=tuple(c[5:-1]),
            doc=self._doc(c[0].start_pos),
        )

    # ── labels and lines ─────────────────────────────────────────────────────────────────────────────

    def label_when(self, c: Children) -> ast.AnswerLabel:
        return ast.AnswerLabel(id=self._next(), span=self._span(c), label=self._name(c[0]), when=c[2])

    def label_otherwise(self, c: Children) -> ast.AnswerLabel:
        return ast.AnswerLabel(id=self._next(), span=self._span(c), label=self._name(c[0]), when=None)

    def answer(self, c: Children) -> ast.Answer:
        labels = tuple(child for child in c if child.__class__ is ast.AnswerLabel)
        return ast.Answer(id=self._next(), span=self._span(c), labels=labels)

    def emit_always(self, c: Children) -> ast.Emit:
        return ast.Emit(id=self._next(), span=self._span(c), tag=self._string(c[1]), when=None, text=self._template(c[3]))

    def emit_when(self, c: Children) -> ast.Emit:
        return ast.Emit(id=self._next(), span=self._span(c), tag=self._string(c[1]), when=c[3], text=self._template(c[5]))

    # ── tests ────────────────────────────────────────────────────────────────────────────────────────

    def given(self, c: Children) -> ast.Given:
        return ast.Given(id=self._next(), span=self._span(c), target=c[1], value=c[3])

    def nothing_else(self, c: Children) -> ast.GivenNothingElse:
        return ast.GivenNothingElse(id=self._next(), span=self._span(c))

    def cell_name(self, c: Children) -> ast.Name:
        return self._name(c[0])

    def row(self, c: Children) -> Clause:
        return Clause("row", tuple(child for child in c if child.__class__ is not Token), self._span(c))

    def table(self, c: Children) -> ast.EachRow:
        columns = self._names([child for child in c if child.__class__ is Token])
        rows = tuple(child.value for child in c if child.__class__ is Clause)
        return ast.EachRow(id=self._next(), span=self._span(c), columns=columns, rows=rows)

    def at(self, c: Children) -> ast.At:
        return ast.At(id=self._next(), span=self._span(c), instant=self._instant(c[1]))

    def later(self, c: Children) -> ast.Later:
        return ast.Later(id=self._next(), span=self._span(c), nanoseconds=self._duration(c[1]).nanoseconds)

    def trade(self, c: Children) -> Clause:
        return Clause("trade", (c[0].value, c[1] if len(c) == 3 else None, self._string(c[-1])), self._span(c))

    def pair(self, c: Children) -> ast.Pair:
        return ast.Pair(id=self._next(), span=self._span(c), name=self._name(c[-2]), value=c[-1])

    def happens(self, c: Children) -> ast.Happens:
        side, amount, symbol = self._said(c).get("trade", (None, None, None))
        pairs: Any = tuple(child for child in c if child.__class__ is ast.Pair)
        return ast.Happens(
            id=self._next(), span=self._span(c), event=c[0].value, side=side, amount=amount, symbol=symbol, pairs=pairs
        )

    def operate(self, c: Children) -> ast.Operate:
        return ast.Operate(
            id=self._next(), span=self._span(c), act=c[0].value, switch=self._reference(c[1]), pairs=tuple(c[2:])
        )

    def to(self, c: Children) -> Clause:
        value = self.name(c[1:]) if c[1].__class__ is Token else c[1]
        return Clause("to", value, self._span(c))

    def by_rules(self, c: Children) -> Clause:
        return Clause("by", self._references(c), self._span(c))

    def expect_verdict(self, c: Children) -> ast.ExpectVerdict:
        return self._verdict(c, column=False)

    def expect_column(self, c: Children) -> ast.ExpectVerdict:
        return self._verdict(c, column=True)

    def _verdict(self, c: Children, *, column: bool) -> ast.ExpectVerdict:
        said = self._said(c)
        return ast.ExpectVerdict(
            id=self._next(), span=self._span(c), verdict=c[1].value, to=said.get("to"), by=said.get("by", ()), column=column
        )

    def expect_violated(self, c: Children) -> ast.ExpectViolated:
        return ast.ExpectViolated(id=self._next(), span=self._span(c), rule=self._reference(c[1]))

    def expect_switch(self, c: Children) -> ast.ExpectSwitch:
        return ast.ExpectSwitch(id=self._next(), span=self._span(c), switch=self._reference(c[2]), state=c[3].value)

    def expect_obligation(self, c: Children) -> ast.ExpectObligation:
        return ast.ExpectObligation(id=self._next(), span=self._span(c), duty=c[2])

    def expect_value(self, c: Children) -> ast.ExpectValue:
        return ast.ExpectValue(id=self._next(), span=self._span(c), read=c[1], operator=c[2].value, value=c[3])

    def test(self, c: Children) -> ast.Test:
        return ast.Test(
            id=self._next(), span=self._span(c), title=self._string(c[1]), steps=tuple(c[3:-1]),
            doc=self._doc(c[0].start_pos),
        )

    # ── properties ───────────────────────────────────────────────────────────────────────────────────

    def implies(self, c: Children) -> Any:
        return self._nest(ast.Implies(id=self._next(), span=self._span(c), condition=c[1], claim=c[3]), c)

    def property(self, c: Children) -> ast.Property:
        return ast.Property(
            id=self._next(), span=self._span(c), title=self._string(c[1]), claim=c[3], doc=self._doc(c[0].start_pos)
        )
