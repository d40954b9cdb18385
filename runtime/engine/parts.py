"""What the state is made of: rows that are replaced and never changed in place."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from caplex.runtime.engine.transfers import Outgoing
    from caplex.runtime.holds import Hold

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
        before: By account, then by history: how many events of the instant at which it was armed again had come before; they count no more.
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
    before: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
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

    def find_order(self, name: str) -> Order | None: ...

    def find_alias(self, kind: str, name: str) -> str | None: ...

    def find_fill(self, name: str) -> Mapping[str, Any] | None: ...

    def fills_back(self) -> Iterator[tuple[str, Mapping[str, Any]]]: ...

    def find_hold(self, name: str) -> Hold | None: ...

    def find_hold_of(self, intent: str) -> Hold | None: ...

    def every(self, table: str) -> Iterator[tuple[Any, Any]]: ...
