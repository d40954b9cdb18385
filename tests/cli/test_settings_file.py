"""Settings from a YAML file: digits kept, places named, and nothing changed for others who read YAML."""
from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import caplex
from caplex.compiler.cli.main import run
from caplex.compiler.recorded import compile_recorded
from caplex.compiler.tools.settings_file import read_settings
from caplex.runtime.errors import PolicyError
from caplex.runtime.journal import read


def written(folder: Path, text: str) -> Path:
    path = folder / "desk.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_number_keeps_its_digits(tmp_path: Path) -> None:
    given = read_settings(written(tmp_path, "max_position: 0.1000000000000000055511151231257827\nwords: 8%\n"))
    assert {name: each.value for name, each in given.items()} == {"max_position": "0.1000000000000000055511151231257827", "words": "8%"}


def test_each_value_knows_its_place(tmp_path: Path) -> None:
    text = "# of the desk\nstop: 2%\nsanity:\n  price_collar: '5%'\n  on: true\nnames: [RRC, \"GE\"]\n"
    given = read_settings(written(tmp_path, text))
    file = tmp_path / "desk.yaml"
    assert {name: (each.value, each.origin, each.span.text if each.span else None, each.plain) for name, each in given.items()} == {
        "stop": ("2%", f"{file}:2", "2%", True), "sanity.price_collar": ("5%", f"{file}:4", "'5%'", False),
        "sanity.on": (True, f"{file}:5", "true", True), "names": (["RRC", "GE"], f"{file}:6", '[RRC, "GE"]', False)}


def test_an_approval_is_one_setting(tmp_path: Path) -> None:
    given = read_settings(written(tmp_path, "cap: {value: 12%, approved_by: CRO, through: 2026-03-31, ticket: R-1}\n"))["cap"]
    assert (given.value, given.approved_by, given.through, given.ticket, given.unknown) == ("12%", "CRO", "2026-03-31", "R-1", ())
    misspelt = read_settings(written(tmp_path, "cap: {value: 12%, approved_by: CRO, thru: 2026-03-31}\n"))["cap"]
    assert misspelt.unknown == ("thru",)


def test_others_who_read_yaml_still_get_floats(tmp_path: Path) -> None:
    read_settings(written(tmp_path, "max_position: 0.05\n"))
    assert YAML(typ="safe", pure=True).load("x: 1.5") == {"x": 1.5}


@pytest.mark.parametrize(("text", "said"), [
    ("a: 1\na: 2\n", r"desk\.yaml:2:1: .*duplicate key"),
    ("- a\n", r"desk\.yaml:1: a settings file maps names to values"),
    ("a: [1\n", r"desk\.yaml:\d: "),
    ("a:\n  b: 1\n  b: 2\n", r"desk\.yaml:3:3: `b` stands twice: duplicate key, first on line 2"),
    ("a: [[1]]\n", r"desk\.yaml:1:5: a list of values holds single values"),
    ("a: {approved_by: CRO}\n", r"desk\.yaml:1:4: an approval has no `value`"),
    ("a: {value: 1, through: [1]}\n", r"desk\.yaml:1:\d+: `through` is one text"),
    ("? [1]\n: 2\n", r"desk\.yaml:1:3: a name of a setting stands before each colon"),
    ("a: &x\n  b: *x\n", r"desk\.yaml:\d.*: .*(nested too deeply|recursive)"),
])
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        read_settings(written(tmp_path, text))


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, "# nothing yet\n")) == {}


# ── `caplex check --settings` ─────────────────────────────────────────────────────────────────────────

DESK = '''policy desk { version "1" language 1 mode enforce currency USD timezone "UTC" stages SYS, EXP
  closing skips EXP overrides tightest wins unlimited loss }
setting cap : ratio = 10% within 0%..50% lower is safer { tighten for symbol "X" = 4% }
limit EXP-010 { after.portfolio.gross at most cap of account.equity else reduce }
'''


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "desk.cap").write_text(DESK, encoding="utf-8")
    return tmp_path


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = run(["check", "desk.cap", *arguments])
    return int(status), capsys.readouterr().out


def test_check_prints_what_the_settings_come_to(desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    written(desk, "cap: {value: 12%, approved_by: CRO, through: 2026-03-31, ticket: R-1}\n")
    status, out = checked(capsys, "--settings", "desk.yaml")
    assert status == 0
    assert out.splitlines()[1:] == [
        "  cap  10%  policy", '        4%  tighten for symbol "X", desk.cap:3', "       12%  loosen for all through 2026-03-31, approved by CRO (R-1), desk.yaml:1"]
    monkeypatch.setenv("D_CAP", "3%")
    told = json.loads(checked(capsys, "--settings", "desk.yaml", "--env-prefix", "D_", "--format", "json")[1])
    (policy,) = told["policies"]
    assert policy["settings"] == [{"name": "cap", "value": "3%", "from": "environment D_CAP", "declared": "desk.cap:3", "overrides": [
        {"kind": "tighten", "for": {"symbol": "X"}, "value": "3%", "through": None, "approved_by": None, "ticket": None, "source": "desk.cap:3"}]}]
    assert policy["hash"] == caplex.load("desk.cap").hash
    assert policy["settings_hash"] == caplex.load("desk.cap", settings={"cap": "3%"}).settings_hash != caplex.load("desk.cap").settings_hash


@pytest.mark.parametrize(("text", "said"), [
    ("cap: 12%\n", "error[CAP454]: `cap` may only move down from here\n --> desk.yaml:1:6\n"),
    ("\ncap: 8 USD\n", "error[CAP313]: `cap` is a percentage, not money\n --> desk.yaml:2:6\n  |\n2 | cap: 8 USD\n  |      ^^^^^ money\n"),
    ("capp: 8%\n", "error[CAP205]: no setting is named `capp`\n --> desk.yaml:1:7\n"),
    ("cap: {value: 60%, approved_by: CRO, through: 2026-03-31}\n", "error[CAP316]: `cap` lies outside its range\n"),
])
def test_check_names_the_place_in_the_file(desk: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    written(desk, text)
    status, out = checked(capsys, "--settings", "desk.yaml")
    assert status == 1
    assert said in out


def test_a_journal_holds_what_was_approved(desk: Path) -> None:
    """The policy is compiled again from the record, with its settings, their origins and approvals."""
    written(desk, "cap: {value: 12%, approved_by: CRO, through: 2026-03-31}\n")
    policy = caplex.load("desk.cap", settings="desk.yaml")
    with caplex.Engine(policy, journal="j", clock=lambda: datetime(2026, 1, 5, 15, tzinfo=UTC)):
        pass
    (record,) = (record for record in read("j") if record.kind == "policy")
    again = compile_recorded(json.loads(json.dumps(record.body)))
    assert again.plan.settings["cap"] == policy.plan.settings["cap"]
