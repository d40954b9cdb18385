"""The pairs can tell right from wrong: each listed mistake in the emitters or the driver is found by a few of them.

A mutant changes one thing in the compiled side; it is killed when the reference disagrees with it on a pair. Some rewrite
generated source, some wrap or replace a function; all are undone.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from differential.facts import Document
from differential.harness import Subject, explore, subject

SEEDS = range(100_000, 100_700)
"""A policy of these kills each mutant; most die on the first dozen."""
Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """*rebuild*: it changes what is generated, so that policies are compiled anew under it. *needs*: a word of the policy."""

    name: str
    patch: Patch
    rebuild: bool = False
    needs: str = ""


@cache
def asked(seed: int) -> tuple[Subject, tuple[tuple[Document, Any], ...]]:
    """A policy, documents for it, and what the reference says to each: worked out once for all mutants."""
    tested = subject(seed)
    return tested, tuple((pair.document, pair.expected) for pair in explore(tested, seed, 2))
