"""What no table of the compiler says: the meaning of functions, actions, events, and of what is missing.

The reference pages and `caplex explain` share these texts; tests hold their names equal to those of the language.
"""
from __future__ import annotations

from typing import Final

FUNCTIONS: Final = {
    "abs": "`abs(x)`: the size of a number, without its sign.",
    "max": "`max(a, b, …)`: the largest.",
    "min": "`min(a, b, …)`: the smallest.",
    "clamp": "`clamp(x, a..b)`: x, but no less than a and no more than b.",
}
AGGREGATES: Final = {
    "sum": "`sum(p.notional for p in positions)`: of nothing it is 0.",
    "count": "`count(positions)`, `count(p for p in positions where p.quantity > 0 units)`: how many rows.",
    "max": "`max(p.notional for p in positions)`: of nothing it is unknown, so guard it.",
    "min": "`min(p.notional for p in positions)`: of nothing it is unknown, so guard it.",
    "any": "`any(p.symbol == \"SPY\" for p in positions)`: true if one row is; of nothing false.",
    "all": "`all(p.quantity > 0 units for p in positions)`: true if every row is; of nothing true.",
}
ACTIONS: Final = {
    "open": "Asks for `quantity`; without one the policy's `size` fills it.",
    "close": "Asks for the closing leg, or for `quantity`. What exceeds the closing leg is cut unless `reduce_only` is false.",
    "adjust": "Asks for a signed `delta`; its sign is the side.",
    "transfer": "Asks for an `amount` of money; it has no closing leg.",
    "cancel": "One act. Only rules that name it judge it; a switch never stops it.",
    "noop": "One act that does nothing. Only rules that name it judge it.",
}
EVENTS: Final = {
    "orders": "Approved open, close and adjust intents, at their approval. Without a window the word means orders in flight.",
    "fills": "Executions.",
    "rejects": "Orders that the venue refused.",
    "cancels": "Orders that were cancelled.",
    "denials": "Intents that the policy denied.",
    "violations": "Rules that were not kept at the size asked for.",
    "stops": "Positions that a stop closed.",
    "results": "What became of orders.",
}
DIMENSIONS: Final = {
    "symbol": "The instrument.",
    "strategy": "Who had the idea.",
    "account": "Whose money.",
    "venue": "Where it is traded.",
}

ABSENT_MEANS: Final = {
    "account.net_flows_today": "none: 0",
    "instrument.multiplier": "1",
    "instrument.lot": "the header's `lot`; without one SYS-001",
    "instrument.min_quantity": "no minimum",
    "instrument.max_quantity": "no maximum",
    "instrument.min_notional": "no minimum",
    "fills.notional": "`quantity * price`",
    "order_events.notional": "`quantity * price`",
    "position.quantity": "in a row: unknown, SYS-001; no row: flat",
}
"""Where the engine itself gives a missing field a meaning (docs/spec.md, CAP-DERIVED, CAP-SNAP)."""

READS: Final = {
    "state": "the same for every intent",
    "intent": "depends on the intent, not on its size",
    "size": "read at the size that is judged",
    "outcome": "known after the verdict: texts, labels, emitted lines and properties only",
}
