"""The state, read as a policy reads a facts document, without writing the document.

`facts.document` says the same at length; that both agree is what the tests of the engine hold. Here only the rows that a
decision asks for are made, and totals over the whole book come from the ledger.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any

from caplex.runtime.bind import Bound
from caplex.runtime.book import Book, exposures
from caplex.runtime.clock import NotATime, exact_instant, parse_instant
from caplex.runtime.engine import facts
from caplex.runtime.engine.lane import Lane
from caplex.runtime.engine.ledger import Ledger, fold_part, money, part_of
from caplex.runtime.engine.plainly import OneSymbol, Plainly
from caplex.runtime.engine.quick import is_plain, is_told_alike
from caplex.runtime.engine.state import Order, Past, State
from caplex.runtime.engine.windows import NOBODY, Windows
from caplex.runtime.facts import Facts, World
from caplex.runtime.layout import EVENT_TYPES, PLACES, Entry, Layout, pointer
from caplex.runtime.plan import Plan, SlotSpec
from caplex.runtime.policy import Policy
from caplex.runtime.rows import Row
from caplex.runtime.schema import SectionSpec
from caplex.runtime.switches import Switches
from caplex.runtime.values import Unknown, merge, unknown

ZERO = Fraction(0)
_MOST_ORDERS = 10_000
_RARE = ("strategy", "venue", "fx", "session")


class LiveFacts(Facts):
    """What a decision of the engine rests on: the intent, the time, and the state, named by the hash of all that led to it."""

    __slots__ = ("_chain",)
    whole = False

    def __init__(self, document: Mapping[str, Any], chain: str) -> None:
        super().__init__(document)
        self._chain = chain

    @property
    def hash(self) -> str | None:
        return self._chain


class Desk:
    """What is kept between decisions: totals by account, and sections that seldom change, laid out once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.switches = {rule.id: rule for rule in plan.rules if rule.kind == "switch"}
        self.timed = any("now" in rule.trip_reads or any(trip.confirm is not None for trip in rule.trips) for rule in self.switches.values())
        """May time alone, which every intent brings, trip a switch?"""
        self.ledgers: dict[str, Ledger] = {}
        self.windows, self.plain = Windows(), is_plain(plan)
        self.orders: dict[str, tuple[Order, Entry, dict[str, Any]]] = {}
        self._laid: dict[str, tuple[Any, Layout]] = {}
        price = plan.schema.field("market", "price")
        self.fresh_ns = price.fresh_ns if price is not None else 0
        self.plainly: Plainly | None = Plainly(plan, self.fresh_ns)
        self.lane = Lane(plan, self) if self.plain and self.plainly.fits and is_told_alike(plan) else None

    def walk(self) -> None:
        """No shortcuts from here on: every decision is made at length."""
        self.plainly = self.lane = None

    def laid_out(self, name: str, document: Mapping[str, Any]) -> Layout:
        """The layout of one part of the facts, made anew only when the part was replaced."""
        kept = self._laid.get(name)
        if kept is None or kept[0] != document:
            kept = self._laid[name] = (dict(document), Layout(self.plan.schema, {"intent": {}, **document}))
        return kept[1]

    def ledger(self, world: LiveWorld) -> Ledger:
        """The totals of the world's account, with everything that has moved."""
        account = world.account_name
        found = self.ledgers.get(account)
        moved = world.state.moved.get(account)
        if found is None:
            found = self.ledgers[account] = Ledger()
            moved = {*world.state.held.get(account, ()), *world.state.working.get(account, ())}
        if moved:
            at = int(world.now) if isinstance(world.now, Fraction) else None
            for symbol in sorted(moved):
                part = None
                if self.plainly is not None and at is not None and (part := self.plainly.part(world.state, account, symbol, at)) is None:
                    self.plainly.learn(world, symbol)
                    part = self.plainly.part(world.state, account, symbol, at)
                if part is not None:
                    found.put(symbol, part)
                else:
                    self._refresh(found, world, symbol)
            if isinstance(world.now, Fraction):
                found.taken_ns = max(found.taken_ns, int(world.now))
            world.state.moved[account] = set()
        return found

    def follow(self, state: State, account: str, now: int) -> Ledger | None:
        """`ledger`, without a world; None where something that has moved is not plain."""
        found, moved = self.ledgers.get(account), state.moved.get(account)
        if found is None:
            found = self.ledgers[account] = Ledger()
            moved = state.moved[account] = {*state.held.get(account, ()), *state.working.get(account, ())}
        if moved:
            found.taken_ns = max(found.taken_ns, now)
            for symbol in sorted(moved):
                part = self.plainly.part(state, account, symbol, now) if self.plainly is not None else None
                if part is None:
                    return None
                found.put(symbol, part)
                moved.discard(symbol)
        return found

    def _refresh(self, ledger: Ledger, world: LiveWorld, symbol: str) -> None:
        positions, orders = world.of_symbol("positions", symbol), world.of_symbol("orders", symbol)
        stamps, usable = [], True
        for row in (*positions, *orders):
            quote = world.quote(symbol, row.entry.keys.get("venue"))
            details = world.details(symbol, row.entry.keys.get("venue"))
            if not isinstance(quote, Row) or isinstance(details, Unknown):
                usable = False
                continue
            if isinstance(details, Row) and details.entry.data.get("currency") not in (None, world.currency):
                usable = False  # the rate has a stamp of its own
            stamp = _stamp(quote)
            usable = usable and (stamp is not None or not self.fresh_ns)
            stamps.append(stamp)
        found = exposures(positions, orders, lambda row: world.unit_value(symbol, row.entry.keys.get("venue")))
        known = [stamp for stamp in stamps if stamp is not None]
        here = OneSymbol(world.schema, positions)
        folds = tuple(fold_part(function, self.plan.folds[number](here, ())) for number, function in self.plan.by_symbol.items()) if usable else ()
        ledger.put(symbol, part_of(found, min(known) if known and self.fresh_ns else None, folds, usable=usable))

    def is_sound(self, ledger: Ledger, now: int) -> bool:
        """May the totals be used: is every price in them usable still?"""
        if ledger.unusable or now < ledger.taken_ns:  # a quote may be of a time that the account has not reached
            return False
        oldest = ledger.oldest_ns()
        return oldest is None or now - oldest <= self.fresh_ns


