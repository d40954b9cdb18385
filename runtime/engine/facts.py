"""The facts document that a decision sees: the state, read out for one intent."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caplex.runtime.canonical import plain
from caplex.runtime.clock import exact_instant
from caplex.runtime.engine import transfers
from caplex.runtime.engine.state import FLOWING, ZERO, Account, Key, Latch, Order, Position, State
from caplex.runtime.plan import Plan
from caplex.runtime.reading import Unreadable, number
from caplex.runtime.schema import Schema

TYPES = {"fills": "fill", "order_events": "order", "rejects": "reject", "cancels": "cancel", "denials": "denial", "violations": "violation",
         "stops": "stop", "results": "result"}


def document(plan: Plan, state: State, intent: Mapping[str, Any], now: int) -> dict[str, Any]:
    """``caplex.facts/1`` in full form, for the account that *intent* names. Rows are those of the state: do not change them."""
    name = intent.get("account")
    account = name if isinstance(name, str) else state.only_account
    held = state.accounts.get(account)
    sections = plan.schema.sections
    found: dict[str, Any] = {
        "now": exact_instant(now), "intent": {k: v for k, v in intent.items() if k != "type"},
        "accounts": {account: account_row(held)} if held is not None and held.fields else {},
        "positions": _positions(state, account),
        "orders": [order_row(order) for order in state.flowing(account)],
        "market": _quoted(state.quotes), "instruments": _quoted(state.details),
        "venues": dict(state.venues), "strategies": dict(state.strategies),
        "inputs": inputs(plan.schema, state),
        "history": _history(state, account, held), "counters": dict(state.counters),
        "switches": [switch_row(latch, account) for latch in state.latches.values()],
    }
    if "fx" in sections and state.fx:
        found["fx"] = dict(state.fx)
    if "session" in sections and state.session:
        found["session"] = dict(state.session)
    return found


def inputs(schema: Schema, state: State) -> dict[str, Any]:
    """What the host supplies for this policy; inputs of an earlier policy are kept aside."""
    return {name: value for name, value in state.inputs.items() if (spec := schema.sections.get(name)) is not None and spec.inputs}


def account_row(held: Account) -> dict[str, Any]:
    """What the venue says, and what the engine keeps: high-water mark, start of day, flows, transfers on their way."""
    found = dict(held.fields)
    if held.peak is not None:
        found["peak_equity"] = plain(held.peak)
    if held.day_start is not None:
        found["day_start_equity"] = plain(held.day_start)
    found["net_flows_today"] = plain(held.flows)
    if held.fees:
        found["fees_today"] = plain(held.fees)
    if held.unreconciled is not None:
        found["reconciled"] = False
    if held.outgoing:
        going = sum((each.amount for each in held.outgoing.values()), ZERO)
        for name in transfers.REDUCED:
            try:
                found |= {name: plain(number(found[name]) - going)} if found.get(name) is not None else {}
            except Unreadable:
                continue  # stays as the venue said it, and unusable
    return found


def _named(key: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in zip(("account", "venue", "symbol", "position_side"), key, strict=True) if value}


def _quoted(rows: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Any:
    """A map by symbol where one venue quotes each, else a list."""
    if all(len(venues) == 1 for venues in rows.values()):
        return {symbol: {**({"venue": venue} if venue else {}), **row} for symbol, venues in rows.items() for venue, row in venues.items()}
    return [{"symbol": symbol, **({"venue": venue} if venue else {}), **row} for symbol, venues in rows.items() for venue, row in venues.items()]


def _positions(state: State, account: str) -> Any:
    held = {symbol: keyed for symbol, keyed in state.held.get(account, {}).items() if keyed}
    if all(len(keyed) == 1 for keyed in held.values()):
        return {symbol: position_row(key, row) for symbol, keyed in held.items() for key, row in keyed.items()}
    return [position_row(key, row) for keyed in held.values() for key, row in keyed.items()]


def position_row(key: Key, row: Position) -> dict[str, Any]:
    found = {**_named(key), **row.more, "quantity": plain(row.quantity), "as_of": exact_instant(row.as_of_ns)}
    if row.average_price is not None:
        found["average_price"] = plain(row.average_price)
    return found


def order_row(order: Order) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": order.id, "symbol": order.symbol, "side": order.side,
        "status": order.status if order.status in FLOWING else "partially_filled", "quantity": plain(order.quantity),
        "filled_quantity": plain(order.filled), "leaves_quantity": plain(order.leaves),
    }
    for name in ("account", "venue", "position_side", "strategy", "intent_id", "client_order_id", "price", "oco"):
        value = getattr(order, name)
        if value:
            found[name] = value
    if order.reduce_only:
        found["reduce_only"] = True
    return found


def _history(state: State, account: str, held: Account | None) -> dict[str, Any]:
    events = [
        {**past.row, "type": TYPES[section], "at": exact_instant(past.at_ns), **({"account": account} if account else {})}
        for section, pasts in sorted(state.histories.get(account, {}).items()) for past in pasts]
    found: dict[str, Any] = {"events": events}
    if held is not None and held.complete_from_ns is not None:
        found["complete_from"] = exact_instant(held.complete_from_ns)
    return found


def switch_row(latch: Latch, account: str) -> dict[str, Any]:
    """The switch, as a decision of *account* reads it."""
    found: dict[str, Any] = {"id": latch.switch, "scope": dict(latch.scope), "state": "tripped" if latch.tripped else "armed"}
    if latch.since_ns is not None:
        found["since"] = exact_instant(latch.since_ns)
    if not latch.tripped and latch.before.get(account):
        found["before"] = dict(latch.before[account])
    if latch.confirming:
        # A decision counts what it sees as a reading; here that one has been counted when its event came.
        found["confirming"] = {str(clause): {"readings": max(readings - 1, 0), "since": exact_instant(since)}
                               for clause, (readings, since) in sorted(latch.confirming.items())}
    return found
