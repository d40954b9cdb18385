"""From a name to where it is declared, to everywhere it stands, and to another name."""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from caplex.compiler.driver import TESTS
from caplex.compiler.lsp.document import Document
from caplex.compiler.lsp.names import Names, Occurrence, Symbol
from caplex.compiler.lsp.workspace import Workspace, in_library, place
from caplex.compiler.source import Source, Span
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.words import RESERVED

_NAME = re.compile(r"[a-z][A-Za-z0-9_]*")
_RULE_ID = re.compile(r"[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*-[0-9]+")
_RENAMED = ("setting", "let", "rule", "waiver", "size", "alias")
_KINDS = {"setting": "setting", "let": "`let`", "rule": "rule", "waiver": "waiver", "size": "size", "alias": "import"}


@dataclass(frozen=True, slots=True)
class Place:
    """A range of a file, in the text as it is."""

    path: Path
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Change:
    place: Place
    text: str


class Refused(Exception):
    """A rename that is not done; the sentence says why."""


def definition(workspace: Workspace, document: Document, names: Names, offset: int) -> Place | None:
    """Where the name at *offset* is declared; library and language open as files of the installed package."""
    found = names.at(document.then(offset))
    if found is None or found.symbol.place is None:
        return None
    if found.symbol.what == "alias" and found.declares and isinstance(found.symbol.item, ast.Use):
        # From the alias where it is declared there is only one place left to go: the file.
        module = next((scope for scope in names.analysis.scopes() if scope.use is found.symbol.item), None)
        if module is not None:
            return Place(place(module.module.span.source.name), 0, 0)
    return whereabouts(workspace, document, found.symbol.place)


def whereabouts(workspace: Workspace, document: Document, span: Span) -> Place:
    """*span* as a place of the text as it is: in an open file it has moved with what was typed there."""
    good = document.good
    if good is not None and span.source is good.source:
        return Place(document.path, *document.now_span(span))
    path = place(span.source.name)
    held = workspace.get(path)
    if held is not None and held.good is not None and held.good.source.text == span.source.text:
        return Place(path, held.now(span.start), held.now(span.end))
    return Place(path, span.start, span.end)


def references(workspace: Workspace, document: Document, names: Names, offset: int, *, declaration: bool = True) -> list[Place]:
    """Every place where the name at *offset* stands: in this file, in what it imports and in what imports it."""
    found = names.at(document.then(offset))
    if found is None:
        return []
    return [where for where, each in _standing(workspace, document, names, found.symbol) if declaration or not each.declares]


def highlights(document: Document, names: Names, offset: int) -> list[tuple[int, int, bool]]:
    """The same within the file: start, end, and whether it is the declaration."""
    found = names.at(document.then(offset))
    if found is None:
        return []
    return [(*document.now_span(each.span), each.declares) for each in names.own() if _same(each.symbol, found.symbol)]


def _same(left: Symbol, right: Symbol) -> bool:
    # A row variable is one inside its aggregate only, and the file holds many of a name: they count as one.
    return left == right


def _standing(workspace: Workspace, document: Document, names: Names, symbol: Symbol) -> Iterator[tuple[Place, Occurrence]]:
    seen: set[tuple[Path, int, int]] = set()
    for holder, known in _everywhere(workspace, document, names, symbol):
        for each in known.everywhere():
            if _same(each.symbol, symbol):
                where = whereabouts(workspace, holder, each.span)
                key = (where.path.resolve(), where.start, where.end)
                if key not in seen and not each.span.source.name.startswith("the neutral header"):
                    seen.add(key)
                    yield where, each


