"""No place of no text, whole or torn, makes a question crash."""
from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
from lsprotocol import types as lsp

from caplex.compiler.lsp import completion, describe, fixes, marks, navigate, outline, protocol, signatures
from caplex.compiler.lsp.names import Names
from caplex.compiler.lsp.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
POLICIES = sorted([*ROOT.glob("examples/*/*.cap"), *ROOT.glob("stdlib_rules/*.cap"), ROOT / "grammar" / "facts.cap"])


def asked(workspace: Workspace, document, offset: int) -> None:
    """Everything that an editor asks about a place and its text."""
    names = Names(document.good) if document.good is not None else None
    here, offers = completion.complete(document, names, offset)
    protocol.completion(document, here, offers, offset)
    signatures.signature(document, names, offset)
    fixes.actions(document, offset, offset)
    outline.folds(document.text)
    outline.symbols(document)
    marks.lenses(document, "file:///x.cap", None)
    colours = marks.colours(document, names, max(0, offset - 300), offset + 300)
    assert all(number >= 0 for number in protocol.tokens(document, colours).data)
    if names is None:
        return
    hovered = describe.hover(document, names, offset)
    if hovered is not None:
        assert hovered[2].strip()
        assert 0 <= hovered[0] <= hovered[1] <= len(document.text)
    navigate.definition(workspace, document, names, offset)
    navigate.highlights(document, names, offset)
    marks.hints(document, names, max(0, offset - 300), offset + 300)
    with suppress(navigate.Refused):  # an answer too, if a short one
        navigate.target(document, names, offset)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_policy_can_be_asked_about(path):
    workspace = Workspace()
    text = path.read_text(encoding="utf-8")
    document = workspace.open(path, text, 1)
    document.settle(workspace.check(path, text, workspace.texts()), document.mark)
    assert document.good.whole
    chance = random.Random(path.name)
    for offset in chance.sample(range(len(text) + 1), 25):
        asked(workspace, document, offset)


@pytest.mark.parametrize("seed", range(6))
def test_torn_texts_can_be_asked_about(seed, tmp_path):
    chance = random.Random(seed)
    workspace = Workspace()
    path = tmp_path / "desk.cap"
    text = (ROOT / "examples" / "quickstart" / "desk.cap").read_text(encoding="utf-8")
    if seed % 2:
        text = text[: chance.randrange(len(text))]
    document = workspace.open(path, text, 1)
    document.settle(workspace.check(path, text, workspace.texts()), document.mark)
    for _ in range(12):
        start = chance.randrange(len(document.text) + 1)
        end = min(len(document.text), start + chance.choice([0, 1, 5, 40]))
        document.change(None, start, end, chance.choice(["", "{", "}", '"', "x.", "\U0001f680", "\n\n", "deny when ", "(", "20 "]))
        asked(workspace, document, start)
        document.settle(workspace.check(path, document.text, workspace.texts()), document.mark)
        asked(workspace, document, chance.randrange(len(document.text) + 1))
        assert isinstance(protocol.diagnostics(document, lambda each: each.as_uri())[0:1], list)
        for found in protocol.diagnostics(document, lambda each: each.as_uri()):
            assert isinstance(found.range, lsp.Range)
            assert (found.range.start.line, found.range.start.character) <= (found.range.end.line, found.range.end.character)
