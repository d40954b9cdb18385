"""Rules that say the same of different things: one expression with holes, and what fills them as rows of a table.

A rule that asks first whether a text of the facts (symbol, strategy, venue, account, side, an enumeration) equals a constant is
put under that constant, and only the rows under the text at hand need to be looked at. Rows that compare one measure with one
threshold are sorted, so that the first that is kept ends the search.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import lcm
from typing import Any

from caplex.compiler.graph.ir import Piece, RuleGraph, RuleNode
from caplex.runtime.schema import Kind, Type

FEWEST_KEYED, FEWEST_SORTED, FEWEST = 4, 4, 16
"""So many rules alike are worth a table: with keys, in the order of thresholds, without either."""
MOST_HOLES = 32
MOST_KEYS = 256
"""A rule that names more combinations of texts is not put under each of them."""
BOOL = Type(Kind.BOOL)
_FLIPPED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}
_OPPOSITE = {"lt": "ge", "ge": "lt", "le": "gt", "gt": "le"}


@dataclass(frozen=True, slots=True)
class Hole:
    """Payload of a node ``hole``: a column of the table. Numbers are in units of ``1 / (10**scale · den)``."""

    name: str
    number: bool
    scale: int = 0
    den: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """*keys* are the texts under which it stands, one for each key of the family; *cells* fill the holes."""

    keys: tuple[tuple[str, ...], ...]
    position: int
    cells: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """Rules alike.

    Attributes:
        template: The first of them, with holes, and without the questions that the keys answer.
        keys: Nodes that read the texts under which rows stand; none: all rows are looked at.
        rows: In the order of decision, or of thresholds.
        sorted: ``not`` broken at a row means not broken at those behind it.
        factor: What thresholds are multiplied with, if anything; it must not be negative.
    """

    template: RuleNode
    rules: tuple[RuleNode, ...]
    keys: tuple[int, ...]
    rows: tuple[Row, ...]
    holes: tuple[Hole, ...]
    sorted: bool = False
    factor: int | None = None


class Shapes:
    """What nodes have in common if their constants are passed over."""

    def __init__(self, graph: RuleGraph) -> None:
        self.graph = graph
        self._numbers: dict[Any, int] = {}
        self._of: list[int] = []
        self._constants: list[tuple[int, ...] | None] = []

    def of(self, number: int) -> int:
        """Number of its shape."""
        self._reach(number)
        return self._of[number]

    def constants(self, number: int) -> tuple[int, ...] | None:
        """The constants below it, as often as they stand there; None: too many."""
        self._reach(number)
        return self._constants[number]

    def _reach(self, last: int) -> None:
        graph = self.graph
        for number in range(len(self._of), last + 1):
            node, kind = graph.nodes[number], graph.types[number].kind._value_  # the member has a hash that is written in Python
            found: tuple[int, ...] | None = ()
            if _is_hole(node.payload) and node.op == "const":
                key: Any = ("const", type(node.payload), kind)
                found = (number,)
            elif node.op in ("const", "fold"):  # what an aggregate does with its rows is not looked into
                key = (node.op, number)
            else:
                key = (node.op, type(node.payload), node.payload, kind, tuple([self._of[arg] for arg in node.args]))
                for arg in node.args:
                    part = self._constants[arg]
                    found = None if found is None or part is None else found + part
                if found is not None and len(found) > MOST_HOLES:
                    found = None
            self._of.append(self._numbers.setdefault(key, len(self._numbers)))
            self._constants.append(found)


def _is_hole(value: Any) -> bool:
    return isinstance(value, (Fraction, str)) or (isinstance(value, frozenset) and bool(value) and all(isinstance(each, str) for each in value))


@dataclass(frozen=True, slots=True)
class _Part:
    """One rule as a candidate: the rest of its condition when its keys are taken away."""

    rule: RuleNode
    keys: tuple[tuple[int, tuple[str, ...]], ...]
    rest: tuple[int, ...]
    holes: tuple[int, ...]


def families(graph: RuleGraph, rules: list[RuleNode]) -> list[Family]:
    """Families among *rules*, in the order of their first ones. Nodes with holes are added to *graph*."""
    shapes = Shapes(graph)
    alike: dict[Any, list[_Part]] = {}
    for rule in rules:
        part = _part(graph, shapes, rule)
        if part is not None:
            roots = (*part.rest, *(n for p in rule.pieces for n in (p.slope, p.intercept)))
            key = (rule.phase, rule.effect, rule.opening_only, rule.skipped, rule.overridable is None, rule.unless_worse, rule.actions, rule.monitor,
                   rule.strict, rule.reads_size, tuple(slot for slot, _ in part.keys), len(part.rest), tuple(map(shapes.of, roots)))
            alike.setdefault(key, []).append(part)
    found = (_family(graph, parts) for parts in alike.values() if len(parts) >= min(FEWEST_KEYED, FEWEST_SORTED, FEWEST))
    return [family for family in found if family is not None]


def _part(graph: RuleGraph, shapes: Shapes, rule: RuleNode) -> _Part | None:
    plain = not (rule.position == 0 or rule.kind == "switch" or rule.trips or rule.waivers or rule.reserve is not None or rule.broken is None)
    if not plain:
        return None
    keys: dict[int, tuple[str, ...]] = {}
    rest: list[int] = []
    for number in (*_conjuncts(graph, rule.when), *_conjuncts(graph, rule.broken)):
        key = _key(graph, number)
        if key is not None and key[0] not in keys:
            keys[key[0]] = key[1]
        else:
            rest.append(number)
    combinations = 1
    for texts in keys.values():
        combinations *= len(texts)
    lists = [shapes.constants(n) for n in (*rest, *(n for p in rule.pieces for n in (p.slope, p.intercept)))]
    if combinations > MOST_KEYS or any(each is None for each in lists):
        return None
    holes = tuple(number for each in lists for number in each or ())
    return _Part(rule, tuple(sorted(keys.items())), tuple(rest), holes) if len(holes) <= MOST_HOLES else None


def _conjuncts(graph: RuleGraph, number: int | None) -> Iterator[int]:
    """Conditions that hold together, ``not`` drawn inwards as far as that takes no new comparison of numbers."""
    if number is None:
        return
    node = graph.nodes[number]
    inner = graph.nodes[node.args[0]] if node.op == "not" else node
    if node.op == "and":
        for arg in node.args:
            yield from _conjuncts(graph, arg)
    elif node.op == "not" and inner.op == "not":
        yield from _conjuncts(graph, inner.args[0])
    elif node.op == "not" and inner.op == "or":
        for arg in inner.args:
            yield from _conjuncts(graph, graph.add("not", (arg,), None, BOOL))
    elif node.op == "not" and inner.op == "ne":
        yield graph.add("eq", inner.args, None, BOOL)
    else:
        yield number


def _key(graph: RuleGraph, number: int) -> tuple[int, tuple[str, ...]] | None:
    """``intent.symbol == "AAPL"`` or ``in ["AAPL", "MSFT"]``: the node that reads the text, and the texts."""
    node = graph.nodes[number]
    if node.op not in ("eq", "in"):
        return None
    for mine, theirs in (node.args, node.args[::-1]) if node.op == "eq" else (node.args,):
        read, value = graph.nodes[mine], graph.nodes[theirs].payload
        if read.op == "slot" and graph.nodes[theirs].op == "const" and graph.slots[read.payload].scale is None:
            if isinstance(value, str):
                return mine, (value,)
            if isinstance(value, frozenset) and value and all(isinstance(each, str) for each in value):
                return mine, tuple(sorted(value))
    return None


# ── from rules alike to a table ───────────────────────────────────────────────────────────────────────


def _family(graph: RuleGraph, parts: list[_Part]) -> Family | None:
    holes, cells, named = _columns(graph, parts)
    first = parts[0]
    filled = _Filling(graph, first.holes, named)
    rest = [filled.over(number) for number in first.rest]
    pieces = tuple(Piece(filled.over(p.slope), filled.over(p.intercept)) for p in first.rule.pieces)
    condition = graph.const(True, BOOL) if not rest else rest[0]
    for number in rest[1:]:
        condition = graph.add("and", (condition, number), None, BOOL)
    template = replace(first.rule, when=None, broken=condition, pieces=pieces)
    rows = tuple(Row(tuple(texts for _, texts in part.keys), part.rule.position, row) for part, row in zip(parts, cells, strict=True))
    family = Family(template, tuple(part.rule for part in parts), tuple(slot for slot, _ in first.keys), rows, holes)
    order = _order(graph, rest)
    if order is not None:
        upwards, column, factor = order
        index = holes.index(column)
        rows = tuple(sorted(rows, key=lambda row: (row.cells[index] if upwards else -row.cells[index], row.position)))
        family = replace(family, rows=rows, sorted=True, factor=factor)
    return family if len(parts) >= (FEWEST_KEYED if family.keys else FEWEST_SORTED if family.sorted else FEWEST) else None


def _columns(graph: RuleGraph, parts: list[_Part]) -> tuple[tuple[Hole, ...], list[tuple[Any, ...]], list[Hole | None]]:
    """Holes, the cells of each row, and which hole stands at each place; None: all rows say the same there."""
    columns: dict[tuple[int, ...], Hole] = {}
    told: list[list[Any]] = []
    named: list[Hole | None] = []
    for place in range(len(parts[0].holes)):
        numbers = tuple([part.holes[place] for part in parts])  # a constant is one node, so that its number stands for it
        if numbers.count(numbers[0]) == len(numbers):
            named.append(None)
            continue
        if numbers not in columns:
            values = [graph.nodes[number].payload for number in numbers]
            columns[numbers] = hole = _hole(f"k{len(columns)}", values)
            factor = hole.den * 10**hole.scale
            told.append([value.numerator * factor // value.denominator for value in values] if hole.number else values)
        named.append(columns[numbers])
    holes = tuple(columns.values())
    return holes, list(zip(*told, strict=True)) if told else [() for _ in parts], named


def _hole(name: str, values: list[Any]) -> Hole:
    if not isinstance(values[0], Fraction):
        return Hole(name, False)
    scale = den = 0
    rests = []
    for denominator in {value.denominator for value in values}:
        rest, twos, fives = denominator, 0, 0
        while rest % 2 == 0:
            rest, twos = rest // 2, twos + 1
        while rest % 5 == 0:
            rest, fives = rest // 5, fives + 1
        scale = max(scale, twos, fives)
        rests.append(rest)
    den = lcm(*rests)
    return Hole(name, True, scale, den)


class _Filling:
    """Rebuilds expressions of the first rule, its constants by holes where rows differ."""

    def __init__(self, graph: RuleGraph, constants: tuple[int, ...], named: list[Hole | None]) -> None:
        self.graph = graph
        self._left = iter(zip(constants, named, strict=True))

    def over(self, number: int) -> int:
        graph = self.graph
        node, type_ = graph.nodes[number], graph.types[number]
        if node.op == "const" and _is_hole(node.payload):
            _, hole = next(self._left)
            return number if hole is None else graph.add("hole", (), hole, type_)
        if node.op == "fold":
            return number
        args = tuple(self.over(arg) for arg in node.args)
        return number if args == node.args else graph.add(node.op, args, node.payload, type_)


def has_hole(graph: RuleGraph, number: int) -> bool:
    return any(graph.nodes[each].op == "hole" for each in graph.reach(number))


def _order(graph: RuleGraph, rest: list[int]) -> tuple[bool, Hole, int | None] | None:
    """If rows can be sorted: whether by growing thresholds, which column, and what it is multiplied with."""
    with_holes = [number for number in rest if has_hole(graph, number)]
    if len(with_holes) != 1:
        return None
    number, turned = with_holes[0], False
    while graph.nodes[number].op == "not":
        number, turned = graph.nodes[number].args[0], not turned
    node = graph.nodes[number]
    if node.op not in _FLIPPED:
        return None
    op: str = _OPPOSITE[node.op] if turned else node.op
    left, right = node.args
    if has_hole(graph, left):
        left, right, op = right, left, _FLIPPED[op]
    threshold = None if has_hole(graph, left) else _threshold(graph, right)
    return None if threshold is None else (op in ("gt", "ge"), *threshold)


def _threshold(graph: RuleGraph, number: int) -> tuple[Hole, int | None] | None:
    node = graph.nodes[number]
    if node.op == "hole":
        return (node.payload, None) if node.payload.number else None
    if node.op == "mul":
        for mine, theirs in (node.args, node.args[::-1]):
            if graph.nodes[mine].op == "hole" and not has_hole(graph, theirs):
                return graph.nodes[mine].payload, theirs
    return None


def by_key(family: Family) -> dict[Any, tuple[Row, ...]]:
    """Rows under each text, or under each combination of texts; a family without keys has all of them under ``()``."""
    found: dict[Any, list[Row]] = {}
    for row in family.rows:
        for texts in product(*row.keys):
            found.setdefault(texts[0] if len(texts) == 1 else texts, []).append(row)
    return {texts: tuple(rows) for texts, rows in found.items()}
