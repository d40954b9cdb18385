"""The part of one symbol in the totals, in whole numbers and straight from the state: the common case of `live.Desk`.

Common is: one position at most, orders under the same key, one quote, no currency to convert, nothing finer than eight
decimals. What a unit is worth is read once for each quote, as any rule reads it, and used again as long as quote and
instrument are the same objects (rows are replaced, never changed). Everything else is walked row by row, as before.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.clock import NotATime, parse_instant
from caplex.runtime.engine.ledger import NOTHING, Part, fold_part
from caplex.runtime.engine.parts import Key, Order, Position
from caplex.runtime.reading import read
from caplex.runtime.rows import FUTURE_NS, Row
from caplex.runtime.values import Unknown

if TYPE_CHECKING:
    from caplex.runtime.engine.live import LiveWorld
    from caplex.runtime.engine.state import State
    from caplex.runtime.plan import Plan

GRAIN: Final = 10**8
"""Grains in a unit of quantity or of money; money of a book is in grains times grains, `ledger.UNIT`."""
_NONE: Final[Mapping[Any, Any]] = {}
_DIMENSIONS: Final = ("account", "venue", "symbol", "position_side")
_MOST_BITS: Final = 1000
_MOST: Final = 16_384


class Odd(Exception):
    """Nothing that can be said in whole numbers: the long way has to say it."""


def thin_out(table: dict[Any, Any], most: int) -> None:
    """Where *table* is full, the quarter that came first goes, and not all of it."""
    if len(table) >= most:
        for key in list(islice(table, most // 4)):
            del table[key]


def grains(value: Fraction) -> int | None:
    """*value* in grains; None where it is finer, or so large that a document could not say it."""
    found, rest = (value.numerator * GRAIN, 0) if value.denominator == 1 else divmod(value.numerator * GRAIN, value.denominator)
    return None if rest or found.bit_length() > _MOST_BITS else found


@dataclass(frozen=True, slots=True)
class Priced:
    """What one unit of a symbol is worth, read of *quote* and *details*, which must be there still when it is used.

    Attributes:
        factor: Multiplier and exchange rate: what turns the price into money.
        venue, venues: Of the quote, empty where it names none; of quote and instrument, those that name one.
    """

    quote: Any
    details: Any
    price: Fraction
    factor: Fraction
    value: Fraction
    grains: int
    stamp_ns: int | None
    venue: str
    venues: tuple[str, ...]


class Held(Row):
    """A position as an aggregate reads it, for the few fields that are at hand."""

    __slots__ = ("_priced", "key", "position")

    def __init__(self, key: Key, position: Position, priced: Priced) -> None:
        self.key, self.position, self._priced = key, position, priced

    def cell(self, name: str) -> Any:
        if name == "quantity":
            return self.position.quantity
        if name == "price":
            return self._priced.price
        if name == "notional":
            return self.position.quantity * self._priced.value
        said = self.key[_DIMENSIONS.index(name)] if name in _DIMENSIONS else ""
        if not said:
            raise Odd
        return said


class OneSymbol:
    """A world with the positions of one symbol, for aggregates that are put together symbol by symbol."""

    __slots__ = ("_rows", "schema")

    def __init__(self, schema: Any, rows: Sequence[Row]) -> None:
        self.schema, self._rows = schema, rows

    def rows(self, section: str) -> Sequence[Row]:
        return self._rows


class Plainly:
    """What symbols are worth, and their parts of the totals, for one policy."""

    def __init__(self, plan: Plan, fresh_ns: int) -> None:
        self.plan, self.fresh_ns = plan, fresh_ns
        self.priced: dict[str, Priced] = {}
        self._folds: dict[tuple[Any, ...], tuple[Priced, tuple[Any, ...]]] = {}  # by key and quantity: that, and the price, are what they read
        self._leaves: dict[str, tuple[Order, int]] = {}  # of orders, which are replaced and never changed
        sections = plan.schema.sections
        specs = [spec for name in ("position", "positions", "orders") if name in sections for spec in sections[name].fields.values()]
        sizes = [spec for spec in specs if spec.name == "quantity" and spec.section != "orders"]
        factors = sections["instrument"].fields.values() if "instrument" in sections else ()
        self.fits = not any(spec.fresh_ns for spec in (*specs, *factors)) and all(
            spec.low is None and spec.high is None and spec.above is None and not spec.type.members for spec in sizes)
        """May positions and orders be read without asking for their age and range?"""

    # ── what a unit is worth ─────────────────────────────────────────────────────────────────────────

    def learn(self, world: LiveWorld, symbol: str) -> None:
        """Remember what *symbol* is worth, as *world* reads it, if there is one way to read it."""
        quotes, details = world.state.quotes.get(symbol, _NONE), world.state.details.get(symbol, _NONE)
        if not self.fits or len(quotes) != 1 or len(details) > 1:
            return
        ((venue, quote),) = quotes.items()
        instrument = next(iter(details.values()), None)
        if instrument is not None and (instrument.get("currency") not in (None, world.currency) or instrument.get("as_of") is not None):
            return
        row = world.quote(symbol, venue or None)
        price, value = world.quoted("market", symbol, venue or None, "price"), world.unit_value(symbol, venue or None)
        if not isinstance(price, Fraction) or not isinstance(value, Fraction) or not isinstance(row, Row):
            return
        units, stamp = grains(value), world.stamp(row)
        if units is None or (stamp is None and quote.get("as_of") is not None):
            return
        thin_out(self.priced, _MOST)
        venues = tuple(each for each in (venue, *details) if each)
        self.priced[symbol] = Priced(quote, instrument, price, world.unit_factor(symbol, venue or None), value, units, stamp, venue, venues)

    def worth(self, state: State, symbol: str, now: int) -> Priced | None:
        """What *symbol* is worth by what is known at *now*; None where it must be read anew. How old it is the totals judge."""
        found = self.priced.get(symbol)
        if found is None:
            return None
        quotes, details = state.quotes.get(symbol, _NONE), state.details.get(symbol, _NONE)
        if len(quotes) != 1 or len(details) > 1 or next(iter(details.values()), None) is not found.details:
            return None
        quote = next(iter(quotes.values()))
        if quote is not found.quote:
            found = self._quoted(found, quote, symbol, next(iter(quotes)))
            if found is None:
                return None
        if found.stamp_ns is None:
            return None if self.fresh_ns else found
        return found if found.stamp_ns - now <= FUTURE_NS else None

    def _quoted(self, before: Priced, quote: Mapping[str, Any], symbol: str, venue: str) -> Priced | None:
        """What *symbol* is worth by a new quote of the same venue, the instrument being what it was."""
        spec = self.plan.schema.sections["market"].fields["price"]
        price = read(spec, quote.get("price"), "")
        try:
            stamp = parse_instant(quote["as_of"])
        except (KeyError, TypeError, NotATime):
            return None
        if not isinstance(price, Fraction) or venue != before.venue:
            return None
        value = price * before.factor
        units = grains(value)
        if units is None:
            return None
        found = self.priced[symbol] = replace(before, quote=quote, price=price, value=value, grains=units, stamp_ns=stamp)
        return found

    # ── parts ────────────────────────────────────────────────────────────────────────────────────────

    def part(self, state: State, account: str, symbol: str, now: int) -> Part | None:
        """What `ledger.part_of` says of *symbol*; None where it is not so plain."""
        if not self.fits:
            return None
        positions = state.held.get(account, _NONE).get(symbol, _NONE)
        orders = state.working.get(account, _NONE).get(symbol, _NONE)
        if not positions and not orders:
            return NOTHING
        priced = self.worth(state, symbol, now)
        if priced is None or len(positions) > 1:
            return None
        try:
            return self._part(positions, orders, priced, now)
        except Odd:
            return None

    def _open(self, order: Order) -> int | None:
        leaves = grains(order.leaves)
        if leaves is not None:
            thin_out(self._leaves, _MOST)
            self._leaves[order.id] = order, leaves
        return leaves

    def _fold(self, rows: list[Held], priced: Priced) -> tuple[Any, ...]:
        """What aggregates over positions come to in one symbol. Raises Odd."""
        quantity = rows[0].position.quantity if rows else None
        of = (rows[0].key, quantity.numerator, quantity.denominator) if quantity is not None else ()
        known = self._folds.get(of)
        if known is not None and (known[0] is priced or not rows):
            return known[1]
        here = OneSymbol(self.plan.schema, rows)
        folds = tuple([fold_part(function, self.plan.folds[number](here, ())) for number, function in self.plan.by_symbol.items()])
        if any(isinstance(each, Unknown) for each in folds):
            raise Odd
        thin_out(self._folds, _MOST)
        self._folds[of] = priced, folds
        return folds

    def _part(self, positions: Mapping[Key, Position], orders: Mapping[str, Order], priced: Priced, now: int) -> Part | None:
        venue = side = None
        quantity = buys = sells = 0
        rows: list[Held] = []
        for key, row in positions.items():
            _, venue, _, side = key
            held = grains(row.quantity)
            if held is None or row.as_of_ns - now > FUTURE_NS:
                return None
            quantity = held
            if self.plan.by_symbol:
                rows.append(Held(key, row, priced))
        for order in orders.values():
            if venue is None:
                venue, side = order.venue, order.position_side
            known = self._leaves.get(order.id)
            leaves = known[1] if known is not None and known[0] is order else self._open(order)
            if order.oco or leaves is None or order.venue != venue or order.position_side != side:
                return None
            if order.side == "buy":
                buys += leaves
            else:
                sells += leaves
        assert venue is not None
        assert side is not None
        if venue and any(each != venue for each in priced.venues):
            return None
        if not (quantity or buys or sells):
            return None
        folds, value = self._fold(rows, priced) if self.plan.by_symbol else (), priced.grains
        up, down, money = quantity + buys, quantity - sells, quantity * value
        return Part(max(abs(up), abs(down)) * value, up * value, down * value, abs(money), money, quantity != 0, True, True,
                    priced.stamp_ns if self.fresh_ns else None, folds, (quantity, buys, sells, venue, side))
