"""Codes of family 1xx: text that is not a sentence of the language, and files that cannot be read.

A `Code` is the page of its diagnostic: title, why, example, cure. Codes are never renumbered or reused.
"""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_E = Level.ERROR

UNEXPECTED = Code(
    "CAP101", "unexpected-word", _E, "A word or sign that cannot stand here",
    "A policy that is read differently from what its author meant would guard the wrong thing, so nothing is guessed.",
    "rule A-010 { deny if account.equity < 5 USD }",
    "rule A-010 { deny when account.equity < 5 USD }",
)
UNEXPECTED_END = Code(
    "CAP102", "unexpected-end", _E, "The text ends in the middle of a sentence",
    "A file that was cut off, or a brace that was never closed, may have lost the rules that stood behind it.",
    "rule A-010 { deny when account.equity < 5 USD",
    "rule A-010 { deny when account.equity < 5 USD }",
)
UNFINISHED = Code(
    "CAP103", "unfinished-item", _E, "An item begins before the one above it has ended",
    "Usually a `}` is missing; what follows would be read as part of the wrong item.",
    "rule A-010 { deny when a > 3\nrule A-020 { deny when b > 3 }",
    "rule A-010 { deny when a > 3 }\nrule A-020 { deny when b > 3 }",
)
MISSPELT = Code(
    "CAP104", "misspelt-word", _E, "A misspelt word of the language",
    "A word that is nearly one of the language is more likely a slip than a name.",
    "ruel A-010 { deny when a > 3 }",
    "rule A-010 { deny when a > 3 }",
)
BAD_NUMBER = Code(
    "CAP105", "bad-number", _E, "A malformed number",
    "Numbers have one spelling each, so that nobody has to guess whether `1e5`, `.5` or `5k` is what was meant.",
    "let stop = .5",
    "let stop = 0.5",
)
BAD_DURATION = Code(
    "CAP106", "bad-duration", _E, "A malformed duration",
    "`5m` reads as five minutes to some and as five million to others.",
    "cooldown A-010 { deny during 5m after last fill }",
    "cooldown A-010 { deny during 5min after last fill }",
)
BAD_PERCENT = Code(
    "CAP107", "bad-percentage", _E, "A malformed percentage",
    "The sign belongs to its number: `20 %3` could be a share or a remainder.",
    "let stop = 20 %",
    "let stop = 20%",
)
BAD_MONEY = Code(
    "CAP108", "bad-money", _E, "A malformed amount of money",
    "`5,000` is five in some countries and five thousand in others; a currency is part of an amount, not of a number.",
    "let stop = 5000USD",
    "let stop = 5_000 USD",
)
FOREIGN_OPERATOR = Code(
    "CAP109", "foreign-operator", _E, "An operator of another language",
    "Conditions are written in words, and `=` gives a value where `==` compares.",
    "rule A-010 { deny when a > 3 && b > 3 }",
    "rule A-010 { deny when a > 3 and b > 3 }",
)
STRAY_CHARACTER = Code(
    "CAP110", "stray-character", _E, "A character that means nothing here",
    "Characters that look like others, or like nothing, arrive from chat windows and word processors and hide in a review.",
    "rule A-010 { deny when a > \u22123 }",
    "rule A-010 { deny when a > -3 }",
)
UNCLOSED_TEXT = Code(
    "CAP111", "unclosed-text", _E, "A text that is not closed on its line",
    "Everything behind the missing quote would be swallowed.",
    'rule A-010 "Daily stop { deny when a > 3 }',
    'rule A-010 "Daily stop" { deny when a > 3 }',
)
BAD_HOLE = Code(
    "CAP112", "bad-hole", _E, "A hole in a text that is not an expression",
    "A message that cannot be printed would leave a denial without its reason.",
    'rule A-010 { deny when a > 3 because "a is {a" }',
    'rule A-010 { deny when a > 3 because "a is {a}" }',
)
BAD_ESCAPE = Code(
    "CAP113", "bad-escape", _E, "An unknown escape in a text",
    "A backslash that means nothing is a slip: known are `\\\"`, `\\\\`, `\\n`, `\\{`, `\\}` and `\\u{41}`.",
    'rule A-010 "a\\tb" { deny when a > 3 }',
    'rule A-010 "a b" { deny when a > 3 }',
)
RESERVED_WORD = Code(
    "CAP114", "reserved-word", _E, "A name that is a word of the language",
    "Sentences that use it could be read in two ways.",
    "setting limit : ratio = 5%",
    "setting position_limit : ratio = 5%",
)
BAD_NAME = Code(
    "CAP115", "bad-name", _E, "A declared name that does not begin with a small letter",
    "Capitals are for rule ids, families and currencies, so that a reader tells them from names at a glance.",
    "setting Max : ratio = 5%",
    "setting max : ratio = 5%",
)
SAID_TWICE = Code(
    "CAP116", "said-twice", _E, "A clause that stands twice",
    "One of the two would be ignored, and nobody could tell which.",
    "setting a : ratio = 5% within 0..1 within 0..2",
    "setting a : ratio = 5% within 0..1",
)
IMPOSSIBLE_TIME = Code(
    "CAP117", "impossible-date", _E, "A date or time that does not exist",
    "A waiver through 31 June would end on a day that never comes.",
    'waiver W-010 of A-010 through 2026-06-31 approved by "CRO" { when a }',
    'waiver W-010 of A-010 through 2026-06-30 approved by "CRO" { when a }',
)
GUARD_COMMA = Code(
    "CAP118", "guard-without-comma", _E, "A guard whose end cannot be seen",
    "Before a parenthesis or a minus, a guard would go on into the measure.",
    "limit A-010 { when a > 3 (b + c) at most 5 else deny }",
    "limit A-010 { when a > 3, (b + c) at most 5 else deny }",
)
ELSE_PARENTHESES = Code(
    "CAP119", "else-without-parentheses", _E, "A substitute that wants parentheses",
    "`else` gives a substitute to one reading only; behind a sum it could mean the sum or its last term.",
    "let a = b + c else 0",
    "let a = b + (c else 0)",
)
CHAINED = Code(
    "CAP120", "chained-comparison", _E, "Comparisons do not chain",
    "`a < b < c` means something else in every language; `within` says it plainly.",
    "rule A-010 { require 0 < a < 5 }",
    "rule A-010 { require 0 < a and a < 5 }",
)
NOT_WHOLE = Code(
    "CAP121", "not-a-whole-number", _E, "A number that must be whole, and at least one",
    "Two and a half people cannot approve.",
    'rule A-010 { hold when a for approval by role "risk" quorum 2.5 }',
    'rule A-010 { hold when a for approval by role "risk" quorum 2 }',
)
TOO_LARGE = Code(
    "CAP130", "file-too-large", _E, "A file above 4 MiB",
    "A policy of that size is a mistake or an attack; rules that belong together are parted into modules.",
)
TOO_DEEP = Code(
    "CAP131", "nested-too-deeply", _E, "An expression nested more than a hundred deep",
    "Nobody can review it, and programs that walk it could run out of stack.",
)
LITERAL_TOO_LONG = Code(
    "CAP132", "literal-too-long", _E, "A number or text beyond any use",
    "Numbers have at most 400 digits, texts at most 10 000 characters.",
)
FORBIDDEN_CHARACTER = Code(
    "CAP133", "forbidden-character", _E, "A character that may not stand in a policy, not even in a comment",
    "Characters that turn the direction of writing, or cannot be seen, make a policy read otherwise than it is.",
)
NO_SUCH_FILE = Code(
    "CAP140", "no-such-file", _E, "A file that is not there",
    "A policy that was not found guards nothing.",
)
NOT_A_FILE = Code(
    "CAP141", "not-a-file", _E, "A folder where a file is wanted",
    "A folder may hold several policies; one must be named.",
)
NOT_TEXT = Code(
    "CAP142", "not-utf8", _E, "A file that is not UTF-8 text",
    "Read in another encoding, names and amounts could change.",
)
UNREADABLE = Code(
    "CAP143", "unreadable-file", _E, "A file that cannot be read",
    "The operating system refused; nothing is assumed about what the file says.",
)

CODES: tuple[Code, ...] = (
    UNEXPECTED, UNEXPECTED_END, UNFINISHED, MISSPELT, BAD_NUMBER, BAD_DURATION, BAD_PERCENT, BAD_MONEY, FOREIGN_OPERATOR,
    STRAY_CHARACTER, UNCLOSED_TEXT, BAD_HOLE, BAD_ESCAPE, RESERVED_WORD, BAD_NAME, SAID_TWICE, IMPOSSIBLE_TIME,
    GUARD_COMMA, ELSE_PARENTHESES, CHAINED, NOT_WHOLE, TOO_LARGE, TOO_DEEP, LITERAL_TOO_LONG, FORBIDDEN_CHARACTER,
    NO_SUCH_FILE, NOT_A_FILE, NOT_TEXT, UNREADABLE,
)
