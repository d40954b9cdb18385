"""`caplex bench`: what is measured, with a clock that the test moves; and what the command says."""
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import caplex
from caplex.compiler.cli import main
from caplex.compiler.tools import bench_rounds, bench_text
from caplex.compiler.tools.bench import PATHS, Bench, RuleCost, Slow, bench
from caplex.compiler.tools.bench_rounds import Spread, contrast, passes_for, sample
from caplex.compiler.tools.bench_variants import Compiled, Unfused, checked_of

DESK = """policy desk {
  version "1"  language 1  mode enforce  currency USD  timezone "UTC"  stages LOSS, EXP  closing skips LOSS, EXP  overrides tightest wins  lot 1
}
limit LOSS-010 "Daily loss" { account.day_loss below 2% of account.day_start_equity  else deny }
limit EXP-010 "Position size" { abs(after.position.notional) at most 10% of account.equity  else reduce }
limit EXP-020 "Large orders" { intent.notional at most 15_000 USD  else hold for approval by role "risk_officer" }
"""
FACTS = {
    "now": "2026-01-05T15:00:00Z",
    "intent": {"id": "i-1", "action": "open", "symbol": "KO", "side": "buy", "quantity": "400"},
    "account": {"equity": "100000", "day_start_equity": "100000", "as_of": "2026-01-05T15:00:00Z"},
    "positions": {"KO": {"quantity": "50"}}, "orders": [], "market": {"KO": {"price": "50", "as_of": "2026-01-05T15:00:00Z"}}}


class Machine:
    """A clock that moves only when work is done, in nanoseconds."""

    def __init__(self) -> None:
        self.now = 0

    def clock(self) -> int:
        return self.now

    def work(self, ns: int):
        def done(passes: int) -> None:
            self.now += ns * passes
        return done


@pytest.fixture(autouse=True)
def few_passes(monkeypatch):
    """Where time is real, samples are short: nothing here asserts a duration."""
    monkeypatch.setattr(bench_rounds, "SAMPLE_NS", 20_000)


@pytest.fixture
def desk(tmp_path) -> Path:
    file = tmp_path / "desk.cap"
    file.write_text(DESK, encoding="utf-8")
    return file


# ── the reckoning ─────────────────────────────────────────────────────────────────────────────────────


def test_passes_make_a_sample_long_enough(monkeypatch):
    monkeypatch.setattr(bench_rounds, "SAMPLE_NS", 1000)
    machine = Machine()
    assert passes_for(machine.clock, machine.work(70)) == 16
    assert passes_for(machine.clock, machine.work(5000)) == 1


def test_even_drift_cancels():
    machine = Machine()
    drift = iter(range(0, 10_000, 100))

    def work(ns: int):
        def done(passes: int) -> None:
            machine.now += (ns + next(drift)) * passes
        return done

    whole, difference = contrast(machine.clock, work(1000), work(700), 4)
    assert difference == pytest.approx(300)
    assert whole == pytest.approx(1250)


def test_costs_are_told_by_document_and_unit():
    machine = Machine()
    works = {"": machine.work(600), "A": machine.work(400), "=": machine.work(600)}
    found = sample(machine.clock, machine.work(100), {"decide": lambda turn: works}, rounds=4, seconds=None, documents={"decide": 2})
    assert found.rounds == 4
    assert found.unit == [100] * 4
    assert found.whole["decide"] == [300] * 4
    assert found.more["decide"] == {"A": [100] * 4, "=": [0] * 4}


def test_no_round_begins_after_the_time_that_was_given():
    machine = Machine()
    works = {"": machine.work(10**9), "A": machine.work(10**9)}
    found = sample(machine.clock, machine.work(1), {"decide": lambda turn: works}, rounds=50, seconds=1, documents={"decide": 1})
    assert found.rounds == bench_rounds.FEWEST


def test_documents_take_turns():
    machine, seen = Machine(), []

    def works(turn: int):
        seen.append(turn)
        return {"": machine.work(1), "A": machine.work(1)}

    sample(machine.clock, machine.work(1), {"reading": works}, rounds=3, seconds=None, documents={"reading": 1})
    assert seen == [0, 0, 1, 2]