def _stamp(row: Row) -> int | None:
    try:
        return parse_instant(str(row.entry.data.get("as_of")))
    except NotATime:
        return None


def bind(policy: Policy, state: State, desk: Desk, intent: Mapping[str, Any], account: str, now: int, chain: str) -> LiveBound:
    """*policy*'s readings for *intent* on *state*."""
    document = {"now": exact_instant(now), "intent": {name: value for name, value in intent.items() if name != "type"}}
    world = LiveWorld(policy.plan, state, desk, document, account)
    given = LiveFacts(document, chain)
    bound = LiveBound(policy.plan, document, world=world, book=LiveBook(world))
    bound.policy, bound.facts, bound.names = policy, given, policy.names
    given.bound[policy] = bound
    return bound


class LiveBound(Bound):
    """Readings on the state: aggregates over histories and positions come from running totals, where there are any."""

    __slots__ = ()
    world: LiveWorld
    _book: LiveBook

    def _fill(self, number: int, spec: SlotSpec) -> Any:
        if spec.kind == "fold" and (function := self.plan.by_symbol.get(number)) is not None and (ledger := self._book._ledger) is not None:
            return ledger.tally(list(self.plan.by_symbol).index(number), function)
        if spec.kind == "fold" and (kept := self.plan.windows.get(number)) is not None:
            value = self.world.desk.windows.value(self.world, kept, number, self.slots)
            if value is not NOBODY:
                return value
        return super()._fill(number, spec)

    def tally(self, events: str, window: Any, since: Fraction | None, before: int, matches: Callable[..., bool]) -> Any:
        value = NOBODY if before else self.world.desk.windows.tally(self.world, events, window, since, matches)
        return super().tally(events, window, since, before, matches) if value is NOBODY else value


