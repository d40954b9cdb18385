"""The files of a policy, looked at between events: has one of them changed since it was read?"""
from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caplex.runtime.engine.engine import Engine

EVERY_S = 1.0
Stamp = tuple[int, int, int]


class Files:
    """The entry *path* and every file that the present policy of *engine* was compiled from.

    Args:
        every_s: No oftener than this is the disk asked.
    """

    def __init__(self, path: str, engine: Engine, *, every_s: float = EVERY_S) -> None:
        self._path, self._engine, self._every_s = path, engine, every_s
        self._asked = time.monotonic()
        self._known: dict[str, Stamp] = {}  # so that the first look compares texts: the file may have changed since it was compiled

    def changed(self) -> bool:
        """Whether to compile anew. What was not compilable is not tried again before it changes again."""
        now = time.monotonic()
        if now - self._asked < self._every_s:
            return False
        self._asked = now
        found = self._look()
        if found == self._known:
            return False
        self._known = found
        return any(Path(name).is_file() and Path(name).read_text(encoding="utf-8", errors="replace") != text for name, text in self._texts().items())

    def _texts(self) -> dict[str, str]:
        """Texts by file, as they were compiled; the entry under the name under which it is run."""
        sources = dict(self._engine.policy.plan.sources)
        entry = next(iter(sources), None)
        return {self._path: sources.pop(entry) if entry is not None else "", **sources}

    def _look(self) -> dict[str, Stamp]:
        found = {}
        for name in self._texts():
            try:
                stat = os.stat(name)
            except OSError:
                continue  # a pack that is shipped, or a file that an editor is just replacing
            found[name] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        return found
