"""Sizes: `start`, then what scales it, then caps; nothing raises it after a cap."""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from caplex.compiler.diagnostics import codes_lint
from caplex.compiler.diagnostics import codes_sizing as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.context import Context, roots
from caplex.compiler.semantics.ranges import Interval, exactly
from caplex.compiler.semantics.report import at
from caplex.compiler.syntax import ast

_ONE = exactly(Fraction(1))


def steps(context: Context) -> Iterator[Diagnostic]:
    for size in context.checked.sizes:
        node = size.node
        starts = [step for step in node.steps if isinstance(step, ast.SizeStart)]
        if not starts:
            yield at(codes.START, f"`{size.id}` does not say what it starts from", node.rule_id.span, "`start` is missing")
        elif node.steps[0] is not starts[0]:
            yield at(codes.START, "a size begins with its `start`", starts[0].span, "not the first step")
        for again in starts[1:]:
            yield at(codes.START, f"`{size.id}` starts twice", again.span, "again", also=[(starts[0].span, "first here")])
        for kind, word in ((ast.SizeAtLeast, "at least"), (ast.SizeInMargin, "in margin by")):
            found = [step for step in node.steps if isinstance(step, kind)]
            for step in found[1:]:
                yield at(codes.STEP_TWICE, f"`{word}` stands twice", step.span, "again", also=[(found[0].span, "first here")])
        yield from _order(context, node)


def _order(context: Context, node: ast.Size) -> Iterator[Diagnostic]:
    cap: ast.SizeAtMost | None = None
    floor: ast.SizeAtLeast | None = None
    for step in node.steps:
        match step:
            case ast.SizeAtMost():
                cap = cap or step
                if floor is not None:
                    yield from _floor(context, floor, step)
            case ast.SizeAtLeast():
                floor = step
                for other in node.steps:
                    if isinstance(other, ast.SizeAtMost) and other.span.start < step.span.start:
                        yield from _floor(context, step, other)
            case ast.SizeTimes() if cap is not None and not context.ranges.of(step.value).at_most(_ONE):
                yield at(codes.RAISED_AFTER_CAP, "this may raise the size above its cap", step.value.span, "may be more than 1",
                         also=[(cap.span, "the cap")], help="put it before `at most`, or hold it down with `clamp(…, 0..1)`")
            case _:
                pass


def _floor(context: Context, floor: ast.SizeAtLeast, cap: ast.SizeAtMost) -> Iterator[Diagnostic]:
    if context.ranges.of(cap.value).below(context.ranges.of(floor.value)):
        yield at(codes.FLOOR_ABOVE_CAP, "no size is as large as this floor and as small as its cap", floor.value.span, "above the cap",
                 also=[(cap.value.span, "the cap")])


def reads(context: Context) -> Iterator[Diagnostic]:
    """A size is worked out before there is a quantity."""
    for size in context.checked.sizes:
        for step in size.node.steps:
            value = step.leverage if isinstance(step, ast.SizeInMargin) else step.value
            if context.shapes.reads_size(value):
                place = next(part for part in context.walk(value, through_lets=False)
                             if isinstance(part, ast.Read) and context.shapes.reads_size(part))
                yield at(codes.SIZE_READS_SIZE, f"`{place.span.text}` needs the size that is being worked out", place.span,
                         "depends on the size", help=_committed(place.span.text))
            if isinstance(step, ast.SizeInMargin) and not context.ranges.of(step.leverage).positive:
                yield at(codes.LEVERAGE, f"`{step.leverage.span.text}` need not be positive", step.leverage.span, "may be 0 or less",
                         help="declare it `above 0`")


def _committed(text: str) -> str | None:
    return f"read `committed.{text.removeprefix('after.')}`: the state without this order" if text.startswith("after.") else None


def floors_after_caps(context: Context) -> Iterator[Diagnostic]:
    """``max(min(x, cap), floor)`` wherever money or quantities are worked out."""
    places: list[ast.Expr] = []
    for size in context.checked.sizes:
        places += [step.leverage if isinstance(step, ast.SizeInMargin) else step.value for step in size.node.steps]
    for rule in context.checked.rules:
        places += roots(rule.node)
    seen: set[int] = set()
    for place in places:
        if ast.Call not in context.kinds(place):
            continue
        for expr in context.walk(place):
            if expr.id in seen or not isinstance(expr, ast.Call) or expr.function.text != "max":
                continue
            seen.add(expr.id)
            yield from _outside(context, expr)


def _outside(context: Context, expr: ast.Call) -> Iterator[Diagnostic]:
    for argument in expr.arguments:
        if isinstance(argument, ast.Interval) or not (isinstance(argument, ast.Call) and argument.function.text == "min"):
            continue
        cap = context.ranges.of(argument)
        others = [other for other in expr.arguments if other is not argument and not isinstance(other, ast.Interval)]
        for floor in others:
            values = context.ranges.of(floor)
            if cap.high is None or values.high is None or values.high > cap.high or _room_below(context, argument, values):
                yield at(codes_lint.FLOOR_AFTER_CAP, "this floor stands outside the cap and may exceed it", floor.span, "may be above the cap",
                         also=[(argument.span, "the cap is in here")], help="take the `min` last: `min(max(…, floor), cap)`")
                return


def _room_below(context: Context, cap: ast.Call, floor: Interval) -> bool:
    """Whether one side of *cap* is what is left of something, and may be less than the floor. A floor of nothing takes nothing."""
    if floor.non_positive:
        return False
    rooms = [context.seen_through(side) for side in cap.arguments if not isinstance(side, ast.Interval)]
    left = [context.ranges.of(room) for room in rooms if isinstance(room, ast.Arithmetic) and room.operator == "-"]
    return any(room.low is None or floor.high is None or room.low < floor.high for room in left)


CHECKS = (steps, reads, floors_after_caps)
