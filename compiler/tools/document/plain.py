"""Expressions in plain words. What is told here is for reading; what binds stands beside it, as written."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from caplex.compiler.semantics.model import (
    CheckedModule,
    DerivedBinding,
    FieldBinding,
    LetBinding,
    MemberBinding,
    NowBinding,
    RowBinding,
    SettingBinding,
    Value,
)
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import Level, level_of, show
from caplex.compiler.tools.pages_policies import value_text
from caplex.runtime.schema import Kind

SHORT: Final = 70
"""Letters of a `let` that is told where it is read; a longer one is told beside the rule."""
_SIGNS: Final = {"==": "is", "!=": "is not", "<": "is below", "<=": "is at most", ">": "is above", ">=": "is at least"}
_ARITHMETIC: Final = {"+": "plus", "-": "minus", "*": "times", "/": "divided by", "of": "of"}
_FACTS: Final = {
    "intent.quantity": "the size of the order", "intent.notional": "the value of the order", "intent.opening": "what the order opens",
    "intent.closing": "what the order closes", "intent.symbol": "the symbol", "intent.side": "the side of the order",
    "intent.strategy": "the strategy", "intent.account": "the account", "intent.venue": "the venue",
    "after.position.quantity": "the position after the order", "after.position.notional": "the value of the position after the order",
    "after.portfolio.gross": "gross exposure after the order", "after.portfolio.net": "net exposure after the order",
    "committed.position.quantity": "the position with all orders in flight",
    "committed.position.notional": "the value of the position with all orders in flight",
    "committed.portfolio.gross": "gross exposure with all orders in flight",
    "committed.portfolio.positions": "the number of symbols held or in flight",
    "position.quantity": "the position", "position.notional": "the value of the position",
    "portfolio.gross": "gross exposure", "portfolio.net": "net exposure", "portfolio.positions": "the number of symbols held",
    "account.equity": "equity", "account.day_loss": "the loss of the day", "account.drawdown": "drawdown",
    "account.day_start_equity": "equity at the start of the day", "account.peak_equity": "peak equity", "account.initial_equity": "initial equity",
    "market.as_of": "the time of the quote", "account.as_of": "the time of the account’s figures",
    "market.price": "the market price", "market.bid": "the bid", "market.ask": "the ask",
}
_OWNERS: Final = {"intent": "the order", "market": "the market", "account": "the account", "strategy": "the strategy", "instrument": "the instrument",
                  "position": "the position", "venue": "the venue", "session": "the session", "portfolio": "the portfolio"}
_ROWS: Final = {"notional": "value", "quantity": "quantity", "pnl": "profit or loss"}
_SOURCES: Final = {"order_events": "orders", "orders": "orders in flight", "positions": "positions held"}
_TIMES: Final = re.compile(r"([0-9][0-9_.]*)x?")
_TOLD: Final = {"observed": "what is measured", "allowed": "what is allowed"}


class Words:
    """Tells expressions of *checked*; settings with the values that they have, or those in *instead*.

    Attributes:
        terms: Names that were told as names, and what each means, in order of appearance.
    """

    def __init__(self, checked: CheckedModule, instead: Mapping[str, Value] | None = None) -> None:
        self.checked = checked
        self.instead = instead or {}
        self.terms: dict[str, str] = {}

    # ── values ───────────────────────────────────────────────────────────────────────────────────────

    def say(self, expr: ast.Expr, level: Level = Level.SUM) -> str:
        """*expr* in words; in brackets where it binds more loosely than *level*."""
        text = self._say(expr)
        bound = self._level(expr)
        return text if bound >= level else f"({text})"

    def _level(self, expr: ast.Expr) -> Level:
        inner = self._inlined(expr)
        if inner is not None:
            return self._level(inner)
        if isinstance(expr, ast.Aggregate) and expr.where is not None:
            return Level.OR  # what stands behind it would be read as part of its condition
        return Level.POSTFIX if isinstance(expr, ast.Else) else level_of(expr)

    def _say(self, expr: ast.Expr) -> str:
        match expr:
            case ast.Read():
                return self._read(expr)
            case ast.ListOf(items=items):
                return _either([self.say(item) for item in items])
            case ast.Text(value=value):
                return f"“{value}”"
            case ast.Bool(value=value):
                return "true" if value else "false"
            case ast.Unlimited():
                return "no bound"
            case ast.Negate(operand=operand):
                return f"minus {self.say(operand, Level.SHARE)}"
            case ast.Arithmetic(operator="-", left=left, right=right) if (usual := self._difference(left, right)) is not None:
                return usual
            case ast.Arithmetic(operator="of" | "*", left=left, right=right) if (times := _TIMES.fullmatch(self.say(left, Level.POSTFIX))) is not None:
                return ("100% of " if times[1] == "1" else f"{times[1]} times ") + self.say(right, Level.SHARE)
            case ast.Arithmetic(operator=operator, left=left, right=right):
                near, far = (Level.POSTFIX, Level.SHARE) if operator == "of" else (Level.SUM, Level.PRODUCT) if operator in "+-" else (
                    Level.PRODUCT, Level.FACTOR)
                said = self.say(right, far)
                if operator == "*" and (times := _TIMES.fullmatch(said)) is not None:
                    said = times[1]  # `times 5x` says it twice
                return f"{self.say(left, near)} {_ARITHMETIC[operator]} {said}"
            case ast.Call():
                return self._call(expr)
            case ast.Aggregate():
                return self._aggregate(expr)
            case ast.Else(value=value, fallback=fallback):
                return f"{self.say(value, Level.POSTFIX)} (if not given: {self.say(fallback, Level.OR)})"
            case ast.If(condition=condition, then=then, otherwise=otherwise):
                return f"{self.say(then)} if {self.holds(condition)}, else {self.say(otherwise)}"
            case (ast.Compare() | ast.Within() | ast.Among() | ast.IsKnown() | ast.IsMultiple() | ast.InLast() | ast.Today() | ast.SwitchIs()
                  | ast.Logic() | ast.Not()):
                return self.holds(expr)
            case _:
                return show(expr)

    def _read(self, read: ast.Read) -> str:
        binding = self.checked.bindings.get(read.id)
        match binding:
            case SettingBinding(name=name):
                info = self.checked.settings[name]
                value = self.instead.get(name, info.value) if name in self.instead else info.value
                if isinstance(value, frozenset):
                    return _either(sorted(value)) if value else "an empty list"
                return value_text(value, info, self.checked.policy.currency)
            case LetBinding(name=name, value=inner):
                if self._inlined(read) is not None:
                    return self._say(inner)
                term = f"‘{_spaced(name.rpartition('.')[2])}’"
                if term not in self.terms:
                    self.terms[term] = ""
                    self.terms[term] = self.holds(inner) if self._is_bool(inner) else self.say(inner, Level.IF)
                return term
            case FieldBinding(section=section, field=field, key=key):
                at = f" of {self.say(key).strip('“”')}" if key is not None else ""
                if section.scalar:
                    return f"“{_spaced(section.name)}”{at}"
                return _fact(section.name, field.name) + at
            case DerivedBinding(name=name):
                return _fact(*_split(name)) if "." in name else _TOLD.get(name, _spaced(name))
            case RowBinding(field=field):
                return f"its {_ROWS.get(field.name, _spaced(field.name))}"
            case MemberBinding(value=value):
                return f"“{value}”" if " " in value else value
            case NowBinding():
                return "now"
        return _TOLD.get(read.name, _spaced(show(read)))

    def _inlined(self, expr: ast.Expr) -> ast.Expr | None:
        """What a short `let` stands for, where it is told instead of its name."""
        binding = self.checked.bindings.get(expr.id) if isinstance(expr, ast.Read) else None
        if isinstance(binding, LetBinding) and len(show(binding.value)) <= SHORT:
            return binding.value
        return None

    def _difference(self, left: ast.Expr, right: ast.Expr) -> str | None:
        """Differences that have a shorter name."""
        if isinstance(left, ast.Number) and left.value == 0:
            return f"minus {self.say(right, Level.PRODUCT)}"
        if self._is_now(left):
            return f"the time since {self.say(right, Level.PRODUCT)}"
        return f"the time until {self.say(left)}" if self._is_now(right) else None

    def _is_now(self, expr: ast.Expr) -> bool:
        return isinstance(self.checked.bindings.get(expr.id), NowBinding)

    def _call(self, call: ast.Call) -> str:
        arguments = call.arguments
        if call.function.text == "clamp" and len(arguments) == 2 and isinstance(arguments[1], ast.Interval):
            assert not isinstance(arguments[0], ast.Interval)
            return f"{self.say(arguments[0])}, kept between {self.say(arguments[1].low)} and {self.say(arguments[1].high)}"
        told = [self.say(each) for each in arguments if not isinstance(each, ast.Interval)]
        if call.function.text == "abs":
            return f"{told[0]} (long or short)" if not told[0].endswith(")") and " plus " not in told[0] and " minus " not in told[0] else f"the size of ({told[0]})"
        return f"the {'smallest' if call.function.text == 'min' else 'largest'} of ({'; '.join(told)})"

    def _aggregate(self, found: ast.Aggregate) -> str:
        where = f" where {self.holds(found.where)}" if found.where is not None else ""
        spec = self.checked.aggregates.get(found.id)
        name = spec.name if spec is not None else show(found.source)
        source = _SOURCES.get(name, _spaced(name))
        if found.last is not None:
            source += f" in the last {self.say(found.last)}"
        if found.today:
            source += " today"
        match found.function.text:
            case "count":
                return f"the number of {source}{where}"
            case "any":
                assert found.body is not None
                return f"for some of the {source}{where}, {self.holds(found.body)}"
            case "all":
                assert found.body is not None
                return f"for all {source}{where}, {self.holds(found.body)}"
            case function:
                body = self.say(found.body) if found.body is not None else "it"
                word = {"sum": "sum", "max": "largest", "min": "smallest"}.get(function, function)
                return f"the {word} of {body} over {source}{where}"

    # ── conditions ───────────────────────────────────────────────────────────────────────────────────

    def holds(self, expr: ast.Expr, level: Level = Level.IF) -> str:
        """The condition *expr* as a clause: ``drawdown is at least 10%``."""
        inner = self._inlined(expr)
        if inner is not None:
            return self.holds(inner, level)
        text = self._holds(expr)
        return text if level_of(expr) >= level else f"({text})"

    def _holds(self, expr: ast.Expr) -> str:
        match expr:
            case ast.Logic(operator=operator, left=left, right=right):
                own = level_of(expr)
                return f"{self.holds(left, own)} {operator} {self.holds(right, Level(own + 1))}"
            case ast.Not(operand=operand):
                if isinstance(operand, ast.Among | ast.IsKnown):
                    return self.holds(replace(operand, negated=not operand.negated))
                if isinstance(operand, ast.Read) and (option := self._option(operand, "off")) is not None:
                    return option
                if isinstance(operand, ast.Read | ast.Else) and self._inlined(operand) is None:
                    return f"{self.say(operand)} is false"
                return f"it is not so that {self.holds(operand, Level.COMPARISON)}"
            case ast.Compare(operator=operator, left=left, right=right):
                return f"{self.say(left)} {_SIGNS[operator]} {self.say(right)}"
            case ast.Within(value=value, low=low, high=high):
                return f"{self.say(value)} is between {self.say(low)} and {self.say(high)}"
            case ast.Among(value=value, collection=ast.ListOf(items=(only,)), negated=negated):
                return f"{self.say(value)} is {'not ' if negated else ''}{self.say(only)}"
            case ast.Among(value=value, collection=collection, negated=negated):
                return f"{self.say(value)} is {'not ' if negated else ''}among {self.say(collection)}"
            case ast.IsKnown(value=value, negated=negated):
                return f"{self.say(value)} is {'not ' if negated else ''}known"
            case ast.IsMultiple(value=value, of=of):
                return f"{self.say(value)} is a multiple of {self.say(of)}"
            case ast.InLast(value=value, window=window):
                return f"{self.say(value)} was within the last {self.say(window)}"
            case ast.Today(value=value):
                return f"{self.say(value)} was today"
            case ast.SwitchIs(switch=switch, state=state):
                return f"switch {self.checked.references.get(switch.id, switch.text)} is {state}"
            case ast.Bool(value=value):
                return "always" if value else "never"
            case ast.Aggregate() if expr.function.text in ("any", "all"):
                return self._say(expr)
            case ast.Read() if (option := self._option(expr, "on")) is not None:
                return option
            case _:
                said = self._say(expr)
                return f"{said} holds" if said.startswith("‘") else f"{said} is true"

    def _option(self, read: ast.Read, wanted: str) -> str | None:
        """A setting that is on or off, by its name: its value alone would say nothing."""
        binding = self.checked.bindings.get(read.id)
        if not isinstance(binding, SettingBinding) or not isinstance(value := self.checked.settings[binding.name].value, bool):
            return None
        return f"‘{_spaced(binding.name.rpartition('.')[2])}’ is {wanted} (it is {'on' if value else 'off'})"

    def _is_bool(self, expr: ast.Expr) -> bool:
        found = self.checked.types.get(expr.id)
        return found is not None and found.kind is Kind.BOOL

    # ── texts ────────────────────────────────────────────────────────────────────────────────────────

    def template(self, template: ast.Template) -> str:
        """A `because` with its holes in words: ``the order is worth ‹what is measured›``."""
        return "".join(part if isinstance(part, str) else f"‹{self.say(part.value, Level.IF)}›" for part in template.parts)


def _either(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + f" or {items[-1]}" if items else "nothing"


def _spaced(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")


def _split(name: str) -> tuple[str, str]:
    section, _, field = name.rpartition(".")
    return section, field


def _fact(section: str, field: str) -> str:
    known = _FACTS.get(f"{section}.{field}")
    if known is not None:
        return known
    owner = _OWNERS.get(section, _spaced(section))
    return f"{owner}’{'' if owner.endswith('s') else 's'} {_spaced(field)}"
