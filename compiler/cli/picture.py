"""`caplex graph`: a policy as a picture, or the path that one decision took through it."""
from __future__ import annotations

import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.helping import completes
from caplex.compiler.cli.options import Outside, settings_options
from caplex.compiler.cli.output import Status

if TYPE_CHECKING:
    from caplex.compiler.tools.diagram.model import Diagram

SUFFIXES = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid", ".json": "json", ".txt": "text"}


@click.command("graph")
@click.argument("policy", shell_complete=completes("policies"))
@click.option("--facts", "facts_file", metavar="FILE|-", help="Draw the decision on these facts, JSON.", shell_complete=completes("documents"))
@click.option("--intent", "intent_file", metavar="FILE|-", help="An intent that stands for the one in the facts.")
@click.option("--switches", is_flag=True, help="The kill switches alone, as machines of two states.")
@click.option("-o", "--output", "target", metavar="FILE", help="Write there; its end says as what: .svg, .dot, .mmd, .json, .txt.")
@click.option("--format", type=click.Choice(["text", "svg", "dot", "mermaid", "json"]), help="Of what is printed or written; text without -o.")
@settings_options
def graph_command(
    policy: str, facts_file: str | None, intent_file: str | None, switches: bool, target: str | None, format: str | None, outside: Outside,
) -> int:
    """Draw POLICY: its stages and rules, its kill switches, and with facts how they decided.

    An SVG needs no other program; a .dot is for graphviz, a .mmd to paste into a page.

    \b
    caplex graph desk.cap
    caplex graph desk.cap -o desk.svg
    caplex graph desk.cap --facts facts.json -o decision.svg

    Exit status: 0 it was drawn; 2 the policy or the document cannot be used; 74 the file cannot be written.

    More: docs/howto/draw-a-policy.md.
    """
    from caplex.compiler.cli.documents import read_object
    from caplex.compiler.loading import load
    from caplex.compiler.tools.diagram.build import graph

    if intent_file is not None and facts_file is None:
        raise click.UsageError("an intent needs facts to be decided on: give `--facts` too")
    if facts_file == "-" and intent_file == "-":
        raise click.UsageError("only one document can come from standard input")
    form = format or form_of(target)
    compiled = load(policy, settings=outside.settings(), mode=outside.mode)
    facts = read_object(facts_file) if facts_file is not None else None
    intent = read_object(intent_file) if intent_file is not None else None
    diagram = graph(compiled, facts, intent=intent)
    if switches:
        if not diagram.switches:
            raise click.UsageError(f"`{compiled.name}` has no kill switch to draw")
        diagram = diagram.switches_alone()
    if target is None and form == "json":
        output.say_json(diagram.to_dict())
    elif target is None:
        output.say(_drawn(diagram, form, output.width(sys.stdout), output.has_colour(sys.stdout)).rstrip("\n"))
    else:
        output.write(target, _drawn(diagram, form))
    return Status.WORKED


def form_of(target: str | None) -> str:
    """What to draw, by the end of the file's name."""
    if target is None:
        return "text"
    form = SUFFIXES.get(PurePath(target).suffix.lower())
    if form is None:
        raise click.UsageError(f"`{target}` does not say what to draw: let it end in .svg, .dot, .mmd, .json or .txt, or give `--format`")
    return form


def _drawn(diagram: Diagram, form: str, width: int = 100, colour: bool = False) -> str:
    import json

    drawers: dict[str, Any] = {
        "svg": diagram.svg, "dot": diagram.dot, "mermaid": diagram.mermaid, "text": lambda: diagram.text(width, colour),
        "json": lambda: json.dumps(diagram.to_dict(), indent=2, ensure_ascii=False) + "\n"}
    drawn: str = drawers[form]()
    return drawn
