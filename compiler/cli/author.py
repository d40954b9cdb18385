"""Commands for who writes policies: `check`, `compile`."""
from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.helping import completes
from caplex.compiler.cli.options import Outside, output_format, settings_options
from caplex.compiler.cli.output import Status

UNREAD = frozenset({"CAP140", "CAP141", "CAP143"})
"""Not there, a folder, not to be read: nothing was checked, which is another answer than that something is wrong with it."""
_HEADER = re.compile(r"^\s*policy\b", re.MULTILINE)


@click.command("check")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, shell_complete=completes("policies"))
@click.option("--expand", is_flag=True, help="Print the policy with all that its imports bring written out.")
@settings_options
@output_format("text", "json", "github")
def check_command(paths: tuple[str, ...], expand: bool, outside: Outside, format: str) -> int:
    """Parse, resolve and type-check policies; write nothing.

    A folder stands for every *.cap in it that .gitignore does not leave out. A module, which has no header, is checked by itself.

    \b
    caplex check desk.cap
    caplex check .
    caplex check desk.cap --format github
    caplex check desk.cap --set max_position=6%
    caplex check desk.cap --expand

    With `--settings` or `--set`, the policies are checked as those settings make them, and the values that come of it are
    printed with where each is from.

    Exit status: 0 no errors; 1 errors were found; 2 a file cannot be read.

    More: docs/howto/errors.md; `caplex explain CAP203` is the page of a finding.
    """
    import caplex
    from caplex.compiler.cli.documents import policy_files
    from caplex.compiler.diagnostics import formats
    from caplex.compiler.diagnostics.render import summary

    files = policy_files(paths)
    settings = outside.settings() if outside.given else None
    found = caplex.check(*files, settings=settings, mode=outside.mode)
    broken = any(diagnostic.is_error for diagnostic in found)
    resolved = [] if settings is None or broken else _resolved(files, settings, outside)
    written = [] if broken or not expand else _expanded(files, settings, outside)
    unread = any(diagnostic.span is None and diagnostic.code.id in UNREAD for diagnostic in found)
    if format == "json":
        output.say_json(formats.document(found) | ({"policies": resolved} if resolved else {}) | ({"expanded": written} if written else {}))
    elif format == "github":
        if found:
            output.say(formats.github(found))
    else:
        output.show(found, sys.stdout)
        _tell(resolved, found=bool(found))
        for each in written:
            output.say(("\n" if found or resolved else "") + each["text"].rstrip())
        policies = _counted(files)
        sys.stdout.flush()
        output.tell(("\n" if found else "") + f"{policies} checked: {summary(found)}")
    if unread:
        return Status.USAGE
    return Status.NO if broken else Status.WORKED


def _counted(files: Sequence[Path]) -> str:
    """``3 policies and 17 modules``: a file without header is a module, and is no policy that decides anything."""
    modules = sum(map(_is_module, files))
    policies = len(files) - modules
    words = [f"{policies} polic{'y' if policies == 1 else 'ies'}"] if policies or not modules else []
    return " and ".join(words + ([f"{modules} module{'s' if modules > 1 else ''}"] if modules else []))


def _is_module(file: Path) -> bool:
    from caplex.compiler.source import is_sealed

    try:
        return not is_sealed(file) and not file.name.endswith("_test.cap") and _HEADER.search(file.read_text(encoding="utf-8", errors="replace")) is None
    except OSError:
        return False


def _resolved(files: Sequence[Path], settings: Mapping[str, Any], outside: Outside) -> list[dict[str, Any]]:
    import caplex
    from caplex.compiler.tools.resolved import document

    return [document(caplex.load(file, settings=settings, mode=outside.mode), str(file)) for file in files if not _is_module(file)]


def _expanded(files: Sequence[Path], settings: Mapping[str, Any] | None, outside: Outside) -> list[dict[str, Any]]:
    """Each policy written out; modules and files of tests have nothing of their own in force."""
    from caplex.compiler import driver
    from caplex.compiler.tools.expanded import expand

    checked = [(file, driver.check_path(file, settings=settings or {}, mode=outside.mode)[0]) for file in files if not _is_module(file)]
    return [{"file": str(file), "text": expand(module)} for file, module in checked if module is not None]


def _tell(resolved: Sequence[dict[str, Any]], *, found: bool) -> None:
    if not resolved:
        return
    from caplex.compiler.tools.resolved import lines

    for number, each in enumerate(resolved):
        output.say(("\n" if found or number else "") + "\n".join(lines(each)))


@click.command("compile")
@click.argument("policy", shell_complete=completes("policies"))
@click.option("-o", "--output", "target", metavar="FILE", help="Write there: a sealed policy, `FILE.capc`, or what `--emit` names.")
@click.option("--emit", type=click.Choice(["python", "graph", "json"]), help="What to print of the compiled policy.")
@settings_options
def compile_command(policy: str, target: str | None, emit: str | None, outside: Outside) -> int:
    """Compile POLICY: seal it into one file, or print the generated Python, the rule graph, or a description as JSON.

    A sealed policy holds all texts that it was made of, the settings that were given, and its hashes, and no code. Whatever takes a
    POLICY takes it: `caplex decide desk.capc --facts facts.json`. It is refused if it is not as it was written.

    \b
    caplex compile desk.cap
    caplex compile desk.cap -o desk.capc
    caplex compile desk.cap --emit python
    caplex compile desk.cap --emit json -o desk.json

    Exit status: 0 it compiles; 2 it does not.

    More: docs/howto/seal-a-policy.md.
    """
    import caplex
    from caplex.compiler.source import is_sealed

    if target is not None and emit is None and not is_sealed(target):
        raise click.UsageError("name a sealed policy, `FILE.capc`, or say what to write with `--emit python`, `--emit graph` or `--emit json`")
    compiled = caplex.load(policy, settings=outside.settings(), mode=outside.mode)
    if emit is None:
        if target is not None:
            from caplex.compiler.sealed import seal

            output.write(target, seal(compiled))
        output.say(f"{compiled.name} {compiled.version}: {len(compiled.rules)} rules, {compiled.hash}")
        return Status.WORKED
    if emit == "json":
        import json

        text = json.dumps({
            "schema": "caplex.policy/1", "name": compiled.name, "version": compiled.version, "mode": compiled.mode,
            "hash": compiled.hash, "settings_hash": compiled.settings_hash, "rules": list(compiled.rules),
            "python": compiled.python, "graph": compiled.graph_text,
        }, indent=2, ensure_ascii=False)
    else:
        text = compiled.python if emit == "python" else compiled.graph_text
    if target is None:
        output.say(text.rstrip("\n"))
    else:
        output.write(target, text.rstrip("\n") + "\n")
    return Status.WORKED
