"""What the engine knows: a fold of events, and nothing else (docs/spec.md, CAP-STATE).

Rows are replaced and never changed in place, so that a document made from the state stays what it was when more happens.
Quantities and money are exact; times are nanoseconds.
"""
from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from heapq import heappush
from typing import TYPE_CHECKING, Any, Literal

from caplex.runtime.engine.parts import FLOWING, ZERO, Account, Archive, Key, Latch, Order, Past, Position, Scope, Seen

if TYPE_CHECKING:
    from caplex.runtime.holds import Hold

__all__ = ["FLOWING", "ZERO", "Account", "Key", "Latch", "Order", "Past", "Position", "Scope", "Seen", "State"]


def _gone() -> dict[str, set[str]]:
    return {"seen": set(), "orders": set(), "holds": set()}


@dataclass(slots=True)
class State:
    """Everything. `runtime.engine.fold` changes it, `runtime.engine.facts` reads it out."""

    seq: int = 0
    now_ns: int = -(2**63)
    shared_ns: int = -(2**63)
    """Time of the last event that was of no account."""
    asked_ns: int = -(2**63)
    """The latest time of any intent: by it ids grow old."""
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
    traders: dict[str, set[str]] = field(default_factory=dict)
    """By account: strategies that have sent orders."""
    alone: bool = True
    """There are no accounts but these; a part of a replay knows its own, and that there are others."""

    # What is not in `seen`, `event_ids`, `orders`, `by_…`, `fills` and `holds` may be in the archive, unless it is gone.
    archive: Archive | None = None
    archive_due_ns: int = -(2**63)
    """Answers in the archive that began to age before this have been looked at."""
    gone: dict[str, set[str]] = field(default_factory=_gone)
    amended: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Fills in the archive that were corrected since."""

    # By account and symbol, so that a decision costs the same with 20 or 500 positions. Kept by the four methods below.
    held: dict[str, dict[str, dict[Key, Position]]] = field(default_factory=dict)
    working: dict[str, dict[str, dict[str, Order]]] = field(default_factory=dict)
    """Orders that may still fill."""
    quotes: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)
    """By symbol, then by venue."""
    details: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)
    """Instruments, by symbol, then by venue."""
    lapses: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """By account, a heap: when reservations lapse, and their ids. Some have been sent since."""
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
        before = self.order(old) if old is not None and old != order.id else self.order(order.id)
        if before is not None:
            if before.id != order.id:
                self._remove_order(before.id)
            elif not before.flows:
                self.orders.pop(order.id, None)  # it stands last, wherever the one before stood
            self.working.get(before.account, {}).get(before.symbol, {}).pop(before.id, None)
            self.moved.setdefault(before.account, set()).add(before.symbol)
            for names, name in ((self.by_client, before.id), (self.by_client, before.client_order_id), (self.by_intent, before.intent_id)):
                if name and name != order.id:  # whoever knows it by an earlier name will find it: fills come late
                    names[name] = order.id
        self.orders[order.id] = order
        if order.strategy:
            self.traders.setdefault(order.account, set()).add(order.strategy)
        if order.status == "reserved" and order.expires_ns is not None:
            heappush(self.lapses.setdefault(order.account, []), (order.expires_ns, order.id))
        if order.flows:
            self.working.setdefault(order.account, {}).setdefault(order.symbol, {})[order.id] = order
        self.moved.setdefault(order.account, set()).add(order.symbol)
        if order.intent_id:
            self.by_intent[order.intent_id] = order.id
        if order.client_order_id:
            self.by_client[order.client_order_id] = order.id

    def drop_order(self, order: Order) -> None:
        """The order goes, because another one has taken its place."""
        self._remove_order(order.id)
        self.working.get(order.account, {}).get(order.symbol, {}).pop(order.id, None)
        self.moved.setdefault(order.account, set()).add(order.symbol)

    def _remove_order(self, name: str) -> None:
        self.orders.pop(name, None)
        if self.archive is not None:
            self.gone["orders"].add(name)

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
        return found[0] if len(found) == 1 and self.alone else ""

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
        found = self.fills.get(name, self.amended.get(name))
        return self.archive.find_fill(name) if found is None and self.archive is not None else found

    def correct_fill(self, name: str, data: Mapping[str, Any]) -> None:
        """*data* in the place of the fill, which is known and stays where it stands among the others."""
        (self.fills if name in self.fills or self.archive is None else self.amended)[name] = data

    def fills_back(self) -> Iterator[Mapping[str, Any]]:
        """Fills, the one that came last first."""
        yield from reversed(self.fills.values())
        if self.archive is not None:
            for name, data in self.archive.fills_back():
                yield self.amended.get(name, data)

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
        found.update(self.amended if table == "fills" else {})
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
        case deque() | set() | list():
            return copy(item)
    return item
