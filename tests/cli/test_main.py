"""The command line's manners: what it imports, how it ends, what it says when things go wrong."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from caplex.compiler.cli import main, operate, output
from caplex.compiler.cli.options import Outside, from_environment
from caplex.compiler.cli.output import Status, Stop
from caplex.runtime.errors import JournalError, PolicyError

HEAVY = {"lark", "pydantic", "rich", "jinja2", "ruamel", "pathspec"}
BUILT = set(main.COMMANDS)


def caplex(*arguments: str, stdin: str | None = None, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "caplex", *arguments], input=stdin, capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, **(env or {})}, cwd=Path(main.__file__).resolve().parents[2], timeout=60)


def test_help_imports_nothing_heavy():
    program = "import sys; from caplex.compiler.cli.main import run; assert run(['--help']) == 0; print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                          cwd=Path(main.__file__).resolve().parents[2])
    loaded = {name.strip("' ").partition(".")[0] for name in done.stderr.strip("[]\n").split(",")}
    assert "click" in loaded
    assert not loaded & HEAVY


def test_help_lists_what_is_built_and_nothing_else():
    done = caplex("--help")
    assert done.returncode == 0
    groups = done.stdout.partition("Options:\n")[2].partition("\n\n")[2]
    listed = {line.split()[0] for line in groups.splitlines() if line.startswith("  ") and line[2].isalpha()}
    assert listed == BUILT
    assert not main.PLANNED & BUILT


@pytest.mark.parametrize("name", sorted(BUILT))
def test_every_command_has_help(name, capsys):
    assert main.run([name, "--help"]) == 0
    assert "Usage: caplex " + name in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(main.PLANNED))
def test_what_is_not_built_says_so_in_one_line(name, capsys):
    assert main.run([name, "some", "--thing"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"error: `caplex {name}` is not part of this version\n"


@pytest.mark.parametrize(("arguments", "words"), [
    (["chekc"], "did you mean `caplex check`?"),
    (["frobnicate"], "`caplex --help` lists them"),
    (["check"], "PATH"),
    (["decide", "x.cap"], "--facts"),
    (["decide", "x.cap", "--facts", "-", "--batch", "-"], "standard input"),
    (["decide", "x.cap", "--facts", "f", "--intent", "a", "--batch", "b"], "exclude each other"),
    (["check", "--formt", "json", "."], "--format"),
    (["replay", "a.journal", "--set", "max_position=5%"], "name it with `--policy`"),
    (["replay", "a.journal", "--mode", "monitor"], "name it with `--policy`"),
    (["replay", "a.journal", "--sweep", "a=1", "--set", "b=1"], "name it with `--policy`"),
    (["--frob"], "--frob"),
    (["explain", "CAP999"], "no diagnostic"),
    (["explain", "market.prise"], "did you mean `market.price`?"),
])
def test_wrong_usage_is_one_line_and_2(arguments, words, capsys):
    assert main.run(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err
    assert told.err.count("\n") == 1


def test_the_message_of_an_error_as_json_is_its_sentence(capsys):
    assert main.run(["doc", "nowhere.cap", "--format", "json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert next(iter(told)) == "schema"
    assert told["message"] == told["diagnostics"][0]["message"] == "there is no file `nowhere.cap`"


def test_no_arguments_is_the_first_screen(capsys):
    assert main.run([]) == 0
    assert "Type first:" in capsys.readouterr().out


def test_version(capsys):
    from caplex.version import __version__

    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out == f"caplex {__version__}\n"


def failing(monkeypatch, error: BaseException) -> None:
    def invoke(arguments):
        raise error

    monkeypatch.setattr(main, "_invoke", invoke)


@pytest.mark.parametrize(("error", "status"), [
    (ZeroDivisionError(), Status.BUG),
    (RecursionError(), Status.BUG),
    (AssertionError("ours"), Status.BUG),
    (OSError(28, "No space left on device", "x"), Status.IO),
    (PolicyError("it does not compile"), Status.USAGE),
    (JournalError("locked", retryable=True), Status.AGAIN),
    (Stop(Status.IO, "cannot"), Status.IO),
    (click.UsageError("no"), Status.USAGE),
])
def test_every_end_has_its_status_and_one_sentence(monkeypatch, capsys, error, status):
    failing(monkeypatch, error)
    assert main.run(["check"]) == status
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err
    failing(monkeypatch, error)
    assert main.run(["check", "--format", "json"]) == status
    document = json.loads(capsys.readouterr().out)
    assert next(iter(document)) == "schema"
    assert document["status"] == status


def test_a_bug_shows_its_traceback_only_when_asked(monkeypatch, capsys):
    monkeypatch.setenv("CAPLEX_DEBUG", "1")
    failing(monkeypatch, ZeroDivisionError())
    assert main.run(["check"]) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_interrupted_is_quiet(monkeypatch, capsys, error):
    failing(monkeypatch, error)
    assert main.run(["check"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_a_reader_that_goes_away_is_quiet_and_no_success():
    import os

    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "caplex", "explain", "CAP101"], stdout=writer, stderr=subprocess.PIPE, text=True,
                          cwd=Path(main.__file__).resolve().parents[2])
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode == Status.IO


def test_colour_is_for_terminals(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert output.has_colour(Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert not output.has_colour(Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.has_colour(Terminal())


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "out.py"
    output.write(target, "text\n")
    assert target.read_text(encoding="utf-8") == "text\n"
    with pytest.raises(Stop) as caught:
        output.write(tmp_path / "none" / "out.py", "text")
    assert caught.value.status == Status.IO
    assert [path.name for path in tmp_path.iterdir()] == ["out.py"]


def test_settings_from_outside_have_an_order(tmp_path, monkeypatch):
    file = tmp_path / "s.yaml"
    file.write_text("a: 1%\nb: 1%\nc: 1%\n", encoding="utf-8")
    monkeypatch.setenv("CAPLEX_SET_B", "2%")
    monkeypatch.setenv("CAPLEX_SET_C", "2%")
    values = Outside(file=str(file), assigned=("c=3%",), mode=None).settings()
    assert {name: (given.value, given.origin) for name, given in values.items()} == {
        "a": ("1%", f"{file}:1"), "b": ("2%", "environment CAPLEX_SET_B"), "c": ("3%", "--set")}
    found = from_environment({"CAPLEX_SET_ALIAS__LIMIT": "1", "CAPLEX_SET_": "x", "OTHER": "y"})
    assert {name: given.value for name, given in found.items()} == {"alias.limit": "1"}
    assert list(from_environment({"DESK_STOP": "1", "CAPLEX_SET_STOP": "2"}, "DESK_")) == ["stop"]
    with pytest.raises(click.UsageError):
        Outside(file=None, assigned=("novalue",), mode=None).settings()


def test_a_decision_in_text_names_rule_title_and_message():
    told = {"verdict": "MODIFY", "side": "buy", "quantity": "25", "requested": "300", "symbol": "AAPL",
            "reasons": [{"rule": "EXP-010", "title": "Position size", "message": "too much\x1b[2J"}], "warnings": []}
    assert operate.tell_decision(told) == "MODIFY  buy 25 of 300 AAPL\n  EXP-010  Position size: too much<U+001B>[2J"
