"""What is easily taken twice or not at all: fills beside snapshots, clocks that lie apart, transfers, splits, orders of others."""
from __future__ import annotations

from pathlib import Path

import pytest

from engine.support import START, Desk, policy, problems, verdict

ROOM = 'limit EXP-010 "Position" { abs(after.position.notional) at most 1_000 USD else reduce }\n'
EACH = 'throttle EXEC-010 "Fills" { deny beyond 1 fills in any 5min for each strategy }\n'
MONEY = ROOM + 'limit EXP-020 "Money" for transfer { intent.amount at most account.available else deny }\n'


def desk_with(rules: str = ROOM, journal: Path | None = None, **options: object) -> Desk:
    made = Desk(policy(rules), journal, **options)
    made.quote("X", "10")
    return made


# ── a snapshot and the fills that are in it ───────────────────────────────────────────────────────────


def sent(desk: Desk) -> Desk:
    desk.submit("buy", "60", id="i-1")
    desk.order("open", intent_id="i-1", order_id="o-1", quantity="60")
    return desk


def test_a_fill_that_a_snapshot_contains_counts_for_its_order_alone() -> None:
    desk = sent(desk_with())
    desk.apply("position", account="a", symbol="X", quantity="60", venue_at="2026-01-05T15:00:02Z")
    assert desk.rooms() == [("i-1", "60", "working")], "until the fill has come both ways are open"
    told = desk.later(3).fill("buy", "60", order_id="o-1", venue_at="2026-01-05T15:00:02Z", fee="1")
    assert (problems(told), desk.position(), desk.rooms()) == (["in_snapshot"], "60", [])
    assert desk.told()["fees_today"] == "1"


@pytest.mark.parametrize(("snapshot", "fill"), [
    ({"venue_at": "2026-01-05T15:00:02Z"}, {"venue_at": "2026-01-05T15:00:02.000001Z"}), ({"venue_at": "2026-01-05T15:00:02Z"}, {}),
    ({}, {"venue_at": "2026-01-05T14:00:00Z"}), ({}, {})], ids=["later", "fill says nothing", "snapshot says nothing", "neither"])
def test_a_fill_that_is_not_known_to_be_in_it_counts_on_top(snapshot: dict[str, str], fill: dict[str, str]) -> None:
    desk = sent(desk_with())
    desk.apply("position", account="a", symbol="X", quantity="20", **snapshot)
    told = desk.later(3).fill("buy", "60", order_id="o-1", **fill)
    assert ("in_snapshot" in problems(told), desk.position()) == (False, "80")


def test_a_snapshot_that_comes_late_lacks_what_filled_since(tmp_path: Path) -> None:
    desk = sent(desk_with(journal=tmp_path / "j"))
    desk.later(3).fill("buy", "20", order_id="o-1", venue_at="2026-01-05T15:00:01Z")
    desk.fill("buy", "40", order_id="o-1", venue_at="2026-01-05T15:00:03Z")
    told = desk.apply("position", account="a", symbol="X", quantity="20", venue_at="2026-01-05T15:00:02Z")
    assert (problems(told), desk.position()) == ([], "60")
    older = desk.apply("position", account="a", symbol="X", quantity="0", venue_at="2026-01-05T15:00:00Z")
    assert (problems(older), desk.position()) == (["older_snapshot"], "60")
    before = desk.engine.digest
    assert desk.restart().engine.digest == before


def test_a_snapshot_that_says_flat_is_remembered_too() -> None:
    desk = sent(desk_with())
    desk.apply("position", account="a", symbol="X", quantity="0", venue_at="2026-01-05T15:00:05Z")
    desk.later(6).fill("buy", "60", order_id="o-1", venue_at="2026-01-05T15:00:01Z")
    desk.fill("sell", "60", venue_at="2026-01-05T15:00:02Z")
    assert desk.position() == "0"


