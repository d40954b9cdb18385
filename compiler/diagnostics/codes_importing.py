"""Codes CAP930 to CAP939: what is wrong with another system's configuration that is to become a policy or its settings."""
from __future__ import annotations

from caplex.compiler.diagnostics.diagnostic import Code, Level

_E = Level.ERROR

UNKNOWN = Code(
    "CAP930", "import-unknown", _E, "A key or a variable that is not the other system's",
    "What is misspelt did nothing there either: a limit stood at its default while somebody believed that it moved. Nothing is left out in silence.",
    "POLICY_MIN_CONFIDENSE=0.8",
    "POLICY_MIN_CONFIDENCE=0.8",
)
MISSING = Code(
    "CAP931", "import-missing", _E, "A key that the other system requires",
    "It would not have started without it, so nobody has said which limit is meant.",
    "limits:\n  loss:\n    daily_loss_limit_pct: 0.02",
    "limits:\n  loss:\n    daily_loss_limit_pct: 0.02\n    max_drawdown_pct: 0.05",
)
UNUSABLE = Code(
    "CAP932", "import-unusable", _E, "A value that cannot be used, or is in the wrong unit",
    "A limit of 10 where shares are meant allows a thousand percent; NaN allows everything.",
    "max_position_pct: 10",
    "max_position_pct: 0.10",
)
TWICE = Code(
    "CAP933", "import-twice", _E, "A key or a variable that stands twice",
    "Readers differ on which of the two counts; a limit must not depend on the reader.",
    "max_position_pct: 0.10\nmax_position_pct: 0.50",
    "max_position_pct: 0.10",
)
UNREADABLE = Code(
    "CAP934", "import-unreadable", _E, "A configuration that cannot be read",
    "Half a configuration must not become a policy as if the other half said nothing.",
    "limits: [",
    "limits: {}",
)

DIFFERS = Code(
    "CAP935", "import-differs", Level.WARNING, "A value that means something else here, or nothing",
    "The result decides without it. Whoever wrote it should know.",
    "defaults:\n  mode: enforce\n  decision: allow",
    "defaults:\n  mode: enforce",
)

CODES: tuple[Code, ...] = (UNKNOWN, MISSING, UNUSABLE, TWICE, UNREADABLE, DIFFERS)
