"""What is asked, and what is told: the two ends of the driver (docs/spec.md, CAP-ASK and CAP-TELL)."""
from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from caplex.runtime import texts
from caplex.runtime.plan import Plan, RulePlan, SizePlan
from caplex.runtime.ruling import (
    Approval,
    Effect,
    Monitored,
    Obligation,
    Reason,
    Ruling,
    Shown,
    Trip,
    Verdict,
    Warned,
)
from caplex.runtime.values import Leaf, Unknown, floor_to, merge, unknown

if TYPE_CHECKING:
    from caplex.runtime.bind import Bound
    from caplex.runtime.judge import Case, Standing

ZERO = Fraction(0)
SEVERITIES = ("low", "medium", "high", "critical")


@dataclass(slots=True)
class Request:
    """What the intent asks for.

    Attributes:
        n: The size, or Unknown with the readings that hide it.
        c: Its closing leg.
        caps: Caps that come with the request itself: outside effect (SYS-010), over-close (SYS-012).
        sizes: Tickets that cap it, with the readings that a ticket could not use.
    """

    n: Any
    c: Fraction
    action: str
    side: str | None
    caps: list[tuple[str, Fraction, frozenset[Leaf]]] = field(default_factory=list)
    sizes: list[tuple[SizePlan, Fraction, frozenset[Leaf]]] = field(default_factory=list)
    empty_ticket: bool = False


def request(plan: Plan, bound: Bound) -> Request:
    """Read size and legs of the intent."""
    action = bound.action
    if isinstance(action, Unknown):
        return Request(action, ZERO, "open", None)
    side = bound.side
    if action in ("cancel", "noop"):
        return Request(Fraction(1), ZERO, action, side)
    asked = bound.asked
    if action == "transfer":
        asked = unknown("SYS-001", "/intent/amount", "missing") if asked is None else asked
        found = Request(asked, ZERO, action, side)
        _effective(plan, bound, found)
        return found
    c = bound.closing
    found = Request(asked, ZERO, action, side)
    if action == "close":
        _close(bound, found, c)
    elif action == "open":
        _size(plan, bound, found, c)
    elif asked is None:
        found.n = unknown("SYS-001", "/intent/delta", "missing")
    if not isinstance(found.n, Unknown):
        lost = merge(bound.direction)
        if lost is not None:
            found.n = lost
        else:
            found.c = min(c, found.n)
            _effective(plan, bound, found)
    return found


def _effective(plan: Plan, bound: Bound, found: Request) -> None:
    header, now = plan.header, bound.now
    early = header.effective_from_ns is not None and now < header.effective_from_ns
    late = header.effective_until_ns is not None and now >= header.effective_until_ns
    if (early or late) and not isinstance(found.n, Unknown):
        found.caps.append(("SYS-010", found.c if header.outside == "opening" else ZERO, frozenset()))


def _close(bound: Bound, found: Request, c: Fraction) -> None:
    lost = bound.legs_unknown
    if found.n is None:
        found.n = lost if lost is not None else c if c > 0 else _nothing_to_close()
    elif not isinstance(found.n, Unknown):
        if lost is None and c == 0:
            found.n = _nothing_to_close()
        elif found.n > c and bound.intent("reduce_only") is not False:
            found.caps.append(("SYS-012", c, lost.leaves if lost is not None else frozenset()))


def _nothing_to_close() -> Unknown:
    return unknown("SYS-004", "/intent", "nothing-to-close")


def _size(plan: Plan, bound: Bound, found: Request, c: Fraction) -> None:
    """Tickets: they fill a missing size, and those for all opening orders cap the opening leg."""
    given = found.n
    fills: list[Fraction] = []
    lost: list[Unknown] = []
    for size in plan.sizes:
        units = _units(bound, size)
        if given is None:
            if isinstance(units, Unknown):
                lost.append(units)
            else:
                fills.append(units)
                found.sizes.append((size, units, frozenset()))
        elif size.reach == "all opening" and not isinstance(given, Unknown):
            leg = min(c, given)
            if isinstance(units, Unknown):
                found.sizes.append((size, leg, units.leaves))
            else:
                found.sizes.append((size, min(given, leg + units), frozenset()))
    if given is not None:
        return
    if not plan.sizes:
        found.n = unknown("SYS-001", "/intent/quantity", "missing")
        return
    hidden = merge(*lost)
    found.n = hidden if hidden is not None else _on_grid(bound, min(fills))
    if not isinstance(found.n, Unknown) and found.n == 0:
        found.n, found.empty_ticket = unknown("SYS-012", "/intent/quantity", "below-one-lot"), True
    elif not isinstance(found.n, Unknown):
        found.sizes = [(size, found.n, frozenset()) for size, _, _ in found.sizes]


