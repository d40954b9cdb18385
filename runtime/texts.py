"""Values as people read them, by type, and texts with holes: messages, and the lines that a policy emits.

Evaluated after the verdict; nothing here decides. Both semantics print with it (docs/spec.md, CAP-TEXT).
"""
from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Final

from caplex.runtime.clock import format_duration, short_instant
from caplex.runtime.schema import Kind, Type
from caplex.runtime.values import ABSENT, UNLIMITED, Unknown

LONGEST: Final = 500
MISSING: Final = "<missing>"
PLACES: Final = 8
MOST_PLACES: Final = 12
_SECOND = 1_000_000_000

Hole = tuple[Any, Type | None, str | None]
"""A value, its type where known, and its format: ``.2``, ``%``, ``money``, or None."""


def fill(parts: Iterable[str | Hole], currency: str) -> str:
    """The parts as one text of at most 500 characters; *currency* is the policy's."""
    text = "".join(part if isinstance(part, str) else show(*part, currency=currency) for part in parts)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def show(value: Any, type_: Type | None, format_: str | None = None, *, currency: str) -> str:
    """One value: as its type prints, or as *format_* says where it is a number."""
    if value is None or value is ABSENT or isinstance(value, Unknown):
        return MISSING
    if value is UNLIMITED:
        return "unlimited"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, frozenset):
        return ", ".join(sorted(map(str, value)))
    if not isinstance(value, Fraction):
        return str(value)
    type_ = type_ or Type(Kind.UNKNOWN)
    if format_ is not None:
        return _formatted(value, format_, type_.currency or currency)
    return _typed(value, type_, type_.currency or currency)


def _formatted(value: Fraction, format_: str, currency: str) -> str:
    if format_ == "%":
        return number(value * 100) + "%"
    if format_ == "money":
        return f"{number(value, fixed=2)} {currency}"
    places = format_.removeprefix(".")
    if places.isascii() and places.isdigit():
        return number(value, fixed=min(int(places), MOST_PLACES), grouped=False)
    return number(value)


def _typed(value: Fraction, type_: Type, currency: str) -> str:
    match type_.kind:
        case Kind.MONEY | Kind.PRICE:
            return f"{number(value)} {currency}"
        case Kind.RATIO if type_.name != "number" and not type_.bare:
            return number(value * 100) + "%"
        case Kind.RATE:
            return number(value * _SECOND) + "/s"
        case Kind.DURATION:
            return format_duration(value.__floor__())
        case Kind.INSTANT:
            return short_instant(value.__floor__())
        case Kind.TIME:
            minutes, seconds = divmod(value.__floor__() // _SECOND, 60)
            return f"{minutes // 60:02d}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")
        case _:
            return number(value)


def number(value: Fraction, *, fixed: int | None = None, grouped: bool = True) -> str:
    """``65_000.5``: thousands grouped; at most eight decimals, or exactly *fixed*, halves rounded away from zero."""
    places = PLACES if fixed is None else fixed
    scaled = (abs(value) * 10**places + Fraction(1, 2)).__floor__()
    whole, rest = divmod(scaled, 10**places)
    decimals = f"{rest:0{places}d}" if places else ""
    if fixed is None:
        decimals = decimals.rstrip("0")
    sign = "-" if value < 0 and scaled else ""
    return sign + (f"{whole:_}" if grouped else str(whole)) + ("." + decimals if decimals else "")
