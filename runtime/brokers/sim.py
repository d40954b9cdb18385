"""A simulated venue: fills, rests, rejects, loses answers, reports late and twice, and lies if it is told to.

Market orders fill at the last quote, limit orders if they are marketable; the rest stays until a later quote crosses it.
Everything follows from the seed, the orders and the events that it was shown, so that a run can be repeated.
"""
from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final, Literal

from caplex.runtime.brokers.chance import Chance
from caplex.runtime.brokers.protocol import BrokerRejected, BrokerUnknown
from caplex.runtime.canonical import plain
from caplex.runtime.clock import SECOND, format_instant, parse_instant
from caplex.runtime.reading import Unreadable, number
from caplex.runtime.venue import Snapshot

Fill = Literal["full", "partial", "none"]
Rate = str | int | Fraction
LIES: Final = ("overfill", "unknown_order", "fill_after_cancel", "wrong_snapshot")
_REMEMBERED: Final = 10_000
"""So many orders that are over can still be found."""
_ZERO: Final = Fraction(0)
_GRID: Final = Fraction(1, 10**8)


@dataclass(slots=True)
class _Working:
    """An order at the venue."""

    id: str
    client: str
    order: Mapping[str, Any]
    quantity: Fraction
    filled: Fraction = _ZERO
    fills: int = 0
    over: bool = False

    @property
    def leaves(self) -> Fraction:
        return _ZERO if self.over else self.quantity - self.filled


@dataclass(frozen=True, slots=True)
class _Quote:
    buy: Fraction
    sell: Fraction


