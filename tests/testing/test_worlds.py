"""What tests can give and ask for: inputs of every shape, counters, rates, positions, accounts, actions, the start of a day."""
from __future__ import annotations

from pathlib import Path

import pytest

import caplex
from caplex.compiler.testing.report import failure_lines

WORLDS = Path(__file__).with_name("worlds.cap")
REPORT = caplex.test(WORLDS)


@pytest.mark.parametrize("run", REPORT.runs, ids=lambda run: run.title)
def test_it_passes(run):
    assert run.passed, "\n".join(failure_lines(run))


def test_all_of_them_ran():
    assert [found.message for found in REPORT.errors] == []
    assert len(REPORT.runs) == 8


@pytest.mark.parametrize(("one", "other"), [
    ("given guardian.level = level", "given guardian.seen = 5s"), ("given halted = true", "given halted = false"),
    ("given counters.burst = 4", "given counters.burst = 3"), ('given entries["KO"].confidence = 60%', 'given entries["PEP"].confidence = 60%'),
    ('given fx["EURUSD"].rate = 1.1', 'given fx["EURUSD"].rate = 1.2'), ('given position["KO"].quantity = 100', 'given position["KO"].quantity = 99'),
    ("cash amount 5_000 USD", "cash amount 5_001 USD"), ("given market[\"KO\"].price = -5 USD", "given market[\"KO\"].price = 5 USD"),
    ("after 1s  tick", "after 1ms tick"),
])
def test_each_given_matters(tmp_path, one, other):
    """With another world some test fails: nothing passes because it is not looked at."""
    text = WORLDS.read_text(encoding="utf-8")
    assert one in text
    path = tmp_path / "worlds.cap"
    path.write_text(text.replace(one, other).replace("each level, alive, verdict in [calm, true, allow], [storm, true, deny], [calm, false, deny]",
                                                     "each alive, verdict in [true, allow], [true, deny], [false, deny]") if "level" in one
                    else text.replace(one, other), encoding="utf-8")
    report = caplex.test(path)
    assert [found.message for found in report.errors] == []
    assert report.failed
