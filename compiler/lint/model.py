"""What a lint is, and what it is given: one file of a policy, checked."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Literal

from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic
from caplex.compiler.semantics.coherence.context import Comparison, Context, denies
from caplex.compiler.semantics.model import CheckedModule, RuleInfo
from caplex.compiler.semantics.shape import FLIPPED
from caplex.compiler.source import Source
from caplex.compiler.syntax import ast

Group = Literal["risk", "reading", "comments"]
UPPER = ("<", "<=")


@dataclass(frozen=True, slots=True)
class Subject:
    """One file, and the policy that it is part of.

    Attributes:
        context: The whole policy: the file as entry, with what it imports.
        module: The file as it was parsed; without a header if it is a module that others import.
    """

    context: Context
    module: ast.Module

    @property
    def checked(self) -> CheckedModule:
        return self.context.checked

    @property
    def source(self) -> Source:
        return self.module.span.source

    @property
    def is_policy(self) -> bool:
        return self.module.header is not None

    def rules(self) -> Iterator[RuleInfo]:
        """Rules, limits, throttles and cooldowns that stand in this file."""
        return (rule for rule in self.context.rules() if rule.node.span.source is self.source)

    def all_rules(self) -> Iterator[RuleInfo]:
        """Those of imports too, as far as they are in force and take something away."""
        return (rule for rule in self.context.rules() if rule.monitor is None and denies(rule.node))

    def demands(self) -> Iterator[tuple[RuleInfo, Comparison]]:
        """Of this file: rules that take something away, with each comparison that must hold, or be part of what must."""
        for rule in self.rules():
            if rule.monitor is not None or not denies(rule.node):
                continue
            demand = self.context.demand(rule.node)
            if demand is not None:
                yield rule, demand
            elif isinstance(rule.node, ast.Rule):
                wanted = isinstance(rule.node.effect, ast.Require)
                for part in _leaves(self.context.seen_through(rule.node.effect.condition), self.context):
                    yield rule, Comparison(part.left, part.operator if wanted else FLIPPED[part.operator], part.right)

    def items(self) -> Iterator[ast.Item]:
        """What stands in the file, tests left out."""
        return (item for item in self.module.items if not isinstance(item, ast.Test | ast.Property))


def _leaves(expr: ast.Expr, context: Context) -> Iterator[ast.Compare]:
    """The comparisons that `and` and `or` join."""
    if isinstance(expr, ast.Logic):
        yield from _leaves(context.seen_through(expr.left), context)
        yield from _leaves(context.seen_through(expr.right), context)
    elif isinstance(expr, ast.Compare):
        yield expr


Run = Callable[[Subject], Iterable[Diagnostic]]


@dataclass(frozen=True, slots=True)
class Lint:
    """*run* yields findings of *code*. The code's page says why, what to avoid and what to prefer."""

    code: Code
    group: Group
    run: Run


def lint(code: Code, group: Group) -> Callable[[Run], Lint]:
    return lambda run: Lint(code, group, run)


def expressions(node: object) -> Iterator[ast.Expr]:
    """The outermost expressions inside *node*, in the order of its fields; those in texts are left out."""
    if isinstance(node, ast.Expr):
        yield node
    elif isinstance(node, tuple):
        for each in node:
            yield from expressions(each)
    elif isinstance(node, ast.Node) and not isinstance(node, ast.Template) and is_dataclass(node):
        for field in fields(node):
            yield from expressions(getattr(node, field.name))


def parts(subject: Subject, item: ast.Item) -> Iterator[ast.Expr]:
    """Every expression of *item*, inner ones too, as written: lets are not seen through."""
    for root in expressions(item):
        yield from subject.context.walk(root, through_lets=False)
