"""How far back a policy reads each history: what an engine must keep, and no more."""
from __future__ import annotations

from fractions import Fraction

from caplex.compiler.graph.ir import RuleGraph

DAY = 86_400 * 10**9
TODAY = 2 * DAY + 2 * DAY // 24
"""A day of the policy may have 25 hours, and `now` may stand at its end."""


def horizons(graph: RuleGraph) -> dict[str, int | None]:
    """Nanoseconds by history section; None: a window has no end that is known from the text and the settings."""
    found: dict[str, int | None] = {}

    def note(section: str, ns: int | None) -> None:
        before = found.get(section, 0)
        found[section] = None if ns is None or before is None else max(before, ns)

    for node in graph.nodes:
        if node.op == "fold" and graph.schema.sections[node.payload.section].shape == "history":
            fold = node.payload
            note(fold.section, TODAY if fold.today else None if fold.window is None else _longest(graph, fold.window))
    for rule in graph.rules:
        for trip in rule.trips:
            if trip.window is not None:
                note(trip.events, _longest(graph, trip.window))
    return dict(sorted(found.items()))


def _longest(graph: RuleGraph, number: int) -> int | None:
    """The longest that this duration can be: constants, settings with their overrides, facts of a declared range, sums and extremes of them."""
    node = graph.nodes[number]
    match node.op:
        case "const" if isinstance(node.payload, Fraction):
            return int(node.payload)
        case "slot" if graph.slots[node.payload].kind == "setting":
            info = graph.settings[graph.slots[node.payload].name]
            values = [info.value, *(override.value for override in info.overrides)]
            return None if any(not isinstance(value, Fraction | int) for value in values) else int(max(values))
        case "slot" if graph.slots[node.payload].kind == "field":
            slot = graph.slots[node.payload]
            spec = graph.schema.field(slot.section, slot.name)  # what lies above its range is unknown, and never reaches the window
            return None if spec is None or spec.high is None else int(spec.high)
        case "max" | "min" | "add" | "else":
            parts = [_longest(graph, arg) for arg in node.args]
            if any(part is None for part in parts):
                return None
            return sum(parts) if node.op == "add" else max(parts)  # type: ignore[arg-type, type-var]
        case "if":
            parts = [_longest(graph, arg) for arg in node.args[1:]]
            return None if any(part is None for part in parts) else max(parts)  # type: ignore[type-var]
        case _:
            return None
