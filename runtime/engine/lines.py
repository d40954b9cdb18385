"""The document of an approval as a form with holes, and the journal's text of it: what `telling` and `intents.record` say.

The form is taken from an approval that was told at length. It serves only if, filled with what stood there, it says the same
text to the byte.
"""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from operator import itemgetter
from typing import Any, Final

from caplex.runtime.canonical import NotCanonical, canonical_json
from caplex.runtime.engine import unwritten
from caplex.runtime.engine.heard import PlainIntent
from caplex.runtime.journal.record import encode
from caplex.runtime.policy import Policy
from caplex.runtime.ruling import Ruling

_TEXTS: Final = ("at", "closing", "decision_id", "facts_hash", "intent_id", "opening", "quantity", "requested", "symbol", "valid_until")
_OWN: Final = frozenset((*_TEXTS, "seq", "intent"))
_SENT: Final = frozenset({"client_order_id", "quantity", "symbol", "limit_price"})
_RESERVED: Final = frozenset({"id", "quantity", "notional", "expires_at"})
_HOLE: Final = re.compile(r'"\\u0000([a-z_.]+)"')
_FILLING: Final = ("at", "closing", "decision_id", "facts_hash", "intent", "intent_id", "limit", "notional", "opening", "quantity", "requested",
                   "reservation", "seq", "symbol", "valid_until")
_BARE: Final = frozenset({"intent", "seq"})
_LISTS: Final = ("reasons", "warnings", "monitored", "violated", "emitted", "shadows", "obligations", "tripped", "errors")


class Form:
    """What approvals of one kind say alike: *told* is one of them, of which is kept what the others say too."""

    __slots__ = ("_policy", "_reservation", "_row", "_sent", "told")

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._policy = dict(told["policy"])
        self._sent = {name: "" if name in _SENT else value for name, value in told["order"].items()}
        self._reservation = {name: "" if name in _RESERVED else value for name, value in told["reservation"].items()}
        self.told = {name: "" if name in _OWN else value for name, value in told.items()}
        self.told["order"], self.told["reservation"] = self._sent, self._reservation
        self._row = {name: self.told[name] for name in unwritten.ROW if told[name] is not None}

    def row(self, data: Mapping[str, Any], quantity: str, notional: str) -> dict[str, Any]:
        """What `unwritten.row_of` says of the document, without making that."""
        row, price = dict(self._row), data.get("limit_price")
        row["symbol"], row["quantity"], row["intent_id"] = data["symbol"], quantity, data["id"]
        if isinstance(price, str):
            row["price"] = price
        row["notional"] = notional
        return row

    def document(
        self, data: Mapping[str, Any], at: str, lapse: str, decision_id: str, chain: str, quantity: str, closing: str, opening: str, notional: str,
        reservation: str, seq: int, limit: str,
    ) -> dict[str, Any]:
        """The document with these values; nothing in it is shared with another."""
        told, sent, intent = dict(self.told), dict(self._sent), dict(data)
        sent["client_order_id"], sent["quantity"], sent["symbol"] = intent["id"], quantity, intent["symbol"]
        if limit:
            sent["limit_price"] = limit
        del intent["type"]
        told["at"], told["valid_until"], told["decision_id"], told["facts_hash"], told["intent_id"] = at, lapse, decision_id, chain, intent["id"]
        told["quantity"] = told["requested"] = quantity
        told["symbol"] = sent["symbol"]
        told["closing"], told["opening"], told["seq"], told["intent"], told["order"] = closing, opening, seq, intent, sent
        told["reservation"] = {**self._reservation, "id": reservation, "quantity": quantity, "notional": notional, "expires_at": lapse}
        told["policy"] = dict(self._policy)
        for each in _LISTS:
            told[each] = []
        return told


class Answer(MutableMapping[str, Any]):
    """The document of an approval, put together when somebody looks into it: hardly anybody does before it has left memory.

    Nothing in it is shared with another. A host may add what other policies said (``shadows``).
    """

    __slots__ = ("_made", "filled", "form")

    _made: dict[str, Any]

    def __init__(self, form: Form, filled: tuple[Any, ...]) -> None:
        self.form, self.filled = form, filled

    @property
    def untouched(self) -> bool:
        """It says what its form says, filled: nobody has looked into it, who might have added to it."""
        return not hasattr(self, "_made")

    def whole(self) -> dict[str, Any]:
        """All of it, once and for all."""
        try:
            return self._made
        except AttributeError:
            self._made = made = self.form.document(*self.filled)
            return made

    def again(self) -> dict[str, Any]:
        """All of it, for whoever wants it once: nothing is kept that was not there."""
        try:
            return self._made
        except AttributeError:
            return self.form.document(*self.filled)

    def __getitem__(self, key: str) -> Any:
        return self.whole()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.whole()[key] = value

    def __delitem__(self, key: str) -> None:
        del self.whole()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole())

    def __len__(self) -> int:
        return len(self.whole())


class Line:
    """One kind's text with holes. *start* is how the content of a decision's id begins; *ruling* is that of the approval that it was taken from."""

    __slots__ = ("_pick", "_text", "form", "ruling", "start")

    def __init__(self, policy: Policy, told: Mapping[str, Any], text: str, holes: Sequence[str], ruling: Ruling) -> None:
        self.form, self._text, self.ruling = Form(told), text, ruling
        self._pick = itemgetter(*map(_FILLING.index, holes))  # what `tell` has, in the order of the holes
        self.start = canonical_json([policy.hash, policy.settings_hash, policy.mode])[:-1] + ',"'

    @classmethod
    def read(cls, policy: Policy, event: PlainIntent, told: Mapping[str, Any], ruling: Ruling) -> Line | None:
        """The form of *told*; None if it cannot be one."""
        order, reservation = told.get("order"), told.get("reservation")
        if not isinstance(order, dict) or not isinstance(reservation, dict) or any(told[name] for name in _LISTS) or "late" in told:
            return None
        holes = {**told, **{name: "\0" + name for name in (*_TEXTS, "intent", "seq")}}
        holes["order"] = {**order, "client_order_id": "\0intent_id", "quantity": "\0quantity", "symbol": "\0symbol"}
        if "limit_price" in order:
            holes["order"]["limit_price"] = "\0limit"
        holes["reservation"] = {**reservation, "id": "\0reservation", "expires_at": "\0valid_until", "quantity": "\0quantity", "notional": "\0notional"}
        try:
            text = encode(holes).replace("%", "%%")
        except NotCanonical:
            return None
        order_of = [hole[1] for hole in _HOLE.finditer(text)]
        found = cls(policy, told, _HOLE.sub(lambda hole: "%s" if hole[1] in _BARE else '"%s"', text), order_of, ruling)
        again, line = found.tell(
            event, told["at"], told["valid_until"], told["decision_id"], told["facts_hash"], told["quantity"], told["closing"], told["opening"],
            reservation["notional"], reservation["id"], told["seq"], order.get("limit_price", ""))
        return found if line == encode(told) and again == told else None

    def tell(
        self, event: PlainIntent, at: str, lapse: str, decision_id: str, chain: str, quantity: str, closing: str, opening: str, notional: str,
        reservation: str, seq: int, limit: str,
    ) -> tuple[Answer, str]:
        """The document and its text."""
        text = self._text % self._pick((
            at, closing, decision_id, chain, event.content, event.id, limit, notional, opening, quantity, quantity, reservation, seq, event.data["symbol"],
            lapse))
        return Answer(self.form, (event.data, at, lapse, decision_id, chain, quantity, closing, opening, notional, reservation, seq, limit)), text
