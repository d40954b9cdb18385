"""`caplex test --mutate`: which policies are tried, which tests notice, what is told of those that none notices."""
from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest

from caplex.compiler.cli import main
from caplex.compiler.syntax.printer import print_module
from caplex.compiler.testing import mutate_view
from caplex.compiler.testing.collect import collect
from caplex.compiler.testing.coverage import own_modules
from caplex.compiler.testing.model import Entry
from caplex.compiler.testing.mutants import Mutant, Mutants
from caplex.compiler.testing.mutate import FailingTests, Mutation, mutate

HEADER = """policy desk {
  version "1" language 1 mode enforce currency USD timezone "UTC" stages SYS, KILL, EXEC, EXP closing faces every rule overrides tightest wins
  unlimited loss unlimited exposure lot 1
}
"""
SIZE = "limit EXP-010 { intent.quantity at most 10 units else deny }\n"
BOTH_SIDES = """test "ten, and not eleven" {
  given market["KO"].price = 50 USD
  each size, verdict in [10, allow], [11, deny]
  intent buy size "KO"
  expect verdict
}
"""
TEN = 'test "ten" { given market["KO"].price = 50 USD  intent buy 10 "KO"  expect allow }\n'


def entry_of(folder: Path, text: str, header: str = HEADER) -> Entry:
    path = folder / "desk.cap"
    path.write_text(header + text, encoding="utf-8")
    (entry,) = collect(path).entries
    assert entry.checked is not None, [each.message for each in entry.diagnostics]
    return entry


def mutants_of(folder: Path, text: str) -> list[Mutant]:
    entry = entry_of(folder, text)
    assert entry.checked is not None
    return list(Mutants(entry.checked, own_modules(entry.checked)))


def said(mutants: list[Mutant]) -> set[tuple[str, str]]:
    return {(mutant.kind, mutant.new) for mutant in mutants}


def outcomes(found: Mutation) -> dict[tuple[str, str], str]:
    return {(trial.mutant.kind, trial.mutant.new): trial.outcome for trial in found.trials}


# ── which there are ───────────────────────────────────────────────────────────────────────────────────


def test_a_limit_is_dropped_moved_turned_and_weakened(tmp_path):
    assert said(mutants_of(tmp_path, SIZE)) == {
        ("rule dropped", ""), ("comparison changed", "below"), ("bound moved", "11 units"), ("bound moved", "9 units"), ("effect changed", "else warn")}


@pytest.mark.parametrize(("bound", "moves"), [
    ("250 units", {"253 units", "247 units"}), ("0.5 units", {"0.6 units", "0.4 units"}), ("1_000_000 units", {"1_010_000 units", "990_000 units"})])
def test_a_quantity_moves_by_a_hundredth_on_its_own_grid(tmp_path, bound, moves):
    found = mutants_of(tmp_path, SIZE.replace("10 units", bound))
    assert {mutant.new for mutant in found if mutant.kind == "bound moved"} == moves


@pytest.mark.parametrize(("bound", "moves"), [
    ("75_000 USD", {"75_750 USD", "74_250 USD"}), ("0.10 USD", {"0.11 USD", "0.09 USD"}), ("8% of account.equity", {"8.08%", "7.92%"}),
    ("50bp of account.equity", {"51bp", "49bp"}), ("2x of account.equity", {"2.02x", "1.98x"})])
def test_bounds_of_money_move_by_a_hundredth_and_by_a_cent_at_least(tmp_path, bound, moves):
    found = mutants_of(tmp_path, f"limit EXP-010 {{ intent.notional at most {bound} else deny }}\n")
    assert {mutant.new for mutant in found if mutant.kind == "bound moved"} == moves


def test_counts_and_seconds_move_by_one(tmp_path):
    found = said(mutants_of(tmp_path, SIZE + "throttle EXEC-010 { deny beyond 10 orders in any 1min for each strategy }\n"))
    assert {("count moved", "11"), ("count moved", "9"), ("window moved", "1min1s"), ("window moved", "59s"), ("key dropped", "")} <= found


def test_conditions_are_negated_joined_otherwise_and_lose_an_operand(tmp_path):
    found = said(mutants_of(tmp_path, 'rule EXP-010 { when intent.side == buy, deny when intent.quantity > 10 units and intent.symbol in ["KO"] }\n'))
    assert {
        ("`when` dropped", ""), ("condition negated", "intent.side != buy"), ("condition negated", 'intent.symbol not in ["KO"]'),
        ("condition negated", "not intent.quantity > 10 units"), ("connective changed", 'intent.quantity > 10 units or intent.symbol in ["KO"]'),
        ("operand dropped", "intent.quantity > 10 units"), ("operand dropped", 'intent.symbol in ["KO"]'), ("comparison changed", "intent.quantity >= 10 units"),
        ("member dropped", "[]"), ("bound moved", "11 units")} <= found
    assert {words.partition(" when")[0] for kind, words in found if kind == "effect changed"} == {"warn", "deny opening"}


