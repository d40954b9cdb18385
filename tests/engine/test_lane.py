"""The fast path writes what the long way writes: journals of both are the same bytes, and so is what is read back, explained, answered."""
from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

import caplex
from caplex.compiler.recorded import compile_recorded
from caplex.runtime.clock import NotATime, format_instant, parse_instant
from caplex.runtime.engine import keeping, kinds
from caplex.runtime.engine.alike import shares
from caplex.runtime.engine.engine import Engine
from caplex.runtime.engine.events import read_event
from caplex.runtime.engine.forms import Forms
from caplex.runtime.engine.heard import plain_intent
from caplex.runtime.engine.lane import Lane, Swift
from caplex.runtime.engine.lessen import Less
from caplex.runtime.engine.lines import Answer, Form
from caplex.runtime.engine.machine import Machine
from caplex.runtime.engine.times import instant, stamped
from caplex.runtime.errors import EventError
from caplex.runtime.policy import Policy
from caplex.runtime.replay import replay
from engine import desks
from engine.streams import Shape, Stream
from engine.support import FACES, HEADER, SKIPS
from engine.test_fold import whole

EVENTS = 260
CALM = {"intent": 90, "fill": 40, "quote": 12, "operator": 0, "account": 3, "cash": 1, "repeat": 3, "stop": 1, "position": 1, "approve": 0, "correct": 1}
ROOMY = """limit EXP-010 "Position" { abs(after.position.notional) at most 60_000 USD else reduce }
limit EXP-020 "Book" { after.portfolio.gross at most 200_000 USD else deny }
limit EXP-025 "Net" { abs(after.portfolio.net) at most account.equity else deny }
limit EXP-026 "Order" { intent.notional at most 20_000 USD else deny }
rule EXP-040 "Prices" { require all(p.price > 0 for p in positions where p.quantity != 0) }
limit EXP-050 "Held" { count(p for p in positions where p.quantity > 4) at most 20 else deny }
limit EXP-060 "Money" { sum(p.notional for p in positions) at most 100_000 USD else deny }
throttle EXEC-010 "Orders" { deny beyond 60 orders in any 1min for each strategy }
limit EXEC-020 "Filled" { sum(f.quantity else 0 units for f in fills in last 5min where f.symbol == intent.symbol) at most 5_000 units else deny }
cooldown EXEC-040 "After a stop" { deny during 1s after last stop for each symbol }
limit LOSS-010 "Day" { account.day_loss below 30% of account.day_start_equity else deny }
kill switch KILL-010 "Violations" for account {
  trip when 6 violations in any 1min
  while tripped deny opening
  rearm 1min after trip
}
"""
KNOB = """setting most : money = 30_000 USD within 0 USD..90_000 USD lower is safer "Position" {
  tighten for symbol "Y" = 9_000 USD
  loosen for strategy "t" = 40_000 USD through 2026-01-06 approved by "CRO" ticket "R-1"
}
limit EXP-090 "Knob" { abs(after.position.notional) at most most else reduce }
"""
STERN = """rule EXP-005 "Odd sizes" { deny when intent.quantity > 55 units because "{intent.quantity} of {intent.symbol}" }
limit EXP-010 "Position" { abs(after.position.notional) at most 300 USD else reduce because "{intent.symbol} would be {observed}; {allowed} at most" }
limit EXP-015 "Share" { abs(after.position.notional) / account.equity at most 0.4% else reduce }
limit EXP-020 "Book" { after.portfolio.gross at most 700 USD else deny because "the book would be {after.portfolio.gross:.2}" }
limit EXP-025 "Net" { abs(after.portfolio.net) at most 0.5% of account.equity else deny }
limit EXP-026 "Order" { intent.notional at most 600 USD else deny }
limit EXP-030 "Waived for Y" { intent.quantity at most 10 units else reduce }
limit EXP-050 "Held" { count(p for p in positions where p.quantity > 4) at most 2 else deny }
throttle EXEC-010 "Orders" { deny beyond 6 orders in any 1min for each strategy }
cooldown EXEC-040 "After a stop" { deny during 20s after last stop for each symbol }
limit LOSS-010 "Day" { account.day_loss below 4% of account.day_start_equity else deny because "lost {account.day_loss}; {allowed} is the stop" }
setting most : money = 250 USD within 0 USD..900 USD lower is safer "Position" {
  tighten for symbol "Y" = 90 USD
  loosen for strategy "t" = 400 USD through 2026-01-06 approved by "CRO" ticket "R-1"
}
limit EXP-090 "Knob" { abs(after.position.notional) at most most else reduce }
waiver W-010 of EXP-030 "Hedges" through 2026-06-30 approved by "CRO" ticket "R-2" { when intent.symbol == "Y" because "hedges" }
"""
COUNTING = """kill switch KILL-010 "Violations" for account {
  trip when 9 violations in any 1min
  while tripped deny opening
  rearm 10s after trip
}
kill switch KILL-020 "Denials" for account {
  trip when 12 denials in any 5min
  while tripped deny all
  rearm 5s after trip
}
kill switch KILL-030 "Book" for account {
  trip when EXP-026 violated
  while tripped deny opening
  rearm 3s after trip
}
"""


