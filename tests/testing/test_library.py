"""The tests that stand in packs and examples, each run; and that none of these is without."""
from __future__ import annotations

from pathlib import Path

import pytest

from caplex.compiler.testing.collect import collect
from caplex.compiler.testing.model import Entry
from caplex.compiler.testing.report import failure_lines
from caplex.compiler.testing.run import run_entry

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("stdlib_rules", "examples")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.cap")) if not path.name.endswith("_test.cap")]


def entry_of(path: Path) -> Entry:
    """The entry with its tests, those beside it as well."""
    (found,) = collect(path).entries
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_its_tests_pass(path):
    entry = entry_of(path)
    assert [found.message for found in entry.diagnostics if found.is_error] == []
    runs = list(run_entry(entry))
    assert all(run.passed for run in runs), "\n\n".join("\n".join(failure_lines(run)) for run in runs if not run.passed)


def test_there_are_some():
    packs = [path for path in FILES if path.parent.name == "stdlib_rules"]
    assert "order_sanity.cap" in [path.name for path in packs]
    assert [path.name for path in packs if not collect(path).tests] == []
    assert sum(collect(ROOT / folder).tests for folder in FOLDERS) >= 9
