"""Options that several commands share, and what they add up to."""
from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar, cast

import click

from caplex.compiler.cli.helping import completes

P = ParamSpec("P")
R = TypeVar("R")
Mode = Literal["enforce", "monitor"]
VARIABLE = "CAPLEX_SET_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What comes from outside the policy. Precedence: file < environment < `--set`."""

    file: str | None
    assigned: tuple[str, ...]
    mode: Mode | None
    prefix: str = VARIABLE

    @property
    def given(self) -> bool:
        """Whether the command line itself names settings; the environment is the same for all commands."""
        return self.file is not None or bool(self.assigned)

    def settings(self) -> dict[str, Any]:
        """Values by name of setting; a setting of an import is ``alias.name``, in the environment ``ALIAS__NAME``."""
        from caplex.compiler.semantics.outside import Outside as Given

        values: dict[str, Any] = {}
        if self.file is not None:
            from caplex.compiler.tools.settings_file import read_settings

            values |= read_settings(path_of(self.file))
        values |= from_environment(os.environ, self.prefix)
        for assignment in self.assigned:
            name, equals, value = assignment.partition("=")
            if not equals or not name.strip():
                raise click.UsageError(f"`--set {assignment}` is no NAME=VALUE")
            values[name.strip()] = Given(value.strip(), "--set")
        return values


def path_of(name: str) -> Any:
    """*name* as a path."""
    from pathlib import Path

    return Path(name)


def from_environment(environment: Mapping[str, str], prefix: str = VARIABLE) -> dict[str, Any]:
    """Settings that stand in variables whose names begin with *prefix*: ``CAPLEX_SET_SANITY__PRICE_COLLAR`` is `sanity.price_collar`."""
    from caplex.compiler.semantics.outside import Outside as Given

    names = sorted(name for name in environment if name.startswith(prefix) and len(name) > len(prefix))
    return {name.removeprefix(prefix).lower().replace("__", "."): Given(environment[name], f"environment {name}") for name in names}


def settings_options(command: Callable[..., R]) -> Callable[..., R]:
    """`--settings`, `--set` and `--mode`, handed on as one `outside`."""

    @click.option("--settings", "file", metavar="FILE.yaml", help="Settings by name.", shell_complete=completes("settings_files"))
    @click.option("--set", "assigned", metavar="NAME=VALUE", multiple=True, help="One setting; it moves only to the safer side.",
                  shell_complete=completes("settings"))
    @click.option("--mode", type=click.Choice(["enforce", "monitor"]), help="Instead of the mode of the header.")
    @click.option("--env-prefix", "prefix", metavar="PREFIX", default=VARIABLE, show_default=True,
                  help="Environment variables that begin so are settings.")
    @functools.wraps(command)
    def wrapped(*args: Any, file: str | None, assigned: tuple[str, ...], mode: str | None, prefix: str, **kwargs: Any) -> R:
        if not prefix:
            raise click.UsageError("`--env-prefix` is empty: every variable would be a setting")
        return command(*args, outside=Outside(file=file, assigned=assigned, mode=cast("Mode | None", mode), prefix=prefix), **kwargs)

    return wrapped


def output_format(*kinds: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """`--format`; the first of *kinds* is the default."""
    return click.option("--format", type=click.Choice(kinds), default=kinds[0], show_default=True, help="Of what is printed.")
