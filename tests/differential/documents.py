"""Facts documents as plain JSON values: reading, changing and losing parts of them without ever writing into one."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

Document = dict[str, Any]
Path = tuple[str | int, ...]

SECOND, DAY = 10**9, 86_400 * 10**9
NOON = 1_767_625_200 * SECOND  # 2026-01-05T15:00:00Z
NOWS = (
    NOON,
    NOON,
    NOON,
    NOON,
    NOON - 15 * 3600 * SECOND,
    NOON + 14 * 3600 * SECOND,
    NOON + 14 * 3600 * SECOND - 1,
    NOON + 7 * 3600 * SECOND,
    NOON + 7 * 3600 * SECOND - 1,
    NOON + 9 * 3600 * SECOND,
    NOON - DAY,
    NOON - 39 * 3600 * SECOND,
)
"""Mid-session, and both sides of midnight and of 17:00, in London and in New York."""


def iso(ns: int) -> str:
    """RFC 3339 with nine digits."""
    days, rest = divmod(ns, DAY)
    seconds, fraction = divmod(rest, SECOND)
    year, month, day = _civil(days)
    minutes, second = divmod(seconds, 60)
    return f"{year:04d}-{month:02d}-{day:02d}T{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}.{fraction:09d}Z"


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month, day of a count of days since 1970-01-01."""
    era, of_era = divmod(days + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def plain(value: Fraction) -> str | None:
    """*value* as a decimal of at most 30 places; None if it is none."""
    for places in (0, 1, 2, 4, 8, 30):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            text = f"{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".") if places else digits
            return f"-{text}" if value < 0 else text
    return None


def put(value: Any, path: Path, new: Any) -> Any:
    """A copy of *value* in which *path* holds *new*; what the path does not pass through is shared."""
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(value, list):
        return [put(item, rest, new) if i == first else item for i, item in enumerate(value)]
    return {**value, first: put(value.get(first, {}), rest, new)}


def drop(value: Any, path: Path) -> Any:
    """A copy of *value* without what lies at *path*."""
    first, rest = path[0], path[1:]
    if rest:
        return put(value, (first,), drop(value[first], rest))
    if isinstance(value, list):
        return [item for i, item in enumerate(value) if i != first]
    return {key: item for key, item in value.items() if key != first}


def paths(value: Any, here: Path = ()) -> list[Path]:
    """Every place in *value* that holds something."""
    found = [here] if here else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found.extend(paths(item, (*here, key)))
    return found


def symbol_of(document: Document) -> str:
    return str(document["intent"].get("symbol", "A"))


def knob_of(document: Document) -> Path:
    """Where the document says how much is asked for."""
    return ("intent", {"adjust": "delta", "transfer": "amount"}.get(str(document["intent"].get("action")), "quantity"))
