"""Every policy that is shipped compiles, and warns of nothing but what its own page owns up to."""
from __future__ import annotations

from pathlib import Path

import pytest

import caplex

ROOT = Path(__file__).resolve().parents[2]
POLICIES = sorted(path for path in [*ROOT.glob("examples/*/*.cap"), *ROOT.glob("benchmarks/*.cap")] if not path.stem.endswith("_test"))
# What the originals do and a new policy should not: closing orders that face every rule, or wait for a pause.
OWNED = {
    "examples/policygate/policy.cap": {"CAP705"},
    "benchmarks/desk18.cap": {"CAP705"},
    "examples/execution_layer/policy.cap": {"CAP705"},
    "examples/equities_desk/policy.cap": {"CAP705"},
    "examples/eu_signal_desk/policy.cap": {"CAP705"},
}


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_warns_of_nothing_else(path: Path) -> None:
    assert {found.code.id for found in caplex.check(path)} == OWNED.get(path.relative_to(ROOT).as_posix(), set())


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_compiles(path: Path) -> None:
    assert caplex.load(path).name
