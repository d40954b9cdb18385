"""The engine: one policy, one journal, one state. What it answers has been written before anybody can act on it.

State is rebuilt from the journal when the engine is opened, so that a crash costs nothing but the time to read. If the
journal cannot be written, nothing is approved; after the disk is well again the state is rebuilt from what was written.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from caplex.runtime import signing
from caplex.runtime.canonical import plain
from caplex.runtime.clock import exact_instant, format_instant, from_datetime, parse_instant
from caplex.runtime.decision import Decision, Told
from caplex.runtime.engine import facts, intents
from caplex.runtime.engine.events import Event
from caplex.runtime.engine.machine import TTL, Machine, Step
from caplex.runtime.engine.rebuilding import Rebuild, policy_of, policy_record
from caplex.runtime.engine.stamp import system_clock
from caplex.runtime.errors import EventError, JournalError
from caplex.runtime.journal import AT, Journal, JournalTrouble
from caplex.runtime.layout import pointer
from caplex.runtime.policy import Policy
from caplex.runtime.roles import Roles
from caplex.runtime.venue import Snapshot
from caplex.version import __version__

What = Literal["decision", "tripped", "obligation", "released", "discrepancy"]


class Outcome(Told):
    """What an event came to: ``seq``, ``tripped``, ``obligations``, ``reservations``, ``discrepancies``, ``warnings``."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """``caplex.outcome/1``."""
        return dict(self._data)


class Engine:
    """Decides intents on a state that it keeps, and keeps that state through crashes.

    Args:
        journal: File; None keeps nothing beyond this object, for tests and simulations.
        clock: Stamps what comes without ``at``. Nothing else ever asks it.
        if_exists: ``fail`` refuses a journal that is there already.
        on_policy_change: What to do with a journal of another policy; ``keep_state`` activates this one.
        reservation_ttl: How long an approval that nobody sent keeps its room.
        durability: ``each`` record on the disk at once, in a ``group``, or when the system likes (``os``).
        operators: Roles file. Without one nobody may act.
        trust_operators: Ask for no signatures. For simulation; it stands in every record of an act.
        shadows: Policies that decide beside this one, on the same facts, and spend nothing.
        recorded: Makes a policy from its record in the journal, `compiler.recorded.compile_recorded`: what happened under an
            earlier policy is folded under that one. Without it a journal of several policies is not gone on with.
    Raises:
        JournalError: locked (retryable), damaged, of another policy, or not writable.
    """

    def __init__(
        self, policy: Policy, journal: str | Path | None = None, *, clock: Callable[[], datetime] = system_clock, shadows: Sequence[Policy] = (),
        if_exists: Literal["resume", "fail"] = "resume", on_policy_change: Literal["refuse", "keep_state"] = "refuse",
        reservation_ttl: timedelta = TTL, late_events: Literal["accept"] = "accept", durability: Literal["each", "group", "os"] = "group",
        trust_operators: bool = False, operators: str | Path | Mapping[str, Any] | Roles | None = None,
        recorded: Callable[[Mapping[str, Any]], Policy] | None = None,
    ) -> None:
        self._clock, self._path, self._durability = clock, Path(journal) if journal is not None else None, durability
        self._keep_state, self._recorded = on_policy_change == "keep_state", recorded
        self._shadows = tuple(shadows)
        self._roles = operators if isinstance(operators, Roles) else Roles() if operators is None else Roles.read(operators)
        self._ttl, self._trust = reservation_ttl, trust_operators
        if self._roles.hash is not None and not trust_operators:
            signing.require()  # now, and not when the first act comes in: what is recorded must not depend on the machine
        self._listeners: dict[str, list[Callable[[Any], None]]] = {}
        self._degraded: str | None = None
        self._closed = False
        self._journal: Journal | None = None
        self.policy = policy
        self._machine = self._fresh()
        if self._path is not None:
            if if_exists == "fail" and self._path.exists() and self._path.stat().st_size:
                raise JournalError(f"`{self._path}` is there already; `if_exists=\"resume\"` goes on with it")
            self._open()

    # ── opening and closing ──────────────────────────────────────────────────────────────────────────

    def _fresh(self, policy: Policy | None = None) -> Machine:
        return Machine(policy or self.policy, roles=self._roles, ttl=self._ttl, trust=self._trust)

    def _header(self) -> dict[str, Any]:
        return {"policy": policy_of(self.policy), "engine": f"caplex {__version__}", "roles": self._roles.hash, "trust_operators": self._trust,
                "reservation_ttl_ns": self._machine.ttl_ns}

    def _terms(self) -> dict[str, Any]:
        """What acts and reservations are judged by besides the policy; replay needs it, and public keys are public."""
        return {"roles": self._roles.to_dict() if self._roles.hash is not None else None, "roles_hash": self._roles.hash,
                "trust_operators": self._trust, "reservation_ttl_ns": str(self._ttl // timedelta(microseconds=1) * 1000)}

    def _open(self) -> None:
        assert self._path is not None
        self._machine = self._fresh()
        rebuilt = Rebuild(self)
        self._journal = Journal.open(self._path, header=self._header(), durability=self._durability, on_record=rebuilt.take)
        try:
            if rebuilt.policy is None:  # new, or a crash came right after its first line
                self._journal.append("policy", None, policy_record(self.policy))
                self._journal.append("terms", None, self._terms())
                self._journal.flush()
            else:
                rebuilt.finish()
        except BaseException:
            self._journal.close()
            raise
        self._degraded = None

    def close(self) -> None:
        """Write what is left and let the journal go."""
        if not self._closed and self._journal is not None:
            self._journal.close()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # ── deciding ─────────────────────────────────────────────────────────────────────────────────────

    def submit(self, intent: Mapping[str, Any]) -> Decision:
        """Decide *intent*, take its room, write it down, answer.

        Raises:
            EventError: it has no usable id or time; nothing was written.
        """
        event = self._intent(intent)
        if not self._recovered():
            return self._refuse(event)
        beside = self._beside(event)
        step = self._machine.step(event)
        assert step.decision is not None
        told = step.told
        told["shadows"] = [self._shadow(policy, decision, told) for policy, decision in beside]
        try:
            self._write(event, step)
        except JournalError as error:
            self._degraded = str(error)
            return self._refuse(event)
        self._tell("decision", step.decision)
        self._announce(told)
        return step.decision

    admit = submit

    def peek(self, intent: Mapping[str, Any]) -> Decision:
        """What `submit` would say now; nothing is reserved and nothing written."""
        machine, named, account, now = self._machine.ahead(self._intent(intent))
        return intents.decide(machine, named, account, now, approved=frozenset())

    def _intent(self, given: Mapping[str, Any]) -> Event:
        if not isinstance(given, Mapping) or given.get("type") not in (None, "intent"):
            what = f"a {given['type']} is applied: `engine.apply(event)`" if isinstance(given, Mapping) else "an intent is an object"
            raise EventError(what)
        return self._machine.read(self._stamped(given, type="intent"))

    def apply(self, event: Mapping[str, Any], *, subject: str | None = None) -> Outcome:
        """Take an event from venue, host or operator; *subject* is who the caller has authenticated.

        Raises:
            EventError: it cannot be read; nothing was written.
            JournalError: it could not be written, and has not been taken; try again once the disk is well.
        """
        if isinstance(event, Mapping) and event.get("type") == "intent":
            raise EventError("an intent is submitted: `engine.submit(intent)`")
        read = self._machine.read(self._stamped(event))
        if not self._recovered():
            raise JournalError(f"the journal cannot be written ({self._degraded}); the event was not taken", retryable=True)
        if self._journal is not None:
            # What has happened is written before it is folded: then a failure leaves no trace.
            self._write_event(read, subject)
        step = self._machine.step(read, subject=subject)
        self._write_outcome(read, step)
        self._announce(step.told)
        for decision in step.released:
            self._tell("released", decision)
        return Outcome(step.told)

    def reconcile(self, snapshot: Snapshot, *, adopt: bool = False) -> list[Told]:
        """Compare with the venue; what does not fit, told one by one.

        Until the books fit, or *adopt* takes the venue's, or an operator reconciles, only closing goes ahead (SYS-014).
        """
        found: list[Told] = []
        for event in snapshot.events(adopt=adopt):
            found += [Told(each) for each in self.apply(event).to_dict()["discrepancies"]]
        return found

    def release(self, intent_id: str, *, because: str) -> Outcome:
        """Give back the room of an approval that was never sent."""
        return self.apply({"type": "release", "intent_id": intent_id, "because": because})

    def _stamped(self, given: Any, **more: str) -> Any:
        if not isinstance(given, Mapping):
            return given
        for key in getattr(given, "duplicates", ()):
            raise EventError(f"{more.get('type') or given.get('type')}: {pointer(key)} stands there twice")
        if given.get("at") is None:
            more["at"] = format_instant(from_datetime(self._clock()))
        return {**given, **more} if more else given

    def _beside(self, event: Event) -> list[tuple[Policy, Decision]]:
        """What other policies say on the facts that the decision will see; they take no room and trip nothing."""
        if not self._shadows or event.id in self._machine.state.seen:
            return []
        machine, named, _, now = self._machine.ahead(event)
        return [(policy, policy.decide(facts.document(policy.plan, machine.state, named, now))) for policy in self._shadows]

    @staticmethod
    def _shadow(policy: Policy, decision: Decision, mine: Mapping[str, Any]) -> dict[str, Any]:
        return {"policy": {"name": policy.name, "version": policy.version, "hash": policy.hash}, "verdict": decision.verdict.value,
                "quantity": plain_quantity(decision), "decided_by": decision.decided_by, "flip": mine["verdict"] != decision.verdict.value}

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────

    def _write(self, event: Event, step: Step) -> None:
        if self._journal is None:
            return
        at = event.data["at"]
        self._journal.append("event", _at(at), dict(event.data))
        self._journal.append("decision", _at(at), step.told)
        self._journal.flush()

    def _write_answer(self, event: Event, step: Step) -> None:
        assert self._journal is not None
        self._journal.append("decision", _at(event.data["at"]), step.told)
        self._journal.flush()

    def _write_event(self, event: Event, subject: str | None) -> None:
        assert self._journal is not None
        body = dict(event.data) if subject is None else {**event.data, "x_subject": subject}
        try:
            self._journal.append("event", _at(event.data["at"]), body)
            self._journal.flush()
        except JournalTrouble as error:
            self._degraded = str(error)
            raise JournalError(f"{error}; the event was not taken", retryable=True) from None

    def _write_outcome(self, event: Event, step: Step) -> None:
        """Only what says more than that the event was taken. It follows from the event, so that losing it loses nothing."""
        told = step.told
        if self._journal is None or (told["status"] == "applied" and not any(
                told.get(name) for name in ("tripped", "rearmed", "obligations", "reservations", "discrepancies", "warnings", "released", "by"))):
            return
        try:
            self._journal.append("outcome", _at(event.data["at"]), told)
            self._journal.flush()
        except JournalTrouble as error:
            self._degraded = str(error)

    def _recovered(self) -> bool:
        """Whether records can be written; after a failure the state is rebuilt from what was."""
        if self._degraded is None:
            return True
        if self._journal is not None:
            self._journal.close()
        try:
            self._open()
        except (JournalError, OSError) as error:
            self._degraded = str(error)
            return False
        return True

    def _refuse(self, event: Event) -> Decision:
        """Nothing is approved that cannot be written down."""
        return Decision.from_dict(intents.refusal(self._machine, event, "SYS-009"))

    def _announce(self, told: Mapping[str, Any]) -> None:
        for name, what in (("tripped", "tripped"), ("obligations", "obligation"), ("discrepancies", "discrepancy")):
            for each in told.get(name) or ():
                self._tell(what, Told(each))

    def _tell(self, what: str, said: Any) -> None:
        for listener in self._listeners.get(what, ()):
            listener(said)

    def on(self, what: What, fn: Callable[[Any], None]) -> None:
        """Call *fn* with each; after it was written, in the thread of the caller."""
        if what not in ("decision", "tripped", "obligation", "released", "discrepancy"):
            raise ValueError(f"nothing is announced as {what!r}")
        self._listeners.setdefault(what, []).append(fn)

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────

    def facts(self, intent: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What a decision on *intent* would see: a document for `policy.decide`, for bug reports and tests."""
        import copy

        return copy.deepcopy(self._machine.facts(self._intent(intent) if intent is not None else None))

    def decision(self, id: str) -> Decision | None:
        """The last answer to the intent *id*, or the decision *id*; None if it is not known (any more)."""
        seen = self._machine.state.seen.get(id) or next((each for each in self._machine.state.seen.values() if each.decision_id == id), None)
        return None if seen is None else Decision.from_dict(seen.told)

    @property
    def reservations(self) -> Sequence[Told]:
        """Room that is taken: held, working or unknown."""
        return tuple(Told({"id": order.reservation or order.id, "intent_id": order.intent_id, "symbol": order.symbol, "side": order.side,
                           "quantity": plain(order.leaves), "state": order.state,
                           "expires_at": format_instant(order.expires_ns) if order.expires_ns is not None else None})
                     for order in self._machine.state.orders.values() if order.state in ("held", "working", "unknown")) + tuple(
            Told({"id": each.reservation, "intent_id": each.intent_id, "symbol": None, "side": None, "quantity": plain(each.amount), "state": each.state,
                  "expires_at": format_instant(each.expires_ns) if each.expires_ns is not None else None})
            for held in self._machine.state.accounts.values() for each in held.outgoing.values())

    @property
    def pending(self) -> Sequence[Told]:
        """Obligations that nobody has acknowledged. They survive a restart: deliver them again."""
        return tuple(Told(duty) for duty in self._machine.state.obligations.values())

    @property
    def held(self) -> Sequence[Told]:
        """Decisions that wait for an approval."""
        state = self._machine.state
        return tuple(Told({**hold.to_dict(), "intent_id": hold.intent_id}) for hold in state.holds.values()
                     if hold.ended is None and not hold.expired(state.now_ns))

    @property
    def switches(self) -> Sequence[Told]:
        return tuple(Told(row) for row in self._machine.latches().to_dict(max(self._machine.state.now_ns, 0)))

    @property
    def health(self) -> Told:
        state = self._machine.state
        last = format_instant(state.now_ns) if state.seq else None
        return Told({"ready": not self._closed and self._degraded is None, "journal_ok": self._degraded is None, "last_event": last, "seq": state.seq,
                     "degraded_because": self._degraded,
                     "unreconciled": {name: held.unreconciled for name, held in state.accounts.items() if held.unreconciled}})

    @property
    def digest(self) -> str:
        """A hash of the state: two engines that saw the same have the same."""
        return self._machine.digest()

    # ── policies ─────────────────────────────────────────────────────────────────────────────────────

    def activate(self, policy: Policy, *, by: str, approved_by: Sequence[str] = (), at: str | None = None) -> Outcome:
        """*policy* decides from the next intent on; windows, latches, reservations and high-water marks stay.

        Raises:
            EventError: a tripped switch or a pending approval would disappear, or the currency would change.
        """
        complaints = self._machine.activation(policy)
        if complaints:
            raise EventError("the policy cannot take over: " + "; ".join(complaints))
        at = at or format_instant(from_datetime(self._clock()))
        body = {"type": "policy", "act": "activate", "at": at, "by": by, "approved_by": list(approved_by), **policy_record(policy)}
        if self._journal is not None:
            self._journal.append("policy", _at(at), body)
            self._journal.flush()
        self._machine.activate(policy)
        self.policy = policy
        return Outcome({"schema": "caplex.outcome/1", "seq": self._machine.state.seq, "event": {"type": "policy", "id": None}, "at": at, "status": "applied",
                        "tripped": [], "obligations": [], "reservations": [], "discrepancies": [], "warnings": []})


def _at(text: str) -> str:
    """The time of a record has one form; RFC 3339 allows events a few more."""
    return text if AT.fullmatch(text) else exact_instant(parse_instant(text))


def plain_quantity(decision: Decision) -> str:
    return format(decision.quantity, "f")
