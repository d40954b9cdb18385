"""From the rule graph to a `Plan`: generated source, linked, in the places where the runtime looks for it."""
from __future__ import annotations

import marshal
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from caplex.compiler.codegen import columnar
from caplex.compiler.codegen.expressions import NotFusable
from caplex.compiler.codegen.link import FUSED_LIBRARY, link
from caplex.compiler.codegen.scalar import Fused
from caplex.compiler.codegen.shares import Sharing
from caplex.compiler.codegen.tables import shown
from caplex.compiler.codegen.traced import Traced
from caplex.compiler.graph import clocks, windows
from caplex.compiler.graph.dump import dump
from caplex.compiler.graph.horizon import horizons
from caplex.compiler.graph.ir import RearmNode, RuleGraph, RuleNode, TripNode
from caplex.compiler.source import Span
from caplex.runtime.operators import is_true
from caplex.runtime.plan import (
    ClockPlan,
    HeaderPlan,
    Override,
    PiecePlan,
    Plan,
    RearmPlan,
    RebasePlan,
    RulePlan,
    SettingPlan,
    SizePlan,
    SlotSpec,
    TripPlan,
    WaiverPlan,
    WindowPlan,
)
from caplex.runtime.values import UNLIMITED

_MOST_TOLD = 100
"""Readings that are explained above the generated code: whoever wants more of them looks at the graph."""
_STRANGE = re.compile(r"[^a-zA-Z0-9]")
Resolve = Callable[[str | None], Any]


@dataclass(frozen=True, slots=True)
class Generated:
    """Source of both forms, with the constants that they name."""

    traced: str
    traced_constants: dict[str, Any]
    fused: str
    fused_constants: dict[str, Any]
    fused_slots: tuple[int, ...]
    fused_known: frozenset[int]
    fused_defaults: tuple[tuple[int, int], ...]
    why_not_fused: str
    readings: tuple[str, ...] = ()
    """What the names of the fused form stand for, if there are not too many."""

    @property
    def python(self) -> str:
        """What `caplex compile --emit python` prints."""
        parts = ["# The fused form: every rule at once, over integers in units of their scale."]
        parts += [f"# {line}" for line in self.readings]
        parts += [f"# {name} = {shown(value)}" for name, value in sorted(self.fused_constants.items()) if not callable(value)]
        parts.append(self.fused or f"# none: {self.why_not_fused}\n")
        parts.append("# The traced form: rule by rule, over exact values that may be absent or unknown.")
        parts += [f"# {name} = {shown(value)}" for name, value in self.traced_constants.items()]
        return "\n".join([*parts, self.traced])


