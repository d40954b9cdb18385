"""A walk along a journal: every line against the one before it, and what is wrong told with its line.

The walk goes on after a problem. What a damaged line leaves open is taken from the next whole one, so that one change is
told once and not as often as there are lines after it.
"""
from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Literal

from caplex.runtime.journal.head import Head, Mark
from caplex.runtime.journal.record import FIRST, MOST_BYTES, SCHEMA, Record, is_canonical, parse
from caplex.runtime.journal.shape import are_joined, refusal, unreadable, why_not_a_line

ProblemKind = Literal["changed", "form", "missing", "repeated", "inserted", "opening", "torn", "lost", "head", "signature"]
_BUFFER: Final = 2**20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the *line* of the file (1 is the first), the number in the chain where it is known, a sentence."""

    line: int
    seq: int | None
    kind: ProblemKind
    sentence: str

    def to_dict(self) -> dict[str, object]:
        return {"line": self.line, "seq": self.seq, "kind": self.kind, "sentence": self.sentence}


def open_for_reading(path: str | Path) -> BinaryIO:
    """The file *path*. Raises JournalTrouble."""
    try:
        # A pipe nobody writes to would be waited for without end.
        if not stat.S_ISREG(mode := os.stat(path).st_mode) and not stat.S_ISDIR(mode):
            raise OSError(0, "it is no ordinary file")
        return open(path, "rb", buffering=_BUFFER)
    except (OSError, ValueError) as error:
        raise unreadable(str(path), error if isinstance(error, OSError) else OSError(0, str(error))) from None


class Walker:
    """Iterate for records and problems in the order of the file. What is known at the end stands in the attributes."""

    def __init__(self, stream: BinaryIO, name: str, *, head: Head | None = None, exact: bool = False,
                 wait: Callable[[], None] | None = None) -> None:
        self._stream = stream
        self._name = name
        self._head = head
        self._exact = exact
        self._wait = wait
        self.lines = 0  # that have an end
        self.last = Mark(-1, FIRST, 0)  # the last line that fits
        self.end = 0  # after the last line that has an end
        self.torn: bytes | None = None
        self.journal: str | None = None
        self.met = head is None  # whether the line that the head file names is where it says
        self._elsewhere = False  # that line is there, at another offset
        self._wrong = False  # something was told
        self._loose = 0  # lines that could not be read since then: so much further may the next one be
        self._either: tuple[str, ...] = ()  # hashes that a changed line may have had

    def __iter__(self) -> Iterator[Record | Problem]:
        """Raises JournalTrouble if the file is no journal of this version."""
        self._refuse_foreign()
        held: bytes | None = None
        for raw in self._raw_lines():
            if held is not None:
                good = self._good(held)
                if good is not None:
                    yield good
                else:
                    yield from self._asked(held, is_last=False)
            held = raw
            if self._wait is not None:  # whoever waits for lines wants each at once
                yield from self._asked(raw, is_last=False)
                held = None
        if held is not None:
            yield from self._asked(held, is_last=True)

    def _refuse_foreign(self) -> None:
        start = self._stream.tell()
        first = self._stream.readline(MOST_BYTES)
        trouble = refusal(self._name, first, self._stream.readline(MOST_BYTES))
        if trouble is not None:
            raise trouble
        self._stream.seek(start)

    def _raw_lines(self) -> Iterator[bytes]:
        rest = b""
        while True:
            for raw in iter(partial(self._stream.readline, MOST_BYTES), b""):
                # A writer may be in the middle of this line: the rest is there at the next look, or it never comes.
                if rest:
                    raw, rest = rest + raw, b""
                if raw.endswith(b"\n") or len(raw) >= MOST_BYTES:
                    yield raw
                else:
                    rest = raw
            if self._wait is not None:
                self._wait()
                if os.fstat(self._stream.fileno()).st_size < self._stream.tell():
                    yield rest
                    return
            elif rest:
                yield rest
                return
            else:
                return

    # ── one line ──────────────────────────────────────────────────────────────────────────────────────

    def _good(self, raw: bytes) -> Record | None:
        """The record of a line with which nothing is wrong, as nearly every one is; None where more must be asked."""
        end = self.end + len(raw)
        found = parse(raw[:-1], self.lines + 1, end)
        if found is None or self._loose or self._either or not self.lines:
            return None
        record, digest = found
        before = self.last
        if record.hash != digest or record.prev != before.hash or record.seq != before.seq + 1 or (self._exact and not is_canonical(record)):
            return None
        self.lines += 1
        self.end = end
        self.last = Mark(record.seq, digest, end)
        if not self.met:
            self._meet_head(digest)
        return record

    def _asked(self, raw: bytes, *, is_last: bool) -> Iterator[Record | Problem]:
        for step in self._line(raw, is_last=is_last):
            self._wrong = self._wrong or isinstance(step, Problem)
            yield step

    def _line(self, raw: bytes, *, is_last: bool) -> Iterator[Record | Problem]:
        number = self.lines + 1
        if not raw.endswith(b"\n") and len(raw) < MOST_BYTES:
            self.torn = raw
            yield Problem(number, None, "torn", f"line {number} is not whole ({len(raw)} bytes without a line end): "
                          "writing it was cut short, and nothing was done on its word")
            return
        self.lines, start = number, self.end
        self.end += len(raw)
        found = parse(raw[:-1], number, self.end)
        if found is None or (found[0].hash != found[1] and are_joined(raw)):
            if is_last and self._unacknowledged():
                self.lines, self.end, self.torn = number - 1, start, raw
                yield Problem(number, None, "torn", f"line {number}, the last, {why_not_a_line(raw[:-1])}; the head file does not reach "
                              "it, so writing it was cut short")
                return
            self._loose += max(1, raw.count(b'{"at":'))
            yield Problem(number, None, "form", f"line {number} {why_not_a_line(raw[:-1])}")
            return
        record, digest = found
        yield from self._changed(record, digest) if digest != record.hash else self._placed(record)

    def _unacknowledged(self) -> bool:
        """Whether the head file stands before the line that comes here, so that it may be one that a crash cut short."""
        return self._head is not None and self.met and self._head.mark.seq <= self.last.seq

    def _changed(self, record: Record, digest: str) -> Iterator[Problem]:
        expected = self.last.seq + 1
        seq = record.seq if expected <= record.seq <= expected + self._loose else expected + self._loose
        self._either, self._loose = (record.hash, digest), 0
        self.last = Mark(seq, record.hash, record.end)
        self._meet_head(*self._either)
        yield Problem(record.line, seq, "changed", f"line {record.line} was changed: what it says does not give the hash that it bears")

    def _placed(self, record: Record) -> Iterator[Record | Problem]:
        problem = self._misplaced(record, self.last.seq + 1)
        if problem is not None:
            yield problem
            if problem.kind == "repeated":
                return
        self._loose, self._either = 0, ()
        self.last = Mark(record.seq, record.hash, record.end)
        self._meet_head(record.hash)
        if record.line == 1 and (wrong := self._opening(record)) is not None:
            yield wrong
        elif self._exact and not is_canonical(record):
            yield Problem(record.line, record.seq, "form", f"line {record.line} is not in the canonical form, though its hash fits: "
                          "it was written anew by something that is no caplex")
        elif problem is None:
            yield record

    def _misplaced(self, record: Record, expected: int) -> Problem | None:
        line, latest = record.line, expected + self._loose
        if record.seq < expected:
            return Problem(line, record.seq, "repeated", f"line {line} bears the number {record.seq}, and {latest} comes here: "
                           "a line that stood before was repeated or moved")
        if record.seq > latest:
            return self._gap(record, latest)
        if self._loose or record.prev == self.last.hash or record.prev in self._either:
            return None
        return Problem(line, record.seq, "inserted", f"line {line} does not follow line {line - 1}: it was written after another line, "
                       "so one of the two was inserted or written anew")

    def _gap(self, record: Record, expected: int) -> Problem:
        lost = record.seq - expected
        which = f"number {expected} is" if lost == 1 else f"numbers {expected} to {record.seq - 1} are"
        return Problem(record.line, record.seq, "missing", f"before line {record.line} {which} missing: "
                       f"{'a line was' if lost == 1 else f'{lost} lines were'} dropped, or moved")

    def _opening(self, record: Record) -> Problem | None:
        body = record.body if is_canonical(record) else None
        if record.kind == "open" and isinstance(body, dict) and body.get("schema") == SCHEMA and isinstance(body.get("journal"), str):
            self.journal = body["journal"]
            return None
        return Problem(1, record.seq, "opening", f"line 1 does not open a journal of the schema `{SCHEMA}`: the first line is gone")

    def _meet_head(self, *hashes: str) -> None:
        if self._head is not None and self.last.seq == self._head.mark.seq and self._head.mark.hash in hashes:
            self.met, self._elsewhere = True, self.last.offset != self._head.mark.offset

    # ── the head file, once the walk is done ──────────────────────────────────────────────────────────

    def against_head(self) -> Problem | None:
        """What the head file shows that the chain cannot."""
        if self._head is None:
            return None
        named = self._head.mark
        if self.journal is not None and self._head.journal != self.journal:
            return Problem(self.lines, self.last.seq, "head", f"the head file is of another journal (`{self._head.journal}`), so it cannot "
                           "show whether lines are missing at the end")
        if named.seq > self.last.seq + self._loose:
            lost = named.seq - self.last.seq
            count = "the last line is" if lost == 1 else f"the last {lost} lines are"
            return Problem(self.lines, self.last.seq, "lost", f"{count} missing: the head file names number {named.seq}, and the journal ends with "
                           f"{self.last.seq if self.last.seq >= 0 else 'nothing'}; it was cut off, or the machine lost what the disk had not taken")
        if not self.met and not self._loose:
            return Problem(self.lines, named.seq, "head", f"the head file names another line {named.seq + 1} than the one that is there: "
                           "the journal was written anew, or one of the two files comes from elsewhere")
        if self._elsewhere and not self._wrong:
            return Problem(self.lines, named.seq, "head", f"the head file names the offset {named.offset} for line {named.seq + 1}, which ends elsewhere: "
                           "the head file was changed")
        return None
