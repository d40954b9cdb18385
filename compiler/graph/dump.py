"""A stable text of the rule graph, for people, reviews and goldens."""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from caplex.compiler.graph.ir import Fold, RuleGraph, RuleNode
from caplex.runtime.values import UNLIMITED

SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "eq": "==", "ne": "!=", "ge": ">=", "gt": ">", "and": "and", "or": "or"}


def dump(graph: RuleGraph) -> str:
    """The graph as text: header, slots, rules in order, sizes, labels. Same policy, same text."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: RuleGraph) -> Iterator[str]:
    policy, tell = graph.policy, Shown(graph)
    yield f"policy {policy.name} {policy.version} mode {policy.mode} currency {policy.currency}"
    yield "stages " + " | ".join(", ".join(phase) for phase in policy.phases)
    yield f"closing {policy.closing} {', '.join(sorted(policy.skipped))}".rstrip() + (" unless worse" if policy.unless_worse else "")
    yield ""
    for index, slot in enumerate(graph.slots):
        yield f"s{index} {slot}" + (" optional" if slot.optional else "") + (f" e-{slot.scale}" if slot.scale is not None else "")
    for rule in graph.rules:
        yield ""
        yield from _rule(tell, rule)
    for size in graph.sizes:
        yield ""
        yield f"size {size.id} for {size.reach} orders: {tell(size.money)}"
        if size.floor is not None:
            yield f"  at least {tell(size.floor)}"
        if size.leverage is not None:
            yield f"  in margin by {tell(size.leverage)}"
    for label, when in graph.labels:
        yield f"answer {label}" + (f" when {tell(when)}" if when is not None else " otherwise")
    for allocation in graph.allocations:
        yield ""
        yield from _allocation(allocation)


def _allocation(node: Any) -> Iterator[str]:
    tell = Shown(node.graph)
    yield f"allocate {node.name} across {node.section.name}"
    yield from (f"  s{index} {slot}" + (" optional" if slot.optional else "") for index, slot in enumerate(node.graph.slots))
    for clause in ("score", "floor", "ceiling", "scale", "freeze", "threshold"):
        number = getattr(node, clause)
        if number is not None:
            yield f"  {clause:9} {tell(number)}"
    yield from (f"  fixed     {name} {tell(number)}" for name, number in node.fixed)


def _rule(tell: Shown, rule: RuleNode) -> Iterator[str]:
    marks = [rule.effect, *(["opening only"] if rule.opening_only else []), *(["closing skips"] if rule.skipped else [])]
    yield f"{rule.position} {rule.kind} {rule.id} [{rule.stage}, phase {rule.phase}] {', '.join(marks)}; {', '.join(rule.actions)}"
    if rule.monitor is not None:
        yield f"  monitored until {rule.monitor}"
    if rule.when is not None:
        yield f"  when   {tell(rule.when)}"
    if rule.broken is not None:
        yield f"  broken {tell(rule.broken)}"
    for piece in rule.pieces:
        yield f"  piece  {tell(piece.slope)} * q + {tell(piece.intercept)}"
    for waiver in rule.waivers:
        yield f"  waived by {waiver.id} until {waiver.until_ns} when {tell(waiver.when)}"
    for trip in rule.trips:
        yield f"  trips when {trip.text}"
    if rule.reads:
        yield "  reads  " + " ".join(f"s{slot}" for slot in sorted(rule.reads))


def text_of(value: Any) -> str:
    if value is UNLIMITED:
        return "unlimited"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, frozenset):
        return "[" + ", ".join(sorted(text_of(v) for v in value)) + "]"
    return '"' + str(value) + '"'


class Shown(dict[int, str]):
    """The expressions of a graph, with parentheses everywhere; each is written once, however many rules it is part of."""

    def __init__(self, graph: RuleGraph) -> None:
        super().__init__()
        self._graph = graph

    def __call__(self, number: int) -> str:
        return self[number]

    def __missing__(self, number: int) -> str:
        found = self[number] = self._show(number)
        return found

    def _show(self, number: int) -> str:
        node = self._graph.nodes[number]
        parts = [self[arg] for arg in node.args] if node.op != "fold" else []
        match node.op:
            case "const":
                return text_of(node.payload)
            case "slot":
                return f"s{node.payload}"
            case "size":
                return "q"
            case "row":
                return ".".join(node.payload)
            case "need":
                return parts[0]
            case "fold":
                return self._fold(node.payload)
            case "if":
                return f"(if {parts[0]} then {parts[1]} else {parts[2]})"
            case "neg":
                return f"-{parts[0]}"
            case op if op in SIGNS:
                return f"({parts[0]} {SIGNS[op]} {parts[1]})"
        return f"{node.op}({', '.join(parts)})"

    def _fold(self, fold: Fold) -> str:
        window = f" in last {self[fold.window]}" if fold.window is not None else " today" if fold.today else ""
        where = f" where {self[fold.where]}" if fold.where is not None else ""
        body = f"{self[fold.body]} for " if fold.body is not None else ""
        return f"{fold.function}({body}{fold.variable} in {fold.section}{window}{where})"
