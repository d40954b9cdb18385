"""Days of a time zone, across the changes of its clocks; instants and durations as text."""
from __future__ import annotations

from datetime import date

import pytest

from caplex.runtime.clock import (
    DAY,
    HOUR,
    day_start_ns,
    format_duration,
    format_instant,
    local_date,
    parse_duration,
    parse_instant,
    short_instant,
    wall_ns,
)

NEW_YORK = "America/New_York"


@pytest.mark.parametrize(("now", "start"), [
    ("2026-01-05T22:00:00Z", "2026-01-05T22:00:00Z"),  # 17:00 in winter, exactly
    ("2026-01-05T21:59:59.999999999Z", "2026-01-04T22:00:00Z"),
    ("2026-03-08T12:00:00Z", "2026-03-07T22:00:00Z"),  # clocks go forward on 8 March
    ("2026-03-08T21:00:00Z", "2026-03-08T21:00:00Z"),
    ("2026-11-01T21:30:00Z", "2026-10-31T21:00:00Z"),  # and back on 1 November
    ("2026-11-01T22:00:00Z", "2026-11-01T22:00:00Z"),
])
def test_days_start_on_the_clocks_of_the_zone(now, start):
    assert format_instant(day_start_ns(parse_instant(now), NEW_YORK, 17 * HOUR)) == format_instant(parse_instant(start))


def test_a_start_that_clocks_skip_or_show_twice():
    assert format_instant(wall_ns(date(2026, 3, 8), NEW_YORK, 2 * HOUR + HOUR // 2)) == "2026-03-08T07:30:00.000000Z"
    assert format_instant(wall_ns(date(2026, 11, 1), NEW_YORK, HOUR + HOUR // 2)) == "2026-11-01T05:30:00.000000Z"


@pytest.mark.parametrize("zone", ["UTC", NEW_YORK, "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe"])
@pytest.mark.parametrize("offset", [0, 17 * HOUR, DAY - 1_000])
def test_a_day_starts_at_or_before_now_and_less_than_two_days_ago(zone, offset):
    for hours in range(0, 24 * 400, 7):
        now = parse_instant("2026-01-01T00:00:00Z") + hours * HOUR
        start = day_start_ns(now, zone, offset)
        assert start <= now < start + 50 * HOUR


@pytest.mark.parametrize("now", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_ends_of_the_calendar_raise_nothing(now, zone):
    ns = parse_instant(now)
    assert day_start_ns(ns, zone, 0) <= ns
    local_date(ns, zone)


def test_instants_are_written_in_utc_with_six_digits():
    assert format_instant(parse_instant("2026-01-05T15:00:00.123456789+05:30")) == "2026-01-05T09:30:00.123456Z"
    assert short_instant(parse_instant("2026-01-05T15:00:00Z")) == "2026-01-05 15:00:00Z"
    assert short_instant(parse_instant("2026-01-05T15:00:00.25Z")) == "2026-01-05 15:00:00.25Z"
    assert format_instant(-(10**40)) == "0001-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(("ns", "text"), [
    (0, "0s"), (5 * 10**9, "5s"), (61 * 10**9, "61s"), (300 * 10**9, "5min"), (5400 * 10**9, "1h30min"), (250_000_000, "250ms"),
    (1_500_000_000, "1.5s"), (DAY, "1d"), (1, "1ns"), (-(5 * 10**9), "-5s"), (60 * 10**9, "1min"),
])
def test_durations_are_short_and_exact(ns, text):
    assert format_duration(ns) == text
    if ns >= 0:
        assert parse_duration(text) == ns
