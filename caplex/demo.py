"""`caplex demo`: a desk policy decides real days of the crash of 2020, offline.

The data lie in ``_demo``, which is `examples/quickstart` of the checkout: closing prices, the policy, seven intents. The
book is bought on the last day of January, forty thousand dollars of each stock, and held; equity, its peak and the
day's first equity are computed from the prices.
"""
from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

_HERE = Path(__file__).resolve().parent
# A link in a checkout, a folder in a wheel; where links do not survive the checkout, the folder itself.
DATA = _HERE / "_demo" if (_HERE / "_demo" / "desk.cap").is_file() else _HERE.parent / "examples" / "quickstart"
CASH = Decimal(1_000_000)
TICKET = Decimal(40_000)
CLOSE, READ = "21:00:00Z", "21:05:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The desk at the close of one day. Money in USD."""

    day: str
    prices: dict[str, Decimal]
    quantities: dict[str, Decimal]
    cash: Decimal
    equity: Decimal
    day_start_equity: Decimal
    peak_equity: Decimal


def books(prices: Path = DATA / "prices.csv") -> Iterator[Book]:
    """The desk at every close, from the day after it was bought."""
    with prices.open(encoding="ascii", newline="") as file:
        rows = [(row.pop("date"), {symbol: Decimal(price) for symbol, price in row.items()}) for row in csv.DictReader(file)]
    opening = rows[0][1]
    quantities = {symbol: TICKET // price for symbol, price in opening.items()}
    cash = CASH - _worth(quantities, opening)
    before = peak = CASH
    for day, closes in rows[1:]:
        equity = cash + _worth(quantities, closes)
        peak = max(peak, equity)
        yield Book(day=day, prices=closes, quantities=quantities, cash=cash, equity=equity, day_start_equity=before, peak_equity=peak)
        before = equity


def _worth(quantities: dict[str, Decimal], prices: dict[str, Decimal]) -> Decimal:
    return sum((quantity * prices[symbol] for symbol, quantity in quantities.items()), Decimal(0))


def facts(book: Book, intent: dict[str, str]) -> dict[str, Any]:
    """The facts document for *intent*, five minutes after the close of the book's day."""
    return {
        "now": f"{book.day}T{READ}",
        "intent": {"id": f"{book.day}-{intent['symbol']}", "action": "open", "strategy": "long_book", "order_type": "market", **intent},
        "account": {
            "equity": str(book.equity), "day_start_equity": str(book.day_start_equity), "peak_equity": str(book.peak_equity),
            "available": str(book.cash), "as_of": f"{book.day}T{CLOSE}"},
        "positions": {symbol: {"quantity": str(quantity)} for symbol, quantity in book.quantities.items()},
        "orders": [],
        "market": {symbol: {"price": str(price), "as_of": f"{book.day}T{CLOSE}"} for symbol, price in book.prices.items()},
        "history": {"complete_from": f"{book.day}T00:00:00Z", "events": []},
        "switches": {"KILL-010": {"state": "armed"}},
    }


def cases() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of what is told about an intent, and its facts."""
    by_day = {book.day: book for book in books()}
    for case in json.loads((DATA / "intents.json").read_text(encoding="utf-8")):
        yield case, facts(by_day[case["day"]], case["intent"])


def run(out: TextIO) -> int:
    """Decide and explain every case on *out*; the exit status."""
    import caplex

    policy = caplex.load(DATA / "desk.cap")
    print(f"{policy.name} {policy.version}: twenty stocks, {CASH:,} USD, bought on 31 January 2020 and held.", file=out)
    for number, (case, given) in enumerate(cases(), start=1):
        equity, start, peak = (Decimal(given["account"][name]) for name in ("equity", "day_start_equity", "peak_equity"))
        print(f"\n── {number}. {case['told']}", file=out)
        print(f"   {case['day']} · equity {equity:,.0f} USD · today {(equity - start) / start:+.2%} · from the peak {(equity - peak) / peak:.2%}\n", file=out)
        print(policy.decide(given).explain().text(), file=out)
    print(f"\nThe policy, the prices and the facts of each intent lie in {DATA.resolve()}", file=out)
    return 0