class Assembler:
    """Names a function for every root of the graph, and finds it again after linking."""

    def __init__(self, graph: RuleGraph, emitter: type[Fused] = Fused) -> None:
        self.graph = graph
        self.traced = Traced(graph)
        self.functions: list[str] = []
        self._named: dict[int, str] = {}
        self._windows: dict[int, windows.Kept] = {}
        self._sharing: list[Sharing] = []
        self._emitter = emitter

    def generate(self) -> Generated:
        for rule in self.graph.rules:
            self._rule(rule)
        for number, slot in enumerate(self.graph.slots):
            if slot.fold is not None:
                self.functions.append(self.traced.fold(f"slot_{number}", slot.fold))
                self._window(number, slot.fold)
        for size in self.graph.sizes:
            for part in ("money", "floor", "leverage"):
                self.name(getattr(size, part), size.id, part)
            self._template(size.because, size.id)
        for label, when in self.graph.labels:
            self.name(when, label, "answer")
        for tag, when, text in self.graph.emits:
            self.name(when, tag, "emit")
            self._template(text, tag)
        self._sharing = [Sharing(number, node, self.traced) for number, node in enumerate(self.graph.allocations)]
        for sharing in self._sharing:
            self.functions += sharing.functions
        fused = self._emitter(clocks.fixed(self.graph))
        why = ""
        try:
            source = fused.source()
        except NotFusable as reason:
            source, why = "", str(reason)
        return Generated("\n".join(self.functions), dict(self.traced.constants), source, dict(fused.constants), tuple(fused.slots), frozenset(fused.known), tuple(fused.defaults), why,
                         self._readings(fused) if source else ())

    def _readings(self, fused: Fused) -> tuple[str, ...]:
        """``s4 = account.equity, in 1e-8``"""
        def told(number: int) -> str:
            slot = self.graph.slots[number]
            return f"{slot}, in 1e-{slot.scale}" if slot.scale else str(slot)

        if len(fused.slots) > _MOST_TOLD:
            return ()
        given = "n = size, c = of which closes, whole = can be traded as it is, d = n with its sign, all in 1e-8"
        return (given, *(f"s{number} = {told(number)}" for number in sorted(fused.slots)),
                *(f"e{at} = {told(number)}, absent {default}" for at, (number, default) in enumerate(fused.defaults)))

    def name(self, number: int | None, owner: str, part: str) -> str | None:
        """Name of the function whose value is this node; one function a node."""
        if number is None:
            return None
        if number not in self._named:
            self._named[number] = f"{_STRANGE.sub('_', owner)}_{part}_{number}"
            self.functions.append(self.traced.function(self._named[number], number))
        return self._named[number]

    def _rule(self, rule: RuleNode) -> None:
        for part in ("when", "broken", "observed", "bound", "reserve"):
            self.name(getattr(rule, part), rule.id, part)
        for piece in rule.pieces:
            self.name(piece.slope, rule.id, "slope")
            self.name(piece.intercept, rule.id, "intercept")
        for waiver in rule.waivers:
            self.name(waiver.when, waiver.id, "when")
        if rule.approval is not None:
            self.name(rule.approval[2], rule.id, "within")
        for trip in rule.trips:
            for part in ("condition", "observed", "bound", "confirm", "amount", "window"):
                self.name(getattr(trip, part), rule.id, f"trip_{part}")
        for _, length in rule.clock.windows:
            self.name(length, rule.id, "window")
        for sides in rule.clock.moments:
            for side in sides:
                self.name(side, rule.id, "moment")
        if rule.rearm is not None:
            for part in ("quorum", "delay", "condition"):
                self.name(getattr(rule.rearm, part), rule.id, f"rearm_{part}")
        for rebase in rule.rebases:
            self.name(rebase.value, rule.id, "rebase")
        self._template(rule.because, rule.id)

    def _window(self, number: int, fold: int) -> None:
        found = windows.kept(self.graph, fold)
        if found is None:
            return
        self._windows[number] = found
        self.name(found.fold.window, f"slot_{number}", "window")
        for index, (mine, theirs) in enumerate(found.keys):
            self.functions.append(self.traced.row(f"slot_{number}_key_{index}", found.fold.variable, mine))
            self.name(theirs, f"slot_{number}", "equals")
        if found.body is not None:
            self.functions.append(self.traced.row(f"slot_{number}_body", found.fold.variable, found.body))

    def _template(self, parts: tuple[Any, ...] | None, owner: str) -> None:
        for part in parts or ():
            if isinstance(part, tuple) and isinstance(part[0], int):
                self.name(part[0], owner, "text")

    # ── after linking ────────────────────────────────────────────────────────────────────────────────

    def plan(self, generated: Generated, *, code: tuple[bytes, bytes] = (b"", b""), **extras: Any) -> Plan:
        """The plan with its callables. *code* is marshalled byte code, if there is any; *extras* go to `Plan`."""
        graph = self.graph
        traced_code, fused_code = (marshal.loads(part) if part else None for part in code)
        scope = link(graph.policy.name, generated.traced, generated.traced_constants, traced_code)

        def find(number: int | None) -> Any:
            return None if number is None else scope[self._named[number]]

        def text(parts: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
            if parts is None:
                return None
            return tuple((find(p[0]), *p[1:]) if isinstance(p, tuple) and isinstance(p[0], int) else p for p in parts)

        def window(number: int, kept: windows.Kept) -> WindowPlan:
            fold = kept.fold
            keys = tuple((scope[f"slot_{number}_key_{index}"], find(theirs) or is_true) for index, (_, theirs) in enumerate(kept.keys))
            return WindowPlan(fold.function, fold.section, find(fold.window), fold.today, keys,  # type: ignore[arg-type]
                              None if kept.body is None else scope[f"slot_{number}_body"])

        columns = columnar.tape(clocks.fixed(graph))  # before the slots are counted: it may need one more
        fused = None
        if generated.fused:
            fused = link(graph.policy.name + " fused", generated.fused, {**generated.fused_constants, **FUSED_LIBRARY}, fused_code)["decide"]
        return Plan(
            header=header(graph), schema=graph.schema, slots=tuple(graph.slots),
            folds={n: scope[f"slot_{n}"] for n, s in enumerate(graph.slots) if s.fold is not None},
            by_symbol={n: graph.nodes[s.fold].payload.function for n, s in enumerate(graph.slots) if s.fold is not None and windows.by_symbol(graph, s.fold)},
            windows={number: window(number, kept) for number, kept in self._windows.items()},
            settings={name: setting(graph, name) for name in sorted(graph.settings)},
            rules=tuple(rule_plan(rule, find, text) for rule in graph.rules),
            sizes=tuple(SizePlan(s.id, s.title, s.reach, find(s.money), find(s.floor), find(s.leverage), text(s.because), place(s.span)) for s in graph.sizes),
            labels=tuple((label, find(when)) for label, when in graph.labels),
            emits=tuple((tag, find(when), text(parts) or ()) for tag, when, parts in graph.emits),
            allocations={each.node.name: each.plan(scope, setting, place(each.node.span)) for each in self._sharing},
            fused=fused, fused_slots=generated.fused_slots, fused_known=generated.fused_known, fused_defaults=generated.fused_defaults, python=generated.python, graph_text=dump(graph), columns=columns, keep_ns=horizons(graph), **extras)


def place(span: Span | None) -> str:
    """``desk.cap:45``"""
    return "" if span is None else f"{span.source.name}:{span.begin.line}"


def column(span: Span | None) -> int:
    return 0 if span is None else span.begin.column


def start(span: Span | None) -> dict[str, Any] | None:
    """Where something begins."""
    return None if span is None else {"file": span.source.name, "line": span.begin.line, "column": span.begin.column}


def position(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {}
    begin, finish = span.begin, span.finish
    return {"file": span.source.name, "line": begin.line, "column": begin.column, "end_line": finish.line, "end_column": finish.column}


def header(graph: RuleGraph) -> HeaderPlan:
    policy = graph.policy
    return HeaderPlan(
        name=policy.name, version=policy.version, language=policy.language, mode=policy.mode, currency=policy.currency,
        timezone=policy.timezone, day_start_ns=policy.day_start_ns, effective_from_ns=policy.effective_from_ns,
        effective_until_ns=policy.effective_until_ns, outside=policy.outside,
        stages=tuple(stage for phase in policy.phases for stage in phase), phase_count=len(policy.phases),
        sys_listed=policy.sys_listed, lot=policy.lot, rounding_never=policy.rounding_never, modify_never=policy.modify_never,
        journal_continues=policy.journal_continues, idempotency_keep_ns=policy.idempotency_keep_ns, owner=policy.owner)


def setting(graph: RuleGraph, name: str) -> SettingPlan:
    info = graph.settings[name]
    def slot_of(dimension: str) -> int:
        section, _, field = dimension.rpartition(".")
        if not section:
            section, field = ("intent", dimension) if graph.schema.field("intent", dimension) else (dimension, "value")
        spec = graph.schema.field(section, field) or next(iter(graph.schema.sections[section].fields.values()))
        return graph.slot_number(SlotSpec("field", spec.name, section, optional=spec.optional))

    overrides = tuple(
        Override(o.kind, tuple((text, slot_of(d)) for d, text in o.scopes), tuple(d for d, _ in o.scopes),
                 UNLIMITED if o.value is None else o.value, o.until_ns, o.origin or place(o.node.span), o.through, o.approved_by, o.ticket,
                 0 if o.origin else column(o.node.span))
        for o in info.overrides)
    value = UNLIMITED if info.value is None else info.value
    return SettingPlan(name, info.type, value, info.origin, info.safer, overrides, graph.policy.overrides, place(info.node.span),
                       info.low, info.high, column(info.node.span))


def trip_plan(trip: TripNode, find: Callable[[int | None], Any]) -> TripPlan:
    return TripPlan(trip.kind, trip.text, find(trip.condition), find(trip.observed), find(trip.bound), trip.comparison, find(trip.confirm),
                    trip.confirm_readings, trip.rules, trip.families, trip.severity, find(trip.amount), trip.events, find(trip.window), start(trip.span))


def rearm_plan(rearm: RearmNode | None, find: Callable[[int | None], Any]) -> RearmPlan | None:
    if rearm is None:
        return None
    return RearmPlan(rearm.terms, rearm.role, find(rearm.quorum), find(rearm.delay), find(rearm.condition), rearm.condition_text)


def rule_plan(rule: RuleNode, find: Callable[[int | None], Any], text: Callable[[Any], Any]) -> RulePlan:
    approval = None if rule.approval is None else (*rule.approval[:2], find(rule.approval[2]))
    return RulePlan(
        id=rule.id, title=rule.title, kind=rule.kind, stage=rule.stage, phase=rule.phase, effect=rule.effect,
        opening_only=rule.opening_only, skipped=rule.skipped, unless_worse=rule.unless_worse, actions=frozenset(rule.actions),
        severity=rule.severity, code=rule.code, outcome=rule.outcome, monitor=rule.monitor, overridable=rule.overridable,
        broken=find(rule.broken), when=find(rule.when), observed=find(rule.observed), comparison=rule.comparison, bound=find(rule.bound),
        unit=rule.unit, reads_size=rule.reads_size, pieces=tuple(PiecePlan(find(p.slope), find(p.intercept)) for p in rule.pieces),
        strict=rule.strict, waivers=tuple(WaiverPlan(w.id, w.until_ns, find(w.when)) for w in rule.waivers), approval=approval,
        reserve=find(rule.reserve), trips=tuple(trip_plan(t, find) for t in rule.trips), denies=rule.denies, scope=rule.scope,
        scope_is=rule.scope_is, duties=rule.duties, because=text(rule.because), reads=tuple(sorted(rule.reads)),
        source=place(rule.span), position=position(rule.span), settings=tuple(sorted(rule.settings)),
        clock=ClockPlan(tuple((section, find(length)) for section, length in rule.clock.windows),
                        tuple((find(left), find(right)) for left, right in rule.clock.moments), rule.clock.daily),
        rearm=rearm_plan(rule.rearm, find), rebases=tuple(RebasePlan(r.on, r.section, r.field, find(r.value)) for r in rule.rebases),
        trip_reads=rule.trip_reads, condition=rule.condition)
