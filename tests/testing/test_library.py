"""The tests that stand in packs and examples, each run, and what they look at: all rules, and 95 of a hundred sides of their bounds.

The mutation scores of all of them are stated in docs/library.md and come from `caplex test stdlib_rules examples --mutate`;
here they are held for two small policies.
"""
from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from caplex.compiler.testing.collect import collect
from caplex.compiler.testing.coverage import Coverage, Watch, total
from caplex.compiler.testing.measured import Wanted, measure
from caplex.compiler.testing.model import Entry, Run
from caplex.compiler.testing.report import failure_lines
from caplex.compiler.testing.run import run_entry

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("stdlib_rules", "examples")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.cap")) if not path.name.endswith("_test.cap")]
ALLOCATES = "capital_governor"
"""It has no rule to test: its plans are held by tests/conformance/capital_governor."""


def entry_of(path: Path) -> Entry:
    """The entry with its tests, those beside it as well."""
    (found,) = collect(path).entries
    return found


@cache
def measured(path: Path) -> tuple[Entry, tuple[Run, ...], Coverage]:
    entry = entry_of(path)
    assert entry.checked is not None, [found.message for found in entry.diagnostics if found.is_error]
    watch = Watch(entry.checked)
    return entry, tuple(run_entry(entry, watch=watch)), watch.report()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_its_tests_pass_and_look_at_all_of_it(path):
    entry, runs, coverage = measured(path)
    assert [found.message for found in entry.diagnostics if found.is_error] == []
    assert all(run.passed for run in runs), "\n\n".join("\n".join(failure_lines(run)) for run in runs if not run.passed)
    missing = [f"{row.owner}: {side.what}" for row in coverage.rows for site, side in row.missing if site.group in ("rule", "boundary")]
    assert coverage.totals["rule"].percent == 100, missing
    assert coverage.totals["boundary"].percent >= 95, missing
    assert bool(coverage.rows or coverage.elsewhere) is (path.parent.name != ALLOCATES)


def test_all_of_library_and_examples_together():
    shares = total(measured(path)[2] for path in FILES)
    assert shares["rule"].percent == 100
    assert shares["boundary"].percent >= 95
    assert (shares["rule"].total, shares["boundary"].total) >= (250, 400), "much of what was measured is no longer looked at"


def test_there_are_some():
    packs = [path for path in FILES if path.parent.name == "stdlib_rules"]
    assert "order_sanity.cap" in [path.name for path in packs]
    assert [path.relative_to(ROOT).as_posix() for path in FILES if not measured(path)[1] and path.parent.name != ALLOCATES] == []
    assert sum(collect(ROOT / folder).tests for folder in FOLDERS) >= 400


@pytest.mark.parametrize(("name", "least"), [("examples/policygate/audit.cap", 100), ("examples/strategy_governor/policy.cap", 95)])
def test_changes_of_a_policy_are_noticed(name, least):
    _, found = measure(ROOT / name, wanted=Wanted(mutate_min=Fraction(least)))
    assert found.ok, found.short
    assert found.mutate_score is not None
    assert found.mutate_score >= least
