"""The embedded store: one SQLite file beside the journal, in WAL mode.

It holds two things. A snapshot of the state names the record of the journal that it was taken behind, by number and hash, so
that opening an engine folds only what came after. And what is seldom asked for again (ids of old intents and events, orders
that have ended, fills that may be corrected) lies here and not in memory, so that a long stream does not fill it.

Every checkpoint is one transaction: a crash leaves the last one whole. A store that is missing, damaged, of another form or
of another journal is set aside, and the journal is folded from its beginning.
"""
from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from caplex.runtime.engine import snapshot
from caplex.runtime.engine.state import Order, Seen, State
from caplex.runtime.errors import JournalError

FORM: Final = "caplex.store/1"
_TABLES: Final = """
create table if not exists meta (name text primary key, value text not null) without rowid;
create table if not exists parts (name text primary key, body blob not null) without rowid;
create table if not exists intents (id text primary key, hash text not null, decision_id text not null, at_ns integer not null, told blob not null) without rowid;
create index if not exists intents_by_time on intents (at_ns);
create index if not exists intents_by_decision on intents (decision_id);
create table if not exists events (type text not null, id text not null, hash text not null, primary key (type, id)) without rowid;
create table if not exists orders (id text primary key, intent_id text, client_order_id text, body blob not null) without rowid;
create index if not exists orders_by_intent on orders (intent_id);
create index if not exists orders_by_client on orders (client_order_id);
create table if not exists fills (id text primary key, body blob not null) without rowid;
create table if not exists switches (switch text not null, scope text not null, state text not null, since_ns integer, cause text, primary key (switch, scope)) without rowid;
create table if not exists approvals (kind text not null, id text not null, body text not null, primary key (kind, id)) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a checkpoint stands: a record of the journal, and the chain that the machine had come to."""

    journal: str
    policy: str
    seq: int
    hash: str
    chain: str


