"""What became of an action."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Word = Literal["SUCCESS", "NOOP", "REJECTED", "FAILED_SAFE"]
WORDS: Final[tuple[Word, ...]] = ("SUCCESS", "NOOP", "REJECTED", "FAILED_SAFE")
SENT: Final = "SENT"
"""Stands in the journal before the exchange is called: whoever reads it later knows that the call may have been made."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one action.

    Attributes:
        reason_code: ``OK``, the code of the rule that stopped it, the id of the rule or SYS reason if it has none, or what the
            exchange did.
        trace_id: Of whoever authorised; *policy_decision_id* is the id of that authorisation.
        decision_id: Of the decision of our gates.
        timestamp: As given with the action.
        steps: How far it came: form, gates, sent, verified.
        reached_exchange: The exchange was, or may have been, called.
        exchange_response: What it answered, or how it failed.
        followed_by: The result of the cancel that a failure forced.
    """

    action_id: Any
    result: Word
    reason_code: str
    reason: str
    trace_id: Any
    decision_id: str | None
    policy_decision_id: Any
    timestamp: Any
    steps: tuple[str, ...] = ()
    reached_exchange: bool = False
    exchange_response: Mapping[str, Any] | None = None
    followed_by: Result | None = field(default=None)

    def to_dict(self) -> dict[str, Any]:
        """``caplex.execution/1``: the line of an audit trail."""
        return {
            "schema": "caplex.execution/1", "action_id": self.action_id, "execution_result": self.result, "reason_code": self.reason_code,
            "reason": self.reason, "trace_id": self.trace_id, "decision_id": self.decision_id, "policy_decision_id": self.policy_decision_id,
            "timestamp": self.timestamp, "steps": list(self.steps), "reached_exchange": self.reached_exchange,
            "exchange_response": None if self.exchange_response is None else dict(self.exchange_response),
            "followed_by": None if self.followed_by is None else self.followed_by.to_dict()}


def word_of(told: Mapping[str, Any]) -> Word:
    """The result that a refusal stands for: the outcome that the policy names. What it does not name is FAILED_SAFE."""
    outcome = told.get("outcome")
    return next((word for word in WORDS if word == outcome and word != "SUCCESS"), "FAILED_SAFE")


def why(told: Mapping[str, Any]) -> tuple[str, str]:
    """Code and sentence of the first reason of a refusal."""
    first: Mapping[str, Any] = next(iter(told.get("reasons") or ()), {})
    return str(told.get("code") or first.get("code") or told.get("decided_by") or told["verdict"]), str(first.get("message") or "")
