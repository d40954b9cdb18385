"""The commands on the quickstart: what stands on stdout, what on stderr, and with which status they end."""
from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from caplex.compiler.cli import main

ROOT = Path(main.__file__).resolve().parents[2]
DESK = "examples/quickstart/desk.cap"
FACTS = {name: f"examples/quickstart/facts/{name}.json" for name in ("1-allowed", "2-trimmed", "3-held", "6-kill-switch")}
BROKEN = "policy p {\n  version \"1\" language 1 currency USD stages EXP closing faces every rule\n  unlimited exposure unlimited loss\n}\n" \
         "rule EXP-010 { deny when portfolio.gros > 5_000 USD }\n"


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    monkeypatch.chdir(ROOT)


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = main.run(arguments)
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.fixture
def broken(tmp_path) -> str:
    file = tmp_path / "broken.cap"
    file.write_text(BROKEN, encoding="utf-8")
    return str(file)


def test_check_of_a_good_folder(capsys):
    status, _, err = run(capsys, "check", "examples/quickstart")
    assert status == 0
    assert "2 policies checked: " in err


def test_check_shows_place_and_cure_and_says_no(capsys, broken):
    status, out, err = run(capsys, "check", broken)
    assert status == 1
    assert "error[CAP" in out
    assert "did you mean `portfolio.gross`?" in out
    assert "1 error" in err


def test_check_for_programs(capsys, broken):
    status, out, _ = run(capsys, "check", broken, "--format", "json")
    document = json.loads(out)
    assert (status, document["schema"], document["summary"]["error"]) == (1, "caplex.lint/1", 1)
    status, out, _ = run(capsys, "check", broken, "--format", "github")
    assert status == 1
    assert out.startswith("::error file=")


def test_check_of_a_missing_file_is_unusable_input(capsys, tmp_path):
    status, out, _ = run(capsys, "check", str(tmp_path / "none.cap"))
    assert status == 2
    assert "error[CAP" in out


def test_check_of_an_empty_folder_is_a_sentence(capsys, tmp_path):
    status, out, err = run(capsys, "check", str(tmp_path))
    assert (status, out) == (2, "")
    assert "no policy (*.cap) lies in" in err


@pytest.mark.parametrize(("facts", "status", "detailed", "first"), [
    ("1-allowed", 0, 0, "ALLOW  buy 100 MSFT"),
    ("2-trimmed", 0, 10, "MODIFY  buy 526 of 700 AAPL"),
    ("3-held", 1, 11, "HOLD  buy 500 RRC"),
    ("6-kill-switch", 1, 1, "DENY  buy 20 PG"),
])
def test_decide_tells_verdict_and_size_and_its_status_says_so(capsys, facts, status, detailed, first):
    got, out, err = run(capsys, "decide", DESK, "--facts", FACTS[facts])
    assert (got, err) == (status, "")
    assert out.splitlines()[0] == first
    assert run(capsys, "decide", DESK, "--facts", FACTS[facts], "--detailed-exitcode")[0] == detailed


def test_decide_for_programs(capsys):
    status, out, _ = run(capsys, "decide", DESK, "--facts", FACTS["2-trimmed"], "--format", "json")
    document = json.loads(out)
    assert status == 0
    assert next(iter(document.items())) == ("schema", "caplex.decision/1")
    assert (document["verdict"], document["quantity"]) == ("MODIFY", "526")


def test_decide_reads_standard_input(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(FACTS["1-allowed"]).read_bytes())))
    assert run(capsys, "decide", DESK, "--facts", "-")[0] == 0


