"""`caplex completion`: scripts for shells, and what they ask for: the words that could be typed next.

Tab must answer at once, so nothing here parses: names of facts, packs and rules are read off the text of their files.
The protocol is click's: the script sets `_CAPLEX_COMPLETE`, and `main.run` hands over before it does anything else.
"""
from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from caplex.compiler.cli import output
from caplex.compiler.cli.output import Status, Stop

VARIABLE = "_CAPLEX_COMPLETE"
FOLDER = "folder"
MOST_BYTES = 4 * 1024 * 1024
_RULE = re.compile(r"^[ \t]*(?:rule|limit|throttle|cooldown|kill[ \t]+switch|size)[ \t]+([A-Z][A-Z0-9]*-[0-9]+)", re.M)
_USE = re.compile(r"^[ \t]*use[ \t]+stdlib\.([a-z0-9_]+)(?:[ \t]+as[ \t]+([a-z][a-z0-9_]*))?", re.M)
_SETTING = re.compile(r"^[ \t]*setting[ \t]+([a-z][a-z0-9_]*)", re.M)
_SECTION = re.compile(r"^input[ \t]+([a-z0-9_]+)([^{\n]*)\{")
_FIELD = re.compile(r"^[ \t]+([a-z0-9_]+)[ \t]*:")

INSTALL = {
    "bash": "echo 'source <(caplex completion bash)' >> ~/.bashrc",
    "zsh": "echo 'source <(caplex completion zsh)' >> ~/.zshrc",
    "fish": "caplex completion fish > ~/.config/fish/completions/caplex.fish",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(sorted(INSTALL)))
def completion_command(shell: str) -> int:
    """Print the script that lets SHELL complete commands, options, policies and facts.

    \b
    caplex completion bash
    caplex completion zsh
    caplex completion fish

    To have it in every new shell, type one of these once:

    \b
    bash:  echo 'source <(caplex completion bash)' >> ~/.bashrc
    zsh:   echo 'source <(caplex completion zsh)' >> ~/.zshrc
    fish:  caplex completion fish > ~/.config/fish/completions/caplex.fish

    In zsh, `autoload -U compinit && compinit` must stand before that line. Bash must be 4.4 or newer.
    """
    from caplex.compiler.cli.main import commands

    script = ShellComplete.source(_SHELLS[shell](commands, {}, "caplex", VARIABLE))
    output.say(script.rstrip("\n"))
    return Status.WORKED


# ── the protocol ──────────────────────────────────────────────────────────────────────────────────────


def answer(group: click.Group, variable: str, instruction: str) -> int:
    """Print what *instruction* (``bash_complete``) asks for. Whatever goes wrong: no completion, no message."""
    shell, _, what = instruction.partition("_")
    if shell not in _SHELLS or what != "complete":
        return Status.NO
    try:
        told = _SHELLS[shell](group, {}, "caplex", variable).complete()
        sys.stdout.write(told + "\n")
        sys.stdout.flush()
    except Stop:  # a command that is not there: nothing goes on behind it
        return Status.WORKED
    except Exception:  # a traceback in the middle of the line that somebody types helps nobody
        return Status.NO
    return Status.WORKED


def _split(items: Iterable[CompletionItem[str]]) -> tuple[list[CompletionItem[str]], list[CompletionItem[str]]]:
    """Folders, and the rest."""
    every = list(items)
    return [item for item in every if getattr(item, FOLDER, None)], [item for item in every if not getattr(item, FOLDER, None)]


class _Bash(BashComplete):
    # Bash puts a space behind a word that is the only one; behind a folder that would end the path. And words are not patterns.
    source_template = BashComplete.source_template.replace(
        "COMPREPLY+=($value)", 'COMPREPLY+=("$value"); [[ $value == */ ]] && compopt -o nospace')


class _Zsh(ZshComplete):
    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        folders, rest = _split(super().get_completions(args, incomplete))
        # Zsh knows best how a path goes on.
        return [*rest, *([CompletionItem(incomplete, type="dir")] if folders else [])]


_SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": FishComplete}


# ── what can be typed ─────────────────────────────────────────────────────────────────────────────────


