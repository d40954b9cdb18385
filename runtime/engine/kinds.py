"""What is known of kinds of intents (`lane`), and how many are known at a time."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from caplex.runtime.engine.lines import Line
    from caplex.runtime.engine.prepared import Prepared

MOST: Final = 65_536
"""What all of them may weigh. One is a kind that was prepared from another one, about two thousand bytes:
five thousand symbols, two sides and six strategies have room."""
HEAVY: Final = 15
"""One that was prepared at length, with all its readings."""
Kind = tuple[Any, ...]


class Kinds:
    """What is known of one kind of intent: how it is prepared, None if it cannot be; and its line, once one was approved."""

    __slots__ = ("elder", "failed", "hopeless", "line", "pause", "prepared", "weight")

    def __init__(self) -> None:
        self.prepared: Prepared | None = None
        self.elder: Kinds | None = None  # the one that it was prepared from: what that learns counts for both
        self.line: Line | None = None
        self.weight = 1
        self.hopeless = False
        self.failed = self.pause = 0  # how often in a row it could not be prepared, and for how many intents that is not tried again


class Roster(dict[Kind, Kinds]):
    """Kinds that are known, the one that has been known longest first."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = 0

    def add(self, kind: Kind) -> Kinds:
        """One of which nothing is known yet; where there is no room, those that have been known longest go, a quarter by weight,
        so that a stream of more kinds does not lose all of them at once."""
        if self.weight >= MOST:
            for each in list(self):
                if self.weight <= MOST * 3 // 4:
                    break
                self.weight -= self.pop(each).weight
        found = self[kind] = Kinds()
        self.weight += 1
        return found

    def weigh(self, known: Kinds) -> None:
        """*known*, which is one of these, was prepared at length."""
        self.weight += HEAVY - known.weight
        known.weight = HEAVY
