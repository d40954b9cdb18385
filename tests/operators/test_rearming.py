"""Arming again: people, time and condition, each by itself; and a trip beats a request in every order of events."""
from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from caplex.runtime import rearming
from caplex.runtime.clock import HOUR, MINUTE, SECOND, parse_instant
from caplex.runtime.rearming import RearmClause, Request, approve, complete, open_request, overtake, status, withdraw
from caplex.runtime.roles import Act, Refusal
from caplex.runtime.values import unknown

TRIPPED = parse_instant("2026-01-05T15:10:00Z")
ASKED = parse_instant("2026-01-05T15:15:00Z")
CLAUSE = RearmClause(role="risk-officer", quorum=2, delay_ns=30 * MINUTE, condition_text="drawdown < 8% or portfolio.gross == 0 USD")
SCOPE = (("account", "acct-1"),)


def act(by: str, at_ns: int, *roles: str, said_ns: int | None = None) -> Act:
    return Act(by, frozenset(roles or ("risk-officer",)), "signature", at_ns, at_ns if said_ns is None else said_ns)


def ask(by: str = "risk-1", at_ns: int = ASKED, *, clause: RearmClause = CLAUSE, tripped_ns: int | None = TRIPPED,
        current: Request | None = None, id: str = "RQ-17", roles: tuple[str, ...] = (), expires_ns: int | None = None) -> Request | Refusal:
    return open_request(act(by, at_ns, *roles), clause, id=id, switch="KILL-010", scope=SCOPE, tripped_ns=tripped_ns, current=current,
                        expires_ns=expires_ns, reason="data glitch", ticket="RISK-501")


def good(found: Request | Refusal) -> Request:
    assert isinstance(found, Request), found
    return found


def code(found: object) -> str:
    assert isinstance(found, Refusal), found
    return found.code


def test_the_status_has_the_shape_that_was_promised():
    request = good(ask())
    found = status(request, CLAUSE, tripped_ns=TRIPPED, now_ns=ASKED + 5 * MINUTE, condition=False, observed="0.0912").to_dict()
    assert found == {
        "id": "RQ-17", "by": "risk-1", "at": "2026-01-05T15:15:00.000000Z", "expires_at": "2026-01-05T16:15:00.000000Z",
        "approvals": {"need": 2, "role": "risk-officer", "have": [{"by": "risk-1", "at": "2026-01-05T15:15:00.000000Z"}]},
        "not_before": "2026-01-05T15:40:00.000000Z",
        "condition": {"expression": "drawdown < 8% or portfolio.gross == 0 USD", "observed": "0.0912", "holds": False},
        "missing": ["approvals", "time", "condition"], "state": "open", "reason": "data glitch", "ticket": "RISK-501",
    }


@pytest.mark.parametrize(("people", "late", "holds"), list(itertools.product([False, True], repeat=3)))
def test_each_part_is_missing_by_itself(people, late, holds):
    request = good(ask())
    if people:
        request = good(approve(request, act("risk-2", ASKED + 1), CLAUSE))
    now = TRIPPED + 30 * MINUTE - (0 if late else 1)
    found = status(request, CLAUSE, tripped_ns=TRIPPED, now_ns=now, condition=holds)
    assert found.missing == tuple(name for name, there in (("approvals", people), ("time", late), ("condition", holds)) if not there)
    assert found.ready is (people and late and holds)
    done = complete(found, now)
    if found.ready:
        assert good(done).ended == "done"
    else:
        assert code(done) == "not_ready"
        assert all(name in done.sentence for name in found.missing)


def test_a_condition_that_nobody_can_evaluate_is_not_met():
    request = good(approve(good(ask()), act("risk-2", ASKED + 1), CLAUSE))
    found = status(request, CLAUSE, tripped_ns=TRIPPED, now_ns=ASKED + 30 * MINUTE, condition=unknown("SYS-001", "/account", "missing"))
    assert (found.missing, found.ready, found.to_dict()["condition"]["holds"]) == (("condition",), False, None)


def test_who_asks_counts_only_with_the_role():
    request = good(ask("dev-1", roles=("developer",)))
    assert request.approvals == ()
    request = good(approve(request, act("risk-1", ASKED + 1), CLAUSE))
    assert CLAUSE.people.missing(request.approvals) == 1
    assert code(approve(request, act("dev-1", ASKED + 2, "developer"), CLAUSE)) == "lacks_role"
    assert code(approve(request, act("risk-1", ASKED + 2), CLAUSE)) == "already_approved"
    assert CLAUSE.people.missing(good(approve(request, act("risk-2", ASKED + 2), CLAUSE)).approvals) == 0


