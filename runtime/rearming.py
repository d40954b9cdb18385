"""Arming a switch again: a request, the people who approve it, and what is still missing.

Everything is a function of events and their times. A trip beats a request: what was asked for before it is over.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from caplex.runtime.clock import HOUR, format_instant, short_instant
from caplex.runtime.roles import Act, Approval, Quorum, Refusal
from caplex.runtime.values import Truth

LIFETIME_NS: Final = HOUR
"""How long a request holds that does not say; where the delay is longer, so long from the end of that."""
Missing = Literal["approvals", "time", "condition"]
Ended = Literal["trip", "withdrawn", "done"]
State = Literal["open", "expired", "trip", "withdrawn", "done"]
Scope = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RearmClause:
    """What a policy asks for; all of it must be met. *never*: nothing arms the switch again.

    Attributes:
        role, quorum: So many distinct people who hold the role; an empty role asks for nobody.
        delay_ns: Since the trip.
        condition_text: As the policy says it; empty if there is none.
    """

    role: str = ""
    quorum: int = 0
    delay_ns: int = 0
    condition_text: str = ""
    never: bool = False

    @property
    def people(self) -> Quorum:
        return Quorum(self.quorum if self.role else 0, self.role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Somebody asks for a switch to be armed again. It is kept when it is over, so that its id is not used twice."""

    id: str
    switch: str
    scope: Scope
    by: str
    at_ns: int
    expires_ns: int
    reason: str = ""
    ticket: str = ""
    approvals: tuple[Approval, ...] = ()
    ended: Ended | None = None
    ended_ns: int | None = None

    def state(self, now_ns: int) -> State:
        if self.ended is not None:
            return self.ended
        return "expired" if now_ns >= self.expires_ns else "open"

    def stored(self) -> dict[str, Any]:
        """All of it in JSON values, for a store; `restored` reads it."""
        return {"id": self.id, "switch": self.switch, "scope": [list(each) for each in self.scope], "by": self.by, "at_ns": self.at_ns,
                "expires_ns": self.expires_ns, "reason": self.reason, "ticket": self.ticket, "ended": self.ended, "ended_ns": self.ended_ns,
                "approvals": [[each.by, each.at_ns, each.role] for each in self.approvals]}


def restored(stored: Mapping[str, Any]) -> Request:
    """The request that `Request.stored` told."""
    scope = tuple((str(name), str(value)) for name, value in stored["scope"])
    approvals = tuple(Approval(by, int(at_ns), role) for by, at_ns, role in stored["approvals"])
    return Request(**{**stored, "scope": scope, "approvals": approvals})


# ── acts ──────────────────────────────────────────────────────────────────────────────────────────────


def open_request(
    act: Act, clause: RearmClause, *, id: str, switch: str, scope: Scope, tripped_ns: int | None, current: Request | None,
    since_ns: int | None = None, expires_ns: int | None = None, reason: str = "", ticket: str = "",
) -> Request | Refusal:
    """A new request; who asks and holds the role is the first who approves.

    Args:
        tripped_ns: When the switch tripped last; None: it is armed.
        since_ns: From when the delay counts, if not from there.
        current: The last request for this switch and scope, whatever became of it.
    """
    if clause.never:
        return Refusal("rearm_never", f"the policy says `rearm never` of `{switch}`: no act arms it again, a new policy does")
    if tripped_ns is None:
        return Refusal("not_tripped", f"`{switch}` is armed, so there is nothing to ask for")
    not_before_ns = (tripped_ns if since_ns is None else since_ns) + clause.delay_ns
    if current is not None and current.ended == "trip" and current.ended_ns is not None:
        tripped_ns = max(tripped_ns, current.ended_ns)  # a latch keeps its first cause; the trip that ended the last request came later
    if act.said_ns < tripped_ns:
        return Refusal("overtaken_by_trip", f"`{act.by}` asked at {short_instant(act.said_ns)} and `{switch}` tripped after that, "
                                            f"at {short_instant(tripped_ns)}; ask again if it still is right")
    if current is not None and current.id == id:
        return Refusal("request_id_used", f"a request `{id}` for `{switch}` was there already; a new one wants an id of its own")
    if current is not None and current.state(act.at_ns) == "open":
        return Refusal("request_open", f"`{current.id}` of `{current.by}` asks for the same until {short_instant(current.expires_ns)}: "
                                       "approve it, or withdraw it first")
    until = expires_ns
    if until is None:
        until = (act.at_ns if not_before_ns < act.at_ns + LIFETIME_NS else not_before_ns) + LIFETIME_NS
    if until <= act.at_ns:
        return Refusal("request_expired", f"`{id}` ends at {short_instant(until)}, which has passed; give it time to be approved")
    first = clause.people.admit(act, ()) if clause.role else None
    return Request(id=id, switch=switch, scope=scope, by=act.by, at_ns=act.at_ns, expires_ns=until, reason=reason, ticket=ticket,
                   approvals=(first,) if isinstance(first, Approval) else ())


