"""Settings: values, who may move them, overrides."""
from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from caplex.compiler.semantics.settings import Outside

RULE = "limit EXP-900 { intent.quantity at most 5 else deny }\n"
USE = RULE + "limit EXP-910 { account.drawdown at most cap else deny }\n"
KNOBS = RULE + """
setting cap : ratio = 10% within 0%..50% lower is safer
setting buffer : ratio = 10% higher is safer
setting free : ratio = 10%
setting wide : ratio = 10% lower is safer open
setting stop : money = 5_000 USD hard lower is safer
setting nailed : count = 3 hard
setting double : ratio = cap * 2
setting names : set of symbol = ["A"]
setting pace : one of fast, slow = fast
setting pause : duration = 5min
"""


@pytest.mark.parametrize(("name", "given", "value"), [
    ("cap", "8%", Fraction(8, 100)), ("cap", "0.08", Fraction(8, 100)), ("cap", Decimal("0.08"), Fraction(8, 100)), ("cap", "10%", Fraction(1, 10)),
    ("buffer", "12%", Fraction(12, 100)), ("free", "90%", Fraction(9, 10)), ("wide", "90%", Fraction(9, 10)),
    ("stop", "4_000 USD", Fraction(4000)), ("nailed", 3, Fraction(3)), ("names", ["B"], frozenset({"B"})), ("names", '["B"]', frozenset({"B"})),
    ("pace", "slow", "slow"), ("pause", "30s", Fraction(30 * 10**9)),
])
def test_outside_values_are_read_by_type(good, name, given, value):
    checked = good(KNOBS, settings={name: Outside(given, "--set")})
    assert checked.settings[name].value == value
    assert checked.settings[name].origin == "--set"


@pytest.mark.parametrize(("name", "given", "code"), [
    ("cap", "12%", "CAP454"), ("buffer", "8%", "CAP454"), ("stop", "6_000 USD", "CAP454"), ("nailed", 2, "CAP454"), ("wide", "unlimited", None),
    ("cap", "unlimited", "CAP454"), ("cap", "ten", "CAP201"), ("cap", "", "CAP455"), ("cap", "account.drawdown", "CAP315"), ("stop", 4000, "CAP311"),
    ("pace", "slwo", "CAP204"), ("capp", "8%", "CAP205"), ("names", [1], "CAP455"), ("cap", "-5%", "CAP316"), ("nailed", "2.5", "CAP323"),
])
def test_outside_values_that_are_refused(good, errors, name, given, code):
    if code is None:
        assert good(KNOBS, settings={name: given}).settings[name].value is None
    else:
        assert [found for found, _ in errors(KNOBS, settings={name: given})] == [code]


def test_a_setting_follows_the_one_it_is_made_of(good):
    assert good(KNOBS, settings={"cap": "5%"}).settings["double"].value == Fraction(1, 10)


def test_overrides_end_at_midnight_of_the_policy(good):
    checked = good(USE + 'input regime : one of bull, bear\nsetting cap : ratio = 10% within 0%..50% lower is safer { tighten for regime bear = 5% '
                   'loosen for symbol "X" = 11% through 2026-03-31 approved by "CRO" ticket "R-1" }')
    bear, loosened = checked.settings["cap"].overrides
    assert bear.scopes == (("regime.value", "bear"),)
    assert (bear.value, bear.until_ns) == (Fraction(5, 100), None)
    assert loosened.scopes == (("symbol", "X"),)
    assert loosened.until_ns == 1775016000 * 10**9  # 2026-04-01T04:00:00Z: New York is at UTC-4


def test_settings_defined_by_each_other_are_one_error(errors):
    assert [code for code, _ in errors(RULE + "setting a : ratio = b\nsetting b : ratio = a")] == ["CAP220"]
