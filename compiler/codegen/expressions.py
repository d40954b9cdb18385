"""Expressions of the fused form: graph nodes as integer source text, each said once.

Whatever has no such text raises `NotFusable`: then the whole policy is decided by the traced form.
"""
from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

from caplex.compiler.codegen.numbers import Num, align, bare, literal, lowest, multiply, negated, product, quotient
from caplex.compiler.graph.ir import RuleGraph
from caplex.runtime.schema import Kind
from caplex.runtime.values import UNLIMITED

SYMBOLS = {"lt": "<", "le": "<=", "eq": "==", "ne": "!=", "ge": ">=", "gt": ">"}
PLACES = 8
"""Decimal places of quantities in the fused form."""


class NotFusable(Exception):
    """The policy has a shape that only the traced form knows."""


class Expressions:
    """Texts of nodes; lines that must stand before them go to `lines`."""

    def __init__(self, graph: RuleGraph) -> None:
        self.graph = graph
        self.constants: dict[str, Any] = {}
        self.slots: dict[int, None] = {}
        self.known: set[int] = set()
        self.defaults: dict[tuple[int, int], int] = {}
        self.lines: list[str] = []
        self._nums: dict[int, Num] = {}
        self._texts: dict[int, str] = {}
        self._indent = "    "
        self._uses: Counter[int] = Counter()
        self._names: dict[tuple[type, Any], str] = {}

    def _say(self, line: str) -> None:
        self.lines.append(self._indent + line)

    def _constant(self, value: Any) -> str:
        key = (type(value), value)
        if key not in self._names:
            self._names[key] = f"K{len(self._names)}"
            self.constants[self._names[key]] = value
        return self._names[key]

    def _slot(self, number: int) -> str:
        index = self.graph.nodes[number].payload
        self.slots.setdefault(index)
        return f"s{index}"

    def _numeric(self, number: int) -> bool:
        node = self.graph.nodes[number]
        match node.op:
            case "const":
                return isinstance(node.payload, Fraction)
            case "hole":
                return bool(node.payload.number)
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
                self._say(f"v{number} = {bare(found.code)}")
                found = Num(f"v{number}", found.scale, found.den)
            self._nums[number] = found
        return found

    def _temp(self, code: str, name: str) -> str:
        if code.isidentifier() or code.lstrip("-").isdigit():
            return code
        self._say(f"{name} = {bare(code)}")
        return name

    def _make_num(self, number: int) -> Num:
        node = self.graph.nodes[number]
        args = node.args
        match node.op:
            case "const":
                if not isinstance(node.payload, Fraction):
                    raise NotFusable(f"constant {node.payload!r}")
                return literal(node.payload)
            case "hole":
                hole = node.payload
                return Num(hole.name, hole.scale, str(hole.den) if hole.den != 1 else "")
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
        return Num(f"e{self.defaults.setdefault(key, len(self.defaults))}", scale)

    def _is_signed_size(self, args: tuple[int, ...]) -> bool:
        """``direction · q``: at hand as it is, since every measure of a position begins with it."""
        direction, size = (self.graph.nodes[arg] for arg in args)
        if direction.op != "slot" or size.op != "size":
            return False
        spec = self.graph.slots[direction.payload]
        return (spec.kind, spec.name) == ("book", "direction")

    def _operation(self, number: int) -> Num:
        node = self.graph.nodes[number]
        if node.op == "mul" and self._is_signed_size(node.args):
            return Num("d", PLACES)
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
                self._say(f"v{number} = {bare(found)}")
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
            a, b = lowest(a, b)
            return f"({a} {SYMBOLS[op]} {b})"
        if op not in ("eq", "ne") and self.graph.types[args[0]].kind is not Kind.DATE:
            raise NotFusable("texts have no order")
        return f"({self._any(args[0])} {SYMBOLS[op]} {self._any(args[1])})"

    def _in(self, args: tuple[int, ...]) -> str:
        collection = self.graph.nodes[args[1]]
        if collection.op == "hole" and not self._numeric(args[0]):
            return f"({self._any(args[0])} in {self._text(args[1])})"
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
            case "hole":
                return str(node.payload.name)
            case "else" | "if":
                parts = [self._text(a) for a in node.args[-2:]]
                if node.op == "if":
                    return f"({parts[0]} if {self._bool(node.args[0])} else {parts[1]})"
                return f"({parts[0]} if {parts[0]} is not None else {parts[1]})"
        if node.op in ("and", "or", "not", "known", "in", "multiple", *SYMBOLS):
            return self._bool(number)
        raise NotFusable(node.op)
