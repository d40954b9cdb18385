"""What is asked of a suite beside its tests: properties, coverage, mutation; as data, and as text."""
from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from caplex.compiler.diagnostics import formats as diagnostics
from caplex.compiler.driver import Mode
from caplex.compiler.testing import mutate_view, sourceview
from caplex.compiler.testing.coverage import GROUPS, WORDS, Coverage, Share, Watch, percent, total
from caplex.compiler.testing.model import Entry, Report, Suite
from caplex.compiler.testing.mutate import FailingTests, Mutation, Progress, mutate
from caplex.compiler.testing.properties import CASES, SEED, Checked, check, claim_text
from caplex.compiler.testing.run import Select, selection, test

_RED, _GREEN, _YELLOW, _BOLD = "31", "32", "33", "1"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure. *coverage_min* and *mutate_min*, in percent, ask for it and for so much of it."""

    coverage: bool = False
    coverage_min: Fraction | None = None
    mutate: bool = False
    mutate_min: Fraction | None = None
    cases: int = CASES
    seed: int = SEED

    @property
    def covers(self) -> bool:
        return self.coverage or self.coverage_min is not None

    @property
    def mutates(self) -> bool:
        return self.mutate or self.mutate_min is not None


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it, by the file whose policy it is. *untold*: files whose tests fail, so that mutants cannot be told apart."""

    wanted: Wanted
    properties: tuple[tuple[str, Checked], ...] = ()
    coverage: tuple[tuple[str, Coverage], ...] = ()
    mutation: tuple[tuple[str, Mutation], ...] = ()
    untold: tuple[str, ...] = ()

    @property
    def short(self) -> list[str]:
        """What was asked for and not reached, a sentence each."""
        found = []
        least = self.wanted.coverage_min
        if least is not None and self.coverage:
            for group, share in total(coverage for _, coverage in self.coverage).items():
                if share.percent < least:
                    found.append(f"{WORDS[group]}: {percent(share.percent)}% is covered, {percent(least)}% is asked for")
        score = self.mutate_score
        if self.wanted.mutate_min is not None and score is not None and score < self.wanted.mutate_min:
            found.append(f"mutation score: {percent(score)}% is reached, {percent(self.wanted.mutate_min)}% is asked for")
        return found + [f"{path}: its tests fail, and mutants are told apart by tests that pass" for path in self.untold]

    @property
    def mutate_score(self) -> Fraction | None:
        """Over all files together."""
        if not self.mutation:
            return None
        killed = sum(each.count("killed") for _, each in self.mutation)
        survived = sum(each.count("survived") for _, each in self.mutation)
        return Fraction(100 * killed, killed + survived) if killed + survived else Fraction(100)

    @property
    def ok(self) -> bool:
        return not self.short and all(found.holds for _, found in self.properties)

    def to_dict(self) -> dict[str, Any]:
        """Keys for ``caplex.test/1``; what was not asked for is not there."""
        found: dict[str, Any] = {}
        if self.properties:
            found["properties"] = {"seed": self.wanted.seed, "checked": [each.to_dict() for _, each in self.properties]}
        if self.wanted.covers:
            found["coverage"] = [{"path": path, **each.to_dict()} for path, each in self.coverage]
        if self.wanted.mutates:
            found["mutation"] = [{"path": path, **each.to_dict()} for path, each in self.mutation]
        if self.short:
            found["short_of"] = self.short
        return found


