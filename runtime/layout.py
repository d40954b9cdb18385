"""The shape of a facts document: where each section lies, its rows, and what stands there that nobody knows.

One walk over the structure, never into values. Unknown keys, containers of the wrong kind and two rows for one key make
the whole document unusable (docs/spec.md, CAP-DOC); values are read later, one by one.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final

from caplex.runtime.reading import normalise, shown
from caplex.runtime.schema import Schema, SectionSpec
from caplex.runtime.values import Leaf

MAX_PROBLEMS: Final = 50
PLACES: Final = {"position": "positions", "instrument": "instruments", "strategy": "strategies", "venue": "venues"}
"""Sections whose place in the document has another name."""
EVENT_TYPES: Final = {
    "fill": "fills", "order": "order_events", "reject": "rejects", "cancel": "cancels", "denial": "denials",
    "violation": "violations", "stop": "stops", "result": "results",
}
IDENTITY: Final = ("account", "venue", "symbol", "position_side")
_TOP = ("schema", "now", "intent", "account", "accounts", "positions", "orders", "market", "instruments", "strategies", "venues",
        "session", "fx", "inputs", "history", "counters", "switches", "tags")
_INTENT = ("notional", "trail", "legs", "schema", "type")
_LEG = ("id", "role", "side", "quantity", "order_type", "limit_price", "stop_price", "trail", "time_in_force", "tags")
_EVENT = ("id", "type", "at", "venue_at", "account", "venue", "order_id", "intent_id", "client_order_id", "symbol", "side", "strategy",
          "status", "quantity", "filled_quantity", "leaves_quantity", "canceled_quantity", "price", "average_price", "notional", "fee",
          "fee_currency", "liquidity", "late", "corrects", "stage", "code", "message", "retryable", "because", "by", "decision_id", "tags")
_SWITCH = ("id", "title", "scope", "state", "since", "before", "by", "by_decision", "by_event", "cause", "request", "confirming", "tags")
_HISTORY = ("complete_from", "events")


@dataclass(slots=True)
class Entry:
    """One row as it stands: *keys* are what the map above it says (``symbol``), normalised, and what the row itself says."""

    data: Mapping[str, Any]
    path: str
    keys: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=8192, typed=True)
def pointer(*parts: str | int) -> str:
    """A JSON pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


_GATHERED: dict[int, tuple[Schema, dict[str, dict[str, None]]]] = {}
_MOST_SCHEMAS = 64


def _fields_of(schema: Schema) -> dict[str, dict[str, None]]:
    """Field names by place; gathered once for a schema, which an engine asks for at every intent."""
    found = _GATHERED.get(id(schema))
    if found is None or found[0] is not schema:
        if len(_GATHERED) >= _MOST_SCHEMAS:
            _GATHERED.clear()
        found = _GATHERED[id(schema)] = schema, Layout._gather(schema.sections.values())
    return found[1]


