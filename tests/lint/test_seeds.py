"""Each lint finds its defect where it is planted, in a policy of more than twenty rules, and says nothing else."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.lint.registry import codes
from caplex.compiler.lint.run import Asked, lint_source
from caplex.compiler.source import Source

SOUND = (Path(__file__).parent / "sound.cap").read_text(encoding="utf-8")
GROSS = '''limit EXP-020 "Whole book" severity high {
  after.portfolio.gross at most 1.5x of account.equity  else reduce
}
'''
WARN = '''limit EXP-025 "Whole book, nearly full" severity low {
  after.portfolio.gross at most 1.2x of account.equity  else warn
}
'''
NET = '''limit EXP-030 "Net" severity high {
  abs(after.portfolio.net) at most 90% of account.equity  else deny
}
'''
NAMES = '''limit EXP-040 "Names" severity medium {
  portfolio.positions below max_names  else deny
}
'''
HELD = '''limit EXP-050 "Own and free" severity medium {
  portfolio.gross at most (80% of account.equity) + account.available
    else hold for approval by role "head-of-desk"
}
'''
SWITCHES = SOUND[SOUND.index("kill switch KILL-010"):SOUND.index("limit LOSS-010")]
WAIVER = SOUND[SOUND.index("waiver W-010"):SOUND.index("size SIZE-010")]
LISTED = SOUND[SOUND.index("rule ORD-010"):SOUND.index("limit ORD-020")]
HOUR = 'throttle EXEC-020 "Hour"    severity medium { deny beyond 100 orders in any 1h }\n'

# What is planted: pairs of what stands there and what is put in its place. An empty first part: appended.
SEEDS: dict[str, list[tuple[str, str]]] = {
    "CAP604": [("  trip when 5 denials of severity high in any 5min\n", "")],
    "CAP606": [("  on rearm rebase account.peak_equity to account.equity\n", ""), (" and when (drawdown < 8% or portfolio.gross == 0 USD)", "")],
    "CAP701": [("1.5x of account.equity", "150% of account.equity")],
    "CAP702": [("deny when market.price < 5 USD", "deny when market.price < 0")],
    "CAP703": [("", 'limit EXP-060 "Flat" { portfolio.gross below 0 USD else deny }\n')],
    "CAP704": [("", 'limit EXP-060 "Net, again" { abs(after.portfolio.net) at most 95% of account.equity else deny }\n')],
    "CAP705": [("closing   skips LOSS, EXEC, EXP", "closing   skips EXEC, EXP")],
    "CAP706": [("", 'rule EXP-060 "Venue" { require (venue.reject_rate else 0) < 5% }\n')],
    "CAP707": [("intent.notional at most max_order  else", "intent.notional at most 80_000 USD  else")],
    "CAP708": [("mid : price fresh within 30s", "mid : price")],
    "CAP709": [('"Daily loss stop"', '"Daily loss stop at 3%"')],
    "CAP710": [('when intent.symbol == "SH"', 'when intent.strategy == "HEDGE"')],
    "CAP711": [(SOUND[SOUND.index("## Never set anew."):SOUND.index("limit LOSS-030")], "")],
    "CAP712": [("min(max(2% of account.equity, 1_000 USD), account.available)", "max(min(2% of account.equity, 1_000 USD), account.available)")],
    "CAP713": [("(80% of account.equity) + account.available", "80% of account.equity + account.available")],
    "CAP714": [("mode      enforce", "mode      monitor"), ('"Names" severity medium', '"Names" severity medium monitor through 2026-06-30')],
    "CAP715": [('ticket "RISK-412"', 'ticket "RISK-412" including kill switches')],
    "CAP716": [("through 2026-06-30", "through 2026-03-31")],
    "CAP720": [("abs(after.position.notional) at most", "after.position.notional at most"), (GROSS, ""), (WARN, "")],
    "CAP721": [("abs(after.portfolio.net) at most", "abs(portfolio.net) at most")],
    "CAP722": [(SWITCHES, "")],
    "CAP723": [("  trip when 5 denials of severity high in any 5min\n", ""), ('  rearm by 1 of "risk-officer"\n', "  rearm 30min after trip\n")],
    "CAP724": [(GROSS, ""), (WARN, ""), (NET, ""), (NAMES, 'limit EXP-040 "A day" { count(orders in last 1d) below max_names else deny }\n'), (HELD, "")],
    "CAP725": [(LISTED, ""), (HOUR, "")],
    "CAP726": [("setting max_names : count = 30", "setting max_names : count = 60")],
    "CAP727": [('"Whole book, nearly full" severity low', '"Whole book, nearly full" severity critical')],
    "CAP728": [("at most 1.2x of", "at most 1.6x of")],
    "CAP729": [('"Order size" severity medium {\n  intent.quantity at most 10_000 units', '"Orders per minute" severity medium {\n  count(orders) below 30')],
    "CAP730": [("drawdown below 6%", "drawdown below 6")],
    "CAP731": [('["GME", "AMC"]', '["GME ", "AMC"]')],
    "CAP740": [('\n  because "{intent.symbol} stands at {market.price}, the curve at {curve.mid}"', "")],
    "CAP741": [(' "Penny stocks"', "")],
    "CAP742": [('rule ORD-050 "Board"', 'rule ORD-035 "Board"')],
    "CAP743": [("intent.notional > 60_000 USD", "intent.notional > 75_000 USD")],
    "CAP744": [("", "".join(f'limit EXP-0{n} "{n}" {{ when intent.symbol == "S{n}", intent.notional at most 900 USD else deny }}\n' for n in (60, 70, 80)))],
    "CAP745": [('lower is safer  "Largest order"', "lower is safer")],
    "CAP747": [('require intent.symbol not in ["GME", "AMC"]', 'deny when not (intent.symbol not in ["GME", "AMC"])')],
    "CAP748": [("and intent.side == buy", "and not (intent.side == sell)")],
    "CAP749": [("deny when market.price < 5 USD", 'deny when market.price >= 1 USD and market.price <= 5 USD because "too cheap"')],
    "CAP750": [("at most 1.5x of account.equity", "at most 1.5x of (account.equity)")],
    "CAP751": [("below 2% of account.day_start_equity", "below 0.02 of account.day_start_equity")],
    "CAP752": [("let drawdown =", "let lost = account.peak_equity - account.equity\nlet drawdown =")],
    "CAP760": [("limit LOSS-030", "# caplex: ignore CAP705 because closing was not skipped once\nlimit LOSS-030")],
    "CAP761": [("limit EXP-020", "# caplex: ignore CAP701\nlimit EXP-020")],
    "CAP762": [("limit EXP-020", "# caplex: ignore above-the-hole because the mandate says so\nlimit EXP-020")],
}
# Planted elsewhere: warnings about imports and allocation, a module's first line.
ELSEWHERE = {"CAP209", "CAP224", "CAP460", "CAP515", "CAP746"}
# A switch that people alone trip is told by `check` as well.
TOO = {"CAP723": {"CAP604"}}
AS_OF = {"CAP716": "2026-05-01"}


# The same defect in other clothes.
CLOTHES = {
    "a condition of two parts": ("CAP721", 'rule EXP-060 "Two" code TWO { deny when account.equity < 900_000 USD and abs(position.quantity) > 5_000 units }\n'),
    "through a let": ("CAP721", 'let held = abs(position.quantity)\nlimit EXP-060 "Held" { held at most 5_000 units else deny }\n'),
    "a title in money": ("CAP709", 'limit EXP-060 "Order of at most 50_000 USD" { intent.notional at most 500_000 USD else deny }\n'),
    "a title in percent, a bare one": ("CAP709", 'rule EXP-060 "Drawdown of 1%" code DOWN { deny when account.drawdown > 1 and intent.quantity < 5 units }\n'),
    "fifty for fifty percent": ("CAP730", 'rule EXP-060 "Sure" code SURE { deny when intent.confidence is known and (intent.confidence else 0) > 50 }\n'),
    "the other way round": ("CAP730", 'rule EXP-060 "Sure" code SURE { deny when 50 < account.drawdown and intent.side == buy }\n'),
    "a blank in front": ("CAP731", 'rule EXP-060 "One" code ONE { deny when intent.symbol == " GME" and intent.side == buy }\n'),
    "a warning beyond a setting": ("CAP728", 'limit EXP-060 "Near" severity low { abs(after.position.notional) at most 30% of account.equity else warn }\n'),
    "a warning beyond a setting that denies": (
        "CAP728", 'setting stop : ratio = 4% within 0%..9% lower is safer "Stop"\n'
                  'limit EXP-070 "Stop" { account.drawdown at most stop else deny }\nlimit EXP-080 "Near" { account.drawdown at most 5% else warn }\n'),
    "a count without end": ("CAP729", 'limit EXP-060 "Fills" { count(fills) below 500 else deny }\n'),
    "two counts without end": ("CAP729", 'limit EXP-060 "Noise" { count(rejects) + count(cancels) below 500 else deny }\n'),
    "required": ("CAP747", 'rule EXP-060 "Not far" { require not (market.price > 900 USD) }\n'),
    "known": ("CAP748", 'rule EXP-060 "Rates" { when not (venue.reject_rate is known), require intent.quantity < 50 units }\n'),
    "from the other side": ("CAP749", 'rule EXP-060 "P" code P { deny when 900 USD <= market.price and 950 USD >= market.price }\n'),
    "a switch by hand, for ever": ("CAP723", 'kill switch KILL-030 "Hand" { while tripped deny opening rearm never }\n'),
    "a warning that is high": ("CAP727", 'rule EXP-060 "High" severity high { warn when market.price > 900 USD }\n'),
}


def planted(code: str) -> str:
    text = SOUND
    for old, new in SEEDS[code]:
        assert not old or old in text, old
        text = text.replace(old, new) if old else text + "\n" + new
    return text


def found(text: str, tmp_path: Path, **asked: str) -> list[Diagnostic]:
    return list(lint_source(Source("sound.cap", text), tmp_path / "sound.cap", Asked(**asked)).found)


def test_the_policy_is_large_and_sound(tmp_path: Path) -> None:
    assert len(re.findall(r"^(rule|limit|throttle|cooldown|kill switch) ", SOUND, re.M)) >= 20
    assert [each.message for each in found(SOUND, tmp_path, as_of="2026-05-01")] == []


def test_every_lint_has_a_seed() -> None:
    assert set(codes()) - ELSEWHERE == set(SEEDS)


@pytest.mark.parametrize("code", SEEDS)
def test_finds_what_is_planted_and_nothing_else(code: str, tmp_path: Path) -> None:
    text = planted(code)
    assert len(re.findall(r"^(rule|limit|throttle|cooldown|kill switch) ", text, re.M)) >= 20
    told = found(text, tmp_path, **({"as_of": AS_OF[code]} if code in AS_OF else {}))
    assert {each.code.id for each in told} == {code, *TOO.get(code, ())}, [(each.code.id, each.message) for each in told]
    assert all(each.span is not None and each.message for each in told)


@pytest.mark.parametrize("name", CLOTHES)
def test_finds_it_in_other_clothes(name: str, tmp_path: Path) -> None:
    code, text = CLOTHES[name]
    # Switches stand last in the file, as the plant does; where that is out of order is another lint.
    told = [each for each in found(SOUND + "\n" + text, tmp_path) if each.code.id not in ("CAP742", *TOO.get(code, ()))]
    assert [each.code.id for each in told] == [code], [each.message for each in told]


@pytest.mark.parametrize("code", [code for code in SEEDS if code not in AS_OF])
def test_is_silent_when_ignored(code: str, tmp_path: Path) -> None:
    told = lint_source(Source("sound.cap", planted(code)), tmp_path / "sound.cap", Asked(ignore=(code,))).found
    assert code not in {each.code.id for each in told}


def test_what_ended_before_the_policy_begins_needs_no_day(tmp_path: Path) -> None:
    header = "  currency  USD\n"
    assert header in SOUND
    text = SOUND.replace(header, header + "  effective  2026-05-01 through 2026-12-31, then deny opening\n")
    assert found(text, tmp_path) == []
    told = found(text.replace("through 2026-06-30", "through 2026-03-31"), tmp_path)
    assert [(each.code.id, each.message) for each in told] == [("CAP716", "the waiver `W-010` has ended")]
