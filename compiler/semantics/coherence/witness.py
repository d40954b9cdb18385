"""A witness against a measure: two sizes that are kept with a broken one between, found by trying small numbers.

Only called once a proof has failed, so it may be slow; it gives up silently, and is deterministic.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from caplex.compiler.semantics.coherence.context import OF_BOUNDARY, Context
from caplex.compiler.semantics.model import DerivedBinding, FieldBinding, LetBinding, SettingBinding
from caplex.compiler.semantics.shape import FLIPPED
from caplex.compiler.syntax import ast

MOST_WORLDS = 100
MOST_WITNESSES = 10
"""A file with more gaps than this has its point made."""
SIZES = (Fraction(1, 4), Fraction(1, 2), *(Fraction(size) for size in (*range(1, 13), 15, 20, 30, 40, 60, 80)))
PRICE = Fraction(10)


@dataclass(frozen=True, slots=True)
class World:
    """A book in one symbol: *base* units held, an intent that buys (*direction* 1) or sells (−1); *pick* chooses the rest."""

    base: int
    direction: int
    pick: int

    def tell(self) -> str:
        side = "buying" if self.direction > 0 else "selling"
        held = "a flat book" if not self.base else f"{abs(self.base)} units {'long' if self.base > 0 else 'short'}"
        return f"{side} from {held} at {PRICE}"


class _Cannot(Exception):
    pass


def broken_between(context: Context, node: ast.Rule | ast.Limit) -> str | None:
    """A sentence with a broken size between two kept ones, or None if none was found. The guard, constant in the size, holds."""
    context.witnesses += 1
    if context.witnesses > MOST_WITNESSES:
        return None
    menu = _menu(context, node)
    for world in _worlds():
        trial = _Trial(context, world, menu)
        try:
            kept = [trial.kept(node, size) for size in SIZES]
        except _Cannot:
            continue
        first = next((i for i, ok in enumerate(kept) if ok), None)
        if first is None:
            continue
        gap = next((i for i in range(first + 1, len(kept)) if not kept[i]), None)
        again = next((i for i in range(gap + 1, len(kept)) if kept[i]), None) if gap is not None else None
        if gap is not None and again is not None:
            told = ", ".join(f"`{name}` = {_plain(value)}" for name, value in sorted(trial.reads.values()))
            where = world.tell() + (f", with {told}" if told else "")
            return f"{where}: kept at {_plain(SIZES[gap - 1])} and at {_plain(SIZES[again])} units, broken at {_plain(SIZES[gap])}"
    return None


def _menu(context: Context, node: ast.Rule | ast.Limit) -> tuple[Fraction, ...]:
    """Values to try: round ones, and some near the numbers that the rule names."""
    named: set[Fraction] = set()
    for expr in (node.measure, node.bound) if isinstance(node, ast.Limit) else (node.effect.condition,):
        for part in context.walk(expr):
            value = context.ranges.of(part)
            if value.low is not None and value.low == value.high:
                named.add(value.low)
    near = [value + step for value in sorted(named) for step in (50, 20, -20)]
    return (*(Fraction(value) for value in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)), *near[:13])


def _plain(value: Fraction) -> str:
    """*value* as a short decimal if it has one, else as a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    for places in range(1, 7):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = f"{abs(scaled.numerator):0{places + 1}d}"
            return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"
    return str(value)


def _worlds() -> Iterator[World]:
    count = 0
    for pick in range(40):
        for base in (0, 5, -5, 10, -10):
            for direction in (1, -1):
                count += 1
                if count > MOST_WORLDS:
                    return
                yield World(base, direction, pick)


