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
from caplex.runtime.clock import format_instant, from_datetime
from caplex.runtime.decision import Decision, Told
from caplex.runtime.engine import activation, events, facts, intents, refilling
from caplex.runtime.engine.events import Event, read_event
from caplex.runtime.engine.keeping import Keeper
from caplex.runtime.engine.machine import TTL
from caplex.runtime.engine.persistence import Persistent
from caplex.runtime.engine.rebuilding import policy_of, policy_record, record_at
from caplex.runtime.engine.stamp import system_clock
from caplex.runtime.errors import EventError, JournalError
from caplex.runtime.journal import JournalTrouble
from caplex.runtime.layout import pointer
from caplex.runtime.policy import Policy
from caplex.runtime.roles import Refusal, Roles
from caplex.runtime.venue import Snapshot

What = Literal["decision", "tripped", "obligation", "released", "discrepancy"]


class Outcome(Told):
    """What an event came to: ``seq``, ``tripped``, ``obligations``, ``reservations``, ``discrepancies``, ``warnings``."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """``caplex.outcome/1``."""
        return dict(self._data)


class Engine(Persistent):
    """Decides intents on a state that it keeps, and keeps that state through crashes.

    Args:
        journal: File; None keeps nothing beyond this object, for tests and simulations.
        clock: Stamps what comes without ``at``. Nothing else ever asks it.
        if_exists: ``fail`` refuses a journal that is there already.
        on_policy_change: What to do with a journal of another policy; ``keep_state`` activates this one, if who may let it does.
        policy_change: That act: signed, as `activation.act_of` makes it; or who does it, where nobody signs.
        reservation_ttl: How long an approval that nobody sent keeps its room.
        durability: ``each`` record on the disk at once, in a ``group``, or when the system likes (``os``).
        operators: Roles file. Without one nobody may act.
        trust_operators: Ask for no signatures. For simulation; it stands in every record of an act.
        shadows: Policies that decide beside this one, on the same facts, and spend nothing.
        recorded: Makes a policy from its record in the journal, `compiler.recorded.compile_recorded`: what happened under an
            earlier policy is folded under that one. Without it a journal of several policies is not gone on with.
        store: An SQLite file that keeps memory small and opening quick; True: beside the journal, ``JOURNAL.db``. It may be
            deleted at any time; one that cannot be used is left aside.
    Raises:
        JournalError: locked (retryable), damaged, of another policy, or not writable.
    """

    def __init__(
        self, policy: Policy, journal: str | Path | None = None, *, clock: Callable[[], datetime] = system_clock, shadows: Sequence[Policy] = (),
        if_exists: Literal["resume", "fail"] = "resume", on_policy_change: Literal["refuse", "keep_state"] = "refuse",
        reservation_ttl: timedelta = TTL, late_events: Literal["accept"] = "accept", durability: Literal["each", "group", "os"] = "group",
        trust_operators: bool = False, operators: str | Path | Mapping[str, Any] | Roles | None = None,
        recorded: Callable[[Mapping[str, Any]], Policy] | None = None, store: bool | str | Path | None = True,
        policy_change: Mapping[str, Any] | str | None = None,
    ) -> None:
        self._clock, self._path, self._durability = clock, Path(journal) if journal is not None else None, durability
        self._keep_state, self._recorded, self._policy_change = on_policy_change == "keep_state", recorded, policy_change
        self._shadows = tuple(shadows)
        self._roles = operators if isinstance(operators, Roles) else Roles() if operators is None else Roles.read(operators)
        self._ttl, self._trust = reservation_ttl, trust_operators
        if self._roles.hash is not None and not trust_operators:
            signing.require()  # now, and not when the first act comes in: what is recorded must not depend on the machine
        self._listeners: dict[str, list[Callable[[Any], None]]] = {}
        self._closed = False
        self.policy = policy
        super().__init__(_keeper(self._path, store))
        if self._path is not None:
            if if_exists == "fail" and self._path.exists() and self._path.stat().st_size:
                raise JournalError(f"`{self._path}` is there already; `if_exists=\"resume\"` goes on with it")
            self._open()

    def close(self) -> None:
        """Write what is left and let the journal go."""
        if not self._closed:
            self._closed = True
            self._close()

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
        beside = self._asked(lambda: self._beside(event)) if self._shadows else ()
        step = self._step(event, written=False)
        decision, text = step.decision, step.text
        assert decision is not None
        if beside or text is None:  # the text is that of an approval of which there is nothing more to say
            step.told["shadows"] = [self._shadow(policy, said, step.told) for policy, said in beside]
            text = None
        try:
            self._write(event, step, text)
        except JournalError:
            return self._refuse(event)
        self._checkpoint_if_due()
        if self._listeners:
            self._tell("decision", decision)
            self._announce(step.told)
        return decision

    admit = submit

    def decide_frame(self, frame: Any, *, keep: bool = True) -> Any:
        """Submit each row of *frame* (pandas, polars, arrow), in the order of time; the frame with the answers beside it.

        Columns ``now``, ``intent.id`` and the other fields of ``intent.``; those of ``market.`` and ``account.`` are told before each
        intent. Answers as of `Policy.decide_frame`. Needs the extra ``frames``.

        Args:
            keep: Without it the same is answered and nothing happens: no room is taken and nothing written, as with `peek`. That
                is many times faster, for backtests and screens; ``fell_back`` marks rows that the engine took one by one.
        Raises:
            FrameError: A column that cannot be told, rows out of order, or an intent that cannot be read; earlier rows count.
        """
        from caplex.runtime.engine import frames

        return frames.decide_frame(self, frame) if keep else self._asked(lambda: frames.rehearse(self, frame))[0]

    def peek(self, intent: Mapping[str, Any]) -> Decision:
        """What `submit` would say now; nothing is reserved and nothing written."""
        event = self._intent(intent)
        machine, named, account, now = self._machine.ahead(event)
        if intents.stranger(machine, account):
            return Decision.from_dict(intents.unheard(machine, event, now))
        return machine.policy.decide(facts.document(machine.policy.plan, machine.state, named, now))

    def _intent(self, given: Mapping[str, Any]) -> Event:
        if not isinstance(given, Mapping) or given.get("type") not in (None, "intent"):
            if not isinstance(given, Mapping):
                raise EventError("an intent is an object", code=events.NOT_AN_OBJECT)
            raise EventError(f"a {given['type']} is applied: `engine.apply(event)`", code=events.DOOR, path="/type")
        return self._machine.read(self._stamped(given, type="intent"))

    def apply(self, event: Mapping[str, Any], *, subject: str | None = None) -> Outcome:
        """Take an event from venue, host or operator; *subject* is who the caller has authenticated.

        Raises:
            EventError: it cannot be read; nothing was written.
            JournalError: it could not be written, and has not been taken; try again once the disk is well.
        """
        if isinstance(event, Mapping) and event.get("type") == "intent":
            raise EventError("an intent is submitted: `engine.submit(intent)`", code=events.DOOR, path="/type")
        read = self._machine.read(self._stamped(event))
        if not self._recovered():
            raise JournalError(f"the journal cannot be written ({self._degraded}); the event was not taken", retryable=True)
        # What has happened is written before it is folded: then a failure leaves no trace.
        self._write_event(read, subject)
        step = self._step(read, subject=subject, written=True)
        self._write_outcome(read, step)
        self._checkpoint_if_due()
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

    def release(self, intent_id: str, *, because: str, at: str | None = None) -> Outcome:
        """Give back the room of an approval that was never sent; *at*, else now."""
        return self.apply({"type": "release", "intent_id": intent_id, "because": because, **({"at": at} if at is not None else {})})

    def _stamped(self, given: Any, **more: str) -> Any:
        if not isinstance(given, Mapping):
            return given
        if type(given) is dict and given.get("at") is not None and (not more or given.get("type") == more.get("type")):
            return given
        for key in getattr(given, "duplicates", ()):
            raise EventError(f"{more.get('type') or given.get('type')}: {pointer(key)} stands there twice", code=events.TWICE, path=pointer(key))
        if given.get("at") is None:
            more["at"] = format_instant(from_datetime(self._clock()))
        return {**given, **more} if more else given

    def _beside(self, event: Event) -> list[tuple[Policy, Decision]]:
        """What other policies say on the facts that the decision will see; they take no room and trip nothing."""
        if not self._shadows or self._machine.state.answered(event.id or "") is not None:
            return []
        machine, named, _, now = self._machine.ahead(event)
        return [(policy, policy.decide(facts.document(policy.plan, machine.state, named, now))) for policy in self._shadows]

    @staticmethod
    def _shadow(policy: Policy, decision: Decision, mine: Mapping[str, Any]) -> dict[str, Any]:
        return {"policy": {"name": policy.name, "version": policy.version, "hash": policy.hash}, "verdict": decision.verdict.value,
                "quantity": plain_quantity(decision), "decided_by": decision.decided_by, "flip": mine["verdict"] != decision.verdict.value}

    # ── telling ──────────────────────────────────────────────────────────────────────────────────────

    def _refuse(self, event: Event) -> Decision:
        """Nothing is approved that cannot be written down, but what closes where the policy says so."""
        closed = self._closing(event)
        if closed is not None:
            self._tell("decision", closed)
            self._announce(closed.to_dict())
            return closed
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
        seen = self._asked(lambda: self._machine.state.answered(id) or self._machine.state.decided(id))
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
                     "degraded_because": self._degraded, "store": self._keeper.trouble,
                     "unreconciled": {name: held.unreconciled for name, held in state.accounts.items() if held.unreconciled}})

    @property
    def digest(self) -> str:
        """A hash of the state: two engines that saw the same have the same."""
        return self._asked(lambda: self._machine.digest())

    # ── policies ─────────────────────────────────────────────────────────────────────────────────────

    def activate(
        self, policy: Policy, *, by: str, approved_by: Sequence[str] = (), at: str | None = None, signature: str | None = None,
        expires_at: str | None = None, subject: str | None = None, act: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """*policy* decides from the next intent on; windows, latches, reservations and high-water marks stay.

        Windows that reach further back than those before are read back from the journal, where there is one.

        Args:
            by: Somebody with the role that the present policy names as its owner; *signature* is theirs over `activation.act_of`,
                or *subject* who the caller has authenticated. Engines that trust operators ask for neither, nor do those
                without a roles file, whose host is its own authority.
            act: The event as it came, in the place of one that is made here.
        Raises:
            EventError: the act is not the owner's, a tripped switch or a pending approval would disappear, or the currency would
                change. The refusal is noted in the journal; the present policy stays.
            JournalError: it could not be written; the present policy stays.
        """
        at = at or (str(act["at"]) if act is not None else format_instant(from_datetime(self._clock())))
        event = read_event(act if act is not None else activation.act_of(
            policy, by=by, at=at, approved_by=approved_by, expires_at=expires_at, subject=subject, signature=signature))
        if not self._recovered():
            raise JournalError(f"the journal cannot be written ({self._degraded}); the policy did not take over", retryable=True)
        found = activation.authorised(self._machine, policy, event.data, subject, host=act is None)
        if not isinstance(found, Refusal):
            complaints = self._machine.activation(policy)
            found = Refusal("in_the_way", "; ".join(complaints)) if complaints else found
        if isinstance(found, Refusal):
            self.refuse_activation(event.data, found, policy)
            raise EventError(f"the policy cannot take over: {found.sentence}", code=events.ACT)
        past = refilling.read_back(self._machine, policy, self._journal.path, self._journal.next_seq, load=self._recorded) if self._journal else None
        body = {**{name: event.data.get(name) for name in ("type", "act", "at", "approved_by")}, "by": found.by, "how": found.how,
                "event": dict(event.data), **policy_record(policy), **({"windows": past.to_dict()} if past is not None else {})}
        self._record("policy", record_at(event), body)
        self._machine.activate(policy, event.data, past)
        self.policy = policy
        self._checkpoint()
        return Outcome({"schema": "caplex.outcome/1", "seq": self._machine.state.seq, "event": {"type": "policy", "id": event.id}, "at": event.data["at"],
                        "status": "applied", "tripped": [], "obligations": [], "reservations": [], "discrepancies": [], "warnings": [],
                        "by": found.by, "how": found.how})

    def refuse_activation(self, act: Mapping[str, Any], refused: Refusal, policy: Policy | None = None) -> None:
        """Note in the journal that a policy did not take over, and why. Raises JournalError."""
        self._record("note", record_at(read_event(act)), {
            "note": activation.REFUSED, "event": dict(act), "policy": policy_of(policy) if policy is not None else None, **refused.to_dict()})

    def _record(self, kind: str, at: str, body: Mapping[str, Any]) -> None:
        if self._journal is None:
            return
        try:
            self._journal.append(kind, at, body, later=True)
            self._journal.flush()
        except JournalTrouble as error:
            self._degraded = str(error)
            raise JournalError(f"{error}; nothing was changed", retryable=True) from None


def _keeper(journal: Path | None, store: bool | str | Path | None) -> Keeper:
    if journal is None or store is None or store is False:
        return Keeper(None)
    return Keeper(journal.with_name(f"{journal.name}.db")) if store is True else Keeper(Path(store), strict=True)


def plain_quantity(decision: Decision) -> str:
    return format(decision.quantity, "f")
