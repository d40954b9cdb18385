"""Each pass once, in order: read, parse, analyse. Everything that goes wrong comes back as diagnostics."""
from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from itertools import count
from pathlib import Path, PurePath
from typing import Literal

from caplex.compiler.diagnostics import codes_tests
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.sealed import Sealed, read
from caplex.compiler.semantics.analyse import analyse, ordered
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.semantics.neutral import of_header, stands_alone, under_neutral
from caplex.compiler.semantics.report import at
from caplex.compiler.semantics.symbols import Loaded, Target
from caplex.compiler.source import Source, is_sealed
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.parser import parse
from caplex.compiler.syntax.reading import read_source

Mode = Literal["enforce", "monitor"]
Reader = Callable[[Path], tuple[Source | None, list[Diagnostic]]]
"""Where a loader has its texts from: the disk, or an editor that holds them open."""
STANDARD = "stdlib"
TESTS = "_test.cap"
"""How the name of a file ends that holds tests of the policy beside it."""


def check_source(
    source: Source, *, settings: Mapping[str, object] | None = None, mode: Mode | None = None, base: Path | None = None, alone: bool = False
) -> tuple[CheckedModule | None, list[Diagnostic]]:
    """Check the policy in *source*; imports of files are relative to the folder *base*, or refused without one.

    Args:
        alone: A module is checked by itself, under a neutral header; what it comes to is no policy.
    """
    ids = count()
    module, problems = parse(source, ids=ids)
    if module is None:
        return None, ordered(problems)
    identity = str((base / Path(source.name).name).resolve()) if base is not None else source.name
    if alone and stands_alone(module):
        headed = under_neutral(module, Files(count(10**9), identity, base), identity, "pack", ids, own_currency=True)
        found = analyse(headed, load=Files(ids, identity, base), settings=settings, mode=mode, identity=identity)[1]
        return None, ordered([*problems, *(each for each in found if not of_header(each))])
    checked, found = analyse(module, load=Files(ids, identity, base), settings=settings, mode=mode, identity=identity)
    return checked, ordered([*problems, *found])


def check_path(
    path: str | Path, *, settings: Mapping[str, object] | None = None, mode: Mode | None = None, alone: bool = False
) -> tuple[CheckedModule | None, list[Diagnostic]]:
    """Check the policy in the file *path*; *alone* as of `check_source`."""
    if is_sealed(path):
        sealed, found = read(path)
        return check_sealed(sealed, settings or {}, mode) if sealed is not None else (None, found)
    source, problems = read_source(path)
    if source is None:
        return None, problems
    beside = subject_of(Path(path))
    if beside != Path(path):
        return _check_tests(beside, source, settings=settings, mode=mode)
    checked, found = check_source(source, settings=settings, mode=mode, base=Path(path).parent, alone=alone)
    return checked, ordered([*problems, *found])


def check_texts(
    entry: str, sources: Mapping[str, str], settings: Mapping[str, object] | None = None, mode: Mode | None = None,
) -> tuple[CheckedModule | None, list[Diagnostic]]:
    """Check the text *entry* of *sources*, which hold by name all that it imports: a policy of a journal or of a sealed file."""
    ids = count()
    module, problems = parse(Source(entry, sources[entry]), ids=ids)
    if module is None:
        return None, ordered(problems)
    checked, found = analyse(module, load=Texts(ids, sources), settings=settings or {}, mode=mode, identity=os.path.normpath(entry))
    return checked, ordered([*problems, *found])


def check_sealed(sealed: Sealed, settings: Mapping[str, object], mode: Mode | None = None) -> tuple[CheckedModule | None, list[Diagnostic]]:
    """Check the policy of a sealed file, with what is given besides its own."""
    values, way, problems = sealed.under(settings, mode)
    return (None, problems) if problems else check_texts(sealed.entry, sealed.sources, values, way)


def subject_of(file: Path) -> Path:
    """The file whose policy the tests in *file* are put to: `X.cap` for an `X_test.cap` without header beside it."""
    if not file.name.endswith(TESTS):
        return file
    beside = file.with_name(file.name.removesuffix(TESTS) + ".cap")
    source = read_source(file)[0] if beside.is_file() else None
    module = parse(source)[0] if source is not None else None
    return beside if module is not None and module.header is None else file


