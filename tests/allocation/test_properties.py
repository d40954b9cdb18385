"""Generated allocations: both meanings agree, and what docs/spec.md promises of every plan holds."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policies_of_allocation import TEXTS, checked, compiled

from caplex.compiler.reference.allocate import Claimant, settle, shares_on
from caplex.runtime.allocation.ruling import Ruled
from caplex.runtime.allocation.shares import UNIT, fill, printed

ZERO, ONE = Fraction(0), Fraction(1)
NAMES = st.sampled_from(["A", "B", "C", "D", "E", "F", "G", "Q"])
SHARES = st.integers(0, 1000).map(lambda n: str(Fraction(n, 1000).numerator / Fraction(n, 1000).denominator))
NUMBERS = st.one_of(st.integers(-30, 60).map(lambda n: f"{n / 10}"), st.sampled_from(["0", "0", "1", "1", "NaN", "x", None]))
MOSTLY = st.one_of(st.integers(-30, 60).map(lambda n: f"{n / 10}"), st.sampled_from(["0", "0", "1", "1"]))


def ratio(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(lambda n: f"{n / 100:.2f}")


@st.composite
def documents(draw: Any) -> dict[str, Any]:
    numbers = draw(st.sampled_from([NUMBERS, MOSTLY, MOSTLY]))
    rows = draw(st.dictionaries(NAMES, st.fixed_dictionaries(
        {"sharpe_30d": numbers}, optional={"pnl_7d": numbers, "winrate_30d": numbers}), max_size=8))
    bounds = draw(st.fixed_dictionaries(
        {"floor": ratio(-5, 30), "ceiling": ratio(0, 110)}, optional={"threshold": ratio(0, 40), "scale": ratio(-10, 120)}))
    guardian = draw(st.sampled_from([{}, {}, {"paused": False}, {"paused": False}, {"paused": True}, {"paused": "no"}]))
    found = {"now": "2026-01-05T15:00:00Z", "inputs": {"bounds": bounds, "guardian": guardian}}
    return {**found, "strategies": rows} if draw(st.integers(0, 20)) else found


CURRENT = st.one_of(st.none(), st.dictionaries(NAMES, ratio(0, 60), max_size=4))


@pytest.mark.parametrize("name", sorted(TEXTS))
@settings(max_examples=150, deadline=None)
@given(document=documents(), current=CURRENT)
def test_both_meanings_agree(name: str, document: dict[str, Any], current: dict[str, str] | None) -> None:
    made = compiled(name).allocate(document, current).ruled
    meant = shares_on(checked(name), "capital", document, {key: Fraction(value) for key, value in (current or {}).items()})
    assert core(made) == core(meant)


def core(ruled: Ruled) -> Any:
    names = [(each.name, each.score, each.share, each.bound, each.floor, each.ceiling) for each in ruled.names]
    return (ruled.state, names, ruled.units, ruled.scale, ruled.threshold, ruled.largest, ruled.infeasible, set(ruled.lost),
            dict(ruled.previous) if ruled.previous else None)


@settings(max_examples=200, deadline=None)
@given(document=documents())
def test_a_plan_keeps_its_promises(document: dict[str, Any]) -> None:
    ruled = compiled("free").allocate(document).ruled
    if ruled.units is None:
        assert ruled.state in ("refused", "frozen")
        return
    total = sum((each.share for each in ruled.names), ZERO)
    if ruled.names:
        assert total == (ONE if ruled.infeasible is None else ruled.infeasible.total)
        assert total <= ONE
    for each in ruled.names:
        assert each.floor <= each.share <= each.ceiling
        assert abs(Fraction(ruled.units[each.name], UNIT) - each.share * ruled.scale) < Fraction(1, UNIT)
    assert sum(ruled.units.values()) == int(total * ruled.scale * UNIT)
    level = {each.share / each.score for each in ruled.names if each.bound is None and each.score > 0}
    assert len(level) <= 1  # those that no bound holds are in proportion


@settings(max_examples=150, deadline=None)
@given(document=documents(), data=st.data())
def test_the_order_of_names_changes_nothing(document: dict[str, Any], data: Any) -> None:
    rows = list(document.get("strategies", {}).items())
    other = {**document, "strategies": dict(data.draw(st.permutations(rows)))} if rows else document
    assert compiled("free").allocate(document).ruled == compiled("free").allocate(other).ruled


@settings(max_examples=150, deadline=None)
@given(document=documents(), scale=ratio(0, 100))
def test_a_scale_never_raises_a_share(document: dict[str, Any], scale: str) -> None:
    def shares(scale: str) -> dict[str, int] | None:
        inputs = {**document["inputs"], "bounds": {**document["inputs"]["bounds"], "scale": scale}}
        return compiled("free").allocate({**document, "inputs": inputs}).ruled.units

    whole, part = shares("1"), shares(scale)
    assert (whole is None) is (part is None)
    assert all(part[name] <= whole[name] for name in whole or ())


@st.composite
def claims(draw: Any) -> tuple[list[Fraction], list[Fraction], list[Fraction], Fraction]:
    count = draw(st.integers(1, 7))
    lows = [Fraction(draw(st.integers(0, 10)), 100) for _ in range(count)]
    highs = [low + Fraction(draw(st.integers(0, 90)), 100) for low in lows]
    weights = [Fraction(draw(st.sampled_from([0, 0, 1, 1, 2, 3, 50, 1000])), draw(st.integers(1, 7))) for _ in range(count)]
    part = Fraction(draw(st.integers(0, 100)), 100)
    return weights, lows, highs, sum(lows) + part * (sum(highs) - sum(lows))


@settings(max_examples=400, deadline=None)
@given(claims())
def test_the_water_stands_level_both_ways(claim: Any) -> None:
    weights, lows, highs, room = claim
    shares = fill(weights, lows, highs, room)
    assert sum(shares) == room
    claimants = [Claimant(str(n), *each) for n, each in enumerate(zip(weights, lows, highs, strict=True))]
    settle(claimants, room)
    assert shares == [each.got for each in claimants]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES, st.fractions(0, 1), max_size=6))
def test_what_is_printed_loses_nothing(shares: dict[str, Fraction]) -> None:
    units = printed(shares)
    assert sum(units.values()) == int(sum(shares.values(), ZERO) * UNIT)
    assert all(abs(units[name] - share * UNIT) < 1 for name, share in shares.items())
