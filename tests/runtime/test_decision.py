"""Decisions and explanations, through a real policy: the document of the contract, bad facts, and what to send."""
from __future__ import annotations

import json
import pickle
import re
from decimal import Decimal

import pytest

import caplex
from caplex.runtime.errors import NotPermitted
from caplex.runtime.facts import Facts

POLICY = '''
policy desk {
  version "3.1.0"  language 1  currency USD  timezone "America/New_York"
  stages SYS, KILL, LOSS, EXEC, EXP
  closing skips LOSS, EXEC, EXP
  overrides tightest wins
}
setting max_position : ratio = 10%  lower is safer  "Largest share" { tighten for symbol "GE" = 5% }
limit LOSS-010 "Daily loss stop" severity high { account.day_loss below 2% of account.day_start_equity else deny }
limit EXP-010 "Position size" severity high {
  abs(after.position.notional) at most max_position of account.equity else reduce
  because "{intent.symbol} would be {after.position.notional}; {max_position} of equity allows {allowed}"
}
limit EXP-020 "Whole book" { after.portfolio.gross at most 2x of account.equity else reduce }
rule EXP-030 "Thin names" { hold when intent.symbol == "RRC" for approval by role "head-of-desk" }
kill switch KILL-010 "Portfolio stop" for account {
  trip when account.drawdown >= 10%
  while tripped deny opening
  rearm by 1 of "risk-officer" and 30min after trip and when (account.drawdown < 8%)
}
'''


@pytest.fixture(scope="module")
def policy():
    return caplex.loads(POLICY, name="desk.cap")


def test_the_document_of_a_modify_is_that_of_the_contract(policy, document):
    legs = [{"id": "i-1.tp", "side": "sell", "quantity": "300", "order_type": "limit", "limit_price": "210.00"},
            {"id": "i-1.half", "side": "sell", "quantity": "150", "order_type": "stop", "stop_price": "194"}]
    decision = policy.decide(document(intent__legs=legs, intent__expires_at="2026-01-05T15:00:30Z", intent__limit_price="200.00", intent__order_type="limit"))
    assert (decision.verdict, decision.quantity, decision.requested, decision.decided_by) == ("MODIFY", Decimal(25), Decimal(300), "EXP-010")
    told = decision.to_dict()
    assert told["order"] == {
        "client_order_id": "i-1", "symbol": "AAPL", "side": "buy", "quantity": "25", "order_type": "limit", "limit_price": "200",
        "legs": [{"id": "i-1.tp", "side": "sell", "quantity": "25", "order_type": "limit", "limit_price": "210"},
                 {"id": "i-1.half", "side": "sell", "quantity": "12", "order_type": "stop", "stop_price": "194"}]}
    (reason,) = told["reasons"]
    assert {name: reason[name] for name in ("rule", "title", "kind", "stage", "severity", "effect", "message", "observed", "comparison", "limit", "unit", "permitted")} == {
        "rule": "EXP-010", "title": "Position size", "kind": "limit", "stage": "EXP", "severity": "high", "effect": "reduce",
        "message": "AAPL would be 65_000 USD; 10% of equity allows 10_000 USD", "observed": "65000", "comparison": "<=", "limit": "10000",
        "unit": "USD", "permitted": "25"}
    assert (told["at"], told["valid_until"]) == ("2026-01-05T15:00:00.000000Z", "2026-01-05T15:00:30.000000Z")
    assert decision.valid_until.isoformat() == "2026-01-05T15:00:30+00:00"
    assert json.loads(json.dumps(told)) == told


def test_a_decision_is_not_a_yes(policy, document):
    with pytest.raises(TypeError, match=r"a decision is not a yes; use \.permits or \.verdict"):
        bool(policy.decide(document()))


