"""The engine's books beside the venue's. What does not fit leaves closing alone until somebody has looked.

The venue's word about positions is true; what the engine knew tells whether something has happened that nobody told it.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from caplex.runtime.canonical import plain
from caplex.runtime.clock import format_instant
from caplex.runtime.engine import trades
from caplex.runtime.engine.events import MISSING, VALUE, Event
from caplex.runtime.engine.state import ZERO, Key, Order, Position, State
from caplex.runtime.errors import EventError
from caplex.runtime.reading import Unreadable, number

if TYPE_CHECKING:
    from caplex.runtime.engine.fold import Applied


def on_reconcile(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    """Compare position by position and order by order; *adopt* takes the venue's, and then the books fit."""
    adopt = event.data.get("adopt") is True
    theirs = _positions(event, account)
    mine = {key: row.quantity for key, row in state.positions.items() if key[0] == account}
    for key in sorted({*theirs, *mine}):
        there, here = theirs.get(key, ZERO), mine.get(key, ZERO)
        if there != here:
            applied.flag("position", f"{key[2]}: the venue holds {plain(there)}, the engine knew {plain(here)}",
                         account=account, symbol=key[2], venue_holds=plain(there), engine_knew=plain(here))
            if adopt:
                before = state.positions.get(key)
                counted = trades.said_ns(event)
                if counted is not None:
                    state.counted[key] = counted
                state.set_position(key, Position(there, before.average_price if before else None, now, before.more if before else {}))
    _orders(state, event, account, applied, adopt=adopt)
    held = state.account(account)
    if not applied.discrepancies or adopt:
        held.unreconciled = None
    else:
        held.unreconciled = f"{len(applied.discrepancies)} differences from the venue at {format_instant(now)}"
    applied.sections |= {"account", "positions", "position", "orders"}


def _positions(event: Event, account: str) -> dict[Key, Fraction]:
    found: dict[Key, Fraction] = {}
    for index, row in enumerate(event.data.get("positions") or ()):
        if not isinstance(row, Mapping) or not isinstance(row.get("symbol"), str):
            raise EventError(f"reconcile: /positions/{index}/symbol is missing", code=MISSING, path=f"/positions/{index}/symbol")
        key = account, str(row.get("venue") or ""), row["symbol"], str(row.get("position_side") or "")
        found[key] = _quantity(row, "quantity", f"/positions/{index}/quantity")
    return found


def _quantity(row: Mapping[str, Any], name: str, path: str) -> Fraction:
    try:
        return number(row.get(name))
    except Unreadable as why:
        raise EventError(f"reconcile: {path} is {row.get(name)!r}; {why.limit} is wanted", code=VALUE, path=path) from None


def _orders(state: State, event: Event, account: str, applied: Applied, *, adopt: bool) -> None:
    """Orders that the venue has and we do not, and those that we believe in and the venue does not have."""
    listed: set[str] = set()
    for index, row in enumerate(event.data.get("orders") or ()):
        if not isinstance(row, Mapping) or not isinstance(row.get("id"), str):
            raise EventError(f"reconcile: /orders/{index}/id is missing", code=MISSING, path=f"/orders/{index}/id")
        leaves = _quantity(row, "leaves_quantity", f"/orders/{index}/leaves_quantity")
        known = state.find_order(row["id"], row.get("client_order_id"), row.get("intent_id"))
        listed.add(known.id if known is not None else row["id"])
        if known is not None and known.leaves == leaves:
            continue
        here = plain(known.leaves) if known is not None else "nothing"
        applied.flag("order", f"order {row['id']}: {plain(leaves)} may still fill at the venue, {here} here", account=account, order_id=row["id"])
        if adopt:
            _adopt(state, row, account, known, leaves)
    for order in list(state.flowing(account)):
        if order.id not in listed and order.status != "reserved":
            applied.flag("order", f"order {order.id} is not at the venue; here {plain(order.leaves)} may still fill", account=account, order_id=order.id)
            if adopt:
                trades.close(state, replace(order, reported=order.filled), "cancelled", applied)


def _adopt(state: State, row: Mapping[str, Any], account: str, known: Order | None, leaves: Fraction) -> None:
    if known is not None:
        state.set_order(replace(known, status="open", quantity=known.filled + leaves, reported=known.filled, expires_ns=None))
    elif isinstance(row.get("symbol"), str) and row.get("side") in ("buy", "sell"):
        side: Any = row["side"]
        state.set_order(Order(row["id"], account, str(row.get("venue") or ""), row["symbol"], side, str(row.get("position_side") or ""),
                              "open", leaves, ZERO, client_order_id=row.get("client_order_id"), intent_id=row.get("intent_id")))
