"""Codes are a contract: one list, no number twice, every one with a page."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from caplex.compiler.diagnostics import catalogue
from caplex.compiler.diagnostics.diagnostic import Code

DECLARED = {module.__name__.rpartition(".")[2]: module for module in catalogue.MODULES}


def test_every_module_of_codes_is_in_the_list():
    files = {path.stem for path in Path(catalogue.__file__).parent.glob("codes_*.py")}
    assert files == set(DECLARED)


@pytest.mark.parametrize("name", DECLARED)
def test_a_module_lists_every_code_that_it_declares(name):
    module = DECLARED[name]
    declared = {value.id for value in vars(module).values() if isinstance(value, Code)}
    assert declared == {code.id for code in module.CODES}


@pytest.mark.parametrize("code", catalogue.codes(), ids=lambda code: code.id)
def test_every_code_has_a_page_that_says_why(code):
    assert re.fullmatch(r"CAP[1-9]\d\d", code.id)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code.name)
    assert catalogue.family(code)
    page = catalogue.page(code)
    assert page.startswith(f"# {code.id}: {code.title}\n")
    assert code.why.rstrip().endswith((".", "?")), "why is a sentence"
    assert "## Why" in page
    assert ("## Avoid" in page) == bool(code.example)
    assert ("## Prefer" in page) == bool(code.cure)


def test_codes_are_found_by_number_and_by_name():
    code = catalogue.codes()[0]
    assert catalogue.lookup(code.id.lower()) is code
    assert catalogue.lookup(code.name.upper()) is code
    assert catalogue.lookup("CAP000") is None


def test_the_index_has_a_row_for_each():
    assert len(catalogue.index().splitlines()) == 2 + len(catalogue.codes())
