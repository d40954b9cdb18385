"""What a diagram says: the rules in order, their words, and the path that a decision took."""
from __future__ import annotations

import copy
import json

import pytest
from gallery import (
    EXAMPLES,
    FACTS,
    HEADER,
    example,
    hostile_facts,
    hostile_text,
    many,
    many_text,
    pictures,
    quickstart,
    quickstart_facts,
)

import caplex
from caplex.compiler.tools.diagram.model import FEW_KEPT, QUIET, Diagram, Row


def row(diagram: Diagram, name: str) -> Row:
    return next(row for row in diagram.rows() if row.id == name)


@pytest.mark.parametrize("name", ["quickstart", "policygate", "entry gate", "many", "hostile", "4-loss-stop", "unusable", "many decided"])
def test_every_rule_is_in_it_in_the_order_of_decision(name):
    policy = {"policygate": example("policygate"), "entry gate": example("entry_gate"), "many": many(), "many decided": many()}.get(name)
    diagram = pictures()[name]
    wanted = list((policy or (quickstart() if "hostile" not in name else caplex.loads(hostile_text()))).rules)
    assert [row.id for stage in diagram.stages for row in stage.rows if row.kind != "system"] == wanted
    assert diagram.rules == len(wanted)


def test_what_a_rule_asks_for_stands_in_the_authors_words():
    diagram = pictures()["quickstart"]
    assert row(diagram, "EXP-010").demand == "abs(after.position.notional) at most max_position of account.equity"
    assert row(diagram, "EXEC-010").demand == "beyond 10 orders in any 1min"
    assert row(diagram, "EXEC-020").demand == "during 5min after last fill for each symbol"
    assert row(diagram, "EXP-030").demand == 'when intent.symbol in thin_names for approval by role "head-of-desk" within 1d'
    assert row(diagram, "KILL-010").demand == "trips when drawdown >= 10%"
    gate = pictures()["entry gate"]
    assert row(gate, "GATE-065").demand.startswith("when in_symbol > 0 and allow_scale_in: require opposite == 0")
    assert row(gate, "SIZE-010").demand.startswith("start 20% of book.capital, times ")
    assert gate.labels == ("ALLOW_SCALE_IN when in_symbol > 0", "ALLOW_NEW_ENTRY otherwise")


def test_what_a_rule_does_and_which_settings_it_reads():
    diagram = pictures()["quickstart"]
    effects = {row.id: row.effect for row in diagram.rows()}
    assert effects == {
        "SYS": "denies", "KILL-010": "denies opening", "sanity.ORD-010": "denies", "sanity.ORD-020": "denies", "sanity.ORD-030": "denies",
        **{f"sanity.ORD-{number:03}": "denies" for number in range(40, 91, 10)}, "sanity.ORD-040": "denies opening", "sanity.ORD-100": "warns",
        "LOSS-010": "denies", "LOSS-020": "denies", "EXEC-010": "denies", "EXEC-020": "denies", "EXP-010": "reduces", "EXP-020": "reduces",
        "EXP-030": "holds"}
    assert row(diagram, "EXP-010").settings == ("max_position 8%, 1 override",)
    assert row(diagram, "sanity.ORD-010").settings == ("sanity.max_order_value 75_000 USD",)
    assert row(pictures()["entry gate"], "GATE-065").settings == ("allow_scale_in true", "scale_in_delta 5%", "scale_in_max 2")


def test_a_setting_from_outside_is_what_the_picture_shows(tmp_path):
    path = tmp_path / "p.cap"
    path.write_text(HEADER.format(name="p", mode="enforce", stages="LOSS, EXP") + "setting cap : ratio = 10% within 0%..100% lower is safer \"Cap\"\n"
                    "limit LOSS-010 { account.day_loss below cap of account.day_start_equity else deny }\n"
                    "limit EXP-010 { after.portfolio.gross at most 1x of account.equity else deny }\n", encoding="utf-8")
    assert row(caplex.graph(path), "LOSS-010").settings == ("cap 10%",)
    assert row(caplex.graph(str(path), settings={"cap": "5%"}), "LOSS-010").settings == ("cap 5%, from settings",)
    assert caplex.graph(path, mode="monitor").facts[0] == "monitor"
    with pytest.raises(TypeError, match="compiled already"):
        caplex.graph(caplex.load(path), mode="monitor")
    with pytest.raises(TypeError, match="needs facts"):
        caplex.graph(path, intent={})