def test_approvals_for_a_role_that_the_policy_asks_no_more_count_for_nothing():
    request = good(approve(good(ask()), act("risk-2", ASKED + 1), CLAUSE))
    other = replace(CLAUSE, role="owner")
    assert "approvals" in status(request, other, tripped_ns=TRIPPED, now_ns=ASKED + 2).missing


def test_when_nothing_can_be_asked():
    assert code(ask(clause=RearmClause(never=True))) == "rearm_never"
    assert code(ask(tripped_ns=None)) == "not_tripped"
    assert code(ask(expires_ns=ASKED)) == "request_expired"
    first = good(ask())
    assert code(ask("risk-2", ASKED + 1, current=first, id="RQ-18")) == "request_open"
    assert code(ask("risk-2", ASKED + 1, current=overtake(first, ASKED), id="RQ-17")) == "request_id_used"
    assert good(ask("risk-2", first.expires_ns, current=first, id="RQ-18")).id == "RQ-18"
    assert code(open_request(act("risk-1", ASKED, said_ns=TRIPPED - 1), CLAUSE, id="RQ-1", switch="KILL-010", scope=SCOPE, tripped_ns=TRIPPED,
                             current=None)) == "overtaken_by_trip"


def test_what_was_asked_before_the_trip_that_ended_the_last_request_is_too_late():
    gone = overtake(good(ask()), ASKED + MINUTE)
    for said, wanted in ((ASKED + MINUTE - 1, "overtaken_by_trip"), (ASKED + MINUTE, None)):
        late = act("risk-1", ASKED + 2 * MINUTE, said_ns=said)
        found = open_request(late, CLAUSE, id="RQ-18", switch="KILL-010", scope=SCOPE, tripped_ns=TRIPPED, current=gone)
        assert (found.code if isinstance(found, Refusal) else None) == wanted


def test_what_is_never_armed_again_is_never_ready():
    clause = RearmClause(never=True)
    assert not status(None, clause, tripped_ns=0, now_ns=10**18).ready
    assert not status(good(ask()), clause, tripped_ns=0, now_ns=ASKED).ready


def test_a_request_ends_when_it_says():
    request = good(ask(expires_ns=ASKED + MINUTE))
    assert good(approve(request, act("risk-2", ASKED + MINUTE - 1), CLAUSE)).approvals[1].by == "risk-2"
    assert code(approve(request, act("risk-2", ASKED + MINUTE), CLAUSE)) == "request_expired"
    whole = good(approve(request, act("risk-2", ASKED + 1), CLAUSE))
    found = status(whole, replace(CLAUSE, delay_ns=0), tripped_ns=TRIPPED, now_ns=ASKED + MINUTE)
    assert (found.missing, found.state, found.ready) == ((), "expired", False)
    assert "(expired)" in complete(found, ASKED + MINUTE).sentence
    assert overtake(request, ASKED + MINUTE) == request


def test_an_approval_from_before_the_request_is_none():
    request = good(ask())
    assert code(approve(request, act("risk-2", ASKED + SECOND, said_ns=ASKED - 1), CLAUSE)) == "before_request"


def test_withdrawing():
    request = good(ask("dev-1", roles=("developer",)))
    for who in (act("dev-1", ASKED + 1, "developer"), act("risk-2", ASKED + 1)):
        gone = good(withdraw(request, who, CLAUSE))
        assert gone.state(ASKED + 2) == "withdrawn"
        assert code(approve(gone, act("risk-1", ASKED + 3), CLAUSE)) == "request_withdrawn"
        assert code(withdraw(gone, who, CLAUSE)) == "request_withdrawn"
    assert code(withdraw(request, act("dev-2", ASKED + 1, "developer"), CLAUSE)) == "lacks_role"


def test_a_request_arms_once():
    clause = RearmClause(role="risk-officer", quorum=1)
    done = good(complete(status(good(ask(clause=clause)), clause, tripped_ns=TRIPPED, now_ns=ASKED), ASKED))
    assert code(complete(status(done, clause, tripped_ns=TRIPPED, now_ns=ASKED), ASKED)) == "not_ready"
    assert code(approve(done, act("risk-2", ASKED + 1), clause)) == "request_done"


