"""Codes of family 3xx: types and units. Quantities that cannot be compared or combined."""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_E = Level.ERROR

NOT_A_CONDITION = Code(
    "CAP301", "not-a-condition", _E, "A value where a condition is needed",
    "A rule acts when something is true; a number is neither true nor false.",
    "rule LOSS-010 { deny when account.equity }",
    "rule LOSS-010 { deny when account.equity < 1_000 USD }",
)
MIXED_SUM = Code(
    "CAP302", "mixed-sum", _E, "A sum of different units",
    "Adding money to a count gives a number that means nothing.",
    "let x = account.equity + intent.quantity",
    "let x = account.equity + intent.notional",
)
BAD_PRODUCT = Code(
    "CAP303", "meaningless-product", _E, "A product that has no unit",
    "Money times money is not money; usually one side should be a share or a quantity.",
    "let x = account.equity * account.available",
    "let x = 20% of account.equity",
)
BAD_QUOTIENT = Code(
    "CAP304", "meaningless-quotient", _E, "A quotient that has no unit",
    "The unit of the result would be one that no bound could be written in.",
    "let x = intent.quantity / account.equity",
    "let x = intent.notional / account.equity",
)
INCOMPARABLE = Code(
    "CAP305", "incomparable", _E, "A comparison of different kinds",
    "A duration and a count have no order between them.",
    "rule EXEC-010 { deny when (venue[\"X\"].latency else 0s) > 5 }",
    "rule EXEC-010 { deny when (venue[\"X\"].latency else 0s) > 5s }",
)
CURRENCIES = Code(
    "CAP306", "mixed-currencies", _E, "Amounts in different currencies",
    "Without an exchange rate the sum or comparison is wrong by that rate. A module's default in another currency is replaced in `use`.",
    "rule LOSS-010 { deny when account.equity < 5_000 EUR }   # in a policy with `currency USD`",
    "rule LOSS-010 { deny when account.equity < 5_000 EUR * fx[\"EURUSD\"].rate }",
)
NOMINAL = Code(
    "CAP307", "different-identifiers", _E, "Identifiers of different things",
    "A symbol is never equal to a strategy, so the comparison is always false.",
    "rule EXP-010 { deny when intent.symbol == position.strategy }",
    "rule EXP-010 { deny when intent.strategy == position.strategy }",
)
DOLLARS = Code(
    "CAP308", "dollars", _E, "A dollar sign where the policy's currency is not a dollar",
    "`$` means the currency of the policy.",
    "rule LOSS-010 { deny when account.equity < $5_000 }   # in a policy with `currency EUR`",
    "rule LOSS-010 { deny when account.equity < 5_000 EUR }",
)
PERCENT_OF_WHAT = Code(
    "CAP310", "percent-of-what", _E, "A percentage without its whole",
    "60% is a share; only a share *of something* can bound an amount.",
    "limit EXP-010 { portfolio.gross at most 60% else deny }",
    "limit EXP-010 { portfolio.gross at most 60% of account.equity else deny }",
)
BARE_NUMBER = Code(
    "CAP311", "bare-number", _E, "A bare number where money is needed",
    "5000 of what? Only 0 is the same in every currency.",
    "rule LOSS-010 { deny when account.equity < 5000 }",
    "rule LOSS-010 { deny when account.equity < 5_000 USD }",
)
OTHER_WHOLE = Code(
    "CAP312", "shares-of-different-wholes", _E, "Shares of different wholes",
    "8% of the peak and 8% of the day's start are different amounts.",
    "rule LOSS-010 { deny when account.equity / account.peak_equity < account.equity / account.day_start_equity }",
    "rule LOSS-010 { deny when account.peak_equity > account.day_start_equity }",
)
WRONG_TYPE = Code(
    "CAP313", "wrong-type", _E, "A value of another type than this place takes",
    "Every place in a rule takes one kind of value.",
    "cooldown EXEC-010 { deny during 5 after last fill }",
    "cooldown EXEC-010 { deny during 5min after last fill }",
)
NO_ORDER = Code(
    "CAP314", "no-order", _E, "A greater-than between things without order",
    "Texts, identifiers and words are equal or not; none is greater.",
    "rule EXP-010 { deny when intent.symbol > \"A\" }",
    "rule EXP-010 { deny when intent.symbol == \"A\" }",
)
NOT_CONSTANT = Code(
    "CAP315", "not-constant", _E, "A setting that depends on facts",
    "Settings are fixed when the policy is compiled; what depends on facts is a `let`.",
    "setting stop : money = 2% of account.equity",
    "setting stop : ratio = 2%",
)
OUT_OF_RANGE = Code(
    "CAP316", "out-of-range", _E, "A value outside the range of its setting",
    "The range is what its author thought sane.",
    "setting cap : ratio = 120% within 0%..100%",
    "setting cap : ratio = 12% within 0%..100%",
)
CONDITION_AS_VALUE = Code(
    "CAP317", "condition-as-value", _E, "Arithmetic on something that is not a number",
    "True, texts and dates cannot be added or multiplied.",
    "let x = intent.symbol * 2",
    "let x = intent.quantity * 2",
)
SIZE_IN_AGGREGATE = Code(
    "CAP318", "size-in-aggregate", _E, "An aggregate that reads the size of the intent",
    "A sum over rows whose terms change with the size judged could not be solved for the largest size that fits.",
    "let x = sum(p.quantity * intent.quantity for p in positions)",
    "let x = sum(p.quantity for p in positions) * intent.quantity",
)
SHARE_OF = Code(
    "CAP320", "not-a-share", _E, "`of` without a share on its left",
    "`X of Y` takes a percentage, a multiple or a plain number of Y.",
    "let x = account.available of account.equity",
    "let x = 20% of account.equity",
)
MISPLACED_UNLIMITED = Code(
    "CAP322", "misplaced-unlimited", _E, "`unlimited` in arithmetic",
    "It is a bound or the value of a setting; nothing can be computed from it.",
    "let x = unlimited + 5",
    "setting most : quantity = unlimited",
)
NOT_WHOLE = Code(
    "CAP323", "not-a-number-of-things", _E, "A count that is negative or not whole",
    "Orders and fills come one by one.",
    "throttle EXEC-010 { deny beyond 2.5 orders in any 1min }",
    "throttle EXEC-010 { deny beyond 2 orders in any 1min }",
)

CODES = tuple(value for value in list(globals().values()) if isinstance(value, Code))
