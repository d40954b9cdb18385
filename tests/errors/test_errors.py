"""Programs that must be refused: each chunk says, on the faulty line, with which code and words.

A file `tests/errors/NAME.caps` holds chunks parted by lines of `---`. A chunk without a `policy` header is a fragment: it
gets a permissive header (one line, so what was line 1 is line 2) and, if it has no rule, one that does no harm.

    rule LOSS-010 { deny when account.drawdwn >= 10% }   #! CAP203 did you mean `account.drawdown`

A mark names the code and any words of the diagnostic: of its message, labels, notes, help, or the text under the caret.
Several marks may stand on a line. Every error must be marked and every mark met; warnings need no mark.
`NAME.golden` holds what a person sees. Write it anew with

    CAPLEX_WRITE_GOLDENS=1 pytest tests/errors
"""
from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from caplex.compiler import driver
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.diagnostics.render import render
from caplex.compiler.source import Source

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.caps"))
_MARK = re.compile(r"#! (CAP\d{3})([^#]*)")
_RULE = re.compile(r"^\s*(?:rule|limit|throttle|cooldown|kill switch) ([A-Z][A-Z0-9-]*)-\d+", re.M)
_ANY_RULE = re.compile(r"^\s*(?:rule|limit|throttle|cooldown|kill switch|size|allocate|use)\b", re.M)
_STAGES = ("SYS", "KILL", "LOSS", "ORD", "EXEC", "EXP")
_FILLER = "limit FILL-990 { intent.quantity at most 1_000_000 units else deny }"


@dataclass(frozen=True)
class Chunk:
    file: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}-{self.number}"

    @property
    def program(self) -> str:
        if re.search(r"^policy\b", self.text, re.M) or re.search(r"#! CAP447", self.text):
            return self.text
        extra = sorted(set(_RULE.findall(self.text)) - set(_STAGES))
        filler = "" if _ANY_RULE.search(self.text) else _FILLER
        stages = ", ".join((*_STAGES, *extra, *(["FILL"] if filler else [])))
        header = (f'policy chunk {{ version "1" language 1 currency USD stages {stages} closing faces every rule '
                  "unlimited exposure unlimited loss overrides tightest wins }")
        return f"{header}\n{self.text}{filler}\n"


def chunks(path: Path) -> list[Chunk]:
    texts = re.split(r"^---\n", path.read_text(encoding="utf-8"), flags=re.M)
    return [Chunk(path.stem, number, text) for number, text in enumerate(texts, 1) if text.strip()]


CHUNKS = [chunk for path in FILES for chunk in chunks(path)]


def diagnose(chunk: Chunk) -> list[Diagnostic]:
    plain = "".join(line.partition("#!")[0].rstrip() + "\n" for line in chunk.program.splitlines())
    return driver.check_source(Source(f"{chunk.file}.cap", plain), base=HERE)[1]


def line_of(diagnostic: Diagnostic) -> int:
    primary = next((label.span for label in diagnostic.labels if label.primary), diagnostic.span)
    return primary.begin.line if primary is not None else 1


def words_of(diagnostic: Diagnostic) -> str:
    under = [label.span.text for label in diagnostic.labels if label.primary] or [diagnostic.span.text if diagnostic.span else ""]
    return "\n".join((diagnostic.message, *(label.text for label in diagnostic.labels), *diagnostic.notes, diagnostic.help or "", *under))


@pytest.mark.parametrize("chunk", CHUNKS, ids=str)
def test_says_what_is_wrong(chunk: Chunk) -> None:
    program = chunk.program
    wanted = [(number, code, words.strip()) for number, line in enumerate(program.splitlines(), 1) for code, words in _MARK.findall(line)]
    found = diagnose(chunk)
    unmet = []
    for number, code, words in wanted:
        match = next((each for each in found if each.code.id == code and line_of(each) == number and words in words_of(each)), None)
        if match is None:
            unmet.append(f"line {number}: {code} {words}")
        else:
            found.remove(match)
    left = [f"line {line_of(each)}: {each.code.id} {words_of(each)!r}" for each in found if each.is_error or unmet]
    assert wanted, "a chunk without a mark"
    assert not unmet, f"not said: {unmet}; said instead: {left}\n{program}"
    assert not left, f"said without a mark: {left}\n{program}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_reads_as_stored(path: Path) -> None:
    shown = "\n---\n".join("\n\n".join(render(each).rstrip() for each in diagnose(chunk)) for chunk in chunks(path)) + "\n"
    golden = path.with_suffix(".golden")
    if os.environ.get("CAPLEX_WRITE_GOLDENS"):
        golden.write_text(shown, encoding="utf-8")
    assert golden.is_file(), "write it with CAPLEX_WRITE_GOLDENS=1 pytest tests/errors"
    assert shown == golden.read_text(encoding="utf-8")


def test_same_twice() -> None:
    """Diagnostics do not depend on what was checked before."""
    for chunk in CHUNKS[:10]:
        assert [words_of(each) for each in diagnose(chunk)] == [words_of(each) for each in diagnose(chunk)]
