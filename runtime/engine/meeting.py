"""What a rehearsal knows of the kinds of intents that it has met, between two steps of its machine in which anything moved.

A kind is met by what the fast lane says of it (`lane._prepared`, `_look`, `_fill`): the settled readings are taken as they are,
and a step is written for the others. From then on room, totals of the book and windows are counted here.
"""
from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from copy import copy
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.clock import HOUR
from caplex.runtime.engine import intents
from caplex.runtime.engine.asked import PRICE, Asked, events_of, intent_of
from caplex.runtime.engine.fold import day_of
from caplex.runtime.engine.heard import PlainIntent
from caplex.runtime.engine.kinds import Kinds
from caplex.runtime.engine.lane import Lane, _holds, grains_of
from caplex.runtime.engine.plainly import GRAIN, Odd
from caplex.runtime.engine.prepared import Moment, Prepared, Size, _Settled, order_value
from caplex.runtime.engine.rings import Counted, Key, Ring, approved, ring_of
from caplex.runtime.engine.scales import exact
from caplex.runtime.engine.strides import ODD, Give, Shape, Step, Take, Writer, compiled, has_totals, places
from caplex.runtime.errors import EventError
from caplex.runtime.operators import Unusable
from caplex.runtime.reading import read
from caplex.runtime.values import floor_to

if TYPE_CHECKING:
    from caplex.runtime.engine.machine import Machine

ZERO: Final = Fraction(0)
NEVER: Final = 2**80
_MOST_TRIES: Final = 12
_LINE: Any = object()
"""In the place of a line: nothing is told here."""


class Room:
    """What is held and on its way in one symbol of an account, and what a unit of it is worth."""

    __slots__ = ("grains", "totals", "value")

    def __init__(self, moment: Moment, totals: list[int]) -> None:
        position, up, down, self.value = moment.position, moment.position + moment.buys, moment.position - moment.sells, moment.priced.grains
        self.grains, self.totals = [up, down, max(abs(up), abs(down)) * self.value, position, bool(up or down or position)], totals


class Met:
    """One kind of intent between two beginnings."""

    __slots__ = ("account", "buy", "counted", "data", "end", "factor", "known", "room", "symbol", "tries", "wait")

    account: str
    symbol: str
    buy: bool
    data: Mapping[str, Any]
    room: Room
    factor: int
    counted: dict[int, Counted]
    end: int

    def __init__(self) -> None:
        self.known = Kinds()
        self.known.line = _LINE
        self.tries = self.wait = 0  # how often in a row it could not be met, and for how many rows that is not tried again


