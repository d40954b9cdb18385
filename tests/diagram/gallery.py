"""Policies and facts to be drawn: small ones, one of 150 rules, and one whose texts would be syntax everywhere."""
from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import caplex
from caplex.compiler.tools.diagram.model import Diagram

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
HOSTILE = '"<&>]]>\\|;#35;{x}--%%`$(1)'
HEADER = """policy {name} {{
  version "1" language 1 mode {mode} currency USD
  stages {stages}
  closing skips LOSS, EXP
  overrides tightest wins
  lot 1
}}
"""
FACTS: dict[str, Any] = {
    "now": "2026-01-05T15:00:00Z",
    "intent": {"id": "i-1", "action": "open", "symbol": "KO", "side": "buy", "quantity": "30", "strategy": "momentum", "account": "main"},
    "account": {"equity": "97500", "day_start_equity": "100000", "peak_equity": "101000"},
    "positions": {}, "orders": [], "switches": {},
    "market": {"KO": {"price": "50", "as_of": "2026-01-05T14:59:59Z"}},
}


@cache
def quickstart() -> caplex.Policy:
    return caplex.load(EXAMPLES / "quickstart" / "desk.cap")


def quickstart_facts(name: str) -> dict[str, Any]:
    return json.loads((EXAMPLES / "quickstart" / "facts" / f"{name}.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@cache
def example(name: str) -> caplex.Policy:
    return caplex.load(EXAMPLES / name / "policy.cap")


def many_text(count: int = 150) -> str:
    """A policy of *count* rules in six stages; every seventh is broken by `FACTS`, and the last switch is tripped by rules."""
    stages = ("KILL", "DATA", "LOSS", "EXEC", "EXP", "BOOK")
    lines = [HEADER.format(name="big_book", mode="enforce", stages=", ".join(stages))]
    for number in range(count - 2):
        stage = stages[1 + number % 5]
        bound = 60 if number % 7 == 0 else 1_000_000 + number
        measure = ("account.day_loss", "intent.notional", "account.equity", "abs(after.position.notional)", "after.portfolio.gross")[number % 5]
        title = ("Loss", "Value of the order", "Equity at hand", "Position in the symbol", "Whole book, gross of hedges")[number % 5]
        effect = "reduce" if number % 5 in (3, 4) else "deny"
        word = "at least" if number % 5 == 2 else "at most"
        lines.append(f'limit {stage}-{number:03} "{title} {number}" severity {("low", "high")[number % 2]} {{\n'
                     f"  {measure} {word} {bound} USD else {effect}\n}}\n")
    lines.append('kill switch KILL-900 "Early" for account {\n  trip when DATA-000 violated\n  trip when EXP-003 violated\n'
                 "  while tripped deny opening\n  rearm never\n}\n")
    lines.append('kill switch KILL-910 "Late" for account {\n  trip when LOSS-006 violated\n  trip when LOSS-011 violated\n  while tripped deny all\n'
                 '  rearm by 2 of "risk" and 10min after trip\n}\n')
    return "\n".join(lines)


@cache
def many(count: int = 150) -> caplex.Policy:
    return caplex.loads(many_text(count))


def hostile_text() -> str:
    text = HOSTILE.replace("\\", "\\\\").replace('"', '\\"')
    return HEADER.format(name="hostile", mode="enforce", stages="KILL, LOSS, EXP") + f'''
setting names : set of symbol = ["{text}", "日本語の銘柄"]  "Names"

limit LOSS-010 "é → ≤ ١٢٣ Ж" {{ account.day_loss below 2% of account.day_start_equity else deny }}
limit EXP-010 "{text}" {{ intent.notional at most 1 USD else deny because "<b>no</b> & -->" }}
rule EXP-020 "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字" {{
  deny when intent.symbol in names or intent.symbol in ["{text}"]
}}
limit EXP-030 "{'W' * 200}" {{ intent.notional at most 2 USD else reduce }}
kill switch KILL-010 "{text}" for each strategy {{
  trip when EXP-010 violated
  trip when account.equity < 1 USD for 3 readings
  trip when account.equity < 2 USD or account.day_start_equity < 3 USD or account.peak_equity < 4 USD or account.equity < 5 USD
  while tripped deny all
  on trip cancel all orders, flatten, notify "{text}"
  rearm by 2 of "{text}" and 10min after trip
}}
'''


@cache
def hostile() -> caplex.Policy:
    return caplex.loads(hostile_text(), name="hostile.cap")


def hostile_facts() -> dict[str, Any]:
    """The symbol reverses the direction of the text behind it, rings, and begins a tag."""
    symbol = 'X\u202e"<&>\x07\n]]>'
    facts = json.loads(json.dumps(FACTS))
    facts["intent"] |= {"symbol": symbol, "strategy": "s\u200b<i>"}
    facts["market"] = {symbol: {"price": "50", "as_of": "2026-01-05T14:59:59Z"}}
    return facts


@cache
def pictures() -> dict[str, Diagram]:
    """One diagram of every kind."""
    lost = quickstart_facts("1-allowed")
    del lost["account"]["equity"]
    stale = {**quickstart_facts("1-allowed"), "nonsense": 1}
    desk, facts = quickstart(), quickstart_facts
    overridden = facts("2-trimmed")
    overridden["intent"]["symbol"] = "GE"
    overridden["intent"]["quantity"] = "5000"
    return {
        "quickstart": caplex.graph(desk),
        **{name: caplex.graph(desk, facts(name)) for name in (
            "1-allowed", "2-trimmed", "3-held", "4-loss-stop", "5-closing", "6-kill-switch", "7-flip")},
        "override": caplex.graph(desk, overridden), "lost fact": caplex.graph(desk, lost), "unusable": caplex.graph(desk, stale),
        "policygate": caplex.graph(example("policygate")), "entry gate": caplex.graph(example("entry_gate")),
        "switches": caplex.graph(example("policygate")).switches_alone(),
        "many": caplex.graph(many()), "many decided": caplex.graph(many(), FACTS),
        "hostile": caplex.graph(hostile()), "hostile decided": caplex.graph(hostile(), hostile_facts()),
    }
