"""What if a fact were another: both decisions, what differs, and places that facts do not have."""
from __future__ import annotations

import copy
import json
import re
import unicodedata
from decimal import Decimal
from pathlib import Path

import pytest

import caplex
from caplex.runtime.facts import Facts
from caplex.runtime.paths import BadPath
from caplex.runtime.whatif import what_if

DESK = Path(caplex.__file__).resolve().parents[1] / "examples" / "quickstart"
POLICY = '''policy desk {
  version "1"  language 1  currency USD
  stages SYS, KILL, LOSS, EXEC, EXP
  closing skips LOSS, EXEC, EXP
  overrides tightest wins
}
input tags_seen { score : ratio }
input calm : bool
setting max_position : ratio = 10%  lower is safer  "Largest share"
limit LOSS-010 "Daily loss stop" { account.day_loss below 2% of account.day_start_equity else deny }
limit EXP-010 "Position size" { abs(after.position.notional) at most max_position of account.equity else reduce }
limit EXP-020 "Score" { tags_seen.score at most 50% else deny }
rule EXP-030 "Calm" { deny when not calm }
throttle EXEC-010 "Rejects" { deny beyond 3 rejects in any 1min from counters.rejects }
kill switch KILL-010 "Portfolio stop" for account {
  trip when account.drawdown >= 10%
  while tripped deny opening
  rearm by 1 of "risk-officer" and 30min after trip and when (account.drawdown < 8%)
}
'''


@pytest.fixture(scope="module")
def desk():
    return caplex.load(DESK / "desk.cap")


def cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def facts(name: str):
    return json.loads((DESK / "facts" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def policy():
    return caplex.loads(POLICY, name="desk.cap")


@pytest.fixture
def given(document):
    return document(inputs={"tags_seen": {"score": "0.1"}, "calm": True})


def test_a_denial_flips_and_the_rules_that_changed_are_told(desk):
    document = facts("6-kill-switch")
    before = copy.deepcopy(document)
    found = desk.what_if(document, {"account.equity": "950000"})
    assert document == before
    assert (found.before.verdict, found.after.verdict, found.flips) == ("DENY", "ALLOW", True)
    assert (found.before.quantity, found.after.quantity) == (0, 20)
    told = found.to_dict()
    assert next(iter(told)) == "schema"
    assert told["schema"] == "caplex.what_if/1"
    assert json.loads(json.dumps(told)) == told
    assert told["changes"] == [{"path": "account.equity", "before": "926510.329", "after": "950000"}]
    assert [each["rule"] for each in told["rules"]] == ["KILL-010", "LOSS-010", "LOSS-020", "EXP-010", "EXP-020"]
    assert (told["rules"][0]["before"]["state"], told["rules"][0]["after"]["state"]) == ("broken", "kept")
    floor = told["rules"][2]
    assert (floor["before"]["observed"], floor["after"]["observed"], floor["after"]["limit"], floor["unit"]) == ("926510.329", "950000", "650000", "USD")
    assert told["before"] == desk.decide(document).to_dict()
    assert told["explanation"]["decision"] == told["after"]


def test_the_text_begins_with_the_flip(desk):
    found = desk.what_if(Facts(facts("6-kill-switch")), {"account.equity": Decimal("950000.0")})
    lines = found.text().split("\n")
    assert lines[0] == "DENY → ALLOW   with account.equity = 950000 (was 926510.329)"
    assert "  0 → 20 may go ahead" in lines
    assert "  decided by KILL-010 → nothing" in lines
    at = next(number for number, line in enumerate(lines) if line.startswith("ALLOW  buy 20 PG"))
    assert any("KILL-010  Drawdown stop    ✗ → ✓" in line for line in lines[:at])
    assert any("LOSS-020  Floor            ✓      926_510.329 ≥ 650_000 USD → 950_000 ≥ 650_000 USD" in line for line in lines[:at])
    assert "\n".join(lines[at:]) == found.after.explain().text()


def test_what_changes_nothing_says_so(desk):
    found = desk.what_if(facts("6-kill-switch"), {"intent.x_note": "hello"})
    assert not found.flips
    assert found.text().startswith("DENY stays   with intent.x_note = hello (was nothing)\n\n  No rule sees a difference.\n")
    assert "No rule sees a difference" in found.markdown()
    assert "No rule sees a difference" in found.html()


def test_another_quantity_is_a_flip_too(desk):
    found = desk.what_if(facts("2-trimmed"), {"account.equity": "1_100_000".replace("_", "")})
    assert found.flips
    assert found.text().startswith("MODIFY stays   with account.equity = 1100000")
    assert re.search(r"^  526 → \d+ may go ahead$", found.text(), re.M)


def test_several_changes_are_made_together_in_order(policy, given):
    found = what_if(policy, given, {'market["AAPL"].price': "100", "intent.quantity": "20", "orders[0].price": "99"})
    assert [change[0] for change in found.changes] == ['market["AAPL"].price', "intent.quantity", "orders[0].price"]
    assert [change[1] for change in found.changes] == ["200", "300", "199"]
    assert found.after.requested == 20
    lines = found.text().split("\n")
    assert [line.split()[-3:] for line in lines[:3]] == [["100", "(was", "200)"], ["20", "(was", "300)"], ["99", "(was", "199)"]]


@pytest.mark.parametrize("width", [1, 20, 40, 80, 160])
def test_no_line_is_too_wide(policy, given, width):
    found = policy.what_if(given, {"intent.symbol": "東京" * 40, "account.equity": "9" * 50, "history": {"complete_from": "2026-01-01T00:00:00Z", "events": []}})
    text = found.text(width)
    assert max(map(cells, text.split("\n"))) <= max(width, 40)
    assert re.sub(r"\x1b\[[0-9;]*m", "", found.text(width, colour=True)) == text
    assert "{2 keys}" in text.replace("\n", " ")


def test_markdown_and_html_begin_with_the_flip_and_are_safe(desk):
    found = desk.what_if(facts("6-kill-switch"), {"account.equity": "950000", "intent.strategy": "<b>|x\x1b[2J"})
    assert found.markdown().startswith("**DENY → ALLOW**  with account.equity = 950000")
    page = found.html()
    assert page.index("Rules that differ") < page.index("The new decision")
    for report in (found.markdown(), page, found._repr_html_(), found.text()):
        assert "\x1b[2J" not in report
    assert "<b>|" not in page + found._repr_html_()


# ── places ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("path", "value"), [
    ("account.equity", "1"), ("intent.quantity", "1"), ('market["AAPL"].price', "1"), ('market["NEW"].price', "1"), ("orders[0].price", "1"),
    ('switches["KILL-010"].state', "tripped"), ('switches["KILL-010/momentum"].state', "armed"), ("counters.rejects", 9), ("now", "2026-01-05T15:00:01Z"),
    ("tags", {"a": "b"}), ("x_anything", 1), ("account.x_note", 1), ("inputs.calm", False), ("inputs.tags_seen.score", "0.9"), ("intent.legs", []),
    ("history.events[0].price", "1"), ("positions.TSLA.quantity", "1"), ('instruments["AAPL"].lot', "10"), ("strategies.momentum.active_trades", 4),
])
def test_places_that_facts_have(policy, given, path, value):
    found = policy.what_if(given, {path: value})
    assert found.after.to_dict()["errors"] == [] or path == "history.events[0].price"
    assert found.to_dict()["changes"][0]["path"] == path