# ── variants ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_is_left_out_with_what_it_alone_reads(desk):
    compiled = Compiled(checked_of(desk, {}, None)[0])
    without = compiled.without({"LOSS-010"})
    assert list(without.rules) == ["EXP-010", "EXP-020"]
    read = {slot.name for slot in compiled.whole().plan.slots} - {slot.name for slot in without.plan.slots}
    assert read == {"day_start_equity", "net_flows_today"}
    assert without.decide(FACTS).quantity == 150
    assert str(compiled.without({"EXP-010"}).decide(FACTS).verdict) == "HOLD"
    assert compiled.without({"EXP-010", "EXP-020"}).decide(FACTS).quantity == 400


def test_a_switch_that_others_read_is_not_left_out():
    text = DESK + 'kill switch KILL-010 "Stop" for account { trip when account.equity < 5 USD  while tripped deny all  rearm never }\n' \
                  'rule EXP-030 "While it is armed" { warn when switch KILL-010 tripped }\n'
    policy = caplex.loads(text.replace("stages LOSS", "stages KILL, LOSS"), name="desk.cap")
    found = bench(policy, FACTS, rounds=3)
    costs = {rule.rule: rule for rule in found.rules}
    assert costs["KILL-010"].why == "what is left reads its state"
    assert not costs["KILL-010"].costs
    assert found.rules[-1].rule == "KILL-010"
    assert "KILL-010 was not left out" in bench_text.text(found, ["f.json"])


def test_a_policy_is_measured_as_it_was_compiled(desk):
    by_path = bench(desk, FACTS, rounds=3)
    by_policy = bench(caplex.load(desk), caplex.Facts(FACTS), rounds=3)
    assert by_path.policy.hash == by_policy.policy.hash
    assert {rule.rule for rule in by_path.rules} == {rule.rule for rule in by_policy.rules} == {"LOSS-010", "EXP-010", "EXP-020"}


# ── what is found ─────────────────────────────────────────────────────────────────────────────────────


def test_other_verdicts_and_the_long_way_are_told(desk):
    small = {**FACTS, "intent": {**FACTS["intent"], "quantity": "20"}}
    found = bench(desk, [FACTS, small], rounds=3)
    assert (found.documents, found.fast) == (2, 1)
    (slow,) = found.slow
    assert (slow.document, slow.rules) == (0, ("EXP-020",))
    assert {rule.rule: rule.changes for rule in found.rules} == {"LOSS-010": 0, "EXP-010": 1, "EXP-020": 0}


def test_a_document_that_cannot_be_used_goes_the_long_way(desk):
    lost = {**FACTS, "market": {}}
    (slow,) = bench(desk, [lost], rounds=3).slow
    assert slow.reason.startswith("a reading cannot be used")


def test_a_policy_without_fast_form_says_why(desk):
    found = bench(desk, FACTS, mode="monitor", rounds=3)
    assert found.not_fused == (Unfused(None, "", "monitor mode is told in full"),)
    assert found.fast == 0
    assert "decision  " not in bench_text.text(found, ["f.json"]).split("what is spared")[1].splitlines()[2]


def test_a_rule_without_fast_form_is_named(desk, monkeypatch):
    compiled = Compiled(checked_of(desk, {}, None)[0])
    monkeypatch.setattr(compiled, "_reason", lambda rules: "an odd shape" if any(rule.id == "EXP-020" for rule in rules) else "")
    assert compiled.why_not_fused() == [Unfused("EXP-020", f"{desk}:6", "an odd shape")]


def test_rules_beyond_the_top_are_left_out_together(desk):
    found = bench(desk, FACTS, rounds=3, top=1)
    assert len(found.rules) == 1
    assert found.others is not None
    assert found.others.rules == 2
    assert set(found.others.costs) == set(PATHS)
    assert found.to_dict()["others"]["rules"] == 2
    assert "2 other rules together" in bench_text.text(found, ["f.json"])


def test_the_document_has_one_form(desk):
    told = bench(desk, FACTS, rounds=3).to_dict()
    assert next(iter(told)) == "schema"
    assert told["schema"] == "caplex.bench/1"
    assert told["facts"] == {"documents": 1, "fast": 0, "slow": [{"document": 0, "reason": told["facts"]["slow"][0]["reason"], "rules": ["EXP-020"]}]}
    assert {*told} >= {"unit", "decide", "reading", "full", "noise", "rules", "others", "not_fused"}
    json.dumps(told)


