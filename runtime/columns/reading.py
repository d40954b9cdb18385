"""Frames of pandas, polars and arrow as columns of cells; the only module, with `writing`, that knows frame libraries."""
from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

import numpy as np

from caplex.runtime.columns.cells import Column, of_values
from caplex.runtime.columns.places import FrameError

INSTALL = "pip install 'caplex[frames]'"


def library(name: str) -> Any:
    """A library of the extra `frames`. Raises FrameError where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        raise FrameError(f"frames need {name}: {INSTALL}") from None


def wrapped(frame: Any) -> Any:
    """*frame* behind narwhals. Raises FrameError for what is no frame."""
    narwhals = library("narwhals")
    try:
        return narwhals.from_native(frame, eager_only=True)
    except TypeError:
        cure = "call its `collect()` first" if hasattr(frame, "collect") else "give one of pandas, polars or arrow"
        raise FrameError(f"`{type(frame).__name__}` is no frame whose rows are there: {cure}") from None
    except narwhals.exceptions.DuplicateError:  # pandas and arrow let two columns have one name; narwhals does not
        names = [str(name) for name in getattr(frame, "column_names", None) or frame.columns]
        twice = next(name for name in names if names.count(name) > 1)
        raise FrameError(f"column `{twice}` is there twice") from None


def columns_of(frame: Any) -> list[Column]:
    """Each column of the narwhals frame *frame*. Raises FrameError."""
    names = list(frame.columns)
    for name in names:
        if not isinstance(name, str):
            raise FrameError(f"column `{name}` is not called by a text")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FrameError(f"column `{twice}` is there twice")
    return [_column(name, frame[name]) for name in names]


def _column(name: str, series: Any) -> Column:
    nw = library("narwhals")
    kind = series.dtype
    if kind.is_float() and _plain(series):
        return Column(name, "float", np.ascontiguousarray(series.to_numpy(), dtype=np.float64))
    arrow = _arrow(series)
    if isinstance(arrow, _Loose):
        return of_values(name, arrow.to_pylist())
    nulls = np.asarray(arrow.is_null().to_numpy(zero_copy_only=False)) if arrow.null_count else None
    if kind.is_float():
        return Column(name, "float", _filled(arrow, np.float64), nulls=nulls)
    if kind == nw.Boolean:
        return _booleans(name, arrow)
    if kind.is_integer():
        return _integers(name, arrow, nulls)
    if isinstance(kind, nw.Datetime):
        return _instants(name, arrow, nulls, kind)
    pa = library("pyarrow")
    if pa.types.is_decimal(arrow.type):
        return _decimals(name, arrow, nulls)
    if kind in (nw.String, nw.Categorical) or isinstance(kind, nw.Enum):
        return _texts(name, arrow)
    if isinstance(kind, nw.Duration):
        raise FrameError(f"column `{name}`: write durations as text, \"250ms\"")
    return of_values(name, arrow.to_pylist())


def _plain(series: Any) -> bool:
    """No nulls other than NaN: pandas over numpy has none, and NaN there is a number that is none."""
    native = series.to_native()
    if isinstance(getattr(native, "dtype", None), np.dtype):
        return True
    null_count = getattr(native, "null_count", None)
    return (null_count() if callable(null_count) else null_count) == 0


def _arrow(series: Any) -> Any:
    """One array of arrow."""
    pa = library("pyarrow")
    native = series.to_native()
    if type(native).__module__.startswith("pandas") and native.dtype == object:
        try:
            found = pa.array(native, from_pandas=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            return _Loose(list(native))
    else:
        try:
            found = series.to_arrow()
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):  # sparse, for one
            return _Loose(series.to_list())
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


class _Loose:
    """Values of many types: arrow has no array for them."""

    def __init__(self, values: list[Any]) -> None:
        self._values = [_bare(value) for value in values]

    def to_pylist(self) -> list[Any]:
        return self._values


def _bare(value: Any) -> Any:
    """A number of numpy as one of Python; what pandas writes where there is nothing, as nothing."""
    if isinstance(value, np.generic):
        return value.item()
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def _filled(arrow: Any, type_: Any) -> Any:
    return np.ascontiguousarray((arrow.fill_null(0) if arrow.null_count else arrow).to_numpy(zero_copy_only=False), dtype=type_)


def _booleans(name: str, arrow: Any) -> Column:
    codes = np.asarray(arrow.cast("int8").fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)
    return Column(name, "codes", codes, values=[False, True])


def _integers(name: str, arrow: Any, nulls: Any) -> Column:
    values = np.asarray((arrow.fill_null(0) if arrow.null_count else arrow).to_numpy(zero_copy_only=False))
    if values.dtype == np.uint64 and len(values) and values.max() > 2**63 - 1:
        return of_values(name, arrow.to_pylist())
    values = np.ascontiguousarray(values, dtype=np.int64)
    if len(values) and values.min() == -(2**63):  # its negative would not fit
        return of_values(name, arrow.to_pylist())
    return Column(name, "whole", values, nulls=nulls)


def _instants(name: str, arrow: Any, nulls: Any, kind: Any) -> Column:
    if kind.time_zone is None:
        raise FrameError(f"column `{name}` has no time zone: say which, UTC for one")
    factor = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}[arrow.type.unit]
    values = _filled(arrow.cast("int64"), np.int64)
    if len(values) and max(int(values.max()), -int(values.min())) > (2**63 - 1) // factor:
        raise FrameError(f"column `{name}` has instants beyond the years 1678 to 2262")
    return Column(name, "instant", values * factor, nulls=nulls)


def _decimals(name: str, arrow: Any, nulls: Any) -> Column:
    pa = library("pyarrow")
    if arrow.type.scale < 0 or not isinstance(arrow.type, pa.Decimal128Type):
        return of_values(name, arrow.to_pylist())
    words = np.frombuffer(arrow.buffers()[1], dtype=np.int64).reshape(-1, 2)[arrow.offset:arrow.offset + len(arrow)]
    low, high = words[:, 0].copy(), words[:, 1]
    if nulls is not None:
        low[nulls] = 0
    fits = high == (low >> 63)
    if nulls is not None:
        fits = fits | nulls
    if not fits.all() or (len(low) and low.min() == -(2**63)):
        return of_values(name, arrow.to_pylist())
    return Column(name, "whole", low, scale=arrow.type.scale, nulls=nulls)


def _texts(name: str, arrow: Any) -> Column:
    pa = library("pyarrow")
    if pa.types.is_dictionary(arrow.type) and 2 * len(arrow.dictionary) > len(arrow):
        arrow = arrow.dictionary_decode()  # a dictionary of others may hold a text twice, or one that no row has
    if not pa.types.is_dictionary(arrow.type):
        arrow = arrow.dictionary_encode()
    codes = arrow.indices
    codes = np.asarray((codes.fill_null(-1) if codes.null_count else codes).to_numpy(zero_copy_only=False), dtype=np.int64)
    return Column(name, "codes", codes, words=arrow.dictionary)


def among(column: Column, names: Iterable[str]) -> Any:
    """Which of the different texts of *column* are among *names*."""
    pa = library("pyarrow")
    return np.asarray(library("pyarrow.compute").is_in(column.words, value_set=pa.array(names, column.words.type)).to_numpy(zero_copy_only=False))


def all_match(column: Column, pattern: str) -> bool:
    """Does *pattern*, which is simple enough to mean the same to any library, match each of the texts of *column* as a whole?"""
    matches = library("pyarrow.compute").match_substring_regex(column.words, rf"\A(?:{pattern})\z")
    return bool(matches.true_count == len(matches))
