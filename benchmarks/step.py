"""Where the time of one step goes, and of one of PolicyGate's: a table in microseconds and in shares.

Each part is timed by itself in a pass of its own over the same stream, so that no clock is read inside of what is timed; the
passes of all parts are made in turn, round by round, and medians are told. Then the stream of PolicyGate's loop is taken
apart in the same run. What no step can do without is added up at the end: it is the bound of what this form can reach.

    python benchmarks/step.py [--rounds N] [--batch N] [--json FILE]
"""
from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from time import process_time_ns
from typing import Any
from unittest.mock import patch

from results import Result, option, write

import caplex
from caplex.runtime.engine.engine import Engine
from caplex.runtime.engine.heard import encoded
from caplex.runtime.engine.lane import Lane
from caplex.runtime.engine.live import Desk as Live
from caplex.runtime.engine.machine import Machine
from caplex.runtime.journal import files, head, record
from engine import NINE, SYMBOLS, WIDE, Desk, fill, intent, peer

PARTS: tuple[tuple[str, Any, str], ...] = (
    ("the whole of submit", Engine, "submit"),
    ("  event: checked, encoded, hashed", Machine, "read"),
    ("  decided and reserved", Machine, "step"),
    ("    totals of what has moved", Live, "follow"),
    ("    integers read and judged", Lane, "_judge"),
    ("    reserved and told", Lane, "_approve"),
    ("  written: two lines", Engine, "_write"),
    ("    lines chained (sha256)", record, "write"),
    ("    handed to the system", files, "write_whole"),
    ("    head file", head, "put"),
)
LENGTHS = (100, 1000)


def passed(desk: Desk, batch: int, owner: Any, name: str) -> list[int]:
    """Nanoseconds in *owner*'s *name*, for each of *batch* steps."""
    real, spent = getattr(owner, name), [0]

    def timed(*given: Any, **more: Any) -> Any:
        began = process_time_ns()
        try:
            return real(*given, **more)
        finally:
            spent[0] += process_time_ns() - began

    found = []
    for number in range(desk.count, desk.count + batch):
        asked, after = json.loads(json.dumps(intent(number, SYMBOLS))), json.loads(json.dumps(fill(number, SYMBOLS, "1")))
        spent[0] = 0
        with patch.object(owner, name, timed):
            desk.engine.submit(asked)
        found.append(spent[0])
        desk.engine.apply(after)
    desk.count += batch
    return found


def alone(call: Callable[[], object], times: int = 400) -> float:
    """Nanoseconds of one call."""
    began = process_time_ns()
    for _ in range(times):
        call()
    return (process_time_ns() - began) / times


def floor(folder: Path, rounds: int) -> dict[str, float]:
    """What no step can do without: its bytes read, encoded, hashed, and given to the system."""
    text = json.dumps(intent(7, SYMBOLS))
    given, line = json.loads(text), b"x" * 1900
    found: dict[str, list[float]] = {}
    with (folder / "floor").open("wb", buffering=0) as file:
        for _ in range(rounds):
            for name, call in (("json in", lambda: json.loads(text)), ("event encoded", lambda: encoded(given)),
                               ("event hashed", lambda: sha256(text.encode()).hexdigest()),
                               ("line of the event hashed", lambda: sha256(line[:420]).hexdigest()),
                               ("line of the answer hashed", lambda: sha256(line).hexdigest()), ("one write", lambda: file.write(line))):
                found.setdefault(name, []).append(alone(call))
    return {name: statistics.median(times) for name, times in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=60)
    option(parser)
    chosen = parser.parse_args()
    policy, found = caplex.load(NINE, settings=WIDE), dict[str, list[float]]()
    theirs, lengths = peer(), dict[int, list[float]]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        desk = Desk(policy, journal=folder / "steps", durability="os", store=False)
        desk.steps(4 * SYMBOLS)
        for turn in range(chosen.rounds + 1):
            for part, owner, attribute in PARTS:
                taken = passed(desk, chosen.batch, owner, attribute)
                if turn:
                    found.setdefault(part, []).append(statistics.median(taken))
            for length in LENGTHS if theirs is not None and turn else ():
                with tempfile.TemporaryDirectory() as other:
                    lengths.setdefault(length, []).append(theirs(length, Path(other)))
        desk.engine.close()
        bare = floor(folder, chosen.rounds)
    whole = statistics.median(found[PARTS[0][0]])
    print(f"{'':42}{'us':>8}{'of a step':>12}")
    for part, _, _ in PARTS:
        ns = statistics.median(found[part])
        print(f"{part:42}{ns / 1000:>8.1f}{ns / whole:>12.0%}")
    least = sum(bare.values())
    print("what no step can do without: " + ", ".join(f"{part} {ns / 1000:.1f}" for part, ns in bare.items()) + f"; together {least / 1000:.1f} us")
    results = [Result.ratio(f"{part.strip()} / step", found[part], found[PARTS[0][0]], better="lower") for part, _, _ in PARTS[1:]]
    for length, times in lengths.items():
        peers = statistics.median(times)
        print(f"PolicyGate, a stream of {length:_}: {peers / 1000:.1f} us a step, {peers / whole:.2f} of ours; 12x would leave us {peers / 12_000:.1f} us")
        results.append(Result(f"what no step can do without / a twelfth of policygate ({length:_} intents)", "ratio", *[least / (peers / 12)] * 3, better="lower"))
    write(chosen.json, "step", results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
