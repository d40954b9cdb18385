"""What each read means: a field, a computed field, a row's field, a setting, a `let`, a member, a switch.

`Resolver` knows names; `infer.Infer` stands on it and knows expressions. Both write only into the side tables of the
`CheckedModule` that is being made.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from caplex.compiler.diagnostics import codes_names as codes
from caplex.compiler.diagnostics import codes_sizing, codes_stages, codes_types
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics import builtins, meant, units
from caplex.compiler.semantics.builtins import DERIVED, Reads
from caplex.compiler.semantics.model import (
    Binding,
    CheckedModule,
    DerivedBinding,
    FieldBinding,
    LetBinding,
    MemberBinding,
    NowBinding,
    RowBinding,
    SettingBinding,
)
from caplex.compiler.semantics.report import at, guess, listing, near
from caplex.compiler.semantics.symbols import Scope
from caplex.compiler.syntax import ast
from caplex.runtime.schema import FieldSpec, Kind, SectionSpec, Type

COUNTERS = SectionSpec("counters", "one", {}, doc="Counts that a host keeps itself, by name.")
_NO_READS: frozenset[str] = frozenset()
MOST_NESTED = 150
"""How deep an expression may nest when its lets are written out: both semantics walk it recursively."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands, as far as it decides what may be read there.

    Attributes:
        rows: Row variables in sight.
        outcome: After the verdict: `permitted.` can be read.
        told: Types of `observed` and `allowed`, in a `because`.
        text: In a hole of a text, where an absent field prints as missing.
        aggregate: Inside an aggregate.
        switch: In a condition of a kill switch: the dimensions it stands for; None elsewhere.
        loose: Names that tests bring along (columns of a table).
        given: On the left of a `given`, where the row of a list may be named by its symbol.
        shares: In an allocation, where there is no intent: the dimension whose rows the clause may read, or none; None elsewhere.
    """

    rows: dict[str, SectionSpec] = field(default_factory=dict)
    outcome: bool = False
    told: tuple[Type, Type] | None = None
    text: bool = False
    aggregate: bool = False
    switch: frozenset[str] | None = None
    loose: frozenset[str] = frozenset()
    given: bool = False
    shares: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A read of the world that does not depend on where it stands; *path* is ``market[].price`` for a row of its own."""

    binding: Binding
    type: Type
    optional: bool
    path: str
    reads: Reads
    row: str | None = None
    """Dimension of the table whose row the intent chooses."""


