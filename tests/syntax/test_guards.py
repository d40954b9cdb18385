"""Hostile and broken input: one clear error, in linear time, never a traceback."""
from __future__ import annotations

import gc
import time
from pathlib import Path

import pytest

from caplex.compiler.source import Source
from caplex.compiler.syntax.parser import parse
from caplex.compiler.syntax.reading import read_source


def only_code(text: str) -> str:
    started = time.process_time()
    module, problems = parse(Source("t.cap", text))
    assert time.process_time() - started < 3
    assert module is None
    assert len(problems) == 1, problems[:3]
    return problems[0].code.id


def when(condition: str) -> str:
    return f"rule A-1 {{ deny when {condition} }}"


HOSTILE = {
    "parentheses": (when("(" * 10_000 + "a" + ")" * 10_000), "CAP131"),
    "nots": (when("not " * 20_000 + "a"), "CAP131"),
    "ifs": ("let a = " + "if a then b else " * 5_000 + "c", "CAP131"),
    "elses": ("let a = " + "a else " * 5_000 + "c", "CAP131"),
    "ofs": ("let a = " + "a of " * 5_000 + "c", "CAP131"),
    "sum": ("let a = " + "a + " * 5_000 + "c", "CAP131"),
    "rows": ("let a = b" + '["x"]' * 5_000, "CAP131"),
    "path": ("let a = b" + ".a" * 50_000, "CAP131"),
    "steps": ("let a = b[1]" + ".a" * 20_000, "CAP131"),
    "claims": ('property "p" { ' + "if a then " * 5_000 + "b }", "CAP131"),
    "mixed": (when("(not not " * 60 + "a" + ")" * 60), "CAP131"),
    "unclosed text": ('rule A-1 "' + "a" * 1_000_000, "CAP111"),
    "unclosed escapes": ('rule A-1 "' + '\\"' * 500_000, "CAP111"),
    "unclosed template": ('rule A-1 { deny when a because "' + "\\u{41}{a}" * 100_000, "CAP111"),
    "open holes": ('rule A-1 { deny when a because "' + "{" * 1_000_000, "CAP112"),
    "quotes": ('"' * 500_000, "CAP101"),
    "digits": ("let a = " + "9" * 401, "CAP132"),
    "many digits": ("let a = " + "9" * 1_000_000 + "%", "CAP132"),
    "duration": ("let a = " + "1h" * 50_000, "CAP132"),
    "long text": ('rule A-1 "' + "a" * 10_001 + '" { deny when a }', "CAP132"),
    "long template": ('rule A-1 { deny when a because "' + "a" * 10_001 + '" }', "CAP132"),
    "large": ("#" * (4 * 1024 * 1024 + 1), "CAP130"),
    "large in bytes": ("#" + "é" * (2 * 1024 * 1024), "CAP130"),
    "NUL": ("let a = 1\0", "CAP133"),
    "bidi in a comment": ("# \u202e\nlet a = 1", "CAP133"),
    "bidi in a text": (when("a").replace("{", '"\u2066" {', 1), "CAP133"),
    "bidi by escape": (when("a").replace("{", '"\\u{2066}" {', 1), "CAP113"),
    "byte order mark": ("\ufefflet a = 1", "CAP133"),
    "control": ("let a = \x07", "CAP133"),
    "lone carriage return": ("let a = 1 # x\rlet b = 2", "CAP133"),
    "line separator": ("let a = 1 # x\u2028let b = 2", "CAP133"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text(name: str) -> None:
    text, code = HOSTILE[name]
    assert only_code(text) == code


@pytest.mark.parametrize(
    "text",
    ["", "   \n", "# only a comment", "let a = " + "9" * 400, when(" and ".join(["a"] * 100)), "let a = 1\r\nlet b = 2\r\n",
     "let a = [" + "1, " * 5_000 + "1]", when("(" * 99 + "a" + ")" * 99), 'rule A-1 "😀 é" { deny when a }'],
    ids=lambda text: repr(text[:30]),
)
def test_still_allowed(text: str) -> None:
    module, problems = parse(Source("t.cap", text))
    assert module is not None
    assert not problems


def test_collector_is_restored() -> None:
    parse(Source("t.cap", "let a = 1"))
    assert gc.isenabled()
    gc.disable()
    try:
        parse(Source("t.cap", "let a ="))
        assert not gc.isenabled()
    finally:
        gc.enable()


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────


def code_of(path: Path | str) -> str:
    source, problems = read_source(path)
    assert source is None
    [problem] = problems
    assert problem.span is None
    assert problem.where == str(path)
    return problem.code.id


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert code_of(tmp_path / "missing.cap") == "CAP140"
    assert code_of(tmp_path) == "CAP141"
    latin = tmp_path / "latin.cap"
    latin.write_bytes(b"# caf\xe9\n")
    assert code_of(latin) == "CAP142"
    large = tmp_path / "large.cap"
    large.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    assert code_of(large) == "CAP130"
    assert code_of("a\0b") == "CAP143"
    assert code_of(latin / "below.cap") == "CAP143"


def test_a_mark_at_the_beginning_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "marked.cap"
    file.write_bytes(b"\xef\xbb\xbflet a = 1")
    source, problems = read_source(file)
    assert source is not None
    assert source.text == "let a = 1"
    assert not problems
    (tmp_path / "empty.cap").write_bytes(b"")
    source, _ = read_source(str(tmp_path / "empty.cap"))
    assert source is not None
    assert source.text == ""
