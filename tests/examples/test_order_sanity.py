"""`stdlib.order_sanity`: checks of the order itself."""
from __future__ import annotations

from typing import Any

import pytest

import caplex

POLICY = """
policy desk {
  version "1"  language 1  mode enforce  currency USD  timezone "UTC"
  stages ORD  closing faces every rule  overrides tightest wins  lot 1  unlimited loss  unlimited exposure
}
use stdlib.order_sanity as sanity (max_order_value = 50_000 USD, price_collar = 5%, max_order_quantity = 1_000 units)
"""


@pytest.fixture(scope="module")
def policy() -> caplex.Policy:
    return caplex.loads(POLICY)


def facts(**intent: Any) -> dict[str, Any]:
    return {
        "now": "2026-01-05T15:00:00Z", "positions": {}, "orders": [],
        "intent": {"id": "i-1", "action": "open", "symbol": "AAPL", "side": "buy", "quantity": "10", **intent},
        "market": {"AAPL": {"price": "100", "as_of": "2026-01-05T15:00:00Z"}}}


@pytest.mark.parametrize(
    ("intent", "rules"),
    [
        ({"quantity": "500"}, []),
        ({"quantity": "501"}, ["sanity.ORD-010"]),
        ({"quantity": "500", "limit_price": "100.01"}, ["sanity.ORD-010"]),
        ({"quantity": "500", "limit_price": "99"}, []),
        ({"quantity": "500", "limit_price": "100.01", "side": "sell"}, []),
        ({"limit_price": "105"}, []),
        ({"limit_price": "105.01"}, ["sanity.ORD-020", "sanity.ORD-050"]),
        ({"limit_price": "95"}, []),
        ({"limit_price": "94.99"}, ["sanity.ORD-020"]),
        ({"quantity": "1000"}, ["sanity.ORD-010"]),
        ({"quantity": "1001"}, ["sanity.ORD-010", "sanity.ORD-030"]),
        ({"limit_price": "-100"}, ["SYS-004"]),
        ({"limit_price": "1000"}, ["sanity.ORD-020", "sanity.ORD-050"]),
    ],
)
def test_each_check(policy: caplex.Policy, intent: dict[str, Any], rules: list[str]) -> None:
    decision = policy.decide(facts(**intent))
    assert [reason.rule for reason in decision.reasons] == rules
    assert decision.verdict == ("DENY" if rules else "ALLOW")


def test_without_a_price_nothing_passes_but_the_size_is_still_looked_at(policy: caplex.Policy) -> None:
    given = facts(quantity="1001")
    given["market"] = {}
    assert list(dict.fromkeys(reason.rule for reason in policy.decide(given).reasons)) == ["SYS-001", "sanity.ORD-030"]


def test_a_policy_in_another_currency_brings_its_own_values() -> None:
    euros = POLICY.replace("max_order_value", "min_order_value = 1 USD, max_order_value").replace("USD", "EUR")
    policy = caplex.loads(euros)
    assert [policy.decide(facts(quantity=quantity)).verdict for quantity in ("500", "501")] == ["ALLOW", "DENY"]
    with pytest.raises(caplex.CaplexError, match="CAP306"):
        caplex.loads(euros.replace("max_order_value = 50_000 EUR, ", ""))
