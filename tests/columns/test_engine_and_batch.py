"""A frame through an engine is its rows submitted one after the other; and files of columns from the command line."""
from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from test_equal import BASE, DESK, desk_frame

import caplex
from caplex.compiler.cli import main
from caplex.runtime.columns.places import FrameError

PACED = """policy paced {
  version "1"  language 1  mode enforce  currency USD  timezone "UTC"
  stages RISK, EXP
  closing skips EXP
  overrides tightest wins
  lot 1
  unlimited loss
}
input market { price : price above 0 fresh within 1h }
throttle RISK-001 "Rate" { deny beyond 3 orders in any 10s for each strategy }
limit EXP-001 "Position" { abs(after.position.notional) at most 10% of account.equity  else reduce }
"""
START = pd.Timestamp("2026-01-05T15:00:00Z")


def intents(rows=60):
    return pd.DataFrame({
        "now": [START + pd.Timedelta(milliseconds=900 * row) for row in range(rows)], "intent.id": [f"i{row}" for row in range(rows)],
        "intent.action": "open", "intent.account": "main", "intent.symbol": ["A", "B", "A"] * (rows // 3), "intent.side": "buy", "intent.strategy": ["s", "t"] * (rows // 2),
        "intent.quantity": [10.0, 2.5, 40.0] * (rows // 3), "market.price": [50.0, 20.0] * (rows // 2), "account.equity": 10000.0})


def engine():
    made = caplex.Engine(caplex.loads(PACED), trust_operators=True)
    made.apply({"type": "history", "at": "2026-01-05T14:59:00Z", "account": "main", "complete_from": "2026-01-05T00:00:00Z"})
    return made


def test_it_is_each_row_submitted():
    frame = intents()
    answered = engine().decide_frame(frame)
    other = engine()
    for row in range(len(frame)):
        cells = frame.iloc[row]
        at = cells["now"].isoformat()
        other.apply({"type": "quote", "at": at, "symbol": cells["intent.symbol"], "price": cells["market.price"]})
        other.apply({"type": "account", "at": at, "account": "main", "equity": cells["account.equity"]})
        decision = other.submit({"at": at, **{name.removeprefix("intent."): cells[name] for name in frame if name.startswith("intent.")}})
        told = answered.iloc[row]
        assert (told["verdict"], told["quantity"], None if pd.isna(told["decided_by"]) else told["decided_by"]) == (decision.verdict, decision.quantity, decision.decided_by), row
    assert {"RISK-001", "EXP-001"} <= set(answered["decided_by"].dropna())
    assert {"ALLOW", "MODIFY", "DENY"} == set(answered["verdict"])


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda frame: frame.drop(columns="intent.id"), "column `intent.id` is missing"),
    (lambda frame: frame.iloc[::-1], "row 1 is earlier than the row before it"),
    (lambda frame: frame.assign(**{"position.quantity": 1.0}), "an engine knows this itself"),
    (lambda frame: frame.assign(**{"intent.id": None}), "row 0: "),
])
def test_what_an_engine_does_not_take(change, sentence):
    with pytest.raises(FrameError) as refused:
        engine().decide_frame(change(intents(6)))
    assert sentence in str(refused.value)


# ── the command line ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("desk.cap").write_text(DESK)
    Path("base.json").write_text(json.dumps(BASE))
    desk_frame(50).to_parquet("intents.parquet")
    return tmp_path


def run(capsys, *words):
    status = main.run(["decide", "desk.cap", *words])
    return status, *capsys.readouterr()


def test_a_parquet_file(files, capsys):
    status, out, err = run(capsys, "--batch", "intents.parquet", "--facts", "base.json", "--format", "json")
    lines = [json.loads(line) for line in out.splitlines()]
    policy = caplex.loads(DESK)
    frame = desk_frame(50)
    assert status == 1
    assert [(line["row"], line["verdict"], line["decided_by"]) for line in lines] == [
        (row, str(decision.verdict), decision.decided_by) for row in range(50) for decision in [policy.decide_row(frame, row, BASE)]]
    assert lines[0]["schema"] == "caplex.answer/1"
    assert err.startswith("50 decided: ")
    assert "row by row" in err


@pytest.mark.parametrize("target", ["out.parquet", "out.csv", "out.jsonl"])
def test_answers_go_to_a_file(files, capsys, target):
    status, out, _ = run(capsys, "--batch", "intents.parquet", "--facts", "base.json", "-o", target)
    assert (status, out) == (1, "")
    read = {"out.parquet": pd.read_parquet, "out.csv": pd.read_csv, "out.jsonl": lambda name: pd.read_json(name, lines=True)}[target](target)
    assert list(read["verdict"]) == list(caplex.loads(DESK).decide_frame(desk_frame(50), BASE)["verdict"])


def test_lines_may_be_whole_facts(files, capsys):
    intent = {"action": "open", "symbol": "B", "side": "buy", "strategy": "s", "quantity": "1", "confidence": "0.9"}
    lines = [{**BASE, "intent": intent}, {**BASE, "intent": {**intent, "confidence": "0.1"}}]
    Path("lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    status, out, err = run(capsys, "--batch", "lines.jsonl", "--format", "json")
    assert [json.loads(line)["verdict"] for line in out.splitlines()] == ["ALLOW", "DENY"]
    assert (status, err) == (1, "2 decided: 1 ALLOW, 1 DENY\n          1  RISK-001\n")


@pytest.mark.parametrize(("words", "sentence"), [
    (("--batch", "intents.parquet", "-o", "out.xls"), "written to a file that ends in .parquet or .csv or .jsonl"),
    (("--batch", "lines.jsonl", "-o", "out.csv"), "ends in .jsonl"),
    (("--batch", "nowhere.parquet"), "cannot be read"),
    (("--facts", "base.json", "-o", "x.jsonl"), "`-o` is where the answers of a `--batch` go"),
    ((), "Missing option '--facts'"),
])
def test_what_cannot_be_done(files, capsys, words, sentence):
    status, _, err = run(capsys, *words)
    assert status == 2
    assert sentence in err


def test_without_pyarrow_there_is_one_sentence(files, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    status, _, err = run(capsys, "--batch", "intents.parquet", "--facts", "base.json")
    assert status == 2
    assert err == "error: files of columns want an extra that is not installed: pip install 'caplex[frames]'\n"


def test_a_folder_is_no_file_of_columns_and_a_missing_one_is_named(files, capsys):
    Path("many.parquet").mkdir()
    Path("junk.parquet").write_bytes(b"junk")
    told = [run(capsys, "--batch", name, "--facts", "base.json") for name in ("many.parquet", "nowhere.parquet", "junk.parquet")]
    assert [status for status, *_ in told] == [2, 2, 2]
    assert [err.splitlines()[0] for *_, err in told[:2]] == [
        "error[CAP912]: `many.parquet` cannot be read: Is a directory",
        "error[CAP912]: `nowhere.parquet` cannot be read: No such file or directory",
    ]
    assert told[2][2].startswith("error[CAP912]: `junk.parquet` cannot be read: ")


def test_a_column_that_is_there_twice_is_named(files, capsys):
    parquet.write_table(pa.table([[1], [2]], names=["intent.quantity", "intent.quantity"]), "twice.parquet")
    status, out, err = run(capsys, "--batch", "twice.parquet", "--facts", "base.json")
    assert (status, out, err) == (2, "", "error: `twice.parquet`: column `intent.quantity` is there twice\n")


def test_the_name_of_a_folder_is_no_column(files, capsys):
    Path("day=5").mkdir()
    Path("intents.parquet").rename("day=5/intents.parquet")
    status, _, err = run(capsys, "--batch", "day=5/intents.parquet", "--facts", "base.json")
    assert (status, err.splitlines()[0][:11]) == (1, "50 decided:")


@pytest.mark.parametrize("target", ["nowhere/out.parquet", "nowhere/out.csv", "nowhere/out.jsonl"])
def test_answers_that_cannot_be_written(files, capsys, target):
    status, out, err = run(capsys, "--batch", "intents.parquet", "--facts", "base.json", "-o", target)
    assert (status, out, err.splitlines()[0]) == (74, "", f"error[CAP913]: `{target}` cannot be written: No such file or directory")


def test_answers_are_written_whole_or_not_at_all(files, capsys, monkeypatch):
    Path("out.parquet").write_text("of yesterday")

    def full(table, file):
        file.write(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", full)
    status, _, err = run(capsys, "--batch", "intents.parquet", "--facts", "base.json", "-o", "out.parquet")
    assert (status, err.splitlines()[0]) == (74, "error[CAP913]: `out.parquet` cannot be written: No space left on device")
    assert Path("out.parquet").read_text() == "of yesterday"
    assert sorted(path.name for path in files.iterdir() if "out" in path.name) == ["out.parquet"]
