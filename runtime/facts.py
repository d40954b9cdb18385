"""A facts document as a policy reads it: cells read by declared type when asked for, and remembered. Nothing raises."""
from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

from caplex.runtime.canonical import NotCanonical, sha256
from caplex.runtime.clock import NotATime, day_start_ns, format_duration, format_instant
from caplex.runtime.layout import EVENT_TYPES, PLACES, Entry, Layout, pointer
from caplex.runtime.reading import missing, read, shown
from caplex.runtime.rows import FUTURE_NS, INSTANT, Row, finished, meets
from caplex.runtime.schema import FieldSpec, Kind, Schema, SectionSpec, Type
from caplex.runtime.switches import Switches
from caplex.runtime.values import ABSENT, Leaf, Unknown, merge, unknown

__all__ = ["Facts", "Row", "World"]

_COUNT = FieldSpec("counters", "value", Type(Kind.COUNT), low=Fraction(0))
ONE, ZERO = Fraction(1), Fraction(0)


class Facts:
    """A document prepared once and decided on many times. It must not change meanwhile.

    Attributes:
        bound: What each policy has read of it, by the policy's key.
    """

    __slots__ = ("__weakref__", "_hash", "bound", "document")
    whole = True
    """Does *document* hold everything that was read? An engine's decision rests on its state, which has moved on."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.bound: dict[Any, Any] = {}
        self._hash: str | Literal[False] | None = False

    @property
    def hash(self) -> str | None:
        """``sha256:`` of the canonical JSON; None where it has none (not finite, endless, not JSON)."""
        if self._hash is False:
            try:
                self._hash = sha256(self.document)
            except (NotCanonical, NotATime, UnicodeEncodeError):
                self._hash = None
        return self._hash

    def __repr__(self) -> str:
        return f"<Facts {(self.hash or 'without a canonical form')[:19]}>"



def _needs_anything(spec: SectionSpec) -> bool:
    """Does a row of the section have fields that must be there?"""
    return any(not field.optional and not field.derived for field in spec.fields.values())


class World:
    """What a policy may know: the one document, read through the one schema.

    Attributes:
        document_problems: If any, the whole document is unusable and nothing else may be asked.
        now: Nanoseconds, or Unknown (then also among the problems).
    """

    def __init__(
        self, schema: Schema, document: Any, *, currency: str = "USD", timezone: str = "UTC", day_start_ns: int = 0,
    ) -> None:
        self.schema, self.currency, self.timezone, self._day_start = schema, currency, timezone, day_start_ns
        self.document: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
        self._layout = Layout(schema, document)
        self.now: Any = read(INSTANT, self.document.get("now"), "/now")
        self.document_problems: list[Leaf] = list(dict.fromkeys(self._layout.problems))
        if isinstance(self.now, Unknown) and isinstance(document, Mapping):
            self.document_problems.extend(sorted(self.now.leaves))
        self._tables: dict[str, list[Row]] = {}
        self._found: dict[tuple[str, str, str | None], Any] = {}
        self._switches = Switches(self._layout.switches, self.claim)

    def normalised(self, dimension: str, text: str) -> str:
        """*text* as the intent's field *dimension* is read, so that rows and intents meet."""
        return self._layout.normalised(dimension, text)

    # ── the intent ───────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def intent(self) -> Row | None:
        entries = self._layout.tables.get("intent")
        return Row(self, self.schema.sections["intent"], entries[0]) if entries else None

    def intent_text(self, name: str) -> Any:
        """A text of the intent: `str`, ABSENT (optional), or Unknown."""
        return self.cell("intent", None, name)

    def claim(self, dimension: str) -> Any:
        """What the intent says of itself for finding rows: `str`, None if nothing, Unknown if unreadable."""
        if self.intent is None or self.intent.entry.data.get(dimension) is None or dimension not in self.intent.section.fields:
            return None
        value = self.intent.cell(dimension)
        return None if value is ABSENT else value

    @cached_property
    def day_start(self) -> Any:
        """The last start of day, in nanoseconds."""
        return self.now if isinstance(self.now, Unknown) else Fraction(day_start_ns(int(self.now), self.timezone, self._day_start))

    # ── cells ────────────────────────────────────────────────────────────────────────────────────────

    def cell(self, section: str, key: str | None, field: str) -> Any:
        """One field: of the one record, or of the row of *key* (None: the row of the intent's own key).

        No row: a position is flat; else every field is missing (SYS-001 with its path) if rows of the section need anything,
        for whoever lost the whole row has not said that an optional field is not there. Where nothing is needed, ABSENT.
        """
        spec = self.schema.sections[section]
        row = self.row(section, key)
        if isinstance(row, Row):
            return row.cell(field)
        if isinstance(row, Unknown):
            return row
        declared = spec.fields.get(field)
        if section == "position" and field == "quantity":
            return ZERO
        if declared is not None and declared.optional and (section == "position" or not _needs_anything(spec)):
            return ABSENT
        return missing(self._where(spec, key) + pointer(field), declared)

    def row(self, section: str, key: str | None = None) -> Row | Unknown | None:
        """The record, or the row of *key*; None where there is none, Unknown where that cannot be told."""
        spec = self.schema.sections[section]
        if section == "account":
            return self._account(spec)
        if spec.shape == "one":
            rows = self._all(spec)
            return rows[0] if rows else None
        if key is None:
            return self._own(spec)
        return self._of_key(spec, self._layout.normalised(spec.key or "", key), None)

    def _account(self, spec: SectionSpec) -> Row | Unknown | None:
        accounts = self._layout.accounts
        if accounts is None:
            rows = self._all(spec)
            return rows[0] if rows else None
        name = self.claim("account")
        if not isinstance(name, str):
            return name if isinstance(name, Unknown) else missing("/intent/account")
        if not isinstance(accounts.get(name), Mapping):
            return None
        if ("account", name, None) not in self._found:
            self._found["account", name, None] = Row(self, spec, Entry(accounts[name], pointer("accounts", name)))
        found: Row = self._found["account", name, None]
        return found

    def _own(self, spec: SectionSpec) -> Row | Unknown | None:
        """The row of the intent's own key."""
        dimension = spec.key or ""
        claimed = self.claim(dimension)
        if not isinstance(claimed, str):
            return claimed if isinstance(claimed, Unknown) else missing(pointer("intent", dimension))
        if spec.name == "position":
            if self._layout.tables["position"] is None:
                return missing("/positions")
            own = self.mine("position")
            return own if isinstance(own, Unknown) else own[0] if own else None
        venue = self.claim("venue") if dimension == "symbol" else None
        return venue if isinstance(venue, Unknown) else self._of_key(spec, claimed, venue)

    def _of_key(self, spec: SectionSpec, key: str, venue: str | None) -> Row | Unknown | None:
        memo = (spec.name, key, venue)
        if memo not in self._found:
            self._found[memo] = self._search(spec, key, venue)
        found: Row | Unknown | None = self._found[memo]
        return found

    def _search(self, spec: SectionSpec, key: str, venue: str | None) -> Row | Unknown | None:
        """Rows of *key* in the intent's account; on *venue* if one is named, else wherever there is only one."""
        if spec.name in ("position", "positions") and self._layout.tables[spec.name] is None:
            return missing("/positions")
        rows = [row for row in self._by_key(spec).get(key, ()) if meets(row, "venue", venue)]
        if not any("account" in row.entry.keys for row in rows):
            pass
        elif isinstance(account := self.claim("account"), Unknown):
            return account
        else:
            rows = [row for row in rows if meets(row, "account", account)]
        if len(rows) > 1:
            return unknown("SYS-001", self._where(spec, key), "ambiguous", f"{len(rows)} rows", "a venue and an account that say which")
        return rows[0] if rows else None

    def _by_key(self, spec: SectionSpec) -> dict[str, list[Row]]:
        index: dict[str, list[Row]] | None = self._indices.get(spec.name)
        if index is None:
            index = self._indices[spec.name] = {}
            for row in self._all(spec):
                index.setdefault(row.entry.keys.get(spec.key or "symbol", ""), []).append(row)
        return index

    @cached_property
    def _indices(self) -> dict[str, dict[str, list[Row]]]:
        return {}

    def path(self, section: str, key: str | None, field: str) -> str:
        """JSON pointer of a field: of the one record, or of the row of *key* (None: the intent's own), there or not."""
        row = self.row(section, key)
        return (row.path if isinstance(row, Row) else self._where(self.schema.sections[section], key)) + pointer(field)

    def _where(self, spec: SectionSpec, key: str | None) -> str:
        base = pointer("inputs", spec.name) if spec.inputs else pointer(PLACES.get(spec.name, spec.name))
        if spec.name == "account" and self._layout.accounts is not None:
            return pointer("accounts", str(self.claim("account")))
        if spec.shape == "one":
            return base
        key = key if key is not None else self.claim(spec.key or "")
        return base + pointer(key) if isinstance(key, str) else base

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────

    def _all(self, spec: SectionSpec) -> list[Row]:
        if spec.name not in self._tables:
            self._tables[spec.name] = [Row(self, spec, entry) for entry in self._layout.tables[spec.name] or ()]
        return self._tables[spec.name]

    def rows(self, section: str) -> list[Row] | Unknown:
        """Rows of the intent's account, in document order; of a list `each KEY`, those of the intent's key.

        Finished orders are left out. A section that is not in the document is Unknown: `[]` says that there is none.
        """
        spec = self.schema.sections[section]
        if spec.shape == "history":
            return self.events(section, None)
        if self._layout.tables[section] is None:
            return missing(pointer("inputs", section) if spec.inputs else pointer(PLACES.get(section, section)))
        rows = self._of_account(self._all(spec))
        if isinstance(rows, Unknown):
            return rows
        if spec.shape == "list" and spec.key is not None:
            claimed = self.claim(spec.key)
            if not isinstance(claimed, str):
                return claimed if isinstance(claimed, Unknown) else missing(pointer("intent", spec.key))
            rows = [row for row in rows if row.entry.keys.get(spec.key) == claimed]
        return [row for row in rows if not finished(row)] if section == "orders" else rows

    def _of_account(self, rows: list[Row]) -> list[Row] | Unknown:
        named = dict.fromkeys(row.entry.keys["account"] for row in rows if "account" in row.entry.keys)
        if not named:
            return rows
        account = self.claim("account")
        if isinstance(account, Unknown):
            return account
        if account is None:
            return rows if len(named) == 1 else missing("/intent/account")
        return [row for row in rows if meets(row, "account", account)]

    def mine(self, section: str) -> list[Row] | Unknown:
        """Rows of `position`, `positions` or `orders` under the intent's key: account, venue, symbol, position side.

        What a row or the intent leaves out matches anything; if then rows of different keys match, the intent must say which.
        """
        rows = self.rows(section)
        if isinstance(rows, Unknown):
            return rows
        symbol = self.claim("symbol")
        if not isinstance(symbol, str):
            return symbol if isinstance(symbol, Unknown) else missing("/intent/symbol")
        return self._narrowed(section, [row for row in rows if row.entry.keys.get("symbol") == symbol])

    def _narrowed(self, section: str, rows: list[Row]) -> list[Row] | Unknown:
        """Those of *rows*, all of the intent's symbol, that its venue and position side meet."""
        for dimension in ("venue", "position_side"):
            claimed = self.claim(dimension)
            if isinstance(claimed, Unknown):
                return claimed
            if claimed is None and len({row.entry.keys.get(dimension) for row in rows} - {None}) > 1:
                return missing(pointer("intent", dimension))
            rows = [row for row in rows if meets(row, dimension, claimed)]
        if section != "orders" and len(rows) > 1:
            return unknown("SYS-001", rows[1].path, "ambiguous", f"{len(rows)} rows for one position", "rows that all name venue and side")
        return rows

    # ── histories ────────────────────────────────────────────────────────────────────────────────────

    def events(self, kind: str, since_ns: Fraction | int | None) -> list[Row] | Unknown:
        """Events of the intent's account at or after *since_ns*, by time; *kind* is the section, ``fills``, or the type, ``fill``.

        Unknown: no history (SYS-001), one that does not reach back so far (SYS-007), an event without a readable time or from
        the future. None: whatever the history holds.
        """
        section = EVENT_TYPES.get(kind, "order_events" if kind == "orders" else kind)
        history = self._layout.history
        if history is None or history.get("events") is None:
            return missing("/history" if history is None else "/history/events")
        if since_ns is not None:
            lost = self._incomplete(since_ns)
            if lost is not None:
                return lost
        events = self._timed(section)
        if isinstance(events, Unknown) or since_ns is None:
            return events
        return [event for event in events if event.cell("at") >= since_ns]

    def _incomplete(self, since_ns: Fraction | int) -> Unknown | None:
        start = self.complete_from
        if isinstance(start, Unknown):
            return start
        if start > since_ns:
            return unknown("SYS-007", "/history/complete_from", "incomplete", format_instant(int(start)), format_instant(int(since_ns)))
        return None

    @cached_property
    def complete_from(self) -> Any:
        given = (self._layout.history or {}).get("complete_from")
        if given is None:
            return unknown("SYS-007", "/history/complete_from", "incomplete", "", "an instant, 2026-01-05T15:00:00Z")
        return read(INSTANT, given, "/history/complete_from")

    def _timed(self, section: str) -> list[Row] | Unknown:
        memo = ("history", section, None)
        if memo not in self._found:
            spec = self.schema.sections[section]
            rows = self._of_account([Row(self, spec, entry) for entry in self._layout.events.get(section, ())])
            lost = rows if isinstance(rows, Unknown) else merge(*(self._stamp(row) for row in rows))
            self._found[memo] = lost if lost is not None else sorted(rows, key=lambda row: row.cell("at"))  # type: ignore[arg-type]
        found: list[Row] | Unknown = self._found[memo]
        return found

    def _stamp(self, row: Row) -> Any:
        at = row.cell("at")
        lost = merge(at, self.now)
        if lost is not None:
            return lost
        if at - self.now > FUTURE_NS:
            ahead = format_duration(int(at - self.now))
            return unknown("SYS-003", row.path + "/at", "from-the-future", f"{ahead} ahead", format_duration(FUTURE_NS))
        return at

    # ── currencies, values ───────────────────────────────────────────────────────────────────────────

    def rate(self, currency: Any, path: str = "") -> Any:
        """What one unit of *currency* is worth in the policy's currency; of none given, 1. SYS-013 if nobody says."""
        if currency is None or currency == self.currency:
            return ONE
        if not isinstance(currency, str):
            return unknown("SYS-005", path + "/currency", "wrong-type", shown(currency), "a currency")
        if "fx" not in self.schema.sections:
            return unknown("SYS-013", "/fx", "currency", currency, self.currency)
        direct, inverse = currency + self.currency, self.currency + currency
        if self.row("fx", direct) is not None:
            return self.cell("fx", direct, "rate")
        if self.row("fx", inverse) is not None:
            rate = self.cell("fx", inverse, "rate")
            return rate if isinstance(rate, Unknown) else 1 / rate
        return unknown("SYS-013", pointer("fx", direct), "currency", currency, self.currency)

    def unit_value(self, symbol: str | None, venue: str | None = None) -> Any:
        """Money of one unit of *symbol* (None: the intent's): market price × multiplier × exchange rate."""
        price = self.quoted("market", symbol, venue, "price")
        return price * self.unit_factor(symbol, venue)

    def unit_factor(self, symbol: str | None, venue: str | None = None) -> Any:
        """Multiplier × exchange rate: what turns a price into money of the policy's currency."""
        multiplier = self.quoted("instrument", symbol, venue, "multiplier")
        row = self._quoting("instrument", symbol, venue)
        rate = self.rate(row.entry.data.get("currency"), row.path) if isinstance(row, Row) else row if isinstance(row, Unknown) else ONE
        return (ONE if multiplier is ABSENT else multiplier) * rate

    def _quoting(self, section: str, symbol: str | None, venue: str | None) -> Row | Unknown | None:
        spec = self.schema.sections[section]
        return self._own(spec) if symbol is None else self._of_key(spec, symbol, venue)

    def quoted(self, section: str, symbol: str | None, venue: str | None, field: str) -> Any:
        row = self._quoting(section, symbol, venue)
        if isinstance(row, Row):
            return row.cell(field)
        if isinstance(row, Unknown):
            return row
        spec = self.schema.sections[section]
        declared = spec.fields[field]
        return ABSENT if declared.optional else missing(self._where(spec, symbol) + pointer(field), declared)

    # ── counters, switches ───────────────────────────────────────────────────────────────────────────

    def counter(self, name: str) -> Any:
        counters = self._layout.counters
        return read(_COUNT, counters.get(name) if counters is not None else None, pointer("counters", name))

    def switch(self, switch: str, scope: tuple[tuple[str, str], ...] = ()) -> Any:
        """``armed``, ``tripped``, or Unknown (SYS-008): absent `switches` and an unreadable state are not armed."""
        return self._switches.state(switch, scope)

    def switch_row(self, switch: str, scope: tuple[tuple[str, str], ...] = ()) -> Mapping[str, Any] | None:
        return self._switches.row(switch, scope)

    def armed_since(self, switch: str, scope: tuple[tuple[str, str], ...] = ()) -> Fraction | None:
        """When an armed switch was armed again; None if nobody says."""
        return self._switches.armed_since(switch, scope)

    def armed_before(self, switch: str, scope: tuple[tuple[str, str], ...], section: str) -> int:
        """How many events of that instant came before it."""
        return self._switches.armed_before(switch, scope, section)

    def switch_places(self, switch: str, scope: tuple[tuple[str, str], ...] = ()) -> list[tuple[str | int, Mapping[str, Any]]]:
        """Rows of the switch that concern this scope, each with its key or number in `switches`."""
        return self._switches.places(switch, scope)

    def confirming(self, switch: str, scope: tuple[tuple[str, str], ...], clause: int) -> tuple[int, Fraction | None]:
        """Readings in a row at which trip clause *clause* held before this one, and since when."""
        return self._switches.confirming(switch, scope, clause)
