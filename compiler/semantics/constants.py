"""Values of constant expressions, exactly.

Types have been checked before; a value that cannot be computed here is simply not constant. `None` is `unlimited`.
"""
from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from caplex.compiler.semantics.model import Value
from caplex.compiler.syntax import ast

Lookup = Callable[[ast.Read], Value]
MAX_BITS = 4096


class NotConstant(Exception):
    """*node* has no value before facts are known; raised and caught inside `semantics` only."""

    def __init__(self, node: ast.Node, why: str = "") -> None:
        super().__init__(why)
        self.node = node
        self.why = why


def nothing(read: ast.Read) -> Value:
    raise NotConstant(read)


def evaluate(expr: ast.Expr, lookup: Lookup = nothing) -> Value:
    """The value of *expr*; *lookup* gives those of names.

    Raises:
        NotConstant: a part of it depends on facts, or divides by zero.
    """
    match expr:
        case ast.Number(value=value) | ast.Units(value=value) | ast.Multiple(value=value):
            return Fraction(value)
        case ast.Money(amount=amount):
            return Fraction(amount)
        case ast.Percent(value=value) | ast.Points(value=value):
            return Fraction(value) / 100
        case ast.BasisPoints(value=value):
            return Fraction(value) / 10_000
        case ast.Duration(nanoseconds=count) | ast.Instant(nanoseconds=count) | ast.TimeOfDay(nanoseconds=count):
            return Fraction(count)
        case ast.Date(iso=text) | ast.Text(value=text):
            return text
        case ast.Bool(value=truth):
            return truth
        case ast.Unlimited():
            return None
        case ast.ListOf(items=items):
            return _texts(expr, [evaluate(item, lookup) for item in items])
        case ast.Read():
            return lookup(expr)
        case ast.Negate(operand=operand):
            return -_number(operand, lookup)
        case ast.Arithmetic():
            return _arithmetic(expr, lookup)
        case ast.If():
            return evaluate(expr.then if evaluate(expr.condition, lookup) is True else expr.otherwise, lookup)
        case ast.Call():
            return _call(expr, lookup)
        case _:
            raise NotConstant(expr)


def number(value: Decimal | int) -> Fraction:
    return Fraction(value)


def _texts(node: ast.Node, values: list[Value]) -> frozenset[str]:
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) != len(values):
        raise NotConstant(node)
    return frozenset(texts)


def _number(expr: ast.Expr, lookup: Lookup) -> Fraction:
    value = evaluate(expr, lookup)
    if not isinstance(value, Fraction):
        raise NotConstant(expr)
    return value


def _arithmetic(expr: ast.Arithmetic, lookup: Lookup) -> Fraction:
    left, right = _number(expr.left, lookup), _number(expr.right, lookup)
    match expr.operator:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*" | "of":
            result = left * right
        case "/":
            if right <= 0:
                raise NotConstant(expr.right, "it divides by zero" if right == 0 else "it divides by a negative number")
            result = left / right
    if result.numerator.bit_length() + result.denominator.bit_length() > MAX_BITS:
        raise NotConstant(expr, "it is too long a number")
    return result


def _call(expr: ast.Call, lookup: Lookup) -> Fraction:
    plain = [argument for argument in expr.arguments if not isinstance(argument, ast.Interval)]
    values = [_number(argument, lookup) for argument in plain]
    match expr.function.text:
        case "abs" if len(values) == 1:
            return abs(values[0])
        case "min" if values:
            return min(values)
        case "max" if values:
            return max(values)
        case "clamp" if len(values) == 1 and isinstance(expr.arguments[-1], ast.Interval):
            interval = expr.arguments[-1]
            return min(max(values[0], _number(interval.low, lookup)), _number(interval.high, lookup))
        case _:
            raise NotConstant(expr)
