"""Lets the tests of this folder import the benchmarks, which are scripts and no package.

They are on the path only meanwhile: `benchmarks/engine.py` would stand before the folder `tests/engine`.
"""
from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

BENCHMARKS = str(Path(__file__).resolve().parents[2] / "benchmarks")

sys.path.insert(0, BENCHMARKS)
for name in ("baseline", "history", "peers", "plots", "report", "results"):
    import_module(name)
sys.path.remove(BENCHMARKS)
