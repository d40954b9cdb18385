"""What values an expression can take, by interval arithmetic over literals and declared ranges (docs/spec.md, CAP-TYPE-5).

Every interval is a sound enclosure: a value that can be known lies inside. Nothing here is exact about correlated reads:
``a - a`` spans twice the width of ``a``. Divisors are positive, because any other is SYS-006 and has no value.
"""
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from caplex.compiler.semantics.model import (
    CheckedModule,
    DerivedBinding,
    FieldBinding,
    LetBinding,
    RowBinding,
    SettingBinding,
    SettingInfo,
)
from caplex.compiler.source import record
from caplex.compiler.syntax import ast
from caplex.runtime.schema import FieldSpec, Kind


@record
class Interval:
    """Values between *low* and *high*; None is without end; an *open* end is not itself a value."""

    low: Fraction | None = None
    high: Fraction | None = None
    low_open: bool = False
    high_open: bool = False

    @property
    def empty(self) -> bool:
        if self.low is None or self.high is None or (self.low is self.high and not (self.low_open or self.high_open)):
            return False
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    @property
    def positive(self) -> bool:
        return self.low is not None and (self.low.numerator > 0 or (self.low_open and not self.low))

    @property
    def non_negative(self) -> bool:
        return self.low is not None and self.low.numerator >= 0

    @property
    def non_positive(self) -> bool:
        return self.high is not None and self.high.numerator <= 0

    @property
    def only(self) -> Fraction | None:
        """The one value that it holds, if its ends are the same."""
        return self.low if self.low is not None and (self.low is self.high or self.low == self.high) else None

    @property
    def is_zero(self) -> bool:
        return not (self.low is None or self.high is None or self.low or self.high or self.low_open or self.high_open)

    def __neg__(self) -> Interval:
        return Interval(
            None if self.high is None else -self.high, None if self.low is None else -self.low, self.high_open, self.low_open
        )

    def __add__(self, other: Interval) -> Interval:
        low = None if self.low is None or other.low is None else self.low + other.low
        high = None if self.high is None or other.high is None else self.high + other.high
        return Interval(low, high, self.low_open or other.low_open, self.high_open or other.high_open)

    def __sub__(self, other: Interval) -> Interval:
        return self + -other

    def __mul__(self, other: Interval) -> Interval:
        if self.empty or other.empty:
            return NOTHING
        if self.is_zero or other.is_zero:
            return ZERO
        if self.non_negative and other.non_negative:
            return _grow(self, other)
        if self.non_positive:
            return -(-self * other)
        if other.non_positive:
            return -(self * -other)
        if self.non_negative:
            return other * self
        if other.non_negative:  # self crosses zero
            high = None if self.high is None or other.high is None else self.high * other.high
            low = None if self.low is None or other.high is None else self.low * other.high
            return Interval(low, high)
        ends = (self.low, self.high, other.low, other.high)
        if any(end is None for end in ends):
            return EVERYTHING
        products = [a * b for a in (self.low, self.high) for b in (other.low, other.high) if a is not None and b is not None]
        return Interval(min(products), max(products))

    def over(self, divisor: Interval) -> Interval:
        """``self / divisor`` where the divisor is positive, or there is no value."""
        divisor = divisor.meet(POSITIVE)
        if divisor.empty:
            return NOTHING
        high = None if not divisor.low else 1 / divisor.low
        low = Fraction(0) if divisor.high is None else 1 / divisor.high
        return self * Interval(low, high, low == 0 or divisor.high_open, divisor.low_open)

    def meet(self, other: Interval) -> Interval:
        """Values in both."""
        low, low_open = _end(self.low, self.low_open, other.low, other.low_open, 1)
        high, high_open = _end(self.high, self.high_open, other.high, other.high_open, -1)
        return Interval(low, high, low_open, high_open)

    def hull(self, other: Interval) -> Interval:
        """The smallest interval around both."""
        if self.empty or other.empty:
            return other if self.empty else self
        low, low_open = _outer(self.low, self.low_open, other.low, other.low_open, 1)
        high, high_open = _outer(self.high, self.high_open, other.high, other.high_open, -1)
        return Interval(low, high, low_open, high_open)

    def larger(self, other: Interval) -> Interval:
        """``max`` of a value of each."""
        low, low_open = _end(self.low, self.low_open, other.low, other.low_open, 1)
        high, high_open = _outer(self.high, self.high_open, other.high, other.high_open, -1)
        return Interval(low, high, low_open, high_open)

    def smaller(self, other: Interval) -> Interval:
        return -((-self).larger(-other))

    def size(self) -> Interval:
        """``abs`` of a value."""
        if self.non_negative or self.empty:
            return self
        if self.non_positive:
            return -self
        larger = self.larger(-self)
        return Interval(ZERO.low, larger.high, False, larger.high_open)

    def below(self, other: Interval) -> bool:
        """Every value is less than every value of *other*."""
        if self.high is None or other.low is None:
            return False
        return self.high < other.low or (self.high == other.low and (self.high_open or other.low_open))

    def at_most(self, other: Interval) -> bool:
        return self.high is not None and other.low is not None and self.high <= other.low

    def holds(self, operator: str, other: Interval) -> bool | None:
        """Whether ``x operator y`` for all values x, y; None if it depends."""
        if self.empty or other.empty:
            return None
        match operator:
            case "<":
                return True if self.below(other) else False if other.at_most(self) else None
            case "<=":
                return True if self.at_most(other) else False if other.below(self) else None
            case ">" | ">=":
                return other.holds("<" if operator == ">" else "<=", self)
            case "==" | "!=":
                if self.below(other) or other.below(self):
                    return operator == "!="
                if self.low is not None and self.low == self.high == other.low == other.high:
                    return operator == "=="
                return None
        raise AssertionError(operator)