def _dress(rng: Random) -> dict[str, Any]:
    told: dict[str, Any] = {"quantity": rng.choice(("1", "2", "5", "12", "0.00000001", "2.5", "1e1", "100")), "order_type": "limit"}
    if rng.random() < 0.3:
        told["limit_price"] = rng.choice(("9", "10.5", "11.00", "0.123456789"))
    if rng.random() < 0.05:
        told["expires_at"] = "2026-01-05T15:10:00Z"
    if rng.random() < 0.1:
        told[rng.choice(("x_note", "time_in_force", "reduce_only", "trader"))] = rng.choice(("gtc", "100%s", "é", 'a "b"', True, None))
    if rng.random() < 0.04:
        told["confidence"] = rng.choice(("0.5", 1, True))
    return told


SHAPE = Shape(accounts=("a",), strategies=("s",), symbols=("X", "Y"), prices=("9", "10", "11", "10.25"), dress=_dress, weights=CALM)
OWN: dict[str, tuple[str, str, str, Shape]] = {
    "roomy": (ROOMY, FACES, "", SHAPE),
    "skipping": (ROOMY + KNOB, SKIPS, "idempotency keep 2min", SHAPE),
    "two venues": (ROOMY, FACES, "", replace(SHAPE, symbols=("X",), venues=("v", "w"))),
    "one venue": (ROOMY, FACES, "", replace(SHAPE, venues=("v",))),
    "many": (ROOMY, FACES, "", replace(SHAPE, symbols=("X", "Y", "Z", "V", "W", "U", "T", "S"))),
    "stale": (ROOMY, FACES, "", replace(SHAPE, weights={**CALM, "quote": 150})),
    "valued": ('limit EXP-060 "Money" { sum(p.notional for p in positions) at most 250 USD else deny }\n', FACES, "", replace(SHAPE, strategies=("s", "t"))),
    "stern": (STERN, FACES, "", replace(SHAPE, strategies=("s", "t"))),
    "stern skipping": (STERN, SKIPS, "", replace(SHAPE, strategies=("s", "t"), symbols=("X", "Y", "Z", "V"))),
    "stern phases": (STERN, SKIPS, "PHASES", replace(SHAPE, accounts=("a", "b"))),
    "stern counting": (STERN + COUNTING, FACES, "", SHAPE),
    "accounts": (ROOMY + KNOB, SKIPS, "", replace(SHAPE, accounts=("a", "b"), strategies=("s", "t"), symbols=("X",))),
}
WIDE = {"max_orders_per_minute": "10000", "max_orders_per_minute_by_strategy": "10000", "trip_after_n_violations": "10000", "daily_loss_limit": "0.9",
        "max_drawdown": "0.9"}


