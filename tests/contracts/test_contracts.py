"""The documents of the surface, worked: facts as a host sends them, a day of events as a venue does."""
from __future__ import annotations

from pathlib import Path

import pytest

import caplex
from caplex.runtime.document import read_json

HERE = Path(__file__).parent
LINES = (HERE / "events.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def policy():
    return caplex.load(HERE / "desk_core.cap")


def test_facts_in_full_form(policy):
    decision = policy.decide(read_json((HERE / "facts.json").read_bytes()))
    assert (decision.verdict, str(decision.quantity), decision.decided_by) == ("MODIFY", "25", "EXP-010")
    told = decision.to_dict()
    reason = told["reasons"][0]
    assert reason["message"] == "AAPL would be 65_000 USD; 10% of equity allows 10_000 USD"
    assert (reason["observed"], reason["comparison"], reason["limit"], reason["unit"], reason["permitted"]) == ("65000", "<=", "10000", "USD", "25")
    source = reason["limit_source"]
    assert (source["setting"], source["value"], source["unit"], source["override"]["kind"], source["from"]) == ("max_position", "0.1", "ratio", "default", "policy")
    assert (source["source"]["file"].endswith("desk_core.cap"), source["source"]["column"]) == (True, 1)
    assert policy.plan.sources[source["source"]["file"]].splitlines()[source["source"]["line"] - 1].startswith("setting max_position")
    assert reason["terms"]["max_position"] == "0.1"
    assert [leg["quantity"] for leg in told["order"]["legs"]] == ["25", "25"]
    assert told["valid_until"] == "2026-01-05T15:00:30.000000Z"


def test_a_day_of_events(policy):
    """Each line is taken; what it refers to on other days is flagged or refused in words, and nothing is dropped."""
    engine = caplex.Engine(policy, trust_operators=True)
    engine.apply({"type": "history", "at": "2026-01-05T05:00:00Z", "account": "acct-1", "complete_from": "2026-01-01T00:00:00Z"})
    states, quantity = [], None
    for line in LINES:
        event = read_json(line)
        if event["type"] == "policy":  # a hash alone is no policy: the host activates one
            continue
        if event["type"] == "intent":
            decision = engine.submit({**event, "expires_at": "2026-01-05T15:00:30Z"})
            quantity = decision.to_dict()["reservation"]["quantity"]
            continue
        outcome = engine.apply(event)
        assert outcome.status in ("applied", "late", "rejected"), event["id"]
        states += [each["state"] for each in outcome.to_dict()["reservations"] if each["intent_id"] in ("i-1234", "i-1240")]
    assert quantity == "25"
    assert states[:3] == ["working", "unknown", "working"]
    assert states[-1] == "released"
    held = engine.facts({"id": "x", "account": "acct-1", "symbol": "AAPL"})["positions"]
    assert held["AAPL"]["quantity"] == "30"  # 20 held, 10 filled; one more was filled late, and busted


def test_the_intent_again_is_the_same_answer(policy):
    engine = caplex.Engine(policy)
    for event in map(read_json, LINES):
        if event["type"] == "intent":
            first, again = engine.submit(event), engine.submit(event)
            assert again.repeat_of == first.decision_id
            assert (again.verdict, again.quantity) == (first.verdict, first.quantity)
            other = engine.submit({**event, "quantity": "301"})
            assert (other.verdict, other.decided_by) == ("DENY", "SYS-011")
            assert other.to_dict()["errors"][0]["differs"] == ["/quantity"]
            return
        if event["type"] not in ("operator", "policy"):
            engine.apply(event)
