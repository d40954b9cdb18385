"""`caplex run`: what it prints, what it refuses, how it ends, and what the simulated broker makes of orders."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from run_streams import DESK, START, TIGHT, at, caplex, command, environment, stream, write

from caplex.compiler.cli import main

INTENT = {"type": "intent", "id": "i-1", "at": at(1), "account": "acct-1", "symbol": "AAPL", "side": "buy", "action": "open", "quantity": "300",
          "order_type": "market"}
QUOTE = {"type": "quote", "at": at(0), "symbol": "AAPL", "price": "100"}
FALL = {"type": "account", "id": "a-9", "at": at(9), "account": "acct-1", "equity": "85000"}


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("desk.cap").write_text(DESK, encoding="utf-8")
    Path("tight.cap").write_text(TIGHT, encoding="utf-8")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], events: list[dict[str, Any]] | str, *options: str) -> tuple[int, str, str]:
    if isinstance(events, str):
        Path("day.jsonl").write_text(events, encoding="utf-8")
    else:
        write(Path("day.jsonl"), events)
    status = main.run(["run", "desk.cap", "--events", "day.jsonl", *options])
    told = capsys.readouterr()
    return status, told.out, told.err


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


class TestTelling:
    def test_a_line_for_each_thing_that_happens(self, capsys: pytest.CaptureFixture[str]) -> None:
        resting = {**INTENT, "id": "i-2", "at": at(2), "symbol": "KO", "quantity": "5", "order_type": "limit", "limit_price": "40"}
        quote = {**QUOTE, "symbol": "KO", "price": "50"}
        status, out, _ = run(capsys, [*START, QUOTE, quote, INTENT, resting, FALL, {**INTENT, "id": "i-3", "at": at(10)}], "--broker", "sim")
        assert status == 0
        lines = out.splitlines()
        assert lines[0].startswith("2026-01-05T15:00:01Z  MODIFY  i-1  buy 100 of 300 AAPL  EXP-010: ")
        assert lines[1] == "2026-01-05T15:00:01Z  ORDER_SUBMITTED  i-1  buy 100 AAPL"
        assert lines[2] == "2026-01-05T15:00:01Z  ORDER_FILLED  i-1  buy 100 AAPL at 100"
        assert "TRIPPED  KILL-010 on acct-1: drawdown >= 10%, 0.15" in out
        assert "OBLIGATION" in out
        assert "ORDER_CANCELLED  i-2" in out or "ORDER_CANCELLED  sim-" in out
        assert "DENY  i-3" in out
        assert "1 ALLOW, 1 MODIFY, 1 DENY" in out
        assert "stays tripped  KILL-010 on acct-1" in out

    def test_objects_begin_with_their_schema_and_name_run_and_policy(self, capsys: pytest.CaptureFixture[str]) -> None:
        _, out, _ = run(capsys, [*START, QUOTE, INTENT, FALL], "--broker", "sim", "--format", "json")
        found = objects(out)
        assert all(next(iter(each)) == "schema" for each in found)
        assert [each["schema"] for each in found] == [
            "caplex.decision/1", "caplex.execution/1", "caplex.execution/1", "caplex.trip/1", "caplex.obligation/1", "caplex.obligation/1", "caplex.summary/1"]
        filled, summary = found[2], found[-1]
        assert (filled["event"], filled["run"], filled["policy"]) == ("ORDER_FILLED", summary["run"], summary["policy"]["hash"])
        assert summary["run"].startswith("run-")
        assert (summary["submitted"], summary["filled"], summary["tripped"]) == (1, 1, {"KILL-010": 1})
        assert summary["positions"] == [{"account": "acct-1", "venue": "", "symbol": "AAPL", "quantity": "100"}]
        assert summary["rules"] == {"EXP-010": 1}
        assert set(summary["latency"]) == {"p50", "p95", "p99"}

    def test_the_run_id_follows_from_what_is_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        first, again, other = (objects(run(capsys, events, "--format", "json")[1])[-1]["run"] for events in (
            [*START, QUOTE], [*START, QUOTE], [{**START[0], "equity": "100001"}, QUOTE]))
        assert first == again != other

    def test_the_summary_lies_in_a_file_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        run(capsys, [*START, QUOTE, INTENT], "--summary", "summary.json")
        assert json.loads(Path("summary.json").read_text(encoding="utf-8"))["decisions"]["MODIFY"] == 1

    def test_shadows_tell_what_they_would_do(self, capsys: pytest.CaptureFixture[str]) -> None:
        small = {**INTENT, "quantity": "60"}
        _, out, _ = run(capsys, [*START, QUOTE, small], "--shadow", "tight.cap")
        assert "desk would MODIFY" in out
        assert "desk: 1 of 1 would be decided otherwise" in out

    def test_without_a_broker_nothing_is_sent(self, capsys: pytest.CaptureFixture[str]) -> None:
        _, out, _ = run(capsys, [*START, QUOTE, INTENT])
        assert "ORDER" not in out


class TestEnding:
    @pytest.mark.parametrize(("events", "option", "status"), [
        ([QUOTE, {**INTENT, "quantity": "1"}], "deny", 0), ([QUOTE, FALL, {**INTENT, "at": at(10)}], "deny", 1), ([FALL], "trip", 1), ([FALL], "deny", 0),
        ([{"type": "cancel", "at": at(1), "order_id": "o-1"}], "discrepancy", 1), ([QUOTE, FALL], "deny,trip", 1)])
    def test_fail_on(self, capsys: pytest.CaptureFixture[str], events: list[dict[str, Any]], option: str, status: int) -> None:
        assert run(capsys, [*START, *events], "--fail-on", option)[0] == status
        assert run(capsys, [*START, *events])[0] == 0

    def test_lines_that_are_no_events_are_named_and_the_rest_is_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        text = "".join(json.dumps(each) + "\n" for each in [*START, QUOTE]) + "nonsense\n\n[1]\n" + json.dumps({**INTENT, "type": "intnt"}) + "\n" + (
            json.dumps({**QUOTE, "prize": "1"}) + "\n" + json.dumps(INTENT))
        status, out, err = run(capsys, text)
        assert status == 1
        assert err.splitlines() == [
            "day.jsonl:5: error[CAP910]: not JSON: Expecting value, at column 1", "day.jsonl:7: error[CAP926]: a JSON object is wanted, {…}",
            "day.jsonl:8: error[CAP927]: /type: no event is called intnt; did you mean `intent`?", "day.jsonl:9: error[CAP929]: quote: /prize is unknown; did you mean /price?"]
        assert "MODIFY  i-1" in out
        assert "4 refused" in out

    def test_strict_stops_at_the_first(self, capsys: pytest.CaptureFixture[str]) -> None:
        status, out, _ = run(capsys, "nonsense\n" + "".join(json.dumps(each) + "\n" for each in [*START, QUOTE, INTENT]), "--strict")
        assert status == 1
        assert "decisions  none" in out

    @pytest.mark.parametrize(("options", "told"), [
        (["--broker", "alpaca"], "not part of this version"), (["--broker", "paper"], "sim or none"), (["--fail-on", "hold"], "one of deny, trip"),
        (["--broker", "sim", "--delay", "-1"], "a number from 0"), (["--roles", "nobody.json"], "nobody.json")])
    def test_usage(self, capsys: pytest.CaptureFixture[str], options: list[str], told: str) -> None:
        status, _, err = run(capsys, START, *options)
        assert status == 2
        assert told in err

    def test_events_that_are_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main.run(["run", "desk.cap", "--events", "nowhere.jsonl"]) == 2
        assert "`nowhere.jsonl` cannot be read" in capsys.readouterr().err
        assert main.run(["run", "desk.cap", "--events", "."]) == 2

    def test_a_journal_that_is_in_use_means_try_again(self, capsys: pytest.CaptureFixture[str]) -> None:
        import caplex as package

        with package.Engine(package.load("desk.cap"), "desk.journal"):
            status, _, err = run(capsys, START, "--journal", "desk.journal")
        assert status == 75
        assert "in use by another process" in err

    @pytest.mark.parametrize(("text", "status"), [("a,b,c\n1,2,3\n", 2), ('{"at":null,"body":{}', 0)])
    def test_a_journal_that_is_none(self, capsys: pytest.CaptureFixture[str], text: str, status: int) -> None:
        Path("desk.journal").write_text(text, encoding="utf-8")
        assert run(capsys, START, "--journal", "desk.journal")[0] == status

    def test_a_journal_of_another_policy(self, capsys: pytest.CaptureFixture[str]) -> None:
        run(capsys, START, "--journal", "desk.journal")
        status = main.run(["run", "tight.cap", "--events", "day.jsonl", "--journal", "desk.journal"])
        assert status == 2
        assert "another policy" in capsys.readouterr().err

    def test_what_the_stream_may_not_say(self, capsys: pytest.CaptureFixture[str]) -> None:
        status, _, err = run(capsys, [*START, {**QUOTE, "x_via": "sim"}, {"type": "policy", "at": at(1), "act": "activate"}], "--journal", "desk.journal")
        assert status == 1
        assert "leave it out" in err
        assert "activated by the host" in err
        assert main.run(["replay", "desk.journal"]) == 0


class TestPipes:
    @pytest.mark.skipif(os.name != "posix", reason="no such signals here")
    def test_ctrl_c_ends_between_events_and_loses_nothing(self, tmp_path: Path) -> None:
        events = stream(2, 60)
        process = subprocess.Popen(command("run", "desk.cap", "--events", "-", "--journal", "piped.journal", "--broker", "sim"), cwd=tmp_path,
                                   env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdin is not None
        for event in events[:30]:
            process.stdin.write(json.dumps(event) + "\n")
        process.stdin.flush()
        journal = tmp_path / "piped.journal"
        deadline = time.monotonic() + 60
        while not journal.exists() or json.dumps(events[29]["at"])[1:-1] not in journal.read_text(encoding="utf-8"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert out.splitlines()[-1].endswith("interrupted")
        write(tmp_path / "rest.jsonl", events)
        rest = caplex("run", "desk.cap", "--events", "rest.jsonl", "--journal", "piped.journal", "--broker", "sim", cwd=tmp_path)
        whole = caplex("run", "desk.cap", "--events", "rest.jsonl", "--journal", "whole.journal", "--broker", "sim", cwd=tmp_path)
        assert "30 taken before" in rest.stdout
        assert rest.stdout.splitlines()[-1].split("state")[1] == whole.stdout.splitlines()[-1].split("state")[1]

    @pytest.mark.skipif(os.name != "posix", reason="no such pipes here")
    def test_a_closed_pipe_stops_between_events(self, tmp_path: Path) -> None:
        write(tmp_path / "day.jsonl", stream(2, 3_000))
        process = subprocess.Popen(command("run", "desk.cap", "--events", "day.jsonl", "--journal", "cut.journal", "--durability", "os"), cwd=tmp_path,
                                   env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        assert process.wait(60) == 74
        assert "Traceback" not in err
        assert caplex("replay", "cut.journal", cwd=tmp_path).returncode == 0

    def test_help_has_an_example(self, capsys: pytest.CaptureFixture[str]) -> None:
        for name in (["run"], ["replay"], ["switch", "status"], ["switch", "trip"], ["switch", "rearm"], ["switch", "approve"]):
            assert main.run([*name, "--help"]) == 0
            assert f"    caplex {' '.join(name)} " in capsys.readouterr().out.replace("\n  caplex", "\n    caplex")
