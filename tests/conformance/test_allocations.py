"""Paragraphs CAP-ALLOC of docs/spec.md: each case through the compiled form and through the reference."""
from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import caplex
from caplex.compiler import driver
from caplex.compiler.reference.allocate import shares_on
from caplex.compiler.source import Source

FILE = Path(__file__).resolve().parent / "allocations" / "shares.yaml"
CASES = [case for case in YAML(typ="safe", pure=True).load_all(FILE.read_text(encoding="utf-8")) if case]
WORDS = {"spec", "name", "header", "declare", "clauses", "scores", "inputs", "current", "expect"}
EXPECTED = {"state", "shares", "bounds", "lost", "unallocated", "infeasible", "proposed", "cut"}


def text_of(case: dict[str, Any]) -> str:
    return f"""policy governor {{ version "1" language 1 currency USD stages SYS closing faces every rule unlimited exposure unlimited loss
  overrides tightest wins {case.get("header", "")} }}
{case.get("declare", "")}
allocate capital across strategies {{ {case["clauses"]} }}
"""


def document_of(case: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"now": "2026-01-05T15:00:00Z", "inputs": case.get("inputs", {})}
    if "scores" in case:
        found["strategies"] = {name: {"sharpe_30d": None if score is None else str(score)} for name, score in case["scores"].items()}
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['spec']} {case['name']}")
def test_the_engine_answers_so(case: dict[str, Any]) -> None:
    assert case.keys() <= WORDS
    expect = case["expect"]
    assert expect.keys() <= EXPECTED
    made = caplex.loads(text_of(case)).allocate(document_of(case), case.get("current"))
    told = made.to_dict()
    assert (told["state"], told["shares"]) == (expect["state"], expect["shares"])
    assert {name: each["bound"] for name, each in told["names"].items() if name in expect.get("bounds", {})} == expect.get("bounds", {})
    assert (told["infeasible"] or {}).get("bound") == expect.get("infeasible")
    assert [reason["path"] or reason["rule"] for reason in told["reasons"]] == expect.get("lost", [])
    assert {each["name"]: each["field"] for each in told["warnings"]} == expect.get("cut", {})
    if "unallocated" in expect:
        assert told["unallocated"] == expect["unallocated"]
    if "proposed" in expect:
        assert told["proposed"] == expect["proposed"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['spec']} {case['name']}")
def test_the_reference_says_the_same(case: dict[str, Any]) -> None:
    checked, problems = driver.check_source(Source("case.cap", text_of(case)))
    assert checked is not None, problems
    document = document_of(case)
    current = case.get("current")
    if current is None and "allocation" in document["inputs"]:
        current = {name: row["share"] for name, row in document["inputs"]["allocation"].items()}
    meant = shares_on(checked, "capital", document, {name: Fraction(share) for name, share in (current or {}).items()})
    made = caplex.loads(text_of(case)).allocate(document, case.get("current")).ruled
    assert (meant.state, meant.units, meant.infeasible, set(meant.lost)) == (made.state, made.units, made.infeasible, set(made.lost))
    assert [(each.name, each.score, each.share, each.bound) for each in meant.names] == [
        (each.name, each.score, each.share, each.bound) for each in made.names]
