"""What is shown to who asks for help: the first screen, the commands by what people do with them, `caplex help`."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.output import Status, Stop
from caplex.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# A line for each command stands here and not with the command: a list of them must import none.
GROUPS: Final[dict[str, dict[str, str]]] = {
    "Write policies": {
        "init": "Start a desk: a policy over packs, its tests, settings, CI and editor files.",
        "check": "Parse, resolve and type-check policies.",
        "lint": "Find what is legal and probably not meant: risk first, then reading; mend it.",
        "fmt": "Lay policies out in the canonical way; nothing but space changes.",
        "test": "Run the tests that stand in policies.",
        "graph": "Draw the rules of a policy.",
        "doc": "Write a page on a policy that a risk committee can read and sign.",
        "compile": "Show what a policy is compiled to.",
        "bench": "Tell which rules of a policy cost what.",
        "import": "Make a policy, or settings, from another system's configuration.",
    },
    "Ask": {
        "decide": "Decide one intent, or many.",
        "explain": "Tell a decision in full, or print the page of a policy, a rule, a fact, a code.",
        "allocate": "Share out capital by score, once or every few minutes.",
        "demo": "Watch a real policy decide the crash of 2020.",
    },
    "Run": {
        "run": "Run a stream of events under a policy: decide, write down, send, take reports.",
        "switch": "Kill switches of an engine: their state, and what people do about them.",
        "audit": "Read the journal of an engine.",
        "replay": "Run a journal again: prove every decision, or try another policy.",
    },
    "Operators": {
        "keys": "Keys that operators sign with.",
        "roles": "The roles file: who may act, in which role.",
        "sign": "Sign an operator's act.",
    },
    "Set up": {
        "calendar": "Sessions of an exchange, as facts or compiled into a module.",
        "lsp": "Serve an editor: findings as you type, completion, hover, renaming.",
        "completion": "Let the shell complete commands, options, policies and facts.",
        "help": "Show this, or the help of a command.",
    },
}
LEAD: Final = "Rules about who may deploy capital, when, and how much."
COPY: Final = "my-desk"
# Policies and documents that may lie here, the nearest first; the last is where `caplex demo --copy` puts them.
SHIPPED: Final = (
    ("desk.cap", "facts.json"),
    ("desk.cap", os.path.join("facts", "2-trimmed.json")),
    (os.path.join("examples", "quickstart", "desk.cap"), os.path.join("examples", "quickstart", "facts", "2-trimmed.json")),
    (os.path.join(COPY, "desk.cap"), os.path.join(COPY, "facts", "2-trimmed.json")),
)
FIRST: Final[tuple[tuple[str, str, str], ...]] = (
    ("demo", "demo", "watch a desk go through the crash of 2020"),
    ("demo", "demo --copy {copy}", "have its policy and its facts here, to try the rest on"),
    ("check", "check {policy}", "is the policy sound?"),
    ("decide", "decide {policy} --facts {facts}", "may this order go ahead, and how much of it?"),
    ("explain", "explain {policy} --facts {facts}", "why: every rule, what it measured, what it allows"),
    ("graph", "graph {policy} -o desk.svg", "the rules as a picture"),
)
LOOK_UP: Final = ("explain CAP203", "explain market.price", "explain stdlib.order_sanity")


def grouped(commands: Sequence[str]) -> dict[str, dict[str, str]]:
    """*commands* by group, each with its line; one that stands in no group comes under ``More``."""
    found = {title: {name: line for name, line in lines.items() if name in commands} for title, lines in GROUPS.items()}
    known = {name for lines in GROUPS.values() for name in lines}
    found["More"] = {name: "" for name in commands if name not in known}
    return {title: lines for title, lines in found.items() if lines}


def columns(rows: Iterable[tuple[str, str]], width: int) -> list[str]:
    """Two columns where they fit; else the right one under the left."""
    from textwrap import wrap

    pairs = list(rows)
    first = max(len(left) for left, _ in pairs) + 2
    beside = all(2 + first + len(right) <= width for _, right in pairs)
    lines = []
    for left, right in pairs:
        if beside:
            lines.append(f"  {left:<{first}}{right}")
        else:
            lines += [f"  {left}", *wrap(right, max(width, 20), initial_indent="      ", subsequent_indent="      ", break_long_words=False)]
    return lines


def first_screen(commands: Sequence[str]) -> str:
    """What `caplex` alone prints: what it is, what to type first, where help is."""
    from shutil import get_terminal_size
    from textwrap import wrap

    width = get_terminal_size((100, 24)).columns
    # The lines can be typed as they stand, wherever this is read.
    here = next((pair for pair in SHIPPED if all(map(os.path.isfile, pair))), None)
    policy, facts = here or SHIPPED[-1]
    steps = [("caplex " + text.format(policy=policy, facts=facts, copy=COPY), what)
             for name, text, what in FIRST if name in commands and (here is None or "{copy}" not in text)]
    more = [("caplex --help", "all commands"), ("caplex decide --help", "one of them"), ("caplex completion --help", "Tab in your shell")]
    lines = [
        *_wrapped(f"caplex {__version__}: r{LEAD[1:]}", width), "",
        *wrap("A policy is a text file of limits and kill switches. Each order gets ALLOW, MODIFY, HOLD or DENY, "
              "and the rules that decided.", max(width, 20), break_long_words=False), "",
        "Type first:", *columns(steps, width), "",
        "Look up:", *_in_rows([f"caplex {text}" for text in LOOK_UP], width), "",
        "More:", *columns([(left, right) for left, right in more if left.split()[1].startswith("-") or left.split()[1] in commands], width),
    ]
    return "\n".join(lines)


def _wrapped(text: str, width: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, max(width, 20), break_long_words=False)


def _in_rows(parts: list[str], width: int) -> list[str]:
    line = "  " + "   ".join(parts)
    return [line] if len(line) <= width else [f"  {part}" for part in parts]


def completes(what: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]:
    """What Tab offers for an argument or an option: a function of `completing`, imported when somebody presses it."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from caplex.compiler.cli import completing

        found: list[CompletionItem[str]] = getattr(completing, what)(context, parameter, incomplete)
        return found

    return complete


