"""What language.md §1 promises of every policy, held on generated ones: each property is one sentence about two rulings."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from caplex.runtime.ruling import Ruling, Verdict
from differential.facts import Document, Facts, drop, knob_of, paths, plain, put
from differential.harness import Subject, compiled, explore, subject
from differential.policies import Policy

SEEDS = range(200_000, 200_500)
ORDER = {Verdict.ALLOW: 0, Verdict.MODIFY: 1, Verdict.HOLD: 2, Verdict.DENY: 3}
LEAST = 500


def cases(*, every: int = 1) -> Iterator[tuple[Subject, Document, Ruling]]:
    """Policies with documents and what the compiled form says to them."""
    for seed in SEEDS[::every]:
        tested = subject(seed)
        for pair in explore(tested, seed, 1, ask=tested.alone):
            yield tested, pair.document, pair.found.ruling


def let_through(ruling: Ruling) -> Fraction:
    """What may go ahead, at the latest after an approval."""
    return ruling.quantity if ruling.if_approved is None else ruling.if_approved