class Measuring:
    """Watches the tests of a suite while they run, and measures the rest when they are done."""

    def __init__(self, wanted: Wanted, *, select: Select | None = None, settings: Mapping[str, Any] | None = None, mode: Mode | None = None) -> None:
        self.wanted, self.select, self.settings, self.mode = wanted, select, settings, mode
        self._watches: dict[str, Watch] = {}

    def watch(self, entry: Entry) -> Watch | None:
        """For `run_suite`."""
        if not self.wanted.covers or entry.checked is None:
            return None
        return self._watches.setdefault(str(entry.path), Watch(entry.checked))

    def finish(self, suite: Suite, *, progress: Callable[[str], Progress] | None = None) -> Measured:
        """Try the properties; tell coverage; put mutants to the tests."""
        ready = [entry for entry in suite.entries if entry.checked is not None]
        properties = [(str(entry.path), found) for entry in ready
                      for found in check(entry, cases=self.wanted.cases, seed=self.wanted.seed, select=self.select)]
        mutation, untold = [], []
        for entry in ready if self.wanted.mutates else ():
            if not entry.tests:
                continue
            try:
                mutation.append((str(entry.path), mutate(entry, select=self.select, settings=self.settings, mode=self.mode,
                                                         progress=progress(str(entry.path)) if progress is not None else None)))
            except FailingTests:
                untold.append(str(entry.path))
        coverage = tuple((path, watch.report()) for path, watch in self._watches.items())
        return Measured(self.wanted, tuple(properties), coverage, tuple(mutation), tuple(untold))


def measure(
    *paths: str | Path, wanted: Wanted | None = None, select: str | None = None, first: bool = False,
    settings: Mapping[str, Any] | str | Path | None = None, mode: Mode | None = None, progress: Callable[[str], Progress] | None = None,
) -> tuple[Report, Measured]:
    """Run the tests of *paths*, as `caplex.test` does, and measure what is *wanted* of them; their properties are tried in any case.

    Args:
        progress: Gives, for a file, what is called with how many of how many mutants are done.
    Raises:
        ValueError: *select* cannot be read.
    """
    from caplex.compiler.loading import resolve_settings

    chosen, values = selection(select) if select else None, resolve_settings(settings)
    measuring = Measuring(wanted or Wanted(), select=chosen, settings=values, mode=mode)
    report = test(*paths, select=select, first=first, settings=values, mode=mode, watch=measuring.watch)
    if first and report.failed:
        return report, Measured(measuring.wanted)
    return report, measuring.finish(report.suite, progress=progress)


# ── for people ────────────────────────────────────────────────────────────────────────────────────────


def text(measured: Measured, *, width: int = 100, colour: bool = False, verbose: bool = False) -> str:
    """All of it; empty where there is nothing to tell."""
    blocks = [*_properties(measured, width, colour, verbose)]
    for path, coverage in measured.coverage:
        blocks.append(painted(f"coverage of {path}", _BOLD, colour) + "\n\n" + sourceview.table(coverage, columns=width, colour=colour))
        if any(row.missing for row in coverage.rows):
            blocks.append(sourceview.source(coverage, columns=width, colour=colour))
    if len(measured.coverage) > 1:
        blocks.append("\n".join([painted("coverage of all", _BOLD, colour), *_totals(total(each for _, each in measured.coverage))]))
    for path, mutation in measured.mutation:
        blocks.append(painted(f"mutants of {path}", _BOLD, colour) + "\n\n" + mutate_view.text(mutation, columns=width, colour=colour))
    score = measured.mutate_score
    if len(measured.mutation) > 1 and score is not None:
        blocks.append(painted("mutation score of all", _BOLD, colour) + f"  {percent(score)}%")
    if measured.short:
        blocks.append("\n".join(painted("SHORT", _RED, colour) + f"  {each}" for each in measured.short))
    return "\n\n".join(blocks)


def _totals(shares: Mapping[Any, Share]) -> list[str]:
    wide = max(len(WORDS[group]) for group in GROUPS)
    return [f"{WORDS[group]:<{wide}}  {percent(shares[group].percent):>5}%  {shares[group].covered} of {shares[group].total}" for group in GROUPS if shares[group].total]


