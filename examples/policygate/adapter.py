"""PolicyGate's documents, answered by a `.cap` policy.

Reads one JSON object a line, ``{"id", "kind", "input"}``, and writes one result a line, in the same order. It
translates and decides nothing: what PolicyGate configures becomes a policy, as `caplex import policygate` makes it, what it
observes becomes facts, and the decision's reasons become its list of rules.

    python adapter.py < cases.jsonl            answer cases
    python adapter.py cases.jsonl              the same
    python adapter.py --policy policy.json     print the policy that a PolicyGate configuration becomes
"""
from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from policygate_contracts import CONTRACTS, METRICS, AuditEvent, fields_wrong, policy_as_written, policy_fields_wrong
from ruamel.yaml import YAML

import caplex
from caplex.compiler.importing import policygate
from caplex.runtime.brokers.sim import SimBroker
from caplex.runtime.stream import BrokerFailed, Stream

HERE = Path(__file__).resolve().parent
Document = Mapping[str, Any]

ACCOUNT = "portfolio"  # PolicyGate has one, whatever its intents say
LATCHES = {"KILL-010": "KILL-001", "KILL-020": "KILL-001"}  # where the engine keeps the switch, it is PolicyGate's one rule
DEFAULTS: Document = {
    "version": "0.1", "timezone": "UTC", "defaults": {"mode": "enforce", "decision": "deny"},
    "limits": {
        "exposure": {"max_position_pct": Decimal("0.10"), "max_gross_exposure_x": Decimal(2), "max_net_exposure_x": Decimal(1)},
        "loss": {"daily_loss_limit_pct": Decimal("0.02"), "max_drawdown_pct": Decimal("0.05")},
        "execution": {"max_orders_per_minute_global": 20, "max_orders_per_minute_by_strategy": 10},
        "kill_switch": {"trip_on_rules": ["LOSS-002"], "trip_after_n_violations": 3, "violation_window_seconds": 300}},
    "overrides": {"symbols": {}, "strategies": {}}}


class Refused(Exception):
    """What was given is not one of PolicyGate's documents."""


# ── configuration → policy ────────────────────────────────────────────────────────────────────────────


def policy_text(config: Document, *, counted: bool = True) -> str:
    """The `.cap` policy that says what *config* says, as `caplex import policygate` makes it from a file."""
    return policygate.policy_text(policygate.Imported(config), counted=counted)


@lru_cache(maxsize=1)
def _audit() -> caplex.Policy:
    return caplex.load(HERE / "audit.cap")


@lru_cache(maxsize=256)
def _load(text: str) -> caplex.Policy:
    return caplex.loads(text, name="policygate.cap")


# ── observations → facts ──────────────────────────────────────────────────────────────────────────────


def facts_of(given: Document) -> dict[str, Any]:
    """Intent, portfolio, market and execution state as one facts document."""
    intent, portfolio, market, execution = (given[part] for part in ("intent", "portfolio", "market", "execution"))
    return {
        "now": intent["timestamp"],
        "intent": {
            "id": intent["intent_id"], "action": "open", "symbol": intent["instrument"]["symbol"], "side": intent["side"],
            "quantity": intent["qty"], "order_type": intent["order_type"], "limit_price": intent["limit_price"],
            "strategy": intent["strategy_id"]},
        "account": account_of(portfolio),
        "positions": {symbol: {"quantity": quantity} for symbol, quantity in portfolio["positions"].items()},
        "orders": [],
        "market": {symbol: {"price": price} for symbol, price in market["prices"].items()},
        "inputs": {"execution": {"kill_switch_active": execution["kill_switch_active"]}},
        "counters": {
            "orders_last_60s_global": execution["orders_last_60s_global"],
            "orders_last_60s_by_strategy": execution["orders_last_60s_by_strategy"].get(intent["strategy_id"], 0)},
        "history": history_of(execution),
        "switches": {}}


def account_of(portfolio: Document) -> dict[str, Any]:
    return {"equity": portfolio["equity"], "day_start_equity": portfolio["start_of_day_equity"], "peak_equity": portfolio["peak_equity"]}


