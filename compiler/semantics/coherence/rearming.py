"""Re-arming: it must not meet the trip again at once, must be possible at all, and should leave a floor."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from caplex.compiler.diagnostics import codes_lint
from caplex.compiler.diagnostics import codes_switches as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.constraints import Case, Term, possible
from caplex.compiler.semantics.coherence.context import Comparison, Context, denies, strictly
from caplex.compiler.semantics.coherence.wording import told
from caplex.compiler.semantics.model import FieldBinding
from caplex.compiler.semantics.ranges import Interval
from caplex.compiler.semantics.report import at
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast

BEHIND = {
    "account.drawdown": frozenset({"account.peak_equity", "account.equity"}),
    "account.day_loss": frozenset({"account.day_start_equity", "account.equity"}),
}
STUCK = "account.peak_equity"
"""Moved by profits only, which nothing can make while nothing may be opened; deposits move it along."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a switch says about itself."""

    switch: ast.KillSwitch
    trips: tuple[ast.TripWhen, ...]
    when: ast.RearmWhen | None
    conditions: tuple[ast.Expr, ...]
    rebased: frozenset[str]


def _plans(context: Context) -> Iterator[Plan]:
    """Switches that can be re-armed."""
    for _, switch in context.switches():
        rearms = [clause for clause in switch.clauses if isinstance(clause, ast.Rearm)]
        if not rearms or any(isinstance(clause, ast.RearmNever) for clause in switch.clauses):
            continue
        whens = [term for rearm in rearms for term in rearm.terms if isinstance(term, ast.RearmWhen)]
        rebased = frozenset(
            binding.field.path
            for clause in switch.clauses if isinstance(clause, ast.OnRearm)
            for action in clause.actions if isinstance(action, ast.Rebase)
            if isinstance(binding := context.checked.bindings.get(action.field.id), FieldBinding)
        )
        trips = tuple(clause for clause in switch.clauses if isinstance(clause, ast.TripWhen))
        yield Plan(switch, trips, whens[0] if whens else None, tuple(when.condition for when in whens), rebased)


def state(context: Context, expr: ast.Expr) -> frozenset[str]:
    """What *expr* reads, with the supplied fields behind computed ones."""
    reads = context.reads(expr)
    return reads.union(*(BEHIND[path] for path in reads & BEHIND.keys()))


def excludes(context: Context) -> Iterator[Diagnostic]:
    """A written condition for re-arming excludes each trip, unless what the trip reads is rebased."""
    for plan in _plans(context):
        if plan.when is None:
            continue  # re-arming without a condition waits for the trips themselves
        for trip in plan.trips:
            case = _meets(context, plan, trip)
            if case is not None:
                found = _witness(context, case)
                yield at(
                    codes.REARM_KEEPS_TRIP, "this can be true while the switch would trip again", plan.when.span, "does not exclude the trip",
                    also=[(trip.condition.span, "trips here")], notes=(found,) if found else (),
                    help="make it stricter than the trip, or rebase what the trip reads: `on rearm rebase …`",
                )
                break


def _meets(context: Context, plan: Plan, trip: ast.TripWhen) -> Case | None:
    """A case in which the written condition and the trip hold together, and no rebase parts them."""
    if plan.when is None or state(context, trip.condition) & plan.rebased:
        return None
    return _together(context, plan, trip)


def _together(context: Context, plan: Plan, trip: ast.TripWhen) -> Case | None:
    terms: list[Term] = [(trip.condition, True), *((condition, True) for condition in plan.conditions)]
    return possible(context, context.ranges, terms)


def _witness(context: Context, case: Case) -> str | None:
    """``both hold at `account.drawdown` = 10%``"""
    shown = []
    for key, expr in case.shown.items():
        value = _inside(case.numbers[key])
        if value is not None:
            shown.append(f"`{expr.span.text}` = {told(value, context.checked.types.get(expr.id), context.checked.policy.currency)}")
    return f"both hold at {' and '.join(shown)}" if shown else None


