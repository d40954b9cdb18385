"""How long a frame of intents takes: the eighteen rules of `decide.py` over columns, and through an engine.

Before anything is timed, rows of the frame are compared with the scalar decision of their document, and the first rows of the
engine with intents that are submitted one by one. Ratios are taken within a round: rows a second of columns to decisions a second
of `policy.decide`.

    python benchmarks/columns.py [--rows N] [--rounds N] [--json FILE]
"""
from __future__ import annotations

import argparse
import gc
import statistics
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

try:
    import numpy as np
    import pandas as pd
except ImportError as missing:
    raise SystemExit(f"columns.py wants {missing.name}, which is not installed: pip install -e '.[frames]' pandas") from None

import baseline
import decide as single
from results import Result, option, write

import caplex
from caplex.runtime.columns.deciding import decide_frame

HERE = Path(__file__).resolve().parent
BUDGETS = {"stateless": 8.0, "stateful": 0.6}
"""Millions of intents a second on one core, where at most one row in a hundred falls back."""
MOST_FALLEN = 0.01
PACED = """policy paced {
  version "1"  language 1  mode enforce  currency USD  timezone "UTC"
  stages RISK, EXP
  closing skips EXP
  overrides tightest wins
  lot 0.0001
  unlimited loss
}
input market { price : price above 0 fresh within 30d }
throttle RISK-001 "Rate" { deny beyond 10 orders in any 1min for each strategy }
limit EXP-001 "Position" { abs(after.position.notional) at most 10% of account.equity  else reduce }
"""


def frame_of(base: dict[str, Any], rows: int) -> pd.DataFrame:
    """Twenty-five symbols, two sides, three strategies; sizes on a lot, prices on a tick."""
    rng = np.random.default_rng(7)
    symbols = list(base["market"])
    last = np.array([float(base["market"][symbol]["price"]) for symbol in symbols])
    which = rng.integers(0, len(symbols), rows)
    price = np.round(last[which] * rng.uniform(0.97, 1.03, rows), 2)
    return pd.DataFrame({
        "intent.symbol": pd.Categorical.from_codes(which, symbols), "intent.side": pd.Categorical.from_codes(rng.integers(0, 2, rows), ["buy", "sell"]),
        "intent.strategy": pd.Categorical.from_codes(rng.integers(0, 3, rows), ["mr", "trend", "mm"]),
        "intent.quantity": np.round(rng.uniform(500, 120_000, rows) / price, 4), "market.price": price, "intent.confidence": np.round(rng.uniform(0.65, 1, rows), 2)})