class LiveWorld(World):
    """The world as the engine knows it, for one intent."""

    def __init__(self, plan: Plan, state: State, desk: Desk, document: Mapping[str, Any], account: str) -> None:
        header = plan.header
        self._claims: dict[str, Any] = {}
        self._mine: dict[str, list[Row] | Unknown] = {}
        super().__init__(plan.schema, document, currency=header.currency, timezone=header.timezone, day_start_ns=header.day_start_ns)
        self.state, self.desk, self.account_name = state, desk, account
        held = state.accounts.get(account)
        self._layout.accounts = {account: facts.account_row(held)} if held is not None and held.fields else {}
        self._layout.counters = state.counters
        self._layout.history = {"events": []}
        self._layout.tables = _Tables(self, self._layout.tables)
        self._switches = Switches([facts.switch_row(latch, account) for latch in state.latches.values()], self.claim)
        self._own_rows: dict[tuple[str, str], list[Row]] = {}

    # ── rows by key ──────────────────────────────────────────────────────────────────────────────────

    def of_symbol(self, section: str, symbol: str) -> list[Row]:
        """Positions, or orders in flight, of the account in one symbol."""
        known = self._own_rows.get((section, symbol))
        if known is None:
            spec, account = self.schema.sections[section], self.account_name
            if section == "orders":
                known = [self._order_row(spec, order) for order in self.state.working.get(account, {}).get(symbol, {}).values()]
            else:
                known = [Row(self, spec, Entry(facts.position_row(key, row), pointer("positions", symbol), _keys(key)))
                         for key, row in self.state.held.get(account, {}).get(symbol, {}).items()]
            self._own_rows[section, symbol] = known
        return known

    def _order_row(self, spec: SectionSpec, order: Order) -> Row:
        """An order in flight; as nobody changes it in place, its row is told once."""
        kept = self.desk.orders.get(order.id)
        if kept is None or kept[0] is not order:
            if len(self.desk.orders) >= _MOST_ORDERS:
                self.desk.orders.clear()
            entry = Entry(facts.order_row(order), pointer("orders", order.id), _keys((order.account, order.venue, order.symbol, order.position_side)))
            kept = self.desk.orders[order.id] = order, entry, {}
        row = Row(self, spec, kept[1])
        # What does not depend on the time, nor on a rate, is read once too.
        if not kept[2]:
            kept[2].update(_timeless(row))
        row._cells.update(kept[2])
        return row

    def claim(self, dimension: str) -> Any:
        if dimension not in self._claims:
            self._claims[dimension] = super().claim(dimension)
        return self._claims[dimension]

    def mine(self, section: str) -> list[Row] | Unknown:
        if section not in self._mine:
            self._mine[section] = self._find_mine(section)
        return self._mine[section]

    def _find_mine(self, section: str) -> list[Row] | Unknown:
        account, symbol = self.claim("account"), self.claim("symbol")
        if isinstance(account, Unknown):
            return account
        if not isinstance(symbol, str):
            return symbol if isinstance(symbol, Unknown) else unknown("SYS-001", "/intent/symbol", "missing")
        return self._narrowed(section, self.of_symbol("orders" if section == "orders" else section, symbol))

    def _by_key(self, spec: SectionSpec) -> dict[str, list[Row]]:
        if spec.name in ("market", "instrument"):
            return _Quoted(self, spec)
        return super()._by_key(spec)

    stamp = staticmethod(_stamp)

    def quote(self, symbol: str, venue: str | None) -> Row | Unknown | None:
        return self._of_key(self.schema.sections["market"], symbol, venue)

    def details(self, symbol: str, venue: str | None) -> Row | Unknown | None:
        return self._of_key(self.schema.sections["instrument"], symbol, venue)

    # ── histories ────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def complete_from(self) -> Any:
        held = self.state.accounts.get(self.account_name)
        if held is None or held.complete_from_ns is None:
            return unknown("SYS-007", "/history/complete_from", "incomplete", "", "an instant, 2026-01-05T15:00:00Z")
        return Fraction(held.complete_from_ns)

    def events(self, kind: str, since_ns: Fraction | int | None) -> list[Row] | Unknown:
        section = EVENT_TYPES.get(kind, "order_events" if kind == "orders" else kind)
        if since_ns is not None:
            lost = self._incomplete(since_ns)
            if lost is not None:
                return lost
        found: list[Row] = []
        for past in reversed(self.state.histories.get(self.account_name, {}).get(section, ())):
            if since_ns is not None and past.at_ns < since_ns:
                break
            found.append(self.event_row(section, past))
        found.reverse()
        return found

    def event_row(self, section: str, past: Past) -> Row:
        """One event of a history, as rules read it."""
        keys = {"account": self.account_name} if self.account_name else {}
        if past.row.get("venue"):
            keys["venue"] = past.row["venue"]
        row = Row(self, self.schema.sections[section], Entry(past.row, "/history/events", keys))
        row._cells["at"] = Fraction(past.at_ns)
        return row


def _timeless(row: Row) -> dict[str, Any]:
    """What is asked of every order in flight, where no stamp can make it too old."""
    fields = row.section.fields
    return {name: row.cell(name) for name in ("side", "leaves_quantity", "oco", "status")
            if name in fields and not fields[name].fresh_ns and row.entry.data.get("as_of") is None}


class _Quoted(dict[str, list[Row]]):
    """Quotes or instruments by symbol, made when asked for."""

    def __init__(self, world: LiveWorld, spec: SectionSpec) -> None:
        super().__init__()
        self.world, self.spec = world, spec
        self.rows = world.state.quotes if spec.name == "market" else world.state.details

    def get(self, symbol: str, default: Any = ()) -> Any:
        found = self.rows.get(symbol)
        if not found:
            return default
        place = pointer(PLACES.get(self.spec.name, self.spec.name), symbol)
        return [Row(self.world, self.spec, Entry(row, place, {"symbol": symbol, **({"venue": venue} if venue else {})})) for venue, row in found.items()]


