"""What one decision adds to the diagram of its policy: marks, what was seen, what decided, and the outcome."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from caplex.compiler.tools.diagram.model import Outcome, Row, Switch, SwitchState
from caplex.runtime import telling
from caplex.runtime.canonical import grouped
from caplex.runtime.clock import parse_instant, short_instant
from caplex.runtime.facts import Facts
from caplex.runtime.messages import tell_leaf
from caplex.runtime.policy import Policy
from caplex.runtime.report import phrases
from caplex.runtime.ruling import LimitSource, RuleTrace
from caplex.runtime.texts import WORDS, human, human_pair

WORDS_OF = {**phrases.STATES, "held": "needs approval", "unknown": "cannot be read", "monitored": "would act"}
_OVERRIDES = {"tighten": "tightened", "loosen": "loosened"}


@dataclass(frozen=True, slots=True)
class Path:
    """The path of one decision, to be laid over the rows of the policy."""

    subject: tuple[str, ...]
    outcome: Outcome
    traces: dict[str, RuleTrace]
    decided_by: str | None
    system: tuple[Row, ...]
    rounding: tuple[Row, ...]
    sizes: dict[str, tuple[str, str]]
    """State and message of each size that spoke."""
    tickets: dict[str, str]
    """What each size that was asked permits."""
    tripped: frozenset[tuple[str, int]]
    """Pairs (switch, index of the clause) that this decision trips."""
    currency: str

    def row(self, row: Row) -> Row:
        """*row* as it stood."""
        trace = self.traces.get(row.id)
        if trace is None:
            return row
        observed, limit = seen(trace, self.currency)
        origin = ""
        if limit and trace.state != "unknown":
            # A setting without overrides is a constant by now: the policy's word for it is as good.
            origin = _origin(trace.limit_source, self.currency) if trace.limit_source is not None else ", ".join(row.settings)
        note = trace.note
        if trace.kind == "switch":
            observed, _, note = trace.note.partition(": ") if trace.note else (WORDS_OF[trace.state], "", "")
            if trace.state == "kept" and any(name == row.id for name, _ in self.tripped):
                note = "trips from the next intent on"
        elif trace.state == "monitored":
            note = "; ".join(part for part in (note, "monitored only") if part)
        return replace(row, state=trace.state, mark=phrases.MARKS[trace.state], observed=observed, limit=limit, origin=origin, note=note,
                       decides=row.id == self.decided_by)

    def facts_kept(self, row: Row) -> Row:
        judged = any(trace.state != "not-judged" for trace in self.traces.values())
        state = "kept" if judged else "not-judged"
        return replace(row, state=state, mark=phrases.MARKS[state], observed="usable" if judged else "", effect="")

    def size(self, row: Row) -> Row:
        state, message = self.sizes.get(row.id, ("kept" if row.id in self.tickets else "not-applicable", ""))
        return replace(row, state=state, mark=phrases.MARKS[state], observed=self.tickets.get(row.id, WORDS_OF[state]), note=message,
                       decides=row.id == self.decided_by)

    def switch(self, switch: Switch) -> Switch:
        clause = next((index for name, index in sorted(self.tripped) if name == switch.id), None)
        trace = self.traces.get(switch.id)
        words: dict[str, SwitchState | None] = {"unknown": "unreadable", "not-judged": None, "not-applicable": "armed", "kept": "armed", "waived": "armed"}
        state = None if trace is None else words.get(trace.state, "tripped")
        return replace(switch, state="trips now" if clause is not None else state, clause=clause)


def path_of(policy: Policy, facts: Mapping[str, Any] | Facts) -> Path:
    """Decide, and keep what a picture shows of it."""
    decision = policy.decide(facts)
    bound = policy.bind(facts)
    ruling, case = policy.judge(bound)
    traces = {trace.rule: trace for trace in policy.traces(bound, ruling, case)}
    told = decision.to_dict()
    reasons = told["reasons"]
    first = reasons[0] if reasons else None
    system = tuple(_reason(reason, reason is first) for reason in reasons if reason["kind"] == "system" and reason["rule"] != "SYS-012")
    rounding = tuple(_reason(reason, reason is first) for reason in reasons if reason["rule"] == "SYS-012")
    sizes = {reason["rule"]: ("broken" if reason["effect"].startswith("deny") else "reduced", reason["message"]) for reason in reasons if reason["kind"] == "size"}
    tickets = {} if case is None else {size.id: f"up to {grouped(telling.quantity(cap))}" for size, cap, _ in case.sizes}
    tripped = frozenset((trip.switch, trip.clause) for trip in ruling.tripped)
    return Path(_subject(told), _outcome(told), traces, ruling.decided_by, system, rounding, sizes, tickets, tripped, policy.currency)


def _reason(reason: Mapping[str, Any], first: bool) -> Row:
    """A reason that no rule of the policy gave."""
    mild = reason["effect"] in ("snap", "reduce")
    state = "reduced" if mild else "broken"
    needed = ", ".join(reason.get("needed_by") or ())
    return Row(reason["rule"], "system", phrases.SYSTEM.get(reason["rule"], ""), reason["message"], severity=reason["severity"], state=state,
               mark=phrases.MARKS[state], observed="rounded" if mild else "cannot be used", note=f"needed by {needed}" if needed else "",
               decides=first)


def seen(trace: RuleTrace, currency: str) -> tuple[str, str]:
    """What the rule saw and its bound, in words."""
    if trace.state == "unknown" and trace.leaves:
        return WORDS_OF["unknown"], "; ".join(tell_leaf(leaf) for leaf in trace.leaves)
    if trace.observed is None or not trace.comparison:
        return WORDS_OF[trace.state], ""
    if trace.limit is None:
        return human(trace.observed, trace.unit, currency), "unlimited"
    observed, limit = human_pair(trace.observed, trace.limit, trace.unit, currency)
    return observed, f"{WORDS.get(trace.comparison, trace.comparison)} {limit}"


def _origin(source: LimitSource, currency: str) -> str:
    """``max_position 4%, tighten for symbol "GE"``."""
    if source.setting is None:
        return source.text
    value = f" {human(source.value, source.unit, currency)}" if source.value is not None else ""
    said = f"{source.setting}{value}"
    if source.override is None:
        return said if source.origin in ("policy", "use") else f"{said}, from {source.origin}"
    until = f" through {source.through}" if source.through else ""
    return f"{said}, {_OVERRIDES.get(source.override, source.override)} for {source.key}{until}"


def _subject(told: Mapping[str, Any]) -> tuple[str, ...]:
    """``buy 700 AAPL`` · strategy · account · instant."""
    at = told.get("at")
    head = " ".join(part for part in (phrases.act(told), told.get("symbol")) if part)
    return tuple(part for part in (head, told.get("strategy"), told.get("account"), short_instant(parse_instant(at)) if at else None) if part)


def _outcome(told: Mapping[str, Any]) -> Outcome:
    verdict, reasons = str(told["verdict"]), told["reasons"]
    asked = f"{grouped(told['requested'])} may go ahead" if isinstance(told.get("requested"), str) else "may go ahead"
    text = "nothing may go ahead" if verdict == "DENY" else phrases.answer(told) or asked
    label = str(told["outcome"]) if told["outcome"] != verdict else ""
    return Outcome(verdict, text, tuple(dict.fromkeys(reason["rule"] for reason in reasons)), str(reasons[0]["message"]) if reasons else "", label)
