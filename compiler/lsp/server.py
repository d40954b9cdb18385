"""The server: which request is answered by which function. Nothing is worked out here."""
from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from caplex.compiler.lsp import acts, completion, describe, fixes, marks, navigate, outline, protocol, signatures
from caplex.compiler.lsp.document import Document
from caplex.compiler.lsp.names import Names
from caplex.compiler.lsp.session import Session, log, one_line
from caplex.version import __version__

F = TypeVar("F", bound=Callable[..., Any])
_LATER: Final = 3
"""Seconds after the start in which the library is read: the first documents come first."""
_REFUSED: Final = -32803  # RequestFailed
_HEADER_FORMS: Final = {"region": lsp.FoldingRangeKind.Region, "comment": lsp.FoldingRangeKind.Comment, "imports": lsp.FoldingRangeKind.Imports}


class Server(LanguageServer):
    """One client's server; its state is the session."""

    def __init__(self) -> None:
        super().__init__("caplex", __version__, lsp.TextDocumentSyncKind.Incremental)
        self.session = Session(self.publish, log)

    def publish(self, document: Document) -> None:
        found = protocol.diagnostics(document, self.session.uri)
        self.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(uri=self.session.uri(document.path), diagnostics=found, version=document.version))

    def report_server_error(self, error: Exception, source: Any) -> None:
        log(one_line(getattr(source, "__name__", str(source)), error))

    def understood(self, uri: str) -> tuple[Document, Names] | None:
        document = self.session.document(uri)
        names = self.session.names(document) if document is not None else None
        return (document, names) if document is not None and names is not None else None


def make() -> Server:
    """A server that nobody is connected to yet."""
    server = Server()
    for feature, options, handler in _FEATURES:
        server.feature(feature, options)(_guarded(server, feature, handler))
    for name, act in (("caplex.runTest", _run_test), ("caplex.decide", _decide)):
        server.command(name)(_command(server, name, act))

    async def initialized(params: lsp.InitializedParams) -> None:
        await _initialized(server)

    server.feature(lsp.INITIALIZED)(initialized)
    return server


