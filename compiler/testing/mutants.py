"""What somebody could get wrong: policies that differ from the tested one in one place.

Every mutant is a tree, so that it says something that an author could have written. How far a bound moves is said in
`moved` (docs/spec.md, CAP-MUT-2): a count or a second by one, anything else by a hundredth, but by one step at least.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.semantics.ranges import Ranges
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import Level, show_at
from caplex.compiler.syntax.printer import show
from caplex.compiler.syntax.rule_printer import show_action, show_rearm
from caplex.compiler.testing.rewrite import swapped, walk
from caplex.runtime.schema import Kind, Type

RULES: Final = (ast.Rule, ast.Limit, ast.Throttle, ast.Cooldown, ast.KillSwitch)
_COMPARED: Final = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
_BOUNDARY: Final[dict[str, Any]] = {"at most": "below", "below": "at most", "at least": "above", "above": "at least"}
_SECOND: Final = 10**9
_NUMBERS: Final = (ast.Number, ast.Money, ast.Percent, ast.BasisPoints, ast.Points, ast.Multiple, ast.Units)
_TIMES: Final = (ast.Duration, ast.Instant, ast.TimeOfDay)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A policy with one thing changed.

    Attributes:
        owner: Rule, size, waiver, setting or definition that is changed, by its qualified name.
        kind: What was done, in two words: ``bound moved``, ``rule dropped``.
        span: Place of what was changed.
        before, after: The line as it is, and as it would be; an empty *after* is left out altogether.
        old, new: What of it is changed.
        item: The item that is changed; *changed* what stands in its place, None for nothing.
        alias: Of its module.
    """

    owner: str
    kind: str
    span: Span
    before: str
    after: str
    alias: str
    old: str
    new: str
    item: ast.Item = field(repr=False)
    changed: ast.Item | None = field(repr=False)

    @property
    def place(self) -> str:
        return f"{self.span.source.name}:{self.span.begin.line}"