def _everywhere(workspace: Workspace, document: Document, names: Names, symbol: Symbol) -> Iterable[tuple[Document, Names]]:
    """This file with all that it imports, then where else the name may stand.

    Names of one file stay in it; what a policy declares, which nobody imports, stands in the tests beside it as well; what a
    module declares may stand in every file of the workspace that has the word. What the language declares would stand in all
    of them: of these only the open ones are looked through.
    """
    yield document, names
    if symbol.what in ("variable", "member", "alias", "policy", "test"):
        return
    home = place(symbol.home) if symbol.home else None
    if symbol.what in ("setting", "let", "rule", "waiver", "size", "pack") and home is not None:
        policy = workspace.document(home)
        if policy is not None and policy.good is not None and policy.good.header is not None:
            beside = home.with_name(home.name.removesuffix(".cap") + TESTS)
            others: Iterable[Document | None] = [policy, workspace.document(beside)]
        else:
            others = workspace.every(symbol.name.rpartition(".")[2])
    else:
        others = [workspace.document(path) for path in workspace.documents]
    for other in others:
        if other is not None and other is not document and other.good is not None:
            yield other, Names(other.good)


def target(document: Document, names: Names, offset: int) -> tuple[int, int, str]:
    """What a rename would begin with: range and name. Raises Refused."""
    found = names.at(document.then(offset))
    if found is None:
        raise Refused("there is no name here that can be changed")
    symbol = found.symbol
    if symbol.what not in _RENAMED:
        what = {"pack": "a module is renamed by renaming its file", "policy": "the name of a policy is its own: change it in the header"}
        raise Refused(what.get(symbol.what, f"`{symbol.name}` belongs to the language, and cannot be renamed here"))
    if in_library(place(symbol.home)):
        raise Refused(f"`{symbol.name}` belongs to the library, which is not changed from here; copy the file into your own to do that")
    if document.text[slice(*document.now_span(found.span))] != found.span.text:
        raise Refused("the text here has just changed; try again when it has been read")
    start, end = document.now_span(found.span)
    if symbol.what == "alias" and "." in found.span.text:
        raise Refused("give the import a name first: write `as name` behind it")
    return start, end, symbol.name


def rename(workspace: Workspace, document: Document, names: Names, offset: int, name: str) -> list[Change]:
    """The edits that give what stands at *offset* the new *name*, in all files. Raises Refused."""
    target(document, names, offset)
    found = names.at(document.then(offset))
    assert found is not None
    symbol = found.symbol
    _fits(names, symbol, name)
    changes = []
    for where, _ in _standing(workspace, document, names, symbol):
        if in_library(where.path):
            continue
        text = _text_of(workspace, where)
        if text is not None and text[where.start : where.end] != symbol.name:
            raise Refused(f"`{where.path.name}` has changed and cannot be read just now; mend it first")
        changes.append(Change(where, name))
    if symbol.what == "alias" and isinstance(symbol.item, ast.Use) and symbol.item.alias is None:
        where = whereabouts(workspace, document, symbol.item.target_span)
        changes.append(Change(Place(where.path, where.end, where.end), f" as {name}"))
    return sorted(changes, key=lambda change: (str(change.place.path), change.place.start))


def _fits(names: Names, symbol: Symbol, name: str) -> None:
    """Whether *name* can be that of *symbol*."""
    is_id = symbol.what in ("rule", "waiver", "size")
    if is_id and not _RULE_ID.fullmatch(name):
        raise Refused(f"`{name}` is no id: capitals, a hyphen and a number, such as `EXP-010`")
    if not is_id and (not _NAME.fullmatch(name) or name in RESERVED):
        word = name in RESERVED
        raise Refused(f"`{name}` is a word of the language" if word else f"`{name}` is no name: a lower-case letter, then letters, digits and `_`")
    if is_id and name.startswith("SYS-"):
        raise Refused("the family SYS belongs to the engine")
    if name == symbol.name:
        return
    for scope in names.analysis.scopes():
        if scope.module.span.source.name != symbol.home:
            continue
        taken = names.rule(scope, name) if is_id else names.in_scope(scope, name) or (names.section(name) if name not in ("event",) else None)
        if taken is not None:
            what = _KINDS.get(taken.what, "section of the facts")
            raise Refused(f"`{name}` is already a {what}".replace("a import", "an import"))


def _text_of(workspace: Workspace, where: Place) -> str | None:
    held = workspace.get(where.path)
    if held is not None:
        return held.text
    from caplex.compiler.syntax.reading import read_source

    source: Source | None = read_source(where.path)[0]
    return source.text if source is not None else None
