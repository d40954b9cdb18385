"""What is offered at a place: by the grammar, by the names in sight, the fitting type first."""
from __future__ import annotations

import pytest

from caplex.compiler.lsp import completion
from caplex.compiler.lsp.names import Names
from caplex.compiler.lsp.workspace import Workspace

from .desk import HEADER, POLICY, opened


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return opened(tmp_path_factory.mktemp("completion"))


def offered(desk, typed: str, after: str = "") -> dict[str, completion.Offer]:
    _, document, names = desk
    document.change(POLICY + "\n" + typed + after)
    try:
        _, offers = completion.complete(document, names, len(POLICY) + 1 + len(typed))
    finally:
        document.change(POLICY)
    return {offer.label: offer for offer in offers}


@pytest.mark.parametrize(("typed", "there", "absent"), [
    ("", ["rule", "limit", "setting", "test", "use"], ["account", "deny"]),
    ("rule EXP-040 ", ["severity", "cites", "for"], ["deny", "account"]),
    ("rule EXP-040 severity ", ["low", "medium", "high", "critical"], ["rule"]),
    ("rule EXP-040 for ", ["open", "close", "transfer"], ["account", "symbol"]),
    ("rule EXP-040 { ", ["deny", "require", "when", "hold", "warn"], ["account"]),
    ("rule EXP-040 { deny when ", ["account", "max_position", "loss_share", "limits", "regime", "abs", "count", "now", "not", "switch"], ["rule", "observed"]),
    ("rule EXP-040 { deny when account.", ["equity", "drawdown", "day_loss"], ["account", "max_position", "and"]),
    ("rule EXP-040 { deny when after.", ["position", "portfolio"], ["equity"]),
    ("rule EXP-040 { deny when after.position.", ["notional", "quantity"], ["position"]),
    ("rule EXP-040 { deny when regime.", ["value"], ["bull"]),
    ("rule EXP-040 { deny when limits.", ["gross_limit"], ["max_position", "EXP-500"]),
    ("rule EXP-040 { deny when market[\"SPY\"].", ["price", "bid"], ["equity"]),
    ("rule EXP-040 { deny when switch ", ["KILL-010"], ["EXP-010"]),
    ("rule EXP-040 { deny when count(p for p in ", ["positions", "fills", "orders"], []),
    ("rule EXP-040 { deny when sum(p.notional for p in positions where p.", ["symbol", "quantity", "notional"], ["equity"]),
    ("waiver EXP-910 of ", ["EXP-010", "limits.EXP-500", "sanity.ORD-010", "KILL-010"], ["EXP-900"]),
    ("waiver EXP-910 of limits.", ["EXP-500"], ["EXP-010", "gross_limit"]),
    ('test "x" { expect deny by ', ["EXP-010", "EXP-900"], ["account"]),
    ('test "x" { expect ', ["deny", "allow", "modify", "hold", "switch", "obligation"], []),
    ('test "x" { ', ["given", "intent", "expect", "at", "fill"], ["deny"]),
    ("use ", ["stdlib.loss", "stdlib.order_sanity"], ["account"]),
    ("use stdlib.", ["loss", "order_sanity"], ["stdlib.loss"]),
    ("use stdlib.loss as loss (", ["daily_stop", "max_drawdown"], ["max_position"]),
    ("use stdlib.loss as loss (daily_stop = 1%, ", ["max_drawdown"], ["daily_stop"]),
    ("setting x : ", ["money", "ratio", "duration", "symbol", "one", "set"], ["market"]),
    ("throttle EXP-040 { deny beyond 10 ", ["orders", "fills"], ["account"]),
    ("cooldown EXP-040 { deny during 5min after last ", ["fill", "order"], ["orders"]),
    ("setting x : ratio = 1% { tighten for ", ["symbol", "strategy"], ["account.equity"]),
    ("limit ", ["EXP-040", "LOSS-020", "ORD-010"], ["SYS-010"]),
    ("rule EXP-040 { deny when account.equity > 20", ["20%", "20bp", "20min", "20x"], ["USD"]),
    ("rule EXP-040 { deny when account.equity > 20 ", ["USD", "units", "and"], ["%"]),
    ("limit EXP-040 { account.equity ", ["at", "below", "above"], ["deny"]),
    ('limit EXP-040 { account.equity at least 5 USD else deny because "lost {', ["account", "allowed", "observed", "max_position"], ["rule"]),
    ('limit EXP-040 { account.equity at least 5 USD else deny because "lost {account.', ["equity"], ["allowed"]),
])
def test_what_is_offered(desk, typed, there, absent):
    found = offered(desk, typed)
    assert [each for each in there if each not in found] == []
    assert [each for each in absent if each in found] == []


