"""Every row of a frame is decided as its document is: on generated policies, on the examples, at the edges of 64 bits."""
from __future__ import annotations

import json
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from frames import answers, differing, frame_of

import caplex
from caplex.compiler.codegen import columnar
from caplex.compiler.codegen.assemble import Assembler
from caplex.compiler.driver import check_source
from caplex.compiler.graph import clocks
from caplex.compiler.graph.build import build
from caplex.compiler.source import Source
from caplex.runtime.columns import vectors
from caplex.runtime.policy import Policy
from caplex.runtime.tape import Op
from differential.facts import Facts
from differential.harness import subject

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(12)
ROWS = 30


def rounds(seeds, odd):
    """Differences, and what columns decided by themselves, over *seeds*."""
    seen, wrong = Counter(), []
    for seed in seeds:
        each = subject(seed)
        if each.plan.columns.why or each.plan.fused is None:
            continue
        base = Facts(each.policy, seed).document()
        frame = frame_of(random.Random(seed), base, each.plan.schema, ROWS, odd)
        found, meant, report = answers(Policy(each.plan), frame, base)
        wrong += [(seed, *difference) for difference in differing(found, meant)]
        seen["rows"] += len(frame)
        seen["late"] += report.fell_back
        seen.update(f"{verdict}" for verdict, _, _ in found)
    return wrong, seen


@pytest.mark.parametrize("odd", [0, 0.05])
def test_generated_policies(odd):
    wrong, seen = rounds(SEEDS, odd)
    assert wrong == []
    assert seen["rows"] - seen["late"] > seen["rows"] / 10  # columns have something to say
    assert {"ALLOW", "DENY"} <= set(seen)


# ── a policy that lives in columns ────────────────────────────────────────────────────────────────────

DESK = """policy desk {
  version "1"  language 1  mode enforce  currency USD  timezone "UTC"
  stages DATA | RISK, EXP
  closing skips EXP
  overrides by symbol > strategy > default
  lot 0.01
}
input market { price : price above 0 fresh within 10s }
input intent { confidence : ratio }
input signal each strategy { score : ratio  age : count? }
setting most : ratio = 10% { set for symbol "B" = 25%  set for strategy "s" = 5% }
limit RISK-001 "Confidence" { intent.confidence at least 60%  else deny }
limit RISK-002 "Drawdown" { account.peak_equity - account.equity below 20% of account.peak_equity  else deny }
rule RISK-003 "Score" { deny when signal.score < 25% or (signal.age else 0) > 5 }
limit EXP-001 "Position" { abs(after.position.notional) at most most of account.equity  else reduce }
limit EXP-002 "Book" { after.portfolio.gross at most 2x of account.equity  else deny }
limit EXP-003 "Share" { intent.notional / account.equity at most 30%  else deny }
rule EXP-004 "Count" { require portfolio.positions < 3 or position.quantity != 0 }
"""
BASE = {
    "now": "2026-01-05T15:00:00Z", "intent": {"action": "open", "strategy": "s"},
    "account": {"equity": "10000", "peak_equity": "11000", "day_start_equity": "10000"}, "orders": [{"id": "o", "symbol": "A", "side": "buy", "quantity": "3", "leaves_quantity": "3"}],
    "positions": {"A": {"quantity": "12.5"}, "C": {"quantity": "-4"}},
    "market": {symbol: {"price": "50", "as_of": "2026-01-05T14:59:55Z"} for symbol in "ABC"},
    "inputs": {"signal": {"s": {"score": "0.5"}, "t": {"score": "0.1"}}},
}


@pytest.fixture(scope="module")
def desk():
    return caplex.loads(DESK)


def desk_frame(rows=300, seed=5):
    rng = random.Random(seed)
    pick = lambda *options: [rng.choice(options) for _ in range(rows)]  # noqa: E731
    return pd.DataFrame({
        "intent.symbol": pick("A", "B", "C"), "intent.side": pick("buy", "sell"), "intent.strategy": pick("s", "s", "t"),
        "intent.quantity": pick(0.01, 1.5, 5.0, 10.0, 19.99, 20.0, 40.0, 60.0, 7.125), "market.price": pick(50.0, 49.99, 51.25, 50.0),
        "intent.confidence": pick(0.5, 0.6, 0.9, 1.0, 0.95), "position.quantity": pick(0.0, 12.5, -4.0, 30.0),
        "account.equity": pick(10000.0, 8800.0, 8799.99, 9999.5), "inputs.signal.age": pd.array(pick(None, 3, 5, 6), dtype="Int64"),
        "now": pd.to_datetime([pd.Timestamp("2026-01-05T15:00:00Z") + pd.Timedelta(milliseconds=ms) for ms in pick(0, 5000, 5001, 4999)])})


def test_a_desk_stays_in_columns(desk):
    found, meant, report = answers(desk, desk_frame(), BASE)
    assert list(differing(found, meant)) == []
    assert {verdict for verdict, _, _ in found} == {"ALLOW", "MODIFY", "DENY"}
    assert {"RISK-001", "RISK-002", "RISK-003", "EXP-001", "SYS-002", "SYS-012"} <= {rule for _, _, rule in found}
    assert report.why == ""
    stale = (desk_frame()["now"].dt.microsecond == 1000).sum()  # 5001 ms: no rule that reads a price can be told
    assert report.fell_back <= stale + 30


def kinds(frame):
    yield frame
    yield pl.from_pandas(frame)
    yield pa.Table.from_pandas(frame, preserve_index=False)
    yield frame.convert_dtypes(dtype_backend="pyarrow")
    yield frame.assign(**{"intent.symbol": frame["intent.symbol"].astype("category"), "intent.quantity": [Decimal(repr(each)) for each in frame["intent.quantity"]],
                          "market.price": [repr(each) for each in frame["market.price"]]})


