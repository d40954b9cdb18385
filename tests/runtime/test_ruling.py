"""A ruling cannot contradict itself."""
from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from caplex.runtime.ruling import Approval, Reason, Ruling, Verdict
from caplex.runtime.values import Leaf

ZERO, ONE, TEN = Fraction(0), Fraction(1), Fraction(10)
REASON = Reason("EXP-010", "limit", "EXP", "reduce", permitted=ONE)
ALLOW = Ruling(Verdict.ALLOW, TEN, TEN, ZERO, "buy", "open")
MODIFY = replace(ALLOW, verdict=Verdict.MODIFY, quantity=ONE, reasons=(REASON,))
DENY = replace(ALLOW, verdict=Verdict.DENY, quantity=ZERO, reasons=(REASON,))


@pytest.mark.parametrize(("ruling", "changes"), [
    (ALLOW, {"quantity": ONE}), (ALLOW, {"quantity": Fraction(11)}), (ALLOW, {"requested": None}), (ALLOW, {"verdict": Verdict.DENY}),
    (ALLOW, {"closing": -ONE}), (ALLOW, {"holds": ("EXP-010",)}), (ALLOW, {"if_approved": ONE}), (MODIFY, {"reasons": ()}), (MODIFY, {"quantity": ZERO}),
    (MODIFY, {"quantity": TEN}), (DENY, {"quantity": ONE}), (DENY, {"reasons": ()}), (DENY, {"verdict": Verdict.HOLD}),
    (MODIFY, {"document": (Leaf("SYS-001", "/x", "unknown-key"),)}),
])
def test_contradictions_are_refused(ruling, changes):
    with pytest.raises(AssertionError):
        replace(ruling, **changes)


@pytest.mark.parametrize("changes", [
    {"effect": "hold"}, {"approval": Approval("risk")}, {"permitted": -ONE}, {"leaves": (Leaf("SYS-002", "/b", "stale"), Leaf("SYS-001", "/a", "missing"))},
])
def test_a_reason_cannot_contradict_itself(changes):
    with pytest.raises(AssertionError):
        replace(REASON, **changes)


def test_rulings_compare_by_content_but_for_the_lot():
    assert replace(MODIFY, lot=ONE) == MODIFY
    assert replace(MODIFY, reasons=(replace(REASON, at="x"),)) != MODIFY
