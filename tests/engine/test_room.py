"""No sequence of submits, partial fills, cancels and late news exceeds a limit that every single decision kept.

A venue that is modelled here holds the truth; its news reach the engine late, twice and out of order. After every event the
worst case of the truth (what is held, what may fill, what is approved and may be sent yet) is within the limits, at the
prices of the last decision and counting opening legs. `CAPLEX_ENGINE_ROUNDS=10` draws ten times as many interleavings;
a failure prints its seed and the shortest sequence of acts that still fails.
"""
from __future__ import annotations

import os
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from caplex.runtime.clock import SECOND, format_instant, parse_instant
from caplex.runtime.engine import snapshot
from caplex.runtime.engine.machine import Machine
from caplex.runtime.policy import Policy
from engine.support import FACES, SKIPS, START, policy

ROUNDS = int(os.environ.get("CAPLEX_ENGINE_ROUNDS", "1"))
ZERO = Fraction(0)
POSITION, GROSS, VALUE = 1_000, 1_500, 700
RULES = f"""limit EXP-010 "Position" {{ abs(after.position.notional) at most {POSITION} USD else reduce }}
limit EXP-020 "Book" {{ after.portfolio.gross at most {GROSS} USD else reduce }}
limit EXP-030 "Order" {{ intent.notional at most {VALUE} USD else reduce }}
"""
SYMBOLS = ("X", "Y")
Act = tuple[Any, ...]


@dataclass
class Order:
    """What the venue, and nobody else, knows of an order."""

    intent: str
    symbol: str
    sign: int
    quantity: Fraction
    filled: Fraction = ZERO
    state: str = "approved"  # then sent, open, over
    until_ns: int = 0
    name: str = ""

    @property
    def leaves(self) -> Fraction:
        return self.quantity - self.filled if self.state != "over" else ZERO


