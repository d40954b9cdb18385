"""Sizes that can be traded, and the sizes at which a maximum of affine pieces is not positive."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from caplex.runtime.values import Leaf, Unknown, floor_to

ZERO = Fraction(0)
Span = tuple[Fraction, Fraction, bool, bool]


@dataclass(slots=True)
class Grid:
    """What the venue trades: multiples of *lot* from the least to the most, and any multiple within the closing leg.

    Attributes:
        lot: Unknown where neither instrument nor header gives one; None for acts that have no size (cancel, noop).
        least_quantity, least_notional: Minimums of the opening order; *unit* is its money per unit.
    """

    lot: Any
    closing: Fraction
    most: Any = None
    least_quantity: Any = None
    least_notional: Any = None
    unit: Any = None

    @property
    def leaves(self) -> frozenset[Leaf]:
        """Readings that the grid needed and could not use."""
        found: frozenset[Leaf] = frozenset()
        for value in (self.lot, self.most, self.least_quantity, self.least_notional):
            if isinstance(value, Unknown):
                found |= value.leaves
        if self.least_notional is not None and isinstance(self.unit, Unknown):
            found |= self.unit.leaves
        return found

    def snap(self, x: Fraction) -> Fraction | None:
        """The largest tradable size up to *x*; None where the lot is unknown."""
        if self.lot is None:
            return max(x, ZERO)
        if isinstance(self.lot, Unknown) or isinstance(self.most, Unknown):
            return None
        if self.most is not None:
            x = min(x, self.most)
        if x <= 0:
            return ZERO
        size = floor_to(x, self.lot)
        if size <= self.closing or self._large_enough(size):
            return size
        return floor_to(min(self.closing, x), self.lot)

    def below(self, x: Fraction) -> Fraction | None:
        """The largest tradable size under *x*."""
        if self.lot is None or isinstance(self.lot, Unknown):
            return None
        under = floor_to(x, self.lot)
        return self.snap(under - self.lot if under == x else under)

    def _large_enough(self, size: Fraction) -> bool:
        """A minimum that cannot be read is not met."""
        if isinstance(self.least_quantity, Unknown) or isinstance(self.least_notional, Unknown):
            return False
        if self.least_quantity is not None and size < self.least_quantity:
            return False
        if self.least_notional is None:
            return True
        return not isinstance(self.unit, Unknown) and bool(size * self.unit >= self.least_notional)


def interval(pieces: Iterable[tuple[Fraction, Fraction]], *, strict: bool, high: Fraction) -> Span | None:
    """Sizes in ``[0, high]`` at which every ``slope·q + intercept`` is ≤ 0 (*strict*: < 0).

    Returns:
        ``(low, high, low is excluded, high is excluded)``, or None if there are none.
    """
    low, open_low, open_high = ZERO, False, False
    for slope, intercept in pieces:
        if slope == 0:
            if intercept > 0 or (strict and intercept == 0):
                return None
            continue
        root = -intercept / slope
        if slope > 0 and root <= high:
            high, open_high = root, strict
        elif slope < 0 and root >= low:
            low, open_low = root, strict
    if high < low or high < 0 or (high == low and (open_low or open_high)):
        return None
    return low, high, open_low, open_high
