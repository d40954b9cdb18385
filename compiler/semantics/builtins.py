"""What the language brings along: computed fields, functions, aggregates, words (docs/spec.md, CAP-DERIVED).

The formulas are those of docs/spec.md; the judge and the compiled form implement them, this table only names them.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from caplex.compiler.semantics import units
from caplex.runtime.schema import FieldSpec, Kind, Type

Reads = Literal["state", "intent", "size", "outcome"]


@dataclass(frozen=True, slots=True)
class Derived:
    """A computed field.

    Attributes:
        reads: ``state``: the same for every intent; ``intent``: depends on whose intent, not on the size judged;
            ``size``: read at the size judged (called *q*); ``outcome``: exists once the rules have been judged.
    """

    name: str
    type: Type
    reads: Reads
    doc: str

    @property
    def reads_size(self) -> bool:
        return self.reads == "size"

    def spec(self) -> FieldSpec:
        section, _, name = self.name.rpartition(".")
        return FieldSpec(section, name, self.type, derived=True, supplier="derived", doc=self.doc)


_TABLE: tuple[Derived, ...] = (
    Derived("intent.quantity", units.QUANTITY, "size",
            "The size that is judged, in units; after the verdict the size asked for."),
    Derived("intent.notional", units.MONEY, "size",
            "Its money: at the worse of market and limit price for a buy, at market for a sell."),
    Derived("intent.opening", units.QUANTITY, "size", "Units of the opening leg: what goes beyond the closing leg."),
    Derived("intent.closing", units.QUANTITY, "size", "Units of the closing leg: what only reduces the position."),
    Derived("after.position.quantity", units.QUANTITY, "size",
            "Position if this and all orders in flight on its side fill."),
    Derived("after.position.notional", units.MONEY, "size", "The same at market price."),
    Derived("after.portfolio.gross", units.MONEY, "size", "Worst-case gross exposure with this order."),
    Derived("after.portfolio.net", units.MONEY, "size",
            "Net exposure with this order and those in flight on its side."),
    Derived("committed.position.quantity", units.QUANTITY, "intent",
            "Position if all orders in flight on the intent's side fill."),
    Derived("committed.position.notional", units.MONEY, "intent", "The same at market price."),
    Derived("committed.portfolio.gross", units.MONEY, "intent", "Worst-case gross exposure without this order."),
    Derived("committed.portfolio.positions", units.COUNT, "state", "Symbols that are held or have orders in flight."),
    Derived("position.quantity", units.QUANTITY, "intent", "Signed units held in the intent's symbol; flat is 0."),
    Derived("position.notional", units.MONEY, "intent", "The same at market price."),
    Derived("portfolio.gross", units.MONEY, "state", "Sum of the absolute values of all positions at market price."),
    Derived("portfolio.net", units.MONEY, "state", "Sum of the signed values of all positions at market price."),
    Derived("portfolio.positions", units.COUNT, "state", "Number of symbols held."),
    Derived("account.day_loss", units.MONEY, "state",
            "Equity at the start of the day, plus net flows since, less equity."),
    Derived("account.drawdown", Type(Kind.RATIO, of="account.peak_equity"), "state",
            "Share of the peak that has been lost."),
    Derived("permitted.position.quantity", units.QUANTITY, "outcome",
            "Position if exactly the permitted quantity fills."),
    Derived("permitted.position.notional", units.MONEY, "outcome", "The same at market price."),
    Derived("permitted.closing", units.QUANTITY, "outcome", "Closing leg of the permitted quantity."),
    Derived("permitted.opening", units.QUANTITY, "outcome", "Opening leg of the permitted quantity."),
)
DERIVED: Final[dict[str, Derived]] = {derived.name: derived for derived in _TABLE}
READS_SIZE: Final = frozenset(derived.name for derived in _TABLE if derived.reads == "size")
READS_INTENT: Final = frozenset(derived.name for derived in _TABLE if derived.reads in ("size", "intent"))
TOLD: Final = ("observed", "allowed")
"""Bare names in `because`: the measure of the rule and what it allows."""

ROW_DERIVED: Final[dict[str, tuple[Derived, ...]]] = {
    "positions": (
        Derived("positions.notional", units.MONEY, "state",
                "Signed value of the position at the market price of its symbol."),
        Derived("positions.price", units.PRICE, "state", "Market price of its symbol."),
    ),
    "orders": (Derived("orders.notional", units.MONEY, "state",
                       "Leaves quantity at the order's price, else at market price."),),
}
"""Computed fields of rows, read through the variable of an aggregate."""

PLAIN_OPTIONAL: Final = frozenset({"fills.notional", "order_events.notional"})
"""Optional because quantity and price give them as well; readable without `else`."""

FUNCTIONS: Final = ("abs", "max", "min", "clamp")
AGGREGATES: Final = ("sum", "count", "max", "min", "any", "all")
ACTIONS: Final = ("open", "close", "adjust", "transfer", "cancel", "noop")
DEFAULT_ACTIONS: Final = frozenset({"open", "close", "adjust"})
DIMENSIONS: Final = ("symbol", "strategy", "account", "venue")

EVENTS: Final[dict[str, str]] = {
    "orders": "order_events", "fills": "fills", "rejects": "rejects", "cancels": "cancels", "denials": "denials",
    "violations": "violations", "stops": "stops", "results": "results",
}
"""What throttles count, and the section that holds it."""
EVENT_OF: Final[dict[str, str]] = {
    "order": "order_events", "fill": "fills", "reject": "rejects", "cancel": "cancels", "denial": "denials",
    "violation": "violations", "stop": "stops", "result": "results",
}
"""What cooldowns wait after."""
HISTORIES: Final = frozenset(EVENTS.values())

LOSS_READS: Final = frozenset({
    "account.day_loss", "account.drawdown", "account.realised_pnl_today", "account.unrealised_pnl", "fills.pnl",
    "stops.pnl", "results.pnl",
})
LOSS_BASES: Final = frozenset({
    "account.day_start_equity", "account.peak_equity", "account.initial_equity", "account.day_start_balance",
})
LOSS_MONEY: Final = frozenset({"account.equity", "account.balance", "account.available"})
