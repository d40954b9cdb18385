"""Whatever is done to the bytes of a journal is found, and told with its line."""
from __future__ import annotations

import json
import os
import random
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import pytest

from caplex.runtime.journal import JournalTrouble, Verification, find, read, verify
from caplex.runtime.journal.head import path_of

LINES = 40


@pytest.fixture
def journal(make, tmp_path):
    return make(tmp_path / "j", LINES)


@pytest.fixture
def short(make, tmp_path):
    return make(tmp_path / "s", 6)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def put(path: Path, data: bytes) -> None:
    """*data* as a new file: to empty one and fill it again makes some file systems wait for the disk."""
    path.unlink()
    path.write_bytes(data)


def found(path: Path) -> Verification | None:
    """What `verify` finds; None where it says that this is no journal at all, which is a finding too."""
    try:
        return verify(path)
    except JournalTrouble:
        return None


def kinds(path: Path) -> list[str]:
    return [problem.kind for problem in verify(path).problems]


def test_what_nobody_touched_is_fine(journal):
    result = verify(journal)
    assert result.ok
    assert (result.lines, result.intact, result.problems, result.torn, result.notes) == (LINES, LINES, (), None, ())
    assert result.head == json.loads(lines_of(journal)[-1])["hash"]


def changed_everywhere(path: Path, replacements) -> int:
    """Change each byte of *path* in turn, and assert that it is found in its line. How many changes were made."""
    good, line, tried = path.read_bytes(), 1, 0
    fd = os.open(path, os.O_WRONLY)
    for position, byte in enumerate(good):
        for new in replacements(byte):
            os.pwrite(fd, bytes([new]), position)
            result = found(path)
            tried += 1
            if result is None:
                assert line == 1, (position, new)
                continue
            assert not result.ok, (position, byte, new)
            first = result.problems[0]
            assert first.line in (line, line + 1), (position, byte, new, first)
            assert str(first.line) in first.sentence
            assert len(result.problems) <= 3, (position, byte, new, result.problems)
        os.pwrite(fd, bytes([byte]), position)
        line += byte == 10
    os.close(fd)
    assert verify(path).ok
    return tried


@pytest.mark.parametrize("with_head", [True, False], ids=["head file", "no head file"])
def test_every_change_of_one_byte_is_found(short, with_head):
    if not with_head:
        path_of(short).unlink()
    tried = changed_everywhere(short, lambda byte: {byte ^ 1, 0, 10, 34} - {byte})
    assert tried > 3500


def test_every_change_of_one_byte_is_found_in_a_longer_one(journal):
    chance = random.Random(4)
    assert changed_everywhere(journal, lambda byte: [(byte + chance.randrange(1, 256)) % 256]) > 8000


def test_every_byte_that_is_put_in_or_taken_out_is_found(short):
    good = short.read_bytes()
    for position in range(len(good)):
        for bad in (good[:position] + good[position + 1 :], good[:position] + b"0" + good[position:], good[:position] + b" " + good[position:]):
            put(short, bad)
            result = found(short)
            assert result is None or not result.ok, position


def test_every_dropped_line_is_found(journal):
    good = lines_of(journal)
    for number in range(LINES):
        put(journal, b"".join(good[:number] + good[number + 1 :]))
        result = verify(journal)
        assert not result.ok
        assert result.problems[0].kind == ("missing" if number < LINES - 1 else "lost"), number


def test_a_dropped_end_is_found_by_the_head_file_alone(journal):
    good = lines_of(journal)
    for kept in range(1, LINES):
        put(journal, b"".join(good[:kept]))
        assert kinds(journal) == ["lost"]
    assert f"the last {LINES - 1} lines are missing" in _sentence(journal, good[:1])
    path_of(journal).unlink()
    result = verify(journal)
    assert result.ok
    assert result.notes == ("there is no head file, so lines missing at the end cannot be seen",)


def _sentence(path: Path, lines: list[bytes]) -> str:
    put(path, b"".join(lines))
    return verify(path).problems[0].sentence


def test_every_swap_is_found(make, tmp_path):
    path = make(tmp_path / "j", 12)
    good = lines_of(path)
    for one, other in combinations(range(12), 2):
        bad = list(good)
        bad[one], bad[other] = bad[other], bad[one]
        put(path, b"".join(bad))
        result = verify(path)
        assert {"missing", "repeated"} & {problem.kind for problem in result.problems}, (one, other)
        assert result.problems[0].line == one + 1


def test_every_repetition_is_found_wherever_it_goes(make, tmp_path):
    path = make(tmp_path / "j", 12)
    good = lines_of(path)
    for copied in range(12):
        for place in range(copied + 1, 13):
            put(path, b"".join([*good[:place], good[copied], *good[place:]]))
            assert kinds(path) == ["repeated"], (copied, place)


