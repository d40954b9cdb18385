"""The stored history of ratios, one line of JSON for each commit, and what has moved since.

Ratios alone are kept, because seconds of one machine say nothing on another: date, commit, version of Python, and for each figure
its median and quartiles. No name of a machine stands in it.
"""
from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from results import Measured, Unusable, tidy

TOLERANCE = 0.10
"""By how much a ratio may get worse, beyond its spread, before that is a regression."""
LAST = 5
"""Entries with which a new one is compared."""
Band = tuple[float, float, float]
"""Median, lower quartile, upper quartile."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one commit measured: figures by ``benchmark: name``."""

    date: str
    commit: str
    python: str
    ratios: dict[str, Band]

    def to_dict(self) -> dict[str, Any]:
        return {"date": self.date, "commit": self.commit, "python": self.python, "ratios": {name: list(band) for name, band in sorted(self.ratios.items())}}


@dataclass(frozen=True, slots=True)
class Move:
    """A figure that is outside what the last entries had.

    Attributes:
        change: Share by which its median differs from theirs.
        worse: It went to the worse side.
        regression: Worse, and by more than the tolerance.
    """

    name: str
    now: float
    before: float
    change: float
    worse: bool
    regression: bool

    def __str__(self) -> str:
        kind = "REGRESSION" if self.regression else "worse, within the tolerance" if self.worse else "moved"
        return f"{self.name}: {self.now:g}, was {self.before:g} ({self.change:+.0%}); {kind}"


def entry_of(measured: Iterable[Measured], *, date: str, commit: str, python: str) -> Entry:
    ratios = {f"{each.benchmark}: {one.name}": (tidy(one.median), tidy(one.low), tidy(one.high)) for each in measured for one in each.results if one.pure}
    return Entry(date, commit, python, ratios)


def directions(measured: Iterable[Measured]) -> dict[str, str]:
    """Which side is better, by name of the figure."""
    return {f"{each.benchmark}: {one.name}": one.direction for each in measured for one in each.results if one.pure}


def read(path: Path) -> list[Entry]:
    """The entries in *path*, the oldest first; none if there is no file. Raises Unusable."""
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
            ratios = {str(name): (float(band[0]), float(band[1]), float(band[2])) for name, band in given["ratios"].items()}
            found.append(Entry(str(given["date"]), str(given["commit"]), str(given["python"]), ratios))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise Unusable(f"{path}:{number} is no entry of the history: date, commit, python, and ratios with three numbers each") from None
    return found


def append(path: Path, entry: Entry) -> list[Entry]:
    """*entry* at the end of the history in *path*; a commit that is measured again stands there once, with the newer figures."""
    entries = read(path)
    if entries and entries[-1].commit == entry.commit:
        last = entries.pop()
        entry = Entry(entry.date, entry.commit, entry.python, {**last.ratios, **entry.ratios})
    entries.append(entry)
    path.write_text("".join(json.dumps(each.to_dict(), ensure_ascii=False) + "\n" for each in entries), encoding="utf-8")
    return entries


def compare(entry: Entry, before: Sequence[Entry], better: dict[str, str], *, tolerance: float = TOLERANCE) -> list[Move]:
    """What is outside the quartiles of the last `LAST` entries that have the figure; regressions first."""
    moves = []
    for name, (now, low, high) in sorted(entry.ratios.items()):
        past = [each.ratios[name] for each in before if name in each.ratios][-LAST:]
        if not past:
            continue
        if low <= max(band[2] for band in past) and high >= min(band[1] for band in past):
            continue  # the spreads touch: nothing is shown
        was = median(band[0] for band in past)
        change = now / was - 1 if was else 0.0
        worse = change > 0 if better.get(name) == "lower" else change < 0 if better.get(name) == "higher" else False
        moves.append(Move(name, now, was, change, worse, worse and abs(change) > tolerance))
    return sorted(moves, key=lambda move: (not move.regression, not move.worse, move.name))
