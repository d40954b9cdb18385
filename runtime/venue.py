"""What a venue holds at one instant, as brokers tell it and the engine compares it."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from caplex.runtime.clock import format_instant, from_datetime

Rows = Sequence[Mapping[str, Any]]
_OF_ACCOUNTS = frozenset({"type", "id", "at", "venue_at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """How things stand at the venue.

    Attributes:
        accounts: Rows by name of the account, or rows that name it.
        positions, orders: Rows as in a facts document, or as in `position` and `order` events; all of them, so that what is not
            listed is not there.
        instruments, quotes: Rows to take over.
        cursor: Where the venue's stream of events stood.
    """

    at: datetime
    accounts: Mapping[str, Mapping[str, Any]] | Rows = ()
    positions: Rows = ()
    orders: Rows = ()
    instruments: Rows = ()
    quotes: Rows = ()
    cursor: str = ""

    def events(self, *, adopt: bool) -> list[dict[str, Any]]:
        """The events that tell the engine: instruments and quotes first, then for each account what it is, and a `reconcile`.

        Args:
            adopt: The venue's word counts where the books differ.
        """
        at = format_instant(from_datetime(self.at))
        accounts = self._accounts()
        found: list[dict[str, Any]] = [{**row, "type": "instrument", "at": at} for row in self.instruments]
        found += [{**row, "type": "quote", "at": at} for row in self.quotes]
        for name in dict.fromkeys([*accounts, *(_account(row) for row in (*self.positions, *self.orders))]):
            if accounts.get(name):
                found.append({**accounts[name], "type": "account", "at": at, "account": name})
            body: dict[str, Any] = {"type": "reconcile", "at": at, "account": name, "positions": _of(self.positions, name),
                                    "orders": [_order(row) for row in _of(self.orders, name)], "adopt": adopt}
            found.append({**body, "cursor": self.cursor} if self.cursor else body)
        return found

    def _accounts(self) -> dict[str, dict[str, Any]]:
        given = self.accounts
        rows: Iterable[tuple[str, Mapping[str, Any]]] = given.items() if isinstance(given, Mapping) else ((_account(row), row) for row in given)
        return {name: {key: value for key, value in row.items() if key not in _OF_ACCOUNTS} for name, row in rows}


def _account(row: Mapping[str, Any]) -> str:
    return str(row.get("account") or "")


def _of(rows: Rows, name: str) -> list[dict[str, Any]]:
    return [dict(row) for row in rows if _account(row) == name]


def _order(row: Mapping[str, Any]) -> dict[str, Any]:
    """An order under the name that rows of facts have, whoever told it."""
    return {**row, "id": row.get("id") if row.get("order_id") is None else row["order_id"]}