def forge(line: bytes, **changes: object) -> bytes:
    """*line* with other content and the hash that fits it."""
    value = {**json.loads(line), **changes}
    del value["hash"]
    content = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    value["hash"] = sha256(content).hexdigest()
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def test_a_line_that_was_forged_with_its_hash_breaks_the_chain_after_it(journal):
    good = lines_of(journal)
    bad = [*good[:10], forge(good[10], body={"n": "999"}), *good[11:]]
    put(journal, b"".join(bad))
    (problem,) = verify(journal).problems
    assert (problem.kind, problem.line) == ("inserted", 12)


def test_a_line_put_in_with_a_hash_that_fits_is_found(journal):
    good = lines_of(journal)
    put(journal, b"".join([*good[:10], forge(good[10], body={"n": "999"}), *good[10:]]))
    assert kinds(journal)[0] == "repeated"


def test_a_chain_written_anew_does_not_fit_its_head_file(journal):
    good, anew = lines_of(journal), []
    prev = "0" * 64
    for number, line in enumerate(good):
        changes = {"body": {"n": "999"}} if number == 20 else {}
        anew.append(forge(line, prev=prev, **changes))
        prev = json.loads(anew[-1])["hash"]
    put(journal, b"".join(anew))
    assert kinds(journal) == ["head"]
    assert "written anew" in verify(journal).problems[0].sentence
    path_of(journal).unlink()  # what the chain alone cannot see; the manual says so
    assert verify(journal).ok


@pytest.mark.parametrize("body", [b'{"n": "1"}', b'{"n":"2","m":"1"}', b'{"n":"\\u0041"}', b'{"n":1.5}', b'{"n":1,"n":2}', b'{"n":-0}', b"{'n'}", b"", b'{"n":NaN}'])
@pytest.mark.parametrize("number", [0, 3, 5])
def test_other_texts_of_the_same_json_are_no_lines_even_if_every_hash_fits(short, body, number):
    good = lines_of(short)
    old = json.loads(good[number])
    if number == 0:
        body = body.replace(b"}", b',"schema":"caplex.journal/1"}', 1)
    start, rest = b'{"at":null,"body":' + body + b",", f'"kind":"{old["kind"]}","prev":"{old["prev"]}","seq":{old["seq"]}}}'.encode()
    prev = sha256(start + rest).hexdigest()
    anew = [*good[:number], start + f'"hash":"{prev}",'.encode() + rest + b"\n"]
    for line in good[number + 1 :]:
        anew.append(forge(line, prev=prev))
        prev = json.loads(anew[-1])["hash"]
    put(short, b"".join(anew))
    path_of(short).unlink()
    (problem,) = verify(short).problems
    assert (problem.kind, problem.line) == ("opening" if number == 0 else "form", number + 1)


def test_the_same_json_with_spaces_or_other_keys_first_is_found(short):
    good = lines_of(short)
    value = json.loads(good[2])
    for text in (json.dumps(value, sort_keys=True), json.dumps(dict(reversed(value.items())), separators=(",", ":"))):
        put(short, b"".join([*good[:2], text.encode() + b"\n", *good[3:]]))
        (problem,) = verify(short).problems
        assert (problem.kind, problem.line) == ("form", 3)
        assert "canonical form" in problem.sentence


def test_verification_goes_on_after_a_problem_and_tells_each_once(journal):
    good = lines_of(journal)
    bad = [line.replace(b'"n":"5"', b'"n":"6"') for line in good[:20]] + [b"\n"] + good[20:30] + good[31:]
    put(journal, b"".join(bad))
    result = verify(journal)
    assert [(problem.kind, problem.line) for problem in result.problems] == [("changed", 6), ("form", 21), ("missing", 32)]
    assert result.intact == LINES - 3


@pytest.mark.parametrize(("harm", "words"), [
    (lambda line: line[:-1] + b"\r\n", "CR LF"), (lambda line: b"\0" * len(line[:-1]) + b"\n", "NUL bytes"), (lambda line: b"\n", "is empty"),
    (lambda line: b"at,body\n", "not JSON"), (lambda line: b'{"a":1}\n', "no line of a journal"), (lambda line: line[:-1], "two lines"),
    (lambda line: line[:40] + b"\n", "not JSON"), (lambda line: b"\xff\xfe\n", "not JSON"),
])
def test_a_damaged_line_is_told_in_a_sentence(journal, harm, words):
    good = lines_of(journal)
    put(journal, b"".join([*good[:7], harm(good[7]), *good[8:]]))
    (problem,) = verify(journal).problems
    assert (problem.kind, problem.line) == ("form", 8)
    assert words in problem.sentence


def test_reading_stops_at_the_first_line_that_is_wrong_with_its_number_and_the_cure(journal):
    good = lines_of(journal)
    put(journal, b"".join(good[:9] + good[10:]))
    seen = []
    with pytest.raises(JournalTrouble, match=r"before line 10 number 9 is missing.*audit verify") as caught:
        seen.extend(read(journal))
    assert caught.value.kind == "broken"
    assert [record.seq for record in seen] == list(range(9))
    with pytest.raises(JournalTrouble):
        find(journal, "d-none")


