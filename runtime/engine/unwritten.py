"""Closing legs that were permitted while the journal could not be written (`journal failure: closing continues`).

They are kept in memory, and told in a note once the journal can be written again: then their room is taken as of orders of
which nobody knows, and their accounts are unreconciled until somebody has looked.
"""
from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.canonical import sha256, sha256_bytes
from caplex.runtime.clock import format_instant, parse_instant
from caplex.runtime.engine.state import Order, Past, Seen

if TYPE_CHECKING:
    from caplex.runtime.engine.machine import Machine

NOTE: Final = "closing_continued"
ROW: Final = ("symbol", "strategy", "venue", "side", "quantity", "action", "intent_id")


def why(now: int) -> str:
    return f"closing went ahead while the journal could not be written, at {format_instant(now)}"


def note(because: str, decisions: list[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The body of the record: hashes of the intents, and what they were answered."""
    return {"note": NOTE, "because": because, "decisions": [{"hash": digest, "decision": dict(told)} for digest, told in decisions]}


def fold(machine: Machine, body: Mapping[str, Any]) -> None:
    """What the note says has happened."""
    for row in body["decisions"]:
        _one(machine, row["hash"], row["decision"])
    machine.chain = sha256_bytes(f"{machine.chain} {sha256(body)}".encode())


def _one(machine: Machine, digest: str, told: Mapping[str, Any]) -> None:
    state, intent, now = machine.state, told["intent"], parse_instant(told["at"])
    account = told["account"] or ""
    held = state.account(account)
    state.seq, state.now_ns, state.asked_ns = max(state.seq, told["seq"]), max(state.now_ns, now), max(state.asked_ns, now)
    held.last_ns, held.unreconciled = max(held.last_ns, now), why(now)
    state.answer(told["intent_id"], Seen(digest, told["decision_id"], now, state.asked_ns, told))
    if told["reservation"] is None:
        return
    name = told["reservation"]["id"]
    state.set_order(Order(
        name, account, told["venue"] or "", told["symbol"], told["side"], str(intent.get("position_side") or ""), "unknown",
        Fraction(told["quantity"]), Fraction(0), price=intent.get("limit_price"), strategy=told["strategy"], intent_id=told["intent_id"],
        client_order_id=told["intent_id"], reduce_only=intent.get("reduce_only") is True, reservation=name))
    if "order_events" in machine.policy.plan.keep_ns:
        state.past(account, "order_events").append(Past("order_events", now, row_of(told)))


def row_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the history of approved orders keeps of the decision *told*: its limit price if it has one, and the money that it reserved."""
    row = {each: told[each] for each in ROW if told[each] is not None}
    price, reserved = told["intent"].get("limit_price"), told["reservation"]
    if isinstance(price, str):
        row["price"] = price
    if reserved is not None and reserved["notional"] is not None:
        row["notional"] = reserved["notional"]
    return row