def misplaced(items: Iterable[ast.Item]) -> list[Diagnostic]:
    """What a file of tests holds that is none."""
    return [at(codes_tests.RULES_IN_TESTS, "a file of tests holds tests and properties alone", item.span, "not a test",
               help="put it into the policy beside it, or begin this file with a header: then it is a policy of its own")
            for item in items if not isinstance(item, ast.Test | ast.Property)]


def _check_tests(
    policy: Path, tests: Source, *, settings: Mapping[str, object] | None, mode: Mode | None
) -> tuple[CheckedModule | None, list[Diagnostic]]:
    """Check the file *tests* with the policy beside it; what is wrong with that alone is told where it is checked itself."""
    ids = count()
    source, problems = read_source(policy)
    module = parse(source, ids=ids)[0] if source is not None else None
    more, found = parse(tests, ids=ids)
    if module is None or more is None:
        return None, ordered([*problems, *found])
    found += misplaced(more.items)
    identity = str(policy.resolve())
    if stands_alone(module):
        module = under_neutral(module, Files(count(10**9), identity, policy.parent), identity, policy.stem, ids)
    checked, told = analyse(replace(module, items=(*module.items, *more.items)), load=Files(ids, identity, policy.parent), settings=settings, mode=mode,
                            identity=identity)
    own = [each for each in (*found, *told) if each.span is not None and each.span.source is tests]
    return checked, ordered(own if checked is not None or own else told)


class Files:
    """A loader that reads `stdlib.NAME` from the package and texts as paths beside the importing file.

    Each call parses anew, with ids from one counter, so that two imports of one module have trees of their own.
    """

    def __init__(self, ids: Iterator[int], entry: str, folder: Path | None, read: Reader = read_source) -> None:
        self._ids = ids
        self._read = read
        # By identity of a module: the folder its imports are relative to, as the user would write it.
        self._folders: dict[str, Path | None] = {entry: folder}

    def __call__(self, target: Target, importer: str) -> Loaded:
        if isinstance(target, str):
            return self._file(target, importer)
        return self._standard(target)

    def _file(self, target: str, importer: str) -> Loaded:
        folder = self._folders.get(importer)
        if folder is None or Path(target).suffix != ".cap":
            return Loaded(None, target)
        path = folder / target
        identity = str(path.resolve())
        source, problems = self._read(path)
        if source is None:
            missing = not path.exists()
            beside = tuple(sorted(each.name
                                  for each in path.parent.glob("*.cap"))) if missing and path.parent.is_dir() else ()
            return Loaded(None, identity, () if missing else tuple(problems), beside)
        self._folders[identity] = path.parent
        return self._parse(source, identity)

    def _standard(self, target: tuple[str, ...]) -> Loaded:
        folder = files("caplex.stdlib_rules")
        known = tuple(sorted(f"{STANDARD}.{each.name.removesuffix('.cap')}" for each in folder.iterdir()
                             if each.name.endswith(".cap") and not each.name.endswith("_test.cap")))
        name = ".".join(target)
        if name not in known:
            return Loaded(None, name, known=known)
        text = folder.joinpath(f"{target[-1]}.cap").read_text(encoding="utf-8")
        return self._parse(Source(f"{STANDARD}/{target[-1]}.cap", text), name)

    def _parse(self, source: Source, identity: str) -> Loaded:
        module, problems = parse(source, ids=self._ids)
        return Loaded(module, identity, tuple(problems))


class Texts:
    """A loader that reads modules from *sources*, texts by the name under which they were compiled."""

    def __init__(self, ids: Iterator[int], sources: Mapping[str, str]) -> None:
        self._ids = ids
        self._names = {os.path.normpath(name): name for name in sources}
        self._sources = sources

    def __call__(self, target: Target, importer: str) -> Loaded:
        if isinstance(target, str):
            place = os.path.normpath(PurePath(importer).parent / target)
            return self._parse(place, place)
        return self._parse(f"{STANDARD}/{target[-1]}.cap", ".".join(target))

    def _parse(self, place: str, identity: str) -> Loaded:
        name = self._names.get(os.path.normpath(place))
        if name is None:
            return Loaded(None, identity, known=tuple(sorted(self._names)))
        module, problems = parse(Source(name, self._sources[name]), ids=self._ids)
        return Loaded(module, identity, tuple(problems))