class Resolver:
    def __init__(self, checked: CheckedModule, entry: Scope) -> None:
        self.checked = checked
        self.entry = entry
        self.scope = entry
        self.place = Place()
        self.problems: list[Diagnostic] = []
        self.reads: set[str] = set()
        """Paths read by the item that is being walked, through lets as well."""
        self.setting_types: dict[str, Type] = {}
        self.money: ast.Node | None = None
        """The first amount of money met."""
        self._facts: dict[tuple[str, ...], Fact | None] = {}
        self._lets: dict[int, tuple[Type, frozenset[str]] | None] = {}
        self._heights: dict[int, int] = {}
        self.depth = 0
        """How many expressions stand around the one that is being walked, through lets as well."""
        self.peak = 0
        self._rows = {
            section: {derived.name.rpartition(".")[2]: derived.spec() for derived in rows} for section,
            rows in builtins.ROW_DERIVED.items()
        }

    # ── moving about ─────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def standing(self, place: Place) -> Iterator[None]:
        before, self.place = self.place, place
        try:
            yield
        finally:
            self.place = before

    @contextmanager
    def within(self, scope: Scope) -> Iterator[None]:
        before, self.scope = self.scope, scope
        try:
            yield
        finally:
            self.scope = before

    def say(self, diagnostic: Diagnostic) -> Type:
        self.problems.append(diagnostic)
        return units.UNKNOWN

    def infer(self, expr: ast.Expr, want: Type | None = None) -> Type:
        raise NotImplementedError

    # ── reads ────────────────────────────────────────────────────────────────────────────────────────

    def is_word(self, expr: ast.Node) -> bool:
        """A bare word that only an enumeration on the other side can give a meaning."""
        if not isinstance(expr, ast.Read) or expr.steps:
            return False
        name, schema = expr.name, self.checked.schema
        return not (name in self.place.rows or name in self.scope.settings or name in self.scope.lets or name == "now"
                    or name in builtins.TOLD or name in schema.sections or name in self.place.loose)

    def read(self, expr: ast.Read, want: Type | None = None, *, absent: bool = False) -> Type:
        """Bind *expr* and return its type; *absent* says that absence is provided for."""
        name, steps = expr.name, expr.steps
        if name in self.place.rows:
            return self._row_variable(expr, absent=absent)
        if not steps:
            return self._word(expr, want, absent=absent)
        if name in self.scope.imports:
            return self._imported(expr, want)
        if name in self.scope.broken:
            return units.UNKNOWN
        if name in self.scope.settings or name in self.scope.lets:
            what = "setting" if name in self.scope.settings else "`let`"
            return self.say(at(codes.UNKNOWN_FIELD,
                               f"`{name}` is a {what} and has no fields".replace("a ``let``", "a `let`"), expr.span,
                               "unknown field"))
        path = [name]
        for step in steps:
            if isinstance(step, ast.RowStep):
                return self._keyed(expr, absent=absent)
            path.append(step.name)
        key = tuple(path)
        if key not in self._facts:
            self._facts[key] = self._find(key)
        fact = self._facts[key]
        return self.say(meant.unknown_field(expr, key, self.checked.schema, self.scope)) if fact is None else self._use(expr, fact, absent=absent)

    def _find(self, path: tuple[str, ...]) -> Fact | None:
        dotted = ".".join(path)
        derived = DERIVED.get(dotted)
        if derived is not None:
            return Fact(DerivedBinding(dotted, derived.spec()), derived.type, False, dotted, derived.reads)
        if len(path) != 2:
            return None
        if path[0] == "counters":
            spec = FieldSpec("counters", path[1], units.COUNT, doc="A counter of the host.")
            return Fact(FieldBinding(COUNTERS, spec), units.COUNT, False, dotted, "state")
        section = self.checked.schema.sections.get(path[0])
        found = section.fields.get(path[1]) if section is not None else None
        if section is None or found is None or section.shape in ("list", "history"):
            return None
        reads: Reads = "intent" if section.name == "intent" or section.shape == "row" else "state"
        row = section.key if section.shape == "row" else None
        return Fact(FieldBinding(section, found), found.type, found.optional, dotted, reads, row)

    def _use(self, expr: ast.Read, fact: Fact, *, absent: bool) -> Type:
        place = self.place
        self.reads.add(fact.path)
        if fact.optional and not absent and not place.text and fact.path not in builtins.PLAIN_OPTIONAL:
            self._optional(expr)
        if fact.reads != "state":
            if fact.reads == "outcome" and not place.outcome:
                return self.say(at(codes.NOT_HERE, f"`{fact.path}` is known only after the verdict", expr.span,
                                   "not readable here",
                                   help="read `after.`: the state if the size that is judged fills"))
            if place.switch is not None and fact.reads != "outcome" and fact.row not in place.switch:
                return self.trip_reads(expr, fact.path, fact.row)
            if place.shares is not None and fact.row not in place.shares:
                return self.say(at(codes_sizing.ALLOCATION_READS, f"an allocation cannot read `{fact.path}`", expr.span,
                                   "depends on an intent" if fact.row is None else "which row?",
                                   help=meant.shared(place.shares, fact.row)))
            if place.aggregate and fact.reads == "size":
                return self._size_in_aggregate(expr, fact.path)
        if fact.row is not None and self.checked.schema.field("intent", fact.row) is None:
            return self.say(at(codes.NEEDS_KEY, f"no intent says which `{fact.row}` is meant", expr.span, "which row?",
                               help=f'write `{expr.name}["…"].{fact.path.rpartition(".")[2]}`'))
        self.checked.bindings[expr.id] = fact.binding
        if self.money is None and fact.type.kind in (Kind.MONEY, Kind.PRICE):
            self.money = expr
        return fact.type

    def _optional(self, expr: ast.Read) -> None:
        text = expr.span.text
        self.say(at(codes.OPTIONAL, f"`{text}` may be absent", expr.span, "an optional field",
                    help=f"say what then holds: `({text} else …)`"))

    def trip_reads(self, expr: ast.Read, path: str, row: str | None) -> Type:
        if row is not None:
            return self.say(at(codes_stages.TRIP_READS_INTENT,
                               f"a kill switch cannot read `{path}`: the intent chooses its row", expr.span,
                               "which row?",
                               help=f'name the row, `{expr.name}["…"]…`, or make the switch `for each {row}`'))
        return self.say(at(codes_stages.TRIP_READS_INTENT, f"a kill switch cannot read `{path}`", expr.span,
                           "depends on the intent",
                           help="a switch reads the state of the world: `account.`, `portfolio.`, histories"))

    def _size_in_aggregate(self, expr: ast.Node, path: str) -> Type:
        return self.say(at(codes_types.SIZE_IN_AGGREGATE, "an aggregate cannot read the size of the intent", expr.span,
                           f"reads `{path}`", help="take it out of the aggregate"))

    def _keyed(self, expr: ast.Read, *, absent: bool) -> Type:
        section = self.checked.schema.sections.get(expr.name)
        first, rest = expr.steps[0], expr.steps[1:]
        if section is None:
            known = [name for name, spec in self.checked.schema.sections.items() if spec.shape == "row"]
            return self.say(at(codes.UNKNOWN_FIELD, f"no table is named `{expr.name}`", expr.span, "unknown table", help=guess(expr.name, known)))
        given = self.place.given and section.shape == "list" and (section.key is not None or "symbol" in section.fields)
        if not (section.shape == "row" or given) or not isinstance(first, ast.RowStep):
            return self.say(at(codes.NEEDS_KEY, f"`{expr.name}` has no rows to choose from", expr.span, "takes no key"))
        if given and len(rest) == 2 and isinstance(rest[0], ast.RowStep):  # which of its rows, by a number or a name that tests choose
            self.infer(rest[0].key)
            rest = rest[1:]
        if len(rest) != 1 or not isinstance(rest[0], ast.FieldStep):
            return self.say(at(codes.INCOMPLETE_READ, f"`{expr.span.text}` is a whole row", expr.span, "which field?",
                               help=f"its fields are {listing(section.fields)}"))
        found = section.fields.get(rest[0].name)
        if found is None:
            return self.say(meant.unknown_field(expr, (expr.name, rest[0].name), self.checked.schema, self.scope))
        self.expect(first.key, units.PLAIN_TYPES.get(section.key or "symbol", units.TEXT), f"the key of `{section.name}`")
        if not meant.chooses_row(first.key, self.checked.bindings):
            return self.say(at(codes.NEEDS_KEY, f"the key of `{section.name}` is a text or a field, not something that is worked out", first.key.span,
                               "differs from row to row" if meant.of_row(first.key, self.checked.bindings) else "worked out"))
        type_ = found.type
        if section.name == "fx" and isinstance(first.key, ast.Text):
            type_ = self._exchange_rate(first.key.value, type_)
        path = f"{section.name}[].{found.name}"
        return self._use(expr, Fact(FieldBinding(section, found, first.key), type_, found.optional, path, "state"), absent=absent)

    def _exchange_rate(self, pair: str, type_: Type) -> Type:
        if len(pair) != 6:
            return type_
        own = self.checked.policy.currency
        base, quote = ("" if word == own else word for word in (pair[:3], pair[3:]))
        return replace(type_, of=f"{units.RATE_OF}{base}>{quote}")

    def _row_variable(self, expr: ast.Read, *, absent: bool) -> Type:
        section = self.place.rows[expr.name]
        steps = expr.steps
        if len(steps) != 1 or not isinstance(steps[0], ast.FieldStep):
            return self.say(at(codes.INCOMPLETE_READ, f"`{expr.span.text}` is a whole row of `{section.name}`",
                               expr.span, "which field?",
                               help=f"its fields are {listing(section.fields)}"))
        name = steps[0].name
        computed = self._rows.get(section.name, {})
        found = section.fields.get(name) or computed.get(name)
        if found is None:
            fix = near(name, (*section.fields, *computed))
            return self.say(at(codes.UNKNOWN_FIELD, f"a row of `{section.name}` has no field `{name}`", expr.span,
                               "unknown field",
                               help=f"did you mean `{expr.name}.{fix}`?" if fix
                               else f"its fields are {listing(section.fields)}"))
        self.reads.add(found.path)
        if found.optional and not absent and not self.place.text and found.path not in builtins.PLAIN_OPTIONAL:
            self._optional(expr)
        self.checked.bindings[expr.id] = RowBinding(expr.name, section, found)
        return found.type

    # ── bare words ───────────────────────────────────────────────────────────────────────────────────

    def _word(self, expr: ast.Read, want: Type | None, *, absent: bool) -> Type:
        name, scope = expr.name, self.scope
        if want is not None and want.kind is Kind.ENUM and name in want.members:
            self.checked.bindings[expr.id] = MemberBinding(name)
            return want
        if name in scope.settings:
            return self._setting(expr, scope, name)
        if name in scope.lets:
            return self._let(expr, scope, name)
        if name == "now":
            self.checked.bindings[expr.id] = NowBinding()
            return units.INSTANT
        if name in builtins.TOLD:
            return self._told(expr)
        if name in self.place.loose:
            return units.UNKNOWN
        section = self.checked.schema.sections.get(name)
        if section is not None and section.scalar:
            found = section.fields["value"]
            return self._use(expr, Fact(FieldBinding(section, found), found.type, found.optional, name, "state"),
                             absent=absent)
        if section is not None or name in scope.imports:
            what = "a section" if section is not None else "a module"
            fields = list(section.fields) if section is not None else [*scope.imports[name].settings,
                                                                       *scope.imports[name].lets]
            return self.say(at(codes.INCOMPLETE_READ, f"`{name}` is {what}, not a value", expr.span,
                               "which of its fields?",
                               help=f"it has {listing(fields)}" if fields else None))
        if known := [derived for derived in DERIVED if derived.startswith(name + ".")]:
            return self.say(at(codes.INCOMPLETE_READ, f"`{name}` is a section, not a value", expr.span,
                               "which of its fields?",
                               help=f"there are {listing(known)}"))
        if want is not None and want.kind is Kind.ENUM:
            return self.say(at(codes.UNKNOWN_MEMBER, f"`{name}` is not one of {listing(want.members, most=20)}",
                               expr.span, "unknown member",
                               help=guess(name, want.members)))
        return self.say(at(codes.UNKNOWN_NAME, f"nothing is named `{name}`", expr.span, "unknown name",
                           help=meant.word(name, self.checked.schema, self.scope, self.place.rows)))

    def _told(self, expr: ast.Read) -> Type:
        if self.place.told is None:
            return self.say(at(codes.NOT_HERE, f"`{expr.name}` has no value here", expr.span, "not readable here",
                               help="it can be read in the `because` of a limit, a rate or a comparison"))
        type_ = self.place.told[builtins.TOLD.index(expr.name)]
        self.checked.bindings[expr.id] = DerivedBinding(expr.name,
                                                        FieldSpec("", expr.name, type_, derived=True,
                                                                  supplier="derived"))
        return type_

    def _setting(self, expr: ast.Read, scope: Scope, name: str) -> Type:
        qualified = scope.prefix + name
        self.checked.bindings[expr.id] = SettingBinding(qualified)
        self.reads.add(f"setting {qualified}")
        return self.setting_types.get(qualified, units.UNKNOWN)

    def _imported(self, expr: ast.Read, want: Type | None) -> Type:
        """``alias.name``: a setting or a `let` of an imported module."""
        scope, words = self.scope, [expr.name]
        for step in expr.steps:
            if not isinstance(step, ast.FieldStep):
                return self.say(at(codes.NEEDS_KEY, f"`{'.'.join(words)}` is a module and has no rows", expr.span, "takes no key"))
            words.append(step.name)
        while len(words) > 1 and words[0] in scope.imports:
            scope.used.add(words[0])
            scope = scope.imports[words.pop(0)]
        name = words[0]
        if len(words) == 1 and name in scope.settings:
            return self._setting(expr, scope, name)
        if len(words) == 1 and name in scope.lets:
            return self._let(expr, scope, name)
        fix = near(name, (*scope.settings, *scope.lets))
        return self.say(at(codes.UNKNOWN_NAME, f"`{scope.prefix[:-1]}` exports no `{'.'.join(words)}`", expr.span,
                           "unknown name",
                           help=f"did you mean `{scope.prefix}{fix}`?" if fix else None))

    def _let(self, expr: ast.Read, scope: Scope, name: str) -> Type:
        let = scope.lets[name]
        self.checked.bindings[expr.id] = LetBinding(scope.prefix + name, let.value)
        type_, reads = self.let(scope, let, expr)
        self.reads |= reads
        deepest = self.depth + self._heights.get(let.id, 0)
        self.peak = max(self.peak, deepest)
        if deepest >= MOST_NESTED:
            if type_.kind is not Kind.UNKNOWN or self.depth >= MOST_NESTED:
                self.say(at(codes.TOO_DEEP, f"`{name}` stands on too many other definitions", expr.span, "too deep"))
            return units.UNKNOWN
        place = self.place
        if place.switch is not None and (path := next((path for path in sorted(reads)
                                                       if self.depends_on_intent(path, place.switch)), None)):
            return self.say(at(codes_stages.TRIP_READS_INTENT,
                               f"a kill switch cannot read `{name}`: it reads `{path}`", expr.span,
                               "depends on the intent"))
        if place.shares is not None and (path := next((path for path in sorted(reads)
                                                       if self.depends_on_intent(path, place.shares)), None)):
            return self.say(at(codes_sizing.ALLOCATION_READS, f"an allocation cannot read `{name}`: it reads `{path}`",
                               expr.span, "depends on an intent"))
        if place.aggregate and (path := next((path for path in sorted(reads) if path in builtins.READS_SIZE), None)):
            return self._size_in_aggregate(expr, path)
        return type_

    def let(self, scope: Scope, let: ast.Let, reader: ast.Node | None = None) -> tuple[Type, frozenset[str]]:
        """The type of a definition and the paths it reads, worked out once."""
        if let.id in self._lets:
            known = self._lets[let.id]
            if known is None:
                self.say(at(codes.LET_CYCLE, f"`{let.name.text}` is defined by itself", (reader or let.name).span,
                            "needs itself"))
                self._lets[let.id] = (units.UNKNOWN, _NO_READS)
            return self._lets[let.id] or (units.UNKNOWN, _NO_READS)
        self._lets[let.id] = None
        before, self.reads, base, peak = self.reads, set(), self.depth, self.peak
        self.peak = base
        with self.within(scope), self.standing(Place()):
            type_ = self.define(let) if base < MOST_NESTED else units.UNKNOWN
        self._heights[let.id] = self.peak - base
        self.peak = max(peak, self.peak)
        reads, self.reads = frozenset(self.reads), before
        if self._lets[let.id] is None:
            self._lets[let.id] = (type_, reads)
        return self._lets[let.id] or (type_, reads)

    def define(self, let: ast.Let) -> Type:
        raise NotImplementedError

    def expect(self, expr: ast.Expr, type_: Type, what: str) -> Type:
        raise NotImplementedError

    def depends_on_intent(self, path: str, dimensions: frozenset[str] = frozenset()) -> bool:
        """Whether the value of *path* depends on which intent is judged, but for rows of *dimensions*."""
        if path in builtins.READS_INTENT:
            return True
        section = self.checked.schema.sections.get(path.partition(".")[0])
        if section is None or path in DERIVED:
            return False
        return section.name == "intent" or (section.shape == "row" and section.key not in dimensions)
