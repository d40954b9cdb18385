"""How an engine keeps its journal and its store: opening, writing, and what happens when the disk does not take it.

The state is rebuilt from the journal; the store, where there is one, spares the part of it that it names. If a record cannot
be written the state goes back to what was, and nothing is approved until the disk takes writes again.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

from caplex.runtime.decision import Decision
from caplex.runtime.engine import intents, unwritten
from caplex.runtime.engine.events import Event
from caplex.runtime.engine.heard import Written
from caplex.runtime.engine.keeping import Keeper
from caplex.runtime.engine.machine import Machine, Step
from caplex.runtime.engine.rebuilding import Rebuild, Unmet, policy_of, policy_record, record_at, write_answer
from caplex.runtime.engine.store import StoreTrouble
from caplex.runtime.errors import JournalError
from caplex.runtime.journal import Journal, JournalTrouble, files, read
from caplex.runtime.policy import Policy
from caplex.runtime.roles import Roles
from caplex.version import __version__

_T = TypeVar("_T")


class Persistent:
    """What an engine does to its files. `Engine` is the rest."""

    policy: Policy
    _path: Path | None
    _durability: Literal["each", "group", "os"]
    _keep_state: bool
    _recorded: Callable[[Mapping[str, Any]], Policy] | None
    _policy_change: Mapping[str, Any] | str | None
    _roles: Roles
    _ttl: timedelta
    _trust: bool

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._journal: Journal | None = None
        self._machine = self._fresh()
        self._degraded: str | None = None  # why nothing can be written
        self._midway = False  # the machine may be ahead of the journal
        self._owed: tuple[Event, Step] | None = None  # an outcome that could not be written
        self._unwritten: list[tuple[str, Mapping[str, Any]]] = []

    def _fresh(self, policy: Policy | None = None) -> Machine:
        return Machine(policy or self.policy, roles=self._roles, ttl=self._ttl, trust=self._trust)

    def _header(self) -> dict[str, Any]:
        return {"policy": policy_of(self.policy), "engine": f"caplex {__version__}", "roles": self._roles.hash, "trust_operators": self._trust,
                "reservation_ttl_ns": self._ttl // timedelta(microseconds=1) * 1000}

    def _terms(self) -> dict[str, Any]:
        """What acts and reservations are judged by besides the policy; replay needs it, and public keys are public."""
        return {"roles": self._roles.to_dict() if self._roles.hash is not None else None, "roles_hash": self._roles.hash,
                "trust_operators": self._trust, "reservation_ttl_ns": str(self._ttl // timedelta(microseconds=1) * 1000)}

    # ── opening and closing ──────────────────────────────────────────────────────────────────────────

    def _open(self) -> None:
        """Raises JournalError, and then what was open before counts still, for whoever looks."""
        try:
            self._open_with_store()
        except Unmet:
            self._keeper.clear()
            self._open_with_store()
        self._degraded, self._midway, self._owed = None, False, None

    def _open_with_store(self) -> None:
        assert self._path is not None
        rebuilt = Rebuild(self, self._keeper)
        try:
            journal = Journal.open(self._path, header=self._header(), durability=self._durability, on_record=rebuilt.take)
        except StoreTrouble as error:
            self._keeper.discard(str(error))
            raise Unmet from None
        try:
            if rebuilt.empty:
                self._keeper.open(journal.id)
                self._keeper.clear()
            if rebuilt.policy is None:  # new, or a crash came right after its first line
                journal.append("policy", None, policy_record(self.policy))
                journal.append("terms", None, self._terms())
                journal.flush()
            else:
                rebuilt.finish(journal)
        except BaseException:
            journal.close()
            raise
        self._journal, self._machine = journal, rebuilt.machine

    def _close(self) -> None:
        if self._journal is not None:
            try:
                if self._unwritten:
                    self._recovered()
                if self._degraded is None and not self._midway:
                    self._journal.flush()
                    self._checkpoint()
            finally:
                self._keeper.close()
                self._journal.close()

    # ── stepping and writing ─────────────────────────────────────────────────────────────────────────

    def _step(self, event: Event, *, subject: str | None = None, written: bool) -> Step:
        """Take *event*. A store that cannot be read on the way is put away, and the state is made again from the journal."""
        self._midway = True
        try:
            return self._machine.step(event, subject=subject)
        except StoreTrouble as error:
            rebuilt = self._mend(error)
            if written and rebuilt.last is not None:
                return rebuilt.last[1]
            self._midway = True
            return self._machine.step(event, subject=subject)

    def _asked(self, question: Callable[[], _T]) -> _T:
        """The answer to a question that changes nothing, and may have to look into the store."""
        try:
            return question()
        except StoreTrouble as error:
            if self._journal is None or self._closed:
                raise
            self._mend(error)
            return question()

    _closed: bool

    def _mend(self, error: StoreTrouble) -> Rebuild:
        self._keeper.discard(str(error))
        return self._rewind()

    def _rewind(self) -> Rebuild:
        """Back to what the journal has. Nothing is written; raises JournalError if it cannot be read."""
        assert self._path is not None
        assert self._journal is not None
        last = self._journal.next_seq - 1
        while True:
            rebuilt = Rebuild(self, self._keeper)
            try:
                for record in read(self._path, skip_torn=True):
                    if record.seq > last:
                        break
                    rebuilt.take(record)
                break
            except Unmet:
                self._keeper.clear()
            except StoreTrouble as error:
                self._keeper.discard(str(error))
        self._machine, self._midway = rebuilt.machine, False
        return rebuilt

    def _write(self, event: Event, step: Step, text: str | None) -> None:
        """The intent and its answer, both or neither; *text* is the answer's, where it is at hand. Raises JournalError; then the state is what it was."""
        if self._journal is None:
            self._midway = False
            return
        at = record_at(event)
        try:
            self._journal.append("event", at, event.data, later=True, text=event.written if isinstance(event, Written) else None)
            self._journal.append("decision", at, step.told, later=True, text=text)
            self._journal.flush()
        except JournalError as error:
            self._fail(str(error))
            raise
        self._midway = False

    def _write_event(self, event: Event, subject: str | None) -> None:
        if self._journal is None:
            return
        body = event.data if subject is None else {**event.data, "x_subject": subject}
        text = event.written if subject is None and isinstance(event, Written) else None
        try:
            self._journal.append("event", record_at(event), body, later=True, text=text)
            self._journal.flush()
        except JournalTrouble as error:
            self._degraded = str(error)  # it was not taken: the machine stands where the journal does
            raise JournalError(f"{error}; the event was not taken", retryable=True) from None

    def _write_outcome(self, event: Event, step: Step) -> None:
        self._midway = False
        if self._journal is None:
            return
        try:
            write_answer(self._journal, event, step)
        except JournalTrouble as error:
            self._degraded, self._owed = str(error), (event, step)

    def _checkpoint_if_due(self) -> None:
        if self._journal is not None and self._keeper.due(self._journal.next_seq - 1):
            self._checkpoint()

    def _checkpoint(self) -> None:
        if self._journal is not None and self._degraded is None and not self._midway:
            try:
                self._keeper.checkpoint(self._machine, self._journal.id, self._journal.next_seq - 1, self._journal.head)
            except StoreTrouble as error:
                self._mend(error)

    # ── when the disk does not take it ───────────────────────────────────────────────────────────────

    def _fail(self, why: str) -> None:
        """The machine has gone ahead of the journal: back to where that ends, so that nobody sees room taken that is not."""
        self._degraded = why
        assert self._journal is not None
        try:
            if self._journal.broken is None:
                self._journal.discard()
            self._rewind()
        except (JournalError, OSError):
            self._midway = True  # not even that can be read: once more when the disk is well

    def _recovered(self) -> bool:
        """Whether records can be written. While the disk takes nothing this costs one attempt at a small file."""
        if self._path is None or (self._degraded is None and not self._midway):
            return True
        try:
            if self._degraded is not None:
                self._probe()
            if self._journal is None or self._journal.broken is not None:
                if self._journal is not None:
                    self._journal.close()
                self._open()
            else:
                self._journal.discard()
                if self._midway:
                    self._rewind()
            self._settle()
        except (JournalError, OSError) as error:
            self._degraded = str(error)
            return False
        self._degraded = None
        return True

    def _closing(self, event: Event) -> Decision | None:
        """The decision on the closing leg of the intent, kept in memory; None if nothing of it may go ahead."""
        if not self.policy.plan.header.journal_continues or self._closed:
            return None
        machine = self._machine
        machine.unwritten = True
        try:
            twin, named, account, now = machine.ahead(event)
            if machine.state.answered(event.id or "") is None and not intents.decide(twin, named, account, now, approved=frozenset()).permits:
                return None
            self._midway = True  # the machine is ahead of the journal until the note is written
            step = machine.step(event)
        except StoreTrouble:
            return None
        finally:
            machine.unwritten = False
        told, decision = step.told, step.decision
        if decision is not None and decision.permits and told.get("repeat_of") is None:
            machine.state.account(account).unreconciled = unwritten.why(now)
            self._unwritten.append((event.hash, told))
        return decision

    def _probe(self) -> None:
        """Raises OSError if the disk takes nothing still: before a long journal is read for nothing."""
        assert self._path is not None
        path = self._path.with_name(f"{self._path.name}.probe")
        fd = files.open_beside(path)
        try:
            files.write_whole(fd, bytes(4096))
            if self._durability != "os":
                files.sync(fd)
        finally:
            os.close(fd)
            path.unlink(missing_ok=True)

    def _settle(self) -> None:
        """What could not be written is written now. Raises JournalError."""
        assert self._journal is not None
        if self._owed is not None:
            write_answer(self._journal, *self._owed)
            self._owed = None
        if self._unwritten:
            body = unwritten.note(str(self._degraded), self._unwritten)
            try:
                self._journal.append("note", None, body, later=True)
                self._journal.flush()
                self._unwritten = []
            except JournalError:
                self._midway = True
                raise
            finally:
                unwritten.fold(self._machine, body)
