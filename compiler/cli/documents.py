"""What the commands read: JSON with every digit kept, lists of intents, and the policies in a folder."""
from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from caplex.compiler.cli.output import Status, Stop
from caplex.compiler.diagnostics import codes_input as codes
from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic, Label
from caplex.compiler.source import Source, Span
from caplex.runtime.reading import Overlong

if TYPE_CHECKING:
    import pathspec

MOST_BYTES = 64 * 1024 * 1024
MOST_DEPTH = 100
MOST_DIGITS = 800  # the core refuses above 400 when written out; what is longer is not even made into a number
MOST_EXPONENT = 10_000

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
    """The objects in the file *path*: one JSON object a line, or one array of objects. Raises Stop."""
    source = read_text(path)
    if source.text.lstrip().startswith("["):
        rows = _parse(source)
        for number, row in enumerate(rows, start=1):
            if not isinstance(row, dict):
                _refuse(codes.NOT_AN_OBJECT, f"row {number} of the list is no object", source, 0, 1)
            yield row
        return
    for number, line in enumerate(source.text.split("\n"), start=1):
        if line.strip():
            # The lines before keep the place true without a second way to count.
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
    if first_line > 1:
        source = Source(source.name, "\n" * (first_line - 1) + source.text)
    value = _parse(source)
    if not isinstance(value, dict):
        start = len(source.text) - len(source.text.lstrip())
        kind = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
        _refuse(codes.NOT_AN_OBJECT, f"the document is {kind}, not an object", source, start, start + 1)
    return value


def _parse(source: Source) -> Any:
    if not source.text.strip():
        _refuse(codes.NOT_JSON, "the document is empty", source, 0, 0)
    _measure(source)
    try:
        return json.loads(
            source.text, parse_int=_integer, parse_float=_decimal, parse_constant=str, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        sentence = _SENTENCES.get(error.msg, "this is not JSON")
        if source.text.startswith("'", error.pos):
            sentence = "JSON texts stand in double quotes"
        _refuse(codes.NOT_JSON, "the document is not JSON", source, error.pos, error.pos + 1, sentence)
    except _Duplicate:
        _point_at_duplicate(source)
    except RecursionError:
        _refuse(codes.TOO_LARGE, "the document is nested too deeply", source, 0, 1)


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


def _integer(digits: str) -> Any:
    return int(digits) if len(digits) <= MOST_DIGITS else Overlong(digits)


def _decimal(digits: str) -> Any:
    exponent = re.split("[eE]", digits)[-1] if "e" in digits.lower() else "0"
    if len(digits) > MOST_DIGITS or len(exponent) > 8 or abs(int(exponent)) > MOST_EXPONENT:
        return Overlong(digits)
    return Decimal(digits)


class _Duplicate(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise _Duplicate
    return read


def _point_at_duplicate(source: Source) -> NoReturn:
    """Walk the tokens once more to find where the second key stands; only documents that are refused pay for it."""
    open_: list[dict[str, tuple[int, int]] | None] = []
    tokens = list(_TOKEN.finditer(source.text))
    for token, after in zip(tokens, tokens[1:], strict=False):
        character = token.group()[0]
        if character in "{[":
            open_.append({} if character == "{" else None)
        elif character in "}]":
            open_.pop()
        elif character == '"' and after.group() == ":" and open_ and (seen := open_[-1]) is not None:
            key = json.loads(token.group())
            if key in seen:
                first, second = Span(source, *seen[key]), Span(source, *token.span())
                labels = (Label(first, "here first"), Label(second, "and here again", primary=True))
                _stop(Diagnostic(codes.DUPLICATE_KEY, f"the key `{key}` stands twice in one object", second, labels))
            seen[key] = token.span()
    raise AssertionError("a duplicate key that the second reading does not find")


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
        found = sorted(_in_folder(path))
        if not found:
            raise Stop(Status.USAGE, f"no policy (*.cap) lies in `{name}`")
        files.update(dict.fromkeys(found))
    return list(files)


def _in_folder(top: Path) -> Iterator[Path]:
    from pathspec import GitIgnoreSpec

    ignores = list(_ignores_above(top.resolve()))
    for folder, folders, names in os.walk(top):
        here = Path(folder)
        if ".gitignore" in names and here != top:
            ignores.append((here.resolve(), _ignore(GitIgnoreSpec, here / ".gitignore")))
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not _ignored(here / name, ignores, folder=True))
        yield from (here / name for name in names if name.endswith(".cap") and not _ignored(here / name, ignores))


def _ignores_above(top: Path) -> Iterator[tuple[Path, pathspec.GitIgnoreSpec]]:
    """The `.gitignore` of *top* and of the folders above it, up to the one that holds `.git`."""
    from pathspec import GitIgnoreSpec

    for folder in (top, *top.parents):
        if (folder / ".gitignore").is_file():
            yield folder, _ignore(GitIgnoreSpec, folder / ".gitignore")
        if (folder / ".git").exists():
            return


def _ignore(spec: type[pathspec.GitIgnoreSpec], file: Path) -> pathspec.GitIgnoreSpec:
    return spec.from_lines(file.read_text(encoding="utf-8", errors="replace").splitlines())


def _ignored(path: Path, ignores: list[tuple[Path, pathspec.GitIgnoreSpec]], *, folder: bool = False) -> bool:
    whole = path.parent.resolve() / path.name
    for base, spec in ignores:
        if whole.is_relative_to(base) and spec.match_file(whole.relative_to(base).as_posix() + ("/" if folder else "")):
            return True
    return False
