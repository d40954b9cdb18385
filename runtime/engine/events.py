"""Events as they come in: checked for shape, numbers as plain texts, times as instants (docs/reference/events.md).

What an intent or an operator says is a request and may be refused; what a venue says has happened, and is only refused
here where it cannot be read at all. A refused event has left no trace.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, Final

from caplex.runtime.canonical import NotCanonical, canonical_json, plain, sha256
from caplex.runtime.clock import NotATime, parse_instant
from caplex.runtime.engine.times import instant
from caplex.runtime.errors import EventError
from caplex.runtime.layout import pointer
from caplex.runtime.reading import Unreadable, number, shown

NOT_AN_OBJECT: Final = "CAP926"
UNKNOWN_TYPE: Final = "CAP927"
MISSING: Final = "CAP928"
UNKNOWN_KEY: Final = "CAP929"
VALUE: Final = "CAP945"
TIME: Final = "CAP946"
INPUT: Final = "CAP947"
DOOR: Final = "CAP948"
ACT: Final = "CAP949"
TWICE: Final = "CAP911"
"""Codes of what is wrong with an event; their pages are in docs/reference/diagnostics.md."""

_ANY = ("id", "type", "at", "venue_at", "tags")
_ORDER = ("account", "venue", "strategy", "symbol", "side", "position_side", "order_type", "quantity", "filled_quantity", "leaves_quantity",
          "price", "limit_price", "average_price", "reduce_only", "oco", "group", "group_kind", "because", "code", "message", "retryable")

REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "intent": ("id",), "tick": (), "session": ("account", "act"), "account": ("account",), "cash": ("id", "account", "amount", "currency"),
    "instrument": ("symbol",), "position": ("symbol", "quantity"), "quote": ("symbol",), "input": ("name", "values"),
    "strategy": ("strategy", "values"), "venue": ("venue", "values"), "fx": ("pair", "rate"), "counters": ("values",),
    "order": ("status",), "fill": ("id", "symbol", "side", "quantity", "price"), "replace": ("order_id", "new_order_id"),
    "cancel": (), "reject": (), "expire": (), "stop": ("symbol",), "result": ("result",), "history": ("complete_from",),
    "obligation": ("obligation_id", "status"), "operator": ("id", "act"), "policy": ("act",), "decline": ("hold_id",), "reconcile": ("account",), "release": ("intent_id",),
}
"""Every type, with what it must have besides `type` and `at`."""
OPTIONAL: Final[dict[str, tuple[str, ...] | None]] = {
    "intent": None, "tick": ("account",), "session": ("day", "equity", "balance", "values", "phase"),
    "account": None, "cash": ("cause", "intent_id"), "instrument": None, "quote": None,
    "position": ("account", "venue", "position_side", "average_price", "mode", "cause", "ratio", "strategy", "sector", "regime", "opened_at",
                 "entries", "last_entry_confidence", "liquidation_price", "as_of"),
    "input": ("key", "as_of"), "strategy": (), "venue": (), "fx": (), "counters": (),
    "order": ("order_id", "client_order_id", "intent_id", *_ORDER),
    "fill": ("order_id", "client_order_id", "intent_id", "account", "venue", "strategy", "position_side", "fee", "fee_currency", "liquidity",
             "late", "corrects", "pnl"),
    "replace": ("intent_id", "client_order_id", *_ORDER), "cancel": ("order_id", "client_order_id", "intent_id", "canceled_quantity", "by", *_ORDER),
    "reject": ("order_id", "client_order_id", "intent_id", "stage", *_ORDER), "expire": ("order_id", "client_order_id", "intent_id", *_ORDER),
    "stop": ("account", "venue", "strategy", "pnl", "order_id"), "result": ("account", "venue", "strategy", "symbol", "pnl", "reached_exchange", "intent_id"),
    "history": ("account", "events"), "obligation": ("by", "because"),
    "operator": ("target", "request_id", "by", "reason", "ticket", "expires_at", "signature", "subject", "role"),
    "policy": ("path", "hash", "settings_hash", "version", "by", "approved_by", "state", "expires_at", "subject", "signature"), "decline": ("by", "because", "signature", "subject", "expires_at"),
    "reconcile": ("positions", "orders", "equity", "adopt", "cursor", "venue"), "release": ("because",),
}
"""None: whatever the facts of that section may hold; the schema of the policy says."""
NUMBERS: Final = frozenset({
    "amount", "quantity", "filled_quantity", "leaves_quantity", "canceled_quantity", "price", "average_price", "fee", "pnl", "ratio", "rate",
})
STATUSES: Final = ("reserved", "sent", "open", "partially_filled", "cancel_requested", "unknown", "filled", "cancelled", "rejected", "expired")
_WORDS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("order", "status"): STATUSES, ("fill", "side"): ("buy", "sell"), ("session", "act"): ("day_start", "phase"),
    ("position", "mode"): ("snapshot", "adjust"), ("account", "mode"): ("merge", "replace"), ("obligation", "status"): ("done", "failed", "seen"),
    ("operator", "act"): ("trip", "rearm", "approve", "decline", "reconcile", "withdraw"), ("policy", "act"): ("activate",),
}
_WORDS_OF: Final = {type_: tuple((name, words) for (kind, name), words in _WORDS.items() if kind == type_) for type_, _ in _WORDS}
_NAMES: Final = {type_: frozenset((*_ANY, *REQUIRED[type_], *optional)) for type_, optional in OPTIONAL.items() if optional is not None}
_TEXTS_OF_AN_INTENT: Final = ("id", "account", "venue", "symbol", "strategy", "order_id", "intent_id")
_TEXTS: Final = (*_TEXTS_OF_AN_INTENT, "client_order_id", "new_order_id", "corrects", "pair", "name", "key", "position_side", "oco", "obligation_id",
                 "hold_id", "request_id", "path")
_COUNTS: Final = frozenset({"quantity", "filled_quantity", "leaves_quantity", "canceled_quantity"})
_ROWS: Final = frozenset({"events", "positions", "orders"})
_ROW_NEEDS: Final = {"events": (("type", "at"), ""), "positions": (("symbol",), "quantity"), "orders": (("id",), "leaves_quantity")}


@dataclass(frozen=True, slots=True)
class Event:
    """One event. *data* holds JSON values whose numbers are plain texts; *at_ns* is when the engine learnt of it."""

    type: str
    id: str | None
    at_ns: int
    data: Mapping[str, Any]
    _hash: list[str] = field(default_factory=list, init=False, repr=False, compare=False)  # once it was asked for

    def text(self, name: str) -> str | None:
        value = self.data.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> Fraction | None:
        """A field of `NUMBERS`, which was read when the event came in."""
        value = self.data.get(name)
        return None if value is None else number(value)

    @property
    def hash(self) -> str:
        """Of the content without `at`, which says when it was heard, and not what."""
        if not self._hash:
            self._hash.append(sha256({name: value for name, value in self.data.items() if name != "at"}))
        return self._hash[0]


def read_event(given: Mapping[str, Any]) -> Event:
    """Check the shape of one event.

    Raises:
        EventError: not of a known type, a field missing, unknown or unreadable; the sentence names it.
    """
    if not isinstance(given, Mapping):
        raise EventError(f"an event is an object, not {shown(given)}", code=NOT_AN_OBJECT)
    type_ = given.get("type")
    if not isinstance(type_, str) or type_ not in REQUIRED:
        near = get_close_matches(type_, REQUIRED, n=1) if isinstance(type_, str) and len(type_) <= 100 else []
        hint = f"did you mean `{near[0]}`?" if near else "one of " + ", ".join(sorted(REQUIRED))
        said = f"/type: no event is called {shown(type_)}; {hint}" if type_ is not None else "/type is missing: " + hint
        raise EventError(said, code=UNKNOWN_TYPE if type_ is not None else MISSING, path="/type")
    for key in getattr(given, "duplicates", ()):
        raise EventError(f"{type_}: {pointer(key)} stands there twice", code=TWICE, path=pointer(key))
    data = _plain(given, type_)
    at_ns = _instant(data, "at", type_)
    assert at_ns is not None
    _known(data, type_)
    for name in REQUIRED[type_]:
        if data.get(name) is None:
            raise EventError(f"{type_}: /{name} is missing", code=MISSING, path=f"/{name}")
    for name, words in _WORDS_OF.get(type_, ()):
        if data.get(name) is not None and data[name] not in words:
            near = get_close_matches(str(data[name]), words, n=1)
            raise EventError(f"{type_}: /{name} is {shown(data[name])}; " + (f"did you mean `{near[0]}`? It is " if near else "") + "one of " + ", ".join(words),
                             code=VALUE, path=f"/{name}")
    _values(data, type_)
    return Event(type_, _identity(data, type_), at_ns, data)


def _plain(given: Mapping[str, Any], type_: str) -> dict[str, Any]:
    for name, value in given.items():
        if type(name) is not str or not (type(value) is str or value is None or value is True or value is False):
            break
    else:
        return dict(given)
    try:
        return {str(key): _reduced(value, pointer(str(key)), 0) for key, value in given.items()}
    except NotCanonical as why:
        raise EventError(f"{type_}: {why}", code=VALUE, path=str(why).split(" ", 1)[0]) from None


def _reduced(value: Any, path: str, depth: int) -> Any:
    """JSON values whose numbers are texts. A number that is not finite becomes its name: whoever reads it will refuse it."""
    if value is None or isinstance(value, str | bool):
        return value
    if depth > 32:
        raise NotCanonical(f"{path} is nested too deeply")
    if isinstance(value, Mapping):
        return {str(key): _reduced(item, path + pointer(str(key)), depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_reduced(item, path + pointer(index), depth + 1) for index, item in enumerate(value)]
    try:
        return plain(number(value))
    except Unreadable:
        return shown(value)


def _known(data: Mapping[str, Any], type_: str) -> None:
    names = _NAMES.get(type_)
    if names is None:
        return
    for key in data:
        if key not in names and not key.startswith("x_"):
            near = get_close_matches(key, names, n=1) if len(key) <= 100 else []
            raise EventError(f"{type_}: {pointer(key)} is unknown" + (f"; did you mean /{near[0]}?" if near else ""), code=UNKNOWN_KEY, path=pointer(key))


def _values(data: Mapping[str, Any], type_: str) -> None:
    for name in _TEXTS if type_ != "intent" else _TEXTS_OF_AN_INTENT:
        value = data.get(name)
        if value is not None and (not isinstance(value, str) or not value or len(value) > 200):
            raise EventError(f"{type_}: /{name} is {shown(value)}; a text is wanted", code=VALUE, path=f"/{name}")
    for name in ("venue_at", "expires_at", "complete_from", "opened_at", "as_of"):
        if type_ != "intent" and data.get(name) is not None:
            _instant(data, name, type_)
    if type_ in ("intent", "account", "quote", "instrument"):
        return  # facts: read when a rule asks, and unusable there if they are
    for name in NUMBERS & data.keys():
        if data[name] is not None:
            try:
                number(data[name])
            except Unreadable as why:
                raise EventError(f"{type_}: /{name} is {shown(data[name])}; {why.limit} is wanted", code=VALUE, path=f"/{name}") from None
    if type_ != "input" and data.get("values") is not None and not isinstance(data["values"], Mapping):
        raise EventError(f"{type_}: /values is {shown(data['values'])}; an object is wanted", code=VALUE, path="/values")
    for name in _COUNTS & data.keys() if type_ not in ("position", "fill") else ():
        if data[name] is not None and number(data[name]) < 0:
            raise EventError(f"{type_}: /{name} is {shown(data[name])}; 0 or more is wanted", code=VALUE, path=f"/{name}")
    for name in _ROWS & data.keys():
        _rows(data[name], name, type_)
    if type_ == "fill":
        quantity = number(data["quantity"])
        if quantity < 0 or (quantity == 0 and data.get("corrects") is None):
            raise EventError(f"fill: /quantity is {shown(data['quantity'])}; above 0 is wanted, or 0 in a fill that corrects another",
                             code=VALUE, path="/quantity")


def _rows(rows: Any, name: str, type_: str) -> None:
    """What a fold will read without asking again: an event that was written down must never fail to be taken."""
    if rows is None:
        return
    if not isinstance(rows, list):
        raise EventError(f"{type_}: /{name} is {shown(rows)}; a list is wanted", code=VALUE, path=f"/{name}")
    for index, row in enumerate(rows):
        place = f"/{name}/{index}"
        if not isinstance(row, Mapping):
            raise EventError(f"{type_}: {place} is {shown(row)}; an object is wanted", code=VALUE, path=place)
        texts, quantity = _ROW_NEEDS[name]
        for key in texts:
            if not isinstance(row.get(key), str) or not row[key]:
                raise EventError(f"{type_}: {place}/{key} is missing", code=MISSING, path=f"{place}/{key}")
        if name == "events":
            try:
                parse_instant(row["at"])
            except NotATime as why:
                raise EventError(f"{type_}: {place}/at is {shown(row['at'])}; wanted {why}", code=TIME, path=f"{place}/at") from None
        else:
            try:
                number(row.get(quantity))
            except Unreadable as why:
                raise EventError(f"{type_}: {place}/{quantity} is {shown(row.get(quantity))}; {why.limit} is wanted",
                                 code=VALUE, path=f"{place}/{quantity}") from None


def _instant(data: Mapping[str, Any], name: str, type_: str) -> int | None:
    value = data.get(name)
    if value is None:
        raise EventError(f"{type_}: /{name} is missing: an instant, 2026-01-05T15:00:00Z", code=MISSING, path=f"/{name}")
    try:
        if not isinstance(value, str):
            raise NotATime("an instant, 2026-01-05T15:00:00Z")
        found = instant(value)
        return parse_instant(value) if found is None else found
    except NotATime as why:
        raise EventError(f"{type_}: /{name} is {shown(value)}; wanted {why}", code=TIME, path=f"/{name}") from None


def _identity(data: Mapping[str, Any], type_: str) -> str | None:
    value = data.get("id")
    return value if isinstance(value, str) else None


def canonical(event: Event) -> str:
    """The one text of an event."""
    return canonical_json(event.data)
