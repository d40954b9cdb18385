"""Every code of these families has a page, and a program that provokes it; checking takes time in step with the rules."""
from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from caplex.compiler.diagnostics import codes_lint, codes_rules, codes_sizing, codes_switches
from caplex.compiler.diagnostics.diagnostic import Code
from caplex.compiler.semantics import coherence
from tests.coherence.conftest import check_text

CODES = [*codes_rules.CODES, *codes_sizing.CODES, *codes_switches.CODES, *codes_lint.CODES]
TESTS = Path(__file__).parent.parent
MARKED = {code for path in TESTS.glob("errors/*.caps") for code in re.findall(r"#! (CAP\d{3})", path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.id)
def test_has_a_page_and_a_program(code: Code) -> None:
    assert code.title
    assert code.why.endswith(".")
    assert code.example
    assert code.id in MARKED or code is codes_lint.PAST_ITS_DATE  # which needs a date: see test_silence


def test_numbers_lie_in_their_families() -> None:
    for family, codes in (("4", codes_rules), ("5", codes_sizing), ("6", codes_switches), ("7", codes_lint)):
        assert all(code.id[3] == family for code in codes.CODES)
    assert all(not "CAP440" <= code.id <= "CAP479" for code in codes_rules.CODES)


def many(count: int) -> str:
    lines = ["setting cap : ratio = 10% within 0%..100% lower is safer {"]
    lines += [f'  tighten for symbol "S{n}" = {n % 9 + 1}%' for n in range(count // 2)]
    lines.append("}")
    for n in range(count // 4):
        lines += [
            f'limit EXP-{n}0 "Position" {{ when intent.symbol == "S{n}", abs(after.position.notional) at most cap of account.equity else reduce }}',
            f"limit LOSS-{n}0 {{ account.day_loss below {n % 50 + 1}% of account.day_start_equity else deny }}",
            f"rule EXP-{n}1 {{ deny when intent.notional > {n + 1}_000 USD and (intent.side == buy or account.equity < {n} USD) }}",
            f"rule EXP-{n}2 {{ require (venue.reject_rate else 1) < {n % 90 + 1}% or intent.quantity < {n} }}",
        ]
    return "\n".join(lines)


def test_time_grows_with_the_rules() -> None:
    took = []
    for count in (500, 2000):
        checked, _ = check_text(many(count))
        assert checked is not None
        start = time.perf_counter()
        coherence.check(checked)
        took.append(time.perf_counter() - start)
    assert took[1] < 12 * took[0] + 0.05, took


def test_same_under_any_order_of_hashing() -> None:
    """Sets are never walked unsorted: two runs in one process see different ids, and say the same."""
    first = [(problem.code.id, problem.message, problem.notes) for problem in check_text(many(80))[1]]
    again = [(problem.code.id, problem.message, problem.notes) for problem in check_text(many(80))[1]]
    assert first == again