def _counted(rng: Random) -> dict[str, Any]:
    return {"type": "counters", "values": {"orders_last_60s_global": rng.randrange(22), "orders_last_60s_by_strategy": rng.randrange(11)}}


@cache
def desk(name: str) -> tuple[Policy, Shape]:
    if name == "nine":
        policy = caplex.load(Path(__file__).resolve().parents[2] / "examples" / "policygate" / "policy.cap", settings=WIDE)
        return policy, replace(SHAPE, more=_counted, begin=desks._counted_begin)
    if name not in OWN:
        return desks.desk(name)
    rules, closing, more, shape = OWN[name]
    header = HEADER.replace("CLOSING", closing).replace("MORE", more).replace("lot 1", "lot 0.00000001")
    header = header.replace("SYS, KILL, LOSS, EXEC, EXP", "SYS | KILL, LOSS | EXEC | EXP").replace("PHASES", "") if more == "PHASES" else header
    header = header.replace(" fresh always", " fresh within 30s") if name == "stale" else header
    return caplex.compile_text(header + rules, name=f"{name.replace(' ', '_')}.cap"), shape


class Plodding(Engine):
    """An engine that never takes a shortcut."""

    def _fresh(self, policy: Policy | None = None) -> Machine:
        machine = super()._fresh(policy)
        machine.shortcuts = False
        return machine


def drawn(name: str, seed: int) -> list[dict[str, Any]]:
    policy, shape = desk(name)
    return Stream(policy, seed, shape).run(EVENTS).taken


def run(kind: type[Engine], name: str, taken: list[dict[str, Any]], journal: Path, **options: Any) -> Engine:
    engine = kind(desk(name)[0], journal, durability="os", trust_operators=True, **options)
    for event in taken:
        (engine.submit if event["type"] == "intent" else engine.apply)(event)
    return engine


def swift(engine: Engine) -> Counter[str]:
    found = Counter[str]()
    engine.on("decision", lambda decision: found.update([type(decision).__name__]))
    return found


@pytest.mark.parametrize("name", ["nine", *OWN, *desks.ALL])
@pytest.mark.parametrize("seed", [1, 2])
def test_both_ways_write_the_same_journal(name: str, seed: int, tmp_path: Path) -> None:
    taken = drawn(name, seed)
    fast, slow = tmp_path / "fast.jsonl", tmp_path / "slow.jsonl"
    one, two = run(Engine, name, taken, fast), run(Plodding, name, taken, slow)
    assert one.digest == two.digest
    assert whole(one._machine) == whole(two._machine)
    one.close()
    two.close()
    assert fast.read_bytes() == slow.read_bytes()


def test_the_fast_path_is_taken() -> None:
    counts = Counter[str]()
    for name in ("nine", *OWN):
        policy, shape = desk(name)
        steps = Stream(policy, 1, shape).run(EVENTS).steps
        counts[name] = sum(isinstance(step.decision, Swift) for step in steps)
    assert counts["two venues"] == 0, "a symbol that two venues quote is not plain"
    assert min(counts[name] for name in ("nine", "roomy", "skipping", "one venue", "accounts")) >= 30, counts
    assert counts["stale"] >= 1, counts


def test_denials_and_reductions_take_it_too() -> None:
    for name in ("stern", "stern skipping", "stern phases", "stern counting"):
        policy, shape = desk(name)
        counts = Counter[tuple[bool, str]]()
        rules, several = set(), 0
        for seed in (1, 2, 3):
            for step in Stream(policy, seed, shape).run(EVENTS).steps:
                if step.kind == "decision" and step.decision is not None:
                    counts[isinstance(step.decision, Less), step.told["verdict"]] += 1
                    if isinstance(step.decision, Less):
                        rules.update(reason["rule"] for reason in step.told["reasons"])
                        several += len(step.told["reasons"]) > 1
        assert counts[True, "DENY"] >= 20, (name, counts)
        assert counts[True, "MODIFY"] >= 5, (name, counts)
        assert len(rules) >= 5, (name, rules)
        assert several >= 5, (name, several)