def approve(request: Request, act: Act, clause: RearmClause) -> Request | Refusal:
    """*request* with one approval more."""
    over = _over(request, act)
    if over is not None:
        return over
    if not clause.role:
        return Refusal("no_approval_needed", f"`{request.switch}` asks nobody to approve its re-arming")
    added = clause.people.admit(act, request.approvals)
    return added if isinstance(added, Refusal) else replace(request, approvals=(*request.approvals, added))


def withdraw(request: Request, act: Act, clause: RearmClause) -> Request | Refusal:
    """*request*, taken back by who made it or by who could have approved it."""
    over = _over(request, act)
    if over is not None:
        return over
    if act.by != request.by and not (clause.role and act.has(clause.role)):
        return Refusal("lacks_role", f"`{request.id}` is withdrawn by `{request.by}`, who made it{f', or by a `{clause.role}`' if clause.role else ''}")
    return replace(request, ended="withdrawn", ended_ns=act.at_ns)


def overtake(request: Request, at_ns: int) -> Request:
    """*request* after the switch tripped at *at_ns*: over, whoever has approved it."""
    return replace(request, ended="trip", ended_ns=at_ns) if request.state(at_ns) == "open" else request


def _over(request: Request, act: Act) -> Refusal | None:
    """Why an act on *request* comes too late, or too early."""
    match request.state(act.at_ns):
        case "trip":
            return Refusal("overtaken_by_trip", f"`{request.switch}` tripped after `{request.id}` was made; ask again if it still is right")
        case "expired":
            return Refusal("request_expired", f"`{request.id}` ended at {short_instant(request.expires_ns)}; ask again")
        case "withdrawn":
            return Refusal("request_withdrawn", f"`{request.id}` was withdrawn; ask again")
        case "done":
            return Refusal("request_done", f"`{request.id}` has armed `{request.switch}` already, and does so once")
        case "open":
            pass
    if act.said_ns < request.at_ns:
        return Refusal("before_request", f"`{act.by}` acted at {short_instant(act.said_ns)}, before `{request.id}` was made; act anew")
    return None


# ── what is missing ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class RearmStatus:
    """How far a switch is from being armed again.

    Attributes:
        request: None where nobody has asked; a switch that asks for nobody is armed by time and condition alone.
        not_before_ns: The end of the delay.
        condition: Unknown counts as not met.
        observed: What the condition read, as text.
        ready: Nothing is missing: the switch may be armed now.
    """

    request: Request | None
    clause: RearmClause
    state: State | None
    missing: tuple[Missing, ...]
    not_before_ns: int
    condition: Truth
    observed: str | None
    ready: bool

    def to_dict(self) -> dict[str, Any]:
        """As ``request`` of a switch's status."""
        clause, request = self.clause, self.request
        approvals = request.approvals if request is not None else ()
        people = {"need": clause.quorum, "role": clause.role, "have": [each.to_dict() for each in clause.people.people(approvals)]}
        holds = self.condition if isinstance(self.condition, bool) else None
        condition = {"expression": clause.condition_text, "observed": self.observed, "holds": holds}
        head = {"id": request.id, "by": request.by, "at": format_instant(request.at_ns),
                "expires_at": format_instant(request.expires_ns)} if request is not None else {}
        tail = {"state": self.state, "reason": request.reason, "ticket": request.ticket} if request is not None else {}
        return {**head, "approvals": people if clause.role else None, "not_before": format_instant(self.not_before_ns),
                "condition": condition if clause.condition_text else None, "missing": list(self.missing), **tail}


def status(
    request: Request | None, clause: RearmClause, *, tripped_ns: int, now_ns: int, condition: Truth = True, observed: str | None = None,
) -> RearmStatus:
    """What is missing at *now_ns*.

    Args:
        tripped_ns: From when the delay counts.
        condition: The condition of *clause* as it is now; looked at only if there is one.
    """
    approvals = request.approvals if request is not None else ()
    not_before_ns = tripped_ns + clause.delay_ns
    holds: Truth = condition if clause.condition_text else True
    missing: list[Missing] = []
    if clause.people.missing(approvals):
        missing.append("approvals")
    if now_ns < not_before_ns:
        missing.append("time")
    if holds is not True:
        missing.append("condition")
    state = request.state(now_ns) if request is not None else None
    asked = state == "open" or (request is None and not clause.role)
    return RearmStatus(request=request, clause=clause, state=state, missing=tuple(missing), not_before_ns=not_before_ns, condition=holds,
                       observed=observed, ready=asked and not clause.never and not missing)


def complete(status: RearmStatus, now_ns: int) -> Request | Refusal:
    """The request, done: the switch is armed, and this request arms it never again."""
    request = status.request
    if request is None:
        return Refusal("no_request", "nobody has asked for the switch to be armed")
    if not status.ready:
        lacks = " and ".join(status.missing) or f"the request itself, which is over ({status.state})"
        return Refusal("not_ready", f"`{request.switch}` stays tripped; missing: {lacks}")
    return replace(request, ended="done", ended_ns=now_ns)
