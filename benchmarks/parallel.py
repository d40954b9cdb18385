"""Replays over several processes: lines per second against one process, for one journal cut by account and for a journal an account.

Proofs must be equal before anything is timed. Times are of the clock, since that is what several processes are for; each round runs
all of them in turn, and ratios are taken round by round. On a busy machine they say little; so beside them stands the processor time of the walk
and of each part, what it comes to where each part has a processor of its own, and the bytes that a part is sent.

    python benchmarks/parallel.py [--accounts 8] [--intents 3000] [--jobs 1,2,4] [--rounds 3] [--json FILE]
"""
from __future__ import annotations

import argparse
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from results import Curve, Result, option, write

import caplex
from caplex.compiler.recorded import compile_recorded
from caplex.runtime.clock import format_instant, parse_instant
from caplex.runtime.journal import read
from caplex.runtime.parallel.parting import part
from caplex.runtime.parallel.working import Task, perform

START = parse_instant("2026-01-05T15:00:00Z")
POLICY = """policy desk {
  version "1" language 1 mode enforce currency USD timezone "UTC" stages KILL, EXEC, EXP
  closing skips EXEC, EXP
  overrides tightest wins
  lot 1
}
input market { price : price above 0 fresh within 1h }
let drawdown = (account.peak_equity - account.equity) / account.peak_equity
throttle EXEC-010 "Order rate" { deny beyond 100 orders in any 1min }
limit EXP-010 "Position" { abs(after.position.notional) at most 10% of account.equity else reduce }
limit EXP-020 "Book" { after.portfolio.gross at most 50% of account.equity else reduce }
kill switch KILL-010 "Drawdown stop" for account {
  trip when drawdown >= 10%
  while tripped deny opening
  on trip notify "risk-desk"
  rearm by 2 of "risk-officer" and 30min after trip and when (drawdown < 8%)
}
"""


def events(accounts: range, intents: int) -> Iterator[dict[str, Any]]:
    """For each account an intent a second, its order and its fill; a quote each second."""
    for a in accounts:
        about = {"at": at(0), "account": f"acct-{a}"}
        yield {"type": "account", "id": f"a-{a}", "equity": "1000000", "available": "1000000", **about}
        yield {"type": "history", "id": f"h-{a}", "complete_from": "2020-01-01T00:00:00Z", **about}
    for i in range(intents):
        now, symbol, side = at(i), f"S{i % 20}", "buy" if i // 20 % 2 == 0 else "sell"
        yield {"type": "quote", "at": now, "symbol": symbol, "price": str(90 + i % 21)}
        for a in accounts:
            about = {"at": now, "account": f"acct-{a}", "symbol": symbol, "side": side, "quantity": "10"}
            yield {"type": "intent", "id": f"i-{a}-{i}", "action": "open", "strategy": "s", **about}
            yield {"type": "order", "id": f"o-{a}-{i}", "at": now, "order_id": f"v-{a}-{i}", "intent_id": f"i-{a}-{i}", "status": "open"}
            yield {"type": "fill", "id": f"f-{a}-{i}", "price": "100", "order_id": f"v-{a}-{i}", **about}


def at(second: int) -> str:
    return format_instant(START + second * 10**9)


def journal(path: Path, accounts: range, intents: int) -> str:
    with caplex.Engine(caplex.loads(POLICY, name="desk.cap"), path, durability="os", store=False) as engine:
        for event in events(accounts, intents):
            (engine.submit if event["type"] == "intent" else engine.apply)(event)
    return str(path)


def main() -> int:
    parser = argparse.ArgumentParser(description="Replays over several processes.")
    parser.add_argument("--accounts", type=int, default=8)
    parser.add_argument("--intents", type=int, default=3000, help="of each account")
    parser.add_argument("--jobs", default="1,2,4")
    parser.add_argument("--rounds", type=int, default=3)
    option(parser)
    chosen = parser.parse_args()
    jobs = sorted({1, *(int(each) for each in chosen.jobs.split(","))})
    with tempfile.TemporaryDirectory() as folder:
        one = [journal(Path(folder) / "all.journal", range(chosen.accounts), chosen.intents)]
        several = [journal(Path(folder) / f"{a}.journal", range(a, a + 1), chosen.intents) for a in range(chosen.accounts)]
        found: list[Result] = []
        curves: list[Curve] = []
        for name, paths in (("one journal, cut by account", one), ("a journal an account", several)):
            lines = sum(1 for path in paths for _ in read(path))
            results, curve = measure(name, paths, lines, jobs, chosen.rounds)
            found += results
            curves.append(curve)
        found += costs(one[0], sorted({*jobs, chosen.accounts}), chosen.rounds)
    write(chosen.json, "parallel", found, curves, checked=f"equal proofs at {', '.join(map(str, jobs))} jobs")
    return 0


