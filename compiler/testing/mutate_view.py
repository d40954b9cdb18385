"""Mutation as people read it: what no test noticed, line by line, and a score for each rule."""
from __future__ import annotations

from typing import Final

from caplex.compiler.testing.coverage import percent
from caplex.compiler.testing.mutants import Mutant
from caplex.compiler.testing.mutate import Mutation, advice

_RED: Final = "31"
_GREEN: Final = "32"
_BOLD: Final = "1"


def text(mutation: Mutation, *, columns: int = 100, colour: bool = False) -> str:
    """The survivors with what they change, then the scores."""
    lines: list[str] = []
    for mutant in mutation.survivors:
        lines += [*_survivor(mutant, columns, colour), ""]
    lines += _scores(mutation, colour)
    killed, survived = mutation.count("killed"), mutation.count("survived")
    same, unusable = mutation.count("equivalent"), mutation.count("unusable")
    more = [f"{same} mean{'s' if same == 1 else ''} the same and {'was' if same == 1 else 'were'} left out"] if same else []
    more += [f"{unusable} do{'es' if unusable == 1 else ''} not compile"] if unusable else []
    lines += ["", f"mutation score  {percent(mutation.score())}%  {killed} of {killed + survived} noticed" + "".join(f"; {each}" for each in more)]
    return "\n".join(line.rstrip() for line in lines)


def _survivor(mutant: Mutant, columns: int, colour: bool) -> list[str]:
    before, after = _around(mutant, columns - 4)
    lines = [_painted("SURVIVED", _RED, colour) + f"  {_painted(mutant.owner, _BOLD, colour)}  {mutant.kind}  {mutant.place}",
             "  " + _painted(f"- {before}", _RED, colour)]
    if after:
        lines.append("  " + _painted(f"+ {after}", _GREEN, colour))
    return [*lines, *_wrapped(advice(mutant), columns)]


def _around(mutant: Mutant, columns: int) -> tuple[str, str]:
    """Both lines, cut at the same place where they are too long, so that what differs is seen."""
    before, after = mutant.before, mutant.after
    if max(len(before), len(after)) <= columns:
        return before, after
    same = 0
    while after and same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    start = max(0, min(same - 20, max(len(before), len(after)) - columns)) if after and not after.startswith("without") else 0
    return tuple(_cut(("…" + line[start + 1:]) if start else line, columns) for line in (before, after))  # type: ignore[return-value]


def _scores(mutation: Mutation, colour: bool) -> list[str]:
    owners = mutation.owners
    wide = max((len(owner) for owner in owners), default=0)
    lines = [f"  {'':<{wide}}   noticed   survived   score"] if owners else []
    for owner in owners:
        killed, survived = mutation.count("killed", owner), mutation.count("survived", owner)
        sign = _painted("✓", _GREEN, colour) if not survived else _painted("✗" if not killed else "◐", _RED, colour)
        lines.append(f"{sign} {owner:<{wide}}   {killed:>7}   {survived or '':>8}   {percent(mutation.score(owner)) + '%':>5}")
    return lines


def _wrapped(sentence: str, columns: int) -> list[str]:
    import textwrap

    return [f"  {'=' if number == 0 else ' '} {line}" for number, line in enumerate(textwrap.wrap(sentence, max(30, columns - 4), break_long_words=False))]


def _cut(line: str, columns: int) -> str:
    return line if len(line) <= columns else line[: columns - 1] + "…"


def _painted(words: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{words}\x1b[0m" if colour and words else words
