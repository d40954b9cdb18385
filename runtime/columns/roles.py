"""What each column is to a policy: nothing, a number that differs from row to row, or one of the few that make groups.

Rows of a group agree in everything but those numbers. So one document of each group is read as `policy.decide` reads it,
and of the other rows only the numbers are.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from caplex.runtime.clock import NotATime
from caplex.runtime.columns.cells import Column
from caplex.runtime.columns.places import Sheet
from caplex.runtime.columns.vectors import MOST, NotInColumns, places
from caplex.runtime.layout import Layout
from caplex.runtime.plan import Plan
from caplex.runtime.reading import Unreadable, convert
from caplex.runtime.rows import FUTURE_NS, INSTANT
from caplex.runtime.schema import Kind

At = tuple[str, str]
NOW = ("now", "now")
STRUCTURE = frozenset({"account", "venue", "symbol", "position_side", "strategy", "action", "side", "quantity", "delta", "amount", "reduce_only", "notional", "legs"})
"""Fields of an intent that are read whatever the policy says."""
_OF_THE_POSITION = frozenset({"account", "venue", "symbol", "position_side"})
_BOOK = frozenset({("position", "quantity"), ("market", "price")})
_BESIDE = frozenset({"currency", "as_of", "account", "venue", "position_side", "reconciled", "multiplier", "lot", "max_quantity", "min_quantity", "min_notional"})
_PLACES_OF_BOOK = frozenset({"position", "positions", "market", "instrument", "fx", "orders"})
_MOST_GROUPS = 4096
_FEW = 16
"""So many different texts may make groups of their own."""


@dataclass(slots=True)
class Roles:
    """What columns are.

    Attributes:
        numbers: Differ within a group.
        keys: Make the groups, each as codes and how many there may be.
        light: Of *columns*, those that say what an intent wants and nothing of its position; *kin* are the other keys' codes, by
            which groups are alike but for that.
    """

    numbers: dict[At, Column] = field(default_factory=dict)
    keys: list[tuple[Any, int]] = field(default_factory=list)
    light: list[Column] = field(default_factory=list)
    kin: list[Any] = field(default_factory=list)


def roles(plan: Plan, sheet: Sheet) -> Roles:
    """Raises NotInColumns."""
    return _Finder(plan, sheet).find()


class _Finder:
    def __init__(self, plan: Plan, sheet: Sheet) -> None:
        self.plan, self.sheet = plan, sheet
        self.read = {(spec.section, spec.name): spec for spec in plan.slots if spec.kind == "field"}
        self.books = {spec.name for spec in plan.slots if spec.kind == "book"}
        self.of_other_rows = {spec.section for spec in plan.slots if spec.kind == "field" and (spec.key_text is not None or spec.key_slot is not None)}
        self.folded = {section for section, _ in plan.columns.folds}
        self.history = any(plan.schema.sections[section].shape == "history" for section in self.folded)
        self.in_folds = {(plan.slots[slot].section, plan.slots[slot].name) for _, slots in plan.columns.folds for slot in slots}
        self.scopes = {(plan.slots[slot].section, plan.slots[slot].name)
                       for setting in plan.settings.values() for override in setting.overrides for _, slot in override.scopes}
        self.keys = {spec.key for spec in plan.schema.sections.values() if spec.key}

    def find(self) -> Roles:
        found = Roles()
        heavy = _OF_THE_POSITION | {place.key for place, _ in self.sheet.columns}
        for place, column in self.sheet.columns:
            at = (place.section, place.field)
            if not self._matters(at):
                continue
            column = self._read_texts(at, column)
            if self._differs(at, column):
                found.numbers[at] = column
                if column.nulls is not None:
                    found.keys.append((column.nulls.astype(np.int64), 2))
                if at == NOW:
                    found.keys.append(self._times(column))
            else:
                found.keys.append(self._ages(column) if at[1] == "as_of" and column.kind == "instant" else column.codes())
                if place.section == "intent" and place.field not in heavy:
                    found.light.append(column)
                    continue
            found.kin += [codes for codes, _ in found.keys[len(found.kin) + len(found.light):]]
        return found

    def _matters(self, at: At) -> bool:
        section, name = at
        if section == "intent":
            return at in self.read or name in STRUCTURE or name in self.keys or (name == "limit_price" and self._needs_limit())
        if section in ("now", "counters") or at in self.read or at in _BOOK or name in _BESIDE:
            return True
        return bool(self.folded & _PLACES_OF_BOOK) and section in _PLACES_OF_BOOK

    def _needs_limit(self) -> bool:
        """The price of the order counts where the policy asks for its value, and where the venue has a least one."""
        return "order_value" in self.books or self.least_value()

    def least_value(self) -> bool:
        instruments = self.sheet.base.get("instruments")
        rows = instruments.values() if isinstance(instruments, Mapping) else instruments if isinstance(instruments, list) else ()
        return self.sheet.column("instrument", "min_notional") is not None or any(isinstance(row, Mapping) and row.get("min_notional") is not None for row in rows)

    def _read_texts(self, at: At, column: Column) -> Column:
        """Numbers and instants that are written as texts, as numbers, if all can be read."""
        declared = INSTANT if at == NOW else self.plan.schema.field(*at)
        if column.kind != "codes" or declared is None or not declared.type.numeric or declared.type.kind is Kind.DURATION or len(column.values) <= _FEW:
            return column
        try:
            read = [convert(declared.type, value) for value in column.values]
        except Unreadable:
            return column
        scales = [places(value.denominator) for value in read]
        if None in scales:
            return column
        scale = max(scale for scale in scales if scale is not None)
        whole = [int(value * 10**scale) for value in read]
        if max(map(abs, whole)) > MOST:
            return column
        kind = "instant" if declared.type.kind is Kind.INSTANT else "whole"
        table = np.array([*whole, 0], np.int64)  # the code of a null is -1
        return Column(column.name, kind, table[column.data], scale=scale, nulls=column.data < 0)

    def _differs(self, at: At, column: Column) -> bool:
        """Can the column stand as numbers? Else its different values make groups."""
        section, name = at
        if column.kind == "codes" or section in self.of_other_rows or at in self.in_folds or at in self.scopes:
            return False
        if at == NOW:
            return column.kind == "instant" and not self.history and "day_start" not in self.books
        if section in _PLACES_OF_BOOK and self.folded & _PLACES_OF_BOOK:
            return False
        if at in _BOOK or at in (("intent", "quantity"), ("intent", "limit_price")):
            return column.kind in ("float", "whole")
        if at[1] == "as_of" or (at[1] in _BESIDE and section in ("instrument", "account", "market", "position")) or at[1] in ("delta", "amount"):
            return False
        spec = self.read.get(at)
        if section == "counters":
            return column.kind in ("float", "whole")
        if spec is None or spec.scale is None:
            return False
        declared = self.plan.schema.field(section, name)
        if declared is None or declared.type.kind in (Kind.DURATION, Kind.TIME, Kind.DATE):
            return False
        return (column.kind == "instant") == (declared.type.kind is Kind.INSTANT)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────

    def _fresh(self) -> list[int]:
        return sorted({spec.fresh_ns for section in self.plan.schema.sections.values() for spec in section.fields.values() if spec.fresh_ns})

    def _times(self, column: Column) -> tuple[Any, int]:
        """Between which two moments a row lies, of those at which a stamp, an override or the policy begins or ends to count."""
        header = self.plan.header
        moments = {ns for ns in (header.effective_from_ns, header.effective_until_ns) if ns is not None}
        moments |= {override.until_ns for setting in self.plan.settings.values() for override in setting.overrides if override.until_ns is not None}
        for stamp in self._stamps():
            moments.add(stamp - FUTURE_NS)
            moments |= {stamp + fresh + 1 for fresh in self._fresh()}
        edges = np.array(sorted(ns for ns in moments if abs(ns) < 2**63), np.int64)
        return np.searchsorted(edges, column.data, side="right"), len(edges) + 1

    def _stamps(self) -> Iterator[int]:
        """Every `as_of` of the base facts that can be read."""
        layout = Layout(self.plan.schema, {"intent": {}, **self.sheet.base})
        entries = [entry.data for table in layout.tables.values() for entry in table or ()]
        for data in [*entries, *(layout.accounts or {}).values()]:
            stamp = data.get("as_of") if isinstance(data, Mapping) else None
            try:
                if stamp is not None:
                    yield int(convert(INSTANT.type, stamp))
            except (Unreadable, NotATime):
                continue

    def _ages(self, column: Column) -> tuple[Any, int]:
        """How old, as far as it matters: from the future, or older than what some reading may be."""
        now = self.sheet.column(*NOW)
        if now is not None and now.kind != "instant":
            return column.codes()
        edges = np.array([-FUTURE_NS, *(fresh + 1 for fresh in self._fresh())], np.int64)
        if now is None:
            try:
                at: Any = int(convert(INSTANT.type, self.sheet.base.get("now")))
            except Unreadable:
                return column.codes()
        else:
            at = now.data
        if len(column.data) and max(int(np.abs(column.data).max()), int(np.abs(at).max())) > 2**62:
            return column.codes()
        codes = np.searchsorted(edges, at - column.data, side="right")
        return (codes if column.nulls is None else np.where(column.nulls, len(edges) + 1, codes)), len(edges) + 2


def groups(keys: list[tuple[Any, int]], rows: int) -> tuple[Any, Any]:
    """The group of each row, and one row of each group. Raises NotInColumns where there are too many."""
    if not keys:
        return np.zeros(rows, np.int64), np.zeros(min(rows, 1), np.int64)
    codes, count = keys[0]
    for more, size in keys[1:]:
        if count * size > max(2**20, 4 * rows):
            codes, count = _dense(codes, count, rows)[::2]
            if count * size > 2**62:
                raise NotInColumns("too many columns differ from row to row")
        codes, count = codes * size + more, count * size
    codes, first, count = _dense(codes, count, rows)
    if count > max(_MOST_GROUPS, rows // 50):
        raise NotInColumns(f"{count} of {rows} rows differ in more than numbers")
    return codes, first


def _dense(codes: Any, count: int, rows: int) -> tuple[Any, Any, int]:
    """Codes from 0 without gaps, the first row of each, and how many there are."""
    if count <= max(2**20, 4 * rows):
        seen = np.full(count, -1, np.int64)
        seen[codes[::-1]] = np.arange(rows - 1, -1, -1)
        present = np.flatnonzero(seen >= 0)
        if len(present) == count:
            return codes, seen, count
        dense = np.empty(count, np.int64)
        dense[present] = np.arange(len(present))
        return dense[codes], seen[present], len(present)
    _, first, dense = np.unique(codes, return_index=True, return_inverse=True)
    return dense, first, len(first)
