"""Streams as data: from a case of `streams/*.yaml` to events, and from answers and state to what is compared; see README.md."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import caplex
from caplex.runtime.canonical import plain as number_text
from caplex.runtime.engine import facts
from caplex.runtime.engine.machine import Machine
from caplex.runtime.policy import Policy
from caplex.runtime.reading import Unreadable, number
from caplex.runtime.roles import Roles

HERE = Path(__file__).resolve().parent / "streams"
HEADER = {
    "version": '"1"', "language": "1", "mode": "enforce", "currency": "USD", "timezone": '"UTC"', "closing": "faces every rule",
    "overrides": "tightest wins", "lot": "1", "unlimited exposure": "", "unlimited loss": ""}
FRESH = "input market { price : price above 0 fresh always }\n"
DAY = "2026-01-05"
BEGIN: list[dict[str, Any]] = [
    {"at": "14:59:00", "account": {"equity": "100000", "available": "100000"}},
    {"history": {"complete_from": "2025-12-01T00:00:00Z"}},
    {"quote": {"AAPL": "100"}},
]
OURS = frozenset({"account", "stop", "result", "session", "cash", "history", "reconcile", "position", "fill", "order", "cancel", "reject", "expire", "intent"})
"""Events that get the account `a` if they name none; `account: null` leaves it out."""
NUMBERED = frozenset({"intent", "fill", "cash", "operator"})
JOURNAL = "journal"
"""Steps of this name happen to the file, and only an engine has one."""


@dataclass
class Answer:
    """What one event came to: the document, or the sentence with which it was refused."""

    told: dict[str, Any] = field(default_factory=dict)
    refused: str | None = None


# ── from a case to events ─────────────────────────────────────────────────────────────────────────────


def suites() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(HERE.glob("*.yaml")):
        for suite in YAML(typ="safe", pure=True).load_all(path.read_text(encoding="utf-8")):
            yield path.stem, suite


@cache
def compiled(text: str) -> Policy:
    return caplex.loads(text, name="case.cap")


def text_of(suite: Mapping[str, Any], families: list[str], body: str | None = None) -> str:
    clauses = {**HEADER, "stages": ", ".join(families), **suite.get("header", {})}
    header = "\n".join(f"  {clause} {value}" for clause, value in clauses.items() if value is not None)
    return f"policy conformance {{\n{header}\n}}\n{FRESH}{suite['policy'] if body is None else body}\n"


def instant(at: str) -> str:
    """``15:00:00`` is of the day of all cases."""
    return at if "T" in at else f"{DAY}T{at}Z"


def steps(suite: Mapping[str, Any], case: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each step of *case* with its events, numbered and dated."""
    at, count = instant("15:00:00"), 0
    begin = suite.get("begin", BEGIN)
    for step in [*begin, {"at": "15:00:00"}, *suite.get("first", []), *case["events"]]:
        at = instant(step["at"]) if "at" in step else at
        events = []
        for kind in [name for name in step if name not in ("at", "expect", "subject", JOURNAL)]:
            for given in expanded(kind, step[kind]):
                count += 1
                events.append(dated(kind, given, at, count))
        yield step, events


def expanded(kind: str, given: Any) -> Iterator[dict[str, Any]]:
    """The short forms: prices by symbol, a side with its size."""
    if kind == "quote" and "symbol" not in given:
        yield from ({"symbol": symbol, **(row if isinstance(row, dict) else {"price": row})} for symbol, row in given.items())
        return
    given = dict(given)
    for side in ("buy", "sell"):
        if kind in ("intent", "fill", "order") and side in given:
            given = {"side": side, "quantity": given.pop(side), **given}
    yield given


def dated(kind: str, given: dict[str, Any], at: str, count: int) -> dict[str, Any]:
    if kind == "intent":
        given = {"action": "open", "symbol": "AAPL", "strategy": "momentum", **given}
    if kind == "fill":
        given = {"symbol": "AAPL", "price": "100", **given}
    if kind in OURS:
        given = {"account": "a", **given}
    if kind in NUMBERED:
        given = {"id": f"{kind[0]}-{count}", **given}
    full = {"type": kind, "at": at, **given}
    return {key: written(value) for key, value in full.items() if value is not None}


def written(value: Any) -> Any:
    """Whole numbers may stand bare in a case; everything else is a text, so that no float gets in."""
    if isinstance(value, float):
        raise AssertionError(f"write {value} as a text")
    if isinstance(value, Mapping):
        return {key: written(item) for key, item in value.items()}
    return [written(item) for item in value] if isinstance(value, list) else value


