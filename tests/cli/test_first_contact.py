"""First contact: the first screen, help, examples that work, and a sentence for whatever was typed wrong."""
from __future__ import annotations

import errno
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from caplex.compiler.cli import helping, main
from caplex.runtime import signing

ROOT = Path(main.__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples" / "quickstart"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of POSIX")


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A scratch folder with a policy and documents under the names that the examples use."""
    shutil.copy(QUICKSTART / "desk.cap", tmp_path / "desk.cap")
    facts = QUICKSTART / "facts" / "2-trimmed.json"
    shutil.copy(facts, tmp_path / "facts.json")
    intent = json.loads(facts.read_text(encoding="utf-8"))["intent"]
    (tmp_path / "intent.json").write_text(json.dumps(intent), encoding="utf-8")
    (tmp_path / "intents.jsonl").write_text(json.dumps(intent) + "\n" + json.dumps({**intent, "id": "second"}) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAPLEX_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def command(name: str) -> click.Command:
    found = main.commands.get_command(click.Context(main.commands), name)
    assert found is not None
    return found


IN_ORDER = ("status", "trip", "rearm", "approve")
"""Of `caplex switch`: one is the reason for the next."""


def examples(name: str) -> list[str]:
    """Lines of a command's help that begin with its name, and of what it groups; what stands behind a bar is the shell's."""
    found = command(name)
    texts = [found.help or ""]
    if isinstance(found, click.Group):
        names = sorted(found.commands, key=lambda each: (IN_ORDER.index(each) if each in IN_ORDER else 0, each))
        texts += [found.commands[each].help or "" for each in names]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [line.partition(" | ")[0] for line in lines if line.startswith("caplex ")]


GOVERNOR = """policy governor { version "1" language 1 currency USD stages SYS closing faces every rule unlimited exposure unlimited loss }
allocate capital across strategies { score strategy.sharpe_30d }
"""


@pytest.fixture
def engine_files(desk, capsys) -> Path:
    """What the examples of an engine's commands name: a day, its journal, people with keys, an act."""
    people = {}
    for name in ("risk-1", "risk-2"):
        private, public = signing.generate()
        signing.write_private(desk / f"{name}.key", private)
        people[name] = {"roles": ["risk-officer"], "keys": [public]}
    roles = {"schema": "caplex.roles/1", "people": people}
    (desk / "roles.json").write_text(json.dumps(roles), encoding="utf-8")
    (desk / "roles.yaml").write_text(json.dumps(roles), encoding="utf-8")  # JSON is YAML
    (desk / "risk.pub").write_text(people["risk-1"]["keys"][0] + "\n", encoding="utf-8")
    act = {"type": "operator", "id": "o-1", "at": "2020-02-20T21:06:00Z", "act": "rearm", "target": {"switch": "KILL-010"}, "by": "risk-1"}
    (desk / "rearm.json").write_text(json.dumps(act), encoding="utf-8")
    (desk / "tighter.cap").write_text((desk / "desk.cap").read_text(encoding="utf-8").replace("ratio = 8%", "ratio = 5%"), encoding="utf-8")
    shutil.copy(desk / "desk.cap", desk / "desk2.cap")
    (desk / ".env").write_text("POLICY_MIN_CONFIDENCE=0.75\n", encoding="utf-8")
    shutil.copy(ROOT / "examples" / "policygate" / "policy.yaml", desk / "policy.yaml")
    for name in ("monday.json", "crash.json"):
        shutil.copy(desk / "facts.json", desk / name)
    if find_spec("pyarrow"):
        from pyarrow import parquet, table

        parquet.write_table(table({"intent.id": ["i-1", "i-2"], "intent.quantity": ["10", "20"]}), desk / "intents.parquet")
    (desk / "governor.cap").write_text(GOVERNOR, encoding="utf-8")
    (desk / "metrics.json").write_text(json.dumps({"now": act["at"], "strategies": {"a": {"sharpe_30d": "1"}}}), encoding="utf-8")
    at = "2020-02-20T21:05:00Z"
    day = [
        {"type": "history", "at": at, "account": "a", "complete_from": "2020-02-01T00:00:00Z"},
        {"type": "account", "id": "e-1", "at": at, "account": "a", "equity": "1000000", "available": "900000"},
        {"type": "quote", "at": at, "symbol": "AAPL", "price": "80"},
        {"type": "intent", "id": "i-1234", "at": at, "account": "a", "symbol": "AAPL", "side": "buy", "action": "open", "quantity": "700",
         "order_type": "market", "strategy": "long_book"},
    ]
    (desk / "day.jsonl").write_text("".join(json.dumps(event) + "\n" for event in day), encoding="utf-8")
    assert main.run(["run", "desk.cap", "--events", "day.jsonl", "--journal", "desk.journal"]) == 0
    capsys.readouterr()
    return desk


