"""How fast a journal is written, read and verified, as lines a second and against the bare system call.

Written are the events of a desk, 240 bytes of body each. `encode + chain + write` hands 64 lines to the system at once;
`a flush each` asks for every line, as an engine does that answers one intent after the other. Then a journal of a million
lines is read and verified, and the memory that this takes is shown. At last an engine's own journal (quotes, intents, orders,
fills of `stream.py`) is opened again without its store, and replayed: each decision made again and compared. What a CPU second does (the best round) is not disturbed by
what else runs on the machine, nor by its disk.

    python benchmarks/journal.py [--lines N] [--long N] [--replay N] [--rounds N] [--folder DIR] [--json FILE]
"""
from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from results import Result, option, write
from stream import POLICY, events

import caplex
from caplex.compiler.recorded import compile_recorded
from caplex.runtime.journal import Journal, read, verify
from caplex.runtime.replay import replay

AT = "2026-01-05T15:00:00.000000Z"
GOAL = 270_000  # lines a second: encode, sha256, write
HEADER = {"policy": {"name": "bench", "version": "1", "hash": "sha256:0", "settings_hash": "sha256:0"}, "engine": "caplex"}


def event(number: int) -> dict[str, Any]:
    return {"type": "intent", "id": f"i-{number}", "at": AT, "account": "acct-1", "venue": "alpaca", "strategy": "momentum", "symbol": "AAPL",
            "side": "buy", "action": "open", "quantity": "300", "order_type": "limit", "limit_price": "200.00", "confidence": "0.85"}


def rate(count: int, work: Callable[[], object], clock: Callable[[], float] = perf_counter) -> float:
    start = clock()
    work()
    return count / (clock() - start)


def bare(path: Path, lines: list[bytes], at_once: int, sync: bool) -> None:
    """The same bytes with nothing but the system call."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for start in range(0, len(lines), at_once):
        os.write(fd, b"".join(lines[start : start + at_once]))
        if sync:
            os.fdatasync(fd)
    os.close(fd)


def journalled(path: Path, events: Iterable[dict[str, Any]], durability: Any, at_once: int) -> None:
    with Journal.open(path, header=HEADER, durability=durability) as journal:
        for number, body in enumerate(events, start=1):
            journal.append("event", AT, body)
            if number % at_once == 0:
                journal.flush()


def middle(rates: list[float]) -> str:
    return f"{statistics.median(rates):>11,.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--long", type=int, default=1_000_000, help="lines of the journal that is read")
    parser.add_argument("--replay", type=int, default=50_000, help="lines of the journal that an engine opens again; 0: none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="on the disk that is asked about; a temporary one by default")
    option(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = writing(Path(folder), given.lines, given.rounds)
        found += reading(Path(folder), given.long)
        if given.replay:
            found += replaying(Path(folder), given.replay)
    write(given.json, "journal", found)
    return 0


def writing(folder: Path, count: int, rounds: int) -> list[Result]:
    found = []
    events = [event(number) for number in range(count)]
    journalled(folder / "lines", events, "os", 64)
    lines = (folder / "lines").read_bytes().splitlines(keepends=True)[1:]
    print(f"{'writing':34}{'lines/s':>11}{'a CPU second':>14}{'write() alone':>15}{'ratio':>8}")
    for name, durability, at_once, share in (
            ("os, 64 lines a flush", "os", 64, 1), ("group, 64 lines a flush", "group", 64, 20), ("os, a flush each", "os", 1, 1),
            ("group, a flush each", "group", 1, 20), ("each", "each", 1, 100)):
        ours, theirs, alone = [], [], []
        few = max(100, count // share)
        syncs = durability == "each" or (durability == "group" and at_once == 64)
        for number in range(rounds):
            path = folder / f"{name}-{number}"
            busy = process_time()
            ours.append(rate(few, partial(journalled, path, events[:few], durability, at_once)))
            alone.append(few / (process_time() - busy))
            theirs.append(rate(few, partial(bare, path.with_suffix(".bare"), lines[:few], at_once, syncs)))
            for left in folder.glob(f"{name}*"):
                left.unlink()
        found.append(Result.ratio(f"write() alone / {name}", theirs, ours, better="lower"))
        if share == 1 and at_once == 64:
            found.append(Result("lines a second of the processor", "1/s", *[max(alone)] * 3, len(alone), least=GOAL))
        ratio = statistics.median(bareness / our for our, bareness in zip(ours, theirs, strict=True))
        print(f"{name:34}{middle(ours)}{max(alone):>14,.0f}{middle(theirs):>15}{ratio:>8.1f}")
    print(f"goal for encode, sha256 and write: {GOAL:,} lines/s")
    return found


def reading(folder: Path, count: int) -> list[Result]:
    path = folder / "long"
    journalled(path, (event(number) for number in range(count)), "os", 1024)
    size = path.stat().st_size

    def bytes_alone() -> None:
        with path.open("rb") as file:
            while file.read(2**20):
                pass

    def bodies() -> None:
        for record in read(path):
            assert record.body is not None

    found = []
    print(f"\n{f'reading {count:,} lines, {size / 2**20:.0f} MiB':34}{'a CPU second':>14}")
    for name, work in (("read() alone", bytes_alone), ("read, chain alone", lambda: sum(1 for _ in read(path))), ("read, bodies too", bodies),
                       ("verify", lambda: verify(path).ok or sys.exit("the journal does not verify"))):
        speed = rate(count, work, process_time)
        found.append(Result(f"{name}, lines a second of the processor", "1/s", speed, speed, speed))
        print(f"{name:34}{speed:>14,.0f}")
    few = min(count, 50_000)
    short = folder / "short"
    journalled(short, (event(number) for number in range(few // 10)), "os", 1024)
    peaks = {}
    for label, journal in ((few // 10, short), (count, path)):
        tracemalloc.start()
        for number, record in enumerate(read(journal)):
            if number >= few * 2:  # tracing is slow; what grows has grown by then
                break
            assert record.seq == number
        peaks[label] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    print("memory at its highest: " + ", ".join(f"{peak / 2**20:.1f} MiB over {min(label, few * 2):,} lines" for label, peak in peaks.items()))
    short_peak, long_peak = peaks.values()
    return [*found, Result("memory of reading, long journal / short", "ratio", *[long_peak / short_peak] * 3, better="lower")]


def replaying(folder: Path, count: int) -> list[Result]:
    """What an engine wrote, folded and decided again."""
    path, policy = folder / "desk.journal", caplex.loads(POLICY, name="desk.cap")
    with caplex.Engine(policy, path, durability="os", store=False) as engine:
        for event in events(count, 0.2):
            (engine.submit if event["type"] == "intent" else engine.apply)(event)
            if engine._journal is not None and engine._journal.next_seq >= count:
                break
    lines = sum(1 for _ in read(path))

    def identical() -> None:
        if not replay(path, load=compile_recorded).identical:
            sys.exit("the journal did not replay to the same answers")

    found = []
    print(f"\n{f'an engine and {lines:,} lines':34}{'a CPU second':>14}")
    for name, work in (("opened again, without its store", lambda: caplex.Engine(policy, path, durability="os", store=False).close()),
                       ("replayed and compared", identical)):
        speed = rate(lines, work, process_time)
        found.append(Result(f"{name}, lines a second of the processor", "1/s", speed, speed, speed))
        print(f"{name:34}{speed:>14,.0f}")
    return found


if __name__ == "__main__":
    sys.exit(main())
