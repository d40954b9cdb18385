"""Same policy, same facts: the same bytes, whatever the hash seed, the cache or the day (CAP-NUM-3)."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "examples" / "quickstart" / "facts").glob("*.json"))


def output(seed: str, cache: Path, *arguments: str) -> bytes:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "CAPLEX_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-m", "caplex", *arguments], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr.decode()
    return done.stdout


@pytest.mark.parametrize("facts", [CASES[0], CASES[-1]], ids=lambda path: path.stem)
def test_decisions_do_not_depend_on_the_hash_seed_or_the_cache(facts: Path, tmp_path: Path) -> None:
    arguments = ("decide", "examples/quickstart/desk.cap", "--facts", str(facts.relative_to(ROOT)), "--format", "json")
    said = [output(seed, tmp_path / folder, *arguments) for seed, folder in (("0", "a"), ("1", "a"), ("77", "b"))]
    assert said[0]
    assert len(set(said)) == 1


def test_generated_code_does_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    said = [output(seed, tmp_path / seed, "compile", "examples/quickstart/desk.cap", "--emit", "python") for seed in ("0", "1", "77")]
    assert len(set(said)) == 1
