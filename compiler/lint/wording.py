"""Reading lints about expressions: each has a fix, and the fixed policy is the same policy."""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from caplex.compiler.diagnostics import codes_reading as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Edit, Fix
from caplex.compiler.lint.mending import replaced
from caplex.compiler.lint.model import Lint, Subject, lint, parts
from caplex.compiler.semantics.coherence.wording import plain
from caplex.compiler.semantics.model import SettingBinding
from caplex.compiler.semantics.report import at
from caplex.compiler.semantics.shape import FLIPPED
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind

ALONE = ast.Read | ast.Call | ast.ListOf | ast.Number | ast.Money | ast.Percent | ast.BasisPoints | ast.Points | ast.Multiple | ast.Units | ast.Duration


@lint(codes.DOUBLE_NEGATION, "reading")
def double_negation(subject: Subject) -> Iterator[Diagnostic]:
    """`deny when not (a comparison)`, and `require not (a comparison)`. Of a name, `not enabled` reads well."""
    for rule in subject.rules():
        effect = rule.node.effect if isinstance(rule.node, ast.Rule) else None
        turned = _turned(effect)
        if effect is None or turned is None:
            continue
        old, new = ("deny when not", "require") if isinstance(effect, ast.Deny) else ("require not", "deny when")
        head = Span(effect.span.source, effect.span.start, turned.span.start)
        told = at(codes.DOUBLE_NEGATION, f"`{rule.id}` is told by what is not", head, f"`{new}` says the same", help=f"write `{new} {_bare(turned)}`")
        clean = "#" not in head.text
        whole = Span(effect.span.source, effect.span.start, turned.span.end)
        yield replaced(told, Fix(f"`{old}` becomes `{new}`", True, (Edit(whole, f"{new} {_bare(turned)}"),)) if clean else None)


def _turned(effect: ast.Effect | None) -> ast.Expr | None:
    """What stands behind the `not` of a condition that begins with it."""
    if not isinstance(effect, ast.Deny | ast.Require) or (isinstance(effect, ast.Deny) and effect.opening_only):
        return None
    condition = effect.condition
    if not isinstance(condition, ast.Not) or not condition.span.text.startswith("not") or not isinstance(condition.operand, ast.Compare | ast.Among | ast.Within):
        return None
    return condition.operand


def _bare(expr: ast.Expr) -> str:
    """The text of *expr* without its own parentheses, where they close nothing else."""
    text = expr.span.text
    return text[1:-1].strip() if _enclosed(text) and "#" not in text else text


@lint(codes.NEGATED_COMPARISON, "reading")
def negated_comparison(subject: Subject) -> Iterator[Diagnostic]:
    """`not (a in b)` inside a condition; what `double_negation` finds is left to it."""
    known = {id(rule.node.effect.condition) for rule in subject.rules() if isinstance(rule.node, ast.Rule) and _turned(rule.node.effect) is not None}
    for item in subject.items():
        for part in parts(subject, item):
            if not isinstance(part, ast.Not) or id(part) in known:
                continue
            text = _other_side(part.operand)
            if text is None:
                continue
            enclosed = _enclosed(part.span.text)
            told = at(codes.NEGATED_COMPARISON, "a comparison that is turned round", part.span, "", help=f"write `{text}`")
            fix = Fix(f"write {text}", True, (Edit(part.span, f"({text})" if enclosed else text),))
            yield replaced(told, None if "#" in part.span.text else fix)


def _other_side(expr: ast.Expr) -> str | None:
    match expr:
        case ast.Compare(operator=operator, left=left, right=right):
            return f"{left.span.text} {FLIPPED[operator]} {right.span.text}"
        case ast.Among(negated=negated, value=value, collection=collection):
            return f"{value.span.text} {'in' if negated else 'not in'} {collection.span.text}"
        case ast.IsKnown(negated=negated, value=value):
            return f"{value.span.text} {'is known' if negated else 'is not known'}"
        case _:
            return None


@lint(codes.COULD_BE_WITHIN, "reading")
def could_be_within(subject: Subject) -> Iterator[Diagnostic]:
    """`x >= a and x <= b`."""
    for item in subject.items():
        for part in parts(subject, item):
            if not isinstance(part, ast.Logic) or part.operator != "and":
                continue
            left, right = part.left, part.right
            if not isinstance(left, ast.Compare) or not isinstance(right, ast.Compare):
                continue
            for value in (left.left, left.right):
                low, high = _ends(subject, left, value), _ends(subject, right, value)
                both = low | high if low.keys() != high.keys() else {}
                if both.keys() != {"low", "high"} or any(isinstance(end, ast.Else) and not _enclosed(end.span.text) for end in both.values()):
                    continue
                text = f"{value.span.text} within {both['low'].span.text}..{both['high'].span.text}"
                place = Span(part.span.source, left.span.start, right.span.end)
                fix = None if "#" in place.text else Fix(f"write {text}", True, (Edit(place, text),))
                yield replaced(at(codes.COULD_BE_WITHIN, f"`{value.span.text}` is held against both ends of one range", place, "", help=f"write `{text}`"), fix)
                break


