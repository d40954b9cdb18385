"""The strategy governor's recorded behaviour and the text of its specification, answered by `examples/strategy_governor`.

A case holds limits, calls, and what each call is to answer; `null` is not judged. Where it has `log`, the lines are compared
as they are. `defect` names what was wrong in the original. Nothing in `allowed` at all: the limits cannot be used.
"""
from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent / "strategy_governor"
ADAPTER = Path(__file__).resolve().parents[2] / "examples" / "strategy_governor" / "adapter.py"
FIELDS = ("op", "trader_type", "symbol", "direction")
DEFECTS = {
    "SG-01": "the counter only ever grows: a strategy blocks for ever",
    "SG-02": "a misspelt type is unlimited",
    "SG-03": "lower case bypasses",
    "SG-04": "five in one batch all pass a limit of two",
    "SG-05": "an exception leaks a slot",
    "SG-06": "closing one trade removes every trade of that symbol and type",
}


def cases() -> list[dict[str, Any]]:
    return [{**json.loads(line), "id": f"{path.stem}: {json.loads(line)['name']}"}
            for path in sorted(HERE.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]


CASES = cases()


def asked(case: dict[str, Any]) -> dict[str, Any]:
    ops = [{**dict(zip(FIELDS, each, strict=False)), "confidence": 0.8, "strategy_name": "s"} for each in case["ops"]]
    return {"limits": {name: {"max_trades": most} for name, most in case["limits"].items()}, "ops": ops}


def answers(seed: str) -> str:
    lines = "".join(json.dumps({"id": case["id"], "kind": "ops", "input": asked(case)}) + "\n" for case in CASES)
    done = subprocess.run(
        [sys.executable, str(ADAPTER)], input=lines, capture_output=True, text=True, check=False, timeout=600, encoding="utf-8",
        env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": str(ADAPTER.parents[2]), "HOME": str(Path.home()), "PYTHONIOENCODING": "utf-8"})
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def answered() -> dict[str, dict[str, Any]]:
    return {case["id"]: json.loads(line) for case, line in zip(CASES, answers("0").splitlines(), strict=True)}


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    answer = answered()[case["id"]]
    if case["allowed"] is None:
        assert answer["refused"] is True
        assert answer["error"]
        return
    judged = [(number, wanted) for number, wanted in enumerate(case["allowed"]) if wanted is not None]
    assert len(answer["allowed"]) == len(case["ops"])
    assert [(number, answer["allowed"][number]) for number, _ in judged] == judged
    assert answer["log"] == case.get("log", answer["log"])


def test_names_are_unique() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES)


def test_all_recorded_cases_are_here() -> None:
    assert sum(case["id"].startswith("recorded: ") for case in CASES) == 54


def test_every_defect_of_the_original_has_a_case() -> None:
    assert {case["defect"].partition(":")[0] for case in CASES if "defect" in case} == set(DEFECTS)


def test_the_hash_seed_changes_nothing() -> None:
    assert answers("0") == answers("4242")
