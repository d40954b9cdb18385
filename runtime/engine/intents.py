"""An intent's way through the engine: known ids, the decision, the room it takes, what it leaves behind in the histories."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime import holds
from caplex.runtime.canonical import plain, sha256
from caplex.runtime.clock import NotATime, format_instant, parse_instant
from caplex.runtime.decision import Decision
from caplex.runtime.engine import fold, live, quick, trades, transfers, unwritten
from caplex.runtime.engine.events import Event
from caplex.runtime.engine.heard import PlainIntent
from caplex.runtime.engine.latches import Latches
from caplex.runtime.engine.state import Order, Past, Seen
from caplex.runtime.messages import default_message
from caplex.runtime.reading import shown
from caplex.runtime.roles import Refusal
from caplex.runtime.ruling import Reason, Ruling, Trip, Verdict
from caplex.runtime.texts import plain_value
from caplex.runtime.values import Leaf
from caplex.version import __version__

if TYPE_CHECKING:
    from caplex.runtime.engine.machine import Machine, Step

TRADING: Final = frozenset({"open", "close", "adjust"})
SEVERITIES: Final = ("low", "medium", "high", "critical")
NOT_COUNTED: Final = frozenset({"system", "switch"})
"""Reasons that make no denial of a rule's."""


def step(machine: Machine, event: Event) -> Step:
    """Decide one intent, or give the answer that it got before."""
    from caplex.runtime.engine.machine import Step

    state = machine.state
    assert event.id is not None
    intent = machine.named(event.data)
    account = account_of(intent)
    latches = machine.latches()
    now, late = fold.at_of(state, event, account)
    arrive(machine, account, now, latches)
    forget(machine, now)
    before = state.answered(event.id)
    if before is not None:
        told = repeated(machine, event, before, now) if before.hash == event.hash else conflict(machine, event, before, now)
        return Step("decision", told, Decision.from_dict(told))
    if stranger(machine, account):
        told = unheard(machine, event, now)
        state.answer(event.id, Seen(event.hash, told["decision_id"], now, state.asked_ns, told))
        return Step("decision", told, Decision.from_dict(told))
    lane = machine.desk.lane if not late and not machine.unwritten and isinstance(event, PlainIntent) else None
    swift = lane.decide(machine, event, account, now, latches) if lane is not None else None  # type: ignore[arg-type]
    if isinstance(swift, tuple):
        return Step("decision", swift[1], swift[0], text=swift[2])
    decision = swift if swift is not None else decide(
        machine, intent, account, now, approved=frozenset(), bound=lane.spare(event) if lane is not None else None)  # type: ignore[arg-type]
    told = record(machine, decision, intent, account, now, latches, event.hash)
    if late:
        told["late"] = True
    state.answer(event.id, Seen(event.hash, told["decision_id"], now, state.asked_ns, told))
    if swift is not None:
        swift.rest()
    elif lane is not None:
        lane.learn(machine, event, decision, told)  # type: ignore[arg-type]
    return Step("decision", told, decision)


def account_of(intent: Mapping[str, Any]) -> str:
    name = intent.get("account")
    return name if isinstance(name, str) else ""


def stranger(machine: Machine, account: str) -> bool:
    """Has nobody told anything of *account*, though of others? Its book is not empty then, it is unknown."""
    state = machine.state
    mine = state.accounts.get(account)
    if mine is not None and (mine.fields or mine.complete_from_ns is not None or mine.day_start is not None):
        return False
    if any(state.held.get(account, {}).values()) or any(state.working.get(account, {}).values()) or state.histories.get(account):
        return False
    return any(other.fields for other in state.accounts.values())


def unheard(machine: Machine, event: Event, now: int) -> dict[str, Any]:
    """The denial of an intent whose account is missing or is none that is known."""
    named = event.text("account")
    leaf = Leaf("SYS-001", "/intent/account", "missing" if named is None else "out-of-range", shown(named) if named is not None else "",
                "one of " + ", ".join(sorted(name for name, held in machine.state.accounts.items() if held.fields)[:5]) if named is not None else "there are several")
    problem = {"code": "CAP902" if named is None else "CAP905", "sys": "SYS-001", "path": leaf.path, "problem": leaf.problem.replace("-", "_"),
               **({"observed": leaf.observed} if leaf.observed else {}), "limit": leaf.limit}
    return refusal(machine, event, "SYS-001", now=now, errors=[problem], leaves=(leaf,))


def arrive(machine: Machine, account: str, now: int, latches: Latches) -> None:
    """What happens before an intent is decided: its time comes, and switches that read time, or what time changes, are judged."""
    applied, state = fold.Applied(), machine.state
    fold.advance(machine.policy.plan, state, account, now, applied)
    state.account(account).last_ns = now
    if applied.sections or machine.desk.timed:
        latches.judge({"now"} | applied.sections, account, now, None)
    if state.latches:
        latches.settle(account, now, None)
    if latches.tripped:
        machine.overtake(latches, now)


