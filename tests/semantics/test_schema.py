"""Facts: the built-in schema, and what policies may add or narrow."""
from __future__ import annotations

from fractions import Fraction

from caplex.compiler.semantics import schema
from caplex.runtime.schema import Kind

RULE = "limit EXP-900 { intent.quantity at most 5 else deny }\n"


def test_the_built_in_schema_is_read_once_and_has_its_shapes():
    built = schema.builtin()
    assert built is schema.builtin()
    shapes = {name: section.shape for name, section in built.sections.items()}
    assert shapes["intent"] == shapes["account"] == "one"
    assert shapes["market"] == shapes["position"] == "row"
    assert shapes["positions"] == shapes["orders"] == "list"
    assert shapes["fills"] == shapes["order_events"] == shapes["denials"] == "history"
    assert built.sections["market"].key == "symbol"
    price = built.sections["market"].fields["price"]
    assert (price.above, price.fresh_ns, price.positive) == (0, 5 * 10**9, True)


def test_inputs_add_sections_and_fields(good):
    checked = good(RULE + "input regime { risk : ratio within 0%..150% }\ninput beta : ratio\ninput entries each symbol as list { units : quantity }\n"
                   "input intent { confidence : ratio within 0%..100% attested }")
    regime, beta, entries = (checked.schema.sections[name] for name in ("regime", "beta", "entries"))
    assert regime.inputs
    assert regime.fields["risk"].high == Fraction(3, 2)
    assert beta.scalar
    assert beta.fields["value"].type.kind is Kind.RATIO
    assert (entries.shape, entries.key) == ("list", "symbol")
    assert checked.schema.sections["intent"].fields["confidence"].attested
    assert not checked.schema.sections["intent"].inputs
    assert not schema.builtin().sections["intent"].fields["confidence"].attested  # what a policy narrows stays as it was for others


def test_ranges_and_freshness_narrow(good, errors):
    checked = good(RULE + "input market { price : price fresh within 15s }\ninput account { peak_equity : money above 1_000 USD }")
    price = checked.schema.sections["market"].fields["price"]
    assert (price.fresh_ns, price.above) == (15 * 10**9, 0)
    assert checked.schema.sections["account"].fields["peak_equity"].above == 1000
    assert good(RULE + "input market { price : price fresh always }").schema.sections["market"].fields["price"].fresh_ns == 0
    assert errors(RULE + "input account { peak_equity : money within 0 USD..5 USD }")[0][0] == "CAP218"
    assert errors(RULE + "input account { peak_equity : quantity }")[0][0] == "CAP217"


def test_an_optional_field_can_be_asked_for(good):
    checked = good("input market { bid : price }\nrule EXP-010 { deny when market.bid > 5 USD }")
    assert not checked.schema.sections["market"].fields["bid"].optional


def test_money_of_the_policys_currency_is_money(good):
    checked = good(RULE + "input book { own : money(USD) other : money(EUR) }")
    fields = checked.schema.sections["book"].fields
    assert fields["own"].type.currency is None
    assert fields["other"].type.currency == "EUR"
