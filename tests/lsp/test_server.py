"""The real process, driven as an editor drives it: `caplex lsp` on standard input and output."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

from .desk import LIMITS, POLICY, at, written

COMMAND = [sys.executable, "-m", "caplex", "lsp"]
FACTS = Path(__file__).resolve().parents[2] / "examples" / "quickstart"


@pytest_lsp.fixture(config=ClientServerConfig(server_command=COMMAND))
async def client(lsp_client: LanguageClient, tmp_path):
    folder = tmp_path / "my desk, ünïcode"
    written(folder)
    await lsp_client.initialize_session(lsp.InitializeParams(
        capabilities=client_capabilities("visual-studio-code"), workspace_folders=[lsp.WorkspaceFolder(uri=folder.as_uri(), name="desk")]))
    lsp_client.folder = folder
    yield
    await lsp_client.shutdown_session()


class Editor:
    """One open document."""

    def __init__(self, client: LanguageClient, path: Path, text: str) -> None:
        self.client, self.path, self.text, self.version = client, path, text, 1
        self.uri = path.as_uri()
        self.id = lsp.TextDocumentIdentifier(self.uri)
        client.text_document_did_open(lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(uri=self.uri, language_id="cap", version=1, text=text)))

    def position(self, offset: int) -> lsp.Position:
        before = self.text[:offset]
        return lsp.Position(before.count("\n"), len(before.rpartition("\n")[2].encode("utf-16-le")) // 2)

    def at(self, marked: str) -> dict:
        return {"text_document": self.id, "position": self.position(at(self.text, marked))}

    def type_(self, marked: str, put: str, *, over: int = 0) -> None:
        start = at(self.text, marked)
        where = lsp.Range(self.position(start), self.position(start + over))
        self.text = self.text[:start] + put + self.text[start + over :]
        self.version += 1
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(
            lsp.VersionedTextDocumentIdentifier(version=self.version, uri=self.uri), [lsp.TextDocumentContentChangePartial(range=where, text=put)]))

    async def diagnostics(self) -> list[lsp.Diagnostic]:
        while True:
            found = await self.client.wait_for_notification(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
            if found.uri == self.uri and found.version == self.version:
                return list(found.diagnostics)


def sliced(editor: Editor, where: lsp.Range) -> str:
    lines = editor.text.split("\n")
    assert where.start.line == where.end.line
    raw = lines[where.start.line].encode("utf-16-le")
    return raw[2 * where.start.character : 2 * where.end.character].decode("utf-16-le")


@pytest.mark.asyncio
async def test_findings_as_somebody_types(client: LanguageClient):
    editor = Editor(client, client.folder / "desk.cap", POLICY)
    assert [each for each in await editor.diagnostics() if each.severity == lsp.DiagnosticSeverity.Error] == []
    editor.type_("deny when loss_|share > 2%", "shar", over=5)
    found, = [each for each in await editor.diagnostics() if each.severity == lsp.DiagnosticSeverity.Error]
    assert (found.code, found.source, sliced(editor, found.range)) == ("CAP201", "caplex", "loss_shar")
    assert "did you mean `loss_share`?" in found.message
    assert found.data["page"] == "caplex explain CAP201"
    assert found.data["source"]["line"] == found.range.start.line + 1
    actions = await client.text_document_code_action_async(lsp.CodeActionParams(editor.id, found.range, lsp.CodeActionContext([found])))
    edit, = actions[0].edit.changes[editor.uri]
    assert (actions[0].title, edit.new_text, sliced(editor, edit.range)) == ("Change to `loss_share`", "loss_share", "loss_shar")
    editor.type_("deny when loss_|shar > 2%", "share", over=4)
    assert [each for each in await editor.diagnostics() if each.severity == lsp.DiagnosticSeverity.Error] == []


@pytest.mark.asyncio
async def test_positions_are_counted_as_the_client_counts(client: LanguageClient):
    text = POLICY.replace('"Position size"', '"\U0001f680 size"').replace("## How much", "## \U0001d54f How much")
    text = text.replace('limit EXP-020 "Gross" {\n', '# \U0001f680\n  /* ').replace("/* ", 'limit EXP-020 "\U0001f680\U0001f680" { ')
    editor = Editor(client, client.folder / "desk.cap", text)
    await editor.diagnostics()
    found = await client.text_document_hover_async(lsp.HoverParams(**editor.at("after.portfolio.gro|ss at most limits")))
    assert sliced(editor, found.range) == "gross"
    tokens = await client.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(editor.id))
    line = column = 0
    words = set()
    for i in range(0, len(tokens.data), 5):
        down, right, length = tokens.data[i : i + 3]
        line, column = line + down, right if down else column + right
        words.add(sliced(editor, lsp.Range(lsp.Position(line, column), lsp.Position(line, column + length))))
    assert {"gross_limit", '"\U0001f680\U0001f680"', "EXP-020"} <= words


@pytest.mark.asyncio
async def test_questions_are_answered(client: LanguageClient):
    editor = Editor(client, client.folder / "desk.cap", POLICY)
    await editor.diagnostics()
    hover = await client.text_document_hover_async(lsp.HoverParams(**editor.at("most max_po|sition of")))
    assert "Value **8%**" in hover.contents.value
    where = await client.text_document_definition_async(lsp.DefinitionParams(**editor.at("limits.gross|_limit")))
    assert where.uri.endswith("/limits.cap")
    assert LIMITS.split("\n")[where.range.start.line][where.range.start.character :].startswith("gross_limit :")
    library = await client.text_document_definition_async(lsp.DefinitionParams(**editor.at("(max_order|_value =")))
    assert library.uri.endswith("/stdlib_rules/order_sanity.cap")
    found = await client.text_document_references_async(lsp.ReferenceParams(lsp.ReferenceContext(True), **editor.at("limits.gross|_limit")))
    assert sorted(each.uri.rpartition("/")[2] for each in found) == ["desk.cap", "limits.cap", "limits.cap"]
    offers = await client.text_document_completion_async(lsp.CompletionParams(**editor.at("given account.|equity")))
    assert "equity" in {each.label for each in offers.items}
    symbols = await client.text_document_document_symbol_async(lsp.DocumentSymbolParams(editor.id))
    assert [child.name for each in symbols if each.name == "EXP" for child in each.children] == ["EXP-010", "EXP-020", "EXP-030"]
    everywhere = await client.workspace_symbol_async(lsp.WorkspaceSymbolParams("gross"))
    assert {"gross_limit", "EXP-020", "EXP-500"} <= {each.name for each in everywhere}
    folds = await client.text_document_folding_range_async(lsp.FoldingRangeParams(editor.id))
    assert folds
    hints = await client.text_document_inlay_hint_async(lsp.InlayHintParams(editor.id, lsp.Range(lsp.Position(0, 0), lsp.Position(999, 0))))
    assert " = 8%, 1 override" in {each.label for each in hints}
    signature = await client.text_document_signature_help_async(lsp.SignatureHelpParams(**editor.at("abs(|after.position")))
    assert signature.signatures[0].label == "abs(x)"
    marks = await client.text_document_document_highlight_async(lsp.DocumentHighlightParams(**editor.at("most max_po|sition of")))
    assert len(marks) == 3


@pytest.mark.asyncio
async def test_answers_while_the_text_is_broken(client: LanguageClient):
    editor = Editor(client, client.folder / "desk.cap", POLICY)
    await editor.diagnostics()
    editor.type_("\n|limit EXP-010", "limit EXP-005 {\n  after.\n")
    assert await editor.diagnostics()
    hover = await client.text_document_hover_async(lsp.HoverParams(**editor.at("most max_po|sition of")))
    assert sliced(editor, hover.range) == "max_position"
    offers = await client.text_document_completion_async(lsp.CompletionParams(**editor.at("{\n  after.|\n")))
    assert {each.label for each in offers.items} == {"portfolio", "position"}


@pytest.mark.asyncio
async def test_renaming(client: LanguageClient):
    editor = Editor(client, client.folder / "desk.cap", POLICY)
    await editor.diagnostics()
    target = await client.text_document_prepare_rename_async(lsp.PrepareRenameParams(**editor.at("limits.gross|_limit")))
    assert target.placeholder == "gross_limit"
    edit = await client.text_document_rename_async(lsp.RenameParams(new_name="cap", **editor.at("limits.gross|_limit")))
    assert {uri.rpartition("/")[2]: len(edits) for uri, edits in edit.changes.items()} == {"desk.cap": 1, "limits.cap": 2}
    with pytest.raises(JsonRpcException, match="belongs to the library"):
        await client.text_document_rename_async(lsp.RenameParams(new_name="cap", **editor.at("(max_order|_value =")))


@pytest.mark.asyncio
async def test_an_open_import_is_read_from_its_window(client: LanguageClient):
    editor = Editor(client, client.folder / "desk.cap", POLICY)
    await editor.diagnostics()
    module = Editor(client, client.folder / "limits.cap", LIMITS)
    assert await module.diagnostics() == []
    module.type_("setting |gross_limit", "other", over=len("gross_limit"))
    assert [each.message.partition("\n")[0] for each in await module.diagnostics()] == ["nothing is named `gross_limit`"]
    broken = await editor.diagnostics()
    assert any("gross_limit" in each.message for each in broken)
    inside = next(each for each in broken if each.related_information and each.related_information[0].location.uri.endswith("limits.cap"))
    assert sliced(editor, inside.range) == '"limits.cap"'


@pytest.mark.asyncio
async def test_lenses_run_tests_and_decide(client: LanguageClient):
    editor = Editor(client, client.folder / "desk.cap", POLICY)
    await editor.diagnostics()
    lenses = await client.text_document_code_lens_async(lsp.CodeLensParams(editor.id))
    titles = [each.command.title for each in lenses]
    assert titles == ["Run 2 tests", "Run test", "Run test"]

    async def run(lens: lsp.CodeLens) -> str:
        return await client.workspace_execute_command_async(lsp.ExecuteCommandParams(command=lens.command.command, arguments=lens.command.arguments))

    assert "2 passed" in await run(lenses[0])
    editor.type_("expect deny by EXP-0|30", "10", over=2)
    text = await run(lenses[2])
    assert "a large one is denied" in text
    assert "1 failed" in text
    assert "a small order passes" not in text
    said = await client.workspace_execute_command_async(lsp.ExecuteCommandParams(command="caplex.decide", arguments=[editor.uri]))
    assert "no facts are attached" in said


@pytest.mark.asyncio
async def test_facts_that_are_attached_give_headroom_and_a_decision(client: LanguageClient):
    text = (FACTS / "desk.cap").read_text(encoding="utf-8")
    facts = FACTS / "facts" / "2-trimmed.json"
    client.set_configuration({"caplex": {"facts": str(facts)}})
    client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams(settings={"caplex": {"facts": str(facts)}}))
    editor = Editor(client, client.folder / "quick.cap", text)
    await editor.diagnostics()
    said = await client.workspace_execute_command_async(lsp.ExecuteCommandParams(command="caplex.decide", arguments=[editor.uri]))
    assert "EXP-010" in said
    client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams(settings={}))
    hover = await client.text_document_hover_async(lsp.HoverParams(**editor.at("limit EXP-0|20")))
    assert "With the attached facts: kept" in hover.contents.value
    assert "headroom" in hover.contents.value
    json.loads(facts.read_text())  # the document itself was left alone


@pytest.mark.asyncio
async def test_a_file_outside_the_workspace(client: LanguageClient, tmp_path):
    path = written(tmp_path / "elsewhere with spaces")
    editor = Editor(client, path, POLICY)
    assert [each for each in await editor.diagnostics() if each.severity == lsp.DiagnosticSeverity.Error] == []
    where = await client.text_document_definition_async(lsp.DefinitionParams(**editor.at("limits.gross|_limit")))
    assert where.uri == (path.parent / "limits.cap").as_uri()


@pytest.mark.asyncio
async def test_lints_come_after_the_check(client: LanguageClient):
    text = POLICY.replace("let loss_share", "let nobody_reads_it = account.equity\nlet loss_share")
    editor = Editor(client, client.folder / "desk.cap", text)
    first = {each.code for each in await editor.diagnostics()}
    both = {each.code: each for each in await editor.diagnostics()}
    assert first < set(both)
    assert any("nobody_reads_it" in each.message for each in both.values())


@pytest.mark.asyncio
async def test_formatting_where_the_layout_is_there(client: LanguageClient):
    editor = Editor(client, client.folder / "desk.cap", POLICY.replace("currency USD", "currency      USD"))
    await editor.diagnostics()
    edits = await client.text_document_formatting_async(lsp.DocumentFormattingParams(editor.id, lsp.FormattingOptions(tab_size=2, insert_spaces=True)))
    import caplex

    if hasattr(caplex, "format_text"):
        assert [each.new_text for each in edits] == [caplex.format_text(editor.text)]
    else:
        assert edits is None


@pytest.mark.asyncio
async def test_a_crash_is_one_line_and_the_server_goes_on(client: LanguageClient):
    editor = Editor(client, client.folder / "desk.cap", POLICY)
    await editor.diagnostics()
    answer = await client.workspace_execute_command_async(lsp.ExecuteCommandParams(command="caplex.decide", arguments=[editor.uri, "no-such.json"]))
    assert "no-such.json` cannot be read" in answer
    hover = await client.text_document_hover_async(lsp.HoverParams(**editor.at("most max_po|sition of")))
    assert hover is not None


def test_handlers_that_crash_leave_a_line_and_no_answer(capsys):
    from caplex.compiler.lsp.server import _guarded, make

    def broken(server, params):
        raise KeyError("some\nthing")

    assert _guarded(make(), "textDocument/hover", broken)(None) is None
    line, rest = capsys.readouterr().err.split("\n")
    assert line.startswith("caplex lsp: textDocument/hover failed: KeyError: 'some\\nthing' at test_server.py:")
    assert rest == ""


def test_the_process_ends_cleanly_when_the_editor_leaves():
    def message(body: dict) -> bytes:
        content = json.dumps({"jsonrpc": "2.0", **body}).encode()
        return b"Content-Length: %d\r\n\r\n%s" % (len(content), content)

    talk = message({"id": 1, "method": "initialize", "params": {"capabilities": {}, "processId": None, "rootUri": None}})
    talk += message({"method": "initialized", "params": {}}) + message({"id": 2, "method": "shutdown"}) + message({"method": "exit"})
    done = subprocess.run(COMMAND, input=talk, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stderr == b""
    assert b'"textDocumentSync"' in done.stdout


def test_a_missing_extra_is_one_sentence():
    program = "import sys; sys.modules['pygls'] = None; from caplex.compiler.cli.main import run; sys.exit(run(['lsp']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: the language server wants an extra that is not installed: pip install 'caplex[lsp]'"]
