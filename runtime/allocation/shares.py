"""Water-filling: shares proportional to weights inside bounds, exact; and shares as they are printed."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from caplex.runtime.allocation.ruling import PLACES

ZERO, ONE = Fraction(0), Fraction(1)
UNIT = 10**PLACES


def fill(weights: Sequence[Fraction], floors: Sequence[Fraction], ceilings: Sequence[Fraction], room: Fraction) -> list[Fraction]:
    """Shares that sum to *room*: the level times the weight, and never outside the bounds. No weight may be negative.

    What those with a weight cannot take is parted equally among those without. The floors sum to *room* at most, the
    ceilings to *room* at least.
    """
    weighted = [index for index, weight in enumerate(weights) if weight > 0]
    least = sum((floors[index] for index, weight in enumerate(weights) if not weight), ZERO)
    most = sum((ceilings[index] for index in weighted), ZERO)
    shares = list(floors)
    if weighted and least + most >= room:
        level = _level([weights[index] for index in weighted], [floors[index] for index in weighted],
                       [ceilings[index] for index in weighted], room - least)
        for index in weighted:
            shares[index] = min(max(level * weights[index], floors[index]), ceilings[index])
        return shares
    for index in weighted:
        shares[index] = ceilings[index]
    rest = [index for index, weight in enumerate(weights) if not weight]
    if rest:
        filled = fill([ONE] * len(rest), [floors[index] for index in rest], [ceilings[index] for index in rest], room - most)
        for index, share in zip(rest, filled, strict=True):
            shares[index] = share
    return shares


def _level(weights: Sequence[Fraction], floors: Sequence[Fraction], ceilings: Sequence[Fraction], room: Fraction) -> Fraction:
    """Where the water stands: the sum of the shares grows with the level, from all floors to all ceilings, along straight pieces."""
    turns = sorted([(floor / weight, weight) for floor, weight in zip(floors, weights, strict=True)]
                   + [(ceiling / weight, -weight) for ceiling, weight in zip(ceilings, weights, strict=True)])
    level, held, slope = ZERO, sum(floors, ZERO), ZERO
    for turn, change in turns:
        if held + slope * (turn - level) >= room:
            break
        held, level, slope = held + slope * (turn - level), turn, slope + change
    return level + (room - held) / slope if held < room else level


def printed(shares: Mapping[str, Fraction]) -> dict[str, int]:
    """*shares* in units of 1e-12, by the largest remainder, ties by name: what is printed sums to what there is, rounded down."""
    units = {name: share.numerator * UNIT // share.denominator for name, share in sorted(shares.items())}
    total = sum(shares.values(), ZERO)
    left = total.numerator * UNIT // total.denominator - sum(units.values())
    for name in sorted(units, key=lambda name: (units[name] - shares[name] * UNIT, name))[:left]:
        units[name] += 1
    return units
