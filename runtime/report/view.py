"""One decision as every report shows it: texts that are safe to print, the deciding rule first. Drawing is left to others."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from caplex.runtime.canonical import decimal_text, grouped
from caplex.runtime.clock import parse_instant, short_instant
from caplex.runtime.messages import tell_leaf
from caplex.runtime.remedy import Remedies
from caplex.runtime.report import phrases
from caplex.runtime.report.cells import cut, visible
from caplex.runtime.ruling import Citation, RuleTrace
from caplex.runtime.texts import human

_QUIET: Final = ("not-applicable", "not-judged")
_MANY: Final = 4
"""So many reasons of one kind are told together."""
_UNMET: Final = 3
_LONGEST: Final = 120
"""Columns of a name in the headline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One rule, or one reason of the engine itself.

    Attributes:
        decided: The first reason of all.
        spoke: It took something away, warned, or could not be told.
        sees, allows: ``2_500 USD`` and ``allowed below 2_000 USD``; brief: both in few columns.
        used: Percent of an upper limit; None where that means nothing.
        more: Sentences that belong to it, one a line.
    """

    id: str
    title: str
    state: str
    mark: str
    decided: bool = False
    spoke: bool = False
    message: str = ""
    sees: str = ""
    allows: str = ""
    brief: str = ""
    used: int | None = None
    remark: str = ""
    permits: str = ""
    origin: str = ""
    overridden: bool = False
    approval: str = ""
    more: tuple[str, ...] = ()
    waivers: tuple[str, ...] = ()
    reads: tuple[tuple[str, str], ...] = ()
    place: str = ""
    cited: Citation | None = None

    @property
    def word(self) -> str:
        """The mark in words, for those who do not see it."""
        return phrases.STATES[self.state]

    @property
    def numbers(self) -> str:
        return ", ".join(part for part in (self.sees, self.allows) if part)

    @property
    def saw(self) -> str:
        """What it saw, in one phrase."""
        return self.sees or self.remark or (f"needs {self.approval}" if self.approval else "")

    @property
    def sentence(self) -> str:
        """What its author has it say; else what the line says."""
        return self.message or self.numbers or self.saw

    @property
    def share(self) -> str:
        """``54% used``; nothing where nothing is used, or more than there is."""
        if self.used is None or self.state != "kept":
            return ""
        return f"{self.used}% used" if self.used else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that a report shows. *whole* is false for a decision read back from its document."""

    verdict: str
    asked: str
    about: tuple[str, ...]
    answer: str
    policy: str
    digest: str
    outcome: str
    whole: bool
    lines: tuple[Line, ...]
    quiet: tuple[tuple[str, tuple[str, ...]], ...] = ()
    missing: tuple[str, ...] = ()
    emitted: tuple[str, ...] = ()
    duties: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    ids: tuple[tuple[str, str], ...] = field(default=())

    @property
    def spoke(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.spoke)

    @property
    def kept(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if not line.spoke)

    @property
    def headline(self) -> str:
        return " · ".join(part for part in (self.asked, *self.about) if part)


def view(told: Mapping[str, Any], traces: Sequence[RuleTrace], *, currency: str, remedies: Remedies, missing: Sequence[str] = (),
         cited: Mapping[str, Citation] | None = None) -> View:
    """The view of a decision's document and of how its rules came to their answers."""
    policy = _map(told.get("policy"))
    at = told.get("at")
    lines = _lines(told, traces, currency, cited or {})
    quiet = ((words, tuple(visible(trace.rule) for trace in traces if trace.state == state)) for state, words in (
        ("not-applicable", "not applicable"), ("not-judged", _unjudged(lines))))
    return View(
        verdict=visible(str(told.get("verdict"))), asked=_short(" ".join(str(part) for part in (phrases.act(told), told.get("symbol")) if part)),
        about=tuple(_short(str(part)) for part in (told.get("strategy"), told.get("account"), _instant(at)) if part),
        answer=visible(phrases.answer(told)), policy=visible(f"{policy.get('name')} {policy.get('version')}"),
        digest=visible(str(policy.get("hash") or "").removeprefix("sha256:")[:6]), outcome=visible(str(told.get("outcome") or "")),
        whole=bool(traces), lines=tuple(lines), quiet=tuple(pair for pair in quiet if pair[1]),
        missing=tuple(visible(text) for text in phrases.by_section(missing)),
        emitted=tuple(visible(str(text)) for text in told.get("emitted") or ()),
        duties=tuple(visible(phrases.duty(_map(each))) for each in told.get("obligations") or ()),
        offers=tuple(visible(f"{offer.text} → {offer.verdict.value} {grouped(decimal_text(offer.quantity))}") for offer in remedies.offers),
        unmet=_unmet(remedies),
        ids=tuple((name, visible(str(value))) for name, value in (
            ("decision", told.get("decision_id")), ("intent", told.get("intent_id")), ("facts", told.get("facts_hash")),
            ("policy", policy.get("hash")), ("settings", policy.get("settings_hash")), ("engine", told.get("engine"))) if value))