def measure(name: str, paths: list[str], lines: int, jobs: list[int], rounds: int) -> tuple[list[Result], Curve]:
    proofs = {caplex.replay_many(paths, jobs=each).proof for each in jobs}
    if len(proofs) != 1 or None in proofs:
        sys.exit(f"{name}: the proofs differ: {proofs}")
    seconds: dict[int, list[float]] = {each: [] for each in jobs}
    for _ in range(rounds):
        for each in jobs:
            began = perf_counter()
            caplex.replay_many(paths, jobs=each)
            seconds[each].append(perf_counter() - began)
    print(f"\n{name}: {lines:,} lines, {os.cpu_count()} processors")
    points, results = [], []
    for each in jobs:
        ratio = Result.ratio(f"{name}, {each} jobs", seconds[1], seconds[each], note="times as fast as one process, by the clock")
        rate = Result.of(f"{name}, {each} jobs, lines", [lines / second for second in seconds[each]], unit="1/s")
        print(f"  {each} jobs  {rate.median:>9,.0f} lines/s  {ratio.median:5.2f} × serial  ({ratio.low:.2f} to {ratio.high:.2f})")
        results += [ratio, rate]
        points.append((each, ratio.median, ratio.low, ratio.high))
    return results, Curve(f"speed of a replay, {name}", x="jobs", points=points)


def costs(path: str, jobs: list[int], rounds: int) -> list[Result]:
    """What the walk costs, what a part costs, and what it is sent; and what that comes to where each part has a processor of its own."""
    whole = perform(Task(path, compile_recorded))  # from here on the policy is compiled, and imports are done
    answers = whole.found.events + whole.found.decisions + whole.found.outcomes
    serial, walked = [], []
    spent: dict[int, list[list[float]]] = {each: [] for each in jobs if each > 1}
    sent: dict[int, list[int]] = {}
    for _ in range(rounds):
        serial.append(timed(lambda: perform(Task(path, compile_recorded))))
        walked.append(timed(lambda: part(path, load=compile_recorded)))
        parted = part(path, load=compile_recorded)
        for most, samples in spent.items():
            tasks = [Task(path, compile_recorded, (), tuple(parted.index[each] for each in group), frozenset(group), parted.shared, parted.end,
                          parted.second, place == 0) for place, group in enumerate(parted.groups(most))]
            samples.append([timed(partial(perform, task)) for task in tasks])
            sent[most] = [len(pickle.dumps(task)) for task in tasks]
    rate, share = Result.of("serial, lines", [answers / each for each in serial], unit="1/s"), Result.ratio("walk / serial replay", walked, serial)
    print(f"\nprocessor time: serial {rate.median:,.0f} lines/s ({rate.low:,.0f} to {rate.high:,.0f}), walk {share.median:.2f} × serial ({share.low:.2f} to {share.high:.2f})")
    results = [rate, share]
    for most, samples in spent.items():
        alone = Result.ratio(f"serial / (walk + slowest of {most} parts)", serial, [walk + max(parts) for walk, parts in zip(walked, samples, strict=True)])
        work = Result.ratio(f"all {most} parts / serial", [sum(parts) for parts in samples], serial)
        results += [alone, work, Result.of(f"sent, by line, {most} parts", [sum(sent[most]) / answers], unit="bytes")]
        print(f"  {most} parts  all of them {work.median:.2f} × serial ({work.low:.2f} to {work.high:.2f}); with a processor each {alone.median:.2f} × as fast "
              f"({alone.low:.2f} to {alone.high:.2f}); a part is sent {max(sent[most]):,} bytes, all {sum(sent[most]) / answers:.0f} a line")
    return results


def timed(work: Callable[[], object]) -> float:
    began = process_time()
    work()
    return process_time() - began


if __name__ == "__main__":
    sys.exit(main())
