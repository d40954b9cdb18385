"""Configuration: `[lint]` in `caplex.toml`, or `[tool.caplex.lint]` in `pyproject.toml`, the nearest above the file."""
from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NoReturn

from caplex.compiler.diagnostics.codes_reading import BAD_CONFIGURATION
from caplex.compiler.diagnostics.diagnostic import Level
from caplex.compiler.lint.registry import ALL
from caplex.compiler.lint.selecting import code_of, unknown
from caplex.compiler.semantics.report import at
from caplex.compiler.source import Source, Span
from caplex.runtime.errors import PolicyError

OWN, SHARED = "caplex.toml", "pyproject.toml"
TABLE = "lint"
KEYS = ("select", "ignore", "fail-level", "levels", "per-file-ignores")
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Config:
    """What a file says. *folder* is where it lies: patterns are relative to it."""

    folder: Path
    select: tuple[str, ...] = (ALL,)
    ignore: tuple[str, ...] = ()
    fail_level: Level = Level.WARNING
    levels: Mapping[str, Level] = field(default_factory=dict)
    per_file: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def ignored(self, path: Path) -> tuple[str, ...]:
        """What `per-file-ignores` says of *path*: a pattern with a slash holds from the folder on, one without for the name."""
        whole = path.resolve()
        relative = whole.relative_to(self.folder).as_posix() if whole.is_relative_to(self.folder) else whole.as_posix()
        return tuple(word for pattern, words in self.per_file for word in words
                     if fnmatchcase(relative if "/" in pattern else whole.name, pattern))


def nearest(path: Path) -> Config:
    """The configuration that holds for the file *path*. Raises PolicyError if it cannot be used."""
    folder = path.resolve().parent
    found = _above(folder)
    return Config(folder) if found is None else read(found)


def _above(folder: Path) -> Path | None:
    for here in (folder, *folder.parents):
        if (here / OWN).is_file():
            return here / OWN
        if (here / SHARED).is_file() and re.search(r"^\s*\[+\s*tool\s*\.\s*caplex\b", (here / SHARED).read_text(encoding="utf-8", errors="replace"), re.M):
            return here / SHARED
    return None


def read(path: Path) -> Config:
    """The configuration in *path*. Raises PolicyError, whose diagnostic names the line."""
    reader = _Reader(path)
    table = reader.whole()
    for name in ("tool", "caplex") if path.name == SHARED else ():
        table = reader.table(table.get(name, {}), name)
    reader.known(table, (TABLE,), "table")
    table = reader.table(table.get(TABLE, {}), TABLE)
    reader.known(table, KEYS, "key")
    levels = reader.table(table.get("levels", {}), "levels")
    per_file = reader.table(table.get("per-file-ignores", {}), "per-file-ignores")
    return Config(
        path.parent.resolve(),
        reader.words(table.get("select", [ALL]), "select"),
        reader.words(table.get("ignore", []), "ignore"),
        reader.level(table.get("fail-level", "warning"), "fail-level"),
        {reader.code(name): reader.level(value, name) for name, value in levels.items()},
        tuple((pattern, reader.words(words, pattern)) for pattern, words in per_file.items()),
    )


class _Reader:
    def __init__(self, path: Path) -> None:
        try:
            name = path.relative_to(Path.cwd())
        except ValueError:
            name = path
        self.source = Source(str(name), "")
        try:
            self.source = Source(str(name), path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            self.refuse(f"`{name}` cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}", "")

    def whole(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.source.text)
        except tomllib.TOMLDecodeError as error:
            message = str(error)
            found = _WHERE.search(message)
            start = len(self.source.text)
            if found is not None and found[1]:
                start = min(self.source.starts()[int(found[1]) - 1] + int(found[2]) - 1, start)
            self._fail(f"this is not TOML: {_WHERE.sub('', message)[:1].lower()}{_WHERE.sub('', message)[1:]}", Span(self.source, start, start + 1))

    def table(self, value: object, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.refuse(f"`{name}` is not a table", name)
        return value

    def known(self, table: Mapping[str, Any], names: Iterable[str], what: str) -> None:
        for key in table:
            if key not in names:
                near = get_close_matches(key.replace("_", "-"), list(names), n=1)
                self.refuse(f"no {what} is named `{key}`", key, f"did you mean `{near[0]}`?" if near else f"known are {', '.join(f'`{name}`' for name in names)}")

    def words(self, value: object, key: str) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            self.refuse(f"`{key}` is not a list of texts", key, f'write `{key} = ["CAP705", "reading"]`')
        for word in value:
            why = unknown(word)
            if why is not None:
                self.refuse(why, word)
        return tuple(value)

    def level(self, value: object, key: str) -> Level:
        if not isinstance(value, str) or value not in {level.value for level in Level}:
            self.refuse(f"`{value}` is no level", value if isinstance(value, str) else key, "it is one of `error`, `warning`, `note`")
        return Level(value)

    def code(self, name: str) -> str:
        code = code_of(name)
        if code is None:
            self.refuse(unknown(name) or f"`{name}` is more than one finding: a level is given to one", name)
        return code.id

    def refuse(self, message: str, word: str, help: str | None = None) -> NoReturn:
        """At the first place where *word* stands as a key, a name of a table, or a text."""
        quoted = re.escape(word)
        found = re.search(rf'^\s*\[[^\]\n]*?\b({quoted})\b|^\s*"?({quoted})"?\s*[=.]|["\']({quoted})["\']|\b({quoted})\b', self.source.text, re.M) if word else None
        if found is None:
            self._fail(message, Span(self.source, 0, min(1, len(self.source.text))), help)
        group = next(number for number in range(1, 5) if found[number] is not None)
        self._fail(message, Span(self.source, found.start(group), found.end(group)), help)

    def _fail(self, message: str, span: Span, help: str | None = None) -> NoReturn:
        raise PolicyError(message, diagnostics=[at(BAD_CONFIGURATION, message, span, help=help)])
