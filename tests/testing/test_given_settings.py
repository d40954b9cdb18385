"""Settings that tests give, rows of list inputs, modules that are checked by themselves."""
from __future__ import annotations

from pathlib import Path

import pytest

import caplex
from caplex.compiler.testing.collect import collect
from caplex.compiler.testing.coverage import Coverage, Watch
from caplex.compiler.testing.model import Entry, Run
from caplex.compiler.testing.mutate import mutate
from caplex.compiler.testing.report import failure_lines
from caplex.compiler.testing.run import run_entry
from caplex.runtime.errors import PolicyError

HEADER = """policy desk {
  version "1" language 1 mode enforce currency USD timezone "UTC" stages SYS, EXP closing faces every rule overrides tightest wins
  unlimited loss unlimited exposure lot 1
}
"""
MOST = """setting most : quantity = 10 units  within 0 units..100 units  lower is safer
setting strict : bool = false
setting names : set of symbol = ["KO"]
limit EXP-010 { intent.quantity at most most else deny }
rule EXP-020 { deny when strict and intent.quantity > 5 }
rule EXP-030 { require intent.symbol in names }
"""


def policy(folder: Path, text: str, header: str = HEADER) -> Entry:
    path = folder / "desk.cap"
    path.write_text(header + text, encoding="utf-8")
    (entry,) = collect(path).entries
    return entry


def runs(entry: Entry) -> list[Run]:
    assert entry.policy is not None, [each.message for each in entry.diagnostics]
    return list(run_entry(entry))


def said(found: Run) -> str:
    return found.error.message if found.error is not None else "; ".join(each.got for each in found.failures)


def test_a_setting_holds_for_its_test_and_for_no_other(tmp_path):
    found = runs(policy(tmp_path, MOST + """
test "eight" { given market["KO"].price = 50 USD  given most = 8  intent buy 9 "KO"  expect deny by EXP-010  expect intent.quantity > 8 }
test "ten" { given market["KO"].price = 50 USD  intent buy 10 "KO"  expect allow }
test "strictly" {
  given market["KO"].price = 50 USD
  each tight, size, verdict in [true, 5, allow], [true, 6, deny], [false, 6, allow]
  given strict = tight
  intent buy size "KO"
  expect verdict
}
test "names" { given market["PEP"].price = 50 USD  given names = ["PEP", "GE"]  intent buy 1 "PEP"  expect allow }
"""))
    assert [said(each) for each in found if not each.passed] == []


def test_the_value_of_a_setting_in_an_expectation_is_the_one_that_was_given(tmp_path):
    (found,) = runs(policy(tmp_path, MOST + 'test "t" { given market["KO"].price = 50 USD  given most = 8  intent buy 8 "KO"  expect permitted.opening == most }'))
    assert found.passed, said(found)


def test_a_policy_refuses_from_a_test_what_it_refuses_from_outside(tmp_path):
    (riskier, beyond) = runs(policy(tmp_path, MOST + """
test "riskier" { given market["KO"].price = 50 USD  given most = 11  intent buy 11 "KO"  expect allow }
test "beyond" { given market["KO"].price = 50 USD  given most = -1  intent buy 11 "KO"  expect deny }
"""))
    assert not riskier.passed
    assert said(riskier) == "`most` may only move down from here: settings that a test gives move as from outside"
    assert riskier.error is not None
    assert riskier.error.span is not None
    assert riskier.error.span.text == "given most = 11"
    assert not beyond.passed


def test_a_pack_takes_what_a_policy_that_imports_it_may_say(tmp_path):
    body = MOST + """
test "more" { given market["KO"].price = 50 USD  given most = 11  intent buy 11 "KO"  expect allow }
test "too much" { given market["KO"].price = 50 USD  given most = 101  intent buy 11 "KO"  expect allow }
"""
    assert [each.passed for each in runs(policy(tmp_path, body, header=""))] == [True, False]
    hard = runs(policy(tmp_path, body.replace("lower is safer", "lower is safer  hard"), header=""))
    assert [each.passed for each in hard] == [False, False]


@pytest.mark.parametrize(("steps", "message"), [
    ('intent buy 1 "KO" given most = 8 expect allow', "`most` is a setting, and settings hold for the whole test"),
    ('given most = true intent buy 1 "KO" expect allow', "`most`"),
    ('given mast = 8 intent buy 1 "KO" expect allow', "mast"),
])
def test_what_cannot_be_given(tmp_path, steps, message):
    entry = policy(tmp_path, MOST + f'test "t" {{ {steps} }}')
    assert entry.policy is None
    assert any(message in each.message for each in entry.diagnostics), [each.message for each in entry.diagnostics]


