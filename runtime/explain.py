"""A decision told in full: what every rule saw and allows, where that is written, and what would make it pass."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from caplex.runtime import remedy
from caplex.runtime.canonical import plain
from caplex.runtime.clock import format_duration
from caplex.runtime.messages import tell_leaf
from caplex.runtime.remedy import Remedies
from caplex.runtime.report import html, markdown, text, view
from caplex.runtime.report.phrases import headroom, origin, utilisation
from caplex.runtime.ruling import Approval, Citation, LimitSource, RuleTrace
from caplex.runtime.texts import plain_pair, plain_value, unit_name

NOTHING = Remedies()


class Explanation:
    """Made by `Decision.explain`.

    Attributes:
        told: The decision's document.
        traces: How each rule came to its answer; none for a decision read back from its document.
        missing: JSON pointers to facts that this policy reads, where nothing could be judged without them.
    """

    __slots__ = ("_cite", "_cited", "_find", "_found", "currency", "missing", "told", "traces")

    def __init__(self, told: Mapping[str, Any], traces: Sequence[RuleTrace], *, currency: str = "USD", missing: Sequence[str] = (),
                 cite: Callable[[], Mapping[str, Citation]] | None = None, find: Callable[[], Remedies] | None = None) -> None:
        self.told, self.traces, self.currency, self.missing = told, tuple(traces), currency, tuple(missing)
        self._cite, self._find = cite, find
        self._cited: Mapping[str, Citation] | None = None
        self._found: Remedies | None = None

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Explanation {self.told['verdict']} {len(self.traces)} rules>"

    def _repr_html_(self) -> str:
        return html.fragment(self.view())

    @property
    def remedies(self) -> Remedies:
        """What would make it pass, each tried; looked for when first asked for."""
        if self._found is None:
            self._found = self._find() if self._find is not None else NOTHING
        return self._found

    @property
    def cited(self) -> Mapping[str, Citation]:
        """What the author of each rule wrote, by its id; looked up when first asked for."""
        if self._cited is None:
            self._cited = self._cite() if self._cite is not None else {}
        return self._cited

    # ── for programs ─────────────────────────────────────────────────────────────────────────────────

    def to_dict(self) -> dict[str, Any]:
        """``caplex.explanation/1``. Rules stand in the order of decision; *decided* marks the first reason."""
        return {"schema": "caplex.explanation/1", "decision": dict(self.told), "whole": bool(self.traces),
                "rules": [self._rule(trace) for trace in self.traces], "missing": list(self.missing), **remedy.to_dict(self.remedies)}

    def _rule(self, trace: RuleTrace) -> dict[str, Any]:
        observed, limit = plain_pair(trace.observed, trace.limit, trace.unit)
        room = plain_value(headroom(trace), trace.unit)
        source, units = trace.limit_source, trace.units or (None,) * len(trace.reads)
        return {
            "rule": trace.rule, "title": trace.title, "kind": trace.kind, "stage": trace.stage, "severity": trace.severity, "code": trace.code,
            "state": trace.state, "decided": self.told.get("decided_by") == trace.rule, "message": self._message(trace.rule),
            "observed": observed.text if observed else None, "comparison": trace.comparison, "limit": limit.text if limit else None,
            "unit": unit_name(trace.unit, self.currency), "used_percent": utilisation(trace), "headroom": room.text if room else None,
            "would_permit": plain(trace.cap) if trace.cap is not None else None, "source": trace.source,
            "reads": {name: _plain(value, unit) for (name, value), unit in zip(trace.reads, units, strict=True)},
            "units": {name: unit_name(unit, self.currency) for (name, _), unit in zip(trace.reads, units, strict=True)},
            "limit_source": origin(source, self.currency) if source else None, "limit_from": self._limit_from(source) if source else None,
            "waivers": [{"waiver": waiver.waiver, "holds": waiver.holds, "why": waiver.why or None} for waiver in trace.waivers],
            "cited": _citation(self.cited.get(trace.rule)), "approval": _approval(trace.approval), "note": trace.note or None,
            "unusable": [{"path": leaf.path, "sys": leaf.sys, "problem": leaf.problem.replace("-", "_"), "message": tell_leaf(leaf)} for leaf in trace.leaves],
        }

    def _message(self, rule: str) -> str | None:
        """What the rule said: as a reason, a warning, or only monitored."""
        for part in ("reasons", "warnings", "monitored"):
            for each in self.told.get(part) or ():
                if each.get("rule") == rule:
                    return str(each["message"])
        return None

    def _limit_from(self, source: LimitSource) -> dict[str, Any]:
        value = plain_value(source.value, source.unit)
        override = {"kind": source.override, "key": source.key, "through": source.through, "approved_by": source.approved_by, "ticket": source.ticket}
        return {"setting": source.setting, "value": value.text if value else None, "unit": unit_name(source.unit, self.currency),
                "override": override if source.override else None, "from": source.origin, "source": source.source}

    # ── for people ───────────────────────────────────────────────────────────────────────────────────

    def view(self) -> view.View:
        """What all reports show."""
        return view.view(self.told, self.traces, currency=self.currency, remedies=self.remedies, missing=self.missing, cited=self.cited)

    def text(self, width: int = 100, colour: bool = False, detail: Literal["short", "normal", "full"] = "normal") -> str:
        """Lines of at most *width* columns (40 or more); no line ends in white space.

        Args:
            colour: With ANSI colours; otherwise no escape sequence comes out, whatever the facts hold.
            detail: *short* is the answer and the rules that spoke; *full* adds what each rule read, and the lines of each that spoke.
        """
        return text.render(self.view(), width=width, colour=colour, detail=detail)

    def markdown(self) -> str:
        """For an issue or a chat."""
        return markdown.render(self.view())

    def html(self) -> str:
        """One page that stands alone."""
        return html.page(self.view())


def _plain(value: Any, unit: Any) -> str | None:
    printed = plain_value(value, unit)
    return printed.text if printed is not None else None


def _citation(citation: Citation | None) -> dict[str, Any] | None:
    if citation is None:
        return None
    return {"file": citation.file, "line": citation.line, "text": list(citation.text), "more": citation.more}


def _approval(approval: Approval | None) -> dict[str, Any] | None:
    if approval is None:
        return None
    within = format_duration(approval.within_ns) if approval.within_ns is not None else None
    return {"role": approval.role, "quorum": approval.quorum, "within": within}