def _short(text: str) -> str:
    return cut(visible(text[:_LONGEST]), _LONGEST)


def _unjudged(lines: Iterable[Line]) -> str:
    system = any(line.decided and line.id.startswith("SYS-") for line in lines)
    return "not judged" if system else "not judged, nothing was left before them"


def _unmet(remedies: Remedies) -> tuple[str, ...]:
    """Sentences; where there are many, the first ones and how many more."""
    told = [visible(each.text if each.rule in each.text or each.rule.startswith("SYS-") else f"{each.rule}: {each.text}") for each in remedies.unmet]
    rest = len(told) - _UNMET
    return tuple(told) if rest <= 1 else (*told[:_UNMET], f"and {rest} more")


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _instant(at: Any) -> str:
    try:
        return short_instant(parse_instant(at)) if at else ""
    except (TypeError, ValueError, AttributeError):  # a document from elsewhere
        return str(at)


# ── lines ─────────────────────────────────────────────────────────────────────────────────────────────


def _lines(told: Mapping[str, Any], traces: Sequence[RuleTrace], currency: str, cited: Mapping[str, Citation]) -> list[Line]:
    """The first reason, the other reasons in order, who warned or is monitored, then the rest in the order of decision."""
    by_rule = {trace.rule: trace for trace in traces}
    found: list[Line] = []
    reasons = [_map(reason) for reason in told.get("reasons") or ()]
    for group in _groups(reasons):
        trace = by_rule.get(str(group[0].get("rule")))
        if len(group) == 1 and trace is not None:
            found.append(_of_trace(trace, currency, group[0], cited, decided=not found))
        else:
            found.append(_of_reason(group, cited, decided=not found))
    seen = {line.id for line in found}
    beside = {str(each.get("rule")): each for each in map(_map, (*(told.get("warnings") or ()), *(told.get("monitored") or ())))}
    rest = [trace for trace in traces if visible(trace.rule) not in seen and trace.state not in _QUIET]
    apart = {path for reason in reasons for path in reason.get("paths") or ()}
    lines = [_of_trace(trace, currency, beside.get(trace.rule, {}), cited, told_apart=all(leaf.path in apart for leaf in trace.leaves)) for trace in rest]
    if not traces:
        monitored = {str(_map(each).get("rule")) for each in told.get("monitored") or ()}
        lines += [_of_beside(each, "monitored" if rule in monitored else "warned") for rule, each in beside.items()]
    return found + [line for line in lines if line.spoke] + [line for line in lines if not line.spoke]


