"""The words of the language that an author cannot use as names.

A word is *hard* when it may never stand as a bare name: operators, values, and the words that open an item or a
clause, so that a missing ``}`` is noticed at the next item. A word is *reserved* when it is hard or when it stands
beside a name in some state of the parser: it may be read, but a setting, a let or an import may not be called so.
After a dot, and as the name of a field, any word may stand. `tests/syntax/test_words.py` holds these lists equal to
the parse table.
"""
from __future__ import annotations

_HARD = """
    and or not in is of else if then where for when each true false unlimited after last switch
    because require at through
    policy use input setting let rule throttle cooldown kill waiver allocate test property
"""
_BESIDE_NAMES = """
    above allow answer approved below by deny emit fixed freeze from hard higher hold limit loosen lower modify never
    nothing obligation on one rearm rebalance scale set size ticket tighten to trip warn while within
"""
_ITEMS = "use input setting let rule limit throttle cooldown kill waiver size allocate answer emit test property"

HARD = frozenset(_HARD.split())
RESERVED = HARD | frozenset(_BESIDE_NAMES.split())

# Words with which an item begins, as the author sees them.
ITEM_WORDS = _ITEMS.split()

EVENT_WORDS = [
    "intent", "fill", "order", "cancel", "reject", "quote", "tick", "stop", "result", "denial", "violation", "cash", "approve", "decline",
]
VERDICT_WORDS = ["allow", "deny", "hold", "modify"]
SEVERITY_WORDS = ["low", "medium", "high", "critical"]
