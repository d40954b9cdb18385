"""The navigation of the site names every page once, and none that is not there; the map of the documentation does, too."""
from __future__ import annotations

from collections import Counter

import pytest
from guide_pages import DOCS, ROOT
from site_pages import NAMED, PAGES, SETTINGS, group_of, line_for, links, name, named

ENTRIES = [page for _, page in NAMED]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_it_names_every_page(page):
    assert name(page) in ENTRIES, (
        f"{name(page)} is out of reach on the site: add the line\n\n      {line_for(page)}\n\nto `nav` in zensical.toml, in {group_of(name(page))}")


def test_it_names_no_page_that_is_not_there():
    assert [page for page in ENTRIES if not (ROOT / page).is_file()] == [], "take these lines out of `nav` in zensical.toml"


def test_it_names_no_page_twice():
    assert [page for page, times in Counter(ENTRIES).items() if times > 1] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.is_relative_to(DOCS) and page != DOCS / "README.md"], ids=name)
def test_the_map_names_every_page_of_the_documentation(page):
    reached = {(DOCS / link).resolve() for link in links(DOCS / "README.md")}
    assert page in reached, f"docs/README.md does not say what {name(page)} is for: add `- [Title]({page.relative_to(DOCS).as_posix()}): what it is for.`"


def test_what_the_site_is_made_with_is_there():
    theme = SETTINGS["theme"]
    assert [file for file in (*SETTINGS["extra_css"], theme["logo"], theme["favicon"]) if not (ROOT / file).is_file()] == []
    assert theme["font"] is False  # letters come from the reader's own system


def test_a_navigation_is_read_to_its_leaves():
    assert named(["a.md", {"B": "b.md"}, {"C": ["c.md", {"D": [{"E": "e.md"}]}]}]) == [(None, "a.md"), ("B", "b.md"), (None, "c.md"), ("E", "e.md")]


def test_the_missing_line_is_ready_to_be_copied():
    page = DOCS / "howto" / "read-a-denial.md"
    assert line_for(page) == '{ "Read a denial" = "docs/howto/read-a-denial.md" },'
    assert group_of(name(page)) == "a group of `How-to`"
