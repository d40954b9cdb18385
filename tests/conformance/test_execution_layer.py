"""EP-4's recorded behaviour and the text of its specification, answered by `examples/execution_layer` through its adapter.

A case holds its action, what differs from `base.json`, and what is acceptable: the results, and how often the exchange may be
called. `defect` names what was wrong in the original; there its own answer is not among the acceptable ones.
"""
from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent / "execution_layer"
ADAPTER = Path(__file__).resolve().parents[2] / "examples" / "execution_layer" / "adapter.py"
DEFECTS = {
    "EP-01": "exposure gates use the order, not the resulting position, so closing is refused",
    "EP-03": "full close and cancel skip gates",
    "EP-04": "limit price -100 and side UP succeed, NaN passes the schema",
    "EP-05": "the tick is held against market orders",
    "EP-06": "adjust ignores step and max",
    "EP-07": "gates that are absent or wrong, NaN counters pass",
    "EP-08": "duplicates run twice",
    "EP-10": "floats at the limit",
}


def merge(base: Any, given: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(given, dict) or given.keys() == {"$f"}:
        return given
    return {key: merge(base[key], given[key]) if key in base and key in given else given.get(key, base.get(key)) for key in {**base, **given}}


def cases() -> list[dict[str, Any]]:
    found = []
    for path in sorted(HERE.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            found.append({"id": f"{path.stem}: {case['name']}", **case})
    return found


CASES = cases()


def answers(seed: str) -> str:
    """All cases through the adapter as a program, as a migrating user runs it."""
    base = json.loads((HERE / "base.json").read_text(encoding="utf-8"))
    asked = "".join(json.dumps({"id": case["id"], "kind": "execute", "input": {**merge(base, case["given"]), "action": case["action"]}}) + "\n"
                    for case in CASES)
    done = subprocess.run(
        [sys.executable, str(ADAPTER)], input=asked, capture_output=True, text=True, check=False, timeout=600,
        env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": str(ADAPTER.parents[2]), "HOME": str(Path.home())})
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def answered() -> dict[str, dict[str, Any]]:
    return {case["id"]: json.loads(line) for case, line in zip(CASES, answers("0").splitlines(), strict=True)}


def fits(answer: dict[str, Any], accept: dict[str, Any]) -> bool:
    results = [each["result"] for each in answer["results"]]
    return results == accept["results"] and answer["exchange_calls"] == accept.get("calls", answer["exchange_calls"])


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    answer = answered()[case["id"]]
    assert any(fits(answer, accept) for accept in case["accept"]), (answer, case["accept"])
    named = None if case["action"] is None else case["action"].get("action_id")
    assert answer["results"][0]["action_id"] == named
    assert all(each["reason"] for each in answer["results"])


def test_names_are_unique() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES)


def test_all_cases_are_here() -> None:
    assert sum(not case["id"].startswith("text: ") for case in CASES) >= 155
    assert sum(case["id"].startswith("text: ") for case in CASES) >= 35


def test_every_defect_of_the_original_has_a_case() -> None:
    assert {case["defect"].partition(":")[0] for case in CASES if "defect" in case} == set(DEFECTS)


def test_the_hash_seed_changes_nothing() -> None:
    assert answers("0") == answers("4242")
