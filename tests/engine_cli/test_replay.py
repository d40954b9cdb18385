"""`caplex replay` and `caplex explain --journal`: every answer proved again, tampering seen, other policies compared."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from run_streams import DESK, START, TIGHT, at, stream, write

import caplex
from caplex.compiler.cli import main
from caplex.compiler.recorded import compile_recorded
from caplex.runtime.brokers.sim import SimBroker
from caplex.runtime.journal import Journal, read
from caplex.runtime.replay import first_difference, replay
from caplex.runtime.stream import Stream


@pytest.fixture(autouse=True)
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A journal with trips, fills, repeats and operators."""
    monkeypatch.chdir(tmp_path)
    Path("desk.cap").write_text(DESK, encoding="utf-8")
    Path("tight.cap").write_text(TIGHT, encoding="utf-8")
    act = {"type": "operator", "id": "op-1", "at": at(70), "act": "rearm", "target": {"switch": "KILL-010"}, "by": "risk-1", "request_id": "RQ-1"}
    write(Path("day.jsonl"), [*stream(8, 60, crash_at=50), act, {**act, "id": "op-2", "by": "risk-2", "act": "approve", "target": {"request_id": "RQ-1"}}])
    options = ["--journal", "desk.journal", "--broker", "sim", "--fill", "partial", "--trust-operators", "--shadow", "tight.cap"]
    assert main.run(["run", "desk.cap", "--events", "day.jsonl", *options]) == 0
    capsys.readouterr()
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main.run([*arguments, "--format", "json"])
    return status, json.loads(capsys.readouterr().out)