def test_without_shortcuts_it_is_never_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*given: object) -> None:
        raise AssertionError("a shortcut was taken")

    taken = drawn("roomy", 3)
    monkeypatch.setattr(Lane, "decide", never)
    run(Plodding, "roomy", taken, tmp_path / "j.jsonl").close()


@pytest.mark.parametrize("name", ["roomy", "skipping", "one venue", "nine", "many", "stern", "stern phases", "stern counting"])
def test_decisions_say_and_explain_the_same(name: str) -> None:
    """Asked at once, as a host does."""
    policy, shape = desk(name)
    seen: list[tuple[Any, ...]] = []
    for shortcuts in (True, False):
        stream = Stream(policy, 4, shape)
        stream.machine = Machine(policy, trust=True, shortcuts=shortcuts)
        found: list[Any] = []

        def after(intent: dict[str, Any], step: Any, _: Any, found: list[Any] = found) -> None:
            decision = step.decision
            found.append((isinstance(decision, Swift), decision.verdict, decision.quantity, decision.requested, decision.decided_by, decision.to_dict()))
            if step.told["repeat_of"] is None and decision._bound is not None:
                found.append((decision.ruling, decision.explain().to_dict()))

        stream.after = after
        stream.run(EVENTS)
        seen.append(tuple(found))
    fast, slow = seen
    assert sum(each[0] is True for each in fast) > 5
    assert [each[1:] if len(each) > 2 else each for each in fast] == [each[1:] if len(each) > 2 else each for each in slow]


def test_a_restart_between_any_two_events_goes_on_as_before(tmp_path: Path) -> None:
    taken = drawn("roomy", 5)
    whole, parts = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"
    run(Plodding, "roomy", taken, whole).close()
    policy = desk("roomy")[0]
    for start in range(0, len(taken), 40):
        engine = Engine(policy, parts, durability="os", trust_operators=True)
        for event in taken[start : start + 40]:
            (engine.submit if event["type"] == "intent" else engine.apply)(event)
        engine.close()
    assert whole.read_bytes() == parts.read_bytes()
    assert replay(parts, load=compile_recorded).identical


@cache
def _symbols() -> list[dict[str, Any]]:
    """Intents of one kind in symbols that are alike and in such as are not; the odd ones come in between, and again at the end."""
    at = "2026-01-05T15:00:0{}Z".format
    rows: dict[str, dict[str, Any] | None] = {
        "A": None, "B": None, "C": {"multiplier": "1"}, "D": {"multiplier": "1"}, "E": {"multiplier": "10"}, "F": {"lot": "2", "multiplier": "1"},
        "G": {"lot": "2", "multiplier": "1"}, "H": {"max_quantity": "3"}, "I": {"max_quantity": "3"}, "J": {"currency": "EUR"}, "K": None}
    found: list[dict[str, Any]] = [{"type": "history", "at": at(0), "account": "a", "complete_from": "2026-01-04T00:00:00Z", "events": []},
                                   {"type": "account", "at": at(0), "account": "a", "equity": "1000000"},
                                   {"type": "session", "at": at(0), "account": "a", "act": "day_start", "equity": "1000000"}]
    for symbol, row in rows.items():
        found.append({"type": "quote", "at": at(1), "symbol": symbol, "price": "10"})
        if row is not None:
            found.append({"type": "instrument", "at": at(1), "symbol": symbol, **row})
    for turn in range(3):
        for symbol in (*rows, "nowhere", "K" * 190):
            for size in ("2", "3", "4"):
                found.append({"type": "intent", "id": f"i-{len(found)}", "at": at(2 + turn), "account": "a", "symbol": symbol, "side": "buy", "action": "open",
                              "quantity": size, "order_type": "market", "strategy": "s"})
        found.append({"type": "strategy", "at": at(2 + turn), "strategy": "s", "values": {}})
    return found


