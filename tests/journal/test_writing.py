"""The writer: what it takes, what it refuses, and that the file is whole when the system fails it."""
from __future__ import annotations

import errno
import hashlib
import hmac
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caplex.runtime.canonical import NotCanonical
from caplex.runtime.journal import Journal, JournalTrouble, Record, files, read, verify
from caplex.runtime.journal.head import path_of
from caplex.runtime.journal.record import encode, read_body

AT = "2026-01-05T15:00:00.000000Z"
HEADER = {"policy": {"name": "desk", "hash": "sha256:1"}, "engine": "caplex 0.1.0", "roles": None, "trust_operators": False}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "desk.journal"


def open_(path: Path, **options: Any) -> Journal:
    return Journal.open(path, header=HEADER, at=AT, **options)


def one_more(journal: Journal) -> None:
    journal.append("event", AT, {})
    journal.flush()


def bodies(path: Path) -> list[Any]:
    return [record.body for record in read(path)]


def test_what_goes_in_comes_out(path):
    written = [{"n": 1, "text": 'a"\\\n\u20ac\U0001f600', "none": None, "yes": True, "list": [1, [], {}, -3], "b": {"z": 1, "a": 2}}, [], "x", None, 10**30]
    with open_(path) as journal:
        assert (journal.next_seq, journal.path) == (1, path)
        assert [journal.append("note", AT, body) for body in written] == [1, 2, 3, 4, 5]
        journal.flush()
        assert verify(path).ok
    found = list(read(path))
    assert [record.body for record in found[1:]] == written
    assert [record.seq for record in found] == list(range(6))
    assert all(record.line == record.seq + 1 for record in found)
    assert {record.kind for record in found[1:]} == {"note"}
    assert found[-1].hash == verify(path).head
    assert [record.seq for record in read(path, from_seq=4)] == [4, 5]


def test_the_first_line_says_what_journal_this_is(path):
    with open_(path, durability="os") as journal:
        (first,) = read(path)
        assert first.to_dict() == {"seq": 0, "prev": "0" * 64, "kind": "open", "at": AT, "hash": journal.head, "body": {
            **HEADER, "schema": "caplex.journal/1", "durability": "os", "journal": journal.id}}
        assert journal.header == first.body


def test_the_same_content_gives_the_same_bytes_and_another_header_another_id(tmp_path):
    for name in ("one", "two"):
        with open_(tmp_path / name) as journal:
            journal.append("event", AT, {"b": 1, "a": 2})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with Journal.open(tmp_path / "three", header={**HEADER, "engine": "caplex 0.2.0"}, at=AT) as other:
        assert other.id != journal.id


class Side(StrEnum):
    BUY = "buy"


class Level(IntEnum):
    HIGH = 3


def test_exact_values_become_the_texts_that_they_are_everywhere(path):
    body = MappingProxyType({"d": Decimal("1.50"), "f": Fraction(1, 3), "t": datetime(2026, 1, 5, 15, tzinfo=UTC), "s": Side.BUY, "l": Level.HIGH, "u": (1, 2)})
    with open_(path) as journal:
        journal.append("note", AT, body)
    assert bodies(path)[1] == {"d": "1.5", "f": "1/3", "t": AT, "s": "buy", "l": 3, "u": [1, 2]}


@pytest.mark.parametrize("body", [
    1.5, {"a": 1.5}, {"a": [{"b": float("nan")}]}, {"a": float("inf")}, {1: "a"}, {"a": {None: 1}}, {"a": {1, 2}}, {"a": b"x"}, {"a": object()},
    {"a": Decimal("NaN")}, {"a": datetime(2026, 1, 5)}, {"a": 10**5000},  # noqa: DTZ001 - no zone is the point
])
def test_what_is_no_json_is_refused_and_leaves_no_trace(path, body):
    with open_(path) as journal:
        before = (journal.next_seq, journal.head)
        with pytest.raises(JournalTrouble, match="the body of a record `note` cannot be written") as caught:
            journal.append("note", AT, body)
        assert caught.value.kind == "body"
        assert (journal.next_seq, journal.head) == before
        journal.append("note", AT, {"a": "1.5"})
    assert verify(path).ok


