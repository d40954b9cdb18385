"""How each rule came to its answer, for explanations: made from a judged case, only when somebody asks."""
from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from caplex.runtime.bind import Bound
from caplex.runtime.judge import Case, Standing
from caplex.runtime.outcome import render, shown
from caplex.runtime.plan import Plan, RulePlan, SizePlan, SlotSpec
from caplex.runtime.ruling import LimitSource, Reason, RuleTrace, Ruling, TraceState
from caplex.runtime.values import UNLIMITED

BOOK_NAMES = {
    "position": "position.quantity", "base": "committed.position.quantity", "value": "market.price", "order_value": "intent price",
    "others_gross": "portfolio.gross of other symbols", "others_net": "portfolio.net of other symbols", "held_gross": "portfolio.gross",
    "held_net": "portfolio.net", "held_count": "portfolio.positions", "committed_count": "committed.portfolio.positions",
    "side": "intent.side", "closing": "closing leg", "day_start": "start of day",
}
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


def traces(ruling: Ruling, case: Case | None, plan: Plan, bound: Bound) -> tuple[RuleTrace, ...]:
    """One trace a rule, in the order of decision."""
    if case is None:
        return tuple(RuleTrace(r.id, r.kind, "not-judged", title=r.title or None, source=r.source) for r in plan.rules)
    reasons = {reason.rule: reason for reason in ruling.reasons}
    return tuple(_trace(standing, reasons.get(standing.rule.id), case, ruling) for standing in case.standings)


def _trace(standing: Standing, reason: Reason | None, case: Case, ruling: Ruling) -> RuleTrace:
    rule, bound = standing.rule, case.bound
    observed, limit = standing.observed, standing.bound
    if reason is not None and reason.at == "x":
        observed, limit = reason.observed, reason.limit
    return RuleTrace(
        rule.id, rule.kind, _state(standing, ruling), title=rule.title or None, observed=shown(observed), comparison=rule.comparison or None,
        limit=shown(limit), unit=rule.unit if rule.comparison else None, cap=standing.cap, source=rule.source,
        reads=tuple(_reads(rule, bound)), limit_source=_limit_source(rule, bound), leaves=tuple(sorted(standing.leaves)), note=_note(standing, case))


def _state(standing: Standing, ruling: Ruling) -> TraceState:
    if standing.state in ("waived", "not-applicable", "not-judged", "kept") and not standing.fails:
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


def _reads(rule: RulePlan, bound: Bound) -> list[tuple[str, Any]]:
    found = []
    for number in rule.reads:
        spec = bound.plan.slots[number]
        if spec.kind == "book" and spec.name in HIDDEN:
            continue
        value = bound.slots[number]
        found.append((name_of(spec), "unlimited" if value is UNLIMITED else shown(value)))
    return found


def _limit_source(rule: RulePlan, bound: Bound) -> LimitSource | None:
    """The setting with overrides that the rule reads, and which one was in force."""
    for number in rule.reads:
        spec = bound.plan.slots[number]
        if spec.kind != "setting":
            continue
        setting = bound.plan.settings[spec.name]
        value, override = bound.setting_in_force(spec.name)
        base = LimitSource(f"{setting.name}, {setting.origin}", setting=setting.name, source=setting.source, value=shown(value),
                           unit=setting.type, origin=setting.origin)
        if override is None:
            return base
        scope = " and ".join(f'{dimension} "{text}"' for dimension, (text, _) in zip(override.ranks, override.scopes, strict=True))
        return replace(base, text=f"{setting.name}, {override.kind} for {scope}", override=override.kind, key=scope, through=override.through,
                       approved_by=override.approved_by, ticket=override.ticket, source=override.source)
    return None


def _note(standing: Standing, case: Case) -> str:
    rule = standing.rule
    if standing.waiver is not None:
        return f"waived by {standing.waiver}"
    if rule.kind == "switch":
        if standing.tripped is not None:
            return f"trips now: {rule.trips[standing.tripped.clause].text}"
        return {"broken": "tripped", "unknown": "cannot be read", "kept": "armed"}.get(standing.state, "")
    if standing.fails:
        return f"broken at {case.x}, the size that the other rules left"
    if case.n <= standing.start and standing.start > 0 and case.bound.broken(rule, case.n, case.c) is not False:
        return "closing orders are left alone"
    return ""


def message(plan: Plan, bound: Bound, reason: Reason, permitted: Fraction) -> str | None:
    """The `because` of the rule behind *reason*, filled in after the verdict; None if it has none."""
    owners: tuple[RulePlan | SizePlan, ...] = (*plan.rules, *plan.sizes)
    for owner in owners:
        if owner.id == reason.rule and owner.because is not None:
            size = permitted if reason.at == "x" else reason_size(reason, permitted, bound)
            return render(owner.because, bound, size, observed=(reason.observed, reason.unit), allowed=(reason.limit, reason.unit))
    return None


def reason_size(reason: Reason, permitted: Fraction, bound: Bound) -> Fraction:
    """The size at which the text of a reason reads `after.` and `intent.quantity`: the whole intent."""
    asked = bound.asked
    return asked if isinstance(asked, Fraction) else permitted
