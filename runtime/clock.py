"""Time as whole nanoseconds since 1970-01-01T00:00:00Z: reading, writing, and the days of a time zone.

There is no clock here: every instant comes from a document or an event.
"""
from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

SECOND: Final = 1_000_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_FIRST, _LAST = (1 - _EPOCH_ORDINAL) * DAY, (date.max.toordinal() + 1 - _EPOCH_ORDINAL) * DAY - 1
_RFC_3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,30}))?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_CURE = "RFC 3339 with an offset, 2026-01-05T15:00:00Z"


class NotATime(ValueError):
    """The text is not an instant, a date or a duration; the message says what it lacks."""


@lru_cache(maxsize=4096)  # a stamp is read by whoever asks how old its row is
def parse_instant(text: str) -> int:
    """Nanoseconds of an RFC 3339 instant.

    Raises:
        NotATime: no such day or hour, no zone, a leap second, or finer than nanoseconds.
    """
    match = _RFC_3339.fullmatch(text) if len(text) <= 64 else None
    if match is None:
        raise NotATime(_CURE)
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if zone is None:
        raise NotATime(f"a zone: {_CURE}")
    if second == "60":
        raise NotATime("no leap seconds: give the second before or after")
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        raise NotATime(f"a day that exists: {_CURE}") from None
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59:
        raise NotATime(f"a time of day that exists: {_CURE}")
    digits = (fraction or "").rstrip("0")
    if len(digits) > 9:
        raise NotATime("at most nine digits of a second")
    whole = days * DAY + int(hour) * HOUR + int(minute) * MINUTE + int(second) * SECOND
    return _within_calendar(whole + int(digits.ljust(9, "0")) - _offset(zone))


def _offset(zone: str) -> int:
    if zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        raise NotATime("an offset within a day")
    return (hours * HOUR + minutes * MINUTE) * (-1 if zone[0] == "-" else 1)


def _within_calendar(ns: int) -> int:
    if not _FIRST <= ns <= _LAST:
        raise NotATime("a year from 0001 to 9999, in UTC")
    return ns


def from_datetime(value: datetime) -> int:
    """Nanoseconds of an aware `datetime`.

    Raises:
        NotATime: it has no zone.
    """
    if value.utcoffset() is None:
        raise NotATime(f"a zone: {_CURE}")
    return _within_calendar((value - _EPOCH) // timedelta(microseconds=1) * 1000)


@lru_cache(maxsize=4096)
def format_instant(ns: int) -> str:
    """UTC with six digits; what is finer is cut, what lies beyond the calendar is shown as its end."""
    moment = _datetime(min(max(ns, _FIRST), _LAST))
    day = f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
    return f"{day}T{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}.{moment.microsecond:06d}Z"


def exact_instant(ns: int) -> str:
    """UTC with six digits, with nine where six would cut something off."""
    text = format_instant(ns)
    return text if ns % 1000 == 0 else f"{text[:-1]}{ns % 1000:03d}Z"


def short_instant(ns: int) -> str:
    """For people: ``2026-02-27 14:31:00Z``, with a fraction only where there is one."""
    text = format_instant(ns).removesuffix("Z")
    return text.rstrip("0").rstrip(".").replace("T", " ") + "Z"


_UNITS = (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND), ("ms", 1_000_000), ("us", 1000), ("ns", 1))
_DURATION = re.compile(r"(?:([0-9]+(?:\.[0-9]{1,9})?)(d|h|min|ms|us|ns|s))")


def parse_duration(text: str) -> int:
    """Nanoseconds of ``1h30min``, ``250ms``, ``1.5s``.

    Raises:
        NotATime: not of this form, a unit twice or out of order, or not whole nanoseconds.
    """
    cure = 'a duration with its unit, "250ms" or "1h30min"'
    order = [name for name, _ in _UNITS]
    sizes = dict(_UNITS)
    position, last, total = 0, -1, 0
    while position < len(text) and len(text) <= 64:
        match = _DURATION.match(text, position)
        if match is None or order.index(match[2]) <= last:
            raise NotATime(cure)
        whole, _, fraction = match[1].partition(".")
        scaled, rest = divmod(int(whole + fraction) * sizes[match[2]], 10 ** len(fraction))
        if rest:
            raise NotATime("whole nanoseconds")
        total, last, position = total + scaled, order.index(match[2]), match.end()
    if last < 0 or position != len(text):
        raise NotATime(cure)
    return total


def format_duration(ns: int) -> str:
    """The shortest exact text: ``5s``, ``61s``, ``5min``, ``1h30min``. Seconds stay seconds up to two minutes."""
    if ns < 0:
        return "-" + format_duration(-ns)
    if SECOND <= ns < 2 * MINUTE and ns != MINUTE:
        whole, rest = divmod(ns, SECOND)
        return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") + "s"
    parts = []
    for name, size in _UNITS:
        count, ns = divmod(ns, size)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"


# ── days of a time zone ───────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _datetime(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1000)


def local_date(now_ns: int, timezone: str) -> date:
    """The calendar day at *now_ns* in *timezone*."""
    try:
        return _datetime(now_ns).astimezone(zone(timezone)).date()
    except OverflowError:  # the first or last day of the calendar, beyond it in this zone
        return _datetime(now_ns).date()


def wall_ns(day: date, timezone: str, offset_ns: int = 0) -> int:
    """The instant at which clocks in *timezone* show *offset_ns* after midnight of *day*.

    A time that clocks skip is taken as if they had not (an hour later on the clock); of one that they show twice, the first.
    """
    local = datetime(day.year, day.month, day.day, tzinfo=zone(timezone)) + timedelta(microseconds=offset_ns // 1000)
    shift = local.utcoffset() or timedelta(0)
    return (day.toordinal() - _EPOCH_ORDINAL) * DAY + offset_ns - shift // timedelta(microseconds=1) * 1000


def day_start_ns(now_ns: int, timezone: str, offset_ns: int) -> int:
    """The last start of day at or before *now_ns*; days start *offset_ns* after midnight on the clocks of *timezone*."""
    today = local_date(now_ns, timezone)
    for back in (-1, 0, 1, 2):
        ordinal = today.toordinal() - back
        if not 1 <= ordinal <= date.max.toordinal():
            continue
        start = wall_ns(date.fromordinal(ordinal), timezone, offset_ns)
        if start <= now_ns:
            return start
    return _FIRST
