"""The fused form as it is written: where a denial ends the search, and comparisons without common factors."""

from __future__ import annotations

from typing import Any

import pytest

import caplex
from caplex.compiler.codegen.numbers import lowest

HEADER = """policy desk {{
  version "1"
  language 1
  mode enforce
  currency USD
  timezone "UTC"
  stages {stages}
  closing {closing}
  lot 1
  unlimited loss
  unlimited exposure
}}
input market {{ price : price fresh always }}
input signals {{ first : count  second : count }}
"""
RULES = """
limit EXP-010 { intent.quantity at most 50 else reduce }
limit EXP-020 { signals.first at most 1 else deny }
limit EXP-030 { signals.second at most 1 else deny }
"""


def policy(rules: str = RULES, stages: str = "EXP", closing: str = "faces every rule") -> caplex.Policy:
    return caplex.loads(HEADER.format(stages=stages, closing=closing) + rules)


def fused(text: caplex.Policy) -> str:
    return text.python.partition("# The traced form")[0]


def facts(first: Any = 0, second: Any = 0, quantity: str = "10", held: str = "0", side: str = "buy") -> dict[str, Any]:
    return {
        "now": "2026-01-05T15:00:00Z",
        "intent": {"id": "i", "action": "open", "symbol": "A", "side": side, "quantity": quantity},
        "positions": {"A": {"quantity": held}} if held != "0" else {},
        "orders": [],
        "market": {"A": {"price": "3"}},
        "inputs": {"signals": {"first": first, "second": second}},
    }


def test_a_denial_ends_the_search_and_all_its_reasons_are_told_when_asked() -> None:
    decision = policy().decide(facts(5, 5, "100"))
    assert decision._core == (0, 0b011, 0)
    assert (decision.verdict, decision.quantity, decision.reason["rule"], decision.decided_by) == (caplex.Verdict.DENY, 0, "EXP-010", "EXP-010")
    assert [reason.rule for reason in decision.reasons] == ["EXP-010", "EXP-020", "EXP-030"]
    assert policy().decide(facts(5, 5)).reason.rule == "EXP-020"


def test_a_reading_that_only_later_rules_want_does_not_change_a_denial() -> None:
    decision = policy().decide(facts(5, "many"))
    assert decision._core == (0, 0b010, 0)
    assert decision.decided_by == decision.to_dict()["decided_by"] == "EXP-020"
    assert [reason.rule for reason in decision.reasons] == ["EXP-020", "SYS-005"]


def test_where_sys_is_a_stage_such_a_reading_comes_first() -> None:
    decision = policy(stages="SYS, EXP").decide(facts(5, "many"))
    assert decision._core is None
    assert decision.decided_by == decision.reason.rule == "SYS-005"
    assert "return (0, " not in fused(policy(stages="SYS, EXP")).partition("if not mask")[0]


def test_a_denial_does_not_end_the_search_where_closing_may_take_back_what_was_broken_before() -> None:
    rules = RULES + "limit CLO-040 { signals.first at most 1 else deny }\n"
    found = policy(rules, "EXP, CLO", "skips EXP")
    assert "mask |= 8  # CLO-040" in fused(found)
    closing = found.decide(facts(5, 5, "10", held="20", side="sell"))
    assert (closing.verdict, closing.decided_by) == (caplex.Verdict.DENY, "CLO-040")
    assert found.decide(facts(5, 5)).decided_by == "EXP-020"


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        ("(x * 100)", "(y * 2)", ("(x * 50)", "y")),
        ("((x - y) * 4)", "(z * 6)", ("((x - y) * 2)", "(z * 3)")),
        ("(x * 100)", "0", ("x", "0")),
        ("(x * 100)", "(-250)", ("(x * 2)", "(-5)")),
        ("(x * 3)", "7", ("(x * 3)", "7")),
        ("x", "8", ("x", "8")),
        ("(x + y * 4)", "8", ("(x + y * 4)", "8")),
        ("((x - y) + (z) * 4)", "8", ("((x - y) + (z) * 4)", "8")),
        ("0", "0", ("0", "0")),
    ],
)
def test_sides_are_compared_without_their_common_factor(left: str, right: str, wanted: tuple[str, str]) -> None:
    assert lowest(left, right) == wanted
    for x, y, z in ((-7, 3, 2), (0, 0, 0), (5, 2, 9), (1, -4, 1)):
        names = {"x": x, "y": y, "z": z}
        before, after = (eval(f"({a}) - ({b})", {}, names) for a, b in ((left, right), wanted))
        assert (before > 0, before == 0) == (after > 0, after == 0)


def test_the_generated_code_says_what_its_names_stand_for_and_has_no_parentheses_around_a_line() -> None:
    text = fused(policy())
    names = dict(line[2:].split(" = ", 1) for line in text.splitlines() if line.startswith("# s"))
    assert sorted(names.values()) == ["signals.first", "signals.second"]
    first = next(name for name, told in names.items() if told == "signals.first")
    assert f"if {first} > 1: " in text
    assert "if n > 5000000000: mask |= 1  # EXP-010" in text
    assert "= (" not in text.replace("= (0", "")
