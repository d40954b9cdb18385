"""What a picture is made of, placed: boxes, words, lines. Whole pixels, so that the same diagram gives the same bytes."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from caplex.compiler.tools.diagram import measure


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; *kind* names its colours, *round* its corners."""

    x: int
    y: int
    width: int
    height: int
    kind: str
    round: int = 6


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text whose baseline is at *y*; *turned* text reads from bottom to top."""

    x: int
    y: int
    text: str
    kind: str
    size: int = 13
    bold: bool = False
    anchor: Literal["start", "middle", "end"] = "start"
    turned: bool = False

    @property
    def extent(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom."""
        wide = measure.width(self.text, self.size, self.bold)
        before = {"start": 0, "middle": wide // 2, "end": wide}[self.anchor]
        above, below = self.size * 4 // 5, self.size // 5
        if self.turned:
            return self.x - above, self.y - wide + before, self.x + below, self.y + before
        return self.x - before, self.y - above, self.x - before + wide, self.y + below


@dataclass(frozen=True, slots=True)
class Line:
    """A path through *points* with rounded corners; *head* draws an arrow at its end."""

    points: tuple[tuple[int, int], ...]
    kind: str
    head: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Shapes that share a tooltip."""

    title: str
    shapes: tuple[Box | Words | Line, ...]


Shape = Box | Words | Line | Group


@dataclass(slots=True)
class Drawing:
    """A finished picture."""

    title: str
    about: str
    width: int = 0
    height: int = 0
    shapes: list[Shape] = field(default_factory=list)

    def flat(self) -> list[Box | Words | Line]:
        return [one for shape in self.shapes for one in (shape.shapes if isinstance(shape, Group) else (shape,))]
