"""A frame of intents as a rehearsal reads it: ids, times and sizes of the rows, and of which kind each of them is."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.canonical import plain
from caplex.runtime.columns.asking import PLACES, again, scaled, varies
from caplex.runtime.columns.roles import STRUCTURE, groups
from caplex.runtime.columns.vectors import NotInColumns
from caplex.runtime.engine.heard import INTENT_ID
from caplex.runtime.reading import Unreadable, number

if TYPE_CHECKING:
    from caplex.runtime.columns.cells import Column
    from caplex.runtime.columns.places import Place, Sheet
    from caplex.runtime.engine.machine import Machine
    from caplex.runtime.plan import Plan
    from caplex.runtime.schema import FieldSpec

TOLD: Final = {"market": "quote", "account": "account"}
"""Sections whose columns are events before each intent."""
PRICE: Final = "market.price"
_OF_THE_BOOK: Final = frozenset({"others_gross", "others_net", "committed_count", "held_gross", "held_net", "held_count"})
_VARYING: Final = frozenset({"id", "quantity", "limit_price"})


class NotInOnePass(Exception):
    """The frame is decided row by row; the message is a clause that says why."""


class Asked:
    """The rows of *sheet*. Raises NotInOnePass.

    Attributes:
        now, sizes, limits: Of each row; sizes and limits in grains of 1e-8, limits None where there is no such column.
        more: Other numbers that differ from row to row, by field, with as many decimals as the policy reads.
        kind: Of each row, a number for what it says besides; *kinds* is how many there are. *route* is the same, and *kinds* itself
            for the rows that are not plain.
        plain: Of each row, may it go in the pass? Not so with a size that is none, and where an id comes twice.
    """

    def __init__(self, machine: Machine, sheet: Sheet) -> None:
        self.sheet = sheet
        try:
            self._read(machine)
        except NotInColumns as reason:
            raise NotInOnePass(str(reason)) from None

    def _read(self, machine: Machine) -> None:
        sheet = self.sheet
        for place, column in sheet.columns:
            if place.section not in ("now", "intent") and not self._is_price(machine, place, column):
                raise NotInOnePass(f"`{column.name}` is told before each row")
        fields = machine.policy.plan.schema.sections["intent"].fields
        times = self._column("now", "now").data
        self.now: list[int] = times.tolist()
        odd = self._repeated(machine, self._column("intent", "id"), times)
        sizes, bad = scaled(self._column("intent", "quantity"), fields["quantity"], PLACES, positive=True)
        odd = odd | bad
        sizes[odd] = 0
        self.sizes: list[int] = sizes.tolist()
        self.limits: list[int] | None = None
        priced = sheet.column("intent", "limit_price")
        if priced is not None:
            limits, bad = scaled(priced, fields["limit_price"], PLACES, positive=True)
            if priced.nulls is not None:
                bad = bad & ~priced.nulls
            odd, self.limits = odd | bad, limits.tolist()
        self.more: dict[str, list[int]] = {}
        for column, spec, scale in self._varying(machine.policy.plan):
            values, bad = scaled(column, spec, scale)
            odd, self.more[spec.name] = odd | bad, values.tolist()
        prices = sheet.column("market", "price")
        if prices is not None:
            values, bad = scaled(prices, machine.policy.plan.schema.sections["market"].fields["price"], PLACES, positive=True)
            odd, self.more[PRICE] = odd | bad, values.tolist()
        codes, self.kinds = self._groups(_VARYING | self.more.keys())
        self.kind: list[int] = codes.tolist()
        self.plain = ~odd
        self.route = self.kind
        if odd.any():
            codes = codes.copy()
            codes[odd] = self.kinds
            self.route = codes.tolist()

    def id(self, row: int) -> str:
        return str(self._column("intent", "id").cell(row))

    def limit(self, row: int) -> int:
        """In grains; 0 for none."""
        return self.limits[row] if self.limits is not None else 0

    def others(self, row: int) -> tuple[int, ...]:
        """Of `more`."""
        return tuple(values[row] for values in self.more.values())

    def _column(self, section: str, field: str) -> Column:
        column = self.sheet.column(section, field)
        if column is None:
            raise NotInOnePass(f"there is no column `{section}.{field}`")
        return column

    def _repeated(self, machine: Machine, column: Column, times: Any) -> Any:
        """Rows whose id comes twice, or was answered before. What the machine has to say of them must not have been forgotten."""
        state, keep = machine.state, machine.policy.plan.header.idempotency_keep_ns
        archived = state.archive is not None
        found = again(column, INTENT_ID.pattern, list(state.seen), (lambda name: state.answered(name) is not None) if archived else None)
        if keep is not None and found.any():
            oldest = next(iter(state.seen.values())).kept_ns if state.seen else int(times[0])
            if archived or int(times[-1]) - keep > min(oldest, int(times[0])):
                raise NotInOnePass("an id comes twice, and ids are forgotten meanwhile")
        return found

    @staticmethod
    def _is_price(machine: Machine, place: Place, column: Column) -> bool:
        """Is it the price of the row's symbol, which moves nothing but what the row itself is worth?"""
        plan = machine.policy.plan
        if (place.section, place.field) != ("market", "price") or not varies(column, plan.schema.field("market", "price")):
            return False
        if plan.by_symbol or any(spec.kind == "book" and spec.name in _OF_THE_BOOK for spec in plan.slots):
            return False
        return not any("market" in rule.trip_reads for rule in machine.desk.switches.values())

    def _varying(self, plan: Plan) -> list[tuple[Column, FieldSpec, int]]:
        """Columns of numbers that the policy reads as nothing but numbers, or not at all; with how many decimals."""
        fields, found = plan.schema.sections["intent"].fields, []
        scopes = {slot for setting in plan.settings.values() for override in setting.overrides for _, slot in override.scopes}
        others = scopes | {spec.key_slot for spec in plan.slots}
        for place, column in self.sheet.columns:
            spec = fields.get(place.field) if place.section == "intent" else None
            if spec is None or place.field in _VARYING or place.field in STRUCTURE or not varies(column, spec):
                continue
            slots = [number for number, slot in enumerate(plan.slots) if slot.kind == "field" and slot.section == "intent" and slot.name == place.field]
            column.prepare()
            scales = {plan.slots[number].scale for number in slots} or {column.scale}
            scale = scales.pop() if len(scales) == 1 else None
            if scale is not None and not others.intersection(slots):
                found.append((column, spec, scale))
        return found

    def _groups(self, varying: Set[str]) -> tuple[Any, int]:
        keys = [column.codes() for place, column in self.sheet.columns if place.section == "intent" and place.field not in varying]
        for name in ("quantity", "limit_price"):
            column = self.sheet.column("intent", name)
            if column is not None and column.nulls is not None:
                keys.append((column.nulls.astype("int64"), 2))
        codes, firsts = groups(keys, self.sheet.rows)
        return codes, len(firsts)


def intent_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The event of a row, numbers as texts, which is how an engine keeps them: so it may go by the fast lane."""
    event = {"type": "intent", "at": document["now"], **document["intent"]}
    for name, value in event.items():
        if not isinstance(value, str | bool) and value is not None:
            try:
                event[name] = plain(number(value))
            except Unreadable:
                continue  # the machine says what is wrong with it
    return event


def events_of(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What this row says of prices and accounts."""
    intent = document["intent"]
    account = intent.get("account")
    named = {"account": account} if account is not None else {}
    rows = [("market", {"symbol": key, **row}) for key, row in (document.get("market") or {}).items()]
    if document.get("account"):
        rows.append(("account", {**named, **document["account"]}))
    for section, row in rows:
        yield {"type": TOLD[section], "at": document["now"], **{name: value for name, value in row.items() if value is not None}}
