"""Comments that silence a finding: ``# caplex: ignore CAP705 because REASON``, on its line or on the one above."""
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from caplex.compiler.diagnostics import codes_reading as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Edit, Fix
from caplex.compiler.lint.mending import replaced
from caplex.compiler.lint.registry import codes as known_codes
from caplex.compiler.lint.selecting import code_of, unknown
from caplex.compiler.semantics.report import at
from caplex.compiler.source import Source, Span

# Texts first, so that a `#` inside one begins nothing.
_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*')
_CALL = re.compile(r"#\s*caplex\s*:\s*(.*?)\s*$", re.S)
_IGNORE = re.compile(r"ignore\b\s*(.*?)(?:\s*\bbecause\b\s*(.*))?$", re.S)


@dataclass(frozen=True, slots=True)
class Suppression:
    """Attributes:
        codes: Numbers of what it silences.
        reason: Why, as the author says.
        line: The line of which findings are silenced.
    """

    codes: tuple[str, ...]
    reason: str
    line: int
    span: Span


@dataclass(frozen=True, slots=True)
class Silenced:
    """A finding and what silences it."""

    found: Diagnostic
    by: Suppression


def read(source: Source) -> tuple[list[Suppression], list[Diagnostic]]:
    """The comments of *source* that silence something, and what is wrong with others that are meant to."""
    suppressions, problems = [], []
    for match in _TOKEN.finditer(source.text):
        call = _CALL.match(match.group())
        if call is None:
            continue
        span = Span(source, match.start(), match.end() - (len(match.group()) - len(match.group().rstrip())))
        ignore = _IGNORE.match(call.group(1))
        if ignore is None:
            word = (call.group(1).split() or [""])[0]
            problems.append(at(codes.UNKNOWN_SUPPRESSION, f"`caplex: {word}` means nothing", span, "", help="write `# caplex: ignore CODE because REASON`"))
            continue
        words = [word for word in re.split(r"[,\s]+", ignore.group(1)) if word]
        reason = (ignore.group(2) or "").strip()
        bad = [why for word in words if (why := _refused(word)) is not None]
        if not words or bad:
            problems += [at(codes.UNKNOWN_SUPPRESSION, why, span, "silences nothing") for why in bad or ["the comment does not say what it silences"]]
        if not reason:
            problems.append(at(codes.NO_REASON, "this finding is silenced without a reason", span, "silences nothing until it says why",
                               help=f"end it with `because …`: `# caplex: ignore {', '.join(words) or 'CAP705'} because the desk knows`"))
        elif good := tuple(code.id for word in words if (code := code_of(word)) is not None and _refused(word) is None):
            suppressions.append(Suppression(good, reason, _line(source, span), span))
    return suppressions, problems


def _refused(word: str) -> str | None:
    code = code_of(word)
    if code is None:
        return unknown(word) or f"`{word}` is more than one finding: name them"
    return f"`{code.name}` is about these comments, and cannot be silenced by one" if known_codes()[code.id][1] == "comments" else None


def _line(source: Source, span: Span) -> int:
    """Its own line if something else stands there, else the next that holds more than a comment."""
    number = span.begin.line
    if source.line(number)[:span.begin.column - 1].strip():
        return number
    last = len(source.starts())
    number += 1
    while number < last and (not source.line(number).strip() or source.line(number).lstrip().startswith("#")):
        number += 1
    return number


def silence(
    found: Sequence[tuple[Diagnostic, int]], suppressions: Sequence[Suppression], looked_for: frozenset[str],
) -> tuple[list[Diagnostic], list[Silenced], list[Diagnostic]]:
    """What is left of *found* (with the lines at which it may be silenced), what is silenced, and the comments that were of no use.

    *looked_for*: numbers of the codes that were selected; a comment about another is not to blame.
    """
    left, silenced, used = [], [], set()
    for each, line in found:
        by = next((one for one in suppressions if one.line == line and each.code.id in one.codes and not each.is_error), None)
        if by is None:
            left.append(each)
        else:
            used.add((by.span.start, each.code.id))
            silenced.append(Silenced(each, by))
    return left, silenced, list(_unused(suppressions, used, looked_for))


def _unused(suppressions: Sequence[Suppression], used: set[tuple[int, str]], looked_for: frozenset[str]) -> Iterator[Diagnostic]:
    for each in suppressions:
        idle = [code for code in each.codes if (each.span.start, code) not in used and code in looked_for]
        if not idle:
            continue
        names = " and ".join(f"`{code}`" for code in idle)
        told = at(codes.UNUSED_SUPPRESSION, f"{names} {'finds' if len(idle) == 1 else 'find'} nothing here", each.span, "silences nothing",
                  help="take it out" if len(idle) == len(each.codes) else f"take {names} out of it")
        fix = Fix("take the comment out", True, (Edit(_with_line(each.span), ""),)) if len(idle) == len(each.codes) else None
        yield replaced(told, fix)


def _with_line(span: Span) -> Span:
    """The comment, with its whole line if nothing else stands there."""
    text = span.source.text
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end)
    if text[start:span.start].strip():
        return Span(span.source, start + len(text[start:span.start].rstrip()), span.end)
    return Span(span.source, start, end + 1 if end >= 0 else len(text))
