"""Windows that slide, each rule its own, keyed; half-open: an event counts while now - t < W."""
from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from caplex.runtime.clock import parse_instant
from engine.support import FACES, Desk, policy, verdict

OPEN = 'limit EXP-010 "Position" { abs(after.position.notional) at most 1_000_000 USD else reduce }\n'


def desk_with(rules: str, journal: Path | None = None, closing: str | None = None) -> Desk:
    made = Desk(policy(rules + OPEN, **({"closing": closing} if closing else {})), journal)
    for symbol in ("X", "Y"):
        made.quote(symbol, "10")
    return made


def says(desk: Desk, *more: str, **fields: str) -> str:
    return desk.submit(*(more or ("buy", "1")), **fields).verdict.value


# ── throttles ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_throttle_counts_approvals_and_slides() -> None:
    desk = desk_with('throttle EXEC-010 "Rate" { deny beyond 2 orders in any 1min }')
    assert [says(desk), says(desk.later(10)), says(desk.later(10))] == ["ALLOW", "ALLOW", "DENY"]
    assert says(desk.later(39.999)) == "DENY"
    assert says(desk.later(0.001)) == "ALLOW", "a minute after the first, which counts no more"
    assert says(desk.later(9.999)) == "DENY"
    assert says(desk.later(0.001)) == "ALLOW", "denied intents did not count"


def test_a_trimmed_order_counts_and_a_hold_does_not() -> None:
    desk = desk_with('throttle EXEC-010 "Rate" { deny beyond 2 orders in any 1min }\n'
                     'limit EXP-005 "Small" { abs(after.position.quantity) at most 5 units else reduce }\n'
                     'rule EXP-020 "Y" { hold when intent.symbol == "Y" for approval by role "r" within 1h }\n')
    assert [says(desk, "buy", "3", "Y"), says(desk, "buy", "3", "Y")] == ["HOLD", "HOLD"]
    assert [says(desk, "buy", "9"), says(desk, "sell", "1"), says(desk, "sell", "9")] == ["MODIFY", "ALLOW", "DENY"]


@pytest.mark.parametrize(("key", "one", "other"), [
    ("strategy", {"strategy": "s"}, {"strategy": "t"}), ("symbol", {"symbol": "X"}, {"symbol": "Y"}),
    ("venue", {"venue": "v"}, {"venue": "w"})])
def test_windows_are_kept_for_each_key(key: str, one: dict[str, str], other: dict[str, str]) -> None:
    desk = desk_with(f'throttle EXEC-010 "Rate" {{ deny beyond 1 orders in any 1min for each {key} }}')
    ask = [{"side": "buy", "symbol": "X", **each} for each in (one, one, other, other)]
    found = []
    for each in ask:
        found.append(desk.submit(each.pop("side"), "1", each.pop("symbol"), **each).verdict.value)
    assert found == ["ALLOW", "DENY", "ALLOW", "DENY"]


def test_two_keys_make_one() -> None:
    desk = desk_with('throttle EXEC-010 "Rate" { deny beyond 1 orders in any 1min for each strategy, symbol }')
    asked = [("X", "s"), ("Y", "s"), ("X", "t"), ("X", "s"), ("Y", "t"), ("Y", "s")]
    assert [says(desk, "buy", "1", symbol, strategy=name) for symbol, name in asked] == ["ALLOW", "ALLOW", "ALLOW", "DENY", "ALLOW", "DENY"]


def test_each_account_has_its_windows() -> None:
    desk = desk_with('throttle EXEC-010 "Rate" { deny beyond 1 orders in any 1min }')
    desk.account(account="b", equity="100000")
    desk.apply("history", account="b", complete_from="2020-01-01T00:00:00Z")
    assert [says(desk), says(desk, account="b"), says(desk), says(desk, account="b")] == ["ALLOW", "ALLOW", "DENY", "DENY"]


def test_a_guard_stops_whom_it_names() -> None:
    desk = desk_with('throttle EXEC-010 "Rate" { when intent.symbol == "X" deny beyond 1 orders in any 1min for each symbol }')
    assert [says(desk, "buy", "1", "Y"), says(desk, "buy", "1", "Y"), says(desk), says(desk)] == ["ALLOW", "ALLOW", "ALLOW", "DENY"]


