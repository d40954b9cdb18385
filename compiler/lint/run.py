"""From paths to findings: each file as `check` sees it, then the lints, less what is not wanted or silenced."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from caplex.compiler import driver
from caplex.compiler.diagnostics.codes_switches import BY_HAND_ONLY
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Level
from caplex.compiler.lint import comments, config
from caplex.compiler.lint.comments import Silenced
from caplex.compiler.lint.mending import Mended, mend
from caplex.compiler.lint.model import Subject
from caplex.compiler.lint.offers import offered
from caplex.compiler.lint.registry import LINTS, codes
from caplex.compiler.lint.selecting import Choice
from caplex.compiler.semantics.analyse import analyse, ordered
from caplex.compiler.semantics.coherence import past
from caplex.compiler.semantics.coherence.context import Context
from caplex.compiler.semantics.neutral import of_header, stands_alone, under_neutral
from caplex.compiler.semantics.stages import day_start
from caplex.compiler.source import Source
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.parser import parse
from caplex.compiler.syntax.reading import read_source
from caplex.compiler.tools.folders import policies_in

RANK = {Level.NOTE: 0, Level.WARNING: 1, Level.ERROR: 2}


@dataclass(frozen=True, slots=True)
class Asked:
    """What whoever runs it wants; None leaves it to the configuration.

    Attributes:
        ignore: Besides what the configuration ignores.
        as_of: A day, ``2026-06-30``: what has ended by then is found too.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    fail_level: Level | None = None
    as_of: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """What was found in one file. *source* is None if it cannot be read."""

    path: Path
    source: Source | None
    found: tuple[Diagnostic, ...]
    silenced: tuple[Silenced, ...]
    fail_level: Level

    @property
    def failing(self) -> tuple[Diagnostic, ...]:
        return tuple(each for each in self.found if RANK[each.severity] >= RANK[self.fail_level])


def lint(
    *paths: str | Path, select: Iterable[str] | None = None, ignore: Iterable[str] = (), as_of: str | None = None,
) -> list[Diagnostic]:
    """What `caplex lint` finds in the policies in *paths*, in order; a folder stands for its policies.

    Args:
        select: Codes, beginnings of codes, names or groups, instead of those of the configuration.
        ignore: The same, besides those that the configuration ignores.
        as_of: A day; what has ended by then is found too.
    Raises:
        PolicyError: A configuration cannot be used, or a name is not known.
    """
    asked = Asked(None if select is None else tuple(select), tuple(ignore), as_of=as_of)
    for word in (*(asked.select or ()), *asked.ignore):
        refuse_unknown(word)
    files = [file for path in map(Path, paths) for file in (policies_in(path) if path.is_dir() else [path])]
    return ordered(found for each in lint_files(files, asked) for found in each.found)


def refuse_unknown(word: str) -> None:
    """Raises PolicyError if no lint, name or group is called *word*."""
    from caplex.compiler.lint.selecting import unknown
    from caplex.runtime.errors import PolicyError

    why = unknown(word)
    if why is not None:
        raise PolicyError(why)


def lint_files(paths: Sequence[Path], asked: Asked) -> list[File]:
    """Each file by itself. What an import is blamed for in two policies is told once."""
    told: set[tuple[str, int, int, str, str]] = set()
    files = []
    for path in dict.fromkeys(paths):
        file = _Linter(path, asked).file()
        new = tuple(each for each in file.found if each.sort_key() not in told)
        told |= {each.sort_key() for each in new}
        files.append(replace(file, found=new))
    return files


def lint_source(source: Source, path: Path, asked: Asked) -> File:
    """What is found in *source*, as if it stood in *path*: for an editor, whose text is not on disk yet."""
    return _Linter(path, asked).of(source)


def mend_file(path: Path, asked: Asked, *, unsafe: bool) -> tuple[Source, Mended] | None:
    """The text of *path*, and what it becomes with its fixes; None if it cannot be read. Writes nothing."""
    source, _ = read_source(path)
    if source is None:
        return None
    return source, mend(source, _Linter(path, asked).look, unsafe=unsafe)


