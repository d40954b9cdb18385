"""The actuator over a policy and facts that the host brings, without an engine."""
from __future__ import annotations

import copy
import json
from typing import Any

from bench import ABOUT, POLICY, Recording, opening, policy, short

from caplex.runtime.actuator import Actuator, FactsDesk, Result

FACTS = json.loads((POLICY.parent / "facts" / "open.json").read_text(encoding="utf-8"))


class Host:
    def __init__(self) -> None:
        self.facts = copy.deepcopy(FACTS)
        self.facts["positions"] = {}
        self.exchange = Recording()
        self.desk = FactsDesk(policy(), lambda intent: self.facts)
        self.actuator = Actuator(self.desk, self.exchange)

    def do(self, name: str, second: int, **more: Any) -> Result:
        self.facts["now"] = f"2026-01-05T15:00:{second:02}Z"
        yes = {"decision_code": "AUTHORIZED_ACTION", "trace_id": "T", "decision_id": "D"}
        return self.actuator.execute(opening(name, symbol="BTCUSDT", **more), yes, at=self.facts["now"], about=ABOUT)


def test_the_facts_that_are_shipped_say_what_their_page_says() -> None:
    assert policy().decide(FACTS).code == "MAX_NOTIONAL"


def test_what_was_sent_is_added_to_the_history() -> None:
    host = Host()
    assert short(host.do("a-1", 0)) == ("SUCCESS", "OK")
    assert short(host.do("a-2", 0)) == ("FAILED_SAFE", "MIN_GAP")
    assert short(host.do("a-3", 1)) == ("SUCCESS", "OK")
    assert short(host.do("a-1", 2)) == ("NOOP", "DUPLICATE_ACTION")
    assert len(host.exchange.calls) == 2
    assert [event["result"] for event in host.desk.events if event["type"] == "result"] == ["SENT", "SUCCESS", "FAILED_SAFE", "SENT", "SUCCESS", "NOOP"]


def test_decisions_have_ids_that_follow_from_what_was_asked() -> None:
    one, other = Host().do("a-1", 0), Host().do("a-1", 0)
    assert one.decision_id == other.decision_id
    assert one.decision_id != Host().do("a-2", 0).decision_id


def test_an_engine_knows_how_long_results_are_read() -> None:
    """A pause of any length would have them kept for ever."""
    assert policy().plan.keep_ns["results"] == 24 * 3600 * 10**9


def test_without_history_nothing_is_sent() -> None:
    host = Host()
    del host.facts["history"]
    assert host.do("a-1", 0).result == "FAILED_SAFE"
    assert host.exchange.calls == []
