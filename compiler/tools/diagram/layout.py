"""The page: one card below the other, arrows between them, edges in lanes at both sides."""
from __future__ import annotations

from dataclasses import replace
from typing import Final

from caplex.compiler.tools.diagram import machines, rows
from caplex.compiler.tools.diagram.decided import WORDS_OF
from caplex.compiler.tools.diagram.measure import fit, width, wrap
from caplex.compiler.tools.diagram.model import MANY, Diagram, Outcome, Row
from caplex.compiler.tools.diagram.shapes import Box, Drawing, Group, Line, Words
from caplex.runtime.report.phrases import MARKS

_EDGE: Final = 24
_WIDE: Final = 760
_WIDER: Final = 1160
_LANE: Final = 22
_MOST_LANES: Final = 6
_STEP: Final = 26
_FEW: Final = 6
"""Rules of a stage that are told in full, however many the others have."""
_BAR: Final = 44
_DECIDES: Final = 84


def draw(diagram: Diagram) -> Drawing:
    return _Page(diagram).drawing()


class _Page:
    """Builds a drawing from top to bottom; *y* is where the next card begins."""

    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        shown = [row for stage in diagram.stages for row in diagram.told(stage)[0]]
        many = len(shown) > MANY
        across = (2 if diagram.decided else 3) if many else 1
        self.columns = rows.Columns.of([*shown, *diagram.sizes], diagram.decided, across)
        self.full = replace(self.columns, across=1)
        self.room = _WIDER if many else _WIDE
        present = {row.id for row in shown} | {row.id for row in diagram.sizes}
        self.trips = [edge for edge in diagram.edges if edge.kind == "trips" and edge.source in present and edge.target in present]
        self.decides = next((edge for edge in diagram.edges if edge.kind == "decides" and edge.source in present), None)
        self.targets = list(dict.fromkeys(edge.target for edge in self.trips))
        lanes = min(len(self.targets), _MOST_LANES)
        self.left = _EDGE + (lanes * _LANE + 12 if lanes else 0)
        right = _EDGE + (_DECIDES if self.decides else 0)
        # Cards stand in the middle unless only one side has lanes: then the page is as wide as it must be.
        self.page = Drawing(diagram.summary, self._about(), width=self.left + self.room + right)
        self.middle = self.left + self.room // 2
        self.y = _EDGE
        self.meets: dict[str, int] = {}
        self.end: tuple[int, int] = (0, 0)

    def drawing(self) -> Drawing:
        diagram, page = self.diagram, self.page
        self._head()
        if diagram.sizes:
            self._arrow()
            self._card("size", diagram.sizes, (), "", self.full)
        phase = 1
        for stage in diagram.stages:
            self._arrow(f"judged only if something is left: phase {stage.phase}" if stage.phase != phase else "")
            phase = stage.phase
            shown, hidden = diagram.told(stage)
            self._card(stage.heading, shown, hidden, "closing orders pass by" if stage.skipped else "",
                       self.full if len(shown) <= _FEW else self.columns)
        if diagram.outcome is not None:
            self._arrow()
            self._outcome(diagram.outcome)
        self._edges()
        self._switches()
        self._legend()
        page.height = self.y + _EDGE
        return page

    def _about(self) -> str:
        diagram = self.diagram
        stages = "; ".join(f"{stage.name}: {', '.join(row.id for row in stage.rows)}" for stage in diagram.stages)
        end = f" {diagram.outcome.verdict} {diagram.outcome.text}." if diagram.outcome is not None and diagram.decided else ""
        return (f"Stages in order: {stages}." if stages else "The kill switches: " + ", ".join(s.id for s in diagram.switches) + ".") + end

    # ── cards ────────────────────────────────────────────────────────────────────────────────────────

    def _head(self) -> None:
        diagram = self.diagram
        if diagram.decided:
            lines = [diagram.subject[0], " · ".join(diagram.subject[1:]), f"under {diagram.name_and_version}"]
        else:
            lines = [diagram.name_and_version, " · ".join(diagram.facts)]
        lines = [lines[0], *(line for line in lines[1:] if line)]
        sizes = [15, *([rows.SMALL] * (len(lines) - 1))]
        texts = [fit(line, self.room - 60, size, bold=size == 15) for line, size in zip(lines, sizes, strict=True)]
        wide = max(width(text, size, bold=size == 15) for text, size in zip(texts, sizes, strict=True)) + 56
        wide += wide % 2
        tall = 26 + 16 * len(lines)
        shapes: list[Box | Words | Line] = [Box(self.middle - wide // 2, self.y, wide, tall, "info-card", 14)]
        base = self.y + 25
        for text, size in zip(texts, sizes, strict=True):
            shapes.append(Words(self.middle, base, text, "ink" if size == 15 else "soft", size, bold=size == 15, anchor="middle"))
            base += 17
        self.page.shapes.append(Group(f"{diagram.summary} {diagram.hash}".strip(), tuple(shapes)))
        self.y += tall

    def _card(self, name: str, shown: tuple[Row, ...], hidden: tuple[Row, ...], aside: str, columns: rows.Columns) -> None:
        top, left, room = self.y, self.left, self.room
        tall = 30 + rows.height(shown, columns, room) + (21 if hidden else 0) + 6
        tones = [rows.tone(row) for row in (*shown, *hidden)]
        worst = min(tones, key=rows.WORST.index, default="soft") if self.diagram.decided else "soft"
        kind = "card" if worst == "soft" else f"{worst}-card"
        self.page.shapes.append(Box(left, top, room, tall, kind, 10))
        self.page.shapes.append(Words(left + 16, top + 20, fit(name, room // 2, rows.SMALL, bold=True), "soft", rows.SMALL, bold=True))
        if aside:
            self.page.shapes.append(Words(left + room - 16, top + 20, aside, "soft", rows.SMALL, anchor="end"))
        groups, meets = rows.place(shown, columns, left, top + 30, room)
        self.page.shapes += groups
        self.meets |= meets
        if hidden:
            text = Words(left + 16, top + tall - 13, counted(hidden, more=bool(shown)), "soft", rows.SMALL)
            self.page.shapes.append(Group(", ".join(row.id for row in hidden), (text,)))
        self.y += tall

    def _arrow(self, said: str = "") -> None:
        tall = _BAR if said else _STEP
        top, x = self.y, self.middle
        self.page.shapes.append(Line(((x, top), (x, top + tall - 2)), "way", head=True))
        if said:
            y = top + tall // 2 - 3
            self.page.shapes += [Line(((x - 90, y), (x + 90, y)), "way strong"), Words(x + 102, y + 4, said, "soft", rows.SMALL)]
        self.y += tall

    def _outcome(self, outcome: Outcome) -> None:
        decided = bool(outcome.verdict)
        lines = [(line, 12) for line in wrap(outcome.message, 520, 12, 3)] if outcome.message else []
        first = fit("  ".join(part for part in (outcome.verdict, outcome.text) if part), self.room - 80, 15 if decided else 13, bold=True)
        if outcome.named or outcome.label:
            lines.insert(0, (fit(" · ".join(part for part in (outcome.named, outcome.label) if part), 560, 12), 12))
        lines += [(fit(label, self.room - 80, rows.SMALL), rows.SMALL) for label in self.diagram.labels if not decided]
        wide = max([width(first, 15 if decided else 13, bold=True), *(width(text, size) for text, size in lines)]) + 56
        wide += wide % 2
        tall = 38 + 17 * len(lines)
        ink = "on" if decided else "ink"
        kind = f"{rows.VERDICTS[outcome.verdict]}-full" if decided else "info-card"
        shapes: list[Box | Words | Line] = [Box(self.middle - wide // 2, self.y, wide, tall, kind, 14)]
        shapes.append(Words(self.middle, self.y + 24, first, ink, 15 if decided else 13, bold=True, anchor="middle"))
        for number, (text, size) in enumerate(lines):
            shapes.append(Words(self.middle, self.y + 43 + 17 * number, text, "on" if decided else "soft", size, anchor="middle"))
        self.page.shapes.append(Group(" · ".join(part for part in (outcome.verdict, outcome.text, ", ".join(outcome.by), outcome.message) if part), tuple(shapes)))
        self.end = (self.middle + wide // 2, self.y + tall // 2)
        self.y += tall

    # ── edges ────────────────────────────────────────────────────────────────────────────────────────

    def _edges(self) -> None:
        for edge in self.trips:
            x = self._lane(edge.target)
            start, end = self.meets[edge.source], self.meets[edge.target] + 3
            kind = "trip-line dash strong" if edge.live else "trip-line dash"
            self.page.shapes.append(Line(((self.left, start), (x, start), (x, end), (self.left - 1, end)), kind, head=True))
        for target in self.targets:
            self._trips(target)
        if self.decides is not None:
            y, (end_x, end_y) = self.meets[self.decides.source], self.end
            right = self.left + self.room
            lane = right + 22
            tone = rows.VERDICTS[self.diagram.outcome.verdict] if self.diagram.outcome is not None else "bad"
            self.page.shapes.append(Line(((right, y), (lane, y), (lane, end_y), (end_x + 1, end_y)), f"{tone}-line strong", head=True))
            self.page.shapes.append(Words(lane + 8, (y + end_y) // 2, "decides", tone, 12, bold=True))

    def _lane(self, target: str) -> int:
        """Each switch has a lane of its own, as long as there are lanes."""
        return self.left - 16 - _LANE * (self.targets.index(target) % _MOST_LANES)

    def _trips(self, target: str) -> None:
        """What the lane of *target* says, beside it and clear of the lines that cross it."""
        mine = [edge for edge in self.trips if edge.target == target]
        label = "trips now" if any(edge.live for edge in mine) else "trips"
        label += f" {target}" if len(self.targets) > 1 else ""
        half, x = width(label, rows.SMALL) // 2 + 3, self._lane(target)
        ends = [self.meets[edge.source] for edge in mine] + [self.meets[target] + 3]
        crossing = [y for edge in self.trips if self._lane(edge.target) < x for y in (self.meets[edge.source], self.meets[edge.target] + 3)]
        middle = (min(ends) + max(ends)) // 2
        y = next((y for step in range(0, max(ends) - min(ends), 8) for y in (middle - step, middle + step)
                  if all(abs(y - other) > half for other in crossing)), middle)
        self.page.shapes.append(Words(x - 5, y + half - 3, label, "trip", rows.SMALL, turned=True))

    # ── below ────────────────────────────────────────────────────────────────────────────────────────

    def _switches(self) -> None:
        for number, switch in enumerate(self.diagram.machines()):
            self.y += 14 if number else 34
            if not number and self.diagram.stages:
                self.page.shapes.append(Words(self.left + 2, self.y - 10, "Kill switches", "soft", 12, bold=True))
            shapes, tall = machines.place(switch, self.left, self.y, self.room)
            self.page.shapes += shapes
            self.y += tall

    def _legend(self) -> None:
        used = {row.state for row in self.diagram.rows()}
        words = [f"{mark} {WORDS_OF[state]}" for state, mark in MARKS.items() if state in used and mark != "·"]
        if used & {"not-applicable", "not-judged"}:
            words.append("· " + " or ".join(WORDS_OF[state] for state in ("not-applicable", "not-judged") if state in used))
        if words:
            self.y += 26
            self.page.shapes.append(Words(self.middle, self.y, fit("    ".join(words), self.room, rows.SMALL), "soft", rows.SMALL, anchor="middle"))


def counted(hidden: tuple[Row, ...], *, more: bool = True) -> str:
    """``… 24 more kept, 3 more not applicable``; *more*: others of the stage are shown."""
    states = list(dict.fromkeys(row.state or "" for row in hidden))
    said = ", ".join(f"{sum(row.state == state for row in hidden)} {'more ' * more}{WORDS_OF.get(state, state)}" for state in states)
    return f"… {said}" if more else said