def _on_grid(bound: Bound, units: Fraction) -> Any:
    lot = bound.lot
    return lot if isinstance(lot, Unknown) else floor_to(units, lot)


def _units(bound: Bound, size: SizePlan) -> Any:
    """Units that the ticket buys: ``money / value``, in margin ``money · leverage / value``; never negative."""
    money = size.money(bound.slots, ZERO)
    leverage = size.leverage(bound.slots, ZERO) if size.leverage else Fraction(1)
    value = bound.book("value")
    lost = merge(money, leverage, value)
    return lost if lost is not None else max(ZERO, money) * leverage / value


# ── telling ───────────────────────────────────────────────────────────────────────────────────────────


def shown(value: Any) -> Shown:
    """A value as a reason shows it."""
    return value if isinstance(value, (Fraction, str, bool)) else None


def _system(leaf: Leaf, *, permitted: Fraction = ZERO, needed_by: tuple[str, ...] = (), at: RulePlan | None = None) -> Reason:
    effect: Effect = "snap" if leaf.sys == "SYS-012" else "deny"
    return Reason(leaf.sys, "system", "SYS", effect, code=at.code if at else None, outcome=at.outcome if at else None,
                  severity="critical", permitted=permitted, leaves=(leaf,) if leaf.path or leaf.problem else (), needed_by=needed_by)


def unusable(plan: Plan, bound: Bound, leaves: tuple[Leaf, ...]) -> Ruling:
    """The document itself cannot be used: nothing is judged."""
    reasons = tuple(_system(leaf) for leaf in dict.fromkeys(leaves))
    return Ruling(Verdict.DENY, None, ZERO, ZERO, None, None, reasons, outcome="DENY", decided_by=reasons[0].rule, document=tuple(dict.fromkeys(leaves)))


def unasked(plan: Plan, bound: Bound, found: Request) -> Ruling:
    """The size cannot be known."""
    assert isinstance(found.n, Unknown)
    reasons = tuple(_system(leaf) for leaf in sorted(found.n.leaves))
    action = None if isinstance(bound.action, Unknown) else bound.action
    return Ruling(Verdict.DENY, None, ZERO, ZERO, found.side, action, reasons, outcome="DENY", decided_by=reasons[0].rule)


def _rule_reason(case: Case, standing: Standing) -> Reason:
    rule = standing.rule
    effect: Effect = "reduce" if rule.effect == "reduce" else "deny opening" if rule.opening_only else "deny"
    if rule.kind == "switch":
        effect = "deny opening" if rule.denies == "opening" else "deny all"
    approval, permitted = None, standing.cap
    if standing.held:
        effect, permitted = "hold", case.n
        role, quorum, within = rule.approval or (rule.overridable or "", 1, None)
        window = within(case.bound.slots, case.n) if within else None
        approval = Approval(role, quorum, int(window) if isinstance(window, Fraction) else None)
    at = "n"
    if standing.fails and standing.cap == case.n:
        at, permitted = "x", case.permitted
    number = case.x if at == "x" else case.n
    observed, bound = standing.observed, standing.bound
    if at == "x":
        observed = rule.observed(case.bound.slots, number) if rule.observed else None
        bound = rule.bound(case.bound.slots, number) if rule.bound else None
    return Reason(
        rule.id, rule.kind, rule.stage, effect, title=rule.title or None, code=rule.code, outcome=rule.outcome, severity=rule.severity,
        observed=shown(observed), comparison=rule.comparison or None, limit=shown(bound), unit=rule.unit if rule.comparison else None,
        permitted=permitted, at="x" if at == "x" else "n", approval=approval)


