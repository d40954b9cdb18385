"""Documents for a generated policy: plausible ones, near edges of windows, and knobs to seek bounds with."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from random import Random
from typing import Any

from differential.documents import DAY, NOON, NOWS, SECOND, Document, Path, iso, knob_of, symbol_of
from differential.policies import Policy
from differential.vocabulary import EVENTS, STRATEGIES

PRICES = ("1", "2", "3", "3", "5", "7", "10", "10", "20", "0.5", "2.5")
SIZES = ("1", "2", "3", "5", "10", "20", "50", "100")
AMOUNTS = ("50", "100", "100", "200", "500", "1000")
HELD = ("0", "1", "5", "-5", "10", "10", "-10", "20", "-20", "50", "2.5")
LOTS = ("1", "1", "0.5", "0.1", "2", "5", "0.25", "0.00000001", "0.00000001")


class Facts:
    """Documents for *policy*; the same seed gives the same ones."""

    def __init__(self, policy: Policy, seed: int) -> None:
        self.policy = policy
        self.rng = Random(seed)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def pick(self, options: Sequence[Any]) -> Any:
        return self.rng.choice(options)

    def some(self, **fields: tuple[float, Any]) -> Document:
        """Those of *fields* that the dice let in, each with its share."""
        return {name: value for name, (share, value) in fields.items() if value is not None and self.chance(share)}

    # ── a document without faults ────────────────────────────────────────────────────────────────────

    def document(self) -> Document:
        now = self.pick(NOWS)
        self.now: int = now
        equity = self.pick(AMOUNTS)
        document: Document = {
            "now": iso(now),
            "intent": self._intent(),
            "account": {
                "equity": equity,
                "day_start_equity": self.pick((equity, *AMOUNTS)),
                "peak_equity": self.pick((equity, *AMOUNTS)),
                "available": self.pick(AMOUNTS),
                **self.some(
                    cash=(0.3, self.pick(AMOUNTS)),
                    fees_today=(0.3, self.pick(("0", "5", "10"))),
                    margin_used=(0.3, self.pick(AMOUNTS)),
                    net_flows_today=(0.3, self.pick(("0", "50", "-20"))),
                    margin_free=(0.2, self.pick(AMOUNTS)),
                    currency=(0.1, "USD"),
                ),
            },
            "market": {symbol: self._quote() for symbol in "ABC"},
            "instruments": {symbol: self._instrument() for symbol in "ABC"},
            "positions": {
                symbol: {"quantity": self.pick(HELD)} for symbol in "ABC" if self.chance(0.75 if symbol == "A" else 0.5)
            },
            "orders": [self._order(number) for number in range(self.pick((0, 0, 1, 1, 2, 4)))],
            "strategies": {
                name: self.some(
                    open_trades=(0.6, self.rng.randrange(4)),
                    pnl_7d=(0.6, self.pick(("-50", "0", "100"))),
                    enabled=(0.5, self.chance(0.7)),
                )
                for name in STRATEGIES
            },
            "fx": {"EURUSD": {"rate": self.pick(("1", "1.25", "2"))}},
            "inputs": {name: value for name, value in self._inputs().items() if name in self.policy.inputs},
            "history": {"complete_from": iso(now - 3 * DAY), "events": self._events()},
            "switches": self._switches(),
            "counters": {name: self.rng.randrange(4) for name in self.policy.counters},
        }
        return document

    def _intent(self) -> Document:
        action = self.pick(("open",) * 24 + ("close",) * 3 + ("adjust",) * 3 + ("transfer", "cancel", "noop"))
        intent: Document = {
            "action": action,
            "symbol": self.pick("AABC"),
            "side": self.pick(("buy", "sell")),
            "strategy": self.pick(STRATEGIES),
            "account": "main",
            **self.some(
                limit_price=(0.2, self.pick(PRICES)),
                leverage=(0.5, self.pick(("1", "2", "0.5"))),
                order_type=(0.3, "limit"),
                reduce_only=(0.2, self.chance(0.5)),
            ),
        }
        if action == "close" and self.chance(0.4):
            del intent["side"]
        if action == "adjust":
            intent["delta"] = self.pick(("", "-")) + self.pick(SIZES)
        elif action == "transfer":
            intent["amount"] = self.pick(AMOUNTS)
        elif not (action == "close" and self.chance(0.5)) and not (
            action == "open" and "size SIZE" in self.policy.text and self.chance(0.35)
        ):
            intent["quantity"] = self.pick(SIZES)
        if "confidence" in self.policy.inputs:
            intent["confidence"] = self.pick(("0.5", "1", "0", "80%"))
        return intent

    def _quote(self) -> Document:
        price = self.pick(PRICES)
        age = self.pick((0, SECOND, SECOND, SECOND, 5 * SECOND, -SECOND // 2))
        return {
            "price": price,
            "as_of": iso(self.now - age),
            **self.some(bid=(0.5, price), ask=(0.5, self.pick((price, "10")))),
        }

    def _instrument(self) -> Document:
        known = "lot " in self.policy.header
        return self.some(
            lot=(0.5 if known else 0.95, self.pick(LOTS)),
            multiplier=(0.15, self.pick(("1", "2", "10"))),
            min_quantity=(0.12, self.pick(("1", "2", "5"))),
            max_quantity=(0.12, self.pick(("5", "10", "30"))),
            min_notional=(0.12, self.pick(("5", "10", "50"))),
            expiry=(0.3, self.pick(("2026-01-05", "2026-01-06"))),
            currency=(0.08, self.pick(("USD", "EUR"))),
        )

    def _order(self, number: int) -> Document:
        return {
            "id": f"o{number}",
            "symbol": self.pick("AABC"),
            "side": self.pick(("buy", "sell")),
            "leaves_quantity": self.pick(("1", "2", "5", "10")),
            **self.some(
                price=(0.5, self.pick(PRICES)),
                status=(0.3, self.pick(("open", "sent", "filled", "cancel_requested"))),
                oco=(0.4, "g1"),
            ),
        }

    def _inputs(self) -> Document:
        age = self.pick((0, 3600 * SECOND, 3600 * SECOND - 1, 3600 * SECOND + 1, 60 * SECOND, 2 * DAY))
        entries = {
            symbol: [
                {
                    "level": self.rng.randrange(4),
                    "at": iso(self.now),
                    **self.some(gain=(0.5, self.pick(("5", "-20", "10")))),
                }
                for _ in range(self.rng.randrange(3))
            ]
            for symbol in "ABC"
        }
        return {
            "mood": self.pick(("calm", "wild", "shut")),
            "halted": self.chance(0.3),
            "temper": self.pick(("0", "0.1", "0.5", "1", "50%")),
            "budget": self.pick(("20", "50", None)),
            "bell": self.pick(("09:30", "09:29", "16:00:30")),
            "fee": self.pick(("10", "50")),
            "sector": self.pick((" tech", "TECH", "OIL")),
            "banned": self.pick(([], ["A"], ["B", "C"])),
            "entries": entries,
            "guard": {
                "level": self.rng.randrange(4),
                "at": iso(self.now - age),
                "step": self.pick(("0", "2", "5")),
                "pulse": self.rng.randrange(4),
                "age": self.pick(("1min", "5min", "1h", "2s")),
                "as_of": iso(self.now - self.pick((0, 10 * SECOND))),
                **self.some(share=(0.5, self.pick(("0.5", "1")))),
            },
            "watch": [
                {
                    "symbol": self.pick("ABC"),
                    "weight": self.pick(("0.1", "0.5")),
                    **self.some(bad=(0.5, self.chance(0.5))),
                }
                for _ in range(self.rng.randrange(3))
            ],
        }

    # ── histories, switches ──────────────────────────────────────────────────────────────────────────

    def _edges(self) -> list[int]:
        """Instants on, and one nanosecond beside, the far edge of each window, and the starts of days."""
        edges = [
            self.now - length * SECOND + beside for length in self.policy.windows for beside in (0, 0, 1, -1, SECOND)
        ]
        starts = (NOON - 15 * 3600 * SECOND, NOON - 10 * 3600 * SECOND, NOON - 17 * 3600 * SECOND)
        return (
            edges
            + [start + beside for start in starts for beside in (0, -1) if start < self.now]
            + [self.now, self.now - 30 * SECOND]
        )

    def _events(self) -> list[Document]:
        edges = self._edges()
        events = []
        for kind in self.policy.histories:
            for _ in range(self.pick((0, 1, 1, 2, 2, 3, 4))):
                events.append(self._event(EVENTS[kind], self.pick(edges)))
        return events

    def _event(self, kind: str, at: int) -> Document:
        event: Document = {
            "type": kind,
            "at": iso(at),
            **self.some(symbol=(0.95, self.pick("AABC")), strategy=(0.95, self.pick(STRATEGIES))),
        }
        if kind == "fill":
            event |= {
                "symbol": self.pick("AABC"),
                "side": self.pick(("buy", "sell")),
                "quantity": self.pick(("1", "2", "5")),
                "price": self.pick(PRICES),
            }
        elif kind == "order":
            event |= {
                "side": self.pick(("buy", "sell")),
                **self.some(quantity=(0.9, "2"), price=(0.9, self.pick(PRICES)), notional=(0.3, "20")),
            }
        elif kind in ("denial", "violation"):
            rule = self.pick(("EXP-010", "LOSS-020", "EXEC-010"))
            event |= {
                "rule": rule,
                "family": rule.partition("-")[0],
                **self.some(severity=(0.9, self.pick(("low", "high", "critical")))),
            }
        elif kind in ("stop", "result"):
            event |= self.some(pnl=(0.8, self.pick(("-10", "10"))))
        return event

    def _switches(self) -> Document:
        switches: Document = {}
        for switch, dimension in self.policy.switches:
            if self.chance(0.6):
                key = (
                    switch
                    if dimension == "account" or self.chance(0.3)
                    else f"{switch}/{self.pick(('S1', 'S2', 'A') if dimension == 'strategy' else 'AB')}"
                )
                row: Document = {"state": "tripped" if self.chance(0.4) else "armed"}
                if self.chance(0.6):
                    row["confirming"] = {
                        "0": {
                            "readings": self.rng.randrange(4),
                            "since": iso(self.now - self.pick((SECOND, 2 * SECOND, 2 * SECOND - 1))),
                        }
                    }
                switches[key] = row
        return switches

    # ── on the bound ─────────────────────────────────────────────────────────────────────────────────

    def knobs(self, document: Document) -> list[Path]:
        """Numbers of *document* that bounds can be sought with, the size asked for first."""
        symbol = symbol_of(document)
        found: list[Path] = (
            [knob_of(document)] * 3 if document["intent"].get("action") not in ("cancel", "noop") else []
        )
        found += [("account", "equity"), ("account", "available"), ("market", symbol, "price")]
        if symbol in document["positions"]:
            found.append(("positions", symbol, "quantity"))
        return found

    def two_settings(self, path: Path) -> tuple[Fraction, Fraction]:
        """Two values of a knob, far enough out that much is broken at them."""
        first, second = self.pick(((1000, 700), (400, 1000), (100, 3), (50, 60), (7, 2000)))
        sign = -1 if path[-1] == "delta" and self.chance(0.5) else 1
        return Fraction(sign * first), Fraction(sign * second)
