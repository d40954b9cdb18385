"""The document against the policy that it tells: every rule once, every number the one that the engine uses, every link to something."""
from __future__ import annotations

import re
from fractions import Fraction

import pytest
from papers import ALL, PACKS, ROOT, page, paper, subject, taken

import caplex
from caplex.runtime.texts import plain_value
from caplex.runtime.values import UNLIMITED

SIMPLE = re.compile(r"[a-z_]+\.[a-z_]+")


def plan_of(name: str):
    return subject(name).policy.plan


@pytest.mark.parametrize("name", ALL)
def test_every_rule_stands_there_once_and_in_the_order_of_decision(name):
    data, plan = paper(name).to_dict(), plan_of(name)
    wanted = [rule.id for rule in plan.rules]
    assert [rule["id"] for rule in data["rules"]] == wanted
    assert [rule for stage in data["stages"] for rule in stage["rules"]] == wanted
    for kind in ("limit", "throttle", "cooldown"):
        assert [row["rule"] for row in data[f"{kind}s"]] == [rule.id for rule in plan.rules if rule.kind == kind]
    assert [row["id"] for row in data["switches"]] == [rule.id for rule in plan.rules if rule.kind == "switch"]
    for told, rule in zip(data["rules"], plan.rules, strict=True):
        assert (told["title"], told["stage"], told["severity"]) == (rule.title or "", rule.stage, rule.severity)
        assert all(told["does"]), rule.id


@pytest.mark.parametrize("name", ALL)
def test_every_bound_is_the_one_that_the_engine_uses(name):
    """What the document works out from the tree, against the compiled form of the same limit."""
    data, plan = paper(name).to_dict(), plan_of(name)
    slots = [plan.settings[slot.name].value if slot.kind == "setting" else Fraction(1000) for slot in plan.slots]
    rules = {rule.id: rule for rule in plan.rules}
    for row in data["limits"]:
        rule, value = rules[row["rule"]], row["value"]
        if value is None or not SIMPLE.fullmatch(value.get("of", "a.b")):
            continue
        used = rule.bound(slots, Fraction(0))
        if value["amount"] == "unlimited":
            assert used is None or used is UNLIMITED
        elif "of" in value:
            assert Fraction(value["amount"]) * 1000 == used, row
        else:
            text = plain_value(used, rule.unit)
            assert text is not None
            assert value["amount"] == text.text, row


def test_most_bounds_have_a_value():
    rows = [row for name in ALL for row in paper(name).to_dict()["limits"]]
    assert len(rows) > 100
    assert sum(row["value"] is not None for row in rows) > 80


@pytest.mark.parametrize("name", ALL)
def test_settings_and_overrides_are_those_of_the_plan(name):
    data, plan = paper(name).to_dict(), plan_of(name)
    told = {row["name"]: row for row in data["settings"]}
    assert told.keys() >= plan.settings.keys()
    for setting in plan.settings.values():
        assert told[setting.name]["overrides"] == len(setting.overrides)
    reached = [(name, row["through"], row["approved_by"], row["ticket"]) for row in data["overrides"] for name in row["settings"]]
    for setting in plan.settings.values():
        for override in setting.overrides:
            assert (setting.name, override.through or "", override.approved_by or "", override.ticket or "") in reached


@pytest.mark.parametrize("name", ALL)
def test_the_facts_are_those_that_the_policy_requires(name):
    data, policy = paper(name).to_dict(), subject(name).policy
    required = [row["pointer"] for row in data["facts"] if row["required"]]
    assert required[:len(policy.required_facts())] == policy.required_facts()
    pointers = [row["pointer"] for row in data["facts"]]
    assert len(pointers) == len(set(pointers))


@pytest.mark.parametrize("name", ALL)
def test_coverage_parts_the_rules_in_two(name):
    data = paper(name).to_dict()
    coverage = data["coverage"]
    serving = {served["rule"] for found in coverage["documents"] for place in found["places"] for served in place["served_by"]}
    assert serving == {rule["id"] for rule in data["rules"] if rule["cites"]}
    assert set(coverage["without"]) == {rule["id"] for rule in data["rules"]} - serving
    assert (coverage["citing"], coverage["rules"]) == (len(serving), len(data["rules"]))


