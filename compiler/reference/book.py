"""Positions and orders as one intent meets them: legs, exposure, money per unit (docs/spec.md, CAP-LEG, CAP-DERIVED)."""
from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any

from caplex.runtime.facts import World
from caplex.runtime.values import ABSENT, Unknown, merge, total, unknown

ZERO, ONE = Fraction(0), Fraction(1)
TRADES = ("open", "close", "adjust")


class Book:
    """Every member is a number or `Unknown`; *P* is the signed position, *OB* and *OS* open buys and sells."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.action = world.cell("intent", None, "action")

    def asks(self, name: str) -> Any:
        """What the intent says of *name*; ABSENT if nothing."""
        said = self.world.claim(name)
        return ABSENT if said is None else said

    # ── the intent's own position ────────────────────────────────────────────────────────────────────

    @cached_property
    def P(self) -> Any:
        rows = self.world.mine("positions")
        return rows if isinstance(rows, Unknown) else sum((row.cell("quantity") for row in rows), ZERO)

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
    def side(self) -> Any:
        """``buy`` or ``sell``: from the sign of a delta, for a close without a side from the position, else as the intent says."""
        if isinstance(self.action, Unknown):
            return self.action
        if self.action == "adjust":
            delta = self.delta
            return delta if isinstance(delta, Unknown) else "buy" if delta > 0 else "sell"
        if self.action != "close" or self.asks("side") is not ABSENT:
            return self.world.cell("intent", None, "side")
        if isinstance(self.P, Unknown):
            return self.P
        return "sell" if self.P > 0 else "buy" if self.P < 0 else unknown("SYS-004", "/intent", "nothing-to-close")

    @cached_property
    def delta(self) -> Any:
        delta = self.world.cell("intent", None, "delta")
        lost = isinstance(delta, Unknown) or delta != 0
        return delta if lost else unknown("SYS-004", "/intent/delta", "out-of-range", "0", "not 0")

    @cached_property
    def sign(self) -> Any:
        return self.side if isinstance(self.side, Unknown) else ONE if self.side == "buy" else -ONE

    @cached_property
    def closable(self) -> Any:
        """What the intent's side could close: ``max(0, P − OS)`` or ``max(0, −P − OB)``; nothing for a hedged open."""
        leg = self.asks("position_side")
        if self.action not in TRADES or (self.action == "open" and isinstance(leg, str) and leg != "net"):
            return ZERO
        lost = merge(leg, self.side, self.P, self.OB, self.OS)
        if lost is not None:
            return lost
        return max(ZERO, self.P - self.OS if self.side == "sell" else -self.P - self.OB)

    @property
    def c(self) -> Fraction:
        """The closing leg before the size is known; what cannot be read closes nothing."""
        return ZERO if isinstance(self.closable, Unknown) else self.closable

    # ── money ────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def V(self) -> Any:
        return self.world.unit_value(None)

    @cached_property
    def order_value(self) -> Any:
        """Money of one unit of the intent: a buy at the worse of market and limit price."""
        price, limit = self.world.cell("market", None, "price"), self.asks("limit_price")
        if isinstance(self.side, Unknown):
            return self.side
        if self.side == "buy" and limit is not ABSENT:
            price = total(max)(price, limit)
        return price * self.world.unit_factor(None)

    def after(self, q: Fraction) -> Any:
        """``P + OB + q`` or ``P − OS − q``."""
        if isinstance(self.sign, Unknown):
            return self.sign
        return self.P + self.OB + q if self.side == "buy" else self.P - self.OS - q

    def gross(self, q: Fraction) -> Any:
        return self._others("worst") + abs(self.after(q) * self.V)

    def net(self, q: Fraction) -> Any:
        return self.sign if isinstance(self.sign, Unknown) else self._others(self.side) + self.after(q) * self.V

    @cached_property
    def _sums(self) -> dict[str, Any]:
        return {}

    def _others(self, way: str) -> Any:
        if way not in self._sums:
            self._sums[way] = self._sum_of_others(way)
        return self._sums[way]

    def _sum_of_others(self, way: str) -> Any:
        """Over all other position keys: ``max(|P + OB|, |P − OS|) · V`` (worst), ``(P + OB) · V`` (buy) or ``(P − OS) · V`` (sell)."""
        groups = self._groups
        if isinstance(groups, Unknown):
            return groups
        money: Any = ZERO
        for held, orders in groups:
            quantity = sum((row.cell("quantity") for row in held), ZERO)
            up, down = quantity + in_flight(orders, "buy"), quantity - in_flight(orders, "sell")
            size = up if way == "buy" else down if way == "sell" else total(max)(abs(up), abs(down))
            if isinstance(size, Unknown) or size != 0:  # what is neither held nor ordered needs no price
                money = money + size * self._value((held + orders)[0])
        return money

    @cached_property
    def _groups(self) -> Any:
        """Rows of positions and orders under each key but the intent's; an order joins the one position that its words fit."""
        world = self.world
        own: Any = (world.mine("positions"), world.mine("orders"))
        positions: Any = world.rows("positions")
        orders: Any = world.rows("orders")
        lost = merge(*own, positions, orders)
        if lost is not None:
            return lost
        groups: list[tuple[Any, list[Any], list[Any]]] = [(_key(row), [row], []) for row in positions if row not in own[0]]
        held = len(groups)
        for row in orders:
            if row in own[1]:
                continue
            key = _key(row)
            fits = [group for group in groups[:held] if all(a == b or (i > 0 and "" in (a, b)) for i, (a, b) in enumerate(zip(key, group[0], strict=True)))]
            if len(fits) != 1:
                fits = [group for group in groups if group[0] == key] or [(key, [], [])]
                groups += [group for group in fits if group not in groups]
            fits[0][2].append(row)
        return [(rows, waiting) for _, rows, waiting in groups]

    def _value(self, row: Any) -> Any:
        symbol, venue = row.cell("symbol"), row.cell("venue")
        return self.world.unit_value(symbol, None if venue is ABSENT else venue)

    def held(self, measure: str) -> Any:
        """What is held now, orders aside: gross, net, or the number of positions."""
        rows = self.world.rows("positions")
        if isinstance(rows, Unknown):
            return rows
        if measure == "positions":
            return _symbols([(row.cell("symbol"), row.cell("quantity")) for row in rows])
        money: Any = ZERO
        for row in rows:
            size = row.cell("quantity")
            if isinstance(size, Unknown) or size != 0:
                money = money + (abs(size) if measure == "gross" else size) * self._value(row)
        return money

    @cached_property
    def committed_positions(self) -> Any:
        positions: Any = self.world.rows("positions")
        orders: Any = self.world.rows("orders")
        lost = merge(positions, orders)
        if lost is not None:
            return lost
        held = [(row.cell("symbol"), row.cell("quantity")) for row in positions]
        return _symbols(held + [(row.cell("symbol"), row.cell("leaves_quantity")) for row in orders])


def in_flight(rows: list[Any], side: str) -> Any:
    """Units of *side* that may still fill; orders that share `oco` count once, at the largest."""
    units: Any = ZERO
    shared: dict[str, Any] = {}
    for row in rows:
        way = row.cell("side")
        if isinstance(way, Unknown):
            units = units + way
        elif way == side:
            leaves, oco = row.cell("leaves_quantity"), row.cell("oco")
            lost = merge(leaves, oco)
            if lost is not None or oco is ABSENT:
                units = units + (leaves if lost is None else lost)
            else:
                shared[oco] = max(shared.get(oco, ZERO), leaves)
    return units + sum(shared.values(), ZERO)


def _symbols(sizes: list[tuple[str, Any]]) -> Any:
    """How many symbols have a size that is not 0."""
    lost = merge(*(size for _, size in sizes))
    return Fraction(len({symbol for symbol, size in sizes if size != 0})) if lost is None else lost


def _key(row: Any) -> tuple[str, ...]:
    cells = (row.cell(name) for name in ("symbol", "venue", "position_side"))
    return tuple(cell if isinstance(cell, str) else "" for cell in cells)
