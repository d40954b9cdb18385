"""What running tests comes to, as data: rows, what each expected and got, and the whole of it."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.source import Span
from caplex.compiler.syntax import ast
from caplex.runtime.decision import Decision
from caplex.runtime.explain import Explanation
from caplex.runtime.policy import Policy

if TYPE_CHECKING:
    from caplex.compiler.testing.variants import Variants


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that was not met.

    Attributes:
        expected: As the author wrote it, with the values of the row.
        span: Where it stands.
        got: What there was, in a line.
        decision: The decision it speaks of; None before the first intent.
        facts: What that decision was made on: `policy.decide(facts).explain()` tells it again.
        explained: Of a decision that an approval has released, told when it was made.
        notes: What else may be why, such as an act that was refused.
    """

    expected: str
    span: Span
    got: str
    decision: Decision | None = None
    facts: dict[str, Any] | None = field(default=None, repr=False, compare=False)
    notes: tuple[str, ...] = ()
    explained: Explanation | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a test's table, or the whole test where it has none.

    Attributes:
        number: From 0.
        cells: By column.
        label: ``price 110 USD, verdict allow``; empty without a table.
        span: Of the row.
    """

    number: int
    cells: dict[str, ast.Expr | ast.Name]
    label: str
    span: Span


def titled(test: ast.Test, row: Row) -> str:
    """The title of *test*, with the row behind it."""
    return test.title + (f" [{row.label}]" if row.label else "")


@dataclass(frozen=True, slots=True)
class Run:
    """One row of one test, run once. It passed if there is neither a failure nor an *error* (the test could not be run)."""

    test: ast.Test
    row: Row
    policy: Policy | None = field(repr=False, compare=False)
    failures: tuple[Failure, ...] = ()
    error: Diagnostic | None = None

    @property
    def passed(self) -> bool:
        return not self.failures and self.error is None

    @property
    def title(self) -> str:
        return titled(self.test, self.row)

    @property
    def place(self) -> str:
        """``desk.cap:40``."""
        return f"{self.row.span.source.name}:{self.row.span.begin.line}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A policy and the tests that it is put to.

    Attributes:
        path: The file whose policy it is.
        files: That file, and the one beside it that holds more of its tests.
        module: The policy as it is tested: for a pack, under the neutral header.
        pack: Whether that header was put in front.
        tests: In the order of the text, those of the file itself first.
        checked, policy: None where it does not compile; `diagnostics` say why.
        variants: The same under settings that tests give.
    """

    path: Path
    files: tuple[Path, ...]
    module: ast.Module | None
    pack: bool
    tests: tuple[ast.Test, ...]
    checked: CheckedModule | None = field(repr=False)
    policy: Policy | None = field(repr=False)
    diagnostics: tuple[Diagnostic, ...] = ()
    variants: Variants | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Suite:
    """All entries of the paths that were asked for; *diagnostics* are of files that belong to none."""

    entries: tuple[Entry, ...]
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def tests(self) -> int:
        return sum(len(entry.tests) for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Report:
    """A suite and what running it came to."""

    suite: Suite
    runs: tuple[Run, ...]
    deselected: int = 0

    @property
    def passed(self) -> int:
        return sum(run.passed for run in self.runs)

    @property
    def failed(self) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if not run.passed)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """Why a policy, or a file of tests, could not be tested at all."""
        found = [*self.suite.diagnostics, *(each for entry in self.suite.entries for each in entry.diagnostics)]
        return tuple(each for each in found if each.is_error)

    @property
    def ok(self) -> bool:
        """All that was run passed, everything compiles, and there was something to run."""
        return bool(self.runs) and not self.failed and not self.errors

    def summary(self) -> str:
        """``12 passed, 1 failed in 3 files``."""
        from caplex.compiler.testing.report import summary

        return summary(self)

    def to_dict(self) -> dict[str, Any]:
        """``caplex.test/1``."""
        from caplex.compiler.testing.formats import document

        return document(self)

    def __str__(self) -> str:
        from caplex.compiler.testing.report import text

        return text(self)
