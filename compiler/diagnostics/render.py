"""A diagnostic as people read it: the sentence, the place, the line with marks under it, and the cure."""
from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from caplex.compiler.diagnostics.diagnostic import Diagnostic, Label, Level
from caplex.compiler.source import Source, Span

LEAST_WIDTH = 40
MOST_LABELS = 12
TAB = "    "
_RESET = "\x1b[0m"
_PLACE = "\x1b[1;34m"
_BOLD = "\x1b[1m"
_LEVEL = {Level.ERROR: "\x1b[1;31m", Level.WARNING: "\x1b[1;33m", Level.NOTE: "\x1b[1;36m"}
# Categories whose characters would move the cursor, turn the direction of the line, or show nothing.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def render(diagnostic: Diagnostic, *, colour: bool = False, width: int = 100) -> str:
    """The text of *diagnostic*, without a line end at its end.

    Args:
        colour: With ANSI colours; otherwise no escape sequence comes out, whatever the source holds.
        width: Source lines longer than this are cut around what is marked.
    """
    tone = _LEVEL[diagnostic.severity]
    title = f"{diagnostic.severity.value}[{diagnostic.code.id}]"
    rows = [f"{tone}{title}{_RESET}{_BOLD}: {visible(diagnostic.message)}{_RESET}"]
    labels, left_out = _labels(diagnostic)
    margin = len(str(max([_last_line(label.span) for label in labels], default=10)))
    gutter = " " * (margin + 1)
    for row in _places(diagnostic, labels, margin=margin, tone=tone, width=max(width, LEAST_WIDTH)):
        rows.append(row)
    notes = [("note", note) for note in diagnostic.notes]
    if left_out:
        notes.append(("note", f"{left_out} more places are not shown"))
    if diagnostic.help is not None:
        notes.append(("help", diagnostic.help))
    for kind, text in notes:
        indent = " " * (len(gutter) + len(kind) + 4)
        first, *more = text.split("\n")
        rows.append(f"{gutter}{_PLACE}={_RESET} {_BOLD}{kind}{_RESET}: {visible(first)}")
        rows += [f"{indent}{visible(line)}".rstrip() for line in more]
    text = "\n".join(rows)
    return text if colour else _plain(text)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """How many of each level: ``2 errors, 1 warning``."""
    counts = Counter(found.severity for found in diagnostics)
    parts = [f"{counts[level]} {level.value}{'s' if counts[level] != 1 else ''}" for level in Level if counts[level]]
    return ", ".join(parts) or "no problems"


def visible(text: str) -> str:
    """*text* with every character that shows nothing, or moves the cursor, written as its number."""
    return "".join(_cell(character)[0] for character in text)


def _plain(text: str) -> str:
    # `visible` has taken every escape out of the author's text: what is left are our own.
    for code in (_RESET, _PLACE, _BOLD, *_LEVEL.values()):
        text = text.replace(code, "")
    return text


def _cell(character: str) -> tuple[str, int]:
    """How *character* is shown, and how many columns that takes."""
    if " " <= character <= "~":
        return character, 1
    if character == "\t":
        return TAB, len(TAB)
    if unicodedata.category(character) in _UNSEEN:
        shown = f"<U+{ord(character):04X}>"
        return shown, len(shown)
    if unicodedata.combining(character):
        return character, 0
    return character, 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _labels(diagnostic: Diagnostic) -> tuple[list[Label], int]:
    """What is drawn, and how many labels are left out."""
    if diagnostic.span is None:
        return [], 0
    labels = list(diagnostic.labels) or [Label(diagnostic.span, primary=True)]
    return labels[:MOST_LABELS], max(0, len(labels) - MOST_LABELS)


def _last_line(span: Span) -> int:
    return span.source.position(_end(span)).line


def _end(span: Span) -> int:
    """End of *span*, before a line end that it may close with: nobody wants a mark on the line below."""
    end = min(span.end, len(span.source.text))
    while end > span.start and span.source.text[end - 1] in "\r\n":
        end -= 1
    return end


@dataclass(slots=True)
class _Mark:
    """The part of a label that lies in one line; columns count characters from 0."""

    start: int
    end: int
    primary: bool
    text: str


@dataclass(slots=True)
class _Row:
    """One line of marks and words, written column by column."""

    cells: dict[int, tuple[str, str]] = field(default_factory=dict)

    def put(self, column: int, text: str, style: str) -> None:
        for offset, character in enumerate(text):
            self.cells[column + offset] = (character, style)

    def text(self) -> str:
        parts = []
        style = ""
        for column in range(max(self.cells, default=-1) + 1):
            character, wanted = self.cells.get(column, (" ", ""))
            if wanted != style:
                parts.append((_RESET if style else "") + wanted)
                style = wanted
            parts.append(character)
        return "".join(parts) + (_RESET if style else "")