def test_symbols_share_what_is_alike_and_nothing_else(tmp_path: Path) -> None:
    """Journal, ruling and explanation, with instruments that differ, one in a foreign currency, and symbols that nobody quotes."""
    seen = []
    for kind in (Engine, Plodding):
        engine = kind(desk("many")[0], tmp_path / f"{kind.__name__}.jsonl", durability="os", trust_operators=True)
        told: list[Any] = []
        for event in _symbols():
            if event["type"] == "intent":
                decision = engine.submit(event)
                told.append((decision.to_dict(), decision.ruling, decision.explain().to_dict()))
            else:
                engine.apply(event)
        lane = engine._machine.desk.lane
        if kind is Engine:
            assert lane is not None
            derived = {known.prepared.symbol for known in lane._kinds.values() if known.prepared is not None and known.prepared.bound.ints is None}
            assert derived >= {"B", "D", "G"}, derived
            assert not derived & {"A", "E", "J", "nowhere"}, derived
        engine.close()
        seen.append(told)
    assert seen[0] == seen[1]
    assert (tmp_path / "Engine.jsonl").read_bytes() == (tmp_path / "Plodding.jsonl").read_bytes()


@pytest.mark.parametrize("name", ["many", "stern skipping"])
def test_kinds_that_have_no_room_are_prepared_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "MOST", 40)
    taken, fast, slow = drawn(name, 8), tmp_path / "fast.jsonl", tmp_path / "slow.jsonl"
    one = run(Engine, name, taken, fast)
    roster = one._machine.desk.lane._kinds  # type: ignore[union-attr]
    assert roster.weight == sum(known.weight for known in roster.values()) <= 40 + kinds.HEAVY
    assert len({tuple(sorted((key, value) for key, value in event.items() if key in ("symbol", "side", "strategy"))) for event in taken
                if event["type"] == "intent"}) > len(roster)
    one.close()
    run(Plodding, name, taken, slow).close()
    assert fast.read_bytes() == slow.read_bytes()


@pytest.mark.parametrize("name", ["roomy", "one venue", "nine"])
def test_what_was_answered_comes_out_of_the_store_as_it_was_told(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "EVERY", 7)
    monkeypatch.setattr(keeping, "ROWS", 0)
    taken, journal = drawn(name, 9), tmp_path / "fast.jsonl"
    run(Engine, name, taken[:130], journal).close()
    one, two = run(Engine, name, taken[130:], journal), run(Plodding, name, taken, tmp_path / "slow.jsonl", store=False)
    store = one._keeper._store
    assert store is not None
    assert store._forms._by_number, "nothing was kept as a form"
    asked = {event["id"] for event in taken if event["type"] == "intent"}
    assert len(asked - one._machine.state.seen.keys()) > len(asked) / 2
    for each in sorted(asked):
        mine, theirs = ([decision.to_dict() for decision in [engine.decision(each)] if decision is not None] for engine in (one, two))
        assert json.dumps(mine) == json.dumps(theirs)  # the order of keys too
    assert one.digest == two.digest
    one.close()
    two.close()


def test_a_form_that_was_not_written_is_written_the_next_time() -> None:
    step = next(step for step in Stream(*desk("roomy")[:1], 1, desk("roomy")[1]).run(EVENTS).steps if step.text is not None)
    assert isinstance(step.told, Answer)
    forms = Forms()
    assert forms.number(step.told.form) == forms.number(Form(step.told)) == 1
    assert len(list(forms.fresh())) == 1
    forms.drop()
    assert not list(forms.fresh())
    assert forms.number(step.told.form) == 1
    rows = list(forms.fresh())
    forms.keep()
    assert not list(forms.fresh())
    assert Forms(rows)[1].document(*step.told.filled) == step.told.again()
    with pytest.raises(ValueError, match="missing"):
        Forms(rows)[2]
    with pytest.raises(ValueError, match="damaged"):
        Forms([(1, rows[0][1][:-1])])