def test_closing_orders_count_and_are_not_stopped() -> None:
    desk = desk_with('throttle EXEC-010 "Rate" { deny beyond 2 orders in any 1min }')
    desk.fill("buy", "10")
    assert [says(desk, "sell", "1"), says(desk, "sell", "1"), says(desk, "sell", "1"), says(desk)] == ["ALLOW", "ALLOW", "ALLOW", "DENY"]


def test_a_reserve_keeps_places_for_closing() -> None:
    desk = desk_with('throttle EXEC-010 "Rate" { deny beyond 3 orders in any 1min reserve 1 for closing }', closing=FACES)
    desk.fill("buy", "10")
    assert [says(desk), says(desk), says(desk), says(desk, "sell", "1"), says(desk, "sell", "1")] == ["ALLOW", "ALLOW", "DENY", "ALLOW", "DENY"]


@pytest.mark.parametrize(("events", "type_", "fields"), [
    ("rejects", "reject", {"intent_id": "i-9"}), ("cancels", "cancel", {"order_id": "o-9"}), ("fills", "fill", {"side": "buy", "quantity": "1", "price": "10", "symbol": "Y", "account": "a"}),
    ("stops", "stop", {"symbol": "Y", "account": "a"}), ("results", "result", {"result": "loss", "account": "a"})])
def test_every_history_has_its_throttle(events: str, type_: str, fields: dict[str, str]) -> None:
    desk = desk_with(f'throttle EXEC-010 "Rate" {{ deny beyond 2 {events} in any 1min }}')
    desk.apply(type_, **fields)
    assert says(desk) == "ALLOW"
    desk.later(30).apply(type_, **fields)
    assert says(desk) == "DENY"
    assert says(desk.later(30)) == "ALLOW"


def test_denials_and_violations_are_histories_too() -> None:
    desk = desk_with('throttle EXEC-010 "Rate" { deny beyond 2 denials in any 1min }\n'
                     'limit EXP-005 "Small" { abs(after.position.quantity) at most 5 units else deny }\n')
    assert [says(desk, "buy", "9"), says(desk, "buy", "1"), says(desk, "buy", "9"), says(desk, "buy", "1")] == ["DENY", "ALLOW", "DENY", "DENY"]


# ── cooldowns ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_cooldown_runs_from_the_last_event_of_its_key() -> None:
    desk = desk_with('cooldown EXEC-020 "Cool" { deny during 5min after last fill for each symbol }')
    assert says(desk) == "ALLOW"
    desk.later(1).fill("buy", "1", "X")
    assert (says(desk), says(desk, "buy", "1", "Y")) == ("DENY", "ALLOW")
    assert says(desk.later(299)) == "DENY"
    desk.fill("buy", "1", "X")
    assert says(desk.later(1)) == "DENY", "the last one counts"
    assert says(desk.later(299)) == "ALLOW"


def test_a_fill_without_a_strategy_is_of_its_orders() -> None:
    desk = desk_with('cooldown EXEC-020 "Cool" { deny during 5min after last fill for each strategy }')
    desk.submit("buy", "1", id="i-1", strategy="s")
    desk.apply("fill", intent_id="i-1", side="buy", symbol="X", quantity="1", price="10")
    assert (says(desk, strategy="s"), says(desk, strategy="t")) == ("DENY", "ALLOW")


def test_a_late_fill_cools_from_when_it_was_heard_of() -> None:
    desk = desk_with('cooldown EXEC-020 "Cool" { deny during 5min after last fill for each symbol }')
    desk.later(600).fill("buy", "1", venue_at="2026-01-05T15:00:00Z")
    assert (says(desk.later(299)), says(desk.later(1))) == ("DENY", "ALLOW")


# ── sums and days ─────────────────────────────────────────────────────────────────────────────────────


def test_a_window_sum_slides() -> None:
    desk = desk_with('limit EXEC-030 "Volume" { sum(f.notional for f in fills in last 1h where f.symbol == intent.symbol) + intent.notional at most 100 USD else reduce }')
    desk.fill("buy", "6", price="10")
    assert verdict(desk.submit("buy", "9")) == ("MODIFY", "4", "EXEC-030")
    assert verdict(desk.submit("buy", "9", "Y"))[0] == "ALLOW"
    assert verdict(desk.later(3599.999).submit("buy", "9"))[1] == "4"
    assert verdict(desk.later(0.001).submit("buy", "9"))[1] == "9"


