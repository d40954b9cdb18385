"""Drawing with letters: a line over days in braille dots, and text in colour where a person looks.

Exact like the rest: places are computed with fractions, so that the same numbers give the same picture on any machine.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Final

GOOD, WARN, BAD, DIM, STRONG, PLAIN = "32", "33", "31", "2", "1", ""
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BRAILLE: Final = 0x2800
_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # by column and row within a cell
# What an output that knows no more than ASCII gets instead; one letter for one letter, so that columns stay.
_PLAINER: Final = str.maketrans({
    "①": "1", "②": "2", "③": "3", "④": "4", "⑤": "5", "⑥": "6", "⑦": "7", "⑧": "8", "⑨": "9", "✓": "+", "✗": "x", "≈": "~", "‖": "H",
    "█": "#", "▼": "v", "─": "-", "━": "=", "┄": ".", "│": "|", "┤": "|", "└": "+", "·": "-", "…": ".", "–": "-", "→": ">", "○": "o",
    "⣀": "*", "≥": ">", "≤": "<", "╭": "+", "╰": "+", "▏": "|", "×": "x",
})


def paint(text: str, tone: str, colour: bool) -> str:
    return f"\x1b[{tone}m{text}\x1b[0m" if colour and tone and text else text


def plainer(text: str) -> str:
    """*text* for an output that knows only ASCII: every sign by a letter that looks like it, dots by stars."""
    return "".join("*" if _BRAILLE < ord(letter) < _BRAILLE + 256 else letter for letter in text).translate(_PLAINER)


def day_text(day: str) -> str:
    """``24 Feb`` of ``2020-02-24``."""
    when = date.fromisoformat(day)
    return f"{when.day} {MONTHS[when.month - 1]}"


def weeks(days: Sequence[str]) -> list[range]:
    """Positions of *days*, those of one calendar week together."""
    found: list[list[int]] = []
    for position, day in enumerate(days):
        week = date.fromisoformat(day).isocalendar()[:2]
        if position and date.fromisoformat(days[position - 1]).isocalendar()[:2] == week:
            found[-1].append(position)
        else:
            found.append([position])
    return [range(group[0], group[-1] + 1) for group in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a chart shows. Everything by the position of the day.

    Attributes:
        values: The line; tones: its colour on each day.
        bar: A second line, dashed, wherever the first leaves room.
        signs: What stands above the line on some days.
        below: Rows under the dates: a name, and a text for some days.
    """

    days: Sequence[str]
    values: Sequence[Fraction]
    tones: Sequence[str]
    bar: Sequence[Fraction]
    signs: Mapping[int, str] = field(default_factory=dict)
    below: Sequence[tuple[str, Mapping[int, tuple[str, str]]]] = ()


