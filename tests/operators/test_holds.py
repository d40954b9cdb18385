"""A hold is for one intent under one policy, used once, over when it expires, and never survives a trip."""
from __future__ import annotations

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from caplex.runtime import holds
from caplex.runtime.clock import MINUTE, parse_instant
from caplex.runtime.holds import Hold, Need, approve_hold, deny_hold, overtake, use
from caplex.runtime.roles import Act, Refusal

SET = parse_instant("2026-01-05T15:00:00Z")
HOLD = Hold(id="h-12", intent_id="i-1", intent_hash="sha256:aa", policy_hash="sha256:bb", needs=(Need("EXP-010", "risk-officer", 2),),
            at_ns=SET, expires_ns=SET + 5 * MINUTE)


def act(by: str, at_ns: int = SET + 1, *roles: str, said_ns: int | None = None) -> Act:
    return Act(by, frozenset(roles or ("risk-officer",)), "signature", at_ns, at_ns if said_ns is None else said_ns)


def good(found: Hold | Refusal) -> Hold:
    assert isinstance(found, Hold), found
    return found


def code(found: object) -> str:
    assert isinstance(found, Refusal), found
    return found.code


def released() -> Hold:
    return good(approve_hold(good(approve_hold(HOLD, act("risk-1"))), act("risk-2", SET + 2)))


def let_through(hold: Hold, now_ns: int = SET + 3, *, intent: str = "sha256:aa", policy: str = "sha256:bb") -> Hold | Refusal:
    return use(hold, intent_hash=intent, policy_hash=policy, now_ns=now_ns)


def test_the_hold_has_the_shape_that_was_promised():
    assert good(approve_hold(HOLD, act("risk-1"))).to_dict() == {
        "id": "h-12", "needs": [{"act": "approve", "rule": "EXP-010", "role": "risk-officer", "quorum": 2, "have": ["risk-1"]}],
        "expires_at": "2026-01-05T15:05:00.000000Z", "on_expiry": "DENY", "on_release": "decide_again",
    }


def test_a_hold_is_used_once():
    hold = released()
    assert hold.released
    used = good(let_through(hold))
    assert not used.released
    assert code(let_through(used)) == "hold_used"
    assert code(approve_hold(used, act("risk-3", SET + 9))) == "hold_used"


def test_it_is_for_this_content_under_this_policy():
    hold = released()
    assert code(let_through(hold, intent="sha256:other")) == "other_content"
    assert code(let_through(hold, policy="sha256:other")) == "other_content"
    named = {"hold_id": "h-12", "intent_hash": "sha256:aa", "policy_hash": "sha256:bb"}
    assert good(approve_hold(HOLD, act("risk-1"), target=named)).approvals
    for key in ("intent_hash", "policy_hash"):
        assert code(approve_hold(HOLD, act("risk-1"), target={**named, key: "sha256:other"})) == "other_content"
        assert code(approve_hold(HOLD, act("risk-1"), target={**named, key: None})) == "other_content"


def test_it_ends_when_it_says():
    last = HOLD.expires_ns
    assert not HOLD.expired(last - 1)
    assert HOLD.expired(last)
    assert code(approve_hold(HOLD, act("risk-1", last))) == "hold_expired"
    assert code(let_through(released(), last)) == "hold_expired"
    assert good(let_through(released(), last - 1)).ended == "used"


def test_no_approval_survives_a_trip():
    for hold in (HOLD, good(approve_hold(HOLD, act("risk-1"))), released()):
        gone = overtake(hold, SET + 3)
        assert not gone.released
        assert code(let_through(gone)) == "overtaken_by_trip"
        assert code(approve_hold(gone, act("risk-3", SET + 4))) == "overtaken_by_trip"
    used = good(let_through(released()))
    assert overtake(used, SET + 9) == used


