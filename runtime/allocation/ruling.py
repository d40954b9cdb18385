"""What an allocation came to, as data: exact, and without words. Both semantics answer with it."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from caplex.runtime.values import Leaf

State = Literal["rebalance", "keep", "frozen", "refused"]
"""A new plan · the old one, since nothing moves enough · the old one, since it is frozen · the old one, since no plan can be made."""
Bound = Literal["floor", "ceiling", "fixed"]
PLACES = 12
"""Decimals of a printed share."""


@dataclass(frozen=True, slots=True)
class Term:
    """A summand of a score: *contribution* is weight times value, with its sign."""

    text: str
    weight: Fraction | None
    value: Fraction
    contribution: Fraction


@dataclass(frozen=True, slots=True)
class Named:
    """One name of the plan.

    Attributes:
        score: None for a fixed share.
        share: Before the scale; exact.
        bound: What holds the share where it is.
    """

    name: str
    score: Fraction | None
    share: Fraction
    bound: Bound | None
    floor: Fraction | None = None
    ceiling: Fraction | None = None
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Infeasible:
    """Bounds that no shares can meet: their *total* beside the *room* that is to be shared out.

    Attributes:
        bound: ``ceiling``: all together stay below the room, the rest is cash; ``floor``, ``fixed``: there is no plan.
        name: The one whose floor lies above its ceiling; then *total* is the floor and *room* the ceiling.
        count: How many names have these bounds.
    """

    bound: Bound
    total: Fraction
    room: Fraction
    count: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """A bare reading that the policy clamped: *value* became *used*. *name* is None for one that all names share."""

    name: str | None
    field: str
    value: Fraction
    used: Fraction


@dataclass(frozen=True, slots=True)
class Lost:
    """A reading that cannot be used, and whose score it belongs to; None where it is nobody's own."""

    name: str | None
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Ruled:
    """The answer.

    Attributes:
        previous: The plan in force before; None if there was none.
        names: The new plan, by name; empty where there is none.
        units: The new plan as printed, after the scale, in units of 1e-12; None where there is none.
        largest: The largest change in points; None with no plan in force, or no new one.
    """

    state: State
    previous: Mapping[str, Fraction] | None
    names: tuple[Named, ...] = ()
    units: Mapping[str, int] | None = None
    scale: Fraction | None = None
    threshold: Fraction | None = None
    largest: Fraction | None = None
    infeasible: Infeasible | None = None
    lost: tuple[Lost, ...] = ()
    cuts: tuple[Cut, ...] = ()
