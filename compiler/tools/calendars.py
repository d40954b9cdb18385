"""Sessions of an exchange, from the extra `exchange_calendars`: as facts of one instant, or compiled into a module.

The module holds the rules of `stdlib.session`, taken from its file, over tables of instants instead of facts: the policy
then needs nobody to tell it when a market is open, and outside the days that were compiled every market is closed.
"""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from itertools import groupby, pairwise
from typing import Any, Final

from caplex.runtime.errors import CaplexError

FACTS: Final = ("opens_at", "closes_at", "reopens_at")
_LEFT_OUT: Final = frozenset({"with_news", "news_blackout", "SESS-020", "SESS-080"})
"""Of the pack: what no calendar knows, and the holiday that a table says by having no session."""
MOST_DAYS: Final = 20 * 366


@dataclass(frozen=True, slots=True)
class Session:
    """From *opens* (in) to *closes* (out); *reopens* is when the next one begins."""

    opens: datetime
    closes: datetime
    reopens: datetime

    def facts(self) -> dict[str, Any]:
        """As `session` in the facts, but for the news."""
        return {**dict(zip(FACTS, map(instant, (self.opens, self.closes, self.reopens)), strict=True)), "holiday": False}


def instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sessions(code: str, start: date, through: date) -> tuple[Session, ...]:
    """The sessions of the exchange *code* that begin on the days from *start* through *through*, as the exchange counts days.

    A lunch break ends a session; sessions that touch are one.

    Raises:
        CaplexError: The extra is missing, no such exchange is known, or it has no sessions then.
    """
    if through < start:
        raise CaplexError(f"{through} lies before {start}: no day to compile")
    if (through - start).days > MOST_DAYS:
        raise CaplexError("more than twenty years of sessions: ask for fewer")
    rows = _schedule(code, start, through + timedelta(days=31))
    pieces = joined(piece for _, opens, break_start, break_end, closes in rows for piece in (
        [(opens, closes)] if break_start is None or break_end is None else [(opens, break_start), (break_end, closes)]))
    last = max((closes for day, *_, closes in rows if day <= through), default=None)
    found = tuple(Session(opens, closes, after[0]) for (opens, closes), after in pairwise(pieces) if last is not None and closes <= last)
    if not found and last is not None:
        raise CaplexError(f"{code} does not close between {start} and {through}: it needs no hours")
    if not found:
        raise CaplexError(f"{code} has no session that opens and closes between {start} and {through}")
    return found


def source() -> str:
    """What the sessions are from, with its version."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return "exchange_calendars " + version("exchange_calendars")
    except PackageNotFoundError:
        return "exchange_calendars"


def joined(pieces: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Pieces in order, those that touch as one."""
    found: list[tuple[datetime, datetime]] = []
    for opens, closes in pieces:
        if found and opens <= found[-1][1]:
            found[-1] = (found[-1][0], max(closes, found[-1][1]))
        else:
            found.append((opens, closes))
    return found


def at(known: Sequence[Session], now: datetime) -> Session:
    """The session of *now*: the one that is open, else the next. Raises CaplexError behind the last."""
    place = bisect_right([each.closes for each in known], now)
    if place == len(known):
        raise CaplexError(f"{instant(now)} lies behind the last session that was asked for, which closes at {instant(known[-1].closes)}")
    return known[place]


def _schedule(code: str, start: date, through: date) -> list[tuple[date, datetime, datetime | None, datetime | None, datetime]]:
    try:
        import exchange_calendars
    except ImportError:
        raise CaplexError("calendars want an extra that is not installed: pip install 'caplex[calendars]'") from None
    try:
        calendar = exchange_calendars.get_calendar(code, start=start.isoformat(), end=through.isoformat())
    except exchange_calendars.errors.InvalidCalendarName:
        from caplex.compiler.semantics.report import guess

        known = exchange_calendars.get_calendar_names()
        raise CaplexError(f"no calendar is named `{code}`" + (f"; {help}" if (help := guess(code, known)) else "; exchanges go by their market identifier code, such as XNYS, XLON, XETR")) from None
    except (ValueError, exchange_calendars.errors.CalendarError) as error:
        raise CaplexError(f"{code} from {start} through {through}: {str(error).splitlines()[0]}") from None

    def moment(value: Any) -> datetime | None:
        return value.to_pydatetime() if value == value else None  # "not a time" alone differs from itself

    return [(label.date(), row.open.to_pydatetime(), moment(row.break_start), moment(row.break_end), row.close.to_pydatetime())
            for label, row in zip(calendar.schedule.index, calendar.schedule.itertuples(), strict=True)]


