"""One row of a facts document: fields read by their declared types when asked for, and remembered."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.clock import format_duration
from caplex.runtime.layout import Entry, pointer
from caplex.runtime.reading import missing, read
from caplex.runtime.schema import FieldSpec, Kind, SectionSpec, Type
from caplex.runtime.values import ABSENT, Unknown, unknown

if TYPE_CHECKING:
    from caplex.runtime.facts import World

FUTURE_NS: Final = 500_000_000
"""How far a stamp may lie ahead of `now`: clocks differ."""
FINISHED: Final = frozenset({"filled", "cancelled", "rejected", "expired"})
INSTANT: Final = FieldSpec("", "at", Type(Kind.INSTANT))


class Row:
    """One row of a section: fields read by their declared types, derived ones computed."""

    __slots__ = ("_cells", "_clock", "entry", "section", "world")

    def __init__(self, world: World, section: SectionSpec, entry: Entry) -> None:
        self.world, self.section, self.entry = world, section, entry
        self._cells: dict[str, Any] = {}
        self._clock: Any = False

    @property
    def path(self) -> str:
        return self.entry.path

    def __repr__(self) -> str:
        return f"<Row {self.path}>"

    def cell(self, name: str) -> Any:
        """`Fraction`, `str`, `bool`, `frozenset`, `ABSENT`, or `Unknown` with the readings to blame."""
        if name not in self._cells:
            self._cells[name] = self._read(name)
        return self._cells[name]

    def _read(self, name: str) -> Any:
        spec = self.section.fields.get(name)
        computed = _DERIVED.get((self.section.name, name))
        if computed is not None and (spec is None or spec.derived or self.entry.data.get(name) is None):
            return computed(self)
        if spec is None:
            raise KeyError(f"{self.section.name}.{name}")
        if name in self.entry.keys:
            return self.entry.keys[name]
        path = self.entry.path if self.section.scalar and not isinstance(self.entry.data, Mapping) else self.entry.path + pointer(name)
        value = read(spec, self.entry.data.get(name), path)
        if value is ABSENT or isinstance(value, Unknown):
            return value
        if name != "as_of" and self.section.shape != "history":
            late = self._late(spec)
            if late is not None:
                return late
        if spec.type.kind is Kind.NOMINAL and isinstance(value, str):
            return self.world.normalised(name, value)
        if spec.type.kind is Kind.MONEY and spec.type.currency is None and self.section.name in ("account", "instrument"):
            return value * self.world.rate(self.entry.data.get("currency"), self.entry.path)
        return value

    def _late(self, spec: FieldSpec) -> Unknown | None:
        """Why the row's stamp forbids this reading: from the future, too old, or not there though freshness is asked."""
        path = self.entry.path + "/as_of"
        stamp = self.entry.data.get("as_of")
        if stamp is None:
            return missing(path, INSTANT) if spec.fresh_ns else None
        if self._clock is False:
            self._clock = read(INSTANT, stamp, path)
        now, at = self.world.now, self._clock
        if isinstance(at, Unknown):
            return at if spec.fresh_ns else None
        if isinstance(now, Unknown):
            return now if spec.fresh_ns else None
        age = int(now - at)
        if age < -FUTURE_NS:
            return unknown("SYS-003", path, "from-the-future", f"{format_duration(-age)} ahead", format_duration(FUTURE_NS))
        if spec.fresh_ns and age > spec.fresh_ns:
            return unknown("SYS-002", path, "stale", format_duration(age), format_duration(spec.fresh_ns))
        return None


def meets(row: Row, dimension: str, claimed: Any) -> bool:
    """A row or a claim that leaves *dimension* out meets any."""
    said = row.entry.keys.get(dimension)
    return said is None or claimed is None or said == claimed


def finished(row: Row) -> bool:
    status = row.cell("status") if "status" in row.section.fields else ABSENT
    return isinstance(status, str) and status in FINISHED


# ── computed fields of rows ───────────────────────────────────────────────────────────────────────────


def _position_price(row: Row) -> Any:
    return row.world.quoted("market", row.entry.keys.get("symbol", ""), row.entry.keys.get("venue"), "price")


def _position_notional(row: Row) -> Any:
    return row.cell("quantity") * row.world.unit_value(row.entry.keys.get("symbol", ""), row.entry.keys.get("venue"))


def _order_notional(row: Row) -> Any:
    symbol, venue = row.entry.keys.get("symbol", ""), row.entry.keys.get("venue")
    price = row.cell("price")
    if price is ABSENT:
        price = row.world.quoted("market", symbol, venue, "price")
    return row.cell("leaves_quantity") * price * row.world.unit_factor(symbol, venue)


def _sector(row: Row) -> Any:
    """What the instrument says, where the row does not."""
    return row.world.quoted("instrument", row.entry.keys.get("symbol", ""), row.entry.keys.get("venue"), "sector")


def _event_notional(row: Row) -> Any:
    quantity, price = row.cell("quantity"), row.cell("price")
    return ABSENT if quantity is ABSENT or price is ABSENT else quantity * price


_DERIVED: Final = {
    ("positions", "notional"): _position_notional,
    ("positions", "price"): _position_price,
    ("positions", "sector"): _sector,
    ("orders", "notional"): _order_notional,
    ("orders", "sector"): _sector,
    ("fills", "notional"): _event_notional,
    ("order_events", "notional"): _event_notional,
}
