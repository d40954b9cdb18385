"""The how-to pages do what they show: files are written, commands run, Python executed, from top to bottom of each page."""
from __future__ import annotations

import json
import os

import pytest
from guide_pages import DOCS, FILES, Block, Terminal, blocks, matches, steps

PAGES = sorted((DOCS / "howto").glob("*.md"))


def test_the_pages_are_there():
    assert {page.stem for page in PAGES} >= {
        "first-policy", "read-a-denial", "override-a-limit", "kill-switch", "throttles-and-cooldowns", "facts-from-your-system", "errors"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_it_does_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAPLEX_NO_CACHE", "1")
    for name in [each for each in os.environ if each.startswith("CAPLEX_SET_")]:
        monkeypatch.delenv(name)
    terminal = Terminal()
    names: dict[str, object] = {}
    ran = 0
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.name is not None:
            assert block.language in FILES, f"{where}: no file is written from {block.language}"
            if block.language == "json":
                json.loads(block.text)
            (tmp_path / block.name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.name).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            for step in steps(block):
                shown = terminal.run(step.command)
                assert matches(step.wanted, shown), f"{where}: $ {step.command}\n--- the page\n{step.wanted}\n--- the command\n{shown}"
                ran += 1
        elif block.language == "python":
            exec(compile("\n" * block.line + block.text, str(page), "exec"), names)
            ran += 1
        else:
            assert loose(block), f"{where}: a block that nothing runs; its info string is `{block.language} {' '.join(block.words)}`"
    assert ran >= 2


def loose(block: Block) -> bool:
    """Blocks that are shown only: plain text, and pieces that say that they are."""
    return block.language == "text" or "fragment" in block.words


@pytest.mark.parametrize(("wanted", "shown", "same"), [
    ("a … c", "a b c", True), ("a … c", "a b d", False), ("a", "a\nb", False), ("sha256 …)", "sha256 12ab34…)", True), ("a.c", "abc", False),
])
def test_the_wildcard_stays_within_its_line(wanted, shown, same):
    assert matches(wanted, shown) is same


def test_a_session_is_taken_apart():
    found = steps(Block("console", (), "$ caplex a\none\n$ caplex b\n$ echo $?\n0\n", 1))
    assert [(step.command, step.wanted) for step in found] == [("caplex a", "one"), ("caplex b", ""), ("echo $?", "0")]
