"""What is printed of a run: for people, with the decision beside each expectation that was not met."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.diagnostics.render import render, visible
from caplex.compiler.testing.model import Failure, Report, Run

_RED, _GREEN, _BOLD, _DIM = "31", "32", "1", "2"
_MOST_DECISION: Final = 14
"""Lines of an explanation that stand beside an expectation."""


def painted(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour and text else text


def summary(report: Report) -> str:
    """``12 passed, 1 failed in 3 files``."""
    files = len({run.test.span.source.name for run in report.runs})
    broken = len({entry.path for entry in report.suite.entries if any(each.is_error for each in entry.diagnostics)})
    parts = [f"{report.passed} passed"] if report.passed or not report.failed else []
    parts += [f"{len(report.failed)} failed"] if report.failed else []
    parts += [f"{report.deselected} not selected"] if report.deselected else []
    parts += [f"{broken} that {'does' if broken == 1 else 'do'} not compile"] if broken else []
    return ", ".join(parts) + f" in {files} file{'s' if files != 1 else ''}"


def failure_lines(run: Run, *, width: int = 100, colour: bool = False) -> list[str]:
    """A row that did not pass: its title and place, then each expectation with what there was instead."""
    title = visible(run.title)
    lines = [painted("FAILED", _RED, colour) + f"  {painted(title, _BOLD, colour)}  {run.place}"]
    decision: object = None
    for failure in run.failures:
        lines += ["", *_failure(failure, width, colour)]
        if failure.decision is not None and failure.decision is not decision:
            lines += _explained(run, failure, width, colour)
        decision = failure.decision
    if run.error is not None:
        lines += ["", render(run.error, colour=colour, width=width)]
    return lines


def _failure(failure: Failure, width: int, colour: bool) -> list[str]:
    place = failure.span.begin
    number = str(place.line)
    lines = [f"  {failure.span.source.name}:{number}",
             f"  {number} | {visible(' '.join(failure.span.source.line(place.line).split()))}",
             f"  expected  {visible(failure.expected.removeprefix('expect '))}",
             f"  got       {painted(visible(failure.got), _RED, colour)}"]
    return lines + [f"  note      {visible(each)}" for each in failure.notes]


def _explained(run: Run, failure: Failure, width: int, colour: bool) -> list[str]:
    """The decision, told as `caplex explain` tells it."""
    found = failure.explained
    if found is None and run.policy is not None and failure.facts is not None:
        found = run.policy.decide(failure.facts).explain()
    if found is None:
        return []
    told = found.text(width=max(40, width - 4), colour=colour)
    lines = [line for line in told.rstrip("\n").splitlines() if line.strip()]
    # The rule that was expected is worth a line, wherever it stands.
    meant = [line for line in lines[_MOST_DECISION:] if any(word in failure.expected.replace(",", " ").split() for word in line.split()[:1])]
    more = len(lines) - _MOST_DECISION - len(meant)
    shown = [*lines[:_MOST_DECISION], *meant, *([f"… {more} more line{'s' if more != 1 else ''}"] if more > 0 else [])]
    return ["", *(f"  {painted('│', _DIM, colour)} {line}".rstrip() for line in shown)]


def file_lines(runs: Iterable[Run], *, verbose: bool, colour: bool = False) -> list[str]:
    """A line for each file, with a dot for each row that passed; with *verbose* a line for each row."""
    by_file: dict[str, list[Run]] = {}
    for run in runs:
        by_file.setdefault(run.test.span.source.name, []).append(run)
    lines = []
    for name, found in by_file.items():
        if verbose:
            lines += [(painted("passed", _GREEN, colour) if run.passed else painted("FAILED", _RED, colour)) + f"  {run.place}  {visible(run.title)}"
                      for run in found]
        else:
            marks = "".join("." if run.passed else painted("F", _RED, colour) for run in found)
            lines.append(f"{visible(name)} {marks}")
    return lines


def plain_lines(found: Iterable[Diagnostic]) -> list[str]:
    """Diagnostics as people read them, one each."""
    return [render(each) for each in found]


def text(report: Report, *, width: int = 100, colour: bool = False, verbose: bool = False) -> str:
    """All of it but the diagnostics of policies that do not compile."""
    lines = file_lines(report.runs, verbose=verbose, colour=colour)
    for run in report.failed:
        lines += ["", *failure_lines(run, width=width, colour=colour)]
    lines += [""] if lines else []
    if not report.runs and not report.errors:
        return ""
    return "\n".join([*lines, painted(summary(report), _GREEN if report.ok else _RED, colour)])
