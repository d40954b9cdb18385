"""One line of a journal: its form, its hash, its body. Written and read here, so that both mean the same bytes.

A line is the canonical JSON of ``{"at", "body", "hash", "kind", "prev", "seq"}``, keys in this order, ASCII, no white space,
a newline at its end. ``hash`` is the sha256 of the line without its ``"hash":"…",`` and without the newline; as ``prev`` is in
there, it covers the hash before. Whole numbers stay numbers; decimals are texts; floats are refused.
"""
from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from json import encoder as _json
from typing import Any, Final, NoReturn

from caplex.runtime.canonical import MAX_DEPTH, NotCanonical, decimal_text, exact_text
from caplex.runtime.clock import NotATime, format_instant, from_datetime
from caplex.runtime.journal.trouble import JournalTrouble

SCHEMA: Final = "caplex.journal/1"
FAMILY: Final = "caplex.journal/"
FIRST: Final = "0" * 64  # the hash before the first line
AT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII)
KIND: Final = re.compile(r"[a-z][a-z_]{0,31}", re.ASCII)
# Nothing before the body can hold a quote, and what comes after it has one form only, read from the end: the body, which may
# hold any text, cannot pass for the rest.
_FRAME: Final = re.compile(
    r'\{"at":(?:null|"(' + AT.pattern + r')"),"body":(.*),"hash":"([0-9a-f]{64})",'
    r'("kind":"(' + KIND.pattern + r')","prev":"([0-9a-f]{64})","seq":(0|[1-9][0-9]{0,17})\})', re.DOTALL | re.ASCII)
MOST_BYTES: Final = 64 * 2**20  # of one line


class Record:
    """One line, whole and with its own hash right. The body is read when it is asked for; *text* is its JSON."""

    __slots__ = ("_body", "at", "end", "hash", "kind", "line", "prev", "seq", "text")
    at: str | None
    hash: str
    kind: str
    prev: str
    text: str

    def __init__(self, line: int, end: int, found: re.Match[str]) -> None:
        self.line = line
        self.end = end
        self.at, self.text, self.hash, _, self.kind, self.prev, seq = found.groups()
        self.seq = int(seq)
        self._body: Any = _UNREAD

    @property
    def body(self) -> Any:
        """JSON values alone.

        Raises:
            JournalTrouble: the line has the right hash and yet holds no JSON: whoever wrote it was no caplex.
        """
        if self._body is _UNREAD:
            try:
                self._body = read_body(self.text)
            except ValueError as error:
                raise JournalTrouble("broken", f"line {self.line} holds a body that is no canonical JSON: {error}") from None
        return self._body

    def to_dict(self) -> dict[str, Any]:
        """The line as an object."""
        return {"seq": self.seq, "prev": self.prev, "kind": self.kind, "at": self.at, "body": self.body, "hash": self.hash}

    def __repr__(self) -> str:
        return f"Record(seq={self.seq}, kind={self.kind!r}, at={self.at!r})"


_UNREAD: Final = object()


# ── writing ───────────────────────────────────────────────────────────────────────────────────────────


def _no_default(value: Any) -> NoReturn:
    raise NotCanonical(f"a {type(value).__name__}")


_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_no_default)
# `JSONEncoder.encode` builds its C encoder anew at each call, which costs as much as a short line does; this is the same one.
_MAKER: Final = getattr(_json, "c_make_encoder", None)
_CHUNKS: Final = _MAKER and _MAKER(None, _no_default, _json.encode_basestring_ascii, None, ":", ",", True, False, False)


def encode(body: Any) -> str:
    """The one text of *body*.

    Raises:
        NotCanonical: a float, a key that is not text, something that is not JSON, nested too deeply.
    """
    if not _plain(body, 0):
        body = _reduced(body, 0)
    try:
        text = _text(body)
    except ValueError as error:  # Python writes no whole number of more than 4 300 digits
        raise NotCanonical(str(error)) from None
    if "\\ud" in text:
        # Two halves of one character, kept apart in memory, are one once they are read: its place among the keys may change.
        text = _ENCODER.encode(json.loads(text))
    return text


def _text(value: Any) -> str:
    return "".join(_CHUNKS(value, 0)) if _CHUNKS else _ENCODER.encode(value)


def _plain(value: Any, depth: int) -> bool:
    """Whether *value* can be written as it is. A float cannot, nor can a key that JSON would turn into text."""
    kind = type(value)
    if kind is dict:
        if depth > MAX_DEPTH:
            return False
        for key, item in value.items():
            if type(key) is not str:
                return False
            kind = type(item)
            if kind is str or kind is int or kind is bool or item is None or (kind is list and not item and depth < MAX_DEPTH):
                continue
            if not _plain(item, depth + 1):
                return False
        return True
    if kind is list or kind is tuple:
        if depth > MAX_DEPTH:
            return False
        return all(type(item) is str or _plain(item, depth + 1) for item in value)
    return kind is str or kind is int or kind is bool or value is None


def _reduced(value: Any, depth: int) -> Any:
    """*value* in JSON's own types. Decimals and instants become the texts that they are in every document."""
    if depth > MAX_DEPTH:
        raise NotCanonical("nested too deeply")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise NotCanonical("a key that is not text")
        return {str(key): _reduced(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_reduced(item, depth + 1) for item in value]
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, Fraction):
        return exact_text(value)
    if isinstance(value, datetime):
        try:
            return format_instant(from_datetime(value))
        except NotATime as error:
            raise NotCanonical(f"a time without {error}") from None
    raise NotCanonical("a float: give the decimal as text" if isinstance(value, float) else f"a {type(value).__name__}")


def write(seq: int, prev: str, kind: str, at: str | None, body: str) -> tuple[bytes, str]:
    """A line with its newline, and its hash. *body* is encoded already."""
    start = (f'{{"at":"{at}","body":{body},' if at is not None else f'{{"at":null,"body":{body},').encode("ascii")
    rest = f'"kind":"{kind}","prev":"{prev}","seq":{seq}}}'.encode("ascii")
    hashed = sha256(start)
    hashed.update(rest)
    digest = hashed.hexdigest()
    return b'%b"hash":"%b",%b\n' % (start, digest.encode("ascii"), rest), digest


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────


def parse(raw: bytes, line: int, end: int) -> tuple[Record, str] | None:
    """The record in *raw*, a line without its newline, and the hash that it should have; None if it has not the form."""
    try:
        found = _FRAME.fullmatch(raw.decode("ascii"))
    except UnicodeDecodeError:
        return None
    if found is None:
        return None
    return Record(line, end, found), sha256(raw[: found.end(2) + 1] + raw[found.start(4) :]).hexdigest()


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is no whole number, and decimals are texts")


_SCAN: Final = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse).scan_once  # type: ignore[attr-defined]


def read_body(text: str) -> Any:
    """The value of an encoded body. Raises ValueError."""
    try:
        value, end = _SCAN(text, 0)
    except StopIteration:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if end != len(text):
        raise ValueError("something stands after it")
    return value


def is_canonical(record: Record) -> bool:
    """Whether the body is the one text of what it says."""
    try:
        return _text(read_body(record.text)) == record.text
    except (ValueError, RecursionError):
        return False
