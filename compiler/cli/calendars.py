"""`caplex calendar`: sessions of an exchange, as facts or as a module of a policy."""
from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.output import Status


@click.command("calendar")
@click.argument("exchange", metavar="EXCHANGE")
@click.option("--from", "start", type=click.DateTime(["%Y-%m-%d"]), required=True, metavar="DATE", help="The first day, as the exchange counts days.")
@click.option("--through", type=click.DateTime(["%Y-%m-%d"]), required=True, metavar="DATE", help="The last day, itself included.")
@click.option("--at", "moment", metavar="INSTANT", help="Only the session of this instant: the one that is open, else the next.")
@click.option("-o", "--output", "target", metavar="FILE", help="Write there instead of printing.")
@click.option("--format", type=click.Choice(["cap", "json"]), default=None, help="A module, or facts; cap, but json with --at.")
def calendar_command(exchange: str, start: datetime, through: datetime, moment: str | None, target: str | None, format: str | None) -> int:
    """Sessions of EXCHANGE (its market identifier code), from exchange_calendars.

    A module has the sessions compiled in: `use "nyse.cap" as hours`. Facts go under `session`, for `stdlib.session`.

    \b
    caplex calendar XNYS --from 2026-01-01 --through 2026-12-31 -o nyse.cap
    caplex calendar XNYS --from 2026-07-01 --through 2026-07-31 --at 2026-07-03T15:00:00Z

    Needs an extra: pip install 'caplex[calendars]'.

    Exit status: 0 it was written; 2 no such exchange, no session, or the extra is missing; 74 the file cannot be written.

    More: docs/howto/trade-in-hours.md.
    """
    from caplex.compiler.tools import calendars

    known = calendars.sessions(exchange, start.date(), through.date())
    if moment is not None and format == "cap":
        raise click.UsageError("one instant is facts and no module: leave `--format cap` out")
    if moment is None and format != "json":
        text = calendars.module(exchange, known, name=PurePath(target).name if target is not None else f"{exchange.lower()}.cap", source=calendars.source())
    else:
        wanted = known if moment is None else (calendars.at(known, _instant(moment)),)
        document: dict[str, Any] = {"schema": "caplex.calendar/1", "exchange": exchange, "from": start.date().isoformat(), "through": through.date().isoformat()}
        document |= {"session": wanted[0].facts()} if moment is not None else {"sessions": [each.facts() for each in wanted]}
        if target is None:
            output.say_json(document)
            return Status.WORKED
        text = json.dumps(document, indent=2) + "\n"
    if target is None:
        output.say(text.rstrip("\n"))
    else:
        output.write(target, text)
    return Status.WORKED


def _instant(text: str) -> datetime:
    from caplex.runtime.clock import NotATime, parse_instant

    try:
        nanoseconds = parse_instant(text)
    except NotATime:
        raise click.UsageError(f"`--at {text}` is not an instant: write 2026-01-05T15:00:00Z") from None
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