def test_overrides_are_dropped_moved_and_swapped_and_waivers_dropped(tmp_path):
    found = mutants_of(tmp_path, """setting most : quantity = 10 units lower is safer { tighten for symbol "KO" = 5 units  tighten for symbol "PEP" = 3 units }
limit EXP-010 { intent.quantity at most most else deny }
waiver W-010 of EXP-010 through 2026-06-30 approved by "CRO" ticket "T" { when intent.symbol == "KO" because "x" }
""")
    kinds = [mutant.kind for mutant in found]
    assert (kinds.count("tighten dropped"), kinds.count("override moved"), kinds.count("default moved")) == (2, 4, 2)
    swapped = next(mutant for mutant in found if mutant.kind == "overrides swapped")
    assert swapped.changed is not None
    assert [str(each.value.value) for each in swapped.changed.overrides] == ["3", "5"]
    assert "waiver dropped" in kinds


def test_switches_lose_trips_duties_and_parts_of_the_rearm(tmp_path):
    found = said(mutants_of(tmp_path, SIZE + """kill switch KILL-010 for account {
  trip when account.drawdown >= 10%
  trip when 2 denials in any 5min
  while tripped deny opening
  on trip cancel opening orders, notify "desk"
  rearm by 2 of "risk" and 30min after trip
}
"""))
    assert {("trip dropped", ""), ("count moved", "3"), ("window moved", "4min59s"), ("effect changed", "while tripped deny all"), ("duty dropped", 'on trip notify "desk"'),
            ("rearm part dropped", "rearm 30min after trip"), ("rearm part dropped", 'rearm by 2 of "risk"'), ("quorum moved", "1"), ("delay moved", "30min1s"),
            ("comparison changed", "account.drawdown > 10%")} <= found


def test_a_mutant_differs_in_one_item_and_leaves_the_policy_as_it_was(tmp_path):
    entry = entry_of(tmp_path, SIZE + "let large = intent.quantity > 5 units\nrule EXP-020 { warn when large }\n" + BOTH_SIDES)
    assert entry.module is not None
    before = print_module(entry.module)
    assert entry.checked is not None
    for mutant in Mutants(entry.checked, own_modules(entry.checked)):
        assert mutant.item in entry.module.items
        assert mutant.changed != mutant.item
    assert print_module(entry.module) == before


def test_what_bounds_nothing_is_not_moved(tmp_path):
    found = mutants_of(tmp_path, "limit EXP-010 { (account.net_flows_today else 0 USD) + intent.notional at most 100 USD else deny }\n"
                                 "rule EXP-020 { deny when account.equity == 7 USD }\n")
    assert {mutant.old for mutant in found if mutant.kind == "bound moved"} == {"100 USD"}


# ── which are noticed ─────────────────────────────────────────────────────────────────────────────────


def test_tests_on_both_sides_of_a_bound_notice_everything(tmp_path):
    found = mutate(entry_of(tmp_path, SIZE + BOTH_SIDES))
    assert set(outcomes(found).values()) == {"killed"}
    assert found.score() == 100
    assert all(trial.by.startswith("ten, and not eleven [") for trial in found.trials)


def test_a_test_at_the_bound_alone_notices_what_lets_less_through(tmp_path):
    found = mutate(entry_of(tmp_path, SIZE + TEN))
    assert outcomes(found) == {("rule dropped", ""): "survived", ("comparison changed", "below"): "killed", ("bound moved", "11 units"): "survived",
                               ("bound moved", "9 units"): "killed", ("effect changed", "else warn"): "survived"}
    assert found.score() == 40
    assert [each.kind for each in found.survivors] == ["rule dropped", "bound moved", "effect changed"]


def test_what_means_the_same_counts_for_nothing(tmp_path):
    """Where closing skips the stage, `deny` and `deny opening` are one; two overrides of one value can be swapped."""
    skips = HEADER.replace("closing faces every rule", "closing skips EXP")
    rule = "rule EXP-010 { deny when intent.quantity > 10 units }\n"
    for header, expected in ((skips, "equivalent"), (HEADER, "survived")):
        found = mutate(entry_of(tmp_path, rule + BOTH_SIDES, header))
        assert outcomes(found)["effect changed", "deny opening when intent.quantity > 10 units"] == expected
    same = 'setting most : quantity = 10 units lower is safer { tighten for symbol "A" = 5 units  tighten for symbol "B" = 5 units }\n'
    found = mutate(entry_of(tmp_path, same + SIZE.replace("10 units", "most") + BOTH_SIDES))
    assert [trial.outcome for trial in found.trials if trial.mutant.kind == "overrides swapped"] == ["equivalent"]


def test_what_does_not_compile_counts_for_nothing(tmp_path):
    text = "setting most : quantity = 10 units within 0 units..10 units lower is safer\n" + SIZE.replace("10 units", "most") + BOTH_SIDES
    found = mutate(entry_of(tmp_path, text))
    assert outcomes(found)["default moved", "11 units"] == "unusable"
    assert found.score() == 100


