"""Closing orders that a loss, or a burst of orders, can keep from going out."""
from __future__ import annotations

from collections.abc import Iterator

from caplex.compiler.diagnostics import codes_lint as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.builtins import LOSS_READS
from caplex.compiler.semantics.coherence.context import Context, denies, roots
from caplex.compiler.semantics.model import RuleInfo
from caplex.compiler.semantics.report import at
from caplex.compiler.syntax import ast


def trapped(context: Context) -> Iterator[Diagnostic]:
    rules = [rule for rule in context.rules() if _can_trap(context, rule)]
    if not rules:
        return
    faces = next((clause for clause in context.header.clauses if isinstance(clause, ast.ClosingFaces)), None)
    if faces is not None:
        names = ", ".join(f"`{rule.id}`" for rule in rules[:5]) + (", …" if len(rules) > 5 else "")
        yield at(codes.TRAPPED, "closing orders can be trapped", faces.span, f"they face {names}",
                 help=f"write `closing skips {', '.join(dict.fromkeys(rule.stage for rule in rules))}`, so that only what opens is stopped")
        return
    for rule in rules:
        yield at(codes.TRAPPED, f"`{rule.id}` can keep a position from being closed", rule.node.rule_id.span, "closing orders face it",
                 help=f"add `{rule.stage}` to `closing skips`, or {_instead(rule)}")


def _instead(rule: RuleInfo) -> str:
    match rule.node:
        case ast.Throttle():
            return "keep some back: `reserve N for closing`"
        case ast.Rule():
            return "let it `deny opening when …`"
        case _:
            return "let it judge less: `for open`"


def _can_trap(context: Context, rule: RuleInfo) -> bool:
    node = rule.node
    if rule.skipped or rule.monitor is not None or not denies(node) or not {"close", "adjust"} & rule.actions:
        return False
    match node:
        case ast.Throttle():
            return node.reserve is None
        case ast.Cooldown():
            return True
        case ast.Rule(effect=ast.Deny(opening_only=True)):
            return False
        case _:
            return any(_is_loss(context, expr) for expr in roots(node)) and not any(context.shapes.reads_size(expr) for expr in roots(node))


def _is_loss(context: Context, expr: ast.Expr) -> bool:
    reads = context.reads(expr)
    return bool(reads & LOSS_READS) or {"account.peak_equity", "account.equity"} <= reads or {"account.day_start_equity", "account.equity"} <= reads


CHECKS = (trapped,)
