"""Where tests should look: the conditions of a rule, its comparisons with a bound, and how far "just beyond" is.

What a *boundary side* is, is said once, here: a comparison ``measure against bound`` has two sides, and a decision has
looked at one of them if it measured a value on that side at most one step away from the bound (docs/spec.md, CAP-COVER-3).
"""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from caplex.compiler.semantics.model import CheckedModule, LetBinding
from caplex.compiler.semantics.ranges import Ranges
from caplex.compiler.syntax import ast
from caplex.runtime.canonical import decimal_places
from caplex.runtime.judge import Case
from caplex.runtime.schema import Kind

SECOND: Final = 10**9
NEUTRAL_LOT: Final = Fraction(1, 10**8)
"""What tests take where nobody says a lot: nobody's choice, so no step either."""
STEPS: Final[dict[Kind, Fraction]] = {
    Kind.MONEY: Fraction(1, 100), Kind.PRICE: Fraction(1, 100), Kind.QUANTITY: Fraction(1), Kind.RATIO: Fraction(1, 10_000),
    Kind.COUNT: Fraction(1), Kind.DURATION: Fraction(SECOND), Kind.INSTANT: Fraction(SECOND), Kind.TIME: Fraction(SECOND),
}
"""One step of each unit: a cent, a hundredth of a price, a unit, a basis point, one thing, a second. Quantities step by the lot and
prices by the tick where one is said; what grows with the size of the order steps by what one lot more changes."""
ORDERED: Final = frozenset({"<", "<=", ">=", ">"})
EXACT_IS_LOW: Final = frozenset({"<=", ">"})
"""Comparisons whose bound itself belongs with the values below it."""


def parts(checked: CheckedModule, expr: ast.Expr) -> Iterator[ast.Expr]:
    """*expr* and what it is made of, definitions written out; not the rows that an aggregate ranges over."""
    yield expr
    for child in children(checked, expr):
        yield from parts(checked, child)


def children(checked: CheckedModule, expr: ast.Expr) -> list[ast.Expr]:
    match expr:
        case ast.Read():
            binding = checked.bindings.get(expr.id)
            return [binding.value] if isinstance(binding, LetBinding) else []
        case ast.Negate(operand=operand) | ast.Not(operand=operand):
            return [operand]
        case ast.Arithmetic(left=left, right=right) | ast.Logic(left=left, right=right) | ast.Compare(left=left, right=right):
            return [left, right]
        case ast.Within(value=value, low=low, high=high):
            return [value, low, high]
        case ast.Among(value=value, collection=other) | ast.IsMultiple(value=value, of=other):
            return [value, other]
        case ast.Else(value=value, fallback=fallback):
            return [value, fallback]
        case ast.If(condition=condition, then=then, otherwise=otherwise):
            return [condition, then, otherwise]
        case ast.Call(arguments=arguments):
            return [each for each in arguments if not isinstance(each, ast.Interval)]
    return []


def conditions(checked: CheckedModule, expr: ast.Expr, *, whole: bool) -> Iterator[ast.Expr]:
    """What should be seen both true and false: operands of `and`, `or`, `not` and `if`; *expr* itself where *whole*."""
    seen: set[int] = set()
    for part in parts(checked, expr):
        match part:
            case ast.Logic(left=left, right=right):
                found = [left, right]
            case ast.Not(operand=operand):
                found = [operand]
            case ast.If(condition=condition):
                found = [condition]
            case _:
                found = []
        for each in [expr, *found] if whole and part is expr else found:
            each = named(checked, each)
            # `a and b and c` is told as three operands, and not as a pair in a pair.
            if isinstance(each, ast.Logic | ast.Not) and each is not expr:
                continue
            if each.id not in seen and (each is not expr or whole):
                seen.add(each.id)
                yield each


def certain(ranges: Ranges, expr: ast.Expr) -> bool | None:
    """What *expr* is wherever it is known, by the declared ranges of facts and settings; None if it depends."""
    if isinstance(expr, ast.Aggregate):
        holds = certain(ranges, expr.body) if expr.body is not None else None
        return holds if (expr.function.text, holds) in (("all", True), ("any", False)) else None
    if isinstance(expr, ast.Logic):
        sides = (certain(ranges, expr.left), certain(ranges, expr.right))
        decisive = expr.operator == "or"
        return decisive if decisive in sides else None if None in sides else not decisive
    return ranges.truth(expr)


def named(checked: CheckedModule, expr: ast.Expr) -> ast.Expr:
    """What stands behind a definition."""
    while isinstance(expr, ast.Read) and isinstance(binding := checked.bindings.get(expr.id), LetBinding):
        expr = binding.value
    return expr


def comparisons(checked: CheckedModule, expr: ast.Expr) -> Iterator[ast.Compare | ast.Within | ast.InLast]:
    """Comparisons of an order in *expr*, each once."""
    seen: set[int] = set()
    for part in parts(checked, expr):
        fits = isinstance(part, ast.Within | ast.InLast) or (isinstance(part, ast.Compare) and part.operator in ORDERED)
        if fits and part.id not in seen:
            seen.add(part.id)
            yield part  # type: ignore[misc]


# ── how far is one step ───────────────────────────────────────────────────────────────────────────────


def lot_of(case: Case) -> Fraction:
    """One step of size: the lot; where nobody says one, one in the last decimal of the size asked for."""
    lot = case.grid.lot
    if isinstance(lot, Fraction) and (lot != NEUTRAL_LOT or case.plan.header.lot == lot):
        return lot
    places = decimal_places(case.n) or 0
    return Fraction(1, 10 ** min(places, 8))


def tick_of(case: Case) -> Fraction:
    """The smallest step of a price: of the instrument, else a hundredth."""
    world = case.bound.world
    symbol = world.claim("symbol")
    if isinstance(symbol, str) and "instrument" in world.schema.sections:
        tick = world.cell("instrument", None, "tick")
        if isinstance(tick, Fraction):
            return tick
    return STEPS[Kind.PRICE]


def step_of(kind: Kind, case: Case, bound: Fraction) -> Fraction:
    """One step of a measure of this kind that does not depend on the size."""
    match kind:
        case Kind.QUANTITY:
            return lot_of(case)
        case Kind.PRICE:
            return tick_of(case)
        case Kind.RATE:  # no grid of its own: a thousandth of the bound
            return abs(bound) / 1000
    return STEPS.get(kind, Fraction(1))


def side_of(operator: str, distance: Fraction) -> int:
    """0: the low side, 1: the high one, of a measure that is *distance* above its bound."""
    return 0 if distance < 0 or (distance == 0 and operator in EXACT_IS_LOW) else 1