class SimBroker:
    """One venue, simulated.

    Args:
        seed: Of everything that is left to chance.
        fill: ``full`` in one piece, ``partial`` in several, one a quote, ``none`` never.
        delay_s: How long reports of fills are on their way.
        reject_rate, unknown_rate: Shares of orders that are refused, and whose answer is lost; of the latter half exist.
        duplicate_rate, late_rate: Shares of reports that come twice, and ten times as late.
        cancel_reject_rate: Share of cancellations that come too late.
        rest: Whether an order that cannot be filled at once waits; else it expires.
        lies: Rates by name of `LIES`, for tests of what the engine makes of them.
    """

    name = "sim"
    paper = True
    capabilities = frozenset({"client_order_id", "lookup", "replace", "fractional", "stream"})

    def __init__(
        self, seed: int | str = 0, *, fill: Fill = "full", delay_s: Rate = 0, reject_rate: Rate = 0, unknown_rate: Rate = 0,
        duplicate_rate: Rate = 0, late_rate: Rate = 0, cancel_reject_rate: Rate = 0, rest: bool = True, lies: Mapping[str, Rate] | None = None,
    ) -> None:
        unknown = sorted(set(lies or ()) - set(LIES))
        if fill not in ("full", "partial", "none") or unknown:
            raise ValueError(f"fill is full, partial or none, and lies are {', '.join(LIES)}; not {', '.join(unknown) or fill}")
        self._chance, self._fill, self._rest = Chance(seed), fill, rest
        self._delay_ns = int(Fraction(delay_s) * SECOND)
        self._rates = {"reject": Fraction(reject_rate), "unknown": Fraction(unknown_rate), "duplicate": Fraction(duplicate_rate),
                       "late": Fraction(late_rate), "cancel": Fraction(cancel_reject_rate),
                       **{name: Fraction(rate) for name, rate in (lies or {}).items()}}
        self._now_ns = 0
        self._quotes: dict[str, _Quote] = {}
        self._working: dict[str, _Working] = {}
        self._open: dict[str, dict[str, _Working]] = {}  # by symbol, so that a quote costs what it moves
        self._ended: deque[str] = deque()
        self._by_client: dict[str, str] = {}
        self._positions: dict[tuple[str, str, str], Fraction] = {}
        self._queue: list[tuple[int, int, dict[str, Any]]] = []
        self._queued = self._delivered = 0
        self._due: list[tuple[int, dict[str, Any]]] = []

    # ── time and market ──────────────────────────────────────────────────────────────────────────────

    def observe(self, event: Mapping[str, Any]) -> None:
        """An event that the engine takes too; quotes and positions concern the venue."""
        self.advance(parse_instant(str(event["at"])))
        if event.get("type") == "quote":
            self._quote(event)
        elif event.get("type") == "position" and event.get("quantity") is not None:
            self._positions[self._key(event)] = number(event["quantity"])

    def advance(self, now_ns: int) -> None:
        """Time does not run backwards."""
        self._now_ns = max(self._now_ns, now_ns)
        while self._queue and self._queue[0][0] <= self._now_ns:
            _, _, event = heapq.heappop(self._queue)
            self._delivered += 1
            self._due.append((self._delivered, event))

    def drain(self) -> None:
        """Reports that are still on their way arrive, each at its time."""
        while self._queue:
            self.advance(self._queue[0][0])

    def _quote(self, event: Mapping[str, Any]) -> None:
        try:
            last = _positive(event.get("price"))
            buy, sell = _positive(event.get("ask")) or last, _positive(event.get("bid")) or last
        except Unreadable:
            return
        if buy is None or sell is None:
            return
        symbol = str(event["symbol"])
        self._quotes[symbol] = _Quote(buy, sell)
        for working in list(self._open.get(symbol, {}).values()):
            self._match(working)

    # ── orders ───────────────────────────────────────────────────────────────────────────────────────

    def place(self, order: Mapping[str, Any], *, client_order_id: str) -> Mapping[str, Any]:
        """Idempotent by *client_order_id*."""
        known = self.find(client_order_id)
        if known is not None:
            return known
        if order.get("order_type") == "limit" and order.get("limit_price") is None:
            raise BrokerRejected("invalid_order", "a limit order wants a limit price")
        if self._chance.happens(self._rates["reject"], client_order_id, "reject"):
            raise BrokerRejected("insufficient_funds", "the simulated venue refuses this order")
        lost = self._chance.happens(self._rates["unknown"], client_order_id, "unknown")
        if lost and self._chance.share(client_order_id, "lost") < Fraction(1, 2):
            raise BrokerUnknown
        working = _Working(f"sim-{self._chance.name(client_order_id)}", client_order_id, dict(order), number(order["quantity"]))
        self._keep(working)
        answer = self._told(working)
        self._match(working)
        self._invent(working)
        if not self._rest and working.leaves:
            self._send(self._event("expire", f"{working.id}-x", order_id=working.id, client_order_id=client_order_id, intent_id=client_order_id,
                                   leaves_quantity=plain(working.leaves), **_named(working.order)))
            self._end(working)
        if lost:
            raise BrokerUnknown
        return answer

    def find(self, client_order_id: str) -> Mapping[str, Any] | None:
        found = self._working.get(self._by_client.get(client_order_id, ""))
        return None if found is None else self._told(found)

    def cancel(self, order_id: str) -> Mapping[str, Any]:
        working = self._working.get(order_id) or self._working.get(self._by_client.get(order_id, ""))
        if working is None:
            raise BrokerRejected("unknown_order", f"the venue knows no order {order_id}")
        if working.over or self._chance.happens(self._rates["cancel"], working.id, "cancel"):
            raise BrokerRejected("too_late", f"order {working.id} is over")
        left = working.leaves
        self._end(working)
        if self._lies("fill_after_cancel", working.id) and (quote := self._quotes.get(working.order["symbol"])):
            self._report(working, left, quote, late=True)
        return self._event("cancel", f"{working.id}-c", order_id=working.id, client_order_id=working.client, canceled_quantity=plain(left), by="venue",
                           **_named(working.order))

    def replace(self, order_id: str, changes: Mapping[str, Any], *, client_order_id: str) -> Mapping[str, Any]:
        working = self._working.get(order_id)
        if working is None or working.over:
            raise BrokerRejected("too_late", f"order {order_id} is not working")
        moved = _Working(f"sim-{self._chance.name(client_order_id)}", client_order_id, {**working.order, **changes},
                         number(changes.get("quantity", plain(working.quantity))), working.filled)
        self._end(working)
        self._keep(moved)
        told = self._event("replace", f"{moved.id}-r", order_id=order_id, new_order_id=moved.id, client_order_id=client_order_id,
                           quantity=plain(moved.quantity), **({"limit_price": changes["limit_price"]} if "limit_price" in changes else {}))
        self._match(moved)
        return told

    def events(self, cursor: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Reports that have arrived. Those before *cursor* are forgotten."""
        after = int(cursor or 0)
        self._due = [each for each in self._due if each[0] > after]
        yield from [(str(index), event) for index, event in self._due]

    def snapshot(self) -> Snapshot:
        now = format_instant(self._now_ns)
        wrong = Fraction(1) if self._lies("wrong_snapshot", now) else _ZERO
        positions = [{"account": account, "venue": venue, "symbol": symbol, "quantity": plain(quantity + wrong)}
                     for (account, venue, symbol), quantity in sorted(self._positions.items()) if quantity + wrong]
        orders = [{**self._told(each), "filled_quantity": plain(each.filled), "leaves_quantity": plain(each.leaves)} for each in self._working.values() if each.leaves]
        return Snapshot(at=datetime.fromisoformat(now), positions=positions, orders=orders, cursor=str(self._delivered))

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────

    def _keep(self, working: _Working) -> None:
        self._working[working.id] = working
        self._by_client[working.client] = working.id
        self._open.setdefault(working.order["symbol"], {})[working.id] = working

    def _end(self, working: _Working) -> None:
        """It is over, and stays known for a while."""
        if working.over:
            return
        working.over = True
        self._open.get(working.order["symbol"], {}).pop(working.id, None)
        self._ended.append(working.id)
        while len(self._ended) > _REMEMBERED:
            gone = self._working.pop(self._ended.popleft(), None)
            if gone is not None:
                self._by_client.pop(gone.client, None)

    def _event(self, kind: str, id: str, *, at_ns: int | None = None, **fields: Any) -> dict[str, Any]:
        at = format_instant(self._now_ns if at_ns is None else at_ns)
        return {"type": kind, "id": id, "at": at, **{name: value for name, value in fields.items() if value is not None}}

    def _told(self, working: _Working) -> dict[str, Any]:
        filled = working.filled
        status = "cancelled" if working.over and filled < working.quantity else "filled" if filled >= working.quantity else (
            "partially_filled" if filled else "open")
        return self._event("order", f"{working.id}-{status}-{working.fills}", order_id=working.id, client_order_id=working.client,
                           intent_id=working.client, status=status, side=working.order["side"], quantity=plain(working.quantity), **_named(working.order))

    def _match(self, working: _Working) -> None:
        quote = self._quotes.get(working.order["symbol"])
        if quote is None or not working.leaves or self._fill == "none":
            return
        price = quote.buy if working.order["side"] == "buy" else quote.sell
        limit = working.order.get("limit_price") if working.order.get("order_type") == "limit" else None
        if limit is not None and (number(limit) < price if working.order["side"] == "buy" else number(limit) > price):
            return
        size = working.leaves
        if self._fill == "partial":
            size = min(size, _piece(working.leaves, self._chance.share(working.id, "piece", working.fills)))
        self._report(working, size, quote)

    def _report(self, working: _Working, size: Fraction, quote: _Quote, *, late: bool = False) -> None:
        """The trade happens now; word of it is on its way."""
        side = working.order["side"]
        if self._lies("overfill", working.id):
            size += working.quantity
        working.filled += size
        working.fills += 1
        if working.filled >= working.quantity:
            self._end(working)
        key = self._key(working.order)
        self._positions[key] = self._positions.get(key, _ZERO) + (size if side == "buy" else -size)
        self._send(self._event("fill", f"{working.id}-f{working.fills}", order_id=working.id, client_order_id=working.client, intent_id=working.client,
                               venue_at=format_instant(self._now_ns), side=side, quantity=plain(size),
                               price=plain(quote.buy if side == "buy" else quote.sell), late=True if late else None, **_named(working.order)))

    def _send(self, event: dict[str, Any]) -> None:
        id = event["id"]
        delay = self._delay_ns * (10 if self._chance.happens(self._rates["late"], id, "late") else 1)
        self._put(event, delay)
        if self._chance.happens(self._rates["duplicate"], id, "duplicate"):
            self._put(event, 2 * delay)

    def _put(self, event: dict[str, Any], delay_ns: int) -> None:
        due = self._now_ns + delay_ns
        self._queued += 1
        heapq.heappush(self._queue, (due, self._queued, {**event, "at": format_instant(due)}))
        self.advance(self._now_ns)

    def _invent(self, working: _Working) -> None:
        if self._lies("unknown_order", working.id) and (quote := self._quotes.get(working.order["symbol"])):
            ghost = _Working(working.id + "-ghost", working.client + "-ghost", working.order, working.quantity)
            self._report(ghost, ghost.quantity, quote)

    def _lies(self, lie: str, name: str) -> bool:
        return self._chance.happens(self._rates.get(lie, _ZERO), name, lie)

    @staticmethod
    def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
        return str(row.get("account") or ""), str(row.get("venue") or ""), str(row["symbol"])


def _named(order: Mapping[str, Any]) -> dict[str, Any]:
    return {name: order[name] for name in ("account", "venue", "strategy", "symbol") if order.get(name)} | (
        {"position_side": order["position_side"]} if order.get("position_side") else {})


def _positive(value: Any) -> Fraction | None:
    if value is None:
        return None
    found = number(value)
    return found if found > 0 else None


def _piece(leaves: Fraction, share: Fraction) -> Fraction:
    """Part of *leaves*, on its grid, at least one step."""
    grid = Fraction(1) if leaves.denominator == 1 else _GRID
    return max(grid, (leaves * (share / 2 + Fraction(1, 4))) // grid * grid)
