"""The words of an explanation: what a rule saw, what it allows, where its limit came from."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Final

from caplex.runtime.canonical import floor_text, grouped, plain
from caplex.runtime.ruling import LimitSource, RuleTrace
from caplex.runtime.texts import WORDS, human, human_pair

MARKS: Final = {"kept": "✓", "broken": "✗", "reduced": "≈", "held": "‖", "warned": "!", "unknown": "?", "monitored": "○", "waived": "–",
                "not-applicable": "·", "not-judged": "·"}
STATES: Final = {"kept": "kept", "broken": "not kept", "reduced": "cuts the size", "held": "wants an approval", "warned": "warns",
                 "unknown": "cannot be told", "monitored": "monitored", "waived": "waived", "not-applicable": "not applicable",
                 "not-judged": "not judged"}
_BARE: Final = {"kept": "kept", "broken": "not allowed", "held": "needs approval", "warned": "warns"}
_OVERRIDES: Final = {"tighten": "tightened", "loosen": "loosened", "set": "set"}
SYSTEM: Final = {
    "SYS-001": "Unusable facts", "SYS-002": "Stale", "SYS-003": "From the future", "SYS-004": "Out of range", "SYS-005": "Unreadable",
    "SYS-006": "No divisor", "SYS-007": "History too short", "SYS-008": "Switch state", "SYS-009": "Journal", "SYS-010": "Not in effect",
    "SYS-011": "Id used again", "SYS-012": "Size", "SYS-013": "Currency", "SYS-014": "Not reconciled",
}
_SIGNS: Final = {"<=": "≤", ">=": "≥", "!=": "≠", "==": "="}
_SEEN: Final = ("broken", "reduced", "held", "warned", "monitored")


def act(told: Mapping[str, Any]) -> str:
    """``buy 300``, ``close``, ``transfer 5_000``."""
    action, side, asked = told.get("action"), told.get("side"), told.get("requested")
    size = grouped(asked) if isinstance(asked, str) and action not in ("cancel", "noop") else ""
    verb = side if action in ("open", "adjust", None) and side else f"{action} ({side})" if action == "close" and side else action or "intent"
    return " ".join(part for part in (verb, size) if part)


def answer(told: Mapping[str, Any]) -> str:
    """What may go ahead, where the verdict alone does not say it."""
    held = told.get("verdict") == "HOLD"
    given, asked = told.get("if_approved" if held else "quantity"), told.get("requested")
    if told.get("verdict") not in ("HOLD", "MODIFY") or given is None:
        return ""
    whole = f" of {grouped(asked)}" if isinstance(asked, str) and asked != given else ""
    return f"{grouped(str(given))}{whole} may go ahead" + (" once approved" if held else "")


def duty(obligation: Mapping[str, Any]) -> str:
    channel = f" {obligation['channel']}" if obligation.get("channel") else ""
    return f"{str(obligation.get('do')).replace('_', ' ')}{channel} ({obligation.get('by')})"


def place(source: str | None) -> str:
    """The file without its folders: the whole path is in `to_dict`."""
    return (source or "").replace("\\", "/").rpartition("/")[2]


def origin(source: LimitSource, currency: str) -> str:
    """``max_position 4%, tightened for symbol "TSLA", desk.cap:13``."""
    value = f" {human(source.value, source.unit, currency)}" if source.value is not None else ""
    said = f"{source.setting}{value}" if source.setting and source.value is not None else source.text
    if source.override:
        said += f", {_OVERRIDES.get(source.override, source.override)} for {source.key}"
        if source.through:
            said += f" through {source.through}"
        if source.approved_by:
            said += f", approved by {source.approved_by}"
        if source.ticket:
            said += f" ({source.ticket})"
    elif source.origin != "policy":
        said += ", as imported" if source.origin == "use" else f", from {source.origin}"
    return said + (f", {place(source.source)}" if source.source else "")


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


def measured(trace: RuleTrace, currency: str) -> tuple[str, str]:
    """What a rule saw, and what it allows; both empty where it measures nothing."""
    if trace.observed is None or not trace.comparison:
        return "", ""
    observed, limit = human_pair(trace.observed, trace.limit, trace.unit, currency)
    if trace.limit is None:
        return observed, "unlimited"
    acts = trace.state in _SEEN
    if trace.kind == "throttle":
        return f"{observed} in the window", f"{'must stay ' * acts}below {limit}"
    if trace.kind == "cooldown":
        return f"{observed} since the last one", f"{'needs ' * acts}at least {limit}"
    word = WORDS.get(trace.comparison, trace.comparison)
    if acts:
        word = f"allowed {word}" if word in ("at most", "below") else f"must be {word}"
    return observed, f"{word} {limit}"


def brief(trace: RuleTrace, currency: str) -> str:
    """The same with signs and the unit once, for narrow terminals: ``2_500 < 2_000 USD``."""
    if trace.observed is None or trace.limit is None or not trace.comparison:
        return ", ".join(part for part in measured(trace, currency) if part)
    observed, limit = human_pair(trace.observed, trace.limit, trace.unit, currency)
    unit = limit.partition(" ")[2]
    if unit and observed.endswith(f" {unit}"):
        observed = observed.removesuffix(f" {unit}")
    tail = {"throttle": " in the window", "cooldown": " since the last one"}.get(trace.kind, "")
    return f"{observed} {_SIGNS.get(trace.comparison, trace.comparison)} {limit}{tail}"


def remark(trace: RuleTrace) -> str:
    """What there is to say beside the numbers, or in their place."""
    if trace.note:
        return f"{trace.note}; monitored only" if trace.state == "monitored" else trace.note
    if trace.state == "monitored":
        return "monitored only"
    if trace.observed is None or not trace.comparison:
        return "" if trace.state == "unknown" else _BARE.get(trace.state, STATES[trace.state])
    return ""


def permits(trace: RuleTrace) -> str:
    if trace.state in ("broken", "reduced") and trace.cap is not None and trace.cap > 0:
        return f"would permit {grouped(plain(trace.cap))}"
    return ""


def wanted(approval: Mapping[str, Any] | None) -> str:
    """``approval by 2 of risk-officer``."""
    if not approval:
        return ""
    quorum = approval.get("quorum")
    return f"approval by {f'{quorum} of ' if isinstance(quorum, int) and quorum > 1 else ''}{approval.get('role')}"


def listed(names: Iterable[str], most: int = 3) -> str:
    """``a, b, c and 4 more``."""
    found = list(names)
    rest = len(found) - most
    return ", ".join(found) if rest <= 1 else ", ".join(found[:most]) + f" and {rest} more"


def by_section(pointers: Iterable[str]) -> list[str]:
    """Places of a document, one text a record: ``/account: equity, peak_equity``; whole sections together at the end."""
    records: dict[str, list[str]] = {}
    whole: list[str] = []
    found = list(dict.fromkeys(pointers))
    for path in [path for path in found if not any(other.startswith(path + "/") for other in found)]:
        record, _, name = path.rpartition("/")
        if record:
            records.setdefault(record, []).append(name)
        else:
            whole.append(path)
    told = [f"{record}/{names[0]}" if len(names) == 1 else f"{record}: {', '.join(sorted(names))}" for record, names in sorted(records.items())]
    return told + ([", ".join(sorted(whole))] if whole else [])
