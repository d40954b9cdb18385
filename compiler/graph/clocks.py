"""What of a rule the passing of time alone may change, and which settings it reads: for those who ask what would make it pass."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from caplex.compiler.graph.ir import COMPARISONS, NOW, ROW, Clock, Fold, Node, RuleGraph, joined


class Moving:
    """What moves of itself, or is set from outside, at each node of a graph or below it, those of aggregates that fill slots too:
    aggregates, settings, the day's beginning, comparisons with `now`. Each node is looked at once, since those below come first."""

    def __init__(self, graph: RuleGraph) -> None:
        self._graph = graph
        self._of: list[frozenset[int]] = []

    def below(self, roots: Iterable[int | None]) -> list[int]:
        """Nodes that are such, in order."""
        numbers = [number for number in roots if number is not None]
        if numbers:
            self._reach(max(numbers))
        return sorted(joined(self._of, numbers))

    def _reach(self, last: int) -> None:
        graph = self._graph
        for number in range(len(self._of), last + 1):
            node = graph.nodes[number]
            found = joined(self._of, node.args)
            own = node.op == "fold"
            if node.op == "slot":
                spec = graph.slots[node.payload]
                own = spec.kind == "setting" or spec.name == "day_start"
                if spec.fold is not None:
                    found = self._of[spec.fold]
            elif node.op in COMPARISONS:
                own = graph.marks(number) & (NOW | ROW) == NOW  # inside an aggregate it has no value of its own
            self._of.append(found | {number} if own else found)


def settings(graph: RuleGraph, numbers: Iterable[int]) -> frozenset[int]:
    """Slots of the settings among the nodes *numbers*."""
    slots = (graph.nodes[n].payload for n in numbers if graph.nodes[n].op == "slot")
    return frozenset(slot for slot in slots if graph.slots[slot].kind == "setting")


def clock(graph: RuleGraph, numbers: Iterable[int]) -> Clock:
    """Windows, comparisons with `now`, and counts by day among the nodes *numbers*, which move."""
    windows: dict[tuple[str, int], None] = {}
    moments: dict[tuple[int, int], None] = {}
    daily = False
    for number in numbers:
        node = graph.nodes[number]
        if node.op == "fold":
            fold: Fold = node.payload
            daily = daily or fold.today
            if fold.window is not None:
                windows[fold.section, fold.window] = None
        elif node.op == "slot":
            daily = daily or graph.slots[node.payload].name == "day_start"
        else:
            moments[node.args[0], node.args[1]] = None
    return Clock(tuple(windows), tuple(moments), daily)


def fixed(graph: RuleGraph) -> RuleGraph:
    """*graph* with every setting that nothing overrides as the constant that it is, for the fast form."""
    nodes = [
        Node("const", (), graph.settings[graph.slots[node.payload].name].value)
        if node.op == "slot" and graph.slots[node.payload].kind == "setting" and not graph.settings[graph.slots[node.payload].name].overrides
        else node
        for node in graph.nodes]
    return replace(graph, nodes=nodes, types=list(graph.types), _known=dict(graph._known))
