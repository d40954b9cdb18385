"""Risk lints about slips of the pen after which a rule looks right and guards nothing: 15 for 15%, a blank in a name."""
from __future__ import annotations

import re
from collections.abc import Iterator

from caplex.compiler.diagnostics import codes_risk as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Edit, Fix
from caplex.compiler.lint.mending import replaced
from caplex.compiler.lint.model import Lint, Subject, lint, parts
from caplex.compiler.semantics.report import at
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind

_MULTIPLE = re.compile(r"leverage|multip|factor|times")
"""Fields that are written as multiples of the whole."""


@lint(codes.BARE_SHARE, "risk")
def bare_share(subject: Subject) -> Iterator[Diagnostic]:
    """`account.drawdown at most 15`: a numeral takes the unit of its partner, and 15 is 1500% there."""
    for item in subject.items():
        pairs: list[tuple[ast.Expr, ast.Expr]] = []
        if isinstance(item, ast.Limit):
            pairs.append((item.measure, item.bound))
        for part in parts(subject, item):
            if isinstance(part, ast.Compare):
                pairs += [(part.left, part.right), (part.right, part.left)]
            elif isinstance(part, ast.Within):
                pairs += [(part.value, part.low), (part.value, part.high)]
        for share, numeral in pairs:
            if isinstance(numeral, ast.Number) and numeral.value > 1 and _is_share(subject, share):
                text = numeral.span.text
                yield at(codes.BARE_SHARE, f"{text} is {text} times the whole", numeral.span, "no percent sign",
                         help=f"write `{text}%` if percent is meant, `{text}x` if it is not")


def _is_share(subject: Subject, expr: ast.Expr) -> bool:
    type_ = subject.checked.types.get(expr.id)
    return type_ is not None and type_.kind is Kind.RATIO and not any(_MULTIPLE.search(path) for path in subject.context.reads(expr))


@lint(codes.BLANK_EDGE, "risk")
def blank_edge(subject: Subject) -> Iterator[Diagnostic]:
    """A text that a name is compared with, or that an override is for, with a blank around it."""
    for item in subject.items():
        for part in parts(subject, item):
            if isinstance(part, ast.Text) and part.value != part.value.strip() and part.value.strip():
                bare = part.value.strip()
                fix = Fix(f'write "{bare}"', False, (Edit(part.span, f'"{bare}"'),)) if part.span.text == f'"{part.value}"' else None
                yield replaced(at(codes.BLANK_EDGE, f"`{part.span.text}` is not `\"{bare}\"`", part.span, "a blank at its edge",
                                  help="leave the blank out"), fix)


LINTS: tuple[Lint, ...] = (bare_share, blank_edge)
