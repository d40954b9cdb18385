"""`caplex test --coverage`: what counts as looked at, measured on judged decisions."""
from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from fractions import Fraction
from io import StringIO
from pathlib import Path

import pytest

from caplex.compiler.cli import main
from caplex.compiler.testing import sourceview
from caplex.compiler.testing.collect import collect
from caplex.compiler.testing.coverage import Coverage, Watch
from caplex.compiler.testing.run import run_entry

HEADER = """policy desk {
  version "1" language 1 mode enforce currency USD timezone "UTC" stages SYS, KILL, EXEC, EXP closing skips EXEC, EXP overrides tightest wins
  unlimited loss unlimited exposure lot 1
}
"""
SIZE = "limit EXP-010 { intent.quantity at most 10 units else deny }\n"


def covered(folder: Path, body: str, *tests: str) -> Coverage:
    """Coverage of a policy by tests that pass; each is the steps of one test behind a price of 50."""
    text = HEADER + body + "\n".join(f'test "{number}" {{ given market["KO"].price = 50 USD\n{steps}\nexpect account.equity > 0 USD\n}}' for number, steps in enumerate(tests))
    path = folder / "desk.cap"
    path.write_text(text, encoding="utf-8")
    (entry,) = collect(path).entries
    assert entry.checked is not None, [each.message for each in entry.diagnostics]
    watch = Watch(entry.checked)
    for run in run_entry(entry, watch=watch):
        assert run.passed, (run.title, run.failures, run.error)
    return watch.report()


def sides(coverage: Coverage, owner: str, group: str) -> dict[str, bool]:
    return {f"{site.text}: {side.what}": side.hits > 0 for row in coverage.rows if row.owner == owner for site in row.sites if site.group == group
            for side in site.sides}


def bound(coverage: Coverage, owner: str) -> list[bool]:
    return list(sides(coverage, owner, "boundary").values())


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_is_covered_once_it_was_both_kept_and_violated(tmp_path):
    kept = covered(tmp_path, SIZE, 'intent buy 3 "KO"')
    assert (kept.rows[0].judged, kept.rows[0].kept, kept.rows[0].violated) == (1, 1, 0)
    assert kept.totals["rule"].percent == 0
    both = covered(tmp_path, SIZE, 'intent buy 3 "KO"', 'intent buy 300 "KO"')
    assert both.totals["rule"].percent == 100


def test_what_is_not_judged_is_not_seen(tmp_path):
    """A `when` that does not hold, and an order that only closes, say nothing of the rule."""
    guarded = covered(tmp_path, 'limit EXP-010 { when intent.symbol == "PEP", intent.quantity at most 10 units else deny }\n', 'intent buy 10 "KO"')
    assert (guarded.rows[0].kept, guarded.rows[0].violated) == (0, 0)
    assert bound(guarded, "EXP-010") == [False, False]
    assert sides(guarded, "EXP-010", "condition") == {'intent.symbol == "KO": true': False, 'intent.symbol == "KO": false': True} or sides(
        guarded, "EXP-010", "condition") == {'intent.symbol == "PEP": true': False, 'intent.symbol == "PEP": false': True}
    closing = covered(tmp_path, SIZE, 'given position["KO"].quantity = 50\nintent sell 10 "KO"')
    assert closing.rows[0].judged == 0


# ── boundaries ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("size", "expected"), [(9, [True, False]), (10, [True, False]), (11, [False, True]), (8, [False, False]), (12, [False, False])])
def test_a_side_is_seen_within_one_lot_of_the_bound(tmp_path, size, expected):
    assert bound(covered(tmp_path, SIZE, f'intent buy {size} "KO"'), "EXP-010") == expected


@pytest.mark.parametrize(("words", "expected"), [("at most", [True, False]), ("below", [False, True])])
def test_the_exact_bound_lies_on_the_side_that_the_comparison_gives_it(tmp_path, words, expected):
    assert bound(covered(tmp_path, f"limit EXP-010 {{ intent.quantity {words} 10 units else deny }}\n", 'intent buy 10 "KO"'), "EXP-010") == expected


@pytest.mark.parametrize(("equity", "expected"), [("900_000", [True, False]), ("899_999.99", [True, False]), ("899_999.98", [False, False]),
                                                  ("900_000.01", [False, True]), ("900_000.02", [False, False])])
def test_money_steps_by_a_cent(tmp_path, equity, expected):
    """At most 900 000: the bound itself is on the low side."""
    body = "limit EXP-010 { account.equity at most 900_000 USD else deny }\n"
    assert bound(covered(tmp_path, body, f'given account.equity = {equity} USD\nintent buy 1 "KO"'), "EXP-010") == expected


