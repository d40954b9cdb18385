"""What one step of the engine costs: JSON in, decision, state, chained journal line out.

First each decision must equal the one on the document that `engine.facts(intent)` tells, in verdict and quantity. Then the
forms are timed in turn within each round, in processor time, which other programs disturb least, and ratios are taken round by
round. Before that each desk has seen both sides of all its symbols; the streams beside PolicyGate begin with nothing known. PolicyGate, the package `policygate-capital` (`pip install -e .[peers]`), runs its own loop over the same intents under
the same nine rules; both write every step to a file without forcing it to the disk. Its cost grows with the stream, so that
lengths are compared.

    python benchmarks/engine.py [--rounds N] [--batch N] [--lengths N,N] [--stream N] [--json FILE]
"""
from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from typing import Any

from results import Result, option, quartiles, write

import caplex
from caplex.compiler.recorded import compile_recorded
from caplex.runtime.engine.engine import Engine
from caplex.runtime.policy import Policy
from caplex.runtime.replay import replay

HERE = Path(__file__).resolve().parent
NINE = HERE.parent / "examples" / "policygate" / "policy.cap"
WIDE = {"max_orders_per_minute": "10000", "max_orders_per_minute_by_strategy": "10000", "trip_after_n_violations": "10000"}
START = datetime(2026, 1, 5, 15, tzinfo=UTC)
SYMBOLS, PRICE, EQUITY, MUCH = 20, "66.9", "1000000", "100000000"
TOO_MUCH = ("5000", "3000", "20000")
BUDGETS = {"policygate / step": (12, "at least"), "500 positions / 20": (1.2, "at most"), "100 000 events / 100": (1.2, "at most"),
           "last tenth / first": (1.2, "at most")}
WINDOWS = """policy windows {
  version "1" language 1 mode enforce currency USD timezone "UTC" stages EXEC closing skips EXEC
  overrides by strategy > default  lot 0.00000001  unlimited exposure unlimited loss
}
input market { price : price above 0 fresh always }
throttle EXEC-010 "Orders" { deny beyond 1_000_000 orders in any 1h for each strategy }
cooldown EXEC-020 "After a stop" { deny during 1s after last stop for each symbol }
"""
Clock = Callable[[], int]
PEER = """version: "0.1"
timezone: UTC
defaults: {mode: enforce, decision: deny}
limits:
  exposure: {max_position_pct: 0.10, max_gross_exposure_x: 2, max_net_exposure_x: 1}
  loss: {daily_loss_limit_pct: 0.02, max_drawdown_pct: 0.05}
  execution: {max_orders_per_minute_global: 10000, max_orders_per_minute_by_strategy: 10000}
  kill_switch: {trip_on_rules: [LOSS-002], trip_after_n_violations: 10000, violation_window_seconds: 300}
overrides: {symbols: {}, strategies: {}}
"""


# ── the same intents for both ─────────────────────────────────────────────────────────────────────────


