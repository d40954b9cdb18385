"""What of a rule the passing of time alone may change, and which settings it reads: for those who ask what would make it pass."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from caplex.compiler.graph.ir import COMPARISONS, NOW, ROW, Clock, Fold, Node, RuleGraph


def below(graph: RuleGraph, roots: Iterable[int | None]) -> list[int]:
    """Every node under *roots*, those of aggregates that fill slots too; in order."""
    seen: set[int] = set()
    stack = [number for number in roots if number is not None]
    while stack:
        number = stack.pop()
        if number in seen:
            continue
        seen.add(number)
        node = graph.nodes[number]
        stack.extend(node.args)
        if node.op == "slot" and (fold := graph.slots[node.payload].fold) is not None:
            stack.append(fold)
    return sorted(seen)


def settings(graph: RuleGraph, numbers: Iterable[int]) -> frozenset[int]:
    """Slots of the settings among the nodes *numbers*."""
    slots = (graph.nodes[n].payload for n in numbers if graph.nodes[n].op == "slot")
    return frozenset(slot for slot in slots if graph.slots[slot].kind == "setting")


def clock(graph: RuleGraph, numbers: Iterable[int]) -> Clock:
    """Windows, comparisons with `now`, and counts by day among the nodes *numbers*."""
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
        elif node.op in COMPARISONS and graph.marks(number) & (NOW | ROW) == NOW:  # inside an aggregate it has no value of its own
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
