"""What names mean: the side tables that both semantics read."""
from __future__ import annotations

import pytest

from caplex.compiler.semantics import model
from caplex.compiler.syntax import ast
from caplex.runtime.schema import Kind


def condition(checked, rule_id="EXP-010"):
    rule = next(rule for rule in checked.rules if rule.id == rule_id)
    return rule.node.effect.condition


def test_a_bare_read_takes_the_row_of_the_intent_and_a_keyed_one_its_own(good):
    checked = good('rule EXP-010 { deny when market.price > market["SPY"].price }')
    compare = condition(checked)
    left, right = checked.bindings[compare.left.id], checked.bindings[compare.right.id]
    assert isinstance(left, model.FieldBinding)
    assert isinstance(right, model.FieldBinding)
    assert left.key is None
    assert isinstance(right.key, ast.Text)
    assert left.section.shape == "row"


@pytest.mark.parametrize("word", ["buy", '"buy"'])
def test_members_are_words_or_texts(good, word):
    checked = good(f"rule EXP-010 {{ deny when intent.side == {word} }}")
    right = condition(checked).right
    assert checked.types[right.id].kind is Kind.ENUM
    if word == "buy":
        assert checked.bindings[right.id] == model.MemberBinding("buy")


def test_a_member_may_stand_on_the_left(good):
    checked = good("rule EXP-010 { deny when buy == intent.side }")
    assert checked.bindings[condition(checked).left.id] == model.MemberBinding("buy")


def test_a_bare_numeral_has_the_type_of_its_partner(good):
    checked = good("rule EXP-010 { deny when intent.quantity > 2 + 3 }")
    right = condition(checked).right
    assert checked.types[right.id].kind is Kind.QUANTITY
    assert checked.types[right.left.id].kind is Kind.QUANTITY
    assert not checked.types[right.id].bare


def test_money_as_written_may_be_a_price(good):
    checked = good("rule EXP-010 { deny when market.price > 5 USD and intent.quantity * 5 USD > 3 USD }")
    assert checked.types[condition(checked).left.right.id].kind is Kind.PRICE


def test_what_depends_on_the_size_is_derived(good):
    checked = good("rule EXP-010 { deny when intent.quantity > 5 or position.quantity > 5 }")
    for side, name in ((condition(checked).left, "intent.quantity"), (condition(checked).right, "position.quantity")):
        binding = checked.bindings[side.left.id]
        assert isinstance(binding, model.DerivedBinding)
        assert binding.name == name


def test_a_let_is_bound_to_its_expression_and_typed_once(good):
    checked = good("let loss = account.day_loss\nrule EXP-010 { deny when loss > 5 USD }\nrule EXP-020 { deny when loss > 6 USD }")
    binding = checked.bindings[condition(checked).left.id]
    assert isinstance(binding, model.LetBinding)
    assert checked.types[binding.value.id].kind is Kind.MONEY


def test_a_share_remembers_its_whole(good):
    checked = good("rule EXP-010 { deny when account.equity / account.peak_equity < 90% }")
    assert checked.types[condition(checked).left.id].of == "account.peak_equity"


@pytest.mark.parametrize(("source", "section"), [("orders", "orders"), ("orders in last 1h", "order_events"), ("fills today", "fills")])
def test_orders_over_a_window_are_the_approved_intents(good, source, section):
    checked = good(f"rule EXP-010 {{ deny when count({source}) > 5 }}")
    assert checked.aggregates[condition(checked).left.id].name == section


def test_rates_know_their_events_and_keys(good):
    checked = good("throttle EXEC-010 { deny beyond 10 orders in any 1min for each strategy, symbol where event.side is known }\n"
                   "cooldown EXEC-020 { deny during 5min after last fill for each symbol }")
    throttle, cooldown = (rule.node for rule in checked.rules)
    assert checked.throttle_events[throttle.id].name == "order_events"
    assert [name for name, _ in checked.throttle_keys[throttle.id]] == ["strategy", "symbol"]
    assert checked.throttle_events[cooldown.id].name == "fills"
    read = checked.throttle_keys[cooldown.id][0][1]
    assert checked.bindings[read.id].section.name == "intent"


def test_switches_are_referred_to_by_qualified_id(good):
    checked = good("kill switch KILL-010 { trip when account.drawdown > 10% while tripped deny all rearm never }\n"
                   "rule EXP-010 { deny when switch KILL-010 tripped }")
    reference = condition(checked).switch
    assert checked.bindings[reference.id] == model.SwitchBinding("KILL-010")
    assert checked.references[reference.id] == "KILL-010"


def test_every_expression_of_a_rule_has_a_type(good):
    checked = good("limit EXP-010 { when intent.side == buy, abs(after.position.notional) at most 10% of account.equity else reduce "
                   'because "{intent.symbol} {allowed} {observed}" }')
    limit = checked.rules[0].node
    for expr in (limit.when, limit.measure, limit.bound, limit.measure.arguments[0], limit.bound.left):
        assert checked.types[expr.id].kind is not Kind.UNKNOWN
    holes = [part for part in limit.because.parts if isinstance(part, ast.Hole)]
    assert [checked.types[hole.value.id].kind for hole in holes[1:]] == [Kind.MONEY, Kind.MONEY]


def test_one_mistake_in_a_let_is_one_error(errors):
    found = errors("let bad = account.equty\nrule EXP-010 { deny when bad > 5 USD }\nrule EXP-020 { deny when bad + bad > 6 USD }")
    assert [code for code, _ in found] == ["CAP203"]


def test_ten_mistakes_are_ten_errors(errors):
    rules = "\n".join(f"rule EXP-{n}0 {{ deny when account.equity{n} > 5 USD }}" for n in range(1, 11))
    assert [code for code, _ in errors(rules)] == ["CAP203"] * 10


def test_rates_of_exchange_convert(good, errors):
    good('rule EXP-010 { deny when 5 EUR * fx["EURUSD"].rate > account.equity }')
    good('rule EXP-010 { deny when account.equity / fx["EURUSD"].rate > 5 EUR }')
    assert errors('rule EXP-010 { deny when 5 EUR * fx["GBPUSD"].rate > account.equity }')[0][0] == "CAP306"


@pytest.mark.parametrize("forward", [True, False])
def test_long_chains_of_definitions_are_refused_not_overrun(errors, forward):
    chain = [f"let a{n} = a{n + 1} + 1" for n in range(400)] + ["let a400 = 1"]
    rule = "\nrule EXP-010 { deny when a0 > 5 }"
    found = errors("\n".join(chain if forward else reversed(chain)) + rule)
    assert found
    assert {code for code, _ in found} == {"CAP226"}
    settings = [f"setting s{n} : count = s{n + 1} + 1" for n in range(400)] + ["setting s400 : count = 1"]
    assert {code for code, _ in errors("\n".join(settings) + rule.replace("a0", "s0"))} <= {"CAP226"}


def test_short_chains_are_fine(good):
    good("\n".join(f"let a{n} = a{n + 1} + 1" for n in range(40)) + "\nlet a40 = 1\nrule EXP-010 { deny when intent.quantity > a0 }")
