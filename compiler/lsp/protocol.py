"""The shapes of the protocol, made from what the other modules find. Positions are counted here as the client counts them."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from lsprotocol import types as lsp

from caplex.compiler.diagnostics.diagnostic import Diagnostic, Level
from caplex.compiler.diagnostics.formats import to_dict
from caplex.compiler.lsp import marks
from caplex.compiler.lsp.context import Spot
from caplex.compiler.lsp.document import Document
from caplex.compiler.lsp.fixes import Action
from caplex.compiler.lsp.offers import Offer
from caplex.compiler.lsp.outline import Entry
from caplex.compiler.lsp.signatures import Signature
from caplex.compiler.lsp.text import Lines, units
from caplex.compiler.lsp.workspace import place
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast

_LEVELS: Final = {Level.ERROR: lsp.DiagnosticSeverity.Error, Level.WARNING: lsp.DiagnosticSeverity.Warning, Level.NOTE: lsp.DiagnosticSeverity.Information}
_SYMBOLS: Final = {
    "policy": lsp.SymbolKind.Module, "stage": lsp.SymbolKind.Namespace, "rule": lsp.SymbolKind.Class, "switch": lsp.SymbolKind.Event,
    "setting": lsp.SymbolKind.Constant, "let": lsp.SymbolKind.Variable, "import": lsp.SymbolKind.Package, "input": lsp.SymbolKind.Struct,
    "field": lsp.SymbolKind.Field, "test": lsp.SymbolKind.Method, "group": lsp.SymbolKind.Namespace, "size": lsp.SymbolKind.Function,
    "waiver": lsp.SymbolKind.Interface, "answer": lsp.SymbolKind.Key,
}
_OFFERS: Final = {
    "keyword": lsp.CompletionItemKind.Keyword, "setting": lsp.CompletionItemKind.Constant, "let": lsp.CompletionItemKind.Variable,
    "rule": lsp.CompletionItemKind.Class, "field": lsp.CompletionItemKind.Field, "section": lsp.CompletionItemKind.Struct,
    "module": lsp.CompletionItemKind.Module, "function": lsp.CompletionItemKind.Function, "member": lsp.CompletionItemKind.EnumMember,
    "unit": lsp.CompletionItemKind.Unit, "type": lsp.CompletionItemKind.TypeParameter, "value": lsp.CompletionItemKind.Value,
    "variable": lsp.CompletionItemKind.Variable, "file": lsp.CompletionItemKind.File, "event": lsp.CompletionItemKind.Event,
}
_UNUSED: Final = frozenset({"unused-import", "unused-setting"})
LEGEND: Final = lsp.SemanticTokensLegend(token_types=list(marks.TYPES), token_modifiers=list(marks.MODIFIERS))
Uri = Callable[[Path], str]


def position(lines: Lines, offset: int) -> lsp.Position:
    line, column = lines.position(offset)
    return lsp.Position(line=line, character=column)


def range_(lines: Lines, start: int, end: int) -> lsp.Range:
    return lsp.Range(start=position(lines, start), end=position(lines, max(start, end)))


def offset(lines: Lines, at: lsp.Position) -> int:
    return lines.offset(at.line, at.character)


def markup(text: str) -> lsp.MarkupContent:
    return lsp.MarkupContent(kind=lsp.MarkupKind.Markdown, value=text)


# ── diagnostics ───────────────────────────────────────────────────────────────────────────────────────


def diagnostics(document: Document, uri: Uri) -> list[lsp.Diagnostic]:
    """What was found by the last check. A finding in an imported file stands at the `use`, and leads there."""
    latest = document.latest
    if latest is None:
        return []
    out = []
    for found in latest.diagnostics:
        if found.span is None or found.span.source is latest.source:
            start, end = document.latest_span(found.span) if found.span is not None else (0, 0)
            out.append(_diagnostic(found, range_(document.lines, start, end), _related(document, found, uri)))
        else:
            start, end = _import(document, found.span)
            there = lsp.DiagnosticRelatedInformation(location=_location(document, found.span, uri), message=found.message)
            out.append(_diagnostic(found, range_(document.lines, start, end), [there]))
    return out


def _diagnostic(found: Diagnostic, where: lsp.Range, related: list[lsp.DiagnosticRelatedInformation]) -> lsp.Diagnostic:
    text = "\n".join([found.message, *(f"note: {note}" for note in found.notes), *([f"help: {found.help}"] if found.help else [])])
    return lsp.Diagnostic(
        range=where, message=text, severity=_LEVELS[found.severity], code=found.code.id, source="caplex", related_information=related or None,
        tags=[lsp.DiagnosticTag.Unnecessary] if found.code.name in _UNUSED else None, data=to_dict(found),
    )


def _related(document: Document, found: Diagnostic, uri: Uri) -> list[lsp.DiagnosticRelatedInformation]:
    return [lsp.DiagnosticRelatedInformation(location=_location(document, label.span, uri), message=label.text or found.message)
            for label in found.labels if label.span != found.span or label.span.source is not (found.span.source if found.span else None)]


def _location(document: Document, span: Span, uri: Uri) -> lsp.Location:
    if document.latest is not None and span.source is document.latest.source:
        return lsp.Location(uri=uri(document.path), range=range_(document.lines, *document.latest_span(span)))
    lines = Lines(span.source.text, document.encoding)
    return lsp.Location(uri=uri(place(span.source.name)), range=range_(lines, span.start, span.end))


def _import(document: Document, span: Span) -> tuple[int, int]:
    """The `use` of this file through which the file of *span* came in; else the beginning."""
    latest = document.latest
    assert latest is not None
    for item in latest.items:
        if isinstance(item, ast.Use) and latest.scope is not None:
            target = next((scope for scope in latest.scope.imports.values() if scope.use is item), None)
            inside = [scope.module.span.source.name for scope in target.walk()] if target is not None else []
            if span.source.name in inside or (target is None and isinstance(item.target, str) and Path(span.source.name).name == Path(item.target).name):
                return document.latest_span(item.target_span)
    return 0, 0


# ── completion, signatures ────────────────────────────────────────────────────────────────────────────


def completion(document: Document, here: Spot, offers: Sequence[Offer], at: int) -> lsp.CompletionList:
    items = []
    for offer in offers:
        start = here.start if offer.start is None else offer.start
        items.append(lsp.CompletionItem(
            label=offer.label, kind=_OFFERS[offer.form], detail=offer.detail or None, documentation=markup(offer.doc) if offer.doc else None,
            sort_text=f"{offer.rank}{offer.label.lower()}", filter_text=offer.label,
            text_edit=lsp.TextEdit(range=range_(document.lines, start, at), new_text=offer.insert or offer.label),
            insert_text_format=lsp.InsertTextFormat.Snippet if offer.snippet else lsp.InsertTextFormat.PlainText,
        ))
    return lsp.CompletionList(is_incomplete=False, items=items)


def plain(offer: Offer) -> Offer:
    """*offer* for a client that knows no snippets."""
    from dataclasses import replace

    return replace(offer, insert=offer.insert.replace("$0)", ""), snippet=False) if offer.snippet else offer


def signature(found: Signature) -> lsp.SignatureHelp:
    parameters = [lsp.ParameterInformation(label=label, documentation=markup(doc) if doc else None) for label, doc in found.parameters]
    one = lsp.SignatureInformation(label=found.label, documentation=markup(found.doc), parameters=parameters, active_parameter=found.active)
    return lsp.SignatureHelp(signatures=[one], active_signature=0, active_parameter=found.active)


# ── symbols, actions, tokens ──────────────────────────────────────────────────────────────────────────


def symbol(document: Document, entry: Entry) -> lsp.DocumentSymbol:
    return lsp.DocumentSymbol(
        name=entry.name or "?", detail=entry.detail or None, kind=_SYMBOLS[entry.form], range=range_(document.lines, entry.start, entry.end),
        selection_range=range_(document.lines, entry.at, entry.to), children=[symbol(document, child) for child in entry.children] or None,
    )


def workspace_symbol(document: Document, entry: Entry, uri: Uri) -> lsp.WorkspaceSymbol:
    where = lsp.Location(uri=uri(document.path), range=range_(document.lines, entry.at, entry.to))
    return lsp.WorkspaceSymbol(location=where, name=entry.name, kind=_SYMBOLS[entry.form], container_name=entry.detail or document.path.name)


def action(document: Document, found: Action, uri: Uri) -> lsp.CodeAction:
    edits = [lsp.TextEdit(range=range_(document.lines, start, end), new_text=text) for start, end, text in found.edits]
    mended = [each for each in diagnostics(document, uri) if each.code == found.diagnostic.code.id and each.message.startswith(found.diagnostic.message)]
    return lsp.CodeAction(title=found.title, kind=lsp.CodeActionKind.QuickFix, diagnostics=mended[:1] or None, is_preferred=found.preferred,
                          edit=lsp.WorkspaceEdit(changes={uri(document.path): edits}))


def tokens(document: Document, colours: Sequence[marks.Colour]) -> lsp.SemanticTokens:
    data: list[int] = []
    line = column = 0
    for colour in colours:
        at, start = document.lines.position(colour.start)
        length = units(document.text[colour.start : colour.end], document.encoding)
        bits = sum(1 << marks.MODIFIERS.index(each) for each in colour.modifiers)
        data += [at - line, start - (column if at == line else 0), length, marks.TYPES.index(colour.type_), bits]
        line, column = at, start
    return lsp.SemanticTokens(data=data)