@pytest.mark.parametrize("typed", ["# a comment", 'rule EXP-040 "a titl', 'rule EXP-040 { deny when intent.symbol == "S', "let "])
def test_nothing_is_offered_where_only_the_author_knows(desk, typed):
    assert offered(desk, typed) == {}


@pytest.mark.parametrize(("typed", "best", "other"), [
    ("rule EXP-040 { deny when intent.side == ", {"buy", "sell"}, "account"),
    ("rule EXP-040 { deny when regime.value == ", {"bull", "bear"}, "account"),
    ("rule EXP-040 { deny when loss_share > ", {"max_position", "loss_share"}, "now"),
    ("rule EXP-040 { deny when account.day_loss > account.", {"equity", "day_start_equity"}, "as_of"),
    ("limit EXP-040 { account.day_loss at most 2% of account.", {"equity"}, "drawdown"),
    ("limit EXP-040 { after.portfolio.gross at most ", set(), "account"),
    ("setting x : ratio = ", {"max_position"}, "account"),
    ("use stdlib.loss as loss (daily_stop = ", {"max_position"}, "account"),
])
def test_the_fitting_type_comes_first(desk, typed, best, other):
    found = offered(desk, typed)
    assert best <= {label for label, offer in found.items() if offer.rank == 0}
    assert other in found
    assert found[other].rank > 0


def test_a_row_is_known_from_what_stands_behind_the_cursor(desk):
    found = offered(desk, "rule EXP-040 { deny when count(p.", " for p in positions) > 3 }")
    assert {"symbol", "quantity", "notional"} <= set(found)


def test_the_event_of_a_throttle_has_its_fields(desk):
    assert "symbol" in offered(desk, "throttle EXP-040 { deny beyond 3 fills in any 1h where event.")


def test_what_is_replaced_is_the_word_before_the_cursor(desk):
    _, document, names = desk
    typed = "rule EXP-040 { deny when account.equity > 20m"
    document.change(POLICY + "\n" + typed)
    try:
        _, offers = completion.complete(document, names, len(document.text))
        assert {offer.label for offer in offers} == {"20min", "20ms"}
        assert {document.text[offer.start :] for offer in offers} == {"20m"}
    finally:
        document.change(POLICY)


def test_files_beside_are_offered_in_an_import(desk):
    _, document, names = desk
    typed = '\nuse "li'
    document.change(POLICY + typed)
    try:
        _, offers = completion.complete(document, names, len(document.text))
        assert [(offer.label, document.text[offer.start :]) for offer in offers] == [("limits.cap", "li")]
    finally:
        document.change(POLICY)


def test_a_text_that_was_never_understood_still_has_keywords(tmp_path):
    workspace = Workspace()
    document = workspace.open(tmp_path / "new.cap", "pol", 1)
    document.settle(workspace.check(document.path, "pol", {}), document.mark)
    _, offers = completion.complete(document, Names(document.good) if document.good else None, 3)
    assert "policy" in {offer.label for offer in offers}


def test_stages_are_the_families_that_rules_have(tmp_path):
    text = HEADER + "rule EXP-010 { deny when intent.notional > 1 USD }\nrule LOSS-010 { deny when account.day_loss > 1 USD }\n"
    _, document, names = opened(tmp_path, text)
    here = text.index("stages SYS, ") + len("stages SYS, ")
    document.change(None, here, text.index("\n", here), "")
    _, offers = completion.complete(document, names, here)
    assert {"EXP", "LOSS", "KILL"} <= {offer.label for offer in offers}
    assert "SYS" not in {offer.label for offer in offers}
