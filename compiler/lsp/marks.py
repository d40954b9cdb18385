"""What an editor draws into a text: colours by meaning, hints behind names, lenses above tests."""
from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from caplex.compiler.lsp.context import tables
from caplex.compiler.lsp.describe import setting_of, type_text, unit_text, value_text
from caplex.compiler.lsp.document import Document
from caplex.compiler.lsp.names import Names, parts
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind

TYPES: Final = ("keyword", "comment", "string", "number", "namespace", "property", "variable", "parameter", "enumMember", "function", "class", "type")
MODIFIERS: Final = ("declaration", "readonly", "defaultLibrary")
_MEANT: Final = {
    "setting": "variable", "let": "variable", "rule": "class", "waiver": "class", "size": "class", "alias": "namespace", "section": "namespace",
    "field": "property", "derived": "property", "variable": "parameter", "member": "enumMember", "word": "function", "pack": "namespace",
    "family": "type", "policy": "class",
}
_LEXICAL: Final = re.compile(
    r'(?P<comment>\#[^\n]*)|(?P<string>"(?:[^"\\\n]|\\.)*"?)|(?P<number>(?<![\w.-])\$?\d[\w.:]*(?:-\d[\w:.-]*)?%?)|(?P<word>(?<![\w.-])[a-z]+\b(?!\s*:|[-.\w]))')
FACTS: Final = ("facts.json", "facts/*.json")


@dataclass(frozen=True, slots=True)
class Colour:
    start: int
    end: int
    type_: str
    modifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hint:
    """Text that is shown at *at*; *after* a name, or its type."""

    at: int
    label: str
    tooltip: str = ""
    type_: bool = False


@dataclass(frozen=True, slots=True)
class Lens:
    start: int
    end: int
    title: str
    command: str
    arguments: tuple[Any, ...]


def colours(document: Document, names: Names | None, start: int = 0, end: int | None = None) -> list[Colour]:
    """Tokens in order, none over another; of the part from *start* to *end*."""
    end = len(document.text) if end is None else end
    meant = _meant(document, names, start, end) if names is not None else []
    taken = {colour.start: colour for colour in sorted(meant, key=lambda each: each.start)}
    starts = list(taken)
    out = list(taken.values())
    keywords = tables().keywords
    first = document.text.rfind("\n", 0, start) + 1
    for match in _LEXICAL.finditer(document.text, first, end):
        kind = match.lastgroup or "word"
        if kind == "word":
            if match[0] not in keywords or match.start() in taken:
                continue
            kind = "keyword"
        if kind == "string":
            inside = starts[bisect_left(starts, match.start()) : bisect_left(starts, match.end())]
            out += _around(match.start(), match.end(), [taken[each] for each in inside])
        elif match.start() not in taken:
            out.append(Colour(match.start(), match.end(), kind))
    return _apart([each for each in out if start <= each.start < end])


def _meant(document: Document, names: Names, start: int, end: int) -> list[Colour]:
    out = []
    for item in _items(document, names, start, end):
        for each in names.of(item, names.analysis.scope) if names.analysis.scope is not None else ():
            kind = _MEANT.get(each.symbol.what)
            first, last = document.now_span(each.span)
            # What was typed over since has no meaning that is known.
            if kind is None or document.text[first:last] != each.span.text or '"' in each.span.text:
                continue
            modifiers = [name for name, holds in (("declaration", each.declares), ("readonly", each.symbol.what == "setting"),
                                                  ("defaultLibrary", each.symbol.home == "" or each.symbol.home.startswith("stdlib/"))) if holds]
            out.append(Colour(first, last, kind, tuple(modifiers)))
    return out


def _items(document: Document, names: Names, start: int, end: int) -> Iterator[ast.Item | ast.Header]:
    then, until = document.then(start), document.then(end)
    header = names.analysis.header
    for item in (*((header,) if header is not None else ()), *names.analysis.items):
        if item.span.end >= then and item.span.start <= until:
            yield item


def _around(start: int, end: int, inside: list[Colour]) -> Iterator[Colour]:
    """A text, without the names *inside* its holes."""
    at = start
    for colour in inside:
        if colour.start > at:
            yield Colour(at, colour.start, "string")
        at = max(at, colour.end)
    if end > at:
        yield Colour(at, end, "string")


def _apart(colours_: list[Colour]) -> list[Colour]:
    out: list[Colour] = []
    for colour in sorted(set(colours_), key=lambda each: (each.start, each.end)):
        if not out or colour.start >= out[-1].end:
            out.append(colour)
    return out


# ── hints ─────────────────────────────────────────────────────────────────────────────────────────────


def hints(document: Document, names: Names, start: int, end: int) -> list[Hint]:
    """What settings come to where they are read, units of bare numerals, types of lets."""
    out: list[Hint] = []
    scope = names.analysis.scope
    for item in _items(document, names, start, end):
        if isinstance(item, ast.Header) or scope is None:
            continue
        for each in names.of(item, scope):
            if each.symbol.what == "setting" and not each.declares and isinstance(each.node, ast.Read):
                info = setting_of(names.analysis, each.symbol)
                if info is not None:
                    count = len(info.overrides)
                    more = f", {count} override{'' if count == 1 else 's'}" if count else ""
                    out.append(Hint(document.now_span(each.span)[1], f" = {value_text(info.value, info.type, names.analysis.currency)}{more}", info.title or ""))
        if isinstance(item, ast.Let) and item.type is None:
            type_ = _known(names, item.value)
            if type_ is not None:
                out.append(Hint(document.now_span(item.name.span)[1], f": {type_text(type_)}", type_=True))
        out += _units(document, names, item)
    return sorted((hint for hint in out if start <= hint.at <= end), key=lambda hint: (hint.at, hint.label))


def _known(names: Names, node: ast.Node) -> Any:
    checked = names.analysis.checked
    found = checked.types.get(node.id) if checked is not None else None
    return None if found is None or found.kind is Kind.UNKNOWN else found


def _units(document: Document, names: Names, node: ast.Node) -> Iterator[Hint]:
    for part in parts(node):
        if isinstance(part, ast.Number):
            type_ = _known(names, part)
            if type_ is not None and type_.kind in (Kind.MONEY, Kind.PRICE, Kind.QUANTITY) and part.value:
                yield Hint(document.now_span(part.span)[1], f" {unit_text(type_, names.analysis.currency)}")
        else:
            yield from _units(document, names, part)


# ── lenses ────────────────────────────────────────────────────────────────────────────────────────────


def lenses(document: Document, uri: str, facts: Path | None) -> list[Lens]:
    """Above each test: run it. Above the header: run all, and decide with the facts that are attached or lie beside the file."""
    good = document.good
    if good is None:
        return []
    out = []
    tests = [item for item in good.items if isinstance(item, ast.Test)]
    if good.header is not None:
        start, end = document.now_span(good.header.name.span)
        if tests:
            out.append(Lens(start, end, f"Run {len(tests)} test{'' if len(tests) == 1 else 's'}", "caplex.runTest", (uri,)))
        for path in [facts] if facts is not None else facts_beside(document.path):
            out.append(Lens(start, end, f"Decide with {path.name}", "caplex.decide", (uri, str(path))))
    for test in tests:
        start, end = document.now_span(test.span)
        out.append(Lens(start, min(end, start + 4), "Run test", "caplex.runTest", (uri, test.title)))
    return out


def facts_beside(path: Path) -> list[Path]:
    """Documents of facts where they usually lie; not more than three."""
    return [found for pattern in FACTS for found in sorted(path.parent.glob(pattern))][:3]
