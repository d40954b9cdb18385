"""A diagram as Mermaid: a flowchart to paste into a page; the switches alone as a state diagram.

Mermaid has no way to quote a text: what might be syntax is written as an entity code, ``#34;``.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from caplex.compiler.tools.diagram.layout import counted
from caplex.compiler.tools.diagram.machines import rearmed, sentence, tripped_words, tripping
from caplex.compiler.tools.diagram.measure import fit
from caplex.compiler.tools.diagram.model import MANY, Diagram, Outcome, Row, Stage, Switch
from caplex.compiler.tools.diagram.rows import VERDICTS, WORST, tone
from caplex.compiler.tools.diagram.svg import COLOURS, TONES

_SYNTAX: Final = re.compile(r"[^\w .,:%+=/()'·×≤≥…✓✗≈‖○–—-]|--+|==+|%%+|\.\.+", re.ASCII)
_WRAP: Final = 900
_SIZE: Final = 16
_ROOM: Final = 860


def mermaid(diagram: Diagram) -> str:
    if diagram.outcome is None:
        return "\n".join(_states(diagram)) + "\n"
    return "\n".join(_Flow(diagram).lines()) + "\n"


def plain(text: str) -> str:
    """*text* with everything in it that could be read as syntax as entity codes."""
    return _SYNTAX.sub(lambda found: "".join(f"#{ord(character)};" if ord(character) < 128 else character for character in found.group()), text)


def spoken(text: str) -> str:
    """As `plain`, behind a colon: there a second one would be syntax."""
    return plain(text).replace(":", "#58;")


# ── the flowchart ─────────────────────────────────────────────────────────────────────────────────────


class _Flow:
    """A node for each stage, a line or two in it for each rule: nodes for each rule would make a page of empty boxes."""

    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.homes: dict[str, str] = {}
        self.links = 0
        self.styles: list[str] = []

    def lines(self) -> Iterator[str]:
        diagram = self.diagram
        yield f'%%{{init: {{"flowchart": {{"wrappingWidth": {_WRAP}}}}}}}%%'
        yield "flowchart TD"
        yield f"  accTitle: {plain(diagram.summary)}"
        subject = [" · ".join(diagram.subject), f"under {diagram.name_and_version}"] if diagram.decided else [diagram.name_and_version, " · ".join(diagram.facts)]
        yield f'  subject(["{_lines(subject)}"]):::info'
        chain = ["subject"]
        if diagram.sizes:
            yield self._table("sizes", "size", diagram.sizes, ())
            chain.append("sizes")
        for number, stage in enumerate(diagram.stages, 1):
            yield self._stage(number, stage)
            chain.append(f"stage{number}")
        assert diagram.outcome is not None
        yield self._outcome(diagram.outcome)
        yield from self._chain([*chain, "outcome"])
        yield from self._edges()
        for number, switch in enumerate(diagram.machines(), 1):
            yield from self._machine(number, switch)
        yield from self.styles
        yield from _classes()

    def _stage(self, number: int, stage: Stage) -> str:
        shown, hidden = self.diagram.told(stage)
        name = stage.heading + (", closing orders pass by" if stage.skipped else "")
        return self._table(f"stage{number}", name, shown, hidden)

    def _table(self, node: str, name: str, rows: tuple[Row, ...], hidden: tuple[Row, ...]) -> str:
        self.homes |= {row.id: node for row in rows}
        lines = [f"<i>{plain(name)}</i>", *map(self._told, rows)]
        if hidden:
            lines.append(plain(counted(hidden, more=bool(rows))))
        tones = [tone(row) for row in (*rows, *hidden)]
        kind = min(tones, key=WORST.index) if self.diagram.decided and tones else "soft"
        return f'  {node}["{"<br/>".join(lines)}"]:::{kind}'

    def _told(self, row: Row) -> str:
        name = f"<b>{plain(row.id)}</b> {plain(fit(row.title, _ROOM // 2, _SIZE))}".rstrip()
        if self.diagram.decided:
            spoke = row.demand if row.kind == "system" and row.state != "kept" else ""
            seen = fit(" · ".join(part for part in (row.observed, row.limit, spoke, row.origin, row.note) if part), _ROOM, _SIZE)
            return plain(row.mark) + " " + name + (f": {plain(seen)}" if seen else "")
        below = "" if self.diagram.rules > MANY else fit(" · ".join(part for part in (row.demand, *row.settings, *row.notes) if part), _ROOM, _SIZE)
        effect = f" · {plain(', '.join(part for part in (row.effect, row.severity) if part))}"
        return name + effect + (f"<br/>{plain(below)}" if below else "")

    def _outcome(self, outcome: Outcome) -> str:
        first = " ".join(part for part in (outcome.verdict, outcome.text) if part)
        labels = () if outcome.verdict else self.diagram.labels
        kind = f"{VERDICTS[outcome.verdict]}full" if outcome.verdict else "info"
        return f'  outcome(["{_lines([first, outcome.named, outcome.label, fit(outcome.message, _ROOM, _SIZE), *labels])}"]):::{kind}'

    def _chain(self, nodes: list[str]) -> Iterator[str]:
        phases = {f"stage{number}": stage.phase for number, stage in enumerate(self.diagram.stages, 1)}
        for one, other in pairwise(nodes):
            bar = phases.get(one, 1) != phases.get(other, phases.get(one, 1))
            yield f"  {one} " + ('-- "judged only if something is left" ' if bar else "") + f"--> {other}"
            self.links += 1

    def _edges(self) -> Iterator[str]:
        outcome = self.diagram.outcome
        for edge in self.diagram.edges:
            source, target = self.homes.get(edge.source), self.homes.get(edge.target)
            if edge.kind == "decides" and source is not None and outcome is not None:
                yield f'  {source} == "{plain(edge.source)} decides" ==> outcome'
                colour, wide = COLOURS[VERDICTS[outcome.verdict]][0], 3
            elif edge.kind == "trips" and source is not None and target is not None:
                yield f'  {source} -. "{plain(edge.source)} trips {plain(edge.target)}{" now" * edge.live}" .-> {target}'
                colour, wide = COLOURS["trip"][0], 2 if edge.live else 1
            else:
                continue
            self.styles.append(f"  linkStyle {self.links} stroke:{colour},stroke-width:{wide}px")
            self.links += 1

    def _machine(self, number: int, switch: Switch) -> Iterator[str]:
        armed, tripped = f"armed{number}", f"tripped{number}"
        now = {None: "", "armed": "armed"}.get(switch.state, "tripped")
        yield f'  subgraph switch{number}["{plain(_name(switch))}"]'
        yield f'    {armed}(["armed"]):::good{"full" * (now == "armed")}'
        yield f'    {tripped}(["{_lines(tripped_words(switch))}"]):::bad{"full" * (now == "tripped")}'
        yield f'    {armed} -- "{_lines(tripping(switch))}" --> {tripped}'
        self.links += 1
        if switch.rearm:
            yield f'    {tripped} -- "{_lines(rearmed(switch))}" --> {armed}'
            self.links += 1
        yield "  end"
        self.styles.append(f"  style switch{number} fill:{COLOURS['card'][0]},stroke:{COLOURS['edge'][0]},color:{COLOURS['ink'][0]}")


def _lines(parts: Iterable[str]) -> str:
    return "<br/>".join(plain(part) for part in parts if part)


def _name(switch: Switch) -> str:
    return ": ".join(part for part in (" ".join(part for part in (switch.id, switch.title) if part), sentence(switch)) if part)


def _classes() -> Iterator[str]:
    for kind in TONES:
        yield f"  classDef {kind} fill:{COLOURS[kind + '-tint'][0]},stroke:{COLOURS[kind][0]},color:{COLOURS['ink'][0]},text-align:left"
    for kind in ("good", "bad", "warn"):
        yield f"  classDef {kind}full fill:{COLOURS[kind + '-full'][0]},stroke:{COLOURS[kind][0]},color:{COLOURS['on-full'][0]}"


# ── the switches alone ────────────────────────────────────────────────────────────────────────────────


def _states(diagram: Diagram) -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"  accTitle: {plain(diagram.summary)}"
    for number, switch in enumerate(diagram.machines(), 1):
        armed, tripped = f"armed{number}", f"tripped{number}"
        yield f'  state "{plain(_name(switch))}" as switch{number} {{'
        yield f'    state "armed" as {armed}'
        yield f'    state "{_lines(tripped_words(switch))}" as {tripped}'
        yield f"    [*] --> {armed}"
        for trip in tripping(switch):
            yield f"    {armed} --> {tripped} : {spoken(trip)}"
        if switch.rearm:
            yield f"    {tripped} --> {armed} : {spoken(' '.join(rearmed(switch)))}"
        yield "  }"
