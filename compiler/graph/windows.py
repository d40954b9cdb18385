"""Which aggregates over a history can be kept up to date, instead of being counted again for every intent.

Those whose filter compares fields of the event with values that the intent brings (``for each strategy``), and those that
look at the event alone. What an event contributes then never changes, and a running count by those values is the answer.
"""
from __future__ import annotations

from dataclasses import dataclass

from caplex.compiler.graph.ir import Fold, RuleGraph


@dataclass(frozen=True, slots=True)
class Kept:
    """An aggregate that can be kept.

    Attributes:
        keys: Pairs of nodes: what the event says, and what it must equal. None: it must be true.
        body: What is added up; None for counts and for the time of the last event.
    """

    fold: Fold
    keys: tuple[tuple[int, int | None], ...]
    body: int | None


def kept(graph: RuleGraph, number: int) -> Kept | None:
    """The fold under the node *number*, if it can be kept."""
    fold: Fold = graph.nodes[number].payload
    if graph.schema.sections[fold.section].shape != "history" or not _countable(graph, fold):
        return None
    if fold.window is not None and _reads(graph, fold.window) & {"row", "fold", "size"}:
        return None
    keys: list[tuple[int, int | None]] = []
    for part in _conjuncts(graph, fold.where):
        key = _key(graph, part)
        if key is None:
            return None
        keys.append(key)
    return Kept(fold, tuple(keys), fold.body if fold.function == "sum" else None)


def _countable(graph: RuleGraph, fold: Fold) -> bool:
    match fold.function:
        case "count":
            return fold.body is None
        case "sum":
            return fold.body is not None and _reads(graph, fold.body) == {"row"}
        case "last":
            body = graph.nodes[fold.body] if fold.body is not None else None
            return body is not None and body.op == "row" and body.payload[1] == "at"
    return False


def _conjuncts(graph: RuleGraph, number: int | None) -> list[int]:
    if number is None:
        return []
    node = graph.nodes[number]
    return [part for arg in node.args for part in _conjuncts(graph, arg)] if node.op == "and" else [number]


def _key(graph: RuleGraph, part: int) -> tuple[int, int | None] | None:
    if _reads(graph, part) == {"row"}:
        return part, None
    node = graph.nodes[part]
    if node.op != "eq":
        return None
    left, right = node.args
    for mine, theirs in ((left, right), (right, left)):
        if _reads(graph, mine) == {"row"} and _reads(graph, theirs) <= {"slot"}:
            return mine, theirs
    return None


def _reads(graph: RuleGraph, number: int) -> set[str]:
    """Where values under *number* come from."""
    return {graph.nodes[n].op for n in graph.reach(number)} & {"row", "slot", "fold", "size"}


def by_symbol(graph: RuleGraph, number: int) -> bool:
    """Can the fold under *number* be put together from what it comes to in each symbol? Over positions, reading nothing else.

    A field that must be fresh is left to be read anew; prices are watched by whoever keeps the parts.
    """
    fold: Fold = graph.nodes[number].payload
    if fold.section != "positions" or fold.function not in ("any", "all", "count", "sum") or fold.window is not None or fold.today:
        return False
    parts = [part for part in (fold.where, fold.body) if part is not None]
    declared = graph.schema.sections["positions"].fields
    names = {graph.nodes[n].payload[1] for n in graph.reach(*parts) if graph.nodes[n].op == "row"}
    return all(_reads(graph, part) <= {"row"} for part in parts) and not any(
        field.fresh_ns and not field.derived for name in names if (field := declared.get(name)) is not None)
