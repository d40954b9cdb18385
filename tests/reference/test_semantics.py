"""The meaning of the language, sentence by sentence of docs/spec.md, with numbers worked out by hand."""
from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import pytest

from caplex.compiler.driver import check_source
from caplex.compiler.reference import rule_on
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.source import Source
from caplex.runtime.facts import World
from caplex.runtime.ruling import Ruling, Trip

NOW = "2026-01-05T15:00:00Z"
HEADER = {
    "version": '"1"', "language": "1", "mode": "enforce", "currency": "USD", "timezone": '"America/New_York"', "lot": "1",
    "closing": "skips EXP, LOSS, EXEC", "overrides": "tightest wins", "stages": "SYS, KILL, LOSS, ORD, EXEC, EXP",
    "unlimited exposure": "", "unlimited loss": ""}
CAP = "limit EXP-010 { abs(after.position.quantity) at most 50 units else reduce }"


@cache
def checked(text: str) -> CheckedModule:
    module, problems = check_source(Source("case.cap", text))
    assert module is not None, [(problem.message, problem.span.text) for problem in problems]
    return module


def judge(rules: str, *, header: dict[str, str | None] | None = None, position: Any = None, price: Any = 100, drop: tuple[str, ...] = (),
          intent: dict[str, Any] | None = None, **facts: Any) -> Ruling:
    """The ruling on a buy of 10 AAPL at 100 by an account of 100 000, but for what is said."""
    clauses = {**HEADER, **(header or {})}
    text = "policy p {\n" + "\n".join(f"  {key} {value}" for key, value in clauses.items() if value is not None) + "\n}\n" + rules
    document: dict[str, Any] = {
        "now": NOW,
        "intent": {"id": "i-1", "action": "open", "symbol": "AAPL", "side": "buy", "quantity": 10, "strategy": "momentum", **(intent or {})},
        "account": {"equity": 100_000, "day_start_equity": 100_000, "peak_equity": 100_000, "available": 50_000},
        "positions": {} if position is None else {"AAPL": {"quantity": position}}, "orders": [],
        "market": {"AAPL": {"price": price, "as_of": NOW}}, "switches": {},
        "history": {"complete_from": "2025-12-01T00:00:00Z", "events": []}}
    for key, value in facts.items():
        document[key] = {**document[key], **value} if isinstance(value, dict) and key in ("account", "positions", "market", "switches") else value
    document["intent"] = {key: value for key, value in document["intent"].items() if value is not None}
    for key in drop:
        del document[key]
    module = checked(text)
    policy = module.policy
    return rule_on(module, World(module.schema, document, currency=policy.currency, timezone=policy.timezone, day_start_ns=policy.day_start_ns))


def told(ruling: Ruling) -> tuple[str, Fraction]:
    return ruling.verdict.value, ruling.quantity


def ids(ruling: Ruling) -> list[str]:
    return [reason.rule for reason in ruling.reasons]


def paths(ruling: Ruling) -> list[str]:
    return [leaf.path for reason in ruling.reasons for leaf in reason.leaves]


def sell(quantity: Any, **more: Any) -> dict[str, Any]:
    return {"side": "sell", "quantity": quantity, **more}


def buy(quantity: Any, **more: Any) -> dict[str, Any]:
    return {"quantity": quantity, **more}


# ── the table of caps ─────────────────────────────────────────────────────────────────────────────────


def test_a_rule_that_does_not_apply_permits_everything():
    for rule in ('rule ORD-010 { when intent.symbol == "TSLA" deny when true }', "rule ORD-010 for close { deny when true }"):
        assert told(judge(rule)) == ("ALLOW", 10)


def test_a_rule_that_is_kept_at_n_permits_n():
    assert told(judge(CAP, intent=buy(50))) == ("ALLOW", 50)  # at the bound exactly, `at most` passes


def test_at_the_bound_below_does_not_pass():
    assert told(judge("limit EXP-010 { after.position.quantity below 50 units else reduce }", intent=buy(50))) == ("MODIFY", 49)


def test_a_broken_reducing_limit_permits_the_largest_tradable_size():
    ruling = judge(CAP, position=20, intent=buy(100))  # 50 − 20
    assert told(ruling) == ("MODIFY", 30)
    reason = ruling.reasons[0]
    assert (reason.observed, reason.comparison, reason.limit, reason.permitted) == (120, "<=", 50, 30)


def test_a_broken_denying_rule_permits_the_closing_leg_of_a_skipped_stage_else_nothing():
    deny = "{ deny when account.equity < 200_000 USD }"
    flip = sell(30)
    assert told(judge(f"rule EXP-010 {deny}", position=20, intent=flip)) == ("MODIFY", 20)
    assert told(judge(f"rule ORD-010 {deny}", position=20, intent=flip)) == ("DENY", 0)
    assert told(judge("rule ORD-010 { deny opening when account.equity < 200_000 USD }", position=20, intent=flip)) == ("MODIFY", 20)


def test_a_rule_that_cannot_be_evaluated_permits_what_a_broken_one_would_and_names_the_reading():
    ruling = judge("rule EXP-010 { deny when account.drawdown > 5% }", position=20, intent=sell(30), account={"peak_equity": "NaN"})
    assert told(ruling) == ("MODIFY", 20)
    assert ids(ruling) == ["SYS-005"]
    assert paths(ruling) == ["/account/peak_equity"]
    assert ruling.reasons[0].needed_by == ("EXP-010",)
    assert ruling.violated == ()


def test_warn_hold_and_monitor_permit_n_even_where_they_cannot_be_evaluated():
    bad = {"account": {"equity": None}}
    assert told(judge("rule ORD-010 { warn when account.equity < 1 USD }", **bad)) == ("ALLOW", 10)
    assert told(judge("rule ORD-010 monitor always { deny when account.equity < 1 USD }", **bad)) == ("ALLOW", 10)
    ruling = judge('rule ORD-010 { hold when account.equity < 1 USD for approval by role "cro" }', **bad)
    assert told(ruling) == ("HOLD", 0)  # unknown counts as wanting
    assert (ruling.if_approved, ruling.holds) == (10, ("ORD-010",))


