"""Functions and aggregates."""
from __future__ import annotations

from dataclasses import replace

from caplex.compiler.diagnostics import codes_names
from caplex.compiler.semantics import builtins, units
from caplex.compiler.semantics.model import SectionBinding
from caplex.compiler.semantics.pairs import Pairs
from caplex.compiler.semantics.report import at, guess, listing, near
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind, SectionSpec, Type


class Calls(Pairs):
    def call(self, expr: ast.Call, want: Type | None) -> Type:
        name, arguments = expr.function.text, expr.arguments
        intervals = [argument for argument in arguments if isinstance(argument, ast.Interval)]
        values = [argument for argument in arguments if not isinstance(argument, ast.Interval)]
        match name:
            case "abs" if len(values) == 1 and not intervals:
                return self.number(values[0], self.infer(values[0]))
            case "max" | "min" if len(values) > 1 and not intervals:
                return self._together(values, want)
            case "clamp" if len(values) == 1 and len(intervals) == 1 and arguments[1] is intervals[0]:
                return self._together([values[0], intervals[0].low, intervals[0].high], want)
            case "abs" | "max" | "min" | "clamp" | "sum" | "count" | "any" | "all":
                shapes = {"abs": "abs(x)", "clamp": "clamp(x, 0..1)",
                          "max": "max(a, b)` or `max(x.pnl for x in fills in last 1d)",
                          "min": "min(a, b)` or `min(x.pnl for x in fills in last 1d)", "count": "count(positions)"}
                return self.say(at(codes_names.BAD_ARGUMENTS, f"`{name}` does not take these arguments", expr.span,
                                   "not its shape",
                                   help=f"write `{shapes.get(name, f'{name}(x.notional for x in positions)')}`"))
            case _:
                return self.say(at(codes_names.UNKNOWN_FUNCTION, f"no function is named `{name}`", expr.function.span,
                                   "unknown function",
                                   help=guess(name, (*builtins.FUNCTIONS, *builtins.AGGREGATES))
                                   or f"there are {listing(dict.fromkeys((*builtins.FUNCTIONS, *builtins.AGGREGATES)), most=12)}"))

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
        return self.number(first, type_)

    def aggregate(self, expr: ast.Aggregate, want: Type | None) -> Type:
        name = expr.function.text
        if name not in builtins.AGGREGATES:
            return self.say(at(codes_names.UNKNOWN_FUNCTION, f"no aggregate is named `{name}`", expr.function.span,
                               "unknown function",
                               help=guess(name, builtins.AGGREGATES) or f"there are {listing(builtins.AGGREGATES)}"))
        if self.place.aggregate:
            return self.say(at(codes_names.BAD_ARGUMENTS, "an aggregate cannot stand in another", expr.span,
                               "inside an aggregate"))
        section = self._rows_of(expr)
        if expr.last is not None:
            self.expect(expr.last, units.DURATION, "the length of a window")
        if section is None:
            return units.UNKNOWN
        self.checked.aggregates[expr.id] = section
        variable = expr.variable.text if expr.variable is not None else "event"
        place = self.place
        inside = replace(place, rows={**place.rows, variable: section}, aggregate=True, text=False)
        if expr.variable is not None and (variable in self.scope.lets or variable in self.scope.settings
                                          or variable in self.checked.schema.sections):
            self.say(at(codes_names.DUPLICATE, f"`{variable}` already has a meaning", expr.variable.span,
                        "choose another name"))
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
            self.say(at(codes_names.NOT_ROWS, f"no list is named `{source.name}`", source.span, "unknown list",
                        help=guess(source.name, lists)))
            return None
        if section.shape not in ("list", "history"):
            found = near(name, lists)
            self.say(at(codes_names.NOT_ROWS, f"`{name}` is not a list", source.span, "has no rows to go through",
                        help=f"did you mean `{found}`?" if found else None))
            return None
        if windowed and section.shape != "history":
            place = expr.last if expr.last is not None else source
            self.say(at(codes_names.NOT_HISTORY, f"the rows of `{name}` are not events", place.span,
                        "a window needs a history",
                        help="histories are " + listing(builtins.EVENTS)))
            return None
        if self.place.switch is not None and section.shape == "list" and section.key is not None and section.key not in self.place.switch:
            self.trip_reads(source, name, section.key)
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
            return self.say(at(codes_names.BAD_ARGUMENTS, f"`{name}` needs to know what of each row", expr.span,
                               "of what?",
                               help=f"write `{name}(x.… for x in {expr.source.span.text})`"))
        if name in ("any", "all"):
            self.condition(body)
            return units.BOOL
        type_ = self.infer(body)
        if name in ("max", "min") and type_.kind is Kind.INSTANT:
            return type_
        if name == "sum" and type_.bare and type_.kind is Kind.RATIO:
            return units.RATIO
        return units.plain(self.number(body, type_))
