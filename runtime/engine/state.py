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
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from caplex.runtime.holds import Hold

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
    """An intent that was answered: the same content gets the same answer.

    Attributes:
        kept_ns: From when its age counts towards `idempotency keep`: the latest time of an intent when it was answered.
    """

    hash: str
    decision_id: str
    at_ns: int
    kept_ns: int
    told: Mapping[str, Any]


class Archive(Protocol):
    """Where that lies which is seldom asked for again, once it has left memory; see `store`. What stands in memory counts before it."""

    def find_intent(self, name: str) -> Seen | None: ...

    def find_decision(self, name: str) -> tuple[str, Seen] | None: ...

    def outdated(self, since_ns: int, before_ns: int) -> tuple[list[tuple[str, Seen]], int]: ...

    def find_event(self, key: tuple[str, str]) -> str | None: ...

    # ── what may have left memory ────────────────────────────────────────────────────────────────────

    def order(self, name: str) -> Order | None:
        """The order that is called *name* now."""
        found = self.orders.get(name)
        if found is None and self.archive is not None and name not in self.gone["orders"]:
            found = self.archive.find_order(name)
        return found

    def _alias(self, kind: Literal["client", "intent"], name: str | None) -> str | None:
        if not name:
            return None
        found = (self.by_client if kind == "client" else self.by_intent).get(name)
        return self.archive.find_alias(kind, name) if found is None and self.archive is not None else found

    def find_order(self, order_id: str | None, client: str | None, intent: str | None) -> Order | None:
        """By the venue's id, else the client's, else the intent's."""
        for kind, name in (("", order_id), ("client", client), ("intent", intent), ("intent", client)):
            current = self._alias(kind, name) if kind else name  # type: ignore[arg-type]
            met: set[str] = set()
            while current is not None and current not in met:
                found = self.order(current)
                if found is not None:
                    return found
                met.add(current)
                current = self._alias("client", current)
        return None

    def answered(self, intent: str) -> Seen | None:
        """What the intent *intent* was answered; None if it is not known (any more)."""
        found = self.seen.get(intent)
        if found is None and self.archive is not None and intent not in self.gone["seen"]:
            found = self.archive.find_intent(intent)
        return found

    def decided(self, decision: str) -> Seen | None:
        """The last answer to an intent, by the id of the decision."""
        found = next((each for each in self.seen.values() if each.decision_id == decision), None)
        if found is None and self.archive is not None:
            named = self.archive.find_decision(decision)
            if named is not None and named[0] not in self.seen and named[0] not in self.gone["seen"]:
                found = named[1]
        return found

    def answer(self, intent: str, seen: Seen) -> None:
        """Remember the answer; the youngest stand last."""
        self.seen.pop(intent, None)
        self.seen[intent] = seen

    def forget(self, intent: str) -> None:
        self.seen.pop(intent, None)
        if self.archive is not None:
            self.gone["seen"].add(intent)

    def outdated(self, before_ns: int) -> list[tuple[str, Seen]]:
        """Answers that began to age before *before_ns*."""
        found: list[tuple[str, Seen]] = []
        if self.archive is not None and self.archive_due_ns < before_ns:
            rows, due = self.archive.outdated(self.archive_due_ns, before_ns)
            self.archive_due_ns = due
            found += [(name, seen) for name, seen in rows if name not in self.seen and name not in self.gone["seen"]]
        for name, seen in self.seen.items():
            if seen.kept_ns >= before_ns:
                break
            found.append((name, seen))
        return found

    def known_event(self, key: tuple[str, str]) -> str | None:
        """Hash of what came under this type and id."""
        found = self.event_ids.get(key)
        return self.archive.find_event(key) if found is None and self.archive is not None else found

    def find_fill(self, name: str) -> Mapping[str, Any] | None:
        found = self.fills.get(name)
        return self.archive.find_fill(name) if found is None and self.archive is not None else found

    def hold(self, name: str) -> Hold | None:
        found: Hold | None = self.holds.get(name)
        if found is None and self.archive is not None and name not in self.gone["holds"]:
            found = self.archive.find_hold(name)
        return found

    def hold_of(self, intent: str) -> Hold | None:
        """The last hold on the intent."""
        found: Hold | None = next((each for each in reversed(self.holds.values()) if each.intent_id == intent), None)
        if found is None and self.archive is not None:
            found = self.archive.find_hold_of(intent)
        return found if found is not None and found.id not in self.gone["holds"] else None

    def take_hold(self, name: str) -> Hold | None:
        """The hold, which is no more from now on."""
        found = self.hold(name)
        if found is not None:
            self.holds.pop(name, None)
            if self.archive is not None:
                self.gone["holds"].add(name)
        return found

    def every(self, table: Literal["seen", "orders", "holds", "fills", "event_ids", "by_client", "by_intent"]) -> dict[Any, Any]:
        """All of it, sorted, wherever it lies."""
        gone, found = self.gone.get(table, ()), {}
        if self.archive is not None:
            found = {key: value for key, value in self.archive.every(table) if key not in gone}
        found.update(getattr(self, table))
        return dict(sorted(found.items()))

    @property
    def rows(self) -> int:
        """How much of it is in memory for good: what writing it down costs."""
        histories = sum(len(events) for each in self.histories.values() for events in each.values())
        working = sum(len(orders) for each in self.working.values() for orders in each.values())
        return len(self.positions) + len(self.market) + len(self.instruments) + len(self.accounts) + len(self.latches) + histories + working


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
