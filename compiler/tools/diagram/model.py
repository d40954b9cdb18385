"""A diagram as data: stages of rows, switches as machines, edges between them, and the outcome. No layout, no colours.

Every text in it is fit to be shown: on one line, without control characters.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from caplex.runtime.report.phrases import listed

SCHEMA = "caplex.graph/1"
QUIET = frozenset({"kept", "not-applicable", "not-judged"})
MANY = 40
"""Rules in a picture up to which each is shown in full."""
FEW_KEPT = 4
"""Kept rules of a stage that are still shown in the picture of a decision over many rules."""
SwitchState = Literal["armed", "tripped", "trips now", "unreadable"]


@dataclass(frozen=True, slots=True)
class Row:
    """One rule.

    Attributes:
        demand: What it asks for, as the author wrote it.
        effect: What it does where that is not kept: ``denies opening``, ``reduces``, ``holds``, ``warns``.
        settings: ``max_position 8%, 1 override``, for each setting that it reads.
        notes: What else one must know of it: waivers, monitoring, who may override it.
        state: How it stood in the decision, a word of `runtime.ruling.TraceState`; None without facts.
        observed, limit: What it saw, and the bound: ``96_360.974 USD``, ``at most 82_767.5467 USD``.
        source: ``desk.cap:45``, without folders: a picture is the same wherever the policy lies.
        origin: Where the bound came from: ``max_position 4%, tighten for symbol "GE"``.
    """

    id: str
    kind: str
    title: str = ""
    demand: str = ""
    effect: str = ""
    severity: str = ""
    settings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
    doc: str = ""
    state: str | None = None
    mark: str = ""
    observed: str = ""
    limit: str = ""
    origin: str = ""
    note: str = ""
    decides: bool = False

    @property
    def dim(self) -> bool:
        return self.state in ("not-applicable", "not-judged")

    @property
    def help(self) -> str:
        """All of it in sentences, where a row has no room for them."""
        seen = ", ".join(part for part in (self.state, self.observed, self.limit, self.origin, self.note) if part) if self.state else ""
        head = " ".join(part for part in (self.id, self.title) if part)
        parts = [head, self.demand, self.effect, f"severity {self.severity}" if self.severity else "", "; ".join(self.settings),
                 "; ".join(self.notes), seen, self.doc, self.source]
        return " · ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Stage:
    """Rows in the order of decision.

    Attributes:
        phase: Counts from 1.
        skipped: Closing orders pass it by.
        number: Its place among the stages of the policy, from 1; 0 for what the engine judges beside them.
    """

    name: str
    phase: int
    rows: tuple[Row, ...]
    skipped: bool = False
    number: int = 0

    @property
    def heading(self) -> str:
        return f"{self.number} · {self.name}" if self.number else self.name


@dataclass(frozen=True, slots=True)
class Switch:
    """A kill switch as a machine of two states. *trips* are its clauses, *rearm* what must be so to arm it again (empty: never)."""

    id: str
    title: str
    scope: str
    trips: tuple[str, ...]
    denies: str
    duties: tuple[str, ...]
    rearm: tuple[str, ...]
    on_rearm: tuple[str, ...]
    state: SwitchState | None = None
    clause: int | None = None
    """Index of the trip that happens in this decision."""


@dataclass(frozen=True, slots=True)
class Edge:
    """``trips`` leads from a rule to a switch; ``decides`` from a rule to the outcome. *live*: it happened in this decision."""

    kind: Literal["trips", "decides"]
    source: str
    target: str
    live: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of the path; without facts *verdict* is empty, and *text* says how it is found."""

    verdict: str
    text: str
    by: tuple[str, ...] = ()
    message: str = ""
    label: str = ""

    @property
    def named(self) -> str:
        """``by KILL-010, LOSS-020, EXP-010, EXP-020 and 3 more``; empty where nobody objected."""
        return f"by {listed(self.by, 4)}" if self.by else ""