def _reasons(case: Case, held: list[Standing]) -> tuple[Reason, ...]:
    """In the order of decision: rules by position; unusable readings where SYS stands, or at the rule that needed them."""
    plan, n = case.plan, case.n
    keyed: list[tuple[tuple[Any, ...], Reason]] = []
    stages = {stage: i for i, stage in enumerate(plan.header.stages)}
    front = -1
    if plan.header.sys_listed:
        front = sum(1 for rule in plan.rules if stages[rule.stage] < stages["SYS"]) - 1
    needed: dict[Leaf, list[Standing]] = {}
    for place, standing in enumerate(case.standings):
        if standing.state == "unknown" and standing.enforcing and standing.cap < n:
            for leaf in standing.leaves:
                needed.setdefault(leaf, []).append(standing)
        elif (standing.cap < n and standing.state == "broken") or standing.fails or any(standing is h for h in held):
            keyed.append(((place, 1, "", ""), _rule_reason(case, standing)))
    positions = {standing.rule.id: place for place, standing in enumerate(case.standings)}
    for leaf, standings in needed.items():
        first = standings[0].rule
        listed = plan.header.sys_listed
        key = (front, 2, leaf.sys, leaf.path) if listed else (positions[first.id], 0, leaf.sys, leaf.path)
        reason = _system(leaf, permitted=min(s.cap for s in standings), needed_by=tuple(s.rule.id for s in standings), at=None if listed else first)
        keyed.append((key, reason))
    keyed.extend(_size_reasons(case, front if plan.header.sys_listed else -1))
    return tuple(reason for _, reason in sorted(keyed, key=lambda pair: pair[0]))


def _size_reasons(case: Case, front: int) -> list[tuple[tuple[Any, ...], Reason]]:
    """Tickets, policy out of effect, the lot and what it took away."""
    keyed: list[tuple[tuple[Any, ...], Reason]] = []
    last = len(case.standings)
    for index, (size, cap, leaves) in enumerate(case.sizes):
        if case.floor_broken is size or (cap < case.n and not leaves):
            permitted = case.c if case.floor_broken is size else cap
            reason = Reason(size.id, "size", "size", "deny" if case.floor_broken is size else "reduce", title=size.title or None, permitted=permitted)
            keyed.append(((-2, index, "", ""), reason))
        for leaf in sorted(leaves) if cap < case.n else ():
            keyed.append(((-2, index, leaf.sys, leaf.path), _system(leaf, permitted=cap, needed_by=(size.id,))))
    for sys, cap, leaves in case.extra_caps:
        if sys == "SYS-010" and cap < case.n:
            keyed.append(((front, 2, sys, ""), _system(Leaf(sys, "", ""), permitted=cap)))
        elif sys == "SYS-012" and cap < case.n:
            keyed.append(((last, 3, sys, ""), _system(Leaf(sys, "/intent/quantity", "over-close"), permitted=cap)))
            keyed.extend(((last, 2, leaf.sys, leaf.path), _system(leaf)) for leaf in sorted(leaves))
    wanted = min(case.caps())
    snapped = case.grid.snap(wanted)
    if snapped is None or snapped < wanted:
        keyed.extend(((last, 2, leaf.sys, leaf.path), _system(leaf)) for leaf in sorted(case.grid.leaves))
        if snapped is not None:
            keyed.append(((last, 4, "SYS-012", ""), _system(Leaf("SYS-012", "", "lot"), permitted=snapped)))
    return keyed


def tell(case: Case, found: Request) -> Ruling:
    """The ruling on a judged case."""
    plan, n, permitted = case.plan, case.n, case.permitted
    held = _held(case) if permitted > 0 else []
    verdict = Verdict.DENY if permitted == 0 else Verdict.HOLD if held else Verdict.MODIFY if permitted < n else Verdict.ALLOW
    reasons = _reasons(case, held)
    if verdict is Verdict.ALLOW:
        reasons = ()
    violated = [s for s in case.standings if s.state == "broken" and s.rule.kind != "switch" and s.rule.effect not in ("warn", "hold")]
    if verdict is Verdict.DENY and not reasons:
        reasons = (_system(Leaf("SYS-012", "", "lot"), permitted=ZERO),)
    first = reasons[0] if reasons else None
    trips = list(case.trips) + _later_trips(case, verdict, reasons, violated)
    labelled = None if verdict in (Verdict.DENY, Verdict.HOLD) else _label(case)
    told = first.outcome if first is not None and first.outcome else None
    return Ruling(
        verdict, n, permitted if verdict in (Verdict.ALLOW, Verdict.MODIFY) else ZERO, case.c, found.side, case.action, reasons,
        warnings=tuple(Warned(s.rule.id, shown(s.observed), shown(s.bound)) for s in case.standings if s.warns and s.state == "broken" and not s.monitored),
        monitored=tuple(_monitored(s) for s in case.standings if s.monitored and s.state == "broken"),
        violated=tuple(s.rule.id for s in violated), holds=tuple(s.rule.id for s in held) if verdict is Verdict.HOLD else (),
        if_approved=permitted if verdict is Verdict.HOLD else None, tripped=tuple(trips), obligations=_obligations(plan, trips),
        code=first.code if first else None, outcome=told or labelled or verdict.value, decided_by=first.rule if first else None,
        emitted=_emitted(case), lot=case.grid.lot if isinstance(case.grid.lot, Fraction) else None)


