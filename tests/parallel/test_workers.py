"""Workers: as many as asked for, killed, absent, interrupted; and what people see of it."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from journals import GLOBAL, POLICY, at, events, written

import caplex
from caplex.compiler.cli import main
from caplex.compiler.cli.replaying_many import lines_of
from caplex.runtime.parallel import running


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("desk") / "desk.journal", events(4, 24))


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any], str]:
    status = main.run(["replay", *map(str, arguments), "--format", "json"])
    said = capsys.readouterr()
    return status, json.loads(said.out or "{}"), said.err


def children(pid: int) -> list[int]:
    """Processes that *pid* started and that do work for it."""
    try:
        found = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [each for each in found if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]


class TestSameAnswer:
    def test_processes_threads_and_one_say_the_same(self, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
        alone, cut, threads = (told(capsys, desk, *options) for options in (
            ["--jobs", "1"], ["--jobs", "2"], ["--jobs", "3", "--executor", "threads"]))
        assert alone == cut == threads
        assert alone[0] == 0
        assert [each["account"] for each in alone[1]["journals"][0]["accounts"]] == [f"acct-{n}" for n in range(4)]
        status, single, _ = told(capsys, desk)
        assert (status, single["schema"], single["proof"]) == (0, "caplex.replay/1", alone[1]["proof"])

    def test_journals_of_a_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name, rounds in (("b", 9), ("a", 6)):
            written(tmp_path / f"{name}.journal", events(1, rounds))
        status, found, _ = told(capsys, tmp_path, "--executor", "threads", "--jobs", "2")
        assert (status, [Path(each["path"]).name for each in found["journals"]]) == (0, ["a.journal", "b.journal"])
        assert found["decisions"] == 15
        assert told(capsys, tmp_path, "--jobs", "1") == (status, found, "")

    def test_python(self, desk: Path) -> None:
        with ThreadPoolExecutor(2) as pool:
            found = caplex.replay_many(desk, policy=caplex.loads(POLICY.replace("10%", "2%", 1), name="tight.cap"), jobs=2, executor=pool)
            assert pool.submit(int).result() == 0, "the host's executor stays open"
        assert found.identical
        assert found.parts == (2,)
        assert sum(found.kinds(0).values()) > 10


class TestTied:
    """What ties accounts together keeps a journal in one piece, and is named."""

    def test_switch_over_all_accounts(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = written(tmp_path / "global.journal", events(3, 4), GLOBAL)
        status, found, said = told(capsys, path, "--jobs", "2", "--executor", "threads")
        assert status == 0
        assert "in one piece: the switch `KILL-010` of `desk` stands for strategy" in said
        assert found["proof"] == told(capsys, path, "--jobs", "1")[1]["proof"]

    def test_switch_of_the_other_policy(self, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "other.cap").write_text(GLOBAL, encoding="utf-8")
        assert "`KILL-010`" in told(capsys, desk, "--policy", tmp_path / "other.cap", "--jobs", "2", "--executor", "threads")[2]

    def test_one_tick_moves_several_accounts(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        crash = POLICY.replace("drawdown >= 10%", "portfolio.gross >= 50% of account.equity").replace("  lot 1", "  lot 1 unlimited loss").replace(
            "drawdown < 8%", "portfolio.gross < 40% of account.equity")
        quote = {"type": "quote", "at": at(900), "symbol": "S0", "price": "9000"}
        path = written(tmp_path / "crash.journal", [*events(3, 5), quote], crash)
        status, found, said = told(capsys, path, "--jobs", "3", "--executor", "threads")
        assert status == 0
        assert "moved several accounts at once" in said
        assert (status, found) == told(capsys, path, "--jobs", "1")[:2]

    def test_id_of_two_accounts(self, tmp_path: Path) -> None:
        from caplex.compiler.recorded import compile_recorded
        from caplex.runtime.parallel.parting import part

        stream = [{**each, "id": "i-0-3"} if each.get("id") == "i-2-3" else each for each in events(4, 5) if each.get("id") != "o-2-3"]
        parted = part(written(tmp_path / "ids.journal", stream), load=compile_recorded)
        assert parted.joined is None
        assert sorted(map(sorted, parted.groups(4))) == [[0, 2], [1], [3]]


class TestBadJournals:
    def test_tampered_line_is_told_with_its_journal(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        good, bad = (written(tmp_path / f"{name}.journal", events(1, 5)) for name in ("good", "bad"))
        bad.write_text(bad.read_text().replace('"quantity":"12"', '"quantity":"13"', 1))
        status, found, _ = told(capsys, good, bad, "--jobs", "2", "--executor", "threads")
        assert (status, found["identical"], found["proof"]) == (1, False, None)
        assert [each["broken"] for each in found["journals"]] == [0, 1]

    def test_tampered_line_of_several_accounts(self, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        bad = tmp_path / "bad.journal"
        bad.write_text(desk.read_text().replace('"price":"100"', '"price":"101"', 1))
        one, two = (told(capsys, bad, "--jobs", jobs, "--executor", "threads") for jobs in ("1", "2"))
        assert one[:2] == two[:2]
        assert one[0] == 1
        assert "its chain is broken" in two[2]

    def test_torn_last_line(self, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        torn = tmp_path / "torn.journal"
        torn.write_bytes(desk.read_bytes() + b'{"at":null,"bo')
        one, two = (told(capsys, torn, "--jobs", jobs, "--executor", "threads") for jobs in ("1", "2"))
        assert one == two
        assert one[0] == 0
        assert one[1]["journals"][0]["torn"] is not None

    def test_answer_that_does_not_come_again(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Written anew by somebody who has changed one answer, chain and all."""
        from caplex.runtime.journal import Journal, read

        source, path = written(tmp_path / "a.journal", events(3, 6)), tmp_path / "forged.journal"
        with Journal.open(path, header={}, durability="os") as forged:
            for record in read(source):
                body = dict(record.body)
                if record.kind == "decision" and body["intent_id"] == "i-1-2":
                    body["quantity"] = "1000"
                if record.kind != "open":
                    forged.append(record.kind, record.at, body)
        one, two = (told(capsys, path, "--jobs", jobs, "--executor", "threads") for jobs in ("1", "3"))
        assert one[:2] == two[:2]
        assert one[0] == 1
        assert [(each["what"], each["path"]) for each in one[1]["journals"][0]["differences"]] == [("decision i-1-2", "/quantity")]

    def test_missing(self, tmp_path: Path) -> None:
        assert main.run(["replay", str(tmp_path / "none.journal"), "--jobs", "2", "--executor", "threads"]) == 2
        assert main.run(["replay", str(tmp_path), "--jobs", "2"]) == 2


