"""A diagram for graphviz: a table for each stage, one port a rule; every text escaped, every id our own."""
from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape

from caplex.compiler.tools.diagram.layout import counted
from caplex.compiler.tools.diagram.machines import rearmed, sentence, tripped_words, tripping
from caplex.compiler.tools.diagram.measure import fit
from caplex.compiler.tools.diagram.model import MANY, Diagram, Outcome, Row, Stage, Switch
from caplex.compiler.tools.diagram.rows import VERDICTS, effect_tone, tone
from caplex.compiler.tools.diagram.svg import COLOURS

_SMALL: Final = 10
_ROOM: Final = 420


def dot(diagram: Diagram) -> str:
    return "\n".join(_Graph(diagram).lines()) + "\n"


class _Graph:
    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.ports: dict[str, str] = {}

    def lines(self) -> Iterator[str]:
        diagram = self.diagram
        yield f"digraph {quoted(diagram.name)} {{"
        yield f"  graph [rankdir=TB, ranksep=0.3, nodesep=0.4, splines=true, bgcolor=white, tooltip={quoted(diagram.summary)}]"
        yield '  node [shape=plain, fontname="DejaVu Sans", fontsize=11]'
        yield f'  edge [fontname="DejaVu Sans", fontsize=10, color="{_colour("line")}"]'
        nodes: list[str] = []
        if diagram.outcome is not None:
            yield f"  subject [label=<{self._subject()}>]"
            nodes.append("subject")
        if diagram.sizes:
            yield f"  sizes [label=<{self._table('size', diagram.sizes, (), 'sizes')}>]"
            nodes.append("sizes")
        for number, stage in enumerate(diagram.stages, 1):
            yield f"  stage{number} [label=<{self._stage(number, stage)}>]"
            nodes.append(f"stage{number}")
        if diagram.outcome is not None:
            yield f"  outcome [label=<{self._outcome(diagram.outcome)}>]"
            nodes.append("outcome")
        yield from self._chain(nodes)
        yield from self._edges()
        for number, switch in enumerate(diagram.machines(), 1):
            yield from _machine(number, switch)
        yield "}"

    # ── nodes ────────────────────────────────────────────────────────────────────────────────────────

    def _subject(self) -> str:
        diagram = self.diagram
        lines = [*diagram.subject, f"under {diagram.name_and_version}"] if diagram.decided else [diagram.name_and_version, *diagram.facts]
        return _plate([_font(lines[0], bold=True), _font(" · ".join(lines[1:]), "soft", _SMALL)], "info-tint", "info")

    def _stage(self, number: int, stage: Stage) -> str:
        shown, hidden = self.diagram.told(stage)
        name = stage.heading + (", closing orders pass by" if stage.skipped else "")
        return self._table(name, shown, hidden, f"stage{number}")

    def _table(self, name: str, rows: tuple[Row, ...], hidden: tuple[Row, ...], node: str) -> str:
        parts = ['<TABLE BORDER="1" CELLBORDER="0" CELLSPACING="0" CELLPADDING="4" STYLE="ROUNDED" '
                 f'COLOR="{_colour("edge")}" BGCOLOR="{_colour("card")}">',
                 f'<TR><TD ALIGN="LEFT" COLSPAN="4">{_font(name, "soft", _SMALL)}</TD></TR>']
        for number, row in enumerate(rows):
            self.ports[row.id] = f"{node}:r{number}"
            parts.append(self._row(row, f"r{number}"))
        if hidden:
            parts.append(f'<TR><TD ALIGN="LEFT" COLSPAN="4">{_font(counted(hidden, more=bool(rows)), "soft", _SMALL)}</TD></TR>')
        return "".join([*parts, "</TABLE>"])

    def _row(self, row: Row, port: str) -> str:
        decided = self.diagram.decided
        ink = "soft" if row.dim else "ink"
        name = (_font(row.mark + " ", tone(row), bold=True) if decided else "") + _font(row.id, ink, bold=True)
        if decided:
            plate, kind = row.observed, tone(row)
            aside = " · ".join(part for part in (row.limit, row.origin, row.note) if part)
        else:
            plate, kind = row.effect, effect_tone(row)
            aside = " · ".join([*row.settings, *row.notes])
        below = "" if self.diagram.rules > MANY else f'{_font(fit(row.demand, _ROOM, _SMALL), "soft", _SMALL)}<BR ALIGN="LEFT"/>'
        # A port on the first cell and one on the last: edges leave and arrive at the sides.
        cells = [f'<TD ALIGN="LEFT" PORT="{port}">{name}</TD>',
                 f'<TD ALIGN="LEFT">{_font(fit(row.title, _ROOM, 11), ink)}<BR ALIGN="LEFT"/>{below}</TD>',
                 f'<TD ALIGN="RIGHT" BGCOLOR="{_colour(kind + "-tint")}">{_font(plate, "ink" if kind in ("good", "soft") else kind)}</TD>',
                 f'<TD ALIGN="LEFT" PORT="{port}e">{_font(fit(aside, _ROOM, _SMALL), "soft", _SMALL)}</TD>']
        return "<TR>" + "".join(cells) + "</TR>"

    def _outcome(self, outcome: Outcome) -> str:
        first = "  ".join(part for part in (outcome.verdict, outcome.text) if part)
        by = " · ".join(part for part in (outcome.named, outcome.label, fit(outcome.message, _ROOM, _SMALL)) if part)
        kind = VERDICTS.get(outcome.verdict)
        ink = "on-full" if kind else "ink"
        lines = [_font(first, ink, bold=True), *([_font(by, ink, _SMALL)] if by else [])]
        lines += [_font(label, "soft", _SMALL) for label in self.diagram.labels if not kind]
        return _plate(lines, f"{kind}-full" if kind else "info-tint", kind or "info")

    # ── edges ────────────────────────────────────────────────────────────────────────────────────────

    def _chain(self, nodes: list[str]) -> Iterator[str]:
        phases = {f"stage{number}": stage.phase for number, stage in enumerate(self.diagram.stages, 1)}
        for one, other in pairwise(nodes):
            bar = phases.get(one, 1) != phases.get(other, phases.get(one, 1))
            yield f"  {one} -> {other}" + (' [label="  judged only if something is left"]' if bar else "")

    def _edges(self) -> Iterator[str]:
        for edge in self.diagram.edges:
            source, target = self.ports.get(edge.source), self.ports.get(edge.target)
            if edge.kind == "decides" and source is not None and self.diagram.outcome is not None:
                colour = _colour(VERDICTS[self.diagram.outcome.verdict])
                yield f'  {source}e:e -> outcome:e [label="  decides", constraint=false, penwidth=2, color="{colour}", fontcolor="{colour}"]'
            elif edge.kind == "trips" and source is not None and target is not None:
                word, pen = ("trips now", 2) if edge.live else ("trips", 1)
                colour = _colour("trip")
                yield (f'  {source}:w -> {target}:w [label="{word}", style=dashed, constraint=false, penwidth={pen}, color="{colour}", '
                       f'fontcolor="{colour}"]')


