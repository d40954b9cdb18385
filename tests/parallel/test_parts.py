"""A journal cut by account comes to what one machine comes to: every answer, every flip, the hash of every account."""
from __future__ import annotations

from pathlib import Path

import pytest
from journals import drawn, in_parts, source

import caplex
from caplex.compiler.recorded import compile_recorded
from caplex.runtime.engine.rebuilding import policy_record
from caplex.runtime.parallel.working import Task, perform

SEPARABLE = ("limits", "rates", "holds", "knobs", "sizes", "venues", "fresh")


class TestDrawn:
    @pytest.mark.parametrize("name", SEPARABLE)
    def test_parts_are_the_whole(self, name: str, tmp_path: Path) -> None:
        cut = 0
        for seed in range(3):
            path = drawn(tmp_path / f"{seed}.journal", name, seed + 2, 90)
            other = caplex.loads(source(name).replace("1_000 USD", "400 USD").replace("9_000 USD", "3_000 USD"), name="other.cap")
            found = in_parts(path, 3, [other])
            if found is None:
                continue
            cut += 1
            _, _, merged, flips = found
            whole = perform(Task(str(path), compile_recorded, (policy_record(other),)))
            assert merged.differences == []
            one, two = whole.found.to_dict(), merged.to_dict()
            for told in (one, two):
                told["notes"].sort()
                del told["digest"]
            assert two == one
            assert [each.to_dict() for each in flips] == [each.to_dict() for each in whole.flips]
        assert cut, "no stream could be cut: nothing was tested"
