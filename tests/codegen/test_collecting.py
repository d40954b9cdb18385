"""The collector rests while a policy is loaded, does not walk over the policy behind it, and goes on as it was."""
from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import caplex
from caplex.compiler.collecting import paused

ROOT = Path(caplex.__file__).resolve().parents[1]
RULES = "".join(f'rule EXP-{n:03d} {{ deny when intent.symbol == "S{n}" and intent.quantity > {n} }}\n' for n in range(1, 300))
TEXT = f'policy many {{ version "1" language 1 mode enforce currency USD timezone "UTC" stages EXP closing faces every rule unlimited loss unlimited exposure lot 1 }}\n{RULES}'


@pytest.fixture
def walks() -> Iterator[list[int]]:
    """How many objects lay before the collector each time that it began."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            seen.append(len(gc.get_objects(0)))

    gc.collect()
    gc.callbacks.append(note)
    try:
        yield seen
    finally:
        gc.callbacks.remove(note)


def test_a_loaded_policy_is_not_walked_over(walks: list[int]) -> None:
    policy = caplex.loads(TEXT)
    more = [[] for _ in range(2_000)]
    assert gc.isenabled()
    assert walks  # it goes on
    assert max(walks) < 5_000
    assert len(policy.plan.rules) == 299
    assert len(more) == 2_000


@pytest.mark.parametrize("text", [TEXT, *((ROOT / "examples" / name).read_text(encoding="utf-8") for name in ("quickstart/desk.cap", "crypto_desk/policy.cap"))],
                         ids=["many", "quickstart", "crypto"])
def test_no_garbage_is_left_in_circles(text: str) -> None:
    caplex.loads(text)
    gc.collect()
    policy = caplex.loads(text)
    assert gc.collect() < 20
    del policy


def test_what_the_host_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        with paused(settled=True):
            kept = [[] for _ in range(100)]
        assert gc.get_freeze_count() == before > 0
        assert len(kept) == 100
    finally:
        gc.unfreeze()


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        with paused(settled=True):
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
