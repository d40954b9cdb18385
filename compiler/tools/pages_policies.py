"""Pages of a policy: the whole of it, its rules, its settings, and facts as it sees them."""
from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Literal

from caplex.compiler import driver, loading
from caplex.compiler.semantics.builtins import DERIVED
from caplex.compiler.semantics.model import (
    CheckedModule,
    DerivedBinding,
    FieldBinding,
    LetBinding,
    RowBinding,
    RuleInfo,
    SettingBinding,
    SettingInfo,
    Value,
)
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import show
from caplex.compiler.tools import pages_facts
from caplex.compiler.tools.pages import Page, type_text
from caplex.compiler.tools.pages_rules import because, demands, kind_of, source_text
from caplex.runtime import required
from caplex.runtime.canonical import grouped, plain
from caplex.runtime.clock import short_instant
from caplex.runtime.policy import Policy
from caplex.runtime.schema import Kind, Type
from caplex.runtime.texts import human

Mode = Literal["enforce", "monitor"]
_TIME = Type(Kind.TIME)


class Case:
    """A policy, compiled and as a tree."""

    def __init__(self, path: str, policy: Policy, checked: CheckedModule) -> None:
        self.path, self.policy, self.checked = path, policy, checked

    @classmethod
    def load(cls, path: str, settings: Mapping[str, Any] | None, mode: Mode | None) -> Case:
        policy = loading.load(path, settings=settings, mode=mode)
        checked, _ = driver.check_path(path, settings=settings, mode=mode)
        assert checked is not None, path
        return cls(path, policy, checked)

    def names_in(self, *roots: object) -> dict[str, str]:
        """What the trees read, by name, and what it is: fact or setting; through `let`."""
        found: dict[str, str] = {}
        for node in _walk(*roots):
            binding = self.checked.bindings.get(node.id)
            match binding:
                case FieldBinding(section=section, field=field):
                    found[section.name if section.scalar else field.path] = "fact"
                case DerivedBinding(name=name) if "." in name:
                    found[name] = "fact"
                case RowBinding(section=section, field=field):
                    found[f"{section.name}.{field.name}"] = "fact"
                case SettingBinding(name=name):
                    found[name] = "setting"
                case LetBinding(value=value):
                    found |= self.names_in(value)
        return found

    def pointers(self, rule: RuleInfo) -> list[str]:
        """Where a document must, or may, hold what the rule reads."""
        plan = self.policy.plan
        compiled = plan.rules[rule.position]
        found: dict[str, None] = {}
        for number in compiled.reads:
            slot = plan.slots[number]
            needed = required.of_slot(slot, plan.schema, {})
            found.update(dict.fromkeys(needed))
            if slot.kind == "field" and slot.optional:
                found.update(dict.fromkeys(f"{each} (optional)" for each in required.of_slot(dataclasses.replace(slot, optional=False), plan.schema, {})))
            if slot.kind == "book" and slot.name not in ("closing", "order_value"):
                found.update(dict.fromkeys(("/positions", "/orders")))
        # What is the same for every size is worked out once and beside the rule, so the tree is asked too.
        for name in self.reads(rule):
            section, _, field = name.rpartition(".")
            spec = plan.schema.field(section, field) if section else None
            if spec is not None and not spec.optional and name not in DERIVED:
                found[pages_facts.pointer(spec, plan.schema)] = None
        return sorted(found)

    def reads(self, rule: RuleInfo) -> dict[str, str]:
        return self.names_in(rule.node)


def _walk(*roots: object) -> Iterator[ast.Node]:
    for root in roots:
        if isinstance(root, ast.Node):
            yield root
            yield from _walk(*(getattr(root, field.name) for field in dataclasses.fields(root)))
        elif isinstance(root, tuple):
            yield from _walk(*root)


