"""Puts `tests/` on the path: these tests share generators with those of `differential`."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
