"""Values as people and programs read them, and the sentences of reasons without a `because`."""
from __future__ import annotations

from fractions import Fraction

import pytest

from caplex.runtime.messages import CODES, data_code, default_message, tell_leaf
from caplex.runtime.ruling import Approval, Reason, Ruling, Verdict
from caplex.runtime.schema import Kind, Type
from caplex.runtime.texts import fill, human, human_pair, plain_pair, unit_name
from caplex.runtime.values import ABSENT, UNLIMITED, Leaf, unknown

MONEY, RATIO, COUNT, DURATION = Type(Kind.MONEY), Type(Kind.RATIO), Type(Kind.COUNT), Type(Kind.DURATION)
SECOND = 10**9


@pytest.mark.parametrize(("value", "unit", "said"), [
    (Fraction(65000), MONEY, "65_000 USD"), (Fraction("1234.5"), Type(Kind.MONEY, currency="EUR"), "1_234.5 EUR"), (Fraction(1, 3), MONEY, "0.3333 USD"),
    (Fraction("0.103"), RATIO, "10.3%"), (Fraction(3), RATIO, "3"), (Fraction(3, 2), Type(Kind.RATIO, of="account.equity"), "150%"),
    (Fraction(12), COUNT, "12"), (Fraction(61 * SECOND), DURATION, "61s"), (Fraction(34_200 * SECOND), Type(Kind.TIME), "09:30"),
    (Fraction(1_767_625_200 * SECOND), Type(Kind.INSTANT), "2026-01-05 15:00:00Z"), ("AAPL", None, "AAPL"), (True, None, "true"),
    (ABSENT, MONEY, "<missing>"), (None, MONEY, "<missing>"), (UNLIMITED, MONEY, "unlimited"), (unknown("SYS-001", "/x", "missing"), MONEY, "<missing>"),
    (frozenset({"b", "a"}), None, "[a, b]"),
])
def test_values_for_people(value, unit, said):
    assert human(value, unit) == said


def test_numbers_beside_each_other_never_look_equal_when_they_are_not():
    limit = Fraction(10_000)
    assert human_pair(limit + Fraction(1, 10**9), limit, MONEY) == ("10_000.0001 USD", "10_000 USD")
    assert human_pair(limit - Fraction(1, 10**9), limit, MONEY) == ("9_999.9999 USD", "10_000 USD")
    assert human_pair(Fraction("0.1000000001"), Fraction("0.1"), RATIO) == ("10.0001%", "10%")
    assert human_pair(Fraction(2), Fraction("0.5"), RATIO) == ("2", "0.5")


def test_numbers_for_programs_are_plain_and_keep_their_side():
    observed, limit = plain_pair(Fraction(1, 3), Fraction("0.33333333"), RATIO)
    assert (observed.text, observed.exact, limit.text) == ("0.33333334", "1/3", "0.33333333")
    assert plain_pair(None, Fraction(1), MONEY)[0] is None
    assert [unit_name(unit) for unit in (MONEY, RATIO, COUNT, DURATION, None)] == ["USD", "ratio", "count", "duration", None]


def test_templates():
    parts = ["lost ", (Fraction("1234.567"), MONEY, None), ", ", (Fraction("0.0512"), RATIO, "%"), ", ", (Fraction(1, 8), COUNT, ".2"), ", ",
             (Fraction(5), COUNT, "money"), ", ", (ABSENT, MONEY, ".2"), ", ", ((Fraction(3), COUNT), None, None)]
    assert fill(parts) == "lost 1_234.567 USD, 5.12%, 0.12, 5.00 USD, <missing>, 3"
    assert len(fill(["x" * 600])) == 500
    assert fill(["a\nb\x1b[31m\u202e"]) == "a b [31m "


ALLOW = Ruling(Verdict.ALLOW, Fraction(9), Fraction(9), Fraction(4), "buy", "open")


@pytest.mark.parametrize(("reason", "sized", "said"), [
    (Reason("EXP-010", "limit", "EXP", "reduce", title="Position size", observed=Fraction(65000), comparison="<=", limit=Fraction(10000), unit=MONEY), True,
     "Position size: would be 65_000 USD; at most 10_000 USD is allowed"),
    (Reason("LOSS-010", "limit", "LOSS", "deny", observed=Fraction(2100), comparison="<", limit=Fraction(2000), unit=MONEY), False,
     "LOSS-010: 2_100 USD; must be below 2_000 USD"),
    (Reason("EXEC-010", "throttle", "EXEC", "deny", title="Order rate", observed=Fraction(10), comparison="<", limit=Fraction(10), unit=COUNT), False,
     "Order rate: 10 in the window already; must stay below 10"),
    (Reason("EXEC-020", "cooldown", "EXEC", "deny", title="Cooling down", observed=Fraction(59 * SECOND), comparison=">=", limit=Fraction(300 * SECOND), unit=DURATION),
     False, "Cooling down: 59s since the last one; 5min must pass"),
    (Reason("KILL-010", "switch", "KILL", "deny opening", title="Portfolio stop"), False, "Portfolio stop is tripped: nothing may be opened"),
    (Reason("EXP-030", "rule", "EXP", "hold", title="Thin names", approval=Approval("head-of-desk", 2)), False, "Thin names: needs approval, by 2 of head-of-desk"),
    (Reason("ORD-010", "rule", "ORD", "deny"), False, "ORD-010: not allowed"),
    (Reason("SYS-012", "system", "SYS", "snap", permitted=Fraction(25), leaves=(Leaf("SYS-012", "", "lot"),)), False,
     "rounded down to 25, the largest size that can be traded"),
    (Reason("SYS-010", "system", "SYS", "deny"), False, "the policy is not in effect"),
    (Reason("SYS-002", "system", "SYS", "deny", leaves=(Leaf("SYS-002", "/market/AAPL/as_of", "stale", "61s", "5s"),)), False,
     "/market/AAPL/as_of is 61s old; at most 5s"),
])
def test_default_messages(reason, sized, said):
    assert default_message(reason, ALLOW, sized=sized) == said


def test_every_problem_has_words_and_a_code():
    for problem in CODES:
        leaf = Leaf("SYS-001", "/x", problem, "seen", "wanted")
        assert len(tell_leaf(leaf)) > 5
        assert data_code(leaf) == CODES[problem]
    assert data_code(Leaf("SYS-012", "", "lot")) is None
    assert data_code(Leaf("SYS-008", "/switches", "missing")) == "CAP923"
