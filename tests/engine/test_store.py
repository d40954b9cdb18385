"""The store changes nothing but memory and time: with it, without it, cut off anywhere, exchanged or damaged, the journal decides.

`CAPLEX_ENGINE_ROUNDS=5` draws and kills five times as often. A failure prints its seed.
"""
from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from random import Random
from typing import Any

import pytest

from caplex.runtime.engine import keeping, store
from caplex.runtime.engine.engine import Engine
from caplex.runtime.errors import JournalError
from caplex.runtime.journal import read, verify
from engine import desks
from engine.streams import Event, Stream
from engine.support import Desk, policy, verdict
from engine.test_crashes import folded, killed, straight, stream
from engine.test_fold import LIVELY, give, whole, written

ROUNDS = int(os.environ.get("CAPLEX_ENGINE_ROUNDS", "1"))
NAME = "switches"
ROOM = 'limit EXP-010 "Position" { abs(after.position.notional) at most 1_000 USD else reduce }'


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint every seven records."""
    monkeypatch.setattr(keeping, "EVERY", 7)
    monkeypatch.setattr(keeping, "ROWS", 0)


def opened(path: Path, name: str = NAME, **options: Any) -> Engine:
    return Engine(desks.desk(name)[0], path, **{"durability": "os", "trust_operators": True, **options})


def counted(engine: Engine) -> dict[str, int]:
    """How much of each kind is in memory."""
    state = engine._machine.state
    return {name: len(getattr(state, name)) for name in ("seen", "event_ids", "orders", "by_intent", "by_client", "fills", "holds")}


# ── with and without ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", desks.ALL)
def test_an_engine_with_a_store_says_what_one_without_says(name: str, often: None, tmp_path: Path) -> None:
    events = written(name, 21, 150 * ROUNDS)
    with opened(tmp_path / "with", name) as one, opened(tmp_path / "without", name, store=False) as other:
        for number, event in enumerate(events):
            if event["type"] == "intent":
                assert one.submit(event).to_dict() == other.submit(event).to_dict(), f"{name}, {number}: {event}"
            else:
                assert one.apply(event).to_dict() == other.apply(event).to_dict(), f"{name}, {number}: {event}"
        assert one._keeper.mark is not None
        assert counted(one)["event_ids"] < counted(other)["event_ids"] / 3, "what is old is not in memory"
        assert whole(one._machine) == whole(other._machine)
        assert one.digest == other.digest
        for event in events[::5]:
            if event["type"] == "intent":
                mine, theirs = one.decision(event["id"]), other.decision(event["id"])
                assert (mine is not None and mine.to_dict()) == (theirs is not None and theirs.to_dict())
    assert (tmp_path / "with").read_bytes() == (tmp_path / "without").read_bytes()
    assert not (tmp_path / "without.db").exists()


@pytest.mark.parametrize("name", LIVELY)
@pytest.mark.parametrize("seed", range(2 * ROUNDS))
def test_restarts_from_the_store_change_nothing(name: str, seed: int, often: None, tmp_path: Path) -> None:
    """It is closed and opened again at random points, sometimes without the store, sometimes with one from earlier."""
    rng, events = Random(seed), written(name, 100 + seed, 120)
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    with opened(straight, name, store=False) as one:
        for event in events:
            give(one, event)
    at = 0
    while at < len(events):
        with opened(broken, name, store=rng.random() > 0.2) as engine:
            for event in events[at : at + rng.randrange(1, 25)]:
                give(engine, event)
                at += 1
        if rng.random() < 0.3 and (tmp_path / "broken.db").exists():
            shutil.copy(tmp_path / "broken.db", tmp_path / "earlier")
        elif rng.random() < 0.3 and (tmp_path / "earlier").exists():
            shutil.copy(tmp_path / "earlier", tmp_path / "broken.db")
    assert straight.read_bytes() == broken.read_bytes(), (name, seed)
    with opened(broken, name) as engine:
        assert whole(engine._machine) == whole(one._machine), (name, seed)
        assert engine._machine.chain == one._machine.chain


def test_only_what_comes_after_the_mark_is_folded(often: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = written(NAME, 5, 100)
    with opened(tmp_path / "j") as engine:
        for event in events:
            give(engine, event)
    from caplex.runtime.engine.machine import Machine

    steps, step = [], Machine.step
    monkeypatch.setattr(Machine, "step", lambda self, event, **more: steps.append(event) or step(self, event, **more))
    with opened(tmp_path / "j") as engine:
        assert steps == [], "it was closed well"
        digest = engine.digest
    with opened(tmp_path / "j", store=False) as engine:
        assert len(steps) == len(events)
        assert engine.digest == digest


@pytest.mark.parametrize("keep", ["1min", "10min"])
@pytest.mark.parametrize("seed", range(3 * ROUNDS))
def test_ids_are_forgotten_in_both_at_once(keep: str, seed: int, often: None, tmp_path: Path) -> None:
    found = policy(ROOM, more=f"idempotency keep {keep}")
    events = Stream(found, seed, desks.desk(NAME)[1]).run(150).taken
    with Engine(found, tmp_path / "with", durability="os", trust_operators=True) as one, \
         Engine(found, tmp_path / "without", durability="os", trust_operators=True, store=None) as other:
        known = 0
        for event in events:
            give(one, event)
            give(other, event)
            mine, theirs = one._machine.state, other._machine.state
            assert list(mine.every("seen")) == list(theirs.every("seen")), (seed, event)
            known = max(known, len(theirs.seen))
        assert len(other._machine.state.seen) < known, "some were forgotten"
        assert whole(one._machine) == whole(other._machine)


# ── crashes ───────────────────────────────────────────────────────────────────────────────────────────


class Counted:
    """A connection that does something before each statement that writes."""

    def __init__(self, db: sqlite3.Connection, before: Any) -> None:
        self._db, self._before = db, before

    def execute(self, query: str, *values: Any) -> Any:
        if not query.startswith(("select", "rollback")):
            self._before(query)
        return self._db.execute(query, *values)

    def executemany(self, query: str, rows: Any) -> Any:
        self._before(query)
        return self._db.executemany(query, rows)

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction


def before_each_write(monkeypatch: pytest.MonkeyPatch, before: Any) -> None:
    found = store.Store._open_db.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(store.Store, "_open_db", property(lambda self: Counted(found(self), before)))


def test_a_crash_between_any_two_writes_of_the_store(often: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each statement the files are copied as they are; each copy opens to the state that its journal tells."""
    home, copies, events = tmp_path / "home", tmp_path / "copies", written(NAME, 8, 30 * ROUNDS)
    home.mkdir()
    taken: list[str] = []

    def copy(query: str) -> None:
        shutil.copytree(home, copies / str(len(taken)))
        taken.append(query)

    with monkeypatch.context() as patch:
        before_each_write(patch, copy)
        with opened(home / "j") as engine:
            for event in events:
                give(engine, event)
    assert len(taken) > 60
    assert {"begin immediate", "commit"} <= set(taken)
    for number, query in enumerate(taken):
        path = copies / str(number) / "j"
        if path.exists() and path.stat().st_size:
            machine = folded(path)
            with opened(path) as engine:
                assert whole(engine._machine) == whole(machine), query
                assert engine._machine.chain == machine.chain
                assert engine._keeper.trouble is None


