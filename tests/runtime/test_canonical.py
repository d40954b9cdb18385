"""Numbers and documents as text and bytes."""
from __future__ import annotations

import hashlib
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caplex.runtime.canonical import (
    NotCanonical,
    canonical_json,
    decimal_places,
    exact_text,
    from_scaled,
    grouped,
    plain,
    printed_pair,
    sha256,
    to_decimal,
)

fractions = st.fractions(min_value=-10**12, max_value=10**12, max_denominator=10**12)


@pytest.mark.parametrize(("value", "text"), [
    (Fraction(0), "0"), (Fraction(65000), "65000"), (Fraction(-1, 8), "-0.125"), (Fraction(1, 10**30), "0." + "0" * 29 + "1"),
    (Fraction(10**40), "1" + "0" * 40), (Fraction(1, 3), "0.33333333"), (Fraction(-1, 3), "-0.33333334"), (Fraction(10**5000), "1" + "0" * 5000),
])
def test_plain_is_exact_where_decimals_can(value, text):
    assert plain(value) == text


@given(fractions)
def test_plain_reads_back(value):
    if decimal_places(value) is not None:
        assert Fraction(plain(value)) == value == Fraction(to_decimal(value)) == Fraction(exact_text(value))
    else:
        assert Fraction(plain(value)) < value
        assert Fraction(exact_text(value)) == value


@given(fractions, fractions, st.booleans())
def test_a_printed_pair_compares_as_the_numbers_do(observed, limit, ratio):
    left, right = printed_pair(observed, limit, ratio=ratio)
    a, b = Fraction(left.text), Fraction(right.text)
    assert (a > b) == (observed > limit)
    assert (a < b) == (observed < limit)
    for part, value in ((left, observed), (right, limit)):
        assert (part.exact == "") == (Fraction(part.text) == value)
        if ratio:
            assert len(part.text.partition(".")[2]) <= 8


def test_a_ratio_has_eight_decimals_and_its_exact_value_beside_it():
    observed, limit = printed_pair(Fraction("0.1000000001"), Fraction(1, 10), ratio=True)
    assert (observed.text, observed.exact, limit.text, limit.exact) == ("0.10000001", "0.1000000001", "0.1", "")


@given(st.integers(), st.integers(0, 60))
def test_scaled_integers_become_decimals_without_a_context(scaled, places):
    assert Fraction(from_scaled(scaled, places)) == Fraction(scaled, 10**places)


@pytest.mark.parametrize(("text", "said"), [("65000.5", "65_000.5"), ("-1234567", "-1_234_567"), ("12", "12"), ("0.12345", "0.12345")])
def test_thousands_are_grouped_as_policies_write_them(text, said):
    assert grouped(text) == said


def test_canonical_json_has_one_text_for_one_value():
    one = {"b": [1, Decimal("1.50"), 0.1, None, True], "a": {"ü": "x"}}
    two = {"a": {"ü": "x"}, "b": (Decimal("1"), "1.5", Decimal("0.10"), None, True)}
    assert canonical_json(one) == canonical_json(two) == '{"a":{"\\u00fc":"x"},"b":["1","1.5","0.1",null,true]}'
    assert sha256(one) == "sha256:" + hashlib.sha256(canonical_json(one).encode()).hexdigest()


def _deep() -> object:
    value: object = 1
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("value", [float("nan"), Decimal("Infinity"), {1: 2}, object(), Decimal("1e999999999"), [b"x"], _deep()], ids=lambda v: str(type(v)))
def test_what_has_no_canonical_form_says_so(value):
    with pytest.raises(NotCanonical):
        canonical_json({"x": value})