@dataclass(frozen=True, slots=True)
class Diagram:
    """A policy, or one decision under it, ready to be drawn."""

    name: str
    version: str
    facts: tuple[str, ...]
    """Of the header: mode, currency, lot, owner."""
    subject: tuple[str, ...] = ()
    """Of the decision: ``buy 700 AAPL``, and who, where, when."""
    stages: tuple[Stage, ...] = ()
    sizes: tuple[Row, ...] = ()
    labels: tuple[str, ...] = ()
    switches: tuple[Switch, ...] = ()
    edges: tuple[Edge, ...] = ()
    outcome: Outcome | None = None
    hash: str = ""
    rules: int = field(default=0)

    @property
    def decided(self) -> bool:
        return bool(self.subject)

    @property
    def name_and_version(self) -> str:
        return f"{self.name} {self.version}".strip()

    @property
    def summary(self) -> str:
        """One sentence for who cannot see the picture."""
        rules = f"{self.rules} rule" + "s" * (self.rules != 1)
        stages = f"{len(self.stages)} stage" + "s" * (len(self.stages) != 1)
        if self.outcome is None:
            return f"{self.name_and_version}: the kill switches"
        if not self.decided:
            return f"{self.name_and_version}: {rules} in {stages}"
        by = f" {self.outcome.named}" if self.outcome.by else ""
        return f"{self.outcome.verdict} {self.subject[0]}{by} under {self.name_and_version}: {rules} in {stages}"

    def rows(self) -> Iterator[Row]:
        yield from self.sizes
        for stage in self.stages:
            yield from stage.rows

    def switches_alone(self) -> Diagram:
        """The same without rules: nothing but the machines."""
        return replace(self, stages=(), sizes=(), labels=(), edges=(), outcome=None, subject=())

    def told(self, stage: Stage) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
        """The rows of *stage* that a picture shows, and those that it only counts: of many, the quiet ones of a decision."""
        if not self.decided or self.rules <= MANY:
            return stage.rows, ()
        ends = {end for edge in self.edges if edge.live for end in (edge.source, edge.target)}
        left, shown, hidden = FEW_KEPT, [], []
        for row in stage.rows:
            loud = row.state not in QUIET or row.id in ends
            if loud or (row.state == "kept" and left > 0):
                shown.append(row)
                left -= not loud
            else:
                hidden.append(row)
        return tuple(shown), tuple(hidden)

    def machines(self) -> tuple[Switch, ...]:
        """The switches to draw as machines: all of a policy, of a decision those that are not simply armed."""
        return tuple(switch for switch in self.switches if not self.decided or switch.state not in ("armed", None))

    # ── as what it can be had ────────────────────────────────────────────────────────────────────────

    def svg(self) -> str:
        """A picture of its own: no script, nothing outside, light and dark."""
        from caplex.compiler.tools.diagram.svg import svg

        return svg(self)

    def dot(self) -> str:
        """For graphviz."""
        from caplex.compiler.tools.diagram.dot import dot

        return dot(self)

    def mermaid(self) -> str:
        """A flowchart; of `switches_alone` a state diagram."""
        from caplex.compiler.tools.diagram.mermaid import mermaid

        return mermaid(self)

    def text(self, width: int = 100, colour: bool = False) -> str:
        """Tables of letters, at most *width* columns wide (60 or more)."""
        from caplex.compiler.tools.diagram.text import text

        return text(self, width, colour)

    def to_dict(self) -> dict[str, Any]:
        """``caplex.graph/1``: everything that the pictures are drawn from, hidden rows too."""
        return {
            "schema": SCHEMA,
            "policy": {"name": self.name, "version": self.version, "hash": self.hash, "facts": list(self.facts), "rules": self.rules},
            "subject": list(self.subject),
            "sizes": [_row(row) for row in self.sizes],
            "stages": [{"name": stage.name, "number": stage.number or None, "phase": stage.phase, "closing_skips": stage.skipped, "rows": [_row(row) for row in stage.rows]}
                       for stage in self.stages],
            "labels": list(self.labels),
            "switches": [{"id": s.id, "title": s.title, "scope": s.scope, "trips": list(s.trips), "denies": s.denies, "duties": list(s.duties),
                          "rearm": list(s.rearm), "on_rearm": list(s.on_rearm), "state": s.state, "clause": s.clause} for s in self.switches],
            "edges": [{"kind": edge.kind, "source": edge.source, "target": edge.target, "live": edge.live} for edge in self.edges],
            "outcome": None if self.outcome is None else {
                "verdict": self.outcome.verdict or None, "text": self.outcome.text, "by": list(self.outcome.by),
                "message": self.outcome.message, "label": self.outcome.label},
        }

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Diagram {self.summary}>"

    def _repr_svg_(self) -> str:
        return self.svg()


def _row(row: Row) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": row.id, "kind": row.kind, "title": row.title, "demand": row.demand, "effect": row.effect, "severity": row.severity,
        "settings": list(row.settings), "notes": list(row.notes), "source": row.source,
    }
    if row.state is not None:
        told |= {"state": row.state, "mark": row.mark, "observed": row.observed, "limit": row.limit, "origin": row.origin, "note": row.note,
                 "decides": row.decides}
    return told
