"""EP-4's documents, answered by a `.cap` policy and the actuator.

Reads one JSON object a line, ``{"id", "kind", "input"}``, and writes one result a line, in the same order. It translates and
decides nothing: what EP-4 configures and observes becomes facts, its action becomes the actuator's, and the exchange that a
case describes is played.

    python adapter.py < cases.jsonl
    python adapter.py cases.jsonl
"""
from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import caplex
from caplex.runtime.actuator import Actuator, FactsDesk
from caplex.runtime.brokers.protocol import BrokerRejected, BrokerUnknown
from caplex.runtime.clock import exact_instant

HERE = Path(__file__).resolve().parent
Document = Mapping[str, Any]

WORDS: Mapping[str, Mapping[str, str]] = {
    "type": {"OPEN": "open", "CLOSE": "close", "ADJUST": "adjust", "CANCEL": "cancel", "NOOP": "noop"},
    "side": {"LONG": "long", "SHORT": "short"},
    "order_type": {"MARKET": "market", "LIMIT": "limit"},
    "time_in_force": {"GTC": "gtc", "IOC": "ioc"},
}
# Gates that EP-4's text describes and its code lacks: our fact, section and key in EP-4's words, and how it is read.
MORE = (
    (("inputs", "config", "max_open_positions"), "risk_config", "max_open_positions", "number"),
    (("inputs", "config", "max_opens"), "risk_config", "max_opens_per_symbol", "number"),
    (("inputs", "config", "max_cancels"), "risk_config", "max_cancels_per_window", "number"),
    (("inputs", "config", "max_latency"), "risk_config", "max_api_latency_ms", "milliseconds"),
    (("inputs", "config", "max_reject_rate"), "risk_config", "max_rejection_rate", "number"),
    (("inputs", "config", "min_free_margin"), "risk_config", "min_free_margin", "number"),
    (("inputs", "config", "failed_cooldown"), "risk_config", "cooldown_after_failed_safe", "seconds"),
    (("session", "opens_at"), "risk_config", "session_opens", "instant"),
    (("session", "closes_at"), "risk_config", "session_closes", "instant"),
    (("inputs", "counted", "open_positions"), "risk_context", "open_positions", "number"),
    (("inputs", "counted", "opens"), "risk_context", "opens_for_symbol", "number"),
    (("inputs", "counted", "cancels"), "risk_context", "cancels_in_window", "number"),
    (("inputs", "counted", "since_failed"), "risk_context", "seconds_since_failed_safe", "seconds"),
    (("account", "margin_free"), "risk_context", "free_margin", "number"),
    (("venue", "latency"), "risk_context", "latency_ms", "milliseconds"),
    (("venue", "reject_rate"), "risk_context", "rejection_rate", "number"),
)
RAISED: Mapping[str, type[Exception]] = {"TimeoutError": TimeoutError, "ValueError": ValueError, "ConnectionError": ConnectionError}


class Refused(Exception):
    """What was given is not one of EP-4's documents."""


# ── action and facts ──────────────────────────────────────────────────────────────────────────────────


def action_of(given: Document | None) -> dict[str, Any] | None:
    """EP-4's action in the actuator's words. A word that EP-4 does not have stays wrong, and is not made to fit."""
    if given is None:
        return None
    return {
        "action_id": given.get("action_id"), "kind": _word("type", given), "symbol": given.get("symbol"), "direction": _word("side", given),
        "quantity": _number(given.get("quantity")), "delta": _number(given.get("delta_quantity")), "order_type": _word("order_type", given),
        "limit_price": _number(given.get("limit_price")), "reduce_only": given.get("reduce_only"), "time_in_force": _word("time_in_force", given)}


def _word(name: str, given: Document) -> Any:
    value = given.get(name)
    return WORDS[name].get(value, f"not {name}: {value}") if isinstance(value, str) else value


def _number(value: Any) -> Any:
    """EP-4's numbers are numbers; a text that looks like one is none."""
    return {"text": value} if isinstance(value, str) else value


def facts_of(given: Document) -> dict[str, Any]:
    """What EP-4 knows when it is asked, as one facts document."""
    context, config, risk, limits = (given[part] for part in ("context", "risk_config", "risk_context", "constraints"))
    symbol, venue = context["symbol"], {}
    facts: dict[str, Any] = {
        "now": _instant(context["timestamp"]),
        "account": {"equity": _number(risk["account_balance"])},
        "positions": {symbol: {"quantity": _number(risk["current_position_size"])}},
        "orders": [],
        "session": {},
        "venues": {context["exchange"]: venue},
        "market": {symbol: {"price": _number(risk["current_price"])}},
        # EP-4 counts for itself; what is sent here is added by the desk.
        "history": {"complete_from": "0001-01-01T00:00:00Z", "events": []},
        "inputs": {
            "config": {
                "max_position": _number(config["max_position_size"]), "max_notional": _number(config["max_notional"]),
                "max_leverage": _number(config["max_leverage"]), "max_actions": _number(config["max_actions_per_minute"]),
                "min_gap": _seconds(config["cooldown_seconds"])},
            "counted": {"since_last": _seconds(risk["time_since_last_action"]), "actions": _number(risk["actions_in_last_minute"])},
            "constraints": {
                "min_size": _number(limits["min_order_size"]), "max_size": _number(limits["max_order_size"]), "step": _number(limits["step_size"]),
                "tick": _number(limits["tick_size"]), "margin_mode": limits["margin_mode"], "max_leverage": _number(limits["max_leverage"])}}}
    for path, section, key, reading in MORE:
        value = given[section].get(key)
        if value is not None:
            _put({**facts, "venue": venue}, path, READ[reading](value))
    return facts


