"""What must not be complained about: sound policies, and pairs that look alike."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from caplex.compiler import driver
from caplex.compiler.semantics.coherence import past
from caplex.compiler.semantics.stages import day_start
from caplex.compiler.source import Source
from tests.coherence.conftest import check_text

ROOT = Path(__file__).parent.parent.parent
SWITCH = "kill switch KILL-010 {{ trip when {} while tripped deny opening {} }}"
QUIET = {
    "two tiers": "limit EXP-010 { after.portfolio.gross at most 2x of account.equity else reduce }\n"
                 "limit EXP-020 { after.portfolio.gross at most 3x of account.equity else deny }",
    "ask, then deny": 'limit EXP-010 { intent.notional at most 500 USD else hold for approval by role "desk" }\n'
                      "limit EXP-020 { intent.notional at most 900 USD else deny }",
    "other guards": 'limit EXP-010 { when intent.side == buy, intent.notional at most 500 USD else deny }\n'
                    "limit EXP-020 { when intent.side == sell, intent.notional at most 900 USD else deny }",
    "one is waived": "limit EXP-010 { intent.notional at most 500 USD else deny }\nlimit EXP-020 { intent.notional at most 900 USD else deny }\n"
                     'waiver W-010 of EXP-010 through 2026-06-30 approved by "CRO" ticket "R-1" { when intent.symbol == "SH" }',
    "a weaker rule trips": "limit LOSS-010 { account.day_loss below 500 USD else deny }\nlimit LOSS-020 { account.day_loss below 900 USD else deny }\n"
                           "kill switch KILL-010 { trip when LOSS-020 violated while tripped deny opening rearm never }",
    "other windows": "throttle EXEC-010 { deny beyond 10 orders in any 1min }\nthrottle EXEC-020 { deny beyond 50 orders in any 1h }",
    "shares of equity that may be negative": "limit EXP-010 { after.portfolio.net at most 2x of account.equity else deny }\n"
                                             "limit EXP-020 { after.portfolio.net at most 3x of account.equity else deny }",
    "a knob": "setting most : count = 0 within 0..9\nrule EXP-010 { deny when portfolio.positions > most }",
    "unlimited": "limit EXP-010 { intent.notional at most unlimited else deny }\nlimit EXP-020 { intent.notional at most 5 USD else deny }",
    "a fallback that breaks": "rule EXP-010 { require (venue.reject_rate else 1) < 5% }",
    "asked for": "rule EXP-010 { when venue.reject_rate is known, require (venue.reject_rate else 0) < 5% }",
    "a fallback that decides nothing": "limit EXP-010 { account.equity + (account.cash else 0 USD) at least 5 USD else deny }",
    "titles": 'limit LOSS-010 "Stop at 3%" { account.day_loss below 3% of account.day_start_equity else deny }\n'
              'limit EXP-010 "Maximum position 10%" { abs(after.position.notional) at most 10% of account.equity else reduce }\n'
              'limit EXP-020 "Top 40 names, 2026" { portfolio.gross at most 3x of account.equity else deny }\n'
              'cooldown EXEC-010 "5 minutes" { deny during 300s after last fill }',
    "a title with its setting": "setting stop : ratio = 2%\n"
                                'limit LOSS-010 "Stop at 2%" { account.day_loss below stop of account.day_start_equity else deny }',
    "parentheses": "limit EXP-010 { portfolio.gross at most (20% of account.equity) + account.available else deny }",
    "tight, then wide": "limit EXP-010 { portfolio.gross at most max(min(2% of account.day_start_equity, 1_000 USD), 900 USD) else deny }",
    "sides of an enumeration": "rule EXP-010 { deny when intent.side == buy and intent.symbol != \"A\" and account.equity within 3 USD..5 USD }",
    "re-arms below": SWITCH.format("account.day_loss >= 500 USD", "rearm when (account.day_loss < 400 USD)"),
    "re-arms below a share": SWITCH.format("portfolio.gross > 3x of account.equity", "rearm when (portfolio.gross < 2x of account.equity)"),
    "re-arms not while tripping": SWITCH.format("account.day_loss >= 500 USD and now > 2026-01-01T00:00:00Z",
                                                "rearm when (not (account.day_loss >= 500 USD and now > 2026-01-01T00:00:00Z))"),
    "rebased, with a floor": SWITCH.format(
        "account.drawdown >= 10%", "rearm by 1 of \"risk\" on rearm rebase account.peak_equity to account.equity")
        + "\nlimit LOSS-090 { account.equity at least 50_000 USD else deny }",
    "a price of any age, said so": "input curve { mid : price fresh always }\nrule EXP-010 { deny when curve.mid < 5 USD }",
    "a check of the data that carries a code": 'rule ORD-010 code "BAD-PRICE" { require market.price > 0 }',
    "only people": SWITCH.format("account.day_loss >= 500 USD", "rearm by 2 of \"risk\" and 30min after trip"),
    "sized": "input desk { edge : ratio within 0..1  leverage : ratio above 0 }\n"
             "size SIZE-010 for unsized orders { start 20% of account.available times 3 at most 500 USD times desk.edge "
             "at least 10 USD else deny in margin by desk.leverage }",
}


@pytest.mark.parametrize("name", QUIET)
def test_says_nothing(name: str, codes: Callable[..., list[str]]) -> None:
    assert codes(QUIET[name]) == []


def test_the_written_out_drawdown_is_the_drawdown(codes: Callable[..., list[str]]) -> None:
    text = SWITCH.format("(account.peak_equity - account.equity) / account.peak_equity >= 10%", "rearm when (account.drawdown < {})")
    assert codes(text.replace("{}", "8%")) == ["CAP606"]
    assert codes(text.replace("{}", "12%")) == ["CAP605"]


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/*.cap")), ids=lambda path: path.parent.name)
def test_examples_have_no_errors(path: Path) -> None:
    checked, problems = driver.check_path(path)
    assert checked is not None, [problem.message for problem in problems if problem.is_error]


CHECKS = ("require market.price > 0", "require market.price > 0 and portfolio.gross >= 0 USD", "require 0 < market.price and market.price >= 0")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(("stages", "attributes", "said"), [
    ("DATA | EXP", "", []), ("KILL, DATA | LOSS, EXP", "", []), ("DATA, KILL | EXP", "", ["CAP702"]), ("EXP | DATA", "", ["CAP702"]),
    ("DATA, EXP", "", ["CAP702"]), ("EXP, DATA", 'code "X"', []),
])
def test_the_recommended_check_of_the_data(check: str, stages: str, attributes: str, said: list[str]) -> None:
    header = f'policy p {{ language 1 currency USD stages {stages} closing faces every rule unlimited loss unlimited exposure }}\n'
    text = f"rule DATA-010 {attributes} {{ {check} }}\nlimit EXP-010 {{ intent.quantity at most 5 else deny }}"
    checked, problems = driver.check_source(Source("p.cap", header + text))
    assert checked is not None, problems
    assert [problem.code.id for problem in problems] == said


@pytest.mark.parametrize("effect", ["deny when market.price < 0", "require true", "require portfolio.gross >= 0 USD or intent.side == buy"])
def test_what_is_no_check_of_the_data_is_told(effect: str) -> None:
    header = 'policy p { language 1 currency USD stages DATA | EXP closing faces every rule unlimited loss unlimited exposure }\n'
    text = f"rule DATA-010 {{ {effect} }}\nlimit EXP-010 {{ intent.quantity at most 5 else deny }}"
    assert [problem.code.id for problem in driver.check_source(Source("p.cap", header + text))[1]] == ["CAP702"]


DATED = (
    "setting share : ratio = 5% lower is safer { loosen for symbol \"A\" = 8% through 2026-03-31 approved by \"CRO\" }\n"
    "limit EXP-010 monitor through 2026-02-28 { abs(after.position.notional) at most share of account.equity else reduce }\n"
    "rule EXP-020 { deny when account.equity < 5 USD }\n"
    'waiver W-010 of EXP-020 through 2026-06-30 approved by "CRO" ticket "R-1" { when intent.symbol == "SH" }\n'
)


@pytest.mark.parametrize(("day", "count"), [("2026-02-28", 0), ("2026-03-01", 1), ("2026-04-01", 2), ("2026-07-01", 3), ("2027-01-01", 4)])
def test_past_its_date(day: str, count: int) -> None:
    checked, _ = check_text(DATED, more="effective 2026-01-01 through 2026-12-31, then deny opening")
    assert checked is not None
    found = past(checked, day_start(day, "UTC"))
    assert [problem.code.id for problem in found] == ["CAP716"] * count
