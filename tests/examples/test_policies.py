"""Every policy that is shipped compiles, without warnings of its own making."""
from __future__ import annotations

from pathlib import Path

import pytest

import caplex

ROOT = Path(__file__).resolve().parents[2]
POLICIES = sorted([*ROOT.glob("examples/*/*.cap"), *ROOT.glob("benchmarks/*.cap")])


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_has_no_diagnostics(path: Path) -> None:
    assert [f"{found.code.id}: {found.message}" for found in caplex.check(path)] == []


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_compiles(path: Path) -> None:
    assert caplex.load(path).name
