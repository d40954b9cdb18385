"""What the benchmarks measure is right; how long it takes is theirs to say."""
from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import caplex

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
BASELINE = "cfdb097faa4f285ed68cd67e80f0807713bd8f4d81383d90c9bb370d78d26015"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    sys.path.insert(0, str(BENCHMARKS))  # scripts beside
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module


def test_every_case_equals_the_exact_oracle() -> None:
    decide = load("decide")
    documents = [decide.document(intent, state) for intent, state in decide.baseline.documents()]
    assert len(documents) == 64
    decide.check(caplex.load(BENCHMARKS / "desk18.cap"), documents)


def test_a_wrong_answer_ends_the_run() -> None:
    decide = load("decide")
    documents = [decide.document(intent, state) for intent, state in decide.baseline.documents()]
    looser = (BENCHMARKS / "desk18.cap").read_text(encoding="utf-8").replace("below 25", "below 27")
    with pytest.raises(SystemExit, match="is not"):
        decide.check(caplex.loads(looser), documents)


def test_every_size_of_a_specialised_policy_equals_the_exact_oracle() -> None:
    decide = load("decide")
    documents = [decide.document(intent, state) for intent, state in decide.baseline.documents()]
    assert decide.check_sizes(caplex.load(BENCHMARKS / "desk18.cap"), documents[:30]) == 240
    tighter = (BENCHMARKS / "desk18.cap").read_text(encoding="utf-8").replace("max_position : ratio = 10%", "max_position : ratio = 9.9999%")
    with pytest.raises(SystemExit, match="is not"):
        decide.check_sizes(caplex.loads(tighter), documents[:30])


def test_the_table_tells_whether_the_budgets_hold() -> None:
    decide = load("decide")
    spent = {"hand_float": [700.0, 710.0, 720.0], "hand_decimal": [1600.0] * 3, "decide(Facts)": [1000.0, 1100.0, 1200.0], "decide(dict)": [9e5] * 3}
    result = decide.report(spent)
    assert result["ratios"]["decide(Facts) / hand_float"]["median"] == pytest.approx(1100 / 710)
    told = decide.show(result)
    assert "1.7 held" in told
    assert "0.75 held" in told
    sized = {name: [500.0] * 3 for name in ("specialised", "hand_float, at any size", "hand_decimal, at any size")}
    made = {"specialising, eight sizes": [4000.0 + 30_000.0] * 3}
    assert "1.0 held" in decide.show(decide.report(spent | sized))
    assert [round(each.median, 2) for each in decide.costs(spent | sized | made)] == [27.27, 50.0]
    spent["decide(Facts)"] = [2000.0] * 3
    assert "1.7 MISSED" in decide.show(decide.report(spent))


def test_the_generated_policy_checks() -> None:
    text = load("parse").policy(100)
    assert [found.message for found in caplex.check_text(text) if found.is_error] == []
    assert text.count("limit ") + text.count("rule ") + text.count("throttle ") + text.count("cooldown ") >= 101


def test_the_baseline_is_as_it_came() -> None:
    """A yardstick that is edited measures nothing."""
    assert hashlib.sha256((BENCHMARKS / "baseline.py").read_bytes()).hexdigest() == BASELINE
