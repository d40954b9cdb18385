"""The lines of a policy that an explanation cites."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from caplex.runtime.plan import Plan
from caplex.runtime.ruling import Citation

MOST_LINES: Final = 7


def citations(plan: Plan) -> dict[str, Citation]:
    """What the author of each rule and ticket wrote, by id; without those whose text the plan does not carry."""
    texts = {file: text.replace("\r\n", "\n").split("\n") for file, text in plan.sources.items()}
    found = {rule.id: _cited(texts, str(rule.position.get("file")), rule.position.get("line"), rule.position.get("end_line")) for rule in plan.rules}
    for size in plan.sizes:
        file, _, line = size.source.rpartition(":")
        found[size.id] = _cited(texts, file, int(line) if line.isdigit() else None, None)
    return {rule: citation for rule, citation in found.items() if citation is not None}


def _cited(texts: dict[str, list[str]], file: str, first: int | None, last: int | None) -> Citation | None:
    lines = texts.get(file)
    if lines is None or first is None or not 1 <= first <= len(lines):
        return None
    whole = _dedented(lines[first - 1:min(last or _end(lines, first), len(lines))])
    return Citation(file, first, whole[:MOST_LINES], max(0, len(whole) - MOST_LINES))


def _end(lines: Sequence[str], first: int) -> int:
    """The line on which the braces are closed that line *first* opens: of a ticket a plan knows only where it begins."""
    depth = 0
    for number, row in enumerate(lines[first - 1:], start=first):
        depth += row.count("{") - row.count("}")
        if depth <= 0:
            return number
    return first


def _dedented(lines: Sequence[str]) -> tuple[str, ...]:
    """Tabs as four blanks, and as little indentation as the lines allow."""
    rows = [line.expandtabs(4).rstrip() for line in lines]
    least = min((len(row) - len(row.lstrip()) for row in rows if row), default=0)
    return tuple(row[least:] for row in rows)
