"""An extra that is not installed is one sentence with the command that installs it, from the shell and from Python."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

POLICY = """policy desk {
  version "1" language 1 mode enforce currency USD stages EXP
  closing faces every rule
  overrides tightest wins
  unlimited loss
}
limit EXP-010 "Order value" { intent.notional at most 10_000 USD  else deny }
"""
WITHOUT = "import sys; sys.modules[{!r}] = None\n"
COMMAND = "from caplex.compiler.cli.main import run; sys.exit(run(sys.argv[1:]))"
FRAMES = "frames want an extra that is not installed: pip install 'caplex[frames]'"


@pytest.fixture
def desk(tmp_path) -> Path:
    (tmp_path / "desk.cap").write_text(POLICY, encoding="utf-8")
    (tmp_path / "intents.parquet").write_bytes(b"PAR1")
    (tmp_path / "a.journal").write_bytes(b"")
    return tmp_path


def python(folder: Path, without: str, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT.format(without) + script, *words], capture_output=True, text=True, cwd=folder, check=False)


@pytest.mark.parametrize(("without", "words", "sentence"), [
    ("numpy", ("decide", "desk.cap", "--batch", "intents.parquet"), FRAMES),
    ("distributed", ("replay", "a.journal", "--executor", "dask:tcp://x:1"), "a Dask cluster wants an extra that is not installed: pip install 'caplex[cluster]'"),
    ("pygls", ("lsp",), "the language server wants an extra that is not installed: pip install 'caplex[lsp]'"),
])
def test_a_command(desk, without, words, sentence):
    done = python(desk, without, COMMAND, *words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {sentence}\n")


def test_as_json(desk):
    done = python(desk, "numpy", COMMAND, "decide", "desk.cap", "--batch", "intents.parquet", "--format", "json")
    assert json.loads(done.stdout) == {"schema": "caplex.error/1", "status": 2, "message": FRAMES, "diagnostics": []}
    assert done.returncode == 2


def test_from_python(desk):
    script = """import caplex
policy = caplex.load("desk.cap")
for call in (lambda: policy.decide_frame(None), lambda: policy.decide_row(None, 0), lambda: caplex.Engine(policy).decide_frame(None)):
    try:
        call()
    except caplex.CaplexError as error:
        print(error)
"""
    done = python(desk, "numpy", script)
    assert (done.stdout, done.stderr) == (3 * (FRAMES + "\n"), "")


def test_the_benchmark_of_columns(tmp_path):
    benchmark = Path(__file__).resolve().parents[2] / "benchmarks" / "columns.py"
    done = python(tmp_path, "numpy", "import runpy; runpy.run_path(sys.argv[1], run_name='__main__')", str(benchmark), "--help")
    assert (done.returncode, done.stderr) == (1, "columns.py wants numpy, which is not installed: pip install -e '.[frames]' pandas\n")
