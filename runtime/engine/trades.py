"""Orders, fills and what they do to positions and reservations.

A reservation is an order that nobody has sent yet. From the moment an intent is approved its room is taken, on its own side
and never netted; only evidence from the venue, or the lapse of one that was never sent, gives it back.
"""
from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime import holds
from caplex.runtime.canonical import plain
from caplex.runtime.clock import SECOND, parse_instant
from caplex.runtime.engine import transfers
from caplex.runtime.engine.events import Event
from caplex.runtime.engine.state import FLOWING, ZERO, Key, Order, Past, Position, State

if TYPE_CHECKING:
    from caplex.runtime.engine.fold import Applied

POSITION_FIELDS: Final = frozenset({"strategy", "sector", "regime", "opened_at", "entries", "last_entry_confidence", "liquidation_price"})
OVER: Final = frozenset({"filled", "cancelled", "rejected", "expired"})
SKEW_NS: Final = 5 * SECOND
"""So far may the clocks of those who tell an engine of things lie apart."""


def close(state: State, order: Order, status: str, applied: Applied) -> Order:
    """The order, or the reservation, is over: its room is free. It stays known, for fills that come late."""
    ended = replace(order, status=status, expires_ns=None)
    state.set_order(ended)
    tell(ended, applied)
    applied.sections.add("orders")
    return ended


def tell(order: Order, applied: Applied) -> None:
    """What became of the reservation behind the order."""
    if order.reservation is not None:
        applied.reservations.append({"id": order.reservation, "intent_id": order.intent_id, "state": order.state, "quantity": plain(order.leaves)})


def reserve(state: State, order: Order) -> None:
    """Take room for an approved intent. What the intent replaces keeps its own: both may fill until the venue says otherwise."""
    state.set_order(order)


# ── what the venue says ───────────────────────────────────────────────────────────────────────────────


