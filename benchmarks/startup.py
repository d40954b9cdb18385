"""How long commands take from the shell's point of view, against a one-command click program in the same run.

    python benchmarks/startup.py [--rounds 15] [--check] [--json FILE]

Each round starts every program once, in turn, so that a slow moment of the machine meets all of them. Taken is the time of
the processor (user and system), which other programs disturb least; figures are the median of the ratios taken round by
round, with quartiles, and the median time on the clock. *cold* has an empty cache of compiled policies, *warm* a full one.
`--check` leaves with 1 if a budget is not kept; the budgets are ratios, but for that of `check`, which is in milliseconds.
"""
from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from results import Result, option, write

HOME = Path(__file__).resolve().parents[1] / "examples" / "quickstart"
ONE = "import click\n@click.command()\n@click.option('--name')\ndef main(name):\n    'One command.'\nmain()\n"
CAPLEX = [sys.executable, "-c", "from caplex.__main__ import main; main()"]
DECIDE = ["decide", "desk.cap", "--facts", "facts/2-trimmed.json"]
# name: (arguments, warm, budget as a ratio, budget in milliseconds)
PROGRAMS: dict[str, tuple[list[str], bool, float | None, int | None]] = {
    "caplex": ([], True, None, None),
    "caplex --help": (["--help"], True, 1.3, None),
    "caplex explain CAP203": (["explain", "CAP203"], True, None, None),
    "caplex explain market.price": (["explain", "market.price"], True, None, None),
    "caplex explain desk.cap EXP-010": (["explain", "desk.cap", "EXP-010"], True, None, None),
    "caplex check, warm": (["check", "desk.cap"], True, None, 150),
    "caplex check, cold": (["check", "desk.cap"], False, None, None),
    "caplex decide, warm": (DECIDE, True, None, None),
    "caplex decide, cold": (DECIDE, False, None, None),
}


def once(command: list[str], cache: str) -> tuple[float, float]:
    """Seconds of processor and of clock that *command* takes."""
    environment = {**os.environ, "CAPLEX_CACHE_DIR": cache}
    environment.pop("CAPLEX_NO_CACHE", None)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its byte code
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=HOME, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command}: {done.returncode}\n{done.stderr.decode()}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, took


def measure(rounds: int) -> tuple[dict[str, list[tuple[float, float]]], list[tuple[float, float]]]:
    """What each program took, by round, and the click program."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
    bare = []
    one = [sys.executable, "-c", ONE, "--help"]
    with tempfile.TemporaryDirectory() as warm:
        for arguments, _, _, _ in PROGRAMS.values():  # the cold ones too, so that every module has its byte code
            once([*CAPLEX, *arguments], warm)
        for _ in range(rounds):
            bare.append(once(one, warm))
            for name, (arguments, keep, _, _) in PROGRAMS.items():
                with tempfile.TemporaryDirectory() as empty:
                    took[name].append(once([*CAPLEX, *arguments], warm if keep else empty))
    return took, bare


def clock(took: list[tuple[float, float]]) -> float:
    """Median milliseconds on the clock."""
    return median(seconds for _, seconds in took) * 1000


def results(took: dict[str, list[tuple[float, float]]], bare: list[tuple[float, float]]) -> list[Result]:
    """Ratios of processor time by command; and what `check` of a page takes on the clock, which has a budget of its own."""
    found = []
    for name, (_, _, most, milliseconds) in PROGRAMS.items():
        found.append(Result.ratio(f"{name} / click", [mine[0] for mine in took[name]], [theirs[0] for theirs in bare], most=most, better="lower"))
        if milliseconds is not None:
            found.append(Result.of(f"{name}, on the clock", [seconds * 1000 for _, seconds in took[name]], "ms", most=milliseconds))
            found.append(Result.of(f"{name}, of the processor", [seconds * 1000 for seconds, _ in took[name]], "ms", better="lower"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--check", action="store_true", help="leave with 1 if a budget is not kept")
    option(parser)
    chosen = parser.parse_args()
    rounds = chosen.rounds
    took, bare = measure(rounds)
    write(chosen.json, "startup", results(took, bare))
    if chosen.json == "-":
        return
    print(f"one-command click program, --help: {clock(bare):.0f} ms; {rounds} rounds\n")
    print(f"{'':34}{'ratio':>7}{'quartiles':>16}{'ms':>7}   budget")
    broken = []
    for name, (_, _, most, milliseconds) in PROGRAMS.items():
        ratios = [mine[0] / theirs[0] for mine, theirs in zip(took[name], bare, strict=True)]
        low, middle, high = quantiles(ratios, n=4)
        ms = clock(took[name])
        budget = f"≤ {most}" if most is not None else f"≤ {milliseconds} ms" if milliseconds is not None else ""
        missed = (most is not None and middle > most) or (milliseconds is not None and ms > milliseconds)
        broken += [name] if missed else []
        print(f"{name:34}{middle:>7.2f}{f'{low:.2f} … {high:.2f}':>16}{ms:>7.0f}   {budget}{'   MISSED' if missed else ''}")
    if broken and chosen.check:
        sys.exit(1)


if __name__ == "__main__":
    main()
