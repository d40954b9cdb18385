"""Documents good and bad: every kind of bad value has its SYS id and its path, and nothing raises."""
from __future__ import annotations

from fractions import Fraction

import pytest

from caplex.compiler.semantics.schema import builtin
from caplex.runtime.facts import Facts, World
from caplex.runtime.values import ABSENT, Unknown


def leaf_of(value):
    assert isinstance(value, Unknown), value
    (leaf,) = value.leaves
    return leaf.sys, leaf.path, leaf.problem


# ── good documents ────────────────────────────────────────────────────────────────────────────────────


def test_the_short_form_reads(world):
    read = world()
    assert read.document_problems == []
    assert read.now == 1_767_625_200 * 10**9
    assert read.cell("account", None, "equity") == 100_000
    assert read.cell("market", None, "price") == read.cell("market", "AAPL", "price") == 200
    assert read.cell("position", None, "quantity") == 20
    assert read.cell("strategy", None, "active_trades") == 1
    assert read.cell("intent", None, "limit_price") is ABSENT
    assert read.counter("rejects") == 2
    assert read.switch("KILL-010") == "armed"


def full_form():
    return {
        "schema": "caplex.facts/1", "now": "2026-01-05T15:00:00.000000Z",
        "intent": {"id": "i-1", "account": "acct-1", "venue": "alpaca", "strategy": "momentum", "symbol": "AAPL", "side": "buy", "action": "open",
                   "quantity": "300", "notional": None, "trail": None, "tags": {"anything": [1]}, "x_trace": object(),
                   "legs": [{"id": "i-1.tp", "role": "take_profit", "side": "sell", "quantity": "300", "order_type": "limit", "limit_price": "210"}]},
        "accounts": {"acct-1": {"currency": "USD", "equity": "100000", "as_of": "2026-01-05T14:59:59Z"}, "acct-2": {"equity": "7"}},
        "positions": [{"account": "acct-1", "venue": "alpaca", "symbol": "AAPL", "quantity": "20"},
                      {"account": "acct-2", "venue": "alpaca", "symbol": "AAPL", "quantity": "900"}],
        "orders": [{"id": "o-1", "account": "acct-1", "venue": "alpaca", "symbol": "AAPL", "side": "buy", "leaves_quantity": "5"},
                   {"id": "o-2", "account": "acct-1", "venue": "alpaca", "symbol": "AAPL", "side": "buy", "leaves_quantity": "7", "status": "filled"},
                   {"id": "o-1", "account": "acct-2", "venue": "alpaca", "symbol": "AAPL", "side": "buy", "leaves_quantity": "9"}],
        "market": [{"venue": "alpaca", "symbol": "AAPL", "price": "200", "as_of": "2026-01-05T14:59:59Z"},
                   {"venue": "other", "symbol": "AAPL", "price": "201", "as_of": "2026-01-05T14:59:59Z"}],
        "instruments": [{"venue": "alpaca", "symbol": "AAPL", "lot": "1"}],
        "history": {"complete_from": "2026-01-05T00:00:00Z", "events": []},
        "switches": [{"id": "KILL-010", "scope": {"account": "acct-1"}, "state": "armed"},
                     {"id": "KILL-010", "scope": {"account": "acct-2"}, "state": "tripped"}],
    }


def test_the_full_form_reads_the_rows_of_the_intent(world):
    read = world(full_form())
    assert read.document_problems == []
    assert read.cell("account", None, "equity") == 100_000
    assert read.cell("position", None, "quantity") == 20
    assert [row.cell("leaves_quantity") for row in read.rows("orders")] == [5]
    assert read.cell("market", None, "price") == 200
    assert read.switch("KILL-010") == read.switch("KILL-010", (("account", "acct-1"),)) == "armed"
    assert read.switch("KILL-010", (("account", "acct-2"),)) == "tripped"


def test_without_an_account_rows_of_two_accounts_cannot_be_told_apart(world):
    document = full_form()
    del document["intent"]["account"]
    read = world(document)
    assert leaf_of(read.rows("positions")) == ("SYS-001", "/intent/account", "missing")
    assert leaf_of(read.cell("account", None, "equity")) == ("SYS-001", "/intent/account", "missing")


