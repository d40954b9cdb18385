"""The schema of facts: what `grammar/facts.cap` declares, and what a policy adds to it or narrows.

The built-in part is parsed once per process. A policy's own declarations never change it: `extend` makes a new schema
that shares what is untouched.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from importlib.resources import files

from caplex.compiler.diagnostics import codes_names as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics import builtins, units
from caplex.compiler.semantics.constants import NotConstant, evaluate
from caplex.compiler.semantics.report import at, guess, listing
from caplex.compiler.source import Source
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.parser import parse
from caplex.runtime.schema import PLAN_IN_FORCE, FieldSpec, Kind, Schema, SectionSpec, Type

RESERVED = frozenset({"after", "committed", "permitted", "portfolio", "counters", "now", "event", "allowed",
                      "observed", "switches", "decision"})
_LITERALS: dict[type[ast.Node], frozenset[Kind]] = {
    ast.Number: frozenset({Kind.RATIO, Kind.COUNT, Kind.QUANTITY, Kind.RATE}),
    ast.Percent: frozenset({Kind.RATIO}), ast.BasisPoints: frozenset({Kind.RATIO}), ast.Points: frozenset({Kind.RATIO}),
    ast.Multiple: frozenset({Kind.RATIO}), ast.Money: frozenset({Kind.MONEY, Kind.PRICE}),
    ast.Units: frozenset({Kind.QUANTITY}),
    ast.Duration: frozenset({Kind.DURATION}), ast.Instant: frozenset({Kind.INSTANT}),
}


@lru_cache(maxsize=1)
def builtin() -> Schema:
    """The schema of `grammar/facts.cap`."""
    text = files("caplex.grammar").joinpath("facts.cap").read_text(encoding="utf-8")
    module, problems = parse(Source("facts.cap", text))
    assert module is not None, [problem.message for problem in problems]
    extender = _Extender({}, policy_currency=None, own=False)
    for item in module.items:
        extender.declare(item)
    assert not extender.problems, [problem.message for problem in extender.problems]
    extender.sections[PLAN_IN_FORCE] = replace(extender.sections[PLAN_IN_FORCE], inputs=True)
    return Schema(extender.sections)


def extend(
    schema: Schema, modules: Sequence[ast.Module], *, currency: str | None = None
) -> tuple[Schema, list[Diagnostic]]:
    """*schema* with the `input` declarations of *modules*; *currency* is the policy's, which `money(USD)` then means."""
    extender = _Extender(dict(schema.sections), policy_currency=currency, own=True)
    for module in modules:
        for item in module.items:
            extender.declare(item)
    return Schema(extender.sections), extender.problems


def read_type(ref: ast.TypeRef, *, currency: str | None = None) -> tuple[Type, list[Diagnostic]]:
    """The type that *ref* names; `UNKNOWN` with a diagnostic if there is none."""
    if ref.name == "one of":
        members = tuple(member.text for member in ref.members)
        for index, member in enumerate(ref.members):
            if member.text in members[:index]:
                return units.UNKNOWN, [at(codes.DUPLICATE, f"`{member.text}` stands twice", member.span, "again")]
        return Type(Kind.ENUM, members=members), []
    if ref.name == "set of":
        element = units.PLAIN_TYPES.get(ref.element or "")
        if element is None or element.kind not in (Kind.TEXT, Kind.NOMINAL):
            known = [name for name, type_ in units.PLAIN_TYPES.items() if type_.kind in (Kind.TEXT, Kind.NOMINAL)]
            return units.UNKNOWN, [_unknown_type(ref, ref.element or "", known)]
        return Type(Kind.SET, element=element), []
    found = units.PLAIN_TYPES.get(ref.name)
    if found is None:
        return units.UNKNOWN, [_unknown_type(ref, ref.name, units.PLAIN_TYPES)]
    if ref.currency is None:
        return found, []
    if found.kind not in (Kind.MONEY, Kind.PRICE):
        return units.UNKNOWN, [at(codes.UNKNOWN_TYPE, f"`{ref.name}` has no currency", ref.span,
                                  "only money and price have one")]
    return (found if ref.currency == currency else replace(found, currency=ref.currency)), []


