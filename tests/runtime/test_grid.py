"""What can be traded, and the sizes at which a maximum of affine pieces is not positive (CAP-SNAP, CAP-LIM-3)."""
from __future__ import annotations

import random
from fractions import Fraction as F

import pytest

from caplex.runtime.grid import Grid, interval
from caplex.runtime.values import unknown


def test_snap_goes_down_to_the_lot() -> None:
    grid = Grid(F(1, 10), F(0))
    assert grid.snap(F(127, 100)) == F(12, 10)
    assert grid.snap(F(12, 10)) == F(12, 10)
    assert grid.snap(F(-3)) == 0


def test_the_largest_order_caps() -> None:
    assert Grid(F(1), F(0), most=F(7)).snap(F(100)) == 7


def test_a_minimum_does_not_bind_within_the_closing_leg() -> None:
    grid = Grid(F(1), F(3), least_quantity=F(10))
    assert grid.snap(F(2)) == 2
    assert grid.snap(F(9)) == 3
    assert grid.snap(F(10)) == 10


def test_minimum_notional_is_measured_in_money() -> None:
    grid = Grid(F(1), F(0), least_notional=F(100), unit=F(30))
    assert grid.snap(F(3)) == 0
    assert grid.snap(F(4)) == 4


def test_an_unreadable_minimum_is_not_met() -> None:
    grid = Grid(F(1), F(2), least_notional=F(100), unit=unknown("SYS-001", "/market/X/price", "missing"))
    assert grid.snap(F(50)) == 2
    assert [leaf.path for leaf in grid.leaves] == ["/market/X/price"]


def test_without_a_lot_nothing_can_be_told() -> None:
    assert Grid(unknown("SYS-001", "/instruments/X/lot", "missing"), F(0)).snap(F(5)) is None


@pytest.mark.parametrize("seed", range(300))
def test_intervals_hold_exactly_the_kept_sizes(seed: int) -> None:
    rng = random.Random(seed)
    pieces = [(F(rng.randint(-3, 3)), F(rng.randint(-12, 12), rng.choice((1, 2, 3)))) for _ in range(rng.randint(1, 4))]
    strict = rng.random() < 0.5
    high = F(10)

    def kept(q: F) -> bool:
        measure = max(a * q + b for a, b in pieces)
        return measure < 0 if strict else measure <= 0

    span = interval(pieces, strict=strict, high=high)
    for step in range(121):
        q = F(step, 12)
        inside = span is not None and span[0] <= q <= span[1] and not (span[2] and q == span[0]) and not (span[3] and q == span[1])
        assert inside == kept(q), (pieces, strict, q, span)
