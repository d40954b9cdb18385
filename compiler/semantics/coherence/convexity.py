"""Whatever depends on the size must keep its sizes in one piece; guards and waivers may not depend on it at all."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from caplex.compiler.diagnostics import codes_rules as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.context import Context
from caplex.compiler.semantics.coherence.witness import broken_between
from caplex.compiler.semantics.report import at
from caplex.compiler.semantics.shape import MOST_PIECES, NEITHER, Shape
from caplex.compiler.syntax import ast


def measures(context: Context) -> Iterator[Diagnostic]:
    """A measure under an upper bound is convex in the size, under a lower one concave."""
    for rule in context.rules():
        node = rule.node
        if not isinstance(node, ast.Limit):
            continue
        side: Literal["upper", "lower"] = "upper" if node.boundary in ("at most", "below") else "lower"
        shape = context.shapes.difference(node.measure, node.bound, node.measure)
        if shape.fits(side) and shape.pieces <= MOST_PIECES:
            continue
        if shape.pieces > MOST_PIECES:
            shape = Shape(NEITHER, 1, node.measure, "it has too many corners")
        yield _measure(context, node, shape)


def _measure(context: Context, node: ast.Limit, shape: Shape) -> Diagnostic:
    found = broken_between(context, node)
    if shape.witness is not None:
        place, why = shape.witness, shape.why
    else:
        place, why = node.measure, shape.curvature.value
    upper = node.boundary in ("at most", "below")
    return at(
        codes.MEASURE_SHAPE, f"under `{node.boundary}` this measure may keep a size and break a smaller one", place.span, why,
        notes=(found,) if found else (),
        help=f"a measure under `{node.boundary}` is built from sums, {'`abs`, `max`' if upper else '`min`'} and multiples that are not negative",
    )


def conditions(context: Context) -> Iterator[Diagnostic]:
    """A condition that reads the size keeps it in one piece."""
    for rule in context.rules():
        node = rule.node
        if not isinstance(node, ast.Rule):
            continue
        shape = context.shapes.condition(node.effect.condition, wanted=isinstance(node.effect, ast.Require))
        if shape.curvature is not NEITHER or shape.witness is None:
            continue
        found = broken_between(context, node)
        whole = any(isinstance(part, ast.IsMultiple) for part in context.walk(node.effect.condition))
        yield at(
            codes.CONDITION_SHAPE, "this condition may keep a size and break a smaller one", shape.witness.span, shape.why,
            notes=(found,) if found else (),
            help="steps are the lot's: give the instrument a lot, or the header `lot`; sizes are cut down to it" if whole
            else "compare with `<`, `<=`, `>` or `>=`, one bound per rule",
        )


def guards(context: Context) -> Iterator[Diagnostic]:
    """Whether a rule applies, is waived, or counts an event does not depend on the size."""
    for rule in context.rules():
        node = rule.node
        assert not isinstance(node, ast.KillSwitch)
        wheres = [node.where] if isinstance(node, (ast.Throttle, ast.Cooldown)) else []
        for guard in (node.when, *wheres):
            if guard is not None and context.shapes.reads_size(guard):
                yield _guard(context, guard, "a guard cannot depend on the size", rule.id)
    for waiver in context.checked.waivers.values():
        if context.shapes.reads_size(waiver.node.when):
            yield _guard(context, waiver.node.when, "a waiver cannot depend on the size", waiver.of)


def _guard(context: Context, guard: ast.Expr, message: str, rule: str) -> Diagnostic:
    place = next(part for part in context.walk(guard, through_lets=False) if isinstance(part, ast.Read) and context.shapes.reads_size(part))
    return at(
        codes.GUARD_READS_SIZE, message, place.span, "changes while the size is reduced",
        notes=(f"a smaller order could slip past `{rule}`, or fall under it only once it has been reduced",),
        help="move it into the condition, joined by `and`, or into the measure",
    )


def reductions(context: Context) -> Iterator[Diagnostic]:
    """`else reduce` needs a measure that a smaller size can change."""
    for rule in context.rules():
        node = rule.node
        if isinstance(node, ast.Limit) and node.breach == "reduce":
            if not (context.shapes.reads_size(node.measure) or context.shapes.reads_size(node.bound)):
                yield at(codes.REDUCE_WITHOUT_SIZE, "no smaller size would keep this limit", node.measure.span,
                         "the same for every size", help="write `else deny`, or measure `after.` or `intent.`")


CHECKS = (measures, conditions, guards, reductions)
