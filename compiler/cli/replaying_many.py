"""The half of `caplex replay` that runs several journals or policies at a time."""
from __future__ import annotations

import sys
import time
from typing import Any

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.auditing import _told as journal_troubles
from caplex.compiler.cli.options import Outside
from caplex.compiler.cli.output import Status, Stop

LISTED = 20


def jobs_of(text: str | None) -> int | str | None:
    """`4`, or `auto`."""
    if text is None or text == "auto":
        return text
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1024:
        raise click.UsageError(f"`--jobs {text}`: a number from 1 to 1024, or auto")
    return int(text)


def sweep_of(texts: tuple[str, ...]) -> dict[str, list[str]]:
    """`max_position=2%,4%`: values by setting."""
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        parts = [each.strip() for each in values.split(",")]
        if not equals or not name.strip() or not all(parts):
            raise click.UsageError(f"`--sweep {text}` is no NAME=VALUE,VALUE,…")
        if name.strip() in found:
            raise click.UsageError(f"`--sweep {text}`: `{name.strip()}` is swept already; give all its values at once")
        found[name.strip()] = parts
    return found


def run_many(journals: tuple[str, ...], policies: tuple[str, ...], sweep: tuple[str, ...], outside: Outside, jobs: str | None, executor: str,
             wanted: list[str], format: str) -> int:
    """`caplex replay` where there are several of something."""
    from caplex.compiler.tools.replays import replay_many
    from caplex.runtime.parallel import Failed

    shown = _Shown()
    try:
        with journal_troubles():
            found = replay_many(
                journals, policy=policies, sweep=sweep_of(sweep), settings=outside.settings() if policies else None, mode=outside.mode,
                jobs=jobs_of(jobs) or ("auto" if executor.startswith("dask:") else 1), executor=executor,  # type: ignore[arg-type]
                tell=shown.say, progress=shown.progress)
    except Failed as error:
        from caplex.compiler.diagnostics.codes_input import PART_FAILED
        from caplex.compiler.diagnostics.diagnostic import Diagnostic

        raise Stop(Status.AGAIN if error.retryable else Status.BUG, "", [Diagnostic(PART_FAILED, str(error))]) from None
    finally:
        shown.clear()
    for path, why in sorted(found.joined.items()):
        if jobs not in (None, "1") and why != "it holds one account":
            output.tell(f"note: `{path}` is replayed in one piece: {why}")
    told = found.to_dict()
    if format == "json":
        output.say_json(told)
    else:
        output.say("\n".join(lines_of(told, output.width(sys.stdout) if sys.stdout.isatty() else None)))
    flips = any(found.kinds(number)[kind] for number in range(len(found.variants)) for kind in wanted)
    return Status.NO if not found.identical or flips else Status.WORKED


class _Shown:
    """What is going on, on a terminal: one line that the next one replaces."""

    def __init__(self) -> None:
        self._shows, self._began, self._latest = sys.stderr.isatty(), time.perf_counter(), 0.0

    def say(self, sentence: str) -> None:
        self.clear()
        output.tell(f"note: {sentence}")

    def progress(self, what: str, done: int, of: int, lines: int) -> None:
        now = time.perf_counter()
        if not self._shows or (now - self._latest < 0.1 and not (of and done == of)):
            return
        self._latest = now
        parts = f"{done} of {of} parts, " if of else ""
        rate = lines / max(now - self._began, 0.001)
        output.show_progress(f"\x1b[K{what}: {parts}{lines:,} lines, {rate:,.0f} a second ")

    def clear(self) -> None:
        if self._shows:
            output.show_progress("")


def lines_of(told: dict[str, Any], width: int | None = None) -> list[str]:
    """What replays found, for people; in a terminal *width* columns wide, or for a file."""
    from caplex.compiler.cli.replaying import flip_line
    from caplex.compiler.diagnostics.render import visible

    lines: list[str] = []
    for each in told["journals"]:
        lines += _journal(each)
    if len(told["journals"]) > 1:
        answers = told["decisions"] + told["outcomes"]
        lines.append(f"{len(told['journals'])} journals: {told['events']} events, {told['decisions']} decisions; "
                     + (f"all {answers} answers came again, byte for byte" if told["identical"] else
                        f"{told['again']} of {answers} answers came again"))
    if told["variants"]:
        lines += _table(told, width)
        many = len(told["variants"]) > 1
        for variant in told["variants"] if not many else ():
            for flip in variant["flips"][:LISTED]:
                lines.append("  " + flip_line(flip))
            if variant["flipped"] > LISTED:
                lines.append(f"  and {variant['flipped'] - LISTED} more; `--format json` lists them")
        lines += [f"note: {variant['name']}: {note}" for variant in told["variants"] for note in variant["notes"]]
    accounts = sum(len(each["accounts"]) for each in told["journals"])
    if told["proof"] is not None:
        lines.append(f"proof {told['proof'][:19]}…  {accounts} account{'s' if accounts != 1 else ''}")
    return [visible(line) for line in lines]


def _journal(told: dict[str, Any]) -> list[str]:
    answers = told["decisions"] + told["outcomes"]
    accounts = len(told["accounts"])
    head = (f"{told['path']}: {told['events']} events, {told['decisions']} decisions, {told['outcomes']} outcomes"
            + (f", {accounts} accounts" if accounts > 1 else "") + (f", {told['policies']} policies" if told["policies"] > 1 else ""))
    if told["identical"]:
        lines = [f"{head}; all {answers} came again" if answers else f"{head}; nothing was decided"]
    else:
        lines = [head]
    if told["broken"]:
        lines.append(f"  the chain is broken in {told['broken']} place{'s' if told['broken'] > 1 else ''}")
        lines += [f"  {each['sentence']}" for each in told["problems"][:LISTED]]
    if told["differing"]:
        lines.append(f"  {told['differing']} of {answers} did not come again:")
        lines += [f"  line {each['seq'] + 1}  {each['at'] or '-'}  {each['what']}  {each['path'] or '/'}: recorded {each['recorded']}, again {each['again']}"
                  for each in told["differences"][:LISTED]]
    if told["torn"] is not None:
        lines.append(f"  the last line is not whole: {told['torn']['sentence']}")
    if told["unanswered"]:
        lines.append(f"  {told['unanswered']} event had no answer in the journal: a crash came between the two")
    return lines + [f"  note: {note}" for note in told["notes"]]


def _table(told: dict[str, Any], width: int | None) -> list[str]:
    """One line for each policy that was tried; where the columns do not fit, with the kinds in words."""
    kinds = sorted({kind for each in told["variants"] for kind in each["kinds"]})
    rows = [["decides otherwise", "of", *kinds, "under"]]
    rows += [[str(each["flipped"]), str(told["decisions"]), *(str(each["kinds"].get(kind, 0)) for kind in kinds), each["name"]] for each in told["variants"]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = ["  ".join([*(cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=True)), row[-1]]) for row in rows]
    if width is None or max(map(len, lines)) <= width:
        return lines
    return [f"{each['name']}: {each['flipped']} of {told['decisions']} otherwise"
            + "".join(f"{',' if number else ':'} {many} {kind}" for number, (kind, many) in enumerate(each["kinds"].items())) for each in told["variants"]]
