"""Tab: the scripts, the protocol as the shells speak it, and a bash that really completes."""
from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from caplex.compiler.cli import completing, main
from caplex.compiler.diagnostics import catalogue
from caplex.compiler.semantics import schema
from caplex.compiler.semantics.builtins import DERIVED
from caplex.compiler.tools.pages_policies import parts

ROOT = Path(main.__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples" / "quickstart"
BASH = shutil.which("bash")
HEAVY = {"lark", "pydantic", "rich", "jinja2", "ruamel", "pathspec"}


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    shutil.copy(QUICKSTART / "desk.cap", tmp_path / "desk.cap")
    (tmp_path / "facts.json").write_text("{}", encoding="utf-8")
    (tmp_path / "limits.yaml").write_text("{}", encoding="utf-8")
    (tmp_path / "desks").mkdir()
    (tmp_path / "desks" / "two words.cap").write_text("", encoding="utf-8")
    (tmp_path / ".hidden").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tab(line: str, capsys, monkeypatch, shell: str = "bash") -> list[str]:
    """What is offered at the end of *line*: the environment is set as the shell's script does it."""
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    monkeypatch.setenv("_CAPLEX_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words) - 1))
    assert main.run([]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    monkeypatch.delenv("_CAPLEX_COMPLETE")
    lines = told.out.splitlines()
    if shell == "zsh":
        return [f"{kind}:{value}" for kind, value in zip(lines[::3], lines[1::3], strict=True)]
    if shell == "fish":  # newer scripts of click say kind, value and help in three lines, older ones in one
        return told.out.replace("plain\n", "plain,").replace("\t", "\n").splitlines()
    return [line.partition(",")[2] for line in lines if line]


@pytest.mark.parametrize(("line", "offered"), [
    ("caplex ", sorted(main.COMMANDS)),
    ("caplex ch", ["check"]),
    ("caplex help de", ["decide", "demo"]),
    ("caplex completion ", ["bash", "fish", "zsh"]),
    ("caplex check ", ["desk.cap", "desks/"]),
    ("caplex check desks/", ["desks/two words.cap"]),
    ("caplex check desk.cap d", ["desk.cap", "desks/"]),
    ("caplex decide ", ["desk.cap", "desks/"]),
    ("caplex decide desk.cap --facts ", ["desks/", "facts.json"]),
    ("caplex decide desk.cap --settings ", ["desks/", "limits.yaml"]),
    ("caplex decide desk.cap --set ma", ["max_position="]),
    ("caplex decide desk.cap --mode ", ["enforce", "monitor"]),
    ("caplex decide desk.cap --format=j", ["json"]),
    ("caplex decide desk.cap --det", ["--detailed-exitcode"]),
    ("caplex explain desk.cap EXP-", ["EXP-010", "EXP-020", "EXP-030"]),
    ("caplex explain desk.cap sanity.ORD", [f"sanity.ORD-{number:03}" for number in range(10, 101, 10)]),
    ("caplex explain desk.cap th", ["thin_names"]),
    ("caplex explain CAP20", [code.id for code in catalogue.codes() if code.id.startswith("CAP20")]),
    ("caplex explain cap20", [code.id for code in catalogue.codes() if code.id.startswith("CAP20")]),
    ("caplex explain SYS-00", [f"SYS-00{number}" for number in range(1, 10)]),
    ("caplex explain account.draw", ["account.drawdown"]),
    ("caplex explain stdlib.order", ["stdlib.order_sanity"]),
    ("caplex explain stdlib.order_sanity.ORD-01", ["stdlib.order_sanity.ORD-010"]),
    ("caplex chekc ", []),
    ("caplex explain nothing.like.it", []),
    ("caplex check nowhere/", []),
])
def test_bash_is_offered(desk, capsys, monkeypatch, line, offered):
    assert tab(line, capsys, monkeypatch) == offered


def test_zsh_completes_folders_itself(desk, capsys, monkeypatch):
    assert tab("caplex check ", capsys, monkeypatch, "zsh") == ["plain:desk.cap", "dir:"]
    assert tab("caplex explain CAP203", capsys, monkeypatch, "zsh") == ["plain:CAP203"]


def test_fish_is_offered(desk, capsys, monkeypatch):
    offered = tab("caplex ch", capsys, monkeypatch, "fish")
    assert any("check" in line for line in offered)
    assert not any("decide" in line for line in offered)


@pytest.mark.parametrize("instruction", ["bash_nonsense", "tcsh_complete", "nothing"])
def test_an_instruction_that_nobody_knows_prints_nothing(monkeypatch, capsys, instruction):
    monkeypatch.setenv("_CAPLEX_COMPLETE", instruction)
    assert main.run(["check"]) == 1
    assert capsys.readouterr() == ("", "")


def test_what_goes_wrong_stays_out_of_the_line(monkeypatch, capsys):
    monkeypatch.setenv("_CAPLEX_COMPLETE", "bash_complete")
    monkeypatch.delenv("COMP_WORDS", raising=False)
    assert main.run([]) == 1
    assert capsys.readouterr() == ("", "")


def test_names_read_off_the_text_are_those_of_the_schema():
    sections = schema.builtin().sections.values()
    known = [name for section in sections for name in (section.name, *(spec.path for spec in section.fields.values()))]
    assert list(completing.facts()) == list(dict.fromkeys([*known, *DERIVED]))


def test_parts_read_off_the_text_are_those_of_the_policy(monkeypatch):
    monkeypatch.chdir(ROOT)
    desk = "examples/quickstart/desk.cap"
    context = click.Context(click.Command("explain"))
    context.params["subject"] = desk
    offered = {item.value for item in completing.parts(context, click.Argument(["part"]), "")}
    # Sections that the language or an imported pack brings are not read off this text.
    inputs = {name for name in parts(desk) if name.startswith(("market", "usual", "allocation"))}
    assert offered == {name for name in parts(desk) if name not in inputs}


@pytest.mark.parametrize("line", ["caplex ", "caplex explain CAP2", "caplex explain market.", "caplex explain desk.cap ", "caplex check "])
def test_tab_imports_nothing_heavy(desk, line):
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    program = "import sys; from caplex.compiler.cli.main import run; assert run([]) == 0; print(*sorted({name.partition('.')[0] for name in sys.modules} | set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "_CAPLEX_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)})
    loaded = set(done.stderr.split())
    assert "click" in loaded
    assert done.stdout.strip()
    assert not loaded & (HEAVY | {"caplex.compiler.syntax.ast"})