def test_what_grows_with_the_size_steps_by_what_a_lot_changes(tmp_path):
    """One share more is 50 USD more: an order of 1 000 and one of 1 050 are the two sides."""
    body = "limit EXP-010 { intent.notional at most 1_020 USD else deny }\n"
    assert bound(covered(tmp_path, body, 'intent buy 20 "KO"'), "EXP-010") == [True, False]
    assert bound(covered(tmp_path, body, 'intent buy 21 "KO"'), "EXP-010") == [False, True]
    assert bound(covered(tmp_path, body, 'intent buy 22 "KO"', 'intent buy 19 "KO"'), "EXP-010") == [False, False]


def test_an_order_that_is_cut_shows_both_sides(tmp_path):
    """The permitted size and one lot more were both judged."""
    body = "limit EXP-010 { abs(after.position.quantity) at most 10 units else reduce }\n"
    assert bound(covered(tmp_path, body, 'intent buy 500 "KO"\nexpect modify to 10'), "EXP-010") == [True, True]


@pytest.mark.parametrize(("seconds", "expected"), [(299, [True, False]), (300, [False, True]), (301, [False, False]), (298, [False, False]), (302, [False, False])])
def test_a_window_has_a_side_just_inside_and_one_just_outside(tmp_path, seconds, expected):
    body = "cooldown EXEC-010 { deny during 5min after last fill for each symbol }\n"
    steps = f'at 2026-01-05T15:00:00Z fill buy 1 "KO" price 50 USD\nat 2026-01-05T15:0{seconds // 60}:{seconds % 60:02}Z intent buy 1 "KO"'
    assert bound(covered(tmp_path, body, steps), "EXEC-010") == expected


def test_no_event_is_not_an_event_at_the_end_of_the_window(tmp_path):
    body = "cooldown EXEC-010 { deny during 5min after last fill for each symbol }\n"
    assert bound(covered(tmp_path, body, 'intent buy 1 "KO"'), "EXEC-010") == [False, False]


def test_a_count_steps_by_one(tmp_path):
    body = "throttle EXEC-010 { deny beyond 3 orders in any 1min }\n"
    order = 'intent buy 1 "KO"\n'
    count = {"3: just below 3", "3: at 3"}
    for orders, seen in ((2, set()), (3, {"3: just below 3"}), (4, count)):
        found = sides(covered(tmp_path, body, order * orders), "EXEC-010", "boundary")
        assert {name for name in count if found[name]} == seen, orders


# ── conditions, settings, switches, sizes ─────────────────────────────────────────────────────────────


def test_operands_are_seen_true_and_false_through_definitions_too(tmp_path):
    body = 'let large = intent.quantity > 100 units\nrule EXP-010 { deny when large and not (intent.symbol == "PEP") }\n'
    found = sides(covered(tmp_path, body, 'intent buy 200 "KO"', 'intent buy 1 "KO"'), "EXP-010", "condition")
    assert found == {"intent.quantity > 100 units: true": True, "intent.quantity > 100 units: false": True,
                     'intent.symbol == "PEP": true': False, 'intent.symbol == "PEP": false': True}


def test_overrides_waivers_and_answers_count(tmp_path):
    body = """setting most : quantity = 10 units lower is safer { tighten for symbol "KO" = 5 units  tighten for symbol "PEP" = 3 units }
limit EXP-010 { intent.quantity at most most else deny }
waiver W-010 of EXP-010 through 2026-06-30 approved by "CRO" ticket "T" { when intent.symbol == "KO" and intent.side == buy because "x" }
answer { GO when intent.quantity > 1 units, WAIT otherwise }
"""
    found = covered(tmp_path, body, 'intent sell 3 "KO"', 'intent buy 1 "KO"')
    assert sides(found, "most", "state") == {'tighten for symbol "KO" = 5 units: in force': True, 'tighten for symbol "PEP" = 3 units: in force': False}
    assert sides(found, "answer", "state") == {"GO: answered": True, "WAIT: answered": True}
    waived = sides(found, "W-010", "condition")
    assert waived["intent.side == buy: true"]
    assert waived["intent.side == buy: false"]
    assert not waived['intent.symbol == "KO": false']


SWITCH = """kill switch KILL-010 for account {
  trip when account.drawdown >= 10%
  trip when 2 denials in any 5min
  while tripped deny opening
  rearm by 1 of "risk"
}
"""


