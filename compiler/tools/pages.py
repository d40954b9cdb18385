"""Pages of fields and packs, made from what the schema and the packs say themselves."""
from __future__ import annotations

from importlib.resources import files

from caplex.compiler.semantics import schema
from caplex.compiler.semantics.builtins import DERIVED
from caplex.runtime.schema import FieldSpec, Kind, Type


def page_of(subject: str) -> str | None:
    """Text about a field (``market.price``), a section (``market``) or a pack (``stdlib.order_sanity``); None if there is none."""
    facts = schema.builtin()
    section, _, field = subject.rpartition(".")
    spec = facts.field(section, field) if section else None
    derived = DERIVED.get(subject)
    if derived is not None:
        return f"{subject}: {type_text(derived.type)}, computed\n\n{derived.doc}\n"
    if spec is not None:
        return f"{_field(spec)}\n\n{spec.doc or facts.sections[section].doc}\n"
    if subject in facts.sections:
        found = facts.sections[subject]
        lines = [f"  {_field(each)}" for each in found.fields.values()]
        return "\n".join([f"{subject}", "", found.doc, "", *lines]) + "\n"
    if subject.startswith("stdlib."):
        return _pack(subject.removeprefix("stdlib."))
    return None


def type_text(type_: Type) -> str:
    """A type as policies write it."""
    if type_.kind is Kind.ENUM:
        return f"one of {', '.join(type_.members)}"
    if type_.kind is Kind.SET:
        return f"set of {type_text(type_.element)}" if type_.element else "set"
    name = type_.name if type_.kind is Kind.NOMINAL and type_.name else type_.kind.value
    return f"{name}({type_.currency})" if type_.currency else name


def _field(spec: FieldSpec) -> str:
    parts = [f"{spec.path}: {type_text(spec.type)}{'?' if spec.optional else ''}"]
    if spec.above is not None:
        parts.append(f"above {spec.above}")
    if spec.low is not None or spec.high is not None:
        parts.append(f"within {spec.low if spec.low is not None else '…'} .. {spec.high if spec.high is not None else 'unlimited'}")
    if spec.fresh_ns:
        parts.append(f"fresh within {spec.fresh_ns / 10**9:g}s")
    if spec.attested:
        parts.append("attested")
    return ", ".join([*parts, f"supplied by the {spec.supplier}"])


def _pack(name: str) -> str | None:
    resource = files("caplex.stdlib_rules").joinpath(f"{name}.cap")
    return resource.read_text(encoding="utf-8") if name.isidentifier() and resource.is_file() else None
