"""`caplex init`: what it writes passes its own checks, whatever the desk is called, and nothing is overwritten."""
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import caplex
from caplex.compiler.cli.main import run
from caplex.runtime.ruling import Verdict

FILES = {"desk.cap", "desk_test.cap", "settings.yaml", "intent.json", "README.md", ".gitignore", ".pre-commit-config.yaml",
         ".github/workflows/policy.yml", ".vscode/settings.json", ".editorconfig"}


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("options", [(), ("--name", "momentum", "--currency", "EUR", "--timezone", "Europe/Berlin", "--owner", "Ann Lee"),
                                     ("--currency", "JPY", "--timezone", "Asia/Tokyo")])
def test_what_is_written_passes_its_own_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]) -> None:
    folder = tmp_path / "new" / "one"
    assert run(["init", str(folder), *options, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    name = options[1] if "--name" in options else "desk"
    wanted = {each.replace("desk", name) if each.startswith("desk") else each for each in FILES}
    assert (told["schema"], told["passed"], set(told["files"])) == ("caplex.init/1", True, wanted)
    assert everything(folder) == wanted
    policy = folder / f"{name}.cap"
    assert caplex.check(policy, settings=folder / "settings.yaml") == []
    report = caplex.test(folder)
    assert report.ok
    assert report.passed >= 7
    decision = caplex.load(policy, settings=folder / "settings.yaml").decide(json.loads((folder / "intent.json").read_text(encoding="utf-8")))
    assert (decision.verdict, decision.quantity) == (Verdict.MODIFY, 50)


def test_its_tests_hold_its_numbers(tmp_path: Path) -> None:
    """Each number that the desk set for itself, moved: a test fails."""
    assert run(["init", str(tmp_path / "d")]) == 0
    policy = tmp_path / "d" / "desk.cap"
    text = policy.read_text(encoding="utf-8")
    for old, new in (("= 50_000 USD", "= 50_101 USD"), ("ratio = 10%", "ratio = 10.1%"), ('"THIN" = 2%', '"THIN" = 2.1%'), ("ratio = 2% ", "ratio = 2.1% "),
                     ('["WATCH"]', '["OTHER"]')):
        assert text.count(old) == 1
        policy.write_text(text.replace(old, new), encoding="utf-8")
        assert not caplex.test(tmp_path / "d").ok, new


def test_nothing_that_exists_is_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    os.symlink("nowhere", tmp_path / "settings.yaml")
    assert run(["init", str(tmp_path)]) == 2
    assert "exists, and so do 1 others: nothing was written" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"
    assert sorted(os.listdir(tmp_path)) == ["README.md", "settings.yaml"]


@pytest.mark.parametrize(("option", "value", "said"), [
    ("--name", "My Desk", "cannot name a policy"), ("--name", "throttle", "cannot name a policy"), ("--name", "../x", "cannot name a policy"),
    ("--currency", "dollars", "is no currency"), ("--timezone", "Mars/Base", "is no time zone"), ("--owner", 'the "boss"', "may not hold quotes")])
def test_a_name_that_cannot_be_used_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, said: str) -> None:
    assert run(["init", str(tmp_path / "d"), option, value]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert run(["init", str(tmp_path / "file" / "d")]) == 74
    assert "cannot be written" in capsys.readouterr().err


def test_the_files_for_others_are_what_they_read(tmp_path: Path) -> None:
    assert run(["init", str(tmp_path)]) == 0
    yaml = YAML(typ="safe", pure=True)
    hooks = yaml.load((tmp_path / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    steps = yaml.load((tmp_path / ".github/workflows/policy.yml").read_text(encoding="utf-8"))["jobs"]["policy"]["steps"]
    commands = [hook["entry"] for hook in hooks] + [step["run"] for step in steps if "run" in step][1:]
    assert [command.split()[:2] for command in commands] == [["caplex", "check"], ["caplex", "test"], ["caplex", "check"], ["caplex", "check"], ["caplex", "test"]]
    for command in commands:
        here = [str(tmp_path / "desk.cap" if word == "desk.cap" else tmp_path / "settings.yaml" if word == "settings.yaml" else tmp_path if word == "." else word)
                for word in command.split()[1:]]
        assert run(here if len(here) > 1 else [*here, str(tmp_path / "desk.cap")]) == 0, command
    assert json.loads((tmp_path / ".vscode/settings.json").read_text(encoding="utf-8"))["files.associations"] == {"*.cap": "caplex"}
