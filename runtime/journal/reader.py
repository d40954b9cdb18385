"""Reading a journal: line by line, in constant memory, each line against the one before it. Readers take no lock."""
from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from caplex.runtime.clock import NotATime, parse_instant
from caplex.runtime.journal.record import Record
from caplex.runtime.journal.trouble import JournalTrouble
from caplex.runtime.journal.walker import Problem, Walker, open_for_reading

Wait = Callable[[], None]
CURE = "`caplex audit verify` lists what is wrong; go on from a copy that verifies"


def read(path: str | Path, *, from_seq: int = 0, skip_torn: bool = False, wait: Wait | None = None) -> Iterator[Record]:
    """The records of the journal *path*, from number *from_seq* on.

    A last line that is not whole is an error too, unless *skip_torn*: whoever looks on while the journal is written meets one.
    With *wait*, the end of the file is no end: it is called, and then what was added is read.

    Raises:
        JournalTrouble: no journal; or the first line that is wrong, with its number and the cure. Records before it are good.
    """
    with open_for_reading(path) as stream:
        for found in Walker(stream, str(path), wait=wait):
            if isinstance(found, Problem):
                if found.kind == "torn" and skip_torn:
                    return
                raise broken(str(path), found)
            if found.seq >= from_seq:
                yield found


def broken(name: str, problem: Problem) -> JournalTrouble:
    """*problem* as an error."""
    if problem.kind == "torn":
        return JournalTrouble("torn", f"`{name}`: {problem.sentence}; opening the journal to write sets it aside")
    return JournalTrouble("broken", f"`{name}`: {problem.sentence}; {CURE}")


def query(path: str | Path, *, intent: str | None = None, decision: str | None = None, rule: str | None = None,
          verdict: str | None = None, symbol: str | None = None, strategy: str | None = None, since: str | None = None,
          until: str | None = None, wait: Wait | None = None) -> Iterator[Record]:
    """Decisions that fit all that is asked; *rule* had a part in them; *since* is within, *until* is not.

    Raises:
        JournalTrouble: as `read` does. A last line that is not whole ends the answer.
        NotATime: *since* or *until* is no instant.
    """
    start = parse_instant(since) if since is not None else None
    end = parse_instant(until) if until is not None else None
    wanted = {"intent_id": intent, "decision_id": decision, "verdict": verdict, "symbol": symbol, "strategy": strategy}
    fields = {name: value for name, value in wanted.items() if value is not None}
    # Most lines are ruled out by a look at their bytes, which costs less than reading them.
    needles = [json.dumps(value) for value in (*fields.values(), *([rule] if rule is not None else []))]
    for record in read(path, skip_torn=True, wait=wait):
        if record.kind != "decision" or not all(needle in record.text for needle in needles):
            continue
        if (start is not None or end is not None) and not _within(record, start, end):
            continue
        body = record.body
        if not isinstance(body, Mapping) or any(body.get(name) != value for name, value in fields.items()):
            continue
        if rule is None or rule in rules_of(body):
            yield record


def _within(record: Record, start: int | None, end: int | None) -> bool:
    if record.at is None:
        return False
    try:
        at = parse_instant(record.at)
    except NotATime as error:
        raise JournalTrouble("broken", f"line {record.line}: its time is none: {error}; {CURE}") from None
    return (start is None or at >= start) and (end is None or at < end)


def rules_of(decision: Mapping[str, Any]) -> set[str]:
    """Rules that had a part in a decision: decided, took something away, warned, or would have, were they enforced."""
    found = {name for name in (decision.get("decided_by"), *(decision.get("violated") or ())) if isinstance(name, str)}
    for part in ("reasons", "warnings", "monitored"):
        entries = decision.get(part) or ()
        found |= {entry["rule"] for entry in entries if isinstance(entry, Mapping) and isinstance(entry.get("rule"), str)}
    return found


def find(path: str | Path, id: str) -> Record | None:
    """The decision with the id *id*, or the last one about the intent *id* that is no repeat of an earlier answer.

    Raises:
        JournalTrouble: as `read` does. A last line that is not whole ends the search.
    """
    needle, latest = json.dumps(id), None
    for record in read(path, skip_torn=True):
        if record.kind != "decision" or needle not in record.text or not isinstance(record.body, Mapping):
            continue
        if record.body.get("decision_id") == id:
            return record
        if record.body.get("intent_id") == id and (latest is None or record.body.get("repeat_of") is None):
            latest = record
    return latest
