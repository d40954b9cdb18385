"""`caplex audit`: whether a journal is as it was written, what was decided and why, and the decisions as a table."""
from __future__ import annotations

import functools
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.options import output_format
from caplex.compiler.cli.output import Status, Stop

if TYPE_CHECKING:
    from caplex.runtime.journal import JournalTrouble, Record, Verification

R = TypeVar("R")
SCHEMA = "caplex.audit/1"
COLUMNS = ("at", "intent_id", "symbol", "side", "requested", "quantity", "verdict", "decided_by", "message", "policy_hash", "decision_id")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_POLL_SECONDS = 0.2


@click.group("audit")
def audit_command() -> None:
    """Read the journal of an engine.

    \b
    caplex audit verify desk.journal
    caplex audit query desk.journal --verdict DENY

    More: docs/journal.md, docs/howto/audit-a-journal.md.
    """


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a journal, with its code and the exit status that it has here."""
    from caplex.runtime.journal import JournalTrouble

    try:
        yield
    except JournalTrouble as error:
        raise _stop(error) from None


def _stop(error: JournalTrouble) -> Stop:
    from caplex.compiler.diagnostics import codes_input as codes
    from caplex.compiler.diagnostics.diagnostic import Diagnostic

    code, status = {
        "missing": (codes.CANNOT_READ, Status.USAGE), "foreign": (codes.JOURNAL_FOREIGN, Status.USAGE),
        "newer": (codes.JOURNAL_NEWER, Status.USAGE), "locked": (codes.JOURNAL_LOCKED, Status.AGAIN),
        "torn": (codes.JOURNAL_TORN, Status.NO), "broken": (codes.JOURNAL_BROKEN, Status.NO),
    }.get(error.kind, (codes.CANNOT_READ, Status.IO))
    return Stop(status, "", [Diagnostic(code, str(error))])


# ── verify ────────────────────────────────────────────────────────────────────────────────────────────


@audit_command.command("verify")
@click.argument("journal")
@click.option("--keys", "keys_file", metavar="FILE", help="Public keys, one a line, that signed heads must be signed with.")
@output_format("text", "json")
def verify_command(journal: str, keys_file: str | None, format: str) -> int:
    """Prove that no line of a journal was changed, dropped, moved, repeated or inserted.

    \b
    caplex audit verify desk.journal
    caplex audit verify desk.journal --keys risk.pub
    """
    from caplex.runtime.journal import verify

    check = _checker(keys_file) if keys_file is not None else None
    with _told():
        found = verify(journal, check=check)
    if format == "json":
        output.say_json(verification_document(found))
    else:
        _say_verification(journal, found)
    return Status.WORKED if found.ok else Status.NO


def _checker(path: str) -> Callable[[bytes, Mapping[str, Any]], bool]:
    from caplex.runtime.signing import checker

    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Stop(Status.USAGE, f"`{path}` is no list of public keys: not UTF-8") from None
    keys = [line.split()[0] for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not keys:
        raise Stop(Status.USAGE, f"`{path}` holds no public key; `caplex keys new` prints one")
    return checker(keys)


def verification_document(found: Verification) -> dict[str, Any]:
    """The answer of `audit verify` for programs."""
    return {
        "schema": SCHEMA, "ok": found.ok, "journal": found.journal, "lines": found.lines, "intact": found.intact, "first_at": found.first_at,
        "last_at": found.last_at, "head": found.head, "problems": [problem.to_dict() for problem in found.problems], "more": found.more,
        "torn": None if found.torn is None else {"bytes": len(found.torn)}, "signed": found.signed, "unsigned_lines": found.unsigned_lines,
        "notes": list(found.notes)}


def _say_verification(journal: str, found: Verification) -> None:
    span = f", {found.first_at} to {found.last_at}" if found.first_at else ""
    if found.ok:
        output.say(f"{journal}: {_count(found.lines, 'line')}, every one as it was written{span}")
        output.say(f"  head {found.head}")
    else:
        wrong = len(found.problems) + found.more
        output.say(f"{journal}: {_count(wrong, 'problem')}; {found.intact} of {_count(found.lines, 'line')} are whole and in place{span}")
        for problem in found.problems:
            output.say(f"  {problem.sentence}")
        if found.more:
            output.say(f"  and {found.more} more")
    if found.signed:
        output.say(f"  {_count(found.signed, 'signed head')}, {_count(found.unsigned_lines or 0, 'line')} after the last")
    for note in found.notes:
        output.say(f"  note: {note}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


# ── query and export ──────────────────────────────────────────────────────────────────────────────────


def _filters(command: Callable[..., R]) -> Callable[..., R]:
    """Which decisions: handed on as one `wanted`."""
    names = ("intent", "decision", "rule", "verdict", "symbol", "strategy", "since", "until")

    @click.option("--intent", metavar="ID", help="About this intent.")
    @click.option("--decision", metavar="ID", help="With this id, d-….")
    @click.option("--rule", metavar="ID", help="In which this rule had a part.")
    @click.option("--verdict", type=click.Choice(["ALLOW", "MODIFY", "HOLD", "DENY"], case_sensitive=False), help="With this verdict.")
    @click.option("--symbol", metavar="NAME", help="Of this symbol.")
    @click.option("--strategy", metavar="NAME", help="Of this strategy.")
    @click.option("--since", metavar="TIME", help="At this instant or later; a date is its midnight, UTC.")
    @click.option("--until", metavar="TIME", help="Before this instant.")
    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> R:
        wanted = {name: kwargs.pop(name) for name in names}
        for name in ("since", "until"):
            wanted[name] = _instant(name, wanted[name])
        return command(*args, wanted=wanted, **kwargs)

    return wrapped


def _instant(name: str, text: str | None) -> str | None:
    from caplex.runtime.clock import NotATime, parse_instant

    if text is None:
        return None
    whole = text + "T00:00:00Z" if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else text
    try:
        parse_instant(whole)
    except NotATime as error:
        raise click.UsageError(f"`--{name} {text}` is no time: {error}") from None
    return whole


@audit_command.command("query")
@click.argument("journal")
@_filters
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N.")
@click.option("--follow", is_flag=True, help="Go on with what is added; Ctrl-C ends.")
@output_format("text", "json")
def query_command(journal: str, wanted: dict[str, Any], limit: int | None, follow: bool, format: str) -> int:
    """Print the decisions of a journal that fit all that is asked, one a line.

    \b
    caplex audit query desk.journal --verdict DENY --symbol AAPL
    caplex audit query desk.journal --rule EXP-010 --since 2026-01-05
    """
    from caplex.runtime.journal import query

    with _told():
        for number, record in enumerate(query(journal, **wanted, wait=_wait if follow else None), start=1):
            output.say(json.dumps(record_document(record), ensure_ascii=False) if format == "json" else decision_line(record))
            if follow:
                sys.stdout.flush()
            if number == limit:
                break
    return Status.WORKED


def _wait() -> None:
    sys.stdout.flush()
    time.sleep(_POLL_SECONDS)


def record_document(record: Record) -> dict[str, Any]:
    """A decision as `audit query --format json` prints it."""
    decision = {"schema": record.body.get("schema"), **record.body}
    return {"schema": SCHEMA, "seq": record.seq, "at": record.at, "hash": record.hash, "decision": decision}


def decision_line(record: Record) -> str:
    """``2026-01-05T15:00:00.000000Z  i-1234  MODIFY  buy AAPL 25 of 300  EXP-010: AAPL would be …  d-5f0c``."""
    flat = flattened(record)
    size = flat["quantity"] if flat["requested"] in ("", flat["quantity"]) else f"{flat['quantity']} of {flat['requested']}"
    order = " ".join(part for part in (flat["side"], flat["symbol"], size) if part)
    why = ": ".join(part for part in (flat["decided_by"], flat["message"]) if part)
    return "  ".join(part for part in (flat["at"], flat["intent_id"] or "-", f"{flat['verdict']:6}", order, why, flat["decision_id"]) if part)


def flattened(record: Record) -> dict[str, str]:
    """A decision in one row of texts; what is missing is empty. Nothing in it moves the cursor of a terminal."""
    body = record.body
    reasons = [reason for reason in body.get("reasons") or () if isinstance(reason, Mapping)]
    decider = next((reason for reason in reasons if reason.get("rule") == body.get("decided_by")), reasons[0] if reasons else {})
    policy = body.get("policy")
    values = {**{name: body.get(name) for name in COLUMNS}, "at": record.at or body.get("at"), "message": decider.get("message"),
              "policy_hash": policy.get("hash") if isinstance(policy, Mapping) else None}
    return {name: _clean(values[name]) for name in COLUMNS}


def _clean(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if text.isprintable() else "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


@audit_command.command("export")
@click.argument("journal")
@click.option("-o", "--output", "target", required=True, metavar="FILE.csv|.jsonl", help="Where to; what is there is replaced.")
@_filters
def export_command(journal: str, target: str, wanted: dict[str, Any]) -> int:
    """Write the decisions of a journal as a table, one row each.

    \b
    caplex audit export desk.journal -o january.csv --since 2026-01-01 --until 2026-02-01
    """
    from caplex.runtime.journal import query

    place = Path(target)
    if place.suffix not in (".csv", ".jsonl"):
        raise click.UsageError(f"`-o {target}`: the name ends with .csv or .jsonl")
    if place.exists() and Path(journal).exists() and place.samefile(journal):
        raise click.UsageError(f"`-o {target}` is the journal itself")
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        with _told():
            written = _write_rows(beside, place.suffix, query(journal, **wanted))
        os.replace(beside, place)
    except OSError as error:
        raise Stop(Status.IO, f"`{target}` cannot be written: {error.strerror or type(error).__name__}") from None
    finally:
        beside.unlink(missing_ok=True)
    output.tell(f"{_count(written, 'decision')} in {target}")
    return Status.WORKED


def _write_rows(path: Path, suffix: str, records: Iterator[Record]) -> int:
    import csv

    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        if suffix == ".csv":
            table.writerow(COLUMNS)
        for record in records:
            written += 1
            flat = flattened(record)
            if suffix == ".csv":
                table.writerow([guarded(name, flat[name]) for name in COLUMNS])
            else:
                file.write(json.dumps({"schema": SCHEMA, **flat}, ensure_ascii=False) + "\n")
    return written


def guarded(column: str, text: str) -> str:
    """*text* as a cell that no spreadsheet takes for a formula; a plain number in a column of numbers is none."""
    if column in ("requested", "quantity") and _NUMBER.fullmatch(text):
        return text
    return "'" + text if text.startswith(("=", "+", "-", "@")) else text
