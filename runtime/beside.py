"""Facts that differ from others in a few words of the intent alone: what was read of positions, orders and prices is kept."""
from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, Final

from caplex.runtime.bind import Bound
from caplex.runtime.book import Book
from caplex.runtime.facts import World
from caplex.runtime.layout import Entry
from caplex.runtime.plan import Plan
from caplex.runtime.switches import Switches

OF_THE_POSITION: Final = frozenset({"account", "venue", "symbol", "position_side"})
"""Words that say which rows are the intent's own: whoever changes one of them has to read anew."""
_OF_THE_ACT = ("action", "_act", "side", "_delta", "direction", "n_requested", "closable", "order_value")
"""What a book knows of the intent and not of positions, orders and prices."""


def beside(plan: Plan, document: Mapping[str, Any], first: Bound) -> Bound:
    """*document* bound, which differs from that of *first*, a usable one, in words of the intent that are none of the position."""
    world: World = copy(first.world)
    world.__dict__.pop("intent", None)
    layout = world._layout = copy(first.world._layout)
    layout.tables = {**layout.tables, "intent": [Entry(document["intent"], "/intent")]}
    world.document, world._found = document, dict(first.world._found)
    world._tables = {name: rows for name, rows in first.world._tables.items() if name != "intent"}
    world._switches = Switches(layout.switches, world.claim)
    book = Book(world)
    book.__dict__.update({name: value for name, value in first._book.__dict__.items() if name not in _OF_THE_ACT and name != "world"})
    return Bound(plan, document, world=world, book=book)
