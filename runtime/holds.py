"""Decisions on hold: who must approve, of which intent under which policy, until when; an approval is used once.

A hold never survives a trip, and lets nothing through by itself: once released, the intent is decided again.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from caplex.runtime.clock import format_instant, short_instant
from caplex.runtime.roles import Act, Approval, Quorum, Refusal

Ended = Literal["used", "trip", "denied", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Need:
    """*rule* lets the intent through if *quorum* people of *role* approve."""

    rule: str
    role: str
    quorum: int

    @property
    def people(self) -> Quorum:
        return Quorum(self.quorum, self.role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One decision on hold.

    Attributes:
        intent_hash, policy_hash: Approvals are for this content under this policy, and for nothing else.
        approvals: One for each role in which a person has approved.
        ended: Used by a decision, overtaken by a trip, denied by somebody who might have approved, or withdrawn by who asked.
    """

    id: str
    intent_id: str
    intent_hash: str
    policy_hash: str
    needs: tuple[Need, ...]
    at_ns: int
    expires_ns: int
    approvals: tuple[Approval, ...] = ()
    ended: Ended | None = None
    ended_ns: int | None = None

    @property
    def released(self) -> bool:
        """Every need is met and nothing has ended it. That it has not expired is another question."""
        return self.ended is None and not any(need.people.missing(self.approvals) for need in self.needs)

    def expired(self, now_ns: int) -> bool:
        return self.ended is None and now_ns >= self.expires_ns

    def to_dict(self) -> dict[str, Any]:
        """As ``hold`` of a decision."""
        needs = [{"act": "approve", "rule": need.rule, "role": need.role, "quorum": need.quorum,
                  "have": [each.by for each in need.people.people(self.approvals)]} for need in self.needs]
        return {"id": self.id, "needs": needs, "expires_at": format_instant(self.expires_ns), "on_expiry": "DENY", "on_release": "decide_again"}

    def stored(self) -> dict[str, Any]:
        """All of it in JSON values, for a store; `restored` reads it."""
        return {"id": self.id, "intent_id": self.intent_id, "intent_hash": self.intent_hash, "policy_hash": self.policy_hash,
                "needs": [[need.rule, need.role, need.quorum] for need in self.needs], "at_ns": self.at_ns, "expires_ns": self.expires_ns,
                "approvals": [[each.by, each.at_ns, each.role] for each in self.approvals], "ended": self.ended, "ended_ns": self.ended_ns}


def restored(stored: Mapping[str, Any]) -> Hold:
    """The hold that `Hold.stored` told."""
    needs = tuple(Need(rule, role, int(quorum)) for rule, role, quorum in stored["needs"])
    approvals = tuple(Approval(by, int(at_ns), role) for by, at_ns, role in stored["approvals"])
    return Hold(**{**stored, "needs": needs, "approvals": approvals})


def approve_hold(hold: Hold, act: Act, *, target: Mapping[str, Any] | None = None) -> Hold | Refusal:
    """*hold* with the approval of *act*, in every role that it asks for and that the person holds.

    Args:
        target: What the act names; an ``intent_hash`` or ``policy_hash`` in it must be the hold's.
    """
    refused = over(hold, act.at_ns) or _early(hold, act) or _other(hold, target or {})
    if refused is not None:
        return refused
    found, refusals = hold.approvals, []
    for role in dict.fromkeys(need.role for need in hold.needs):
        added = Quorum(1, role).admit(act, hold.approvals)
        if isinstance(added, Approval):
            found = (*found, added)
        else:
            refusals.append(added)
    if found == hold.approvals:
        # Who has approved in one role and lacks another is told of the approval.
        return min(refusals, key=lambda each: each.code) if refusals else Refusal("no_approval_needed", f"`{hold.id}` asks nobody to approve it")
    return replace(hold, approvals=found)


def deny_hold(hold: Hold, act: Act) -> Hold | Refusal:
    """*hold*, ended by somebody who might have approved it."""
    refused = over(hold, act.at_ns) or _early(hold, act)
    if refused is not None:
        return refused
    if not any(act.has(need.role) for need in hold.needs):
        roles = " or ".join(f"`{role}`" for role in dict.fromkeys(need.role for need in hold.needs))
        return Refusal("lacks_role", f"`{act.by}` is no {roles} at {short_instant(act.at_ns)}, so the act does not count")
    return replace(hold, ended="denied", ended_ns=act.at_ns)


def withdraw(hold: Hold, at_ns: int) -> Hold:
    """*hold*, ended by the host that asked: it lets nothing through, so that nobody need be known for it."""
    return replace(hold, ended="withdrawn", ended_ns=at_ns)


def overtake(hold: Hold, at_ns: int) -> Hold:
    """*hold* after a trip that concerns it: over, whoever has approved it."""
    return replace(hold, ended="trip", ended_ns=at_ns) if hold.ended is None and not hold.expired(at_ns) else hold


def use(hold: Hold, *, intent_hash: str, policy_hash: str, now_ns: int) -> Hold | Refusal:
    """*hold*, used by the decision that lets this intent through under this policy; a second one gets nothing."""
    refused = over(hold, now_ns) or _other(hold, {"intent_hash": intent_hash, "policy_hash": policy_hash})
    if refused is not None:
        return refused
    if not hold.released:
        lacking = ", ".join(f"{need.people.missing(hold.approvals)} of `{need.role}` for `{need.rule}`"
                            for need in hold.needs if need.people.missing(hold.approvals))
        return Refusal("not_released", f"`{hold.id}` is not released; missing: {lacking}")
    return replace(hold, ended="used", ended_ns=now_ns)


def over(hold: Hold, now_ns: int) -> Refusal | None:
    """Why nothing will come of *hold* any more; None while somebody may still approve."""
    match hold.ended:
        case "trip":
            return Refusal("overtaken_by_trip", f"a switch tripped after `{hold.id}` was set; no approval survives that")
        case "used":
            return Refusal("hold_used", f"`{hold.id}` has let `{hold.intent_id}` through already, and does so once")
        case "denied":
            return Refusal("hold_denied", f"`{hold.id}` was denied")
        case "withdrawn":
            return Refusal("hold_withdrawn", f"`{hold.intent_id}` was withdrawn by who asked for it")
        case None:
            pass
    if hold.expired(now_ns):
        return Refusal("hold_expired", f"`{hold.id}` ended at {short_instant(hold.expires_ns)}; the intent is denied")
    return None


def _early(hold: Hold, act: Act) -> Refusal | None:
    if act.said_ns < hold.at_ns:
        return Refusal("before_hold", f"`{act.by}` acted at {short_instant(act.said_ns)}, before `{hold.id}` was set; act anew")
    return None


def _other(hold: Hold, named: Mapping[str, Any]) -> Refusal | None:
    """Approvals are for one content under one policy."""
    for key, bound, what in (("intent_hash", hold.intent_hash, "content of the intent"), ("policy_hash", hold.policy_hash, "policy")):
        if key in named and named[key] != bound:
            return Refusal("other_content", f"`{hold.id}` is for another {what} than the one named; look at it again and approve that")
    return None
