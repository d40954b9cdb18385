"""What a change of the facts would do: both decisions, whether the answer flips, and the rules that differ."""
from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, Final, Literal

from caplex.runtime import paths
from caplex.runtime.canonical import decimal_text, grouped, plain
from caplex.runtime.decision import Decision
from caplex.runtime.explain import Explanation
from caplex.runtime.facts import Facts
from caplex.runtime.layout import PLACES, Layout
from caplex.runtime.paths import BadPath
from caplex.runtime.plan import Plan
from caplex.runtime.report import changes as report
from caplex.runtime.report import html, markdown
from caplex.runtime.report.cells import visible
from caplex.runtime.ruling import RuleTrace
from caplex.runtime.texts import plain_pair, unit_name

_LONGEST: Final = 60
"""Columns of a value that the first line shows."""
_GONE: Final = object()


class WhatIf:
    """Two decisions and what lies between them.

    Attributes:
        changes: What was put where, in order: path, value before (None: nothing), value after.
        before, after: The decisions.
    """

    __slots__ = ("after", "before", "changes", "explanations")

    def __init__(self, changes: tuple[tuple[str, Any, Any], ...], before: Decision, after: Decision) -> None:
        self.changes, self.before, self.after = changes, before, after
        self.explanations: tuple[Explanation, Explanation] = before.explain(), after.explain()

    def __repr__(self) -> str:
        return f"<WhatIf {self.before.verdict.value} → {self.after.verdict.value}>"

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return html.fragment(self.explanations[1].view(), self._changes())

    @property
    def flips(self) -> bool:
        """Another verdict, or another quantity."""
        return self.before.verdict != self.after.verdict or self.before.quantity != self.after.quantity

    @property
    def rules(self) -> tuple[tuple[RuleTrace, RuleTrace], ...]:
        """Traces before and after of the rules that differ; those in another state first."""
        before, after = ({trace.rule: trace for trace in each.traces} for each in self.explanations)
        pairs = [(before[rule], trace) for rule, trace in after.items() if rule in before and _seen(before[rule]) != _seen(trace)]
        return tuple(sorted(pairs, key=lambda pair: pair[0].state == pair[1].state))

    def to_dict(self) -> dict[str, Any]:
        """``caplex.what_if/1``."""
        currency = self.explanations[1].currency
        return {
            "schema": "caplex.what_if/1", "flips": self.flips,
            "changes": [{"path": path, "before": _json(was), "after": _json(value)} for path, was, value in self.changes],
            "before": self.before.to_dict(), "after": self.after.to_dict(),
            "rules": [{"rule": after.rule, "title": after.title, "unit": unit_name(after.unit or before.unit, currency),
                       "before": _side(before), "after": _side(after)} for before, after in self.rules],
            "explanation": self.explanations[1].to_dict(),
        }

    def text(self, width: int = 100, colour: bool = False, detail: Literal["short", "normal", "full"] = "normal") -> str:
        """The flip first, then the rules that differ, then the new decision in full; as `Explanation.text`."""
        lines = report.text(self._changes(), width=width, colour=colour)
        return "\n".join(lines) + "\n\n" + self.explanations[1].text(width=width, colour=colour, detail=detail)

    def markdown(self) -> str:
        """For an issue or a chat."""
        return f"{report.markdown(self._changes())}\n\n---\n\n{markdown.render(self.explanations[1].view())}"

    def html(self) -> str:
        """One page that stands alone."""
        return html.page(self.explanations[1].view(), self._changes())

    def _changes(self) -> report.Changes:
        return report.Changes(
            verdicts=(self.before.verdict.value, self.after.verdict.value), sizes=(_size(self.before), _size(self.after)),
            with_=tuple(visible(f"{path} = {_brief(value)} (was {_brief(was)})") for path, was, value in self.changes),
            rules=tuple(report.difference(before, after, self.explanations[1].currency) for before, after in self.rules),
            reasons=(visible(self.before.decided_by or "nothing"), visible(self.after.decided_by or "nothing")))


def what_if(policy: Any, facts: Mapping[str, Any] | Facts, changes: Mapping[str, Any]) -> WhatIf:
    """Decide on *facts* as they are, and with *changes*: values by place, ``{"market[\\"AAPL\\"].price": "180"}``.

    Raises:
        BadPath: nothing of that name can stand in the facts of *policy*; the message says what may have been meant.
    """
    given = facts if isinstance(facts, Facts) else Facts(facts)
    document: Any = given.document
    done: list[tuple[str, Any, Any]] = []
    for path, value in changes.items():
        was = _at(document, paths.steps(path))
        document = put(policy.plan, document, path, value)
        done.append((path, None if was is _GONE else was, value))
    return WhatIf(tuple(done), policy.decide(given), policy.decide(document))


# ── places ────────────────────────────────────────────────────────────────────────────────────────────


