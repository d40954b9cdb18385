"""Cases of CAP-FRAME: a policy, base facts, columns, and what each row is answered."""
from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from frames import told
from ruamel.yaml import YAML

import caplex

CASES = sorted((Path(__file__).resolve().parents[1] / "conformance" / "frames").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path):
    case = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    policy = caplex.loads(case["policy"])
    frame = pl.DataFrame({name: list(values) for name, values in case["columns"].items()}, strict=False)
    if case["base"] is None:
        frame = frame.with_columns(pl.col("now").str.to_datetime(time_zone="UTC"))
        engine = caplex.Engine(policy, trust_operators=True)
        for event in case.get("events", ()):
            engine.apply(event)
        assert told(engine.decide_frame(frame, keep=False)) == [(verdict, Decimal(quantity), rule) for verdict, quantity, rule in case["expect"]]
        answered = engine.decide_frame(frame)
    else:
        answered = policy.decide_frame(frame, case["base"])
    assert told(answered) == [(verdict, Decimal(quantity), rule) for verdict, quantity, rule in case["expect"]]
