"""Commands for who may act: `keys new`, `sign`, `roles check`."""
from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.output import Status, Stop

if TYPE_CHECKING:
    from caplex.runtime.roles import Roles

SIGNED = ("operator", "policy")


@click.group("keys", no_args_is_help=False)
def keys_command() -> None:
    """Keys that operators sign with.

    \b
    caplex keys new risk-3

    More: docs/howto/sign-an-act.md.
    """


@keys_command.command("new")
@click.argument("name")
@click.option("-o", "--output", "folder", metavar="DIR", default=".", help="Write NAME.key there instead of here.")
def new_command(name: str, folder: str) -> int:
    """Make a key for the operator NAME: the private half goes into NAME.key, the public half is printed.

    \b
    caplex keys new risk-1
    """
    from caplex.runtime.roles_file import NAME, NAME_CURE
    from caplex.runtime.signing import generate, write_private

    if not NAME.fullmatch(name):
        raise click.UsageError(f"`{name}` is no name of a person: {NAME_CURE}")
    private, public = generate()
    path = Path(folder) / f"{name}.key"
    write_private(path, private)
    output.say(public)
    output.tell(f"`{path}` is the private half: only `{name}` keeps it, and nobody else may read it")
    output.tell(f"the line above is the public half: put it under `keys` of `{name}` in the roles file")
    return Status.WORKED


@click.command("sign")
@click.argument("event_file", metavar="EVENT.json|-")
@click.option("--key", "key_file", metavar="NAME.key", required=True, help="The private key of who acts.")
@click.option("-o", "--output", "target", metavar="FILE", help="Write there instead of to the terminal.")
def sign_command(event_file: str, key_file: str, target: str | None) -> int:
    """Sign an operator's act: the event again, on one line, with its signature.

    \b
    caplex sign rearm.json --key risk-1.key
    """
    from caplex.compiler.cli.documents import read_object
    from caplex.runtime.roles import Refusal, stated
    from caplex.runtime.signing import read_private, sign_event

    event = read_object(event_file)
    if event.get("type") not in SIGNED:
        raise Stop(Status.USAGE, f"acts of operators are signed, events of type {' or '.join(f'`{each}`' for each in SIGNED)}")
    said = stated(event)
    if isinstance(said, Refusal):
        raise Stop(Status.USAGE, f"this act would be refused: {said.sentence}")
    signed = json.dumps(sign_event(event, read_private(key_file)), ensure_ascii=False, default=_digits)
    if target is None:
        output.say(signed)
    else:
        output.write(target, signed + "\n")
    return Status.WORKED


def _digits(value: Any) -> str:
    """A number as the text that has the same canonical form, so that the signature fits what is printed."""
    from caplex.runtime.canonical import decimal_text

    assert isinstance(value, Decimal), value
    return decimal_text(value)


@click.group("roles", no_args_is_help=False)
def roles_command() -> None:
    """The roles file: who may act, in which role.

    \b
    caplex roles check roles.json

    More: docs/howto/sign-an-act.md.
    """


@roles_command.command("check")
@click.argument("roles_file", metavar="ROLES")
@click.option("-o", "--output", "target", metavar="FILE.json", help="Write the roles there as JSON, in their one order.")
def check_command(roles_file: str, target: str | None) -> int:
    """Check a roles file, JSON or YAML, and print its hash.

    \b
    caplex roles check roles.json
    caplex roles check roles.yaml -o roles.json
    """
    from caplex.runtime.roles_file import RolesError

    try:
        roles = read_roles(roles_file)
    except RolesError as error:
        for problem in error.problems:
            output.say(f"{roles_file}: {problem}")
        return Status.NO
    if target is not None:
        output.write(target, json.dumps(roles.to_dict(), indent=2, ensure_ascii=False) + "\n")
    keys = sum(len(person.keys) for person in roles.people.values())
    output.say(f"{_count(len(roles.people), 'person', 'people')}, {_count(keys, 'key', 'keys')}  {roles.hash}")
    silent = [name for name, person in sorted(roles.people.items()) if not person.keys]
    if silent:
        output.tell(f"without a key, and so only known where a service vouches for them: {', '.join(silent)}")
    return Status.WORKED


def read_roles(path: str) -> Roles:
    """The roles file *path*: YAML by its ending, otherwise JSON. Raises CaplexError."""
    from caplex.runtime.roles import Roles

    if not path.endswith((".yaml", ".yml")):
        return Roles.read(path)
    from caplex.compiler.tools.settings_file import read_mapping

    document = read_mapping(Path(path), "roles file", "is a mapping, `schema: caplex.roles/1` and `people:`", times_as_text=True)
    return Roles.read(document, path)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
