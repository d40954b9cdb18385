"""Ids that are spent once, decisions on hold, policies that take over."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from caplex.compiler.recorded import compile_recorded
from caplex.runtime.errors import EventError, JournalError
from caplex.runtime.journal import read
from engine.support import Desk, policy, verdict

ROOM = 'limit EXP-010 "Position" { abs(after.position.notional) at most 1_000 USD else reduce }\n'
HOLD = ROOM + 'rule EXP-020 "Large" { hold when intent.quantity > 10 units for approval by role "risk" quorum 2 within 1h }\n'
STOP = 'kill switch KILL-010 "Stop" for account { trip when account.equity < 50_000 USD while tripped deny opening rearm by 1 of "risk" }\n'


def desk_with(rules: str, journal: Path | None = None, more: str = "", **options: Any) -> Desk:
    made = Desk(policy(rules, more=more), journal, **options)
    made.quote("X", "10")
    return made


# ── ids ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_content_gets_the_same_answer_and_takes_room_once(tmp_path: Path) -> None:
    desk = desk_with(ROOM, tmp_path / "j")
    first = desk.submit("buy", "60", id="i-1").to_dict()
    for again in (desk.submit("buy", "60", id="i-1"), desk.later(1).submit("buy", "60", id="i-1"), desk.restart().submit("buy", "60", id="i-1")):
        told = again.to_dict()
        assert (told["verdict"], told["quantity"], told["decision_id"]) == (first["verdict"], first["quantity"], first["decision_id"])
        assert (told["repeat_of"], told["usable"]) == (first["decision_id"], True)
    assert desk.rooms() == [("i-1", "60", "held")]


def test_other_content_under_the_same_id_is_denied_and_changes_nothing() -> None:
    desk = desk_with(ROOM)
    first = desk.submit("buy", "60", id="i-1").to_dict()
    told = desk.submit("buy", "61", id="i-1", strategy="t").to_dict()
    assert (told["verdict"], told["decided_by"]) == ("DENY", "SYS-011")
    assert told["errors"][0]["differs"] == ["/quantity", "/strategy"]
    assert told["errors"][0]["first"] == first["decision_id"]
    assert desk.rooms() == [("i-1", "60", "held")]
    assert desk.submit("buy", "60", id="i-1").to_dict()["repeat_of"] == first["decision_id"]


@pytest.mark.parametrize(("after", "why"), [("trip", True), ("lapse", False), ("sent", False)])
def test_an_approval_that_can_no_longer_be_used_says_so(after: str, why: bool) -> None:
    desk = desk_with(ROOM + STOP)
    desk.submit("buy", "60", id="i-1")
    match after:
        case "trip":
            desk.later(1).account(equity="1")
        case "lapse":
            desk.later(30)
        case _:
            desk.order("sent", intent_id="i-1")
    told = desk.submit("buy", "60", id="i-1").to_dict()
    assert (told["verdict"], told["usable"], "unusable_because" in told) == ("ALLOW", False, why)
    if why:
        assert told["unusable_because"] == [{"rule": "KILL-010", "at": "2026-01-05T15:00:01.000000Z"}]


def test_ids_are_forgotten_after_their_time_and_not_before() -> None:
    desk = desk_with(ROOM, more="idempotency keep 1h")
    first = desk.submit("buy", "6", id="i-1").to_dict()
    assert desk.later(3600).submit("buy", "6", id="i-1").to_dict()["repeat_of"] == first["decision_id"]
    assert desk.later(0.001).submit("buy", "6", id="i-1").to_dict()["repeat_of"] is None


def test_an_id_whose_order_still_works_is_not_forgotten() -> None:
    desk = desk_with(ROOM, more="idempotency keep 1h")
    desk.submit("buy", "60", id="i-1")
    desk.order("open", intent_id="i-1", order_id="o-1", quantity="60")
    assert desk.later(90_000).submit("buy", "60", id="i-1").to_dict()["repeat_of"] is not None
    assert desk.rooms() == [("i-1", "60", "working")]
    desk.apply("cancel", order_id="o-1")
    desk.later(90_000).submit("buy", "1", id="i-2")
    assert desk.submit("buy", "60", id="i-1").to_dict()["repeat_of"] is None


def test_ids_do_not_pile_up() -> None:
    desk = desk_with(ROOM, more="idempotency keep 1h")
    for number in range(100):
        desk.later(360).submit("buy", "1", id=f"i-{number}")
    assert sum(desk.engine.decision(f"i-{number}") is not None for number in range(100)) <= 12


def test_peeking_takes_nothing(tmp_path: Path) -> None:
    desk = desk_with(ROOM, tmp_path / "j")
    size, before = (tmp_path / "j").stat().st_size, desk.engine.digest
    assert verdict(desk.engine.peek(desk.intent("buy", "200", id="i-1"))) == ("MODIFY", "100", "EXP-010")
    assert (desk.engine.digest, (tmp_path / "j").stat().st_size) == (before, size)


def test_peeking_sees_what_time_will_have_done() -> None:
    desk = desk_with(ROOM + STOP)
    desk.submit("buy", "100")
    assert verdict(desk.later(30).engine.peek(desk.intent("buy", "50", id="i-9"))) == ("ALLOW", "50", None)
    assert len(desk.rooms()) == 1, "and does nothing about it"


# ── holds ─────────────────────────────────────────────────────────────────────────────────────────────


def approved(desk: Desk, *people: str, **target: str) -> list[dict[str, Any]]:
    return [desk.operator("approve", by=name, target=target or {"intent_id": "i-1"}).to_dict() for name in people]


def test_a_hold_takes_no_room_and_two_people_let_it_through(tmp_path: Path) -> None:
    desk = desk_with(HOLD, tmp_path / "j")
    told = desk.submit("buy", "150", id="i-1").to_dict()
    assert (told["verdict"], told["quantity"], told["if_approved"], desk.rooms()) == ("HOLD", "0", "100", [])
    assert told["hold"]["needs"] == [{"act": "approve", "rule": "EXP-020", "role": "risk", "quorum": 2, "have": []}]
    assert [held.intent_id for held in desk.engine.held] == ["i-1"]
    once, twice = approved(desk, "risk-1", "risk-1")
    assert (once["status"], twice["rejected"]["code"]) == ("applied", "already_approved")
    desk.restart()
    heard: list[Any] = []
    desk.engine.on("released", heard.append)
    (let,) = approved(desk, "risk-2")
    assert [(each["verdict"], each["quantity"]) for each in let["released"]] == [("MODIFY", "100")]
    assert [verdict(decision) for decision in heard] == [("MODIFY", "100", "EXP-010")]
    assert desk.rooms() == [("i-1", "100", "held")]
    assert desk.engine.held == ()
    assert approved(desk, "risk-3")[0]["rejected"]["code"] == "hold_used"
    assert verdict(desk.submit("buy", "150", id="i-1")) == ("MODIFY", "100", "EXP-010"), "the same intent gets the new answer"
    before = desk.engine.digest
    assert desk.restart().engine.digest == before


def test_a_release_judges_on_what_is_known_then() -> None:
    desk = desk_with(HOLD)
    desk.submit("buy", "50", id="i-1")
    desk.submit("buy", "10", id="i-2")
    desk.later(5).fill("buy", "95")
    released = approved(desk, "risk-1", "risk-2")[1]["released"][0]
    assert (released["verdict"], released["decided_by"], released["at"]) == ("DENY", "EXP-010", "2026-01-05T15:00:05.000000Z")


def test_an_intent_that_names_no_account_can_be_approved() -> None:
    """The approval binds to the content as it was sent."""
    desk = desk_with(HOLD)
    intent = {name: value for name, value in desk.intent("buy", "50", id="i-1").items() if name != "account"}
    desk.engine.submit(intent)
    assert approved(desk, "risk-1", "risk-2")[1]["released"][0]["verdict"] == "ALLOW"
    assert desk.engine.submit(intent).to_dict()["repeat_of"] is not None


@pytest.mark.parametrize(("change", "code"), [
    ({"hold_id": "h-99"}, "unknown_hold"), ({"intent_id": "i-1", "policy_hash": "sha256:0"}, "other_content"),
    ({"intent_id": "i-1", "intent_hash": "sha256:0"}, "other_content")])
def test_an_approval_of_something_else_is_refused(change: dict[str, str], code: str) -> None:
    desk = desk_with(HOLD)
    desk.submit("buy", "50", id="i-1")
    assert approved(desk, "risk-1", **change)[0]["rejected"]["code"] == code


def test_a_hold_expires() -> None:
    desk = desk_with(HOLD)
    desk.submit("buy", "50", id="i-1")
    approved(desk, "risk-1")
    assert approved(desk.later(3600), "risk-2")[0]["rejected"]["code"] == "hold_expired"
    assert desk.engine.held == ()
    assert desk.rooms() == []


def test_a_hold_outlives_the_ids_that_are_forgotten(tmp_path: Path) -> None:
    """Otherwise an approval would be written down that can never be folded."""
    desk = desk_with(HOLD, tmp_path / "j", more="idempotency keep 1min")
    desk.submit("buy", "50", id="i-1")
    desk.later(600).submit("buy", "1", id="i-2")
    assert approved(desk, "risk-1", "risk-2")[1]["released"][0]["verdict"] == "ALLOW"
    before = desk.engine.digest
    assert desk.restart().engine.digest == before


@pytest.mark.parametrize("how", ["expression", "person", "other account"])
def test_a_hold_never_survives_a_trip_that_concerns_it(how: str) -> None:
    desk = desk_with(HOLD + STOP)
    desk.submit("buy", "50", id="i-1")
    approved(desk, "risk-1")
    match how:
        case "expression":
            desk.account(equity="1")
            desk.account(equity="100000")
        case "person":
            desk.operator("trip", target={"switch": "KILL-010"})
        case _:
            desk.account(account="b", equity="1")
            assert [each["verdict"] for each in approved(desk, "risk-2")[0]["released"]] == ["ALLOW"]
            return
    desk.operator("rearm", target={"switch": "KILL-010"})
    assert approved(desk, "risk-2")[0]["rejected"]["code"] == "overtaken_by_trip"


def test_a_switch_that_trips_by_time_alone_ends_the_hold_that_is_released_then() -> None:
    late = 'kill switch KILL-010 "Stale" for account { trip when now - (account.as_of else now) > 1min while tripped deny opening rearm by 1 of "risk" }\n'
    desk = desk_with(HOLD + late)
    desk.submit("buy", "50", id="i-1")
    approved(desk, "risk-1")
    released = approved(desk.later(61), "risk-2")[0]["released"][0]
    assert (released["verdict"], released["decided_by"]) == ("DENY", "KILL-010")


def test_declining_ends_a_hold() -> None:
    desk = desk_with(HOLD)
    told = desk.submit("buy", "50", id="i-1").to_dict()
    assert desk.apply("decline", hold_id=told["hold"]["id"], by="risk-1").to_dict()["status"] == "applied"
    assert approved(desk, "risk-1")[0]["status"] == "rejected"
    assert desk.engine.held == ()
    assert desk.apply("decline", hold_id=told["hold"]["id"], by="risk-2").to_dict()["rejected"]["code"] == "hold_denied"


@pytest.mark.parametrize("act", ["decline", "operator"])
def test_who_might_have_approved_may_decline_and_nobody_else(act: str) -> None:
    people = {"risk-1": {"roles": ["risk"]}, "dev-1": {"roles": ["dev"]}}
    desk = desk_with(HOLD, operators={"schema": "caplex.roles/1", "people": people, "channels": {}}, trust_operators=False)
    name = desk.submit("buy", "50", id="i-1").to_dict()["hold"]["id"]

    def no(by: str, **how: str) -> str | None:
        event = {"type": "decline", "hold_id": name} if act == "decline" else {"type": "operator", "act": "decline", "target": {"intent_id": "i-1"}}
        desk.count += 1
        told = desk.engine.apply({**event, "id": f"e-{desk.count}", "at": desk.at, "by": by}, **how).to_dict()
        return told["rejected"]["code"] if told["status"] == "rejected" else None

    assert [no("risk-1"), no("dev-1", subject="dev-1"), no("risk-1", subject="dev-1")] == ["no_signature", "lacks_role", "other_subject"]
    assert len(desk.engine.held) == 1
    assert (no("risk-1", subject="risk-1"), desk.engine.held) == (None, ())


@pytest.mark.parametrize(("end", "code"), [
    ("expiry", "hold_expired"), ("decline", "hold_denied"), ("withdraw", "hold_withdrawn"), ("trip", "overtaken_by_trip")])
def test_an_intent_whose_hold_is_over_is_denied_if_it_comes_again(end: str, code: str, tmp_path: Path) -> None:
    desk = desk_with(HOLD + STOP, tmp_path / "j")
    first = desk.submit("buy", "50", id="i-1").to_dict()
    assert desk.later(1).submit("buy", "50", id="i-1").to_dict()["verdict"] == "HOLD"
    match end:
        case "expiry":
            desk.later(3600)
        case "decline":
            desk.operator("decline", target={"hold_id": first["hold"]["id"]})
        case "withdraw":
            desk.apply("release", intent_id="i-1", because="no more")
        case _:
            desk.operator("trip", target={"switch": "KILL-010"})
    for _ in range(2):
        told = desk.submit("buy", "50", id="i-1").to_dict()
        assert (told["verdict"], told["decided_by"], told["repeat_of"], told["hold"]["ended"]) == ("DENY", "EXP-020", first["decision_id"], code)
        assert ("if_approved" in told, told["quantity"], told["reasons"][0]["effect"]) == (False, "0", "deny")
        desk.restart()
    assert first["hold"]["id"] in told["reasons"][0]["message"] or "i-1" in told["reasons"][0]["message"]
    assert approved(desk, "risk-1")[0]["rejected"]["code"] == code


def test_a_forced_hold_lets_a_deny_be_overridden_once() -> None:
    rules = ROOM + 'rule EXP-030 "Short" overridable by role "risk" { deny when intent.side == sell }\n'
    desk = desk_with(rules)
    assert verdict(desk.submit("sell", "5", id="i-1")) == ("HOLD", "0", "EXP-030")
    released = approved(desk, "risk-1")[0]["released"][0]
    assert (released["verdict"], released["quantity"]) == ("ALLOW", "5")
    assert verdict(desk.submit("sell", "5", id="i-2"))[0] == "HOLD"


# ── policies ──────────────────────────────────────────────────────────────────────────────────────────


def test_another_policy_takes_over_with_rooms_and_marks_kept() -> None:
    desk = desk_with(ROOM + STOP)
    desk.submit("buy", "60", id="i-1")
    desk.engine.activate(policy(ROOM.replace("1_000", "700") + STOP), by="risk-1", at=desk.at)
    assert verdict(desk.submit("buy", "60")) == ("MODIFY", "10", "EXP-010")
    assert desk.told()["peak_equity"] == "100000"


@pytest.mark.parametrize("obstacle", ["tripped", "hold", "currency"])
def test_what_would_disappear_stands_in_the_way(obstacle: str, tmp_path: Path) -> None:
    desk = desk_with(HOLD + STOP, tmp_path / "j")
    other = policy(HOLD)
    match obstacle:
        case "tripped":
            desk.account(equity="1")
        case "hold":
            desk.submit("buy", "50", id="i-1")
        case _:
            import caplex
            from engine.support import HEADER, SKIPS

            text = HEADER.replace("CLOSING", SKIPS).replace("MORE", "").replace("currency USD", "currency EUR") + HOLD.replace("USD", "EUR")
            other = caplex.compile_text(text, name="t.cap")
    before = desk.engine.digest
    with pytest.raises(EventError, match="cannot take over"):
        desk.engine.activate(other, by="risk-1", at=desk.at)
    assert (desk.engine.digest, desk.engine.policy) == (before, desk.policy)
    last = list(read(tmp_path / "j"))[-1]
    assert (last.kind, last.body["note"], last.body["code"], last.body["event"]["by"]) == ("note", "policy_refused", "in_the_way", "risk-1")
    assert desk.restart().engine.digest == before


def test_a_journal_of_another_policy_is_refused_unless_its_state_is_wanted(tmp_path: Path) -> None:
    desk = desk_with(ROOM, tmp_path / "j")
    desk.policy = policy(ROOM.replace("1_000", "700"))
    with pytest.raises(JournalError, match="another policy"):
        desk.restart()
    desk.restart(on_policy_change="keep_state", recorded=compile_recorded)
    assert verdict(desk.submit("buy", "100"))[1] == "70"


def test_what_happened_under_an_earlier_policy_is_folded_under_that_one(tmp_path: Path) -> None:
    """Otherwise a tighter policy would deny, after a restart, what was approved, and its room would be gone."""
    desk = desk_with(ROOM, tmp_path / "j", recorded=compile_recorded)
    desk.submit("buy", "100", id="i-1")
    desk.policy = policy(ROOM.replace("1_000", "700"))
    desk.engine.activate(desk.policy, by="risk-1", at=desk.at)
    desk.submit("sell", "150", id="i-2")
    before, rooms = desk.engine.digest, desk.rooms()
    assert rooms == [("i-1", "100", "held"), ("i-2", "70", "held")]
    desk.restart()
    assert (desk.engine.digest, desk.rooms()) == (before, rooms)


def test_a_window_of_a_new_policy_does_not_believe_what_the_old_one_threw_away(tmp_path: Path) -> None:
    desk = desk_with(ROOM, tmp_path / "j", recorded=compile_recorded)
    for _ in range(3):
        desk.later(60).fill("buy", "1")
    desk.policy = policy(ROOM + 'throttle EXEC-010 "Fills" { deny beyond 2 fills in any 1h }')
    desk.engine.activate(desk.policy, by="risk-1", at=desk.at)
    decision = desk.later(1).submit("buy", "1")
    assert verdict(decision) in (("DENY", "0", "SYS-007"), ("DENY", "0", "EXEC-010"))
    before = desk.engine.digest
    assert desk.restart().engine.digest == before
    assert verdict(desk.submit("buy", "1", id="i-again"))[0] == "DENY"
    assert verdict(desk.later(3600).submit("buy", "1"))[0] == "ALLOW"


def test_a_shadow_decides_on_the_same_facts_and_spends_nothing() -> None:
    tight = policy(ROOM.replace("1_000", "800"))
    desk = desk_with(ROOM, shadows=[tight])
    (seen,) = desk.submit("buy", "60").to_dict()["shadows"]
    assert (seen["verdict"], seen["quantity"], seen["flip"]) == ("ALLOW", "60", False), "before the room was taken"
    (seen,) = desk.submit("buy", "40").to_dict()["shadows"]
    assert (seen["verdict"], seen["quantity"], seen["decided_by"], seen["flip"]) == ("MODIFY", "20", "EXP-010", True)
    (seen,) = desk.later(30).submit("buy", "80").to_dict()["shadows"]
    assert (seen["verdict"], seen["flip"]) == ("ALLOW", False), "at the time of the intent"
