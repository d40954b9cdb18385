"""Lines below each other whose parts stand in columns."""
from __future__ import annotations

from collections.abc import Sequence

from caplex.compiler.formatting.document import FURTHEST, WIDTH, Doc, flat_width

Cells = list["Doc | None"]


def align(rows: Sequence[Cells], gaps: Sequence[str], *, indent: int = 0, furthest: int = FURTHEST) -> list[Doc]:
    """The *rows* as lines: as many columns as fit are aligned, counted from the left.

    Args:
        rows: Their cells; None where a row has nothing in a column. All have as many, and the first is always there. The last of a row may open
            up over several lines: then only its place is looked at.
        gaps: What stands before each column at least; that of the first is not used.
        indent: What stands before the rows.
        furthest: How much wider than that a space may become; if one would, fewer columns are aligned.
    """
    columns = [number for number in range(len(gaps)) if any(row[number] is not None for row in rows)]
    kept = [[row[number] for number in columns] for row in rows]
    least = [len(gaps[number]) for number in columns]
    widths = [[None if cell is None else flat_width(cell) or 0 for cell in row] for row in kept]
    for aligned in range(len(columns) - 1, 0, -1) if len(rows) > 1 else ():
        places = _places(widths, least, aligned, furthest)
        if places is not None and all(end + indent <= WIDTH for _, end in places):
            return [_line(row, gaps) for row, (gaps, _) in zip(kept, places, strict=True)]
    return [_line(row, least) for row in kept]


def _places(widths: list[list[int | None]], least: list[int], aligned: int, furthest: int) -> list[tuple[list[int], int]] | None:
    """The space before each cell and the end, by row, when the columns up to *aligned* are; None if one would stand too far off."""
    starts = [0]
    for number in range(1, aligned + 1):
        # Only what something follows makes its column wide.
        followed = [row[number - 1] or 0 for row in widths if any(width is not None for width in row[number:])]
        starts.append(starts[-1] + max(followed, default=0) + least[number])
    out = []
    for row in widths:
        at = row[0] or 0
        gaps = [0]
        for number in range(1, len(row)):
            width = row[number]
            gap = max(starts[number] - at, least[number]) if number <= aligned else least[number]
            gaps.append(gap)
            if width is None:
                continue
            if gap - least[number] > furthest:
                return None
            at += gap + width
        out.append((gaps, at))
    return out


def _line(row: Cells, gaps: Sequence[int]) -> Doc:
    out: list[Doc] = []
    for number, cell in enumerate(row):
        if cell is not None:
            out += [" " * gaps[number], cell] if number else [cell]
    return out
