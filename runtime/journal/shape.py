"""Why bytes are no line of a journal, or a file no journal: the sentence, and the kind of the trouble."""
from __future__ import annotations

import json
import re
from typing import Any

from caplex.runtime.journal.record import FAMILY, FIRST, MOST_BYTES, SCHEMA, parse
from caplex.runtime.journal.trouble import JournalTrouble, Kind

# As far as it reaches, a first line that was cut off while it was written.
_START = b'{"at":'
_JOINED = re.compile(rb'\}.?\{"at":', re.DOTALL)
_KEYS = {"at", "body", "hash", "kind", "prev", "seq"}


def why_not_a_line(raw: bytes) -> str:
    """What is wrong with *raw*, which has not the form of a line; it goes after ``line 17``."""
    if not raw.strip():
        return "is empty: something was inserted, or a line was wiped"
    if raw.endswith(b"\r"):
        return "ends with CR LF: an editor or a transfer converted the file; take it from a copy made in binary"
    if b"\0" in raw:
        return "holds NUL bytes, as a power cut or a bad disk leaves them; compare with a copy"
    if len(raw) >= MOST_BYTES:
        return f"is longer than {MOST_BYTES // 2**20} MiB: no caplex wrote it"
    if are_joined(raw):
        return "holds two lines: the line end between them is gone"
    value = _json(raw)
    if isinstance(value, dict) and set(value) == _KEYS:
        return "is not in the canonical form (spaces, the order of keys, escapes, or a field was changed)"
    return "is not JSON: it was changed" if value is _NOTHING else "is JSON, but no line of a journal: it was changed or inserted"


def are_joined(raw: bytes) -> bool:
    """Whether *raw* is two lines whose line end is gone: the second may pass for the body of the first."""
    return _JOINED.search(raw) is not None


def refusal(name: str, first: bytes, second: bytes) -> JournalTrouble | None:
    """Why the file *name*, whose first two lines are given with their newlines, is no journal of this version; None if it is one.

    A journal whose first line was damaged or is gone is still a journal: what is left of it, or the next line, gives it away.
    """
    if first.endswith(b"\r\n") and (second.endswith(b"\r\n") or not second) and _is_ours(first):
        return JournalTrouble("broken", f"`{name}` has lines that end with CR LF: an editor or a transfer converted it; "
                              "take it from a copy made in binary")
    schema = _schema(first)
    if schema is not None and schema != SCHEMA and _unharmed(first):
        return JournalTrouble("newer", f"`{name}` is of the schema `{schema}`, and this caplex reads `{SCHEMA}`; use the caplex that wrote it")
    if schema is not None or _is_ours(first) or _is_line(first) or _is_line(second):
        return None
    if not first.endswith(b"\n") and looks_torn(first):
        return None
    return JournalTrouble("foreign", f"`{name}` is no journal: {_what(first)}")


def _is_ours(first: bytes) -> bool:
    """Whether *first*, damaged perhaps, was an opening line."""
    return b'"schema":"' + SCHEMA.encode() + b'"' in first or b'"kind":"open","prev":"' + FIRST.encode() + b'"' in first


def _unharmed(first: bytes) -> bool:
    """Whether *first* says what it was written to say, as far as this version can tell."""
    found = parse(first.rstrip(b"\n"), 1, 0)
    return found is None or found[0].hash == found[1]


def looks_torn(raw: bytes) -> bool:
    """Whether *raw* may be the beginning of a first line."""
    head = raw[: len(_START)]
    return bool(head) and _START.startswith(head) and (b'"body"' in raw[:80] or len(raw) < 50) and b"\0" not in raw


def _is_line(line: bytes) -> bool:
    return line.endswith(b"\n") and parse(line[:-1], 2, 0) is not None


def _what(first: bytes) -> str:
    if not first:
        return "it is empty"
    if b"\0" in first or _undecodable(first):
        return "it is a binary file"
    if _json(first) is not _NOTHING:
        return f"its first line is JSON, but does not open a journal (`{SCHEMA}`)"
    if first.count(b",") > 1 and not first.startswith((b"{", b"[")):
        return "it looks like a table (CSV)"
    return "its first line is not JSON"


def _undecodable(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


_NOTHING = object()


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return _NOTHING


def _schema(raw: bytes) -> str | None:
    """Which version of journal the first line says that it opens. Where a later version will keep it is not known, so both places are looked at."""
    value = _json(raw)
    if not isinstance(value, dict):
        return None
    body = value.get("body")
    for holder in (body if isinstance(body, dict) else {}, value):
        found = holder.get("schema")
        if isinstance(found, str) and found.startswith(FAMILY):
            return found
    return None


def unreadable(name: str, error: OSError) -> JournalTrouble:
    """Why the file *name* could not be opened for reading."""
    kind: Kind = "io"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        kind, reason = "missing", "there is no such file"
    elif isinstance(error, IsADirectoryError):
        kind, reason = "foreign", "it is a folder; name the file in it"
    else:
        reason = error.strerror or type(error).__name__
    return JournalTrouble(kind, f"the journal `{name}` cannot be read: {reason}")
