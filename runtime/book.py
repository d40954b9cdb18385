"""Positions and orders as the intent meets them: exposure, legs, value per unit (docs/spec.md, CAP-LEG, CAP-DERIVED).

Serves the compiled side; the reference interpreter derives the same on its own.
"""
from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from caplex.runtime.facts import Row, World
from caplex.runtime.layout import pointer
from caplex.runtime.values import ABSENT, Unknown, merge, unknown

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(slots=True)
class Exposure:
    """One position key other than the intent's: signed quantity, open buys and sells, and money per unit."""

    quantity: Any
    buys: Any
    sells: Any
    value: Any

    def worst(self) -> Any:
        """``max(|P + OB|, |P − OS|)`` in money; what is not held and not ordered needs no price."""
        up, down = self.quantity + self.buys, self.quantity - self.sells
        lost = merge(up, down)
        if lost is not None:
            return lost
        size = max(abs(up), abs(down))
        return size * self.value if size else ZERO

    def times_value(self, size: Any) -> Any:
        return size if isinstance(size, Unknown) else size * self.value if size else ZERO


class Book:
    """Exact values, each `Fraction` or `Unknown`, computed when first asked for.

    Attributes:
        P, OB, OS: Signed position, open buys, open sells of the intent's key (account, venue, symbol, position side).
        V: Money of one unit: market price × multiplier × exchange rate.
        order_value: Money of one unit of the intent: for a buy at the worse of market and limit price.
        c: What may be closed on the intent's side, before the size is known; 0 where positions or orders cannot be read.
        n_requested: None where the intent brings no size.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    # ── the intent ───────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def action(self) -> Any:
        """One of the actions, or Unknown."""
        return self.world.cell("intent", None, "action")

    @cached_property
    def _act(self) -> str:
        """The action as a text, empty where it cannot be read: an unknown compares to nothing."""
        return "" if isinstance(self.action, Unknown) else str(self.action)

    @cached_property
    def side(self) -> Any:
        """``buy`` or ``sell``. `adjust` takes it from the sign of its delta, `close` without a side from the position."""
        if isinstance(self.action, Unknown):
            return self.action
        if self._act == "adjust":
            return self._side_of_delta()
        if self._act == "close" and self.world.claim("side") is None:
            if isinstance(self.P, Unknown):
                return self.P
            return "sell" if self.P > 0 else "buy" if self.P < 0 else unknown("SYS-004", "/intent", "nothing-to-close")
        side = self.world.cell("intent", None, "side")
        return unknown("SYS-001", "/intent/side", "missing") if side is ABSENT else side

    def _side_of_delta(self) -> Any:
        delta = self._delta
        return delta if isinstance(delta, Unknown) else "buy" if delta > 0 else "sell"

    @cached_property
    def _delta(self) -> Any:
        delta = self.world.cell("intent", None, "delta")
        if delta is ABSENT:
            return unknown("SYS-001", "/intent/delta", "missing")
        if not isinstance(delta, Unknown) and delta == 0:
            return unknown("SYS-004", "/intent/delta", "out-of-range", "0", "not 0")
        return delta

    @cached_property
    def direction(self) -> Any:
        return self.side if isinstance(self.side, Unknown) else ONE if self.side == "buy" else -ONE

    @cached_property
    def n_requested(self) -> Any:
        match self._act:
            case "":
                return self.action
            case "cancel" | "noop":
                return ONE
            case "adjust":
                return abs(self._delta)
            case "transfer":
                return self._given("amount")
        return self._given("quantity")

    def _given(self, name: str) -> Any:
        return None if self.world.claim(name) is None else self.world.cell("intent", None, name)

    # ── the intent's own key ─────────────────────────────────────────────────────────────────────────

    @cached_property
    def P(self) -> Any:
        rows = self.world.mine("positions")
        return rows if isinstance(rows, Unknown) else rows[0].cell("quantity") if rows else ZERO

    @cached_property
    def OB(self) -> Any:
        return self._open("buy")

    @cached_property
    def OS(self) -> Any:
        return self._open("sell")

    def _open(self, side: str) -> Any:
        rows = self.world.mine("orders")
        return rows if isinstance(rows, Unknown) else in_flight(rows, side)

    @cached_property
    def closable(self) -> Any:
        """``max(0, P − OS)`` for a sell, ``max(0, −P − OB)`` for a buy; nothing for a hedged open and for what is no trade."""
        if isinstance(self.action, Unknown) or self.action not in ("open", "close", "adjust"):
            return ZERO
        held = self.world.claim("position_side")
        if self._act == "open" and not isinstance(held, Unknown) and held in ("long", "short"):
            return ZERO
        lost = merge(self.side, self.P, self.OB, self.OS)
        if lost is not None:
            return lost
        return max(ZERO, self.P - self.OS if self.side == "sell" else -self.P - self.OB)

    @property
    def c(self) -> Fraction:
        return ZERO if isinstance(self.closable, Unknown) else self.closable

    # ── money per unit ───────────────────────────────────────────────────────────────────────────────

    @cached_property
    def V(self) -> Any:
        return self.world.unit_value(None)

    @cached_property
    def order_value(self) -> Any:
        if isinstance(self.side, Unknown):
            return self.side
        price, limit = self.world.cell("market", None, "price"), self.world.cell("intent", None, "limit_price")
        if self.side == "buy" and limit is not ABSENT:
            lost = merge(price, limit)
            price = lost if lost is not None else max(price, limit)
        return price * self.world.unit_factor(None)

    # ── the whole book ───────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _exposures(self) -> Any:
        """Everything held or ordered, by key (symbol, venue, side), but for the intent's own; Unknown if that cannot be told."""
        positions, orders = self.world.rows("positions"), self.world.rows("orders")
        held, sent = self.world.mine("positions"), self.world.mine("orders")
        if isinstance(positions, Unknown) or isinstance(orders, Unknown) or isinstance(held, Unknown) or isinstance(sent, Unknown):
            return merge(positions, orders, held, sent)
        return exposures(positions, orders, self._value, mine={id(row) for row in (*held, *sent)})

    def _value(self, row: Row) -> Any:
        return self.world.unit_value(row.entry.keys.get("symbol", ""), row.entry.keys.get("venue"))

    def _sum(self, part: str) -> Any:
        if isinstance(self._exposures, Unknown):
            return self._exposures
        total: Any = ZERO
        for exposure in self._exposures:
            match part:
                case "gross":
                    total = total + exposure.worst()
                case "buy":
                    total = total + exposure.times_value(exposure.quantity + exposure.buys)
                case "sell":
                    total = total + exposure.times_value(exposure.quantity - exposure.sells)
        return total

    @cached_property
    def others_gross(self) -> Any:
        return self._sum("gross")

    @cached_property
    def others_net_buy(self) -> Any:
        return self._sum("buy")

    @cached_property
    def others_net_sell(self) -> Any:
        return self._sum("sell")

    @cached_property
    def _held(self) -> Any:
        """Signed money of each position, or Unknown."""
        positions = self.world.rows("positions")
        if isinstance(positions, Unknown):
            return positions
        values = []
        for row in positions:
            size = row.cell("quantity")
            values.append(size if isinstance(size, Unknown) else size * self._value(row) if size else ZERO)
        lost = merge(*values)
        return values if lost is None else lost

    @cached_property
    def held_gross(self) -> Any:
        return self._held if isinstance(self._held, Unknown) else sum(map(abs, self._held), ZERO)

    @cached_property
    def held_net(self) -> Any:
        return self._held if isinstance(self._held, Unknown) else sum(self._held, ZERO)

    @cached_property
    def position_count(self) -> Any:
        """Symbols with a position that is not flat."""
        positions = self.world.rows("positions")
        if isinstance(positions, Unknown):
            return positions
        lost = merge(*(row.cell("quantity") for row in positions))
        if lost is not None:
            return lost
        return Fraction(len({row.entry.keys.get("symbol") for row in positions if row.cell("quantity") != 0}))

    @cached_property
    def committed_count(self) -> Any:
        """Symbols with a position or with orders in flight, the intent aside."""
        positions, orders = self.world.rows("positions"), self.world.rows("orders")
        if isinstance(positions, Unknown) or isinstance(orders, Unknown):
            return merge(positions, orders)
        sizes = [(row, row.cell("quantity")) for row in positions] + [(row, row.cell("leaves_quantity")) for row in orders]
        lost = merge(*(size for _, size in sizes))
        if lost is not None:
            return lost
        return Fraction(len({row.entry.keys.get("symbol") for row, size in sizes if size != 0}))

    # ── what the venue trades ────────────────────────────────────────────────────────────────────────

    @cached_property
    def lot(self) -> Any:
        return self.world.cell("instrument", None, "lot")

    @property
    def lot_path(self) -> str:
        symbol = self.world.claim("symbol")
        return pointer("instruments", symbol, "lot") if isinstance(symbol, str) else "/intent/symbol"

    @cached_property
    def min_quantity(self) -> Any:
        return self.world.cell("instrument", None, "min_quantity")

    @cached_property
    def max_quantity(self) -> Any:
        return self.world.cell("instrument", None, "max_quantity")

    @cached_property
    def min_notional(self) -> Any:
        return self.world.cell("instrument", None, "min_notional")


