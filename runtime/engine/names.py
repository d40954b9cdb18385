"""Which names a store may hold: asked at every intent, so that it costs no search where the answer is no."""
from __future__ import annotations

from typing import Final

_BITS: Final = 2**24
_MASK: Final = _BITS - 1


class Names:
    """A Bloom filter of fixed size, two megabytes.

    What it does not hold is not there; what it seems to hold is looked up. Beyond some millions of names it says `perhaps` more often.
    """

    __slots__ = ("_bits",)

    def __init__(self) -> None:
        self._bits = bytearray(_BITS >> 3)

    def add(self, name: object) -> None:
        bits, found = self._bits, hash(name)
        for place in (found & _MASK, found >> 20 & _MASK, found >> 40 & _MASK):
            bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, name: object) -> bool:
        bits, found = self._bits, hash(name)
        place = found & _MASK
        if not bits[place >> 3] >> (place & 7) & 1:
            return False
        place, last = found >> 20 & _MASK, found >> 40 & _MASK
        return bool(bits[place >> 3] >> (place & 7) & bits[last >> 3] >> (last & 7) & 1)
