"""Decisions told in a few lines each: what answered, the lines of the policy that say so, the numbers, and what would pass.

`Explanation.text()` tells everything; this tells what a reader wants who sees many decisions one after the other.
"""
from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from caplex.compiler.tools.chart import BAD, DIM, GOOD, STRONG, WARN, paint
from caplex.runtime.canonical import grouped, plain

if TYPE_CHECKING:
    from caplex.runtime.decision import Decision
    from caplex.runtime.policy import Policy

TONES: Final = {"ALLOW": GOOD, "MODIFY": WARN, "HOLD": WARN, "DENY": BAD}
INDENT: Final = "   "
CITED: Final = "36"
MOST_OFFERS: Final = 2  # the whole explanation tells them all
_COLUMN: Final = 12  # where the text begins, behind verdict and labels
_UNTOLD: Final = ("because", "on trip", "on rearm", "rearm", "##")


@dataclass(frozen=True, slots=True)
class Teller:
    """How wide, and whether in colour."""

    width: int
    colour: bool

    def paint(self, text: str, tone: str) -> str:
        return paint(text, tone, self.colour)

    def wrapped(self, text: str, indent: str = INDENT, first: str | None = None) -> list[str]:
        """*text* in lines of at most the width; *first* stands before the first one, whatever its length."""
        start = indent if first is None else first
        room = max(self.width, len(indent) + 20)
        return textwrap.wrap(text, room, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False) or [start.rstrip()]

    def labelled(self, label: str, text: str, tone: str = DIM) -> list[str]:
        """A label in its column and *text* beside it, or below it where the screen is narrow."""
        if self.width < 60:
            return [*([INDENT + self.paint(label, tone)] if label else []), *self.wrapped(text, INDENT + "  ")]
        column = " " * _COLUMN
        head, *rest = self.wrapped(text, column)
        return [INDENT + self.paint(label, tone) + head[len(INDENT) + len(label):], *rest]

    def rule(self, text: str) -> str:
        """A heading with a line to the right edge."""
        line = "─" * max(self.width - len(text) - 4, 2)
        return f"{self.paint('──', DIM)} {self.paint(text, STRONG)} {self.paint(line, DIM)}"[: None if self.colour else self.width].rstrip()

    def decision(self, decision: Decision, policy: Policy) -> list[str]:
        """*decision* in short."""
        told = decision.to_dict()
        explained = decision.explain().to_dict()
        verdict = told["verdict"]
        lines = self.labelled(verdict, _answer(told), f"1;{TONES[verdict]}")
        if told["reasons"]:
            reason = told["reasons"][0]
            lines += self.labelled("rule", _says(reason))
            for place, source in _cited(policy, reason):
                lines += self._source(place, source)
        for label, text in _numbers(told, explained["rules"]):
            lines += self.labelled(label, text)
        offers = [offer["text"] if isinstance(offer, Mapping) else str(offer) for offer in explained.get("remedies") or ()]
        for number, text in enumerate(offers[:MOST_OFFERS]):
            lines += self.labelled("or" if number else "to pass", text, GOOD)
        for unmet in () if offers else explained.get("unmet") or ():
            lines += self.labelled("waits", unmet["text"], WARN)
        lines += self.labelled("", _others(told, explained["rules"]), DIM)
        return lines

    def _source(self, place: str, source: str) -> list[str]:
        """A line of the policy, as it stands at *place*."""
        column = " " * _COLUMN if self.width >= 60 else INDENT
        head = f"{column}{place}  "
        room = max(self.width, len(head) + 20)
        first, *rest = textwrap.wrap(source, room, initial_indent=head, subsequent_indent=" " * len(head), replace_whitespace=False,
                                     break_on_hyphens=False)
        return [f"{column}{self.paint(place, DIM)}  {self.paint(first[len(head):], CITED)}",
                *(" " * len(head) + self.paint(line[len(head):], CITED) for line in rest)]


# ── what is told ──────────────────────────────────────────────────────────────────────────────────────


