"""Every lint there is, by code, name and group; with those that `check` finds by itself."""
from __future__ import annotations

from functools import cache

from caplex.compiler.diagnostics import catalogue, codes_lint, codes_reading
from caplex.compiler.diagnostics.diagnostic import Code, Level
from caplex.compiler.lint import exposure, layout, slips, stops, wording
from caplex.compiler.lint.model import Group, Lint

LINTS: tuple[Lint, ...] = (*exposure.LINTS, *stops.LINTS, *slips.LINTS, *layout.LINTS, *wording.LINTS)
COMMENTS = (codes_reading.UNUSED_SUPPRESSION, codes_reading.NO_REASON, codes_reading.UNKNOWN_SUPPRESSION)
ALL = "all"
GROUPS: dict[str, str] = {
    "risk": "what loses money, or keeps a position from being closed",
    "reading": "what a reader stumbles over",
    "comments": "what is wrong with comments to `caplex lint`",
}
# Those of `LINTS` and `COMMENTS` that come with a fix, where one is sure to be right; `offers` has the fixes for what `check` finds.
MENDING = frozenset({"CAP720", "CAP721", "CAP731", "CAP743", "CAP747", "CAP748", "CAP749", "CAP750", "CAP751", "CAP752", "CAP760"})
# Of what `check` finds: what concerns readers. All else that it warns of is risk.
_READING = frozenset({codes_lint.ABOVE_WHOLE.id, codes_lint.SHARE_OF_SUM.id, "CAP209", "CAP224"})
_ELSEWHERE = frozenset({"CAP935"})
"""Warnings of other commands, that no policy has."""


@cache
def codes() -> dict[str, tuple[Code, Group]]:
    """Codes that may be selected, ignored and given a level, with their groups; errors may not."""
    own: dict[str, Group] = {lint.code.id: lint.group for lint in LINTS}
    own |= dict.fromkeys((code.id for code in COMMENTS), "comments")
    found: dict[str, tuple[Code, Group]] = {}
    for code in catalogue.codes():
        if code.level is Level.ERROR or code.id in _ELSEWHERE:
            continue
        group = own.get(code.id)
        found[code.id] = (code, group if group is not None else "reading" if code.id in _READING else "risk")
    return found


def checked_by_check() -> frozenset[str]:
    """Codes of `codes` that `caplex check` tells too."""
    own = {lint.code.id for lint in LINTS} | {code.id for code in COMMENTS} | {codes_lint.PAST_ITS_DATE.id}
    return frozenset(codes()) - own