@pytest.mark.parametrize(("when", "left"), [("2026-01-05T15:00:02Z", "60"), ("2026-01-05T15:00:09Z", "0")])
def test_a_correction_is_in_a_snapshot_by_its_own_time(when: str, left: str) -> None:
    desk = sent(desk_with())
    desk.fill("buy", "60", order_id="o-1", id="f-1", venue_at="2026-01-05T15:00:01Z")
    desk.apply("position", account="a", symbol="X", quantity="60", venue_at="2026-01-05T15:00:05Z")
    desk.later(10).fill("buy", "0", order_id="o-1", corrects="f-1", venue_at=when)
    assert desk.position() == left


def test_adopted_books_say_what_is_in_them() -> None:
    desk = sent(desk_with())
    desk.apply("reconcile", account="a", positions=[{"symbol": "X", "quantity": "60"}], orders=[], adopt=True, venue_at="2026-01-05T15:00:02Z")
    desk.later(3).fill("buy", "60", order_id="o-1", venue_at="2026-01-05T15:00:01Z")
    assert desk.position() == "60"


# ── clocks that lie apart ─────────────────────────────────────────────────────────────────────────────


def test_what_was_heard_before_an_intent_is_known_to_it() -> None:
    """A feed two seconds ahead: the order in which things were heard is the truth."""
    desk = desk_with()
    desk.later(2).quote("X", "20")
    told = desk.to(START).submit("buy", "60").to_dict()
    assert (told["verdict"], told["quantity"], told["at"], told["late"]) == ("MODIFY", "50", "2026-01-05T15:00:02.000000Z", True)
    assert desk.later(2).submit("sell", "1").to_dict().get("late") is None


def test_a_quote_from_far_ahead_moves_nobodys_time() -> None:
    desk = desk_with(ROOM + 'throttle EXEC-010 "Rate" { deny beyond 1 orders in any 1min }\n')
    desk.submit("buy", "1")
    desk.later(5.001).quote("Y", "20")
    told = desk.to(START).submit("buy", "1").to_dict()
    assert (told["decided_by"], told["at"], told.get("late")) == ("EXEC-010", "2026-01-05T15:00:00.000000Z", None)
    assert verdict(desk.submit("buy", "1", "Y"))[2] == "SYS-003"


# ── whose strategy ────────────────────────────────────────────────────────────────────────────────────


def test_what_an_order_brings_is_of_the_strategy_that_asked_for_it() -> None:
    desk = desk_with(ROOM + EACH)
    sent(desk).fill("buy", "10", order_id="o-1")
    assert verdict(desk.submit("buy", "1", strategy="t"))[0] == "ALLOW", "nothing of another strategy is unreadable for it"
    assert verdict(desk.submit("buy", "1", strategy="s"))[2] == "EXEC-010"
    row = desk.engine.facts(desk.intent("buy", "1", id="look"))["positions"]["X"]
    assert row["strategy"] == "s"


def test_a_fill_of_nobodys_strategy_leaves_every_strategy_unknown() -> None:
    desk = desk_with(ROOM + EACH)
    desk.fill("buy", "1", order_id="theirs")
    assert verdict(desk.submit("buy", "1"))[2] == "SYS-001"
    assert verdict(desk.later(300).submit("buy", "1"))[0] == "ALLOW"


def test_a_stop_is_of_its_orders_strategy() -> None:
    desk = desk_with(ROOM + 'cooldown EXEC-010 "Stop" { deny during 5min after last stop for each strategy }\n')
    sent(desk).apply("stop", symbol="X", order_id="o-1")
    assert [verdict(desk.submit("buy", "1", strategy=name))[2] for name in ("s", "t")] == ["EXEC-010", None]


# ── orders of others ──────────────────────────────────────────────────────────────────────────────────


def theirs(desk: Desk, **more: str) -> None:
    desk.order("partially_filled", order_id="theirs", account="a", symbol="X", side="buy", quantity="60", filled_quantity="40", **more)


