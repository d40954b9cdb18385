"""What a command imports. Times differ between machines and days; what is not imported costs nothing anywhere."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from caplex.compiler.cli import main

ROOT = Path(main.__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples" / "quickstart"
HEAVY = {"lark", "pydantic", "rich", "jinja2", "ruamel", "pathspec"}
TREE = {"caplex.compiler.syntax.ast", "caplex.compiler.syntax.parser", "caplex.compiler.semantics.model", "caplex.compiler.graph.ir", "caplex.compiler.driver"}
DECIDING = {"caplex.runtime.judge", "caplex.runtime.policy", "fractions", "zoneinfo"}
PROGRAM = """
import contextlib, io, json, sys
from caplex.compiler.cli.main import run
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    status = run(sys.argv[1:])
print(json.dumps([int(status), sorted({name.partition('.')[0] for name in sys.modules} | set(sys.modules))]))
"""


@pytest.fixture
def desk(tmp_path) -> Path:
    shutil.copy(QUICKSTART / "desk.cap", tmp_path / "desk.cap")
    shutil.copy(QUICKSTART / "facts" / "1-allowed.json", tmp_path / "facts.json")
    return tmp_path


def loaded(home: Path, *arguments: str) -> set[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAPLEX_")}
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], cwd=home, capture_output=True, text=True, timeout=60,
                          env={**environment, "PYTHONPATH": str(ROOT), "CAPLEX_CACHE_DIR": str(home / "cache")})
    assert done.returncode == 0, done.stderr
    status, names = json.loads(done.stdout)
    assert status == 0
    return set(names)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("--version",), ("help",)], ids=" ".join)
def test_help_imports_neither_compiler_nor_runtime(desk, arguments):
    names = loaded(desk, *arguments)
    assert "click" in names
    assert not names & (HEAVY | TREE | DECIDING | {"dataclasses", "difflib", "hashlib", "pathlib", "traceback"})
    own = {name for name in names if name.startswith(("caplex.compiler", "caplex.runtime"))}
    assert own == {"caplex.compiler", "caplex.compiler.cli", "caplex.compiler.cli.main", "caplex.compiler.cli.output", "caplex.compiler.cli.helping"}


@pytest.mark.parametrize("first", [("check", "desk.cap"), ("decide", "desk.cap", "--facts", "facts.json")], ids=["check", "decide"])
def test_a_policy_that_is_known_is_neither_parsed_nor_decided_to_be_checked(desk, first):
    assert loaded(desk, *first) >= {"lark", "caplex.compiler.syntax.ast"}
    assert not loaded(desk, "check", "desk.cap") & (HEAVY | TREE | DECIDING)


@pytest.mark.parametrize("first", [("check", "desk.cap"), ("decide", "desk.cap", "--facts", "facts.json")], ids=["check", "decide"])
def test_a_policy_that_is_known_is_not_parsed_to_decide(desk, first):
    loaded(desk, *first)
    assert not loaded(desk, "decide", "desk.cap", "--facts", "facts.json") & (HEAVY | TREE)


def test_the_page_of_a_code_needs_no_parser(desk):
    assert not loaded(desk, "explain", "CAP203") & (HEAVY | TREE | DECIDING)


def test_the_page_of_a_fact_needs_no_parser_once_the_facts_are_known(desk):
    loaded(desk, "explain", "account.equity")
    assert not loaded(desk, "explain", "market.price") & (HEAVY | TREE | {"caplex.runtime.judge"})
