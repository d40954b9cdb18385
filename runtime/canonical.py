"""Exact values as text and bytes: canonical JSON, hashes, plain decimals, and numbers for people.

Same value, same bytes: keys sorted, decimals as plain strings without exponent or trailing zeros, no floats (docs/spec.md,
CAP-CANON). Rounding, where it cannot be avoided, goes to the side that keeps the printed comparison true.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, Final

from caplex.runtime.clock import format_instant, from_datetime

PLACES: Final = 8
SMALL: Final = 10**60
_NEGATIVE: Final = -SMALL
_UNITS: Final = tuple(Decimal(10**places) for places in range(20))
_WIDE: Final = Context(prec=70)  # our own: a host may have set any
quotient: Final = _WIDE.divide
"""Of a number below `SMALL` and a power of ten: exact, and without trailing zeros."""
MAX_DEPTH: Final = 64


class NotCanonical(ValueError):
    """The value has no canonical form: not finite, too deep, not JSON."""


# ── numbers ───────────────────────────────────────────────────────────────────────────────────────────


def decimal_places(value: Fraction) -> int | None:
    """How many decimals write *value* exactly; None if none do."""
    denominator, twos, fives = value.denominator, 0, 0
    if denominator & (denominator - 1) == 0:
        return denominator.bit_length() - 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    return max(twos, fives) if denominator == 1 else None


def fixed(scaled: int, places: int) -> str:
    """``scaled / 10^places`` as a plain decimal without trailing zeros."""
    digits = _digits(abs(scaled)).rjust(places + 1, "0")
    whole, fraction = (digits[:-places], digits[-places:].rstrip("0")) if places else (digits, "")
    return ("-" if scaled < 0 else "") + whole + ("." + fraction if fraction else "")


def _digits(value: int) -> str:
    """`str` of any integer; Python refuses beyond 4 300 digits, so longer ones go in halves."""
    if value.bit_length() < 14_000:
        return str(value)
    half = value.bit_length() * 3 // 20
    high, low = divmod(value, 10**half)
    return _digits(high) + _digits(low).rjust(half, "0")


def plain(value: Fraction | int) -> str:
    """*value* exactly where decimals can, else rounded down to 8 places."""
    value = value if type(value) is Fraction else Fraction(value)
    if value.denominator == 1:
        return fixed(value.numerator, 0)
    places = decimal_places(value)
    return fixed(value.numerator * (10**places // value.denominator), places) if places is not None else floor_text(value)


def floor_text(value: Fraction, places: int = PLACES) -> str:
    return fixed((value * 10**places).__floor__(), places)


def ceil_text(value: Fraction, places: int = PLACES) -> str:
    return fixed((value * 10**places).__ceil__(), places)


def exact_text(value: Fraction) -> str:
    """*value* without loss: a plain decimal, or ``1/3``."""
    if decimal_places(value) is not None:
        return plain(value)
    return f"{'-' if value < 0 else ''}{_digits(abs(value.numerator))}/{_digits(value.denominator)}"


def to_decimal(value: Fraction) -> Decimal:
    """Exact where a decimal can be, else rounded down to 12 places."""
    if value.denominator == 1:
        return from_scaled(value.numerator, 0)
    places = decimal_places(value)
    if places is None:
        places = 12
    return from_scaled(value.numerator * 10**places // value.denominator, places)


def from_scaled(scaled: int, places: int) -> Decimal:
    """``scaled / 10^places``, exactly: not through the context, whose 28 digits would round it."""
    if _NEGATIVE < scaled < SMALL and places < len(_UNITS):
        return quotient(scaled, _UNITS[places])
    whole, part = divmod(scaled, 10**places)
    if not part:
        return Decimal(whole)
    while scaled % 10 == 0:
        scaled, places = scaled // 10, places - 1
    return Decimal((1 if scaled < 0 else 0, tuple(map(int, _digits(abs(scaled)))), -places))


@dataclass(frozen=True, slots=True)
class Printed:
    """A number as it is printed; *exact* is empty where the text is exact."""

    text: str
    exact: str = ""


def printed_pair(observed: Fraction, limit: Fraction, *, ratio: bool = False) -> tuple[Printed, Printed]:
    """Both numbers as plain text, such that the texts compare as the numbers do.

    Ratios have at most 8 decimals; money and quantities are rounded only where no decimal writes them.
    """
    up = observed > limit
    return _printed(observed, ratio=ratio, up=up), _printed(limit, ratio=ratio, up=observed < limit)


def printed(value: Fraction, *, ratio: bool = False) -> Printed:
    """One number alone, rounded down where it must be."""
    return _printed(value, ratio=ratio, up=False)


def _printed(value: Fraction, *, ratio: bool, up: bool) -> Printed:
    places = decimal_places(value)
    if places is not None and (not ratio or places <= PLACES):
        return Printed(plain(value))
    return Printed(ceil_text(value) if up else floor_text(value), exact_text(value))


def grouped(text: str) -> str:
    """``65000.5`` as ``65_000.5``, as policies write it."""
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, point, fraction = digits.partition(".")
    groups = [whole[max(0, end - 3) : end] for end in range(len(whole), 0, -3)]
    return sign + "_".join(reversed(groups)) + point + fraction


# ── JSON and hashes ───────────────────────────────────────────────────────────────────────────────────


def canonical_json(value: Any) -> str:
    """The one text of *value*: sorted keys, no white space, ASCII, numbers as plain decimal strings.

    Raises:
        NotCanonical: a number that is not finite, a key that is not text, deeper than 64, or not a JSON value.
    """
    return json.dumps(_reduced(value, 0), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical_bytes(value: Any) -> bytes:
    return canonical_json(value).encode("ascii")


def sha256(value: Any) -> str:
    """``sha256:`` and the hex digest of the canonical JSON of *value*."""
    return sha256_bytes(canonical_bytes(value))


def sha256_bytes(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _reduced(value: Any, depth: int) -> Any:
    """*value* in texts, truth, null, lists and objects alone."""
    if depth > MAX_DEPTH:
        raise NotCanonical("nested too deeply")
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise NotCanonical("a key that is not text")
        return {key: _reduced(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_reduced(item, depth + 1) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_reduced(item, depth + 1) for item in value), key=canonical_json)
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, int):
        return _digits(value) if value >= 0 else "-" + _digits(-value)
    if isinstance(value, Fraction):
        return exact_text(value)
    if isinstance(value, float):
        value = Decimal(float.__repr__(value))
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return format_instant(from_datetime(value))
    if isinstance(value, date):
        return value.isoformat()
    raise NotCanonical(f"a {type(value).__name__}")


def decimal_text(value: Decimal) -> str:
    """A `Decimal` as plain digits.

    Raises:
        NotCanonical: not finite, or an exponent that would write thousands of zeros.
    """
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or not -5_000 < exponent < 5_000 or len(digits) > 10_000:
        raise NotCanonical("a number that is not a finite decimal of reasonable length")
    scaled = _signed(value)
    return fixed(scaled * 10**exponent, 0) if exponent >= 0 else fixed(scaled, -exponent)


def _signed(value: Decimal) -> int:
    sign, digits, _ = value.as_tuple()
    size = 0
    for digit in digits:
        size = size * 10 + digit
    return -size if sign else size
