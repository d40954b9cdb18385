"""The linters and the type checker are tests, so that `pytest` alone is the gate. Each tool runs once."""
from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
# `caplex/…` are links to the folders beside it, for tools that want one tree; where links did not survive, nothing can be checked.
LINKED = (ROOT / "caplex" / "compiler").is_dir()

pytestmark = [
    pytest.mark.gate,
    pytest.mark.xdist_group("gate"),
    pytest.mark.skipif(not LINKED, reason="this checkout has no symbolic links"),
]


def passes(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, f"{' '.join(command[1:] or command)}\n{done.stdout}\n{done.stderr}"


def test_imports_go_one_way():
    passes(str(BIN / "lint-imports"), "--no-cache")


def test_ruff_has_nothing_to_say():
    passes(sys.executable, "-m", "ruff", "check", "--no-cache")


def test_types_hold_strictly():
    passes(sys.executable, "-m", "mypy")


def test_the_tools_see_the_whole_house():
    """A gate that looks at nothing always passes: the type checker is strict and is given all five packages."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert tools["mypy"]["strict"] is True
    assert tools["mypy"]["packages"] == ["caplex"]
    for name in ("compiler", "grammar", "runtime", "stdlib_rules"):
        assert (ROOT / "caplex" / name).resolve() == ROOT / name
        assert (ROOT / name / "py.typed").is_file()
    contracts = {contract["id"] for contract in tools["importlinter"]["contracts"]}
    assert contracts >= {"house", "compiler", "runtime", "judge", "core", "front"}


@pytest.mark.parametrize("line", ["import lark", "import cryptography", "import caplex.compiler.source"])
def test_a_contract_can_break(tmp_path, line):
    """The linter is asked about a copy in which the runtime does what it must not."""
    import shutil

    for name in ("caplex", "compiler", "grammar", "runtime", "stdlib_rules"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    values = tmp_path / "runtime" / "values.py"
    values.write_text(values.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    done = subprocess.run([str(BIN / "lint-imports"), "--no-cache"], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