class Mutants:
    """The mutants of the modules *aliases* of a checked policy, in the order of their text."""

    def __init__(self, checked: CheckedModule, aliases: frozenset[str]) -> None:
        self.checked, self.aliases = checked, aliases
        self._alias, self._owner = "", ""
        self._item: ast.Item

    def __iter__(self) -> Iterator[Mutant]:
        for alias, module in self.checked.modules.items():
            if alias in self.aliases:
                self._alias = alias
                for item in module.items:
                    yield from self._of(item)

    def _of(self, item: ast.Item) -> Iterator[Mutant]:
        name = _name(item)
        if name is None:
            return
        self._owner = f"{self._alias}.{name}" if self._alias else name
        self._item = item
        match item:
            case ast.Setting():
                yield from self._setting(item)
            case ast.Use():
                for argument in item.arguments:
                    yield from self._literals(argument.value, f"setting {argument.name.text}")
            case ast.Let():
                yield from self._expression(item.value)
            case ast.Rule() | ast.Limit() | ast.Throttle() | ast.Cooldown() | ast.KillSwitch():
                yield self._dropped("rule dropped")
                yield from self._rule(item)
            case ast.Waiver():
                yield self._dropped("waiver dropped")
                yield from self._condition(item.when)
            case ast.Size():
                yield from self._size(item)
            case ast.Answer():
                for label in item.labels:
                    if label.when is not None:
                        yield from self._condition(label.when)

    # ── items ────────────────────────────────────────────────────────────────────────────────────────

    def _setting(self, item: ast.Setting) -> Iterator[Mutant]:
        yield from self._literals(item.value, "default moved")
        for override in item.overrides:
            yield self._gone(override, f"{override.kind} dropped")
            yield from self._literals(override.value, "override moved")
        for first, second in zip(item.overrides, item.overrides[1:], strict=False):
            both = tuple(replace(each, value=second.value) if each is first else replace(each, value=first.value) if each is second else each
                         for each in item.overrides)
            after = first.span.text.replace(first.value.span.text, second.value.span.text, 1)
            yield self._made("overrides swapped", first.span, after, replace(item, overrides=both))

    def _rule(self, item: ast.RuleItem) -> Iterator[Mutant]:
        if isinstance(item, ast.KillSwitch):
            yield from self._switch(item)
            return
        if item.when is not None:
            yield self._gone(item.when, "`when` dropped")
            yield from self._condition(item.when)
        match item:
            case ast.Rule(effect=effect):
                yield from self._condition(effect.condition)
                yield from self._effects(item)
            case ast.Limit():
                yield from self._limit(item)
            case ast.Throttle():
                yield from self._literals(item.amount, "count moved")
                if not isinstance(item.window, ast.PerDay):
                    yield from self._literals(item.window, "window moved")
                yield from self._keyed(item)
                if item.reserve is not None:
                    yield from self._literals(item.reserve, "reserve moved")
            case ast.Cooldown():
                yield from self._literals(item.during, "window moved")
                yield from self._keyed(item)

    def _keyed(self, item: ast.Throttle | ast.Cooldown) -> Iterator[Mutant]:
        for key in item.each:
            yield self._gone(key, "key dropped")
        if item.where is not None:
            yield self._gone(item.where, "`where` dropped")
            yield from self._condition(item.where)

    def _limit(self, item: ast.Limit) -> Iterator[Mutant]:
        between = Span(item.span.source, item.measure.span.end, item.bound.span.start)
        other = _BOUNDARY[item.boundary]
        yield self._made("comparison changed", between, f" {other} ", replace(item, boundary=other))
        yield from self._expression(item.measure)
        yield from self._expression(item.bound)
        behind = Span(item.span.source, item.bound.span.end, item.because.span.start if item.because else item.span.end - 1)
        behind = replace(behind, end=behind.start + len(behind.text.rpartition("because")[0] or behind.text))
        for breach in {"deny": ("warn",), "reduce": ("deny",), "hold": ("deny", "warn"), "warn": ("deny",)}[item.breach]:
            yield self._made("effect changed", _tight(behind), f"else {breach}", replace(item, breach=breach, approval=None))  # type: ignore[arg-type]

    def _effects(self, item: ast.Rule) -> Iterator[Mutant]:
        effect = item.effect
        more: dict[str, Any] = {"id": effect.id, "span": effect.span}
        condition, negated = effect.condition, ast.Not(id=-1, span=effect.condition.span, operand=effect.condition)
        found: list[tuple[str, ast.Effect]]
        match effect:
            case ast.Deny(opening_only=False):
                found = [("warn when", ast.Warn(condition=condition, **more)), ("deny opening when", replace(effect, opening_only=True))]
            case ast.Deny():
                found = [("deny when", replace(effect, opening_only=False)), ("warn when", ast.Warn(condition=condition, **more))]
            case ast.Require():
                found = [("warn when", ast.Warn(condition=negated, **more)), ("deny opening when", ast.Deny(condition=negated, opening_only=True, **more))]
            case ast.Hold():
                found = [("deny when", ast.Deny(condition=condition, **more)), ("warn when", ast.Warn(condition=condition, **more))]
            case ast.Warn():
                found = [("deny when", ast.Deny(condition=condition, **more))]
        for words, other in found:
            text = f"{words} {show(other.condition)}"
            yield self._made("effect changed", effect.span, text, replace(item, effect=other))

    def _switch(self, item: ast.KillSwitch) -> Iterator[Mutant]:
        for clause in item.clauses:
            match clause:
                case ast.TripWhen():
                    yield self._gone(clause, "trip dropped")
                    yield from self._condition(clause.condition)
                    if clause.confirm is not None:
                        yield self._gone(clause.confirm, "confirmation dropped")
                        yield from self._literals(clause.confirm.amount, "count moved")
                case ast.TripOnRule():
                    yield self._gone(clause, "trip dropped")
                case ast.TripOnCount():
                    yield self._gone(clause, "trip dropped")
                    yield from self._literals(clause.amount, "count moved")
                    yield from self._literals(clause.window, "window moved")
                case ast.WhileTripped(deny=deny):
                    other = replace(clause, deny="all" if deny == "opening" else "opening")
                    yield self._made("effect changed", clause.span, f"while tripped deny {other.deny}", swapped(item, clause, other))
                case ast.OnTrip() | ast.OnRearm():
                    word = "trip" if isinstance(clause, ast.OnTrip) else "rearm"
                    for action in clause.actions:
                        rest = tuple(each for each in clause.actions if each is not action)
                        after = f"on {word} {', '.join(map(show_action, rest))}" if rest else ""
                        yield self._made("duty dropped", clause.span, after, swapped(item, clause, replace(clause, actions=rest) if rest else None))
                case ast.Rearm():
                    yield from self._rearm(item, clause)

    def _rearm(self, item: ast.KillSwitch, clause: ast.Rearm) -> Iterator[Mutant]:
        for term in clause.terms:
            rest = tuple(each for each in clause.terms if each is not term)
            if rest:
                after = f"rearm {' and '.join(map(show_rearm, rest))}"
                yield self._made("rearm part dropped", clause.span, after, swapped(item, clause, replace(clause, terms=rest)))
            match term:
                case ast.RearmByRole(quorum=quorum):
                    yield from self._literals(quorum, "quorum moved")
                case ast.RearmDelay(delay=delay):
                    yield from self._literals(delay, "delay moved")
                case ast.RearmWhen(condition=condition):
                    yield from self._condition(condition)

    def _size(self, item: ast.Size) -> Iterator[Mutant]:
        for step in item.steps:
            if not isinstance(step, ast.SizeStart):
                yield self._gone(step, "step dropped")
            if not isinstance(step, ast.SizeInMargin):
                yield from self._expression(step.value)

    # ── expressions ──────────────────────────────────────────────────────────────────────────────────

    def _condition(self, expr: ast.Expr) -> Iterator[Mutant]:
        """Negated as a whole and in its operands, an operand dropped, and what `_expression` does."""
        for node in walk(expr, into=lambda each: isinstance(each, ast.Logic)):
            if isinstance(node, ast.Logic):
                other = "or" if node.operator == "and" else "and"
                text = f"{show_at(node.left, Level.AND)} {other} {show_at(node.right, Level.COMPARISON)}"
                yield self._made("connective changed", node.span, text, swapped(self._item, node, replace(node, operator=other)))  # type: ignore[arg-type]
                for kept, dropped in ((node.right, node.left), (node.left, node.right)):
                    yield replace(self._made("operand dropped", node.span, show(kept), swapped(self._item, node, kept)), old=show(dropped))
            else:
                yield self._negated(node)  # type: ignore[arg-type]
        yield from self._expression(expr)

    def _negated(self, node: ast.Expr) -> Mutant:
        new: ast.Expr
        match node:
            case ast.Not(operand=operand):
                new = operand
            case ast.Compare(operator=operator) if operator in ("==", "!="):
                new = replace(node, operator=_COMPARED[operator])  # type: ignore[arg-type]
            case ast.Among() | ast.IsKnown():
                new = replace(node, negated=not node.negated)
            case ast.SwitchIs(state=state):
                new = replace(node, state="armed" if state == "tripped" else "tripped")
            case _:
                new = ast.Not(id=-1, span=node.span, operand=node)
        return self._made("condition negated", node.span, show(new), swapped(self._item, node, new))

    def _expression(self, expr: ast.Expr) -> Iterator[Mutant]:
        """Comparisons changed, literals moved, in all of *expr*."""
        for node in walk(expr):
            if isinstance(node, ast.Compare) and node.operator not in ("==", "!="):
                new = replace(node, operator=_COMPARED[node.operator])  # type: ignore[arg-type]
                if not self._same(node, new):
                    yield self._made("comparison changed", node.span, show(new), swapped(self._item, node, new))
            elif isinstance(node, ast.ListOf):
                yield from self._members(node)
        yield from self._literals(expr, "bound moved")

    def _same(self, old: ast.Expr, new: ast.Expr) -> bool:
        """Whether the declared ranges settle both, and alike: then they mean the same wherever they can be read."""
        truth = Ranges(self.checked, knobs=True).truth(old)
        return truth is not None and Ranges(self.checked, knobs=True).truth(new) is truth

    def _members(self, node: ast.ListOf) -> Iterator[Mutant]:
        for member in node.items:
            rest = replace(node, items=tuple(each for each in node.items if each is not member))
            yield self._made("member dropped", node.span, show(rest), swapped(self._item, node, rest))

    def _literals(self, expr: ast.Expr, kind: str) -> Iterator[Mutant]:
        told = _no_bounds(expr)
        compared = {id(side): node for node in walk(expr) if isinstance(node, ast.Compare) for side in (node.left, node.right)}
        for node in walk(expr):
            if id(node) in told:
                continue
            whole = compared.get(id(node))
            if isinstance(node, (*_NUMBERS, *_TIMES)):
                for new in moved(node, self.checked.types.get(node.id), self.checked.policy.currency):
                    if whole is None or not self._same(whole, replace(whole, **{"left" if node is whole.left else "right": new})):
                        yield self._made(kind, node.span, show(new), swapped(self._item, node, new))
            elif isinstance(node, ast.ListOf) and expr is node:
                yield from self._members(node)

    # ── mutants ──────────────────────────────────────────────────────────────────────────────────────

    def _dropped(self, kind: str) -> Mutant:
        item = self._item
        head = replace(item.span, end=item.span.start + len(item.span.text.partition("\n")[0]))
        return Mutant(self._owner, kind, head, _line(head), "", self._alias, item.span.text, "", item, None)

    def _gone(self, node: ast.Node, kind: str) -> Mutant:
        made = self._made(kind, node.span, "", swapped(self._item, node, None))
        word = kind.removesuffix(" dropped").strip("`")
        return replace(made, after=f"without `{word} {made.old}`") if kind.startswith("`") else made

    def _made(self, kind: str, span: Span, text: str, changed: ast.Item) -> Mutant:
        line = _line(span)
        start = span.start - span.source.starts()[span.begin.line - 1]
        stop = start + len(span.text.partition("\n")[0])
        full = span.source.line(span.begin.line)
        after = (full[:start] + text + full[stop:]).strip() if text else ""
        old = " ".join(span.text.split())
        return Mutant(self._owner, kind, span, line, after if text else f"without `{old}`", self._alias, old, text.strip(), self._item, changed)