def value_text(value: Value, info: SettingInfo, currency: str) -> str:
    """A value of the setting as a policy would write it."""
    if value is None:
        return "unlimited"
    if isinstance(value, frozenset):
        return "[" + ", ".join(f'"{each}"' for each in sorted(value)) + "]"
    if isinstance(value, Fraction) and info.type.kind is Kind.QUANTITY:
        return f"{grouped(plain(value))} units"
    if isinstance(value, Fraction) and isinstance(info.node.value, ast.Multiple):
        return f"{grouped(plain(value))}x"  # declared as a multiple, and so in all its values: not `5` within `100%`
    return human(value, info.type, currency)


# ── the policy ────────────────────────────────────────────────────────────────────────────────────────


def policy_page(path: str, *, settings: Mapping[str, Any] | None = None, mode: Mode | None = None) -> Page:
    """The page of the policy in the file *path*. Raises PolicyError."""
    case = Case.load(path, settings, mode)
    policy = case.checked.policy
    entry = case.checked.modules[""]
    parts = [f"# {policy.name} {policy.version}", entry.header.doc if entry.header is not None else "", "\n".join(_header(case))]
    rows = [f"- `{rule.id}` {_title(rule)}: {_effect(case, rule)}" for rule in case.checked.rules]
    parts.append("\n".join(["## Rules, in the order of decision", "", *rows]))
    sizes = [f"- `{size.id}` {size.node.title or ''}".rstrip() for size in case.checked.sizes]
    if sizes:
        parts.append("\n".join(["## Sizes", "", *sizes]))
    if case.checked.settings:
        parts.append("\n".join(["## Settings", "", *(_setting_line(case, info) for info in case.checked.settings.values())]))
    switches = [rule for rule in case.checked.rules if isinstance(rule.node, ast.KillSwitch)]
    if switches:
        parts.append("\n".join(["## Kill switches", "", *(f"- `{rule.id}` {_title(rule)}: {' '.join(demands(rule.node))}" for rule in switches)]))
    parts.append("\n".join(["## Facts that a document must hold", "", *(f"- `{pointer}`" for pointer in case.policy.required_facts())]))
    tests, properties = len(case.checked.tests), len(case.checked.properties)
    parts.append(f"It has {tests} test{'s' * (tests != 1)} and {properties} propert{'ies' if properties != 1 else 'y'}. "
                 f"`caplex explain {path} {case.checked.rules[0].id}` tells more of a rule." if case.checked.rules else "")
    return Page(path, "policy", "\n\n".join(part for part in parts if part) + "\n")


def _header(case: Case) -> Iterator[str]:
    policy = case.checked.policy
    yield f"- File: `{case.path}`"
    yield f"- Mode: {policy.mode}" + ("; what its rules say is told, and nothing is stopped" if policy.mode == "monitor" else "")
    yield f"- Currency: {policy.currency}; timezone: {policy.timezone}" + (f"; a day starts at {human(Fraction(policy.day_start_ns), _TIME)}" if policy.day_start_ns else "")
    if policy.owner:
        yield f"- Owner: {policy.owner}"
    header = case.checked.modules[""].header
    for clause in header.clauses if header is not None else ():
        if isinstance(clause, ast.Effective):
            until = "" if clause.through is None else f" through {clause.through.iso}"
            yield f"- In effect from {clause.start.iso}{until}; outside of it {'nothing opens' if clause.then_deny == 'opening' else 'everything is denied'}"
    yield "- Stages: " + " | ".join(", ".join(phase) for phase in policy.phases)
    skipped = ", ".join(stage for phase in policy.phases for stage in phase if stage in policy.skipped)
    yield f"- Closing orders: {f'skip {skipped}' if skipped else 'face every rule'}" + (", unless it gets worse" if policy.unless_worse else "")
    uses = [item for item in case.checked.modules[""].items if isinstance(item, ast.Use)]
    if uses:
        yield "- Uses: " + ", ".join(f"`{use.target if isinstance(use.target, str) else '.'.join(use.target)}`" for use in uses)


def _title(rule: RuleInfo) -> str:
    return rule.node.title or kind_of(rule.node)


