"""Deciding again on changed facts, a bounded number of times, and what then stands in the way."""
from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from caplex.runtime.bind import Bound
from caplex.runtime.judge import Case, Standing, alone, judge
from caplex.runtime.paths import BadPath
from caplex.runtime.plan import Plan, RulePlan
from caplex.runtime.remedies.changing import apply
from caplex.runtime.remedy import Change
from caplex.runtime.ruling import VERDICTS, Ruling, Verdict
from caplex.runtime.values import Leaf

MOST_TRIALS = 300
"""Decisions that one search may try. Where they run out, what was found so far is the answer."""


@dataclass(slots=True)
class Trial:
    """One deciding again: after *changes*, on *plan* and *document*."""

    changes: tuple[Change, ...]
    plan: Plan
    document: Any
    bound: Bound
    ruling: Ruling
    case: Case | None


@dataclass(slots=True)
class Obstacle:
    """What keeps the whole intent from passing: a rule, or what stands outside the rules (then *rule* is None)."""

    id: str
    rule: RulePlan | None = None
    standing: Standing | None = None
    leaves: frozenset[Leaf] = frozenset()


class Spent(Exception):
    """No trial is left."""


class Trials:
    """All trials around one decision.

    Attributes:
        strict: Only ALLOW will do: the decision as it is already may, or waits for an approval.
    """

    def __init__(self, plan: Plan, document: Any, ruling: Ruling) -> None:
        self.plan, self.document = replace(plan, fused=None), document
        self.left = MOST_TRIALS
        self.strict = ruling.verdict in (Verdict.MODIFY, Verdict.HOLD)
        self._rank = VERDICTS.index(ruling.verdict)
        self._asked = ruling.requested
        self._known: dict[tuple[tuple[str, str, str], ...], Trial | None] = {}
        self.base = self._run(())

    def run(self, changes: tuple[Change, ...]) -> Trial | None:
        """The decision after *changes*; None if they cannot be made. Raises Spent."""
        name = tuple((change.where, change.path, repr(change.value)) for change in changes)
        if name not in self._known:
            if self.left <= 0:
                raise Spent
            self.left -= 1
            try:
                self._known[name] = self._run(changes)
            except (BadPath, ValueError):
                self._known[name] = None
        return self._known[name]

    def _run(self, changes: tuple[Change, ...]) -> Trial:
        plan, document = apply(self.plan, self.document, changes)
        bound = Bound(plan, document)
        return Trial(changes, plan, document, bound, *judge(plan, bound))

    def passes(self, trial: Trial | None, *, smaller: bool = False) -> bool:
        """Is the verdict better than it was, and for the whole intent? *smaller*: it may ask for less than it did."""
        if trial is None:
            return False
        ruling = trial.ruling
        passing = ruling.quantity if ruling.if_approved is None else ruling.if_approved
        if VERDICTS.index(ruling.verdict) >= self._rank or passing != ruling.requested:
            return False
        return smaller or self._asked is None or passing >= self._asked


def obstacles(trial: Trial, *, strict: bool) -> list[Obstacle]:
    """What stands in the way of the whole intent, in the order of decision. *strict*: what wants an approval too."""
    case = trial.case
    if case is None:
        return [Obstacle(reason.rule, leaves=frozenset(reason.leaves)) for reason in trial.ruling.reasons]
    found = [Obstacle(sys, leaves=leaves) for sys, cap, leaves in case.extra_caps if sys in ("SYS-010", "SYS-014")]
    found += [Obstacle(size.id, leaves=leaves) for size, cap, leaves in case.sizes if cap < case.n or case.floor_broken is size]
    for rule in trial.plan.rules:
        standing = alone(case, rule, case.n)
        if stands_in_the_way(standing, case.n, strict=strict):
            found.append(Obstacle(rule.id, rule, standing, standing.leaves))
    found += [Obstacle(sys, leaves=leaves) for sys, cap, leaves in case.extra_caps if sys == "SYS-012" and cap < case.n]
    if case.grid.snap(case.n) != case.n:
        lost = case.grid.leaves
        found.append(Obstacle(min(lost).sys if lost else "SYS-012", leaves=lost))
    return found


def stands_in_the_way(standing: Standing, q: Fraction, *, strict: bool) -> bool:
    """Does the rule take something from *q*, or (*strict*) want an approval for it?"""
    if standing.cap < q:
        return True
    return strict and standing.held and not standing.monitored and standing.state in ("broken", "unknown") and q > standing.start


def with_slots(case: Case, values: dict[int, Any]) -> Case:
    """The same case with other readings in some slots: quicker than deciding again, and to be checked by that."""
    bound = copy(case.bound)
    bound.slots = list(bound.slots)
    for slot, value in values.items():
        bound.slots[slot] = value
    return Case(case.plan, bound, case.n, case.c, case.grid, case.action, case.now)
