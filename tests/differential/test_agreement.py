"""Two semantics, one meaning: the reference interpreter and the compiled form give the same ruling on generated pairs.

Every run draws the same seeds, so that a failure can be had again: ``subject(seed)`` is the policy, and the document is
printed. What the pairs must contain is asserted too, or agreement would say little.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from traceback import format_exc

import pytest

from differential import constructs
from differential.harness import Pair, Subject, explore, subject

POLICIES, ROUNDS, WORKERS, CHUNK = 3_200, 3, 2, 100
LEAST = 200
PURE_SYS = tuple(f"SYS-{number:03d}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13))
"""What one decision can give by itself: not the journal (009), repeats (011) and reconciliation (014)."""


@dataclass(slots=True)
class Tally:
    """What the pairs of some seeds contained."""

    counts: Counter[str] = field(default_factory=Counter)
    built: Counter[str] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.counts += other.counts
        self.built += other.built
        self.disagreements += other.disagreements

    def note(self, pair: Pair) -> None:
        ruling, found = pair.expected, pair.found
        self.counts.update(
            {
                "pairs": 1,
                ruling.verdict.value: 1,
                "at bound": found.at_bound(),
                "fused": found.fused is not None,
                "judged": ruling.requested is not None,
            }
        )
        self.counts.update({reason.rule for reason in ruling.reasons if reason.kind == "system"})


def explore_seeds(seeds: range) -> Tally:
    tally = Tally()
    texts = set()
    for seed in seeds:
        tested = subject(seed)
        texts.add(tested.policy.text)
        before = tally.counts["judged"]
        try:
            for pair in explore(tested, seed, ROUNDS):
                tally.note(pair)
                said = pair.disagreement(tested.plan)
                if said is not None and len(tally.disagreements) < 3:
                    tally.disagreements.append(report(tested, pair, said))
        except Exception:  # either semantics raised: bad facts are denied, never an exception
            tally.disagreements.append(f"seed {seed}\n{tested.policy.text}\n{format_exc()}")
        judged = tally.counts["judged"] - before
        tally.built.update(dict.fromkeys(constructs.of(tested.checked), judged))
    tally.counts["policies"] = len(texts)
    return tally


def report(tested: Subject, pair: Pair, said: str) -> str:
    return f"seed {tested.policy.seed}\n{tested.policy.text}\n{json.dumps(pair.document)}\n{said}"


@pytest.fixture(scope="module")
def tally() -> Tally:
    """All pairs, drawn once, by two processes."""
    total = Tally()
    chunks = [range(first, first + CHUNK) for first in range(0, POLICIES, CHUNK)]
    with ProcessPoolExecutor(WORKERS, get_context("fork")) as pool:
        for part in pool.map(explore_seeds, chunks):
            total.add(part)
    return total


def test_reference_and_compiled_form_agree(tally: Tally) -> None:
    assert not tally.disagreements, "\n\n".join(tally.disagreements[:3])


def test_the_pairs_are_many(tally: Tally) -> None:
    print(f"\n{tally.counts['policies']} policies, {tally.counts['pairs']} pairs")
    assert tally.counts["policies"] >= 2_000
    assert tally.counts["pairs"] >= 20_000


def test_the_bounds_are_met_exactly(tally: Tally) -> None:
    share = tally.counts["at bound"] / tally.counts["pairs"]
    print(f"\n{tally.counts['at bound']} pairs with a measure exactly at its bound, {share:.0%}")
    assert share >= 0.30


def test_the_fast_form_answers(tally: Tally) -> None:
    share = tally.counts["fused"] / tally.counts["pairs"]
    print(f"\n{tally.counts['fused']} pairs that the fused form answers, {share:.0%}")
    assert share >= 0.30


def test_every_verdict_occurs(tally: Tally) -> None:
    found = {verdict: tally.counts[verdict] for verdict in ("ALLOW", "MODIFY", "HOLD", "DENY")}
    print(f"\n{found}")
    assert min(found.values()) >= LEAST


def test_every_sys_reason_occurs(tally: Tally) -> None:
    found = {sys: tally.counts[sys] for sys in PURE_SYS}
    print(f"\n{found}")
    assert min(found.values()) >= LEAST


def test_every_construct_occurs(tally: Tally) -> None:
    found = {name: tally.built[name] for name in sorted(constructs.expected())}
    print("\n" + ", ".join(f"{name} {count}" for name, count in found.items()))
    assert {name: count for name, count in found.items() if count < LEAST} == {}
