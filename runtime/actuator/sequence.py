"""The sequence: authorisation, form, gates, constraints, exactly one call, verification. The first that stops decides.

The actuator decides nothing. A desk (an engine or a policy) says what may go ahead; here it is carried out and told. What
happened is written before the next step is taken, so that a process that dies in between is understood afterwards.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from caplex.runtime.actuator import asking
from caplex.runtime.actuator.desks import Desk, Interrupted
from caplex.runtime.actuator.exchange import Answer, Exchange, call
from caplex.runtime.actuator.result import SENT, Result, Word, why, word_of
from caplex.runtime.canonical import sha256
from caplex.runtime.errors import EventError, JournalError

CancelAfter = Literal["never", "reached", "always"]
_NOTHING: Final[Mapping[str, Any]] = {}
_TOLD: Final = ("order_id", "filled_quantity", "leaves_quantity", "average_price")
_PERMITS: Final = ("ALLOW", "MODIFY")


class Actuator:
    """Carries out approved actions.

    Args:
        cancel_after: Whether a FAILED_SAFE forces a cancel of the open orders in its symbol: ``never``, if the action had
            ``reached`` the exchange, or ``always``. The cancel is an action of its own and passes the gates like any other.
    """

    def __init__(self, desk: Desk, exchange: Exchange, *, cancel_after: CancelAfter = "never") -> None:
        if cancel_after not in ("never", "reached", "always"):
            raise ValueError(f"cancel_after is never, reached or always, not {cancel_after!r}")
        self._desk, self._exchange, self._cancel_after = desk, exchange, cancel_after

    def execute(self, action: Mapping[str, Any] | None, authorisation: Mapping[str, Any], *, at: Any,
                about: Mapping[str, Any] = _NOTHING) -> Result:
        """Take one action through the sequence.

        Args:
            action: `action_id`, `kind` (open, close, adjust, cancel, noop), `symbol`, `direction` (long, short), `quantity` or
                `delta`, `order_type`, `limit_price`, `reduce_only`, `time_in_force`. Nothing of it is believed.
            authorisation: `decision_code`, `trace_id`, `decision_id` of whoever approved it, and `at` where it says when.
            at: The time, RFC 3339. There is no other clock.
            about: `account`, `venue`, `strategy` that it is for, and the `symbol` that the facts are about.
        """
        result = self._carry_out(action or _NOTHING, authorisation, at, about)
        wanted = self._cancel_after == "always" or (self._cancel_after == "reached" and result.reached_exchange)
        if result.result != "FAILED_SAFE" or not wanted or (action or _NOTHING).get("kind") == "cancel":
            return result
        cancel = {"action_id": f"cancel-{_short([asking.intent_id(action or _NOTHING), str(at)])}", "kind": "cancel",
                  "symbol": (action or _NOTHING).get("symbol")}
        return replace(result, followed_by=self._carry_out(cancel, authorisation, at, about))

    def recover(self, *, at: Any) -> list[Result]:
        """Give every approved action that a crash left without a result its result. Nothing is sent again."""
        return [self._recovered(each, at) for each in self._desk.interrupted()]

    # ── the sequence ─────────────────────────────────────────────────────────────────────────────────

    def _carry_out(self, action: Mapping[str, Any], authorisation: Mapping[str, Any], at: Any, about: Mapping[str, Any]) -> Result:
        name = asking.intent_id(action)
        result = Result(action.get("action_id"), "FAILED_SAFE", "UNREADABLE", "", authorisation.get("trace_id"), None,
                        authorisation.get("decision_id"), at)
        try:
            form = self._desk.ask({**asking.form(action, authorisation, about, duplicate=self._desk.known(name)), "at": at})
            result = replace(result, decision_id=form.get("decision_id"), steps=("form",))
            if form["verdict"] not in _PERMITS:
                return self._finish(_refused(result, form), name, action, about, at)
            told = self._desk.ask({**asking.act(action, authorisation, about), "at": at})
        except EventError as error:
            return replace(result, reason=str(error))  # it has no time or no name: there is nothing that could be written
        result = replace(result, decision_id=told.get("decision_id"), steps=(*result.steps, "gates"))
        if told.get("repeat_of") is not None:
            return self._finish(replace(result, result="NOOP", reason_code="DUPLICATE_ACTION", reason="answered before"), name, action, about, at)
        if told["verdict"] in _PERMITS and told.get("order") is None:
            return self._finish(replace(result, reason_code="NO_ORDER", reason="it is permitted, and cannot be written out"), name, action, about, at)
        if told["verdict"] not in _PERMITS:
            return self._finish(_refused(result, told), name, action, about, at)
        if told["order"].get("action") == "noop":
            return self._finish(replace(result, result="SUCCESS", reason_code="OK", reason="nothing to do"), name, action, about, at)
        return self._send(result, name, told["order"], action, about, at)

    def _send(self, result: Result, name: str, order: Mapping[str, Any], action: Mapping[str, Any], about: Mapping[str, Any], at: Any) -> Result:
        """Write that it is sent, call once, write what came of it."""
        trade = "action" not in order
        try:
            self._desk.tell(_event("result", f"{name}-sending", name, about, action, at, result=SENT, reached_exchange=True, **_ids(replace(result, reason_code=SENT))))
            if trade:
                self._desk.tell(_event("order", f"{name}-sent", name, about, action, at, status="sent", client_order_id=name,
                                       side=order["side"], quantity=order["quantity"]))
        except (JournalError, EventError) as error:
            return replace(result, reason_code="NOT_RECORDED", reason=f"nothing was sent: {error}")
        answer = self._call(name, order, action)
        result = replace(result, result="SUCCESS" if answer.code == "OK" else "FAILED_SAFE", reason_code=answer.code, reason=answer.reason,
                         steps=(*result.steps, "sent", "verified"), reached_exchange=True, exchange_response=answer.response)
        try:
            for event in _reply(name, order, answer, about, action, at):
                self._desk.tell(event)
        except (JournalError, EventError) as error:
            return replace(result, result="FAILED_SAFE", reason_code="NOT_RECORDED", reason=f"{answer.code}, and not written down: {error}")
        return self._finish(result, name, action, about, at)

    def _call(self, name: str, order: Mapping[str, Any], action: Mapping[str, Any]) -> Answer:
        if order.get("action") == "cancel":
            return call(lambda: self._exchange.cancel_open_orders(action.get("symbol"), client_order_id=name), order)
        return call(lambda: self._exchange.place(order, client_order_id=name), order)

    def _finish(self, result: Result, name: str, action: Mapping[str, Any], about: Mapping[str, Any], at: Any) -> Result:
        """Write the result down. A result that cannot be written is no success."""
        told = _ids(result)
        event = _event("result", f"result-{_short([name, result.result, result.reason_code, told, str(at)])}", name, about, action, at,
                       result=result.result, reached_exchange=result.reached_exchange, **told)
        try:
            self._desk.tell(event)
        except (JournalError, EventError) as error:
            return replace(result, result="FAILED_SAFE", reason_code="NOT_RECORDED", reason=f"{result.result}, and not written down: {error}")
        return result

    # ── after a crash ────────────────────────────────────────────────────────────────────────────────

    def _recovered(self, found: Interrupted, at: Any) -> Result:
        intent = found.told["intent"]
        name, kind = str(intent["id"]), str(intent["action"])
        word: Word = "FAILED_SAFE"
        code, reason = "NOT_SENT", "approved, and never sent: the process ended before"
        action = {"action_id": intent.get("action_id"), "symbol": intent.get("asked_symbol")}
        if found.reply is not None:
            word, code, reason = _read_back(found.reply)
        elif found.sent:
            code, reason = "INTERRUPTED", "the process ended while the exchange was called: whether it was done is not known"
            if kind in asking.TRADING:
                self._desk.tell(_event("order", f"{name}-reply", name, intent, action, at, status="unknown", client_order_id=name, because="interrupted"))
        elif kind == "noop":
            word, code, reason = "SUCCESS", "OK", "nothing to do"
        elif kind in asking.TRADING:
            self._desk.tell({"type": "release", "id": f"{name}-release", "at": at, "intent_id": name, "because": reason})
        result = Result(intent.get("action_id"), word, code, reason, None, found.told.get("decision_id"), None, at,
                        ("form", "gates", *(("sent",) if found.sent else ())), found.sent)
        return self._finish(result, name, action, intent, at)


def _refused(result: Result, told: Mapping[str, Any]) -> Result:
    code, reason = why(told)
    return replace(result, result=word_of(told), reason_code=code, reason=reason)


def _read_back(reply: Mapping[str, Any]) -> tuple[Word, str, str]:
    """The result that an answer in the journal stands for."""
    if reply["type"] == "reject":
        return "FAILED_SAFE", "EXCHANGE_REJECTED", "the exchange had refused it"
    if reply.get("status") == "unknown":
        return "FAILED_SAFE", "EXCHANGE_AMBIGUOUS", "the exchange's answer had settled nothing"
    return "SUCCESS", "OK", "acknowledged before the process ended"


# ── what is told ──────────────────────────────────────────────────────────────────────────────────────


def _event(type_: str, id: str, name: str, about: Mapping[str, Any], action: Mapping[str, Any], at: Any, **fields: Any) -> dict[str, Any]:
    whose = {key: about[key] for key in ("account", "venue", "strategy") if isinstance(about.get(key), str) and about[key]}
    symbol = action.get("symbol")
    if isinstance(symbol, str) and symbol:
        whose["symbol"] = symbol
    return {"type": type_, "id": id, "at": at, "intent_id": name, **whose, **{key: value for key, value in fields.items() if value is not None}}


def _reply(name: str, order: Mapping[str, Any], answer: Answer, about: Mapping[str, Any], action: Mapping[str, Any], at: Any) -> list[dict[str, Any]]:
    """What the exchange's answer means for the order."""
    if order.get("action") == "cancel":
        listed = answer.response.get("cancelled")
        return [dict(each) for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    id = f"{name}-reply"
    if answer.code == "EXCHANGE_REJECTED":
        return [_event("reject", id, name, about, action, at, client_order_id=name, stage="venue", code=str(answer.response.get("rejected") or "rejected"),
                       message=answer.reason[:500])]
    if answer.code != "OK":
        return [_event("order", id, name, about, action, at, status="unknown", client_order_id=name, because="timeout", x_error=answer.reason[:500])]
    more = {key: answer.response[key] for key in _TOLD if answer.response.get(key) is not None}
    return [_event("order", id, name, about, action, at, status=answer.response["status"], client_order_id=name, side=order["side"],
                   quantity=order["quantity"], **more)]


def _ids(result: Result) -> dict[str, Any]:
    """What ties the record to whoever authorised, and to our decision."""
    given = {"x_action_id": result.action_id, "x_trace_id": result.trace_id, "x_decision_id": result.decision_id,
             "x_policy_decision_id": result.policy_decision_id, "x_reason_code": result.reason_code, "x_reason": result.reason[:500] or None}
    return {name: str(value) for name, value in given.items() if value is not None}


def _short(value: Any) -> str:
    return sha256(value).removeprefix("sha256:")[:16]
