"""The specification and the conformance cases know each other."""
from __future__ import annotations

import re

import pytest
from guide_pages import DOCS, ROOT

SPEC = (DOCS / "spec.md").read_text(encoding="utf-8")
PARAGRAPHS = re.findall(r"^\*\*(CAP-[A-Z]+-[0-9]+)\.\*\*", SPEC, re.M)
SECTIONS = re.findall(r"^## (CAP-[A-Z]+): ", SPEC, re.M)
CASES = sorted(path for folder in (".", "streams", "timelines", "allocations", "measures", "frames") for path in (ROOT / "tests" / "conformance" / folder).glob("*.yaml"))
MOST_WITHOUT_A_CASE = 19
"""Lower it when cases are written; it never rises."""


def named() -> dict[str, list[str]]:
    """Paragraphs that cases hold, and the files that do."""
    found: dict[str, list[str]] = {}
    for path in CASES:
        for paragraph in re.findall(r"^spec: (\S+)", path.read_text(encoding="utf-8"), re.M):
            found.setdefault(paragraph, []).append(path.name)
    return found


def test_every_case_holds_a_paragraph_that_exists():
    unknown = {paragraph: files for paragraph, files in named().items() if paragraph not in PARAGRAPHS}
    assert unknown == {}


def test_paragraphs_without_a_case_become_fewer(capsys):
    without = [paragraph for paragraph in PARAGRAPHS if paragraph not in named()]
    with capsys.disabled():
        print(f"\n{len(without)} of {len(PARAGRAPHS)} paragraphs have no conformance case: {', '.join(without)}")
    assert len(without) <= MOST_WITHOUT_A_CASE


def test_numbers_are_given_once_and_in_order():
    assert len(set(PARAGRAPHS)) == len(PARAGRAPHS)
    for section in SECTIONS:
        numbers = [int(each.rpartition("-")[2]) for each in PARAGRAPHS if each.startswith(section + "-")]
        assert numbers == list(range(1, len(numbers) + 1)), section
    assert {each.rpartition("-")[0] for each in PARAGRAPHS} == set(SECTIONS)


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_pages_name_only_paragraphs_that_exist(page):
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"\bCAP-[A-Z]+-[0-9]+\b", text)) <= set(PARAGRAPHS)
    assert set(re.findall(r"\bCAP-[A-Z]+\b", text)) <= set(SECTIONS)
