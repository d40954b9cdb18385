"""The command `caplex`: finds the command that was meant, imports only that, and turns every ending into an exit status."""
from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from caplex.version import __version__

COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("caplex.compiler.cli.author:check", "Parse, resolve and type-check policies; writes nothing."),
    "compile": ("caplex.compiler.cli.author:compile_", "Compile a policy; show its Python or its rule graph."),
    "decide": ("caplex.compiler.cli.operate:decide", "Decide an intent on a facts document."),
    "demo": ("caplex.compiler.cli.operate:demo", "Decide and explain intents on real prices, offline."),
    "explain": ("caplex.compiler.cli.operate:explain", "Tell a decision in full, or what a code or a field means."),
}
"""Name, place of the command, and its line in the help: so that `--help` imports none of them."""

LATER = (
    "init", "lint", "fmt", "test", "graph", "run", "replay", "audit", "switch", "allocate", "diff", "verify", "backtest", "schema",
    "bench", "serve", "ui", "lsp", "doc", "import", "completion",
)
"""Commands of later versions."""

WORKED, ANSWER_NO, USAGE, BUG, INPUT_OUTPUT, TRY_AGAIN, INTERRUPTED = 0, 1, 2, 70, 74, 75, 130


class Lazy(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS:
            raise click.UsageError(unknown_command(name))
        return name, self.get_command(ctx, name), args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


def unknown_command(name: str) -> str:
    """One line: not yet, or perhaps meant otherwise."""
    if name in LATER:
        return f"`caplex {name}` is not part of this version"
    near = get_close_matches(name, [*COMMANDS, *LATER], n=1)
    return f"there is no command `{name}`" + (f": did you mean `caplex {near[0]}`?" if near else "; `caplex --help` lists them")


@click.group(cls=Lazy, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", message="caplex %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Rules about capital: who may deploy it, when, and how much.

    \b
    caplex demo                                   see it at work
    caplex check desk.cap                         is this policy sound?
    caplex decide desk.cap --facts facts.json     may this intent go ahead?
    caplex explain desk.cap --facts facts.json    and why?
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit status. A traceback reaches nobody, unless `CAPLEX_DEBUG` asks for it."""
    try:
        result: Any = cli.main(args=list(arguments), prog_name="caplex", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else WORKED
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.ClickException as error:
        complain(error.format_message())
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever reads has seen enough; the interpreter must not complain while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WORKED
    except Exception as error:
        return _ending(error)


def _ending(error: Exception) -> int:
    from caplex.runtime.errors import CaplexError

    if os.environ.get("CAPLEX_DEBUG"):
        traceback.print_exc()
    if isinstance(error, CaplexError):
        complain(str(error))
        return TRY_AGAIN if error.retryable else USAGE
    if isinstance(error, OSError):
        complain(f"{error.filename or 'output'}: {error.strerror or error}")
        return INPUT_OUTPUT
    complain(f"this is a bug in caplex: {type(error).__name__}: {error}\nPlease report it; CAPLEX_DEBUG=1 shows where it happened.")
    return BUG


def complain(message: str) -> None:
    """Anything that is not a result goes to stderr."""
    click.echo(message if message.startswith("error") else f"caplex: {message}", err=True)
