"""The cap of one limit against plain enumeration of the grid, on drawn numbers: the judge judged by the definition of §1."""
from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import pytest

from caplex.compiler.driver import check_source
from caplex.compiler.reference.decide import Decision
from caplex.compiler.source import Source
from caplex.runtime.facts import World

NOW = "2026-01-05T15:00:00Z"
HEADER = """version "1" language 1 mode enforce currency USD timezone "UTC" overrides tightest wins stages EXP
unlimited exposure unlimited loss"""
LIMITS = (
    "abs(after.position.quantity) at most {bound} units else reduce",
    "abs(after.position.quantity) below {bound} units else reduce",
    "after.position.quantity at least -{bound} units else reduce",
    "after.portfolio.gross at most {bound}0 USD else reduce",
    "max(intent.quantity - {bound} units, 5 units - intent.quantity) at most 0 units else reduce",
    "intent.opening at most {bound} units else reduce",
    "intent.closing at least 3 units else reduce",
    "abs(after.position.quantity - {bound} units) at most 4 units else reduce",
)
CLOSINGS = ("skips EXP", "skips EXP unless worse", "faces every rule")


@pytest.mark.parametrize("seed", range(400))
def test_the_cap_is_the_largest_tradable_size_that_is_kept(seed):
    random = Random(seed)
    limit, closing = random.choice(LIMITS).format(bound=random.randint(1, 30)), random.choice(CLOSINGS)
    module, problems = check_source(Source("case.cap", f"policy p {{ {HEADER} closing {closing} }} limit EXP-010 {{ {limit} }}"))
    assert module is not None, problems
    lot = random.choice((Fraction(1), Fraction(1, 2), Fraction(3)))
    instrument: dict[str, Any] = {"lot": str(float(lot))}
    if random.random() < 0.4:
        instrument |= {"min_quantity": random.randint(1, 6), "max_quantity": random.randint(6, 40)}
    document = {
        "now": NOW, "account": {}, "market": {"AAPL": {"price": 10, "as_of": NOW}}, "instruments": {"AAPL": instrument}, "orders": [],
        "positions": {"AAPL": {"quantity": random.randint(-30, 30)}},
        "intent": {"action": "open", "symbol": "AAPL", "side": random.choice(("buy", "sell")), "quantity": str(random.randint(1, 60) / 2)}}
    decision = Decision(module, World(module.schema, document, currency="USD", timezone="UTC"))
    ruling = decision.ruling()
    info, n, c = module.rules[0], decision.n, decision.c

    grid = [k * lot for k in range(int(n / lot) + 1)]
    tradable = [q for q in grid if decision.snap(q) == q]
    assert all(q <= instrument.get("max_quantity", n) and (q <= c or q >= instrument.get("min_quantity", 0)) for q in tradable)

    skips, worse = "skips" in closing, "worse" in closing
    over = decision._excess
    start = max(Fraction(0), over(info, Fraction(0)))
    spared = [q for q in [*tradable, c] if q <= c and (not worse or over(info, q) <= start)] if skips else [Fraction(0)]
    s = max(spared)
    kept = {q: q <= s or decision.broken(info, q) is False for q in [*tradable, n]}
    cap = n if kept[n] else max((q for q in tradable if s <= q and kept[q]), default=s)
    standing = decision.rules[0]
    assert (standing.s, standing.cap) == (s, cap)

    x = max(q for q in tradable if q <= cap)
    leg = max(q for q in tradable if q <= min(x, c))
    permitted = next((q for q in (x, leg) if kept[q]), Fraction(0))
    assert (ruling.quantity, ruling.closing) == (permitted, c)
