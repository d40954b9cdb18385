"""The canonical text of expressions: one line, minimal parentheses, exact literals.

What is printed parses to an equal tree; `print_module` in `printer` does the same for whole modules.
"""
from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import assert_never

from caplex.compiler.syntax import ast
from caplex.compiler.syntax.build_expressions import NANOSECONDS


class Level(IntEnum):
    """How tightly a form binds; each is a nonterminal of the grammar."""

    IF = 0
    OR = 1
    AND = 2
    NOT = 3
    COMPARISON = 4
    ELSE = 5
    SUM = 6
    PRODUCT = 7
    FACTOR = 8
    SHARE = 9
    POSTFIX = 10


_ARITHMETIC = {"+": Level.SUM, "-": Level.SUM, "*": Level.PRODUCT, "/": Level.PRODUCT, "of": Level.SHARE}


def show(expr: ast.Expr) -> str:
    """The canonical one-line text of *expr*."""
    return _show(expr)


def show_at(expr: ast.Expr, level: Level) -> str:
    """The text of *expr* where the grammar wants at least *level*: in parentheses if it binds more loosely."""
    text = _show(expr)
    return text if level_of(expr) >= level else f"({text})"


_COMPARISONS = (ast.Compare, ast.Within, ast.Among, ast.IsKnown, ast.IsMultiple, ast.InLast, ast.Today, ast.SwitchIs)
_LEVELS: dict[type, Level] = {
    ast.If: Level.IF, ast.Not: Level.NOT, ast.Else: Level.ELSE, ast.Negate: Level.FACTOR, **dict.fromkeys(_COMPARISONS, Level.COMPARISON),
}


def level_of(expr: ast.Expr) -> Level:
    if isinstance(expr, ast.Arithmetic):
        return _ARITHMETIC[expr.operator]
    if isinstance(expr, ast.Logic):
        return Level.OR if expr.operator == "or" else Level.AND
    return _LEVELS.get(expr.__class__, Level.POSTFIX)


def _show(expr: ast.Expr) -> str:
    if isinstance(expr, _COMPARISONS):
        return _comparison(expr)
    match expr:
        case ast.Read():
            return show_read(expr)
        case ast.ListOf(items=items):
            return "[" + ", ".join(map(_show, items)) + "]"
        case ast.Call(function=function, arguments=arguments):
            return f"{function.text}({', '.join(map(_argument, arguments))})"
        case ast.Aggregate():
            return _aggregate(expr)
        case ast.Negate(operand=operand):
            return "-" + show_at(operand, Level.SHARE)
        case ast.Arithmetic():
            return _arithmetic(expr)
        case ast.Not(operand=operand):
            return "not " + show_at(operand, Level.NOT)
        case ast.Logic(operator=operator, left=left, right=right):
            own = level_of(expr)
            return f"{show_at(left, own)} {operator} {show_at(right, Level(own + 1))}"
        case ast.If(condition=condition, then=then, otherwise=otherwise):
            return f"if {_show(condition)} then {show_at(then, Level.SUM)} else {_show(otherwise)}"
        case ast.Else(value=value, fallback=fallback):
            return f"{show_at(value, Level.POSTFIX)} else {_fallback(fallback)}"
        case _:
            return _literal(expr)


def _comparison(
    expr: ast.Compare | ast.Within | ast.Among | ast.IsKnown | ast.IsMultiple | ast.InLast | ast.Today | ast.SwitchIs,
) -> str:
    match expr:
        case ast.Compare(operator=operator, left=left, right=right):
            return f"{show_at(left, Level.ELSE)} {operator} {show_at(right, Level.ELSE)}"
        case ast.Within(value=value, low=low, high=high):
            return f"{show_at(value, Level.ELSE)} within {show_at(low, Level.SUM)}..{show_at(high, Level.SUM)}"
        case ast.Among(value=value, collection=collection, negated=negated):
            return f"{show_at(value, Level.ELSE)} {'not in' if negated else 'in'} {show_at(collection, Level.SUM)}"
        case ast.IsKnown(value=value, negated=negated):
            return f"{show_at(value, Level.ELSE)} {'is not known' if negated else 'is known'}"
        case ast.IsMultiple(value=value, of=of):
            return f"{show_at(value, Level.ELSE)} is multiple of {show_at(of, Level.SUM)}"
        case ast.InLast(value=value, window=window):
            return f"{show_at(value, Level.ELSE)} in last {show_at(window, Level.SUM)}"
        case ast.Today(value=value):
            return f"{show_at(value, Level.ELSE)} today"
        case ast.SwitchIs(switch=switch, state=state):
            return f"switch {switch.text} {state}"
        case _:
            assert_never(expr)


def _arithmetic(expr: ast.Arithmetic) -> str:
    match expr.operator:
        case "+" | "-":
            left, right = Level.SUM, Level.PRODUCT
        case "*" | "/":
            left, right = Level.PRODUCT, Level.FACTOR
        case "of":  # the only operator that groups to the right
            left, right = Level.POSTFIX, Level.SHARE
    return f"{show_at(expr.left, left)} {expr.operator} {show_at(expr.right, right)}"


