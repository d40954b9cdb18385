"""One value at a time: what is read, and what is refused with which id."""
from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from caplex.runtime.reading import Overlong, read, shown
from caplex.runtime.schema import FieldSpec, Kind, Type
from caplex.runtime.values import ABSENT, Unknown


def spec(kind: Kind, **more: object) -> FieldSpec:
    type_ = Type(kind, members=("buy", "sell") if kind is Kind.ENUM else ())
    return FieldSpec("s", "f", type_, **more)  # type: ignore[arg-type]


def problem(value: object) -> tuple[str, str]:
    assert isinstance(value, Unknown), value
    (leaf,) = value.leaves
    assert leaf.path == "/s/f"
    return leaf.sys, leaf.problem


NUMBERS = [
    ("300", 300), ("-0.5", Fraction(-1, 2)), ("+2", 2), ("1e3", 1000), ("1E-2", Fraction(1, 100)), ("007", 7), (0.1, Fraction(1, 10)),
    (1e22, 10**22), (5e-324, Fraction(5, 10**324)), (7, 7), (Decimal("1.50"), Fraction(3, 2)), (Decimal("1E+3"), 1000),
    ("9" * 400, int("9" * 400)), (10**399, 10**399), ("0." + "0" * 398 + "1", Fraction(1, 10**399)), (-0.0, 0), ("0" * 700, 0),
]


@pytest.mark.parametrize(("raw", "value"), NUMBERS)
def test_a_number_is_read_exactly_by_its_digits(raw, value):
    assert read(spec(Kind.MONEY), raw, "/s/f") == value


NO_DECIMALS = [
    "1,000", "", " 1", "1 ", "1_000", "NaN", "Infinity", "-inf", "0x10", "1.", ".5", "1e", "1e1.5", "--1", "١٢", "8%", "$5", "1\n",
    float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), "9" * 401, 10**400, -(10**400), "1e400", "1e-400",
    "1e999999999", "1e-999999999", Decimal("1e999999"), Decimal("1e-999999"), Overlong("1" * 5000), "9" * 1_000_000, 1 << 10_000_000,
]


@pytest.mark.parametrize("raw", NO_DECIMALS, ids=lambda raw: shown(raw)[:30])
def test_anything_else_is_no_decimal_and_takes_no_time(raw):
    start = time.perf_counter()
    assert problem(read(spec(Kind.PRICE), raw, "/s/f")) == ("SYS-005", "not-a-decimal")
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("raw", [True, False, [], {}, object(), b"1", {1}, datetime(2026, 1, 5, tzinfo=UTC)])
def test_what_is_not_even_like_a_number_has_the_wrong_type(raw):
    assert problem(read(spec(Kind.QUANTITY), raw, "/s/f")) == ("SYS-005", "wrong-type")


def test_percent_is_read_where_the_unit_is_a_ratio_only():
    assert read(spec(Kind.RATIO), "8%", "/s/f") == Fraction(8, 100)
    assert read(spec(Kind.RATIO), "0.5%", "/s/f") == Fraction(5, 1000)
    assert problem(read(spec(Kind.RATIO), "%", "/s/f")) == ("SYS-005", "not-a-decimal")
    assert problem(read(spec(Kind.COUNT), "8%", "/s/f")) == ("SYS-005", "not-a-decimal")


def test_a_count_is_whole():
    assert read(spec(Kind.COUNT), "3.0", "/s/f") == 3
    assert problem(read(spec(Kind.COUNT), "3.5", "/s/f")) == ("SYS-005", "wrong-type")


def test_ranges_are_inclusive_but_for_above():
    within = spec(Kind.RATIO, low=Fraction(0), high=Fraction(1))
    assert read(within, "0", "/s/f") == 0
    assert read(within, 1, "/s/f") == 1
    assert problem(read(within, "1.0000000001", "/s/f")) == ("SYS-004", "out-of-range")
    assert problem(read(within, "-1e-9", "/s/f")) == ("SYS-004", "out-of-range")
    above = spec(Kind.PRICE, above=Fraction(0))
    assert problem(read(above, "0", "/s/f")) == ("SYS-004", "out-of-range")
    assert read(above, "1e-300", "/s/f") == Fraction(1, 10**300)


def test_missing_and_absent():
    assert problem(read(spec(Kind.MONEY), None, "/s/f")) == ("SYS-001", "missing")
    assert read(spec(Kind.MONEY, optional=True), None, "/s/f") is ABSENT
    assert problem(read(spec(Kind.MONEY, optional=True), "many", "/s/f")) == ("SYS-005", "not-a-decimal")


