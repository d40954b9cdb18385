"""What a policy's schema says about an event before it is taken: its names are known, its keys are written as intents read them.

An unknown key in the facts would make every decision after it a denial, so that an event with one is refused at the door.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final

from caplex.runtime.engine.events import INPUT, UNKNOWN_KEY, VALUE, Event
from caplex.runtime.errors import EventError
from caplex.runtime.layout import pointer
from caplex.runtime.reading import normalise
from caplex.runtime.schema import PLAN_IN_FORCE, Schema, SectionSpec

_DIMENSIONS: Final = ("account", "venue", "symbol", "strategy")
_HOME: Final = {"account": "account", "quote": "market", "instrument": "instrument"}
"""Events whose own fields are those of a section."""
_TABLES: Final = {"strategy": "strategy", "venue": "venue", "session": "session"}
"""Events whose `values` are those of a section."""
_BESIDE: Final = frozenset({"id", "type", "at", "venue_at", "as_of", "account", "venue", "symbol", "mode", "tags"})


def normalised(schema: Schema, dimension: str, text: str) -> str:
    """*text* as the intent's field of that name is read."""
    intent = schema.sections.get("intent")
    spec = intent.fields.get(dimension) if intent is not None else None
    return normalise(text, spec.normalised) if spec is not None and spec.normalised else text


def admit(schema: Schema, event: Event) -> Event:
    """*event* with its keys as intents read them.

    Raises:
        EventError: a name that the policy's facts do not have.
    """
    if event.type == "intent":
        return event  # a decision says what is wrong with it
    if event.type in _HOME:
        _known(schema.sections.get(_HOME[event.type]), event.data, event.type, "")
    elif event.type in _TABLES and isinstance(event.data.get("values"), Mapping):
        _known(schema.sections.get(_TABLES[event.type]), event.data["values"], event.type, "/values")
    elif event.type == "input":
        _input(schema, event)
    changed = {
        name: text for name in _DIMENSIONS
        if isinstance(given := event.data.get(name), str) and (text := normalised(schema, name, given)) != given}
    return replace(event, data={**event.data, **changed}) if changed else event


def _known(section: SectionSpec | None, data: Mapping[str, Any], type_: str, path: str) -> None:
    if section is None:
        return
    for key in data:
        spec = section.fields.get(key)
        if (spec is None or spec.derived) and key not in _BESIDE and not key.startswith("x_"):
            near = get_close_matches(key, section.fields, n=1) if len(key) <= 100 else []
            raise EventError(f"{type_}: {path}{pointer(key)} is unknown" + (f"; did you mean {path}/{near[0]}?" if near else ""),
                             code=UNKNOWN_KEY, path=path + pointer(key))


def _input(schema: Schema, event: Event) -> None:
    name, values = event.data["name"], event.data["values"]
    section = schema.sections.get(name)
    if section is None or not section.inputs:
        inputs = [each.name for each in schema.sections.values() if each.inputs and each.name != PLAN_IN_FORCE]
        near = get_close_matches(str(name), inputs, n=1)
        raise EventError(f"input: /name is `{name}`; " + (f"did you mean `{near[0]}`?" if near else "the policy has " + (", ".join(inputs) or "no inputs")),
                         code=INPUT, path="/name")
    keyed = section.shape == "row" or (section.shape == "list" and section.key is not None)
    rows: list[tuple[str, Any]]
    if section.scalar:
        return
    if event.data.get("key") is not None and not keyed:
        raise EventError(f"input: `{name}` is not told by a key; leave out /key", code=INPUT, path="/key")
    if keyed and event.data.get("key") is None:
        if not isinstance(values, Mapping):
            raise EventError(f"input: `{name}` is told by {section.key}: give /key, or an object by {section.key} in /values", code=INPUT, path="/key")
        rows = [(f"/values{pointer(key)}", row) for key, row in values.items() if key != "as_of"]
    else:
        rows = [("/values", values)]
    for path, row in rows:
        for index, each in enumerate(row) if isinstance(row, list) else [(None, row)]:
            here = path if index is None else f"{path}/{index}"
            if not isinstance(each, Mapping):
                raise EventError(f"input: {here} is no object", code=VALUE, path=here)
            _known(section, each, "input", here)
