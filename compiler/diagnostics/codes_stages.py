"""Codes CAP440 to CAP479: the header, stages, what must be written, settings and waivers from outside."""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_E = Level.ERROR

MISSING_CLAUSE = Code(
    "CAP440", "missing-clause", _E, "A header that leaves something open",
    "What the header does not say would have to be guessed: the order of stages, the currency of amounts.",
    "policy p { language 1 }\nlimit EXP-010 { account.day_loss at most 5 USD else deny }",
    "policy p { language 1 currency USD stages EXP closing faces every rule }\n"
    "limit EXP-010 { account.day_loss at most 5 USD else deny }",
)
REPEATED_CLAUSE = Code(
    "CAP441", "repeated-clause", _E, "A clause that stands twice",
    "Two answers to one question; a reader would have to know which wins.",
    "policy p { mode enforce mode monitor }",
    "policy p { mode enforce }",
)
LANGUAGE = Code(
    "CAP442", "language-version", _E, "Another version of the language",
    "A policy keeps its meaning; a compiler that does not know its version must not judge by it.",
    "policy p { language 2 }",
    "policy p { language 1 }",
)
CLOSING = Code(
    "CAP443", "closing-not-decided", _E, "Nothing says whether closing orders face the rules",
    "Loss limits that also stop closing orders trap a position; rules that never face them let an over-close through. It is the choice "
    "that systems of this kind get wrong most often, so one must be written.",
    "policy p { stages LOSS }",
    "policy p { stages LOSS closing skips LOSS }",
)
FAMILY = Code(
    "CAP444", "family-without-stage", _E, "A rule whose family is not in `stages`",
    "The family is the stage: without one the rule would have no place in the order of reasons.",
    "policy p { stages LOSS }\nrule EXP-010 { deny when intent.quantity > 5 }",
    "policy p { stages LOSS, EXP }\nrule EXP-010 { deny when intent.quantity > 5 }",
)
STAGE_TWICE = Code(
    "CAP445", "stage-twice", _E, "A stage that stands twice",
    "A rule is judged in one place.",
    "policy p { stages LOSS, EXP, LOSS }",
    "policy p { stages LOSS, EXP }",
)
CANNOT_SKIP = Code(
    "CAP446", "stage-cannot-be-skipped", _E, "A stage that closing cannot skip",
    "Unusable facts and kill switches stand before everything; a switch that lets closing through says `deny opening`.",
    "policy p { stages KILL, LOSS closing skips KILL, LOSS }",
    "policy p { stages KILL, LOSS closing skips LOSS }",
)
NO_POLICY = Code(
    "CAP447", "no-policy", _E, "A file that decides nothing",
    "A folded comment can eat the rest of a file; a policy without header or without rules would allow everything. "
    "A module has no header: it decides through a policy that uses it, and `caplex check` takes it by itself. "
    "A header that stands in a comment is none, and is refused there as well.",
    "rule EXP-010 { deny when intent.quantity > 5 }   # no header",
    "policy p { … }\nrule EXP-010 { deny when intent.quantity > 5 }",
)
NO_SIZE_LIMIT = Code(
    "CAP448", "no-size-limit", _E, "Nothing bounds the size of what may be opened",
    "A policy that enforces and lets any size through is usually one that was not finished.",
    "policy p { mode enforce … }   # and only loss rules",
    "policy p { mode enforce unlimited exposure … }",
)
NO_LOSS_RULE = Code(
    "CAP449", "no-loss-rule", _E, "Nothing stops after losses",
    "A policy that enforces and never looks at losses is usually one that was not finished.",
    "policy p { mode enforce … }   # and only size limits",
    "policy p { mode enforce unlimited loss … }",
)
TIMEZONE = Code(
    "CAP450", "unknown-timezone", _E, "A time zone that does not exist",
    "Days and dates would begin at another hour than its author thought.",
    "policy p { timezone \"Europe/Berln\" }",
    "policy p { timezone \"Europe/Berlin\" }",
)
EFFECTIVE = Code(
    "CAP451", "never-in-effect", _E, "A policy that ends before it begins",
    "It would never be in effect.",
    "policy p { effective 2026-12-31 through 2026-01-01 }",
    "policy p { effective 2026-01-01 through 2026-12-31 }",
)
RESERVED_FAMILY = Code(
    "CAP452", "reserved-family", _E, "A rule of the engine's own family",
    "SYS reasons are fixed by the engine, so that every host can rely on them.",
    "rule SYS-001 { deny when intent.quantity > 5 }",
    "rule EXP-001 { deny when intent.quantity > 5 }",
)
REPEATED_ATTRIBUTE = Code(
    "CAP453", "repeated-attribute", _E, "An attribute that stands twice",
    "Two answers to one question.",
    "rule EXP-010 severity high severity low { deny when intent.quantity > 5 }",
    "rule EXP-010 severity high { deny when intent.quantity > 5 }",
)
RISKIER = Code(
    "CAP454", "riskier-from-outside", _E, "A setting loosened from outside",
    "An environment variable must not be able to loosen a limit that the file's reviewers agreed to.",
    "# setting max_position : ratio = 10% lower is safer\ncaplex check desk.cap --set max_position=20%",
    "setting max_position : ratio = 10% open",
)
BAD_VALUE = Code(
    "CAP455", "bad-setting-value", _E, "A value from outside that cannot be read",
    "What cannot be read must not be guessed.",
    "caplex check desk.cap --set max_position=ten",
    "caplex check desk.cap --set max_position=10%",
)
TRIP_READS_INTENT = Code(
    "CAP456", "trip-reads-intent", _E, "A switch that depends on the intent",
    "A switch is tripped by the state of the world, judged on every event; an intent could otherwise trip it for everyone.",
    "kill switch KILL-010 { trip when intent.quantity > 5 while tripped deny all rearm never }",
    "kill switch KILL-010 { trip when portfolio.gross > 5_000 USD while tripped deny all rearm never }",
)
WAIVER_TERMS = Code(
    "CAP457", "waiver-without-terms", _E, "A waiver without end, approver or ticket",
    "An exception that nobody answers for, or that never ends, is a rule that is gone.",
    "waiver W-010 of EXP-010 { when intent.symbol == \"SH\" }",
    "waiver W-010 of EXP-010 through 2026-06-30 approved by \"CRO\" ticket \"R-1\" { when intent.symbol == \"SH\" }",
)
APPROVAL_TERMS = Code(
    "CAP459", "approval-terms", _E, "An approval that does not say everything",
    "A riskier value from a settings file needs somebody who answers for it and a day on which it ends.",
    "# desk.yaml\nmax_position: {value: 20%, approved_by: CRO}",
    "# desk.yaml\nmax_position: {value: 20%, approved_by: CRO, through: 2026-03-31, ticket: RISK-412}",
)
OVERRIDES_LEFT = Code(
    "CAP460", "overrides-left-behind", Level.WARNING, "Overrides that do not reach the setting of an import",
    "A setting that is handed to an import as it is brings its overrides along; inside an expression only its default counts.",
    "use stdlib.exposure as exposure (max_position = max_position * 2)",
    "use stdlib.exposure as exposure (max_position = max_position)",
)
SETTING_SIDE = Code(
    "CAP458", "no-safer-side", _E, "A safer side for something without order",
    "`lower is safer` needs a number.",
    "setting venues : set of venue = [\"X\"] lower is safer",
    "setting venues : set of venue = [\"X\"]",
)

CODES = tuple(value for value in list(globals().values()) if isinstance(value, Code))
