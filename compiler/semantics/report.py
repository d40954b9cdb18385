"""Small makers of diagnostics, shared by the passes of `semantics`."""
from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic, Label
from caplex.compiler.source import Span


def near(word: str, known: Iterable[str]) -> str | None:
    """The known word that *word* was probably meant to be; None unless one is near."""
    names = sorted(set(known))
    found = get_close_matches(word, names, n=1,
                              cutoff=0.7 if len(word) > 4 else 0.6)  # one slip weighs more in a short word
    if found:
        return found[0]
    if word.lower() in names:
        return word.lower()
    return word.upper() if word.upper() in names else None


def guess(word: str, known: Iterable[str]) -> str | None:
    """A help line, if something near is known."""
    found = near(word, known)
    return f"did you mean `{found}`?" if found else None


def listing(words: Iterable[str], *, most: int = 8) -> str:
    """``one of `a`, `b`, `c` ``, cut where it would run on."""
    names = list(words)
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return shown + (", …" if len(names) > most else "")


def at(
    code: Code, message: str, span: Span, label: str = "", *, help: str | None = None,
    also: Iterable[tuple[Span, str]] = (),
    notes: tuple[str, ...] = (),
) -> Diagnostic:
    """A diagnostic with its primary place *span*; *also* are further places."""
    labels = (*(Label(place, text) for place, text in also), Label(span, label, primary=True))
    return Diagnostic(code, message, span, labels, notes, help)
