"""Which overrides of a setting come into question, looked up by the texts of their scopes: so that a hundred thousand cost what ten do."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from caplex.runtime.plan import Override, Plan, SettingPlan, SlotSpec
from caplex.runtime.values import Unknown

FEW = 8
"""As many are looked at one by one."""


class Lookup:
    """Overrides by the slots that they name, then by the texts in them."""

    __slots__ = ("groups", "setting")

    def __init__(self, setting: SettingPlan) -> None:
        self.setting = setting
        self.groups: dict[tuple[int, ...], dict[tuple[Any, ...], list[int]]] = {}
        for number, override in enumerate(setting.overrides):
            slots, texts = tuple(slot for _, slot in override.scopes), tuple(text for text, _ in override.scopes)
            self.groups.setdefault(slots, {}).setdefault(texts, []).append(number)

    def find(self, value: Callable[[int], Any]) -> Sequence[Override]:
        """Those whose scopes fit, as written; all of them where a scope cannot be read: then it is not known which."""
        found: list[int] = []
        for slots, by_texts in self.groups.items():
            values = tuple(map(value, slots))
            if any(isinstance(each, Unknown) for each in values):
                return self.setting.overrides
            found += by_texts.get(values, ())
        return [self.setting.overrides[number] for number in sorted(found)]


def candidates(plan: Plan, setting: SettingPlan, value: Callable[[int], Any]) -> Sequence[Override]:
    """Overrides of *setting* that may be in force where slots have these values."""
    if len(setting.overrides) <= FEW:
        return setting.overrides
    known = plan.lookups.get(setting.name)
    if known is None or known.setting is not setting:
        known = plan.lookups[setting.name] = Lookup(setting)
    found: Sequence[Override] = known.find(value)
    return found


def reach(plan: Plan, setting: SettingPlan) -> tuple[list[SlotSpec], list[int]]:
    """What the overrides of *setting* go by, and the instants at which they end, in order."""
    name = f"{setting.name} reach"
    known = plan.lookups.get(name)
    if known is None or known[0] is not setting:
        slots = {slot for override in setting.overrides for _, slot in override.scopes}
        ends = {override.until_ns for override in setting.overrides if override.until_ns is not None}
        known = plan.lookups[name] = setting, ([plan.slots[slot] for slot in sorted(slots)], sorted(ends))
    found: tuple[list[SlotSpec], list[int]] = known[1]
    return found
