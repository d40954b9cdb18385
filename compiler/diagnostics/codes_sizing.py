"""Codes of family 5xx: sizing and allocation."""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_E = Level.ERROR

START = Code(
    "CAP501", "size-start", _E, "A size that does not begin with one `start`",
    "What is multiplied and capped must be known first.",
    "size SIZE-010 for unsized orders { times 0.5 start 500 USD }",
    "size SIZE-010 for unsized orders { start 500 USD times 0.5 }",
)
RAISED_AFTER_CAP = Code(
    "CAP502", "raised-after-cap", _E, "A size that grows again after its cap",
    "Nothing raises a size after an `at most`: the cap would not be one.",
    "size SIZE-010 for unsized orders { start 500 USD at most 1_000 USD times 3 }",
    "size SIZE-010 for unsized orders { start 500 USD times 3 at most 1_000 USD }",
)
FLOOR_ABOVE_CAP = Code(
    "CAP503", "floor-above-cap", _E, "A size whose floor lies above its cap",
    "Every order would be denied.",
    "size SIZE-010 for unsized orders { start 500 USD at most 100 USD at least 200 USD else deny }",
    "size SIZE-010 for unsized orders { start 500 USD at most 200 USD at least 100 USD else deny }",
)
STEP_TWICE = Code(
    "CAP504", "size-step-twice", _E, "A step of a size that stands twice",
    "Two floors, or two leverages; a reader would have to know which wins.",
    "size SIZE-010 for unsized orders { start 500 USD at least 10 USD else deny at least 20 USD else deny }",
    "size SIZE-010 for unsized orders { start 500 USD at least 20 USD else deny }",
)
SIZE_READS_SIZE = Code(
    "CAP505", "size-reads-size", _E, "A size that depends on the size",
    "It is worked out before there is a quantity; state is read as `committed.`.",
    "size SIZE-010 for unsized orders { start 5_000 USD - after.portfolio.gross }",
    "size SIZE-010 for unsized orders { start 5_000 USD - committed.portfolio.gross }",
)
LEVERAGE = Code(
    "CAP506", "leverage-not-positive", _E, "A leverage that need not be positive",
    "Money in margin is multiplied by it; zero or a negative number would turn a size into nothing, or into its opposite.",
    "input desk { leverage : ratio }\nsize SIZE-010 for unsized orders { start 500 USD in margin by desk.leverage }",
    "input desk { leverage : ratio above 0 }\nsize SIZE-010 for unsized orders { start 500 USD in margin by desk.leverage }",
)
ALLOCATION_BOUNDS = Code(
    "CAP510", "allocation-bounds", _E, "Bounds of shares that cannot be met",
    "With a floor above the ceiling, or fixed shares above the whole, there is never a plan and the old shares stay.",
    "allocate capital across strategies { score strategy.pnl_7d / 1 USD floor 50% ceiling 40% }",
    "allocate capital across strategies { score strategy.pnl_7d / 1 USD floor 5% ceiling 40% }",
)
ALLOCATION_CLAUSE = Code(
    "CAP511", "allocation-clause", _E, "An allocation with a clause missing or twice",
    "Shares come from one `score`, or are all `fixed`; every other clause stands once.",
    "allocate capital across strategies { floor 5% floor 6% }",
    "allocate capital across strategies { score strategy.pnl_7d / 1 USD floor 5% }",
)
ALLOCATION_ACROSS = Code(
    "CAP512", "allocation-across", _E, "An allocation across what has no rows by name",
    "Capital is shared out between the rows of a section that is keyed by a name: `strategies`, `venues`, or one that the policy declares with `each`.",
    "allocate capital across account { score 1 }",
    "allocate capital across strategies { score 1 }",
)
ALLOCATION_READS = Code(
    "CAP513", "allocation-reads", _E, "An allocation that reads an intent, or a score that is the same for every name",
    "Shares are worked out when nobody asks for an order, so there is no intent to read; and a score tells names apart only if it reads their rows.",
    "allocate capital across strategies { score intent.quantity / 1 units }",
    "allocate capital across strategies { score strategy.sharpe_30d else 0 }",
)
ALLOCATION_TWICE = Code(
    "CAP514", "allocation-twice", _E, "Two allocations of one name",
    "Whoever asks for the shares names the allocation.",
    "allocate capital across strategies { score 1 }\nallocate capital across venues { score 1 }",
    "allocate capital across strategies { score 1 }\nallocate orders across venues { score 1 }",
)
ALLOCATION_SCALE = Code(
    "CAP515", "allocation-scale", Level.WARNING, "A scale that may lie outside 0 and 1",
    "A scale above 1 would deploy more than there is, so such a plan is refused when it comes; `clamp(…, 0..1)` says that it is cut instead.",
    "input regime { multiplier : ratio }\nallocate capital across strategies { score (strategy.sharpe_30d else 0) scale by regime.multiplier }",
    "input regime { multiplier : ratio }\nallocate capital across strategies { score (strategy.sharpe_30d else 0) scale by clamp(regime.multiplier, 0..1) }",
)
CODES = tuple(value for value in list(globals().values()) if isinstance(value, Code))