@pytest.mark.parametrize("name", ALL)
def test_the_page_is_whole(name):
    found, data = taken(page(name)), paper(name).to_dict()
    assert found.mistakes == []
    assert found.open == []
    assert found.addresses == []
    assert "script" not in {tag for tag, _ in found.tags}
    assert len(found.ids) == len(set(found.ids))
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert all(link.startswith("#") for link in found.links)
    assert [tag for tag, _ in found.tags].count("article") == len(data["rules"])
    assert [tag for tag, _ in found.tags].count("svg") == len(data["switches"])


@pytest.mark.parametrize("name", ["examples/desk/desk.cap", "examples/entry_gate/policy.cap"])
def test_the_cards_of_the_cover_stand_in_one_row_or_two_of_one_size(name):
    text = page(name)
    cards = text.split('<ul class="tally"', 1)[1].split("</ul>", 1)[0]
    many, columns = cards.count("<li>"), int(re.match(r' style="--cards: (\d+)">', cards).group(1))
    assert columns <= 5
    assert many in (columns, 2 * columns, 2 * columns - 1)
    assert ".tally { display: grid; grid-template-columns: repeat(var(--cards), 1fr);" in text


@pytest.mark.parametrize("name", ["examples/desk/desk.cap", "examples/entry_gate/policy.cap"])
def test_the_page_tells_what_the_data_hold(name):
    said, data = taken(page(name)).said.replace(" ", ""), paper(name).to_dict()
    told = [sentence for rule in data["rules"] for sentence in (*rule["does"], rule["because"], rule["source"])]
    told += [row["bound"] for row in data["limits"]] + [title for group in data["tests"] for title in group["tests"]]
    told += [row["means"] for row in data["facts"]] + [row["value"] for row in data["settings"]]
    assert [each for each in told if each.replace(" ", "").replace("\n", "") not in said] == []


def test_what_comes_from_a_pack_says_so():
    data = paper("examples/equities_desk/policy.cap").to_dict()
    packs = {rule["id"]: rule["pack"] for rule in data["rules"]}
    assert packs["EXP-210"] == ""
    assert packs["book.EXP-010"] == "stdlib.exposure"
    assert packs["broker.hours.SESS-010"] == "stdlib.session"
    assert {row["pack"]: row["rules"] for row in data["modules"]} == {
        pack: sum(each == pack for each in packs.values()) for pack in set(packs.values()) if pack}


def test_where_a_number_comes_from():
    limits = {row["rule"]: row for row in paper("examples/desk/desk.cap").to_dict()["limits"]}
    desk = (ROOT / "examples/desk/desk.cap").read_text(encoding="utf-8").splitlines()

    def line(words: str) -> int:
        return next(number for number, text in enumerate(desk, 1) if words in text)

    # From the pack's own declaration, from the brackets behind `use`, and through them from the desk's own setting.
    assert limits["order.ORD-010"]["from"] == [
        {"setting": "order.max_order_value", "value": "75_000 USD", "how": "given at the import", "where": f"desk.cap:{line('max_order_value')}"}]
    assert limits["book.EXP-010"]["from"] == [
        {"setting": "book.max_position", "value": "8%", "how": "max_position, declared", "where": f"desk.cap:{line('setting max_position')}"}]
    assert limits["loss.LOSS-050"]["from"][0]["how"] == "declared"
    assert limits["loss.LOSS-050"]["from"][0]["where"].startswith("stdlib/loss.cap:")
    assert [(each["bound"], each["for"], each["through"]) for each in limits["book.EXP-010"]["overrides"]] == [
        ("4% of equity", "strategy “scalper”", ""), ("20% of equity", "symbol “SPY”", "2026-06-30")]