def _fallback(expr: ast.Expr) -> str:
    """A substitute is a reading, a negated one, or a reading with a further substitute."""
    if isinstance(expr, ast.Else):
        return _show(expr)
    if isinstance(expr, ast.Negate):
        return "-" + show_at(expr.operand, Level.POSTFIX)
    return show_at(expr, Level.POSTFIX)


def show_read(read: ast.Read) -> str:
    text = read.name
    for step in read.steps:
        text += f".{step.name}" if isinstance(step, ast.FieldStep) else f"[{_show(step.key)}]"
    return text


def _argument(argument: ast.Expr | ast.Interval) -> str:
    if isinstance(argument, ast.Interval):
        return f"{show_at(argument.low, Level.SUM)}..{show_at(argument.high, Level.SUM)}"
    return _show(argument)


def _aggregate(expr: ast.Aggregate) -> str:
    windowed = expr.last is not None or expr.today
    bare = expr.variable is None and not windowed
    source = _show(expr.source) if bare else show_at(expr.source, Level.ELSE if expr.variable is None else Level.POSTFIX)
    if expr.last is not None:
        source += f" in last {show_at(expr.last, Level.SUM)}"
    if expr.today:
        source += " today"
    where = f" where {_show(expr.where)}" if expr.where is not None else ""
    if expr.variable is None or expr.body is None:
        return f"{expr.function.text}({source}{where})"
    return f"{expr.function.text}({_show(expr.body)} for {expr.variable.text} in {source}{where})"


# ── literals ──────────────────────────────────────────────────────────────────────────────────────────


def _literal(expr: ast.Expr) -> str:
    match expr:
        case ast.Number(value=value):
            return number(value)
        case ast.Money(amount=amount, currency=None):
            return f"${number(amount)}"
        case ast.Money(amount=amount, currency=currency):
            return f"{number(amount)} {currency}"
        case ast.Percent(value=value):
            return f"{number(value)}%"
        case ast.BasisPoints(value=value):
            return f"{number(value)}bp"
        case ast.Points(value=value):
            return f"{number(value)}pp"
        case ast.Multiple(value=value):
            return f"{number(value)}x"
        case ast.Units(value=value):
            return f"{number(value)} units"
        case ast.Duration(nanoseconds=nanoseconds):
            return duration(nanoseconds)
        case ast.Instant(nanoseconds=nanoseconds):
            return instant(nanoseconds)
        case ast.TimeOfDay(nanoseconds=nanoseconds):
            return clock(nanoseconds)
        case ast.Date(iso=iso):
            return iso
        case ast.Text(value=value):
            return quoted(value)
        case ast.Bool(value=value):
            return "true" if value else "false"
        case ast.Unlimited():
            return "unlimited"
        case _:
            raise AssertionError(f"no literal: {type(expr).__name__}")


def number(value: Decimal) -> str:
    """``10_000.50``: thousands parted where there are any, digits kept as they are."""
    return f"{value:,f}".replace(",", "_")


def duration(nanoseconds: int) -> str:
    """``1h30min``: largest units first, days at most, since a week hides its days."""
    parts = []
    for unit in ("d", "h", "min", "s", "ms"):
        amount, nanoseconds = divmod(nanoseconds, NANOSECONDS[unit])
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"


def clock(nanoseconds: int) -> str:
    """``09:30``, ``09:30:05``: seconds only where there are any."""
    seconds, fraction = divmod(nanoseconds, NANOSECONDS["s"])
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
    if seconds % 60 or fraction:
        text += f":{seconds % 60:02}"
    return text + ("." + f"{fraction:09}".rstrip("0") if fraction else "")


def instant(nanoseconds: int) -> str:
    """RFC 3339 in UTC, always with seconds."""
    days, rest = divmod(nanoseconds, NANOSECONDS["d"])
    time = clock(rest)
    return f"{date(1970, 1, 1) + timedelta(days=days)}T{time if time.count(':') == 2 else time + ':00'}Z"


_PLAIN_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n"}


def escaped(text: str, *, braces: bool) -> str:
    """*text* as it stands between quotes; *braces* where holes could be read into it."""
    if text.isprintable() and '"' not in text and "\\" not in text and not (braces and ("{" in text or "}" in text)):
        return text
    out = []
    for character in text:
        if character in _PLAIN_ESCAPES:
            out.append(_PLAIN_ESCAPES[character])
        elif braces and character in "{}":
            out.append("\\" + character)
        elif not character.isprintable() and character != "\t":
            out.append(f"\\u{{{ord(character):x}}}")
        else:
            out.append(character)
    return "".join(out)


def quoted(text: str) -> str:
    return f'"{escaped(text, braces=False)}"'


def show_template(template: ast.Template) -> str:
    out = []
    for part in template.parts:
        if isinstance(part, str):
            out.append(escaped(part, braces=True))
        else:
            form = "" if part.format is None else f":{part.format}"
            out.append(f"{{{_show(part.value)}{form}}}")
    return '"' + "".join(out) + '"'
