"""What the engine knows: a fold of events, and nothing else (docs/spec.md, CAP-STATE).

Rows are replaced and never changed in place, so that a document made from the state stays what it was when more happens.
Quantities and money are exact; times are nanoseconds.
"""
from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any, Literal

from caplex.runtime.engine.transfers import Outgoing

Scope = tuple[tuple[str, str], ...]
Key = tuple[str, str, str, str]
"""Account, venue, symbol, position side; an empty text where nobody said."""
ZERO = Fraction(0)
FLOWING = frozenset({"reserved", "sent", "open", "partially_filled", "cancel_requested", "unknown"})


@dataclass(slots=True)
class Account:
    """One account.

    Attributes:
        fields: As the venue says, by name of the field, numbers as texts.
        peak, day_start, flows: High-water mark of equity, equity at the last start of day, and flows since: kept here, not told.
        day_ns: When the present day of the policy began.
        last_ns: Time of the last event; time does not run backwards.
        unreconciled: Why the books may not fit the venue's; None if nothing speaks against them.
        outgoing: Transfers that were approved and have not been confirmed, by intent.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    peak: Fraction | None = None
    day_start: Fraction | None = None
    flows: Fraction = ZERO
    fees: Fraction = ZERO
    day_ns: int | None = None
    last_ns: int = -(2**63)
    complete_from_ns: int | None = None
    unreconciled: str | None = None
    outgoing: dict[str, Outgoing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Position:
    quantity: Fraction
    average_price: Fraction | None
    as_of_ns: int
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further fields as the venue says them: strategy, sector, opened_at …"""


@dataclass(frozen=True, slots=True)
class Order:
    """An order in flight, or a reservation before there is one.

    Attributes:
        id: Of the venue, else of the client, else of the reservation.
        filled: By the fills that came here, which moved the position.
        reported: Filled, as the venue says of the order; what no fill has told yet is in flight still.
        presumed: Of *filled*: what had filled when the order was first heard of, at *presumed_ns*, and whose fills have not come.
        expires_ns: When a held reservation lapses; None once it was sent.
    """

    id: str
    account: str
    venue: str
    symbol: str
    side: Literal["buy", "sell"]
    position_side: str
    status: str
    quantity: Fraction
    filled: Fraction
    reported: Fraction = ZERO
    price: str | None = None
    strategy: str | None = None
    intent_id: str | None = None
    client_order_id: str | None = None
    oco: str | None = None
    reduce_only: bool = False
    expires_ns: int | None = None
    reservation: str | None = None
    presumed: Fraction = ZERO
    presumed_ns: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def leaves(self) -> Fraction:
        """Units that may still move the position: what may still fill, and what has filled without a fill having told of it."""
        return max(ZERO, (self.quantity if self.status in FLOWING else self.reported) - self.filled)

    @property
    def flows(self) -> bool:
        """Does it take room? One that is over does so as long as fills of it are missing."""
        return self.status in FLOWING or self.reported > self.filled

    @property
    def state(self) -> str:
        """Of the reservation: held, working, unknown, spent or released."""
        if self.status == "reserved":
            return "held"
        if self.flows:
            return "unknown" if self.status == "unknown" else "working"
        return "spent" if self.status == "filled" else "released"


@dataclass(frozen=True, slots=True)
class Past:
    """One event of a history, as windows read it."""

    section: str
    at_ns: int
    row: Mapping[str, Any]


@dataclass(slots=True)
class Latch:
    """A switch in one scope. Without a trip it is armed.

    Attributes:
        confirming: By number of the trip clause: readings in a row at which it held, and since when.
        request: The open request to re-arm.
    """

    switch: str
    scope: Scope
    tripped: bool = False
    since_ns: int | None = None
    cause: Mapping[str, Any] | None = None
    by_decision: str | None = None
    by_event: str | None = None
    confirming: dict[int, tuple[int, int]] = field(default_factory=dict)
    request: Any = None
    last_ns: int | None = None
    """The last time that it was found tripping, also while it was tripped: what was asked for before that is over."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An intent that was answered: the same content gets the same answer."""

    hash: str
    decision_id: str
    at_ns: int
    told: Mapping[str, Any]


