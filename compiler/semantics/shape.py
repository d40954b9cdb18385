"""How an expression bends in *q*, the size that is judged: the rules of disciplined convex programming (CAP-SHAPE).

A rule keeps every size up to the largest that it keeps only if its measure is convex under an upper bound and concave
under a lower one. `curvature` proves that, or names the sub-expression at which the proof ends; it never guesses.
What it accepts is what `graph.shape` can write as a maximum of affine pieces.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from caplex.compiler.semantics.builtins import READS_SIZE
from caplex.compiler.semantics.model import CheckedModule, DerivedBinding, FieldBinding, LetBinding
from caplex.compiler.semantics.ranges import Interval, Ranges
from caplex.compiler.syntax import ast

MOST_PIECES: Final = 64
FLIPPED: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


class Curvature(Enum):
    CONSTANT = "does not read the size"
    AFFINE = "grows evenly with the size"
    CONVEX = "is convex in the size"
    CONCAVE = "is concave in the size"
    NEITHER = "is neither convex nor concave in the size"


CONSTANT, AFFINE, CONVEX, CONCAVE, NEITHER = Curvature


class Sign(Enum):
    POSITIVE = "positive"
    NON_NEGATIVE = "not negative"
    NEGATIVE = "negative"
    NON_POSITIVE = "not positive"
    ANY = "of either sign"


@dataclass(frozen=True, slots=True)
class Shape:
    """Attributes:
        witness: Where the proof ends, and *why*; None unless the curvature is NEITHER.
        pieces: Affine pieces that its maximum or minimum needs.
    """

    curvature: Curvature
    pieces: int = 1
    witness: ast.Expr | None = None
    why: str = ""

    def fits(self, side: Literal["upper", "lower"]) -> bool:
        """May stand under an upper bound (``at most``) or a lower one (``at least``)."""
        return self.curvature in (CONSTANT, AFFINE, CONVEX if side == "upper" else CONCAVE)


_CONSTANT: Final = Shape(CONSTANT)
_LEAVES: Final[dict[str, Shape]] = {
    "intent.opening": Shape(CONVEX, 2), "intent.closing": Shape(CONCAVE, 2), "after.portfolio.gross": Shape(CONVEX, 2),
}


def curvature(expr: ast.Expr, checked: CheckedModule) -> Curvature:
    """How *expr* bends in the size. Use a `Shapes` for more than one question."""
    return Shapes(checked).of(expr).curvature


def sign(expr: ast.Expr, checked: CheckedModule) -> Sign:
    """The sign of *expr*, by literals, declared ranges and the values of settings."""
    found = Ranges(checked).of(expr)
    if found.positive:
        return Sign.POSITIVE
    if (-found).positive:
        return Sign.NEGATIVE
    return Sign.NON_NEGATIVE if found.non_negative else Sign.NON_POSITIVE if found.non_positive else Sign.ANY


def interval(expr: ast.Expr, checked: CheckedModule) -> Interval:
    """The values that *expr* can take."""
    return Ranges(checked).of(expr)


class Shapes:
    """Shapes of the expressions of one checked module, each worked out once."""

    def __init__(self, checked: CheckedModule, ranges: Ranges | None = None) -> None:
        self._checked = checked
        self.ranges = ranges or Ranges(checked)
        self._memo: dict[int, Shape] = {}
        self._reads: dict[int, bool] = {}

    def of(self, expr: ast.Expr) -> Shape:
        """The shape of a number."""
        found = self._memo.get(expr.id)
        if found is None:
            found = self._of(expr) if self.reads_size(expr) else _CONSTANT
            if found.pieces > MOST_PIECES:
                found = _neither(expr, "it has too many corners")
            self._memo[expr.id] = found
        return found

    def difference(self, left: ast.Expr, right: ast.Expr, whole: ast.Expr) -> Shape:
        """The shape of ``left - right``; *whole* stands for it in a witness."""
        return _sum(self.of(left), _negated(self.of(right)), whole)

    def reads_size(self, expr: ast.Expr) -> bool:
        found = self._reads.get(expr.id)
        if found is None:
            inside = INSIDE.get(expr.__class__)
            found = self._reads[expr.id] = inside is not None and self._find(expr, inside)
        return found

    def _find(self, expr: ast.Expr, inside: Callable[[Any], tuple[ast.Expr, ...]]) -> bool:
        if isinstance(expr, ast.Read):
            match self._checked.bindings.get(expr.id):
                case LetBinding(value=value):
                    return self.reads_size(value)
                case DerivedBinding(name=name):
                    return name in READS_SIZE
                case FieldBinding(field=field, key=None):
                    return field.path in READS_SIZE
                case _:
                    return False
        return any(map(self.reads_size, inside(expr)))

    def _of(self, expr: ast.Expr) -> Shape:
        """The shape of *expr*, which reads the size."""
        match expr:
            case ast.Read():
                return self._leaf(expr)
            case ast.Negate():
                return _negated(self.of(expr.operand))
            case ast.Arithmetic(operator="+"):
                return _sum(self.of(expr.left), self.of(expr.right), expr)
            case ast.Arithmetic(operator="-"):
                return self.difference(expr.left, expr.right, expr)
            case ast.Arithmetic(operator="/"):
                if self.reads_size(expr.right):
                    return _neither(expr, "it divides by something that changes with the size")
                return self.of(expr.left)
            case ast.Arithmetic():
                return self._product(expr)
            case ast.If():
                if self.reads_size(expr.condition):
                    return _neither(expr, "its condition changes with the size, so it jumps")
                return _either(self.of(expr.then), self.of(expr.otherwise), expr)
            case ast.Call():
                return self._call(expr)
            case ast.Else():
                return _neither(expr, "a fallback may not depend on the size")
            case ast.Aggregate():
                return _neither(expr, "an aggregate may not read the size")
            case _:
                return _neither(expr, "it is not a number that grows with the size")

    def _leaf(self, expr: ast.Read) -> Shape:
        match self._checked.bindings.get(expr.id):
            case LetBinding(value=value):
                return self.of(value)
            case DerivedBinding(name=name):
                return _LEAVES.get(name, Shape(AFFINE))
            case _:
                return Shape(AFFINE)

    def _product(self, expr: ast.Arithmetic) -> Shape:
        left, right = self.reads_size(expr.left), self.reads_size(expr.right)
        if left and right:
            return _neither(expr, "both factors change with the size")
        inner, factor = self.of(expr.left if left else expr.right), expr.right if left else expr.left
        if inner.curvature in (AFFINE, NEITHER):
            return inner
        values = self.ranges.of(factor)
        if values.non_negative:
            return inner
        return _negated(inner) if values.non_positive else _neither(factor, "its sign is not known, so the product may bend either way")

    def _call(self, expr: ast.Call) -> Shape:
        function = expr.function.text
        shapes = [(argument, self.of(argument)) for argument in expr.arguments if not isinstance(argument, ast.Interval)]
        for _, shape in shapes:
            if shape.curvature is NEITHER:
                return shape
        if function == "abs":
            argument, shape = shapes[0]
            if shape.curvature is AFFINE:
                return Shape(CONVEX, 2)
            if shape.curvature is CONVEX and self.ranges.of(argument).non_negative:
                return shape
            return _neither(expr, f"`abs` of what {shape.curvature.value} and may be negative")
        if function in ("max", "min"):
            bent, other = (CONVEX, CONCAVE) if function == "max" else (CONCAVE, CONVEX)
            for _, shape in shapes:
                if shape.curvature is other:
                    return _neither(expr, f"`{function}` of what {shape.curvature.value}")
            return Shape(bent, sum(shape.pieces for _, shape in shapes))
        return _neither(expr, f"`{function}` is flat at both ends and rises between them" if function == "clamp" else "its shape is not known")

    # ── conditions ────────────────────────────────────────────────────────────────────────────────────

    def condition(self, expr: ast.Expr, *, wanted: bool) -> Shape:
        """Whether the sizes at which *expr* is *wanted* lie in one piece: CONSTANT or CONVEX, else NEITHER with a witness."""
        if not self.reads_size(expr):
            return _CONSTANT
        match expr:
            case ast.Not():
                return self.condition(expr.operand, wanted=not wanted)
            case ast.Logic():
                sides = (self.condition(expr.left, wanted=wanted), self.condition(expr.right, wanted=wanted))
                for side in sides:
                    if side.curvature is NEITHER:
                        return side
                both = (expr.operator == "and") is wanted
                if both or CONSTANT in (sides[0].curvature, sides[1].curvature):
                    return Shape(CONVEX)
                return _neither(expr, "either side alone may keep a size, with a gap between them")
            case ast.Compare():
                return self._comparison(expr, expr.operator if wanted else FLIPPED[expr.operator])
            case ast.Within():
                if not wanted:
                    return _neither(expr, "sizes on both sides of the range are kept, and those within are not")
                sides = (self.difference(expr.value, expr.low, expr), self.difference(expr.value, expr.high, expr))
                if sides[0].fits("lower") and sides[1].fits("upper"):
                    return Shape(CONVEX)
                return next((side for side in sides if side.witness is not None), _neither(expr.value, "it leaves and enters the range"))
            case ast.Read():
                binding = self._checked.bindings.get(expr.id)
                if isinstance(binding, LetBinding):
                    return self.condition(binding.value, wanted=wanted)
                return _neither(expr, "it is not a comparison")
            case ast.If() if not self.reads_size(expr.condition):
                sides = (self.condition(expr.then, wanted=wanted), self.condition(expr.otherwise, wanted=wanted))
                return next((side for side in sides if side.curvature is NEITHER), Shape(CONVEX))
            case _:
                return _neither(expr, "only a comparison of numbers may depend on the size")

    def _comparison(self, expr: ast.Compare, operator: str) -> Shape:
        if operator == "!=":
            return _neither(expr, "sizes below and above are kept, and the one between is not")
        shape = self.difference(expr.left, expr.right, expr)
        if operator == "==":
            return Shape(CONVEX) if shape.curvature in (CONSTANT, AFFINE) else _or(shape, expr)
        return Shape(CONVEX) if shape.fits("upper" if operator in ("<", "<=") else "lower") else _or(shape, expr)


def children(expr: ast.Expr) -> tuple[ast.Expr, ...]:
    """The expressions directly inside *expr*, in the order of the text."""
    inside = INSIDE.get(expr.__class__)
    return () if inside is None else inside(expr)


def _pair(expr: Any) -> tuple[ast.Expr, ...]:
    return (expr.left, expr.right)


def _arguments(expr: ast.Call) -> tuple[ast.Expr, ...]:
    found: list[ast.Expr] = []
    for argument in expr.arguments:
        found.extend((argument.low, argument.high) if isinstance(argument, ast.Interval) else (argument,))
    return tuple(found)


def _keys(expr: ast.Read) -> tuple[ast.Expr, ...]:
    for step in expr.steps:  # most reads have none, and are asked often
        if step.__class__ is ast.RowStep:
            return tuple(step.key for step in expr.steps if isinstance(step, ast.RowStep))
    return ()


# By class: a policy of ten thousand rules asks this a million times.
INSIDE: Final[dict[type, Callable[[Any], tuple[ast.Expr, ...]]]] = {
    ast.Negate: lambda expr: (expr.operand,),
    ast.Not: lambda expr: (expr.operand,),
    ast.Arithmetic: _pair,
    ast.Logic: _pair,
    ast.Compare: _pair,
    ast.Within: lambda expr: (expr.value, expr.low, expr.high),
    ast.Among: lambda expr: (expr.value, expr.collection),
    ast.IsKnown: lambda expr: (expr.value,),
    ast.Today: lambda expr: (expr.value,),
    ast.IsMultiple: lambda expr: (expr.value, expr.of),
    ast.Else: lambda expr: (expr.value, expr.fallback),
    ast.If: lambda expr: (expr.condition, expr.then, expr.otherwise),
    ast.InLast: lambda expr: (expr.value, expr.window),
    ast.ListOf: lambda expr: expr.items,
    ast.Call: _arguments,
    ast.Aggregate: lambda expr: tuple(part for part in (expr.body, expr.last, expr.where) if part is not None),
    ast.Read: _keys,
}


def _neither(expr: ast.Expr, why: str) -> Shape:
    return Shape(NEITHER, 1, expr, why)


def _or(shape: Shape, expr: ast.Expr) -> Shape:
    """*shape* if it has a witness, else one that names *expr*."""
    return shape if shape.curvature is NEITHER else _neither(expr, f"what is compared {shape.curvature.value}")


def _negated(shape: Shape) -> Shape:
    if shape.curvature in (CONVEX, CONCAVE):
        return Shape(CONCAVE if shape.curvature is CONVEX else CONVEX, shape.pieces)
    return shape


def _sum(left: Shape, right: Shape, whole: ast.Expr) -> Shape:
    joined = _join(left, right, whole, "one part bends up and the other down")
    return joined if joined.curvature is NEITHER else Shape(joined.curvature, left.pieces * right.pieces)


def _either(left: Shape, right: Shape, whole: ast.Expr) -> Shape:
    joined = _join(left, right, whole, "one branch bends up and the other down")
    return joined if joined.curvature is NEITHER else Shape(joined.curvature, max(left.pieces, right.pieces))


def _join(left: Shape, right: Shape, whole: ast.Expr, why: str) -> Shape:
    if left.curvature is NEITHER:
        return left
    if right.curvature is NEITHER:
        return right
    curvatures = {left.curvature, right.curvature}
    if curvatures >= {CONVEX, CONCAVE}:
        return _neither(whole, why)
    for bent in (CONVEX, CONCAVE, AFFINE):
        if bent in curvatures:
            return Shape(bent)
    return _CONSTANT
