"""Every block of the language, on every page, is a policy that passes or says what it is; nothing stands there unread."""
from __future__ import annotations

import json
import re

import pytest
from guide_pages import DOCS, ROOT, Block, blocks
from site_pages import PAGES, name

import caplex
from caplex.compiler.diagnostics import catalogue

EVERYWHERE = sorted({*PAGES, *(ROOT / "changelog.d").glob("*.md"), *(ROOT / "tests").rglob("README.md")})
SHOWN = [(page, block) for page in EVERYWHERE for block in blocks(page)]
CAP = [(page, block) for page, block in SHOWN if block.language == "cap"]
HEADER = """policy piece {{
  version "1" language 1 mode enforce currency USD timezone "UTC" stages {stages} closing faces every rule
  overrides tightest wins lot 1 unlimited exposure unlimited loss
}}
rule EXP-999 {{ deny when false }}
"""


def where(shown: tuple) -> str:
    page, block = shown
    return f"{name(page)}:{block.line}"


def is_played(page) -> bool:
    """Pages whose files are written and whose commands are run, by tests/docs and tests/examples."""
    return page == DOCS / "tutorial.md" or page.parent == DOCS / "howto" or page.is_relative_to(ROOT / "examples")


def errors(text: str) -> list[str]:
    return [found.message for found in caplex.check_text(text) if found.is_error]


def trouble(page, block: Block) -> str | None:
    """What is wrong with a block of the language, or nothing."""
    match block.words:
        case ():
            return "; ".join(errors(block.text)) or None
        case (word,) if word.startswith("name="):
            return None if is_played(page) else "a file that no test writes"
        case ("example",):
            return None if page.parent == DOCS / "reference" else "an example stands in the reference; say `wrong CODE` elsewhere"
        case ("conditions",) | ("wrong", _):
            return None if page == DOCS / "language.md" else "only docs/language.md has such blocks under test"
        case ("fragment",):
            return None if page == DOCS / "language.md" else "; ".join(errors(_whole(page, block))) or None
    return f"nobody knows what `cap {' '.join(block.words)}` is"


def _whole(page, block: Block) -> str:
    """A policy around a piece; the page of a pack says below it which stages its rules stand in."""
    below = page.read_text(encoding="utf-8").split("\n", block.line)[-1]
    told = re.search(r"^Its rules stand in (.+?), which `stages` must name", below, re.M)
    families = re.findall(r"`(\w+)`", told.group(1)) if told else []
    families += re.findall(r"^\s*(?:rule|limit|throttle|cooldown|kill switch)\s+([A-Z][A-Z0-9-]*?)-[0-9]+", block.text, re.M)
    return HEADER.format(stages=", ".join(dict.fromkeys([*families, "EXP"]))) + block.text


@pytest.mark.parametrize("page", sorted({page for page, _ in CAP}), ids=name)
def test_blocks_are_what_they_say(page):
    found = {f"{name(page)}:{block.line}": trouble(page, block) for each, block in CAP if each == page}
    assert {place: said for place, said in found.items() if said} == {}


def test_no_session_stands_where_nobody_plays_it():
    sessions = {name(page) for page, block in SHOWN if block.language == "console" and not is_played(page)}
    assert sessions <= {"README.md"}  # tests/docs/test_tutorial.py plays that one


def test_no_python_stands_where_nobody_runs_it():
    assert {name(page) for page, block in SHOWN if block.language == "python" and not is_played(page)} <= {"README.md"}


def test_json_is_json():
    whole = [(page, block) for page, block in SHOWN if block.language == "json" and "…" not in block.text and "example" not in block.words]
    assert len(whole) > 20
    for page, block in whole:
        try:
            json.loads(block.text)
        except ValueError as problem:
            pytest.fail(f"{where((page, block))}: {problem}")


# Examples of diagnostics that want a policy around them that no header can stand for. The set may only become smaller.
# What lints want is held by tests/lint/test_pages.py.
NEED_MORE = {
    "CAP209", "CAP210", "CAP223",    # a second file
    "CAP308",                        # another currency in the header
    "CAP443", "CAP447",              # no header, or half of one: the first of its findings is told
    "CAP454", "CAP455", "CAP459",    # the command line, or a file of settings
    "CAP460", "CAP610",              # a setting or a switch beside it
}


def test_what_is_to_be_avoided_is_found():
    """An example on a diagnostic's page is found by its own check; `…` in it stands for what the reader has."""
    whole = [code for code in catalogue.codes() if code.example and "…" not in code.example and code.id < "CAP700"]
    assert len(whole) > 100
    silent = []
    for code in whole:
        text = code.example if code.example.startswith("policy ") else _whole(DOCS / "reference" / "diagnostics.md", Block("cap", ("fragment",), code.example + "\n", 0))
        if code.id not in {found.code.id for found in caplex.check_text(text)}:
            silent.append(code.id)
    assert sorted(silent) == sorted(NEED_MORE)


@pytest.mark.parametrize(("words", "text", "said"), [
    ((), "policy x {}\n", "no rule"),
    (("nonsense",), "", "nobody knows"),
    (("name=a.cap",), "", "no test writes"),
    (("fragment",), "rule EXP-010 { deny when account.equit < 5 USD }\n", "equit"),
    (("fragment",), "rule EXP-010 { deny when account.equity < 5 USD }\n", None),
    (("wrong", "CAP310"), "", "under test"),
    (("example",), "", "reference"),
])
def test_a_block_that_is_not_what_it_says_is_found(words, text, said):
    found = trouble(ROOT / "README.md", Block("cap", words, text, 1))
    assert (found is None) is (said is None)
    assert said is None or said in (found or "")
