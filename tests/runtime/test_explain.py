"""Explanations: as data, as text at every width, as Markdown and as HTML; and that nothing in them can harm who reads them."""
from __future__ import annotations

import builtins
import json
import re
import textwrap
import unicodedata
from html.parser import HTMLParser

import pytest

import caplex
from caplex.runtime import remedies
from caplex.runtime.decision import Decision
from caplex.runtime.remedy import Remedies

POLICY = '''policy desk {
  version "3.1.0"  language 1  currency USD  timezone "America/New_York"
  stages SYS, KILL, LOSS, EXEC, EXP
  closing skips LOSS, EXEC, EXP
  overrides tightest wins
  lot 1
}
setting max_position : ratio = 10%  within 0%..50%  lower is safer  "Largest share" {
  tighten for symbol "GE" = 5%
  loosen for symbol "SPY" = 20% through 2026-03-31 approved by "CRO" ticket "RISK-412"
}
limit LOSS-010 "Daily loss stop" severity high {
    account.day_loss below 2% of account.day_start_equity else deny
    because "lost {account.day_loss} today; the stop is {allowed}"
}
limit EXP-010 "Position size" severity high {
  abs(after.position.notional) at most max_position of account.equity else reduce
  because "{intent.symbol} would be {after.position.notional}; {max_position} of equity allows {allowed}"
}
limit EXP-020 "Whole book" { after.portfolio.gross at most 2x of account.equity else reduce }
rule EXP-030 "Thin names" { hold when intent.symbol == "RRC" for approval by role "head-of-desk" quorum 2 }
rule EXP-040 "Large" { warn when intent.quantity > 250  because "{intent.quantity} is a lot" }
cooldown EXEC-020 "Cooling down" { deny during 5min after last fill for each symbol }
waiver W-001 of EXP-010 "One" through 2025-12-31 approved by "CRO" ticket "RISK-1" { when intent.symbol == "AAPL" }
waiver W-002 of EXP-010 "One" through 2026-12-31 approved by "CRO" ticket "RISK-2" { when intent.symbol == "SH" }
waiver W-003 of EXP-010 "One" through 2026-12-31 approved by "CRO" ticket "RISK-3" { when intent.strategy == "hedge" }
kill switch KILL-010 "Portfolio stop" for account {
  trip when account.drawdown >= 10%
  while tripped deny opening
  on trip cancel opening orders
  rearm by 1 of "risk-officer" and 30min after trip and when (account.drawdown < 8%)
}
'''
STAMP = "2026-01-05T14:59:59Z"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\u202etxt\u200b\x00\r\x9b31m"


@pytest.fixture(scope="module")
def policy():
    return caplex.loads(POLICY, name="folder/desk.cap")


@pytest.fixture
def explain(policy, document):
    def explained(**changes):
        return policy.decide(document(**changes)).explain()

    return explained


def rule(explanation, name):
    return next(each for each in explanation.to_dict()["rules"] if each["rule"] == name)


