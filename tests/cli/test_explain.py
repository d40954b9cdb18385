"""`caplex explain POLICY --facts`: four formats, what-if, files, and slips that deserve a sentence."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from caplex.compiler.cli import main

ROOT = Path(main.__file__).resolve().parents[2]
DESK = "examples/quickstart/desk.cap"
DENIED = "examples/quickstart/facts/6-kill-switch.json"
EXPLAIN = ("explain", DESK, "--facts", DENIED)


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    monkeypatch.chdir(ROOT)


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = main.run(arguments)
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.mark.parametrize(("format", "start", "part"), [
    ("text", "DENY  buy 20 PG", "69 │ kill switch KILL-010"), ("md", "**DENY**", "```cap\nkill switch KILL-010"),
    ("html", "<!doctype html>", "kill switch KILL-010"), ("json", '{\n  "schema": "caplex.explanation/1"', '"decided": true')])
def test_the_formats(capsys, format, start, part):
    status, out, err = run(capsys, *EXPLAIN, "--format", format)
    assert (status, err) == (0, "")
    assert out.startswith(start)
    assert part in out


@pytest.mark.parametrize(("format", "start"), [
    ("text", "DENY → ALLOW   with account.equity = 950000 (was 926510.329)\n"), ("md", "**DENY → ALLOW**  with account.equity = 950000"),
    ("html", "<!doctype html>"), ("json", '{\n  "schema": "caplex.what_if/1"')])
def test_what_if_in_every_format(capsys, format, start):
    status, out, err = run(capsys, *EXPLAIN, "--what-if", "account.equity=950000", "--format", format)
    assert (status, err) == (0, "")
    assert out.startswith(start)
    assert "KILL-010" in out


@pytest.mark.parametrize("format", ["text", "md", "html", "json"])
def test_a_file_holds_what_would_be_printed(capsys, tmp_path, format):
    target = tmp_path / "told"
    _, printed, _ = run(capsys, *EXPLAIN, "--format", format)
    status, out, err = run(capsys, *EXPLAIN, "--format", format, "-o", str(target))
    assert (status, out, err) == (0, "", "")
    assert target.read_text(encoding="utf-8").rstrip("\n") == printed.rstrip("\n")
    assert [each.name for each in tmp_path.iterdir()] == ["told"]


def test_a_file_that_cannot_be_written_is_74(capsys, tmp_path):
    status, out, err = run(capsys, *EXPLAIN, "-o", str(tmp_path / "none" / "told"))
    assert (status, out) == (74, "")
    assert "cannot be written" in err


def test_a_page_is_no_decision(capsys, tmp_path):
    status, _, err = run(capsys, "explain", "CAP203", "-o", str(tmp_path / "x"))
    assert status == 2
    assert "`-o` wants `--facts FILE`" in err


@pytest.mark.parametrize(("change", "words"), [
    ("account.equity", "is no PATH=VALUE"), ("=5", "is no PATH=VALUE"), ("orders[7].price=5", "the facts have no `7` there"),
    ("a..b=1", "is no path"), ("account.equty=5", "did you mean `account.equity`?"), ("max_position=5%", "`--set max_position=VALUE`"),
    ('switches["KILL-01"].state=tripped', "did you mean `switches.KILL-010.state`?"), ("account.\x1b[2J=1", "is no path")])
def test_a_change_of_what_facts_do_not_have_is_one_sentence_and_2(capsys, change, words):
    status, out, err = run(capsys, *EXPLAIN, "--what-if", change)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert words in err
    assert "\x1b" not in err


@pytest.mark.parametrize(("change", "after"), [
    ("intent.quantity=10", "10"), ('market["PG"].price=100', "100"), ("intent.reduce_only=true", True), ('intent.id="a b"', "a b"),
    ('intent.tags={"a": "b"}', {"a": "b"}), ("intent.strategy= momentum ", "momentum"), ("intent.x_note=a=b", "a=b"), ("intent.venue=null", None)])
def test_values_are_read_as_json_where_they_look_like_it(capsys, change, after):
    _, out, _ = run(capsys, *EXPLAIN, "--what-if", change, "--format", "json")
    assert json.loads(out)["changes"][0]["after"] == after


@pytest.mark.parametrize("command", ["explain", "decide"])
def test_a_decision_where_facts_are_wanted_names_its_policy(capsys, tmp_path, command):
    _, out, _ = run(capsys, "decide", DESK, "--facts", DENIED, "--format", "json")
    target = tmp_path / "decision.json"
    target.write_text(out, encoding="utf-8")
    status, out, err = run(capsys, command, DESK, "--facts", str(target))
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "is a decision of quickstart_desk 1.0.0, not facts" in err
    target.write_text('{"schema": "caplex.decision/1"}', encoding="utf-8")
    status, _, err = run(capsys, command, DESK, "--facts", str(target))
    assert status == 2
    assert "is a decision, not facts" in err


def test_empty_facts_are_told(capsys, tmp_path):
    target = tmp_path / "empty.json"
    target.write_text("{}", encoding="utf-8")
    status, out, _ = run(capsys, "explain", DESK, "--facts", str(target))
    assert status == 0
    assert out.startswith("DENY")
    assert "/account: day_start_equity, equity, peak_equity" in out


def test_settings_and_changes_go_together(capsys):
    facts = "examples/quickstart/facts/2-trimmed.json"
    _, out, _ = run(capsys, "explain", DESK, "--facts", facts, "--set", "max_position=4%", "--what-if", "intent.quantity=600")
    assert "max_position 4%, from --set" in out
