"""Rules that are never broken, or always, by what is declared about the facts that they read."""
from __future__ import annotations

from collections.abc import Iterator

from caplex.compiler.diagnostics import codes_lint as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.constraints import Term, possible
from caplex.compiler.semantics.coherence.context import OF_BOUNDARY, Comparison, Context, denies
from caplex.compiler.semantics.model import RuleInfo
from caplex.compiler.semantics.ranges import ZERO
from caplex.compiler.semantics.report import at
from caplex.compiler.semantics.shape import FLIPPED
from caplex.compiler.syntax import ast


def dead(context: Context) -> Iterator[Diagnostic]:
    for rule in context.rules():
        node = rule.node
        assert not isinstance(node, ast.KillSwitch)
        if isinstance(node, (ast.Throttle, ast.Cooldown)):
            if node.when is not None and possible(context, context.knobs, [(node.when, True)]) is None:
                yield at(codes.NEVER_FIRES, f"`{rule.id}` can never fire", node.when.span, "is never true")
            elif node.when is None and isinstance(node, ast.Throttle) and rule.monitor is None and context.knobs.of(node.amount).at_most(ZERO):
                yield at(codes.ALWAYS_FIRES, f"`{rule.id}` is broken by every intent", node.amount.span, "no count is below none",
                         help="to permit none, write `rule … { deny when true }`")
            continue
        place = node.measure.span.to(node.bound.span) if isinstance(node, ast.Limit) else node.effect.condition.span
        if isinstance(node, ast.Limit) and isinstance(node.bound, ast.Unlimited):
            continue
        if possible(context, context.knobs, broken(node)) is None:
            if node.when is not None and possible(context, context.knobs, [(node.when, True)]) is None:
                place = node.when.span
                yield at(codes.NEVER_FIRES, f"`{rule.id}` can never fire", place, "is never true")
            elif not _checks_data(context, rule):
                yield at(codes.NEVER_FIRES, f"`{rule.id}` can never fire", place, "is always kept", help="by the ranges declared for what it reads")
        elif _always(context, node) and rule.monitor is None:
            yield at(codes.ALWAYS_FIRES, f"`{rule.id}` is broken by every intent", place, "is never kept",
                     help="by the ranges declared for what it reads")


def trips(context: Context) -> Iterator[Diagnostic]:
    for rule, switch in context.switches():
        for clause in switch.clauses:
            if isinstance(clause, ast.TripWhen) and possible(context, context.knobs, [(clause.condition, True)]) is None:
                yield at(codes.NEVER_FIRES, f"`{rule.id}` can never trip by this", clause.condition.span, "is never true")
            for term in clause.terms if isinstance(clause, ast.Rearm) else ():
                if isinstance(term, ast.RearmWhen) and possible(context, context.knobs, [(term.condition, True)]) is None:
                    yield at(codes.NEVER_FIRES, f"`{rule.id}` can never be armed again by this", term.condition.span, "is never true",
                             help="where that is meant, write `rearm never`")


def broken(node: ast.Rule | ast.Limit) -> list[Term]:
    """What holds when *node* applies and is broken."""
    guard: list[Term] = [(node.when, True)] if node.when is not None else []
    if isinstance(node, ast.Limit):
        return [*guard, Comparison(node.measure, FLIPPED[OF_BOUNDARY[node.boundary]], node.bound)]
    return [*guard, (node.effect.condition, not isinstance(node.effect, ast.Require))]


def _checks_data(context: Context, rule: RuleInfo) -> bool:
    """``require market.price > 0`` in front of a bar, or with a code of its own: it is there for the reading, which denies."""
    phases, node = context.checked.policy.phases, rule.node
    ends = rule.phase < len(phases) - 1 and phases[rule.phase][-1:] == (rule.stage,)
    return (ends or node.attributes.code is not None) and isinstance(node, ast.Rule) and isinstance(node.effect, ast.Require) and _reads(
        node.effect.condition)


def _reads(condition: ast.Expr) -> bool:
    match condition:
        case ast.Logic(operator="and", left=left, right=right):
            return _reads(left) and _reads(right)
        case ast.Compare(left=left, right=right):
            return isinstance(left, ast.Read) is not isinstance(right, ast.Read)
        case _:
            return False


def _always(context: Context, node: ast.Rule | ast.Limit) -> bool:
    if node.when is not None or not denies(node):
        return False
    if isinstance(node, ast.Limit):
        return context.knobs.of(node.measure).holds(OF_BOUNDARY[node.boundary], context.knobs.of(node.bound)) is False
    if isinstance(node.effect.condition, ast.Bool) or (isinstance(node.effect, ast.Deny) and node.effect.opening_only):
        return False  # said in so many words
    return possible(context, context.knobs, [(node.effect.condition, isinstance(node.effect, ast.Require))]) is None


CHECKS = (dead, trips)
