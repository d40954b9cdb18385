"""Whether a journal is as it was written: the chain, its end, the signatures. Every problem with its line and a sentence."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from caplex.runtime.journal import head as head_file
from caplex.runtime.journal.record import SCHEMA, Record
from caplex.runtime.journal.trouble import JournalTrouble
from caplex.runtime.journal.walker import Problem, Walker, open_for_reading

Check = Callable[[bytes, Mapping[str, Any]], bool]
MOST_PROBLEMS: Final = 1000  # that are listed; all are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` found. *head* is the hash of the last line that fits; *intact* counts the lines with nothing wrong."""

    ok: bool
    lines: int
    intact: int
    first_at: str | None
    last_at: str | None
    head: str
    problems: tuple[Problem, ...]
    more: int  # problems that are not listed
    torn: bytes | None
    journal: str | None
    signed: int  # heads whose signature is good
    unsigned_lines: int | None  # after the last good signature; None if signatures were not looked at
    notes: tuple[str, ...]  # what could not be checked


def signed_bytes(journal: str, seq: int, digest: str) -> bytes:
    """What a signature over the line *seq* with the hash *digest* is made of."""
    return f"{SCHEMA} {journal} {seq} {digest}".encode("ascii")


def verify(path: str | Path, *, check: Check | None = None) -> Verification:
    """Read the journal *path* to its end and tell all that is wrong with it.

    *check* is given the signed bytes and ``{"keyid", "sig"}`` of each signed head, and says whether the signature is good.

    Raises:
        JournalTrouble: there is no such file, or it is no journal, or one of a later version.
    """
    notes: list[str] = []
    found = _Found(check)
    with open_for_reading(path) as stream:
        head = None
        try:  # before the journal, which may grow meanwhile
            head = head_file.load(path)
            if head is None:
                notes.append("there is no head file, so lines missing at the end cannot be seen")
        except JournalTrouble as error:
            found.problem(Problem(0, None, "head", str(error)))
        walker = Walker(stream, str(path), head=head, exact=True)
        for step in walker:
            if isinstance(step, Problem):
                found.problem(step)
            else:
                found.record(step, walker.journal)
        if (late := walker.against_head()) is not None:
            found.problem(late)
    if check is None and found.heads:
        notes.append(f"{found.heads} signed head{'s were' if found.heads > 1 else ' was'} not checked, since no keys were given")
    if check is not None and not found.signed:
        notes.append("no head is signed with one of these keys, so whoever can write the file can write it anew")
    return Verification(
        ok=not found.count, lines=walker.lines, intact=found.intact, first_at=found.first_at, last_at=found.last_at, head=walker.last.hash,
        problems=tuple(found.problems), more=found.count - len(found.problems), torn=walker.torn, journal=walker.journal,
        signed=found.signed, unsigned_lines=found.after_signed if check is not None else None, notes=tuple(notes))


class _Found:
    """What piles up along the walk."""

    def __init__(self, check: Check | None) -> None:
        self._check = check
        self.problems: list[Problem] = []
        self.count = self.intact = self.heads = self.signed = self.after_signed = 0
        self.first_at: str | None = None
        self.last_at: str | None = None

    def problem(self, problem: Problem) -> None:
        self.count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def record(self, record: Record, journal: str | None) -> None:
        self.intact += 1
        self.after_signed += 1
        if record.at is not None:
            self.first_at, self.last_at = self.first_at or record.at, record.at
        if record.kind == "head":
            self.heads += 1
            if self._check is not None:
                self._signature(record, journal)

    def _signature(self, record: Record, journal: str | None) -> None:
        assert self._check is not None
        body = record.body
        if journal is None or not isinstance(body, Mapping) or (body.get("seq"), body.get("head")) != (record.seq - 1, record.prev):
            self.problem(Problem(record.line, record.seq, "signature", f"line {record.line} signs another line than the one before it"))
            return
        signature = {name: body.get(name) for name in ("keyid", "sig")}
        if self._check(signed_bytes(journal, record.seq - 1, record.prev), signature):
            self.signed += 1
            self.after_signed = 0
        else:
            self.problem(Problem(record.line, record.seq, "signature", f"line {record.line} bears a signature (key `{body.get('keyid')}`) that is not good: "
                                 "made with another key, or the lines before it were written anew"))
