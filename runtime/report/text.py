"""An explanation for a terminal: the answer, the rule that decided with its sentence and its lines, the others, the kept ones."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from caplex.runtime.report.cells import bar, cells, cut, cut_front, padded, pieced, sides, wrapped
from caplex.runtime.report.view import Line, View

Detail = Literal["short", "normal", "full"]
LEAST_WIDTH: Final = 40
WIDE: Final = 120
"""From here on numbers stand in columns of their own."""
ROOMY: Final = 100
"""Below it the kept rules say with signs what they else say in words."""
_TITLES: Final = 24
_PLACE: Final = 8
"""Columns of a place that titles leave free; short rows show all of it."""
_NARROW_TITLE: Final = 8
_INDENT: Final = "    "
_RESET: Final = "\x1b[0m"
BOLD: Final = "1"
_DIM: Final = "2"
TONES: Final = {"✗": "31", "?": "31", "≈": "33", "‖": "33", "!": "33", "✓": "32", "○": "36", "–": "36", "·": "2",
                "DENY": "1;31", "HOLD": "1;33", "MODIFY": "1;33", "ALLOW": "1;32"}


def paint(text: str, tone: str, colour: bool) -> str:
    return f"\x1b[{tone}m{text}{_RESET}" if colour and tone and text else text


def render(view: View, *, width: int = 100, colour: bool = False, detail: Detail = "normal") -> str:
    """Lines of at most *width* columns (40 or more); no line ends in white space.

    Args:
        detail: *short* is the answer and the rules that spoke; *full* adds what each rule read, and the lines of each that spoke.
    """
    return Drawing(view, max(width, LEAST_WIDTH), colour, detail).text()


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of the rules that are told together: widths of id and title; what was seen and what is allowed, 0 where it does not stand apart.

    *stacked*: ids are so long that the detail gets lines of its own.
    """

    first: int
    second: int
    stacked: bool = False
    sees: int = 0
    allows: int = 0


