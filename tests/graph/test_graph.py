"""The rule graph: its invariants hold on every shipped policy, they find what is broken, and the dump is stable."""
from __future__ import annotations

from pathlib import Path

import pytest

from caplex.compiler.driver import check_path, check_source
from caplex.compiler.graph.build import build
from caplex.compiler.graph.dump import dump
from caplex.compiler.graph.invariants import complaints
from caplex.compiler.graph.ir import Node, RuleGraph
from caplex.compiler.source import Source

ROOT = Path(__file__).resolve().parents[2]
POLICIES = [*sorted(ROOT.glob("examples/*/*.cap")), ROOT / "benchmarks" / "desk18.cap"]
SMALL = """
policy small { version "1" language 1 currency USD stages EXP closing skips EXP unlimited loss lot 1 }
setting most : money = 1_000 USD lower is safer
limit EXP-010 { abs(after.position.notional) at most most else reduce }
limit EXP-020 { after.portfolio.gross at most 2x of account.equity else deny }
"""


def graph_of(text: str) -> RuleGraph:
    checked, diagnostics = check_source(Source("small.cap", text))
    assert checked is not None, diagnostics
    return build(checked)


@pytest.mark.parametrize("path", POLICIES, ids=lambda p: p.parent.name)
def test_every_shipped_policy_obeys_the_invariants(path: Path) -> None:
    checked, diagnostics = check_path(path)
    assert checked is not None, [d.message for d in diagnostics]
    assert complaints(build(checked)) == []


def test_invariants_find_a_node_that_looks_ahead() -> None:
    graph = graph_of(SMALL)
    graph.nodes[0] = Node("neg", (5,))
    assert any("does not stand before it" in complaint for complaint in complaints(graph))


def test_invariants_find_a_reduction_without_pieces() -> None:
    graph = graph_of(SMALL)
    graph.rules[0].pieces = ()
    assert complaints(graph) == ["`EXP-010` reduces, but has no affine pieces"]


def test_the_dump_is_stable_and_names_what_is_read() -> None:
    first, again = dump(graph_of(SMALL)), dump(graph_of(SMALL))
    assert first == again
    assert first == """\
policy small 1 mode enforce currency USD
stages EXP
closing skips EXP

s0 book base e-8
s1 book direction e-8
s2 book value e-8
s3 setting most e-8
s4 book others_gross e-16
s5 account.equity e-8

0 limit EXP-010 [EXP, phase 0] reduce, closing skips; adjust, close, open
  broken not((abs(((s0 + (s1 * q)) * s2)) <= s3))
  piece  ((1 * s1) * s2) * q + ((s0 * s2) + -s3)
  piece  -((1 * s1) * s2) * q + (-(s0 * s2) + -s3)
  reads  s0 s1 s2

1 limit EXP-020 [EXP, phase 0] deny, closing skips; adjust, close, open
  broken not(((s4 + abs(((s0 + (s1 * q)) * s2))) <= (2 * s5)))
  reads  s0 s1 s2 s4 s5
""".replace("direction e-8", "direction e-0")


def test_equal_expressions_are_one_node() -> None:
    graph = graph_of(SMALL)
    absolutes = [node for node in graph.nodes if node.op == "abs"]
    assert len(absolutes) == 1
