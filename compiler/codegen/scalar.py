"""The fused form: one function over scaled integers that judges every rule and finds the permitted quantity.

It answers what hot paths ask (permitted quantity, which rules were broken up to the first that denies) or None where the
case wants the traced form: an unusable value, a divisor that is not positive, a hold, a phase that leaves something over.
Every shape it does not know makes the whole policy traced only; the two forms must never disagree (tests/differential).
"""
from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from functools import partial
from typing import Any

from caplex.compiler.codegen.expressions import PLACES, NotFusable
from caplex.compiler.codegen.numbers import Num, align, bare, product
from caplex.compiler.codegen.tables import STEP, Tables
from caplex.compiler.graph.families import Family, families
from caplex.compiler.graph.ir import RuleNode
from caplex.runtime.plan import SlotSpec
from caplex.runtime.schema import Kind, Type

TRADING = ("adjust", "close", "open")
PRELUDE = ("n", "c", "whole", "lot", "most", "least", "d")
"""Requested quantity, closing leg, whether n can be traded as it is, lot, largest and smallest tradable quantity, signed quantity;
in 1e-8."""


class Fused(Tables):
    """Writes ``decide``, and ``judge_at`` for a smaller size, over integers and texts.

    *indexed*: rules alike are rows of tables (`graph.families`). Without, each rule has a line of its own, and the same meaning.
    """

    indexed = True
    _marked = False
    """May the mask of broken rules hold any by now?"""

    def source(self) -> str:
        """Text of both functions. Raises NotFusable."""
        try:
            return self._source(indexed=self.indexed)
        except NotFusable:
            if not self.indexed:
                raise
            self.__init__(self.graph)  # type: ignore[misc]  # a constant may have a text where a column has none
            return self._source(indexed=False)

    def _source(self, *, indexed: bool) -> str:
        graph = self.graph
        if graph.policy.mode == "monitor":
            raise NotFusable("monitor mode is told in full")
        if any(size.reach == "all opening" for size in graph.sizes):
            raise NotFusable("a ticket caps all opening orders")
        if not graph.policy.lot and not graph.rules:
            raise NotFusable("nothing to judge")
        rules = [rule for rule in graph.rules if self._blocks(rule)]
        self._families = families(graph, rules) if indexed else []
        self._in_tables = {rule.position for family in self._families for rule in family.rules}
        at = self._judge_at([rule for rule in rules if rule.reads_size])
        words = set(re.findall(r"\w+", at))
        others = ", ".join(name for name in (*PRELUDE, *self._names_of_slots()) if name in words - {"n", "d"})
        self._at, self._may_leave = f"{{0}}, {{0}} if d > 0 else -{{0}}{', ' * bool(others)}{others}", "return None" in at
        body = self._decide(rules)
        names = ", ".join((*PRELUDE, *self._names_of_slots()))
        return f"def decide({names}):\n{body}\n\ndef judge_at(n, d{', ' * bool(others)}{others}):\n{at}"

    def _names_of_slots(self) -> list[str]:
        return [*(f"s{slot}" for slot in self.slots), *(f"e{number}" for number in range(len(self.defaults)))]

    def _blocks(self, rule: RuleNode) -> bool:
        """Can this rule take anything away? Warnings and monitored rules cannot."""
        return rule.effect != "warn" and rule.monitor != "always" and bool(set(TRADING) & set(rule.actions))

    # ── the two functions ────────────────────────────────────────────────────────────────────────────

    def _start(self, rules: list[RuleNode]) -> None:
        """*rules* are those to be told: where they are rows of tables, the table's template stands for them."""
        self.lines, self._nums, self._texts, self._marked = [], {}, {}, False
        rules = [*self._single(rules), *(family.template for family in self._families)]
        roots = [n for r in rules for n in (r.broken, r.when, *(w.when for w in r.waivers), *(t.condition for t in r.trips))]
        roots += [n for r in rules if r.reserve is not None for n in (r.reserve, r.bound, r.observed)]
        pieces = [n for r in rules if r.effect == "reduce" for p in r.pieces for n in (p.slope, p.intercept)]
        self._uses = Counter(arg for n in self.graph.reach(*roots, *pieces) for arg in self.graph.nodes[n].args)
        self._uses.update(n for n in (*roots, *pieces) if n is not None)

    def _single(self, rules: list[RuleNode]) -> list[RuleNode]:
        return [rule for rule in rules if rule.position not in self._in_tables]

    def _judge_at(self, rules: list[RuleNode]) -> str:
        self._start(rules)
        self._say("mask = 0")
        for rule in self._single(rules):
            self._say(f"if {bare(self._condition(rule))}: mask |= {self._bit(rule.position)}  # {rule.id}")
        for family in self._families:
            if family.template.reads_size:
                self._alike(family, "mask |= 1 << p")
        skipped = self._mask(r for r in rules if r.skipped or r.opening_only)
        if skipped:
            self._say(f"if n <= c: mask &= ~{self._bits(skipped)}")
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
        ends = self._ends(rules)
        hard = self._mask(r for r in rules if not (r.skipped or r.opening_only or r.effect == "reduce" or r.position in ends))
        for phase in range(phases + 1):
            for rule in self._single([r for r in rules if r.phase == phase]):
                self._rule(rule, ends=rule.position in ends)
            for family in self._families:
                if family.template.phase == phase:
                    self._alike(family, "return None" if self._asks_more(family.template) else "mask |= 1 << p")
            if closing:
                self._say(f"if mask and n <= c: mask &= ~{self._bits(closing)}")
            if phase < phases and self._marked:
                self._say(f"if mask: return (0, mask, 0) if mask & {self._bits(hard)} else None" if hard else "if mask: return None")
        self._permit(rules, hard, closing, halves=not phases)
        return "\n".join(self.lines) + "\n"

    def _ends(self, rules: list[RuleNode]) -> set[int]:
        """Positions of the rules whose denial ends the search: nothing that is judged after them can come before them as a reason.

        Not so where a closing leg may still take back what was broken before, and where tables, which come last in a phase, hold
        rules before them. Where SYS stands among the stages, a reading of a later rule may be the first reason.
        """
        policy = self.graph.policy
        if policy.sys_listed or policy.rounding_never or policy.modify_never:
            return set()
        found, barred = set(), set()
        for rule in rules:
            if rule.skipped or rule.opening_only or rule.position in self._in_tables:
                barred.add(rule.phase)
            elif rule.phase not in barred and rule.effect != "reduce" and rule.reserve is None and not self._asks_more(rule):
                found.add(rule.position)
        return found

    @staticmethod
    def _mask(rules: Any) -> int:
        return sum(1 << rule.position for rule in rules)

    def _alike(self, family: Family, then: str) -> None:
        """Rows that are broken do what *then* says; sorted ones end with the first that is kept."""
        self._marked = True

        def tell() -> None:
            condition = self._condition(family.template)
            if family.sorted:
                self._say(f"if not ({condition}): break" if " and " in condition else f"if not {condition}: break")
                self._say(then)
            else:
                self._say(f"if {bare(condition)}: {then}" if condition != "True" else then)

        assert family.template.broken is not None
        self._rows(family, (family.template.broken,), tell, ordered=family.sorted)

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

    def _rule(self, rule: RuleNode, *, ends: bool) -> None:
        for trip in rule.trips:
            if trip.condition is not None and trip.confirm is not None:
                self._say(f"if {self._bool(trip.condition)}: return None  # {rule.id} waits for confirmation")
        condition = bare(self._condition(rule))
        if self._guard(rule) and self._never_broken(rule):
            return
        if rule.reserve is not None:
            assert rule.observed is not None
            assert rule.bound is not None
            left, right, _, _ = align(self._num(rule.observed), self._difference(rule.bound, rule.reserve))
            self._say(f"if {left} >= {right}: return None  # {rule.id} keeps a reserve")
        elif self._asks_more(rule):
            self._say(f"if {condition}: return None  # {rule.id}")
        elif ends:
            self._say(f"if {condition}: return (0, {'mask | ' * self._marked}{self._bit(rule.position)}, 0)  # {rule.id}")
        else:
            self._marked = True
            self._say(f"if {condition}: mask |= {self._bit(rule.position)}  # {rule.id}")

    @staticmethod
    def _asks_more(rule: RuleNode) -> bool:
        """Where it is broken, only the traced form knows what follows."""
        return rule.effect == "hold" or rule.overridable is not None or rule.unless_worse

    def _guard(self, rule: RuleNode) -> bool:
        """A first rule that reads one value and nothing else denies by itself when that is unusable: tell it here."""
        simple = rule.when is None and rule.monitor is None and not rule.waivers and not rule.trips and set(TRADING) <= set(rule.actions)
        hard = rule.effect == "deny" and not (rule.skipped or rule.opening_only or rule.overridable or rule.unless_worse or rule.reserve)
        if rule.position == 0 and simple and hard and rule.kind != "switch" and len(rule.reads) == 1 and not self.graph.policy.sys_listed:
            (slot,) = rule.reads
            if not self.graph.slots[slot].optional and self.graph.slots[slot].kind == "field":
                self.slots.setdefault(slot)
                self._say(f"if s{slot} is TRAP: return (0, {-1 - slot}, 0)  # {rule.id} cannot be evaluated")
                return True
        return False

    def _never_broken(self, rule: RuleNode) -> bool:
        """``require market.price > 0`` of a field whose range says so: what breaks it is no usable value."""
        assert rule.broken is not None
        node = self.graph.nodes[rule.broken]
        inner = self.graph.nodes[node.args[0]] if node.op == "not" else node
        if (node.op, inner.op) not in (("not", "gt"), ("le", "le"), ("lt", "lt")):
            return False
        read, bound = (self.graph.nodes[arg] for arg in inner.args)
        if read.op != "slot" or bound.op != "const" or not isinstance(bound.payload, Fraction):
            return False
        spec = self.graph.slots[read.payload]
        field = self.graph.schema.field(spec.section, spec.name)
        return field is not None and field.positive and bound.payload <= 0

    def _difference(self, left: int, right: int) -> Num:
        a, b, scale, den = align(self._num(left), self._num(right))
        return Num(f"({a} - {b})", scale, den)

    # ── what may go ahead ────────────────────────────────────────────────────────────────────────────

    def _permit(self, rules: list[RuleNode], hard: int, closing: int, *, halves: bool) -> None:
        """*halves*: may the size still be one that cannot be traded as it is?"""
        policy = self.graph.policy
        self._say("if not mask and whole: return (n, 0, 0)" if halves else "if not mask: return (n, 0, 0)")
        if policy.rounding_never or policy.modify_never:
            self._say("return None")
            return
        if hard:
            self._say(f"if mask & {self._bits(hard)}: return (0, mask, 0)")
        self._say("x = n")
        other = self._mask(r for r in rules if (r.skipped or r.opening_only) and r.effect != "reduce")
        if other:
            self._say(f"if mask & {self._bits(other)} and c < x: x = c")
        for rule in self._single(rules):
            if rule.effect == "reduce":
                self._reduce(rule, f"mask & {self._bit(rule.position)}" if rule.position < 64 else f"mask >> {rule.position} & 1")
        for family in self._families:
            if family.template.effect == "reduce":
                self._rows(family, [n for p in family.template.pieces for n in (p.slope, p.intercept)], partial(self._reduce, family.template, "mask >> p & 1"))
        self._say("x = snap(x, c, lot, most, least)")
        if any(rule.reads_size for rule in rules):
            self._say(f"fails = judge_at({self._at.format('x')}) if 0 < x < n else 0")
            if self._may_leave:
                self._say("if fails is None: return None")
            holds = self._mask(rule for rule in rules if rule.effect == "hold" and rule.reads_size)
            if holds:
                self._say(f"if fails & {self._bits(holds)}: return None")
            self._say("if not fails: return (x, mask, 0)")
            self._say("y = snap(c, c, lot, most, least)")
            self._say("if not 0 < y < x: return (0, mask, fails)")
            self._say(f"again = judge_at({self._at.format('y')})")
            if self._may_leave:
                self._say("if again is None: return None")
            if holds:
                self._say(f"if again & {self._bits(holds)}: return None")
            self._say("return (0 if again else y, mask, fails)")
        else:
            self._say("return (x, mask, 0)")

    def _reduce(self, rule: RuleNode, broken: str) -> None:
        """The largest tradable size at which every affine piece is kept."""
        start = "c" if rule.skipped or rule.opening_only else "0"
        indent, nums, texts = self._indent, len(self._nums), len(self._texts)
        self._say(f"if {broken}:  # {rule.id}")
        self._indent += STEP
        if not rule.pieces:  # no smaller size would help
            self._say(f"if {start} < x: x = {start}")
            self._indent = indent
            return
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
            self._say(f"elif b {'>=' if rule.strict else '>'} 0:")  # not kept at nothing
            self._say(f"    e = {down} if a else n + 1")
            self._say("    if e > low: low = e")
        self._say("if high > 0 and low: high = snap(high, c, lot, most, least)")  # with no lower edge it is enough to do so at the end
        self._say(f"e = high if high >= low and high > {start} else {start}")
        self._say("if e < x: x = e")
        while len(self._nums) > nums:  # said inside the `if` only
            self._nums.popitem()
        while len(self._texts) > texts:
            self._texts.popitem()
        self._indent = indent