def _effect(case: Case, rule: RuleInfo) -> str:
    compiled = case.policy.plan.rules[rule.position]
    skipped = "; closing skips it" if rule.skipped else ""
    watched = "; monitored" if rule.monitor is not None else ""
    return f"{kind_of(rule.node)}, {compiled.effect}{' opening' if compiled.opening_only else ''}, severity {rule.severity}{skipped}{watched}"


# ── its parts ─────────────────────────────────────────────────────────────────────────────────────────


def part_page(path: str, part: str, *, settings: Mapping[str, Any] | None = None, mode: Mode | None = None) -> Page | None:
    """The page of a rule, a setting, a waiver or a fact of the policy in the file *path*. Raises PolicyError."""
    case = Case.load(path, settings, mode)
    for rule in case.checked.rules:
        if rule.id == part:
            return Page(part, "rule", _rule(case, rule))
    if part in case.checked.settings:
        return Page(part, "setting", _setting(case, case.checked.settings[part]))
    waiver = case.checked.waivers.get(part)
    if waiver is not None:
        title = waiver.node.title or f"waiver of {waiver.of}"
        return Page(part, "rule", f"# {part}: {title}\n\n{_waiver(case, part)[2:]}\n\n## Source\n\n{source_text(waiver.node)}\n")
    size = next((size for size in case.checked.sizes if size.id == part), None)
    if size is not None:
        doc = f"{size.node.doc}\n\n" if size.node.doc else ""
        return Page(part, "rule", f"# {part}: {size.node.title or 'size'}\n\n{doc}## Source\n\n{source_text(size.node)}\n")
    return pages_facts.page(part, case.checked.schema, list(_readers(case, part)), path)


def parts(path: str, *, settings: Mapping[str, Any] | None = None) -> list[str]:
    """What `part_page` knows beyond the built-in facts, for who looks for the nearest."""
    checked, _ = driver.check_path(path, settings=settings)
    if checked is None:
        return []
    own = [name for section in checked.schema.sections.values() if section.inputs
           for name in (section.name, *(spec.path for spec in section.fields.values()))]
    return [*(rule.id for rule in checked.rules), *checked.settings, *checked.waivers, *(size.id for size in checked.sizes), *own]


def _rule(case: Case, rule: RuleInfo) -> str:
    node = rule.node
    asked = demands(node)
    told = "\n".join(f"- {line}" for line in asked) if isinstance(node, ast.KillSwitch) else " ".join(asked)
    said = [f"# {rule.id}: {_title(rule)}", node.doc, "## What it demands\n\n" + told]
    said.append("## What it is\n\n" + "\n".join(f"- {line}" for line in _attributes(case, rule)))
    names = case.reads(rule)
    read = [case.checked.settings[name] for name, what in names.items() if what == "setting" and name in case.checked.settings]
    if read:
        said.append("\n".join(["## Settings it reads", "", *(line for info in read for line in (_setting_line(case, info), *_overrides(case, info)))]))
    facts = [name for name, what in names.items() if what == "fact"]
    where = case.pointers(rule)
    if facts or where:  # a rule over constants alone needs none
        lines = [f"- Reads: {', '.join(f'`{name}`' for name in facts)}"] if facts else []
        said.append("\n".join(["## Facts it needs", "", *lines, *(f"- `{each}`".replace(" (optional)`", "`, optional") for each in where)]))
    if rule.waivers:
        said.append("\n".join(["## Waivers", "", *(_waiver(case, each) for each in rule.waivers)]))
    reason = because(node)
    said.append(f"## Because\n\n> {reason}" if reason else "")
    said.append("## Source\n\n" + source_text(node))
    tests = list(_tests(case, rule.id))
    if tests:
        said.append("\n".join(["## Tests that name it", "", *tests]))
    return "\n\n".join(part for part in said if part) + "\n"


