"""What an importer reads with: places in the file of the other system, and what is wrong there."""
from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches

from caplex.compiler.diagnostics.codes_importing import TWICE, UNKNOWN, UNUSABLE
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Label
from caplex.compiler.source import Source, Span

MOST_DIGITS = 400
"""As everywhere: a number that is longer was not meant."""


def at_line(source: Source, line: int) -> Span:
    """The whole of a line, counted from 1, without the white space at its ends."""
    start = source.starts()[line - 1]
    text = source.line(line)
    return Span(source, start + len(text) - len(text.lstrip()), start + len(text.rstrip()))


def unknown(what: str, name: str, span: Span, known: Iterable[str], listed: str) -> Diagnostic:
    """*name* is nothing that the other system has; the nearest is offered, or where they are listed."""
    near = get_close_matches(name, list(known), n=1)
    return Diagnostic(UNKNOWN, f"{what} has no `{name}`", span, help=f"did you mean `{near[0]}`?" if near else listed)


def twice(name: str, span: Span, first: Span) -> Diagnostic:
    return Diagnostic(
        TWICE, f"`{name}` stands twice", span, help="leave out the one that is not meant",
        labels=(Label(span, "and here again", primary=True), Label(first, "it stood here")))


def unusable(name: str, said: str, wanted: str, span: Span, help: str | None = None) -> Diagnostic:
    return Diagnostic(UNUSABLE, f"`{name}` is `{said}`; {wanted}", span, help=help)


def decimal(text: str) -> Decimal | None:
    """The number that *text* is; None where it is none, not finite, or absurdly long."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    if not value.is_finite() or len(value.as_tuple().digits) + abs(value.adjusted()) > MOST_DIGITS:
        return None
    return value


def plain(value: Decimal) -> str:
    """As people write it: no exponent, and no zeros at the end of what follows the point."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
