"""The pages of the site as files of the repository: which there are, where they link to, and what the navigation names."""
from __future__ import annotations

import re
import tomllib
from pathlib import Path

from guide_pages import FENCE, ROOT

SETTINGS = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
RULES = SETTINGS["exclude_docs"].split()
# A folder of which all is hidden again, but for what is named after that, is no folder that is shown.
SHOWN = [rule.removeprefix("!/") for rule in RULES if rule.startswith("!/") and f"{rule.removeprefix('!')}*" not in RULES]
LINK = re.compile(r"(?P<picture>!?)\[[^\]]*\]\((?P<to>[^)\s]+)\)")
ANCHOR = re.compile(r'<a id="([^"]+)"></a>')


def is_shown(path: Path) -> bool:
    """Whether a file of the repository is on the site: as a page, or as the file that it is."""
    name = path.relative_to(ROOT).as_posix()
    return "__pycache__" not in name and any(name.startswith(each) if each.endswith("/") else name == each for each in SHOWN)


PAGES = sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "changelog.d").glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
               if is_shown(path))


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def links(page: Path) -> list[str]:
    """Where a page leads to, pictures included; what stands in code leads nowhere."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    return [found["to"] for found in LINK.finditer(text)]


def broken(page: Path) -> list[str]:
    """Links of *page* that do not hold in a viewer of the repository, or not on the site, each with what is wrong with it."""
    found = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            found += [f"{link}: an address elsewhere; the pages stand alone"] if not link.startswith("mailto:") else []
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_relative_to(ROOT) or not target.exists():
            found.append(f"{link}: nothing is there")
        elif target.is_dir():
            found.append(f"{link}: a folder, which the site cannot show; name its README.md")
        elif not is_shown(target):
            found.append(f"{link}: not on the site; see exclude_docs in zensical.toml")
        elif anchor and anchor not in ANCHOR.findall(target.read_text(encoding="utf-8")):
            found.append(f'{link}: there is no `<a id="{anchor}"></a>` in {name(target)}')
    return found


def named(nav: list[object]) -> list[tuple[str | None, str]]:
    """Title and page of each entry of the navigation, from top to bottom."""
    found: list[tuple[str | None, str]] = []
    for entry in nav:
        if isinstance(entry, str):
            found.append((None, entry))
            continue
        assert isinstance(entry, dict), entry
        for title, value in entry.items():
            found += named(value) if isinstance(value, list) else [(title, value)]
    return found


NAMED = named(SETTINGS["nav"])


def group_of(page: str) -> str:
    """Where in the navigation a page of this kind belongs."""
    for start, group in (("docs/howto/", "a group of `How-to`"), ("docs/reference/", "`Reference`"), ("docs/adr/", "`Decisions of weight` under `Inside`"),
                         ("examples/", "`Examples` under `Learn`")):
        if page.startswith(start):
            return group
    return "the group that it fits best"


def line_for(page: Path) -> str:
    """The line that the navigation lacks, ready to be copied."""
    title = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.M)
    label = re.sub(r"^(\d+)[.:]", r"\1", title.group(1)).partition(":")[0].replace("`", "").replace('"', "'") if title else page.stem
    return f'{{ "{label}" = "{name(page)}" }},'