def test_the_same_facts_give_the_same_id_and_bytes(policy, document):
    one, two = policy.decide(document()), policy.decide(Facts(dict(reversed(document().items()))))
    assert one.decision_id == two.decision_id
    assert one.decision_id.startswith("d-")
    assert len(one.decision_id) == 18
    assert json.dumps(one.to_dict()) == json.dumps(two.to_dict())
    assert one.decision_id != policy.decide(document(intent__quantity="299")).decision_id


def test_a_decision_survives_its_document_and_a_pickle(policy, document):
    for changes in ({}, {"intent__quantity": "1"}, {"intent__symbol": "RRC"}, {"account__equity": "x"}, {"acount": 1}):
        decision = policy.decide(document(**changes))
        for again in (caplex.Decision.from_dict(decision.to_dict()), pickle.loads(pickle.dumps(decision))):
            assert again.to_dict() == decision.to_dict()
            for name in ("verdict", "quantity", "requested", "decided_by", "outcome", "code", "permits", "if_approved", "emitted", "violated", "decision_id"):
                assert getattr(again, name) == getattr(decision, name), name
            assert [reason.rule for reason in again.reasons] == [reason.rule for reason in decision.reasons]
            assert again.explain().text()


@pytest.mark.parametrize(("changes", "error"), [
    ({"acount": {}}, {"code": "CAP901", "path": "/acount", "problem": "unknown_key", "did_you_mean": "/account"}),
    ({"account__equity": ...}, {"code": "CAP902", "path": "/account/equity", "problem": "missing", "needed_by": ["KILL-010", "LOSS-010", "EXP-010", "EXP-020"]}),
    ({"market__AAPL__as_of": "2026-01-05T14:58:59Z"}, {"code": "CAP903", "path": "/market/AAPL/as_of", "problem": "stale", "observed": "61s", "limit": "5s"}),
    ({"market__AAPL__as_of": "2026-01-05T15:58:59Z"}, {"code": "CAP904", "path": "/market/AAPL/as_of", "problem": "from_the_future"}),
    ({"market__AAPL__price": "-1"}, {"code": "CAP905", "path": "/market/AAPL/price", "problem": "out_of_range", "observed": "-1", "limit": "> 0"}),
    ({"account__equity": "1e999999999"}, {"code": "CAP906", "path": "/account/equity", "problem": "not_a_decimal"}),
    ({"account__equity": True}, {"code": "CAP907", "path": "/account/equity", "problem": "wrong_type"}),
    ({"switches": ...}, {"code": "CAP923", "path": "/switches"}),
    ({"intent__quantity": "0"}, {"code": "CAP905", "path": "/intent/quantity"}),
    ({"now": "2026-01-05T15:00:00"}, {"code": "CAP907", "path": "/now"}),
    ({"instruments": {}}, {"code": "CAP902", "path": "/instruments/AAPL/lot"}),
    ({"positions__TSLA": {"quantity": "5"}}, {"code": "CAP902", "path": "/market/TSLA/price", "needed_by": ["EXP-020"]}),
])
def test_bad_facts_are_denied_and_named(policy, document, changes, error):
    decision = policy.decide(document(**changes))
    assert decision.verdict == "DENY"
    assert decision.quantity == 0
    found = {one["path"]: one for one in decision.errors}[error["path"]]
    assert {name: found[name] for name in error} == error
    assert error["path"] in decision.explain().text(200)
    with pytest.raises(NotPermitted):
        decision.raise_if_denied()
    with pytest.raises(NotPermitted):
        decision.order  # noqa: B018


def test_a_document_with_problems_has_no_facts_hash(policy, document):
    assert policy.decide(document(acount={})).to_dict()["facts_hash"] is None
    assert policy.decide(document()).to_dict()["facts_hash"].startswith("sha256:")


def _deep() -> object:
    value: object = {}
    for _ in range(100_000):
        value = {"a": value}
    return value


def _loop() -> object:
    value: dict[str, object] = {}
    value["a"] = value
    return value


