"""The state as JSON values, and back: what a store keeps so that opening an engine need not fold from the beginning.

A snapshot only speeds things up. It is believed where it names a record of the journal by number and hash, and made anew
from the journal where it does not.
"""
from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from operator import attrgetter
from typing import Any, Final

from caplex.runtime import holds, rearming
from caplex.runtime.engine import transfers
from caplex.runtime.engine.lines import Answer
from caplex.runtime.engine.state import Account, Latch, Order, Past, Position, Seen, State

FORM: Final = 4
"""Changes whenever a field does: a snapshot of another form is left aside."""
_PLAIN: Final = ("counters", "inputs", "obligations", "session", "strategies", "venues", "fx")


@dataclass(frozen=True, slots=True)
class Leaving:
    """What goes out of memory because the archive has it: all answers, ids of events and fills, and of the rest these."""

    orders: frozenset[str]
    holds: frozenset[str]
    by_client: frozenset[str]
    by_intent: frozenset[str]


_NOTHING: Final = Leaving(frozenset(), frozenset(), frozenset(), frozenset())


def leaving(state: State) -> Leaving:
    """Orders that take no room any more, holds that nobody can lift any more, and names of orders that are not in memory then."""
    ended = frozenset(name for name, order in state.orders.items() if not order.flows)
    kept = state.orders.keys() - ended
    return Leaving(
        ended, frozenset(name for name, hold in state.holds.items() if hold.ended is not None or hold.expired(state.now_ns)),
        frozenset(name for name, target in state.by_client.items() if target not in kept),
        frozenset(name for name, target in state.by_intent.items() if target not in kept))


def dump(state: State, without: Leaving | None = None) -> dict[str, Any]:
    """What is in memory, as JSON values alone; numbers that are exact fractions are written as such. Order counts."""
    less = without or _NOTHING
    found: dict[str, Any] = {
        "form": FORM, "seq": state.seq, "now_ns": state.now_ns, "shared_ns": state.shared_ns, "asked_ns": state.asked_ns,
        "accounts": {name: _account(held) for name, held in state.accounts.items()},
        "positions": [[*key, *_position(row)] for key, row in state.positions.items()],
        "counted": [[*key, at] for key, at in state.counted.items()],
        "held": {account: [[symbol, list(map(list, rows))] for symbol, rows in symbols.items()] for account, symbols in state.held.items()},
        "orders": [order_row(order) for name, order in state.orders.items() if name not in less.orders],
        "working": {account: [[symbol, list(orders)] for symbol, orders in symbols.items()] for account, symbols in state.working.items()},
        "by_intent": {name: target for name, target in state.by_intent.items() if name not in less.by_intent},
        "by_client": {name: target for name, target in state.by_client.items() if name not in less.by_client},
        "traders": {account: sorted(names) for account, names in state.traders.items()},
        "market": [[*key, dict(row)] for key, row in state.market.items()],
        "instruments": [[*key, dict(row)] for key, row in state.instruments.items()],
        **{name: getattr(state, name) for name in _PLAIN},
        "histories": {name: {section: [[past.at_ns, dict(past.row)] for past in pasts] for section, pasts in each.items()}
                      for name, each in state.histories.items()},
        "latches": [_latch(latch) for latch in state.latches.values()],
        "holds": {name: hold.stored() for name, hold in state.holds.items() if name not in less.holds},
        "seen": {}, "event_ids": [], "fills": {},
    }
    if without is None:
        found["seen"] = {name: [seen.hash, seen.decision_id, seen.at_ns, seen.kept_ns, document_of(seen)] for name, seen in state.seen.items()}
        found["event_ids"] = [[*key, digest] for key, digest in state.event_ids.items()]
        found["fills"] = dict(state.fills)
    return found


def whole(state: State) -> dict[str, Any]:
    """All of the state, wherever it lies: two engines that saw the same have the same, whatever either keeps in memory."""
    found = dump(state)
    found["orders"] = [order_row(order) for order in state.every("orders").values()]
    found["seen"] = {name: [seen.hash, seen.decision_id, seen.at_ns, seen.kept_ns, document_of(seen)] for name, seen in state.every("seen").items()}
    found["event_ids"] = [[*key, digest] for key, digest in state.every("event_ids").items()]
    found["holds"] = {name: hold.stored() for name, hold in state.every("holds").items()}
    for name in ("fills", "by_client", "by_intent"):
        found[name] = state.every(name)
    return found


def document_of(seen: Seen) -> dict[str, Any]:
    """What was answered."""
    return seen.told.again() if isinstance(seen.told, Answer) else dict(seen.told)


