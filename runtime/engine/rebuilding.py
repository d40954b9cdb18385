"""The fold of a journal that is there, and what a journal holds of the policy that it was written under."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.clock import exact_instant, parse_instant
from caplex.runtime.engine import activation, refilling, unwritten
from caplex.runtime.engine.events import Event
from caplex.runtime.engine.keeping import Keeper
from caplex.runtime.engine.live import Desk
from caplex.runtime.engine.machine import Step
from caplex.runtime.engine.store import Mark
from caplex.runtime.errors import EventError, JournalError
from caplex.runtime.journal import AT, Journal, Record
from caplex.runtime.policy import Policy
from caplex.runtime.roles import Refusal

if TYPE_CHECKING:
    from caplex.runtime.engine.persistence import Persistent


class Rebuild:
    """The fold of a journal that was there: events are taken again, in the order in which they were written.

    Where the store names a record, the fold begins behind it. Attributes:
        machine: What the journal comes to.
    """

    def __init__(self, engine: Persistent, keeper: Keeper) -> None:
        self.engine, self.keeper, self.machine = engine, keeper, engine._fresh()
        self.policy: dict[str, Any] | None = None
        self.foreign = False
        self.terms: Mapping[str, Any] | None = None
        self.last: tuple[Event, Step] | None = None  # an event whose answer has not been met yet
        self._journal = ""
        self._mark: Mark | None = None  # what is before it is not folded
        self._before: tuple[int, str] = (-1, "")

    @property
    def empty(self) -> bool:
        """No record has come."""
        return self._before[0] < 0

    def take(self, record: Record) -> None:
        """One record on the way to the end of the file."""
        if record.seq == 0:
            self._journal = record.body["journal"]
            self.keeper.open(self._journal)
            self._mark = self.keeper.mark
        if record.kind == "policy":
            self._era(record)
        elif record.kind == "terms":
            self.terms = record.body
            self.machine.under(record.body)
        elif self._mark is None:
            self._fold(record)
        if self._mark is not None and record.seq >= self._mark.seq:
            self._restore(record)
        self._before = record.seq, record.hash

    def _fold(self, record: Record) -> None:
        if record.kind == "event":
            if self.keeper.due(self._before[0]):  # here, and not behind an event whose answer may be missing
                self.keeper.checkpoint(self.machine, self._journal, *self._before)
            body = dict(record.body)
            subject = body.pop("x_subject", None)
            event = self.machine.read(body)
            self.last = event, self.machine.step(event, subject=subject)
        elif record.kind in ("decision", "outcome"):
            self.last = None
        elif record.kind == "note" and record.body.get("note") == unwritten.NOTE:
            unwritten.fold(self.machine, record.body)

    def _restore(self, record: Record) -> None:
        mark, self._mark = self._mark, None
        assert mark is not None
        state = self.keeper.restore(self.machine) if (record.seq, record.hash) == (mark.seq, mark.hash) else None
        if state is None:
            raise Unmet
        self.machine.state, self.machine.chain, self.machine.desk = state, mark.chain, Desk(self.machine.policy.plan)

    def _era(self, record: Record) -> None:
        """From here on the journal was written under the policy of *record*: what happened then is folded under that one."""
        body, engine, first = record.body, self.engine, self.policy is None
        self.policy = {name: body.get(name) for name in policy_of(engine.policy)}
        mine = self.policy == policy_of(engine.policy)
        if mine and not self.foreign:
            policy = engine.policy
        elif engine._recorded is not None:
            policy = engine._recorded(body)
        elif mine or engine._keep_state or not first:
            raise JournalError(f"`{engine._path}` was written under several policies, {_shown(self.policy)} among them: what happened under an earlier "
                               "one is folded under that one; give the engine `recorded=caplex.compiler.recorded.compile_recorded`")
        else:
            self.foreign = True  # refused at the end, with both policies named
            return
        if first:
            self.machine = engine._fresh(policy)
        else:
            assert engine._path is not None
            past = refilling.again(self.machine, policy, engine._path, record, load=engine._recorded)
            self.machine.activate(policy, activation.act_in(body), past)

    def finish(self, journal: Journal) -> None:
        """The journal was of this policy, or it becomes so; an answer that a crash kept from being written is written now."""
        engine = self.engine
        if self._mark is not None:  # the journal ends before the record that the store names
            raise Unmet
        if self.last is not None:
            write_answer(journal, *self.last)
        terms, guarded = engine._terms(), (self.terms or {}).get("roles") is not None
        if self.terms != terms:
            journal.append("terms", None, terms)
            journal.flush()
            self.machine.under(terms)
        if self.policy == policy_of(engine.policy):
            return
        if not engine._keep_state:
            raise JournalError(f"`{engine._path}` was written under another policy ({_shown(self.policy)}); "
                               "`on_policy_change=\"keep_state\"` activates this one")
        self._take_over(journal, guarded=guarded)

    def _take_over(self, journal: Journal, *, guarded: bool) -> None:
        """Another policy goes on with the journal, if who may let it does."""
        engine = self.engine
        assert engine._path is not None
        try:
            act, found = activation.at_opening(self.machine, engine.policy, engine._policy_change, guarded=guarded)
        except EventError as error:
            raise JournalError(f"`policy_change` is no act: {error}", diagnostics=error.diagnostics) from None
        signed = act.get("signature") is not None
        if isinstance(found, Refusal):
            if isinstance(engine._policy_change, Mapping):
                journal.append("note", None, {"note": activation.REFUSED, "opened_by": act, "policy": policy_of(engine.policy), **found.to_dict()})
                journal.flush()
            raise JournalError(f"the policy cannot take over: {found.sentence}")
        past = refilling.read_back(self.machine, engine.policy, engine._path, journal.next_seq, load=engine._recorded)
        journal.append("policy", None, {
            "act": "activate", "by": found.by, "how": found.how, **({"opened_by": act} if signed else {}), **policy_record(engine.policy),
            **({"windows": past.to_dict()} if past is not None else {})})
        journal.flush()
        self.machine.activate(engine.policy, act if signed else None, past)


class Unmet(Exception):
    """The store is not of this journal, or of a past that it does not have: fold without it."""


def write_answer(journal: Journal, event: Event, step: Step) -> None:
    """A decision, or an outcome that says more than that the event was taken. It follows from the event, so that losing it loses nothing."""
    told = step.told
    if step.kind == "outcome" and told["status"] == "applied" and not any(told.get(name) for name in _TELLING):
        return
    journal.append(step.kind, record_at(event), told)
    journal.flush()


_TELLING: Final = ("tripped", "rearmed", "obligations", "reservations", "discrepancies", "warnings", "released", "by")


def record_at(event: Event) -> str:
    return text_at(event.data["at"])


def text_at(text: str) -> str:
    """The time of a record has one form; RFC 3339 allows events a few more."""
    return text if AT.fullmatch(text) else exact_instant(parse_instant(text))


def _shown(policy: Mapping[str, Any] | None) -> str:
    policy = policy or {}
    return f"{policy.get('name')} {policy.get('version')}, {str(policy.get('hash'))[:19]}…, settings {str(policy.get('settings_hash'))[:19]}…"


def policy_of(policy: Policy) -> dict[str, Any]:
    return {"name": policy.name, "version": policy.version, "hash": policy.hash, "settings_hash": policy.settings_hash, "mode": policy.mode}


def policy_record(policy: Policy) -> dict[str, Any]:
    """All that replay needs: who the policy is, its texts, and what came from outside."""
    sources = dict(policy.plan.sources)  # the entry stands first
    return {**policy_of(policy), "entry": next(iter(sources), None), "sources": sources, "given": dict(policy.plan.given)}