class _Tables(dict[str, Any]):
    """Entries by section, laid out when asked for: a policy seldom looks at all rows of anything."""

    def __init__(self, world: LiveWorld, given: Mapping[str, Any]) -> None:
        super().__init__({"intent": given.get("intent")})
        self.world = world

    def __missing__(self, section: str) -> list[Entry] | None:
        found = self[section] = self._entries(section)
        return found

    def get(self, section: str, default: Any = None) -> Any:
        return self[section]

    def _entries(self, section: str) -> list[Entry] | None:
        world, state = self.world, self.world.state
        spec = world.schema.sections.get(section)
        if spec is None:
            return None
        if section in ("positions", "position"):
            rows = state.held.get(world.account_name, {})
            return [Entry(facts.position_row(key, row), pointer("positions", symbol), _keys(key)) for symbol, keyed in rows.items() for key, row in keyed.items()]
        if section == "orders":
            return [Entry(facts.order_row(order), pointer("orders", order.id), _keys((order.account, order.venue, order.symbol, order.position_side)))
                    for order in state.flowing(world.account_name)]
        if section in ("market", "instrument"):
            quoted = state.quotes if section == "market" else state.details
            place = PLACES.get(section, section)
            return [Entry(row, pointer(place, symbol), {"symbol": symbol, **({"venue": venue} if venue else {})})
                    for symbol, rows in quoted.items() for venue, row in rows.items()]
        if spec.inputs:
            return world.desk.laid_out("inputs", {"inputs": facts.inputs(world.schema, state)}).tables[section]
        if section in _RARE:
            part = {"strategy": state.strategies, "venue": state.venues, "fx": state.fx, "session": state.session}[section]
            if not part and section in ("fx", "session"):
                return None
            place = PLACES.get(section, section)
            return world.desk.laid_out(section, {place: part}).tables[section]
        return None


def _keys(key: tuple[str, str, str, str]) -> dict[str, str]:
    return {name: value for name, value in zip(("account", "venue", "symbol", "position_side"), key, strict=True) if value}


class LiveBook(Book):
    """The book, with totals from the ledger where they are sound."""

    world: LiveWorld

    @cached_property
    def _ledger(self) -> Ledger | None:
        """None where the rows must be walked."""
        world = self.world
        if not isinstance(world.now, Fraction) or isinstance(world.claim("account"), Unknown):
            return None
        ledger = world.desk.ledger(world)
        return ledger if world.desk.is_sound(ledger, int(world.now)) else None

    @cached_property
    def _exposures(self) -> Any:
        """With a ledger, only those of the intent's own symbol: other venues, the other leg of a hedge. Without one, all."""
        world = self.world
        held, sent = world.mine("positions"), world.mine("orders")
        if isinstance(held, Unknown) or isinstance(sent, Unknown):
            return merge(held, sent)
        symbol, account = world.claim("symbol"), world.account_name
        assert isinstance(symbol, str)
        symbols = [symbol] if self._ledger is not None else list(dict.fromkeys(
            [symbol, *world.state.held.get(account, ()), *world.state.working.get(account, ())]))
        # The same rows as `mine` gave: it is they that are left out, and not others that say the same.
        mine = {id(row) for row in (*held, *sent)}
        return exposures([row for name in symbols for row in world.of_symbol("positions", name)],
                         [row for name in symbols for row in world.of_symbol("orders", name)], self._value, mine=mine)

    def _sum(self, part: str) -> Any:
        here = super()._sum(part)
        ledger = self._ledger
        if ledger is None or isinstance(here, Unknown):
            return here
        own = ledger.part(str(self.world.claim("symbol")))
        total = {"gross": ledger.gross - own.gross, "buy": ledger.up - own.up, "sell": ledger.down - own.down}[part]
        return here + money(total)

    @cached_property
    def held_gross(self) -> Any:
        return super().held_gross if self._ledger is None else money(self._ledger.held_gross)

    @cached_property
    def held_net(self) -> Any:
        return super().held_net if self._ledger is None else money(self._ledger.held_net)

    @cached_property
    def position_count(self) -> Any:
        return super().position_count if self._ledger is None else Fraction(self._ledger.holding)

    @cached_property
    def committed_count(self) -> Any:
        return super().committed_count if self._ledger is None else Fraction(self._ledger.committed)
