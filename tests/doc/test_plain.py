"""Conditions and measures in plain words."""
from __future__ import annotations

import pytest

import caplex

HEADER = """policy p {
  version "1" language 1 mode enforce currency USD stages ORD closing faces every rule overrides tightest wins
  unlimited loss unlimited exposure
}
input regime { label : one of calm, rough  note : text? }
input paused : bool
setting names : set of symbol = ["KO", "PEP"]
setting share : ratio = 10%  within 0%..100%  lower is safer
setting times : ratio = 2x  within 0..10  lower is safer
setting careful : bool = true
let lost = account.peak_equity - account.equity
let long_one = account.peak_equity - account.equity + account.day_start_equity - account.equity + 1 USD
"""


def told(rule: str) -> dict:
    return caplex.document(caplex.loads(HEADER + rule)).to_dict()["rules"][0]


@pytest.mark.parametrize(("condition", "words"), [
    ("account.drawdown >= share", "drawdown is at least 10%"),
    ("intent.symbol in names", "the symbol is among KO or PEP"),
    ("intent.symbol not in [\"KO\"]", "the symbol is not “KO”"),
    ("not (intent.symbol in names)", "the symbol is not among KO or PEP"),
    ("market[\"SPY\"].price < 400 USD", "the market price of SPY is below 400 USD"),
    ("lost > 1_000 USD", "peak equity minus equity is above 1_000 USD"),
    ("lost / account.peak_equity > share", "(peak equity minus equity) divided by peak equity is above 10%"),
    ("regime.label == rough or paused", "regime’s label is rough or “paused” is true"),
    ("paused and (regime.label == calm or account.drawdown within 2%..5%)", "“paused” is true and (regime’s label is calm or drawdown is between 2% and 5%)"),
    ("careful and paused", "‘careful’ is on (it is on) and “paused” is true"),
    ("not careful", "‘careful’ is off (it is on)"),
    ("not paused", "“paused” is false"),
    ("(regime.note else \"none\") == \"stop\"", "regime’s note (if not given: “none”) is “stop”"),
    ("regime.note is not known", "regime’s note is not known"),
    ("count(fills today) >= 20", "the number of fills today is at least 20"),
    ("count(o for o in orders where o.symbol == intent.symbol) + 1 > 3", "(the number of orders in flight where its symbol is the symbol) plus 1 is above 3"),
    ("any(p.quantity > 5 units for p in positions)", "for some of the positions held, its quantity is above 5 units"),
    ("now - (market.as_of else now) > 5s", "the time since the time of the quote (if not given: now) is above 5s"),
    ("intent.notional > times of account.equity", "the value of the order is above 2 times equity"),
    ("intent.notional > 1x of account.equity", "the value of the order is above 100% of equity"),
    ("max(account.equity, account.peak_equity) < 1 USD", "the largest of (equity; peak equity) is below 1 USD"),
    ("abs(position.notional) > 1 USD", "the value of the position (long or short) is above 1 USD"),
    ("abs(account.equity - account.peak_equity) > 1 USD", "the size of (equity minus peak equity) is above 1 USD"),
])
def test_a_condition(condition, words):
    assert told(f"rule ORD-010 {{ deny when {condition} }}")["does"][0] == f"The order is denied when {words}."


@pytest.mark.parametrize(("rule", "sentences"), [
    ("rule ORD-010 { require paused }", ["The order is denied unless “paused” is true."]),
    ("rule ORD-010 { deny opening when paused }", ["What opens is denied when “paused” is true.", "What closes may go."]),
    ("rule ORD-010 { warn when paused }", ["A warning is told when “paused” is true.", "Nothing is taken away."]),
    ("rule ORD-010 { hold when paused for approval by role \"head\" quorum 2 within 1d }", ["The order is held when “paused” is true, until 2 of “head” approve it within 1d."]),
    ("limit ORD-010 { intent.notional at most 5_000 USD else reduce }",
     ["The value of the order must be at most 5_000 USD.", "Otherwise the order is cut to the largest size that keeps this."]),
    ("limit ORD-010 { intent.notional below share of account.equity else hold for approval by role \"head\" }",
     ["The value of the order must be below 10% of equity.", "Otherwise the order is held until one “head” approves it."]),
    ("throttle ORD-010 { deny beyond 10 orders per day for each strategy, symbol reserve 2 for closing }",
     ["At most 10 orders in a day, counted for each strategy and symbol. What goes beyond is denied.", "2 of them are kept for closing."]),
    ("cooldown ORD-010 { deny during 5min after last fill for each symbol where (event.pnl else 0 USD) < 0 USD }",
     ["Nothing for 5min after the last fill, counted for each symbol, of those where its profit or loss (if not given: 0 USD) is below 0 USD. What comes earlier is denied."]),
])
def test_a_rule(rule, sentences):
    assert told(rule)["does"] == sentences


def test_a_long_name_is_told_beside_the_rule():
    rule = told("rule ORD-010 { deny when long_one > 1 USD }")
    assert rule["does"] == ["The order is denied when ‘long one’ is above 1 USD."]
    assert rule["terms"] == [{"name": "‘long one’", "means": "peak equity minus equity plus equity at the start of the day minus equity plus 1 USD"}]


@pytest.mark.parametrize(("head", "applies"), [
    ("", "every order"), (" for open", "open intents"), (" for transfer, cancel", "cancel, transfer intents"),
])
def test_what_a_rule_applies_to(head, applies):
    assert told(f"rule ORD-010{head} {{ deny when paused }}")["applies"] == applies
    assert told(f"rule ORD-010{head} {{ when careful, deny when paused }}")["applies"] == f"{applies}; only when ‘careful’ is on (it is on)"


def test_what_a_rule_says_keeps_its_holes():
    rule = told('limit ORD-010 { intent.notional at most share of account.equity else deny because "{observed} of {intent.symbol}; {share} is {allowed}" }')
    assert rule["because"] == "‹what is measured› of ‹the symbol›; ‹10%› is ‹what is allowed›"
