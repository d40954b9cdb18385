"""The rows of the graph: rules, limits, throttles, cooldowns, switches, sizes, labels and emitted lines."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from caplex.compiler.graph import clocks, shape
from caplex.compiler.graph.ir import Fold, Piece, RearmNode, RebaseNode, RuleNode, SizeNode, TripNode, Waived
from caplex.compiler.semantics.model import FieldBinding, RuleInfo
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.printer import show
from caplex.compiler.syntax.rule_printer import show_body, show_rearm
from caplex.runtime.plan import SlotSpec
from caplex.runtime.schema import Kind, Type

if TYPE_CHECKING:
    from caplex.compiler.graph.build import Builder

BOOL, COUNT, DURATION, INSTANT = Type(Kind.BOOL), Type(Kind.COUNT), Type(Kind.DURATION), Type(Kind.INSTANT)
BOUNDARY = {"at most": ("le", "<="), "below": ("lt", "<"), "at least": ("ge", ">="), "above": ("gt", ">")}
_SLOT_SECTIONS: dict[str, set[str]] = {"book": {"positions", "orders", "market", "instrument", "fx"}, "fold": set(), "permitted": set()}
REQUIRED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


def lay_out(builder: Builder) -> None:
    """Fill the graph with everything that the checked module decides."""
    checked, graph = builder.checked, builder.graph
    moving = clocks.Moving(graph)
    for info in checked.rules:
        node = _rule(builder, info)
        graph.rules.append(node)
        roots = [node.broken, node.when, node.observed, node.bound, node.reserve, *(w.when for w in node.waivers)]
        roots += [n for p in node.pieces for n in (p.slope, p.intercept)] + [t.condition for t in node.trips]
        if below := moving.below(roots):
            node.settings, node.clock = clocks.settings(graph, below), clocks.clock(graph, below)
        fixed = frozenset(slot for slot in node.settings if not graph.settings[graph.slots[slot].name].overrides)
        node.reads = frozenset().union(*(graph.reads(number) for number in roots if number is not None)) - fixed
        node.reads_size = graph.reads_size(node.broken)
    for size in checked.sizes:
        graph.sizes.append(_size(builder, size.id, size.node))
    if checked.answer is not None:
        graph.labels = [(label.label.text, builder.optional(label.when)) for label in checked.answer.labels]
    graph.emits = [(emit.tag, builder.optional(emit.when), template(builder, emit.text) or ()) for emit in checked.emits]


def template(builder: Builder, node: ast.Template | None) -> tuple[Any, ...] | None:
    """Literal parts as they are; holes as (node, type, format)."""
    if node is None:
        return None
    parts: list[Any] = []
    for part in node.parts:
        if isinstance(part, str):
            parts.append(part)
        elif isinstance(part.value, ast.Read) and part.value.name in ("allowed", "observed") and not part.value.steps:
            parts.append((part.value.name, None, part.format))
        else:
            parts.append((builder.bare(part.value), builder.type_of(part.value), part.format))
    return tuple(parts)


def _rule(builder: Builder, info: RuleInfo) -> RuleNode:
    item = info.node
    attributes = item.attributes
    node = RuleNode(
        id=info.id, title=item.title or "", kind="rule", stage=info.stage, phase=info.phase, position=info.position, effect="deny",
        opening_only=False, skipped=info.skipped, unless_worse=info.unless_worse, actions=tuple(sorted(info.actions)),
        severity=info.severity, code=attributes.code.text if attributes.code else None,
        outcome=attributes.outcome.text if attributes.outcome else None, monitor=info.monitor,
        overridable=attributes.overridable_by, broken=None, span=item.span,
        waivers=tuple(Waived(w.id, w.until_ns, builder.expr(w.node.when)) for w in (builder.checked.waivers[i] for i in info.waivers)),
    )
    match item:
        case ast.Rule():
            _plain(builder, node, item)
        case ast.Limit():
            _limit(builder, node, item)
        case ast.Throttle():
            _throttle(builder, node, item)
        case ast.Cooldown():
            _cooldown(builder, node, item)
        case ast.KillSwitch():
            _switch(builder, node, item)
    if not isinstance(item, ast.KillSwitch):
        node.because = template(builder, item.because)
        node.condition = show_body(item)
    return node


def _approval(builder: Builder, approval: ast.Approval | None) -> tuple[str, int, int | None] | None:
    return None if approval is None else (approval.role, approval.quorum, builder.optional(approval.within))


def _plain(builder: Builder, node: RuleNode, item: ast.Rule) -> None:
    effect = item.effect
    node.kind, node.when = "rule", builder.optional(item.when)
    condition = builder.expr(effect.condition)
    negated = isinstance(effect, ast.Require)
    node.broken = builder.graph.add("not", (condition,), None, BOOL) if negated else condition
    if isinstance(effect, ast.Hold):
        node.effect, node.approval = "hold", _approval(builder, effect.approval)
    elif isinstance(effect, ast.Warn):
        node.effect = "warn"
    elif isinstance(effect, ast.Deny):
        node.opening_only = effect.opening_only
    if isinstance(effect.condition, ast.Compare):
        compare = effect.condition
        node.observed, node.bound = builder.expr(compare.left), builder.expr(compare.right)
        node.comparison = compare.operator if negated else REQUIRED[compare.operator]
        node.unit = builder.type_of(compare.left)


def _limit(builder: Builder, node: RuleNode, item: ast.Limit) -> None:
    graph = builder.graph
    node.kind, node.when, node.effect = "limit", builder.optional(item.when), item.breach
    node.observed, node.bound = builder.expr(item.measure), builder.expr(item.bound)
    op, node.comparison = BOUNDARY[item.boundary]
    node.strict = op in ("lt", "gt")
    kept = graph.add(op, (node.observed, node.bound), None, BOOL)
    node.broken = graph.add("not", (kept,), None, BOOL)
    node.approval = _approval(builder, item.approval)
    node.unit = builder.type_of(item.measure)
    if graph.reads_size(kept) and (item.breach == "reduce" or node.unless_worse):
        node.pieces = _pieces(builder, node.observed, node.bound, upper=op in ("le", "lt"))


def _pieces(builder: Builder, measure: int, bound: int, *, upper: bool) -> tuple[Piece, ...]:
    """``measure − bound`` (or its negative under a lower bound) as a maximum of affine pieces."""
    graph = builder.graph
    if graph.nodes[bound].op == "const" and not isinstance(graph.nodes[bound].payload, (int,)) and repr(graph.nodes[bound].payload) == "unlimited":
        return ()
    difference = graph.add("sub", (measure, bound) if upper else (bound, measure), None, graph.types[measure])
    return shape.convex(graph, difference)


def _throttle(builder: Builder, node: RuleNode, item: ast.Throttle) -> None:
    graph, checked = builder.graph, builder.checked
    node.kind, node.when, node.unit = "throttle", builder.optional(item.when), COUNT
    if item.counters is not None:
        name = item.counters.span.text.rpartition(".")[2].strip()
        node.observed = graph.slot(SlotSpec("counter", name, scale=0), COUNT)
    else:
        section = checked.throttle_events[item.id]
        where = builder.events(section, checked.throttle_keys.get(item.id, ()), item.where)
        today = isinstance(item.window, ast.PerDay)
        window = None if isinstance(item.window, ast.PerDay) else builder.expr(item.window)
        node.observed = builder.fold(Fold("count", section.name, "event", window, today, where, None), COUNT)
    node.bound, node.comparison = builder.expr(item.amount), "<"
    node.broken = graph.add("ge", (node.observed, node.bound), None, BOOL)
    node.reserve = builder.optional(item.reserve)


def _cooldown(builder: Builder, node: RuleNode, item: ast.Cooldown) -> None:
    graph, checked = builder.graph, builder.checked
    node.kind, node.when, node.unit = "cooldown", builder.optional(item.when), DURATION
    section = checked.throttle_events[item.id]
    where = builder.events(section, checked.throttle_keys.get(item.id, ()), item.where)
    during = builder.expr(item.during)
    body = graph.add("row", (), ("event", "at"), INSTANT)
    last = builder.fold(Fold("last", section.name, "event", during, False, where, body), INSTANT)
    long_ago = graph.add("sub", (builder.now(), during), None, INSTANT)
    elapsed = graph.add("sub", (builder.now(), graph.add("else", (last, long_ago), None, INSTANT)), None, DURATION)
    node.observed, node.bound, node.comparison = elapsed, during, ">="
    node.broken = graph.add("lt", (elapsed, during), None, BOOL)


def _switch(builder: Builder, node: RuleNode, item: ast.KillSwitch) -> None:
    graph = builder.graph
    node.kind = "switch"
    node.broken = builder.switch_is(node.id, "tripped")
    for target in item.targets:
        if isinstance(target, ast.ForEach):
            node.scope += tuple(d.text for d in target.dimensions)
        else:
            node.scope += (target.dimension.text,)
            node.scope_is = target.value
    for each in node.scope:
        builder.dimension(each)
    trips: list[TripNode] = []
    for clause in item.clauses:
        match clause:
            case ast.WhileTripped():
                node.denies = clause.deny
                node.opening_only = clause.deny == "opening"
            case ast.OnTrip():
                node.duties = tuple(_duty(action) for action in clause.actions if not isinstance(action, ast.Rebase))
                node.rebases += _rebases(builder, "trip", clause.actions)
            case ast.OnRearm():
                node.rebases += _rebases(builder, "rearm", clause.actions)
            case ast.TripWhen() | ast.TripOnRule() | ast.TripOnCount():
                trips.append(_trip(builder, clause))
            case ast.RearmNever() | ast.Rearm():
                node.rearm = _rearm(builder, clause)
    node.trips = tuple(trips)
    node.trip_reads = frozenset().union(*(_sections(builder, trip.condition) for trip in trips))
    if node.scope_is is not None:
        dimension = builder.dimension(node.scope[0])
        here = graph.add("eq", (graph.add("slot", (), dimension), graph.const(node.scope_is)), None, BOOL)
        node.when = here


def _duty(action: ast.Duty) -> tuple[str, str | None]:
    match action:
        case ast.Cancel():
            return ("cancel_open_orders" if action.which == "opening" else "cancel_all_orders", None)
        case ast.Flatten():
            return ("flatten", None)
        case ast.Notify():
            return ("notify", action.channel)


def _rebases(builder: Builder, on: Literal["trip", "rearm"], actions: tuple[ast.Action, ...]) -> tuple[RebaseNode, ...]:
    found = []
    for action in actions:
        if isinstance(action, ast.Rebase):
            binding = builder.checked.bindings[action.field.id]
            assert isinstance(binding, FieldBinding)
            found.append(RebaseNode(on, binding.section.name, binding.field.name, builder.expr(action.value)))
    return tuple(found)


def _rearm(builder: Builder, clause: ast.Rearm | ast.RearmNever) -> RearmNode:
    if isinstance(clause, ast.RearmNever):
        return RearmNode()
    found = RearmNode(tuple(map(show_rearm, clause.terms)))
    for term in clause.terms:
        match term:
            case ast.RearmByRole():
                found.role, found.quorum = term.role, builder.expr(term.quorum)
            case ast.RearmDelay():
                found.delay = builder.expr(term.delay)
            case ast.RearmWhen():
                found.condition, found.condition_text = builder.expr(term.condition), show(term.condition)
    return found


def _sections(builder: Builder, root: int | None) -> frozenset[str]:
    """Sections of the facts that a condition reads; ``now`` for time itself and for windows, which slide."""
    graph = builder.graph
    found: set[str] = set()
    roots = [] if root is None else [root]
    while roots:
        for number in graph.reach(roots.pop()):
            node = graph.nodes[number]
            if node.op == "fold":
                found |= {node.payload.section} | ({"now"} if node.payload.window is not None or node.payload.today else set())
            elif node.op == "slot":
                spec = graph.slots[node.payload]
                found |= _SLOT_SECTIONS.get(spec.kind, {spec.section if spec.kind == "field" else spec.kind})
                if spec.fold is not None:
                    roots.append(spec.fold)
    return frozenset(found)


def _trip(builder: Builder, clause: ast.Trip) -> TripNode:
    checked = builder.checked
    match clause:
        case ast.TripWhen():
            trip = TripNode("when", show(clause.condition), condition=builder.expr(clause.condition), span=clause.span)
            if isinstance(clause.condition, ast.Compare):
                trip.observed, trip.bound = builder.expr(clause.condition.left), builder.expr(clause.condition.right)
                trip.comparison = clause.condition.operator
            if clause.confirm is not None:
                trip.confirm, trip.confirm_readings = builder.expr(clause.confirm.amount), clause.confirm.readings
            return trip
        case ast.TripOnRule():
            return TripNode("rule", f"{clause.rule.text} violated", rules=(checked.references[clause.rule.id],), span=clause.span)
        case ast.TripOnCount():
            return TripNode(
                "count", clause.span.text, rules=tuple(checked.references[r.id] for r in clause.rules),
                families=tuple(f.text for f in clause.families), severity=clause.severity, amount=builder.expr(clause.amount),
                events=checked.throttle_events[clause.id].name, window=builder.expr(clause.window), span=clause.span)


def _size(builder: Builder, id_: str, item: ast.Size) -> SizeNode:
    graph = builder.graph
    money: int | None = None
    floor = leverage = None
    because = None
    for step in item.steps:
        match step:
            case ast.SizeStart():
                money = builder.expr(step.value)
            case ast.SizeTimes():
                assert money is not None
                money = graph.add("mul", (money, builder.expr(step.value)), None, graph.types[money])
            case ast.SizeAtMost():
                assert money is not None
                bound = builder.expr(step.value)
                if repr(graph.nodes[bound].payload) != "unlimited":
                    money = graph.add("min", (money, bound), None, graph.types[money])
            case ast.SizeAtLeast():
                floor, because = builder.expr(step.value), template(builder, step.because)
            case ast.SizeInMargin():
                leverage = builder.expr(step.leverage)
    assert money is not None
    reach: Literal["all opening", "unsized"] = item.reach
    return SizeNode(id_, item.title or "", reach, money, floor, leverage, because, item.span)
