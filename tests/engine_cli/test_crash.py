"""A run that is killed, and started again on the same events, ends as one that was not: state, journal and all."""
from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from run_streams import DESK, caplex, command, environment, stream, write

import caplex as package
from caplex.compiler.recorded import compile_recorded
from caplex.runtime.brokers.sim import SimBroker
from caplex.runtime.errors import JournalError
from caplex.runtime.journal import Journal, read, verify
from caplex.runtime.replay import replay
from caplex.runtime.stream import Stream

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "slow pieces": {"fill": "partial", "delay_s": "3", "late_rate": "0.2", "duplicate_rate": "0.3"},
    "unsure": {"unknown_rate": "0.4", "reject_rate": "0.2", "delay_s": "2", "cancel_reject_rate": "0.5"},
    "liar": {"lies": {"overfill": "0.2", "unknown_order": "0.2", "fill_after_cancel": "1"}, "fill": "partial"},
}


class Killed(BaseException):
    """The process is gone."""


def run(policy: package.Policy, journal: Path, events: list[dict[str, Any]], how: dict[str, Any], *, crash: int | None = None) -> str:
    """Take *events*; with *crash*, be gone before the so manieth write. The digest at the end."""
    left = crash
    honest = Journal.flush

    def flush(self: Journal) -> None:
        nonlocal left
        if left is not None and self._buffer:
            if left == 0:
                raise Killed
            left -= 1
        honest(self)

    Journal.flush = flush  # type: ignore[method-assign]
    engine = None
    try:
        engine = package.Engine(policy, journal, durability="os")
        running = Stream(engine, SimBroker(7, **how))
        for event in events:
            running.take(event)
        running.finish()
        return engine.digest
    finally:
        Journal.flush = honest  # type: ignore[method-assign]
        if engine is not None and engine._journal is not None:
            engine._journal._let_go()  # as the system does with the files of a process that is gone


def said(journal: Path) -> list[tuple[str, Any]]:
    return [(record.kind, record.body) for record in read(journal)]


@pytest.mark.parametrize("way", WAYS)
def test_a_crash_before_any_write_loses_nothing(way: str, tmp_path: Path) -> None:
    policy = package.loads(DESK, name="desk.cap")
    events = stream(3, 40, crash_at=30)
    whole = run(policy, tmp_path / "whole.journal", events, WAYS[way])
    wanted = said(tmp_path / "whole.journal")
    assert any(kind == "outcome" and body["tripped"] for kind, body in wanted)
    assert sum(body["type"] == "fill" for kind, body in wanted if kind == "event") > 3
    crashes = 0
    for number in range(0, 10_000, 3):
        journal = tmp_path / f"{number}.journal"
        try:
            run(policy, journal, events, WAYS[way], crash=number)
            break
        except Killed:
            crashes += 1
        digest = run(policy, journal, events, WAYS[way])
        assert (digest, said(journal)) == (whole, wanted), f"crash before write {number}, broker {way}"
        journal.unlink()
        journal.with_name(journal.name + ".head").unlink()
    assert crashes > 20


def test_a_crash_after_each_restart(tmp_path: Path) -> None:
    policy = package.loads(DESK, name="desk.cap")
    events = stream(5, 60, crash_at=50)
    how = WAYS["slow pieces"]
    whole = run(policy, tmp_path / "whole.journal", events, how)
    journal, restarts = tmp_path / "again.journal", 0
    while True:
        try:
            digest = run(policy, journal, events, how, crash=7)
            break
        except Killed:
            restarts += 1
        assert restarts < 200
    assert restarts > 5
    assert (digest, said(journal)) == (whole, said(tmp_path / "whole.journal"))
    assert verify(journal).ok
    assert replay(journal, load=compile_recorded).identical


def test_other_events_on_the_same_journal_are_new(tmp_path: Path) -> None:
    policy = package.loads(DESK, name="desk.cap")
    events = stream(5, 60)
    run(policy, tmp_path / "whole.journal", events, {})
    run(policy, tmp_path / "two.journal", events[:30], {})
    run(policy, tmp_path / "two.journal", events[30:], {})
    whole, two = ([body for kind, body in said(tmp_path / name) if kind == "decision"] for name in ("whole.journal", "two.journal"))
    assert two == whole


def test_a_disk_that_is_full_stops_the_run_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from caplex.runtime.journal import files

    policy = package.loads(DESK, name="desk.cap")
    events = stream(3, 40)
    whole = run(policy, tmp_path / "whole.journal", events, {})
    honest, writes = files.write_whole, 0

    def full(fd: int, data: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes > 20:
            raise OSError(28, "No space left on device")
        honest(fd, data)

    monkeypatch.setattr(files, "write_whole", full)
    with pytest.raises(JournalError, match="No space left"):
        run(policy, tmp_path / "full.journal", events, {})
    monkeypatch.setattr(files, "write_whole", honest)
    assert run(policy, tmp_path / "full.journal", events, {}) == whole


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_kill_9(tmp_path: Path) -> None:
    (tmp_path / "desk.cap").write_text(DESK, encoding="utf-8")
    write(tmp_path / "day.jsonl", stream(11, 500, crash_at=400))
    options = ["--events", "day.jsonl", "--broker", "sim", "--seed", "4", "--fill", "partial", "--delay", "2", "--durability", "os"]
    whole = caplex("run", "desk.cap", *options, "--journal", "whole.journal", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    size = (tmp_path / "whole.journal").stat().st_size
    journal = tmp_path / "killed.journal"
    for share in (5, 20, 21, 55, 90):
        process = subprocess.Popen(command("run", "desk.cap", *options, "--journal", "killed.journal"), cwd=tmp_path, env=environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while (journal.stat().st_size if journal.exists() else 0) < size * share // 100:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    done = caplex("run", "desk.cap", *options, "--journal", "killed.journal", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split("state")[1] == whole.stdout.splitlines()[-1].split("state")[1]
    assert said(journal) == said(tmp_path / "whole.journal")
    assert caplex("audit", "verify", "killed.journal", cwd=tmp_path).returncode == 0
    again = caplex("replay", "killed.journal", cwd=tmp_path)
    assert again.returncode == 0, again.stdout
    assert "byte for byte" in again.stdout
