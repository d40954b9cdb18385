"""Pages: of facts, packs, codes, reasons, words; of a policy, its rules and its settings."""
from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

import caplex
from caplex.compiler.cli import main
from caplex.compiler.diagnostics import catalogue
from caplex.compiler.semantics import builtins, schema
from caplex.compiler.tools import pages, pages_facts, pages_packs
from caplex.compiler.tools.pages import page_of
from caplex.compiler.tools.reasons import REASONS
from caplex.runtime.errors import PolicyError

ROOT = Path(main.__file__).resolve().parents[2]
DESK = "examples/quickstart/desk.cap"
BUILTIN = schema.builtin()
FIELDS = [spec for section in BUILTIN.sections.values() for spec in section.fields.values()]
HEAD = """policy p {
  version "1" language 1 currency USD stages EX closing faces every rule
  unlimited exposure unlimited loss lot 1
}
"""
OWN = """policy own { version "1" language 1 currency USD stages EXP, LOSS closing skips EXP, LOSS overrides tightest wins unlimited loss lot 1 }
## How the desk sees the market.
input regime {
  ## 1 is normal.
  risk_multiplier : ratio within 0..2 fresh within 1h
}
input market { price : price above 0 fresh within 1min }
## Largest share.
setting share : ratio = 8%  within 0%..25%  lower is safer  "Largest share" {
  tighten for symbol "GE" = 4%
  loosen for symbol "SPY" = 20% through 2026-06-30 approved by "cro" ticket "R-7"
}
let scaled = share * regime.risk_multiplier
## No position grows too large.
limit EXP-010 "Position size" severity high overridable by role "risk" cites "policy 7" {
  when intent.symbol != "BIL",
  abs(after.position.notional) at most scaled of account.equity else hold for approval by role "head" quorum 2 within 1h
  because "{intent.symbol} is too large"
}
waiver EXP-011 of EXP-010 "Quarter end" through 2026-06-30 approved by "cro" ticket "W-1" { when intent.symbol == "IBM" }
rule EXP-030 "Watched" monitor always { deny when market["SPY"].price < 100 USD }
test "it is kept" {
  given market["KO"].price = 50 USD
  at 2026-01-05T15:00:00Z  intent buy 1_000_000 "KO"
  expect hold by EXP-010
}
"""


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def own(tmp_path) -> str:
    file = tmp_path / "own.cap"
    file.write_text(OWN, encoding="utf-8")
    return str(file)


def text(*arguments: str, **options: object) -> str:
    page = page_of(*arguments, **options)  # type: ignore[arg-type]
    assert page is not None
    return page.markdown


# ── what is built in ──────────────────────────────────────────────────────────────────────────────────


def test_a_fact_says_type_place_freshness_range_and_who_must_bring_it():
    told = text("market.price")
    for words in ("# market.price\n", "Type: price", "Range: above 0", "fresh within 5s", "Required: where a rule reads it", "`/market/{symbol}/price`", "Supplied by: the host"):
        assert words in told, words


@pytest.mark.parametrize("spec", FIELDS, ids=lambda spec: spec.path)
def test_every_field_has_a_page_whose_example_compiles(spec):
    told = text(spec.path)
    assert told.startswith(f"# {spec.path}\n\n")
    blocks = re.findall(r"```cap\n(.*?)\n```", told, re.S)
    assert len(blocks) == 1
    errors = [found.message for found in caplex.check_text(HEAD + blocks[0]) if found.is_error]
    assert errors == []
    assert ("Required: no" in told) is (spec.optional and spec.path not in builtins.DERIVED)


