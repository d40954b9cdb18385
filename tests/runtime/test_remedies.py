"""What would make an intent pass, on policies and facts that people write."""
from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import caplex
from caplex.runtime import remedies
from caplex.runtime.decision import Decision
from caplex.runtime.paths import BadPath
from caplex.runtime.policy import Policy
from caplex.runtime.remedies import trials
from caplex.runtime.remedy import Change, Remedies, to_dict

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples" / "quickstart"
HEADER = """policy desk {{
  version "1" language 1 mode enforce currency USD timezone "UTC" overrides tightest wins lot 1
  unlimited loss unlimited exposure
  stages {stages} closing {closing}
}}
"""
FACTS: dict[str, Any] = {
    "now": "2026-01-05T15:00:00Z",
    "intent": {"action": "open", "symbol": "AAPL", "side": "buy", "quantity": "100", "strategy": "momentum"},
    "account": {"equity": "100000", "day_start_equity": "100000", "peak_equity": "100000", "as_of": "2026-01-05T14:59:59Z"},
    "positions": {}, "orders": [], "market": {"AAPL": {"price": "100", "as_of": "2026-01-05T14:59:58Z"}},
    "history": {"complete_from": "2026-01-01T00:00:00Z", "events": []}, "switches": {}}


def policy(text: str, stages: str = "SYS, KILL, ORD, EXEC, EXP", closing: str = "skips EXEC, EXP") -> Policy:
    return caplex.loads(HEADER.format(stages=stages, closing=closing) + text)


def found(desk: Policy, **changes: Any) -> Remedies:
    """The remedies, each of them done and decided again."""
    facts = {**FACTS, **changes}
    decision = desk.decide(facts)
    answer = remedies.find(decision)
    for offer in answer.offers:
        again = remedies.decide_with(desk, facts, offer)
        assert (again.verdict, again.if_approved or again.quantity) == (offer.verdict, offer.quantity), offer.text
    assert desk.decide(facts).to_dict() == decision.to_dict()
    assert remedies.find(desk.decide(facts)) == answer
    return answer


def texts(answer: Remedies) -> list[str]:
    return [offer.text for offer in answer.offers]


# ── the quickstart ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "wanted", "unmet"), [
    ("1-allowed", [], []),
    ("2-trimmed", ["at most 526", "account.equity at least 1_204_512.18 USD (now 1_034_594.334 USD)",
                   "a change of the policy: max_position at least 9.3139% (now 8%)"], []),
    ("3-held", [], ['EXP-030 wants approval by head-of-desk: `hold when intent.symbol in thin_names for approval by role "head-of-desk" within 1d`']),
    ("4-loss-stop", ["account.equity at least 1_003_746.57 USD (now 992_753.285 USD)"], []),
    ("5-closing", [], []),
    ("6-kill-switch", ["account.equity at least 932_708.54 USD (now 926_510.329 USD)"], []),
    ("7-flip", ["at most 779, which only closes", "account.equity at least 932_708.54 USD (now 926_510.329 USD)"], []),
])
def test_the_quickstart(name: str, wanted: list[str], unmet: list[str]) -> None:
    desk = caplex.load(QUICKSTART / "desk.cap")
    facts = json.loads((QUICKSTART / "facts" / f"{name}.json").read_text(encoding="utf-8"))
    answer = remedies.find(desk.decide(facts))
    assert texts(answer) == wanted
    assert [each.text for each in answer.unmet] == unmet
    for offer in answer.offers:
        assert remedies.decide_with(desk, facts, offer).verdict is offer.verdict


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_setting_that_nothing_overrides_can_be_offered_too() -> None:
    desk = policy("use stdlib.order_sanity as sanity (max_order_value = 5_000 USD)")
    answer = found(desk)
    assert texts(answer) == ["at most 50", "a change of the policy: sanity.max_order_value at least 10_000 USD (now 5_000 USD)"]
    assert answer.offers[1].changes == (Change(where="policy", path="sanity.max_order_value", value="10000"),)
    assert answer.offers[1].steps[0].binds == "sanity.max_order_value"
    assert (answer.offers[1].steps[0].now, answer.offers[1].steps[0].wanted) == ("5_000 USD", "10_000 USD")


DURATION = """
setting pause : duration = 5min  within 1min..10min
cooldown EXEC-020 { deny during pause after last fill for each symbol }
"""


