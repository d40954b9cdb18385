"""Tests in the language as conformance cases, `timelines/*.yaml`: what passes, what fails with which words, what is refused."""
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import caplex

HERE = Path(__file__).resolve().parent / "timelines"
_RULE = re.compile(r"\b(?:rule|limit|throttle|cooldown|switch) ([A-Z][A-Z0-9-]*)-\d+")
HEADER = """policy p {{ version "1" language 1 mode enforce currency USD timezone "UTC" stages {stages} closing faces every rule
  overrides tightest wins unlimited loss unlimited exposure }}
"""


def suites() -> Iterator[dict[str, Any]]:
    for path in sorted(HERE.glob("*.yaml")):
        yield from YAML(typ="safe", pure=True).load_all(path.read_text(encoding="utf-8"))


CASES = [(f"{suite['spec']}: {case['name']}", suite, case) for suite in suites() for case in suite["cases"]]


def written(suite: dict[str, Any], case: dict[str, Any], folder: Path) -> Path:
    for name, text in suite.get("files", {}).items():
        (folder / name).write_text(text, encoding="utf-8")
    if "path" in case:
        return folder / case["path"]
    families = dict.fromkeys(_RULE.findall(suite["policy"]))
    text = HEADER.format(stages=", ".join(["SYS", *families])) + suite["policy"] + f'\ntest "it" {{\n{case["test"]}\n}}\n'
    path = folder / "p.cap"
    path.write_text(text, encoding="utf-8")
    return path


def told(expected: str, got: str) -> str:
    return f"expected {re.sub(r' [(].*[)]$', ' …', expected.removeprefix('expect '))}, got {got}"


@pytest.mark.parametrize(("suite", "case"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_timeline(suite: dict[str, Any], case: dict[str, Any], tmp_path: Path) -> None:
    report = caplex.test(written(suite, case, tmp_path))
    if "refused" in case:
        assert case["refused"] in [found.code.id for found in report.errors]
        assert not report.runs
        return
    assert [found.message for found in report.errors] == []
    assert len(report.runs) == case.get("runs", 1)
    errors = [run.error.message for run in report.runs if run.error is not None]
    assert len(errors) == (1 if "error" in case else 0), errors
    assert all(case["error"] in message for message in errors)
    assert [told(each.expected, each.got) for run in report.runs for each in run.failures] == case.get("fails", [])
    assert report.ok is ("fails" not in case and "error" not in case)


def test_names_are_unique() -> None:
    assert len({row[0] for row in CASES}) == len(CASES)