def test_a_switch_that_asks_for_nobody_is_armed_by_time_and_condition():
    clause = RearmClause(delay_ns=MINUTE, condition_text="drawdown < 8%")
    assert status(None, clause, tripped_ns=TRIPPED, now_ns=TRIPPED + MINUTE - 1).missing == ("time",)
    assert status(None, clause, tripped_ns=TRIPPED, now_ns=TRIPPED + MINUTE, condition=False).missing == ("condition",)
    found = status(None, clause, tripped_ns=TRIPPED, now_ns=TRIPPED + MINUTE, condition=True)
    assert found.ready
    assert found.to_dict()["approvals"] is None
    assert code(complete(found, TRIPPED + MINUTE)) == "no_request"
    assert code(approve(good(ask(clause=clause)), act("risk-1", ASKED + 1), clause)) == "no_approval_needed"
    assert not status(None, RearmClause(role="risk-officer", quorum=1), tripped_ns=TRIPPED, now_ns=ASKED).ready


def test_a_request_is_stored_and_read_again():
    request = overtake(good(approve(good(ask()), act("risk-2", ASKED + 1), CLAUSE)), ASKED + 2)
    assert rearming.restored(json.loads(json.dumps(request.stored()))) == request
    assert rearming.restored(good(ask()).stored()) == good(ask())


# ── a trip beats a request ────────────────────────────────────────────────────────────────────────────

EVENTS = ("ask", "approve risk-1", "approve risk-2", "approve risk-3", "trip", "trip", "arm", "arm")


def armed_at(order: tuple[str, ...]) -> list[int]:
    """After which events the switch is armed, as the functions say. All at distinct times, one after the other."""
    clause = RearmClause(role="risk-officer", quorum=2)
    tripped: int | None = 0
    request: Request | None = None
    armed = []
    for now, event in enumerate(order, 1):
        what, _, who = event.partition(" ")
        if what == "trip":
            request = overtake(request, now) if request is not None else None
            tripped = now
        elif what == "ask":
            found = open_request(act("dev-1", now, "developer"), clause, id=f"RQ-{now}", switch="K", scope=(), tripped_ns=tripped, current=request)
            request = found if isinstance(found, Request) else request
        elif what == "approve" and request is not None:
            answer = approve(request, act(who, now), clause)
            request = answer if isinstance(answer, Request) else request
        elif what == "arm" and request is not None and tripped is not None:
            done = complete(status(request, clause, tripped_ns=tripped, now_ns=now), now)
            if isinstance(done, Request):
                request, tripped = done, None
                armed.append(now)
    return armed


def armed_by_the_book(order: tuple[str, ...]) -> list[int]:
    """The same from the sentence alone: armed if, since the last trip, somebody asked and then two distinct people approved."""
    armed: list[int] = []
    for now, event in enumerate(order, 1):
        since = max((when for when, each in enumerate(order[: now - 1], 1) if each == "trip"), default=0)
        if event != "arm" or any(since < when for when in armed):
            continue
        rest = order[since: now - 1]
        if "ask" in rest and len({each for each in rest[rest.index("ask"):] if each.startswith("approve")}) >= 2:
            armed.append(now)
    return armed


def test_a_trip_beats_a_request_in_every_order():
    orders = set(itertools.permutations(EVENTS))
    assert len(orders) == 10_080
    outcomes = set()
    for order in orders:
        assert armed_at(order) == armed_by_the_book(order), order
        outcomes.add(bool(armed_at(order)))
    assert outcomes == {True, False}


def test_every_act_on_an_overtaken_request_is_refused():
    gone = overtake(good(ask()), ASKED + 1)
    assert gone.state(ASKED + 1) == "trip"
    assert code(approve(gone, act("risk-2", ASKED + 2), CLAUSE)) == "overtaken_by_trip"
    assert code(withdraw(gone, act("risk-1", ASKED + 2), CLAUSE)) == "overtaken_by_trip"
    assert overtake(gone, ASKED + 5) == gone, "the first trip is the one that ended it"
    assert status(gone, replace(CLAUSE, quorum=1), tripped_ns=TRIPPED, now_ns=ASKED + MINUTE * 45).ready is False


@pytest.mark.parametrize(("delay", "until"), [
    (0, ASKED + HOUR), (30 * MINUTE, ASKED + HOUR), (ASKED - TRIPPED + HOUR - 1, ASKED + HOUR), (ASKED - TRIPPED + HOUR, ASKED + 2 * HOUR),
    (8 * HOUR, TRIPPED + 9 * HOUR),
])
def test_a_request_that_does_not_say_outlives_the_delay(delay, until):
    clause = replace(CLAUSE, delay_ns=delay)
    request = good(ask(clause=clause))
    assert request.expires_ns == until
    request = good(approve(request, act("risk-2", ASKED + 1), clause))
    first = max(TRIPPED + delay, ASKED + 1)
    assert status(request, clause, tripped_ns=TRIPPED, now_ns=first).ready
    assert good(ask(clause=clause, expires_ns=ASKED + MINUTE)).expires_ns == ASKED + MINUTE