def check(policy: caplex.Policy, frame: pd.DataFrame, base: dict[str, Any], sample: int) -> dict[str, Any]:
    """Rows of the frame against their documents; ends the run where they differ."""
    answers, report = decide_frame(policy, frame, base)
    step = max(1, len(frame) // sample)
    part = answers.iloc[::step]
    rows = part[list(frame.columns)]
    for number in range(len(part)):
        decision, told = policy.decide_row(rows, number, base), part.iloc[number]
        rule = None if pd.isna(told["decided_by"]) else told["decided_by"]
        if (str(decision.verdict), decision.quantity, decision.decided_by) != (told["verdict"], told["quantity"], rule):
            raise SystemExit(f"row {number * step}: {told['verdict']} {told['quantity']} {rule} is not {decision!r}")
    return {"compared": len(part), "groups": report.groups, "fell_back": report.share, "verdicts": answers["verdict"].value_counts().to_dict()}


def paced(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    return pd.DataFrame({
        "now": pd.Timestamp("2026-01-05T15:00:00Z") + pd.to_timedelta(np.arange(rows) * 2, unit="s"), "intent.id": [f"i{row}" for row in range(rows)],
        "intent.action": "open", "intent.account": "main", "intent.symbol": rng.choice(["KO", "GE", "PG"], rows), "intent.side": rng.choice(["buy", "sell"], rows),
        "intent.strategy": rng.choice(["s", "t"], rows), "intent.quantity": rng.integers(1, 20, rows).astype(float)})


def engine() -> caplex.Engine:
    made = caplex.Engine(caplex.loads(PACED), trust_operators=True)
    at = "2026-01-05T14:59:00Z"
    made.apply({"type": "history", "at": at, "account": "main", "complete_from": "2026-01-05T00:00:00Z"})
    made.apply({"type": "account", "at": at, "account": "main", "equity": "100000000"})
    for symbol in ("KO", "GE", "PG"):
        made.apply({"type": "quote", "at": at, "symbol": symbol, "price": "50"})
    return made


def check_engine(frame: pd.DataFrame) -> None:
    answers, other = engine().decide_frame(frame), engine()
    for row in range(len(frame)):
        cells = frame.iloc[row]
        decision = other.submit({"at": cells["now"].isoformat(), **{name[7:]: cells[name] for name in frame if name.startswith("intent.")}})
        if (decision.verdict, decision.quantity) != (answers["verdict"].iloc[row], answers["quantity"].iloc[row]):
            raise SystemExit(f"row {row} of the engine: {answers.iloc[row].to_dict()} is not {decision!r}")


def seconds(work: Callable[[], Any]) -> float:
    started = process_time()
    work()
    return process_time() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    option(parser)
    chosen = parser.parse_args()
    policy = caplex.load(HERE / "desk18.cap")
    base = {**single.document(*baseline.documents()[0]), "intent": {"action": "open"}}
    frame = frame_of(base, chosen.rows)
    found = check(policy, frame, base, 2000)
    day = paced(2000)
    check_engine(day.iloc[:300])
    documents = [single.document(intent, state) for intent, state in baseline.documents()]
    rates: dict[str, list[float]] = {"stateless": [], "stateful": [], "decide(dict)": [], "decide(Facts)": []}
    prepared = [caplex.Facts(each) for each in documents]
    gc.disable()
    for turn in range(chosen.rounds + 1):
        made = engine()
        spent = {
            "stateless": seconds(lambda: decide_frame(policy, frame, base)) / len(frame), "stateful": seconds(lambda made=made: made.decide_frame(day)) / len(day),
            "decide(dict)": seconds(lambda: [policy.decide(each).quantity for each in documents]) / len(documents),
            "decide(Facts)": seconds(lambda: [policy.decide(each).quantity for _ in range(200) for each in prepared]) / len(prepared) / 200}
        if turn:
            for name, each in spent.items():
                rates[name].append(1e-6 / each)
    quartiles = {name: statistics.quantiles(values, n=4) for name, values in rates.items()}
    ratios = {name: statistics.median(a / b for a, b in zip(rates["stateless"], rates[name], strict=True)) for name in ("decide(dict)", "decide(Facts)")}
    whole = chosen.rows >= 1_000_000  # fewer rows are no measurement of a rate
    write(chosen.json, "columns", [
        *(Result.of(f"{name}, rows a second", [each * 1e6 for each in rates[name]], "1/s", least=BUDGETS[name] * 1e6 if whole else None) for name in BUDGETS),
        *(Result.ratio(f"stateless rows / {name}", rates["stateless"], rates[name], better="higher") for name in ("decide(dict)", "decide(Facts)")),
        Result("rows that fell back", "share", *[found["fell_back"]] * 3, most=MOST_FALLEN)],
          checked=f"{found['compared']} of {len(frame)} rows equal to the decisions of their documents")
    if chosen.json != "-":
        print(f"{len(frame):,} rows in {found['groups']} groups, {found['compared']:,} compared, {found['fell_back']:.2%} fell back, {found['verdicts']}\n")
        for name, (low, middle, high) in quartiles.items():
            budget = BUDGETS.get(name)
            print(f"{name:<16}{middle:>9.4f} M/s {low:>9.4f} … {high:.4f}" + ("" if budget is None else f"   budget {budget} {'held' if middle >= budget else 'MISSED'}"))
        print("".join(f"\nstateless / {name:<16}{ratio:>8.1f}" for name, ratio in ratios.items()))
    return 0 if found["fell_back"] <= MOST_FALLEN and all(quartiles[name][1] >= budget for name, budget in BUDGETS.items()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
