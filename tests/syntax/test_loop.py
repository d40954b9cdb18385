"""The loop for texts without mistakes and Lark's own come to the same tree, or the loop gives up."""
from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import caplex
from caplex.compiler.source import Source, Span
from caplex.compiler.syntax import parser
from caplex.compiler.syntax.loop import GivenUp

ROOT = Path(caplex.__file__).resolve().parents[1]
PROGRAMS = sorted([*(ROOT / "examples").glob("*/*.cap"), *(ROOT / "stdlib_rules").glob("*.cap")])
RULE = '''## Of group {0}.
limit EXP-{0} "Position {0}" {{
  when intent.symbol in ["S{0}", "T{0}"], abs(after.position.notional) at most {0}bp of account.equity else reduce
  because "{{intent.symbol}} would be {{after.position.notional * 2:money}}"
}}
'''
TEXT = RULE.format(10) + RULE.format(20)


class GivesUp:
    def parse(self, *_: Any) -> Any:
        raise GivenUp


def both(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    ours = parser.parse(Source("a.cap", text), ids=count())
    with monkeypatch.context() as patched:
        patched.setattr(parser, "loop", GivesUp)
        return ours, parser.parse(Source("a.cap", text), ids=count())


def laid_bare(value: Any) -> Any:
    """With ids and places, which `==` of nodes leaves out."""
    if isinstance(value, tuple | list):
        return [laid_bare(each) for each in value]
    if isinstance(value, Span):
        return (value.start, value.end)
    fields = getattr(value, "__dataclass_fields__", None)
    return value if fields is None or isinstance(value, Source) else (type(value).__name__, [laid_bare(getattr(value, field)) for field in fields])


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_same_tree_with_the_same_places_and_ids(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text(encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(parser, "_run", None)  # Lark is not asked
        ours = parser.parse(Source("a.cap", text), ids=count())
    larks = both(text, monkeypatch)[1]
    assert ours[0] is not None
    assert laid_bare(ours[0]) == laid_bare(larks[0])


@pytest.mark.parametrize("cut", range(0, len(TEXT), 7))
def test_a_text_that_breaks_off_is_told_the_same(cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (TEXT[:cut], TEXT[:cut] + TEXT[cut + 3 :]):
        ours, larks = both(text, monkeypatch)
        assert [(each.code.id, each.message, each.span) for each in ours[1]] == [(each.code.id, each.message, each.span) for each in larks[1]]
        assert laid_bare(ours[0]) == laid_bare(larks[0])


@pytest.mark.parametrize("hole", ["{1 +}", "{account.equity * 2:money}", "{(}", "{}", "{if}", "{max(1, 2)} and {max(1}"])
def test_holes(hole: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, larks = both(f'rule EXP-010 {{ deny when intent.quantity > 5\n because "so {hole}" }}', monkeypatch)
    assert [(each.code.id, each.message, each.span) for each in ours[1]] == [(each.code.id, each.message, each.span) for each in larks[1]]
    assert laid_bare(ours[0]) == laid_bare(larks[0])


def test_no_terminal_is_meant_otherwise_by_lark() -> None:
    """Lark looks again at what a pattern matched where a fixed text might be meant; ours does not, so there must be no such text."""
    import re

    from lark.lexer import _create_unless

    lexers = parser.front()[0].lark.parser.lexer.lexers  # type: ignore[attr-defined]
    assert not any(_create_unless(lexer.terminals, 0, re, False)[1] for lexer in {id(each): each for each in lexers.values()}.values())  # type: ignore[no-untyped-call]


def test_twice_the_text_is_twice_the_calls() -> None:
    """Of the parser and the builder, so that nothing is quadratic in the number of rules."""
    def calls(rules: int) -> int:
        text = "\n".join(RULE.format(number) for number in range(rules))
        parser.parse(Source("a.cap", text))
        seen = 0

        def profile(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal seen
            seen += event in ("call", "c_call")

        sys.setprofile(profile)
        try:
            parser.parse(Source("a.cap", text))
        finally:
            sys.setprofile(None)
        return seen

    assert calls(80) < 2.1 * calls(40)
