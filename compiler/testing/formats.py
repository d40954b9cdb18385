"""A run for programs: JSON (``caplex.test/1``), JUnit XML, annotations for GitHub."""
from __future__ import annotations

from typing import Any, Final
from xml.etree import ElementTree as xml

from caplex.compiler.diagnostics import formats
from caplex.compiler.source import Span
from caplex.compiler.testing.model import Entry, Failure, Report, Run
from caplex.compiler.testing.report import plain_lines

SCHEMA: Final = "caplex.test/1"


def document(report: Report) -> dict[str, Any]:
    """``caplex.test/1``: every row that was run, in order, and what speaks against what was not."""
    return {
        "schema": SCHEMA, "ok": report.ok,
        "summary": {"passed": report.passed, "failed": len(report.failed), "deselected": report.deselected,
                    "not_compiled": sum(entry.policy is None and any(each.is_error for each in entry.diagnostics) for entry in report.suite.entries)},
        "tests": [_run(run) for run in report.runs],
        "diagnostics": [formats.to_dict(each) for each in report.errors],
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "test": run.test.title, "row": run.row.label or None, "policy": run.policy.name if run.policy is not None else None, "passed": run.passed,
        "source": _place(run.row.span), "failures": [_failure(each) for each in run.failures],
        "error": formats.to_dict(run.error) if run.error is not None else None,
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "expected": failure.expected, "got": failure.got, "source": _place(failure.span), "notes": list(failure.notes),
        "decision": failure.decision.to_dict() if failure.decision is not None else None,
    }


def _place(span: Span) -> dict[str, Any]:
    begin, end = span.begin, span.finish
    return {"file": span.source.name, "line": begin.line, "column": begin.column, "end_line": end.line, "end_column": end.column}


def junit(report: Report) -> str:
    """JUnit XML: a suite for each policy, a case for each row."""
    root = xml.Element("testsuites", name="caplex", tests=str(len(report.runs) + len(_broken(report))), failures=str(sum(bool(run.failures) for run in report.runs)),
                       errors=str(sum(run.error is not None for run in report.runs) + len(_broken(report))))
    by_name: dict[str, list[Run]] = {}
    for run in report.runs:
        by_name.setdefault(run.test.span.source.name, []).append(run)
    for name, runs in by_name.items():
        suite = xml.SubElement(root, "testsuite", name=_clean(name), tests=str(len(runs)), failures=str(sum(bool(run.failures) for run in runs)),
                               errors=str(sum(run.error is not None for run in runs)), skipped="0")
        for run in runs:
            _case(suite, run)
    for entry in _broken(report):
        found = [each for each in entry.diagnostics if each.is_error]
        suite = xml.SubElement(root, "testsuite", name=_clean(str(entry.path)), tests="1", failures="0", errors="1", skipped="0")
        case = xml.SubElement(suite, "testcase", classname=_clean(str(entry.path)), name="it compiles")
        error = xml.SubElement(case, "error", message=_clean(found[0].message), type=found[0].code.id)
        error.text = _clean("\n\n".join(plain_lines(found)))
    xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(root, encoding="unicode")


def _broken(report: Report) -> list[Entry]:
    return [entry for entry in report.suite.entries if any(each.is_error for each in entry.diagnostics)]


def _case(suite: xml.Element, run: Run) -> None:
    from caplex.compiler.testing.report import failure_lines

    case = xml.SubElement(suite, "testcase", classname=_clean(run.test.span.source.name), name=_clean(run.title),
                          file=_clean(run.test.span.source.name), line=str(run.row.span.begin.line))
    if run.failures:
        first = run.failures[0]
        found = xml.SubElement(case, "failure", message=_clean(f"expected {first.expected.removeprefix('expect ')}, got {first.got}"), type="expectation")
        found.text = _clean("\n".join(failure_lines(run)))
    elif run.error is not None:
        found = xml.SubElement(case, "error", message=_clean(run.error.message), type=run.error.code.id)
        found.text = _clean("\n".join(failure_lines(run)))


def _clean(text: str) -> str:
    """*text* without what XML cannot hold."""
    return "".join(character for character in text
                   if character in "\t\n" or "\x20" <= character <= "\ud7ff" or "\ue000" <= character <= "\ufffd" or character >= "\U00010000")


def github(report: Report) -> str:
    """Workflow commands that GitHub draws beside the expectation."""
    lines = [formats.github(report.errors)] if report.errors else []
    for run in report.failed:
        lines += [formats.annotation("error", each.span, run.title, f"expected {each.expected.removeprefix('expect ')}, got {each.got}") for each in run.failures]
        lines += [formats.github([run.error])] if run.error is not None else []
    return "\n".join(lines)