def exposures(positions: list[Row], orders: list[Row], value: Callable[[Row], Any], *, mine: Collection[int] = ()) -> list[Exposure]:
    """What is held and ordered, by key, without the rows whose `id()` is in *mine*."""
    found: dict[tuple[str, str, str], Exposure] = {}
    for row in positions:
        if id(row) not in mine:
            found[_key(row)] = Exposure(row.cell("quantity"), ZERO, ZERO, value(row))
    waiting: dict[tuple[str, str, str], list[Row]] = {}
    for row in orders:
        if id(row) not in mine:
            waiting.setdefault(_home(row, found), []).append(row)
    for key, rows in waiting.items():
        exposure = found.setdefault(key, Exposure(ZERO, ZERO, ZERO, value(rows[0])))
        exposure.buys, exposure.sells = in_flight(rows, "buy"), in_flight(rows, "sell")
    return list(found.values())


def in_flight(rows: list[Row], side: str) -> Any:
    """Units of *side* that may still fill; orders that share `oco` count once, at the largest."""
    total: Any = ZERO
    groups: dict[str, Any] = {}
    for row in rows:
        way = row.cell("side")
        if isinstance(way, Unknown):
            total = total + way
            continue
        if way != side:
            continue
        leaves, group = row.cell("leaves_quantity"), row.cell("oco")
        lost = merge(leaves, group)
        if lost is not None:
            total = total + lost
        elif group is ABSENT:
            total = total + leaves
        else:
            groups[group] = max(groups.get(group, ZERO), leaves)
    return total + sum(groups.values(), ZERO)


def _key(row: Row) -> tuple[str, str, str]:
    keys = row.entry.keys
    return keys.get("symbol", ""), keys.get("venue", ""), keys.get("position_side", "")


def _home(row: Row, positions: dict[tuple[str, str, str], Exposure]) -> tuple[str, str, str]:
    """The position that an order works on: the one that its own words fit, else a key of its own."""
    symbol, venue, side = _key(row)
    fits = [key for key in positions if key[0] == symbol and (not venue or not key[1] or key[1] == venue)
            and (not side or not key[2] or key[2] == side)]
    return fits[0] if len(fits) == 1 else (symbol, venue, side)
