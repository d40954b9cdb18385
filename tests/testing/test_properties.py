"""`property` blocks: tried on generated cases, shrunk, told, and the same every time."""
from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from fractions import Fraction
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest

from caplex.compiler.cli import main
from caplex.compiler.testing.collect import collect
from caplex.compiler.testing.coverage import Watch
from caplex.compiler.testing.generate import Generator
from caplex.compiler.testing.model import Entry
from caplex.compiler.testing.properties import Checked, Claims, _documents, check
from caplex.compiler.testing.run import run_entry
from caplex.compiler.testing.shrink import shrink
from caplex.runtime.ruling import Verdict
from caplex.runtime.schema import Kind

HEADER = """policy desk {
  version "1" language 1 mode enforce currency USD timezone "UTC" stages SYS, KILL, EXEC, EXP closing skips EXEC, EXP overrides tightest wins
  unlimited loss lot 1
}
limit EXP-010 { abs(after.position.notional) at most 8% of account.equity  else reduce }
kill switch KILL-010 for account { trip when account.drawdown >= 10%  while tripped deny opening  rearm by 1 of "risk" }
"""


def entry_of(folder: Path, text: str) -> Entry:
    path = folder / "desk.cap"
    path.write_text(text, encoding="utf-8")
    (entry,) = collect(path).entries
    assert entry.checked is not None, [each.message for each in entry.diagnostics]
    return entry


def tried(folder: Path, claim: str, **more: int) -> Checked:
    (found,) = check(entry_of(folder, HEADER + f'property "p" {{ {claim} }}\n'), **more)
    return found


# ── what holds, what does not ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("claim", [
    "permitted.opening <= intent.quantity",
    "abs(permitted.position.notional) <= 8% of account.equity or abs(permitted.position.quantity) <= abs(position.quantity)",
    "if switch KILL-010 tripped then permitted.opening == 0",
    "if account.drawdown >= 10% then permitted.opening == 0",
    "if intent.side == buy then if position.quantity < 0 then permitted.position.quantity >= position.quantity"])
def test_what_the_policy_promises_holds(tmp_path, claim):
    found = tried(tmp_path, claim)
    assert found.holds
    assert not found.vacuous
    assert found.undecided < found.said


@pytest.mark.parametrize("claim", [
    "abs(permitted.position.notional) <= 5% of account.equity or abs(permitted.position.quantity) <= abs(position.quantity)",
    "abs(permitted.position.notional) < 8% of account.equity or abs(permitted.position.quantity) <= abs(position.quantity)",  # at the bound exactly
    "if account.drawdown >= 9.99% then permitted.opening == 0",  # between two bounds that are a hundredth of a percent apart
    "if intent.side == sell then permitted.opening == 0",
    "if position.quantity > 0 units then permitted.closing == 0"])
def test_what_it_does_not_promise_is_refuted_on_the_compiled_policy(tmp_path, claim):
    found = tried(tmp_path, claim)
    assert found.counterexample is not None
    entry = entry_of(tmp_path, HEADER + f'property "p" {{ {claim} }}\n')
    assert entry.checked is not None
    claims = Claims(entry.checked, entry.checked.properties)
    seen = claims.judged(found.counterexample.document)
    assert seen is not None
    assert claims.all[0].look(*seen) == (True, False)


def test_a_property_that_never_says_anything_is_vacuous(tmp_path):
    found = tried(tmp_path, "if account.equity < 0 USD and account.equity > 5 USD then permitted.opening == 0")
    assert found.holds
    assert found.vacuous
    assert found.said == 0
    assert not tried(tmp_path, "permitted.opening >= 0").vacuous


def test_properties_of_a_pack_are_tried_under_the_neutral_header(tmp_path):
    entry = entry_of(tmp_path, "limit EXP-010 { intent.quantity at most 10 units else deny }\n"
                               'property "ten" { permitted.opening <= 10 }\nproperty "nine" { permitted.opening <= 9 }\n')
    assert [found.holds for found in check(entry)] == [True, False]


# ── cases ─────────────────────────────────────────────────────────────────────────────────────────────


def documents(entry: Entry, cases: int, seed: int) -> list[dict]:
    assert entry.checked is not None
    return list(_documents(entry.checked, Claims(entry.checked, entry.checked.properties), cases, seed))


def test_the_same_seed_gives_the_same_cases_and_another_one_others(tmp_path):
    entry = entry_of(tmp_path, HEADER + 'property "p" { permitted.opening >= 0 }\n')
    assert documents(entry, 40, 1) == documents(entry, 40, 1)
    assert documents(entry, 40, 1) != documents(entry, 40, 2)


def test_cases_are_usable_and_come_to_every_verdict_and_both_sides_of_the_bounds(tmp_path):
    text = HEADER + """input mood : one of calm, wild
setting wild_size : ratio = 3% lower is safer { tighten for strategy "s9" = 1% }
limit EXP-020 { when mood == wild, intent.notional at most wild_size of account.equity else deny }
rule EXP-030 { hold when intent.symbol in ["RRC"] for approval by role "x" }
throttle EXEC-010 { deny beyond 3 orders in any 1min for each strategy }
cooldown EXEC-020 { deny during 5min after last fill for each symbol }
property "p" { permitted.opening >= 0 }
"""
    entry = entry_of(tmp_path, text)
    assert entry.checked is not None
    assert entry.policy is not None
    watch, verdicts, unusable = Watch(entry.checked), dict.fromkeys(Verdict, 0), 0
    for document in documents(entry, 500, 0):
        bound = entry.policy.bind(document)
        ruling, case = entry.policy.judge(bound)
        assert not ruling.document, ruling.document
        unusable += case is None
        verdicts[ruling.verdict] += 1
        watch.see(bound, ruling, case)
    assert min(verdicts.values()) > 10, verdicts
    assert unusable < 50
    report = watch.report()
    missing = [f"{site.owner} {site.text}: {side.what}" for row in report.rows for site, side in row.missing if site.group != "state"]
    assert missing == []


