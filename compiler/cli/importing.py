"""`caplex import`: a policy, or its settings, from the configuration of another system."""
from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.helping import completes
from caplex.compiler.cli.options import output_format, path_of
from caplex.compiler.cli.output import Status, Stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caplex.compiler.diagnostics.diagnostic import Diagnostic
    from caplex.compiler.source import Source

SCHEMA = "caplex.import/1"


@click.group("import", no_args_is_help=False)
def import_command() -> None:
    """A policy, or its settings, from the configuration of another system.

    \b
    caplex import policygate policy.yaml -o desk.cap
    caplex import env .env -o settings.yaml

    What cannot be used is refused with its file and line; nothing is left out in silence.

    More: docs/howto/migrate-from-policygate.md, docs/howto/migrate-an-entry-gate.md.
    """


@import_command.command("policygate", short_help="Make a policy from PolicyGate's YAML.")
@click.argument("file", metavar="POLICY.yaml|-")
@click.option("-o", "--output", "target", metavar="FILE.cap", help="Write there instead of to the terminal.")
@click.option("--engine-counts", is_flag=True, help="For `caplex run`: the engine counts orders, and not the host.")
@output_format("text", "json")
def policygate_command(file: str, target: str | None, engine_counts: bool, format: str) -> int:
    """Make a policy from PolicyGate's POLICY.yaml: its limits, overrides and switch, with your comments.

    \b
    caplex import policygate policy.yaml -o desk.cap
    caplex import policygate policy.yaml --engine-counts -o desk.cap

    Exit status: 0 it was made; 2 the file cannot be used, each place is named; 74 the result cannot be written.

    More: docs/howto/migrate-from-policygate.md.
    """
    from caplex.compiler.importing import policygate

    source = _source(file)
    imported, wrong = policygate.read(source)
    if imported is None:
        raise Stop(Status.USAGE, "", wrong)
    text = policygate.policy_text(imported, counted=not engine_counts)
    return _hand_over(text, source, target, format, "policygate", wrong)


@import_command.command("env", short_help="Make settings from the entry gate's variables.")
@click.argument("file", metavar="[FILE|-]", required=False, shell_complete=completes("documents"))
@click.option("--prefix", metavar="TEXT", default="POLICY_", show_default=True, help="What the names of the variables begin with.")
@click.option("-o", "--output", "target", metavar="FILE.yaml", help="Write there instead of to the terminal.")
@output_format("text", "json")
def env_command(file: str | None, prefix: str, target: str | None, format: str) -> int:
    """Make a settings file from the entry gate's variables: those in FILE, `NAME=VALUE` a line, or those of this process.

    \b
    caplex import env .env -o settings.yaml
    caplex import env --prefix DESK_

    MIN_CONFIDENCE, SCALE_IN_CONFIDENCE_DELTA: shares between 0 and 1. COOLDOWN_GLOBAL, COOLDOWN_SYMBOL: seconds.
    MAX_EXPOSURE_TOTAL, MAX_EXPOSURE_PER_SYMBOL: money. MAX_POSITIONS_TOTAL, MAX_POSITIONS_PER_SYMBOL,
    MAX_POSITIONS_PER_REGIME, SCALE_IN_MAX_COUNT: whole numbers. ALLOW_SCALE_IN: true or false.

    Exit status: 0 it was made; 2 a variable cannot be used, each is named with its line; 74 the result cannot be written.

    More: docs/howto/migrate-an-entry-gate.md.
    """
    from caplex.compiler.importing import env

    source = _source(file) if file is not None else env.from_environment(os.environ, prefix)
    found, wrong = env.read(source, prefix)
    if wrong:
        raise Stop(Status.USAGE, "", wrong)
    return _hand_over(env.settings_text(found, source), source, target, format, "settings", ())


def _source(file: str) -> Source:
    """What stands in *file*, or comes from standard input."""
    from caplex.compiler.diagnostics.codes_input import CANNOT_READ
    from caplex.compiler.diagnostics.diagnostic import Diagnostic
    from caplex.compiler.source import Source

    try:
        if file == "-":
            return Source("<stdin>", sys.stdin.buffer.read().decode("utf-8-sig"))
        return Source(file, path_of(file).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise Stop(Status.USAGE, "", [Diagnostic(CANNOT_READ, f"`{file}` cannot be read: {reason}", where=file)]) from None


def _hand_over(text: str, source: Source, target: str | None, format: str, kind: str, warned: Sequence[Diagnostic]) -> int:
    """The result where it is wanted, and the rest on stderr."""
    if target is not None:
        output.write(target, text)
    if format == "json":
        output.say_json({"schema": SCHEMA, "kind": kind, "source": source.name, "written": target, "text": text})
    elif target is None:
        output.say(text.rstrip("\n"))
    else:
        output.tell(f"`{target}` is made from {source.name}")
    output.show(warned, sys.stderr)
    return Status.WORKED
