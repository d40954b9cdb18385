"""Coverage as people read it: a table by rule, and the file's own lines with a mark for what tests have not looked at."""
from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from caplex.compiler.testing.coverage import GROUPS, WORDS, Coverage, Row, Share, percent
from caplex.compiler.testing.sites import Side, Site

ALL, SOME, NONE = "✓", "◐", "✗"
_COLOURS: Final = {ALL: "32", SOME: "33", NONE: "31"}
_HEADS: Final = ("", "judged", "kept", "violated", "conditions", "boundary sides", "settings, switches")


def table(coverage: Coverage, *, columns: int = 100, colour: bool = False) -> str:
    """A row for each rule, size, waiver and setting; the totals below."""
    rows = [(mark(row.sites), row) for row in coverage.rows]
    cells = [(row.owner, str(row.judged) if row.judged else "", *(_hits(row) if _is_rule(row) else ("", "")),
              *(_of(row.shares[group]) for group in GROUPS[1:])) for _, row in rows]
    heads = _HEADS if columns >= 96 else ("", "judged", "kept", "violated", "cond.", "bounds", "settings")
    wide = [max(len(line[column]) for line in (heads, *cells)) for column in range(len(heads))]
    lines = ["  " + _line(heads, wide)]
    for (sign, _), line in zip(rows, cells, strict=True):
        lines.append(f"{_painted(sign, sign, colour)} {_line(line, wide)}")
    lines += ["", *totals(coverage)]
    return "\n".join(line.rstrip() for line in lines)


def totals(coverage: Coverage) -> list[str]:
    """One line for each kind of thing that is counted."""
    found = [(WORDS[group], coverage.totals[group]) for group in GROUPS if coverage.totals[group].total]
    wide = max((len(word) for word, _ in found), default=0)
    lines = [f"{word:<{wide}}  {percent(share.percent):>5}%  {share.covered} of {share.total}" for word, share in found]
    if coverage.elsewhere:
        packs = ", ".join(f"{alias} ({count})" for alias, count in coverage.elsewhere.items())
        lines.append(f"not counted, measured by tests of their own: {packs}")
    if coverage.allocations:
        lines.append(f"not measured, for tests decide on intents: allocat{'ion' if len(coverage.allocations) == 1 else 'ions'} {', '.join(coverage.allocations)}")
    return lines


def source(coverage: Coverage, *, columns: int = 100, colour: bool = False) -> str:
    """The lines of each file that hold something to look at, marked, and below each what no test has looked at."""
    return "\n\n".join(_file(coverage, name, text, columns, colour) for name, text in coverage.sources.items())


def _file(coverage: Coverage, name: str, text: str, columns: int, colour: bool) -> str:
    by_line: dict[int, list[Site]] = {}
    for row in coverage.rows:
        for site in row.sites:
            if site.span.source.name == name:
                by_line.setdefault(site.span.begin.line, []).append(site)
    if not by_line:
        return f"{name}: nothing to look at"
    lines = text.split("\n")
    digits = len(str(max(by_line) + 1))
    out = [name]
    shown = _shown(by_line, lines)
    last = 0
    for number in shown:
        if last and number > last + 1:
            out.append(f"  {'':>{digits}} ┊")
        last = number
        sites = by_line.get(number, [])
        sign = mark(sites) if sites else " "
        out.append(_painted(f"{sign} {number:>{digits}} │ {_cut(lines[number - 1].rstrip(), columns - digits - 5)}", sign, colour))
        out += [_painted(f"  {'':>{digits}} │   {note}", sign, colour) for note in _notes(coverage, sites, columns - digits - 7)]
    return "\n".join(line.rstrip() for line in out)


def _shown(by_line: dict[int, list[Site]], lines: list[str]) -> list[int]:
    """Lines that hold something, and the line that opens and the one that closes their block."""
    found = set(by_line)
    for number in by_line:
        begin = number
        while begin > 1 and lines[begin - 1][:1] in (" ", "}", ""):
            begin -= 1
        end = number
        while end < len(lines) and lines[end - 1][:1] not in ("}", "") and (end == number or lines[end - 1][:1] in (" ", "}")):
            if lines[end - 1].rstrip().endswith("}") and end == begin:
                break
            end += 1
        found |= {begin, *([end] if lines[end - 1].startswith("}") else [])}
    return sorted(found)


def _notes(coverage: Coverage, sites: Iterable[Site], columns: int) -> Iterator[str]:
    for site in sites:
        for side in site.sides:
            if not side.hits:
                near = coverage.nearest(site, side)
                yield _cut(f"· {missing(site, side)}{f' ({near})' if near else ''}", columns)


def missing(site: Site, side: Side) -> str:
    """What no test has looked at, in words."""
    match site.group:
        case "rule" | "state":
            name = "" if site.group == "rule" else f"`{site.text}` "
            return f"never {name}{side.what}" if site.group == "rule" else f"`{site.text}`: never {side.what}"
        case "condition":
            return f"`{site.text}` is never {side.what}"
    return f"never {side.what}"


def mark(sites: Iterable[Site]) -> str:
    """Everything seen, some of it, none of it."""
    hits = [bool(side.hits) for site in sites for side in site.sides]
    return ALL if all(hits) else SOME if any(hits) else NONE


def _is_rule(row: Row) -> bool:
    return any(site.group == "rule" for site in row.sites)


def _hits(row: Row) -> tuple[str, str]:
    return str(row.kept or "never"), str(row.violated or "never")


def _of(share: Share) -> str:
    return f"{share.covered}/{share.total}" if share.total else ""


def _line(cells: tuple[str, ...], wide: list[int]) -> str:
    first, *rest = (f"{cell:<{width}}" if number == 0 else f"{cell:>{width}}" for number, (cell, width) in enumerate(zip(cells, wide, strict=True)))
    return "   ".join([first, *rest])


def _cut(text: str, columns: int) -> str:
    if sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text) <= columns:
        return text
    return text[: max(columns - 1, 1)] + "…"


def _painted(text: str, sign: str, colour: bool) -> str:
    return f"\x1b[{_COLOURS[sign]}m{text}\x1b[0m" if colour and sign in _COLOURS else text
