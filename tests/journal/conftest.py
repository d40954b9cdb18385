"""A short journal to do harm to."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from caplex.runtime.journal import Journal

AT = "2026-01-05T15:00:00.000000Z"
HEADER: dict[str, Any] = {"policy": {"name": "desk", "hash": "sha256:1"}, "engine": "caplex 0.1.0"}


def _make(path: Path, lines: int, **options: Any) -> Path:
    """A journal of *lines* short lines, the opening one among them; kinds and bodies vary."""
    with Journal.open(path, header=HEADER, at=AT, **options) as journal:
        for number in range(1, lines):
            journal.append(("event", "decision", "note")[number % 3], AT if number % 2 else None, {"n": str(number), "t": 'a"b}{\u20ac'})
    return path


@pytest.fixture
def make() -> Callable[..., Path]:
    return _make