EVERYTHING: Final = Interval()
POSITIVE: Final = Interval(Fraction(0), None, True)
NON_NEGATIVE: Final = Interval(Fraction(0))
NOTHING: Final = Interval(Fraction(1), Fraction(0))
ZERO: Final = Interval(Fraction(0), Fraction(0))


def exactly(value: Fraction) -> Interval:
    return Interval(value, value)


def _end(a: Fraction | None, a_open: bool, b: Fraction | None, b_open: bool, side: int) -> tuple[Fraction | None, bool]:
    """The inner of two ends: the greater of two lower ends (*side* 1), the lesser of two upper ends (*side* −1)."""
    if a is None or b is None:
        return (b, b_open) if a is None else (a, a_open)
    if a is b or a == b:
        return a, a_open or b_open
    return (a, a_open) if (a > b) is (side > 0) else (b, b_open)


def _outer(a: Fraction | None, a_open: bool, b: Fraction | None, b_open: bool, side: int) -> tuple[Fraction | None, bool]:
    if a is None or b is None:
        return None, False
    if a is b or a == b:
        return a, a_open and b_open
    return (b, b_open) if (a > b) is (side > 0) else (a, a_open)


def _grow(left: Interval, right: Interval) -> Interval:
    """The product of two intervals without negative values."""
    assert left.low is not None
    assert right.low is not None
    low = left.low * right.low
    low_open = (left.low_open and (right.low_open or right.low > 0)) or (right.low_open and left.low > 0)
    if left.high == 0 or right.high == 0:
        return ZERO
    high = None if left.high is None or right.high is None else left.high * right.high
    return Interval(low, high, low_open, left.high_open or right.high_open)


# ── of expressions ────────────────────────────────────────────────────────────────────────────────────

_DERIVED: Final[dict[str, Interval]] = {
    "intent.quantity": POSITIVE, "intent.notional": POSITIVE, "intent.opening": NON_NEGATIVE, "intent.closing": NON_NEGATIVE,
    "after.portfolio.gross": NON_NEGATIVE, "committed.portfolio.gross": NON_NEGATIVE, "portfolio.gross": NON_NEGATIVE,
    "portfolio.positions": NON_NEGATIVE, "committed.portfolio.positions": NON_NEGATIVE, "permitted.closing": NON_NEGATIVE,
    "permitted.opening": NON_NEGATIVE, "positions.price": POSITIVE,
}


