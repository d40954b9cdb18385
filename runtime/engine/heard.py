"""Events as hosts send them: an object of texts. What `read_event` would make of an intent is clear without looking into every value.

One encoding serves three ends: what the journal keeps of the event, the hash of its content, and (of an intent) what the
decision says of it. Anything else (a number, an object inside, a time in an unusual form) is read at length.
"""
from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from json import encoder as _json
from typing import Any, Final, TypeVar

from caplex.runtime.engine.events import Event
from caplex.runtime.engine.times import instant

INTENT_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,36}")
_NAMES: Final = ("account", "venue", "symbol", "strategy", "order_id", "intent_id")
_LONGEST: Final = 200
_MAKER: Final = getattr(_json, "c_make_encoder", None)
_CHUNKS: Final = _MAKER and _MAKER(None, None, _json.encode_basestring_ascii, None, ":", ",", True, False, False)


class Written(Event):
    """An event of texts alone. *written* is the canonical JSON of its data."""

    __slots__ = ("written",)
    written: str


class PlainIntent(Written):
    """An intent of texts alone."""

    __slots__ = ()

    @property
    def content(self) -> str:
        """The canonical JSON of what it says but for its type."""
        return self.written.replace(',"type":"intent"', "", 1)


def encoded(data: Mapping[str, Any]) -> str:
    """The canonical JSON of an object of texts, truth and null."""
    return "".join(_CHUNKS(data, 0)) if _CHUNKS else json.dumps(data, sort_keys=True, separators=(",", ":"))


def plain_intent(given: Mapping[str, Any]) -> PlainIntent | None:
    """What `read_event` makes of *given*, or None: then it has to say, and may refuse."""
    if type(given) is not dict or given.get("type") != "intent":
        return None
    for key, value in given.items():
        if type(key) is not str or not (type(value) is str or value is None or value is True or value is False):
            return None
    name, at = given.get("id"), given.get("at")
    if type(name) is not str or type(at) is not str or INTENT_ID.fullmatch(name) is None:
        return None
    for field in _NAMES:
        value = given.get(field)
        if value is not None and (type(value) is not str or not 0 < len(value) <= _LONGEST):
            return None
    at_ns = instant(at)
    if at_ns is None:
        return None
    text = encoded(given)
    if "\\" in text:  # something is escaped: then a key may stand inside a value
        return None
    return _with(PlainIntent("intent", name, at_ns, dict(given)), text)


def written(event: Event) -> Event:
    """*event* with its text, if it is one of texts alone: the journal and the hash need not encode it again."""
    for value in event.data.values():
        if not (type(value) is str or value is None or value is True or value is False):
            return event
    text = encoded(event.data)
    return event if "\\" in text else _with(Written(event.type, event.id, event.at_ns, event.data), text)


_Text = TypeVar("_Text", bound=Written)


def _with(event: _Text, text: str) -> _Text:
    object.__setattr__(event, "written", text)
    # `type` comes behind `at`, so that a comma follows it.
    event._hash.append("sha256:" + sha256(text.replace(f'"at":"{event.data["at"]}",', "", 1).encode("ascii")).hexdigest())
    return event
