"""Which name stands where: every word of a tree that means something declared elsewhere, and what it means.

Names are looked up again, by scope, rather than taken from the checker's tables alone: so they are found in a tree with
errors too, and in places that need no checking, such as the id of a rule.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from caplex.compiler.lsp.document import Analysis
from caplex.compiler.semantics import builtins
from caplex.compiler.semantics.model import MemberBinding
from caplex.compiler.semantics.symbols import Scope, _default_alias
from caplex.compiler.source import Source, Span
from caplex.compiler.syntax import ast
from caplex.runtime.schema import SectionSpec

What = Literal["setting", "let", "rule", "waiver", "size", "alias", "section", "field", "derived", "variable", "member", "word", "pack", "family", "test", "policy"]
RULES = ast.Rule | ast.Limit | ast.Throttle | ast.Cooldown | ast.KillSwitch


@dataclass(frozen=True, slots=True)
class Symbol:
    """Something with a name. Two are equal if they are the same thing, also in trees of their own.

    Attributes:
        name: As its file calls it; a field with its section.
        home: Name of the source that declares it; empty if no file does.
        place: Of the declared name.
        prefix: How the policy that was checked calls the module: ``sanity.``.
        item: What declares it.
    """

    what: What
    name: str
    home: str = ""
    place: Span | None = field(default=None, compare=False)
    prefix: str = field(default="", compare=False)
    item: ast.Node | None = field(default=None, compare=False)
    row: SectionSpec | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A name in a text. *node* is the expression that it is all or the end of, for its type."""

    span: Span
    symbol: Symbol
    declares: bool = False
    node: ast.Node | None = None


@cache
def language() -> ast.Module:
    """The facts that the language declares, as a tree."""
    from importlib.resources import files

    from caplex.compiler.syntax.parser import parse

    text = files("caplex.grammar").joinpath("facts.cap").read_text(encoding="utf-8")
    module, _ = parse(Source("facts.cap", text))
    assert module is not None
    return module


@cache
def _slots(kind: Any) -> tuple[str, ...]:
    return tuple(name for each in kind.__mro__ for name in getattr(each, "__slots__", ()) if name not in ("id", "span", "target_span"))


def parts(node: ast.Node) -> Iterator[ast.Node]:
    """The nodes directly inside *node*, in the order of its fields."""
    for name in _slots(node.__class__):  # type: ignore[arg-type]  # nodes are compared by content, their classes by identity
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            yield value
        elif value.__class__ is tuple:
            for each in value:
                if isinstance(each, ast.Node):
                    yield each
                elif each.__class__ is tuple:
                    yield from (inner for inner in each if isinstance(inner, ast.Node))