@pytest.mark.parametrize("spec", [each for each in FIELDS if each.path not in builtins.DERIVED and BUILTIN.sections[each.section].shape in ("one", "row")], ids=lambda spec: spec.path)
def test_the_pointer_is_where_documents_have_it(spec):
    """A field with a value at its pointer is found there; one beside it is a key that nobody knows."""
    from caplex.runtime.layout import Layout

    pointer = pages_facts.pointer(spec, BUILTIN)
    assert f"`{pointer}`" in text(spec.path)
    document: dict[str, object] = {"now": "2026-01-05T15:00:00Z", "intent": {}}
    here = document
    *steps, last = [step.strip("{}") for step in pointer.split("/")[1:]]
    for step in steps:
        here = here.setdefault(step, {})  # type: ignore[assignment]
    here[last] = "1"
    assert Layout(BUILTIN, document).problems == []
    here[last + "_x"] = "1"
    assert Layout(BUILTIN, document).problems != []


@pytest.mark.parametrize("spec", [each for each in FIELDS if BUILTIN.sections[each.section].shape in ("list", "history")], ids=lambda spec: spec.path)
def test_the_pointer_of_a_row_is_where_documents_have_it(spec):
    from caplex.runtime.layout import Layout

    told = text(spec.path)
    *steps, number, last = pages_facts.pointer(spec, BUILTIN).split("/")[1:]
    assert (number, last) == ("{n}", spec.name)
    row = {"symbol": "A", last: (spec.type.members or ("1",))[0]}
    if steps[0] == "history":
        row = {"type": re.findall(r"whose `type` is `(\w+)`", told)[0], "at": "2026-01-05T14:00:00Z", **row}
    for name, problems in ((last, False), (last + "_x", True)):
        rows: object = [row if name == last else {**row, name: "1"}]
        for step in reversed(steps):
            rows = {step: rows}
        assert bool(Layout(BUILTIN, {"now": "2026-01-05T15:00:00Z", "intent": {}, **rows}).problems) is problems  # type: ignore[dict-item]


@pytest.mark.parametrize("name", builtins.DERIVED)
def test_every_computed_field_has_a_page_whose_example_compiles(name):
    told = text(name)
    assert builtins.DERIVED[name].doc in told
    blocks = re.findall(r"```cap\n(.*?)\n```", told, re.S)
    assert bool(blocks) is (builtins.DERIVED[name].reads != "outcome")
    for block in blocks:
        assert [found.message for found in caplex.check_text(HEAD + block) if found.is_error] == []


@pytest.mark.parametrize("name", [each.name for row in builtins.ROW_DERIVED.values() for each in row])
def test_computed_fields_of_rows(name):
    block = re.findall(r"```cap\n(.*?)\n```", text(name), re.S)[0]
    assert [found.message for found in caplex.check_text(HEAD + block) if found.is_error] == []


@pytest.mark.parametrize("section", BUILTIN.sections)
def test_a_section_lists_its_fields(section):
    told = text(section)
    assert all(f"`{spec.path}`" in told for spec in BUILTIN.sections[section].fields.values())


@pytest.mark.parametrize("name", [*builtins.FUNCTIONS, *builtins.AGGREGATES, *builtins.ACTIONS, *builtins.EVENTS, *builtins.DIMENSIONS])
def test_every_word_has_a_page(name):
    page = page_of(name)
    assert page is not None
    assert page.kind == ("section" if name in BUILTIN.sections else "word")


@pytest.mark.parametrize("row", REASONS, ids=lambda row: row[0])
def test_every_reason_has_a_page(row):
    for name in (row[0], row[0].lower()):
        told = text(name)
        assert all(part in told for part in row)


def test_every_code_by_number_and_by_name():
    for code in catalogue.codes():
        assert text(code.id) == text(code.name) == catalogue.page(code)


@pytest.mark.parametrize("name", pages_packs.packs())
def test_every_pack_tells_settings_rules_and_import(name):
    told = text(f"stdlib.{name}")
    source = (ROOT / "stdlib_rules" / f"{name}.cap").read_text(encoding="utf-8")
    settings, rules = re.findall(r"^setting (\w+)", source, re.M), re.findall(r"^(?:rule|limit|throttle|cooldown|kill switch) ([A-Z]+-\d+)", source, re.M)
    assert rules
    assert all(f"- `{each}`" in told for each in [*settings, *rules])
    assert f"use stdlib.{name} as " in told
    for part in [*settings, *rules]:
        assert text(f"stdlib.{name}.{part}").startswith(f"# {part}")
    block = re.findall(r"```cap\n(use .*?)\n```", told, re.S)[0]
    stages = ", ".join(re.findall(r"`([A-Z]+)`", told.partition("Its rules stand in ")[2].partition(", which")[0]))
    assert all(rule.partition("-")[0] in stages.split(", ") for rule in rules)
    policy = f'policy p {{ version "1" language 1 currency USD stages {stages} closing faces every rule unlimited exposure unlimited loss lot 1 }}\n{block}\n'
    assert [found.message for found in caplex.check_text(policy) if found.is_error] == []