def _answer(told: Mapping[str, Any]) -> str:
    asked = grouped(told["requested"])
    match told["verdict"]:
        case "MODIFY":
            return f"{grouped(told['quantity'])} of {asked} may go ahead"
        case "HOLD":
            return f"{grouped(told['if_approved'])} may go ahead once a person approves"
        case "ALLOW":
            return f"all {asked} may go ahead"
        case _:
            return f"none of {asked} may go ahead"


def _says(reason: Mapping[str, Any]) -> str:
    title, message = reason["title"] or "", str(reason["message"])
    return f"{reason['rule']} {message}" if not title or message.startswith(title) else f"{reason['rule']} {title}: {message}"


def _cited(policy: Policy, reason: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Lines of the policy that say what the rule asks, and the one its limit comes from."""
    found = _body(policy, reason["source"])[:2]
    behind = (reason.get("limit_source") or {}).get("source")
    lines = _lines(policy, behind["file"]) if behind is not None else []
    if behind is not None and lines:
        found.append((_place(behind["file"], behind["line"]), lines[behind["line"] - 1].strip().removesuffix("{").rstrip()))
    return found


def _body(policy: Policy, source: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = _lines(policy, source["file"])
    if not lines:
        return []
    inner = [(number, lines[number - 1].strip()) for number in range(source["line"] + 1, source["end_line"])]
    told = [(number, text) for number, text in inner if text and not text.startswith(_UNTOLD)]
    return [(_place(source["file"], number), text) for number, text in told or [(source["line"], lines[source["line"] - 1].strip())]]


def _lines(policy: Policy, file: str) -> list[str]:
    """Lines of a source; none where the plan does not carry it."""
    return policy.plan.sources.get(file, "").splitlines()


def _place(file: str, line: int) -> str:
    return f"{file.replace(chr(92), '/').rpartition('/')[2]}:{line}"


def _numbers(told: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The one or two numbers that matter."""
    by_id = {rule["rule"]: rule for rule in rules}
    if told["reasons"]:
        first = by_id.get(told["reasons"][0]["rule"])
        found = [("numbers", f"{trip['switch']} trips at {_percent(trip['cause']['limit'])}, reached {_percent(trip['cause']['observed'])}")
                 for trip in told["tripped"] if trip["cause"].get("observed") and told["verdict"] == "DENY"]
        if told["closing"] != "0" and told["opening"] != "0":
            found.append(("numbers", f"{grouped(told['closing'])} would close what is held, {grouped(told['opening'])} would open the other side"))
        elif first is not None and first["limit"] is not None and first["used_percent"] is not None:
            found.append(("numbers", f"{first['used_percent']}% of what is allowed"))
        return found
    # Nothing stood in the way: what came nearest, and what would have stopped an order that opens.
    spared = [rule for rule in rules if rule["note"] and rule["used_percent"] is not None and int(rule["used_percent"]) >= 100]
    if spared:
        return [("spared", f"{rule['rule']} {rule['title']}: {_measure(rule)}, {rule['used_percent']}% used; {rule['note']}") for rule in spared]
    near = max((rule for rule in rules if rule["used_percent"] is not None), key=lambda rule: int(rule["used_percent"]), default=None)
    return [] if near is None else [("nearest", f"{near['rule']} {near['title']}: {_measure(near)}, {near['used_percent']}% used")]


def _measure(rule: Mapping[str, Any]) -> str:
    unit = f" {rule['unit']}" if rule["unit"] not in (None, "count", "ratio") else ""
    return f"{grouped(rule['observed'])}{unit} of {grouped(rule['limit'])}{unit}"


def _percent(text: str) -> str:
    return f"{plain(Fraction(text) * 100)}%"


def _others(told: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> str:
    """Which rules beside the first had something to say, and how many were kept."""
    also = [reason["rule"] for reason in told["reasons"][1:]]
    kept = sum(rule["state"] == "kept" for rule in rules)
    counted = f"{kept} {'other ' if told['reasons'] else ''}{'rule' if kept == 1 else 'rules'} kept"
    return f"also {', '.join(also)}; {counted}" if also else counted
