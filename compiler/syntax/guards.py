"""What is refused before a single token is read, so that nothing behind it needs to be afraid of its input."""
from __future__ import annotations

import re

from caplex.compiler.diagnostics import codes_syntax as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic, Edit, Fix
from caplex.compiler.source import Source, Span
from caplex.compiler.syntax.build_core import BIDI, MAX_DEPTH

MAX_BYTES = 4 * 1024 * 1024

# Line ends of other systems are among them: behind one, a comment seems to have ended and has not.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\x85\u2028\u2029\ufeff" + "".join(sorted(BIDI)) + "]|\r(?!\n)")
# The closing quote is optional: an unclosed text is passed over once, not looked at again from each of its quotes.
_NESTING = re.compile(r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?|#[^\n]*|[(\[{]|[)\]}]')


def guard(source: Source, limit: int) -> list[Diagnostic]:
    """Complaints about size, characters and nesting; empty if the text may be parsed."""
    text = source.text
    if len(text) > MAX_BYTES or (not text.isascii() and len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES):
        return [too_large(source.name)]
    return list(_forbidden(source, limit)) or _nesting(source)


def too_large(name: str) -> Diagnostic:
    return Diagnostic(
        codes.TOO_LARGE, f"`{name}` is larger than 4 MiB", where=name, help="part it into modules, and join them with `use`"
    )


def _forbidden(source: Source, limit: int) -> list[Diagnostic]:
    found = []
    for match in _FORBIDDEN.finditer(source.text):
        span = Span(source, match.start(), match.end())
        found.append(
            Diagnostic(
                codes.FORBIDDEN_CHARACTER, f"{_called(match[0])} may not stand in a policy", span, help="delete it",
                fix=Fix("delete the character", match[0] == "\ufeff", (Edit(span, ""),)),
            )
        )
        if len(found) >= limit:
            break
    return found


def _called(character: str) -> str:
    if character == "\0":
        return "a NUL character"
    if character == "\ufeff":
        return "a byte order mark (U+FEFF)"
    if character in "\r\x85\u2028\u2029":
        return f"a line end that is none (U+{ord(character):04X})"
    kind = "a character that turns the direction of writing" if character in BIDI else "a control character"
    return f"{kind} (U+{ord(character):04X})"


def _nesting(source: Source) -> list[Diagnostic]:
    depth = 0
    for match in _NESTING.finditer(source.text):
        sign = match[0]
        if sign in "([{":
            depth += 1
            if depth > MAX_DEPTH:
                span = Span(source, match.start(), match.end())
                sentence = f"brackets are nested more than {MAX_DEPTH} deep"
                return [Diagnostic(codes.TOO_DEEP, sentence, span, help="give parts of the expression names with `let`")]
        elif sign in ")]}":
            depth = max(0, depth - 1)
    return []