@pytest.mark.parametrize(("denies", "expect"), [("opening", ("MODIFY", 20)), ("all", ("DENY", 0))])
def test_a_tripped_switch(denies, expect):
    switch = f"kill switch KILL-010 for account {{ trip when account.drawdown >= 10%  while tripped deny {denies}  rearm never }}"
    assert told(judge(switch, position=20, intent=sell(30), switches={"KILL-010": {"state": "tripped"}})) == expect
    assert told(judge(switch, position=20, intent=sell(30), account={"equity": 90_000})) == expect


# ── closing ───────────────────────────────────────────────────────────────────────────────────────────


def test_long_200_under_a_cap_of_50_closing_skipped():
    assert told(judge(CAP, position=200, intent=sell(20))) == ("ALLOW", 20)
    ruling = judge(CAP, position=200, intent=sell(300))  # closes 200, then 50 short
    assert told(ruling) == ("MODIFY", 250)
    assert ruling.closing == 200


def test_long_200_under_a_cap_of_50_closing_faces_every_rule():
    header = {"closing": "faces every rule"}
    assert told(judge(CAP, header=header, position=200, intent=sell(20))) == ("DENY", 0)
    assert told(judge(CAP, header=header, position=200, intent=sell(150))) == ("ALLOW", 150)
    assert told(judge(CAP, header=header, position=200, intent=sell(300))) == ("MODIFY", 250)


def test_unless_worse_leaves_a_closing_leg_alone_that_does_not_raise_the_measure():
    header = {"closing": "skips EXP unless worse"}
    assert told(judge(CAP, header=header, position=200, intent=sell(20))) == ("ALLOW", 20)
    # hedge book: the sell shrinks AAPL, but the gross is what it is; 100 of 200 closed leaves 150 in orders: never worse
    grows = "limit EXP-010 { intent.quantity at most 50 units else reduce }"  # a measure that closing raises
    assert told(judge(grows, header=header, position=200, intent=sell(100))) == ("MODIFY", 50)
    assert told(judge(grows, position=200, intent=sell(100))) == ("ALLOW", 100)


def test_orders_in_flight_shrink_the_closing_leg_and_count_one_sided():
    orders = [{"id": "o-1", "symbol": "AAPL", "side": "sell", "leaves_quantity": 150}]
    ruling = judge("rule EXP-010 { deny when true }", position=200, intent=sell(100), orders=orders)
    assert ruling.closing == 50
    assert told(ruling) == ("MODIFY", 50)
    bought = [{"id": "o-1", "symbol": "AAPL", "side": "buy", "leaves_quantity": 5}, {"id": "o-2", "symbol": "AAPL", "side": "sell", "leaves_quantity": 9}]
    assert told(judge(CAP, position=20, intent=buy(100), orders=bought)) == ("MODIFY", 25)  # 50 − 20 − 5: the sell is not netted


def test_orders_that_share_oco_count_once_at_the_largest():
    orders = [{"id": f"o-{size}", "symbol": "AAPL", "side": "sell", "leaves_quantity": size, "oco": "g"} for size in (30, 40)]
    assert judge(CAP, position=100, intent=sell(100), orders=orders).closing == 60


def test_an_unreadable_position_closes_nothing():
    ruling = judge(CAP, position="many", intent=sell(20))
    assert told(ruling) == ("DENY", 0)
    assert (ruling.closing, paths(ruling)) == (0, ["/positions/AAPL/quantity"])


def test_what_intents_ask_for():
    close = {"action": "close", "side": None, "quantity": None}
    assert told(judge(CAP, position=-7, intent=close)) == ("ALLOW", 7)
    assert ids(judge(CAP, intent=close)) == ["SYS-004"]  # on a flat book
    over = judge(CAP, position=7, intent={"action": "close", "quantity": 10, "side": "sell"})
    assert (told(over), ids(over)) == (("MODIFY", 7), ["SYS-012"])
    assert told(judge(CAP, position=7, intent={"action": "close", "quantity": 10, "side": "sell", "reduce_only": False})) == ("ALLOW", 10)
    ruling = judge(CAP, position=7, intent={"action": "adjust", "delta": -10, "quantity": None, "side": None})
    assert (told(ruling), ruling.side, ruling.closing) == (("ALLOW", 10), "sell", 7)
    assert told(judge(CAP, intent={"action": "adjust", "delta": 0, "quantity": None})) == ("DENY", 0)
    assert told(judge("rule ORD-010 { deny when true }", intent={"action": "cancel", "quantity": None})) == ("ALLOW", 1)
    assert told(judge("rule ORD-010 for cancel { deny when true }", intent={"action": "cancel", "quantity": None})) == ("DENY", 0)
    transfer = {"action": "transfer", "amount": "500.25", "quantity": None, "symbol": None, "side": None}
    assert told(judge("rule ORD-010 for transfer { deny when intent.amount > 1_000 USD }", header={"lot": "0.01"}, intent=transfer)) == ("ALLOW", Fraction("500.25"))
    assert ids(judge(CAP, intent={"quantity": 0})) == ["SYS-004"]
    assert paths(judge(CAP, intent={"quantity": None})) == ["/intent/quantity"]


# ── the example of the surface ────────────────────────────────────────────────────────────────────────


def test_the_intent_of_300_aapl_is_modified_to_25():
    rules = """setting max_position : ratio = 10% within 0%..100% lower is safer { tighten for strategy "SCALPER" = 6% }
    limit EXP-010 { abs(after.position.notional) at most max_position of account.equity else reduce }"""
    facts: dict[str, Any] = {"price": 200, "position": 20, "orders": [{"id": "o-1", "symbol": "AAPL", "side": "buy", "leaves_quantity": 5}]}
    ruling = judge(rules, intent=buy(300), **facts)
    assert told(ruling) == ("MODIFY", 25)  # 10 000 USD are 50 shares, 20 are held, 5 are working
    assert (ruling.reasons[0].observed, ruling.reasons[0].limit, ruling.violated) == (65_000, 10_000, ("EXP-010",))
    assert told(judge(rules, intent=buy(300, strategy="SCALPER"), **facts)) == ("MODIFY", 5)  # 6 000 USD are 30
    assert told(judge(rules, intent=buy(25), **facts)) == ("ALLOW", 25)  # its result again, on the same facts


