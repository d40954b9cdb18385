"""What a pass over a frame of intents needs of whole columns: sizes in grains, and which ids come again."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from caplex.runtime.columns.cells import Column
from caplex.runtime.columns.reading import all_match, among
from caplex.runtime.columns.vectors import MOST, NotInColumns
from caplex.runtime.schema import FieldSpec, Kind

PLACES: Final = 8
"""Decimals of a grain."""
_TIMES: Final = frozenset({Kind.DURATION, Kind.TIME, Kind.DATE, Kind.INSTANT})


def varies(column: Column, spec: FieldSpec | None) -> bool:
    """May the column stand as numbers, one for each row?"""
    return column.kind in ("float", "whole") and column.nulls is None and spec is not None and spec.type.numeric and spec.type.kind not in _TIMES


def scaled(column: Column, spec: FieldSpec, places: int, *, positive: bool = False) -> tuple[Any, Any]:
    """Numbers of all rows with so many decimals, and the rows whose number the machine has to look at. Raises NotInColumns."""
    if column.kind not in ("float", "whole"):
        raise NotInColumns(f"`{column.name}` holds no numbers")
    found = column.numbers(slice(None))
    bad = np.zeros(len(column.data), np.bool_) if found.bad is None else found.bad.copy()
    values = found.v
    if found.scale > places:
        values, rest = np.divmod(values, 10 ** (found.scale - places))
        bad |= rest != 0
    else:
        unit = 10 ** (places - found.scale)
        bad |= np.abs(values) > MOST // 8 // unit
        values = np.where(bad, 0, values) * unit
    if positive:
        bad |= values <= 0
    if spec.type.kind is Kind.COUNT:
        bad |= values % 10**places != 0
    for bound, outside in ((spec.above, np.less_equal), (spec.low, np.less), (spec.high, np.greater)):
        if bound is not None:
            edge = bound * 10**places
            if edge.denominator != 1 or abs(edge) > MOST:
                raise NotInColumns(f"`{column.name}` has a range that is finer than its numbers")
            bad |= outside(values, int(edge))
    return np.where(bad, 0, values), bad


def again(column: Column, pattern: str, known: Iterable[str], answered: Callable[[str], bool] | None) -> Any:
    """Rows whose id comes twice, or is among *known*, or *answered*. Raises NotInColumns where not every id is a text that *pattern* matches."""
    codes, words = column.data, column.words
    if column.kind != "codes" or words is None or (len(codes) and codes.min() < 0) or not all_match(column, pattern):
        raise NotInColumns("not every id is a text of letters, digits, `_`, `.` and `-`")
    found = np.zeros(len(words), np.bool_)
    if len(words) != len(codes):  # else each is there once, see `reading`
        first: dict[str, int] = {}
        same = np.array([first.setdefault(name, code) for code, name in enumerate(column.values)], np.int64)
        found = (np.bincount(same[codes], minlength=len(words)) > 1)[same]
    if known:
        found |= among(column, known)
    if answered is not None:
        found |= np.array([answered(name) for name in column.values], np.bool_)
    return found[codes]
