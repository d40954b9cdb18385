"""Crashes: a process killed while it writes, a disk that fills up at any write. Nothing approved is missing from the journal.

`CAPLEX_ENGINE_ROUNDS=5` kills five times as often. A failure prints its seed.
"""
from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from caplex.runtime.canonical import sha256
from caplex.runtime.engine import snapshot
from caplex.runtime.engine.engine import Engine
from caplex.runtime.engine.machine import Machine
from caplex.runtime.errors import JournalError
from caplex.runtime.journal import files, read, verify
from engine import desks
from engine.streams import Event, Stream
from engine.support import Desk, policy, verdict
from engine.test_fold import give

ROUNDS = int(os.environ.get("CAPLEX_ENGINE_ROUNDS", "1"))
NAME = "switches"
ROOM = 'limit EXP-010 "Position" { abs(after.position.notional) at most 1_000 USD else reduce }'


def stream(seed: int, events: int) -> list[Event]:
    """Events that are taken; those that were drawn twice come twice."""
    found, shape = desks.desk(NAME)
    return Stream(found, seed, shape).run(events).taken


def folded(path: Path) -> Machine:
    """The fold of the events that stand in the journal."""
    machine = Machine(desks.desk(NAME)[0], trust=True)
    for record in read(path):
        if record.kind == "event":
            machine.step(machine.read(record.body))
    return machine


def straight(events: list[Event]) -> Machine:
    machine = Machine(desks.desk(NAME)[0], trust=True)
    for event in events:
        machine.step(machine.read(event))
    return machine


def opened(path: Path, durability: str = "os") -> Engine:
    return Engine(desks.desk(NAME)[0], path, durability=durability, trust_operators=True)  # type: ignore[arg-type]


# ── killed ────────────────────────────────────────────────────────────────────────────────────────────


def child(path: Path, events: list[Event], durability: str, answers: int) -> None:
    """Give all events; tell each answer once it was given."""
    with opened(path, durability) as engine:
        for event in events:
            if event["type"] == "intent":
                told = engine.submit(event).to_dict()
                os.write(answers, f"{told['decision_id']} {told['verdict']}\n".encode())
            else:
                engine.apply(event)