def test_a_disk_that_refuses_any_write_of_the_store(often: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal goes on, and so do the answers; the store is written later."""
    events, count, bad = written(NAME, 9, 25 * ROUNDS), 0, 0

    def fail(query: str) -> None:
        nonlocal count
        count += 1
        if count == bad:
            raise sqlite3.OperationalError("database or disk is full")

    before_each_write(monkeypatch, fail)
    with opened(tmp_path / "well") as engine:
        for event in events:
            give(engine, event)
        wanted, writes = whole(engine._machine), count
    for bad in range(1, writes + 1, 3):
        count, path = 0, tmp_path / str(bad)
        with opened(path) as engine:
            for event in events:
                give(engine, event)
            assert whole(engine._machine) == wanted, bad
        assert path.read_bytes() == (tmp_path / "well").read_bytes(), bad
        with opened(path) as engine:
            assert whole(engine._machine) == wanted, bad


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a process of its own, which it makes by fork")
@pytest.mark.parametrize("seed", range(8 * ROUNDS))
def test_a_killed_process_finds_its_way_from_the_store(seed: int, often: None, tmp_path: Path) -> None:
    rng, path = Random(seed), tmp_path / "j"
    events, answered = stream(seed % 4, 120), list[str]()
    for _ in range(3):
        done = sum(record.kind == "event" for record in read(path, skip_torn=True)) if path.exists() and path.stat().st_size else 0
        if done < len(events):
            answered += killed(path, events[done:], "os", rng)
    with opened(path) as engine:
        assert whole(engine._machine) == whole(folded(path)), seed
        decided = {f"{record.body['decision_id']} {record.body['verdict']}" for record in read(path) if record.kind == "decision"}
        assert set(answered) <= decided, seed
        for event in events[sum(record.kind == "event" for record in read(path)):]:
            give(engine, event)
        assert whole(engine._machine) == whole(straight(events)), seed
    assert verify(path).ok, seed


# ── a store that does not belong ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(often: None, tmp_path: Path) -> tuple[Path, list[Event], str]:
    """A journal with its store, the events, and a hash of what they come to."""
    events = written(NAME, 12, 60)
    with opened(tmp_path / "j") as engine:
        for event in events:
            give(engine, event)
        return tmp_path / "j", events, whole(engine._machine)


def rebuilt(path: Path, wanted: str) -> Engine:
    with opened(path) as engine:
        assert whole(engine._machine) == wanted
        assert engine._machine.digest() == folded(path).digest()
    return engine


def forged(path: Path, name: str, value: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute("insert or replace into meta values (?, ?)", (name, value))
    db.close()


def test_without_its_file_it_is_made_again(run: Any) -> None:
    path, _, wanted = run
    for file in path.parent.glob("j.db*"):
        file.unlink()
    rebuilt(path, wanted)
    assert path.with_name("j.db").exists()


@pytest.mark.parametrize("form", ["caplex.store/2.1", "caplex.store/0.1"])
def test_one_of_another_form_is_set_aside_whole(run: Any, form: str) -> None:
    path, _, wanted = run
    forged(path.with_name("j.db"), "form", form)
    before = path.with_name("j.db").read_bytes()
    rebuilt(path, wanted)
    assert path.with_name("j.db.unusable").read_bytes() == before, "a later caplex may have use for it"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.95])
def test_one_that_was_cut_off(run: Any, share: float) -> None:
    path, events, _ = run
    file = path.with_name("j.db")
    os.truncate(file, int(file.stat().st_size * share))
    with opened(path) as engine:
        assert engine.digest == folded(path).digest()
        for event in events:
            give(engine, {**event, "at": events[-1]["at"]})  # known ids: each is looked for in the store
    again = folded(path)
    with opened(path) as engine:
        assert whole(engine._machine) == whole(again)


@pytest.mark.parametrize("seed", range(12 * ROUNDS))
def test_one_that_was_damaged(run: Any, seed: int) -> None:
    """Either it is read as it was, or it is found to be no store any more, or what was changed is of no use to anybody."""
    path, _, _ = run
    file, rng = path.with_name("j.db"), Random(seed)
    data = bytearray(file.read_bytes())
    page = rng.randrange(len(data) // 4096) * 4096
    data[page : page + 4096] = bytes(4096)
    file.write_bytes(data)
    with opened(path) as engine:
        assert engine.digest == folded(path).digest(), seed


def test_one_that_is_no_database(run: Any) -> None:
    path, _, wanted = run
    path.with_name("j.db").write_text("not a database, and long enough to be taken for one\n" * 200)
    rebuilt(path, wanted)


def test_one_of_another_journal(run: Any, tmp_path: Path) -> None:
    path, _, wanted = run
    other = tmp_path / "other"
    with opened(other, reservation_ttl=keeping_ttl()) as engine:
        for event in written(NAME, 13, 40):
            give(engine, event)
    shutil.copy(other.with_name("other.db"), path.with_name("j.db"))
    rebuilt(path, wanted)


def keeping_ttl() -> Any:
    from datetime import timedelta

    return timedelta(seconds=31)


def test_one_of_a_journal_that_began_alike(run: Any, tmp_path: Path) -> None:
    """The same first line, so that both bear the same id; the records differ."""
    path, _, wanted = run
    other = tmp_path / "other"
    with opened(other) as engine:
        for event in written(NAME, 13, 40):
            give(engine, event)
        assert engine._journal is not None
    shutil.copy(other.with_name("other.db"), path.with_name("j.db"))
    rebuilt(path, wanted)


def test_one_that_is_ahead_of_its_journal(run: Any, tmp_path: Path) -> None:
    """A power cut took the end of the journal; whoever moved the head file aside has seen that."""
    path, _, _ = run
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: len(lines) // 2]))
    path.with_name("j.head").unlink()
    wanted = whole(folded(path))
    rebuilt(path, wanted)


def test_a_journal_that_is_begun_anew_has_no_past(run: Any) -> None:
    path, events, _ = run
    path.unlink()
    path.with_name("j.head").unlink()
    with opened(path) as engine:
        assert counted(engine)["seen"] == 0
        intent = next(event for event in events if event["type"] == "intent")
        assert engine.submit(intent).to_dict()["repeat_of"] is None


def test_one_that_cannot_be_opened_is_done_without(run: Any, tmp_path: Path) -> None:
    path, _, wanted = run
    for file in path.parent.glob("j.db*"):
        file.unlink()
    path.with_name("j.db").mkdir()
    engine = rebuilt(path, wanted)
    assert "cannot be opened" in str(engine.health.store)
    with pytest.raises(JournalError, match="cannot be opened"):
        opened(path, store=path.with_name("j.db"))
    opened(path).close()  # the journal was let go


def test_one_that_somebody_else_holds_is_written_later(run: Any) -> None:
    path, _, wanted = run
    holder = sqlite3.connect(path.with_name("j.db"), isolation_level=None)
    holder.execute("begin immediate")
    with opened(path) as engine:
        assert whole(engine._machine) == wanted
    holder.execute("rollback")
    holder.close()
    assert path.with_name("j.db").exists()
    rebuilt(path, wanted)


def test_switches_and_approvals_can_be_looked_at_with_another_tool(often: None, tmp_path: Path) -> None:
    events = written("switches", 11, 120)
    with opened(tmp_path / "j", "switches") as engine:
        for event in events:
            give(engine, event)
        tripped = sorted((row.id, row.state) for row in engine.switches if row.scope)
    with sqlite3.connect(tmp_path / "j.db") as db:
        assert sorted(db.execute("select switch, state from switches where scope != '{}'")) == tripped
    db.close()


def test_a_store_lies_where_it_is_put(tmp_path: Path) -> None:
    Engine(policy(ROOM), tmp_path / "j", store=tmp_path / "elsewhere.sqlite").close()
    assert (tmp_path / "elsewhere.sqlite").exists()
    assert not (tmp_path / "j.db").exists()


# ── memory ────────────────────────────────────────────────────────────────────────────────────────────


def test_memory_holds_what_lives_and_no_more(often: None, tmp_path: Path) -> None:
    desk = Desk(policy(ROOM, more="idempotency keep 1h"), tmp_path / "j", durability="os")
    desk.quote("X", "10")
    most: dict[str, int] = {}
    for number in range(120):
        desk.later(1)
        intent = desk.submit("buy" if number % 2 else "sell", "10").to_dict()
        desk.order("open", order_id=f"v-{number}", intent_id=intent["intent_id"])
        desk.fill("buy" if number % 2 else "sell", "10", order_id=f"v-{number}", id=f"f-{number}")
        if number > 20:
            most = {name: max(count, most.get(name, 0)) for name, count in counted(desk.engine).items()}
    assert max(most.values()) <= 20, most
    assert len(desk.engine._machine.state.every("orders")) == 120
    corrected = desk.apply("fill", account="a", symbol="X", side="sell", quantity="4", price="10", corrects="f-0")
    assert [each.problem for each in corrected.discrepancies] == ["corrected_fill"], "the fill is known, though it has left memory"
    assert desk.position() == "6"
    before = desk.engine.digest
    assert desk.restart(store=False).engine.digest == before
    assert verdict(desk.submit("buy", "1", id="i-4"))[2] == "SYS-011", "so are the ids"
