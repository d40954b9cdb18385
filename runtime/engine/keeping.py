"""When the store is written and when it is believed. The journal decides: the store names one of its records, or it counts for nothing."""
from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from caplex.runtime.canonical import sha256
from caplex.runtime.engine.machine import Machine
from caplex.runtime.engine.state import State
from caplex.runtime.engine.store import Mark, Store, StoreTrouble
from caplex.runtime.errors import JournalError
from caplex.version import __version__

EVERY: Final = 5_000
"""Records between two checkpoints, at least."""
ROWS: Final = 4
"""For each row that a checkpoint writes anew so many records must have come."""


class Keeper:
    """The store of one engine, or none: an engine whose store is of no use goes on without it, and says so.

    Args:
        path: The store's file; None for none.
        strict: A store that cannot be opened is an error, because somebody asked for it by name.
    """

    def __init__(self, path: Path | None, *, strict: bool = False) -> None:
        self._path, self._strict = path, strict
        self._store: Store | None = None
        self._next = 0
        self.trouble: str | None = None

    @property
    def mark(self) -> Mark | None:
        return self._store.mark if self._store is not None else None

    def open(self, journal: str) -> None:
        """The store, empty if it is of another journal. Only who holds the journal's lock may ask for it.

        Raises:
            JournalError: it cannot be opened, and was asked for by name.
        """
        if self._path is None:
            return
        try:
            if self._store is None:
                self._store = Store.open(self._path)
            if self.mark is not None and (self.mark.journal, self.mark.engine) != (journal, __version__):
                self._store.clear()
        except (JournalError, StoreTrouble) as error:
            self._without(str(error))
            if self._strict:
                raise JournalError(str(error), retryable=True) from None

    def clear(self) -> None:
        """The store is not believed: it begins anew."""
        if self._store is None:
            return
        try:
            self._store.clear()
        except (JournalError, StoreTrouble) as error:
            self._without(str(error))

    def discard(self, why: str) -> None:
        """The store cannot be read: out of the way with it, and go on without it until the engine is opened again."""
        if self._store is not None:
            with suppress(JournalError):
                self._store.set_aside()
        self._without(why)

    def _without(self, why: str) -> None:
        self.close()
        self._path, self.trouble = None, why

    def restore(self, machine: Machine) -> State | None:
        """The state that was kept at the mark; None if it was kept under other terms or cannot be read, and then the store is empty."""
        assert self._store is not None
        mark = self._store.mark
        if mark is None or (mark.policy, mark.terms) != (policy_hash(machine), terms_hash(machine)):
            self.clear()
            return None
        try:
            state = self._store.restore()
        except StoreTrouble as error:
            self.discard(str(error))
            return None
        self._plan(state, mark.seq)
        return state

    def due(self, seq: int) -> bool:
        """Is it time for a checkpoint behind the record *seq*?"""
        return self._store is not None and seq >= self._next

    def checkpoint(self, machine: Machine, journal: str, seq: int, head: str) -> None:
        """Keep the state as it is behind the record *seq*. A disk that does not take it loses nothing: it is tried again later."""
        if self._store is None or (self.mark is not None and self.mark.seq == seq):
            return
        mark = Mark(journal, __version__, policy_hash(machine), terms_hash(machine), seq, head, machine.chain)
        try:
            self._store.checkpoint(machine.state, mark)
        except (JournalError, StoreTrouble) as error:
            self.trouble = str(error)
        else:
            self.trouble = None
        self._plan(machine.state, seq)

    def _plan(self, state: State, seq: int) -> None:
        self._next = seq + max(EVERY, ROWS * state.rows)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
        self._next = 0


def policy_hash(machine: Machine) -> str:
    policy = machine.policy
    return sha256([policy.hash, policy.settings_hash, policy.mode])


def terms_hash(machine: Machine) -> str:
    return sha256([machine.roles.hash, machine.trust, machine.ttl_ns])
