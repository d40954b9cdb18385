"""The front page tells the truth: its picture is what its policy draws, and each sentence beside it is decided again."""
from __future__ import annotations

import os
import re
from functools import cache

import pytest
from guide_pages import ROOT, blocks

import caplex

PICTURE = ROOT / "docs" / "site" / "first-desk.svg"
README = (ROOT / "README.md").read_text(encoding="utf-8")
# The order of `examples/quickstart/facts/4-loss-stop.json`, as the two rules of the front page read it.
FACTS = {
    "now": "2020-02-24T21:05:00Z",
    "intent": {"id": "i-4", "action": "open", "symbol": "KO", "side": "buy", "quantity": "50", "order_type": "market", "strategy": "long_book"},
    "account": {"equity": "992753.285", "day_start_equity": "1024231.191", "peak_equity": "1036337.5"},
    "positions": {"KO": {"quantity": "763"}}, "orders": [], "switches": {},
    "market": {"KO": {"price": "52.589", "as_of": "2020-02-24T21:05:00Z"}},
}


@cache
def policy() -> caplex.Policy:
    (block,) = (block for block in blocks(ROOT / "README.md") if block.language == "cap")
    return caplex.loads(block.text)


def decide(**account: str) -> caplex.Decision:
    return policy().decide({**FACTS, "account": {**FACTS["account"], **account}})


def test_the_picture_is_what_the_policy_draws():
    drawn = caplex.graph(policy(), FACTS).svg()
    if os.environ.get("CAPLEX_WRITE_GOLDENS"):
        PICTURE.write_text(drawn, encoding="utf-8", newline="\n")
    assert PICTURE.read_text(encoding="utf-8") == drawn
    assert re.search(r"!\[[^\]]+\]\(docs/site/first-desk\.svg\)", README)


def test_the_loss_stop_alone_denies():
    decision = decide()
    assert (decision.verdict, [reason.rule for reason in decision.reasons]) == ("DENY", ["LOSS-010"])
    told = re.search(r"broken at ([\d .]+) USD against ([\d .]+) USD", README)
    assert told is not None
    lost, allowed = (each.replace(" ", "_") for each in told.groups())
    assert decision.reason.message == f"lost {lost} USD today; the stop is {allowed} USD"


@pytest.mark.parametrize(("change", "verdict"), [
    ({"equity": "1003746.57"}, "ALLOW"),                    # the equity that the page names
    ({"equity": "1003746.56"}, "DENY"),                     # a cent less
    ({"day_start_equity": "992753.285"}, "ALLOW"),          # tomorrow
])
def test_what_would_help_helps(change, verdict):
    assert "1 003 746.57 USD, or tomorrow" in README
    assert decide(**change).verdict == verdict


def test_selling_what_is_held_goes_through():
    selling = {**FACTS, "intent": {**FACTS["intent"], "action": "close", "side": "sell"}}
    assert policy().decide(selling).verdict == "ALLOW"
    assert "selling what is held goes through" in README


def test_each_of_four_readers_is_spoken_to():
    for reader in ("You trade", "You research", "You answer for risk", "You run the platform"):
        assert README.count(f"- **{reader}.**") == 1