class Drawing:
    """One explanation at one width."""

    def __init__(self, view: View, width: int, colour: bool, detail: Detail) -> None:
        self.view, self.width, self.colour, self.detail = view, width, colour, detail
        shown = view.spoke if detail == "short" else view.lines
        self.wide, self.narrow = width >= WIDE, width < ROOMY
        self.tables = {speaking: self._table(lines if self.narrow else shown, speaking) for speaking, lines in ((True, view.spoke), (False, view.kept))}
        self.edge = width  # where places stand: nobody follows a line across half a screen of nothing
        if self.wide:
            self.edge = min(width, max(ROOMY, *(self._needs(line) for line in shown), cells(view.headline) + cells(view.policy) + 32))

    def paint(self, text: str, tone: str) -> str:
        return paint(text, tone, self.colour)

    def _table(self, lines: Sequence[Line], speaking: bool) -> Table:
        width = self.width
        first = max((cells(line.id) for line in lines), default=0)
        widest = min(max((cells(line.title) for line in lines), default=0), _TITLES)
        needed = sorted(cells("   ".join(self._pieces(line))) + 2 + min(cells(line.place), _PLACE) for line in lines)
        usual = needed[(len(needed) - 1) * 9 // 10] if needed else 0  # titles make room, so that most rules stand on one line
        second = min(widest, width - first - 9 - usual)
        if second < (widest if speaking else min(widest, _NARROW_TITLE)) and self.narrow:
            second = 0 if not speaking and width - first - 7 >= usual else second
            if speaking or second:
                room = width - first - 9 - _PLACE
                return Table(first, min(widest, room) if room >= _NARROW_TITLE else 0, stacked=True)
        second = max(second, min(widest, width // 8)) if second else 0
        sees, allows = (max((cells(part) for part in parts), default=0) for parts in (
            [line.sees for line in lines if not line.spoke], [line.allows for line in lines if not line.spoke]))
        return Table(first, second, False, sees, allows) if self.wide and sees + allows <= width // 2 else Table(first, second)

    def _needs(self, line: Line) -> int:
        """Columns of its row, with a gap and its place."""
        table = self.tables[line.spoke]
        return table.first + table.second + 9 + cells("   ".join(self._aligned(line))) + 4 + cells(line.place)

    # ── the whole ────────────────────────────────────────────────────────────────────────────────────

    def text(self) -> str:
        view = self.view
        lines = [*self._head(), ""]
        for line in view.spoke:
            lines += self._spoken(line)
        if view.missing:
            lines += self._missing()
        if self.detail != "short":
            if view.spoke and view.kept and lines[-1]:
                lines.append("")
            for line in view.kept:
                lines += self._row(line) + self._below(line)
            for words, names in view.quiet:
                lines += ["", *wrapped(f"{words}: {', '.join(names)}", self.width, "  ", _INDENT)]
        lines += self._tail()
        return "\n".join(self._squeezed(lines)).rstrip("\n") + "\n"

    @staticmethod
    def _squeezed(lines: Iterable[str]) -> list[str]:
        """Never two empty lines together."""
        found: list[str] = []
        for line in lines:
            line = line.rstrip()
            if line or not found or found[-1]:
                found.append(line)
        return found

    def _head(self) -> list[str]:
        view, width = self.view, self.width
        left = f"{view.verdict}  {view.headline}"
        right = view.policy + (f" (sha256 {view.digest}…)" if view.digest else "")
        whole = sides(left, right, self.edge) or sides(left, right, width)
        if whole is not None:
            lines = [whole]
        else:
            lines = [*wrapped(left, width, "", " " * 8), cut(right, width).rjust(width) if cells(right) < width else cut(right, width)]
        lines[0] = lines[0].replace(view.verdict, self.paint(view.verdict, TONES.get(view.verdict, BOLD)), 1)
        if view.answer:
            lines += wrapped(self.view.answer, width, " " * (len(view.verdict) + 2))
        return lines

    def _missing(self) -> list[str]:
        lines = ["", *wrapped("The facts have none of these, which this policy reads:", self.width, "  ")]
        for text in self.view.missing:
            lines += wrapped(text, self.width, _INDENT, _INDENT + "  ")
        return lines

    def _tail(self) -> list[str]:
        view, width = self.view, self.width
        lines: list[str] = []
        for title, entries in (("emitted", view.emitted), ("obligations", view.duties)):
            if entries:
                lines += ["", *wrapped(f"{title}: {'; '.join(entries)}", width, "", "  ")]
        if view.offers or view.unmet:
            lines.append("")
        starts = ["to be allowed: ", *["           or: "] * (len(view.offers) - 1)]
        for start, offer in zip(starts, view.offers, strict=False):
            shown = wrapped(start + offer, width, "", " " * min(len(start), width // 4))
            shown[0] = shown[0].replace(start, self.paint(start, BOLD), 1)
            lines += shown
        start = "in the way: "
        for number, text in enumerate(view.unmet):
            begin = start if number == 0 else " " * len(start)
            shown = wrapped(begin + text if number == 0 else text, width, "" if number == 0 else begin, " " * min(len(start), width // 4))
            shown[0] = shown[0].replace(start, self.paint(start, BOLD), 1)
            lines += shown
        if not view.whole:
            lines += ["", *wrapped("Read back from its document: only what that holds can be told, not every rule.", width)]
        return lines

    # ── one rule ─────────────────────────────────────────────────────────────────────────────────────

    def _pieces(self, line: Line) -> list[str]:
        """What stands on the line of the rule, in parts that stay whole where lines break."""
        if line.spoke:
            parts = [line.numbers, line.remark, f"needs {line.approval}" if line.approval else ""]
        else:
            share = line.share.removesuffix(" used") if self.narrow else line.share
            parts = [line.brief if self.narrow else line.numbers, line.remark, share, line.origin if line.overridden else ""]
        return [part for part in parts if part]

    def _aligned(self, line: Line) -> list[str]:
        """The same in columns, where the terminal is wide."""
        table = self.tables[line.spoke]
        if not line.sees or line.spoke or not table.sees:
            return self._pieces(line)
        share = f"{bar(line.used)} {line.used:>3}%" if line.used is not None and line.state == "kept" else ""
        numbers = f"{padded(line.sees, table.sees, right=True)}   {padded(line.allows, table.allows)}   {share:<15}".rstrip()
        return [numbers, *[part for part in (line.remark, line.origin) if part]]

    def _row(self, line: Line) -> list[str]:
        """Columns, then the pieces under a hanging indent; the place at the right edge of the first line."""
        table = self.tables[line.spoke]
        columns = [padded(line.id, table.first)] + [padded(cut(line.title, table.second), table.second)] * (table.second > 0)
        start = "  " + "  ".join(columns) + f"  {line.mark}  "
        pieces = self._aligned(line)
        if table.stacked:
            rows = [self._placed(start.rstrip(), line.place), *pieced(pieces, self.width, _INDENT, _INDENT)]
        else:
            rows = self._beside(start, pieces, line.place)
        head, _, tail = rows[0].partition(start.rstrip())
        name = self.paint(line.id, BOLD) if line.decided else line.id
        rows[0] = head + start.rstrip().removesuffix(line.mark).replace(line.id, name, 1) + self.paint(line.mark, TONES.get(line.mark, "")) + tail
        return rows

    def _beside(self, start: str, pieces: list[str], place: str) -> list[str]:
        indent = " " * cells(start)
        rows = pieced(pieces, self.edge, start, indent)
        whole = self._placed(rows[0], place)
        if whole != rows[0] or not place:
            return [whole, *rows[1:]]
        rows = pieced(pieces, self.edge - min(cells(place), _PLACE) - 2, start, indent)  # the detail makes room
        return [self._placed(rows[0], place), *rows[1:]]

    def _placed(self, row: str, place: str) -> str:
        """*row* with *place* at its end, cut to ``…:23`` where it must be, left out where even that is too long."""
        free = self.edge - cells(row) - 2
        line = len(place.rpartition(":")[2]) + 2
        if not place or free < line:
            return row
        return row + padded(cut_front(place, free), free + 2, right=True)

    def _spoken(self, line: Line) -> list[str]:
        """A rule that spoke: its line, its sentence, and of the deciding one what its author wrote."""
        rows = self._row(line)
        if line.message:
            rows += [self.paint(row, BOLD) if line.decided else row for row in wrapped(line.message, self.width, _INDENT)]
        for text in line.more:
            rows += wrapped(text, self.width, _INDENT, _INDENT + "  ")
        beside = [part for part in (f"limit: {line.origin}" if line.origin and line.state != "unknown" else "", line.permits) if part]
        if beside:
            rows += pieced(beside, self.width, _INDENT, _INDENT + "  ", " · ")
        rows += self._below(line)
        if line.cited is not None and (line.decided or self.detail == "full"):
            rows += ["", *self._cited(line)]
        return [*rows, ""] if line.decided else rows

    def _below(self, line: Line) -> list[str]:
        rows = [row for text in line.waivers if line.spoke or self.detail == "full" for row in wrapped(f"waiver {text}", self.width, _INDENT, _INDENT + "  ")]
        if self.detail == "full" and line.reads:
            read = "; ".join(f"{name} {value}" for name, value in line.reads)
            rows += wrapped(f"read: {read}", self.width, _INDENT, _INDENT + "  ")
        return [self.paint(row, _DIM) for row in rows]

    def _cited(self, line: Line) -> list[str]:
        """The lines of the policy, as a diagnostic shows them; one that is too long is cut."""
        citation = line.cited
        assert citation is not None
        margin = len(str(citation.line + len(citation.text)))
        rows = []
        for number, text in enumerate(citation.text, start=citation.line):
            start = f"{_INDENT}{number:>{margin}} │ "
            rows.append(self.paint(start, _DIM) + cut(text, self.width - cells(start)))
        if citation.more:
            rows.append(f"{_INDENT}{'':>{margin}} │ …")
        return rows
