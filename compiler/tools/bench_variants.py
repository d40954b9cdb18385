"""A policy without one of its rules, as far as the rest can stand alone; and why the fast form does not take a rule."""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

from caplex.compiler import driver
from caplex.compiler.codegen.assemble import Assembler, place
from caplex.compiler.graph.build import build
from caplex.compiler.semantics.model import CheckedModule, RuleInfo
from caplex.runtime.facts import Facts
from caplex.runtime.policy import Policy

ONE: Final = Fraction(1)
EMPTY: Final = """policy empty {
  version "1"  language 1  mode enforce  currency USD  timezone "UTC"  stages EXP  closing faces every rule
  unlimited exposure  unlimited loss  overrides tightest wins  lot 0.00000001
}
rule EXP-010 { deny when intent.quantity > 10 }
"""
"""No policy may be without rules, so this one has a rule that is left out."""
ASKED: Final[dict[str, Any]] = {
    "now": "2026-01-05T15:00:00Z",
    "intent": {"id": "i-1", "action": "open", "symbol": "A", "side": "buy", "quantity": "1"},
    "positions": {}, "orders": []}
"""What the empty policy decides: the unit in which everything is told, so that it compares between machines."""


@dataclass(frozen=True, slots=True)
class Unfused:
    """Why a policy is not decided by the fast form; *rule* is None where it is no rule's."""

    rule: str | None
    source: str
    reason: str


def empty() -> Policy:
    """The policy without rules in whose units everything is told."""
    from caplex.compiler import driver
    from caplex.compiler.source import Source

    checked, _ = driver.check_source(Source("empty.cap", EMPTY))
    assert checked is not None
    found = Compiled(checked).without({rule.id for rule in checked.rules})
    assert found is not None
    return found


class Compiled:
    """A checked policy, from which policies with fewer rules are made."""

    def __init__(self, checked: CheckedModule) -> None:
        self.checked = checked

    def whole(self) -> Policy:
        """The policy, compiled once more."""
        return self._policy(self.checked.rules)

    def without(self, left_out: Collection[str]) -> Policy | None:
        """The policy without these rules; None if what is left reads the state of one of them."""
        try:
            policy = self._policy([rule for rule in self.checked.rules if rule.id not in left_out])
        except (KeyError, StopIteration):  # a graph that names a rule which is not there
            return None
        return None if any(slot.kind == "switch" and slot.name in left_out for slot in policy.plan.slots) else policy

    def why_not_fused(self) -> list[Unfused]:
        """Each rule that by itself has no fast form, with the reason; nothing if the policy has one."""
        whole = self._reason(self.checked.rules)
        if not whole:
            return []
        bare = self._reason(())
        if bare == whole:
            return [Unfused(None, "", whole)]
        alone = [(rule, self._reason((rule,))) for rule in self.checked.rules]
        found = [Unfused(rule.id, place(rule.node.span), reason) for rule, reason in alone if reason and reason != bare]
        return found or [Unfused(None, "", whole)]

    def _reason(self, rules: Sequence[RuleInfo]) -> str:
        return Assembler(build(self._checked(rules))).generate().why_not_fused

    def _policy(self, rules: Sequence[RuleInfo]) -> Policy:
        assembler = Assembler(build(self._checked(rules)))
        return Policy(assembler.plan(assembler.generate()))

    def _checked(self, rules: Sequence[RuleInfo]) -> CheckedModule:
        return replace(self.checked, rules=tuple(replace(rule, position=position) for position, rule in enumerate(rules)))


def checked_of(policy: Policy | str | Path, settings: Mapping[str, Any], mode: Literal["enforce", "monitor"] | None) -> tuple[CheckedModule | None, list[Any]]:
    """The checked module of a file, or of what a policy was compiled from, and what checking found."""
    if isinstance(policy, Policy):
        sources, given = policy.plan.sources, policy.plan.given
        return driver.check_texts(next(iter(sources)), sources, given.get("settings"), given.get("mode"))
    return driver.check_path(Path(policy), settings=settings, mode=mode)


def longest(policy: Policy, facts: Iterable[Facts], clock: Any) -> list[str]:
    """Rules by what their conditions take in the traced form, the longest first: a guess at where to look, and no measurement."""
    bounds = [bound for bound in map(policy.bind, facts) if bound.slots]
    spent: dict[str, int] = {}
    for rule in policy.plan.rules:
        took = []
        for bound in bounds[:4]:
            for _ in range(3):
                began = clock()
                for part in (rule.when, rule.broken):
                    if part is not None:
                        part(bound.slots, ONE)
                took.append(clock() - began)
        spent[rule.id] = min(took, default=0)
    return sorted(spent, key=lambda rule: -spent[rule])
