"""The driver of the compiled form: runs the callables of a plan over bound slots and tells everything.

The meaning is docs/spec.md, CAP-IDEA: every rule is a cap on the permitted quantity, the policy is the smallest cap,
rounded down to what can be traded, and judged once more there. `compiler.reference` says the same independently.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from caplex.runtime import outcome
from caplex.runtime.bind import Bound
from caplex.runtime.grid import Grid, interval
from caplex.runtime.plan import Plan, RulePlan, SizePlan, TripPlan
from caplex.runtime.ruling import Ruling, Trip
from caplex.runtime.values import UNLIMITED, Leaf, Truth, Unknown, less, merge

ZERO = Fraction(0)
TRADING = frozenset({"open", "close", "adjust"})
State = Literal["kept", "broken", "unknown", "not-applicable", "waived", "not-judged"]


@dataclass(slots=True)
class Standing:
    """How one rule stands at the whole intent.

    Attributes:
        state: Its answer at ``n``; *monitored*, *held* and *warns* say what it may do with it.
        cap: What it permits.
        start: ``s``: sizes up to here are kept whatever the rule says.
        fails: Broken at the smaller size that the caps had left.
    """

    rule: RulePlan
    state: State
    cap: Fraction
    start: Fraction = ZERO
    monitored: bool = False
    held: bool = False
    warns: bool = False
    leaves: frozenset[Leaf] = frozenset()
    tripped: Trip | None = None
    observed: Any = None
    bound: Any = None
    fails: bool = False
    waiver: str | None = None

    @property
    def enforcing(self) -> bool:
        return not (self.monitored or self.held or self.warns)


@dataclass(slots=True)
class Case:
    """One intent under judgement: what is asked, what closes, and every rule's standing."""

    plan: Plan
    bound: Bound
    n: Fraction
    c: Fraction
    grid: Grid
    action: str
    now: Fraction
    standings: list[Standing] = field(default_factory=list)
    extra_caps: list[tuple[str, Fraction, frozenset[Leaf]]] = field(default_factory=list)
    sizes: list[tuple[Any, Fraction, frozenset[Leaf]]] = field(default_factory=list)
    trips: list[Trip] = field(default_factory=list)
    permitted: Fraction = ZERO
    x: Fraction = ZERO
    floor_broken: Any = None

    def caps(self) -> Iterator[Fraction]:
        yield self.n
        for standing in self.standings:
            yield standing.cap
        for _, cap, _ in self.extra_caps:
            yield cap
        for _, cap, _ in self.sizes:
            yield cap


def rule_on(plan: Plan, bound: Bound) -> Ruling:
    """The ruling of *plan* on bound facts. Never raises on bad facts: it denies, and says which."""
    return judge(plan, bound)[0]


def judge(plan: Plan, bound: Bound) -> tuple[Ruling, Case | None]:
    """The ruling, and the case behind it for explanations (None where nothing could be judged)."""
    if bound.document or isinstance(bound.now, Unknown):
        leaves = tuple(bound.document) or tuple(sorted(bound.now.leaves))
        return outcome.unusable(leaves), None
    request = outcome.request(plan, bound)
    if isinstance(request.n, Unknown):
        return outcome.unasked(bound, request), None
    case = Case(plan, bound, request.n, request.c, bound.grid(request.action, request.c), request.action, bound.now)
    case.sizes.extend(request.sizes)
    case.extra_caps.extend(request.caps)
    _judge_rules(case)
    _permit(case)
    return outcome.tell(case, request), case


# ── the rules at n ────────────────────────────────────────────────────────────────────────────────────


def _judge_rules(case: Case) -> None:
    phase = 0
    stopped = False
    for rule in case.plan.rules:
        if rule.phase != phase and not stopped:
            stopped = nothing_left(case)
        phase = rule.phase
        if stopped:
            case.standings.append(Standing(rule, "not-judged", case.n))
        else:
            case.standings.append(stand(case, rule))
    # a phase without rules behind the last bar changes nothing


def nothing_left(case: Case) -> bool:
    """Do the rules that have been judged leave nothing to later phases?"""
    return case.grid.snap(min(case.caps())) == 0


