"""What an adapter must fill in: each place of a facts document, what it means, and which rules want it."""
from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from caplex.compiler.semantics import builtins
from caplex.compiler.tools import pages_facts
from caplex.compiler.tools.document.subject import Subject
from caplex.compiler.tools.pages import type_text
from caplex.compiler.tools.pages_policies import Case
from caplex.runtime.layout import EVENT_TYPES
from caplex.runtime.schema import FieldSpec, Schema

_WHOLE: Final = {
    "/now": "The time of the decision.", "/positions": "What is held, a row for each symbol; empty where nothing is.",
    "/orders": "Orders in flight; empty where there are none.", "/switches": "The state of each kill switch.",
    "/history": "What has happened, as far back as the windows below reach.", "/market": "Prices of every symbol that is held or in flight.",
    "/intent/action": "What is asked for: open, close, adjust, transfer, cancel or noop.",
    "/intent/quantity": "How much is asked for.",
}


def rows(subject: Subject) -> list[dict[str, Any]]:
    """In the order of the document: what every decision needs, then what rules read. An optional one is told as such."""
    plan, checked = subject.policy.plan, subject.checked
    case = Case("", subject.policy, checked)
    readers: dict[str, list[str]] = {}
    for rule in checked.rules:
        for pointer in case.pointers(rule):
            readers.setdefault(pointer, []).append(rule.id)
    specs = _specs(plan.schema)
    needed = subject.policy.required_facts()
    optional = [each for each in readers if each.endswith(" (optional)") and each.removesuffix(" (optional)") not in needed]
    more = [each for each in readers if not each.endswith(" (optional)") and each not in needed]
    found = [_row(each, specs.get(each), readers.get(each, []), required=True, always=each not in readers) for each in [*needed, *sorted(more)]]
    found += [_row(each.removesuffix(" (optional)"), specs.get(each.removesuffix(" (optional)")), readers[each], required=False, always=False)
              for each in sorted(optional)]
    return found


def _row(pointer: str, spec: FieldSpec | None, readers: list[str], *, required: bool, always: bool) -> dict[str, Any]:
    told = {"pointer": pointer, "fact": "", "means": _WHOLE.get(pointer, ""), "type": "", "range": "", "fresh": "", "supplied_by": "",
            "required": required, "read_by": readers, "always": always}
    if spec is not None:
        told |= {"fact": spec.section if spec.name == "value" and pointer.endswith("/" + spec.section) else spec.path, "means": spec.doc or told["means"],
                 "type": type_text(spec.type), "range": pages_facts.range_text(spec),
                 "fresh": pages_facts.seconds(spec.fresh_ns) if spec.fresh_ns else "", "supplied_by": spec.supplier}
    return told


def _specs(schema: Schema) -> dict[str, FieldSpec]:
    found: dict[str, FieldSpec] = {}
    for section in schema.sections.values():
        for spec in section.fields.values():
            if section.scalar and not spec.doc:
                spec = replace(spec, doc=section.doc)
            if section.shape != "history" and not spec.derived:
                found.setdefault(pages_facts.pointer(spec, schema), spec)
    return found


def histories(subject: Subject) -> list[dict[str, str]]:
    """How far back each history must reach."""
    found = []
    words = {section: kind for kind, section in EVENT_TYPES.items()}
    for name, keep in sorted(subject.policy.plan.keep_ns.items()):
        found.append({"events": words.get(name, name), "reach": pages_facts.seconds(keep) if keep is not None else "without end"})
    return found


def computed(subject: Subject) -> list[dict[str, str]]:
    """Facts that are computed, and that rules read: what each is."""
    case = Case("", subject.policy, subject.checked)
    read = {name for rule in subject.checked.rules for name, what in case.reads(rule).items() if what == "fact"}
    return [{"fact": name, "means": _meaning(name)} for name in builtins.DERIVED if name in read]


def _meaning(name: str) -> str:
    """The reference tells some figures as "the same" as the one before; here that one may not stand before."""
    doc, before = builtins.DERIVED[name].doc, builtins.DERIVED.get(name.replace(".notional", ".quantity"))
    return f"{before.doc.rstrip('.')},{doc.removeprefix('The same')}" if doc.startswith("The same ") and before is not None else doc