INSTANTS = [
    ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.000000001Z", 1), ("1970-01-01T01:00:00+01:00", 0), ("1969-12-31T23:59:59-00:00", -10**9),
    ("2026-01-05T15:00:00.5Z", 1_767_625_200_500_000_000), ("2026-01-05t15:00:00z", 1_767_625_200 * 10**9),
    ("2024-02-29 00:00:00Z", 1_709_164_800 * 10**9), ("2026-01-05T15:00:00.1000000000Z", 1_767_625_200_100_000_000),
    (datetime(1970, 1, 1, 0, 0, 0, 7, tzinfo=UTC), 7000),
]


@pytest.mark.parametrize(("raw", "ns"), INSTANTS)
def test_an_instant_is_exact_to_the_nanosecond(raw, ns):
    assert read(spec(Kind.INSTANT), raw, "/s/f") == ns


@pytest.mark.parametrize("raw", [
    "2026-01-05T15:00:00", "2026-01-05", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-05T24:00:00Z", "2016-12-31T23:59:60Z",
    "2026-01-05T15:60:00Z", "2026-01-05T15:00:00+25:00", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
    "2026-01-05T15:00:00.1234567891Z", "2026-1-5T15:00:00Z", "２０２６-01-05T15:00:00Z", "", "now", 1_767_625_200, 1.5, True, datetime(2026, 1, 5),  # noqa: DTZ001
    "2026-01-05T15:00:00Z\n", "x" * 100_000,
])
def test_what_is_no_instant_has_the_wrong_type_and_a_cure(raw):
    found = read(spec(Kind.INSTANT), raw, "/s/f")
    assert problem(found) == ("SYS-005", "wrong-type")
    assert next(iter(found.leaves)).limit


def test_a_time_without_zone_is_told_so():
    (leaf,) = read(spec(Kind.INSTANT), "2026-01-05T15:00:00", "/s/f").leaves
    assert leaf.limit.startswith("a zone")


@pytest.mark.parametrize(("kind", "raw", "value"), [
    (Kind.DATE, "2026-01-05", "2026-01-05"), (Kind.DATE, date(2026, 1, 5), "2026-01-05"), (Kind.TIME, "09:30", 34_200 * 10**9),
    (Kind.DURATION, "250ms", 250_000_000), (Kind.DURATION, "1h30min", 5400 * 10**9), (Kind.DURATION, "1.5s", 1_500_000_000),
    (Kind.BOOL, True, True), (Kind.TEXT, "ü", "ü"), (Kind.ENUM, "buy", "buy"), (Kind.SET, ["b", "a", "b"], frozenset("ab")),
])
def test_the_other_kinds(kind, raw, value):
    assert read(spec(kind), raw, "/s/f") == value


@pytest.mark.parametrize(("kind", "raw"), [
    (Kind.DATE, "2026-02-30"), (Kind.DATE, "20260105"), (Kind.DATE, datetime(2026, 1, 5, tzinfo=UTC)), (Kind.TIME, "24:00"), (Kind.TIME, 930),
    (Kind.DURATION, "5"), (Kind.DURATION, 5), (Kind.DURATION, "5m"), (Kind.DURATION, "1min1h"), (Kind.DURATION, "1s1s"), (Kind.DURATION, "0.1ns"),
    (Kind.BOOL, 1), (Kind.BOOL, "true"), (Kind.TEXT, 5), (Kind.TEXT, "\ud800"), (Kind.TEXT, "x" * 10_001), (Kind.NOMINAL, None.__class__),
    (Kind.ENUM, "BUY"), (Kind.ENUM, 1), (Kind.ENUM, []), (Kind.SET, "ab"), (Kind.SET, [1]), (Kind.SET, [["a"]]),
])
def test_the_other_kinds_refused(kind, raw):
    assert problem(read(spec(kind), raw, "/s/f")) == ("SYS-005", "wrong-type")


def test_texts_are_normalised_as_declared():
    assert read(spec(Kind.NOMINAL, normalised=("trim", "upper")), " aapl ", "/s/f") == "AAPL"
    assert read(spec(Kind.TEXT, normalised=("nfc", "lower")), "E\u0301", "/s/f") == "é"


def test_what_was_there_is_shown_without_walking_into_it():
    loop: list[object] = []
    loop.append(loop)
    assert shown(loop) == "a list"
    assert shown("\ud800") == "\\ud800"
    assert len(shown("x" * 10**6)) < 100
    assert shown(timedelta(1)) == "a timedelta"