def stand(case: Case, rule: RulePlan) -> Standing:
    """How *rule* stands at the whole intent."""
    if case.action not in rule.actions:
        return Standing(rule, "not-applicable", case.n)
    n = case.n
    waiver = _waiver(case, rule)
    if waiver is not None:
        return Standing(rule, "waived", n, waiver=waiver)
    if rule.kind == "switch":
        return _switch(case, rule)
    observed, bound = case.bound.sides(rule, n)
    start = _start(case, rule)
    standing = Standing(rule, "kept", n, start, observed=observed, bound=bound)
    standing.warns = rule.effect == "warn"
    standing.monitored = not standing.warns and _is_monitored(case, rule)
    standing.held = rule.effect == "hold"
    if n <= start:
        return standing
    broken = case.bound.broken(rule, n, case.c)
    if broken is False:
        return standing
    if isinstance(broken, Unknown):
        standing.state, standing.leaves = "unknown", broken.leaves
        # `mode monitor` suspends rules, not data; a rule with its own `monitor` is suspended wholly.
        standing.monitored = standing.monitored and _is_suspended(case, rule)
        if standing.enforcing:
            standing.cap = start
        return standing
    standing.state = "broken"
    if rule.overridable is not None and rule.effect == "deny" and not standing.monitored:
        standing.held = True
    if standing.enforcing:
        standing.cap = _reduced(case, rule, start) if rule.effect == "reduce" else start
    return standing


def alone(case: Case, rule: RulePlan, q: Fraction) -> Standing:
    """How *rule* by itself would stand, if the same intent asked for *q*."""
    return stand(Case(case.plan, case.bound, q, min(case.c, q), case.grid, case.action, case.now), rule)


def _is_monitored(case: Case, rule: RulePlan) -> bool:
    return (case.plan.header.mode == "monitor" and rule.kind != "switch") or _is_suspended(case, rule)


def _is_suspended(case: Case, rule: RulePlan) -> bool:
    """By its own `monitor` clause."""
    return rule.monitor == "always" or (rule.monitor is not None and case.now < rule.monitor)


def _waiver(case: Case, rule: RulePlan) -> str | None:
    for waiver in rule.waivers:
        if case.now < waiver.until_ns and waiver.when(case.bound.slots, case.n) is True:
            return waiver.id
    return None


def _start(case: Case, rule: RulePlan) -> Fraction:
    """``s``: the closing leg where the rule leaves it alone."""
    opening_only = rule.opening_only
    if rule.reserve is not None and rule.observed is not None and rule.bound is not None:  # the reserve binds the opening leg only
        opening_only = less(rule.observed(case.bound.slots, case.n), rule.bound(case.bound.slots, case.n)) is True
    if not (rule.skipped or opening_only):
        return ZERO
    if not rule.unless_worse or not rule.pieces or opening_only:
        return case.c
    pieces = _pieces(case, rule)
    if pieces is None:  # unlimited is never exceeded; what cannot be read cannot be shown not to grow worse
        return ZERO if any(isinstance(part, Unknown) for part in case.bound.sides(rule, case.n)) else case.c
    threshold = max(ZERO, max(intercept for _, intercept in pieces))
    span = interval([(slope, intercept - threshold) for slope, intercept in pieces], strict=False, high=case.c)
    if span is not None and span[1] >= case.c:
        return case.c
    return ZERO if span is None else case.grid.snap(span[1]) or ZERO


def _pieces(case: Case, rule: RulePlan) -> list[tuple[Fraction, Fraction]] | None:
    slots, n = case.bound.slots, case.n
    pieces = [(piece.slope(slots, n), piece.intercept(slots, n)) for piece in rule.pieces]
    if any(isinstance(part, Unknown) or part is UNLIMITED for piece in pieces for part in piece):
        return None
    return pieces


def _reduced(case: Case, rule: RulePlan, start: Fraction) -> Fraction:
    """The largest tradable size in ``[s, n]`` at which the rule is kept; ``s`` if there is none."""
    pieces = _pieces(case, rule)
    if not pieces:
        return start
    span = interval(pieces, strict=rule.strict, high=case.n)
    if span is None:
        return start
    low, high, open_low, open_high = span
    best = case.grid.below(high) if open_high else case.grid.snap(high)
    if best is None or best < low or (open_low and best == low) or best < start:
        return start
    return best


# ── switches ──────────────────────────────────────────────────────────────────────────────────────────


