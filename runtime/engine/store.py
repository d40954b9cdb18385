"""The embedded store: one SQLite file beside the journal, in WAL mode.

It holds two things. A snapshot of the state names the record of the journal that it was taken behind, by number and hash, so
that opening an engine folds only what came after. And what is seldom asked for again (answers to old intents, ids of events,
orders that have ended, fills that may be corrected) lies here and not in memory, so that a long stream does not fill it.

Every checkpoint is one transaction: a crash leaves the last one whole. Between two of them nothing is written, so that a
state that is thrown away leaves no trace. A store that is missing, damaged or of another form is set aside.
"""
from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from caplex.runtime import holds
from caplex.runtime.engine import snapshot
from caplex.runtime.engine.forms import Forms
from caplex.runtime.engine.lines import Answer
from caplex.runtime.engine.names import Names
from caplex.runtime.engine.packing import exactly, pack, sample_of, unpack
from caplex.runtime.engine.state import Order, Seen, State
from caplex.runtime.errors import JournalError
from caplex.runtime.holds import Hold

FORM: Final = f"caplex.store/3.{snapshot.FORM}"
NEVER: Final = 2**63 - 1
_WAIT: Final = 1  # seconds for whoever looks into the file with another tool
_TABLES: Final = {
    "meta": "name text primary key, value text not null",
    "parts": "name text primary key, body blob not null",
    "intents": "id text primary key, hash text not null, decision_id text not null, kept_ns integer not null, body blob not null",
    "forms": "number integer primary key, body blob not null",
    "events": "type text not null, id text not null, hash text not null, primary key (type, id)",
    "orders": "id text primary key, body blob not null",
    "aliases": "kind text not null, name text not null, id text not null, primary key (kind, name)",
    "fills": "number integer primary key, id text not null unique, body blob not null",
    "holds": "id text primary key, number integer not null, intent_id text not null, body text not null",
    "switches": "switch text not null, scope text not null, state text not null, since_ns text, cause text, primary key (switch, scope)",
    "approvals": "kind text not null, id text not null, body text not null, primary key (kind, id)",
}
_INDEXES: Final = {"intents_by_age": "intents (kept_ns)", "intents_by_decision": "intents (decision_id)", "holds_by_intent": "holds (intent_id, number)"}


class StoreTrouble(JournalError):
    """The store cannot be read. What it holds can be made again from the journal."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a checkpoint stands: a record of the journal, and the chain that the machine had come to.

    Attributes:
        engine: Who folded: another version may fold otherwise.
        policy, terms: Hashes of what was in force.
    """

    journal: str
    engine: str
    policy: str
    terms: str
    seq: int
    hash: str
    chain: str


