"""Sessions compiled into a module decide as the facts of the same sessions do."""
from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

import caplex
from caplex.compiler.cli import main
from caplex.compiler.tools import calendars
from caplex.compiler.tools.calendars import Session
from caplex.runtime.errors import CaplexError

HEADER = ('policy desk { version "1" language 1 mode enforce currency USD timezone "UTC" stages SYS, SESS closing skips SESS\n'
          "overrides tightest wins unlimited loss unlimited exposure lot 1 }\n")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def table(*hours: tuple[str, str]) -> tuple[Session, ...]:
    pieces = [(moment(opens), moment(closes)) for opens, closes in hours]
    return tuple(Session(opens, closes, after[0]) for (opens, closes), after in pairwise(pieces))


# The turn of a month, a weekend, a half day, a holiday: New York in the summer of 2026.
KNOWN = table(
    ("2026-06-29T13:30", "2026-06-29T20:00"), ("2026-06-30T13:30", "2026-06-30T20:00"), ("2026-07-01T13:30", "2026-07-01T20:00"),
    ("2026-07-02T13:30", "2026-07-02T17:00"), ("2026-07-06T13:30", "2026-07-06T20:00"), ("2026-07-07T13:30", "2026-07-07T20:00"))


def document(now: datetime, session: dict[str, object] | None, quantity: str = "10") -> dict[str, object]:
    at = calendars.instant(now)
    found: dict[str, object] = {
        "now": at, "intent": {"id": "i", "action": "open", "symbol": "X", "side": "buy", "quantity": quantity}, "account": {"equity": "1000"},
        "positions": {"X": {"quantity": "-4"}}, "orders": [], "market": {"X": {"price": "1", "as_of": at}}}
    return found if session is None else {**found, "session": session}


def moments() -> list[datetime]:
    """Each bound of each session, and a second before and after."""
    second = timedelta(seconds=1)
    gaps = (timedelta(0), timedelta(minutes=5), -timedelta(minutes=10), -timedelta(minutes=30), -timedelta(hours=2))
    found = {edge + gap + step for each in KNOWN for edge in (each.opens, each.closes) for gap in gaps for step in (-second, timedelta(0), second)}
    return sorted(when for when in found if when < KNOWN[-1].closes)


def loaded(tmp_path: Path, arguments: str = "") -> tuple[caplex.Policy, caplex.Policy]:
    (tmp_path / "nyse.cap").write_text(calendars.module("XNYS", KNOWN), encoding="utf-8")
    for name, target in (("compiled", '"nyse.cap"'), ("told", "stdlib.session")):
        given = ", ".join(filter(None, [arguments, "with_news = false" if name == "told" else ""]))
        (tmp_path / f"{name}.cap").write_text(HEADER + f"use {target} as hours" + (f" ({given})" if given else "") + "\n", encoding="utf-8")
    return caplex.load(tmp_path / "compiled.cap"), caplex.load(tmp_path / "told.cap")


@pytest.mark.parametrize("arguments", ["", "trade_half_days = true, weekend_cutoff = 0s", "entry_cutoff = 1h, opening_gap = 0s"])
def test_compiled_sessions_decide_as_told_ones_do(arguments: str, tmp_path: Path) -> None:
    compiled, told = loaded(tmp_path, arguments)
    seen = set()
    for now in moments():
        one = compiled.decide(document(now, None))
        other = told.decide(document(now, calendars.at(KNOWN, now).facts()))
        assert (one.verdict, one.quantity) == (other.verdict, other.quantity), now
        assert [reason.rule for reason in one.reasons] == [reason.rule for reason in other.reasons], now
        seen.add(one.verdict)
    assert len(seen) == 2, "the moments do not tell open from closed"


def test_outside_its_days_it_is_closed(tmp_path: Path) -> None:
    compiled, _ = loaded(tmp_path)
    for now in (KNOWN[0].opens - timedelta(days=300), KNOWN[-1].closes, KNOWN[-1].closes + timedelta(days=300)):
        decision = compiled.decide(document(now, None))
        assert (decision.verdict, decision.reasons[0].rule) == ("MODIFY", "hours.SESS-010"), now
        assert decision.quantity == 4, "what closes is left alone"


