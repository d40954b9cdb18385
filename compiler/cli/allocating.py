"""`caplex allocate`: capital shared out by score, once or every few minutes."""
from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.helping import completes
from caplex.compiler.cli.options import Outside, output_format, settings_options
from caplex.compiler.cli.output import Status, Stop

if TYPE_CHECKING:
    from caplex.compiler.tools.rounds import Rounds
    from caplex.runtime.allocation.result import Allocation
    from caplex.runtime.policy import Policy

MADE = frozenset({"rebalance", "keep"})


@click.command("allocate")
@click.argument("policy", shell_complete=completes("policies"))
@click.option("--facts", "facts_file", metavar="FILE|-", required=True, help="The facts document, JSON; read anew in each round.",
              shell_complete=completes("documents"))
@click.option("-o", "out", metavar="FILE", help="Where a new plan is written; what stands there is the plan in force.", shell_complete=completes("documents"))
@click.option("--also", metavar="FILE", help="A second file that gets the same: both are written, or none.", shell_complete=completes("documents"))
@click.option("--current", metavar="FILE", help="The plan in force, instead of what `-o` or the facts say.", shell_complete=completes("documents"))
@click.option("--every", metavar="DURATION", help="Again and again, so often: 300s, 5min.")
@click.option("--max-rounds", type=click.IntRange(min=1), metavar="N", help="With `--every`: stop after so many.")
@click.option("--max-age", metavar="DURATION", help="How old the `now` of the facts may be; with `--every` twice that, unless given.")
@click.option("--notify", "channels", metavar="FILE|exec:COMMAND", multiple=True,
              help="Tell of each new plan: a line of JSON at the end of a file, or to the standard input of a command.")
@click.option("--name", metavar="NAME", help="Which allocation, where the policy has several.")
@click.option("--brief", is_flag=True, help="Without how each score came about.")
@settings_options
@output_format("text", "json")
def allocate_command(
    policy: str, facts_file: str, out: str | None, also: str | None, current: str | None, every: str | None, max_rounds: int | None,
    max_age: str | None, channels: tuple[str, ...], name: str | None, brief: bool, outside: Outside, format: str,
) -> int:
    """Share out capital as POLICY says, by the scores of the facts.

    \b
    caplex allocate governor.cap --facts metrics.json
    caplex allocate governor.cap --facts metrics.json -o shares.json --also override.json --notify notices.jsonl
    caplex allocate governor.cap --facts metrics.json --format json

    With `--every 300s` the facts are read anew every five minutes, until it is interrupted. `--notify exec:./tell-telegram` gives each new
    plan to the standard input of that program.

    Exit status: 0 a new plan, or the one in force stays since nothing moves enough; 1 frozen or refused: the one in force stays;
    2 the policy or a document cannot be used; 74 the files cannot be written, and are as they were; 130 interrupted.

    More: docs/howto/allocate-capital.md.
    """
    import caplex

    interval, age = _lasting(every, "--every"), _lasting(max_age, "--max-age")
    if also is not None and out is None:
        raise click.UsageError("`--also` is a second file: give the first with `-o`")
    if max_rounds is not None and interval is None:
        raise click.UsageError("`--max-rounds` counts the rounds of `--every`")
    if facts_file == "-" and interval is not None:
        raise click.UsageError("standard input can be read once: `--every` needs a file")
    if out is not None and also is not None and Path(out).resolve() == Path(also).resolve():
        raise click.UsageError("`-o` and `--also` are the same file")
    compiled = caplex.load(policy, settings=outside.settings(), mode=outside.mode)
    _known(compiled, name)
    rounds = _rounds(compiled, facts_file, out, also, current, name)
    rounds.most_ns = age if age is not None else None if interval is None else 2 * interval
    show = _Showing(format, brief=brief, one_line=interval is not None, channels=channels)
    if interval is not None:
        return _again(rounds, interval, max_rounds, show)
    return show.told(_once(rounds))


def _lasting(text: str | None, option: str) -> int | None:
    from caplex.runtime.clock import NotATime, parse_duration

    if text is None:
        return None
    try:
        found = parse_duration(text)
    except NotATime:
        found = 0
    if found <= 0:
        raise click.UsageError(f"`{option} {text}` is no length of time; write it as 300s or 5min")
    return found