def test_without_a_venue_two_quotes_are_ambiguous(world):
    document = full_form()
    del document["intent"]["venue"]
    assert leaf_of(world(document).cell("market", None, "price")) == ("SYS-001", "/market/AAPL", "ambiguous")


# ── documents that cannot be used at all ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("changes", "path", "cure"), [
    ({"acount": {}}, "/acount", "/account"), ({"intent__quantitiy": "1"}, "/intent/quantitiy", "/intent/quantity"),
    ({"market__AAPL__prise": "1"}, "/market/AAPL/prise", "/market/AAPL/price"), ({"inputs": {"regime": {}}}, "/inputs/regime", ""),
    ({"instruments__AAPL__a/b~c": 1}, "/instruments/AAPL/a~1b~0c", ""), ({"positions__AAPL__qty": 1}, "/positions/AAPL/qty", ""),
    ({"history__from": 1}, "/history/from", ""), ({"switches__KILL-010__stat": 1}, "/switches/KILL-010/stat", "/switches/KILL-010/state"),
    ({"intent__legs": [{"qty": 1}]}, "/intent/legs/0/qty", ""),
])
def test_unknown_keys_are_named_with_a_suggestion_where_one_is_near(world, changes, path, cure):
    (leaf,) = world(**changes).document_problems
    assert (leaf.sys, leaf.path, leaf.problem, leaf.limit) == ("SYS-001", path, "unknown-key", cure)


def test_tags_and_x_keys_may_hold_anything(world):
    loop: dict = {}
    loop["loop"] = loop
    read = world(x_note=loop, tags={"a": float("nan")}, intent__x_y=1, intent__tags=[loop], market__AAPL__x_feed=1, account__tags={})
    assert read.document_problems == []


@pytest.mark.parametrize(("changes", "path"), [
    ({"account": []}, "/account"), ({"market": "x"}, "/market"), ({"market__AAPL": 200}, "/market/AAPL"), ({"orders": {"o-1": {}}}, "/orders"),
    ({"orders": ["x"]}, "/orders/0"), ({"positions": 3}, "/positions"), ({"history": []}, "/history"), ({"history__events": {}}, "/history/events"),
    ({"history__events": [3]}, "/history/events/0"), ({"switches": "armed"}, "/switches"), ({"counters": []}, "/counters"),
    ({"inputs": []}, "/inputs"), ({"intent": []}, "/intent"), ({"schema": "caplex.facts/9"}, "/schema"), ({"intent__legs": {}}, "/intent/legs"),
    ({"history__events": [{"type": "fil"}]}, "/history/events/0/type"), ({"history__events": [{"type": ["fill"]}]}, "/history/events/0/type"),
    ({"positions": [{"symbol": 5, "quantity": 1}]}, "/positions/0/symbol"), ({"market__AAPL__symbol": "MSFT"}, "/market/AAPL/symbol"),
    ({"positions__AAPL__position_side": "LONG"}, "/positions/AAPL/position_side"),
])
def test_containers_of_the_wrong_kind(world, changes, path):
    (leaf,) = world(**changes).document_problems
    assert (leaf.sys, leaf.path, leaf.problem) == ("SYS-001", path, "wrong-type")


@pytest.mark.parametrize(("changes", "path", "problem"), [
    ({"intent": ...}, "/intent", "missing"), ({"now": ...}, "/now", "missing"), ({"history__events": [{}]}, "/history/events/0/type", "missing"),
    ({"positions": [{"quantity": 1}]}, "/positions/0/symbol", "missing"), ({"orders": [{"side": "buy"}]}, "/orders/0/symbol", "missing"),
    ({"positions": [{"symbol": "A", "quantity": 1}, {"symbol": "A", "quantity": 2}]}, "/positions/1", "duplicate-row"),
    ({"orders": [{"id": "o", "symbol": "A"}, {"id": "o", "symbol": "B"}]}, "/orders/1", "duplicate-row"),
    ({"accounts": {}}, "/accounts", "duplicate-key"),
])
def test_what_is_missing_or_there_twice(world, changes, path, problem):
    assert [(leaf.sys, leaf.path, leaf.problem) for leaf in world(**changes).document_problems] == [("SYS-001", path, problem)]