def test_more_problems_than_are_listed_are_counted(make, tmp_path):
    path = make(tmp_path / "j", 1100)
    put(path, path.read_bytes().replace(b'"t":"a', b'"t":"b'))
    result = verify(path)
    assert (len(result.problems), result.more, result.intact) == (1000, 99, 1)


# ── the end of the file ───────────────────────────────────────────────────────────────────────────────


def test_truncation_at_every_byte_is_found_and_a_torn_line_told_from_lost_ones(short):
    good = short.read_bytes()
    ends = {position + 1 for position, byte in enumerate(good) if byte == 10}
    for size in range(1, len(good)):
        put(short, good[:size])
        result = verify(short)
        told = {problem.kind for problem in result.problems}
        assert told == ({"lost"} if size in ends else {"lost", "torn"}), size
        start = max((end for end in ends if end <= size), default=0)
        assert result.torn == (None if size in ends else good[start:size])


def test_a_torn_line_that_the_head_file_does_not_reach_is_torn_and_nothing_else(make, tmp_path):
    path = make(tmp_path / "j", 5)
    head, before = path_of(path).read_bytes(), path.stat().st_size
    make_longer(path)
    path_of(path).write_bytes(head)
    good = path.read_bytes()
    for size in range(before + 1, len(good)):
        put(path, good[:size])
        result = verify(path)
        assert [problem.kind for problem in result.problems] == ["torn"]
        assert "cut short" in result.problems[0].sentence
    put(path, good[: before + 30] + b"\0" * 40 + b"\n")  # as a power cut leaves it
    assert kinds(path) == ["torn"]


def make_longer(path: Path) -> None:
    from caplex.runtime.journal import Journal

    with Journal.open(path, header={}) as journal:
        journal.append("note", None, {"n": "more"})


def test_a_head_file_behind_is_fine_and_one_of_another_journal_is_not(make, tmp_path):
    path = make(tmp_path / "j", 5)
    head = path_of(path).read_bytes()
    make_longer(path)
    path_of(path).write_bytes(head)
    assert verify(path).ok
    other = make(tmp_path / "other", 5, durability="os")
    path_of(path).write_bytes(path_of(other).read_bytes())
    assert kinds(path) == ["head"]
    path_of(path).write_bytes(head[:-5])
    assert kinds(path) == ["head"]


def test_every_change_of_one_byte_of_the_head_file_is_found(short):
    head = path_of(short)
    good = head.read_bytes()
    for position, byte in enumerate(good):
        bad = bytearray(good)
        bad[position] = 0x31 if byte == 0x30 else 0x30
        head.write_bytes(bad)
        assert [problem.kind for problem in verify(short).problems] in (["head"], ["lost"]), position


# ── what is no journal ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("content", "kind", "words"), [
    (b"", "foreign", "empty"), (b"date,AAPL,MSFT\n2026-01-05,200,400\n", "foreign", "CSV"), (b"\x7fELF\x02\0\0\0" * 40, "foreign", "binary"),
    (b"\xff\xd8\xff\xe0 JFIF", "foreign", "binary"), (b'{"a": 1}\n{"b": 2}\n', "foreign", "does not open a journal"), (b"hello\n", "foreign", "not JSON"),
    (b'{"schema":"caplex.journal/2","x":1}\n', "newer", "caplex.journal/2"),
    (b'{"at":null,"body":{"schema":"caplex.journal/9"},"kind":"open"}\n', "newer", "use the caplex that wrote it"), (b"\0" * 100, "foreign", "binary"),
    (b"[" * 100_000, "foreign", "not JSON"),
])
def test_what_is_no_journal_is_told_so(tmp_path, content, kind, words):
    path = tmp_path / "x"
    path.write_bytes(content)
    for reading in (lambda: verify(path), lambda: list(read(path))):
        with pytest.raises(JournalTrouble) as caught:
            reading()
        assert caught.value.kind == kind
        assert words in str(caught.value)


def test_a_journal_that_was_converted_is_told_in_one_sentence(short):
    put(short, short.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(JournalTrouble, match="CR LF") as caught:
        verify(short)
    assert caught.value.kind == "broken"


def test_a_journal_of_a_newer_schema_with_a_hash_that_fits_is_newer_and_not_changed(short):
    good = lines_of(short)
    put(short, forge(good[0], body={**json.loads(good[0])["body"], "schema": "caplex.journal/2"}))
    with pytest.raises(JournalTrouble, match=r"caplex\.journal/2") as caught:
        verify(short)
    assert caught.value.kind == "newer"


def test_a_folder_and_a_missing_file(tmp_path):
    for path, words in ((tmp_path, "folder"), (tmp_path / "none", "no such file"), (Path("/dev/null"), "no ordinary file")):
        with pytest.raises(JournalTrouble, match=words):
            verify(path)
