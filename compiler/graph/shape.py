"""Convex measures as maxima of affine pieces, which makes every reduction a closed formula.

``g(q) = max_i (a_i·q + b_i) ≤ 0`` holds on an interval whose ends are ``−b_i / a_i``; nothing is searched.
The checks have refused measures of any other shape (`semantics.shape`).
"""
from __future__ import annotations

from fractions import Fraction

from caplex.compiler.graph.ir import Piece, RuleGraph
from caplex.runtime.schema import Kind, Type
from caplex.runtime.values import UNLIMITED

RATIO = Type(Kind.RATIO)
ZERO, ONE = Fraction(0), Fraction(1)
MOST_PIECES = 64


class NotAffine(Exception):
    """The expression has no such form; the checks should have said so."""


def convex(graph: RuleGraph, number: int) -> tuple[Piece, ...]:
    """Pieces whose maximum is *number*."""
    return _shape(graph, number, (graph.const(ZERO, RATIO), graph.const(ONE, RATIO)), upper=True)


def _shape(graph: RuleGraph, number: int, units: tuple[int, int], *, upper: bool) -> tuple[Piece, ...]:
    """Pieces whose maximum (*upper*) or minimum is *number*; *units* are the nodes of 0 and 1."""
    node, type_ = graph.nodes[number], graph.types[number]
    if not graph.reads_size(number):
        return (Piece(units[0], number),)
    args = node.args
    match node.op:
        case "size":
            return (Piece(units[1], units[0]),)
        case "add":
            return _sum(graph, _shape(graph, args[0], units, upper=upper), _shape(graph, args[1], units, upper=upper))
        case "sub":
            return _sum(graph, _shape(graph, args[0], units, upper=upper), _negated(graph, _shape(graph, args[1], units, upper=not upper)))
        case "neg":
            return _negated(graph, _shape(graph, args[0], units, upper=not upper))
        case "mul":
            factor, inner = (args[0], args[1]) if not graph.reads_size(args[0]) else (args[1], args[0])
            return _scaled(graph, inner, factor, units, "mul", upper=upper)
        case "div" if not graph.reads_size(args[1]):
            return _scaled(graph, args[0], args[1], units, "div", upper=upper)
        case "abs" if upper:
            inside = _shape(graph, args[0], units, upper=True)
            if len(inside) == 1:
                return inside + _negated(graph, inside)
            if non_negative(graph, args[0]):
                return inside
        case "max" | "min" if (node.op == "max") == upper:
            pieces = _shape(graph, args[0], units, upper=upper) + _shape(graph, args[1], units, upper=upper)
            if len(pieces) <= MOST_PIECES:
                return pieces
        case "if" if not graph.reads_size(args[0]):
            then, other = (list(_shape(graph, a, units, upper=upper)) for a in args[1:])
            while len(then) < len(other):
                then.append(then[-1])
            while len(other) < len(then):
                other.append(other[-1])
            return tuple(
                Piece(graph.add("if", (args[0], a.slope, b.slope), None, type_), graph.add("if", (args[0], a.intercept, b.intercept), None, type_))
                for a, b in zip(then, other, strict=True))
        case _:
            pass
    raise NotAffine(node.op)


def _sum(graph: RuleGraph, left: tuple[Piece, ...], right: tuple[Piece, ...]) -> tuple[Piece, ...]:
    if len(left) * len(right) > MOST_PIECES:
        raise NotAffine("too many pieces")

    def add(a: int, b: int) -> int:
        if is_zero(graph, b):
            return a
        return b if is_zero(graph, a) else graph.add("add", (a, b), None, graph.types[a])

    return tuple(Piece(add(a.slope, b.slope), add(a.intercept, b.intercept)) for a in left for b in right)


def _negated(graph: RuleGraph, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    def minus(n: int) -> int:
        return n if is_zero(graph, n) else graph.add("neg", (n,), None, graph.types[n])

    return tuple(Piece(minus(p.slope), minus(p.intercept)) for p in pieces)


def _scaled(graph: RuleGraph, inner: int, factor: int, units: tuple[int, int], op: str, *, upper: bool) -> tuple[Piece, ...]:
    """``inner * factor`` or ``inner / factor``; a divisor is positive, or the rule is unevaluable."""
    def times(n: int) -> int:
        return n if is_zero(graph, n) else graph.add(op, (n, factor), None, graph.types[n])

    def apply(given: tuple[Piece, ...]) -> tuple[Piece, ...]:
        return tuple(Piece(times(p.slope), times(p.intercept)) for p in given)

    pieces = None
    try:
        pieces = _shape(graph, inner, units, upper=upper)
    except NotAffine:
        if op == "div" or not non_positive(graph, factor):
            raise
    if pieces is not None and (len(pieces) == 1 or op == "div" or non_negative(graph, factor)):
        return apply(pieces)
    if non_positive(graph, factor):
        return apply(_shape(graph, inner, units, upper=not upper))
    raise NotAffine(op)


def is_zero(graph: RuleGraph, number: int) -> bool:
    node = graph.nodes[number]
    return node.op == "const" and node.payload == 0 and node.payload is not False and node.payload is not UNLIMITED


BOOK_NON_NEGATIVE = frozenset({"value", "order_value", "closing", "others_gross", "held_gross", "held_count", "committed_count"})


def non_negative(graph: RuleGraph, number: int) -> bool:
    """Is it never negative, by literals and declared ranges?"""
    node = graph.nodes[number]
    a = node.args
    match node.op:
        case "const":
            return not isinstance(node.payload, (str, frozenset)) and node.payload is not UNLIMITED and node.payload >= 0
        case "size" | "abs":
            return True
        case "slot":
            spec = graph.slots[node.payload]
            if spec.kind == "setting":
                info = graph.settings[spec.name]
                return all(v is None or v >= 0 for v in (info.value, *(o.value for o in info.overrides)))
            if spec.kind == "field":
                field = graph.schema.field(spec.section, spec.name)
                return field is not None and field.non_negative
            return spec.kind == "counter" or (spec.kind == "book" and spec.name in BOOK_NON_NEGATIVE)
        case "add" | "mul":
            return non_negative(graph, a[0]) and non_negative(graph, a[1])
        case "div":
            return non_negative(graph, a[0])
        case "max":
            return non_negative(graph, a[0]) or non_negative(graph, a[1])
        case "min" | "else":
            return non_negative(graph, a[0]) and non_negative(graph, a[1])
        case "if":
            return non_negative(graph, a[1]) and non_negative(graph, a[2])
    return False


def non_positive(graph: RuleGraph, number: int) -> bool:
    node = graph.nodes[number]
    if node.op == "neg":
        return non_negative(graph, node.args[0])
    if node.op == "slot" and graph.slots[node.payload].kind == "setting":
        info = graph.settings[graph.slots[node.payload].name]
        return not info.overrides and isinstance(info.value, Fraction) and info.value <= 0
    return node.op == "const" and not isinstance(node.payload, (str, frozenset)) and node.payload is not UNLIMITED and node.payload <= 0
