"""From a checked module to the rule graph: names become slots, lets and settings vanish, rules become rows."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from caplex.compiler.graph import allocations
from caplex.compiler.graph import rules as rows
from caplex.compiler.graph.ir import Fold, RuleGraph
from caplex.compiler.semantics.model import (
    CheckedModule,
    DerivedBinding,
    FieldBinding,
    LetBinding,
    MemberBinding,
    NowBinding,
    RowBinding,
    SettingBinding,
    SwitchBinding,
)
from caplex.compiler.syntax import ast
from caplex.runtime.plan import SlotSpec
from caplex.runtime.schema import Kind, SectionSpec, Type
from caplex.runtime.values import UNLIMITED

COMPARE = {"<": "lt", "<=": "le", "==": "eq", "!=": "ne", ">=": "ge", ">": "gt"}
ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div", "of": "mul"}
SCALES = {Kind.MONEY: 8, Kind.PRICE: 8, Kind.QUANTITY: 8, Kind.RATIO: 8, Kind.RATE: 8, Kind.COUNT: 0, Kind.DURATION: 0, Kind.INSTANT: 0, Kind.TIME: 0}
BOOL, COUNT, QUANTITY, MONEY = Type(Kind.BOOL), Type(Kind.COUNT), Type(Kind.QUANTITY), Type(Kind.MONEY)
DURATION, INSTANT, RATIO, TEXT = Type(Kind.DURATION), Type(Kind.INSTANT), Type(Kind.RATIO), Type(Kind.TEXT)
_UNKNOWN = Type(Kind.UNKNOWN)
BOOK = {
    "position": ("QUANTITY", 8), "base": ("QUANTITY", 8), "value": ("PRICE", 8), "order_value": ("PRICE", 8), "direction": ("COUNT", 0),
    "closing": ("QUANTITY", 8), "others_gross": ("MONEY", 16), "others_net": ("MONEY", 16), "held_gross": ("MONEY", 16),
    "held_net": ("MONEY", 16), "held_count": ("COUNT", 0), "committed_count": ("COUNT", 0), "side": ("TEXT", 0),
}
"""What `runtime.book` computes of positions and orders: unit and decimal places of each."""


def build(checked: CheckedModule) -> RuleGraph:
    """The rule graph of *checked*. Raises only on a bug of ours: the checks have passed."""
    graph = Builder(checked).run()
    graph.allocations = list(allocations.lay_out(checked, Builder))
    return graph


class Builder:
    """Translates expressions; `graph.rules` lays out the rows with it."""

    def __init__(self, checked: CheckedModule) -> None:
        self.checked = checked
        self.graph = RuleGraph(checked.policy, checked.schema)
        self._memo: dict[int, int] = {}
        self._derived: dict[str, int] = {}
        self._fields: dict[tuple[str, str, bool], int] = {}
        self._books: dict[str, int] = {}
        self._depth = 0

    def run(self) -> RuleGraph:
        rows.lay_out(self)
        return self.graph

    # ── expressions ──────────────────────────────────────────────────────────────────────────────────

    def expr(self, node: ast.Expr) -> int:
        """Number of the graph node of *node*."""
        if self._depth:  # inside an aggregate the same read may mean another row
            return self._translate(node)
        found = self._memo.get(node.id)
        if found is None:
            found = self._memo[node.id] = self._translate(node)
        return found

    def optional(self, node: ast.Expr | None) -> int | None:
        return None if node is None else self.expr(node)

    def type_of(self, node: ast.Expr) -> Type:
        return self.checked.types.get(node.id, _UNKNOWN)

    def _translate(self, node: ast.Expr) -> int:
        work = _BY_CLASS.get(node.__class__)
        type_ = self.checked.types.get(node.id, _UNKNOWN)
        return self._translate_rest(node, type_) if work is None else work(self, node, type_)

    def _arithmetic(self, node: ast.Arithmetic, type_: Type) -> int:
        return self.graph.add(ARITHMETIC[node.operator], (self.expr(node.left), self.expr(node.right)), None, type_)

    def _logic(self, node: ast.Logic, _: Type) -> int:
        return self.graph.add(node.operator, (self.expr(node.left), self.expr(node.right)), None, BOOL)

    def _compare(self, node: ast.Compare, _: Type) -> int:
        return self.graph.add(COMPARE[node.operator], (self.expr(node.left), self.expr(node.right)), None, BOOL)

    def _translate_rest(self, node: ast.Expr, type_: Type) -> int:
        graph = self.graph
        match node:
            case ast.Negate():
                return graph.add("neg", (self.expr(node.operand),), None, type_)
            case ast.Not():
                return graph.add("not", (self.expr(node.operand),), None, BOOL)
            case ast.Within():
                value = self.expr(node.value)
                low = graph.add("ge", (value, self.expr(node.low)), None, BOOL)
                return graph.add("and", (low, graph.add("le", (value, self.expr(node.high)), None, BOOL)), None, BOOL)
            case ast.Among():
                inside = graph.add("in", (self.expr(node.value), self.expr(node.collection)), None, BOOL)
                return graph.add("not", (inside,), None, BOOL) if node.negated else inside
            case ast.IsKnown():
                known = graph.add("known", (self.bare(node.value),), None, BOOL)
                return graph.add("not", (known,), None, BOOL) if node.negated else known
            case ast.IsMultiple():
                return graph.add("multiple", (self.expr(node.value), self.expr(node.of)), None, BOOL)
            case ast.Else():
                return graph.add("else", (self.bare(node.value), self.expr(node.fallback)), None, type_)
            case ast.If():
                args = (self.expr(node.condition), self.expr(node.then), self.expr(node.otherwise))
                return graph.add("if", args, None, type_)
            case ast.InLast():
                age = graph.add("sub", (self.now(), self.expr(node.value)), None, DURATION)
                return graph.add("lt", (age, self.expr(node.window)), None, BOOL)
            case ast.Today():
                start = graph.slot(SlotSpec("book", "day_start", scale=0), INSTANT)
                return graph.add("ge", (self.expr(node.value), start), None, BOOL)
            case ast.SwitchIs():
                return self.switch_is(self.checked.references[node.switch.id], node.state)
            case ast.Aggregate():
                return self._aggregate(node, type_)
        raise AssertionError(f"no translation for {type(node).__name__}")

    def now(self) -> int:
        return self.graph.slot(SlotSpec("now", "now", scale=0), INSTANT)

    def switch_is(self, switch: str, state: str) -> int:
        slot = self.graph.slot(SlotSpec("switch", switch), TEXT)
        return self.graph.add("eq", (slot, self.graph.const(state, TEXT)), None, BOOL)

    def _set(self, node: ast.ListOf) -> int:
        items = [self.expr(item) for item in node.items]
        kinds = [self.graph.nodes[item] for item in items]
        if all(kind.op == "const" for kind in kinds):
            return self.graph.const(frozenset(kind.payload for kind in kinds), self.type_of(node))
        return self.graph.add("set", tuple(items), None, self.type_of(node))

    def _call(self, node: ast.Call, type_: Type) -> int:
        graph, name = self.graph, node.function.text
        if name == "clamp":
            value, span = node.arguments
            assert isinstance(span, ast.Interval)
            assert not isinstance(value, ast.Interval)
            low, high = self.expr(span.low), self.expr(span.high)
            return graph.add("min", (graph.add("max", (self.expr(value), low), None, type_), high), None, type_)
        args = [self.expr(a) for a in node.arguments if not isinstance(a, ast.Interval)]
        if name == "abs":
            return graph.add("abs", (args[0],), None, type_)
        assert name in ("max", "min"), name
        result = args[0]
        for arg in args[1:]:
            result = graph.add(name, (result, arg), None, type_)
        return result

    # ── reads ────────────────────────────────────────────────────────────────────────────────────────

    def bare(self, node: ast.Expr) -> int:
        """A reading whose absence may be seen: under `else` and `is known`."""
        binding = self.checked.bindings.get(node.id) if isinstance(node, ast.Read) else None
        match binding:
            case LetBinding():
                return self.bare(binding.value)
            case FieldBinding():
                return self._field(binding, optional=binding.field.optional)
            case RowBinding():
                return self.graph.add("row", (), (binding.variable, binding.field.name), binding.field.type)
        return self.expr(node)

    def read(self, node: ast.Read) -> int:
        graph, binding = self.graph, self.checked.bindings[node.id]
        match binding:
            case LetBinding():
                return self.expr(binding.value)
            case SettingBinding():
                return self.setting(binding.name)
            case MemberBinding():
                return graph.const(binding.value, self.type_of(node))
            case NowBinding():
                return self.now()
            case DerivedBinding():
                return self.derived(binding.name)
            case RowBinding():
                row = graph.add("row", (), (binding.variable, binding.field.name), binding.field.type)
                return graph.add("need", (row,), None, binding.field.type) if binding.field.optional else row
            case SwitchBinding():
                return graph.slot(SlotSpec("switch", binding.switch), TEXT)
            case FieldBinding():
                return self._field(binding)
        raise AssertionError(f"a bare section is no value: {node.name}")

    def _field(self, binding: FieldBinding, *, optional: bool = False) -> int:
        if binding.key is not None:
            return self._field_of(binding, optional)
        place = binding.section.name, binding.field.name, optional
        found = self._fields.get(place)
        if found is None:
            found = self._fields[place] = self._field_of(binding, optional)
        return found

    def _field_of(self, binding: FieldBinding, optional: bool) -> int:
        section, field = binding.section.name, binding.field
        if section == "counters":
            return self.graph.slot(SlotSpec("counter", field.name, scale=0), COUNT)
        if binding.key is None:
            special = {"intent.quantity": "intent.quantity", "position.quantity": "position.quantity", "intent.side": "intent.side"}
            if field.path in special:
                return self.derived(special[field.path])
        scale = SCALES.get(field.type.kind)
        spec = SlotSpec("field", field.name, section, scale=scale, optional=optional)
        if binding.key is not None:
            key = self.graph.nodes[self.expr(binding.key)]
            if key.op == "const":
                spec = replace(spec, key_text=str(key.payload))
            else:
                assert key.op == "slot", "the key of a row is a text or a field"
                spec = replace(spec, key_slot=key.payload)
        return self.graph.slot(spec, field.type)

    def setting(self, name: str) -> int:
        info = self.checked.settings[name]
        self.graph.settings[name] = info
        # A number stays a slot, though nothing overrides it: what another value would do can then be tried (`runtime.remedies`).
        if not info.overrides and not isinstance(info.value, Fraction):
            return self.graph.const(UNLIMITED if info.value is None else info.value, info.type)
        for override in info.overrides:
            for dimension, _ in override.scopes:
                self.dimension(dimension)
        return self.graph.slot(SlotSpec("setting", name, scale=SCALES.get(info.type.kind)), info.type)

    def dimension(self, name: str) -> int:
        """Slot index of what a scope compares: a field of the intent, or an input."""
        section, _, field = name.rpartition(".")
        if not section:
            section, field = ("intent", name) if self.graph.schema.field("intent", name) else (name, "value")
        spec = self.graph.schema.field(section, field)
        if spec is None:  # an enumeration that is the only field of its section: `regime bear`
            spec = next(iter(self.graph.schema.sections[section].fields.values()))
        number = self.graph.slot(SlotSpec("field", spec.name, section, scale=SCALES.get(spec.type.kind), optional=spec.optional), spec.type)
        return int(self.graph.nodes[number].payload)

    def book(self, name: str) -> int:
        found = self._books.get(name)
        if found is not None:
            return found
        type_, scale = BOOK[name]
        found = self._books[name] = self.graph.slot(SlotSpec("book", name, scale=None if type_ == "TEXT" else scale), Type(Kind[type_]))
        return found

    def derived(self, name: str) -> int:
        """A computed field, by the formulas of docs/spec.md (CAP-DERIVED)."""
        found = self._derived.get(name)
        if found is None:
            found = self._derived[name] = self._derive(name)
        return found

    def _derive(self, name: str) -> int:
        graph = self.graph
        size = graph.add("size", (), None, QUANTITY)

        def times(a: int, b: int, unit: Type = MONEY) -> int:
            return graph.add("mul", (a, b), None, unit)

        def plus(a: int, b: int, unit: Type = MONEY) -> int:
            return graph.add("add", (a, b), None, unit)

        leg, root, field = name.partition(".")[0], name.rpartition(".")[0], name.rpartition(".")[2]
        if leg == "intent":
            return self._intent(field, size)
        if leg == "permitted":
            permitted = graph.slot(SlotSpec("permitted", "permitted", scale=8), QUANTITY)
            if field in ("opening", "closing"):
                return self._intent(field, permitted)
            if root == "permitted":
                return permitted
            filled = plus(self.book("position"), times(self.book("direction"), permitted, QUANTITY), QUANTITY)
            return filled if field == "quantity" else times(filled, self.book("value"))
        if leg in ("position", "portfolio"):
            held = {"position.quantity": "position", "portfolio.gross": "held_gross", "portfolio.net": "held_net", "portfolio.positions": "held_count"}
            return times(self.book("position"), self.book("value")) if name == "position.notional" else self.book(held[name])
        if leg == "account":
            return self._account(field)
        base = self.book("base")
        after = base if leg == "committed" else plus(base, times(self.book("direction"), size, QUANTITY), QUANTITY)
        if field == "quantity":
            return after
        if field == "positions":
            return self.book("committed_count")
        notional = times(after, self.book("value"))
        if field == "notional":
            return notional
        others = self.book("others_gross" if field == "gross" else "others_net")
        return plus(others, graph.add("abs", (notional,), None, MONEY) if field == "gross" else notional)

    def _intent(self, field: str, size: int) -> int:
        graph, closing = self.graph, self.book("closing")
        if field == "side":
            return self.book("side")
        if field == "notional":
            return graph.add("mul", (size, self.book("order_value")), None, MONEY)
        if field == "opening":
            return graph.add("max", (graph.add("sub", (size, closing), None, QUANTITY), graph.const(0, QUANTITY)), None, QUANTITY)
        if field == "closing":
            return graph.add("min", (size, closing), None, QUANTITY)
        assert field == "quantity", field
        return size

    def _account(self, field: str) -> int:
        graph = self.graph

        def money(name: str, *, optional: bool = False) -> int:
            return graph.slot(SlotSpec("field", name, "account", scale=8, optional=optional), MONEY)

        if field == "drawdown":
            peak = money("peak_equity")
            return graph.add("div", (graph.add("sub", (peak, money("equity")), None, MONEY), peak), None, RATIO)
        assert field == "day_loss", field
        flows = graph.add("else", (money("net_flows_today", optional=True), graph.const(0, MONEY)), None, MONEY)
        start = graph.add("add", (money("day_start_equity"), flows), None, MONEY)
        return graph.add("sub", (start, money("equity")), None, MONEY)

    # ── aggregates ───────────────────────────────────────────────────────────────────────────────────

    def _aggregate(self, node: ast.Aggregate, type_: Type) -> int:
        section = self.checked.aggregates[node.id]
        window = self.optional(node.last)
        self._depth += 1
        variable = node.variable.text if node.variable else "event"
        row = isinstance(node.body, ast.Read) and node.body.name == variable and not node.body.steps
        where, body = self.optional(node.where), None if row else self.optional(node.body)
        if node.function.text == "any" and body is None:  # `any(p for p in positions where …)`
            where, body = None, where
        self._depth -= 1
        fold = Fold(node.function.text, section.name, variable, window, node.today, where, body)
        return self.fold(fold, type_, slot=self._depth == 0)

    def fold(self, fold: Fold, type_: Type, *, slot: bool = True) -> int:
        """A fold is a slot of its own, filled when facts are bound; inside another fold it stays an expression."""
        args = tuple(n for n in (fold.window, fold.where, fold.body) if n is not None)
        number = self.graph.add("fold", args, fold, type_)
        if not slot:
            return number
        spec = SlotSpec("fold", f"{fold.function} {fold.section}", scale=SCALES.get(type_.kind, 8) and 16, fold=number, optional=fold.function == "last")
        if type_.kind not in SCALES:
            spec = replace(spec, scale=None)
        return self.graph.slot(spec, type_)

    def events(self, section: SectionSpec, keys: tuple[tuple[str, ast.Read], ...], where: ast.Expr | None) -> int | None:
        """The filter of a throttle or cooldown: equal on every key, and the `where`."""
        self._depth += 1
        parts = []
        for field, read in keys:
            spec = section.fields[field]
            row = self.graph.add("row", (), ("event", field), spec.type)
            row = self.graph.add("need", (row,), None, spec.type) if spec.optional else row
            parts.append(self.graph.add("eq", (row, self.expr(read)), None, BOOL))
        if where is not None:
            parts.append(self.expr(where))
        self._depth -= 1
        result = None
        for part in parts:
            result = part if result is None else self.graph.add("and", (result, part), None, BOOL)
        return result


# What most expressions are, by class; `_translate_rest` has the others.
_BY_CLASS: Final[dict[type, Callable[[Builder, Any, Type], int]]] = {
    **dict.fromkeys((ast.Number, ast.Units, ast.Multiple), lambda builder, node, type_: builder.graph.const(Fraction(node.value), type_)),
    ast.Money: lambda builder, node, type_: builder.graph.const(Fraction(node.amount), type_),
    **dict.fromkeys((ast.Percent, ast.Points), lambda builder, node, type_: builder.graph.const(Fraction(node.value) / 100, type_)),
    ast.BasisPoints: lambda builder, node, type_: builder.graph.const(Fraction(node.value) / 10_000, type_),
    **dict.fromkeys((ast.Duration, ast.Instant, ast.TimeOfDay), lambda builder, node, type_: builder.graph.const(Fraction(node.nanoseconds), type_)),
    ast.Date: lambda builder, node, type_: builder.graph.const(node.iso, type_),
    **dict.fromkeys((ast.Text, ast.Bool), lambda builder, node, type_: builder.graph.const(node.value, type_)),
    ast.Unlimited: lambda builder, _, type_: builder.graph.const(UNLIMITED, type_),
    ast.ListOf: lambda builder, node, _: builder._set(node),
    ast.Read: lambda builder, node, _: builder.read(node),
    ast.Arithmetic: Builder._arithmetic,
    ast.Logic: Builder._logic,
    ast.Compare: Builder._compare,
    ast.Call: Builder._call,
}
