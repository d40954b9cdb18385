"""`caplex decide --batch`: many intents at once, as lines of JSON or as columns of a file."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caplex.compiler.cli import output
from caplex.compiler.cli.output import Status, Stop

if TYPE_CHECKING:
    from caplex.runtime.policy import Policy

COLUMNS = ".parquet"
TARGETS = (".parquet", ".csv", ".jsonl")
VERDICTS = ("ALLOW", "MODIFY", "HOLD", "DENY")
SCHEMA = "caplex.answer/1"
_EVERY = 1000


class Summary:
    """Verdicts and rules of what was decided, for who looks on."""

    def __init__(self, name: str) -> None:
        self.name, self.why = name, ""
        self.verdicts, self.rules = Counter[str](), Counter[str]()
        self.fell_back: int | None = None

    def add(self, verdict: str, rule: str | None, count: int = 1) -> None:
        self.verdicts[verdict] += count
        if rule is not None and count:
            self.rules[rule] += count

    @property
    def rows(self) -> int:
        return self.verdicts.total()

    @property
    def only(self) -> str | None:
        """The verdict, if there is one alone."""
        return next(iter(self.verdicts)) if self.rows == 1 else None

    @property
    def status(self) -> Status:
        return Status.NO if self.verdicts["DENY"] or self.verdicts["HOLD"] else Status.WORKED

    def progress(self, done: int) -> None:
        import sys

        if sys.stderr.isatty():
            output.show_progress(f"{self.name}: {done:,} decided ")

    def tell(self) -> None:
        """The counts, to stderr."""
        import sys

        if sys.stderr.isatty():
            output.show_progress("")
        if not self.rows:
            output.tell("no intent was given, so nothing was decided")
            return
        counts = ", ".join(f"{self.verdicts[each]:,} {each}" for each in VERDICTS if self.verdicts[each])
        output.tell(f"{self.rows:,} decided: {counts}")
        for rule, count in sorted(self.rules.items(), key=lambda pair: (-pair[1], pair[0])):
            output.tell(f"  {count:>9,}  {rule}")
        if self.fell_back is not None:
            told = f": {self.why}" if self.why else ""
            output.tell(f"{self.fell_back:,} of them row by row ({self.fell_back / self.rows:.1%}){told}")


def is_columns(path: str) -> bool:
    return Path(path).suffix.lower() == COLUMNS


def check_target(batch: str, target: str | None) -> None:
    """Raises Stop where *target* cannot hold the answers to *batch*."""
    if target is None:
        return
    allowed = TARGETS if is_columns(batch) else TARGETS[2:]
    if Path(target).suffix.lower() not in allowed:
        raise Stop(Status.USAGE, f"`{target}`: answers to `{batch}` are written to a file that ends in {' or '.join(allowed)}")


# ── lines ─────────────────────────────────────────────────────────────────────────────────────────────


def documents(path: str, facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The facts of each line: an intent, or facts of its own that have one, over *facts*."""
    from caplex.compiler.cli.documents import read_lines

    for line in read_lines(path):
        yield {**facts, **line} if isinstance(line.get("intent"), dict) else {**facts, "intent": line}


def decide_lines(decide: Callable[[dict[str, Any]], dict[str, Any]], path: str, facts: dict[str, Any], target: str | None, show: Callable[[dict[str, Any]], None]) -> Summary:
    """Decide each line; the documents go to *target*, or are shown."""
    import json

    summary, lines = Summary("<stdin>" if path == "-" else path), []
    for document in documents(path, facts):
        told = decide(document)
        summary.add(told["verdict"], told["decided_by"])
        if target is None:
            show(told)
        else:
            lines.append(json.dumps(told, ensure_ascii=False))
        if summary.rows % _EVERY == 0:
            summary.progress(summary.rows)
    if target is not None:
        output.write(target, "".join(line + "\n" for line in lines))
    return summary


# ── columns ───────────────────────────────────────────────────────────────────────────────────────────


def decide_columns(policy: Policy, path: str, facts: dict[str, Any], target: str | None, format: str) -> Summary:
    """Decide each row of a file of columns."""
    from caplex.runtime.columns.places import FrameError

    summary = Summary(path)
    try:
        from caplex.runtime.columns.deciding import decide_frame

        table = _read(path)
        answers, report = decide_frame(policy, table, facts, progress=summary.progress)
    except FrameError as error:
        raise Stop(Status.USAGE, f"`{path}`: {error}") from None
    except ImportError:
        raise Stop(Status.USAGE, "files of columns want an extra that is not installed: pip install 'caplex[frames]'") from None
    summary.fell_back, summary.why = report.fell_back, report.why
    verdicts, rules = (answers.column(name).to_pylist() for name in ("verdict", "decided_by"))
    for (verdict, rule), count in Counter(zip(verdicts, rules, strict=True)).items():
        summary.add(verdict, rule, count)
    _write(answers, target, format)
    return summary


def _read(path: str) -> Any:
    """The table in the file *path*; a folder is none, and its name says nothing. Raises Stop."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with open(path, "rb") as file, parquet.ParquetFile(file) as columns:
            names = columns.schema_arrow.names
            table = columns.read()
    except (OSError, pa.ArrowException) as error:
        from caplex.compiler.diagnostics.codes_input import CANNOT_READ
        from caplex.compiler.diagnostics.diagnostic import Diagnostic

        # The system's own words where it has some; those of the library say more in further lines.
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise Stop(Status.USAGE, "", [Diagnostic(CANNOT_READ, f"`{path}` cannot be read: {reason}", where=path)]) from None
    if len(set(names)) < len(names):
        raise Stop(Status.USAGE, f"`{path}`: column `{next(name for name in names if names.count(name) > 1)}` is there twice")
    return table


def _write(answers: Any, target: str | None, format: str) -> None:
    from caplex.runtime.columns.writing import ANSWERS

    suffix = "" if target is None else Path(target).suffix.lower()
    if target is None or suffix == ".jsonl":
        rows = zip(*(answers.column(name).to_pylist() for name in ANSWERS), strict=True)
        lines = (_line(number, row, format if target is None else "json") for number, row in enumerate(rows))
        if target is None:
            for line in lines:
                output.say(line)
        else:
            output.write(target, "".join(line + "\n" for line in lines))
        return
    import pyarrow as pa

    plain = pa.table({name: column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
                      for name, column in zip(answers.column_names, answers.columns, strict=True)})
    with output.whole(target) as beside, beside.open("wb") as file:
        if suffix == ".csv":
            from pyarrow import csv

            csv.write_csv(plain, file)
        else:
            from pyarrow import parquet

            parquet.write_table(plain, file)


def _line(number: int, row: tuple[Any, ...], format: str) -> str:
    import json

    from caplex.runtime.canonical import decimal_text

    verdict, quantity, rule, reason, fell_back = row
    size = quantity if isinstance(quantity, str) else decimal_text(quantity)
    if format == "json":
        return json.dumps({"schema": SCHEMA, "row": number, "verdict": verdict, "quantity": size, "decided_by": rule, "reason": reason, "fell_back": fell_back}, ensure_ascii=False)
    return "  ".join(part for part in (f"{number:>8}", f"{verdict:<6}", f"{size:>14}", rule or "", reason or "") if part).rstrip()