def test_a_policy_without_its_only_loss_rule_is_a_mutant_too(tmp_path):
    header = HEADER.replace("unlimited loss ", "").replace("stages SYS, KILL", "stages SYS, LOSS, KILL")
    text = SIZE + "limit LOSS-010 { account.day_loss below 2% of account.day_start_equity else deny }\n" + BOTH_SIDES
    found = mutate(entry_of(tmp_path, text, header))
    assert [trial.outcome for trial in found.trials if trial.mutant.kind == "rule dropped" and trial.mutant.owner == "LOSS-010"] == ["survived"]


def test_rules_of_imported_files_are_tried_and_standard_packs_are_not(tmp_path):
    (tmp_path / "limits.cap").write_text(SIZE, encoding="utf-8")
    header = HEADER.replace("stages SYS, KILL", "stages SYS, ORD, KILL")
    entry = entry_of(tmp_path, 'use "limits.cap" as limits\nuse stdlib.order_sanity as sanity (max_order_value = 50_000 USD)\n' + BOTH_SIDES, header)
    found = mutate(entry)
    assert {trial.mutant.owner for trial in found.trials} == {"limits.EXP-010", "sanity"}
    assert found.score("limits.EXP-010") == 100
    assert {trial.mutant.kind for trial in found.trials if trial.mutant.owner == "sanity"} == {"setting max_order_value"}


def test_tests_that_fail_on_the_policy_tell_nothing(tmp_path):
    with pytest.raises(FailingTests) as raised:
        mutate(entry_of(tmp_path, SIZE + TEN.replace("10", "12")))
    assert raised.value.titles == ("ten",)


def test_the_same_policy_gives_the_same_bytes(tmp_path):
    entry = entry_of(tmp_path, SIZE + "throttle EXEC-010 { deny beyond 3 orders in any 1min }\n" + BOTH_SIDES)
    assert json.dumps(mutate(entry).to_dict()) == json.dumps(mutate(entry).to_dict())


# ── told ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_survivor_is_told_with_its_line_and_with_what_would_notice(tmp_path):
    text = mutate_view.text(mutate(entry_of(tmp_path, SIZE + TEN)), columns=80)
    place = f"{tmp_path / 'desk.cap'}:5"
    assert f"SURVIVED  EXP-010  bound moved  {place}\n  - limit EXP-010 {{ intent.quantity at most 10 units else deny }}\n" \
           "  + limit EXP-010 { intent.quantity at most 11 units else deny }\n  = a test that tells 10 units from 11 units would notice\n" in text
    assert text.endswith("mutation score  40%  2 of 5 noticed")


@pytest.mark.parametrize("columns", [80, 120])
def test_long_lines_are_cut_around_what_differs(tmp_path, columns):
    long = "limit EXP-010 { abs(after.position.notional) + after.portfolio.gross - account.equity + account.available + account.peak_equity at most 900_000 USD else deny }\n"
    text = mutate_view.text(mutate(entry_of(tmp_path, long + 'test "t" { given market["KO"].price = 1 USD  intent buy 1 "KO"  expect deny }\n')), columns=columns)
    lines = [line for line in text.splitlines() if line.startswith("  ")]
    assert max(map(len, lines)) <= columns
    assert any("909_000" in line for line in lines)


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(StringIO()):
        status = main.run(["test", *arguments])
    return status, out.getvalue()


def test_the_command_tells_scores_and_ends_with_1_below_what_is_asked_for(tmp_path):
    entry_of(tmp_path, SIZE + TEN)
    path = str(tmp_path / "desk.cap")
    status, out = run(path, "--mutate", "--format", "json")
    (found,) = json.loads(out)["mutation"]
    assert status == 0
    assert {name: found[name] for name in ("score", "killed", "survived", "equivalent", "not_compiling")} == {
        "score": "40", "killed": 2, "survived": 3, "equivalent": 0, "not_compiling": 0}
    assert found["mutants"][2] == {
        "rule": "EXP-010", "kind": "bound moved", "file": path, "line": 5, "column": 41, "outcome": "survived",
        "before": "limit EXP-010 { intent.quantity at most 10 units else deny }", "after": "limit EXP-010 { intent.quantity at most 11 units else deny }",
        "advice": "a test that tells 10 units from 11 units would notice"}
    assert run(path, "--mutate-min", "40")[0] == 0
    status, out = run(path, "--mutate-min", "90")
    assert status == 1
    assert "SHORT  mutation score: 40% is reached, 90% is asked for" in out


def test_a_file_whose_tests_fail_is_said_to_be_untold(tmp_path):
    entry_of(tmp_path, SIZE + TEN.replace("10", "12"))
    status, out = run(str(tmp_path / "desk.cap"), "--mutate")
    assert status == 1
    assert "its tests fail, and mutants are told apart by tests that pass" in out


def test_steps_are_whole_on_their_grid():
    from caplex.compiler.testing.mutants import step_of
    from caplex.runtime.schema import Kind

    assert step_of(object(), Decimal("1500"), Kind.QUANTITY) == 15
    assert step_of(object(), Decimal("3"), Kind.COUNT) == 1
