"""Values beside each other: what a place takes, the common type of two sides, and what is said where there is none."""
from __future__ import annotations

from caplex.compiler.diagnostics import codes_names, codes_types
from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic, Label
from caplex.compiler.semantics import units
from caplex.compiler.semantics.constants import NotConstant, evaluate
from caplex.compiler.semantics.report import at, guess, listing
from caplex.compiler.semantics.resolve import Resolver
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind, Type

_SHARES = (ast.Percent, ast.BasisPoints, ast.Points, ast.Multiple)
_AMOUNTS = frozenset({Kind.MONEY, Kind.PRICE, Kind.QUANTITY})
_SHARE_OF_WHAT = {Kind.MONEY: "account.equity", Kind.QUANTITY: "instrument.max_quantity"}


class Pairs(Resolver):
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

    # ── what a place takes ───────────────────────────────────────────────────────────────────────────

    def condition(self, expr: ast.Expr) -> None:
        type_ = self.infer(expr, units.BOOL)
        if type_.kind not in (Kind.BOOL, Kind.UNKNOWN):
            self.say(at(codes_types.NOT_A_CONDITION, f"{units.noun(units.plain(type_))} is neither true nor false",
                        expr.span,
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
                type_.kind in (Kind.MONEY, Kind.PRICE) and self.is_zero(expr))
        if found.kind is not type_.kind or not units.same_currency(found, type_):
            return found.kind is Kind.NOMINAL and type_.kind is Kind.TEXT
        return found.kind is not Kind.NOMINAL or found.name == type_.name

    def _does_not_fit(self, expr: ast.Expr, found: Type, type_: Type, what: str) -> None:
        if found.bare and found.kind is Kind.RATIO and type_.kind in (Kind.MONEY, Kind.PRICE):
            self._bare_number(expr)
        elif found.kind in _AMOUNTS and found.kind is type_.kind:
            self.say(at(codes_types.CURRENCIES, f"{what} is {units.noun(type_)}, not {units.noun(found)}", expr.span,
                        units.noun(found)))
        elif found.kind is Kind.RATIO and not found.bare and type_.kind in _AMOUNTS:
            self._percent_of_what(expr, found, type_, f"{what} is {units.noun(type_)}, not {units.noun(found)}", ())
        elif type_.kind is not Kind.ENUM or found.kind is not Kind.TEXT:
            self.say(at(codes_types.WRONG_TYPE, f"{what} is {units.noun(type_)}, not {units.noun(found)}", expr.span,
                        units.noun(found),
                        help=_example(type_)))

    def is_zero(self, expr: ast.Expr) -> bool:
        try:
            return evaluate(expr) == 0
        except NotConstant:
            return False

    def _member(self, expr: ast.Node, word: str, type_: Type) -> bool:
        if word in type_.members:
            return True
        self.say(at(codes_names.UNKNOWN_MEMBER, f"`{word}` is not one of {listing(type_.members, most=20)}", expr.span,
                    "unknown member",
                    help=guess(word, type_.members)))
        return False

    def number(self, expr: ast.Expr, type_: Type) -> Type:
        if type_.kind is Kind.UNKNOWN or (type_.numeric and type_.kind is not Kind.INSTANT):
            return type_
        return self.say(at(codes_types.CONDITION_AS_VALUE, f"{units.noun(units.plain(type_))} is not a number",
                           expr.span, "a number is needed"))

    # ── two values beside each other ─────────────────────────────────────────────────────────────────

    def pair(self, left: ast.Expr, right: ast.Expr, *, ordered: bool = False, verb: str = "compared with",
             want: Type | None = None) -> Type:
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
            return self.say(Diagnostic(codes_types.NO_ORDER,
                                       f"{units.noun(units.plain(joined))} is neither greater nor smaller than another", span,
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
                return self.two(codes_types.NOMINAL, f"{units.noun(left_type)} is never {units.noun(right_type)}",
                                left, left_type, right, right_type)
            case Kind.ENUM if not set(left_type.members) & set(right_type.members):
                return self.two(codes_types.NOMINAL, "these two have no word in common", left, left_type, right,
                                right_type)
            case Kind.SET if left_type.element is None:
                return right_type
            case Kind.RATIO if verb == "compared with" and left_type.of and right_type.of and left_type.of != right_type.of:
                return self.other_whole(left, left_type.of, right, right_type.of)
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
        self, bare: ast.Expr, partner: ast.Expr, type_: Type, left: ast.Expr, left_type: Type, right: ast.Expr,
        right_type: Type, verb: str
    ) -> Type:
        if type_.kind in (Kind.MONEY, Kind.PRICE) and not self.is_zero(bare):
            return self._bare_number(bare, partner)
        if type_.kind not in (Kind.MONEY, Kind.PRICE, Kind.QUANTITY, Kind.RATIO, Kind.COUNT, Kind.RATE):
            return self._mismatch(left, left_type, right, right_type, verb)
        self.settle(bare, type_)
        return type_

    # ── complaints about two values ──────────────────────────────────────────────────────────────────

    def two(self, code: Code, message: str, left: ast.Expr, left_type: Type, right: ast.Expr, right_type: Type,
            help: str | None = None) -> Type:
        labels = (Label(left.span, units.noun(left_type)), Label(right.span, units.noun(right_type), primary=True))
        return self.say(Diagnostic(code, message, left.span.to(right.span), labels, help=help))

    def _mismatch(self, left: ast.Expr, left_type: Type, right: ast.Expr, right_type: Type, verb: str) -> Type:
        message = f"{units.noun(left_type)} cannot be {verb} {units.noun(right_type)}"
        for share, share_type, whole, whole_type in ((right, right_type, left, left_type),
                                                     (left, left_type, right, right_type)):
            if share_type.kind is Kind.RATIO and not share_type.bare and (whole_type.kind in _AMOUNTS
                                                                          or isinstance(share, _SHARES)) \
                    and whole_type.numeric and whole_type.kind is not Kind.RATIO:
                noun = "a multiple" if isinstance(share, ast.Multiple) else units.noun(share_type)
                message = f"{units.noun(whole_type)} cannot be {verb} {noun}"
                return self._percent_of_what(share, share_type, whole_type, message, (Label(whole.span),), start=left)
        code = codes_types.INCOMPARABLE if verb == "compared with" else codes_types.MIXED_SUM
        help = None
        for bare, partner in ((right_type, left_type), (left_type, right_type)):
            if bare.bare and bare.kind is Kind.RATIO and partner.kind is Kind.DURATION:
                help = "write its unit: `5s`, `5min`, `5h`, `5d`"
        return self.two(code, message, left, left_type, right, right_type, help)

    def _percent_of_what(
        self, share: ast.Expr, share_type: Type, whole: Type, message: str, others: tuple[Label, ...],
        start: ast.Expr | None = None
    ) -> Type:
        literal = isinstance(share, _SHARES)
        base = _SHARE_OF_WHAT.get(whole.kind)
        help = f"write `{share.span.text} of {base}`" if base else f"write `{share.span.text} of` and what it is a share of"
        times = isinstance(share, ast.Multiple) or (not literal and share_type.name == "number")
        question = "times what?" if times else "percent of what?"
        return self.say(Diagnostic(codes_types.PERCENT_OF_WHAT, message, (start or share).span,
                                   (*others, Label(share.span, question, True)), help=help))

    def _bare_number(self, bare: ast.Expr, partner: ast.Expr | None = None) -> Type:
        currency = self.checked.policy.currency or "USD"
        also = [(partner.span, "an amount of money")] if partner is not None else []
        return self.say(at(codes_types.BARE_NUMBER, "a bare number is not an amount of money", bare.span,
                           "in which currency?", also=also,
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

    def other_whole(self, left: ast.Expr, left_of: str, right: ast.Expr, right_of: str,
                    verb: str = "compared with a share of") -> Type:
        return self.say(Diagnostic(
            codes_types.OTHER_WHOLE, f"a share of `{left_of}` cannot be {verb} `{right_of}`", left.span.to(right.span),
            (Label(left.span, f"of `{left_of}`"), Label(right.span, f"of `{right_of}`", primary=True)),
            help="compare the amounts",
        ))


def _example(type_: Type) -> str | None:
    examples = {
        Kind.DURATION: "write its unit: `30s`, `5min`, `2h`, `1d`", Kind.BOOL: "write `true`, `false` or a comparison",
        Kind.RATIO: "write `20%`", Kind.COUNT: "write a whole number", Kind.TEXT: 'write a text: `"…"`',
        Kind.NOMINAL: 'write a text: `"…"`',
        Kind.SET: 'write a list: `["a", "b"]`',
    }
    return examples.get(type_.kind)