def release(machine: Machine, hold: holds.Hold, now: int, latches: Latches) -> Decision:
    """An intent whose hold was lifted is judged again, at the time of the approval, on what is known then."""
    state = machine.state
    before = state.answered(hold.intent_id)
    assert before is not None, "what waits is not forgotten"
    intent = dict(before.told["intent"])
    account = account_of(intent)
    now = max(now, state.account(account).last_ns)
    arrive(machine, account, now, latches)
    hold = state.holds[hold.id]  # a switch that tripped just now has ended it
    used = holds.use(hold, intent_hash=before.hash, policy_hash=machine.policy.hash, now_ns=now)
    approved = frozenset(need.rule for need in hold.needs) if isinstance(used, holds.Hold) else frozenset()
    if isinstance(used, holds.Hold):
        state.holds[hold.id] = used
    decision = decide(machine, intent, account, now, approved=approved)
    told = record(machine, decision, intent, account, now, latches, before.hash)
    told["released_by"] = hold.id
    state.asked_ns = max(state.asked_ns, now)
    state.answer(hold.intent_id, Seen(before.hash, told["decision_id"], now, state.asked_ns, told))
    return decision


def decide(
    machine: Machine, intent: Mapping[str, Any], account: str, now: int, *, approved: frozenset[str], bound: live.LiveBound | None = None,
) -> Decision:
    """*bound* is given where the readings have been made already."""
    if bound is None:
        bound = live.bind(machine.policy, machine.state, machine.desk, intent, account, now, machine.chain)
    if approved:
        bound.approved, bound.ints = approved, None
    if machine.unwritten:
        bound.unwritten, bound.ints = True, None
    kept = quick.decide(machine.policy.plan, bound) if machine.desk.plain and not machine.unwritten else None
    return kept if kept is not None else Decision.from_ruling(bound, *machine.policy.judge(bound))


def record(
    machine: Machine, decision: Decision, intent: Mapping[str, Any], account: str, now: int, latches: Latches, digest: str,
) -> dict[str, Any]:
    """What the decision does to the state, and the document that tells it."""
    state, ruling = machine.state, decision.ruling
    told = decision.to_dict()
    content = sha256({name: value for name, value in intent.items() if name != "at"})
    told["seq"] = state.seq
    told["decision_id"] = "d-" + sha256([machine.policy.hash, machine.policy.settings_hash, machine.policy.mode, content, state.seq]).removeprefix("sha256:")[:16]
    told["intent"] = {name: value for name, value in intent.items() if name != "type"}
    quiet = any(latch.tripped and _concerns(latch.scope, intent) for latch in state.latches.values())
    if ruling.verdict in (Verdict.ALLOW, Verdict.MODIFY) and ruling.action in TRADING:
        _reserve(machine, told, ruling, intent, account, now, decision._bound.book("value"))
    elif ruling.verdict in (Verdict.ALLOW, Verdict.MODIFY) and ruling.action == "transfer":
        _set_aside(machine, told, ruling, intent, account, now)
    elif ruling.verdict is Verdict.HOLD:
        _hold(machine, told, ruling, intent, now, digest)
    _remember(machine, ruling, told, account, now, quiet=quiet)
    for trip in ruling.tripped:
        latches.trip(latches.switches[trip.switch], trip.scope, now, cause=_cause(latches, trip), decision=told["decision_id"])
    told["tripped"], told["obligations"] = latches.tripped, latches.obligations
    if latches.tripped:
        machine.overtake(latches, now)
    decision._told = told
    return told


def _cause(latches: Latches, trip: Trip) -> dict[str, Any]:
    rule = latches.switches[trip.switch]
    return latches._cause(rule, trip.clause, trip.observed, trip.limit)


def _concerns(scope: tuple[tuple[str, str], ...], intent: Mapping[str, Any]) -> bool:
    return all(intent.get(dimension) in (value, None) for dimension, value in scope)


# ── room ──────────────────────────────────────────────────────────────────────────────────────────────


def _expiry(machine: Machine, intent: Mapping[str, Any], now: int) -> int:
    lapse = now + machine.ttl_ns
    try:
        return min(lapse, parse_instant(str(intent["expires_at"]))) if intent.get("expires_at") else lapse
    except NotATime:
        return lapse


