"""How long a frame of intents takes: the eighteen rules of `decide.py` over columns, and through an engine.

Before anything is timed, rows of the frame are compared with the scalar decision of their document, and rows through an engine,
asked about in one pass or kept, with intents that are submitted one by one. Ratios are taken within a round: rows a second of
columns to decisions a second of `policy.decide`, and of one pass through an engine to rows that are submitted.

    python benchmarks/columns.py [--rows N] [--stateful N] [--rounds N] [--json FILE]
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
from caplex.runtime.engine.frames import rehearse

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


GAPS = {"stateful": 2000, "stateful, a row each ms": 1}
"""Milliseconds between rows: where the throttle lets two of three through, and where it denies nearly all."""


def paced(rows: int, gap: int = 2000) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    return pd.DataFrame({
        "now": pd.Timestamp("2026-01-05T15:00:00Z") + pd.to_timedelta(np.arange(rows) * gap, unit="ms"), "intent.id": [f"i{row}" for row in range(rows)],
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
    asked, answers, other = engine().decide_frame(frame, keep=False), engine().decide_frame(frame), engine()
    for row in range(len(frame)):
        cells = frame.iloc[row]
        decision = other.submit({"at": cells["now"].isoformat(), **{name[7:]: cells[name] for name in frame if name.startswith("intent.")}})
        for found in (asked, answers):
            rule = None if pd.isna(found["decided_by"].iloc[row]) else found["decided_by"].iloc[row]
            if (decision.verdict, decision.quantity, decision.decided_by) != (found["verdict"].iloc[row], found["quantity"].iloc[row], rule):
                raise SystemExit(f"row {row} of the engine: {found.iloc[row].to_dict()} is not {decision!r}")


def seconds(work: Callable[[], Any]) -> float:
    started = process_time()
    work()
    return process_time() - started


def again(work: Callable[[], Any]) -> float:
    """Of the second of two runs: the memory that a frame of this size takes is there, as it is for who decides frame after frame."""
    work()
    return seconds(work)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--stateful", type=int, default=400_000, help="rows through an engine")
    parser.add_argument("--rounds", type=int, default=7)
    option(parser)
    chosen = parser.parse_args()
    policy = caplex.load(HERE / "desk18.cap")
    base = {**single.document(*baseline.documents()[0]), "intent": {"action": "open"}}
    frame = frame_of(base, chosen.rows)
    found = check(policy, frame, base, 2000)
    days = {name: paced(chosen.stateful, gap) for name, gap in GAPS.items()}
    few = days["stateful"].iloc[:1000]
    for day in days.values():
        check_engine(day.iloc[:400])
    stepped = {name: rehearse(engine(), day)[1].share for name, day in days.items()}
    documents = [single.document(intent, state) for intent, state in baseline.documents()]
    rates: dict[str, list[float]] = {name: [] for name in ("stateless", *GAPS, "submitted", "decide(dict)", "decide(Facts)")}
    prepared = [caplex.Facts(each) for each in documents]
    gc.disable()
    for turn in range(chosen.rounds + 1):
        gc.collect()
        made = engine()
        spent = {
            "stateless": again(lambda: decide_frame(policy, frame, base)) / len(frame),
            **{name: again(lambda made=made, day=day: made.decide_frame(day, keep=False)) / len(day) for name, day in days.items()},
            "submitted": seconds(lambda made=made: made.decide_frame(few)) / len(few),
            "decide(dict)": seconds(lambda: [policy.decide(each).quantity for each in documents]) / len(documents),
            "decide(Facts)": seconds(lambda: [policy.decide(each).quantity for _ in range(200) for each in prepared]) / len(prepared) / 200}
        if turn:
            for name, each in spent.items():
                rates[name].append(1e-6 / each)
    quartiles = {name: statistics.quantiles(values, n=4) for name, values in rates.items()}
    pairs = [("stateless", "decide(dict)"), ("stateless", "decide(Facts)"), ("stateful", "submitted")]
    ratios = {f"{one} / {other}": statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True)) for one, other in pairs}
    whole = {"stateless": chosen.rows >= 1_000_000}  # fewer rows are no measurement of a rate
    write(chosen.json, "columns", [
        *(Result.of(f"{name}, rows a second", [each * 1e6 for each in rates[name]], "1/s",
                    least=BUDGETS[name] * 1e6 if name in BUDGETS and whole.get(name, chosen.stateful >= 200_000) else None) for name in ("stateless", *GAPS)),
        *(Result.ratio(f"{one} rows / {other}", rates[one], rates[other], better="higher") for one, other in pairs),
        Result("rows that fell back", "share", *[found["fell_back"]] * 3, most=MOST_FALLEN),
        Result("stateful rows that fell back", "share", *[max(stepped.values())] * 3, most=MOST_FALLEN)],
          checked=f"{found['compared']} of {len(frame)} rows equal to the decisions of their documents")
    if chosen.json != "-":
        print(f"{len(frame):,} rows in {found['groups']} groups, {found['compared']:,} compared, {found['fell_back']:.2%} fell back, {found['verdicts']}\n")
        for name, (low, middle, high) in quartiles.items():
            budget = BUDGETS.get(name)
            print(f"{name:<24}{middle:>9.4f} M/s {low:>9.4f} … {high:.4f}" + ("" if budget is None else f"   budget {budget} {'held' if middle >= budget else 'MISSED'}"))
        print("".join(f"\n{name:<28}{ratio:>8.1f}" for name, ratio in ratios.items()))
        print(f"\nthrough an engine {max(stepped.values()):.3%} of the rows were a step of the machine")
    return 0 if max(found["fell_back"], *stepped.values()) <= MOST_FALLEN and all(quartiles[name][1] >= budget for name, budget in BUDGETS.items()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
