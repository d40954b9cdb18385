"""The state as JSON values, and back: what a store keeps so that opening an engine need not fold from the beginning.

A snapshot only speeds things up. It is believed where it names a record of the journal by number and hash, and made anew
from the journal where it does not.
"""
from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import fields
from fractions import Fraction
from typing import Any, Final

from caplex.runtime import holds, rearming
from caplex.runtime.engine import transfers
from caplex.runtime.engine.state import Account, Latch, Order, Past, Position, Seen, State

FORM: Final = 2
"""Changes whenever a field does: a snapshot of another form is left aside."""
_PLAIN: Final = ("counters", "fills", "inputs", "obligations", "session", "strategies", "venues", "fx")


def dump(state: State) -> dict[str, Any]:
    """JSON values alone; numbers that are exact fractions are written as such."""
    return {
        "form": FORM, "seq": state.seq, "now_ns": state.now_ns, "shared_ns": state.shared_ns,
        "accounts": {name: _account(held) for name, held in state.accounts.items()},
        "positions": [[*key, _number(row.quantity), _number(row.average_price), row.as_of_ns, dict(row.more)] for key, row in state.positions.items()],
        "counted": [[*key, at] for key, at in state.counted.items()],
        "orders": [_order(order) for order in state.orders.values()],
        "by_intent": state.by_intent, "by_client": state.by_client,
        "market": [[*key, dict(row)] for key, row in state.market.items()],
        "instruments": [[*key, dict(row)] for key, row in state.instruments.items()],
        **{name: getattr(state, name) for name in _PLAIN},
        "histories": {name: {section: [[past.at_ns, dict(past.row)] for past in pasts] for section, pasts in each.items()}
                      for name, each in state.histories.items()},
        "latches": [_latch(latch) for latch in state.latches.values()],
        "seen": {name: [seen.hash, seen.decision_id, seen.at_ns, dict(seen.told)] for name, seen in state.seen.items()},
        "event_ids": [[*key, digest] for key, digest in state.event_ids.items()],
        "holds": {name: hold.stored() for name, hold in state.holds.items()},
    }


def load(stored: Mapping[str, Any]) -> State | None:
    """The state that `dump` told; None if it is of another form."""
    if stored.get("form") != FORM:
        return None
    state = State(seq=stored["seq"], now_ns=stored["now_ns"], shared_ns=stored["shared_ns"])
    for name, told in stored["accounts"].items():
        state.accounts[name] = _read_account(told)
    for account, venue, symbol, side, quantity, price, as_of, more in stored["positions"]:
        state.set_position((account, venue, symbol, side), Position(Fraction(quantity), _fraction(price), as_of, more))
    state.counted = {(account, venue, symbol, side): at for account, venue, symbol, side, at in stored["counted"]}
    for told in stored["orders"]:
        state.set_order(_read_order(told))
    state.by_intent, state.by_client = dict(stored["by_intent"]), dict(stored["by_client"])
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
    state.seen = {name: Seen(digest, decision, at, told) for name, (digest, decision, at, told) in stored["seen"].items()}
    state.event_ids = {(kind, name): digest for kind, name, digest in stored["event_ids"]}
    state.holds = {name: holds.restored(told) for name, told in stored["holds"].items()}
    return state


def _number(value: Fraction | None) -> str | None:
    return None if value is None else str(value)


def _fraction(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


_MONEY: Final = ("peak", "day_start", "flows", "fees")
_UNITS: Final = ("quantity", "filled", "reported", "presumed")


def _account(held: Account) -> dict[str, Any]:
    told = {field.name: _number(getattr(held, field.name)) if field.name in _MONEY else getattr(held, field.name) for field in fields(Account)}
    return {**told, "outgoing": [each.stored() for each in held.outgoing.values()]}


def _read_account(told: Mapping[str, Any]) -> Account:
    values: dict[str, Any] = {name: _fraction(value) if name in _MONEY else value for name, value in told.items()}
    going = [transfers.restored(each) for each in told["outgoing"]]
    return Account(**{**values, "outgoing": {each.intent_id: each for each in going}})


def _order(order: Order) -> dict[str, Any]:
    told = {field.name: getattr(order, field.name) for field in fields(Order)}
    return {**told, **{name: _number(getattr(order, name)) for name in _UNITS}, "more": dict(order.more)}


def _read_order(told: Mapping[str, Any]) -> Order:
    return Order(**{**told, **{name: Fraction(told[name]) for name in _UNITS}})


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
