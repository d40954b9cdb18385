"""Verdicts of many rows at once, as the fused form has them one by one (compiler/codegen/scalar.py)."""
from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from caplex.runtime.columns import vectors
from caplex.runtime.columns.leaves import LOST, Leaves, Rows, spread
from caplex.runtime.columns.player import Player, Playing
from caplex.runtime.columns.vectors import MOST, Vec, any_of
from caplex.runtime.plan import Plan
from caplex.runtime.tape import Step

ALLOW, MODIFY, HOLD, DENY, LATER = 0, 1, 2, 3, 4
"""Codes of verdicts; LATER goes the long way."""
FREE = MOST // 4


@dataclass(slots=True)
class Answers:
    """One of each row: verdict, position of the first rule that took something away, quantity in units of ``10**-scale``.

    Beyond the positions of rules stand `Judge.grid_alone` (SYS-012) and `Judge.nobody`.
    """

    verdict: Any
    rule: Any
    quantity: Any


@dataclass(slots=True)
class _Shared:
    """What the rules that groups share say of each: first broken rule with and without those that spare the closing leg, …"""

    first: Any
    first_in_leg: Any
    hard: Any
    bad: Any
    any_first: bool = False
    any_hard: bool = False
    any_bad: bool = False


@dataclass(slots=True)
class _Grid:
    """What can be traded, in units: of each group."""

    lot: Any
    most: Any
    least: Any