def test_what_goes_round_in_a_circle_is_refused(path):
    ring: dict[str, Any] = {}
    ring["self"] = [ring]
    with open_(path) as journal, pytest.raises(JournalTrouble, match="too deeply"):
        journal.append("note", AT, ring)


@pytest.mark.parametrize(("kind", "at", "words"), [
    ("Event", AT, "no kind"), ("", AT, "no kind"), ('a"b', AT, "no kind"), ("open", AT, "itself"), ("head", AT, "itself"),
    ("note", "yesterday", "no time"), ("note", '2026-01-05T15:00:00Z","x":"', "no time"), ("note", "2026-01-05T15:00:00", "no time"),
])
def test_kinds_and_times_have_their_form(path, kind, at, words):
    with open_(path) as journal, pytest.raises(JournalTrouble, match=words):
        journal.append(kind, at, {})
    assert verify(path).lines == 1


texts = st.text(st.characters(), max_size=8) | st.sampled_from(["\ud83d\ude00", "\ud83d", "\U0001f600", "\uffff", '},"hash":"', "1.5", ":1.5"])
values = st.recursive(st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8)


@given(values)
@settings(max_examples=400, deadline=None)
def test_the_text_of_a_value_is_the_one_that_reading_it_gives_again(value):
    text = encode(value)
    assert text.isascii()
    assert encode(read_body(text)) == text


@given(st.recursive(st.floats() | st.none() | st.text(max_size=2), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)))
@settings(max_examples=200, deadline=None)
def test_no_float_gets_in_wherever_it_hides(value):
    def holds_float(found: Any) -> bool:
        parts = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
        return isinstance(found, float) or any(map(holds_float, parts))

    if holds_float(value):
        with pytest.raises(NotCanonical):
            encode(value)
    else:
        assert read_body(encode(value)) == value


# ── going on ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_journal_is_gone_on_with_and_hands_out_what_it_holds(path):
    with open_(path) as journal:
        journal.append("event", AT, {"n": "1"})
        journal.append("event", AT, {"n": "2"})
        first = journal.id
    seen: list[Record] = []
    with Journal.open(path, header={"engine": "another"}, on_record=seen.append) as journal:
        assert [(record.seq, record.kind) for record in seen] == [(0, "open"), (1, "event"), (2, "event")]
        assert (journal.next_seq, journal.head, journal.id) == (3, seen[-1].hash, first)
        assert journal.header["engine"] == HEADER["engine"]
        journal.append("resume", AT, {})
    assert verify(path).ok
    assert verify(path).lines == 4


def test_what_is_not_flushed_is_not_in_the_file_and_a_flush_is_one_write(path, monkeypatch):
    calls = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: calls.append(len(data)) or real(fd, data))
    with open_(path) as journal:
        calls.clear()
        for number in range(10):
            journal.append("event", AT, {"n": number})
        assert verify(path).lines == 1
        assert calls == []
        journal.flush()
        journal.flush()
        assert len(calls) == 1
        assert verify(path).lines == 11


