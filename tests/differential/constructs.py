"""What a policy is made of: names of the constructs that its decisions run, read off the checked tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.syntax import ast

NO_DECISION: tuple[type[ast.Node], ...] = (
    *get_args(ast.Step),
    ast.Test,
    ast.Property,
    ast.Implies,
    ast.Allocate,
    ast.AllocateClause,
    ast.Pair,  # tests, plans
    ast.Use,
    ast.Argument,  # imported rules are written out before they are judged (tests/semantics)
    ast.Version,
    ast.Language,
    ast.Owner,
    ast.Strict,
    ast.UnlimitedClause,
    ast.JournalContinues,
    ast.IdempotencyKeep,  # checks, engine
    ast.Rearm,
    ast.RearmByRole,
    ast.RearmDelay,
    ast.RearmWhen,
    ast.OnRearm,
    ast.Rebase,  # the engine's state
    ast.Node,
    ast.Name,
    ast.Module,
    ast.Header,
    ast.Field,
    ast.TypeRef,
    ast.Attributes,
    ast.Scope,
    ast.Reference,
    ast.FieldStep,
    ast.Interval,
)
"""Nodes that no pure decision runs, and those that are only parts of others."""


def expected() -> frozenset[str]:
    """Every node of the language that a decision runs, and every form of those that have several."""
    nodes = {
        kind.__name__
        for kind in vars(ast).values()
        if isinstance(kind, type) and issubclass(kind, ast.Node) and kind not in NO_DECISION
    }
    forms = {
        *(f"Arithmetic {operator}" for operator in ("+", "-", "*", "/", "of")),
        "Logic and",
        "Logic or",
        *(f"Compare {operator}" for operator in ("<", "<=", "==", "!=", ">=", ">")),
        "Among not",
        "IsKnown not",
        *(f"Call {name}" for name in ("abs", "max", "min", "clamp")),
        *(
            f"Aggregate {name}"
            for name in ("sum", "count", "max", "min", "any", "all", "in last", "today", "where", "bare")
        ),
        *(
            f"Limit {boundary} {breach}"
            for boundary in ("at most", "below", "at least", "above")
            for breach in ("deny", "reduce", "hold", "warn")
        ),
        "Limit when",
        "Rule when",
        "Throttle when",
        "Cooldown when",
        "Deny opening",
        "Deny whole",
        *(f"Throttle {form}" for form in ("sliding", "per day", "counters", "each", "where", "reserve")),
        "Cooldown each",
        "Cooldown where",
        *(
            f"rates {events}"
            for events in ("orders", "fills", "rejects", "cancels", "denials", "violations", "stops", "results")
        ),
        "Confirm readings",
        "Confirm time",
        "TripOnCount plain",
        "TripOnCount severity",
        "TripOnCount rules",
        "TripOnCount families",
        "WhileTripped all",
        "WhileTripped opening",
        "ForEach",
        "ForOne",
        "ForOne value",
        "Waiver of switch",
        "Waiver of rule",
        "Override set",
        "Override tighten",
        "Override loosen",
        "Setting lower",
        "Setting higher",
        "overrides tightest",
        "overrides ranked",
        "Size all opening",
        "Size unsized",
        "AnswerLabel when",
        "AnswerLabel otherwise",
        "Emit always",
        "Emit when",
        "Hole plain",
        "Hole %",
        "Hole money",
        "Hole .2",
        "Approval quorum",
        "Approval within",
        "Attributes actions",
        "Attributes code",
        "Attributes outcome",
        "Attributes severity",
        "Attributes monitor through",
        "Attributes monitor always",
        "Attributes overridable",
        "Mode monitor",
        "Effective opening",
        "Effective all",
        "ClosingSkips unless worse",
        "stages bar",
        "stages SYS",
        "stages no SYS",
        "InputRecord list",
        "InputRecord each",
        "Field normalised",
        "Field fresh",
        "Field fresh always",
        "Read[key]",
        "let",
        "after.position",
        "after.portfolio",
        "committed.",
        "permitted.",
        "intent.opening",
        "intent.closing",
        "intent.notional",
        "portfolio.",
        "fx",
    }
    return frozenset(nodes | forms)


def of(checked: CheckedModule) -> frozenset[str]:
    """The constructs of one policy."""
    found: set[str] = set()
    for module in checked.modules.values():
        for node in _walk(module):
            found.add(type(node).__name__)
            found.update(_forms(node))
    policy = checked.policy
    found.update(("stages bar",) if len(policy.phases) > 1 else ())
    found.add("stages SYS" if policy.sys_listed else "stages no SYS")
    return frozenset(found & expected())


def _walk(value: Any) -> Iterator[ast.Node]:
    if isinstance(value, ast.Node):
        yield value
        for name in value.__dataclass_fields__:
            if name not in ("id", "span"):
                yield from _walk(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _walk(item)


def _forms(node: ast.Node) -> Iterator[str]:
    kind = type(node).__name__
    match node:
        case ast.Arithmetic() | ast.Logic() | ast.Compare():
            yield f"{kind} {node.operator}"
        case ast.Among(negated=True) | ast.IsKnown(negated=True):
            yield f"{kind} not"
        case ast.Call():
            yield f"Call {node.function.text}"
        case ast.Aggregate():
            yield from (
                f"Aggregate {node.function.text}",
                *_said(kind, where=node.where, today=node.today, bare=node.variable is None),
            )
            if node.last is not None:
                yield "Aggregate in last"
        case ast.Read():
            yield from _read(node)
        case ast.Hole():
            yield f"Hole {node.format.removeprefix(':') if node.format else 'plain'}"
        case ast.Rule() | ast.Limit() | ast.Throttle() | ast.Cooldown() | ast.KillSwitch():
            yield from _rule(node)
        case _:
            yield from _other(node)


def _said(kind: str, **forms: Any) -> Iterator[str]:
    for name, given in forms.items():
        if given:
            yield f"{kind} {name.replace('_', ' ')}"


def _read(node: ast.Read) -> Iterator[str]:
    path = ".".join([node.name, *(step.name for step in node.steps if isinstance(step, ast.FieldStep))])
    for prefix in (
        "after.position",
        "after.portfolio",
        "committed.",
        "permitted.",
        "portfolio.",
        "intent.opening",
        "intent.closing",
        "intent.notional",
    ):
        if path.startswith(prefix):
            yield prefix
    if any(isinstance(step, ast.RowStep) for step in node.steps):
        yield "Read[key]"
    if node.name == "fx":
        yield "fx"


def _rule(node: ast.RuleItem) -> Iterator[str]:
    kind, given = type(node).__name__, node.attributes
    yield from _said(
        "Attributes",
        actions=given.actions,
        code=given.code,
        outcome=given.outcome,
        severity=given.severity,
        monitor_through=isinstance(given.monitor, ast.Date),
        monitor_always=given.monitor == "always",
        overridable=given.overridable_by,
    )
    if not isinstance(node, ast.KillSwitch):
        yield from _said(kind, when=node.when)
    match node:
        case ast.Limit():
            yield f"Limit {node.boundary} {node.breach}"
        case ast.Throttle():
            yield from _said(
                kind,
                per_day=isinstance(node.window, ast.PerDay),
                sliding=not isinstance(node.window, ast.PerDay),
                counters=node.counters,
                each=node.each,
                where=node.where,
                reserve=node.reserve,
            )
            yield f"rates {node.events.text}"
        case ast.Cooldown():
            yield from _said(kind, each=node.each, where=node.where)


def _other(node: ast.Node) -> Iterator[str]:
    kind = type(node).__name__
    match node:
        case ast.Deny():
            yield "Deny opening" if node.opening_only else "Deny whole"
        case ast.Confirm():
            yield "Confirm readings" if node.readings else "Confirm time"
        case ast.TripOnCount():
            named = [name for name in ("severity", "rules", "families") if getattr(node, name)]
            yield f"TripOnCount {named[0] if named else 'plain'}"
        case ast.WhileTripped():
            yield f"WhileTripped {node.deny}"
        case ast.ForOne():
            yield from _said(kind, value=node.value)
        case ast.Waiver():
            yield "Waiver of switch" if node.including_switches else "Waiver of rule"
        case ast.Override():
            yield f"Override {node.kind}"
        case ast.Setting():
            yield from _said(kind, lower=node.safer == "lower", higher=node.safer == "higher")
        case ast.Let():
            yield "let"
        case ast.TightestWins() | ast.OverridesBy():
            yield "overrides tightest" if isinstance(node, ast.TightestWins) else "overrides ranked"
        case ast.Size():
            yield f"Size {node.reach}"
        case ast.AnswerLabel() | ast.Emit():
            yield f"{kind} {'when' if node.when is not None else 'otherwise' if kind == 'AnswerLabel' else 'always'}"
        case ast.Approval():
            yield from _said(kind, quorum=node.quorum > 1, within=node.within)
        case ast.Mode() | ast.Effective():
            yield f"{kind} {node.mode if isinstance(node, ast.Mode) else node.then_deny}"
        case ast.ClosingSkips():
            yield from _said(kind, unless_worse=node.unless_worse)
        case ast.InputRecord():
            yield from _said(kind, list=node.as_list, each=node.each)
        case ast.Field():
            yield from _said(
                kind,
                normalised=node.normalised,
                fresh=isinstance(node.fresh, ast.Duration),
                fresh_always=node.fresh == "always",
            )