def _known(policy: Policy, name: str | None) -> None:
    from caplex.runtime.allocation.result import find

    try:
        find(policy, name)
    except ValueError as error:
        raise Stop(Status.USAGE, str(error).replace("say which", "say which with `--name`")) from None


# ── documents ─────────────────────────────────────────────────────────────────────────────────────────


def _rounds(policy: Policy, facts_file: str, out: str | None, also: str | None, current: str | None, name: str | None) -> Rounds:
    from caplex.compiler.cli.documents import read_object
    from caplex.compiler.tools.rounds import Rounds

    def held() -> Mapping[str, Any] | None:
        if current is not None:
            return shares_in(read_object(current), current)
        if out is None or not Path(out).exists():
            return None
        return shares_in(read_object(out), out)

    files = [file for file in (out, also) if file is not None]
    return Rounds(policy, lambda: read_object(facts_file), held, files, name=name)


def shares_in(document: Mapping[str, Any], file: str) -> Mapping[str, Any]:
    """The shares that a document of `caplex allocate` puts in force. Raises Stop."""
    shares = document.get("shares")
    if document.get("schema") == "caplex.allocation/1" and isinstance(shares, Mapping):
        return shares
    raise Stop(Status.USAGE, f"`{file}` holds no plan of `caplex allocate` (no `caplex.allocation/1` with `shares`); move it away to begin anew")


def _once(rounds: Rounds) -> Allocation:
    from caplex.compiler.tools.rounds import Unusable

    try:
        return rounds.once()
    except Unusable as error:
        raise Stop(Status.USAGE, str(error)) from None


def _again(rounds: Rounds, interval: int, most: int | None, show: _Showing) -> int:
    from caplex.compiler.tools.rounds import Unusable

    read, held = rounds.read, rounds.held

    def guarded(function: Any) -> Any:
        def call() -> Any:
            try:
                return function()
            except Stop as stop:
                raise Unusable(str(stop) or (stop.diagnostics[0].message if stop.diagnostics else "the document cannot be used")) from None

        return call

    rounds.read, rounds.held = guarded(read), guarded(held)
    status = int(Status.WORKED)
    count = 0
    try:
        for made in rounds.every(interval, most):
            count += 1
            if isinstance(made, Exception):
                reason = str(made) if isinstance(made, Unusable) else f"`{made.filename}` cannot be written: {made.strerror or made}"
                show.failed(reason)
                status = Status.USAGE if isinstance(made, Unusable) else Status.IO
            else:
                status = show.told(made)
            sys.stdout.flush()
    except KeyboardInterrupt:
        output.tell(f"stopped after {count} round{'' if count == 1 else 's'}; the plan in force stays")
        raise
    return status


# ── telling ───────────────────────────────────────────────────────────────────────────────────────────


class _Showing:
    def __init__(self, format: str, *, brief: bool, one_line: bool, channels: tuple[str, ...]) -> None:
        self.format, self.brief, self.one_line, self.channels = format, brief, one_line, channels

    def told(self, made: Allocation) -> int:
        """Show one round, and tell the channels of a new plan; the status it leaves with."""
        if self.format == "json":
            output.say_json(made.to_dict(), one_line=self.one_line)
        else:
            width, colour = output.width(sys.stdout), output.has_colour(sys.stdout)
            terms = not self.brief and not self.one_line
            output.say(made.explain().text(width=width, colour=colour, terms=terms).rstrip("\n") + ("\n" if self.one_line else ""))
        if made.state == "rebalance":
            self._notify(made)
        return Status.WORKED if made.state in MADE else Status.NO

    def failed(self, reason: str) -> None:
        """A round that could not be made."""
        if self.format == "json":
            output.say_json({"schema": output.ERROR_SCHEMA, "status": int(Status.USAGE), "message": reason, "diagnostics": []}, one_line=True)
        else:
            from caplex.compiler.diagnostics.render import visible

            output.tell(f"error: this round was not made, the plan in force stays: {visible(reason)}")

    def _notify(self, made: Allocation) -> None:
        if not self.channels:
            return
        from caplex.compiler.diagnostics.render import visible
        from caplex.compiler.tools.rounds import Undelivered, notice, send

        message = notice(made)
        for channel in self.channels:
            try:
                send(channel, message)
            except Undelivered as error:
                output.tell(f"warning: nobody was told of the new plan: {visible(str(error))}")
