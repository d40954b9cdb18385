"""What intents have in common that differ in id, time, size and limit price alone: read once, by the same code that reads any intent.

Each slot of the policy is either settled (it follows from what such intents share, and from rows of the state that are
remembered and must still be the same objects), or it is told again for each intent by a small function that this module picks
by the kind of slot. A slot of any other kind, and a reading that cannot be used, make the whole kind of intent unprepared: it
goes the long way. See `runtime.engine.lane`.
"""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.bind import PLACES
from caplex.runtime.engine.fold import day_of
from caplex.runtime.engine.ledger import Ledger, Part
from caplex.runtime.engine.plainly import Odd, Priced
from caplex.runtime.engine.scales import Fill, exact, shifted
from caplex.runtime.engine.windows import NOBODY
from caplex.runtime.overrides import reach
from caplex.runtime.plan import Plan, SlotSpec
from caplex.runtime.reading import read
from caplex.runtime.rows import FUTURE_NS, Row
from caplex.runtime.schema import FieldSpec, Kind, Type
from caplex.runtime.values import ABSENT, Unknown

if TYPE_CHECKING:
    from caplex.runtime.engine.live import Desk, LiveBound, LiveWorld
    from caplex.runtime.engine.state import Account, State

VARYING: Final = ("id", "at", "quantity", "limit_price")
"""What two intents of one kind may say differently."""
_MONEY: Final = 16
"""Decimals of the ledger's units."""
_COUNT: Final = FieldSpec("counters", "value", Type(Kind.COUNT), low=Fraction(0))
_END: Final = 2**80
ZERO: Final = Fraction(0)


@dataclass(slots=True)
class Size:
    """A quantity or a price as intents write it."""

    value: Fraction
    grains: int


class Moment:
    """What the functions of slots are told of: one intent at one time. The same object serves one intent after the other."""

    __slots__ = ("account", "buys", "closable", "grains", "held", "ledger", "limit", "now", "part", "position", "priced", "rows", "sells", "state")

    state: State
    account: str
    held: Account
    now: int
    ledger: Ledger
    part: Part
    position: int
    buys: int
    sells: int
    closable: int
    grains: int
    limit: Size | None
    priced: Priced
    rows: Mapping[int, Any]  # fields of the account by slot


@dataclass(slots=True)
class Prepared:
    """One kind of intent.

    Attributes:
        bound: The readings that it was prepared from.
        ints: What the fused form unpacks, with the settled places filled; *fills* are the others, by place, in groups: those that
            are told anew for each intent, and those that stay as long as the account, the counters, the price are the same objects.
        stays: What they were told of last.
        settled: Numbers of the slots that stay as they are in *bound*; *places* says where the fused form has a slot.
        tables: Of the state, which must be the same objects; *begin* and *end*: when nothing in them is from the future or too old.
        counts: Trips that count events: the history, and how many there must be.
        totals: Does anything depend on the whole book?
    """

    bound: LiveBound
    buy: bool
    action: str
    symbol: str
    venue: str | None
    position_side: str | None
    ints: list[Any]
    tables: tuple[Any, ...]
    quote: Any
    details: Any
    begin: int
    end: int
    lot: int
    most: Any = None
    least: Any = ZERO
    least_notional: Any = None
    hedged: bool = False
    totals: bool = False
    fills: dict[str, list[tuple[int, Fill]]] = field(default_factory=lambda: {"": [], "account": [], "counters": [], "price": []})
    stays: list[Any] = field(default_factory=lambda: [None, None, None])
    settled: frozenset[int] = frozenset()
    places: dict[int, int] = field(default_factory=dict)
    counts: tuple[tuple[str, Fraction], ...] = ()
    known: dict[int, Any] | None = None  # the settled slots, for `lessen`


def tables(state: State) -> tuple[Any, ...]:
    """What is replaced as a whole when it changes."""
    return (state.inputs, state.strategies, state.venues, state.session, state.fx)


class _Settled:
    """The slots, for callables that may see settled ones only."""

    def __init__(self, slots: list[Any], settled: set[int]) -> None:
        self._slots, self._settled = slots, settled

    def __getitem__(self, number: int) -> Any:
        if number not in self._settled:
            raise Odd
        return self._slots[number]


