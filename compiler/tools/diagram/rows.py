"""The rows of a stage, placed: in full for a policy that a page can hold, in columns for one that it cannot."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from caplex.compiler.tools.diagram.measure import fit, width, wrap
from caplex.compiler.tools.diagram.model import Row
from caplex.compiler.tools.diagram.shapes import Box, Group, Words

TONES: Final = {"kept": "good", "broken": "bad", "unknown": "bad", "reduced": "warn", "held": "warn", "warned": "warn", "monitored": "info",
                "waived": "soft", "not-applicable": "soft", "not-judged": "soft"}
EFFECTS: Final = {"denies": "bad", "reduces": "warn", "holds": "warn", "warns": "info", "sizes": "soft"}
VERDICTS: Final = {"ALLOW": "good", "MODIFY": "warn", "HOLD": "warn", "DENY": "bad"}
WORST: Final = ("bad", "warn", "info", "good", "soft")
MAIN: Final = 13
SMALL: Final = 11
_PAD: Final = 16
_MARK: Final = 22
_GAP: Final = 12
_LONGEST_ID: Final = 190
_LONGEST_LIMIT: Final = 230
_LONGEST_SEEN: Final = 170
_LINE: Final = 24
_SECOND: Final = 17


def tone(row: Row) -> str:
    return TONES.get(row.state or "", "soft")


def effect_tone(row: Row) -> str:
    return EFFECTS.get(row.effect.partition(" ")[0], "soft")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where things stand in a row, the same in every stage of a picture.

    Attributes:
        across: Rows beside each other; 1 is in full.
        id, seen, limit: Widths; *seen* is the effect's where nothing was decided, and *limit* the severity's.
    """

    decided: bool
    across: int
    id: int
    seen: int
    limit: int

    @classmethod
    def of(cls, rows: Iterable[Row], decided: bool, across: int) -> Columns:
        found = list(rows)
        longest = max((width(row.id, MAIN, bold=True) for row in found), default=0)
        if decided:
            seen = max((width(row.observed, MAIN) for row in found), default=0) + 12
            limits = [width(row.limit, MAIN) for row in found]
            return cls(True, across, min(longest, _LONGEST_ID), min(seen, _LONGEST_SEEN), max((one for one in limits if one <= _LONGEST_LIMIT), default=0))
        effects = max((width(row.effect, SMALL) for row in found), default=0) + 16
        return cls(False, across, min(longest, _LONGEST_ID), effects, max((width(row.severity, SMALL) for row in found), default=0))


