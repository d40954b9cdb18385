"""One row of each group, read as `policy.decide` reads it; groups that differ in a few words of the intent share what they can.

What an intent says of its strategy, its side or its action moves no position and no price. So the rows of the document are
walked over once for all groups that agree in everything else, and the money of the book is added up once.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from caplex.runtime.beside import beside
from caplex.runtime.bind import Bound
from caplex.runtime.columns.places import Sheet
from caplex.runtime.columns.roles import Roles
from caplex.runtime.plan import Plan


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
            bound = beside(plan, document, first)
        found.append(bound)
        rows.append(like)
    return found, np.array(rows, np.int64)