# ── reduction, the lot grid, snap ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("lot", "expect"), [("1", 33), ("0.1", Fraction("33.3")), ("0.00000001", Fraction("33.33333333")), ("7", 28)])
def test_the_reduction_is_the_largest_multiple_of_the_lot(lot, expect):
    assert told(judge("limit EXP-010 { after.position.notional at most 1_000 USD else reduce }", header={"lot": lot}, price=30, intent=buy(700))) == ("MODIFY", expect)


def test_a_strict_bound_on_the_grid_takes_one_lot_less():
    below = "limit EXP-010 { after.position.notional below 1_000 USD else reduce }"
    assert told(judge(below, intent=buy(20))) == ("MODIFY", 9)
    assert told(judge(below, price=30, intent=buy(700))) == ("MODIFY", 33)  # 33 × 30 = 990


def test_a_limit_with_a_lower_edge_is_found_beyond_it():
    # short 100 with a cap of 50, every size faces the rule: kept at 50 … 150
    ruling = judge(CAP, header={"closing": "faces every rule"}, position=-100, intent=buy(400))
    assert told(ruling) == ("MODIFY", 150)


def test_a_rule_that_fails_at_what_the_others_left_is_a_reason_at_x():
    rules = CAP + "\nlimit ORD-010 { intent.notional at least 4_000 USD else deny }"
    ruling = judge(rules, position=20, intent=buy(100))
    assert told(ruling) == ("DENY", 0)  # 30 may go, but 3 000 USD are too little
    assert [(reason.rule, reason.at, reason.observed) for reason in ruling.reasons] == [("ORD-010", "x", 3_000), ("EXP-010", "n", 120)]
    assert ruling.violated == ("EXP-010",)
    # a closing leg that is kept is the second candidate
    floor = CAP + "\nlimit EXP-020 { intent.notional at least 4_000 USD else deny }"
    assert told(judge(floor, position=-5, intent=buy(25))) == ("MODIFY", 5)


def test_snap_takes_to_the_lot_and_says_so():
    ruling = judge(CAP, header={"lot": "4"}, intent=buy(10))
    assert told(ruling) == ("MODIFY", 8)
    assert [(reason.rule, reason.effect, reason.permitted) for reason in ruling.reasons] == [("SYS-012", "snap", 8)]
    assert told(judge(CAP, header={"lot": "4", "rounding": "never"}, intent=buy(10))) == ("DENY", 0)
    assert told(judge(CAP, header={"lot": "4", "rounding": "never"}, intent=buy(8))) == ("ALLOW", 8)
    assert told(judge(CAP, header={"lot": "4", "modify": "never"}, intent=buy(10))) == ("DENY", 0)
    held = judge('rule ORD-010 { hold when true for approval by role "cro" }', header={"lot": "4"}, intent=buy(10))
    assert (held.if_approved, ids(held)) == (8, ["ORD-010"])  # what a hold would take to the lot is not told


def test_minimums_bind_the_opening_leg_only():
    book = {"instruments": {"AAPL": {"lot": 1, "min_quantity": 5, "max_quantity": 40, "min_notional": 600}}}
    assert told(judge(CAP, intent=buy(5), **book)) == ("DENY", 0)  # 500 USD
    assert told(judge(CAP, intent=buy(6), **book)) == ("ALLOW", 6)
    assert told(judge(CAP, intent=buy(45), **book)) == ("MODIFY", 40)
    assert told(judge(CAP, position=3, intent=sell(3), **book)) == ("ALLOW", 3)
    assert told(judge(CAP, position=3, intent=sell(4), **book)) == ("MODIFY", 3)
    unread = judge(CAP, position=3, intent=sell(9), instruments={"AAPL": {"lot": 1, "min_quantity": "few"}})
    assert (told(unread), ids(unread)) == (("MODIFY", 3), ["SYS-005", "SYS-012"])


def test_without_a_lot_nothing_can_be_sent():
    ruling = judge(CAP, header={"lot": None})
    assert (told(ruling), paths(ruling)) == (("DENY", 0), ["/instruments/AAPL/lot"])


# ── unknown ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("condition", "expect"), [
    ("account.equity < 1 USD and intent.quantity > 99 units", ("ALLOW", 10)),  # unknown and false
    ("account.equity < 1 USD or intent.quantity > 9 units", ("DENY", 0)),      # unknown or true: broken
    ("account.equity < 1 USD and intent.quantity > 9 units", ("DENY", 0)),
    ("not (account.equity < 1 USD)", ("DENY", 0)),
])
def test_conditions_are_strong_kleene(condition, expect):
    ruling = judge(f"rule ORD-010 {{ deny when {condition} }}", account={"equity": "?"})
    assert told(ruling) == expect
    assert ids(ruling) in ([], ["SYS-005"], ["ORD-010"])
    assert ("ORD-010" in ruling.violated) == (" or " in condition)


def test_an_unknown_guard_of_a_kept_condition_does_no_harm():
    assert told(judge("rule ORD-010 { when account.equity > 1 USD deny when intent.quantity > 99 units }", account={"equity": "?"})) == ("ALLOW", 10)


def test_the_leaves_of_a_choice_are_those_of_its_condition():
    rule = "limit EXP-010 { (if account.equity > 1 USD then account.available else account.peak_equity) at least 1 USD else deny }"
    ruling = judge(rule, account={"equity": "?", "available": "?", "peak_equity": "?"})
    assert paths(ruling) == ["/account/equity"]
    assert paths(judge(rule, account={"available": "?", "peak_equity": "?"})) == ["/account/available"]