def test_a_multiple_is_a_multiple_in_all_its_places():
    data = paper("examples/quickstart/desk.cap").to_dict()
    setting = next(row for row in data["settings"] if row["name"] == "sanity.norm_factor")
    assert (setting["value"], setting["low"], setting["high"]) == ("5x", "1x", "1_000x")  # not `5`, from `100%` to `1_000`
    limit = next(row for row in data["limits"] if row["rule"] == "sanity.ORD-090")
    assert limit["bound"].startswith("5 times usual’s order quantity")
    assert limit["from"][0]["value"] == "5x"


def test_a_bound_that_is_worked_out_tells_what_it_comes_to():
    limits = {row["rule"]: row for row in paper("examples/desk/desk.cap").to_dict()["limits"]}
    assert limits["order.ORD-100"]["bound"] == "60_000 USD (80% times 75_000 USD)"
    assert limits["order.ORD-100"]["value"] == {"amount": "60000"}


@pytest.mark.parametrize(("head", "moves"), [
    ("lower is safer", "down; up if approved"), ("higher is safer", "up; down if approved"), ("lower is safer hard", "down, never up"),
    ("lower is safer open", "down and up"), ("", "freely"),
])
def test_who_may_move_a_setting(head, moves):
    told = caplex.document(caplex.loads(
        "policy p { version \"1\" language 1 mode enforce currency USD stages EXP closing faces every rule overrides tightest wins unlimited loss }\n"
        f"setting most : money = 100 USD within 0 USD..1_000 USD {head}\n"
        "limit EXP-010 { after.portfolio.gross at most most else deny }")).to_dict()
    setting = told["settings"][0]
    assert (setting["moves"], setting["low"], setting["high"], setting["read_by"]) == (moves, "0 USD", "1_000 USD", ["EXP-010"])


def test_a_setting_from_outside_is_in_the_document():
    told = caplex.document(ROOT / "examples/desk/desk.cap", settings={"max_position": "6%"}).to_dict()
    limit = next(row for row in told["limits"] if row["rule"] == "book.EXP-010")
    assert (limit["bound"], limit["value"]) == ("6% of equity", {"amount": "0.06", "of": "account.equity"})
    assert limit["from"][0]["how"] == "max_position, from settings"
    setting = next(row for row in told["settings"] if row["name"] == "max_position")
    assert (setting["value"], setting["declared"]) == ("6%", "8%")


def test_who_arms_a_switch_again():
    rows = {row["id"]: row for row in paper("examples/quickstart/desk.cap").to_dict()["switches"]}
    assert rows["KILL-010"]["rearm"] == {
        "never": False, "role": "risk-officer", "quorum": "2", "delay": "30min",
        "when": "(peak equity minus equity) divided by peak equity is below 8% or gross exposure is 0 USD"}
    assert paper("examples/desk/desk.cap").to_dict()["switches"][-1]["rearm"]["never"] is True


def test_a_loaded_policy_gives_the_document_of_its_file():
    for name in ("examples/entry_gate/policy.cap", "examples/desk/desk.cap"):
        policy = caplex.load(ROOT / name)
        assert caplex.document(policy).to_dict() == paper(name).to_dict()
    moved = caplex.load(ROOT / "examples/desk/desk.cap", settings={"max_position": "6%"})
    assert caplex.document(moved).html() == caplex.document(ROOT / "examples/desk/desk.cap", settings={"max_position": "6%"}).html()
    with pytest.raises(TypeError, match="compiled already"):
        caplex.document(moved, settings={"max_position": "5%"})


def test_as_of_a_day_tells_what_has_ended():
    def ended(day):
        told = caplex.document(ROOT / "examples/desk/desk.cap", as_of=day).to_dict()
        return [row["ended"] for row in (*told["overrides"], *told["waivers"])]

    assert ended(None) == [None, None, None]
    assert ended("2026-06-30") == [False, False, False]
    assert ended("2026-07-01") == [False, True, True]


@pytest.mark.parametrize("name", ["session", "venue", "sizing", "kill_switch"])
def test_a_pack_can_be_told_by_itself(name):
    told = caplex.document(PACKS / f"{name}.cap").to_dict()
    assert told["policy"]["module"]
    assert told["rules"] or told["sizes"]
    assert "approval" not in taken(caplex.document(PACKS / f"{name}.cap").html()).ids
