"""Values of the decision core: exact numbers, absence, and the unknown that remembers why.

Numbers are `Fraction` (money, prices, quantities, ratios, counts; durations and instants in nanoseconds), texts are
`str`, truth is `bool`, sets are `frozenset`. A reading that cannot be used is an `Unknown`; an optional one that is not
there is `ABSENT`. Conditions are strong Kleene: `both`, `either`, `negate` (docs/spec.md, CAP-FACT-5).
"""
from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final


@dataclass(frozen=True, slots=True, order=True)
class Leaf:
    """One reading that made something unknown.

    Attributes:
        sys: The fixed reason id, ``SYS-001`` … ``SYS-014``.
        path: JSON pointer into the facts document as it was given, ``/market/AAPL/price``.
        problem: Kebab-case kind: missing, stale, from-the-future, out-of-range, not-a-decimal, wrong-type, divisor, ….
        observed: What was there, as text; empty if nothing.
        limit: What would have been needed, as text.
    """

    sys: str
    path: str
    problem: str
    observed: str = ""
    limit: str = ""


class Unknown:
    """The value of anything that needed an unusable reading. Arithmetic and comparisons with it are unknown too."""

    __slots__ = ("leaves",)

    def __init__(self, leaves: Iterable[Leaf]) -> None:
        self.leaves: frozenset[Leaf] = frozenset(leaves)

    def __repr__(self) -> str:
        return f"Unknown({sorted(self.leaves)})"

    def __bool__(self) -> bool:
        raise TypeError("an unknown is neither true nor false: compare with `is True`")

    __hash__ = None  # type: ignore[assignment]

    def __neg__(self) -> Unknown:
        return self

    __abs__ = __pos__ = __neg__

    def _join(self, other: Any) -> Unknown:
        return Unknown(self.leaves | other.leaves) if isinstance(other, Unknown) else self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _join
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _join  # type: ignore[assignment]


class _Absent:
    """An optional field that is not there. Only `is known` and `else` may see it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


class _Unlimited:
    """The bound `unlimited`: every measure is within it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "unlimited"


UNLIMITED: Final = _Unlimited()

Truth = bool | Unknown


def unknown(sys: str, path: str, problem: str, observed: str = "", limit: str = "") -> Unknown:
    return Unknown((Leaf(sys, path, problem, observed, limit),))


def merge(*values: Any) -> Unknown | None:
    """The union of the unknowns among *values*, or None if all are known."""
    for value in values:
        if isinstance(value, Unknown):
            return Unknown(frozenset().union(*(each.leaves for each in values if isinstance(each, Unknown))))
    return None


def both(*values: Truth) -> Truth:
    """Kleene `and`: false if any is false, else unknown if any is unknown."""
    for value in values:
        if value is False:
            return False
    lost = merge(*values)
    return True if lost is None else lost


def either(*values: Truth) -> Truth:
    """Kleene `or`: true if any is true, else unknown if any is unknown."""
    if any(value is True for value in values):
        return True
    lost = merge(*values)
    return False if lost is None else lost


def negate(value: Truth) -> Truth:
    return value if isinstance(value, Unknown) else not value


def divide(left: Any, right: Any, path: str = "") -> Any:
    """``left / right``; a divisor that is zero or negative is SYS-006, whatever stands on the left."""
    lost = merge(left, right)
    if not isinstance(right, Unknown) and right <= 0:
        here = Leaf("SYS-006", path, "divisor", str(right), "> 0")
        return Unknown({here} | (lost.leaves if lost is not None else frozenset()))
    return Fraction(left) / right if lost is None else lost


def total(function: Callable[..., Any]) -> Callable[..., Any]:
    """*function*, unknown if any of its arguments is."""

    def lifted(*values: Any) -> Any:
        lost = merge(*values)
        return function(*values) if lost is None else lost

    return lifted


def _compare(operate: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Truth]:
    def compare(left: Any, right: Any) -> Truth:
        lost = merge(left, right)
        if lost is not None:
            return lost
        if left is UNLIMITED or right is UNLIMITED:
            return operate(left is UNLIMITED, right is UNLIMITED)  # above every number
        return operate(left, right)

    return compare


less, at_most, equal = _compare(operator.lt), _compare(operator.le), _compare(operator.eq)
at_least, more, differ = _compare(operator.ge), _compare(operator.gt), _compare(operator.ne)


def floor_to(value: Fraction, lot: Fraction) -> Fraction:
    """The largest multiple of *lot* (> 0) that is not above *value*."""
    return value.numerator * lot.denominator // (value.denominator * lot.numerator) * lot