class Known:
    """The kinds of *asked* over the state of *machine*.

    Attributes:
        spent: What each row has taken, as far as rows have been answered.
        told: The first row that the machine does not know of.
        steps, takes, gives: By kind; a kind that is not met has no take. One step more, which never answers, is for rows that are not plain.
        books: Totals by account; *rings*: windows over orders, by account, number and what they count.
    """

    def __init__(self, machine: Machine, asked: Asked, spent: list[int]) -> None:
        self.machine, self.state, self.plan, self.asked, self.spent = machine, machine.state, machine.policy.plan, asked, spent
        self.lane = Lane(self.plan, machine.desk)
        self.kinds = [Met() for _ in range(asked.kinds)]
        self.over_orders = [number for number, kept in self.plan.windows.items() if kept.section == "order_events"]
        self.totals = has_totals(self.plan)
        self.closed = sum(1 << number for number, rule in enumerate(self.plan.rules)
                          if rule.kind == "switch" or rule.effect == "hold" or rule.overridable is not None)
        self._varying = {number for number, spec in enumerate(self.plan.slots) if spec.kind == "field" and spec.section == "intent" and spec.name in asked.more}
        self._makers: dict[Shape, tuple[Any, list[str]]] = {}
        self.begin(0)

    def begin(self, row: int) -> None:
        """Forget what was read of the state, of which the machine knows all before *row*."""
        self.told, count = row, len(self.kinds)
        self.steps: list[Step] = [_odd] * (count + 1)
        self.takes: list[Take | None] = [None] * count
        self.gives: list[Give | None] = [None] * count
        self.rooms: dict[tuple[str, str], Room] = {}
        self.books: dict[str, list[int]] = {}
        self.rings: dict[tuple[str, int, Key], list[Ring]] = {}
        self._ring: dict[tuple[str, int, Key, int | None], Ring] = {}
        self._days: dict[str, int] = {}

    def drop(self, number: int) -> None:
        """The kind has to be met again."""
        self.steps[number], self.takes[number] = _odd, None

    def value(self, row: int) -> int:
        """What a unit of the row's symbol is worth; its kind has been met."""
        met, prices = self.kinds[self.asked.kind[row]], self.asked.more.get(PRICE)
        return met.room.value if prices is None else prices[row] * met.factor

    def meet(self, row: int) -> bool:
        """Make the step of the row's kind, by what the lane says of it and the state as it is. False where the machine has to take the row."""
        met = self.kinds[self.asked.kind[row]]
        if not self.asked.plain[row] or met.known.hopeless:
            return False
        if met.wait:
            met.wait -= 1
            return False
        try:
            made = self._made(row, met)
        except (Odd, Unusable, EventError):  # what cannot be read is said where the row is stepped
            made = False
        if made:
            met.tries = 0
        else:
            met.tries = min(met.tries + 1, _MOST_TRIES)
            met.wait = 2**met.tries - 2
        return made

    def _made(self, row: int, met: Met) -> bool:
        machine, state, now = self.machine, self.state, self.asked.now[row]
        document = self.asked.sheet.document(row)
        data = intent_of(document)
        if data.get("account") is None and state.only_account:
            data["account"] = state.only_account
        event = machine.read(data)
        key, account = self.lane.kind(event.data), event.data.get("account")
        held = state.accounts.get(account) if isinstance(account, str) else None
        if key is None or held is None or not isinstance(account, str) or not isinstance(event, PlainIntent):
            return False
        for told in events_of(document):
            machine.step(machine.read(told))
        header = self.plan.header
        if now < max(held.last_ns, state.shared_ns) or day_of(now, header.timezone, header.day_start_ns) != held.day_ns:
            return False
        if not (held.fields or held.complete_from_ns is not None or held.day_start is not None) and any(other.fields for other in state.accounts.values()):
            return False  # a stranger
        latches = machine.latches()
        intents.arrive(machine, account, now, latches)
        if latches.tripped or any(latch.tripped for latch in state.latches.values()):
            return False
        found = self.lane._prepared(machine, key, met.known, event, account, now)
        if found.venue is not None or found.position_side is not None or not _holds(found, state, now):
            return False
        size, limit = self.asked.sizes[row], self.asked.limit(row)
        moment = copy(self.lane._look(state, found, account, now, _size(size), _size(limit) if limit else None))
        self.lane._fill(found, moment)
        if moment.part.own is not None and (moment.part.own[3] or moment.part.own[4]):
            return False
        if not self._reads_alike(row, event.data):
            return False
        if "order_events" in dict(found.counts) or self.lane._may_trip(found, moment):
            return False
        if PRICE in self.asked.more and (found.quote is not None or moment.priced.factor.denominator != 1):
            return False
        met.factor = moment.priced.factor.numerator
        met.account, met.symbol, met.buy, met.data = account, found.symbol, found.buy, event.data
        met.room = self._room(found, moment)
        met.end = self._end(found, moment, now)
        self._write(row, met, found, moment)
        return True

    def _reads_alike(self, row: int, data: Mapping[str, Any]) -> bool:
        """Are other numbers of the row what the policy reads of the intent?"""
        fields, more = self.plan.schema.sections["intent"].fields, self.asked.more
        for spec in self.plan.slots:
            if spec.kind == "field" and spec.section == "intent" and spec.name in more:
                if exact(read(fields[spec.name], data.get(spec.name), ""), spec.scale) != more[spec.name][row]:
                    return False
        return True

    def _room(self, found: Prepared, moment: Moment) -> Room:
        key = moment.account, found.symbol
        room = self.rooms.get(key)
        if room is None:
            ledger = moment.ledger
            totals = self.books.get(moment.account) if self.totals else [0, 0, 0, 0]
            if totals is None:
                sums = ledger.gross, ledger.up, ledger.down, ledger.committed
                if not all(type(each) is int for each in sums):
                    raise Odd
                totals = self.books[moment.account] = list(map(int, sums))
            room = self.rooms[key] = Room(moment, totals)
        return room

    def _end(self, found: Prepared, moment: Moment, now: int) -> int:
        """Until when the readings may be used as they are."""
        desk, header = self.machine.desk, self.plan.header
        day = self._days.get(moment.account, -NEVER)
        if day < now:
            day = self._days[moment.account] = _last_of_day(now, header.timezone, header.day_start_ns)
        ends = [found.end, self.lane._sheets[moment.account].end, day]
        stamps = [moment.priced.stamp_ns, moment.ledger.oldest_ns() if found.totals else None]
        return min([*ends, *(stamp + desk.fresh_ns for stamp in stamps if stamp is not None and desk.fresh_ns)])

    def _write(self, row: int, met: Met, found: Prepared, moment: Moment) -> None:
        """Step and take of the kind."""
        plan, number, limited = self.plan, self.asked.kind[row], bool(self.asked.limit(row))
        self._counted(row, met, found)
        static = tuple(each for each in self.over_orders if met.counted[each].key is not None and plan.windows[each].function != "sum")
        moving = [each for each in self.over_orders if each not in static]
        shape = Shape(found.buy, found.action == "close", limited, found.most is not None, bool(found.least), found.least_notional is not None,
                      static, bool(moving), tuple(self.asked.more))
        if shape not in self._makers:
            writer = Writer(plan, shape)
            self._makers[shape] = compiled(writer.source()), list(writer.names)
        make, names = self._makers[shape]
        lot = Fraction(found.lot, GRAIN)
        bound: dict[str, Any] = {f"rings{each}": self._rings(met, each) for each in static}
        for place, slot, default in places(plan):
            bound[f"k{place}"], bound[f"absent{place}"] = found.ints[place], default
            if f"ring{place}" in names:
                bound[f"ring{place}"], bound[f"length{place}"] = self._window(row, met, found, slot)

        def least_at(limit: int) -> int:
            least = found.least
            if found.least_notional is not None:
                least = max(least, found.least_notional / self._value(moment, limit, buy=found.buy))
            return grains_of(-floor_to(-least, lot)) if least else 0

        def value_at(limit: int, scale: int | None) -> Any:
            return exact(self._value(moment, limit, buy=True), scale)

        def count(now: int, size: int, value: int) -> None:
            for each in moving:
                key, amount = met.counted[each].of(size, value)
                for ring in self.rings.get((met.account, each, key), ()):
                    ring.append(now) if isinstance(ring, deque) else ring.add(now, amount)

        self.steps[number], self.takes[number], self.gives[number] = make(
            plan.fused, ODD, met.room.grains, met.room.totals, met.room.value, self.closed, len(self.machine.policy.names), found.lot,
            None if found.most is None else grains_of(floor_to(found.most, lot)), least_at(0) if found.least_notional is None else None, least_at, value_at, met.factor,
            *(bound[name] for name in names), *(bound[f"rings{each}"] for each in static), *([count] if moving else []))

    @staticmethod
    def _value(moment: Moment, limit: int, *, buy: bool) -> Fraction:
        moment.limit = _size(limit) if limit else None
        return order_value(moment, buy=buy)

    # ── windows ──────────────────────────────────────────────────────────────────────────────────────

    def _counted(self, row: int, met: Met, found: Prepared) -> None:
        world, limit, size, value = found.bound.world, self.asked.limit(row), self.asked.sizes[row], self.value(row)

        def row_of(size: int, value: int) -> Any:
            return world.event_row("order_events", approved(self.asked.now[row], met.symbol, met.buy, size, value, "", limit, met.data))

        met.counted = {number: Counted(self.plan.windows[number], row_of, size, value) for number in self.over_orders}

    def _rings(self, met: Met, number: int) -> list[Ring]:
        key = met.counted[number].key
        assert key is not None
        return self.rings.setdefault((met.account, number, key), [])

    def _window(self, row: int, met: Met, found: Prepared, number: int) -> tuple[Ring, int | None]:
        """The ring of what the kind asks for, and how long it is. Raises Odd."""
        kept = self.plan.windows[number]
        slots: Any = _Settled(found.bound.slots, {*found.settled} - self._varying)
        wanted = tuple(equals(slots, ZERO) for _, equals in kept.keys)
        length = kept.window(slots, ZERO) if kept.window is not None and not kept.today else None
        window = int(length) if isinstance(length, Fraction) else None
        key = met.account, number, wanted, window
        ring = self._ring.get(key)
        if ring is None:
            index = self.machine.desk.windows._kept[met.account, number]  # it has just been asked
            if index.unread.at or not index.ordered:
                raise Odd
            day = day_of(self.asked.now[row], self.plan.header.timezone, self.plan.header.day_start_ns) if kept.today else None
            ring = self._ring[key] = ring_of(kept, index.series.get(wanted), day)
            if kept.section == "order_events":
                self.rings.setdefault(key[:3], []).append(ring)
                self._catch_up(row, ring, *key[:3])
        return ring, window

    def _catch_up(self, row: int, ring: Ring, account: str, number: int, wanted: Key) -> None:
        """What has been approved, and the machine does not know of it yet."""
        for each in range(self.told, row):
            size = self.spent[each]
            other = self.kinds[self.asked.kind[each]] if size else None
            if other is not None and other.account == account:
                key, amount = other.counted[number].of(size, self.value(each))
                if key == wanted:
                    ring.append(self.asked.now[each]) if isinstance(ring, deque) else ring.add(self.asked.now[each], amount)


def _odd(now: int, size: int, limit: int, more: tuple[int, ...]) -> Any:
    """The step of a kind that is not met."""
    return ODD


def _size(count: int) -> Size:
    return Size(Fraction(count, GRAIN), count)


def _last_of_day(now: int, timezone: str, offset_ns: int) -> int:
    """The last moment of the day that *now* is in, which is not longer than two."""
    start, last, ahead = day_of(now, timezone, offset_ns), now, 48 * HOUR
    while ahead:
        while day_of(last + ahead, timezone, offset_ns) == start:
            last += ahead
        ahead //= 2
    return last
