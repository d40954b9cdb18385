"""Settings: values, who may move them, overrides."""
from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest

from caplex.compiler.semantics.outside import Outside, normal, recorded

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


TIGHTENED = ('setting cap : ratio = 10% lower is safer {} {{ tighten for symbol "X" = 5% loosen for symbol "Y" = 20% through 2026-03-31 approved by "CRO" }}\n'
             "limit EXP-910 {{ abs(after.position.notional) at most cap of account.equity else reduce }}\n")


@pytest.mark.parametrize(("given", "default", "tightened"), [("10%", 10, 5), ("7%", 7, 5), ("5%", 5, 5), ("2%", 2, 2), ("0%", 0, 0)])
def test_a_tighten_never_undoes_a_safer_value_from_outside(good, given, default, tightened):
    cap = good(TIGHTENED.format(""), settings={"cap": Outside(given, "--set")}).settings["cap"]
    assert cap.value == Fraction(default, 100)
    assert [override.value for override in cap.overrides] == [Fraction(tightened, 100), Fraction(20, 100)]  # the loosen is approved, and stays


@pytest.mark.parametrize("given", ["30%", "unlimited"])
def test_a_riskier_default_from_outside_leaves_the_overrides(good, given):
    cap = good(TIGHTENED.format("open"), settings={"cap": given}).settings["cap"]
    assert [override.value for override in cap.overrides] == [Fraction(5, 100), Fraction(20, 100)]


def test_the_same_where_higher_is_safer_and_unlimited_is_a_value(good):
    text = ('setting buffer : ratio = 10% higher is safer { tighten for symbol "X" = 15% }\n'
            'setting most : quantity = unlimited lower is safer { tighten for symbol "X" = 15 units }\n'
            "limit EXP-910 { account.available at least buffer of account.equity else deny }\nlimit EXP-920 { intent.quantity at most most else deny }\n")
    found = good(text, settings={"buffer": "20%", "most": "9 units"}).settings
    assert [found[name].overrides[0].value for name in ("buffer", "most")] == [Fraction(20, 100), Fraction(9)]


def test_words_of_overrides_are_weighed_in_the_file_alone(good, errors):
    text = ('setting cap : ratio = 10% lower is safer\nsetting double : ratio = cap * 2 lower is safer {{ tighten for symbol "X" = {} }}\n'
            "limit EXP-910 {{ abs(after.position.notional) at most double of account.equity else reduce }}\n")
    double = good(text.format("12%"), settings={"cap": "5%"}).settings["double"]
    assert (double.value, double.overrides[0].value) == (Fraction(10, 100), Fraction(10, 100))
    double = good(text.format("cap * 1.5"), settings={"cap": "5%"}).settings["double"]
    assert (double.value, double.overrides[0].value) == (Fraction(10, 100), Fraction(75, 1000))
    for settings in ({}, {"cap": "5%"}, {"double": "20%"}):
        assert [code for code, _ in errors(text.format("25%"), settings=settings)] == ["CAP410"]


def test_words_of_overrides_are_weighed_against_the_argument_of_use(good, errors, tmp_path):
    (tmp_path / "m.cap").write_text('setting cap : ratio = 10% lower is safer { tighten for symbol "X" = 5% }\n'
                                    "limit EXP-010 { abs(after.position.notional) at most cap of account.equity else reduce }\n", encoding="utf-8")
    assert [code for code, _ in errors('use "m.cap" as m (cap = 4%)', base=tmp_path)] == ["CAP410"]
    cap = good('use "m.cap" as m (cap = 6%)', base=tmp_path, settings={"m.cap": "4%"}).settings["m.cap"]
    assert (cap.value, cap.overrides[0].value) == (Fraction(4, 100), Fraction(4, 100))


def test_a_default_that_only_a_value_from_outside_can_give(good, errors):
    text = ('setting cap : ratio = unlimited lower is safer\nsetting double : ratio = cap * 2 lower is safer { tighten for symbol "X" = 5% }\n'
            "limit EXP-910 { abs(after.position.notional) at most double of account.equity else reduce }\n")
    assert [code for code, _ in errors(text)] == ["CAP315"]
    double = good(text, settings={"cap": "5%"}).settings["double"]
    assert (double.value, double.overrides[0].value) == (Fraction(10, 100), Fraction(5, 100))


def test_an_override_made_of_a_setting_that_has_no_value_is_one_error(errors):
    text = ('setting cap : ratio = cap\nsetting most : ratio = 5%\nsetting double : ratio = 10% lower is safer { tighten for symbol "X" = cap }\n'
            "limit EXP-910 { abs(after.position.notional) at most double of account.equity else reduce }\nlimit EXP-920 { account.drawdown at most most else deny }\n")
    assert [code for code, _ in errors(text, settings={"most": "4%"})] == ["CAP220"]


# ── approved outside ──────────────────────────────────────────────────────────────────────────────────

APPROVED = {"value": "30%", "approved_by": "CRO", "through": "2026-03-31", "ticket": "R-9"}


def test_an_approval_stands_beside_the_default_until_its_day(good):
    cap = good(TIGHTENED.format(""), settings={"cap": APPROVED}).settings["cap"]
    assert (cap.value, cap.origin) == (Fraction(1, 10), "policy")
    approved = cap.overrides[-1]
    assert (approved.kind, approved.scopes, approved.value, approved.through, approved.approved_by, approved.ticket) == (
        "loosen", (), Fraction(3, 10), "2026-03-31", "CRO", "R-9")
    assert approved.until_ns == 1775016000 * 10**9  # the end of the day in New York


def test_a_safer_value_needs_no_approval_and_its_terms_say_nothing(good):
    cap = good(TIGHTENED.format(""), settings={"cap": APPROVED | {"value": "7%"}}).settings["cap"]
    assert (cap.value, len(cap.overrides)) == (Fraction(7, 100), 2)


@pytest.mark.parametrize(("name", "change", "codes"), [
    ("cap", {"approved_by": None}, ["CAP459"]), ("cap", {"approved_by": " "}, ["CAP459"]), ("cap", {"through": None}, ["CAP459"]), ("cap", {"through": "2026-02-30"}, ["CAP459"]),
    ("cap", {"through": "31.3.2026"}, ["CAP459"]), ("cap", {"thru": "2026-03-31"}, ["CAP459"]), ("cap", {"value": "90%"}, ["CAP316"]),
    ("stop", {"value": "6_000 USD"}, ["CAP454"]), ("nailed", {"value": 2}, ["CAP454"]),
])
def test_approvals_that_are_refused(errors, name, change, codes):
    assert [code for code, _ in errors(KNOBS, settings={name: APPROVED | change})] == codes


def test_what_a_record_keeps_compiles_to_the_same():
    given = {"cap": APPROVED, "names": ["B", "A"], "free": Outside("20%", "--set"), "wide": Decimal("0.2")}
    kept = {name: recorded(value) for name, value in given.items()}
    assert kept == {"cap": {"origin": "settings", **APPROVED}, "names": ["A", "B"], "free": {"value": "20%", "origin": "--set"}, "wide": "0.2"}
    assert json.loads(json.dumps(kept)) == kept
    assert [normal(value) for value in kept.values()] == [
        normal(APPROVED), Outside(["A", "B"]), Outside("20%", "--set"), Outside("0.2")]
