"""Every code has a page, and every error of these families has a program that provokes it."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from caplex.compiler.diagnostics import codes_names, codes_stages, codes_types
from caplex.compiler.diagnostics.diagnostic import Code

CODES = [*codes_names.CODES, *codes_types.CODES, *codes_stages.CODES]
TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.id)
def test_has_a_page(code: Code) -> None:
    assert re.fullmatch(r"CAP[234]\d\d", code.id)
    assert code.title
    assert code.example
    assert code.why.endswith(".")


def test_ids_and_names_are_used_once() -> None:
    assert len({code.id for code in CODES}) == len({code.name for code in CODES}) == len(CODES)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.id)
def test_has_an_error_program(code: Code) -> None:
    programs = [*TESTS.glob("errors/*.caps"), *TESTS.glob("semantics/*.py")]
    assert any(code.id in path.read_text(encoding="utf-8") for path in programs)