def paths(incomplete: str, *suffixes: str) -> list[CompletionItem[str]]:
    """Files with one of *suffixes*, and folders, that begin with *incomplete*."""
    folder, begun = os.path.split(incomplete)
    found = []
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda entry: entry.name)
    except OSError:
        return []
    for entry in entries:
        if not entry.name.startswith(begun) or (entry.name.startswith(".") and not begun):
            continue
        name = os.path.join(folder, entry.name)
        if entry.is_dir():
            found.append(CompletionItem(name + "/", folder=True))
        elif entry.name.endswith(suffixes):
            found.append(CompletionItem(name))
    return found


def policies(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    return paths(incomplete, ".cap")


def documents(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    return paths(incomplete, ".json", ".jsonl")


def settings_files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    return paths(incomplete, ".yaml", ".yml")


def settings(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Names of the settings of the policy that stands on the line already."""
    text = read(_policy_on_line(context))
    return [CompletionItem(name + "=") for name in dict.fromkeys(_SETTING.findall(text)) if name.startswith(incomplete)]


def _policy_on_line(context: click.Context) -> str | None:
    named = context.params.get("policy") or context.params.get("subject")
    if isinstance(named, str):
        return named
    # Click gives up a line that ends in an option without its value; the line itself still says it.
    return next((word for word in os.environ.get("COMP_WORDS", "").split() if word.endswith(".cap")), None)


def names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Commands, for `caplex help`."""
    group = context.find_root().command
    assert isinstance(group, click.Group)
    return [CompletionItem(name) for name in group.list_commands(context) if name.startswith(incomplete)]


def subjects(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """What `caplex explain` explains: policies here, codes, reasons, packs, facts."""
    found = paths(incomplete, ".cap")
    begun = incomplete.upper()
    if begun and ("CAP".startswith(begun) or begun.startswith("CAP")):
        from caplex.compiler.diagnostics import catalogue

        found += [CompletionItem(code.id, help=code.title) for code in catalogue.codes() if code.id.startswith(begun)]
    if begun and ("SYS-".startswith(begun) or begun.startswith("SYS-")):
        from caplex.compiler.tools.reasons import REASONS

        found += [CompletionItem(row[0], help=row[1]) for row in REASONS if row[0].startswith(begun)]
    known = [*(f"stdlib.{name}" for name in packs()), *facts()]
    if incomplete.startswith("stdlib.") and incomplete.count(".") > 1:
        name = incomplete.split(".")[1]
        known += [f"stdlib.{name}.{rule}" for rule in _RULE.findall(read(_pack(name)))]
    return found + [CompletionItem(word) for word in known if word.startswith(incomplete)]


def parts(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Rules and settings of the policy that is explained, and of the packs that it uses."""
    text = read(context.params.get("subject"))
    found = [*_RULE.findall(text), *_SETTING.findall(text)]
    for name, alias in _USE.findall(text):
        found += [f"{alias or name}.{each}" for pattern in (_RULE, _SETTING) for each in pattern.findall(read(_pack(name)))]
    return [CompletionItem(name) for name in dict.fromkeys(found) if name.startswith(incomplete)]


def facts() -> Iterator[str]:
    """Each field of the built-in facts, as policies write it, in the order of `facts.cap`; then the computed ones."""
    from caplex.compiler.semantics.builtins import DERIVED

    section = ""
    found: dict[str, None] = {}
    for line in read(_home("grammar", "facts.cap")).splitlines():
        begins, field = _SECTION.match(line), _FIELD.match(line)
        if begins:
            section = begins[1]
            found[section] = None
        elif field and section:
            found[f"{section}.{field[1]}"] = None
    yield from found | dict.fromkeys(DERIVED)


def packs() -> list[str]:
    """Names of the packs that come along."""
    return sorted(name.removesuffix(".cap") for name in os.listdir(_home("stdlib_rules")) if name.endswith(".cap") and not name.endswith("_test.cap"))


def _pack(name: str) -> str:
    return _home("stdlib_rules", f"{name}.cap")


def _home(package: str, *rest: str) -> str:
    return os.path.join(next(iter(import_module(f"caplex.{package}").__path__)), *rest)


def read(path: object) -> str:
    """The text of a file, as far as it can be had."""
    if not isinstance(path, str):
        return ""
    try:
        if not os.path.isfile(path):
            return ""
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return ""
