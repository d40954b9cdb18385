"""Diagnostics for programs: the one shape that check, lint, Python and the editor share, and annotations for GitHub."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from caplex.compiler.diagnostics.diagnostic import Diagnostic, Fix, Level
from caplex.compiler.source import Span

LINT_SCHEMA = "caplex.lint/1"
_GITHUB_LEVEL = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def to_dict(diagnostic: Diagnostic) -> dict[str, Any]:
    """The one shape of a diagnostic. Keys are always there; a place that is not known is null, never left out."""
    return {
        "code": diagnostic.code.id,
        "name": diagnostic.code.name,
        "level": diagnostic.severity.value,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "notes": list(diagnostic.notes),
        "source": _source(diagnostic.span, diagnostic.where),
        "related": [
            {"message": label.text, "source": _source(label.span)}
            for label in diagnostic.labels
            if label.text or label.span != diagnostic.span
        ],
        "fix": _fix(diagnostic.fix),
        "page": f"caplex explain {diagnostic.code.id}",
    }


def document(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """The JSON document of `check` and `lint`."""
    counts = Counter(found.severity for found in diagnostics)
    return {
        "schema": LINT_SCHEMA,
        "diagnostics": [to_dict(found) for found in diagnostics],
        "summary": {level.value: counts[level] for level in Level},
    }


def annotation(level: str, span: Span, title: str, message: str) -> str:
    """One workflow command for what is no diagnostic: *level* is error, warning or notice."""
    begin = span.begin
    return f"::{level} file={_property(span.source.name)},line={begin.line},col={begin.column},title={_property(title)}::{_data(message)}"


def github(diagnostics: Iterable[Diagnostic]) -> str:
    """Workflow commands, one a line, that GitHub draws beside the changed lines."""
    return "\n".join(_annotation(found) for found in diagnostics)


def _source(span: Span | None, where: str | None = None) -> dict[str, Any] | None:
    if span is None:
        return None if where is None else {"file": where, **dict.fromkeys(("line", "column", "end_line", "end_column"))}
    begin, end = span.begin, span.finish
    return {
        "file": span.source.name,
        "line": begin.line, "column": begin.column, "end_line": end.line, "end_column": end.column,
    }


def _fix(fix: Fix | None) -> dict[str, Any] | None:
    if fix is None:
        return None
    edits = [{"source": _source(edit.span), "text": edit.text} for edit in fix.edits]
    return {"title": fix.title, "safe": fix.safe, "edits": edits}


def _annotation(diagnostic: Diagnostic) -> str:
    place = _source(diagnostic.span, diagnostic.where) or {}
    names = {"file": "file", "line": "line", "column": "col", "end_line": "endLine", "end_column": "endColumn"}
    properties = [f"{names[key]}={_property(str(value))}" for key, value in place.items() if value is not None]
    properties.append(f"title={_property(f'{diagnostic.code.id} {diagnostic.code.name}')}")
    text = diagnostic.message if diagnostic.help is None else f"{diagnostic.message}\nhelp: {diagnostic.help}"
    return f"::{_GITHUB_LEVEL[diagnostic.severity]} {','.join(properties)}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