@pytest.mark.parametrize(("path", "words"), [
    ("account.equty", "`account.equty` is no fact of this policy; did you mean `account.equity`?"),
    ("acount.equity", "did you mean `account.equity`?"),
    ('market["AAPL"].prise', "did you mean `market.AAPL.price`?"),
    ('market["BRK.B"].prise', 'did you mean `market["BRK.B"].price`?'),
    ("orders[0].prise", "did you mean `orders[0].price`?"),
    ('position["AAPL"].quantity', "did you mean `positions.AAPL.quantity`?"),
    ("calm", "did you mean `inputs.calm`?"),
    ("tags_seen.score", "did you mean `inputs.tags_seen.score`?"),
    ("inputs.clam", "did you mean `inputs.calm`?"),
    ("max_position", "is a setting and no fact: change it with `--set max_position=VALUE`"),
    ("settings.max_position", "change it with `--set max_position=VALUE`"),
    ("account.drawdown", "is worked out from other facts, not given"),
    ("switches.KILL-01.state", "no switch `KILL-01`; did you mean `switches.KILL-010.state`?"),
    ("counters.rejets", "no counter `rejets`; did you mean `counters.rejects`?"),
    ("zzz", "`zzz` is no fact of this policy"),
    ("orders[7].price", "the facts have no `7` there"),
    ("account.equity.deeper", "the facts have no `deeper` there"),
    (".x", "is no path"), ("", "the path is empty"), ("market[AAPL]", "is no path"),
])
def test_other_places_are_refused_in_a_sentence_that_names_them(policy, given, path, words):
    with pytest.raises(BadPath) as refused:
        policy.what_if(given, {"account.equity": "1", path: "1"})
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_bad_name_inside_a_value_is_found_too(policy, given):
    with pytest.raises(BadPath, match=r"did you mean `market\.AAPL\.price`"):
        policy.what_if(given, {"market": {"AAPL": {"prise": "1"}}})


def test_facts_that_are_bad_already_can_be_mended(policy, given):
    broken = {**given, "acount": 1}
    assert policy.what_if(broken, {"account.equity": "5"}).before.verdict == "DENY"
    assert policy.what_if({}, {"now": "2026-01-05T15:00:00Z"}).after.verdict == "DENY"
    with pytest.raises(BadPath):
        policy.what_if(broken, {"acounts.x": "5"})