def _properties(measured: Measured, width: int, colour: bool, verbose: bool) -> list[str]:
    if not measured.properties:
        return []
    told = []
    held = [painted("holds", _GREEN, colour) + f"  {found.place}  {found.node.title}  ({found.said} of {found.cases} cases)"
            for _, found in measured.properties if verbose and found.holds and not found.vacuous]
    for _, found in measured.properties:
        if not found.holds:
            told.append("\n".join(failed(found, measured.wanted.seed, width=width, colour=colour)))
        elif found.vacuous:
            what = "its `if` held on none of" if found.said == 0 else "it could be told on none of"
            told.append(painted("warning", _YELLOW, colour) + f"  property {found.node.title}  {found.place}\n  {what} {found.cases} cases: it says nothing about this policy")
    failing = sum(not found.holds for _, found in measured.properties)
    count = len(measured.properties)
    words = f"{count} propert{'y' if count == 1 else 'ies'} tried on {measured.properties[0][1].cases if count == 1 else measured.wanted.cases} cases"
    words += f", {failing} {'does' if failing == 1 else 'do'} not hold" if failing else ""
    return [*((chr(10).join(held),) if held else ()), *told, painted(words, _RED if failing else _GREEN, colour)]


def failed(found: Checked, seed: int, *, width: int = 100, colour: bool = False) -> list[str]:
    """A property that does not hold, with the facts that show it."""
    example = found.counterexample
    assert example is not None
    decision = example.decision
    lines = [painted("FAILED", _RED, colour) + f"  property {painted(found.node.title, _BOLD, colour)}  {found.place}", "", f"  claimed   {claim_text(found.node)}",
             f"  but       {decision.verdict.value} {decision.quantity}" + (f" of {decision.requested}" if decision.requested is not None else "")
             + (f" by {decision.decided_by}" if decision.decided_by else "") + f" on these facts (seed {seed}):", ""]
    lines += [f"  {line}" for line in compact(example.document, width - 2).splitlines()]
    if example.test:
        lines += ["", "  as a test, which passes today and says what happens; write there what should happen:", "", *(f"  {line}" for line in example.test.splitlines())]
    return lines


def compact(document: Mapping[str, Any], width: int = 100) -> str:
    """JSON with one line for each part; a part that is too wide has one for each of its own."""
    rows = []
    for name, value in document.items():
        row = f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
        if len(row) + 2 > width and isinstance(value, dict | list) and value:
            inner = [f"{json.dumps(key)}: {json.dumps(each, ensure_ascii=False)}" for key, each in value.items()] if isinstance(value, dict) else \
                [json.dumps(each, ensure_ascii=False) for each in value]
            ends = "{}" if isinstance(value, dict) else "[]"
            row = f"{json.dumps(name)}: {ends[0]}" + ",\n    ".join(inner) + ends[1]
        rows.append(row)
    return "{" + ",\n ".join(rows) + "}"


def painted(words: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{words}\x1b[0m" if colour and words else words


# ── for programs ──────────────────────────────────────────────────────────────────────────────────────


def junit(document: str, measured: Measured) -> str:
    """The JUnit *document* of the tests with a case for each property."""
    if not measured.properties:
        return document
    from xml.etree import ElementTree as xml

    root = xml.fromstring(document)
    for path in dict.fromkeys(path for path, _ in measured.properties):
        mine = [found for each, found in measured.properties if each == path]
        bad = sum(not found.holds for found in mine)
        suite = xml.SubElement(root, "testsuite", name=f"{path} properties", tests=str(len(mine)), failures=str(bad), errors="0", skipped="0")
        for name, more in (("tests", len(mine)), ("failures", bad)):
            root.set(name, str(int(root.get(name, "0")) + more))
        for found in mine:
            case = xml.SubElement(suite, "testcase", classname=path, name=f"property {found.node.title}", file=found.node.span.source.name,
                                  line=str(found.node.span.begin.line))
            if not found.holds:
                failure = xml.SubElement(case, "failure", message=f"claimed {claim_text(found.node)}", type="property")
                failure.text = "\n".join(failed(found, measured.wanted.seed))
    xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(root, encoding="unicode")


def github(measured: Measured) -> Iterable[str]:
    """Annotations at the properties that do not hold."""
    for _, found in measured.properties:
        if found.counterexample is not None:
            decision = found.counterexample.decision
            yield diagnostics.annotation("error", found.node.span, f"property {found.node.title}",
                                         f"does not hold: {decision.verdict.value} {decision.quantity} on {json.dumps(found.counterexample.document)}")
