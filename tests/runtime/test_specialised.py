"""A specialised policy: what a host sees of it, and spans of sizes that are found by one run (`runtime.along`)."""
from __future__ import annotations

import json
import pickle
import random
from dataclasses import replace
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any

import pytest

import caplex
from caplex.runtime.along import FAR, Bent, Path, Size
from caplex.runtime.decision import Decision
from caplex.runtime.document import read_json
from caplex.runtime.plan import SlotSpec
from caplex.runtime.policy import Policy
from caplex.runtime.specialised import Sized

HEADER = """policy desk {
  version "1"
  language 1
  mode enforce
  currency USD
  timezone "UTC"
  stages KILL, EXP
  closing faces every rule
  lot 0.5
  unlimited loss
  unlimited exposure
}
input market { price : price fresh always }
input desk { tripped : bool }
"""
RULES = """
rule KILL-010 { deny when desk.tripped }
limit EXP-010 "Position" { abs(after.position.notional) at most 10% of account.equity  else reduce }
limit EXP-020 "Gross" { after.portfolio.gross at most 15_000 USD  else deny }
"""
PRICED = RULES + "\nlimit EXP-030 { intent.notional at most 4_000 USD  else deny }\n"


@lru_cache
def policy(rules: str = RULES) -> caplex.Policy:
    return caplex.loads(HEADER + rules)


def facts(**intent: Any) -> dict[str, Any]:
    words = {"id": "i", "action": "open", "symbol": "A", "side": "buy", "quantity": "10", **intent}
    return {
        "now": "2026-01-05T15:00:00Z", "intent": {name: value for name, value in words.items() if value is not None},
        "account": {"equity": "100000", "as_of": "2026-01-05T15:00:00Z"},
        "positions": {"A": {"quantity": "20"}, "B": {"quantity": "10"}}, "orders": [],
        "market": {"A": {"price": "100"}, "B": {"price": "300"}},
        "instruments": {"A": {"max_quantity": "500"}}, "inputs": {"desk": {"tripped": False}},
    }


def same(one: Decision, other: Decision) -> bool:
    def told(decision: Decision) -> tuple[Any, ...]:
        reason = decision.reason
        return decision.verdict, str(decision.quantity), None if reason is None else (reason.rule, reason.message), decision.decided_by, \
            decision.requested, decision.to_dict(), decision.explain().text()

    return told(one) == told(other)


@pytest.mark.parametrize("given", [
    "10", "80", "80.5", "100", "120.5", "1e2", "+80", "080", ".5", "1_0", " 1", "0", "-1", "x", "", "10.25", "0.00000001", "0.000000001", "1" * 60, "9" * 401,
    10, 0, -3, True, 80.0, 0.1, float("nan"), None, [], {}, Decimal(80), Decimal("80.500"), Decimal("1E+2"), Decimal("1." + "0" * 70), Decimal("NaN"),
    Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+999999"), Decimal("1E-999999"), Decimal("1." + "0" * 900), 10**50, 10**500,
], ids=lambda given: repr(given)[:40])
def test_a_size_is_answered_as_its_document_is(given: Any) -> None:
    desk = policy()
    quick = desk.specialise(facts())
    for _ in range(2):  # a span that is found, and one that is known
        assert same(quick.decide(given), desk.decide(facts(quantity=given) | {"intent": {**facts()["intent"], "quantity": given}}))


def test_one_run_answers_a_span_of_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = policy()
    quick = desk.specialise(facts())
    assert (quick.decide("1").verdict, quick.decide("200").verdict, quick.decide("81").quantity) == ("ALLOW", "DENY", 80)
    monkeypatch.setattr(type(quick), "_in_full", None)
    monkeypatch.setattr(type(quick._spans), "_learn", None)
    for size, verdict, quantity in ((Decimal("0.5"), "ALLOW", "0.5"), (80, "ALLOW", "80"), ("80.5", "MODIFY", "80"), (100, "MODIFY", "80"), (500, "DENY", "0")):
        found = quick.decide(size)
        assert isinstance(found, Sized)
        assert (found.verdict, str(found.quantity)) == (verdict, quantity)
    assert quick.decide(500).reason.rule == "EXP-010"
    assert "3 spans" in repr(quick)


