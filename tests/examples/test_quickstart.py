"""The quickstart: its data, its facts, and what each intent gets. What the demo tells of them is in `test_demo`."""
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import caplex
from caplex import demo

QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
TOLD = {
    "1-allowed": ("ALLOW", "100", []),
    "2-trimmed": ("MODIFY", "526", ["EXP-010"]),
    "3-held": ("HOLD", "0", ["EXP-030"]),
    "4-loss-stop": ("DENY", "0", ["LOSS-010"]),
    "5-closing": ("ALLOW", "100", []),
    "6-kill-switch": ("DENY", "0", ["KILL-010"]),
    "7-flip": ("MODIFY", "779", ["KILL-010"]),
}
CASES = {case["file"]: facts for case, facts in demo.cases()}


def test_the_prices_are_the_ones_that_were_made() -> None:
    wanted, name = (QUICKSTART / "prices.csv.sha256").read_text(encoding="ascii").split()
    content = (QUICKSTART / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == wanted
    header, *days = content.decode("ascii").splitlines()
    assert len(header.split(",")) == 21
    assert (days[0][:10], days[-1][:10], len(days)) == ("2020-01-31", "2020-03-31", 42)


def test_the_notice_carries_the_licence() -> None:
    notice = (QUICKSTART / "NOTICE").read_text(encoding="utf-8")
    assert "BSD 3-Clause License" in notice
    assert "THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS" in notice


def test_the_demo_reads_the_one_copy() -> None:
    assert demo.DATA.resolve() == QUICKSTART


def test_equity_and_peak_come_from_the_prices() -> None:
    books = {book.day: book for book in demo.books()}
    assert round(books["2020-02-19"].equity) == 1_036_343
    assert books["2020-02-28"].peak_equity == books["2020-02-19"].equity
    assert books["2020-02-24"].day_start_equity == books["2020-02-21"].equity


@pytest.mark.parametrize("name", TOLD)
def test_the_facts_of_the_files_are_the_computed_ones(name: str) -> None:
    assert json.loads((QUICKSTART / "facts" / f"{name}.json").read_text(encoding="utf-8")) == CASES[name]


@pytest.mark.parametrize("name", TOLD)
def test_each_intent(name: str) -> None:
    decision = caplex.load(QUICKSTART / "desk.cap").decide(CASES[name])
    found = (str(decision.verdict), str(decision.quantity), [reason.rule for reason in decision.reasons])
    assert found == TOLD[name]
