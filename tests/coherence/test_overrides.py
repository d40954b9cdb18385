"""Overrides: the third example of the design's diagnostics byte for byte, and which pairs are ranked."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from caplex.compiler import driver
from caplex.compiler.diagnostics.render import render
from caplex.compiler.source import Source

EXAMPLE = """\
error[CAP412]: two overrides match and neither outranks the other
  --> desk.cap:22:11
   |
22 |   set for symbol "ETHUSDT" = 8%
   |           ---------------- matches ETHUSDT with any strategy
23 |   set for strategy "SCALPER" = 6%
   |           ------------------ matches SCALPER with any symbol
   = note: both apply to (ETHUSDT, SCALPER)
   = help: declare `overrides by symbol > strategy > default`
"""
HEADER = "policy desk { language 1 currency USD stages EXP closing faces every rule unlimited loss }\n"


def test_the_example() -> None:
    body = 'setting share : ratio = 5% {\n  set for symbol "ETHUSDT" = 8%\n  set for strategy "SCALPER" = 6%\n}\n'
    rule = "limit EXP-010 { abs(after.position.notional) at most share of account.equity else reduce }\n"
    source = Source("desk.cap", HEADER + "\n" * 19 + body + rule)
    _, problems = driver.check_source(source)
    assert [render(problem).rstrip() + "\n" for problem in problems] == [EXAMPLE]


SETTING = "setting share : ratio = 5% {} {{ {} }}\nlimit EXP-010 {{ abs(after.position.notional) at most share of account.equity else reduce }}"


@pytest.mark.parametrize(("side", "overrides", "order", "ambiguous"), [
    ("lower is safer", 'tighten for symbol "A" = 3% tighten for strategy "B" = 2%', "overrides tightest wins", False),
    ("", 'set for symbol "A" = 3% set for strategy "B" = 2%', "overrides tightest wins", True),
    ("", 'set for symbol "A" = 3% set for strategy "B" = 2%', "overrides by strategy > symbol > default", False),
    ("", 'set for symbol "A" = 3% set for strategy "B" = 2%', "overrides by strategy > default", True),
    ("", 'set for symbol "A" = 3% set for symbol "B" = 2%', "overrides tightest wins", False),
    ("", 'set for symbol "A" and strategy "B" = 3% set for symbol "C" and venue "V" = 2%', "overrides tightest wins", False),
    ("", 'set for symbol "A" and strategy "B" = 3% set for symbol "A" and venue "V" = 2%', "overrides tightest wins", True),
    ("lower is safer", 'tighten for strategy "B" = 3% loosen for symbol "A" = 9% through 2026-03-31 approved by "CRO"',
     "overrides by symbol > default", False),
])
def test_which_are_ranked(codes: Callable[..., list[str]], side: str, overrides: str, order: str, ambiguous: bool) -> None:
    assert ("CAP412" in codes(SETTING.format(side, overrides), more=order)) is ambiguous


def test_many_overrides_give_one_error(codes: Callable[..., list[str]]) -> None:
    symbols = " ".join(f'set for symbol "S{n}" = {n % 9 + 1}%' for n in range(300))
    strategies = " ".join(f'set for strategy "T{n}" = {n % 9 + 1}%' for n in range(300))
    assert codes(SETTING.format("", f"{symbols} {strategies}")) == ["CAP412"]
