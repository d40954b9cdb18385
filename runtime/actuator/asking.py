"""An action, told as the two intents that the policy is asked about.

First its form, as an act that does nothing: rules that name `noop` look at who authorised it and whether it is well formed,
and an action whose size is no number can be asked about too. Then the act itself, with everything that it would move.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from caplex.runtime.canonical import NotCanonical, sha256
from caplex.runtime.engine.machine import INTENT_ID

KINDS: Final = ("open", "close", "adjust", "cancel", "noop")
TRADING: Final = frozenset({"open", "close", "adjust"})
FORM: Final = "form-"
"""Ids of questions about the form begin so; they spend nothing."""
_SIDES: Final = {"long": "buy", "short": "sell"}
_AS_THEY_ARE: Final = ("kind", "direction", "order_type", "limit_price", "reduce_only", "time_in_force")
_ABOUT: Final = ("account", "venue", "strategy")
_TEXTS: Final = ("action_id", "kind", "direction", "order_type", "time_in_force", "asked_symbol")


def intent_id(action: Mapping[str, Any]) -> str:
    """The action's own id where it can be an intent's, else one that follows from it."""
    name = action.get("action_id")
    if isinstance(name, str) and INTENT_ID.fullmatch(name) and not name.startswith((FORM, "x-")):
        return name
    return "x-" + _digest(name)


def form(action: Mapping[str, Any], authorisation: Mapping[str, Any], about: Mapping[str, Any], *, duplicate: bool) -> dict[str, Any]:
    """What is asked about the form. The same question has the same id."""
    told = _claims(action, authorisation, about, duplicate=duplicate)
    return {**told, "id": FORM + _digest(told), "action": "noop"}


def act(action: Mapping[str, Any], authorisation: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked about the act, once its form was found good."""
    kind = str(action["kind"])
    told = {**_claims(action, authorisation, about, duplicate=False), "id": intent_id(action), "action": kind}
    if action.get("symbol") is not None and kind != "noop":
        told["symbol"] = action["symbol"]
    if kind == "open":
        told["side"] = _SIDES.get(str(action.get("direction")))
    size = {"open": "quantity", "close": "quantity", "adjust": "delta"}.get(kind)
    if size is not None and "asked" in told:
        told[size] = told["asked"]
    return told


def _claims(action: Mapping[str, Any], authorisation: Mapping[str, Any], about: Mapping[str, Any], *, duplicate: bool) -> dict[str, Any]:
    """The action as it was handed over, under the names that the policy reads. What is not there stays away."""
    told: dict[str, Any] = {"decision_code": authorisation.get("decision_code"), "authorised_at": authorisation.get("at"),
                            "action_id": action.get("action_id")}
    told.update({name: action.get(name) for name in _AS_THEY_ARE})
    told["asked"] = action.get("delta") if action.get("kind") == "adjust" else action.get("quantity")
    told["asked_symbol"], told["context_symbol"] = action.get("symbol"), about.get("symbol")
    told.update({name: about.get(name) for name in _ABOUT})
    # An engine keeps numbers as texts: a number where a text belongs must not become one on the way.
    told.update({name: [told[name]] for name in _TEXTS if not isinstance(told[name], str | None)})
    return {**{name: value for name, value in told.items() if value is not None}, "duplicate": duplicate}


def _digest(value: Any) -> str:
    try:
        return sha256(value).removeprefix("sha256:")[:24]
    except NotCanonical:
        return sha256(repr(value)).removeprefix("sha256:")[:24]