class TestDeaths:
    def test_killed_worker_changes_nothing(self, desk: Path) -> None:
        alone = json.dumps(caplex.replay_many(desk, jobs=1).to_dict(), indent=2, ensure_ascii=False)
        command = [sys.executable, "-m", "caplex", "replay", str(desk), "--format", "json", "--jobs", "2"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            until = time.monotonic() + 30
            while len(found := children(run.pid)) < 2 and time.monotonic() < until:
                time.sleep(0.01)
            os.kill(found[0], signal.SIGKILL)
            out, err = run.communicate(timeout=60)
        assert run.returncode == 0
        assert "a worker died" in err
        assert "acct-0" in err
        assert out == alone + "\n"

    def test_interrupted_leaves_nobody_behind(self, desk: Path) -> None:
        with subprocess.Popen([sys.executable, "-m", "caplex", "replay", str(desk), "--jobs", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler)) as run:
            until = time.monotonic() + 30
            while len(found := children(run.pid)) < 2 and time.monotonic() < until:
                time.sleep(0.01)
            os.killpg(run.pid, signal.SIGINT)
            _, err = run.communicate(timeout=30)
        assert run.returncode == 130
        assert b"Traceback" not in err
        until = time.monotonic() + 10
        while any(Path(f"/proc/{each}").exists() for each in found) and time.monotonic() < until:
            time.sleep(0.02)
        assert not [each for each in found if Path(f"/proc/{each}").exists()]

    def test_worker_that_always_dies(self, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Dying(Executor):
            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                future: Future[Any] = Future()
                future.set_exception(BrokenExecutor("killed"))
                return future

        monkeypatch.setattr(running._Hands, "_new", lambda hands: Dying())
        with pytest.raises(running.Failed, match="its worker died 3 times"):
            caplex.replay_many(desk, jobs=2)
        with pytest.raises(running.Failed, match="whoever made it must make another"):
            caplex.replay_many(desk, jobs=2, executor=Dying())

    def test_bug_in_a_worker_is_a_sentence(self, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        from caplex.runtime.parallel import working

        def broken(task: object, progress: object = None) -> None:
            raise RuntimeError("no such luck")

        monkeypatch.setattr(working, "perform", broken)
        assert main.run(["replay", str(desk), "--jobs", "2", "--executor", "threads"]) == 70
        assert "desk.journal`, accounts acct-" in (said := capsys.readouterr().err)
        assert "RuntimeError: no such luck" in said
        assert "CAP950" in said


class TestVariants:
    def test_sweep(self, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
        one, two = (told(capsys, desk, "--sweep", "max_position=2%,10%,30%", "--jobs", jobs, "--executor", "threads") for jobs in ("1", "2"))
        assert one == two
        flipped = [each["flipped"] for each in one[1]["variants"]]
        assert flipped[1] == 0, "the value that the policy has"
        assert flipped[0] > 0
        assert flipped[2] > 0, "looser than the policy lets anybody move it: nothing is approved by a replay"
        assert [each["name"] for each in one[1]["variants"]] == ["max_position=2%", "max_position=10%", "max_position=30%"]

    def test_variants_are_spread_over_workers(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = written(tmp_path / "one.journal", events(1, 20))
        one, two = (told(capsys, path, "--sweep", "max_position=2%,3%,4%", "--jobs", jobs, "--executor", "threads") for jobs in ("1", "2"))
        assert one == two
        assert len(one[1]["variants"]) == 3

    def test_a_table_that_is_too_wide_for_the_terminal_is_told_in_words(self, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
        _, found, _ = told(capsys, desk, "--sweep", "max_position=2%,10%", "--jobs", "1")
        table, words = lines_of(found), lines_of(found, 40)
        assert lines_of(found, max(map(len, table))) == table
        assert (table[0], table[-1]) == (words[0], words[-1])
        assert table[1].endswith("  under")
        flipped = found["variants"][0]
        counts = ", ".join(f"{many} {kind}" for kind, many in flipped["kinds"].items())
        assert words[1:3] == [f"max_position=2%: {flipped['flipped']} of {found['decisions']} otherwise: {counts}",
                              f"max_position=10%: 0 of {found['decisions']} otherwise"]

    @pytest.mark.parametrize(("options", "sentence"), [
        (["--jobs", "0"], "a number from 1 to 1024"), (["--jobs", "two"], "or auto"), (["--sweep", "max_position"], "NAME=VALUE"),
        (["--sweep", "max_position=90%"], "outside its range"), (["--sweep", "max_postion=2%"], "did you mean `max_position`"),
        (["--executor", "ray"], "processes, threads, dask:ADDRESS"), (["--fail-on", "deny:allow", "--jobs", "2"], "--policy"),
    ])
    def test_bad_options(self, desk: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str) -> None:
        assert main.run(["replay", str(desk), *options]) == 2
        assert sentence in capsys.readouterr().err

    def test_fail_on(self, desk: Path) -> None:
        options = ["replay", str(desk), "--sweep", "max_position=2%", "--jobs", "1", "--fail-on"]
        assert main.run([*options, "allow:modify"]) == 1
        assert main.run([*options, "deny:hold"]) == 0


class TestDask:
    def test_same_answer_with_a_worker_killed(self, desk: Path) -> None:
        distributed = pytest.importorskip("distributed")
        alone = caplex.replay_many(desk, jobs=1).to_dict()
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
            victim = next(iter(cluster.workers.values())).process.pid
            killer = threading.Timer(0.2, os.kill, (victim, signal.SIGKILL))
            killer.start()
            found = caplex.replay_many(desk, jobs=2, executor=f"dask:{cluster.scheduler_address}").to_dict()
            killer.join()
        assert found == alone

    def test_no_scheduler(self, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(caplex.CaplexError, match=r"pip install 'caplex\[cluster\]'"):
            caplex.replay_many(desk, executor="dask:tcp://127.0.0.1:1")
