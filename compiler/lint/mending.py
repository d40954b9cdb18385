"""Fixes: edits of the text that never overlap, and whose result is tried before anybody writes it."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from caplex.compiler.diagnostics.diagnostic import Diagnostic, Edit, Fix
from caplex.compiler.source import Source

MOST_ROUNDS = 10
"""One fix can uncover another: parentheses in parentheses."""


@dataclass(frozen=True, slots=True)
class Mended:
    """*text* after *applied* fixes, in the order in which they were applied."""

    text: str
    applied: tuple[Diagnostic, ...]


def replaced(diagnostic: Diagnostic, fix: Fix | None) -> Diagnostic:
    """*diagnostic* with *fix*."""
    return replace(diagnostic, fix=fix)


def mend(source: Source, look: Callable[[Source], Sequence[Diagnostic]], *, unsafe: bool = False) -> Mended:
    """Apply the fixes of what *look* finds in *source*, again and again until there are none.

    A fix after which the policy has an error that it did not have is left out, and not tried again.
    """
    applied: list[Diagnostic] = []
    refused: set[tuple[str, str]] = set()
    text = source.text
    found = look(source)
    errors = sum(each.is_error for each in found)
    for _ in range(MOST_ROUNDS):
        wanted = _apart([each for each in found if _applies(each, source, unsafe) and _name(each) not in refused], text)
        if not wanted:
            break
        new, after = _tried(source.name, text, wanted, look)
        if sum(each.is_error for each in after) > errors:
            # One of them breaks it: find out which, one at a time.
            kept: list[Diagnostic] = []
            for each in wanted:
                _, after = _tried(source.name, text, [*kept, each], look)
                if sum(one.is_error for one in after) > errors:
                    refused.add(_name(each))
                else:
                    kept.append(each)
            wanted = kept
            if not wanted:
                break
            new, after = _tried(source.name, text, wanted, look)
        applied += wanted
        text, found = new, after
        source = next((each.span.source for each in found if each.span is not None and each.span.source.name == source.name), Source(source.name, text))
    return Mended(text, tuple(applied))


def edited(text: str, edits: Iterable[Edit]) -> str:
    """*text* with *edits*, which do not overlap."""
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end), reverse=True):
        text = text[:edit.span.start] + edit.text + text[edit.span.end:]
    return text


def _applies(found: Diagnostic, source: Source, unsafe: bool) -> bool:
    fix = found.fix
    return fix is not None and bool(fix.edits) and (fix.safe or unsafe) and all(edit.span.source.name == source.name for edit in fix.edits)


def _name(found: Diagnostic) -> tuple[str, str]:
    return found.code.id, found.message


def _apart(found: Sequence[Diagnostic], text: str) -> list[Diagnostic]:
    """Of those that overlap, the first in the text; the others come in the next round."""
    taken: list[tuple[int, int]] = []
    out = []
    for each in sorted(found, key=lambda each: each.sort_key()):
        assert each.fix is not None
        spans = [(edit.span.start, edit.span.end) for edit in each.fix.edits]
        clash = any((start < high and low < end) or start == low for start, end in spans for low, high in taken)
        if not clash and all(end <= len(text) for _, end in spans):
            taken += spans
            out.append(each)
    return out


def _tried(name: str, text: str, wanted: Sequence[Diagnostic], look: Callable[[Source], Sequence[Diagnostic]]) -> tuple[str, Sequence[Diagnostic]]:
    new = edited(text, (edit for each in wanted if each.fix is not None for edit in each.fix.edits))
    return new, look(Source(name, new))
