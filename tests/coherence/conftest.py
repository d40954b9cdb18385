"""Small policies around one or two items, checked."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from caplex.compiler import driver
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.source import Source

HEADER = (
    "policy p {{ version \"1\" language 1 currency USD timezone \"UTC\" stages SYS, KILL, LOSS, ORD, EXEC, EXP {closing} "
    "unlimited exposure unlimited loss lot 1 {more} }}\n"
)

Checked = tuple[CheckedModule | None, list[Diagnostic]]


def check_text(text: str, *, closing: str = "closing skips LOSS, EXEC, EXP", more: str = "overrides tightest wins") -> Checked:
    return driver.check_source(Source("p.cap", HEADER.format(closing=closing, more=more) + text))


@pytest.fixture
def check() -> Callable[..., Checked]:
    return check_text


@pytest.fixture
def codes() -> Callable[..., list[str]]:
    """The codes that a text gives, in order."""
    return lambda text, **header: [problem.code.id for problem in check_text(text, **header)[1]]
