"""What the commands read: JSON with every digit kept, lists of intents, and the policies in a folder."""
from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from caplex.compiler.cli.output import Status, Stop
from caplex.compiler.diagnostics import codes_input as codes
from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic, Label
from caplex.compiler.source import Source, Span
from caplex.compiler.tools.folders import policies_in

MOST_BYTES = 64 * 1024 * 1024
MOST_DEPTH = 100

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.S)
_SENTENCES = {
    "Expecting value": "a value must stand here",
    "Expecting property name enclosed in double quotes": "a name in double quotes must stand here",
    "Expecting ':' delimiter": "a colon must stand here",
    "Expecting ',' delimiter": "a comma or the end must stand here",
    "Unterminated string starting at": "this text has no closing quote",
    "Invalid control character at": "this character must be escaped inside a text",
    "Invalid \\escape": "this is no escape that JSON knows",
    "Invalid \\uXXXX escape": "this is no escape that JSON knows",
    "Extra data": "the document has ended before this",
    "Illegal trailing comma before end of object": "a comma must not stand before the end",
    "Illegal trailing comma before end of array": "a comma must not stand before the end",
}


def read_object(path: str) -> dict[str, Any]:
    """The JSON object in the file *path* (``-``: standard input), numbers by their digits. Raises Stop."""
    return parse_object(read_text(path))


def read_lines(path: str) -> Iterator[dict[str, Any]]:
    """The objects in the file *path*, one a line; empty lines say nothing. Raises Stop."""
    source = read_text(path)
    for number, line in enumerate(source.text.split("\n"), start=1):
        if line.strip():
            yield parse_object(Source(source.name, line), first_line=number)


def read_text(path: str) -> Source:
    """The text of *path*, UTF-8, within bounds. Raises Stop."""
    name = "<stdin>" if path == "-" else path
    try:
        if path == "-":
            raw = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with open(path, "rb") as file:
                raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        _stop(Diagnostic(codes.CANNOT_READ, f"`{name}` cannot be read: {error.strerror or type(error).__name__}", where=name))
    if len(raw) > MOST_BYTES:
        _stop(Diagnostic(codes.TOO_LARGE, f"`{name}` is larger than {MOST_BYTES // 1024 // 1024} MiB", where=name))
    try:
        return Source(name, raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        _stop(Diagnostic(codes.NOT_JSON, "the document is not UTF-8 text", where=f"{name}:{line}:{column}"))


def parse_object(source: Source, *, first_line: int = 1) -> dict[str, Any]:
    """The object in *source*, which begins at line *first_line* of its file. Raises Stop."""
    from caplex.runtime.document import read_json
    from caplex.runtime.errors import DocumentError

    if first_line > 1:
        # Empty lines before it keep the place true without a second way to count.
        source = Source(source.name, "\n" * (first_line - 1) + source.text)
    if not source.text.strip():
        _refuse(codes.NOT_JSON, "the document is empty", source, 0, 0)
    _measure(source)
    try:
        return read_json(source.text, source.name)
    except DocumentError as error:
        cause = error.__context__
    if isinstance(cause, json.JSONDecodeError):
        sentence = _SENTENCES.get(cause.msg, "this is not JSON")
        if source.text.startswith("'", cause.pos):
            sentence = "texts stand in double quotes"
        _refuse(codes.NOT_JSON, "the document is not JSON", source, cause.pos, cause.pos + 1, sentence)
    start = len(source.text) - len(source.text.lstrip())
    _refuse(codes.NOT_AN_OBJECT, "the document is not an object", source, start, start + 1, "an object begins with `{`")


def _measure(source: Source) -> None:
    """Refuse deep nesting before any reader recurses into it."""
    depth = 0
    if max(source.text.count("["), source.text.count("{")) <= MOST_DEPTH // 2:
        return
    for token in _TOKEN.finditer(source.text):
        character = token.group()[0]
        depth += (character in "{[") - (character in "}]")
        if depth > MOST_DEPTH:
            _refuse(codes.TOO_LARGE, f"the document is nested more than {MOST_DEPTH} deep", source, token.start(), token.end())


def _refuse(code: Code, message: str, source: Source, start: int, end: int, label: str = "") -> NoReturn:
    span = Span(source, start, end)
    _stop(Diagnostic(code, message, span, (Label(span, label, primary=True),)))


def _stop(diagnostic: Diagnostic) -> NoReturn:
    raise Stop(Status.USAGE, diagnostic.message, [diagnostic])


# ── policies in folders ───────────────────────────────────────────────────────────────────────────────


def policy_files(paths: Sequence[str]) -> list[Path]:
    """The files to check: each file as it is named; of a folder every ``*.cap`` that `.gitignore` does not leave out."""
    files: dict[Path, None] = {}
    for name in paths:
        path = Path(name)
        if not path.is_dir():
            files[path] = None
            continue
        found = policies_in(path)
        if not found:
            raise Stop(Status.USAGE, f"no policy (*.cap) lies in `{name}`")
        files.update(dict.fromkeys(found))
    return list(files)