@pytest.mark.parametrize(("when", "rest"), [({}, "20"), ({"venue_at": "2026-01-05T14:59:00Z"}, "20"), ({"venue_at": "2026-01-05T15:00:01Z"}, "10")],
                         ids=["says nothing", "before", "after"])
def test_a_fill_that_an_order_told_of_when_it_was_first_met_counts_once_against_it(when: dict[str, str], rest: str) -> None:
    desk = desk_with()
    theirs(desk)
    assert [room[1] for room in desk.rooms()] == ["20"]
    told = desk.later(2).fill("buy", "10", order_id="theirs", **when)
    assert ("presumed_fill" in problems(told), [room[1] for room in desk.rooms()]) == (rest == "20", [rest])


def test_fills_beyond_what_was_told_count_and_end_the_order() -> None:
    desk = desk_with()
    theirs(desk)
    desk.later(1).fill("buy", "25", order_id="theirs")
    desk.fill("buy", "20", order_id="theirs")
    assert [room[1] for room in desk.rooms()] == ["15"], "45 of 60 have come, and 40 had filled before"
    desk.fill("buy", "15", order_id="theirs")
    assert desk.rooms() == []


def test_what_an_order_tells_in_the_meantime_is_what_comes_next() -> None:
    desk = desk_with()
    theirs(desk)
    desk.later(1).order("filled", order_id="theirs", quantity="60", filled_quantity="60")
    desk.fill("buy", "20", order_id="theirs")
    assert desk.rooms() == []


# ── splits ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_split_tells_of_the_orders_that_it_leaves_as_they_are() -> None:
    desk = sent(desk_with())
    told = desk.apply("position", account="a", symbol="X", quantity="10", mode="adjust", cause="split", ratio="10")
    assert problems(told) == ["orders_unscaled"]
    assert told.discrepancies[0].orders == ("o-1",)
    assert desk.rooms() == [("i-1", "60", "working")]
    desk.apply("cancel", order_id="o-1")
    assert problems(desk.apply("position", account="a", symbol="X", quantity="100", mode="adjust", cause="split", ratio="10")) == []


# ── transfers ─────────────────────────────────────────────────────────────────────────────────────────


def transfer(desk: Desk, amount: str, **more: str) -> tuple[str, str | None]:
    desk.count += 1
    told = desk.engine.submit({"id": f"i-{desk.count}", "at": desk.at, "account": "a", "action": "transfer", "amount": amount, "asset": "USD", **more})
    return told.verdict.value, told.decided_by


def test_two_transfers_do_not_spend_the_same_money(tmp_path: Path) -> None:
    desk = desk_with(MONEY, tmp_path / "j")
    desk.account(cash="90000")
    assert transfer(desk, "80000", id="t-1") == ("ALLOW", None)
    assert (desk.told()["available"], desk.told()["cash"]) == ("20000", "10000")
    assert transfer(desk, "80000") == ("DENY", "EXP-020")
    assert transfer(desk, "20000", id="t-2") == ("ALLOW", None)
    before = desk.engine.digest
    assert desk.restart().engine.digest == before
    assert transfer(desk, "1") == ("DENY", "EXP-020")
    assert desk.rooms() == [("t-1", "80000", "held"), ("t-2", "20000", "held")]


def test_money_that_went_is_gone_once() -> None:
    desk = desk_with(MONEY)
    transfer(desk, "80000", id="t-1")
    desk.order("sent", intent_id="t-1")
    desk.later(3600)
    assert desk.told()["available"] == "20000", "a sent transfer does not lapse"
    told = desk.apply("cash", account="a", amount="-80000", currency="USD", intent_id="t-1")
    assert ([row.state for row in told.reservations], desk.told()["available"], desk.rooms()) == (["spent"], "20000", [])
    assert problems(desk.apply("cash", account="a", amount="-1", currency="USD", intent_id="t-1")) == ["unknown_intent"]


