"""Tests and properties: names, types and tables, and that a test can fail. Running them is `caplex.compiler.testing`."""
from __future__ import annotations

from dataclasses import replace
from typing import Final, cast

from caplex.compiler.diagnostics import codes_names, codes_types
from caplex.compiler.diagnostics import codes_tests as codes
from caplex.compiler.semantics import builtins, units
from caplex.compiler.semantics.infer import Infer
from caplex.compiler.semantics.model import CheckedModule, DerivedBinding, FieldBinding, SettingBinding
from caplex.compiler.semantics.report import at, guess, listing
from caplex.compiler.semantics.resolve import Place
from caplex.compiler.semantics.symbols import family
from caplex.compiler.syntax import ast
from caplex.runtime.engine import events
from caplex.runtime.schema import Kind, Type

EXPECTS: Final = (ast.ExpectVerdict, ast.ExpectViolated, ast.ExpectSwitch, ast.ExpectObligation, ast.ExpectValue)
VERDICTS: Final = ("allow", "modify", "hold", "deny")
MOST_ROWS: Final = 10_000
_WHOM: Final = ("by", "reason", "ticket", "role")
_SIZES: Final = frozenset({"quantity", "filled_quantity", "leaves_quantity", "canceled_quantity"})
_MONEY: Final = frozenset({"amount", "fee", "pnl"})
_NEEDS: Final = {"fill": ("symbol", "side", "quantity"), "quote": ("symbol",), "stop": ("symbol",), "result": ("result",), "cash": ("amount",)}
"""What a step must say; the rest of what its event needs is filled in."""
_DECISION: Final = (
    "verdict", "quantity", "requested", "closing", "opening", "code", "outcome", "decided_by", "action", "side", "symbol", "strategy",
    "account", "venue", "if_approved", "reasons", "warnings", "monitored", "violated", "emitted", "valid_until", "reservation", "order",
)


def check(walker: Infer, test: ast.Test) -> None:
    """What the steps of *test* name and compare."""
    Checker(walker, test).check()


def check_property(walker: Infer, claim: ast.Claim) -> None:
    """Conditions, some of them after the verdict."""
    with walker.standing(Place(outcome=True)):
        while isinstance(claim, ast.Implies):
            walker.condition(claim.condition)
            claim = claim.claim
        walker.condition(claim)


def supplied(checked: CheckedModule, target: ast.Read) -> FieldBinding | None:
    """The field that ``given TARGET = …`` sets; None if it is computed. A bare `position.quantity` is that of the symbols that the test names."""
    binding = checked.bindings.get(target.id)
    if isinstance(binding, DerivedBinding):
        section = checked.schema.sections.get(binding.name.partition(".")[0])
        field = section.fields.get(binding.name.partition(".")[2]) if section is not None else None
        return FieldBinding(section, field) if section is not None and field is not None and not field.derived else None
    return binding if isinstance(binding, FieldBinding) and not binding.field.derived and binding.section.name != "intent" else None