class Grid:
    """Cells of one letter and one tone."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.rows = [[(" ", PLAIN)] * width for _ in range(height)]

    def put(self, row: int, column: int, text: str, tone: str = PLAIN) -> None:
        for offset, letter in enumerate(text):
            if 0 <= column + offset < self.width:
                self.rows[row][column + offset] = (letter, tone)

    def free(self, row: int, column: int, length: int) -> bool:
        return 0 <= row < len(self.rows) and all(letter in " ┄" for letter, _ in self.rows[row][column : column + length])

    def lines(self, colour: bool) -> list[str]:
        return [_row(cells, colour) for cells in self.rows]


def _row(cells: Sequence[tuple[str, str]], colour: bool) -> str:
    """Letters of one tone share one pair of escapes, and blanks at the end are left out."""
    end = len(cells)
    while end and cells[end - 1][0] == " ":
        end -= 1
    parts: list[str] = []
    run, tone = "", PLAIN
    for letter, its in cells[:end]:
        if its != tone and letter != " ":
            parts.append(paint(run, tone, colour))
            run, tone = "", its
        run += letter
    return "".join([*parts, paint(run, tone, colour)])


def chart(picture: Picture, *, width: int, height: int = 10, colour: bool = False) -> list[str]:
    """Lines of at most *width* columns: *height* of them the picture, one its foot with the dates, and the rows below."""
    low, high, ticks = _scale([*picture.values, *picture.bar])
    high += (high - low) / (height - 1)  # a row above the highest day, for its sign
    labels = [f"{tick // 1000:,}".replace(",", "_") for tick in ticks]
    names = [name for name, _ in picture.below]
    margin = max(len(text) for text in [*labels, *names]) + 2
    plot = max(width - margin - 2, 8)
    rows = height + 1 + len(picture.below)
    grid = Grid(margin + 1 + plot + 1, rows)
    for tick, label in zip(ticks, labels, strict=True):
        grid.put(_cell(Fraction(tick), low, high, height), 0, label.rjust(margin - 1), DIM)
    for row in range(height):
        grid.put(row, margin, "│", DIM)
    last = len(picture.days) - 1
    columns = [margin + 1 + round(Fraction(position * (plot - 1), last)) for position in range(last + 1)]
    _dashes(grid, picture, columns, (low, high, height))
    _line(grid, picture, margin + 1, plot, (low, high, height))
    for position, sign in picture.signs.items():
        _sign(grid, sign, columns[position], _cell(picture.values[position], low, high, height), height)
    _dates(grid, picture.days, columns, margin, height)
    for offset, (name, signs) in enumerate(picture.below):
        grid.put(height + 1 + offset, 0, name.rjust(margin - 1), DIM)
        for position, (text, tone) in signs.items():
            grid.put(height + 1 + offset, columns[position], text, tone)
    return grid.lines(colour)


def _scale(values: Sequence[Fraction]) -> tuple[Fraction, Fraction, list[int]]:
    """Bounds a little outside *values*, and round numbers between them."""
    least, most = min(values), max(values)
    step = next(factor * 1000 * 10**power for power in range(12) for factor in (1, 2, 5) if (most - least) / (factor * 1000 * 10**power) <= 4)
    half = Fraction(step, 2)
    low, high = least // half * half, -(-most // half) * half
    first = -(-low // step) * step
    return Fraction(low), Fraction(high), [int(first) + step * number for number in range(int((high - first) // step) + 1)]


def _cell(value: Fraction, low: Fraction, high: Fraction, height: int) -> int:
    return min(int((high - value) * height / (high - low)), height - 1)


def _dashes(grid: Grid, picture: Picture, columns: Sequence[int], scale: tuple[Fraction, Fraction, int]) -> None:
    for column in range(columns[0], columns[-1] + 1):
        position = max(index for index, place in enumerate(columns) if place <= column)
        grid.put(_cell(picture.bar[position], *scale), column, "┄", BAD)


def _line(grid: Grid, picture: Picture, left: int, plot: int, scale: tuple[Fraction, Fraction, int]) -> None:
    """Dots from day to day; each joins the one before, so that a steep fall has no holes."""
    low, high, height = scale
    dots: dict[tuple[int, int], int] = {}
    tones: dict[tuple[int, int], str] = {}
    last, wide = len(picture.values) - 1, plot * 2 - 1
    before: int | None = None
    for x in range(wide + 1):
        place = Fraction(x * last, wide)
        position = min(int(place), last - 1)
        start, end = picture.values[position], picture.values[position + 1]
        value = start + (end - start) * (place - position)
        y = min(int((high - value) * height * 4 / (high - low)), height * 4 - 1)
        for each in range(min(y, before + 1), max(y, before - 1) + 1) if before is not None else (y,):
            cell = (each // 4, x // 2)
            dots[cell] = dots.get(cell, 0) | _DOTS[x % 2][each % 4]
            tones[cell] = picture.tones[round(place)]
        before = y
    for (row, column), bits in dots.items():
        grid.put(row, left + column, chr(_BRAILLE + bits), tones[row, column])


def _sign(grid: Grid, sign: str, column: int, row: int, height: int) -> None:
    """Above the line at its day; where that is taken, the nearest free place."""
    start = min(column, grid.width - len(sign))
    for distance in range(1, height):
        for candidate in (row - distance, row + distance):
            if grid.free(candidate, start, len(sign)) and 0 <= candidate < height:
                grid.put(candidate, start, sign, STRONG)
                return


def _dates(grid: Grid, days: Sequence[str], columns: Sequence[int], margin: int, row: int) -> None:
    """The first day of each week under its place, as many as there is room for."""
    end = 0
    grid.put(row, margin, "└", DIM)
    for week in weeks(days):
        text, column = day_text(days[week.start]), columns[week.start]
        if column > end and column + len(text) <= grid.width:
            grid.put(row, column, text, DIM)
            end = column + len(text)