@pytest.mark.parametrize(("durability", "syncs"), [("each", 200), ("group", 200 // 64), ("os", 0)])
def test_the_disk_is_asked_as_often_as_the_durability_says(path, monkeypatch, durability, syncs):
    asked = []
    with open_(path, durability=durability) as journal:
        monkeypatch.setattr(files, "sync", lambda fd: asked.append(verify(path).lines))
        for number in range(200):
            journal.append("event", AT, {"n": number})
            if durability != "each":
                journal.flush()
        assert len(asked) == syncs
        if durability == "each":
            assert asked == list(range(2, 202))
        journal.sync()
        assert len(asked) == syncs + (durability != "each")
        journal.append("event", AT, {})
    assert len(asked) == syncs + {"each": 1, "group": 2, "os": 1}[durability]


def test_a_second_writer_is_refused_in_this_process_and_a_reader_is_not(path):
    with open_(path):
        with pytest.raises(JournalTrouble, match="in use by another process") as caught:
            open_(path)
        assert caught.value.retryable
        assert verify(path).ok
    open_(path).close()


def test_a_second_writer_is_refused_from_another_process(path):
    program = ("import sys; from caplex.runtime.journal import Journal\n"
               "journal = Journal.open(sys.argv[1], header={}); print('mine', flush=True); sys.stdin.read()")
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(JournalTrouble, match="in use by another process") as caught:
            open_(path)
        assert (caught.value.retryable, caught.value.kind) == (True, "locked")
        other.kill()
    open_(path).close()


def test_an_unfinished_opening_lets_the_lock_go(path):
    path.write_bytes(b"hello\n")
    for _ in range(2):
        with pytest.raises(JournalTrouble, match="no journal"):
            open_(path)
    assert path.read_bytes() == b"hello\n"


@pytest.mark.parametrize("content", [b"a,b,c\n1,2,3\n", b"\0\1\2", b'{"a":1}', b'{"schema":"caplex.journal/2"}\n'])
def test_foreign_files_are_refused_and_not_touched(path, content):
    path.write_bytes(content)
    with pytest.raises(JournalTrouble):
        open_(path)
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_folder_and_a_missing_folder_are_told(tmp_path):
    with pytest.raises(JournalTrouble, match="a folder"):
        open_(tmp_path)
    with pytest.raises(JournalTrouble, match="make it first"):
        open_(tmp_path / "none" / "j")
    with pytest.raises(JournalTrouble, match="the journal fills it in"):
        Journal.open(tmp_path / "j", header={"schema": "mine"})


def test_a_damaged_or_shortened_journal_is_not_gone_on_with(make, tmp_path):
    path = make(tmp_path / "j", 10)
    good = path.read_bytes()
    lines = good.splitlines(keepends=True)
    for bad, words in ((good.replace(b'"n":"4"', b'"n":"5"'), "line 5 was changed"), (b"".join(lines[:8]), "the last 2 lines are missing.*reconcile"),
                       (b"", "all lines are missing"), (b"".join(lines[:8]) + lines[8][:20], "missing")):
        path.write_bytes(bad)
        with pytest.raises(JournalTrouble, match=words) as caught:
            open_(path)
        assert caught.value.kind == "broken"
        assert path.read_bytes() == bad
    path.write_bytes(good)
    open_(path).close()


def test_a_head_file_that_lags_or_is_gone_is_put_right(make, tmp_path):
    path = make(tmp_path / "j", 5)
    behind = path_of(path).read_bytes()
    with open_(path) as journal:
        journal.append("note", AT, {})
    right = path_of(path).read_bytes()
    for head in (behind, b"", None):
        path_of(path).unlink()
        if head is not None:
            path_of(path).write_bytes(head)
        open_(path).close()
        assert path_of(path).read_bytes() == right


# ── when the system fails ─────────────────────────────────────────────────────────────────────────────


class FullDisk:
    """`os.write` that takes a part and then has no room, as often as *times* says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, part: int, times: int = 1) -> None:
        self.real, self.number, self.part, self.left = os.write, number, part, times
        monkeypatch.setattr(os, "write", self)

    def __call__(self, fd: int, data: bytes) -> int:
        if self.left and len(data) > self.part:
            return self.real(fd, data[: self.part]) if self.part else self._fail()
        if self.left:
            self._fail()
        return self.real(fd, data)

    def _fail(self) -> int:
        self.left -= 1
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize(("number", "retryable"), [(errno.ENOSPC, True), (errno.EIO, False)])
@pytest.mark.parametrize("part", [0, 1, 100, 300])
def test_a_full_disk_leaves_whole_lines_and_the_chain_goes_on(path, monkeypatch, number, retryable, part):
    with open_(path) as journal:
        journal.append("event", AT, {"n": "1"})
        journal.flush()
        before, place = path.read_bytes(), (journal.next_seq, journal.head)
        with monkeypatch.context() as patch:
            FullDisk(patch, number, part)
            for name in ("2", "3"):
                journal.append("event", AT, {"n": name})
            with pytest.raises(JournalTrouble, match=os.strerror(number)) as caught:
                journal.flush()
        assert (caught.value.retryable, caught.value.kind) == (retryable, "io")
        assert path.read_bytes() == before
        assert (journal.next_seq, journal.head) == place
        assert journal.broken is None
        journal.append("event", AT, {"n": "4"})
        journal.flush()
        assert verify(path).ok
    assert [body["n"] for body in bodies(path)[1:]] == ["1", "4"]


def test_a_limit_of_the_system_on_the_size_of_a_file_is_met_the_same_way(path):
    """The real thing, in a process of its own: the kernel takes a part of the last write."""
    program = """
import resource, sys
from caplex.runtime.journal import Journal, JournalTrouble
with Journal.open(sys.argv[1], header={}) as journal:
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
    kept, failed = 0, ""
    for number in range(100):
        journal.append("event", None, {"n": number, "x": "y" * 50})
        try:
            journal.flush()
            kept += 1
        except JournalTrouble as error:
            failed = str(error)
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append("note", None, {"after": True})
    journal.flush()
    print(kept, failed)
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, cwd=ROOT, check=True)
    kept, _, said = done.stdout.strip().partition(" ")
    assert "cannot be written" in said
    assert 5 < int(kept) < 20
    assert verify(path).ok
    assert verify(path).lines == int(kept) + 2


def test_a_sync_that_failed_is_never_taken_for_one_that_worked(path, monkeypatch):
    for durability in ("each", "group"):
        journal = open_(path, durability=durability, group=1)
        before = path.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(files, "sync", lambda fd: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
            with pytest.raises(JournalTrouble, match="the disk did not take what was written"):
                one_more(journal)
        with pytest.raises(JournalTrouble, match="open it again"):
            one_more(journal)
        with pytest.raises(JournalTrouble, match="open it again"):
            journal.sync()
        assert journal.broken
        journal.close()
        assert path.read_bytes() == before
        open_(path).close()


def test_an_explicit_sync_that_failed_breaks_the_journal_too(path, monkeypatch):
    journal = open_(path)
    journal.append("event", AT, {})
    journal.flush()
    monkeypatch.setattr(files, "sync", lambda fd: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(JournalTrouble, match="did not take"):
        journal.sync()
    monkeypatch.undo()
    with pytest.raises(JournalTrouble, match="open it again"):
        journal.sync()
    journal.close()
    assert verify(path).lines == 2


def test_if_what_was_written_cannot_be_taken_back_nothing_more_is_written(path, monkeypatch):
    journal = open_(path)
    journal.append("event", AT, {"n": "1"})
    journal.flush()
    with monkeypatch.context() as patch:
        FullDisk(patch, errno.ENOSPC, 100)
        patch.setattr(os, "ftruncate", lambda fd, size: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        journal.append("event", AT, {"n": "2"})
        with pytest.raises(JournalTrouble, match="so did taking back"):
            journal.flush()
    with pytest.raises(JournalTrouble, match="takes no more records"):
        journal.append("event", AT, {"n": "3"})
    journal.close()
    assert [problem.kind for problem in verify(path).problems] == ["torn"]
    with open_(path) as journal:
        assert journal.next_seq == 3
    assert verify(path).ok


def test_a_head_file_that_cannot_be_written_takes_the_line_back(path, monkeypatch):
    with open_(path) as journal:
        before, left = path.read_bytes(), [1]
        real = os.pwrite

        def failing(fd: int, data: bytes, place: int) -> int:
            if left:
                left.pop()
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(fd, data, place)

        monkeypatch.setattr(os, "pwrite", failing)
        journal.append("event", AT, {})
        with pytest.raises(JournalTrouble, match="No space left"):
            journal.flush()
        assert path.read_bytes() == before
        journal.append("event", AT, {})
    assert verify(path).ok
    assert verify(path).lines == 2


@pytest.mark.parametrize("where", ["before", "after"])
def test_an_interrupt_in_the_middle_of_a_write_stops_the_writer_and_not_the_chain(path, monkeypatch, where):
    real = os.write

    def interrupted(fd: int, data: bytes) -> int:
        if where == "after":
            real(fd, data)
        raise KeyboardInterrupt

    journal = open_(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", interrupted)
        journal.append("event", AT, {})
        with pytest.raises(KeyboardInterrupt):
            journal.flush()
    with pytest.raises(JournalTrouble, match="interrupted"):
        journal.append("event", AT, {})
    journal.close()
    with open_(path) as journal:
        assert journal.next_seq == (2 if where == "after" else 1)
    assert verify(path).ok


def test_an_interrupt_while_a_record_is_chained_does_not_reach_the_file(path):
    class Interrupted(list[bytes]):
        def append(self, line: bytes) -> None:
            super().append(line)
            raise KeyboardInterrupt

    with open_(path) as journal:
        journal._buffer = Interrupted()
        with pytest.raises(KeyboardInterrupt):
            journal.append("event", AT, {"n": "1"})
        journal._buffer = list(journal._buffer)
        journal.append("event", AT, {"n": "2"})
        with pytest.raises(JournalTrouble, match="interrupted"):
            journal.flush()
        assert verify(path).lines == 1
        journal.append("event", AT, {"n": "3"})
    assert verify(path).ok
    assert [body["n"] for body in bodies(path)[1:]] == ["3"]


def test_a_closed_journal_says_so(path):
    journal = open_(path)
    journal.close()
    journal.close()
    with pytest.raises(JournalTrouble, match="it is closed"):
        journal.append("event", AT, {})


# ── signed heads ──────────────────────────────────────────────────────────────────────────────────────


def sign(data: bytes) -> Mapping[str, str]:
    return {"keyid": "k", "sig": hmac.new(b"secret", data, hashlib.sha256).hexdigest()}


def check(data: bytes, signature: Mapping[str, Any]) -> bool:
    return dict(sign(data)) == dict(signature)


def test_heads_are_signed_every_so_often_and_at_the_end(path):
    with open_(path, sign=sign, sign_every=10) as journal:
        for number in range(25):
            journal.append("event", AT, {"n": number})
    with open_(path, sign=sign, sign_every=10) as journal:
        assert journal.next_seq == 29
    found = verify(path, check=check)
    assert (found.ok, found.signed, found.unsigned_lines, found.notes) == (True, 3, 0, ())
    assert "not checked" in verify(path).notes[0]
    with open_(path) as journal:
        journal.append("event", AT, {})
    assert verify(path, check=check).unsigned_lines == 1


def test_a_chain_written_anew_without_the_key_is_found_by_its_signed_heads(path, tmp_path):
    with open_(path, sign=sign, sign_every=4) as journal:
        for number in range(10):
            journal.append("event", AT, {"n": number})
    with open_(tmp_path / "anew", sign=lambda data: {"keyid": "k", "sig": "00"}, sign_every=4) as journal:
        for number in range(10):
            journal.append("event", AT, {"n": number + 1})
    assert verify(tmp_path / "anew").ok
    found = verify(tmp_path / "anew", check=check)
    assert {problem.kind for problem in found.problems} == {"signature"}
    assert "that is not good" in found.problems[0].sentence
    assert "no head is signed" in found.notes[0]
