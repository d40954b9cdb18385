"""Codes of family 6xx: kill switches and state."""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_E = Level.ERROR

NO_REARM = Code(
    "CAP601", "no-rearm", _E, "A kill switch that does not say how it is re-armed",
    "Somebody will need to know in the worst hour; `rearm never` is an answer too.",
    "kill switch KILL-010 { trip when account.equity < 5_000 USD while tripped deny opening }",
    'kill switch KILL-010 { trip when account.equity < 5_000 USD while tripped deny opening rearm by 1 of "risk-officer" }',
)
CLAUSE_TWICE = Code(
    "CAP602", "switch-clause-twice", _E, "A clause of a kill switch that stands twice",
    "Two answers to one question.",
    "kill switch KILL-010 { trip when account.equity < 5_000 USD while tripped deny opening while tripped deny all rearm never }",
    "kill switch KILL-010 { trip when account.equity < 5_000 USD while tripped deny all rearm never }",
)
NO_WHILE_TRIPPED = Code(
    "CAP603", "no-while-tripped", _E, "A kill switch that does not say what it stops",
    "Whether closing orders still pass is the choice that matters most once it has tripped.",
    "kill switch KILL-010 { trip when account.equity < 5_000 USD rearm never }",
    "kill switch KILL-010 { trip when account.equity < 5_000 USD while tripped deny opening rearm never }",
)
BY_HAND_ONLY = Code(
    "CAP604", "switch-by-hand-only", Level.NOTE, "A kill switch that nothing trips but a person",
    "That may be what is meant; a `trip when` would also work while nobody looks.",
    'kill switch KILL-010 { while tripped deny all rearm by 1 of "risk-officer" }',
    'kill switch KILL-010 { trip when account.equity < 5_000 USD while tripped deny all rearm by 1 of "risk-officer" }',
)
REARM_KEEPS_TRIP = Code(
    "CAP605", "rearm-does-not-exclude-trip", _E, "A switch that may be re-armed while its trip still holds",
    "It would trip again at once, or stay tripped although its condition says otherwise.",
    "kill switch KILL-010 { trip when account.day_loss >= 500 USD while tripped deny opening rearm when (account.day_loss < 700 USD) }",
    "kill switch KILL-010 { trip when account.day_loss >= 500 USD while tripped deny opening rearm when (account.day_loss < 400 USD) }",
)
SELF_LOCKING = Code(
    "CAP606", "self-locking-switch", Level.WARNING, "A switch that can lock itself for ever",
    "A drawdown from the high-water mark cannot recover while nothing may be opened: no operator, no time and no flat book makes the "
    "condition true. `rearm never` says so plainly; a rebase, or a flat book as an alternative, mends it.",
    'kill switch KILL-010 { trip when account.drawdown >= 10% while tripped deny opening rearm by 1 of "risk" and when (account.drawdown < 8%) }',
    'kill switch KILL-010 { trip when account.drawdown >= 10% while tripped deny opening rearm by 1 of "risk" '
    "and when (account.drawdown < 8% or portfolio.gross == 0 USD) on rearm rebase account.peak_equity to account.equity }",
)
BAD_REBASE = Code(
    "CAP607", "rebase-target", _E, "A rebase of something that is not a base",
    "Only a high-water mark or the start of a period may be set anew; equity, prices and positions are what they are.",
    "kill switch KILL-010 { … on rearm rebase account.equity to account.peak_equity }",
    "kill switch KILL-010 { … on rearm rebase account.peak_equity to account.equity }",
)
MISPLACED_ACTION = Code(
    "CAP608", "misplaced-action", _E, "An act at the wrong moment of a switch",
    "A base is set anew when the switch is re-armed, not when it trips; orders are cancelled when it trips, not when it is re-armed.",
    "kill switch KILL-010 { … on trip rebase account.peak_equity to account.equity }",
    "kill switch KILL-010 { … on rearm rebase account.peak_equity to account.equity }",
)
TRIP_COUNTS_NOTHING = Code(
    "CAP610", "trip-counts-nothing", _E, "A trip on something that is never violated",
    "Switches, SYS reasons and warnings do not count as violations, so this would never trip.",
    "kill switch KILL-010 { trip when KILL-020 violated while tripped deny all rearm never }",
    "kill switch KILL-010 { trip when LOSS-010 violated while tripped deny all rearm never }",
)
NOT_AT_LEAST_ONE = Code(
    "CAP612", "less-than-one", _E, "A count below one",
    "Nothing, counted, would trip or re-arm the switch at once.",
    "kill switch KILL-010 { trip when 0 denials in any 5min while tripped deny opening rearm never }",
    "kill switch KILL-010 { trip when 5 denials in any 5min while tripped deny opening rearm never }",
)
NOBODY_NAMED = Code(
    "CAP613", "nobody-named", _E, "A role or a channel without a name",
    "An empty text names nobody: nobody could arm the switch again, approve the order, or be told.",
    'kill switch KILL-010 { trip when account.equity < 5_000 USD while tripped deny all rearm by 1 of "" }',
    'kill switch KILL-010 { trip when account.equity < 5_000 USD while tripped deny all rearm by 1 of "risk-officer" }',
)

CODES = tuple(value for value in list(globals().values()) if isinstance(value, Code))
