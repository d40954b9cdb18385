"""Findings for programs: JSON (``caplex.lint/1``), SARIF 2.1.0, JUnit XML."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.etree import ElementTree as xml

from caplex.compiler.diagnostics import formats
from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic, Edit, Level
from caplex.compiler.diagnostics.render import render
from caplex.compiler.lint.comments import Silenced
from caplex.compiler.lint.registry import codes
from caplex.compiler.lint.run import File
from caplex.compiler.source import Span
from caplex.version import __version__

SARIF_VERSION: Final = "2.1.0"
_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "note"}


def document(files: Sequence[File], fixed: int = 0) -> dict[str, Any]:
    """``caplex.lint/1``: the document of `check`, with what is silenced and why, and how much was mended."""
    return formats.document([found for file in files for found in file.found]) | {
        "files": [str(file.path) for file in files],
        "suppressed": [formats.to_dict(each.found) | {"reason": each.by.reason} for file in files for each in file.silenced],
        "fixed": fixed,
        "failing": sum(len(file.failing) for file in files),
    }


# ── SARIF ─────────────────────────────────────────────────────────────────────────────────────────────


def sarif(files: Sequence[File]) -> dict[str, Any]:
    """One run: every rule that a result names, with its page; silenced findings with their reason."""
    silenced = [each for file in files for each in file.silenced]
    found = [found for file in files for found in file.found]
    used = sorted({each.code.id: each.code for each in (*found, *(one.found for one in silenced))}.items())
    places = {number: place for place, (number, _) in enumerate(used)}
    return {
        "$schema": _SARIF_SCHEMA,
        "version": SARIF_VERSION,
        "runs": [{
            "tool": {"driver": {"name": "caplex", "semanticVersion": _semantic(), "version": __version__, "rules": [_rule(code) for _, code in used]}},
            "columnKind": "unicodeCodePoints",
            "results": [*(_result(each, places) for each in found), *(_suppressed(each, places) for each in silenced)],
        }],
    }


def _semantic() -> str:
    """The version as semantic versioning writes it: `0.3.0.dev1` is `0.3.0-dev1`."""
    parts = __version__.split(".")
    return ".".join(parts[:3]) + ("-" + "-".join(parts[3:]) if len(parts) > 3 else "")


def _rule(code: Code) -> dict[str, Any]:
    parts = [code.why]
    markdown = [code.why]
    for head, text in (("Avoid", code.example), ("Prefer", code.cure)):
        if text:
            parts.append(f"{head}:\n\n{text}")
            markdown.append(f"**{head}**\n\n```cap\n{text}\n```")
    group = codes()[code.id][1] if code.id in codes() else "error"
    return {
        "id": code.id, "name": "".join(word.capitalize() for word in code.name.split("-")),
        "shortDescription": {"text": code.title}, "fullDescription": {"text": code.why},
        "help": {"text": "\n\n".join(parts), "markdown": "\n\n".join(markdown)},
        "defaultConfiguration": {"level": _LEVELS[code.level]}, "properties": {"tags": [group, code.name]},
    }


def _result(found: Diagnostic, places: dict[str, int]) -> dict[str, Any]:
    text = found.message + "".join(f". {note}" for note in found.notes) + (f". Help: {found.help}" if found.help else "")
    result: dict[str, Any] = {
        "ruleId": found.code.id, "ruleIndex": places[found.code.id], "level": _LEVELS[found.severity],
        "message": {"text": text}, "locations": [_location(found.span, found.where)],
    }
    related = [label for label in found.labels if not label.primary]
    if related:
        result["relatedLocations"] = [_location(label.span) | {"id": number, "message": {"text": label.text or "see here"}} for number, label in enumerate(related)]
    if found.fix is not None and found.fix.edits:
        result["fixes"] = [{"description": {"text": found.fix.title + ("" if found.fix.safe else " (unsafe: it may change what is permitted)")},
                            "artifactChanges": _changes(found.fix.edits)}]
    return result


def _suppressed(each: Silenced, places: dict[str, int]) -> dict[str, Any]:
    return _result(each.found, places) | {"suppressions": [
        {"kind": "inSource", "status": "accepted", "justification": each.by.reason, "location": _location(each.by.span)}]}


def _location(span: Span | None, where: str | None = None) -> dict[str, Any]:
    if span is None:
        return {"physicalLocation": {"artifactLocation": {"uri": _uri(where or "")}}}
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(span.source.name)}, "region": _region(span)}}


def _region(span: Span) -> dict[str, Any]:
    begin, end = span.begin, span.finish
    return {"startLine": begin.line, "startColumn": begin.column, "endLine": end.line, "endColumn": end.column}


def _changes(edits: Iterable[Edit]) -> list[dict[str, Any]]:
    by_file: dict[str, list[Edit]] = {}
    for edit in edits:
        by_file.setdefault(edit.span.source.name, []).append(edit)
    return [{"artifactLocation": {"uri": _uri(name)},
             "replacements": [{"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}} for edit in group]}
            for name, group in by_file.items()]


def _uri(name: str) -> str:
    path = Path(name)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


# ── JUnit ─────────────────────────────────────────────────────────────────────────────────────────────


def junit(files: Sequence[File]) -> str:
    """JUnit XML: a suite for each file, a case for each finding; a file without any is one case that passed."""
    root = xml.Element("testsuites", name="caplex lint", tests=str(sum(max(len(file.found), 1) for file in files)),
                       failures=str(sum(len(file.failing) for file in files)), errors="0")
    for file in files:
        suite = xml.SubElement(root, "testsuite", name=_clean(str(file.path)), tests=str(max(len(file.found), 1)),
                               failures=str(len(file.failing)), errors="0", skipped="0")
        if not file.found:
            xml.SubElement(suite, "testcase", classname=_clean(str(file.path)), name="no findings")
        for found in file.found:
            line = found.span.begin.line if found.span is not None else 1
            case = xml.SubElement(suite, "testcase", classname=_clean(str(file.path)), name=_clean(f"{found.code.id} {found.code.name}, line {line}"),
                                  file=_clean(found.span.source.name if found.span is not None else str(file.path)), line=str(line))
            told = xml.SubElement(case, "failure" if found in file.failing else "system-out")
            if found in file.failing:
                told.set("message", _clean(found.message))
                told.set("type", found.code.id)
            told.text = _clean(render(found))
    xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(root, encoding="unicode")


def _clean(text: str) -> str:
    """*text* without what XML cannot hold."""
    return "".join(character for character in text
                   if character in "\t\n" or "\x20" <= character <= "\ud7ff" or "\ue000" <= character <= "\ufffd" or character >= "\U00010000")