def _no_bounds(expr: ast.Expr) -> set[int]:
    """Literals that bound nothing: what is compared for being equal, and noughts that are added or stand in for what is absent."""
    found: set[int] = set()
    for node in walk(expr):
        match node:
            case ast.Compare(operator="==" | "!=", left=left, right=right):
                found |= {id(left), id(right)}
            case ast.Else(fallback=left) | ast.Arithmetic(operator="+" | "-", left=left):
                found |= {id(each) for each in (left, getattr(node, "right", left)) if _nought(each)}
    return found


def _nought(expr: ast.Expr) -> bool:
    return (isinstance(expr, ast.Money) and not expr.amount) or (isinstance(expr, ast.Duration) and not expr.nanoseconds) or (isinstance(expr, _NUMBERS) and not isinstance(expr, ast.Money) and not expr.value)


def _line(span: Span) -> str:
    return span.source.line(span.begin.line).strip()


def _tight(span: Span) -> Span:
    """Without the white space at its ends."""
    text = span.text
    return replace(span, start=span.start + len(text) - len(text.lstrip()), end=span.end - len(text) + len(text.rstrip()))


def _name(item: ast.Item) -> str | None:
    match item:
        case ast.Setting(name=name) | ast.Let(name=name):
            return name.text
        case ast.Rule() | ast.Limit() | ast.Throttle() | ast.Cooldown() | ast.KillSwitch() | ast.Waiver() | ast.Size():
            return item.rule_id.text
        case ast.Use() if item.arguments:
            return item.alias.text if item.alias is not None else str(item.target)
        case ast.Answer():
            return "answer"
    return None


