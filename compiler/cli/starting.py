"""`caplex init`: a desk that works from the first minute."""
from __future__ import annotations

from pathlib import Path

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.options import output_format
from caplex.compiler.cli.output import Status, Stop


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--name", default="desk", show_default=True, help="Of the policy and its file.")
@click.option("--currency", default="USD", show_default=True, help="Of the account.")
@click.option("--timezone", default="UTC", show_default=True, help="In which days begin and end.")
@click.option("--owner", default="Risk desk", show_default=True, help="Who answers for the policy.")
@output_format("text", "json")
def init_command(folder: Path, name: str, currency: str, timezone: str, owner: str, format: str) -> int:
    """Write a desk policy over library packs into DIR, with its tests, settings, CI and editor files.

    Then it is checked and its tests are run. Nothing that exists is overwritten.

    \b
    caplex init desk
    caplex init --name momentum --currency EUR --timezone Europe/Berlin momentum

    Exit status: 0 written, and it passes its own checks; 2 a file is there already, or a name that cannot be used; 74 it cannot be
    written.

    More: docs/howto/start-a-desk.md.
    """
    from caplex.compiler.starter.write import Desk, Taken, write

    desk = Desk(name=name, currency=currency, timezone=timezone, owner=owner)
    complaint = desk.complaint()
    if complaint is not None:
        raise Stop(Status.USAGE, complaint)
    try:
        files = write(folder, desk)
    except Taken as taken:
        raise Stop(Status.USAGE, str(taken)) from None
    except OSError as error:
        raise Stop(Status.IO, f"`{error.filename or folder}` cannot be written: {error.strerror}") from None
    problems, told = _prove(folder, desk.name)
    if format == "json":
        output.say_json({"schema": "caplex.init/1", "folder": str(folder), "files": [str(path.relative_to(folder)) for path in files], "checked": told,
                         "passed": not problems})
    else:
        output.say(f"wrote {len(files)} files into {folder}")
        for path in files:
            output.say(f"  {path.relative_to(folder)}")
        output.say(f"\n{told}\n\nNext:" + (f"\n  cd {folder}" if folder != Path() else "")
                   + f"\n  caplex explain {name}.cap --facts intent.json\n  caplex test .")
    return Status.NO if problems else Status.WORKED


def _prove(folder: Path, name: str) -> tuple[bool, str]:
    """Whether something is wrong with what was written, and what its own checks say."""
    import caplex
    from caplex.compiler.diagnostics.render import summary
    from caplex.compiler.testing.report import summary as summed

    policy = folder / f"{name}.cap"
    found = caplex.check(policy, settings=folder / "settings.yaml")
    report = caplex.test(folder)
    broken = any(each.is_error for each in found) or not report.ok
    return broken, f"{policy.name} checked: {summary(found)}; {summed(report)}"
