"""What `caplex bench` prints for people: the whole, then each rule, and what is below the noise."""
from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Final

from caplex.compiler.diagnostics.render import visible
from caplex.compiler.tools.bench import PATHS, Bench, RuleCost

_WHAT: Final = {"decide": "a decision, facts prepared", "reading": "reading the facts", "full": "telling it in full"}
_HEAD: Final = {"decide": "decision", "reading": "reading", "full": "in full"}
_BOLD, _DIM = "1", "2"
_QUIET: Final = "·"


def text(found: Bench, names: Sequence[str], *, width: int = 100, colour: bool = False) -> str:
    """*names* are what the documents are called."""
    width = max(width, 60)

    def sentence(words: str) -> list[str]:
        return wrap(visible(words), width, subsequent_indent="  ", break_long_words=False)

    rules = len(found.policy.rules)
    lines = sentence(f"{found.policy.name} {found.policy.version}: {_count(rules, 'rule')}, {_count(found.documents, 'document')}, "
                     f"{_count(found.rounds, 'round')}; {_form(found)}")
    for each in found.not_fused:
        lines += sentence(f"  {each.rule} ({each.source}): {each.reason}" if each.rule else f"  {each.reason}")
    for one in found.slow:
        lines += sentence(f"  {names[one.document]}: {one.reason}" + (f" (not without {' or '.join(one.rules)})" if one.rules else ""))
    lines += ["", *_whole(found, colour), "", *_rules(found, colour)]
    noise = ", ".join(_figure(found.noise[path]) for path in PATHS)
    lines += ["", *sentence(f"× is a decision under an empty policy, measured in the same rounds: {_time(found.unit_ns.median)} of the processor here"),
              *sentence(f"{_QUIET} is below the noise, which is what two compilations of this policy differ by: {noise} ×"),
              *sentence("− is for decisions that are dearer without the rule, because more of them then go a longer way")]
    for rule in found.rules:
        if rule.why:
            lines += sentence(f"{rule.rule} was not left out: {rule.why}.")
    return "\n".join(lines)


def _form(found: Bench) -> str:
    if found.not_fused:
        return "the fast form does not take this policy, so a decision goes the long way:"
    if not found.slow:
        return "the fast form took all of them"
    return f"the fast form took {found.fast or 'none'} of them, and handed on:"


def _whole(found: Bench, colour: bool) -> list[str]:
    rows = [(_WHAT[path], _figure(each.median), f"{_figure(each.low)} … {_figure(each.high)}", _time(each.median * found.unit_ns.median))
            for path, each in ((path, found.whole[path]) for path in PATHS)]
    head = ("", "×", "quartiles", "here")
    wide = [max(len(row[column]) for row in (head, *rows)) for column in range(4)]
    return [_painted(_row(head, wide), _DIM, colour), *(_row(row, wide) for row in rows)]


def _rules(found: Bench, colour: bool) -> list[str]:
    # Without the fast form a decision is told in full: one figure for both.
    paths = PATHS if found.fast else PATHS[1:]
    shown = [*(rule for rule in found.rules if rule.costs), *([found.others] if found.others is not None and found.others.costs else [])]
    head = ["", *(part for path in paths for part in (_HEAD[path], "")), "other verdicts"]
    rows = []
    for rule in shown:
        name = f"{rule.rules} other rules together" if rule is found.others else rule.rule
        rows.append([visible(name), *(part for path in paths for part in _cell(found, rule, path)), f"{rule.changes} of {found.documents}" if rule.changes else ""])
    wide = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [_painted("what is spared without the rule, × and share", _BOLD, colour), "", _painted(_row(head, wide), _DIM, colour), *(_row(row, wide) for row in rows)]


def _cell(found: Bench, rule: RuleCost, path: str) -> tuple[str, str]:
    if path in rule.quiet or path not in rule.costs:
        return _QUIET, ""
    cost, whole = rule.costs[path].median, found.whole[path].median
    return _figure(cost), f"{cost / whole * 100:.0f} %" if cost > 0 else ""


def _row(cells: Sequence[str], wide: Sequence[int]) -> str:
    first, *rest = cells
    return (first.ljust(wide[0]) + "".join("  " + cell.rjust(size) for cell, size in zip(rest, wide[1:], strict=True))).rstrip()


def _figure(number: float) -> str:
    """Three digits that count, never in powers of ten."""
    size = abs(number)
    places = 2 if size < 10 else 1 if size < 100 else 0
    return f"{number:,.{places}f}".replace(",", " ").replace("-", "−")


def _time(ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{_figure(ns / size)} {unit}"
    return f"{_figure(ns)} ns"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _painted(line: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{line}\x1b[0m" if colour else line