class Store:
    """One file. Not shared: whoever holds the journal's lock opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._names = Names()
        self._sample = b""
        """An answer as it stood in the first checkpoint; later ones are packed against it."""
        self._forms = Forms()
        self.mark: Mark | None = None

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """The store at *path*; one that cannot be used is moved aside, for it holds nothing that the journal does not.

        Raises:
            JournalError: the file cannot be made, opened or moved.
        """
        store = cls(Path(path))
        for again in (False, True):
            try:
                store._begin()
                return store
            except sqlite3.OperationalError as error:  # of the system, or somebody else holds it: nothing says that it is damaged
                store.close()
                raise JournalError(f"the store `{store.path}` cannot be opened: {error}", retryable=True) from None
            except (sqlite3.Error, ValueError, TypeError) as error:
                store.close()
                if again:
                    raise JournalError(f"the store `{store.path}` cannot be opened: {error}") from None
                store.set_aside()
        raise AssertionError

    def _begin(self) -> None:
        self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=_WAIT)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        if self._db.execute("select count(*) from sqlite_master").fetchone()[0] and self._meta("form") != FORM:
            raise sqlite3.DatabaseError("another form")
        self._db.execute("begin immediate")
        for name, columns in _TABLES.items():
            self._db.execute(f"create table if not exists {name} ({columns})" + ("" if name in ("fills", "forms") else " without rowid"))
        for name, columns in _INDEXES.items():
            self._db.execute(f"create index if not exists {name} on {columns}")
        self._put_meta("form", FORM)
        self._db.execute("commit")
        stored = self._meta("mark")
        self.mark = Mark(**json.loads(stored)) if stored is not None else None
        self._sample = (self._meta("sample") or "").encode()
        self._forms = Forms(self._open_db.execute("select number, body from forms").fetchall())
        self._read_names()

    def _read_names(self) -> None:
        self._names = Names()
        for table, column in (("intents", "id"), ("orders", "id"), ("aliases", "name"), ("events", "id")):
            for (name,) in self._open_db.execute(f"select {column} from {table}"):
                self._names.add(_name(name))

    def set_aside(self) -> None:
        """Out of the way with it. Raises JournalError."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            file = self.path.with_name(self.path.name + suffix)
            try:
                if file.exists():
                    file.replace(self.path.with_name(f"{self.path.name}.unusable{suffix}"))
            except OSError as error:
                raise JournalError(f"the store `{file}` is damaged and cannot be moved aside: {error.strerror}") from None

    def clear(self) -> None:
        """Forget everything: it belongs to another journal, or to a past that the journal does not have. Raises JournalError."""
        db = self._open_db
        try:
            db.execute("begin immediate")
            for table in _TABLES:
                db.execute(f"delete from {table}")
            self._put_meta("form", FORM)
            db.execute("commit")
        except sqlite3.Error as error:
            raise self._unwritten(error) from None
        self.mark, self._names, self._sample, self._forms = None, Names(), b"", Forms()

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
        self.mark = None

    @property
    def _open_db(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreTrouble(f"the store `{self.path}` is closed")
        return self._db

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """For questions, also of whoever still looks at an engine that was closed."""
        if self._db is not None:
            yield self._db
        elif self.path.exists():
            with closing(sqlite3.connect(self.path, timeout=_WAIT)) as db:
                yield db
        else:
            raise StoreTrouble(f"the store `{self.path}` is closed")

    def _one(self, query: str, *values: Any) -> Any:
        try:
            if self._db is not None:
                return self._db.execute(query, values).fetchone()
            with self._reader() as db:
                return db.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise self._unread(error) from None

    def _rows(self, query: str, *values: Any) -> Iterator[Any]:
        try:
            with self._reader() as db:
                cursor = db.execute(query, values)
                while rows := cursor.fetchmany(64):
                    yield from rows
        except sqlite3.Error as error:
            raise self._unread(error) from None

    def _unread(self, error: Exception) -> StoreTrouble:
        return StoreTrouble(f"the store `{self.path}` cannot be read: {error}")

    def _unwritten(self, error: sqlite3.Error) -> JournalError:
        try:
            if self._db is not None and self._db.in_transaction:
                self._db.execute("rollback")
        except sqlite3.Error:
            self.close()
        return JournalError(f"the store `{self.path}` cannot be written: {error}", retryable=True)

    def _meta(self, name: str) -> str | None:
        found = self._open_db.execute("select value from meta where name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def _put_meta(self, name: str, value: str) -> None:
        self._open_db.execute("insert or replace into meta values (?, ?)", (name, value))

    # ── the snapshot ─────────────────────────────────────────────────────────────────────────────────

    def restore(self) -> State:
        """The state at the mark. Raises StoreTrouble: there is none, or it cannot be read."""
        found = self._one("select body from parts where name = 'state'")
        try:
            state = snapshot.load(_unpack(found[0])) if found is not None else None
        except Exception as error:  # whatever it is that damage has made of it
            raise self._unread(error) from None
        if state is None:
            raise StoreTrouble(f"the store `{self.path}` has no state")
        state.archive = self
        return state

    def checkpoint(self, state: State, mark: Mark) -> None:
        """Write everything, and take out of *state* what lies here from now on. One transaction.

        Raises:
            JournalError: the disk does not take it; nothing was written, and nothing was taken out.
        """
        db, out = self._open_db, snapshot.leaving(state)
        for name in {*state.seen, *out.orders, *out.by_client, *out.by_intent, *(each for _, each in state.event_ids)}:
            self._names.add(name)
        try:
            db.execute("begin immediate")
            self._write_gone(state)
            sample = self._sample
            if not sample and state.seen:
                first = next(iter(state.seen.values()))
                sample = sample_of([first.at_ns, first.kept_ns, snapshot.document_of(first)])
                self._put_meta("sample", sample.decode())
            db.executemany("insert or replace into intents values (?, ?, ?, ?, ?)", (
                (_key(name), seen.hash, seen.decision_id, _within(seen.kept_ns), self._answer(seen, sample)) for name, seen in state.seen.items()))
            db.executemany("insert into forms values (?, ?)", self._forms.fresh())
            db.executemany("insert or replace into events values (?, ?, ?)", ((kind, _key(name), digest) for (kind, name), digest in state.event_ids.items()))
            db.executemany("insert or replace into orders values (?, ?)", ((_key(name), pack(snapshot.order_row(state.orders[name]))) for name in out.orders))
            for kind, names, leaving in (("client", state.by_client, out.by_client), ("intent", state.by_intent, out.by_intent)):
                db.executemany("insert or replace into aliases values (?, ?, ?)", ((kind, _key(name), _key(names[name])) for name in leaving))
            db.executemany("insert into fills (id, body) values (?, ?) on conflict (id) do update set body = excluded.body", ((_key(name), pack(row)) for name, row in state.fills.items()))
            db.executemany("update fills set body = ? where id = ?", ((pack(row), _key(name)) for name, row in state.amended.items()))
            db.executemany("insert or replace into holds values (?, ?, ?, ?)", (
                (name, _number(name), _key(hold.intent_id), json.dumps(hold.stored())) for name, hold in state.holds.items() if name in out.holds))
            self._write_people(state)
            db.execute("insert or replace into parts values ('state', ?)", (pack(snapshot.dump(state, out)),))
            self._put_meta("mark", json.dumps(asdict(mark)))
            db.execute("commit")
        except sqlite3.Error as error:
            self._forms.drop()
            raise self._unwritten(error) from None
        except BaseException:
            self._forms.drop()
            db.execute("rollback")
            raise
        self.mark, self._sample = mark, sample
        self._forms.keep()
        _take_out(state, out)
        state.archive, state.archive_due_ns = self, -(2**63)

    def _answer(self, seen: Seen, sample: bytes) -> bytes:
        """What was answered, as a row keeps it: one that has a form says its number, and what fills it."""
        told = seen.told
        number = self._forms.number(told.form) if isinstance(told, Answer) and told.untouched else None
        if number is not None:
            assert isinstance(told, Answer)
            return pack([seen.at_ns, seen.kept_ns, number, *told.filled])
        return pack([seen.at_ns, seen.kept_ns, snapshot.document_of(seen)], sample)

    def _write_gone(self, state: State) -> None:
        for table, names in (("intents", state.gone["seen"]), ("orders", state.gone["orders"]), ("holds", state.gone["holds"])):
            self._open_db.executemany(f"delete from {table} where id = ?", ((_key(name),) for name in names))

    def _write_people(self, state: State) -> None:
        """Switches and approvals as rows of their own, for whoever looks with another tool."""
        db = self._open_db
        db.execute("delete from switches")
        db.executemany("insert into switches values (?, ?, ?, ?, ?)", (
            (latch.switch, json.dumps(dict(latch.scope)), "tripped" if latch.tripped else "armed",
             str(latch.since_ns) if latch.since_ns is not None else None,
             json.dumps(dict(latch.cause), default=exactly) if latch.cause is not None else None) for latch in state.latches.values()))
        db.execute("delete from approvals")
        rows: list[tuple[str, str | bytes, str]] = [("hold", name, json.dumps(hold.stored())) for name, hold in state.holds.items()]
        rows += [("rearm", _key(latch.request.id), json.dumps(latch.request.stored())) for latch in state.latches.values() if latch.request is not None]
        db.executemany("insert or replace into approvals values (?, ?, ?)", rows)

    # ── what is asked for seldom ─────────────────────────────────────────────────────────────────────

    def _seen(self, row: Any) -> Seen:
        at_ns, kept_ns, told, *values = _unpack(row[2], self._sample)
        try:
            return Seen(row[0], row[1], at_ns, kept_ns, Answer(self._forms[told], tuple(values)) if values else told)
        except ValueError as error:
            raise self._unread(error) from None

    def find_intent(self, name: str) -> Seen | None:
        if name not in self._names:
            return None
        found = self._one("select hash, decision_id, body from intents where id = ?", _key(name))
        return None if found is None else self._seen(found)

    def find_decision(self, name: str) -> tuple[str, Seen] | None:
        """By the id of the decision: the intent, and the answer."""
        found = self._one("select hash, decision_id, body, id from intents where decision_id = ?", _key(name))
        return None if found is None else (_name(found[3]), self._seen(found))

    def outdated(self, since_ns: int, before_ns: int) -> tuple[list[tuple[str, Seen]], int]:
        """Answers that began to age from *since_ns* to before *before_ns*, the oldest first; and when the next one did."""
        rows = self._rows("select hash, decision_id, body, id from intents where kept_ns >= ? and kept_ns < ? order by kept_ns, id",
                          _within(since_ns), _within(before_ns))
        found = [(_name(row[3]), self._seen(row)) for row in rows]
        due = self._one("select min(kept_ns) from intents where kept_ns >= ?", _within(before_ns))
        return found, NEVER if due[0] is None else int(due[0])

    def find_event(self, key: tuple[str, str]) -> str | None:
        """Hash of the content that came under this type and id."""
        if key[1] not in self._names:
            return None
        found = self._one("select hash from events where type = ? and id = ?", key[0], _key(key[1]))
        return None if found is None else str(found[0])

    def find_order(self, name: str) -> Order | None:
        """An order that has ended."""
        if name not in self._names:
            return None
        found = self._one("select body from orders where id = ?", _key(name))
        return None if found is None else snapshot.read_order(_unpack(found[0]))

    def find_alias(self, kind: str, name: str) -> str | None:
        if name not in self._names:
            return None
        found = self._one("select id from aliases where kind = ? and name = ?", kind, _key(name))
        return None if found is None else _name(found[0])

    def find_fill(self, name: str) -> Mapping[str, Any] | None:
        found = self._one("select body from fills where id = ?", _key(name))
        return None if found is None else dict(_unpack(found[0]))

    def fills_back(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name, body in self._rows("select id, body from fills order by number desc"):
            yield _name(name), _unpack(body)

    def find_hold(self, name: str) -> Hold | None:
        """A hold that is over."""
        found = self._one("select body from holds where id = ?", _key(name))
        return None if found is None else holds.restored(json.loads(found[0]))

    def find_hold_of(self, intent: str) -> Hold | None:
        found = self._one("select body from holds where intent_id = ? order by number desc limit 1", _key(intent))
        return None if found is None else holds.restored(json.loads(found[0]))

    def every(self, table: str) -> Iterator[tuple[Any, Any]]:
        """All rows of a part of the state."""
        match table:
            case "seen":
                yield from ((_name(row[3]), self._seen(row)) for row in self._rows("select hash, decision_id, body, id from intents"))
            case "event_ids":
                yield from (((kind, _name(name)), digest) for kind, name, digest in self._rows("select type, id, hash from events"))
            case "orders":
                yield from ((_name(name), snapshot.read_order(_unpack(body))) for name, body in self._rows("select id, body from orders"))
            case "holds":
                yield from ((_name(name), holds.restored(json.loads(body))) for name, body in self._rows("select id, body from holds"))
            case "fills":
                yield from ((_name(name), _unpack(body)) for name, body in self._rows("select id, body from fills"))
            case "by_client" | "by_intent":
                yield from ((_name(name), _name(found)) for name, found in self._rows("select name, id from aliases where kind = ?", table[3:]))


def _take_out(state: State, out: snapshot.Leaving) -> None:
    tables: list[Any] = [state.seen, state.event_ids, state.fills, state.amended, *state.gone.values()]
    for everything in tables:
        everything.clear()
    for table, names in ((state.orders, out.orders), (state.holds, out.holds), (state.by_client, out.by_client), (state.by_intent, out.by_intent)):
        for name in names:
            del table[name]


def _key(text: str) -> str | bytes:
    """*text*, or what stands for one that is half of a character, which SQLite takes for no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _name(key: str | bytes) -> str:
    return key.decode("utf-8", "surrogatepass") if isinstance(key, bytes) else key


def _number(name: str) -> int:
    """Of a hold: the event that set it, ``h-17``."""
    return int(name.partition("-")[2])


def _within(ns: int) -> int:
    """SQLite's numbers end in the year 2262."""
    return max(-NEVER, min(ns, NEVER))


def _unpack(body: bytes, sample: bytes = b"") -> Any:
    try:
        return unpack(body, sample)
    except (zlib.error, ValueError) as error:
        raise StoreTrouble(f"the store cannot be read: {error}") from None