def _groups(reasons: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Reasons one by one; where many facts are at fault in one way, they are one group at the place of the first."""
    counts: dict[str, int] = {}
    for reason in reasons:
        if reason.get("kind") == "system":
            counts[str(reason.get("rule"))] = counts.get(str(reason.get("rule")), 0) + 1
    found: dict[Any, list[Mapping[str, Any]]] = {}
    for index, reason in enumerate(reasons):
        rule = str(reason.get("rule"))
        found.setdefault(rule if counts.get(rule, 0) >= _MANY else index, []).append(reason)
    return list(found.values())


def _of_trace(trace: RuleTrace, currency: str, said: Mapping[str, Any], cited: Mapping[str, Citation], *, decided: bool = False, told_apart: bool = False) -> Line:
    """*told_apart*: what is wrong with the facts is a reason of its own, with its place and cure."""
    sees, allows = phrases.measured(trace, currency)
    brief, remark, approval = phrases.brief(trace, currency), phrases.remark(trace), phrases.wanted(_map(said.get("approval")))
    if approval and remark == "needs approval":
        remark = ""
    used = phrases.utilisation(trace)
    if trace.state == "unknown" and trace.leaves:
        sees, allows = "", ""
        brief = ""
        remark = tell_leaf(trace.leaves[0])
        if all(leaf.path for leaf in trace.leaves) and (told_apart or len(trace.leaves) > 1):
            remark = "needs " + phrases.listed(dict.fromkeys(leaf.path for leaf in trace.leaves))
    message = _message(said, trace.title, numbers=bool(sees))
    message = "" if message == remark else message
    return Line(
        id=visible(trace.rule), title=visible(trace.title or ""), state=trace.state, mark=phrases.MARKS[trace.state], decided=decided,
        spoke=bool(said) or trace.state not in ("kept", "waived"), message=visible(message), sees=visible(sees), allows=visible(allows),
        used=int(used) if used is not None else None, remark=visible(remark), permits=phrases.permits(trace),
        origin=visible(phrases.origin(trace.limit_source, currency)) if trace.limit_source is not None else "",
        overridden=trace.limit_source is not None and (trace.limit_source.override is not None or trace.limit_source.origin not in ("policy", "use")),
        brief=visible(brief), approval=visible(approval),
        waivers=tuple(visible(f"{waiver.waiver} {'holds' if waiver.holds else 'does not hold: ' + waiver.why}") for waiver in trace.waivers),
        reads=tuple((visible(name), visible(human(value, unit, currency) if value is not None else "not given"))
                    for (name, value), unit in zip(trace.reads, trace.units or (None,) * len(trace.reads), strict=True)),
        place=visible(phrases.place(trace.source)), cited=_safe(cited.get(trace.rule)))


def _message(said: Mapping[str, Any], title: str | None, *, numbers: bool) -> str:
    """The sentence, without the title that stands beside it. Where it only repeats the numbers of the line, it is left out."""
    text = str(said.get("message") or "")
    name = f"{title or said.get('rule')}: "
    return text if not text.startswith(name) else "" if numbers else text.removeprefix(name)


def _of_reason(group: Sequence[Mapping[str, Any]], cited: Mapping[str, Citation], *, decided: bool) -> Line:
    """A reason without a rule of its own: unusable facts, tickets, and all reasons of a decision read back."""
    first = group[0]
    rule, effect = str(first.get("rule")), first.get("effect")
    state = "held" if effect == "hold" else "reduced" if effect in ("snap", "reduce") else "broken"
    title = str(first.get("title") or phrases.SYSTEM.get(rule, ""))
    more: list[str] = []
    if len(group) > 1:
        paths = [str(path) for reason in group for path in reason.get("paths") or ()]
        message = f"{len(dict.fromkeys(paths))} facts cannot be used"
        told = [str(reason.get("message")) for reason in group]
        absent = all(" is missing" in text for text in told)
        message = message.replace("cannot be used", "are missing") if absent else message
        more += phrases.by_section(paths) if absent else told
    else:
        message = str(first.get("message") or "").removeprefix(f"{title}: ")
    needed = list(dict.fromkeys(str(each) for reason in group for each in reason.get("needed_by") or ()))
    if needed:
        more.append("needed by " + phrases.listed(needed, 8))
    source = _map(first.get("source"))
    place = f"{source.get('file')}:{source.get('line')}" if source else ""
    return Line(
        id=visible(rule), title=visible(title), state=state, mark=phrases.MARKS[state], decided=decided, spoke=True, remark=visible(message),
        approval=visible(phrases.wanted(_map(first.get("approval")))), more=tuple(map(visible, more)), place=visible(phrases.place(place)),
        cited=_safe(cited.get(rule)))


def _of_beside(said: Mapping[str, Any], state: str) -> Line:
    return Line(id=visible(str(said.get("rule"))), title=visible(str(said.get("title") or "")), state=state, mark=phrases.MARKS[state], spoke=True,
                remark=visible(str(said.get("message") or "")))


def _safe(citation: Citation | None) -> Citation | None:
    if citation is None:
        return None
    return Citation(visible(citation.file), citation.line, tuple(map(visible, citation.text)), citation.more)
