"""What a change of the facts does to a decision: the answer before and after, and the rules that differ."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from caplex.runtime.report import phrases
from caplex.runtime.report.cells import cells, cut, padded, pieced, visible, wrapped
from caplex.runtime.report.markdown import safe
from caplex.runtime.report.text import BOLD, LEAST_WIDTH, TONES, paint
from caplex.runtime.ruling import RuleTrace

_TITLES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One rule before and after; texts that are safe to print. *numbers* says in few columns what *said* says in words."""

    id: str
    title: str
    marks: tuple[str, str]
    words: tuple[str, str]
    said: tuple[str, str]
    numbers: tuple[str, str] = ("", "")

    @property
    def text(self) -> str:
        """``2_500 USD, allowed below 2_000 USD → 0 USD, below 2_000 USD``."""
        before, after = self.said
        return before if before == after else f"{before or '–'} → {after or '–'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """*with_* holds one text for each fact that was changed: ``account.equity = 950000 (was 918222.18)``."""

    verdicts: tuple[str, str]
    sizes: tuple[str, str]
    with_: tuple[str, ...]
    rules: tuple[Difference, ...]
    reasons: tuple[str, str]

    @property
    def headline(self) -> str:
        before, after = self.verdicts
        return f"{before} → {after}" if before != after else f"{after} stays"

    @property
    def size(self) -> str:
        before, after = self.sizes
        return f"{before} → {after} may go ahead" if before != after else ""


def difference(before: RuleTrace, after: RuleTrace, currency: str) -> Difference:
    return Difference(
        id=visible(after.rule), title=visible(after.title or ""), marks=(phrases.MARKS[before.state], phrases.MARKS[after.state]),
        words=(phrases.STATES[before.state], phrases.STATES[after.state]), said=(_said(before, currency), _said(after, currency)),
        numbers=(visible(phrases.brief(before, currency)), visible(phrases.brief(after, currency))))


def _said(trace: RuleTrace, currency: str) -> str:
    if trace.state in ("not-judged", "not-applicable"):
        return phrases.STATES[trace.state]
    if trace.state == "unknown":
        return visible("needs " + phrases.listed(dict.fromkeys(leaf.path or "a divisor" for leaf in trace.leaves)))
    numbers = ", ".join(part for part in phrases.measured(trace, currency) if part)
    return visible("; ".join(part for part in (numbers, phrases.remark(trace)) if part))


def text(changes: Changes, *, width: int, colour: bool) -> list[str]:
    """Lines of at most *width* columns (40 or more)."""
    width = max(width, LEAST_WIDTH)
    start = f"{changes.headline}   "
    rows: list[str] = []
    for number, one in enumerate(changes.with_):
        word = "with " if number == 0 else "and  "
        begin = start if number == 0 else " " * cells(start)
        rows += wrapped(f"{word}{one}", width, begin, " " * min(cells(start) + 5, width // 3))
    for verdict in dict.fromkeys(changes.verdicts):
        rows[0] = rows[0].replace(verdict, paint(verdict, TONES.get(verdict, BOLD), colour), 1)
    rows += wrapped(changes.size, width, "  ") if changes.size else []
    if changes.reasons[0] != changes.reasons[1]:
        rows += wrapped(f"decided by {changes.reasons[0]} → {changes.reasons[1]}", width, "  ", "    ")
    rows.append("")
    first = max((cells(rule.id) for rule in changes.rules), default=0)
    second = min(max((cells(rule.title) for rule in changes.rules), default=0), _TITLES, max(0, width // 4))
    for rule in changes.rules:
        title = padded(cut(rule.title, second), second)
        same = rule.marks[0] == rule.marks[1]
        mark = f"{rule.marks[1]}    " if same else f"{rule.marks[0]} → {rule.marks[1]}"
        head = f"  {padded(rule.id, first)}  {title}  {mark}  "
        before, after = rule.numbers if same and all(rule.numbers) else rule.said
        pieces = [before or "–", f"→ {after or '–'}"] if before != after else [before]
        if cells(head) + max(map(cells, pieces)) <= width:
            found = pieced(pieces, width, head, " " * cells(head), " ")
        else:
            found = [*wrapped(head.strip(), width, "  "), *pieced(pieces, width, "    ", "    ", " ")]
        found[0] = found[0].replace(mark, mark[:-1] + paint(mark[-1], TONES.get(mark[-1], ""), colour), 1) if not same else found[0]
        rows += found
    if not changes.rules:
        rows.append("  No rule sees a difference.")
    return [row.rstrip() for row in rows]


def markdown(changes: Changes) -> str:
    blocks = [f"**{safe(changes.headline)}**  with " + " and ".join(map(safe, changes.with_)) + (f" — {safe(changes.size)}" if changes.size else "")]
    if changes.reasons[0] != changes.reasons[1]:
        blocks.append(f"Decided by {safe(changes.reasons[0])} → {safe(changes.reasons[1])}")
    if changes.rules:
        blocks.append("\n".join(["| rule | | before | after |", "|---|---|---|---|", *_rows(changes.rules)]))
    else:
        blocks.append("No rule sees a difference.")
    return "\n\n".join(blocks)


def _rows(rules: Iterable[Difference]) -> Iterable[str]:
    for rule in rules:
        yield f"| {safe(rule.id)} {safe(rule.title)} | {rule.marks[0]} → {rule.marks[1]} | {safe(rule.said[0])} | {safe(rule.said[1])} |"