def test_a_pack_has_its_doc_comment_defaults_and_ranges():
    told = text("stdlib.order_sanity")
    assert "They catch the slipped decimal" in told
    assert "- `price_collar` = `10%`, within `0%..100%`, lower is safer." in told
    assert page_of("stdlib.order_sanity.ORD-999") is None
    assert page_of("stdlib.nothing") is None
    assert page_of("stdlib.") is None


def test_names_have_pages():
    for name in pages.names():
        assert page_of(name) is not None, name


def test_an_event_has_a_page_also_where_a_fact_has_its_name(capsys):
    assert page_of("fill").kind == "event"
    assert page_of("account").kind == "section"
    page = page_of("event", "account")
    assert (page.kind, page.title) == ("event", "The event `account`")
    assert "- `corrects`: " in page_of("event", "fill").markdown
    assert page_of("event", "fil") is None
    assert main.run(["explain", "event", "fil"]) == 2
    assert "no event is called `fil`; did you mean `fill`?" in capsys.readouterr().err


# ── a policy ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_of_a_policy_lists_rules_settings_switches_and_facts():
    told = text(DESK)
    policy = caplex.load(DESK)
    at = [told.index(f"- `{name}` ") for name in policy.rules]
    assert at == sorted(at)
    assert all(f"- `{pointer}`" in told for pointer in policy.required_facts())
    assert "- `max_position` = 8%, within 0% to 25%" in told
    assert "- `sanity.max_order_value` = 75_000 USD, from use" in told
    assert "## Kill switches" in told
    assert "It has 3 tests and 1 property." in told


def test_the_page_of_a_rule(own):
    told = text(own, "EXP-010")
    for words in (
        "# EXP-010: Position size", "No position grows too large.", 'It applies when `intent.symbol != "BIL"`.',
        "`abs(after.position.notional)` must be at most `scaled of account.equity`.", "Otherwise it is held for approval by 2 of `head` within `1h`.",
        "Stage: `EXP`, rule 1 of 2; closing orders skip it", "Severity: high", "May be overridden by: `risk`", "Cites: policy 7",
        "- `share` = 8%, within 0% to 25%. Largest share", "tighten for symbol GE = 4%", "loosen for symbol SPY = 20%, through 2026-06-30, approved by cro, ticket R-7",
        "`regime.risk_multiplier`", "- `/inputs/regime/risk_multiplier`", "- `/account/equity`", "- `/intent/symbol`", "- `/positions`",
        "- `EXP-011` lifts `EXP-010` when `intent.symbol == \"IBM\"` through 2026-06-30, approved by cro", '> "{intent.symbol} is too large"',
        f"`{own}:15`", "limit EXP-010 \"Position size\" severity high", "- it is kept (",
    ):
        assert words in told, words
    assert "Monitored: it is told, and stops nothing" in text(own, "EXP-030")
    assert text(own, "EXP-011").startswith("# EXP-011: Quarter end")


def test_settings_from_outside_show_on_the_pages(own):
    assert "- `share` = 2%, from settings (the policy says 8%)" in text(own, "EXP-010", settings={"share": "2%"})
    assert "Value: 8%" in text(own, "share")
    assert "`EXP-010` Position size" in text(own, "share")


