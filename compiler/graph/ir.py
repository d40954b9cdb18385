"""The rule graph: expressions as a table of shared nodes, facts as slots, rules as rows.

Nodes are hash-consed: the same expression is the same number, so that every consumer sees common subexpressions as one.
A node is ``(op, args, payload)``; args are numbers of earlier nodes, so the table is in topological order.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from caplex.compiler.semantics.model import PolicyInfo
from caplex.compiler.source import Span, record
from caplex.runtime.plan import SlotSpec
from caplex.runtime.schema import Kind, Schema, Type

_UNKNOWN = Type(Kind.UNKNOWN)
ARITHMETIC = frozenset({"add", "sub", "mul", "div", "neg", "abs", "max", "min"})
COMPARISONS = frozenset({"lt", "le", "eq", "ne", "ge", "gt"})
LOGIC = frozenset({"and", "or", "not"})
OPS = ARITHMETIC | COMPARISONS | LOGIC | {
    "const", "slot", "size", "row", "fold", "if", "else", "known", "need", "in", "multiple", "observed", "allowed", "set", "hole",
}
"""const: payload value · slot: payload index · size: the quantity that is judged · row: payload (variable, field) ·
fold: payload Fold · need: an optional field of a row that must be there · set: args are members ·
hole: payload families.Hole, what differs between rules alike · the rest says itself."""


@record
class Node:
    op: str
    args: tuple[int, ...]
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Fold:
    """An aggregate over rows: arguments of its node are, in order: window?, where?, body?, keys…."""

    function: str
    section: str
    variable: str
    window: int | None
    today: bool
    where: int | None
    body: int | None


@dataclass(frozen=True, slots=True)
class Piece:
    """One affine piece ``slope · q + intercept``; both are nodes that do not read the size."""

    slope: int
    intercept: int


@dataclass(frozen=True, slots=True)
class Waived:
    id: str
    until_ns: int
    when: int


@dataclass(slots=True)
class TripNode:
    """*kind* when: `condition` and confirmation; rule: `rules`; count: `amount`, `window`, filters."""

    kind: Literal["when", "rule", "count"]
    text: str
    condition: int | None = None
    observed: int | None = None
    bound: int | None = None
    comparison: str = ""
    confirm: int | None = None
    confirm_readings: bool = False
    rules: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    severity: str | None = None
    amount: int | None = None
    events: str = ""
    window: int | None = None
    span: Span | None = None


@record
class Clock:
    """What the passing of time alone may change; see `runtime.plan.ClockPlan`."""

    windows: tuple[tuple[str, int], ...] = ()
    moments: tuple[tuple[int, int], ...] = ()
    daily: bool = False


@dataclass(slots=True)
class RearmNode:
    terms: tuple[str, ...] = ()
    role: str = ""
    quorum: int | None = None
    delay: int | None = None
    condition: int | None = None
    condition_text: str = ""


@dataclass(frozen=True, slots=True)
class RebaseNode:
    on: Literal["trip", "rearm"]
    section: str
    field: str
    value: int


@dataclass(slots=True)
class RuleNode:
    """One row of the graph. *broken* reads the size where `reads_size`; *pieces* hold ``measure − bound`` (at most) or its
    negative (at least) as a maximum of affine pieces, for rules that reduce or whose closing leg may be `unless worse`."""

    id: str
    title: str
    kind: Literal["rule", "limit", "throttle", "cooldown", "switch"]
    stage: str
    phase: int
    position: int
    effect: Literal["deny", "reduce", "hold", "warn"]
    opening_only: bool
    skipped: bool
    unless_worse: bool
    actions: tuple[str, ...]
    severity: str
    code: str | None
    outcome: str | None
    monitor: Literal["always"] | int | None
    overridable: str | None
    broken: int | None
    when: int | None = None
    observed: int | None = None
    comparison: str = ""
    bound: int | None = None
    unit: Type = field(default_factory=lambda: _UNKNOWN)
    reads_size: bool = False
    pieces: tuple[Piece, ...] = ()
    strict: bool = False
    waivers: tuple[Waived, ...] = ()
    approval: tuple[str, int, int | None] | None = None
    reserve: int | None = None
    trips: tuple[TripNode, ...] = ()
    denies: Literal["opening", "all"] = "all"
    scope: tuple[str, ...] = ()
    scope_is: str | None = None
    duties: tuple[tuple[str, str | None], ...] = ()
    because: tuple[Any, ...] | None = None
    reads: frozenset[int] = frozenset()
    rearm: RearmNode | None = None
    rebases: tuple[RebaseNode, ...] = ()
    trip_reads: frozenset[str] = frozenset()
    span: Span | None = None
    settings: frozenset[int] = frozenset()
    clock: Clock = field(default_factory=lambda: Clock())
    condition: str = ""


@dataclass(slots=True)
class SizeNode:
    """Money of a ticket: *money* already has its `at most` steps in it; *floor* is the least opening money."""

    id: str
    title: str
    reach: Literal["all opening", "unsized"]
    money: int
    floor: int | None
    leverage: int | None
    because: tuple[Any, ...] | None
    span: Span | None = None


SIZE, NOW, ROW = 1, 2, 4
"""What may stand below a node: the size that is judged, the time, a row of an aggregate."""
_MARKS = {"size": SIZE, "row": ROW}
_NOTHING: frozenset[int] = frozenset()


@dataclass(slots=True)
class RuleGraph:
    """The checked policy as data. Every consumer (code, traces, dump, pictures) is made from this and nothing else."""

    policy: PolicyInfo
    schema: Schema
    nodes: list[Node] = field(default_factory=list)
    types: list[Type] = field(default_factory=list)
    slots: list[SlotSpec] = field(default_factory=list)
    rules: list[RuleNode] = field(default_factory=list)
    sizes: list[SizeNode] = field(default_factory=list)
    labels: list[tuple[str, int | None]] = field(default_factory=list)
    emits: list[tuple[str, int | None, tuple[Any, ...]]] = field(default_factory=list)
    allocations: list[Any] = field(default_factory=list)
    """`graph.allocations.AllocateNode`, each with a graph of its own."""
    settings: dict[str, Any] = field(default_factory=dict)
    _known: dict[tuple[str, tuple[int, ...], Any], int] = field(default_factory=dict)
    _slots: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _marks: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    _reads: list[frozenset[int]] = field(default_factory=list, init=False, repr=False, compare=False)

    def add(self, op: str, args: tuple[int, ...] = (), payload: Any = None, type_: Type | None = None) -> int:
        """The number of this node; a new one only if it is not there yet."""
        # A fraction by its parts: its hash takes a division.
        key = (op, args, (type(payload), payload) if payload.__class__ is not Fraction else (payload.numerator, payload.denominator, Fraction))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self.nodes)
            self.nodes.append(Node(op, args, payload))
            self.types.append(type_ or _UNKNOWN)
        return found

    def const(self, value: Any, type_: Type | None = None) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            value = Fraction(value)
        return self.add("const", (), value, type_)

    def slot(self, spec: SlotSpec, type_: Type) -> int:
        """Node that reads *spec*."""
        key = spec.key()
        index = self._slots.get(key)
        if index is None:
            index = self._slots[key] = len(self.slots)
            self.slots.append(spec)
        return self.add("slot", (), index, type_)

    def slot_number(self, spec: SlotSpec) -> int:
        """Index of a slot that is there. Raises KeyError."""
        return self._slots[spec.key()]

    def reads_size(self, number: int | None) -> bool:
        """Does the value of this node depend on the size that is judged?"""
        return number is not None and bool(self.marks(number) & SIZE)

    def marks(self, number: int) -> int:
        """Which of `SIZE`, `NOW` and `ROW` stand at this node or below; each node is looked at once, since those below come first."""
        marks, nodes = self._marks, self.nodes
        for each in range(len(marks), number + 1):
            node = nodes[each]
            found = _MARKS.get(node.op, 0)
            if node.op == "slot" and self.slots[node.payload].kind == "now":
                found = NOW
            for argument in node.args:
                found |= marks[argument]
            marks.append(found)
        return marks[number]

    def reads(self, number: int) -> frozenset[int]:
        """The slots that are read at this node or below; those of aggregates that fill a slot are not among them. Each node is looked at once."""
        reads, nodes = self._reads, self.nodes
        for each in range(len(reads), number + 1):
            node = nodes[each]
            reads.append(frozenset((node.payload,)) if node.op == "slot" else joined(reads, node.args))
        return reads[number]

    def reach(self, *numbers: int | None) -> set[int]:
        """Every node below *numbers*, these included (through folds too)."""
        seen: set[int] = set()
        stack = [number for number in numbers if number is not None]
        while stack:
            number = stack.pop()
            if number not in seen:
                seen.add(number)
                stack.extend(self.nodes[number].args)
        return seen


def joined(sets: list[frozenset[int]], numbers: Iterable[int]) -> frozenset[int]:
    """All that is in the sets with these numbers; one of them where it holds the others."""
    whole = _NOTHING
    for number in numbers:
        part = sets[number]
        if part and part is not whole:
            whole = part if whole <= part else whole if part <= whole else whole | part
    return whole
