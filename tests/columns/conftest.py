"""Generators of policies and documents are those of the differential tests. Without the frame libraries nothing here is collected."""
from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

collect_ignore_glob = [] if all(map(find_spec, ("numpy", "narwhals", "pyarrow", "pandas", "polars"))) else ["test_*.py"]

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]
