"""Facts documents for one policy: plausible ones, with values at, one step below and one step above what it compares with.

The same seed gives the same documents. What no rule and no claim reads is left out, but for what every decision needs.
"""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from random import Random
from typing import Any, Final

from caplex.compiler.graph.ir import Fold, RuleGraph
from caplex.compiler.semantics.model import CheckedModule, RowBinding
from caplex.compiler.testing.boundaries import SECOND, STEPS
from caplex.compiler.testing.values import of_number
from caplex.runtime.canonical import plain
from caplex.runtime.clock import exact_instant, parse_instant
from caplex.runtime.layout import EVENT_TYPES, PLACES
from caplex.runtime.schema import FieldSpec, Kind, SectionSpec

Document = dict[str, Any]
BEGINNING: Final = parse_instant("2026-01-05T15:00:00Z")
DAY: Final = 86_400 * SECOND
MONEY: Final = Fraction(1_000_000)
_SIZES: Final = tuple(map(Fraction, (1, 2, 5, 10, 50, 100, 500, 1000, 5000)))
_PRICES: Final = tuple(map(Fraction, (1, 10, 50, 100, 200)))
_TEXTS: Final = {"symbol": ("A", "B"), "strategy": ("s1", "s2"), "account": ("acct-1",), "venue": ("v1",)}
_BASE: Final = frozenset({"action", "symbol", "side", "quantity", "delta", "amount", "account", "strategy", "venue", "id", "at", "limit_price"})
_HELD: Final = frozenset({"position", "value", "closing", "others_gross", "others_net", "held_gross", "held_net", "held_count", "committed_count", "base"})
_TYPE_OF: Final = {section: event for event, section in EVENT_TYPES.items()}


