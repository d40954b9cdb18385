"""The site as it is built: without a warning, without an address elsewhere, with every anchor that a message points to."""
from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from guide_pages import ROOT
from site_pages import PAGES, SETTINGS, name

from caplex.compiler.diagnostics import catalogue

pytest.importorskip("zensical", reason="the site needs `pip install -e '.[docs]'`")
BUILDS = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
ELSEWHERE = re.compile(r"(?:https?:)?//")
# What leads a browser somewhere, or makes it fetch something.
LEADING = {"href", "src", "srcset", "poster", "data", "action", "formaction", "xlink:href"}


class Reader(HTMLParser):
    """Collects what a page leads to, what can be led to in it, and the text of its blocks of code."""

    def __init__(self) -> None:
        super().__init__()
        self.leads: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key == "id" and value:
                self.anchors.add(value)
            elif key in LEADING and value:
                self.leads.append(value)


@cache
def read(page: Path) -> Reader:
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, int, str]:
    """The site, how the build ended, and what it said. Built from a copy: the tree itself stays as it is while tests run."""
    tree = tmp_path_factory.mktemp("tree")
    for each in ("docs", "examples", "changelog.d"):
        shutil.copytree(ROOT / each, tree / each, ignore=shutil.ignore_patterns("__pycache__"))
    for each in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "NOTICE", "zensical.toml"):
        shutil.copy(ROOT / each, tree / each)
    done = subprocess.run(BUILDS, cwd=tree, capture_output=True, text=True, encoding="utf-8")
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr).partition("Traceback")[0]
    return tree / SETTINGS["site_dir"], done.returncode, said


@pytest.fixture(scope="module")
def site(built) -> Path:
    return built[0]


def test_it_is_built_without_a_warning(built):
    _, status, said = built
    assert (status, "Warning" in said) == (0, False), said


def page_of(site: Path, page: str) -> Path:
    """Where a page of the repository stands on the site."""
    path = Path(page)
    folder = path.parent if path.name == "README.md" else path.with_suffix("")
    return site / folder / "index.html"


def test_every_page_is_built(site):
    assert [name(page) for page in PAGES if not page_of(site, name(page)).is_file()] == []


def test_nothing_is_fetched_from_elsewhere(site):
    """What a browser follows by itself, in pages and in style sheets; a link that is only offered counts, too."""
    pages = sorted(site.rglob("*.html"))
    assert len(pages) >= len(PAGES)
    found = {f"{page.relative_to(site)}: {lead}" for page in pages for lead in read(page).leads if ELSEWHERE.match(lead)}
    for sheet in sorted(site.rglob("*.css")):
        found |= {f"{sheet.relative_to(site)}: {each}" for each in re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text(encoding="utf-8"))}
    assert found == set()


def test_every_link_and_anchor_of_the_site_is_there(site):
    broken, seen = set(), 0
    for page in sorted(site.rglob("*.html")):
        if page.name == "404.html":
            continue
        for lead in read(page).leads:
            if re.match(r"[a-z]+:", lead):
                continue
            path, anchor = urldefrag(unquote(lead))
            target = page if not path else (page.parent / path).resolve()
            target = target / "index.html" if target.is_dir() else target
            seen += 1
            if not target.is_file() or (anchor and target.suffix == ".html" and anchor not in read(target).anchors):
                broken.add(f"{page.relative_to(site)}: {lead}")
    assert broken == set()
    assert seen > 3000


def test_every_code_has_its_place(site):
    """`caplex explain CAP203` prints a page; this is where the same page stands on the site."""
    anchors = read(page_of(site, "docs/reference/diagnostics.md")).anchors
    assert [code.id for code in catalogue.codes() if code.id.lower() not in anchors] == []


def test_blocks_are_drawn_in_their_language_and_none_is_left_raw(site):
    tutorial = page_of(site, "docs/tutorial.md").read_text(encoding="utf-8")
    assert '<div class="language-console highlight">' in tutorial
    assert '<span class="filename">desk.cap</span>' in tutorial
    assert '<span class="kd">limit</span>' in tutorial, "Pygments does not know our lexer: install the project anew, `pip install -e .`"
    raw = [page.relative_to(site).as_posix() for page in site.rglob("index.html") if re.search(r"^(<p>|<pre>.*<code>)?```", page.read_text(encoding="utf-8"), re.M)]
    assert raw == []


def test_the_changelog_shows_what_is_not_released(site):
    text = page_of(site, "CHANGELOG.md").read_text(encoding="utf-8")
    assert "Not released yet" in text
    fragments = sorted((ROOT / "changelog.d").glob("*.added.md"))
    assert text.count("caplex graph") >= 1
    assert len(fragments) > 10


def test_the_search_knows_pages_and_codes(site):
    index = json.loads((site / "search.json").read_text(encoding="utf-8"))
    places = {item["location"] for item in index["items"]}
    assert any(place.startswith("docs/howto/read-a-denial/") for place in places)
    told = " ".join(f"{item.get('title', '')} {item.get('text', '')}" for item in index["items"])
    assert all(word in told for word in ("CAP310", "SYS-009", "headroom", "account.day_loss"))


def test_the_environment_that_builds_it_stands_beside_the_clone():
    """Zensical 0.0.73 never ends where its own files lie below the project: the `.venv` in the clone that the tests run in will not do."""
    command = next(line for line in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines() if "zensical build" in line and "&&" in line)
    assert re.findall(r"(\S+)/bin/", command) == ["../caplex-site", "../caplex-site"]
    assert "venv ../caplex-site " in command
