"""From Python: shares, refusals, the plan as a fact that limits read, and in an engine."""
from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import caplex
from caplex.compiler.cli.main import run

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "capital_governor"
DESK = """policy desk { version "1" language 1 currency USD stages SYS, EXP closing skips EXP overrides tightest wins lot 1 unlimited loss }
limit EXP-010 "Its share" { intent.notional at most allocation.share of account.equity else reduce }
allocate capital across strategies { score strategy.sharpe_30d ceiling 60% rebalance when any share moves at least 10pp }
"""


def facts(**more: Any) -> dict[str, Any]:
    return {
        "now": "2026-01-05T15:00:00Z", "account": {"equity": "10000", "peak_equity": "10000", "day_start_equity": "10000"}, "positions": {},
        "orders": [], "market": {"X": {"price": "10", "as_of": "2026-01-05T15:00:00Z"}},
        "strategies": {"A": {"sharpe_30d": "3"}, "B": {"sharpe_30d": "1"}},
        "intent": {"id": "i", "action": "open", "symbol": "X", "side": "buy", "quantity": "900", "strategy": "A", "account": "a"}, **more}


def test_shares_are_decimals() -> None:
    made = caplex.loads(DESK).allocate(facts())
    assert isinstance(made, caplex.Allocation)
    assert (made.state, made.shares, made.unallocated, made.infeasible) == ("rebalance", {"A": Decimal("0.6"), "B": Decimal("0.4")}, Decimal(0), False)
    assert str(made.explain()).startswith("REBALANCE  capital across strategies")
    assert made.explain().to_dict() == made.to_dict()
    json.dumps(made.to_dict())


def test_a_limit_reads_the_share() -> None:
    policy = caplex.loads(DESK)
    made = policy.allocate(facts())
    decision = policy.decide(facts(inputs={"allocation": made.facts()}))
    assert (decision.verdict.name, decision.quantity) == ("MODIFY", Decimal(600))


@pytest.mark.parametrize("inputs", [{}, {"allocation": {"B": {"share": "0.4"}}}])
def test_without_a_share_nothing_goes_ahead(inputs: dict[str, Any]) -> None:
    decision = caplex.loads(DESK).decide(facts(inputs=inputs))
    assert decision.verdict.name == "DENY"
    assert decision.to_dict()["reasons"][0]["rule"] == "SYS-001"


def test_an_engine_takes_the_plan_as_an_event_and_proves_it_again(tmp_path: Path) -> None:
    policy = caplex.loads(DESK)
    (tmp_path / "desk.cap").write_text(DESK)
    given = facts()
    journal = tmp_path / "desk.journal"
    with caplex.Engine(caplex.load(tmp_path / "desk.cap"), journal=str(journal)) as engine:
        at = given["now"]
        engine.apply({"type": "account", "at": at, "account": "a", **given["account"]})
        engine.apply({"type": "reconcile", "at": at, "account": "a", "positions": [], "orders": []})
        engine.apply({"type": "quote", "at": at, "symbol": "X", "price": "10"})
        engine.apply(policy.allocate(given).event())
        decision = engine.submit({**given["intent"], "at": at})
        assert (decision.verdict.name, decision.quantity) == ("MODIFY", Decimal(600))
        engine.apply({**policy.allocate({**given, "strategies": {"B": {"sharpe_30d": "1"}}}).event(), "at": "2026-01-05T15:00:01Z"})
        engine.apply({"type": "quote", "at": "2026-01-05T15:00:01Z", "symbol": "X", "price": "10"})
        gone = engine.submit({**given["intent"], "id": "j", "at": "2026-01-05T15:00:01Z"})
        assert gone.verdict.name == "DENY"  # a new plan takes the place of the whole old one
    assert run(["replay", str(journal), "--policy", str(tmp_path / "desk.cap")]) == 0


def test_which_allocation_is_meant() -> None:
    policy = caplex.load(EXAMPLE / "policy.cap")
    with pytest.raises(ValueError, match="several allocations; say which: `capital`, `scored`"):
        policy.allocate({})
    with pytest.raises(ValueError, match="has no allocation `x`"):
        policy.allocate({}, name="x")
    with pytest.raises(ValueError, match="shares out nothing"):
        caplex.load(EXAMPLE.parent / "quickstart" / "desk.cap").allocate({})


@pytest.mark.parametrize("document", [{}, {"now": "yesterday"}, {"now": 1}, {"nonsense": 1}, [], None, {"now": "2026-01-05T15:00:00Z", "strategies": 3}])
def test_bad_facts_refuse_and_never_raise(document: Any) -> None:
    made = caplex.loads(DESK).allocate(document, {"A": "0.5"})
    assert (made.state, made.shares) == ("refused", {"A": Decimal("0.5")})
    assert made.to_dict()["reasons"]
    assert str(made)


def test_a_plan_in_force_that_cannot_be_read_refuses() -> None:
    made = caplex.loads(DESK).allocate(facts(), {"A": "NaN"})
    assert (made.state, made.shares) == ("refused", {})
    assert made.to_dict()["reasons"][0]["path"] == "/allocation/A"


def test_the_cache_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPLEX_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "desk.cap").write_text(DESK)
    first, again = (caplex.load(tmp_path / "desk.cap").allocate(facts()).to_dict() for _ in range(2))
    assert first == again


def test_the_example_prints_what_its_page_shows(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLE)
    assert run(["allocate", "policy.cap", "--facts", "facts/metrics.json", "--name", "capital"]) == 0
    shown = capsys.readouterr().out.splitlines()
    expected = (EXAMPLE / "expected" / "shares.txt").read_text(encoding="utf-8").splitlines()
    assert [line.partition("(sha256")[0] for line in shown] == [line.partition("(sha256")[0] for line in expected]
