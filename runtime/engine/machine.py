"""One step: state and event in, state and answer out. The only clock is the event's; nothing is written or sent here.

`runtime.engine.engine` puts a journal in front of it, and replay runs the same machine again.
"""
from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from caplex.runtime import holds
from caplex.runtime.canonical import sha256, sha256_bytes
from caplex.runtime.clock import parse_instant
from caplex.runtime.decision import Decision
from caplex.runtime.engine import activation, admission, events, facts, fold, intents, refilling
from caplex.runtime.engine.events import Event, read_event
from caplex.runtime.engine.heard import INTENT_ID as INTENT_ID
from caplex.runtime.engine.heard import plain_intent, written
from caplex.runtime.engine.latches import Latches
from caplex.runtime.engine.live import Desk
from caplex.runtime.engine.state import State
from caplex.runtime.engine.times import stamped
from caplex.runtime.errors import EventError
from caplex.runtime.policy import Policy
from caplex.runtime.roles import Act, Refusal, Roles

TTL: Final = timedelta(seconds=30)


@dataclass(slots=True)
class Step:
    """What one event came to.

    Attributes:
        kind: ``decision`` for an intent, ``outcome`` for everything else.
        told: The document that the journal keeps; it may be completed, before it is written.
        decision: For an intent.
        released: Decisions on intents whose hold an act has lifted.
        text: The canonical text of *told*, where it is at hand.
    """

    kind: str
    told: MutableMapping[str, Any]
    decision: Decision | None = None
    released: tuple[Decision, ...] = ()
    text: str | None = None