def test_its_own_tests_hold_and_can_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nyse.cap"
    text = calendars.module("XNYS", KNOWN, name="nyse.cap", source="a table")
    path.write_text(text, encoding="utf-8")
    assert main.run(["test", str(path)]) == 0
    capsys.readouterr()
    first = calendars.instant(KNOWN[0].opens)
    path.write_text(text.replace(first, calendars.instant(KNOWN[0].opens - timedelta(hours=1))), encoding="utf-8")
    assert main.run(["test", str(path)]) == 1
    assert 'use "nyse.cap" as hours' in text


def test_the_session_of_an_instant() -> None:
    assert calendars.at(KNOWN, moment("2026-07-03T15:00")) is KNOWN[4]
    assert calendars.at(KNOWN, KNOWN[0].closes - timedelta(seconds=1)) is KNOWN[0]
    assert calendars.at(KNOWN, KNOWN[0].closes) is KNOWN[1]
    with pytest.raises(CaplexError, match="behind the last session"):
        calendars.at(KNOWN, KNOWN[-1].closes)


def test_sessions_that_touch_are_one() -> None:
    a, b, c, d = (moment(f"2026-01-0{day}T00:00") for day in (1, 2, 3, 4))
    assert calendars.joined([(a, b), (b, c)]) == [(a, c)]
    assert calendars.joined([(a, b), (c, d)]) == [(a, b), (c, d)]


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    assert main.run(["calendar", "XNYS", "--from", "2026-01-01", "--through", "2026-01-31"]) == 2
    assert capsys.readouterr().err == "error: calendars want an extra that is not installed: pip install 'caplex[calendars]'\n"


@pytest.mark.parametrize(("arguments", "told"), [
    (["--from", "2026-02-01", "--through", "2026-01-31"], "lies before"),
    (["--from", "1990-01-01", "--through", "2026-01-31"], "more than twenty years"),
    (["--from", "2026-01-01"], "--through"),
])
def test_days_that_make_no_sense_are_refused(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["calendar", "XNYS", *arguments]) == 2
    assert told in capsys.readouterr().err


# ── with the extra ────────────────────────────────────────────────────────────────────────────────────


def test_new_york_has_its_holidays_and_half_days() -> None:
    pytest.importorskip("exchange_calendars")
    found = calendars.sessions("XNYS", date(2026, 11, 23), date(2026, 11, 30))
    assert [each.facts()["opens_at"] for each in found] == [
        f"2026-11-{day}T14:30:00Z" for day in (23, 24, 25, 27, 30)], "Thanksgiving is the 26th"
    assert found[3].facts() == {
        "opens_at": "2026-11-27T14:30:00Z", "closes_at": "2026-11-27T18:00:00Z", "reopens_at": "2026-11-30T14:30:00Z", "holiday": False}


def test_a_lunch_break_ends_a_session() -> None:
    pytest.importorskip("exchange_calendars")
    found = calendars.sessions("XHKG", date(2026, 7, 2), date(2026, 7, 2))
    assert [(each.facts()["opens_at"][11:16], each.facts()["closes_at"][11:16]) for each in found] == [("01:30", "04:00"), ("05:00", "08:00")]


def test_what_is_no_exchange_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("exchange_calendars")
    assert main.run(["calendar", "XNYX", "--from", "2026-01-01", "--through", "2026-01-31"]) == 2
    assert capsys.readouterr().err == "error: no calendar is named `XNYX`; did you mean `XNYS`?\n"


def test_a_market_that_never_closes_needs_no_hours() -> None:
    pytest.importorskip("exchange_calendars")
    with pytest.raises(CaplexError, match="needs no hours"):
        calendars.sessions("24/7", date(2026, 1, 1), date(2026, 1, 31))


def test_json_is_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("exchange_calendars")
    days = ["--from", "2026-07-01", "--through", "2026-07-10"]
    assert main.run(["calendar", "XNYS", *days, "--format", "json", "-o", str(tmp_path / "days.json")]) == 0
    told = json.loads((tmp_path / "days.json").read_text(encoding="utf-8"))
    assert next(iter(told)) == "schema"
    assert len(told["sessions"]) == 7
    assert main.run(["calendar", "XNYS", *days, "--at", "2026-07-03T15:00:00Z"]) == 0
    assert json.loads(capsys.readouterr().out)["session"] == told["sessions"][2]