def serve(port: int | None = None) -> None:
    """Talk on standard input and output, or with who connects to *port* of this machine."""
    for name in ("pygls", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [_Lines()], False
        logger.setLevel(logging.ERROR)
    # Trees are large and stay: a collector that walks them again and again costs as much as a check. The session runs it in a pause.
    gc.disable()
    server = make()
    if port is None:
        # The channel is ours alone: what anything else writes to standard output goes to the log, and must not break a message.
        channel = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        sys.stdout.flush()
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        server.start_io(stdout=channel)
    else:
        server.start_tcp("127.0.0.1", port)


class _Lines(logging.Handler):
    """What the protocol's library complains about, a line each and without traceback; refusals are answers and no complaints."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, JsonRpcException) and error.code == _REFUSED:
            return
        log(" ".join(record.getMessage().split())[:400] + (f" ({type(error).__name__}: {error})" if error is not None else ""))


def _guarded(server: Server, feature: str, handler: Callable[[Server, Any], Any]) -> Callable[[Any], Any]:
    """*handler*, which may crash without anything else going down: the client gets no answer, the log a line."""
    def answer(params: Any) -> Any:
        try:
            return handler(server, params)
        except navigate.Refused as refused:
            raise JsonRpcException(str(refused), _REFUSED) from None
        except Exception as error:
            log(one_line(feature, error))
            return None

    return answer


def _command(server: Server, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
    async def run(uri: str, *which: str) -> str:
        try:
            text: str = await act(server, uri, *which)
        except acts.Impossible as impossible:
            text = str(impossible)
        except Exception as error:
            log(one_line(name, error))
            text = one_line(name, error)
        server.window_log_message(lsp.LogMessageParams(type=lsp.MessageType.Info, message=text))
        return text

    return run


# ── life, documents ───────────────────────────────────────────────────────────────────────────────────


def _initialize(server: Server, params: lsp.InitializeParams) -> None:
    session = server.session
    folders = [each.uri for each in params.workspace_folders or ()] or ([params.root_uri] if params.root_uri else [])
    session.workspace.folders = [session.path(uri) for uri in folders if uri.startswith("file:")]
    text = params.capabilities.text_document
    item = text.completion.completion_item if text is not None and text.completion is not None else None
    session.snippets = bool(item is not None and item.snippet_support)
    if isinstance(params.initialization_options, Mapping):
        session.configure(params.initialization_options)


async def _initialized(server: Server) -> None:
    session = server.session
    await session.run(session.warm)
    asyncio.get_running_loop().call_later(_LATER, session.run_soon, session.read_library)
    capabilities = server.client_capabilities.workspace
    if capabilities is not None and capabilities.configuration:
        try:
            found = await server.workspace_configuration_async(lsp.ConfigurationParams(items=[lsp.ConfigurationItem(section="caplex")]))
        except JsonRpcException as error:
            log(one_line("workspace/configuration", error))
            return
        if found and isinstance(found[0], Mapping) and found[0]:
            session.configure(found[0])
            session.again()


def _configured(server: Server, params: lsp.DidChangeConfigurationParams) -> None:
    told = params.settings if isinstance(params.settings, Mapping) else {}
    inner = told.get("caplex", told)
    # Some clients send nothing when they start; what came with `initialize` then stays.
    if isinstance(inner, Mapping) and inner:
        server.session.configure(inner)
        server.session.again()


def _opened(server: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    server.session.workspace.encoding = str(getattr(server.workspace.position_encoding, "value", server.workspace.position_encoding) or "utf-16")
    server.session.open(params.text_document.uri, params.text_document.text, params.text_document.version)


def _changed(server: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    document = server.session.workspace.get(server.session.path(params.text_document.uri))
    if document is None:
        return
    for change in params.content_changes:
        if isinstance(change, lsp.TextDocumentContentChangeWholeDocument):
            document.change(change.text)
        else:
            lines = document.lines
            start, end = protocol.offset(lines, change.range.start), protocol.offset(lines, change.range.end)
            document.change(None, start, max(start, end), change.text)
    document.version = params.text_document.version
    server.session.changed(params.text_document.uri)


def _closed(server: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    server.session.close(params.text_document.uri)
    server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=params.text_document.uri, diagnostics=[]))


def _saved(server: Server, params: Any) -> None:
    server.session.again()


# ── questions ─────────────────────────────────────────────────────────────────────────────────────────


def _hover(server: Server, params: lsp.HoverParams) -> lsp.Hover | None:
    known = server.understood(params.text_document.uri)
    if known is None:
        return None
    document, names = known
    rooms = server.session.rooms.get(document.path.resolve())
    found = describe.hover(document, names, protocol.offset(document.lines, params.position), rooms)
    return None if found is None else lsp.Hover(contents=protocol.markup(found[2]), range=protocol.range_(document.lines, found[0], found[1]))


def _completion(server: Server, params: lsp.CompletionParams) -> lsp.CompletionList | None:
    document = server.session.document(params.text_document.uri)
    if document is None:
        return None
    at = protocol.offset(document.lines, params.position)
    here, offers = completion.complete(document, server.session.names(document), at)
    return protocol.completion(document, here, offers if server.session.snippets else [protocol.plain(offer) for offer in offers], at)


def _definition(server: Server, params: lsp.DefinitionParams) -> lsp.Location | None:
    known = server.understood(params.text_document.uri)
    if known is None:
        return None
    document, names = known
    found = navigate.definition(server.session.workspace, document, names, protocol.offset(document.lines, params.position))
    return _location(server, found) if found is not None else None


def _references(server: Server, params: lsp.ReferenceParams) -> list[lsp.Location]:
    known = server.understood(params.text_document.uri)
    if known is None:
        return []
    document, names = known
    at = protocol.offset(document.lines, params.position)
    return [_location(server, each) for each in navigate.references(
        server.session.workspace, document, names, at, declaration=params.context.include_declaration)]


def _location(server: Server, where: navigate.Place) -> lsp.Location:
    held = server.session.workspace.document(where.path)
    lines = held.lines if held is not None else None
    found = protocol.range_(lines, where.start, where.end) if lines is not None else lsp.Range(start=lsp.Position(0, 0), end=lsp.Position(0, 0))
    return lsp.Location(uri=server.session.uri(where.path), range=found)


def _highlight(server: Server, params: lsp.DocumentHighlightParams) -> list[lsp.DocumentHighlight]:
    known = server.understood(params.text_document.uri)
    if known is None:
        return []
    document, names = known
    return [lsp.DocumentHighlight(range=protocol.range_(document.lines, start, end), kind=lsp.DocumentHighlightKind.Write if declares else lsp.DocumentHighlightKind.Read)
            for start, end, declares in navigate.highlights(document, names, protocol.offset(document.lines, params.position))]


def _prepare_rename(server: Server, params: lsp.PrepareRenameParams) -> lsp.PrepareRenamePlaceholder | None:
    known = server.understood(params.text_document.uri)
    if known is None:
        return None
    document, names = known
    start, end, name = navigate.target(document, names, protocol.offset(document.lines, params.position))
    return lsp.PrepareRenamePlaceholder(range=protocol.range_(document.lines, start, end), placeholder=name)


def _rename(server: Server, params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
    known = server.understood(params.text_document.uri)
    if known is None:
        return None
    document, names = known
    edits: dict[str, list[lsp.TextEdit]] = {}
    for change in navigate.rename(server.session.workspace, document, names, protocol.offset(document.lines, params.position), params.new_name):
        where = _location(server, change.place)
        edits.setdefault(where.uri, []).append(lsp.TextEdit(range=where.range, new_text=change.text))
    return lsp.WorkspaceEdit(changes=edits)


def _symbols(server: Server, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
    document = server.session.document(params.text_document.uri)
    return [protocol.symbol(document, entry) for entry in outline.symbols(document)] if document is not None else []


def _workspace_symbols(server: Server, params: lsp.WorkspaceSymbolParams) -> list[lsp.WorkspaceSymbol]:
    return [protocol.workspace_symbol(document, entry, server.session.uri)
            for document in server.session.workspace.outlines() for entry in outline.found(document, params.query)]


def _actions(server: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    document = server.session.document(params.text_document.uri)
    if document is None:
        return []
    start, end = protocol.offset(document.lines, params.range.start), protocol.offset(document.lines, params.range.end)
    return [protocol.action(document, found, server.session.uri) for found in fixes.actions(document, start, end)]


def _formatting(server: Server, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
    import caplex

    document = server.session.workspace.get(server.session.path(params.text_document.uri))
    layout = getattr(caplex, "format_text", None)
    if document is None or layout is None:
        return None
    try:
        text = layout(document.text)
    except caplex.CaplexError:  # what cannot be parsed has no layout; the diagnostics say why
        return None
    return [lsp.TextEdit(range=protocol.range_(document.lines, 0, len(document.text)), new_text=text)] if text != document.text else []


def _folding(server: Server, params: lsp.FoldingRangeParams) -> list[lsp.FoldingRange]:
    document = server.session.document(params.text_document.uri)
    return [] if document is None else [lsp.FoldingRange(start_line=start, end_line=end, kind=_HEADER_FORMS[kind]) for start, end, kind in outline.folds(document.text)]


def _tokens(server: Server, params: lsp.SemanticTokensParams | lsp.SemanticTokensRangeParams) -> lsp.SemanticTokens | None:
    document = server.session.document(params.text_document.uri)
    if document is None:
        return None
    start, end = 0, len(document.text)
    if isinstance(params, lsp.SemanticTokensRangeParams):
        start, end = protocol.offset(document.lines, params.range.start), protocol.offset(document.lines, params.range.end)
    return protocol.tokens(document, marks.colours(document, server.session.names(document), start, end))


def _hints(server: Server, params: lsp.InlayHintParams) -> list[lsp.InlayHint]:
    known = server.understood(params.text_document.uri)
    if known is None:
        return []
    document, names = known
    start, end = protocol.offset(document.lines, params.range.start), protocol.offset(document.lines, params.range.end)
    return [lsp.InlayHint(position=protocol.position(document.lines, hint.at), label=hint.label, tooltip=hint.tooltip or None,
                          kind=lsp.InlayHintKind.Type if hint.type_ else None) for hint in marks.hints(document, names, start, end)]


def _signature(server: Server, params: lsp.SignatureHelpParams) -> lsp.SignatureHelp | None:
    document = server.session.document(params.text_document.uri)
    if document is None:
        return None
    found = signatures.signature(document, server.session.names(document), protocol.offset(document.lines, params.position))
    return protocol.signature(found) if found is not None else None


def _lenses(server: Server, params: lsp.CodeLensParams) -> list[lsp.CodeLens]:
    document = server.session.document(params.text_document.uri)
    if document is None:
        return []
    return [lsp.CodeLens(range=protocol.range_(document.lines, lens.start, lens.end),
                         command=lsp.Command(title=lens.title, command=lens.command, arguments=list(lens.arguments)))
            for lens in marks.lenses(document, params.text_document.uri, server.session.workspace.facts)]


# ── commands ──────────────────────────────────────────────────────────────────────────────────────────


def _text_of(server: Server, uri: str) -> tuple[Path, str]:
    path = server.session.path(uri)
    document = server.session.workspace.get(path) or server.session.document(uri)
    if document is None:
        raise acts.Impossible(f"`{path}` cannot be read")
    return path, document.text


async def _run_test(server: Server, uri: str, title: str | None = None) -> str:
    path, text = _text_of(server, uri)
    workspace = server.session.workspace
    found: str = await server.session.run(acts.run_tests, path, text, dict(workspace.texts()), title, workspace.values())
    return found


async def _decide(server: Server, uri: str, facts: str | None = None) -> str:
    path, text = _text_of(server, uri)
    workspace = server.session.workspace
    document = path.parent / facts if facts is not None else workspace.facts
    if document is None:
        raise acts.Impossible("no facts are attached: set `caplex.facts` to the path of a JSON document")
    found: str = await server.session.run(acts.decide, path, text, dict(workspace.texts()), document, workspace.values())
    return found


_FEATURES: Final[list[tuple[str, Any, Callable[[Server, Any], Any]]]] = [
    (lsp.INITIALIZE, None, _initialize),
    (lsp.WORKSPACE_DID_CHANGE_CONFIGURATION, None, _configured),
    (lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, None, _saved),
    (lsp.TEXT_DOCUMENT_DID_OPEN, None, _opened),
    (lsp.TEXT_DOCUMENT_DID_CHANGE, None, _changed),
    (lsp.TEXT_DOCUMENT_DID_CLOSE, None, _closed),
    (lsp.TEXT_DOCUMENT_DID_SAVE, None, _saved),
    (lsp.TEXT_DOCUMENT_HOVER, None, _hover),
    (lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=[".", "(", "{", '"']), _completion),
    (lsp.TEXT_DOCUMENT_DEFINITION, None, _definition),
    (lsp.TEXT_DOCUMENT_REFERENCES, None, _references),
    (lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT, None, _highlight),
    (lsp.TEXT_DOCUMENT_PREPARE_RENAME, None, _prepare_rename),
    (lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True), _rename),
    (lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL, None, _symbols),
    (lsp.WORKSPACE_SYMBOL, None, _workspace_symbols),
    (lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix]), _actions),
    (lsp.TEXT_DOCUMENT_FORMATTING, None, _formatting),
    (lsp.TEXT_DOCUMENT_FOLDING_RANGE, None, _folding),
    (lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, protocol.LEGEND, _tokens),
    (lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_RANGE, protocol.LEGEND, _tokens),
    (lsp.TEXT_DOCUMENT_INLAY_HINT, None, _hints),
    (lsp.TEXT_DOCUMENT_SIGNATURE_HELP, lsp.SignatureHelpOptions(trigger_characters=["(", ","]), _signature),
    (lsp.TEXT_DOCUMENT_CODE_LENS, lsp.CodeLensOptions(resolve_provider=False), _lenses),
]
