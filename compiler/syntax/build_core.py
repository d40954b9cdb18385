"""What every part of the builder stands on: places, ids, names, texts, doc comments and complaints.

The methods of the builder are called by Lark at each reduction, with all tokens of the sentence, punctuation too.
Lark finds them by name, so what is not a reduction begins with an underscore.
"""
from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any

from lark import Token

from caplex.compiler.diagnostics import codes_syntax as codes
from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic
from caplex.compiler.source import Source, Span
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.words import HARD, RESERVED

Children = list[Any]

MAX_DEPTH = 100
_TOKEN: Any = Token  # untyped, so that mypy does not narrow a token's place to what may be None
MAX_DIGITS = 400
MAX_TEXT = 10_000

_ESCAPE = re.compile(r"\\u\{([0-9A-Fa-f]{1,6})\}|\\(.)", re.S)
_PLAIN = {'"': '"', "\\": "\\", "n": "\n", "{": "{", "}": "}"}
PIECE = re.compile(
    r'(?P<escape>\\u\{[0-9A-Fa-f]{1,6}\}|\\.)'
    r'|\{(?P<hole>[^{}"\\\n]*(?:"[^"\\\n]*"[^{}"\\\n]*)*)\}'
    r"|[^\\{]+",
    re.S,
)
# Most holes are one reading, perhaps with a format: building these by hand saves a parse each.
_SIMPLE_HOLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)((?:\.[A-Za-z_][A-Za-z0-9_]*)*)(?::([^{}\"\n]*))?", re.A)
# Left-to-right marks, embeddings, overrides and isolates: they make a line read otherwise than it is.
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(slots=True)
class Clause:
    """A part of a sentence that has no node of its own: what it is, what it says, where."""

    kind: str
    value: Any
    span: Span


class Core:
    """State of one parse."""

    def __init__(self) -> None:
        self._parse_hole: Callable[[int, int], ast.Hole | None] = lambda start, end: None
        self._quiet = False
        self._begin(Source("", ""), count())

    def _begin(self, source: Source, ids: Iterator[int]) -> None:
        self._source = source
        self._next = ids.__next__
        self._problems: list[Diagnostic] = []
        self._doc_starts: list[int] = []
        self._doc_ends: list[int] = []
        self._depths: dict[int, int] = {}
        self._too_deep = False

    def _mark(self) -> tuple[int, int, bool]:
        """Where the builder stands, to come back to with `_rewind`."""
        return len(self._problems), len(self._doc_ends), self._too_deep

    def _rewind(self, mark: tuple[int, int, bool]) -> None:
        problems, docs, self._too_deep = mark
        del self._problems[problems:], self._doc_starts[docs:], self._doc_ends[docs:]

    def _on_comment(self, token: Token) -> Token:
        """Keeps `##` comments that have their line to themselves; one behind code belongs to nothing."""
        if token.value.startswith("##") and not self._quiet:
            start = token.start_pos or 0
            text = self._source.text
            line = text.rfind("\n", 0, start) + 1
            if not text[line:start].strip():
                self._doc_starts.append(start)
                self._doc_ends.append(start + len(token.value))
        return token

    def _doc(self, start: int) -> str:
        """The doc comment that ends above *start*: consecutive `##` lines, with only white space and `#` between."""
        ends, starts, text = self._doc_ends, self._doc_starts, self._source.text
        if not ends:
            return ""
        at = bisect_right(ends, start) - 1
        if at < 0 or not _only_comments(text[ends[at] : start]):
            return ""
        first = at
        while first > 0 and text[ends[first - 1] : starts[first]].count("\n") == 1 and text[ends[first - 1] : starts[first]].isspace():
            first -= 1
        lines = [text[starts[i] : ends[i]].rstrip() for i in range(first, at + 1)]
        return "\n".join(line[3:] if line.startswith("## ") else line[2:] for line in lines)

    def _complain(self, code: Code, message: str, span: Span, cure: str | None = None) -> None:
        if not self._quiet:
            self._problems.append(Diagnostic(code, message, span, help=cure))

    # ── places ───────────────────────────────────────────────────────────────────────────────────────

    def _span(self, children: Children) -> Span:
        """From the first child to the last that is there; an absent optional part is None."""
        first, last = children[0], children[-1]
        at = -1
        while last is None:
            at -= 1
            last = children[at]
        start = first.start_pos if first.__class__ is _TOKEN else first.span.start
        end = last.end_pos if last.__class__ is _TOKEN else last.span.end
        return Span(self._source, start, end)

    def _token_span(self, token: Token) -> Span:
        start, end = token.start_pos, token.end_pos
        assert start is not None
        assert end is not None
        return Span(self._source, start, end)

    # ── names and ids ────────────────────────────────────────────────────────────────────────────────

    def _name(self, token: Token) -> ast.Name:
        return ast.Name(id=self._next(), span=self._token_span(token), text=token.value)

    def _names(self, children: Children) -> tuple[ast.Name, ...]:
        """The names among *children*, without commas and words."""
        return tuple(self._name(child) for child in children if child.type in ("NAME", "FIELD", "FAMILY"))

    def _declared(self, token: Token) -> ast.Name:
        """A name that this sentence brings into the world."""
        if token.value in RESERVED:
            self._complain(
                codes.RESERVED_WORD, f"`{token.value}` is a word of the language", self._token_span(token), "choose another name"
            )
        elif not token.value[0].islower():
            self._complain(
                codes.BAD_NAME, f"`{token.value}` does not begin with a small letter", self._token_span(token),
                f"write `{_lowered(token.value)}`",
            )
        return self._name(token)

    def _reference(self, token: Token) -> ast.Reference:
        alias, _, rule = token.value.rpartition(".")
        return ast.Reference(id=self._next(), span=self._token_span(token), alias=alias or None, rule=rule)

    def _references(self, children: Children) -> tuple[ast.Reference, ...]:
        return tuple(self._reference(child) for child in children if child.type == "RULE_REF")

    def _whole(self, token: Token | None, absent: int) -> int:
        if token is None:
            return absent
        digits = token.value.replace("_", "")
        if not digits.isdigit() or len(digits) > 9 or int(digits) < 1:
            self._complain(
                codes.NOT_WHOLE, f"`{token.value}` people cannot approve: a whole number from 1 on is wanted", self._token_span(token)
            )
            return absent
        return int(digits)

    # ── dates and texts ──────────────────────────────────────────────────────────────────────────────

    def _day(self, token: Token) -> ast.Date:
        self._ordinal(token.value, token)
        return ast.Date(id=self._next(), span=self._token_span(token), iso=token.value)

    def _ordinal(self, iso: str, token: Token) -> int:
        """Days since year 1; complains about a day that does not exist."""
        try:
            return date.fromisoformat(iso).toordinal()
        except ValueError:
            self._complain(codes.IMPOSSIBLE_TIME, f"`{iso}` is not a day of the calendar", self._token_span(token))
            return 1

    def _string(self, token: Token) -> str:
        """The text between the quotes, unescaped."""
        body = token.value[1:-1]
        if len(body) > MAX_TEXT:
            self._too_long(token, f"a text has at most {MAX_TEXT} characters")
        return body if "\\" not in body else self._unescape(body, (token.start_pos or 0) + 1)

    def _string_or_none(self, token: Token | None) -> str | None:
        return None if token is None else self._string(token)

    def _too_long(self, token: Token, sentence: str) -> None:
        start = token.start_pos or 0
        self._complain(codes.LITERAL_TOO_LONG, sentence, Span(self._source, start, start + 20))

    def _unescape(self, body: str, offset: int) -> str:
        def mean(match: re.Match[str]) -> str:
            if match[1]:
                number = int(match[1], 16)
                character = chr(number) if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else "\0"
                if (character.isprintable() or character in "\n\t\u00a0") and character not in BIDI:
                    return character
                sentence = f"`{match[0]}` is not a character that a text may hold"
            else:
                if match[2] in _PLAIN:
                    return _PLAIN[match[2]]
                sentence = f"`{match[0]}` is not an escape"
            span = Span(self._source, offset + match.start(), offset + match.end())
            self._complain(codes.BAD_ESCAPE, sentence, span, 'known are `\\"`, `\\\\`, `\\n`, `\\{`, `\\}` and `\\u{41}`')
            return ""

        return _ESCAPE.sub(mean, body)

    def _template(self, token: Token) -> ast.Template:
        body = token.value[1:-1]
        offset = (token.start_pos or 0) + 1
        if len(body) > MAX_TEXT:
            self._too_long(token, f"a text has at most {MAX_TEXT} characters")
        parts: list[str | ast.Hole] = []
        literal = ""
        for match in PIECE.finditer(body):
            if match["hole"] is None:
                literal += self._unescape(match[0], offset + match.start()) if match["escape"] else match[0]
                continue
            hole = self._hole(match["hole"], offset + match.start())
            if literal:
                parts.append(literal)
                literal = ""
            if hole is not None:
                parts.append(hole)
        if literal:
            parts.append(literal)
        return ast.Template(id=self._next(), span=self._token_span(token), parts=tuple(parts))

    def _hole(self, inside: str, start: int) -> ast.Hole | None:
        """*start* is the place of the opening brace."""
        simple = _SIMPLE_HOLE.fullmatch(inside)
        if simple is None or (simple[1] in HARD and not (simple[1] == "after" and simple[2])):
            return None if self._quiet else self._parse_hole(start + 1, start + 1 + len(inside))
        path = simple[1] + simple[2]
        read = self._read_path(path, start + 1)
        form = simple[3].strip() if simple[3] is not None else None
        span = Span(self._source, start, start + len(inside) + 2)
        return ast.Hole(id=self._next(), span=span, value=read, format=form)

    def _read_path(self, path: str, start: int) -> ast.Read:
        """``account.day_loss`` that stands at *start*, without white space."""
        name, *fields = path.split(".")
        if len(fields) > MAX_DEPTH:
            self._complain_of_depth(Span(self._source, start, start + len(path)))
        steps = []
        at = start + len(name)
        for field in fields:
            end = at + 1 + len(field)
            steps.append(ast.FieldStep(id=self._next(), span=Span(self._source, at, end), name=field))
            at = end
        return ast.Read(id=self._next(), span=Span(self._source, start, at), name=name, steps=tuple(steps))

    # ── clauses ──────────────────────────────────────────────────────────────────────────────────────

    def _gather(self, clauses: list[Clause], what: str) -> dict[str, Any]:
        """Clauses by kind; one that stands twice is an error, and the first counts."""
        found: dict[str, Any] = {}
        for clause in clauses:
            if clause.kind in found:
                self._complain(codes.SAID_TWICE, f"`{clause.kind}` stands twice in this {what}", clause.span, "keep one of them")
            else:
                found[clause.kind] = clause.value
        return found

    def _nest(self, built: Any, parts: Children) -> Any:
        """Tracks how deep an expression is. Beyond the cap a leaf stands in, so that nobody ever walks deeper."""
        depths = self._depths
        deepest = 0
        for part in parts:
            if part.__class__ is not Token and part is not None:
                depth = depths.get(part.id, 0)
                if depth > deepest:
                    deepest = depth
        if deepest >= MAX_DEPTH:
            self._complain_of_depth(built.span)
            return ast.Bool(id=self._next(), span=built.span, value=True)
        depths[built.id] = deepest + 1
        return built

    def _complain_of_depth(self, span: Span) -> None:
        if not self._too_deep:
            self._too_deep = True
            self._complain(
                codes.TOO_DEEP, f"an expression goes at most {MAX_DEPTH} levels deep", _shortened(span),
                "give its parts names with `let`",
            )


def _only_comments(gap: str) -> bool:
    return not gap or gap.isspace() or all(not line.strip() or line.lstrip().startswith("#") for line in gap.split("\n"))


def _lowered(name: str) -> str:
    bare = name.lstrip("_")
    return bare[:1].lower() + bare[1:] if bare[:1].isalpha() else "x" + name


def _shortened(span: Span) -> Span:
    """The first line of a long span: nobody wants ten thousand carets."""
    line_end = span.source.text.find("\n", span.start, span.end)
    return Span(span.source, span.start, min(line_end if line_end >= 0 else span.end, span.start + 60))