def test_every_kind_of_frame_says_the_same(desk):
    frame = desk_frame(60)
    _, meant, _ = answers(desk, frame, BASE)
    for kind in kinds(frame):
        answered = desk.decide_frame(kind, BASE)
        assert type(answered) is type(kind)
        found, again, report = answers(desk, kind, BASE)
        assert found == meant == again
        assert report.why == ""


def test_the_index_and_the_order_stay(desk):
    frame = desk_frame(30).sample(frac=1, random_state=1)
    answered = desk.decide_frame(frame, BASE)
    assert list(answered.index) == list(frame.index)
    assert list(answered.columns) == [*frame.columns, "verdict", "quantity", "decided_by", "reason", "fell_back"]
    row = 7
    decision = desk.decide_row(frame, row, BASE)
    assert answered["verdict"].iloc[row] == decision.verdict
    assert desk.decide_frame(frame.iloc[:0], BASE).empty


EDGE = 2**63 - 1


@pytest.mark.parametrize("values", [
    [EDGE, EDGE - 1, -EDGE, 1, 3_037_000_499, 3_037_000_500], [-(2**63), 5], [10**17, 92_233_720_368_547_758, 92_233_720_368_547_759],
    ["92233720368547758.07", "92233720368547758.08", "1"], [4.611686018427388e18, 1e18, 2.0**53, 2.0**53 + 2, 5e-324, 1.5],
])
def test_at_the_edge_of_64_bits(desk, values):
    sides = ["buy", "sell"] * len(values)
    for name in ("intent.quantity", "market.price", "account.equity", "position.quantity"):
        frame = pd.DataFrame({"intent.symbol": "B", "intent.side": sides, "intent.quantity": 2.5, "market.price": 50.0, "intent.confidence": 0.9, name: [each for each in values for _ in "ab"]})
        found, meant, _ = answers(desk, frame, BASE)
        assert list(differing(found, meant)) == [], name


def test_a_product_that_does_not_fit_falls_back_alone(desk):
    frame = pd.DataFrame({"intent.symbol": "B", "intent.side": "buy", "intent.quantity": [2.5] * 99 + [3e12], "market.price": [50.25] * 99 + [3e9], "intent.confidence": 0.9})
    found, meant, report = answers(desk, frame, BASE)
    assert found == meant
    assert report.fell_back == 1


# ── the examples ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [*sorted((ROOT / "examples").glob("*/policy.cap")), ROOT / "examples" / "quickstart" / "desk.cap"], ids=lambda path: path.parent.name)
def test_the_examples(path):
    policy = caplex.load(path)
    documents = [json.loads(file.read_text()) for file in sorted(path.parent.glob("facts/*.json"))[:3]]
    documents = [each for each in documents if isinstance(each.get("intent"), dict)] or [{**BASE, "inputs": {}}]
    for number, base in enumerate(documents):
        frame = frame_of(random.Random(number), base, policy.plan.schema, 12, 0.1)
        if "account.equity" in frame and "accounts" in base:
            frame = frame[[name for name in frame if not name.startswith("account.")]]
        tables = [name for name in ("market", "positions", "instruments") if isinstance(base.get(name), list)]
        frame = frame[[name for name in frame if not any(name.startswith(table[:8].rstrip("s")) for table in tables)]]
        found, meant, _ = answers(policy, frame, base)
        assert list(differing(found, meant)) == []


# ── a mistake is noticed ──────────────────────────────────────────────────────────────────────────────


def changed(old: str, new: str):
    class Mutant(columnar.Columns):
        def _put(self, op: Op) -> int:
            return super()._put(Op(new, op.args, op.payload) if op.op == old and len(op.args) == 2 else op)
    return Mutant


def without_leg(steps):
    return tuple(type(step)(step.position, step.phase, step.condition, step.doubt, False, step.hard, step.reduces, step.pieces, step.strict) for step in steps)


@pytest.mark.parametrize("emitter", [changed(*pair) for pair in (("lt", "le"), ("le", "lt"), ("add", "sub"), ("gt", "ge"), ("or", "and"), ("mul", "add"))],
                         ids=["lt-le", "le-lt", "add-sub", "gt-ge", "or-and", "mul-add"])
def test_a_mutant_of_the_emitter_is_noticed(emitter):
    checked, _ = check_source(Source("desk.cap", DESK))
    graph = build(checked)
    assembler = Assembler(graph)
    plan = assembler.plan(assembler.generate())
    plan.columns = emitter(clocks.fixed(graph)).tape()
    found, meant, _ = answers(Policy(plan), desk_frame(), BASE)
    assert list(differing(found, meant))


def test_a_tape_that_forgets_the_closing_leg_is_noticed(desk):
    tape = desk.plan.columns
    desk.plan.columns = type(tape)(tape.ops, without_leg(tape.steps), tape.slots, tape.folds)
    try:
        found, meant, _ = answers(desk, desk_frame(), BASE)
    finally:
        desk.plan.columns = tape
    assert list(differing(found, meant))


def test_overflow_that_is_not_looked_for_is_noticed(desk, monkeypatch):
    """The money of such an order, in cents of cents, is ten times 2**64: cut to 64 bits it would be nothing."""
    frame = pd.DataFrame({"intent.symbol": "B", "intent.side": "buy", "intent.quantity": [2.5] * 99 + [4294967296.0], "market.price": [50.25] * 99 + [42949672.96], "intent.confidence": 0.9})
    assert answers(desk, frame, BASE)[0] == answers(desk, frame, BASE)[1]
    monkeypatch.setattr(vectors, "MOST", 2**200)
    found, meant, _ = answers(desk, frame, BASE)
    assert found != meant