def prepare(plan: Plan, desk: Desk, bound: LiveBound, state: State, now: int) -> Prepared:
    """The kind of the intent that *bound* was read of. Raises Odd where there is more to it than this module knows."""
    if bound.ints is None:  # of a document that cannot be used nothing more has been read
        raise Odd
    world, book = bound.world, bound._book
    if bound.action not in ("open", "close") or book.side not in ("buy", "sell") or not bound.reconciled:
        raise Odd
    claims = {name: world.claim(name) for name in ("symbol", "venue", "position_side", "side")}
    if not isinstance(claims["symbol"], str) or claims["side"] is None or any(isinstance(each, Unknown) for each in claims.values()):
        raise Odd
    if any(latch.tripped for latch in state.latches.values()):
        raise Odd
    grid = bound.grid(bound.action, bound.closing)
    begin, end, quote, details = _span(plan, world, claims["symbol"], now)
    lot = exact(grid.lot, PLACES)
    if not isinstance(lot, int) or lot <= 0:
        raise Odd
    found = Prepared(bound, book.side == "buy", bound.action, claims["symbol"], claims["venue"], claims["position_side"], list(bound.ints),
                     tables(state), quote, details, begin, end, lot, grid.most, grid.least_quantity or ZERO, grid.least_notional,
                     hedged=bound.action == "open" and claims["position_side"] in ("long", "short"))
    Slots(plan, desk, found, now).sort()
    return found


def _span(plan: Plan, world: LiveWorld, symbol: str, now: int) -> tuple[int, int, Any, Any]:
    """From when to when every row that was read may be used as it was, and the quote and the instrument among them."""
    begin, end = -_END, _END
    rows = [row for row in (*world._found.values(), *(row for rows in world._tables.values() for row in rows)) if isinstance(row, Row)]
    for row in rows:
        if row.section.name in ("account", "positions", "position", "orders", "intent"):
            continue  # those are looked at for each intent
        fresh = min((spec.fresh_ns for spec in row.section.fields.values() if spec.fresh_ns), default=0)
        if row.entry.data.get("currency") not in (None, world.currency):
            raise Odd
        if row.section.name == "market":
            continue  # of the intent's symbol, or there is no preparing: `plainly` looks at its age
        stamp = row.entry.data.get("as_of")
        at = world.stamp(row)
        if stamp is not None and at is None:
            raise Odd
        if at is not None:
            begin, end = max(begin, at - FUTURE_NS), min(end, at + fresh if fresh else end)
    quotes, details = world.state.quotes.get(symbol, {}), world.state.details.get(symbol, {})
    if len(quotes) != 1 or len(details) > 1 or not begin <= now <= end:
        raise Odd
    return begin, end, next(iter(quotes.values())), next(iter(details.values()), None)


