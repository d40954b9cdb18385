"""Columns of exact numbers: int64 over a power of ten, or Python integers where all rows agree; never a float.

Every operation knows how large its operands can be. Where a result might not fit into 64 bits, the rows that would not are
marked: they are decided one by one, over integers without end. Truth is as in `runtime.values`: strong Kleene, unusable
rows being the unknown ones.
"""
from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

MOST = 2**63 - 1
Array = Any
"""An array of int64 or bool, or one Python `int` or `bool` for all rows."""


class NotInColumns(Exception):
    """This frame, or this policy, is decided row by row; the message is a clause that says why."""


@dataclass(slots=True)
class Vec:
    """Numbers ``v / 10**scale`` (over *den*, which is positive), or truth.

    Attributes:
        most: No absolute value is larger; of *v*, not of what it stands for.
        bad: Rows that must go the long way; their values mean nothing.
        absent: Rows that have no value.
    """

    v: Array
    most: int = 1
    scale: int = 0
    den: Vec | None = None
    bad: Array = None
    absent: Array = None


def any_of(*marks: Array) -> Array:
    """Rows that carry any of *marks*; None is none."""
    found = None
    for mark in marks:
        if mark is not None and mark is not False:
            found = mark if found is None else found | mark
    return found


def literal(value: Fraction) -> Vec:
    """One number for all rows, on the coarsest scale that holds it."""
    scale = places(value.denominator)
    if scale is None:
        return Vec(value.numerator, abs(value.numerator), 0, Vec(value.denominator, value.denominator))
    number = int(value * 10**scale)
    return Vec(number, abs(number), scale)


def places(denominator: int) -> int | None:
    """Decimal places of a fraction in lowest terms with this denominator; None if they do not end."""
    twos = fives = 0
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    return max(twos, fives) if denominator == 1 else None


# ── arithmetic ────────────────────────────────────────────────────────────────────────────────────────


def _times(a: Array, a_most: int, b: Array, b_most: int) -> tuple[Array, int, Array]:
    """Product, its bound, and the rows where it would not fit."""
    if a_most * b_most <= MOST or (isinstance(a, int) and isinstance(b, int)):
        return a * b, a_most * b_most, None
    a_most, b_most = _seen(a, a_most), _seen(b, b_most)
    if a_most * b_most <= MOST:
        return a * b, a_most * b_most, None
    if isinstance(a, int) or isinstance(b, int):
        one, rows = (a, b) if isinstance(a, int) else (b, a)
        bad = np.abs(rows) > MOST // max(abs(one), 1)
        one = one if abs(one) <= MOST else 0
        return np.where(bad, 0, rows) * one, MOST, bad
    bad = np.abs(a) > MOST // np.maximum(np.abs(b), 1)
    return np.where(bad, 0, a) * b, MOST, bad


def _plus(a: Array, a_most: int, b: Array, b_most: int, *, minus: bool = False) -> tuple[Array, int, Array]:
    bad = None
    if a_most + b_most > MOST:
        a_most, b_most = _seen(a, a_most), _seen(b, b_most)
    if a_most + b_most > MOST and not (isinstance(a, int) and isinstance(b, int)):
        half = MOST // 2
        marks = _beyond(a, half), _beyond(b, half)
        if True in [mark for mark in marks if isinstance(mark, bool)]:
            return 0, 0, True
        bad = any_of(*marks)
        a, b = (np.where(bad, 0, part) if not isinstance(part, int) else part for part in (a, b))
        a_most, b_most = min(a_most, half), min(b_most, half)
    return (a - b if minus else a + b), a_most + b_most, bad


def _beyond(a: Array, most: int) -> Array:
    return (True if abs(a) > most else None) if isinstance(a, int) else np.abs(a) > most


def _seen(a: Array, most: int) -> int:
    """The bound of *a* as it is in these rows."""
    if isinstance(a, int):
        return abs(a)
    return max(int(a.max()), -int(a.min())) if len(a) else 0


def _scaled(a: Vec, scale: int) -> tuple[Array, int, Array]:
    """The numerator of *a* over ``10**scale``, which is not coarser than its own."""
    return (a.v, a.most, None) if scale == a.scale else _times(a.v, a.most, 10 ** (scale - a.scale), 10 ** (scale - a.scale))


def _whole(a: Vec) -> Vec:
    """*a*, rows without a value being unusable: an expression that needs it cannot do without."""
    return a if a.absent is None else Vec(a.v, a.most, a.scale, a.den, any_of(a.bad, a.absent))