def test_notes_tell_what_else_there_is_to_know():
    policy = caplex.loads(HEADER.format(name="p", mode="enforce", stages="LOSS, EXP") + """
limit LOSS-010 overridable by role "boss" { account.day_loss below 2% of account.day_start_equity else deny }
limit EXP-010 monitor always { intent.notional at most 5 USD else deny }
limit EXP-020 { intent.notional at most 6 USD else hold for approval by role "desk" quorum 2 }
waiver W-010 of EXP-020 "Cola" through 2026-12-31 approved by "CRO" ticket "T-1" { when intent.symbol == "KO" }
""")
    diagram = caplex.graph(policy)
    assert row(diagram, "LOSS-010").notes == ("overridable by boss",)
    assert row(diagram, "EXP-010").notes == ("monitored, not enforced",)
    assert row(diagram, "EXP-020").notes == ("needs 2 of desk", "1 waiver")
    decided = caplex.graph(policy, FACTS)
    assert (row(decided, "EXP-010").state, row(decided, "EXP-010").mark, row(decided, "EXP-010").note) == ("monitored", "○", "monitored only")
    assert (row(decided, "EXP-020").state, row(decided, "EXP-020").note) == ("waived", "waived by W-010")


# ── switches ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_switch_is_a_machine():
    switch, = pictures()["quickstart"].switches
    assert (switch.id, switch.scope, switch.denies, switch.state) == ("KILL-010", "account", "opening", None)
    assert switch.trips == ("when drawdown >= 10%",)
    assert switch.duties == ("cancel opening orders", 'notify "risk-desk"')
    assert switch.rearm == ('by 2 of "risk-officer"', "30min after trip", "when (drawdown < 8% or portfolio.gross == 0 USD)")
    assert switch.on_rearm == ("rebase account.peak_equity to account.equity",)
    other, = pictures()["hostile"].switches
    assert (other.scope, other.trips[1]) == ("each strategy", "when account.equity < 1 USD for 3 readings")


def test_a_named_rule_leads_to_the_switch_that_it_trips():
    edges = [(edge.kind, edge.source, edge.target) for edge in pictures()["policygate"].edges]
    assert edges == [("trips", "LOSS-002", "KILL-010")]
    assert "trips KILL-010" in row(pictures()["policygate"], "LOSS-002").notes


def test_switch_states_in_a_decision():
    facts = quickstart_facts("1-allowed")
    states = {}
    for name, given in (("armed", {}), ("tripped", {"KILL-010": {"state": "tripped", "since": "2020-02-12T20:00:00Z"}}), ("unreadable", {"KILL-010": {"state": "?"}})):
        diagram = caplex.graph(quickstart(), {**facts, "switches": given})
        states[name] = diagram.switches[0].state
        assert [switch.id for switch in diagram.machines()] == ([] if name == "armed" else ["KILL-010"])
    assert states == {"armed": "armed", "tripped": "tripped", "unreadable": "unreadable"}
    now = pictures()["6-kill-switch"].switches[0]
    assert (now.state, now.clause) == ("trips now", 0)


def test_a_trip_by_a_rule_is_live_and_acts_from_the_next_intent_on():
    diagram = pictures()["many decided"]
    live = {(edge.source, edge.target): edge.live for edge in diagram.edges if edge.kind == "trips"}
    assert live == {("DATA-000", "KILL-900"): True, ("EXP-003", "KILL-900"): False, ("LOSS-006", "KILL-910"): False,
                    ("LOSS-011", "KILL-910"): False}
    assert row(diagram, "KILL-900").state == "kept"
    assert row(diagram, "KILL-900").note == "trips from the next intent on"