@dataclass
class Venue:
    """The truth, and the news that are on their way."""

    policy: Policy
    moving: bool
    machine: Machine = field(init=False)
    orders: dict[str, Order] = field(default_factory=dict)
    held: dict[str, Fraction] = field(default_factory=lambda: dict.fromkeys(SYMBOLS, ZERO))
    prices: dict[str, Fraction] = field(default_factory=lambda: dict.fromkeys(SYMBOLS, Fraction(10)))
    news: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    now: int = field(default_factory=lambda: parse_instant(START))
    count: int = 0

    def __post_init__(self) -> None:
        self.machine = Machine(self.policy, trust=True)
        self.give(type="account", account="a", equity="1000000")
        for symbol in SYMBOLS:
            self.give(type="quote", symbol=symbol, price="10")

    def give(self, **event: Any) -> Any:
        self.count += 1
        given = {"id": f"e-{self.count}", "at": format_instant(self.now), **event}
        self.log.append(given)
        return self.machine.step(self.machine.read(given))

    # ── acts: each does nothing where it makes no sense, so that acts can be left out ────────────────

    def do(self, act: Act) -> None:
        getattr(self, "do_" + act[0])(*act[1:])
        self.check(act)

    def do_submit(self, name: str, symbol: str, sign: int, quantity: str, **more: str) -> None:
        step = self.give(type="intent", id=name, account="a", symbol=symbol, side="buy" if sign > 0 else "sell", quantity=quantity, action="open",
                         strategy="s", **more)
        told = step.told
        if told.get("reservation") and name not in self.orders:
            self.orders[name] = Order(name, symbol, sign, Fraction(told["quantity"]), until_ns=parse_instant(told["valid_until"]))
            if Fraction(told["quantity"]) > Fraction(told["closing"]):
                self.decided(symbol, sign)

    def decided(self, symbol: str, sign: int) -> None:
        """An opening leg was approved at these prices: what it leads to must fit now. The other way may have grown with the price."""
        up, down = self.worst(symbol)
        here = abs(up if sign > 0 else down) * self.prices[symbol]
        assert here <= POSITION, f"{symbol}: {up} or {down} at {self.prices[symbol]}"
        gross = here + sum(max(abs(end) for end in self.worst(each)) * self.prices[each] for each in SYMBOLS if each != symbol)
        assert gross <= GROSS, f"gross {gross}"

    def order(self, name: str, *states: str) -> Order | None:
        found = self.orders.get(name)
        return found if found is not None and found.state in states else None

    def do_send(self, name: str, told: bool) -> None:
        order = self.order(name, "approved")
        if order is not None and self.now < order.until_ns:
            self.give(type="order", intent_id=name, status="sent", quantity=str(order.quantity))
            order.state = "open"
            order.name = "o-" + name if told else ""
            self.tell(order, "open" if told else "unknown")

    def do_release(self, name: str) -> None:
        order = self.order(name, "approved")
        if order is not None:
            self.give(type="release", intent_id=name)
            order.state = "over"

    def do_fill(self, name: str, part: str) -> None:
        order = self.order(name, "open")
        if order is not None:
            quantity = min(Fraction(part), order.leaves)
            order.filled += quantity
            self.held[order.symbol] += order.sign * quantity
            if order.leaves == 0:
                order.state = "over"
            self.count += 1
            self.news.append({"type": "fill", "id": f"f-{self.count}", "account": "a", "symbol": order.symbol, "side": "buy" if order.sign > 0 else "sell",
                              "quantity": str(quantity), "price": str(self.prices[order.symbol]), **self.names(order)})
            self.tell(order, "filled" if order.state == "over" else "partially_filled")

    def do_end(self, name: str, how: str) -> None:
        order = self.order(name, "open")
        if order is not None and not (how == "reject" and order.filled):
            rest = str(order.leaves)
            order.state = "over"
            more = {"cancel": {"canceled_quantity": rest}, "expire": {"leaves_quantity": rest}}.get(how, {})
            self.news.append({"type": how, **self.names(order), **more})

    def do_ask_cancel(self, name: str) -> None:
        order = self.order(name, "open")
        if order is not None:
            self.tell(order, "cancel_requested")

    def do_replace(self, name: str, quantity: str) -> None:
        """The venue gives the order a new name and a size within what was approved."""
        order = self.order(name, "open")
        if order is not None and order.name:
            order.quantity = max(order.filled + min(order.leaves, Fraction(1)), min(Fraction(quantity), order.quantity))
            new = order.name + "r"
            self.news.append({"type": "replace", "order_id": order.name, "new_order_id": new, "quantity": str(order.quantity)})
            order.name = new

    def do_submit_replacing(self, name: str, old: str, quantity: str) -> None:
        """An intent that names the order that it replaces. Until the venue has replaced it, both may fill."""
        order = self.order(old, "open")
        if order is not None and order.name and name not in self.orders:
            self.do_submit(name, order.symbol, order.sign, quantity, replaces=order.name)

    def do_swap(self, name: str, old: str) -> None:
        """The venue replaces one by the other: what the old one has filled counts towards the new size."""
        new, order = self.order(name, "approved"), self.order(old, "open")
        if new is None or order is None or not order.name or self.now >= new.until_ns:
            return
        if (new.symbol, new.sign) != (order.symbol, order.sign) or new.quantity <= order.filled:
            return
        self.give(type="order", intent_id=name, status="sent", quantity=str(new.quantity))
        new.filled, new.state, new.name, order.state = order.filled, "open", "o-" + name, "over"
        self.news.append({"type": "replace", "order_id": order.name, "new_order_id": new.name, "intent_id": name, "quantity": str(new.quantity)})

    def do_deliver(self, place: int, times: int) -> None:
        if self.news:
            event = self.news.pop(place % len(self.news))
            self.count += 1
            for _ in range(times):
                self.give(**{"id": f"n-{self.count}", **event})

    def do_deliver_all(self) -> None:
        for event in self.news:
            self.count += 1
            self.give(**{"id": f"n-{self.count}", **event})
        self.news.clear()

    def do_pass(self, seconds: int) -> None:
        self.now += seconds * SECOND
        self.give(type="tick")
        for order in self.orders.values():
            if order.state == "approved" and self.now >= order.until_ns:
                order.state = "over"

    def do_quote(self, symbol: str, price: str) -> None:
        if self.moving:
            self.prices[symbol] = Fraction(price)
            self.give(type="quote", symbol=symbol, price=price)

    def do_restart(self, loaded: bool) -> None:
        """From a snapshot, or from the events."""
        other = Machine(self.policy, trust=True)
        if loaded:
            state = snapshot.load(snapshot.dump(self.machine.state))
            assert state is not None
            other.state = state
        else:
            for event in self.log:
                other.step(other.read(event))
        assert other.digest() == self.machine.digest(), "a restart changes nothing"
        self.machine = other

    def names(self, order: Order) -> dict[str, str]:
        return {"intent_id": order.intent, **({"order_id": order.name} if order.name else {})}

    def tell(self, order: Order, status: str) -> None:
        self.news.append({"type": "order", "status": status, "quantity": str(order.quantity), "filled_quantity": str(order.filled), **self.names(order)})

    # ── what must hold ───────────────────────────────────────────────────────────────────────────────

    def worst(self, symbol: str) -> tuple[Fraction, Fraction]:
        """The truth, if all buys fill, and if all sales do."""
        mine = [order for order in self.orders.values() if order.symbol == symbol]
        return (self.held[symbol] + sum((order.leaves for order in mine if order.sign > 0), ZERO),
                self.held[symbol] - sum((order.leaves for order in mine if order.sign < 0), ZERO))

    def check(self, act: Act) -> None:
        for symbol in SYMBOLS:
            up, down = self.worst(symbol)
            state = self.machine.state
            held = sum((row.quantity for row in state.held.get("a", {}).get(symbol, {}).values()), ZERO)
            flowing = [order for order in state.flowing("a") if order.symbol == symbol]
            most = held + sum((order.leaves for order in flowing if order.side == "buy"), ZERO)
            least = held - sum((order.leaves for order in flowing if order.side == "sell"), ZERO)
            assert min(most - up, down - least) >= 0, f"{act}: {symbol} may go to {up} or {down}, and the engine counts on {most} and {least}"
            if not self.moving:
                assert max(up, -down) * 10 <= POSITION, f"{act}: {symbol} {up} {down}"
        if not self.moving:
            assert sum(max(abs(end) for end in self.worst(symbol)) * 10 for symbol in SYMBOLS) <= GROSS, act