def _held(case: Case) -> list[Standing]:
    """Holds that are wanting at the permitted quantity; an unknown one is wanting."""
    found = []
    for standing in case.standings:
        rule = standing.rule
        if not standing.held or standing.monitored or standing.state in ("waived", "not-applicable", "not-judged") or case.permitted <= standing.start:
            continue
        assert rule.broken is not None
        slots, q = case.bound.slots, case.permitted
        when = rule.when(slots, q) if rule.when else True
        broken = rule.broken(slots, q)
        if when is not False and broken is not False:
            found.append(standing)
    return found


def _monitored(standing: Standing) -> Monitored:
    rule = standing.rule
    effect: Effect = "hold" if rule.effect == "hold" else "reduce" if rule.effect == "reduce" else "deny opening" if rule.opening_only else "deny"
    if rule.kind == "switch":
        effect = "deny opening" if rule.denies == "opening" else "deny all"
    return Monitored(rule.id, effect, shown(standing.observed), shown(standing.bound))


def _label(case: Case) -> str | None:
    for label, when in case.plan.labels:
        if when is None or when(case.bound.slots, case.permitted) is True:
            return label
    return None


def _emitted(case: Case) -> tuple[str, ...]:
    found = []
    for tag, when, parts in case.plan.emits:
        if when is None or when(case.bound.slots, case.permitted) is True:
            found.append(f"[{tag}] {render(parts, case.bound, case.permitted)}")
    return tuple(found)


def render(parts: tuple[Any, ...], bound: Bound, q: Fraction, *, observed: Any = None, allowed: Any = None) -> str:
    """A template, evaluated after the verdict. Never changes it."""
    filled: list[Any] = []
    for part in parts:
        if isinstance(part, str):
            filled.append(part)
        elif isinstance(part[0], str):
            filled.append((observed if part[0] == "observed" else allowed, part[1], part[2]))
        else:
            filled.append((part[0](bound.slots, q), part[1], part[2]))
    return texts.fill(filled, bound.plan.header.currency)


# ── trips that count for the next intent ──────────────────────────────────────────────────────────────


def _later_trips(case: Case, verdict: Verdict, reasons: tuple[Reason, ...], violated: list[Standing]) -> list[Trip]:
    found = []
    for standing in case.standings:
        rule = standing.rule
        if rule.kind != "switch" or standing.state != "kept":
            continue
        for index, trip in enumerate(rule.trips):
            if trip.kind == "rule" and any(s.rule.id in trip.rules for s in violated):
                found.append(Trip(rule.id, case.bound.scope(rule), "rule", index))
                break
            if trip.kind == "count":
                count, amount = _count(case, trip, verdict, reasons, violated), trip.amount(case.bound.slots, case.n)  # type: ignore[misc]
                if isinstance(count, Fraction) and isinstance(amount, Fraction) and count >= amount:
                    found.append(Trip(rule.id, case.bound.scope(rule), "count", index, count, amount))
                    break
    return found


def _severe(severity: str | None, wanted: str | None) -> bool:
    return wanted is None or (severity in SEVERITIES and SEVERITIES.index(severity) >= SEVERITIES.index(wanted))


def _family(rule: str) -> str:
    return rule.rpartition(".")[2].rpartition("-")[0]


def _count(case: Case, trip: Any, verdict: Verdict, reasons: tuple[Reason, ...], violated: list[Standing]) -> Any:
    """Events in the window, this decision's own among them."""
    events = case.bound.window(trip.events, trip.window(case.bound.slots, case.n))
    if isinstance(events, Unknown):
        return events

    def matches(rule: str, severity: str | None) -> bool:
        if trip.rules:
            return rule in trip.rules
        return _family(rule) in trip.families if trip.families else _severe(severity, trip.severity)

    total = sum(matches(str(e.cell("rule")), _text(e.cell("severity"))) for e in events)
    own = 0
    if trip.events == "violations":
        own = sum(matches(s.rule.id, s.rule.severity) for s in violated)
    elif trip.events == "denials" and verdict is Verdict.DENY:
        own = int(any(matches(r.rule, r.severity) for r in reasons if r.kind not in ("system", "switch") and r.effect != "hold"))
    return Fraction(total + own)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _obligations(plan: Plan, trips: list[Trip]) -> tuple[Obligation, ...]:
    duties = {rule.id: rule.duties for rule in plan.rules if rule.kind == "switch"}
    return tuple(Obligation(do, trip.switch, channel) for trip in trips for do, channel in duties[trip.switch])