class Slots:
    """Sorts the slots of a plan into settled ones and such as are told for each intent."""

    def __init__(self, plan: Plan, desk: Desk, found: Prepared, now: int) -> None:
        self.plan, self.desk, self.found, self.now = plan, desk, found, now
        self.fused = {number: place for place, number in enumerate(plan.fused_slots, 7)}
        first = 7 + len(plan.fused_slots)
        self.defaults = {number: (place, default) for place, (number, default) in enumerate(plan.fused_defaults, first)}
        self.ties = False

    def sort(self) -> None:
        found, settled = self.found, set[int]()
        later: list[tuple[int, SlotSpec]] = []
        for number, spec in enumerate(self.plan.slots):
            if spec.kind == "fold":
                later.append((number, spec))
            elif not self._told(number, spec):
                settled.add(number)
        for number, spec in later:
            self._fold(number, spec, settled)
        used = {*self.fused, *self.defaults}
        if any(isinstance(found.bound.slots[number], Unknown) for number in used & settled):
            raise Odd
        found.settled, found.places = frozenset(settled), {**{number: place for number, (place, _) in self.defaults.items()}, **self.fused}
        if not self.ties:
            found.quote = None
        found.counts = tuple(self._counts(settled))

    def _counts(self, settled: set[int]) -> Any:
        slots: Any = _Settled(self.found.bound.slots, settled)
        for rule in self.plan.rules:
            for trip in rule.trips if rule.kind == "switch" and self.found.action in rule.actions else ():
                if trip.kind == "count":
                    amount = trip.amount(slots, ZERO) if trip.amount is not None else None
                    if not isinstance(amount, Fraction) or amount <= 0:
                        raise Odd
                    yield trip.events, amount

    # ── one slot ─────────────────────────────────────────────────────────────────────────────────────

    def _put(self, number: int, fill: Callable[[Any], Fill], group: str = "") -> bool:
        """*fill* makes the function, given what stands for an absent reading. What the fused form does not read needs none."""
        if number in self.fused:
            self.found.fills[group].append((self.fused[number], fill(None)))
        if number in self.defaults:
            place, default = self.defaults[number]
            self.found.fills[group].append((place, fill(default)))
        return True

    def _told(self, number: int, spec: SlotSpec) -> bool:
        """Whether the slot is told for each intent; if not, it is settled. Raises Odd."""
        scale, found = spec.scale, self.found
        match spec.kind:
            case "setting":
                self._setting(spec.name)
                return False
            case "switch":
                state = found.bound.slots[number]
                if number in self.fused and not (isinstance(state, str) and state == "armed"):  # an unknown one compares to neither
                    raise Odd
                return False
            case "permitted":
                return False
            case "now":
                return self._put(number, lambda _: shifted(lambda m: m.now, 0, scale))
            case "counter":
                name = spec.name
                return self._put(number, lambda default: lambda m: exact(read(_COUNT, m.state.counters.get(name), ""), scale, default), "counters")
            case "book":
                return self._book(number, spec)
        return self._field(number, spec)

    def _setting(self, name: str) -> None:
        scopes, ends = reach(self.plan, self.plan.settings[name])
        if any(scope.kind != "field" or scope.section != "intent" or scope.name in VARYING for scope in scopes):
            raise Odd
        next_one = bisect_right(ends, self.now)
        if next_one < len(ends):
            self.found.end = min(self.found.end, ends[next_one] - 1)
        if next_one:
            self.found.begin = max(self.found.begin, ends[next_one - 1])

    def _field(self, number: int, spec: SlotSpec) -> bool:
        scale, name = spec.scale, spec.name
        key = self.plan.slots[spec.key_slot] if spec.key_slot is not None else None
        if key is not None and (key.kind != "field" or key.section != "intent" or key.name in VARYING):
            raise Odd
        own = spec.key_text is None and key is None
        match spec.section:
            case "intent":
                if name == "quantity":
                    return self._put(number, lambda _: shifted(lambda m: m.grains, PLACES, scale))
                if name == "limit_price" and not isinstance(self.found.bound.slots[number], Unknown) and self.found.bound.slots[number] is not ABSENT:
                    return self._put(number, lambda _: lambda m: _limit(m, scale))
                if name in ("id", "at"):
                    if number in self.fused or number in self.defaults:
                        raise Odd
                    return True
                return False
            case "account":
                return self._put(number, lambda default: lambda m: exact(m.rows[number], scale, default), "account")
            case "position" if own and name == "quantity":
                return self._put(number, lambda _: shifted(lambda m: m.position, PLACES, scale))
            case "position" | "positions" | "orders":
                raise Odd
            case "market" if own and name == "price":
                return self._put(number, lambda _: lambda m: exact(m.priced.price, scale), "price")
            case "market" | "instrument":
                if not own:
                    raise Odd
                fields = self.plan.schema.sections[spec.section].fields
                if any(each.fresh_ns for each in fields.values() if each.name != "price") and spec.section == "market":
                    raise Odd
                self.ties = self.ties or spec.section == "market"
        return False

    def _book(self, number: int, spec: SlotSpec) -> bool:
        scale, buy = spec.scale, self.found.buy
        match spec.name:
            case "direction" | "side":
                return False
            case "position":
                return self._put(number, lambda _: shifted(lambda m: m.position, PLACES, scale))
            case "base":
                return self._put(number, lambda _: shifted(lambda m: m.position + m.buys if buy else m.position - m.sells, PLACES, scale))
            case "value":
                return self._put(number, lambda _: shifted(lambda m: m.priced.grains, PLACES, scale), "price")
            case "order_value":
                return self._put(number, lambda _: lambda m: exact(order_value(m, buy=buy), scale))
            case "closing":
                return self._put(number, lambda _: shifted(lambda m: m.closable, PLACES, scale))
            case "day_start":
                header = self.plan.header
                return self._put(number, lambda _: shifted(lambda m: day_of(m.now, header.timezone, header.day_start_ns), 0, scale))
        self.found.totals = True
        match spec.name:
            case "others_gross":
                return self._put(number, lambda _: shifted(lambda m: m.ledger.gross - m.part.gross, _MONEY, scale))
            case "others_net":
                if buy:
                    return self._put(number, lambda _: shifted(lambda m: m.ledger.up - m.part.up, _MONEY, scale))
                return self._put(number, lambda _: shifted(lambda m: m.ledger.down - m.part.down, _MONEY, scale))
            case "held_gross":
                return self._put(number, lambda _: shifted(lambda m: m.ledger.held_gross, _MONEY, scale))
            case "held_net":
                return self._put(number, lambda _: shifted(lambda m: m.ledger.held_net, _MONEY, scale))
            case "held_count":
                return self._put(number, lambda _: shifted(lambda m: m.ledger.holding, 0, scale))
            case "committed_count":
                return self._put(number, lambda _: shifted(lambda m: m.ledger.committed, 0, scale))
        raise Odd

    def _fold(self, number: int, spec: SlotSpec, settled: set[int]) -> None:
        scale = spec.scale
        function = self.plan.by_symbol.get(number)
        if function is not None:
            self.found.totals = True
            index = list(self.plan.by_symbol).index(number)
            self._put(number, lambda default: lambda m: exact(m.ledger.tally(index, function), scale, default))
            return
        kept = self.plan.windows.get(number)
        if kept is None or (number not in self.fused and number not in self.defaults):
            raise Odd
        slots: Any = _Settled(self.found.bound.slots, settled)
        wanted = tuple(equals(slots, ZERO) for _, equals in kept.keys)
        length = kept.window(slots, ZERO) if kept.window is not None and not kept.today else None
        if not all(isinstance(each, str | Fraction | bool) for each in wanted) or isinstance(length, Unknown):
            raise Odd
        if isinstance(length, Fraction) and length.denominator != 1:
            raise Odd
        reach = int(length) if isinstance(length, Fraction) else None
        header, world, windows = self.plan.header, self.found.bound.world, self.desk.windows

        def since(m: Moment) -> int | None:
            begin = day_of(m.now, header.timezone, header.day_start_ns) if kept.today else None if reach is None else m.now - reach
            if begin is not None and (m.held.complete_from_ns is None or m.held.complete_from_ns > begin):
                raise Odd
            return begin

        def count(default: Any) -> Fill:
            def fill(m: Moment) -> Any:
                value = windows.since(world, kept, number, wanted, since(m))
                if value is NOBODY or isinstance(value, Unknown):
                    raise Odd
                return exact(value, scale, default)

            return fill

        self._put(number, count)


def _limit(moment: Moment, scale: int | None) -> Any:
    if moment.limit is None:
        raise Odd
    return exact(moment.limit.value, scale)


def order_value(moment: Moment, *, buy: bool) -> Fraction:
    """Money of one unit of the intent, as `Book.order_value` has it."""
    price = moment.priced.price
    if buy and moment.limit is not None:
        price = max(price, moment.limit.value)
    return price * moment.priced.factor


def account_rows(plan: Plan, world: LiveWorld) -> dict[int, Any]:
    """The fields of the account that the policy reads, by slot."""
    found: dict[int, Any] = {}
    for number, spec in enumerate(plan.slots):
        if spec.kind == "field" and spec.section == "account":
            value = world.cell("account", spec.key_text, spec.name)
            found[number] = value if value is not ABSENT or spec.optional else Unknown(())
    return found