def _reserve(machine: Machine, told: dict[str, Any], ruling: Ruling, intent: Mapping[str, Any], account: str, now: int, unit: Any) -> None:
    """*unit* is the money of one unit, at the price that the decision used; Unknown where no rule needed it.

    From now on the room is taken. What the intent replaces stays too, until the venue says that it is gone."""
    state = machine.state
    name, lapse = f"r-{state.seq}", _expiry(machine, intent, now)
    order = Order(
        name, account, str(intent.get("venue") or ""), str(intent["symbol"]), ruling.side or "buy", str(intent.get("position_side") or ""),  # type: ignore[arg-type]
        "reserved", ruling.quantity, Fraction(0), price=_price(intent), strategy=intent.get("strategy"), intent_id=intent["id"],
        client_order_id=intent["id"], reduce_only=intent.get("reduce_only") is True, expires_ns=lapse, reservation=name)
    trades.reserve(state, order)
    value = plain_value(unit * ruling.quantity if isinstance(unit, Fraction) else None)
    told["valid_until"] = format_instant(lapse)
    told["reservation"] = {"id": name, "quantity": plain(ruling.quantity), "notional": value.text if value else None,
                           "currency": machine.policy.currency, "state": "held", "expires_at": format_instant(lapse)}


def _set_aside(machine: Machine, told: dict[str, Any], ruling: Ruling, intent: Mapping[str, Any], account: str, now: int) -> None:
    """The money of a transfer is spoken for: the next one does not find it."""
    name, lapse = f"r-{machine.state.seq}", _expiry(machine, intent, now)
    machine.state.account(account).outgoing[intent["id"]] = transfers.Outgoing(intent["id"], name, ruling.quantity, lapse)
    told["valid_until"] = format_instant(lapse)
    told["reservation"] = {"id": name, "quantity": plain(ruling.quantity), "notional": plain(ruling.quantity), "currency": machine.policy.currency,
                           "state": "held", "expires_at": format_instant(lapse)}


def _price(intent: Mapping[str, Any]) -> str | None:
    price = intent.get("limit_price")
    return price if isinstance(price, str) else None


def _hold(machine: Machine, told: dict[str, Any], ruling: Ruling, intent: Mapping[str, Any], now: int, digest: str) -> None:
    state = machine.state
    needs = tuple(holds.Need(reason.rule, reason.approval.role, reason.approval.quorum)
                  for reason in ruling.reasons if reason.approval is not None and reason.rule in ruling.holds)
    windows = [reason.approval.within_ns for reason in ruling.reasons if reason.approval is not None and reason.approval.within_ns is not None]
    lapse = now + min(windows) if windows else _expiry(machine, intent, now)
    hold = holds.Hold(id=f"h-{state.seq}", intent_id=intent["id"], intent_hash=digest, policy_hash=machine.policy.hash, needs=needs,
                      at_ns=now, expires_ns=lapse)
    state.holds[hold.id] = hold
    told["hold"] = hold.to_dict()


# ── histories ─────────────────────────────────────────────────────────────────────────────────────────


def about_of(intent: Mapping[str, Any]) -> dict[str, Any]:
    """What every row of a history says of the intent behind it."""
    return {name: intent[name] for name in ("symbol", "strategy", "venue") if isinstance(intent.get(name), str)}


def _remember(machine: Machine, ruling: Ruling, told: Mapping[str, Any], account: str, now: int, *, quiet: bool) -> None:
    """Approved intents count as orders; denials and violations count for switches, unless one is tripped already."""
    state, keep = machine.state, machine.policy.plan.keep_ns
    about = about_of(told["intent"])
    if ruling.verdict in (Verdict.ALLOW, Verdict.MODIFY) and ruling.action in TRADING:
        if "order_events" in keep:
            state.past(account, "order_events").append(Past("order_events", now, unwritten.row_of(told)))
    if quiet:
        return
    if "violations" in keep:
        for name in ruling.violated:
            rule = machine.policy.plan.rule(name)
            state.past(account, "violations").append(Past("violations", now, {**about, "rule": name, "severity": rule.severity, "family": rule.stage}))
    if "denials" in keep and ruling.verdict is Verdict.DENY:
        counted = [reason for reason in ruling.reasons if reason.kind not in NOT_COUNTED]
        if counted:
            severity = max((reason.severity for reason in counted), key=SEVERITIES.index)
            state.past(account, "denials").append(Past("denials", now, {**about, "rule": counted[0].rule, "severity": severity}))


# ── known ids ─────────────────────────────────────────────────────────────────────────────────────────