def terms(suite: Mapping[str, Any]) -> dict[str, Any]:
    """How long reservations are held, and who may act."""
    told = suite.get("terms", {})
    roles = {"schema": "caplex.roles/1", "channels": {}, "people": {
        name: {"roles": row} if isinstance(row, list) else row for name, row in told["people"].items()}} if "people" in told else None
    return {"ttl": timedelta(seconds=told.get("ttl", 30)), "trust": told.get("trust", "people" not in told), "roles": Roles.read(roles) if roles else Roles()}


# ── from answers and state to what is compared ────────────────────────────────────────────────────────


def of_answer(answer: Answer, name: str) -> Any:
    """What *name* of `expect` says of one answer."""
    told = answer.told
    match name:
        case "refused":
            return answer.refused
        case "quantity" | "if_approved":
            return None if told.get(name) is None else number_text(number(told[name]))
        case "reasons":
            return [reason["rule"] for reason in told["reasons"]]
        case "tripped" | "rearmed":
            return [each["switch"] for each in told.get(name, ())]
        case "cause":
            return told["tripped"][0]["cause"]["expression"]
        case "obligations":
            return [duty(each) for each in told.get(name, ())]
        case "discrepancies":
            return [each["problem"] for each in told.get(name, ())]
        case "rejected":
            return told["rejected"]["code"] if told.get("rejected") else None
        case "released":
            return [f"{each['verdict']} {number_text(number(each['quantity']))}" for each in told.get(name, ())]
        case "repeat":
            return told.get("repeat_of") is not None or told.get("status") == "repeat"
        case "late":
            return told.get("late") is True or told.get("status") == "late"
        case "differs":
            return told["errors"][0]["differs"]
        case "valid_until":
            return told["valid_until"].removeprefix(DAY + "T").removesuffix(".000000Z")
    return told.get(name)


def duty(told: Mapping[str, Any]) -> str:
    """``cancel_open_orders o-1``."""
    what = [*told.get("orders", ()), *(f"{row['symbol']} {row['quantity']}" for row in told.get("positions", ())), told.get("channel")]
    return " ".join([told["do"], *(str(each) for each in what if each)])


OF_STATE = frozenset({"reservations", "positions", "switches", "account", "pending", "holds", "unreconciled", "average_price", "orders"})
OF_ANSWERS = frozenset({"refused", "verdict", "quantity", "if_approved", "reasons", "decided_by", "tripped", "rearmed", "cause", "obligations", "discrepancies",
                        "rejected", "released", "repeat", "late", "differs", "valid_until", "usable", "status", "by", "how"})


def of_state(machine: Machine, name: str, wanted: Any) -> Any:
    """What *name* of `expect` says of the state; of maps, only what the case asks about."""
    state = machine.state
    match name:
        case "reservations":
            return [f"{order.intent_id or order.id} {number_text(order.leaves)} {order.state}" for order in state.orders.values() if order.flows]
        case "orders":
            return {name: state.orders[name].state if name in state.orders else None for name in wanted}
        case "positions":
            return {key: number_text(state.positions[at].quantity) if (at := place(key)) in state.positions else "0" for key in wanted}
        case "average_price":
            return {key: number_text(state.positions[place(key)].average_price or 0) for key in wanted}
        case "switches":
            rows = {"/".join([row["id"], *row["scope"].values()]): row["state"] for row in machine.latches().to_dict(max(state.now_ns, 0))}
            return {key: rows.get(key, "armed") for key in wanted}
        case "account":
            row = facts.account_row(state.accounts["a"])
            return {key: as_number(row.get(key)) for key in wanted}
        case "pending":
            return [duty(each) for each in state.obligations.values()]
        case "holds":
            return [hold.intent_id for hold in state.holds.values() if hold.ended is None and not hold.expired(state.now_ns)]
        case "unreconciled":
            return state.accounts["a"].unreconciled is not None
    raise AssertionError(name)


def place(key: str) -> tuple[str, str, str, str]:
    """``AAPL`` is of the account `a`; ``b/AAPL`` of another."""
    account, _, symbol = key.rpartition("/")
    return account or "a", "", symbol, ""


def as_number(value: Any) -> Any:
    try:
        return number_text(number(value))
    except Unreadable:
        return value
