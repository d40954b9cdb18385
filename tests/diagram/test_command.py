"""`caplex graph`: what it prints, what it writes, and how it ends."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from gallery import EXAMPLES, ROOT, pictures

import caplex
from caplex.compiler.cli import main

DESK = str(EXAMPLES / "quickstart" / "desk.cap")
FACTS = str(EXAMPLES / "quickstart" / "facts" / "6-kill-switch.json")


def test_without_a_file_it_is_text(capsys):
    assert main.run(["graph", DESK]) == 0
    assert capsys.readouterr().out == pictures()["quickstart"].text(100)


@pytest.mark.parametrize(("name", "kind"), [("p.svg", "svg"), ("p.SVG", "svg"), ("p.dot", "dot"), ("p.gv", "dot"), ("p.mmd", "mermaid"), ("p.txt", "text")])
def test_the_end_of_the_name_says_what(name, kind, tmp_path, capsys):
    target = tmp_path / name
    assert main.run(["graph", DESK, "--facts", FACTS, "-o", str(target)]) == 0
    assert capsys.readouterr().out == ""
    assert target.read_text(encoding="utf-8") == getattr(pictures()["6-kill-switch"], kind)()


def test_format_comes_before_the_end_of_the_name(tmp_path, capsys):
    target = tmp_path / "picture.xml"
    assert main.run(["graph", DESK, "--format", "svg", "-o", str(target)]) == 0
    assert ElementTree.parse(target).getroot().get("role") == "img"
    assert main.run(["graph", DESK, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == pictures()["quickstart"].to_dict()


def test_json_into_a_file(tmp_path):
    target = tmp_path / "g.json"
    assert main.run(["graph", DESK, "-o", str(target)]) == 0
    assert json.loads(target.read_text(encoding="utf-8"))["schema"] == "caplex.graph/1"


def test_the_switches_alone(capsys):
    assert main.run(["graph", str(EXAMPLES / "policygate" / "policy.cap"), "--switches", "--format", "mermaid"]) == 0
    assert capsys.readouterr().out == pictures()["switches"].mermaid()


def test_an_intent_of_its_own_and_settings(tmp_path, capsys):
    intent = tmp_path / "intent.json"
    facts = json.loads((EXAMPLES / "quickstart" / "facts" / "2-trimmed.json").read_text(encoding="utf-8"))
    intent.write_text(json.dumps({**facts["intent"], "quantity": "10"}), encoding="utf-8")
    line = ["graph", DESK, "--facts", str(EXAMPLES / "quickstart" / "facts" / "2-trimmed.json"), "--intent", str(intent)]
    assert main.run(line) == 0
    assert "ALLOW  10 may go ahead" in capsys.readouterr().out
    assert main.run([*line, "--set", "max_position=1%"]) == 0
    assert "MODIFY" not in (told := capsys.readouterr().out)
    assert "DENY" in told
    assert "max_position 1%, from --set" in told


@pytest.mark.parametrize(("arguments", "status", "words"), [
    ([DESK, "-o", "desk.png"], 2, "let it end in .svg, .dot, .mmd, .json or .txt"),
    ([DESK, "-o", "no-such-folder/desk.svg"], 74, "cannot be written"),
    ([DESK, "--intent", FACTS], 2, "give `--facts` too"),
    ([DESK, "--facts", "-", "--intent", "-"], 2, "only one document"),
    ([DESK, "--facts", "no-such.json"], 2, "cannot be read"),
    (["no-such.cap"], 2, "there is no file"),
    ([str(EXAMPLES / "entry_gate" / "policy.cap"), "--switches"], 2, "has no kill switch"),
])
def test_what_cannot_be_drawn_is_said_in_a_sentence(arguments, status, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main.run(["graph", *arguments]) == status
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err
    assert "Traceback" not in told.err
    assert list(tmp_path.iterdir()) == []


def test_a_policy_that_does_not_compile_shows_why(tmp_path, capsys):
    path = tmp_path / "empty.cap"
    path.write_text('policy e { version "1" language 1 mode enforce currency USD stages EXP closing skips EXP overrides tightest wins '
                    'unlimited exposure unlimited loss lot 1 }\n', encoding="utf-8")
    assert main.run(["graph", str(path), "-o", str(tmp_path / "e.svg")]) == 2
    assert "CAP447" in capsys.readouterr().err
    assert not (tmp_path / "e.svg").exists()
    assert main.run(["graph", str(path), "--format", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["schema"] == "caplex.error/1"


def test_the_smallest_policy_has_a_picture():
    policy = caplex.loads('policy s { version "1" language 1 mode enforce currency USD stages EXP closing skips EXP overrides tightest wins '
                          'unlimited loss unlimited exposure lot 1 }\nrule EXP-010 { deny when intent.symbol == "X" }\n')
    diagram = caplex.graph(policy)
    assert [row.id for row in diagram.rows()] == ["EXP-010"]
    assert ElementTree.fromstring(diagram.svg()) is not None
    assert "EXP-010" in diagram.text()


def test_the_bytes_do_not_depend_on_the_process():
    program = f"import caplex, sys; sys.stdout.buffer.write(caplex.graph({DESK!r}).svg().encode())"
    for seed in ("1", "2"):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT, env={"PYTHONHASHSEED": seed, "CAPLEX_NO_CACHE": "1"})
        assert done.stdout.decode() == pictures()["quickstart"].svg()


def test_the_pictures_of_the_docs_are_what_the_code_draws():
    """`caplex graph examples/quickstart/desk.cap -o docs/pictures/quickstart.svg`, and with `--facts …/6-kill-switch.json` the other."""
    home = ROOT / "docs" / "pictures"
    wanted = {"quickstart.svg": "quickstart", "quickstart-denied.svg": "6-kill-switch"}
    assert {path.name for path in home.glob("*.svg")} == set(wanted)
    for name, picture in wanted.items():
        if os.environ.get("CAPLEX_WRITE_GOLDENS"):
            (home / name).write_text(pictures()[picture].svg(), encoding="utf-8")
        assert (home / name).read_text(encoding="utf-8") == pictures()[picture].svg(), name
