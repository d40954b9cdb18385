"""One check of a file as an editor holds it: whatever can be understood of it, also where it is broken or is no policy by itself."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

from caplex.compiler import driver
from caplex.compiler.collecting import paused
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.lsp.document import Analysis
from caplex.compiler.semantics import symbols
from caplex.compiler.semantics.analyse import analyse, ordered
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.semantics.symbols import Scope
from caplex.compiler.source import Source, Span
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.parser import parse
from caplex.compiler.syntax.recovery import is_head

_IMPORT = re.compile(r'\buse\s+"([^"\n]+\.cap)"')
_MOST_BROKEN = 8
_DEEPEST = 5


class Superseded(Exception):
    """The text has changed again: the answer would be thrown away."""


def _never() -> bool:
    return False


@paused()
def analysed(
    path: Path, source: Source, read: driver.Reader, *, settings: Mapping[str, object] | None = None, near: Iterable[Path] = (), library: bool = False,
    superseded: Callable[[], bool] = _never,
) -> Analysis:
    """Check *source*, the text of *path*.

    Args:
        read: Gives the texts of other files: those that are open as they are there.
        settings: Values from outside, by name.
        near: Policies that may import this file, if it is none itself; the first that does is what it is checked in.
        library: It belongs to the package: nothing is said about it.
        superseded: Asked between passes; if it says yes, nothing more is done.
    Raises:
        Superseded
    """
    ids = count()
    module, problems = parse(source, ids=ids)
    if superseded():
        raise Superseded
    whole = module is not None
    if module is None:
        module = _remains(source, problems, ids)
    if module is None:
        return Analysis(path, source, diagnostics=tuple(ordered(problems)), whole=False)
    found = _checked(path, source, module, ids, read, settings or {}, near)
    if library:
        found.diagnostics = ()
    elif not whole:
        # What is wrong with the rest may come of what is missing; the one thing to mend is the text.
        found.diagnostics, found.sound, found.whole = tuple(ordered(problems)), False, False
    return found


def importers(path: Path, near: Iterable[Path], read: driver.Reader) -> Iterator[Path]:
    """Those of *near*, or what imports them, that import *path* and are policies."""
    texts: dict[Path, str] = {}
    for each in near:
        source, _ = read(each)
        if source is not None:
            texts[each.resolve()] = source.text
    wanted, seen = [path.resolve()], {path.resolve()}
    for _ in range(_DEEPEST):
        above = [each for each, text in sorted(texts.items())
                 if each not in seen and any((each.parent / name).resolve() in wanted for name in _IMPORT.findall(text))]
        yield from (each for each in above if re.search(r"^\s*policy\s", texts[each], re.M))
        seen.update(above)
        wanted = above


def _checked(
    path: Path, source: Source, module: ast.Module, ids: Iterator[int], read: driver.Reader, settings: Mapping[str, object], near: Iterable[Path],
) -> Analysis:
    own = Analysis(path, source, module.items, module.header)
    if module.header is not None:
        return _run(own, module, path, ids, read, settings)
    beside = path.with_name(path.name.removesuffix(driver.TESTS) + ".cap")
    if path.name.endswith(driver.TESTS) and (policy := read(beside)[0]) is not None:
        subject, _ = parse(policy, ids=ids)
        if subject is not None:
            whole = replace(subject, items=(*subject.items, *module.items))
            found = _run(own, _headed(whole, beside, ids, read), beside, ids, read, settings)
            found.diagnostics = tuple(ordered([*driver.misplaced(module.items), *(
                each for each in found.diagnostics if each.span is not None and each.span.source is source)]))
            return found
    for importer in importers(path, near, read):
        inside = _within(own, importer, read, settings)
        if inside is not None:
            return inside
    own.pack = True
    found = _run(own, _headed(module, path, ids, read), path, ids, read, settings)
    # Under a header that nobody wrote, only what is wrong with each item by itself means anything.
    found.diagnostics = tuple(each for each in found.diagnostics if each.is_error and each.span is not None and each.span.source is source)
    return found


def _run(own: Analysis, module: ast.Module, path: Path, ids: Iterator[int], read: driver.Reader, settings: Mapping[str, object]) -> Analysis:
    """*module*, checked as the entry that lies at *path*; *own* says which part of it is asked about."""
    def seen(entry: Scope, checked: CheckedModule) -> None:
        own.entry = own.scope = entry
        own.checked = checked

    identity = str(path.resolve())
    load = driver.Files(ids, identity, path.parent, read)
    sound, problems = analyse(module, load=load, settings=settings, identity=identity, seen=seen)
    if own.entry is None:
        own.entry = own.scope = symbols.collect(module, load, identity)[0]
    own.sound, own.diagnostics, own.settings = sound is not None, tuple(problems), settings
    return own


def _within(own: Analysis, importer: Path, read: driver.Reader, settings: Mapping[str, object]) -> Analysis | None:
    """*own* as a part of the policy in *importer*; None if that cannot be parsed."""
    ids = count()
    source, _ = read(importer)
    module = parse(source, ids=ids)[0] if source is not None else None
    if module is None:
        return None
    found = _run(Analysis(own.path, own.source), module, importer, ids, read, settings)
    for scope in found.scopes():
        there = scope.module.span.source
        if Path(there.name).resolve() == own.path.resolve() and there.text == own.source.text:
            found.source, found.scope, found.items = there, scope, scope.module.items
            found.diagnostics = tuple(each for each in found.diagnostics if each.span is not None and each.span.source.name == there.name)
            return found
    return None


def _headed(module: ast.Module, path: Path, ids: Iterator[int], read: driver.Reader) -> ast.Module:
    """*module* under the header that its tests would run under, if it has none."""
    if module.header is not None:
        return module
    from caplex.compiler.testing.collect import neutral_header

    identity = str(path.resolve())
    scope, _ = symbols.collect(module, driver.Files(count(10**9), identity, path.parent, read), identity)
    text = neutral_header(item for each in scope.walk() for item in each.module.items)
    header, _ = parse(Source("the neutral header", text), ids=ids)
    return replace(module, header=header.header) if header is not None else module


def _remains(source: Source, problems: list[Diagnostic], ids: Iterator[int]) -> ast.Module | None:
    """The tree without the items that are broken; their text is blank, so that everything else stands where it stood."""
    text = source.text
    for _ in range(_MOST_BROKEN):
        place = next((each.span for each in problems if each.span is not None), None)
        if place is None:
            return None
        start, end = _item_around(text, place)
        blank = re.sub(r"[^\n\r]", " ", text[start:end])
        if blank == text[start:end]:
            return None
        text = text[:start] + blank + text[end:]
        module, problems = parse(Source(source.name, text), ids=ids)
        if module is not None:
            return _belonging(module, source)
    return None


def _item_around(text: str, place: Span) -> tuple[int, int]:
    """From the head of the item at *place* to the next."""
    heads = [0, *(each.start() for each in re.finditer(r"^[ \t]*(?=[a-z])", text, re.M) if is_head(text, each.end())), len(text)]
    start = max((each for each in heads if each <= place.start and each < len(text)), default=0)
    return start, min(each for each in heads if each > start or each == len(text))


def _belonging(module: ast.Module, source: Source) -> ast.Module:
    """The same tree, with *source* as the text that its places are in: it has the same length."""
    other = module.span.source
    other.text = source.text
    return replace(module, span=Span(other, 0, len(source.text)))