class _Linter:
    """One file with what holds for it."""

    def __init__(self, path: Path, asked: Asked) -> None:
        self.path = path
        self.config = config.nearest(path)
        self.choice = Choice(asked.select if asked.select is not None else self.config.select, (*self.config.ignore, *asked.ignore), self.config.levels)
        self.fail_level = asked.fail_level or self.config.fail_level
        self.as_of = asked.as_of

    def file(self) -> File:
        source, problems = read_source(self.path)
        if source is None:
            return File(self.path, None, tuple(problems), (), self.fail_level)
        return self.of(source)

    def of(self, source: Source) -> File:
        """The same of a text that may not be on disk."""
        found, silenced = self._sift(source)
        return File(self.path, source, tuple(found), tuple(silenced), self.fail_level)

    def look(self, source: Source) -> list[Diagnostic]:
        """What is found in *source*, the text of this file or one that it may become."""
        return self._sift(source)[0]

    def _sift(self, source: Source) -> tuple[list[Diagnostic], list[Silenced]]:
        found, lines = self._examined(source)
        suppressions, problems = comments.read(source)
        here = self.config.ignored(self.path)
        wanted = [each for each in (*found, *problems) if self.choice.wants(each.code, (*here, *self._elsewhere(each, source)))]
        ran = frozenset() if any(each.is_error for each in found) else frozenset(
            number for number, (code, _) in codes().items() if self.choice.wants(code, here) and (number != "CAP716" or self.as_of is not None))
        left, silenced, idle = comments.silence([(each, lines(each)) for each in wanted], suppressions, ran)
        left += [each for each in idle if self.choice.wants(each.code, here)]
        # Levels last: a finding that the desk calls an error may still be silenced with a reason, one of the compiler may not.
        return ordered(map(self.choice.levelled, left)), silenced

    def _elsewhere(self, found: Diagnostic, source: Source) -> tuple[str, ...]:
        if found.span is None or found.span.source is source:
            return ()
        return self.config.ignored(Path(found.span.source.name))

    def _examined(self, source: Source) -> tuple[list[Diagnostic], Callable[[Diagnostic], int]]:
        """What is found, and how to tell the line at which a finding may be silenced."""
        if driver.subject_of(self.path) != self.path:
            # Tests: they are checked with their policy, and nothing in them is mended.
            return [replace(each, fix=None) for each in driver.check_path(self.path)[1]], _line
        ids = count()
        module, problems = parse(source, ids=ids)
        if module is None:
            return problems, _line
        identity = str(self.path.resolve())
        folder, entry = self.path.parent, module
        if stands_alone(module):
            entry = under_neutral(module, driver.Files(count(10**9), identity, folder), identity, self.path.stem, ids, own_currency=True)
        checked, told = analyse(entry, load=driver.Files(ids, identity, folder), identity=identity)
        # That a switch of a module trips by hand alone is its author's choice, as it is when imported.
        found = [*problems, *(each for each in told if not of_header(each) and not (entry is not module and each.code is BY_HAND_ONLY))]
        if checked is None:
            return found, _line
        subject = Subject(Context(checked), module)
        day = checked.policy.effective_from_ns if self.as_of is None else day_start(self.as_of, checked.policy.timezone)
        if day is not None:  # without a day, what ends before the policy begins has never held
            found += past(checked, day)
        found = [offered(subject, each) for each in found]
        found += [each for lint in LINTS if self.choice.wants(lint.code) for each in lint.run(subject)]
        uses = {checked.modules[alias].span.source.name: use for alias, use in _uses(module) if alias in checked.modules}
        return found, lambda each: _line(each, uses)


def _line(found: Diagnostic, uses: dict[str, ast.Use] | None = None) -> int:
    """Its line; of what lies in an import, the line of the `use` that brings it in."""
    if found.span is None:
        return 0
    use = (uses or {}).get(found.span.source.name)
    return (use.span if use is not None else found.span).begin.line


def _uses(module: ast.Module) -> Iterator[tuple[str, ast.Use]]:
    for item in module.items:
        if isinstance(item, ast.Use):
            last = item.target[-1] if not isinstance(item.target, str) else Path(item.target).stem
            yield (item.alias.text if item.alias is not None else last), item
