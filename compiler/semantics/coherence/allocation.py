"""Allocations: names and clauses stand once, bounds can be met, and the scale deploys no more than there is."""
from __future__ import annotations

from collections.abc import Iterator

from caplex.compiler.diagnostics import codes_sizing as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.context import Context
from caplex.compiler.semantics.ranges import ZERO
from caplex.compiler.semantics.report import at
from caplex.compiler.syntax import ast


def clauses(context: Context) -> Iterator[Diagnostic]:
    named: dict[str, ast.Allocate] = {}
    for prefix, module in context.modules():
        for item in module.items:
            if isinstance(item, ast.Allocate):
                name = prefix + item.name.text
                first = named.setdefault(name, item)
                if first is not item:
                    yield at(codes.ALLOCATION_TWICE, f"two allocations are named `{name}`", item.name.span, "again",
                             also=[(first.name.span, "first here")])
                yield from _clauses(item)
                yield from _bounds(context, item)
                yield from _scale(context, item)


def _clauses(item: ast.Allocate) -> Iterator[Diagnostic]:
    first: dict[tuple[str, str | None], ast.AllocateClause] = {}
    for clause in item.clauses:
        seen = first.setdefault((clause.kind, clause.subject), clause)
        if seen is not clause:
            yield at(codes.ALLOCATION_CLAUSE, f"`{clause.kind}` stands twice", clause.span, "again", also=[(seen.span, "first here")])
    if not any(clause.kind in ("score", "fixed") for clause in item.clauses):
        yield at(codes.ALLOCATION_CLAUSE, f"`{item.name.text}` does not say how shares are found", item.name.span, "`score` is missing")


def _bounds(context: Context, item: ast.Allocate) -> Iterator[Diagnostic]:
    found = {clause.kind: clause for clause in item.clauses if clause.kind in ("floor", "ceiling")}
    if len(found) == 2 and context.ranges.of(found["ceiling"].value).below(context.ranges.of(found["floor"].value)):
        yield at(codes.ALLOCATION_BOUNDS, "the floor lies above the ceiling", found["floor"].value.span, "no share fits",
                 also=[(found["ceiling"].value.span, "the ceiling")])
    fixed = [clause for clause in item.clauses if clause.kind == "fixed"]
    total = ZERO
    for clause in fixed:
        total += context.ranges.of(clause.value)
    if fixed and total.low is not None and total.low > 1:
        yield at(codes.ALLOCATION_BOUNDS, "the fixed shares are more than the whole", fixed[-1].value.span, "above 100% in all")


def _scale(context: Context, item: ast.Allocate) -> Iterator[Diagnostic]:
    for clause in item.clauses:
        range_ = context.ranges.of(clause.value) if clause.kind == "scale by" else None
        if range_ is not None and not (range_.non_negative and range_.high is not None and range_.high <= 1):
            yield at(codes.ALLOCATION_SCALE, "the scale may lie outside 0 and 1", clause.value.span, "a plan is refused where it does",
                     help="write `clamp(…, 0..1)` to cut it instead")


CHECKS = (clauses,)
