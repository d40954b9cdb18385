"""Policies with many rules of one shape, and documents around their thresholds: for tables of rows."""
from __future__ import annotations

import random
from typing import Any

SYMBOLS, STRATEGIES, VENUES = ("AA", "BB", "CC", "DD"), ("s1", "s2", "s3"), ("X", "Y")
THRESHOLDS = (1, 2, 5, "7.5", 10, 20, 50, 100, 200, "333.25", 1_000)
INPUTS = """
input market { price : price above 0 fresh always }
input mood : one of calm, wild, sad
input spread { now : ratio }
"""


class Writer:
    """One policy: ten to thirty shapes' worth of rules in a random order, each with constants of its own."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.skips = self.rng.random() < 0.6
        self.count = 0
        self.rules: list[str] = []
        self.settings: list[str] = []

    def pick(self, options: Any) -> Any:
        return self.rng.choice(options)

    def text(self) -> str:
        for _ in range(self.rng.randrange(2, 6)):
            shape = self.pick([getattr(self, name) for name in dir(self) if name.startswith("shape_")])
            self.rules += [shape() for _ in range(self.rng.randrange(3, 14))]
        self.rng.shuffle(self.rules)
        if self.rng.random() < 0.5:  # the first rule has a place of its own in the fused form
            self.rules.insert(0, "rule DATA-001 { require market.price > 0 }")
        closing = self.pick(("skips EXP", "skips EXP unless worse", "skips EXP, LOSS")) if self.skips else "faces every rule"
        stages = self.pick(("DATA, KILL, LOSS, EXP", "DATA, KILL, LOSS | EXP", "KILL | DATA, EXP, LOSS", "SYS, DATA | KILL, LOSS | EXP"))
        mode = "monitor" if self.rng.random() < 0.04 else "enforce"
        head = (f'policy alike {{ version "1" language 1 mode {mode} currency USD timezone "UTC" stages {stages} closing {closing} '
                f'unlimited loss unlimited exposure overrides by symbol > strategy > default lot {self.pick(("1", "0.5", "0.01"))} }}')
        return "\n".join((head + INPUTS, *self.settings, *self.rules)) + "\n"

    # ── parts ────────────────────────────────────────────────────────────────────────────────────────

    def id(self, family: str) -> str:
        self.count += 1
        return f"{family}-{self.count:04d}"

    def extras(self) -> str:
        return self.pick(("", "", "", "", "", ' "Titled"', " severity high", " monitor always", " monitor through 2026-03-01", " for open", " for open, close"))

    def symbol(self) -> str:
        some = ", ".join(f'"{each}"' for each in self.rng.sample(SYMBOLS, 2))
        return self.pick((f'intent.symbol == "{self.pick(SYMBOLS)}"', f'"{self.pick(SYMBOLS)}" == intent.symbol', f"intent.symbol in [{some}]"))

    def money(self) -> str:
        if self.rng.random() < 0.25:
            name = f"m{len(self.settings)}"
            overrides = ""
            if self.rng.random() < 0.4:
                overrides = f' {{ set for symbol "{self.pick(SYMBOLS)}" = {self.pick(THRESHOLDS)} USD  set for strategy "{self.pick(STRATEGIES)}" = 3 USD }}'
            self.settings.append(f"setting {name} : money = {self.pick(THRESHOLDS)} USD{overrides}")
            return name
        return f"{self.pick(THRESHOLDS)} USD"

    # ── shapes ───────────────────────────────────────────────────────────────────────────────────────

    def shape_limit(self) -> str:
        breach = self.pick(("reduce", "reduce", "deny", "warn", 'hold for approval by role "desk"'))
        return f"limit {self.id('EXP')}{self.extras()} {{ when {self.symbol()}, abs(after.position.notional) {self.pick(('at most', 'below'))} {self.money()} else {breach} }}"

    def shape_reduce(self) -> str:
        return f"limit {self.id('EXP')} {{ when {self.symbol()}, after.position.notional at most {self.money()} else reduce }}"

    def shape_pair(self) -> str:
        return (f'limit {self.id("EXP")} {{ when intent.strategy == "{self.pick(STRATEGIES)}" and {self.symbol()}, '
                f"after.portfolio.gross at most {self.money()} else {self.pick(('reduce', 'deny'))} }}")

    def shape_deny(self) -> str:
        return f'rule {self.id("KILL")}{self.extras()} {{ {self.pick(("deny", "deny opening"))} when intent.venue == "{self.pick(VENUES)}" and account.equity < {self.money()} }}'

    def shape_blocked(self) -> str:
        return f'rule {self.id("KILL")} {{ deny when {self.symbol()} and intent.strategy == "{self.pick(STRATEGIES)}" and mood == {self.pick(("calm", "wild", "sad"))} }}'

    def shape_require(self) -> str:
        return f"rule {self.id('EXP')} {{ require intent.symbol != \"{self.pick(SYMBOLS)}\" or account.day_loss < {self.money()} }}"

    def shape_tiers(self) -> str:
        return f"limit {self.id('LOSS')}{self.extras()} {{ account.day_loss {self.pick(('below', 'at most'))} {self.money()} else deny }}"

    def shape_drawdown(self) -> str:
        return f"limit {self.id('LOSS')} {{ account.drawdown below {self.pick((1, 2, '2.5', 10, 50))}% else deny }}"

    def shape_share(self) -> str:
        return f"limit {self.id('LOSS')} {{ account.day_loss at most {self.pick((1, 2, '2.5', 10, 50))}% of account.day_start_equity else deny }}"

    def shape_floor(self) -> str:
        return f"rule {self.id('LOSS')} {{ when mood == {self.pick(('calm', 'wild'))} {self.pick(('', 'and intent.side == buy'))}, require account.equity >= {self.money()} }}"

    def shape_quotient(self) -> str:
        return f"rule {self.id('LOSS')} {{ when {self.symbol()}, deny when account.equity / (spread.now - {self.pick(('1%', '5%'))}) > {self.money()} }}"

    def shape_sizes(self) -> str:
        return f"rule {self.id('EXP')} {{ deny when intent.quantity {self.pick(('>', '<'))} {self.pick(THRESHOLDS)} and account.equity < {self.pick(THRESHOLDS)} USD }}"

    def shape_orders(self) -> str:
        return f"throttle {self.id('EXP')} {{ when {self.symbol()}, deny beyond {self.pick((1, 2, 3))} orders in any 1min from counters.orders }}"

    def shape_each(self) -> str:
        return f"throttle {self.id('EXP')} {{ when {self.symbol()}, deny beyond {self.pick((1, 2, 3))} fills in any 1min for each symbol }}"

    def shape_waived(self) -> str:
        rule = self.id("EXP")
        return (f"limit {rule} {{ when {self.symbol()}, intent.quantity at most {self.pick(THRESHOLDS)} else deny }}\n"
                f'waiver W-{self.count:04d} of {rule} through 2026-03-01 approved by "CRO" ticket "T" {{ when intent.side == {self.pick(("buy", "sell"))} }}')

    def shape_overridable(self) -> str:
        return f"limit {self.id('EXP')} overridable by role \"desk\" {{ when {self.symbol()}, intent.quantity at most {self.pick(THRESHOLDS)} else deny }}"

    def shape_switch(self) -> str:
        return f"kill switch {self.id('KILL')} for strategy \"{self.pick(STRATEGIES)}\" {{ trip when account.equity < {self.pick(THRESHOLDS)} USD  while tripped deny all  rearm never }}"


def document(rng: random.Random) -> dict[str, Any]:
    """Facts near the thresholds, one in four with something missing or unusable."""
    def number() -> str:
        return str(rng.choice((*THRESHOLDS, 0, "0.01", 3, 99, 1_001)))

    def equity() -> str:
        return number() if rng.random() < 0.25 else "5000"

    symbol = rng.choice((*SYMBOLS, "ZZ"))
    facts: dict[str, Any] = {
        "now": rng.choice(("2026-01-05T15:00:00Z", "2026-04-05T15:00:00Z")),
        "intent": {"id": "i", "action": rng.choice(("open", "open", "adjust", "close")), "symbol": symbol, "side": rng.choice(("buy", "sell")),
                   "quantity": rng.choice((number(), "1", "2", "5", "0.5")), "strategy": rng.choice((*STRATEGIES, "s9")), "venue": rng.choice((*VENUES, "Z"))},
        "account": {"equity": equity(), "day_start_equity": equity(), "peak_equity": equity()},
        "positions": {each: {"quantity": rng.choice(("1", "-2", "5", "-10", number())), "venue": rng.choice((*VENUES, "Z"))} for each in rng.sample(SYMBOLS, 2)}, "orders": [],
        "market": {each: {"price": rng.choice(("1", "2.5", "10"))} for each in (*SYMBOLS, "ZZ")},
        "instruments": {each: {"lot": "0.01"} for each in (*SYMBOLS, "ZZ")},
        "mood": rng.choice(("calm", "wild", "sad")), "spread": {"now": rng.choice(("0.01", "0.05", "0.2"))},
        "counters": {"orders": rng.randrange(4)}, "history": {"complete_from": "2025-01-01T00:00:00Z", "events": []}}
    facts["inputs"] = {"mood": facts.pop("mood"), "spread": facts.pop("spread")}
    if rng.random() < 0.25:
        damage(rng, facts)
    return facts


def damage(rng: random.Random, facts: dict[str, Any]) -> None:
    section, name = rng.choice((("intent", "strategy"), ("intent", "venue"), ("intent", "symbol"), ("account", "equity"), ("account", "day_start_equity"),
                                ("inputs", "mood"), ("inputs", "spread"), ("counters", "orders"), ("market", facts["intent"]["symbol"])))
    if rng.random() < 0.5:
        del facts[section][name]
    else:
        facts[section][name] = rng.choice((7, "", "nonsense", None))
