"""Codes of family 2xx: names and facts. What a policy reads must exist, and a module must be the one that was meant."""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_E, _W = Level.ERROR, Level.WARNING

UNKNOWN_NAME = Code(
    "CAP201", "unknown-name", _E, "A name that nothing declares",
    "A bare name is a setting, a `let`, an input or a member of an enumeration. A misspelt one would have no value.",
    "let drawdown = 1 - account.equity / account.peak_equity\nrule LOSS-010 { deny when drawdwn >= 10% }",
    "let drawdown = 1 - account.equity / account.peak_equity\nrule LOSS-010 { deny when drawdown >= 10% }",
)
INCOMPLETE_READ = Code(
    "CAP202", "incomplete-read", _E, "A section where one of its fields is meant",
    "A section has many fields; a comparison needs one of them.",
    "rule LOSS-010 { deny when account < 5 USD }",
    "rule LOSS-010 { deny when account.equity < 5 USD }",
)
UNKNOWN_FIELD = Code(
    "CAP203", "unknown-field", _E, "A field that no document can hold",
    "A misspelt field would read as missing at run time and deny every order.",
    "rule EXP-010 { deny when portfolio.gros > 5_000 USD }",
    "rule EXP-010 { deny when portfolio.gross > 5_000 USD }",
)
UNKNOWN_MEMBER = Code(
    "CAP204", "unknown-member", _E, "A word that is not one of those declared",
    "A comparison with a word that the field can never hold is never true, so the rule would never act.",
    "rule EXP-010 { deny when intent.side == bye }",
    "rule EXP-010 { deny when intent.side == buy }",
)
UNKNOWN_SETTING = Code(
    "CAP205", "unknown-setting", _E, "A value for a setting that does not exist",
    "A key that nobody reads looks as if it were in force.",
    "use stdlib.order_sanity as sanity (max_ordr_value = 5_000 USD)",
    "use stdlib.order_sanity as sanity (max_order_value = 5_000 USD)",
)
UNKNOWN_RULE = Code(
    "CAP206", "unknown-rule", _E, "A reference to a rule that does not exist",
    "A waiver, trip or test that names no rule would silently do nothing.",
    "waiver W-010 of EXP-101 through 2026-06-30 approved by \"CRO\" ticket \"R-1\" { when intent.symbol == \"SH\" }",
    "waiver W-010 of EXP-010 through 2026-06-30 approved by \"CRO\" ticket \"R-1\" { when intent.symbol == \"SH\" }",
)
UNKNOWN_MODULE = Code(
    "CAP207", "unknown-module", _E, "A module that cannot be found",
    "The rules of a module that is not there would not be in force.",
    "use stdlib.order_santy as sanity",
    "use stdlib.order_sanity as sanity",
)
DUPLICATE = Code(
    "CAP208", "declared-twice", _E, "One name for two things",
    "A reader could not tell which of the two is meant.",
    "let cap = 10%\nlet cap = 20%",
    "let cap = 10%\nlet wide_cap = 20%",
)
UNUSED_IMPORT = Code(
    "CAP209", "unused-import", _W, "An import that nothing uses",
    "It suggests a control that is not there.",
    "use \"knobs.cap\" as knobs",
    'use "knobs.cap" as knobs\nlimit EXP-010 { intent.quantity at most knobs.most else deny }',
)
IMPORT_CYCLE = Code(
    "CAP210", "import-cycle", _E, "Modules that import each other",
    "Neither could be read first.",
    "# a.cap\nuse \"b.cap\" as b\n# b.cap\nuse \"a.cap\" as a",
    '# a.cap\nuse "shared.cap" as shared\n# b.cap\nuse "shared.cap" as shared',
)
UNKNOWN_FUNCTION = Code(
    "CAP211", "unknown-function", _E, "A function that does not exist",
    "The functions are abs, min, max, clamp; the aggregates sum, count, min, max, any, all.",
    "rule EXP-010 { deny when absolute(position.quantity) > 5 }",
    "rule EXP-010 { deny when abs(position.quantity) > 5 }",
)
BAD_ARGUMENTS = Code(
    "CAP212", "bad-arguments", _E, "Arguments that the function does not take",
    "Each function has one shape, so that a call can be read without a manual.",
    "let share = clamp(account.equity / account.peak_equity, 0, 1)",
    "let share = clamp(account.equity / account.peak_equity, 0..1)",
)
OPTIONAL = Code(
    "CAP213", "optional-field", _E, "An optional field that is read as if it were always there",
    "When it is absent the comparison has no answer. Say what then holds.",
    "rule ORD-010 { deny when market.bid < 5 USD }",
    "rule ORD-010 { deny when (market.bid else market.price) < 5 USD }",
)
NEEDS_KEY = Code(
    "CAP214", "row-needs-key", _E, "A table that is read without, or wrongly with, a key",
    "`market.price` is the row of the intent's symbol; a table without such a key must say which row it means.",
    "let euro = fx.rate",
    "let euro = fx[\"EURUSD\"].rate",
)
UNKNOWN_TYPE = Code(
    "CAP215", "unknown-type", _E, "A type that does not exist",
    "The type is what keeps shares, money and counts apart.",
    "input beta : ratoi",
    "input beta : ratio",
)
UNKNOWN_WORD = Code(
    "CAP216", "unknown-word", _E, "A word that is none of those that may stand here",
    "Actions, kinds of event, dimensions and families are closed lists.",
    "rule ORD-010 for opne { deny when market.price < 5 USD }",
    "rule ORD-010 for open { deny when market.price < 5 USD }",
)
CHANGED_TYPE = Code(
    "CAP217", "changed-type", _E, "A built-in field with another type",
    "A field means the same in every policy, else one facts document could not serve two of them.",
    "input account { equity : ratio }",
    "input account { equity : money }",
)
WIDENED = Code(
    "CAP218", "widened-range", _E, "A built-in range made wider",
    "The ranges of the schema are what other checks and proofs rely on; a policy may only narrow them.",
    "input account { peak_equity : money within 0..unlimited }",
    "input account { peak_equity : money above 1_000 }",
)
NOT_HERE = Code(
    "CAP219", "not-readable-here", _E, "A reading that has no value in this place",
    "`allowed`, `observed` and `permitted.` exist only once the rules have been judged.",
    "rule EXP-010 { deny when permitted.opening > 5 }",
    "rule EXP-010 { deny when intent.opening > 5 }",
)
LET_CYCLE = Code(
    "CAP220", "defined-by-itself", _E, "A definition that needs itself",
    "It has no value.",
    "let a = b + 1\nlet b = a + 1",
    "let a = b + 1\nlet b = 1",
)
NOT_ROWS = Code(
    "CAP221", "not-rows", _E, "An aggregate over something that has no rows",
    "Aggregates range over lists (`positions`, `orders`, inputs `as list`) and histories (`fills`, `denials`).",
    "let n = count(account)",
    "let n = count(positions)",
)
NOT_HISTORY = Code(
    "CAP222", "window-without-history", _E, "A time window over rows that are not events",
    "Only histories know when each of their rows happened.",
    "let n = count(positions in last 1d)",
    "let n = count(fills in last 1d)",
)
HEADER_IN_MODULE = Code(
    "CAP223", "header-in-module", _E, "An imported file with a policy header",
    "A header decides stages, currency and mode for the whole policy, so there is exactly one.",
    "use \"other_policy.cap\" as other",
    'use "rules_of_both.cap" as rules   # what both policies hold in common, without a header',
)
NEVER_ABSENT = Code(
    "CAP224", "never-absent", _W, "A fallback for a field that is never absent",
    "`else` sees absence only: a required field that is missing, stale or unusable denies, whatever stands behind `else`.",
    "let price = account.equity else 0 USD",
    "let equity = account.equity",
)
BAD_INPUT = Code(
    "CAP225", "bad-input-declaration", _E, "A declaration that contradicts itself",
    "A range that nothing fits, or freshness without a time to measure it by, would make the field unusable.",
    "input regime { risk : ratio within 100%..0% }",
    "input regime { risk : ratio within 0%..100% }",
)
TOO_DEEP = Code(
    "CAP226", "too-deep", _E, "Definitions or imports that nest too deeply",
    "Each step is harmless, all together no reader and no machine can follow them.",
    "let a1 = a0 + 1\nlet a2 = a1 + 1   # … and so on, two hundred times",
    "let a2 = a0 + 2",
)

CODES = tuple(value for value in list(globals().values()) if isinstance(value, Code))
