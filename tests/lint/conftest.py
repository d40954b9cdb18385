"""Lets the tests of this folder run the real command, lint texts that are not on disk, and take policies from tests/differential."""
from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from caplex.compiler.cli.main import run
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.lint.run import Asked, lint_source
from caplex.compiler.source import Source

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

HEADER = (
    'policy p {{ version "1" language 1 currency USD timezone "UTC" stages SYS, KILL, LOSS, ORD, EXEC, EXP {closing} '
    "unlimited exposure unlimited loss lot 1 {more} }}\n"
)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAPLEX_NO_CACHE", "1")


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., list[Diagnostic]]:
    """Findings in a text; with the usual header if it has none of its own and *header* is not False."""

    def findings(text: str, *, header: bool = True, closing: str = "closing skips LOSS, EXEC, EXP", more: str = "overrides tightest wins",
                 **asked: object) -> list[Diagnostic]:
        own = text.lstrip().startswith("policy ") or not header
        whole = text if own else HEADER.format(closing=closing, more=more) + text
        return list(lint_source(Source("p.cap", whole), tmp_path / "p.cap", Asked(**asked)).found)  # type: ignore[arg-type]

    return findings


@pytest.fixture
def caplex(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command: status, standard output, standard error."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        status = run([str(each) for each in arguments])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return call
