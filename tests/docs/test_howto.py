"""The how-to pages do what they show: files are written, commands run, Python executed, from top to bottom of each page."""
from __future__ import annotations

import os

import pytest
from guide_pages import DOCS, Block, matches, play, steps

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
    done, differences = play(page, tmp_path, {})
    assert not differences, "\n\n".join(map(str, differences))
    assert done >= 2


@pytest.mark.parametrize(("wanted", "shown", "same"), [
    ("a … c", "a b c", True), ("a … c", "a b d", False), ("a", "a\nb", False), ("sha256 …)", "sha256 12ab34…)", True), ("a.c", "abc", False),
])
def test_the_wildcard_stays_within_its_line(wanted, shown, same):
    assert matches(wanted, shown) is same


def test_a_session_is_taken_apart():
    found = steps(Block("console", (), "$ caplex a\none\n$ caplex b\n$ echo $?\n0\n", 1))
    assert [(step.command, step.wanted) for step in found] == [("caplex a", "one"), ("caplex b", ""), ("echo $?", "0")]
