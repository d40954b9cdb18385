"""A column of a frame as the decision reads it: numbers to be made whole, instants, or codes into a list of values.

A float stands for the decimal of its shortest form. That this is ``r / 10**s`` is proven row by row: with ``|r| < 10**15`` no
two decimals of so few digits share a float, so the one that gives back the float is the shortest. Rows where none does
(0.1 + 0.2, NaN, 1e300) are not guessed at: they are decided one by one.
"""
from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from caplex.runtime.clock import exact_instant
from caplex.runtime.columns.vectors import MOST, Vec, any_of

DIGITS = 10**15
MOST_PLACES = 9
_SAMPLE = 4096
_AT_ONCE = 16_384
_FEW = 500
"""One in so many rows may be finer than the scale of the column, and goes the long way."""


class Column:
    """One column.

    Attributes:
        kind: ``float``, ``whole`` (int64 over ``10**scale``), ``instant`` (nanoseconds), or ``codes``.
        data: The array.
        values: What codes stand for; *words* the same as an array of texts, where a library has one.
        nulls: Rows without a value; None where there are none. A code of a null is -1.
    """

    __slots__ = ("_bad", "_bound", "_values", "_whole", "data", "kind", "name", "nulls", "scale", "words")

    def __init__(self, name: str, kind: str, data: Any, *, scale: int = 0, values: list[Any] | None = None, words: Any = None, nulls: Any = None) -> None:
        self.name, self.kind, self.data, self.scale, self.words = name, kind, data, scale, words
        self._values = values if values is not None or words is not None else []
        self.nulls = nulls if nulls is not None and nulls.any() else None
        self._bound: int | None = None
        self._whole: Any = None if kind == "float" else data  # of floats once the scale is known
        self._bad: Any = None if kind == "float" else self.nulls

    @property
    def values(self) -> list[Any]:
        if self._values is None:
            self._values = self.words.to_pylist()
        return self._values

    def cell(self, row: int) -> Any:
        """What a document says there; None for nothing."""
        if self.nulls is not None and self.nulls[row]:
            return None
        value = self.data[row]
        match self.kind:
            case "codes":
                return None if value < 0 else self.values[value]
            case "instant":
                return exact_instant(int(value))
            case "whole":
                return int(value) if self.scale == 0 else Decimal(int(value)).scaleb(-self.scale)
        return value.item()

    # ── numbers ──────────────────────────────────────────────────────────────────────────────────────

    def prepare(self) -> None:
        """Find the scale and the bound, once for all rows."""
        if self._bound is not None:
            return
        if self.kind == "float":
            self._float_scale()
        elif self.kind == "whole" and self.scale:
            self._coarsen()
        if self.kind != "float":
            low, high = (int(self.data.min()), int(self.data.max())) if len(self.data) else (0, 0)
            self._bound = min(max(high, -low), MOST)

    def _float_scale(self) -> None:
        size = len(self.data)
        sample = self.data if size <= _SAMPLE else self.data[:: size // _SAMPLE]
        self.scale = self._scale_of(sample, 0)
        top = float.__abs__(max(np.fmax.reduce(self.data, initial=0.0), -np.fmin.reduce(self.data, initial=0.0)).item())
        while self._made_whole(top) * _FEW > size and self.scale < MOST_PLACES:
            self.scale += 1
        self._bound = int(top * 10.0**self.scale) + 1 if top < DIGITS / 10.0**self.scale else DIGITS

    def _made_whole(self, top: float) -> int:
        """Every number on the scale, a few at a time, which the cache of the processor holds; how many rows are finer."""
        size, power = len(self.data), 10.0**self.scale
        whole, bad, fails = np.empty(size, np.int64), None, 0
        with np.errstate(invalid="ignore", over="ignore"):
            for start in range(0, size, _AT_ONCE):
                part = self.data[start:start + _AT_ONCE]
                found = part * power
                np.rint(found, out=found)
                fits = found / power == part
                if not top * power < DIGITS:
                    fits &= np.abs(found) < DIGITS
                if not fits.all():
                    bad = np.zeros(size, np.bool_) if bad is None else bad
                    np.logical_not(fits, out=bad[start:start + _AT_ONCE])
                    fails += int(np.count_nonzero(bad[start:start + _AT_ONCE]))
                    found = np.where(fits, found, 0)
                whole[start:start + _AT_ONCE] = found
        self._whole, self._bad = whole, any_of(self.nulls, bad)
        return fails

    def _scale_of(self, values: Any, scale: int) -> int:
        """The least scale at which all but a few of *values* are whole."""
        while scale < MOST_PLACES and np.count_nonzero(self._inexact(values, scale)) * _FEW > len(values):
            scale += 1
        return scale

    @staticmethod
    def _inexact(values: Any, scale: int) -> Any:
        with np.errstate(invalid="ignore", over="ignore"):
            power = 10.0**scale
            whole = np.rint(values * power)
            return ~((whole / power == values) & (np.abs(whole) < DIGITS))

    def _coarsen(self) -> None:
        while self.scale and not (self.data % 10).any():
            self.data, self.scale = self.data // 10, self.scale - 1
        self._whole = self.data

    def numbers(self, rows: Any) -> Vec:
        """Exact numbers of *rows*, a slice or indices."""
        self.prepare()
        assert self._bound is not None
        assert self._whole is not None
        return Vec(self._whole[rows], self._bound, self.scale, bad=None if self._bad is None else self._bad[rows])

    # ── different values ─────────────────────────────────────────────────────────────────────────────

    def codes(self) -> tuple[Any, int]:
        """A number from 0 for each different value (null is one too), and how many there may be."""
        if self.kind == "codes":
            return self.data + 1, len(self.values if self.words is None else self.words) + 1
        with np.errstate(invalid="ignore"):
            different, codes = np.unique(self.data, return_inverse=True)
        if self.nulls is not None:
            codes = np.where(self.nulls, len(different), codes)
        return codes, len(different) + 1


def of_values(name: str, values: list[Any], convert: Callable[[Any], Any] = lambda value: value) -> Column:
    """A column of any Python values, those that are alike under one code."""
    seen: dict[Any, int] = {}
    kept: list[Any] = []
    codes = np.empty(len(values), np.int64)
    for row, value in enumerate(values):
        if value is None:
            codes[row] = -1
            continue
        key = (type(value), value if isinstance(value, str | int | Decimal | date) else repr(value))
        code = seen.get(key)
        if code is None:
            code = seen[key] = len(kept)
            kept.append(convert(value))
        codes[row] = code
    return Column(name, "codes", codes, values=kept)