def _aligned(a: Vec, b: Vec) -> tuple[tuple[Array, int], tuple[Array, int], int, Vec | None, Array]:
    """Numerators over one scale and one denominator, and the rows that are lost."""
    a, b = _whole(a), _whole(b)
    scale = max(a.scale, b.scale)
    (left, left_most, lost), (right, right_most, gone) = _scaled(a, scale), _scaled(b, scale)
    bad = any_of(a.bad, b.bad, lost, gone)
    den = a.den if a.den is not None else b.den
    if a.den is not b.den:
        if b.den is not None:
            left, left_most, lost = _times(left, left_most, b.den.v, b.den.most)
            bad = any_of(bad, lost)
        if a.den is not None:
            right, right_most, lost = _times(right, right_most, a.den.v, a.den.most)
            bad = any_of(bad, lost)
            if b.den is not None:
                den, lost = _product(a.den, b.den)
                bad = any_of(bad, lost)
    return (left, left_most), (right, right_most), scale, den, bad


def _product(a: Vec, b: Vec) -> tuple[Vec, Array]:
    """Of two denominators; a row that does not fit gets one that does no harm."""
    value, most, bad = _times(a.v, a.most, b.v, b.most)
    return Vec(np.where(bad, 1, value) if bad is not None else value, most), bad


def add(a: Vec, b: Vec, *, minus: bool = False) -> Vec:
    (left, left_most), (right, right_most), scale, den, bad = _aligned(a, b)
    value, most, lost = _plus(left, left_most, right, right_most, minus=minus)
    return Vec(value, most, scale, den, any_of(bad, lost))


def subtract(a: Vec, b: Vec) -> Vec:
    return add(a, b, minus=True)


def multiply(a: Vec, b: Vec) -> Vec:
    a, b = _whole(a), _whole(b)
    value, most, lost = _times(a.v, a.most, b.v, b.most)
    bad, den = any_of(a.bad, b.bad, lost), a.den if a.den is not None else b.den
    if a.den is not None and b.den is not None:
        den, lost = _product(a.den, b.den)
        bad = any_of(bad, lost)
    return Vec(value, most, a.scale + b.scale, den, bad)


def divide(a: Vec, b: Vec) -> Vec:
    """Kept as a fraction. Rows whose divisor is not positive are unusable."""
    a, b = _whole(a), _whole(b)
    wrong = b.v <= 0
    bad = any_of(a.bad, b.bad, wrong)
    below: Array = (1 if wrong else b.v) if isinstance(b.v, int) else np.where(wrong, 1, b.v)
    divisor = Vec(below, max(b.most, 1))
    top, top_most, scale = a.v, a.most, a.scale - b.scale
    if scale < 0:
        top, top_most, lost = _times(top, top_most, 10**-scale, 10**-scale)
        bad, scale = any_of(bad, lost), 0
    if b.den is not None:
        top, top_most, lost = _times(top, top_most, b.den.v, b.den.most)
        bad = any_of(bad, lost)
    if a.den is not None:
        divisor, lost = _product(divisor, a.den)
        bad = any_of(bad, lost)
    return Vec(top, top_most, scale, divisor, bad)


def negative(a: Vec) -> Vec:
    a = _whole(a)
    return Vec(-a.v, a.most, a.scale, a.den, a.bad)


def absolute(a: Vec) -> Vec:
    a = _whole(a)
    return Vec(abs(a.v) if isinstance(a.v, int) else np.abs(a.v), a.most, a.scale, a.den, a.bad)


def largest(a: Vec, b: Vec, *, smallest: bool = False) -> Vec:
    (left, left_most), (right, right_most), scale, den, bad = _aligned(a, b)
    if isinstance(left, int) and isinstance(right, int):
        value: Array = min(left, right) if smallest else max(left, right)
    else:
        left, right, bad = _fitting(left, right, bad)
        value = (np.minimum if smallest else np.maximum)(left, right)
    return Vec(value, max(left_most, right_most), scale, den, bad)


def _fitting(left: Array, right: Array, bad: Array) -> tuple[Array, Array, Array]:
    """Constants that numpy cannot hold make the rows unusable."""
    if any(isinstance(part, int) and abs(part) > MOST for part in (left, right)):
        return 0, np.zeros(1, np.int64), True
    return left, right, bad


