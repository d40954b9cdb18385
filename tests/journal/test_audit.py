"""`caplex audit`: exit statuses, filters, tables, and following a journal that grows."""
from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import caplex
from caplex.compiler.cli import main
from caplex.compiler.cli.auditing import guarded
from caplex.runtime.journal import Journal, find, query
from caplex.runtime.journal.head import path_of
from caplex.runtime.signing import generate, signer, write_private

ROOT = Path(main.__file__).resolve().parents[2]
DESK = ROOT / "examples" / "quickstart"


def decisions() -> list[dict[str, Any]]:
    """What the desk of the quickstart decides on its seven intents."""
    policy = caplex.load(DESK / "desk.cap")
    return [policy.decide(json.loads(file.read_text())).to_dict() for file in sorted((DESK / "facts").glob("*.json"))]


@pytest.fixture(scope="module")
def told() -> list[dict[str, Any]]:
    return decisions()


@pytest.fixture
def desk(tmp_path, told) -> Path:
    path = tmp_path / "desk.journal"
    with Journal.open(path, header={"engine": "caplex"}) as journal:
        for decision in told:
            journal.append("event", decision["at"], {"type": "intent", "id": decision["intent_id"], "symbol": decision["symbol"]})
            journal.append("decision", decision["at"], decision)
    return path