def shell(*arguments: str, env: dict[str, str] | None = None, **streams: object) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAPLEX_")}
    places = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run([sys.executable, "-m", "caplex", *arguments], cwd=ROOT, timeout=60, env={**kept, **(env or {})}, **places)  # type: ignore[call-overload, no-any-return]


# ── the first screen ──────────────────────────────────────────────────────────────────────────────────


def type_all(told: str, capsys) -> list[str]:
    """Type what the first screen shows, from top to bottom."""
    typed = []
    for line in told.splitlines()[1:]:
        for part in line.strip().split("   "):
            if part.strip().startswith("caplex "):
                typed.append(part.strip().partition("  ")[0])
                assert main.run(shlex.split(typed[-1])[1:]) == 0, part
                capsys.readouterr()
    return typed


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_the_first_screen_is_short_and_its_lines_can_be_typed_anywhere(tmp_path, monkeypatch, capsys, columns):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAPLEX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", columns)
    assert main.run([]) == 0
    told = capsys.readouterr().out
    assert told.startswith("caplex ")
    assert len(told.splitlines()) <= (24 if columns == "200" else 45)
    typed = type_all(told, capsys)
    assert {line.split()[1] for line in typed} >= {"demo", "check", "decide", "explain", "graph", "--help"}
    assert (tmp_path / "my-desk" / "desk.cap").is_file()
    # What is here by now is not fetched again.
    assert main.run([]) == 0
    again = capsys.readouterr().out
    assert "--copy" not in again
    assert "caplex check my-desk" in again.replace(os.sep, "/")


def test_beside_a_policy_of_ones_own_it_names_that(desk, capsys):
    assert main.run([]) == 0
    told = capsys.readouterr().out
    assert "caplex decide desk.cap --facts facts.json" in told
    assert "--copy" not in told
    type_all(told, capsys)