class Ranges:
    """Intervals of the expressions of one checked module, each worked out once.

    Args:
        knobs: Settings may be anything that their `within` allows, rather than the values that they have: for statements
            about the text that must not change with a setting.
    """

    def __init__(self, checked: CheckedModule, *, knobs: bool = False) -> None:
        self._checked = checked
        self._knobs = knobs
        self._memo: dict[int, Interval] = {}
        self._settings: dict[str, Interval] = {}

    def of(self, expr: ast.Expr) -> Interval:
        found = self._memo.get(expr.id)
        if found is None:
            found = self._memo[expr.id] = self._of(expr)
        return found

    def truth(self, expr: ast.Expr) -> bool | None:
        """Whether a condition is true, or false, wherever it is known; None if it depends on facts."""
        match expr:
            case ast.Bool():
                return expr.value
            case ast.Not():
                inner = self.truth(expr.operand)
                return None if inner is None else not inner
            case ast.Logic():
                sides = (self.truth(expr.left), self.truth(expr.right))
                decisive = expr.operator == "or"
                return decisive if decisive in sides else None if None in sides else not decisive
            case ast.Compare() if self._ordered(expr.left) and self._ordered(expr.right):
                return self.of(expr.left).holds(expr.operator, self.of(expr.right))
            case ast.Within():
                value = self.of(expr.value)
                sides = (value.holds(">=", self.of(expr.low)), value.holds("<=", self.of(expr.high)))
                return False if False in sides else None if None in sides else True
            case ast.Read():
                binding = self._checked.bindings.get(expr.id)
                return self.truth(binding.value) if isinstance(binding, LetBinding) else None
            case _:
                return None

    def _ordered(self, expr: ast.Expr) -> bool:
        type_ = self._checked.types.get(expr.id)
        return isinstance(expr, ast.Unlimited) or (type_ is not None and type_.numeric)

    def _of(self, expr: ast.Expr) -> Interval:
        work = _BY_CLASS.get(expr.__class__)
        return EVERYTHING if work is None else work(self, expr)

    def _arithmetic(self, expr: ast.Arithmetic) -> Interval:
        left, right = self.of(expr.left), self.of(expr.right)
        return (left + right if expr.operator == "+" else left - right if expr.operator == "-"
                else left.over(right) if expr.operator == "/" else left * right)

    def _if(self, expr: ast.If) -> Interval:
        truth = self.truth(expr.condition)
        if truth is not None:
            return self.of(expr.then if truth else expr.otherwise)
        return self.of(expr.then).hull(self.of(expr.otherwise))

    def _call(self, expr: ast.Call) -> Interval:
        values = [self.of(argument) for argument in expr.arguments if not isinstance(argument, ast.Interval)]
        last = expr.arguments[-1] if expr.arguments else None
        match expr.function.text:
            case "abs" if values:
                return values[0].size()
            case "max" | "min" if values:
                result = values[0]
                for value in values[1:]:
                    result = result.larger(value) if expr.function.text == "max" else result.smaller(value)
                return result
            case "clamp" if values and isinstance(last, ast.Interval):
                return values[0].larger(self.of(last.low)).smaller(self.of(last.high))
            case _:
                return EVERYTHING

    def _aggregate(self, expr: ast.Aggregate) -> Interval:
        function, body = expr.function.text, EVERYTHING if expr.body is None else self.of(expr.body)
        if function == "count":
            return NON_NEGATIVE
        if function == "sum":
            zero = Fraction(0)
            return Interval(zero if body.non_negative else None, zero if body.non_positive else None)
        return body if function in ("max", "min") else EVERYTHING

    def _read(self, expr: ast.Read) -> Interval:
        match self._checked.bindings.get(expr.id):
            case LetBinding(value=value):
                return self.of(value)
            case SettingBinding(name=name):
                return self._setting(name)
            case DerivedBinding(name=name):
                return _DERIVED.get(name, EVERYTHING)
            case FieldBinding(field=field):
                if field.path == "intent.quantity":
                    return POSITIVE.meet(declared(field))
                return declared(field)
            case RowBinding(field=field):
                return declared(field).meet(_DERIVED.get(field.path, EVERYTHING))
            case _:
                return EVERYTHING

    def _setting(self, name: str) -> Interval:
        found = self._settings.get(name)
        if found is None:
            info = self._checked.settings[name]
            found = Interval(info.low, info.high) if self._knobs else _around(info)
            self._settings[name] = found
        return found


# By class: a policy of ten thousand rules asks this two hundred thousand times.
_BY_CLASS: Final[dict[type, Callable[[Ranges, Any], Interval]]] = {
    **dict.fromkeys((ast.Number, ast.Units, ast.Multiple), lambda _, expr: exactly(Fraction(expr.value))),
    ast.Money: lambda _, expr: exactly(Fraction(expr.amount)),
    **dict.fromkeys((ast.Percent, ast.Points), lambda _, expr: exactly(Fraction(expr.value) / 100)),
    ast.BasisPoints: lambda _, expr: exactly(Fraction(expr.value) / 10_000),
    **dict.fromkeys((ast.Duration, ast.Instant, ast.TimeOfDay), lambda _, expr: exactly(Fraction(expr.nanoseconds))),
    ast.Read: Ranges._read,
    ast.Negate: lambda ranges, expr: -ranges.of(expr.operand),
    ast.Arithmetic: Ranges._arithmetic,
    ast.Else: lambda ranges, expr: ranges.of(expr.value).hull(ranges.of(expr.fallback)),
    ast.If: Ranges._if,
    ast.Call: Ranges._call,
    ast.Aggregate: Ranges._aggregate,
}


def _around(info: SettingInfo) -> Interval:
    """The interval around the values that a setting has, here and there."""
    values = [info.value, *(override.value for override in info.overrides)]
    numbers = [value for value in values if isinstance(value, Fraction)]
    unlimited = any(value is None for value in values)  # above every number
    if unlimited:
        return Interval(min(numbers, default=Fraction(0)), None)
    return Interval(min(numbers), max(numbers)) if numbers else EVERYTHING


def declared(field: FieldSpec) -> Interval:
    """The range that the schema declares."""
    if field.above is not None:
        return Interval(field.above, field.high, True)
    if field.type.kind is Kind.UNKNOWN:
        return EVERYTHING
    return Interval(field.low, field.high)