def test_else_sees_absence_only():
    rule = "limit ORD-010 { (account.cash else 0 USD) at least 1 USD else deny }"
    absent = judge(rule)
    assert (told(absent), ids(absent)) == (("DENY", 0), ["ORD-010"])
    assert ids(judge(rule, account={"cash": "NaN"})) == ["SYS-005"]
    assert told(judge("rule ORD-010 { require account.cash is known }", account={"cash": 5})) == ("ALLOW", 10)
    assert ids(judge("rule ORD-010 { require account.cash is known }")) == ["ORD-010"]
    assert ids(judge("rule ORD-010 { require account.cash is not known }", account={"cash": "x"})) == ["SYS-005"]


def test_several_rules_that_miss_one_field_give_one_reason():
    rules = "rule ORD-010 { deny when account.equity < 1 USD }\nrule EXP-010 { deny when account.equity < 2 USD }"
    ruling = judge(rules, position=20, intent=sell(30), account={"equity": None})
    assert [(reason.rule, reason.needed_by, reason.permitted) for reason in ruling.reasons] == [("SYS-001", ("ORD-010", "EXP-010"), 0)]


def test_a_sys_reason_stands_where_sys_stands_else_at_the_rule_with_its_code_and_outcome():
    rules = "rule ORD-010 { deny when intent.quantity > 1 units }\nrule EXP-010 code E7 outcome BLOCK { deny when account.equity < 2 USD }"
    listed = judge(rules, account={"equity": None})
    assert (ids(listed), listed.code, listed.outcome) == (["SYS-001", "ORD-010"], None, "DENY")
    between = judge(rules, account={"equity": None}, header={"stages": "ORD, SYS, EXP", "closing": "skips EXP"})
    assert ids(between) == ["ORD-010", "SYS-001"]
    unlisted = judge(rules, account={"equity": None}, header={"stages": "ORD, EXP", "closing": "skips EXP"})
    assert ids(unlisted) == ["ORD-010", "SYS-001"]
    assert (unlisted.reasons[1].code, unlisted.reasons[1].outcome) == ("E7", "BLOCK")


@pytest.mark.parametrize(("seconds", "expect"), [("55", "ALLOW"), ("54.999", "DENY")])
def test_a_price_is_fresh_for_five_seconds_and_the_bound_is_fresh(seconds, expect):
    rule = "limit EXP-010 { after.position.notional at most 50_000 USD else reduce }"
    ruling = judge(rule, market={"AAPL": {"price": 100, "as_of": f"2026-01-05T14:59:{seconds}Z"}})
    assert (ruling.verdict.value, ids(ruling)) == (expect, [] if expect == "ALLOW" else ["SYS-002"])


def test_an_unusable_document_denies_and_names_every_path_also_in_monitor_mode():
    ruling = judge(CAP, header={"mode": "monitor"}, acount={"equity": 1})
    assert (told(ruling), ruling.requested) == (("DENY", 0), None)
    assert [leaf.path for leaf in ruling.document] == ["/acount"]
    assert told(judge(CAP, now="yesterday")) == ("DENY", 0)


def test_losing_a_section_denies_its_readers():
    gross = "limit EXP-010 { after.portfolio.gross at most 1_000_000 USD else reduce }"
    assert told(judge(gross)) == ("ALLOW", 10)
    for section in ("positions", "orders"):
        ruling = judge(gross, drop=(section,))
        assert (told(ruling), paths(ruling)) == (("DENY", 0), [f"/{section}"])


def test_a_held_position_without_a_price_is_unbounded():
    gross = "limit EXP-010 { after.portfolio.gross at most 1_000_000 USD else reduce }"
    ruling = judge(gross, positions={"TSLA": {"quantity": 1}})
    assert (told(ruling), paths(ruling)) == (("DENY", 0), ["/market/TSLA/price"])
    assert told(judge(gross, positions={"TSLA": {"quantity": 0}})) == ("ALLOW", 10)


# ── derived facts ─────────────────────────────────────────────────────────────────────────────────────

BOOK: dict[str, Any] = {
    "position": 20, "price": 200,
    "positions": {"TSLA": {"quantity": -30}, "NVDA": {"quantity": 0}},
    "orders": [
        {"id": "o-1", "symbol": "TSLA", "side": "sell", "leaves_quantity": 10}, {"id": "o-2", "symbol": "TSLA", "side": "buy", "leaves_quantity": 100},
        {"id": "o-3", "symbol": "AAPL", "side": "buy", "leaves_quantity": 5}, {"id": "o-4", "symbol": "AAPL", "side": "sell", "leaves_quantity": 2},
        {"id": "o-5", "symbol": "AAPL", "side": "buy", "leaves_quantity": 50, "status": "filled"}],
    "market": {"TSLA": {"price": 10, "as_of": NOW}, "NVDA": {"price": 1, "as_of": NOW}}}


@pytest.mark.parametrize(("side", "name", "expect"), [
    ("buy", "after.position.quantity", 35),       # 20 + 5 + 10
    ("sell", "after.position.quantity", 8),       # 20 − 2 − 10
    ("buy", "after.position.notional", 7_000),
    ("buy", "committed.position.quantity", 25),
    ("buy", "position.quantity", 20),
    ("buy", "position.notional", 4_000),
    ("buy", "after.portfolio.gross", 7_700),      # max(|−30 + 100|, |−30 − 10|) × 10 + 7 000
    ("buy", "committed.portfolio.gross", 5_700),
    ("buy", "after.portfolio.net", 7_700),        # (−30 + 100) × 10 + 7 000
    ("sell", "after.portfolio.net", 1_200),       # (−30 − 10) × 10 + 8 × 200
    ("buy", "portfolio.gross", 4_300),
    ("buy", "portfolio.net", 3_700),
    ("buy", "portfolio.positions", 2),
    ("buy", "committed.portfolio.positions", 2),
    ("buy", "intent.notional", 2_100),            # at the worse of 200 and the limit price 210
    ("sell", "intent.notional", 2_000),
    ("buy", "intent.closing", 0),
    ("sell", "intent.closing", 10),
    ("buy", "intent.opening", 10),
])
def test_derived_facts(side, name, expect):
    if name == "intent.closing":  # concave: only a lower bound may read it
        assert judge("limit ORD-010 { intent.closing at least 99 units else warn }", intent={"side": side}, **BOOK).warnings[0].observed == expect
        return
    zero = "0 USD" if name.endswith(("notional", "gross", "net")) else "0"
    ruling = judge(f"rule ORD-010 {{ warn when {name} >= {zero} }}", intent={"side": side, "limit_price": 210}, **BOOK)
    assert [warned.observed for warned in ruling.warnings] == [expect]


