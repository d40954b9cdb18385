"""Fallbacks under which a rule is kept whatever else holds: losing the fact would permit more."""
from __future__ import annotations

from collections.abc import Iterator

from caplex.compiler.diagnostics import codes_lint as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.constraints import possible
from caplex.compiler.semantics.coherence.context import Context, denies, roots
from caplex.compiler.semantics.coherence.dead import broken
from caplex.compiler.semantics.model import LetBinding
from caplex.compiler.semantics.ranges import Interval, Ranges
from caplex.compiler.semantics.report import at
from caplex.compiler.syntax import ast


class _Fallen(Ranges):
    """As if every optional reading were absent."""

    def _of(self, expr: ast.Expr) -> Interval:
        return self.of(expr.fallback) if isinstance(expr, ast.Else) else super()._of(expr)

    def truth(self, expr: ast.Expr) -> bool | None:
        match expr:
            case ast.Else():
                return self.truth(expr.fallback)
            case ast.IsKnown():
                return expr.negated if _optional(self._checked.bindings.get(expr.value.id)) else None
            case _:
                return super().truth(expr)


def _optional(binding: object) -> bool:
    return not isinstance(binding, LetBinding)


def permissive(context: Context) -> Iterator[Diagnostic]:
    fallen = _Fallen(context.checked)
    for rule in context.rules():
        node = rule.node
        if not isinstance(node, (ast.Rule, ast.Limit)) or not denies(node):
            continue
        if not any(ast.Else in context.kinds(root) for root in roots(node)):
            continue
        parts = [part for root in roots(node) for part in context.walk(root)]
        fallback = next(part for part in parts if isinstance(part, ast.Else))
        if any(isinstance(part, ast.IsKnown) for part in parts):
            continue
        terms = broken(node)
        if possible(context, fallen, terms) is None and possible(context, context.ranges, terms) is not None:
            yield at(codes.PERMISSIVE_ELSE, f"where `{fallback.value.span.text}` is absent, `{rule.id}` is always kept", fallback.fallback.span,
                     "lets everything through", help="fall back to a value that breaks the rule, or deny when it `is not known`")


CHECKS = (permissive,)
