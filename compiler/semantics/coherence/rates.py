"""Windows, pauses and reserves that are not what they must be; labels that are never reached."""
from __future__ import annotations

from collections.abc import Iterator

from caplex.compiler.diagnostics import codes_rules as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.context import Context
from caplex.compiler.semantics.ranges import ZERO
from caplex.compiler.semantics.report import at
from caplex.compiler.syntax import ast


def approvals(context: Context) -> Iterator[Diagnostic]:
    for rule in context.rules():
        node = rule.node
        approval = node.approval if isinstance(node, ast.Limit) else None
        if isinstance(node, ast.Rule) and isinstance(node.effect, ast.Hold):
            approval = node.effect.approval
        if approval is not None and approval.within is not None and context.ranges.of(approval.within).at_most(ZERO):
            yield at(codes.NO_TIME, "an approval needs some time", approval.within.span, "no time at all")


def durations(context: Context) -> Iterator[Diagnostic]:
    for rule in context.rules():
        node = rule.node
        match node:
            case ast.Throttle() if not isinstance(node.window, ast.PerDay):
                if context.ranges.of(node.window).at_most(ZERO):
                    yield at(codes.NO_TIME, "no event lies within this window", node.window.span, "lasts no time")
            case ast.Cooldown() if node.when is None or context.ranges.truth(node.when) is not False:  # `when pause > 0s` switches it off
                if context.ranges.of(node.during).at_most(ZERO):
                    yield at(codes.NO_TIME, f"`{rule.id}` never waits", node.during.span, "lasts no time")
            case _:
                pass
        if isinstance(node, ast.Throttle) and node.reserve is not None:
            amount, reserve = context.ranges.of(node.amount), context.ranges.of(node.reserve)
            if amount.at_most(reserve):
                yield at(codes.BAD_RESERVE, "nothing would be left for opening orders", node.reserve.span, "not less than the whole",
                         also=[(node.amount.span, "the whole")])


def overridable(context: Context) -> Iterator[Diagnostic]:
    for _, switch in context.switches():
        if switch.attributes.overridable_by is not None:
            yield at(codes.OVERRIDABLE_SWITCH, "no role overrides a kill switch", switch.attributes.span, "never for kill switches",
                     help="an approval never survives a trip; say who re-arms it: `rearm by 1 of \"…\"`")


def labels(context: Context) -> Iterator[Diagnostic]:
    answer = context.checked.answer
    if answer is None:
        return
    last = next((label for label in answer.labels if label.when is None), None)
    for label in answer.labels:
        if last is not None and label is not last and label.span.start > last.span.start:
            yield at(codes.AFTER_OTHERWISE, f"`{label.label.text}` is never reached", label.label.span, "stands behind `otherwise`",
                     also=[(last.span, "takes everything that is left")])


CHECKS = (approvals, durations, overridable, labels)
