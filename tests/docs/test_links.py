"""Links between pages lead somewhere, and no page of docs/ is out of reach."""
from __future__ import annotations

import re
from pathlib import Path

import pytest
from guide_pages import DOCS, FENCE

PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?!https?:|mailto:)([^)\s]+)\)")


def links(page: Path) -> list[str]:
    return LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_lead_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or f'<a id="{anchor}"></a>' in target.read_text(encoding="utf-8"), link


def test_the_index_names_every_page():
    named = {(DOCS / link).resolve() for link in links(DOCS / "README.md")}
    assert {page for page in PAGES if page.name != "README.md"} <= named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_page_has_one_title_and_then_text(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    assert len(re.findall(r"^# ", text, re.M)) == 1
    assert text.startswith("# ")
