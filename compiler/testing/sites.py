"""The places of a policy that tests should reach, each with its sides, and functions that read them of a judged case.

The policy is compiled once more, with a function for every condition and both halves of every comparison: the slots are
those of the compiled policy, because the same tree gives the same graph.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal

from caplex.compiler.codegen.assemble import Assembler
from caplex.compiler.codegen.expressions import NotFusable
from caplex.compiler.codegen.link import link
from caplex.compiler.codegen.scalar import Fused
from caplex.compiler.graph.build import Builder
from caplex.compiler.graph.ir import Fold
from caplex.compiler.graph.rules import BOUNDARY
from caplex.compiler.semantics.model import CheckedModule, RuleInfo
from caplex.compiler.semantics.ranges import Ranges
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.printer import show
from caplex.compiler.testing import boundaries
from caplex.runtime.plan import Reading
from caplex.runtime.schema import Kind, Type

Group = Literal["rule", "condition", "boundary", "state"]
Where = Literal["when", "body", "trip", "waiver"]
MISSING = "denied for what is missing"
"""How a rule is violated that is there for what it reads: by the ranges of the facts, what is there keeps it."""


@dataclass(slots=True)
class Side:
    """One of the things to see at a place, and how often it was seen. *nearest*: how near a boundary came, where it was not seen."""

    what: str
    hits: int = 0
    nearest: tuple[Fraction, Fraction, Fraction] | None = None
    """Distance from the bound, what was measured, and the bound."""


@dataclass(slots=True)
class Site:
    """A place with its sides.

    Attributes:
        owner: Id of the rule, size or waiver, or the name of the setting.
        text: As written.
        left, right, operator: Of a boundary; of a condition *left* alone.
        kind: Unit of a boundary.
        where: Which part of its rule it belongs to: what is not judged is not seen.
        number: Which clause, override or step.
        fold: Of the boundary of a window: counts with a window one second shorter, as it is, and just longer.
    """

    owner: str
    group: Group
    text: str
    span: Span
    sides: tuple[Side, ...]
    where: Where = "body"
    left: Reading | None = None
    right: Reading | None = None
    operator: str = ""
    kind: Type = field(default_factory=lambda: Type(Kind.UNKNOWN))
    number: int = 0
    fold: tuple[Callable[..., Any], ...] = ()

    @property
    def covered(self) -> int:
        return sum(side.hits > 0 for side in self.sides)


class Unfused(Fused):
    """Gives no fast form: what is asked here is answered by the traced one."""

    def source(self) -> str:
        raise NotFusable("not wanted")


class Sites:
    """Everything that tests of *checked* should reach in the modules *aliases* (``""`` is the policy itself)."""

    def __init__(self, checked: CheckedModule, aliases: frozenset[str]) -> None:
        self.checked, self.aliases = checked, aliases
        self._ranges = Ranges(checked, knobs=True)
        self._builder = Builder(checked)
        self._graph = self._builder.run()
        self._slots = len(self._graph.slots)
        self._assembler = Assembler(self._graph, Unfused)
        self._wanted: list[tuple[Site, str, int | tuple[int, ...]]] = []
        self.all: list[Site] = []
        for info in checked.rules:
            if self.mine(info.id):
                self._rule(info)
        for waiver in checked.waivers.values():
            if self.mine(waiver.id):
                self._conditions(waiver.id, waiver.node.when, "waiver", whole=True)
                self._boundaries(waiver.id, waiver.node.when, "waiver")
        self._rest()
        self._link()

    def mine(self, qualified: str) -> bool:
        return qualified.rpartition(".")[0] in self.aliases

    # ── which there are ──────────────────────────────────────────────────────────────────────────────

    def _add(self, owner: str, group: Group, text: str, span: Span, *sides: str, where: Where = "body", number: int = 0) -> Site:
        site = Site(owner, group, text, span, tuple(map(Side, sides)), where, number=number)
        self.all.append(site)
        return site

    def _rule(self, info: RuleInfo) -> None:
        item = info.node
        head = replace(item.span, end=item.rule_id.span.end)
        if isinstance(item, ast.KillSwitch):
            self._switch(info.id, item)
            return
        reading = isinstance(item, ast.Rule) and isinstance(item.effect, ast.Require) and boundaries.certain(self._ranges, item.effect.condition) is True
        self._add(info.id, "rule", info.id, head, "kept", MISSING if reading else "violated")
        if item.when is not None:
            self._conditions(info.id, item.when, "when", whole=True)
            self._boundaries(info.id, item.when, "when")
        match item:
            case ast.Rule(effect=effect):
                self._conditions(info.id, effect.condition, "body", whole=False)
                self._boundaries(info.id, effect.condition, "body")
            case ast.Limit():
                for expr in (item.measure, item.bound):
                    self._conditions(info.id, expr, "body", whole=False)
                self._limit(info.id, item)
            case ast.Throttle():
                site = self._boundary(info.id, show(item.amount), item.amount.span, "<", Type(Kind.COUNT))
                node = next(rule for rule in self._graph.rules if rule.id == info.id)
                self._ask(site, "left", node.observed)
                self._ask(site, "right", node.bound)
                if not isinstance(item.window, ast.PerDay) and item.counters is None:
                    self._window(info.id, item, item.window)
            case ast.Cooldown():
                self._window(info.id, item, item.during)

    def _limit(self, owner: str, item: ast.Limit) -> None:
        if not isinstance(item.bound, ast.Unlimited):
            site = self._boundary(owner, show(item.bound), item.bound.span, BOUNDARY[item.boundary][1], self._type(item.measure))
            self._ask(site, "left", self._builder.expr(item.measure))
            self._ask(site, "right", self._builder.expr(item.bound))
        for expr in (item.measure, item.bound):
            self._boundaries(owner, expr, "body")

    def _switch(self, owner: str, item: ast.KillSwitch) -> None:
        head = replace(item.span, end=item.rule_id.span.end)
        self._add(owner, "rule", owner, head, "armed", "tripped")
        number = 0
        for clause in item.clauses:
            match clause:
                case ast.TripWhen() | ast.TripOnRule() | ast.TripOnCount():
                    text = " ".join(clause.span.text.split()).partition(" because ")[0]
                    self._add(owner, "state", text, clause.span, "trips", number=number)
                    if isinstance(clause, ast.TripWhen):
                        self._conditions(owner, clause.condition, "trip", whole=False)
                        self._boundaries(owner, clause.condition, "trip")
                    number += 1
                case ast.Rearm():
                    self._add(owner, "state", " ".join(clause.span.text.split()), clause.span, "re-armed", number=-1)

    def _rest(self) -> None:
        """Overrides, steps of sizes, labels of the answer."""
        for name, setting in self.checked.settings.items():
            if self.mine(name) and name in self._graph.settings:
                for number, override in enumerate(setting.overrides):
                    text = " ".join(override.node.span.text.split())
                    self._add(name, "state", text, override.node.span, "in force", number=number)
        for size in self.checked.sizes:
            if self.mine(size.id):
                self._size(size.id, size.node)
        if self.checked.answer is not None and "" in self.aliases:
            for number, label in enumerate(self.checked.answer.labels):
                self._add("answer", "state", label.label.text, label.span, "answered", number=number)
                if label.when is not None:
                    self._conditions("answer", label.when, "when", whole=False)

    def _size(self, owner: str, item: ast.Size) -> None:
        money: int | None = None
        for number, step in enumerate(item.steps):
            text = " ".join(step.span.text.split()).partition(" because ")[0]
            match step:
                case ast.SizeStart():
                    money = self._builder.expr(step.value)
                    self._ask(self._add(owner, "state", text, step.span, "gives the size", number=number), "left", money)
                case ast.SizeTimes():
                    assert money is not None
                    factor = self._builder.expr(step.value)
                    money = self._graph.add("mul", (money, factor), None, self._graph.types[money])
                    self._ask(self._add(owner, "state", text, step.span, "changes the size", number=number), "left", factor)
                case ast.SizeAtMost() if not isinstance(step.value, ast.Unlimited):
                    assert money is not None
                    bound = self._builder.expr(step.value)
                    site = self._boundary(owner, show(step.value), step.value.span, "<=", Type(Kind.MONEY), number=number)
                    self._ask(site, "left", money)
                    self._ask(site, "right", bound)
                    money = self._graph.add("min", (money, bound), None, self._graph.types[money])
                case ast.SizeAtLeast():
                    self._add(owner, "state", text, step.span, "met", "not met", number=number)

    def _conditions(self, owner: str, expr: ast.Expr, where: Where, *, whole: bool) -> None:
        for condition in boundaries.conditions(self.checked, expr, whole=whole):
            if boundaries.certain(self._ranges, condition) is not None:
                continue  # it has one side only
            site = self._add(owner, "condition", show(condition), condition.span, "true", "false", where=where)
            self._ask(site, "left", self._builder.expr(condition))

    def _boundaries(self, owner: str, expr: ast.Expr, where: Where) -> None:
        for each in boundaries.comparisons(self.checked, expr):
            if boundaries.certain(self._ranges, each) is not None:
                continue  # the facts see to it
            node = self._graph.nodes[self._builder.expr(each)]
            match each:
                case ast.Compare(operator=operator):
                    halves = [(each.right, each.left, operator, node.args)]
                case ast.InLast():
                    halves = [(each.window, each.window, "<", node.args)]
                case ast.Within():
                    low, high = (self._graph.nodes[arg] for arg in node.args)
                    halves = [(each.low, each.value, ">=", low.args), (each.high, each.value, "<=", high.args)]
            for bound, measure, operator, (left, right) in halves:
                if all(self._graph.nodes[side].op == "const" for side in (left, right)):
                    continue
                type_ = self._type(measure)
                if type_.kind in boundaries.STEPS or type_.kind is Kind.RATE:
                    site = self._boundary(owner, show(bound), each.span, operator, type_, where=where)
                    self._ask(site, "left", left)
                    self._ask(site, "right", right)

    def _boundary(self, owner: str, bound: str, span: Span, operator: str, type_: Type, *, where: Where = "body", number: int = 0) -> Site:
        below, above = (f"at {bound}", f"just above {bound}") if operator in boundaries.EXACT_IS_LOW else (f"just below {bound}", f"at {bound}")
        site = self._add(owner, "boundary", bound, span, below, above, where=where, number=number)
        site.operator, site.kind = operator, type_
        return site

    def _window(self, owner: str, item: ast.Throttle | ast.Cooldown, length: ast.Expr) -> None:
        """An event that a window just holds, and one that has just left it: how many there are in a window a second shorter, or just longer."""
        graph, builder = self._graph, self._builder
        section = self.checked.throttle_events[item.id]
        where = builder.events(section, self.checked.throttle_keys.get(item.id, ()), item.where)
        as_it_is, second = builder.expr(length), graph.const(boundaries.SECOND, Type(Kind.DURATION))
        # Longer by a nanosecond: it holds what is exactly as old as the window is long. What is older an engine forgets.
        longer = graph.const(1, Type(Kind.DURATION))
        lengths = (graph.add("sub", (as_it_is, second), None, Type(Kind.DURATION)), as_it_is, graph.add("add", (as_it_is, longer), None, Type(Kind.DURATION)))
        numbers = []
        for each in lengths:
            fold = Fold("count", section.name, "event", each, False, where, None)
            numbers.append(graph.add("fold", tuple(n for n in (each, where) if n is not None), fold, Type(Kind.COUNT)))
        text = show(length)
        site = self._add(owner, "boundary", text, length.span, f"an event just under {text} ago", f"an event {text} ago")
        site.kind = Type(Kind.DURATION)
        self._wanted.append((site, "fold", tuple(numbers)))

    def _type(self, expr: ast.Expr) -> Type:
        return self.checked.types.get(expr.id, Type(Kind.UNKNOWN))

    # ── compiled ─────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, site: Site, what: str, number: int | None) -> None:
        if number is not None:
            self._wanted.append((site, what, number))

    def _link(self) -> None:
        assert len(self._graph.slots) == self._slots, "what is watched reads nothing that the policy does not read"
        names: list[Any] = []
        for site, _, number in self._wanted:
            if isinstance(number, tuple):
                found = tuple(f"watch_{each}" for each in number)
                for each, name in zip(number, found, strict=True):
                    self._assembler.functions.append(self._assembler.traced.fold(name, each))
                names.append(found)
            else:
                names.append(self._assembler.name(number, site.owner, "watched"))
        generated = self._assembler.generate()
        scope = link(f"{self.checked.policy.name} watched", generated.traced, generated.traced_constants)
        for (site, what, _), name in zip(self._wanted, names, strict=True):
            setattr(site, what, tuple(map(scope.__getitem__, name)) if isinstance(name, tuple) else scope[name])

    def of(self, owner: str) -> Iterator[Site]:
        return (site for site in self.all if site.owner == owner)
