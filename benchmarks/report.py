"""Runs the benchmarks, or reads what they wrote, and tells it: a page with plots, a table, the history, what has become worse.

    python benchmarks/report.py                         run all of them, then tell
    python benchmarks/report.py --only decide,peers     these
    python benchmarks/report.py --read DIR              run nothing: read the results (*.json) in DIR
    python benchmarks/report.py --read DIR --compare    leave with 1 if a ratio has become worse than the tolerance

What was measured lies in `build/benchmarks/`, with the page. `--append` writes the ratios into `history.jsonl`, under the commit and
its date unless `--commit` and `--date` say others; `--markdown FILE` puts the table between the marks in FILE.
"""
from __future__ import annotations

import argparse
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from platform import python_version
from typing import Any

import history
import plots
from results import Measured, Result, Unusable, read

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
HISTORY = HERE / "history.jsonl"
# Each with what makes it quick: enough to see that it runs, and too little to be believed.
BENCHMARKS: dict[str, list[str]] = {
    "decide": ["--rounds", "5"], "peers": ["--rounds", "3"], "scaling": ["--rounds", "3", "--most", "200"],
    "columns": ["--rounds", "2", "--rows", "2000"], "parallel": ["--accounts", "2", "--intents", "100", "--jobs", "1,2", "--rounds", "1"],
    "load": ["--rules", "100", "--rounds", "2"], "parse": ["--rules", "200", "--rounds", "3"], "startup": ["--rounds", "3"],
    "lsp": ["--rules", "200", "--rounds", "3"],
    "engine": ["--rounds", "3", "--batch", "10", "--lengths", "100", "--peer-rounds", "2", "--recover", "100", "--stream", "200"],
    "step": ["--rounds", "1", "--batch", "10"],
    "journal": ["--lines", "2000", "--long", "10000", "--replay", "1000", "--rounds", "2"], "stream": ["--intents", "2000"]}
BEGIN, END = "<!-- the table of budgets: benchmarks/report.py writes it -->", "<!-- end of the table -->"
PEERS = "<!-- the peers: benchmarks/report.py writes it -->", "<!-- end of the peers -->"


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a budget is missed, and what was tried; people write it in `misses.toml`."""

    reason: str
    tried: str


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of a benchmark, with what the page shows beside it."""

    benchmark: str
    result: Result
    past: tuple[float, ...]
    miss: Miss | None = None

    @property
    def name(self) -> str:
        return f"{self.benchmark}: {self.result.name}"

    @property
    def bar(self) -> str:
        return plots.budget_bar(self.result)

    @property
    def spark(self) -> str:
        return plots.sparkline([*self.past, self.result.median]) if self.past else ""


def run(names: list[str], folder: Path, *, quick: bool) -> list[str]:
    """Run these and leave their results in *folder*; what did not run, as sentences."""
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in names:
        script, file = HERE / f"{name}.py", folder / f"{name}.json"
        file.unlink(missing_ok=True)
        print(f"— {name}", flush=True)
        done = subprocess.run([sys.executable, str(script), "--json", str(file), *(BENCHMARKS[name] if quick else [])], cwd=ROOT, check=False, stderr=subprocess.PIPE, text=True)
        if not file.exists():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            failed.append(f"{name} left with {done.returncode} and without results: {last}")
            print(failed[-1], file=sys.stderr)
    return failed


def misses(path: Path) -> dict[str, Miss]:
    """What people wrote about missed budgets, by name. Raises Unusable."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {each["name"]: Miss(each["reason"], each["tried"]) for each in given.get("miss", ())}
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise Unusable(f"{path}: {error}; each [[miss]] has name, reason, tried") from None


def rows_of(measured: list[Measured], entries: list[history.Entry], known: dict[str, Miss]) -> list[Row]:
    rows = []
    for each in measured:
        for one in each.results:
            name = f"{each.benchmark}: {one.name}"
            past = tuple(entry.ratios[name][0] for entry in entries if name in entry.ratios)
            rows.append(Row(each.benchmark, one, past, known.get(name) if one.kept is False else None))
    return rows


# ── telling ───────────────────────────────────────────────────────────────────────────────────────────


def figure(number: float, unit: str = "ratio") -> str:
    """Three digits that count, with the unit where it is no ratio."""
    size = abs(number)
    text = f"{number:,.0f}" if size >= 100 else f"{number:.1f}" if size >= 10 else f"{number:.2f}"
    text = text.replace(",", "\N{NO-BREAK SPACE}")
    shown = {"ratio": "×", "share": "", "count": "", "us": " µs", "1/s": "/s"}.get(unit, f" {unit}")
    return f"{number:.1%}" if unit == "share" else text + shown


def budget(one: Result) -> str:
    bound, sign = (one.most, "≤") if one.most is not None else (one.least, "≥")
    return "" if bound is None else f"{sign} {figure(bound, one.unit) if bound != int(bound) else figure(bound, one.unit).replace('.00', '').replace('.0', '')}"


def spread(one: Result) -> str:
    return f"{figure(one.low, one.unit)} … {figure(one.high, one.unit)}" if one.samples > 1 else "one run"


def markdown(rows: list[Row]) -> str:
    """The table of budgets, and under it each miss."""
    told = [row for row in rows if row.result.kept is not None]
    lines = ["| benchmark | figure | budget | measured | quartiles | |", "|---|---|---|---|---|---|"]
    lines += [f"| `{row.benchmark}.py` | {_plain(row.result.name)} | {budget(row.result)} | {figure(row.result.median, row.result.unit)} | {spread(row.result)} | "
              f"{'kept' if row.result.kept else '**missed**'} |" for row in told]
    for row in told:
        if row.result.kept is False:
            lines += ["", f"**{_plain(row.name)}**: " + (f"{row.miss.reason} *Tried:* {row.miss.tried}" if row.miss else "nobody has written down why (`benchmarks/misses.toml`).")]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return text.replace("|", "\\|")


def peers_table(rows: list[Row]) -> str:
    """The engines of `peers.py`, the nearest first."""
    told = sorted((row.result for row in rows if row.benchmark == "peers" and row.result.direction == "higher"),
                  key=lambda one: one.median)
    lines = ["| engine | a decision of it / one of caplex | quartiles | budget | how it is used, and where it differs |", "|---|---|---|---|---|"]
    lines += [f"| {_plain(one.name.partition(' / ')[0])} | {figure(one.median)} | {spread(one)} | {budget(one)} | {_plain(one.note)} |" for one in told]
    return "\n".join(lines) + "\n"


def put(path: Path, table: str, begin: str = BEGIN, end: str = END) -> None:
    """*table* between the marks in *path*. Raises Unusable."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise Unusable(f"{path} has no place for the table: the lines `{begin}` and `{end}`")
    path.write_text(f"{before}{begin}\n\n{table}\n{end}{after}", encoding="utf-8")


