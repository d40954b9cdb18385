"""One method for each kind of item: what its parts must be, and what they read."""
from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from caplex.compiler.diagnostics import codes_names, codes_stages, codes_types
from caplex.compiler.semantics import builtins, sharing, tests, units
from caplex.compiler.semantics.constants import NotConstant, evaluate
from caplex.compiler.semantics.infer import Infer
from caplex.compiler.semantics.model import CheckedModule, FieldBinding
from caplex.compiler.semantics.report import at, guess, listing
from caplex.compiler.semantics.resolve import Place
from caplex.compiler.semantics.symbols import Scope, family
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind, SectionSpec, Type


@dataclass(slots=True)
class RuleReads:
    """What a rule reads, through lets as well: everything, and what it measures by (not its guard)."""

    all: frozenset[str] = frozenset()
    measured: frozenset[str] = frozenset()


@dataclass(slots=True)
class Found:
    """What the walk has learnt beside the tables of the `CheckedModule`: by qualified id."""

    reads: dict[str, RuleReads] = field(default_factory=dict)


class Items(Infer):
    def __init__(self, checked: CheckedModule, entry: Scope) -> None:
        super().__init__(checked, entry)
        self.found = Found()
        self._families: frozenset[str] | None = None

    def walk(self, scope: Scope) -> None:
        """Every item of *scope* but its settings, which `settings` resolves; tests only of the entry."""
        with self.within(scope):
            for item in scope.module.items:
                self._item(scope, item)

    def _item(self, scope: Scope, item: ast.Item) -> None:
        match item:
            case ast.Let():
                self.let(scope, item)
            case ast.Rule() | ast.Limit() | ast.Throttle() | ast.Cooldown() | ast.KillSwitch():
                self._rule_item(scope, item)
            case ast.Waiver():
                self._waiver(item)
            case ast.Size():
                self._size(item)
            case ast.Allocate():
                sharing.check(self, item)
            case ast.Answer():
                for label in item.labels:
                    self._maybe(label.when)
            case ast.Emit():
                self._maybe(item.when)
                self.template(item.text)
            case ast.Test() if not scope.prefix:
                tests.check(self, item)
            case ast.Property() if not scope.prefix:
                tests.check_property(self, item.claim)
            case _:
                pass

    def _maybe(self, condition: ast.Expr | None) -> None:
        if condition is not None:
            self.condition(condition)

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────

    def _rule_item(self, scope: Scope, item: ast.RuleItem) -> None:
        for repeated in item.attributes.repeated:
            self.say(at(codes_stages.REPEATED_ATTRIBUTE, f"`{repeated}` stands twice", item.attributes.span,
                        "said twice"))
        for action in item.attributes.actions:
            if action.text not in builtins.ACTIONS:
                self.say(at(codes_names.UNKNOWN_WORD, f"no action is named `{action.text}`", action.span,
                            "unknown action",
                            help=guess(action.text, builtins.ACTIONS) or f"actions are {listing(builtins.ACTIONS)}"))
        self.reads = set()
        if not isinstance(item, ast.KillSwitch):
            self._maybe(item.when)
        guard, self.reads = self.reads, set()
        match item:
            case ast.Rule():
                self._rule(item)
            case ast.Limit():
                self._limit(item)
            case ast.Throttle():
                self._throttle(item)
            case ast.Cooldown():
                self._cooldown(item)
            case ast.KillSwitch():
                self._switch(item)
        measured = frozenset(self.reads)
        self.found.reads[scope.prefix + item.rule_id.text] = RuleReads(measured | guard, measured)
        self.reads = set()

    def _approval(self, approval: ast.Approval | None) -> None:
        if approval is not None and approval.within is not None:
            self.expect(approval.within, units.DURATION, "the time for an approval")

    def _rule(self, rule: ast.Rule) -> None:
        condition = rule.effect.condition
        self.condition(condition)
        if isinstance(rule.effect, ast.Hold):
            self._approval(rule.effect.approval)
        told = None
        if isinstance(condition, ast.Compare):
            told = (self._type_of(condition.left), self._type_of(condition.right))
        self.template(rule.because, told=told)

    def _type_of(self, expr: ast.Expr) -> Type:
        return units.plain(self.checked.types.get(expr.id, units.UNKNOWN))

    def _limit(self, limit: ast.Limit) -> None:
        measure, bound = limit.measure, limit.bound
        before = frozenset(self.reads)
        type_ = self.pair(measure, bound, ordered=True)
        assert before <= self.reads
        if type_.kind is Kind.UNKNOWN and isinstance(bound, ast.Unlimited):
            type_ = self._type_of(measure)
        self._approval(limit.approval)
        type_ = units.plain(type_)
        self.template(limit.because, told=(type_, type_))

    def _events(self, node: ast.Node, name: ast.Name, known: dict[str, str]) -> SectionSpec | None:
        section = known.get(name.text)
        if section is None:
            other = builtins.EVENT_OF if known is builtins.EVENTS else builtins.EVENTS
            same = next((word for word, each in known.items() if each == other.get(name.text)), None)
            self.say(at(codes_names.UNKNOWN_WORD, f"no kind of event is named `{name.text}`", name.span,
                        "unknown kind of event",
                        help=f"did you mean `{same}`?" if same else guess(name.text, known)
                        or f"there are {listing(known)}"))
            return None
        spec = self.checked.schema.sections[section]
        self.checked.throttle_events[node.id] = spec
        self.reads.add(section)
        return spec

    def _per_key(self, node: ast.Throttle | ast.Cooldown, section: SectionSpec | None) -> None:
        """``for each strategy``: the field of the event must equal that of the intent."""
        keys: list[tuple[str, ast.Read]] = []
        intent = self.checked.schema.sections["intent"]
        for read in node.each:
            if not read.steps and read.name in intent.fields:
                self.checked.bindings[read.id] = FieldBinding(intent, intent.fields[read.name])
                self.checked.types[read.id] = intent.fields[read.name].type
                name = read.name
            elif not read.steps:
                self.say(at(codes_names.UNKNOWN_WORD, f"an intent has no `{read.name}`", read.span, "unknown key",
                            help=guess(read.name, intent.fields) or f"keys are {listing(builtins.DIMENSIONS)}"))
                continue
            else:
                before = len(self.problems)
                self.checked.types[read.id] = self.read(read, absent=True)
                if len(self.problems) > before:
                    continue
                last = read.steps[-1]
                name = last.name if isinstance(last, ast.FieldStep) else read.name
            if section is not None and name not in section.fields:
                self.say(at(codes_names.UNKNOWN_FIELD, f"the events of `{section.name}` carry no `{name}`", read.span,
                            "unknown key",
                            help=f"they carry {listing(section.fields, most=20)}"))
                continue
            keys.append((name, read))
        self.checked.throttle_keys[node.id] = tuple(keys)

    def _where(self, where: ast.Expr | None, section: SectionSpec | None) -> None:
        if where is not None and section is not None:
            with self.standing(Place(rows={"event": section}, aggregate=True)):
                self.condition(where)

    def _count(self, expr: ast.Expr, what: str) -> None:
        self.expect(expr, units.COUNT, what)
        try:
            value = evaluate(expr)
        except NotConstant:
            return
        if isinstance(value, Fraction) and (value < 0 or value.denominator != 1):
            self.say(at(codes_types.NOT_WHOLE, f"{what} is a whole number, 0 or more", expr.span,
                        "not a number of things"))

    def _throttle(self, throttle: ast.Throttle) -> None:
        self._count(throttle.amount, "what a throttle lets through")
        section = self._events(throttle, throttle.events, builtins.EVENTS)
        if not isinstance(throttle.window, ast.PerDay):
            self.expect(throttle.window, units.DURATION, "the length of a window")
        if throttle.counters is not None:
            self.expect(throttle.counters, units.COUNT, "a counter")
        self._per_key(throttle, section)
        self._where(throttle.where, section)
        if throttle.reserve is not None:
            self._count(throttle.reserve, "what is kept for closing")
        self.template(throttle.because, told=(units.COUNT, units.COUNT))

    def _cooldown(self, cooldown: ast.Cooldown) -> None:
        self.expect(cooldown.during, units.DURATION, "the length of a cooldown")
        section = self._events(cooldown, cooldown.event, builtins.EVENT_OF)
        self._per_key(cooldown, section)
        self._where(cooldown.where, section)
        self.template(cooldown.because, told=(units.DURATION, units.DURATION))

    # ── switches, waivers ────────────────────────────────────────────────────────────────────────────

    def _switch(self, switch: ast.KillSwitch) -> None:
        dimensions: set[str] = set()
        for target in switch.targets:
            names = target.dimensions if isinstance(target, ast.ForEach) else (target.dimension,)
            for name in names:
                dimensions.add(name.text)
                if name.text not in builtins.DIMENSIONS and name.text not in self.checked.schema.sections["intent"].fields:
                    self.say(at(codes_names.UNKNOWN_WORD, f"a switch cannot stand for `{name.text}`", name.span,
                                "unknown dimension",
                                help=guess(name.text, builtins.DIMENSIONS)
                                or f"dimensions are {listing(builtins.DIMENSIONS)}"))
        place = Place(switch=frozenset(dimensions))
        for clause in switch.clauses:
            with self.standing(place):
                self._switch_clause(clause)

    def _switch_clause(self, clause: ast.SwitchClause) -> None:
        match clause:
            case ast.TripWhen():
                self.condition(clause.condition)
                if clause.confirm is not None and clause.confirm.readings:
                    self._count(clause.confirm.amount, "the number of readings")
                elif clause.confirm is not None:
                    self.expect(clause.confirm.amount, units.DURATION, "the time of confirmation")
                self.template(clause.because)
            case ast.TripOnRule():
                self.reference(clause.rule)
                self.template(clause.because)
            case ast.TripOnCount():
                self._trip_on_count(clause)
            case ast.OnTrip() | ast.OnRearm():
                for action in clause.actions:
                    if isinstance(action, ast.Rebase):
                        self._rebase(action)
            case ast.Rearm():
                for term in clause.terms:
                    match term:
                        case ast.RearmByRole():
                            self._count(term.quorum, "the number of people")
                        case ast.RearmDelay():
                            self.expect(term.delay, units.DURATION, "the delay before a re-arm")
                        case ast.RearmWhen():
                            before = self.reads
                            self.reads = set()
                            self.condition(term.condition)
                            self.reads = before
            case _:
                pass

    def _trip_on_count(self, trip: ast.TripOnCount) -> None:
        self._count(trip.amount, "the number that trips")
        countable = {name: builtins.EVENTS[name] for name in ("violations", "denials")}
        self._events(trip, trip.events, countable)
        for reference in trip.rules:
            self.reference(reference)
        known = self._known_families()
        for name in trip.families:
            if name.text not in known:
                self.say(at(codes_names.UNKNOWN_WORD, f"no rule is of the family `{name.text}`", name.span,
                            "unknown family",
                            help=guess(name.text, known)))
        self.expect(trip.window, units.DURATION, "the length of a window")
        self.template(trip.because)

    def _known_families(self) -> frozenset[str]:
        if self._families is None:
            self._families = frozenset(family(rule_id) for scope in self.entry.walk() for rule_id in scope.rules)
        return self._families

    def _rebase(self, action: ast.Rebase) -> None:
        before, self.reads = self.reads, set()
        type_ = self.infer(action.field)
        binding = self.checked.bindings.get(action.field.id)
        if type_.kind is not Kind.UNKNOWN and not isinstance(binding, FieldBinding):
            self.say(at(codes_types.WRONG_TYPE, f"`{action.field.span.text}` is not a supplied field",
                        action.field.span, "cannot be rebased",
                        help="a field that the engine keeps can be rebased, such as `account.peak_equity`"))
        self.expect(action.value, type_, f"`{action.field.span.text}`")
        self.reads = before

    def _waiver(self, waiver: ast.Waiver) -> None:
        found = self.reference(waiver.of)
        missing = [name for name,
                   value in (("through DATE", waiver.through), ('approved by "…"', waiver.approved_by),
                             ('ticket "…"', waiver.ticket))
                   if value is None or (isinstance(value, str) and not value.strip())]
        if missing:
            self.say(at(codes_stages.WAIVER_TERMS,
                        f"the waiver `{waiver.rule_id.text}` does not say everything it must", waiver.rule_id.span,
                        "an exception has an end, an approver and a ticket",
                        help="add " + ", ".join(f"`{name}`" for name in missing)))
        if found is not None and isinstance(found[1], ast.KillSwitch) and not waiver.including_switches:
            self.say(at(codes_stages.WAIVER_TERMS, f"`{waiver.of.text}` is a kill switch", waiver.of.span,
                        "not touched by a waiver",
                        help="write `including kill switches` if that is what you mean"))
        self.condition(waiver.when)
        self.template(waiver.because)

    # ── sizing, allocation ───────────────────────────────────────────────────────────────────────────

    def _size(self, size: ast.Size) -> None:
        for step in size.steps:
            match step:
                case ast.SizeStart():
                    self.expect(step.value, units.MONEY, "the start of a size")
                case ast.SizeTimes():
                    self.expect(step.value, units.RATIO, "what a size is multiplied by")
                case ast.SizeAtMost():
                    self.expect(step.value, units.MONEY, "the most of a size")
                case ast.SizeAtLeast():
                    self.expect(step.value, units.MONEY, "the least of a size")
                    self.template(step.because, told=(units.MONEY, units.MONEY))
                case ast.SizeInMargin():
                    type_ = self.read(step.leverage, absent=True)
                    self.checked.types[step.leverage.id] = type_
                    if type_.kind not in (Kind.RATIO, Kind.UNKNOWN):
                        self.say(at(codes_types.WRONG_TYPE, f"leverage is a number, not {units.noun(type_)}",
                                    step.leverage.span, units.noun(type_)))