def history_of(execution: Document) -> dict[str, Any]:
    """PolicyGate hands in the whole window, so the history is complete as far back as anyone asks."""
    return {"complete_from": "1970-01-01T00:00:00Z", "events": [
        {"type": "violation", "at": at, "rule": rule} for at, rule in execution["violations_last_window"]]}


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────


def evaluate(given: Document) -> dict[str, Any]:
    with _translating():
        text, facts = policy_text(given["policy"]), facts_of(given)
    decision = _load(text).decide(facts)
    return {
        "decision": str(decision.verdict), "rules": _rules(decision),
        "kill_switch_triggered": "KILL-010" in [trip.switch for trip in decision.tripped], "modified_qty": _modified(decision)}


def _rules(decision: caplex.Decision) -> list[str]:
    rules = [reason.code or reason.rule for reason in decision.reasons] + [told.rule for told in decision.monitored]
    return list(dict.fromkeys(LATCHES.get(rule, rule) for rule in rules))


def _modified(decision: caplex.Decision) -> str | None:
    return f"{decision.quantity:f}" if decision.verdict == caplex.Verdict.MODIFY else None


def stream(given: Document) -> dict[str, Any]:
    """Intents one after the other through the engine, their orders through a simulated broker that fills at once or not at all."""
    broker = FailingBroker(given["broker"].get("fail_on", ()))
    told: list[dict[str, Any]] = []
    tripped: list[dict[str, Any]] = []  # who evaluates keeps PolicyGate's latch: a trip sets it from the next intent on
    failed = None

    def tell(kind: str, said: Mapping[str, Any]) -> None:
        if kind == "refused":
            raise Refused(said["message"])
        if kind == "decision":
            told.append(_decided(caplex.Decision.from_dict(said)))
        if kind == "trip":
            tripped.append({"type": "input", "at": said["at"], "name": "execution", "values": {"kill_switch_active": True}})

    with _translating():
        text, events = policy_text(given["policy"], counted=False), list(_events(given))
    with caplex.Engine(_load(text)) as engine:
        running = Stream(engine, broker, tell=tell)
        try:
            for event in events:
                running.take(event)
                while tripped:
                    running.take(tripped.pop())
        except BrokerFailed as error:
            failed = str(error)
        summary = running.tally.to_dict(engine, running.run)
        killed = engine.facts()["inputs"]["execution"]["kill_switch_active"]
    answered = {
        "decisions": told, "final_positions": {row["symbol"]: row["quantity"] for row in summary["positions"]}, "kill_switch_active": killed}
    return answered if failed is None else {**answered, "error": failed}


class FailingBroker(SimBroker):
    """One whose connection breaks at some of its orders, as PolicyGate's tests have it."""

    def __init__(self, fail_on: Iterable[int]) -> None:
        super().__init__(rest=False)
        self._calls, self._fail_on = count(1), set(fail_on)

    def place(self, order: Mapping[str, Any], *, client_order_id: str) -> Mapping[str, Any]:
        if next(self._calls) in self._fail_on:
            raise ConnectionError("the connection to the venue is gone")
        return super().place(order, client_order_id=client_order_id)


def _events(given: Document) -> Iterator[dict[str, Any]]:
    """What PolicyGate holds fixed during a run, and then its intents."""
    portfolio, prices, execution = given["portfolio"], given["market"]["prices"], given["execution"]
    facts = [facts_of({**given, "intent": intent}) for intent in given["intents"]]
    at = facts[0]["now"] if facts else given["market"]["timestamp"]
    yield {"type": "account", "at": at, "account": ACCOUNT, **account_of(portfolio)}
    yield {**history_of(execution), "type": "history", "at": at, "account": ACCOUNT}
    for symbol, quantity in portfolio["positions"].items():
        yield {"type": "position", "at": at, "account": ACCOUNT, "symbol": symbol, "quantity": quantity}
    for symbol, price in prices.items():
        yield {"type": "quote", "at": at, "symbol": symbol, "price": price}
    yield {"type": "input", "at": at, "name": "execution", "values": {"kill_switch_active": execution["kill_switch_active"]}}
    for each in facts:
        yield {**each["intent"], "type": "intent", "at": each["now"], "account": ACCOUNT}


def _decided(decision: caplex.Decision) -> dict[str, Any]:
    told = decision.to_dict()
    return {"intent_id": told["intent_id"], "decision": str(decision.verdict), "rules": _rules(decision), "modified_qty": _modified(decision)}


