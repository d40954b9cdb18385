"""The words of generated code in its traced form: every operator over exact values, absence and the unknown."""
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from caplex.runtime.layout import pointer
from caplex.runtime.values import ABSENT, UNLIMITED, Truth, Unknown, both, either, merge, unknown

Row = Any


class Unusable(Exception):
    """The fused form touched a reading that cannot be used: the traced form must answer."""


class _Trap:
    """Stands in the fused form for an unusable reading. Whoever touches it leaves; whoever is short-circuited past it does not."""

    __slots__ = ()

    def _leave(self, *_: object) -> Any:
        raise Unusable

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = _leave
    __contains__ = __neg__ = __abs__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = _leave
    __contains__ = _leave
    __eq__ = __ne__ = __hash__ = _leave


TRAP = _Trap()
RowReading = Callable[[Row], Any]


def need(row: Row, field: str) -> Any:
    """An optional field of a row that must be there."""
    value = row.cell(field)
    return unknown("SYS-001", row.path + pointer(field), "missing") if value is ABSENT else value


def instead(value: Any, fallback: Any) -> Any:
    """``value else fallback``: only absence is replaced."""
    return fallback if value is ABSENT else value


def is_known(value: Any) -> Truth:
    return value if isinstance(value, Unknown) else value is not ABSENT


def is_true(slots: Any, q: Any) -> bool:
    """What a condition on a row alone must equal."""
    return True


def choose(condition: Truth, then: Any, otherwise: Any) -> Any:
    """``if … then … else …``; an unknown condition is the whole answer."""
    return condition if isinstance(condition, Unknown) else then if condition else otherwise


def largest(left: Any, right: Any) -> Any:
    lost = merge(left, right)
    if lost is not None:
        return lost
    return UNLIMITED if left is UNLIMITED or right is UNLIMITED else max(left, right)


def smallest(left: Any, right: Any) -> Any:
    lost = merge(left, right)
    if lost is not None:
        return lost
    return right if left is UNLIMITED else left if right is UNLIMITED else min(left, right)


def among(value: Any, collection: Any) -> Truth:
    lost = merge(value, collection)
    return value in collection if lost is None else lost


def members(*values: Any) -> Any:
    lost = merge(*values)
    return frozenset(values) if lost is None else lost


def is_multiple(value: Any, of: Any) -> Truth:
    """A step that is zero or negative is SYS-006."""
    lost = merge(value, of)
    if lost is not None:
        return lost
    if of <= 0:
        return unknown("SYS-006", "", "divisor", str(of), "> 0")
    return bool(Fraction(value) % of == 0)


def rows_of(world: Any, section: str, window: Any, today: bool) -> Any:
    """Rows of a list section, or the events of a history that the window holds: ``now − t < window``."""
    spec = world.schema.sections[section]
    if spec.shape != "history":
        rows = world.rows(section)
        return rows if window is None or isinstance(rows, Unknown) else [r for r in rows if _inside(world, r, window) is True]
    now = world.now
    if today:
        start = world.day_start
        lost = merge(now, start)
        if lost is not None:
            return lost
        return _events(world, section, start, start)
    if window is None:
        return world.events(section, None)
    lost = merge(now, window)
    if lost is not None:
        return lost
    return _events(world, section, now - window, None)


def _events(world: Any, section: str, since: Fraction, first: Fraction | None) -> Any:
    """Events of *section* later than *since* (from *first* on, if given)."""
    events = world.events(section, since)
    if isinstance(events, Unknown):
        return events
    stamps = [event.cell("at") for event in events]
    lost = merge(*stamps)
    if lost is not None:
        return lost
    return [e for e, at in zip(events, stamps, strict=True) if (at >= first if first is not None else at > since)]


def _inside(world: Any, row: Row, window: Any) -> Truth:
    at = row.cell("at")
    lost = merge(world.now, at, window)
    return bool(world.now - at < window) if lost is None else lost


def fold(function: str, rows: Any, where: RowReading | None, body: RowReading | None) -> Any:
    """An aggregate. Rows whose filter is false do not matter; one whose filter is unknown makes the whole unknown."""
    if isinstance(rows, Unknown):
        return rows
    kept: list[Row] = []
    lost: list[Unknown] = []
    for row in rows:
        holds = True if where is None else where(row)
        if isinstance(holds, Unknown):
            lost.append(holds)
        elif holds:
            kept.append(row)
    if lost and function not in ("any", "all"):
        return merge(*lost)
    if function == "count" and body is None:
        return Fraction(len(kept))
    assert body is not None
    values = [body(row) for row in kept]
    if function == "any":
        return either(*values, *lost)
    if function == "all":
        return both(*values, *lost)
    unread = merge(*values)
    return _combine(function, values) if unread is None else unread


def _combine(function: str, values: list[Any]) -> Any:
    match function:
        case "count":
            return Fraction(sum(value is True for value in values))
        case "sum":
            return sum(values, Fraction(0))
        case "last":
            return max(values) if values else ABSENT
    if not values:
        return unknown("SYS-001", "", "nothing-to-aggregate")
    return max(values) if function == "max" else min(values)


def snap(x: int, c: int, lot: int, most: int, least: int) -> int:
    """Largest tradable quantity up to *x*, all in one unit: a multiple of *lot* within *c*, or from *least* to *most*."""
    if x > most:
        x = most
    x -= x % lot
    if x <= c or x >= least:
        return x if x > 0 else 0
    return c - c % lot
