"""What every rule graph must obey. Each invariant is a generator of complaints; all run in every test."""
from __future__ import annotations

from collections.abc import Callable, Iterator

from caplex.compiler.graph.ir import OPS, RuleGraph

Invariant = Callable[[RuleGraph], Iterator[str]]


def nodes_are_in_order(graph: RuleGraph) -> Iterator[str]:
    """Arguments stand before their users, so that one walk suffices."""
    for number, node in enumerate(graph.nodes):
        if node.op not in OPS:
            yield f"node {number} has the unknown operator `{node.op}`"
        for arg in node.args:
            if not 0 <= arg < number:
                yield f"node {number} uses node {arg}, which does not stand before it"


def nodes_are_shared(graph: RuleGraph) -> Iterator[str]:
    """No two nodes say the same: what looks alike is computed once."""
    seen: dict[object, int] = {}
    for number, node in enumerate(graph.nodes):
        key = (node.op, node.args, type(node.payload), node.payload)
        if key in seen:
            yield f"nodes {seen[key]} and {number} are the same"
        seen[key] = number


def order_is_total(graph: RuleGraph) -> Iterator[str]:
    """Positions are 0 … n − 1 in order, ids are unique, phases do not go back."""
    ids = [rule.id for rule in graph.rules]
    if len(set(ids)) != len(ids):
        yield "two rules share an id"
    if [rule.position for rule in graph.rules] != list(range(len(graph.rules))):
        yield "positions are not 0 … n − 1"
    for before, after in zip(graph.rules, graph.rules[1:], strict=False):
        if after.phase < before.phase:
            yield f"`{after.id}` stands behind `{before.id}` but in an earlier phase"


def reads_are_declared(graph: RuleGraph) -> Iterator[str]:
    """Every slot is of the schema, so that a missing fact is named."""
    for slot in graph.slots:
        if slot.kind == "field" and graph.schema.field(slot.section, slot.name) is None:
            yield f"slot `{slot}` is not in the schema"


def reductions_have_pieces(graph: RuleGraph) -> Iterator[str]:
    """A rule that reduces has its closed form."""
    for rule in graph.rules:
        if rule.effect == "reduce" and rule.reads_size and not rule.pieces:
            yield f"`{rule.id}` reduces, but has no affine pieces"
        for piece in rule.pieces:
            if graph.reads_size(piece.slope) or graph.reads_size(piece.intercept):
                yield f"`{rule.id}` has a piece that reads the size"


INVARIANTS: tuple[Invariant, ...] = (nodes_are_in_order, nodes_are_shared, order_is_total, reads_are_declared, reductions_have_pieces)


def complaints(graph: RuleGraph) -> list[str]:
    """All complaints of all invariants, in order; empty for a sound graph."""
    return [complaint for invariant in INVARIANTS for complaint in invariant(graph)]
