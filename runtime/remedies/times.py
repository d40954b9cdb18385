"""The earliest time at which the same intent passes, if nothing else happens and readings are as fresh as they are now.

What changes then: `now`, and every `as_of` in the document, moved by the same time. Events of the history, what
switches say and what the intent says stay. The answer of a rule changes with time alone only at instants that can be
listed: an event leaves a window (`now − t < W`: at `t + W` exactly it is out), a comparison with `now` meets its bound,
the policy's day starts, an override or the policy's own effect ends or begins. Each is tried, the earliest first, and one
nanosecond before it the intent must not pass. Times of day that a policy reads from facts are not foreseen.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction
from math import ceil, floor
from typing import Any

from caplex.runtime.bind import Bound
from caplex.runtime.clock import HOUR, NotATime, day_start_ns, from_datetime, parse_instant, short_instant
from caplex.runtime.paths import write
from caplex.runtime.plan import RulePlan
from caplex.runtime.remedies.changing import instant_text
from caplex.runtime.remedies.trials import Obstacle, Trial, Trials
from caplex.runtime.remedy import Change, Step
from caplex.runtime.rows import FUTURE_NS
from caplex.runtime.values import Unknown

IN_ORDER = 30
"""Instants that are tried one by one; of those behind them, every second, fourth, eighth …, and halving from there."""
_FIXED = frozenset({"now", "intent", "history", "switches", "counters", "tags", "schema"})
_SECOND = 1_000_000_000
_END = 253_402_300_799 * _SECOND
"""The last second of the year 9999."""


def step(trials: Trials, trial: Trial, standing: list[Obstacle], passes: Callable[[Trial | None], bool], rules: tuple[str, ...]) -> Step | None:
    """Wait until *passes*; None if no instant that can be foreseen helps the obstacles in *standing*."""
    now = trial.bound.now
    if isinstance(now, Unknown) or trial.case is None or not any(_waits(trial, one) for one in standing):
        return None
    at = _first(instants(trial), lambda at: passes(_at(trials, trial, at)))
    if at is None or passes(_at(trials, trial, at - 1)):
        return None
    changes = moved(trial.document, int(now), at)
    text = f"not before {_shown(at)}" + (", with fresh readings" if len(changes) > 1 else "")
    return Step(kind="time", text=text, changes=changes, rules=rules, binds="now", now=_shown(int(now)), wanted=_shown(at))


def _first(found: list[int], passes: Callable[[int], bool]) -> int | None:
    """The earliest of *found* that passes. Of very many, one that passes and whose forerunner does not."""
    for at in found[:IN_ORDER]:
        if passes(at):
            return at
    low, step = IN_ORDER - 1, 1
    while low + 1 < len(found):
        high = min(low + step, len(found) - 1)
        if passes(found[high]):
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if passes(found[middle]) else (middle, high)
            return found[high]
        low, step = high, step * 2
    return None


def _at(trials: Trials, trial: Trial, at: int) -> Trial | None:
    return trials.run((*trial.changes, *moved(trial.document, int(trial.bound.now), at)))


def _shown(ns: int) -> str:
    return short_instant(ns) if ns % 1000 == 0 else instant_text(ns).replace("T", " ")


# ── moving the clock ──────────────────────────────────────────────────────────────────────────────────


def moved(document: Any, now: int, at: int) -> tuple[Change, ...]:
    """`now` becomes *at*, and every `as_of` goes with it."""
    changes = [Change(where="facts", path="now", value=instant_text(at))]
    for section, value in document.items():
        if isinstance(section, str) and section not in _FIXED and not section.startswith("x_"):
            for path, stamp in _stamps(value, (section,)):
                later = stamp + at - now
                if 0 <= later <= _END:
                    changes.append(Change(where="facts", path=write(path), value=instant_text(later)))
    return tuple(changes)


def _stamps(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], int]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in items:
        if key == "as_of":
            stamp = _instant(held)
            if stamp is not None:
                yield (*path, key), stamp
        elif isinstance(key, int) or (isinstance(key, str) and key != "tags" and not key.startswith("x_")):
            yield from _stamps(held, (*path, key))


def _instant(held: Any) -> int | None:
    try:
        return parse_instant(held) if isinstance(held, str) else from_datetime(held) if isinstance(held, datetime) else None
    except NotATime:
        return None


# ── when something may change ─────────────────────────────────────────────────────────────────────────


def _waits(trial: Trial, obstacle: Obstacle) -> bool:
    """May time alone remove the obstacle?"""
    if obstacle.rule is None:
        return obstacle.id == "SYS-010" or any(leaf.sys in ("SYS-003", "SYS-007") for leaf in obstacle.leaves)
    clock = obstacle.rule.clock
    if clock.windows or clock.moments or clock.daily or any(leaf.sys == "SYS-003" for leaf in obstacle.leaves):
        return True
    plan = trial.plan
    return any(one.until_ns is not None for slot in obstacle.rule.settings for one in plan.settings[plan.slots[slot].name].overrides)


def instants(trial: Trial) -> list[int]:
    """Later instants at which the answer of any rule may change, in order; none is left out that the plan tells of."""
    now = int(trial.bound.now)
    found: set[int] = set()
    for rule in trial.plan.rules:
        found |= _of_rule(trial, rule)
    header = trial.plan.header
    found |= {end for end in (header.effective_from_ns, header.effective_until_ns) if end is not None}
    for setting in trial.plan.settings.values():
        found |= {one.until_ns for one in setting.overrides if one.until_ns is not None}
    return sorted(at for at in found if now < at <= _END)


def _of_rule(trial: Trial, rule: RulePlan) -> set[int]:
    bound, clock = trial.bound, rule.clock
    assert trial.case is not None
    slots, n = bound.slots, trial.case.n
    found: set[int] = set()
    for section, length in clock.windows:
        window = length(slots, n)
        if isinstance(window, Fraction):
            found |= {ceil(at + window) for at in _events(bound, section)}
            start = bound.world.complete_from
            if isinstance(start, Fraction):
                found.add(ceil(start + window))
    if clock.daily:
        found |= set(_day_starts(trial))
    for left, right in clock.moments:
        found |= _meets(bound, lambda later, left=left, right=right: _difference(left(later, n), right(later, n)))  # type: ignore[misc]
    for event in _ahead(bound, rule):
        found.add(event)
    return found


def _events(bound: Bound, section: str) -> list[Fraction]:
    spec = bound.world.schema.sections[section]
    rows = bound.world.events(section, None) if spec.shape == "history" else bound.world.rows(section)
    if isinstance(rows, Unknown) or "at" not in spec.fields:
        return []
    return [at for at in (row.cell("at") for row in rows) if isinstance(at, Fraction)]


def _ahead(bound: Bound, rule: RulePlan) -> list[int]:
    """Events stamped ahead of the clock make a history unknown until it has caught up."""
    history = bound.world.document.get("history")
    events = history.get("events") if isinstance(history, dict) and rule.clock.windows else None
    stamps = [_instant(event.get("at")) for event in events if isinstance(event, dict)] if isinstance(events, list) else []
    return [stamp - FUTURE_NS for stamp in stamps if stamp is not None]


def _day_starts(trial: Trial) -> list[int]:
    """The next two starts of the policy's day."""
    header, now = trial.plan.header, int(trial.bound.now)
    starts = {day_start_ns(now + hours * HOUR, header.timezone, header.day_start_ns) for hours in range(1, 75, 6) if now + hours * HOUR <= _END}
    return sorted(start for start in starts if start > now)[:2]


def _meets(bound: Bound, difference: Callable[[list[Any]], Fraction | None]) -> set[int]:
    """Where a comparison with `now` meets its bound, and the nanosecond after; both sides are affine in time."""
    now = bound.now
    here, there = difference(_later(bound, now)), difference(_later(bound, now + _SECOND))
    if here is None or there is None or here == there:
        return set()
    root = now - here * _SECOND / (there - here)
    return {ceil(root), floor(root) + 1}


def _later(bound: Bound, now: Fraction) -> list[Any]:
    return [now if spec.kind == "now" else value for spec, value in zip(bound.plan.slots, bound.slots, strict=True)]


def _difference(left: Any, right: Any) -> Fraction | None:
    return left - right if isinstance(left, Fraction) and isinstance(right, Fraction) else None