def _put(facts: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        facts = facts[name]
    facts[path[-1]] = value


def _seconds(value: Any) -> Any:
    """A duration; what is no number of seconds is none."""
    return f"{value:f}s" if isinstance(value, Decimal) else f"{value}s" if type(value) is int else value


def _milliseconds(value: Any) -> Any:
    return _seconds(Decimal(value).scaleb(-3)) if type(value) is int or isinstance(value, Decimal) else value


def _instant(value: Any) -> str:
    """EP-4's times are seconds since 1970; what is none is told as it is, and found unusable."""
    try:
        return exact_instant(int(Decimal(value).scaleb(9)))
    except (ArithmeticError, ValueError):
        return str(value)


READ: Mapping[str, Callable[[Any], Any]] = {"number": _number, "seconds": _seconds, "milliseconds": _milliseconds, "instant": _instant}


# ── the exchange of a case ────────────────────────────────────────────────────────────────────────────


class Played:
    """An exchange that answers as a case says, and remembers how often it was called."""

    def __init__(self, answer: str) -> None:
        self.answer, self.calls = answer, list[str]()

    def place(self, order: Document, *, client_order_id: str) -> Document:
        return self._answer({"status": "open", "client_order_id": client_order_id})

    def cancel_open_orders(self, symbol: str | None, *, client_order_id: str) -> Document:
        return self._answer({"status": "cancelled", "client_order_id": client_order_id})

    def _answer(self, acknowledgement: Document) -> Document:
        self.calls.append(self.answer)
        if self.answer.startswith("RAISE:"):
            raise RAISED.get(self.answer.removeprefix("RAISE:"), RuntimeError)(self.answer)
        match self.answer:
            case "ACKNOWLEDGED":
                return acknowledgement
            case "REJECTED":
                raise BrokerRejected("rejected")
            case "TIMEOUT":
                raise BrokerUnknown
        return {"status": self.answer}


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=1)
def policy() -> caplex.Policy:
    return caplex.load(HERE / "policy.cap")


def execute(given: Document) -> dict[str, Any]:
    with _translating():
        facts, action, context = facts_of(given), action_of(given["action"]), given["context"]
        decision, exchange = given["decision"], Played(given["exchange"])
        authorisation = {"decision_code": decision["decision_code"], "trace_id": decision["trace_id"], "decision_id": decision.get("decision_id")}
        about = {"account": context["account_id"], "venue": context["exchange"], "symbol": context["symbol"]}
        turns = range(given.get("repeat", 1))
        forced = "reached" if given["risk_config"].get("cancel_on_failed_safe") else "never"
    actuator = Actuator(FactsDesk(policy(), lambda intent: facts), exchange, cancel_after=forced)
    results = []
    for _ in turns:
        result = actuator.execute(action, authorisation, at=facts["now"], about=about)
        results += [result] if result.followed_by is None else [result, result.followed_by]
    return {
        "results": [{"action_id": each.action_id, "result": each.result, "reason": each.reason_code} for each in results],
        "exchange_calls": len(exchange.calls)}


ANSWERS: dict[str, Callable[[Document], dict[str, Any]]] = {"execute": execute}


def answer(line: str) -> dict[str, Any]:
    try:
        with _translating():
            case = json.loads(line, parse_float=Decimal, object_hook=_finite)
            kind, given = case["kind"], case["input"]
        if kind not in ANSWERS:
            raise Refused(f"kind {kind!r} is not answered")
        return ANSWERS[kind](given)
    except Refused as error:
        return {"refused": True, "error": str(error)}


@contextmanager
def _translating() -> Iterator[None]:
    """What goes wrong while a document is read is the document's fault."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"not an EP-4 document: {error!r}") from error


def _finite(document: dict[str, Any]) -> Any:
    """Non-finite numbers arrive as ``{"$f": "nan"}``; they stay what they are, and whoever reads them refuses."""
    return Decimal(document["$f"]) if document.keys() == {"$f"} else document


def main(arguments: list[str], lines: Iterable[str]) -> int:
    for line in Path(arguments[0]).read_text(encoding="utf-8").splitlines() if arguments else lines:
        if line.strip():
            print(json.dumps(answer(line)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], sys.stdin))
