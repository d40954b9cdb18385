"""The strategy governor: what takes a slot, what frees it, and who is switched off."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import caplex

POLICY = Path(__file__).resolve().parents[2] / "examples" / "strategy_governor" / "policy.cap"


class Desk:
    """An engine with a clock of seconds, that is told of no trades to begin with."""

    def __init__(self, policy: caplex.Policy | None = None) -> None:
        self.engine = caplex.Engine(policy or caplex.load(POLICY))
        self.number, self.second = 0, 0
        self.tell(type="input", name="trades", values=[])

    def tell(self, **event: Any) -> None:
        self.engine.apply({"at": self.now, **event})

    @property
    def now(self) -> str:
        return f"2026-01-05T15:{self.second // 60:02}:{self.second % 60:02}Z"

    def ask(self, strategy: str = "MOMENTUM", **fields: Any) -> caplex.Decision:
        self.number += 1
        return self.engine.submit({"id": f"i-{self.number}", "at": self.now, "action": "open", "symbol": "AAPL", "side": "buy", "quantity": "1",
                                   "strategy": strategy, "strategy_as_listed": strategy, **fields})

    @property
    def free(self) -> bool:
        """Would another MOMENTUM be approved? Asking takes nothing."""
        return self.engine.peek({"id": "peek", "at": self.now, "action": "open", "symbol": "AAPL", "side": "buy", "quantity": "1",
                                 "strategy": "MOMENTUM"}).permits


@pytest.fixture
def desk() -> Desk:
    found = Desk()
    assert found.ask().permits
    assert not found.free
    return found


@pytest.mark.parametrize("end", [
    {"type": "cancel"}, {"type": "reject"}, {"type": "expire"}, {"type": "release"}, {"type": "order", "status": "cancelled"}])
def test_an_order_that_ends_unfilled_frees_its_slot(desk: Desk, end: dict[str, Any]) -> None:
    desk.tell(id="e-1", intent_id="i-1", **end)
    assert desk.free


def test_an_approval_that_nobody_sends_lapses(desk: Desk) -> None:
    desk.second = 29
    assert not desk.free
    desk.second = 30
    assert desk.free


def test_an_order_at_the_venue_does_not_lapse(desk: Desk) -> None:
    desk.tell(type="order", intent_id="i-1", order_id="o-1", status="open")
    desk.second = 3_000
    assert not desk.free


def test_a_trade_keeps_its_slot_until_it_is_closed(desk: Desk) -> None:
    desk.tell(type="input", name="trades", values=[{"trade": "i-1", "strategy": "MOMENTUM", "symbol": "AAPL"}])
    desk.tell(type="fill", id="f-1", intent_id="i-1", symbol="AAPL", side="buy", quantity="1", price="200")
    desk.second = 3_000
    assert not desk.free
    assert desk.ask(action="close", side="sell", reduce_only=True).permits
    assert not desk.free
    desk.tell(type="fill", id="f-2", intent_id="i-2", symbol="AAPL", side="sell", quantity="1", price="201")
    desk.tell(type="input", name="trades", values=[])
    assert desk.free


def test_an_order_that_filled_in_part_is_one_trade() -> None:
    desk = Desk()
    assert desk.ask("SCALPER", quantity="2").permits
    desk.tell(type="input", name="trades", values=[{"trade": "i-1", "strategy": "SCALPER", "symbol": "AAPL"}])
    desk.tell(type="fill", id="f-1", intent_id="i-1", symbol="AAPL", side="buy", quantity="1", price="200")
    assert desk.ask("SCALPER").permits
    assert not desk.ask("SCALPER").permits


def test_what_is_refused_takes_no_slot() -> None:
    desk = Desk()
    for side in (None, "UP", ""):
        assert not desk.ask(side=side).permits
    assert not desk.ask(quantity="0").permits
    assert desk.ask().permits


def test_one_strategy_takes_no_slot_of_another(desk: Desk) -> None:
    assert desk.ask("SCALPER").permits


def test_a_strategy_is_switched_off_in_the_settings_and_while_the_engine_runs() -> None:
    decision = Desk(caplex.load(POLICY, settings={"disabled": ["MOMENTUM"]})).ask()
    assert [(reason.rule, reason.message) for reason in decision.reasons] == [("STRAT-030", "`MOMENTUM` is switched off")]
    assert decision.emitted == ("[RISK:STRATEGY] MOMENTUM active=0 max=1 → BLOCKED (switched off)",)
    desk = Desk()
    desk.tell(type="strategy", strategy="MOMENTUM", values={"enabled": False})
    assert [reason.rule for reason in desk.ask().reasons] == ["STRAT-030"]
    desk.tell(type="strategy", strategy="MOMENTUM", values={"enabled": True})
    assert desk.ask().permits


def test_a_strategy_that_is_not_listed_is_told_why() -> None:
    decision = Desk().ask("QUANT")
    assert [reason.rule for reason in decision.reasons] == ["STRAT-020"]
    assert decision.reasons[0].message == (
        "intent.strategy is `QUANT`, which is not listed and may not trade: add it to `strategies`, with a number in `max_trades`")


@pytest.mark.parametrize("name", ["scalper", "Scalper", " SCALPER "])
def test_a_known_strategy_in_another_spelling_is_named_with_its_cure(name: str) -> None:
    decision = Desk().ask(name)
    assert [reason.rule for reason in decision.reasons] == ["STRAT-010"]
    for words in ("intent.strategy is `", "the list has `SCALPER`", "`strategy : strategy normalised trim, upper`", "`input intent`"):
        assert words in decision.reasons[0].message


def test_declared_normalisation_makes_one_strategy_of_all_spellings() -> None:
    text = POLICY.read_text(encoding="utf-8").replace("input intent {\n", "input intent {\n  strategy : strategy normalised trim, upper\n")
    desk = Desk(caplex.loads(text))
    assert [desk.ask(name).permits for name in ("scalper", " Scalper ", "SCALPER")] == [True, True, False]


def test_the_line_of_the_log() -> None:
    desk = Desk()
    assert [line for _ in range(3) for line in desk.ask("SCALPER").emitted][-1] == (
        "[RISK:STRATEGY] SCALPER active=2 max=2 → BLOCKED (limit reached)")


def test_without_the_trades_nothing_is_approved() -> None:
    engine = caplex.Engine(caplex.load(POLICY))
    decision = engine.submit({"id": "i-1", "at": "2026-01-05T15:00:00Z", "action": "open", "symbol": "AAPL", "side": "buy", "quantity": "1",
                              "strategy": "SCALPER"})
    assert not decision.permits
    assert decision.errors[0]["path"] == "/inputs/trades"
