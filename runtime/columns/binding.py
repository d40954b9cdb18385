"""One row of each group, read as `policy.decide` reads it; groups that differ in a few words of the intent share what they can.

What an intent says of its strategy, its side or its action moves no position and no price. So the rows of the document are
walked over once for all groups that agree in everything else, and the money of the book is added up once.
"""
from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from caplex.runtime.bind import Bound
from caplex.runtime.book import Book
from caplex.runtime.columns.places import Sheet
from caplex.runtime.columns.roles import Roles
from caplex.runtime.facts import World
from caplex.runtime.layout import Entry
from caplex.runtime.plan import Plan
from caplex.runtime.switches import Switches

_OF_THE_ACT = ("action", "_act", "side", "_delta", "direction", "n_requested", "closable", "order_value")
"""What a book knows of the intent and not of positions, orders and prices."""


def bind_groups(plan: Plan, sheet: Sheet, roles: Roles, firsts: Any) -> tuple[list[Bound], Any]:
    """One for each row of *firsts*, and the rows whose numbers each of them has."""
    families: dict[Any, tuple[int, Bound]] = {}
    found, rows = [], []
    for row in map(int, firsts):
        kind = tuple(int(codes[row]) for codes in roles.kin)
        like, first = families.get(kind, (row, None))
        document = sheet.document(row, own_words=roles.light, like=like)
        if first is None or first.document or not isinstance(document.get("intent"), dict):
            bound = Bound(plan, document)
            families.setdefault(kind, (row, bound))
        else:
            bound = _beside(plan, document, first)
        found.append(bound)
        rows.append(like)
    return found, np.array(rows, np.int64)


def _beside(plan: Plan, document: dict[str, Any], first: Bound) -> Bound:
    """*document* bound, which differs from that of *first* in words of the intent."""
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
