"""The settings that tests give: a policy compiled once more for each set of them, as it is deployed with these values from outside.

In a policy they move as everything from outside does: to the safer side, or freely where the policy says `open`. In a pack they are
what a policy that imports it may say in `use`: any value of the range, unless the setting is `hard`.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from caplex.compiler.semantics.model import CheckedModule, SettingBinding, Value
from caplex.compiler.semantics.outside import Outside
from caplex.compiler.syntax import ast
from caplex.compiler.testing.model import Row
from caplex.compiler.testing.values import Values
from caplex.runtime.policy import Policy

Settings = Mapping[str, Outside]
Compiled = tuple[CheckedModule, Policy]
ORIGIN = "the test"


class RefusedSetting(Exception):
    """A setting may not have the value that a test gives it; the text says why."""


class Variants:
    """What one policy comes to under settings that tests give; each set of them is compiled once."""

    def __init__(self, compiled: Callable[[Settings], Compiled]) -> None:
        self._compiled = compiled
        self._known: dict[tuple[tuple[str, str], ...], Compiled | str] = {}

    def under(self, settings: Settings) -> Compiled:
        """Raises RefusedSetting."""
        key = tuple(sorted((name, repr(_ordered(given.value))) for name, given in settings.items()))
        found = self._known.get(key)
        if found is None:
            try:
                found = self._compiled(settings)
            except RefusedSetting as error:
                found = str(error)
            self._known[key] = found
        if isinstance(found, str):
            raise RefusedSetting(found)
        return found


def _ordered(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value


def given_settings(test: ast.Test, row: Row, checked: CheckedModule) -> dict[str, Outside]:
    """What *row* of *test* gives settings, by qualified name."""
    found: dict[str, Outside] = {}
    for step in test.steps:
        if isinstance(step, ast.Given):
            binding = checked.bindings.get(step.target.id)
            if isinstance(binding, SettingBinding):
                found[binding.name] = Outside(_plain(Values(checked, row.cells).exact(step.value)), ORIGIN)
    return found


def _plain(value: Value) -> object:
    return sorted(value) if isinstance(value, frozenset) else value


def opened(module: ast.Module) -> ast.Module:
    """*module*, a pack, with settings that move either way: whoever imports it may move them so."""
    items = tuple(replace(item, open=True) if isinstance(item, ast.Setting) and not item.hard else item for item in module.items)
    return replace(module, items=items)
