"""A decision told in full: one line a rule, what it saw, what it allows, how much of that is used, and where it stands."""
from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from caplex.runtime.canonical import floor_text, grouped, plain
from caplex.runtime.clock import parse_instant, short_instant
from caplex.runtime.messages import tell_leaf
from caplex.runtime.ruling import LimitSource, RuleTrace
from caplex.runtime.texts import WORDS, human, human_pair, plain_pair, plain_value, unit_name

MARKS: Final = {"kept": "✓", "broken": "✗", "reduced": "≈", "held": "‖", "warned": "!", "unknown": "?", "monitored": "○", "waived": "–",
                "not-applicable": "·", "not-judged": "·"}
_COLOURS: Final = {"✗": "31", "?": "31", "≈": "33", "‖": "33", "!": "33", "✓": "32", "○": "36", "DENY": "1;31", "HOLD": "1;33",
                   "MODIFY": "1;33", "ALLOW": "1;32"}
_BARE: Final = {"kept": "kept", "broken": "not allowed", "held": "needs approval", "warned": "warns"}
_QUIET: Final = ("not-applicable", "not-judged")
_LEAST_WIDTH: Final = 40


class Explanation:
    """*told* is the decision's document; *remedies* are sentences, each verified by whoever made it."""

    __slots__ = ("currency", "remedies", "told", "traces")

    def __init__(self, told: Mapping[str, Any], traces: Sequence[RuleTrace], *, currency: str = "USD", remedies: Sequence[str] = ()) -> None:
        self.told, self.traces, self.currency, self.remedies = told, tuple(traces), currency, tuple(remedies)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Explanation {self.told['verdict']} {len(self.traces)} rules>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.text())}</pre>"

    # ── for programs ─────────────────────────────────────────────────────────────────────────────────

    def to_dict(self) -> dict[str, Any]:
        return {"schema": "caplex.explanation/1", "decision": dict(self.told), "rules": [_rule(trace, self.currency) for trace in self.traces],
                "remedies": list(self.remedies)}

    # ── for people ───────────────────────────────────────────────────────────────────────────────────

    def text(self, width: int = 100, colour: bool = False) -> str:
        """Lines of at most *width* columns (40 or more); no line ends in white space."""
        width = max(width, _LEAST_WIDTH)
        lines = [*self._head(width), ""]
        lines += self._rows(width)
        lines += self._quiet(width)
        for title, entries in (("emitted", self.told.get("emitted")), ("obligations", [_duty(o) for o in self.told.get("obligations") or ()])):
            if entries:
                lines += ["", *_wrapped(f"{title}: " + "; ".join(entries), width, "  ")]
        if self.remedies:
            lines += ["", *_wrapped("to be allowed: " + "; ".join(self.remedies), width, "  ")]
        text = "\n".join(line.rstrip() for line in lines).rstrip() + "\n"
        return _coloured(text, self.told["verdict"]) if colour else text

    def _head(self, width: int) -> list[str]:
        told = self.told
        asked = " ".join(part for part in (_act(told), told.get("symbol")) if part)
        at = told.get("at")
        parts = [asked, told.get("strategy"), told.get("account"), short_instant(parse_instant(at)) if at else None]
        left = f"{told['verdict']}  " + " · ".join(part for part in parts if part)
        policy = told["policy"]
        digest = str(policy["hash"]).removeprefix("sha256:")[:6]
        right = f"{policy['name']} {policy['version']}" + (f" (sha256 {digest}…)" if digest else "")
        lines = _sides(left, right, width)
        verdict = told["verdict"]
        if verdict == "MODIFY":
            lines.append(f"        {grouped(told['quantity'])} may go ahead")
        elif verdict == "HOLD":
            lines.append(f"        {grouped(told['if_approved'])} may go ahead once approved")
        return [piece for line in lines for piece in _wrapped(line, width, "        ")]

    def _rows(self, width: int) -> list[str]:
        rows = [(trace.rule, trace.title or "", MARKS[trace.state], self._detail(trace), _short(trace.source))
                for trace in self.traces if trace.state not in _QUIET]
        shown = {leaf for trace in self.traces for leaf in trace.leaves}
        told = {tell_leaf(leaf) for leaf in shown}
        for reason in reversed(self.told.get("reasons") or ()):
            if reason["kind"] in ("system", "size") or not self.traces:
                if reason["message"] not in told:
                    mark = "≈" if reason["effect"] in ("snap", "reduce") else "✗"
                    rows.insert(0 if reason["effect"] != "snap" else len(rows), (reason["rule"], reason["title"] or "", mark, [reason["message"]], ""))
        if not rows:
            return []
        first = max(len(row[0]) for row in rows)
        second = min(max(len(row[1]) for row in rows), 24, max(0, width // 4))
        return [line for row in rows for line in _line(row, first, second, width)]

    def _quiet(self, width: int) -> list[str]:
        lines: list[str] = []
        for state, words in (("not-applicable", "not applicable"), ("not-judged", "not judged, nothing was left before them")):
            names = [trace.rule for trace in self.traces if trace.state == state]
            if names:
                lines += _wrapped(f"  {words}: " + ", ".join(names), width, "    ")
        return ["", *lines] if lines else []

    def _detail(self, trace: RuleTrace) -> list[str]:
        """What one rule saw and allows, in pieces that stay whole where lines break."""
        if trace.state == "unknown" and trace.leaves:
            return [tell_leaf(leaf) for leaf in trace.leaves[:3]] + ["…"] * (len(trace.leaves) > 3)
        parts: list[str] = []
        if trace.observed is not None and trace.comparison:
            parts.append(self._numbers(trace))
            if trace.limit_source is not None:
                parts.append(f"({_origin(trace.limit_source, self.currency)})")
        if trace.note:
            parts.append(trace.note)
        if trace.state == "monitored":
            parts.append("monitored only")
        used = utilisation(trace)
        if used is not None and trace.state == "kept":
            parts.append(f"{used}% used")
        if trace.state in ("broken", "reduced") and trace.cap is not None and trace.cap > 0:
            parts.append(f"would permit {grouped(plain(trace.cap))}")
        return parts or [_BARE.get(trace.state, trace.state)]

    def _numbers(self, trace: RuleTrace) -> str:
        observed, limit = human_pair(trace.observed, trace.limit, trace.unit, self.currency)
        if trace.limit is None:
            return f"{observed}, unlimited"
        if trace.kind == "throttle":
            return f"{observed} in the window, {'must stay ' * (trace.state != 'kept')}below {limit}"
        if trace.kind == "cooldown":
            return f"{observed} since the last one, {'needs ' * (trace.state != 'kept')}at least {limit}"
        word = WORDS.get(trace.comparison or "", trace.comparison or "")
        return f"{observed}, {'allowed ' if trace.state in ('broken', 'reduced') and word in ('at most', 'below') else ''}{word} {limit}"


# ── parts of a line ───────────────────────────────────────────────────────────────────────────────────


def _act(told: Mapping[str, Any]) -> str:
    """``buy 300``, ``close``, ``transfer 5_000``."""
    action, side, asked = told.get("action"), told.get("side"), told.get("requested")
    size = grouped(asked) if isinstance(asked, str) and action not in ("cancel", "noop") else ""
    verb = side if action in ("open", "adjust") and side else f"{action} ({side})" if action == "close" and side else action or "intent"
    return " ".join(part for part in (verb, size) if part)


def _duty(obligation: Mapping[str, Any]) -> str:
    channel = f" {obligation['channel']}" if obligation.get("channel") else ""
    return f"{str(obligation['do']).replace('_', ' ')}{channel} ({obligation['by']})"


def _origin(source: LimitSource, currency: str) -> str:
    value = f" {human(source.value, source.unit, currency)}" if source.value is not None else ""
    said = f"{source.setting}{value}" if source.setting and source.value is not None else source.text
    until = f", through {source.through}" if source.through else ""
    return said + until + (f", {_short(source.source)}" if source.source else "")


def _short(source: str | None) -> str:
    """The file without its folders: the whole path is in `to_dict`."""
    return (source or "").replace("\\", "/").rpartition("/")[2]


def utilisation(trace: RuleTrace) -> str | None:
    """Share of an upper limit in use, in percent, rounded down; None where that means nothing."""
    observed, limit = trace.observed, trace.limit
    if trace.comparison not in ("<=", "<") or not isinstance(observed, Fraction) or not isinstance(limit, Fraction):
        return None
    return floor_text(observed * 100 / limit, 0) if limit > 0 and observed >= 0 else None


def headroom(trace: RuleTrace) -> Fraction | None:
    """How far the measure may still move before the bound; negative where it is beyond."""
    observed, limit = trace.observed, trace.limit
    if not isinstance(observed, Fraction) or not isinstance(limit, Fraction):
        return None
    return limit - observed if trace.comparison in ("<=", "<") else observed - limit if trace.comparison in (">=", ">") else None


def _rule(trace: RuleTrace, currency: str) -> dict[str, Any]:
    observed, limit = plain_pair(trace.observed, trace.limit, trace.unit)
    room, used = plain_value(headroom(trace), trace.unit), utilisation(trace)
    source = trace.limit_source
    return {
        "rule": trace.rule, "title": trace.title, "kind": trace.kind, "state": trace.state,
        "observed": observed.text if observed else None, "comparison": trace.comparison, "limit": limit.text if limit else None,
        "unit": unit_name(trace.unit, currency), "used_percent": used, "headroom": room.text if room else None,
        "would_permit": plain(trace.cap) if trace.cap is not None else None, "source": trace.source,
        "reads": {name: value.text if (value := plain_value(item)) else None for name, item in trace.reads},
        "limit_source": _origin(source, currency) if source else None, "note": trace.note or None,
        "unusable": [{"path": leaf.path, "sys": leaf.sys, "problem": leaf.problem.replace("-", "_"), "message": tell_leaf(leaf)} for leaf in trace.leaves],
    }


# ── layout ────────────────────────────────────────────────────────────────────────────────────────────


def _line(row: tuple[str, str, str, list[str], str], first: int, second: int, width: int) -> list[str]:
    """One rule: columns, then its pieces under a hanging indent, then its place at the right edge."""
    rule, title, mark, pieces, source = row
    if len(title) > second:
        title = title[: max(second - 1, 0)] + "…" if second else ""
    start = f"  {rule:<{first}}  {title:<{second}}  {mark}  " if second else f"  {rule:<{first}}  {mark}  "
    if len(start) > width // 2:  # long qualified ids: the detail gets lines of its own
        return [start.rstrip(), *_tailed(_pieced("      ", pieces, width, "      "), source, width)]
    return _tailed(_pieced(start, pieces, width, " " * len(start)), source, width)


def _pieced(start: str, pieces: Sequence[str], width: int, indent: str) -> list[str]:
    """*pieces* three blanks apart; one that does not fit begins a line, and is only broken if it is longer than that."""
    lines, line, empty = [], start, True
    for piece in pieces:
        if not empty and len(line) + 3 + len(piece) > width:
            lines.append(line)
            line, empty = indent, True
        line, empty = line + ("" if empty else "   ") + piece, False
        if len(line) > width:
            *done, line = _wrapped(line, width, indent)
            lines += done
    return [*lines, line]


def _tailed(lines: list[str], tail: str, width: int) -> list[str]:
    if not tail:
        return lines
    if len(lines[-1]) + 2 + len(tail) <= width:
        return [*lines[:-1], lines[-1] + tail.rjust(width - len(lines[-1]))]
    return [*lines, tail[-width:].rjust(width)]


def _sides(left: str, right: str, width: int) -> list[str]:
    if len(left) + 2 + len(right) <= width:
        return [left + right.rjust(width - len(left))]
    return [left, right.rjust(min(width, max(len(right) + 8, 0)))]


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, subsequent_indent=indent, drop_whitespace=True, replace_whitespace=False, break_on_hyphens=False) or [""]


def _coloured(text: str, verdict: str) -> str:
    """Marks and the verdict in colour, nothing else; the letters stay the same."""
    head, _, rest = text.partition("\n")
    head = head.replace(verdict, f"\x1b[{_COLOURS[verdict]}m{verdict}\x1b[0m", 1)
    lines = []
    for line in rest.split("\n"):
        for mark, code in _COLOURS.items():
            if len(mark) == 1 and f"  {mark}  " in line:
                line = line.replace(f"  {mark}  ", f"  \x1b[{code}m{mark}\x1b[0m  ", 1)
                break
        lines.append(line)
    return "\n".join([head, *lines])
