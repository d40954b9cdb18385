"""Codes of family 7xx that `caplex lint` alone finds, about risk: what a policy leaves open."""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_W = Level.WARNING

ONE_SIDED = Code(
    "CAP720", "one-sided-bound", _W, "A bound that holds for longs alone",
    "A short position is negative, so it is below every upper bound: shorts have no limit.",
    "limit EXP-010 { after.position.notional at most 10_000 USD else reduce }",
    "limit EXP-010 { abs(after.position.notional) at most 10_000 USD else reduce }",
)
ORDER_NOT_COUNTED = Code(
    "CAP721", "order-not-counted", _W, "A limit that does not count the order",
    "What is held now is below the limit until the order that breaks it has filled; `after.` counts the order, and those in flight.",
    "limit EXP-010 { abs(position.notional) at most 10_000 USD else deny }",
    "limit EXP-010 { abs(after.position.notional) at most 10_000 USD else reduce }",
)
NO_KILL_SWITCH = Code(
    "CAP722", "no-kill-switch", _W, "A policy without a kill switch that can trip",
    "A limit stops an order; nothing stops what keeps sending them. Where another policy answers for losses, `unlimited loss` says so.",
    'policy p { language 1 currency USD stages LOSS, EXP closing skips LOSS, EXP unlimited exposure }\n'
    "limit LOSS-010 { account.day_loss below 500 USD else deny }",
    'policy p { language 1 currency USD stages KILL, LOSS, EXP closing skips LOSS, EXP unlimited exposure }\n'
    "limit LOSS-010 { account.day_loss below 500 USD else deny }\n"
    'kill switch KILL-010 { trip when account.day_loss >= 900 USD while tripped deny opening rearm by 1 of "risk" }',
)
NOBODY_REARMS = Code(
    "CAP723", "nobody-re-arms", _W, "A switch tripped by hand that no role arms again",
    "Whoever trips it stops the desk for good, or only until it arms itself: neither is what the person at the switch expects.",
    "kill switch KILL-010 { while tripped deny opening rearm 30min after trip }",
    'kill switch KILL-010 { while tripped deny opening rearm by 1 of "risk-officer" and 30min after trip }',
)
GROSS_MISSING = Code(
    "CAP724", "book-without-limit", _W, "Positions that are limited one by one, and a book that is not",
    "Fifty positions at their limit are fifty times the limit.",
    'policy p { language 1 currency USD stages EXP closing skips EXP unlimited loss }\n'
    "limit EXP-010 { abs(after.position.notional) at most 10% of account.equity else reduce }",
    'policy p { language 1 currency USD stages EXP closing skips EXP unlimited loss }\n'
    "limit EXP-010 { abs(after.position.notional) at most 10% of account.equity else reduce }\n"
    "limit EXP-020 { after.portfolio.gross at most 2x of account.equity else reduce }",
)
FRESH_BUDGET = Code(
    "CAP725", "fresh-budget", _W, "A budget for each strategy that any name opens anew",
    "The strategy is what the intent says of itself: a misspelt one has a whole budget of its own.",
    "throttle EXEC-010 { deny beyond 10 orders in any 1min for each strategy }",
    "throttle EXEC-010 { deny beyond 10 orders in any 1min for each strategy }\n"
    'rule ORD-010 { require intent.strategy in ["MOMENTUM", "SCALPER"] }',
)
UNLISTED_PERMITS = Code(
    "CAP726", "unlisted-permits", _W, "A default that gives an unlisted name more than every listed one",
    "Whoever is not listed, or misspelt, gets the default: it should be the tightest number, or none at all.",
    'setting most : count = unlimited  "Symbols at once" { set for strategy "SCALPER" = 2 set for strategy "MOMENTUM" = 1 }\n'
    "limit EXP-010 { portfolio.positions at most most else deny }",
    'setting most : count = 0  "Symbols at once" { set for strategy "SCALPER" = 2 set for strategy "MOMENTUM" = 1 }\n'
    "limit EXP-010 { portfolio.positions at most most else deny }",
)
GRAVE_WARNING = Code(
    "CAP727", "grave-warning", _W, "A grave rule that only warns",
    "`severity high` reads as if something were stopped; a warning takes nothing away.",
    "limit EXP-010 severity critical { after.portfolio.gross at most 2x of account.equity else warn }",
    "limit EXP-010 severity critical { after.portfolio.gross at most 2x of account.equity else reduce }",
)
WARNS_TOO_LATE = Code(
    "CAP728", "warns-too-late", _W, "A warning that begins where the limit ends",
    "What would warn first is stopped or made smaller already: nobody ever sees the warning in time.",
    "limit EXP-010 { after.portfolio.gross at most 2x of account.equity else reduce }\n"
    "limit EXP-020 { after.portfolio.gross at most 3x of account.equity else warn }",
    "limit EXP-010 { after.portfolio.gross at most 2x of account.equity else reduce }\n"
    "limit EXP-020 { after.portfolio.gross at most 1.5x of account.equity else warn }",
)
NO_WINDOW = Code(
    "CAP729", "rate-without-window", _W, "A rate whose count never decays",
    "What was counted once counts for ever: the rule stops the desk for good, or counts something else than its title says.",
    'limit EXEC-010 "Orders per minute" { count(orders) below 20 else deny }',
    'throttle EXEC-010 "Orders per minute" { deny beyond 20 orders in any 1min }',
)
BARE_SHARE = Code(
    "CAP730", "bare-share", _W, "A share compared with a bare number above one",
    "A share of one is the whole, so 15 is fifteen times the whole: a limit of 15 where 15% is meant is never reached.",
    "limit LOSS-010 { account.drawdown at most 15 else deny }",
    "limit LOSS-010 { account.drawdown at most 15% else deny }",
)
BLANK_EDGE = Code(
    "CAP731", "blank-at-the-edge", _W, "A name that begins or ends with a blank",
    "Names are compared letter by letter, so `\"GME \"` is not `\"GME\"`: what is listed is not found, and passes.",
    'rule ORD-010 { deny when intent.symbol in ["GME ", "AMC"] }',
    'rule ORD-010 { deny when intent.symbol in ["GME", "AMC"] }',
)

CODES = tuple(value for value in list(globals().values()) if isinstance(value, Code))
