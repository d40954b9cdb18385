"""Steps of a test as events: intents, what venues say, what operators do."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.syntax import ast
from caplex.compiler.testing.given import Givens
from caplex.compiler.testing.values import Values, of_number
from caplex.runtime.clock import exact_instant
from caplex.runtime.engine.engine import Engine
from caplex.runtime.engine.state import Order
from caplex.runtime.reading import number
from caplex.runtime.schema import Kind, Type

PLAIN = Type(Kind.RATIO)


class Events:
    """Makes events of steps and hands them to the engine; ids are counted."""

    def __init__(self, engine: Engine, checked: CheckedModule, values: Values, givens: Givens) -> None:
        self.engine, self.checked, self.values, self.givens = engine, checked, values, givens
        self.count = 0
        self.last = ""
        """Id of the last intent."""

    def _next(self, kind: str) -> str:
        self.count += 1
        return f"{kind}-{self.count}"

    # ── intents ──────────────────────────────────────────────────────────────────────────────────────

    def intent(self, step: ast.Happens, now: int) -> dict[str, Any]:
        """The intent as a document: `open` where it does not say, of the test's only account."""
        accounts = self.givens.keys["account"]
        whose = {"account": accounts[0]} if len(accounts) == 1 else {}
        said = {"id": self._next("intent"), "action": "open", **whose, **self._fields(step)}
        self.last = said["id"]
        return {"type": "intent", **{name: value for name, value in said.items() if value is not None}, "at": exact_instant(now)}

    # ── events ───────────────────────────────────────────────────────────────────────────────────────

    def event(self, step: ast.Happens, now: int) -> Mapping[str, Any]:
        """What *step* says has happened, told to the engine; the outcome."""
        said, kind = self._fields(step), step.event
        account = self.givens.keys["account"][0]
        match kind:
            case "tick":
                return self._apply(kind, now, said)
            case "quote":
                self.givens.forget("market", str(said.get("symbol")))
                return self._apply(kind, now, said)
            case "denial" | "violation":
                whose = said.pop("account", account)
                past = {"type": kind, "at": exact_instant(now), **said}
                return self._apply("history", now, {"account": whose, "complete_from": self._since(whose, now), "events": [past]})
            case "approve" | "decline":
                act = {"id": self._next("act"), "act": kind, "by": "test", **said, "target": {"intent_id": self.last}}
                return self._apply("operator", now, act)
            case "cash":
                return self._apply(kind, now, {"id": self._next(kind), "account": account, "currency": self.checked.policy.currency, **said})
            case "stop" | "result":
                return self._apply(kind, now, {"account": account, **said})
        return self._apply(kind, now, self._of_order(kind, said, account))

    def _apply(self, kind: str, now: int, said: Mapping[str, Any]) -> Mapping[str, Any]:
        told = {name: value for name, value in said.items() if value is not None}
        return self.engine.apply({"type": kind, "at": exact_instant(now), **told}).to_dict()

    def _since(self, account: str, now: int) -> str:
        """From when on the history is whole: as before, or from now on."""
        held = self.engine._machine.state.accounts.get(account)
        known = held.complete_from_ns if held is not None else None
        return exact_instant(now if known is None else known)

    def _of_order(self, kind: str, said: dict[str, Any], account: str) -> dict[str, Any]:
        """What is said of an order, with the order that is meant where it names none."""
        event = dict(said)
        if not any(said.get(name) is not None for name in ("order_id", "intent_id", "client_order_id")):
            order = self._order(kind, said, str(said.get("account", account)))
            if kind == "order":
                event["order_id"] = self._next(kind)
                event |= {"intent_id": order.intent_id} if order is not None else {}
            elif order is not None:
                event["order_id"] = order.id
        event.setdefault("account", account)
        if kind == "fill":
            event.setdefault("id", self._next(kind))
            event.setdefault("price", self._price(str(said.get("symbol"))))
        elif kind == "order":
            event.setdefault("status", "open")
        return event

    def _order(self, kind: str, said: Mapping[str, Any], account: str) -> Order | None:
        """The oldest order that can be meant: of an `order` one that nobody has sent yet, of a fill one that has room for it."""
        for order in self.engine._machine.state.flowing(account):
            if kind == "order" and order.status != "reserved":
                continue
            if kind == "fill" and "quantity" in said and number(said["quantity"]) > order.leaves:
                continue
            if all(said.get(name) in (None, getattr(order, name)) for name in ("symbol", "side", "strategy", "venue")):
                return order
        return None

    def _price(self, symbol: str) -> Any:
        """A fill without a price is at the market."""
        return next((row.get("price") for row in self.engine._machine.state.quotes.get(symbol, {}).values()), None)

    # ── operators ────────────────────────────────────────────────────────────────────────────────────

    def operate(self, step: ast.Operate, now: int) -> Mapping[str, Any]:
        """An operator trips a switch, asks to arm it again, or is the next to approve of that."""
        said = {pair.name.text: self._plain(pair) for pair in step.pairs}
        name = self.checked.references[step.switch.id]
        scope = {key: value for key, value in said.items() if key in ("account", "symbol", "strategy", "venue")}
        act: dict[str, Any] = {
            "type": "operator", "id": self._next("act"), "at": exact_instant(now), "act": step.act, "by": said.get("by", "test"),
            "target": {"switch": name, **({"scope": scope} if scope else {})},
            **{key: said[key] for key in ("reason", "ticket", "role") if key in said}}
        if step.act == "rearm":
            found = self.engine._machine.latches().find(act["target"])
            request = getattr(found[1], "request", None) if isinstance(found, tuple) else None
            if request is not None and request.state(now) == "open":
                act |= {"act": "approve", "target": {"request_id": request.id}}
        return self.engine.apply(act).to_dict()

    # ── fields ───────────────────────────────────────────────────────────────────────────────────────

    def _fields(self, step: ast.Happens) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if step.symbol is not None:
            found["symbol"] = step.symbol
        if step.side is not None:
            found["side"] = step.side
        if step.amount is not None:
            found["quantity"] = self.values.json(step.amount, PLAIN)
        for pair in step.pairs:
            found[pair.name.text] = self._plain(pair)
        return found

    def _plain(self, pair: ast.Pair) -> Any:
        type_ = self.checked.types.get(pair.value.id, PLAIN)
        value = self.values.exact(pair.value)
        if isinstance(pair.value, ast.Read) and pair.value.name in self.values.cells:
            cell = self.values.cells[pair.value.name]
            type_ = self.checked.types.get(cell.id, PLAIN)
        if isinstance(value, bool | str | None):
            return value
        return sorted(value) if isinstance(value, frozenset) else of_number(value, type_.kind)
