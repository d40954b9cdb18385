"""Which place of the facts document each column is written to, and the document of one row."""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from caplex.runtime.columns.cells import Column
from caplex.runtime.errors import CaplexError
from caplex.runtime.layout import PLACES
from caplex.runtime.schema import Schema, SectionSpec

_INTENT = ("notional", "legs", "trail", "tags")
_ROW = ("account", "venue", "as_of", "currency")


class FrameError(CaplexError, ValueError):
    """A frame, or its base document, that cannot be read as intents; the message names column and cure."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column is written.

    Attributes:
        section, field: As the policy names them; both ``now`` for the time.
        parts: Keys on the way to the row; the last one is *field*.
        key: The intent's field whose text is the key of the row, between *parts* and *field*; None for what has no rows.
    """

    section: str
    field: str
    parts: tuple[str, ...]
    key: str | None = None
    scalar: bool = False


class Places:
    """Names of columns, as the schema of a policy has them."""

    def __init__(self, schema: Schema, base: Mapping[str, Any]) -> None:
        self.schema, self.base = schema, base
        self._sections: dict[str, SectionSpec] = {}
        for spec in schema.sections.values():
            if spec.shape in ("one", "row") and spec.name != "positions":
                self._sections[f"inputs.{spec.name}" if spec.inputs else spec.name] = spec

    def of(self, name: str) -> Place:
        """The place of the column *name*. Raises FrameError."""
        if name == "now":
            return Place("now", "now", ("now",))
        prefix, _, field = name.rpartition(".")
        if prefix == "counters" and field:
            return Place("counters", field, ("counters", field))
        spec = self._sections.get(prefix)
        if spec is not None and not spec.scalar and field in self._fields(spec):
            return self._place(spec, field)
        scalar = self._sections.get(name)
        if scalar is not None and scalar.scalar:
            return Place(scalar.name, "value", ("inputs", scalar.name) if scalar.inputs else (scalar.name,), scalar=True)
        raise FrameError(f"column `{name}`: the facts have no such place{self._near(name)}")

    def _place(self, spec: SectionSpec, field: str) -> Place:
        home = PLACES.get(spec.name, spec.name)
        if spec.name == "account" and self.base.get("accounts") is not None:
            return Place("account", field, ("accounts",), "account")
        parts = ("inputs", home) if spec.inputs else (home,)
        if spec.shape == "one":
            return Place(spec.name, field, (*parts, field))
        held: Any = self.base
        for part in parts:
            held = held.get(part) if isinstance(held, Mapping) else None
        if held is not None and not isinstance(held, Mapping):
            raise FrameError(f"column `{spec.name}.{field}`: `{'.'.join(parts)}` of the base facts is a list; write it as an object by {spec.key}")
        return Place(spec.name, field, parts, spec.key)

    @staticmethod
    def _fields(spec: SectionSpec) -> Iterable[str]:
        own = [name for name, declared in spec.fields.items() if not declared.derived and name != spec.key] if spec.name != "intent" else \
            [name for name, declared in spec.fields.items() if not declared.derived]
        return dict.fromkeys([*own, *(_INTENT if spec.name == "intent" else _ROW)])

    def _near(self, name: str) -> str:
        """``; nearest is `market.price``` …"""
        known = ["now", *(prefix if spec.scalar else f"{prefix}.{field}" for prefix, spec in self._sections.items()
                          for field in (("value",) if spec.scalar else self._fields(spec)))]
        short = {each.rpartition(".")[2]: each for each in reversed(known)}
        near = get_close_matches(name, known, n=1, cutoff=0.7) or [short[each] for each in get_close_matches(name.rpartition(".")[2], short, n=1, cutoff=0.8)]
        return f"; the nearest is `{near[0]}`" if near else "; columns are called like `intent.symbol`, `market.price`, `account.equity`, `now`"


class Sheet:
    """The columns of a frame, each with its place, over a base document."""

    def __init__(self, schema: Schema, base: Mapping[str, Any], columns: Iterable[Column], rows: int) -> None:
        self.schema, self.base, self.rows = schema, base, rows
        places = Places(schema, base)
        self.columns = [(places.of(column.name), column) for column in columns]
        self._simple = [(place, column) for place, column in self.columns if place.key is None]
        self._keyed = [(place, column) for place, column in self.columns if place.key is not None]

    def column(self, section: str, field: str) -> Column | None:
        return next((column for place, column in self.columns if (place.section, place.field) == (section, field)), None)

    def document(self, row: int, *, own_words: Collection[Column] = (), like: int | None = None) -> dict[str, Any]:
        """The facts of one row: the base with its cells written into it. What no cell changes is shared.

        With *like*, those of that row, but for the columns *own_words*.
        """
        document = dict(self.base)
        own: set[tuple[str, ...]] = set()
        told = {id(column) for column in own_words}
        other = row if like is None else like
        for place, column in self._simple:
            value = column.cell(row if id(column) in told else other)
            if value is None and not self._there(document, place.parts[:-1]):
                continue
            _at(document, place.parts[:-1], own)[place.parts[-1]] = value
        self._rows(document, own, other)
        return document

    def _rows(self, document: dict[str, Any], own: set[tuple[str, ...]], row: int) -> None:
        cells = [(place, column.cell(row)) for place, column in self._keyed]
        made = {place.parts for place, value in cells if value is not None}
        intent = document.get("intent")
        for place, value in cells:
            assert place.key is not None
            key = self._key(intent, place.key)
            if key is None:
                continue
            table = _held(document, place.parts)
            if place.parts not in made and not (isinstance(table, Mapping) and key in table):
                continue
            _at(document, (*place.parts, key), own)[place.field] = value

    def _key(self, intent: Any, dimension: str) -> str | None:
        """The key that the intent gives, as rows are keyed."""
        given = intent.get(dimension) if isinstance(intent, Mapping) else None
        return given if isinstance(given, str) else None

    @staticmethod
    def _there(document: Mapping[str, Any], parts: tuple[str, ...]) -> bool:
        return isinstance(_held(document, parts), Mapping)


def _held(document: Mapping[str, Any], parts: tuple[str, ...]) -> Any:
    here: Any = document
    for part in parts:
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _at(document: dict[str, Any], parts: tuple[str, ...], own: set[tuple[str, ...]]) -> dict[str, Any]:
    """The object at *parts*, copied once so that it may be changed."""
    here = document
    for depth, part in enumerate(parts, start=1):
        if parts[:depth] not in own:
            held = here.get(part)
            if held is not None and not isinstance(held, Mapping):
                raise FrameError(f"the base facts have no object at `{'.'.join(parts[:depth])}`")
            here[part] = dict(held or {})
            own.add(parts[:depth])
        here = here[part]
    return here
