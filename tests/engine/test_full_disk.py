"""While the disk is full: what is asked costs little, what was refused takes no room, and closing goes ahead where the policy says so."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from caplex.runtime.canonical import sha256
from caplex.runtime.engine import persistence, snapshot
from caplex.runtime.errors import JournalError
from caplex.runtime.journal import read, verify
from caplex.runtime.replay import replay
from engine.support import Desk, policy, verdict
from engine.test_crashes import Disk, disk  # noqa: F401 - a fixture

ROOM = 'limit EXP-010 "Position" { abs(after.position.notional) at most 1_000 USD else reduce }'


def full(disk: Disk, writes: int = 1000) -> None:  # noqa: F811
    disk.bad = set(range(disk.count + 1, disk.count + writes))


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize("durability", ["each", "group", "os"])
def test_what_was_refused_takes_no_room(disk: Disk, store: bool, durability: Any, tmp_path: Path) -> None:  # noqa: F811
    desk = Desk(policy(ROOM), tmp_path / "j", store=store, durability=durability)
    desk.quote("X", "10")
    assert verdict(desk.submit("buy", "10", id="i-1")) == ("ALLOW", "10", None)
    before = desk.engine.digest
    full(disk)
    for number in range(5):
        assert verdict(desk.submit("buy", "60", id=f"n-{number}")) == ("DENY", "0", "SYS-009")
        assert (desk.rooms(), desk.engine.digest) == ([("i-1", "10", "held")], before)
        assert desk.engine.decision(f"n-{number}") is None
    disk.bad = set()
    assert verdict(desk.submit("buy", "60", id="n-1")) == ("ALLOW", "60", None)
    assert desk.rooms() == [("i-1", "10", "held"), ("n-1", "60", "held")]
    digest = desk.engine.digest
    assert desk.restart(store=not store).engine.digest == digest
    assert not list(tmp_path.glob("*.probe"))


def test_a_full_disk_is_asked_and_not_the_whole_journal(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    desk, reads = Desk(policy(ROOM), tmp_path / "j"), []
    desk.quote("X", "10")
    monkeypatch.setattr(persistence, "read", lambda *given, **more: reads.append(given) or read(*given, **more))
    monkeypatch.setattr(persistence.Journal, "open", lambda *given, **more: pytest.fail("it was open still"))
    full(disk)
    for number in range(20):
        assert verdict(desk.submit("buy", "1", id=f"i-{number}"))[2] == "SYS-009"
        with pytest.raises(JournalError):
            desk.quote("X", "11")
    assert len(reads) == 1, "once, to go back to what was written"
    disk.bad = set()
    assert verdict(desk.submit("buy", "1", id="i-1"))[0] == "ALLOW"
    assert len(reads) == 1


def test_a_reopening_that_fails_leaves_what_was(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """The journal has to be opened anew, and that fails half way: whoever looks sees the last good state."""
    desk = Desk(policy(ROOM), tmp_path / "j")
    desk.quote("X", "10")
    desk.submit("buy", "10", id="i-1")
    before, rooms = desk.engine.digest, desk.rooms()
    assert desk.engine._journal is not None
    desk.engine._journal._trouble = "the disk did not take what was written"
    with monkeypatch.context() as patch:

        def failing(path: Path, *, on_record: Any, **more: Any) -> None:
            for record in read(path):
                on_record(record)
                if record.seq > 4:
                    raise JournalError("an error of the disk")

        patch.setattr(persistence.Journal, "open", failing)
        for _ in range(3):
            assert verdict(desk.submit("buy", "60"))[2] == "SYS-009"
            assert (desk.engine.digest, desk.rooms()) == (before, rooms)
    assert verdict(desk.submit("buy", "60"))[0] == "ALLOW"
    assert len(desk.rooms()) == 2


def test_a_step_that_is_interrupted_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from caplex.runtime.engine import intents

    desk = Desk(policy(ROOM), tmp_path / "j")
    desk.quote("X", "10")
    before = desk.engine.digest
    with monkeypatch.context() as patch:
        patch.setattr(intents, "_remember", lambda *given, **more: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            desk.submit("buy", "60", id="i-1")
    desk.engine._recovered()
    assert (desk.engine.digest, desk.rooms()) == (before, [])
    assert verdict(desk.submit("buy", "60", id="i-1")) == ("ALLOW", "60", None)


# ── closing continues ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("store", [True, False])
def test_closing_continues_where_the_policy_says_so(disk: Disk, store: bool, tmp_path: Path) -> None:  # noqa: F811
    desk = Desk(policy(ROOM, more="journal failure: closing continues"), tmp_path / "j", store=store)
    desk.quote("X", "10")
    desk.fill("buy", "30")
    full(disk)
    assert verdict(desk.submit("buy", "5", id="i-1")) == ("DENY", "0", "SYS-009"), "it opens"
    assert "a" not in desk.engine.health["unreconciled"]
    decision = desk.submit("sell", "40", id="i-2")
    assert verdict(decision) == ("MODIFY", "30", "SYS-009")
    assert "only closing" in decision.to_dict()["reasons"][0]["message"]
    assert decision.to_dict()["reservation"]["state"] == "held"
    assert desk.rooms() == [("i-2", "30", "held")]
    assert "a" in desk.engine.health["unreconciled"]
    assert verdict(desk.submit("sell", "10", id="i-3"))[0] == "DENY", "its room is taken: no second sale of the same units"
    again = desk.submit("sell", "40", id="i-2").to_dict()
    assert (again["verdict"], again["repeat_of"]) == ("MODIFY", decision.to_dict()["decision_id"]), "the same answer, spent once"

    disk.bad = set()
    told = desk.submit("buy", "1", id="i-4")
    assert verdict(told) == ("DENY", "0", "SYS-014"), "until somebody reconciles"
    notes = [record.body for record in read(tmp_path / "j") if record.kind == "note"]
    assert [(note["note"], [each["decision"]["intent_id"] for each in note["decisions"]]) for note in notes] == [("closing_continued", ["i-2"])]
    assert "No space left" in notes[0]["because"]
    assert desk.rooms() == [("i-2", "30", "unknown")], "nobody knows whether it was sent"
    whole = sha256(snapshot.whole(desk.engine._machine.state))
    for other in (store, not store):
        desk.restart(store=other)
        assert sha256(snapshot.whole(desk.engine._machine.state)) == whole
    assert verdict(desk.submit("sell", "40", id="i-2")) == ("MODIFY", "30", "SYS-009"), "its id is known"
    desk.fill("sell", "30", intent_id="i-2", id="f-9")
    assert (desk.position(), desk.rooms()) == ("0", [])
    desk.apply("reconcile", account="a", positions=[], orders=[])
    assert verdict(desk.submit("buy", "1", id="i-5")) == ("ALLOW", "1", None)
    digest = desk.engine.digest
    desk.engine.close()
    assert verify(tmp_path / "j").ok
    assert digest


def test_what_was_closed_is_noted_when_the_engine_is_closed(disk: Disk, tmp_path: Path) -> None:  # noqa: F811
    desk = Desk(policy(ROOM, more="journal failure: closing continues"), tmp_path / "j")
    desk.quote("X", "10")
    desk.fill("buy", "30")
    full(disk)
    assert verdict(desk.submit("sell", "10", id="i-1")) == ("ALLOW", "10", None)
    disk.bad = set()
    desk.engine.close()
    assert [record.kind for record in read(tmp_path / "j")].count("note") == 1


def test_a_replay_folds_the_note(disk: Disk, tmp_path: Path) -> None:  # noqa: F811
    desk = Desk(policy(ROOM, more="journal failure: closing continues"), tmp_path / "j")
    desk.quote("X", "10")
    desk.fill("buy", "30")
    full(disk)
    desk.submit("sell", "10", id="i-1")
    disk.bad = set()
    desk.submit("sell", "10", id="i-2")
    digest = desk.engine.digest
    desk.engine.close()
    from caplex.compiler.recorded import compile_recorded

    found = replay(tmp_path / "j", load=compile_recorded)
    assert (found.differing, found.digest) == (0, digest)