def _machine(number: int, switch: Switch) -> Iterator[str]:
    """A cluster of two states."""
    armed, tripped = f"armed{number}", f"tripped{number}"
    now = {"armed": armed, "tripped": tripped, "trips now": tripped, "unreadable": tripped}.get(switch.state or "")
    head = ": ".join(part for part in (" ".join(part for part in (switch.id, switch.title) if part), sentence(switch)) if part)
    yield f"  subgraph cluster_switch{number} {{"
    yield f'    label={quoted(head)}; fontname="DejaVu Sans"; fontsize=11; style=rounded; color="{_colour("edge")}"'
    for node, word, kind in ((armed, "armed", "good"), (tripped, "tripped", "bad")):
        lines = tripped_words(switch) if word == "tripped" else (word,)
        fill, ink = (f"{kind}-full", "on-full") if node == now else (f"{kind}-tint", kind)
        yield (f'    {node} [shape=box, style="rounded,filled", margin="0.2,0.1", label={quoted(chr(10).join(lines))}, fillcolor="{_colour(fill)}", '
               f'color="{_colour(kind)}", fontcolor="{_colour(ink)}"]')
    yield f'    {armed} -> {tripped} [label={quoted(chr(10).join(tripping(switch)))}, color="{_colour("bad")}"]'
    if switch.rearm:
        yield f'    {tripped} -> {armed} [label={quoted(chr(10).join(rearmed(switch)))}, color="{_colour("good")}"]'
    yield "  }"


def _plate(lines: list[str], fill: str, border: str) -> str:
    rows = "".join(f"<TR><TD>{line}</TD></TR>" for line in lines)
    return (f'<TABLE BORDER="1" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3" STYLE="ROUNDED" COLOR="{_colour(border)}" '
            f'BGCOLOR="{_colour(fill)}">{rows}</TABLE>')


def _font(text: str, kind: str = "ink", size: int = 11, bold: bool = False) -> str:
    """*text* in an HTML-like label; an empty tag would be an error there."""
    if not text:
        return ""
    said = escape(text, {'"': "&quot;"})
    return f'<FONT COLOR="{_colour(kind)}" POINT-SIZE="{size}">' + (f"<B>{said}</B>" if bold else said) + "</FONT>"


def _colour(kind: str) -> str:
    return COLOURS[kind][0]


def quoted(text: str) -> str:
    """A double-quoted id: backslashes would be escapes of graphviz."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
