"""Documents from outside: every digit is kept, and one that is no document is refused with its place."""
from __future__ import annotations

from decimal import Decimal

import pytest

from caplex.compiler.cli import documents
from caplex.compiler.cli.output import Status, Stop
from caplex.compiler.source import Source


def parse(text: str):
    return documents.parse_object(Source("facts.json", text))


def refused(text: str):
    with pytest.raises(Stop) as caught:
        parse(text)
    assert caught.value.status == Status.USAGE
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def test_numbers_keep_their_digits():
    read = parse('{"a": 0.1000000000000000055511151231257827021181583404541015625, "b": 1234567890123456789012345678901234567890, "c": 1.10}')
    assert read["a"] == Decimal("0.1000000000000000055511151231257827021181583404541015625")
    assert read["b"] == 1234567890123456789012345678901234567890
    assert str(read["c"]) == "1.10"


@pytest.mark.parametrize("number", ["1e999999999", "1e99999999999999999999999", "-1e999999999", "9" * 5000, "1." + "1" * 5000, "1e-999999999"])
def test_absurd_numbers_neither_hang_nor_crash(number):
    assert "equity" in parse(f'{{"equity": {number}}}')


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_is_not_finite_is_left_for_the_decision_to_name(constant):
    assert "equity" in parse(f'{{"equity": {constant}}}')


@pytest.mark.parametrize(("text", "code", "place"), [
    ("", "CAP910", (1, 1)),
    ("   \n", "CAP910", (1, 1)),
    ('{"a": 1,}', "CAP910", (1, 9)),
    ('{\n  "a" 1}', "CAP910", (2, 7)),
    ("{'a': 1}", "CAP910", (1, 2)),
    ('{"a": "x', "CAP910", (1, 7)),
    ("{} {}", "CAP910", (1, 4)),
    ("[1]", "CAP919", (1, 1)),
    ("\n 12", "CAP919", (2, 2)),
    ('{"a":' * 5000 + "1" + "}" * 5000, "CAP920", (1, 501)),
])
def test_what_is_no_document_is_refused_with_its_place(text, code, place):
    diagnostic = refused(text)
    assert diagnostic.code.id == code
    begin = diagnostic.span.begin
    assert (begin.line, begin.column) == place


def test_a_batch_names_the_line_that_is_wrong(tmp_path):
    file = tmp_path / "intents.jsonl"
    file.write_text('{"id": "i-1"}\n\n{"id": \n', encoding="utf-8")
    rows = documents.read_lines(str(file))
    assert next(rows) == {"id": "i-1"}
    with pytest.raises(Stop) as caught:
        next(rows)
    assert caught.value.diagnostics[0].span.begin.line == 3


@pytest.mark.parametrize(("name", "content", "code"), [
    ("none.json", None, "CAP912"), ("latin.json", b'{"a": "\xe9"}', "CAP910"), ("nul.json", b"\x00\x01", "CAP910")])
def test_files_that_cannot_be_used(tmp_path, name, content, code):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Stop) as caught:
        documents.read_object(str(file))
    assert caught.value.diagnostics[0].code.id == code


def test_a_folder_means_its_policies_without_what_git_ignores(tmp_path):
    for name in ("b.cap", "a.cap", "skip/c.cap", "deep/d.cap", "deep/e.cap", "deep/note.txt", ".hidden/f.cap"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("skip/\n", encoding="utf-8")
    (tmp_path / "deep" / ".gitignore").write_text("d.cap\n", encoding="utf-8")
    found = documents.policy_files([str(tmp_path), str(tmp_path / "a.cap")])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.cap", "b.cap", "deep/e.cap"]


def test_a_folder_inside_a_repository_is_judged_by_the_rules_above_it(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("desk/old.cap\n", encoding="utf-8")
    (tmp_path / "desk").mkdir()
    for name in ("old.cap", "new.cap"):
        (tmp_path / "desk" / name).write_text("", encoding="utf-8")
    assert [path.name for path in documents.policy_files([str(tmp_path / "desk")])] == ["new.cap"]


def test_a_folder_without_policies_is_a_sentence(tmp_path):
    with pytest.raises(Stop, match="no policy") as caught:
        documents.policy_files([str(tmp_path)])
    assert caught.value.status == Status.USAGE