@pytest.mark.parametrize("shell", sorted(completing.INSTALL))
def test_the_script_names_function_and_variable(shell, capsys):
    assert main.run(["completion", shell]) == 0
    told = capsys.readouterr().out
    assert "_caplex_completion" in told
    assert "_CAPLEX_COMPLETE" in told


def test_help_tells_how_to_install_it(capsys):
    assert main.run(["completion", "--help"]) == 0
    told = capsys.readouterr().out
    assert all(line in told for line in completing.INSTALL.values())


@pytest.mark.skipif(BASH is None, reason="no bash here")
@pytest.mark.parametrize(("typed", "offered"), [
    (["caplex", "ex"], ["explain"]),
    (["caplex", "explain", "CAP20"], [code.id for code in catalogue.codes() if code.id.startswith("CAP20")]),
    (["caplex", "explain", "desk.cap", "EXP"], ["EXP-010", "EXP-020", "EXP-030"]),
    (["caplex", "check", "desk"], ["desk.cap", "desks/"]),
    (["caplex", "check", "desks/"], ["desks/two words.cap"]),
])
def test_a_real_bash_completes(desk, typed, offered):
    binary = desk / "bin"
    binary.mkdir()
    (binary / "caplex").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m caplex "$@"\n', encoding="utf-8")
    (binary / "caplex").chmod(0o755)
    words = " ".join(shlex.quote(word) for word in typed)
    script = f"""
        source <(caplex completion bash)
        complete -p caplex | grep -q _caplex_completion || exit 3
        compopt() {{ :; }}   # knows only of a line that is being typed
        COMP_WORDS=({words}); COMP_CWORD={len(typed) - 1}
        _caplex_completion caplex {shlex.quote(typed[-1])} {shlex.quote(typed[-2])}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run([BASH or "bash", "--norc", "-c", script], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PATH": f"{binary}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == offered
