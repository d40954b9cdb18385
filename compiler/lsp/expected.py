"""Which type would fit at the cursor, as far as the words before it say."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from caplex.compiler.lsp.context import Spot
from caplex.compiler.lsp.names import Names
from caplex.compiler.semantics import builtins, units
from caplex.compiler.semantics.schema import read_type
from caplex.compiler.semantics.symbols import Scope
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind, Type

_READ: Final = r"(?P<read>[A-Za-z_]\w*(?:\[[^\]\n]*\])?(?:\.\w+)*)\s*\)?"
_BEHIND: Final = re.compile(
    _READ + r"\s*(?:<=|>=|==|!=|<|>|\bat\s+most|\bat\s+least|\bbelow|\babove|\bwithin|\.\.|[+\-]|\bnot\s+in|\bin|\belse|\bto)\s*(?:[\w.\[\]\"]+\.)?$")
_GIVEN: Final = re.compile(r"\bgiven\s+" + _READ + r"\s*=\s*$")
_DECLARED: Final = re.compile(r"(?:setting|let)\s+\w+\s*:\s*(?P<type>[a-z][\w ,()A-Z]*?)\??\s*=\s*(?:[\w.]+\.)?$")
_GIVES: Final = re.compile(r"use\s+.*?[(,]\s*(?P<name>\w+)\s*=\s*$", re.S)
_TRUE: Final = re.compile(r"\b(?:when|require|and|or|not|where|if)\s+(?:[\w.]+\.)?$")
_SHARE: Final = re.compile(r"\bof\s+(?:[\w.]+\.)?$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """*type_* is None where anything could stand; *base*: what a share is taken of, an amount."""

    type_: Type | None = None
    base: bool = False

    def fits(self, type_: Type) -> bool:
        if self.base:
            return type_.kind in (Kind.MONEY, Kind.QUANTITY)
        want = self.type_
        if want is None or type_.kind is Kind.UNKNOWN:
            return False
        alike = {Kind.MONEY, Kind.PRICE} if want.kind in (Kind.MONEY, Kind.PRICE) else {want.kind}
        if want.kind is Kind.NOMINAL:
            return type_.kind is Kind.NOMINAL and type_.name == want.name
        return type_.kind in alike


def wanted(names: Names, scope: Scope | None, here: Spot) -> Wanted:
    """What the words before the cursor ask for."""
    before = here.before[-400:]
    if _SHARE.search(before) and not here.can("RULE_REF"):
        return Wanted(base=True)
    declared = _DECLARED.search(before)
    if declared is not None:
        return Wanted(_type_named(declared["type"]))
    gives = _GIVES.match(here.before)
    if gives is not None:
        return Wanted(_argument(names, scope, here.before, gives["name"]))
    behind = _GIVEN.search(before) or _BEHIND.search(before)
    if behind is not None:
        found = type_of(names, scope, here, behind["read"])
        if re.search(r"\bin\s*$", before) and found is not None and found.kind is not Kind.SET:
            return Wanted(Type(Kind.SET, element=found))
        return Wanted(found)
    return Wanted(units.BOOL) if _TRUE.search(before) else Wanted()


def type_of(names: Names, scope: Scope | None, here: Spot, read: str) -> Type | None:
    """The type of a read as it is written; None if it has none that is known."""
    from caplex.compiler.lsp import offers

    path = re.sub(r"\[[^\]]*\]", "", read).split(".")
    checked = names.analysis.checked
    below = scope
    while below is not None and len(path) > 1 and path[0] in below.imports:
        below = below.imports[path.pop(0)]
    if len(path) == 1 and below is not None and checked is not None:
        name = path[0]
        if name in below.settings:
            info = checked.settings.get(below.prefix + name)
            return info.type if info is not None else None
        if name in below.lets:
            return checked.types.get(below.lets[name].value.id)
        section = names.schema.sections.get(name)
        return section.fields["value"].type if section is not None and section.scalar else units.INSTANT if name == "now" else None
    dotted = ".".join(path)
    if dotted in builtins.DERIVED:
        return builtins.DERIVED[dotted].type
    row = names.schema.sections.get(path[0]) or offers.row_of(names, here, path[0])
    if row is None:
        return None
    spec = row.fields.get(path[-1])
    computed = next((each.type for each in builtins.ROW_DERIVED.get(row.name, ()) if each.name.endswith("." + path[-1])), None)
    return spec.type if spec is not None else computed


def _type_named(text: str) -> Type | None:
    text = text.strip()
    if text.startswith("one of "):
        return Type(Kind.ENUM, members=tuple(part.strip() for part in text.removeprefix("one of ").split(",")))
    if text.startswith("set of "):
        return Type(Kind.SET, element=units.PLAIN_TYPES.get(text.removeprefix("set of ").strip()))
    return units.PLAIN_TYPES.get(text.partition("(")[0])


def _argument(names: Names, scope: Scope | None, before: str, name: str) -> Type | None:
    from caplex.compiler.lsp import offers

    target = offers.imported(scope, before)
    setting = target.settings.get(name) if target is not None else None
    if not isinstance(setting, ast.Setting):
        return None
    return read_type(setting.type, currency=names.analysis.currency)[0]