def cells(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


# ── as data ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_tells_what_it_saw_where_its_limit_comes_from_and_what_is_written(explain):
    told = explain().to_dict()
    assert next(iter(told)) == "schema"
    assert told["schema"] == "caplex.explanation/1"
    assert json.loads(json.dumps(told)) == told
    assert [each["rule"] for each in told["rules"] if each["decided"]] == ["EXP-010"]
    found = rule(explain(), "EXP-010")
    assert {name: found[name] for name in ("kind", "stage", "severity", "state", "observed", "comparison", "limit", "unit", "used_percent", "headroom", "would_permit")} == {
        "kind": "limit", "stage": "EXP", "severity": "high", "state": "reduced", "observed": "65000", "comparison": "<=", "limit": "10000", "unit": "USD",
        "used_percent": "650", "headroom": "-55000", "would_permit": "25"}
    assert found["message"] == "AAPL would be 65_000 USD; 10% of equity allows 10_000 USD"
    assert found["limit_from"] == {"setting": "max_position", "value": "0.1", "unit": "ratio", "override": None, "from": "policy", "source": "folder/desk.cap:8"}
    assert found["cited"] == {"file": "folder/desk.cap", "line": 16, "more": 0, "text": POLICY.split("\n")[15:19]}
    assert found["reads"]["account.equity"] == "100000"
    assert (found["units"]["account.equity"], found["units"]["max_position"], found["units"]["market.price"]) == ("USD", "ratio", "USD/unit")


def test_the_cited_lines_lose_only_the_indentation_that_they_share():
    text = POLICY.replace("limit EXP-010", "  limit EXP-010").replace("  abs(", "    abs(")
    found = rule(caplex.loads(text, name="desk.cap").decide({"now": STAMP}).explain(), "EXP-010")["cited"]
    assert found["text"][0].startswith("  limit")  # its closing brace stands further left
    assert found["text"][1].startswith("    abs(")
    indented = textwrap.indent(POLICY, "    ").replace("    limit EXP-010", "\tlimit EXP-010")
    found = rule(caplex.loads(indented, name="desk.cap").decide({"now": STAMP}).explain(), "EXP-010")["cited"]
    assert found["text"] == POLICY.split("\n")[15:19]
    long = POLICY.replace('  because "{intent.symbol} would', "\n" * 9 + '  because "{intent.symbol} would')
    found = rule(caplex.loads(long, name="desk.cap").decide({"now": STAMP}).explain(), "EXP-010")["cited"]
    assert (len(found["text"]), found["more"]) == (7, 6)


@pytest.mark.parametrize(("changes", "wanted"), [
    ({}, [("W-001", False, "expired: it ran through 2025-12-31"), ("W-002", False, "its condition is false"), ("W-003", False, "its condition is false")]),
    ({"intent__strategy": 5}, [("W-001", False, "expired: it ran through 2025-12-31"), ("W-002", False, "its condition is false"),
                               ("W-003", False, "cannot be read: /intent/strategy")]),
    ({"intent__symbol": "SH", "market__SH": {"price": "20", "as_of": STAMP}}, [("W-001", False, "expired: it ran through 2025-12-31"), ("W-002", True, None)]),
])
def test_waivers_say_why_they_do_not_hold(explain, changes, wanted):
    found = rule(explain(**changes), "EXP-010")
    assert [(each["waiver"], each["holds"], each["why"]) for each in found["waivers"]] == wanted
    assert (found["state"] == "waived") == wanted[-1][1]


def test_a_waiver_that_does_not_hold_is_named_where_its_rule_spoke(explain):
    assert "waiver W-001 does not hold: expired: it ran through 2025-12-31" in explain().text()
    assert "waiver W-001" not in explain(intent__quantity="1").text()
    assert "waiver W-001" in explain(intent__quantity="1").text(detail="full")


def test_an_override_is_told_whole(explain):
    told = explain(intent__symbol="SPY", market__SPY={"price": "200", "as_of": STAMP})
    assert rule(told, "EXP-010")["limit_from"]["override"] == {
        "kind": "loosen", "key": 'symbol "SPY"', "through": "2026-03-31", "approved_by": "CRO", "ticket": "RISK-412"}
    line = 'max_position 20%, loosened for symbol "SPY" through 2026-03-31, approved by CRO (RISK-412), desk.cap:10'
    assert line in told.text(160)
    assert line in explain(intent__symbol="SPY", intent__quantity="1", market__SPY={"price": "200", "as_of": STAMP}).text(250)
    assert line in told.html().replace("&#34;", '"')


def test_a_setting_from_outside_says_from_where(document):
    policy = caplex.loads(POLICY, name="desk.cap", settings={"max_position": "4%"})
    assert "max_position 4%, from" in policy.decide(document()).explain().text()


def test_a_cooldown_that_saw_nothing_says_so(explain):
    fill = {"type": "fill", "at": "2026-01-05T14:59:00Z", "symbol": "AAPL", "side": "buy", "quantity": "20", "price": "180"}
    silent, seen = explain(), explain(history__events=[fill])
    assert (rule(silent, "EXEC-020")["observed"], rule(silent, "EXEC-020")["note"]) == (None, "no fill seen in the last 5min")
    assert "Cooling down     ✓  no fill seen in the last 5min" in silent.text()
    assert rule(seen, "EXEC-020")["observed"] == "1min"
    assert "1min since the last one, needs at least 5min" in seen.text()


def test_a_switch_says_how_far_it_is_and_since_when(explain):
    assert rule(explain(account__equity="95000"), "KILL-010")["note"] == "armed: account.drawdown 5%, trips at 10%"
    assert rule(explain(account__equity="89000"), "KILL-010")["note"] == "trips now: account.drawdown 11% >= 10%"
    row = {"state": "tripped", "since": "2026-01-05T14:30:00Z", "by": "ops"}
    assert rule(explain(**{"switches__KILL-010": row}), "KILL-010")["note"] == "tripped 2026-01-05 14:30:00Z by ops"
    for since in (5, "soon", None, {}):
        assert rule(explain(**{"switches__KILL-010": {"state": "tripped", "since": since}}), "KILL-010")["note"] == "tripped"


def test_what_wants_an_approval_says_whose(explain):
    told = explain(intent__symbol="RRC", intent__quantity="5", market__RRC={"price": "3", "as_of": STAMP})
    assert rule(told, "EXP-030")["approval"] == {"role": "head-of-desk", "quorum": 2, "within": None}
    text = told.text(120)
    assert text.startswith("HOLD  buy 5 RRC")
    assert "5 may go ahead once approved" in text
    assert "‖  RRC, must be other than RRC   needs approval by 2 of head-of-desk" in text


# ── what would make it pass ───────────────────────────────────────────────────────────────────────────


def test_remedies_are_looked_for_once_and_only_when_asked(policy, document, monkeypatch):
    asked = []
    real = remedies.find
    monkeypatch.setattr(remedies, "find", lambda decision: asked.append(decision) or real(decision))
    explanation = policy.decide(document()).explain()
    repr(explanation)
    assert asked == []
    assert explanation.text().count("to be allowed: ") == 1
    explanation.markdown(), explanation.html(), explanation.to_dict(), explanation._repr_html_()
    assert len(asked) == 1
    assert explanation.remedies.offers
    assert explanation.to_dict()["remedies"][0]["text"] == explanation.remedies.offers[0].text
    for shown in (explanation.text(400), explanation.markdown().replace("\\", ""), explanation.html(), explanation._repr_html_()):
        assert explanation.remedies.offers[0].text in shown
    assert policy.decide(document(intent__quantity="1")).explain().remedies == Remedies()


# ── as text ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_rule_that_decided_comes_first_with_its_sentence_and_its_lines(explain):
    lines = explain(account__equity="97000").text().split("\n")
    assert lines[2].startswith("  LOSS-010  Daily loss stop  ✗  3_000 USD, allowed below 2_000 USD")
    assert lines[2].endswith("desk.cap:12")
    assert lines[3] == "    lost 3_000 USD today; the stop is 2_000 USD"
    assert lines[5] == '    12 │ limit LOSS-010 "Daily loss stop" severity high {'
    assert lines[6] == "    13 │     account.day_loss below 2% of account.day_start_equity else deny"
    order = [line.split()[0] for line in lines if re.match(r"  [A-Z]+-\d+ ", line)]
    assert order == ["LOSS-010", "EXP-010", "EXP-040", "KILL-010", "EXEC-020", "EXP-020", "EXP-030"]
    assert "    300 is a lot" in lines


@pytest.mark.parametrize("width", [80, 100])
def test_the_place_of_an_ordinary_rule_stands_on_its_line(explain, width):
    for changes in ({}, {"account__equity": "97000"}, {"intent__quantity": "1"}):
        text = explain(**changes).text(width)
        assert not re.search(r"^\s*\S*\.cap:\d+$", text, re.M)
        assert len(re.findall(r"[p…]:\d+$", text, re.M)) == 7


def test_a_wide_terminal_gets_columns_and_bars(explain):
    text = explain(intent__quantity="10").text(160)
    assert "▕" in text
    assert "▕" not in explain(intent__quantity="10").text(100)
    rows = [line for line in text.split("\n") if "at most" in line or "below" in line]
    assert len({line.index("▕") for line in rows}) == 1
    assert len({cells(line) for line in rows}) == 1


def test_used_is_told_only_where_something_is_used(explain):
    text = explain(intent__quantity="10").text()
    assert "7_000 USD, at most 10_000 USD   70% used" in text
    assert "0 USD, below 2_000 USD  " in text
    assert " 0% used" not in text


@pytest.mark.parametrize("width", [1, 20, 40, 57, 80, 100, 119, 120, 160, 250])
@pytest.mark.parametrize("changes", [
    {}, {"intent__strategy": "東京" * 30}, {"intent__strategy": "🚀🚀 to the moon", "intent__symbol": "株式会社"}, {"intent__symbol": "x" * 300},
    {"account": {}}, {"acount": 1}, {"market": {}}, {"intent__quantity": "9" * 40}, {"account__equity": "0.000001"}])
@pytest.mark.parametrize("detail", ["short", "normal", "full"])
def test_no_line_is_wider_than_the_terminal(explain, width, changes, detail):
    explanation = explain(**changes)
    text = explanation.text(width, detail=detail)
    assert max(map(cells, text.split("\n"))) <= max(width, 40)
    assert "\n\n\n" not in text
    assert all(line == line.rstrip() for line in text.split("\n"))
    assert re.sub(r"\x1b\[[0-9;]*m", "", explanation.text(width, colour=True, detail=detail)) == text


def test_details_grow(explain):
    short, normal, full = (explain().text(detail=detail) for detail in ("short", "normal", "full"))
    assert "EXP-010" in short
    assert "LOSS-010" not in short
    assert "read: " not in normal
    assert "account.day_start_equity 100_000 USD" in full.replace("\n      ", " ")


@pytest.mark.parametrize("place", ["intent__symbol", "intent__strategy", "intent__account", "intent__side", "account__equity", "intent__id", "now"])
def test_nothing_in_the_facts_reaches_the_terminal_or_the_page_as_it_is(policy, document, place):
    explanation = policy.decide(document(**{place: f"<script>alert(1)</script>|`x`{ESCAPES}"})).explain()
    reports = [explanation.text(width) for width in (40, 100, 160)]
    reports += [explanation.text(100, detail="full"), explanation.markdown(), explanation.html(), explanation._repr_html_()]
    for report in reports:
        assert not [c for c in report if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\u200b"]
    for page in reports[-2:]:
        assert "<script" not in page
    assert "\u200b" not in "".join(reports[:4])
    assert "<script" not in re.sub(r"```.*?```", "", explanation.markdown(), flags=re.S).replace("\\<script", "")


def test_a_policy_cannot_steer_the_reader_either(document):
    text = POLICY.replace('"Position size"', '"<i>Position</i> | size"').replace("else reduce\n  because", "else reduce  # <b>\n  because")
    explanation = caplex.loads(text, name="de\x1bsk.cap").decide(document()).explain()
    for report in (explanation.text(), explanation.markdown(), explanation.html(), explanation._repr_html_()):
        assert "\x1b" not in report
    for page in (explanation.html(), explanation._repr_html_()):
        assert not {"<i>Position", "<b>\n"} & {part for part in ("<i>Position", "<b>\n") if part in page}
    row = next(line for line in explanation.markdown().split("\n") if "**EXP-010**" in line and line.startswith("|"))
    assert row.replace("\\|", "").count("|") == 6


# ── what cannot be told rule by rule ──────────────────────────────────────────────────────────────────


def test_empty_facts_name_what_is_missing_by_section(policy):
    explanation = policy.decide({}).explain()
    text = explanation.text()
    assert text.startswith("DENY  intent")
    assert "/account: day_start_equity, equity" in text
    assert "/history, /now, /orders, /positions, /switches" in text
    assert len(text.split("\n")) < 30
    assert "/account/equity" in explanation.to_dict()["missing"]
    for report in (explanation.markdown(), explanation.html(), explanation._repr_html_()):
        assert "day" in report
        assert "equity" in report


def test_many_missing_facts_are_one_reason(policy, document):
    text = policy.decide(document(account={}, market={}, history=..., orders=...)).explain().text()
    assert text.count("SYS-001") == 1
    assert "facts are missing\n" in text
    assert "    /account: " in text
    assert "needs /account/equity" in text


def test_a_document_with_problems_names_only_those(explain):
    explanation = explain(acount=1)
    assert explanation.to_dict()["missing"] == []
    assert "/acount is unknown; did you mean /account?" in explanation.text()
    assert "not judged: " in explanation.text()


@pytest.mark.parametrize("changes", [{}, {"intent__quantity": "1"}, {"intent__symbol": "RRC", "market__RRC": {"price": "3", "as_of": STAMP}}, {"account": {}}, {"acount": 1}])
def test_a_decision_read_back_tells_what_its_document_holds(policy, document, changes):
    told = policy.decide(document(**changes)).to_dict()
    explanation = caplex.Decision.from_dict(told).explain()
    words = "only what that holds can be told"
    for report in (explanation.text(), explanation.text(40).replace("\n", " "), explanation.markdown(), explanation.html(), explanation._repr_html_()):
        assert words in report
        for reason in told["reasons"]:
            assert reason["rule"] in report
    assert (explanation.to_dict()["whole"], explanation.to_dict()["rules"], explanation.to_dict()["remedies"]) == (False, [], [])
    assert policy.decide(document(**changes)).explain().to_dict()["whole"] is True


def test_a_bare_document_can_be_told():
    explanation = caplex.Decision.from_dict({"verdict": "DENY", "quantity": "0", "reasons": [{"rule": "A-1"}], "at": 5}).explain()
    for report in (explanation.text(), explanation.markdown(), explanation.html(), explanation._repr_html_()):
        assert "A-1" in report


# ── Markdown and HTML ─────────────────────────────────────────────────────────────────────────────────


def test_markdown_has_headline_sentence_source_and_tables(explain):
    text = explain().markdown()
    assert text.startswith("**MODIFY**  buy 300 AAPL · momentum · acct-1 · 2026-01-05 15:00:00Z — 25 of 300 may go ahead\n\n> **EXP-010**")
    assert "> **EXP-010** Position size: AAPL would be 65_000 USD; 10% of equity allows 10_000 USD" in text
    assert f"```cap\n{chr(10).join(POLICY.split(chr(10))[15:19])}\n```" in text
    tables = [line for line in text.split("\n") if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in tables[:4]}) == 1
    assert "<details><summary>5 rules kept</summary>" in text


def test_a_fence_in_a_policy_does_not_end_the_block(document):
    text = POLICY.replace("else reduce\n  because", "else reduce  # ```\n  because")
    report = caplex.loads(text, name="desk.cap").decide(document()).explain().markdown()
    assert report.count("\n````") == 2


def test_markdown_links_to_nobody(explain):
    text = explain(intent__strategy="@desk #12 https://x.example _a_ 1_000 **b** ![i](j)", intent__account="# head").markdown()
    line = text.split("\n")[0].replace("\u200b", "¦")
    assert "@¦desk #¦12 https:¦//x.example \\_a\\_ 1_000 \\*\\*b\\*\\* !\\[i\\](j)" in line


class Reader(HTMLParser):
    """What a page holds: tags that must close do, and which tags and addresses there are."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("changes", [{}, {"intent__quantity": "1"}, {"account": {}}, {"acount": 1}, {"intent__symbol": "RRC"}])
def test_the_page_stands_alone_and_can_be_heard(explain, changes):
    page = explain(**changes).html()
    assert page.startswith("<!doctype html>")
    read = Reader(page)
    assert not {tag for tag, _ in read.seen} & {"script", "link", "img", "iframe", "object"}
    assert not [attributes for _, attributes in read.seen if {"src", "href"} & attributes.keys()]
    assert "url(" not in page
    assert "@import" not in page
    tables = [tag for tag, _ in read.seen if tag == "table"]
    assert len([tag for tag, _ in read.seen if tag == "caption"]) == len(tables)
    assert all("scope" in attributes for tag, attributes in read.seen if tag == "th")
    assert ("html", {"lang": "en"}) in read.seen
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_words_stand_beside_the_colours(explain):
    page = explain().html()
    for word in ("MODIFY", "cuts the size", "kept", "warns", "25 of 300 may go ahead"):
        assert word in page


def test_the_fragment_needs_nothing_and_keeps_its_styles_to_itself(explain, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **named):
        if name.partition(".")[0] == "jinja2":
            raise ImportError(name)
        return real(name, *arguments, **named)

    explanation = explain()
    monkeypatch.setattr(builtins, "__import__", without)
    fragment = explanation._repr_html_()
    with pytest.raises(ImportError):
        explanation.html()
    read = Reader(fragment)
    assert read.seen[0][0] == "div"
    assert "style" not in {tag for tag, _ in read.seen}
    assert "class=" not in fragment
    assert "AAPL would be 65_000 USD" in fragment


def test_the_decision_itself_shows_in_a_notebook(policy, document):
    decision = policy.decide(document())
    assert decision._repr_html_() == decision.explain()._repr_html_()


def test_a_rule_that_speaks_of_other_intents_shows_no_figures():
    policy = caplex.loads("""
policy p { version "1" language 1 currency USD stages EXP closing faces every rule lot 1 unlimited exposure unlimited loss }
limit EXP-010 "Shorts" { when intent.side == sell  intent.quantity at most 5 units else deny }
""")
    facts = {"now": "2026-01-05T15:00:00Z", "intent": {"id": "i", "action": "open", "symbol": "KO", "side": "buy", "quantity": "9"},
             "positions": {}, "orders": []}
    row = policy.decide(facts).explain().to_dict()["rules"][0]
    assert (row["state"], row["observed"], row["note"]) == ("kept", None, "its `when` does not hold here")


def test_a_rule_that_was_approved_says_so_and_measures_nothing() -> None:
    """`10_000 ≤ 1_000` with a tick beside it would be false as written."""
    policy = caplex.loads(
        'policy p { version "1" language 1 mode enforce currency USD stages SYS, EXP closing skips EXP overrides tightest wins unlimited loss '
        "unlimited exposure lot 1 }\n"
        'limit EXP-010 "Big" { intent.notional at most 1_000 USD else hold for approval by role "boss" within 1h }\n')
    facts = {
        "now": "2026-01-05T15:00:00Z", "intent": {"id": "i", "action": "open", "symbol": "KO", "side": "buy", "quantity": "60"}, "positions": {}, "orders": [],
        "market": {"KO": {"price": "100", "as_of": "2026-01-05T15:00:00Z"}}}
    assert policy.decide(facts).explain().to_dict()["rules"][0]["state"] == "held"
    bound = policy.bind(facts)
    bound.approved, bound.ints = frozenset({"EXP-010"}), None
    (rule,) = Decision.from_ruling(bound, *policy.judge(bound)).explain().to_dict()["rules"]
    assert (rule["state"], rule["note"], rule["observed"]) == ("kept", "held, and approved", None)
    facts["intent"]["quantity"] = "5"
    (rule,) = policy.decide(facts).explain().to_dict()["rules"]
    assert (rule["state"], rule["note"], rule["observed"]) == ("kept", None, "500")