# ── the path of a decision ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "verdict", "decided_by", "text"), [
    ("1-allowed", "ALLOW", None, "100 may go ahead"), ("2-trimmed", "MODIFY", "EXP-010", "526 of 700 may go ahead"),
    ("3-held", "HOLD", "EXP-030", "500 may go ahead once approved"), ("4-loss-stop", "DENY", "LOSS-010", "nothing may go ahead"),
    ("5-closing", "ALLOW", None, "100 may go ahead"), ("6-kill-switch", "DENY", "KILL-010", "nothing may go ahead"),
    ("7-flip", "MODIFY", "KILL-010", "779 of 1_000 may go ahead"),
])
def test_the_outcome_and_what_decided_it(name, verdict, decided_by, text):
    diagram = pictures()[name]
    decision = quickstart().decide(quickstart_facts(name))
    assert diagram.outcome is not None
    assert (diagram.outcome.verdict, diagram.outcome.text) == (verdict, text) == (str(decision.verdict), text)
    assert decision.decided_by == decided_by
    assert [edge.source for edge in diagram.edges if edge.kind == "decides"] == ([decided_by] if decided_by else [])
    assert [row.id for row in diagram.rows() if row.decides] == ([decided_by] if decided_by else [])


def test_what_was_seen_stands_beside_the_bound_and_where_the_bound_came_from():
    seen = row(pictures()["2-trimmed"], "EXP-010")
    assert (seen.mark, seen.observed, seen.limit, seen.origin) == ("≈", "96_360.974 USD", "at most 82_767.5467 USD", "max_position 8%")
    assert row(pictures()["override"], "EXP-010").origin == 'max_position 4%, tightened for symbol "GE"'


def test_a_lost_fact_is_a_row_of_its_own_and_named_where_it_was_needed():
    diagram = pictures()["lost fact"]
    system = diagram.stages[0].rows
    assert [(row.id, row.decides) for row in system] == [("SYS-001", True)]
    assert "/account/equity is missing" in system[0].demand
    assert (row(diagram, "LOSS-010").mark, row(diagram, "LOSS-010").observed) == ("?", "cannot be read")


def test_an_unusable_document_leaves_every_rule_unjudged():
    diagram = pictures()["unusable"]
    assert {row.state for row in diagram.rows() if row.kind != "system"} == {"not-judged"}
    assert all(row.dim for row in diagram.rows() if row.kind != "system")


def test_two_problems_of_a_document_have_one_decider():
    facts = {**copy.deepcopy(FACTS), "nonsense": 1, "rubbish": 2}
    diagram = caplex.graph(many(), facts)
    assert [row.decides for row in diagram.stages[0].rows] == [True, False]


def test_rounding_is_a_stage_at_the_end():
    facts = copy.deepcopy(FACTS)
    facts["intent"]["quantity"] = "30.5"
    policy = caplex.loads(HEADER.format(name="p", mode="enforce", stages="LOSS, EXP") + """
limit LOSS-010 { account.day_loss below 90% of account.day_start_equity else deny }
limit EXP-010 { after.portfolio.gross at most 1x of account.equity else deny }
""")
    diagram = caplex.graph(policy, facts)
    assert diagram.stages[-1].name == "rounding"
    last = diagram.stages[-1].rows[0]
    assert (last.id, last.mark, last.decides) == ("SYS-012", "≈", True)


def test_phases_count_from_one():
    assert [(stage.name, stage.phase) for stage in pictures()["policygate"].stages] == [("DATA", 1), ("KILL", 2), ("LOSS", 2), ("EXEC", 2), ("EXP", 2)]


def test_an_intent_stands_for_the_one_in_the_facts():
    facts = quickstart_facts("2-trimmed")
    diagram = caplex.graph(quickstart(), facts, intent={**facts["intent"], "quantity": "10"})
    assert diagram.subject[0] == "buy 10 AAPL"
    assert diagram.outcome is not None
    assert diagram.outcome.verdict == "ALLOW"
    assert caplex.graph(quickstart(), caplex.Facts(facts)).subject[0] == "buy 700 AAPL"


