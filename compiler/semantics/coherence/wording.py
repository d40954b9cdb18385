"""What a reader sees and what the engine reads: titles, percentages above the whole, shares of sums."""
from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from caplex.compiler.diagnostics import codes_lint as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.coherence.context import Context, roots
from caplex.compiler.semantics.model import SettingBinding
from caplex.compiler.semantics.report import at
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind, Type

_FIGURE = re.compile(r"(?<![\w.])(\d[\d_,]*(?:\.\d+)?)\s?(%|bp|x\b|h\b|hours?\b|min(?:utes?)?\b|s\b|seconds?\b|d\b|days?\b|[A-Z]{3}\b)")
_UNITS: dict[str, tuple[str, int]] = {
    "%": ("share", 1), "bp": ("share", 0), "x": ("share", 100), "s": ("time", 10**9), "min": ("time", 60 * 10**9), "h": ("time", 3600 * 10**9),
    "d": ("time", 86_400 * 10**9),
}
_LOWER = re.compile(r"\b(minimum|min|at least|no less than|floor)\b", re.IGNORECASE)
_UPPER = re.compile(r"\b(maximum|max|at most|no more than|cap|ceiling)\b", re.IGNORECASE)
_STRICT = re.compile(r"\b(below|less than|under)\b", re.IGNORECASE)


def titles(context: Context) -> Iterator[Diagnostic]:
    """A title that says one number, or one direction, and a bound that says another."""
    for rule in context.rules():
        node = rule.node
        if node.title is None:
            continue
        place = _title_span(node)
        if isinstance(node, ast.Limit):
            word = _wrong_word(node)
            if word is not None:
                yield at(codes.TITLE_DIFFERS, f"the title of `{rule.id}` says “{word}”, its bound `{node.boundary}`", place, "",
                         also=[(node.measure.span.to(node.bound.span), "the bound")])
                continue
        told_figures = list(_FIGURE.finditer(node.title))
        if len(told_figures) == 1:
            yield from _figure(context, node, told_figures[0], place, rule.id)


def _title_span(node: ast.RuleItem) -> Span:
    """The title as it stands in the text, right behind the id."""
    text, start = node.span.source.text, node.rule_id.span.end
    opening = text.find('"', start, node.span.end)
    closing = text.find('"', opening + 1, node.span.end)
    return Span(node.span.source, opening, closing + 1) if 0 <= opening < closing else node.rule_id.span


def _wrong_word(node: ast.Limit) -> str | None:
    title = node.title or ""
    upper = node.boundary in ("at most", "below")
    lower_word, upper_word = _LOWER.search(title), _UPPER.search(title)
    if lower_word and upper_word:
        return None
    wrong = lower_word if upper else upper_word
    if wrong is None and node.boundary == "at most" and upper_word is None:
        wrong = _STRICT.search(title)
    return wrong.group() if wrong else None


def _figure(context: Context, node: ast.RuleItem, found: re.Match[str], place: Span, rule: str) -> Iterator[Diagnostic]:
    kind, value = _read(found)
    values: set[Fraction] = set()
    first: ast.Expr | None = None
    for root in roots(node):
        for part in context.walk(root):
            written = _value(context, part)
            if written is not None and written[0] == kind:
                values.add(written[1])
                first = first or part
    if values and value not in values and first is not None:
        yield at(codes.TITLE_DIFFERS, f"the title of `{rule}` says {found.group()}, which the rule does not", place, "",
                 also=[(first.span, "says this")])


def _read(found: re.Match[str]) -> tuple[str, Fraction]:
    number, unit = Fraction(found.group(1).replace("_", "").replace(",", "")), found.group(2)
    unit = {"hour": "h", "hours": "h", "minute": "min", "minutes": "min", "second": "s", "seconds": "s", "day": "d", "days": "d"}.get(unit, unit)
    if unit.isupper():
        return unit, number
    kind, scale = _UNITS[unit]
    return kind, number / 100 if unit == "bp" else number * scale