@pytest.mark.parametrize(("facts", "rounds", "words"), [([], 5, "no facts"), ([FACTS], 2, "fewer than 3 rounds")])
def test_what_cannot_be_measured_is_refused(desk, facts, rounds, words):
    with pytest.raises(ValueError, match=words):
        bench(desk, facts, rounds=rounds)


# ── what is printed ───────────────────────────────────────────────────────────────────────────────────


def _bench(desk: Path, **changes) -> Bench:
    def spread(value: float) -> Spread:
        return Spread(value, value * 0.9, value * 1.1)
    rules = (
        RuleCost("EXP-010", "Position size", "desk.cap:5", {"decide": spread(4.0), "reading": spread(30), "full": spread(1234)}, changes=1),
        RuleCost("LOSS-010", "", "desk.cap:4", {"decide": spread(-2.0), "reading": spread(3), "full": spread(3)}, frozenset({"reading", "full"})))
    found = Bench(caplex.load(desk), 2, 15, Spread(250, 240, 260), {"decide": spread(8), "reading": spread(300), "full": spread(5000)},
                  {"decide": 0.1, "reading": 12.0, "full": 20.0}, rules, None, (), ())
    return replace(found, **changes)


def test_the_table(desk):
    told = bench_text.text(_bench(desk), ["a.json", "b.json"])
    lines = told.splitlines()
    assert lines[0] == "desk 1: 3 rules, 2 documents, 15 rounds; the fast form took all of them"
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("EXP", "LOSS"))}
    assert rows["EXP-010"] == ["4.00", "50", "%", "30.0", "10", "%", "1", "234", "25", "%", "1", "of", "2"]
    assert rows["LOSS-010"] == ["−2.00", "·", "·"]
    assert "8.00" in told
    assert "2.00 µs" in told
    assert "0.10, 12.0, 20.0 ×" in told


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_the_terminal(desk, width):
    slow = (Slow(1, "a rule holds, waits for confirmation, or leaves something over for a later phase", ("EXP-020", "EXP-010")),)
    told = bench_text.text(_bench(desk, slow=slow), ["a.json", "b.json"], width=max(width, 80))
    assert all(len(line) <= max(width, 80) for line in told.splitlines())
    assert "b.json: a rule holds" in told
    assert "not without EXP-020 or EXP-010" in " ".join(told.split())


# ── the command ───────────────────────────────────────────────────────────────────────────────────────


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = main.run(arguments)
    told = capsys.readouterr()
    return status, told.out, told.err


def test_the_command(desk, tmp_path, capsys):
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(FACTS), encoding="utf-8")
    status, out, err = run(capsys, "bench", str(desk), "--facts", str(facts), "--facts", str(facts), "--rounds", "3")
    assert (status, err) == (0, "")
    assert "2 documents" in out
    assert str(facts) in out.replace("\n  ", "")
    status, out, _ = run(capsys, "bench", str(desk), "--facts", str(facts), "--rounds", "3", "--format", "json", "--set", "nothing=1")
    assert status == 2
    status, out, _ = run(capsys, "bench", str(desk), "--facts", str(facts), "--rounds", "3", "--format", "json")
    document = json.loads(out)
    assert (status, document["schema"], document["rounds"]) == (0, "caplex.bench/1", 3)
    assert document["facts"]["slow"][0]["document"] == str(facts)


@pytest.mark.parametrize(("arguments", "words"), [
    (("--facts", "none.json"), "cannot be read"),
    ((), "--facts"),
    (("--facts", "-", "--facts", "-"), "only one document can come from standard input"),
    (("--facts", "none.json", "--rounds", "2"), "--rounds"),
])
def test_what_cannot_be_used_is_a_sentence(desk, tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, "bench", str(desk), *arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


def test_a_policy_with_errors_is_shown(tmp_path, capsys):
    broken, facts = tmp_path / "broken.cap", tmp_path / "facts.json"
    broken.write_text(DESK.replace("intent.notional", "intent.notion"), encoding="utf-8")
    facts.write_text(json.dumps(FACTS), encoding="utf-8")
    status, _, err = run(capsys, "bench", str(broken), "--facts", str(facts))
    assert status == 2
    assert "did you mean `intent.notional`?" in err
