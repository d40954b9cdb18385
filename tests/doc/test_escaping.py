"""Whatever a policy says is text in a page: a hostile one gives the tags of a harmless one, and keeps its words."""
from __future__ import annotations

import json
import re
from functools import cache

import pytest
from markdown_it import MarkdownIt
from papers import taken

import caplex
from caplex.compiler.tools.document.build import Document

# As long as each other, and of one word each.
HOSTILE = [
    '<script>alert(1)</script>', '</style><script>alert(1)</script>', '\\"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", "{{ 7*7 }}{% raw %}",
    "<!-- -->", "]]>&lt;b&gt;", "**bold** _it_ ~~no~~", "[link](https://evil.example/)", "![i](javascript:alert(1))", "| a | b |", "`x` ``y`` <b>", "# head",
    "https://evil.example www.evil.example a@b.example", "&copy; &#60;", "<https://evil.example>", "1. one", "- item", "\\\\", "> said"]
POLICY = """## Doc @@
##
## - item @@ `code @@`
##
##     block @@
policy hostile {
  version "v@@" language 1 mode enforce currency USD
  owner "own @@"
  stages KILL, EXP
  closing skips EXP
  overrides tightest wins
  unlimited loss
  lot 1
}

## About @@
setting cap : ratio = 10%  within 0%..100%  lower is safer  "title @@" {
  loosen for symbol "sym @@" = 20% through 2026-06-30 approved by "who @@" ticket "tick @@"
}

kill switch KILL-010 "stop @@" for strategy "st @@"
  cites "doc @@, article 1; also @@" {
  trip when account.drawdown >= 10%  because "why @@"
  while tripped deny opening
  on trip notify "chan @@"
  rearm by 2 of "role @@"
}

## Rule doc @@
limit EXP-010 "lim @@"
  cites "@@"
  overridable by role "boss @@" {
  abs(after.position.notional) at most cap of account.equity  else reduce
  because "told @@"
}
rule EXP-020 "rule @@" { deny when intent.symbol in ["@@", "two @@"] }
waiver W-010 of EXP-020 "waive @@" through 2026-06-30 approved by "cro @@" ticket "w @@" { when intent.symbol == "@@" because "since @@" }

emit "TAG @@" always "text @@"
test "test @@" { given account.equity = 1_000 USD  given market["KO"].price = 1 USD  intent buy 1 "KO" expect allow }
property "prop @@" { permitted.opening <= intent.quantity }
"""


def written(words: str, *, prose: str | None = None, text: str | None = None) -> Document:
    """The policy with *words* in every text; doc comments have no escapes, so they get *prose*, and what is said of an order *text*."""
    lines = []
    for line in POLICY.splitlines():
        inside = prose if line.startswith("##") else text if "because" in line or line.startswith("emit") else words
        inside = words if inside is None else inside
        # A semicolon parts citations, here as everywhere.
        lines.append(line.replace("@@", inside.replace(";", ",") if "cites" in line else inside))
    return caplex.document(caplex.loads("\n".join(lines) + "\n"))


@cache
def of(words: str) -> Document:
    # A comment has no escapes, and backticks in one mean code.
    return written(words, prose=unescaped(words).replace("`", "'"), text=words.replace("{", "\\{").replace("}", "\\}"))


def unescaped(words: str) -> str:
    return words.replace('\\"', '"').replace("\\\\", "\\")


HARMLESS = written("plain")


@pytest.mark.parametrize("words", HOSTILE)
def test_a_page_has_the_tags_of_a_harmless_one(words):
    tame, found = taken(HARMLESS.html()), taken(of(words).html())
    assert found.mistakes == []
    # Names may break at dots, slashes and underscores, and long words in a drawing take more lines; nothing else may differ.
    lines = (("text", ("class", "x", "y", "font-size")), ("text", ("class", "x", "y", "font-size", "text-anchor")))
    assert [tag for tag in found.tags if tag not in lines and tag[0] != "wbr"] == [tag for tag in tame.tags if tag not in lines and tag[0] != "wbr"]
    assert found.addresses == []
    assert all(link.startswith("#") for link in found.links)


@pytest.mark.parametrize("words", HOSTILE)
def test_a_page_says_the_words_as_they_are(words):
    plain = " ".join(unescaped(words).split())
    said = taken(of(words).html()).said
    for start in ("own", "title", "sym", "who", "tick", "stop", "told", "lim", "waive", "cro", "test", "chan", "role"):
        assert f"{start} {plain}" in said, start


def test_what_would_turn_the_line_is_shown_as_its_number():
    """The language lets no such character in; what comes from outside might."""
    policy = caplex.loads(POLICY.replace("@@", "plain"), settings={"cap": {"value": "9%", "origin": "a\u202ekcab\u0007"}})
    told = caplex.document(policy)
    assert "\u202e" not in told.html() + told.markdown() + json.dumps(told.to_dict(), ensure_ascii=False)
    assert "from a<U+202E>kcab<U+0007>" in taken(told.html()).said


@pytest.mark.parametrize("words", HOSTILE)
def test_markdown_has_the_structure_of_a_harmless_page(words):
    def structure(text: str) -> list[tuple[str, str]]:
        found = []
        for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text):
            found.append((token.type, token.tag))
            found += [(child.type, child.tag) for child in token.children or [] if child.type not in ("text", "softbreak")]
        return found

    # A bar ends a cell even in code, so code with one is told as text: what is code there may be none here.
    def uncoded(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [each for each in found if each[0] != "code_inline"]

    assert uncoded(structure(of(words).markdown())) == uncoded(structure(HARMLESS.markdown()))


@pytest.mark.parametrize("words", HOSTILE)
def test_nothing_in_markdown_becomes_a_link_or_a_mention_by_itself(words):
    prose = re.sub(r"(`+).*?\1", "", of(words).markdown(), flags=re.S)
    assert not re.search(r"(?<!\\)://|(?<=www)\.|(?<!\\)@", prose)


@pytest.mark.parametrize("words", HOSTILE)
def test_markdown_says_the_words_as_they_are(words):
    """As a reader sees them: what is set as code by the words themselves would lose its ticks."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(of(words).markdown())
    said = " ".join("\n".join("".join(child.content for child in token.children or []) for token in tokens).split())
    plain = " ".join(unescaped(words).split())
    for start in ("own", "title", "sym", "who", "tick", "stop", "told", "lim", "waive", "cro", "test", "chan", "role", "text"):
        assert f"{start} {plain}" in said, start
