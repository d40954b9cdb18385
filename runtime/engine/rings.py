"""What a rehearsal counts by itself: events in windows, and room by symbol."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, NoReturn

from caplex.runtime.canonical import fixed
from caplex.runtime.engine.plainly import GRAIN, Odd
from caplex.runtime.engine.state import Past
from caplex.runtime.engine.windows import Series, _reader
from caplex.runtime.plan import WindowPlan
from caplex.runtime.rows import Row

FINEST: Final = 16
"""Decimals of what windows add up, which is money at most: a price with eight times a quantity with eight."""
_OF_THE_KIND: Final = frozenset({"symbol", "strategy", "side", "action", "account", "venue"})
"""What the history of orders says alike of all approvals of a kind."""
_OF_THE_SIZE: Final = frozenset({"quantity", "notional"})
Key = tuple[Any, ...]


class Sum:
    """Events in a window, and what they add up to, in units of 1e-16."""

    __slots__ = ("_amounts", "_at", "total")

    def __init__(self) -> None:
        self._at: deque[int] = deque()
        self._amounts: deque[int] = deque()
        self.total = 0

    def add(self, at_ns: int, amount: int) -> None:
        self._at.append(at_ns)
        self._amounts.append(amount)
        self.total += amount

    def forget(self, until_ns: int) -> None:
        """Events up to then no longer count: a window does not hold the moment at which it opens."""
        at = self._at
        while at and at[0] <= until_ns:
            at.popleft()
            self.total -= self._amounts.popleft()


Ring = deque[int] | Sum
"""What is in a window: when events were, or their sum as well."""


def ring_of(plan: WindowPlan, series: Series | None, since: int | None) -> Ring:
    """What *series* holds, from *since* on. Raises Odd for amounts that are finer than can be counted."""
    times = series.at if series is not None else []
    begin = next((place for place, at in enumerate(times) if since is None or at >= since), len(times))
    if plan.function != "sum":
        return deque(times[begin:])
    found = Sum()
    for place in range(begin, len(times)):
        assert series is not None
        found.add(times[place], finest(series.sums[place + 1] - series.sums[place]))
    return found


def finest(value: Fraction) -> int:
    """*value* in units of 1e-16. Raises Odd."""
    found, rest = divmod(value.numerator * 10**FINEST, value.denominator)
    if rest:
        raise Odd
    return found


# ── what an approval counts by, and for ───────────────────────────────────────────────────────────────


class _Probe(Fraction):
    """A number that may be handed on, and nothing else: what gives it back has not looked at it."""

    __slots__ = ()


def _used(*_: Any) -> NoReturn:
    raise Odd


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv", "mod", "rmod", "pow", "rpow", "neg", "pos", "abs",
              "floor", "ceil", "round", "trunc", "bool", "eq", "ne", "lt", "le", "gt", "ge", "hash", "str", "repr", "int", "float"):
    setattr(_Probe, f"__{_name}__", _used)
for _name in ("numerator", "denominator"):
    setattr(_Probe, _name, property(_used))

class _Asking(Row):
    """A row that remembers what it was asked for, and may answer with a probe."""

    __slots__ = ("_probed", "_row", "asked")

    def __init__(self, row: Row, probed: str = "") -> None:
        super().__init__(row.world, row.section, row.entry)
        self._row, self._probed, self.asked = row, probed, set[str]()

    def cell(self, name: str) -> Any:
        self.asked.add(name)
        return _Probe(1) if name == self._probed else self._row.cell(name)


class Counted:
    """What approvals of one kind are counted by in one window, and what they add. Raises Odd where it depends on more than their size.

    Attributes:
        key: Of all of them; None where it depends on the size.
    """

    def __init__(self, plan: WindowPlan, row_of: Callable[[int, int], Row], size: int, value: int) -> None:
        self._read, self._row_of = _reader(plan), row_of
        self._known: dict[tuple[int, int], tuple[Key, int]] = {}
        asking = _Asking(row_of(size, value))
        said = self._read(asking)
        if said is None or not asking.asked <= _OF_THE_KIND | _OF_THE_SIZE:
            raise Odd
        self.key: Key | None = self._alike(plan, size, value)
        self._adds = "" if plan.body is None else self._added(plan, size, value)

    def _alike(self, plan: WindowPlan, size: int, value: int) -> Key | None:
        asking = _Asking(self._row_of(size, value))
        found = tuple(says(asking) for says, _ in plan.keys)
        return found if asking.asked <= _OF_THE_KIND else None

    def _added(self, plan: WindowPlan, size: int, value: int) -> str | None:
        """The field that is added as it stands; None where it is worked out."""
        assert plan.body is not None
        for name in ("quantity", "notional"):
            row = _Asking(self._row_of(size, value), name)
            try:
                if type(plan.body(row)) is _Probe and row.asked <= _OF_THE_KIND | {name}:
                    return name
            except Odd:
                continue
        return None

    def of(self, size: int, value: int) -> tuple[Key, int]:
        """Of a size at what a unit is worth. Raises Odd."""
        if self.key is not None and self._adds is not None:
            return self.key, size * (value if self._adds == "notional" else GRAIN)
        found = self._known.get((size, value))
        if found is None:
            asking = _Asking(self._row_of(size, value))
            said = self._read(asking)
            if said is None or not asking.asked <= _OF_THE_KIND | _OF_THE_SIZE:
                raise Odd
            found = self._known[size, value] = said[0], finest(said[1]) if said[1] is not None else 0
        return found


def approved(at: int, symbol: str, buy: bool, size: int, price: int, intent: str, limit: int, data: Any) -> Past:
    """An approval as the history of orders keeps it, see `unwritten.row_of`."""
    said = {"symbol": symbol, "strategy": data.get("strategy"), "venue": data.get("venue"), "side": "buy" if buy else "sell", "quantity": fixed(size, 8),
            "action": data.get("action"), "intent_id": intent}
    row = {name: value for name, value in said.items() if value is not None}
    if limit:
        row["price"] = fixed(limit, 8)
    return Past("order_events", at, {**row, "notional": fixed(size * price, 16)})
