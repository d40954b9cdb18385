"""`caplex test`: the tests that stand in policies, packs and files of tests."""
from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.author import UNREAD
from caplex.compiler.cli.helping import completes
from caplex.compiler.cli.measuring import measuring_options, progress
from caplex.compiler.cli.options import Outside, output_format, settings_options
from caplex.compiler.cli.output import Status

if TYPE_CHECKING:
    from caplex.compiler.testing.measured import Measured, Wanted
    from caplex.compiler.testing.model import Report


@click.command("test")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, shell_complete=completes("policies"))
@click.option("-k", "select", metavar="EXPR", help="Only tests whose title fits: words with `and`, `or`, `not`, parentheses.")
@click.option("-x", "first", is_flag=True, help="Stop at the first that fails.")
@click.option("-v", "verbose", is_flag=True, help="A line for each test.")
@measuring_options
@settings_options
@output_format("text", "json", "junit", "github")
def test_command(paths: tuple[str, ...], select: str | None, first: bool, verbose: bool, wanted: Wanted, outside: Outside, format: str) -> int:
    """Run the tests that stand in policies, in packs, and in files X_test.cap beside them, and try their properties.

    A folder stands for every *.cap in it that .gitignore does not leave out.

    \b
    caplex test desk.cap
    caplex test . -k "entry or peak" -x
    caplex test . --format github
    caplex test desk.cap --coverage-min 95 --mutate

    Exit status: 0 all passed; 1 a test or a property failed, a policy does not compile, or less is reached than was asked for; 2 there is nothing to run, or a file cannot be read.

    More: docs/howto/test-a-policy.md; docs/howto/measure-your-tests.md.
    """
    from caplex.compiler.testing import formats, measured
    from caplex.compiler.testing import report as reports

    try:
        found, more = measured.measure(*paths, wanted=wanted, select=select, first=first, settings=outside.settings(), mode=outside.mode, progress=progress)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if format == "json":
        output.say_json({**formats.document(found), **more.to_dict(), "ok": _passed(found, more)})
    elif format == "junit":
        output.say(measured.junit(formats.junit(found), more))
    elif format == "github":
        lines = [formats.github(found), *measured.github(more)]
        if any(lines):
            output.say("\n".join(filter(None, lines)))
        output.tell(reports.summary(found))
    else:
        if found.errors:
            output.show(found.errors, sys.stderr)
            output.tell("")
            sys.stderr.flush()
        text = reports.text(found, width=output.width(sys.stdout), colour=output.has_colour(sys.stdout), verbose=verbose)
        told = measured.text(more, width=output.width(sys.stdout), colour=output.has_colour(sys.stdout), verbose=verbose)
        if text or told:
            output.say("\n\n".join(filter(None, (text, told))))
    return _status(found, more)


def _status(found: Report, more: Measured) -> Status:
    if any(each.span is None and each.code.id in UNREAD for each in found.errors):
        return Status.USAGE
    if not found.runs and not found.errors and not more.properties:
        chosen = f"; none of {found.deselected} is selected" if found.deselected else ": `test \"…\" { … }` in a policy, in a pack, or in X_test.cap beside X.cap"
        output.tell(f"error: there is no test to run{chosen}")
        return Status.USAGE
    return Status.WORKED if _passed(found, more) else Status.NO


def _passed(found: Report, more: Measured) -> bool:
    """Properties alone are something to run, too."""
    return not found.failed and not found.errors and more.ok and bool(found.runs or more.properties)
