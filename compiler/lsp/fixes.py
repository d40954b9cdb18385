"""What can be done about a finding by pressing a key: the fixes that diagnostics bring, and what was probably meant."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.lsp.document import Document

_MEANT = re.compile(r"^did you mean `([^`]+)`\?")
_WORDS = re.compile(r"[A-Za-z_][\w.]*(?:-[\w-]+)?")
_NEAR = 0.5


@dataclass(frozen=True, slots=True)
class Action:
    """Edits of the text as it is. *preferred*: it cannot change what the policy permits, or only one thing can be meant."""

    title: str
    edits: tuple[tuple[int, int, str], ...]
    diagnostic: Diagnostic
    preferred: bool


def actions(document: Document, start: int, end: int) -> list[Action]:
    """For the findings of the last check that lie between *start* and *end*."""
    return [action for found in document.latest.diagnostics if _touches(document, found, start, end)
            for action in _of(document, found)] if document.latest is not None else []


def _touches(document: Document, found: Diagnostic, start: int, end: int) -> bool:
    if found.span is None or document.latest is None or found.span.source is not document.latest.source:
        return False
    first, last = document.latest_span(found.span)
    return first <= end and start <= last


def _of(document: Document, found: Diagnostic) -> Iterator[Action]:
    assert document.latest is not None
    if found.fix is not None and all(edit.span.source is document.latest.source for edit in found.fix.edits):
        edits = [(*document.latest_span(edit.span), edit.span.text, edit.text) for edit in found.fix.edits]
        if all(document.text[first:last] == was for first, last, was, _ in edits):
            title = found.fix.title if found.fix.safe else f"{found.fix.title} (changes what is permitted)" if "permit" in found.fix.title else found.fix.title
            yield Action(title, tuple((first, last, text) for first, last, _, text in edits), found, found.fix.safe)
            return
    meant = _MEANT.match(found.help or "")
    if meant is None or found.span is None:
        return
    place = _word_for(found.span.text, meant[1])
    if place is not None:
        first, _ = document.latest_span(found.span)
        at, to = first + place[0], first + place[1]
        if document.text[at:to] == found.span.text[slice(*place)]:
            yield Action(f"Change to `{meant[1]}`", ((at, to, meant[1]),), found, True)


def _word_for(text: str, meant: str) -> tuple[int, int] | None:
    """Which word of *text* the suggestion replaces: the nearest."""
    best = max(_WORDS.finditer(text), key=lambda match: SequenceMatcher(None, match[0].lower(), meant.lower()).ratio(), default=None)
    if best is None or (best[0] != text and SequenceMatcher(None, best[0].lower(), meant.lower()).ratio() < _NEAR):
        return None
    return best.span()
