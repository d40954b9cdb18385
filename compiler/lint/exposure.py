"""Risk lints about positions: what a limit measures, and what no limit does."""
from __future__ import annotations

import re
from collections.abc import Iterator

from caplex.compiler.diagnostics import codes_risk as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Edit, Fix
from caplex.compiler.lint.mending import replaced
from caplex.compiler.lint.model import UPPER, Lint, Subject, lint
from caplex.compiler.semantics.coherence.context import Comparison, roots
from caplex.compiler.semantics.model import RuleInfo
from caplex.compiler.semantics.report import at
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast

POSITION = frozenset({"position.notional", "position.quantity"})
SIGNED = POSITION | {f"{state}.{name}" for state in ("after", "committed") for name in POSITION}
BOOK = frozenset({"portfolio.gross", "portfolio.net"})
HELD = POSITION | BOOK | {f"committed.{name}" for name in POSITION | BOOK}
"""Without the order that is judged."""
_BOOK_WORD = re.compile(r"gross|exposure|book|notional|position|margin|leverage")
GROSS = ("portfolio.", "after.portfolio.", "committed.portfolio.", "account.margin", "account.leverage")


@lint(codes.ONE_SIDED, "risk")
def one_sided(subject: Subject) -> Iterator[Diagnostic]:
    """An upper bound on a signed position, where nothing else bounds shorts."""
    found = [(rule, read) for rule, demand in subject.demands() if demand.operator in UPPER and not _one_side(subject, rule)
             and (read := _signed(subject, demand.left)) is not None]
    if not found or any(_bounds_shorts(subject, rule) for rule in subject.all_rules()):
        return
    for rule, read in found:
        text = read.span.text
        yield replaced(
            at(codes.ONE_SIDED, f"`{rule.id}` bounds longs alone", read.span, "below zero for a short",
               help=f"measure `abs({text})`, or bound shorts too: `{text} at least …`"),
            Fix(f"measure abs({text})", False, (Edit(read.span, f"abs({text})"),)) if _inside(read.span, rule) else None)


def _inside(span: Span, rule: RuleInfo) -> bool:
    outer = rule.node.span
    return span.source is outer.source and outer.start <= span.start and span.end <= outer.end


def _one_side(subject: Subject, rule: RuleInfo) -> bool:
    """It asks for the side of the order: then it is one of two."""
    return any("intent.side" in subject.context.reads(root) for root in roots(rule.node))


def _signed(subject: Subject, expr: ast.Expr) -> ast.Read | None:
    """The signed reading that *expr* is, or is a share of."""
    through = subject.context.seen_through(expr)
    if isinstance(through, ast.Read):
        return through if subject.context.reads(through) & SIGNED else None
    if isinstance(through, ast.Arithmetic) and through.operator in ("*", "/", "of"):
        sides = [_signed(subject, side) for side in (through.left, through.right)]
        return next((side for side in sides if side is not None), None)
    return None


def _bounds_shorts(subject: Subject, rule: RuleInfo) -> bool:
    context = subject.context
    demand = context.demand(rule.node)
    for root in roots(rule.node):
        for part in context.walk(root):
            reads = context.reads(part)
            if isinstance(part, ast.Call) and part.function.text == "abs" and reads & SIGNED:
                return True
            negated = part.operand if isinstance(part, ast.Negate) else part.right if isinstance(part, ast.Arithmetic) and part.operator == "-" else None
            if context.reads(negated) & SIGNED:
                return True
    if demand is None:
        return False
    lower = demand.operator in (">", ">=") and _signed(subject, demand.left) is not None
    return lower or (demand.operator in UPPER and "after.portfolio.gross" in context.reads(demand.left))


@lint(codes.ORDER_NOT_COUNTED, "risk")
def order_not_counted(subject: Subject) -> Iterator[Diagnostic]:
    """An upper bound on what is held before the order, where no rule bounds what would be held after it."""
    counted = {path for rule in subject.all_rules() for root in roots(rule.node) for path in subject.context.reads(root)}
    for rule, demand in subject.demands():
        if "open" not in rule.actions or not _upper(subject, demand) or any(subject.context.shapes.reads_size(root) for root in roots(rule.node)):
            continue
        for part in subject.context.walk(demand.left):
            paths = subject.context.reads(part) & HELD if isinstance(part, ast.Read) and part is subject.context.seen_through(part) else frozenset()
            for path in sorted(paths):
                wanted = "after." + path.removeprefix("committed.")
                if wanted in counted or not part.span.text.strip("() ").endswith(path):
                    continue
                yield replaced(
                    at(codes.ORDER_NOT_COUNTED, f"`{rule.id}` does not count the order that it judges", part.span, "as it is before the order",
                       help=f"measure `{wanted}`: it counts the order, and those in flight"),
                    Fix(f"measure {wanted}", False, (Edit(part.span, wanted),)) if _inside(part.span, rule) else None)


def _upper(subject: Subject, demand: Comparison) -> bool:
    """An upper bound that is more than nothing: a book that must be flat is asked for as it is."""
    bound = subject.context.ranges.of(demand.right)
    return demand.operator in UPPER and not isinstance(demand.right, ast.Unlimited) and (bound.high is None or bound.high > 0)


@lint(codes.GROSS_MISSING, "risk")
def gross_missing(subject: Subject) -> Iterator[Diagnostic]:
    """A policy that bounds a position and nothing of the book."""
    if not subject.is_policy or "exposure" in subject.checked.policy.unlimited:
        return
    first: tuple[RuleInfo, Comparison] | None = None
    for rule in subject.all_rules():
        reads = frozenset().union(*(subject.context.reads(root) for root in roots(rule.node)))
        if any(path.startswith(GROSS) or path.partition(".")[0] == "positions" or _own_book(subject, path) for path in reads):
            return
        demand = subject.context.demand(rule.node)
        if first is None and demand is not None and any(path in reads for path in ("after.position.notional", "after.position.quantity")):
            first = (rule, demand)
    if first is not None:
        rule, demand = first
        place = rule.node.rule_id.span if rule.node.span.source is subject.source else subject.context.header.name.span
        yield at(codes.GROSS_MISSING, "positions are limited one by one, the book is not", place, f"`{rule.id}` holds for each symbol alone",
                 help="add one: `limit EXP-090 \"Whole book\" { after.portfolio.gross at most … of account.equity else reduce }`")


def _own_book(subject: Subject, path: str) -> bool:
    """A desk may count its book itself, and supply it."""
    section = subject.checked.schema.sections.get(path.partition(".")[0])
    return section is not None and section.inputs and _BOOK_WORD.search(path) is not None


LINTS: tuple[Lint, ...] = (one_sided, order_not_counted, gross_missing)
