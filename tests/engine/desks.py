"""Policies for streams, with the shape of stream that each asks for: the examples, and desks written so that all means of the language are used."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import caplex
from caplex.runtime.policy import Policy
from engine.streams import Shape
from engine.support import FACES, HEADER, SKIPS, example

POSITION = 'limit EXP-010 "Position" { abs(after.position.notional) at most 1_000 USD else reduce }\n'
BOOK = 'limit EXP-020 "Book" { after.portfolio.gross at most 2_000 USD else reduce }\n'
STOP = """kill switch KILL-010 "Stop" for account {
  trip when (account.peak_equity - account.equity) / account.peak_equity >= 10%
  trip when 4 denials of severity high in any 1min
  while tripped deny opening
  on trip cancel opening orders, notify "desk"
  rearm by 2 of "risk" and 1min after trip and when ((account.peak_equity - account.equity) / account.peak_equity < 8%)
  on rearm rebase account.peak_equity to account.equity
}
"""
RATES = """throttle EXEC-010 "By strategy" { deny beyond 4 orders in any 1min for each strategy reserve 1 for closing }
throttle EXEC-020 "By symbol" severity high { deny beyond 3 orders in any 30s for each symbol }
throttle EXEC-025 "Fills" { deny beyond 3 fills in any 5min for each strategy, symbol }
throttle EXEC-030 "Rejects" { deny beyond 2 rejects in any 1min }
cooldown EXEC-040 "After a stop" { deny during 1min after last stop for each symbol }
cooldown EXEC-050 "After a fill" { when intent.symbol != "Z" deny during 2s after last fill for each strategy }
"""
SUMS = """limit EXEC-060 "Volume" { sum(f.notional for f in fills in last 5min where f.symbol == intent.symbol) + intent.notional at most 3_000 USD else reduce }
throttle EXEC-070 "Day" { deny beyond 25 orders per day }
limit EXEC-080 "Fills today" { count(fills today) at most 40 else deny }
"""
HOLDS = """rule EXP-030 "Large" { hold when intent.quantity > 15 units for approval by role "risk" within 5min }
rule EXP-040 "Shorts" overridable by role "risk" { deny when intent.side == sell and after.position.quantity < -40 units }
rule EXP-050 "Look" { warn when intent.notional > 500 USD }
"""
KNOBS = """setting most : money = 900 USD within 0 USD..5_000 USD lower is safer "Position" {
  tighten for symbol "Y" = 400 USD
  loosen for strategy "t" = 1_500 USD through 2026-12-31 approved by "CRO" ticket "R-1"
}
limit EXP-060 "Knob" severity high { abs(after.position.notional) at most most else reduce }
waiver W-010 of EXP-060 "Hedges" through 2026-06-30 approved by "CRO" ticket "R-2" { when intent.symbol == "Z" because "hedges" }
limit EXP-070 "Monitored" severity high monitor always { after.portfolio.net at most 700 USD else deny }
"""
SIZES = """size SIZE-010 "Ticket" for all opening orders {
  start 2% of account.equity
  times (if (strategy.open_trades else 0) > 2 then 0.5 else 1)
  at most 1_500 USD
  at least 20 USD else deny
}
"""
LOSSES = """limit LOSS-010 "Day" severity high { account.day_loss below 2% of account.day_start_equity else deny }
limit LOSS-020 "Results" { account.equity at least 60_000 USD else deny }
"""
CONFIRM = """kill switch KILL-020 "Slow" for each strategy {
  trip when (strategy.pnl_7d else 0 USD) < 0 USD for 2 readings
  while tripped deny all
  rearm by 1 of "risk" and when ((strategy.pnl_7d else 0 USD) > 10 USD)
}
kill switch KILL-030 "Calm" for account {
  trip when portfolio.gross > 1_500 USD for 20s
  trip when EXP-010 violated
  while tripped deny opening
  on trip flatten
  rearm 30s after trip and when (portfolio.gross < 1_000 USD)
}
kill switch KILL-040 "One" for strategy "t" {
  trip when 3 violations of EXP in any 1min
  while tripped deny opening
  rearm by 1 of "risk"
}
"""
SWITCHES = (("KILL-010", ("account",)), ("KILL-020", ("strategy",)), ("KILL-030", ("account",)), ("KILL-040", ("strategy",)))
BUSY = Shape(symbols=("X", "Z"), prices=("9", "10", "11"), dress=lambda rng: {"quantity": rng.choice(("1", "2", "5", "12", "40"))},
             weights={"intent": 60, "fill": 30, "quote": 4, "operator": 0, "account": 2})
WRITTEN: dict[str, tuple[str, str, str, Shape]] = {
    "limits": (POSITION + BOOK, SKIPS, "", Shape()),
    "faced": (POSITION.replace("1_000", "9_000") + RATES, FACES, "", replace(BUSY, accounts=("a",), strategies=("s",))),
    "rates": (POSITION.replace("1_000", "9_000") + RATES + SUMS, SKIPS, "", BUSY),
    "holds": (POSITION + HOLDS + STOP, SKIPS, "idempotency keep 10min", Shape(switches=SWITCHES[:1], weights={"approve": 12})),
    "knobs": (KNOBS + BOOK + RATES + LOSSES, SKIPS, "", Shape()),
    "sizes": (SIZES + POSITION.replace("1_000", "3_000") + LOSSES + STOP, SKIPS, "", Shape(switches=SWITCHES[:1])),
    "switches": (POSITION + BOOK + RATES + LOSSES + STOP + CONFIRM, SKIPS, "", Shape(switches=SWITCHES, weights={"operator": 12, "strategy": 6})),
    "venues": (POSITION + BOOK + RATES + SUMS + STOP, SKIPS, "", Shape(venues=("v", "w"), switches=SWITCHES[:1])),
    "alone": (POSITION + BOOK + LOSSES + STOP + HOLDS, FACES, "", Shape(accounts=("a",), switches=SWITCHES[:1])),
    "fresh": (POSITION + BOOK + STOP, SKIPS, "", Shape(switches=SWITCHES[:1], weights={"quote": 60})),
}


def _gate(rng: Random) -> dict[str, Any]:
    return {"confidence": rng.choice(("60%", "0.7", "85%", "1")), "leverage": rng.choice(("1", "5", "10")), "strategy": "s"}


def _gate_more(rng: Random) -> dict[str, Any]:
    if rng.random() < 0.5:
        return {"type": "input", "name": "book", "values": {"capital": "5000", "positions": rng.randrange(12), "positions_in_regime": rng.randrange(6),
                                                            "exposure": rng.choice(("0", "4000")), "symbol_exposure": rng.choice(("0", "900"))}}
    rows: dict[str, list[dict[str, str]]] = {}
    for _ in range(rng.randrange(4)):
        rows.setdefault(rng.choice("XYZ"), []).append({"direction": rng.choice(("long", "short")), "confidence": rng.choice(("0.5", "0.8"))})
    return {"type": "input", "name": "entries", "values": rows}


def _gate_begin() -> list[dict[str, Any]]:
    book = {"capital": "5000", "positions": 0, "positions_in_regime": 0, "exposure": "0", "symbol_exposure": "0"}
    return [{"type": "input", "name": "book", "values": book}, {"type": "input", "name": "entries", "values": {}}]


def _counted(rng: Random) -> dict[str, Any]:
    if rng.random() < 0.3:
        return {"type": "input", "name": "execution", "values": {"kill_switch_active": rng.random() < 0.2}}
    return {"type": "counters", "values": {"orders_last_60s_global": rng.randrange(22), "orders_last_60s_by_strategy": rng.randrange(11)}}


def _counted_begin() -> list[dict[str, Any]]:
    return [{"type": "input", "name": "execution", "values": {"kill_switch_active": False}},
            {"type": "counters", "values": {"orders_last_60s_global": 0, "orders_last_60s_by_strategy": 0}}]


EXAMPLES: dict[str, tuple[str, Shape]] = {
    "quickstart": ("quickstart/desk.cap", Shape(start="2020-03-02T15:00:00Z", symbols=("KO", "GE", "RRC"), switches=(("KILL-010", ("account",)),))),
    "entry_gate": ("entry_gate/policy.cap", Shape(dress=_gate, more=_gate_more, begin=_gate_begin, weights={"more": 12})),
    "policygate": ("policygate/policy.cap", Shape(more=_counted, begin=_counted_begin, switches=(("KILL-010", ("account",)), ("KILL-020", ("account",))))),
}
ALL: tuple[str, ...] = (*WRITTEN, *EXAMPLES)


@cache
def text(name: str) -> str:
    """The source of a desk that is written here."""
    rules, closing, more, _ = WRITTEN[name]
    header = HEADER.replace("CLOSING", closing).replace("MORE", more)
    return (header.replace(" fresh always", " fresh within 30s") if name == "fresh" else header) + rules


@cache
def desk(name: str) -> tuple[Policy, Shape]:
    """The policy of that name, and the shape of its streams."""
    if name in EXAMPLES:
        path, shape = EXAMPLES[name]
        return example(path), shape
    return caplex.compile_text(text(name), name=f"{name}.cap"), WRITTEN[name][3]


@cache
def reference(name: str) -> Callable[[dict[str, Any]], Any]:
    """The reference interpreter on the same policy."""
    from pathlib import Path

    from caplex.compiler import reference as judge
    from caplex.compiler.driver import check_source
    from caplex.compiler.source import Source
    from caplex.runtime.facts import World

    if name in EXAMPLES:
        path = Path(__file__).resolve().parents[2] / "examples" / EXAMPLES[name][0]
        source = Source(str(path), path.read_text(encoding="utf-8"))
    else:
        source = Source(f"{name}.cap", text(name))
    checked, problems = check_source(source)
    assert checked is not None, problems
    policy = checked.policy

    def rule(document: dict[str, Any]) -> Any:
        return judge.rule_on(checked, World(checked.schema, document, currency=policy.currency, timezone=policy.timezone, day_start_ns=policy.day_start_ns))

    return rule
