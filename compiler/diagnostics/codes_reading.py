"""Codes of family 7xx that `caplex lint` alone finds, about reading; and those about its own comments and configuration."""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_N, _W = Level.NOTE, Level.WARNING

NO_BECAUSE = Code(
    "CAP740", "denial-without-because", _N, "A rule that denies and does not say why",
    "A condition of several parts tells nobody which part was broken. One comparison, a `code` or a `because` does.",
    'rule ORD-010 "Sane" { deny when intent.quantity > 500 units or market.price < 1 USD }',
    'rule ORD-010 "Sane" {\n  deny when intent.quantity > 500 units or market.price < 1 USD\n  because "{intent.quantity} at {market.price} is no order of ours"\n}',
)
NO_TITLE = Code(
    "CAP741", "no-title", _N, "A rule without a title",
    "`EXP-010` alone says nothing to whoever reads a denial at night.",
    "limit EXP-010 { after.portfolio.gross at most 2x of account.equity else deny }",
    'limit EXP-010 "Whole book" { after.portfolio.gross at most 2x of account.equity else deny }',
)
OUT_OF_ORDER = Code(
    "CAP742", "out-of-order", _N, "A rule that stands behind one it is judged before",
    "Numbers give the order in which rules are judged and told; a file that reads in another order misleads.",
    'limit EXP-020 "Book" { after.portfolio.gross at most 2x of account.equity else deny }\n'
    'limit EXP-010 "Order" { intent.notional at most 500 USD else deny }',
    'limit EXP-010 "Order" { intent.notional at most 500 USD else deny }\n'
    'limit EXP-020 "Book" { after.portfolio.gross at most 2x of account.equity else deny }',
)
HAS_A_SETTING = Code(
    "CAP743", "literal-has-a-setting", _N, "A number that stands in a setting already",
    "Whoever turns the knob leaves the copy behind.",
    'setting max_order : money = 75_000 USD "Largest order"\n'
    'limit ORD-010 "Order" { intent.notional at most max_order else deny }\n'
    'limit ORD-020 "Buys" { when intent.side == buy, intent.notional at most 75_000 USD else reduce }',
    'setting max_order : money = 75_000 USD "Largest order"\n'
    'limit ORD-010 "Order" { intent.notional at most max_order else deny }\n'
    'limit ORD-020 "Buys" { when intent.side == buy, intent.notional at most max_order else reduce }',
)
MAGIC_NUMBER = Code(
    "CAP744", "magic-number", _N, "A number that stands in three rules",
    "It changes in two of them. A setting has one place, a title, and a safer side.",
    'limit EXP-010 "A" { when intent.symbol == "A", intent.notional at most 75_000 USD else deny }\n'
    'limit EXP-020 "B" { when intent.symbol == "B", intent.notional at most 75_000 USD else deny }\n'
    'limit EXP-030 "C" { when intent.symbol == "C", intent.notional at most 75_000 USD else deny }',
    'setting max_order : money = 75_000 USD "Largest order"\n'
    'limit EXP-010 "A" { when intent.symbol == "A", intent.notional at most max_order else deny }\n'
    'limit EXP-020 "B" { when intent.symbol == "B", intent.notional at most max_order else deny }\n'
    'limit EXP-030 "C" { when intent.symbol == "C", intent.notional at most max_order else deny }',
)
SETTING_WITHOUT_WORDS = Code(
    "CAP745", "setting-without-words", _N, "A setting that does not say what it sets",
    "Its title stands in every denial that it causes, in `caplex explain` and in the editor.",
    "setting share : ratio = 10%\nlimit EXP-010 \"Position\" { abs(after.position.notional) at most share of account.equity else reduce }",
    "setting share : ratio = 10%  \"Largest position in one symbol\"\n"
    "limit EXP-010 \"Position\" { abs(after.position.notional) at most share of account.equity else reduce }",
)
PACK_WITHOUT_WORDS = Code(
    "CAP746", "pack-without-words", _N, "A module that does not say what it is for",
    "The comment at its top is its page: who imports it reads that first.",
    "# no page of its own\n" 'limit EXP-010 "Order" { intent.notional at most 500 USD else deny }',
    "## The size of one order.\n##\n##     use \"orders.cap\" as orders\n\n" 'limit EXP-010 "Order" { intent.notional at most 500 USD else deny }',
)
DOUBLE_NEGATION = Code(
    "CAP747", "double-negation", _N, "A rule that denies what is not",
    "`deny when not …` is `require …`, and is read once instead of twice.",
    'rule ORD-010 "Board" { deny when not (intent.symbol in ["SPY", "QQQ"]) }',
    'rule ORD-010 "Board" { require intent.symbol in ["SPY", "QQQ"] }',
)
NEGATED_COMPARISON = Code(
    "CAP748", "negated-comparison", _N, "A comparison that is turned round by `not`",
    "The language has a word for the other side.",
    'limit EXP-010 "Others" { when not (intent.symbol in ["SPY", "QQQ"]), intent.notional at most 500 USD else deny }',
    'limit EXP-010 "Others" { when intent.symbol not in ["SPY", "QQQ"], intent.notional at most 500 USD else deny }',
)
COULD_BE_WITHIN = Code(
    "CAP749", "could-be-within", _N, "Two comparisons that are one range",
    "`within` names the reading once, and includes both ends.",
    'rule ORD-010 "Penny stocks" { deny when market.price >= 1 USD and market.price <= 5 USD }',
    'rule ORD-010 "Penny stocks" { deny when market.price within 1 USD..5 USD }',
)
IDLE_PARENTHESES = Code(
    "CAP750", "idle-parentheses", _N, "Parentheses around what stands alone",
    "They look as if they changed what belongs together.",
    'limit EXP-010 "Book" { after.portfolio.gross at most 2x of (account.equity) else deny }',
    'limit EXP-010 "Book" { after.portfolio.gross at most 2x of account.equity else deny }',
)
MIXED_UNITS = Code(
    "CAP751", "mixed-units", _N, "A share written as a fraction beside others in percent",
    "`0.05` next to `5%` is where a factor of a hundred hides.",
    'limit EXP-010 "Position" { abs(after.position.notional) at most 0.05 of account.equity else reduce }\n'
    'limit LOSS-010 "Day" { account.day_loss below 2% of account.day_start_equity else deny }',
    'limit EXP-010 "Position" { abs(after.position.notional) at most 5% of account.equity else reduce }\n'
    'limit LOSS-010 "Day" { account.day_loss below 2% of account.day_start_equity else deny }',
)
UNUSED_LET = Code(
    "CAP752", "unused-let", _W, "A name that nothing reads",
    "A reader looks for the rule that uses it.",
    'policy p { language 1 currency USD stages EXP closing skips EXP unlimited loss unlimited exposure }\n'
    "let lost = account.peak_equity - account.equity\n"
    'limit EXP-010 "Order" { intent.notional at most 500 USD else deny }',
    'policy p { language 1 currency USD stages EXP closing skips EXP unlimited loss unlimited exposure }\n'
    'limit EXP-010 "Order" { intent.notional at most 500 USD else deny }',
)
UNUSED_SUPPRESSION = Code(
    "CAP760", "unused-suppression", _W, "A comment that silences nothing",
    "What it was for has been mended; left behind, it would silence the next finding there.",
    "# caplex: ignore CAP701 because the desk is levered\n"
    'limit EXP-010 "Book" { after.portfolio.gross at most 5x of account.equity else deny }',
    'limit EXP-010 "Book" { after.portfolio.gross at most 5x of account.equity else deny }',
)
NO_REASON = Code(
    "CAP761", "suppression-without-reason", _W, "A finding that is silenced without a reason",
    "Whoever reads the policy next year must know why. Until a reason is given, nothing is silenced.",
    "# caplex: ignore CAP701\n"
    'limit EXP-010 "Book" { after.portfolio.gross at most 500% of account.equity else deny }',
    "# caplex: ignore CAP701 because the mandate says 500%\n"
    'limit EXP-010 "Book" { after.portfolio.gross at most 500% of account.equity else deny }',
)
UNKNOWN_SUPPRESSION = Code(
    "CAP762", "unknown-suppression", _W, "A comment to `caplex lint` that it does not understand",
    "It looks as if a finding were silenced, and none is.",
    "# caplex: ignore above-the-hole because the mandate says 500%\n"
    'limit EXP-010 "Book" { after.portfolio.gross at most 5x of account.equity else deny }',
    "# caplex: ignore above-the-whole because the mandate says 500%\n"
    'limit EXP-010 "Book" { after.portfolio.gross at most 500% of account.equity else deny }',
)
BAD_CONFIGURATION = Code(
    "CAP770", "lint-configuration", Level.ERROR, "A configuration that cannot be used",
    "A misspelt key would be a lint that is silently off. `caplex.toml`, or `[tool.caplex]` in `pyproject.toml`, holds what is listed in the how-to.",
)

CODES = tuple(value for value in list(globals().values()) if isinstance(value, Code))
