"""Reductions of rules, limits, rates, kill switches and waivers."""
from __future__ import annotations

from typing import Any

from lark import Token

from caplex.compiler.source import Span
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.build_core import Children, Clause
from caplex.compiler.syntax.build_facts import Facts

_ATTRIBUTE = frozenset({"actions", "severity", "code", "outcome", "cites", "monitor", "overridable"})


class Rules(Facts):
    # ── attributes ───────────────────────────────────────────────────────────────────────────────────

    def actions(self, c: Children) -> Clause:
        return Clause("actions", self._names(c), self._span(c))

    def severity(self, c: Children) -> Clause:
        return Clause("severity", c[1].value, self._span(c))

    def code(self, c: Children) -> Clause:
        return Clause("code", self._label(c[1]), self._span(c))

    def outcome(self, c: Children) -> Clause:
        return Clause("outcome", self._label(c[1]), self._span(c))

    def _label(self, token: Token) -> ast.Name:
        """A label is a name or a text; both are just letters."""
        if token.type == "STRING":
            return ast.Name(id=self._next(), span=self._token_span(token), text=self._string(token))
        return self._name(token)

    def cites(self, c: Children) -> Clause:
        return Clause("cites", self._string(c[1]), self._span(c))

    def monitor(self, c: Children) -> Clause:
        return Clause("monitor", "always" if len(c) == 2 else self._day(c[2]), self._span(c))

    def overridable(self, c: Children) -> Clause:
        return Clause("overridable", self._string(c[3]), self._span(c))

    def _attributes(self, clauses: list[Clause], otherwise: Span) -> ast.Attributes:
        said: dict[str, Any] = {}
        repeated = []
        for clause in clauses:
            if clause.kind in said:
                repeated.append(clause.kind)
            else:
                said[clause.kind] = clause.value
        span = clauses[0].span.to(clauses[-1].span) if clauses else otherwise
        return ast.Attributes(
            id=self._next(), span=span, actions=said.get("actions", ()), severity=said.get("severity"),
            code=said.get("code"), outcome=said.get("outcome"), cites=said.get("cites"), monitor=said.get("monitor"),
            overridable_by=said.get("overridable"), repeated=tuple(repeated),
        )

    def _rule_head(self, c: Children) -> dict[str, Any]:
        """Id, title, attributes and doc, which all rules share: ``WORD ID [TITLE] attribute* {``."""
        attributes = [child for child in c[3:] if child.__class__ is Clause and child.kind in _ATTRIBUTE]
        id_span = self._token_span(c[1])
        return {
            "rule_id": self._name(c[1]),
            "title": self._string_or_none(c[2]),
            "attributes": self._attributes(attributes, Span(self._source, id_span.end, id_span.end)),
            "doc": self._doc(c[0].start_pos),
        }

    @staticmethod
    def _said(c: Children) -> dict[str, Any]:
        """The parts of a body that the grammar lets stand once, by kind."""
        return {child.kind: child.value for child in c if child.__class__ is Clause}

    # ── parts of bodies ──────────────────────────────────────────────────────────────────────────────

    def guard(self, c: Children) -> Clause:
        return Clause("guard", c[1], self._span(c))

    def because(self, c: Children) -> Clause:
        return Clause("because", self._template(c[1]), self._span(c))

    def approval(self, c: Children) -> ast.Approval:
        return ast.Approval(
            id=self._next(), span=self._span(c), role=self._string(c[4]), quorum=self._whole(c[6], 1), within=c[8]
        )

    def deny_when(self, c: Children) -> ast.Deny:
        return ast.Deny(id=self._next(), span=self._span(c), condition=c[2])

    def deny_opening_when(self, c: Children) -> ast.Deny:
        return ast.Deny(id=self._next(), span=self._span(c), condition=c[3], opening_only=True)

    def require(self, c: Children) -> ast.Require:
        return ast.Require(id=self._next(), span=self._span(c), condition=c[1])

    def warn_when(self, c: Children) -> ast.Warn:
        return ast.Warn(id=self._next(), span=self._span(c), condition=c[2])

    def hold_when(self, c: Children) -> ast.Hold:
        return ast.Hold(id=self._next(), span=self._span(c), condition=c[2], approval=c[3])

    def boundary(self, c: Children) -> Clause:
        return Clause("boundary", " ".join(token.value for token in c), self._span(c))

    def breach(self, c: Children) -> Clause:
        return Clause("breach", (c[1].value, c[2] if len(c) > 2 else None), self._span(c))

    def sliding(self, c: Children) -> Clause:
        return Clause("window", c[2], self._span(c))

    def per_day(self, c: Children) -> Clause:
        return Clause("window", ast.PerDay(id=self._next(), span=self._span(c)), self._span(c))

    def counters(self, c: Children) -> Clause:
        return Clause("counters", c[1], self._span(c))

    def reserve(self, c: Children) -> Clause:
        return Clause("reserve", c[1], self._span(c))

    def per_key(self, c: Children) -> Clause:
        return Clause("each", tuple(child for child in c if child.__class__ is ast.Read), self._span(c))

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────

    def rule(self, c: Children) -> ast.Rule:
        head, said = self._rule_head(c), self._said(c)
        effect = next(child for child in c if isinstance(child, (ast.Deny, ast.Require, ast.Warn, ast.Hold)))
        return ast.Rule(
            id=self._next(), span=self._span(c), when=said.get("guard"), effect=effect, because=said.get("because"), **head
        )

    def limit(self, c: Children) -> ast.Limit:
        head, said = self._rule_head(c), self._said(c)
        at = next(i for i, child in enumerate(c) if child.__class__ is Clause and child.kind == "boundary")
        breach, approval = said["breach"]
        return ast.Limit(
            id=self._next(), span=self._span(c), when=said.get("guard"), measure=c[at - 1], boundary=c[at].value,
            bound=c[at + 1], breach=breach, approval=approval, because=said.get("because"), **head,
        )

    def throttle(self, c: Children) -> ast.Throttle:
        head, said = self._rule_head(c), self._said(c)
        at = _word(c, "BEYOND")
        return ast.Throttle(
            id=self._next(), span=self._span(c), when=said.get("guard"), amount=c[at + 1], events=self._name(c[at + 2]),
            window=said["window"], counters=said.get("counters"), each=said.get("each", ()), where=said.get("where"),
            reserve=said.get("reserve"), because=said.get("because"), **head,
        )

    def cooldown(self, c: Children) -> ast.Cooldown:
        head, said = self._rule_head(c), self._said(c)
        at = _word(c, "DURING")
        return ast.Cooldown(
            id=self._next(), span=self._span(c), when=said.get("guard"), during=c[at + 1], event=self._name(c[at + 4]),
            each=said.get("each", ()), where=said.get("where"), because=said.get("because"), **head,
        )

    # ── kill switches ────────────────────────────────────────────────────────────────────────────────

    def for_each(self, c: Children) -> ast.ForEach:
        return ast.ForEach(id=self._next(), span=self._span(c), dimensions=self._names(c))

    def for_one(self, c: Children) -> ast.ForOne:
        return ast.ForOne(id=self._next(), span=self._span(c), dimension=self._name(c[1]), value=self._string_or_none(c[2]))

    def confirm(self, c: Children) -> Clause:
        span = self._span(c)
        return Clause("confirm", ast.Confirm(id=self._next(), span=span, amount=c[1], readings=c[2] is not None), span)

    def trip_when(self, c: Children) -> ast.TripWhen:
        said = self._said(c)
        return ast.TripWhen(
            id=self._next(), span=self._span(c), condition=c[2], confirm=said.get("confirm"), because=said.get("because")
        )

    def trip_on_rule(self, c: Children) -> ast.TripOnRule:
        rule = self._reference(c[2])
        return ast.TripOnRule(id=self._next(), span=self._span(c), rule=rule, because=self._said(c).get("because"))

    def kind_severity(self, c: Children) -> Clause:
        return Clause("of severity", c[2].value, self._span(c))

    def kind_rules(self, c: Children) -> Clause:
        return Clause("of rules", self._references(c), self._span(c))

    def kind_families(self, c: Children) -> Clause:
        return Clause("of families", self._names(c), self._span(c))

    def trip_on_count(self, c: Children) -> ast.TripOnCount:
        said = self._said(c)
        return ast.TripOnCount(
            id=self._next(), span=self._span(c), amount=c[2], events=self._name(c[3]), severity=said.get("of severity"),
            rules=said.get("of rules", ()), families=said.get("of families", ()), window=c[_word(c, "ANY") + 1],
            because=said.get("because"),
        )

    def while_tripped(self, c: Children) -> ast.WhileTripped:
        return ast.WhileTripped(id=self._next(), span=self._span(c), deny=c[3].value)

    def cancel(self, c: Children) -> ast.Cancel:
        return ast.Cancel(id=self._next(), span=self._span(c), which=c[1].value)

    def flatten(self, c: Children) -> ast.Flatten:
        return ast.Flatten(id=self._next(), span=self._span(c))

    def notify(self, c: Children) -> ast.Notify:
        return ast.Notify(id=self._next(), span=self._span(c), channel=self._string(c[1]))

    def rebase(self, c: Children) -> ast.Rebase:
        return ast.Rebase(id=self._next(), span=self._span(c), field=c[1], value=c[3])

    def on_trip(self, c: Children) -> ast.OnTrip:
        return ast.OnTrip(id=self._next(), span=self._span(c), actions=_nodes(c))

    def on_rearm(self, c: Children) -> ast.OnRearm:
        return ast.OnRearm(id=self._next(), span=self._span(c), actions=_nodes(c))

    def rearm_never(self, c: Children) -> ast.RearmNever:
        return ast.RearmNever(id=self._next(), span=self._span(c))

    def by_role(self, c: Children) -> ast.RearmByRole:
        quorum = self.number(c[1:2]) if c[1].__class__ is Token else c[1]
        return ast.RearmByRole(id=self._next(), span=self._span(c), quorum=quorum, role=self._string(c[3]))

    def delay(self, c: Children) -> ast.RearmDelay:
        return ast.RearmDelay(id=self._next(), span=self._span(c), delay=c[0])

    def only_when(self, c: Children) -> ast.RearmWhen:
        return ast.RearmWhen(id=self._next(), span=self._span(c), condition=c[2])

    def rearm(self, c: Children) -> ast.Rearm:
        return ast.Rearm(id=self._next(), span=self._span(c), terms=_nodes(c))

    def kill_switch(self, c: Children) -> ast.KillSwitch:
        head = self._rule_head(c[1:])
        head["doc"] = self._doc(c[0].start_pos)
        nodes = _nodes(c)
        targets = tuple(n for n in nodes if isinstance(n, (ast.ForEach, ast.ForOne)))
        clauses = tuple(n for n in nodes if not isinstance(n, (ast.ForEach, ast.ForOne)))
        return ast.KillSwitch(id=self._next(), span=self._span(c), targets=targets, clauses=clauses, **head)

    # ── waivers ──────────────────────────────────────────────────────────────────────────────────────

    def including_switches(self, c: Children) -> Clause:
        return Clause("including kill switches", True, self._span(c))

    def waiver(self, c: Children) -> ast.Waiver:
        brace = _word(c, "LBRACE")
        said = self._gather(c[5:brace], "waiver")
        return ast.Waiver(
            id=self._next(), span=self._span(c), rule_id=self._name(c[1]), of=self._reference(c[3]),
            title=self._string_or_none(c[4]), through=said.get("through"), approved_by=said.get("approved by"),
            ticket=said.get("ticket"), including_switches="including kill switches" in said, when=c[brace + 2],
            because=self._said(c[brace:]).get("because"), doc=self._doc(c[0].start_pos),
        )


def _word(c: Children, type_: str) -> int:
    """Index of the first token of that type; the grammar says that there is one."""
    return next(i for i, child in enumerate(c) if child.__class__ is Token and child.type == type_)


def _nodes(c: Children) -> tuple[Any, ...]:
    return tuple(child for child in c if isinstance(child, ast.Node))
