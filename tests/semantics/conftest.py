"""Short ways to check a program in a test, as fixtures: `good` and `errors`."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from caplex.compiler import driver
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Level
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.source import Source

HEADER = ('policy p { version "1" language 1 currency USD timezone "America/New_York" stages SYS, KILL, LOSS, ORD, EXEC, EXP '
          "closing skips LOSS, EXEC unlimited exposure unlimited loss overrides tightest wins }\n")


def _check(
    text: str, *, header: str = HEADER, settings: Mapping[str, object] | None = None, base: Path | None = None
) -> tuple[CheckedModule | None, list[Diagnostic]]:
    return driver.check_source(Source("desk.cap", header + text), settings=settings, base=base)


def _good(
    text: str, *, header: str = HEADER, settings: Mapping[str, object] | None = None, base: Path | None = None, warnings: list[str] | None = None,
) -> CheckedModule:
    """The checked module of a program that has no errors; *warnings* are the codes of what else is told, if that is to be asked."""
    checked, problems = _check(text, header=header, settings=settings, base=base)
    assert checked is not None, [(problem.code.id, problem.message) for problem in problems]
    assert warnings is None or [problem.code.id for problem in problems if problem.severity is Level.WARNING] == warnings
    return checked


def _errors(
    text: str, *, header: str = HEADER, settings: Mapping[str, object] | None = None, base: Path | None = None
) -> list[tuple[str, str]]:
    """Code and message of each error, in order."""
    checked, problems = _check(text, header=header, settings=settings, base=base)
    assert checked is None
    return [(problem.code.id, problem.message) for problem in problems if problem.is_error]


@pytest.fixture
def good() -> object:
    return _good


@pytest.fixture
def errors() -> object:
    return _errors
