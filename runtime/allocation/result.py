"""`Policy.allocate` and what it returns: shares as decimals, and everything that led to them."""
from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

from caplex.runtime.allocation import planning
from caplex.runtime.allocation.ruling import PLACES, Named, Ruled, State
from caplex.runtime.allocation.shares import ZERO
from caplex.runtime.canonical import from_scaled, plain, to_decimal
from caplex.runtime.clock import format_instant
from caplex.runtime.facts import Facts
from caplex.runtime.reading import read
from caplex.runtime.rows import INSTANT
from caplex.runtime.values import Unknown

if TYPE_CHECKING:
    from caplex.runtime.allocation.explaining import Explanation
    from caplex.runtime.plan import AllocationPlan, Plan


class Planner(Protocol):
    """What a policy offers so that its shares can be told. `Policy` is one."""

    plan: Plan

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def settings_hash(self) -> str: ...


class Allocation:
    """Shares of capital, and why.

    Attributes:
        state: ``rebalance``: *shares* are a new plan; ``keep``, ``frozen``, ``refused``: they are those that were in force.
        shares: By name, after the scale; what is not given to a name stays in cash.
        proposed: The new plan, also where it is not put in force; None where none could be made.
        previous: The plan that was in force; None if there was none.
        ruled: Everything, exact.
    """

    __slots__ = ("at", "facts_hash", "plan", "policy", "previous", "proposed", "ruled", "shares", "state")

    def __init__(self, policy: Planner, plan: AllocationPlan, facts: Facts, ruled: Ruled) -> None:
        self.policy, self.plan, self.ruled = policy, plan, ruled
        self.state: State = ruled.state
        self.proposed = None if ruled.units is None else {name: from_scaled(units, PLACES) for name, units in ruled.units.items()}
        self.previous = None if ruled.previous is None else {name: to_decimal(share) for name, share in ruled.previous.items()}
        self.shares: dict[str, Decimal] = (self.proposed if ruled.state == "rebalance" else self.previous) or {}
        now = read(INSTANT, facts.document.get("now") if isinstance(facts.document, Mapping) else None, "/now")
        self.at: str | None = None if isinstance(now, Unknown) else format_instant(int(now))
        self.facts_hash = facts.hash

    @property
    def unallocated(self) -> Decimal:
        """What stays in cash under *shares*."""
        given = sum((Fraction(share) for share in self.shares.values()), ZERO)
        return to_decimal(1 - given)

    @property
    def changes(self) -> dict[str, Decimal]:
        """In points: the new plan less the one in force; empty where there is no new plan."""
        if self.ruled.units is None:
            return {}
        return {name: to_decimal(change) for name, change in planning.moves(self.ruled.previous or {}, self.ruled.units).items()}

    @property
    def names(self) -> dict[str, Named]:
        """Score, bounds and terms of each name of the new plan."""
        return {each.name: each for each in self.ruled.names}

    @property
    def infeasible(self) -> bool:
        """No shares meet the bounds: either some stay in cash, or there is no plan."""
        return self.ruled.infeasible is not None

    def facts(self) -> dict[str, Any]:
        """*shares* as the section `allocation` of facts, which limits read: it lies under ``inputs``."""
        return {name: {"share": plain(Fraction(share)), "as_of": self.at} for name, share in sorted(self.shares.items())}

    def event(self) -> dict[str, Any]:
        """*shares* as an event for an engine: its limits read them from then on."""
        return {"type": "input", "at": self.at, "name": "allocation", "values": self.facts()}

    def to_dict(self) -> dict[str, Any]:
        """The document ``caplex.allocation/1``."""
        from caplex.runtime.allocation.explaining import tell

        return tell(self)

    def explain(self) -> Explanation:
        """Why each name has the share that it has."""
        from caplex.runtime.allocation.explaining import Explanation

        return Explanation(self)

    def __str__(self) -> str:
        return str(self.explain())

    def __repr__(self) -> str:
        return f"<Allocation {self.plan.name} {self.state} {len(self.shares)} shares>"


def allocate(policy: Planner, facts: Mapping[str, Any] | Facts, current: Mapping[str, Any] | None, name: str | None) -> Allocation:
    """See `Policy.allocate`."""
    plan = find(policy, name)
    facts = facts if isinstance(facts, Facts) else Facts(facts)
    return Allocation(policy, plan, facts, planning.rule_on(policy.plan, plan, facts.document, current))


def rebalances(
    policy: Planner, shares: Mapping[str, Any], current: Mapping[str, Any] | None, facts: Mapping[str, Any] | Facts | None, name: str | None,
) -> bool:
    """See `Policy.rebalances`."""
    plan = find(policy, name)
    document = facts.document if isinstance(facts, Facts) else facts or {"now": "1970-01-01T00:00:00Z"}
    return planning.moved(policy.plan, plan, document, shares, current)


def find(policy: Planner, name: str | None) -> AllocationPlan:
    """The policy's allocation of this name, or its only one. Raises ValueError."""
    known = policy.plan.allocations
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name is not None and name in known:
        return known[name]
    if not known:
        raise ValueError(f"the policy `{policy.name}` shares out nothing: it has no `allocate`")
    listed = ", ".join(f"`{each}`" for each in known)
    raise ValueError(f"the policy `{policy.name}` has no allocation `{name}`; it has {listed}" if name is not None
                     else f"the policy `{policy.name}` has several allocations; say which: {listed}")
