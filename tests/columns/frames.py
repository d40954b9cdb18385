"""Frames for generated policies, and the question that matters: is every row what `decide` says of its document?"""
from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from caplex.runtime.columns import deciding
from caplex.runtime.columns.writing import written
from caplex.runtime.policy import Policy

ODD = (float("nan"), float("inf"), 1e300, 0.1 + 0.2, -1.0, 0.0, 9.2e18, 9007199254740993.0, 1e15, 123456789.123456789, 5e-9)


def frame_of(rng: random.Random, base: Mapping[str, Any], schema: Any, rows: int, odd: float) -> pd.DataFrame:
    """Some columns that *schema* has a place for, with values at which rules change their minds; a share *odd* of oddities."""
    columns: dict[str, Any] = {}

    def some(name: str, share: float, options: tuple[Any, ...], kind: str = "") -> None:
        if rng.random() < share:
            values = [rng.choice(ODD) if rng.random() < odd and isinstance(options[0], float) and not kind else rng.choice(options) for _ in range(rows)]
            columns[name] = pd.array(values, dtype=kind) if kind else values

    market = base.get("market")
    some("intent.symbol", 0.8, tuple(sorted({*(market if isinstance(market, dict) else {}), "AAA", str(base["intent"].get("symbol"))})))
    some("intent.side", 0.8, ("buy", "sell"))
    some("intent.action", 0.3, ("open", "open", "close", "adjust"))
    some("intent.strategy", 0.3, ("alpha", "beta", None))
    some("intent.quantity", 0.9, (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 0.5, 2.5, 0.1, 7.25, 12.3))
    some("market.price", 0.6, (1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 0.5, 2.5, 9.99))
    some("position.quantity", 0.4, (0.0, 1.0, 5.0, -5.0, 10.0, -10.0, 20.0, -20.0, 50.0, 2.5))
    some("account.equity", 0.4, (50.0, 100.0, 200.0, 500.0, 1000.0))
    some("account.day_start_equity", 0.3, (50, 100, 200, 500, 1000))
    some("account.net_flows_today", 0.3, (0, 50, -20, None), "Float64")
    some("intent.limit_price", 0.3, (1, 2, 3, 10, None), "Float64")
    some("intent.confidence", 0.3, (0.5, 0.7, 0.8, 1.0))
    some("instrument.lot", 0.1, ("1", "0.5"))
    for section in schema.sections.values():
        if section.inputs and section.shape in ("one", "row") and not section.scalar:
            for field in section.fields.values():
                if field.type.numeric and field.type.kind not in ("duration", "instant"):
                    some(f"inputs.{section.name}.{field.name}", 0.4, (0, 1, 2, 3, 5, 10, 100))
    now = pd.Timestamp(base["now"])
    for name, steps in (("now", (0, 0, 1, 5, 60, -1, 3600)), ("market.as_of", (0, -1, -3, -10, 2))):
        if rng.random() < 0.25:
            columns[name] = pd.to_datetime([now + pd.Timedelta(seconds=rng.choice(steps)) for _ in range(rows)])
    return pd.DataFrame(columns, index=[f"row {number}" for number in range(rows)])


def answers(policy: Policy, frame: Any, base: Mapping[str, Any] | None) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], deciding.Report]:
    """Verdict, quantity, rule of each row: as columns have it, and as `decide` does."""
    given, sheet = deciding.sheet_of(policy, frame, base)
    result, report = deciding.decide_sheet(policy, sheet)
    table = told(written(policy, given, result))
    single = [policy.decide(sheet.document(row)) for row in range(sheet.rows)]
    return table, [(str(each.verdict), each.quantity, each.decided_by) for each in single], report


def told(frame: Any) -> list[tuple[Any, ...]]:
    """The answers in any kind of frame."""
    import narwhals

    wrapped = narwhals.from_native(frame, eager_only=True)
    verdict, quantity, rule = (wrapped[name].to_arrow().to_pylist() for name in ("verdict", "quantity", "decided_by"))
    return list(zip(verdict, quantity, rule, strict=True))


def count(rows: list[tuple[Any, ...]], late: Any) -> Counter[str]:
    return Counter(verdict for (verdict, _, _), slow in zip(rows, late, strict=True) if not slow)


def differing(found: list[tuple[Any, ...]], meant: list[tuple[Any, ...]]) -> Iterator[tuple[int, Any, Any]]:
    for row, (one, other) in enumerate(zip(found, meant, strict=True)):
        if one != other:
            yield row, one, other
