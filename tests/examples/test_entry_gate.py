"""The entry gate: nine steps, the first that blocks is the answer; and a size in margin."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import caplex

POLICY = Path(__file__).resolve().parents[2] / "examples" / "entry_gate" / "policy.cap"
NOW = "2026-01-05T15:00:00Z"


def facts(*, intent: dict[str, Any] | None = None, book: dict[str, Any] | None = None, entries: list[dict[str, Any]] | None = None,
          fills: list[tuple[str, str]] = [], instruments: dict[str, Any] | None = None) -> dict[str, Any]:  # noqa: B006 - never written to
    asked = {"id": "i-1", "action": "open", "symbol": "BTCUSDT", "side": "buy", "quantity": "0.01", "confidence": "0.85", "leverage": "10"}
    return {
        "now": NOW, "intent": {key: value for key, value in {**asked, **(intent or {})}.items() if value is not None},
        "positions": {}, "orders": [], "market": {"BTCUSDT": {"price": "50000", "as_of": NOW}}, "instruments": instruments or {},
        "history": {"complete_from": "1970-01-01T00:00:00Z", "events": [{"type": "fill", "symbol": symbol, "at": at} for symbol, at in fills]},
        "inputs": {
            "book": {"capital": "5000", "positions": 0, "positions_in_regime": 0, "exposure": "0", "symbol_exposure": "0", **(book or {})},
            "entries": entries or []}}


def entry(confidence: str, direction: str = "long", symbol: str = "BTCUSDT") -> dict[str, str]:
    return {"symbol": symbol, "direction": direction, "confidence": confidence}


GATE = [
    ({}, "ALLOW_NEW_ENTRY"),
    ({"intent": {"confidence": "0.7"}}, "ALLOW_NEW_ENTRY"),
    ({"intent": {"confidence": "0.6999"}}, "BLOCK_LOW_CONFIDENCE"),
    ({"fills": [("ETHUSDT", "2026-01-05T14:59:01Z")]}, "BLOCK_COOLDOWN"),
    ({"fills": [("ETHUSDT", "2026-01-05T14:59:00Z")]}, "ALLOW_NEW_ENTRY"),
    ({"fills": [("BTCUSDT", "2026-01-05T14:55:01Z")]}, "BLOCK_COOLDOWN"),
    ({"fills": [("BTCUSDT", "2026-01-05T14:55:00Z")]}, "ALLOW_NEW_ENTRY"),
    ({"book": {"positions": 9}}, "ALLOW_NEW_ENTRY"),
    ({"book": {"positions": 10}}, "BLOCK_MAX_POSITIONS"),
    ({"book": {"exposure": "4500"}}, "ALLOW_NEW_ENTRY"),
    ({"book": {"exposure": "4500.01"}}, "BLOCK_MAX_EXPOSURE"),
    ({"entries": [entry("0.79")]}, "ALLOW_SCALE_IN"),
    ({"entries": [entry("0.80")]}, "BLOCK_SCALE_IN_RULE"),
    ({"entries": [entry("0.75", "short")]}, "BLOCK_SCALE_IN_RULE"),
    ({"entries": [entry("0.75"), entry("0.70")]}, "BLOCK_SCALE_IN_RULE"),
    ({"entries": [entry("0.99", symbol="ETHUSDT")]}, "ALLOW_NEW_ENTRY"),
    ({"book": {"symbol_exposure": "500"}}, "ALLOW_NEW_ENTRY"),
    ({"book": {"symbol_exposure": "500.01"}}, "BLOCK_MAX_EXPOSURE"),
    ({"book": {"positions_in_regime": 5}}, "BLOCK_REGIME_RULE"),
    ({"intent": {"confidence": "0.1"}, "book": {"positions": 10, "exposure": "9999", "positions_in_regime": 9}}, "BLOCK_LOW_CONFIDENCE"),
    ({"book": {"exposure": "9999", "positions_in_regime": 9}, "entries": [entry("0.99")]}, "BLOCK_MAX_EXPOSURE"),
]


@pytest.mark.parametrize(("given", "outcome"), GATE)
def test_the_first_step_that_blocks_is_the_answer(given: dict[str, Any], outcome: str) -> None:
    decision = caplex.load(POLICY).decide(facts(**given))
    assert decision.outcome == outcome
    assert decision.permits == outcome.startswith("ALLOW")


@pytest.mark.parametrize(
    "intent", [{"confidence": "NaN"}, {"confidence": "2"}, {"quantity": "-1"}, {"quantity": "NaN"}, {"side": "UP"}, {"leverage": "0"}])
def test_what_cannot_be_used_opens_no_gate(intent: dict[str, Any]) -> None:
    given = {**intent, "quantity": None} if "leverage" in intent else intent
    assert not caplex.load(POLICY).decide(facts(intent=given)).permits


@pytest.mark.parametrize(
    ("intent", "book", "quantity"),
    [
        ({"leverage": "1"}, {"capital": "1000"}, "0.00421"),  # 200 × 1.0525 = 210.5 of margin
        ({"leverage": "10"}, {"capital": "1000"}, "0.0421"),
        ({"leverage": "1", "risk_score": "0.5"}, {"capital": "1000"}, "0.002105"),
        ({"leverage": "1"}, {}, "0.02"),  # 1 052.5 is more than the symbol's cap
        ({"leverage": "1"}, {"symbol_exposure": "900"}, "0.002"),
        ({"leverage": "1"}, {"exposure": "4950"}, "0.001"),
        ({"leverage": "1"}, {"symbol_exposure": "990.01"}, "0"),  # 9.99 is below the smallest ticket, and nothing lifts it
        ({"leverage": "1"}, {"capital": "-1000"}, "0"),
    ],
)
def test_a_size_is_margin_within_the_room_that_is_left(intent: dict[str, Any], book: dict[str, Any], quantity: str) -> None:
    policy = caplex.load(POLICY, settings={"counted_order": "0x"})
    assert str(policy.decide(facts(intent={**intent, "quantity": None}, book=book)).quantity) == quantity


def test_a_size_is_floored_to_the_step() -> None:
    policy = caplex.load(POLICY, settings={"counted_order": "0x"})
    given = facts(intent={"leverage": "1", "quantity": None}, book={"capital": "1000"}, instruments={"BTCUSDT": {"lot": "0.001"}})
    assert str(policy.decide(given).quantity) == "0.004"


def test_scaling_in_can_be_switched_off() -> None:
    policy = caplex.load(POLICY, settings={"allow_scale_in": False})
    assert policy.decide(facts(entries=[entry("0.5")])).outcome == "BLOCK_EXISTING_POSITION"


def test_the_notional_is_shown_beside_the_margin() -> None:
    policy = caplex.load(POLICY, settings={"counted_order": "0x"})
    decision = policy.decide(facts(intent={"quantity": None}))
    assert decision.verdict == "ALLOW"
    assert [warned.rule for warned in decision.warnings] == ["GATE-075"]


def test_every_decision_writes_its_two_lines() -> None:
    assert caplex.load(POLICY).decide(facts()).emitted == (
        "[ENTRY_POLICY_DECISION] BTCUSDT buy confidence=85% open=0",
        "[CAPITAL_ALLOCATION] BTCUSDT quantity=0.01 of capital=5_000 USDT exposure=0 USDT leverage=10")
    denied = caplex.load(POLICY).decide(facts(intent={"confidence": "0.1"}))
    assert denied.emitted[1].startswith("[CAPITAL_ALLOCATION] BTCUSDT quantity=0 ")


def test_a_pause_of_nothing_is_switched_off() -> None:
    policy = caplex.load(POLICY, settings={"cooldown_global": "0s", "cooldown_symbol": "0s"})
    assert policy.decide(facts(fills=[("BTCUSDT", NOW)])).outcome == "ALLOW_NEW_ENTRY"
    assert caplex.load(POLICY, settings={"cooldown_global": "0s"}).decide(facts(fills=[("BTCUSDT", NOW)])).outcome == "BLOCK_COOLDOWN"
