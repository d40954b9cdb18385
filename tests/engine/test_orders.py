"""Room: taken by an approval, on its own side and never netted, and given back by the venue's word, or by time where nothing was sent."""
from __future__ import annotations

from pathlib import Path

import pytest

from caplex.runtime.venue import Snapshot
from engine.support import START, Desk, policy, problems, verdict

ROOM = 'limit EXP-010 "Position" { abs(after.position.notional) at most 1_000 USD else reduce }'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A cap of 100 units of X, and nothing held."""
    made = Desk(policy(ROOM), tmp_path / "j")
    made.quote("X", "10")
    return made


def working(desk: Desk, quantity: str = "100", side: str = "buy", intent: str = "i-1", order: str = "o-1") -> Desk:
    """An approved order that stands at the venue."""
    assert verdict(desk.submit(side, quantity, id=intent)) == ("ALLOW", quantity, None)
    desk.order("open", intent_id=intent, client_order_id=intent, order_id=order, quantity=quantity, leaves_quantity=quantity)
    return desk


# ── reservations ──────────────────────────────────────────────────────────────────────────────────────


def test_approving_takes_room_at_once(desk: Desk) -> None:
    first = desk.submit("buy", "60")
    assert first.to_dict()["reservation"] == {"id": f"r-{first.to_dict()['seq']}", "quantity": "60", "notional": "600", "currency": "USD", "state": "held",
                                              "expires_at": "2026-01-05T15:00:30.000000Z"}
    assert verdict(desk.submit("buy", "60")) == ("MODIFY", "40", "EXP-010")
    assert verdict(desk.submit("buy", "1")) == ("DENY", "0", "EXP-010")
    assert [room[1:] for room in desk.rooms()] == [("60", "held"), ("40", "held")]


def test_sides_are_never_netted(desk: Desk) -> None:
    """A working sale gives no room to buy: it may never fill."""
    desk.submit("buy", "100")
    assert verdict(desk.submit("sell", "150")) == ("MODIFY", "100", "EXP-010")
    assert verdict(desk.submit("buy", "1"))[0] == "DENY"
    assert verdict(desk.submit("sell", "1"))[0] == "DENY"


def test_shorts_mirror_longs(desk: Desk) -> None:
    desk.fill("sell", "70")
    assert verdict(desk.submit("sell", "60")) == ("MODIFY", "30", "EXP-010")
    assert verdict(desk.submit("buy", "200")) == ("MODIFY", "170", "EXP-010")
    assert verdict(desk.submit("buy", "1")) == ("DENY", "0", "EXP-010")


def test_a_held_reservation_lapses_and_a_sent_one_never_does(desk: Desk) -> None:
    desk.submit("buy", "60", id="i-1")
    desk.submit("buy", "40", id="i-2")
    desk.order("sent", intent_id="i-2", quantity="40")
    desk.later(29.999)
    assert [room[2] for room in desk.rooms()] == ["held", "working"]
    assert verdict(desk.submit("buy", "1"))[0] == "DENY"
    desk.later(0.001)
    assert verdict(desk.submit("buy", "100")) == ("MODIFY", "60", "EXP-010")
    desk.order("unknown", intent_id="i-2", because="timeout").to_dict()
    desk.later(10**7).apply("tick")
    assert desk.rooms() == [("i-2", "40", "unknown")], "presumed alive until the venue says something"


def test_a_tick_alone_lets_reservations_lapse_and_says_so(desk: Desk) -> None:
    desk.submit("buy", "60", id="i-1")
    told = desk.later(30).apply("tick").to_dict()
    assert [(each["intent_id"], each["state"]) for each in told["reservations"]] == [("i-1", "released")]
    assert desk.rooms() == []


def test_an_intent_that_ends_earlier_lapses_earlier(desk: Desk) -> None:
    decision = desk.submit("buy", "60", expires_at="2026-01-05T15:00:05Z")
    assert decision.to_dict()["valid_until"] == "2026-01-05T15:00:05.000000Z"
    assert verdict(desk.later(5).submit("buy", "100"))[1] == "100"


def test_release_frees_what_was_not_sent_and_nothing_else(desk: Desk) -> None:
    desk.submit("buy", "60", id="i-1")
    assert desk.engine.release("i-1", because="changed my mind").to_dict()["reservations"][0]["state"] == "released"
    working(desk, "100", intent="i-2")
    assert problems(desk.engine.release("i-2", because="x")) == ["already_sent"]
    assert problems(desk.engine.release("i-9", because="x")) == ["unknown_intent"]
    assert desk.rooms() == [("i-2", "100", "working")]


@pytest.mark.parametrize(("type_", "state"), [("cancel", "released"), ("reject", "released"), ("expire", "released")])
def test_the_venue_ends_an_order_and_its_room_is_free(desk: Desk, type_: str, state: str) -> None:
    working(desk)
    assert desk.apply(type_, order_id="o-1").to_dict()["reservations"] == [
        {"id": "r-4", "intent_id": "i-1", "state": state, "quantity": "0"}]
    assert verdict(desk.submit("buy", "100"))[0] == "ALLOW"


def test_a_requested_cancel_is_in_flight_still(desk: Desk) -> None:
    working(desk).order("cancel_requested", order_id="o-1")
    assert verdict(desk.submit("buy", "1"))[0] == "DENY"


def test_a_smaller_order_than_approved_frees_the_rest_and_a_larger_one_is_flagged(desk: Desk) -> None:
    desk.submit("buy", "60", id="i-1")
    assert problems(desk.order("open", intent_id="i-1", order_id="o-1", quantity="20")) == []
    assert verdict(desk.submit("buy", "100", id="i-2"))[1] == "80"
    assert problems(desk.order("open", intent_id="i-2", order_id="o-2", quantity="90")) == ["larger_than_approved"]
    assert desk.rooms() == [("i-1", "20", "working"), ("i-2", "90", "working")]


def test_an_order_nobody_approved_takes_room_all_the_same(desk: Desk) -> None:
    assert problems(desk.order("open", order_id="z", account="a", symbol="X", side="buy", quantity="90")) == ["unknown_order"]
    assert verdict(desk.submit("buy", "50")) == ("MODIFY", "10", "EXP-010")
    assert problems(desk.order("open", order_id="y", account="a")) == ["unknown_order"], "without symbol and side nothing can be counted"


# ── fills ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_partial_fill_moves_the_position_and_keeps_the_rest_reserved(desk: Desk) -> None:
    working(desk)
    desk.fill("buy", "30", order_id="o-1", id="f-1")
    assert (desk.position(), desk.rooms()) == ("30", [("i-1", "70", "working")])
    desk.fill("buy", "70", order_id="o-1", id="f-2")
    assert (desk.position(), desk.rooms()) == ("100", [])
    assert verdict(desk.submit("buy", "1"))[0] == "DENY"


def test_a_fill_that_comes_twice_counts_once(desk: Desk) -> None:
    working(desk)
    desk.fill("buy", "30", order_id="o-1", id="f-1")
    assert desk.fill("buy", "30", order_id="o-1", id="f-1").to_dict()["status"] == "repeat"
    changed = desk.fill("buy", "31", order_id="o-1", id="f-1")
    assert (changed.to_dict()["status"], problems(changed)) == ("repeat", ["id_reused"])
    assert (desk.position(), desk.rooms()) == ("30", [("i-1", "70", "working")])


def test_a_fill_larger_than_its_order_counts_whole(desk: Desk) -> None:
    working(desk, "40")
    assert problems(desk.fill("buy", "50", order_id="o-1")) == ["overfill"]
    assert (desk.position(), desk.rooms()) == ("50", [])


def test_a_fill_after_the_end_counts(desk: Desk) -> None:
    working(desk)
    desk.apply("cancel", order_id="o-1")
    assert problems(desk.fill("buy", "30", order_id="o-1", venue_at="2026-01-05T14:00:00Z")) == ["late_fill"]
    assert (desk.position(), desk.rooms()) == ("30", [])


def test_a_fill_of_an_unknown_order_moves_the_position(desk: Desk) -> None:
    assert problems(desk.fill("sell", "30", order_id="z")) == ["unknown_order"]
    assert desk.position() == "-30"


@pytest.mark.parametrize("told", ["account", "order", "nobody"])
def test_a_fill_finds_its_account(desk: Desk, told: str) -> None:
    working(desk)
    fields = {"account": {"account": "a"}, "order": {"order_id": "o-1"}, "nobody": {}}[told]
    desk.apply("fill", side="buy", symbol="X", quantity="10", price="10", **fields)
    assert desk.position() == "10"


def test_among_several_accounts_a_nameless_fill_is_flagged(desk: Desk) -> None:
    desk.account(account="b", equity="5")
    assert "unknown_account" in problems(desk.apply("fill", side="buy", symbol="X", quantity="10", price="10"))


def test_a_position_without_an_account_is_of_the_only_one(desk: Desk) -> None:
    desk.apply("position", symbol="X", quantity="90")
    assert verdict(desk.submit("buy", "50"))[1] == "10"


def test_an_intent_without_an_account_is_of_the_only_one(desk: Desk) -> None:
    intent = {name: value for name, value in desk.intent("buy", "60", id="i-1").items() if name != "account"}
    assert verdict(desk.engine.submit(intent))[0] == "ALLOW"
    assert verdict(desk.submit("buy", "60")) == ("MODIFY", "40", "EXP-010")


# What an order says of itself and what its fills say come on their own ways.


def test_an_order_that_tells_of_fills_frees_no_room_before_they_have_come(desk: Desk) -> None:
    working(desk)
    desk.order("partially_filled", order_id="o-1", quantity="100", filled_quantity="60", leaves_quantity="40")
    assert verdict(desk.submit("buy", "60"))[0] == "DENY"
    desk.fill("buy", "60", order_id="o-1")
    assert (desk.position(), desk.rooms()) == ("60", [("i-1", "40", "working")])
    assert verdict(desk.submit("buy", "1"))[0] == "DENY"


@pytest.mark.parametrize("said", [{"filled_quantity": "100"}, {}])
def test_an_order_told_filled_holds_its_room_until_the_fills_have_come(desk: Desk, said: dict[str, str]) -> None:
    working(desk)
    desk.order("filled", order_id="o-1", **said)
    assert (desk.position(), desk.rooms()) == ("0", [("i-1", "100", "working")])
    assert verdict(desk.submit("buy", "60"))[0] == "DENY"
    desk.fill("buy", "60", order_id="o-1")
    assert problems(desk.fill("buy", "40", order_id="o-1")) == []
    assert (desk.position(), desk.rooms()) == ("100", [])


@pytest.mark.parametrize(("type_", "said"), [
    ("cancel", {"canceled_quantity": "40"}), ("expire", {"leaves_quantity": "40"}), ("order", {"status": "cancelled", "filled_quantity": "60"})])
def test_a_cancel_of_the_rest_tells_of_the_fills_before_it(desk: Desk, type_: str, said: dict[str, str]) -> None:
    working(desk)
    desk.apply(type_, order_id="o-1", **said)
    assert verdict(desk.submit("buy", "60", id="i-2")) == ("MODIFY", "40", "EXP-010")
    assert problems(desk.fill("buy", "60", order_id="o-1")) == [], "it was told of, so it is not late"
    assert (desk.position(), [room[0] for room in desk.rooms()]) == ("60", ["i-2"])


def test_an_order_first_met_half_filled_is_in_the_position_already(desk: Desk) -> None:
    desk.apply("position", account="a", symbol="X", quantity="25")
    desk.order("open", order_id="z", account="a", symbol="X", side="buy", quantity="30", filled_quantity="25", leaves_quantity="5")
    assert [room[1] for room in desk.rooms()] == ["5"]


def test_a_delayed_word_after_the_end_is_believed_and_flagged(desk: Desk) -> None:
    working(desk)
    desk.apply("cancel", order_id="o-1")
    assert problems(desk.order("open", order_id="o-1", quantity="100")) == ["order_after_end"]
    assert desk.rooms() == [("i-1", "100", "working")], "the worst case, until a reconciliation"
    assert problems(desk.apply("cancel", order_id="q")) == ["unknown_order"]


# ── corrections and busts ─────────────────────────────────────────────────────────────────────────────


def test_a_correction_takes_the_place_of_its_fill(desk: Desk) -> None:
    working(desk)
    desk.fill("buy", "30", order_id="o-1", id="f-1")
    assert problems(desk.fill("buy", "20", order_id="o-1", corrects="f-1", id="f-2")) == ["corrected_fill"]
    assert (desk.position(), desk.rooms()) == ("20", [("i-1", "80", "working")])
    desk.fill("buy", "25", order_id="o-1", corrects="f-1", id="f-3")
    assert (desk.position(), desk.rooms()) == ("25", [("i-1", "75", "working")])


def test_a_bust_undoes_its_fill(desk: Desk) -> None:
    working(desk)
    desk.fill("buy", "100", order_id="o-1", id="f-1")
    desk.fill("buy", "0", corrects="f-1", id="f-2")
    assert desk.position() == "0"
    assert desk.rooms() == [], "whether the order works again is for the venue to say"
    history = desk.engine.facts(desk.intent("buy", "1", id="look"))["history"]["events"]
    assert [row["quantity"] for row in history if row["type"] == "fill"] in ([], ["0"])


def test_a_correction_that_overtakes_its_fill_counts_in_its_place(desk: Desk) -> None:
    """Applied, flagged, never dropped; and the fill itself, when it comes, is a repeat."""
    working(desk)
    assert problems(desk.fill("buy", "20", order_id="o-1", corrects="f-1", id="f-2")) == ["unknown_fill"]
    assert (desk.position(), desk.rooms()) == ("20", [("i-1", "80", "working")])
    assert desk.fill("buy", "30", order_id="o-1", id="f-1").to_dict()["status"] == "repeat"
    assert desk.position() == "20"


def test_a_bust_that_overtakes_its_fill_keeps_it_out(desk: Desk) -> None:
    desk.fill("buy", "0", corrects="f-1", id="f-2")
    assert desk.fill("buy", "30", id="f-1").to_dict()["status"] == "repeat"
    assert desk.position() == "0"


# ── replacing ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_replaced_order_takes_the_place_of_both(desk: Desk) -> None:
    working(desk, "30")
    desk.submit("buy", "50", id="i-2", replaces="o-1")
    assert [room[1] for room in desk.rooms()] == ["30", "50"], "both, until the venue has spoken"
    desk.fill("buy", "10", order_id="o-1")
    desk.apply("replace", order_id="o-1", new_order_id="o-2", intent_id="i-2", quantity="50")
    assert desk.rooms() == [("i-2", "40", "working")]


def test_a_replace_that_says_no_size_is_taken_at_the_larger(desk: Desk) -> None:
    working(desk, "25")
    desk.submit("buy", "75", id="i-2")
    desk.apply("replace", order_id="o-1", new_order_id="o-2", intent_id="i-2")
    assert desk.rooms() == [("i-2", "75", "working")]


@pytest.mark.parametrize("name", [{"order_id": "o-1"}, {"intent_id": "i-1"}, {"client_order_id": "i-1"}])
def test_a_fill_under_an_earlier_name_finds_the_order(desk: Desk, name: dict[str, str]) -> None:
    working(desk)
    desk.apply("replace", order_id="o-1", new_order_id="o-2", intent_id="i-5", quantity="100")
    desk.apply("replace", order_id="o-2", new_order_id="o-3", intent_id="i-6", quantity="100")
    assert problems(desk.fill("buy", "30", **name)) == []
    assert desk.rooms() == [("i-6", "70", "working")]


def test_replacing_an_unknown_order_is_flagged(desk: Desk) -> None:
    assert problems(desk.apply("replace", order_id="z", new_order_id="y")) == ["unknown_order"]


# ── positions ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_snapshot_is_compared_and_an_adjustment_is_not(desk: Desk) -> None:
    desk.fill("buy", "10", price="80")
    assert problems(desk.apply("position", symbol="X", quantity="100", mode="adjust", cause="split", ratio="10")) == []
    rows = desk.engine.facts(desk.intent("buy", "1", id="look"))["positions"]
    assert (rows["X"]["quantity"], rows["X"]["average_price"]) == ("100", "8")
    assert problems(desk.apply("position", symbol="X", quantity="90")) == ["position"]
    assert desk.position() == "90", "the venue's counts"


def test_the_average_price_is_that_of_what_stands_open(desk: Desk) -> None:
    def average() -> str:
        return str(desk.engine.facts(desk.intent("buy", "1", id="look"))["positions"]["X"]["average_price"])

    desk.fill("buy", "10", price="10")
    desk.fill("buy", "30", price="20")
    assert average() == "17.5"
    desk.fill("sell", "20", price="99")
    assert average() == "17.5"
    desk.fill("sell", "25", price="30")
    assert (desk.position(), average()) == ("-5", "30")


# ── the venue's books ─────────────────────────────────────────────────────────────────────────────────


def snapshot(desk: Desk, held: str, *orders: tuple[str, str]) -> Snapshot:
    from datetime import datetime

    return Snapshot(at=datetime.fromisoformat(desk.at.replace("Z", "+00:00")), positions=[{"account": "a", "symbol": "X", "quantity": held}] if held != "0" else [],
                    accounts={"a": {}}, orders=[{"account": "a", "id": name, "symbol": "X", "side": "buy", "leaves_quantity": leaves} for name, leaves in orders])


def test_books_that_fit_are_reconciled_in_silence(desk: Desk) -> None:
    working(desk).fill("buy", "30", order_id="o-1")
    assert desk.engine.reconcile(snapshot(desk, "30", ("o-1", "70"))) == []
    assert desk.engine.health.unreconciled == {}


@pytest.mark.parametrize(("held", "orders"), [("31", [("o-1", "70")]), ("30", [("o-1", "60")]), ("30", []), ("30", [("o-1", "70"), ("o-9", "5")]), ("0", [("o-1", "70")])])
def test_books_that_do_not_fit_leave_closing_alone(desk: Desk, held: str, orders: list[tuple[str, str]]) -> None:
    working(desk, "50").fill("buy", "30", order_id="o-1")
    desk.apply("order", order_id="o-1", status="open", quantity="100")
    assert len(desk.engine.reconcile(snapshot(desk, held, *orders))) == 1
    assert verdict(desk.submit("buy", "1")) == ("DENY", "0", "SYS-014")
    assert verdict(desk.submit("sell", "40")) == ("MODIFY", "30", "SYS-014")
    before = desk.engine.digest
    assert desk.restart().engine.digest == before
    refused = desk.operator("reconcile", target={"account": "nobody"})
    assert refused.to_dict()["rejected"]["code"] == "unknown_account"
    assert desk.operator("reconcile", target={"account": "a"}).to_dict()["status"] == "applied"
    assert verdict(desk.submit("sell", "1"))[0] == "ALLOW"
    assert desk.engine.health.unreconciled == {}


def test_adopting_takes_the_venues_books(desk: Desk) -> None:
    working(desk)
    desk.submit("buy", "0.5", id="i-2")
    desk.order("filled", order_id="o-1")
    found = desk.engine.reconcile(snapshot(desk, "95", ("o-7", "3")), adopt=True)
    assert {each.problem for each in found} == {"position", "order"}
    assert (desk.position(), [room[1] for room in desk.rooms()]) == ("95", ["3"])
    assert verdict(desk.submit("buy", "10")) == ("MODIFY", "2", "EXP-010")


def test_a_held_reservation_is_no_difference(desk: Desk) -> None:
    desk.submit("buy", "10")
    assert desk.engine.reconcile(snapshot(desk, "0")) == []
    assert [room[2] for room in desk.rooms()] == ["held"]


# ── time ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_behind_its_account_is_taken_at_the_last_one_and_marked(desk: Desk) -> None:
    desk.later(60)
    desk.submit("buy", "60", id="i-1")
    late = desk.to(START).fill("buy", "5")
    assert late.to_dict()["status"] == "late"
    decision = desk.submit("buy", "1", id="i-2").to_dict()
    assert (decision["late"], decision["at"]) == (True, "2026-01-05T15:01:00.000000Z")
    assert desk.engine.facts(desk.intent("buy", "1", id="look"))["now"] == "2026-01-05T15:01:00.000000Z"
    desk.account(account="b", equity="1")
    assert desk.apply("cash", account="b", amount="1", currency="USD").to_dict()["status"] == "applied", "another account has its own time"
