"""What the commands share: finding policies, settings from the command line, printing documents."""
from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click


def canonical(document: Any) -> str:
    """One line of JSON, keys in the order given."""
    return json.dumps(document, ensure_ascii=False)


def emit_json(document: Any) -> None:
    click.echo(canonical(document))


def policies_in(paths: Sequence[Path]) -> list[Path]:
    """Files as they are; folders for all `*.cap` below them, but for what `.gitignore` leaves out; sorted."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(_below(path))
        if not inside:
            raise click.UsageError(f"{path}: no policies (*.cap) in this folder")
        found += [each for each in inside if _is_entry(each)] or inside
    return list(dict.fromkeys(found))


def _below(folder: Path) -> Iterator[Path]:
    from pathspec import PathSpec

    ignored = folder / ".gitignore"
    lines = ignored.read_text(encoding="utf-8", errors="replace").splitlines() if ignored.is_file() else []
    spec = PathSpec.from_lines("gitwildmatch", lines)
    for parent, folders, files in os.walk(folder):
        base = Path(parent)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not spec.match_file((base / f).relative_to(folder).as_posix() + "/"))
        for name in files:
            path = base / name
            if name.endswith(".cap") and not spec.match_file(path.relative_to(folder).as_posix()):
                yield path


def _is_entry(path: Path) -> bool:
    """In a folder, modules and facts are checked through the policies that use them."""
    try:
        return any(line.lstrip().startswith("policy ") for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        return True


def settings_of(file: Path | None, assignments: Sequence[str]) -> dict[str, Any]:
    """Settings in the order of precedence: file, `CAPLEX_SET_NAME`, `--set`."""
    values: dict[str, Any] = {}
    if file is not None:
        from caplex.compiler.tools.settings_file import read_settings

        values.update(read_settings(file))
    for name, value in sorted(os.environ.items()):
        if name.startswith("CAPLEX_SET_") and len(name) > len("CAPLEX_SET_"):
            values[name.removeprefix("CAPLEX_SET_").lower()] = value
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise click.UsageError(f"--set {assignment}: write NAME=VALUE, `--set max_position=8%`")
        values[name.strip()] = value.strip()
    return values
