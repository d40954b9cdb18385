"""PolicyGate's documents, answered by a `.cap` policy.

Reads one JSON object a line, ``{"id", "kind", "input"}``, and writes one result a line, in the same order. It
translates and decides nothing: what PolicyGate configures becomes settings and overrides of `policy.cap.j2`, what it
observes becomes facts, and the decision's reasons become its list of rules.

    python adapter.py < cases.jsonl            answer cases
    python adapter.py --policy policy.json     print the policy that a PolicyGate configuration becomes
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

import jinja2
from policygate_contracts import CONTRACTS, fields_wrong, policy_fields_wrong

import caplex

HERE = Path(__file__).resolve().parent
Document = Mapping[str, Any]

# Setting of the policy: type, path in PolicyGate's configuration, title.
SETTINGS = {
    "daily_loss_limit": ("ratio", "loss", "daily_loss_limit_pct", "Share of the day's first equity that may be lost"),
    "max_drawdown": ("ratio", "loss", "max_drawdown_pct", "Share of peak equity that may be lost"),
    "max_orders_per_minute": ("count", "execution", "max_orders_per_minute_global", "Orders of the account in a minute"),
    "max_orders_per_minute_by_strategy": (
        "count", "execution", "max_orders_per_minute_by_strategy", "Orders of one strategy in a minute"),
    "max_position": ("ratio", "exposure", "max_position_pct", "Largest share of equity in one symbol"),
    "max_gross": ("ratio", "exposure", "max_gross_exposure_x", "Largest gross book, in multiples of equity"),
    "max_net": ("ratio", "exposure", "max_net_exposure_x", "Largest net book, in multiples of equity"),
    "trip_after_n_violations": ("count", "kill_switch", "trip_after_n_violations", "Violations that trip the switch"),
    "violation_window": ("duration", "kill_switch", "violation_window_seconds", "Window in which violations are counted"),
}
OPTIONAL = ("max_net_exposure_x",)
DIMENSIONS = {"symbols": "symbol", "strategies": "strategy"}
RULES = {"SYS-001": "DATA-010"}
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


# ── configuration → policy text ───────────────────────────────────────────────────────────────────────


def policy_text(config: Document) -> str:
    """The `.cap` policy that says what *config* says."""
    limits = config["limits"]
    switch = limits["kill_switch"]
    return _template().render(
        version=config["version"], timezone=config["timezone"], mode=config["defaults"]["mode"],
        trip_on_rules=[RULES.get(rule, rule) for rule in switch["trip_on_rules"]],
        settings=[
            {"name": name, "type": kind, "title": title, "value": _value(kind, _entry(limits[block], key)),
             "overrides": list(_overrides(config["overrides"], kind, block, key))}
            for name, (kind, block, key, title) in SETTINGS.items()])


def _overrides(overrides: Document, kind: str, block: str, key: str) -> Iterator[dict[str, str]]:
    """PolicyGate overrides whole blocks: what a block leaves out, where it may, is unset there and not inherited."""
    for group, dimension in DIMENSIONS.items():
        for name, blocks in (overrides.get(group) or {}).items():
            if blocks.get(block):
                yield {"dimension": dimension, "key": name, "value": _value(kind, _entry(blocks[block], key))}


def _entry(block: Document, key: str) -> Any:
    return block.get(key) if key in OPTIONAL else block[key]


def _value(kind: str, value: Any) -> str:
    if value is None:
        return "unlimited"
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not Decimal(value).is_finite():
        raise Refused(f"{value!r} is not a number")
    plain = f"{Decimal(value):f}"
    return f"{plain}s" if kind == "duration" else plain


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["quoted"] = _quoted
    return environment.from_string((HERE / "policy.cap.j2").read_text(encoding="utf-8"))


def _quoted(text: str) -> str:
    """A text of the language; what is not printable ASCII is escaped, so nobody's symbol can end it early."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\u{{{ord(c):X}}}" for c in str(text))
    return f'"{plain}"'


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
        "account": {
            "equity": portfolio["equity"], "day_start_equity": portfolio["start_of_day_equity"],
            "peak_equity": portfolio["peak_equity"]},
        "positions": {symbol: {"quantity": quantity} for symbol, quantity in portfolio["positions"].items()},
        "orders": [],
        "market": {symbol: {"price": price} for symbol, price in market["prices"].items()},
        "inputs": {"execution": {"kill_switch_active": execution["kill_switch_active"]}},
        "counters": {
            "orders_last_60s_global": execution["orders_last_60s_global"],
            "orders_last_60s_by_strategy": execution["orders_last_60s_by_strategy"].get(intent["strategy_id"], 0)},
        # PolicyGate hands in the whole window, so the history is complete as far back as anyone asks.
        "history": {"complete_from": "1970-01-01T00:00:00Z", "events": [
            {"type": "violation", "at": at, "rule": rule} for at, rule in execution["violations_last_window"]]},
        "switches": {}}


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────


def evaluate(given: Document) -> dict[str, Any]:
    with _translating():
        text, facts = policy_text(given["policy"]), facts_of(given)
    decision = _load(text).decide(facts)
    rules = [reason.code or reason.rule for reason in decision.reasons] + [told.rule for told in decision.monitored]
    modified = decision.verdict == caplex.Verdict.MODIFY
    return {
        "decision": str(decision.verdict),
        "rules": list(dict.fromkeys(rules)),
        "kill_switch_triggered": "KILL-010" in [trip.switch for trip in decision.tripped],
        "modified_qty": f"{decision.quantity:f}" if modified else None}


def load_policy(given: Document) -> dict[str, Any]:
    with _translating():
        text = given["yaml"]
    return _accepted(policy_fields_wrong(text))


def validate(kind: str) -> Callable[[Document], dict[str, Any]]:
    return lambda given: _accepted(fields_wrong(CONTRACTS[kind], given))


def _accepted(wrong: list[str]) -> dict[str, Any]:
    return {"ok": False, "fields": wrong} if wrong else {"ok": True}


ANSWERS: dict[str, Callable[[Document], dict[str, Any]]] = {
    "evaluate": evaluate, "policy_load": load_policy, **{kind: validate(kind) for kind in CONTRACTS}}


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
    for line in lines:
        if line.strip():
            print(json.dumps(answer(line)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], sys.stdin))
