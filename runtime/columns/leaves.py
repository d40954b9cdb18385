"""What expressions begin with: values that a group shares, read as `policy.decide` reads them, and numbers of each row.

How a number of a row follows from its cells is written here a second time, for columns; at one row of each group both ways
are compared, and a group where they differ is decided row by row.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from caplex.runtime.bind import UNIT, Bound
from caplex.runtime.columns import vectors
from caplex.runtime.columns.cells import Column
from caplex.runtime.columns.places import Sheet
from caplex.runtime.columns.roles import NOW, At
from caplex.runtime.columns.vectors import MOST, Vec, any_of
from caplex.runtime.plan import Plan, SlotSpec
from caplex.runtime.schema import FieldSpec, Kind, Type
from caplex.runtime.values import ABSENT, Unknown

ZERO = Fraction(0)
_COUNT = Type(Kind.COUNT)
LOST = Unknown(())
"""Stands for every value of a group that is decided row by row."""
Leaf = Callable[["Rows"], Vec]


class Rows:
    """Some rows of the frame: *at* is a slice or indices, *group* the group of each; *known* is what leaves have said of them."""

    __slots__ = ("at", "group", "known")

    def __init__(self, at: Any, group: Any) -> None:
        self.at, self.group = at, group
        self.known: dict[Leaf, Vec] = {}


def once(leaf: Leaf) -> Leaf:
    """*leaf*, which is asked by several others, and worked out once for the same rows."""

    def known(rows: Rows) -> Vec:
        found = rows.known.get(leaf)
        if found is None:
            found = rows.known[leaf] = leaf(rows)
        return found

    return known


def spread(values: list[Any]) -> Leaf:
    """One value for each group, as numbers or truth for each row."""
    first = values[0] if values else ZERO
    if isinstance(first, Fraction | bool) and all(type(value) is type(first) and value == first for value in values):
        one = Vec(first) if isinstance(first, bool) else vectors.literal(first)
        return lambda rows: one
    bad = np.array([isinstance(value, Unknown) or (not isinstance(value, Fraction | bool) and value is not ABSENT) for value in values])
    absent = np.array([value is ABSENT for value in values])
    marks = (bad if bad.any() else None), (absent if absent.any() else None)
    if any(isinstance(value, bool) for value in values):
        truth = np.array([value is True for value in values])
        return lambda rows: Vec(truth[rows.group], bad=_of(marks[0], rows), absent=_of(marks[1], rows))
    if not any(isinstance(value, Fraction) for value in values):  # nothing that is: neither number nor truth, and fit for both
        return lambda rows: Vec(False, 0, bad=_of(marks[0], rows), absent=_of(marks[1], rows))
    return _numbers(values, bad, marks[1])


def _of(marks: Any, rows: Rows) -> Any:
    return None if marks is None else marks[rows.group]


def _numbers(values: list[Any], bad: Any, absent: Any) -> Leaf:
    known = [value if isinstance(value, Fraction) else ZERO for value in values]
    scales = [vectors.places(value.denominator) for value in known]
    if None in scales:
        tops, bottoms, scale = [value.numerator for value in known], [value.denominator for value in known], 0
    else:
        scale = max(scale for scale in scales if scale is not None)
        tops, bottoms = [int(value * 10**scale) for value in known], []
    for number, value in enumerate(tops):
        if abs(value) > MOST or (bottoms and bottoms[number] > MOST):
            tops[number], bad[number] = 0, True
            if bottoms:
                bottoms[number] = 1
    table, lost = np.array(tops, np.int64), bad if bad.any() else None
    most = max(map(abs, tops), default=0)
    below = np.array(bottoms, np.int64) if bottoms else None
    under = max(bottoms, default=1)

    def leaf(rows: Rows) -> Vec:
        den = None if below is None else Vec(below[rows.group], under)
        return Vec(table[rows.group], most, scale, den, _of(lost, rows), _of(absent, rows))

    return leaf


class Leaves:
    """Leaves of one frame.

    Attributes:
        values: For each slot of the tape, its value in each group.
        rows: For those slots that differ within a group, the leaf instead.
        size: The quantity asked for; None where it is one of each group, in *sizes*.
        good: Groups that columns can decide.
        firsts: The row whose numbers the facts of each group have.
    """

    def __init__(self, plan: Plan, sheet: Sheet, numbers: dict[At, Column], bounds: list[Bound], firsts: Any) -> None:
        self.plan, self.sheet, self.numbers, self.bounds = plan, sheet, numbers, bounds
        self.firsts = firsts
        self.good = np.array([bound.ints is not None for bound in bounds], np.bool_)
        self.price, self.held = numbers.get(("market", "price")), numbers.get(("position", "quantity"))
        self.limit = numbers.get(("intent", "limit_price"))
        self._look()
        self.rows: dict[int, Leaf] = {}
        self._fields: dict[At, Leaf | None] = {}
        self.size = self._size()
        worth = self._worth()
        self._valued = None if worth is None else once(worth)
        self.closing = self._closing()
        for slot in plan.columns.slots:
            leaf = self._slot(plan.slots[slot])
            if leaf is not None:
                self.rows[slot] = leaf
        self._compare()
        self.values = {slot: self._each(_reading(slot)) for slot in plan.columns.slots if slot not in self.rows}
        self.sizes = self._each(lambda bound: Fraction(bound.ints[0], UNIT))  # type: ignore[index]

    def _each(self, of: Callable[[Bound], Any]) -> list[Any]:
        """A value of each group; of those that columns cannot decide, LOST."""
        return [of(bound) if good else LOST for bound, good in zip(self.bounds, self.good, strict=True)]

    def _spread(self, of: Callable[[Bound], Any]) -> Leaf:
        return spread(self._each(of))

    # ── groups that columns cannot decide ────────────────────────────────────────────────────────────

    def _look(self) -> None:
        for number, bound in enumerate(self.bounds):
            if self.good[number] and not self._fits(bound):
                self.good[number] = False

    def _fits(self, bound: Bound) -> bool:
        """Do the numbers that differ reach no further than the formulas below know?"""
        book, world, header = bound._book, bound.world, self.plan.header
        if (header.effective_from_ns is not None and bound.now < header.effective_from_ns) or \
                (header.effective_until_ns is not None and bound.now >= header.effective_until_ns):
            return False
        if not isinstance(book.side, str) or (("intent", "quantity") in self.numbers and bound.action == "adjust"):
            return False
        if self.held is not None and bound.action != "open" and world.claim("side") is None:
            return False
        if self.price is None and self.held is None and self.limit is None:
            return True
        symbol = world.claim("symbol")
        held, sent = world.mine("positions"), world.mine("orders")
        if isinstance(held, Unknown) or isinstance(sent, Unknown):
            return False
        mine = {id(row) for row in (*held, *sent)}
        for section in ("positions", "orders"):
            rows = world.rows(section)
            if isinstance(rows, Unknown) or any(row.entry.keys.get("symbol") == symbol and id(row) not in mine for row in rows):
                return False
        if self.held is not None and sent and any(spec.name == "committed_count" for spec in self.plan.slots):
            return False
        return bound.grid(bound.action, bound.closing).least_notional is None

    def _compare(self) -> None:
        """Both ways of reading at one row of each group."""
        at = Rows(self.firsts, np.arange(len(self.bounds)))
        for leaf, of in [(leaf, _reading(slot)) for slot, leaf in self.rows.items()] + \
                [(leaf, of) for leaf, of in ((self.size, lambda bound: bound.asked), (self.closing, lambda bound: bound.closable)) if leaf is not None]:
            found = leaf(at)
            for number, bound in enumerate(self.bounds):
                if self.good[number] and not _same(found, number, of(bound)):
                    self.good[number] = False

    # ── numbers of rows ──────────────────────────────────────────────────────────────────────────────

    def _slot(self, spec: SlotSpec) -> Leaf | None:
        if spec.kind == "now":
            column = self.numbers.get(NOW)
            return None if column is None else lambda rows: column.numbers(rows.at)
        if spec.kind == "counter":
            return self._field(("counters", spec.name), FieldSpec("counters", "value", _COUNT, low=ZERO))
        if spec.kind == "field" and spec.key_text is None and spec.key_slot is None:
            return self._field((spec.section, spec.name), self.plan.schema.field(spec.section, spec.name))
        return self._book(spec.name) if spec.kind == "book" else None

    def _field(self, at: At, declared: FieldSpec | None) -> Leaf | None:
        if at not in self._fields:
            leaf = self._number(at, declared)
            self._fields[at] = None if leaf is None else once(leaf)
        return self._fields[at]

    def _number(self, at: At, declared: FieldSpec | None) -> Leaf | None:
        column = self.numbers.get(at)
        if column is None or declared is None:
            return None
        if column.nulls is None:
            return lambda rows: _within(column.numbers(rows.at), declared)
        # Rows without a value are groups of their own: what that means there, the long way says.
        null = column.nulls[self.firsts]
        meant = [self._cell(bound, at) if good and without else ZERO for bound, good, without in zip(self.bounds, self.good, null, strict=True)]
        group = spread([value if isinstance(value, Fraction) or value is ABSENT else LOST for value in meant])

        def leaf(rows: Rows) -> Vec:
            here, there = null[rows.group], group(rows)
            found = vectors.choose(Vec(here), replace(there, absent=None), _within(column.numbers(rows.at), declared))
            return found if there.absent is None else replace(found, absent=there.absent & here)

        return leaf

    @staticmethod
    def _cell(bound: Bound, at: At) -> Any:
        return bound.world.cell(at[0], None, at[1]) if at[0] in bound.plan.schema.sections else LOST

    def _size(self) -> Leaf | None:
        return self._field(("intent", "quantity"), self.plan.schema.field("intent", "quantity"))

    def _position(self) -> Leaf | None:
        return self._field(("position", "quantity"), self.plan.schema.field("position", "quantity"))

    def _worth(self) -> Leaf | None:
        price = self._field(("market", "price"), self.plan.schema.field("market", "price"))
        if price is None:
            return None
        factor = self._spread(lambda bound: bound.world.unit_factor(None))
        return lambda rows: vectors.multiply(price(rows), factor(rows))

    def _closing(self) -> Leaf | None:
        """The closing leg before the size is known."""
        held = self._position()
        if held is None:
            return None

        def turned(bound: Bound) -> Fraction:
            book = bound._book
            hedged = bound.action == "open" and bound.world.claim("position_side") in ("long", "short")
            return ZERO if hedged else Fraction(1) if book.side == "sell" else Fraction(-1)

        def waiting(bound: Bound) -> Any:
            book = bound._book
            return ZERO if turned(bound) == 0 else -(book.OS if book.side == "sell" else book.OB)

        turn, orders, nothing = self._spread(turned), self._spread(waiting), vectors.literal(ZERO)
        return lambda rows: vectors.largest(nothing, vectors.add(vectors.multiply(turn(rows), held(rows)), orders(rows)))

    def _book(self, name: str) -> Leaf | None:
        held, value = self._position(), self._valued
        match name:
            case "position":
                return held
            case "closing":
                return self.closing
            case "base":
                return None if held is None else self._shifted(held, lambda bound: bound.book("base") - bound.book("position"))
            case "value":
                return value
            case "order_value":
                return self._order_value()
            case "held_gross" | "held_net":
                return self._held(name, held, value)
            case "held_count" | "committed_count":
                return None if held is None else self._counted(name, held)
        return None

    @staticmethod
    def _or(leaf: Leaf | None, other: Leaf) -> Leaf:
        return other if leaf is None else leaf

    def _shifted(self, leaf: Leaf, by: Callable[[Bound], Any]) -> Leaf:
        rest = self._spread(by)
        return lambda rows: vectors.add(leaf(rows), rest(rows))

    def _order_value(self) -> Leaf | None:
        if self.price is None and self.limit is None:
            return None
        price = self._or(self._field(("market", "price"), self.plan.schema.field("market", "price")), self._spread(lambda bound: bound.world.cell("market", None, "price")))
        limit = self._or(self._field(("intent", "limit_price"), self.plan.schema.field("intent", "limit_price")), self._spread(lambda bound: bound.intent("limit_price")))
        buys = self._spread(lambda bound: bound.side == "buy")
        factor = self._spread(lambda bound: bound.world.unit_factor(None))

        def leaf(rows: Rows) -> Vec:
            market, worst = price(rows), limit(rows)
            worse = vectors.largest(market, vectors.instead(worst, market))
            return vectors.multiply(vectors.choose(buys(rows), worse, market), factor(rows))

        return leaf

    def _held(self, name: str, held: Leaf | None, value: Leaf | None) -> Leaf | None:
        """Money of all positions: that of the others, and of the one that differs."""
        if held is None and value is None:
            return None
        size = self._or(held, self._spread(lambda bound: bound.book("position")))
        worth = self._or(value, self._spread(lambda bound: bound.book("value")))
        gross = name == "held_gross"

        def others(bound: Bound) -> Any:
            own = bound.book("position") * bound.book("value")
            return bound.book(name) - (own if isinstance(own, Unknown) or not gross else abs(own))

        rest = self._spread(others)

        def leaf(rows: Rows) -> Vec:
            own = vectors.multiply(size(rows), worth(rows))
            return vectors.add(vectors.absolute(own) if gross else own, rest(rows))

        return leaf

    def _counted(self, name: str, held: Leaf) -> Leaf:
        rest = self._spread(lambda bound: bound.book(name) - (0 if bound.book("position") == ZERO else 1))
        one, nothing = vectors.literal(Fraction(1)), vectors.literal(ZERO)

        def leaf(rows: Rows) -> Vec:
            return vectors.add(vectors.choose(vectors.compare("ne", held(rows), nothing), one, nothing), rest(rows))

        return leaf


def _reading(slot: int) -> Callable[[Bound], Any]:
    return lambda bound: bound.slots[slot]


def _same(found: Vec, row: int, meant: Any) -> bool:
    """Is what columns say of a row what the long way says? What either cannot use is for the long way."""
    if found.bad is not None and (found.bad is True or found.bad[row]):
        return True  # these rows never stay in columns
    if found.absent is not None and found.absent[row]:
        return meant is ABSENT
    number = found.v if isinstance(found.v, int) else int(found.v[row])
    below = 1 if found.den is None else found.den.v if isinstance(found.den.v, int) else int(found.den.v[row])
    return isinstance(meant, Fraction) and Fraction(number, below * 10**found.scale) == meant


def _within(found: Vec, declared: FieldSpec) -> Vec:
    """Values out of the declared range are unusable."""
    scale = 10**found.scale
    bad = found.bad
    if declared.above is not None:
        bad = any_of(bad, _marks(found.v <= _held(declared.above * scale // 1)))
    if declared.low is not None:
        bad = any_of(bad, _marks(found.v < _held(-(-declared.low * scale // 1))))
    if declared.high is not None:
        bad = any_of(bad, _marks(found.v > _held(declared.high * scale // 1)))
    if declared.type.kind is Kind.COUNT and found.scale:
        bad = any_of(bad, found.v % scale != 0)
    return Vec(found.v, found.most, found.scale, found.den, bad, found.absent)


def _marks(bad: Any) -> Any:
    return bad if bad.any() else None


def _held(edge: Fraction | int) -> int:
    """An edge of a range that int64 can hold: what lies beyond is beyond every number."""
    return max(-MOST, min(MOST, int(edge)))