def test_without_enough_people_nothing_is_let_through():
    assert code(let_through(HOLD)) == "not_released"
    one = good(approve_hold(HOLD, act("risk-1")))
    assert let_through(one) == Refusal("not_released", "`h-12` is not released; missing: 1 of `risk-officer` for `EXP-010`")
    assert code(approve_hold(one, act("risk-1", SET + 2))) == "already_approved"
    assert code(approve_hold(one, act("dev-1", SET + 2, "developer"))) == "lacks_role"
    assert code(approve_hold(one, act("risk-2", SET + 2, said_ns=SET - 1))) == "before_hold"


def test_each_rule_asks_for_its_own_people():
    both = Hold(id="h-1", intent_id="i-1", intent_hash="a", policy_hash="b", at_ns=SET, expires_ns=SET + MINUTE,
                needs=(Need("EXP-010", "risk-officer", 1), Need("EXP-020", "owner", 1), Need("EXP-030", "risk-officer", 2)))
    hold = good(approve_hold(both, act("risk-1")))
    hold = good(approve_hold(hold, act("risk-2")))
    assert not hold.released
    assert code(approve_hold(hold, act("risk-2"))) == "already_approved"
    assert good(approve_hold(hold, act("risk-1", SET + 2, "owner", "risk-officer"))).released
    assert good(approve_hold(hold, act("ann", SET + 2, "owner"))).released
    whole = good(approve_hold(both, act("ann", SET + 2, "owner", "risk-officer")))
    assert [need["have"] for need in whole.to_dict()["needs"]] == [["ann"], ["ann"], ["ann"]]
    assert not whole.released


def test_who_may_approve_may_deny():
    gone = good(deny_hold(released(), act("risk-3", SET + 3)))
    assert code(let_through(gone)) == "hold_denied"
    assert code(deny_hold(HOLD, act("dev-1", SET + 3, "developer"))) == "lacks_role"
    assert code(deny_hold(gone, act("risk-1", SET + 4))) == "hold_denied"


def uses(order: tuple[str, ...]) -> list[int]:
    """The places in *order* where the hold lets its intent through."""
    hold, through = HOLD, []
    for place, event in enumerate(order):
        now = SET + 1 + place
        what, _, who = event.partition(" ")
        found = overtake(hold, now) if what == "trip" else let_through(hold, now) if what == "use" else approve_hold(hold, act(who, now))
        if isinstance(found, Hold):
            hold = found
            through += [place] if what == "use" else []
    return through


def test_every_order_lets_through_at_most_once_and_never_after_a_trip():
    outcomes = set()
    for order in itertools.permutations(["approve risk-1", "approve risk-1", "approve risk-2", "trip", "use", "use"]):
        able = [place for place, event in enumerate(order) if event == "use" and place < order.index("trip")
                and {"approve risk-1", "approve risk-2"} <= set(order[:place])]
        assert uses(order) == able[:1], order
        outcomes.add(len(able))
    assert outcomes == {0, 1, 2}


ACTS = st.lists(st.builds(lambda by, roles: act(by, SET + 1, *(roles or {"none"})), st.sampled_from(["a", "b", "c", "d"]),
                          st.sets(st.sampled_from(["risk-officer", "owner"]))))


@given(ACTS, st.integers(1, 3), st.integers(1, 3))
def test_released_means_that_every_rule_has_its_distinct_people(acts, officers, owners):
    hold = Hold(id="h", intent_id="i", intent_hash="a", policy_hash="b", at_ns=SET, expires_ns=SET + MINUTE,
                needs=(Need("A", "risk-officer", officers), Need("B", "owner", owners)))
    for each in acts:
        found = approve_hold(hold, each)
        hold = found if isinstance(found, Hold) else hold
    enough = all(len({each.by for each in acts if role in each.roles}) >= need for role, need in (("risk-officer", officers), ("owner", owners)))
    assert hold.released is enough
    assert isinstance(use(hold, intent_hash="a", policy_hash="b", now_ns=SET + 2), Hold) is enough
    assert holds.restored(json.loads(json.dumps(hold.stored()))) == hold
