"""The columns form: the rule graph as a tape, which the runtime plays over whole columns of integers.

It says no more than the fused form does (codegen/scalar.py): what that one leaves to the long way is a doubt here.
"""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from caplex.compiler.graph.ir import ARITHMETIC, COMPARISONS, LOGIC, RuleGraph, RuleNode
from caplex.runtime.plan import SlotSpec
from caplex.runtime.schema import Kind, Type
from caplex.runtime.tape import Op, Step, Tape
from caplex.runtime.values import UNLIMITED

TRADING = frozenset({"adjust", "close", "open"})
_KNOWN = ARITHMETIC | COMPARISONS | LOGIC | {"const", "slot", "size", "if", "else", "known", "in", "multiple"}


class NotColumnar(Exception):
    """The policy has a shape that is decided row by row."""


class Columns:
    """Writes the tape of one graph."""

    def __init__(self, graph: RuleGraph) -> None:
        self.graph = graph
        self.ops: list[Op] = []
        self._numbers: dict[Any, int] = {}
        self._told: dict[int, int] = {}

    def tape(self) -> Tape:
        """The tape; one that says why, if there is none."""
        rule = ""
        try:
            self._header()
            steps: list[Step] = []
            for each in self.graph.rules:
                rule = each.id
                steps += self._steps(each)
        except NotColumnar as reason:
            return Tape(why=str(reason), rule=rule)
        slots = tuple(sorted({op.payload for op in self.ops if op.op == "slot"}))
        return Tape(tuple(self.ops), tuple(steps), slots, tuple(self._folds()))

    def _folds(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        for spec in self.graph.slots:
            if spec.fold is not None:
                nodes = [self.graph.nodes[number] for number in sorted(self.graph.reach(spec.fold))]
                for node in nodes:
                    if node.op == "fold":
                        yield node.payload.section, tuple(each.payload for each in nodes if each.op == "slot")

    def _header(self) -> None:
        if self.graph.policy.mode == "monitor":
            raise NotColumnar("monitor mode is told in full")
        if self.graph.sizes:
            raise NotColumnar("orders are sized")

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────

    def _steps(self, rule: RuleNode) -> list[Step]:
        if rule.effect == "warn" or rule.monitor == "always" or not TRADING & set(rule.actions):
            return []
        found = []
        for trip in rule.trips:
            if trip.condition is not None and trip.confirm is not None:
                found.append(Step(rule.position, rule.phase, self._node(trip.condition), doubt=True))
        leg = rule.skipped or rule.opening_only
        doubt = rule.effect == "hold" or rule.overridable is not None or rule.unless_worse
        condition = self._condition(rule)
        if rule.reserve is not None:
            assert rule.observed is not None
            assert rule.bound is not None
            limit = self._add("sub", self._node(rule.bound), self._node(rule.reserve))
            condition, doubt = self._add("ge", self._node(rule.observed), limit), True
        reduces = rule.effect == "reduce"
        pieces = tuple((self._node(p.slope), self._node(p.intercept)) for p in rule.pieces) if reduces else ()
        found.append(Step(rule.position, rule.phase, condition, doubt, leg, not (leg or reduces or doubt), reduces, pieces, rule.strict))
        return found

    def _condition(self, rule: RuleNode) -> int:
        """All that must hold for the rule to be broken."""
        parts = []
        if rule.monitor is not None:
            assert isinstance(rule.monitor, int)
            parts.append(self._add("ge", self._now(), self._const(Fraction(rule.monitor))))
        if not set(rule.actions) >= TRADING:
            action = self._slot(SlotSpec("field", "action", "intent"), Type(Kind.ENUM))
            parts.append(self._add("in", action, self._const(frozenset(rule.actions))))
        if rule.when is not None:
            parts.append(self._node(rule.when))
        assert rule.broken is not None
        broken = self._node(rule.broken)
        for trip in rule.trips:
            if trip.condition is not None and trip.confirm is None:
                broken = self._add("or", broken, self._node(trip.condition))
        parts.append(broken)
        for waiver in rule.waivers:
            before = self._add("lt", self._now(), self._const(Fraction(waiver.until_ns)))
            parts.append(self._add("not", self._add("and", before, self._node(waiver.when))))
        whole = parts[0]
        for part in parts[1:]:
            whole = self._add("and", whole, part)
        return whole

    # ── expressions ──────────────────────────────────────────────────────────────────────────────────

    def _node(self, number: int) -> int:
        found = self._told.get(number)
        if found is None:
            found = self._told[number] = self._tell(number)
        return found

    def _tell(self, number: int) -> int:
        node = self.graph.nodes[number]
        if node.op not in _KNOWN:
            raise NotColumnar(f"`{node.op}` has no columns form")
        if node.op in ("slot", "const"):
            if node.op == "const" and node.payload is UNLIMITED:
                return self._put(Op("const", (), UNLIMITED))
            return self._put(Op(node.op, (), node.payload))
        return self._put(Op(node.op, tuple(self._node(arg) for arg in node.args)))

    def _add(self, op: str, *args: int) -> int:
        return self._put(Op(op, args))

    def _const(self, value: Any) -> int:
        return self._put(Op("const", (), value))

    def _slot(self, spec: SlotSpec, type_: Type) -> int:
        return self._put(Op("slot", (), self.graph.nodes[self.graph.slot(spec, type_)].payload))

    def _now(self) -> int:
        return self._slot(SlotSpec("now", "now", scale=0), Type(Kind.INSTANT))

    def _put(self, op: Op) -> int:
        key = (op.op, op.args, type(op.payload), op.payload)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.ops)
            self.ops.append(op)
        return found


def tape(graph: RuleGraph) -> Tape:
    return Columns(graph).tape()