# ── the module ────────────────────────────────────────────────────────────────────────────────────────


def module(code: str, known: Sequence[Session], *, name: str = "hours.cap", source: str = "a table") -> str:
    """A `.cap` module with the sessions *known* compiled in, its rules those of `stdlib.session`.

    Args:
        name: Of the file, for the line that shows how to import it.
        source: Where the sessions are from, for the comment.
    """
    parts = [_about(code, known, name, source), *_settings(), _table("opens_at", known), _table("closes_at", known), _table("reopens_at", known),
             *_rules(), _tests(known)]
    return "\n\n".join(parts) + "\n"


def _about(code: str, known: Sequence[Session], name: str, source: str) -> str:
    return (f"## Sessions of {code}, {len(known)} of them, from {instant(known[0].opens)} to {instant(known[-1].closes)}; outside these it is closed.\n"
            f"##\n## Compiled by `caplex calendar {code}` from {source}; compile it anew when the exchange changes its days. The rules are those of\n"
            f"## `stdlib.session`, without news. Place the family SESS in `stages`:\n##\n##     use \"{name}\" as hours (entry_cutoff = 15min)")


def _pack() -> list[Any]:
    from caplex.compiler.source import Source
    from caplex.compiler.syntax.parser import parse

    text = files("caplex.stdlib_rules").joinpath("session.cap").read_text(encoding="utf-8")
    tree, problems = parse(Source("stdlib/session.cap", text))
    assert tree is not None, [problem.message for problem in problems]
    return list(tree.items)


def _settings() -> list[str]:
    from caplex.compiler.syntax import ast

    return [_told(item) for item in _pack() if isinstance(item, ast.Setting) and item.name.text not in _LEFT_OUT]


def _rules() -> list[str]:
    from caplex.compiler.syntax import ast

    found = []
    for item in _pack():
        if isinstance(item, ast.Let) or (isinstance(item, ast.Rule | ast.Limit) and item.rule_id.text not in _LEFT_OUT):
            text = _told(item)
            for name in FACTS:
                text = text.replace(f"session.{name}", name)
            found.append(text)
    return found


def _told(item: Any) -> str:
    """The item as its author wrote it, with its doc comment."""
    return "".join(f"## {line}\n" for line in (item.doc or "").splitlines()) + str(item.span.text)


def _table(name: str, known: Sequence[Session]) -> str:
    """`name` of the session of `now`: a chain for each month, and one over the months."""
    months: list[tuple[str, datetime, str]] = []
    for month, group in groupby(known, key=lambda each: f"{each.closes:%Y_%m}"):
        rows = list(group)
        chain = "".join(f"  if now < {instant(each.closes)} then {instant(_value(each, name))} else\n" for each in rows[:-1])
        months.append((f"{name}_{month}", rows[-1].closes, f"let {name}_{month} =\n{chain}  {instant(_value(rows[-1], name))}"))
    steps = "".join(f"  if now < {instant(end)} then {label} else\n" for label, end, _ in months[:-1])
    return "\n\n".join([*(text for *_, text in months), f"let {name} =\n{steps}  {months[-1][0]}"])


def _value(session: Session, name: str) -> datetime:
    return {"opens_at": session.opens, "closes_at": session.closes, "reopens_at": session.reopens}[name]


def _tests(known: Sequence[Session]) -> str:
    """That the table is what it was made of, at both ends."""
    first, last, second = known[0], known[-1], timedelta(seconds=1)
    steps = "\n".join(f'  at {instant(when)}  intent buy 1 "X"\n  expect SESS-010 violated' for when in (first.opens - second, first.closes, last.closes))
    return ('test "closed before the first session, between sessions, and behind the last"'
            f' {{\n  given market["X"].price = 1 USD\n{steps}\n}}\n\n'
            'test "open in the middle of the first session"'
            f' {{\n  given market["X"].price = 1 USD\n  given position["X"].quantity = 1\n'
            f'  at {instant(first.opens + (first.closes - first.opens) / 2)}  intent sell 1 "X"\n  expect allow\n}}')
