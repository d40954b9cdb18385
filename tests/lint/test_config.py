"""Configuration: where it is read from, what it says, and what is refused with its place."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import caplex as package
from tests.lint.conftest import HEADER

Caplex = Callable[..., tuple[int, str, str]]
TEXT = (HEADER.format(closing="closing skips LOSS, EXEC, EXP", more="overrides tightest wins")
        + 'limit EXP-010 { after.portfolio.gross at most 500% of account.equity else deny }\n'
        + 'limit EXP-020 "Position" { after.position.notional at most 500 USD else reduce }\n')  # gross bounds shorts too


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "desks" / "one").mkdir(parents=True)
    path = tmp_path / "desks" / "one" / "desk.cap"
    path.write_text(TEXT, encoding="utf-8")
    return path


def codes(path: Path, **more: object) -> list[str]:
    return [each.code.id for each in package.lint(path, **more)]  # type: ignore[arg-type]


def test_without_any_all_is_looked_for(desk: Path) -> None:
    assert codes(desk) == ["CAP741", "CAP701"]
    assert codes(desk.parent.parent) == ["CAP741", "CAP701"]


@pytest.mark.parametrize(("text", "wanted"), [
    ('[lint]\nselect = ["risk"]', []),
    ('[lint]\nselect = ["reading"]', ["CAP741", "CAP701"]),
    ('[lint]\nignore = ["CAP70"]', ["CAP741"]),
    ('[lint]\nignore = ["no-title"]', ["CAP701"]),
    ('[lint]\nselect = ["CAP701"]\nignore = ["reading"]', ["CAP701"]),
    ('[lint]\nselect = ["reading"]\nignore = ["CAP701"]', ["CAP741"]),
    ('[lint]\nselect = ["CAP7"]\nignore = ["CAP74"]', ["CAP701"]),
    ('[lint]\nignore = ["all"]', []),
    ('[lint.per-file-ignores]\n"desk.cap" = ["reading"]', []),
    ('[lint.per-file-ignores]\n"desks/*/desk.cap" = ["CAP741"]', ["CAP701"]),
    ('[lint.per-file-ignores]\n"one/desk.cap" = ["reading"]', ["CAP741", "CAP701"]),
])
def test_what_is_looked_for(text: str, wanted: list[str], desk: Path, tmp_path: Path) -> None:
    (tmp_path / "caplex.toml").write_text(text, encoding="utf-8")
    assert codes(desk) == wanted


def test_the_nearest_holds_and_its_own_file_before_the_shared_one(desk: Path, tmp_path: Path) -> None:
    (tmp_path / "caplex.toml").write_text('[lint]\nignore = ["all"]', encoding="utf-8")
    assert codes(desk) == []
    (desk.parent / "pyproject.toml").write_text('[tool.other]\nx = 1\n', encoding="utf-8")
    assert codes(desk) == []
    (desk.parent / "pyproject.toml").write_text('[tool.caplex.lint]\nignore = ["CAP741"]\n', encoding="utf-8")
    assert codes(desk) == ["CAP701"]
    (desk.parent / "caplex.toml").write_text('[lint]\nignore = ["CAP701"]\n', encoding="utf-8")
    assert codes(desk) == ["CAP741"]


def test_levels_and_what_fails(desk: Path, tmp_path: Path, caplex: Caplex) -> None:
    assert caplex("lint", desk)[0] == 1
    (tmp_path / "caplex.toml").write_text('[lint]\nlevels = {CAP701 = "note", no-title = "error"}\nfail-level = "error"\n', encoding="utf-8")
    assert [(each.code.id, each.severity.value) for each in package.lint(desk)] == [("CAP741", "error"), ("CAP701", "note")]
    assert caplex("lint", desk)[0] == 1
    assert caplex("lint", desk, "--ignore", "no-title")[0] == 0
    assert caplex("lint", desk, "--ignore", "no-title", "--fail-level", "note")[0] == 1


def test_what_the_desk_calls_an_error_may_be_silenced(desk: Path, tmp_path: Path) -> None:
    (tmp_path / "caplex.toml").write_text('[lint]\nselect = ["CAP701", "comments"]\nlevels = {CAP701 = "error"}\n', encoding="utf-8")
    assert [each.severity.value for each in package.lint(desk)] == ["error"]
    desk.write_text(TEXT.replace("limit EXP-010", "# caplex: ignore CAP701 because the mandate says so\nlimit EXP-010"), encoding="utf-8")
    assert codes(desk) == []


@pytest.mark.parametrize(("name", "text", "line", "column", "message", "help"), [
    ("caplex.toml", '[lint]\nselct = ["all"]', 2, 1, "no key is named `selct`", "did you mean `select`?"),
    ("caplex.toml", '[lint]\nfail_level = "note"', 2, 1, "no key is named `fail_level`", "did you mean `fail-level`?"),
    ("caplex.toml", '[lnt]\nselect = ["all"]', 1, 2, "no table is named `lnt`", "did you mean `lint`?"),
    ("caplex.toml", '[lint]\n\nignore = ["no-titel"]', 3, 12, "no lint is named `no-titel`; did you mean `no-title`?", None),
    ("caplex.toml", '[lint]\nignore = ["CAP203"]', 2, 12, "`CAP203` is an error, or another command's: it can be neither selected nor ignored", None),
    ("caplex.toml", '[lint]\nignore = "all"', 2, 1, "`ignore` is not a list of texts", 'write `ignore = ["CAP705", "reading"]`'),
    ("caplex.toml", '[lint]\nfail-level = "fatal"', 2, 15, "`fatal` is no level", "it is one of `error`, `warning`, `note`"),
    ("caplex.toml", '[lint.levels]\nCAP799 = "error"', 2, 1, "no lint has the number `CAP799`; `docs/reference/lints.md` lists them", None),
    ("caplex.toml", '[lint.levels]\nrisk = "error"', 2, 1, "`risk` is more than one finding: a level is given to one", None),
    ("caplex.toml", '[lint.levels]\nCAP705 = "errr"', 2, 11, "`errr` is no level", "it is one of `error`, `warning`, `note`"),
    ("caplex.toml", 'lint = 3', 1, 1, "`lint` is not a table", None),
    ("caplex.toml", '[lint]\nselect = [', 2, 11, "this is not TOML: invalid value", None),
    ("pyproject.toml", '[tool.caplex.lint]\nignor = []', 2, 1, "no key is named `ignor`", "did you mean `ignore`?"),
    ("pyproject.toml", '[tool.caplex.lint.per-file-ignores]\n"a.cap" = ["rsk"]', 2, 13, "no lint is named `rsk`; did you mean `risk`?", None),
])
def test_what_cannot_be_used_is_refused_with_its_place(
    name: str, text: str, line: int, column: int, message: str, help: str | None, desk: Path, tmp_path: Path, caplex: Caplex,
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(package.PolicyError) as refused:
        package.lint(desk)
    found = refused.value.diagnostics[0]
    assert (found.code.id, found.message, found.help) == ("CAP770", message, help)
    assert (found.span.source.name, found.span.begin.line, found.span.begin.column) == (name, line, column)
    status, shown, told = caplex("lint", desk)
    assert (status, shown) == (2, "")
    assert f"--> {name}:{line}:{column}" in told


def test_words_of_the_command_are_refused_too(desk: Path, caplex: Caplex) -> None:
    for option in ("--select", "--ignore"):
        status, shown, told = caplex("lint", desk, option, "no-titel")
        assert (status, shown) == (2, "")
        assert told == f"error: `{option}`: no lint is named `no-titel`; did you mean `no-title`?; `caplex lint --help` tells more\n"
    with pytest.raises(package.PolicyError, match="did you mean `risk`"):
        package.lint(desk, select=["rsk"])
    status, _, told = caplex("lint", desk, "--as-of", "tomorrow")
    assert (status, "`--as-of tomorrow` is no date" in told) == (2, True)
    assert caplex("lint", desk, "--select", ",")[0] == 2


def test_the_words_of_the_command_add_up(desk: Path) -> None:
    assert codes(desk, select=["CAP701", "no-title"]) == ["CAP741", "CAP701"]
    assert codes(desk, select=["reading"], ignore=["CAP741"]) == ["CAP701"]


def test_a_date(desk: Path, caplex: Caplex) -> None:
    desk.write_text(TEXT + 'waiver W-010 of EXP-010 through 2026-06-30 approved by "CRO" ticket "R-1" { when intent.symbol == "SH" }\n', encoding="utf-8")
    assert codes(desk, select=["past-its-date"]) == []
    assert codes(desk, select=["past-its-date"], as_of="2026-06-30") == []
    assert codes(desk, select=["past-its-date"], as_of="2026-07-01") == ["CAP716"]
    assert caplex("lint", desk, "--select", "CAP716", "--as-of", "2026-07-01")[0] == 1
