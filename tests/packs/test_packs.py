"""Packs of the standard library: their tests pass and look at every bound, their pages say what a desk must know, and the first six compose.

`SCORES` lists what mutation came to. Two packs take twenty seconds each and are tried under `CAPLEX_ALL_MUTANTS=1` alone.
"""
from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import caplex
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.syntax import ast
from caplex.compiler.testing.collect import collect
from caplex.compiler.testing.coverage import Watch
from caplex.compiler.testing.model import Entry
from caplex.compiler.testing.mutate import mutate
from caplex.compiler.testing.run import run_entry
from caplex.compiler.tools import pages_packs

ROOT = Path(__file__).resolve().parents[2]
PACKS = sorted(path.stem for path in (ROOT / "stdlib_rules").glob("*.cap") if not path.stem.endswith("_test"))
SCORES = {"core_safety": 95, "exposure": 98, "kill_switch": 98, "loss": 98, "order_sanity": 95, "throttle": 98}
"""Percent of the changed packs that their own tests notice; reached at least."""
SIX = sorted(SCORES)
SLOW = {"kill_switch", "throttle"}
FAMILIES = {"core_safety": "SAFE", "exposure": "EXP", "kill_switch": "HALT", "loss": "LOSS", "throttle": "EXEC"}
"""What a desk skips in `closing`, and the page tells it to. `order_sanity` faces closing orders."""


def text_of(name: str) -> str:
    return (ROOT / "stdlib_rules" / f"{name}.cap").read_text(encoding="utf-8")


def entry_of(name: str) -> Entry:
    (entry,) = collect(ROOT / "stdlib_rules" / f"{name}.cap").entries
    assert entry.policy is not None, [each.message for each in entry.diagnostics]
    return entry


def checked_of(entry: Entry) -> CheckedModule:
    assert entry.checked is not None
    return entry.checked


def page_of(name: str) -> str:
    page = pages_packs.page(f"stdlib.{name}")
    assert page is not None
    return page.markdown


def head_of(name: str) -> str:
    """The doc comment of the pack."""
    return "\n".join(line for line in text_of(name).split("\n\n")[0].splitlines())


# ── tests inside ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PACKS)
def test_every_rule_is_seen_kept_and_violated_and_every_bound_on_both_sides(name):
    entry = entry_of(name)
    watch = Watch(checked_of(entry))
    failed = [run.title for run in run_entry(entry, watch=watch) if not run.passed]
    assert failed == []
    totals = watch.report().totals
    assert totals["rule"].percent == 100
    assert totals["boundary"].percent >= 95


@pytest.mark.gate
@pytest.mark.parametrize("name", SIX)
def test_what_no_test_would_notice(name):
    if name in SLOW and not os.environ.get("CAPLEX_ALL_MUTANTS"):
        pytest.skip("takes twenty seconds: CAPLEX_ALL_MUTANTS=1")
    found = mutate(entry_of(name))
    assert found.score() >= SCORES[name], [each.owner for each in found.survivors]


@pytest.mark.parametrize("name", PACKS)
def test_it_has_three_rules_or_more_each_with_a_word_for_who_reads_it(name):
    rules = [rule.node for rule in checked_of(entry_of(name)).rules]
    assert len(rules) >= 3
    assert [each.rule_id.text for each in rules if not each.title or not each.doc] == []


@pytest.mark.parametrize("name", SIX)
def test_a_rule_that_denies_says_why_and_how_grave(name):
    for rule in checked_of(entry_of(name)).rules:
        assert rule.node.attributes.severity, rule.id
        if isinstance(rule.node, ast.Rule | ast.Limit | ast.Throttle | ast.Cooldown):
            assert rule.node.because is not None, rule.id


# ── pages ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PACKS)
def test_every_setting_is_read_and_told_of(name):
    entry = entry_of(name)
    assert [each.message for each in entry.diagnostics if each.code.id == "CAP707"] == []
    page = page_of(name)
    for node in [setting.node for full, setting in checked_of(entry).settings.items() if "." not in full]:
        assert node.doc, node.name.text
        assert node.title, node.name.text
        assert f"`{node.name.text}`" in page


@pytest.mark.parametrize("name", SIX)
def test_every_setting_has_a_range_and_a_safer_side(name):
    for setting in checked_of(entry_of(name)).settings.values():
        assert setting.node.low is not None, setting.node.name.text
        assert setting.node.safer is not None, setting.node.name.text


