"""The type of every expression: one walk, one method for each kind of node, unknown types silence what follows."""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from caplex.compiler.diagnostics import codes_names, codes_types
from caplex.compiler.semantics import units
from caplex.compiler.semantics.calls import Calls
from caplex.compiler.semantics.model import DerivedBinding, FieldBinding, LetBinding, RowBinding, SwitchBinding
from caplex.compiler.semantics.report import at, guess, near
from caplex.compiler.semantics.resolve import Place
from caplex.compiler.semantics.schema import read_type
from caplex.compiler.semantics.symbols import Scope
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind, Type

_FORMAT = re.compile(r"\.(\d|1[0-2])")
DOLLAR_CURRENCIES = frozenset({"USD", "AUD", "CAD", "NZD", "SGD", "HKD", "TWD", "USDT", "USDC"})


class Infer(Calls):
    # ── the walk ─────────────────────────────────────────────────────────────────────────────────────

    def infer(self, expr: ast.Expr, want: Type | None = None) -> Type:
        """The type of *expr*; *want* is what its place would take, which gives bare words and `unlimited` a meaning."""
        self.depth = depth = self.depth + 1
        if depth > self.peak:
            self.peak = depth
        type_ = _HANDLERS[expr.__class__](self, expr, want)
        self.depth = depth - 1
        self.checked.types[expr.id] = type_
        return type_

    def define(self, let: ast.Let) -> Type:
        if let.type is None:
            type_ = self.infer(let.value)
            if type_.bare and type_.kind is not Kind.RATIO:
                self.settle(let.value, units.plain(type_))
                return units.plain(type_)
            return type_
        declared, problems = read_type(let.type, currency=self.checked.policy.currency)
        self.problems.extend(problems)
        return self.expect(let.value, declared, f"`{let.name.text}`")
    # ── literals ─────────────────────────────────────────────────────────────────────────────────────

    def _money(self, expr: ast.Money, want: Type | None) -> Type:
        own = self.checked.policy.currency
        if self.money is None:
            self.money = expr
        if expr.currency is None:
            if own and own not in DOLLAR_CURRENCIES:
                return self.say(at(codes_types.DOLLARS, f"the policy counts in {own}, not in dollars", expr.span,
                                   "`$` is the policy's currency",
                                   help=f"write `{expr.amount} {own}`"))
            return units.MONEY_LITERAL
        return units.MONEY_LITERAL if not own or expr.currency == own else replace(units.MONEY_LITERAL,
                                                                                   currency=expr.currency)

    def _unlimited(self, expr: ast.Unlimited, want: Type | None) -> Type:
        if want is None or not (want.numeric or want.kind is Kind.UNKNOWN):
            return self.say(at(codes_types.MISPLACED_UNLIMITED, "nothing can be computed from `unlimited`", expr.span,
                               "only a bound or a setting"))
        return units.plain(want)

    def _list(self, expr: ast.ListOf, want: Type | None) -> Type:
        element = want.element if want is not None and want.kind is Kind.SET else None
        first: ast.Expr | None = None
        for item in expr.items:
            if element is not None and first is None:
                element = self.expect(item, element, "each of these")
            elif first is None:
                first, element = item, self.infer(item)
            else:
                assert element is not None
                element = self.join(first, element, item, self.infer(item, element), verb="compared with")
        return Type(Kind.SET, element=units.plain(element) if element is not None and not element.bare else element)

    # ── operators ────────────────────────────────────────────────────────────────────────────────────

    def _negate(self, expr: ast.Negate, want: Type | None) -> Type:
        return self.number(expr.operand, self.infer(expr.operand, want if want is not None and want.numeric else None))

    def _not(self, expr: ast.Not, want: Type | None) -> Type:
        self.condition(expr.operand)
        return units.BOOL

    def _logic(self, expr: ast.Logic, want: Type | None) -> Type:
        self.condition(expr.left)
        self.condition(expr.right)
        return units.BOOL

    def _arithmetic(self, expr: ast.Arithmetic, want: Type | None) -> Type:
        left, right = expr.left, expr.right
        left_type, right_type = self.infer(left), self.infer(right)
        if left_type.kind is Kind.UNKNOWN or right_type.kind is Kind.UNKNOWN:
            return units.UNKNOWN
        for side, type_ in ((left, left_type), (right, right_type)):
            if not type_.numeric:
                return self.say(at(codes_types.CONDITION_AS_VALUE,
                                   f"{units.noun(units.plain(type_))} cannot be calculated with", side.span,
                                   "a number is needed"))
        match expr.operator:
            case "+" | "-":
                return self._sum(expr, left_type, right_type)
            case "*":
                found = units.product(left_type, right_type)
                code, verb = codes_types.BAD_PRODUCT, "multiplied by"
            case "/":
                if self.is_zero(right):
                    return self.say(at(codes_types.BAD_QUOTIENT, "nothing can be divided by 0", right.span, "is zero"))
                found = units.quotient(left_type, right_type, self._whole(right))
                code, verb = codes_types.BAD_QUOTIENT, "divided by"
            case "of":
                return self._share(expr, left_type, right_type)
        if found is None:
            return self.two(code, f"{units.noun(left_type)} cannot be {verb} {units.noun(right_type)}", left,
                            left_type, right, right_type)
        return found

    def _sum(self, expr: ast.Arithmetic, left_type: Type, right_type: Type) -> Type:
        minus = expr.operator == "-"
        found = units.total(left_type, right_type, minus=minus)
        if found is not None:
            return found
        verb = "added to" if not minus else "reduced by"
        if left_type.kind is right_type.kind is Kind.INSTANT:
            return self.two(codes_types.MIXED_SUM, "two instants cannot be added", expr.left, left_type, expr.right,
                            right_type)
        return self.join(expr.left, left_type, expr.right, right_type, verb=verb)

    def _share(self, expr: ast.Arithmetic, left_type: Type, right_type: Type) -> Type:
        if left_type.kind is not Kind.RATIO:
            return self.say(at(codes_types.SHARE_OF, f"{units.noun(left_type)} is not a share of anything",
                               expr.left.span, "a share is needed",
                               also=[(expr.right.span, "")]))
        whole = self._whole(expr.right)
        if left_type.of is not None and whole is not None and left_type.of != whole:
            return self.other_whole(expr.left, left_type.of, expr.right, whole, "taken of")
        if right_type.kind is Kind.INSTANT:
            return self.two(codes_types.BAD_PRODUCT, "an instant has no share", expr.left, left_type, expr.right,
                            right_type)
        return units.product(units.RATIO if left_type.of is not None else left_type,
                             units.plain(right_type)) or units.UNKNOWN

    def _whole(self, expr: ast.Expr) -> str | None:
        """The field that *expr* reads, through lets; None if it is anything else."""
        binding = self.checked.bindings.get(expr.id)
        for _ in range(50):
            if not isinstance(binding, LetBinding):
                break
            binding = self.checked.bindings.get(binding.value.id)
        match binding:
            case DerivedBinding(name=name):
                return name
            case FieldBinding(section=section, field=field):
                return section.name if section.scalar else f"{section.name}.{field.name}"
            case _:
                return None

    def _compare(self, expr: ast.Compare, want: Type | None) -> Type:
        self.pair(expr.left, expr.right, ordered=expr.operator not in ("==", "!="))
        return units.BOOL

    def _within(self, expr: ast.Within, want: Type | None) -> Type:
        type_ = self.pair(expr.value, expr.low, ordered=True)
        self.join(expr.value, type_, expr.high, self.infer(expr.high, type_), verb="compared with")
        return units.BOOL

    def _among(self, expr: ast.Among, want: Type | None) -> Type:
        value = self.infer(expr.value)
        if isinstance(expr.collection, ast.ListOf):
            for item in expr.collection.items:
                self.join(expr.value, value, item, self.infer(item, value), verb="compared with")
            self.checked.types[expr.collection.id] = Type(Kind.SET, element=units.plain(value))
            return units.BOOL
        found = self.infer(expr.collection, Type(Kind.SET, element=value))
        if found.kind is Kind.SET and found.element is not None:
            self.join(expr.value, value, expr.collection, found.element, verb="compared with")
        elif found.kind is not Kind.UNKNOWN:
            self.say(at(codes_types.WRONG_TYPE, f"`in` asks for a list, not {units.noun(units.plain(found))}",
                        expr.collection.span, "a list is needed",
                        help="write `[\"a\", \"b\"]`, a setting of type `set of …`, or `within a..b`"))
        return units.BOOL

    def _reading(self, expr: ast.Expr, want: Type | None) -> Type:
        """Infer what stands before `else` or `is known`, where an optional read is at home."""
        if not isinstance(expr, ast.Read):
            return self.infer(expr, want)
        type_ = self.read(expr, want, absent=True)
        self.checked.types[expr.id] = type_
        return type_

    def _is_known(self, expr: ast.IsKnown, want: Type | None) -> Type:
        self._reading(expr.value, None)
        return units.BOOL

    def _else(self, expr: ast.Else, want: Type | None) -> Type:
        value = self._reading(expr.value, want)
        if isinstance(expr.value, ast.Read) and value.kind is not Kind.UNKNOWN and not self._can_be_absent(expr.value):
            self.say(at(codes_names.NEVER_ABSENT, f"`{expr.value.span.text}` is never absent", expr.value.span,
                        "never absent",
                        help="leave the `else` out: what is missing denies"))
        fallback = self.infer(expr.fallback, value)
        return self.join(expr.value, value, expr.fallback, fallback, verb="replaced by")

    def _can_be_absent(self, expr: ast.Read) -> bool:
        binding = self.checked.bindings.get(expr.id)
        return isinstance(binding, (FieldBinding, RowBinding)) and binding.field.optional

    def _is_multiple(self, expr: ast.IsMultiple, want: Type | None) -> Type:
        self.pair(expr.value, expr.of)
        return units.BOOL

    def _if(self, expr: ast.If, want: Type | None) -> Type:
        self.condition(expr.condition)
        return self.pair(expr.then, expr.otherwise, verb="replaced by", want=want)

    def _in_last(self, expr: ast.InLast, want: Type | None) -> Type:
        self.expect(expr.value, units.INSTANT, "what lies in a window")
        self.expect(expr.window, units.DURATION, "the length of a window")
        return units.BOOL

    def _today(self, expr: ast.Today, want: Type | None) -> Type:
        self.expect(expr.value, units.INSTANT, "what happened today")
        return units.BOOL

    def _switch_is(self, expr: ast.SwitchIs, want: Type | None) -> Type:
        found = self.reference(expr.switch)
        if found is not None:
            qualified, item = found
            if not isinstance(item, ast.KillSwitch):
                self.say(at(codes_names.UNKNOWN_RULE, f"`{expr.switch.text}` is not a kill switch", expr.switch.span,
                            "cannot be tripped"))
            else:
                self.checked.bindings[expr.switch.id] = SwitchBinding(qualified)
        return units.BOOL

    def reference(self, ref: ast.Reference, *, others: bool = False) -> tuple[str, ast.Node] | None:
        """The rule that *ref* names, by its qualified id; sizes too where *others*."""
        scope: Scope | None = self.scope
        if ref.alias is not None:
            self.scope.used.add(ref.alias)
            scope = self.scope.imports.get(ref.alias)
            if scope is None and ref.alias in self.scope.broken:
                return None
            if scope is None:
                self.say(at(codes_names.UNKNOWN_RULE, f"no module is imported as `{ref.alias}`", ref.span,
                            "unknown module",
                            help=guess(ref.alias, self.scope.imports)))
                return None
        assert scope is not None
        item: ast.Node | None = scope.rules.get(ref.rule) or (scope.sizes.get(ref.rule) if others else None)
        if item is None:
            known = [*scope.rules, *(scope.sizes if others else ())]
            found = near(ref.rule, known)
            prefix = f"{ref.alias}." if ref.alias else ""
            self.say(at(codes_names.UNKNOWN_RULE, f"no rule is named `{ref.text}`", ref.span, "unknown rule",
                        help=f"did you mean `{prefix}{found}`?" if found else None))
            return None
        self.checked.references[ref.id] = scope.prefix + ref.rule
        return scope.prefix + ref.rule, item
    # ── texts ────────────────────────────────────────────────────────────────────────────────────────

    def template(self, template: ast.Template | None, *, told: tuple[Type, Type] | None = None) -> None:
        """Check the holes of a text, which is made after the verdict."""
        if template is None:
            return
        with self.standing(Place(outcome=True, told=told, text=True, rows=self.place.rows)):
            before, self.reads = self.reads, set()
            for part in template.parts:
                if isinstance(part, ast.Hole):
                    self._hole(part)
            self.reads = before

    def _hole(self, hole: ast.Hole) -> None:
        type_ = self.infer(hole.value)
        form = hole.format
        if form is None or type_.kind is Kind.UNKNOWN:
            return
        if form == "%":
            fits, needs = type_.kind is Kind.RATIO, "a percentage"
        elif form == "money":
            fits, needs = type_.kind in (Kind.MONEY, Kind.PRICE), "money"
        elif _FORMAT.fullmatch(form):
            fits, needs = type_.numeric, "a number"
        else:
            self.say(at(codes_names.UNKNOWN_WORD, f"no format is named `{form}`", hole.span, "unknown format",
                        help="formats are `.N` with N up to 12, `%` and `money`"))
            return
        if not fits:
            self.say(at(codes_types.WRONG_TYPE, f"`:{form}` prints {needs}, not {units.noun(units.plain(type_))}",
                        hole.span, "does not fit"))


