"""Policies in a folder: every ``*.cap`` that `.gitignore` does not leave out."""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pathspec


def policies_in(folder: Path) -> list[Path]:
    """All of them, sorted."""
    return sorted(_in_folder(folder))


def _in_folder(top: Path) -> Iterator[Path]:
    from pathspec import GitIgnoreSpec

    ignores = list(_ignores_above(top.resolve()))
    for folder, folders, names in os.walk(top):
        here = Path(folder)
        if ".gitignore" in names and here != top:
            ignores.append((here.resolve(), _ignore(GitIgnoreSpec, here / ".gitignore")))
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not _ignored(here / name, ignores, folder=True))
        yield from (here / name for name in names if name.endswith(".cap") and not _ignored(here / name, ignores))


def _ignores_above(top: Path) -> Iterator[tuple[Path, pathspec.GitIgnoreSpec]]:
    """The `.gitignore` of *top* and of the folders above it, up to the one that holds `.git`."""
    from pathspec import GitIgnoreSpec

    for folder in (top, *top.parents):
        if (folder / ".gitignore").is_file():
            yield folder, _ignore(GitIgnoreSpec, folder / ".gitignore")
        if (folder / ".git").exists():
            return


def _ignore(spec: type[pathspec.GitIgnoreSpec], file: Path) -> pathspec.GitIgnoreSpec:
    return spec.from_lines(file.read_text(encoding="utf-8", errors="replace").splitlines())


def _ignored(path: Path, ignores: list[tuple[Path, pathspec.GitIgnoreSpec]], *, folder: bool = False) -> bool:
    whole = path.parent.resolve() / path.name
    for base, spec in ignores:
        if whole.is_relative_to(base) and spec.match_file(whole.relative_to(base).as_posix() + ("/" if folder else "")):
            return True
    return False
