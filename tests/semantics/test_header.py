"""The header, resolved."""
from __future__ import annotations

from fractions import Fraction

import pytest

RULES = "limit EXP-010 { intent.quantity at most 5 else deny }\nlimit LOSS-010 { account.day_loss at most 5 USD else deny }\n"


def test_everything_that_can_be_said(good):
    policy = good(RULES, header="""policy desk {
      version "3.1.0" language 1 mode monitor currency USD timezone "America/New_York" day starts 17:00 owner "Desk"
      effective 2026-01-05 through 2026-12-31, then deny all stages SYS, LOSS | EXP closing skips LOSS, EXP unless worse
      overrides by symbol > default lot 0.01 rounding never modify never journal failure: closing continues idempotency keep 7d strict
      unlimited exposure }\n""").policy
    assert (policy.name, policy.version, policy.mode, policy.owner, policy.outside) == ("desk", "3.1.0", "monitor", "Desk", "all")
    assert policy.effective_from_ns == 1767589200 * 10**9   # 2026-01-05T05:00:00Z
    assert policy.effective_until_ns == 1798779600 * 10**9  # 2027-01-01T05:00:00Z
    assert policy.day_start_ns == 17 * 3600 * 10**9
    assert policy.phases == (("SYS", "LOSS"), ("EXP",))
    assert policy.sys_listed
    assert policy.unless_worse
    assert policy.skipped == {"LOSS", "EXP"}
    assert policy.overrides == ("symbol", "default")
    assert policy.lot == Fraction(1, 100)
    assert policy.rounding_never
    assert policy.modify_never
    assert policy.journal_continues
    assert policy.strict
    assert policy.unlimited == {"exposure"}


def test_what_is_not_said(good):
    policy = good(RULES, header="policy p { currency USD stages LOSS, EXP closing faces every rule }\n").policy
    assert (policy.mode, policy.timezone, policy.overrides, policy.lot, policy.closing) == ("enforce", "UTC", "tightest", None, "faces")
    assert not policy.sys_listed


@pytest.mark.parametrize(("rules", "codes"), [
    ("limit EXP-010 { intent.quantity at most 5 else warn }\nlimit LOSS-010 { account.day_loss at most 5 USD else deny }", ["CAP448"]),
    ("limit EXP-010 monitor always { intent.quantity at most 5 else deny }\nlimit LOSS-010 { account.day_loss at most 5 USD else deny }", ["CAP448"]),
    ("limit EXP-010 for open { intent.quantity at most 5 else deny }\nlimit LOSS-010 { account.day_loss at most 5 USD else deny }", ["CAP448"]),
    ("limit EXP-010 { intent.quantity at most 5 else deny }\nlimit LOSS-010 { account.equity at least 5 USD else deny }", ["CAP449"]),
    ("limit EXP-010 { intent.quantity at most 5 else deny }\nkill switch KILL-010 { trip when account.drawdown > 5% while tripped deny all rearm never }", []),
    ("limit EXP-010 { intent.quantity at most 5 else deny }\nlet fall = account.equity - account.day_start_equity\n"
     "limit LOSS-010 { fall above -5 USD else deny }", []),
])
def test_what_enforcing_asks_for(good, errors, rules, codes):
    header = "policy p { currency USD stages KILL, LOSS, EXP closing faces every rule }\n"
    if codes:
        assert [code for code, _ in errors(rules, header=header)] == codes
    else:
        good(rules, header=header)


def test_monitoring_asks_for_nothing(good):
    good("rule EXP-010 { warn when intent.quantity > 5 }", header="policy p { mode monitor stages EXP closing faces every rule }\n")