# ── one step up, one step down ────────────────────────────────────────────────────────────────────────


def moved(node: Any, type_: Type | None, currency: str) -> list[Any]:
    """The literal *node* a little larger, and a little smaller."""
    if isinstance(node, _TIMES):
        grid = _SECOND if node.nanoseconds % _SECOND == 0 else 1_000_000
        return [replace(node, nanoseconds=node.nanoseconds + grid), *([replace(node, nanoseconds=node.nanoseconds - grid)] if node.nanoseconds >= grid else [])]
    value: Decimal = node.amount if isinstance(node, ast.Money) else node.value
    kind = type_.kind if type_ is not None else Kind.UNKNOWN
    if isinstance(node, ast.Number) and kind in (Kind.MONEY, Kind.PRICE):  # only 0 stands so
        cent = Decimal("0.01")
        return [ast.Money(id=node.id, span=node.span, amount=amount, currency=currency) for amount in (cent, -cent)]
    step = step_of(node, value, kind)
    name = "amount" if isinstance(node, ast.Money) else "value"
    return [replace(node, **{name: _plain(value + by)}) for by in (step, -step)]


def step_of(node: Any, value: Decimal, kind: Kind) -> Decimal:
    """A hundredth of *value*, on the grid of its unit: whole units and counts, cents, basis points."""
    if kind is Kind.COUNT:
        return Decimal(1)
    exponent = value.normalize().as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    if isinstance(node, ast.Units) or kind is Kind.QUANTITY:
        grid = Decimal(1).scaleb(-places)
    elif isinstance(node, ast.Number | ast.Multiple):
        grid = Decimal("0.0001")
    else:
        grid = Decimal(1) if isinstance(node, ast.BasisPoints) else Decimal("0.01")
    hundredth = abs(value) / 100
    return max(grid, (hundredth / grid).to_integral_value(ROUND_CEILING) * grid)


def _plain(value: Decimal) -> Decimal:
    """Without trailing zeros, and without an exponent."""
    found = value.normalize()
    exponent = found.as_tuple().exponent
    return found.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else found