class TestSamePolicy:
    def test_every_answer_comes_again(self, capsys: pytest.CaptureFixture[str]) -> None:
        status, found = told(capsys, "replay", "desk.journal")
        assert (status, found["identical"], found["differing"]) == (0, True, 0)
        assert found["decisions"] > 20
        assert found["again"] == found["decisions"] + found["outcomes"]
        with caplex.Engine(caplex.load("desk.cap"), "desk.journal", trust_operators=True) as engine:
            assert found["digest"] == engine.digest

    def test_the_policy_comes_from_the_journal(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("desk.cap").unlink()
        assert told(capsys, "replay", "desk.journal")[0] == 0

    def test_modules_and_packs_come_from_the_journal_too(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "rules" / "shared").mkdir(parents=True)
        (tmp_path / "rules" / "shared" / "caps.cap").write_text(
            'setting most : ratio = 10% lower is safer "Most of one symbol"\n'
            'limit EXP-030 "Shared cap" { abs(after.position.notional) at most most of account.equity else reduce }\n', encoding="utf-8")
        entry = DESK.replace("input market", 'use "shared/caps.cap" as caps\nuse stdlib.order_sanity as sanity (max_order_value = 75_000 USD)\ninput market')
        entry = entry.replace("stages KILL, LOSS, EXEC, EXP", "stages KILL, ORD, LOSS, EXEC, EXP")
        (tmp_path / "rules" / "desk.cap").write_text(entry, encoding="utf-8")
        assert main.run(["run", "rules/desk.cap", "--set", "caps.most=5%", "--events", "day.jsonl", "--journal", "m.journal"]) in (0, 1), capsys.readouterr()
        capsys.readouterr()
        for file in (tmp_path / "rules").rglob("*.cap"):
            file.unlink()
        status, found = told(capsys, "replay", "m.journal")
        assert (status, found["decisions"] > 20) == (0, True), found

    def test_a_journal_goes_on_under_another_policy(self, capsys: pytest.CaptureFixture[str]) -> None:
        journal = Path("two.journal")
        first, second = caplex.load("desk.cap"), caplex.load("tight.cap")
        with caplex.Engine(first, journal, trust_operators=True) as engine:
            running = Stream(engine, SimBroker())
            events = stream(4, 60)
            for event in events[:40]:
                running.take(event)
            engine.activate(second, by="risk-1", at=at(39))
            for event in events[40:]:
                running.take(event)
            digest = engine.digest
        status, found = told(capsys, "replay", "two.journal")
        assert (status, found["policies"], found["digest"]) == (0, 2, digest)

    def test_an_earlier_policy_is_folded_under_itself_after_a_restart(self, capsys: pytest.CaptureFixture[str]) -> None:
        first, second, events = caplex.load("desk.cap"), caplex.load("tight.cap"), stream(4, 60)
        more: dict[str, Any] = {"on_policy_change": "keep_state", "recorded": compile_recorded}
        for policy, part in ((first, events[:40]), (second, events[40:60]), (second, events[60:])):
            with caplex.Engine(policy, "two.journal", **more) as engine:
                running = Stream(engine, SimBroker())
                for event in part:
                    running.take(event)
                digest = engine.digest
        status, found = told(capsys, "replay", "two.journal")
        assert (status, found["policies"], found["digest"]) == (0, 2, digest)
        with pytest.raises(caplex.JournalError, match="several policies"):
            caplex.Engine(second, "two.journal")
        with pytest.raises(caplex.JournalError, match="another policy"):
            caplex.Engine(first, "two.journal", recorded=compile_recorded)

    def test_a_torn_last_line_is_told_and_no_difference(self, capsys: pytest.CaptureFixture[str]) -> None:
        with Path("desk.journal").open("a", encoding="utf-8") as file:
            file.write('{"at":null,"bo')
        status, found = told(capsys, "replay", "desk.journal")
        assert (status, found["torn"]["kind"]) == (0, "torn")

    def test_an_event_whose_answer_a_crash_took(self, capsys: pytest.CaptureFixture[str]) -> None:
        lines = Path("desk.journal").read_bytes().splitlines(keepends=True)
        last = next(number for number in range(len(lines) - 1, 0, -1) if b'"kind":"decision"' in lines[number])
        Path("cut.journal").write_bytes(b"".join(lines[:last]))
        status, found = told(capsys, "replay", "cut.journal")
        assert (status, found["unanswered"]) == (0, 1)
        caplex.Engine(caplex.load("desk.cap"), "cut.journal", trust_operators=True).close()
        status, found = told(capsys, "replay", "cut.journal")
        assert (status, found["unanswered"]) == (0, 0)


class TestDifferences:
    @pytest.mark.parametrize("how", ["changed", "dropped", "swapped", "repeated"])
    def test_tampering_is_told(self, how: str, capsys: pytest.CaptureFixture[str]) -> None:
        lines = Path("desk.journal").read_bytes().splitlines(keepends=True)
        if how == "changed":
            lines[20] = lines[20].replace(b'"acct-1"', b'"acct-2"') if b'"acct-1"' in lines[20] else lines[20].replace(b"1", b"2", 1)
        elif how == "dropped":
            del lines[20]
        elif how == "swapped":
            lines[20], lines[21] = lines[21], lines[20]
        else:
            lines.insert(21, lines[20])
        Path("desk.journal").write_bytes(b"".join(lines))
        status, found = told(capsys, "replay", "desk.journal")
        assert status == 1
        assert found["broken"] >= 1
        assert not found["identical"]
        assert main.run(["replay", "desk.journal"]) == 1
        assert "the chain is broken" in capsys.readouterr().out

    def test_a_chain_that_was_made_anew_does_not_hide_another_answer(self, capsys: pytest.CaptureFixture[str]) -> None:
        changed = 0
        with Journal.open("forged.journal", header={}) as forged:
            for record in read("desk.journal"):
                body = record.body
                if record.kind == "decision" and body["verdict"] == "DENY" and not changed and body["decided_by"] == "EXEC-010":
                    body, changed = {**body, "verdict": "ALLOW", "quantity": body["requested"]}, record.seq
                if record.kind != "open":
                    forged.append(record.kind, record.at, body)
        assert changed
        status, found = told(capsys, "replay", "forged.journal")
        assert (status, found["broken"], found["differing"]) == (1, 0, 1)
        first = found["differences"][0]
        assert (first["seq"], first["path"]) == (changed, "/quantity")
        assert main.run(["replay", "forged.journal"]) == 1
        assert f"line {changed + 1}" in capsys.readouterr().out

    def test_texts_that_give_another_policy_are_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        with Journal.open("forged.journal", header={}) as forged:
            for record in read("desk.journal"):
                body = record.body
                if record.kind == "policy":
                    body = {**body, "sources": {body["entry"]: TIGHT}}
                if record.kind != "open":
                    forged.append(record.kind, record.at, body)
        assert main.run(["replay", "forged.journal"]) == 2
        assert "was changed" in capsys.readouterr().err

    @pytest.mark.parametrize(("one", "two", "path"), [
        ({"a": 1}, {"a": 2}, "/a"), ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}, "/a/1/b"), ({"a": 1}, {"a": 1, "b": None}, "/b"), ([1], [1, 2], "/1")])
    def test_the_first_difference_is_named(self, one: Any, two: Any, path: str) -> None:
        assert first_difference(one, two)[0] == path

    def test_no_journal(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main.run(["replay", "nothing.journal"]) == 2
        assert main.run(["replay", "desk.cap"]) == 2


class TestOtherPolicy:
    def test_flips_are_listed_with_why(self, capsys: pytest.CaptureFixture[str]) -> None:
        status, found = told(capsys, "replay", "desk.journal", "--policy", "tight.cap")
        assert (status, found["identical"]) == (0, True)
        assert found["flipped"] == len(found["flips"]) == sum(found["kinds"].values()) > 3
        assert all(flip["was"] != flip["would_be"] for flip in found["flips"])
        flip = next(flip for flip in found["flips"] if flip["kind"] == "allow:modify")
        assert flip["would_be"]["decided_by"] == "EXP-010"
        assert main.run(["replay", "desk.journal", "--policy", "tight.cap"]) == 0
        out = capsys.readouterr().out
        assert f"tight.cap decides {found['flipped']} of {found['decisions']} otherwise" in out
        assert f"ALLOW {flip['was']['quantity']} → MODIFY {flip['would_be']['quantity']}  EXP-010: " in out

    def test_the_same_policy_flips_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert told(capsys, "replay", "desk.journal", "--policy", "desk.cap")[1]["flipped"] == 0

    def test_fail_on(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main.run(["replay", "desk.journal", "--policy", "tight.cap", "--fail-on", "allow:modify"]) == 1
        assert main.run(["replay", "desk.journal", "--policy", "tight.cap", "--fail-on", "hold:allow"]) == 0
        assert main.run(["replay", "desk.journal", "--policy", "tight.cap", "--fail-on", "allow"]) == 2
        assert main.run(["replay", "desk.journal", "--fail-on", "allow:deny"]) == 2


class TestExplaining:
    def test_it_is_told_as_it_was_told_then(self, capsys: pytest.CaptureFixture[str]) -> None:
        live: dict[str, str] = {}
        with caplex.Engine(caplex.load("desk.cap"), "live.journal") as engine:
            engine.on("decision", lambda decision: live.setdefault(decision.to_dict()["intent_id"], decision.explain().text().rstrip("\n")))
            running = Stream(engine, SimBroker())
            for event in stream(8, 60, crash_at=50):
                running.take(event)
        assert len(live) > 20
        offered = 0
        for intent, text in live.items():
            assert main.run(["explain", "--journal", "live.journal", intent]) == 0
            said = capsys.readouterr().out.rstrip("\n")
            assert said.startswith(text)
            more = said.removeprefix(text).strip()  # what would have made it pass is not known once the state has moved on
            assert not more or more.startswith(("to be allowed: ", "cannot be allowed", "nothing")), more
            offered += more.startswith("to be allowed: ")
        assert offered >= 3
        assert {"ALLOW", "MODIFY", "DENY"} <= {text.split()[0] for text in live.values()}

    def test_by_the_id_of_the_decision(self, capsys: pytest.CaptureFixture[str]) -> None:
        body = next(record.body for record in read("desk.journal") if record.kind == "decision")
        status, found = told(capsys, "explain", "--journal", "desk.journal", body["decision_id"])
        assert (status, found["decision"]["intent_id"]) == (0, body["intent_id"])
        assert found["rules"]

    @pytest.mark.parametrize(("arguments", "said"), [
        (["--journal", "desk.journal", "i-999"], "holds no decision and no intent `i-999`"), (["--journal", "nothing", "i-1"], "no such file"),
        (["--journal", "desk.journal", "i-1", "--facts", "x.json"], "brings its own facts")])
    def test_what_cannot_be_told(self, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main.run(["explain", *arguments]) == 2
        assert said in capsys.readouterr().err


def test_replay_from_python() -> None:
    seen: list[int] = []
    found = replay("desk.journal", load=compile_recorded, progress=seen.append)
    assert found.identical
    assert seen == sorted(seen)
    assert len(seen) > found.events
    assert START[0]["account"] == "acct-1"