def put(plan: Plan, document: Any, path: str, value: Any) -> Any:
    """*document* with *value* at *path*. Raises BadPath where the policy's facts have no such place."""
    steps = paths.steps(path)
    _not_a_setting(plan, path, steps)
    changed = paths.changed(document, path, value)
    known = set(Layout(plan.schema, document).problems)
    for leaf in Layout(plan.schema, changed).problems:
        if leaf not in known and leaf.problem == "unknown-key":
            raise BadPath(_unknown(plan, path, steps, leaf.limit))
    _names(plan, document, path, steps)
    return changed


def _not_a_setting(plan: Plan, path: str, steps: tuple[str | int, ...]) -> None:
    name = ".".join(str(step) for step in (steps[1:] if steps[0] == "settings" and len(steps) > 1 else steps))
    if name in plan.settings or steps[0] == "settings":
        raise BadPath(f"`{path}` is a setting and no fact: change it with `--set {name}=VALUE`, or `settings=` of `caplex.load`")


def _unknown(plan: Plan, path: str, steps: tuple[str | int, ...], near: str) -> str:
    first = str(steps[0])
    section = plan.schema.sections.get(first)
    if section is not None and section.inputs:
        return f"`{path}` is no fact of this policy; did you mean `{paths.write(('inputs', *steps))}`?"
    if first in PLACES:
        return f"`{path}` is no fact of this policy; did you mean `{paths.write((PLACES[first], *steps[1:]))}`?"
    if any(re.search(rf"(?<![\w.]){re.escape(path)}(?![\w.])", text) for text in plan.sources.values()):
        return f"`{path}` is worked out from other facts, not given: change those"
    hint = f"; did you mean `{_written(near, steps)}`?" if near else ""
    return f"`{path}` is no fact of this policy{hint}"


def _written(near: str, steps: tuple[str | int, ...]) -> str:
    """The place that was meant: *near* is as long as the part that is known, the rest stays as it was said."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in near.split("/")[1:]]
    meant = tuple(int(part) if number and part.isdigit() else part for number, part in enumerate(parts))
    return paths.write((*meant, *steps[len(meant):]))


def _names(plan: Plan, document: Any, path: str, steps: tuple[str | int, ...]) -> None:
    """Switches and counters have any name; one that neither the policy nor the facts know is a slip."""
    if len(steps) < 2 or steps[0] not in ("switches", "counters") or not isinstance(steps[1], str):
        return
    kind = "switch" if steps[0] == "switches" else "counter"
    known = {slot.name for slot in plan.slots if slot.kind == kind} | {rule.id for rule in plan.rules if rule.kind == kind}
    there = document.get(steps[0]) if isinstance(document, Mapping) else None
    held = set(there) if isinstance(there, Mapping) else set()
    if steps[1] in held or steps[1].partition("/")[0] in known:
        return
    near = get_close_matches(steps[1], sorted(known | {key for key in held if isinstance(key, str)}), n=1) if len(steps[1]) <= 100 else []
    hint = f"; did you mean `{paths.write((steps[0], near[0], *steps[2:]))}`?" if near else ""
    raise BadPath(f"`{path}`: this policy has no {kind} `{steps[1]}`{hint}")


def _at(document: Any, steps: tuple[str | int, ...]) -> Any:
    here = document
    for step in steps:
        inside = step in here if isinstance(here, Mapping) else isinstance(here, list | tuple) and isinstance(step, int) and step < len(here)
        if not inside:
            return _GONE
        here = here[step]
    return here


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────


def _seen(trace: RuleTrace) -> tuple[Any, ...]:
    return trace.state, trace.observed, trace.limit, trace.note, trace.leaves


def _size(decision: Decision) -> str:
    held = decision.if_approved
    size = decimal_text(decision.quantity if held is None else held)
    return grouped(size) + (" once approved" if held is not None else "")


def _side(trace: RuleTrace) -> dict[str, Any]:
    observed, limit = plain_pair(trace.observed, trace.limit, trace.unit)
    return {"state": trace.state, "observed": observed.text if observed else None, "limit": limit.text if limit else None,
            "would_permit": plain(trace.cap) if trace.cap is not None else None, "note": trace.note or None}


def _brief(value: Any) -> str:
    """A value on the first line: what is long is told by its size."""
    told = _json(value)
    if told is None:
        return "nothing"
    if isinstance(told, dict | list):
        return f"{{{len(told)} keys}}" if isinstance(told, dict) else f"[{len(told)} items]"
    text = ("true" if told else "false") if isinstance(told, bool) else str(told)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _json(value: Any) -> Any:
    """*value* with texts, truth, null, lists and objects alone, as documents hold it."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json(each) for each in value]
    if isinstance(value, Decimal):
        return decimal_text(value) if value.is_finite() else str(value)
    if isinstance(value, Fraction):
        return plain(value)
    return str(value)
