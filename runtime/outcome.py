"""What is asked, and what is told: the two ends of the driver (docs/spec.md, CAP-ASK and CAP-TELL)."""
from __future__ import annotations

from collections.abc import Iterable
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
        caps: Caps that come with the request itself: outside effect (SYS-010), over-close (SYS-012), unreconciled books (SYS-014),
            a journal that cannot be written (SYS-009).
        sizes: Tickets that cap it, with the readings that a ticket could not use.
    """

    n: Any
    c: Fraction
    action: str
    side: str | None
    caps: list[tuple[str, Fraction, frozenset[Leaf]]] = field(default_factory=list)
    sizes: list[tuple[SizePlan, Fraction, frozenset[Leaf]]] = field(default_factory=list)


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
        asked = bound.intent("amount") if asked is None else asked
        found = Request(asked, ZERO, action, side)
        _effective(plan, bound, found)
        return found
    c = bound.closing
    found = Request(asked, ZERO, action, side)
    if action == "close":
        _close(bound, found)
    elif action == "open":
        _size(plan, bound, found, c)
    if not isinstance(found.n, Unknown):
        lost = merge(bound.direction)
        if lost is not None:
            found.n = lost
        else:
            found.c = min(c, found.n)
            _effective(plan, bound, found)
            if not bound.reconciled:
                found.caps.append(("SYS-014", found.c, frozenset()))
            if bound.unwritten:
                found.caps.append(("SYS-009", found.c, frozenset()))
    return found


def _effective(plan: Plan, bound: Bound, found: Request) -> None:
    header, now = plan.header, bound.now
    early = header.effective_from_ns is not None and now < header.effective_from_ns
    late = header.effective_until_ns is not None and now >= header.effective_until_ns
    if (early or late) and not isinstance(found.n, Unknown):
        found.caps.append(("SYS-010", found.c if header.outside == "opening" else ZERO, frozenset()))


def _close(bound: Bound, found: Request) -> None:
    closable = bound.closable
    if not isinstance(closable, Unknown) and closable == 0:
        found.n = _nothing_to_close()
    elif found.n is None:
        found.n = closable
    elif not isinstance(found.n, Unknown) and found.n > bound.closing and bound.intent("reduce_only") is not False:
        found.caps.append(("SYS-012", bound.closing, closable.leaves if isinstance(closable, Unknown) else frozenset()))


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
        found.n = bound.intent("quantity")
        return
    hidden = merge(*lost) if lost else merge(bound.lot)
    found.n = hidden if hidden is not None else floor_to(min(fills), bound.lot)
    if not isinstance(found.n, Unknown) and found.n == 0:
        found.n = unknown("SYS-012", "/intent/quantity", "below-one-lot")
    elif not isinstance(found.n, Unknown):
        found.sizes = [(size, found.n, frozenset()) for size, _, _ in found.sizes]


def _units(bound: Bound, size: SizePlan) -> Any:
    """Units that the ticket buys: ``money / value``, in margin ``money · leverage / value``; never negative."""
    money = size.money(bound.slots, ZERO)
    leverage = size.leverage(bound.slots, ZERO) if size.leverage else Fraction(1)
    floor = size.floor(bound.slots, ZERO) if size.floor else ZERO
    value = bound.book("value")
    lost = merge(money, floor, leverage, value)
    return lost if lost is not None else max(ZERO, money) * leverage / value


# ── telling ───────────────────────────────────────────────────────────────────────────────────────────


def shown(value: Any) -> Shown:
    """A value as a reason shows it."""
    return value if isinstance(value, (Fraction, str, bool)) else None


Place = tuple[int, int]
"""Position among the rules, and rank there."""


@dataclass(slots=True)
class Told:
    """Reasons with their places. Readings that cannot be used become one reason for each SYS id and path.

    *front* is where SYS stands in `stages`; None: a reading is told at the rule that needed it first.
    """

    front: int | None = None
    placed: list[tuple[tuple[int, int, str, str], Reason]] = field(default_factory=list)
    needs: dict[tuple[str, str], list[tuple[Place, Leaf, Fraction, str | None, RulePlan | None]]] = field(default_factory=dict)

    def say(self, place: Place, reason: Reason, sys: str = "") -> None:
        self.placed.append(((*place, sys, ""), reason))

    def need(self, place: Place, leaves: Iterable[Leaf], cap: Fraction, by: str | None = None, rule: RulePlan | None = None) -> None:
        """*by* is who needed them; None is the engine itself."""
        for leaf in leaves:
            self.needs.setdefault((leaf.sys, leaf.path), []).append((place, leaf, cap, by, rule))

    def reasons(self) -> tuple[Reason, ...]:
        told = list(self.placed)
        for (sys, path), unsorted in self.needs.items():
            needs = sorted(unsorted, key=lambda need: need[0])
            place, _, _, by, rule = needs[0]
            if self.front is not None and by is not None:
                place, rule = (self.front, -1), None
            told.append(((*place, sys, path), Reason(
                sys, "system", "SYS", "snap" if sys == "SYS-012" else "deny", code=rule.code if rule else None, outcome=rule.outcome if rule else None, severity="critical",
                permitted=min(cap for _, _, cap, _, _ in needs), leaves=tuple(sorted({leaf for _, leaf, _, _, _ in needs})),
                needed_by=tuple(dict.fromkeys(by for _, _, _, by, _ in needs if by is not None)))))
        return tuple(reason for _, reason in sorted(told, key=lambda pair: pair[0]))


def _snapped(path: str, problem: str, permitted: Fraction) -> Reason:
    return Reason("SYS-012", "system", "SYS", "snap", severity="critical", permitted=permitted, leaves=(Leaf("SYS-012", path, problem),))


def _refused(leaves: Iterable[Leaf]) -> tuple[Reason, ...]:
    told = Told()
    for place, leaf in enumerate(leaves):
        told.need((place, 0), [leaf], ZERO)
    return told.reasons()


def unusable(leaves: tuple[Leaf, ...]) -> Ruling:
    """The document itself cannot be used: nothing is judged."""
    leaves = tuple(dict.fromkeys(leaves))
    reasons = _refused(leaves)
    return Ruling(Verdict.DENY, None, ZERO, ZERO, None, None, reasons, outcome="DENY", decided_by=reasons[0].rule, document=leaves)


def unasked(bound: Bound, found: Request) -> Ruling:
    """The size cannot be known."""
    assert isinstance(found.n, Unknown)
    reasons = _refused(sorted(found.n.leaves))
    action = None if isinstance(bound.action, Unknown) else bound.action
    return Ruling(Verdict.DENY, None, ZERO, ZERO, found.side, action, reasons, outcome="DENY", decided_by=reasons[0].rule)


def _effect(rule: RulePlan) -> Effect:
    if rule.kind == "switch":
        return "deny opening" if rule.denies == "opening" else "deny all"
    if rule.effect in ("reduce", "hold"):
        return rule.effect
    return "deny opening" if rule.opening_only else "deny"


def _rule_reason(case: Case, standing: Standing, *, held: bool) -> Reason:
    """Told at the size where the rule was broken: the whole intent, or the smaller one that the caps had left."""
    rule, n = standing.rule, case.n
    smaller = case.permitted < n if held else standing.cap == n
    observed, bound = standing.observed, standing.bound
    if smaller or rule.kind == "switch":
        observed, bound = case.bound.sides(rule, (case.permitted if held else case.x) if smaller else n)
    approval = None
    if held:
        role, quorum, within = rule.approval or (rule.overridable or "", 1, None)
        window = within(case.bound.slots, n) if within else None
        approval = Approval(role, quorum, int(window) if isinstance(window, Fraction) else None)
    return Reason(
        rule.id, rule.kind, rule.stage, "hold" if held else _effect(rule), title=rule.title or None, code=rule.code, outcome=rule.outcome,
        severity=rule.severity, observed=shown(observed), comparison=rule.comparison or None, limit=shown(bound),
        unit=rule.unit if rule.comparison else None, permitted=n if held else case.permitted if smaller else standing.cap,
        at="x" if smaller else "n", approval=approval)


def _reasons(case: Case, verdict: Verdict, held: list[Standing]) -> tuple[Reason, ...]:
    """In the order of decision: rules by position; unusable readings where SYS stands, or at the rule that needed them."""
    if verdict is Verdict.ALLOW:
        return ()
    header, n, last = case.plan.header, case.n, len(case.standings)
    front = None
    if header.sys_listed:
        front = sum(header.stages.index(rule.stage) < header.stages.index("SYS") for rule in case.plan.rules)
    told = Told(front)
    for place, standing in enumerate(case.standings):
        holds = any(standing is one for one in held)
        if standing.state == "unknown" and standing.cap < n:
            told.need((place, 0), standing.leaves, standing.cap, standing.rule.id, standing.rule)
        elif standing.cap < n or standing.fails or holds:
            told.say((place, 1), _rule_reason(case, standing, held=holds))
    for index, (size, cap, leaves) in enumerate(case.sizes):
        floored = case.floor_broken is size
        if cap < n or floored:
            told.need((-1, 2 * index), leaves, cap, size.id)
            if not leaves:
                told.say((-1, 2 * index + 1), Reason(size.id, "size", "size", "deny" if floored else "reduce", title=size.title or None,
                                                     permitted=case.c if floored else cap))
    for sys, cap, leaves in case.extra_caps:
        if sys in ("SYS-009", "SYS-010", "SYS-014") and cap < n:
            told.say((-2, 0) if front is None else (front, -1), Reason(sys, "system", "SYS", "deny", severity="critical", permitted=cap), sys)
        elif sys == "SYS-012":
            told.say((last, 3), _snapped("/intent/quantity", "over-close", cap), sys)
            told.need((last, 2), leaves, ZERO)
    wanted = min(case.caps())
    snapped = case.grid.snap(wanted)
    if snapped is None or snapped < wanted:
        told.need((last, 2), case.grid.leaves, ZERO)
        if snapped is not None and verdict is not Verdict.HOLD:
            told.say((last, 4), _snapped("", "lot", snapped), "SYS-012")
    return told.reasons()


def tell(case: Case, found: Request) -> Ruling:
    """The ruling on a judged case."""
    plan, n, permitted = case.plan, case.n, case.permitted
    held = _held(case)
    case.bound.settle(ZERO if held else permitted)  # until somebody approves, nothing may go ahead
    verdict = Verdict.DENY if permitted == 0 else Verdict.HOLD if held else Verdict.MODIFY if permitted < n else Verdict.ALLOW
    passes = verdict in (Verdict.ALLOW, Verdict.MODIFY)
    reasons = _reasons(case, verdict, held)
    first = reasons[0] if reasons else None
    violated = [s for s in case.standings if s.state == "broken" and s.rule.kind != "switch" and s.rule.effect not in ("warn", "hold")]
    trips = case.trips + _later_trips(case, verdict, reasons, violated)
    outcome = (_label(case) if passes else None) or (first.outcome if first else None) or verdict.value
    return Ruling(
        verdict, n, permitted if passes else ZERO, case.c, found.side, case.action, reasons,
        warnings=tuple(Warned(s.rule.id, shown(s.observed), shown(s.bound)) for s in case.standings if s.warns and s.state == "broken"),
        monitored=tuple(Monitored(s.rule.id, _effect(s.rule), shown(s.observed), shown(s.bound))
                        for s in case.standings if s.monitored and s.state == "broken"),
        violated=tuple(s.rule.id for s in violated), holds=tuple(s.rule.id for s in held), if_approved=permitted if held else None,
        tripped=tuple(trips), obligations=_obligations(plan, trips), code=first.code if first else None, outcome=outcome,
        decided_by=first.rule if first else None, emitted=_emitted(case), lot=case.grid.lot if isinstance(case.grid.lot, Fraction) else None)


def _held(case: Case) -> list[Standing]:
    """Holds that are wanting at the permitted quantity; an unknown one is wanting."""
    silent = ("waived", "not-applicable", "not-judged")
    return [
        standing for standing in case.standings
        if standing.held and standing.rule.id not in case.bound.approved and not standing.monitored and standing.state not in silent and case.permitted > standing.start
        and case.bound.broken(standing.rule, case.permitted, case.c) is not False]


def _label(case: Case) -> str | None:
    for label, when in case.plan.labels:
        if when is None or when(case.bound.slots, case.n) is True:
            return label
    return None


def _emitted(case: Case) -> tuple[str, ...]:
    found = []
    for tag, when, parts in case.plan.emits:
        if when is None or when(case.bound.slots, case.n) is True:
            found.append(f"[{tag}] {render(parts, case.bound, case.n)}")
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
        if rule.kind != "switch" or standing.state != "kept" or standing.monitored:
            continue
        scope = case.bound.scope(rule)
        assert isinstance(scope, tuple), "a switch that is kept knows whom it concerns"
        for index, trip in enumerate(rule.trips):
            if trip.kind == "rule" and any(s.rule.id in trip.rules for s in violated):
                found.append(Trip(rule.id, scope, "rule", index))
                break
            if trip.kind == "count":
                count, amount = _count(case, trip, verdict, reasons, violated, rule.id, scope), trip.amount(case.bound.slots, case.n)  # type: ignore[misc]
                if isinstance(count, Fraction) and isinstance(amount, Fraction) and count >= amount:
                    found.append(Trip(rule.id, scope, "count", index, count, amount))
                    break
    return found


def _severe(severity: str | None, wanted: str | None) -> bool:
    return wanted is None or (severity in SEVERITIES and SEVERITIES.index(severity) >= SEVERITIES.index(wanted))


def _family(rule: str) -> str:
    return rule.rpartition(".")[2].rpartition("-")[0]


def _count(case: Case, trip: Any, verdict: Verdict, reasons: tuple[Reason, ...], violated: list[Standing], switch: str, scope: Any) -> Any:
    """Events in the window, this decision's own among them; re-arming the *switch* has emptied it."""
    def matches(rule: Any, severity: Any, family: Any) -> bool:
        if trip.rules:
            return rule in trip.rules
        if trip.families:
            return (family if isinstance(family, str) else _family(rule) if isinstance(rule, str) else "") in trip.families
        return _severe(severity, trip.severity)

    world = case.bound.world
    since, before = world.armed_since(switch, scope), world.armed_before(switch, scope, trip.events)
    total = case.bound.tally(trip.events, trip.window(case.bound.slots, case.n), since, before, matches)
    if isinstance(total, Unknown):
        return total
    if trip.events == "violations":
        total += sum(matches(s.rule.id, s.rule.severity, s.rule.stage) for s in violated)
    elif verdict is Verdict.DENY:
        total += any(matches(r.rule, r.severity, None) for r in reasons if r.kind not in ("system", "switch"))
    return Fraction(total)


def _obligations(plan: Plan, trips: list[Trip]) -> tuple[Obligation, ...]:
    if not trips:
        return ()
    duties = {rule.id: rule.duties for rule in plan.rules if rule.kind == "switch"}
    return tuple(Obligation(do, trip.switch, channel) for trip in trips for do, channel in duties[trip.switch])