def test_a_duration_is_offered_as_one() -> None:
    history = {"complete_from": "2026-01-01T00:00:00Z", "events": [{"type": "fill", "at": "2026-01-05T14:58:00Z", "symbol": "AAPL", "side": "buy",
                                                                   "quantity": "1", "price": "100"}]}
    assert texts(found(policy(DURATION), history=history)) == [
        "not before 2026-01-05 15:03:00Z, with fresh readings", "a change of the policy: pause at most 2min (now 5min)"]
    history["events"][0]["at"] = "2026-01-05T14:59:30Z"  # type: ignore[index]
    assert texts(found(policy(DURATION), history=history)) == ["not before 2026-01-05 15:04:30Z, with fresh readings"]


RANGE = """
setting most : money = 5_000 USD  within 0 USD..8_000 USD  lower is safer
limit EXP-010 { intent.notional at most most else deny }
"""


def test_a_setting_stays_in_its_range() -> None:
    desk = policy(RANGE, closing="faces every rule")
    facts = {**FACTS, "intent": {**FACTS["intent"], "quantity": "80"}}
    assert texts(found(desk, intent=facts["intent"])) == ["at most 50", "a change of the policy: most at least 8_000 USD (now 5_000 USD)"]
    facts["intent"]["quantity"] = "81"
    assert texts(found(desk, intent=facts["intent"])) == ["at most 50"]
    with pytest.raises(ValueError, match="`most` cannot be 8100: it lies outside what the policy declares"):
        remedies.apply(desk.plan, facts, [Change(where="policy", path="most", value="8100")])
    with pytest.raises(ValueError, match="`most` cannot be 'plenty': it wants a finite decimal"):
        remedies.apply(desk.plan, facts, [Change(where="policy", path="most", value="plenty")])
    with pytest.raises(ValueError, match="the policy has no setting `least`"):
        remedies.apply(desk.plan, facts, [Change(where="policy", path="least", value="1")])
    with pytest.raises(BadPath):
        remedies.apply(desk.plan, facts, [Change(where="facts", path="orders[3].price", value="1")])


def test_a_change_leaves_policy_and_facts_as_they_were() -> None:
    desk = policy(RANGE, closing="faces every rule")
    plan, facts = remedies.apply(desk.plan, FACTS, [Change(where="policy", path="most", value="6000"), Change(where="facts", path="intent.quantity", value="60")])
    assert (plan.settings["most"].value, desk.plan.settings["most"].value) == (6000, 5000)
    assert (facts["intent"]["quantity"], FACTS["intent"]["quantity"]) == ("60", "100")
    assert type(desk)(plan).decide(facts).verdict.value == "ALLOW"
    assert desk.decide(facts).verdict.value == "DENY"


# ── times ─────────────────────────────────────────────────────────────────────────────────────────────


def event(kind: str, at: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "at": at, "symbol": "AAPL", "side": "buy", "strategy": "momentum", "quantity": "1", "price": "100", **more}


def test_the_later_of_two_waits_counts() -> None:
    desk = policy("""
throttle EXEC-010 { deny beyond 2 orders in any 1min for each strategy }
cooldown EXEC-020 { deny during 5min after last fill for each symbol }
""")
    events = [event("order", "2026-01-05T14:59:20.5Z"), event("order", "2026-01-05T14:59:40Z"), event("fill", "2026-01-05T14:55:30Z")]
    answer = found(desk, history={"complete_from": "2026-01-01T00:00:00Z", "events": events})
    assert texts(answer) == ["not before 2026-01-05 15:00:30Z, with fresh readings"]
    assert answer.offers[0].changes == (
        Change(where="facts", path="now", value="2026-01-05T15:00:30.000000Z"),
        Change(where="facts", path="account.as_of", value="2026-01-05T15:00:29.000000Z"),
        Change(where="facts", path="market.AAPL.as_of", value="2026-01-05T15:00:28.000000Z"))
    assert answer.offers[0].steps[0].rules == ("EXEC-010", "EXEC-020")


def test_a_crowd_of_events() -> None:
    """Of 400 orders in a minute the one that stands in the way is found without trying every instant."""
    desk = policy("throttle EXEC-010 { deny beyond 150 orders in any 1min }")
    events = [event("order", f"2026-01-05T14:59:{second:02d}.{part}Z") for second in range(20, 60) for part in range(10)]
    answer = found(desk, history={"complete_from": "2026-01-01T00:00:00Z", "events": events})
    assert texts(answer) == ["not before 2026-01-05 15:00:45Z, with fresh readings"]


def test_time_and_size_together() -> None:
    desk = policy("""
cooldown EXEC-020 { deny during 5min after last fill for each symbol }
limit EXP-010 { abs(after.position.notional) at most 2_500 USD else reduce }
""")
    history = {"complete_from": "2026-01-01T00:00:00Z", "events": [event("fill", "2026-01-05T14:58:00Z")]}
    answer = found(desk, history=history)
    assert texts(answer) == ["not before 2026-01-05 15:03:00Z, with fresh readings; then at most 25"]
    assert answer.offers[0].quantity == Decimal(25)


