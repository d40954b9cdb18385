"""The readings behind a decision of the fast path, put together again for whoever wants it explained.

What the decision rested on was kept: the integers that were judged, the row of the account, what a unit was worth, and the
settled readings of its kind. What nobody kept, because no rule read it, is read of the state as it is now.
"""
from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from caplex.runtime.canonical import to_decimal
from caplex.runtime.clock import exact_instant
from caplex.runtime.engine.live import LiveBook, LiveBound, LiveFacts, LiveWorld
from caplex.runtime.engine.plainly import GRAIN, Priced
from caplex.runtime.engine.prepared import Prepared, Size
from caplex.runtime.plan import SlotSpec
from caplex.runtime.values import ABSENT

if TYPE_CHECKING:
    from caplex.runtime.engine.lane import Lane


def world_again(
    lane: Lane, found: Prepared, data: Mapping[str, Any], now: int, size: Fraction, leg: int, limit: Size | None, own: tuple[int, int, int, int],
    priced: Priced, ints: tuple[Any, ...], row: Mapping[str, Any] | None, counters: Mapping[str, Any], policy: Any, chain: str,
) -> tuple[LiveWorld, LiveBook]:
    """World and book as the long way would have made them."""
    plan, before = lane.plan, found.bound
    account = before.world.account_name
    document = {"now": exact_instant(now), "intent": {name: value for name, value in data.items() if name != "type"}}
    world = LiveWorld(plan, before.world.state, lane.desk, document, account)
    world._layout.accounts = {account: row} if row is not None else {}
    world._layout.counters = counters
    book = LiveBook(world)
    book.__dict__.update({name: value for name, value in before._book.__dict__.items() if name != "world" and not name.startswith("_")})
    position, buys, sells, closable = (Fraction(each, GRAIN) for each in own)
    price = max(priced.price, limit.value) if limit is not None and found.buy else priced.price
    book.__dict__.update(P=position, OB=buys, OS=sells, closable=closable, n_requested=size, V=priced.value, order_value=price * priced.factor)
    for number, spec in enumerate(plan.slots):
        if spec.kind == "book" and number in found.places and number not in found.settled:
            _preset(book, spec, ints[found.places[number]], buy=found.buy)
    return world, book


def bound_again(lane: Lane, found: Prepared, *taken: Any) -> LiveBound:
    """The readings as the long way would have made them, of what the decision has kept (`world_again`)."""
    plan, before = lane.plan, found.bound
    world, book = world_again(lane, found, *taken)
    _, _, size, _, _, _, _, ints, _, _, policy, chain = taken
    slots: list[Any] = []
    bound = LiveBound.__new__(LiveBound)
    bound.plan, bound.approved, bound.unwritten, bound.world, bound.document = plan, frozenset(), False, world, ()
    bound.now, bound.ints, bound.slots, bound._book = world.now, ints, slots, book
    bound.action, bound.closing, bound.asked_decimal = before.action, book.c, to_decimal(size)
    for number, spec in enumerate(plan.slots):
        if number in found.settled:
            slots.append(before.slots[number])
        elif number in found.places and spec.kind == "fold":
            slots.append(value_of(ints[found.places[number]], spec))
        else:
            slots.append(bound._fill(number, spec))
    given = LiveFacts(world.document, chain)
    bound.policy, bound.facts, bound.names = policy, given, policy.names
    given.bound[policy] = bound
    return bound


def value_of(number: Any, spec: SlotSpec) -> Any:
    if number is None:
        return ABSENT
    return Fraction(number, 10 ** (spec.scale or 0)) if type(number) is int else number


def _preset(book: LiveBook, spec: SlotSpec, number: Any, *, buy: bool) -> None:
    name = {"others_net": "others_net_buy" if buy else "others_net_sell", "held_count": "position_count"}.get(spec.name, spec.name)
    if name.startswith(("others_", "held_", "position_count", "committed_")):
        book.__dict__[name] = value_of(number, spec)