class _Trial:
    """Evaluates in one world; every constant leaf has a value of its own, the same at every size."""

    def __init__(self, context: Context, world: World, menu: tuple[Fraction, ...]) -> None:
        self._context = context
        self._menu = menu
        self._world = world
        self._constants: dict[int, Fraction] = {}
        self._sized: dict[str, Fraction] = {}
        self.reads: dict[int, tuple[str, Fraction]] = {}
        """What was chosen for the leaves, by key."""

    def kept(self, node: ast.Rule | ast.Limit, size: Fraction) -> bool:
        self._sized = self._at(size)
        if isinstance(node, ast.Limit):
            return _holds(self.number(node.measure), OF_BOUNDARY[node.boundary], self.number(node.bound))
        truth = self.truth(node.effect.condition)
        return truth if isinstance(node.effect, ast.Require) else not truth

    def truth(self, expr: ast.Expr) -> bool:
        match expr:
            case ast.Bool():
                return expr.value
            case ast.Not():
                return not self.truth(expr.operand)
            case ast.Logic():
                left, right = self.truth(expr.left), self.truth(expr.right)
                return (left and right) if expr.operator == "and" else (left or right)
            case ast.Compare() if self._numeric(expr.left):
                return _holds(self.number(expr.left), expr.operator, self.number(expr.right))
            case ast.Within():
                return self.number(expr.low) <= self.number(expr.value) <= self.number(expr.high)
            case ast.IsMultiple():
                step = self.number(expr.of)
                if step <= 0:
                    raise _Cannot
                return (self.number(expr.value) / step).denominator == 1
            case ast.If():
                return self.truth(expr.then if self.truth(expr.condition) else expr.otherwise)
            case ast.Read() if (through := self._context.seen_through(expr)) is not expr:
                return self.truth(through)
            case _ if not self._context.shapes.reads_size(expr):
                return (self._context.key(expr) + self._world.pick) % 2 == 0
            case _:
                raise _Cannot

    def _numeric(self, expr: ast.Expr) -> bool:
        type_ = self._context.checked.types.get(expr.id)
        return type_ is not None and type_.numeric

    def number(self, expr: ast.Expr) -> Fraction:
        if self._context.shapes.reads_size(expr):
            return self._number(expr)
        found = self._constants.get(expr.id)
        if found is None:
            leaf = isinstance(expr, (ast.Read, ast.Aggregate, ast.Else))
            found = self._constants[expr.id] = self._leaf(expr) if leaf else self._number(expr)
        return found

    def _number(self, expr: ast.Expr) -> Fraction:
        match expr:
            case ast.Read():
                binding = self._context.checked.bindings.get(expr.id)
                if isinstance(binding, LetBinding):
                    return self.number(binding.value)
                return self._sized[binding.name if isinstance(binding, DerivedBinding) else "intent.quantity"]
            case ast.Negate():
                return -self.number(expr.operand)
            case ast.Arithmetic():
                return self._arithmetic(expr)
            case ast.If():
                return self.number(expr.then if self.truth(expr.condition) else expr.otherwise)
            case ast.Call():
                return self._call(expr)
            case _:
                value = self._context.ranges.of(expr)
                if value.low is None or value.low != value.high:
                    raise _Cannot
                return value.low

    def _arithmetic(self, expr: ast.Arithmetic) -> Fraction:
        left, right = self.number(expr.left), self.number(expr.right)
        match expr.operator:
            case "+":
                return left + right
            case "-":
                return left - right
            case "/":
                if right <= 0:
                    raise _Cannot
                return left / right
            case _:
                return left * right

    def _call(self, expr: ast.Call) -> Fraction:
        values = [self.number(argument) for argument in expr.arguments if not isinstance(argument, ast.Interval)]
        last = expr.arguments[-1]
        if isinstance(last, ast.Interval):
            return min(max(values[0], self.number(last.low)), self.number(last.high))
        match expr.function.text:
            case "abs":
                return abs(values[0])
            case "max":
                return max(values)
            case "min":
                return min(values)
        raise _Cannot

    def _at(self, size: Fraction) -> dict[str, Fraction]:
        """The leaves that read the size."""
        base, direction = Fraction(self._world.base), self._world.direction
        closing = max(Fraction(0), -base * direction)
        after = base + direction * size
        money = after * PRICE
        return {
            "intent.quantity": size, "intent.notional": size * PRICE, "intent.opening": max(Fraction(0), size - closing),
            "intent.closing": min(size, closing), "after.position.quantity": after, "after.position.notional": money,
            "after.portfolio.gross": abs(money), "after.portfolio.net": money,
        }

    def _leaf(self, expr: ast.Expr) -> Fraction:
        """A value of its own for what is constant in the size, within its range."""
        through = self._context.seen_through(expr)
        if through is not expr:
            return self.number(through)
        binding = self._context.checked.bindings.get(expr.id) if isinstance(expr, ast.Read) else None
        if isinstance(binding, (DerivedBinding, FieldBinding)):
            known = self._book(binding.name if isinstance(binding, DerivedBinding) else binding.field.path)
            if known is not None:
                return known
        key = self._context.key(expr)
        values = self._context.ranges.of(expr)
        if values.low is not None and values.low == values.high:
            return values.low
        wanted = self._menu[(key * 7 + self._world.pick * 3) % len(self._menu)]
        if values.high is not None and wanted >= values.high:
            wanted = values.high if values.low is None else (values.low + values.high) / 2
        if values.low is not None and wanted <= values.low:
            wanted = values.low + 1 if values.high is None else (values.low + values.high) / 2
        name = binding.name if isinstance(binding, SettingBinding) else expr.span.text
        self.reads[key] = (name, wanted)
        return wanted

    def _book(self, path: str) -> Fraction | None:
        """What the world itself says: positions and the price."""
        units = Fraction(self._world.base)
        money = units * PRICE
        return {
            "position.quantity": units, "committed.position.quantity": units, "position.notional": money, "market.price": PRICE,
            "committed.position.notional": money, "portfolio.net": money, "portfolio.gross": abs(money), "committed.portfolio.gross": abs(money),
        }.get(path)


def _holds(left: Fraction, operator: str, right: Fraction) -> bool:
    if operator in ("<", "<="):
        return left < right or (operator == "<=" and left == right)
    return left == right if operator == "==" else not _holds(left, FLIPPED[operator], right)