def test_in_a_checkout_it_names_the_shipped_policy(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    told = helping.first_screen(tuple(main.COMMANDS)).replace(os.sep, "/")
    assert "  caplex check examples/quickstart/desk.cap\n" in told


def test_help_groups_every_command_once_with_a_line():
    grouped = helping.grouped(sorted(main.COMMANDS))
    listed = [name for lines in grouped.values() for name in lines]
    assert sorted(listed) == sorted(main.COMMANDS)
    assert "More" not in grouped, "a command has no line in helping.GROUPS"
    assert all(line for lines in grouped.values() for line in lines.values())


def test_a_command_without_a_group_is_listed_all_the_same():
    assert helping.grouped(["check", "novel"]) == {"Write policies": {"check": helping.GROUPS["Write policies"]["check"]}, "More": {"novel": ""}}


# ── help of commands ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_every_example_in_a_help_works(name, engine_files, capsys, monkeypatch):
    shown = examples(name)
    assert shown, f"`caplex {name} --help` shows no example"
    if name == "calendar":
        pytest.importorskip("exchange_calendars")
    if name == "lsp":
        pytest.skip("a server that an editor talks to: tests/lsp starts it")
    for key in engine_files.glob("risk-*.key") if name == "keys" else ():
        key.unlink()  # an example makes it
    for line in shown:
        if ".parquet" in line and not find_spec("pyarrow"):
            continue
        line, _, source = line.partition(" > ")[0].partition(" < ")
        if source:
            monkeypatch.setattr(sys, "stdin", (engine_files / source).open(encoding="utf-8"))
        status = main.run(shlex.split(line)[1:])
        told = capsys.readouterr()
        assert status in (0, 1), f"{line}: {status}\n{told.err}"
        assert "error" not in told.err, line


@pytest.mark.parametrize("name", ["check", "compile", "decide", "explain"])
def test_help_says_how_it_ends_and_where_more_is(name):
    text = command(name).help or ""
    assert "Exit status: 0 " in text
    pages = [word.strip(".,;") for word in text.partition("More:")[2].split() if word.startswith("docs/")]
    assert pages
    assert all((ROOT / page).is_file() for page in pages), pages


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_help_is_the_same_as_a_command_and_as_an_option(name, capsys):
    assert main.run([name, "--help"]) == 0
    option = capsys.readouterr().out
    assert main.run(["help", name]) == 0
    assert capsys.readouterr().out == option


def test_help_alone_lists_the_commands(capsys):
    assert main.run(["--help"]) == 0
    option = capsys.readouterr().out
    assert main.run(["help"]) == 0
    assert capsys.readouterr().out == option


# ── what was typed wrong ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["chekc"], "no command is named `chekc`; did you mean `caplex check`?"),
    (["help", "decied"], "no command is named `decied`; did you mean `decide`?"),
    (["decide", "desk.cap", "--fact", "x"], "there is no option `--fact`; did you mean `--facts`?; `caplex decide --help` tells more"),
    (["--versoin"], "there is no option `--versoin`; did you mean `--version`?; `caplex --help` tells more"),
    (["check", "desk.cap", "--format", "jsn"], "`--format` has no value `jsn`; did you mean `json`?; `caplex check --help` tells more"),
    (["decide", "desk.cap", "--facts", "facts.json", "--mode", "x"], "`--mode` has no value `x`; it is one of `enforce`, `monitor`; `caplex decide --help` tells more"),
    (["explain", "CAP2033"], "`CAP2033` is no diagnostic, reason, pack, fact or policy; did you mean `CAP203`?"),
    (["explain", "market.prise"], "`market.prise` is no diagnostic, reason, pack, fact or policy; did you mean `market.price`?"),
    (["explain", "stdlib.ordersanity"], "`stdlib.ordersanity` is no diagnostic, reason, pack, fact or policy; did you mean `stdlib.order_sanity`?"),
    (["explain", "SYS-0002"], "`SYS-0002` is the id of a rule: say of which policy, as `caplex explain desk.cap SYS-0002`"),
    (["explain", "desk.cap", "EXP-01"], "`desk.cap` has no rule, setting or fact `EXP-01`; did you mean `EXP-010`?"),
    (["explain", "desk.cap", "max_positon"], "`desk.cap` has no rule, setting or fact `max_positon`; did you mean `max_position`?"),
    (["explain", "CAP203", "EXP-010"], "`CAP203` has no parts; only a policy has, as `caplex explain desk.cap EXP-010`; `caplex explain --help` tells more"),
])
def test_it_is_told_in_a_sentence_with_the_nearest_name(desk, capsys, arguments, sentence):
    assert main.run(arguments) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"error: {sentence}\n")


