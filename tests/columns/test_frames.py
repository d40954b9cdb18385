"""What a cell means, which columns there are, and what is refused in one sentence."""
from __future__ import annotations

import random
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from frames import answers, told
from test_equal import BASE, DESK

import caplex
from caplex.runtime.columns.cells import Column
from caplex.runtime.columns.deciding import sheet_of
from caplex.runtime.columns.places import FrameError


@pytest.fixture(scope="module")
def desk():
    return caplex.loads(DESK)


def frame(**columns):
    return pd.DataFrame({"intent.symbol": ["B"] * 3, "intent.side": ["buy"] * 3, "intent.quantity": [1.0] * 3, "intent.confidence": [0.9] * 3, **columns})


@pytest.mark.parametrize(("column", "values", "sentence"), [
    ("market.prise", [1.0] * 3, "column `market.prise`: the facts have no such place; the nearest is `market.price`"),
    ("price", [1.0] * 3, "the nearest is `market.price`"),
    ("nonsense", [1.0] * 3, "columns are called like `intent.symbol`"),
    ("now", [np.datetime64("2026-01-05T15:00:00", "ns")] * 3, "column `now` has no time zone: say which, UTC for one"),
    ("verdict", ["x"] * 3, "the facts have no such place"),
    (7, ["x"] * 3, "column `7` is not called by a text"),
])
def test_a_column_that_cannot_be(desk, column, values, sentence):
    with pytest.raises(FrameError) as refused:
        desk.decide_frame(frame().assign(**{"intent.id": "i"}) if column is None else pd.concat([frame(), pd.DataFrame({column: values})], axis=1), BASE)
    assert sentence in str(refused.value)


def test_what_is_no_frame_and_what_is_twice(desk):
    with pytest.raises(FrameError, match="`list` is no frame whose rows are there: give one of pandas, polars or arrow"):
        desk.decide_frame([{"intent.symbol": "B"}], BASE)
    with pytest.raises(FrameError, match=r"`LazyFrame` is no frame whose rows are there: call its `collect\(\)` first"):
        desk.decide_frame(pl.from_pandas(frame()).lazy(), BASE)
    with pytest.raises(FrameError, match="`market` of the base facts is a list; write it as an object by symbol"):
        desk.decide_frame(frame(**{"market.price": [1.0] * 3}), {**BASE, "market": [{"symbol": "B", "price": "50"}]})
    with pytest.raises(FrameError, match="row 3 is not in a frame of 3 rows"):
        desk.decide_row(frame(), 3, BASE)


@pytest.mark.parametrize(("quantities", "verdicts"), [
    ([10, "20", 30.5], ["ALLOW", "ALLOW", "ALLOW"]),
    ([np.int64(10), "20", pd.NA], ["ALLOW", "ALLOW", "DENY"]),
    ([Decimal("10.5"), Decimal("NaN"), 3], ["ALLOW", "DENY", "ALLOW"]),
    ([10**30, 2, 3], ["DENY", "ALLOW", "ALLOW"]),
    (pd.arrays.SparseArray([1, 2, 3]), ["ALLOW", "ALLOW", "ALLOW"]),
], ids=["mixed", "numpy and NA", "decimals", "large", "sparse"])
def test_cells_of_many_types_are_read_one_by_one(desk, quantities, verdicts):
    """Arrow has no array for them; a column of objects is what a spreadsheet or a database driver hands over."""
    table = frame(**{"market.price": [1.0] * 3}).assign(**{"intent.quantity": quantities})
    answered = desk.decide_frame(table, BASE)
    assert list(answered["verdict"]) == verdicts
    assert [desk.decide_row(table, row, BASE).verdict.value for row in range(3)] == verdicts


@pytest.mark.parametrize("kind", ["pandas", "arrow"])
def test_two_columns_of_one_name_are_named(desk, kind):
    table = frame()
    arrow = pa.Table.from_pandas(table)
    twice = pd.concat([table, table[["intent.symbol"]]], axis=1) if kind == "pandas" else arrow.append_column("intent.symbol", arrow["intent.symbol"])
    with pytest.raises(FrameError, match=r"column `intent\.symbol` is there twice"):
        desk.decide_frame(twice, BASE)


def test_a_null_is_absent_and_a_nan_is_unusable(desk):
    table = frame(**{"intent.confidence": pd.array([0.9, None, 0.9], dtype="Float64"), "market.price": [50.0, 50.0, float("nan")]})
    answered = desk.decide_frame(table, BASE)
    assert list(answered["decided_by"]) == ["SYS-012", "SYS-001", "SYS-005"] or list(answered["decided_by"])[1:] == ["SYS-001", "SYS-005"]
    assert "/intent/confidence" in answered["reason"].iloc[1]
    assert "/market/B/price" in answered["reason"].iloc[2]
    assert list(answered["fell_back"]) == [False, True, True]