def forget(machine: Machine, now: int) -> None:
    """Ids older than `idempotency keep` are forgotten. What still works, or waits, is kept for another round."""
    keep, state = machine.policy.plan.header.idempotency_keep_ns, machine.state
    state.asked_ns = max(state.asked_ns, now)
    if keep is None:
        return
    old = state.outdated(state.asked_ns - keep)
    if not old:
        return
    waiting = {hold.intent_id for hold in state.holds.values() if hold.ended is None and not hold.expired(state.now_ns)}
    for name, seen in old:
        order = state.find_order(None, None, name)
        if name in waiting or (order is not None and order.flows) or transfers.find(state, name) is not None:
            state.answer(name, replace(seen, kept_ns=state.asked_ns))
        else:
            state.forget(name)


def repeated(machine: Machine, event: Event, before: Seen, now: int) -> dict[str, Any]:
    """The same answer, spent once. A trip since then has made an approval unusable, and a hold that is over is a denial."""
    told = {**before.told, "repeat_of": before.decision_id}
    if told["verdict"] == "HOLD":
        hold = machine.state.hold(told["hold"]["id"])
        ended = holds.over(hold, now) if hold is not None else Refusal("hold_forgotten", "nobody waits for an approval of it any more")
        return told if ended is None else _denied(told, ended)
    if told["verdict"] in ("ALLOW", "MODIFY"):
        order = machine.state.find_order(None, None, event.id)
        trips = [latch for latch in machine.state.latches.values()
                 if latch.tripped and latch.since_ns is not None and latch.since_ns >= before.at_ns and _concerns(latch.scope, event.data)]
        going = transfers.find(machine.state, event.id)
        told["usable"] = not trips and (going[1].state == "held" if going is not None else order is not None and order.status == "reserved")
        if trips:
            told["unusable_because"] = [{"rule": latch.switch, "at": format_instant(latch.since_ns or 0)} for latch in trips]
    return told


def _denied(told: dict[str, Any], ended: Refusal) -> dict[str, Any]:
    """The answer to an intent whose hold has ended without letting it through."""
    reasons = [{**each, "effect": "deny", "permitted": "0", "message": f"{each['message']}; {ended.sentence}"} if each["effect"] == "hold" else each
               for each in told["reasons"]]
    return {**{name: value for name, value in told.items() if name != "if_approved"}, "verdict": "DENY", "outcome": "DENY", "reasons": reasons,
            "hold": {**told["hold"], "ended": ended.code}}


def conflict(machine: Machine, event: Event, before: Seen, now: int) -> dict[str, Any]:
    """The same id with other content is denied."""
    first = before.told.get("intent", {})
    differs = sorted(f"/{name}" for name in {*first, *event.data} - {"at", "type", "account"} if first.get(name) != event.data.get(name))
    problem = {"code": "CAP909", "sys": "SYS-011", "path": "/intent/id", "problem": "id_reused_with_other_content", "first": before.decision_id,
               "differs": differs}
    return refusal(machine, event, "SYS-011", now=now, errors=[problem])


def refusal(
    machine: Machine, event: Event, sys: str, *, now: int | None = None, errors: list[dict[str, Any]] | None = None, leaves: tuple[Leaf, ...] = (),
) -> dict[str, Any]:
    """A denial that no rule had to look at."""
    policy, state = machine.policy, machine.state
    first = Reason(sys, "system", "SYS", "deny", severity="critical", leaves=leaves)
    ruling = Ruling(Verdict.DENY, None, Fraction(0), Fraction(0), None, None, (first,), outcome="DENY", decided_by=sys)
    reason: dict[str, Any] = {"rule": sys, "title": None, "kind": "system", "stage": "SYS", "code": None, "outcome": None, "severity": "critical", "effect": "deny",
              "message": default_message(first, ruling), "subject": {}, "observed": None, "comparison": None, "limit": None, "unit": None,
              "permitted": "0", "at": "n", "terms": {}, "limit_source": None, "source": None}
    return {
        "schema": "caplex.decision/1", "decision_id": "d-" + sha256([policy.hash, event.hash, state.seq, sys]).removeprefix("sha256:")[:16],
        "seq": state.seq, "intent_id": event.id, "at": format_instant(event.at_ns if now is None else now), "valid_until": None, "repeat_of": None,
        **{name: event.text(name) for name in ("account", "venue", "strategy", "symbol", "side", "action")},
        "closing": "0", "opening": None, "verdict": "DENY", "requested": None, "quantity": "0", "code": None, "outcome": "DENY",
        "decided_by": sys, "order": None, "reservation": None, "reasons": [reason], "warnings": [], "monitored": [], "violated": [],
        "emitted": [], "shadows": [], "obligations": [], "tripped": [], "errors": errors or [],
        "policy": {"name": policy.name, "version": policy.version, "language": policy.language, "mode": policy.mode, "hash": policy.hash,
                   "settings_hash": policy.settings_hash},
        "facts_hash": None, "intent": dict(event.data), "engine": f"caplex {__version__}",
    }
