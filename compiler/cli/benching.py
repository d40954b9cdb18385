"""`caplex bench`: which rules of a policy cost what."""
from __future__ import annotations

import sys
from collections.abc import Callable

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.helping import completes
from caplex.compiler.cli.options import Outside, output_format, settings_options
from caplex.compiler.cli.output import Status


@click.command("bench")
@click.argument("policy", shell_complete=completes("policies"))
@click.option("--facts", "facts_files", metavar="FILE|-", required=True, multiple=True, help="A facts document, JSON; several times: all of them are decided.",
              shell_complete=completes("documents"))
@settings_options
@click.option("--rounds", type=click.IntRange(3, 10_000), default=15, show_default=True, help="In each, everything is measured in turn.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="No round begins after so many seconds of the processor.")
@click.option("--top", type=click.IntRange(0), default=20, show_default=True, help="So many rules are left out one by one, the rest together.")
@output_format("text", "json")
def bench_command(policy: str, facts_files: tuple[str, ...], outside: Outside, rounds: int, seconds: float | None, top: int, format: str) -> int:
    """Tell which rules of POLICY cost what: each is left out in turn, and what is then cheaper is its cost.

    Timed are a decision on prepared facts, reading the facts, and telling the decision in full. The unit is a decision under an empty
    policy, measured in the same rounds, so that figures compare between machines.

    \b
    caplex bench desk.cap --facts facts.json
    caplex bench desk.cap --facts monday.json --facts crash.json --seconds 5
    caplex bench desk.cap --facts facts.json --top 5 --format json

    Exit status: 0 once measured; 2 the policy or a document cannot be used.

    More: docs/howto/find-what-a-rule-costs.md.
    """
    from caplex.compiler.cli.documents import read_object
    from caplex.compiler.cli.telling import refuse_decision
    from caplex.compiler.tools.bench import bench

    if facts_files.count("-") > 1:
        raise click.UsageError("only one document can come from standard input")
    documents = []
    for name in facts_files:
        facts = read_object(name)
        refuse_decision(facts, name)
        documents.append(facts)
    found = bench(policy, documents, settings=outside.settings(), mode=outside.mode, rounds=rounds, seconds=seconds, top=top, tick=_progress(policy))
    if format == "json":
        told = found.to_dict()
        for each in told["facts"]["slow"]:
            each["document"] = facts_files[each["document"]]
        output.say_json(told)
    else:
        from caplex.compiler.tools.bench_text import text

        output.say(text(found, facts_files, width=output.width(sys.stdout), colour=output.has_colour(sys.stdout)))
    return Status.WORKED


def _progress(policy: str) -> Callable[[int, int], None] | None:
    """A line that counts rounds, where a person looks on."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, of: int) -> None:
        output.show_progress(f"{policy}: {done} of {of} rounds" if done < of else "")

    return show