def killed(path: Path, events: list[Event], durability: str, rng: Random) -> list[str]:
    """Run a process, kill it somewhere; the answers that it gave."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:  # pragma: no cover - another process
        try:
            os.close(reading)
            child(path, events, durability, writing)
        finally:
            os._exit(0)
    os.close(writing)
    told, wanted = b"", rng.randrange(0, sum(event["type"] == "intent" for event in events))
    while told.count(b"\n") < wanted and (more := os.read(reading, 4096)):
        told += more
    time.sleep(rng.random() * 0.004)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    while more := os.read(reading, 65536):
        told += more
    os.close(reading)
    return told.decode().split("\n")[:-1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a process of its own, which it makes by fork")
@pytest.mark.parametrize("seed", range(7 * ROUNDS))
def test_a_killed_process_forgets_nothing_that_it_answered(seed: int, tmp_path: Path) -> None:
    rng, path = Random(seed), tmp_path / "j"
    events = stream(seed % 4, 80)
    answered: list[str] = []
    for _ in range(3):  # it is killed, restarted and killed again
        done = sum(record.kind == "event" for record in read(path, skip_torn=True)) if path.exists() and path.stat().st_size else 0
        if done < len(events):
            answered += killed(path, events[done:], rng.choice(("each", "group", "os")), rng)
    with opened(path) as engine:
        machine = folded(path)
        assert engine.digest == machine.digest(), seed
        assert sha256(snapshot.whole(engine._machine.state)) == sha256(snapshot.whole(machine.state)), seed
        decided = {f"{record.body['decision_id']} {record.body['verdict']}" for record in read(path) if record.kind == "decision"}
        assert set(answered) <= decided, seed
        for event in events[sum(record.kind == "event" for record in read(path)):]:
            give(engine, event)
        assert engine.digest == straight(events).digest(), seed
    assert verify(path).ok, seed
    taken = [record.body for record in read(path) if record.kind == "event"]
    assert [event["type"] for event in taken] == [event["type"] for event in events], seed
    intents = sum(event["type"] == "intent" for event in events)
    assert sum(record.kind == "decision" for record in read(path)) == intents, f"{seed}: each intent has its decision in the record"


# ── the disk is full ──────────────────────────────────────────────────────────────────────────────────


class Disk:
    """Fails at the writes of *bad*, counted from 1, after a half of what was to be written."""

    def __init__(self, bad: set[int]) -> None:
        self.bad, self.count, self.whole = bad, 0, files.write_whole

    def write(self, fd: int, data: bytes) -> None:
        self.count += 1
        if self.count in self.bad:
            self.whole(fd, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        self.whole(fd, data)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk(set())
    monkeypatch.setattr(files, "write_whole", made.write)
    return made


def persistent(engine: Engine, event: Event) -> tuple[list[Any], int]:
    """Give *event* until it is taken; the answers to it, and how often it had to be given again."""
    for again in range(60):
        if event["type"] == "intent":
            decision = engine.submit(event)
            if decision.decided_by != "SYS-009":
                return [decision], again
            assert not decision.permits
            continue
        try:
            engine.apply(event)
        except JournalError as error:
            trouble = error
        else:
            return [], again
        assert trouble.retryable
        assert "written" in str(trouble)
    raise AssertionError("never taken")


def finish(path: Path, events: list[Event]) -> tuple[set[str], int]:
    """Give all events; what was approved, and how often one had to be given again."""
    approved, repeats = set[str](), 0
    with opened(path) as engine:
        for event in events:
            answers, again = persistent(engine, event)
            repeats += again
            approved |= {answer.to_dict()["decision_id"] for answer in answers if answer.permits}
        assert engine.digest == straight(events).digest()
    return approved, repeats


def test_a_disk_full_at_any_write_approves_nothing_unwritten(disk: Disk, tmp_path: Path) -> None:
    events = stream(2, 14 * ROUNDS)
    finish(tmp_path / "well", events)
    writes, failed = disk.count, 0
    for number in range(1, writes + 1):
        disk.bad, disk.count = {number}, 0
        path = tmp_path / f"j{number}"
        if number <= 2:  # not even the beginning could be written; the next attempt begins again
            with pytest.raises(JournalError, match="No space left"):
                opened(path)
        approved, again = finish(path, events)
        failed += again
        written = {record.body["decision_id"] for record in read(path) if record.kind == "decision"}
        assert approved <= written, number
        assert verify(path).ok, number
        assert [record.body for record in read(path) if record.kind == "event"] == [
            record.body for record in read(tmp_path / "well") if record.kind == "event"], number
    assert failed > 10


@pytest.mark.parametrize("seed", range(3 * ROUNDS))
def test_a_disk_that_is_full_for_a_while(seed: int, disk: Disk, tmp_path: Path) -> None:
    rng = Random(seed)
    disk.bad = {start + offset for start in rng.sample(range(3, 100), 6) for offset in range(rng.randrange(1, 8))}
    approved, _ = finish(tmp_path / "j", stream(seed, 50))
    assert approved <= {record.body["decision_id"] for record in read(tmp_path / "j") if record.kind == "decision"}, seed
    assert verify(tmp_path / "j").ok, seed


def test_what_cannot_be_written_down_is_denied_and_told(disk: Disk, tmp_path: Path) -> None:
    desk = Desk(policy(ROOM), tmp_path / "j")
    desk.quote("X", "10")
    before = desk.engine.digest
    disk.bad = set(range(disk.count + 1, disk.count + 50))
    decision = desk.submit("buy", "60", id="i-1")
    assert verdict(decision) == ("DENY", "0", "SYS-009")
    assert "journal" in decision.to_dict()["reasons"][0]["message"]
    with pytest.raises(JournalError, match="the event was not taken"):
        desk.fill("buy", "5", id="f-1")
    health = desk.engine.health
    assert (health.ready, health.journal_ok) == (False, False)
    assert "No space left" in health.degraded_because
    disk.bad = set()
    assert desk.fill("buy", "5", id="f-1").to_dict()["status"] == "applied", "it had not been taken, so it is no repeat"
    assert verdict(desk.submit("buy", "60", id="i-1")) == ("ALLOW", "60", None)
    assert (desk.position(), desk.rooms(), desk.engine.health.ready) == ("5", [("i-1", "60", "held")], True)
    assert before != desk.engine.digest == desk.restart().engine.digest


def test_a_disk_that_does_not_say_what_it_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After a failed sync the journal is opened anew before anything else is approved."""
    desk = Desk(policy(ROOM), tmp_path / "j", durability="each")
    desk.quote("X", "10")

    def sync(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(files, "sync", sync)
        assert verdict(desk.submit("buy", "60", id="i-1"))[2] == "SYS-009"
        assert verdict(desk.submit("buy", "60", id="i-1"))[2] == "SYS-009"
    assert verdict(desk.submit("buy", "60", id="i-1")) == ("ALLOW", "60", None)
    assert desk.rooms() == [("i-1", "60", "held")]
    before = desk.engine.digest
    assert desk.restart().engine.digest == before


def test_a_second_writer_is_refused_and_may_try_again(tmp_path: Path) -> None:
    with opened(tmp_path / "j") as first:
        with pytest.raises(JournalError, match="in use by another process") as caught:
            opened(tmp_path / "j")
        assert caught.value.retryable
        first.apply({"type": "tick", "at": "2026-01-05T15:00:00Z"})
    opened(tmp_path / "j").close()