def test_day_loss_and_drawdown():
    rule = "rule LOSS-010 { warn when account.day_loss > 0 USD }\nrule LOSS-020 { warn when account.drawdown > 0% }"
    ruling = judge(rule, account={"equity": 95_000, "net_flows_today": 1_000, "peak_equity": 125_000})
    assert [warned.observed for warned in ruling.warnings] == [6_000, Fraction(30, 125)]


def test_a_unit_of_another_currency_is_worth_its_rate():
    rule = "rule ORD-010 { warn when after.position.notional > 0 USD }"
    instruments = {"AAPL": {"currency": "EUR", "multiplier": 2}}
    ruling = judge(rule, instruments=instruments, fx={"EURUSD": {"rate": "1.1"}})
    assert ruling.warnings[0].observed == 2_200  # 10 × 100 × 2 × 1.1
    assert judge(rule, instruments=instruments, fx={"USDEUR": {"rate": 4}}).warnings[0].observed == 500
    assert ids(judge("limit EXP-010 { after.position.notional at most 1 USD else deny }", instruments=instruments)) == ["SYS-013"]


# ── expressions ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("condition", "holds"), [
    ("clamp(account.equity / 1_000 USD, 0..50) == 50", True),
    ("max(account.equity, account.available, 1 USD) == account.equity", True),
    ("min(2, 3) == 2", True),
    ("abs(0 USD - account.equity) == account.equity", True),
    ("account.equity within 100_000 USD..100_001 USD", True),
    ('intent.symbol in ["AAPL", "TSLA"]', True),
    ('intent.symbol not in ["TSLA"]', True),
    ("account.equity is multiple of 3 USD", False),
    ("intent.side == buy", True),
    ('market["AAPL"].price == 100 USD', True),
    ("now >= 2026-01-05T15:00:00Z", True),
    ("switch KILL-010 armed", True),
    ("(if intent.side == sell then 1 else 2) == 2", True),
    ("10% of account.equity == 10_000 USD", True),
    ("sum(p.notional for p in positions) == 3_700 USD", True),
    ("count(p for p in positions where p.quantity > 0) == 1", True),
    ("any(p.quantity < -20 for p in positions)", True),
    ("all(p.quantity < 0 for p in positions where p.symbol != \"AAPL\")", False),
    ("max(p.quantity for p in positions) == 20", True),
    ("min(o.leaves_quantity for o in orders) == 2", True),
    ("sum(o.notional for o in orders where o.symbol == \"TSLA\") == 1_100 USD", True),
    ("account.equity / (account.equity - account.peak_equity) > 0", None),
])
def test_expressions(condition, holds):
    switch = "\nkill switch KILL-010 for account { trip when account.drawdown >= 10%  while tripped deny all  rearm never }"
    facts = BOOK | ({"price": 100} if "price" in condition else {})
    ruling = judge(f"rule ORD-010 {{ deny when {condition} }}" + switch, **facts)
    assert (ids(ruling) or [None])[0] == {True: "ORD-010", False: None, None: "SYS-006"}[holds]


def test_the_greatest_of_nothing_cannot_be_evaluated():
    assert ids(judge("rule ORD-010 { deny when max(p.quantity for p in positions) > 5 }")) == ["SYS-001"]
    assert told(judge("rule ORD-010 { deny when sum(p.quantity for p in positions) > 5 }")) == ("ALLOW", 10)


def test_settings_and_lets():
    rules = "setting room : money = 1_000 USD  let twice = room * 2  limit EXP-010 { after.position.notional at most twice - room else reduce }"
    assert told(judge(rules, intent=buy(15))) == ("MODIFY", 10)


def test_unlimited_is_above_every_number_also_as_a_setting():
    rules = "setting share : ratio = unlimited  limit EXP-010 { after.position.notional at most share of account.equity else reduce }"
    assert told(judge(rules, intent=buy(10**6))) == ("ALLOW", 10**6)
    assert told(judge("limit EXP-010 { after.position.notional at most unlimited else deny }")) == ("ALLOW", 10)


def test_a_divisor_that_is_not_positive_is_sys_006_whatever_stands_above_it():
    rule = "rule ORD-010 { deny when account.available / (account.equity - account.peak_equity) > 1 }"
    assert ids(judge(rule)) == ["SYS-006"]
    assert ids(judge(rule, account={"available": "?"})) == ["SYS-005", "SYS-006"]


def test_a_leg_that_cannot_be_read_closes_nothing():
    ruling = judge("rule EXP-010 { deny when true }", position=20, intent=sell(5, position_side="sideways"))
    assert (told(ruling), ruling.closing) == (("DENY", 0), 0)
    hedged = judge("rule EXP-010 { deny when true }", position=20, intent=sell(5, position_side="short"))
    assert (told(hedged), hedged.closing) == (("DENY", 0), 0)  # in hedge mode an open closes nothing


OVERRIDES = """setting most : quantity = 100 units lower is safer {{
  tighten for strategy "momentum" = 30 units
  tighten for symbol "AAPL" = 40 units
  loosen for symbol "TSLA" = 500 units through {until} approved by "CRO" ticket "R-1"
}}
limit EXP-010 {{ after.position.quantity at most most else reduce }}"""