def _places(diagnostic: Diagnostic, labels: list[Label], *, margin: int, tone: str, width: int) -> Iterator[str]:
    """The lines from ``-->`` to the last mark; a section for each file."""
    pad = " " * margin
    if diagnostic.span is None:
        if diagnostic.where:
            yield f"{pad}{_PLACE}-->{_RESET} {visible(diagnostic.where)}"
        return
    home = diagnostic.span.source
    sources = list(dict.fromkeys([home, *(label.span.source for label in labels)]))
    for source in sources:
        here = [label for label in labels if label.span.source is source]
        place = diagnostic.span if source is home else here[0].span
        arrow = "-->" if source is home else ":::"
        yield f"{pad}{_PLACE}{arrow}{_RESET} {visible(source.name)}:{place.begin.line}:{place.begin.column}"
        if here and source.text:
            yield f"{pad} {_PLACE}|{_RESET}"
            yield from _lines(source, here, margin=margin, tone=tone, width=width)


def _lines(source: Source, labels: list[Label], *, margin: int, tone: str, width: int) -> Iterator[str]:
    marks: dict[int, list[_Mark]] = {}
    for label in labels:
        for line, mark in _split(label):
            marks.setdefault(line, []).append(mark)
    before: int | None = None
    for number in sorted(marks):
        if before is not None and number - before == 2:
            yield from _line(source, number - 1, [], margin=margin, tone=tone, width=width)
        elif before is not None and number - before > 2:
            yield f"{_PLACE}...{_RESET}"
        yield from _line(source, number, marks[number], margin=margin, tone=tone, width=width)
        before = number


def _split(label: Label) -> Iterator[tuple[int, _Mark]]:
    """The marks of *label* by line. Of a span over several lines the first and the last are drawn; its text is under the last."""
    source = label.span.source
    begin, end = source.position(label.span.start), source.position(_end(label.span))
    if begin.line == end.line:
        yield begin.line, _Mark(begin.column - 1, max(end.column - 1, begin.column), label.primary, label.text)
        return
    first, last = source.line(begin.line), source.line(end.line)
    yield begin.line, _Mark(begin.column - 1, max(len(first), begin.column), label.primary, "")
    indent = min(len(last) - len(last.lstrip()), end.column - 2)
    yield end.line, _Mark(max(indent, 0), end.column - 1, label.primary, label.text)


def _line(source: Source, number: int, marks: list[_Mark], *, margin: int, tone: str, width: int) -> Iterator[str]:
    gutter = f"{_PLACE}{' ' * margin} |{_RESET}"
    window = _Window(source.line(number), marks, width - margin - 3)
    yield f"{_PLACE}{number:>{margin}} |{_RESET} {window.shown}".rstrip()
    for row in _mark_rows(window, marks, tone):
        yield f"{gutter} {row}".rstrip()


class _Window:
    """The part of a line that is shown, and where its characters stand on the screen."""

    def __init__(self, line: str, marks: list[_Mark], room: int) -> None:
        anchor = min((mark.start for mark in sorted(marks, key=lambda mark: not mark.primary)[:1]), default=0)
        whole = len(line) <= 4 * room and sum(_cell(character)[1] for character in line) <= room
        self.first = 0 if whole else max(0, min(anchor, len(line)) - room // 3)
        self.columns: list[int] = []
        shown = ["…"] if self.first else []
        column = len(shown)
        at = self.first
        while at < len(line):
            text, wide = _cell(line[at])
            if not whole and column + wide > room - 1:
                shown.append("…")
                break
            self.columns.append(column)
            shown.append(text)
            column += wide
            at += 1
        self.past = column  # the column behind the last character, or of the mark that the line goes on
        self.shown = "".join(shown)

    def column(self, character: int) -> int:
        """The column of a character; what is cut off stands where the ``…`` is."""
        index = character - self.first
        if index < 0:
            return 0
        if index < len(self.columns):
            return self.columns[index]
        return self.past


def _mark_rows(window: _Window, marks: list[_Mark], tone: str) -> Iterator[str]:
    """The row of ``^`` and ``-``, and under it the texts that do not fit behind the last mark."""
    if not marks:
        return
    drawn = []
    row = _Row()
    for mark in sorted(marks, key=lambda mark: mark.primary):  # primary ones last, so that they stay visible
        start = window.column(mark.start)
        end = max(window.column(mark.end), start + 1)
        row.put(start, ("^" if mark.primary else "-") * (end - start), tone if mark.primary else _PLACE)
        if mark.text:
            drawn.append((start, end, mark))
    drawn.sort(key=lambda item: (item[0], item[1]))
    behind = max(row.cells) + 1
    if drawn and drawn[-1][1] == behind:
        *drawn, (_, end, mark) = drawn
        row.put(end + 1, visible(mark.text), tone if mark.primary else _PLACE)
    yield row.text()
    if drawn:
        yield _stems(drawn, tone).text()
    while drawn:
        *drawn, (start, _, mark) = drawn
        below = _stems([item for item in drawn if item[0] < start], tone)
        below.put(start, visible(mark.text), tone if mark.primary else _PLACE)
        yield below.text()


def _stems(drawn: list[tuple[int, int, _Mark]], tone: str) -> _Row:
    row = _Row()
    for start, _, mark in drawn:
        row.put(start, "|", tone if mark.primary else _PLACE)
    return row