def _inside(values: Interval) -> Fraction | None:
    """A plain value inside: an end that belongs to it, else the middle."""
    if values.low is not None and not values.low_open:
        return values.low
    if values.high is not None and not values.high_open:
        return values.high
    if values.low is not None and values.high is not None:
        return (values.low + values.high) / 2
    return values.low + 1 if values.low is not None else values.high - 1 if values.high is not None else None


# ── locking ───────────────────────────────────────────────────────────────────────────────────────────


def locks(context: Context) -> Iterator[Diagnostic]:
    """Some operator, time or flat book can make the condition true, and the trip false."""
    for plan in _plans(context):
        if any(_meets(context, plan, trip) is not None for trip in plan.trips):
            continue  # said by `excludes`
        if plan.when is not None and not all(_attainable(context, condition, True) for condition in plan.conditions):
            yield _locking(context, f"`{plan.switch.rule_id.text}` can lock itself for ever", plan.when.span,
                     "need never become true while nothing may be opened", help="add an alternative: `or portfolio.gross == 0 USD`")
            continue
        for trip in plan.trips:
            if STUCK in plan.rebased or _attainable(context, trip.condition, False):
                continue
            yield _locking(context, f"`{plan.switch.rule_id.text}` can lock itself for ever", trip.condition.span,
                     "may hold for ever while nothing may be opened",
                     help="re-arming sets a new base: `on rearm rebase account.peak_equity to account.equity`; or say `rearm never`")
            break


def _locking(context: Context, message: str, place: Span, label: str, *, help: str) -> Diagnostic:
    return strictly(context, at(codes.SELF_LOCKING, message, place, label, help=help))


def _attainable(context: Context, expr: ast.Expr, wanted: bool) -> bool:
    """Whether *expr* may become *wanted* by an operator, by time, or with a flat book."""
    expr = context.seen_through(expr)
    match expr:
        case ast.Not():
            return _attainable(context, expr.operand, not wanted)
        case ast.Logic():
            sides = (_attainable(context, expr.left, wanted), _attainable(context, expr.right, wanted))
            return all(sides) if (expr.operator == "and") is wanted else any(sides)
        case _:
            return STUCK not in state(context, expr)


# ── a floor ───────────────────────────────────────────────────────────────────────────────────────────

FLOORS = frozenset({"account.equity", "account.balance", "account.cash"})
FIXED = FLOORS | {"account.initial_equity"}


def floors(context: Context) -> Iterator[Diagnostic]:
    """Where a base is set anew, something that is never set anew must stop the losses."""
    plans = [plan for plan in _plans(context) if plan.rebased]
    if not plans or _has_floor(context):
        return
    for plan in plans:
        action = next(action for clause in plan.switch.clauses if isinstance(clause, ast.OnRearm)
                      for action in clause.actions if isinstance(action, ast.Rebase))
        yield at(codes_lint.NO_HARD_FLOOR, f"each re-arming of `{plan.switch.rule_id.text}` permits the same loss again", action.span,
                 "no floor stands under it", help="add one: `limit LOSS-090 { account.equity at least … USD else deny }`")


def _has_floor(context: Context) -> bool:
    for rule in context.checked.rules:
        if rule.monitor is not None or not denies(rule.node):
            continue
        if isinstance(rule.node, ast.KillSwitch):
            conditions: list[ast.Expr] = [clause.condition for clause in rule.node.clauses if isinstance(clause, ast.TripWhen)]
            if any(_floor(context, part) for condition in conditions for part in context.walk(condition) if isinstance(part, ast.Compare)):
                return True
        else:
            demand = context.demand(rule.node)
            if demand is not None and _floor(context, demand):
                return True
    return False


def _floor(context: Context, comparison: ast.Compare | Comparison) -> bool:
    """A comparison of equity with what never moves."""
    reads = {path for path in context.reads(comparison.left) | context.reads(comparison.right) if not path.startswith("setting ")}
    return bool(reads & FLOORS) and reads <= FIXED and comparison.operator not in ("==", "!=")


CHECKS = (excludes, locks, floors)
