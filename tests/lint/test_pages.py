"""The page of a lint is executed: what it says to avoid is found, what it says to prefer is not."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from caplex.compiler.diagnostics import catalogue, codes_reading, codes_risk
from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic
from caplex.compiler.diagnostics.render import render
from caplex.compiler.lint.registry import COMMENTS, GROUPS, LINTS, checked_by_check, codes

Look = Callable[..., list[Diagnostic]]
OWN = [code for code in (*codes_risk.CODES, *codes_reading.CODES) if code is not codes_reading.BAD_CONFIGURATION]
GOLDEN = Path(__file__).parent / "pages.golden"
MODULES = {codes_reading.PACK_WITHOUT_WORDS.id}


def test_each_lint_has_one_code_and_each_code_one_lint() -> None:
    assert sorted(code.id for code in OWN) == sorted([*(lint.code.id for lint in LINTS), *(code.id for code in COMMENTS)])
    assert {group for _, group in codes().values()} == set(GROUPS)


def test_each_says_what_it_does() -> None:
    assert all((lint.run.__doc__ or "").strip().endswith(".") for lint in LINTS)


def test_what_check_finds_is_here_too() -> None:
    assert {"CAP606", "CAP705", "CAP709", "CAP209"} <= checked_by_check() <= set(codes())
    assert not checked_by_check() & {code.id for code in OWN}


@pytest.mark.parametrize("code", OWN, ids=lambda code: code.id)
def test_the_page_has_three_parts(code: Code) -> None:
    page = catalogue.page(code)
    assert page.index("## Why") < page.index("## Avoid") < page.index("## Prefer")


@pytest.mark.parametrize("code", OWN, ids=lambda code: code.id)
def test_what_to_avoid_is_found(code: Code, look: Look) -> None:
    found = look(code.example, header=code.id not in MODULES)
    assert code.id in {each.code.id for each in found}, found
    assert not [each.message for each in found if each.is_error]


@pytest.mark.parametrize("code", OWN, ids=lambda code: code.id)
def test_what_to_prefer_is_not(code: Code, look: Look) -> None:
    found = look(code.cure, header=code.id not in MODULES)
    assert code.id not in {each.code.id for each in found}, found
    assert not [each.message for each in found if each.is_error]


def test_reads_as_stored(look: Look) -> None:
    """What a person sees of each; write it anew with CAPLEX_WRITE_GOLDENS=1, and look at it again."""
    shown = "\n---\n".join(
        "\n\n".join(render(each) for each in look(code.example, header=code.id not in MODULES) if each.code is code) for code in OWN) + "\n"
    if os.environ.get("CAPLEX_WRITE_GOLDENS"):
        GOLDEN.write_text(shown, encoding="utf-8")
    assert shown == GOLDEN.read_text(encoding="utf-8")
