"""Sampling: two things in turn within each round, so that a slow moment of the machine meets both. The clock comes from outside."""
from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

Clock = Callable[[], int]
"""Nanoseconds; only differences count."""
Work = Callable[[int], object]
"""Does what is measured so many times."""
SAMPLE_NS: Final = 1_000_000
"""How long a sample lasts at least: long against a reading of the clock, short against a change of mood of the machine."""
MOST_PASSES: Final = 1 << 20
FEWEST: Final = 3
"""Rounds that are measured however little time there is: fewer have no quartiles."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of the samples."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        if len(values) < 2:
            return Spread(values[0], values[0], values[0])
        low, middle, high = statistics.quantiles(values, n=4)
        return Spread(middle, low, high)

    def to_dict(self) -> dict[str, float]:
        return {"median": tidy(self.median), "low": tidy(self.low), "high": tidy(self.high)}


def tidy(number: float) -> float:
    """Four digits that count; the rest is the machine's mood."""
    return float(f"{number:.4g}")


def timed(clock: Clock, work: Work, passes: int) -> float:
    """Nanoseconds of one pass."""
    began = clock()
    work(passes)
    return (clock() - began) / passes


def passes_for(clock: Clock, work: Work) -> int:
    """How many passes make a sample that is long enough."""
    work(1)  # what is kept after the first time
    passes = 1
    while passes < MOST_PASSES:
        began = clock()
        work(passes)
        if clock() - began >= SAMPLE_NS:
            return passes
        passes *= 2
    return passes


def contrast(clock: Clock, whole: Work, other: Work, passes: int) -> tuple[float, float]:
    """Nanoseconds of a pass of *whole*, and by how much it is more than one of *other*.

    In the order A B B A: what drifts evenly, and what the first one finds cold, is on both sides.
    """
    whole(1)
    first = timed(clock, whole, passes)
    second = timed(clock, other, passes)
    third = timed(clock, other, passes)
    fourth = timed(clock, whole, passes)
    return (first + fourth) / 2, (first + fourth - second - third) / 2


@dataclass(slots=True)
class Samples:
    """What came out, by path: nanoseconds of one document, and by variant the difference to the whole policy."""

    unit: list[float]
    whole: dict[str, list[float]]
    more: dict[str, dict[str, list[float]]]
    rounds: int = 0


def sample(clock: Clock, unit: Work, paths: Mapping[str, Callable[[int], Mapping[str, Work]]], *, rounds: int, seconds: float | None,
           documents: Mapping[str, int], tick: Callable[[int, int], None] | None = None) -> Samples:
    """Rounds of every path: in each, the unit, then the whole policy (the key ``""``) against each variant.

    Args:
        paths: What a path does, by variant, in the round of that number: documents may take turns.
        seconds: No round begins after so many, once there are `FEWEST`.
        documents: How many documents a pass of each path decides.
    """
    first = {path: works(0) for path, works in paths.items()}
    unit_passes = passes_for(clock, unit)
    passes = {path: passes_for(clock, works[""]) for path, works in first.items()}
    found = Samples([], {path: [] for path in paths}, {path: {name: [] for name in works if name} for path, works in first.items()})
    began = clock()
    with _undisturbed():
        for turn in range(rounds):
            if seconds is not None and turn >= FEWEST and clock() - began >= seconds * 1e9:
                break
            gc.collect()
            unit(1)
            found.unit.append(timed(clock, unit, unit_passes))
            for path, works in paths.items():
                of, here = documents[path], works(turn)
                whole = here[""]
                alone: list[float] = []
                for name, other in here.items():
                    if name:
                        mine, difference = contrast(clock, whole, other, passes[path])
                        alone.append(mine / of)
                        found.more[path][name].append(difference / of)
                found.whole[path].append(statistics.median(alone) if alone else timed(clock, whole, passes[path]) / of)
            found.rounds = turn + 1
            if tick is not None:
                tick(turn + 1, rounds)
    return found


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without the collector of garbage, which would come when it likes; between rounds it looks at what is new alone."""
    on = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if on:
            gc.enable()