@pytest.mark.parametrize("now", ["2026-01-05T15:00:00", "yesterday", 5, True, ["x"]])
def test_a_now_that_cannot_be_read_is_a_problem_of_the_document(world, now):
    read = world(now=now)
    assert [(leaf.sys, leaf.path, leaf.problem) for leaf in read.document_problems] == [("SYS-005", "/now", "wrong-type")]
    assert isinstance(read.now, Unknown)


@pytest.mark.parametrize("document", [None, [], "x", 5, float("nan")])
def test_a_document_that_is_none(document):
    assert [leaf.problem for leaf in World(builtin(), document).document_problems] == ["wrong-type"]


def test_problems_are_bounded_and_ordered(world):
    problems = world(**{f"key{i}": 1 for i in range(500)}).document_problems
    assert [leaf.path for leaf in problems] == [f"/key{i}" for i in range(50)]


# ── cells that cannot be used ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("changes", "read", "found"), [
    ({"account__equity": ...}, ("account", None, "equity"), ("SYS-001", "/account/equity", "missing")),
    ({"account": ...}, ("account", None, "equity"), ("SYS-001", "/account/equity", "missing")),
    ({"account__equity": None}, ("account", None, "equity"), ("SYS-001", "/account/equity", "missing")),
    ({"account__equity": "many"}, ("account", None, "equity"), ("SYS-005", "/account/equity", "not-a-decimal")),
    ({"account__cash": "1,000"}, ("account", None, "cash"), ("SYS-005", "/account/cash", "not-a-decimal")),
    ({"account__day_start_equity": 0}, ("account", None, "day_start_equity"), ("SYS-004", "/account/day_start_equity", "out-of-range")),
    ({"market": ...}, ("market", None, "price"), ("SYS-001", "/market/AAPL/price", "missing")),
    ({"market": {}}, ("market", None, "price"), ("SYS-001", "/market/AAPL/price", "missing")),
    ({"market": []}, ("market", "TSLA", "price"), ("SYS-001", "/market/TSLA/price", "missing")),
    ({"market": {"A/B": {"price": True}}}, ("market", "A/B", "price"), ("SYS-005", "/market/A~1B/price", "wrong-type")),
    ({"market__AAPL__as_of": ...}, ("market", None, "price"), ("SYS-001", "/market/AAPL/as_of", "missing")),
    ({"market__AAPL__as_of": "2026-01-05T14:59:54.999999999Z"}, ("market", None, "price"), ("SYS-002", "/market/AAPL/as_of", "stale")),
    ({"market__AAPL__as_of": "2026-01-05T15:00:00.500000001Z"}, ("market", None, "price"), ("SYS-003", "/market/AAPL/as_of", "from-the-future")),
    ({"market__AAPL__as_of": "soon"}, ("market", None, "price"), ("SYS-005", "/market/AAPL/as_of", "wrong-type")),
    ({"account__as_of": "2027-01-05T15:00:00Z"}, ("account", None, "equity"), ("SYS-003", "/account/as_of", "from-the-future")),
    ({"intent__side": "BUY"}, ("intent", None, "side"), ("SYS-005", "/intent/side", "wrong-type")),
    ({"intent__quantity": "-5"}, ("intent", None, "quantity"), ("SYS-004", "/intent/quantity", "out-of-range")),
    ({"intent__symbol": ...}, ("market", None, "price"), ("SYS-001", "/intent/symbol", "missing")),
    ({"intent__symbol": 5}, ("market", None, "price"), ("SYS-005", "/intent/symbol", "wrong-type")),
    ({"positions": ...}, ("position", None, "quantity"), ("SYS-001", "/positions", "missing")),
    ({"positions__AAPL__quantity": "x"}, ("position", None, "quantity"), ("SYS-005", "/positions/AAPL/quantity", "not-a-decimal")),
])
def test_each_bad_value_has_its_id_and_its_path(world, changes, read, found):
    made = world(**changes)
    assert made.document_problems == []
    assert leaf_of(made.cell(*read)) == found


