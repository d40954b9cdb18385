"""The process dies in the middle: the journal knows how far an action had come, and nothing is sent twice."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from bench import Bench, Recording, closing, opening, short

from caplex.runtime.actuator import EngineDesk
from caplex.runtime.journal import verify


class Died(BaseException):
    """The process is gone."""


def dies_at(bench: Bench, monkeypatch: pytest.MonkeyPatch, id: str) -> None:
    """The process dies when the event of that id would be told."""
    tell = EngineDesk.tell

    def told(self: EngineDesk, event: Any) -> None:
        if event["id"].startswith(id):
            raise Died
        tell(self, event)

    monkeypatch.setattr(EngineDesk, "tell", told)
    with pytest.raises(Died):
        bench.do(opening())
    monkeypatch.undo()
    bench.restart()


@pytest.mark.parametrize(("id", "calls", "result", "rooms"), [
    ("a-1-sending", 0, ("FAILED_SAFE", "NOT_SENT"), []),
    ("a-1-sent", 0, ("FAILED_SAFE", "INTERRUPTED"), [("a-1", "unknown")]),
    ("a-1-reply", 1, ("FAILED_SAFE", "INTERRUPTED"), [("a-1", "unknown")]),
    ("result-", 1, ("SUCCESS", "OK"), [("a-1", "working")]),
])
def test_each_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, id: str, calls: int, result: tuple[str, str], rooms: Any) -> None:
    bench = Bench(tmp_path / "x.journal")
    dies_at(bench, monkeypatch, id)
    assert [short(each) for each in bench.later(5).actuator.recover(at=bench.at)] == [result]
    assert [(room.intent_id, room.state) for room in bench.engine.reservations] == rooms
    assert bench.actuator.recover(at=bench.at) == []
    assert short(bench.later(3600).do(opening())) == ("NOOP", "DUPLICATE_ACTION")
    assert len(bench.exchange.calls) == calls
    bench.engine.close()
    assert verify(tmp_path / "x.journal").ok


def test_it_dies_inside_the_call(tmp_path: Path) -> None:
    def answer(acknowledgement: Any) -> Any:
        raise Died

    bench = Bench(tmp_path / "x.journal", Recording(answer))
    with pytest.raises(Died):
        bench.do(opening())
    [result] = bench.restart().actuator.recover(at=bench.at)
    assert short(result) == ("FAILED_SAFE", "INTERRUPTED")
    assert result.reached_exchange
    # The pause after a failure holds across the restart.
    bench.exchange.answer = lambda a: a
    assert short(bench.later(30).do(opening("a-2"))) == ("FAILED_SAFE", "FAILED_SAFE_COOLDOWN")


def test_the_machine_stops_inside_the_call(tmp_path: Path) -> None:
    """What was on the disk at that moment, and nothing that a dying process could still have written."""
    bench = Bench(tmp_path / "x.journal")
    bench.exchange.watch = lambda: [shutil.copy(path, tmp_path / path.name.replace("x.", "y.")) for path in tmp_path.glob("x.*")] and None
    assert bench.do(opening()).result == "SUCCESS"
    bench.engine.close()
    bench.journal = tmp_path / "y.journal"
    [result] = bench.restart().actuator.recover(at=bench.at)
    assert short(result) == ("FAILED_SAFE", "INTERRUPTED")
    assert [(room.intent_id, room.state) for room in bench.engine.reservations] == [("a-1", "unknown")]


def test_a_cancel_is_recovered_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(acknowledgement: Any) -> Any:
        raise Died

    bench = Bench(tmp_path / "x.journal", Recording(answer))
    with pytest.raises(Died):
        bench.do({"action_id": "k", "kind": "cancel"})
    assert [short(each) for each in bench.restart().actuator.recover(at=bench.at)] == [("FAILED_SAFE", "INTERRUPTED")]


def test_duplicates_and_pauses_survive_an_orderly_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "x.journal").hold("5")
    bench.do(opening())
    bench.restart()
    assert short(bench.do(closing())) == ("FAILED_SAFE", "MIN_GAP")
    assert short(bench.later(5).do(opening())) == ("NOOP", "DUPLICATE_ACTION")
    assert bench.actuator.recover(at=bench.at) == []


def test_without_a_journal_there_is_nothing_to_recover() -> None:
    bench = Bench(None)
    bench.do(opening())
    assert bench.actuator.recover(at=bench.at) == []
