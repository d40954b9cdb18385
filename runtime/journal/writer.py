"""Writing a journal: one process, one file, each line on its way to the disk before anything is done on its word."""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal, Self

from caplex.runtime.canonical import NotCanonical
from caplex.runtime.canonical import sha256_bytes as fingerprint
from caplex.runtime.journal import files, record
from caplex.runtime.journal import head as head_file
from caplex.runtime.journal.head import Mark
from caplex.runtime.journal.reader import broken
from caplex.runtime.journal.record import AT, FIRST, KIND, MOST_BYTES, SCHEMA, Record
from caplex.runtime.journal.trouble import JournalTrouble, refused
from caplex.runtime.journal.verifying import signed_bytes
from caplex.runtime.journal.walker import Problem, Walker, open_for_reading

Durability = Literal["each", "group", "os"]
Sign = Callable[[bytes], Mapping[str, Any]]
_MOST_BUFFERED: Final = 1024  # lines
_SHORT: Final = 2**20


class Journal:
    """An open journal. `open` makes one.

    `append` chains a record and keeps it in memory; `flush` hands all of them to the system at once. Only then may anything be
    done on their word. When `flush` raises, none of the records since the last good one is in the file, and the chain goes on
    from there: append them again, or do not act on them.
    """

    def __init__(self, path: Path, fd: int, durability: Durability, group: int, sign: Sign | None, sign_every: int) -> None:
        self.path = path
        self.durability: Durability = durability
        self.header: Mapping[str, Any] = MappingProxyType({})
        self.torn: Path | None = None  # where a last line went that was not whole
        self._fd = fd
        self._head_fd = -1
        self._group, self._sign, self._sign_every = group, sign, sign_every if sign is not None else 0
        self._signed = 0  # number of the last signed head, or of what stands for it
        self._id = ""
        self._written = Mark(-1, FIRST, 0)  # the last line in the file
        self._next, self._hash, self._at = 0, FIRST, None
        self._buffer: list[bytes] = []
        self._unsynced = 0
        self._trouble: str | None = None  # why nothing more is written
        self._kinds: set[str] = set()

    _at: str | None

    @classmethod
    def open(cls, path: str | Path, *, header: Mapping[str, Any], at: str | None = None, durability: Durability = "group", group: int = 64,
             sign: Sign | None = None, sign_every: int = 1000, on_record: Callable[[Record], None] | None = None) -> Journal:
        """The journal at *path*, new or gone on with.

        *header* goes into the first line of a new journal; an old one keeps its own. An old one is read to its end and must
        verify; *on_record* is given each record on the way. A last line that is not whole is set aside and recorded.

        Raises:
            JournalTrouble: in use, foreign, of a later version, damaged, cut off at the end, or the system refuses.
        """
        assert durability in ("each", "group", "os")
        assert min(group, sign_every) > 0
        place = Path(path)
        journal = cls(place, files.open_for_writing(place), durability, group, sign, sign_every)
        try:
            journal._begin(header, at) if os.fstat(journal._fd).st_size == 0 else journal._resume(header, at, on_record)
        except OSError as error:
            journal._let_go()
            raise refused(f"the journal `{place}` cannot be opened", error) from None
        except BaseException:
            journal._let_go()
            raise
        return journal

    @property
    def next_seq(self) -> int:
        """The number that the next record gets."""
        return self._next

    @property
    def head(self) -> str:
        """The hash of the last record, written or not."""
        return self._hash

    @property
    def id(self) -> str:
        """The journal's name for itself; it follows from its first line."""
        return self._id

    @property
    def broken(self) -> str | None:
        """Why nothing can be written any more until the journal is opened anew; None while it can."""
        return self._trouble

    # ── opening ───────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, header: Mapping[str, Any], at: str | None) -> None:
        if (lost := head_file.load(self.path)) is not None:
            raise JournalTrouble("broken", f"`{self.path}` is empty, and its head file names number {lost.mark.seq}: all lines are missing; "
                                 "go on from a copy, or move the head file aside to begin anew")
        if taken := {"schema", "journal", "durability"} & set(header):
            raise JournalTrouble("body", f"the header must not hold `{min(taken)}`: the journal fills it in")
        content = {**header, "schema": SCHEMA, "durability": self.durability}
        self._id = "j-" + fingerprint(self._encode("open", {"at": at, **content}).encode("ascii")).removeprefix("sha256:")[:16]
        self._open_head()
        self._add("open", at, self._encode("open", {**content, "journal": self._id}))
        self.header = MappingProxyType({**content, "journal": self._id})
        self.flush()
        if self.durability != "os":
            self._sync_or_break()
            files.sync_folder(self.path.parent)

    def _resume(self, header: Mapping[str, Any], at: str | None, on_record: Callable[[Record], None] | None) -> None:
        named = head_file.load(self.path)
        with open_for_reading(self.path) as stream:
            walker = Walker(stream, str(self.path), head=named)
            for step in walker:
                if isinstance(step, Problem):
                    if step.kind != "torn":
                        raise broken(str(self.path), step)
                    continue
                if step.seq == 0:
                    self.header = MappingProxyType(dict(step.body))
                self._signed = step.seq if step.kind == "head" else self._signed
                self._at = step.at or self._at
                if on_record is not None:
                    on_record(step)
        if (late := walker.against_head()) is not None:
            raise JournalTrouble("broken", f"`{self.path}`: {late.sentence}; go on from a copy, or move the head file aside to accept what is there, "
                                 "and reconcile with the venue")
        self._written = walker.last
        self._next, self._hash = walker.last.seq + 1, walker.last.hash
        self._id = walker.journal or ""
        if walker.torn is not None:
            self._set_aside(walker.torn, walker.end)
        if self._next == 0:  # not even the first line was whole
            self._begin(header, at)
        else:
            self._open_head()
            head_file.put(self._head_fd, head_file.encode(self._id, self._written))
        if walker.torn is not None:
            assert self.torn is not None
            self.append("torn", self._at, {"file": self.torn.name, "bytes": len(walker.torn), "sha256": fingerprint(walker.torn),
                                           "offset": walker.end})
            self.flush()

    def _set_aside(self, torn: bytes, offset: int) -> None:
        durable = self.durability != "os"
        self.torn = files.set_aside(self.path, self._next, torn, durable=durable)
        os.ftruncate(self._fd, offset)
        if durable:
            files.sync(self._fd)

    def _open_head(self) -> None:
        self._head_fd = files.open_beside(head_file.path_of(self.path))

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────

    def append(self, kind: str, at: str | None, body: Any, *, later: bool = False, text: str | None = None) -> int:
        """Chain a record; its number. It is in memory until `flush`, or, with the durability ``each``, on the disk at once.

        *later*: with that durability too it waits for `flush`, because it goes out together with what comes next.
        *text*: what `record.encode` says of *body*, where the caller has it already.

        Raises:
            JournalTrouble: *body* is no JSON (floats are none), or the journal cannot be written.
        """
        if self._trouble is not None:
            raise self._refusal()
        if kind not in self._kinds:
            self._check_kind(kind)
        if at is not None and at != self._at:
            if AT.fullmatch(at) is None:
                raise JournalTrouble("body", f"`{at}` is no time of a record: 2026-01-05T15:00:00.000000Z")
            self._at = at
        seq = self._next
        self._add(kind, at, text if text is not None and len(text) < _SHORT else self._encode(kind, body))
        if self._sign_every and seq - self._signed >= self._sign_every:
            self._add_signed_head()
        if (self.durability == "each" and not later) or len(self._buffer) >= _MOST_BUFFERED:
            self.flush()
        return seq

    def _check_kind(self, kind: str) -> None:
        if KIND.fullmatch(kind) is None:
            raise JournalTrouble("body", f"`{kind}` is no kind of record: small letters and `_`")
        if kind in ("open", "head"):
            raise JournalTrouble("body", f"a record `{kind}` is written by the journal itself")
        self._kinds.add(kind)

    def _encode(self, kind: str, body: Any) -> str:
        try:
            text = record.encode(body)
        except NotCanonical as error:
            raise JournalTrouble("body", f"the body of a record `{kind}` cannot be written: {error}") from None
        if len(text) > MOST_BYTES - 1024:
            raise JournalTrouble("body", f"the body of a record `{kind}` cannot be written: longer than {MOST_BYTES // 2**20} MiB")
        return text

    def _add(self, kind: str, at: str | None, body: str) -> None:
        line, digest = record.write(self._next, self._hash, kind, at, body)
        self._buffer.append(line)
        self._hash = digest
        self._next += 1

    def _add_signed_head(self) -> None:
        assert self._sign is not None
        last, digest = self._next - 1, self._hash
        signature = self._sign(signed_bytes(self._id, last, digest))
        self._add("head", self._at, self._encode("head", {"seq": last, "head": digest, "keyid": signature["keyid"], "sig": signature["sig"]}))
        self._signed = self._next - 1

    def flush(self) -> None:
        """Write what was appended, in one call, and sync as the durability says.

        Raises:
            JournalTrouble: nothing of it is in the file. `retryable` says whether it may work later; where the disk could not
                say what it holds, the journal is broken until it is opened again.
        """
        if not self._buffer:
            return
        self._usable()
        if len(self._buffer) != self._next - 1 - self._written.seq:
            self._forget()
            raise JournalTrouble("io", f"the journal `{self.path}`: chaining a record was interrupted, and nothing since the last flush is written",
                                 retryable=True)
        data = b"".join(self._buffer)
        due = self.durability == "each" or (self.durability == "group" and self._unsynced + len(self._buffer) >= self._group)
        mark = Mark(self._next - 1, self._hash, self._written.offset + len(data))
        self._trouble = "writing it was interrupted"  # until it is known how it ended
        syncing = False
        try:
            files.write_whole(self._fd, data)
            if due:
                syncing = True
                files.sync(self._fd)
                syncing = False
            head_file.put(self._head_fd, head_file.encode(self._id, mark))
        except OSError as error:
            self._roll_back(error, unknown=syncing)
        self._written = mark
        self._unsynced = 0 if due else self._unsynced + len(self._buffer)
        self._buffer.clear()
        self._trouble = None

    def discard(self) -> None:
        """Take back what was appended and not flushed."""
        self._forget()

    def _forget(self) -> None:
        """The chain in memory ends where the file does."""
        self._buffer.clear()
        self._next, self._hash = self._written.seq + 1, self._written.hash
        self._signed = min(self._signed, self._written.seq)

    def _roll_back(self, error: OSError, *, unknown: bool) -> None:
        """The file ends with the last good line again, and so does the chain in memory. Raises what is to be told."""
        reason = error.strerror or type(error).__name__
        self._forget()
        try:
            os.ftruncate(self._fd, self._written.offset)
            if self._written.seq >= 0:
                head_file.put(self._head_fd, head_file.encode(self._id, self._written))
        except OSError:
            self._trouble = f"writing it failed ({reason}), and so did taking back what was written"
            raise self._refusal() from None
        if unknown:
            self._trouble = f"the disk did not take what was written ({reason})"
            raise self._refusal() from None
        self._trouble = None
        raise refused(f"the journal `{self.path}` cannot be written", error) from None

    def sync(self) -> None:
        """Write what was appended, and return once the disk has all of it, whatever the durability.

        Raises:
            JournalTrouble: as `flush` does.
        """
        self.flush()
        self._usable()
        self._sync_or_break()

    def _sync_or_break(self) -> None:
        if not self._unsynced:
            return
        try:
            files.sync(self._fd)
        except OSError as error:
            # The system forgets what it could not write and would call the next attempt a success.
            self._trouble = f"the disk did not take what was written ({error.strerror or type(error).__name__})"
            raise self._refusal() from None
        self._unsynced = 0

    def _usable(self) -> None:
        if self._trouble is not None:
            raise self._refusal()

    def _refusal(self) -> JournalTrouble:
        return JournalTrouble("io", f"the journal `{self.path}` takes no more records: {self._trouble}; mend the disk and open it again")

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Write what is left, sync unless the durability is ``os``, let the lock go. Once is enough; more does nothing.

        Raises:
            JournalTrouble: what was left could not be written. The journal is closed all the same.
        """
        if self._fd < 0:
            return
        try:
            if self._trouble is None:
                if self._sign_every and self._next - 1 > self._signed:
                    self._add_signed_head()
                self.flush()
                if self.durability != "os":
                    self._sync_or_break()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        for fd in (self._head_fd, self._fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._head_fd = -1
        self._trouble = "it is closed"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