@pytest.mark.parametrize("stamp", ["2026-01-05T14:59:55Z", "2026-01-05T15:00:00.5Z"])
def test_at_the_bound_exactly_a_quote_is_fresh(world, stamp):
    assert world(market__AAPL__as_of=stamp).cell("market", None, "price") == 200


def test_no_row_is_a_flat_position_and_absence_of_what_is_optional(world):
    read = world(positions={}, instruments={})
    assert read.cell("position", None, "quantity") == 0
    assert read.cell("position", None, "average_price") is ABSENT
    assert read.cell("instrument", None, "lot") is ABSENT
    assert read.mine("positions") == []


@pytest.mark.parametrize("section", ["positions", "orders", "market"])
def test_an_absent_section_is_not_an_empty_one(world, section):
    assert leaf_of(world(**{section: ...}).rows(section)) == ("SYS-001", f"/{section}", "missing")
    assert world(**{section: []}).rows(section) == []


# ── histories, switches, counters, currencies ─────────────────────────────────────────────────────────


def test_events_by_time_from_the_instant_asked_for(world):
    fills = [{"type": "fill", "at": f"2026-01-05T14:0{i}:00Z", "symbol": "AAPL", "quantity": i, "price": "2"} for i in (3, 1, 2)]
    read = world(history__events=[*fills, {"type": "order", "at": "2026-01-05T14:00:00Z"}])
    found = read.events("fills", read.now - 59 * 60 * 10**9)
    assert [event.cell("quantity") for event in found] == [1, 2, 3]
    assert [event.cell("notional") for event in found] == [2, 4, 6]
    assert len(read.events("fill", None)) == 3
    assert len(read.events("orders", None)) == 1


@pytest.mark.parametrize(("changes", "found"), [
    ({"history": ...}, ("SYS-001", "/history", "missing")),
    ({"history": {"complete_from": "2026-01-01T00:00:00Z"}}, ("SYS-001", "/history/events", "missing")),
    ({"history__complete_from": ...}, ("SYS-007", "/history/complete_from", "incomplete")),
    ({"history__complete_from": "2026-01-05T14:00:00.000000001Z"}, ("SYS-007", "/history/complete_from", "incomplete")),
    ({"history__complete_from": "x"}, ("SYS-005", "/history/complete_from", "wrong-type")),
    ({"history__events": [{"type": "fill"}]}, ("SYS-001", "/history/events/0/at", "missing")),
    ({"history__events": [{"type": "fill", "at": "2026-01-05T14:00:00"}]}, ("SYS-005", "/history/events/0/at", "wrong-type")),
    ({"history__events": [{"type": "fill", "at": "2026-01-05T15:00:01Z"}]}, ("SYS-003", "/history/events/0/at", "from-the-future")),
])
def test_histories_that_cannot_answer(world, changes, found):
    read = world(**changes)
    assert leaf_of(read.events("fills", read.now - 3600 * 10**9)) == found


def test_a_history_that_reaches_back_exactly_far_enough(world):
    read = world(history__complete_from="2026-01-05T14:00:00Z")
    assert len(read.events("fills", read.now - 3600 * 10**9)) == 1


@pytest.mark.parametrize(("switches", "state"), [
    ({}, "armed"), ({"KILL-010": {"state": "tripped"}}, "tripped"), ({"KILL-010/momentum": {"state": "tripped"}}, "tripped"),
    ({"KILL-010/other": {"state": "tripped"}}, "armed"), ({"KILL-0100": {"state": "tripped"}}, "armed"), ([], "armed"),
    ([{"id": "KILL-010", "scope": {"strategy": "momentum"}, "state": "tripped"}], "tripped"),
    ([{"id": "KILL-010", "scope": {"strategy": "other"}, "state": "tripped"}], "armed"),
    ([{"id": "KILL-010", "scope": None, "state": "tripped"}], "tripped"),
])
def test_switches_in_both_forms(world, switches, state):
    assert world(switches=switches).switch("KILL-010", (("strategy", "momentum"),)) == state


