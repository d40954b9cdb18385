"""Kill switches alive: what trips them, whom they stop, who arms them again."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from caplex.runtime.engine.engine import Outcome
from engine.support import START, Desk, policy, verdict

OPEN = 'limit EXP-010 "Position" { abs(after.position.notional) at most 10_000 USD else reduce }\n'
TRIP = "trip when (account.peak_equity - account.equity) / account.peak_equity >= 10%"
BY_TWO = ('rearm by 2 of "risk" and 30min after trip and when ((account.peak_equity - account.equity) / account.peak_equity < 8%)\n'
          "on rearm rebase account.peak_equity to account.equity")


def switch(body: str, scope: str = "for account") -> str:
    return f'kill switch KILL-010 "Stop" {scope} {{ {body} }}\n{OPEN}'


def desk_with(body: str, scope: str = "for account", journal: Path | None = None, more: str = "") -> Desk:
    made = Desk(policy(switch(body, scope) + more), journal)
    made.quote("X", "10")
    made.quote("Y", "10")
    return made


def drawdown(desk: Desk, equity: str = "89000") -> Outcome:
    return desk.account(equity=equity)


def row(desk: Desk) -> Any:
    return next(each for each in desk.engine.switches if each.id == "KILL-010")


# ── tripping ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_trip_by_expression_holds_at_once_and_tells_its_cause() -> None:
    desk = desk_with(f'{TRIP} while tripped deny opening on trip cancel opening orders, notify "desk" {BY_TWO}')
    desk.submit("buy", "5", id="i-1")
    desk.order("open", intent_id="i-1", order_id="o-1", quantity="5")
    told = drawdown(desk).to_dict()
    trip = told["tripped"][0]
    assert (trip["switch"], trip["scope"], trip["at"]) == ("KILL-010", {"account": "a"}, "2026-01-05T15:00:00.000000Z")
    assert (trip["cause"]["observed"], trip["cause"]["limit"]) == ("0.11", "0.1")
    assert "10%" in trip["cause"]["expression"]
    assert trip["rearm"]["role"] == "risk"
    assert trip["rearm"]["quorum"] == 2
    assert trip["rearm"]["not_before"] == "2026-01-05T15:30:00.000000Z"
    assert [(duty["do"], duty.get("orders"), duty.get("channel")) for duty in told["obligations"]] == [
        ("cancel_open_orders", ["o-1"], None), ("notify", None, "desk")]
    assert len({duty["id"] for duty in told["obligations"]}) == 2
    assert verdict(desk.submit("buy", "1")) == ("DENY", "0", "KILL-010")


def test_opening_only_leaves_the_way_out() -> None:
    desk = desk_with(f"{TRIP} while tripped deny opening {BY_TWO}")
    desk.fill("buy", "10")
    drawdown(desk)
    assert verdict(desk.submit("sell", "30")) == ("MODIFY", "10", "KILL-010")
    everything = desk_with(f"{TRIP} while tripped deny all {BY_TWO}")
    everything.fill("buy", "10")
    drawdown(everything)
    assert verdict(everything.submit("sell", "3")) == ("DENY", "0", "KILL-010")


def test_the_first_cause_is_kept() -> None:
    desk = desk_with(f"{TRIP} trip when portfolio.gross > 1_000_000 USD while tripped deny opening rearm by 1 of \"risk\"")
    drawdown(desk)
    before = dict(row(desk))
    assert drawdown(desk.later(5), "40000").to_dict()["tripped"] == []
    assert desk.operator("trip", target={"switch": "KILL-010"}).to_dict()["tripped"] == []
    after = dict(row(desk))
    assert (after["since"], after["cause"], after["by_event"]) == (before["since"], before["cause"], before["by_event"])


def test_a_trip_by_a_quote_carries_its_obligations() -> None:
    desk = desk_with('trip when portfolio.gross > 500 USD while tripped deny opening on trip flatten, notify "desk" rearm by 1 of "risk"')
    desk.fill("buy", "40")
    told = desk.quote("X", "13").to_dict()
    assert [duty["do"] for duty in told["obligations"]] == ["flatten", "notify"]
    assert told["obligations"][0]["positions"] == [{"account": "a", "venue": "", "symbol": "X", "quantity": "40"}]


def test_a_trip_by_a_fill_is_told_with_the_fill() -> None:
    desk = desk_with('trip when portfolio.gross > 500 USD while tripped deny opening rearm by 1 of "risk"')
    assert [trip["switch"] for trip in desk.fill("buy", "60").to_dict()["tripped"]] == ["KILL-010"]


def test_a_trip_by_a_named_rule_holds_from_the_next_intent_on() -> None:
    desk = desk_with('trip when EXP-010 violated while tripped deny opening rearm by 1 of "risk"')
    first = desk.submit("buy", "2000")
    assert verdict(first) == ("MODIFY", "1000", "EXP-010")
    assert [trip["switch"] for trip in first.to_dict()["tripped"]] == ["KILL-010"]
    assert row(desk).by_decision == first.to_dict()["decision_id"]
    assert verdict(desk.submit("buy", "1"))[2] == "KILL-010"


COUNT = 'trip when 3 denials in any 1min while tripped deny opening rearm by 1 of "risk"'


def test_a_trip_by_count_slides_and_holds_from_the_next_intent_on() -> None:
    desk = desk_with(COUNT, more='limit EXP-020 "Small" { abs(after.position.quantity) at most 5 units else deny }')
    assert [verdict(desk.submit("buy", "9"))[2] for _ in range(2)] == ["EXP-020", "EXP-020"]
    desk.later(60)
    assert [verdict(desk.submit("buy", "9"))[2] for _ in range(2)] == ["EXP-020", "EXP-020"]
    assert desk.switch() == "armed"
    assert verdict(desk.submit("buy", "9"))[2] == "EXP-020"
    assert desk.switch() == "tripped"
    assert verdict(desk.submit("buy", "1"))[2] == "KILL-010"


def test_denials_while_tripped_and_repeats_do_not_count() -> None:
    desk = desk_with(COUNT, more='limit EXP-020 "Small" { abs(after.position.quantity) at most 5 units else deny }')
    for _ in range(5):
        desk.submit("buy", "9", id="i-same")
    assert desk.switch() == "armed"
    desk.submit("buy", "x", id="i-bad")
    desk.submit("buy", "x", id="i-worse")
    assert desk.switch() == "armed", "SYS does not count"
    desk.submit("buy", "9")
    desk.submit("buy", "9")
    assert desk.switch() == "tripped"
    desk.submit("buy", "9")
    desk.submit("buy", "9")
    desk.operator("rearm", target={"switch": "KILL-010"})
    assert desk.switch() == "armed"
    desk.later(1).submit("buy", "9")
    desk.submit("buy", "9")
    assert desk.switch() == "armed", "re-arming empties the window, and what was denied while tripped is not in it"
    desk.submit("buy", "9")
    assert desk.switch() == "tripped"


def test_violations_count_by_severity() -> None:
    body = 'trip when 2 violations of severity high in any 1min while tripped deny opening rearm by 1 of "risk"'
    desk = desk_with(body, more='limit EXP-020 "Low" severity low { abs(after.position.quantity) at most 5 units else deny }\n'
                                'limit EXP-030 "High" severity critical { abs(after.position.quantity) at most 7 units else deny }')
    for _ in range(4):
        desk.submit("buy", "6")
    assert desk.switch() == "armed"
    desk.submit("buy", "8")
    desk.submit("buy", "8")
    assert desk.switch() == "tripped"


def test_time_alone_may_trip() -> None:
    desk = desk_with('trip when now - (account.as_of else now) > 1min while tripped deny opening rearm by 1 of "risk"')
    desk.account(equity="100000", as_of=desk.at)
    assert desk.later(60).apply("tick").to_dict()["tripped"] == []
    assert verdict(desk.later(0.001).submit("buy", "1"))[2] == "KILL-010"
    assert row(desk).state == "tripped"


def test_unknown_keeps_the_state_and_caps_this_decision() -> None:
    desk = desk_with('trip when portfolio.gross > 500 USD while tripped deny opening rearm by 1 of "risk"')
    desk.fill("buy", "10", "Z")
    assert desk.switch() == "armed"
    decision = desk.submit("buy", "1")
    assert decision.verdict.value == "DENY"
    assert str(decision.decided_by).startswith("SYS-")
    desk.quote("Z", "10")
    assert verdict(desk.submit("buy", "1"))[0] == "ALLOW"


# ── confirmation ──────────────────────────────────────────────────────────────────────────────────────


def test_three_readings_confirm_and_one_that_fails_begins_anew() -> None:
    desk = desk_with('trip when account.equity < 90_000 USD for 3 readings while tripped deny opening rearm by 1 of "risk"')
    for equity in ("89000", "88000", "95000", "89000", "88000"):
        drawdown(desk, equity)
        assert desk.switch() == "armed"
    for _ in range(5):
        desk.quote("X", "10")
        desk.apply("tick")
    assert desk.switch() == "armed", "what reads something else is no reading"
    drawdown(desk, "87000")
    assert desk.switch() == "tripped"


def test_an_intent_is_no_reading() -> None:
    desk = desk_with('trip when account.equity < 90_000 USD for 3 readings while tripped deny opening rearm by 1 of "risk"')
    drawdown(desk)
    drawdown(desk)
    for _ in range(4):
        assert verdict(desk.submit("buy", "1")) == ("ALLOW", "1", None)
    assert desk.switch() == "armed"


def test_two_seconds_confirm_whoever_brings_the_time() -> None:
    body = 'trip when account.equity < 90_000 USD for 2s while tripped deny opening rearm by 1 of "risk"'
    for bring in ("tick", "quote", "intent"):
        desk = desk_with(body)
        drawdown(desk)
        desk.later(1.999).apply("tick")
        assert desk.switch() == "armed"
        desk.later(0.001)
        found = {"tick": lambda d=desk: d.apply("tick"), "quote": lambda d=desk: d.quote("X", "10"), "intent": lambda d=desk: d.submit("buy", "1")}[bring]()
        assert desk.switch() == "tripped", bring
        if bring == "intent":
            assert verdict(found) == ("DENY", "0", "KILL-010")


def test_what_passes_within_two_seconds_is_forgotten() -> None:
    desk = desk_with('trip when account.equity < 90_000 USD for 2s while tripped deny opening rearm by 1 of "risk"')
    drawdown(desk)
    drawdown(desk.later(1), "95000")
    drawdown(desk.later(0.5))
    desk.later(1.5).apply("tick")
    assert desk.switch() == "armed"
    desk.later(0.5).apply("tick")
    assert desk.switch() == "tripped"


def test_confirmation_survives_a_restart(tmp_path: Path) -> None:
    desk = desk_with('trip when account.equity < 90_000 USD for 3 readings while tripped deny opening rearm by 1 of "risk"', journal=tmp_path / "j")
    drawdown(desk)
    drawdown(desk)
    drawdown(desk.restart())
    assert desk.switch() == "tripped"


# ── scopes ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_account_is_stopped_alone() -> None:
    desk = desk_with(f"{TRIP} while tripped deny opening {BY_TWO}")
    desk.account(account="b", equity="100")
    desk.account(account="b", equity="80")
    assert (desk.switch(account="a"), desk.switch(account="b")) == ("armed", "tripped")
    assert verdict(desk.submit("buy", "1"))[0] == "ALLOW"
    assert verdict(desk.submit("buy", "1", account="b"))[2] == "KILL-010"


PNL = 'trip when (strategy.pnl_7d else 0 USD) < 0 USD while tripped deny opening on trip notify "desk" rearm by 1 of "risk"'


def test_each_strategy_has_its_switch() -> None:
    desk = desk_with(PNL, "for each strategy")
    for name in ("s", "t"):
        desk.apply("strategy", strategy=name, values={"pnl_7d": "5"})
    assert desk.apply("strategy", strategy="t", values={"pnl_7d": "-1"}).to_dict()["tripped"][0]["scope"] == {"strategy": "t"}
    assert (verdict(desk.submit("buy", "1", strategy="s"))[0], verdict(desk.submit("buy", "1", strategy="t"))[2]) == ("ALLOW", "KILL-010")
    assert len(desk.engine.pending) == 1


def test_one_named_strategy_has_a_switch() -> None:
    desk = desk_with(PNL, 'for strategy "t"')
    for name in ("s", "t"):
        desk.apply("strategy", strategy=name, values={"pnl_7d": "-1"})
    assert (verdict(desk.submit("buy", "1", strategy="s"))[0], verdict(desk.submit("buy", "1", strategy="t"))[2]) == ("ALLOW", "KILL-010")


def test_a_symbols_switch_flattens_that_symbol() -> None:
    desk = desk_with('trip when market.price < 5 USD while tripped deny opening on trip flatten rearm by 1 of "risk"', "for each symbol")
    desk.fill("buy", "3", "X")
    desk.fill("buy", "4", "Y")
    told = desk.quote("Y", "4").to_dict()
    assert [trip["scope"] for trip in told["tripped"]] == [{"symbol": "Y"}]
    assert [place["symbol"] for place in told["obligations"][0]["positions"]] == ["Y"]


# ── arming again ──────────────────────────────────────────────────────────────────────────────────────


FULL = f'{TRIP} while tripped deny opening on trip notify "desk" {BY_TWO}'


def asked(desk: Desk) -> str:
    """A request of risk-1; its id."""
    told = desk.operator("rearm", target={"switch": "KILL-010", "scope": {"account": "a"}}, request_id="RQ-1", reason="data glitch")
    assert told.to_dict()["status"] == "applied", told.to_dict()
    return "RQ-1"


def test_all_terms_must_hold_and_then_it_is_armed_and_rebased(tmp_path: Path) -> None:
    desk = desk_with(FULL, journal=tmp_path / "j")
    drawdown(desk)
    request = asked(desk.later(60))
    assert row(desk).request.missing == ("approvals", "time", "condition")
    again = desk.operator("approve", target={"request_id": request})
    assert again.to_dict()["rejected"]["code"] == "already_approved"
    desk.operator("approve", by="risk-2", target={"request_id": request})
    assert row(desk).request.missing == ("time", "condition")
    desk.to("2026-01-05T15:29:59Z").account(equity="93000")
    assert row(desk).request.missing == ("time",)
    desk.restart()
    told = desk.to("2026-01-05T15:30:00Z").apply("tick").to_dict()
    assert told["rearmed"] == [{"switch": "KILL-010", "scope": {"account": "a"}, "at": "2026-01-05T15:30:00.000000Z", "by": ["risk-1", "risk-2"]}]
    assert (desk.switch(), desk.told()["peak_equity"]) == ("armed", "93000")
    assert verdict(desk.submit("buy", "1"))[0] == "ALLOW"


def test_a_request_lapses() -> None:
    desk = desk_with(FULL)
    drawdown(desk)
    request = asked(desk.later(60))
    told = desk.later(3600).operator("approve", by="risk-2", target={"request_id": request}).to_dict()
    assert told["rejected"]["code"] == "request_expired"
    desk.account(equity="99000")
    assert desk.switch() == "tripped"


def test_a_trip_beats_a_request() -> None:
    desk = desk_with(FULL)
    drawdown(desk)
    request = asked(desk.later(60))
    desk.later(1).operator("trip", by="risk-2", target={"switch": "KILL-010"})
    told = desk.later(1).operator("approve", by="risk-2", target={"request_id": request}).to_dict()
    assert told["rejected"]["code"] == "overtaken_by_trip"


def test_one_that_still_holds_trips_again_at_once() -> None:
    body = "trip when account.equity < 90_000 USD trip when account.peak_equity > 2 * account.equity while tripped deny opening on trip notify \"d\" rearm by 1 of \"risk\""
    desk = desk_with(body)
    drawdown(desk, "80000")
    told = desk.operator("rearm", target={"switch": "KILL-010"}).to_dict()
    assert desk.switch() == "tripped"
    assert [trip["switch"] for trip in told["tripped"]] == ["KILL-010"]
    assert len(desk.engine.pending) == 2
    assert len({duty.id for duty in desk.engine.pending}) == 2


def test_a_switch_that_asks_for_nobody_arms_itself() -> None:
    desk = desk_with('trip when account.equity < 90_000 USD while tripped deny opening rearm 10min after trip and when (account.equity > 95_000 USD)')
    drawdown(desk, "80000")
    drawdown(desk, "99000")
    assert desk.switch() == "tripped"
    desk.later(599.999).apply("tick")
    assert desk.switch() == "tripped"
    desk.later(0.001).submit("buy", "1")
    assert desk.switch() == "armed"


def test_never_is_never() -> None:
    desk = desk_with("trip when account.equity < 90_000 USD while tripped deny opening rearm never")
    drawdown(desk, "80000")
    assert desk.operator("rearm", target={"switch": "KILL-010"}).to_dict()["rejected"]["code"] == "rearm_never"
    desk.later(10**7).account(equity="200000")
    assert desk.switch() == "tripped"


@pytest.mark.parametrize(("act", "target", "code"), [
    ("trip", {"switch": "KILL-011"}, "unknown_switch"), ("trip", {}, "unknown_switch"), ("trip", {"switch": "KILL-010", "scope": {"symbol": "X"}}, "unknown_scope"),
    ("rearm", {"switch": "KILL-010"}, "not_tripped"), ("approve", {"request_id": "RQ-9"}, "unknown_request"), ("approve", {}, "unknown_hold"),
    ("withdraw", {"request_id": "RQ-9"}, "unknown_request"), ("trip", "KILL-010", "malformed"), ("trip", {"switch": ["x"]}, "unknown_switch")])
def test_a_refused_act_is_recorded_and_does_nothing(act: str, target: Any, code: str, tmp_path: Path) -> None:
    from caplex.runtime.journal import read

    desk = desk_with(FULL, journal=tmp_path / "j")
    told = desk.operator(act, target=target).to_dict()
    assert (told["status"], told["rejected"]["code"]) == ("rejected", code)
    assert desk.switch() == "armed"
    desk.engine.close()
    records = list(read(tmp_path / "j"))
    assert [record.body["rejected"]["code"] for record in records if record.kind == "outcome" and record.body["status"] == "rejected"] == [code]


def test_without_roles_and_without_trust_nobody_acts() -> None:
    desk = Desk(policy(switch(FULL)), trust_operators=False)
    assert desk.operator("trip", target={"switch": "KILL-010"}).to_dict()["rejected"]["code"] == "no_roles_file"


def test_the_same_act_twice_is_one() -> None:
    desk = desk_with(FULL)
    act = {"type": "operator", "id": "op-1", "at": desk.at, "act": "trip", "by": "risk-1", "target": {"switch": "KILL-010"}}
    assert [desk.engine.apply(act).to_dict()["status"] for _ in range(2)] == ["applied", "repeat"]
    assert desk.engine.apply({**act, "by": "risk-2"}).to_dict()["rejected"]["code"] == "id_reused"


# ── obligations ───────────────────────────────────────────────────────────────────────────────────────


def test_obligations_wait_until_somebody_says_done(tmp_path: Path) -> None:
    desk = desk_with(FULL, journal=tmp_path / "j")
    heard: list[str] = []
    desk.engine.on("obligation", lambda duty: heard.append(duty.id))
    drawdown(desk)
    name = desk.engine.pending[0].id
    assert heard == [name]
    desk.apply("obligation", obligation_id=name, status="seen", by="bot")
    assert [duty.id for duty in desk.restart().engine.pending] == [name], "delivered again after a restart"
    desk.apply("obligation", obligation_id=name, status="failed", by="bot")
    assert len(desk.engine.pending) == 1
    assert desk.apply("obligation", obligation_id=name, status="done", by="bot").to_dict()["discrepancies"] == []
    assert desk.engine.pending == () == desk.restart().engine.pending
    assert [each.problem for each in desk.apply("obligation", obligation_id=name, status="done").discrepancies] == ["obligation"]


def test_a_restart_keeps_a_tripped_switch_and_who_tripped_it(tmp_path: Path) -> None:
    desk = desk_with(FULL, journal=tmp_path / "j")
    desk.operator("trip", target={"switch": "KILL-010"}, reason="odd prices")
    before = dict(row(desk))
    assert before["cause"]["expression"] == "tripped by risk-1: odd prices"
    assert dict(row(desk.restart())) == before
    desk.restart(trust_operators=False)  # who opens it need not be who acted then
    assert dict(row(desk))["state"] == "tripped"
    assert verdict(desk.submit("buy", "1"))[2] == "KILL-010"


def test_a_monitored_switch_trips_nothing() -> None:
    desk = desk_with('trip when account.equity < 90_000 USD while tripped deny opening rearm by 1 of "risk"', "for account monitor always")
    drawdown(desk)
    assert desk.switch() == "armed"
    assert verdict(desk.submit("buy", "1"))[0] == "ALLOW"


def test_a_late_event_trips_at_the_time_at_which_it_was_heard() -> None:
    desk = desk_with(FULL)
    desk.later(60).apply("tick")
    trip = desk.to(START).account(equity="50000").to_dict()["tripped"][0]
    assert trip["at"] == "2026-01-05T15:01:00.000000Z"