def test_a_fact_as_the_policy_sees_it(own):
    told = text(own, "market.price")
    assert "fresh within 1min" in told
    assert "- `EXP-010` Position size, through what is computed from it" in told
    assert "- `EXP-030` Watched" in told
    told = text(own, "regime.risk_multiplier")
    assert "1 is normal." in told
    assert "Range: 0 to 2" in told
    assert "`/inputs/regime/risk_multiplier`" in told
    assert "- `EXP-010` Position size" in told
    assert "No rule of" in text(own, "venue.status")
    assert page_of(own, "nothing.here") is None


def test_a_switch_is_told_clause_by_clause():
    told = text(DESK, "KILL-010")
    assert "- Trips when `drawdown >= 10%`.\n- While it is tripped, what opens is denied; what closes may go.\n" in told
    assert "by `2` of `risk-officer`, and no sooner than `30min` after the trip" in told


@pytest.mark.parametrize("desk", [DESK, "examples/policygate/policy.cap", "examples/entry_gate/policy.cap"])
def test_every_part_of_the_examples_has_a_page(desk):
    from caplex.compiler.tools.pages_policies import parts

    for part in parts(desk):
        assert text(desk, part).startswith("# ")


def test_a_policy_that_does_not_compile_says_why(tmp_path):
    (tmp_path / "x.cap").write_text(HEAD + "rule EX-010 { deny when portfolio.gros > 5 USD }\n", encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        page_of(str(tmp_path / "x.cap"))
    assert [found.code.id for found in caught.value.diagnostics] == ["CAP203"]


# ── the command ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("arguments", "kind", "title"), [
    (["market.price"], "fact", "market.price"),
    (["cap203"], "code", "CAP203: "),
    (["sys-002"], "reason", "SYS-002: stale"),
    (["stdlib.order_sanity"], "pack", "stdlib.order_sanity"),
    ([DESK], "policy", "quickstart_desk 1.0.0"),
    ([DESK, "EXP-010"], "rule", "EXP-010: Position size"),
    ([DESK, "max_position"], "setting", "max_position"),
])
def test_json_md_and_text_are_one_page(capsys, arguments, kind, title):
    assert main.run(["explain", *arguments, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["schema", "subject", "kind", "title", "markdown"]
    assert (document["schema"], document["kind"]) == ("caplex.page/1", kind)
    assert document["title"].startswith(title)
    assert document["markdown"].startswith(f"# {document['title']}\n")
    assert main.run(["explain", *arguments, "--format", "md"]) == 0
    assert capsys.readouterr().out == document["markdown"]
    assert main.run(["explain", *arguments]) == 0
    told = capsys.readouterr().out
    assert "```" not in told
    assert [line.strip() for line in told.splitlines()] == [line.strip() for line in document["markdown"].splitlines() if not line.startswith("```")]


def test_a_policy_mentions_decisions_on_the_other_stream(capsys):
    assert main.run(["explain", DESK]) == 0
    told = capsys.readouterr()
    assert "--facts FILE" in told.err
    assert "--facts FILE" not in told.out


def test_html_is_for_decisions(capsys):
    assert main.run(["explain", "market.price", "--format", "html"]) == 2
    assert "for decisions" in capsys.readouterr().err


def test_on_a_terminal_the_markdown_is_drawn(capsys, monkeypatch):
    import sys

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    assert main.run(["explain", DESK, "EXP-010"]) == 0
    drawn = capsys.readouterr().out
    assert "## What it demands" not in drawn
    assert "What it demands" in drawn
    assert "\x1b[" in drawn
    monkeypatch.setenv("NO_COLOR", "1")
    assert main.run(["explain", DESK, "EXP-010"]) == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", capsys.readouterr().out)


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_no_page_hands_a_terminal_what_moves_its_cursor(tmp_path, capsys):
    name = str(tmp_path / "\x1b[31mred.cap")
    Path(name).write_text(OWN, encoding="utf-8")
    for arguments in ([name], [name, "EXP-010"], [name, "EXP-01"]):
        main.run(["explain", *arguments])
        told = capsys.readouterr()
        assert "red.cap" in told.out + told.err
        assert "\x1b" not in told.out + told.err
