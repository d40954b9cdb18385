"""Diagrams of generated policies and documents: whatever can be decided can be drawn, and says what the decision says."""
from __future__ import annotations

import re
import sys
from itertools import combinations, islice
from pathlib import Path
from xml.etree import ElementTree

import pytest

import caplex
from caplex.compiler.tools.diagram.layout import draw
from caplex.compiler.tools.diagram.model import Diagram
from caplex.compiler.tools.diagram.shapes import Words
from caplex.runtime.report.cells import cells

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from differential.harness import explore, subject

SEEDS = range(40)
ROUNDS = 2
DOCUMENTS = 6


def whole(diagram: Diagram) -> None:
    """Every form can be made, and nothing in the picture lies on something else."""
    ElementTree.fromstring(diagram.svg())
    drawing = draw(diagram)
    found = [(one.extent, one.text) for one in drawing.flat() if isinstance(one, Words)]
    for (left, top, right, bottom), text in found:
        assert left >= 0, text
        assert top >= 0, text
        assert right <= drawing.width, text
        assert bottom <= drawing.height, text
    for (one, said), (other, also) in combinations(found, 2):
        assert not (one[1] < other[3] and other[1] < one[3] and one[0] < other[2] and other[0] < one[2]), (said, also)
    assert diagram.dot().count("{") == diagram.dot().count("}")
    assert all(line.count('"') % 2 == 0 for line in diagram.mermaid().splitlines())
    assert all(cells(line) <= 80 for line in diagram.text(80).splitlines())


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_can_be_decided_can_be_drawn(seed):
    tested = subject(seed)
    policy = caplex.loads(tested.policy.text)
    plain = caplex.graph(policy)
    whole(plain)
    assert [row.id for stage in plain.stages for row in stage.rows if row.kind != "system"] == list(policy.rules)
    assert all(row.demand for row in plain.rows()), [row.id for row in plain.rows() if not row.demand]
    for pair in islice(explore(tested, seed, ROUNDS, tested.alone), DOCUMENTS):
        ruling = pair.found.ruling
        diagram = caplex.graph(policy, pair.document)
        whole(diagram)
        assert diagram.outcome is not None
        assert diagram.outcome.verdict == ruling.verdict
        assert diagram.outcome.by == tuple(dict.fromkeys(reason.rule for reason in ruling.reasons))
        deciding = [row.id for row in diagram.rows() if row.decides]
        assert deciding == ([ruling.decided_by] if ruling.decided_by else [])
        assert [edge.source for edge in diagram.edges if edge.kind == "decides"] == deciding
        live = {(edge.target) for edge in diagram.edges if edge.kind == "trips" and edge.live}
        assert live <= {trip.switch for trip in ruling.tripped if trip.cause == "rule"}
        assert {switch.id for switch in diagram.switches if switch.state == "trips now"} == {trip.switch for trip in ruling.tripped}
        assert re.search(rf"\b{ruling.verdict.value}\b", diagram.svg())
