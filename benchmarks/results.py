"""What every benchmark writes with `--json FILE`: figures with their spread and their budget, as one form (README.md tells it).

    from results import Result, Curve, option, write

    option(parser)                                            # adds --json FILE
    found = [Result.ratio("500 positions / 20", of_500, of_20, most=1.2),       # two lists, sampled in the same rounds
             Result.of("load, cold", seconds, unit="s", most=5)]
    curves = [Curve("cost of a decision, by rules", x="rules", points=[(10, 1.0, 0.9, 1.1), …])]
    write(chosen.json, "scaling", found, curves, checked="…")

Ratios are machine-independent: they alone go into the history and are compared with it.
"""
from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from platform import python_version
from typing import Any

SCHEMA = "caplex.benchmarks/1"
PURE = frozenset({"ratio", "share", "count"})
"""Units that mean the same on every machine."""
UNITS = PURE | {"ns", "us", "ms", "s", "1/s", "bytes", "MiB"}


class Unusable(ValueError):
    """A file that is no result; the message is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class Result:
    """One figure.

    Attributes:
        name: Unique within its benchmark, and the same in every run: the history is kept by it.
        unit: One of `UNITS`.
        median, low, high: Of the samples: median and quartiles.
        samples: How many there were; 1 has no spread.
        most, least: The budget, at most one of them; None is a figure without a budget.
        note: What a reader must know of this figure (a peer that is absent, a share that fell back …).
        better: ``lower`` or ``higher``, for figures without a budget; empty where nothing is better.
    """

    name: str
    unit: str
    median: float
    low: float
    high: float
    samples: int = 1
    most: float | None = None
    least: float | None = None
    note: str = ""
    better: str = ""

    @staticmethod
    def of(name: str, values: Sequence[float], unit: str = "ratio", *, most: float | None = None, least: float | None = None, note: str = "",
           better: str = "") -> Result:
        """From samples, one a round."""
        low, middle, high = quartiles(values)
        return Result(name, unit, middle, low, high, len(values), most, least, note, better)

    @staticmethod
    def ratio(name: str, above: Sequence[float], below: Sequence[float], *, most: float | None = None, least: float | None = None, note: str = "",
           better: str = "") -> Result:
        """*above* / *below*, taken round by round: both were measured in turn within each round of one run."""
        return Result.of(name, [a / b for a, b in zip(above, below, strict=True)], most=most, least=least, note=note, better=better)

    @property
    def pure(self) -> bool:
        """Whether it means the same on every machine."""
        return self.unit in PURE

    @property
    def direction(self) -> str:
        """``lower`` or ``higher`` is better; empty where nobody says."""
        return "lower" if self.most is not None else "higher" if self.least is not None else self.better

    @property
    def kept(self) -> bool | None:
        """Whether the median keeps the budget; None without one."""
        if self.most is not None:
            return self.median <= self.most
        return self.median >= self.least if self.least is not None else None

    def to_dict(self) -> dict[str, Any]:
        budget = {"most": self.most} if self.most is not None else {"least": self.least} if self.least is not None else None
        return {"name": self.name, "unit": self.unit, "median": tidy(self.median), "low": tidy(self.low), "high": tidy(self.high),
                "samples": self.samples, "budget": budget, "kept": self.kept, "machine_independent": self.pure, "better": self.direction,
                "note": self.note}

    @staticmethod
    def from_dict(given: dict[str, Any]) -> Result:
        """Raises KeyError, TypeError or ValueError, for `read` to name the file."""
        budget = given.get("budget") or {}
        if given["unit"] not in UNITS:
            raise ValueError(f"`{given['unit']}` is none of {', '.join(sorted(UNITS))}")
        return Result(str(given["name"]), given["unit"], _number(given["median"]), _number(given["low"]), _number(given["high"]), int(given.get("samples", 1)),
                      _optional(budget.get("most")), _optional(budget.get("least")), str(given.get("note", "")),
                      str(given.get("better", "")))


@dataclass(frozen=True, slots=True)
class Curve:
    """How a figure moves with a size: points are ``(x, median, low, high)``; *unit* as of a result."""

    name: str
    x: str
    points: list[tuple[float, float, float, float]]
    unit: str = "ratio"

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "x": self.x, "unit": self.unit, "points": [[tidy(n) for n in point] for point in self.points]}


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one benchmark."""

    benchmark: str
    results: list[Result]
    curves: list[Curve] = field(default_factory=list)
    checked: str = ""
    notes: list[str] = field(default_factory=list)
    python: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "benchmark": self.benchmark, "python": self.python or python_version(), "checked": self.checked,
                "results": [one.to_dict() for one in self.results], "curves": [one.to_dict() for one in self.curves], "notes": self.notes}


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile; of two values, these and their middle, and of one itself."""
    if len(values) < 3:
        return min(values), statistics.median(values), max(values)
    low, middle, high = statistics.quantiles(values, n=4)
    return low, middle, high


def tidy(number: float) -> float:
    """Four digits that count: more would be noise in a file that is compared."""
    return float(f"{number:.4g}")


def option(parser: argparse.ArgumentParser) -> None:
    """`--json FILE`, or `--json` alone for standard output."""
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="write the results as JSON (README.md); alone: print them")


def write(path: str | None, benchmark: str, results: Iterable[Result], curves: Iterable[Curve] = (), *, checked: str = "",
          notes: Iterable[str] = ()) -> None:
    """What was measured, into the file that `--json` named; nothing where it named none."""
    if path is None:
        return
    measured = Measured(benchmark, list(results), list(curves), checked, list(notes))
    names = [one.name for one in measured.results]
    assert len(set(names)) == len(names), f"two results have one name: {names}"
    text = json.dumps(measured.to_dict(), indent=2, ensure_ascii=False) + "\n"
    if path == "-":
        sys.stdout.write(text)
    else:
        Path(path).write_text(text, encoding="utf-8")


def read(path: Path) -> Measured:
    """What *path* tells. Raises Unusable."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise Unusable(f"{path} is not JSON: {error}") from None
    if not isinstance(given, dict) or given.get("schema") != SCHEMA:
        raise Unusable(f"{path} is no result of a benchmark: its `schema` is not \"{SCHEMA}\"")
    try:
        results = [Result.from_dict(one) for one in given["results"]]
        curves = [Curve(str(one["name"]), str(one["x"]), [_point(p) for p in one["points"]], one.get("unit", "ratio")) for one in given.get("curves", ())]
        return Measured(str(given["benchmark"]), results, curves, str(given.get("checked", "")), [str(n) for n in given.get("notes", ())],
                        str(given.get("python", "")))
    except KeyError as error:
        raise Unusable(f"{path}: a result has no {error}; benchmarks/README.md tells the form") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise Unusable(f"{path}: {error}; benchmarks/README.md tells the form") from None


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or given != given:
        raise ValueError(f"{given!r} is not a number")
    return float(given)


def _optional(given: Any) -> float | None:
    return None if given is None else _number(given)


def _point(given: Any) -> tuple[float, float, float, float]:
    x, middle, low, high = (_number(n) for n in given)
    return x, middle, low, high
