"""The five systems' own mistakes, written as policies: each is found by a lint, or refused by `check`.

`#! CAPnnn words` says, on the faulty line, with which code, and which mistake of theirs it was; nothing else may be found,
but notes. Chunks are parted by lines of `---`.
"""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from caplex.compiler import driver
from caplex.compiler.diagnostics.diagnostic import Level
from caplex.compiler.lint.run import Asked, lint_source
from caplex.compiler.source import Source

HERE = Path(__file__).parent / "mistakes"
SYSTEMS = ("policygate", "entry_gate", "execution_layer", "strategy_governor", "capital_governor")
_MARK = re.compile(r"#! (CAP\d{3}) (.+)")
CHUNKS = [(path.stem, number, text) for path in sorted(HERE.glob("*.caps"))
          for number, text in enumerate(re.split(r"^---\n", path.read_text(encoding="utf-8"), flags=re.M), 1)]


def test_all_five_are_here() -> None:
    assert {name for name, _, _ in CHUNKS} == set(SYSTEMS)
    assert sum(len(_MARK.findall(text)) for _, _, text in CHUNKS) >= 20


@pytest.mark.parametrize(("name", "number", "text"), CHUNKS, ids=[f"{name}-{number}" for name, number, _ in CHUNKS])
def test_each_mistake_is_found_or_refused(name: str, number: int, text: str, tmp_path: Path) -> None:
    wanted = sorted((line, code) for line, row in enumerate(text.splitlines(), 1) for code, _ in _MARK.findall(row))
    plain = "".join(row.partition("#!")[0].rstrip() + "\n" for row in text.splitlines())
    found = lint_source(Source(f"{name}.cap", plain), tmp_path / f"{name}.cap", Asked()).found
    told = sorted((each.span.begin.line, each.code.id) for each in found if each.span is not None and each.severity is not Level.NOTE)
    assert told == wanted, [(each.code.id, each.message) for each in found]


def test_some_are_refused_by_check() -> None:
    """What the lints need not know of, because it does not compile."""
    refused = []
    for name, _, text in CHUNKS:
        plain = "".join(row.partition("#!")[0].rstrip() + "\n" for row in text.splitlines())
        checked, found = driver.check_source(Source(f"{name}.cap", plain))
        refused += [each.code.id for each in found if each.is_error]
        assert (checked is None) == any(each.is_error for each in found)
    assert len(refused) >= 3
