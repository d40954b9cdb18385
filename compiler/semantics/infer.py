"""The type of every expression: one walk, one method for each kind of node, unknown types silence what follows."""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from caplex.compiler.diagnostics import codes_names, codes_types
from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic, Label
from caplex.compiler.semantics import builtins, units
from caplex.compiler.semantics.constants import NotConstant, evaluate
from caplex.compiler.semantics.model import DerivedBinding, FieldBinding, LetBinding, SectionBinding, SwitchBinding
from caplex.compiler.semantics.report import at, guess, listing, near
from caplex.compiler.semantics.resolve import Place, Resolver
from caplex.compiler.semantics.symbols import Scope
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind, SectionSpec, Type

_SHARES = (ast.Percent, ast.BasisPoints, ast.Points, ast.Multiple)
_AMOUNTS = frozenset({Kind.MONEY, Kind.PRICE, Kind.QUANTITY})
_FORMAT = re.compile(r"\.(\d|1[0-2])")
DOLLAR_CURRENCIES = frozenset({"USD", "AUD", "CAD", "NZD", "SGD", "HKD", "TWD", "USDT", "USDC"})
_SHARE_OF_WHAT = {Kind.MONEY: "account.equity", Kind.QUANTITY: "instrument.max_quantity"}


class Infer(Resolver):
    # ── the walk ─────────────────────────────────────────────────────────────────────────────────────

    def infer(self, expr: ast.Expr, want: Type | None = None) -> Type:
        """The type of *expr*; *want* is what its place would take, which gives bare words and `unlimited` a meaning."""
        type_ = _HANDLERS[expr.__class__](self, expr, want)
        self.checked.types[expr.id] = type_
        return type_

    def settle(self, expr: ast.Node, type_: Type) -> None:
        """Give a bare numeral, or a sum of them, the type of its partner."""
        types = self.checked.types
        if expr.id not in types or not types[expr.id].bare:
            return
        types[expr.id] = type_
        match expr:
            case ast.Negate(operand=operand):
                self.settle(operand, type_)
            case ast.Arithmetic(operator="+" | "-"):
                self.settle(expr.left, type_)
                self.settle(expr.right, type_)
            case ast.If():
                self.settle(expr.then, type_)
                self.settle(expr.otherwise, type_)
            case ast.Else():
                self.settle(expr.fallback, type_)
            case ast.Call():
                for argument in expr.arguments:
                    for part in (argument.low, argument.high) if isinstance(argument, ast.Interval) else (argument,):
                        self.settle(part, type_)
            case _:
                pass

    def define(self, let: ast.Let) -> Type:
        if let.type is None:
            type_ = self.infer(let.value)
            if type_.bare and type_.kind is not Kind.RATIO:
                self.settle(let.value, units.plain(type_))
                return units.plain(type_)
            return type_
        from caplex.compiler.semantics.schema import read_type

        declared, problems = read_type(let.type, currency=self.checked.policy.currency)
        self.problems.extend(problems)
        return self.expect(let.value, declared, f"`{let.name.text}`")

    # ── what a place takes ───────────────────────────────────────────────────────────────────────────

    def condition(self, expr: ast.Expr) -> None:
        type_ = self.infer(expr, units.BOOL)
        if type_.kind not in (Kind.BOOL, Kind.UNKNOWN):
            self.say(at(codes_types.NOT_A_CONDITION, f"{units.noun(units.plain(type_))} is neither true nor false", expr.span,
                        "a condition is needed", help="compare it with something"))

    def expect(self, expr: ast.Expr, type_: Type, what: str) -> Type:
        """Infer *expr* where a value of *type_* is needed; *what* names the place."""
        found = self.infer(expr, type_)
        if found.kind is Kind.UNKNOWN or type_.kind is Kind.UNKNOWN:
            return type_
        if not self._fits(expr, found, type_):
            self._does_not_fit(expr, found, type_, what)
        elif found.bare:
            self.settle(expr, type_)
        return type_

    def _fits(self, expr: ast.Expr, found: Type, type_: Type) -> bool:
        if found.kind is Kind.SET and type_.kind is Kind.SET:
            return found.element is None or type_.element is None or self._fits(expr, found.element, type_.element)
        if found.bare:
            if found.kind is Kind.TEXT:
                if type_.kind is Kind.ENUM and isinstance(expr, ast.Text):
                    return self._member(expr, expr.value, type_)
                return type_.kind in (Kind.TEXT, Kind.NOMINAL)
            if found.kind is Kind.MONEY:
                return type_.kind in (Kind.MONEY, Kind.PRICE) and found.currency == type_.currency
            return type_.kind in (Kind.RATIO, Kind.COUNT, Kind.QUANTITY, Kind.RATE) or (
                type_.kind in (Kind.MONEY, Kind.PRICE) and self._is_zero(expr))
        if found.kind is not type_.kind or not units.same_currency(found, type_):
            return found.kind is Kind.NOMINAL and type_.kind is Kind.TEXT
        return found.kind is not Kind.NOMINAL or found.name == type_.name

    def _does_not_fit(self, expr: ast.Expr, found: Type, type_: Type, what: str) -> None:
        if found.bare and found.kind is Kind.RATIO and type_.kind in (Kind.MONEY, Kind.PRICE):
            self._bare_number(expr)
        elif found.kind in _AMOUNTS and found.kind is type_.kind:
            self.say(at(codes_types.CURRENCIES, f"{what} is {units.noun(type_)}, not {units.noun(found)}", expr.span, units.noun(found)))
        elif found.kind is Kind.RATIO and not found.bare and type_.kind in _AMOUNTS:
            self._percent_of_what(expr, found, type_, f"{what} is {units.noun(type_)}, not {units.noun(found)}", ())
        elif type_.kind is not Kind.ENUM or found.kind is not Kind.TEXT:
            self.say(at(codes_types.WRONG_TYPE, f"{what} is {units.noun(type_)}, not {units.noun(found)}", expr.span, units.noun(found),
                        help=_example(type_)))

    def _is_zero(self, expr: ast.Expr) -> bool:
        try:
            return evaluate(expr) == 0
        except NotConstant:
            return False

    def _member(self, expr: ast.Node, word: str, type_: Type) -> bool:
        if word in type_.members:
            return True
        self.say(at(codes_names.UNKNOWN_MEMBER, f"`{word}` is not one of {listing(type_.members, most=20)}", expr.span, "unknown member",
                    help=guess(word, type_.members)))
        return False

    # ── two values beside each other ─────────────────────────────────────────────────────────────────

    def pair(self, left: ast.Expr, right: ast.Expr, *, ordered: bool = False, verb: str = "compared with", want: Type | None = None) -> Type:
        """Infer two expressions that must be of one type, and return that; bare words take theirs from the other side."""
        if self.is_word(left) or isinstance(left, ast.Unlimited):
            right_type = self.infer(right, want)
            left_type = self.infer(left, right_type)
        else:
            left_type = self.infer(left, want)
            right_type = self.infer(right, left_type)
        joined = self.join(left, left_type, right, right_type, verb=verb)
        if ordered and joined.kind is not Kind.UNKNOWN and joined.kind not in units.ORDERED:
            span = left.span.to(right.span)
            return self.say(Diagnostic(codes_types.NO_ORDER, f"{units.noun(units.plain(joined))} is neither greater nor smaller than another", span,
                                       (Label(span, "only `==`, `!=` and `in` fit", True),)))
        return joined

    def join(self, left: ast.Expr, left_type: Type, right: ast.Expr, right_type: Type, *, verb: str) -> Type:
        """The common type of two values, complaining where there is none."""
        if left_type.kind is Kind.UNKNOWN or right_type.kind is Kind.UNKNOWN:
            return units.UNKNOWN
        if left_type is right_type:
            return left_type
        if left_type.bare or right_type.bare:
            return self._join_bare(left, left_type, right, right_type, verb)
        if left_type.kind is not right_type.kind:
            if {left_type.kind, right_type.kind} <= {Kind.TEXT, Kind.NOMINAL, Kind.ENUM}:
                return left_type
            return self._mismatch(left, left_type, right, right_type, verb)
        match left_type.kind:
            case Kind.MONEY | Kind.PRICE if left_type.currency != right_type.currency:
                return self._currencies(left, left_type, right, right_type, verb)
            case Kind.NOMINAL if left_type.name != right_type.name:
                return self._two(codes_types.NOMINAL, f"{units.noun(left_type)} is never {units.noun(right_type)}", left, left_type, right, right_type)
            case Kind.ENUM if not set(left_type.members) & set(right_type.members):
                return self._two(codes_types.NOMINAL, "these two have no word in common", left, left_type, right, right_type)
            case Kind.SET if left_type.element is None:
                return right_type
            case Kind.RATIO if verb == "compared with" and left_type.of and right_type.of and left_type.of != right_type.of:
                return self._other_whole(left, left_type.of, right, right_type.of)
            case Kind.RATIO:
                return left_type if left_type.of or not right_type.of else right_type
            case _:
                return left_type

    def _join_bare(self, left: ast.Expr, left_type: Type, right: ast.Expr, right_type: Type, verb: str) -> Type:
        if left_type.bare and right_type.bare:
            if left_type.kind is right_type.kind:
                if left_type.currency != right_type.currency:
                    return self._currencies(left, left_type, right, right_type, verb)
                return left_type
            bare, partner = (left, right) if left_type.kind is Kind.RATIO else (right, left)
            type_ = right_type if bare is left else left_type
            if type_.kind is Kind.MONEY and left_type.kind is not Kind.TEXT and right_type.kind is not Kind.TEXT:
                return self._settle_number(bare, partner, type_, left, left_type, right, right_type, verb)
            return self._mismatch(left, left_type, right, right_type, verb)
        bare, partner = (left, right) if left_type.bare else (right, left)
        bare_type, type_ = (left_type, right_type) if left_type.bare else (right_type, left_type)
        if bare_type.kind is Kind.RATIO:
            return self._settle_number(bare, partner, type_, left, left_type, right, right_type, verb)
        if bare_type.kind is Kind.TEXT:
            if type_.kind is Kind.ENUM and isinstance(bare, ast.Text) and not self._member(bare, bare.value, type_):
                return units.UNKNOWN
            fits = type_.kind in (Kind.TEXT, Kind.NOMINAL, Kind.ENUM)
        else:
            fits = type_.kind in (Kind.MONEY, Kind.PRICE)
            if fits and bare_type.currency != type_.currency:
                return self._currencies(left, left_type, right, right_type, verb)
        if not fits:
            return self._mismatch(left, left_type, right, right_type, verb)
        self.settle(bare, type_)
        return type_

    def _settle_number(
        self, bare: ast.Expr, partner: ast.Expr, type_: Type, left: ast.Expr, left_type: Type, right: ast.Expr, right_type: Type, verb: str
    ) -> Type:
        if type_.kind in (Kind.MONEY, Kind.PRICE) and not self._is_zero(bare):
            return self._bare_number(bare, partner)
        if type_.kind not in (Kind.MONEY, Kind.PRICE, Kind.QUANTITY, Kind.RATIO, Kind.COUNT, Kind.RATE):
            return self._mismatch(left, left_type, right, right_type, verb)
        self.settle(bare, type_)
        return type_

    # ── complaints about two values ──────────────────────────────────────────────────────────────────

    def _two(self, code: Code, message: str, left: ast.Expr, left_type: Type, right: ast.Expr, right_type: Type, help: str | None = None) -> Type:
        labels = (Label(left.span, units.noun(left_type)), Label(right.span, units.noun(right_type), primary=True))
        return self.say(Diagnostic(code, message, left.span.to(right.span), labels, help=help))

    def _mismatch(self, left: ast.Expr, left_type: Type, right: ast.Expr, right_type: Type, verb: str) -> Type:
        message = f"{units.noun(left_type)} cannot be {verb} {units.noun(right_type)}"
        for share, share_type, whole, whole_type in ((right, right_type, left, left_type), (left, left_type, right, right_type)):
            if share_type.kind is Kind.RATIO and not share_type.bare and (whole_type.kind in _AMOUNTS or isinstance(share, _SHARES)) \
                    and whole_type.numeric and whole_type.kind is not Kind.RATIO:
                message = f"{units.noun(whole_type)} cannot be {verb} {units.noun(share_type)}"
                return self._percent_of_what(share, share_type, whole_type, message, (Label(whole.span),), start=left)
        code = codes_types.INCOMPARABLE if verb == "compared with" else codes_types.MIXED_SUM
        help = None
        for bare, partner in ((right_type, left_type), (left_type, right_type)):
            if bare.bare and bare.kind is Kind.RATIO and partner.kind is Kind.DURATION:
                help = "write its unit: `5s`, `5min`, `5h`, `5d`"
        return self._two(code, message, left, left_type, right, right_type, help)

    def _percent_of_what(
        self, share: ast.Expr, share_type: Type, whole: Type, message: str, others: tuple[Label, ...], start: ast.Expr | None = None
    ) -> Type:
        literal = isinstance(share, _SHARES)
        base = _SHARE_OF_WHAT.get(whole.kind)
        help = f"write `{share.span.text} of {base}`" if base else f"write `{share.span.text} of` and what it is a share of"
        question = "percent of what?" if literal or share_type.name != "number" else "how much of what?"
        return self.say(Diagnostic(codes_types.PERCENT_OF_WHAT, message, (start or share).span, (*others, Label(share.span, question, True)), help=help))

    def _bare_number(self, bare: ast.Expr, partner: ast.Expr | None = None) -> Type:
        currency = self.checked.policy.currency or "USD"
        also = [(partner.span, "an amount of money")] if partner is not None else []
        return self.say(at(codes_types.BARE_NUMBER, "a bare number is not an amount of money", bare.span, "in which currency?", also=also,
                           help=f"write `{bare.span.text} {currency}`"))

    def _currencies(self, left: ast.Expr, left_type: Type, right: ast.Expr, right_type: Type, verb: str) -> Type:
        own = self.checked.policy.currency or "the policy's currency"
        first, second = left_type.currency or own, right_type.currency or own
        foreign = first if left_type.currency else second
        return self.say(Diagnostic(
            codes_types.CURRENCIES, f"{first} cannot be {verb} {second}", left.span.to(right.span),
            (Label(left.span, first), Label(right.span, second, primary=True)),
            help=f'convert it: `… * fx["{foreign}{own}"].rate`' if len(foreign) == len(own) == 3 else None,
        ))

    def _other_whole(self, left: ast.Expr, left_of: str, right: ast.Expr, right_of: str) -> Type:
        return self.say(Diagnostic(
            codes_types.OTHER_WHOLE, f"a share of `{left_of}` cannot be compared with a share of `{right_of}`", left.span.to(right.span),
            (Label(left.span, f"of `{left_of}`"), Label(right.span, f"of `{right_of}`", primary=True)),
            help="compare the amounts",
        ))

    # ── literals ─────────────────────────────────────────────────────────────────────────────────────

    def _money(self, expr: ast.Money, want: Type | None) -> Type:
        own = self.checked.policy.currency
        if self.money is None:
            self.money = expr
        if expr.currency is None:
            if own and own not in DOLLAR_CURRENCIES:
                return self.say(at(codes_types.DOLLARS, f"the policy counts in {own}, not in dollars", expr.span, "`$` is the policy's currency",
                                   help=f"write `{expr.amount} {own}`"))
            return units.MONEY_LITERAL
        return units.MONEY_LITERAL if expr.currency == own else replace(units.MONEY_LITERAL, currency=expr.currency)

    def _unlimited(self, expr: ast.Unlimited, want: Type | None) -> Type:
        if want is None or not (want.numeric or want.kind is Kind.UNKNOWN):
            return self.say(at(codes_types.MISPLACED_UNLIMITED, "nothing can be computed from `unlimited`", expr.span, "only a bound or a setting"))
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
        return self._number(expr.operand, self.infer(expr.operand, want if want is not None and want.numeric else None))

    def _number(self, expr: ast.Expr, type_: Type) -> Type:
        if type_.kind is Kind.UNKNOWN or (type_.numeric and type_.kind is not Kind.INSTANT):
            return type_
        return self.say(at(codes_types.CONDITION_AS_VALUE, f"{units.noun(units.plain(type_))} is not a number", expr.span, "a number is needed"))

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
                return self.say(at(codes_types.CONDITION_AS_VALUE, f"{units.noun(units.plain(type_))} cannot be calculated with", side.span,
                                   "a number is needed"))
        match expr.operator:
            case "+" | "-":
                return self._sum(expr, left_type, right_type)
            case "*":
                found = units.product(left_type, right_type)
                code, verb = codes_types.BAD_PRODUCT, "multiplied by"
            case "/":
                found = units.quotient(left_type, right_type, self._whole(right))
                code, verb = codes_types.BAD_QUOTIENT, "divided by"
            case "of":
                return self._share(expr, left_type, right_type)
        if found is None:
            return self._two(code, f"{units.noun(left_type)} cannot be {verb} {units.noun(right_type)}", left, left_type, right, right_type)
        return found

    def _sum(self, expr: ast.Arithmetic, left_type: Type, right_type: Type) -> Type:
        minus = expr.operator == "-"
        found = units.total(left_type, right_type, minus=minus)
        if found is not None:
            return found
        verb = "added to" if not minus else "reduced by"
        if not minus and Kind.INSTANT not in (left_type.kind, right_type.kind):
            left, right, first, second = expr.left, expr.right, left_type, right_type
        else:
            left, right, first, second = expr.left, expr.right, left_type, right_type
        if first.kind is second.kind is Kind.INSTANT:
            return self._two(codes_types.MIXED_SUM, "two instants cannot be added", left, first, right, second)
        return self.join(left, first, right, second, verb=verb)

    def _share(self, expr: ast.Arithmetic, left_type: Type, right_type: Type) -> Type:
        if left_type.kind is not Kind.RATIO:
            return self.say(at(codes_types.SHARE_OF, f"{units.noun(left_type)} is not a share of anything", expr.left.span, "a share is needed",
                               also=[(expr.right.span, "")]))
        whole = self._whole(expr.right)
        if left_type.of is not None and whole is not None and left_type.of != whole:
            return self._other_whole(expr.left, left_type.of, expr.right, whole)
        if right_type.kind is Kind.INSTANT:
            return self._two(codes_types.BAD_PRODUCT, "an instant has no share", expr.left, left_type, expr.right, right_type)
        return units.product(units.RATIO if left_type.of is not None else left_type, units.plain(right_type)) or units.UNKNOWN

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
            self.say(at(codes_types.WRONG_TYPE, f"`in` asks for a list, not {units.noun(units.plain(found))}", expr.collection.span, "a list is needed",
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
        fallback = self.infer(expr.fallback, value)
        return self.join(expr.value, value, expr.fallback, fallback, verb="replaced by")

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
                self.say(at(codes_names.UNKNOWN_RULE, f"`{expr.switch.text}` is not a kill switch", expr.switch.span, "cannot be tripped"))
            else:
                self.checked.bindings[expr.switch.id] = SwitchBinding(qualified)
        return units.BOOL

    def reference(self, ref: ast.Reference, *, others: bool = False) -> tuple[str, ast.Node] | None:
        """The rule that *ref* names, by its qualified id; sizes too where *others*."""
        scope: Scope | None = self.scope
        if ref.alias is not None:
            self.scope.used.add(ref.alias)
            scope = self.scope.imports.get(ref.alias)
            if scope is None:
                self.say(at(codes_names.UNKNOWN_RULE, f"no module is imported as `{ref.alias}`", ref.span, "unknown module",
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

    # ── calls, aggregates ────────────────────────────────────────────────────────────────────────────

    def _call(self, expr: ast.Call, want: Type | None) -> Type:
        name, arguments = expr.function.text, expr.arguments
        intervals = [argument for argument in arguments if isinstance(argument, ast.Interval)]
        values = [argument for argument in arguments if not isinstance(argument, ast.Interval)]
        match name:
            case "abs" if len(values) == 1 and not intervals:
                return self._number(values[0], self.infer(values[0]))
            case "max" | "min" if len(values) > 1 and not intervals:
                return self._together(values, want)
            case "clamp" if len(values) == 1 and len(intervals) == 1 and arguments[1] is intervals[0]:
                return self._together([values[0], intervals[0].low, intervals[0].high], want)
            case "abs" | "max" | "min" | "clamp" | "sum" | "count" | "any" | "all":
                shapes = {"abs": "abs(x)", "clamp": "clamp(x, 0..1)", "max": "max(a, b)` or `max(x.pnl for x in fills in last 1d)",
                          "min": "min(a, b)` or `min(x.pnl for x in fills in last 1d)", "count": "count(positions)"}
                return self.say(at(codes_names.BAD_ARGUMENTS, f"`{name}` does not take these arguments", expr.span, "not its shape",
                                   help=f"write `{shapes.get(name, f'{name}(x.notional for x in positions)')}`"))
            case _:
                return self.say(at(codes_names.UNKNOWN_FUNCTION, f"no function is named `{name}`", expr.function.span, "unknown function",
                                   help=guess(name, (*builtins.FUNCTIONS, *builtins.AGGREGATES))
                                   or f"there are {listing((*builtins.FUNCTIONS, *builtins.AGGREGATES), most=12)}"))

    def _together(self, values: list[ast.Expr], want: Type | None) -> Type:
        """The common type of values of which one is chosen."""
        first, type_ = values[0], self.infer(values[0], want if isinstance(values[0], ast.Unlimited) else None)
        for value in values[1:]:
            found = self.infer(value, type_)
            joined = self.join(first, type_, value, found, verb="compared with")
            if type_.bare and not joined.bare:
                first = value
            type_ = joined
        if type_.kind is not Kind.UNKNOWN and not type_.bare:
            for value in values:
                self.settle(value, type_)
        if type_.kind is Kind.UNKNOWN or type_.kind in units.ORDERED:
            return type_
        return self._number(first, type_)

    def _aggregate(self, expr: ast.Aggregate, want: Type | None) -> Type:
        name = expr.function.text
        if name not in builtins.AGGREGATES:
            return self.say(at(codes_names.UNKNOWN_FUNCTION, f"no aggregate is named `{name}`", expr.function.span, "unknown function",
                               help=guess(name, builtins.AGGREGATES) or f"there are {listing(builtins.AGGREGATES)}"))
        if self.place.aggregate:
            return self.say(at(codes_names.BAD_ARGUMENTS, "an aggregate cannot stand in another", expr.span, "inside an aggregate"))
        section = self._rows_of(expr)
        if expr.last is not None:
            self.expect(expr.last, units.DURATION, "the length of a window")
        if section is None:
            return units.UNKNOWN
        self.checked.aggregates[expr.id] = section
        variable = expr.variable.text if expr.variable is not None else "event"
        place = self.place
        inside = replace(place, rows={**place.rows, variable: section}, aggregate=True, text=False)
        if expr.variable is not None and (variable in self.scope.lets or variable in self.scope.settings or variable in self.checked.schema.sections):
            self.say(at(codes_names.DUPLICATE, f"`{variable}` already has a meaning", expr.variable.span, "choose another name"))
        with self.standing(inside):
            if expr.where is not None:
                self.condition(expr.where)
            return self._body(expr, name, variable)

    def _rows_of(self, expr: ast.Aggregate) -> SectionSpec | None:
        """The section that *expr* ranges over: with a window, `orders` are the approved intents of the history."""
        source, windowed = expr.source, expr.last is not None or expr.today
        if not isinstance(source, ast.Read) or source.steps:
            self.say(at(codes_names.NOT_ROWS, "an aggregate ranges over a list or a history", source.span, "not a list",
                        help="lists are `positions`, `orders` and inputs `as list`; histories are " + listing(builtins.EVENTS)))
            return None
        name = "order_events" if windowed and source.name == "orders" else source.name
        section = self.checked.schema.sections.get(name)
        lists = [each.name for each in self.checked.schema.sections.values() if each.shape in ("list", "history")]
        if section is None:
            self.say(at(codes_names.NOT_ROWS, f"no list is named `{source.name}`", source.span, "unknown list", help=guess(source.name, lists)))
            return None
        if section.shape not in ("list", "history"):
            found = near(name, lists)
            self.say(at(codes_names.NOT_ROWS, f"`{name}` is not a list", source.span, "has no rows to go through",
                        help=f"did you mean `{found}`?" if found else None))
            return None
        if windowed and section.shape != "history":
            place = expr.last if expr.last is not None else source
            self.say(at(codes_names.NOT_HISTORY, f"the rows of `{name}` are not events", place.span, "a window needs a history",
                        help="histories are " + listing(builtins.EVENTS)))
            return None
        if self.place.switch is not None and section.shape == "list" and section.key is not None and section.key not in self.place.switch:
            self._trip_reads(source, name, section.key)
            return None
        self.checked.bindings[source.id] = SectionBinding(section)
        self.checked.types[source.id] = units.UNKNOWN
        self.reads.add(name)
        return section

    def _body(self, expr: ast.Aggregate, name: str, variable: str) -> Type:
        body = expr.body
        row = isinstance(body, ast.Read) and body.name == variable and not body.steps
        if name == "count":
            if body is not None and not row:
                self.say(at(codes_names.BAD_ARGUMENTS, "`count` counts rows, not values", body.span, "not a row",
                            help=f"write `count({variable} for {variable} in {expr.source.span.text} where …)`"))
            elif body is not None:
                self.checked.types[body.id] = units.UNKNOWN
            return units.COUNT
        if body is None or row:
            if name == "any" and expr.where is not None:
                return units.BOOL
            return self.say(at(codes_names.BAD_ARGUMENTS, f"`{name}` needs to know what of each row", expr.span, "of what?",
                               help=f"write `{name}(x.… for x in {expr.source.span.text})`"))
        if name in ("any", "all"):
            self.condition(body)
            return units.BOOL
        type_ = self.infer(body)
        if name in ("max", "min") and type_.kind is Kind.INSTANT:
            return type_
        if name == "sum" and type_.bare and type_.kind is Kind.RATIO:
            return units.RATIO
        return units.plain(self._number(body, type_))

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
            self.say(at(codes_types.WRONG_TYPE, f"`:{form}` prints {needs}, not {units.noun(units.plain(type_))}", hole.span, "does not fit"))


def _example(type_: Type) -> str | None:
    examples = {
        Kind.DURATION: "write its unit: `30s`, `5min`, `2h`, `1d`", Kind.BOOL: "write `true`, `false` or a comparison",
        Kind.RATIO: "write `20%`", Kind.COUNT: "write a whole number", Kind.TEXT: 'write a text: `"…"`', Kind.NOMINAL: 'write a text: `"…"`',
        Kind.SET: 'write a list: `["a", "b"]`',
    }
    return examples.get(type_.kind)


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
    ast.Today: Infer._today, ast.SwitchIs: Infer._switch_is, ast.Call: Infer._call, ast.Aggregate: Infer._aggregate,
}
_ZERO = Fraction(0)