class Layout:
    """The rows of each section of *document*, by the place where they lie.

    Attributes:
        problems: In the order of the walk, at most 50.
        tables: Rows by section name; None where the document does not have the section.
        events: Rows of the history by section name, in document order.
    """

    def __init__(self, schema: Schema, document: Any) -> None:
        self.schema = schema
        self.problems: list[Leaf] = []
        self.tables: dict[str, list[Entry] | None] = dict.fromkeys(schema.sections)
        self.events: dict[str, list[Entry]] = {}
        self.history: Mapping[str, Any] | None = None
        self.switches: dict[str, Any] | list[Any] | None = None
        self.counters: Mapping[str, Any] | None = None
        self.accounts: Mapping[str, Any] | None = None
        intent = schema.sections.get("intent")
        self._steps = {name: spec.normalised for name, spec in intent.fields.items() if spec.normalised} if intent else {}
        self._fields = _fields_of(schema)
        self._rows: dict[str, tuple[dict[str, None], tuple[str, ...]]] = {}
        if self._object(document, ""):
            self._document(document)

    def normalised(self, dimension: str, text: str) -> str:
        """*text* as the intent's field of that name is read, so that both meet."""
        return normalise(text, self._steps.get(dimension, ()))

    # ── problems ─────────────────────────────────────────────────────────────────────────────────────

    def _say(self, path: str, problem: str, observed: str = "", limit: str = "") -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Leaf("SYS-001", path, problem, observed, limit))

    def _object(self, value: Any, path: str) -> bool:
        if isinstance(value, Mapping):
            for key in getattr(value, "duplicates", ()):
                self._say(path + pointer(key), "duplicate-key")
            return True
        self._say(path, "wrong-type", shown(value), "an object")
        return False

    def _list(self, value: Any, path: str) -> bool:
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return True
        self._say(path, "wrong-type", shown(value), "a list")
        return False

    def _known(self, data: Mapping[Any, Any], allowed: Iterable[str], path: str) -> None:
        names = allowed if isinstance(allowed, dict) else dict.fromkeys(allowed)
        for key in data:
            if not isinstance(key, str):
                self._say(path, "unknown-key", shown(key))
            elif key not in names and key != "tags" and not key.startswith("x_"):
                self._unknown(key, list(names), path)

    def _unknown(self, key: str, names: list[str], path: str) -> None:
        near = get_close_matches(key, names, n=1) if len(key) <= 100 else []
        self._say(path + pointer(shown(key)), "unknown-key", "", path + pointer(near[0]) if near else "")

    # ── the walk ─────────────────────────────────────────────────────────────────────────────────────

    @staticmethod
    def _gather(sections: Iterable[SectionSpec]) -> dict[str, dict[str, None]]:
        """Field names by place; `position` and `positions` share one."""
        found: dict[str, dict[str, None]] = {}
        for section in sections:
            place = ("inputs/" if section.inputs else "") + PLACES.get(section.name, section.name)
            found.setdefault(place, {}).update(dict.fromkeys(name for name, spec in section.fields.items() if not spec.derived))
        return found

    def _document(self, document: Mapping[str, Any]) -> None:
        own = {PLACES.get(s.name, s.name): s for s in self.schema.sections.values() if not s.inputs and s.shape != "history"}
        supplied = [name for name in own if self._fields[name]]
        self._known(document, [*_TOP, *supplied], "")
        kind = document.get("schema")
        if kind is not None and kind != "caplex.facts/1":
            self._say("/schema", "wrong-type", shown(kind), "caplex.facts/1")
        if document.get("intent") is None:
            self._say("/intent", "missing", "", "an object")
        if document.get("account") is not None and document.get("accounts") is not None:
            self._say("/accounts", "duplicate-key", "", "either `account` or `accounts`")
        for section in self.schema.sections.values():
            place = PLACES.get(section.name, section.name)
            if not section.inputs and section.shape != "history" and document.get(place) is not None:
                self._section(section, document[place], pointer(place))
        self._accounts(document.get("accounts"))
        self._inputs(document.get("inputs"))
        self._history(document.get("history"))
        self._switches(document.get("switches"))
        counters = document.get("counters")
        if counters is not None and self._object(counters, "/counters"):
            self.counters = counters

    def _section(self, section: SectionSpec, value: Any, path: str) -> None:
        if section.scalar:
            data = value if isinstance(value, Mapping) else {"value": value}
            if isinstance(value, Mapping):
                self._known(value, ("value", "as_of"), path)
            self.tables[section.name] = [Entry(data, path)]
        elif section.shape == "one":
            if self._object(value, path):
                self._record(section, value, path)
        else:
            self._table(section, value, path)

    def _record(self, section: SectionSpec, value: Mapping[str, Any], path: str) -> None:
        extra = _INTENT if section.name == "intent" else ("as_of",)
        self._known(value, [*self._allowed(section), *extra], path)
        if section.name == "intent":
            self._legs(value.get("legs"))
        self.tables[section.name] = [Entry(value, path)]

    def _legs(self, legs: Any) -> None:
        if legs is not None and self._list(legs, "/intent/legs"):
            for index, leg in enumerate(legs):
                path = pointer("intent", "legs", index)
                if self._object(leg, path):
                    self._known(leg, _LEG, path)

    def _allowed(self, section: SectionSpec) -> Iterable[str]:
        return self._fields[("inputs/" if section.inputs else "") + PLACES.get(section.name, section.name)]

    def _accounts(self, accounts: Any) -> None:
        section = self.schema.sections.get("account")
        if accounts is None or section is None or not self._object(accounts, "/accounts"):
            return
        self.accounts = accounts
        for name, value in accounts.items():
            path = pointer("accounts", shown(name))
            if isinstance(name, str) and self._object(value, path):
                self._known(value, [*self._allowed(section), "as_of"], path)

    def _inputs(self, inputs: Any) -> None:
        if inputs is None or not self._object(inputs, "/inputs"):
            return
        sections = {section.name: section for section in self.schema.sections.values() if section.inputs}
        self._known(inputs, sections, "/inputs")
        for name, section in sections.items():
            if inputs.get(name) is not None:
                self._section(section, inputs[name], pointer("inputs", name))

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────

    def _table(self, section: SectionSpec, value: Any, path: str) -> None:
        dimension = section.key or ("symbol" if section.name == "positions" else None)
        if dimension is not None and isinstance(value, Mapping):
            entries = self._keyed(section, value, path, dimension)
        elif self._list(value, path):
            entries = self._listed(section, value, path, dimension)
        else:
            return
        if section.shape == "row" or section.name in ("positions", "orders"):
            self._unique(section, entries, dimension)
        self.tables[section.name] = entries

    def _keyed(self, section: SectionSpec, value: Mapping[Any, Any], path: str, dimension: str) -> list[Entry]:
        found: list[Entry] = []
        self._object(value, path)
        for key, row in value.items():
            here = path + pointer(shown(key))
            if not isinstance(key, str):
                self._say(path, "wrong-type", shown(key), "a key of text")
            elif section.shape == "list" and isinstance(row, list | tuple):
                for index, item in enumerate(row):
                    self._row(section, item, here + pointer(index), found, {dimension: self.normalised(dimension, key)})
            else:
                self._row(section, row, here, found, {dimension: self.normalised(dimension, key)})
        return found

    def _listed(self, section: SectionSpec, value: Sequence[Any], path: str, dimension: str | None) -> list[Entry]:
        found: list[Entry] = []
        needed = "symbol" if section.name == "orders" else dimension
        for index, row in enumerate(value):
            here = path + pointer(index)
            if self._row(section, row, here, found, {}) and needed is not None and row.get(needed) is None:
                self._say(here + pointer(needed), "missing", "", "text")
        return found

    def _of_rows(self, section: SectionSpec) -> tuple[dict[str, None], tuple[str, ...]]:
        """What rows of *section* may say, and by what they may be keyed; gathered once for all rows."""
        found = self._rows.get(section.name)
        if found is None:
            own = [section.key] if section.key else []
            found = self._rows[section.name] = (
                dict.fromkeys([*self._allowed(section), *IDENTITY[:2], *own, "as_of"]), tuple(dict.fromkeys((*IDENTITY, *own))))
        return found

    def _row(self, section: SectionSpec, row: Any, path: str, found: list[Entry], keys: dict[str, str]) -> bool:
        if not self._object(row, path):
            return False
        names, dimensions = self._of_rows(section)
        self._known(row, names, path)
        entry = Entry(row, path, keys)
        for dimension in dimensions:
            given = row.get(dimension)
            if given is None:
                continue
            declared = section.fields.get(dimension)
            members = declared.type.members if declared is not None else ()
            if not isinstance(given, str) or (members and given not in members):
                self._say(path + pointer(dimension), "wrong-type", shown(given), "one of " + ", ".join(members) if members else "text")
            elif dimension in keys and keys[dimension] != self.normalised(dimension, given):
                self._say(path + pointer(dimension), "wrong-type", shown(given), f"{keys[dimension]}, as its key says")
            else:
                keys[dimension] = self.normalised(dimension, given)
        found.append(entry)
        return True

    def _unique(self, section: SectionSpec, entries: list[Entry], dimension: str | None) -> None:
        seen: dict[Any, str] = {}
        for entry in entries:
            if section.name == "orders":
                identity: Any = entry.data.get("id"), entry.keys.get("account"), entry.keys.get("venue")
                if not isinstance(identity[0], str):
                    continue
            else:
                identity = tuple(sorted(entry.keys.items()))
            if identity in seen:
                self._say(entry.path, "duplicate-row", "", f"one row; the first is {seen[identity]}")
            seen.setdefault(identity, entry.path)

    # ── history, switches ────────────────────────────────────────────────────────────────────────────

    def _history(self, history: Any) -> None:
        if history is None or not self._object(history, "/history"):
            return
        self._known(history, _HISTORY, "/history")
        self.history = history
        events = history.get("events")
        if events is None or not self._list(events, "/history/events"):
            return
        for index, event in enumerate(events):
            path = pointer("history", "events", index)
            if self._object(event, path):
                self._event(event, path)

    def _event(self, event: Mapping[str, Any], path: str) -> None:
        kind = event.get("type")
        name = EVENT_TYPES.get(kind) if isinstance(kind, str) else None
        if name is None or name not in self.schema.sections:
            near = get_close_matches(kind, EVENT_TYPES, n=1) if isinstance(kind, str) and len(kind) <= 100 else []
            hint = near[0] if near else "one of " + ", ".join(EVENT_TYPES)
            self._say(path + "/type", "missing" if kind is None else "wrong-type", shown(kind) if kind is not None else "", hint)
            return
        section = self.schema.sections[name]
        self._known(event, [*section.fields, *_EVENT], path)
        keys = {key: self.normalised(key, event[key]) for key in ("account", "venue") if isinstance(event.get(key), str)}
        self.events.setdefault(name, []).append(Entry(event, path, keys))

    def _switches(self, switches: Any) -> None:
        if switches is None:
            return
        if isinstance(switches, Mapping):
            self.switches = {str(key): row for key, row in switches.items() if isinstance(key, str)}
            self._object(switches, "/switches")
            rows = [(pointer("switches", shown(key)), row) for key, row in switches.items()]
        elif self._list(switches, "/switches"):
            self.switches = list(switches)
            rows = [(pointer("switches", index), row) for index, row in enumerate(switches)]
        else:
            return
        for path, row in rows:
            if isinstance(row, Mapping):
                self._known(row, _SWITCH, path)