@click.command("help")
@click.argument("command", required=False, shell_complete=completes("names"))
@click.pass_context
def help_command(context: click.Context, command: str | None) -> int:
    """Show the list of commands, or the help of COMMAND.

    \b
    caplex help
    caplex help decide
    """
    group = context.find_root().command
    assert isinstance(group, click.Group)
    if command is None:
        output.say(_help(group, click.Context(group, info_name="caplex", **group.context_settings)))
        return Status.WORKED
    found = group.get_command(context, command)
    if found is None:
        raise Stop(Status.USAGE, f"no command is named `{command}`; {nearest(command, group.list_commands(context), '`caplex --help` lists them')}")
    root = click.Context(group, info_name="caplex", **group.context_settings)
    output.say(_help(found, click.Context(found, info_name=command, parent=root)))
    return Status.WORKED


def _help(command: click.Command, context: click.Context) -> str:
    with context:
        return command.get_help(context)


def nearest(word: str, known: Iterable[str], otherwise: str = "", *, before: str = "") -> str:
    """``did you mean `…`?`` with the nearest of *known*, or *otherwise*."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1)
    return f"did you mean `{before}{near[0]}`?" if near else otherwise


def usage_sentence(error: click.UsageError) -> str:
    """What was typed wrong, without a full stop; with the nearest name where a name was meant."""
    if isinstance(error, click.NoSuchOption):
        near = nearest(error.option_name, _options(error.ctx))
        return f"there is no option `{error.option_name}`" + (f"; {near}" if near else "")
    parameter = getattr(error, "param", None)
    choice = getattr(parameter, "type", None)
    if isinstance(error, click.BadParameter) and isinstance(choice, click.Choice) and isinstance(parameter, click.Option):
        given, mark, _ = error.message[1:].partition("' is not one of ")  # click begins with what was typed, quoted
        if not mark:
            return error.format_message().rstrip(".")
        names = [str(each) for each in choice.choices]
        near = nearest(given, names, f"it is one of {', '.join(f'`{name}`' for name in names)}")
        return f"`{parameter.opts[-1]}` has no value `{given}`; {near}"
    return error.format_message().rstrip(".")


def _options(context: click.Context | None) -> list[str]:
    return [] if context is None else [name for param in context.command.get_params(context) for name in param.opts]