@pytest.mark.parametrize("name", SIX)
def test_its_page_says_how_to_use_it_what_to_skip_and_where_its_numbers_come_from(name):
    head = head_of(name)
    assert re.search(rf"^##     use stdlib\.{name} as \w+ \(\w+ = ", head, re.M)
    assert "Where the numbers come from" in head
    assert re.search(r"\b20[0-2]\d\b", head), "a source has a year"
    assert "://" not in text_of(name)
    if name in FAMILIES:
        assert f"skip {FAMILIES[name]} in `closing`" in head


@pytest.mark.parametrize("name", SIX)
def test_the_example_of_its_page_works(name, tmp_path):
    (line,) = re.findall(rf"^##     (use stdlib\.{name} as .*)$", head_of(name), re.M)
    families = dict.fromkeys(rule.id.rpartition("-")[0] for rule in checked_of(entry_of(name)).rules)
    skipped = ", ".join(each for each in families if each != "KILL")
    path = tmp_path / "desk.cap"
    path.write_text(f'policy desk {{ version "1" language 1 mode enforce currency USD stages SYS, KILL, {", ".join(each for each in families if each != "KILL")}\n'
                    f"closing skips {skipped} overrides tightest wins lot 1 unlimited loss unlimited exposure }}\n{line}\n", encoding="utf-8")
    assert [each.code.id for each in caplex.check(path) if each.is_error or each.code.id != "CAP604"] == []


# ── together ──────────────────────────────────────────────────────────────────────────────────────────

ALL = """policy desk {{
  version "1" language 1 mode enforce currency {currency} timezone "UTC" stages SYS, KILL, HALT, SAFE, LOSS, ORD, EXEC, EXP
  closing {closing}
  overrides tightest wins lot 1
}}
use stdlib.core_safety as core
use stdlib.kill_switch as halt
use stdlib.loss as loss
use stdlib.order_sanity as sanity (max_order_value = 100_000 {currency}, min_order_value = 1 {currency})
use stdlib.throttle as rates
use stdlib.exposure as book
"""
SKIPS = "skips HALT, SAFE, LOSS, EXEC, EXP"


@pytest.mark.parametrize("currency", ["USD", "EUR", "JPY"])
def test_all_six_stand_in_one_policy_of_any_currency(currency):
    found = caplex.check_text(ALL.format(currency=currency, closing=SKIPS))
    assert {each.code.id for each in found} <= {"CAP604"}, "switches by hand are noted, and nothing else"


def test_a_pack_under_another_header_has_the_same_rules_for_closing_orders(tmp_path):
    path = tmp_path / "desk.cap"
    path.write_text(ALL.format(currency="USD", closing=SKIPS) + """
test "a slipped decimal is stopped where it closes" {
  given market["A"].price = 100 USD
  given position["A"].quantity = 5_000
  at 2026-01-05T15:00:00Z  intent sell 1_001 "A" strategy "s"
  expect deny by sanity.ORD-010
  at 2026-01-05T15:00:01Z  intent sell 1_000 "A" strategy "s"
  expect allow
}
test "the first wall in the order of stages is told first" {
  given market["A"].price = 100 USD
  at 2026-01-05T15:00:00Z  intent buy 2_600 "A" strategy "s"
  expect deny by core.SAFE-050, sanity.ORD-010, book.EXP-010
}
""", encoding="utf-8")
    (entry,) = collect(path).entries
    runs = list(run_entry(entry))
    assert [(run.title, [each.got for each in run.failures]) for run in runs if not run.passed] == []
    assert len(runs) == 2


def test_no_value_takes_a_wall_of_core_safety_away():
    for setting in checked_of(entry_of("core_safety")).settings.values():
        assert not isinstance(setting.node.high, ast.Unlimited), setting.node.name.text
    found = caplex.check_text(ALL.format(currency="USD", closing=SKIPS).replace("as core\n", "as core (max_leverage = unlimited)\n"))
    assert any(each.is_error for each in found)


@pytest.mark.parametrize(("given", "says"), [
    ("max_gros = 1x", "max_gross"), ("max_gross = 10 USD", "not money"), ("alert_at = 120%", "outside its range"), ("max_positions = -1", "outside its range"),
])
def test_a_setting_that_does_not_fit_is_named_with_its_place(given, says):
    found = caplex.check_text(ALL.format(currency="USD", closing=SKIPS).replace("as book\n", f"as book ({given})\n"))
    (error,) = [each for each in found if each.is_error]
    assert says in error.message + (error.help or "") + " ".join(label.text for label in error.labels)
    assert error.span.begin.line == 11