class Machine:
    """A policy over a state.

    Args:
        ttl: How long an approval that nobody sent keeps its room, and a hold waits that does not say.
        trust: Believe operators without a signature (simulation).
        shortcuts: Decide the common intent on the fast path (`runtime.engine.lane`). Without it the same comes out, more slowly;
            tests compare both.
    """

    def __init__(self, policy: Policy, *, roles: Roles | None = None, ttl: timedelta = TTL, trust: bool = False, shortcuts: bool = True) -> None:
        self.policy, self.roles, self.trust, self.shortcuts = policy, roles or Roles(), trust, shortcuts
        self.ttl_ns = ttl // timedelta(microseconds=1) * 1000
        self.state = State()
        self.unwritten = False  # the journal cannot be written, and closing continues
        self.desk = Desk(policy.plan)
        self.chain = sha256(["caplex.chain/1", policy.hash, policy.settings_hash])

    def under(self, terms: Mapping[str, Any]) -> None:
        """Judge acts and reservations from here on by *terms*, a record of a journal."""
        self.roles = Roles.read(terms["roles"]) if terms.get("roles") is not None else Roles()
        self.trust, self.ttl_ns = terms["trust_operators"] is True, int(terms["reservation_ttl_ns"])

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    def latches(self) -> Latches:
        return Latches(self.policy, self.state, self.desk)

    def named(self, intent: Mapping[str, Any]) -> Mapping[str, Any]:
        """*intent* with the only account that there is, if it names none; else with its account as events name it."""
        account = intent.get("account")
        if account is None:
            only = self.state.only_account
            return {**intent, "account": only} if only else intent
        if isinstance(account, str):
            name = admission.normalised(self.policy.plan.schema, "account", account)
            return intent if name == account else {**intent, "account": name}
        return intent

    def facts(self, event: Event | None) -> dict[str, Any]:
        """What a decision on the intent *event* would see; on none, everything as it is."""
        if event is None:
            return facts.document(self.policy.plan, self.state, self.named({"action": "noop"}), self.state.now_ns)
        twin, intent, _, now = self.ahead(event)
        return facts.document(self.policy.plan, twin.state, intent, now)

    def ahead(self, event: Event) -> tuple[Machine, Mapping[str, Any], str, int]:
        """A machine of its own at the moment at which the intent *event* would be decided: the intent, its account, the time."""
        twin = copy(self)
        twin.state, twin.desk = self.state.fork(), Desk(self.policy.plan)
        intent = self.named(event.data)
        account = intents.account_of(intent)
        now, _ = fold.at_of(twin.state, event, account)
        intents.arrive(twin, account, now, twin.latches())
        return twin, intent, account, now

    # ── stepping ─────────────────────────────────────────────────────────────────────────────────────

    def read(self, given: Mapping[str, Any]) -> Event:
        """The event, if it can be taken at all. Raises EventError, and then nothing has changed."""
        plain = plain_intent(given) if self.shortcuts else None
        if plain is not None:
            return plain
        event = read_event(given)
        if event.type == "policy":
            raise EventError("policy: a policy is activated by the host, `engine.activate(policy)`, or by a line of `caplex run` that names its /path",
                             code=events.DOOR, path="/type")
        if event.type == "intent" and (event.id is None or not INTENT_ID.fullmatch(event.id)):
            raise EventError(f"intent: /id is `{event.id}`; letters, digits, `_`, `.` and `-` are wanted, at most 36", code=events.VALUE, path="/id")
        event = admission.admit(self.policy.plan.schema, event)
        return written(event) if self.shortcuts and event.type != "intent" else event

    def step(self, event: Event, *, subject: str | None = None) -> Step:
        """Take *event*. Deterministic: same state, same event, same answer."""
        self.state.seq += 1
        self.chain = sha256_bytes(f"{self.chain} {event.data['at']} {event.hash}".encode())
        if not self.shortcuts:
            self.desk.walk()
        if event.type == "intent":
            return intents.step(self, event)
        if event.type in fold.FACTS:
            return self._fact(event)
        if event.type == "operator":
            return self._operator(event, subject)
        if event.type == "decline":
            return self._operator(event, subject)
        raise AssertionError(event.type)

    def _fact(self, event: Event) -> Step:
        applied = fold.apply(self.policy.plan, self.state, event)
        latches = self.latches()
        account, now = applied.account, applied.now_ns
        if not applied.repeat:
            latches.judge(applied.sections, account, now, event.id)
            latches.settle(account, now, event.id)
            if latches.tripped:
                self.overtake(latches, now)
        status = "repeat" if applied.repeat else "late" if applied.late else "applied"
        return self._outcome(event, latches, status=status, discrepancies=applied.discrepancies, reservations=applied.reservations,
                             warnings=applied.warnings)

    def _outcome(self, event: Event, latches: Latches | None, *, status: str, **more: Any) -> Step:
        told: dict[str, Any] = {
            "schema": "caplex.outcome/1", "seq": self.state.seq, "event": {"type": event.type, "id": event.id},
            "at": stamped(event.at_ns), "status": status, "tripped": latches.tripped if latches else [],
            "obligations": latches.obligations if latches else [], "reservations": [], "discrepancies": [], "warnings": []}
        if latches is not None and latches.rearmed:
            told["rearmed"] = latches.rearmed
        released = more.pop("released", ())
        told.update(more)
        if released:
            told["released"] = [decision.to_dict() for decision in released]
        return Step("outcome", told, released=tuple(released))

    def overtake(self, latches: Latches, now: int) -> None:
        """No approval of a held intent survives a trip that concerns it."""
        for name, hold in list(self.state.holds.items()):
            if hold.ended is not None or hold.expired(self.state.now_ns):
                continue
            answered = self.state.answered(hold.intent_id)
            told = answered.told if answered is not None else {}
            for trip in latches.tripped:
                if all(told.get(dimension, value) in (value, None) for dimension, value in trip["scope"].items()):
                    self.state.holds[name] = holds.overtake(hold, now)

    # ── operators ────────────────────────────────────────────────────────────────────────────────────

    def _operator(self, event: Event, subject: str | None) -> Step:
        """An act of a person: believed, or refused and recorded all the same."""
        now = max(self.state.now_ns, event.at_ns)
        before = self.state.known_event(("operator", event.id)) if event.id is not None else None
        if before == event.hash:
            return self._outcome(event, None, status="repeat")
        act = self.roles.authenticate(event.data, subject=subject, trust=self.trust, now_ns=now)
        if isinstance(act, Refusal):
            return self._outcome(event, None, status="rejected", rejected=act.to_dict())
        if before is not None:
            return self._outcome(event, None, status="rejected", rejected=Refusal(
                "id_reused", f"the id `{event.id}` came before with other content").to_dict())
        if event.id is not None:
            self.state.event_ids["operator", event.id] = event.hash
        self.state.now_ns = now
        latches = self.latches()
        released: list[Decision] = []
        refused = self._act(event, act, latches, released)
        if isinstance(refused, Refusal):
            return self._outcome(event, latches, status="rejected", rejected=refused.to_dict(), by=act.by, how=act.how)
        latches.settle(None, now, event.id)
        if latches.tripped:
            self.overtake(latches, now)
        return self._outcome(event, latches, status="applied", by=act.by, how=act.how, released=released)

    def _act(self, event: Event, act: Act, latches: Latches, released: list[Decision]) -> Refusal | None:
        if event.type == "decline":
            return self._decline({"hold_id": event.data["hold_id"]}, act)
        target = event.data.get("target") or {}
        if not isinstance(target, Mapping):
            return Refusal("malformed", "`target` of an act is an object")
        match event.data["act"]:
            case "trip" | "rearm" as word:
                found = latches.find(target)
                if isinstance(found, Refusal):
                    return found
                rule, latch = found
                if word == "trip":
                    reason = event.text("reason") or ""
                    latches.trip(rule, latch.scope, act.at_ns, event=event.id, cause={
                        "expression": f"tripped by {act.by}" + (f": {reason}" if reason else ""), "observed": None, "limit": None, "by": act.by})
                    return None
                expires = event.text("expires_at")
                return latches.ask(rule, latch, act, event.data, parse_instant(expires) if expires else None)
            case "approve":
                return self._approve(target, act, latches, released)
            case "decline":
                return self._decline(target, act)
            case "withdraw":
                return latches.withdraw(str(target.get("request_id")), act)
            case "reconcile":
                return self._reconcile(target, act)
        return Refusal("unknown_act", f"no act is called `{event.data['act']}`")

    def _approve(self, target: Mapping[str, Any], act: Act, latches: Latches, released: list[Decision]) -> Refusal | None:
        if target.get("request_id") is not None:
            return latches.approve(str(target["request_id"]), act)
        hold = self._hold(target)
        if isinstance(hold, Refusal):
            return hold
        found = holds.approve_hold(hold, act, target=target)
        if isinstance(found, Refusal):
            return found
        self.state.holds[hold.id] = found
        if found.released:
            released.append(intents.release(self, found, act.at_ns, latches))
        return None

    def _hold(self, target: Mapping[str, Any]) -> holds.Hold | Refusal:
        name = target.get("hold_id") or target.get("hold")
        if name is None and target.get("intent_id") is not None:
            found = self.state.hold_of(str(target["intent_id"]))
            name = found.id if found is not None else None
        hold = self.state.hold(str(name))
        return hold if hold is not None else Refusal("unknown_hold", f"nothing is on hold under `{name or target.get('intent_id')}`; "
                                                                     "name `hold_id`, `intent_id` or `request_id`")

    def _reconcile(self, target: Mapping[str, Any], act: Act) -> Refusal | None:
        name = target.get("account")
        if not isinstance(name, str) or name not in self.state.accounts:
            return Refusal("unknown_account", f"no account is called `{name}`; name it in `target`")
        self.state.account(name).unreconciled = None
        return None

    def _decline(self, target: Mapping[str, Any], act: Act) -> Refusal | None:
        """No, by somebody who might have said yes."""
        hold = self._hold(target)
        found = holds.deny_hold(hold, act) if isinstance(hold, holds.Hold) else hold
        if isinstance(found, Refusal):
            return found
        self.state.holds[found.id] = found
        return None

    # ── policies ─────────────────────────────────────────────────────────────────────────────────────

    def activation(self, policy: Policy) -> list[str]:
        """What speaks against *policy* taking over this state, in sentences."""
        complaints = []
        present = {rule.id for rule in policy.plan.rules if rule.kind == "switch"}
        for latch in self.state.latches.values():
            if latch.tripped and latch.switch not in present:
                complaints.append(f"`{latch.switch}` is tripped and would disappear: arm it first, or keep it")
        for hold in self.state.holds.values():
            if hold.ended is None and not hold.expired(self.state.now_ns):
                complaints.append(f"`{hold.id}` waits for approval under the present policy: approve or decline it first")
        if policy.plan.header.currency != self.policy.plan.header.currency:
            complaints.append(f"the currency would change from {self.policy.plan.header.currency} to {policy.plan.header.currency}")
        return complaints

    def activate(self, policy: Policy, act: Mapping[str, Any] | None = None, past: refilling.Windows | None = None) -> None:
        """*policy* decides from here on, because of *act*. Windows, latches, reservations and high-water marks stay.

        What the policy before had no use for was thrown away; *past* is it, as the journal has it. Without a journal a window
        that would need it is unevaluable until it has filled.
        """
        activation.remember(self, act or {})
        if past is not None:
            refilling.put(self, past)
        else:
            for held in self.state.accounts.values():
                if held.complete_from_ns is not None:
                    held.complete_from_ns = max([held.complete_from_ns, *_thrown_away(self.policy, policy, held.last_ns)])
        self.policy, self.desk = policy, Desk(policy.plan)
        present = {rule.id for rule in policy.plan.rules if rule.kind == "switch"}
        for key in [key for key, latch in self.state.latches.items() if latch.switch not in present]:
            del self.state.latches[key]

    def digest(self) -> str:
        """A hash of the state's visible whole, to compare two folds."""
        state = self.state
        return sha256({
            "seq": state.seq, "accounts": {name: facts.account_row(held) for name, held in sorted(state.accounts.items())},
            "positions": [facts.position_row(key, row) for key, row in sorted(state.positions.items())],
            "orders": [facts.order_row(order) for order in state.every("orders").values()],
            "switches": self.latches().to_dict(max(state.now_ns, 0)), "obligations": sorted(state.obligations),
            "holds": {name: hold.stored() for name, hold in state.every("holds").items()},
            "seen": {name: seen.decision_id for name, seen in state.every("seen").items()},
            "history": {name: {section: len(events) for section, events in sorted(each.items())} for name, each in sorted(state.histories.items())},
        })


def _thrown_away(old: Policy, new: Policy, now: int) -> list[int]:
    """From when on the histories are whole that *new* reads further back than *old* did."""
    kept = old.plan.keep_ns
    return [now - (kept[section] or 0) if section in kept else now + 1 for section in refilling.deeper(old, new)]
