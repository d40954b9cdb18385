"""The pages of the examples do what they show, and what lies beside an adapter is what it answers.

A page's output can be written anew with `CAPLEX_WRITE_PAGES=1 pytest tests/examples/test_pages.py`; it writes the answers of
the adapters too.
"""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import caplex

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "docs"))

from guide_pages import WRITE, blocks, play  # noqa: E402 - found by the line above

EXAMPLES = ROOT / "examples"
PAGES = sorted(page for page in EXAMPLES.glob("*/README.md") if any(block.language == "console" for block in blocks(page)))
CASES = sorted(EXAMPLES.glob("*/cases.jsonl"))
MIGRATED = ("entry_gate", "execution_layer", "policygate", "strategy_governor")


def test_the_examples_are_here() -> None:
    assert {page.parent.name for page in PAGES} >= set(MIGRATED)
    assert {path.parent.name for path in CASES} >= set(MIGRATED)


@pytest.mark.parametrize("name", MIGRATED)
def test_a_page_says_what_it_replaces_where_it_differs_and_how_to_migrate(name: str) -> None:
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    for heading in ("## Try it", "## What it replaces", "## What is different, on purpose", "## How to migrate"):
        assert f"\n{heading}\n" in text
    for path in sorted((EXAMPLES / name).iterdir()):
        if path.suffix in (".cap", ".py", ".yaml", ".jsonl") or (path.is_dir() and path.name != "__pycache__"):
            assert f"`{path.name}" in text, f"the page does not speak of {path.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_it_does_what_it_shows(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAPLEX_NO_CACHE", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in [each for each in os.environ if each.startswith(("CAPLEX_SET_", "POLICY_"))]:
        monkeypatch.delenv(name)
    done, differences = play(page, tmp_path, {}, sessions_only=True)
    assert not differences, "\n\n".join(map(str, differences))
    assert done


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.parent.name)
def test_the_adapter_answers_what_lies_beside_it(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(path.with_name("adapter.py"))], input=path.read_text(encoding="utf-8"), capture_output=True, text=True, check=True, timeout=300,
        encoding="utf-8", env={"PATH": "", "PYTHONPATH": str(ROOT), "HOME": str(Path.home()), "PYTHONIOENCODING": "utf-8"})
    expected = path.with_name("expected.jsonl")
    if os.environ.get(WRITE):
        expected.write_text(done.stdout, encoding="utf-8")
    told, wanted = ([json.loads(line) for line in text.splitlines()] for text in (done.stdout, expected.read_text(encoding="utf-8")))
    assert told == wanted


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/settings.yaml")), ids=lambda path: path.parent.name)
def test_the_settings_file_moves_something(path: Path) -> None:
    policy = path.with_name("policy.cap")
    assert caplex.load(policy, settings=path).settings_hash != caplex.load(policy).settings_hash