def test_a_setting_that_is_not_there_names_the_nearest(desk, capsys):
    assert main.run(["decide", "desk.cap", "--facts", "facts.json", "--set", "max_positon=3%"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "no setting is named `max_positon`" in told.err
    assert "did you mean `max_position`?" in told.err


@pytest.mark.parametrize(("content", "words"), [
    (b"", "this file has no policy header"),
    (b"\x7fELF\x02\x01\xd0", "is not UTF-8 text"),
    (None, "is a folder"),
])
def test_files_that_are_no_policies(desk, capsys, content, words):
    if content is None:
        (desk / "other.cap").mkdir()
    else:
        (desk / "other.cap").write_bytes(content)
    for arguments, status in ((["decide", "other.cap", "--facts", "facts.json"], 2), (["explain", "other.cap"], 2)):
        assert main.run(arguments) == status
        told = capsys.readouterr()
        assert told.out == ""
        assert words in told.err


def test_a_byte_order_mark_is_no_part_of_a_policy_or_a_document(desk, capsys):
    for name in ("desk.cap", "facts.json"):
        (desk / name).write_bytes(b"\xef\xbb\xbf" + (desk / name).read_bytes())
    for _ in range(2):  # compiled, and from the cache
        assert main.run(["check", "desk.cap"]) == 0
        assert main.run(["decide", "desk.cap", "--facts", "facts.json"]) == 0
        assert capsys.readouterr().out.startswith("MODIFY")
    assert len(list((desk / "cache" / "policies").glob("*.bin"))) == 1


def test_a_file_that_may_not_be_read(desk, capsys, monkeypatch):
    (desk / "desk.cap").chmod(0)
    if os.access(desk / "desk.cap", os.R_OK):  # whoever may read everything is told no by us
        really = io.open

        def refusing(file: object, *rest: object, **options: object) -> object:
            if str(file).endswith("desk.cap"):
                raise PermissionError(errno.EACCES, "Permission denied", str(file))
            return really(file, *rest, **options)

        monkeypatch.setattr(io, "open", refusing)
        monkeypatch.setattr("builtins.open", refusing)
    assert main.run(["check", "desk.cap"]) == 2
    assert "cannot be read: Permission denied" in capsys.readouterr().out


@POSIX
def test_arguments_that_are_not_utf8():
    for arguments in ([b"check", b"\xff.cap"], [b"explain", b"\xff"], [b"\xff"], [b"decide", b"\xff.cap", b"--facts", b"x"]):
        done = subprocess.run([sys.executable.encode(), b"-m", b"caplex", *arguments], cwd=ROOT, capture_output=True, timeout=60)
        assert done.returncode == 2 or arguments[0] == b"check", arguments
        assert b"Traceback" not in done.stderr
        assert b"bug" not in done.stderr


@POSIX
def test_a_name_that_is_not_utf8_can_be_a_policy(tmp_path):
    policy = os.fsencode(tmp_path) + b"/\xff.cap"
    Path(os.fsdecode(policy)).write_bytes((QUICKSTART / "desk.cap").read_bytes())
    done = subprocess.run([sys.executable.encode(), b"-m", b"caplex", b"check", policy], cwd=ROOT, capture_output=True, timeout=60,
                          env={**os.environ, "CAPLEX_CACHE_DIR": str(tmp_path / "cache")})
    assert (done.returncode, done.stderr) == (0, b"1 policy checked: no problems\n")


# ── terminals and pipes ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("arguments", [[], ["--help"], ["explain", "--help"]])
def test_a_terminal_of_twenty_columns(arguments):
    done = shell(*arguments, env={"COLUMNS": "20"})
    assert (done.returncode, done.stderr) == (0, b"")
    # A command is never broken: whoever copies it must have the whole of it. Click's own texts need fifty columns.
    words = [line for line in done.stdout.decode().splitlines() if "caplex " not in line]
    assert max(map(len, words)) <= (50 if arguments else 20), words


def test_findings_in_a_terminal_of_twenty_columns(tmp_path):
    (tmp_path / "x.cap").write_text("policy p { version \"1\" }\nrule EXP-010 { deny when portfolio.gros > 5_000 USD }\n", encoding="utf-8")
    done = shell("check", str(tmp_path / "x.cap"), env={"COLUMNS": "20"})
    assert done.returncode == 1
    assert b"error[CAP" in done.stdout


SPEAKING = [[], ["--help"], ["demo"], ["explain", "CAP203"], ["explain", "examples/quickstart/desk.cap"], ["check", "--format", "json", "examples/quickstart"]]


@POSIX
@pytest.mark.parametrize("arguments", SPEAKING, ids=" ".join)
def test_a_reader_that_goes_away_hears_nothing_more(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = shell(*arguments, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (74, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("arguments", SPEAKING, ids=" ".join)
def test_a_full_disk_is_a_sentence_and_74(arguments):
    with open("/dev/full", "wb") as full:
        done = shell(*arguments, stdout=full)
    assert (done.returncode, done.stderr.decode()) == (74, "error: the result cannot be written: No space left on device\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_an_error_for_programs_that_cannot_be_written_is_74_too():
    with open("/dev/full", "wb") as full:
        done = shell("explain", "CAP9999", "--format", "json", stdout=full)
    assert (done.returncode, done.stderr.decode()) == (74, "error: the result cannot be written: No space left on device\n")


@POSIX
@pytest.mark.parametrize("arguments", SPEAKING, ids=" ".join)
def test_a_closed_output_is_a_sentence_and_74(arguments):
    line = shlex.join([sys.executable, "-m", "caplex", *arguments])
    done = subprocess.run(["sh", "-c", f"{line} >&-"], cwd=ROOT, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr.decode()) == (74, "error: the result cannot be written: standard output is closed\n")
    done = subprocess.run(["sh", "-c", f"{line} >&- 2>&-"], cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == 74


@POSIX
def test_an_error_that_nobody_hears_keeps_its_status():
    done = subprocess.run(["sh", "-c", shlex.join([sys.executable, "-m", "caplex", "chekc"]) + " 2>&-"], cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == 2
