"""The capital governor's recorded behaviour and the text of its specification, answered by `examples/capital_governor`.

`defects` names what is wrong in the original: there its own answer is not expected. `original` is what it printed, with four decimals.
"""
from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent / "capital_governor"
ADAPTER = Path(__file__).resolve().parents[2] / "examples" / "capital_governor" / "adapter.py"
DEFECTS = {
    "CG-01": "shares are clipped and then made to sum to one, which breaks the bounds; bounds that nothing meets are not reported",
    "CG-02": "scores are clipped like shares, which destroys the proportion",
    "CG-03": "the multiplier cancels out",
    "CG-04": "rounded shares do not sum to one",
    "CG-05": "NaN profit earns full marks",
    "CG-06": "a win rate given as 65 instead of 0.65 scores 13",
    "CG-07": "a change of exactly ten points does not trigger",
}
NEAR = 1.1e-12
"""Shares are printed with twelve decimals."""


def cases() -> list[dict[str, Any]]:
    return [{"id": f"{path.stem}: {case['name']}", **case} for path in sorted(HERE.glob("*.jsonl"))
            for case in map(json.loads, path.read_text(encoding="utf-8").splitlines())]


CASES = cases()


@cache
def answers(seed: str) -> tuple[dict[str, Any], ...]:
    """All cases through the adapter as a program, as a migrating user runs it."""
    asked = "".join(json.dumps({"id": case["id"], "kind": case["kind"], "input": case["given"]}) + "\n" for case in CASES)
    done = subprocess.run(
        [sys.executable, str(ADAPTER)], input=asked, capture_output=True, text=True, check=False, timeout=600,
        env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": str(ADAPTER.parents[2]), "HOME": str(Path.home())})
    assert done.returncode == 0, done.stderr
    return tuple(map(json.loads, done.stdout.splitlines()))


def test_every_case_is_answered_whatever_the_hash_seed() -> None:
    assert len(CASES) > 120
    assert len(answers("1")) == len(CASES)
    assert answers("1") == answers("2")


def test_every_defect_has_a_case_that_names_it() -> None:
    assert {defect for case in CASES for defect in case.get("defects", ())} == DEFECTS.keys()


def close(found: dict[str, str], wanted: dict[str, float], by: float) -> bool:
    return found.keys() == wanted.keys() and all(abs(float(found[name]) - share) <= by for name, share in wanted.items())


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case["id"] for case in CASES])
def test_it_is_answered_so(number: int) -> None:
    expect, found = CASES[number]["expect"], answers("1")[number]
    assert found.get("refused", False) is expect.get("refused", False), found
    if "score" in expect and "score" in found:
        assert float(found["score"]) == expect["score"]
    if "reallocate" in expect:
        assert found["reallocate"] is expect["reallocate"]
    if "infeasible" in expect:
        assert found["infeasible"] is expect["infeasible"]
    if "allocations" in expect:
        assert close(found["allocations"], expect["allocations"], NEAR), found
    if "original" in expect:
        assert close(found["allocations"], expect["original"], 5.1e-5), found
    if "deployed" in expect:
        assert sum(map(float, found["allocations"].values())) == pytest.approx(expect["deployed"], abs=1e-11)
        assert float(found["unallocated"]) == pytest.approx(1 - expect["deployed"], abs=1e-11)
    if "warned" in expect:
        assert any(expect["warned"] in warning for warning in found["warnings"])
