"""One rule on one intent: is it kept at a size, how does it stand at the whole intent, what does it permit (docs/spec.md, CAP-IDEA-3)."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

from caplex.compiler.reference.book import TRADES, Book
from caplex.compiler.reference.expressions import COMPARE, Reader
from caplex.compiler.semantics.model import CheckedModule, RuleInfo
from caplex.compiler.semantics.shape import Shapes
from caplex.compiler.syntax import ast
from caplex.runtime.facts import World
from caplex.runtime.layout import pointer
from caplex.runtime.ruling import Trip
from caplex.runtime.schema import Kind, Type
from caplex.runtime.values import (
    ABSENT,
    UNLIMITED,
    Leaf,
    Truth,
    Unknown,
    at_least,
    both,
    either,
    floor_to,
    less,
    merge,
    negate,
    unknown,
)

ZERO, ONE = Fraction(0), Fraction(1)
REQUIRED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
BOUNDARY = {"at most": "<=", "below": "<", "at least": ">=", "above": ">"}
Sides = tuple[Any, str | None, Any, Type | None]
"""What a rule measured, the comparison that should hold, what it allows, and the type of both."""


@dataclass(slots=True)
class Standing:
    """How a rule (or a size) stands at the whole intent.

    Attributes:
        state: `silent`: it does not apply, is waived, or was not judged.
        s: Sizes up to here are kept, whatever the rule says.
        cap: The most that it permits.
        fails: It is broken at the smaller size that all caps together left.
    """

    id: str
    info: RuleInfo | None
    state: Literal["kept", "broken", "unknown", "silent"]
    cap: Fraction
    s: Fraction = ZERO
    monitored: bool = False
    leaves: frozenset[Leaf] = frozenset()
    trip: Trip | None = None
    fails: bool = False


class Judge:
    """Rules on one intent of *n* units, of which *c* close; both are set once they are known."""

    def __init__(self, checked: CheckedModule, world: World) -> None:
        self.checked, self.world, self.policy = checked, world, checked.policy
        self.book = Book(world)
        self.reader = Reader(checked, world, self.book)
        self.n, self.c = ZERO, ZERO

    # ── sizes that can be traded ─────────────────────────────────────────────────────────────────────

    @cached_property
    def lot(self) -> Any:
        if self.book.action in ("cancel", "noop"):
            return ONE
        own = self.world.cell("instrument", None, "lot") if self.book.action in TRADES else ABSENT
        if own is not ABSENT:
            return own
        if self.policy.lot is not None:
            return self.policy.lot
        symbol = self.world.claim("symbol")
        return unknown("SYS-001", pointer("instruments", str(symbol), "lot"), "missing") if self.book.action in TRADES else Fraction(1, 100)

    def _venue(self, name: str) -> Any:
        return self.world.cell("instrument", None, name) if self.book.action in TRADES else ABSENT

    @property
    def grid_leaves(self) -> frozenset[Leaf]:
        """Readings of the grid that cannot be used."""
        least = self._venue("min_notional")
        lost = merge(self.lot, self._venue("max_quantity"), self._venue("min_quantity"), least, None if least is ABSENT else self.book.order_value)
        return frozenset() if lost is None else lost.leaves

    def snap(self, x: Fraction) -> Fraction | None:
        """The largest tradable size up to *x*: 0, or a lot multiple up to the venue's maximum that closes or meets its minimums."""
        lot, most = self.lot, self._venue("max_quantity")
        if isinstance(lot, Unknown) or isinstance(most, Unknown):
            return None
        size = floor_to(x if most is ABSENT else min(x, most), lot)
        return size if size <= self.c or self._meets_minimums(size) is True else floor_to(self.c, lot)

    def _meets_minimums(self, size: Fraction) -> Truth:
        quantity, notional = self._venue("min_quantity"), self._venue("min_notional")
        enough = quantity is ABSENT or at_least(size, quantity)
        return both(enough, notional is ABSENT or at_least(self.book.order_value * size, notional))

    # ── what a rule says at a size ───────────────────────────────────────────────────────────────────

    def broken(self, info: RuleInfo, q: Fraction) -> Truth:
        """Its `when` holds and it is not kept at *q*, the closing leg aside."""
        node, value = info.node, self.reader.value
        assert not isinstance(node, ast.KillSwitch)
        when = True if node.when is None else value(node.when, q)
        match node:
            case ast.Rule():
                condition = value(node.effect.condition, q)
                return both(when, negate(condition) if isinstance(node.effect, ast.Require) else condition)
            case ast.Limit():
                measure, comparison, bound, _ = self.sides(info, q)
                return both(when, negate(COMPARE[str(comparison)](measure, bound)))
            case ast.Throttle():
                count, most = self.count(node), value(node.amount, q)
                full = at_least(count, most)
                if node.reserve is not None and most is not UNLIMITED:
                    full = either(full, at_least(count, most - value(node.reserve, q)))  # `_start` leaves the closing leg
                return both(when, full)
            case ast.Cooldown():
                last, during = self.latest(node), value(node.during, q)
                return both(when, False if last is None else less(self.world.now - last, during))

    def sides(self, info: RuleInfo, q: Fraction) -> Sides:
        node, value, types = info.node, self.reader.value, self.checked.types
        match node:
            case ast.Limit():
                return value(node.measure, q), BOUNDARY[node.boundary], value(node.bound, q), types.get(node.measure.id, Type(Kind.UNKNOWN))
            case ast.Rule(effect=effect) if isinstance(effect.condition, ast.Compare):
                compare = effect.condition
                comparison = compare.operator if isinstance(effect, ast.Require) else REQUIRED[compare.operator]
                return value(compare.left, q), comparison, value(compare.right, q), types.get(compare.left.id, Type(Kind.UNKNOWN))
            case ast.Throttle():
                count, most = self.count(node), value(node.amount, q)
                if node.reserve is not None and most is not UNLIMITED and less(count, most) is True:
                    most = most - value(node.reserve, q)
                return count, "<", most, Type(Kind.COUNT)
            case ast.Cooldown():
                last = self.latest(node)
                return None if last is None else self.world.now - last, ">=", value(node.during, q), Type(Kind.DURATION)
        return None, None, None, None

    def count(self, node: ast.Throttle) -> Any:
        if node.counters is not None:
            return self.reader.value(node.counters, ZERO)
        window = None if isinstance(node.window, ast.PerDay) else self.reader.value(node.window, ZERO)
        rows = self._events(node, window, today=window is None)
        return rows if isinstance(rows, Unknown) else Fraction(len(rows))

    def latest(self, node: ast.Cooldown) -> Any:
        """When the last event within the cooldown was; None if there was none."""
        rows = self._events(node, self.reader.value(node.during, ZERO))
        return rows if isinstance(rows, Unknown) else max((row.cell("at") for row in rows), default=None)

    def _events(self, node: ast.Throttle | ast.Cooldown, window: Any, *, today: bool = False) -> Any:
        """Events in the window that agree with the intent in every key, and for which `where` holds."""
        rows = self.reader.window(self.checked.throttle_events[node.id], window, today=today)
        if isinstance(rows, Unknown):
            return rows
        keys = self.checked.throttle_keys.get(node.id, ())
        mine = [self.reader.value(read, ZERO) for _, read in keys]
        found, lost = [], []
        for row in rows:
            cells = [row.cell(name) for name, _ in keys]
            cells = [unknown("SYS-001", row.path + pointer(name), "missing") if cell is ABSENT else cell for cell, (name, _) in zip(cells, keys, strict=True)]
            holds = both(*map(COMPARE["=="], cells, mine), self.reader.on("event", row, node.where))
            if isinstance(holds, Unknown):
                lost.append(holds)
            elif holds:
                found.append(row)
        return merge(*lost) if lost else found

    # ── how it stands at the whole intent ────────────────────────────────────────────────────────────

    def stand(self, info: RuleInfo) -> Standing:
        node, n = info.node, self.n
        if self.book.action not in info.actions or any(self._waived(waiver) for waiver in info.waivers):
            return Standing(info.id, info, "silent", n)
        if isinstance(node, ast.KillSwitch):
            return self._switch(info, node)
        monitored = not warns(info) and (self.policy.mode == "monitor" or self._suspended(info))
        standing = Standing(info.id, info, "kept", n, self._start(info), monitored)
        broken = n > standing.s and self.broken(info, n)
        if isinstance(broken, Unknown):
            standing.state, standing.leaves = "unknown", broken.leaves
            standing.monitored = self._suspended(info)  # the mode suspends rules, not data
        elif broken:
            standing.state = "broken"
        if standing.state != "kept" and self.enforces(standing):
            reduces = standing.state == "broken" and isinstance(node, ast.Limit) and node.breach == "reduce"
            standing.cap = self._reduced(info, standing.s) if reduces else standing.s
        return standing

    def enforces(self, standing: Standing) -> bool:
        """It may take something away: it neither warns nor asks for approval, nor is it monitored."""
        assert standing.info is not None
        return not (standing.monitored or warns(standing.info) or self.approval(standing) is not None)

    def approval(self, standing: Standing) -> tuple[str, int, ast.Expr | None] | None:
        """Role, quorum and time of the approval that lifts the rule: its own, or instead of a denial that may be overridden."""
        node = standing.info.node if standing.info else None
        given = node.effect.approval if isinstance(node, ast.Rule) and isinstance(node.effect, ast.Hold) else node.approval if isinstance(node, ast.Limit) else None
        if given is not None:
            return given.role, given.quorum, given.within
        if standing.state != "broken" or node is None or node.attributes.overridable_by is None or isinstance(node, ast.KillSwitch):
            return None
        denies = not isinstance(node, ast.Limit) or node.breach == "deny"
        return (node.attributes.overridable_by, 1, None) if denies and not warns(standing.info) else None

    def kept(self, standing: Standing, q: Fraction) -> bool:
        """Does the rule let *q* pass?"""
        info = standing.info
        if info is None or standing.state == "silent" or q <= standing.s:
            return True
        if isinstance(info.node, ast.KillSwitch) or standing.state == "unknown":
            return q <= standing.cap
        return not self.enforces(standing) or self.broken(info, q) is False

    def _waived(self, waiver: str) -> bool:
        info = self.checked.waivers[waiver]
        return self.world.now < info.until_ns and self.reader.value(info.node.when, self.n) is True

    def _suspended(self, info: RuleInfo) -> bool:
        return info.monitor == "always" or (info.monitor is not None and self.world.now < info.monitor)

    def _start(self, info: RuleInfo) -> Fraction:
        """``s``: the closing leg, where the rule leaves it alone."""
        node, c = info.node, self.c
        opening_only = isinstance(node, ast.Rule) and isinstance(node.effect, ast.Deny) and node.effect.opening_only
        if isinstance(node, ast.Throttle) and node.reserve is not None:
            opening_only = less(self.count(node), self.reader.value(node.amount, ZERO)) is True
        if not (info.skipped or opening_only):
            return ZERO
        if not (info.unless_worse and isinstance(node, ast.Limit)) or opening_only:
            return c
        if not isinstance(self._excess(info, ZERO), Fraction):
            measure, _, bound, _ = self.sides(info, ZERO)
            grows = any(Shapes(self.checked).reads_size(side) for side in (node.measure, node.bound))
            return ZERO if grows and merge(measure, bound) is not None else c
        most = max(ZERO, self._excess(info, ZERO))
        if self._excess(info, c) <= most:
            return c
        if isinstance(self.lot, Unknown):
            return ZERO
        last = bisect(0, (c / self.lot).__floor__(), lambda k: bool(self._excess(info, k * self.lot) <= most))
        return self.snap(last * self.lot) or ZERO

    def _excess(self, info: RuleInfo, q: Fraction) -> Any:
        """By how much the measure exceeds the bound; for a lower bound, falls short of it. Convex in *q*, as the checks have seen to."""
        measure, comparison, bound, _ = self.sides(info, q)
        if not (isinstance(measure, Fraction) and isinstance(bound, Fraction)):
            return None
        return measure - bound if str(comparison).startswith("<") else bound - measure

    def _reduced(self, info: RuleInfo, s: Fraction) -> Fraction:
        """The largest tradable size in ``[s, n]`` at which the limit is kept, found on the grid; *s* if there is none."""
        lot = self.lot
        if isinstance(lot, Unknown):
            return s
        low, high = (s / lot).__floor__() + 1, (self.n / lot).__floor__()
        kept: Callable[[int], bool] = lambda k: self.broken(info, k * lot) is False  # noqa: E731
        if low > high:
            return s
        if not kept(low):  # a lower edge: go to where the excess is least
            low = 1 + bisect(low - 1, high - 1, lambda k: k < low or self._excess(info, (k + 1) * lot) < self._excess(info, k * lot))
            if not kept(low):
                return s
        size = self.snap(bisect(low, high, kept) * lot)
        return size if size is not None and size > s and self.broken(info, size) is False else s

    # ── switches ─────────────────────────────────────────────────────────────────────────────────────

    def _switch(self, info: RuleInfo, node: ast.KillSwitch) -> Standing:
        scope = self.reader.scope(node)
        if scope is None:
            return Standing(info.id, info, "silent", self.n)
        opening = denies(node) == "opening"
        standing = Standing(info.id, info, "kept", self.n, self.c if opening else ZERO, self._suspended(info))
        state, cap = self.reader.switch(info.id, node), self.c if opening else ZERO
        if isinstance(state, Unknown):
            standing.state, standing.leaves = "unknown", state.leaves
        elif state == "tripped":
            standing.state = "broken"
        else:
            standing.trip, standing.leaves = self._trips(info, node, scope)
            if standing.trip is not None:
                standing.state = "broken"
            elif standing.leaves:
                standing.state, cap = "unknown", self.c
        if standing.state != "kept" and not standing.monitored:
            standing.cap = min(self.n, cap)
        return standing

    def _trips(self, info: RuleInfo, node: ast.KillSwitch, scope: tuple[tuple[str, str], ...]) -> tuple[Trip | None, frozenset[Leaf]]:
        """The first `trip when E` that holds now and is confirmed; else the readings that left one undecided."""
        lost: list[Any] = []
        for index, clause in enumerate(clauses(node)):
            if not isinstance(clause, ast.TripWhen):
                continue
            holds = self.reader.value(clause.condition, self.n)
            lost.append(holds)
            if holds is True and self._confirmed(info, clause.confirm, scope, index):
                compare = clause.condition if isinstance(clause.condition, ast.Compare) else None
                sides = [shown(self.reader.value(side, self.n)) for side in (compare.left, compare.right)] if compare else [None, None]
                return Trip(info.id, scope, "expression", index, *sides), frozenset()
        found = merge(*lost)
        return None, frozenset() if found is None else found.leaves

    def _confirmed(self, info: RuleInfo, confirm: ast.Confirm | None, scope: tuple[tuple[str, str], ...], index: int) -> bool:
        """This reading counts; earlier ones stand in the switch's row."""
        if confirm is None:
            return True
        wanted = self.reader.value(confirm.amount, self.n)
        if isinstance(wanted, Unknown):
            return True
        readings, since = self.world.confirming(info.id, scope, index)
        return bool(readings + 1 >= wanted if confirm.readings else since is not None and self.world.now - since >= wanted)


def warns(info: RuleInfo | None) -> bool:
    node = info.node if info else None
    return (isinstance(node, ast.Limit) and node.breach == "warn") or (isinstance(node, ast.Rule) and isinstance(node.effect, ast.Warn))


def clauses(node: ast.KillSwitch) -> list[ast.Trip]:
    return [clause for clause in node.clauses if isinstance(clause, ast.TripWhen | ast.TripOnRule | ast.TripOnCount)]


def denies(node: ast.KillSwitch) -> Literal["opening", "all"]:
    return next((clause.deny for clause in node.clauses if isinstance(clause, ast.WhileTripped)), "all")


def shown(value: Any) -> Fraction | str | bool | None:
    """A value as a reason shows it."""
    return value if isinstance(value, Fraction | str | bool) else None


def bisect(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The largest integer in ``[low, high]`` at which *holds*, which is true at *low* and, once false, stays false."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low