def _ends(subject: Subject, comparison: ast.Compare, value: ast.Expr) -> dict[str, ast.Expr]:
    """The end of a closed range that *comparison* gives *value*; nothing if it is about another, or about a constant."""
    key = subject.context.key
    if not subject.context.reads(value):
        return {}
    if key(comparison.left) == key(value):
        return {{">=": "low", "<=": "high"}[comparison.operator]: comparison.right} if comparison.operator in (">=", "<=") else {}
    if key(comparison.right) == key(value):
        return {{"<=": "low", ">=": "high"}[comparison.operator]: comparison.left} if comparison.operator in (">=", "<=") else {}
    return {}


@lint(codes.IDLE_PARENTHESES, "reading")
def idle_parentheses(subject: Subject) -> Iterator[Diagnostic]:
    """Parentheses around a reading, a literal, a call; or around parentheses."""
    for item in subject.items():
        for part in parts(subject, item):
            text = part.span.text
            if not _enclosed(text):
                continue
            inner = text[1:-1].strip()
            if isinstance(part, ALONE) or _enclosed(inner):
                start, end, whole = part.span.start, part.span.end, part.span.source.text
                before = " " if start and (whole[start - 1].isalnum() or whole[start - 1] in '_%"') else ""
                after = " " if end < len(whole) and (whole[end].isalnum() or whole[end] == "_") else ""
                fix = Fix("take the parentheses away", True, (Edit(part.span, before + inner + after),))
                yield replaced(at(codes.IDLE_PARENTHESES, "parentheses that hold nothing together", part.span, "", help=f"write `{inner}`"),
                               None if "#" in text else fix)


def _enclosed(text: str) -> bool:
    """*text* stands in one pair of parentheses, from its first to its last character."""
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth, quoted, escaped = 0, False, False
    for place, character in enumerate(text):
        if quoted:
            quoted = character != '"' or escaped
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return place == len(text) - 1
    return False


@lint(codes.MIXED_UNITS, "reading")
def mixed_units(subject: Subject) -> Iterator[Diagnostic]:
    """`0.05` where the file says `5%` elsewhere: a share of something, also through a setting, or one side of a comparison. A factor may be a fraction."""
    percent: ast.Percent | None = None
    bare: list[ast.Number] = []
    shared: set[str] = set()
    for item in subject.items():
        for part in parts(subject, item):
            if isinstance(part, ast.Arithmetic) and part.operator == "of":
                binding = subject.checked.bindings.get(part.left.id)
                shared |= {binding.name} if isinstance(binding, SettingBinding) else set()
            if isinstance(part, ast.Percent) and percent is None:
                percent = part
            bare += _shares(subject, part)
    for name, info in subject.checked.settings.items():
        if info.node.span.source is subject.source and name in shared:
            bare += [value for value in (info.node.value, *(override.node.value for override in info.overrides)) if _is_share(subject, value)]  # type: ignore[misc]
    if percent is None:
        return
    for number in {each.id: each for each in bare}.values():
        text = f"{plain(Fraction(number.value) * 100)}%"
        spot = number.span.text
        fix = Fix(f"write {text}", True, (Edit(number.span, f"({text})" if spot.startswith("(") else text),))
        yield replaced(at(codes.MIXED_UNITS, f"`{spot}` stands beside percentages", number.span, "a fraction",
                          also=[(percent.span, "a percentage")], help=f"write `{text}`"), fix)


def _shares(subject: Subject, part: ast.Expr) -> list[ast.Number]:
    match part:
        case ast.Arithmetic(operator="of", left=left):
            sides: tuple[ast.Expr, ...] = (left,)
        case ast.Compare(left=left, right=right):
            sides = (left, right)
        case _:
            return []
    return [side for side in sides if _is_share(subject, side)]  # type: ignore[misc]


def _is_share(subject: Subject, expr: ast.Expr) -> bool:
    type_ = subject.checked.types.get(expr.id)
    return isinstance(expr, ast.Number) and 0 < expr.value < 1 and type_ is not None and type_.kind is Kind.RATIO


LINTS: tuple[Lint, ...] = (double_negation, negated_comparison, could_be_within, idle_parentheses, mixed_units)
