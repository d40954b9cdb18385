"""A bench for the actuator: the shipped gates, an engine with a journal, and an exchange that does as it is told."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import caplex
from caplex.runtime.actuator import Actuator, EngineDesk, Result
from caplex.runtime.clock import format_instant, parse_instant

POLICY = Path(__file__).resolve().parents[2] / "examples" / "execution_layer" / "policy.cap"
START = "2026-01-05T15:00:00Z"
ABOUT = {"account": "a", "venue": "v", "strategy": "s"}
CONFIG = {"max_position": "10", "max_notional": "100000", "max_leverage": "5", "max_actions": 10, "min_gap": "1s", "failed_cooldown": "60s"}
CONSTRAINTS = {"min_size": "0.01", "max_size": "100", "step": "0.01", "tick": "0.1", "margin_mode": "CROSS", "max_leverage": "10"}


@cache
def policy() -> caplex.Policy:
    return caplex.load(POLICY)


class Recording:
    """An exchange that remembers what it was asked, and answers what *answer* makes of it."""

    def __init__(self, answer: Callable[[Mapping[str, Any]], Any] | None = None) -> None:
        self.answer = answer or (lambda acknowledgement: acknowledgement)
        self.calls: list[tuple[str, Any, str]] = []
        self.watch: Callable[[], None] = lambda: None

    def place(self, order: Mapping[str, Any], *, client_order_id: str) -> Any:
        self.calls.append(("place", dict(order), client_order_id))
        self.watch()
        return self.answer({**order, "type": "order", "order_id": f"v-{len(self.calls)}", "status": "open", "client_order_id": client_order_id})

    def cancel_open_orders(self, symbol: str | None, *, client_order_id: str) -> Any:
        self.calls.append(("cancel", symbol, client_order_id))
        self.watch()
        return self.answer({"status": "cancelled", "client_order_id": client_order_id})


class Bench:
    """One actuator on one engine, and a clock that the test turns."""

    def __init__(self, journal: Path | None, exchange: Recording | None = None, **options: Any) -> None:
        self.journal, self.exchange, self.options = journal, exchange or Recording(), options
        self.now, self.count = parse_instant(START), 0
        self._open()
        self.apply("account", account="a", equity="100000", available="100000")
        self.apply("history", account="a", complete_from="2020-01-01T00:00:00Z")
        self.apply("quote", symbol="BTC", price="1000")
        self.apply("input", name="config", values=CONFIG)
        self.apply("input", name="constraints", values=CONSTRAINTS)

    def _open(self) -> None:
        self.engine = caplex.Engine(policy(), self.journal, trust_operators=True)
        self.actuator = Actuator(EngineDesk(self.engine), self.exchange, **self.options)

    def restart(self) -> Bench:
        self.engine.close()
        self._open()
        return self

    @property
    def at(self) -> str:
        return format_instant(self.now)

    def later(self, seconds: int) -> Bench:
        self.now += seconds * 10**9
        return self

    def apply(self, type_: str, **fields: Any) -> None:
        self.count += 1
        self.engine.apply({"type": type_, "id": f"e-{self.count}", "at": self.at, **fields})

    def hold(self, quantity: str) -> Bench:
        self.apply("position", account="a", symbol="BTC", quantity=quantity)
        return self

    def do(self, action: Mapping[str, Any] | None, code: str = "AUTHORIZED_ACTION", authorised_at: str | None = None, **more: Any) -> Result:
        authorisation = {"decision_code": code, "trace_id": "T-1", "decision_id": "D-1", "at": authorised_at}
        return self.actuator.execute(action, authorisation, at=self.at, about={**ABOUT, **more})

    def told(self, type_: str) -> list[dict[str, Any]]:
        """Events of that type in the journal."""
        from caplex.runtime.journal import read

        assert self.journal is not None
        return [record.body for record in read(self.journal, skip_torn=True) if record.kind == "event" and record.body["type"] == type_]


def opening(name: Any = "a-1", quantity: Any = "1", **more: Any) -> dict[str, Any]:
    return {"action_id": name, "kind": "open", "symbol": "BTC", "direction": "long", "quantity": quantity, "order_type": "market",
            "reduce_only": False, "time_in_force": "gtc", **more}


def closing(name: str = "c-1", quantity: Any = None, **more: Any) -> dict[str, Any]:
    return {"action_id": name, "kind": "close", "symbol": "BTC", "quantity": quantity, "order_type": "market", "reduce_only": True, **more}


def short(result: Result) -> tuple[str, str]:
    return result.result, result.reason_code
