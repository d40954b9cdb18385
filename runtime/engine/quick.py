"""The common case: everything is kept, and the fused form says so. Then there is nothing to trace, and the ruling is known.

Only for policies in which nothing has to be told of a rule that is kept: no warnings, no monitored rules. What the traced form
would have said is made when somebody asks for it.
"""
from __future__ import annotations

from fractions import Fraction
from typing import Any

from caplex.runtime import telling
from caplex.runtime.bind import UNIT, Bound
from caplex.runtime.canonical import to_decimal
from caplex.runtime.decision import Decision
from caplex.runtime.judge import Case, Standing, judge
from caplex.runtime.operators import Unusable
from caplex.runtime.outcome import Request, tell
from caplex.runtime.plan import Plan
from caplex.runtime.ruling import Ruling


class Kept(Decision):
    """A decision whose ruling came without a case; the case is made when an explanation asks for it."""

    __slots__ = ("_known",)

    _known: Ruling

    @property
    def ruling(self) -> Ruling:
        return self._known

    def _whole(self) -> tuple[Ruling, Any]:
        try:
            return self._full
        except AttributeError:
            self._full = self._known, judge(self._bound.plan, self._bound)[1]
            return self._full

    def to_dict(self) -> dict[str, Any]:
        """``caplex.decision/1``; nothing in it asks for the case where there is no reason."""
        try:
            return dict(self._told)
        except AttributeError:
            bound = self._bound
            self._told = telling.tell(bound.policy, bound.facts, bound, self._known, None)
            return dict(self._told)

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        return Decision.from_dict, (self.to_dict(),)


def is_plain(plan: Plan) -> bool:
    """Has a rule that is kept nothing to say?"""
    return plan.fused is not None and all(rule.effect != "warn" and rule.monitor is None for rule in plan.rules)


def is_told_alike(plan: Plan) -> bool:
    """Does every approval have the same label, and nothing to emit?"""
    return not plan.emits and (not plan.labels or plan.labels[0][1] is None)


def decide(plan: Plan, bound: Bound) -> Decision | None:
    """The decision, if the whole intent goes ahead; None where the traced form has to answer. *plan* is plain."""
    ints = bound.ints
    if ints is None or plan.fused is None:
        return None
    try:
        core = plan.fused(*ints)
    except Unusable:
        return None
    if core is None or core != (ints[0], 0, 0):
        return None
    n, c, action = Fraction(ints[0], UNIT), Fraction(ints[1], UNIT), bound.action
    case = Case(plan, bound, n, c, bound.grid(action, bound.closing), action, bound.now, permitted=n, x=n)
    # Nothing is left to judge but switches that count what has been before.
    case.standings.extend(Standing(rule, "kept", n) for rule in plan.rules if rule.kind == "switch" and action in rule.actions
                          and any(trip.kind == "count" for trip in rule.trips) and bound.scope(rule) is not None)
    decision = Kept.__new__(Kept)
    decision._bound, decision._core = bound, None
    decision._known = ruling = tell(case, Request(n, c, action, bound.side))
    decision.verdict, decision.quantity, decision.reason = ruling.verdict, to_decimal(ruling.quantity), None
    return decision
