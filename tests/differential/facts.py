"""Documents for a generated policy: plausible ones, ones that sit exactly on a bound, and broken ones.

Documents are plain JSON values. Variants share what they do not change: nothing here is ever written into twice.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from random import Random
from typing import Any

from differential.policies import EVENTS, STRATEGIES, Policy

Document = dict[str, Any]
Path = tuple[str | int, ...]

SECOND, DAY = 10**9, 86_400 * 10**9
NOON = 1_767_625_200 * SECOND  # 2026-01-05T15:00:00Z
NOWS = (NOON, NOON, NOON, NOON, NOON - 15 * 3600 * SECOND, NOON + 14 * 3600 * SECOND, NOON + 14 * 3600 * SECOND - 1, NOON + 7 * 3600 * SECOND,
        NOON + 7 * 3600 * SECOND - 1, NOON + 9 * 3600 * SECOND, NOON - DAY, NOON - 39 * 3600 * SECOND)
"""Mid-session, and both sides of midnight and of 17:00, in London and in New York."""
PRICES = ("1", "2", "3", "3", "5", "10", "10", "20", "0.5", "2.5")
SIZES = ("1", "2", "3", "5", "10", "20", "50", "100")
AMOUNTS = ("50", "100", "100", "200", "500", "1000")
HELD = ("0", "1", "5", "-5", "10", "10", "-10", "20", "-20", "50", "2.5")
LOTS = ("1", "1", "0.5", "0.1", "2", "5", "0.25", "0.00000001", "0.00000001")


def iso(ns: int) -> str:
    """RFC 3339 with nine digits."""
    days, rest = divmod(ns, DAY)
    seconds, fraction = divmod(rest, SECOND)
    year, month, day = _civil(days)
    return f"{year:04d}-{month:02d}-{day:02d}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:09d}Z"


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month, day of a count of days since 1970-01-01."""
    era, of_era = divmod(days + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def plain(value: Fraction) -> str | None:
    """*value* as a decimal of at most 30 places; None if it is none."""
    for places in (0, 1, 2, 4, 8, 30):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            text = f"{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".") if places else digits
            return f"-{text}" if value < 0 else text
    return None


def put(value: Any, path: Path, new: Any) -> Any:
    """A copy of *value* in which *path* holds *new*; what the path does not pass through is shared."""
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(value, list):
        return [put(item, rest, new) if i == first else item for i, item in enumerate(value)]
    return {**value, first: put(value.get(first, {}), rest, new)}


def drop(value: Any, path: Path) -> Any:
    """A copy of *value* without what lies at *path*."""
    first, rest = path[0], path[1:]
    if rest:
        return put(value, (first,), drop(value[first], rest))
    if isinstance(value, list):
        return [item for i, item in enumerate(value) if i != first]
    return {key: item for key, item in value.items() if key != first}


def paths(value: Any, here: Path = ()) -> list[Path]:
    """Every place in *value* that holds something."""
    found = [here] if here else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found.extend(paths(item, (*here, key)))
    return found


def symbol_of(document: Document) -> str:
    return str(document["intent"].get("symbol", "A"))


def knob_of(document: Document) -> Path:
    """Where the document says how much is asked for."""
    return ("intent", {"adjust": "delta", "transfer": "amount"}.get(str(document["intent"].get("action")), "quantity"))


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
            "now": iso(now), "intent": self._intent(),
            "account": {"equity": equity, "day_start_equity": self.pick((equity, *AMOUNTS)), "peak_equity": self.pick((equity, *AMOUNTS)),
                        "available": self.pick(AMOUNTS),
                        **self.some(cash=(0.3, self.pick(AMOUNTS)), fees_today=(0.3, self.pick(("0", "5", "10"))),
                                    margin_used=(0.3, self.pick(AMOUNTS)), net_flows_today=(0.3, self.pick(("0", "50", "-20"))),
                                    margin_free=(0.2, self.pick(AMOUNTS)), currency=(0.1, "USD"))},
            "market": {symbol: self._quote() for symbol in "ABC"},
            "instruments": {symbol: self._instrument() for symbol in "ABC"},
            "positions": {symbol: {"quantity": self.pick(HELD)} for symbol in "ABC" if self.chance(0.75 if symbol == "A" else 0.5)},
            "orders": [self._order(number) for number in range(self.pick((0, 0, 1, 1, 2, 3)))],
            "strategies": {name: self.some(open_trades=(0.6, self.rng.randrange(4)), pnl_7d=(0.6, self.pick(("-50", "0", "100"))),
                                           enabled=(0.5, self.chance(0.7))) for name in STRATEGIES},
            "fx": {"EURUSD": {"rate": self.pick(("1", "1.25", "2"))}},
            "inputs": {name: value for name, value in self._inputs().items() if name in self.policy.inputs},
            "history": {"complete_from": iso(now - 3 * DAY), "events": self._events()},
            "switches": self._switches(),
            "counters": {name: self.rng.randrange(4) for name in self.policy.counters},
        }
        return document

    def _intent(self) -> Document:
        action = self.pick(("open",) * 24 + ("close",) * 3 + ("adjust",) * 3 + ("transfer", "cancel", "noop"))
        intent: Document = {"action": action, "symbol": self.pick("AABC"), "side": self.pick(("buy", "sell")), "strategy": self.pick(STRATEGIES),
                            "account": "main", **self.some(limit_price=(0.2, self.pick(PRICES)), leverage=(0.5, self.pick(("1", "2", "0.5"))),
                                                           order_type=(0.3, "limit"), reduce_only=(0.2, self.chance(0.5)))}
        if action == "close" and self.chance(0.4):
            del intent["side"]
        if action == "adjust":
            intent["delta"] = self.pick(("", "-")) + self.pick(SIZES)
        elif action == "transfer":
            intent["amount"] = self.pick(AMOUNTS)
        elif not (action == "close" and self.chance(0.5)) and not (action == "open" and "size SIZE" in self.policy.text and self.chance(0.35)):
            intent["quantity"] = self.pick(SIZES)
        if "confidence" in self.policy.inputs:
            intent["confidence"] = self.pick(("0.5", "1", "0", "80%"))
        return intent

    def _quote(self) -> Document:
        price = self.pick(PRICES)
        age = self.pick((0, SECOND, SECOND, SECOND, 5 * SECOND, -SECOND // 2))
        return {"price": price, "as_of": iso(self.now - age), **self.some(bid=(0.5, price), ask=(0.5, self.pick((price, "10"))))}

    def _instrument(self) -> Document:
        known = "lot " in self.policy.header
        return self.some(lot=(0.5 if known else 0.95, self.pick(LOTS)), multiplier=(0.15, self.pick(("1", "2", "10"))),
                         min_quantity=(0.12, self.pick(("1", "2", "5"))), max_quantity=(0.12, self.pick(("5", "10", "30"))),
                         min_notional=(0.12, self.pick(("5", "10", "50"))), expiry=(0.3, self.pick(("2026-01-05", "2026-01-06"))),
                         currency=(0.08, self.pick(("USD", "EUR"))))

    def _order(self, number: int) -> Document:
        return {"id": f"o{number}", "symbol": self.pick("AABC"), "side": self.pick(("buy", "sell")), "leaves_quantity": self.pick(("1", "2", "5", "10")),
                **self.some(price=(0.5, self.pick(PRICES)), status=(0.3, self.pick(("open", "sent", "filled", "cancel_requested"))),
                            oco=(0.25, "g1"))}

    def _inputs(self) -> Document:
        age = self.pick((0, 3600 * SECOND, 3600 * SECOND - 1, 3600 * SECOND + 1, 60 * SECOND, 2 * DAY))
        entries = {symbol: [{"level": self.rng.randrange(4), "at": iso(self.now), **self.some(gain=(0.5, self.pick(("5", "-20", "10"))))}
                            for _ in range(self.rng.randrange(3))] for symbol in "ABC"}
        return {
            "mood": self.pick(("calm", "wild", "shut")), "halted": self.chance(0.3), "temper": self.pick(("0", "0.1", "0.5", "1", "50%")),
            "budget": self.pick(("20", "50", None)), "bell": self.pick(("09:30", "09:29", "16:00:30")),
            "fee": self.pick(("10", "50")), "sector": self.pick((" tech", "TECH", "OIL")),
            "banned": self.pick(([], ["A"], ["B", "C"])), "entries": entries,
            "guard": {"level": self.rng.randrange(4), "at": iso(self.now - age), "step": self.pick(("0", "2", "5")), "pulse": self.rng.randrange(4),
                      "age": self.pick(("1min", "5min", "1h", "2s")), "as_of": iso(self.now - self.pick((0, 10 * SECOND))),
                      **self.some(share=(0.5, self.pick(("0.5", "1"))))},
            "watch": [{"symbol": self.pick("ABC"), "weight": self.pick(("0.1", "0.5")), **self.some(bad=(0.5, self.chance(0.5)))}
                      for _ in range(self.rng.randrange(3))],
        }

    # ── histories, switches ──────────────────────────────────────────────────────────────────────────

    def _edges(self) -> list[int]:
        """Instants on, and one nanosecond beside, the far edge of each window, and the starts of days."""
        edges = [self.now - length * SECOND + beside for length in self.policy.windows for beside in (0, 0, 1, -1, SECOND)]
        starts = (NOON - 15 * 3600 * SECOND, NOON - 10 * 3600 * SECOND, NOON - 17 * 3600 * SECOND)
        return edges + [start + beside for start in starts for beside in (0, -1) if start < self.now] + [self.now, self.now - 30 * SECOND]

    def _events(self) -> list[Document]:
        edges = self._edges()
        events = []
        for kind in self.policy.histories:
            for _ in range(self.pick((0, 1, 1, 2, 2, 3, 4))):
                events.append(self._event(EVENTS[kind], self.pick(edges)))
        return events

    def _event(self, kind: str, at: int) -> Document:
        event: Document = {"type": kind, "at": iso(at), **self.some(symbol=(0.95, self.pick("AABC")), strategy=(0.95, self.pick(STRATEGIES)))}
        if kind == "fill":
            event |= {"symbol": self.pick("AABC"), "side": self.pick(("buy", "sell")), "quantity": self.pick(("1", "2", "5")), "price": self.pick(PRICES)}
        elif kind == "order":
            event |= {"side": self.pick(("buy", "sell")), **self.some(quantity=(0.9, "2"), price=(0.9, self.pick(PRICES)), notional=(0.3, "20"))}
        elif kind in ("denial", "violation"):
            rule = self.pick(("EXP-010", "LOSS-020", "EXEC-010"))
            event |= {"rule": rule, "family": rule.partition("-")[0], **self.some(severity=(0.9, self.pick(("low", "high", "critical"))))}
        elif kind in ("stop", "result"):
            event |= self.some(pnl=(0.8, self.pick(("-10", "10"))))
        return event

    def _switches(self) -> Document:
        switches: Document = {}
        for switch, dimension in self.policy.switches:
            if self.chance(0.6):
                key = switch if dimension == "account" or self.chance(0.3) else f"{switch}/{self.pick(('S1', 'S2', 'A') if dimension == 'strategy' else 'AB')}"
                row: Document = {"state": "tripped" if self.chance(0.4) else "armed"}
                if self.chance(0.6):
                    row["confirming"] = {"0": {"readings": self.rng.randrange(4), "since": iso(self.now - self.pick((SECOND, 2 * SECOND, 2 * SECOND - 1)))}}
                switches[key] = row
        return switches

    # ── on the bound ─────────────────────────────────────────────────────────────────────────────────

    def knobs(self, document: Document) -> list[Path]:
        """Numbers of *document* that bounds can be sought with, the size asked for first."""
        symbol = symbol_of(document)
        found: list[Path] = [knob_of(document)] * 3 if document["intent"].get("action") not in ("cancel", "noop") else []
        found += [("account", "equity"), ("account", "available"), ("market", symbol, "price")]
        if symbol in document["positions"]:
            found.append(("positions", symbol, "quantity"))
        return found

    def two_settings(self, path: Path) -> tuple[Fraction, Fraction]:
        """Two values of a knob, far enough out that much is broken at them."""
        first, second = self.pick(((1000, 700), (400, 1000), (100, 3), (50, 60), (7, 2000)))
        sign = -1 if path[-1] == "delta" and self.chance(0.5) else 1
        return Fraction(sign * first), Fraction(sign * second)

    # ── broken documents ─────────────────────────────────────────────────────────────────────────────

    def broken(self, document: Document) -> Document:
        """*document* with one fault."""
        return self.pick(FAULTS)(self, document)

    def _lose(self, document: Document) -> Document:
        """Lose any field, or null it."""
        path = self.pick(paths(document))
        return put(document, path, None) if self.chance(0.3) else drop(document, path)

    def _lose_section(self, document: Document) -> Document:
        return drop(document, (self.pick([name for name in document if name != "now"]),))

    def _lose_key_field(self, document: Document) -> Document:
        path: Path = self.pick((("account", "equity"), ("account", "available"), ("market", symbol_of(document), "price"), ("intent", "side"),
                                ("intent", "symbol"), ("intent", "strategy"), ("market", symbol_of(document), "as_of"), knob_of(document)))
        return drop(document, path) if path[-1] in document[path[0]] or len(path) == 3 else document

    def _spoil(self, document: Document) -> Document:
        """Put something unreadable where something readable was."""
        path = self.pick([path for path in paths(document) if path[0] not in ("switches",) or len(path) < 3])
        return put(document, path, self.pick(("NaN", "Infinity", "1,000", True, "ten", [], {}, 1.5, "1e999999999", "")))

    def _spoil_number(self, document: Document) -> Document:
        bad = self.pick(("NaN", "-Infinity", "1,000", "abc", True, "1e500", "0x10", "--5"))
        return put(document, self._number(document), bad)

    def _number(self, document: Document) -> Path:
        symbol = symbol_of(document)
        options: list[Path] = [("account", "equity"), ("account", "available"), ("account", "day_start_equity"), ("market", symbol, "price"),
                               knob_of(document), ("instruments", symbol, "lot")]
        options += [("positions", each, "quantity") for each in document["positions"]]
        options += [("orders", number, "leaves_quantity") for number in range(len(document["orders"]))]
        path: Path = self.pick(options)
        return path

    def _out_of_range(self, document: Document) -> Document:
        symbol = symbol_of(document)
        path: Path = self.pick((("market", symbol, "price"), ("account", "day_start_equity"), ("account", "peak_equity"), knob_of(document),
                                ("instruments", symbol, "lot"), ("market", symbol, "bid")))
        return put(document, path, self.pick(("0", "-1", "-0.5")))

    def _old(self, document: Document) -> Document:
        symbol = symbol_of(document)
        late = self.pick((5 * SECOND, 5 * SECOND + 1, 5 * SECOND + 1, 15 * SECOND, 15 * SECOND + 1, 3600 * SECOND))
        path: Path = ("inputs", "guard", "as_of") if "guard" in self.policy.inputs and self.chance(0.4) else ("market", symbol, "as_of")
        return put(document, path, iso(self.now - late))

    def _ahead(self, document: Document) -> Document:
        ahead = self.pick((SECOND // 2, SECOND // 2 + 1, SECOND // 2 + 1, SECOND))
        if document["history"]["events"] and self.chance(0.3):
            return put(document, ("history", "events", 0, "at"), iso(self.now + ahead))
        return put(document, ("market", symbol_of(document), "as_of"), iso(self.now + ahead))

    def _divisor(self, document: Document) -> Document:
        path: Path = self.pick((("account", "equity"), ("account", "equity"), ("account", "available"), ("inputs", "guard", "level")))
        if path[0] == "inputs" and "guard" not in self.policy.inputs:
            path = ("account", "equity")
        return put(document, path, self.pick(("0", "-100")) if path[0] == "account" else "0")

    def _forget(self, document: Document) -> Document:
        """A history that does not reach back as far as a window."""
        if self.chance(0.25):
            return drop(document, ("history", "complete_from"))
        length = self.pick(self.policy.windows or [60])
        return put(document, ("history", "complete_from"), iso(self.now - length * SECOND + self.pick((0, 1, SECOND, -1))))

    def _switch(self, document: Document) -> Document:
        if not self.policy.switches or self.chance(0.3):
            return drop(document, ("switches",))
        switch, _ = self.pick(self.policy.switches)
        row = self.pick(({"state": "maybe"}, {}, "tripped", {"state": None}, {"state": "armed", "since": "x"}))
        if self.chance(0.3):
            return put(document, ("switches",), [{"id": switch, "scope": {"strategy": "S1"}, **(row if isinstance(row, dict) else {})}])
        return put(document, ("switches", switch), row)

    def _currency(self, document: Document) -> Document:
        where: Path = self.pick((("account",), ("instruments", symbol_of(document)), ("instruments", self.pick("ABC"))))
        changed = put(document, (*where, "currency"), self.pick(("EUR", "JPY", "JPY", "CHF")))
        return put(changed, ("fx",), {"USDEUR": {"rate": "0.5"}}) if self.chance(0.3) else changed

    def _finer(self, document: Document) -> Document:
        """More decimal places than the fast form keeps."""
        return put(document, self._number(document), self.pick(("1.0000000001", "10.123456789012", "0.3333333333333333", "99.99999999999", 0.1, 7)))

    def _stranger(self, document: Document) -> Document:
        path: Path = self.pick((("colour",), ("intent", "colour"), ("account", "eqity"), ("x_note",), ("intent", "x_note"), ("inputs", "colour")))
        return put(document, path, self.pick(("1", {"a": 1})))

    def _full_form(self, document: Document) -> Document:
        """The same facts with several accounts and rows as lists."""
        full = drop(document, ("account",)) | {"accounts": {"main": document["account"], "other": {"equity": "1"}}}
        full["positions"] = [{"account": "main", "symbol": symbol, **row} for symbol, row in document["positions"].items()]
        full["positions"].append({"account": "other", "symbol": "A", "quantity": "999"})
        full["market"] = [{"symbol": symbol, **row} for symbol, row in document["market"].items()]
        return full

    def _hedged(self, document: Document) -> Document:
        hedged = put(document, ("intent", "position_side"), self.pick(("long", "short", "net")))
        rows = [{"symbol": symbol, "position_side": "long", **row} for symbol, row in document["positions"].items()]
        return put(hedged, ("positions",), [*rows, {"symbol": "A", "position_side": "short", "quantity": "-5"}])

    def _whole(self, document: Document) -> Document:
        return put(document, self.pick((("now",), ("intent",), ("market",), ("history", "events"), ("intent", "action"))), self.pick((None, "x", 5, [])))


FAULTS: tuple[Callable[[Facts, Document], Document], ...] = (
    Facts._lose, Facts._lose, Facts._lose, Facts._lose_section, Facts._lose_key_field, Facts._lose_key_field, Facts._spoil, Facts._spoil_number,
    Facts._out_of_range, Facts._old, Facts._old, Facts._old, Facts._ahead, Facts._ahead, Facts._divisor, Facts._divisor, Facts._forget, Facts._forget, Facts._forget, Facts._switch, Facts._switch,
    Facts._switch, Facts._currency, Facts._currency, Facts._currency, Facts._finer, Facts._finer, Facts._stranger, Facts._full_form, Facts._hedged, Facts._whole,
)
