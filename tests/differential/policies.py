"""Seeded random policies, as text: what a person could have written, small enough that bounds are hit exactly.

`generate(seed)` gives the same policy for ever; every one passes the parser and the checks. Numbers come from small
sets, so that sums and products meet. What documents must know of a policy (which switches, windows, counters and inputs
it reads) is told beside the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from differential.vocabulary import (
    AFFINE,
    AGGREGATES,
    CONCAVE,
    CONDITIONS,
    CONSTANT,
    CONVEX,
    COUNTS,
    DATES,
    EVENTS,
    INPUTS,
    MONEY,
    SEVERITIES,
    SHARES,
    SIZE_CONDITIONS,
    SIZE_REQUIREMENTS,
    STRATEGIES,
    SWITCH_CONDITIONS,
    SYMBOLS,
    UNITS,
    WINDOWS,
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
        lines = [
            'version "1"',
            "language 1",
            "mode monitor" if self.chance(0.05) else "mode enforce",
            "currency USD",
            f'timezone "{self.pick(("UTC", "UTC", "America/New_York"))}"',
            f"stages {stages}",
            f"closing {closing}",
            "unlimited loss",
            "unlimited exposure",
            "overrides tightest wins" if self.tightest else "overrides by symbol > strategy > default",
        ]
        if self.chance(0.3):
            lines.append("day starts 17:00")
        if self.chance(0.12):
            end = f" through {self.pick(DATES[1:])}" if self.chance(0.7) else ""
            lines.append(
                f"effective {self.pick(DATES[:2])}{end}" + self.pick(("", ", then deny opening", ", then deny all"))
            )
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
        return text.format(
            money=self.money(),
            share=self.pick(SHARES),
            units=f"{self.rng.choice(UNITS)} units",
            count=self.rng.choice(COUNTS),
        )

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
            share = (
                self.pick(self.settings["ratio"]) if self.settings["ratio"] and self.chance(0.5) else self.pick(SHARES)
            )
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
            tight, loose = (values[:place], values[place + 1 :]) if lower else (values[place + 1 :], values[:place])
            scopes = (
                [f'symbol "{s}"' for s in SYMBOLS]
                + [f'strategy "{s}"' for s in STRATEGIES]
                + ['symbol "A" and strategy "S1"']
            )
            for scope in self.rng.sample(scopes, self.rng.choice((0, 1, 2, 3, 4))):
                if tight and (self.chance(0.6) or not loose):
                    overrides.append(f"tighten for {scope} = {self.pick(tight)}")
                elif loose:
                    overrides.append(
                        f"loosen for {scope} = {self.pick(loose)} through {self.pick(DATES)} "
                        'approved by "CRO" ticket "R-1"'
                    )
        elif self.chance(0.7):
            overrides.append(
                f'set for {self.pick(("symbol", "strategy"))} "{self.pick(("A", "S1"))}" = {self.pick(values)}'
            )
        return f"setting {name} : {kind} = {values[place]}{safer}" + (
            " { " + "  ".join(overrides) + " }" if overrides else ""
        )

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────

    def _id(self, families: Sequence[str], kind: str) -> str:
        while True:
            rule = f"{self.pick(families)}-{self.rng.randrange(1, 30) * 10:03d}"
            if rule not in self.rules:
                self.rules[rule] = kind
                return rule

    def _attributes(self, *, overridable: bool = False, actions: bool = True) -> str:
        parts = ['"Title"'] if self.chance(0.3) else []
        if actions and self.chance(0.15):
            parts.append(
                "for "
                + self.pick(
                    (
                        "open",
                        "open, adjust",
                        "close",
                        "open, close, adjust, cancel, noop",
                        "close, adjust",
                        "open, close, adjust",
                    )
                )
            )
        if self.chance(0.6):
            parts.append(f"severity {self.pick(SEVERITIES)}")
        if self.chance(0.2):
            parts.append(f"code {self.pick(('E1', 'E2', chr(34) + 'E:3' + chr(34)))}")
        if self.chance(0.2):
            parts.append(f"outcome {self.pick(('SHUT', 'TRIMMED'))}")
        if self.chance(0.12):
            parts.append(
                f"monitor {self.pick(('always', 'through ' + DATES[0], 'through ' + DATES[1], 'through ' + DATES[2]))}"
            )
        if overridable and self.chance(0.07):
            parts.append('overridable by role "desk"')
        return " ".join(["", *parts])

    def _approval(self) -> str:
        return (
            f'for approval by role "{self.pick(("desk", "cro"))}"'
            + self.pick(("", " quorum 2"))
            + self.pick(("", " within 30min"))
        )

    def _because(self, *texts: str) -> str:
        return f' because "{self.pick(texts)}"' if self.chance(0.1) else ""

    def _corridor(self) -> str:
        """A reduction that may end below another limit's lower edge: what is left may only close."""
        most, least = sorted(self.rng.sample((5, 10, 20, 50), 2))
        upper, lower = self._id(("EXP",), "limit"), self._id(("EXP",), "limit")
        return (
            f"limit {upper} {{ intent.quantity at most {most} else reduce }}\n"
            f"limit {lower} {{ intent.quantity at least {least} else deny }}"
        )

    def _breach(self) -> str:
        form = self.rng.randrange(20)
        return "reduce" if form < 9 else "deny" if form < 15 else f"hold {self._approval()}" if form < 17 else "warn"

    def _limit(self) -> str:
        upper = self.chance(0.72)
        pool = self.rng.choice(
            (AFFINE, CONVEX, CONVEX, CONVEX, CONSTANT, AGGREGATES) if upper else (AFFINE, CONCAVE, CONSTANT, AGGREGATES)
        )
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
        because = self._because("{observed} over {allowed}", "no")
        return f"limit {rule}{attributes} {{ {self.when(0.25)}{measure} {boundary} {bound} else {breach}{because} }}"

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
        because = self._because("no", "{intent.symbol}")
        return f"rule {rule}{self._attributes(overridable=form < 9)} {{ {self.when()}{effect}{because} }}"

    def _act(self) -> str:
        """A rule for what is no trade."""
        rule = self._id(("ORD",), "act")
        if self.chance(0.6):
            effect = self.pick(("deny when {}", "warn when {}", "hold when {} " + self._approval()))
            return f"rule {rule} for transfer {{ {effect.format(f'intent.amount > {self.money()}')} }}"
        actions = self.pick(("cancel", "noop", "cancel, noop"))
        return f"rule {rule} for {actions} {{ deny when account.available < {self.money()} }}"

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
            options.append(' where (event.severity else "low") == "high"')
        elif events in ("stops", "results"):
            options.append(" where (event.pnl else 0 USD) < 0 USD")
        elif events in ("fills", "orders"):
            options += [" where event.notional > 10 USD", " where (event.quantity else 1) >= 2"]
        return self.pick(options)

    def _throttle(self) -> str:
        rule = self._id(("EXEC",), "throttle")
        events = self.pick(tuple(EVENTS))
        self.need((events,))
        beyond = (
            self.pick(self.settings["count"])
            if self.settings["count"] and self.chance(0.5)
            else str(self.rng.choice((1, 2, 3)))
        )
        if beyond.startswith("given"):
            beyond = "2"
        attributes = self._attributes(overridable=True)
        reserve = (
            f" reserve {self.pick(('1', '2')) if beyond == '3' else '1'} for closing"
            if beyond in ("2", "3") and self.chance(0.4)
            else ""
        )
        if self.chance(0.2):
            counter = f"c{len(self.policy.counters)}"
            self.policy.counters.append(counter)
            sentence = f"deny beyond {beyond} {events} in any 1min from counters.{counter}{reserve}"
            return f"throttle {rule}{attributes} {{ {self.when(0.2)}{sentence} }}"
        window = "per day" if self.chance(0.25) else f"in any {self.value('duration')}"
        return (
            f"throttle {rule}{attributes} {{ {self.when(0.2)}deny beyond {beyond} {events} {window}"
            f"{self._keys(events)}{self._where(events)}{reserve} }}"
        )

    def _cooldown(self) -> str:
        rule = self._id(("EXEC",), "cooldown")
        events = self.pick(tuple(EVENTS))
        self.need((events,))
        return (
            f"cooldown {rule}{self._attributes(overridable=True)} {{ "
            f"{self.when(0.2)}deny during {self.value('duration')} after last "
            f"{EVENTS[events]}{self._keys(events)}{self._where(events)} }}"
        )

    def _switch(self, rule: str) -> str:
        others = [rule for rule, kind in self.rules.items() if kind in ("limit", "rule", "throttle", "cooldown")]
        self.rules[rule] = "switch"
        target, dimension = self.rng.choice(
            (
                ("for account", "account"),
                ("for account", "account"),
                ("for each strategy", "strategy"),
                ('for strategy "S1"', "strategy"),
                ("for each symbol", "symbol"),
            )
        )
        self.policy.switches.append((rule, dimension))
        clauses: list[str] = []
        for _ in range(self.rng.choice((0, 1, 1, 1, 2))):
            form = self.rng.randrange(10) if others else 0
            if form < 5:
                text, needs = self.rng.choice(SWITCH_CONDITIONS)
                self.need(needs)
                confirm = (
                    self.pick((" for 2 readings", " for 3 readings", " for 2s", " for 2s")) if self.chance(0.35) else ""
                )
                clauses.append(f"trip when {self.fill(text)}{confirm}")
            elif form < 6:
                clauses.append(f"trip when {self.pick(others)} violated")
            else:
                events = self.pick(("denials", "violations"))
                self.need((events, "1h"))
                family = self.pick(others).rpartition("-")[0]
                kind = self.pick(
                    ("", f" of severity {self.pick(SEVERITIES)}", f" of {self.pick(others)}", f" of {family}")
                )
                clauses.append(f"trip when {self.pick(('1', '2', '3'))} {events}{kind} in any 1h")
        clauses.append(f"while tripped deny {self.pick(('all', 'opening', 'opening'))}")
        if self.chance(0.4):
            clauses.append(
                "on trip " + self.pick(("flatten", "cancel all orders", 'cancel opening orders, notify "desk"'))
            )
        clauses.append("rearm never")
        return (
            f"kill switch {rule} {target}{self._attributes(actions=False).replace(chr(34) + 'Title' + chr(34), '')} {{ "
            + "  ".join(clauses)
            + " }"
        )

    def _waiver(self) -> str:
        of = self.pick([rule for rule in self.rules if self.rules[rule] != "switch"])
        switches = [rule for rule in self.rules if self.rules[rule] == "switch"]
        including = ""
        if switches and self.chance(0.3):
            of, including = self.pick(switches), " including kill switches"
        condition, needs = self.rng.choice(
            (
                ('intent.symbol == "A"', ()),
                ("intent.side == sell", ()),
                ('intent.symbol in ["A", "B"]', ()),
                ("mood == calm", ("mood",)),
                ("market.bid is known", ()),
            )
        )
        self.need(needs)
        return (
            f'waiver W-010 of {of} through {self.pick(DATES)} approved by "CRO" ticket "T-1"{including} '
            f"{{ when {condition} }}"
        )

    # ── sizes, answers, lines ────────────────────────────────────────────────────────────────────────

    def _size(self, number: int) -> str:
        most = self.rng.choice(MONEY)
        starts = (
            "20% of account.available",
            "50% of account.equity",
            f"{most} USD",
            "account.available - abs(committed.position.notional)",
        )
        steps = [f"start {self.pick(starts)}"]
        if self.chance(0.3):
            times, needs = self.rng.choice(
                (
                    ("0.5", ()),
                    ("(0.5 + 0.5 * intent.confidence)", ("confidence",)),
                    ("(1 - temper)", ("temper",)),
                    ("(1 - 2 * temper)", ("temper",)),
                )
            )
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
        return (
            f"size SIZE-{number * 10 + 10:03d} for "
            f"{self.pick(('unsized', 'unsized', 'unsized', 'all opening'))} orders {{ " + "  ".join(steps) + " }"
        )

    def _answer(self) -> str:
        return f"answer {{ SCALE when {self.condition()}, NEW {self.pick(('otherwise', 'when intent.opening > 0'))} }}"

    def _emit(self) -> str:
        if self.chance(0.5):
            return 'emit "T" always "{intent.symbol} {permitted.position.quantity} of {permitted.opening:.2}"'
        return f'emit "T" when {self.condition()}, "{{account.drawdown:%}} {{account.equity:money}} {{market.bid}}"'
