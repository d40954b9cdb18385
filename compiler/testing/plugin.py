"""A pytest plugin: each row of each test in a `.cap` file is an item, and so is each property. Pytest finds it by its entry point, `pytest11`.

Nothing of the compiler is imported before there is a file with tests in it.
"""
from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from caplex.compiler.syntax import ast
    from caplex.compiler.testing.model import Entry, Row, Run
    from caplex.compiler.testing.properties import Checked

_OPTION = "caplex_tests"
_HAS_TESTS = re.compile(r'^\s*(test|property)\s*"', re.MULTILINE)
_ENTRIES = pytest.StashKey[dict[Path, "Entry"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(_OPTION, "collect the tests that stand in .cap files", type="bool", default=True)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix != ".cap" or not parent.config.getini(_OPTION):
        return None
    try:
        text = file_path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return CapFile.from_parent(parent, path=file_path) if _HAS_TESTS.search(text) else None


class CapFile(pytest.File):
    """The tests that stand in one file, put to the policy in it or beside it."""

    def collect(self) -> Iterable[CapItem | CapProperty]:
        from caplex.compiler.driver import subject_of
        from caplex.compiler.testing.collect import entry_of
        from caplex.compiler.testing.model import titled
        from caplex.compiler.testing.run import cases

        subject = subject_of(self.path)
        known = self.session.stash.setdefault(_ENTRIES, {})
        entry = known.get(subject)
        if entry is None:
            entry = known[subject] = entry_of(subject)
        if entry.policy is None:
            raise self.CollectError("\n\n".join(_rendered(entry)) or f"{subject} does not compile")
        for test, row in cases(entry):
            if Path(test.span.source.name) == self.path:
                yield CapItem.from_parent(self, name=titled(test, row), entry=entry, test=test, row=row)
        for node in entry.checked.properties if entry.checked is not None else ():
            if Path(node.span.source.name) == self.path:
                yield CapProperty.from_parent(self, name=f"property {node.title}", entry=entry, node=node)


class CapItem(pytest.Item):
    """One row of one test."""

    def __init__(self, *, entry: Entry, test: ast.Test, row: Row, **more: Any) -> None:
        super().__init__(**more)
        self.entry, self.cap, self.row = entry, test, row

    def runtest(self) -> None:
        from caplex.compiler.testing.timeline import run_test

        assert self.entry.policy is not None
        assert self.entry.checked is not None
        run = run_test(self.entry.policy, self.entry.checked, self.cap, self.row, variants=self.entry.variants)
        if not run.passed:
            raise CapFailure(run)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, CapFailure):
            from caplex.compiler.testing.report import failure_lines

            return "\n".join(failure_lines(excinfo.value.run)[1:]).lstrip("\n")
        return super().repr_failure(excinfo, style=style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.row.span.begin.line - 1, self.name


class CapProperty(pytest.Item):
    """One property, tried on as many cases as `caplex test` tries it on."""

    def __init__(self, *, entry: Entry, node: ast.Property, **more: Any) -> None:
        super().__init__(**more)
        self.entry, self.node = entry, node

    def runtest(self) -> None:
        from caplex.compiler.testing.properties import check

        found = next(each for each in check(self.entry, select=lambda title: title == self.node.title) if each.node is self.node)
        if not found.holds:
            raise CapRefuted(found)
        if found.vacuous:
            warnings.warn(f"property {self.node.title} says nothing about this policy: its `if` held on none of {found.cases} cases", stacklevel=1)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, CapRefuted):
            from caplex.compiler.testing.measured import failed
            from caplex.compiler.testing.properties import SEED

            return "\n".join(failed(excinfo.value.found, SEED)[1:]).lstrip("\n")
        return super().repr_failure(excinfo, style=style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.node.span.begin.line - 1, self.name


class CapRefuted(Exception):
    """A property that does not hold."""

    def __init__(self, found: Checked) -> None:
        super().__init__("does not hold: " + (found.counterexample.decision.verdict.value if found.counterexample is not None else ""))
        self.found = found


class CapFailure(Exception):
    """A row that did not pass."""

    def __init__(self, run: Run) -> None:
        first = run.failures[0] if run.failures else None
        said = f"expected {first.expected.removeprefix('expect ')}, got {first.got}" if first is not None else run.error.message if run.error else ""
        super().__init__(said)
        self.run = run


def _rendered(entry: Entry) -> list[str]:
    from caplex.compiler.testing.report import plain_lines

    return plain_lines(each for each in entry.diagnostics if each.is_error)
