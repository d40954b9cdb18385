"""High-water marks, days, flows: kept by the engine, in the policy's zone."""
from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from engine.support import Desk, policy, verdict

LOSS = """limit LOSS-010 "Day" { account.day_loss below 2% of account.day_start_equity else deny }
limit EXP-010 "Position" { abs(after.position.notional) at most 100_000 USD else reduce }"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(policy(LOSS), tmp_path / "j")
    made.quote("X", "10")
    return made


def marks(desk: Desk) -> tuple[str, str, str]:
    told = desk.told()
    return told["peak_equity"], told["day_start_equity"], told["net_flows_today"]


# ── high-water mark ───────────────────────────────────────────────────────────────────────────────────


def test_the_peak_follows_equity_up_and_never_down(desk: Desk) -> None:
    for equity, peak in (("100000", "100000"), ("110000", "110000"), ("90000", "110000"), ("110000.5", "110000.5")):
        desk.account(equity=equity)
        assert marks(desk)[0] == peak


def test_a_deposit_is_no_profit_and_a_withdrawal_no_loss(desk: Desk) -> None:
    desk.account(equity="110000")
    desk.apply("cash", account="a", amount="-5000", currency="USD", cause="withdrawal")
    assert (desk.told()["equity"], *marks(desk)) == ("105000", "105000", "100000", "-5000")
    assert verdict(desk.submit("buy", "1"))[0] == "ALLOW", "5000 of 100000 is no loss of today"
    desk.apply("cash", account="a", amount="20000", currency="USD", cause="deposit")
    assert (desk.told()["equity"], *marks(desk)) == ("125000", "125000", "100000", "15000")
    desk.account(equity="125000")  # the venue tells the same
    assert marks(desk)[0] == "125000"
    desk.account(equity="122000")
    assert verdict(desk.submit("buy", "1")) == ("ALLOW", "1", None), "day loss is 100000 + 15000 - 122000: a gain"
    desk.account(equity="113000")
    assert verdict(desk.submit("buy", "1")) == ("DENY", "0", "LOSS-010")


def test_cash_moves_what_the_account_told(desk: Desk) -> None:
    desk.account(balance="50", cash="40", available="30")
    desk.apply("cash", account="a", amount="7.5", currency="USD")
    told = desk.told()
    assert (told["balance"], told["cash"], told["available"]) == ("57.5", "47.5", "37.5")


def test_the_same_cash_event_counts_once(desk: Desk) -> None:
    event = {"type": "cash", "id": "c-1", "at": desk.at, "account": "a", "amount": "-5000", "currency": "USD"}
    assert [desk.engine.apply(event).to_dict()["status"] for _ in range(2)] == ["applied", "repeat"]
    assert desk.told()["equity"] == "95000"


def test_what_the_host_says_of_the_marks_only_begins_them() -> None:
    desk = Desk(policy(LOSS), equity=None)
    desk.account(equity="90000", peak_equity="100000", day_start_equity="95000", net_flows_today="10")
    assert marks(desk) == ("100000", "95000", "10")
    desk.account(peak_equity="1", day_start_equity="1", net_flows_today="0")
    assert marks(desk) == ("100000", "95000", "10"), "they belong to the engine once it runs"


def test_merge_keeps_and_replace_forgets(desk: Desk) -> None:
    desk.account(equity="100000", available="7")
    desk.account(equity="100001")
    assert desk.told()["available"] == "7"
    desk.account(mode="replace", equity="100002")
    assert "available" not in desk.told()
    assert marks(desk)[0] == "100002"


@pytest.mark.parametrize("seed", range(6))
def test_marks_against_a_simpler_account_of_them(seed: int) -> None:
    """Flows shift the peak; equity raises it; nothing else does."""
    rng, desk = Random(seed), Desk(policy(LOSS))
    equity = peak = start = Fraction(100_000)
    flows = Fraction(0)
    for _ in range(30):
        match rng.randrange(3):
            case 0:
                equity = Fraction(rng.randrange(50_000, 200_000))
                peak = max(peak, equity)
                desk.account(equity=str(equity))
            case 1:
                amount = Fraction(rng.randrange(-3_000, 3_000))
                equity, peak, flows = equity + amount, peak + amount, flows + amount
                desk.apply("cash", account="a", amount=str(amount), currency="USD")
            case 2 if rng.random() < 0.3:
                desk.later(86_400)
                start, flows = equity, Fraction(0)
        desk.later(1).apply("tick")
        assert (desk.told()["equity"], *marks(desk)) == tuple(map(str, (equity, peak, start, flows))), seed


# ── days ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_day_begins_at_the_hour_of_the_policy_in_its_zone(desk: Desk) -> None:
    desk.account(equity="101000")
    desk.apply("cash", account="a", amount="500", currency="USD")
    desk.to("2026-01-05T21:59:59.999Z").apply("tick")
    assert marks(desk)[1:] == ("100000", "500")
    desk.to("2026-01-05T22:00:00Z").apply("tick")  # 17:00 in New York
    assert marks(desk)[1:] == ("101500", "0")
    desk.account(equity="99000")
    assert verdict(desk.submit("buy", "1")) == ("DENY", "0", "LOSS-010"), "2500 of 101500 is more than 2%"


def test_an_intent_alone_begins_a_day(desk: Desk) -> None:
    desk.account(equity="97000")
    assert verdict(desk.submit("buy", "1"))[0] == "DENY"
    assert verdict(desk.to("2026-01-05T22:00:00Z").submit("buy", "1"))[0] == "ALLOW"


@pytest.mark.parametrize(("before", "after"), [
    ("2026-03-07T21:59:59Z", "2026-03-07T22:00:00Z"),  # 17:00 EST
    ("2026-03-08T20:59:59Z", "2026-03-08T21:00:00Z"),  # clocks went forward at 02:00: 17:00 EDT, a day of 23 hours
    ("2026-10-31T20:59:59Z", "2026-10-31T21:00:00Z"),
    ("2026-11-01T21:59:59Z", "2026-11-01T22:00:00Z"),  # clocks went back: a day of 25 hours
])
def test_days_follow_the_clocks_of_the_zone(desk: Desk, before: str, after: str) -> None:
    desk.to(before).account(equity="98500")
    desk.account(equity="98900")
    day = marks(desk)[1]
    desk.apply("tick")
    assert marks(desk)[1] == day != "98900"
    desk.to(after).apply("tick")
    assert marks(desk)[1] == "98900"


def test_several_days_may_pass_at_once(desk: Desk) -> None:
    desk.account(equity="120000")
    desk.to("2026-02-20T12:00:00Z").account(equity="90000")
    assert marks(desk)[:2] == ("120000", "120000"), "equity as last told before the days began"


def test_a_session_event_begins_a_day_with_its_equity(desk: Desk) -> None:
    desk.account(equity="97000")
    desk.apply("session", account="a", act="day_start", day="2026-01-06", equity="97000", balance="96000")
    assert marks(desk)[1] == "97000"
    assert desk.told()["day_start_balance"] == "96000"
    assert verdict(desk.submit("buy", "1"))[0] == "ALLOW"


def test_realised_profit_is_of_today(desk: Desk) -> None:
    desk.account(realised_pnl_today="-500")
    assert desk.told()["realised_pnl_today"] == "-500"
    desk.to("2026-01-05T22:00:00Z").apply("tick")
    assert "realised_pnl_today" not in desk.told()


def test_fees_of_fills_are_counted_by_the_day(desk: Desk) -> None:
    desk.account(currency="USD")
    desk.fill("buy", "1", fee="0.25", fee_currency="USD")
    desk.fill("buy", "1", fee="0.5")
    desk.fill("buy", "1", fee="9", fee_currency="BNB")
    assert desk.told()["fees_today"] == "0.75"
    desk.to("2026-01-05T22:00:00Z").apply("tick")
    assert "fees_today" not in desk.told()


def test_marks_survive_a_restart(desk: Desk) -> None:
    desk.account(equity="123000")
    desk.apply("cash", account="a", amount="-1000", currency="USD")
    before = marks(desk), desk.engine.digest
    desk.restart()
    assert (marks(desk), desk.engine.digest) == before


def test_accounts_are_apart(desk: Desk) -> None:
    desk.account(account="b", equity="500")
    desk.apply("cash", account="b", amount="-100", currency="USD")
    desk.later(9 * 3600).apply("tick", account="b")
    assert marks(desk)[0] == "100000"
    assert desk.told(account="b")["equity"] == "400"


# ── quotes and counters ───────────────────────────────────────────────────────────────────────────────


def test_an_older_quote_stays_behind_a_newer_one(desk: Desk) -> None:
    desk.later(5).quote("X", "11", venue_at="2026-01-05T15:00:04Z")
    old = desk.quote("X", "99", venue_at="2026-01-05T15:00:03Z")
    assert [each.problem for each in old.discrepancies] == ["older_quote"]
    assert desk.engine.facts(desk.intent("buy", "1", id="look"))["market"]["X"]["price"] == "11"


def test_quotes_name_no_account_and_make_none(desk: Desk) -> None:
    """An empty account beside the real one would leave an intent without an account to nobody."""
    desk.quote("Y", "1")
    desk.apply("venue", venue="v", values={"status": "up"})
    assert list(desk.engine.facts()["accounts"]) == ["a"]


def test_counters_are_merged() -> None:
    rules = 'throttle EXEC-010 "n" { deny beyond 3 orders in any 1min from counters.n }\n' + LOSS
    desk = Desk(policy(rules))
    desk.quote("X", "10")
    desk.apply("counters", values={"n": 2, "m": 7})
    assert verdict(desk.submit("buy", "1"))[0] == "ALLOW"
    desk.apply("counters", values={"n": 3})
    assert verdict(desk.submit("buy", "1")) == ("DENY", "0", "EXEC-010")
    assert desk.engine.facts()["counters"] == {"n": "3", "m": "7"}