def at(millisecond: int) -> str:
    return (START + timedelta(milliseconds=millisecond)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def intent(number: int, symbols: int, quantity: str = "1") -> dict[str, Any]:
    """A hundred a second, each symbol bought and sold in turn."""
    return {"type": "intent", "id": f"i-{number}", "at": at(60_000 + 10 * number), "account": "a", "symbol": f"S{number % symbols}",
            "side": "buy" if number // symbols % 2 == 0 else "sell", "action": "open", "quantity": quantity, "order_type": "market",
            "strategy": "s"}


def fill(number: int, symbols: int, quantity: str) -> dict[str, Any]:
    given = intent(number, symbols)
    return {"type": "fill", "id": f"f-{number}", "at": given["at"], "intent_id": given["id"], "account": "a", "symbol": given["symbol"],
            "side": given["side"], "quantity": quantity, "price": PRICE}


def quote(number: int, symbols: int) -> dict[str, Any]:
    return {"type": "quote", "at": at(60_000 + 10 * number), "symbol": f"S{number % symbols}", "price": PRICE}


class Desk:
    """An engine with a book, and its stream of intents, which goes on from round to round. What was approved is filled."""

    def __init__(self, policy: Policy, symbols: int = SYMBOLS, journal: Path | None = None, *, past: int = 0, clock: Clock = process_time_ns,
                 stern: bool = False, **options: Any) -> None:
        self.policy, self.symbols, self.count, self.clock, self.stern = policy, symbols, 0, clock, stern
        self.engine = Engine(policy, journal, trust_operators=True, **options)
        sections = policy.plan.schema.sections
        events = [{"type": "order", "at": at(-60_000 + 50_000 * n // past), "symbol": f"S{n % symbols}", "strategy": "s", "quantity": "1"}
                  for n in range(past)]
        self.apply({"type": "history", "at": at(0), "account": "a", "complete_from": at(-86_400_000), "events": events})
        self.apply({"type": "account", "id": "begin", "at": at(0), "account": "a", "equity": EQUITY if symbols <= 1000 else MUCH})
        if "execution" in sections:
            self.apply({"type": "input", "at": at(0), "name": "execution", "values": {"kill_switch_active": False}})
            self.apply({"type": "counters", "at": at(0), "values": {"orders_last_60s_global": 0, "orders_last_60s_by_strategy": 0}})
        for symbol in range(symbols):
            self.apply({"type": "quote", "at": at(1), "symbol": f"S{symbol}", "price": PRICE})
            self.apply({"type": "position", "at": at(1), "account": "a", "symbol": f"S{symbol}", "quantity": "10"})

    def apply(self, event: dict[str, Any]) -> None:
        self.engine.apply(event)

    def steps(self, times: int) -> tuple[int, int]:
        """Nanoseconds of *times* intents, and of the fills that follow."""
        asked = [json.dumps(intent(self.count + n, self.symbols, self._size(self.count + n))) for n in range(times)]
        filled = [json.dumps(fill(self.count + n, self.symbols, "1")) for n in range(times)]
        self.count += times
        deciding, filling, clock = 0, 0, self.clock
        for line, after in zip(asked, filled, strict=True):
            began = clock()
            permits = self.engine.submit(json.loads(line)).permits
            between = clock()
            if permits:
                self.engine.apply(json.loads(after))
                filling += clock() - between
            deciding += between - began
        return deciding, filling

    def _size(self, number: int) -> str:
        """Of a stern desk three in ten ask for more than there is, and are reduced or denied."""
        return TOO_MUCH[number // 10 % 3] if self.stern and number % 10 in (2, 5, 8) else "1"

    def quotes(self, times: int) -> int:
        given = [json.dumps(quote(self.count, n + 1)) for n in range(times)]
        began = self.clock()
        for line in given:
            self.engine.apply(json.loads(line))
        return self.clock() - began


def check(policy: Policy, times: int) -> int:
    """Every decision equals the one on the document of its state, or this ends the run."""
    desk, verdicts = Desk(policy), set()
    for number in range(times):
        given = intent(number, SYMBOLS, ("1", "5000", "40", "0.5", "0")[number % 5])
        wanted = policy.decide(desk.engine.facts(given))
        found = desk.engine.submit(given)
        if (found.verdict, found.quantity) != (wanted.verdict, wanted.quantity):
            raise SystemExit(f"{given}: the engine says {found}, its document {wanted}")
        verdicts.add(found.verdict.value)
        if found.permits and number % 3:
            desk.apply(fill(number, SYMBOLS, str(found.quantity)))
    if not {"ALLOW", "MODIFY", "DENY"} <= verdicts:
        raise SystemExit(f"only {sorted(verdicts)} came up: nothing was compared")
    return times


# ── the peer ──────────────────────────────────────────────────────────────────────────────────────────


def peer() -> Callable[[int, Path], float] | None:
    """Its loop over so many intents, in nanoseconds an intent; None where it is not installed."""
    try:
        from policygate_capital.models.intent import OrderIntent
        from policygate_capital.models.state import ExecutionState, MarketSnapshot, PortfolioState
        from policygate_capital.runtime.runner import run_stream
    except ImportError:
        return None

    def run(length: int, folder: Path) -> float:
        (folder / "policy.yaml").write_text(PEER, encoding="utf-8")
        lines = []
        for number in range(length):
            one = intent(number, SYMBOLS)
            lines.append(json.dumps({
                "intent_id": one["id"], "timestamp": one["at"], "strategy_id": "s", "account_id": "a", "side": one["side"], "order_type": "market",
                "instrument": {"symbol": one["symbol"], "asset_class": "equity"}, "qty": 1.0}))
        equity = float(EQUITY)
        book = PortfolioState(equity=equity, start_of_day_equity=equity, peak_equity=equity, positions={f"S{n}": 10.0 for n in range(SYMBOLS)})
        market = MarketSnapshot(timestamp=at(0), prices={f"S{n}": float(PRICE) for n in range(SYMBOLS)})
        began = process_time_ns()
        given = [OrderIntent.model_validate(json.loads(line)) for line in lines]
        summary, _, _ = run_stream(folder / "policy.yaml", given, book, ExecutionState(), market, audit_log_path=folder / "audit.jsonl")
        spent = process_time_ns() - began
        if summary.counts["ALLOW"] != length:
            raise SystemExit(f"PolicyGate did not allow all intents: {summary.counts}")
        return spent / length

    return run


def against(policy: Policy, lengths: list[int], rounds: int) -> dict[str, dict[str, list[float]]] | None:
    """Nanoseconds a step at each length, both begun anew each time."""
    theirs = peer()
    if theirs is None:
        return None
    found: dict[str, dict[str, list[float]]] = {}
    for length in lengths:
        rows = found[f"{length:_}".replace("_", " ")] = {"policygate": [], "step": [], "step and fill": []}
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as name:
                rows["policygate"].append(theirs(length, Path(name)))
                desk = Desk(policy, journal=Path(name) / "journal.jsonl", durability="os")
                deciding, filling = desk.steps(length)
                desk.engine.close()
                rows["step"].append(deciding / length)
                rows["step and fill"].append((deciding + filling) / length)
    return found


# ── measuring ─────────────────────────────────────────────────────────────────────────────────────────


def measure(policy: Policy, folder: Path, rounds: int, batch: int) -> dict[str, list[float]]:
    """Nanoseconds of one step, by form and round."""
    windows = caplex.compile_text(WINDOWS, name="windows.cap")
    desks = {"step, no journal": Desk(policy)}
    desks["step, journal os"] = Desk(policy, journal=folder / "os.jsonl", durability="os")
    desks |= {f"step, journal {durability} (on the clock)": Desk(policy, journal=folder / f"{durability}.jsonl", durability=durability, clock=perf_counter_ns)
              for durability in ("group", "each")}  # waiting for the disk is what they do
    desks |= {f"{held} positions": Desk(policy, held) for held in (20, 100, 500)}
    desks |= {"5 000 positions": Desk(policy, 5000), "three in ten too large": Desk(policy, stern=True)}
    desks |= {f"{label} events in the window": Desk(windows, past=past) for label, past in (("100", 100), ("1 000", 1_000), ("100 000", 100_000))}
    for desk in desks.values():
        desk.steps(2 * desk.symbols)  # both sides of each symbol once: the first intent of its kind goes the long way
    found: dict[str, list[float]] = {name: [] for name in (*desks, "fill, no journal", "quote, no journal")}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds + 1):
            for name, desk in desks.items():
                deciding, filling = desk.steps(batch)
                spent = {name: deciding}
                if name == "step, no journal":
                    spent |= {"fill, no journal": filling, "quote, no journal": desk.quotes(batch)}
                if turn:  # the first round warms up
                    for what, ns in spent.items():
                        found[what].append(ns / batch)
            gc.collect()
    finally:
        gc.enable()
        for desk in desks.values():
            desk.engine.close()
    return found


def recovery(policy: Policy, folder: Path, steps: int) -> dict[str, Any]:
    """A journal of *steps* intents and fills, opened again without a store, with one, and replayed: lines a second."""
    path = folder / "long.jsonl"
    desk = Desk(policy, journal=path, durability="os", store=False)
    desk.steps(steps)
    digest = desk.engine.digest
    desk.engine.close()
    with path.open("rb") as file:
        lines = sum(1 for _ in file)
    found: dict[str, Any] = {"lines": lines}
    began = perf_counter_ns()
    again = Engine(policy, path, durability="os", trust_operators=True, store=False)
    found["resume"] = lines / (perf_counter_ns() - began) * 10**9
    if again.digest != digest:
        raise SystemExit("the journal was read back to another state")
    again.close()
    began = perf_counter_ns()
    replayed = replay(path, load=compile_recorded)
    found["replay"] = lines / (perf_counter_ns() - began) * 10**9
    if not replayed.identical:
        raise SystemExit("the journal did not replay to the same answers")
    return found


def sustained(policy: Policy, folder: Path, steps: int) -> dict[str, Any]:
    """One stream: nanoseconds a step in each tenth, and what the process grew by between the second and the last."""
    desk = Desk(policy, journal=folder / "stream.jsonl", durability="os")
    tenths, sizes = [], []
    chunk = max(steps // 100, 1)
    for _ in range(10):
        tenths.append(statistics.median(desk.steps(chunk)[0] / chunk for _ in range(10)))
        sizes.append(resident())
    desk.engine.close()
    return {"steps": steps, "tenths": tenths, "grown_bytes_per_step": (sizes[-1] - sizes[1]) / (steps * 8 // 10)}


def resident() -> int:
    """Bytes of memory that the process holds now; where the system does not say, the most that it has held."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# ── telling ───────────────────────────────────────────────────────────────────────────────────────────


def summary(values: list[float]) -> dict[str, float]:
    low, middle, high = quartiles(values)
    return {"median": middle, "low": low, "high": high}


def ratios(found: dict[str, list[float]], beside: dict[str, dict[str, list[float]]] | None, stream: dict[str, Any]) -> dict[str, dict[str, float]]:
    def over(left: list[float], right: list[float]) -> dict[str, float]:
        return summary([a / b for a, b in zip(left, right, strict=True)])

    told = {
        "500 positions / 20": over(found["500 positions"], found["20 positions"]),
        "100 positions / 20": over(found["100 positions"], found["20 positions"]),
        "5 000 positions / 20": over(found["5 000 positions"], found["20 positions"]),
        "30 % denied or reduced / none": over(found["three in ten too large"], found["step, no journal"]),
        "fill / step": over(found["fill, no journal"], found["step, no journal"]),
        "quote / step": over(found["quote, no journal"], found["step, no journal"]),
        "100 000 events / 100": over(found["100 000 events in the window"], found["100 events in the window"]),
        "1 000 events / 100": over(found["1 000 events in the window"], found["100 events in the window"]),
        "journal os / none": over(found["step, journal os"], found["step, no journal"]),
        "last tenth / first": summary([stream["tenths"][-1] / stream["tenths"][0]]),
    }
    for length, rows in (beside or {}).items():
        told[f"policygate / step ({length} intents)"] = over(rows["policygate"], rows["step"])
        told[f"policygate / step and fill ({length} intents)"] = over(rows["policygate"], rows["step and fill"])
    return told


def show(result: dict[str, Any]) -> Iterator[str]:
    yield f"{'form':<40}{'us':>10}{'quartiles':>22}"
    for name, s in result["ns"].items():
        yield f"{name:<40}{s['median'] / 1000:>10.1f}{s['low'] / 1000:>13.1f} … {s['high'] / 1000:.1f}"
    yield ""
    yield f"{'ratio':<46}{'median':>8}{'quartiles':>18}   budget"
    for name, s in result["ratios"].items():
        budget, way = BUDGETS.get(name.partition(" (")[0], (None, ""))
        kept = budget is not None and (s["median"] >= budget if way == "at least" else s["median"] <= budget)
        told = "" if budget is None else f"{way} {budget}: {'held' if kept else 'MISSED'}"
        yield f"{name:<46}{s['median']:>8.2f}{s['low']:>10.2f} … {s['high']:.2f}   {told}".rstrip()
    if result["policygate"] is None:
        yield "PolicyGate is not installed: no comparison. `pip install policygate-capital`, or this project with `[peers]`."
    yield ""
    recovered, stream = result["recovery"], result["stream"]
    yield f"a journal of {recovered['lines']} lines: opened again at {recovered['resume']:.0f} lines/s, replayed and compared at {recovered['replay']:.0f} lines/s"
    yield f"a stream of {stream['steps']} intents with fills: {stream['grown_bytes_per_step']:.0f} bytes of memory a step; us a step by tenth: " + ", ".join(
        f"{each / 1000:.0f}" for each in stream["tenths"])


def results(told: dict[str, dict[str, float]], peer_rounds: int, rounds: int) -> Iterator[Result]:
    """The ratios in the form that all benchmarks write; the goal of PolicyGate's is asked of each length."""
    for name, s in told.items():
        budget, way = BUDGETS.get(name.partition(" (")[0], (None, ""))
        samples = 1 if name.startswith("last") else peer_rounds if name.startswith("policygate") else rounds
        yield Result(name, "ratio", s["median"], s["low"], s["high"], samples, budget if way == "at most" else None, budget if way == "at least" else None,
                     better="higher" if name.startswith("policygate") else "lower")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--batch", type=int, default=60, help="steps of each form in a round")
    parser.add_argument("--lengths", default="100,1000,8000", help="streams on which PolicyGate is compared")
    parser.add_argument("--peer-rounds", type=int, default=3)
    parser.add_argument("--recover", type=int, default=2000, help="intents in the journal that is recovered")
    parser.add_argument("--stream", type=int, default=5000, help="intents in the sustained stream")
    option(parser)
    chosen = parser.parse_args()
    policy = caplex.load(NINE, settings=WIDE)
    compared = check(policy, 200)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = measure(policy, folder, max(chosen.rounds, 3), chosen.batch)
        beside = against(policy, [int(length) for length in chosen.lengths.split(",")], chosen.peer_rounds)
        recovered, stream = recovery(policy, folder, chosen.recover), sustained(policy, folder, chosen.stream)
    ns = {name: summary(values) for name, values in found.items()}
    for length, rows in (beside or {}).items():
        ns |= {f"{form}, {length} intents": summary(values) for form, values in rows.items()}
    result = {"ns": ns, "ratios": ratios(found, beside, stream), "policygate": beside and sorted(beside), "recovery": recovered, "stream": stream}
    checked = f"{compared} decisions, all equal to those on the documents"
    write(chosen.json, "engine", list(results(result["ratios"], chosen.peer_rounds, chosen.rounds)), checked=checked,
          notes=[] if beside else ["policygate-capital is not installed"])
    if chosen.json != "-":
        print(f"{checked}\n")
        print("\n".join(show(result)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