def load(stored: Mapping[str, Any]) -> State | None:
    """The state that `dump` told; None if it is of another form."""
    if stored.get("form") != FORM:
        return None
    state = State(seq=stored["seq"], now_ns=stored["now_ns"], shared_ns=stored["shared_ns"], asked_ns=stored["asked_ns"])
    for name, told in stored["accounts"].items():
        state.accounts[name] = _read_account(told)
    _load_book(state, stored)
    for venue, symbol, row in stored["market"]:
        state.set_quote(venue, symbol, row)
    for venue, symbol, row in stored["instruments"]:
        state.set_instrument(venue, symbol, row)
    for name in _PLAIN:
        setattr(state, name, dict(stored[name]))
    for name, each in stored["histories"].items():
        state.histories[name] = {section: deque(Past(section, at, row) for at, row in rows) for section, rows in each.items()}
    for told in stored["latches"]:
        latch = _read_latch(told)
        state.latches[latch.switch, latch.scope] = latch
    state.seen = {name: Seen(*told) for name, told in stored["seen"].items()}
    state.event_ids = {(kind, name): digest for kind, name, digest in stored["event_ids"]}
    state.fills = dict(stored["fills"])
    state.holds = {name: holds.restored(told) for name, told in stored["holds"].items()}
    return state


def _load_book(state: State, stored: Mapping[str, Any]) -> None:
    """Positions and orders: what lies by symbol lies there in the order of its own."""
    for account, venue, symbol, side, *told in stored["positions"]:
        state.positions[account, venue, symbol, side] = _read_position(told)
    state.counted = {(account, venue, symbol, side): at for account, venue, symbol, side, at in stored["counted"]}
    for account, symbols in stored["held"].items():
        state.held[account] = {symbol: {tuple(key): state.positions[tuple(key)] for key in keys} for symbol, keys in symbols}
    for told in stored["orders"]:
        order = read_order(told)
        state.orders[order.id] = order
    for account, symbols in stored["working"].items():
        state.working[account] = {symbol: {name: state.orders[name] for name in names} for symbol, names in symbols}
    for order in state.orders.values():
        if order.status == "reserved" and order.expires_ns is not None:
            state.lapses.setdefault(order.account, []).append((order.expires_ns, order.id))
    for lapses in state.lapses.values():
        lapses.sort()  # a sorted list is a heap
    state.by_intent, state.by_client = dict(stored["by_intent"]), dict(stored["by_client"])
    state.traders = {account: set(names) for account, names in stored["traders"].items()}


def _number(value: Fraction | None) -> str | None:
    return None if value is None else str(value)


def _fraction(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


_MONEY: Final = ("peak", "day_start", "flows", "fees")
_ORDER: Final = tuple(field.name for field in fields(Order))
_UNITS: Final = tuple(_ORDER.index(name) for name in ("quantity", "filled", "reported", "presumed"))
_FIELDS: Final = attrgetter(*_ORDER)


def _account(held: Account) -> dict[str, Any]:
    told = {field.name: _number(getattr(held, field.name)) if field.name in _MONEY else getattr(held, field.name) for field in fields(Account)}
    return {**told, "outgoing": [each.stored() for each in held.outgoing.values()]}


def _read_account(told: Mapping[str, Any]) -> Account:
    values: dict[str, Any] = {name: _fraction(value) if name in _MONEY else value for name, value in told.items()}
    going = [transfers.restored(each) for each in told["outgoing"]]
    return Account(**{**values, "outgoing": {each.intent_id: each for each in going}})


def _position(row: Position) -> list[Any]:
    return [_number(row.quantity), _number(row.average_price), row.as_of_ns, dict(row.more)]


def _read_position(told: list[Any]) -> Position:
    quantity, price, as_of, more = told
    return Position(Fraction(quantity), _fraction(price), as_of, more)


def order_row(order: Order) -> list[Any]:
    """The order in JSON values, field by field; `read_order` reads it."""
    told = list(_FIELDS(order))
    for place in _UNITS:
        told[place] = str(told[place])
    return told


def read_order(told: list[Any]) -> Order:
    values = list(told)
    for place in _UNITS:
        values[place] = Fraction(values[place])
    return Order(*values)


def _latch(latch: Latch) -> dict[str, Any]:
    told = {field.name: getattr(latch, field.name) for field in fields(Latch)}
    return {**told, "scope": [list(each) for each in latch.scope], "cause": dict(latch.cause) if latch.cause is not None else None,
            "confirming": {str(clause): list(held) for clause, held in latch.confirming.items()},
            "request": latch.request.stored() if latch.request is not None else None}


def _read_latch(told: Mapping[str, Any]) -> Latch:
    return Latch(**{
        **told, "scope": tuple((name, value) for name, value in told["scope"]),
        "confirming": {int(clause): (held[0], held[1]) for clause, held in told["confirming"].items()},
        "request": rearming.restored(told["request"]) if told["request"] is not None else None})
