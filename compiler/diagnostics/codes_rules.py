"""Codes CAP401 to CAP439 and CAP480 to CAP499: what rules, overrides and waivers may say about each other and about size."""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_E = Level.ERROR

MEASURE_SHAPE = Code(
    "CAP401", "measure-not-convex", _E, "A measure that could keep a large size and break a smaller one",
    "A size is reduced to the largest that the rule keeps; if a smaller one were broken again, the same order would be denied on "
    "resubmission. So a measure under `at most` and `below` must be convex in the size, under `at least` and `above` concave.",
    "limit EXP-010 { abs(after.position.notional) at least 500 USD else deny }",
    "limit EXP-010 { abs(after.position.notional) at most 500 USD else deny }",
)
CONDITION_SHAPE = Code(
    "CAP402", "condition-not-convex", _E, "A condition that keeps sizes on both sides of a gap",
    "A condition that depends on the size must be a comparison whose kept sizes lie in one piece; otherwise a rule would contradict "
    "itself when a reduced order is submitted again.",
    "rule EXP-010 { deny when intent.quantity == 5 }",
    "rule EXP-010 { deny when intent.quantity > 5 }",
)
GUARD_READS_SIZE = Code(
    "CAP403", "guard-reads-size", _E, "A guard that depends on the size",
    "Whether a rule applies must not change while its size is being reduced: a smaller order would slip under the guard.",
    "limit EXP-010 { when intent.notional > 5_000 USD, account.day_loss at most 100 USD else deny }",
    "rule EXP-010 { deny when intent.notional > 5_000 USD and account.day_loss > 100 USD }",
)
REDUCE_WITHOUT_SIZE = Code(
    "CAP404", "reduce-without-size", _E, "`else reduce` where no size can help",
    "The measure is the same for every size, so nothing would be left but a denial that calls itself a reduction.",
    "limit LOSS-010 { account.day_loss below 2% of account.day_start_equity else reduce }",
    "limit LOSS-010 { account.day_loss below 2% of account.day_start_equity else deny }",
)
OVERRIDABLE_SWITCH = Code(
    "CAP405", "overridable-switch", _E, "A kill switch that a role may override",
    "An approval never survives a trip; a switch is left by re-arming it.",
    'kill switch KILL-010 overridable by role "cro" { … }',
    'kill switch KILL-010 { … rearm by 1 of "cro" }',
)
NO_TIME = Code(
    "CAP407", "no-time", _E, "A window or pause that lasts no time",
    "Nothing ever lies within it, so the rule would never act.",
    "cooldown EXEC-010 { deny during 0s after last fill }",
    "cooldown EXEC-010 { deny during 30s after last fill }",
)
BAD_RESERVE = Code(
    "CAP408", "reserve-too-large", _E, "A reserve for closing that is not a part of the rate",
    "What is kept back for closing orders must be less than the whole, or opening orders are always denied.",
    "throttle EXEC-010 { deny beyond 10 orders in any 1min reserve 10 for closing }",
    "throttle EXEC-010 { deny beyond 10 orders in any 1min reserve 2 for closing }",
)
NOT_TIGHTER = Code(
    "CAP410", "tighten-does-not-tighten", _E, "A `tighten` that does not tighten",
    "A reader trusts the word: a looser value under it would pass a review.",
    'setting cap : ratio = 10% lower is safer { tighten for symbol "X" = 12% }',
    'setting cap : ratio = 10% lower is safer { tighten for symbol "X" = 8% }',
)
NOT_LOOSER = Code(
    "CAP411", "loosen-does-not-loosen", _E, "A `loosen` that does not loosen",
    "It would carry an approval and an end for something that needs neither, and hide what it does.",
    'setting cap : ratio = 10% lower is safer { loosen for symbol "X" = 8% through 2026-03-31 approved by "CRO" }',
    'setting cap : ratio = 10% lower is safer { tighten for symbol "X" = 8% }',
)
AMBIGUOUS_OVERRIDE = Code(
    "CAP412", "ambiguous-override", _E, "Two overrides that match and are not ranked",
    "Which of them holds would depend on their order in the file.",
    'setting max_size : ratio = 5% { set for symbol "ETHUSDT" = 8%  set for strategy "SCALPER" = 6% }',
    "policy p { … overrides by symbol > strategy > default }",
)
LOOSEN_WITHOUT_GRANT = Code(
    "CAP413", "loosen-without-grant", _E, "A `loosen` without end or approver",
    "An exception that never ends, or that nobody answers for, is a limit that has moved.",
    'setting cap : ratio = 10% lower is safer { loosen for symbol "X" = 12% }',
    'setting cap : ratio = 10% lower is safer { loosen for symbol "X" = 12% through 2026-03-31 approved by "CRO" }',
)
TIGHTEN_WITH_END = Code(
    "CAP414", "tighten-with-end", _E, "A `tighten` that ends",
    "A limit would loosen by itself on a day when nobody looks.",
    'setting cap : ratio = 10% lower is safer { tighten for symbol "X" = 8% through 2026-03-31 }',
    'setting cap : ratio = 10% lower is safer { tighten for symbol "X" = 8% }',
)
HARD_LOOSENED = Code(
    "CAP415", "hard-loosened", _E, "A hard setting that is loosened",
    "`hard` says that it only tightens.",
    'setting cap : ratio = 10% lower is safer hard { loosen for symbol "X" = 12% through 2026-03-31 approved by "CRO" }',
    "setting cap : ratio = 10% lower is safer hard",
)
WRONG_OVERRIDE = Code(
    "CAP416", "wrong-override", _E, "An override of the wrong kind",
    "With a safer side an override says which way it goes; without one there is no way to go.",
    'setting cap : ratio = 10% lower is safer { set for symbol "X" = 8% }',
    'setting cap : ratio = 10% lower is safer { tighten for symbol "X" = 8% }',
)
OVERRIDE_TWICE = Code(
    "CAP417", "override-twice", _E, "Two overrides for the same case",
    "Two values for one case; a reader would have to know which wins.",
    'setting cap : ratio = 10% lower is safer { tighten for symbol "X" = 8%  tighten for symbol "X" = 6% }',
    'setting cap : ratio = 10% lower is safer { tighten for symbol "X" = 6% }',
)
BAD_PRECEDENCE = Code(
    "CAP418", "bad-precedence", _E, "An order of overrides that cannot be",
    "Every dimension has one rank, and the default counts only if nothing matches.",
    "policy p { … overrides by default > symbol }",
    "policy p { … overrides by symbol > default }",
)
AFTER_OTHERWISE = Code(
    "CAP421", "label-after-otherwise", _E, "A label that is never reached",
    "`otherwise` takes everything that is left, so what stands behind it never answers.",
    "answer { NEW_ENTRY otherwise, SCALE_IN when position.quantity > 0 }",
    "answer { SCALE_IN when position.quantity > 0, NEW_ENTRY otherwise }",
)

CODES = tuple(value for value in list(globals().values()) if isinstance(value, Code))
