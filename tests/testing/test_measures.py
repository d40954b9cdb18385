"""Coverage, mutation and properties as conformance cases, `conformance/measures/*.yaml`."""
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from caplex.compiler.testing.collect import collect
from caplex.compiler.testing.coverage import Watch
from caplex.compiler.testing.model import Entry
from caplex.compiler.testing.mutate import mutate
from caplex.compiler.testing.properties import check
from caplex.compiler.testing.run import run_entry

HERE = Path(__file__).resolve().parents[1] / "conformance" / "measures"
HEADER = """policy p {{ version "1" language 1 mode enforce currency USD timezone "UTC" stages {stages} closing faces every rule
  overrides tightest wins unlimited loss unlimited exposure lot 1 }}
"""


def suites() -> Iterator[dict[str, Any]]:
    for path in sorted(HERE.glob("*.yaml")):
        yield from YAML(typ="safe", pure=True).load_all(path.read_text(encoding="utf-8"))


CASES = [(f"{suite['spec']}: {case['name']}", suite, case) for suite in suites() for case in suite["cases"]]


def written(suite: dict[str, Any], case: dict[str, Any], folder: Path) -> Entry:
    families = dict.fromkeys(re.findall(r"\b(?:rule|limit|throttle|cooldown|switch) ([A-Z][A-Z0-9-]*)-\d+", suite["policy"]))
    tests = [f'test "{number}" {{\n given market["KO"].price = 50 USD\n {steps}\n expect account.equity > 0 USD\n}}' for number, steps in enumerate(case.get("tests", ()))]
    if "property" in case:
        tests.append(f'property "it" {{ {case["property"]} }}')
    path = folder / "p.cap"
    path.write_text("\n".join([HEADER.format(stages=", ".join(["SYS", *families])), suite["policy"], *tests]) + "\n", encoding="utf-8")
    (entry,) = collect(path).entries
    assert entry.checked is not None, [each.message for each in entry.diagnostics]
    return entry


@pytest.mark.parametrize(("suite", "case"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_measure(suite: dict[str, Any], case: dict[str, Any], tmp_path: Path) -> None:
    entry = written(suite, case, tmp_path)
    if "missing" in case:
        watch = Watch(entry.checked)
        assert all(run.passed for run in run_entry(entry, watch=watch))
        assert sorted(f"{site.text}: {side.what}" for row in watch.report().rows for site, side in row.missing) == sorted(case["missing"])
    if "survive" in case:
        assert [f"{mutant.kind} {mutant.new}" for mutant in mutate(entry).survivors] == case["survive"]
    if "property" in case:
        (found,) = check(entry)
        assert (found.holds, found.vacuous) == (case["holds"], case.get("vacuous", False))
        document = found.counterexample.document if found.counterexample is not None else {}
        assert {name: document[name] for name in case.get("facts", ())} == case.get("facts", {})


def test_names_are_unique() -> None:
    assert len({row[0] for row in CASES}) == len(CASES)
