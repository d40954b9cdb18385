"""What the site needs to read our pages as they stand: ``zensical build`` loads this as an extension of Python-Markdown.

The pages are written for a repository viewer and executed by the tests, so a fence says more than a language:
`cap name=desk.cap` is a file that the page goes on to use, `cap wrong CAP310` a mistake with its code. Here such words become
the title of the block, which is drawn in the language that comes first. Nothing else is changed, so a page is one text.
"""
from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor

ROOT: Final = Path(__file__).resolve().parents[2]
FENCE: Final = re.compile(r"^(?P<mark>`{3,})(?P<info>[^`]*)$")
FRAGMENTS: Final = "<!-- the site shows changelog.d here -->"
KINDS: Final = {"added": "Added", "changed": "Changed", "fixed": "Fixed", "removed": "Removed"}
# What pages call a language, and what Pygments calls the one that draws it.
DRAWN: Final = {"jsonl": "json", "sh": "bash"}
BEFORE_FENCES_ARE_READ: Final = 28
CODE: Final = re.compile(r"`[^`]+`")


def titled(info: str) -> str:
    """The words after a fence as the site takes them: the language, and a title where they give one."""
    language, *words = info.split() or ["text"]
    language = DRAWN.get(language, language)
    for word in words:
        if word.startswith("name="):
            return f'{language} title="{word.removeprefix("name=")}"'
    if words and words[0] == "wrong":
        return f'{language} title="{" ".join(words)}"'
    return language


def fences(lines: Iterable[str]) -> list[str]:
    """The lines of a page with every opening fence in the site's own words; what stands inside a block stays.

    In a table, a bar in code is escaped for viewers; Python-Markdown would show the backslash.
    """
    told, closing = [], ""
    for line in lines:
        if closing:
            closing = "" if line.rstrip() == closing else closing
            told.append(line)
        elif found := FENCE.match(line):
            closing = found["mark"]
            told.append(f"{closing}{titled(found['info'])}")
        elif line.startswith("|"):
            told.append(CODE.sub(lambda code: code[0].replace("\\|", "|"), line))
        else:
            told.append(line)
    return told


def unreleased(folder: Path) -> list[str]:
    """The news fragments of *folder* as a section of the changelog."""
    lines = ["## Not released yet"]
    for kind, title in KINDS.items():
        found = sorted(folder.glob(f"*.{kind}.md"))
        lines += ["", f"### {title}", ""] if found else []
        for path in found:
            # Below one another and not as a list: a fragment may hold a block of code, or several paragraphs.
            lines += [*path.read_text(encoding="utf-8").splitlines(), "", *(["---", ""] if path is not found[-1] else [])]
    return lines


class Pages(Preprocessor):  # type: ignore[misc]  # markdown has no types
    """Runs over the lines of a page before anything else reads them."""

    def run(self, lines: list[str]) -> list[str]:
        whole = [each for line in lines for each in (unreleased(ROOT / "changelog.d") if line == FRAGMENTS else [line])]
        return fences(whole)


class SiteExtension(Extension):  # type: ignore[misc]  # markdown has no types
    """Named in `zensical.toml`."""

    def extendMarkdown(self, md: Markdown) -> None:
        md.preprocessors.register(Pages(md), "caplex_pages", BEFORE_FENCES_ARE_READ)


def makeExtension(**options: object) -> SiteExtension:
    """Python-Markdown asks for the extension by this name."""
    return SiteExtension(**options)
