"""`caplex switch`: how switches stand, and two people who arm one again with their keys."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from run_streams import DESK, START, at, write

import caplex
from caplex.compiler.cli import main
from caplex.runtime.journal import read
from caplex.runtime.signing import public_of, read_private

FALL = {"type": "account", "id": "a-9", "at": at(9), "account": "acct-1", "equity": "85000"}
RISE = {"type": "account", "id": "a-10", "at": at(60), "account": "acct-1", "equity": "95000"}
LATER = "2026-01-05T15:40:00Z"


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("desk.cap").write_text(DESK, encoding="utf-8")
    people = {}
    for name in ("risk-1", "risk-2", "trader-1"):
        assert main.run(["keys", "new", name]) == 0
        people[name] = {"roles": ["trader" if name == "trader-1" else "risk-officer"], "keys": [public_of(read_private(f"{name}.key"))]}
    Path("roles.json").write_text(json.dumps({"schema": "caplex.roles/1", "people": people}), encoding="utf-8")
    write(Path("day.jsonl"), [*START, FALL, RISE])
    assert main.run(["run", "desk.cap", "--events", "day.jsonl", "--journal", "desk.journal", "--roles", "roles.json"]) == 0
    capsys.readouterr()


def act(word: str, id: str, by: str, when: str, *more: str, key: str | None = None) -> int:
    return main.run(["switch", word, id, "--journal", "desk.journal", "--roles", "roles.json", "--by", by, "--key", f"{key or by}.key", "--at", when, *more])


def status(capsys: pytest.CaptureFixture[str], when: str) -> dict[str, Any]:
    assert main.run(["switch", "status", "--journal", "desk.journal", "--at", when, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert next(iter(found)) == "schema"
    assert found["schema"] == "caplex.switches/1"
    return found["switches"][0]  # type: ignore[no-any-return]


def test_status_tells_the_cause_and_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    row = status(capsys, at(120))
    assert (row["id"], row["scope"], row["state"], row["since"]) == ("KILL-010", {"account": "acct-1"}, "tripped", "2026-01-05T15:00:09.000000Z")
    assert row["cause"]["observed"] == "0.15"
    assert main.run(["switch", "status", "--journal", "desk.journal", "--at", at(120)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "KILL-010 on acct-1 (Drawdown stop): tripped since 2026-01-05T15:00:09Z by drawdown >= 10%, 0.15",
        "  nobody has asked to arm it; needs 2 risk-officer, and not before 2026-01-05T15:30:09Z"]


def test_two_people_arm_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert act("rearm", "KILL-010", "risk-1", at(120), "--reason", "odd prices", "--ticket", "RISK-501", "--request", "RQ-1") == 0
    assert "RQ-1 of risk-1, approved by risk-1; needs 1 more risk-officer, and not before 2026-01-05T15:30:09Z" in capsys.readouterr().out
    row = status(capsys, at(121))
    assert (row["request"]["ticket"], row["request"]["missing"]) == ("RISK-501", ["approvals", "time"])
    assert act("approve", "KILL-010", "risk-1", at(122)) == 1
    assert "refused: `risk-1` has approved already" in capsys.readouterr().out
    assert act("approve", "KILL-010", "trader-1", at(123)) == 1
    assert "no `risk-officer`" in capsys.readouterr().out
    assert act("approve", "KILL-010", "risk-2", LATER) == 0
    out = capsys.readouterr().out
    assert "armed: KILL-010 by risk-1, risk-2" in out
    assert "KILL-010 on acct-1 (Drawdown stop): armed" in out
    assert status(capsys, LATER)["state"] == "armed"
    assert main.run(["replay", "desk.journal"]) == 0
    signed = [record.body for record in read("desk.journal") if record.kind == "event" and record.body["type"] == "operator"]
    assert len(signed) == 4
    assert all(body["signature"].startswith("ed25519:") for body in signed)


def test_a_key_of_somebody_else_is_refused_and_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert act("rearm", "KILL-010", "risk-1", at(120), key="risk-2") == 1
    assert "signed with a key of `risk-2`" in capsys.readouterr().out
    last = [record for record in read("desk.journal") if record.kind == "outcome"][-1].body
    assert (last["status"], last["rejected"]["code"]) == ("rejected", "bad_signature")


def test_tripping_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    act("rearm", "KILL-010", "risk-1", at(120), "--request", "RQ-1")
    act("approve", "RQ-1", "risk-2", LATER)
    capsys.readouterr()
    assert act("trip", "KILL-010", "risk-1", "2026-01-05T15:50:00Z", "--reason", "odd prices", "--scope", "account=acct-1") == 0
    out = capsys.readouterr().out
    assert "tripped: KILL-010" in out
    assert "tripped by risk-1: odd prices" in out
    assert "to do: notify" in out


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["trip", "KILL-099", "--by", "risk-1", "--key", "risk-1.key", "--roles", "roles.json"], 1, "did you mean `KILL-010`"),
    (["trip", "KILL-010", "--by", "risk-1"], 2, "`--key NAME.key` signs the act"),
    (["trip", "KILL-010", "--by", "risk-1", "--key", "risk-1.key"], 2, "`--roles FILE` says who may act"),
    (["trip", "KILL-010", "--by", "risk-1", "--key", "risk-1.key", "--roles", "roles.json", "--scope", "x"], 2, "account=acct-1 is wanted"),
    (["trip", "KILL-010", "--by", "risk-1", "--key", "risk-1.key", "--roles", "roles.json", "--at", "noon"], 2, "`--at noon` is no time"),
    (["approve", "KILL-010", "--by", "risk-2", "--key", "risk-2.key", "--roles", "roles.json"], 1, "nobody has asked"),
    (["trip", "KILL-010", "--by", "risk-9", "--trust-operators", "--roles", "roles.json"], 1, "names no `risk-9`"),
])
def test_what_is_refused(arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["switch", *arguments, "--journal", "desk.journal", *([] if "--at" in arguments else ["--at", at(120)])]) == code
    told = capsys.readouterr()
    assert said in told.out + told.err


def test_trust_is_for_simulations_and_stands_in_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["switch", "trip", "KILL-010", "--journal", "desk.journal", "--by", "risk-1", "--trust-operators", "--at", at(120)]) == 0
    records = list(read("desk.journal"))
    assert [record.body["trust_operators"] for record in records if record.kind == "terms"] == [False, True]
    assert next(record.body for record in reversed(records) if record.kind == "outcome")["how"] == "trusted"
    assert main.run(["replay", "desk.journal"]) == 0


def test_a_running_engine_keeps_the_journal(capsys: pytest.CaptureFixture[str]) -> None:
    with caplex.Engine(caplex.load("desk.cap"), "desk.journal", operators="roles.json"):
        assert act("trip", "KILL-010", "risk-1", at(120)) == 75
        assert main.run(["switch", "status", "--journal", "desk.journal"]) == 0


def test_a_person_who_has_left_still_counts_where_they_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """The roles of then are in the journal: a later file does not undo what was armed by the people of the earlier one."""
    act("rearm", "KILL-010", "risk-1", at(120), "--request", "RQ-1")
    act("approve", "RQ-1", "risk-2", LATER)
    roles = json.loads(Path("roles.json").read_text(encoding="utf-8"))
    del roles["people"]["risk-2"]
    Path("roles.json").write_text(json.dumps(roles), encoding="utf-8")
    with caplex.Engine(caplex.load("desk.cap"), "desk.journal", operators="roles.json") as engine:
        assert [row["state"] for row in engine.switches] == ["armed"]
    assert main.run(["replay", "desk.journal"]) == 0


def test_no_journal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["switch", "status", "--journal", "nothing.journal"]) == 2
    assert act("trip", "KILL-010", "risk-1", at(120)) == 0
    assert main.run(["switch", "trip", "KILL-010", "--journal", "nothing.journal", "--by", "risk-1", "--key", "risk-1.key", "--roles", "roles.json"]) == 2
    assert not Path("nothing.journal").exists()
