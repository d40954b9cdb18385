"""Damaged facts: every document ends in a decision that can be told, and both forms of the engine say the same of it."""
from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import caplex

ROOT = Path(__file__).resolve().parents[2]
POLICIES = {path.relative_to(ROOT / "examples").as_posix().removesuffix(".cap"): caplex.load(path)
            for path in sorted(ROOT.glob("examples/*/*.cap")) if not path.name.endswith("_test.cap")}
FACTS = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(ROOT.glob("examples/quickstart/facts/*.json"))]
DOCUMENTS = 160
WEIRD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, float("nan"), float("inf"), "", "NaN", "1e999999999", "9" * 500, "-5", "0.1234567890123456789",
    [], {}, [[]], {"a": {}}, "2026-01-05T15:00:00", "2026-13-45T00:00:00Z", "\u202e", "x" * 20_000, 10**400, "8%", "buy", "sell", b"x",
    object(), (1, 2), {1: 2},
)


def places(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key in part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ():
        yield from places(part[key], (*path, key))


def weird(rng: random.Random) -> Any:
    """One of them, never the same object twice: a later damage would change it everywhere, and could put a document into itself."""
    return copy.deepcopy(rng.choice(WEIRD))


def damaged(document: Any, rng: random.Random) -> Any:
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        every = list(places(document))
        if not every:
            break
        path = rng.choice(every)
        part = document
        for key in path[:-1]:
            part = part[key]
        kind = rng.random()
        if kind < 0.6:
            part[path[-1]] = weird(rng)
        elif kind < 0.8:
            del part[path[-1]]
        elif isinstance(part, dict):
            part[rng.choice(("zz", "x_y", "now", "quantity", ""))] = weird(rng)
    return document


@pytest.mark.parametrize("name", POLICIES)
def test_no_document_ends_otherwise(name: str) -> None:
    policy, rng, verdicts = POLICIES[name], random.Random(f"facts {name}"), set()
    for _ in range(DOCUMENTS):
        document = damaged(rng.choice(FACTS), rng)
        decision = policy.decide(document)
        told = decision.to_dict()
        json.dumps(told, allow_nan=False)
        assert decision.explain().text(60)
        ruling = policy.ruling(document)
        assert (decision.verdict, decision.decided_by) == (ruling.verdict, ruling.decided_by)
        assert told["quantity"] == "0" or told["verdict"] in ("ALLOW", "MODIFY")
        if ruling.document:
            assert told["verdict"] == "DENY"
            assert told["errors"]
        verdicts.add(told["verdict"])
    assert "DENY" in verdicts


def test_undamaged_facts_are_not_all_denied() -> None:
    """Or the test above would hold nothing."""
    assert {"ALLOW", "MODIFY", "DENY"} <= {str(POLICIES["quickstart/desk"].decide(facts).verdict) for facts in FACTS}
