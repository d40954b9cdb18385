"""The files of an editor's session: those that are open, those in its folders, and those of the installed package."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.driver import STANDARD
from caplex.compiler.lsp.analysis import analysed
from caplex.compiler.lsp.document import Analysis, Document
from caplex.compiler.source import Source
from caplex.compiler.syntax.parser import parse
from caplex.compiler.syntax.reading import read_source

MOST_FILES = 400


class Workspace:
    """What is open, and what can be looked at besides.

    Attributes:
        folders: Of the editor; may be none.
        facts: A facts document for headroom and deciding, or None.
        settings: A YAML file of settings, or None.
        encoding: In which positions are counted.
    """

    def __init__(self) -> None:
        self.documents: dict[Path, Document] = {}
        self.folders: list[Path] = []
        self.facts: Path | None = None
        self.settings: Path | None = None
        self.encoding = "utf-16"
        self._parsed: dict[Path, tuple[tuple[object, ...], Analysis]] = {}
        self._looked: dict[Path, tuple[tuple[object, ...], Analysis]] = {}

    # ── texts ────────────────────────────────────────────────────────────────────────────────────────

    def open(self, path: Path, text: str, version: int) -> Document:
        document = Document(path, text, version, self.encoding)
        self.documents[path.resolve()] = document
        return document

    def close(self, path: Path) -> None:
        self.documents.pop(path.resolve(), None)

    def get(self, path: Path) -> Document | None:
        return self.documents.get(path.resolve())

    def texts(self) -> Mapping[Path, str]:
        """What the editor holds, now."""
        return {path: document.text for path, document in self.documents.items()}

    # ── checks ───────────────────────────────────────────────────────────────────────────────────────

    def check(self, path: Path, text: str, texts: Mapping[Path, str], superseded: Callable[[], bool] | None = None) -> Analysis:
        """The analysis of *text* as the content of *path*. Reads nothing that an edit could be changing at the same time."""
        return analysed(path, Source(str(path), text), Reader(texts), settings=self.values(), near=self._near(path, texts), library=in_library(path),
                        superseded=superseded or (lambda: False))

    def document(self, path: Path) -> Document | None:
        """The document at *path*; one that is not open is read, and checked when it is first asked for."""
        found = self.get(path)
        if found is not None and found.good is not None:
            return found
        text = found.text if found is not None else None
        if text is None:
            source, _ = read_source(path)
            if source is None:
                return None
            text = source.text
        document = found or Document(path, text, 0, self.encoding)
        if found is None:
            kept = self._looked.get(path.resolve())
            analysis = kept[1] if kept is not None and kept[0] == self._signature(kept[1]) else self.check(path, text, self.texts())
            self._looked[path.resolve()] = (self._signature(analysis), analysis)
            document.settle(analysis, document.mark)
        else:
            document.settle(self.check(path, text, self.texts()), document.mark)
        return document

    def every(self, mentioning: str = "") -> Iterator[Document]:
        """Each document that is open, then each `.cap` of the folders that has the word *mentioning*; checked."""
        for path in self._paths():
            held = self.get(path)
            if held is None and mentioning:
                source, _ = read_source(path)
                if source is None or mentioning not in source.text:
                    continue
            document = self.document(path)
            if document is not None:
                yield document

    def outlines(self) -> Iterator[Document]:
        """The same for who asks only what stands there: files that are not open are parsed, and not checked."""
        for path in self._paths():
            held = self.get(path)
            if held is not None and held.good is not None:
                yield held
                continue
            stamp = (_stamp(path),)
            kept = self._parsed.get(path)
            if kept is None or kept[0] != stamp:
                source, _ = read_source(path)
                module = parse(source)[0] if source is not None else None
                if source is None or module is None:
                    continue
                kept = self._parsed[path] = (stamp, Analysis(path, source, module.items, module.header))
            document = Document(path, kept[1].source.text, 0, self.encoding)
            document.settle(kept[1], document.mark)
            yield document

    def _paths(self) -> Iterator[Path]:
        """Open documents, then files of the folders, each once."""
        seen: set[Path] = set()
        for path in (*(document.path for document in list(self.documents.values())), *self.found()):
            if path.resolve() not in seen:
                seen.add(path.resolve())
                yield path

    def found(self) -> list[Path]:
        """Policies and modules in the folders, as `caplex check FOLDER` finds them."""
        from caplex.compiler.tools.folders import policies_in

        found: dict[Path, None] = {}
        for folder in self.folders:
            if folder.is_dir():
                for path in policies_in(folder):
                    found[path] = None
                    if len(found) >= MOST_FILES:
                        return list(found)
        return list(found)

    def dependants(self, path: Path) -> list[Document]:
        """Open documents that were checked with the file *path*."""
        wanted = path.resolve()
        return [document for document in self.documents.values()
                if document.latest is not None and document.path.resolve() != wanted
                and any(place(name).resolve() == wanted for name in document.latest.files())]

    def _near(self, path: Path, texts: Mapping[Path, str]) -> Iterator[Path]:
        """Where a policy that imports *path* may be: open, beside it, in the folders. Walked only if *path* is no policy."""
        yield from texts
        yield from sorted(path.parent.glob("*.cap"))[:MOST_FILES]
        yield from self.found()

    def _signature(self, analysis: Analysis) -> tuple[object, ...]:
        """What the files that went into *analysis* are like now."""
        return tuple(_stamp(file) if (held := self.get(file)) is None else hash(held.text) for file in map(place, sorted(analysis.files())))

    def values(self) -> Mapping[str, object]:
        """Settings from outside; none where the file that was named cannot be read: the text alone must still be checked."""
        if self.settings is None:
            return {}
        from caplex.compiler.loading import resolve_settings
        from caplex.runtime.errors import CaplexError

        try:
            return resolve_settings(self.settings)
        except CaplexError:
            return {}


class Reader:
    """Texts as they are open, and else as they are on the disk."""

    def __init__(self, texts: Mapping[Path, str]) -> None:
        self._texts = texts

    def __call__(self, path: Path) -> tuple[Source | None, list[Diagnostic]]:
        text = self._texts.get(path.resolve())
        return read_source(path) if text is None else (Source(str(path), text), [])


def place(name: str) -> Path:
    """The file that a source of this *name* is: sources of the library have names that are no paths."""
    if name.startswith(STANDARD + "/"):
        return _package("caplex.stdlib_rules") / name.removeprefix(STANDARD + "/")
    return _package("caplex.grammar") / name if name == "facts.cap" else Path(name)


def in_library(path: Path) -> bool:
    """It is part of the installed package, and not the user's to change."""
    return path.resolve().parent in {_package("caplex.stdlib_rules").resolve(), _package("caplex.grammar").resolve()}


def _package(name: str) -> Path:
    return Path(str(files(name)))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
