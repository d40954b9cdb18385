"""`caplex explain`: a decision told in full, or the page of a diagnostic, a pack, a fact."""
from __future__ import annotations

import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.options import Outside, output_format, settings_options
from caplex.compiler.cli.output import Status, Stop

_STEP = re.compile(r'\.?([A-Za-z_][A-Za-z0-9_-]*)|\["((?:[^"\\])*)"\]|\[(\d+)\]')


@click.command("explain")
@click.argument("subject", metavar="POLICY|CAPnnn|PACK|FACT|ID")
@click.option("--facts", "facts_file", metavar="FILE|-", help="The facts document, JSON.")
@click.option("--what-if", "changes", metavar="PATH=VALUE", multiple=True, help="Change a fact first: account.equity=90000.")
@click.option("--journal", metavar="FILE", help="SUBJECT is a decision or an intent of this journal: told from the record.")
@settings_options
@output_format("text", "json")
def explain_command(
    subject: str, facts_file: str | None, changes: tuple[str, ...], journal: str | None, outside: Outside, format: str,
) -> int:
    """Tell a decision in full, or print the page of a diagnostic, a pack or a fact.

    \b
    caplex explain desk.cap --facts facts.json
    caplex explain CAP203
    caplex explain stdlib.order_sanity
    caplex explain market.price
    caplex explain --journal desk.journal i-1234
    """
    if journal is not None:
        from caplex.compiler.cli.recorded import explain_recorded

        if facts_file is not None or changes:
            raise click.UsageError("`--journal` brings its own facts: `--facts` and `--what-if` exclude it")
        return explain_recorded(journal, subject, format)
    if facts_file is not None:
        return _decision(subject, facts_file, changes, outside, format)
    if changes:
        raise click.UsageError("`--what-if` wants `--facts FILE`")
    for page in (_code_page, _subject_page):
        found = page(subject)
        if found is not None:
            return _say_page(subject, found, format)
    if Path(subject).exists() or subject.endswith(".cap"):
        raise click.UsageError("a policy is explained on facts: `--facts FILE`")
    raise Stop(Status.USAGE, f"`{subject}` is no diagnostic, pack or fact{_nearest(subject)}")


def _decision(subject: str, facts_file: str, changes: tuple[str, ...], outside: Outside, format: str) -> int:
    import caplex
    from caplex.compiler.cli.documents import read_object

    policy = caplex.load(subject, settings=outside.settings(), mode=outside.mode)
    document = read_object(facts_file)
    for change in changes:
        what_if(document, change)
    explanation = policy.decide(document).explain()
    if format == "json":
        output.say_json(explanation.to_dict())
    else:
        output.say(explanation.text(width=output.width(sys.stdout), colour=output.has_colour(sys.stdout)).rstrip("\n"))
    return Status.WORKED


def what_if(document: dict[str, Any], change: str) -> None:
    """Put a value into *document*: ``account.equity=90000``, ``market["BRK.B"].price=400``, ``intent.reduce_only=true``."""
    path, equals, text = change.partition("=")
    steps = _steps(path.strip())
    if not equals or not steps:
        raise click.UsageError(f"`--what-if {change}` is no PATH=VALUE")
    here: Any = document
    for step in steps[:-1]:
        if isinstance(here, dict) and isinstance(step, str):
            here = here.setdefault(step, {})
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        else:
            raise click.UsageError(f"`--what-if {change}`: the facts have no `{step}` there")
    last = steps[-1]
    fits = (isinstance(here, dict) and isinstance(last, str)) or (isinstance(here, list) and isinstance(last, int) and last < len(here))
    if not fits:
        raise click.UsageError(f"`--what-if {change}`: the facts have no `{last}` there")
    here[last] = _value(text.strip())


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            return []
        name, quoted, number = match.groups()
        steps.append(int(number) if number is not None else name if name is not None else quoted)
        at = match.end()
    return steps


def _value(text: str) -> Any:
    if text in {"true", "false", "null"} or text[:1] in {"{", "["}:
        from caplex.compiler.cli.documents import parse_object
        from caplex.compiler.source import Source

        return parse_object(Source("--what-if", f'{{"value": {text}}}'))["value"]
    return text


# ── pages ─────────────────────────────────────────────────────────────────────────────────────────────


def _say_page(subject: str, text: str, format: str) -> int:
    if format == "json":
        output.say_json({"schema": "caplex.page/1", "subject": subject, "markdown": text})
    else:
        output.say(text.rstrip("\n"))
    return Status.WORKED


def _code_page(subject: str) -> str | None:
    from caplex.compiler.diagnostics import catalogue

    code = catalogue.lookup(subject)
    return None if code is None else catalogue.page(code)


def _subject_page(subject: str) -> str | None:
    from caplex.compiler.tools.pages import page_of

    return page_of(subject)


def _nearest(subject: str) -> str:
    from difflib import get_close_matches

    from caplex.compiler.diagnostics import catalogue
    from caplex.compiler.semantics.schema import builtin

    known = [word for code in catalogue.codes() for word in (code.id, code.name)]
    known += [field.path for section in builtin().sections.values() for field in section.fields.values()]
    known += ["stdlib." + entry.name.removesuffix(".cap") for entry in files("caplex.stdlib_rules").iterdir() if entry.name.endswith(".cap")]
    near = get_close_matches(subject, known, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""
