"""How each rule came to its answer, for explanations: made from a judged case, only when somebody asks."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final, NamedTuple

from caplex.runtime.bind import Bound
from caplex.runtime.clock import local_date, parse_instant, short_instant
from caplex.runtime.judge import Case, Standing
from caplex.runtime.layout import EVENT_TYPES
from caplex.runtime.outcome import render, shown
from caplex.runtime.plan import Plan, RulePlan, SizePlan, SlotSpec, TripPlan, WaiverPlan
from caplex.runtime.ruling import LimitSource, Reason, RuleTrace, Ruling, Shown, TraceState, Unit, WaiverTrace
from caplex.runtime.schema import Kind, Type
from caplex.runtime.texts import human, human_pair
from caplex.runtime.values import ABSENT, UNLIMITED, Unknown

BOOK_NAMES = {
    "position": "position.quantity", "base": "committed.position.quantity", "value": "market.price", "order_value": "intent price",
    "others_gross": "portfolio.gross of other symbols", "others_net": "portfolio.net of other symbols", "held_gross": "portfolio.gross",
    "held_net": "portfolio.net", "held_count": "portfolio.positions", "committed_count": "committed.portfolio.positions",
    "side": "intent.side", "closing": "closing leg", "day_start": "start of day",
}
_BOOK_KINDS: Final = {
    "position": Kind.QUANTITY, "base": Kind.QUANTITY, "closing": Kind.QUANTITY, "value": Kind.PRICE, "order_value": Kind.PRICE,
    "others_gross": Kind.MONEY, "others_net": Kind.MONEY, "held_gross": Kind.MONEY, "held_net": Kind.MONEY, "held_count": Kind.COUNT,
    "committed_count": Kind.COUNT, "day_start": Kind.INSTANT,
}
_EVENTS: Final = {section: event.replace("_", " ") for event, section in EVENT_TYPES.items()}
_SHARE: Final = Type(Kind.RATIO, of="")
_LONGEST_MEASURE: Final = 24
HIDDEN = frozenset({"direction"})


def name_of(spec: SlotSpec) -> str:
    """What a reader calls the slot."""
    if spec.kind == "book":
        return BOOK_NAMES.get(spec.name, spec.name)
    if spec.kind in ("setting", "now"):
        return spec.name
    if spec.kind == "fold":
        function, _, section = spec.name.partition(" ")
        return f"{function} of {section}"
    return str(spec)


def unit_of(spec: SlotSpec, plan: Plan) -> Unit:
    """The type of what the slot holds; None where nothing says it."""
    match spec.kind:
        case "field":
            declared = plan.schema.field(spec.section, spec.name)
            return declared.type if declared is not None else None
        case "book":
            kind = _BOOK_KINDS.get(spec.name)
            return Type(kind) if kind is not None else None
        case "setting":
            return plan.settings[spec.name].type
        case "now":
            return Type(Kind.INSTANT)
        case "counter":
            return Type(Kind.COUNT)
        case "fold":
            kind = {"last": Kind.INSTANT, "count": Kind.COUNT}.get(spec.name.partition(" ")[0])
            return Type(kind) if kind is not None else None
    return None


class Spoken(NamedTuple):
    """Of a trace what a reason tells: what the rule read, and where its bound came from."""

    reads: tuple[tuple[str, Shown], ...]
    limit_source: LimitSource | None


def spoken(ruling: Ruling, case: Case | None, plan: Plan, bound: Bound) -> dict[str, Spoken]:
    """By rule, for those that are reasons: a decision document asks for no more of the trace."""
    if case is None:
        return {}
    rules = (plan.rule(reason.rule) for reason in ruling.reasons if reason.kind not in ("system", "size"))
    return {rule.id: Spoken(tuple((name_of(bound.plan.slots[number]), _held(bound.slots[number])) for number in _read(rule, bound)), _limit_source(rule, bound))
            for rule in rules}


_AT_REST = ("waived", "not-applicable", "not-judged", "kept")


def traces(ruling: Ruling, case: Case | None, plan: Plan, bound: Bound) -> tuple[RuleTrace, ...]:
    """One trace a rule, in the order of decision."""
    if case is None:
        return tuple(RuleTrace(rule.id, rule.kind, "not-judged", title=rule.title or None, source=rule.source, stage=rule.stage,
                               severity=rule.severity, code=rule.code) for rule in plan.rules)
    reasons = {reason.rule: reason for reason in ruling.reasons}
    return tuple(_trace(standing, reasons.get(standing.rule.id), case, ruling) for standing in case.standings)


def _trace(standing: Standing, reason: Reason | None, case: Case, ruling: Ruling) -> RuleTrace:
    rule, bound = standing.rule, case.bound
    observed, limit = standing.observed, standing.bound
    if reason is not None and reason.at == "x":
        observed, limit = reason.observed, reason.limit
    unseen = _unseen(rule, bound, limit) or _elsewhere(standing, case) or _let_through(standing, case, ruling)
    if unseen:  # the engine counts as if the wait were over, or the rule speaks of other intents; nobody measured that
        observed = None
    read = _read(rule, bound)
    return RuleTrace(
        rule.id, rule.kind, _state(standing, ruling), title=rule.title or None, observed=shown(observed), comparison=rule.comparison or None,
        limit=shown(limit), unit=rule.unit if rule.comparison else None, cap=standing.cap, source=rule.source,
        reads=tuple((name_of(bound.plan.slots[number]), _held(bound.slots[number])) for number in read),
        limit_source=_limit_source(rule, bound), leaves=tuple(sorted(standing.leaves)), note=_note(standing, case) or unseen,
        stage=rule.stage, severity=rule.severity, code=rule.code, units=tuple(unit_of(bound.plan.slots[number], bound.plan) for number in read),
        waivers=_waivers(standing, case), approval=reason.approval if reason is not None else None)


def _read(rule: RulePlan, bound: Bound) -> list[int]:
    """Numbers of the slots that are shown of a rule."""
    slots = bound.plan.slots
    fixed = [number for number in rule.settings if number not in rule.reads]
    return [number for number in (*rule.reads, *fixed) if not (slots[number].kind == "book" and slots[number].name in HIDDEN)]


def _held(value: Any) -> Any:
    return "unlimited" if value is UNLIMITED else shown(value)


def _unseen(rule: RulePlan, bound: Bound, limit: Any) -> str:
    """A cooldown that has nothing to wait after says so."""
    if rule.kind != "cooldown":
        return ""
    for number in rule.reads:
        spec = bound.plan.slots[number]
        if spec.kind == "fold" and spec.name.startswith("last ") and bound.slots[number] is ABSENT:
            section = spec.name.removeprefix("last ")
            within = f" in the last {human(limit, rule.unit)}" if isinstance(limit, Fraction) else ""
            return f"no {_EVENTS.get(section, section)} seen{within}"
    return ""


def _elsewhere(standing: Standing, case: Case) -> str:
    """A rule whose `when` does not hold is kept whatever it measures."""
    rule = standing.rule
    if standing.state != "kept" or rule.when is None or rule.kind == "switch":
        return ""
    return "its `when` does not hold here" if rule.when(case.bound.slots, case.n) is False else ""


def _let_through(standing: Standing, case: Case, ruling: Ruling) -> str:
    """A rule that would have held the intent, and did not."""
    if not standing.held or standing.rule.id in ruling.holds or (standing.state in _AT_REST and not standing.fails):
        return ""
    return "held, and approved" if standing.rule.id in case.bound.approved else "what goes ahead needs no approval"


def _waivers(standing: Standing, case: Case) -> tuple[WaiverTrace, ...]:
    """As the judge went through them: up to the first that holds."""
    found: list[WaiverTrace] = []
    if standing.state in ("not-applicable", "not-judged"):
        return ()
    for waiver in standing.rule.waivers:
        holds = waiver.id == standing.waiver
        found.append(WaiverTrace(waiver.id, holds, "" if holds else _why_not(waiver, case)))
        if holds:
            break
    return tuple(found)


def _why_not(waiver: WaiverPlan, case: Case) -> str:
    if case.now >= waiver.until_ns:
        return f"expired: it ran through {local_date(waiver.until_ns - 1, case.plan.header.timezone)}"
    holds = waiver.when(case.bound.slots, case.n)
    if isinstance(holds, Unknown):
        return "cannot be read: " + ", ".join(dict.fromkeys(leaf.path or "a divisor" for leaf in sorted(holds.leaves)))
    return "its condition is false"


def _state(standing: Standing, ruling: Ruling) -> TraceState:
    if standing.state in _AT_REST and not standing.fails:
        return standing.state
    if standing.monitored:
        return "monitored"
    if standing.warns:
        return "warned"
    if standing.held:
        return "held" if standing.rule.id in ruling.holds else "kept"
    if standing.state == "unknown":
        return "unknown"
    return "reduced" if standing.rule.effect == "reduce" and standing.cap > 0 else "broken"


def _limit_source(rule: RulePlan, bound: Bound) -> LimitSource | None:
    """The setting that the bound comes from, and which override of it was in force: one that has overrides, before one that has none."""
    for number in (*rule.reads, *(rule.settings if rule.bound is not None else ())):
        spec = bound.plan.slots[number]
        if spec.kind != "setting":
            continue
        setting = bound.plan.settings[spec.name]
        value, override = bound.setting_in_force(spec.name)
        base = LimitSource(f"{setting.name}, {setting.origin}", setting=setting.name, source=setting.source, value=shown(value),
                           unit=setting.type, origin=setting.origin, column=setting.column)
        if override is None:
            return base
        scope = " and ".join(f'{dimension} "{text}"' for dimension, (text, _) in zip(override.ranks, override.scopes, strict=True)) or "all"
        return replace(base, text=f"{setting.name}, {override.kind} for {scope}", override=override.kind, key=scope, through=override.through,
                       approved_by=override.approved_by, ticket=override.ticket, source=override.source, column=override.column)
    return None


def _note(standing: Standing, case: Case) -> str:
    rule = standing.rule
    if standing.waiver is not None:
        return f"waived by {standing.waiver}"
    if rule.kind == "switch":
        return _switch(standing, case)
    if standing.fails:
        return f"broken at {case.x}, the size that the other rules left"
    if case.n <= standing.start and standing.start > 0 and case.bound.broken(rule, case.n, case.c) is not False:
        return "closing orders are left alone"
    return ""


def _switch(standing: Standing, case: Case) -> str:
    rule, bound = standing.rule, case.bound
    if standing.tripped is not None:
        trip = rule.trips[standing.tripped.clause]
        return f"trips now: {_measured(trip, standing.tripped.observed, standing.tripped.limit)}"
    if standing.state == "broken":
        return f"tripped{_since(rule, bound)}"
    return {"unknown": "cannot be read", "kept": f"armed{_distance(rule, case)}"}.get(standing.state, "")


def _measured(trip: TripPlan, observed: Any, limit: Any) -> str:
    """The clause as written, with what it saw: ``drawdown 10.3% >= 10%``."""
    name, sign, rest = trip.text.partition(f" {trip.comparison} ")
    if not trip.comparison or not sign or not isinstance(observed, Fraction):
        return trip.text
    return f"{name} {human_pair(observed, limit, _unit_in(rest))[0]}{sign}{rest}"


def _distance(rule: RulePlan, case: Case) -> str:
    """What the first measured clause of an armed switch sees: ``: drawdown 0.2%, trips at 10%``."""
    words = {">=": "at", "<=": "at", ">": "above", "<": "below"}
    for trip in rule.trips:
        name, sign, rest = trip.text.partition(f" {trip.comparison} ")
        if trip.observed is None or trip.bound is None or not sign or trip.comparison not in words or len(name) > _LONGEST_MEASURE:
            continue
        observed, limit = trip.observed(case.bound.slots, case.n), trip.bound(case.bound.slots, case.n)
        if isinstance(observed, Fraction) and isinstance(limit, Fraction):
            return f": {name} {human_pair(observed, limit, _unit_in(rest))[0]}, trips {words[trip.comparison]} {rest}"
    return ""


def _unit_in(text: str) -> Unit:
    """Of a bound as its author wrote it: a share, or an amount in a currency."""
    if text.endswith("%"):
        return _SHARE
    word = text.rpartition(" ")[2]
    return Type(Kind.MONEY, currency=word) if len(word) == 3 and word.isalpha() and word.isupper() else None


def _since(rule: RulePlan, bound: Bound) -> str:
    """Since when a switch is tripped, and by what, as far as its row says."""
    scope = bound.scope(rule)
    row = bound.world.switch_row(rule.id, scope) if isinstance(scope, tuple) else None
    if row is None:
        return ""
    by = row.get("by")
    try:
        said = f" {short_instant(parse_instant(row['since']))}"
    except (AttributeError, KeyError, TypeError, ValueError):
        said = ""
    return said + (f" by {human(by)}" if isinstance(by, str) else "")


def absent(bound: Bound, required: Callable[[Mapping[str, Any]], Sequence[str]]) -> tuple[str, ...]:
    """Places of facts that the policy reads and that the document does not have, where the document as such is usable."""
    document = bound.facts.document
    if not isinstance(document, Mapping) or any(leaf.problem != "missing" for leaf in bound.document):
        return ()
    claims = document.get("intent")
    pointers = required(claims if isinstance(claims, Mapping) else {})
    return tuple(pointer for pointer in pointers if not _has(document, pointer))


def _has(document: Any, pointer: str) -> bool:
    here = document
    for step in pointer.split("/")[1:]:
        if isinstance(here, list | tuple):
            return True  # rows in a list: which of them is meant is not said here
        if not isinstance(here, Mapping) or here.get(step) is None:
            return False
        here = here[step]
    return True


def message(plan: Plan, bound: Bound, reason: Reason, *, asked: Fraction | None, permitted: Fraction) -> str | None:
    """The `because` of the rule behind *reason*, filled in after the verdict; None if it has none.

    `after.` and `intent.quantity` are read where the rule was broken: at the whole intent, or at the size that the caps had left.
    The `because` of a size is that of its floor, and says nothing of a cut.
    """
    if reason.kind == "size" and reason.effect != "deny":
        return None
    owners: tuple[RulePlan | SizePlan | None, ...] = (plan.find(reason.rule), *(size for size in plan.sizes if size.id == reason.rule))
    for owner in owners:
        if owner is not None and owner.because is not None:
            size = permitted if reason.at == "x" or asked is None else asked
            return render(owner.because, bound, size, observed=(reason.observed, reason.unit, reason.limit),
                          allowed=(reason.limit, reason.unit, reason.observed))
    return None
