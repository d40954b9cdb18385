"""Reductions of the header, imports, facts, settings and names."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

from lark import Token

from caplex.compiler.syntax import ast
from caplex.compiler.syntax.build_core import Children, Clause
from caplex.compiler.syntax.build_expressions import Expressions


class Facts(Expressions):
    # ── header ───────────────────────────────────────────────────────────────────────────────────────

    def header(self, c: Children) -> ast.Header:
        name = self._declared(c[1])
        return ast.Header(id=self._next(), span=self._span(c), name=name, doc=self._doc(c[0].start_pos), clauses=tuple(c[3:-1]))

    def version(self, c: Children) -> ast.Version:
        return ast.Version(id=self._next(), span=self._span(c), text=self._string(c[1]))

    def language(self, c: Children) -> ast.Language:
        return ast.Language(id=self._next(), span=self._span(c), number=self._decimal(c[1]))

    def mode(self, c: Children) -> ast.Mode:
        return ast.Mode(id=self._next(), span=self._span(c), mode=c[1].value)

    def currency(self, c: Children) -> ast.Currency:
        return ast.Currency(id=self._next(), span=self._span(c), code=c[1].value)

    def timezone(self, c: Children) -> ast.Timezone:
        return ast.Timezone(id=self._next(), span=self._span(c), name=self._string(c[1]))

    def day_starts(self, c: Children) -> ast.DayStarts:
        return ast.DayStarts(id=self._next(), span=self._span(c), at=self._time(c[2]))

    def owner(self, c: Children) -> ast.Owner:
        return ast.Owner(id=self._next(), span=self._span(c), text=self._string(c[1]))

    def effective(self, c: Children) -> ast.Effective:
        start, through = self._day(c[1]), None if c[3] is None else self._day(c[3])
        then_deny: Any = "opening" if c[7] is None else c[7].value
        return ast.Effective(id=self._next(), span=self._span(c), start=start, through=through, then_deny=then_deny)

    def phase(self, c: Children) -> Clause:
        return Clause("phase", self._names(c), self._span(c))

    def stages(self, c: Children) -> ast.Stages:
        phases = tuple(child.value for child in c if child.__class__ is Clause)
        return ast.Stages(id=self._next(), span=self._span(c), phases=phases)

    def closing_skips(self, c: Children) -> ast.ClosingSkips:
        families = self._names([child for child in c if child is not None])
        return ast.ClosingSkips(id=self._next(), span=self._span(c), families=families, unless_worse=c[-1] is not None)

    def closing_faces(self, c: Children) -> ast.ClosingFaces:
        return ast.ClosingFaces(id=self._next(), span=self._span(c))

    def tightest_wins(self, c: Children) -> ast.TightestWins:
        return ast.TightestWins(id=self._next(), span=self._span(c))

    def overrides_by(self, c: Children) -> ast.OverridesBy:
        return ast.OverridesBy(id=self._next(), span=self._span(c), order=self._names(c))

    def unlimited_clause(self, c: Children) -> ast.UnlimitedClause:
        return ast.UnlimitedClause(id=self._next(), span=self._span(c), what=c[1].value)

    def lot(self, c: Children) -> ast.LotClause:
        return ast.LotClause(id=self._next(), span=self._span(c), lot=self._decimal(c[1]))

    def rounding_never(self, c: Children) -> ast.RoundingNever:
        return ast.RoundingNever(id=self._next(), span=self._span(c))

    def modify_never(self, c: Children) -> ast.ModifyNever:
        return ast.ModifyNever(id=self._next(), span=self._span(c))

    def journal_continues(self, c: Children) -> ast.JournalContinues:
        return ast.JournalContinues(id=self._next(), span=self._span(c))

    def idempotency_keep(self, c: Children) -> ast.IdempotencyKeep:
        return ast.IdempotencyKeep(id=self._next(), span=self._span(c), keep=self._duration(c[2]))

    def strict(self, c: Children) -> ast.Strict:
        return ast.Strict(id=self._next(), span=self._span(c))

    # ── imports ──────────────────────────────────────────────────────────────────────────────────────

    def use(self, c: Children) -> ast.Use:
        target: Token = c[1]
        named = self._string(target) if target.type == "STRING" else tuple(target.value.split("."))
        alias = None if c[3] is None else self._declared(c[3])
        arguments = c[4].value if len(c) > 4 else ()
        return ast.Use(
            id=self._next(), span=self._span(c), target=named, target_span=self._token_span(target),
            alias=alias, arguments=arguments,
        )

    def arguments(self, c: Children) -> Clause:
        given = tuple(child for child in c if child.__class__ is not Token)
        return Clause("arguments", given, self._span(c))

    def argument(self, c: Children) -> ast.Argument:
        return ast.Argument(id=self._next(), span=self._span(c), name=self._name(c[0]), value=c[2])

    # ── types ────────────────────────────────────────────────────────────────────────────────────────

    def type(self, c: Children) -> ast.TypeRef:
        ref: ast.TypeRef = c[0]
        return ref if c[1] is None else replace(ref, span=self._span(c), optional=True)

    def named_type(self, c: Children) -> ast.TypeRef:
        return ast.TypeRef(id=self._next(), span=self._span(c), name=c[0].value)

    def money_type(self, c: Children) -> ast.TypeRef:
        return ast.TypeRef(id=self._next(), span=self._span(c), name=c[0].value, currency=c[2].value)

    def set_of(self, c: Children) -> ast.TypeRef:
        return ast.TypeRef(id=self._next(), span=self._span(c), name="set of", element=c[2].value)

    def one_of(self, c: Children) -> ast.TypeRef:
        return ast.TypeRef(id=self._next(), span=self._span(c), name="one of", members=self._names(c))

    # ── fields ───────────────────────────────────────────────────────────────────────────────────────

    def fresh_within(self, c: Children) -> Clause:
        return Clause("fresh", self._duration(c[2]), self._span(c))

    def fresh_always(self, c: Children) -> Clause:
        return Clause("fresh", "always", self._span(c))

    def range(self, c: Children) -> Clause:
        return Clause("within", (c[1], c[3]), self._span(c))

    def above_low(self, c: Children) -> Clause:
        return Clause("above", c[1], self._span(c))

    def attested(self, c: Children) -> Clause:
        return Clause("attested", True, self._span(c))

    def normalised(self, c: Children) -> Clause:
        return Clause("normalised", tuple(child.value for child in c if child.type == "NORM"), self._span(c))

    def neutral(self, c: Children) -> Clause:
        return Clause("neutral", c[1], self._span(c))

    def neutral_name(self, c: Children) -> Clause:
        return Clause("neutral", self.name(c[1:]), self._span(c))

    def supplied(self, c: Children) -> Clause:
        return Clause("supplied", c[2].value, self._span(c))

    def title(self, c: Children) -> Clause:
        return Clause("title", self._string(c[0]), self._span(c))

    def _field(self, name: ast.Name, type_: ast.TypeRef, clauses: list[Clause], c: Children, doc: str) -> ast.Field:
        said = self._gather(clauses, "field")
        low, high = said.get("within", (None, None))
        return ast.Field(
            id=self._next(), span=self._span(c), name=name, type=type_, doc=doc, fresh=said.get("fresh"),
            above=said.get("above"), low=low, high=high, attested="attested" in said,
            normalised=said.get("normalised", ()), title=said.get("title"), neutral=said.get("neutral"),
            supplier=said.get("supplied"),
        )

    def field(self, c: Children) -> ast.Field:
        return self._field(self._name(c[0]), c[2], c[3:], c, self._doc(c[0].start_pos))

    def each_row(self, c: Children) -> Clause:
        return Clause("each", self._name(c[1]), self._span(c))

    def as_list(self, c: Children) -> Clause:
        return Clause("list", True, self._span(c))

    def input_record(self, c: Children) -> ast.InputRecord:
        head = {child.kind: child.value for child in c[2:4] if child.__class__ is Clause}
        fields = tuple(child for child in c if child.__class__ is ast.Field)
        name = self._declared(c[1])
        return ast.InputRecord(
            id=self._next(), span=self._span(c), name=name, each=head.get("each"), as_list="list" in head,
            fields=fields, doc=self._doc(c[0].start_pos),
        )

    def input_scalar(self, c: Children) -> ast.InputScalar:
        doc = self._doc(c[0].start_pos)
        field = self._field(self._declared(c[1]), c[3], c[4:], c[1:], doc)
        return ast.InputScalar(id=self._next(), span=self._span(c), field=field, doc=doc)

    # ── settings and names ───────────────────────────────────────────────────────────────────────────

    def safer(self, c: Children) -> Clause:
        return Clause("safer", c[0].value, self._span(c))

    def hard(self, c: Children) -> Clause:
        return Clause("hard", True, self._span(c))

    def open(self, c: Children) -> Clause:
        return Clause("open", True, self._span(c))

    def overrides(self, c: Children) -> Clause:
        return Clause("overrides", tuple(c[1:-1]), self._span(c))

    def setting(self, c: Children) -> ast.Setting:
        said = self._gather(c[6:], "setting")
        low, high = said.get("within", (None, None))
        return ast.Setting(
            id=self._next(), span=self._span(c), name=self._declared(c[1]), type=c[3], value=c[5],
            doc=self._doc(c[0].start_pos), low=low, high=high, safer=said.get("safer"), hard="hard" in said,
            open="open" in said, title=said.get("title"), overrides=said.get("overrides", ()),
        )

    def scope(self, c: Children) -> ast.Scope:
        value = self._string(c[1]) if c[1].type == "STRING" else c[1].value
        return ast.Scope(id=self._next(), span=self._span(c), dimension=self._name(c[0]), value=value)

    def override(self, c: Children) -> ast.Override:
        at = next(i for i, child in enumerate(c) if child.__class__ is Token and child.type == "EQUAL")
        scopes = tuple(child for child in c[2:at] if child.__class__ is ast.Scope)
        said = self._gather(c[at + 2 :], "override")
        return ast.Override(
            id=self._next(), span=self._span(c), kind=c[0].value, scopes=scopes, value=c[at + 1],
            through=said.get("through"), approved_by=said.get("approved by"), ticket=said.get("ticket"),
        )

    def through(self, c: Children) -> Clause:
        return Clause("through", self._day(c[1]), self._span(c))

    def approved(self, c: Children) -> Clause:
        return Clause("approved by", self._string(c[2]), self._span(c))

    def ticket(self, c: Children) -> Clause:
        return Clause("ticket", self._string(c[1]), self._span(c))

    def let(self, c: Children) -> ast.Let:
        name: ast.Name = self._declared(c[1])
        type_: Any = c[3]
        return ast.Let(
            id=self._next(), span=self._span(c), name=name, type=type_, value=c[5], doc=self._doc(c[0].start_pos)
        )
