"""The exchange as the actuator sees it: one call for each action, and what its answer is worth."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal, Protocol

from caplex.runtime.brokers.protocol import Broker, BrokerRejected, BrokerUnknown
from caplex.runtime.reading import Unreadable, number

Code = Literal["OK", "EXCHANGE_REJECTED", "EXCHANGE_TIMEOUT", "EXCHANGE_AMBIGUOUS", "EXCHANGE_ERROR", "EXCHANGE_MISMATCH"]
ACKNOWLEDGED: Final = frozenset({"open", "partially_filled", "filled", "cancelled"})
_SAME: Final = ("symbol", "side", "order_type", "time_in_force")
_SAME_NUMBERS: Final = ("quantity", "limit_price")


class Exchange(Protocol):
    """Where orders go. Every broker of `caplex.runtime.brokers` places; `BrokerExchange` adds the cancel."""

    def place(self, order: Mapping[str, Any], *, client_order_id: str) -> Mapping[str, Any]:
        """Send an order; the answer repeats `client_order_id` and has a `status`. Raises BrokerRejected, BrokerUnknown."""

    def cancel_open_orders(self, symbol: str | None, *, client_order_id: str) -> Mapping[str, Any]:
        """Take back all open orders, or those of *symbol*; the answer has the status ``cancelled``, and may list `cancel`
        events under ``cancelled``. Raises BrokerRejected, BrokerUnknown."""


class BrokerExchange:
    """A broker, with the cancel of all orders made from cancels of one: still one act, and all or a failure."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def place(self, order: Mapping[str, Any], *, client_order_id: str) -> Mapping[str, Any]:
        return self._broker.place(order, client_order_id=client_order_id)

    def cancel_open_orders(self, symbol: str | None, *, client_order_id: str) -> Mapping[str, Any]:
        told, refused = [], []
        for order in self._broker.snapshot().orders:
            if symbol in (None, order.get("symbol")):
                try:
                    told.append(self._broker.cancel(str(order["order_id"])))
                except BrokerRejected as error:
                    refused.append(f"{order['order_id']}: {error.code}")
                except BrokerUnknown as error:
                    refused.append(f"{order['order_id']}: {error}")
        status = "unknown" if refused else "cancelled"
        return {"client_order_id": client_order_id, "status": status, "cancelled": told, "refused": refused}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of the call. Everything but OK is a failure."""

    code: Code
    reason: str
    response: Mapping[str, Any]


def call(make: Callable[[], Any], order: Mapping[str, Any]) -> Answer:
    """Make the one call, and verify what came of it. There is no second call, whatever comes."""
    try:
        reply = make()
    except BrokerRejected as error:
        return Answer("EXCHANGE_REJECTED", f"{error.code}: {error}", {"rejected": error.code, "message": str(error)})
    except (BrokerUnknown, TimeoutError) as error:
        return Answer("EXCHANGE_TIMEOUT", "no answer came; what was asked for may have been done", _failed(error))
    except Exception as error:  # whatever broke: the call may have been carried out
        return Answer("EXCHANGE_ERROR", f"the call broke: {type(error).__name__}: {error}"[:500], _failed(error))
    return verify(order, reply)


def _failed(error: Exception) -> dict[str, str]:
    return {"raised": type(error).__name__, "message": str(error)[:500]}


def verify(order: Mapping[str, Any], reply: Any) -> Answer:
    """Is *reply* the acknowledgement of *order*, and of nothing else?"""
    if not isinstance(reply, Mapping):
        return Answer("EXCHANGE_AMBIGUOUS", "the answer is no document", {"answer": str(reply)[:500]})
    status = reply.get("status")
    if status == "rejected" or reply.get("type") == "reject":
        return Answer("EXCHANGE_REJECTED", str(reply.get("message") or reply.get("code") or "refused"), reply)
    wrong = _differs(order, reply)
    if wrong is not None:
        return Answer("EXCHANGE_MISMATCH", wrong, reply)
    wanted = ACKNOWLEDGED & {"cancelled"} if order.get("action") == "cancel" else ACKNOWLEDGED - {"cancelled"}
    if status not in wanted or reply.get("client_order_id") != order["client_order_id"]:
        return Answer("EXCHANGE_AMBIGUOUS", f"the answer says {status!r} of {reply.get('client_order_id')!r}", reply)
    return Answer("OK", "acknowledged", reply)


def _differs(order: Mapping[str, Any], reply: Mapping[str, Any]) -> str | None:
    """Where an answer contradicts what was sent."""
    for name in ("client_order_id", *_SAME):
        if reply.get(name) is not None and order.get(name) is not None and reply[name] != order[name]:
            return f"{name} was {order[name]}, the answer says {reply[name]}"
    for name in _SAME_NUMBERS:
        if reply.get(name) is not None and order.get(name) is not None and _number(reply[name]) != _number(order[name]):
            return f"{name} was {order[name]}, the answer says {reply[name]}"
    filled, most = _number(reply.get("filled_quantity", "0")), _number(order.get("quantity", "0"))
    if filled is None or (most is not None and filled > most):
        return f"{reply['filled_quantity']} filled of {order.get('quantity')}"
    return None


def _number(value: Any) -> Fraction | None:
    try:
        return number(value)
    except Unreadable:
        return None
