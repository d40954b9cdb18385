"""Kill switches as a facts document tells them: in short form a map by id (``KILL-010/momentum``), in full form a list with scopes."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from caplex.runtime.layout import pointer
from caplex.runtime.reading import read, shown
from caplex.runtime.schema import FieldSpec, Kind, Type
from caplex.runtime.values import Unknown, unknown

if TYPE_CHECKING:
    from caplex.runtime.rows import Row

Scope = tuple[tuple[str, str], ...]
_SINCE = FieldSpec("switches", "since", Type(Kind.INSTANT))
_DIMENSIONS = ("account", "strategy", "symbol", "venue")


class Switches:
    """*claim* gives what the intent says of a dimension: text, None, or Unknown."""

    def __init__(self, given: dict[str, Any] | list[Any] | None, claim: Callable[[str], Any]) -> None:
        self._given, self._claim = given, claim

    def state(self, switch: str, scope: Scope) -> Any:
        """The worst of all rows that concern this scope: tripped, then unreadable, then armed."""
        if self._given is None:
            return unknown("SYS-008", "/switches", "missing", "", "{} if there are none")
        lost: Unknown | None = None
        for path, row in self._rows(switch, scope):
            state = row.get("state") if isinstance(row, Mapping) else None
            if state == "tripped":
                return "tripped"
            if state != "armed" and lost is None:
                there = path + "/state" if isinstance(row, Mapping) else path
                observed = shown(state if isinstance(row, Mapping) else row) if row is not None else ""
                lost = unknown("SYS-008", there, "unreadable", observed, "armed or tripped")
        return lost if lost is not None else "armed"

    def row(self, switch: str, scope: Scope) -> Mapping[str, Any] | None:
        """The first row that concerns this scope."""
        return next((row for _, row in self._rows(switch, scope) if isinstance(row, Mapping)), None)

    def armed_since(self, switch: str, scope: Scope) -> Fraction | None:
        """When an armed switch was armed again, as its row says: what came before counts no more. None: all of it counts."""
        row = self.row(switch, scope)
        since = read(_SINCE, row.get("since"), "/switches") if row is not None and row.get("state") == "armed" else None
        return since if isinstance(since, Fraction) else None

    def armed_before(self, switch: str, scope: Scope, section: str) -> int:
        """How many events of the history *section* at the very instant of arming had come before it, as the row says
        (``"before": {"denials": 2}``); where it says nothing all of them count."""
        told = (self.row(switch, scope) or {}).get("before")
        count = told.get(section) if isinstance(told, Mapping) else None
        return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0

    def places(self, switch: str, scope: Scope) -> list[tuple[str | int, Mapping[str, Any]]]:
        """The rows that concern this scope, each with its key or number in `switches`."""
        concerned = [row for _, row in self._rows(switch, scope) if isinstance(row, Mapping)]
        items = self._given.items() if isinstance(self._given, dict) else enumerate(self._given or ())
        return [(at, row) for at, row in items if any(row is one for one in concerned)]

    def confirming(self, switch: str, scope: Scope, clause: int) -> tuple[int, Fraction | None]:
        """From ``"confirming": {"0": {"readings": 2, "since": "…"}}``; what is unreadable has not been confirmed."""
        given = (self.row(switch, scope) or {}).get("confirming")
        held = given.get(str(clause)) if isinstance(given, Mapping) else None
        if not isinstance(held, Mapping):
            return 0, None
        readings = held.get("readings")
        since = read(_SINCE, held.get("since"), "/switches")
        whole = isinstance(readings, int) and not isinstance(readings, bool) and readings >= 0
        return readings if whole else 0, since if isinstance(since, Fraction) else None  # type: ignore[return-value]

    def _rows(self, switch: str, scope: Scope) -> Iterator[tuple[str, Any]]:
        wanted = dict(scope)
        if isinstance(self._given, dict):
            for key, row in self._given.items():
                name, _, rest = key.partition("/")
                if name == switch and self._names(rest, row, wanted):
                    yield pointer("switches", key), row
        elif isinstance(self._given, list):
            for index, row in enumerate(self._given):
                if not isinstance(row, Mapping):
                    yield pointer("switches", index), row  # could be any switch
                elif row.get("id") == switch or not isinstance(row.get("id"), str):
                    if self._concerns(row.get("scope"), wanted):
                        yield pointer("switches", index), row

    def _names(self, rest: str, row: Any, wanted: dict[str, str]) -> bool:
        """Does the tail of ``KILL-010/momentum`` name this scope? Without a tail it concerns all."""
        if isinstance(row, Mapping) and row.get("scope") is not None and not self._concerns(row["scope"], wanted):
            return False
        if not rest:
            return True
        values = list(wanted.values())
        if values:
            return rest == "/".join(values)
        claims = [self._claim(dimension) for dimension in _DIMENSIONS]
        return any(isinstance(claim, Unknown) for claim in claims) or all(claim is None for claim in claims) or rest in claims

    def _concerns(self, scope: Any, wanted: dict[str, str]) -> bool:
        """A row concerns the intent unless its scope says another value of a dimension that the intent has."""
        if not isinstance(scope, Mapping):
            return True
        for dimension, value in scope.items():
            mine = wanted.get(dimension, self._claim(dimension) if isinstance(dimension, str) else None)
            if isinstance(mine, str) and isinstance(value, str) and mine != value:
                return False
        return True


def after_arming(rows: list[Row], since: Fraction | None, before: int) -> list[Row]:
    """Those of *rows*, in the order of their history, that came after a switch was armed again."""
    if since is None:
        return rows
    found = []
    for row in rows:
        at = row.cell("at")
        if at == since and before > 0:
            before -= 1
        elif at >= since:
            found.append(row)
    return found
