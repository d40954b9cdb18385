"""Running counts over histories: a decision asks how many events lie in a window, and nobody walks over them.

An index is read from the history, event by event as they come, and made anew when the history was replaced (a correction, a
snapshot). Where an event does not say what it is counted by, there is no answer here, and the rows are walked.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from caplex.runtime.engine.state import Past
from caplex.runtime.plan import WindowPlan
from caplex.runtime.rows import Row
from caplex.runtime.values import ABSENT, Unknown, merge

if TYPE_CHECKING:
    from caplex.runtime.engine.live import LiveWorld

ZERO = Fraction(0)
NOBODY = object()
"""The rows must be walked."""
_BEGIN = -(2**80)


class Series:
    """Events of one key: when they were, and what they add up to so far."""

    __slots__ = ("at", "sums")

    def __init__(self) -> None:
        self.at: list[int] = []
        self.sums: list[Fraction] = [ZERO]

    def add(self, at_ns: int, amount: Fraction | None) -> None:
        self.at.append(at_ns)
        if amount is not None:
            self.sums.append(self.sums[-1] + amount)


class Index:
    """The events of one history by key. *read* tells of a row its key and its amount; None: it cannot be told."""

    __slots__ = ("_first", "_last", "_past", "_read", "ordered", "series", "total", "unread")

    def __init__(self, read: Callable[[Row], tuple[tuple[Any, ...], Fraction | None] | None]) -> None:
        self._read = read
        self._past: deque[Past] | None = None
        self._begin(None)

    def _begin(self, past: deque[Past] | None) -> None:
        self._past, self._last = past, None
        self._first = _BEGIN
        self.series: dict[tuple[Any, ...], Series] = {}
        self.unread = Series()
        self.ordered, self.total = True, 0

    def follow(self, world: LiveWorld, section: str) -> None:
        """Take what has come since."""
        past = world.state.histories.get(world.account_name, {}).get(section)
        if past is not self._past or (past is not None and self.total > 2 * len(past) + 64):  # forgotten events are swept out in bulk
            self._begin(past)
        if not past or past[-1] is self._last:
            return
        fresh: list[Past] = []
        for each in reversed(past):
            if each is self._last:
                break
            fresh.append(each)
        for each in reversed(fresh):
            self._take(world, section, each)
        self._last = past[-1]

    def _take(self, world: LiveWorld, section: str, past: Past) -> None:
        self.total += 1
        self.ordered = self.ordered and past.at_ns >= self._first
        self._first = past.at_ns
        said = self._read(world.event_row(section, past))
        if said is None:
            self.unread.add(past.at_ns, None)
            return
        series = self.series.get(said[0])
        if series is None:
            series = self.series[said[0]] = Series()
        series.add(past.at_ns, said[1])

    _last: Past | None


class Windows:
    """The running counts of one policy, by account."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], Index] = {}
        self._tallies: dict[tuple[str, str], Index] = {}

    def value(self, world: LiveWorld, plan: WindowPlan, number: int, slots: list[Any]) -> Any:
        """What the aggregate *number* comes to, or NOBODY."""
        wanted = tuple(equals(slots, ZERO) for _, equals in plan.keys)
        if not all(isinstance(each, str | Fraction | bool) for each in wanted):
            return NOBODY
        since = _since(world, plan, slots)
        if since is NOBODY or isinstance(since, Unknown):
            return since
        return self.since(world, plan, number, wanted, since)

    def since(self, world: LiveWorld, plan: WindowPlan, number: int, wanted: tuple[Any, ...], since: Fraction | int | None) -> Any:
        """`value`, where it is known what the events must equal and from when on they count."""
        index = self._kept.get((world.account_name, number))
        if index is None:
            index = self._kept[world.account_name, number] = Index(_reader(plan))
        index.follow(world, plan.section)
        if not index.ordered or _first(plan, index.unread.at, since) < len(index.unread.at):
            return NOBODY
        series = index.series.get(wanted)
        begin = _first(plan, series.at, since) if series is not None else 0
        if series is None or begin == len(series.at):
            return ABSENT if plan.function == "last" else ZERO
        match plan.function:
            case "count":
                return Fraction(len(series.at) - begin)
            case "sum":
                return series.sums[-1] - series.sums[begin]
            case "last":
                return Fraction(series.at[-1])

    def tally(self, world: LiveWorld, section: str, window: Any, start: Fraction | None, matches: Callable[..., bool]) -> Any:
        """How many denials or violations inside *window*, and not before *start*, *matches* by rule, severity and family; or NOBODY."""
        if not isinstance(world.now, Fraction) or not isinstance(window, Fraction):
            return NOBODY
        since = world.now - window
        lost = world._incomplete(since)
        if lost is not None:
            return lost
        index = self._tallies.get((world.account_name, section))
        if index is None:
            index = self._tallies[world.account_name, section] = Index(_told)
        index.follow(world, section)
        if not index.ordered:
            return NOBODY
        return sum(len(at) - max(bisect_right(at, since), 0 if start is None else bisect_left(at, start))
                   for key, series in index.series.items() if matches(*key) for at in (series.at,))


def _since(world: LiveWorld, plan: WindowPlan, slots: list[Any]) -> Any:
    """From when on events count; None: all do."""
    if plan.today:
        since = world.day_start
    elif plan.window is None:
        return None
    else:
        window = plan.window(slots, ZERO)
        if not isinstance(window, Fraction) or not isinstance(world.now, Fraction):
            return NOBODY
        since = world.now - window
    if not isinstance(since, Fraction):
        return NOBODY
    lost = world._incomplete(since)
    return since if lost is None else lost


def _first(plan: WindowPlan, at: list[int], since: Fraction | int | None) -> int:
    """Where the events that count begin: a day holds its first moment, a window not the one at which it opens."""
    if since is None:
        return 0
    return bisect_left(at, since) if plan.today else bisect_right(at, since)


def _reader(plan: WindowPlan) -> Callable[[Row], tuple[tuple[Any, ...], Fraction | None] | None]:
    """What a row is counted by, and how much it adds. A row that the filter leaves out in any case may be unreadable elsewhere."""
    def read(row: Row) -> tuple[tuple[Any, ...], Fraction | None] | None:
        key = tuple(says(row) for says, _ in plan.keys)
        amount = plan.body(row) if plan.body is not None else None
        if merge(*key) is not None or (plan.body is not None and not isinstance(amount, Fraction)):
            return None
        return key, amount

    return read


def _told(row: Row) -> tuple[tuple[Any, ...], None]:
    cells = (row.cell(name) for name in ("rule", "severity", "family"))
    return tuple(cell if isinstance(cell, str) else None for cell in cells), None
