"""What rules ask for, in the words of their author: read from the texts that a compiled policy keeps."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import count
from typing import Any

from caplex.compiler.source import Source
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import Level, quoted, show, show_at
from caplex.compiler.syntax.parser import parse
from caplex.compiler.syntax.printer import print_module
from caplex.compiler.syntax.rule_printer import show_rule


@dataclass(slots=True)
class Texts:
    """The trees behind a policy: items by (file, id), and `let` by (file, name)."""

    rules: dict[tuple[str, str], ast.RuleItem | ast.Size] = field(default_factory=dict)
    lets: dict[tuple[str, str], ast.Let] = field(default_factory=dict)
    phases: tuple[tuple[str, ...], ...] = ()
    owner: str = ""
    answer: ast.Answer | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """The clauses of a kill switch."""

    scope: str
    trips: tuple[str, ...]
    duties: tuple[str, ...]
    rearm: tuple[str, ...]
    on_rearm: tuple[str, ...]


def texts(sources: Mapping[str, str]) -> Texts:
    """Parsed once more: what compiled before parses again."""
    found, ids = Texts(), count()
    for name, text in sources.items():
        module, _ = parse(Source(name, text), ids=ids)
        assert module is not None, f"{name} was compiled and does not parse"
        for item in module.items:
            if isinstance(item, ast.Rule | ast.Limit | ast.Throttle | ast.Cooldown | ast.KillSwitch | ast.Size):
                found.rules[name, item.rule_id.text] = item
            elif isinstance(item, ast.Let):
                found.lets[name, item.name.text] = item
            elif isinstance(item, ast.Answer):
                found.answer = item
        for clause in module.header.clauses if module.header is not None else ():
            if isinstance(clause, ast.Stages):
                found.phases = tuple(tuple(stage.text for stage in phase) for phase in clause.phases)
            elif isinstance(clause, ast.Owner):
                found.owner = clause.text
    return found


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────────


def demand(rule: ast.RuleItem | ast.Size) -> str:
    """What the rule asks for, without what happens otherwise: that stands beside it."""
    match rule:
        case ast.Limit():
            said = f"{show_at(rule.measure, Level.SUM)} {rule.boundary} {show_at(rule.bound, Level.SUM)}"
            return said if rule.when is None else f"when {show(rule.when)}: {said}"
        case ast.KillSwitch():
            trips = machine(rule).trips
            return f"trips {trips[0]}" + (f", and {len(trips) - 1} more" if len(trips) > 1 else "") if trips else "tripped only by hand"
        case ast.Size():
            lines = print_module(ast.Module(id=0, span=rule.span, header=None, items=(replace(rule, doc=""),))).splitlines()
            return ", ".join(line.strip() for line in lines[1:] if line.startswith("  "))
        case _:
            lines = show_rule(replace(rule, because=None))[1]
            said = " ".join(line.rstrip(",") + ":" if line.startswith("when ") and number < len(lines) - 1 else line for number, line in enumerate(lines))
            return said.removeprefix("deny opening ").removeprefix("deny ").removeprefix("warn ").removeprefix("hold ")


def machine(rule: ast.KillSwitch) -> Machine:
    clauses = tuple(replace(clause, because=None) if isinstance(clause, ast.Trip) else clause for clause in rule.clauses)
    lines = show_rule(replace(rule, clauses=clauses))[1]
    trips: list[str] = []
    duties: list[str] = []
    rearm: list[str] = []
    after: list[str] = []
    for clause, line in zip(clauses, lines, strict=True):
        match clause:
            case ast.TripWhen() | ast.TripOnRule() | ast.TripOnCount():
                trips.append(line.removeprefix("trip "))
            case ast.OnTrip():
                duties += line.removeprefix("on trip ").split(", ")
            case ast.OnRearm():
                after += line.removeprefix("on rearm ").split(", ")
            case ast.Rearm(terms=terms):
                rearm += [_term(replace(clause, terms=(term,)), rule) for term in terms]
    return Machine(", ".join(map(_target, rule.targets)), tuple(trips), tuple(duties), tuple(rearm), tuple(after))


def _term(clause: ast.Rearm, rule: ast.KillSwitch) -> str:
    return show_rule(replace(rule, clauses=(clause,)))[1][0].removeprefix("rearm ")


def _target(target: ast.ForEach | ast.ForOne) -> str:
    if isinstance(target, ast.ForEach):
        return "each " + ", ".join(name.text for name in target.dimensions)
    return target.dimension.text + (f" {quoted(target.value)}" if target.value is not None else "")


def labels(answer: ast.Answer | None) -> tuple[str, ...]:
    """``ALLOW_SCALE_IN when in_symbol > 0``, ``ALLOW_NEW_ENTRY otherwise``."""
    if answer is None:
        return ()
    return tuple(f"{each.label.text} " + ("otherwise" if each.when is None else f"when {show(each.when)}") for each in answer.labels)


# ── settings that a rule reads ────────────────────────────────────────────────────────────────────────


def reads(rule: ast.RuleItem | ast.Size, home: Texts, file: str, prefix: str, settings: Mapping[str, Any]) -> Iterator[str]:
    """Names of *settings* that the rule reads, also through a `let`, each once, in the order of the text."""
    seen: set[str] = set()
    waiting = list(_reads(rule))
    while waiting:
        read = waiting.pop(0)
        step = read.steps[0] if read.steps else None
        name = f"{prefix}.{read.name}" if prefix else read.name
        if isinstance(step, ast.FieldStep) and f"{read.name}.{step.name}" in settings:
            name = f"{read.name}.{step.name}"
        if name in seen:
            continue
        seen.add(name)
        if name in settings:
            yield name
        elif (let := home.lets.get((file, read.name))) is not None and not read.steps:
            waiting[:0] = _reads(let.value)


def _reads(tree: Any) -> list[ast.Read]:
    """Every `Read` below *tree*."""
    if isinstance(tree, tuple):
        return [read for item in tree for read in _reads(item)]
    if not isinstance(tree, ast.Node):
        return []
    own = [tree] if isinstance(tree, ast.Read) else []
    return own + [read for part in fields(tree) if part.name not in ("id", "span", "because") for read in _reads(getattr(tree, part.name))]
