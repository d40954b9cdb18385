"""The document that the tests of this folder start from, as fixtures: `document` and `world`."""
from __future__ import annotations

import copy
from typing import Any

import pytest

from caplex.compiler.semantics.schema import builtin
from caplex.runtime.facts import World

SHORT: dict[str, Any] = {
    "now": "2026-01-05T15:00:00Z",
    "intent": {"id": "i-1", "action": "open", "symbol": "AAPL", "side": "buy", "quantity": "300", "order_type": "market",
               "strategy": "momentum", "account": "acct-1"},
    "account": {"equity": "100000", "day_start_equity": "100000", "peak_equity": "100000", "available": "50000"},
    "positions": {"AAPL": {"quantity": "20", "average_price": "180"}},
    "orders": [{"id": "o-1", "symbol": "AAPL", "side": "buy", "leaves_quantity": "5", "price": "199"}],
    "market": {"AAPL": {"price": "200", "as_of": "2026-01-05T14:59:59Z"}},
    "instruments": {"AAPL": {"lot": "1", "tick": "0.01"}},
    "strategies": {"momentum": {"active_trades": 1}},
    "history": {"complete_from": "2026-01-05T00:00:00Z", "events": [
        {"type": "fill", "at": "2026-01-05T14:00:00Z", "symbol": "AAPL", "side": "buy", "quantity": "20", "price": "180",
         "strategy": "momentum"}]},
    "counters": {"rejects": 2},
    "switches": {"KILL-010": {"state": "armed"}},
}


def _document(**changes: Any) -> dict[str, Any]:
    """A copy of the short document; ``market__AAPL__price=…`` changes one place, ``...`` takes it away."""
    made = copy.deepcopy(SHORT)
    for path, value in changes.items():
        *steps, last = path.split("__")
        here = made
        for step in steps:
            here = here.setdefault(step, {})
        if value is ...:
            here.pop(last, None)
        else:
            here[last] = value
    return made


def _world(made: Any = None, **changes: Any) -> World:
    return World(builtin(), _document(**changes) if made is None else made, currency="USD", timezone="America/New_York",
                 day_start_ns=17 * 3600 * 10**9)


@pytest.fixture(scope="session")
def document():
    return _document


@pytest.fixture(scope="session")
def world():
    return _world
