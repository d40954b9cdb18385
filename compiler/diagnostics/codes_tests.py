"""Codes CAP850 to CAP869: tests in the language."""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_E = Level.ERROR

NO_EXPECTATION = Code(
    "CAP850", "test-expects-nothing", _E, "A test that expects nothing",
    "It would pass whatever the policy does: a test that cannot fail.",
    'test "a large order" { given market["KO"].price = 50 USD at 2026-01-05T15:00:00Z intent buy 1 "KO" }',
    'test "a large order" { given market["KO"].price = 50 USD at 2026-01-05T15:00:00Z intent buy 1 "KO" expect allow }',
)
ROW_LENGTH = Code(
    "CAP851", "table-row-length", _E, "A row that does not fit its table",
    "A value that is missing, or one too many, would be read under the wrong column.",
    "each price, verdict in [110 USD, allow], [89 USD]",
    "each price, verdict in [110 USD, allow], [89 USD, deny]",
)
UNUSED_COLUMN = Code(
    "CAP852", "unused-column", _E, "A column that no step reads",
    "The rows look as if they tried something, and do not: all of them run the same test.",
    'each price, size in [110 USD, 1], [90 USD, 2] at 2026-01-05T15:00:00Z intent buy 10 "KO" limit_price price expect allow',
    'each price, size in [110 USD, 1], [90 USD, 2] at 2026-01-05T15:00:00Z intent buy size "KO" limit_price price expect allow',
)
TIME_BACKWARDS = Code(
    "CAP853", "time-runs-backwards", _E, "An instant before the one above it",
    "Time does not run backwards in an engine; what stands in the wrong order would be taken at the later instant.",
    "at 2026-01-05T15:00:01Z tick at 2026-01-05T15:00:00Z tick",
    "at 2026-01-05T15:00:00Z tick at 2026-01-05T15:00:01Z tick",
)
NOT_A_STEP = Code(
    "CAP854", "step-says-too-little", _E, "A step that lacks what it needs",
    "An engine refuses an event without it, so the test could not go on.",
    "fill price 50 USD",
    'fill buy 10 "KO" price 50 USD',
)
NO_ROW_MEANT = Code(
    "CAP855", "given-for-nobody", _E, "A given of a table whose row nobody names",
    "`position.quantity` is that of the symbol of the intent; without one the value is given to nobody.",
    "given position.quantity = 5 at 2026-01-05T15:00:00Z tick",
    'given position["KO"].quantity = 5 at 2026-01-05T15:00:00Z tick',
)
NOT_GIVEN = Code(
    "CAP856", "cannot-be-given", _E, "A given of something that is worked out",
    "What follows from other facts cannot be set: the test would speak of a world that does not exist.",
    "given portfolio.gross = 5_000 USD",
    'given position["KO"].quantity = 100',
)
RULES_IN_TESTS = Code(
    "CAP857", "rules-in-a-file-of-tests", _E, "A rule in a file of tests",
    "`X_test.cap` holds more tests of `X.cap`; a rule in it would be in force in the tests and nowhere else.",
    "limit EXP-010 { … } in desk_test.cap",
    "the same in desk.cap",
)
TOO_MANY_ROWS = Code(
    "CAP858", "too-many-rows", _E, "More rows than can be run",
    "Each table is run with each other: their lengths multiply.",
    "",
    "",
)
NOT_RUN = Code(
    "CAP860", "test-not-run", _E, "A test that could not be run to its end",
    "The engine refused a step, so nothing behind it was looked at; this counts as failed.",
    'fill buy -1 "KO" price 50 USD',
    'fill buy 1 "KO" price 50 USD',
)

CODES = (NO_EXPECTATION, ROW_LENGTH, UNUSED_COLUMN, TIME_BACKWARDS, NOT_A_STEP, NO_ROW_MEANT, NOT_GIVEN, RULES_IN_TESTS, TOO_MANY_ROWS, NOT_RUN)
