"""A diagram as letters: a table for each stage, for the terminal of who asks."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from caplex.compiler.tools.diagram.layout import counted
from caplex.compiler.tools.diagram.machines import rearmed, sentence, tripping
from caplex.compiler.tools.diagram.model import Diagram, Outcome, Row, Switch
from caplex.runtime.report.cells import cells, cut, padded, pieced, wrapped

_LEAST: Final = 60
_CODES: Final = {"✗": "31", "?": "31", "≈": "33", "‖": "33", "!": "33", "✓": "32", "○": "36", "DENY": "1;31", "HOLD": "1;33", "MODIFY": "1;33",
                 "ALLOW": "1;32"}


def text(diagram: Diagram, width: int, colour: bool) -> str:
    """Lines of at most *width* columns (60 or more); none ends in white space."""
    lines = list(_Tables(diagram, max(width, _LEAST), colour).lines())
    return "\n".join(line.rstrip() for line in lines) + "\n"


class _Tables:
    def __init__(self, diagram: Diagram, width: int, colour: bool) -> None:
        self.diagram, self.width, self.colour = diagram, width, colour
        self.inner = width - 4
        rows = [row for stage in diagram.stages for row in diagram.told(stage)[0]] + list(diagram.sizes)
        self.first = min(max((cells(row.id) for row in rows), default=0), width // 4)
        self.second = min(max((cells(row.title) for row in rows), default=0), width // 5)
        ends = [cells(row.observed if diagram.decided else row.effect) for row in rows]
        self.last = min(max(ends, default=0), width // 4)

    def lines(self) -> Iterator[str]:
        diagram = self.diagram
        yield from self._head()
        if diagram.sizes:
            yield from self._table("size", diagram.sizes, ())
        for number, stage in enumerate(diagram.stages, 1):
            shown, hidden = diagram.told(stage)
            name = stage.heading + (", closing orders pass by" if stage.skipped else "")
            if number > 1 and stage.phase != diagram.stages[number - 2].phase:
                yield f"═══ judged only if something is left: phase {stage.phase} ".ljust(self.width, "═")
            yield from self._table(name, shown, hidden)
        if diagram.outcome is not None:
            yield from self._outcome(diagram.outcome)
        for switch in diagram.machines():
            yield ""
            yield from self._machine(switch)

    def _head(self) -> Iterator[str]:
        diagram = self.diagram
        if diagram.decided:
            yield from wrapped(" · ".join(diagram.subject), self.width)
            yield cut(f"under {diagram.name_and_version}", self.width)
        else:
            yield from wrapped(" · ".join([diagram.name_and_version, *diagram.facts]), self.width)

    def _table(self, name: str, rows: Sequence[Row], hidden: tuple[Row, ...]) -> Iterator[str]:
        title = cut(name, self.inner - 2)
        yield f"┌ {title} " + "─" * (self.inner - cells(title)) + "┐"
        for row in rows:
            yield from (f"│ {padded(line, self.inner)} │" for line in self._row(row))
        if hidden:
            yield f"│ {padded(cut(counted(hidden, more=bool(rows)), self.inner), self.inner)} │"
        yield "└" + "─" * (self.inner + 2) + "┘"

    def _row(self, row: Row) -> Iterator[str]:
        """A line of columns; below it what has no room there, under the title."""
        decided = self.diagram.decided
        mark = (self._painted(row.mark) + " ") if decided else ""
        start = f"{mark}{padded(cut(row.id, self.first), self.first)}  {padded(cut(row.title, self.second), self.second)}  "
        indent = " " * (self.first + 2 + 2 * decided)
        spoke = row.demand if row.kind == "system" and row.state != "kept" else ""
        below = [part for part in ((spoke, row.origin, row.note) if decided else (*row.settings, *row.notes)) if part]
        if decided:
            seen = padded(cut(row.observed, self.last), self.last, right=True)
            said = "  ".join(part for part in (row.limit, "◀ decides" if row.decides else "") if part)
            if cells(start) + self.last + 2 + cells(said) > self.inner:
                below = [row.limit, *below] if row.limit else below
                said = "◀ decides" if row.decides else ""
            if said and cells(start) + self.last + 2 + cells(said) > self.inner:
                said, below = "", [said, *below]
            line = f"{start}{seen}  {said}".rstrip()
        else:
            room = self.inner - cells(start) - self.last - 2
            fits = cells(row.demand) <= room
            line = f"{start}{padded(row.demand if fits else '', room)}  {padded(cut(row.effect, self.last), self.last, right=True)}"
            below = below if fits else [row.demand, *below]
        yield line
        if below:
            yield from pieced(below, self.inner, indent, indent, " · ")

    def _outcome(self, outcome: Outcome) -> Iterator[str]:
        yield " " * (self.width // 2) + "▼"
        verdict = self._painted(outcome.verdict) + "  " if outcome.verdict else ""
        by = f", {outcome.named}" if outcome.by else ""
        label = f" ({outcome.label})" if outcome.label else ""
        yield from wrapped(f"{verdict}{outcome.text}{by}{label}", self.width, "", "  ")
        if outcome.message:
            yield from wrapped(outcome.message, self.width, "  ")
        if not outcome.verdict:
            for label in self.diagram.labels:
                yield from wrapped(label, self.width, "  ", "    ")

    def _machine(self, switch: Switch) -> Iterator[str]:
        now = f", {switch.state}" if switch.state else ""
        yield from wrapped(f"{switch.id}  {switch.title}{now}: {sentence(switch)}", self.width, "", "  ")
        for index, trip in enumerate(tripping(switch)):
            mark = "  ◀ now" if index == switch.clause else ""
            yield from wrapped(f"armed ──▶ tripped  {trip}{mark}", self.width, "  ", " " * 21)
        if switch.duties:
            yield from wrapped(f"on trip            {', '.join(switch.duties)}", self.width, "  ", " " * 21)
        yield from wrapped(f"tripped ──▶ armed  {' '.join(rearmed(switch)) if switch.rearm else 'never'}", self.width, "  ", " " * 21)

    def _painted(self, word: str) -> str:
        code = _CODES.get(word)
        return f"\x1b[{code}m{word}\x1b[0m" if self.colour and code else word