def _attributes(case: Case, rule: RuleInfo) -> Iterator[str]:
    compiled = case.policy.plan.rules[rule.position]
    attributes = rule.node.attributes
    yield f"Kind: {kind_of(rule.node)}; effect: {compiled.effect}{' what opens' if compiled.opening_only else ''}"
    closing = "closing orders skip it" if rule.skipped else "closing orders face it"
    worse = ", unless it gets worse" if rule.skipped and rule.unless_worse else ""
    yield f"Stage: `{rule.stage}`, rule {rule.position + 1} of {len(case.checked.rules)}; {closing}{worse}"
    yield f"Severity: {rule.severity}"
    yield f"Judges: {', '.join(sorted(rule.actions))}"
    if attributes.overridable_by is not None:
        yield f"May be overridden by: `{attributes.overridable_by}`"
    else:
        yield "May be overridden by: nobody"
    for word, value in (("Code", compiled.code), ("Outcome", compiled.outcome), ("Cites", attributes.cites)):
        if value:
            yield f"{word}: {value}"
    if rule.monitor is not None:
        until = "" if rule.monitor == "always" else f" before {short_instant(rule.monitor)}"
        yield f"Monitored{until}: it is told, and stops nothing"


def _setting_line(case: Case, info: SettingInfo) -> str:
    currency = case.checked.policy.currency
    text = f"- `{info.name}` = {value_text(info.value, info, currency)}"
    if info.value != info.default:
        text += f", from {info.origin} (the policy says {value_text(info.default, info, currency)})"
    elif info.origin not in ("policy",):
        text += f", from {info.origin}"
    if info.low is not None or info.high is not None:
        text += f", within {value_text(info.low, info, currency) if info.low is not None else '…'} to {value_text(info.high, info, currency)}"
    return text + (f". {info.title}" if info.title else "")


def _overrides(case: Case, info: SettingInfo) -> Iterator[str]:
    for each in info.overrides:
        scopes = " and ".join(f"{dimension} {text}" for dimension, text in each.scopes) or "all"
        text = f"  - {each.kind} for {scopes} = {value_text(each.value, info, case.checked.policy.currency)}"
        text += f", through {each.through}" if each.through else ""
        text += f", approved by {each.approved_by}" if each.approved_by else ""
        yield text + (f", ticket {each.ticket}" if each.ticket else "")


def _setting(case: Case, info: SettingInfo) -> str:
    lines = [f"- Type: {type_text(info.type)}", _setting_line(case, info).replace(f"`{info.name}` =", "Value:")]
    if info.safer:
        lines.append(f"- Safer: {info.safer}; from outside it moves only there")
    overrides = [line.strip() for line in _overrides(case, info)]
    readers = [f"- {line}" for line in _readers(case, info.name)]
    parts = [f"# {info.name}", info.node.doc, "\n".join(lines), "\n".join(["## Overrides", "", *overrides]) if overrides else "",
             "\n".join(["## Read by", "", *readers]) if readers else "", "## Source\n\n" + source_text(info.node)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _waiver(case: Case, name: str) -> str:
    waiver = case.checked.waivers[name].node
    through = f" through {waiver.through.iso}" if waiver.through is not None else ""
    by = f", approved by {waiver.approved_by}" if waiver.approved_by else ""
    return f"- `{name}` lifts `{case.checked.waivers[name].of}` when `{show(waiver.when)}`{through}{by}" + (f", ticket {waiver.ticket}" if waiver.ticket else "")


def _readers(case: Case, name: str) -> Iterator[str]:
    """The rules that read *name*, or a computed fact that is made from it."""
    section, _, field = name.rpartition(".")
    spec = case.checked.schema.field(section, field) if section else None
    place = None if spec is None else pages_facts.pointer(spec, case.checked.schema)
    for rule in case.checked.rules:
        if name in case.reads(rule):
            yield f"`{rule.id}` {_title(rule)}"
        elif place is not None and place in (each.removesuffix(" (optional)") for each in case.pointers(rule)):
            yield f"`{rule.id}` {_title(rule)}, through what is computed from it"


def _tests(case: Case, rule: str) -> Iterable[str]:
    for test in case.checked.tests:
        if any(case.checked.references.get(node.id) == rule for node in _walk(*test.steps) if isinstance(node, ast.Reference)):
            yield f"- {test.title} (`{test.span.source.name}:{test.span.begin.line}`)"
