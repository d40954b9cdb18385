"""Allocations as graphs of their own: what they read is not read for a decision, and they are not judged with rules."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caplex.compiler.graph.ir import RuleGraph
from caplex.compiler.semantics.model import FieldBinding, LetBinding, SettingBinding
from caplex.compiler.semantics.shape import children
from caplex.compiler.semantics.sharing import PER_NAME, section_of
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast
from caplex.runtime.schema import SectionSpec

if TYPE_CHECKING:
    from caplex.compiler.graph.build import Builder
    from caplex.compiler.semantics.model import CheckedModule

_LITERALS = (ast.Number, ast.Percent, ast.BasisPoints, ast.Points, ast.Multiple)


@dataclass(frozen=True, slots=True)
class TermNode:
    """One summand of a score; *weight* is a part of *value* that is told by itself, None where nothing is."""

    text: str
    negative: bool
    weight: int | None
    value: int


@dataclass(frozen=True, slots=True)
class CutNode:
    """``clamp(strategy.winrate_30d, 0..1)``: a bare reading that the policy cuts. *each*: read for each name."""

    section: str
    field: str
    each: bool
    value: int
    low: int
    high: int


@dataclass(slots=True)
class AllocateNode:
    """*graph* holds the nodes; clauses that were left out are None."""

    name: str
    across: str
    section: SectionSpec
    graph: RuleGraph
    score: int | None = None
    terms: tuple[TermNode, ...] = ()
    floor: int | None = None
    ceiling: int | None = None
    scale: int | None = None
    freeze: int | None = None
    freeze_text: str = ""
    threshold: int | None = None
    fixed: tuple[tuple[str, int], ...] = ()
    cuts: tuple[CutNode, ...] = ()
    span: Span | None = field(default=None)


def lay_out(checked: CheckedModule, builder: type[Builder]) -> Iterator[AllocateNode]:
    """Every allocation of *checked*, in the order of the modules; one of a module is ``alias.name``."""
    for alias, module in checked.modules.items():
        for item in module.items:
            if isinstance(item, ast.Allocate):
                yield _allocation(builder(checked), item, f"{alias}.{item.name.text}" if alias else item.name.text)


def _allocation(builder: Builder, item: ast.Allocate, name: str) -> AllocateNode:
    section = section_of(builder.checked.schema.sections, item.across.text)
    assert section is not None
    node = AllocateNode(name, item.across.text, section, builder.graph, span=item.span)
    cuts: list[CutNode] = []
    for clause in item.clauses:
        number = builder.expr(clause.value)
        match clause.kind:
            case "score":
                node.score, node.terms = number, tuple(_terms(builder, clause.value, negative=False))
            case "floor":
                node.floor = number
            case "ceiling":
                node.ceiling = number
            case "scale by":
                node.scale = number
            case "freeze when":
                node.freeze, node.freeze_text = number, " ".join(clause.value.span.text.split())
            case "rebalance when":
                node.threshold = number
            case "fixed":
                node.fixed += ((clause.subject or "", number),)
        cuts += _cuts(builder, clause.value, each=clause.kind in PER_NAME)
    node.cuts = tuple(dict.fromkeys(cuts))
    return node


def _terms(builder: Builder, expr: ast.Expr, *, negative: bool) -> Iterator[TermNode]:
    if isinstance(expr, ast.Arithmetic) and expr.operator in ("+", "-"):
        yield from _terms(builder, expr.left, negative=negative)
        yield from _terms(builder, expr.right, negative=negative is not (expr.operator == "-"))
    elif isinstance(expr, ast.Arithmetic) and expr.operator in ("*", "of") and _is_weight(builder, expr.left):
        yield TermNode(_text(expr.right), negative, builder.expr(expr.left), builder.expr(expr.right))
    elif isinstance(expr, ast.Arithmetic) and expr.operator == "*" and _is_weight(builder, expr.right):
        yield TermNode(_text(expr.left), negative, builder.expr(expr.right), builder.expr(expr.left))
    else:
        yield TermNode(_text(expr), negative, None, builder.expr(expr))


def _is_weight(builder: Builder, expr: ast.Expr) -> bool:
    return isinstance(expr, _LITERALS) or (isinstance(expr, ast.Read) and isinstance(builder.checked.bindings[expr.id], SettingBinding))


def _text(expr: ast.Expr) -> str:
    return " ".join(expr.span.text.split())


def _cuts(builder: Builder, expr: ast.Expr, *, each: bool) -> Iterator[CutNode]:
    """Every clamp of a bare reading below *expr*, through `let` as well."""
    if isinstance(expr, ast.Call) and expr.function.text == "clamp":
        subject, span = expr.arguments
        read = _bare(builder, subject)
        if read is not None and isinstance(span, ast.Interval) and not isinstance(subject, ast.Interval):
            own = each and read.key is None and read.section.shape == "row"
            yield CutNode(read.section.name, read.field.name, own, builder.expr(subject), builder.expr(span.low), builder.expr(span.high))
    binding = builder.checked.bindings.get(expr.id) if isinstance(expr, ast.Read) else None
    if isinstance(binding, LetBinding):
        yield from _cuts(builder, binding.value, each=each)
    elif not isinstance(expr, ast.Aggregate):  # its rows are nobody's own
        for part in children(expr):
            yield from _cuts(builder, part, each=each)


def _bare(builder: Builder, expr: object) -> FieldBinding | None:
    """The field that *expr* reads, if it does nothing else with it: ``x``, ``(x else 0)``, a `let` for one."""
    while isinstance(expr, ast.Else):
        expr = expr.value
    binding = builder.checked.bindings.get(expr.id) if isinstance(expr, ast.Read) else None
    if isinstance(binding, LetBinding):
        return _bare(builder, binding.value)
    return binding if isinstance(binding, FieldBinding) else None
