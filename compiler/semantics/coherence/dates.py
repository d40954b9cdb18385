"""What has ended by a given day (``--as-of``, or the first of the policy). The only check that is given a time; none reads a clock."""
from __future__ import annotations

from collections.abc import Iterator

from caplex.compiler.diagnostics import codes_lint as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.semantics.report import at
from caplex.compiler.syntax import ast


def past(checked: CheckedModule, as_of_ns: int) -> Iterator[Diagnostic]:
    for waiver in checked.waivers.values():
        if waiver.until_ns <= as_of_ns and waiver.node.through is not None:
            yield at(codes.PAST_ITS_DATE, f"the waiver `{waiver.id}` has ended", waiver.node.through.span, "past its date",
                     help="take it out, or have it approved anew")
    for rule in checked.rules:
        mark = rule.node.attributes.monitor
        if isinstance(rule.monitor, int) and rule.monitor <= as_of_ns and isinstance(mark, ast.Date):
            yield at(codes.PAST_ITS_DATE, f"`{rule.id}` is no longer monitored: it is in force", mark.span, "past its date",
                     help="take out `monitor`")
    for setting in checked.settings.values():
        for override in setting.overrides:
            if override.until_ns is not None and override.until_ns <= as_of_ns and override.node.through is not None:
                yield at(codes.PAST_ITS_DATE, f"an override of `{setting.name}` has ended", override.node.through.span, "past its date")
    header = checked.modules[""].header
    clause = next((clause for clause in header.clauses if isinstance(clause, ast.Effective)), None) if header is not None else None
    until = checked.policy.effective_until_ns
    if clause is not None and clause.through is not None and until is not None and until <= as_of_ns:
        yield at(codes.PAST_ITS_DATE, f"the policy `{checked.policy.name}` is no longer in effect", clause.through.span, "past its date")
