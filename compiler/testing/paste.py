"""A facts document as a `test` block that an author can paste: it says what is given, what happens, and what comes of it now."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from caplex.compiler.source import Source
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.expression_printer import number as grouped
from caplex.compiler.syntax.expression_printer import quoted
from caplex.compiler.syntax.parser import parse
from caplex.compiler.testing.model import Entry
from caplex.runtime.canonical import to_decimal
from caplex.runtime.clock import exact_instant, parse_instant
from caplex.runtime.decision import Decision
from caplex.runtime.reading import number
from caplex.runtime.ruling import Verdict
from caplex.runtime.schema import FieldSpec, Kind

_SECTIONS = {"account": "account", "positions": "position", "market": "market", "instruments": "instrument", "strategies": "strategy", "venues": "venue",
             "session": "session"}


def as_test(entry: Entry, node: ast.Property, document: Mapping[str, Any], decision: Decision) -> str:
    """The block, if run as a test it comes to the same decision; else nothing."""
    text = _Writer(entry, document).text(node.title, decision)
    return text if text and _comes_to_the_same(entry, text) else ""


def _comes_to_the_same(entry: Entry, text: str) -> bool:
    from dataclasses import replace

    from caplex.compiler.testing.collect import compiled
    from caplex.compiler.testing.timeline import rows_of, run_test

    module, problems = parse(Source("counterexample", text), ids=count(10**10))
    if module is None or problems or entry.module is None:
        return False
    items = tuple(item for item in entry.module.items if not isinstance(item, ast.Test | ast.Property))
    tests = tuple(item for item in module.items if isinstance(item, ast.Test))
    checked, _, found = compiled(replace(entry.module, items=(*items, *tests)), entry.path)
    if checked is None or entry.policy is None or any(each.is_error for each in found):
        return False
    return all(run_test(entry.policy, checked, test, rows_of(test)[0]).passed for test in tests)


class _Writer:
    def __init__(self, entry: Entry, document: Mapping[str, Any]) -> None:
        assert entry.checked is not None
        self.schema, self.currency = entry.checked.schema, entry.checked.policy.currency
        self.document = document

    def text(self, title: str, decision: Decision) -> str:
        """Empty where a value has no literal."""
        try:
            lines = [*self._given(), *self._happens(), _expected(decision)]
        except (KeyError, ValueError):
            return ""
        return "\n".join([f"test {quoted('counterexample to: ' + title)} {{", *(f"  {line}" for line in lines), "}"])

    # ── given ────────────────────────────────────────────────────────────────────────────────────────

    def _given(self) -> Iterator[str]:
        document = self.document
        for place, section in _SECTIONS.items():
            told = document.get(place) or {}
            for key, row in told.items() if place not in ("account", "session") else [(None, told)]:
                where = section if key is None else f"{section}[{quoted(key)}]"
                yield from self._fields(section, where, row)
        for order in document.get("orders") or ():
            yield from self._fields("orders", f"orders[{quoted(order['symbol'])}]", {name: value for name, value in order.items() if name not in ("id", "symbol", "status")})
        for name, value in (document.get("inputs") or {}).items():
            yield from self._input(name, value)

    def _input(self, name: str, value: Any) -> Iterator[str]:
        section = self.schema.sections[name]
        if section.scalar:
            yield f"given {name} = {self._literal(section.fields['value'], value)}"
        elif section.shape == "one":
            yield from self._fields(name, name, value)
        elif section.shape == "row":
            for key, row in value.items():
                yield from self._fields(name, f"{name}[{quoted(key)}]", row)
        elif any(value.values() if isinstance(value, Mapping) else value):
            raise ValueError("rows of a list")

    def _fields(self, section: str, where: str, row: Mapping[str, Any]) -> Iterator[str]:
        for name, value in row.items():
            if name == "as_of" and value == self.document["now"]:
                continue  # given values are as fresh as can be
            yield f"given {where}.{name} = {self._literal(self.schema.sections[section].fields[name], value)}"

    def _literal(self, spec: FieldSpec, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list):
            return "[" + ", ".join(quoted(str(each)) for each in value) + "]"
        match spec.type.kind:
            case Kind.MONEY | Kind.PRICE:
                return f"{_grouped(value)} {spec.type.currency or self.currency}"
            case Kind.QUANTITY | Kind.RATIO | Kind.COUNT:
                return _grouped(value)
            case Kind.INSTANT:
                return _moment(value)
            case Kind.TEXT | Kind.NOMINAL:
                return quoted(str(value))
        return str(value)

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────

    def _happens(self) -> Iterator[str]:
        now = self.document["now"]
        for event in self.document["history"]["events"]:
            fields = {name: value for name, value in event.items() if name not in ("type", "at", "side", "quantity", "symbol")}
            if event["type"] != "fill":
                raise ValueError("only fills can be told as events")
            trade = f"{event.get('side', 'buy')} {_grouped(event.get('quantity', '1'))} {quoted(event['symbol'])}"
            yield f"at {_moment(event['at'])}  fill {trade}{self._pairs('fills', fields)}"
        yield f"at {_moment(now)}"
        for switch in self.document.get("switches") or ():
            if switch["state"] == "tripped":
                scope = "".join(f" {name} {quoted(value)}" for name, value in switch["scope"].items() if name != "account")
                yield f"trip {switch['id']} by \"test\"{scope}"
        intent = dict(self.document["intent"])
        side, size = intent.pop("side", None), intent.pop("quantity", None)
        symbol = intent.pop("symbol")
        if intent.get("action") == "open":
            intent.pop("action")
        for name in ("id", "account"):
            intent.pop(name, None)
        if side is not None and size is not None:
            yield f"intent {side} {_grouped(size)} {quoted(symbol)}{self._pairs('intent', intent)}"
        else:
            more = {"symbol": symbol, **({"side": side} if side is not None else {}), **({"quantity": size} if size is not None else {}), **intent}
            yield f"intent{self._pairs('intent', more)}"

    def _pairs(self, section: str, fields: Mapping[str, Any]) -> str:
        return "".join(f" {name} {self._literal(self.schema.sections[section].fields[name], value)}" for name, value in fields.items())


def _expected(decision: Decision) -> str:
    match decision.verdict:
        case Verdict.ALLOW:
            return "expect allow"
        case Verdict.MODIFY:
            return f"expect modify to {grouped(decision.quantity)}"
        case Verdict.HOLD:
            return f"expect hold by {decision.decided_by}"
    return f"expect deny by {decision.decided_by}"


def _grouped(text: Any) -> str:
    value = number(text)
    return grouped(to_decimal(value)) if value >= 0 else "-" + grouped(to_decimal(-value))


def _moment(text: str) -> str:
    """As short as it is exact."""
    return exact_instant(parse_instant(text)).replace(".000000000Z", "Z").replace(".000000Z", "Z")
