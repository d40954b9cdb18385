"""One client's session: its documents by URI, checks in the background, and what it has attached."""
from __future__ import annotations

import asyncio
import gc
import sys
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pygls import uris

from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.lsp.analysis import Superseded
from caplex.compiler.lsp.document import Analysis, Document
from caplex.compiler.lsp.names import Names
from caplex.compiler.lsp.workspace import Workspace, in_library
from caplex.compiler.semantics.analyse import ordered

DEBOUNCE: Final = 0.1
"""Seconds without a key after which a check begins."""
IDLE: Final = 1.0
"""Seconds without a key after which lints are looked for: they cost a second check."""
MOST_UNCOLLECTED: Final = 12
"""Checks after which memory is collected though nobody pauses: each leaves some megabytes behind."""
MOST_LINTED: Final = 100_000
"""Characters of a file above which lints are looked for only when it is opened and saved."""


class Session:
    """Documents and their checks. All of it runs on the loop, but for the checks, which read texts that nobody changes.

    Attributes:
        publish: Is called with a document whose check is finished.
        rooms: What is left under each rule on the attached facts, by path.
    """

    def __init__(self, publish: Callable[[Document], None], tell: Callable[[str], None]) -> None:
        self.workspace = Workspace()
        self.publish = publish
        self.tell = tell
        self.rooms: dict[Path, dict[str, str]] = {}
        self.snippets = False
        self._uris: dict[Path, str] = {}
        self._names: dict[Path, tuple[Analysis, Names]] = {}
        self._waiting: dict[Path, asyncio.TimerHandle] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="check")
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="lint")
        self._tasks: set[asyncio.Task[None]] = set()
        self._uncollected = 0
        self._collecting: asyncio.TimerHandle | None = None

    # ── documents ────────────────────────────────────────────────────────────────────────────────────

    def path(self, uri: str) -> Path:
        """The file of *uri*; a document that is no file has a path that no file has."""
        known = uris.to_fs_path(uri)
        if known is None:
            parts = urlsplit(uri)
            known = f"{parts.scheme}:{unquote(parts.path)}"
        path = Path(known)
        self._uris[path.resolve()] = uri
        return path

    def uri(self, path: Path) -> str:
        """As the client wrote it, if it has; so that its windows are found again."""
        return self._uris.get(path.resolve()) or uris.from_fs_path(str(path.resolve())) or path.as_uri()

    def open(self, uri: str, text: str, version: int) -> None:
        path = self.path(uri)
        self.workspace.open(path, text, version)
        self._start(path)

    def close(self, uri: str) -> None:
        path = self.path(uri)
        self.workspace.close(path)
        self._cancel(path)

    def changed(self, uri: str) -> None:
        """The text is another one; a check begins when no key has been pressed for a moment."""
        path = self.path(uri)
        self._cancel(path)
        self._waiting[path.resolve()] = asyncio.get_running_loop().call_later(DEBOUNCE, self._start, path)

    def again(self) -> None:
        """Check everything that is open, and look for lints at once: settings have changed, or a file on the disk."""
        for document in list(self.workspace.documents.values()):
            self._start(document.path, at_once=True)

    def document(self, uri: str) -> Document | None:
        """The document, understood at least once."""
        return self.workspace.document(self.path(uri))

    def names(self, document: Document) -> Names | None:
        if document.good is None:
            return None
        kept = self._names.get(document.path.resolve())
        if kept is None or kept[0] is not document.good:
            kept = (document.good, Names(document.good))
            self._names[document.path.resolve()] = kept
        return kept[1]

    # ── checks ───────────────────────────────────────────────────────────────────────────────────────

    def _cancel(self, path: Path) -> None:
        waiting = self._waiting.pop(path.resolve(), None)
        if waiting is not None:
            waiting.cancel()

    def _start(self, path: Path, *, at_once: bool = False) -> None:
        self._waiting.pop(path.resolve(), None)
        task = asyncio.get_running_loop().create_task(self._check(path, at_once))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _check(self, path: Path, at_once: bool) -> None:
        document = self.workspace.get(path)
        if document is None:
            return
        mark, text, texts = document.mark, document.text, dict(self.workspace.texts())
        try:
            analysis = await self.run(self.workspace.check, path, text, texts, lambda: document.mark != mark)
        except Superseded:
            return
        except Exception as error:
            self.tell(one_line("check", error))
            return
        if self.workspace.get(path) is not document:
            return
        document.settle(analysis, mark)
        self._tidy()
        if document.mark == mark:
            self.publish(document)
            for other in self.workspace.dependants(path):
                if other.latest is not None and not _read(other.latest, path, text):
                    self._start(other.path)
            await self._measure(document, analysis)
            await self._lint(document, analysis, mark, at_once or not mark)

    def _tidy(self) -> None:
        """Collect memory when nothing has been checked for a while, or when too much has been."""
        self._uncollected += 1
        if self._collecting is not None:
            self._collecting.cancel()
        wait = 2 * IDLE if self._uncollected < MOST_UNCOLLECTED else 2 * DEBOUNCE
        self._collecting = asyncio.get_running_loop().call_later(wait, self._collect)

    def _collect(self) -> None:
        self._collecting, self._uncollected = None, 0
        gc.collect()

    async def _lint(self, document: Document, analysis: Analysis, mark: int, at_once: bool) -> None:
        """Look for lints, if the text is a policy and stays as it is."""
        if not analysis.sound or analysis.header is None or in_library(document.path):
            return
        if not at_once:
            if len(analysis.source.text) > MOST_LINTED:
                return
            await asyncio.sleep(IDLE)
        if document.mark != mark or document.latest is not analysis:
            return
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._slow, linted, analysis)
        except Exception as error:
            self.tell(one_line("lint", error))
            return
        if found and document.mark == mark and document.latest is analysis and self.workspace.get(document.path) is document:
            analysis.diagnostics = tuple(ordered([*analysis.diagnostics, *found]))
            self.publish(document)

    async def _measure(self, document: Document, analysis: Analysis) -> None:
        """Headroom on the attached facts; only a policy has some."""
        facts = self.workspace.facts
        if facts is None or not analysis.sound or analysis.header is None:
            return
        from caplex.compiler.lsp.acts import Impossible, rooms

        try:
            self.rooms[document.path.resolve()] = await self.run(rooms, analysis, facts)
        except Impossible as error:
            self.rooms.pop(document.path.resolve(), None)
            self.tell(f"headroom: {error}")
        except Exception as error:
            self.tell(one_line("headroom", error))

    async def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """*work* beside the loop, after what is running there."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def warm(self) -> None:
        """Read what every question needs, before the first is asked."""
        from caplex.compiler.lsp import context
        from caplex.compiler.syntax.parser import front

        front()
        context.spot('rule EXP-010 "x" { deny when account.equity > 1 USD and ', 50)

    def read_library(self) -> None:
        """Read the packs, which are offered in a `use`."""
        from caplex.compiler.lsp import names, offers

        names.language()
        list(offers.packs(""))

    def run_soon(self, work: Callable[[], None]) -> None:
        """*work*, when nothing else is being checked; nobody waits for it."""
        self._pool.submit(work)

    def configure(self, options: Mapping[str, Any]) -> None:
        """``caplex.facts`` and ``caplex.settings``: files, relative to the first folder."""
        self.workspace.facts = self._file(options.get("facts"))
        self.workspace.settings = self._file(options.get("settings"))
        self.rooms.clear()

    def _file(self, name: object) -> Path | None:
        if not isinstance(name, str) or not name.strip():
            return None
        path = Path(name).expanduser()
        folder = self.workspace.folders[0] if self.workspace.folders else Path()
        return path if path.is_absolute() else folder / path


def linted(analysis: Analysis) -> list[Diagnostic]:
    """What `caplex lint` would add to what the check found; none if its configuration cannot be used."""
    from caplex.compiler.lint.run import Asked, lint_source
    from caplex.runtime.errors import PolicyError

    try:
        file = lint_source(analysis.source, analysis.path, Asked())
    except PolicyError:
        return []
    known = {found.sort_key() for found in analysis.diagnostics}
    return [found for found in file.found if found.span is not None and found.span.source is analysis.source and found.sort_key() not in known]


def _read(analysis: Analysis, path: Path, text: str) -> bool:
    """*analysis* was made with *text* as the content of *path*."""
    return any(scope.module.span.source.text == text for scope in analysis.scopes() if Path(scope.module.span.source.name).resolve() == path.resolve())


def one_line(what: str, error: BaseException) -> str:
    """What went wrong, and where, without a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    said = " ".join(str(error).split())
    return f"{what} failed: {type(error).__name__}{': ' + said if said else ''}{where}"


def log(line: str) -> None:
    """One line to where the editor keeps what its servers say."""
    sys.stderr.write(f"caplex lsp: {line}\n")
    sys.stderr.flush()