HOSTILE = [None, [], {}, "x", 5, float("nan"), True, _deep(), _loop(), "\ud800", object(), "9" * 10_000, 10**5000, [[[]]], {"": {}}, {1: 2}, b"x", Decimal("NaN")]
PLACES = ["now", "intent", "account", "accounts", "positions", "orders", "market", "instruments", "history", "switches", "counters", "inputs", "fx", "tags",
          "intent__id", "intent__symbol", "intent__account", "intent__venue", "intent__side", "intent__action", "intent__quantity", "intent__position_side",
          "intent__legs", "intent__reduce_only", "intent__expires_at", "intent__tags", "account__equity", "account__currency", "positions__AAPL",
          "positions__AAPL__quantity", "market__AAPL", "market__AAPL__price", "market__AAPL__as_of", "instruments__AAPL__lot", "instruments__AAPL__currency",
          "history__events", "history__complete_from", "switches__KILL-010", "switches__KILL-010__state", "switches__KILL-010__scope"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type(value).__name__)
def test_nothing_in_a_document_raises_or_permits_more(policy, document, place, value):
    decision = policy.decide(document(**{place: value}))
    good = (type(value) is int and value == 5) or (place in ("positions", "orders") and value in ([], {}))  # 5 is a price; [] says "none"
    assert good or decision.quantity <= 25
    json.dumps(decision.to_dict())
    assert decision.explain().text()


@pytest.mark.parametrize("value", [None, [], "x", 5])
def test_facts_that_are_no_document_at_all(policy, value):
    assert policy.decide(value).verdict == "DENY"


def test_a_hold_says_who_may_lift_it(policy, document):
    stamp = "2026-01-05T14:59:59Z"
    decision = policy.decide(document(intent__symbol="RRC", intent__quantity="5", market__RRC={"price": "3", "as_of": stamp}, instruments__RRC={"lot": "1"}))
    assert (decision.verdict, decision.quantity, decision.if_approved) == ("HOLD", 0, 5)
    assert decision.to_dict()["hold"]["needs"] == [{"act": "approve", "rule": "EXP-030", "role": "head-of-desk", "quorum": 1, "have": []}]


def test_an_expired_intent_is_not_to_be_sent(policy, document):
    decision = policy.decide(document(intent__expires_at="2026-01-05T15:00:00Z"))
    with pytest.raises(caplex.StaleDecision):
        decision.order  # noqa: B018


def test_an_order_with_a_price_that_cannot_be_read_is_not_to_be_sent(policy, document):
    decision = policy.decide(document(intent__stop_price="soon"))
    assert decision.permits
    with pytest.raises(NotPermitted):
        decision.order  # noqa: B018


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("changes", [{}, {"intent__quantity": "1"}, {"account__equity": "x"}, {"acount": 1}, {"switches__KILL-010__state": "tripped"}])
def test_explanations_keep_to_their_width(policy, document, width, changes):
    explanation = policy.decide(document(**changes)).explain()
    lines = explanation.text(width).split("\n")
    assert max(map(len, lines)) <= max(width, 40)
    assert all(line == line.rstrip() for line in lines)
    coloured = explanation.text(width, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == explanation.text(width)


def test_an_explanation_tells_every_rule(policy, document):
    explanation = policy.decide(document()).explain()
    text = str(explanation)
    assert text.startswith("MODIFY  buy 300 AAPL · momentum · acct-1 · 2026-01-05 15:00:00Z")
    for part in ("KILL-010", "armed: account.drawdown 0%, trips at 10%", "LOSS-010", "32% used", "≈  65_000 USD, allowed at most 10_000 USD", "would permit 25", "desk.cap:"):
        assert part in text
    told = explanation.to_dict()
    assert [rule["rule"] for rule in told["rules"]] == ["KILL-010", "LOSS-010", "EXP-010", "EXP-020", "EXP-030"]
    rule = told["rules"][2]
    assert (rule["state"], rule["observed"], rule["limit"], rule["headroom"], rule["would_permit"]) == ("reduced", "65000", "10000", "-55000", "25")
    assert json.loads(json.dumps(told)) == told
