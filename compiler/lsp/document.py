"""What is known of a text that is open in an editor: the text as it is, and what was understood when it last could be read."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.lsp.text import Edit, Lines, backward, difference, forward
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.semantics.symbols import Scope
from caplex.compiler.source import Source, Span
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Schema


@dataclass(slots=True, eq=False)
class Analysis:
    """What one check of a file understood. Made by `analysis.analysed`; afterwards only lints are added to its findings.

    Attributes:
        path: Of the file.
        source: Its text then.
        items: Its items, in the order of the text; without those of other files that were checked along.
        header: Of the file itself.
        entry: The scope of the policy that it was checked as.
        scope: The scope of the file itself: *entry*, or an import of it.
        checked: Tables; full only where there were no errors.
        sound: No error was found.
        diagnostics: Of this file, and of its imports.
        whole: It could be parsed; else *items* are what was left without the broken ones.
        pack: It has no header, so that it was checked under one that the server put in front.
    """

    path: Path
    source: Source
    items: tuple[ast.Item, ...] = ()
    header: ast.Header | None = None
    entry: Scope | None = None
    scope: Scope | None = None
    checked: CheckedModule | None = None
    sound: bool = False
    diagnostics: tuple[Diagnostic, ...] = ()
    whole: bool = True
    pack: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def currency(self) -> str:
        return self.checked.policy.currency if self.checked is not None else "USD"

    def scopes(self) -> Iterator[Scope]:
        """Each file's scope once, the entry first: two imports of one file say the same about its names."""
        seen: set[str] = set()
        for scope in self.entry.walk() if self.entry is not None else ():
            name = scope.module.span.source.name
            if name not in seen:
                seen.add(name)
                yield scope

    def files(self) -> set[str]:
        """Names of the sources that went into it."""
        return {self.source.name, *(scope.module.span.source.name for scope in self.scopes())}

    def schema(self) -> Schema:
        if self.checked is not None:
            return self.checked.schema
        from caplex.compiler.semantics.schema import builtin

        return builtin()

    def item_at(self, offset: int) -> ast.Item | ast.Header | None:
        """The item around *offset* of `source`; also just behind its last character."""
        found: ast.Item | ast.Header | None = None
        for item in self.items:
            if item.span.start > offset:
                break
            if offset <= item.span.end:
                found = item
        if found is None and self.header is not None and self.header.span.start <= offset <= self.header.span.end:
            return self.header
        return found


@dataclass(slots=True, eq=False)
class Document:
    """A text that is open, or a file that was looked at.

    Attributes:
        latest: Of the last check that is finished; its diagnostics are shown.
        good: Of the last text that could be parsed: what questions are answered from.
    """

    path: Path
    text: str
    version: int = 0
    encoding: str = "utf-16"
    latest: Analysis | None = None
    good: Analysis | None = None
    _edits: list[Edit] = field(default_factory=list)
    _lines: Lines | None = None
    _since: int = 0
    _checked: int = 0

    @property
    def lines(self) -> Lines:
        if self._lines is None:
            self._lines = Lines(self.text, self.encoding)
        return self._lines

    def change(self, text: str | None, start: int = 0, end: int = 0, put: str = "") -> None:
        """The whole is now *text*; or, if that is None, what stood in ``[start, end)`` is now *put*."""
        if text is None:
            self._edits.append(Edit(start, end, len(put)))
            self.text = self.text[:start] + put + self.text[end:]
        else:
            self._edits.append(difference(self.text, text))
            self.text = text
        self._lines = None

    @property
    def mark(self) -> int:
        """How often the text has changed; handed to a check when it begins, and back with `settle`."""
        return len(self._edits)

    def settle(self, analysis: Analysis, mark: int) -> None:
        """A check of the text at *mark* has ended."""
        self.latest = analysis
        self._checked = mark
        if analysis.whole or self.good is None or not self.good.whole:
            self.good = analysis
            # What the answers are moved by is what was typed since.
            self._since = mark

    def then(self, offset: int) -> int:
        """*offset* of the text as it is, in the last good one."""
        return backward(offset, self._edits[self._since :])

    def now(self, offset: int) -> int:
        """*offset* of the last good text, in the text as it is."""
        return forward(offset, self._edits[self._since :])

    def latest_span(self, span: Span) -> tuple[int, int]:
        """A place of the text that was checked last, in the text as it is."""
        edits = self._edits[self._checked :]
        return forward(span.start, edits), forward(span.end, edits)

    def now_span(self, span: Span) -> tuple[int, int]:
        """A place of the last good tree in the text as it is; in another file it is where it was."""
        if self.good is None or span.source is not self.good.source:
            return span.start, span.end
        return self.now(span.start), self.now(span.end)
