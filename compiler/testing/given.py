"""What a test says the world is like, told to the engine as events: its givens, and the neutral value of all else.

A given is what the venue or the host says. Where an engine keeps a value itself (high-water mark, start of day) a given sets it.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from caplex.compiler.semantics.model import CheckedModule, FieldBinding
from caplex.compiler.semantics.tests import supplied
from caplex.compiler.syntax import ast
from caplex.compiler.testing.values import Values, of_number
from caplex.runtime.clock import exact_instant, parse_instant
from caplex.runtime.engine.engine import Engine
from caplex.runtime.reading import number
from caplex.runtime.schema import SectionSpec

ACCOUNT: Final = "test"
"""Whose money it is where a test names no account."""
FROM: Final = "1970-01-01T00:00:00Z"
_LOT: Final = "0.00000001"
_FOLLOW: Final = ("day_start_equity", "peak_equity", "available", "balance")
"""What takes the equity where it is not given."""
_KEPT: Final = {"peak_equity": "peak", "day_start_equity": "day_start"}
_ORDER: Final = ("instrument", "fx", "strategy", "venue", "session", "counters", "inputs", "position", "orders", "market", "account")
"""In which order an engine hears of it: a switch that weighs the book against the account hears of the account last."""
Row = tuple[str, str | None]
Keys = dict[str, tuple[str, ...]]


def keys_of(test: ast.Test, values: Values) -> Keys:
    """Every account, symbol, strategy and venue that the test names, in the order of the text."""
    found: dict[str, dict[str, None]] = {name: {} for name in ("account", "symbol", "strategy", "venue")}
    for step in test.steps:
        if isinstance(step, ast.Happens) and step.symbol is not None:
            found["symbol"][step.symbol] = None
        if isinstance(step, ast.Happens | ast.Operate):
            for pair in step.pairs:
                if pair.name.text in found and isinstance(text := values.exact(pair.value), str):
                    found[pair.name.text][text] = None
        if isinstance(step, ast.Given) and step.target.steps and isinstance(first := step.target.steps[0], ast.RowStep):
            binding = values.checked.bindings.get(step.target.id)
            if isinstance(binding, FieldBinding) and isinstance(text := values.exact(first.key), str):
                found.setdefault(binding.section.key or "symbol", {})[text] = None
    found["account"] = found["account"] or {ACCOUNT: None}
    return {name: tuple(each) for name, each in found.items()}


class Incomplete(Exception):
    """What is given is no whole of its kind."""


class Givens:
    """The world of one row of a test, as far as it was given, over the engine that hears of it."""

    def __init__(self, engine: Engine, checked: CheckedModule, values: Values, keys: Keys, *, neutral: bool) -> None:
        self.engine, self.checked, self.values, self.keys, self.neutral = engine, checked, values, keys, neutral
        self.rows: dict[Row, dict[str, Any]] = {}
        self.said: set[tuple[str, str | None, str]] = set()
        """What was given: section, key and field."""

    # ── giving ───────────────────────────────────────────────────────────────────────────────────────

    def take(self, step: ast.Given) -> list[Row]:
        """Note what *step* gives; the rows that it changes."""
        binding = supplied(self.checked, step.target)
        assert binding is not None
        value = self.values.json(step.value, binding.field.type)
        first = step.target.steps[0] if step.target.steps else None
        section, found = binding.section, binding.field.name
        named: Iterable[str | None]
        if isinstance(first, ast.RowStep):
            named = ("\0".join(str(self.values.exact(step.key)) for step in step.target.steps if isinstance(step, ast.RowStep)),)
        elif section.shape == "row" and section.key is not None:
            named = self.keys.get(section.key, ())
        else:
            named = (None,)
        rows = [("position" if section.name == "positions" else section.name, name) for name in named]
        for row in rows:
            self.rows.setdefault(row, {})[found] = value
            self.said.add((*row, found))
        return rows

    # ── telling ──────────────────────────────────────────────────────────────────────────────────────

    def begin(self, now: int) -> None:
        """The world as it is when the test begins."""
        if self.neutral:
            for account in self.keys["account"]:
                self._say("history", now, account=account, complete_from=FROM)
            self._neutral()
        inputs = [section.name for section in self.checked.schema.sections.values() if section.inputs] if self.neutral else []
        self._tell(list(self.rows), now, inputs)

    def change(self, rows: list[Row], now: int) -> None:
        """What was given anew holds from here on."""
        self._tell(list(dict.fromkeys(rows)), now)

    def _neutral(self) -> None:
        """Rows of neutral values under what was given."""
        sections = self.checked.schema.sections
        for name in ("strategy", "venue"):
            for key in self.keys[name]:
                self._under((name, key), _neutral_row(sections[name]))
        for key in self.keys["symbol"]:
            lot = {} if self.checked.policy.lot is not None else {"lot": _LOT}
            self._under(("instrument", key), {**lot, **_neutral_row(sections["instrument"])})
            self._under(("market", key), _neutral_row(sections["market"]))
        self._under(("account", None), _neutral_row(sections["account"]))
        self._under(("session", None), _neutral_row(sections["session"]))
        counted = sorted({binding.field.name for binding in self.checked.bindings.values()
                          if isinstance(binding, FieldBinding) and binding.section.name == "counters"})
        self._under(("counters", None), dict.fromkeys(counted, "0"))
        for section in sections.values():
            if section.inputs:
                whose: Iterable[str | None] = self.keys.get(section.key or "", ()) if section.shape == "row" else (None,)
                for each in whose if section.shape != "list" else ():
                    self._under((section.name, each), _neutral_row(section))

    def _under(self, row: Row, neutral: dict[str, Any]) -> None:
        self.rows[row] = {**neutral, **self.rows.get(row, {})}

    def _tell(self, rows: list[Row], now: int, inputs: Iterable[str] = ()) -> None:
        """The events for *rows*, and for *inputs* whatever is known of them."""
        sections = self.checked.schema.sections
        for part in _ORDER:
            if part == "inputs":
                named = [row[0] for row in rows if row[0] in sections and sections[row[0]].inputs]
                for name in dict.fromkeys((*named, *inputs)):
                    self._input(sections[name], now)
                continue
            for row in rows:
                if row[0] == part:
                    self._row(row, dict(self.rows[row]), now)

    def _row(self, row: Row, fields: dict[str, Any], now: int) -> None:
        section, key = row
        match section:
            case "instrument":
                self._say("instrument", now, symbol=key, **fields)
            case "market":
                if fields:
                    self._say("quote", now, symbol=key, **fields)
            case "fx":
                self._say("fx", now, pair=key, rate=fields.get("rate"))
            case "strategy" | "venue":
                self._say(section, now, **{section: key}, values=_without_stamp(fields))
            case "session":
                if fields:
                    for account in self.keys["account"]:
                        self._say("session", now, account=account, act="phase", values=fields)
            case "counters":
                if fields:
                    self._say("counters", now, values=fields)
            case "position":
                self._position(key, fields, now)
            case "orders":
                for name in ("side", "leaves_quantity"):
                    if name not in fields:
                        raise Incomplete(f'an order in {key} is given without its {name}: give `orders["{key}"].{name}` as well, or let an `order` happen')
                self._say("order", now, **{"account": self.keys["account"][0], "order_id": f"given-{key}", "symbol": key, "status": "open",
                                           **{name: value for name, value in fields.items() if name not in ("id", "as_of")}})
            case "account":
                self._account(fields, now)

    def _position(self, key: str | None, fields: dict[str, Any], now: int) -> None:
        told = {name: value for name, value in fields.items() if name != "account"}
        owners = (fields["account"],) if "account" in fields else self.keys["account"]
        for account in owners:
            self._say("position", now, account=account, symbol=key, **{"quantity": "0", **told})

    def _account(self, fields: dict[str, Any], now: int) -> None:
        equity = fields.get("equity")
        if self.neutral and equity is not None:
            for name in _FOLLOW:
                if name in fields and ("account", None, name) not in self.said:
                    fields[name] = equity
        for account in self.keys["account"]:
            self._say("account", now, account=account, **fields)
            held = self.engine._machine.state.account(account)
            for name, attribute in _KEPT.items():  # an engine takes these from the first event alone
                if ("account", None, name) in self.said:
                    setattr(held, attribute, number(fields[name]))

    def _input(self, section: SectionSpec, now: int) -> None:
        found = {key: fields for (name, key), fields in self.rows.items() if name == section.name}
        values: Any
        if section.scalar:
            values = found.get(None, {}).get("value")
        elif section.shape == "row":
            values = found
        elif section.shape == "list":
            of_key: dict[str, list[dict[str, Any]]] = {key: [] for key in self.keys.get(section.key or "", ())}
            for key, fields in found.items():  # behind the key, which row of it
                of_key.setdefault(str(key).partition("\0")[0], []).append(fields)
            # Laid out by key, its rows need not repeat it.
            values = of_key if section.key is not None else [{"symbol": key, **fields} for key, rows in of_key.items() for fields in rows]
        else:
            values = found.get(None)
        if values is not None:
            self._say("input", now, name=section.name, values=values)

    def _say(self, type_: str, now: int, **fields: Any) -> None:
        self.engine.apply({"type": type_, "at": exact_instant(now), **{name: value for name, value in fields.items() if value is not None}})

    # ── staying fresh ────────────────────────────────────────────────────────────────────────────────

    def restamp(self, now: int) -> None:
        """It is *now*, and what was given was read just now, unless the test says when."""
        state, at = self.engine._machine.state, exact_instant(now)
        for (section, key), fields in self.rows.items():
            stamp = fields.get("as_of", at)
            match section:
                case "market" if key is not None and ("", key) in state.market:
                    state.set_quote("", key, {**state.market["", key], "as_of": stamp})
                case "strategy" if key in state.strategies:
                    state.strategies = {**state.strategies, key: {**state.strategies[key], "as_of": stamp}}
                case "venue" if key in state.venues:
                    state.venues = {**state.venues, key: {**state.venues[key], "as_of": stamp}}
                case "fx" if key in state.fx:
                    state.fx = {**state.fx, key: {**state.fx[key], "as_of": stamp}}
                case "account":
                    for account in self.keys["account"]:
                        held = state.account(account)
                        if held.fields:
                            held.fields = {**held.fields, "as_of": stamp}
                case "position":
                    for known, position in list(state.positions.items()):
                        if known[2] == key:
                            state.set_position(known, replace(position, as_of_ns=parse_instant(stamp)))
                case _ if section in state.inputs:
                    state.inputs = {**state.inputs, section: self._fresh(self.checked.schema.sections[section], state.inputs[section], at)}

    def _fresh(self, section: SectionSpec, told: Any, at: str) -> Any:
        if section.scalar:
            return told
        if section.shape == "row" and isinstance(told, dict):
            return {key: {**row, "as_of": self.rows.get((section.name, key), {}).get("as_of", at)} for key, row in told.items()}
        if section.shape == "one" and isinstance(told, dict):
            return {**told, "as_of": self.rows.get((section.name, None), {}).get("as_of", at)}
        return told

    def forget(self, section: str, key: str) -> None:
        """An event has told anew what was given: from now on it is as old as the event."""
        self.rows.pop((section, key), None)


def _neutral_row(section: SectionSpec) -> dict[str, Any]:
    return {name: of_number(spec.neutral, spec.type.kind) if isinstance(spec.neutral, Fraction) else spec.neutral
            for name, spec in section.fields.items() if spec.neutral is not None and not spec.derived}


def _without_stamp(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "as_of"}