def test_a_column_that_is_not_there_is_a_fact_that_is_not_there(desk):
    answered = desk.decide_frame(frame().drop(columns="intent.confidence"), BASE)
    assert set(answered["decided_by"]) == {"SYS-001"}


def test_rows_of_tables_begin_with_a_cell_that_says_something(desk):
    table = pd.DataFrame({"intent.symbol": ["A", "Z", None], "position.quantity": pd.array([None, 5.0, 5.0], dtype="Float64"), "position.average_price": ["1", None, "1"]})
    _, sheet = sheet_of(desk, table, BASE)
    documents = [sheet.document(row)["positions"] for row in range(3)]
    assert documents[0] == {"A": {"quantity": None, "average_price": "1"}, "C": {"quantity": "-4"}}
    assert documents[1] == {**BASE["positions"], "Z": {"quantity": 5.0, "average_price": None}}
    assert documents[2] == BASE["positions"]
    assert BASE["positions"] == {"A": {"quantity": "12.5"}, "C": {"quantity": "-4"}}  # the base is not written to


def test_instants_and_decimals_keep_their_digits(desk):
    stamp = pd.to_datetime(pd.Series([1767625200_000_000_001] * 3), utc=True)
    table = pa.table({"now": pa.array(stamp), "intent.quantity": pa.array([Decimal("1.50"), Decimal("-0.01"), None], pa.decimal128(30, 9))})
    _, sheet = sheet_of(desk, table, BASE)
    assert sheet.document(0)["now"] == "2026-01-05T15:00:00.000000001Z"
    assert [sheet.document(row)["intent"]["quantity"] if row < 2 else None for row in range(3)] == [Decimal("1.5"), Decimal("-0.01"), None]


def test_a_slice_of_arrow_is_read_where_it_begins(desk):
    table = pa.table({"intent.quantity": pa.array([Decimal(each) for each in "12345"], pa.decimal128(9, 2)), "intent.symbol": pa.array(list("ABCAB")).dictionary_encode()})
    _, sheet = sheet_of(desk, table.slice(2, 2), BASE)
    assert [sheet.document(row)["intent"] for row in range(2)] == [{"action": "open", "strategy": "s", "quantity": Decimal(3), "symbol": "C"}, {"action": "open", "strategy": "s", "quantity": Decimal(4), "symbol": "A"}]


def test_floats_stand_for_their_shortest_form():
    """What is made whole is exactly what a document would be read as; what is not is marked."""
    rng = random.Random(1)
    values = [rng.choice((1, 10, 100, 1e4)) * round(rng.uniform(-1e4, 1e4), rng.randrange(9)) for _ in range(3000)] + [0.1 + 0.2, 1e22, -0.0, float("inf"), float("nan"), 2.0**53 + 2, 1e15, 999999999999999.0]
    column = Column("x", "float", np.array(values))
    found = column.numbers(slice(None))
    marked = np.zeros(len(values), bool) if found.bad is None else found.bad
    assert not marked.all()
    for value, number, bad in zip(values, found.v, marked, strict=True):
        if not bad:
            assert Fraction(int(number), 10**found.scale) == Fraction(repr(value)), value
            assert abs(int(number)) <= found.most
    assert marked[values.index(0.1 + 0.2)]
    assert marked[-1] == (found.scale > 0)


def test_too_many_different_rows_are_decided_one_by_one(desk, monkeypatch):
    from caplex.runtime.columns import roles

    monkeypatch.setattr(roles, "_MOST_GROUPS", 2)
    table = frame(**{"intent.symbol": ["A", "B", "C"]})
    found, meant, report = answers(desk, table, BASE)
    assert found == meant
    assert report.why == "3 of 3 rows differ in more than numbers"
    assert report.fell_back == 3


def test_a_policy_that_columns_do_not_know_says_why():
    monitored = caplex.loads(DESK.replace("mode enforce", "mode monitor"))
    found, meant, report = answers(monitored, frame(), BASE)
    assert found == meant
    assert report.why == "monitor mode is told in full"


def test_without_the_extra_there_is_one_sentence(desk, monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(FrameError, match=r"frames need narwhals: pip install 'caplex\[frames\]'"):
        desk.decide_frame(frame(), BASE)


def test_polars_has_nulls_and_nan_apart(desk):
    table = pl.DataFrame({"intent.symbol": ["B"] * 3, "intent.side": ["buy"] * 3, "intent.quantity": [1.0] * 3, "intent.confidence": [0.9, None, float("nan")]})
    assert [rule for _, _, rule in told(desk.decide_frame(table, BASE))] == [None, "SYS-001", "SYS-005"]
