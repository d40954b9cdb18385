"""Codes CAP901 to CAP952: what is wrong with a document or a setting that comes from outside."""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_E = Level.ERROR

UNKNOWN_KEY = Code(
    "CAP901", "unknown-key", _E, "A key that nobody reads",
    "A misspelt key would read as a missing fact, or worse, as an optional one that is absent. Free keys lie under `tags` or begin with `x_`.",
    '{"account": {"equty": "100000"}}',
    '{"account": {"equity": "100000"}}',
)
MISSING = Code(
    "CAP902", "missing-fact", _E, "A fact that the policy reads is missing",
    "A limit on a number that nobody supplied cannot be kept. The decision denies, and names the field.",
    '{"account": {}}',
    '{"account": {"equity": "100000"}}',
)
STALE = Code(
    "CAP903", "stale-fact", _E, "A fact that is too old",
    "A price from before the crash says that there is room. Every market field is fresh within a stated time of `as_of`.",
    '{"now": "2026-01-05T15:00:00Z", "market": {"AAPL": {"price": "200", "as_of": "2026-01-05T14:00:00Z"}}}',
    '{"now": "2026-01-05T15:00:00Z", "market": {"AAPL": {"price": "200", "as_of": "2026-01-05T14:59:59Z"}}}',
)
FUTURE = Code(
    "CAP904", "fact-from-the-future", _E, "A fact from the future",
    "A stamp more than 500 ms ahead of `now` says that one of two clocks is wrong, so the age of nothing is known.",
    '{"now": "2026-01-05T15:00:00Z", "market": {"AAPL": {"price": "200", "as_of": "2026-01-05T15:00:10Z"}}}',
    '{"now": "2026-01-05T15:00:00Z", "market": {"AAPL": {"price": "200", "as_of": "2026-01-05T15:00:00Z"}}}',
)
OUT_OF_RANGE = Code(
    "CAP905", "fact-out-of-range", _E, "A value outside what its field declares",
    "Declared ranges are the axioms of every proof about a policy: a confidence of 850% would size eight and a half positions.",
    '{"intent": {"confidence": "8.5"}}',
    '{"intent": {"confidence": "0.85"}}',
)
NOT_DECIMAL = Code(
    "CAP906", "not-a-decimal", _E, "A number that cannot be used",
    "Numbers are exact decimals of at most 400 digits. NaN, infinities, `1,000`, true and absurd exponents are none.",
    '{"account": {"equity": "1,000"}}',
    '{"account": {"equity": "1000"}}',
)
WRONG_TYPE = Code(
    "CAP907", "fact-of-wrong-type", _E, "A value of another type than its field",
    "Nothing is converted by guessing: a list is no number, and the text `yes` is no truth.",
    '{"intent": {"reduce_only": "yes"}}',
    '{"intent": {"reduce_only": true}}',
)
INCOMPLETE_HISTORY = Code(
    "CAP908", "incomplete-history", _E, "A window that reaches further back than the history",
    "Orders that were not recorded would not be counted, and the rate limit would let more through. `complete_from` says from when nothing is missing.",
    '{"now": "2026-01-05T15:00:00Z", "history": {"complete_from": "2026-01-05T14:59:00Z", "events": []}}',
    '{"now": "2026-01-05T15:00:00Z", "history": {"complete_from": "2026-01-04T15:00:00Z", "events": []}}',
)
ID_REUSED = Code(
    "CAP909", "id-reused", _E, "An id that was used for something else",
    "The same id with the same content is a repeat and gets the same answer; with other content one of the two would be lost.",
    '{"intent": {"id": "i-1", "quantity": "100"}}   then   {"intent": {"id": "i-1", "quantity": "200"}}',
    '{"intent": {"id": "i-1", "quantity": "100"}}   then   {"intent": {"id": "i-2", "quantity": "200"}}',
)
NOT_JSON = Code(
    "CAP910", "not-json", _E, "A document that is not JSON",
    "Half a document must not be judged as if the other half said nothing.",
    '{"now": "2026-01-05T15:00:00Z",}',
    '{"now": "2026-01-05T15:00:00Z"}',
)
DUPLICATE_KEY = Code(
    "CAP911", "duplicate-key", _E, "A key that stands twice",
    "Readers of JSON differ on which of the two counts; a limit must not depend on the reader.",
    '{"account": {"equity": "100000", "equity": "1000000"}}',
    '{"account": {"equity": "100000"}}',
)
CANNOT_READ = Code(
    "CAP912", "cannot-read", _E, "A file that cannot be read",
    "What the file says is unknown, so nothing is assumed about it.",
)
CANNOT_WRITE = Code(
    "CAP913", "cannot-write", _E, "A result that cannot be written",
    "A result that is half on the disk would be taken for a whole one.",
)
NO_ZONE = Code(
    "CAP914", "time-without-zone", _E, "A time without its offset",
    "`15:00` in New York and in London are five hours apart: windows, days and freshness would be judged by a guess.",
    '{"now": "2026-01-05T15:00:00"}',
    '{"now": "2026-01-05T15:00:00Z"}',
)
NOT_AN_OBJECT = Code(
    "CAP919", "not-an-object", _E, "A document that is JSON, but no object",
    "Facts have names: a list or a number at the top says nothing about what it is.",
    '["AAPL", "300"]',
    '{"intent": {"symbol": "AAPL", "quantity": "300"}}',
)
TOO_LARGE = Code(
    "CAP920", "document-too-large", _E, "A document that is too large or too deeply nested",
    "Reading it would take more memory or time than a decision may.",
)
BAD_SETTINGS_FILE = Code(
    "CAP921", "settings-file", _E, "A settings file that cannot be used",
    "Settings are one mapping of names to values; anything else would be read by guessing.",
    "- max_position: 8%",
    "max_position: 8%",
)
DIVISOR = Code(
    "CAP922", "divisor-not-positive", _E, "A divisor that is zero or negative",
    "A share of nothing, or of a debt, has no meaning; a comparison with it would turn round.",
    '{"account": {"peak_equity": "0"}}',
    '{"account": {"peak_equity": "100000"}}',
)
SWITCH_UNREADABLE = Code(
    "CAP923", "switch-unreadable", _E, "The state of a kill switch is missing or unreadable",
    "A switch that nobody can read is judged as tripped.",
    '{"intent": {"symbol": "AAPL"}}',
    '{"intent": {"symbol": "AAPL"}, "switches": {"KILL-010": {"state": "armed"}}}',
)
NO_RATE = Code(
    "CAP924", "no-exchange-rate", _E, "Money in a currency without a rate",
    "A missing exchange rate is not 1.",
    '{"instruments": {"SAP": {"currency": "EUR"}}}',
    '{"instruments": {"SAP": {"currency": "EUR"}}, "fx": {"EURUSD": {"rate": "1.084"}}}',
)
AMBIGUOUS = Code(
    "CAP925", "ambiguous-row", _E, "Several rows fit, and the intent does not say which",
    "Two venues or accounts may differ in everything that matters; a guess would be an allowance.",
    '{"intent": {"symbol": "AAPL"}, "market": [{"venue": "a", "symbol": "AAPL"}, {"venue": "b", "symbol": "AAPL"}]}',
    '{"intent": {"symbol": "AAPL", "venue": "a"}, "market": [{"venue": "a", "symbol": "AAPL"}, {"venue": "b", "symbol": "AAPL"}]}',
)
EVENT_NOT_AN_OBJECT = Code(
    "CAP926", "event-not-an-object", _E, "An event that is no object",
    "What has no type and no names says nothing that could be written down.",
    '["fill", "AAPL", "10"]',
    '{"type": "fill", "id": "f-1", "at": "2026-01-05T15:00:00Z", "symbol": "AAPL", "side": "buy", "quantity": "10", "price": "200"}',
)
EVENT_TYPE = Code(
    "CAP927", "event-unknown-type", _E, "An event of a type that nobody knows",
    "A misspelt type would be an event that never happened: a fill that moves no position, a trip that trips nothing.",
    '{"type": "fil", "at": "2026-01-05T15:00:00Z"}',
    '{"type": "fill", "at": "2026-01-05T15:00:00Z"}',
)
EVENT_MISSING = Code(
    "CAP928", "event-missing-field", _E, "An event without a field that its type must have",
    "Half an event cannot be folded, and what is missing must not be guessed.",
    '{"type": "quote", "at": "2026-01-05T15:00:00Z", "price": "200"}',
    '{"type": "quote", "at": "2026-01-05T15:00:00Z", "symbol": "AAPL", "price": "200"}',
)
EVENT_UNKNOWN_KEY = Code(
    "CAP929", "event-unknown-field", _E, "A field that events of this type do not have",
    "A misspelt field would be lost in silence, and with it what it says. Fields of your own begin with `x_` or lie under `tags`.",
    '{"type": "quote", "at": "2026-01-05T15:00:00Z", "symbol": "AAPL", "prise": "200"}',
    '{"type": "quote", "at": "2026-01-05T15:00:00Z", "symbol": "AAPL", "price": "200"}',
)
EVENT_VALUE = Code(
    "CAP945", "event-wrong-value", _E, "A field of an event whose value cannot be used",
    "A number that is none, a word that is none of those that the field has, a text or a list where something else is wanted: "
    "an event that was written down must never fail to be taken.",
    '{"type": "fill", "id": "f-1", "at": "2026-01-05T15:00:00Z", "symbol": "AAPL", "side": "bought", "quantity": "10", "price": "200"}',
    '{"type": "fill", "id": "f-1", "at": "2026-01-05T15:00:00Z", "symbol": "AAPL", "side": "buy", "quantity": "10", "price": "200"}',
)
EVENT_TIME = Code(
    "CAP946", "event-unreadable-time", _E, "A time in an event that is no instant",
    "The only clock is in the events: windows, days and freshness would be judged by a guess.",
    '{"type": "tick", "at": "2026-01-05 15:00"}',
    '{"type": "tick", "at": "2026-01-05T15:00:00Z"}',
)
EVENT_INPUT = Code(
    "CAP947", "event-unknown-input", _E, "An input that the policy does not have, or that is not told in this way",
    "A value for a name that no rule reads would look as if it counted.",
    "input book { capital : money }   with   " '{"type": "input", "name": "bok", "values": {"capital": "5000"}}',
    "input book { capital : money }   with   " '{"type": "input", "name": "book", "values": {"capital": "5000"}}',
)
EVENT_DOOR = Code(
    "CAP948", "event-not-taken-here", _E, "An event that comes in by another way",
    "An intent is submitted, because it gets an answer; everything else is applied; a policy is activated. Fields that `caplex run` writes itself are left out.",
    'engine.apply({"type": "intent", "id": "i-1"})',
    'engine.submit({"type": "intent", "id": "i-1"})',
)
EVENT_ACT = Code(
    "CAP949", "policy-not-let-in", _E, "A policy that may not take over",
    "Another policy may permit more. The owner of the present one lets it in, by a signed act; and nothing that is tripped or waits for an approval may disappear by it.",
    '{"type": "policy", "act": "activate", "path": "desk2.cap", "by": "risk-1"}',
    '{"type": "policy", "act": "activate", "path": "desk2.cap", "by": "risk-1", "hash": "sha256:…", "settings_hash": "sha256:…", "signature": "ed25519:…"}',
)
JOURNAL_LOCKED = Code(
    "CAP940", "journal-locked", _E, "A journal that another process writes",
    "Two writers would each spend the same room, and neither would see what the other approved. The lock ends with its process.",
)
JOURNAL_TORN = Code(
    "CAP941", "journal-torn", _E, "A journal whose last line is not whole",
    "Writing it was cut short, so nothing was done on its word. The engine sets it aside in `FILE.torn-SEQ` when it opens the journal, and goes on.",
)
JOURNAL_BROKEN = Code(
    "CAP942", "journal-broken", _E, "A journal whose lines are not as they were written",
    "A line that was changed, dropped, moved or repeated may hide an order or a trip: what would be decided on it rests on nothing. "
    "`caplex audit verify` lists every such line.",
)
JOURNAL_FOREIGN = Code(
    "CAP943", "journal-foreign", _E, "A file that is no journal",
    "The engine would write after what somebody else keeps there, and read from it what was never decided.",
)
JOURNAL_NEWER = Code(
    "CAP944", "journal-newer", _E, "A journal that a later caplex wrote",
    "What a later version added would be passed over in silence, and with it perhaps a limit or a trip.",
)
PART_FAILED = Code(
    "CAP950", "part-not-replayed", _E, "A part of a replay that no worker finished",
    "Of what was not replayed nothing is proved, so that there is no answer rather than half of one. A worker that dies is replaced twice; one that runs out "
    "of memory dies again. `--jobs 1` works without workers.",
)
SEAL_BROKEN = Code(
    "CAP951", "seal-broken", _E, "A sealed policy that is not as it was written",
    "Whoever approved it approved other texts: what is in the file now may permit more. `caplex compile` writes such a file, and nothing else does.",
)
SEAL_SETTLED = Code(
    "CAP952", "seal-settled", _E, "A setting or a mode that a sealed policy has settled",
    "It was approved with the values that it was compiled with. Values that it leaves open may still move to the safer side.",
)

CODES: tuple[Code, ...] = (
    UNKNOWN_KEY, MISSING, STALE, FUTURE, OUT_OF_RANGE, NOT_DECIMAL, WRONG_TYPE, INCOMPLETE_HISTORY, ID_REUSED, NOT_JSON,
    DUPLICATE_KEY, CANNOT_READ, CANNOT_WRITE, NO_ZONE,
    NOT_AN_OBJECT, TOO_LARGE, BAD_SETTINGS_FILE, DIVISOR, SWITCH_UNREADABLE, NO_RATE, AMBIGUOUS,
    EVENT_NOT_AN_OBJECT, EVENT_TYPE, EVENT_MISSING, EVENT_UNKNOWN_KEY, EVENT_VALUE, EVENT_TIME, EVENT_INPUT, EVENT_DOOR, EVENT_ACT,
    JOURNAL_LOCKED, JOURNAL_TORN, JOURNAL_BROKEN, JOURNAL_FOREIGN, JOURNAL_NEWER, PART_FAILED,
    SEAL_BROKEN, SEAL_SETTLED,
)