def _constant(type_: Type) -> Callable[[Infer, Any, Type | None], Type]:
    return lambda _self, _expr, _want: type_


_HANDLERS: dict[type, Callable[[Infer, Any, Type | None], Type]] = {
    ast.Number: _constant(units.BARE), ast.Percent: _constant(units.RATIO), ast.BasisPoints: _constant(units.RATIO),
    ast.Points: _constant(units.RATIO), ast.Multiple: _constant(units.RATIO), ast.Units: _constant(units.QUANTITY),
    ast.Duration: _constant(units.DURATION), ast.Instant: _constant(units.INSTANT), ast.Date: _constant(units.DATE),
    ast.TimeOfDay: _constant(units.TIME), ast.Text: _constant(units.TEXT_LITERAL), ast.Bool: _constant(units.BOOL),
    ast.Money: Infer._money, ast.Unlimited: Infer._unlimited, ast.ListOf: Infer._list, ast.Read: Infer.read,
    ast.Negate: Infer._negate, ast.Not: Infer._not, ast.Arithmetic: Infer._arithmetic, ast.Logic: Infer._logic,
    ast.Compare: Infer._compare, ast.Within: Infer._within, ast.Among: Infer._among, ast.IsKnown: Infer._is_known,
    ast.IsMultiple: Infer._is_multiple, ast.Else: Infer._else, ast.If: Infer._if, ast.InLast: Infer._in_last,
    ast.Today: Infer._today, ast.SwitchIs: Infer._switch_is, ast.Call: Infer.call, ast.Aggregate: Infer.aggregate,
}
