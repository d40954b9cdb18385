"""A size that is not known yet: what the fused form does at one size, and between which sizes it would do the same.

Run on a `Size` in the place of its first integer, the fused form reckons with straight lines over the size, and every comparison is
answered as at the size at hand, and narrows the span in which it would be answered alike. Within that span the form takes the same
path, and so its answer is the same; nothing has to be known of how it was written (docs/adr/0014-specialised-policies.md).
"""
from __future__ import annotations

from typing import Any, Final

FAR: Final = 10**40
"""In units of the fused form: no size is looked at beyond it."""


class Bent(Exception):
    """The form does more with the size than to draw straight lines: a square of it, a remainder, a set that it must be in."""


class Path:
    """What is known of a run at *size*: it would have been the same from *low* to *high*."""

    __slots__ = ("high", "low", "size")

    def __init__(self, size: int) -> None:
        self.size, self.low, self.high = size, 1, FAR

    def at_most(self, slope: int, rest: int) -> bool:
        """Is ``slope · size + rest ≤ 0``? *slope* is not zero."""
        if slope < 0:  # whole numbers: not (… ≤ 0) is 1 − … ≤ 0
            return not self.at_most(-slope, 1 - rest)
        edge = -rest // slope
        if self.size <= edge:
            self.high = min(self.high, edge)
            return True
        self.low = max(self.low, edge + 1)
        return False

    def is_zero(self, slope: int, rest: int) -> bool:
        """Is ``slope · size + rest = 0``? *slope* is not zero."""
        root, left = divmod(-rest, slope)
        if left:
            return False
        if self.size == root:
            self.low = self.high = root
            return True
        if self.size < root:
            self.high = min(self.high, root - 1)
        else:
            self.low = max(self.low, root + 1)
        return False


class Size:
    """``slope · size + rest`` on a path; *slope* is never zero, for then it is an `int`."""

    __slots__ = ("path", "rest", "slope")

    def __init__(self, path: Path, slope: int = 1, rest: int = 0) -> None:
        self.path, self.slope, self.rest = path, slope, rest

    def _line(self, slope: int, rest: int) -> Any:
        return Size(self.path, slope, rest) if slope else rest

    # ── reckoning ────────────────────────────────────────────────────────────────────────────────────

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Size):
            return self._line(self.slope + other.slope, self.rest + other.rest)
        return Size(self.path, self.slope, self.rest + other) if isinstance(other, int) else NotImplemented

    __radd__ = __add__

    def __neg__(self) -> Any:
        return Size(self.path, -self.slope, -self.rest)

    def __sub__(self, other: Any) -> Any:
        return self + -other if isinstance(other, Size | int) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return -self + other if isinstance(other, int) else NotImplemented

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Size):
            raise Bent
        return self._line(self.slope * other, self.rest * other) if isinstance(other, int) else NotImplemented

    __rmul__ = __mul__

    def _bent(self, *_: object) -> Any:
        raise Bent

    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __divmod__ = __abs__ = __index__ = __int__ = _bent
    __hash__ = _bent  # to look for it in a set would compare it with every member

    # ── comparing ────────────────────────────────────────────────────────────────────────────────────

    def _beside(self, other: Any, more: int) -> Any:
        """Is ``self − other + more ≤ 0``?"""
        difference = self - other
        return self.path.at_most(difference.slope, difference.rest + more) if isinstance(difference, Size) else difference + more <= 0

    def __le__(self, other: Any) -> Any:
        return self._beside(other, 0) if isinstance(other, Size | int) else NotImplemented

    def __lt__(self, other: Any) -> Any:
        return self._beside(other, 1) if isinstance(other, Size | int) else NotImplemented

    def __ge__(self, other: Any) -> Any:
        return not self._beside(other, 1) if isinstance(other, Size | int) else NotImplemented

    def __gt__(self, other: Any) -> Any:
        return not self._beside(other, 0) if isinstance(other, Size | int) else NotImplemented

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, Size | int):
            return NotImplemented
        difference = self - other
        return self.path.is_zero(difference.slope, difference.rest) if isinstance(difference, Size) else difference == 0

    def __ne__(self, other: object) -> Any:
        found = self.__eq__(other)
        return found if found is NotImplemented else not found

    def __bool__(self) -> bool:
        return not self.path.is_zero(self.slope, self.rest)
