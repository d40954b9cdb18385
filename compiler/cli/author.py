"""Commands for authors: check, compile."""
from __future__ import annotations

from pathlib import Path

import click

from caplex.compiler.cli.output import emit_json, policies_in, settings_of

SETTINGS = click.option("--settings", "settings_file", type=click.Path(path_type=Path), help="A YAML file of settings.")
SET = click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="One setting; moves only to its safer side.")
FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@SETTINGS
@SET
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
def check(paths: tuple[Path, ...], settings_file: Path | None, assignments: tuple[str, ...], form: str) -> int:
    """Parse, resolve and type-check the policies in PATHS, and build their rule graphs. Writes nothing.

    \b
    caplex check desk.cap
    caplex check policies/ --format json
    """
    from caplex.compiler import driver
    from caplex.compiler.diagnostics.formats import github, lint_document
    from caplex.compiler.diagnostics.render import render, summary
    from caplex.compiler.graph.build import build
    from caplex.compiler.graph.invariants import complaints

    values = settings_of(settings_file, assignments)
    found, good = [], []
    for path in policies_in(paths):
        checked, diagnostics = driver.check_path(path, settings=values)
        found += diagnostics
        if checked is not None:
            graph = build(checked)
            assert not complaints(graph), complaints(graph)
            good.append((path, len(graph.rules)))
    if form == "json":
        emit_json(lint_document(found))
    elif form == "github":
        for diagnostic in found:
            click.echo(github(diagnostic))
    else:
        colour = colour_wanted()
        for diagnostic in found:
            click.echo(render(diagnostic, colour=colour) + "\n")
        for path, rules in good:
            click.echo(f"{path}: sound, {rules} rule{'' if rules == 1 else 's'}")
        if found:
            click.echo(summary(found), err=True)
    return int(any(diagnostic.is_error for diagnostic in found))


def colour_wanted() -> bool:
    """Colour only on a terminal, and not where NO_COLOR is set."""
    import os
    import sys

    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


@click.command("compile")
@click.argument("policy", type=click.Path(path_type=Path))
@click.option("-o", "output", type=click.Path(path_type=Path), help="Write to this file instead of standard output.")
@click.option("--emit", type=click.Choice(["python", "graph", "json"]), default="graph", show_default=True)
@SETTINGS
@SET
def compile_(policy: Path, output: Path | None, emit: str, settings_file: Path | None, assignments: tuple[str, ...]) -> int:
    """Compile POLICY; show the Python that decides, or the rule graph.

    \b
    caplex compile desk.cap --emit python
    caplex compile desk.cap --emit graph -o desk.graph
    """
    from caplex.compiler.cli.output import canonical
    from caplex.compiler.loading import load

    compiled = load(policy, settings=settings_of(settings_file, assignments))
    if emit == "python":
        text = compiled.python
    elif emit == "graph":
        text = compiled.graph_text
    else:
        facts = [{"slot": number, "reads": str(slot), "optional": slot.optional} for number, slot in enumerate(compiled.plan.slots)]
        rules = [{"id": r.id, "title": r.title, "kind": r.kind, "stage": r.stage, "phase": r.phase, "severity": r.severity, "source": r.position}
                 for r in compiled.plan.rules]
        text = canonical({"schema": "caplex.policy/1", "name": compiled.name, "version": compiled.version, "hash": compiled.hash,
                          "settings_hash": compiled.settings_hash, "mode": compiled.mode, "facts": facts, "rules": rules,
                          "required_facts": compiled.required_facts()})
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        output.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
    return 0