def test_a_batch_is_one_answer_a_line(capsys, tmp_path):
    intent = json.loads(Path(FACTS["1-allowed"]).read_text(encoding="utf-8"))["intent"]
    file = tmp_path / "intents.jsonl"
    file.write_text("".join(json.dumps({**intent, "id": f"i-{size}", "quantity": size}) + "\n" for size in ("10", "100000")), encoding="utf-8")
    status, out, _ = run(capsys, "decide", DESK, "--facts", FACTS["1-allowed"], "--batch", str(file), "--format", "json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["intent_id"] for answer in answers] == ["i-10", "i-100000"]
    assert answers[0]["verdict"] == "ALLOW"
    assert answers[1]["verdict"] != "ALLOW"
    assert status == (0 if answers[1]["verdict"] == "MODIFY" else 1)


def test_a_setting_moves_to_the_safer_side_only(capsys):
    status, out, _ = run(capsys, "decide", DESK, "--facts", FACTS["2-trimmed"], "--set", "max_position=5%")
    assert status == 0
    assert "526" not in out.splitlines()[0]
    status, out, err = run(capsys, "decide", DESK, "--facts", FACTS["2-trimmed"], "--set", "max_position=20%")
    assert (status, out) == (2, "")
    assert "max_position" in err
    status, _, err = run(capsys, "decide", DESK, "--facts", FACTS["2-trimmed"], "--set", "max_positon=5%")
    assert status == 2
    assert "max_positon" in err


@pytest.mark.parametrize("facts", ['{"now": ', "[]", "", '{"now": "2020-02-20T21:05:00Z"} x'])
def test_facts_that_are_no_document_are_unusable_input(capsys, tmp_path, facts):
    file = tmp_path / "facts.json"
    file.write_text(facts, encoding="utf-8")
    status, out, err = run(capsys, "decide", DESK, "--facts", str(file))
    assert (status, out) == (2, "")
    assert err.startswith("error[CAP9")
    status, out, _ = run(capsys, "decide", DESK, "--facts", str(file), "--format", "json")
    document = json.loads(out)
    assert (document["schema"], document["diagnostics"][0]["source"]["file"]) == ("caplex.error/1", str(file))


@pytest.mark.parametrize(("old", "new"), [
    ('"700"', "NaN"), ('"700"', "1e999999999"), ('"700"', '"-5"'), ('"700"', "0"), ('"700"', '"1,000"'), ('"700"', "true"),
    ('"quantity": "700"', '"quantity": "700", "quantity": "7"'), ('"quantity": "700"', '"quantty": "700"'), ('"700"', "7" * 5000),
])
def test_documents_that_parse_but_hold_the_impossible_are_denied(capsys, tmp_path, old, new):
    text = Path(FACTS["2-trimmed"]).read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "facts.json"
    file.write_text(text.replace(old, new), encoding="utf-8")
    status, out, err = run(capsys, "decide", DESK, "--facts", str(file))
    assert (status, err) == (1, "")
    assert out.startswith("DENY")
    assert "SYS-" in out


def test_a_policy_that_does_not_compile_is_unusable_input(capsys, broken):
    status, out, err = run(capsys, "decide", broken, "--facts", FACTS["1-allowed"])
    assert (status, out) == (2, "")
    assert "error[CAP" in err


@pytest.mark.parametrize("emit", ["python", "graph", "json"])
def test_compile_prints_and_writes_the_same(capsys, tmp_path, emit):
    status, out, _ = run(capsys, "compile", DESK, "--emit", emit)
    assert status == 0
    target = tmp_path / "out"
    assert run(capsys, "compile", DESK, "--emit", emit, "-o", str(target))[:2] == (0, "")
    assert target.read_text(encoding="utf-8") == out
    if emit == "python":
        compile(out, "emitted", "exec")
    if emit == "json":
        assert json.loads(out)["name"] == "quickstart_desk"


def test_explain_tells_the_whole_decision(capsys):
    status, out, _ = run(capsys, "explain", DESK, "--facts", FACTS["6-kill-switch"])
    assert status == 0
    assert "KILL-010" in out
    status, out, _ = run(capsys, "explain", DESK, "--facts", FACTS["6-kill-switch"], "--format", "json")
    assert "schema" in json.loads(out)


def test_what_if_changes_the_answer(capsys):
    status, out, _ = run(capsys, "explain", DESK, "--facts", FACTS["2-trimmed"], "--what-if", "intent.quantity=100")
    assert status == 0
    assert out.startswith("MODIFY → ALLOW   with intent.quantity = 100 (was 700)\n")


@pytest.mark.parametrize(("subject", "words"), [
    ("CAP203", "# CAP203"), ("unknown-field", "# CAP"), ("market.price", "fresh within 5s"), ("stdlib.order_sanity", "ORD-010")])
def test_pages(capsys, subject, words):
    status, out, _ = run(capsys, "explain", subject)
    assert status == 0
    assert words in out


def test_the_demo_runs_offline(capsys):
    status, out, _ = run(capsys, "demo")
    assert status == 0
    assert {"ALLOW", "MODIFY", "HOLD", "DENY"} <= set(out.split())