def on_order(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    """Where an order stands. The first time, it takes the place of its reservation."""
    if transfers.on_word(state, event, applied):
        return
    status = event.data["status"]
    known = state.find_order(event.text("order_id"), event.text("client_order_id"), event.text("intent_id"))
    if known is None:
        known = _unknown_order(event, account, applied)
        if known is None:
            return
    elif _earlier(state, event, known):
        _late_word(state, event, known, applied)
        return
    elif known.status in OVER and status in FLOWING:
        applied.flag("order_after_end", f"order {known.id} had ended as {known.status}; the venue says {status}, and it counts", order_id=known.id)
    # The position moves with fills alone. Until they have come, what an order says of itself frees no room.
    filled, reported = known.filled, max(known.reported, event.number("filled_quantity") or ZERO)
    quantity = event.number("quantity")
    leaves = event.number("leaves_quantity")
    if quantity is None:
        quantity = max(filled, reported) + leaves if leaves is not None else known.quantity
    if status == "filled" and event.number("filled_quantity") is None:
        reported = max(reported, quantity)
    if known.reservation is not None and known.status == "reserved" and quantity > known.quantity:
        applied.flag("larger_than_approved", f"{known.intent_id}: {plain(quantity)} were sent, {plain(known.quantity)} were approved",
                     intent_id=known.intent_id)
    price = event.text("limit_price") or event.text("price") or known.price
    moved = replace(
        known, id=event.text("order_id") or known.id, status=status, quantity=max(quantity, filled, reported), filled=filled, reported=reported, price=price,
        client_order_id=event.text("client_order_id") or known.client_order_id, intent_id=event.text("intent_id") or known.intent_id,
        strategy=event.text("strategy") or known.strategy, oco=event.text("oco") or known.oco, expires_ns=None)
    state.set_order(moved, known.id)
    tell(moved, applied)
    applied.sections.add("orders")


def _earlier(state: State, event: Event, order: Order) -> bool:
    """Does it speak of *order* under a name of the venue from before it was replaced?"""
    name = event.text("order_id")
    if name is None or name in (order.id, order.client_order_id, order.intent_id, order.reservation):
        return False
    found = state.find_order(name, None, None)
    return found is not None and found.id == order.id


def _late_word(state: State, event: Event, order: Order, applied: Applied) -> None:
    """What was said of an order that has been replaced since: its fills count, its size and its end are those of another one."""
    reported = max(order.reported, event.number("filled_quantity") or ZERO)
    state.set_order(replace(order, reported=reported, quantity=max(order.quantity, reported)))
    applied.flag("earlier_name", f"{event.type} of {event.text('order_id')}, which is {order.id} by now; only what it says of fills counts", order_id=order.id)
    applied.sections.add("orders")


def _unknown_order(event: Event, account: str, applied: Applied) -> Order | None:
    """An order that nobody approved here: somebody else sent it. It takes room all the same."""
    name = event.text("order_id") or event.text("client_order_id") or event.text("intent_id")
    side, symbol = event.text("side"), event.text("symbol")
    if name is None or symbol is None or side not in ("buy", "sell"):
        applied.flag("unknown_order", f"an event of the unknown order {name or 'without an id'} lacks its symbol or side; nothing could be counted")
        return None
    applied.flag("unknown_order", f"order {name} was not approved here; it counts", order_id=name)
    # What had filled before anybody told of it is in the position already; its fills may come yet.
    filled = event.number("filled_quantity") or ZERO
    quantity = event.number("quantity") or filled + (event.number("leaves_quantity") or ZERO)
    return Order(name, account, event.text("venue") or "", symbol, side, event.text("position_side") or "", "open",  # type: ignore[arg-type]
                 quantity, filled, filled, intent_id=event.text("intent_id"), client_order_id=event.text("client_order_id"),
                 presumed=filled, presumed_ns=said_ns(event) or event.at_ns)


def on_fill(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    """A trade has happened. It counts whatever we knew of its order; a correction takes the place of the fill that it corrects."""
    corrects = event.text("corrects")
    if corrects is not None:
        _correct(state, event, corrects, account, now, applied)
        return
    assert event.id is not None
    state.fills[event.id] = event.data
    quantity = event.number("quantity") or ZERO
    order = state.find_order(event.text("order_id"), event.text("client_order_id"), event.text("intent_id"))
    _count(state, order, quantity, event, applied)
    strategy = event.text("strategy") or (order.strategy if order is not None else None)
    key = _key(event, account, order)
    if _contained(state, key, event):
        applied.flag("in_snapshot", f"fill {event.id} is in the position of {key[2]} that the venue told; it does not move it again", fill_id=event.id)
    else:
        _trade(state, key, event.data["side"], quantity, event.number("price") or ZERO, now, strategy)
    _fee(state, account, event)
    row = {k: v for k, v in event.data.items() if k not in ("type", "at", "venue_at", "corrects", "late")}
    if strategy is not None:
        row["strategy"] = strategy
    state.past(account, "fills").append(Past("fills", now, row))
    applied.sections |= {"positions", "position", "orders", "fills", "account"}


def _count(state: State, order: Order | None, quantity: Fraction, event: Event, applied: Applied) -> None:
    """Count a fill against its order; a fill larger than the order is flagged, and the order is at least what was filled."""
    if order is None:
        applied.flag("unknown_order", f"fill {event.id} is of an order that is not known here; the position moved all the same", fill_id=event.id)
        return
    old = _presumed(order, quantity, event)
    if old:
        applied.flag("presumed_fill", f"fill {event.id}: {plain(old)} of it were told of when order {order.id} was first heard of, and count once",
                     fill_id=event.id, order_id=order.id)
        order = replace(order, presumed=order.presumed - old)
    filled = order.filled + quantity - old
    if filled > order.quantity:
        applied.flag("overfill", f"order {order.id}: {plain(filled)} filled of {plain(order.quantity)}", order_id=order.id)
    if order.status in OVER and filled > order.reported and order.status != "filled":
        applied.flag("late_fill", f"fill {event.id} came after order {order.id} had ended as {order.status}", order_id=order.id)
    status = order.status if order.status in OVER else "filled" if filled >= order.quantity else "partially_filled"
    state.set_order(replace(order, filled=filled, quantity=max(order.quantity, filled), status=status, expires_ns=None))
    tell(state.orders[order.id], applied)


def _presumed(order: Order, quantity: Fraction, event: Event) -> Fraction:
    """What of a fill the order said when it was first heard of. One that says no time is taken for such: then more may still fill."""
    if not order.presumed:
        return ZERO
    said = said_ns(event)
    if said is not None:
        return min(quantity, order.presumed) if said <= order.presumed_ns else ZERO
    return min(order.presumed, max(ZERO, quantity - max(ZERO, order.reported - order.filled)))


def said_ns(event: Event) -> int | None:
    """When it happened at the venue, if the venue said so."""
    said = event.text("venue_at") or event.text("as_of")
    return parse_instant(said) if said is not None else None


def _contained(state: State, key: Key, event: Event) -> bool:
    """Is the fill in a snapshot of the position? Where one of the two says no time of the venue it counts on top."""
    counted, said = state.counted.get(key), said_ns(event)
    return counted is not None and said is not None and said <= counted


def filled_since(state: State, key: Key, since_ns: int) -> Fraction:
    """What fills that are known moved the position after *since_ns*, by the venue's time: a snapshot that comes later lacks them."""
    total = ZERO
    for data in state.fills_back():
        fill = Event("fill", None, parse_instant(data["at"]), data)
        if fill.at_ns + SKEW_NS < since_ns:
            break
        said = said_ns(fill)
        if said is None or said <= since_ns or _key(fill, key[0], _order_of(state, fill)) != key:
            continue
        if fill.text("account") in (None, key[0]):
            quantity = fill.number("quantity") or ZERO
            total += quantity if data["side"] == "buy" else -quantity
    return total


def _order_of(state: State, event: Event) -> Order | None:
    return state.find_order(event.text("order_id"), event.text("client_order_id"), event.text("intent_id"))


def _correct(state: State, event: Event, corrects: str, account: str, now: int, applied: Applied) -> None:
    """Undo the fill and do it again as corrected; a quantity of 0 busts it."""
    first = state.find_fill(corrects)
    if first is None:
        # It overtook the fill that it corrects: what it says has happened, and the fill, once it comes, is a repeat.
        applied.flag("unknown_fill", f"{event.id} corrects fill {corrects}, which is not known here; what it says counts in its place",
                     fill_id=corrects)
        state.event_ids["fill", corrects] = ""
        data = {**{k: v for k, v in event.data.items() if k != "corrects"}, "id": corrects}
        if event.number("quantity"):
            on_fill(state, Event("fill", corrects, event.at_ns, data), account, now, applied)
        else:
            state.fills[corrects] = data
        return
    before = Event("fill", corrects, now, first)
    order = state.find_order(before.text("order_id"), before.text("client_order_id"), before.text("intent_id"))
    key, old, new = _key(before, account, order), before.number("quantity") or ZERO, event.number("quantity") or ZERO
    back = "sell" if first["side"] == "buy" else "buy"
    if not _contained(state, key, event):
        strategy = before.text("strategy")
        _trade(state, key, back, old, before.number("price") or ZERO, now, strategy)
        if new:
            _trade(state, key, event.data["side"], new, event.number("price") or ZERO, now, strategy)
    if order is not None:
        filled = max(ZERO, order.filled - old + new)
        reported = max(ZERO, order.reported - old + new)
        # A bust does not bring the order back to life: whether it still works is for the venue to say.
        state.set_order(replace(order, filled=filled, reported=reported, quantity=max(order.quantity, filled)))
    state.correct_fill(corrects, {**first, "quantity": event.data["quantity"], "price": event.data["price"], "side": event.data["side"]})
    past = state.past(account, "fills")
    for index, each in enumerate(past):
        if each.row.get("id") == corrects:
            if new:
                past[index] = replace(each, row={**each.row, "quantity": event.data["quantity"], "price": event.data["price"]})
            else:  # there was no fill: nothing cools down after it
                del past[index]
            state.histories[account]["fills"] = past.copy()  # another one: whoever has counted the old one begins anew
            break
    applied.flag("corrected_fill", f"fill {corrects} was corrected from {plain(old)} to {plain(new)}", fill_id=corrects)
    applied.sections |= {"positions", "position", "orders", "fills"}


def _key(event: Event, account: str, order: Order | None) -> Key:
    venue, side = event.text("venue"), event.text("position_side")
    if order is not None:
        venue, side = venue or order.venue, side or order.position_side
    return account, venue or "", event.data["symbol"], side or ""


def _trade(state: State, key: Key, side: str, quantity: Fraction, price: Fraction, now: int, strategy: str | None) -> None:
    """Move the position. The average price is that of what stands open: a sale leaves it, a flip takes the price of the trade."""
    before = state.positions.get(key)
    held = before.quantity if before is not None else ZERO
    signed = quantity if side == "buy" else -quantity
    after = held + signed
    average = before.average_price if before is not None else None
    if held == 0 or (held > 0) != (after > 0):
        average = price
    elif (signed > 0) == (held > 0):
        average = price if average is None else (average * abs(held) + price * quantity) / abs(after)
    more = dict(before.more) if before is not None and held != 0 else {}
    if strategy is not None and "strategy" not in more:
        more["strategy"] = strategy
    state.set_position(key, Position(after, average, now, more))


def _fee(state: State, account: str, event: Event) -> None:
    fee = event.number("fee")
    held = state.account(account)
    if fee is not None and event.data.get("fee_currency") in (None, held.fields.get("currency")):
        held.fees += fee


def on_replace(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    """The venue gave the order a new id, and perhaps a new size; the larger of both counts until it says what is left."""
    old = state.find_order(event.data["order_id"], None, None)
    claimed = state.find_order(None, None, event.text("intent_id"))
    if old is None:
        applied.flag("unknown_order", f"order {event.data['order_id']}, which was replaced, is not known here", order_id=event.data["order_id"])
        if claimed is None:
            return
        old = claimed
    quantity = event.number("quantity")
    if quantity is None:
        quantity = max(old.quantity, claimed.quantity if claimed is not None else ZERO)
    moved = replace(old, id=event.data["new_order_id"], quantity=max(quantity, old.filled, old.reported),
                    price=event.text("limit_price") or old.price, intent_id=event.text("intent_id") or old.intent_id,
                    status=old.status if old.status in FLOWING else "open")
    if claimed is not None and claimed.id != old.id:  # the reservation of the replacing intent is this order from now on
        state.drop_order(claimed)
        moved = replace(moved, reservation=claimed.reservation)
    state.set_order(moved, old.id)
    tell(moved, applied)
    applied.sections.add("orders")


def on_release(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
    """The host will not send what was approved: its room is free. What was sent ends by the venue's word alone.

    An intent that waits for an approval is withdrawn by it: whoever asked need not wait to be refused."""
    if transfers.on_word(state, event, applied):
        return
    waiting = next((hold for hold in state.holds.values() if hold.intent_id == event.data["intent_id"] and hold.ended is None), None)
    if waiting is not None and not waiting.expired(state.now_ns):
        state.holds[waiting.id] = holds.withdraw(waiting, now)
        return
    order = state.find_order(None, None, event.data["intent_id"])
    if order is None:
        applied.flag("unknown_intent", f"nothing is reserved for {event.data['intent_id']}", intent_id=event.data["intent_id"])
    elif order.status != "reserved":
        applied.flag("already_sent", f"{event.data['intent_id']} was sent and is {order.state}; only the venue's word ends it", order_id=order.id)
    else:
        close(state, order, "cancelled", applied)


def _said_filled(event: Event, order: Order) -> Fraction:
    """What must have filled, given what did not. One that nobody sent, as far as is known, has filled nothing."""
    rest = event.number("canceled_quantity") if event.type == "cancel" else event.number("leaves_quantity") if event.type == "expire" else None
    said = event.number("filled_quantity")
    if said is None and rest is not None and order.status != "reserved":
        said = order.quantity - rest
    return max(order.reported, said or ZERO)


def _ended(status: str, section: str | None, fields: tuple[str, ...]) -> Any:
    def fold(state: State, event: Event, account: str, now: int, applied: Applied) -> None:
        if transfers.on_word(state, event, applied):
            return
        order = _order_of(state, event)
        if order is None:
            applied.flag("unknown_order", f"a {event.type} of an order that is not known here")
        elif _earlier(state, event, order):
            _late_word(state, event, order, applied)
        elif order.status not in OVER:
            close(state, replace(order, reported=_said_filled(event, order)), status, applied)
        if section is not None:
            row = {k: v for k, v in event.data.items() if k in ("id", *fields)}
            for name in ("symbol", "strategy", "venue"):
                if row.get(name) is None and order is not None and getattr(order, name):
                    row[name] = getattr(order, name)
            state.past(account, section).append(Past(section, now, row))
            applied.sections.add(section)

    return fold


on_cancel = _ended("cancelled", "cancels", ("order_id", "intent_id", "symbol", "strategy", "venue", "by", "because"))
on_reject = _ended("rejected", "rejects", ("order_id", "intent_id", "symbol", "strategy", "venue", "code", "message", "stage"))
on_expire = _ended("expired", None, ())