@pytest.mark.parametrize(("overrides", "symbol", "strategy", "until", "expect"), [
    ("tightest wins", "AAPL", "momentum", "2026-12-31", 30),
    ("tightest wins", "AAPL", "other", "2026-12-31", 40),
    ("tightest wins", "NVDA", "other", "2026-12-31", 100),       # the default only if none matches
    ("tightest wins", "TSLA", "other", "2026-12-31", 500),
    ("tightest wins", "TSLA", "momentum", "2026-12-31", 30),
    ("tightest wins", "TSLA", "other", "2026-01-04", 100),       # ended
    ("tightest wins", "TSLA", "other", "2026-01-05", 500),       # `through` is inclusive
    ("by symbol > strategy > default", "AAPL", "momentum", "2026-12-31", 40),
    ("by strategy > symbol > default", "AAPL", "momentum", "2026-12-31", 30),
    ("by symbol > strategy > default", "TSLA", "momentum", "2026-12-31", 30),  # no loosen outranks a tighten
])
def test_overrides(overrides, symbol, strategy, until, expect):
    ruling = judge(OVERRIDES.format(until=until), header={"overrides": overrides}, intent=buy(1_000, symbol=symbol, strategy=strategy))
    assert ruling.quantity == expect


@pytest.mark.parametrize(("now", "expect"), [("2026-01-06T04:59:59Z", 500), ("2026-01-06T05:00:00Z", 100)])
def test_an_override_ends_with_its_last_day_in_the_zone_of_the_policy(now, expect):
    assert judge(OVERRIDES.format(until="2026-01-05"), intent=buy(1_000, symbol="TSLA", strategy="other"), now=now).quantity == expect


def test_an_override_whose_scope_cannot_be_read_leaves_the_setting_unknown():
    ruling = judge(OVERRIDES.format(until="2026-12-31"), intent=buy(10, strategy=None))
    assert (told(ruling), paths(ruling)) == (("DENY", 0), ["/intent/strategy"])


# ── windows ───────────────────────────────────────────────────────────────────────────────────────────


def fills(*times: str, **more: Any) -> dict[str, Any]:
    events = [{"type": "fill", "at": f"2026-01-05T{time}Z", "symbol": "AAPL", "side": "buy", "quantity": 2, "price": 50, **more} for time in times]
    return {"history": {"complete_from": "2026-01-01T00:00:00Z", "events": events}}


THROTTLE = "throttle ORD-010 { deny beyond 2 fills in any 1min for each symbol }"


@pytest.mark.parametrize(("times", "expect"), [
    (("14:59:30",), "ALLOW"),
    (("14:59:30", "14:59:40"), "DENY"),
    (("14:59:00", "14:59:40"), "ALLOW"),      # exactly one minute ago counts no more
    (("14:59:00.000000001", "14:59:40"), "DENY"),
])
def test_a_window_is_half_open(times, expect):
    ruling = judge(THROTTLE, **fills(*times))
    assert ruling.verdict.value == expect
    if expect == "DENY":
        assert (ruling.reasons[0].observed, ruling.reasons[0].comparison, ruling.reasons[0].limit) == (2, "<", 2)


def test_other_keys_do_not_count_and_where_filters():
    assert told(judge(THROTTLE, **fills("14:59:30", "14:59:40", symbol="TSLA"))) == ("ALLOW", 10)
    assert told(judge(THROTTLE.replace("for each symbol", "where event.symbol == \"TSLA\""), **fills("14:59:30", "14:59:40"))) == ("ALLOW", 10)
    missing = judge(THROTTLE.replace("symbol", "strategy"), **fills("14:59:30"))
    assert paths(missing) == ["/history/events/0/strategy"]


def test_a_history_that_does_not_reach_back_cannot_be_evaluated():
    ruling = judge(THROTTLE, history={"complete_from": "2026-01-05T14:59:30Z", "events": []})
    assert ids(ruling) == ["SYS-007"]


def test_the_day_starts_where_the_policy_says():
    rule = "throttle ORD-010 { deny beyond 1 fills per day }"
    assert told(judge(rule, **fills("05:00:00"))) == ("DENY", 0)          # midnight of New York
    assert told(judge(rule, **fills("04:59:59"))) == ("ALLOW", 10)
    assert told(judge(rule, header={"day starts": "08:00"}, **fills("12:59:59"))) == ("ALLOW", 10)


def test_a_reserve_is_kept_for_closing():
    rule = "throttle ORD-010 { deny beyond 3 fills in any 1min reserve 1 for closing }"
    ruling = judge(rule, position=4, intent=sell(10), **fills("14:59:30", "14:59:40"))
    assert (told(ruling), ruling.reasons[0].limit) == (("MODIFY", 4), 2)
    assert told(judge(rule, position=4, intent=sell(10), **fills("14:59:30", "14:59:40", "14:59:41"))) == ("DENY", 0)


@pytest.mark.parametrize(("time", "expect", "elapsed"), [("14:55:00", "ALLOW", None), ("14:55:01", "DENY", 299 * 10**9)])
def test_a_cooldown(time, expect, elapsed):
    ruling = judge("cooldown ORD-010 { deny during 5min after last fill for each symbol }", **fills("14:00:00", time))
    assert ruling.verdict.value == expect
    if elapsed is not None:
        assert (ruling.reasons[0].observed, ruling.reasons[0].comparison, ruling.reasons[0].limit) == (elapsed, ">=", 300 * 10**9)


def test_window_sums():
    rule = "limit ORD-010 { sum(f.notional for f in fills in last 1h where f.symbol == intent.symbol) at most 150 USD else deny }"
    assert judge(rule, **fills("14:10:00", "14:20:00")).reasons[0].observed == 200
    assert told(judge(rule, **fills("14:00:00", "14:20:00"))) == ("ALLOW", 10)


# ── order, phases, waivers, monitor, holds ────────────────────────────────────────────────────────────


def test_a_bar_ends_a_phase():
    rules = "rule ORD-010 { deny when intent.quantity > 5 units }\nrule EXP-010 { deny when true }"
    assert ids(judge(rules)) == ["ORD-010", "EXP-010"]
    ruling = judge(rules, header={"stages": "SYS, ORD | EXP", "closing": "faces every rule"})
    assert (ids(ruling), ruling.violated) == (["ORD-010"], ("ORD-010",))


