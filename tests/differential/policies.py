"""Seeded random policies, as text: what a person could have written, small enough that bounds are hit exactly.

`generate(seed)` gives the same policy for ever; every one passes the parser and the checks. Numbers come from small
sets, so that sums and products meet. What documents must know of a policy (which switches, windows, counters and inputs
it reads) is told beside the text.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

SYMBOLS, STRATEGIES = ("A", "B"), ("S1", "S2")
MONEY = (10, 20, 50, 100, 200, 500, 1000)
SHARES = ("5%", "10%", "20%", "25%", "50%", "100%", "2x", "0.3", "250bp", "0.1%")
UNITS = (1, 2, 3, 5, 10, 20, 50)
COUNTS = (0, 1, 2, 3)
WINDOWS = {"2s": 2, "1min": 60, "90s": 90, "1h": 3600, "1h30min": 5400, "1d": 86400}
DATES = ("2026-01-04", "2026-01-05", "2026-01-06")
SEVERITIES = ("low", "medium", "high", "critical")
EVENTS = {"orders": "order", "fills": "fill", "rejects": "reject", "cancels": "cancel", "denials": "denial",
          "violations": "violation", "stops": "stop", "results": "result"}

INPUTS = {
    "mood": "input mood : one of calm, wild, shut",
    "halted": "input halted : bool",
    "temper": "input temper : ratio within 0..1",
    "budget": "input budget : money?",
    "bell": "input bell : time",
    "fee": "input fee : money(EUR)",
    "sector": "input sector : text normalised trim, upper",
    "banned": "input banned : set of symbol",
    "guard": "input guard { level : count within 0..9  at : instant  share : ratio? above 0  step : quantity  age : duration "
             " pulse : count fresh within 10s  as_of : instant? }",
    "entries": "input entries each symbol as list { level : count  gain : money?  at : instant }",
    "watch": "input watch as list { symbol : symbol  weight : ratio  bad : bool? }",
    "confidence": "input intent { confidence : ratio within 0%..100% }",
    "solvent": "input account { equity : money above 0 }",
    "price15": "input market { price : price fresh within 15s }",
    "always": "input market { price : price fresh always  bid : price? fresh always }",
}
"""Declarations that a policy brings along where one of its expressions needs them."""

# ── measures of limits: text, kind, and the declarations that they need ───────────────────────────────

AFFINE = (
    ("after.position.notional", "money", ()), ("after.position.quantity", "quantity", ()), ("intent.notional", "money", ()),
    ("intent.quantity", "quantity", ()), ("after.portfolio.net", "money", ()), ("2 * intent.notional - account.available", "money", ()),
    ("intent.quantity * market.price", "money", ()), ("intent.notional / account.equity", "ratio", ()),
    ("after.portfolio.net / account.equity", "ratio", ()), ("after.position.notional / 3", "money", ()),
    ("intent.quantity / position.quantity", "ratio", ()), ("-(after.position.quantity)", "quantity", ()),
    ("intent.notional * temper", "money", ("temper",)), ("after.position.notional + intent.notional", "money", ()),
)
CONVEX = (
    ("abs(after.position.notional)", "money", ()), ("abs(after.position.quantity)", "quantity", ()), ("after.portfolio.gross", "money", ()),
    ("abs(after.portfolio.net)", "money", ()), ("intent.opening", "quantity", ()), ("intent.opening * market.price", "money", ()),
    ("abs(after.position.notional) / account.equity", "ratio", ()), ("after.portfolio.gross / account.equity", "ratio", ()),
    ("abs(after.position.notional) + intent.notional", "money", ()), ("max(after.position.notional, intent.notional)", "money", ()),
    ("max(abs(after.position.notional), 0.5 * after.portfolio.gross)", "money", ()),
    ("abs(after.position.quantity - 5 units) + abs(after.position.quantity + 5 units)", "quantity", ()),
    ("abs(after.portfolio.net) / (account.equity - account.available)", "ratio", ()),
    ("(if halted then abs(after.position.notional) else intent.notional)", "money", ("halted",)),
    ("abs(after.position.notional - 20 USD)", "money", ()), ("abs(intent.quantity - 7 units)", "quantity", ()),
    ("abs(intent.notional - 35 USD)", "money", ()),
)
CONCAVE = (
    ("intent.closing", "quantity", ()), ("account.available - abs(after.position.notional)", "money", ()),
    ("account.equity - after.portfolio.gross", "money", ()), ("min(intent.notional, account.available)", "money", ()),
    ("min(after.position.quantity, -(after.position.quantity))", "quantity", ()),
    ("(account.equity - after.portfolio.gross) / account.day_start_equity", "ratio", ()),
)
CONSTANT = (
    ("account.day_loss", "money", ()), ("account.drawdown", "ratio", ()), ("account.peak_equity - account.equity", "money", ()),
    ("account.available", "money", ()), ("account.equity / account.day_start_equity", "ratio", ()), ("portfolio.gross", "money", ()),
    ("portfolio.net", "money", ()), ("portfolio.positions", "count", ()), ("committed.portfolio.gross", "money", ()),
    ("abs(committed.position.notional)", "money", ()), ("committed.portfolio.positions", "count", ()), ("position.notional", "money", ()),
    ("abs(position.quantity)", "quantity", ()), ("committed.position.quantity", "quantity", ()), ("market.price", "price", ()),
    ("(market.ask else market.price) - (market.bid else market.price)", "price", ()), ("(account.margin_used else 0 USD)", "money", ()),
    ("temper", "ratio", ("temper",)), ("(budget else 50 USD)", "money", ("budget",)), ("guard.level", "count", ("guard",)),
    ("guard.level * 10 USD / market.price", "quantity", ("guard",)), ("guard.pulse", "count", ("guard",)),
    ("now - guard.at", "duration", ("guard",)), ("guard.age", "duration", ("guard",)), ("guard.step", "quantity", ("guard",)),
    ("intent.confidence", "ratio", ("confidence",)), ("(strategy.open_trades else 0)", "count", ()), ("(intent.leverage else 1)", "ratio", ()),
    ("clamp(account.available, 20 USD..200 USD)", "money", ()), ("min(account.available, account.equity)", "money", ()),
    ("market[\"B\"].price", "price", ()), ("account.available / market.price", "quantity", ()),
    ("(strategy[\"S2\"].pnl_7d else 0 USD)", "money", ()), ("fee * fx[\"EURUSD\"].rate", "money", ("fee",)),
    ("fx[\"EURUSD\"].rate", "ratio", ()), ("fx[\"EURUSD\"].rate * 2", "ratio", ()),
)
AGGREGATES = (
    ("sum(p.notional for p in positions)", "money", ()), ("max(p.quantity for p in positions)", "quantity", ()),
    ("max(o.leaves_quantity for o in orders where o.side == buy)", "quantity", ()),
    ("min(p.quantity for p in positions where p.quantity != 0)", "quantity", ()), ("min(p.price for p in positions)", "price", ()),
    ("count(p for p in positions where p.quantity > 0)", "count", ()), ("count(orders)", "count", ()),
    ("sum(o.leaves_quantity for o in orders where o.symbol == intent.symbol)", "quantity", ()),
    ("sum(o.notional for o in orders)", "money", ()), ("count(fills today)", "count", ("fills",)),
    ("sum((r.pnl else 0 USD) for r in results today)", "money", ("results",)),
    ("sum(f.notional for f in fills in last 1h where f.symbol == intent.symbol)", "money", ("fills", "1h")),
    ("sum((s.pnl else 0 USD) for s in stops in last 1d)", "money", ("stops", "1d")),
    ("count(orders in last 1min where (event.strategy else \"S1\") == intent.strategy)", "count", ("orders", "1min")),
    ("sum(w.weight for w in watch where not (w.bad else false))", "ratio", ("watch",)),
    ("count(e for e in entries where e.level > 1)", "count", ("entries",)),
    ("sum((e.gain else 5 USD) for e in entries)", "money", ("entries",)),
)

CONDITIONS = (
    ("intent.side == buy", ()), ("intent.symbol == \"A\"", ()), ("intent.symbol in [\"A\", \"C\"]", ()), ("intent.symbol not in [\"B\"]", ()),
    ("intent.strategy == \"S1\"", ()), ("position.quantity > 0", ()), ("position.quantity != 0", ()), ("account.available < 100 USD", ()),
    ("account.equity within 100 USD..500 USD", ()), ("market.bid is known", ()), ("market.ask is not known", ()),
    ("(market.bid else market.price) >= 5 USD", ()), ("intent.limit_price is known", ()), ("mood == calm", ("mood",)), ("mood != wild", ("mood",)),
    ("mood in [calm, shut]", ("mood",)), ("halted", ("halted",)), ("temper < 0.5", ("temper",)), ("temper within 0.1..0.5", ("temper",)),
    ("guard.at in last 1h", ("guard", "1h")), ("guard.at today", ("guard",)), ("sector == \"TECH\"", ("sector",)),
    ("intent.symbol in banned", ("banned",)), ("any(p.quantity > 5 for p in positions)", ()), ("all(p.quantity > 0 for p in positions)", ()),
    ("any(w.bad else false for w in watch where w.symbol == intent.symbol)", ("watch",)), ("guard.step is multiple of 2", ("guard",)),
    ("guard.share is known", ("guard",)), ("guard.level is multiple of 2", ("guard",)), ("now >= 2026-01-05T15:00:00Z", ()),
    ("(budget else 0 USD) > 20 USD", ("budget",)), ("account.day_loss / account.available > 10%", ()), ("account.drawdown <= 20%", ()),
    ("guard.age <= 5min", ("guard",)), ("count(fills in last 1min) > 1", ("fills", "1min")), ("portfolio.gross >= 100 USD", ()),
    ("intent.order_type is not known", ()), ("(intent.reduce_only else false)", ()), ("intent.confidence > 50%", ("confidence",)),
    ("(account.margin_free else account.available) == 100 USD", ()), ("guard.pulse > 1", ("guard",)),
    ("(guard.share else 0.5) < 1", ("guard",)), ("account.equity / guard.level > 50 USD", ("guard",)),
    ("(instrument.expiry else 2026-01-05) == 2026-01-06", ()), ("(instrument.expiry else 2026-01-06) > 2026-01-05", ()),
    ("bell >= 09:30", ("bell",)), ("(strategy.enabled else true)", ()), ("(if halted then 1 else 2) > guard.level", ("halted", "guard")),
)
SIZE_CONDITIONS = (
    "intent.notional > {money}", "abs(after.position.notional) >= {money}", "after.portfolio.gross > {share} of account.equity",
    "intent.quantity > {units}", "intent.opening > {units}", "abs(after.position.quantity) > {units} or intent.notional >= {money}",
)
"""True from some size on: what `deny when` may say of the size; `require` says the opposite."""
SIZE_REQUIREMENTS = (
    "intent.notional <= {money}", "abs(after.position.notional) < {money}", "after.portfolio.gross <= {share} of account.equity",
    "intent.quantity <= {units} and intent.notional < {money}", "intent.quantity >= {units}",
)
SWITCH_CONDITIONS = (
    ("account.drawdown >= {share}", ()), ("account.equity < {money}", ()), ("portfolio.gross > {money}", ()),
    ("account.day_loss / account.available > 20%", ()), ("halted", ("halted",)), ("count(fills in last 1h) > {count}", ("fills", "1h")),
    ("guard.level >= {count}", ("guard",)), ("temper > 0.5 and not halted", ("temper", "halted")),
)


@dataclass(slots=True)
class Policy:
    """A generated policy.

    Attributes:
        inputs: Names of `INPUTS` that it declares.
        switches: Pairs of switch id and the dimension that it stands for.
        windows: Lengths in seconds of every window and cooldown.
        histories: Kinds of event that it reads, as written: ``fills``.
        items: The parts of `text` behind the header.
    """

    seed: int
    header: str
    items: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    switches: list[tuple[str, str]] = field(default_factory=list)
    counters: list[str] = field(default_factory=list)
    windows: list[int] = field(default_factory=list)
    histories: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join([self.header, *self.items]) + "\n"


def generate(seed: int) -> Policy:
    return _Writer(seed).write()


class _Writer:
    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.policy = Policy(seed, "")
        self.rules: dict[str, str] = {}
        """Id and kind of every rule so far."""
        self.settings: dict[str, list[str]] = {"money": [], "ratio": [], "quantity": [], "count": [], "duration": []}
        self.faces = self.rng.random() < 0.3
        self.tightest = self.rng.random() < 0.5
        self.planned = ["KILL-010", "KILL-020"][: self.rng.choice((0, 0, 0, 1, 1, 2))]
        """Ids of the switches to come: rules may ask whether they are tripped."""

    # ── dice ─────────────────────────────────────────────────────────────────────────────────────────

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def pick(self, options: Sequence[str]) -> str:
        return self.rng.choice(options)

    def need(self, names: Sequence[str]) -> None:
        """Note what an expression reads: inputs, histories, windows."""
        for name in names:
            found = self.policy.inputs if name in INPUTS else self.policy.histories if name in EVENTS else None
            if found is None:
                self.policy.windows.append(WINDOWS[name])
            elif name not in found:
                found.append(name)

    # ── the whole ────────────────────────────────────────────────────────────────────────────────────

    def write(self) -> Policy:
        self._settings()
        items: list[str] = []
        makers = [self._limit] * 9 + [self._rule] * 6 + [self._throttle] * 3 + [self._cooldown] * 2
        for _ in range(self.rng.choice((1, 2, 2, 3, 3, 4, 6))):
            items.append(self.rng.choice(makers)())
        if self.chance(0.07):
            items.append(self._corridor())
        items.extend(self._switch(switch) for switch in self.planned)
        if self.chance(0.22):
            items.append(self._waiver())
        for number in range(self.rng.choice((0, 0, 0, 0, 0, 0, 1, 1, 2))):
            items.append(self._size(number))
        if self.chance(0.12):
            items.append(self._answer())
        if self.chance(0.12):
            items.append(self._emit())
        declared = [INPUTS[name] for name in self.policy.inputs]
        if self.chance(0.1) and "always" not in self.policy.inputs:
            self.policy.inputs.append("price15")
            declared.append(INPUTS["price15"])
        elif self.chance(0.1):
            self.policy.inputs.append("always")
            declared.append(INPUTS["always"])
        if self.chance(0.3):
            self.policy.inputs.append("solvent")
            declared.append(INPUTS["solvent"])
        self.policy.items = [*declared, *self.policy.items, *items]
        self.policy.header = self._header()
        return self.policy

    def _header(self) -> str:
        families = sorted({rule.rpartition("-")[0] for rule in self.rules})
        self.rng.shuffle(families)
        if self.chance(0.6):
            families.insert(self.rng.choice((0, 0, len(families))), "SYS")
        stages = families[0]
        for family in families[1:]:
            stages += (" | " if self.chance(0.14) else ", ") + family
        skippable = [family for family in families if family not in ("SYS", "KILL")]
        closing = "faces every rule"
        if not self.faces and skippable:
            chosen = [family for family in skippable if self.chance(0.75)] or skippable[:1]
            closing = "skips " + ", ".join(chosen) + (" unless worse" if self.chance(0.2) else "")
        lines = ["version \"1\"", "language 1", "mode monitor" if self.chance(0.05) else "mode enforce", "currency USD",
                 f"timezone \"{self.pick(('UTC', 'UTC', 'America/New_York'))}\"", f"stages {stages}", f"closing {closing}",
                 "unlimited loss", "unlimited exposure",
                 "overrides tightest wins" if self.tightest else "overrides by symbol > strategy > default"]
        if self.chance(0.3):
            lines.append("day starts 17:00")
        if self.chance(0.12):
            end = f" through {self.pick(DATES[1:])}" if self.chance(0.7) else ""
            lines.append(f"effective {self.pick(DATES[:2])}{end}" + self.pick(("", ", then deny opening", ", then deny all")))
        if self.chance(0.7):
            lines.append(f"lot {self.pick(('1', '0.5', '0.1', '2', '0.00000001', '0.00000001'))}")
        if self.chance(0.06):
            lines.append("rounding never")
        if self.chance(0.06):
            lines.append("modify never")
        return "policy generated {\n  " + "\n  ".join(lines) + "\n}"

    # ── values ───────────────────────────────────────────────────────────────────────────────────────

    def money(self) -> str:
        return f"{self.rng.choice(MONEY)} USD"

    def fill(self, text: str) -> str:
        return text.format(money=self.money(), share=self.pick(SHARES), units=f"{self.rng.choice(UNITS)} units", count=self.rng.choice(COUNTS))

    def value(self, kind: str) -> str:
        """A plain value of *kind*, or a setting that holds one."""
        known = self.settings.get(kind)
        if known and self.chance(0.7):
            return self.pick(known)
        if kind == "money":
            return self.money()
        if kind == "price":
            return f"{self.rng.choice((1, 2, 5, 10))} USD"
        if kind == "ratio":
            return self.pick(SHARES)
        if kind == "quantity":
            return f"{self.rng.choice(UNITS)}" + self.pick(("", " units"))
        if kind == "count":
            return str(self.rng.choice(COUNTS))
        assert kind == "duration", kind
        length = self.pick(tuple(WINDOWS))
        self.policy.windows.append(WINDOWS[length])
        return length

    def bound(self, kind: str) -> str:
        if kind == "ratio" and self.chance(0.08):
            return self.pick(("10pp", "50pp"))
        if kind in ("money", "quantity") and self.chance(0.05):
            low, high = ("20 USD", "100 USD") if kind == "money" else ("2 units", "20 units")
            return f"clamp({self.value(kind)}, {low}..{high})"
        if kind != "money" or self.chance(0.35):
            if kind in ("money", "ratio", "quantity") and self.chance(0.05):
                return "unlimited"
            if kind in ("ratio", "quantity", "count") and self.chance(0.15):
                return f"({self.value(kind)} + {self.value(kind)}) / 2" if kind != "count" else self.value(kind)
            return self.value(kind)
        form = self.rng.randrange(8)
        if form < 3:
            share = self.pick(self.settings["ratio"]) if self.settings["ratio"] and self.chance(0.5) else self.pick(SHARES)
            return f"{share} of account.{self.pick(('equity', 'equity', 'day_start_equity', 'available'))}"
        if form == 3:
            return f"{self.pick(('max', 'min'))}({self.value('money')}, {self.pick(SHARES)} of account.equity)"
        if form == 4:
            return f"(if {self.condition()} then {self.value('money')} else {self.value('money')})"
        if form == 5:
            return f"(account.cash else {self.value('money')})"
        if form == 6:
            return f"{self.value('money')} + {self.value('money')}"
        return f"{self.value('money')} - (account.fees_today else 0 USD)"

    def atom(self) -> str:
        if self.planned and self.chance(0.12):
            return f"switch {self.pick(self.planned)} {self.pick(('tripped', 'armed'))}"
        text, needs = self.rng.choice(CONDITIONS)
        self.need(needs)
        return text

    def condition(self) -> str:
        """A condition that does not read the size."""
        form = self.rng.randrange(8)
        if form < 4:
            return self.atom()
        if form == 4:
            return f"not ({self.atom()})"
        joint = self.pick((" and ", " or "))
        parts = [self.atom() for _ in range(2 if form < 7 else 3)]
        return f"({joint.join(parts)})" if form != 6 else f"({parts[0]}{joint}not ({parts[1]}))"

    def when(self, share: float = 0.3) -> str:
        return f"when {self.condition()}, " if self.chance(share) else ""

    # ── settings ─────────────────────────────────────────────────────────────────────────────────────

    def _settings(self) -> None:
        for number in range(self.rng.choice((0, 0, 1, 1, 2))):
            kind = self.pick(tuple(self.settings))
            name = f"knob{number}"
            self.policy.items.append(self._setting(kind, name))
            self.settings[kind].append(name)
        if self.chance(0.25):
            text, kind, needs = self.rng.choice(CONSTANT + AGGREGATES)
            if kind in self.settings and kind != "ratio":  # a share remembers of what, and fits few others
                self.need(needs)
                self.policy.items.append(f"let given0 = {text}")
                self.settings[kind].append("given0")

    def _setting(self, kind: str, name: str) -> str:
        scale = {"money": MONEY, "quantity": UNITS, "count": COUNTS}.get(kind)
        if kind == "ratio":
            values = ["5%", "10%", "20%", "50%", "100%"]
        elif kind == "duration":
            values = ["2s", "1min", "90s", "1h"]
            self.policy.windows.extend(WINDOWS[value] for value in values)
        else:
            assert scale is not None
            values = [f"{n} USD" if kind == "money" else str(n) for n in scale]
        place = self.rng.randrange(len(values))
        overrides: list[str] = []
        safer = ""
        if self.chance(0.75):
            lower = self.chance(0.7)
            safer = " lower is safer" if lower else " higher is safer"
            tight, loose = (values[:place], values[place + 1:]) if lower else (values[place + 1:], values[:place])
            scopes = [f"symbol \"{s}\"" for s in SYMBOLS] + [f"strategy \"{s}\"" for s in STRATEGIES] + ["symbol \"A\" and strategy \"S1\""]
            for scope in self.rng.sample(scopes, self.rng.choice((0, 1, 2, 3, 4))):
                if tight and (self.chance(0.6) or not loose):
                    overrides.append(f"tighten for {scope} = {self.pick(tight)}")
                elif loose:
                    overrides.append(f"loosen for {scope} = {self.pick(loose)} through {self.pick(DATES)} approved by \"CRO\" ticket \"R-1\"")
        elif self.chance(0.7):
            overrides.append(f"set for {self.pick(('symbol', 'strategy'))} \"{self.pick(('A', 'S1'))}\" = {self.pick(values)}")
        return f"setting {name} : {kind} = {values[place]}{safer}" + (" { " + "  ".join(overrides) + " }" if overrides else "")

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────

    def _id(self, families: Sequence[str], kind: str) -> str:
        while True:
            rule = f"{self.pick(families)}-{self.rng.randrange(1, 30) * 10:03d}"
            if rule not in self.rules:
                self.rules[rule] = kind
                return rule

    def _attributes(self, *, overridable: bool = False, actions: bool = True) -> str:
        parts = ["\"Title\""] if self.chance(0.3) else []
        if actions and self.chance(0.15):
            parts.append("for " + self.pick(("open", "open, adjust", "close", "open, close, adjust, cancel, noop", "close, adjust", "open, close, adjust")))
        if self.chance(0.6):
            parts.append(f"severity {self.pick(SEVERITIES)}")
        if self.chance(0.2):
            parts.append(f"code {self.pick(('E1', 'E2', chr(34) + 'E:3' + chr(34)))}")
        if self.chance(0.2):
            parts.append(f"outcome {self.pick(('SHUT', 'TRIMMED'))}")
        if self.chance(0.12):
            parts.append(f"monitor {self.pick(('always', 'through ' + DATES[0], 'through ' + DATES[1], 'through ' + DATES[2]))}")
        if overridable and self.chance(0.07):
            parts.append("overridable by role \"desk\"")
        return " ".join(["", *parts])

    def _approval(self) -> str:
        return (f"for approval by role \"{self.pick(('desk', 'cro'))}\"" + self.pick(("", " quorum 2")) + self.pick(("", " within 30min")))

    def _because(self, *texts: str) -> str:
        return f" because \"{self.pick(texts)}\"" if self.chance(0.1) else ""

    def _corridor(self) -> str:
        """A reduction that may end below another limit's lower edge: what is left may only close."""
        most, least = sorted(self.rng.sample((5, 10, 20, 50), 2))
        upper, lower = self._id(("EXP",), "limit"), self._id(("EXP",), "limit")
        return (f"limit {upper} {{ intent.quantity at most {most} else reduce }}\n"
                f"limit {lower} {{ intent.quantity at least {least} else deny }}")

    def _breach(self) -> str:
        form = self.rng.randrange(20)
        return "reduce" if form < 9 else "deny" if form < 15 else f"hold {self._approval()}" if form < 17 else "warn"

    def _limit(self) -> str:
        upper = self.chance(0.72)
        pool = self.rng.choice((AFFINE, CONVEX, CONVEX, CONVEX, CONSTANT, AGGREGATES) if upper else (AFFINE, CONCAVE, CONSTANT, AGGREGATES))
        measure, kind, needs = self.rng.choice(pool)
        self.need(needs)
        boundary = self.pick(("at most", "below") if upper else ("at least", "above"))
        bound = self.bound(kind)
        fixed = pool in (CONSTANT, AGGREGATES)
        if kind == "money" and not fixed and self.chance(0.06):
            bound = f"{self.money()} + 0.5 * intent.notional"
        if kind == "ratio" and self.chance(0.3):
            bound = self.pick(SHARES)
        family = "LOSS" if fixed else self.pick(("EXP", "ORD"))
        breach = self._breach()
        if breach == "reduce" and (bound == "unlimited" or fixed):
            breach = "deny"
        rule = self._id((family,), "warning" if breach[:4] in ("warn", "hold") else "limit")
        attributes = self._attributes(overridable=breach == "deny")
        return f"limit {rule}{attributes} {{ {self.when(0.25)}{measure} {boundary} {bound} else {breach}{self._because('{observed} over {allowed}', 'no')} }}"

    def _rule(self) -> str:
        if self.chance(0.07):
            return self._act()
        form = self.rng.randrange(12)
        rule = self._id(("ORD", "EXP", "LOSS"), "rule" if form < 9 else "warning")
        sized = self.chance(0.5)
        if form < 4:
            effect = f"deny when {self._sized(SIZE_CONDITIONS) if sized else self.condition()}"
        elif form < 6:
            effect = f"deny opening when {self._sized(SIZE_CONDITIONS) if sized else self.condition()}"
        elif form < 9:
            effect = f"require {self._sized(SIZE_REQUIREMENTS) if sized else self.condition()}"
        elif form < 10:
            effect = f"warn when {self._sized(SIZE_CONDITIONS) if sized else self.condition()}"
        else:
            effect = f"hold when {self._sized(SIZE_CONDITIONS) if sized else self.condition()} {self._approval()}"
        return f"rule {rule}{self._attributes(overridable=form < 9)} {{ {self.when()}{effect}{self._because('no', '{intent.symbol}')} }}"

    def _act(self) -> str:
        """A rule for what is no trade."""
        rule = self._id(("ORD",), "act")
        if self.chance(0.6):
            effect = self.pick(("deny when {}", "warn when {}", "hold when {} " + self._approval()))
            return f"rule {rule} for transfer {{ {effect.format(f'intent.amount > {self.money()}')} }}"
        return f"rule {rule} for {self.pick(('cancel', 'noop', 'cancel, noop'))} {{ deny when account.available < {self.money()} }}"

    def _sized(self, forms: Sequence[str]) -> str:
        text = self.fill(self.pick(forms))
        if self.chance(0.2):
            text = f"({text}) {'or' if forms is SIZE_CONDITIONS else 'and'} {self.condition()}"
        elif self.chance(0.1) and forms is SIZE_CONDITIONS:
            text = f"{self.condition()} and ({text})"
        return text

    def _keys(self, events: str) -> str:
        options = ["", "", " for each symbol", " for each strategy"]
        if events in ("fills", "orders"):
            options += [" for each symbol, side", " for each intent.side"] if self.chance(0.3) else []
        return self.pick(options)

    def _where(self, events: str) -> str:
        options = ["", "", ""]
        if events in ("denials", "violations"):
            options.append(" where (event.severity else \"low\") == \"high\"")
        elif events in ("stops", "results"):
            options.append(" where (event.pnl else 0 USD) < 0 USD")
        elif events in ("fills", "orders"):
            options += [" where event.notional > 10 USD", " where (event.quantity else 1) >= 2"]
        return self.pick(options)

    def _throttle(self) -> str:
        rule = self._id(("EXEC",), "throttle")
        events = self.pick(tuple(EVENTS))
        self.need((events,))
        beyond = self.pick(self.settings["count"]) if self.settings["count"] and self.chance(0.5) else str(self.rng.choice((1, 2, 3)))
        if beyond.startswith("given"):
            beyond = "2"
        attributes = self._attributes(overridable=True)
        reserve = f" reserve {self.pick(('1', '2')) if beyond == '3' else '1'} for closing" if beyond in ("2", "3") and self.chance(0.4) else ""
        if self.chance(0.2):
            counter = f"c{len(self.policy.counters)}"
            self.policy.counters.append(counter)
            return f"throttle {rule}{attributes} {{ {self.when(0.2)}deny beyond {beyond} {events} in any 1min from counters.{counter}{reserve} }}"
        window = "per day" if self.chance(0.25) else f"in any {self.value('duration')}"
        return (f"throttle {rule}{attributes} {{ {self.when(0.2)}deny beyond {beyond} {events} {window}"
                f"{self._keys(events)}{self._where(events)}{reserve} }}")

    def _cooldown(self) -> str:
        rule = self._id(("EXEC",), "cooldown")
        events = self.pick(tuple(EVENTS))
        self.need((events,))
        return (f"cooldown {rule}{self._attributes(overridable=True)} {{ {self.when(0.2)}deny during {self.value('duration')} after last "
                f"{EVENTS[events]}{self._keys(events)}{self._where(events)} }}")

    def _switch(self, rule: str) -> str:
        others = [rule for rule, kind in self.rules.items() if kind in ("limit", "rule", "throttle", "cooldown")]
        self.rules[rule] = "switch"
        target, dimension = self.rng.choice((("for account", "account"), ("for account", "account"), ("for each strategy", "strategy"),
                                             ("for strategy \"S1\"", "strategy"), ("for each symbol", "symbol")))
        self.policy.switches.append((rule, dimension))
        clauses: list[str] = []
        for _ in range(self.rng.choice((0, 1, 1, 1, 2))):
            form = self.rng.randrange(10) if others else 0
            if form < 5:
                text, needs = self.rng.choice(SWITCH_CONDITIONS)
                self.need(needs)
                confirm = self.pick((" for 2 readings", " for 3 readings", " for 2s", " for 2s")) if self.chance(0.35) else ""
                clauses.append(f"trip when {self.fill(text)}{confirm}")
            elif form < 6:
                clauses.append(f"trip when {self.pick(others)} violated")
            else:
                events = self.pick(("denials", "violations"))
                self.need((events, "1h"))
                family = self.pick(others).rpartition("-")[0]
                kind = self.pick(("", f" of severity {self.pick(SEVERITIES)}", f" of {self.pick(others)}", f" of {family}"))
                clauses.append(f"trip when {self.pick(('1', '2', '3'))} {events}{kind} in any 1h")
        clauses.append(f"while tripped deny {self.pick(('all', 'opening', 'opening'))}")
        if self.chance(0.4):
            clauses.append("on trip " + self.pick(("flatten", "cancel all orders", "cancel opening orders, notify \"desk\"")))
        clauses.append("rearm never")
        return f"kill switch {rule} {target}{self._attributes(actions=False).replace(chr(34) + 'Title' + chr(34), '')} {{ " + "  ".join(clauses) + " }"

    def _waiver(self) -> str:
        of = self.pick([rule for rule in self.rules if self.rules[rule] != "switch"])
        switches = [rule for rule in self.rules if self.rules[rule] == "switch"]
        including = ""
        if switches and self.chance(0.3):
            of, including = self.pick(switches), " including kill switches"
        condition, needs = self.rng.choice((("intent.symbol == \"A\"", ()), ("intent.side == sell", ()), ("intent.symbol in [\"A\", \"B\"]", ()),
                                            ("mood == calm", ("mood",)), ("market.bid is known", ())))
        self.need(needs)
        return (f"waiver W-010 of {of} through {self.pick(DATES)} approved by \"CRO\" ticket \"T-1\"{including} "
                f"{{ when {condition} }}")

    # ── sizes, answers, lines ────────────────────────────────────────────────────────────────────────

    def _size(self, number: int) -> str:
        most = self.rng.choice(MONEY)
        starts = ("20% of account.available", "50% of account.equity", f"{most} USD", "account.available - abs(committed.position.notional)")
        steps = [f"start {self.pick(starts)}"]
        if self.chance(0.3):
            times, needs = self.rng.choice((("0.5", ()), ("(0.5 + 0.5 * intent.confidence)", ("confidence",)), ("(1 - temper)", ("temper",)),
                                            ("(1 - 2 * temper)", ("temper",))))
            self.need(needs)
            steps.append(f"times {times}")
        if self.chance(0.4):
            most = self.rng.choice(MONEY)
            steps.append(f"at most {most} USD")
        if self.chance(0.25):
            steps.append("in margin by intent.leverage")
        if self.chance(0.4):
            floors = [floor for floor in (5, 10, 20, 50) if floor < most] or [1]
            steps.append(f"at least {self.rng.choice(floors)} USD else deny")
        return f"size SIZE-{number * 10 + 10:03d} for {self.pick(('unsized', 'unsized', 'unsized', 'all opening'))} orders {{ " + "  ".join(steps) + " }"

    def _answer(self) -> str:
        return f"answer {{ SCALE when {self.condition()}, NEW {self.pick(('otherwise', 'when intent.opening > 0'))} }}"

    def _emit(self) -> str:
        if self.chance(0.5):
            return "emit \"T\" always \"{intent.symbol} {permitted.position.quantity} of {permitted.opening:.2}\""
        return f"emit \"T\" when {self.condition()}, \"{{account.drawdown:%}} {{account.equity:money}} {{market.bid}}\""
