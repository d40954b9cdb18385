"""Lists of things that can be typed, each for one kind of place."""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from caplex.compiler.lsp.context import Spot
from caplex.compiler.lsp.names import Names
from caplex.compiler.semantics import builtins, units
from caplex.compiler.semantics.symbols import Scope, _default_alias, family, number
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import Level, show_at
from caplex.runtime.schema import Kind, SectionSpec, Type

Form = Literal["keyword", "setting", "let", "rule", "field", "section", "module", "function", "member", "unit", "type", "value", "variable", "file", "event"]

_ENDS: Final = (("%", "percent"), ("bp", "basis points"), ("pp", "percentage points"), ("x", "times"), ("ms", "milliseconds"), ("s", "seconds"),
                ("min", "minutes"), ("h", "hours"), ("d", "days"), ("w", "weeks"))
_SAMPLES: Final = {Kind.RATIO: ("10%", "1x"), Kind.QUANTITY: ("100 units",), Kind.DURATION: ("5min", "1h", "1d"), Kind.BOOL: ("true", "false")}
_CURRENCY: Final = re.compile(r"\d\s+([A-Z]{3,5})\b|\bcurrency\s+([A-Z]{3,5})\b")
_COMMON: Final = ("USD", "EUR", "GBP")
_BOUND: Final = re.compile(r"\bfor\s+([a-z_]\w*)\s+in\s+([a-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing to type.

    Attributes:
        insert: Instead of *label*; with ``$0`` for the cursor it is a snippet.
        rank: 0 fits what is expected, 1 could stand here, 2 is a word of the language.
        start: Where what it replaces begins; the word before the cursor unless said.
    """

    label: str
    form: Form
    detail: str = ""
    doc: str = ""
    insert: str = ""
    rank: int = 1
    start: int | None = None
    snippet: bool = False


def typed(type_: Type) -> str:
    from caplex.compiler.tools.pages import type_text

    return "" if type_.kind is Kind.UNKNOWN else type_text(type_)


# ── imports ───────────────────────────────────────────────────────────────────────────────────────────


def packs(prefix: str) -> Iterator[Offer]:
    """The packs of the library, with the first line of what they say of themselves."""
    from caplex.compiler.tools import pages_packs

    for name in pages_packs.packs():
        page = pages_packs.page(f"stdlib.{name}")
        doc = page.markdown.partition("\n\n")[2] if page is not None else ""
        yield Offer(prefix + name, "module", doc.partition("\n")[0], doc.partition("\n\n## ")[0], rank=0)


def file_names(path: Path, here: Spot) -> Iterator[Offer]:
    """Modules beside the file, in a `use "…"`."""
    begun = here.before[here.before.rfind('"') + 1 :]
    folder, slash, _ = begun.rpartition("/")
    base = path.parent / folder
    if base.is_dir():
        for entry in sorted(os.scandir(base), key=lambda each: each.name):
            if entry.name.endswith(".cap") and entry.name != path.name and not entry.name.endswith("_test.cap"):
                yield Offer(f"{folder}{slash}{entry.name}", "file", rank=0, start=here.start - len(begun))


def imported(scope: Scope | None, before: str) -> Scope | None:
    """The module that the `use` which *before* begins with brings."""
    head = re.match(r'use\s+(?:"([^"\n]*)"|([\w.]+))(?:\s+as\s+(\w+))?', before)
    if head is None or scope is None:
        return None
    target = head[1] if head[1] is not None else tuple(head[2].split("."))
    alias = head[3] or _default_alias(target)
    found = scope.imports.get(alias) if alias is not None else None
    if found is None and head[2] is not None:
        # It is being typed, so that no check has seen it yet: the library can be read all the same.
        return _library(head[2])
    return found


def _library(name: str) -> Scope | None:
    from caplex.compiler.semantics.symbols import collect
    from caplex.compiler.tools import pages_packs

    if not name.startswith("stdlib.") or name.removeprefix("stdlib.") not in pages_packs.packs():
        return None
    from itertools import count

    from caplex.compiler.driver import Files

    load = Files(count(10**9), "", None)
    loaded = load(tuple(name.split(".")), "")
    return collect(loaded.module, load, loaded.identity)[0] if loaded.module is not None else None


def arguments(scope: Scope | None, before: str, names: Names | None) -> Iterator[Offer]:
    """Settings of the module in a `use … (`, but for those that are given already."""
    target = imported(scope, before)
    given = set(re.findall(r"(\w+)\s*=", before))
    for name, setting in target.settings.items() if target is not None else ():
        if name not in given:
            line = f"{setting.type.span.text} = {show_at(setting.value, Level.SUM)}"
            yield Offer(name, "setting", line, "\n\n".join(part for part in (setting.title or "", setting.doc) if part), insert=f"{name} = ", rank=0)


def target_text(use: ast.Use | None) -> str:
    if use is None:
        return ""
    return use.target if isinstance(use.target, str) else ".".join(use.target)


# ── rules, stages, words ──────────────────────────────────────────────────────────────────────────────


def next_ids(scope: Scope | None, text: str) -> Iterator[Offer]:
    """A free id in each family: ten after the highest."""
    highest: dict[str, int] = {}
    for name in [*(scope.rules if scope is not None else ()), *(scope.sizes if scope is not None else ())]:
        highest[family(name)] = max(highest.get(family(name), 0), number(name))
    stages = re.search(r"\bstages\s+([A-Z0-9,|\s-]+)", text)
    for name in re.findall(r"[A-Z][A-Z0-9-]*", stages[1]) if stages is not None else ():
        highest.setdefault(name, 0)
    for name in sorted(highest):
        if name != "SYS":
            yield Offer(f"{name}-{highest[name] // 10 * 10 + 10:03}", "rule", "the next free id", rank=0)


def families(names: Names, before: str) -> Iterator[Offer]:
    scope = names.analysis.scope
    listed = set(re.findall(r"\b[A-Z][A-Z0-9-]*\b", before[before.rfind("stages") :])) if re.search(r"\bstages\b[^{]*$", before) else set()
    known = dict.fromkeys(["SYS", "KILL"]) | (families_of(scope) if scope is not None else {})
    for name in known:
        if name not in listed:
            yield Offer(name, "rule", "stage", rank=0)


def families_of(scope: Scope) -> dict[str, None]:
    """Families of all rules in sight, in the order in which they stand."""
    return dict.fromkeys(family(name) for below in scope.walk() for name in below.rules)


def plain_names(names: Names, before: str) -> Iterator[Offer]:
    """Where only a name fits, and no value: types, actions, events, dimensions."""
    from caplex.compiler.tools import words

    if re.search(r"(?::|\bset\s+of)\s*$", before):
        yield from (Offer(name, "type", rank=0) for name in units.PLAIN_TYPES)
    elif re.search(r"\bbeyond\b(?!.*\bin\s+any\b)[^{}]*$", before, re.S) or re.search(r"\btrip\s+when\s+\S+\s+$", before):
        yield from (Offer(name, "event", "", words.EVENTS.get(name, ""), rank=0) for name in builtins.EVENTS)
    elif re.search(r"\bafter\s+last\s+$", before):
        yield from (Offer(name, "event", rank=0) for name in builtins.EVENT_OF)
    elif re.search(r"\b(?:set|tighten|loosen)\s+for\s+(?:[^={}]*\band\s+)?$", before):
        yield from (Offer(name, "value", "dimension", words.DIMENSIONS.get(name, ""), rank=0) for name in builtins.DIMENSIONS)
        yield from (Offer(name, "field", "input", rank=0) for name, section in names.schema.sections.items() if section.scalar and section.fields["value"].type.members)
    elif re.search(r"\b(?:each|across|overrides\s+by|>)\s+(?:\w+,\s*)*$", before) or re.match(r"kill\s+switch\b[^{]*\bfor\s+$", before):
        yield from (Offer(name, "value", "dimension", words.DIMENSIONS.get(name, ""), rank=0) for name in builtins.DIMENSIONS)
    elif re.match(r"(?:rule|limit|throttle|cooldown)\b[^{]*\bfor\s+(?:\w+,\s*)*$", before):
        yield from (Offer(name, "value", "action", words.ACTIONS.get(name, ""), rank=0) for name in builtins.ACTIONS)


# ── values ────────────────────────────────────────────────────────────────────────────────────────────


def suffixes(here: Spot) -> Iterator[Offer]:
    """Units that are written without a space."""
    for end, what in _ENDS:
        if end.startswith(here.word):
            yield Offer(here.number + end, "unit", what, rank=0, start=here.start - len(here.number))


def currencies(own: str, text: str) -> Iterator[Offer]:
    used = dict.fromkeys(code for pair in _CURRENCY.findall(text[:200_000]) for code in pair if code)
    for code in dict.fromkeys([own, *used, *_COMMON]):
        yield Offer(code, "unit", "currency of the policy" if code == own else "currency", rank=0 if code == own else 1)


def functions() -> Iterator[Offer]:
    from caplex.compiler.tools import words

    for texts in (words.FUNCTIONS, words.AGGREGATES):
        for name, text in texts.items():
            yield Offer(name, "function", "", text, insert=f"{name}($0)", snippet=True)


def sources(names: Names) -> Iterator[Offer]:
    """What an aggregate can go through."""
    for name, section in names.schema.sections.items():
        if section.shape in ("list", "history"):
            yield Offer(name, "section", "rows" if section.shape == "list" else "history", section.doc, rank=0)


def samples(type_: Type, currency: str) -> Iterator[Offer]:
    if type_.kind is Kind.MONEY:
        yield Offer(f"1_000 {currency}", "value", "an amount", rank=1)
    for text in _SAMPLES.get(type_.kind, ()):
        yield Offer(text, "value", rank=1)


def row_variables(names: Names, here: Spot) -> Iterator[tuple[str, str]]:
    """Row variables of the aggregates that are not closed yet, and ``event`` where rows have no name."""
    for name, source in _BOUND.findall(here.before[-2000:]) + _BOUND.findall(here.behind):
        row = _section(names, source)
        if row is not None:
            yield name, f"a row of {row.name}"


def row_of(names: Names, here: Spot, variable: str) -> SectionSpec | None:
    """The section whose row *variable* is; the aggregate may name it behind the cursor too."""
    if variable == "event":
        counted = re.search(r"\b(?:beyond\s+\S+\s+|after\s+last\s+|count\(|any\(|all\()(\w+)", here.before)
        return _section(names, counted[1]) if counted is not None else None
    for name, source in [*reversed(_BOUND.findall(here.before)), *_BOUND.findall(here.behind)]:
        if name == variable:
            return _section(names, source)
    return None


def _section(names: Names, source: str) -> SectionSpec | None:
    known = names.schema.sections
    return known.get(source) or known.get(builtins.EVENTS.get(source, "")) or known.get(builtins.EVENT_OF.get(source, ""))


def setting_line(names: Names, scope: Scope, setting: ast.Setting) -> str:
    from caplex.compiler.lsp.describe import value_text

    checked = names.analysis.checked
    info = checked.settings.get(scope.prefix + setting.name.text) if checked is not None else None
    if info is None:
        return setting.type.span.text
    return f"{setting.type.span.text} = {value_text(info.value, info.type, names.analysis.currency)}"
