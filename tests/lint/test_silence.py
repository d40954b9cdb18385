"""What must not be complained about: the library, the examples, and pairs that look alike."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import caplex
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.tools.folders import policies_in

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [*policies_in(ROOT / "stdlib_rules"), *policies_in(ROOT / "examples")]
QUIET = {
    "shorts have a bound of their own": "limit EXP-010 \"Long\" { after.position.notional at most 5_000 USD else reduce }\n"
                                        "limit EXP-020 \"Short\" { 0 - after.position.notional at most 1_000 USD else reduce }",
    "a floor under shorts": "limit EXP-010 \"Long\" { after.position.quantity at most 50 units else reduce }\n"
                            "limit EXP-020 \"Short\" { after.position.quantity at least -50 units else reduce }",
    "one side each": "limit EXP-010 \"Long\" { when intent.side == buy, after.position.notional at most 5_000 USD else reduce }",
    "the side stands in the condition": 'rule EXP-010 "Long" code LONG { deny when intent.side == buy and after.position.notional > 5_000 USD }',
    "held before and after": "limit EXP-010 \"Held\" { portfolio.gross at most 5_000 USD else deny }\n"
                             "limit EXP-020 \"Then\" { after.portfolio.gross at most 9_000 USD else reduce }",
    "a book that must be flat": "limit EXP-010 \"Flat\" { portfolio.gross at most 0 USD else deny }",
    "watched, not limited": "limit EXP-010 \"Held\" { portfolio.gross at most 5_000 USD else warn }",
    "all strategies count together too": 'throttle EXEC-010 "Each" { deny beyond 5 orders in any 1min for each strategy }\n'
                                         'throttle EXEC-020 "All" { deny beyond 20 orders in any 1min }',
    "a vouched strategy": "input intent { strategy : strategy attested }\n"
                          'throttle EXEC-010 "Each" { deny beyond 5 orders in any 1min for each strategy }',
    "a tightening for one": 'setting most : ratio = 8% lower is safer "Largest" { tighten for strategy "SCALPER" = 4% }\n'
                            'limit EXP-010 "Position" { abs(after.position.notional) at most most of account.equity else reduce }',
    "a room that is used up is nothing": 'size SIZE-010 "Ticket" for unsized orders { start max(min(2% of account.equity, 1_000 USD - abs(committed.position.notional)), 0 USD) }\n'
                                         'rule ORD-010 "Penny" { deny when market.price < 5 USD }',
    "a mild warning": 'limit EXP-010 "Book" severity low { after.portfolio.gross at most 5_000 USD else warn }',
    "a warning in time": 'limit EXP-010 "Book" { after.portfolio.gross at most 5_000 USD else reduce }\n'
                         'limit EXP-020 "Near" { after.portfolio.gross at most 4_000 USD else warn }',
    "a name that is negated": 'let listed = intent.symbol in ["A", "B"]\nrule EXP-010 "Listed" { deny when not listed }',
    "a code says why": 'rule EXP-010 "Both" code NEITHER { deny when intent.symbol == "A" and intent.side == buy }',
    "factors": 'setting base : ratio = 0.70 "Base"\nlimit EXP-010 "Scaled" { abs(after.position.notional) at most base * account.equity else reduce }\n'
               'limit EXP-020 "Share" { after.portfolio.gross at most 80% of account.equity else reduce }',
    "parentheses that hold": 'limit EXP-010 "Sum" { after.portfolio.gross at most 2x of (account.equity + account.available) else deny }',
    "an open range": 'rule EXP-010 "Between" { deny when market.price > 1 USD and market.price <= 5 USD because "{market.price}" }',
    "two readings": 'rule EXP-010 "Two" { deny when market.price >= 1 USD and account.equity <= 5 USD because "{market.price}" }',
    "a hash in a text": 'rule EXP-010 "# caplex: ignore nonsense" { deny when market.price < 5 USD }',
    "multiples": "limit EXP-010 \"Leverage\" { (intent.leverage else 999x) at most 20 else deny }\n"
                 "limit EXP-020 \"Book\" { after.portfolio.gross / account.equity at most 2x else deny }\n"
                 'rule EXP-030 "Day" { deny when account.drawdown > 1 }',
    "blanks inside, and in words": 'rule EXP-010 "Two words " { deny when intent.symbol == "BRK B" because " {market.price} " }',
    "a bound of its own for each name": 'setting most : count = 1 "Most" { set for strategy "A" = 5 }\n'
                                        'limit EXP-010 "Names" { portfolio.positions at most most else deny }',
}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_is_shipped(path: Path) -> None:
    assert [(each.code.id, each.message) for each in caplex.lint(path)] == []


@pytest.mark.parametrize("name", QUIET)
def test_says_nothing(name: str, look: Callable[..., list[Diagnostic]]) -> None:
    assert [(each.code.id, each.message) for each in look(QUIET[name])] == []
