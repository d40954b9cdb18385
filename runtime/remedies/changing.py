"""What the changes of a remedy mean: facts that get another value, and settings of the policy that do.

A fact is put at its place in the document. A setting changes where its value in force comes from: in the override that
is in force for this intent, else in its default. Facts come first, so that the override is the one in force then. A
value stays in the declared range of the setting, and a `tighten` no looser than the default.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from caplex.runtime.bind import Bound
from caplex.runtime.canonical import plain
from caplex.runtime.clock import format_duration, format_instant
from caplex.runtime.paths import changed
from caplex.runtime.plan import Override, Plan, SettingPlan
from caplex.runtime.reading import Unreadable, convert
from caplex.runtime.remedy import Change
from caplex.runtime.schema import Kind, Type


def apply(plan: Plan, document: Any, changes: Iterable[Change]) -> tuple[Plan, Any]:
    """Plan and facts after *changes*; the given ones stay as they are.

    Raises:
        BadPath: a change names no place in the facts, or goes through something that is no object or list.
        ValueError: a change names no setting of the policy, or a value that the setting may not have.
    """
    changes = tuple(changes)
    for change in changes:
        if change.where == "facts":
            document = changed(document, change.path, change.value)
    for change in changes:
        if change.where == "policy":
            plan = _with_setting(plan, document, change)
    return plan, document


def _with_setting(plan: Plan, document: Any, change: Change) -> Plan:
    setting = plan.settings.get(change.path)
    if setting is None:
        raise ValueError(f"the policy has no setting `{change.path}`")
    try:
        value = convert(setting.type, change.value)
    except Unreadable as why:
        raise ValueError(f"`{change.path}` cannot be {change.value!r}: it wants {why.limit}") from None
    _, override = Bound(replace(plan, fused=None), document).setting_in_force(change.path)
    low, high = allowed(setting, override)
    if isinstance(value, Fraction) and ((low is not None and value < low) or (high is not None and value > high)):
        raise ValueError(f"`{change.path}` cannot be {written(value, setting.type)}: it lies outside what the policy declares")
    if override is None:
        new = replace(setting, value=value)
    else:
        new = replace(setting, overrides=tuple(replace(one, value=value) if one is override else one for one in setting.overrides))
    return replace(plan, settings={**plan.settings, change.path: new}, fused=None)


def allowed(setting: SettingPlan, override: Override | None) -> tuple[Fraction | None, Fraction | None]:
    """The least and the greatest value that may stand where the value in force stands; None is open.

    A sign is never lost: which way a measure bends was settled when the policy was compiled.
    """
    low, high = setting.low, setting.high
    values = [value for value in (setting.value, *(one.value for one in setting.overrides)) if isinstance(value, Fraction)]
    if all(value >= 0 for value in values):
        low = Fraction(0) if low is None else max(low, Fraction(0))
    elif all(value <= 0 for value in values):
        high = Fraction(0) if high is None else min(high, Fraction(0))
    if override is not None and override.kind == "tighten" and isinstance(setting.value, Fraction):
        if setting.safer == "lower":
            high = setting.value if high is None else min(high, setting.value)
        elif setting.safer == "higher":
            low = setting.value if low is None else max(low, setting.value)
    return low, high


def written(value: Fraction, type_: Type) -> str:
    """*value* as a facts document and a settings file hold it."""
    if type_.kind is Kind.DURATION:
        return format_duration(int(value))
    return instant_text(int(value)) if type_.kind is Kind.INSTANT else plain(value)


def instant_text(ns: int) -> str:
    """RFC 3339 to the nanosecond; six digits where that is enough."""
    text = format_instant(ns)
    return text if ns % 1000 == 0 else f"{text[:-1]}{ns % 1000:03d}Z"


def parts_of(pointer: str, document: Any) -> tuple[str | int, ...]:
    """The steps of a JSON pointer into *document*, numbers where it goes through a list."""
    found: list[str | int] = []
    here = document
    for token in pointer.split("/")[1:]:
        step = token.replace("~1", "/").replace("~0", "~")
        if isinstance(here, list | tuple) and step.isdecimal():
            found.append(int(step))
            here = here[int(step)] if int(step) < len(here) else None
        else:
            found.append(step)
            here = here.get(step) if isinstance(here, dict) else None
    return tuple(found)


def held(document: Any, parts: tuple[str | int, ...]) -> Any:
    """What *document* holds there; None if nothing."""
    here = document
    for part in parts:
        if isinstance(here, dict) and isinstance(part, str):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            return None
    return here
