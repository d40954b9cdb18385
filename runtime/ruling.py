"""The ruling: what one policy answers to one intent on one set of facts, as both semantics give it.

The reference interpreter and the compiled judge return the same `Ruling`, equal with ``==``; decisions and explanations
are told from it. Numbers are exact; nothing here prints, reads a document or knows the policy's text.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Literal

from caplex.runtime.schema import Type
from caplex.runtime.values import Leaf

Shown = Fraction | str | bool | None
"""A value as a reason shows it. None: nothing to show (unknown, unlimited, or a condition without a number)."""

RuleKind = Literal["limit", "rule", "throttle", "cooldown", "switch", "size", "system"]
Effect = Literal["deny", "reduce", "hold", "deny opening", "snap", "deny all"]
Unit = Type | str | None


class Verdict(StrEnum):
    """Of a decision, mildest first. Precedence is ``DENY > HOLD > MODIFY > ALLOW``."""

    ALLOW = "ALLOW"
    MODIFY = "MODIFY"
    HOLD = "HOLD"
    DENY = "DENY"


VERDICTS: tuple[Verdict, ...] = (Verdict.ALLOW, Verdict.MODIFY, Verdict.HOLD, Verdict.DENY)


@dataclass(frozen=True, slots=True)
class Approval:
    """What lifts a hold: *quorum* distinct people with *role*, within *within_ns* (None: no end of its own)."""

    role: str
    quorum: int = 1
    within_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why less than the whole intent may go ahead.

    Attributes:
        rule: Qualified rule id, or the fixed ``SYS-NNN``.
        outcome: As the rule (for a SYS reason: the rule where it stands) says; None if it says none.
        observed, comparison, limit: The measure and what it had to keep, ``<=`` ``<`` ``>=`` ``>``; both in *unit*.
        permitted: The rule's own cap, in units of the intent.
        at: The size at which it was broken: ``n``, the whole intent, or ``x``, what the caps together had left.
        leaves: Of a SYS reason, sorted: the readings that could not be used.
        needed_by: Of a SYS reason: ids of the rules that needed them, in the order of decision.
    """

    rule: str
    kind: RuleKind
    stage: str
    effect: Effect
    title: str | None = None
    code: str | None = None
    outcome: str | None = None
    severity: str = "medium"
    observed: Shown = None
    comparison: str | None = None
    limit: Shown = None
    unit: Unit = None
    permitted: Fraction = Fraction(0)
    at: Literal["n", "x"] = "n"
    leaves: tuple[Leaf, ...] = ()
    needed_by: tuple[str, ...] = ()
    approval: Approval | None = None

    def __post_init__(self) -> None:
        assert self.permitted >= 0
        assert (self.effect == "hold") == (self.approval is not None)
        assert self.leaves == tuple(sorted(self.leaves))


@dataclass(frozen=True, slots=True)
class Trip:
    """A switch that this decision trips. *clause* is the index of its `trip when`, from 0; *scope* pairs dimension and value."""

    switch: str
    scope: tuple[tuple[str, str], ...]
    cause: Literal["expression", "rule", "count"]
    clause: int
    observed: Shown = None
    limit: Shown = None


@dataclass(frozen=True, slots=True)
class Obligation:
    """What a trip asks of the host, as data: ``cancel_open_orders``, ``cancel_all_orders``, ``flatten``, ``notify``."""

    do: str
    by: str
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """A `warn` rule that holds at the whole intent."""

    rule: str
    observed: Shown = None
    limit: Shown = None


