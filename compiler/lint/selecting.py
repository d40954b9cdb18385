"""Which findings are wanted, and how grave they are: codes, beginnings of codes, names, groups."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from caplex.compiler.diagnostics import catalogue
from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic, Level
from caplex.compiler.lint.registry import ALL, GROUPS, codes


@dataclass(frozen=True, slots=True)
class Choice:
    """What is looked at. The more exact word wins: a code over a beginning of codes, that over a group, that over `all`."""

    select: tuple[str, ...] = (ALL,)
    ignore: tuple[str, ...] = ()
    levels: Mapping[str, Level] = field(default_factory=dict)
    """By number of the code."""

    def wants(self, code: Code, ignored: Iterable[str] = ()) -> bool:
        """Errors always; what is ignored also by *ignored*, which is about one file."""
        if code.id not in codes():
            return True
        return _rank(self.select, code) > max(_rank(self.ignore, code), _rank(ignored, code))

    def levelled(self, found: Diagnostic) -> Diagnostic:
        level = self.levels.get(found.code.id)
        return found if level is None or found.is_error else replace(found, level=level)


def unknown(word: str) -> str | None:
    """What is wrong with *word* as a selection; None if it is known."""
    if word in GROUPS or word == ALL or _codes(word):
        return None
    if word.upper().startswith("CAP") and word[3:].isdigit():
        if catalogue.lookup(word) is not None:
            return f"`{word.upper()}` is an error, or another command's: it can be neither selected nor ignored"
        return f"no lint has the number `{word.upper()}`; `docs/reference/lints.md` lists them"
    names = [*GROUPS, ALL, *(code.name for code, _ in codes().values())]
    near = get_close_matches(word.lower(), names, n=1)
    return f"no lint is named `{word}`" + (f"; did you mean `{near[0]}`?" if near else "; `docs/reference/lints.md` lists them")


def code_of(word: str) -> Code | None:
    """The one lint that *word* names, by number or by name."""
    return next((code for code, _ in codes().values() if word.upper() == code.id or word.lower() == code.name), None)


def _codes(word: str) -> bool:
    upper = word.upper()
    return code_of(word) is not None or (len(upper) >= 3 and upper.startswith("CAP") and any(number.startswith(upper) for number in codes()))


def _rank(words: Iterable[str], code: Code) -> int:
    """How exactly *words* name *code*; 0 if they do not."""
    return max((_exactness(word, code) for word in words), default=0)


def _exactness(word: str, code: Code) -> int:
    if word.upper() == code.id or word.lower() == code.name:
        return 100
    if word.upper().startswith("CAP") and code.id.startswith(word.upper()):
        return 10 + len(word)
    if word == codes()[code.id][1]:
        return 5
    return 1 if word == ALL else 0
