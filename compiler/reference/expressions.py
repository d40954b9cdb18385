"""What every expression means: exact numbers, strong Kleene truth, absence seen only by `else` and `is known`."""
from __future__ import annotations

from fractions import Fraction
from typing import Any, assert_never

from caplex.compiler.reference.book import Book
from caplex.compiler.semantics import model
from caplex.compiler.syntax import ast
from caplex.runtime.facts import Row, World
from caplex.runtime.layout import PLACES, pointer
from caplex.runtime.schema import SectionSpec
from caplex.runtime.values import (
    ABSENT,
    UNLIMITED,
    Unknown,
    at_least,
    at_most,
    both,
    differ,
    divide,
    either,
    equal,
    less,
    merge,
    more,
    negate,
    total,
    unknown,
)

ZERO = Fraction(0)
COMPARE = {"<": less, "<=": at_most, "==": equal, "!=": differ, ">=": at_least, ">": more}


class Reader:
    """Reads expressions on one world, at one size *q* at a time; *permitted* is there after the verdict only."""

    def __init__(self, checked: model.CheckedModule, world: World, book: Book) -> None:
        self.checked, self.world, self.book = checked, world, book
        self.permitted: Fraction | None = None
        self._rows: dict[str, Row] = {}
        self._memo: dict[Any, Any] = {}

    def value(self, node: ast.Expr, q: Fraction) -> Any:
        """The value of *node* at *q*; an optional reading that is absent is missing here."""
        found = self.bare(node, q)
        return unknown("SYS-001", self._place(node), "missing") if found is ABSENT else found

    def bare(self, node: ast.Expr, q: Fraction) -> Any:
        """The same, but a lone reading may be ABSENT."""
        match node:
            case ast.Read():
                return self._read(node, q)
            case ast.Number() | ast.Units() | ast.Multiple():
                return Fraction(node.value)
            case ast.Money():
                return Fraction(node.amount)
            case ast.Percent() | ast.Points():
                return Fraction(node.value) / 100
            case ast.BasisPoints():
                return Fraction(node.value) / 10_000
            case ast.Duration() | ast.Instant() | ast.TimeOfDay():
                return Fraction(node.nanoseconds)
            case ast.Date():
                return node.iso
            case ast.Text() | ast.Bool():
                return node.value
            case ast.Unlimited():
                return UNLIMITED
            case ast.ListOf():
                items = [self.value(item, q) for item in node.items]
                return total(lambda *known: frozenset(known))(*items)
            case ast.Arithmetic():
                return self._arithmetic(node.operator, self.value(node.left, q), self.value(node.right, q))
            case ast.Negate():
                return -self.value(node.operand, q)
            case ast.Call():
                return self._call(node, q)
            case ast.If():
                condition = self.value(node.condition, q)
                return condition if isinstance(condition, Unknown) else self.value(node.then if condition else node.otherwise, q)
            case ast.Else():
                found = self.bare(node.value, q)
                return self.value(node.fallback, q) if found is ABSENT else found
            case ast.Aggregate():
                return self._aggregate(node, q)
            case _:
                return self._truth(node, q)

    def _truth(self, node: ast.Expr, q: Fraction) -> Any:
        value = self.value
        match node:
            case ast.Compare():
                return COMPARE[node.operator](value(node.left, q), value(node.right, q))
            case ast.Logic():
                return (both if node.operator == "and" else either)(value(node.left, q), value(node.right, q))
            case ast.Not():
                return negate(value(node.operand, q))
            case ast.Within():
                subject = value(node.value, q)
                return both(at_least(subject, value(node.low, q)), at_most(subject, value(node.high, q)))
            case ast.Among():
                subject, members = value(node.value, q), value(node.collection, q)
                return total(lambda one, several: (one in several) is not node.negated)(subject, members)
            case ast.IsKnown():
                found = self.bare(node.value, q)
                return found if isinstance(found, Unknown) else (found is not ABSENT) is not node.negated
            case ast.IsMultiple():
                subject, of = value(node.value, q), value(node.of, q)
                if (lost := merge(subject, of)) is not None:
                    return lost
                return bool(subject % of == 0) if of > 0 else unknown("SYS-006", "", "divisor", str(of), "> 0")
            case ast.InLast():
                return less(self.world.now - value(node.value, q), value(node.window, q))
            case ast.Today():
                return at_least(value(node.value, q), self.world.day_start)
            case ast.SwitchIs():
                info = next(rule for rule in self.checked.rules if rule.id == self.checked.references[node.switch.id])
                assert isinstance(info.node, ast.KillSwitch)
                return equal(self.switch(info.id, info.node), node.state)
            case _:
                raise AssertionError(type(node).__name__)

    @staticmethod
    def _arithmetic(operator: str, left: Any, right: Any) -> Any:
        if (left is UNLIMITED or right is UNLIMITED) and merge(left, right) is None:
            lowers = right is UNLIMITED and operator in "-/"
            return unknown("SYS-005", "", "unlimited", "", "a number") if lowers else UNLIMITED
        match operator:
            case "+":
                return left + right
            case "-":
                return left - right
            case "/":
                return divide(left, right)
            case _:
                return left * right

    def _call(self, node: ast.Call, q: Fraction) -> Any:
        values = [self.value(argument, q) for argument in node.arguments if not isinstance(argument, ast.Interval)]
        match node.function.text:
            case "abs":
                return abs(values[0])
            case "min":
                return least(*values)
            case "max":
                return greatest(*values)
            case _:
                span = node.arguments[1]
                assert isinstance(span, ast.Interval)
                return least(greatest(values[0], self.value(span.low, q)), self.value(span.high, q))

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────

    def _aggregate(self, node: ast.Aggregate, q: Fraction) -> Any:
        if self._rows:  # inside another aggregate it may read that one's row
            return self._fold(node, q)
        if node.id not in self._memo:
            self._memo[node.id] = self._fold(node, q)
        return self._memo[node.id]

    def _fold(self, node: ast.Aggregate, q: Fraction) -> Any:
        """Rows whose filter is false do not matter; one whose filter is unknown leaves the whole unknown."""
        function, variable = node.function.text, node.variable.text if node.variable else "event"
        rows = self.window(self.checked.aggregates[node.id], None if node.last is None else self.value(node.last, q), today=node.today)
        if isinstance(rows, Unknown):
            return rows
        itself = isinstance(node.body, ast.Read) and (node.body.name, node.body.steps) == (variable, ())  # `count(p for p in positions)`
        filters = [self.on(variable, row, node.where, q) for row in rows]
        bodies = [self.on(variable, row, None if itself else node.body, q) for row, kept in zip(rows, filters, strict=True) if kept is True]
        match function:
            case "any":
                return either(*bodies, *(kept for kept in filters if isinstance(kept, Unknown)))
            case "all":
                return both(*bodies, *(kept for kept in filters if isinstance(kept, Unknown)))
        lost = merge(*filters, *bodies)
        if lost is not None:
            return lost
        match function:
            case "count":
                return Fraction(sum(body is True for body in bodies))
            case "sum":
                return sum(bodies, ZERO)
        return (max if function == "max" else min)(bodies) if bodies else unknown("SYS-001", "", "nothing-to-aggregate")

    def on(self, variable: str, row: Row, node: ast.Expr | None, q: Fraction = ZERO) -> Any:
        """*node* with *variable* standing for *row*; no expression is true."""
        if node is None:
            return True
        before = self._rows
        self._rows = {**before, variable: row}
        found = self.value(node, q)
        self._rows = before
        return found

    def window(self, section: SectionSpec, last: Any, *, today: bool = False) -> Any:
        """Rows of a section; of a history those later than ``now − last``, or since the day began. Half-open: ``now − at < last``."""
        since = self.world.day_start if today else None if last is None else self.world.now - last
        if isinstance(since, Unknown):
            return since
        rows = self.world.events(section.name, since) if section.shape == "history" else self.world.rows(section.name)
        if since is None or isinstance(rows, Unknown):
            return rows
        stamps = [row.cell("at") for row in rows]
        lost = merge(*stamps)
        return [row for row, at in zip(rows, stamps, strict=True) if at > since or (today and at == since)] if lost is None else lost

    # ── names ────────────────────────────────────────────────────────────────────────────────────────

    def _read(self, node: ast.Read, q: Fraction) -> Any:
        binding = self.checked.bindings[node.id]
        match binding:
            case model.FieldBinding():
                return self._field(binding, q)
            case model.DerivedBinding():
                return self._derived(binding.name, q)
            case model.SettingBinding():
                return self.setting(binding.name)
            case model.LetBinding():
                key = binding.value.id, q
                if key not in self._memo:
                    self._memo[key] = self.bare(binding.value, q)
                return self._memo[key]
            case model.RowBinding():
                return self._rows[binding.variable].cell(binding.field.name)
            case model.MemberBinding():
                return binding.value
            case model.NowBinding():
                return self.world.now
            case model.SwitchBinding():
                return self.world.switch(binding.switch)
            case model.SectionBinding():
                raise AssertionError(f"`{node.name}` is no value")
            case _:
                assert_never(binding)

    def _field(self, binding: model.FieldBinding, q: Fraction) -> Any:
        path = binding.field.path
        if binding.section.name == "counters":
            return self.world.counter(binding.field.name)
        if binding.key is not None:
            key = self.value(binding.key, q)
            return key if isinstance(key, Unknown) else self.world.cell(binding.section.name, key, binding.field.name)
        if path in ("intent.quantity", "position.quantity"):
            return self._derived(path, q)
        if path == "intent.side" and self.book.action in ("close", "adjust"):
            return self.book.side
        return self.world.cell(binding.section.name, None, binding.field.name)

    def _place(self, node: ast.Expr) -> str:
        """JSON pointer of the optional field that *node*, a read or a name for one, did not find."""
        binding = self.checked.bindings[node.id]
        while isinstance(binding, model.LetBinding):
            binding = self.checked.bindings[binding.value.id]
        if isinstance(binding, model.RowBinding):
            return self._rows[binding.variable].path + pointer(binding.field.name)
        assert isinstance(binding, model.FieldBinding)
        section = binding.section
        key = None if binding.key is None else self.value(binding.key, ZERO)
        row = self.world.row(section.name, key)
        if isinstance(row, Row):
            return row.path if section.scalar else row.path + pointer(binding.field.name)
        base = pointer("inputs", section.name) if section.inputs else pointer(PLACES.get(section.name, section.name))
        key = key if key is not None or section.key is None else self.world.claim(section.key)
        return base + (pointer(key) if isinstance(key, str) else "") + ("" if section.scalar else pointer(binding.field.name))

    def _derived(self, name: str, q: Fraction) -> Any:
        book, root, field = self.book, name.rpartition(".")[0], name.rpartition(".")[2]
        if name.startswith("permitted."):
            assert self.permitted is not None
            filled = self.permitted
            if field in ("closing", "opening"):
                return self._derived(f"intent.{field}", filled)
            after = book.P + book.sign * filled
            return after if field == "quantity" else after * book.V
        size = ZERO if root.startswith("committed") else q
        match name.removeprefix("after.").removeprefix("committed."):
            case "intent.quantity":
                return q
            case "intent.notional":
                return book.order_value * q
            case "intent.closing":
                return least(q, book.closable)
            case "intent.opening":
                return greatest(ZERO, q - book.closable)
            case "position.quantity":
                return book.P if root == "position" else book.after(size)
            case "position.notional":
                return (book.P if root == "position" else book.after(size)) * book.V
            case "portfolio.gross":
                return book.held("gross") if root == "portfolio" else book.gross(size)
            case "portfolio.net":
                return book.held("net") if root == "portfolio" else book.net(size)
            case "portfolio.positions":
                return book.held("positions") if root == "portfolio" else book.committed_positions
            case "account.day_loss":
                flows = self.world.cell("account", None, "net_flows_today")
                start = self.world.cell("account", None, "day_start_equity")
                return start + (ZERO if flows is ABSENT else flows) - self.world.cell("account", None, "equity")
            case "account.drawdown":
                peak = self.world.cell("account", None, "peak_equity")
                return divide(peak - self.world.cell("account", None, "equity"), peak)
            case _:
                raise AssertionError(name)

    # ── settings and switches ────────────────────────────────────────────────────────────────────────

    def setting(self, name: str) -> Any:
        """Its value here: of the overrides that hold and match, the tightest, or the first by the declared precedence."""
        info = self.checked.settings[name]
        if ("setting", name) not in self._memo:
            value = self._override(info) if info.overrides else info.value
            self._memo["setting", name] = UNLIMITED if value is None else value
        return self._memo["setting", name]

    def _override(self, info: model.SettingInfo) -> Any:
        now = self.world.now
        alive = [o for o in info.overrides if o.until_ns is None or now < o.until_ns]
        matches = [both(*(equal(self.dimension(name), text) for name, text in override.scopes)) for override in alive]
        lost = merge(*matches)
        if lost is not None:
            return lost
        found = [override for override, holds in zip(alive, matches, strict=True) if holds is True]
        if not found:
            return info.value
        found = [override for override in found if override.scopes] or found  # an approval for all is a default with an end
        order = self.checked.policy.overrides
        if order != "tightest":
            def rank(override: model.OverrideInfo) -> tuple[bool, ...]:
                named = {word for name, _ in override.scopes for word in (name, name.removesuffix(".value"))}
                return (override.kind != "tighten", *(word not in named for word in order))

            return min(found, key=rank).value
        values = [UNLIMITED if override.value is None else override.value for override in found]
        return values[0] if info.safer is None else least(*values) if info.safer == "lower" else greatest(*values)

    def dimension(self, name: str) -> Any:
        """What a scope compares: a field of the intent, or an input; ABSENT equals no text."""
        section, _, field = name.rpartition(".")
        if not section:
            section, field = ("intent", name) if self.checked.schema.field("intent", name) else (name, "value")
        return self.world.cell(section, None, field)

    def scope(self, node: ast.KillSwitch) -> Any:
        """Pairs (dimension, value) of the switch for this intent; None if it does not concern it; Unknown if that cannot be told.

        A document of one account or venue need not name it.
        """
        found: list[tuple[str, Any]] = []
        for target in node.targets:
            for name in target.dimensions if isinstance(target, ast.ForEach) else (target.dimension,):
                if name.text not in ("account", "venue") or self.book.asks(name.text) is not ABSENT:
                    value = self.dimension(name.text)
                    if isinstance(target, ast.ForOne) and differ(value, target.value or value) is True:
                        return None
                    found.append((name.text, unknown("SYS-001", pointer("intent", name.text), "missing") if value is ABSENT else value))
        lost = merge(*(value for _, value in found))
        return tuple(found) if lost is None else lost

    def switch(self, switch: str, node: ast.KillSwitch) -> Any:
        """``armed`` or ``tripped`` as the facts say; one that does not concern the intent is armed."""
        scope = self.scope(node)
        return scope if isinstance(scope, Unknown) else "armed" if scope is None else self.world.switch(switch, scope)


@total
def least(*values: Any) -> Any:
    return min((value for value in values if value is not UNLIMITED), default=UNLIMITED)


@total
def greatest(*values: Any) -> Any:
    return UNLIMITED if UNLIMITED in values else max(values)