class Checker:
    def __init__(self, walker: Infer, test: ast.Test) -> None:
        self.walker, self.test = walker, test
        self.columns: dict[str, list[ast.Expr | ast.Name]] = {}
        self.used: set[str] = set()

    def check(self) -> None:
        self._tables()
        walker = self.walker
        with walker.standing(Place(outcome=True, text=True, loose=frozenset(self.columns))):
            for step in self.test.steps:
                self._step(step)
        self._instants()
        self._unused()
        if not any(isinstance(step, EXPECTS) for step in self.test.steps):
            walker.say(at(codes.NO_EXPECTATION, f"the test \"{self.test.title}\" expects nothing", self.test.span, "cannot fail",
                          help="add an expectation: `expect allow`, `expect deny by EXP-010`, `expect account.equity > 0 USD`"))

    # ── tables ───────────────────────────────────────────────────────────────────────────────────────

    def _tables(self) -> None:
        rows = 1
        for step in self.test.steps:
            if not isinstance(step, ast.EachRow):
                continue
            for column in step.columns:
                if column.text in self.columns:
                    self.walker.say(at(codes_names.DUPLICATE, f"two columns are named `{column.text}`", column.span, "again"))
                self.columns[column.text] = []
            rows *= len(step.rows)
            wanted = len(step.columns)
            for row in step.rows:
                if len(row) != wanted:
                    self.walker.say(at(codes.ROW_LENGTH, f"the table has {_columns(wanted)}, this row {_values(len(row))}",
                                       row[0].span.to(row[-1].span), _values(len(row)), help=f"its columns are {listing([each.text for each in step.columns])}"))
                for column, cell in zip(step.columns, row, strict=False):
                    self.columns[column.text].append(cell)
        if rows > MOST_ROWS:
            self.walker.say(at(codes.TOO_MANY_ROWS, f"the tables of this test multiply to {rows} rows; {MOST_ROWS} are the most", self.test.span, "too many"))

    def _unused(self) -> None:
        for step in self.test.steps:
            if isinstance(step, ast.EachRow):
                for column in step.columns:
                    if column.text not in self.used:
                        self.walker.say(at(codes.UNUSED_COLUMN, f"no step reads the column `{column.text}`", column.span, "not read",
                                           help="name it in a step where a value stands, or leave it out"))

    def _value(self, value: ast.Expr, type_: Type, what: str) -> None:
        """A value that must be of *type_*, or a column whose cells all must be."""
        if isinstance(value, ast.Read) and not value.steps and value.name in self.columns:
            self.used.add(value.name)
            self.walker.checked.types[value.id] = type_
            for cell in self.columns[value.name]:
                self._cell(cell, type_, f"{what}, from the column `{value.name}`,")
            return
        if isinstance(value, ast.Number) and type_.kind in (Kind.MONEY, Kind.PRICE):
            self.walker.infer(value)
            self.walker.settle(value, type_)
            return
        self.walker.expect(value, type_, what)

    def _cell(self, cell: ast.Expr | ast.Name, type_: Type, what: str) -> None:
        if not isinstance(cell, ast.Name):
            self._value(cell, type_, what)
        elif type_.kind is Kind.ENUM and cell.text not in type_.members:
            self.walker.say(at(codes_names.UNKNOWN_MEMBER, f"`{cell.text}` is not one of {listing(type_.members)}", cell.span, "unknown member",
                               help=guess(cell.text, type_.members)))
        elif type_.kind not in (Kind.ENUM, Kind.UNKNOWN):
            quoted = f'; write `"{cell.text}"`' if type_.kind in (Kind.TEXT, Kind.NOMINAL) else ""
            self.walker.say(at(codes_types.WRONG_TYPE, f"{what} is {units.noun(type_)}, and `{cell.text}` is a bare word{quoted}", cell.span, "a word"))

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────

    def _instants(self) -> None:
        now: int | None = None
        for step in self.test.steps:
            match step:
                case ast.At():
                    if now is not None and step.instant.nanoseconds < now:
                        self.walker.say(at(codes.TIME_BACKWARDS, "this instant is before the one above it", step.instant.span, "time runs forwards",
                                           help="put the steps in order, or make two tests of it"))
                    now = step.instant.nanoseconds
                case ast.Later():
                    now = None if now is None else now + step.nanoseconds
                case _:
                    pass

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────

    def _step(self, step: ast.Step) -> None:
        match step:
            case ast.Given():
                self._given(step)
            case ast.Happens():
                self._happens(step)
            case ast.Operate():
                self._operate(step)
            case ast.ExpectVerdict():
                self._verdict(step)
            case ast.ExpectViolated():
                self.walker.reference(step.rule)
            case ast.ExpectSwitch():
                self._switch(step.switch, "has no state")
            case ast.ExpectValue():
                self._reading(step)
            case _:
                pass

    def _given(self, step: ast.Given) -> None:
        walker = self.walker
        with walker.standing(replace(walker.place, given=True)):
            type_ = walker.infer(step.target)
        text = step.target.span.text
        if isinstance(walker.checked.bindings.get(step.target.id), SettingBinding):
            self._setting(step, type_)
            return
        binding = supplied(walker.checked, step.target)
        if type_.kind is not Kind.UNKNOWN and binding is None:
            of_intent = step.target.name == "intent"
            cure = ("what an intent says stands in its step: `intent buy 1 \"KO\" confidence 85%`" if of_intent
                    else "give what it follows from, such as `position[\"KO\"].quantity` or `account.equity`")
            why = "is told by each intent" if of_intent else "is computed from other facts"
            walker.say(at(codes.NOT_GIVEN, f"`{text}` {why}", step.target.span, "no supplied fact", help=cure))
        elif binding is not None and binding.key is None and binding.section.shape == "row" and not self._named(binding.section.key or ""):
            key = binding.section.key
            walker.say(at(codes.NO_ROW_MEANT, f"no step names a {key}, so `{text}` is given to nobody", step.target.span, "whose?",
                          help=f'write `{step.target.name}["…"].{binding.field.name}`, or name the {key} in an intent'))
        if type_.kind is Kind.UNKNOWN:
            return
        if isinstance(step.value, ast.Unlimited):
            walker.say(at(codes_types.MISPLACED_UNLIMITED, "a fact is a number, not `unlimited`", step.value.span, "only a bound or a setting"))
            return
        self._value(step.value, type_, f"`{text}`")

    def _setting(self, step: ast.Given, type_: Type) -> None:
        """``given max_position = 4%``: the policy as it is with this value from outside, from the beginning to the end."""
        text = step.target.span.text
        for before in self.test.steps[:self.test.steps.index(step)]:
            if not isinstance(before, ast.Given | ast.GivenNothingElse | ast.EachRow | ast.At | ast.Later):
                self.walker.say(at(codes.NOT_GIVEN, f"`{text}` is a setting, and settings hold for the whole test", step.span, "too late",
                                   help="give it before anything happens, or make two tests of it"))
                return
        if isinstance(step.value, ast.Unlimited):
            self.walker.say(at(codes_types.MISPLACED_UNLIMITED, "a test gives a setting a number", step.value.span, "only a bound or a setting"))
            return
        self._value(step.value, type_, f"`{text}`")

    def _named(self, key: str) -> bool:
        """Does any step name a symbol, a strategy …?"""
        if key == "account":
            return True
        for step in self.test.steps:
            if key == "symbol" and isinstance(step, ast.Happens) and step.symbol is not None:
                return True
            if isinstance(step, ast.Happens) and any(pair.name.text == key for pair in step.pairs):
                return True
            if key == "symbol" and isinstance(step, ast.Given) and step.target.steps and isinstance(step.target.steps[0], ast.RowStep):
                return True
        return False

    def _happens(self, step: ast.Happens) -> None:
        walker, kind = self.walker, step.event
        if step.amount is not None:
            self._value(step.amount, units.QUANTITY, "the size")
        known = self._fields(kind)
        said = {pair.name.text for pair in step.pairs} | ({"symbol", "side"} if step.symbol is not None else set()) | (
            {"quantity"} if step.amount is not None else set())
        for pair in step.pairs:
            name = pair.name.text
            type_ = known.get(name)
            if type_ is None:
                walker.say(at(codes_names.UNKNOWN_FIELD, f"{_a(kind)} has no field `{name}`", pair.name.span, "unknown field",
                              help=guess(name, tuple(known)) or f"it may say {listing(tuple(known), most=20)}"))
            elif (step.symbol is not None and name in ("symbol", "side")) or (step.amount is not None and name == "quantity"):
                walker.say(at(codes_names.DUPLICATE, f"the step says its {name} twice", pair.span, "again"))
            else:
                self._value(pair.value, type_, f"`{name}`")
        for name in _NEEDS.get(kind, ()):
            if name not in said:
                walker.say(at(codes.NOT_A_STEP, f"{_a(kind)} needs its {name}", step.span, "says too little", help=_CURES.get(kind)))

    def _fields(self, kind: str) -> dict[str, Type]:
        """What a step of this kind may say, with types as the facts declare them."""
        sections = self.walker.checked.schema.sections
        intent = sections["intent"].fields
        if kind == "intent":
            return {name: spec.type for name, spec in intent.items() if not spec.derived}
        if kind == "quote":
            return {"symbol": intent["symbol"].type, "venue": intent["venue"].type} | {
                name: spec.type for name, spec in sections["market"].fields.items() if not spec.derived}
        if kind in ("denial", "violation"):
            return {name: spec.type for name, spec in sections[builtins.EVENT_OF[kind]].fields.items() if not spec.derived and name != "at"}
        if kind in ("approve", "decline"):
            return dict.fromkeys(_WHOM, units.TEXT)
        history = sections.get(builtins.EVENT_OF.get(kind, ""))
        order = sections["orders"].fields
        found: dict[str, Type] = {}
        for name in (*events.REQUIRED[kind], *(events.OPTIONAL[kind] or ())):
            spec = (history.fields.get(name) if history is not None else None) or order.get(name) or intent.get(name)
            found[name] = (spec.type if spec is not None else units.MONEY if name in _MONEY else units.QUANTITY if name in _SIZES
                           else units.BOOL if name in ("late", "retryable") else units.TEXT)
        return {**found, "venue_at": units.INSTANT, "id": units.TEXT}

    def _operate(self, step: ast.Operate) -> None:
        self._switch(step.switch, "cannot be tripped")
        intent = self.walker.checked.schema.sections["intent"].fields
        for pair in step.pairs:
            name = pair.name.text
            if name in _WHOM:
                self._value(pair.value, units.TEXT, f"`{name}`")
            elif name in builtins.DIMENSIONS:
                self._value(pair.value, intent[name].type, f"`{name}`")
            else:
                self.walker.say(at(codes_names.UNKNOWN_FIELD, f"to {step.act} has no field `{name}`", pair.name.span, "unknown field",
                                   help=guess(name, (*_WHOM, *builtins.DIMENSIONS)) or f"it may say {listing((*_WHOM, *builtins.DIMENSIONS), most=20)}"))

    def _switch(self, reference: ast.Reference, label: str) -> None:
        found = self.walker.reference(reference)
        if found is not None and not isinstance(found[1], ast.KillSwitch):
            self.walker.say(at(codes_names.UNKNOWN_RULE, f"`{reference.text}` is not a kill switch", reference.span, label))

    # ── expectations ─────────────────────────────────────────────────────────────────────────────────

    def _verdict(self, step: ast.ExpectVerdict) -> None:
        walker = self.walker
        for reference in step.by:
            if family(reference.rule) != "SYS" or reference.alias:
                walker.reference(reference, others=True)
        if step.column and step.verdict not in self.columns:
            walker.say(at(codes_names.UNKNOWN_WORD, f"no verdict is named `{step.verdict}`", step.span, "unknown verdict",
                          help=guess(step.verdict, (*VERDICTS, *self.columns)) or f"there are {listing(VERDICTS)}"))
        for cell in self.columns.get(step.verdict, ()) if step.column else ():
            if not isinstance(cell, ast.Name) or cell.text not in VERDICTS:
                walker.say(at(codes_names.UNKNOWN_WORD, f"no verdict is named `{cell.span.text}`", cell.span, "unknown verdict",
                              help=guess(cell.span.text, VERDICTS) or f"there are {listing(VERDICTS)}"))
        if step.column:
            self.used.add(step.verdict)
        if step.verdict == "allow" and (step.by or step.to is not None):
            walker.say(at(codes.NOT_A_STEP, "what is allowed has no reason and keeps its size", step.span, "says too much", help="write `expect allow`"))
        elif step.verdict == "deny" and step.to is not None:
            walker.say(at(codes.NOT_A_STEP, "what is denied has no size", step.span, "says too much", help="write `expect modify to …`, or `expect deny by …`"))
        if step.to is not None:
            self._value(step.to, units.QUANTITY, "the permitted size")

    def _reading(self, step: ast.ExpectValue) -> None:
        walker, read = self.walker, step.read
        if read.name != "decision":
            self._value(step.value, walker.infer(read), f"`{read.span.text}`")
            return
        first = read.steps[0] if read.steps else None
        if not isinstance(first, ast.FieldStep) or first.name not in _DECISION:
            name = first.name if isinstance(first, ast.FieldStep) else ""
            walker.say(at(codes_names.UNKNOWN_FIELD, f"a decision has no field `{name}`" if name else "`decision` is the whole decision", read.span,
                          "unknown field" if name else "which field?", help=guess(name, _DECISION) or f"it has {listing(_DECISION, most=25)}"))
        if isinstance(step.value, ast.Read) and step.value.name in self.columns:
            self.used.add(step.value.name)
            for cell in self.columns[step.value.name]:
                if not isinstance(cell, ast.Name):
                    walker.infer(cell)
        elif not isinstance(step.value, ast.Read):
            walker.infer(cast("ast.Expr", step.value))


_CURES: Final = {
    "fill": 'write `fill buy 10 "KO" price 50 USD`', "quote": 'write `quote symbol "KO" price 50 USD`', "stop": 'write `stop symbol "KO"`',
    "result": 'write `result .result "stopped"`', "cash": "write `cash amount 5_000 USD`",
}


def _a(kind: str) -> str:
    if kind in ("approve", "decline"):
        return f"to {kind}"
    return "a payment" if kind == "cash" else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def _values(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"
