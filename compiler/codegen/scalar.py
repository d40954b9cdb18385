"""The fused form: one function over scaled integers that judges every rule and finds the permitted quantity.

It answers what hot paths ask (permitted quantity, which rules were broken) or None where the case wants the traced form:
an unusable value, a divisor that is not positive, a hold, a phase that leaves something over. Every shape it does not
know makes the whole policy traced only; the two forms must never disagree (tests/differential).
"""
from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

from caplex.compiler.codegen.numbers import Num, align, literal, multiply, negated, product, quotient
from caplex.compiler.graph.ir import RuleGraph, RuleNode
from caplex.runtime.plan import SlotSpec
from caplex.runtime.schema import Kind, Type
from caplex.runtime.values import UNLIMITED

TRADING = ("adjust", "close", "open")
PRELUDE = ("n", "c", "whole", "lot", "most", "least")
"""Requested quantity, closing leg, whether n can be traded as it is, lot, largest and smallest tradable quantity; in 1e-8."""
SYMBOLS = {"lt": "<", "le": "<=", "eq": "==", "ne": "!=", "ge": ">=", "gt": ">"}
PLACES = 8


class NotFusable(Exception):
    """The policy has a shape that only the traced form knows."""


class Fused:
    """Writes ``decide(t)`` and ``judge_at(t, q)`` over a tuple of integers and texts."""

    def __init__(self, graph: RuleGraph) -> None:
        self.graph = graph
        self.constants: dict[str, Any] = {}
        self.slots: list[int] = []
        self.known: set[int] = set()
        self.defaults: list[tuple[int, int]] = []
        self.lines: list[str] = []
        self._nums: dict[int, Num] = {}
        self._texts: dict[int, str] = {}
        self._indent = "    "
        self._uses: Counter[int] = Counter()

    def source(self) -> str:
        """Text of both functions. Raises NotFusable."""
        graph = self.graph
        if graph.policy.mode == "monitor":
            raise NotFusable("monitor mode is told in full")
        if any(size.reach == "all opening" for size in graph.sizes):
            raise NotFusable("a ticket caps all opening orders")
        if not graph.policy.lot and not graph.rules:
            raise NotFusable("nothing to judge")
        rules = [rule for rule in graph.rules if self._blocks(rule)]
        at = self._judge_at([rule for rule in rules if rule.reads_size])
        body = self._decide(rules)
        names = ", ".join((*PRELUDE, *(f"s{slot}" for slot in self.slots), *(f"e{i}" for i in range(len(self.defaults)))))
        unpack = f"    {names}, = t\n"
        return f"def decide(t):\n{unpack}{body}\n\ndef judge_at(t, q):\n{unpack}    n = q\n{at}"

    def _blocks(self, rule: RuleNode) -> bool:
        """Can this rule take anything away? Warnings and monitored rules cannot."""
        return rule.effect != "warn" and rule.monitor != "always" and bool(set(TRADING) & set(rule.actions))

    # ── the two functions ────────────────────────────────────────────────────────────────────────────

    def _start(self, rules: list[RuleNode]) -> None:
        self.lines, self._nums, self._texts = [], {}, {}
        roots = [n for r in rules for n in (r.broken, r.when, *(w.when for w in r.waivers), *(t.condition for t in r.trips))]
        roots += [n for r in rules if r.reserve is not None for n in (r.reserve, r.bound, r.observed)]
        self._uses = Counter(arg for n in self.graph.reach(*roots) for arg in self.graph.nodes[n].args)
        self._uses.update(n for n in roots if n is not None)

    def _say(self, line: str) -> None:
        self.lines.append(self._indent + line)

    def _judge_at(self, rules: list[RuleNode]) -> str:
        self._start(rules)
        self._say("mask = 0")
        for rule in rules:
            self._say(f"if {self._condition(rule)}: mask |= {1 << rule.position}  # {rule.id}")
        skipped = self._mask(r for r in rules if r.skipped or r.opening_only)
        if skipped:
            self._say(f"if n <= c: mask &= ~{skipped}")
        self._say("return mask")
        return "\n".join(self.lines) + "\n"

    def _decide(self, rules: list[RuleNode]) -> str:
        graph, policy = self.graph, self.graph.policy
        self._start(rules)
        if policy.effective_from_ns is not None or policy.effective_until_ns is not None:
            low, high = policy.effective_from_ns, policy.effective_until_ns
            now = self._num(graph.slot(SlotSpec("now", "now", scale=0), Type(Kind.INSTANT))).code
            tests = [f"{now} < {low}"] * (low is not None) + [f"{now} >= {high}"] * (high is not None)
            self._say(f"if {' or '.join(tests)}: return None")
        phases = max((rule.phase for rule in graph.rules), default=0)
        if phases:
            self._say("if not whole: return None")
        self._say("mask = 0")
        closing = self._mask(r for r in rules if r.skipped or r.opening_only)
        hard = self._mask(r for r in rules if not (r.skipped or r.opening_only or r.effect == "reduce"))
        for phase in range(phases + 1):
            for rule in (r for r in rules if r.phase == phase):
                self._rule(rule)
            if closing:
                self._say(f"if mask and n <= c: mask &= ~{closing}")
            if phase < phases:
                self._say(f"if mask: return (0, mask, 0) if mask & {hard} else None")
        self._permit(rules, hard, closing)
        return "\n".join(self.lines) + "\n"

    @staticmethod
    def _mask(rules: Any) -> int:
        return sum(1 << rule.position for rule in rules)

    # ── one rule ─────────────────────────────────────────────────────────────────────────────────────

    def _condition(self, rule: RuleNode) -> str:
        parts = []
        if rule.monitor is not None:
            parts.append(f"{self._now()} >= {rule.monitor}")
        if not set(TRADING) <= set(rule.actions):
            action = self.graph.slot(SlotSpec("field", "action", "intent"), Type(Kind.ENUM))
            parts.append(f"{self._text(action)} in {self._constant(frozenset(rule.actions))}")
        if rule.when is not None:
            parts.append(self._bool(rule.when))
        assert rule.broken is not None
        broken = [self._bool(rule.broken)] + [self._bool(t.condition) for t in rule.trips if t.condition is not None and t.confirm is None]
        parts.append(broken[0] if len(broken) == 1 else f"({' or '.join(broken)})")
        for waiver in rule.waivers:
            parts.append(f"not ({self._now()} < {waiver.until_ns} and {self._bool(waiver.when)})")
        return " and ".join(parts)

    def _now(self) -> str:
        return self._num(self.graph.slot(SlotSpec("now", "now", scale=0), Type(Kind.INSTANT))).code

    def _rule(self, rule: RuleNode) -> None:
        for trip in rule.trips:
            if trip.condition is not None and trip.confirm is not None:
                self._say(f"if {self._bool(trip.condition)}: return None  # {rule.id} waits for confirmation")
        condition = self._condition(rule)
        self._guard(rule)
        if rule.reserve is not None:
            assert rule.observed is not None
            assert rule.bound is not None
            left, right, _, _ = align(self._num(rule.observed), self._difference(rule.bound, rule.reserve))
            self._say(f"if {left} >= {right}: return None  # {rule.id} keeps a reserve")
        elif rule.effect == "hold" or rule.overridable is not None or rule.unless_worse:
            self._say(f"if {condition}: return None  # {rule.id}")
        else:
            self._say(f"if {condition}: mask |= {1 << rule.position}  # {rule.id}")

    def _guard(self, rule: RuleNode) -> None:
        """A first rule that reads one value and nothing else denies by itself when that is unusable: tell it here."""
        simple = rule.when is None and rule.monitor is None and not rule.waivers and not rule.trips and set(TRADING) <= set(rule.actions)
        hard = rule.effect == "deny" and not (rule.skipped or rule.opening_only or rule.overridable or rule.unless_worse or rule.reserve)
        if rule.position == 0 and simple and hard and rule.kind != "switch" and len(rule.reads) == 1 and not self.graph.policy.sys_listed:
            (slot,) = rule.reads
            if not self.graph.slots[slot].optional and self.graph.slots[slot].kind == "field":
                if slot not in self.slots:
                    self.slots.append(slot)
                self._say(f"if s{slot} is TRAP: return (0, {-1 - slot}, 0)  # {rule.id} cannot be evaluated")

    def _difference(self, left: int, right: int) -> Num:
        a, b, scale, den = align(self._num(left), self._num(right))
        return Num(f"({a} - {b})", scale, den)

    # ── what may go ahead ────────────────────────────────────────────────────────────────────────────

    def _permit(self, rules: list[RuleNode], hard: int, closing: int) -> None:
        policy = self.graph.policy
        self._say("if not mask and whole: return (n, 0, 0)")
        if policy.rounding_never or policy.modify_never:
            self._say("return None")
            return
        self._say(f"if mask & {hard}: return (0, mask, 0)")
        self._say("x = n")
        other = self._mask(r for r in rules if (r.skipped or r.opening_only) and r.effect != "reduce")
        if other:
            self._say(f"if mask & {other} and c < x: x = c")
        for rule in rules:
            if rule.effect == "reduce":
                self._reduce(rule)
        self._say("x = snap(x, c, lot, most, least)")
        if any(rule.reads_size for rule in rules):
            self._say("fails = judge_at(t, x) if 0 < x < n else 0")
            holds = self._mask(rule for rule in rules if rule.effect == "hold" and rule.reads_size)
            if holds:
                self._say(f"if fails & {holds}: return None")
            self._say("if not fails: return (x, mask, 0)")
            self._say("y = snap(c, c, lot, most, least)")
            self._say("if not 0 < y < x: return (0, mask, fails)")
            self._say("again = judge_at(t, y)")
            if holds:
                self._say(f"if again & {holds}: return None")
            self._say("return (0 if again else y, mask, fails)")
        else:
            self._say("return (x, mask, 0)")

    def _reduce(self, rule: RuleNode) -> None:
        """The largest tradable size at which every affine piece is kept."""
        start = "c" if rule.skipped or rule.opening_only else "0"
        self._say(f"if mask & {1 << rule.position}:  # {rule.id}")
        self._indent = "        "
        if not rule.pieces:  # no smaller size would help
            self._say(f"if {start} < x: x = {start}")
            self._indent = "    "
            return
        saved = dict(self._nums), dict(self._texts)
        self._say("high, low = n, 0")
        for piece in rule.pieces:
            slope, intercept = self._num(piece.slope), self._num(piece.intercept)
            shift = slope.scale + PLACES - intercept.scale
            b = product(intercept.code, slope.den, 10 ** max(0, shift))
            a = product(slope.code, intercept.den, 10 ** max(0, -shift))
            self._say(f"a, b = {a}, {b}")
            up, down = ("-(b // a) - 1", "-b // a + 1") if rule.strict else ("-b // a", "-(b // a)")
            self._say("if a > 0:")
            self._say(f"    e = {up}")
            self._say("    if e < high: high = e")
            self._say("elif a < 0:")
            self._say(f"    e = {down}")
            self._say("    if e > low: low = e")
            self._say(f"elif b {'>=' if rule.strict else '>'} 0: high = -1")
        self._say("high = snap(high, c, lot, most, least) if high > 0 else high")
        self._say(f"e = high if high >= low and high > {start} else {start}")
        self._say("if e < x: x = e")
        self._nums, self._texts = saved
        self._indent = "    "

    # ── expressions ──────────────────────────────────────────────────────────────────────────────────

    def _constant(self, value: Any) -> str:
        name = f"K{len(self.constants)}"
        for known, there in self.constants.items():
            if type(there) is type(value) and there == value:
                return known
        self.constants[name] = value
        return name

    def _slot(self, number: int) -> str:
        index = self.graph.nodes[number].payload
        if index not in self.slots:
            self.slots.append(index)
        return f"s{index}"

    def _numeric(self, number: int) -> bool:
        node = self.graph.nodes[number]
        match node.op:
            case "const":
                return isinstance(node.payload, Fraction)
            case "slot":
                return self.graph.slots[node.payload].scale is not None
            case "else":
                return self._numeric(node.args[0])
            case "if":
                return self._numeric(node.args[1])
        return node.op in ("size", "add", "sub", "mul", "div", "neg", "abs", "max", "min")

    def _num(self, number: int) -> Num:
        found = self._nums.get(number)
        if found is None:
            found = self._make_num(number)
            node = self.graph.nodes[number]
            if self._uses[number] > 1 and node.op not in ("const", "slot", "size") and not found.code.isidentifier() and found.constant is None:
                self._say(f"v{number} = {found.code}")
                found = Num(f"v{number}", found.scale, found.den)
            self._nums[number] = found
        return found

    def _temp(self, code: str, name: str) -> str:
        if code.isidentifier() or code.lstrip("-").isdigit():
            return code
        self._say(f"{name} = {code}")
        return name

    def _make_num(self, number: int) -> Num:
        node = self.graph.nodes[number]
        args = node.args
        match node.op:
            case "const":
                if not isinstance(node.payload, Fraction):
                    raise NotFusable(f"constant {node.payload!r}")
                return literal(node.payload)
            case "size":
                return Num("n", PLACES)
            case "slot":
                scale = self.graph.slots[node.payload].scale
                if scale is None:
                    raise NotFusable("text where a number belongs")
                return Num(self._slot(number), scale)
            case "else":
                found = self._defaulted(args[0], args[1])
                if found is not None:
                    return found
                value, fallback = self._num(args[0]), self._num(args[1])
                if value.den or fallback.den or fallback.scale > value.scale:
                    raise NotFusable("a fallback of another scale")
                other = product(fallback.code, 10 ** (value.scale - fallback.scale))
                return Num(f"({value.code} if {value.code} is not None else {other})", value.scale)
            case "if":
                condition = self._bool(args[0])
                a, b, scale, den = align(self._num(args[1]), self._num(args[2]))
                return Num(f"({a} if {condition} else {b})", scale, den)
        return self._operation(number)

    def _defaulted(self, reading: int, fallback: int) -> Num | None:
        """``x else 0``: the constant is put in when facts are bound, not at every decision."""
        slot, constant = self.graph.nodes[reading], self.graph.nodes[fallback]
        if slot.op != "slot" or constant.op != "const" or not isinstance(constant.payload, Fraction):
            return None
        scale = self.graph.slots[slot.payload].scale
        if scale is None or (constant.payload * 10**scale).denominator != 1:
            return None
        key = (slot.payload, int(constant.payload * 10**scale))
        if key not in self.defaults:
            self.defaults.append(key)
        return Num(f"e{self.defaults.index(key)}", scale)

    def _operation(self, number: int) -> Num:
        node = self.graph.nodes[number]
        left = self._num(node.args[0])
        match node.op:
            case "neg":
                return negated(left)
            case "abs":
                value = self._temp(left.code, f"a{number}")
                return Num(f"({value} if {value} >= 0 else -{value})", left.scale, left.den)
        right = self._num(node.args[1])
        match node.op:
            case "add" | "sub":
                a, b, scale, den = align(left, right)
                return Num(f"({a} {'+' if node.op == 'add' else '-'} {b})", scale, den)
            case "mul":
                return multiply(left, right)
            case "div":
                divisor = Num(self._temp(right.code, f"d{number}"), right.scale, right.den)
                self._say(f"if {divisor.code} <= 0: return None")
                return quotient(left, divisor)
            case "max" | "min":
                a, b, scale, den = align(left, right)
                a, b = self._temp(a, f"l{number}"), self._temp(b, f"r{number}")
                return Num(f"({a} if {a} {'>' if node.op == 'max' else '<'} {b} else {b})", scale, den)
        raise NotFusable(node.op)

    def _bool(self, number: int) -> str:
        found = self._texts.get(number)
        if found is None:
            found = self._make_bool(number)
            if self._uses[number] > 1 and not found.isidentifier():
                self._say(f"v{number} = {found}")
                found = f"v{number}"
            self._texts[number] = found
        return found

    def _make_bool(self, number: int) -> str:
        node = self.graph.nodes[number]
        args = node.args
        match node.op:
            case "and" | "or":
                return f"({self._bool(args[0])} {node.op} {self._bool(args[1])})"
            case "not":
                inner = self.graph.nodes[args[0]]
                opposite = {"lt": "ge", "le": "gt", "ge": "lt", "gt": "le"}.get(inner.op)
                return self._compare(opposite, inner.args) if opposite else f"(not {self._bool(args[0])})"
            case "known":
                value = self._any(args[0])
                if not value.startswith("s") or not value[1:].isdigit():
                    raise NotFusable("presence of a computed value")
                self.known.add(int(value[1:]))
                return f"({value} is not None)"
            case "in":
                return self._in(args)
            case "multiple":
                a, b, _, _ = align(self._num(args[0]), self._num(args[1]))
                step = self._temp(b, f"d{number}")
                self._say(f"if {step} <= 0: return None")
                return f"({a} % {step} == 0)"
            case "if":
                return f"({self._bool(args[1])} if {self._bool(args[0])} else {self._bool(args[2])})"
            case "else":
                value = self._any(args[0])
                return f"({value} if {value} is not None else {self._bool(args[1])})"
        return self._compare(node.op, args) if node.op in SYMBOLS else self._text(number)

    def _compare(self, op: str, args: tuple[int, ...]) -> str:
        unlimited = [self.graph.nodes[a].payload is UNLIMITED for a in args]
        if all(unlimited):
            raise NotFusable("unlimited against unlimited")
        if any(unlimited):
            value = self._num(args[0] if unlimited[1] else args[1]).code  # touched, so that an unusable one is noticed
            holds = op in (("lt", "le", "ne") if unlimited[1] else ("gt", "ge", "ne"))
            return f"({value} * 0 {'==' if holds else '!='} 0)"
        if self._numeric(args[0]) and self._numeric(args[1]):
            a, b, _, _ = align(self._num(args[0]), self._num(args[1]))
            return f"({a} {SYMBOLS[op]} {b})"
        if op not in ("eq", "ne") and self.graph.types[args[0]].kind is not Kind.DATE:
            raise NotFusable("texts have no order")
        return f"({self._any(args[0])} {SYMBOLS[op]} {self._any(args[1])})"

    def _in(self, args: tuple[int, ...]) -> str:
        collection = self.graph.nodes[args[1]]
        if collection.op != "const":
            return f"({self._any(args[0])} in {self._any(args[1])})" if collection.op == "slot" and not self._numeric(args[0]) else self._refuse()
        if not self._numeric(args[0]):
            return f"({self._any(args[0])} in {self._constant(collection.payload)})"
        value = self._num(args[0])
        if value.den:
            raise NotFusable("a quotient in a set")
        members = frozenset(int(m * 10**value.scale) for m in collection.payload if (m * 10**value.scale).denominator == 1)
        return f"({value.code} in {self._constant(members)})"

    @staticmethod
    def _refuse() -> str:
        raise NotFusable("a set of readings")

    def _any(self, number: int) -> str:
        if self._numeric(number):
            return self._num(number).code
        return self._text(number)

    def _text(self, number: int) -> str:
        node = self.graph.nodes[number]
        match node.op:
            case "const":
                return str(node.payload) if isinstance(node.payload, bool) else self._constant(node.payload)
            case "slot":
                return self._slot(number)
            case "else" | "if":
                parts = [self._text(a) for a in node.args[-2:]]
                if node.op == "if":
                    return f"({parts[0]} if {self._bool(node.args[0])} else {parts[1]})"
                return f"({parts[0]} if {parts[0]} is not None else {parts[1]})"
        if node.op in ("and", "or", "not", "known", "in", "multiple", *SYMBOLS):
            return self._bool(number)
        raise NotFusable(node.op)
