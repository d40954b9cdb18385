"""Settings: their types, their values, who may move them, and their overrides."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count

from caplex.compiler.diagnostics import codes_names, codes_stages, codes_types
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Level
from caplex.compiler.semantics import builtins, units
from caplex.compiler.semantics.constants import NotConstant, evaluate
from caplex.compiler.semantics.infer import Infer
from caplex.compiler.semantics.model import LetBinding, MemberBinding, OverrideInfo, SettingBinding, SettingInfo, Value
from caplex.compiler.semantics.moving import FromOutside, Moved, greater, safe, side
from caplex.compiler.semantics.report import at, guess, listing
from caplex.compiler.semantics.schema import read_type
from caplex.compiler.semantics.shape import children
from caplex.compiler.semantics.stages import day_start
from caplex.compiler.semantics.symbols import Scope
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind, SectionSpec, Type

MOST_STEPS = 50
SILENT = "said"
"""Why of a `NotConstant` that has been complained about."""


def resolve(infer: Infer, entry: Scope, outside: Mapping[str, object]) -> dict[str, SettingInfo]:
    """All settings of the policy, by qualified name; complaints go to *infer*."""
    work = _Settings(infer, entry, outside)
    try:
        return work.resolve()
    finally:
        del work._outside  # it knows the way back: in a circle the whole tree would wait for the collector


@dataclass(slots=True)
class _One:
    scope: Scope
    node: ast.Setting
    type: Type
    name: str
    value: Value = None
    origin: str = "policy"
    state: str = "new"
    moved: Moved | None = None
    info: SettingInfo | None = None


class _Settings:
    def __init__(self, infer: Infer, entry: Scope, outside: Mapping[str, object]) -> None:
        self._infer = infer
        self._entry = entry
        self._ids = count(-1, -1)
        self._outside = FromOutside(outside, infer.problems, self._from_outside, infer.checked.policy.timezone, self._ids)
        self._all: dict[str, _One] = {}
        self._arguments: dict[str, tuple[ast.Argument, Scope]] = {}
        self._depth = 0
        self._by_file: dict[str, Value] = {}

    def resolve(self) -> dict[str, SettingInfo]:
        for scope in self._entry.walk():
            for name, node in scope.settings.items():
                type_, problems = read_type(node.type, currency=self._infer.checked.policy.currency)
                self._infer.problems.extend(problems)
                self._all[scope.prefix + name] = _One(scope, node, type_, scope.prefix + name)
                self._infer.setting_types[scope.prefix + name] = type_
        self._match_arguments(self._entry)
        self._outside.unknown(self._all)
        for one in self._all.values():
            if one.state == "new":
                with suppress(NotConstant):  # it has been said why
                    self._value(one, one.node)
        return {name: self._finished(one) for name, one in self._all.items()}

    def _say(self, diagnostic: Diagnostic) -> None:
        self._infer.say(diagnostic)

    # ── values ───────────────────────────────────────────────────────────────────────────────────────

    def _match_arguments(self, scope: Scope) -> None:
        for below in scope.imports.values():
            assert below.use is not None
            seen: dict[str, ast.Name] = {}
            for argument in below.use.arguments:
                name = argument.name.text
                if name in seen:
                    self._say(at(codes_names.DUPLICATE, f"`{name}` is given twice", argument.name.span, "again",
                                 also=[(seen[name].span, "first here")]))
                elif name not in below.settings:
                    self._say(at(codes_names.UNKNOWN_SETTING, f"`{below.prefix[:-1]}` has no setting `{name}`",
                                 argument.name.span,
                                 "unknown setting",
                                 help=guess(name, below.settings)
                                 or (f"it has {listing(below.settings)}" if below.settings else None)))
                else:
                    seen[name] = argument.name
                    self._arguments[below.prefix + name] = (argument, scope)
            self._match_arguments(below)

    def _value(self, one: _One, reader: ast.Node) -> Value:
        """The value of *one*, worked out once; NotConstant where it has been complained about."""
        if one.state == "done":
            return one.value
        if one.state == "open":
            self._say(at(codes_names.LET_CYCLE, f"`{one.name}` is defined by itself", reader.span, "needs itself"))
        elif one.state == "new" and self._depth >= MOST_STEPS:
            self._say(at(codes_names.TOO_DEEP, f"`{one.name}` follows from a chain of too many settings", reader.span,
                         "too deep"))
        if one.state != "new" or self._depth >= MOST_STEPS:
            one.state = "failed"
            raise NotConstant(reader, SILENT)
        one.state = "open"
        self._depth += 1
        try:
            self._work_out(one)
        except NotConstant:
            one.state = "failed"
            raise
        finally:
            self._depth -= 1
        one.state = "done"
        return one.value

    def _work_out(self, one: _One) -> None:
        default = one.value = self._default(one)
        if one.name in self._arguments:
            argument, scope = self._arguments[one.name]
            one.value = self._constant(argument.value, one.type, scope, f"`{one.name}`")
            one.origin = "use"
            if one.node.hard:
                self._must_tighten(one, default, one.value, argument.value)
            default = one.value
        if one.name in self._outside:
            moved = self._outside.move(one.node, one.name, one.type, default)
            if moved is not None:
                one.value, one.origin, one.moved = moved.value, moved.origin, moved

    def _default(self, one: _One) -> Value:
        """What its declaration says. Of a module, an amount in another currency than the policy's may be replaced in `use`.

        Raises:
            NotConstant: It has no value; that has been complained about.
        """
        problems, node = self._infer.problems, one.node
        before = len(problems)
        try:
            return self._constant(node.value, one.type, one.scope, f"`{one.name}`")
        except NotConstant:
            told = problems[before:]
            foreign = [problem for problem in told if _of_currencies(problem, node.value)] if one.scope.prefix else []
            if not foreign:
                raise
            if one.name in self._arguments and not node.hard:
                problems[before:] = [problem for problem in told if problem not in foreign]
                if len(foreign) == len(told):
                    return None
                raise
            help = "it is `hard`: what replaces it must be compared with it, in one currency" if node.hard else (
                f"pass it in the policy's currency where `{one.scope.prefix[:-1]}` is imported: `use … as {one.scope.prefix.split('.')[-2]} "
                f"({node.name.text} = … {self._infer.checked.policy.currency})`")
            problems[before:] = [replace(problem, help=help) if problem in foreign else problem for problem in told]
            raise

    def _constant(self, expr: ast.Expr, type_: Type, scope: Scope, what: str) -> Value:
        """The value of *expr* as a *type_*.

        Raises:
            NotConstant: It has none; that has been complained about.
        """
        infer = self._infer
        before = len(infer.problems)
        with infer.within(scope):
            infer.expect(expr, type_, what)
        if len(infer.problems) > before or type_.kind is Kind.UNKNOWN:
            raise NotConstant(expr, SILENT)
        try:
            value = evaluate(expr, self._lookup)
        except NotConstant as stop:
            if stop.why != SILENT:
                self._say(at(codes_types.NOT_CONSTANT, f"{what} must be known before any fact is", stop.node.span,
                             stop.why or "depends on facts"))
            raise NotConstant(expr, SILENT) from None
        if type_.kind is Kind.COUNT and isinstance(value, Fraction) and value.denominator != 1:
            self._say(at(codes_types.NOT_WHOLE, f"{what} is a whole number", expr.span, "not a number of things"))
        return value

    def _maybe(self, expr: ast.Expr, one: _One, what: str) -> Value:
        """The same where nothing depends on it: None if it has no value."""
        try:
            return self._constant(expr, one.type, one.scope, what)
        except NotConstant:
            return None

    def _lookup(self, read: ast.Read) -> Value:
        binding = self._infer.checked.bindings.get(read.id)
        match binding:
            case SettingBinding(name=name):
                return self._value(self._all[name], read)
            case MemberBinding(value=value):
                return value
            case LetBinding(value=inner):
                return evaluate(inner, self._lookup)
            case _:
                raise NotConstant(read)

    def _as_written(self, expr: ast.Expr, now: Value) -> Value:
        """The value that *expr* has by the policy and its modules alone; *now* is the one it has, and stays if it has no other.

        The words of overrides are weighed by it.
        """
        try:
            return evaluate(expr, self._lookup_as_written) if self._outside else now
        except NotConstant:
            return now

    def _lookup_as_written(self, read: ast.Read) -> Value:
        match self._infer.checked.bindings.get(read.id):
            case SettingBinding(name=name):
                return self._default_as_written(self._all[name])
            case LetBinding(value=inner):
                return evaluate(inner, self._lookup_as_written)
            case _:
                return self._lookup(read)

    def _default_as_written(self, one: _One) -> Value:
        if one.state != "done":
            return one.value
        if one.name not in self._by_file:
            argument = self._arguments.get(one.name)
            self._by_file[one.name] = self._as_written(argument[0].value if argument is not None else one.node.value, one.value)
        return self._by_file[one.name]

    # ── from outside ─────────────────────────────────────────────────────────────────────────────────

    def _from_outside(self, expr: ast.Expr, name: str, type_: Type) -> Value:
        return self._constant(expr, type_, self._entry, f"`{name}`")

    def _must_tighten(self, one: _One, default: Value, value: Value, expr: ast.Expr) -> None:
        """A `hard` setting that an import replaces only gets safer."""
        if not safe(one.node.safer, default, value):
            self._say(at(codes_stages.RISKIER, f"`{one.name}` may {side(one.node.safer)} from here", expr.span, "riskier than its default",
                         also=[(one.node.name.span, "declared `hard`")]))

    # ── ranges, overrides ────────────────────────────────────────────────────────────────────────────

    def _finished(self, one: _One) -> SettingInfo:
        if one.info is None:
            one.info = self._finish(one)
        return one.info

    def _passed_on(self, one: _One) -> tuple[OverrideInfo, ...]:
        """Overrides of the setting that an import hands to *one* as it is; those of one that is only part of an expression stay behind, which is told."""
        if one.name not in self._arguments or one.state != "done":
            return ()
        argument, _ = self._arguments[one.name]
        found = [self._all[binding.name] for node in _reads(argument.value)
                 if isinstance(binding := self._infer.checked.bindings.get(node.id), SettingBinding)]
        with_overrides = [each for each in found if self._finished(each).overrides]
        if not with_overrides:
            return ()
        source = self._finished(with_overrides[0])
        if not isinstance(argument.value, ast.Read):
            self._say(at(codes_stages.OVERRIDES_LEFT, f"the overrides of `{source.name}` do not reach `{one.name}`", argument.value.span,
                         "only its default counts here", help=f"hand on `{source.name}` as it is"))
            return ()
        if source.safer != one.node.safer:
            problem = at(codes_stages.OVERRIDES_LEFT, f"`{source.name}` and `{one.name}` do not have the same safer side", argument.value.span,
                         "its overrides cannot be handed on",
                         help=f"declare `{source.name}` with `{one.node.safer} is safer`" if one.node.safer else f"give `{one.name}` a value of its own")
            self._say(replace(problem, level=Level.ERROR))
            return ()
        low, high = self._bound(one.node.low, one), self._bound(one.node.high, one)
        for override in source.overrides:
            self._in_range(one, override.value, low, high, argument.value)
        return source.overrides

    def _finish(self, one: _One) -> SettingInfo:
        node = one.node
        if node.safer is not None and not (one.type.numeric or one.type.kind is Kind.UNKNOWN):
            self._say(at(codes_stages.SETTING_SIDE, f"{units.noun(one.type)} is neither lower nor higher",
                         node.name.span, "no safer side"))
        low = self._bound(node.low, one)
        high = self._bound(node.high, one)
        self._in_range(one, one.value, low, high, self._written(one))
        overrides = tuple(info for override in node.overrides
                          if (info := self._override(one, override, low, high)) is not None)
        if one.moved is not None and one.moved.approved is not None:
            self._in_range(one, one.moved.approved.value, low, high, one.moved.approved.node)
            overrides += (one.moved.approved,)
        overrides += self._passed_on(one)
        return SettingInfo(
            name=one.name, type=one.type, value=one.value, origin=one.origin, overrides=overrides, safer=node.safer,
            hard=node.hard, default=self._default_as_written(one),
            open=node.open, low=low, high=high, title=node.title, node=node,
        )

    def _written(self, one: _One) -> ast.Node:
        if one.origin == "use":
            return self._arguments[one.name][0].value
        return one.node.value if one.origin == "policy" else one.node.name

    def _bound(self, expr: ast.Expr | None, one: _One) -> Fraction | None:
        if expr is None:
            return None
        value = self._maybe(expr, one, f"the range of `{one.name}`")
        return value if isinstance(value, Fraction) else None

    def _in_range(self, one: _One, value: Value, low: Fraction | None, high: Fraction | None, place: ast.Node) -> None:
        unlimited = value is None and isinstance(place, ast.Unlimited)
        below = isinstance(value, Fraction) and low is not None and value < low
        above = (isinstance(value, Fraction) and high is not None and value > high) or (unlimited and high is not None)
        if below or above:
            bound = one.node.low if below else one.node.high
            assert bound is not None
            self._say(at(codes_types.OUT_OF_RANGE, f"`{one.name}` lies outside its range", place.span,
                         "below" if below else "above",
                         also=[(bound.span, "its range")]))

    def _override(self, one: _One, override: ast.Override, low: Fraction | None,
                  high: Fraction | None) -> OverrideInfo | None:
        before = len(self._infer.problems)
        value = self._maybe(override.value, one, f"`{one.name}`")
        if len(self._infer.problems) == before:
            self._in_range(one, value, low, high, override.value)
        scopes = [scope for scope in map(self._scope, override.scopes) if scope is not None]
        if len(scopes) < len(override.scopes) or len(self._infer.problems) > before:
            return None
        until = day_start(override.through.iso, self._infer.checked.policy.timezone,
                          later_days=1) if override.through else None
        written = self._as_written(override.value, value)
        if override.kind == "tighten" and greater(*((value, one.value) if one.node.safer == "lower" else (one.value, value))):
            value = one.value  # moved from outside to a safer side than this one has: a `tighten` does not undo it
        return OverrideInfo(
            kind=override.kind, scopes=tuple(scopes), value=value, written=written,
            through=override.through.iso if override.through else None, until_ns=until,
            approved_by=override.approved_by, ticket=override.ticket, node=override,
        )

    def _scope(self, scope: ast.Scope) -> tuple[str, str] | None:
        """``symbol "BTCUSDT"``, ``regime bear``: a dimension of the intent, or a section with an enumeration or text."""
        name = scope.dimension.text
        if name in builtins.DIMENSIONS:
            return name, scope.value
        schema = self._infer.checked.schema
        section = schema.sections.get(name)
        spec = section.fields.get("value") if section is not None and section.shape == "one" else None
        if spec is not None and spec.type.kind in (Kind.ENUM, Kind.TEXT, Kind.NOMINAL):
            if spec.type.kind is Kind.ENUM and scope.value not in spec.type.members:
                self._say(at(codes_names.UNKNOWN_MEMBER,
                             f"`{scope.value}` is not one of {listing(spec.type.members, most=20)}", scope.span,
                             "unknown member", help=guess(scope.value, spec.type.members)))
                return None
            return f"{name}.value", scope.value
        known = [*builtins.DIMENSIONS, *(each.name for each in schema.sections.values() if _can_scope(each))]
        self._say(at(codes_names.UNKNOWN_WORD, f"an override cannot be for `{name}`", scope.dimension.span,
                     "unknown dimension",
                     help=guess(name, known) or f"dimensions are {listing(known)}"))
        return None


def _of_currencies(problem: Diagnostic, expr: ast.Expr) -> bool:
    span, place = problem.span, expr.span
    return (problem.code in (codes_types.CURRENCIES, codes_types.DOLLARS) and span is not None and span.source is place.source
            and place.start <= span.start and span.end <= place.end)


def _reads(expr: ast.Expr) -> Iterator[ast.Read]:
    """Every read in *expr*."""
    if isinstance(expr, ast.Read):
        yield expr
    for each in children(expr):
        yield from _reads(each)


def _can_scope(section: SectionSpec) -> bool:
    return section.inputs and section.shape == "one" and "value" in section.fields
