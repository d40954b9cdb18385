"""Kinds of intents that differ in the symbol alone: the second symbol is prepared from what is known of the first.

Of a symbol a policy mostly reads its name, its price, its position and its part of the totals, and those are told for each
intent anyway. What else stays settled is then the same for the next symbol, if its instrument says the same. A policy that
reads more of a symbol (a setting for one of them, a table by symbol, another field of the quote) shares nothing: `shares`.
"""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from caplex.runtime.engine.prepared import ZERO, Prepared, Slots
from caplex.runtime.engine.times import stamped
from caplex.runtime.plan import Plan
from caplex.runtime.reading import read
from caplex.runtime.values import Unknown

if TYPE_CHECKING:
    from caplex.runtime.engine.live import Desk
    from caplex.runtime.engine.state import State

_SAME: Final = ("action", "side", "direction", "lot", "min_quantity", "max_quantity", "min_notional")
"""What a book says alike of two symbols, for one kind of intent and one instrument."""


def shares(plan: Plan) -> bool:
    """Does everything that the policy reads of a symbol come from its name, its price, its instrument and its position?"""
    symbols, intent = _names(plan), plan.schema.sections["intent"].fields
    if any(slot in symbols for setting in plan.settings.values() for override in setting.overrides for _, slot in override.scopes):
        return False
    if any(dimension not in intent for rule in plan.rules if rule.kind == "switch" for dimension in rule.scope):
        return False
    for spec in plan.slots:
        if spec.kind != "field":
            continue
        if spec.key_slot in symbols:
            return False
        by_symbol = spec.key_slot is None and spec.key_text is None and plan.schema.sections[spec.section].key == "symbol"
        if by_symbol and spec.section not in ("instrument", "position") and (spec.section, spec.name) != ("market", "price"):
            return False
    return True


def _names(plan: Plan) -> frozenset[int]:
    """Slots that hold the name of the intent's symbol."""
    return frozenset(number for number, spec in enumerate(plan.slots)
                     if spec.kind == "field" and spec.section == "intent" and spec.name == "symbol")


def derive(plan: Plan, desk: Desk, elder: Prepared, state: State, account: str, symbol: str, now: int) -> Prepared | None:
    """The kind *elder*, which holds still, for another *symbol*; None where that is not so plain. Raises Odd. The policy `shares`."""
    from caplex.runtime.engine.live import LiveBook, LiveBound, LiveWorld

    quotes, details = state.quotes.get(symbol, {}), state.details.get(symbol, {})
    if len(quotes) != 1 or len(details) > 1 or desk.plainly is None:
        return None
    quote, instrument = next(iter(quotes.values())), next(iter(details.values()), None)
    # `repr`, because `true` is not 1.
    if repr(instrument) != repr(elder.details) or quote.get("currency") not in (None, plan.header.currency):
        return None
    before, names = elder.bound, _names(plan)
    if read(plan.schema.sections["intent"].fields["symbol"], symbol, "") != symbol or any(isinstance(before.slots[number], Unknown) for number in elder.settled):
        return None
    if desk.plainly.worth(state, symbol, now) is None:
        desk.plainly.learn(LiveWorld(plan, state, desk, {"now": stamped(now), "intent": {"action": "noop", "account": account}}, account), symbol)
    bound = LiveBound.__new__(LiveBound)
    bound.plan, bound.world, bound.action, bound.slots, bound.ints = plan, before.world, before.action, list(before.slots), None
    bound._book = LiveBook(before.world)
    known = before._book.__dict__
    bound._book.__dict__.update({name: known[name] for name in _SAME if name in known})
    for number in names:
        bound.slots[number] = symbol
    found = replace(elder, bound=bound, symbol=symbol, ints=list(elder.ints), details=instrument, stays=[None, None, None], known=None)
    slots = Slots(plan, desk, found, now)
    # The functions of slots know nothing of the symbol, unless a window counts by it.
    if any(equals(bound.slots, ZERO) != equals(before.slots, ZERO) for kept in plan.windows.values() for _, equals in kept.keys):
        found.fills = {"": [], "account": [], "counters": [], "price": []}
        slots.sort()
    for number in names:
        if number in slots.fused:
            found.ints[slots.fused[number]] = symbol
        if number in slots.defaults:
            found.ints[slots.defaults[number][0]] = symbol
    return found
