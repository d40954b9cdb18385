"""PolicyGate's recorded behaviour, answered by `examples/policygate` through its adapter.

A case holds what differs from `base.json`, and the answers that are acceptable: one where the original was right, those
that exact arithmetic and its documented meaning give where it was not. `contracts.jsonl` holds documents that it takes
or refuses to read.
"""
from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent / "policygate"
ADAPTER = Path(__file__).resolve().parents[2] / "examples" / "policygate" / "adapter.py"
LOT = Fraction(1, 10**8)


def merge(base: Any, given: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(given, dict) or given.keys() == {"$f"}:
        return given
    return {key: merge(base[key], given[key]) if key in base and key in given else given.get(key, base.get(key)) for key in {**base, **given}}


def cases() -> list[dict[str, Any]]:
    found = []
    for path in sorted(HERE.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            found.append({"id": f"{path.stem}: {json.loads(line)['name']}", **json.loads(line)})
    return found


CASES = cases()


def asked() -> str:
    base = json.loads((HERE / "base.json").read_text(encoding="utf-8"))
    lines = []
    for case in CASES:
        given = case["input"] if "input" in case else merge(base, case["given"])
        lines.append(json.dumps({"id": case["id"], "kind": case.get("kind", "evaluate"), "input": given}) + "\n")
    return "".join(lines)


def answers(seed: str) -> str:
    """All cases through the adapter as a program, as a migrating user runs it."""
    done = subprocess.run(
        [sys.executable, str(ADAPTER)], input=asked(), capture_output=True, text=True, check=False, timeout=600,
        env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": str(ADAPTER.parents[2]), "HOME": str(Path.home())})
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def answered() -> dict[str, dict[str, Any]]:
    return {case["id"]: json.loads(line) for case, line in zip(CASES, answers("0").splitlines(), strict=True)}


def fits(answer: dict[str, Any], accept: dict[str, Any]) -> bool:
    """Whether *answer* is the acceptable *accept*; a bound leaves room for the lot, and for nothing else."""
    for key, wanted in accept.items():
        if key == "max_qty":
            short = Fraction(wanted) - Fraction(Decimal(answer["modified_qty"] or 0))
            if not 0 <= short < LOT:
                return False
        elif key == "modified_qty" and wanted is not None:
            if answer[key] is None or Decimal(answer[key]) != Decimal(wanted):
                return False
        elif answer.get(key) != wanted:
            return False
    return True


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    answer = answered()[case["id"]]
    assert any(fits(answer, accept) for accept in case["accept"]), (answer, case["accept"])


def test_names_are_unique() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES)


def test_all_decisions_are_here() -> None:
    assert sum("kind" not in case for case in CASES) == 278


def test_the_hash_seed_changes_nothing() -> None:
    assert answers("0") == answers("4242")