class Names:
    """Names in the files of one analysis. Items are walked when they are first asked about."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.schema = analysis.schema()
        self._of: dict[int, list[Occurrence]] = {}
        self._declared: dict[str, tuple[Span, ast.Node]] | None = None

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────

    def at(self, offset: int) -> Occurrence | None:
        """The name at *offset* of the file, or just before it; of several the shortest."""
        item = self.analysis.item_at(offset)
        if item is None or self.analysis.scope is None:
            return None
        found = [each for each in self.of(item, self.analysis.scope) if each.span.start <= offset <= each.span.end]
        return min(found, key=lambda each: (each.span.end - each.span.start, each.span.start != offset), default=None)

    def of(self, item: ast.Item | ast.Header, scope: Scope) -> list[Occurrence]:
        found = self._of.get(item.id)
        if found is None:
            found = self._of[item.id] = list(_Walk(self, scope).item(item))
        return found

    def own(self) -> Iterator[Occurrence]:
        """Every name in the file itself."""
        if self.analysis.scope is not None:
            yield from self._all(self.analysis.scope, self.analysis.items, self.analysis.header)

    def everywhere(self) -> Iterator[Occurrence]:
        """Every name in the file, and in what was checked with it."""
        for scope in self.analysis.scopes():
            yield from self._all(scope, scope.module.items, scope.module.header)

    def _all(self, scope: Scope, items: tuple[ast.Item, ...], header: ast.Header | None) -> Iterator[Occurrence]:
        if header is not None:
            yield from self.of(header, scope)
        for item in items:
            yield from self.of(item, scope)

    # ── what a name means ────────────────────────────────────────────────────────────────────────────

    def in_scope(self, scope: Scope, name: str) -> Symbol | None:
        """What *name* is among the names of a module."""
        home, prefix = scope.module.span.source.name, scope.prefix
        if name in scope.settings:
            item: ast.Node = scope.settings[name]
            return Symbol("setting", name, home, scope.settings[name].name.span, prefix, item)
        if name in scope.lets:
            return Symbol("let", name, home, scope.lets[name].name.span, prefix, scope.lets[name])
        if name in scope.imports:
            return self.alias(scope, scope.imports[name].use, name)
        return None

    def alias(self, scope: Scope, use: ast.Use | None, name: str) -> Symbol:
        place = None if use is None else use.alias.span if use.alias is not None else use.target_span
        return Symbol("alias", name, scope.module.span.source.name, place, scope.prefix, use)

    def rule(self, scope: Scope, name: str) -> Symbol | None:
        home = scope.module.span.source.name
        if name in scope.rules:
            return Symbol("rule", name, home, scope.rules[name].rule_id.span, scope.prefix, scope.rules[name])
        if name in scope.waivers:
            return Symbol("waiver", name, home, scope.waivers[name].rule_id.span, scope.prefix, scope.waivers[name])
        if name in scope.sizes:
            return Symbol("size", name, home, scope.sizes[name].rule_id.span, scope.prefix, scope.sizes[name])
        return None

    def section(self, name: str) -> Symbol | None:
        if name in self.schema.sections:
            place, item = self._declaration(name)
            return Symbol("section", name, "" if place is None else place.source.name, place, item=item, row=self.schema.sections[name])
        return Symbol("section", name) if any(each.startswith(name + ".") for each in builtins.DERIVED) else None

    def field(self, section: str, name: str) -> Symbol | None:
        path = f"{section}.{name}"
        if self.schema.field(section, name) is not None:
            place, item = self._declaration(path)
            return Symbol("field", path, "" if place is None else place.source.name, place, item=item)
        if path in builtins.DERIVED or any(each.name == path for row in builtins.ROW_DERIVED.values() for each in row):
            return Symbol("derived", path)
        return None

    def module(self, target: Scope) -> Symbol:
        source = target.module.span.source
        return Symbol("pack", target.identity, source.name, Span(source, 0, 0), target.prefix, target.module)

    def _declaration(self, path: str) -> tuple[Span | None, ast.Node | None]:
        """Where a section (``account``) or a field (``account.equity``) is declared: by the policy, or by the language."""
        if self._declared is None:
            self._declared = {}
            for module in (*(scope.module for scope in self.analysis.scopes()), language()):
                for item in module.items:
                    if isinstance(item, ast.InputRecord):
                        # What the language declares counts before what a policy adds to it.
                        if module is language() or item.name.text not in _sections():
                            self._declared.setdefault(item.name.text, (item.name.span, item))
                        for each in item.fields:
                            self._declared.setdefault(f"{item.name.text}.{each.name.text}", (each.name.span, each))
                    elif isinstance(item, ast.InputScalar):
                        self._declared.setdefault(item.field.name.text, (item.field.name.span, item))
                        self._declared.setdefault(f"{item.field.name.text}.value", (item.field.name.span, item))
        return self._declared.get(path, (None, None))


@cache
def _sections() -> frozenset[str]:
    return frozenset(item.name.text for item in language().items if isinstance(item, ast.InputRecord))


class _Walk:
    """Names of one item, in the order of its parts."""

    def __init__(self, names: Names, scope: Scope) -> None:
        self.names = names
        self.scope = scope
        self.home = scope.module.span.source.name
        self.rows: Mapping[str, SectionSpec | None] = {}
        self.columns: frozenset[str] = frozenset()
        self.bindings = names.analysis.checked.bindings if names.analysis.checked is not None else {}

    def item(self, item: ast.Item | ast.Header) -> Iterator[Occurrence]:
        match item:
            case ast.Header():
                yield self._declares(item.name, "policy", item)
            case ast.Use():
                yield from self._use(item)
                return
            case ast.Setting():
                yield self._declares(item.name, "setting", item)
            case ast.Let():
                yield self._declares(item.name, "let", item)
            case ast.Waiver():
                yield self._declares(item.rule_id, "waiver", item)
            case ast.Size():
                yield self._declares(item.rule_id, "size", item)
            case ast.Rule() | ast.Limit() | ast.Throttle() | ast.Cooldown() | ast.KillSwitch():
                yield self._declares(item.rule_id, "rule", item)
            case ast.InputRecord():
                yield from self._inputs(item)
            case ast.InputScalar():
                symbol = self.names.section(item.field.name.text)
                if symbol is not None:
                    yield Occurrence(item.field.name.span, symbol, True)
            case ast.Test():
                tables = [step for step in item.steps if isinstance(step, ast.EachRow)]
                self.columns = frozenset(name.text for table in tables for name in table.columns)
            case _:
                pass
        yield from self._inside(item)

    def _declares(self, name: ast.Name, what: What, item: ast.Node) -> Occurrence:
        home = name.span.source.name
        return Occurrence(name.span, Symbol(what, name.text, home, name.span, self.scope.prefix, item), True)

    def _inputs(self, item: ast.InputRecord) -> Iterator[Occurrence]:
        section = self.names.section(item.name.text)
        if section is not None:
            yield Occurrence(item.name.span, section, section.place is not None and section.place == item.name.span and section.home == self.home)
        for each in item.fields:
            field_ = self.names.field(item.name.text, each.name.text)
            if field_ is not None:
                yield Occurrence(each.name.span, field_, field_.home == self.home and field_.place == each.name.span)

    def _use(self, use: ast.Use) -> Iterator[Occurrence]:
        alias = use.alias.text if use.alias is not None else _default_alias(use.target)
        target = self.scope.imports.get(alias) if alias is not None else None
        if target is not None and target.use is use:
            yield Occurrence(use.target_span, self.names.module(target), node=use)
        if use.alias is not None:
            yield Occurrence(use.alias.span, self.names.alias(self.scope, use, use.alias.text), True)
        for argument in use.arguments:
            setting = self.names.in_scope(target, argument.name.text) if target is not None else None
            if setting is not None:
                yield Occurrence(argument.name.span, setting)
            yield from self._inside(argument)

    def _inside(self, node: ast.Node) -> Iterator[Occurrence]:
        for part in parts(node):
            yield from self._node(part, node)

    def _node(self, node: ast.Node, parent: ast.Node) -> Iterator[Occurrence]:
        match node:
            case ast.Read():
                yield from self._read(node)
            case ast.Reference():
                yield from self._reference(node)
            case ast.Name():
                yield from self._word(node, parent)
            case ast.Aggregate():
                yield from self._aggregate(node)
                return
            case _:
                pass
        yield from self._inside(node)

    def _word(self, name: ast.Name, parent: ast.Node) -> Iterator[Occurrence]:
        """Names that are neither read nor declared: families, functions, actions, dimensions, events."""
        match parent:
            case ast.Call() | ast.Aggregate() if name is parent.function:
                yield Occurrence(name.span, Symbol("word", name.text), node=parent)
            case ast.Attributes() if name not in (parent.code, parent.outcome):
                yield Occurrence(name.span, Symbol("word", name.text))
            case ast.Throttle() if name is parent.events:
                yield Occurrence(name.span, Symbol("word", name.text))
            case ast.TripOnCount() if name is parent.events:
                yield Occurrence(name.span, Symbol("word", name.text))
            case ast.ForEach() | ast.ForOne() | ast.OverridesBy() | ast.Scope():
                if name.text in builtins.DIMENSIONS:
                    yield Occurrence(name.span, Symbol("word", name.text))
            case _:
                pass
        if isinstance(parent, ast.Stages | ast.ClosingSkips) or (isinstance(parent, ast.TripOnCount) and name in parent.families):
            yield Occurrence(name.span, Symbol("family", name.text, self.home))

    def _reference(self, node: ast.Reference) -> Iterator[Occurrence]:
        scope: Scope | None = self.scope
        start = node.span.start
        if node.alias is not None:
            end = start + len(node.alias)
            scope = self.scope.imports.get(node.alias)
            if scope is not None:
                yield Occurrence(Span(node.span.source, start, end), self.names.alias(self.scope, scope.use, node.alias))
            start = end + 1
        found = self.names.rule(scope, node.rule) if scope is not None else None
        if found is not None:
            yield Occurrence(Span(node.span.source, start, node.span.end), found)

    def _aggregate(self, node: ast.Aggregate) -> Iterator[Occurrence]:
        yield from self._word(node.function, node)
        yield from self._node(node.source, node)
        if node.last is not None:
            yield from self._node(node.last, node)
        row = self.row_of(node)
        variable = node.variable.text if node.variable is not None else "event"
        before, self.rows = self.rows, {**self.rows, variable: row}
        if node.variable is not None:
            yield Occurrence(node.variable.span, Symbol("variable", variable, self.home, node.variable.span, row=row), True)
        for part in (node.body, node.where):
            if part is not None:
                yield from self._node(part, node)
        self.rows = before

    def row_of(self, node: ast.Aggregate) -> SectionSpec | None:
        name = node.source.name if isinstance(node.source, ast.Read) else ""
        return self.names.schema.sections.get(builtins.EVENTS.get(name, name) if node.last or node.today or name != "orders" else name)

    def _read(self, node: ast.Read) -> Iterator[Occurrence]:
        source, start = node.span.source, node.span.start
        head = Span(source, start, start + len(node.name))
        ends = [(step.name, Span(source, step.span.end - len(step.name), step.span.end)) for step in node.steps if isinstance(step, ast.FieldStep)]
        keyed = any(isinstance(step, ast.RowStep) for step in node.steps)
        if node.name in self.rows or (node.name == "event" and ends):
            yield from self._variable(node, head, ends)
            return
        if isinstance(self.bindings.get(node.id), MemberBinding):
            yield Occurrence(head, Symbol("member", node.name), node=node)
            return
        if node.name in self.columns:
            return
        if not ends and not keyed:
            found = self.names.in_scope(self.scope, node.name) or self._single(node.name)
            if found is not None:
                yield Occurrence(head, found, node=node)
            return
        scope, places = self.scope, [(node.name, head), *ends]
        while len(places) > 1 and places[0][0] in scope.imports and not keyed:
            below = scope.imports[places[0][0]]
            yield Occurrence(places[0][1], self.names.alias(scope, below.use, places[0][0]))
            scope, places = below, places[1:]
        if scope is not self.scope:
            found = self.names.in_scope(scope, places[0][0])
            if found is not None:
                yield Occurrence(places[0][1], found, node=node)
            return
        section = self.names.section(node.name)
        if section is not None:
            yield Occurrence(head, section)
        if ends:
            path = ".".join([node.name, *(name for name, _ in ends[:-1])])
            found = self.names.field(path, ends[-1][0])
            if found is not None:
                yield Occurrence(ends[-1][1], found, node=node)

    def _single(self, name: str) -> Symbol | None:
        section = self.names.schema.sections.get(builtins.EVENTS.get(name, name))
        if section is not None and section.scalar:
            return self.names.field(name, "value")
        if name in builtins.DIMENSIONS:
            return Symbol("word", name)
        if section is not None:
            return self.names.section(section.name)
        return Symbol("word", name) if name == "now" or name in builtins.TOLD else None

    def _variable(self, node: ast.Read, head: Span, ends: list[tuple[str, Span]]) -> Iterator[Occurrence]:
        row = self.rows.get(node.name)
        checked = self.names.analysis.checked
        if row is None and checked is not None and (bound := checked.bindings.get(node.id)) is not None:
            row = getattr(bound, "section", None)
        yield Occurrence(head, Symbol("variable", node.name, self.home, row=row))
        found = self.names.field(row.name, ends[-1][0]) if row is not None and ends else None
        if found is not None:
            yield Occurrence(ends[-1][1], found, node=node)
