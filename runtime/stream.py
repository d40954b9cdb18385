"""The loop of `caplex run`: events in, decisions written down, orders sent, their reports taken, obligations carried out.

Nothing reaches a broker before the journal has it. What a crash left half done is finished at the next start: the calls that
the journal names are made again on a simulated broker, and only what the journal does not have yet is taken.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from caplex.runtime.brokers.protocol import Broker, BrokerRejected, BrokerUnknown, Simulated
from caplex.runtime.canonical import sha256
from caplex.runtime.clock import SECOND, format_instant, parse_instant
from caplex.runtime.engine.engine import Engine
from caplex.runtime.engine.events import DOOR, Event, read_event
from caplex.runtime.errors import CaplexError, EventError, JournalError
from caplex.runtime.journal import Record, read
from caplex.runtime.reloading import Load, take_over
from caplex.runtime.tally import Tally

Tell = Callable[[str, Mapping[str, Any]], None]
Made = Mapping[str, Any]
VIA: Final = "x_via"
"""Stands in events that did not come in: who made them."""
ASK_AFTER_NS: Final = 5 * SECOND
"""How long after an answer was lost the venue is asked for the order."""
CANCELS: Final = frozenset({"cancel_open_orders", "cancel_all_orders"})
SCHEMA: Final = "caplex.execution/1"


class BrokerFailed(CaplexError):
    """The broker broke; the journal holds everything up to there, the order counts as alive."""


def _nobody(kind: str, said: Mapping[str, Any]) -> None:
    """Where nobody listens."""


class Stream:
    """One run: an engine, perhaps a broker, and whoever listens.

    Args:
        tell: Is told each ``decision``, ``trip``, ``rearmed``, ``obligation``, ``discrepancy``, ``execution``, ``refused`` and
            ``rejected`` act and each ``activation`` as a document, after it was written.
        load: Compiles the policy that a line names; without it no line may.
    """

    def __init__(self, engine: Engine, broker: Broker | None = None, *, tell: Tell = _nobody, load: Load | None = None) -> None:
        self.engine, self.broker, self._tell, self._load = engine, broker, tell, load
        self._sim = simulated(broker)
        self.tally = Tally()
        self.run: str | None = None
        self._cursor: str | None = None
        self._asking: dict[str, int] = {}
        self._owed: dict[tuple[str, str], list[Made]] = {}
        self._early: Counter[tuple[str, str]] = Counter()
        self._requested: set[str] = set()
        self._unsent: dict[str, Mapping[str, Any]] = {}
        self._before = Before(engine)
        self._now = "1970-01-01T00:00:00Z"
        if self._before.last > 0:
            self._recover()

    # ── one event ────────────────────────────────────────────────────────────────────────────────────

    def take(self, given: Mapping[str, Any], place: str = "") -> None:
        """Take one event from outside; what cannot be read is told and counted, and has changed nothing.

        Raises:
            JournalError: the journal cannot be written; nothing more is taken.
            BrokerFailed: after the journal is safe.
        """
        self.tally.events += 1
        try:
            names = given.get("type") == "policy" and given.get("path") is not None and self._load is not None
            event = read_event(given) if names else self.engine._machine.read(given)
            if VIA in event.data:
                raise EventError(f"{event.type}: /{VIA} is written by `caplex run` alone; leave it out", code=DOOR, path=f"/{VIA}")
        except EventError as error:
            self.refuse(place, str(error), code=error.code, path=error.path)
            return
        if self.run is None:
            self.run = self._name(event)
        if self._before.has(event):
            self.tally.taken_before += 1
            return
        self._now = str(event.data["at"])
        for made in self._calls_before(event.at_ns):
            self._give(made)
        if event.type == "intent":
            self._decide(event)
        elif event.type == "policy":
            self.reload(event.data["path"], event.data)
            return
        else:
            self._said(event.data)
        for made in self._seen(event.data):
            self._give(made)

    def reload(self, path: str, act: Mapping[str, Any], *, changed: bool = False) -> None:
        """Let the policy of *path* take over because of *act*, or tell why it did not."""
        assert self._load is not None
        told = take_over(self.engine, act, path, self._load, changed=changed)
        if told is not None:
            self.tally.rejected_acts += told["status"] == "refused"
            self._tell("activation", told)

    def reload_changed(self, path: str, by: str) -> None:
        """The file of the policy has changed, and whoever may write it is trusted."""
        self.reload(path, {"type": "policy", "act": "activate", "at": self._now, "path": path, "by": by, VIA: "watch"}, changed=True)

    def refuse(self, place: str, sentence: str, *, code: str, path: str = "") -> None:
        """What could not be read as an event: *code* says what is wrong, *path* where in it."""
        self.tally.refused += 1
        self._tell("refused", {"schema": "caplex.refused/1", "place": place, "code": code, "path": path or None, "message": sentence})

    def finish(self) -> None:
        """The end of the stream: reports that are on their way arrive, orders whose answer was lost are looked up."""
        if self._sim is not None:
            self._sim.drain()
            for made in self._reports():
                self._give(made)
        for client in list(self._asking):
            for made in self._look_up(client):
                self._give(made)

    def _name(self, first: Event) -> str:
        """Of the run: from what it starts with, so that a repetition has the same."""
        journal = self.engine._journal
        policy = self.engine.policy
        return "run-" + sha256([journal.id if journal else None, policy.hash, policy.settings_hash, first.hash]).removeprefix("sha256:")[:16]

    # ── deciding and sending ─────────────────────────────────────────────────────────────────────────

    def _decide(self, event: Event) -> None:
        decision = self.engine.submit(event.data)
        told = decision.to_dict()
        self._well()
        self.tally.decided(told)
        self._tell("decision", told)
        self._consequences(told)
        if told.get("repeat_of") is None:
            self._send(told)

    def _consequences(self, told: Mapping[str, Any]) -> None:
        """What a decision or an outcome brings with it besides itself."""
        for name, kind in (("tripped", "trip"), ("rearmed", "rearmed"), ("discrepancies", "discrepancy")):
            for each in told.get(name) or ():
                self.tally.happened(kind, each)
                self._tell(kind, {"schema": f"caplex.{kind}/1", **({"at": told.get("at")} if "at" not in each else {}), **each})
        for duty in told.get("obligations") or ():
            self._oblige(duty)
        for released in told.get("released") or ():
            self.tally.decided(released)
            self._tell("decision", released)
            self._send(released)

    def _said(self, given: Mapping[str, Any]) -> None:
        """An event goes to the engine; what comes of it is told."""
        told = self.engine.apply(given).to_dict()
        self.tally.applied(told)
        if told["status"] == "rejected":
            self._tell("rejected", {"schema": "caplex.rejected/1", "at": told["at"], "event": told["event"], **told["rejected"]})
        self._consequences(told)

    def _well(self) -> None:
        health = self.engine.health
        if not health["journal_ok"]:
            raise JournalError(f"{health['degraded_because']}; nothing is approved until it can be", retryable=True)

    def _send(self, told: Mapping[str, Any]) -> None:
        order = told.get("order")
        if self.broker is None or order is None or "action" in order or told.get("usable") is False:
            return
        client = str(order["client_order_id"])
        whole = whole_order(told)
        self._said(self._made("order", f"{client}-sent", at=told["at"], intent_id=told["intent_id"], client_order_id=client, status="sent",
                              **{name: whole[name] for name in ("account", "venue", "strategy", "symbol", "side", "quantity") if name in whole}))
        for made in self._place(whole, client):
            self._give(made)

    # ── calls of the broker: each gives the events that came of it ───────────────────────────────────

    def _place(self, order: Mapping[str, Any], client: str) -> Iterator[Made]:
        assert self.broker is not None
        about = {"intent_id": client, "client_order_id": client}
        try:
            if order.get("replaces"):
                state = self.engine._machine.state
                old = state.find_order(None, None, str(order["replaces"])) or state.find_order(str(order["replaces"]), None, None)
                answer = self.broker.replace(old.id if old else str(order["replaces"]), order, client_order_id=client)
            else:
                answer = self.broker.place(order, client_order_id=client)
            yield {**answer, **({"intent_id": client} if answer.get("intent_id") is None else {})}
        except BrokerRejected as error:
            yield self._made("reject", f"{client}-rejected", **about, stage="venue", code=error.code, message=str(error), retryable=error.retryable)
        except BrokerUnknown as error:
            yield self._lost(client, str(error))
        except CaplexError:
            raise
        except Exception as error:
            # Whatever broke: the order may be there. That is written down first, and then it is told.
            self._give(self._lost(client, f"{type(error).__name__}: {error}"))
            raise BrokerFailed(f"the broker `{self.broker.name}` failed on order {client} ({type(error).__name__}: {error}); "
                               "it counts as alive until the venue is asked") from error
        yield from self._reports()

    def _lost(self, client: str, why: str) -> Made:
        self._asking[client] = parse_instant(self._now) + ASK_AFTER_NS
        return self._made("order", f"{client}-unknown", intent_id=client, client_order_id=client, status="unknown", because="timeout", x_error=why[:500])

    def _cancel(self, order: str) -> Iterator[Made]:
        assert self.broker is not None
        try:
            yield self.broker.cancel(order)
        except (BrokerRejected, BrokerUnknown):
            known = self.engine._machine.state.find_order(order, order, None)
            found = self.broker.find(known.client_order_id) if known is not None and known.client_order_id else None
            if found is not None:
                yield found
        yield from self._reports()

    def _look_up(self, client: str) -> Iterator[Made]:
        """Ask the venue for an order whose answer was lost."""
        assert self.broker is not None
        del self._asking[client]
        found = self.broker.find(client)
        if found is not None:
            yield found
        else:
            yield self._made("reject", f"{client}-not-found", intent_id=client, client_order_id=client, stage="lookup", code="not_found",
                             message="the venue knows no such order")

    def _calls_before(self, at_ns: int) -> Iterator[Made]:
        """What has arrived by *at_ns*."""
        if self.broker is None:
            return
        if self._sim is not None:
            self._sim.advance(at_ns)
        yield from self._reports()
        for client in [client for client, due in self._asking.items() if due <= at_ns]:
            yield from self._look_up(client)

    def _seen(self, event: Mapping[str, Any]) -> Iterator[Made]:
        """A simulated venue sees what we see."""
        if self._sim is not None:
            self._sim.observe(event)
            yield from self._reports()

    def _reports(self) -> Iterator[Made]:
        if self.broker is not None:
            for cursor, event in list(self.broker.events(self._cursor)):
                self._cursor = cursor
                yield event

    # ── what was made here ───────────────────────────────────────────────────────────────────────────

    def _made(self, kind: str, id: str, *, at: str | None = None, **fields: Any) -> dict[str, Any]:
        return {"type": kind, "id": id, "at": at or self._now, **fields, VIA: "run"}

    def _give(self, made: Made) -> None:
        """What the broker said goes to the engine, unless the journal of the run before has it."""
        assert self.broker is not None
        made = {VIA: self.broker.name, **made}
        key = (str(made["type"]), str(made.get("id")))
        if self._early[key] > 0:
            self._early[key] -= 1
            return
        self._said(made)
        if (told := execution(made, self.run, self.engine)) is not None:
            self.tally.executed(told["event"])
            self._tell("execution", told)

    def _oblige(self, duty: Mapping[str, Any]) -> None:
        """Carry out what the broker can, and say that it is done. The rest waits for who can."""
        self._tell("obligation", {"schema": "caplex.obligation/1", "at": self._now, **duty})
        name, status = str(duty["id"]), "done"
        if duty["do"] in CANCELS:
            if self.broker is None and duty["orders"]:
                return  # whoever sends the orders takes them back, and says so
            for order in duty["orders"]:
                if f"{name}-{order}" not in self._requested:
                    self._said(self._made("order", f"{name}-{order}", order_id=order, status="cancel_requested", because=duty["by"]))
                    for made in self._cancel(order):
                        self._give(made)
        elif duty["do"] != "notify":
            return
        self._said(self._made("obligation", f"{name}-{status}", obligation_id=name, status=status, by="caplex run"))

    # ── after a crash ────────────────────────────────────────────────────────────────────────────────

    def _recover(self) -> None:
        """Make the calls that the journal names again, and finish what it lacks."""
        for record in self._before.records():
            if record.kind == "event":
                self._again(record.body)
            elif record.kind in ("policy", "note") and VIA not in record.body.get("event", {VIA: ""}):
                self._now = str(record.body["event"]["at"])
                self._owe(self._calls_before(parse_instant(self._now)) if self._sim is not None else iter(()))
            elif record.kind == "decision" and record.body.get("repeat_of") is None:
                self._unsent[str(record.body.get("intent_id"))] = record.body
            elif record.kind == "outcome":
                self._unsent.update({str(each.get("intent_id")): each for each in record.body.get("released") or ()})
        for owed in list(self._owed.values()):
            for made in owed:
                self._give(made)
        self._owed.clear()
        for duty in self.engine.pending:
            self._oblige(dict(duty))
        state = self.engine._machine.state
        for intent, told in self._unsent.items():
            order = state.find_order(None, None, intent)
            if order is not None and order.status == "reserved":
                self._send(told)
        self._unsent.clear()
        if self.broker is not None and self._sim is None:
            # A real venue outlived us: it is asked for what it was told last.
            waiting = [order.client_order_id for order in state.orders.values() if order.status in ("sent", "unknown") and order.client_order_id]
            self._asking = dict.fromkeys(waiting, 0)

    def _again(self, body: Mapping[str, Any]) -> None:
        via = body.get(VIA)
        if via is None:
            self._now = str(body["at"])
            self._unsent.clear()
            if self._sim is not None:
                event = self.engine._machine.read({k: v for k, v in body.items() if k != "x_subject"})
                self._owe(self._calls_before(event.at_ns))
                self._owe(self._seen(body))
            return
        key = (str(body["type"]), str(body.get("id")))
        status = body.get("status")
        if via == "run" and status == "sent" and body["type"] == "order":
            told = self._unsent.pop(str(body["intent_id"]), None)
            if told is not None and self._sim is not None:
                self._owe(self._place(whole_order(told), str(body["client_order_id"])))
        elif via == "run" and status == "cancel_requested":
            self._requested.add(str(body["id"]))
            if self._sim is not None:
                self._owe(self._cancel(str(body["order_id"])))
        elif key in self._owed:
            self._owed[key].pop(0)
            if not self._owed[key]:
                del self._owed[key]
        elif via == "run" or self._sim is not None:
            self._early[key] += 1
        if body["type"] == "obligation":
            self._requested = {each for each in self._requested if not each.startswith(f"{body['obligation_id']}-")}

    def _owe(self, events: Iterator[Made]) -> None:
        for made in events:
            key = (str(made["type"]), str(made.get("id")))
            if self._early[key] > 0:
                self._early[key] -= 1
            else:
                self._owed.setdefault(key, []).append(made)


def simulated(broker: Any) -> Simulated | None:
    """*broker*, if it lives in our time."""
    return broker if isinstance(broker, Simulated) else None


class Before:
    """The events that a journal had when it was opened, in their order, so that a stream that is fed again is recognised."""

    def __init__(self, engine: Engine) -> None:
        journal = engine._journal
        self._path = journal.path if journal is not None else None
        self.last = journal.next_seq - 1 if journal is not None else -1
        self._came: Iterator[Mapping[str, Any]] | None = self._events() if self.last > 1 else None

    def records(self) -> Iterator[Record]:
        assert self._path is not None
        for record in read(self._path, skip_torn=True):
            if record.seq > self.last:
                return
            yield record

    def _events(self) -> Iterator[Mapping[str, Any]]:
        for record in self.records():
            body = record.body if record.kind == "event" else record.body.get("event") if record.kind in ("policy", "note") else None
            if body is not None and VIA not in body:
                yield {name: value for name, value in body.items() if name != "x_subject"}

    def has(self, event: Event) -> bool:
        """Whether *event* is the next of those that were taken. The first that is not ends it: everything after it is new."""
        if self._came is None:
            return False
        for body in self._came:
            if body == event.data:
                return True
        self._came = None
        return False


def whole_order(told: Mapping[str, Any]) -> dict[str, Any]:
    """The order of a decision, with whose it is."""
    named = {name: told[name] for name in ("account", "venue", "strategy") if told.get(name)}
    return {**named, **told["order"]}


_WORDS: Final = {"fill": "ORDER_FILLED", "reject": "ORDER_REJECTED", "cancel": "ORDER_CANCELLED", "expire": "ORDER_EXPIRED"}


def execution(made: Made, run: str | None, engine: Engine) -> dict[str, Any] | None:
    """What happened to an order, as it is told; None for what only repeats where it stands."""
    word = _WORDS.get(str(made["type"]))
    if made["type"] in ("order", "replace"):
        word = {"open": "ORDER_SUBMITTED", "unknown": "ORDER_UNKNOWN"}.get(str(made.get("status", "open")))
    if word is None:
        return None
    about = {name: made[name] for name in (
        "intent_id", "order_id", "new_order_id", "account", "venue", "symbol", "side", "quantity", "price", "code", "message", "because") if name in made}
    return {"schema": SCHEMA, "event": word, "at": format_instant(engine._machine.read(made).at_ns), "run": run,
            "policy": engine.policy.hash, **about}
