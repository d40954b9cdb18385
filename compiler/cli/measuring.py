"""What `caplex test` measures beside running tests: its options, and the progress of what takes a while."""
from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import click

from caplex.compiler.cli import output

Command = Callable[..., Any]


def percent(ctx: click.Context, param: click.Parameter, value: str | None) -> Fraction | None:
    """A number from 0 to 100, exactly as it is written."""
    from caplex.runtime.reading import Unreadable, number

    if value is None:
        return None
    try:
        found = number(value.removesuffix("%"))
    except Unreadable:
        raise click.BadParameter(f"`{value}` is not a number of percent", ctx, param) from None
    if not 0 <= found <= 100:
        raise click.BadParameter(f"`{value}` is not between 0 and 100", ctx, param)
    return found


def measuring_options(command: Command) -> Command:
    """Adds the options; the command gets ``wanted``, see `testing.measured.Wanted`."""

    @click.option("--coverage", is_flag=True, help="Tell which rules, conditions and sides of bounds the tests look at.")
    @click.option("--coverage-min", metavar="N", callback=percent, help="With coverage: every total reaches N percent, or the status is 1.")
    @click.option("--mutate", is_flag=True, help="Change the policy in one place after the other; tell what no test notices.")
    @click.option("--mutate-min", metavar="N", callback=percent, help="With mutants: the score reaches N percent, or the status is 1.")
    @click.option("--cases", metavar="N", type=click.IntRange(1, 1_000_000), help="Cases that properties are tried on (500).")
    @click.option("--seed", metavar="N", type=int, help="Which cases (0): the same number gives the same ones.")
    @functools.wraps(command)
    def wrapped(*args: Any, coverage: bool, coverage_min: Fraction | None, mutate: bool, mutate_min: Fraction | None, cases: int | None,
                seed: int | None, **more: Any) -> Any:
        from caplex.compiler.testing.measured import Wanted
        from caplex.compiler.testing.properties import CASES, SEED

        wanted = Wanted(coverage, coverage_min, mutate, mutate_min, CASES if cases is None else cases, SEED if seed is None else seed)
        return command(*args, wanted=wanted, **more)

    return wrapped


def progress(path: str) -> Callable[[int, int], None]:
    """A line that counts mutants, where a person looks on."""
    def show(done: int, of: int) -> None:
        if sys.stderr.isatty():
            output.show_progress(f"{path}: {done} of {of} mutants" if done < of else "")

    return show
