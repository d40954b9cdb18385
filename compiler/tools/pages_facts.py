"""Pages of facts, supplied and computed, of their sections, and of built-in words."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from caplex.compiler.semantics import builtins
from caplex.compiler.tools import words
from caplex.compiler.tools.pages import Page, type_text
from caplex.runtime import required
from caplex.runtime.canonical import plain
from caplex.runtime.layout import EVENT_TYPES
from caplex.runtime.plan import SlotSpec
from caplex.runtime.schema import FieldSpec, Kind, Schema, SectionSpec, Type

# What an example compares with, and what stands in for an absent value so that the rule is then broken, not kept.
_SAMPLES = {
    Kind.MONEY: (">", "10_000 USD", "20_000 USD"), Kind.PRICE: (">", "100 USD", "200 USD"), Kind.QUANTITY: (">", "100 units", "200 units"),
    Kind.RATIO: (">", "10%", "20%"), Kind.COUNT: (">", "3", "4"), Kind.RATE: (">", "5", "6"), Kind.DURATION: (">", "1s", "2s"),
    Kind.INSTANT: (">", "2026-01-05T15:00:00Z", "2026-01-06T15:00:00Z"), Kind.DATE: (">", "2026-01-05", "2026-01-06"),
    Kind.TEXT: ("==", '"…"', '"…"'), Kind.NOMINAL: ("==", '"…"', '"…"'),
}


def names() -> Iterator[str]:
    """Sections, fields, computed fields and words."""
    from caplex.compiler.loading import builtin_schema

    for section in builtin_schema().sections.values():
        yield section.name
        yield from (spec.path for spec in section.fields.values())
    yield from builtins.DERIVED
    yield from (each.name for row in builtins.ROW_DERIVED.values() for each in row)
    yield from _meanings()


def page(subject: str, facts: Schema, readers: Iterable[str] = (), policy: str | None = None) -> Page | None:
    """The page of a fact, a section or a word; with *policy*, *readers* are the lines of its rules that read it."""
    section, _, field = subject.rpartition(".")
    spec = facts.field(section, field) if section else None
    computed = builtins.DERIVED.get(subject) or next(
        (each for row in builtins.ROW_DERIVED.values() for each in row if each.name == subject), None)
    read_by = _readers(list(readers), policy)
    if computed is not None:
        return Page(subject, "fact", _joined(f"# {subject}", computed.doc, _computed(computed, spec, facts), _example(computed.spec(), facts, computed.reads), read_by))
    if spec is not None:
        doc = spec.doc or facts.sections[section].doc
        return Page(subject, "fact", _joined(f"# {subject}", doc, "\n".join(_lines(spec, facts.sections[section], facts)), _example(spec, facts), read_by))
    if subject in facts.sections:
        found = facts.sections[subject]
        if found.scalar:
            return page(f"{subject}.value", facts, readers, policy)
        return Page(subject, "section", _section(found, facts))
    meaning = _meanings().get(subject)
    if meaning is not None:
        return Page(subject, "word", _joined(f"# {subject}", *meaning, "All of them: `docs/reference/builtins.md`."))
    return None


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def pointer(spec: FieldSpec, facts: Schema) -> str:
    """Where the field lies in a document, as a JSON pointer."""
    section = facts.sections[spec.section]
    if section.shape == "history":
        return f"/history/events/{{n}}/{spec.name}"
    if section.shape == "list":
        return f"/{'inputs/' if section.inputs else ''}{spec.section}/{{n}}/{spec.name}"
    return required.of_slot(SlotSpec("field", spec.name, spec.section), facts, {})[0]


# ── fields ────────────────────────────────────────────────────────────────────────────────────────────


def _lines(spec: FieldSpec, section: SectionSpec, facts: Schema) -> list[str]:
    lines = [f"- Type: {_type(spec.type)}"]
    span = range_text(spec)
    if span:
        lines.append(f"- Range: {span}; outside of it the reading is unknown, SYS-004")
    if spec.fresh_ns:
        lines.append(f"- Freshness: fresh within {seconds(spec.fresh_ns)} by the row's `as_of`; older is unknown, SYS-002")
    missing = words.ABSENT_MEANS.get(spec.path)
    if spec.optional:
        lines.append(f"- Required: no; where it is missing it is {'absent, which `is known` and `else` see' if missing is None else missing}")
    else:
        lines.append(f"- Required: where a rule reads it; missing is {missing or 'unknown, SYS-001'}")
    where = f"- In the document: `{pointer(spec, facts)}`"
    if section.shape == "history":
        event = next((kind for kind, name in EVENT_TYPES.items() if name == section.name), section.name)
        where += f", of events whose `type` is `{event}`"
    lines.append(where)
    lines.append(f"- Supplied by: the {spec.supplier}" + ("" if section.name != "intent" else ", who vouches for it" if spec.attested else ", as a claim of who asks"))
    if spec.neutral is not None:
        lines.append(f"- In a `test` where nothing is given: {plain(spec.neutral) if isinstance(spec.neutral, Fraction) else spec.neutral}")
    return lines


def _computed(computed: builtins.Derived, spec: FieldSpec | None, facts: Schema) -> str:
    of = f", a share of `{computed.type.of}`" if computed.type.of else ""
    lines = [f"- Type: {_type(computed.type)}{of}", f"- Computed: {words.READS[computed.reads]}"]
    if spec is not None:
        lines.append(f"- In the document: `{pointer(spec, facts)}` is what it is computed from")
    else:
        lines.append("- In the document: never; a document that brings it is unusable")
    return "\n".join(lines)


def _type(type_: Type) -> str:
    text = type_text(type_)
    if type_.kind in (Kind.MONEY, Kind.PRICE) and type_.currency is None:
        return f"{text}, in the policy's currency"
    return f"{text}, in units" if type_.kind is Kind.QUANTITY else text


def range_text(spec: FieldSpec) -> str:
    if spec.above is not None and spec.high is None:
        return f"above {plain(spec.above)}"
    low = f"above {plain(spec.above)}" if spec.above is not None else plain(spec.low) if spec.low is not None else None
    if low is None and spec.high is None:
        return ""
    return f"{low or '…'} to {plain(spec.high) if spec.high is not None else 'unlimited'}"


def seconds(nanoseconds: int) -> str:
    from caplex.runtime.clock import format_duration

    return format_duration(nanoseconds)


def example(spec: FieldSpec, facts: Schema, reads: str = "") -> str:
    """A rule that reads the field; empty where no rule can."""
    if reads == "outcome":
        return ""
    section = facts.sections.get(spec.section)
    shape = section.shape if section is not None and not spec.derived else "one"
    if spec.derived and spec.section in builtins.ROW_DERIVED:
        shape = "list"
    path = f"row.{spec.name}" if shape in ("list", "history") else spec.section if section is not None and section.scalar else spec.path
    if shape == "row" and section is not None and section.key not in builtins.DIMENSIONS:
        path = f'{spec.section}["EURUSD"].{spec.name}' if spec.section == "fx" else f'{spec.section}["…"].{spec.name}'
    condition = _condition(path, spec.type, spec.optional and spec.path not in builtins.PLAIN_OPTIONAL)
    if spec.path == "intent.closing":  # beside the size: by itself it would keep a size and break a smaller one
        return f'rule EX-010 "An example" {{ deny when intent.quantity - {spec.path} > 100 units }}'
    if shape in ("list", "history"):
        source = {"order_events": "orders"}.get(spec.section, spec.section)
        window = " in last 1d" if shape == "history" else ""
        condition = f"any({condition} for row in {source}{window})"
    return f'rule EX-010 "An example" {{ deny when {condition} }}'


def _condition(path: str, type_: Type, optional: bool) -> str:
    if type_.kind is Kind.BOOL:
        return f"({path} else true)" if optional else path
    if type_.kind is Kind.SET:
        return f'"…" in {path}'
    operator, bound, fallback = ("==", type_.members[0], type_.members[0]) if type_.kind is Kind.ENUM else _SAMPLES[type_.kind]
    if type_.currency:
        bound, fallback = bound.replace("USD", type_.currency), fallback.replace("USD", type_.currency)
    return f"{f'({path} else {fallback})' if optional else path} {operator} {bound}"


def _example(spec: FieldSpec, facts: Schema, reads: str = "") -> str:
    text = example(spec, facts, reads)
    if not text:
        return "It can stand in `because`, `answer`, `emit` and `property`: `{" + spec.path + "}`."
    return f"```cap\n{text}\n```"


def _readers(lines: list[str], policy: str | None) -> str:
    if policy is None:
        return ""
    if not lines:
        return f"## Read by\n\nNo rule of `{policy}` reads it."
    return "\n".join([f"## Read by, in `{policy}`", "", *(f"- {line}" for line in lines)])


# ── sections, words ───────────────────────────────────────────────────────────────────────────────────


def _section(section: SectionSpec, facts: Schema) -> str:
    first = next(iter(section.fields.values()))
    place = pointer(first, facts).removesuffix("/" + first.name)
    rows = [f"- `{spec.path}`: {type_text(spec.type)}{'?' if spec.optional else ''}. {spec.doc}".rstrip() for spec in section.fields.values()]
    rows += [f"- `{each.name}`: {type_text(each.type)}, computed. {each.doc}"
             for each in (*builtins.DERIVED.values(), *builtins.ROW_DERIVED.get(section.name, ()))
             if each.name.rpartition(".")[0] == section.name and each.name.rpartition(".")[2] not in section.fields]
    kinds = {"one": "one record", "row": f"a row for each {section.key}; a bare read takes the intent's", "list": "a list, to be read in aggregates",
             "history": "events, to be read in windows"}
    kind = kinds[section.shape]
    if section.shape == "row" and section.key not in builtins.DIMENSIONS:
        kind = f"a row for each {section.key}"
    return _joined(f"# {section.name}", section.doc, f"In the document: `{place}`, {kind}.\nA type that ends in `?` is optional.", "\n".join(rows))


def _meanings() -> dict[str, tuple[str, ...]]:
    """What built-in words mean; one that is several things has several texts."""
    found: dict[str, list[str]] = {}
    for kind, texts in (("A function", words.FUNCTIONS), ("An aggregate", words.AGGREGATES), ("An action, of `intent.action`", words.ACTIONS),
                        ("Events, for throttles and windows", words.EVENTS), ("A dimension, of overrides, `for each` and scopes", words.DIMENSIONS)):
        for name, text in texts.items():
            found.setdefault(name, []).append(f"{kind}. {text}")
    return {name: tuple(texts) for name, texts in found.items()}