@pytest.mark.parametrize(("switches", "path"), [
    (..., "/switches"), ({"KILL-010": {"state": "Armed"}}, "/switches/KILL-010/state"), ({"KILL-010": {}}, "/switches/KILL-010/state"),
    ({"KILL-010": "armed"}, "/switches/KILL-010"), ({"KILL-010": None}, "/switches/KILL-010"), ([None], "/switches/0"),
    ([{"state": "armed"}, {"state": 1}], "/switches/1/state"), ([{"id": "KILL-010", "state": ["armed"]}], "/switches/0/state"),
])
def test_a_switch_that_cannot_be_read_is_not_armed(world, switches, path):
    assert leaf_of(world(switches=switches).switch("KILL-010"))[:2] == ("SYS-008", path)


def test_confirmation_stands_in_the_row_of_the_switch(world):
    row = {"state": "armed", "confirming": {"0": {"readings": 2, "since": "2026-01-05T14:59:58Z"}}}
    read = world(switches={"KILL-010": row})
    assert read.confirming("KILL-010", (), 0) == (2, read.now - 2 * 10**9)
    assert read.confirming("KILL-010", (), 1) == (0, None)
    for broken in ([], {"0": 5}, {"0": {"readings": True, "since": 5}}, {"0": {"readings": -1}}):
        row["confirming"] = broken
        assert world(switches={"KILL-010": row}).confirming("KILL-010", (), 0) == (0, None)


@pytest.mark.parametrize(("counters", "found"), [
    (..., ("SYS-001", "/counters/rejects", "missing")), ({}, ("SYS-001", "/counters/rejects", "missing")),
    ({"rejects": -1}, ("SYS-004", "/counters/rejects", "out-of-range")), ({"rejects": "1.5"}, ("SYS-005", "/counters/rejects", "wrong-type")),
    ({"rejects": True}, ("SYS-005", "/counters/rejects", "wrong-type")),
])
def test_counters(world, counters, found):
    assert leaf_of(world(counters=counters).counter("rejects")) == found


def test_money_of_another_currency_is_converted_both_ways_exactly(world):
    assert world(account__currency="EUR", fx={"EURUSD": {"rate": "1.25"}}).cell("account", None, "equity") == 125_000
    assert world(account__currency="JPY", fx={"USDJPY": {"rate": "150"}}).cell("account", None, "equity") == Fraction(2000, 3)
    assert world(account__currency="USD").cell("account", None, "equity") == 100_000
    assert leaf_of(world(account__currency="EUR").cell("account", None, "equity")) == ("SYS-013", "/fx/EURUSD", "currency")
    assert leaf_of(world(account__currency="EUR", fx={"EURUSD": {"rate": 0}}).cell("account", None, "equity")) == ("SYS-004", "/fx/EURUSD/rate", "out-of-range")
    assert leaf_of(world(account__currency=5).cell("account", None, "equity")) == ("SYS-005", "/account/currency", "wrong-type")


def test_a_unit_is_worth_price_times_multiplier_times_rate(world):
    read = world(instruments__AAPL__multiplier="50", instruments__AAPL__currency="EUR", fx={"EURUSD": {"rate": "1.5"}})
    assert read.unit_value(None) == read.unit_value("AAPL") == 15_000
    assert read.rows("positions")[0].cell("notional") == 300_000
    assert read.rows("orders")[0].cell("notional") == 5 * 199 * 75
    assert leaf_of(read.unit_value("TSLA")) == ("SYS-001", "/market/TSLA/price", "missing")


# ── facts prepared once ───────────────────────────────────────────────────────────────────────────────


def test_the_hash_of_facts_is_that_of_their_content(document):
    one, two = document(), document()
    two["intent"]["quantity"] = 300
    assert Facts(one).hash == Facts(dict(reversed(two.items()))).hash
    assert Facts(document(intent__quantity="301")).hash != Facts(one).hash


def test_facts_without_a_canonical_form_have_no_hash(document):
    loop: dict = {}
    loop["loop"] = loop
    for bad in (float("nan"), loop, object(), "\ud800"):
        made = Facts(document(x_note=bad))
        assert made.hash is None or isinstance(bad, str)
        repr(made)


def test_a_document_of_many_rows_is_walked_in_no_time(world):
    rows = {f"S{i}": {"quantity": 1} for i in range(20_000)}
    assert len(world(positions=rows).rows("positions")) == 20_000