_COMPARE = {"lt": "__lt__", "le": "__le__", "eq": "__eq__", "ne": "__ne__", "ge": "__ge__", "gt": "__gt__"}
_MIRROR = {"lt": "gt", "le": "ge", "eq": "eq", "ne": "ne", "ge": "le", "gt": "lt"}


def compare(op: str, a: Vec, b: Vec) -> Vec:
    (left, _), (right, _), _, _, bad = _aligned(a, b)
    if isinstance(left, int) and not isinstance(right, int):
        op, left, right = _MIRROR[op], right, left
    if isinstance(right, int) and abs(right) > MOST and not isinstance(left, int):
        right, left = (1 if right > 0 else -1), 0  # what fits is below, or above, what does not
    return Vec(getattr(left, _COMPARE[op])(right), bad=bad)


def is_multiple(a: Vec, b: Vec) -> Vec:
    (left, _), (right, _), _, _, bad = _aligned(a, b)
    left, right, bad = _fitting(left, right, bad)
    wrong = right <= 0
    step = (1 if wrong else right) if isinstance(right, int) else np.where(wrong, 1, right)
    return Vec(left % step == 0, bad=any_of(bad, wrong))


def among(a: Vec, members: frozenset[Any]) -> Vec:
    a = _whole(a)
    if a.den is not None:
        raise NotInColumns("a quotient is looked for in a set")
    numbers = sorted(int(m * 10**a.scale) for m in members if isinstance(m, Fraction) and (m * 10**a.scale).denominator == 1)
    held = [number for number in numbers if abs(number) <= MOST]
    return Vec(a.v in held if isinstance(a.v, int) else np.isin(a.v, np.array(held, np.int64)), bad=a.bad)


# ── truth ─────────────────────────────────────────────────────────────────────────────────────────────


def inverse(value: Array) -> Array:
    return not value if isinstance(value, bool) else ~value


def both(a: Vec, b: Vec) -> Vec:
    value = a.v & b.v
    if a.bad is None and b.bad is None:
        return Vec(value)
    return Vec(value, bad=_undecided(a, b, inverse))


def either(a: Vec, b: Vec) -> Vec:
    value = a.v | b.v
    if a.bad is None and b.bad is None:
        return Vec(value)
    return Vec(value, bad=_undecided(a, b, lambda truth: truth))


def _undecided(a: Vec, b: Vec, settles: Any) -> Array:
    """Rows where a side is unusable and the other does not settle it."""
    bad = any_of(a.bad, b.bad)
    for side in (a, b):
        settled = settles(side.v) if side.bad is None else settles(side.v) & inverse(side.bad)
        bad = bad & inverse(settled)
    return bad


def negate(a: Vec) -> Vec:
    return Vec(inverse(a.v), bad=a.bad)


def known(a: Vec) -> Vec:
    return Vec(True if a.absent is None else inverse(a.absent), bad=a.bad)


def instead(a: Vec, b: Vec) -> Vec:
    """``a else b``."""
    if a.absent is None:
        return a
    return choose(Vec(inverse(a.absent), bad=None), Vec(a.v, a.most, a.scale, a.den, a.bad), b)


def choose(condition: Vec, a: Vec, b: Vec) -> Vec:
    """``if condition then a else b``; only the chosen side need be usable."""
    test = condition.v
    if isinstance(test, bool):
        chosen = a if test else b
        return Vec(chosen.v, chosen.most, chosen.scale, chosen.den, any_of(chosen.bad, condition.bad), chosen.absent)
    if _is_truth(a.v) and _is_truth(b.v):
        return Vec(np.where(test, a.v, b.v), bad=any_of(condition.bad, _of_side(test, a.bad, b.bad)))
    left, right = (Vec(side.v, side.most, side.scale, side.den) for side in (a, b))
    (one, one_most), (other, other_most), scale, den, lost = _aligned(left, right)
    one, other, lost = _fitting(one, other, lost)
    return Vec(np.where(test, one, other), max(one_most, other_most), scale, den,
               any_of(condition.bad, lost, _of_side(test, any_of(a.bad, a.absent), any_of(b.bad, b.absent))))


def _is_truth(value: Array) -> bool:
    return isinstance(value, bool) or getattr(value, "dtype", None) == np.bool_


def _of_side(test: Array, a: Array, b: Array) -> Array:
    if a is None and b is None:
        return None
    return np.where(test, False if a is None else a, False if b is None else b)