def draw(rng: Random, length: int) -> list[Act]:
    """Acts on few names, so that they meet."""
    acts, asked = list[Act](), 0
    for _ in range(length):
        asked += rng.random() < 0.15
        name = f"i-{max(0, asked - rng.choice((0, 0, 0, 1, 1, 2, 4)))}"  # mostly of what was asked for last
        acts.append(rng.choice((
            ("submit", f"i-{asked}", rng.choice(SYMBOLS), rng.choice((1, 1, -1)), rng.choice(("10", "30", "60", "100", "150"))),
            ("submit", f"i-{asked}", rng.choice(SYMBOLS), rng.choice((1, -1)), rng.choice(("10", "30", "60", "100", "150"))),
            ("submit", name, rng.choice(SYMBOLS), rng.choice((1, -1)), rng.choice(("10", "30", "60", "100", "150"))),
            ("send", name, rng.random() < 0.8), ("send", name, True), ("send", f"i-{asked}", True), ("fill", name, rng.choice(("1", "10", "25", "200"))),
            ("fill", name, "10"), ("fill", name, rng.choice(("5", "200"))), ("end", name, "cancel"),
            ("end", name, rng.choice(("cancel", "cancel", "expire", "reject"))), ("ask_cancel", name), ("replace", name, rng.choice(("10", "40", "90"))),
            ("deliver", rng.randrange(8), rng.choice((1, 1, 2))), ("deliver", rng.randrange(8), 1), ("deliver", rng.randrange(8), 1), ("deliver_all",),
            ("submit_replacing", f"i-{asked + 50}", name, rng.choice(("20", "40", "70"))), ("swap", f"i-{asked + 50}", name),
            ("release", name), ("pass", rng.choice((1, 5, 30))), ("quote", rng.choice(SYMBOLS), rng.choice(("5", "10", "12", "20"))),
            ("restart", rng.random() < 0.7))))
    return acts


def failure(policy: Policy, moving: bool, acts: list[Act]) -> str | None:
    """What goes wrong, if anything does."""
    venue = Venue(policy, moving)
    try:
        for act in acts:
            venue.do(act)
    except AssertionError as error:
        return str(error)
    return None


def shortest(policy: Policy, moving: bool, acts: list[Act]) -> list[Act]:
    """Leave out acts, many at first, as long as it fails."""
    size = len(acts) // 2
    while size:
        start = 0
        while start < len(acts):
            fewer = acts[:start] + acts[start + size:]
            if failure(policy, moving, fewer) is not None:
                acts = fewer
            else:
                start += size
        size //= 2
    return acts


@pytest.mark.parametrize("closing", [SKIPS, FACES], ids=["skips", "faces"])
@pytest.mark.parametrize("moving", [False, True], ids=["still", "moving"])
@pytest.mark.parametrize("block", range(5))
def test_no_interleaving_exceeds_a_limit_that_every_decision_kept(closing: str, moving: bool, block: int) -> None:
    desk = policy(RULES, closing=closing)
    for number in range(100 * ROUNDS):
        seed = 1_000_000 * block + number
        acts = draw(Random(seed), 40)
        if failure(desk, moving, acts) is not None:
            fewer = shortest(desk, moving, acts)
            pytest.fail(f"seed {seed}: {failure(desk, moving, fewer)}\n" + "\n".join(map(str, fewer)))


def test_the_search_finds_a_hole_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that believes an order's word about its fills before the fills have come."""
    from caplex.runtime.engine import state

    monkeypatch.setattr(state.Order, "leaves", property(
        lambda order: max(ZERO, order.quantity - max(order.filled, order.reported)) if order.status in state.FLOWING else ZERO))
    desk = policy(RULES, closing=SKIPS)
    found = [seed for seed in range(40) if failure(desk, False, draw(Random(seed), 40)) is not None]
    assert found
    assert len(shortest(desk, False, draw(Random(found[0]), 40))) <= 8