# ── switches ──────────────────────────────────────────────────────────────────────────────────────────

SWITCH = """
limit EXP-010 { abs(after.position.notional) at most 2.5% of account.equity else reduce }
kill switch KILL-010 for each strategy {
  trip when account.drawdown >= 10%
  while tripped deny opening
  rearm by 2 of "risk-officer" and 30min after trip and when (account.drawdown < 8% or portfolio.gross == 0 USD)
  on rearm rebase account.peak_equity to account.equity
}
"""


def test_first_the_switch_then_a_smaller_size() -> None:
    rows = {"KILL-010/momentum": {"state": "tripped", "since": "2026-01-05T14:30:00Z"}, "KILL-010/value": {"state": "tripped"}}
    answer = found(policy(SWITCH), switches=rows)
    rearm = "re-arm KILL-010 (2 of risk-officer, not before 2026-01-05 15:00:00Z, when (account.drawdown < 8% or portfolio.gross == 0 USD), account.peak_equity becomes 100_000 USD)"
    assert texts(answer) == [f"{rearm}; then at most 25", f"{rearm}; then account.equity at least 400_000 USD (now 100_000 USD)"]
    assert [step.kind for step in answer.offers[0].steps] == ["operator", "size"]
    assert answer.offers[0].changes[0] == Change(where="facts", path='switches["KILL-010/momentum"].state', value="armed")


def test_rows_of_a_list_are_found_too() -> None:
    rows = [{"id": "KILL-020", "state": "armed"}, {"id": "KILL-010", "scope": {"strategy": "momentum"}, "state": "tripped"}]
    answer = found(policy(SWITCH), switches=rows, intent={**FACTS["intent"], "quantity": "25"})
    assert answer.offers[0].changes == (Change(where="facts", path="switches[1].state", value="armed"),
                                        Change(where="facts", path="account.peak_equity", value="100000"))


# ── what cannot be met, and what cannot be asked ──────────────────────────────────────────────────────


def test_a_list_of_names_has_no_remedy() -> None:
    desk = policy("""
setting blocked : set of symbol = ["AAPL", "TSLA"]
rule ORD-030 { deny when intent.symbol in blocked }
limit EXP-010 { intent.notional at most 1_000 USD else deny }
""")
    answer = found(desk)
    assert [(each.rule, each.text) for each in answer.unmet] == [
        ("ORD-030", "ORD-030 cannot be met for this intent: `deny when intent.symbol in blocked`")]


def test_a_decision_that_was_read_back_has_none() -> None:
    decision = policy(RANGE, closing="faces every rule").decide(FACTS)
    back = Decision.from_dict(decision.to_dict())
    assert remedies.find(back) == Remedies()


@pytest.mark.parametrize("facts", [{}, {"now": "x"}, {"intent": 1}, {**FACTS, "now": None}, {**FACTS, "intent": {"action": "open"}}, {**FACTS, "orders": 5},
                                   {**FACTS, "intent": {**FACTS["intent"], "quantity": "0"}}, {**FACTS, "market": {}},
                                   {**FACTS, "history": None}, {**FACTS, "switches": {"KILL-010": "tripped"}}])
def test_no_document_breaks_the_search(facts: dict[str, Any]) -> None:
    desk = policy(SWITCH + DURATION)
    decision = desk.decide(facts)
    answer = remedies.find(decision)
    assert decision.verdict.value == "DENY"
    assert answer.offers or answer.unmet
    assert {each.rule for each in answer.unmet} <= {reason.rule for reason in decision.reasons}


def test_the_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = policy(SWITCH)
    switches = {"KILL-010": {"state": "tripped"}}
    monkeypatch.setattr(trials, "MOST_TRIALS", 2)
    made = []
    monkeypatch.setattr(trials, "judge", lambda plan, bound, judge=trials.judge: made.append(1) or judge(plan, bound))
    answer = remedies.find(desk.decide({**FACTS, "switches": switches}))
    assert len(made) <= 3  # and the decision as it was
    assert not answer.offers
    assert answer.unmet


def test_remedies_are_json() -> None:
    answer = found(policy(RANGE, closing="faces every rule"))
    told = json.loads(json.dumps(to_dict(answer)))
    assert told["unmet"] == []
    assert told["remedies"][0] == {
        "text": "at most 50", "then": {"verdict": "ALLOW", "quantity": "50", "approvals": []},
        "steps": [{"kind": "size", "text": "at most 50", "rules": ["EXP-010"], "binds": None, "now": "100", "wanted": "50",
                   "changes": [{"where": "facts", "path": "intent.quantity", "value": "50"}]}]}
