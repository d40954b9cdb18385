"""One value of a document, read by its declared type: exactly, or with the reason why it cannot be used. Nothing raises."""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from caplex.runtime.canonical import plain
from caplex.runtime.clock import NotATime, from_datetime, parse_duration, parse_instant
from caplex.runtime.schema import FieldSpec, Kind, Type
from caplex.runtime.values import ABSENT, Unknown, unknown

MAX_DIGITS: Final = 400
MAX_BITS: Final = 1_330  # 400 digits are 1 329 bits
MAX_TEXT: Final = 10_000
_SHOWN = 60
_TOO_LONG: Final = 10**MAX_DIGITS
_DECIMAL = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,6}))?", re.ASCII)
_CURE_NUMBER = "a finite decimal of at most 400 digits"


class Unreadable(Exception):
    """Raised and caught inside `runtime`: *sys*, *problem* and *limit* go into the leaf."""

    def __init__(self, sys: str, problem: str, limit: str) -> None:
        super().__init__(problem)
        self.sys, self.problem, self.limit = sys, problem, limit


class Overlong:
    """A JSON number too long to be one; keeps its first digits for the message. See `document.read_json`."""

    __slots__ = ("start",)

    def __init__(self, text: str) -> None:
        self.start = text[:_SHOWN]

    def __repr__(self) -> str:
        return f"{self.start}…"


def read(spec: FieldSpec, raw: Any, path: str) -> Any:
    """The value of *raw* as *spec* declares it: `Fraction`, `str`, `bool`, `frozenset`, `ABSENT` or `Unknown`."""
    if raw is None:
        return ABSENT if spec.optional else missing(path, spec)
    try:
        value = convert(spec.type, raw)
        check_range(spec, value)
    except Unreadable as why:
        return unknown(why.sys, path, why.problem, shown(raw), why.limit)
    return normalise(value, spec.normalised) if isinstance(value, str) and spec.normalised else value


def missing(path: str, spec: FieldSpec | None = None) -> Unknown:
    return unknown("SYS-001", path, "missing", "", describe(spec.type) if spec else "")


def convert(type_: Type, raw: Any) -> Any:
    """*raw* as a value of *type_*.

    Raises:
        Unreadable: it is none.
    """
    return _CONVERTERS[type_.kind](type_, raw)


# ── numbers ───────────────────────────────────────────────────────────────────────────────────────────


def number(raw: Any, *, percent: bool = False) -> Fraction:
    """A decimal: digits as text, `int`, `Decimal`, or a float by its shortest form.

    Raises:
        Unreadable: not a number, not finite, or longer than 400 digits.
    """
    if isinstance(raw, str):
        if percent and raw.endswith("%"):
            return decimal_text(raw[:-1]) / 100
        return decimal_text(raw)
    if isinstance(raw, bool):
        raise Unreadable("SYS-005", "wrong-type", "a number, not true or false")
    if isinstance(raw, int):
        if raw.bit_length() > MAX_BITS or abs(raw) >= _TOO_LONG:
            raise Unreadable("SYS-005", "not-a-decimal", _CURE_NUMBER)
        return Fraction(int(raw))
    if isinstance(raw, float):
        return decimal_text(float.__repr__(raw))
    if isinstance(raw, Decimal):
        return _decimal(raw)
    if isinstance(raw, Overlong):
        raise Unreadable("SYS-005", "not-a-decimal", _CURE_NUMBER)
    raise Unreadable("SYS-005", "wrong-type", "a number")


@lru_cache(maxsize=8192)  # prices and sizes come again
def decimal_text(text: str) -> Fraction:
    """Digits, at most one point, at most one exponent, a sign; nothing else: no spaces, no thousands.

    Raises:
        Unreadable: anything else, or more than 400 digits when written out.
    """
    match = _DECIMAL.fullmatch(text) if len(text) <= 2 * MAX_DIGITS else None
    if match is None:
        raise Unreadable("SYS-005", "not-a-decimal", _CURE_NUMBER)
    sign, whole, fraction, exponent = match.groups(default="")
    digits = (whole + fraction).lstrip("0") or "0"
    return _scaled(digits, int(exponent or 0) - len(fraction), negative=sign == "-")


def _decimal(raw: Decimal) -> Fraction:
    sign, digits, exponent = raw.as_tuple()
    if not isinstance(exponent, int) or len(digits) > 2 * MAX_DIGITS:
        raise Unreadable("SYS-005", "not-a-decimal", _CURE_NUMBER)
    text = "".join(map(str, digits)).lstrip("0") or "0"
    return _scaled(text, exponent, negative=sign == 1)


def _scaled(digits: str, exponent: int, *, negative: bool) -> Fraction:
    """``±digits · 10^exponent``; *digits* without leading zeros. The length is judged before any power is taken."""
    significant = digits.rstrip("0")
    if not significant:
        return Fraction(0)
    exponent += len(digits) - len(significant)
    length = len(significant) + exponent if exponent >= 0 else max(len(significant), 1 - exponent)
    if length > MAX_DIGITS:
        raise Unreadable("SYS-005", "not-a-decimal", _CURE_NUMBER)
    value = -int(significant) if negative else int(significant)
    return Fraction(value * 10**exponent) if exponent >= 0 else Fraction(value, 10**-exponent)


def check_range(spec: FieldSpec, value: Any) -> None:
    if not isinstance(value, Fraction):
        return
    if spec.above is not None and value <= spec.above:
        raise Unreadable("SYS-004", "out-of-range", f"> {plain(spec.above)}")
    if spec.low is not None and value < spec.low:
        raise Unreadable("SYS-004", "out-of-range", f">= {plain(spec.low)}")
    if spec.high is not None and value > spec.high:
        raise Unreadable("SYS-004", "out-of-range", f"<= {plain(spec.high)}")