@dataclass(frozen=True, slots=True)
class Monitored:
    """A monitored rule that would have acted; *effect* is what it would have done."""

    rule: str
    effect: Effect
    observed: Shown = None
    limit: Shown = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """The whole answer.

    Attributes:
        requested: ``n``; None where the document is unusable or the size could not be known.
        quantity: What may go ahead now, on the lot grid.
        closing: ``c``, the closing leg of the whole intent.
        violated: Ids of rules not kept at ``n``, monitored ones too, in the order of decision.
        holds: Ids of the rules that want an approval, in that order.
        if_approved: What a HOLD permits once approved.
        outcome: Never empty: the first reason's, else the answer's label, else the verdict's word.
        document: Problems of the document as a whole; if any, nothing was judged.
        lot: The grid that the quantity stands on, where it was known.
    """

    verdict: Verdict
    requested: Fraction | None
    quantity: Fraction
    closing: Fraction
    side: str | None
    action: str | None
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[Warned, ...] = ()
    monitored: tuple[Monitored, ...] = ()
    violated: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    if_approved: Fraction | None = None
    tripped: tuple[Trip, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    code: str | None = None
    outcome: str = ""
    decided_by: str | None = None
    emitted: tuple[str, ...] = ()
    document: tuple[Leaf, ...] = ()
    lot: Fraction | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        assert self.quantity >= 0
        assert self.closing >= 0
        if self.verdict in (Verdict.DENY, Verdict.HOLD):
            assert self.quantity == 0
        else:
            assert self.quantity > 0
            assert self.requested is not None
        if self.verdict is not Verdict.ALLOW:
            assert self.reasons
        if self.requested is not None:
            assert self.quantity <= self.requested
            assert (self.verdict is Verdict.ALLOW) == (self.quantity == self.requested)
        assert (self.verdict is Verdict.HOLD) == bool(self.holds)
        assert (self.verdict is Verdict.HOLD) == (self.if_approved is not None)
        if self.document:
            assert self.verdict is Verdict.DENY


TraceState = Literal[
    "kept", "broken", "reduced", "held", "warned", "unknown", "not-applicable", "monitored", "waived", "not-judged"
]


@dataclass(frozen=True, slots=True)
class LimitSource:
    """Where a bound came from: a setting, the override that won, and its place.

    Attributes:
        override: Kind of the override that was in force; None is the default.
        key: What the override is for, ``symbol "BTCUSDT"``.
        origin: Who set the default: policy, use, file …, environment, --set.
        source, column: ``desk.cap:20``, and 0 where no column is known.
    """

    text: str
    setting: str | None = None
    override: str | None = None
    through: str | None = None
    approved_by: str | None = None
    ticket: str | None = None
    source: str | None = None
    key: str | None = None
    value: Shown = None
    unit: Unit = None
    origin: str = "policy"
    column: int = 0


@dataclass(frozen=True, slots=True)
class WaiverTrace:
    """A waiver that was considered: it holds, or why not, in a clause: ``expired: it ran through 2026-03-31``."""

    waiver: str
    holds: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """What a rule's author wrote: its first lines, without the indentation that they share.

    Attributes:
        more: Lines that are left out.
    """

    file: str
    line: int
    text: tuple[str, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """How one rule came to its answer, for explanations.

    Attributes:
        cap: What the rule alone would permit.
        source: Place of the rule, ``desk.cap:45``.
        reads: What it read, by name as written, in the order of reading: value, or None where it was unusable.
        note: One clause in words, where a number does not tell it: ``tripped 14:30Z``, ``waived by W-010``.
        units: Of what it read, in the order of *reads*.
        waivers: Those that were considered, in the order written.
    """

    rule: str
    kind: RuleKind
    state: TraceState
    title: str | None = None
    observed: Shown = None
    comparison: str | None = None
    limit: Shown = None
    unit: Unit = None
    cap: Fraction | None = None
    source: str | None = None
    reads: tuple[tuple[str, Shown], ...] = ()
    limit_source: LimitSource | None = None
    leaves: tuple[Leaf, ...] = ()
    note: str = ""
    stage: str = ""
    severity: str = ""
    code: str | None = None
    units: tuple[Unit, ...] = ()
    waivers: tuple[WaiverTrace, ...] = ()
    approval: Approval | None = None