def height(rows: Sequence[Row], columns: Columns, room: int) -> int:
    if columns.across > 1:
        return -(-len(rows) // columns.across) * 21
    return sum(_tall(row, columns, room) for row in rows)


def place(rows: Sequence[Row], columns: Columns, left: int, top: int, room: int) -> tuple[list[Group], dict[str, int]]:
    """The shapes of *rows*, and the height at which an edge meets each of them."""
    groups: list[Group] = []
    meets: dict[str, int] = {}
    if columns.across > 1:
        deep = -(-len(rows) // columns.across)
        cell = room // columns.across
        for number, row in enumerate(rows):
            x, y = left + number // deep * cell, top + number % deep * 21
            groups.append(_short(row, columns, x, y, cell))
            meets.setdefault(row.id, y + 11)
        return groups, meets
    for row in rows:
        groups.append(_full(row, columns, left, top, room))
        meets.setdefault(row.id, top + _LINE // 2)
        top += _tall(row, columns, room)
    return groups, meets


def _tall(row: Row, columns: Columns, room: int) -> int:
    return _LINE + 2 + _SECOND * len(_below(row, columns, room))


def _aside(row: Row, columns: Columns) -> str:
    """What belongs to the bound, for the right of the lines below."""
    if row.kind == "size" and not columns.decided:
        return " · ".join([*row.notes, *row.settings])
    if not columns.decided:
        return " · ".join([*row.settings, *row.notes])
    far = row.limit if width(row.limit, MAIN) > columns.limit else ""
    return " · ".join(part for part in (far, row.origin, row.note) if part)


def _below(row: Row, columns: Columns, room: int) -> list[tuple[str, str]]:
    """The lines below the first: what the rule asks for at the left, what belongs to its bound at the right of the last."""
    room -= 2 * _PAD + columns.id + _GAP + (_MARK if columns.decided else 0)
    aside = fit(_aside(row, columns), room, SMALL)
    lines = wrap(row.demand, room, SMALL, 4 if row.kind == "size" else 2) if row.demand else []
    if not aside:
        return [(line, "") for line in lines]
    if lines and width(lines[-1], SMALL) + 2 * _GAP + width(aside, SMALL) <= room:
        return [*((line, "") for line in lines[:-1]), (lines[-1], aside)]
    return [*((line, "") for line in lines), ("", aside)]


# ── in full: two lines or more ────────────────────────────────────────────────────────────────────────────────


def _full(row: Row, columns: Columns, left: int, top: int, room: int) -> Group:
    shapes: list[Box | Words] = []
    right, base = left + room - _PAD, top + 16
    ink = "soft" if row.dim else "ink"
    if row.decides:
        shapes.append(Box(left + 6, top - 1, room - 12, _tall(row, columns, room) - 1, f"{tone(row)}-tint", 4))
    x = left + _PAD
    if columns.decided:
        shapes.append(Words(x, base, row.mark, tone(row), MAIN + 1, bold=True))
        x += _MARK
    shapes.append(Words(x, base, fit(row.id, columns.id, MAIN, bold=True), ink, MAIN, bold=True))
    x += columns.id + _GAP
    end = _seen(row, columns, shapes, right, base, ink) if columns.decided else _effect(row, columns, shapes, right, base)
    if row.title:
        shapes.append(Words(x, base, fit(row.title, end - _GAP - x, MAIN), ink, MAIN))
    for number, (line, aside) in enumerate(_below(row, columns, room), 1):
        if line:
            shapes.append(Words(x, base + _SECOND * number, line, "soft", SMALL))
        if aside:
            shapes.append(Words(right, base + _SECOND * number, aside, "soft", SMALL, anchor="end"))
    return Group(row.help, tuple(shapes))


def _effect(row: Row, columns: Columns, shapes: list[Box | Words], right: int, base: int) -> int:
    """What the rule does, as a plate, and before it how much it matters; returns where they begin."""
    kind = effect_tone(row)
    if row.effect:
        shapes.append(Box(right - columns.seen, base - 13, columns.seen, 18, f"{kind}-tint", 9))
        shapes.append(Words(right - columns.seen // 2, base, row.effect, kind, SMALL, anchor="middle"))
    end = right - columns.seen - _GAP
    if row.severity:
        shapes.append(Words(end, base, row.severity, "soft", SMALL, anchor="end"))
    return end - columns.limit


def _seen(row: Row, columns: Columns, shapes: list[Box | Words], right: int, base: int, ink: str) -> int:
    """What was seen, on a plate, and the bound beside it; returns where they begin."""
    start = right - columns.limit
    if row.limit and width(row.limit, MAIN) <= columns.limit:
        shapes.append(Words(start, base, row.limit, "soft", MAIN))
    end = start - _GAP if columns.limit else right
    if not row.observed:
        return end
    seen = fit(row.observed, columns.seen - 12, MAIN)
    wide = width(seen, MAIN) + 12
    if not row.dim and not row.decides:
        shapes.append(Box(end - wide, base - 14, wide, 19, f"{tone(row)}-tint", 4))
    shapes.append(Words(end - 6, base, seen, ink if tone(row) in ("good", "soft") else tone(row), MAIN, anchor="end"))
    return end - wide


# ── one line, several beside each other ───────────────────────────────────────────────────────────────


def _short(row: Row, columns: Columns, left: int, top: int, room: int) -> Group:
    shapes: list[Box | Words] = []
    ink, base = "soft" if row.dim else "ink", top + 15
    x, right = left + _PAD, left + room - _PAD
    if row.decides:
        shapes.append(Box(left + 6, top, room - 12, 21, f"{tone(row)}-tint", 4))
    if columns.decided:
        shapes.append(Words(x, base, row.mark, tone(row), MAIN, bold=True))
        x += _MARK - 4
    name = fit(row.id, min(columns.id, room // 3), SMALL + 1, bold=True)
    shapes.append(Words(x, base, name, ink, SMALL + 1, bold=True))
    x += min(columns.id, room // 3) + 8
    trips = [note for note in row.notes if note.startswith("trips ")]
    told = ", ".join(part for part in (row.observed, row.limit) if part) if columns.decided else ", ".join([row.effect, *trips])
    kind = (tone(row) if tone(row) not in ("good", "soft") else "soft") if columns.decided else effect_tone(row)
    told = fit(told, max(room // 2 - _PAD, 60), SMALL)
    end = right - width(told, SMALL)
    if told:
        shapes.append(Words(right, base, told, kind, SMALL, anchor="end"))
    title = fit(row.title or row.demand, max(end - 10 - x, 0), SMALL + 1)
    if title:
        shapes.append(Words(x, base, title, ink, SMALL + 1))
    return Group(row.help, tuple(shapes))