def covered(entry: Entry) -> Coverage:
    assert entry.checked is not None, [each.message for each in entry.diagnostics]
    watch = Watch(entry.checked)
    assert [said(run) for run in run_entry(entry, watch=watch) if not run.passed] == []
    return watch.report()


def test_what_is_seen_under_settings_is_seen(tmp_path):
    plain = 'test "kept" { given market["KO"].price = 50 USD  each size in [4], [5], [6]  intent buy size "KO"  expect allow }\n'
    strict = 'test "strict" { given strict = true  given market["KO"].price = 50 USD  each size, verdict in [5, allow], [6, deny]  intent buy size "KO"  expect verdict }\n'
    before, after = covered(policy(tmp_path, MOST + plain)), covered(policy(tmp_path, MOST + plain + strict))
    assert [(row.kept, row.violated) for row in before.rows if row.owner == "EXP-020"] == [(3, 0)]
    assert [(row.kept, row.violated) for row in after.rows if row.owner == "EXP-020"] == [(4, 1)]
    assert [row.judged for row in after.rows if row.owner == "EXP-020"] == [5]
    assert [side.hits for row in after.rows if row.owner == "EXP-020" for site in row.sites if site.text == "strict" for side in site.sides] == [2, 3]


def test_mutants_are_put_to_the_tests_under_their_settings(tmp_path):
    text = "setting strict : bool = false\nlimit EXP-010 { intent.quantity at most 10 units else deny }\nrule EXP-020 { deny when strict and intent.quantity > 5 }\n"
    tests = """test "strict" { given strict = true  given market["KO"].price = 50 USD  each size, verdict in [5, allow], [6, deny]  intent buy size "KO"  expect verdict }
test "loose" { given market["KO"].price = 50 USD  each size, verdict in [10, allow], [11, deny]  intent buy size "KO"  expect verdict }
"""
    found = mutate(policy(tmp_path, text + tests))
    # A policy that never is strict cannot tell 5 from 6: under the setting it can.
    moved = {trial.mutant.new: trial.outcome for trial in found.trials if trial.mutant.owner == "EXP-020" and trial.mutant.kind == "bound moved"}
    assert moved == {"6": "killed", "4": "killed"}
    assert found.score() > 90


def test_mutants_that_differ_under_settings_alone_are_two(tmp_path):
    text = """setting a : bool = false
setting b : bool = false
limit EXP-010 { intent.quantity at most 10 units else deny }
rule EXP-020 { deny when (a or b) and intent.quantity > 5 }
"""
    tests = """test "a" { given a = true  given market["KO"].price = 50 USD  intent buy 6 "KO"  expect deny by EXP-020 }
test "b" { given b = true  given market["KO"].price = 50 USD  intent buy 6 "KO"  expect deny by EXP-020 }
test "neither" { given market["KO"].price = 50 USD  intent buy 6 "KO"  expect allow }
"""
    found = mutate(policy(tmp_path, text + tests))
    dropped = {trial.mutant.new: trial.outcome for trial in found.trials if trial.mutant.kind == "operand dropped" and trial.mutant.old in ("a", "b")}
    assert dropped == {"a": "killed", "b": "killed"}


def test_a_list_may_have_several_rows_for_one_key(tmp_path):
    found = runs(policy(tmp_path, """input entries each symbol as list { size : count }
input trades as list { symbol : symbol  size : count }
limit EXP-010 { count(entries) + sum(e.size for e in entries) at most 10 else deny }
limit EXP-020 { sum(t.size for t in trades where t.symbol == intent.symbol) at most 5 else deny }
test "rows" {
  given market["KO"].price = 50 USD
  given entries["KO"][1].size = 3
  given entries["KO"]["second"].size = 5
  given entries["PEP"].size = 50
  each more, verdict in [2, allow], [3, deny]
  given trades["KO"][1].size = 3
  given trades["KO"][2].size = more
  intent buy 1 "KO"
  expect verdict
  given entries["KO"]["third"].size = 1
  intent buy 1 "KO"
  expect deny
}
"""))
    assert [said(each) for each in found if not each.passed] == []


# ── what the facts see to ─────────────────────────────────────────────────────────────────────────────


