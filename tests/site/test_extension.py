"""What is changed in a page before the site shows it: the words after a fence, bars in tables, and the news below the changelog."""
from __future__ import annotations

import pytest

pytest.importorskip("markdown", reason="the site needs `pip install -e '.[docs]'`")

from caplex.compiler.tools import site


@pytest.mark.parametrize(("info", "told"), [
    ("cap", "cap"),
    ("cap name=desk.cap", 'cap title="desk.cap"'),
    ("json name=facts/a.json fragment", 'json title="facts/a.json"'),
    ("cap fragment", "cap"),
    ("cap conditions", "cap"),
    ("cap wrong CAP310", 'cap title="wrong CAP310"'),
    ("jsonl name=events.jsonl", 'json title="events.jsonl"'),
    ("sh fragment", "bash"),
    ("", "text"),
])
def test_the_words_after_a_fence(info, told):
    assert site.titled(info) == told


def test_what_stands_in_a_block_stays():
    page = ["````text", "```cap name=a.cap", "| `a\\|b` |", "```", "````", "```cap fragment", "rule", "```", "| `a\\|b` | c\\|d |", "`a\\|b`"]
    assert site.fences(page) == ["````text", "```cap name=a.cap", "| `a\\|b` |", "```", "````", "```cap", "rule", "```", "| `a|b` | c\\|d |", "`a\\|b`"]


def test_news_stand_by_kind_and_name(tmp_path):
    for name, text in (("b.added.md", "Second.\n"), ("a.added.md", "First.\n"), ("c.fixed.md", "Mended.\n"), ("README.md", "# News\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    told = "\n".join(site.unreleased(tmp_path))
    assert told == "## Not released yet\n\n### Added\n\nFirst.\n\n---\n\nSecond.\n\n\n### Fixed\n\nMended.\n"


def test_a_page_is_drawn_with_its_title_and_in_colour():
    markdown = pytest.importorskip("markdown")
    html = markdown.markdown("```cap name=desk.cap\nlimit EXP-010 {\n```\n", extensions=[site.makeExtension(), "pymdownx.highlight", "pymdownx.superfences"])
    assert '<span class="filename">desk.cap</span>' in html
    assert "```" not in html
