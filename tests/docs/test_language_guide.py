"""The snippets of docs/language.md: policies pass, pieces pass under a plain header, and what is called wrong is wrong."""
from __future__ import annotations

import re

import pytest
from guide_pages import DOCS, Block, blocks

import caplex

SNIPPETS = [block for block in blocks(DOCS / "language.md") if block.language == "cap"]
RULE = re.compile(r"^\s*(?:rule|limit|throttle|cooldown|kill switch)\s+([A-Z][A-Z0-9-]*?)-[0-9]+", re.M)
HEADER = """policy piece {{
  version "1" language 1 mode enforce currency USD timezone "UTC" stages {stages} closing faces every rule
  overrides tightest wins lot 1 unlimited exposure unlimited loss
}}
"""


def whole(block: Block) -> str:
    """A policy around a piece, so that it can be checked."""
    match block.words:
        case ():
            return block.text
        case ("conditions",):
            lines = [line for line in block.text.splitlines() if line]
            body = "".join(f"rule EXP-{number:03} {{ deny when {line} }}\n" for number, line in enumerate(lines, 1))
        case _:
            body = block.text
    if not RULE.search(body):
        body += "rule EXP-999 { deny when false }\n"
    return HEADER.format(stages=", ".join(dict.fromkeys(RULE.findall(body)))) + body


@pytest.mark.parametrize("block", SNIPPETS, ids=lambda block: f"line {block.line}")
def test_the_snippet_is_what_it_says(block):
    errors = [found for found in caplex.check_text(whole(block)) if found.is_error]
    match block.words:
        case ("wrong", code):
            assert [found.code.id for found in errors] == [code]
        case () | ("fragment",) | ("conditions",):
            assert [found.message for found in errors] == []
        case _:
            pytest.fail(f"line {block.line}: nobody knows what `cap {' '.join(block.words)}` is")


def test_whole_policies_compile():
    found = [block for block in SNIPPETS if not block.words]
    assert len(found) >= 2
    for block in found:
        assert caplex.loads(block.text).rules


def test_every_construct_is_shown():
    shown = "\n".join(block.text for block in SNIPPETS)
    for word in ("policy", "use", "input", "setting", "let", "rule", "limit", "throttle", "cooldown", "kill switch", "waiver", "size",
                 "answer", "emit", "test", "property"):
        assert re.search(rf"^{word}\b", shown, re.M), word