class Store:
    """One file. Not shared: the journal's lock is its lock too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        self.mark: Mark | None = None

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """The store at *path*; one that cannot be used is moved aside, for it holds nothing that the journal does not.

        Raises:
            JournalError: the file cannot be made or moved.
        """
        store = cls(Path(path))
        try:
            store._begin()
        except sqlite3.DatabaseError:
            store._set_aside()
            try:
                store._begin()
            except sqlite3.Error as error:
                raise JournalError(f"the store `{store.path}` cannot be opened: {error}", retryable=True) from None
        return store

    def _begin(self) -> None:
        self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        found = self._db.execute("select name from sqlite_master where name = 'meta'").fetchone()
        if found is not None and self._meta("form") != FORM:
            raise sqlite3.DatabaseError("another form")
        self._db.executescript(_TABLES)
        self._put_meta("form", FORM)
        stored = self._meta("mark")
        self.mark = Mark(**json.loads(stored)) if stored is not None else None

    def _set_aside(self) -> None:
        self.close()
        for suffix in ("", "-wal", "-shm"):
            file = self.path.with_name(self.path.name + suffix)
            if file.exists():
                try:
                    file.replace(file.with_name(f"{file.name}.unusable"))
                except OSError as error:
                    raise JournalError(f"the store `{file}` is damaged and cannot be moved aside: {error.strerror}") from None

    def clear(self) -> None:
        """Forget everything: it belongs to another journal, or to a past that the journal does not have."""
        db = self._open_db
        db.execute("begin immediate")
        for table in ("meta", "parts", "intents", "events", "orders", "fills", "switches", "approvals"):
            db.execute(f"delete from {table}")
        self._put_meta("form", FORM)
        db.execute("commit")
        self.mark = None

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    @property
    def _open_db(self) -> sqlite3.Connection:
        if self._db is None:
            raise JournalError(f"the store `{self.path}` is closed")
        return self._db

    def _meta(self, name: str) -> str | None:
        found = self._open_db.execute("select value from meta where name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def _put_meta(self, name: str, value: str) -> None:
        self._open_db.execute("insert or replace into meta values (?, ?)", (name, value))

    # ── the snapshot ─────────────────────────────────────────────────────────────────────────────────

    def restore(self) -> State | None:
        """The state at the mark; None where there is none, or not of this form."""
        found = self._open_db.execute("select body from parts where name = 'state'").fetchone()
        if self.mark is None or found is None:
            return None
        state = snapshot.load(_unpack(found[0]))
        if state is not None:
            state.archive = self
        return state

    def checkpoint(self, state: State, mark: Mark) -> None:
        """Write everything, and take out of *state* what lies here from now on. One transaction.

        Raises:
            JournalError: the disk does not take it; nothing was written, and nothing was taken out.
        """
        db = self._open_db
        ended = [order for order in state.orders.values() if order.state in ("spent", "released")]
        try:
            db.execute("begin immediate")
            db.executemany("insert or replace into intents values (?, ?, ?, ?, ?)", (
                (name, seen.hash, seen.decision_id, seen.at_ns, _pack(seen.told)) for name, seen in state.seen.items()))
            db.executemany("insert or replace into events values (?, ?, ?)", ((*key, digest) for key, digest in state.event_ids.items()))
            db.executemany("insert or replace into orders values (?, ?, ?, ?)", (
                (order.id, order.intent_id, order.client_order_id, _pack(snapshot.order_row(order))) for order in ended))
            db.executemany("insert or replace into fills values (?, ?)", ((name, _pack(row)) for name, row in state.fills.items()))
            self._write_people(state)
            rest = snapshot.dump(state, without=frozenset({"seen", "event_ids", "fills", "ended"}))
            db.execute("insert or replace into parts values ('state', ?)", (_pack(rest),))
            self._put_meta("mark", json.dumps({name: getattr(mark, name) for name in Mark.__slots__}))
            db.execute("commit")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("rollback")
            raise JournalError(f"the store `{self.path}` cannot be written: {error}", retryable=True) from None
        self.mark = mark
        state.archive = self
        state.seen.clear()
        state.event_ids.clear()
        state.fills.clear()
        for order in ended:
            state.forget_order(order)

    def _write_people(self, state: State) -> None:
        """Switches and approvals as rows of their own, for whoever looks with another tool."""
        db = self._open_db
        db.execute("delete from switches")
        db.executemany("insert into switches values (?, ?, ?, ?, ?)", (
            (latch.switch, json.dumps(dict(latch.scope), sort_keys=True), "tripped" if latch.tripped else "armed", latch.since_ns,
             json.dumps(dict(latch.cause), sort_keys=True) if latch.cause is not None else None) for latch in state.latches.values()))
        db.execute("delete from approvals")
        rows: list[tuple[str, str, str]] = [("hold", name, json.dumps(hold.stored(), sort_keys=True)) for name, hold in state.holds.items()]
        rows += [("rearm", latch.request.id, json.dumps(latch.request.stored(), sort_keys=True)) for latch in state.latches.values() if latch.request is not None]
        db.executemany("insert or replace into approvals values (?, ?, ?)", rows)

    # ── what is asked for seldom ─────────────────────────────────────────────────────────────────────

    def find_intent(self, name: str) -> Seen | None:
        """By id of the intent, or of the decision."""
        found = self._open_db.execute(
            "select hash, decision_id, at_ns, told from intents where id = ? union all "
            "select hash, decision_id, at_ns, told from intents where decision_id = ? limit 1", (name, name)).fetchone()
        return None if found is None else Seen(found[0], found[1], found[2], _unpack(found[3]))

    def forget_intents(self, before_ns: int) -> None:
        """Ids whose time to be remembered is over."""
        self._open_db.execute("delete from intents where at_ns < ?", (before_ns,))

    def find_event(self, key: tuple[str, str]) -> str | None:
        """Hash of the content that came under this type and id."""
        found = self._open_db.execute("select hash from events where type = ? and id = ?", key).fetchone()
        return None if found is None else str(found[0])

    def find_order(self, names: Iterable[tuple[str, str]]) -> Order | None:
        """An order that has ended, by pairs of column (id, client_order_id, intent_id) and value, the first that is there."""
        for column, value in names:
            assert column in ("id", "client_order_id", "intent_id")
            found = self._open_db.execute(f"select body from orders where {column} = ? limit 1", (value,)).fetchone()
            if found is not None:
                return snapshot.read_order(_unpack(found[0]))
        return None

    def find_fill(self, name: str) -> Mapping[str, Any] | None:
        found = self._open_db.execute("select body from fills where id = ?", (name,)).fetchone()
        return None if found is None else dict(_unpack(found[0]))


def _pack(value: Any) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":"), sort_keys=True).encode(), 1)


def _unpack(body: bytes) -> Any:
    return json.loads(zlib.decompress(body))