def test_a_document_without_a_size_is_learnt_from_at_the_first_one() -> None:
    desk = policy()
    quick = desk.specialise(facts(quantity=None))
    assert not isinstance(quick.decide("10"), Sized)
    assert isinstance(quick.decide("20"), Sized)
    assert same(quick.decide("30"), desk.decide({**facts(), "intent": {**facts(quantity=None)["intent"], "quantity": "30"}}))


def test_everything_that_is_settled_may_deny_by_itself() -> None:
    document = {**facts(), "inputs": {"desk": {"tripped": True}}}
    desk = policy()
    quick = desk.specialise(caplex.Facts(document))
    assert [quick.decide(size).reason.rule for size in (1, 50, 400)] == ["KILL-010"] * 3
    assert len(quick._spans.table[0]) == 1
    assert [each.rule for each in quick.decide(400).reasons] == ["KILL-010", "EXP-010", "EXP-020"]


def test_closing_and_what_goes_beyond_it() -> None:
    desk = policy()
    for words in ({"action": "close", "side": "sell"}, {"action": "close", "side": "sell", "reduce_only": False}, {"side": "sell"}, {"action": "adjust", "delta": "-5", "side": None}):
        quick = desk.specialise(facts(**words))
        for size in ("0.5", "19.5", "20", "20.5", "40", "300"):
            assert same(quick.decide(size), desk.decide(facts(**words, quantity=size)))


def test_other_words_of_the_intent() -> None:
    desk, priced = policy(), policy(PRICED)
    for each in (desk, priced):
        quick = each.specialise(facts())
        for words in ({"limit_price": "120"}, {"limit_price": "abc"}, {"limit_price": "90", "side": "sell"}, {"side": "sell"}, {"symbol": "B"}, {"strategy": "s"}, {"reduce": 1}):
            other = quick.at(**words)
            for size in ("1", "35", "40", "90", "120"):
                assert same(other.decide(size), each.decide(facts(**words, quantity=size)))
    quick = desk.specialise(facts())
    quick.decide(10)
    assert quick.at(limit_price="120")._spans is quick._spans
    quick = priced.specialise(facts())
    assert quick.at(limit_price="120")._spans is not quick._spans
    assert [quick.at(limit_price=price).decide(35).verdict for price in ("100", "120")] == ["ALLOW", "DENY"]


def test_switches_of_another_strategy_are_those_of_the_other_words() -> None:
    desk = policy(RULES + '\nkill switch KILL-020 for each strategy {\n  trip when desk.tripped\n  while tripped deny all\n  rearm by 1 of "risk"\n}\n')
    switches = {"KILL-020/slow": {"state": "tripped"}, "KILL-020/fast": {"state": "armed"}}
    document = {**facts(strategy="fast"), "switches": switches}
    quick = desk.specialise(document)
    assert [quick.at(strategy=name).decide(5).verdict for name in ("fast", "slow")] == ["ALLOW", "DENY"]
    assert same(quick.at(strategy="slow").decide(5), desk.decide({**facts(strategy="slow", quantity=5), "switches": switches}))


def test_the_least_that_is_traded_does_not_hold_for_closing() -> None:
    desk = policy()
    for least in ({"min_quantity": "7"}, {"min_notional": "650"}, {"min_quantity": "7", "max_quantity": "40.25"}):
        for side in ("buy", "sell"):
            document = {**facts(side=side), "instruments": {"A": least}}
            quick = desk.specialise(document)
            for size in ("0.5", "6", "6.5", "7", "19.5", "20", "20.5", "40", "40.5", "90"):
                assert same(quick.decide(size), desk.decide({**document, "intent": {**document["intent"], "quantity": size}}))


def test_the_first_rule_may_find_its_value_unusable() -> None:
    desk = policy("rule KILL-001 { require market.price > 0 }\n" + RULES)
    document = {**facts(), "market": {"B": {"price": "300"}}}
    quick = desk.specialise(document)
    for _ in range(2):
        assert quick.decide("5").reason.rule == "SYS-001"
        assert same(quick.decide("5"), desk.decide({**document, "intent": {**document["intent"], "quantity": "5"}}))


def test_a_form_that_bends_is_run_at_each_size() -> None:
    desk = policy()
    fused = desk.plan.fused
    assert fused is not None
    bent = Policy(replace(desk.plan, fused=lambda n, *rest: fused(n + 0 * (n % 7), *rest)))
    quick = bent.specialise(facts())
    for size in ("3", "79.5", "80", "80.5", "100", "500", "10.25"):
        found = quick.decide(size)
        assert same(found, desk.decide(facts(quantity=size)))
        assert isinstance(found, Sized) == (size != "10.25")
    assert quick._spans.table[0] == []