def test_switches_are_tripped_clause_by_clause_and_armed_again(tmp_path):
    lost = 'given account.peak_equity = 1_000_000 USD\ngiven account.equity = {} USD\nintent buy 1 "KO"'
    armed = covered(tmp_path, SWITCH, lost.format(900_001))
    assert sides(armed, "KILL-010", "rule") == {"KILL-010: armed": True, "KILL-010: tripped": False}
    assert sides(armed, "KILL-010", "boundary") == {"10%: just below 10%": True, "10%: at 10%": False}
    tripped = covered(tmp_path, SWITCH, lost.format(900_000))
    assert list(sides(tripped, "KILL-010", "state").values()) == [True, False, False]
    again = covered(tmp_path, SWITCH, 'trip KILL-010 by "ann"\nrearm KILL-010 by "bob"\nexpect switch KILL-010 armed')
    assert list(sides(again, "KILL-010", "state").values()) == [False, False, True]


def test_a_step_of_a_size_is_seen_when_it_binds(tmp_path):
    body = SIZE + """size SIZE-010 for unsized orders {
  start 1% of account.available
  at most 400 USD
  at least 60 USD else deny
}
"""
    first = covered(tmp_path, body, 'given account.available = 10_000 USD\nintent buy "KO"')
    assert sides(first, "SIZE-010", "state") == {"start 1% of account.available: gives the size": True, "at least 60 USD else deny: met": True,
                                                 "at least 60 USD else deny: not met": False}
    most = covered(tmp_path, body, 'given account.available = 40_000 USD\nintent buy "KO"', 'given account.available = 5_000 USD\nintent buy "KO"')
    assert bound(most, "SIZE-010") == [True, False]
    assert sides(most, "SIZE-010", "state")["at least 60 USD else deny: not met"]


def test_a_standard_pack_is_measured_by_its_own_tests(tmp_path):
    text = HEADER.replace("KILL, EXEC", "KILL, ORD, EXEC") + "use stdlib.order_sanity as sanity\n" + SIZE
    (tmp_path / "desk.cap").write_text(text, encoding="utf-8")
    (entry,) = collect(tmp_path / "desk.cap").entries
    report = Watch(entry.checked).report()
    assert [row.owner for row in report.rows] == ["EXP-010"]
    assert list(report.elsewhere) == ["sanity"]


# ── told ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_source_view_marks_lines_and_says_what_is_missing(tmp_path):
    text = sourceview.source(covered(tmp_path, SIZE, 'intent buy 10 "KO"', 'intent buy 30 "KO"'), columns=80)
    line = next(line for line in text.splitlines() if "limit EXP-010" in line)
    assert line.startswith("◐")
    assert "· never just above 10 units (nearest 30)" in text
    assert "never violated" not in text
    whole = sourceview.source(covered(tmp_path, SIZE, 'intent buy 10 "KO"', 'intent buy 11 "KO"'), columns=80)
    assert [line[0] for line in whole.splitlines() if "EXP-010" in line] == ["✓"]
    assert "·" not in whole


@pytest.mark.parametrize("columns", [80, 120])
def test_nothing_that_is_printed_is_wider_than_the_terminal(tmp_path, columns):
    body = SIZE + 'limit EXP-020 { abs(after.position.notional) + after.portfolio.gross - account.equity + account.available at most 500_000 USD else deny }\n' + SWITCH
    report = covered(tmp_path, body, 'intent buy 10 "KO"')
    for text in (sourceview.table(report, columns=columns), sourceview.source(report, columns=columns)):
        assert max(len(line) for line in text.splitlines() if not line.startswith(str(tmp_path))) <= columns  # a path stands whole


def run(*arguments: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main.run(list(arguments))
    return int(status or 0), out.getvalue(), err.getvalue()


def test_the_command_measures_and_ends_with_1_below_what_is_asked_for(tmp_path):
    covered(tmp_path, SIZE, 'intent buy 10 "KO"', 'intent buy 30 "KO"')
    path = str(tmp_path / "desk.cap")
    status, out, _ = run("test", path, "--coverage", "--format", "json")
    found = json.loads(out)
    assert status == 0
    assert found["coverage"][0]["totals"]["boundary_sides"] == {"covered": 1, "total": 2, "percent": "50"}
    assert found["coverage"][0]["sites"][1]["sides"][1] == {"side": "just above 10 units", "hits": 0, "nearest": "nearest 30"}
    assert run("test", path, "--coverage-min", "50")[0] == 0
    status, out, _ = run("test", path, "--coverage-min", "50.1")
    assert status == 1
    assert "SHORT  boundary sides: 50% is covered, 50.1% is asked for" in out
    assert run("test", path, "--coverage-min", "many")[0] == 2
    assert "coverage" not in json.loads(run("test", path, "--format", "json")[1])


def test_percents_are_rounded_down():
    from caplex.compiler.testing.coverage import percent

    assert [percent(Fraction(*each)) for each in ((100, 1), (9999, 100), (100, 3), (0, 1))] == ["100", "99.9", "33.3", "0"]