def page(measured: list[Measured], rows: list[Row], moves: list[history.Move], failed: list[str], entry: history.Entry) -> str:
    """The report as one file: styles, plots and figures inside."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"figure": figure, "spread": spread, "budget": budget, "plot": plots.curve_plot}
    told = [row for row in rows if row.result.kept is not None]
    order = sorted(told, key=lambda row: (row.result.kept is True, (plots.margin(row.result) or (1.0,))[0]))
    return environment.get_template("report.html.j2").render(
        measured=measured, rows=rows, told=order, kept=sum(row.result.kept is True for row in told), moves=moves, failed=failed, entry=entry)


# ── the command ───────────────────────────────────────────────────────────────────────────────────────


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def main(arguments: list[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    try:
        return _main(chosen)
    except Unusable as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--read", metavar="DIR", type=Path, help="run nothing: read the results in DIR")
    parser.add_argument("--only", metavar="NAMES", help="these benchmarks, with commas between")
    parser.add_argument("--quick", action="store_true", help="small and few: to see that all of them run; not for the history")
    parser.add_argument("--out", metavar="FILE", type=Path, default=ROOT / "build" / "benchmarks" / "report.html")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="put the table of budgets between the marks in FILE")
    parser.add_argument("--history", metavar="FILE", type=Path, default=HISTORY)
    parser.add_argument("--append", action="store_true", help="write the ratios into the history")
    parser.add_argument("--compare", action="store_true", help="leave with 1 if a ratio has become worse than the tolerance")
    parser.add_argument("--tolerance", metavar="SHARE", type=float, default=history.TOLERANCE, help="beyond the spread (0.10)")
    parser.add_argument("--commit", help="of the history; the one that is checked out unless given")
    parser.add_argument("--date", help="of the history; that of the commit unless given")
    return parser


def _main(chosen: Any) -> int:
    if chosen.quick and chosen.append:
        raise Unusable("a quick run is nothing to remember: leave out `--quick` or `--append`")
    names = [name.strip() for name in chosen.only.split(",")] if chosen.only else [name for name in BENCHMARKS if (HERE / f"{name}.py").exists()]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise Unusable(f"no benchmark is named `{unknown[0]}`; there are {', '.join(BENCHMARKS)}")
    folder = chosen.read or ROOT / "build" / "benchmarks"
    failed = [] if chosen.read else run(names, folder, quick=chosen.quick)
    files = [folder / f"{name}.json" for name in names if (folder / f"{name}.json").exists()]
    if not files:
        raise Unusable(f"no results lie in {folder}")
    measured = [read(file) for file in files]
    commit = chosen.commit or git("rev-parse", "--short=12", "HEAD") or "unknown"
    if not chosen.commit and git("status", "--porcelain", "--untracked-files=no"):
        commit += "+"  # something that no commit holds
    date = chosen.date or git("log", "-1", "--format=%cs") or "unknown"
    entry = history.entry_of(measured, date=date, commit=commit, python=measured[0].python or python_version())
    before = [each for each in history.read(chosen.history) if each.commit != commit]
    moves = history.compare(entry, before, history.directions(measured), tolerance=chosen.tolerance)
    rows = rows_of(measured, before, misses(HERE / "misses.toml"))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(page(measured, rows, moves, failed, entry), encoding="utf-8")
    if chosen.markdown:
        put(chosen.markdown, markdown(rows))
        if "peers" in names and PEERS[0] in chosen.markdown.read_text(encoding="utf-8"):
            put(chosen.markdown, peers_table(rows), *PEERS)
    if chosen.append:
        history.append(chosen.history, entry)
    told = [row for row in rows if row.result.kept is not None]
    print(f"{len(measured)} benchmarks, {len(rows)} figures; {sum(row.result.kept is True for row in told)} of {len(told)} budgets kept; {chosen.out}")
    for row in told:
        if row.result.kept is False:
            print(f"missed  {row.name}: {figure(row.result.median, row.result.unit)}, budget {budget(row.result)}")
    for move in moves:
        print(move)
    if chosen.compare:
        print(f"compared with the last {min(len(before), history.LAST)} entries; tolerance {chosen.tolerance:.0%} beyond the spread")
    return 1 if chosen.compare and any(move.regression for move in moves) else 0


if __name__ == "__main__":
    raise SystemExit(main())
