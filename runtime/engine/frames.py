"""A frame of intents submitted to an engine, in the order of time: each decision sees what the ones before it took.

The windows, room and switches are the engine's own, and nothing is decided twice: a frame is a way to bring intents, and no
other engine. A frame that is only asked about goes over a copy of the state, in one pass where it can; see `rehearsal`.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from caplex.runtime.clock import exact_instant
from caplex.runtime.errors import EventError

if TYPE_CHECKING:
    from caplex.runtime.columns.deciding import Report
    from caplex.runtime.columns.places import Sheet
    from caplex.runtime.decision import Decision
    from caplex.runtime.engine.engine import Engine
    from caplex.runtime.engine.machine import Machine

PLACES = 8


def decide_frame(engine: Engine, frame: Any, progress: Callable[[int], None] | None = None) -> Any:
    """See `Engine.decide_frame`."""
    from caplex.runtime.columns.deciding import blank, enter, sheet_of
    from caplex.runtime.columns.writing import written
    from caplex.runtime.engine.asked import events_of, intent_of

    given, sheet = sheet_of(engine.policy, frame, None)
    _usable(sheet)
    result = blank(engine.policy, sheet.rows)
    result.late[:] = True
    result.scale = PLACES
    for row in range(sheet.rows):
        document = sheet.document(row)
        try:
            for event in events_of(document):
                engine.apply(event)
            enter(engine.submit(intent_of(document)), row, result)
        except EventError as error:
            _refuse(f"row {row}: {error}", error)
        if progress is not None and row % 1024 == 0:
            progress(row)
    return written(engine.policy, given, result)


def rehearse(engine: Engine, frame: Any) -> tuple[Any, Report]:
    """What `decide_frame` would answer, the engine staying as it is; and how that came about."""
    from caplex.runtime.columns.deciding import Report, blank, enter, sheet_of
    from caplex.runtime.columns.writing import written
    from caplex.runtime.engine.asked import NotInOnePass, events_of, intent_of
    from caplex.runtime.engine.rehearsal import Pass, twin_of

    given, sheet = sheet_of(engine.policy, frame, None)
    _usable(sheet)
    result, report = blank(engine.policy, sheet.rows), Report(sheet.rows)
    result.scale = PLACES

    def step(machine: Machine, row: int) -> Decision:
        document = sheet.document(row)
        try:
            for event in events_of(document):
                machine.step(machine.read(event))
            decision = machine.step(machine.read(intent_of(document))).decision
        except EventError as error:
            _refuse(f"row {row}: {error}", error)
        assert decision is not None
        enter(decision, row, result)
        return decision

    try:
        one = Pass(twin_of(engine._machine), sheet, step)
        one.run(result)
        report.groups, report.fell_back = one.asked.kinds, len(one.late)
    except NotInOnePass as reason:
        report.why, report.fell_back = str(reason), sheet.rows
        twin = twin_of(engine._machine)
        for row in range(sheet.rows):
            step(twin, row)
        result.late[:] = True
    return written(engine.policy, given, result), report


def _refuse(message: str, cause: Exception | None = None) -> NoReturn:
    from caplex.runtime.columns.places import FrameError

    raise FrameError(message) from cause


def _usable(sheet: Sheet) -> None:
    """What an engine needs of every row: an id, a time that does not go back, and nothing that it keeps itself."""
    from caplex.runtime.engine.asked import TOLD

    for place, column in sheet.columns:
        if place.section not in ("now", "intent", *TOLD):
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