def test_what_else_reads_the_size_is_read_with_it() -> None:
    desk = policy()
    reads = SlotSpec("field", "quantity", "intent", scale=8)  # in an aggregate, which the language does not let it yet
    other = Policy(replace(desk.plan, slots=(*desk.plan.slots, reads), folds={**desk.plan.folds, -1: lambda world, slots: None}))
    quick = other.specialise(facts())
    assert not isinstance(quick.decide(10), Sized)
    assert quick.decide(100).quantity == 80


def test_a_document_that_cannot_be_used_stays_so() -> None:
    desk = policy()
    twice = read_json(json.dumps(facts()).replace('"quantity": "10"}, "acc', '"quantity": "10", "quantity": "10"}, "acc'))
    assert len(desk.specialise(twice).decide("5").errors) == 1
    for document in (twice, {"intent": None}, [], {**facts(), "intent": "x"}, {**facts(), "mistake": 1}, {**facts(), "now": "x"}):
        quick = desk.specialise(document)
        for found in (quick.decide("5"), quick.decide("5"), quick.at(side="sell").decide("5")):
            assert found.verdict == "DENY"
            assert found.errors


def test_a_decision_is_whole_when_it_is_asked_later() -> None:
    desk = policy()
    quick = desk.specialise(facts())
    quick.decide(100)
    found = quick.decide(Decimal(100))
    wanted = desk.decide(facts(quantity=Decimal(100)))
    assert found.decision_id == wanted.decision_id
    assert found.reason["message"] == wanted.reason["message"]
    assert found.order == wanted.order
    assert found.order["quantity"] == "80"
    assert pickle.loads(pickle.dumps(found)).to_dict() == wanted.to_dict()
    assert "DENY" in repr(quick.decide(400))


def test_the_hosts_decimal_context_does_not_matter() -> None:
    quick = policy().specialise(facts())
    for size in ("80", "80.5", "10.25", "x"):
        before = quick.decide(Decimal(size) if size != "x" else Decimal("NaN"))
        with localcontext() as context:
            context.prec, context.traps = 2, dict.fromkeys(context.traps, False)
            found = quick.decide(Decimal(size) if size != "x" else Decimal("NaN"))
            assert (found.verdict, str(found.quantity)) == (before.verdict, str(before.quantity))


# ── runs along a size ─────────────────────────────────────────────────────────────────────────────────


def tangle(rng: random.Random, n: Any, depth: int) -> Any:
    """A line over *n* by a way that depends on *n*."""
    if depth == 0:
        return rng.choice((n, rng.randrange(-40, 40), n))
    one, other = tangle(rng, n, depth - 1), tangle(rng, n, depth - 1)
    match rng.randrange(9):
        case 0:
            return one + other
        case 1:
            return one - other
        case 2:
            return rng.randrange(-3, 4) * one
        case 3:
            return -one if one < 0 else one
        case 4:
            return one if one > other else other
        case 5:
            return one if one <= other else other
        case 6:
            return one if one == other else rng.randrange(5)
        case 7:
            return other if one else -other
        case _:
            return one if rng.randrange(9) != other and one >= 3 else other


def test_a_run_says_how_far_it_reaches() -> None:
    ways = 0
    for seed in range(150):
        values = [tangle(random.Random(seed), n, 4) for n in range(120)]
        at = 1
        while at < 120:
            path = Path(at)
            found = tangle(random.Random(seed), Size(path), 4)
            assert path.low <= at <= path.high
            for n in range(path.low, min(path.high, 119) + 1):
                assert values[n] == (found.slope * n + found.rest if isinstance(found, Size) else found), (seed, at, n)
            ways += 1
            at = path.high + 1
    assert ways > 400


def test_a_run_that_is_not_a_line_is_given_up() -> None:
    n = Size(Path(7))
    for bend in (lambda: n * n, lambda: n % 2, lambda: n // 2, lambda: 7 % n, lambda: n in {7}, lambda: [0] * 9 and range(9)[n], lambda: abs(n), lambda: int(n)):
        with pytest.raises(Bent):
            bend()
    assert (Path(7).low, Path(7).high) == (1, FAR)
    assert n - n == 0
    assert isinstance(n - n, int)
    with pytest.raises(TypeError):
        n < "7"  # noqa: B015
