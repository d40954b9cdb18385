"""What a broker is asked for, and what it answers: events as the engine takes them (docs/reference/events.md).

A broker tells what the venue says. It decides nothing: what an order may be was decided before it is placed.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from caplex.runtime.errors import CaplexError
from caplex.runtime.venue import Snapshot


class BrokerError(CaplexError):
    """The venue could not do what it was asked."""


class BrokerRejected(BrokerError):
    """The venue has refused: the order does not exist, or stays as it is."""

    def __init__(self, code: str, message: str = "", *, retryable: bool = False) -> None:
        super().__init__(message or code, retryable=retryable)
        self.code = code


class BrokerUnknown(BrokerError):
    """No answer came: what was asked for may or may not have been done. The order counts as alive until the venue is asked."""

    def __init__(self, message: str = "timeout") -> None:
        super().__init__(message, retryable=True)


class Broker(Protocol):
    """A venue.

    Attributes:
        name: As it stands in the record.
        capabilities: Of ``client_order_id``, ``lookup``, ``replace``, ``bracket``, ``oco``, ``reduce_only``, ``notional``,
            ``fractional``, ``stream``, ``cumulative_fills``.
        paper: No money is at stake.
    """

    name: str
    capabilities: frozenset[str]
    paper: bool

    def snapshot(self) -> Snapshot:
        """What there is now."""

    def place(self, order: Mapping[str, Any], *, client_order_id: str) -> Mapping[str, Any]:
        """Send an order; the ``order`` event that answers it. Raises BrokerRejected, BrokerUnknown."""

    def cancel(self, order_id: str) -> Mapping[str, Any]:
        """Take an order back; the ``cancel`` event. Raises BrokerRejected, BrokerUnknown."""

    def replace(self, order_id: str, changes: Mapping[str, Any], *, client_order_id: str) -> Mapping[str, Any]:
        """Change an order; the ``replace`` event. Raises BrokerRejected, BrokerUnknown."""

    def find(self, client_order_id: str) -> Mapping[str, Any] | None:
        """The ``order`` event of the order with our id; None if the venue knows none."""

    def events(self, cursor: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What has happened since *cursor*, each with the cursor after it; the same may come more than once."""


@runtime_checkable
class Simulated(Protocol):
    """A broker that lives in our time: it is shown every event that comes in, and dies with the process."""

    def observe(self, event: Mapping[str, Any]) -> None:
        """Quotes move its market; the time of any event is its time."""

    def advance(self, now_ns: int) -> None:
        """It is *now_ns*; reports that are due by then can be fetched."""

    def drain(self) -> None:
        """Let time pass until no report is on its way."""
