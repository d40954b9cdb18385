"""What the pages show is true: policies compile, Python runs, links lead somewhere, both set-up commands are there."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

import caplex

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md", "docs/glossary.md")]
LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?!https?:|#|mailto:)([^)#\s]+)")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)


def test_the_policy_of_the_readme_compiles():
    (text,) = blocks(ROOT / "README.md", "cap")
    assert [found.message for found in caplex.check_text(text)] == []


@pytest.mark.parametrize("number", range(2))
def test_the_python_of_the_readme_does_what_its_comment_says(number, monkeypatch, capsys):
    shown = blocks(ROOT / "README.md", "python")
    assert len(shown) == 2
    monkeypatch.chdir(ROOT)
    exec(compile(shown[number], "README.md", "exec"), {})
    said = re.search(r"print\(\w+\.verdict.*# (.*)", shown[number])
    assert said is not None
    assert capsys.readouterr().out.splitlines()[0] == said.group(1)


@pytest.mark.parametrize("ending", ["caplex demo", "pytest -q -n auto"])
def test_the_readme_holds_each_set_up_command_once(ending):
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("python3 -m venv") and line.endswith(ending) for line in lines) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    broken = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"], ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page):
    """Paths in back-quotes that look like files of ours; `NAME` and `…` stand for what the reader chooses."""
    named = set(re.findall(r"`((?:caplex|compiler|grammar|runtime|stdlib_rules|tests|docs|examples|changelog\.d)/[^`\s]*)`",
                           page.read_text(encoding="utf-8")))
    assert named
    missing = [name for name in sorted(named) if not re.search(r"[A-Z…*]", name) and not (ROOT / name).exists()]
    assert missing == []