def test_more_cases_are_more(tmp_path):
    assert (tried(tmp_path, "permitted.opening >= 0", cases=7).cases, tried(tmp_path, "permitted.opening >= 0", cases=70).cases) == (7, 70)


# ── shrinking ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_counterexample_is_small_and_round(tmp_path):
    found = tried(tmp_path, "permitted.opening <= 100")
    assert found.counterexample is not None
    document = found.counterexample.document
    assert document["positions"] == {}
    assert document["orders"] == []
    assert document["history"]["events"] == []
    assert document["account"]["equity"] == "1000000"
    size = document["intent"]["quantity"]
    assert len(size.strip("0")) <= 2, size
    assert Fraction(size) > 100


def test_shrinking_keeps_what_fails_and_ends():
    document = {"now": "x", "intent": {"id": "i", "action": "open", "symbol": "A", "quantity": "1234"}, "account": {"equity": "98765.43", "more": "5"}, "positions": {"A": {"quantity": "7"}},
                "orders": [{"id": "o", "symbol": "A"}], "market": {"A": {"price": "3"}}, "history": {"events": []}}

    def fails(candidate):
        return Fraction(candidate["intent"].get("quantity", 0)) > 500 and "equity" in candidate["account"]

    small = shrink(document, fails)
    assert fails(small)
    assert small["intent"]["quantity"] == "1000"
    assert small["positions"] == {}
    assert small["orders"] == []
    assert "more" not in small["account"]
    assert shrink(document, fails) == small


# ── told ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("claim", ["permitted.opening <= 100", "if switch KILL-010 tripped then permitted.closing == 0", "if intent.side == sell then permitted.opening == 0"])
def test_the_test_that_is_told_can_be_pasted_and_passes(tmp_path, claim):
    found = tried(tmp_path, claim)
    assert found.counterexample is not None
    assert found.counterexample.test.startswith('test "counterexample to: p" {')
    entry = entry_of(tmp_path, HEADER + found.counterexample.test + "\n")
    (run,) = run_entry(entry)
    assert run.passed, run.failures


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(StringIO()):
        status = main.run(["test", *arguments])
    return status, out.getvalue()


def test_the_command_tries_properties_beside_tests(tmp_path):
    entry_of(tmp_path, HEADER + 'property "small" { permitted.opening <= 100 }\nproperty "never" { if account.equity < 0 USD and account.equity > 5 USD then permitted.opening == 0 }\n')
    path = str(tmp_path / "desk.cap")
    status, out = run(path)
    assert status == 1
    assert f"FAILED  property small  {path}:7" in out
    assert "  claimed   permitted.opening <= 100\n" in out
    assert f"warning  property never  {path}:8\n  its `if` held on none of 500 cases" in out
    assert "2 properties tried on 500 cases, 1 does not hold" in out
    status, out = run(path, "--format", "json", "--cases", "60", "--seed", "3")
    found = json.loads(out)
    assert (status, found["ok"], found["properties"]["seed"]) == (1, False, 3)
    small, never = found["properties"]["checked"]
    assert small["holds"] is False
    assert small["counterexample"]["facts"]["intent"]["symbol"]
    assert (never["vacuous"], never["said"]) == (True, 0)
    root = ElementTree.fromstring(run(path, "--format", "junit")[1])
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    assert [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None] == ["property small"]
    assert "::error file=" in run(path, "--format", "github")[1]


def test_the_command_selects_properties_by_title(tmp_path):
    entry_of(tmp_path, HEADER + 'property "small" { permitted.opening <= 100 }\nproperty "large" { permitted.opening >= 0 }\n')
    assert run(str(tmp_path / "desk.cap"), "-k", "large")[0] == 0
    assert run(str(tmp_path / "desk.cap"), "-k", "small")[0] == 1


def test_a_hold_permits_nothing_yet(tmp_path):
    header = HEADER + 'rule EXP-020 { hold when intent.side == sell for approval by role "x" }\n'
    (found,) = check(entry_of(tmp_path, header + 'property "p" { if intent.side == sell then permitted.opening == 0 }\n'))
    assert found.holds
    assert not found.vacuous


def test_numbers_stand_at_what_is_compared_and_one_step_beside(tmp_path):
    entry = entry_of(tmp_path, HEADER + 'property "p" { if account.equity > 777_777 USD then permitted.opening >= 0 }\n')
    assert entry.checked is not None
    generator = Generator(entry.checked, Claims(entry.checked, entry.checked.properties).graph, 0)
    drawn = {generator.number(Kind.MONEY) for _ in range(600)}
    assert {Fraction(text) for text in ("777776.99", "777777", "777777.01")} <= drawn
    assert {generator.number(Kind.RATIO) for _ in range(600)} >= {Fraction(text) for text in ("0.0799", "0.08", "0.0801", "0.0999", "0.1", "0.1001")}