def test_a_waiver_lifts_one_rule_until_its_last_day():
    waiver = CAP + '\nwaiver W-010 of EXP-010 through DATE approved by "CRO" ticket "R" { when intent.symbol == "AAPL" }'
    assert told(judge(waiver.replace("DATE", "2026-01-05"), intent=buy(100))) == ("ALLOW", 100)
    assert told(judge(waiver.replace("DATE", "2026-01-04"), intent=buy(100))) == ("MODIFY", 50)


def test_monitored_rules_count_and_take_nothing():
    rules = CAP.replace("{", "monitor through 2026-01-05 {", 1)
    ruling = judge(rules, intent=buy(100))
    assert (told(ruling), ruling.violated, [entry.rule for entry in ruling.monitored]) == (("ALLOW", 100), ("EXP-010",), ["EXP-010"])
    assert told(judge(rules, intent=buy(100), now="2026-01-06T05:00:00Z", market={"AAPL": {"price": 1, "as_of": "2026-01-06T05:00:00Z"}})) == ("MODIFY", 50)


def test_monitor_mode_suspends_rules_not_data():
    rules = CAP.replace("quantity) at most 50 units", "notional) at most 50 USD")
    assert told(judge(rules, header={"mode": "monitor"})) == ("ALLOW", 10)
    ruling = judge(rules, header={"mode": "monitor"}, market={"AAPL": {"price": 0, "as_of": NOW}})
    assert (told(ruling), ids(ruling)) == (("DENY", 0), ["SYS-004"])


def test_a_hold_is_judged_at_the_permitted_quantity():
    rules = CAP + '\nlimit ORD-010 { intent.quantity at most 40 units else hold for approval by role "cro" quorum 2 within 1h }'
    ruling = judge(rules, intent=buy(100))
    assert (told(ruling), ruling.if_approved, ruling.holds) == (("HOLD", 0), 50, ("ORD-010",))
    hold = ruling.reasons[0]
    assert (hold.effect, hold.observed, hold.at, hold.permitted) == ("hold", 50, "x", 100)
    assert hold.approval is not None
    assert (hold.approval.role, hold.approval.quorum, hold.approval.within_ns) == ("cro", 2, 3_600 * 10**9)
    assert told(judge(rules, position=20, intent=buy(100))) == ("MODIFY", 30)  # 30 wants none
    assert ruling.violated == ("EXP-010",)


def test_a_hold_of_a_skipped_stage_leaves_the_closing_leg():
    rule = 'limit EXP-010 { intent.quantity at most 4 units else hold for approval by role "cro" }'
    assert told(judge(rule, position=10, intent=sell(10))) == ("ALLOW", 10)
    assert told(judge(rule, position=9, intent=sell(10))) == ("HOLD", 0)


def test_overridable_turns_a_deny_into_a_hold():
    rule = 'rule ORD-010 overridable by role "cro" { deny when account.equity < 200_000 USD }'
    ruling = judge(rule)
    assert (told(ruling), ruling.holds, ruling.violated) == (("HOLD", 0), ("ORD-010",), ("ORD-010",))
    assert told(judge(rule, account={"equity": None})) == ("DENY", 0)  # never for SYS


def test_deny_goes_before_hold():
    rules = 'rule ORD-010 { hold when true for approval by role "cro" }\nrule EXP-010 { deny when true }'
    ruling = judge(rules)
    assert (ruling.verdict.value, ids(ruling)) == ("DENY", ["EXP-010"])


@pytest.mark.parametrize(("then", "expect"), [("opening", ("MODIFY", 4)), ("all", ("DENY", 0))])
def test_outside_its_days_a_policy_denies(then, expect):
    header = {"effective": f"2026-02-01 through 2026-02-28, then deny {then}"}
    ruling = judge(CAP, header=header, position=4, intent=sell(10))
    assert (told(ruling), ids(ruling)) == (expect, ["SYS-010"])


# ── switches ──────────────────────────────────────────────────────────────────────────────────────────

SWITCH = """kill switch KILL-010 for account {
  trip when account.drawdown >= 10% for 3 readings
  trip when EXP-010 violated
  trip when 2 denials of severity high in any 5min
  while tripped deny opening
  on trip cancel opening orders, notify "desk"
  rearm never
}
"""


def test_a_trip_holds_at_once_and_obliges():
    row = {"KILL-010": {"state": "armed", "confirming": {"0": {"readings": 2, "since": "2026-01-05T14:59:00Z"}}}}
    ruling = judge(SWITCH + CAP, account={"equity": 90_000}, switches=row)
    assert ruling.tripped == (Trip("KILL-010", (), "expression", 0, Fraction(1, 10), Fraction(1, 10)),)
    assert (told(ruling), ids(ruling)) == (("DENY", 0), ["KILL-010"])
    assert [(duty.do, duty.channel) for duty in ruling.obligations] == [("cancel_open_orders", None), ("notify", "desk")]
    assert told(judge(SWITCH + CAP, account={"equity": 90_000})) == ("ALLOW", 10)  # not yet confirmed


def test_trips_by_rule_and_by_count_act_from_the_next_intent_on():
    ruling = judge(SWITCH + CAP, intent=buy(100))
    assert (told(ruling), [(trip.cause, trip.clause) for trip in ruling.tripped]) == (("MODIFY", 50), [("rule", 1)])
    denials = {"history": {"complete_from": "2026-01-01T00:00:00Z", "events": [
        {"type": "denial", "at": "2026-01-05T14:56:00Z", "rule": "ORD-010", "severity": "high", "family": "ORD"}]}}
    rules = SWITCH + CAP + "\nrule ORD-010 severity LEVEL { deny when intent.side == buy }"
    counted = judge(rules.replace("LEVEL", "high"), **denials)
    assert [(trip.cause, trip.observed, trip.limit) for trip in counted.tripped] == [("count", 2, 2)]
    assert judge(rules.replace("LEVEL", "low"), **denials).tripped == ()


def test_an_unknown_trip_caps_at_the_closing_leg_and_keeps_the_state():
    ruling = judge(SWITCH + CAP, position=4, intent=sell(10), account={"peak_equity": None})
    assert (told(ruling), ids(ruling), ruling.tripped) == (("MODIFY", 4), ["SYS-001"], ())


