"""Interval arithmetic encloses what it should, and no less."""
from __future__ import annotations

import random
from fractions import Fraction
from itertools import product

import pytest

from caplex.compiler.semantics.ranges import EVERYTHING, NON_NEGATIVE, NOTHING, POSITIVE, ZERO, Interval, exactly

F = Fraction
ENDS = (None, F(-3), F(0), F(2))


def samples(interval: Interval) -> list[Fraction]:
    """Values inside, ends that belong to it first."""
    points = [F(n, 2) for n in range(-20, 21)]
    inside = [x for x in points if (interval.low is None or x > interval.low or (x == interval.low and not interval.low_open))]
    return [x for x in inside if interval.high is None or x < interval.high or (x == interval.high and not interval.high_open)]


def holds(interval: Interval, value: Fraction) -> bool:
    return not interval.meet(exactly(value)).empty


INTERVALS = [
    Interval(low, high, low_open, high_open)
    for low, high, low_open, high_open in product(ENDS, ENDS, (False, True), (False, True))
    if (low is not None or not low_open) and (high is not None or not high_open)
    and (low is None or high is None or low < high or (low == high and not low_open and not high_open))
]


def test_results_are_enclosed() -> None:
    chance = random.Random(7)
    for a, b in product(INTERVALS, INTERVALS):
        xs, ys = samples(a), samples(b)
        for _ in range(6):
            x, y = chance.choice(xs), chance.choice(ys)
            assert holds(a + b, x + y)
            assert holds(a - b, x - y)
            assert holds(a * b, x * y), (a, b, x, y)
            assert holds(a.hull(b), x)
            assert holds(a.larger(b), max(x, y))
            assert holds(a.smaller(b), min(x, y))
            assert holds(a.size(), abs(x))
            if y > 0:
                assert holds(a.over(b), x / y), (a, b, x, y)


@pytest.mark.parametrize("operator", ["<", "<=", "==", "!=", ">=", ">"])
def test_decided_comparisons_are_true(operator: str) -> None:
    compare = {"<": F.__lt__, "<=": F.__le__, "==": F.__eq__, ">=": F.__ge__, ">": F.__gt__, "!=": lambda x, y: x != y}[operator]
    for a, b in product(INTERVALS, INTERVALS):
        said = a.holds(operator, b)
        if said is not None:
            assert all(compare(x, y) is said for x in samples(a)[:8] for y in samples(b)[-8:]), (a, operator, b)


def test_signs() -> None:
    assert POSITIVE.positive
    assert POSITIVE.non_negative
    assert NON_NEGATIVE.non_negative
    assert not NON_NEGATIVE.positive
    assert (-POSITIVE).non_positive
    assert (POSITIVE * POSITIVE).positive
    assert (EVERYTHING * ZERO) == ZERO
    assert (NON_NEGATIVE + POSITIVE).positive
    assert NOTHING.empty
    assert EVERYTHING.over(Interval(None, F(0))).empty
