"""Streams of events, drawn by seed: several accounts, strategies, symbols and venues, and a clock that stands still or goes back.

A stream is drawn against a machine, because fills belong to orders that were approved. What was drawn is kept in `taken`, so
that it can be given again to another machine, engine or process.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from caplex.runtime.clock import DAY, SECOND, format_instant, parse_instant
from caplex.runtime.engine.machine import Machine, Step
from caplex.runtime.errors import EventError
from caplex.runtime.policy import Policy
from engine.support import START

STEPS = (0, 0, 0, 1, 10**6, SECOND // 2, SECOND, SECOND, 2 * SECOND, 7 * SECOND, 20 * SECOND, 30 * SECOND, 60 * SECOND, 300 * SECOND, 0, 5, SECOND, SECOND, SECOND, -SECOND, -60 * SECOND)
PRICES = ("1", "2.5", "9.99", "10", "10.01", "12", "20", "50")
QUANTITIES = ("1", "2", "5", "10", "20", "25", "50", "60", "100", "101", "150", "300", "2.5")
EQUITIES = ("100000", "99000", "98500", "95000", "90000", "89999.99", "102000", "50000", "110000")

Event = dict[str, Any]


@dataclass
class Shape:
    """What a policy's stream must be made of.

    Attributes:
        dress: Fields that every intent of the policy has, drawn anew for each.
        more: Further events that the policy reads.
        begin: Events before all others.
        weights: Changes to how often each kind of event comes.
    """

    accounts: tuple[str, ...] = ("a", "b")
    strategies: tuple[str, ...] = ("s", "t")
    symbols: tuple[str, ...] = ("X", "Y", "Z")
    venues: tuple[str, ...] = ("",)
    switches: tuple[tuple[str, tuple[str, ...]], ...] = ()
    start: str = START
    dress: Callable[[Random], Event] = field(default=lambda rng: {})
    more: Callable[[Random], Event] | None = None
    begin: Callable[[], list[Event]] = list
    weights: dict[str, int] = field(default_factory=dict)
    prices: tuple[str, ...] = PRICES


class Stream:
    """Draws events and gives each to *machine*; `before` is asked before an intent is decided, `after` told what came of it."""

    def __init__(self, policy: Policy, seed: int, shape: Shape) -> None:
        self.rng, self.shape, self.policy = Random(seed), shape, policy
        self.machine = Machine(policy, trust=True)
        self.now, self.count = parse_instant(shape.start), 0
        self.taken: list[Event] = []
        self.steps: list[Step] = []
        self.live: list[Event] = []  # orders: id, intent, account, symbol, side, left
        self.fills: list[Event] = []
        self.holds: list[str] = []
        self.requests: list[str] = []
        self.before: Callable[[Event], Any] = lambda intent: None
        self.after: Callable[[Event, Step, Any], None] = lambda intent, step, seen: None

    # ── giving ───────────────────────────────────────────────────────────────────────────────────────

    def give(self, event: Event) -> Step | None:
        """Take *event*; None if it was refused at the door."""
        given = {"at": format_instant(self.now) if self.now % 1000 == 0 else _exact(self.now), **event}
        seen = self.before(given) if given["type"] == "intent" else None
        try:
            step = self.machine.step(self.machine.read(given))
        except EventError:
            return None
        self.taken.append(given)
        self.steps.append(step)
        if given["type"] == "intent":
            self.after(given, step, seen)
        return step

    def name(self, letter: str) -> str:
        self.count += 1
        return f"{letter}-{self.count}"

    def begin(self) -> None:
        for event in self.shape.begin():
            self.give(event)
        for account in self.shape.accounts:
            self.give({"type": "account", "id": self.name("e"), "account": account, "equity": "100000", "available": "50000", "balance": "100000",
                       "day_start_balance": "100000", "realised_pnl_today": "0"})
            self.give({"type": "history", "id": self.name("e"), "account": account, "complete_from": "2019-01-01T00:00:00Z"})
        for strategy in self.shape.strategies:
            self.give({"type": "strategy", "id": self.name("e"), "strategy": strategy, "values": {"open_trades": 1, "pnl_7d": "5"}})
        for symbol in self.shape.symbols:
            self.quote(symbol, "10")

    def run(self, events: int) -> Stream:
        self.begin()
        weights = {"intent": 30, "quote": 12, "account": 6, "cash": 2, "fill": 12, "cancel": 4, "reject": 3, "replace": 2, "order": 8, "operator": 4, "tick": 5,
                   "position": 1, "strategy": 2, "stop": 1, "repeat": 4, "correct": 2, "session": 1, "approve": 4, "more": 6, "release": 1, **self.shape.weights}
        kinds, counts = list(weights), list(weights.values())
        for _ in range(events):
            self.now += self.rng.choice(STEPS) if self.rng.random() > 0.004 else DAY
            getattr(self, "draw_" + self.rng.choices(kinds, counts)[0])()
        return self

    # ── drawing ──────────────────────────────────────────────────────────────────────────────────────

    def pick(self, *names: str) -> Event:
        found: Event = {}
        for name in names:
            table = {"account": self.shape.accounts, "strategy": self.shape.strategies, "symbol": self.shape.symbols, "venue": self.shape.venues}[name]
            value = self.rng.choice(table)
            if value:
                found[name] = value
        return found

    def quote(self, symbol: str, price: str) -> None:
        for venue in self.shape.venues:
            self.give({"type": "quote", "id": self.name("q"), "symbol": symbol, "price": price, **({"venue": venue} if venue else {})})

    def draw_intent(self) -> None:
        rng = self.rng
        intent = {"type": "intent", "id": self.name("i"), "action": "open", "side": rng.choice(("buy", "buy", "sell")), "quantity": rng.choice(QUANTITIES),
                  **self.pick("account", "strategy", "symbol", "venue"), **self.shape.dress(rng)}
        if rng.random() < 0.12:
            intent["action"] = rng.choice(("close", "close", "adjust", "cancel", "noop"))
            if intent["action"] == "adjust":
                intent["delta"] = rng.choice(("5", "-20", "0", "120"))
                del intent["quantity"]
        if rng.random() < 0.2:
            intent["limit_price"] = rng.choice(self.shape.prices)
        if rng.random() < 0.03:
            intent.pop(rng.choice(("strategy", "quantity", "side", "account", "symbol")), None)
        if rng.random() < 0.02:
            intent["quantity"] = rng.choice(("x", "-1", "0"))
        step = self.give(intent)
        if step is not None and step.decision is not None:
            self._approved(step.told)

    def _approved(self, told: Event) -> None:
        if told.get("reservation") and not told.get("repeat_of"):
            self.live.append({"id": None, "intent": told["intent_id"], "account": told["account"], "symbol": told["symbol"], "side": told["side"],
                              "left": told["quantity"], "venue": told.get("venue")})
        if told.get("hold"):
            self.holds.append(told["hold"]["id"])

    def draw_order(self) -> None:
        if not self.live:
            return
        order, status = self.rng.choice(self.live), self.rng.choice(("sent", "open", "open", "unknown", "cancel_requested", "partially_filled"))
        order["id"] = order["id"] or self.name("o")
        self.give({"type": "order", "id": self.name("e"), "order_id": order["id"], "intent_id": order["intent"], "status": status})

    def draw_fill(self) -> None:
        if not self.live:
            return
        order = self.rng.choice(self.live)
        part = self.rng.choice(("1", "5", "10", order["left"], order["left"]))
        fill = {"type": "fill", "id": self.name("f"), "account": order["account"], "symbol": order["symbol"], "side": order["side"], "quantity": part,
                "price": self.rng.choice(self.shape.prices), "intent_id": order["intent"], "fee": "0.1"}
        if order["venue"]:
            fill["venue"] = order["venue"]
        self.give(fill)
        self.fills.append(fill)
        if part == order["left"]:
            self.live.remove(order)

    def draw_cancel(self) -> None:
        if self.live:
            order = self.live.pop(self.rng.randrange(len(self.live)))
            self.give({"type": self.rng.choice(("cancel", "cancel", "expire")), "id": self.name("e"), "intent_id": order["intent"]})

    def draw_reject(self) -> None:
        if self.live:
            order = self.live.pop(self.rng.randrange(len(self.live)))
            self.give({"type": "reject", "id": self.name("e"), "intent_id": order["intent"], "code": "funds"})

    def draw_replace(self) -> None:
        if self.live:
            order = self.rng.choice(self.live)
            if order["id"]:
                new = self.name("o")
                self.give({"type": "replace", "id": self.name("e"), "order_id": order["id"], "new_order_id": new, "quantity": self.rng.choice(QUANTITIES)})
                order["id"] = new

    def draw_release(self) -> None:
        if self.live:
            self.give({"type": "release", "id": self.name("e"), "intent_id": self.rng.choice(self.live)["intent"], "because": "late"})

    def draw_quote(self) -> None:
        self.quote(self.rng.choice(self.shape.symbols), self.rng.choice(self.shape.prices))

    def draw_account(self) -> None:
        self.give({"type": "account", "id": self.name("e"), **self.pick("account"), "equity": self.rng.choice(EQUITIES)})

    def draw_cash(self) -> None:
        self.give({"type": "cash", "id": self.name("e"), **self.pick("account"), "amount": self.rng.choice(("500", "-500", "2000")), "currency": "USD"})

    def draw_strategy(self) -> None:
        self.give({"type": "strategy", "id": self.name("e"), **self.pick("strategy"),
                   "values": {"open_trades": self.rng.randrange(4), "pnl_7d": self.rng.choice(("-50", "0", "100"))}})

    def draw_position(self) -> None:
        self.give({"type": "position", "id": self.name("e"), **self.pick("account", "symbol", "venue"), "quantity": self.rng.choice(("0", "5", "-10", "50")),
                   "strategy": self.rng.choice(self.shape.strategies)})

    def draw_stop(self) -> None:
        self.give({"type": "stop", "id": self.name("e"), **self.pick("account", "symbol", "strategy")})

    def draw_session(self) -> None:
        self.give({"type": "session", "id": self.name("e"), **self.pick("account"), "act": "day_start", "equity": self.rng.choice(EQUITIES)})

    def draw_tick(self) -> None:
        self.give({"type": "tick", **(self.pick("account") if self.rng.random() < 0.5 else {})})

    def draw_correct(self) -> None:
        if self.fills:
            fill = self.rng.choice(self.fills)
            self.give({**{k: fill[k] for k in ("account", "symbol", "side", "price")}, "type": "fill", "id": self.name("f"), "corrects": fill["id"],
                       "quantity": self.rng.choice(("0", "1", "7"))})

    def draw_repeat(self) -> None:
        asked = [event for event in self.taken if event["type"] == "intent"]
        event = dict(self.rng.choice(asked if asked and self.rng.random() < 0.6 else self.taken))
        if event["type"] == "intent" and self.rng.random() < 0.3:
            event["quantity"] = "77"
        elif self.rng.random() < 0.3:
            event.pop("at")
        self.give(event)

    def draw_operator(self) -> None:
        if not self.shape.switches:
            return
        switch, dimensions = self.rng.choice(self.shape.switches)
        target: Event = {"switch": switch, "scope": self.pick(*dimensions)}
        act, name = self.rng.choice(("trip", "rearm", "rearm", "approve", "withdraw")), self.name("op")
        if act in ("approve", "withdraw"):
            target = {"request_id": self.rng.choice(self.requests or ["none"])}
        elif act == "rearm":
            self.requests.append(name)
        self.give({"type": "operator", "id": name, "act": act, "target": target, "by": self.rng.choice(("risk-1", "risk-2"))})

    def draw_approve(self) -> None:
        if self.holds:
            step = self.give({"type": "operator", "id": self.name("op"), "act": "approve", "target": {"hold_id": self.rng.choice(self.holds[-3:])},
                              "by": self.rng.choice(("risk-1", "risk-2"))})
            for told in (step.told.get("released", ()) if step is not None else ()):
                self._approved(told)

    def draw_more(self) -> None:
        if self.shape.more is not None:
            self.give({"id": self.name("e"), **self.shape.more(self.rng)})


def _exact(ns: int) -> str:
    from caplex.runtime.clock import exact_instant

    return exact_instant(ns)
