"""The entry gate's recorded behaviour and the text of its specification, answered by `examples/entry_gate` through its adapter.

A case holds what differs from `base.json`, or its input whole, and what is acceptable: a decision, any refusal (`blocked`), a
size as a fraction, a value, a configuration, or that the document is `refused`. A size is the largest on the lot that is asked
for, so it may fall short of the fraction by less than a lot, and never be above it. `defect` names what was wrong in the
original; there its own answer is not among the acceptable ones, but for EG-02, which is kept as it was recorded.
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

HERE = Path(__file__).resolve().parent / "entry_gate"
ADAPTER = Path(__file__).resolve().parents[2] / "examples" / "entry_gate" / "adapter.py"
DEFECTS = {
    "EG-01": "a floor of 10 after the caps breaks the hard cap",
    "EG-02": "caps bound margin, and leverage multiplies it: kept, with the notional shown beside it",
    "EG-03": "NaN confidence allows, and whatever else is no number",
    "EG-04": "any side string passes, a negative quantity lowers exposure",
    "EG-05": "the quantiser rounds up",
    "EG-06": "on any error an empty portfolio opens every gate",
    "EG-07": "the wall clock is read inside",
}
SHORT = Fraction(1, 10**17)  # where no step is given the adapter asks for one of 10⁻¹⁸


def merge(base: Any, given: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(given, dict) or given.keys() == {"$f"}:
        return given
    return {key: merge(base[key], given[key]) if key in base and key in given else given.get(key, base.get(key)) for key in {**base, **given}}


def cases() -> list[dict[str, Any]]:
    base, found = json.loads((HERE / "base.json").read_text(encoding="utf-8")), []
    for path in sorted(HERE.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            whole = "input" in case or case["kind"].startswith("quantize")
            given = case.get("input", case.get("given")) if whole else merge(base, case["given"])
            found.append({**case, "id": f"{path.stem}: {case['name']}", "input": given})
    return found


CASES = cases()


def answers(seed: str) -> str:
    """All cases through the adapter as a program, as a migrating user runs it."""
    asked = "".join(json.dumps({"id": case["id"], "kind": case["kind"], "input": case["input"]}) + "\n" for case in CASES)
    done = subprocess.run(
        [sys.executable, str(ADAPTER)], input=asked, capture_output=True, text=True, check=False, timeout=600,
        env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": str(ADAPTER.parents[2]), "HOME": str(Path.home())})
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def answered() -> dict[str, dict[str, Any]]:
    return {case["id"]: json.loads(line) for case, line in zip(CASES, answers("0").splitlines(), strict=True)}


def exact(value: Any) -> Fraction:
    return Fraction(Decimal(str(value)))


def fits(answer: dict[str, Any], accept: dict[str, Any], step: Any) -> bool:
    for key, wanted in accept.items():
        match key:
            case "blocked":
                fine = answer.get("decision", "").startswith("BLOCK_")
            case "size":
                room = Fraction(wanted) - exact(answer["qty"]) if "qty" in answer else Fraction(-1)
                fine = 0 <= room < SHORT if step is None or not Fraction(wanted) else room == 0
            case "value":
                fine = "value" in answer and exact(answer["value"]) == exact(wanted)
            case _:
                fine = answer.get(key) == wanted
        if not fine:
            return False
    return True


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    answer = answered()[case["id"]]
    assert any(fits(answer, accept, case["input"].get("step")) for accept in case["accept"]), (answer, case["accept"])


def test_names_are_unique() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES)


def test_all_recorded_cases_are_here() -> None:
    ours = ("ours: ", "environment: ")
    assert sum(not case["id"].startswith(ours) for case in CASES) == 289


def test_every_defect_of_the_original_has_a_case() -> None:
    assert {case["defect"].partition(":")[0] for case in CASES if "defect" in case} == set(DEFECTS)


def test_a_refusal_says_what_was_refused() -> None:
    refused = [answer for answer in answered().values() if answer.get("refused")]
    assert refused
    assert all(answer["error"] for answer in refused)


def test_the_hash_seed_changes_nothing() -> None:
    assert answers("0") == answers("4242")
