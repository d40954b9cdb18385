"""`caplex replay`: every decision of a journal proved again, or, under another policy, those that would flip."""
from __future__ import annotations

import re
import sys
from typing import Any

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.auditing import _told as journal_troubles
from caplex.compiler.cli.options import Outside, output_format, settings_options
from caplex.compiler.cli.output import Status

KIND = re.compile(r"(allow|modify|hold|deny):(allow|modify|hold|deny)")
LISTED = 50
EVERY = 5_000


@click.command("replay")
@click.argument("journals", metavar="JOURNAL...", nargs=-1, required=True)
@click.option("--policy", "other_files", metavar="OTHER.cap", multiple=True, help="Decide with this policy, and list what it decides otherwise.")
@click.option("--sweep", metavar="NAME=VALUE,…", multiple=True, help="Try these values of a setting, and count what each decides otherwise.")
@click.option("--jobs", metavar="N|auto", help="So many at a time: journals, or accounts of one journal.")
@click.option("--executor", metavar="KIND", default="processes", show_default=True, help="processes, threads, or dask:ADDRESS of a scheduler.")
@click.option("--fail-on", metavar="deny:allow,…", default="", help="Exit 1 if a decision flips in one of these ways.")
@settings_options
@output_format("text", "json")
def replay_command(journals: tuple[str, ...], other_files: tuple[str, ...], sweep: tuple[str, ...], jobs: str | None, executor: str, fail_on: str,
                   outside: Outside, format: str) -> int:
    """Run a journal again: prove every decision, or show which ones another policy would flip.

    \b
    caplex replay desk.journal
    caplex replay desk.journal --policy tighter.cap --fail-on deny:allow
    caplex replay desk.journal --sweep max_position=2%,4% --jobs auto

    Several journals, a folder of them, `--jobs`, `--sweep` and more than one `--policy` are told as one document.

    Exit status: 0 every answer came again; 1 one did not, a chain is broken, or `--fail-on` holds; 2 a journal or a policy cannot be used.

    More: docs/howto/replay-a-journal.md, docs/howto/replay-in-parallel.md.
    """
    from pathlib import Path

    wanted = _kinds(fail_on, bool(other_files or sweep))
    if not other_files and (outside.given or (outside.mode is not None and not sweep)):
        raise click.UsageError("`--settings`, `--set` and `--mode` are of another policy: name it with `--policy`; `--sweep NAME=VALUE` tries a value on the recorded one")
    if len(journals) > 1 or len(other_files) > 1 or sweep or jobs is not None or executor != "processes" or Path(journals[0]).is_dir():
        from caplex.compiler.cli.replaying_many import run_many

        return run_many(journals, other_files, sweep, outside, jobs, executor, wanted, format)
    return _one(journals[0], other_files[0] if other_files else None, wanted, outside, format)


def _one(journal: str, other_file: str | None, wanted: list[str], outside: Outside, format: str) -> int:
    """One journal, in this process, with all that is known of it."""
    import caplex
    from caplex.compiler.recorded import compile_recorded
    from caplex.runtime.replay import replay

    other = caplex.load(other_file, settings=outside.settings(), mode=outside.mode) if other_file is not None else None
    shows = sys.stderr.isatty()

    def progress(seq: int) -> None:
        if shows and seq % EVERY == 0:
            output.show_progress(f"{seq:,} lines ")

    with journal_troubles():
        found = replay(journal, load=compile_recorded, other=other, progress=progress)
    if shows:
        output.show_progress("")
    told = found.to_dict()
    if format == "json":
        output.say_json(told)
    else:
        output.say("\n".join(replay_lines(journal, told, other_file)))
    return Status.NO if not found.identical or any(found.kinds[kind] for kind in wanted) else Status.WORKED


def _kinds(text: str, other: bool) -> list[str]:
    wanted = [each.strip().lower() for each in text.split(",") if each.strip()]
    for each in wanted:
        if not KIND.fullmatch(each):
            raise click.UsageError(f"`--fail-on {each}`: two verdicts are wanted, deny:allow")
    if wanted and not other:
        raise click.UsageError("`--fail-on` wants `--policy OTHER.cap`: the same policy flips nothing")
    return wanted


def replay_lines(journal: str, told: dict[str, Any], other: str | None) -> list[str]:
    """What a replay found, for people."""
    from caplex.compiler.diagnostics.render import visible

    lines = [f"{journal}: {told['events']} events, {told['decisions']} decisions, {told['outcomes']} outcomes"
             + (f", {told['policies']} policies" if told["policies"] > 1 else "")]
    answers = told["decisions"] + told["outcomes"]
    if told["broken"]:
        lines.append(f"the chain is broken in {told['broken']} place{'s' if told['broken'] > 1 else ''}")
        lines += [f"  {each['sentence']}" for each in told["problems"][:LISTED]]
    if told["differing"]:
        lines.append(f"{told['differing']} of {answers} did not come again:")
        for each in told["differences"][:LISTED]:
            lines.append(f"  line {each['seq'] + 1}  {each['at'] or '-'}  {each['what']}  {each['path'] or '/'}: "
                         f"recorded {each['recorded']}, again {each['again']}")
    elif not told["broken"]:
        lines.append(f"all {answers} came again, byte for byte" if answers else "nothing was decided")
    if told["torn"] is not None:
        lines.append(f"the last line is not whole: {told['torn']['sentence']}")
    if told["unanswered"]:
        lines.append(f"{told['unanswered']} event had no answer in the journal: a crash came between the two")
    if other is not None:
        lines.append(f"{other} decides {told['flipped']} of {told['decisions']} otherwise"
                     + (": " + ", ".join(f"{number} {kind}" for kind, number in told["kinds"].items()) if told["flipped"] else ""))
        for flip in told["flips"][:LISTED]:
            lines.append("  " + flip_line(flip))
        if told["flipped"] > LISTED:
            lines.append(f"  and {told['flipped'] - LISTED} more; `--format json` lists them")
    lines += [f"note: {note}" for note in told["notes"]]
    if told["digest"] is not None:
        lines.append(f"state {told['digest'][:19]}…  proof {told['proof'][:19]}…  policy {str(told['policy'].get('hash'))[:19]}…")
    return [visible(line) for line in lines]


def flip_line(flip: dict[str, Any]) -> str:
    """``15:00:02  i-2  buy 300 AAPL  MODIFY 20 → DENY  EXP-010: …``."""
    def side(of: dict[str, Any]) -> str:
        return f"{of['verdict']} {of['quantity']}" if of["verdict"] in ("ALLOW", "MODIFY") else str(of["verdict"])

    order = " ".join(str(flip[name]) for name in ("side", "requested", "symbol") if flip.get(name) is not None)
    why = flip["would_be"] if flip["would_be"]["decided_by"] else flip["was"]
    because = f"{why['decided_by']}: {why['message']}" if why["decided_by"] else ""
    if because and why is flip["was"]:
        because = "no longer " + because
    return "  ".join(each for each in (str(flip["at"]).replace(".000000Z", "Z"), str(flip["intent_id"]), order,
                                       f"{side(flip['was'])} → {side(flip['would_be'])}", because) if each)
