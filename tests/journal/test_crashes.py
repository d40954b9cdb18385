"""A writer that dies: at every byte of its last line, and for real, in the middle of its work."""
from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from caplex.runtime.journal import Journal, read, verify
from caplex.runtime.journal.head import path_of

ROOT = Path(__file__).resolve().parents[2]
AT = "2026-01-05T15:00:00.000000Z"


def test_a_line_torn_at_any_byte_is_set_aside_recorded_and_the_chain_goes_on(make, tmp_path):
    """The journal as it lies after a crash in the last write: the head file does not know of it yet."""
    path = make(tmp_path / "j", 4)
    head, before = path_of(path).read_bytes(), path.read_bytes()
    with Journal.open(path, header={}) as journal:
        journal.append("note", AT, {"n": "last"})
    last = path.read_bytes()[len(before):]
    for size in range(1, len(last)):
        place = tmp_path / str(size)
        place.mkdir()
        torn = place / "j"
        torn.write_bytes(before + last[:size])
        path_of(torn).write_bytes(head)
        with Journal.open(torn, header={}) as journal:
            assert journal.next_seq == 5
            assert journal.torn == place / "j.torn-4"
            journal.append("note", AT, {"n": "after"})
        assert (place / "j.torn-4").read_bytes() == last[:size]
        assert verify(torn).ok
        assert torn.read_bytes().startswith(before)
        *_, told, after = read(torn)
        assert (told.kind, told.body["file"], told.body["bytes"], told.body["offset"]) == ("torn", "j.torn-4", size, len(before))
        assert (after.seq, after.body) == (5, {"n": "after"})
        shutil.rmtree(place)


@pytest.mark.parametrize("share", [1, 30, 99])
def test_a_first_line_that_is_torn_is_set_aside_too(make, tmp_path, share):
    path = make(tmp_path / "j", 1)
    whole = path.read_bytes()
    torn = tmp_path / "torn"
    torn.write_bytes(whole[: max(1, len(whole) * share // 100)])
    with Journal.open(torn, header={"engine": "x"}) as journal:
        assert journal.next_seq == 2
    assert verify(torn).ok
    assert [record.kind for record in read(torn)] == ["open", "torn"]
    assert (tmp_path / "torn.torn-0").read_bytes() == whole[: max(1, len(whole) * share // 100)]


def test_what_a_power_cut_leaves_of_a_line_is_set_aside(make, tmp_path):
    path = make(tmp_path / "j", 4)
    with path.open("ab") as file:
        file.write(b'{"at":null,"body' + b"\0" * 30 + b"\n")
    with Journal.open(path, header={}) as journal:
        assert journal.torn is not None
    assert verify(path).ok


def test_a_crash_while_a_line_is_set_aside_loses_nothing(make, tmp_path):
    """Set aside, but still in the journal; or another piece was set aside under the same number."""
    path = make(tmp_path / "j", 4)
    with path.open("ab") as file:
        file.write(b'{"at":nul')
    aside = tmp_path / "j.torn-4"
    for content, name in ((b'{"at":nul', "j.torn-4"), (b'{"at":', "j.torn-4.2")):
        copy = tmp_path / name.replace("j", "c")
        shutil.copy(path, tmp_path / "c")
        shutil.copy(path_of(path), tmp_path / "c.head")
        (tmp_path / "c.torn-4").write_bytes(content)
        with Journal.open(tmp_path / "c", header={}) as journal:
            assert journal.torn == copy
        assert copy.read_bytes() == b'{"at":nul'
        assert (tmp_path / "c.torn-4").read_bytes() == content
    assert not aside.exists()


WRITER = """
import sys
from caplex.runtime.journal import Journal
with Journal.open(sys.argv[1], header={"engine": "x"}, durability="os") as journal:
    print(journal.next_seq, flush=True)
    size = int(sys.argv[2])
    while True:
        for _ in range(size):
            journal.append("event", None, {"n": journal.next_seq, "x": "y" * (journal.next_seq % 997)})
        journal.flush()
        print(journal.next_seq, flush=True)
"""


def test_a_writer_that_is_killed_loses_nothing_that_it_had_flushed(tmp_path):
    chance, path = random.Random(11), tmp_path / "j"
    for turn in range(10):
        size = chance.choice([1, 7, 200])
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(size)], stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
            assert writer.stdout is not None
            flushed = int(writer.stdout.readline())
            time.sleep(chance.uniform(0, 0.03))
            writer.kill()
            lines = writer.stdout.read().split("\n")
        flushed = int(lines[-2]) if len(lines) > 1 else flushed  # the last may be cut short
        found = verify(path)
        assert {problem.kind for problem in found.problems} <= {"torn"}, (turn, found.problems)
        assert found.lines >= flushed, turn
        with Journal.open(path, header={}) as journal:
            assert journal.next_seq >= flushed
        assert verify(path).ok, turn
        bodies = [record.body["n"] for record in read(path) if record.kind == "event"]
        seqs = [record.seq for record in read(path) if record.kind == "event"]
        assert bodies == seqs
    assert verify(path).lines > 100


def test_a_reader_beside_a_writer_sees_whole_lines_alone(tmp_path):
    path = tmp_path / "j"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path), "1"], stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        for _ in range(5):
            flushed = int(writer.stdout.readline())
            assert max(record.seq for record in read(path, skip_torn=True)) >= flushed - 1
        writer.kill()
