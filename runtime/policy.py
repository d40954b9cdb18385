"""A compiled policy: decides, pure and exact. Loading a policy from text is the compiler's; this needs none of it."""
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caplex.runtime import required, tracing
from caplex.runtime.bind import Bound
from caplex.runtime.canonical import SMALL, from_scaled, quotient
from caplex.runtime.decision import Decision, FirstReason
from caplex.runtime.facts import Facts
from caplex.runtime.judge import Case, judge
from caplex.runtime.operators import Unusable
from caplex.runtime.plan import Fusion, Plan
from caplex.runtime.ruling import Approval, Effect, Reason, RuleTrace, Ruling, Shown, Verdict
from caplex.runtime.schema import PLAN_IN_FORCE

if TYPE_CHECKING:
    from caplex.runtime.allocation.result import Allocation
    from caplex.runtime.specialised import Specialised
    from caplex.runtime.whatif import WhatIf

PLACES = 8
_UNIT = Decimal(10**PLACES)
_ALLOW, _MODIFY, _DENY, _NOTHING = Verdict.ALLOW, Verdict.MODIFY, Verdict.DENY, Decimal(0)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Policy:
    """What `caplex.load` returns.

    Attributes:
        name, version, mode: As the header says.
        hash: ``sha256:…`` of all sources; settings_hash: of the resolved settings.
    """

    __slots__ = ("_fused", "_names", "plan")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._fused: Fusion = self._first
        self._names: tuple[str, ...] | None = None

    def _first(self, *ints: Any) -> tuple[int, int, int] | None:
        """Stands for the fused form until it is called: a plan from the cache unpacks it then. (A hook for missing attributes costs each read.)"""
        assert self.plan.fused is not None  # or there would be no integers
        self._fused = self.plan.fused
        return self._fused(*ints)

    @property
    def names(self) -> tuple[str, ...]:
        """Ids of the rules, in the order of decision."""
        if self._names is None:
            self._names = self.plan.names()
        return self._names

    @property
    def name(self) -> str:
        return self.plan.header.name

    @property
    def version(self) -> str:
        return self.plan.header.version

    @property
    def mode(self) -> str:
        return self.plan.header.mode

    @property
    def hash(self) -> str:
        return self.plan.hash

    @property
    def settings_hash(self) -> str:
        return self.plan.settings_hash

    @property
    def effective(self) -> tuple[datetime | None, datetime | None]:
        """First instant in force, first instant no longer in force; None is open."""
        header = self.plan.header
        ends = [None if ns is None else EPOCH + timedelta(microseconds=ns // 1000) for ns in (header.effective_from_ns, header.effective_until_ns)]
        return ends[0], ends[1]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Resolved value of each setting that a rule reads, before overrides."""
        return {name: setting.value for name, setting in self.plan.settings.items()}

    @property
    def rules(self) -> Mapping[str, Any]:
        """Rules by id, in the order of decision."""
        return {rule.id: rule for rule in self.plan.rules}

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Sections that this policy declares beyond the built-in ones."""
        return {name: section for name, section in self.plan.schema.sections.items() if section.inputs and name != PLAN_IN_FORCE}

    @property
    def python(self) -> str:
        """Generated source of both forms."""
        return self.plan.python

    @property
    def graph_text(self) -> str:
        """Stable dump of the rule graph."""
        return self.plan.graph_text

    def __repr__(self) -> str:
        return f"<Policy {self.name} {self.version} {self.hash[:19]}>"

    def bind(self, facts: Mapping[str, Any] | Facts) -> Bound:
        """Facts with every slot of this policy filled; reused when the same `Facts` comes again."""
        if not isinstance(facts, Facts):
            facts = Facts(facts)
        bound: Bound | None = facts.bound.get(self)
        if bound is None:
            bound = facts.bound[self] = Bound(self.plan, facts.document)
            bound.policy, bound.facts, bound.names = self, facts, self.names
        return bound

    def decide(self, facts: Mapping[str, Any] | Facts) -> Decision:
        """Decide one intent. Pure; never raises on bad facts: it denies, and says which."""
        try:
            bound = facts.bound[self]  # type: ignore[union-attr]
        except (AttributeError, KeyError):
            bound = self.bind(facts)
        ints = bound.ints
        if ints is not None:
            try:
                core = self._fused(*ints)
            except Unusable:
                core = None  # the traced form says which reading it was
            if core is not None:
                # Written out here: a constructor would cost as much as several rules.
                decision = Decision()
                decision._bound = bound
                decision._core = core
                permitted, broken, failing = core
                if permitted == ints[0]:
                    decision.verdict, decision.quantity, decision.reason = _ALLOW, bound.asked_decimal, None
                    return decision
                if permitted:
                    decision.verdict, decision.quantity = _MODIFY, quotient(permitted, _UNIT) if permitted < SMALL else from_scaled(permitted, PLACES)
                else:
                    decision.verdict, decision.quantity = _DENY, _NOTHING
                broken |= failing
                rule = bound.names[(broken & -broken).bit_length() - 1] if broken > 0 else decision.decided_by
                reason = FirstReason()
                reason._bound, reason.rule = bound, rule  # type: ignore[assignment]
                decision.reason = reason
                return decision
        return Decision.from_ruling(bound, *judge(self.plan, bound))

    def specialise(self, facts: Mapping[str, Any] | Facts) -> Specialised:
        """This policy for the one intent of *facts*, at any size: ``policy.specialise(facts).decide(quantity)``.

        All readings but the size are settled once, so that a grid of sizes costs less than rules written by hand. Answers are those of
        `decide` on the document with the quantity in its intent. The document must not change meanwhile.
        """
        from caplex.runtime.specialised import Specialised

        bound = self.bind(facts)
        return Specialised(self, bound, bound.facts.document)

    def decide_frame(self, frame: Any, facts: Mapping[str, Any] | None = None) -> Any:
        """Decide each row of *frame* (pandas, polars, arrow) as one intent; the frame with the answers beside it, same kind, same order.

        Columns are called as their places are, ``intent.symbol``, ``market.price``, ``now`` (docs/spec.md, CAP-FRAME); what no column
        says, *facts* say for all rows. Answers: ``verdict``, ``quantity`` (exact), ``decided_by``, ``reason``, ``fell_back``: whether
        the row was decided alone, because it did not fit into columns of whole numbers. Needs the extra ``frames``.

        Raises:
            FrameError: A column that the facts have no place for, one without a time zone, or no frame at all.
        """
        from caplex.runtime.columns.deciding import decide_frame

        return decide_frame(self, frame, facts)[0]

    def decide_row(self, frame: Any, row: int, facts: Mapping[str, Any] | None = None) -> Decision:
        """The decision of one row of *frame* in full, as `decide_frame` has it in short."""
        from caplex.runtime.columns.deciding import decide_row

        return decide_row(self, frame, row, facts)

    def allocate(
        self, facts: Mapping[str, Any] | Facts, current: Mapping[str, Any] | None = None, *, name: str | None = None,
    ) -> Allocation:
        """Share out capital as the policy's `allocate` says. Pure; never raises on bad facts: the plan is refused, and it says why.

        Args:
            current: The plan in force, shares by name; that of the facts, `inputs.allocation`, unless given. Empty is none.
            name: Which allocation, where the policy has several.
        Raises:
            ValueError: The policy has no such allocation.
        """
        from caplex.runtime.allocation.result import allocate

        return allocate(self, facts, current, name)

    def rebalances(
        self, shares: Mapping[str, Any], current: Mapping[str, Any] | None, facts: Mapping[str, Any] | Facts | None = None, *, name: str | None = None,
    ) -> bool:
        """Would the policy's `rebalance when` put *shares*, worked out by whomever, in the place of *current*? Bounds are not looked at.

        Raises:
            ValueError: A share that is no decimal, or a threshold that *facts* leave unknown.
        """
        from caplex.runtime.allocation.result import rebalances

        return rebalances(self, shares, current, facts, name)

    def what_if(self, facts: Mapping[str, Any] | Facts, changes: Mapping[str, Any]) -> WhatIf:
        """What *changes*, values by place (``account.equity``), would do to the decision. Raises BadPath for a place that facts do not have."""
        from caplex.runtime.whatif import what_if

        return what_if(self, facts, changes)

    def ruling(self, facts: Mapping[str, Any] | Facts) -> Ruling:
        """The whole answer as data, from the traced form."""
        return judge(self.plan, self.bind(facts))[0]

    def judge(self, bound: Bound) -> tuple[Ruling, Case | None]:
        """The ruling and the case behind it."""
        return judge(self.plan, bound)

    # ── what decisions are told with ─────────────────────────────────────────────────────────────────

    @property
    def language(self) -> int:
        return self.plan.header.language

    @property
    def currency(self) -> str:
        return self.plan.header.currency

    def rule_at(self, position: int) -> str:
        """Id of the rule at *position* in the order of decision."""
        return self.names[position]

    def message(self, bound: Bound, ruling: Ruling, reason: Reason) -> str | None:
        """The rule's `because`, filled in after the verdict; None if it has none."""
        return tracing.message(self.plan, bound, reason, asked=ruling.requested, permitted=ruling.if_approved or ruling.quantity)

    def reason_of(self, rule: str, effect: Effect, observed: Shown, limit: Shown) -> Reason:
        """What the rule would give as a reason if it took something away: for warnings and monitored rules."""
        plan = next(each for each in self.plan.rules if each.id == rule)
        role, quorum, _ = plan.approval or ("", 1, None)
        return Reason(rule, plan.kind, plan.stage, effect, title=plan.title or None, severity=plan.severity, observed=observed,
                      comparison=plan.comparison or None, limit=limit, unit=plan.unit if plan.comparison else None,
                      approval=Approval(role, quorum) if effect == "hold" else None)

    def sized(self, rule: str) -> bool:
        """Does the rule measure what the order would lead to?"""
        found = self.plan.find(rule)
        return found is not None and found.reads_size

    def place(self, rule: str) -> Mapping[str, Any] | None:
        """Where the rule stands; None for what stands in no file."""
        found = self.plan.find(rule)
        return found.position if found is not None else None

    def spoken(self, bound: Bound, ruling: Ruling, case: Case | None) -> dict[str, tracing.Spoken]:
        """Of each rule that is a reason: what it read, and where its bound came from."""
        return tracing.spoken(ruling, case, self.plan, bound)

    def traces(self, bound: Bound, ruling: Ruling, case: Case | None) -> tuple[RuleTrace, ...]:
        """How each rule came to its answer."""
        return tracing.traces(ruling, case, self.plan, bound)

    def required_facts(self, intent: Mapping[str, Any] | None = None) -> list[str]:
        """JSON pointers that an adapter must fill, in order; *intent* puts its own symbol, strategy … into them."""
        claims = intent or {}
        found = ["/now", "/intent/action", "/intent/symbol", "/intent/side"]
        if not self.plan.sizes:
            found.append("/intent/quantity")
        found += ["/positions", "/orders"]
        if self.plan.header.lot is None:
            found.append(f"/instruments/{claims.get('symbol', '{symbol}')}/lot")
        for slot in self.plan.slots:
            found += required.of_slot(slot, self.plan.schema, claims)
        return list(dict.fromkeys(found))
