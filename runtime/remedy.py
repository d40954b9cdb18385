"""What would make a denied or trimmed intent pass, as data. `runtime.remedies` finds it; explanations show it.

A remedy is a plan of steps, each in one sentence and with the changes that it means, and what deciding again gave once all
of them were applied. Nothing is offered that was not tried.
"""
from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from caplex.runtime.canonical import decimal_text
from caplex.runtime.ruling import Verdict

StepKind = Literal["size", "time", "setting", "fact", "operator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to change.

    Attributes:
        where: *facts*: `path` is a place in the facts document; *policy*: `path` names a setting.
        value: As a document holds it: text, truth, object or list.
    """

    where: Literal["facts", "policy"]
    path: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do, in a clause without a full stop: ``at most 25``, ``not before 2026-01-05 15:00:00Z``.

    Attributes:
        rules: Ids of the rules that it answers.
        binds: The setting, fact or switch that stands in the way, as the policy calls it; None for the size.
        now, wanted: Its value today and the one that would do, for people, with unit; None where there is no number.
    """

    kind: StepKind
    text: str
    changes: tuple[Change, ...]
    rules: tuple[str, ...] = ()
    binds: str | None = None
    now: str | None = None
    wanted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """Steps to be done together, and what deciding again gave.

    Attributes:
        quantity: Units permitted then (once approved, where the verdict is HOLD).
        approvals: Roles that a HOLD still waits for.
    """

    steps: tuple[Step, ...]
    verdict: Verdict
    quantity: Decimal
    approvals: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The steps in one line."""
        approval = [f"approval by {' and '.join(self.approvals)}"] if self.approvals else []
        return "; then ".join([*(step.text for step in self.steps), *approval])

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(change for step in self.steps for change in step.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """A rule that nothing we know of satisfies for this intent, and why, in one sentence."""

    rule: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedies:
    """All that was found. Both are empty for ALLOW."""

    offers: tuple[Remedy, ...] = ()
    unmet: tuple[Unmet, ...] = ()


def to_dict(found: Remedies) -> dict[str, Any]:
    """JSON values alone."""
    return {
        "remedies": [
            {"text": offer.text, "then": {"verdict": offer.verdict.value, "quantity": decimal_text(offer.quantity),
                                           "approvals": list(offer.approvals)},
             "steps": [
                 {"kind": step.kind, "text": step.text, "rules": list(step.rules), "binds": step.binds, "now": step.now, "wanted": step.wanted,
                  "changes": [{"where": change.where, "path": change.path, "value": change.value} for change in step.changes]}
                 for step in offer.steps]}
            for offer in found.offers],
        "unmet": [{"rule": unmet.rule, "text": unmet.text} for unmet in found.unmet],
    }
