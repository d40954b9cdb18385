"""Every link of every page holds twice: in a viewer of the repository, and on the site."""
from __future__ import annotations

import pytest
import site_pages
from site_pages import PAGES, ROOT, broken, links, name


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    assert broken(page) == []


def test_the_walk_finds_pages_and_links():
    assert {"README.md", "CHANGELOG.md", "docs/README.md", "docs/howto/read-a-denial.md", "examples/desk/README.md"} <= set(map(name, PAGES))
    assert sum(len(links(page)) for page in PAGES) > 400


@pytest.mark.parametrize(("text", "words"), [
    ("[a](nowhere.md)", "nothing is there"),
    ("![a](nowhere.png)", "nothing is there"),
    ("[a](glossary.md#nope)", "there is no `<a id"),
    ("[a](reference/diagnostics.md#cap99)", "there is no `<a id"),
    ("[a](../compiler/driver.py)", "not on the site"),
    ("[a](../examples/desk)", "a folder"),
    ("[a](https://example.com)", "an address elsewhere"),
    ("[a](reference/diagnostics.md#cap203), `[b](nowhere.md)`, [c](../examples/desk/desk.cap)", None),
    ("```text\n[a](nowhere.md)\n```", None),
])
def test_a_link_that_does_not_hold_is_found(text, words, tmp_path, monkeypatch):
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text(f"# A page\n\n{text}\n", encoding="utf-8")
    for folder in ("reference", "glossary.md"):
        (page.parent / folder).symlink_to(ROOT / "docs" / folder)
    for folder in ("examples", "compiler"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    found = site_pages.broken(page)
    assert (found == []) is (words is None)
    assert words is None or words in found[0]
