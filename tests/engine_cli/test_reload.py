"""`caplex run` with a policy that changes on the way: a line that names it, or its file that is written anew."""
from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from run_streams import DESK, START, TIGHT, at, caplex, command, environment, write

import caplex as product
from caplex.compiler.cli import main
from caplex.runtime.journal import read
from caplex.runtime.signing import generate, sign_event

QUOTE = {"type": "quote", "at": at(0), "symbol": "AAPL", "price": "100"}
OWNED = DESK.replace('timezone "UTC"', 'timezone "UTC" owner "Risk desk"')
OWNED_TIGHT = TIGHT.replace('timezone "UTC"', 'timezone "UTC" owner "Risk desk"')
PRIVATE, PUBLIC = generate()
ROLES = {"schema": "caplex.roles/1", "channels": {}, "people": {"risk-1": {"roles": ["risk-desk"], "keys": [PUBLIC]}}}


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("desk.cap").write_text(OWNED, encoding="utf-8")
    Path("tight.cap").write_text(OWNED_TIGHT, encoding="utf-8")
    Path("roles.json").write_text(json.dumps(ROLES), encoding="utf-8")
    return tmp_path


def intent(number: int) -> dict[str, Any]:
    return {"type": "intent", "id": f"i-{number}", "at": at(number), "account": "acct-1", "symbol": "AAPL", "side": "buy", "action": "open",
            "quantity": "300", "order_type": "market"}


def line(path: str = "tight.cap", *, second: int = 2, sign: bool = True, **more: Any) -> dict[str, Any]:
    policy = product.load(path) if Path(path).exists() and "broken" not in path else None
    act = {"type": "policy", "act": "activate", "at": at(second), "path": path, "by": "risk-1", **more}
    if policy is not None and sign:
        act |= {"hash": policy.hash, "settings_hash": policy.settings_hash}
    return sign_event(act, PRIVATE) if sign else act


def run(capsys: pytest.CaptureFixture[str], events: list[dict[str, Any]], *options: str, policy: str = "desk.cap") -> tuple[int, list[dict[str, Any]], str]:
    write(Path("day.jsonl"), events)
    status = main.run(["run", policy, "--events", "day.jsonl", "--roles", "roles.json", "--journal", "j", "--format", "json", *options])
    told = capsys.readouterr()
    return status, [json.loads(each) for each in told.out.splitlines()], told.err


def sizes(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["intent_id"], each["quantity"]) for each in found if each["schema"] == "caplex.decision/1"]


def test_a_signed_line_lets_another_policy_take_over(capsys: pytest.CaptureFixture[str]) -> None:
    status, found, _ = run(capsys, [*START, QUOTE, line(), intent(3)])
    (told,) = [each for each in found if each["schema"] == "caplex.activation/1"]
    assert (status, told["status"], told["by"], told["how"], told["path"]) == (0, "activated", "risk-1", "signature", "tight.cap")
    assert sizes(found) == [("i-3", "40")]
    assert found[-1]["policy"]["hash"] == product.load("tight.cap").hash
    assert main.run(["replay", "j"]) == 0
    assert main.run(["audit", "verify", "j"]) == 0


def test_a_run_that_is_started_again_under_the_new_policy_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    events = [*START, QUOTE, intent(1), line(), intent(3)]
    _, first, _ = run(capsys, events, "--broker", "sim")
    assert sizes(first) == [("i-1", "100"), ("i-3", "0")]
    status = main.run(["run", "desk.cap", "--events", "day.jsonl", "--roles", "roles.json", "--journal", "j"])
    assert (status != 0, "was written under another policy" in capsys.readouterr().err) == (True, True)
    status, again, _ = run(capsys, [*events, {**intent(20), "side": "sell", "quantity": "60"}], "--broker", "sim", policy="tight.cap")
    assert (status, sizes(again), again[-1]["taken_before"]) == (0, [("i-20", "60")], len(events))
    assert [each for each in again if each["schema"] == "caplex.activation/1"] == []
    assert main.run(["replay", "j"]) == 0


@pytest.mark.parametrize(("change", "words"), [
    ("unsigned", "not signed"), ("missing", "does not compile"), ("broken", "does not compile"), ("pathless", "activated by the host")])