def rows(path: Path, capsys, *arguments: str) -> list[dict[str, Any]]:
    assert main.run(["audit", "query", str(path), "--format", "json", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# ── verify ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_whole_journal_verifies(desk, capsys):
    assert main.run(["audit", "verify", str(desk)]) == 0
    assert "15 lines, every one as it was written" in capsys.readouterr().out
    assert main.run(["audit", "verify", str(desk), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert next(iter(found)) == "schema"
    assert (found["schema"], found["ok"], found["lines"], found["problems"]) == ("caplex.audit/1", True, 15, [])


def test_a_changed_line_is_named_and_the_status_is_1(desk, capsys):
    desk.write_bytes(desk.read_bytes().replace(b'"verdict":"DENY"', b'"verdict":"HOLD"', 1))
    assert main.run(["audit", "verify", str(desk)]) == 1
    said = capsys.readouterr().out
    assert "1 problem; 14 of 15 lines are whole" in said
    assert "was changed" in said
    assert main.run(["audit", "verify", str(desk), "--format=json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem["kind"] == "changed"
    assert main.run(["audit", "query", str(desk)]) == 1
    assert "CAP942" in capsys.readouterr().err


def test_a_torn_or_shortened_journal_is_1_too(desk, capsys):
    good = desk.read_bytes()
    desk.write_bytes(good[:-10])
    assert main.run(["audit", "verify", str(desk), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {problem["kind"] for problem in found["problems"]} == {"torn", "lost"}
    assert found["torn"]["bytes"] > 100
    desk.write_bytes(good[: good.rindex(b"\n", 0, -1) + 1])
    assert main.run(["audit", "verify", str(desk)]) == 1
    assert "the last line is missing" in capsys.readouterr().out


@pytest.mark.parametrize(("content", "code"), [(None, "CAP912"), (b"a,b,c\n", "CAP943"), (b'{"schema":"caplex.journal/2"}\n', "CAP944")])
def test_no_journal_is_2(tmp_path, capsys, content, code):
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    for command in (["audit", "verify", str(path)], ["audit", "query", str(path)], ["audit", "export", str(path), "-o", str(tmp_path / "x.csv")]):
        assert main.run(command) == 2
        assert f"error[{code}]" in capsys.readouterr().err
    assert not (tmp_path / "x.csv").exists()


def test_signed_heads_are_checked_with_the_keys_that_are_given(tmp_path, capsys):
    path, keys = tmp_path / "j", tmp_path / "keys"
    private, public = generate()
    write_private(tmp_path / "private", private)
    with Journal.open(path, header={}, sign=signer(tmp_path / "private"), sign_every=3) as journal:
        for number in range(7):
            journal.append("event", None, {"n": number})
    keys.write_text(f"# the desk\n{public}\n")
    assert main.run(["audit", "verify", str(path), "--keys", str(keys)]) == 0
    assert "3 signed heads, 0 lines after the last" in capsys.readouterr().out
    keys.write_text(generate()[1] + "\n")
    assert main.run(["audit", "verify", str(path), "--keys", str(keys)]) == 1
    assert "that is not good" in capsys.readouterr().out
    for text in ("", "nonsense\n"):
        keys.write_text(text)
        assert main.run(["audit", "verify", str(path), "--keys", str(keys)]) == 2
        assert "public key" in capsys.readouterr().err


# ── query ─────────────────────────────────────────────────────────────────────────────────────────────


def test_each_filter_gives_what_fits_and_nothing_else(desk, told, capsys):
    assert [row["decision"]["decision_id"] for row in rows(desk, capsys)] == [decision["decision_id"] for decision in told]
    for option, field in (("--intent", "intent_id"), ("--decision", "decision_id"), ("--verdict", "verdict"), ("--symbol", "symbol"), ("--strategy", "strategy")):
        for value in {decision[field] for decision in told}:
            found = [row["decision"]["decision_id"] for row in rows(desk, capsys, option, value)]
            assert found == [decision["decision_id"] for decision in told if decision[field] == value], (option, value)
    rules = {decision["decided_by"] for decision in told} - {None}
    assert rules
    for rule in rules:
        found = {row["decision"]["decision_id"] for row in rows(desk, capsys, "--rule", rule)}
        assert found >= {decision["decision_id"] for decision in told if decision["decided_by"] == rule}
        assert found <= {decision["decision_id"] for decision in told if rule in json.dumps(decision)}
    assert rows(desk, capsys, "--rule", "NONE-1") == []
    assert len(rows(desk, capsys, "--limit", "3")) == 3
    assert rows(desk, capsys, "--verdict", "deny") == rows(desk, capsys, "--verdict", "DENY") != []


def test_since_is_within_and_until_is_not(desk, told, capsys):
    times = sorted({decision["at"] for decision in told})
    assert len(times) > 3
    found = rows(desk, capsys, "--since", times[1], "--until", times[3])
    assert {row["at"] for row in found} == set(times[1:3])
    day = times[1][:10]
    assert {row["at"] for row in rows(desk, capsys, "--since", day)} == {time for time in times if time >= day}
    assert main.run(["audit", "query", str(desk), "--since", "tomorrow"]) == 2
    assert "--since tomorrow" in capsys.readouterr().err


def test_a_row_says_what_was_decided_and_begins_with_its_schema(desk, told, capsys):
    (row,) = rows(desk, capsys, "--decision", told[1]["decision_id"])
    assert next(iter(row)) == "schema"
    assert (row["schema"], row["decision"]) == ("caplex.audit/1", told[1])
    assert main.run(["audit", "query", str(desk), "--decision", told[1]["decision_id"]]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    for part in (told[1]["intent_id"], told[1]["verdict"], told[1]["symbol"], told[1]["decided_by"], told[1]["reasons"][0]["message"]):
        assert part in line
    assert f"{told[1]['quantity']} of {told[1]['requested']}" in line


def test_texts_from_a_journal_do_not_drive_the_terminal(tmp_path, capsys):
    with Journal.open(tmp_path / "j", header={}) as journal:
        journal.append("decision", None, {"intent_id": "i\x1b[2J\n1", "verdict": "DENY", "decision_id": "d-1", "reasons": None, "policy": None})
    assert main.run(["audit", "query", str(tmp_path / "j")]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("\n") == 1


def test_a_decision_is_found_by_its_id_and_by_its_intent(desk, told, tmp_path):
    for decision in told:
        record = find(desk, decision["decision_id"])
        assert record is not None
        assert record.body == decision
    assert find(desk, "d-none") is None
    path = tmp_path / "again"
    with Journal.open(path, header={}) as journal:
        for number, repeat in enumerate((None, None, "d-1")):
            journal.append("decision", None, {"decision_id": f"d-{number}", "intent_id": "i-1", "repeat_of": repeat})
    record = find(path, "i-1")
    assert record is not None
    assert record.body["decision_id"] == "d-1"


def test_a_torn_end_does_not_stop_a_query(desk, told):
    with desk.open("ab") as file:
        file.write(b'{"at":"2026')
    assert len(list(query(desk))) == len(told)


def hears_ctrl_c() -> None:
    """A suite that was started in the background ignores Ctrl-C, and its children would too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_follow_prints_what_is_added_and_ctrl_c_ends_it_with_130(tmp_path):
    path = tmp_path / "j"
    with Journal.open(path, header={}) as journal:
        def decide(name: str) -> None:
            journal.append("decision", None, {"decision_id": name, "verdict": "DENY"})
            journal.flush()

        decide("d-1")
        with subprocess.Popen([sys.executable, "-m", "caplex", "audit", "query", str(path), "--follow", "--format", "json"], stdout=subprocess.PIPE,
                              text=True, cwd=ROOT, preexec_fn=hears_ctrl_c) as following:
            assert following.stdout is not None
            seen = [json.loads(following.stdout.readline())["decision"]["decision_id"]]
            for number in (2, 3, 4):
                decide(f"d-{number}")
                seen.append(json.loads(following.stdout.readline())["decision"]["decision_id"])
            time.sleep(0.05)
            following.send_signal(signal.SIGINT)
            rest = following.stdout.read()
            assert following.wait(timeout=30) == 130
    assert (seen, rest) == (["d-1", "d-2", "d-3", "d-4"], "")


# ── export ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_export_holds_every_decision_in_a_row(desk, told, tmp_path, capsys):
    for name in ("out.csv", "out.jsonl"):
        assert main.run(["audit", "export", str(desk), "-o", str(tmp_path / name)]) == 0
        assert "7 decisions" in capsys.readouterr().err
    with (tmp_path / "out.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["decision_id"] for row in table] == [decision["decision_id"] for decision in told]
    for row, line, decision in zip(table, lines, told, strict=True):
        assert list(line) == ["schema", *row]
        assert row["verdict"] == decision["verdict"] == line["verdict"]
        assert row["policy_hash"] == decision["policy"]["hash"]
        assert row["quantity"] == decision["quantity"]
        assert row["message"] == next((r["message"] for r in decision["reasons"] if r["rule"] == decision["decided_by"]), "")
    since = told[-1]["at"]
    assert main.run(["audit", "export", str(desk), "-o", str(tmp_path / "late.csv"), "--since", since]) == 0
    with (tmp_path / "late.csv").open(newline="") as file:
        assert {row["at"] for row in csv.DictReader(file)} == {decision["at"] for decision in told if decision["at"] >= since}


@pytest.mark.parametrize(("column", "text", "cell"), [
    ("intent_id", "=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"), ("message", "+1", "'+1"), ("symbol", "-5", "'-5"), ("symbol", "@x", "'@x"),
    ("quantity", "-5.25", "-5.25"), ("quantity", "-5+cmd", "'-5+cmd"), ("message", "a=b", "a=b"), ("message", "", ""),
])
def test_no_cell_is_a_formula(column, text, cell):
    assert guarded(column, text) == cell


def test_formulas_are_guarded_in_the_file_too(tmp_path):
    with Journal.open(tmp_path / "j", header={}) as journal:
        journal.append("decision", None, {"intent_id": "=1+1", "symbol": '@"x",\n', "verdict": "DENY", "decision_id": "d-1"})
    assert main.run(["audit", "export", str(tmp_path / "j"), "-o", str(tmp_path / "o.csv")]) == 0
    with (tmp_path / "o.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["intent_id"], row["symbol"]) == ("'=1+1", "'@\"x\",\N{REPLACEMENT CHARACTER}")


def test_an_export_of_a_broken_journal_writes_nothing_and_keeps_what_was_there(desk, tmp_path, capsys):
    target = tmp_path / "out.csv"
    target.write_text("before")
    desk.write_bytes(desk.read_bytes().replace(b'"verdict":"DENY"', b'"verdict":"HOLD"', 1))
    assert main.run(["audit", "export", str(desk), "-o", str(target)]) == 1
    assert "CAP942" in capsys.readouterr().err
    assert target.read_text() == "before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["desk.journal", "desk.journal.head", "out.csv"]


def test_an_export_does_not_go_over_the_journal_nor_into_a_folder_that_is_not_there(desk, tmp_path, capsys):
    itself = tmp_path / "desk.jsonl"
    os.link(desk, itself)
    assert main.run(["audit", "export", str(desk), "-o", str(itself)]) == 2
    assert "the journal itself" in capsys.readouterr().err
    assert main.run(["audit", "export", str(desk), "-o", str(tmp_path / "x.xls")]) == 2
    assert main.run(["audit", "export", str(desk), "-o", str(tmp_path / "none" / "x.csv")]) == 74
    assert path_of(desk).exists()
