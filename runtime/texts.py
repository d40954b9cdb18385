"""Values as people read them: ``65_000 USD``, ``10.3%``, ``5min``; and as programs do: plain decimals with a unit beside.

Where a number must be rounded beside the bound it is compared with, both go to the side that keeps the comparison true.
"""
from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Final

from caplex.runtime.canonical import (
    Printed,
    ceil_text,
    decimal_places,
    fixed,
    floor_text,
    grouped,
    printed,
    printed_pair,
)
from caplex.runtime.clock import format_duration, format_instant, short_instant
from caplex.runtime.ruling import Shown, Unit
from caplex.runtime.schema import Kind, Type
from caplex.runtime.values import UNLIMITED

MAX_MESSAGE: Final = 500
MISSING: Final = "<missing>"
_PLACES: Final = 4
"""Decimals that people are shown at most."""
WORDS: Final = {"<=": "at most", "<": "below", ">=": "at least", ">": "above", "==": "exactly", "!=": "other than"}


# ── for people ────────────────────────────────────────────────────────────────────────────────────────


def human(value: Any, unit: Unit = None, currency: str = "USD") -> str:
    """One value in words, rounded half to even where it has more than four decimals."""
    if not isinstance(value, Fraction):
        return _word(value)
    return _dress(value, unit, currency, _nearest)


def human_pair(observed: Any, limit: Any, unit: Unit = None, currency: str = "USD") -> tuple[str, str]:
    """Both in words, such that they compare as printed."""
    if not isinstance(observed, Fraction) or not isinstance(limit, Fraction):
        return human(observed, unit, currency), human(limit, unit, currency)
    above, below = observed > limit, observed < limit
    percent = _is_percent(observed, unit) and _is_percent(limit, unit)
    if isinstance(unit, Type) and unit.kind is Kind.RATIO and not percent:
        unit = Type(Kind.COUNT)
    return (_dress(observed, unit, currency, ceil_text if above else floor_text),
            _dress(limit, unit, currency, ceil_text if below else floor_text))


def _word(value: Any) -> str:
    if value is UNLIMITED:
        return "unlimited"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, frozenset):
        return "[" + ", ".join(sorted(str(item) for item in value)) + "]"
    return MISSING


def _nearest(value: Fraction, places: int) -> str:
    return fixed(round(value * 10**places), places)


def _number(value: Fraction, rounding: Any) -> str:
    places = decimal_places(value)
    if places is not None and places <= _PLACES:  # then there is nothing to round
        return grouped(fixed(value.numerator * (10**places // value.denominator), places))
    return grouped(rounding(value, _PLACES))


def _is_percent(value: Fraction, unit: Unit) -> bool:
    """Ratios up to the whole read as shares, larger ones as factors, unless it is known what they are a share of."""
    return isinstance(unit, Type) and unit.kind is Kind.RATIO and (unit.of is not None or abs(value) <= 1)


def _dress(value: Fraction, unit: Unit, currency: str, rounding: Any) -> str:
    if isinstance(unit, str):
        return f"{_number(value, rounding)} {unit}"
    if unit is None:
        return _number(value, rounding)
    match unit.kind:
        case Kind.MONEY | Kind.PRICE:
            return f"{_number(value, rounding)} {unit.currency or currency}"
        case Kind.RATIO if _is_percent(value, unit):
            return _number(value * 100, rounding) + "%"
        case Kind.DURATION:
            return format_duration(int(value))
        case Kind.INSTANT:
            return short_instant(int(value))
        case Kind.TIME:
            minutes, rest = divmod(int(value) // 1_000_000_000, 60)
            return f"{minutes // 60:02d}:{minutes % 60:02d}" + (f":{rest:02d}" if rest else "")
    return _number(value, rounding)


# ── templates ─────────────────────────────────────────────────────────────────────────────────────────


def fill(parts: Iterable[str | tuple[Any, Any, str | None]], currency: str = "USD") -> str:
    """A template with its holes filled: *parts* are texts and ``(value, type, format)``; cut at 500 characters.

    A value that is itself ``(value, type)`` brings its own type: `{observed}` and `{allowed}`; as ``(value, type, other)``
    it is rounded to the side on which it stands of *other*.
    """
    said = []
    for part in parts:
        if isinstance(part, str):
            said.append(part)
            continue
        value, unit, form = part
        if isinstance(value, tuple):
            value, unit, *others = value
            if others and not form:
                said.append(human_pair(value, others[0], unit, currency)[0])
                continue
        said.append(formatted(value, unit, form, currency))
    return cut("".join(said))


def formatted(value: Any, unit: Unit, form: str | None, currency: str) -> str:
    """``{expr}``, ``{expr:.N}``, ``{expr:%}``, ``{expr:money}``."""
    form = (form or "").strip()
    if not isinstance(value, Fraction) or not form:
        return human(value, unit, currency)
    if form.startswith(".") and form[1:].isdigit():
        return _padded(value, min(int(form[1:]), 12))
    if form == "%":
        return grouped(_nearest(value * 100, _PLACES)) + "%"
    if form == "money":
        whole = (unit.currency if isinstance(unit, Type) else None) or currency
        return f"{grouped(_padded(value, 2))} {whole}"
    return human(value, unit, currency)


def _padded(value: Fraction, places: int) -> str:
    """Exactly *places* decimals, rounded half to even."""
    scaled = round(value * 10**places)
    text = fixed(scaled, places)
    if not places:
        return text
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(places, '0')}"


def cut(text: str) -> str:
    """At most 500 characters, on one line, without control characters."""
    text = "".join(c if c.isprintable() else " " for c in text) if not text.isprintable() else text
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


# ── for programs ──────────────────────────────────────────────────────────────────────────────────────


def unit_name(unit: Unit, currency: str = "USD") -> str | None:
    """``USD``, ``ratio``, ``units``, ``count``, ``duration``, ``instant`` …; None where there is no number."""
    if unit is None or isinstance(unit, str):
        return unit
    match unit.kind:
        case Kind.MONEY:
            return unit.currency or currency
        case Kind.PRICE:
            return f"{unit.currency or currency}/unit"
        case Kind.QUANTITY:
            return "units"
        case Kind.UNKNOWN:
            return None
        case kind:
            return kind.value


def plain_pair(observed: Shown, limit: Shown, unit: Unit) -> tuple[Printed | None, Printed | None]:
    """Both as plain text for JSON; rounded only where they must be, to the side that keeps their comparison true."""
    if isinstance(observed, Fraction) and isinstance(limit, Fraction) and not _timelike(unit):
        return printed_pair(observed, limit, ratio=_is_ratio(unit))
    return plain_value(observed, unit), plain_value(limit, unit)


def plain_value(value: Shown, unit: Unit = None) -> Printed | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return Printed("true" if value else "false")
    if isinstance(value, str):
        return Printed(value)
    if isinstance(unit, Type) and unit.kind is Kind.INSTANT:
        return Printed(format_instant(int(value)))
    if isinstance(unit, Type) and unit.kind is Kind.DURATION:
        return Printed(format_duration(int(value)))
    return printed(value, ratio=_is_ratio(unit))


def _is_ratio(unit: Unit) -> bool:
    return isinstance(unit, Type) and unit.kind is Kind.RATIO


def _timelike(unit: Unit) -> bool:
    return isinstance(unit, Type) and unit.kind in (Kind.INSTANT, Kind.DURATION)
