"""A frame of intents submitted to an engine, in the order of time: each decision sees what the ones before it took.

The windows, room and switches are the engine's own, and nothing is decided twice: a frame is a way to bring intents, and no
other engine.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from caplex.runtime.canonical import plain
from caplex.runtime.clock import exact_instant
from caplex.runtime.errors import EventError
from caplex.runtime.reading import Unreadable, number

if TYPE_CHECKING:
    from caplex.runtime.columns.places import Sheet
    from caplex.runtime.engine.engine import Engine

_TOLD = {"market": "quote", "account": "account"}
"""Sections whose columns are events before each intent."""
PLACES = 8


def decide_frame(engine: Engine, frame: Any, progress: Callable[[int], None] | None = None) -> Any:
    """See `Engine.decide_frame`."""
    from caplex.runtime.columns.deciding import blank, enter, sheet_of
    from caplex.runtime.columns.writing import written

    given, sheet = sheet_of(engine.policy, frame, None)
    _usable(sheet)
    result = blank(engine.policy, sheet.rows)
    result.late[:] = True
    result.scale = PLACES
    for row in range(sheet.rows):
        document = sheet.document(row)
        try:
            for event in _events(document):
                engine.apply(event)
            enter(engine.submit(_intent(document)), row, result)
        except EventError as error:
            _refuse(f"row {row}: {error}", error)
        if progress is not None and row % 1024 == 0:
            progress(row)
    return written(engine.policy, given, result)


def _refuse(message: str, cause: Exception | None = None) -> NoReturn:
    from caplex.runtime.columns.places import FrameError

    raise FrameError(message) from cause


def _usable(sheet: Sheet) -> None:
    """What an engine needs of every row: an id, a time that does not go back, and nothing that it keeps itself."""
    for place, column in sheet.columns:
        if place.section not in ("now", "intent", *_TOLD):
            _refuse(f"column `{column.name}`: an engine knows this itself; it takes `now`, `intent.…`, `market.…` and `account.…`")
    now = sheet.column("now", "now")
    if sheet.column("intent", "id") is None:
        _refuse("column `intent.id` is missing: an engine answers each id once")
    if now is None:
        _refuse("column `now` is missing: the time of each intent")
    if now.kind != "instant" or now.nulls is not None:
        _refuse("column `now` must hold instants with a time zone, in every row")
    back = (now.data[1:] < now.data[:-1]).nonzero()[0]
    if len(back):
        row = int(back[0]) + 1
        _refuse(f"row {row} is earlier than the row before it ({exact_instant(int(now.data[row]))}): sort the frame by `now`")


def _intent(document: Mapping[str, Any]) -> dict[str, Any]:
    """The event of this row, numbers as texts, which is how an engine keeps them: so it may go by the fast lane."""
    event = {"type": "intent", "at": document["now"], **document["intent"]}
    for name, value in event.items():
        if isinstance(value, str | bool) or value is None:
            continue
        with suppress(Unreadable):  # the machine says what is wrong with it
            event[name] = plain(number(value))
    return event


def _events(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What this row says of prices and accounts."""
    intent = document["intent"]
    account = intent.get("account")
    named = {"account": account} if account is not None else {}
    rows = [("market", {"symbol": key, **row}) for key, row in (document.get("market") or {}).items()]
    if document.get("account"):
        rows.append(("account", {**named, **document["account"]}))
    for section, row in rows:
        yield {"type": _TOLD[section], "at": document["now"], **{name: value for name, value in row.items() if value is not None}}
