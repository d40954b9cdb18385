"""Positions and orders as the intent meets them."""
from __future__ import annotations

from fractions import Fraction

import pytest

from caplex.runtime.book import Book
from caplex.runtime.values import Unknown


@pytest.fixture
def book(world):
    return lambda **changes: Book(world(**changes))


def order(side: str, leaves: object, symbol: str = "AAPL", **more: object) -> dict:
    return {"id": f"{side}-{symbol}-{leaves}-{sorted(more.items())}", "symbol": symbol, "side": side, "leaves_quantity": leaves, **more}


def test_the_example_of_the_contract(book):
    made = book()
    assert (made.P, made.OB, made.OS, made.V, made.c, made.n_requested, made.side, made.direction) == (20, 5, 0, 200, 0, 300, "buy", 1)
    assert made.lot == 1


@pytest.mark.parametrize(("position", "orders", "side", "closable"), [
    ("200", [], "sell", 200), ("200", [order("sell", 50)], "sell", 150), ("200", [order("sell", 500)], "sell", 0), ("200", [], "buy", 0),
    ("-200", [order("buy", 30), order("sell", 99)], "buy", 170), ("0", [], "sell", 0),
    ("200", [order("sell", 50, status="cancelled"), order("sell", 5, status="cancel_requested")], "sell", 195),
    ("200", [order("sell", 30, oco="g"), order("sell", 40, oco="g"), order("sell", 5)], "sell", 155),
])
def test_the_closing_leg(book, position, orders, side, closable):
    assert book(positions={"AAPL": {"quantity": position}}, orders=orders, intent__side=side).c == closable


@pytest.mark.parametrize("changes", [
    {"positions": ...}, {"orders": ...}, {"positions": {"AAPL": {"quantity": "x"}}}, {"orders": [order("sell", "x")]},
    {"orders": [{"id": "o", "symbol": "AAPL", "side": "?", "leaves_quantity": 1}]}, {"orders": [order("sell", 5, oco=5)]},
])
def test_what_cannot_be_read_closes_nothing(book, changes):
    made = book(**{"positions": {"AAPL": {"quantity": "200"}}, "intent__side": "sell", **changes})
    assert made.c == 0
    assert isinstance(made.closable, Unknown)


@pytest.mark.parametrize(("intent", "n", "side", "c"), [
    ({"action": "close", "symbol": "AAPL"}, None, "sell", 20), ({"action": "close", "symbol": "AAPL", "quantity": "7"}, 7, "sell", 20),
    ({"action": "adjust", "symbol": "AAPL", "delta": "-8"}, 8, "sell", 20), ({"action": "adjust", "symbol": "AAPL", "delta": "8"}, 8, "buy", 0),
    ({"action": "transfer", "amount": "50"}, 50, None, 0), ({"action": "noop"}, 1, None, 0), ({"action": "open", "symbol": "AAPL", "side": "buy"}, None, "buy", 0),
    ({"action": "open", "symbol": "AAPL", "side": "sell", "position_side": "short", "quantity": 5}, 5, "sell", 0),
])
def test_what_intents_ask_for(book, intent, n, side, c):
    made = book(intent=intent, orders=[])
    assert made.n_requested == n
    assert made.c == c
    if side is not None:
        assert made.side == side


@pytest.mark.parametrize(("intent", "sys", "path"), [
    ({"action": "adjust", "symbol": "AAPL", "delta": "0"}, "SYS-004", "/intent/delta"), ({"action": "adjust", "symbol": "AAPL"}, "SYS-001", "/intent/delta"),
    ({"action": "open", "symbol": "AAPL", "quantity": "0", "side": "buy"}, "SYS-004", "/intent/quantity"),
    ({"action": "open", "symbol": "AAPL", "quantity": "NaN", "side": "buy"}, "SYS-005", "/intent/quantity"),
    ({"symbol": "AAPL", "quantity": "5", "side": "buy"}, "SYS-001", "/intent/action"),
])
def test_what_intents_may_not_ask_for(book, intent, sys, path):
    (leaf,) = book(intent=intent).n_requested.leaves
    assert (leaf.sys, leaf.path) == (sys, path)


def test_closing_a_flat_book_has_no_side(book):
    (leaf,) = book(intent={"action": "close", "symbol": "AAPL"}, positions={}).side.leaves
    assert (leaf.sys, leaf.path, leaf.problem) == ("SYS-004", "/intent", "nothing-to-close")


def test_a_buy_is_worth_the_worse_of_market_and_limit(book):
    assert book(intent__limit_price="210").order_value == 210
    assert book(intent__limit_price="190").order_value == 200
    assert book(intent__limit_price="210", intent__side="sell").order_value == 200


def test_the_whole_book(book):
    stamp = "2026-01-05T14:59:59Z"
    made = book(
        positions={"AAPL": {"quantity": 20}, "B": {"quantity": "-10"}, "C": {"quantity": 0}}, intent__side="sell",
        orders=[order("buy", 4, "B"), order("sell", 6, "B"), order("buy", 3, "D")],
        market={symbol: {"price": price, "as_of": stamp} for symbol, price in (("AAPL", 200), ("B", 10), ("D", "0.5"))})
    assert made.others_gross == 160 + Fraction(3, 2)
    assert made.others_net_buy == -60 + Fraction(3, 2)
    assert made.others_net_sell == -160
    assert (made.held_gross, made.held_net) == (4100, 3900)
    assert (made.position_count, made.committed_count) == (2, 3)


def test_a_held_symbol_without_a_price_leaves_the_book_unknown(book):
    made = book(positions={"AAPL": {"quantity": 20}, "TSLA": {"quantity": 1}})
    for value in (made.others_gross, made.held_gross, made.held_net):
        assert [leaf.path for leaf in value.leaves] == ["/market/TSLA/price"]
    assert made.position_count == 2


def test_symbols_meet_however_they_are_written(world):
    from dataclasses import replace

    from caplex.compiler.semantics.schema import builtin
    from caplex.runtime.facts import World
    from caplex.runtime.schema import Schema

    built = builtin()
    intent = built.sections["intent"]
    symbol = replace(intent.fields["symbol"], normalised=("trim", "upper"))
    schema = Schema({**built.sections, "intent": replace(intent, fields={**intent.fields, "symbol": symbol})})
    read = World(schema, {**world().document, "intent": {**world().document["intent"], "symbol": " aapl"}, "positions": {"Aapl": {"quantity": 9}}})
    assert Book(read).P == 9
    assert read.cell("market", None, "price") == 200
