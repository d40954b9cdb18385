"""Nothing of a policy changes but the space in it: on every policy of the tree, and on random ones with comments everywhere."""
from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from holding import held, read, tree
from lark.grammar import NonTerminal
from test_random import SOFT, Deriver

import caplex
from caplex.compiler.formatting import format as formatting
from caplex.compiler.formatting.document import Printer

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("examples", "stdlib_rules", "grammar", "tests", "benchmarks")
PARSING = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.cap")) if tree(path.read_text(encoding="utf-8")) is not None]
FENCED = [
    block for page in sorted((ROOT / "docs").rglob("*.md"))
    for block in re.findall(r"^```cap\b[^\n]*\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S) if tree(block) is not None
]
PROGRAMS = [text for text in re.split(r"^=== .*\n", (ROOT / "tests/syntax/programs.txt").read_text(encoding="utf-8"), flags=re.M)[1:] if tree(text) is not None]


def test_there_is_something_to_format() -> None:
    assert len(PARSING) > 30
    assert len(FENCED) > 30
    assert len(PROGRAMS) > 20


@pytest.mark.parametrize("path", PARSING, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_policies_of_the_tree(path: Path) -> None:
    out = held(path.read_text(encoding="utf-8"))
    for line in out.splitlines():
        assert len(line) <= 100 or '"' in line or "#" in line, line


def test_policies_in_the_pages() -> None:
    for block in FENCED:
        held(block)


def test_programs_of_the_parser() -> None:
    for text in PROGRAMS:
        held(text)


JOINTS = [" ", "\n", "  ", "\n\n", "\n\n\n", " # behind\n", "\n# above\n", "\n## doc\n", " ## behind\n", "\n\n# apart\n\n", " # one\n    # two\n", "\n#\n##\n"]


@pytest.mark.parametrize("seed", range(3))
def test_random_programs_with_comments_everywhere(seed: int) -> None:
    deriver = Deriver(100 + seed)
    chance = deriver.random
    items = [rule.expansion[0] for rule in deriver.rules["_item"]]
    told = 0
    for number in range(110):
        # A joint of one kind alone shows what a mixture hides: all on one line, each word on its own, a comment behind each.
        joints = [chance.choice(JOINTS)] if number % 3 == 0 else chance.sample(JOINTS, 4) if number % 3 == 1 else [*JOINTS, *[" "] * 30]
        wanted = ([NonTerminal("header")] if number % 7 == 0 else []) + [chance.choice(items) for _ in range(chance.randint(1, 5))]
        text = chance.choice(["", "# top\n", "\n\n## top\n\n"])
        for symbol in wanted:
            words: list[str] = []
            deriver.derive(symbol, "", chance.randint(5, 16), words)
            if len(words) > 250:
                continue
            for word in words:
                text += word + chance.choice(joints)
        text += chance.choice(["", "# end", "\n\n# end\n\n"])
        text = re.sub(rf"\b({'|'.join(SOFT)})((?:\s|#[^\n]*\n)+)-\s+", r"\1\2-", text)
        if tree(text) is None:
            continue
        told += 1
        held(text)
    assert told > 50


@pytest.mark.parametrize("seed", range(2))
def test_comments_thrown_into_real_policies(seed: int) -> None:
    chance = random.Random(seed)
    for path in PARSING:
        pieces = re.split(r'("[^"\\\n]*(?:\\.[^"\\\n]*)*"|#[^\n]*\n|\s+)', path.read_text(encoding="utf-8")[:5_000].rpartition("\n}\n")[0] + "\n}\n")
        for number, piece in enumerate(pieces):
            if piece.isspace() and chance.random() < 0.03:
                pieces[number] = chance.choice(JOINTS)
        text = "".join(pieces)
        if tree(text) is not None:
            held(text)


def test_line_ends_of_another_system_and_a_missing_one() -> None:
    text = (ROOT / "examples/policygate/policy.cap").read_text(encoding="utf-8")
    wanted = caplex.format_text(text)
    assert caplex.format_text(text.replace("\n", "\r\n")) == wanted
    assert caplex.format_text(text.rstrip("\n")) == wanted
    assert caplex.format_text(text + "\n\n \n") == wanted
    assert caplex.format_text("") == caplex.format_text(" \n\n") == ""
    assert caplex.format_text("# only this") == "# only this\n"


def test_brackets_as_deep_as_they_may_be() -> None:
    held(f"let a = {'(' * 95}1{')' * 95}\n")
    held("let a = " + " + ".join(["b"] * 95) + "\n")
    held(f"let a = {'max(1, ' * 90}1{')' * 90}\n")


def test_ten_thousand_lines_take_seconds() -> None:
    from time import perf_counter

    text = (ROOT / "examples/entry_gate/policy.cap").read_text(encoding="utf-8")
    body = text.partition("\n}\n")[2]
    text += body * (10_000 // body.count("\n"))
    began = perf_counter()
    caplex.format_text(text)
    assert perf_counter() - began < 30, "it takes about four on the slowest of our machines"


def test_what_does_not_parse_is_told_with_its_places() -> None:
    with pytest.raises(caplex.PolicyError) as caught:
        caplex.format_text("rule A-1 { deny whn x }", name="desk.cap")
    assert [found.code.id for found in caught.value.diagnostics] == ["CAP104"]
    assert "desk.cap:1:17" in str(caught.value)


def test_a_printer_that_loses_a_comment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Printer.print
    monkeypatch.setattr(Printer, "print", lambda self, doc: whole(self, doc).replace("# this", ""))
    with pytest.raises(AssertionError, match="more than its layout"):
        formatting.format_text("let a=1  # this\n")


def test_a_printer_that_loses_a_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Printer.print
    monkeypatch.setattr(Printer, "print", lambda self, doc: whole(self, doc).replace("high", "low"))
    with pytest.raises(AssertionError, match="more than its layout"):
        formatting.format_text("rule A-1  severity high { deny when x }\n")


def test_the_reader_of_these_tests_sees_a_comment_that_moved() -> None:
    assert read("a # c\nb") != read("a\n# c\nb")
    assert read("a # c\nb") != read("a b # c\n")
