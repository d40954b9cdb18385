"""Codes of family 7xx: what is legal, and probably not meant. Risk first, then clarity."""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_W = Level.WARNING

ABOVE_WHOLE = Code(
    "CAP701", "above-the-whole", _W, "A percentage above 100%",
    "A share above the whole is usually a slipped decimal.",
    "limit EXP-010 { portfolio.gross at most 500% of account.equity else deny }",
    "limit EXP-010 { portfolio.gross at most 5x of account.equity else deny }",
)
NEVER_FIRES = Code(
    "CAP702", "never-fires", _W, "A rule that can never fire",
    "By what is declared about its facts it is always kept: it guards nothing, and a reader believes that it does. A `require` in a "
    "stage that ends with a bar, or with a `code`, is a check that the facts are there, and is not meant.",
    "rule EXP-010 { deny when market.price < 0 }",
    "rule EXP-010 { deny when market.price < 5 USD }",
)
ALWAYS_FIRES = Code(
    "CAP703", "always-fires", _W, "A rule that is broken by every intent",
    "By what is declared about its facts it can never be kept; nothing would ever be permitted.",
    "limit EXP-010 { portfolio.gross below 0 USD else deny }",
    "limit EXP-010 { portfolio.gross below 5_000 USD else deny }",
)
SHADOWED = Code(
    "CAP704", "shadowed-rule", _W, "A rule that another one always forestalls",
    "Whatever it would stop is stopped already, so its number is not the one that holds.",
    "limit EXP-010 { portfolio.gross at most 2x of account.equity else deny }\n"
    "limit EXP-020 { portfolio.gross at most 3x of account.equity else deny }",
    "limit EXP-010 { portfolio.gross at most 2x of account.equity else deny }",
)
TRAPPED = Code(
    "CAP705", "closing-can-be-trapped", _W, "A rule that can keep a position from being closed",
    "After a loss, or a burst of orders, closing is what should still be possible.",
    "policy p { closing faces every rule … }\nlimit LOSS-010 { account.day_loss below 500 USD else deny }",
    "policy p { closing skips LOSS … }\nlimit LOSS-010 { account.day_loss below 500 USD else deny }",
)
PERMISSIVE_ELSE = Code(
    "CAP706", "permissive-else", _W, "A fallback that lets everything through",
    "Where the reading is absent the rule is kept: losing a fact would permit more.",
    "rule EXP-010 { require (venue.reject_rate else 0) < 5% }",
    "rule EXP-010 { require venue.reject_rate is known and (venue.reject_rate else 1) < 5% }",
)
UNUSED_SETTING = Code(
    "CAP707", "unused-setting", _W, "A setting that nothing reads",
    "Whoever turns this knob believes that something moves.",
    "setting cap : ratio = 10%",
    "setting cap : ratio = 10%\nlimit EXP-010 { portfolio.gross at most cap of account.equity else deny }",
)
NO_FRESHNESS = Code(
    "CAP708", "price-without-freshness", _W, "A price of any age",
    "An old price values positions and orders at what they were worth once. Where any age will do, `fresh always` says so.",
    "input curve { mid : price }",
    "input curve { mid : price fresh within 5s  as_of : instant? }",
)
TITLE_DIFFERS = Code(
    "CAP709", "title-differs", _W, "A rule whose title says another number or another direction",
    "People read the title, the engine reads the bound.",
    'limit LOSS-010 "Stop at 2%" { account.day_loss below 3% of account.day_start_equity else deny }',
    'limit LOSS-010 "Stop at 3%" { account.day_loss below 3% of account.day_start_equity else deny }',
)
CLAIMED_FIELD = Code(
    "CAP710", "lifted-by-a-claim", _W, "A limit that is lifted by what the asker says of itself",
    "Whoever sends the intent could lift the limit by writing another word; only what the host attests may do that.",
    'waiver W-010 of EXP-010 … { when intent.strategy == "HEDGE" }',
    'waiver W-010 of EXP-010 … { when intent.symbol == "SH" }',
)
NO_HARD_FLOOR = Code(
    "CAP711", "rebase-without-floor", _W, "A base that is set anew without a hard floor",
    "Each re-arming permits the same loss again; without a floor on equity itself they add up to everything.",
    "kill switch KILL-010 { trip when account.drawdown >= 10% … on rearm rebase account.peak_equity to account.equity }",
    "limit LOSS-020 { account.equity at least 50_000 USD else deny }",
)
FLOOR_AFTER_CAP = Code(
    "CAP712", "floor-after-cap", _W, "A floor that stands outside a cap",
    "`max(min(x, cap), floor)` is the floor even where that is more than the cap.",
    "size SIZE-010 for unsized orders { start max(min(2% of account.equity, 1_000 USD), account.available) }",
    "size SIZE-010 for unsized orders { start min(max(2% of account.equity, account.available), 1_000 USD) }",
)
SHARE_OF_SUM = Code(
    "CAP713", "share-of-a-sum", _W, "A share of the first of two terms",
    "`20% of a + b` is `(20% of a) + b`; it is often read as `20% of (a + b)`.",
    "limit EXP-010 { portfolio.gross at most 20% of account.equity + account.available else deny }",
    "limit EXP-010 { portfolio.gross at most 20% of (account.equity + account.available) else deny }",
)
MONITORED_TWICE = Code(
    "CAP714", "monitored-twice", _W, "A monitored rule in a policy that only monitors",
    "`mode monitor` suspends every rule already; the mark would go unnoticed when the mode changes.",
    "policy p { mode monitor … }\nrule EXP-010 monitor through 2026-03-31 { deny when portfolio.gross > 5 USD }",
    "policy p { mode monitor … }\nrule EXP-010 { deny when portfolio.gross > 5 USD }",
)
IDLE_WORDS = Code(
    "CAP715", "waiver-says-too-much", _W, "A waiver that names kill switches and lifts none",
    "The words would lift a switch if the rule were ever turned into one.",
    'waiver W-010 of EXP-010 … including kill switches { when intent.symbol == "SH" }',
    'waiver W-010 of EXP-010 … { when intent.symbol == "SH" }',
)
PAST_ITS_DATE = Code(
    "CAP716", "past-its-date", _W, "Something that has ended",
    "An exception or a trial that is over still reads as if it held.",
    "# caplex lint --as-of 2026-07-01\nwaiver W-010 of EXP-010 through 2026-06-30 …",
    "# caplex lint --as-of 2026-07-01\nwaiver W-010 of EXP-010 through 2026-12-31 …",
)

CODES = tuple(value for value in list(globals().values()) if isinstance(value, Code))