def test_a_correction_corrects_the_sum() -> None:
    desk = desk_with('limit EXEC-030 "Volume" { sum(f.notional for f in fills in last 1h) + intent.notional at most 100 USD else reduce }')
    desk.fill("buy", "9", price="10", id="f-1")
    desk.fill("buy", "2", price="10", corrects="f-1")
    assert verdict(desk.submit("buy", "20"))[1] == "8"
    desk.fill("buy", "0", price="10", corrects="f-1", id="f-9")
    assert verdict(desk.submit("buy", "20"))[1] == "10"


def test_a_bust_ends_its_cooldown() -> None:
    desk = desk_with('cooldown EXEC-020 "Cool" { deny during 5min after last fill for each symbol }')
    desk.fill("buy", "9", id="f-1")
    desk.fill("buy", "0", corrects="f-1")
    assert says(desk) == "ALLOW", "there was no fill"


def test_today_follows_the_day_of_the_policy() -> None:
    desk = desk_with('throttle EXEC-010 "Day" { deny beyond 2 orders per day }').to("2026-01-05T21:00:00Z")
    assert [says(desk), says(desk), says(desk)] == ["ALLOW", "ALLOW", "DENY"]
    assert says(desk.to("2026-01-05T21:59:59.999Z")) == "DENY"
    assert says(desk.to("2026-01-05T22:00:00Z")) == "ALLOW"


def test_a_history_told_in_advance_counts_and_one_that_is_not_there_denies() -> None:
    rules = 'throttle EXEC-010 "Rate" { deny beyond 2 fills in any 1h }\n' + OPEN
    desk = Desk(policy(rules), equity=None)
    desk.account(equity="100000")
    desk.quote("X", "10")
    assert verdict(desk.submit("buy", "1")) == ("DENY", "0", "SYS-007")
    fill = {"type": "fill", "symbol": "X", "side": "buy", "quantity": "1", "price": "1"}
    desk.apply("history", account="a", complete_from="2026-01-05T14:00:00Z", events=[{**fill, "at": "2026-01-05T14:10:00Z"}])
    assert says(desk) == "ALLOW"
    desk.fill("buy", "1")
    assert says(desk) == "DENY"
    assert says(desk.to("2026-01-05T15:10:00Z")) == "ALLOW"


@pytest.mark.parametrize("seed", range(6))
def test_windows_against_plain_counting(seed: int, tmp_path: Path) -> None:
    """Random times, three rules with windows of their own, restarts between."""
    rng = Random(seed)
    windows = {"EXEC-010": (60, 3, None), "EXEC-020": (7, 1, "symbol"), "EXEC-030": (300, 6, "strategy")}
    rules = "\n".join(f'throttle {name} "t" {{ deny beyond {most} orders in any {span}s{f" for each {key}" if key else ""} }}'
                      for name, (span, most, key) in windows.items())
    desk = desk_with(rules, tmp_path / "j")
    approved: list[tuple[int, str, str]] = []
    for number in range(120):
        desk.later(rng.choice((0, 0.5, 1, 1, 3, 7, 20, 59.999, 60)))
        symbol, strategy = rng.choice("XY"), rng.choice("st")
        broken = [name for name, (span, most, key) in windows.items() if most <= sum(
            1 for at, sym, strat in approved if desk.now - at < span * 10**9 and (
                key is None or (key == "symbol" and sym == symbol) or (key == "strategy" and strat == strategy)))]
        decision = desk.submit("buy", "1", symbol, strategy=strategy)
        assert [reason.rule for reason in decision.reasons] == broken, (seed, number)
        if not broken:
            approved.append((desk.now, symbol, strategy))
        if number == 60:
            desk.restart()


def test_a_window_forgets_what_nothing_reads_any_more() -> None:
    desk = desk_with('throttle EXEC-010 "Rate" { deny beyond 5 fills in any 1min }')
    for _ in range(300):
        desk.later(1).fill("buy", "1")
    events = desk.engine.facts(desk.intent("buy", "1", id="look"))["history"]["events"]
    assert 60 <= len(events) <= 62
    assert all(desk.now - parse_instant(row["at"]) <= 60 * 10**9 for row in events)
