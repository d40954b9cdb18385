"""The command line: which commands there are, and how a run of one ends. A command's module is imported when it is called."""
from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import IO

import click

from caplex.compiler.cli import helping, output
from caplex.compiler.cli.output import Status, Stop
from caplex.version import __version__

# Where each command lives. What is not here is absent from `--help`; its line there stands in `helping.GROUPS`.
COMMANDS = {
    "allocate": "allocating",
    "audit": "auditing",
    "bench": "benching",
    "calendar": "calendars",
    "check": "author",
    "compile": "author",
    "completion": "completing",
    "decide": "operate",
    "demo": "operate",
    "doc": "documenting",
    "explain": "explaining",
    "fmt": "formatting",
    "graph": "picture",
    "help": "helping",
    "import": "importing",
    "init": "starting",
    "keys": "operators",
    "lint": "linting",
    "lsp": "serving_editors",
    "replay": "replaying",
    "roles": "operators",
    "run": "running",
    "sign": "operators",
    "switch": "switching",
    "test": "testing",
}
PLANNED = frozenset({
    "backtest", "diff",
    "schema", "serve", "ui", "verify",
})
COMPLETE = "_CAPLEX_COMPLETE"
"""Set by the scripts of `caplex completion`; then nothing is run, and what could be typed next is printed."""


class Commands(click.Group):
    """A group that knows the names of its commands and imports one when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"caplex.compiler.cli.{COMMANDS[cmd_name]}")
        command = getattr(module, cmd_name + "_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, lines in helping.grouped(self.list_commands(ctx)).items():
            rows = [(name, line or self._line(ctx, name)) for name, line in lines.items()]
            with formatter.section(title):
                formatter.write_dl(rows)

    def _line(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return command.get_short_help_str(100) if command is not None else ""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in PLANNED and name not in COMMANDS:
            raise Stop(Status.USAGE, f"`caplex {name}` is not part of this version")
        if name not in COMMANDS and not name.startswith("-"):
            hint = helping.nearest(name, COMMANDS, "`caplex --help` lists them", before="caplex ")
            raise Stop(Status.USAGE, f"no command is named `{name}`; {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
             epilog="`caplex COMMAND --help` tells more of a command.")
@click.version_option(__version__, prog_name="caplex", message="%(prog)s %(version)s")
def commands() -> None:
    """Rules about who may deploy capital, when, and how much."""


def run(arguments: Sequence[str]) -> int:
    """Run `caplex` with *arguments*; the exit status. No exception leaves it, and no traceback unless CAPLEX_DEBUG is set."""
    instruction = os.environ.get(COMPLETE)
    if instruction:
        from caplex.compiler.cli.completing import answer

        return answer(commands, COMPLETE, instruction)
    output.prepare()
    as_json = wants_json(arguments)
    try:
        status = _invoke(arguments)
        output.finish()
        return status
    except Stop as stop:
        return _fail(stop.status, str(stop), stop.diagnostics, as_json)
    except click.UsageError as error:
        return _usage(error, as_json)
    except (click.Abort, KeyboardInterrupt, EOFError):
        return Status.INTERRUPTED
    except BrokenPipeError:
        return _broken_pipe()
    except Exception as error:
        return _unexpected(error, as_json)


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether the answer is read by a program, so that a failure is told to it too."""
    pairs = pairwise(arguments)
    return "--format=json" in arguments or ("--format", "json") in pairs


def _invoke(arguments: Sequence[str]) -> int:
    if not arguments:
        output.say(helping.first_screen(tuple(COMMANDS)))
        return Status.WORKED
    # Not `commands.main`: it answers a broken pipe with 1, which is what a denial says.
    try:
        with commands.make_context("caplex", list(arguments)) as context:
            answer = commands.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return answer if isinstance(answer, int) else Status.WORKED


def _fail(status: int, message: str, diagnostics: Sequence[object], as_json: bool) -> int:
    try:
        output.show_failure(status, message, diagnostics, as_json=as_json)  # type: ignore[arg-type]
        output.finish()
    except BrokenPipeError:
        _broken_pipe()
    except OSError as error:
        return _lost(error)
    return status


def _usage(error: click.UsageError, as_json: bool) -> int:
    path = error.ctx.command_path if error.ctx is not None else "caplex"
    return _fail(Status.USAGE, f"{helping.usage_sentence(error)}; `{path} --help` tells more", (), as_json)


def _broken_pipe() -> int:
    # Whoever read us has gone. Nobody has seen the whole answer, so the status must not say that all went well.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            _abandon(stream)
    return Status.IO


def _abandon(stream: IO[str]) -> None:
    # The interpreter flushes once more when it ends: let it flush into nothing.
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, stream.fileno())
    except OSError:  # a stream that is no file
        sys.stdout = sys.__stdout__
    finally:
        os.close(nothing)


def _lost(error: OSError) -> int:
    """The result could not be written: say so where that can be said."""
    _abandon(sys.stdout)
    try:
        output.tell(f"error: the result cannot be written: {error.strerror or type(error).__name__}")
        sys.stderr.flush()
    except OSError:
        _abandon(sys.stderr)
    return Status.IO


def _unexpected(error: Exception, as_json: bool) -> int:
    from caplex.runtime.errors import CaplexError, PolicyError

    if isinstance(error, CaplexError):
        status = Status.AGAIN if error.retryable else Status.USAGE
        # What a policy's errors print in Python is the diagnostics, drawn; they are told here already.
        message = "" if isinstance(error, PolicyError) and error.diagnostics else str(error)
        return _fail(status, message, error.diagnostics, as_json)
    if isinstance(error, click.ClickException):
        return _fail(Status.USAGE, error.format_message(), (), as_json)
    if isinstance(error, OSError) and error.filename is None and error.errno in output.CANNOT_WRITE:
        return _lost(error)
    if isinstance(error, OSError):
        place = f"`{error.filename}`: " if error.filename else ""
        return _fail(Status.IO, f"{place}{error.strerror or type(error).__name__}", (), as_json)
    import traceback

    if os.environ.get("CAPLEX_DEBUG"):
        traceback.print_exc()
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "an unknown place"
    sentence = f"this is a bug in caplex ({type(error).__name__} at {place}); CAPLEX_DEBUG=1 shows where it comes from"
    return _fail(Status.BUG, sentence, (), as_json)