def test_a_rule_that_is_there_for_what_it_reads(tmp_path):
    text = """input market { price : price above 0 fresh always }
rule EXP-010 code NO_PRICE { require market.price > 0 and all(p.price > 0 for p in positions where p.quantity != 0) }
test "priced" { given market["KO"].price = 50 USD  intent buy 1 "KO"  expect allow }
"""
    kept = covered(policy(tmp_path, text))
    assert (kept.totals["rule"].percent, kept.totals["boundary"].total, kept.totals["condition"].total) == (0, 0, 0)
    assert [side.what for _, side in kept.rows[0].missing] == ["denied for what is missing"]
    both = covered(policy(tmp_path, text + 'test "not priced" { intent buy 1 "KO"  expect deny by SYS-001 }\n'))
    assert both.totals["rule"].percent == 100


def test_a_bound_that_the_facts_keep_is_no_mutant_where_it_moves_to_another(tmp_path):
    text = """input market { price : price above 0 fresh always }
rule EXP-010 code NO_PRICE { require market.price > 0 USD and intent.quantity < 10 }
test "a cent" { given market["KO"].price = 0.01 USD  each size, verdict in [9, allow], [10, deny]  intent buy size "KO"  expect verdict }
"""
    found = mutate(policy(tmp_path, text))
    assert {trial.mutant.new for trial in found.trials if trial.mutant.old in ("0 USD", "market.price > 0 USD") and trial.mutant.kind in ("bound moved", "comparison changed")} == {"0.01 USD"}


def test_allocations_are_said_not_to_be_measured(tmp_path):
    text = """allocate capital across strategies { score strategy.stage_score  floor 0%  ceiling 100%  rebalance when any share moves at least 1% }
input strategy { stage_score : ratio }
limit EXP-010 { intent.quantity at most 10 units else deny }
test "t" { given market["KO"].price = 50 USD  intent buy 1 "KO"  expect allow }
"""
    assert covered(policy(tmp_path, text)).allocations == ("capital",)


# ── modules by themselves ─────────────────────────────────────────────────────────────────────────────


def test_a_module_is_checked_by_itself_and_decides_nothing(tmp_path):
    module = tmp_path / "limits.cap"
    module.write_text("setting most : money = 5 EUR  within 0..unlimited\nlimit EXP-010 { intent.notional at most most else deny }\n", encoding="utf-8")
    assert caplex.check(module) == []
    with pytest.raises(PolicyError, match="no policy header"):
        caplex.load(module)
    module.write_text("limit EXP-010 { intent.notionl at most 5 USD else deny }\n", encoding="utf-8")
    assert [(each.code.id, each.span.begin.line if each.span else 0) for each in caplex.check(module)] == [("CAP203", 1)]


def test_a_header_in_a_comment_is_missed(tmp_path):
    lost = tmp_path / "desk.cap"
    lost.write_text('# The desk. policy desk { version "1" language 1 }\nlimit EXP-010 { intent.notional at most 5 USD else deny }\n', encoding="utf-8")
    assert [each.code.id for each in caplex.check(lost)] == ["CAP447"]
    lost.write_text("# nothing\n", encoding="utf-8")
    assert [each.code.id for each in caplex.check(lost)] == ["CAP447"]


def test_tests_beside_a_module_are_checked_with_it(tmp_path):
    (tmp_path / "limits.cap").write_text("limit EXP-010 { intent.notional at most 5 USD else deny }\n", encoding="utf-8")
    tests = tmp_path / "limits_test.cap"
    tests.write_text('test "t" { given market["KO"].price = 1 USD  intent buy 5 "KO"  expect allow }\n', encoding="utf-8")
    assert caplex.check(tests) == []
    tests.write_text('test "t" { given market["KO"].price = 1 USD  intent buy 5 "KO"  expect deny by EXP-011 }\n', encoding="utf-8")
    assert [each.span.source.name for each in caplex.check(tests) if each.span] == [str(tests)]


def test_what_an_approval_has_released_is_explained_as_it_was_then(tmp_path):
    (found,) = runs(policy(tmp_path, """limit EXP-010 "Size" { intent.quantity at most 100 units else reduce }
limit EXP-020 "Large" { intent.notional at most 1_000 USD else hold for approval by role "risk" }
test "released" { given market["KO"].price = 50 USD  intent buy 200 "KO"  expect hold to 100  approve by "ann"  expect allow  quote symbol "KO" price 1 USD  expect deny }
"""))
    assert [each.got for each in found.failures] == ["modify to 100 by EXP-010"] * 2
    lines = "\n".join(failure_lines(found))
    assert "│ MODIFY  buy 200 KO" in lines
    assert "EXP-010  Size" in lines