@pytest.mark.parametrize("how", ["lapse", "release", "reject", "cancelled"])
def test_money_that_never_went_is_there_again(how: str) -> None:
    desk = desk_with(MONEY)
    transfer(desk, "80000", id="t-1")
    match how:
        case "lapse":
            desk.later(30).apply("tick")
        case "release":
            desk.apply("release", intent_id="t-1")
        case "reject":
            desk.apply("reject", intent_id="t-1")
        case _:
            desk.order("sent", intent_id="t-1")
            desk.order("cancelled", client_order_id="t-1")
    assert (desk.told()["available"], desk.rooms()) == ("100000", [])


def test_a_sent_transfer_is_not_released_and_more_than_approved_is_told() -> None:
    desk = desk_with(MONEY)
    transfer(desk, "80000", id="t-1")
    desk.order("sent", intent_id="t-1")
    assert problems(desk.apply("release", intent_id="t-1")) == ["already_sent"]
    assert problems(desk.apply("cash", account="a", amount="-80001", currency="USD", intent_id="t-1")) == ["larger_than_approved"]


def test_a_repeated_transfer_is_spent_once() -> None:
    desk = desk_with(MONEY)
    one = {"id": "t-1", "at": desk.at, "account": "a", "action": "transfer", "amount": "80000", "asset": "USD"}
    assert desk.engine.submit(one).to_dict()["verdict"] == "ALLOW"
    again = desk.engine.submit(one).to_dict()
    assert (again["usable"], desk.told()["available"]) == (True, "20000")
    desk.order("sent", intent_id="t-1")
    assert desk.engine.submit(one).to_dict()["usable"] is False


# ── what stands, and what only waits ──────────────────────────────────────────────────────────────────


def test_an_approval_overtaken_by_a_trip_keeps_its_room_until_it_lapses() -> None:
    """Whoever got it may be sending it just now."""
    desk = desk_with(ROOM + 'kill switch KILL-010 "Stop" for account { trip when account.equity < 50_000 USD while tripped deny all rearm by 1 of "risk" }\n')
    desk.submit("buy", "60", id="i-1")
    desk.later(1).account(equity="1")
    assert desk.rooms() == [("i-1", "60", "held")]
    assert desk.later(29).apply("tick").to_dict()["reservations"][0]["state"] == "released"


def test_an_order_that_replaces_another_takes_room_beside_it_until_the_venue_has_replaced() -> None:
    """Whether what fills of the old one counts towards the new one is for the venue to say, so that both may fill whole."""
    desk = sent(desk_with())
    assert verdict(desk.submit("buy", "60", id="i-2", replaces="o-1")) == ("MODIFY", "40", "EXP-010")
    desk.apply("replace", order_id="o-1", new_order_id="o-2", intent_id="i-2", quantity="40")
    assert verdict(desk.submit("buy", "90"))[1] == "60"


@pytest.mark.parametrize("word", ["order", "cancel"])
def test_what_is_said_under_the_name_from_before_a_replacement_ends_and_shrinks_nothing(word: str) -> None:
    desk = sent(desk_with())
    desk.submit("buy", "40", id="i-2", replaces="o-1")
    desk.apply("replace", order_id="o-1", new_order_id="o-2", intent_id="i-2", quantity="90")
    told = desk.apply(word, order_id="o-1", **({"status": "open", "quantity": "60"} if word == "order" else {}))
    assert (problems(told), [room[1] for room in desk.rooms()]) == (["earlier_name"], ["90"])
    desk.apply("cancel", order_id="o-2")
    assert desk.rooms() == []


def test_an_unknown_status_names_the_words() -> None:
    from caplex.runtime.errors import EventError

    with pytest.raises(EventError, match=r"did you mean `cancelled`.*one of reserved, sent, open"):
        desk_with().order("canceled", order_id="o-1")