@pytest.mark.parametrize(("name", "shared"), [("nine", True), ("many", True), ("skipping", False), ("accounts", False)])
def test_a_policy_with_a_setting_for_a_symbol_shares_nothing(name: str, shared: bool) -> None:
    assert shares(desk(name)[0].plan) is shared


def test_a_shadow_stands_in_the_record_of_a_fast_decision(tmp_path: Path) -> None:
    taken, shadow = drawn("roomy", 6), desk("skipping")[0]
    fast, slow = tmp_path / "fast.jsonl", tmp_path / "slow.jsonl"
    run(Engine, "roomy", taken, fast, shadows=(shadow,)).close()
    run(Plodding, "roomy", taken, slow, shadows=(shadow,)).close()
    assert fast.read_bytes() == slow.read_bytes()
    bodies = [json.loads(line)["body"] for line in fast.read_text().splitlines() if '"kind":"decision"' in line]
    assert any(body["shadows"] for body in bodies)


def test_a_host_that_writes_into_a_decision_changes_no_other() -> None:
    policy, shape = desk("roomy")
    stream = Stream(policy, 7, shape)
    for step in stream.run(EVENTS).steps:
        if isinstance(step.decision, Swift) and not isinstance(step.decision, Less):
            told = step.decision.to_dict()
            assert not told["reasons"]
            assert told["policy"]["name"] == "t"
            told["reasons"].append("mine")
            told["policy"]["name"] = told["order"]["symbol"] = "mine"
            told["reservation"]["currency"] = "mine"


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────


PLAIN = {"type": "intent", "id": "i-1", "at": "2026-01-05T15:00:00.5Z", "account": "a", "symbol": "X", "side": "buy", "quantity": "1"}


@pytest.mark.parametrize("change", [
    {}, {"x_at": "2026-01-05T15:00:00.5Z"}, {"tags": None}, {"reduce_only": True}, {"symbol": None}, {"quantity": 1}, {"quantity": 1.5}, {"legs": []},
    {"symbol": ""}, {"symbol": "X" * 201}, {"account": True}, {"at": "2026-01-05T15:00:60Z"}, {"at": "2026-02-30T15:00:00Z"}, {"at": "2026-01-05t15:00:00+01:00"},
    {"at": "2026-01-05T24:00:00Z"}, {"at": None}, {"id": "é"}, {"id": "a/b"}, {"id": 7}, {"strategy": 'quote " and \\'}, {'a"at': "2026-01-05T15:00:00.5Z"},
    {"strategy": '","at":"'}, {"symbol": "\ud800"}, {"x": {"y": "z"}}, {"type": "tick"}, {7: "x"},
])
def test_an_intent_is_heard_as_it_is_read(change: dict[Any, Any]) -> None:
    given = {**PLAIN, **change}
    heard = plain_intent(given)
    try:
        read = read_event(given)
    except EventError:
        assert heard is None
        return
    if heard is not None:
        assert (heard.type, heard.id, heard.at_ns, heard.data, heard.hash) == (read.type, read.id, read.at_ns, read.data, read.hash)
        assert json.loads(heard.written) == read.data
        assert json.loads(heard.content) == {name: value for name, value in read.data.items() if name != "type"}


def test_the_usual_intent_is_heard() -> None:
    assert plain_intent(PLAIN) is not None


@pytest.mark.parametrize("text", ["2026-01-05T15:00:00Z", "2026-01-05T15:59:59.999999999Z", "1969-12-31T23:59:59Z", "2024-02-29T00:00:00.1Z", "2026-13-01T00:00:00Z",
                                  "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9Z", "2026-01-05 15:00:00Z", "2026-01-05T15:00Z", "2026-01-05T15:00:00.1234567890Z"])
def test_instants_are_heard_and_said_as_the_clock_has_them(text: str) -> None:
    heard = instant(text)
    try:
        read = parse_instant(text)
    except NotATime:
        assert heard is None
        return
    assert heard in (None, read)
    assert stamped(read) == format_instant(read)