def test_of_many_rules_the_quiet_ones_are_counted():
    diagram = pictures()["many decided"]
    hidden = 0
    for stage in diagram.stages:
        shown, rest = diagram.told(stage)
        hidden += len(rest)
        assert sorted(row.id for row in (*shown, *rest)) == sorted(row.id for row in stage.rows)
        assert all(row.state in QUIET for row in rest)
        assert sum(row.state == "kept" for row in shown) <= FEW_KEPT + 2
    assert hidden > 60
    assert all(not pictures()["many"].told(stage)[1] for stage in pictures()["many"].stages)


# ── as data ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(pictures()))
def test_as_json(name):
    told = pictures()[name].to_dict()
    assert next(iter(told)) == "schema"
    assert told["schema"] == "caplex.graph/1"
    assert json.loads(json.dumps(told)) == told
    for part in ("subject", "labels"):
        assert all(text == text.strip() and text.isprintable() for text in told[part])


def test_nothing_that_moves_the_cursor_gets_into_a_diagram():
    text = json.dumps(caplex.graph(caplex.loads(hostile_text()), hostile_facts()).to_dict(), ensure_ascii=False)
    assert "<U+202E>" in text
    assert "<U+0007>" in text
    assert all(character.isprintable() for character in text)


def test_a_picture_does_not_say_where_the_policy_lies(tmp_path):
    (tmp_path / "desk.cap").write_text((EXAMPLES / "quickstart" / "desk.cap").read_text(encoding="utf-8"), encoding="utf-8")
    assert caplex.graph(tmp_path / "desk.cap").svg() == pictures()["quickstart"].svg()
    assert row(pictures()["quickstart"], "EXP-010").source == "desk.cap:54"
    assert str(EXAMPLES) not in str(pictures()["quickstart"].to_dict())


def test_the_same_bytes_twice():
    again = caplex.graph(caplex.loads(many_text()), copy.deepcopy(FACTS))
    first = pictures()["many decided"]
    assert (again.svg(), again.dot(), again.mermaid(), again.text()) == (first.svg(), first.dot(), first.mermaid(), first.text())


def test_a_policy_from_the_cache_draws_the_same(tmp_path, monkeypatch):
    monkeypatch.delenv("CAPLEX_NO_CACHE", raising=False)
    monkeypatch.setenv("CAPLEX_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "desk.cap"
    path.write_text(many_text(20), encoding="utf-8")
    assert caplex.graph(path).to_dict() == caplex.graph(path).to_dict()


def test_what_the_engine_judges_beside_the_stages_has_no_number():
    """The stages keep the numbers that they have in the picture of the policy."""
    facts = {**FACTS, "market": {}}
    diagram = caplex.graph(example("policygate"), facts)
    assert [stage.heading for stage in diagram.stages] == ["facts", "1 · DATA", "2 · KILL", "3 · LOSS", "4 · EXEC", "5 · EXP"]
    assert {row.state for stage in diagram.stages[2:] for row in stage.rows} == {"not-judged"}  # behind the bar nothing was left
    assert "judged only if something is left" in diagram.text()


def test_a_size_says_what_it_permits_where_it_was_asked():
    facts = {
        "now": "2026-01-05T15:00:00Z", "positions": {}, "orders": [], "switches": {}, "account": {"equity": "5000"},
        "history": {"complete_from": "2025-12-01T00:00:00Z", "events": []}, "market": {"BTCUSDT": {"price": "50000", "as_of": "2026-01-05T15:00:00Z"}},
        "intent": {"id": "i", "action": "open", "symbol": "BTCUSDT", "side": "buy", "strategy": "scalp", "confidence": "0.85", "leverage": "5"},
        "inputs": {"book": {"capital": "5000", "positions": "2", "positions_in_regime": "1", "exposure": "0", "symbol_exposure": "0"}, "entries": []},
    }
    asked = row(caplex.graph(example("entry_gate"), facts), "SIZE-010")
    assert (asked.state, asked.observed) == ("kept", "up to 0.1")
    given = row(caplex.graph(example("entry_gate"), facts, intent={**facts["intent"], "quantity": "0.001"}), "SIZE-010")
    assert (given.state, given.mark) == ("not-applicable", "·")