def _value(context: Context, expr: ast.Expr) -> tuple[str, Fraction] | None:
    """A literal, or the default of a setting: shares in percent, times in nanoseconds, money in its currency."""
    type_ = context.checked.types.get(expr.id)
    match expr:
        case ast.Money():
            return expr.currency or context.checked.policy.currency, Fraction(expr.amount)
        case ast.Number() if type_ is not None and type_.kind is Kind.RATIO:
            return "share", Fraction(expr.value) * 100
        case ast.Percent() | ast.Points():
            return "share", Fraction(expr.value)
        case ast.BasisPoints():
            return "share", Fraction(expr.value) / 100
        case ast.Multiple():
            return "share", Fraction(expr.value) * 100
        case ast.Duration():
            return "time", Fraction(expr.nanoseconds)
        case ast.Read():
            binding = context.checked.bindings.get(expr.id)
            info = context.checked.settings[binding.name] if isinstance(binding, SettingBinding) else None
            if info is None or not isinstance(info.value, Fraction):
                return None
            if info.type.kind is Kind.DURATION:
                return "time", info.value
            if info.type.kind is Kind.MONEY:
                return info.type.currency or context.checked.policy.currency, info.value
            return ("share", info.value * 100) if info.type.kind is Kind.RATIO else None
        case _:
            return None


def percentages(context: Context) -> Iterator[Diagnostic]:
    for _, module in context.modules():
        for item in module.items:
            exprs: list[ast.Expr] = []
            if isinstance(item, (ast.Rule, ast.Limit, ast.Throttle, ast.Cooldown, ast.KillSwitch)):
                exprs = list(roots(item))
            elif isinstance(item, (ast.Setting, ast.Let)):
                exprs = [item.value]
                exprs += [override.value for override in item.overrides] if isinstance(item, ast.Setting) else []
            elif isinstance(item, ast.Size):
                exprs = [step.value for step in item.steps if not isinstance(step, ast.SizeInMargin)]
            for expr in exprs:
                if context.kinds(expr).isdisjoint((ast.Percent, ast.Arithmetic)):
                    continue
                for part in context.walk(expr, through_lets=False):
                    yield from _percent(context, part)


def _percent(context: Context, part: ast.Expr) -> Iterator[Diagnostic]:
    if isinstance(part, ast.Percent) and part.value > 100:
        share = Fraction(part.value) / 100
        yield at(codes.ABOVE_WHOLE, "a share above the whole", part.span, "more than 100%", help=f"write `{plain(share)}x` if it is meant")
    if isinstance(part, ast.Arithmetic) and part.operator in ("+", "-"):
        left = part.left
        if isinstance(left, ast.Arithmetic) and left.operator == "of" and not _parenthesised(left, part):
            yield at(codes.SHARE_OF_SUM, "`of` takes only what stands next to it", left.span, "ends here",
                     help=f"write `({left.span.text}) {part.operator} …`, or put the sum in parentheses")


def _parenthesised(inner: ast.Expr, outer: ast.Expr) -> bool:
    text = inner.span.source.text
    if inner.span.text.startswith("("):
        return True
    before = text[outer.span.start - 1 if outer.span.start else 0:inner.span.start].rstrip()
    after = text[inner.span.end:outer.span.end].lstrip()
    return before.endswith("(") and after.startswith(")")


def told(value: Fraction, type_: Type | None, currency: str = "") -> str:
    """A value as people write it."""
    kind = type_.kind if type_ is not None else Kind.UNKNOWN
    if kind is Kind.RATIO:
        return f"{plain(value * 100)}%"
    if kind is Kind.DURATION:
        return f"{plain(value / 10**9)}s"
    if kind in (Kind.MONEY, Kind.PRICE) and type_ is not None:
        return f"{plain(value)} {type_.currency or currency}".rstrip()
    return plain(value)


def plain(value: Fraction) -> str:
    """*value* as a short decimal if it has one, else as a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    for places in range(1, 10):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = f"{abs(scaled.numerator):0{places + 1}d}"
            return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"
    return str(value)


CHECKS = (titles, percentages)