def _unknown_type(ref: ast.TypeRef, name: str, known: object) -> Diagnostic:
    names = list(known) if isinstance(known, (list, dict)) else []
    return at(codes.UNKNOWN_TYPE, f"no type is named `{name}`", ref.span, "unknown type",
              help=guess(name, names) or f"types are {listing(names, most=20)}")


class _Extender:
    def __init__(self, sections: dict[str, SectionSpec], *, policy_currency: str | None, own: bool) -> None:
        self.sections = sections
        self.problems: list[Diagnostic] = []
        self._currency = policy_currency
        self._own = own
        """Declared by a policy, not by the language."""
        self._declared: dict[str, ast.Node] = {}

    def declare(self, item: ast.Item) -> None:
        if isinstance(item, ast.InputRecord):
            self._record(item)
        elif isinstance(item, ast.InputScalar):
            self._scalar(item)

    def _say(self, diagnostic: Diagnostic) -> None:
        self.problems.append(diagnostic)

    def _reserved(self, name: ast.Name) -> bool:
        if self._own and name.text in RESERVED:
            self._say(at(codes.DUPLICATE, f"`{name.text}` already has a meaning of its own", name.span,
                         "choose another name"))
            return True
        return False

    def _scalar(self, item: ast.InputScalar) -> None:
        name = item.field.name
        if self._reserved(name):
            return
        field = self._field(name.text, item.field, "value")
        if field is None:
            return
        old = self.sections.get(name.text)
        if old is not None and (not old.scalar or old.fields["value"].type != field.type):
            self._say(at(codes.DUPLICATE, f"`{name.text}` is already declared", name.span, "declared again"))
            return
        self.sections[name.text] = SectionSpec(
            name.text, "one", {"value": field}, inputs=True, scalar=True, doc=item.doc or (item.field.title or ""),
        )

    def _record(self, item: ast.InputRecord) -> None:
        name = item.name
        if self._reserved(name):
            return
        old = self.sections.get(name.text)
        history = name.text in builtins.HISTORIES
        shape = "history" if history else "list" if item.as_list else "row" if item.each else "one"
        key = item.each.text if item.each is not None else None
        if old is None:
            if self._own and key is not None and key not in builtins.DIMENSIONS and not self._intent_has(key):
                self._say(at(codes.UNKNOWN_WORD, f"an intent has no `{key}`",
                             item.each.span if item.each else item.span,
                             "rows are found by a field of the intent",
                             help=guess(key, (*builtins.DIMENSIONS, *self._intent_texts()))))
                return
            old = SectionSpec(name.text, shape, {}, key=key, inputs=self._own, doc=item.doc)  # type: ignore[arg-type]
        elif (item.each is not None or item.as_list) and (shape != old.shape or key != old.key):
            self._say(at(codes.CHANGED_TYPE, f"`{name.text}` is not declared so in the schema", name.span,
                         "write it without `each` and `as list`" if old.shape == "one"
                         else "the rows of a section keep their key"))
            return
        fields = dict(old.fields)
        seen: set[str] = set()
        for declared in item.fields:
            field = declared.name.text
            if field in seen:
                self._say(at(codes.DUPLICATE, f"`{name.text}.{field}` is declared twice", declared.name.span,
                             "declared again"))
                continue
            seen.add(field)
            if self._own and f"{name.text}.{field}" in builtins.DERIVED and field not in fields:
                self._say(at(codes.DUPLICATE, f"`{name.text}.{field}` is computed, never supplied", declared.name.span,
                             "choose another name"))
                continue
            spec = self._field(name.text, declared, field)
            if spec is None:
                continue
            fields[field] = self._narrow(fields[field], spec, declared) if field in fields else spec
        self.sections[name.text] = replace(old, fields=fields, doc=old.doc or item.doc)

    def _intent_texts(self) -> list[str]:
        intent = self.sections.get("intent")
        texts = (Kind.TEXT, Kind.NOMINAL, Kind.ENUM)
        return [name for name, field in intent.fields.items() if field.type.kind in texts] if intent else []

    def _intent_has(self, key: str) -> bool:
        return key in self._intent_texts()

    def _field(self, section: str, declared: ast.Field, name: str) -> FieldSpec | None:
        type_, problems = read_type(declared.type, currency=self._currency)
        if problems:
            self.problems.extend(problems)
            return None
        low, high = self._bound(declared.low, type_), self._bound(declared.high, type_)
        above = self._bound(declared.above, type_)
        floor = above if above is not None else low
        if floor is not None and high is not None and (floor > high or (above is not None and floor == high)):
            assert declared.low is not None or declared.above is not None
            place = (declared.low or declared.above or declared.name).span
            self._say(at(codes.BAD_INPUT, f"nothing lies within the range of `{section}.{declared.name.text}`", place,
                         "above the upper end"))
            return None
        fresh = declared.fresh.nanoseconds if isinstance(declared.fresh, ast.Duration) else 0
        return FieldSpec(
            section=section, name=name, type=type_, optional=declared.type.optional, fresh_ns=fresh, low=low,
            high=high, above=above,
            attested=declared.attested, normalised=declared.normalised, neutral=self._neutral(declared, type_),
            supplier=declared.supplier or "host", doc=declared.doc or declared.title or "",
        )

    def _bound(self, expr: ast.Expr | None, type_: Type) -> Fraction | None:
        if expr is None or isinstance(expr, ast.Unlimited):
            return None
        inner = expr.operand if isinstance(expr, ast.Negate) else expr
        try:
            value = evaluate(expr)
        except NotConstant:
            value = None
        allowed = _LITERALS.get(type(inner), frozenset())
        zero_money = value == 0 and isinstance(inner, ast.Number)
        bare = isinstance(inner, ast.Number) and not self._own
        if not isinstance(value, Fraction) or not (type_.kind in allowed or zero_money or bare):
            self._say(at(codes.BAD_INPUT, f"a bound of {units.noun(type_)} is {units.noun(type_)}", expr.span,
                         "write it with its unit"))
            return None
        return value

    def _neutral(self, declared: ast.Field, type_: Type) -> Fraction | str | bool | None:
        if declared.neutral is None:
            return None
        if isinstance(declared.neutral, ast.Read):
            if type_.kind is Kind.ENUM and declared.neutral.name not in type_.members:
                self._say(at(codes.UNKNOWN_MEMBER, f"`{declared.neutral.name}` is not one of {listing(type_.members)}",
                             declared.neutral.span, "unknown member", help=guess(declared.neutral.name, type_.members)))
            return declared.neutral.name
        try:
            value = evaluate(declared.neutral)
        except NotConstant:
            return None
        return None if isinstance(value, frozenset) else value

    def _narrow(self, old: FieldSpec, new: FieldSpec, declared: ast.Field) -> FieldSpec:
        """*old* as narrowed by *new*: the type stays, ranges shrink, freshness may be asked anew, optional may become required."""
        path = f"{old.section}.{old.name}"
        if old.type != new.type:
            self._say(at(codes.CHANGED_TYPE, f"`{path}` is {units.noun(old.type)}, not {units.noun(new.type)}",
                         declared.type.span,
                         "its type cannot change", help="declare a field of another name"))
            return old
        says_low, says_high = new.low is not None or new.above is not None, new.high is not None
        wider = None
        if says_low and not _starts_within(old, new):
            wider = declared.low or declared.above
        elif says_high and old.high is not None and new.high is not None and new.high > old.high:
            wider = declared.high
        elif declared.low is not None and not says_low and (old.low is not None or old.above is not None):
            wider = declared.low
        if isinstance(declared.high, ast.Unlimited) and old.high is not None:
            wider = declared.high
        if wider is not None:
            self._say(at(codes.WIDENED, f"the range of `{path}` can only be narrowed", wider.span,
                         "wider than the schema's"))
            return old
        return replace(
            old,
            optional=old.optional and new.optional,
            fresh_ns=old.fresh_ns if declared.fresh is None else new.fresh_ns,
            low=new.low if says_low else old.low, above=new.above if says_low else old.above,
            high=new.high if says_high else old.high,
            attested=old.attested or new.attested, normalised=new.normalised or old.normalised,
            neutral=old.neutral if new.neutral is None else new.neutral, doc=new.doc or old.doc,
        )


def _starts_within(old: FieldSpec, new: FieldSpec) -> bool:
    """The lower end of *new* is not below that of *old*."""
    start = new.above if new.above is not None else new.low
    assert start is not None
    if old.above is not None:
        return start > old.above or (start == old.above and new.above is not None)
    return old.low is None or start >= old.low
