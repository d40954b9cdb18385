"""Commands that decide: decide, explain, demo."""
from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from caplex.compiler.cli.output import emit_json, settings_of

POLICY = click.argument("policy", type=click.Path(path_type=Path))
FACTS = click.option("--facts", metavar="FILE|-", help="The facts document; `-` is standard input.")
INTENT = click.option("--intent", metavar="FILE", help="An intent that replaces the one in the facts.")
SETTINGS = click.option("--settings", "settings_file", type=click.Path(path_type=Path), help="A YAML file of settings.")
SET = click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="One setting; moves only to its safer side.")
MODE = click.option("--mode", type=click.Choice(["monitor"]), help="Suspend the rules: report, but let go ahead.")
FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
DETAILED = {"ALLOW": 0, "DENY": 1, "MODIFY": 10, "HOLD": 11}
CODE = re.compile(r"CAP\d{3}", re.ASCII)
MOST_COLUMNS = 160


@click.command()
@POLICY
@FACTS
@INTENT
@click.option("--batch", metavar="FILE", help="JSON Lines of intents, each decided on the same facts.")
@SETTINGS
@SET
@MODE
@click.option("--detailed-exitcode", is_flag=True, help="0 ALLOW, 1 DENY, 10 MODIFY, 11 HOLD.")
@FORMAT
def decide(
    policy: Path, facts: str | None, intent: str | None, batch: str | None, settings_file: Path | None,
    assignments: tuple[str, ...], mode: str | None, detailed_exitcode: bool, form: str,
) -> int:
    """Decide an intent: ALLOW, MODIFY, HOLD or DENY, with the reasons in order.

    Exit status 0 means it may go ahead (ALLOW, MODIFY), 1 that it may not (DENY, HOLD), 2 that nothing could be decided.

    \b
    caplex decide desk.cap --facts facts.json
    caplex decide desk.cap --facts - --set max_position=8% --format json < facts.json
    """
    decisions = _decisions(policy, facts, intent, batch, settings_file, assignments, mode)
    worst = 0
    for decision in decisions:
        if form == "json":
            emit_json(decision.to_dict())
        else:
            click.echo(str(decision))
        code = DETAILED[decision.verdict.value] if detailed_exitcode else int(not decision.permits)
        worst = max(worst, code) if batch else code
    return worst


@click.command()
@click.argument("subject")
@FACTS
@INTENT
@SETTINGS
@SET
@MODE
@FORMAT
def explain(
    subject: str, facts: str | None, intent: str | None, settings_file: Path | None, assignments: tuple[str, ...], mode: str | None, form: str
) -> int:
    """Tell a decision in full; or explain a diagnostic, a field, or a pack.

    \b
    caplex explain desk.cap --facts facts.json
    caplex explain CAP203
    caplex explain market.price
    """
    if facts is None and intent is None:
        return _page(subject, form)
    for decision in _decisions(Path(subject), facts, intent, None, settings_file, assignments, mode):
        explanation = decision.explain()
        if form == "json":
            emit_json(explanation.to_dict())
        else:
            click.echo(explanation.text(width=columns(), colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")))
    return 0


def columns() -> int:
    """Width of the terminal, within reason."""
    return min(MOST_COLUMNS, max(20, shutil.get_terminal_size((100, 24)).columns))


def _decisions(
    policy: Path, facts: str | None, intent: str | None, batch: str | None, settings_file: Path | None, assignments: tuple[str, ...], mode: str | None
) -> Iterator[Any]:
    from caplex.compiler.loading import load

    if facts is None:
        raise click.UsageError("the facts are missing: --facts FILE, or --facts - for standard input")
    compiled = load(policy, settings=settings_of(settings_file, assignments), mode="monitor" if mode == "monitor" else None)
    document = _read(facts)
    if intent is not None:
        document = {**document, "intent": _read(intent)}
    if batch is None:
        yield compiled.decide(document)
        return
    for line in _lines(batch):
        yield compiled.decide({**document, "intent": line})


def _read(name: str) -> Mapping[str, Any]:
    """A JSON object from a file or standard input; usage error if it is none."""
    from caplex.runtime.document import read_json

    return read_json(_text(name), name="standard input" if name == "-" else name)


def _text(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise click.UsageError(f"{name}: {error.strerror}") from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{name}: not UTF-8 text (byte {error.start})") from None


def _lines(name: str) -> Iterator[Mapping[str, Any]]:
    from caplex.runtime.document import read_json

    for number, line in enumerate(_text(name).splitlines(), start=1):
        if line.strip():
            yield read_json(line, name=f"{name}:{number}")


def _page(subject: str, form: str) -> int:
    """The page of a diagnostic, a field or a pack."""
    if CODE.fullmatch(subject.upper()):
        from caplex.compiler.diagnostics import catalogue

        code = catalogue.lookup(subject.upper())
        if code is None:
            raise click.UsageError(f"there is no diagnostic {subject.upper()}; docs/reference/diagnostics.md lists them")
        if form == "json":
            emit_json({"schema": "caplex.page/1", "code": code.id, "name": code.name, "level": code.level.value, "title": code.title, "page": catalogue.page(code)})
        else:
            click.echo(catalogue.page(code))
        return 0
    from caplex.compiler.tools.pages import page_of

    text = page_of(subject)
    if text is None:
        if Path(subject).is_file():
            raise click.UsageError(f"to explain a decision of {subject}, give the facts: --facts FILE")
        raise click.UsageError(f"nothing is called `{subject}`: a diagnostic (CAP203), a field (market.price), a pack (stdlib.order_sanity), or a policy with --facts")
    if form == "json":
        emit_json({"schema": "caplex.page/1", "subject": subject, "page": text})
    else:
        click.echo(text)
    return 0


@click.command()
def demo() -> int:
    """Decide and explain a day of the crash of 2020 with a real policy, offline.

    \b
    caplex demo
    """
    from caplex.demo import run

    return run(click.get_text_stream("stdout"))
