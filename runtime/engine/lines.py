"""The document of an approval as a form with holes, and the journal's text of it: what `telling` and `intents.record` say.

The form is taken from an approval that was told at length. It serves only if, filled with what stood there, it says the same
text to the byte.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from caplex.runtime.canonical import NotCanonical, canonical_json
from caplex.runtime.engine.heard import PlainIntent
from caplex.runtime.journal.record import encode
from caplex.runtime.policy import Policy
from caplex.runtime.ruling import Ruling

_TEXTS: Final = ("at", "closing", "decision_id", "facts_hash", "intent_id", "opening", "quantity", "requested", "symbol", "valid_until")
_HOLE: Final = re.compile(r'"\\u0000([a-z_.]+)"')
_BARE: Final = frozenset({"intent", "seq"})
_LISTS: Final = ("reasons", "warnings", "monitored", "violated", "emitted", "shadows", "obligations", "tripped", "errors")


class Line:
    """One form. *start* is how the content of a decision's id begins; *ruling* is that of the approval that it was taken from."""

    __slots__ = ("_form", "_order", "_policy", "_reservation", "_sent", "_told", "ruling", "start")

    def __init__(self, policy: Policy, told: Mapping[str, Any], form: str, ruling: Ruling) -> None:
        self._form, self.ruling = form, ruling
        self._told = dict(told)
        self._sent, self._reservation, self._policy = dict(told["order"]), dict(told["reservation"]), dict(told["policy"])
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
        form = _HOLE.sub(lambda hole: f"%({hole[1]})s" if hole[1] in _BARE else f'"%({hole[1]})s"', text)
        found = cls(policy, told, form, ruling)
        again, line = found.tell(
            event, told["at"], told["valid_until"], told["decision_id"], told["facts_hash"], told["quantity"], told["closing"], told["opening"],
            reservation["notional"], reservation["id"], told["seq"], order.get("limit_price", ""))
        return found if line == encode(told) and again == told else None

    def tell(
        self, event: PlainIntent, at: str, lapse: str, decision_id: str, chain: str, quantity: str, closing: str, opening: str, notional: str,
        reservation: str, seq: int, limit: str,
    ) -> tuple[dict[str, Any], str]:
        """The document and its text. Nothing in the document is shared with another."""
        name, told, sent = event.id, dict(self._told), dict(self._sent)
        sent["client_order_id"], sent["quantity"], sent["symbol"] = name, quantity, event.data["symbol"]
        if limit:
            sent["limit_price"] = limit
        intent = dict(event.data)
        del intent["type"]
        told["at"], told["valid_until"], told["decision_id"], told["facts_hash"], told["intent_id"] = at, lapse, decision_id, chain, name
        told["quantity"] = told["requested"] = quantity
        told["symbol"] = sent["symbol"]
        told["closing"], told["opening"], told["seq"], told["intent"], told["order"] = closing, opening, seq, intent, sent
        told["reservation"] = {**self._reservation, "id": reservation, "quantity": quantity, "notional": notional, "expires_at": lapse}
        told["policy"] = dict(self._policy)
        for each in _LISTS:
            told[each] = []
        text = self._form % {
            "at": at, "closing": closing, "decision_id": decision_id, "facts_hash": chain, "intent": event.content, "intent_id": name, "limit": limit,
            "notional": notional, "opening": opening, "quantity": quantity, "requested": quantity, "reservation": reservation, "seq": seq,
            "symbol": sent["symbol"], "valid_until": lapse}
        return told, text