class Judge:
    """Judges rows of one frame.

    Attributes:
        scale: Of quantities in answers.
    """

    def __init__(self, plan: Plan, leaves: Leaves) -> None:
        self.plan, self.leaves, self.player = plan, leaves, Player(plan.columns, leaves)
        count = len(plan.rules)
        self.positions = np.int16 if count < 30_000 else np.int32
        self.grid_alone, self.nobody = self.positions(count), self.positions(count + 1)
        self.phases = max((rule.phase for rule in plan.rules), default=0)
        self.steps = [[step for step in plan.columns.steps if step.phase == phase] for phase in range(self.phases + 1)]
        self.shared = [self._share([step for step in steps if self._is_shared(step)]) for steps in self.steps]
        self.single = [[step for step in steps if not self._is_shared(step)] for steps in self.steps]
        self._close()
        self._grids()
        self.sized = self._reach_size()
        self.late = None if leaves.good.all() else ~leaves.good

    def _is_shared(self, step: Step) -> bool:
        return self.player.shared[step.condition] is not None

    def _share(self, steps: list[Step]) -> _Shared:
        count = self.player.count
        found = _Shared(np.full(count, self.nobody), np.full(count, self.nobody), np.zeros(count, np.bool_), np.zeros(count, np.bool_))
        for step in reversed(steps):
            values = self.player.shared[step.condition]
            assert values is not None
            for group, value in enumerate(values):
                if value is True and not step.doubt:
                    found.first[group] = step.position
                    found.hard[group] |= step.hard
                    if not step.leg:
                        found.first_in_leg[group] = step.position
                elif value is not False:
                    found.bad[group] = True
        found.any_first, found.any_hard, found.any_bad = bool((found.first != self.nobody).any()), bool(found.hard.any()), bool(found.bad.any())
        return found

    def _close(self) -> None:
        bounds, leaves = self.leaves.bounds, self.leaves
        closes = np.array([good and bound.action == "close" for bound, good in zip(bounds, leaves.good, strict=True)], np.bool_)
        self.closes = closes if closes.any() and (leaves.size is not None or leaves.closing is not None) else None
        self.only = np.array([good and bound.intent("reduce_only") is not False for bound, good in zip(bounds, leaves.good, strict=True)], np.bool_)
        self._leg = leaves.closing or spread([bound.closing if good else LOST for bound, good in zip(bounds, leaves.good, strict=True)])
        self._size = leaves.size or spread(leaves.sizes)

    def _grids(self) -> None:
        """Lots and limits of each group on one scale, the one that answers have."""
        grids = [bound.grid(bound.action, bound.closing) if good else None for bound, good in zip(self.leaves.bounds, self.leaves.good, strict=True)]
        at = Rows(self.leaves.firsts, np.arange(len(grids)))
        self.scale = max(self._size(at).scale, self._leg(at).scale)
        for grid in grids:
            for value in (grid.lot, grid.most, grid.least_quantity) if grid else ():
                self.scale = max(self.scale, vectors.places(value.denominator) or 0) if isinstance(value, Fraction) else self.scale
        unit = 10**self.scale
        rows = []
        for number, (grid, bound) in enumerate(zip(grids, self.leaves.bounds, strict=True)):
            row = (1, FREE, 0)
            if grid is not None:
                least = Fraction(bound.ints[5], 10**8) * unit  # type: ignore[index]
                most = FREE if grid.most is None else grid.most // grid.lot * grid.lot * unit
                lot = grid.lot * unit
                if all(Fraction(value).denominator == 1 and value <= FREE for value in (lot, most, least)):
                    row = (int(lot), int(most), int(least))
                else:
                    self.leaves.good[number] = False
            rows.append(row)
        table = np.array(rows, np.int64).reshape(-1, 3)
        self.grid = _Grid(*(int(table[0, part]) if len(table) and (table[:, part] == table[0, part]).all() else table[:, part] for part in range(3)))

    def _reach_size(self) -> list[Step]:
        """Steps that are judged anew at a smaller size."""
        sized: set[int] = set()
        for number, op in enumerate(self.plan.columns.ops):
            if op.op == "size" or any(arg in sized for arg in op.args):
                sized.add(number)
        return [step for steps in self.steps for step in steps if step.condition in sized]

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────

    def judge(self, rows: Rows, count: int) -> Answers:
        size, leg = self._size(rows), self._leg(rows)
        bad = any_of(None if self.late is None else self.late[rows.group], size.bad, size.absent, leg.bad, leg.absent)
        n, lost = self._units(size, count)
        c, gone = self._units(leg, count)
        bad = any_of(bad, lost, gone)
        if self.closes is not None:
            closing = self.closes[rows.group]
            bad = any_of(bad, closing & ((c == 0) | ((n > c) & self.only[rows.group])))
        c = np.minimum(c, n)
        lot, most, least = self._of(self.grid.lot, rows), self._of(self.grid.most, rows), self._of(self.grid.least, rows)
        whole = None if isinstance(lot, int) and lot == 1 else n % lot == 0
        for cut in ([n <= most] if not isinstance(most, int) or most < FREE else []) + ([(n >= least) | (n <= c)] if not isinstance(least, int) or least > 0 else []):
            whole = cut if whole is None else whole & cut
        if self.phases and whole is not None:
            bad = any_of(bad, ~whole)
        playing = self.player.at(rows, size)
        first, hard, bad = self._phases(rows, playing, n, c, bad, count)
        verdict = np.full(count, LATER, np.int8)
        broken = first != self.nobody
        verdict[hard] = DENY
        allowed = ~broken if whole is None else whole & ~broken
        verdict[allowed] = ALLOW
        quantity = np.where(allowed, n, 0)
        if bad is not None:
            verdict[bad] = LATER
            allowed, hard = allowed | bad, hard | bad
        rest = np.flatnonzero(~(allowed | hard))
        header = self.plan.header
        if len(rest) and not header.rounding_never and not header.modify_never:
            self._permit(rows, rest, (n, c), (verdict, first, quantity))
        return Answers(verdict, first, quantity)

    def _of(self, value: Any, rows: Rows) -> Any:
        return value if isinstance(value, int) else value[rows.group]

    def _units(self, size: Vec, count: int) -> tuple[Any, Any]:
        """In units of answers, and the rows where that would be too many."""
        value, most, bad = vectors._scaled(size, self.scale)
        if isinstance(value, int):
            most = abs(value)
            value = np.full(count, value if most <= FREE else 0, np.int64)
            bad = any_of(bad, np.ones(count, np.bool_) if most > FREE else None)
        if most > FREE:
            over = np.abs(value) > FREE
            value, bad = np.where(over, 0, value), any_of(bad, over)
        return value, bad

    def _phases(self, rows: Rows, playing: Playing, n: Any, c: Any, bad: Any, count: int) -> tuple[Any, Any, Any]:
        """First rule broken, whether one denies, and the rows for the long way. A phase that takes anything away is the last."""
        within = n <= c
        if not within.any():
            within = None
        first, hard = np.full(count, self.nobody), np.zeros(count, np.bool_)
        for phase in range(self.phases + 1):
            now_first, now_hard, now_bad = self._phase(phase, rows, playing, within, count)
            if phase == 0:
                first, hard, bad = now_first, now_hard, any_of(bad, now_bad)
            else:
                going = first == self.nobody
                first = np.where(going, now_first, first)
                hard = np.where(going, now_hard, hard)
                bad = any_of(bad, None if now_bad is None else now_bad & going)
            if phase < self.phases:
                bad = any_of(bad, (first != self.nobody) & ~hard)
        return first, hard, bad

    def _phase(self, phase: int, rows: Rows, playing: Playing, within: Any, count: int) -> tuple[Any, Any, Any]:
        shared = self.shared[phase]
        first = np.full(count, self.nobody)
        hard = shared.hard[rows.group] if shared.any_hard else np.zeros(count, np.bool_)
        bad = shared.bad[rows.group] if shared.any_bad else None
        for step in reversed(self.single[phase]):
            found = playing.value(step.condition)
            if step.doubt:
                bad = any_of(bad, _array(found.v, count), found.bad)
                continue
            bad = any_of(bad, found.bad)
            broken = _array(found.v, count)
            if step.leg and within is not None:
                broken = broken & ~within
            np.putmask(first, broken, step.position)
            if step.hard:
                hard |= broken
        if shared.any_first:
            group = shared.first[rows.group]
            first = np.minimum(first, group if within is None else np.where(within, shared.first_in_leg[rows.group], group))
        return first, hard, bad

    # ── what may go ahead ────────────────────────────────────────────────────────────────────────────

    def _permit(self, rows: Rows, rest: Any, sizes: tuple[Any, Any], into: tuple[Any, Any, Any]) -> None:
        """Reduce the rows *rest* to the largest tradable size at which every rule is kept."""
        verdict, first, quantity = into
        at = Rows(_rows_at(rows.at, rest), rows.group[rest])
        n, c = sizes[0][rest], sizes[1][rest]
        count = len(rest)
        playing = self.player.at(at, self._size(at))
        x, bad = n.copy(), np.zeros(count, np.bool_)
        for step in (step for steps in self.steps for step in steps if not step.doubt and not step.hard):
            found = playing.value(step.condition)
            broken = _array(found.v, count) & ~(n <= c) if step.leg else _array(found.v, count)
            bad |= False if found.bad is None else found.bad
            start = c if step.leg else np.zeros_like(c)
            if not broken.any():
                continue
            if step.reduces and step.pieces:
                high, lost = self._reduced(step, playing, at, (n, c), start, count)
                bad |= broken & lost
                x = np.where(broken & (high < x), high, x)
            else:
                x = np.where(broken & (start < x), start, x)
        x = self._snap(x, c, at)
        less = (x > 0) & (x < n) & ~bad
        if less.any() and self.sized:
            bad[np.flatnonzero(less)[self._fails(at, np.flatnonzero(less), x, c)]] = True
        verdict[rest] = np.where(bad, LATER, np.where(x == 0, DENY, np.where(x < n, MODIFY, ALLOW)))
        quantity[rest] = x
        first[rest] = np.where(first[rest] == self.nobody, self.grid_alone, first[rest])

    def _fails(self, at: Rows, some: Any, x: Any, c: Any) -> Any:
        """Among *some*: rows where a rule fails at the smaller size too, or cannot be told."""
        here = Rows(_rows_at(at.at, some), at.group[some])
        size, leg = x[some], c[some]
        playing = self.player.at(here, Vec(size, FREE, self.scale))
        fails = np.zeros(len(some), np.bool_)
        for step in self.sized:
            if self._is_shared(step):  # it was judged at the size that groups share
                return np.ones(len(some), np.bool_)
            found = playing.value(step.condition)
            broken = _array(found.v, len(some))
            if step.leg and not step.doubt:
                broken = broken & ~(size <= leg)
            fails |= broken if found.bad is None else broken | found.bad
        return fails

    def _reduced(self, step: Step, playing: Playing, at: Rows, sizes: tuple[Any, Any], start: Any, count: int) -> tuple[Any, Any]:
        """The largest tradable size at which every piece of a rule is kept, and the rows where that cannot be told."""
        n, c = sizes
        high, low, lost = n.copy(), np.zeros(count, np.int64), np.zeros(count, np.bool_)
        for slope, intercept in step.pieces:
            a, b, bad = self._line(playing.value(slope), playing.value(intercept), count)
            lost |= bad
            step_by = np.where(a == 0, 1, a)
            down, up = -(b // step_by), -b // step_by
            if step.strict:
                up, down = down - 1, up + 1
            high = np.where((a > 0) & (up < high), up, high)
            low = np.where((a < 0) & (down > low), down, low)
            high = np.where((a == 0) & ((b >= 0) if step.strict else (b > 0)), -1, high)
        high = np.where(high > 0, self._snap(high, c, at), high)
        return np.where((high >= low) & (high > start), high, start), lost

    def _line(self, slope: Vec, intercept: Vec, count: int) -> tuple[Any, Any, Any]:
        """Integers a, b such that a piece is kept at q units where ``a·q + b`` is not above zero."""
        bad = any_of(slope.bad, slope.absent, intercept.bad, intercept.absent)
        a, a_most, b, b_most = slope.v, slope.most, intercept.v, intercept.most
        shift = slope.scale + self.scale - intercept.scale
        factors_a = [Vec(10**-shift, 10**-shift)] if shift < 0 else []
        factors_b = [Vec(10**shift, 10**shift)] if shift > 0 else []
        factors_a += [intercept.den] if intercept.den is not None else []
        factors_b += [slope.den] if slope.den is not None else []
        for factor in factors_a:
            a, a_most, lost = vectors._times(a, a_most, factor.v, factor.most)
            bad = any_of(bad, lost)
        for factor in factors_b:
            b, b_most, lost = vectors._times(b, b_most, factor.v, factor.most)
            bad = any_of(bad, lost)
        (a, gone), (b, lost) = _whole_array(a, count), _whole_array(b, count)
        bad = any_of(bad, gone, lost)
        return a, b, np.zeros(count, np.bool_) if bad is None else np.broadcast_to(bad, (count,))

    def _snap(self, x: Any, c: Any, at: Rows) -> Any:
        """As `operators.snap`."""
        lot, most, least = (self._of(part, at) for part in (self.grid.lot, self.grid.most, self.grid.least))
        x = np.minimum(x, most)
        x = x - x % lot
        return np.where((x <= c) | (x >= least), np.maximum(x, 0), c - c % lot)


def _array(value: Any, count: int) -> Any:
    return np.full(count, value) if isinstance(value, bool) else value


def _whole_array(value: Any, count: int) -> tuple[Any, Any]:
    if not isinstance(value, int):
        return value, None
    fits = abs(value) <= MOST
    return np.full(count, value if fits else 0, np.int64), None if fits else True


def _rows_at(at: Any, some: Any) -> Any:
    return some + (at.start or 0) if isinstance(at, slice) else at[some]