def _switch(case: Case, rule: RulePlan) -> Standing:
    scope = case.bound.scope(rule)
    if scope is None:
        return Standing(rule, "not-applicable", case.n)
    opening = rule.denies == "opening"
    standing = Standing(rule, "kept", case.n, case.c if opening else ZERO, monitored=_is_monitored(case, rule))
    assert rule.broken is not None
    lost, cap = merge(scope), case.c if opening else ZERO
    tripped: Truth = lost if lost is not None else rule.broken(case.bound.slots, case.n)
    if isinstance(tripped, Unknown):
        standing.state, standing.leaves = "unknown", tripped.leaves
    elif tripped:
        standing.state = "broken"
    else:
        standing.tripped, leaves = _trips(case, rule)
        if standing.tripped is not None:
            standing.state = "broken"
            if not standing.monitored:
                case.trips.append(standing.tripped)
        elif leaves:
            standing.state, standing.leaves, cap = "unknown", leaves, case.c
    if standing.state != "kept" and not standing.monitored:
        standing.cap = min(case.n, cap)
    return standing


def _trips(case: Case, rule: RulePlan) -> tuple[Trip | None, frozenset[Leaf]]:
    """The first clause that trips now; else the readings that left one undecided."""
    leaves: frozenset[Leaf] = frozenset()
    for index, trip in enumerate(rule.trips):
        if trip.condition is None:
            continue
        slots, n = case.bound.slots, case.n
        holds = trip.condition(slots, n)
        if isinstance(holds, Unknown):
            leaves |= holds.leaves
        elif holds and _confirmed(case, rule, index, trip):
            observed = trip.observed(slots, n) if trip.observed else None
            bound = trip.bound(slots, n) if trip.bound else None
            scope = case.bound.scope(rule)
            assert isinstance(scope, tuple)
            return Trip(rule.id, scope, "expression", index, outcome.shown(observed), outcome.shown(bound)), leaves
    return None, leaves


def _confirmed(case: Case, rule: RulePlan, index: int, trip: TripPlan) -> bool:
    """Confirmation counts this reading; earlier ones stand in the switch's row."""
    if trip.confirm is None:
        return True
    wanted = trip.confirm(case.bound.slots, case.n)
    if isinstance(wanted, Unknown):
        return True
    readings, since = case.bound.confirming(rule, index)
    if trip.confirm_readings:
        return bool(readings + 1 >= wanted)
    return since is not None and bool(case.now - since >= wanted)


# ── what may go ahead ─────────────────────────────────────────────────────────────────────────────────


def _permit(case: Case) -> None:
    """``permitted``: the first of ``x`` and its closing leg at which every enforcing rule is kept."""
    _settle(case)
    for size, _, leaves in case.sizes:
        if not leaves and case.permitted > case.c and _below_floor(case, size):
            case.floor_broken = size
            case.extra_caps.append((size.id, case.c, frozenset()))
            _settle(case)
            return


def _settle(case: Case) -> None:
    header = case.plan.header
    wanted = min(case.caps())
    snapped = case.grid.snap(wanted)
    case.x = snapped if snapped is not None else ZERO
    case.permitted = ZERO
    for standing in case.standings:
        standing.fails = False
    if snapped is None or (header.rounding_never and snapped < wanted):
        return
    candidates = [case.x, case.grid.snap(min(case.x, case.c)) or ZERO]
    for number, candidate in enumerate(candidates):
        if candidate <= 0:
            continue
        failing = [s for s in case.standings if not _kept(case, s, candidate)]
        if number == 0:
            for standing in failing:
                standing.fails = True
        if not failing:
            case.permitted = candidate
            break
    if header.modify_never and case.permitted < case.n:
        case.permitted = ZERO


def _kept(case: Case, standing: Standing, q: Fraction) -> bool:
    if not standing.enforcing or q <= standing.start or standing.state in ("waived", "not-applicable", "not-judged"):
        return True
    if standing.rule.kind == "switch" or standing.state == "unknown":
        return q <= standing.cap
    return case.bound.broken(standing.rule, q, case.c) is False


def _below_floor(case: Case, size: SizePlan) -> bool:
    """Does the money of the opening leg fall short of the ticket's floor?"""
    slots = case.bound.slots
    floor = size.floor(slots, ZERO) if size.floor else ZERO
    leverage = size.leverage(slots, ZERO) if size.leverage else Fraction(1)
    return bool((case.permitted - case.c) * case.bound.book("value") < floor * leverage)