@dataclass(slots=True)
class State:
    """Everything. `runtime.engine.fold` changes it, `runtime.engine.facts` reads it out."""

    seq: int = 0
    now_ns: int = -(2**63)
    shared_ns: int = -(2**63)
    """Time of the last event that was of no account."""
    accounts: dict[str, Account] = field(default_factory=dict)
    positions: dict[Key, Position] = field(default_factory=dict)
    counted: dict[Key, int] = field(default_factory=dict)
    """The venue's time of the last snapshot of a position that said one: fills up to then are in it."""
    orders: dict[str, Order] = field(default_factory=dict)
    by_intent: dict[str, str] = field(default_factory=dict)
    by_client: dict[str, str] = field(default_factory=dict)
    fills: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    market: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    instruments: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    venues: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    strategies: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    fx: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    session: dict[str, Any] = field(default_factory=dict)
    counters: dict[str, Any] = field(default_factory=dict)
    histories: dict[str, dict[str, deque[Past]]] = field(default_factory=dict)
    """By account, then by section."""
    latches: dict[tuple[str, Scope], Latch] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    event_ids: dict[tuple[str, str], str] = field(default_factory=dict)
    holds: dict[str, Any] = field(default_factory=dict)
    obligations: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Those that nobody has acknowledged as done."""

    # By account and symbol, so that a decision costs the same with 20 or 500 positions. Kept by the four methods below.
    held: dict[str, dict[str, dict[Key, Position]]] = field(default_factory=dict)
    working: dict[str, dict[str, dict[str, Order]]] = field(default_factory=dict)
    """Orders that may still fill."""
    quotes: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)
    """By symbol, then by venue."""
    details: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)
    """Instruments, by symbol, then by venue."""
    moved: dict[str, set[str]] = field(default_factory=dict)
    """By account: symbols whose exposure or value may have changed since the totals were last taken; see `ledger`."""

    def set_position(self, key: Key, position: Position) -> None:
        """What is held under *key*; nothing, if the quantity is 0."""
        rows = self.held.setdefault(key[0], {}).setdefault(key[2], {})
        if position.quantity == 0:
            self.positions.pop(key, None)
            rows.pop(key, None)
        else:
            self.positions[key] = rows[key] = position
        self.moved.setdefault(key[0], set()).add(key[2])

    def set_order(self, order: Order, old: str | None = None) -> None:
        """*order* under its id, in the place of the one that was called *old*."""
        before = self.orders.pop(old, None) if old is not None and old != order.id else self.orders.get(order.id)
        if before is not None:
            self.working.get(before.account, {}).get(before.symbol, {}).pop(before.id, None)
            self.moved.setdefault(before.account, set()).add(before.symbol)
            for names, name in ((self.by_client, before.id), (self.by_client, before.client_order_id), (self.by_intent, before.intent_id)):
                if name and name != order.id:  # whoever knows it by an earlier name will find it: fills come late
                    names[name] = order.id
        self.orders[order.id] = order
        if order.flows:
            self.working.setdefault(order.account, {}).setdefault(order.symbol, {})[order.id] = order
        self.moved.setdefault(order.account, set()).add(order.symbol)
        if order.intent_id:
            self.by_intent[order.intent_id] = order.id
        if order.client_order_id:
            self.by_client[order.client_order_id] = order.id

    def drop_order(self, order: Order) -> None:
        """The order goes, because another one has taken its place."""
        self.orders.pop(order.id, None)
        self.working.get(order.account, {}).get(order.symbol, {}).pop(order.id, None)
        self.moved.setdefault(order.account, set()).add(order.symbol)

    def set_quote(self, venue: str, symbol: str, row: Mapping[str, Any]) -> None:
        self.market[venue, symbol] = self.quotes.setdefault(symbol, {})[venue] = row
        self._revalue(symbol)

    def set_instrument(self, venue: str, symbol: str, row: Mapping[str, Any]) -> None:
        self.instruments[venue, symbol] = self.details.setdefault(symbol, {})[venue] = row
        self._revalue(symbol)

    def _revalue(self, symbol: str) -> None:
        for account in self.accounts:
            if symbol in self.held.get(account, ()) or symbol in self.working.get(account, ()):
                self.moved.setdefault(account, set()).add(symbol)

    def fork(self) -> State:
        """A state of its own that begins as this one is: rows are shared, since nobody changes them in place."""
        twin = copy(self)
        for each in fields(State):
            value = getattr(self, each.name)
            if isinstance(value, dict):
                setattr(twin, each.name, {key: _forked(item) for key, item in value.items()})
        return twin

    @property
    def named_accounts(self) -> list[str]:
        return [name for name in self.accounts if name]

    @property
    def only_account(self) -> str:
        """The only account that there is; an empty text if nobody has named any, or there are several."""
        found = self.named_accounts
        return found[0] if len(found) == 1 else ""

    def account(self, name: str) -> Account:
        found = self.accounts.get(name)
        if found is None:
            found = self.accounts[name] = Account()
        return found

    def latch(self, switch: str, scope: Scope) -> Latch:
        found = self.latches.get((switch, scope))
        if found is None:
            found = self.latches[switch, scope] = Latch(switch, scope)
        return found

    def past(self, account: str, section: str) -> deque[Past]:
        return self.histories.setdefault(account, {}).setdefault(section, deque())

    def flowing(self, account: str) -> Iterator[Order]:
        """Orders of *account* that may still fill, reservations among them."""
        return (order for orders in self.working.get(account, {}).values() for order in orders.values())

    def find_order(self, order_id: str | None, client: str | None, intent: str | None) -> Order | None:
        """By the venue's id, else the client's, else the intent's."""
        for name in (order_id, self.by_client.get(client or ""), self.by_intent.get(intent or ""), self.by_intent.get(client or "")):
            for _ in range(len(self.by_client) + 1):
                if name is None or name in self.orders:
                    break
                name = self.by_client.get(name)
            if name is not None and name in self.orders:
                return self.orders[name]
        return None


def _forked(item: Any) -> Any:
    """*item* for a state of its own, where a fold changes it in place."""
    match item:
        case Account():
            return replace(item, fields=dict(item.fields), outgoing=dict(item.outgoing))
        case Latch():
            return replace(item, confirming=dict(item.confirming))
        case dict():
            return {key: _forked(each) for key, each in item.items()}
        case deque() | set():
            return copy(item)
    return item