def test_switches_that_are_absent_or_unreadable_are_tripped_and_not_listed_is_armed():
    assert told(judge(SWITCH + CAP)) == ("ALLOW", 10)
    assert ids(judge(SWITCH + CAP, drop=("switches",))) == ["SYS-008"]
    assert ids(judge(SWITCH + CAP, switches={"KILL-010": {"state": "?"}})) == ["SYS-008"]


def test_scopes_of_switches():
    each = "kill switch KILL-010 for each strategy { trip when account.drawdown >= 10%  while tripped deny all  rearm never }\n" + CAP
    tripped = {"KILL-010/momentum": {"state": "tripped"}}
    assert told(judge(each, switches=tripped)) == ("DENY", 0)
    assert told(judge(each, switches=tripped, intent={"strategy": "other"})) == ("ALLOW", 10)
    assert paths(judge(each, switches=tripped, intent={"strategy": None})) == ["/intent/strategy"]
    one = each.replace("each strategy", 'strategy "momentum"')
    assert told(judge(one, switches=tripped)) == ("DENY", 0)
    assert told(judge(one, switches=tripped, intent={"strategy": "other"})) == ("ALLOW", 10)


def test_a_switch_never_stops_a_cancel():
    assert told(judge(SWITCH + CAP, intent={"action": "cancel", "quantity": None}, switches={"KILL-010": {"state": "tripped"}})) == ("ALLOW", 1)


# ── sizes ─────────────────────────────────────────────────────────────────────────────────────────────

TICKET = CAP.replace("50 units", "5_000 units") + """
input intent { confidence : ratio within 0%..100% }
size SIZE-010 "Ticket" for REACH orders { start 20% of account.available  times (0.70 + 0.30 * intent.confidence)  at most MOST
  at least 100 USD else deny }"""


def ticket(reach: str = "unsized", most: str = "25_000 USD", **facts: Any) -> Ruling:
    intent = {"confidence": "0.5", **facts.pop("intent", {})}
    return judge(TICKET.replace("REACH", reach).replace("MOST", most), intent=intent, **facts)


def test_a_ticket_fills_a_missing_quantity():
    ruling = ticket(intent={"quantity": None})
    assert (told(ruling), ruling.requested) == (("ALLOW", 85), 85)  # 50 000 × 20 % × 0.85 / 100
    assert told(ticket(most="5_050 USD", intent={"quantity": None})) == ("ALLOW", 50)
    assert told(ticket(intent={"quantity": 200})) == ("ALLOW", 200)  # only unsized ones
    assert ids(ticket(price=9_000, intent={"quantity": None})) == ["SYS-012"]
    assert paths(ticket(intent={"quantity": None, "confidence": None})) == ["/intent/confidence"]


def test_a_ticket_for_all_opening_orders_caps_the_opening_leg():
    ruling = ticket("all opening", intent={"quantity": 200})
    assert (told(ruling), ids(ruling)) == (("MODIFY", 85), ["SIZE-010"])
    assert told(ticket("all opening", position=-20, intent={"quantity": 200})) == ("MODIFY", 105)
    unknown = ticket("all opening", position=-20, intent={"quantity": 200, "confidence": 2})
    assert (told(unknown), ids(unknown), unknown.reasons[0].needed_by) == (("MODIFY", 20), ["SYS-004"], ("SIZE-010",))


def test_the_floor_of_a_ticket_is_judged_on_what_is_permitted():
    small = {"account": {"available": 400}}  # 68 USD
    ruling = ticket("all opening", price=10, position=-3, intent={"quantity": 50}, **small)
    assert (told(ruling), ids(ruling)) == (("MODIFY", 3), ["SIZE-010"])
    assert [(reason.effect, reason.permitted) for reason in ruling.reasons] == [("deny", 3)]


def test_in_margin_money_is_worth_its_leverage():
    rules = "size SIZE-010 for unsized orders { start 1_000 USD  in margin by intent.leverage }\n" + CAP.replace("50 units", "5_000 units")
    assert told(judge(rules, intent={"quantity": None, "leverage": 5})) == ("ALLOW", 50)


# ── telling ───────────────────────────────────────────────────────────────────────────────────────────


def test_code_outcome_labels_and_lines():
    rules = CAP.replace("{", "code E1 outcome BLOCK {", 1) + """
    answer { SCALE_IN when position.quantity != 0, NEW otherwise }
    emit "RISK" always "{intent.symbol} {intent.quantity} -> {permitted.position.quantity} {account.cash} {after.position.notional:money} {account.drawdown:.1}"
    emit "NEVER" when intent.quantity > 1_000 units, "no"
    """
    reduced = judge(rules, position=20, intent=buy(100))
    assert (reduced.code, reduced.outcome, reduced.decided_by) == ("E1", "SCALE_IN", "EXP-010")
    assert reduced.emitted == ("[RISK] AAPL 100 -> 50 <missing> 12_000.00 USD 0.0",)
    assert judge(rules).outcome == "NEW"
    denied = judge(rules, position=50)
    assert (denied.code, denied.outcome, denied.emitted) == ("E1", "BLOCK", ("[RISK] AAPL 10 -> 50 <missing> 6_000.00 USD 0.0",))


def test_reasons_stand_in_the_order_of_decision():
    rules = "rule EXP-010 { deny when true }\nrule ORD-020 { deny when true }\nrule ORD-010 { deny when true }\nrule LOSS-900 { deny when true }"
    assert ids(judge(rules)) == ["LOSS-900", "ORD-010", "ORD-020", "EXP-010"]


def test_the_smallest_cap_decides_whatever_the_order():
    rules = "limit EXP-010 { intent.quantity at most 7 units else reduce }\nlimit EXP-020 { intent.quantity at most 3 units else reduce }"
    ruling = judge(rules)
    assert (told(ruling), [(reason.rule, reason.permitted) for reason in ruling.reasons]) == (("MODIFY", 3), [("EXP-010", 7), ("EXP-020", 3)])
