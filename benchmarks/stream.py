"""A long stream through one engine with journal and store: cost of an event and resident memory, as the stream grows.

Each round is a quote, an intent, the order that was sent, its fill, and now and then a correction of an old one: four events
for each intent. Memory must be flat once the first checkpoints are behind, and so must the cost of an event; histories are as
long as the windows of the policy, and time passes in the stream as fast as `--pace` says. At the end the journal is opened
again, with the store and (if asked for) without it.

    python benchmarks/stream.py [--intents N] [--without-store] [--cold] [--pace SECONDS] [--folder DIR] [--json FILE]
"""
from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from results import Curve, Result, option, write

import caplex
from caplex.runtime.clock import format_instant, parse_instant

START = parse_instant("2026-01-05T15:00:00Z")
SYMBOLS = 50
POLICY = """policy desk {
  version "1" language 1 mode enforce currency USD timezone "UTC" day starts 17:00 owner "desk"
  stages SYS, LOSS, EXEC, EXP closing skips LOSS, EXEC, EXP overrides tightest wins
  lot 1 unlimited loss idempotency keep 1h
}
input market { price : price above 0 fresh always }
limit EXP-010 "Position" { abs(after.position.notional) at most 50_000 USD else reduce }
limit EXP-020 "Book" { after.portfolio.gross at most 1_000_000 USD else reduce }
throttle EXEC-010 "By symbol" { deny beyond 50 orders in any 1min for each symbol }
cooldown EXEC-020 "After a stop" { deny during 1min after last stop for each symbol }
"""


def resident() -> float:
    """MiB, as the system counts; 0 where it does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * 4096 / 2**20


def events(intents: int, pace: float) -> Iterator[dict[str, Any]]:
    yield {"type": "account", "id": "a-0", "at": at(0, 0), "account": "a", "equity": "1000000", "available": "1000000"}
    yield {"type": "history", "id": "h-0", "at": at(0, 0), "account": "a", "complete_from": "2020-01-01T00:00:00Z"}
    for number in range(intents):
        symbol, side = f"S{number % SYMBOLS}", "buy" if number // SYMBOLS % 2 == 0 else "sell"
        now = at(number, pace)
        yield {"type": "quote", "id": f"q-{number}", "at": now, "symbol": symbol, "price": f"{90 + number % 21}"}
        yield {"type": "intent", "id": f"i-{number}", "at": now, "account": "a", "action": "open", "side": side, "quantity": "10", "symbol": symbol,
               "strategy": f"s{number % 3}"}
        yield {"type": "order", "id": f"o-{number}", "at": now, "order_id": f"v-{number}", "intent_id": f"i-{number}", "status": "open"}
        yield {"type": "fill", "id": f"f-{number}", "at": now, "account": "a", "symbol": symbol, "side": side, "quantity": "10", "price": "100",
               "order_id": f"v-{number}"}
        if number % 1000 == 999:
            old = number - 900
            yield {"type": "fill", "id": f"c-{number}", "at": now, "account": "a", "symbol": f"S{old % SYMBOLS}", "price": "101", "quantity": "10",
                   "side": "buy" if old // SYMBOLS % 2 == 0 else "sell", "corrects": f"f-{old}"}


def at(number: int, pace: float) -> str:
    return format_instant(START + round(number * pace * 1000) * 10**6)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--intents", type=int, default=50_000)
    parser.add_argument("--pace", type=float, default=0.2)
    parser.add_argument("--without-store", action="store_true")
    parser.add_argument("--cold", action="store_true", help="open the journal at the end without the store as well")
    parser.add_argument("--folder")
    option(parser)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        run(Path(folder), asked)
    return 0


def run(folder: Path, asked: argparse.Namespace) -> None:
    tenths: list[tuple[float, float, float]] = []
    policy, journal, step = caplex.loads(POLICY, name="desk.cap"), folder / "desk.journal", max(asked.intents // 10, 1)
    print(f"{'intents':>9} {'events':>9} {'µs an event':>12} {'CPU µs':>8} {'RSS MiB':>8} {'journal MiB':>12} {'store MiB':>10}")
    with caplex.Engine(policy, journal, durability="os", store=not asked.without_store) as engine:
        begun, cpu, before, done = perf_counter(), process_time(), 0, count(1)
        approved = total = 0
        for event in events(asked.intents, asked.pace):
            total = next(done)
            if event["type"] != "intent":
                engine.apply(event)
                continue
            approved += engine.submit(event).permits
            number = int(event["id"][2:]) + 1
            if number % step == 0:
                wall, busy, events_done = perf_counter() - begun, process_time() - cpu, total - before
                print(f"{number:>9} {total:>9} {wall / events_done * 1e6:>12.0f} {busy / events_done * 1e6:>8.0f} {resident():>8.1f} "
                      f"{size(journal):>12.1f} {size(folder / 'desk.journal.db', folder / 'desk.journal.db-wal'):>10.1f}", flush=True)
                tenths.append((number, busy / events_done * 1e6, resident()))
                begun, cpu, before = perf_counter(), process_time(), total
        state = engine._machine.state
        print(f"approved {approved}; in memory: " + ", ".join(f"{len(getattr(state, name))} {name}" for name in (
            "seen", "event_ids", "orders", "by_intent", "by_client", "fills", "holds", "latches")))
    print(f"opened again in {opened(policy, journal, True):.2f} s with the store")
    first, last = tenths[1], tenths[-1]
    write(asked.json, "stream", [
        Result("processor time of an event, last tenth / second", "ratio", *[last[1] / first[1]] * 3, better="lower"),
        Result("resident memory, last tenth / second", "ratio", *[last[2] / first[2]] * 3 if first[2] else [1.0] * 3, better="lower")],
        [Curve("processor time of an event, as the stream grows", "intents", [(n, us, us, us) for n, us, _ in tenths], "us"),
         Curve("resident memory, as the stream grows", "intents", [(n, size, size, size) for n, _, size in tenths], "MiB")],
        notes=[f"{asked.intents} intents"])
    if asked.cold:
        print(f"opened again in {opened(policy, journal, False):.2f} s without it: {total} events, folded again")


def opened(policy: Any, journal: Path, store: bool) -> float:
    begun = perf_counter()
    caplex.Engine(policy, journal, durability="os", store=store).close()
    return perf_counter() - begun


def size(*files: Path) -> float:
    return sum(file.stat().st_size for file in files if file.exists()) / 2**20


if __name__ == "__main__":
    sys.exit(main())
