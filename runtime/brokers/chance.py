"""Chance that comes out the same each time: a share between 0 and 1 from a seed and names, by a hash."""
from __future__ import annotations

from fractions import Fraction
from hashlib import sha256
from typing import Final

_ALL: Final = 2**64


class Chance:
    """Draws that depend on *seed* and on what is drawn for, and on nothing else: not on the order of the questions."""

    def __init__(self, seed: int | str) -> None:
        self._seed = str(seed)

    def share(self, *names: object) -> Fraction:
        """At least 0 and below 1."""
        text = "\x1f".join([self._seed, *map(str, names)])
        return Fraction(int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big"), _ALL)

    def happens(self, rate: Fraction, *names: object) -> bool:
        """Whether what happens at *rate* happens here."""
        return bool(rate) and self.share(*names) < rate

    def name(self, *names: object) -> str:
        """Twelve letters and digits."""
        text = "\x1f".join([self._seed, *map(str, names)])
        return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
