"""Rules that another one always forestalls: the same measure with a weaker bound, the same count with a looser rate."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from caplex.compiler.diagnostics import codes_lint as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.context import SWAPPED, Context
from caplex.compiler.semantics.model import RuleInfo
from caplex.compiler.semantics.ranges import Interval, Ranges, exactly
from caplex.compiler.semantics.report import at
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast

MOST_RIVALS = 8
UPPER = {"<", "<="}


@dataclass(frozen=True, slots=True)
class Bound:
    """What a rule allows its measure: values of *factor*, of whatever *group* names; an exclusive bound is tighter."""

    rule: RuleInfo
    group: tuple[object, ...]
    guard: int
    factor: Interval
    exclusive: bool
    breach: str
    place: Span

    def tightness(self) -> tuple[Fraction, bool]:
        return (self.factor.high if self.factor.high is not None else Fraction(10**30), not self.exclusive)


@dataclass(slots=True)
class _Groups:
    members: dict[tuple[object, ...], list[Bound]] = field(default_factory=dict)

    def add(self, bound: Bound) -> None:
        self.members.setdefault(bound.group, []).append(bound)


def shadows(context: Context) -> Iterator[Diagnostic]:
    """One finding per rule, naming the tightest that forestalls it."""
    if any(isinstance(clause, ast.TripOnCount) and clause.events.text == "violations" for _, switch in context.switches() for clause in switch.clauses):
        return  # a weaker rule still counts towards a trip
    groups, tripping = _Groups(), _trip_on(context)
    for rule in context.rules():
        bound = bound_of(context, rule)
        if bound is not None and rule.monitor is None:
            groups.add(bound)
    for members in groups.members.values():
        if len(members) > 1:
            members.sort(key=lambda bound: (bound.tightness(), bound.rule.position))
            yield from _within(context, members, tripping)


def _trip_on(context: Context) -> frozenset[str]:
    return frozenset(
        context.checked.references.get(clause.rule.id, "") for _, switch in context.switches()
        for clause in switch.clauses if isinstance(clause, ast.TripOnRule)
    )


def _within(context: Context, members: list[Bound], tripping: frozenset[str]) -> Iterator[Diagnostic]:
    plain = [bound for bound in members if bound.guard == -1][:MOST_RIVALS]
    guarded: dict[int, list[Bound]] = {}
    for bound in members:
        same = guarded.setdefault(bound.guard, [])
        rival = next((rival for rival in (*plain, *same) if _covers(rival, bound)), None)
        if len(same) < MOST_RIVALS:
            same.append(bound)
        if rival is not None and bound.rule.id not in tripping:
            yield at(codes.SHADOWED, f"`{bound.rule.id}` is forestalled by `{rival.rule.id}`", bound.place, "never decides anything",
                     also=[(rival.place, "is at least as tight")])


def _covers(tight: Bound, loose: Bound) -> bool:
    """Whatever *loose* would stop, *tight* has stopped as far already."""
    a, b = tight.rule, loose.rule
    if a.id == b.id or a.waivers or not b.actions <= a.actions or (a.skipped and not b.skipped) or a.unless_worse != b.unless_worse:
        return False
    if tight.breach != loose.breach and tight.breach != "deny":
        return False
    if tight.factor.high is None or loose.factor.low is None or tight.factor.high > loose.factor.low:
        return False
    same = tight.factor == loose.factor and tight.exclusive == loose.exclusive
    if tight.factor.high == loose.factor.low and loose.exclusive and not tight.exclusive:
        return False
    return not same or tight.breach != loose.breach or a.position < b.position


# ── what a rule allows ────────────────────────────────────────────────────────────────────────────────


def bound_of(context: Context, rule: RuleInfo, *, as_set: bool = False) -> Bound | None:
    """What *rule* allows under any value that its settings may take; *as_set*, under those that they have."""
    ranges = context.ranges if as_set else context.knobs
    match rule.node:
        case ast.Throttle() as node if node.reserve is None and node.counters is None:
            return _rate(context, ranges, rule, node)
        case ast.Cooldown() as node:
            return _pause(context, ranges, rule, node)
        case ast.Limit() | ast.Rule() as node:
            return _compared(context, ranges, rule, node)
        case _:
            return None


def _compared(context: Context, ranges: Ranges, rule: RuleInfo, node: ast.Limit | ast.Rule) -> Bound | None:
    demand = context.demand(node)
    if demand is None or demand.operator in ("==", "!=") or isinstance(demand.right, ast.Unlimited):
        return None
    breach = node.breach if isinstance(node, ast.Limit) else _breach(node.effect)
    measure, operator, bound = demand.left, demand.operator, demand.right
    if _constant(context, measure):
        measure, operator, bound = bound, SWAPPED[operator], measure
    factor, whole = _share(context, ranges, bound)
    if whole is not None and not (ranges.of(whole).non_negative or (ranges.of(measure).non_negative and factor.non_negative)):
        return None
    upper = operator in UPPER
    group = ("compare", context.key(measure), context.key(whole), upper)
    values = factor if upper else -factor
    return Bound(rule, group, context.key(node.when), values, operator in ("<", ">"), breach, demand.left.span.to(demand.right.span)
                 if isinstance(node, ast.Limit) else node.effect.condition.span)


def _breach(effect: ast.Effect) -> str:
    match effect:
        case ast.Deny(opening_only=True):
            return "deny opening"
        case ast.Deny() | ast.Require():
            return "deny"
        case ast.Hold():
            return "hold"
        case ast.Warn():
            return "warn"


def _constant(context: Context, expr: ast.Expr) -> bool:
    return all(path.startswith("setting ") for path in context.reads(expr))


def _share(context: Context, ranges: Ranges, expr: ast.Expr) -> tuple[Interval, ast.Expr | None]:
    """*expr* as constant × whole; the whole is None for a plain constant."""
    expr = context.seen_through(expr)
    if _constant(context, expr):
        return ranges.of(expr), None
    if isinstance(expr, ast.Arithmetic) and expr.operator in ("*", "of"):
        for factor, whole in ((expr.left, expr.right), (expr.right, expr.left)):
            if _constant(context, factor):
                return ranges.of(factor), whole
    return exactly(Fraction(1)), expr


def _rate(context: Context, ranges: Ranges, rule: RuleInfo, node: ast.Throttle) -> Bound | None:
    """Compared by count where windows are the same; a longer window with a smaller count is tighter too, but rare."""
    window = ("day",) if isinstance(node.window, ast.PerDay) else (context.key(node.window),)
    group = ("throttle", node.events.text, tuple(context.key(read) for read in node.each), context.key(node.where), window)
    return Bound(rule, group, context.key(node.when), ranges.of(node.amount), True, "deny", node.amount.span)


def _pause(context: Context, ranges: Ranges, rule: RuleInfo, node: ast.Cooldown) -> Bound | None:
    group = ("cooldown", node.event.text, tuple(context.key(read) for read in node.each), context.key(node.where))
    return Bound(rule, group, context.key(node.when), -ranges.of(node.during), True, "deny", node.during.span)


CHECKS = (shadows,)