def replay(given: Document) -> dict[str, Any]:
    """Whether a line of PolicyGate's audit log is what its policy says today. A line bears no chain: what a rule does not
    read, such as its strategy, may have been changed."""
    event, config = given["event"], given["policy"]
    if fields_wrong(AuditEvent, event):
        raise Refused("no audit event of PolicyGate: " + ", ".join(fields_wrong(AuditEvent, event)))
    with _translating():
        recorded = event["decision"]
        facts = {"policy": config, "intent": event["intent"], "portfolio": event["portfolio_state"], "market": event["market_snapshot"],
                 "execution": event["execution_state"]}
        modified = recorded["modified_intent"]
        was = {"decision": recorded["decision"], "rules": [each["rule_id"] for each in recorded["violations"]],
               "kill_switch_triggered": recorded["kill_switch_triggered"],
               "modified_qty": None if modified is None else modified["qty"]}
    line = {**facts_of(facts), "now": event["timestamp"], "inputs": {"line": {"intent_made_at": event["intent"]["timestamp"]}}}
    now = evaluate(facts)
    for answer in (was, now):
        answer["modified_qty"] = None if answer["modified_qty"] is None else Decimal(answer["modified_qty"])
    measured = [] if now["rules"] == ["SYS-001"] else [name for name, path in METRICS.items() if config["limits"][path[0]][path[1]] is not None]
    same = [now == was, _audit().decide(line).permits, recorded["intent_id"] == event["intent"]["intent_id"], event["policy_hash"] == policy_hash(config),
            [each["metric"] for each in recorded["evidence"]] == measured,
            modified is None or {**modified, "qty": None} == {**event["intent"], "qty": None}]
    return {"match": all(same)}


def policy_hash(config: Document) -> str:
    """How PolicyGate names a policy: by its text, which is taken to be YAML in blocks, in the order of its documentation."""
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = yaml.sort_base_mapping_type_on_output = False
    yaml.dump(policy_as_written(config), text)
    return hashlib.sha256(text.getvalue().encode()).hexdigest()


def load_policy(given: Document) -> dict[str, Any]:
    with _translating():
        text = given["yaml"]
    return _accepted(policy_fields_wrong(text))


def validate(kind: str) -> Callable[[Document], dict[str, Any]]:
    return lambda given: _accepted(fields_wrong(CONTRACTS[kind], given))


def _accepted(wrong: list[str]) -> dict[str, Any]:
    return {"ok": False, "fields": wrong} if wrong else {"ok": True}


ANSWERS: dict[str, Callable[[Document], dict[str, Any]]] = {
    "evaluate": evaluate, "stream": stream, "replay": replay, "policy_load": load_policy, **{kind: validate(kind) for kind in CONTRACTS}}


def answer(line: str) -> dict[str, Any]:
    try:
        with _translating():
            case = json.loads(line, parse_float=Decimal, object_hook=_number)
            kind, given = case["kind"], case["input"]
        if kind not in ANSWERS:
            raise Refused(f"kind {kind!r} is not answered yet")
        return ANSWERS[kind](given)
    except caplex.PolicyError as error:
        return {"refused": True, "error": "; ".join(diagnostic.message for diagnostic in error.diagnostics)}
    except Refused as error:
        return {"refused": True, "error": str(error)}


@contextmanager
def _translating() -> Iterator[None]:
    """What goes wrong while a document is read is the document's fault."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"not a PolicyGate document: {error!r}") from error


def _number(document: dict[str, Any]) -> Any:
    """Non-finite numbers arrive as ``{"$f": "nan"}``; they stay what they are, and whoever reads them refuses."""
    return Decimal(document["$f"]) if document.keys() == {"$f"} else document


def main(arguments: list[str], lines: Iterable[str]) -> int:
    if arguments[:1] == ["--policy"]:
        config = json.loads(Path(arguments[1]).read_text(encoding="utf-8"), parse_float=Decimal) if arguments[1:] else DEFAULTS
        print(policy_text(config), end="")
        return 0
    for line in Path(arguments[0]).read_text(encoding="utf-8").splitlines() if arguments else lines:
        if line.strip():
            print(json.dumps(answer(line)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], sys.stdin))
