"""Can these conditions hold together? Intervals and sets over the readings that they share.

Answers "no" only when that is certain; disjunctions are tried one by one within a budget.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from caplex.compiler.semantics.coherence.context import SWAPPED, Comparison, Context
from caplex.compiler.semantics.model import MemberBinding
from caplex.compiler.semantics.ranges import EVERYTHING, NON_NEGATIVE, Interval, Ranges, exactly
from caplex.compiler.semantics.shape import FLIPPED
from caplex.compiler.syntax import ast

Term = tuple[ast.Expr, bool] | Comparison
"""A condition and what it must be, or a comparison that must hold."""
BUDGET = 128
_ZERO, _ONE = Fraction(0), Fraction(1)


@dataclass(slots=True)
class Case:
    """One way in which all terms hold, as far as it is understood; keyed by `Context.key`."""

    numbers: dict[int, Interval] = field(default_factory=dict)
    shown: dict[int, ast.Expr] = field(default_factory=dict)
    truths: dict[int, bool] = field(default_factory=dict)
    within: dict[int, frozenset[object]] = field(default_factory=dict)
    without: dict[int, frozenset[object]] = field(default_factory=dict)
    shares: list[tuple[ast.Expr, str, Fraction, ast.Expr]] = field(default_factory=list)
    """``left operator factor × whole`` where the sign of the whole decides what that says."""

    def copy(self) -> Case:
        return Case(dict(self.numbers), dict(self.shown), dict(self.truths), dict(self.within), dict(self.without), list(self.shares))


def possible(context: Context, ranges: Ranges, terms: list[Term]) -> Case | None:
    """A case in which all *terms* hold; None if there is certainly none."""
    return _Search(context, ranges).run(list(reversed(terms)), Case())


class _Search:
    def __init__(self, context: Context, ranges: Ranges) -> None:
        self._context = context
        self._ranges = ranges
        self._left = BUDGET

    def run(self, pending: list[Term], case: Case) -> Case | None:
        while pending:
            term = pending.pop()
            if isinstance(term, Comparison):
                if not self._relate(case, term.left, term.operator, term.right):
                    return None
                continue
            expr, wanted = self._context.seen_through(term[0]), term[1]
            match expr:
                case ast.Bool():
                    if expr.value is not wanted:
                        return None
                case ast.Not():
                    pending.append((expr.operand, not wanted))
                case ast.Logic() if (expr.operator == "and") is wanted:
                    pending += [(expr.right, wanted), (expr.left, wanted)]
                case ast.Logic():
                    return self._either(pending, case, (expr.left, wanted), (expr.right, wanted))
                case ast.Within():
                    low, high = Comparison(expr.value, ">=", expr.low), Comparison(expr.value, "<=", expr.high)
                    if wanted:
                        pending += [high, low]
                    else:
                        return self._either(pending, case, _not(low), _not(high))
                case _:
                    if not self._atom(case, expr, wanted):
                        return None
        return case if self._settle(case) else None

    def _either(self, pending: list[Term], case: Case, *choices: Term) -> Case | None:
        for choice in choices:
            self._left -= 1
            if self._left < 0:
                return Case()
            found = self.run([*pending, choice], case.copy())
            if found is not None:
                return found
        return None

    # ── atoms ─────────────────────────────────────────────────────────────────────────────────────────

    def _atom(self, case: Case, expr: ast.Expr, wanted: bool) -> bool:
        if isinstance(expr, ast.Compare):
            operator = expr.operator if wanted else FLIPPED[expr.operator]
            if self._numeric(expr.left):
                return self._relate(case, expr.left, operator, expr.right)
            if operator in ("==", "!="):
                for one, other in ((expr.left, expr.right), (expr.right, expr.left)):
                    word = self._word(other)
                    if word is not None:
                        return self._belongs(case, one, frozenset((word,)), operator == "==")
        if isinstance(expr, ast.Among) and isinstance(expr.collection, ast.ListOf):
            words = [self._word(item) for item in expr.collection.items]
            if None not in words:
                return self._belongs(case, expr.value, frozenset(words), wanted is not expr.negated)
        if isinstance(expr, ast.IsKnown) and expr.negated:
            return case.truths.setdefault(self._context.intern("known", self._context.key(expr.value)), not wanted) is not wanted
        if isinstance(expr, ast.IsKnown):
            return case.truths.setdefault(self._context.intern("known", self._context.key(expr.value)), wanted) is wanted
        truth = self._ranges.truth(expr)
        return truth is not (not wanted) and case.truths.setdefault(self._context.key(expr), wanted) is wanted

    def _numeric(self, expr: ast.Expr) -> bool:
        type_ = self._context.checked.types.get(expr.id)
        return type_ is not None and type_.numeric

    def _word(self, expr: ast.Expr) -> object | None:
        match self._context.seen_through(expr):
            case ast.Text(value=value):
                return value
            case ast.Read() as read if isinstance(binding := self._context.checked.bindings.get(read.id), MemberBinding):
                return binding.value
            case _:
                return None

    def _belongs(self, case: Case, expr: ast.Expr, words: frozenset[object], inside: bool) -> bool:
        key = self._context.key(expr)
        type_ = self._context.checked.types.get(expr.id)
        if key not in case.within and type_ is not None and type_.members:
            case.within[key] = frozenset(type_.members)
        if inside:
            case.within[key] = case.within[key] & words if key in case.within else words
        else:
            case.without[key] = case.without.get(key, frozenset()) | words
        return key not in case.within or bool(case.within[key] - case.without.get(key, frozenset()))

    # ── numbers ───────────────────────────────────────────────────────────────────────────────────────

    def _relate(self, case: Case, left: ast.Expr, operator: str, right: ast.Expr) -> bool:
        """Whether ``left operator right`` can hold beside what *case* knows."""
        a, b = self._ranges.of(left), self._ranges.of(right)
        if isinstance(left, ast.Unlimited) or isinstance(right, ast.Unlimited):
            below = isinstance(right, ast.Unlimited)  # `x < unlimited` holds for every x
            return operator == "!=" or (operator in ("<", "<=")) is below
        truth = a.holds(operator, b)
        if truth is not None:
            return truth
        if (only := b.only) is not None:
            return self._narrow(case, self._context.key(left), left, a, operator, only)
        if (only := a.only) is not None:
            return self._narrow(case, self._context.key(right), right, b, SWAPPED[operator], only)
        factor, whole = self._share(right)
        if whole is not None:
            case.shares.append((left, operator, factor, whole))
            return True
        factor, whole = self._share(left)
        if whole is not None:
            case.shares.append((right, SWAPPED[operator], factor, whole))
            return True
        return True

    def _share(self, expr: ast.Expr) -> tuple[Fraction, ast.Expr | None]:
        """*expr* as a positive factor times a whole."""
        expr = self._context.seen_through(expr)
        if isinstance(expr, ast.Arithmetic) and expr.operator in ("*", "of"):
            for factor, whole in ((expr.left, expr.right), (expr.right, expr.left)):
                value = self._ranges.of(factor).only
                if value is not None and value.numerator > 0:
                    return value, whole
        return _ONE, expr if self._ranges.of(expr).only is None else None

    def _settle(self, case: Case) -> bool:
        """Turn shares into bounds on ``left / whole``, once it is known which wholes are positive."""
        positive: set[int] = set()
        for left, operator, _, whole in case.shares:
            values = self._ranges.of(whole)
            known = case.numbers.get(self._context.key(whole), values).meet(values)
            if known.non_negative or (operator in ("<", "<=") and self._ranges.of(left).non_negative):
                positive.add(self._context.key(whole))
        for left, operator, factor, whole in case.shares:
            key = self._context.key(whole)
            if key in positive:
                ratio = self._context.intern("ratio", self._context.key(left), key)
                sign = NON_NEGATIVE if self._ranges.of(left).non_negative else EVERYTHING
                if not self._narrow(case, ratio, None, sign, operator, factor):
                    return False
            else:
                same = self._context.intern("order", self._context.key(left), key, factor)
                if not self._narrow(case, same, None, EVERYTHING, operator, _ZERO):
                    return False
        return True

    def _narrow(self, case: Case, key: int, expr: ast.Expr | None, start: Interval, operator: str, value: Fraction) -> bool:
        known = case.numbers.get(key, start)
        if expr is not None:
            case.shown.setdefault(key, expr)
        match operator:
            case "<" | "<=":
                known = known.meet(Interval(None, value, False, operator == "<"))
            case ">" | ">=":
                known = known.meet(Interval(value, None, operator == ">", False))
            case "==":
                known = known.meet(exactly(value))
            case _:
                if known == exactly(value):
                    return False
        case.numbers[key] = known
        return not known.empty


def _not(comparison: Comparison) -> Comparison:
    return Comparison(comparison.left, FLIPPED[comparison.operator], comparison.right)
