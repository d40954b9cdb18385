"""A small desk to drive: an engine, a clock that the test turns, and short names for the events of docs/reference/events.md."""
from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import caplex
from caplex.runtime.clock import format_instant, parse_instant
from caplex.runtime.decision import Decision
from caplex.runtime.engine.engine import Engine, Outcome
from caplex.runtime.policy import Policy

START = "2026-01-05T15:00:00Z"
HEADER = """policy t {
  version "1" language 1 mode enforce currency USD timezone "America/New_York" day starts 17:00 owner "desk"
  stages SYS, KILL, LOSS, EXEC, EXP
  closing CLOSING
  overrides tightest wins
  lot 1 unlimited exposure unlimited loss MORE
}
input market { price : price above 0 fresh always }
"""
SKIPS = "skips LOSS, EXEC, EXP"
FACES = "faces every rule"


@cache
def policy(rules: str, closing: str = SKIPS, more: str = "") -> Policy:
    """A policy of *rules* under a header that asks for little."""
    return caplex.compile_text(HEADER.replace("CLOSING", closing).replace("MORE", more) + rules, name="t.cap")


@cache
def example(name: str) -> Policy:
    """A policy of `examples/`."""
    return caplex.load(Path(__file__).resolve().parents[2] / "examples" / name)


class Desk:
    """One engine and a clock. Events are stamped with the clock, and numbered where they need an id."""

    def __init__(self, policy: Policy, journal: Path | None = None, *, at: str = START, account: str = "a", equity: str | None = "100000",
                 **options: Any) -> None:
        options.setdefault("trust_operators", True)
        self.policy, self.journal, self.options = policy, journal, options
        self.engine = Engine(policy, journal, **options)
        self.now, self.count, self.name = parse_instant(at), 0, account
        if equity is not None:
            self.apply("account", account=account, equity=equity, available=equity)
            self.apply("history", account=account, complete_from="2020-01-01T00:00:00Z")

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────

    @property
    def at(self) -> str:
        return format_instant(self.now)

    def later(self, seconds: float) -> Desk:
        self.now += round(seconds * 10**9)
        return self

    def to(self, at: str) -> Desk:
        self.now = parse_instant(at)
        return self

    # ── events ───────────────────────────────────────────────────────────────────────────────────────

    def apply(self, type_: str, **fields: Any) -> Outcome:
        self.count += 1
        return self.engine.apply({"type": type_, "id": f"e-{self.count}", "at": self.at, **fields})

    def quote(self, symbol: str, price: str, **more: Any) -> Outcome:
        return self.apply("quote", symbol=symbol, price=price, **more)

    def account(self, **fields: Any) -> Outcome:
        return self.apply("account", **{"account": self.name, **fields})

    def fill(self, side: str, quantity: str, symbol: str = "X", price: str = "10", **more: Any) -> Outcome:
        return self.apply("fill", **{"account": self.name, "side": side, "quantity": quantity, "symbol": symbol, "price": price, **more})

    def order(self, status: str, **more: Any) -> Outcome:
        return self.apply("order", status=status, **more)

    def operator(self, act: str, by: str = "risk-1", **more: Any) -> Outcome:
        return self.apply("operator", act=act, by=by, **more)

    def submit(self, side: str, quantity: str, symbol: str = "X", **more: Any) -> Decision:
        self.count += 1
        return self.engine.submit(self.intent(side, quantity, symbol, **{"id": f"i-{self.count}", **more}))

    def intent(self, side: str, quantity: str, symbol: str = "X", **more: Any) -> dict[str, Any]:
        return {"at": self.at, "account": self.name, "action": "open", "side": side, "quantity": quantity, "symbol": symbol, "strategy": "s",
                **more}

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────

    def restart(self, **options: Any) -> Desk:
        """Close it, open it again from its journal."""
        self.engine.close()
        self.options.update(options)
        self.engine = Engine(self.policy, self.journal, **self.options)
        return self

    def position(self, symbol: str = "X", account: str | None = None) -> str:
        rows = self.engine.facts({"id": "look", "action": "noop", "account": account or self.name, "at": self.at})["positions"]
        rows = rows.values() if isinstance(rows, dict) else rows  # a map by symbol, where nothing needs a list
        return next((row["quantity"] for row in rows if row["symbol"] == symbol), "0")

    def told(self, **fields: Any) -> dict[str, Any]:
        """The account as a decision would see it."""
        facts = self.engine.facts({"id": "look", "action": "noop", "account": self.name, "at": self.at, **fields})  # as an intent would see it
        return facts["accounts"][fields.get("account", self.name)]

    def switch(self, **scope: str) -> str:
        rows = [row for row in self.engine.switches if all(row.scope.get(name) == value for name, value in scope.items())]
        return "tripped" if any(row.state == "tripped" for row in rows) else "armed"

    def rooms(self) -> list[tuple[str, str, str]]:
        """What is reserved: intent, units that may still fill, state."""
        return [(row.intent_id, row.quantity, row.state) for row in self.engine.reservations]


def problems(outcome: Outcome) -> list[str]:
    return [each.problem for each in outcome.discrepancies]


def verdict(decision: Decision) -> tuple[str, str, str | None]:
    """In one word each: what, how much, because of whom."""
    return decision.verdict.value, str(decision.quantity), decision.decided_by
