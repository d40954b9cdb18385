"""`caplex.test` and `caplex test`: which tests are run, what is printed, how it ends."""
from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest

import caplex
from caplex.compiler.cli import main
from caplex.compiler.testing.collect import collect
from caplex.compiler.testing.model import Entry
from caplex.compiler.testing.run import run_entry, run_suite, selection
from caplex.runtime.decision import Decision

HEADER = """policy desk {{
  version "1" language 1 mode enforce currency USD stages SYS, EXP closing faces every rule overrides tightest wins
  unlimited loss unlimited exposure lot 1
}}
setting most : quantity = {most} units  within 0 units..1_000 units  lower is safer
limit EXP-010 {{ intent.quantity at most most else reduce because "<{{allowed}} & no more>" }}
"""
PASSES = """test "ten pass" {
  given market["KO"].price = 50 USD
  intent buy 10 "KO"
  expect allow
}
"""
FAILS = """test "a dozen is two too many" {
  given market["KO"].price = 50 USD
  each size, verdict in [10, allow], [12, allow]
  intent buy size "KO"
  expect verdict
  expect decision.quantity == size
}
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAPLEX_NO_CACHE", "1")
    return iter(())


def desk(*tests: str, most: int = 10, name: str = "desk.cap") -> Path:
    Path(name).write_text(HEADER.format(most=most) + "".join(tests), encoding="utf-8")
    return Path(name)


def run(*arguments: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main.run(["test", *arguments])
    return status, out.getvalue(), err.getvalue()


def test_a_pass_is_a_dot_and_a_line():
    desk(PASSES)
    assert run("desk.cap") == (0, "desk.cap .\n\n1 passed in 1 file\n", "")


def test_a_failure_shows_line_expectation_and_decision():
    desk(PASSES, FAILS)
    status, out, _ = run("desk.cap")
    assert status == 1
    assert out.splitlines()[0] == "desk.cap ..F"
    assert "FAILED  a dozen is two too many [size 12, verdict allow]  desk.cap:14" in out
    assert "  16 | expect verdict\n  expected  verdict (verdict allow)\n  got       modify to 10 by EXP-010\n" in out
    assert "│ MODIFY  buy 12 KO" in out
    assert out.count("│ MODIFY") == 1, "one decision is told once"
    assert "  expected  decision.quantity == size (size 12)\n  got       decision.quantity is 10\n" in out
    assert out.endswith("2 passed, 1 failed in 1 file\n")


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    from caplex.compiler.testing.report import text

    report = caplex.test(desk(FAILS))
    assert max(map(len, text(report, width=width).splitlines())) <= width
    assert "\x1b[31m" in text(report, colour=True)
    assert "\x1b" not in text(report)


def test_x_stops_at_the_first_and_v_tells_each():
    desk(FAILS, PASSES)
    status, out, _ = run("desk.cap", "-x", "-v")
    assert status == 1
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["passed", "FAILED"]
    assert "ten pass" not in out


@pytest.mark.parametrize(("expression", "wanted"), [
    ("dozen", [True, False]), ("ten", [False, True]), ("TEN or dozen", [True, True]), ("not ten", [True, False]),
    ("dozen and not ten", [True, False]), ("(ten or dozen) and pass", [False, True]), ('"a dozen"', [True, False]), ("ten and dozen or pass", [False, True]),
])
def test_k_takes_words_and_or_not(expression, wanted):
    assert [selection(expression)(title) for title in ("a dozen is too many", "ten pass")] == wanted


@pytest.mark.parametrize("expression", ["", "ten dozen", "(ten", "ten)", "and", "ten and", "not", "or ten"])
def test_k_that_cannot_be_read_is_a_usage_error(expression):
    with pytest.raises(ValueError, match="-k"):
        selection(expression)


def test_what_is_not_selected_is_counted():
    desk(PASSES, FAILS)
    assert run("desk.cap", "-k", "ten")[1].endswith("1 passed, 2 not selected in 1 file\n")
    status, out, err = run("desk.cap", "-k", "eleven")
    assert (status, out) == (2, "")
    assert "none of 3 is selected" in err
    assert run("desk.cap", "-k", "ten (")[0] == 2


def test_nothing_to_run_passes_nothing():
    desk()
    status, out, err = run("desk.cap")
    assert (status, out) == (2, "")
    assert "there is no test to run" in err
    assert not caplex.test("desk.cap").ok
    assert caplex.test("desk.cap").summary() == "0 passed in 0 files"


def test_what_cannot_be_read_is_unusable_input():
    assert run("missing.cap")[0] == 2


def test_what_does_not_compile_fails_and_is_shown():
    Path("desk.cap").write_text(HEADER.format(most=10) + PASSES + 'test "x" { intent buy 1 "KO" expect deny by EXP-011 }', encoding="utf-8")
    status, out, err = run("desk.cap")
    assert status == 1
    assert "did you mean `EXP-010`?" in err
    assert "1 that does not compile" in out


def test_tables_that_multiply_without_end_are_refused():
    rows = ", ".join(f"[{number}]" for number in range(101))
    desk(f'test "many" {{ each a in {rows} each b in {rows} intent buy a "KO" limit_price b expect allow }}')
    assert [found.code.id for found in caplex.test("desk.cap").errors] == ["CAP858"]


def test_settings_and_mode_come_from_outside():
    desk(PASSES)
    assert run("desk.cap", "--set", "most=9")[0] == 1
    assert run("desk.cap", "--mode", "monitor")[0] == 0
    assert not caplex.test("desk.cap", settings={"most": "9"}).ok


def test_json_tells_every_row():
    desk(PASSES, FAILS)
    status, out, _ = run("desk.cap", "--format", "json")
    told = json.loads(out)
    assert status == 1
    assert next(iter(told)) == "schema"
    assert told["schema"] == "caplex.test/1"
    assert told["summary"] == {"passed": 2, "failed": 1, "deselected": 0, "not_compiled": 0}
    assert [each["row"] for each in told["tests"]] == [None, "size 10, verdict allow", "size 12, verdict allow"]
    failure = told["tests"][2]["failures"][0]
    assert (failure["expected"], failure["got"]) == ("expect verdict (verdict allow)", "modify to 10 by EXP-010")
    assert failure["source"] == {"file": "desk.cap", "line": 16, "column": 3, "end_line": 16, "end_column": 17}
    assert failure["decision"]["schema"] == "caplex.decision/1"
    assert told == json.loads(json.dumps(caplex.test("desk.cap").to_dict())), "the same in Python"


def test_junit_is_xml_whatever_titles_hold():
    desk(PASSES, FAILS.replace("a dozen is", '<a> & \\"dozen\\" is'))
    Path("broken.cap").write_text(HEADER.format(most=10) + 'test "x" { expect deny by EXP-1 }', encoding="utf-8")
    status, out, _ = run(".", "--format", "junit")
    assert status == 1
    root = ElementTree.fromstring(out.encode())
    assert root.attrib == {"name": "caplex", "tests": "4", "failures": "1", "errors": "1"}
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert cases["ten pass"].attrib["file"] == "desk.cap"
    (failed,) = [case for case in cases.values() if case.find("failure") is not None]
    assert failed.attrib["name"].startswith('<a> & "dozen"')
    assert "got modify to 10 by EXP-010" in failed.find("failure").attrib["message"]
    assert "<10 & no more>" in failed.find("failure").text
    assert cases["it compiles"].find("error").attrib["type"] == "CAP206"


def test_github_marks_the_expectation():
    desk(FAILS)
    status, out, err = run("desk.cap", "--format", "github")
    assert status == 1
    assert out.splitlines()[0] == ("::error file=desk.cap,line=11,col=3,title=a dozen is two too many [size 12%2C verdict allow]::"
                                   "expected verdict (verdict allow), got modify to 10 by EXP-010")
    assert err == "1 passed, 1 failed in 1 file\n"


# ── which tests a path holds ──────────────────────────────────────────────────────────────────────────


def test_a_file_of_tests_is_put_to_the_policy_beside_it():
    desk(PASSES)
    Path("desk_test.cap").write_text(FAILS, encoding="utf-8")
    assert [run.test.span.source.name for run in caplex.test("desk.cap").runs] == ["desk.cap", "desk_test.cap", "desk_test.cap"]
    assert [run.test.title for run in caplex.test("desk_test.cap").runs] == ["a dozen is two too many"] * 2
    assert len(caplex.test(".").runs) == 3
    assert len(caplex.test("desk_test.cap", "desk.cap").runs) == 3


def test_a_file_of_tests_with_a_header_is_a_policy_of_its_own():
    desk(PASSES)
    desk(PASSES, most=9, name="desk_test.cap")
    report = caplex.test(".")
    assert [(run.place, run.passed) for run in report.runs] == [("desk.cap:7", True), ("desk_test.cap:7", False)]


def test_rules_in_a_file_of_tests_are_refused():
    desk(PASSES)
    Path("desk_test.cap").write_text("limit EXP-020 { intent.quantity at most 1 units else deny }\n" + PASSES, encoding="utf-8")
    assert [found.code.id for found in caplex.test("desk.cap").errors] == ["CAP857"]


def test_what_git_ignores_is_left_out():
    desk(PASSES)
    desk(FAILS, name="scratch.cap")
    Path(".gitignore").write_text("scratch.cap\n", encoding="utf-8")
    assert [entry.path.name for entry in collect(".").entries] == ["desk.cap"]


def test_a_pack_that_leans_on_who_imports_it_is_left_alone():
    Path("limits.cap").write_text("limit EXP-010 { abs(after.position.notional) at most most_money else reduce }", encoding="utf-8")
    assert caplex.test(".").errors == ()


def test_tests_of_a_pack_are_not_those_of_who_imports_it():
    Path("pack.cap").write_text("limit EXP-010 { intent.quantity at most 10 units else deny }\n" + PASSES.replace("allow", "deny"), encoding="utf-8")
    desk('use "pack.cap" as pack\n', PASSES)
    assert caplex.test("desk.cap").ok
    assert not caplex.test("pack.cap").ok


def test_a_pack_of_packs_places_their_families():
    Path("pack.cap").write_text("limit ORD-010 { intent.quantity at most 9 units else deny }", encoding="utf-8")
    Path("whole.cap").write_text('use "pack.cap" as pack\n' + PASSES.replace("allow", "deny by pack.ORD-010"), encoding="utf-8")
    report = caplex.test("whole.cap")
    assert [found.message for found in report.errors] == []
    assert report.ok


# ── for those who build on it ─────────────────────────────────────────────────────────────────────────


def test_the_same_tests_on_another_policy():
    (entry,) = collect(desk(PASSES, FAILS)).entries
    (other,) = collect(desk(most=12, name="other.cap")).entries
    assert [run.passed for run in run_entry(entry)] == [True, True, False]
    assert [run.passed for run in run_entry(entry, policy=other.policy)] == [True, True, True]


def test_each_decision_can_be_watched():
    seen: list[tuple[Path, str]] = []

    def watch(entry: Entry):
        def saw(decision: Decision) -> None:
            seen.append((entry.path, decision.verdict.value))
        return saw

    list(run_suite(collect(desk(PASSES, FAILS)), watch=watch))
    assert seen == [(Path("desk.cap"), "ALLOW")] * 2 + [(Path("desk.cap"), "MODIFY")]


def test_runs_are_the_same_whatever_ran_before():
    report = caplex.test(desk(FAILS, PASSES))
    again = caplex.test("desk.cap")
    assert report.to_dict() == again.to_dict()
