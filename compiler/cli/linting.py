"""`caplex lint`: what is legal and probably not meant, and what mends itself."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.helping import completes
from caplex.compiler.cli.options import output_format
from caplex.compiler.cli.output import Status

if TYPE_CHECKING:
    from caplex.compiler.diagnostics.diagnostic import Diagnostic
    from caplex.compiler.lint.run import Asked, File


@click.command("lint")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, shell_complete=completes("policies"))
@click.option("--fix", is_flag=True, help="Mend what can be mended without changing what the policy permits.")
@click.option("--unsafe-fixes", "unsafe", is_flag=True, help="Mend the rest too; read the result.")
@click.option("--select", metavar="WORDS", multiple=True, help="Look for these alone: codes, beginnings of codes, names, `risk`, `reading`, `all`.")
@click.option("--ignore", metavar="WORDS", multiple=True, help="Do not look for these.")
@click.option("--fail-level", type=click.Choice(["error", "warning", "note"]), help="The least grave finding that fails; `warning` unless configured.")
@click.option("--as-of", metavar="DATE", help="Find what has ended by that day: 2026-06-30.")
@output_format("text", "json", "sarif", "github", "junit")
def lint_command(
    paths: tuple[str, ...], fix: bool, unsafe: bool, select: tuple[str, ...], ignore: tuple[str, ...], fail_level: str | None, as_of: str | None, format: str,
) -> int:
    """Find what is legal in a policy and probably not meant: risk first, then what a reader stumbles over.

    A folder stands for every *.cap in it that .gitignore does not leave out.

    \b
    caplex lint desk.cap
    caplex lint . --select risk
    caplex lint desk.cap --ignore no-title,CAP74 --fail-level note
    caplex lint desk.cap --fix
    caplex lint desk.cap --as-of 2026-07-01
    caplex lint . --format sarif > lint.sarif

    A comment silences one finding, on its line or the line above: `# caplex: ignore CAP705 because REASON`.
    `[lint]` in caplex.toml, or `[tool.caplex.lint]` in pyproject.toml, says the rest.

    Exit status: 0 nothing as grave as the fail level; 1 something was found; 2 a file or a configuration cannot be used.

    More: docs/howto/lint-a-policy.md; `caplex explain CAP705` is the page of a finding.
    """
    from caplex.compiler.cli.documents import policy_files
    from caplex.compiler.diagnostics import formats as shared
    from caplex.compiler.diagnostics.diagnostic import Level
    from caplex.compiler.lint import formats
    from caplex.compiler.lint.run import Asked, lint_files

    asked = Asked(
        _words(select, "--select") if select else None, _words(ignore, "--ignore"),
        Level(fail_level) if fail_level is not None else None, _day(as_of))
    files = policy_files(paths)
    mended = _mend(files, asked, unsafe=unsafe) if fix or unsafe else []
    results = lint_files(files, asked)
    found = [each for file in results for each in file.found]
    if format == "json":
        output.say_json(formats.document(results, len(mended)))
    elif format == "sarif":
        output.say_json(formats.sarif(results))
    elif format == "junit":
        output.say(formats.junit(results))
    elif format == "github":
        if found:
            output.say(shared.github(found))
    else:
        output.show(found, sys.stdout)
        sys.stdout.flush()
        output.tell(("\n" if found else "") + _summary(results, mended, unsafe=unsafe))
    if any(file.source is None for file in results):
        return Status.USAGE
    return Status.NO if any(file.failing for file in results) else Status.WORKED


def _words(given: Sequence[str], option: str) -> tuple[str, ...]:
    """Words of an option that may stand several times, each with commas."""
    from caplex.compiler.lint.selecting import unknown

    words = tuple(word for each in given for word in each.replace(",", " ").split())
    for word in words:
        why = unknown(word)
        if why is not None:
            raise click.UsageError(f"`{option}`: {why}")
    if given and not words:
        raise click.UsageError(f"`{option}` names nothing")
    return words


def _day(text: str | None) -> str | None:
    from datetime import date

    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise click.UsageError(f"`--as-of {text}` is no date: write it like 2026-06-30") from None


def _mend(files: Sequence[Path], asked: Asked, *, unsafe: bool) -> list[Diagnostic]:
    """Mend *files*, each whole or not at all; what was mended."""
    from caplex.compiler.lint.run import mend_file

    applied: list[Diagnostic] = []
    for path in files:
        done = mend_file(path, asked, unsafe=unsafe)
        if done is None or done[1].text == done[0].text:
            continue
        mark = "\ufeff" if path.read_bytes().startswith(b"\xef\xbb\xbf") else ""
        output.write(path.resolve(), mark + done[1].text)
        applied += done[1].applied
    return applied


def _summary(files: Sequence[File], mended: Sequence[Diagnostic], *, unsafe: bool) -> str:
    """How much was looked at, found, mended, silenced; and what could be mended."""
    from caplex.compiler.diagnostics.render import summary

    found = [each for file in files for each in file.found]
    silenced = sum(len(file.silenced) for file in files)
    fixes = [each.fix for each in found if each.fix is not None]
    safe = sum(fix.safe for fix in fixes)
    told = f"{len(files)} {'policy' if len(files) == 1 else 'policies'} linted: {summary(found)}"
    told += f"; {len(mended)} mended" if mended else ""
    told += f"; {silenced} silenced" if silenced else ""
    offers = [f"`--fix` mends {safe}"] if safe else []
    if len(fixes) > safe and not unsafe:
        offers.append(f"`--unsafe-fixes` mends {len(fixes) if not safe else f'{len(fixes) - safe} more'}")
    return told + (f"\n{', '.join(offers)}" if offers else "")
