"""What a file holds: its symbols, rules grouped by stage, those of the whole workspace, and what can be folded."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, assert_never

from caplex.compiler.lsp.document import Document
from caplex.compiler.semantics.symbols import family
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast

Form = Literal["policy", "stage", "rule", "switch", "setting", "let", "import", "input", "field", "test", "group", "size", "waiver", "answer"]
_PIECE = re.compile(r'"(?:[^"\\\n]|\\.)*"?|\#[^\n]*|[{}()]|\n')
_MOST = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One symbol: *start* to *end* is all of it, *at* to *to* its name."""

    name: str
    detail: str
    form: Form
    start: int
    end: int
    at: int
    to: int
    children: tuple[Entry, ...] = ()


def symbols(document: Document) -> list[Entry]:
    """Header, imports, facts and settings; then the stages with their rules, in the order in which they decide; then tests."""
    good = document.good
    if good is None:
        return []
    out: list[Entry] = []
    stages: dict[str, list[Entry]] = {}
    tests: list[Entry] = []
    if good.header is not None:
        header = good.header
        out.append(_entry(document, header.name.text, "policy", "policy", header.span, header.name.span))
        for stage in good.checked.policy.phases if good.checked is not None else ():
            stages.update((name, []) for name in stage)
    for item in good.items:
        entry = _of(document, item)
        if isinstance(item, ast.Rule | ast.Limit | ast.Throttle | ast.Cooldown | ast.KillSwitch):
            stages.setdefault(family(item.rule_id.text), []).append(entry)
        elif isinstance(item, ast.Test | ast.Property):
            tests.append(entry)
        else:
            out.append(entry)
    out += [_group(name, f"{len(rules)} rule{'' if len(rules) == 1 else 's'}", "stage", rules) for name, rules in stages.items() if rules]
    return out + ([_group("tests", str(len(tests)), "group", tests)] if tests else [])


def found(document: Document, query: str) -> Iterator[Entry]:
    """Those of a file whose name or title has the letters of *query* in this order."""
    letters = re.compile(".*?".join(map(re.escape, query.replace(" ", ""))), re.I | re.S)
    count = 0
    for entry in _flat(symbols(document)):
        if entry.form not in ("stage", "group") and letters.search(f"{entry.name} {entry.detail}"):
            count += 1
            if count > _MOST:
                return
            yield entry


def _flat(entries: list[Entry]) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        yield from _flat(list(entry.children))


def _entry(document: Document, name: str, detail: str, form: Form, span: Span, at: Span, children: tuple[Entry, ...] = ()) -> Entry:
    start, end = document.now_span(span)
    first, last = document.now_span(at)
    return Entry(name, detail, form, start, max(end, last), max(first, start), last, children)


def _group(name: str, detail: str, form: Form, entries: list[Entry]) -> Entry:
    start, end = min(each.start for each in entries), max(each.end for each in entries)
    first = entries[0]
    return Entry(name, detail, form, start, end, first.at, first.to, tuple(entries))


def _of(document: Document, item: ast.Item) -> Entry:
    match item:
        case ast.Use():
            target = item.target if isinstance(item.target, str) else ".".join(item.target)
            return _entry(document, item.alias.text if item.alias else target, target, "import", item.span, item.alias.span if item.alias else item.target_span)
        case ast.Setting():
            return _entry(document, item.name.text, f"{item.type.span.text} {item.title or ''}".rstrip(), "setting", item.span, item.name.span)
        case ast.Let():
            return _entry(document, item.name.text, "", "let", item.span, item.name.span)
        case ast.InputRecord():
            fields = tuple(_entry(document, each.name.text, each.type.span.text, "field", each.span, each.name.span) for each in item.fields)
            return _entry(document, item.name.text, "input", "input", item.span, item.name.span, fields)
        case ast.InputScalar():
            return _entry(document, item.field.name.text, item.field.type.span.text, "input", item.span, item.field.name.span)
        case ast.Rule() | ast.Limit() | ast.Throttle() | ast.Cooldown():
            return _entry(document, item.rule_id.text, item.title or "", "rule", item.span, item.rule_id.span)
        case ast.KillSwitch():
            return _entry(document, item.rule_id.text, item.title or "", "switch", item.span, item.rule_id.span)
        case ast.Waiver():
            return _entry(document, item.rule_id.text, f"of {item.of.text}", "waiver", item.span, item.rule_id.span)
        case ast.Size():
            return _entry(document, item.rule_id.text, item.title or "", "size", item.span, item.rule_id.span)
        case ast.Allocate():
            return _entry(document, item.name.text, "allocate", "size", item.span, item.name.span)
        case ast.Answer():
            return _entry(document, "answer", "", "answer", item.span, item.span)
        case ast.Emit():
            return _entry(document, f"emit {item.tag}", "", "answer", item.span, item.span)
        case ast.Test() | ast.Property():
            return _entry(document, item.title, "test" if isinstance(item, ast.Test) else "property", "test", item.span, item.span)
    assert_never(item)


def folds(text: str) -> list[tuple[int, int, str]]:
    """First and last line of what can be folded, from 0, and what it is: ``region``, ``comment``, ``imports``. Of the text alone."""
    out: list[tuple[int, int, str]] = []
    stack: list[int] = []
    line = 0
    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece == "\n":
            line += 1
        elif piece in "{(":
            stack.append(line)
        elif piece in "})" and stack:
            start = stack.pop()
            if line > start:
                out.append((start, line - 1 if line - 1 > start else line, "region"))
    lines = text.split("\n")
    out += _runs(lines, lambda each: each.lstrip().startswith("#"), "comment")
    out += _runs(lines, lambda each: each.startswith("use "), "imports")
    return sorted(set(out))


def _runs(lines: list[str], belongs: Callable[[str], bool], kind: str) -> Iterator[tuple[int, int, str]]:
    start = None
    for number, line in enumerate([*lines, ""]):
        if belongs(line):
            start = number if start is None else start
        elif start is not None:
            if number - 1 > start:
                yield start, number - 1, kind
            start = None