# ── the kinds ─────────────────────────────────────────────────────────────────────────────────────────


def _numeric(type_: Type, raw: Any) -> Fraction:
    return number(raw, percent=type_.kind is Kind.RATIO)


def _count(type_: Type, raw: Any) -> Fraction:
    value = number(raw)
    if value.denominator != 1:
        raise Unreadable("SYS-005", "wrong-type", "a whole number")
    return value


def _instant(type_: Type, raw: Any) -> Fraction:
    try:
        if isinstance(raw, datetime):
            return Fraction(from_datetime(raw))
        return Fraction(parse_instant(_text(type_, raw)))
    except NotATime as why:
        raise Unreadable("SYS-005", "wrong-type", str(why)) from None


def _duration(type_: Type, raw: Any) -> Fraction:
    try:
        return Fraction(parse_duration(_text(type_, raw)))
    except NotATime as why:
        raise Unreadable("SYS-005", "wrong-type", str(why)) from None


def _date(type_: Type, raw: Any) -> str:
    if isinstance(raw, date) and not isinstance(raw, datetime):
        return raw.isoformat()
    text = _text(type_, raw)
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise Unreadable("SYS-005", "wrong-type", "a date, 2026-01-05")


def _time(type_: Type, raw: Any) -> Fraction:
    match = re.fullmatch(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?", _text(type_, raw), re.ASCII)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59 or int(match[3] or 0) > 59:
        raise Unreadable("SYS-005", "wrong-type", "a time of day, 09:30")
    return Fraction((int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)) * 1_000_000_000)


def _bool(type_: Type, raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise Unreadable("SYS-005", "wrong-type", "true or false")
    return raw


def _text(type_: Type, raw: Any) -> str:
    if not isinstance(raw, str):
        raise Unreadable("SYS-005", "wrong-type", describe(type_))
    if len(raw) > MAX_TEXT:
        raise Unreadable("SYS-005", "wrong-type", f"at most {MAX_TEXT} characters")
    if not raw.isascii() and not _encodes(raw):
        raise Unreadable("SYS-005", "wrong-type", "text without lone surrogates")
    return str(raw)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _member(type_: Type, raw: Any) -> str:
    if not isinstance(raw, str) or raw not in type_.members:
        raise Unreadable("SYS-005", "wrong-type", describe(type_))
    return raw


def _set(type_: Type, raw: Any) -> frozenset[Any]:
    if not isinstance(raw, list | tuple | set | frozenset):
        raise Unreadable("SYS-005", "wrong-type", "a list")
    element = type_.element or Type(Kind.TEXT)
    return frozenset(convert(element, item) for item in raw)


_CONVERTERS: Final[dict[Kind, Callable[[Type, Any], Any]]] = {
    Kind.MONEY: _numeric, Kind.PRICE: _numeric, Kind.QUANTITY: _numeric, Kind.RATIO: _numeric, Kind.RATE: _numeric,
    Kind.COUNT: _count, Kind.DURATION: _duration, Kind.INSTANT: _instant, Kind.DATE: _date, Kind.TIME: _time,
    Kind.BOOL: _bool, Kind.TEXT: _text, Kind.NOMINAL: _text, Kind.ENUM: _member, Kind.SET: _set, Kind.UNKNOWN: _text,
}


# ── words ─────────────────────────────────────────────────────────────────────────────────────────────


def normalise(text: str, steps: Collection[str]) -> str:
    """*text* as a field declared ``normalised trim, upper`` reads it."""
    if "trim" in steps:
        text = text.strip()
    if "upper" in steps:
        text = text.upper()
    if "lower" in steps:
        text = text.lower()
    return unicodedata.normalize("NFC", text) if "nfc" in steps else text


def describe(type_: Type) -> str:
    """What a value of *type_* looks like, for people."""
    match type_.kind:
        case Kind.ENUM:
            return "one of " + ", ".join(type_.members)
        case Kind.BOOL:
            return "true or false"
        case Kind.INSTANT:
            return "an instant, 2026-01-05T15:00:00Z"
        case Kind.DATE:
            return "a date, 2026-01-05"
        case Kind.DURATION:
            return 'a duration, "250ms"'
        case Kind.TEXT | Kind.NOMINAL:
            return f"text ({type_.name})" if type_.name else "text"
        case Kind.SET:
            return "a list"
        case kind:
            return f"a number ({kind.value})"


def shown(raw: Any) -> str:
    """*raw* as a short, printable text that never raises and never walks into what it holds."""
    if isinstance(raw, str):
        text = raw[:_SHOWN] + ("…" if len(raw) > _SHOWN else "")
        return text.encode("utf-8", "backslashreplace").decode()
    if isinstance(raw, bool) or raw is None:
        return {True: "true", False: "false", None: "null"}[raw]
    if isinstance(raw, int):
        return str(raw) if raw.bit_length() <= 200 else f"an integer of {raw.bit_length()} bits"
    if isinstance(raw, float):
        return float.__repr__(raw)
    if isinstance(raw, Decimal):
        return str(raw) if len(raw.as_tuple().digits) <= _SHOWN else "a decimal of many digits"
    if isinstance(raw, Overlong):
        return repr(raw)
    if isinstance(raw, datetime | date):
        return raw.isoformat()
    if isinstance(raw, dict):
        return "an object"
    if isinstance(raw, list | tuple):
        return "a list"
    return f"a {type(raw).__name__}"
