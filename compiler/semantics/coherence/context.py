"""What the checks share: shapes, ranges, what an expression reads, and when two expressions are the same."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from caplex.compiler.diagnostics.diagnostic import Diagnostic, Level
from caplex.compiler.semantics.model import (
    CheckedModule,
    DerivedBinding,
    FieldBinding,
    LetBinding,
    MemberBinding,
    NowBinding,
    RowBinding,
    RuleInfo,
    SettingBinding,
    SwitchBinding,
)
from caplex.compiler.semantics.ranges import Ranges
from caplex.compiler.semantics.shape import FLIPPED, INSIDE, Shapes, children
from caplex.compiler.source import record
from caplex.compiler.syntax import ast

OF_BOUNDARY = {"at most": "<=", "below": "<", "at least": ">=", "above": ">"}
SWAPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


@record
class Comparison:
    """What a rule demands, where it is one comparison: ``left operator right`` must hold."""

    left: ast.Expr
    operator: str
    right: ast.Expr


class Context:
    def __init__(self, checked: CheckedModule) -> None:
        self.checked = checked
        self.ranges = Ranges(checked)
        """With the values that settings have."""
        self.knobs = Ranges(checked, knobs=True)
        """With any value that a setting may take."""
        self.shapes = Shapes(checked, self.ranges)
        self.witnesses = 0
        """How many have been looked for."""
        self._keys: dict[int, int] = {}
        self._interned: dict[tuple[object, ...], int] = {}
        self._reads: dict[int, frozenset[str]] = {}
        self._kinds: dict[int, frozenset[type[ast.Expr]]] = {}

    @property
    def header(self) -> ast.Header:
        header = self.checked.modules[""].header
        assert header is not None
        return header

    def modules(self) -> Iterator[tuple[str, ast.Module]]:
        """Modules with the prefix of their names."""
        for alias, module in self.checked.modules.items():
            yield (f"{alias}." if alias else ""), module

    def rules(self) -> Iterator[RuleInfo]:
        """Rules, limits, throttles and cooldowns, but no switches, in the order of decision."""
        return (rule for rule in self.checked.rules if not isinstance(rule.node, ast.KillSwitch))

    def switches(self) -> Iterator[tuple[RuleInfo, ast.KillSwitch]]:
        for rule in self.checked.rules:
            if isinstance(rule.node, ast.KillSwitch):
                yield rule, rule.node

    # ── sameness ──────────────────────────────────────────────────────────────────────────────────────

    def key(self, expr: ast.Expr | None) -> int:
        """Equal for expressions that always have the same value: names of lets are seen through."""
        if expr is None:
            return -1
        found = self._keys.get(expr.id)
        if found is None:
            found = self._keys[expr.id] = self._key(expr)
        return found

    def intern(self, *parts: object) -> int:
        return self._interned.setdefault(parts, len(self._interned))

    def _key(self, expr: ast.Expr) -> int:
        if isinstance(expr, ast.Read):
            return self._read_key(expr)
        only = self.ranges.of(expr).only
        if only is not None and not _names_a_setting(self, expr):
            return self.intern("value", only)
        word: object = None
        if (asked := _WORDS.get(expr.__class__)) is not None:
            word = asked(expr)
        elif isinstance(expr, ast.SwitchIs):
            word = (self.checked.references.get(expr.switch.id), expr.state)
        elif isinstance(expr, ast.Aggregate):
            section = self.checked.aggregates.get(expr.id)
            variable = expr.variable.text if expr.variable else "event"
            word = (expr.function.text, section.name if section else expr.source.span.text, expr.today, variable, expr.body is None, expr.last is None)
        key = self.intern(type(expr).__name__, word, *[self.key(child) for child in children(expr)])
        return self.intern("field", "account.drawdown") if word == "/" and key == self._drawdown() else key

    def _drawdown(self) -> int:
        """The formula of `account.drawdown`, which policies also write out."""
        peak, equity = self.intern("field", "account.peak_equity"), self.intern("field", "account.equity")
        return self.intern("Arithmetic", "/", self.intern("Arithmetic", "-", peak, equity), peak)

    def _read_key(self, expr: ast.Read) -> int:
        match self.checked.bindings.get(expr.id):
            case LetBinding(value=value):
                return self.key(value)
            case SettingBinding(name=name):
                return self.intern("setting", name)
            case DerivedBinding(name=name):
                return self.intern("field", name)
            case FieldBinding(field=field, key=None):
                return self.intern("field", field.path)
            case FieldBinding(field=field, key=row):
                return self.intern("row", field.path, self.key(row))
            case RowBinding(variable=variable, field=field):
                return self.intern("variable", variable, field.path)
            case MemberBinding(value=word):
                return self.intern("Text", word)
            case SwitchBinding(switch=switch):
                return self.intern("switch", switch)
            case NowBinding():
                return self.intern("now")
            case _:
                return self.intern("unknown", expr.id)

    # ── reads ─────────────────────────────────────────────────────────────────────────────────────────

    def reads(self, expr: ast.Expr | None) -> frozenset[str]:
        """Paths of the fields that *expr* reads, through lets; ``setting x`` for settings, ``now`` for the time."""
        if expr is None:
            return frozenset()
        found = self._reads.get(expr.id)
        if found is None:
            if not (inside := children(expr)) and expr.__class__ is not ast.Read and expr.__class__ not in _READERS:
                found = self._reads[expr.id] = _NO_READS
                return found
            parts = [self.reads(child) for child in inside]
            if isinstance(expr, ast.Read):
                parts.append(self._own_reads(expr))
            elif isinstance(expr, ast.Aggregate):
                section = self.checked.aggregates.get(expr.id)
                parts.append(frozenset((section.name,)) if section else frozenset())
                if expr.today or expr.last is not None:
                    parts.append(frozenset(("now",)))
            elif isinstance(expr, (ast.InLast, ast.Today)):
                parts.append(frozenset(("now",)))
            elif isinstance(expr, ast.SwitchIs):
                parts.append(frozenset((f"switch {self.checked.references.get(expr.switch.id)}",)))
            found = self._reads[expr.id] = parts[0] if len(parts) == 1 else _NO_READS.union(*parts)
        return found

    def _own_reads(self, expr: ast.Read) -> frozenset[str]:
        match self.checked.bindings.get(expr.id):
            case LetBinding(value=value):
                return self.reads(value)
            case SettingBinding(name=name):
                return frozenset((f"setting {name}",))
            case DerivedBinding(name=name):
                return frozenset((name,))
            case FieldBinding(section=section, field=field, key=None) if section.shape == "row" and section.key is not None:
                return frozenset((field.path, f"intent.{section.key}"))
            case FieldBinding(field=field) | RowBinding(field=field):
                return frozenset((field.path,))
            case NowBinding():
                return frozenset(("now",))
            case _:
                return frozenset()

    # ── rules ─────────────────────────────────────────────────────────────────────────────────────────

    def demand(self, node: ast.RuleItem) -> Comparison | None:
        """The one comparison that must hold for *node* to be kept, if it is one."""
        match node:
            case ast.Limit():
                return Comparison(node.measure, OF_BOUNDARY[node.boundary], node.bound)
            case ast.Rule(effect=effect) if isinstance(effect.condition, ast.Compare):
                compare = effect.condition
                operator = compare.operator if isinstance(effect, ast.Require) else FLIPPED[compare.operator]
                return Comparison(compare.left, operator, compare.right)
            case _:
                return None

    def seen_through(self, expr: ast.Expr) -> ast.Expr:
        """*expr*, or what the let that it names stands for."""
        while isinstance(expr, ast.Read):
            binding = self.checked.bindings.get(expr.id)
            if not isinstance(binding, LetBinding):
                break
            expr = binding.value
        return expr

    def walk(self, expr: ast.Expr | None, *, through_lets: bool = True) -> Iterator[ast.Expr]:
        """*expr* and all within it, each once, in the order of the text."""
        seen: set[int] = set()
        stack = [expr] if expr is not None else []
        while stack:
            here = stack.pop()
            if here.id in seen:
                continue
            seen.add(here.id)
            yield here
            if through_lets and here.__class__ is ast.Read:
                through = self.seen_through(here)
                if through is not here:
                    stack.append(through)
            if inside := children(here):
                stack.extend(reversed(inside))

    def kinds(self, expr: ast.Expr) -> frozenset[type[ast.Expr]]:
        """Which kinds of expression `walk` would meet: most checks look for one that most rules do not have."""
        found = self._kinds.get(expr.id)
        if found is None:
            met: set[type[ast.Expr]] = set()
            named: set[int] = set()
            stack = [expr]
            while stack:
                here = stack.pop()
                kind = here.__class__
                met.add(kind)
                if kind is ast.Read and (through := self.seen_through(here)) is not here and through.id not in named:
                    named.add(through.id)
                    stack.append(through)
                if (inside := INSIDE.get(kind)) is not None:
                    stack.extend(inside(here))
            found = self._kinds[expr.id] = frozenset(met)
        return found


_NO_READS: Final[frozenset[str]] = frozenset()
_READERS = (ast.Aggregate, ast.InLast, ast.Today, ast.SwitchIs)
# What an expression says beside its parts, by its class.
_WORDS: Final[dict[type, Callable[[Any], object]]] = {
    ast.Text: lambda expr: expr.value,
    ast.Bool: lambda expr: expr.value,
    ast.Date: lambda expr: expr.iso,
    ast.Arithmetic: lambda expr: "*" if expr.operator == "of" else expr.operator,
    ast.Logic: lambda expr: expr.operator,
    ast.Compare: lambda expr: expr.operator,
    ast.Among: lambda expr: expr.negated,
    ast.IsKnown: lambda expr: expr.negated,
    ast.Call: lambda expr: expr.function.text,
}
Check = Callable[[Context], Iterable[Diagnostic]]


def roots(node: ast.RuleItem) -> Iterator[ast.Expr]:
    """The expressions of a rule that decide: guard, condition or measure and bound, filters, trips."""
    parts: list[ast.Expr | None] = []
    match node:
        case ast.Rule():
            parts = [node.when, node.effect.condition]
        case ast.Limit():
            parts = [node.when, node.measure, node.bound]
        case ast.Throttle():
            parts = [node.when, node.amount, None if isinstance(node.window, ast.PerDay) else node.window, node.where, node.reserve]
        case ast.Cooldown():
            parts = [node.when, node.during, node.where]
        case ast.KillSwitch():
            for clause in node.clauses:
                if isinstance(clause, ast.TripWhen):
                    parts.append(clause.condition)
                elif isinstance(clause, ast.Rearm):
                    parts += [term.condition for term in clause.terms if isinstance(term, ast.RearmWhen)]
    return (part for part in parts if part is not None)


def denies(node: ast.RuleItem) -> bool:
    """Whether a breach of *node* takes something away, rather than warns or asks."""
    match node:
        case ast.Rule(effect=effect):
            return isinstance(effect, (ast.Deny, ast.Require))
        case ast.Limit(breach=breach):
            return breach in ("deny", "reduce")
        case _:
            return True


def strictly(context: Context, diagnostic: Diagnostic) -> Diagnostic:
    """*diagnostic* as an error where the policy is `strict`."""
    return replace(diagnostic, level=Level.ERROR) if context.checked.policy.strict else diagnostic


def _names_a_setting(context: Context, expr: ast.Expr) -> bool:
    return any(path.startswith("setting ") for path in context.reads(expr))