class Generator:
    """Documents for the policy behind *graph*, whose claims are in it too."""

    def __init__(self, checked: CheckedModule, graph: RuleGraph, seed: int) -> None:
        self.checked, self.graph, self.schema = checked, graph, checked.schema
        self.rng = Random(seed)
        self.wild = 0.5
        self._consts: dict[Kind, list[Fraction]] = {}
        self._texts: dict[tuple[str, str], list[str]] = {}
        self._instants: list[int] = []
        self._gather()
        self._fields = self._read_fields()
        self._folds = sorted({(fold.section, fold.window) for fold in self._all_folds()}, key=str)
        self._rows = self._row_fields()
        self._books = {slot.name for slot in graph.slots if slot.kind == "book"}

    # ── what the policy compares with ────────────────────────────────────────────────────────────────

    def _gather(self) -> None:
        consts: dict[Kind, set[Fraction]] = {}
        texts: dict[tuple[str, str], set[str]] = {}
        nodes, types = self.graph.nodes, self.graph.types
        for number, node in enumerate(nodes):
            if node.op == "const" and isinstance(node.payload, Fraction):
                consts.setdefault(types[number].kind, set()).add(node.payload)
            if node.op in ("eq", "ne", "in"):
                fields = [self.graph.slots[nodes[arg].payload] for arg in node.args if nodes[arg].op == "slot"]
                said = set().union(*(_words(nodes[arg].payload) for arg in node.args if nodes[arg].op == "const"))
                for slot in fields:
                    if slot.kind == "setting" and slot.name in self.graph.settings:
                        said |= _words(self.graph.settings[slot.name].value)
                for slot in fields:
                    if slot.kind == "field":
                        texts.setdefault((slot.section, slot.name), set()).update(said)
        for info in self.graph.settings.values():
            for value in (info.value, *(override.value for override in info.overrides)):
                if isinstance(value, Fraction):
                    consts.setdefault(info.type.kind, set()).add(value)
            for override in info.overrides:
                for dimension, text in override.scopes:
                    section, _, field = dimension.rpartition(".")
                    texts.setdefault((section, field) if section else ("intent", dimension), set()).add(text)
                if override.until_ns is not None:
                    self._instants += [override.until_ns - SECOND, override.until_ns]
        for rule in self.graph.rules:
            for waiver in rule.waivers:
                self._instants += [waiver.until_ns - SECOND, waiver.until_ns]
            if rule.scope_is is not None:
                texts.setdefault(("intent", rule.scope[0]), set()).add(rule.scope_is)
        self._consts = {kind: sorted(values) for kind, values in sorted(consts.items())}
        self._texts = {key: sorted(words) for key, words in sorted(texts.items())}

    def _all_folds(self) -> list[Fold]:
        return [node.payload for node in self.graph.nodes if node.op == "fold"]

    def _read_fields(self) -> dict[str, dict[str, FieldSpec]]:
        """Supplied fields that are read, by section."""
        found: dict[str, dict[str, FieldSpec]] = {}
        for slot in self.graph.slots:
            if slot.kind == "field" and slot.section in self.schema.sections:
                spec = self.schema.field(slot.section, slot.name)
                if spec is not None and not spec.derived:
                    found.setdefault(slot.section, {})[slot.name] = spec
        return found

    def _row_fields(self) -> dict[str, set[str]]:
        """Fields of rows that aggregates and rates read, by section."""
        found: dict[str, set[str]] = {}
        for binding in self.checked.bindings.values():
            if isinstance(binding, RowBinding):
                found.setdefault(binding.section.name, set()).add(binding.field.name)
        for item, keys in self.checked.throttle_keys.items():
            found.setdefault(self.checked.throttle_events[item].name, set()).update(name for name, _ in keys)
        return found

    # ── values ───────────────────────────────────────────────────────────────────────────────────────

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def pick(self, options: Sequence[Any]) -> Any:
        return self.rng.choice(options)

    def number(self, kind: Kind) -> Fraction:
        """Round, or at, one step below or above something that the policy says."""
        step = STEPS.get(kind, Fraction(1))
        pool = list(self._consts.get(kind, ()))
        if kind is Kind.MONEY:
            pool += [MONEY, *(MONEY * (1 - share) for share in self._shares()), *(MONEY * share for share in self._shares())]
        plainly = {Kind.QUANTITY: _SIZES, Kind.PRICE: _PRICES, Kind.COUNT: tuple(map(Fraction, (0, 1, 2, 3, 5))), Kind.MONEY: (MONEY, MONEY / 10, Fraction(0)),
                   Kind.RATIO: (Fraction(0), Fraction(1, 2), Fraction(1))}.get(kind, (Fraction(0), Fraction(60 * SECOND)))
        if not pool or self.chance(0.35):
            return Fraction(self.pick(plainly))
        beside: int = self.pick((-1, 0, 0, 1))
        return step * beside + Fraction(self.pick(pool))

    def _shares(self) -> list[Fraction]:
        return [share for share in self._consts.get(Kind.RATIO, ()) if 0 < share <= 1]

    def value(self, spec: FieldSpec, now: int) -> Any:
        """A value of this field, within its range, as a document holds it."""
        kind = spec.type.kind
        match kind:
            case Kind.BOOL:
                return self.chance(0.5)
            case Kind.ENUM:
                return self.pick(spec.type.members)
            case Kind.SET:
                return [word for word in self._known(spec) if self.chance(0.4)]
            case Kind.TEXT | Kind.NOMINAL:
                return self.pick(self._known(spec))
            case Kind.INSTANT:
                return exact_instant(now - int(abs(self.number(Kind.DURATION))) * self.pick((1, 1, -1)))
            case Kind.DATE:
                return exact_instant(now + self.pick((-1, 0, 1, 30)) * DAY)[:10]
            case Kind.TIME:
                return of_number(self.number(kind) % DAY, kind)
            case Kind.DURATION:
                return of_number(abs(self.number(kind)), kind)
        value = _within(self.number(kind), spec)
        return of_number(value if kind is not Kind.COUNT else Fraction(max(0, round(value))), kind)

    def _known(self, spec: FieldSpec) -> list[str]:
        known = self._texts.get((spec.section, spec.name), [])
        return [*known, *_TEXTS.get(spec.type.name or "", ()), *(() if spec.type.name else ("other",))] or ["other"]

    # ── documents ────────────────────────────────────────────────────────────────────────────────────

    def document(self) -> Document:
        """One intent on one state of the world; in most of them little is out of the ordinary, so that not one rule decides them all."""
        self.wild = self.pick((0.05, 0.2, 0.5))
        now = self._now()
        intent = self._intent(now)
        symbols = list(dict.fromkeys([intent["symbol"], *_TEXTS["symbol"], *(slot.key_text for slot in self.graph.slots if slot.section == "market" and slot.key_text)]))
        stamp = exact_instant(now)
        market = {symbol: self._quote(now, stamp) for symbol in symbols}
        positions = self._positions(symbols, now)
        self._fit(intent, Fraction(market[intent["symbol"]]["price"]), positions)
        found: Document = {
            "now": stamp, "intent": intent, "account": self._record("account", now, stamp),
            "positions": positions, "orders": self._orders(symbols),
            "market": market,
            "instruments": {symbol: self._instrument(now) for symbol in symbols},
        }
        for section in ("strategy", "venue"):
            if section in self._fields:
                found[PLACES[section]] = {intent[section]: self._record(section, now, stamp)}
        if "session" in self._fields:
            found["session"] = self._record("session", now, stamp)
        if "fx" in self._fields:
            found["fx"] = {slot.key_text: {"rate": plain(Fraction(self.pick((1, 2)))), "as_of": stamp} for slot in self.graph.slots if slot.section == "fx"}
        counters = [slot.name for slot in self.graph.slots if slot.kind == "counter"]
        if counters:
            found["counters"] = {name: plain(max(Fraction(0), self.number(Kind.COUNT))) for name in counters}
        inputs = {name: self._input(section, intent, now, stamp) for name, section in self.schema.sections.items() if section.inputs}
        if inputs:
            found["inputs"] = inputs
        found["history"] = {"complete_from": exact_instant(now - 400 * DAY), "events": self._events(intent, now)}
        switches = self._switches(intent)
        if switches:
            found["switches"] = switches
        return found

    def _now(self) -> int:
        policy = self.checked.policy
        start, end = policy.effective_from_ns, policy.effective_until_ns
        usual = max(BEGINNING, (start or 0) + 15 * 3600 * SECOND)
        if end is not None and usual >= end:
            usual = end - DAY
        times = [usual, usual, usual, usual + 7 * 3600 * SECOND, usual + 9 * 3600 * SECOND, *self._instants]
        now = int(self.pick(times))
        for clock in self._consts.get(Kind.TIME, ()):
            if self.chance(0.3):
                now = now - now % DAY + int(clock) + self.pick((-1, 0, 1)) * SECOND
        return now

    def _intent(self, now: int) -> Document:
        fields = self._fields.get("intent", {})
        schema = self.schema.sections["intent"].fields
        action = self.pick(("open", "open", "open", "open", "open", "open", "close", "adjust"))
        found: Document = {"id": "i-1", "action": action, "account": "acct-1"}
        for name in ("symbol", "side", "strategy", "venue"):
            if name in ("symbol", "side") or name in fields or name in self._rows_keys() or any(name in rule.scope for rule in self.graph.rules):
                found[name] = self.value(schema[name], now)
        size = plain(max(Fraction(1), self.number(Kind.QUANTITY)))
        if action == "adjust":
            found["delta"] = size if found.pop("side") == "buy" else f"-{size}"
        elif not (self.graph.sizes and self.chance(0.5)):
            found["quantity"] = size
        for name, spec in fields.items():
            if name not in _BASE and not (spec.optional and self.chance(0.4)):
                found[name] = self.value(spec, now)
        if "limit_price" in fields or "order_value" in {slot.name for slot in self.graph.slots if slot.kind == "book"}:
            if self.chance(0.25):
                found["limit_price"] = self.value(schema["limit_price"], now)
        return found

    def _fit(self, intent: Document, price: Fraction, positions: Document) -> None:
        """Sizes that are worth a share of the equity, limit prices near the market, something to close for a close."""
        for name in ("quantity", "delta"):
            if name in intent and self.chance(0.5):
                share = self.pick((Fraction(1, 1000), Fraction(1, 100), Fraction(1, 20), *self._shares()))
                size = max(1, int(MONEY * share / price)) + self.pick((-1, 0, 1))
                intent[name] = str(max(1, size) * (-1 if intent[name].startswith("-") else 1))
        if "limit_price" in intent:
            share = self.pick((Fraction(0), Fraction(1, 100), *self._shares()))
            intent["limit_price"] = plain(max(Fraction(1, 100), price * (1 + share * self.pick((-1, 1))) + self.pick((0, 0, -1, 1)) * Fraction(1, 100)))
        if intent["action"] == "close":
            held = abs(self.pick(_SIZES)) * (1 if intent["side"] == "sell" else -1)
            positions[intent["symbol"]] = {**positions.get(intent["symbol"], {}), "quantity": plain(held)}

    def _rows_keys(self) -> set[str]:
        return set().union(*self._rows.values()) if self._rows else set()

    def _record(self, name: str, now: int, stamp: str) -> Document:
        section = self.schema.sections[name]
        found = {field: self.value(spec, now) for field, spec in self._fields.get(name, {}).items()
                 if field != "as_of" and not (spec.optional and self.chance(0.3))}
        if name == "account":
            found = {"equity": plain(MONEY), **found}
            for each, spec in self._fields.get(name, {}).items():  # a day like any other: nothing earned, nothing lost
                if each in found and spec.type.kind is Kind.MONEY and not self.chance(self.wild):
                    found[each] = plain(MONEY if spec.neutral is not None else _within(Fraction(0), spec))
        return found | ({"as_of": stamp} if "as_of" in section.fields else {})

    def _quote(self, now: int, stamp: str) -> Document:
        fields = self._fields.get("market", {})
        price = self.schema.field("market", "price")
        assert price is not None
        found: Document = {"price": self.value(price, now) if self.chance(0.3) else plain(Fraction(self.pick(_PRICES)))}
        found |= {name: self.value(spec, now) for name, spec in fields.items() if name not in ("price", "as_of") and not (spec.optional and self.chance(0.3))}
        return {**found, "as_of": stamp}

    def _instrument(self, now: int) -> Document:
        found: Document = {} if self.checked.policy.lot is not None else {"lot": self.pick(("1", "1", "0.01"))}
        for name, spec in self._fields.get("instrument", {}).items():
            if not (spec.optional and self.chance(0.3)):
                found[name] = self.value(spec, now)
        if self.chance(0.1):
            found |= self.pick(({"min_quantity": "5"}, {"max_quantity": "100"}, {"min_notional": "500"}))
        return found

    def _positions(self, symbols: list[str], now: int) -> Document:
        found: Document = {}
        for symbol in symbols:
            if self.chance(0.6 if symbol == symbols[0] else 0.3):
                row = {"quantity": plain(self.pick(_SIZES) * self.pick((1, 1, -1)))}
                for name in sorted({*self._fields.get("position", {}), *self._rows.get("positions", ())} - {"quantity", "symbol", "as_of", "notional", "price"}):
                    spec = self.schema.field("positions", name)
                    if spec is not None and not spec.derived and not (spec.optional and self.chance(0.3)):
                        row[name] = self.value(spec, now)
                found[symbol] = row
        return found

    def _orders(self, symbols: list[str]) -> list[Document]:
        count = self.pick((0, 0, 1, 2)) if self._books & _HELD or "orders" in self._rows else 0
        return [{"id": f"o-{number}", "symbol": self.pick(symbols[:2]), "side": self.pick(("buy", "sell")), "leaves_quantity": plain(self.pick(_SIZES)),
                 "status": "open"} for number in range(count)]

    def _input(self, section: SectionSpec, intent: Document, now: int, stamp: str) -> Any:
        def row() -> Document:
            found = {name: self.value(spec, now) for name, spec in section.fields.items() if name not in (section.key, "as_of") and not (spec.optional and self.chance(0.3))}
            return found | ({"as_of": stamp} if "as_of" in section.fields else {})

        if section.scalar:
            return self.value(section.fields["value"], now)
        if section.shape == "one":
            return row()
        if section.shape == "list" and section.key is None:
            return [row() for _ in range(self.pick((0, 1, 2)))]
        key = str(intent.get(section.key or "", "A"))
        return {key: [row() for _ in range(self.pick((0, 1, 2)))]} if section.shape == "list" else {key: row()}

    def _events(self, intent: Document, now: int) -> list[Document]:
        """Events near the far ends of the windows that count them, about as many as are allowed."""
        counts = [int(value) for value in self._consts.get(Kind.COUNT, ()) if 0 < value <= 50] or [1]
        windows = [int(value) for value in self._consts.get(Kind.DURATION, ()) if value > 0] or [60 * SECOND]
        events: list[Document] = []
        for name in sorted({section for section, _ in self._folds if section in _TYPE_OF} | self._counted()):
            many = self.pick((0, 0, 1, 2, self.pick(counts), self.pick(counts) + self.pick((-1, 1))))
            at = [now - self.pick(windows) + self.pick((-1, 0, 1)) * SECOND, now - self.pick(windows) // 2, now - SECOND]
            events += [self._event(name, intent, min(self.pick(at), now), now) for _ in range(many)]
        return sorted(events, key=lambda event: str(event["at"]))

    def _counted(self) -> set[str]:
        return {trip.events for rule in self.graph.rules for trip in rule.trips if trip.kind == "count"}

    def _event(self, name: str, intent: Document, at: int, now: int) -> Document:
        section = self.schema.sections[name]
        found: Document = {"type": _TYPE_OF[name], "at": exact_instant(at)}
        for field in sorted({"symbol", *self._rows.get(name, ())} & set(section.fields) - {"at", "account"}):
            spec = section.fields[field]
            same = intent.get(field)
            found[field] = same if same is not None and self.chance(0.8) else self.value(spec, now)
        return found

    def _switches(self, intent: Document) -> list[Document]:
        found = []
        for rule in self.graph.rules:
            if rule.kind == "switch":
                scope = {name: rule.scope_is or str(intent.get(name, "x")) for name in rule.scope}
                found.append({"id": rule.id, "scope": scope, "state": "tripped" if self.chance(self.wild / 2) else "armed"})
        return found


def _words(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    return {word for word in value if isinstance(word, str)} if isinstance(value, frozenset) else set()


def _within(value: Fraction, spec: FieldSpec) -> Fraction:
    """*value* moved into the declared range."""
    if spec.low is not None:
        value = max(value, spec.low)
    if spec.high is not None:
        value = min(value, spec.high)
    if spec.above is not None and value <= spec.above:
        value = spec.above + STEPS.get(spec.type.kind, Fraction(1))
    return value