def test_what_may_not_take_over_is_told_and_the_old_one_stays(change: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.cap").write_text(OWNED.replace("limit", "limt"), encoding="utf-8")
    event = {"unsigned": lambda: line(sign=False), "missing": lambda: line("none.cap"), "broken": lambda: line("broken.cap"),
             "pathless": lambda: {name: value for name, value in line().items() if name != "path"}}[change]()
    status, found, _ = run(capsys, [*START, QUOTE, event, intent(3)])
    told = [each["message"] for each in found if each["schema"] in ("caplex.activation/1", "caplex.refused/1")]
    assert len(told) == 1
    assert words in told[0]
    assert "\n" not in told[0]
    assert sizes(found) == [("i-3", "100")]
    notes = [record.body for record in read(Path("j")) if record.kind == "note"]
    assert [note["note"] for note in notes] == ([] if change == "pathless" else ["policy_refused"])
    assert status == (1 if change == "pathless" else 0)
    assert main.run(["replay", "j"]) == 0


def test_people_read_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    write(Path("day.jsonl"), [*START, QUOTE, line(), line(second=4, sign=False)])
    main.run(["run", "desk.cap", "--events", "day.jsonl", "--roles", "roles.json"])
    out = capsys.readouterr().out
    assert "POLICY ACTIVATED  desk 1, sha256:" in out
    assert "POLICY REFUSED  the policy cannot take over: the act of `risk-1` is not signed" in out


def test_watching_needs_trust(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["run", "desk.cap", "--events", "-", "--watch"]) == 2
    assert "--trust-operators" in capsys.readouterr().err


def test_a_file_that_changes_is_taken_over_between_events_and_a_broken_one_is_not() -> None:
    process = subprocess.Popen(command("run", "desk.cap", "--events", "-", "--journal", "j", "--watch", "--trust-operators", "--format", "json"),
                               env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None

    def give(*events: dict[str, Any]) -> None:
        assert process.stdin is not None
        process.stdin.write("".join(json.dumps(event) + "\n" for event in events))
        process.stdin.flush()

    def told() -> dict[str, Any]:
        assert process.stdout is not None
        return json.loads(process.stdout.readline())  # type: ignore[no-any-return]

    def changed(text: str) -> None:
        fresh = Path("fresh.cap")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, "desk.cap")
        time.sleep(1.2)

    try:
        give(*START, QUOTE, intent(1))
        assert (told()["quantity"]) == "100"
        changed(OWNED_TIGHT.replace("limit", "limt"))
        give({"type": "tick", "at": at(2)})
        broken = told()
        assert (broken["schema"], broken["status"]) == ("caplex.activation/1", "refused")
        changed(OWNED_TIGHT)
        give({"type": "cancel", "intent_id": "i-1", "at": at(3)}, intent(4))
        taken = [told() for _ in range(2)]
        assert [taken[0]["status"], taken[0]["how"], taken[0]["by"]] == ["activated", "trusted", "watch"]
        while taken[-1]["schema"] != "caplex.decision/1":
            taken.append(told())
        assert taken[-1]["policy"]["hash"] == taken[0]["policy"]["hash"]
    finally:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert caplex("replay", "j", cwd=Path.cwd()).returncode == 0
    again = caplex("run", "desk.cap", "--events", "-", "--journal", "j", "--watch", "--trust-operators", cwd=Path.cwd(), given="")
    assert again.returncode == 0, again.stderr


# ── another policy at the start ───────────────────────────────────────────────────────────────────────


def restarted(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[dict[str, Any]], str]:
    run(capsys, [*START, QUOTE, intent(1)])
    return run(capsys, [*START, QUOTE, intent(1), intent(20)], "--keep-state", *options, policy="tight.cap")


def test_its_owner_lets_another_policy_go_on_with_the_journal(capsys: pytest.CaptureFixture[str]) -> None:
    Path("act.json").write_text(json.dumps(line()), encoding="utf-8")
    status, found, _ = restarted(capsys, "--activation", "act.json")
    assert (status, sizes(found), found[-1]["taken_before"]) == (0, [("i-20", "0")], len(START) + 2)
    (body,) = [record.body for record in read("j") if record.kind == "policy" and record.body.get("act")]
    assert (body["by"], body["how"]) == ("risk-1", "signature")
    assert main.run(["replay", "j"]) == 0


@pytest.mark.parametrize(("options", "words"), [
    ([], "for `risk-desk`, the owner of the present policy, to let it"),
    (["--activated-by", "risk-1"], "is not signed"),
    (["--activation", "unsigned.json"], "is not signed"),
])
def test_without_its_owner_it_is_not_let_in(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("unsigned.json").write_text(json.dumps(line(sign=False)), encoding="utf-8")
    run(capsys, [*START, QUOTE, intent(1)])
    status = main.run(["run", "tight.cap", "--events", "day.jsonl", "--roles", "roles.json", "--journal", "j", "--keep-state", *options])
    told = capsys.readouterr()
    assert (status, told.out) == (2, "")
    assert words in " ".join(told.err.split())
    assert main.run(["replay", "j"]) == 0


def test_where_operators_are_trusted_a_name_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    status, found, _ = restarted(capsys, "--trust-operators", "--activated-by", "risk-1")
    assert (status, sizes(found)) == (0, [("i-20", "0")])


@pytest.mark.parametrize("options", [["--activation", "act.json"], ["--activated-by", "x"], ["--keep-state", "--activation", "act.json", "--activated-by", "x"]])
def test_who_lets_it_is_said_once_and_with_keep_state(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    write(Path("day.jsonl"), [*START])
    assert main.run(["run", "desk.cap", "--events", "day.jsonl", *options]) == 2
    assert "`--activation`" in capsys.readouterr().err
