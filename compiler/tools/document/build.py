"""From a policy to a document: one tree of plain data, ``caplex.document/1``, from which every page is made."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import show
from caplex.compiler.tools.document import citations, facts, limits, people, rules
from caplex.compiler.tools.document.plain import Words
from caplex.compiler.tools.document.subject import Mode, Subject, of_path, of_policy
from caplex.runtime.canonical import grouped, plain
from caplex.runtime.policy import Policy
from caplex.runtime.report.cells import visible
from caplex.runtime.schema import Kind, Type
from caplex.runtime.texts import human

SCHEMA: Final = "caplex.document/1"
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME: Final = Type(Kind.TIME)
_CLAUSES: Final = {"score": "score", "floor": "least share", "ceiling": "largest share", "scale by": "scaled by", "freeze when": "frozen when",
                   "rebalance when": "new plan when", "fixed": "fixed"}


@dataclass(frozen=True, slots=True)
class Document:
    """A policy told for people who answer for it. The same policy with the same settings gives the same bytes."""

    data: dict[str, Any]

    def html(self) -> str:
        """A page that stands alone: no script, nothing from outside, light, dark and on paper."""
        from caplex.compiler.tools.document.html import page

        return page(self.data)

    def markdown(self) -> str:
        """The same for a repository."""
        from caplex.compiler.tools.document.markdown import page

        return page(self.data)

    def to_dict(self) -> dict[str, Any]:
        """``caplex.document/1``."""
        return self.data

    def __repr__(self) -> str:
        policy = self.data["policy"]
        return f"<Document {policy['name']} {policy['version']}: {len(self.data['rules'])} rules>"

    def _repr_html_(self) -> str:
        from html import escape

        return f'<iframe srcdoc="{escape(self.html())}" style="width:100%;height:40em;border:0"></iframe>'


def document(policy: Policy | str | Path, *, settings: Any = None, mode: Mode | None = None, as_of: str | None = None) -> Document:
    """The document of *policy*.

    Args:
        policy: A policy, or the path of one, or of a module, which is compiled with *settings* and *mode*.
        as_of: A day, ``2026-06-30``: overrides and waivers that have ended by then are told as such.
    Raises:
        PolicyError: The policy in the file does not compile.
        ValueError: *as_of* is no day.
    """
    if as_of is not None and not _is_day(as_of):
        raise ValueError(f"`{as_of}` is no day; write it as 2026-06-30")
    if not isinstance(policy, Policy):
        subject = of_path(policy, settings, mode)
    elif settings is not None or mode is not None:
        raise TypeError("settings and mode belong to a policy that is loaded here; this one is compiled already")
    else:
        subject = of_policy(policy)
    return Document(_shown(_data(subject, as_of)))


def _is_day(text: str) -> bool:
    from datetime import date

    try:
        return bool(_DAY.fullmatch(text)) and date.fromisoformat(text) is not None
    except ValueError:
        return False


def _data(subject: Subject, as_of: str | None) -> dict[str, Any]:
    entries = [rules.entry(subject, rule) for rule in subject.checked.rules]
    policy = subject.policy
    return {
        "schema": SCHEMA,
        "policy": {"name": policy.name, "version": "" if subject.module else policy.version, "hash": policy.hash, "settings_hash": policy.settings_hash,
                   "module": subject.module, "file": subject.file(subject.entry.span.source.name), "about": _about(subject), "as_of": as_of},
        "header": _header(subject),
        "modules": list(_modules(subject)),
        "stages": _stages(subject, entries), "rules": entries,
        "sizes": list(_sizes(subject)),
        **limits.tables(subject),
        "overrides": people.overrides(subject, as_of), "waivers": people.waivers(subject, as_of), "approvals": people.approvals(subject),
        "switches": people.switches(subject),
        "allocations": list(_allocations(subject)), "answers": list(_answers(subject)), "emits": list(_emits(subject)),
        "facts": facts.rows(subject), "computed": facts.computed(subject), "histories": facts.histories(subject),
        "settings": list(limits.settings(subject)),
        "tests": list(_tests(subject)),
        "coverage": citations.coverage(entries),
    }


def _about(subject: Subject) -> str:
    if not subject.module:
        header = subject.entry.header
        return header.doc if header is not None else ""
    lines = []
    for line in subject.entry.span.source.text.splitlines():
        if not line.startswith("##"):
            break
        lines.append(line.removeprefix("##").removeprefix(" ").rstrip())
    return "\n".join(lines)


# ── what it governs ───────────────────────────────────────────────────────────────────────────────────


def _header(subject: Subject) -> list[dict[str, str]]:
    if subject.module:
        return [{"what": "A module", "says": "It has no header. The policy that imports it decides on mode, currency, order of stages, and what closing orders skip."},
                {"what": "Told here", "says": "enforced, and with the settings that the module itself declares."}]
    return [{"what": what, "says": says} for what, says in _clauses(subject) if says]


def _clauses(subject: Subject) -> Iterator[tuple[str, str]]:
    policy = subject.checked.policy
    written = {type(clause): clause for clause in (subject.entry.header.clauses if subject.entry.header is not None else ())}
    yield "Owner", policy.owner
    yield "Mode", "enforced: what a rule denies is stopped" if policy.mode == "enforce" else "monitored: every rule is judged and told, and none stops anything; unusable facts and kill switches still deny"
    yield "In effect", _effective(written.get(ast.Effective))
    yield "Currency", policy.currency
    start = f"; the day starts at {human(_fraction(policy.day_start_ns), _TIME)}" if policy.day_start_ns else "; the day starts at midnight"
    yield "Time zone", policy.timezone + start
    yield "Accounts and strategies", _scopes(subject)
    skipped = [stage for phase in policy.phases for stage in phase if stage in policy.skipped]
    if skipped:
        worse = ", unless they make a breach worse" if policy.unless_worse else ""
        yield "Closing orders", f"what only reduces a position passes by the stages {', '.join(skipped)}{worse}"
    else:
        yield "Closing orders", "what reduces a position faces every rule, too"
    yield "Order of stages", " │ ".join(", ".join(phase) for phase in policy.phases) + (
        "; what stands behind a bar is judged only if something is left" if len(policy.phases) > 1 else "")
    yield "Overrides", "of those that match, the tightest holds" if policy.overrides == "tightest" else "in this order: " + " before ".join(policy.overrides)
    yield "Sizes", _rounding(subject)
    yield "Left unlimited", ", ".join(sorted(policy.unlimited)) and ", ".join(sorted(policy.unlimited)) + ": the policy says that there is no limit, and that it is meant"
    if policy.journal_continues:
        yield "Journal", "if it cannot be written, closing orders still go ahead"
    yield "Language", f"caplex language {policy.language}"


def _fraction(number: int) -> Any:
    from fractions import Fraction

    return Fraction(number)


def _effective(clause: Any) -> str:
    if clause is None:
        return "at all times"
    until = "" if clause.through is None else f" through {clause.through.iso}"
    return f"from {clause.start.iso}{until}; outside of it {'nothing may be opened' if clause.then_deny == 'opening' else 'everything is denied'}"


def _rounding(subject: Subject) -> str:
    policy = subject.checked.policy
    lot = "the lot of the instrument" if policy.lot is None else f"a lot of {grouped(plain(policy.lot))}"
    if policy.modify_never:
        return f"an order is never made smaller: it goes ahead whole, or not at all; in steps of {lot}"
    return "the smallest size that a rule leaves is what may go ahead, " + (f"in steps of {lot}, never rounded" if policy.rounding_never else f"rounded down to {lot}")


def _scopes(subject: Subject) -> str:
    """For whom rules, switches and overrides differ."""
    named: dict[str, set[str]] = {}
    for info in subject.checked.settings.values():
        for override in info.overrides:
            for dimension, text in override.scopes:
                named.setdefault(dimension.removesuffix(".value"), set()).add(text)
    each: set[str] = set()
    for rule in subject.checked.rules:
        if isinstance(rule.node, ast.KillSwitch):
            for target in rule.node.targets:
                if isinstance(target, ast.ForEach):
                    each |= {name.text for name in target.dimensions}
                elif target.value is not None:
                    named.setdefault(target.dimension.text, set()).add(target.value)
    said = ["whichever account the facts of an order name"]
    said += [f"kill switches for each {name}" for name in sorted(each)]
    said += [f"numbers of its own for {dimension} {', '.join(f'“{text}”' for text in sorted(texts))}" for dimension, texts in sorted(named.items())]
    return "; ".join(said)


def _modules(subject: Subject) -> Iterator[dict[str, Any]]:
    own = {rule.id.rpartition(".")[0]: 0 for rule in subject.checked.rules}
    for rule in subject.checked.rules:
        own[rule.id.rpartition(".")[0]] += 1
    for alias in subject.checked.modules:
        if alias:
            yield {"alias": alias, "pack": subject.home(alias), "rules": own.get(alias, 0)}


def _stages(subject: Subject, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    policy = subject.checked.policy
    found: list[dict[str, Any]] = []
    for phase, names in enumerate(policy.phases, 1):
        for name in names:
            held = [entry["id"] for entry in entries if entry["stage"] == name]
            if held:
                found.append({"name": name, "phase": phase, "closing_skips": name in policy.skipped, "rules": held})
    listed = {rule for stage in found for rule in stage["rules"]}
    assert listed == {entry["id"] for entry in entries}, "each rule has its stage"
    return found


# ── what else it says ─────────────────────────────────────────────────────────────────────────────────


def _sizes(subject: Subject) -> Iterator[dict[str, Any]]:
    for size in subject.checked.sizes:
        words, steps, because = Words(subject.checked), [], ""
        for step in size.node.steps:
            match step:
                case ast.SizeStart(value=value):
                    steps.append(f"start with {words.say(value)}")
                case ast.SizeTimes(value=value):
                    steps.append(f"times {words.say(value)}")
                case ast.SizeAtMost(value=value):
                    steps.append(f"at most {words.say(value)}")
                case ast.SizeAtLeast(value=value, because=told):
                    steps.append(f"at least {words.say(value)}, else the order is denied")
                    because = words.template(told) if told is not None else ""
                case ast.SizeInMargin(leverage=leverage):
                    steps.append(f"counted in margin, by {words.say(leverage)}")
        reach = "every order that opens" if size.node.reach == "all opening" else "orders that bring no size"
        yield {"id": size.id, "title": size.node.title or "", "applies": reach, "steps": steps, "because": because, "about": size.node.doc,
               "terms": [{"name": name, "means": means} for name, means in words.terms.items()],
               "pack": subject.home(size.id.rpartition(".")[0]), "source": subject.place(size.node)}


def _allocations(subject: Subject) -> Iterator[dict[str, Any]]:
    for item in subject.entry.items:
        if isinstance(item, ast.Allocate):
            words = Words(subject.checked)
            told = [{"what": _CLAUSES[clause.kind] + (f" for “{clause.subject}”" if clause.subject else ""), "says": _clause(clause, words), "written": show(clause.value)}
                    for clause in item.clauses]
            yield {"name": item.name.text, "across": item.across.text, "clauses": told, "about": item.doc,
                   "terms": [{"name": name, "means": means} for name, means in words.terms.items()], "source": subject.place(item)}


def _clause(clause: ast.AllocateClause, words: Words) -> str:
    if clause.kind == "freeze when":
        return words.holds(clause.value)
    said = words.say(clause.value)
    return f"any share moves by at least {said}" if clause.kind == "rebalance when" else said


def _answers(subject: Subject) -> Iterator[dict[str, str]]:
    answer = subject.checked.answer
    for label in answer.labels if answer is not None else ():
        yield {"label": label.label.text, "when": Words(subject.checked).holds(label.when) if label.when is not None else "otherwise"}


def _emits(subject: Subject) -> Iterator[dict[str, str]]:
    for emit in subject.checked.emits:
        words = Words(subject.checked)
        yield {"tag": emit.tag, "when": words.holds(emit.when) if emit.when is not None else "always", "text": words.template(emit.text)}


def _tests(subject: Subject) -> Iterator[dict[str, Any]]:
    modules = [("", subject.entry), *(("", module) for module in subject.beside), *((alias, module) for alias, module in subject.checked.modules.items() if alias)]
    for alias, module in modules:
        tests = [item.title for item in module.items if isinstance(item, ast.Test)]
        properties = [item.title for item in module.items if isinstance(item, ast.Property)]
        if tests or properties:
            yield {"file": subject.file(module.span.source.name), "alias": alias, "pack": subject.home(alias), "tests": tests, "properties": properties}


# ── nothing that hides reaches a page ─────────────────────────────────────────────────────────────────


def _shown(thing: Any) -> Any:
    """*thing* with every character made visible that moves a cursor, turns a line or shows nothing."""
    if isinstance(thing, str):
        return "\n".join(map(visible, thing.split("\n")))
    if isinstance(thing, dict):
        return {name: _shown(value) for name, value in thing.items()}
    if isinstance(thing, list):
        return [_shown(each) for each in thing]
    return thing
