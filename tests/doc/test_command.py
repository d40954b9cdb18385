"""`caplex doc`: what it writes, what `--check` notices, how it ends, and that it is the same bytes wherever it runs."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from papers import EXAMPLES, ROOT, page, paper

import caplex
from caplex.compiler.cli import main

GATE = EXAMPLES / "entry_gate" / "policy.cap"
NAME = "examples/entry_gate/policy.cap"
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(GATE, tmp_path / "policy.cap")
    shutil.copy(GATE.with_name("policy_test.cap"), tmp_path / "policy_test.cap")
    return tmp_path


def test_the_end_of_the_name_says_what_is_written(desk, capsys):
    for name in ("p.html", "p.HTM", "p.md", "p.json"):
        assert main.run(["doc", "policy.cap", "-o", name]) == 0
    assert capsys.readouterr().out == ""
    assert (desk / "p.html").read_text(encoding="utf-8") == (desk / "p.HTM").read_text(encoding="utf-8") == page(NAME)
    assert (desk / "p.md").read_text(encoding="utf-8") == paper(NAME).markdown()
    assert json.loads((desk / "p.json").read_text(encoding="utf-8")) == paper(NAME).to_dict()
    assert next(iter(paper(NAME).to_dict().items())) == ("schema", "caplex.document/1")


@pytest.mark.parametrize(("arguments", "form"), [([], "html"), (["--format", "html"], "html"), (["--format", "md"], "md"), (["--format", "json"], "json")])
def test_without_a_file_it_is_printed(desk, capsys, arguments, form):
    assert main.run(["doc", "policy.cap", *arguments]) == 0
    out = capsys.readouterr().out
    assert out == {"html": page(NAME), "md": paper(NAME).markdown(), "json": json.dumps(paper(NAME).to_dict(), indent=2, ensure_ascii=False) + "\n"}[form]


@pytest.mark.parametrize("name", ["p.html", "p.md", "p.json"])
def test_check_is_quiet_as_long_as_the_page_is_true(desk, capsys, name):
    assert main.run(["doc", "policy.cap", "-o", name]) == 0
    before = (desk / name).read_bytes()
    assert main.run(["doc", "policy.cap", "--check", name]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")
    (desk / name).write_bytes(before.replace(b"\n", b"\r\n"))
    assert main.run(["doc", "policy.cap", "--check", name]) == 0  # line ends of a checkout


@pytest.mark.parametrize("name", ["p.html", "p.md", "p.json"])
@pytest.mark.parametrize(("was", "now"), [("ratio = 70%", "ratio = 71%"), ('"Confidence"', '"Trust"'), ("at least min_confidence", "above min_confidence"), ("timezone  \"UTC\"", "timezone  \"Europe/Paris\"")])
def test_check_notices_what_the_policy_says_anew(desk, capsys, name, was, now):
    assert main.run(["doc", "policy.cap", "-o", name]) == 0
    kept = (desk / name).read_bytes()
    text = (desk / "policy.cap").read_text(encoding="utf-8")
    assert was in text
    (desk / "policy.cap").write_text(text.replace(was, now, 1), encoding="utf-8")
    assert main.run(["doc", "policy.cap", "--check", name]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"{name} is no longer what policy.cap says: it differs from line ")
    assert told.err.count("\n") == 1
    assert (desk / name).read_bytes() == kept


def test_check_notices_settings_tests_and_what_was_cut_off(desk, capsys):
    assert main.run(["doc", "policy.cap", "-o", "p.md"]) == 0
    whole = (desk / "p.md").read_text(encoding="utf-8")
    assert main.run(["doc", "policy.cap", "--check", "p.md", "--set", "min_confidence=80%"]) == 1
    (desk / "p.md").write_text(whole[: len(whole) // 2], encoding="utf-8")
    assert main.run(["doc", "policy.cap", "--check", "p.md"]) == 1
    (desk / "p.md").write_text(whole + "more\n", encoding="utf-8")
    assert main.run(["doc", "policy.cap", "--check", "p.md"]) == 1
    (desk / "p.md").write_text(whole, encoding="utf-8")
    with (desk / "policy_test.cap").open("a", encoding="utf-8") as file:
        file.write('\ntest "one more" { intent buy 1 "KO" confidence 90% leverage 1  expect allow }\n')
    assert main.run(["doc", "policy.cap", "--check", "p.md"]) == 1
    capsys.readouterr()


def test_a_file_of_tests_stands_for_its_policy(desk, capsys):
    written = []
    for name in ("policy.cap", "policy_test.cap"):
        assert main.run(["doc", name, "--format", "json"]) == 0
        written.append(capsys.readouterr().out)
    assert written[0] == written[1]


def test_settings_come_from_a_file_too(desk, capsys):
    (desk / "s.yaml").write_text("min_confidence: 80%\n", encoding="utf-8")
    assert main.run(["doc", "policy.cap", "--settings", "s.yaml", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    limit = next(row for row in told["limits"] if row["rule"] == "GATE-010")
    assert (limit["value"], limit["from"]) == ({"amount": "0.8"}, [{"setting": "min_confidence", "value": "80%", "how": "from s.yaml:1", "where": ""}])


@pytest.mark.parametrize(("arguments", "status", "words"), [
    (["no-such.cap"], 2, "there is no file"),
    (["policy.cap", "-o", "p.pdf"], 2, "let it end in .html, .md or .json"),
    (["policy.cap", "--check", "p.pdf"], 2, "let it end in .html, .md or .json"),
    (["policy.cap", "--check", "none.html"], 2, "`none.html` cannot be read"),
    (["policy.cap", "--check", "latin.html"], 2, "is not UTF-8"),
    (["policy.cap", "--check", "p.html", "-o", "p.html"], 2, "give one of them"),
    (["policy.cap", "-o", "no-such-folder/p.html"], 74, "cannot be written"),
    (["policy.cap", "--as-of", "yesterday"], 2, "`yesterday` is no day; write it as 2026-06-30"),
    (["policy.cap", "--as-of", "2026-02-30"], 2, "is no day"),
    (["policy.cap", "--set", "nothing=1"], 2, "nothing"),
    (["broken.cap"], 2, "CAP"),
    (["tested.cap"], 2, "tested_test.cap"),
])
def test_what_cannot_be_done_is_said_in_a_sentence(desk, capsys, arguments, status, words):
    (desk / "latin.html").write_bytes(b"\xe9")
    (desk / "broken.cap").write_text("policy p {\n", encoding="utf-8")
    shutil.copy(GATE, desk / "tested.cap")
    (desk / "tested_test.cap").write_text('test "half {\n', encoding="utf-8")
    assert main.run(["doc", *arguments]) == status
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err
    assert "Traceback" not in told.err


def test_the_same_bytes_in_any_folder_and_with_any_hash_order(desk, tmp_path):
    program = "import sys, caplex; sys.stdout.reconfigure(encoding='utf-8', newline=''); d = caplex.document(sys.argv[1]); print(d.html() + d.markdown() + repr(d.to_dict()))"
    said = set()
    deep = tmp_path / "a" / "b"
    shutil.copytree(EXAMPLES / "desk", deep)
    for seed, path in (("1", EXAMPLES / "desk" / "desk.cap"), ("77", deep / "desk.cap")):
        done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}, cwd=ROOT)
        said.add(done.stdout)
    assert len(said) == 1
    assert len(said.pop()) > 100_000


def test_a_small_policy_word_for_word():
    told = caplex.document(GOLDEN / "small.cap", as_of="2026-03-01").markdown()
    assert told == (GOLDEN / "small.md").read_text(encoding="utf-8"), f"caplex doc {GOLDEN / 'small.cap'} --as-of 2026-03-01 -o {GOLDEN / 'small.md'} writes it anew"
