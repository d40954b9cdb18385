"""`caplex fmt`: policies in their canonical layout."""
from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.helping import completes
from caplex.compiler.cli.options import output_format
from caplex.compiler.cli.output import Status

if TYPE_CHECKING:
    from caplex.compiler.diagnostics.diagnostic import Diagnostic
    from caplex.compiler.source import Source

SCHEMA = "caplex.format/1"
_COLOURS = {"---": "\x1b[1m", "+++": "\x1b[1m", "@@": "\x1b[36m", "-": "\x1b[31m", "+": "\x1b[32m"}


@dataclass(frozen=True, slots=True)
class Formatted:
    """One file: its text, the same formatted (None if it cannot be), what is wrong with it; *changed*: its bytes are others."""

    name: str
    source: Source | None
    text: str | None
    problems: Sequence[Diagnostic] = ()
    changed: bool = False
    path: Path | None = None


@click.command("fmt")
@click.argument("paths", metavar="PATH...|-", nargs=-1, required=True, shell_complete=completes("policies"))
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change, and exit with 1 if there are any.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@output_format("text", "json", "github")
def fmt_command(paths: tuple[str, ...], check: bool, diff: bool, format: str) -> int:
    """Lay policies out in the canonical way, in place. Nothing but space changes: same meaning, same comments.

    A folder stands for every *.cap in it that .gitignore does not leave out; - for standard input, which is printed formatted.

    \b
    caplex fmt desk.cap
    caplex fmt .
    caplex fmt . --check
    caplex fmt desk.cap --diff
    caplex fmt - < desk.cap

    A file that does not parse is left as it is.

    Exit status: 0 done; 1 with --check, files would change; 2 a file cannot be read or does not parse; 74 one cannot be written.

    More: docs/howto/format-a-policy.md.
    """
    if "-" in paths and len(paths) > 1:
        raise click.UsageError("`-` stands alone: standard input is one text")
    piped = paths == ("-",)
    if piped:
        done = [_formatted_input()]
    else:
        from caplex.compiler.cli.documents import policy_files

        done = [_formatted_file(path) for path in policy_files(paths)]
    kept = check or diff
    if not kept and not piped:
        for each in done:
            _write(each)
    if format == "json":
        output.say_json(_document(done, kept=kept, diff=diff, piped=piped))
    elif format == "github":
        _annotate(done, kept=kept)
    else:
        _tell(done, check=check, diff=diff, piped=piped)
    if any(each.text is None for each in done):
        return Status.USAGE
    return Status.NO if check and any(each.changed for each in done) else Status.WORKED


def _formatted_file(path: Path) -> Formatted:
    from caplex.compiler.syntax.reading import read_source

    source, problems = read_source(path)
    if source is None:
        return Formatted(str(path), None, None, problems)
    text, problems = _format(source)
    return Formatted(str(path), source, text, problems, text is not None and text.encode() != path.read_bytes(), path)


def _formatted_input() -> Formatted:
    from caplex.compiler.cli.documents import read_text

    source = read_text("-")
    text, problems = _format(source)
    return Formatted(source.name, source, text, problems, text is not None and text != source.text)


def _format(source: Source) -> tuple[str | None, list[Diagnostic]]:
    from caplex.compiler.formatting.format import format_text
    from caplex.runtime.errors import PolicyError

    try:
        return format_text(source.text, name=source.name), []
    except PolicyError as error:
        return None, list(error.diagnostics)


def _write(each: Formatted) -> None:
    """Through a link to the file itself; who may read or run that stays as it is."""
    if each.changed and each.path is not None and each.text is not None:
        target = each.path.resolve()
        mode = target.stat().st_mode
        output.write(target, each.text)
        target.chmod(mode)


# ── what is printed ───────────────────────────────────────────────────────────────────────────────────


def _tell(done: Sequence[Formatted], *, check: bool, diff: bool, piped: bool) -> None:
    problems = [found for each in done for found in each.problems]
    output.show(problems, sys.stderr)
    colour = output.has_colour(sys.stdout)
    for each in done:
        if piped and not check and not diff:
            _print(each.text or "")
        elif diff and each.changed:
            _print("".join(_diff(each, colour=colour)))
        elif each.changed:
            output.say(f"{'would format' if check else 'formatted'} {each.name}")
    sys.stdout.flush()
    if check or diff or not piped:
        output.tell(("\n" if problems else "") + _summary(done, kept=check or diff))


def _print(text: str) -> None:
    """*text* as it is, in UTF-8: it may become a file, and a terminal that knows fewer characters must not change it."""
    raw = getattr(sys.stdout, "buffer", None)
    if not text:
        return
    if raw is None or sys.stdout.isatty():
        output.say(text.removesuffix("\n"))
        return
    sys.stdout.flush()
    raw.write(text.encode())
    raw.flush()


def _summary(done: Sequence[Formatted], *, kept: bool) -> str:
    changed = sum(each.changed for each in done)
    unusable = sum(each.text is None for each in done)
    parts = [f"{_files(changed)} {'would be formatted' if kept else 'formatted'}"] if changed else []
    if len(done) - changed - unusable:
        parts.append(f"{_files(len(done) - changed - unusable)} formatted already")
    if unusable:
        parts.append(f"{_files(unusable)} not formatted")
    return ", ".join(parts)


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _diff(each: Formatted, *, colour: bool) -> Iterator[str]:
    from difflib import unified_diff

    assert each.source is not None
    assert each.text is not None
    before, after = each.source.text.splitlines(keepends=True), each.text.splitlines(keepends=True)
    for line in unified_diff(before, after, each.name, each.name):
        said, ended, _ = line.partition("\n")
        begin = next((_COLOURS[sign] for sign in _COLOURS if line.startswith(sign)), "") if colour else ""
        yield f"{begin}{said}{chr(27) + '[0m' if begin else ''}\n"
        if not ended:
            yield "\\ No newline at end of file\n"


def _document(done: Sequence[Formatted], *, kept: bool, diff: bool, piped: bool) -> dict[str, Any]:
    from caplex.compiler.diagnostics.formats import to_dict

    files = []
    for each in done:
        status = "unusable" if each.text is None else "unchanged" if not each.changed else "would-change" if kept else "changed"
        told: dict[str, Any] = {"file": each.name, "status": status}
        if diff and each.text is not None:
            told["diff"] = "".join(_diff(each, colour=False))
        if piped and not kept:
            told["text"] = each.text
        files.append(told)
    return {"schema": SCHEMA, "files": files, "diagnostics": [to_dict(found) for each in done for found in each.problems]}


def _annotate(done: Sequence[Formatted], *, kept: bool) -> None:
    """A mark at the first line that changes, for each file."""
    from caplex.compiler.diagnostics import formats
    from caplex.compiler.source import Span

    for each in done:
        if each.problems:
            output.say(formats.github(each.problems))
        if not each.changed or each.source is None or each.text is None:
            continue
        before, after = each.source.text.splitlines(), each.text.splitlines()
        line = next((number for number, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), min(len(before), len(after)))
        starts = each.source.starts()
        at = starts[min(line, len(starts) - 1)]
        level, sentence = ("error", "`caplex fmt` would lay this file out otherwise, from here on") if kept else ("notice", "laid out by `caplex fmt`")
        output.say(formats.annotation(level, Span(each.source, at, at), "fmt", sentence))
