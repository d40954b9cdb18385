"""`examples/desk`: five packs in fewer than forty lines, and its page shows what the commands print."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest

import caplex

ROOT = Path(__file__).resolve().parents[2]
DESK = ROOT / "examples" / "desk"
sys.path.append(str(ROOT / "tests" / "docs"))


def test_it_composes_five_packs_in_fewer_than_forty_lines():
    lines = (DESK / "desk.cap").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 40
    assert sum(line.startswith("use stdlib.") for line in lines) == 5
    plan = caplex.load(DESK / "desk.cap").plan
    assert {rule.id.partition(".")[0] for rule in plan.rules} == {"halt", "loss", "order", "rate", "book"}
    assert len(plan.rules) > 50


def test_its_page_shows_what_the_commands_print(monkeypatch):
    from guide_pages import play

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CAPLEX_NO_CACHE", "1")
    done, differences = play(DESK / "README.md", ROOT, {}, sessions_only=True)
    assert not differences, "\n\n".join(map(str, differences))
    assert done >= 8


@pytest.mark.parametrize(("name", "verdict", "quantity", "first"), [
    ("1-allowed", "ALLOW", "20", None), ("2-trimmed", "MODIFY", "27", "book.EXP-010"), ("3-slipped-decimal", "DENY", "0", "order.ORD-020"),
    ("4-loss-stop", "DENY", "0", "loss.LOSS-010"), ("5-closing", "MODIFY", "500", "loss.LOSS-010")])
def test_each_of_its_orders(name, verdict, quantity, first):
    import json

    told = caplex.load(DESK / "desk.cap").decide(json.loads((DESK / "facts" / f"{name}.json").read_text(encoding="utf-8"))).to_dict()
    assert (told["verdict"], told["quantity"], told["decided_by"]) == (verdict, quantity, first)
