"""`caplex doc`: a policy as a document for who answers for it, and whether one that was kept is still true."""
from __future__ import annotations

import json
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.helping import completes
from caplex.compiler.cli.options import Outside, settings_options
from caplex.compiler.cli.output import Status

if TYPE_CHECKING:
    from caplex.compiler.tools.document.build import Document

SUFFIXES = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md", ".json": "json"}


@click.command("doc")
@click.argument("policy", shell_complete=completes("policies"))
@click.option("-o", "--output", "target", metavar="FILE", help="Write there; its end says as what: .html, .md, .json.")
@click.option("--format", type=click.Choice(["html", "md", "json"]), help="Of what is printed or written; html where no name says it.")
@click.option("--check", "kept", metavar="FILE", help="Write nothing; exit with 1 if FILE is no longer what POLICY says.")
@click.option("--as-of", metavar="DATE", help="Tell which overrides and waivers have ended by that day.")
@settings_options
def doc_command(policy: str, target: str | None, format: str | None, kept: str | None, as_of: str | None, outside: Outside) -> int:
    """Write a page on POLICY that a risk committee can read and sign.

    What it governs, its rules in order and in plain words, limits with the values in force and where they come from, kill
    switches as state diagrams, who may override what and until when, facts, settings, tests, and which article of
    which document is served by which rule. The page needs no network and no script, prints on A4, and is the same bytes
    each time.

    \b
    caplex doc desk.cap -o desk.html
    caplex doc desk.cap --format md
    caplex doc desk.cap --set max_position=6% -o desk.html
    caplex doc desk.cap --check desk.html

    Exit status: 0 written, or FILE is still true; 1 with --check, it is not; 2 the policy or FILE cannot be used; 74 the file cannot be written.

    More: docs/howto/document-a-policy.md.
    """
    from caplex.compiler.cli.documents import read_text
    from caplex.compiler.tools.document.build import document

    if kept is not None and target is not None:
        raise click.UsageError("`--check` writes nothing, `-o` writes: give one of them")
    form = format or form_of(target or kept)
    committed = read_text(kept).text if kept is not None else None
    try:
        told = document(policy, settings=outside.settings(), mode=outside.mode, as_of=as_of)
    except ValueError as wrong:
        raise click.UsageError(f"--as-of: {wrong}") from None
    text = _written(told, form)
    if kept is not None:
        return _compare(kept, committed or "", text, policy)
    if target is not None:
        output.write(target, text)
    else:
        sys.stdout.write(text)
    return Status.WORKED


def form_of(name: str | None) -> str:
    """What to write, by the end of the file's name."""
    if name is None:
        return "html"
    form = SUFFIXES.get(PurePath(name).suffix.lower())
    if form is None:
        raise click.UsageError(f"`{name}` does not say what it is: let it end in .html, .md or .json, or give `--format`")
    return form


def _written(told: Document, form: str) -> str:
    if form == "json":
        return json.dumps(told.to_dict(), indent=2, ensure_ascii=False) + "\n"
    return told.html() if form == "html" else told.markdown()


def _compare(name: str, committed: str, text: str, policy: str) -> int:
    # A checkout may have turned line ends; they say nothing.
    ours, theirs = text.splitlines(), committed.splitlines()
    if ours == theirs:
        return Status.WORKED
    first = next((number for number, (a, b) in enumerate(zip(ours, theirs, strict=False), 1) if a != b), min(len(ours), len(theirs)) + 1)
    output.tell(f"{name} is no longer what {policy} says: it differs from line {first} on; with `-o` in the place of `--check` it is written anew")
    return Status.NO
