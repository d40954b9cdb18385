"""What a syntax error says: a sentence, a place, and the cure. Names of tokens never reach the reader."""
from __future__ import annotations

import re
from collections.abc import Set
from difflib import get_close_matches
from typing import Any

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput

from caplex.compiler.diagnostics import codes_syntax as codes
from caplex.compiler.diagnostics.diagnostic import Code, Diagnostic, Edit, Fix, Label
from caplex.compiler.source import Source, Span
from caplex.compiler.syntax import traps
from caplex.compiler.syntax.build_core import PIECE, Core
from caplex.compiler.syntax.recovery import accepted, is_head, place
from caplex.compiler.syntax.tables import Tables
from caplex.compiler.syntax.words import EVENT_WORDS, HARD, ITEM_WORDS, SEVERITY_WORDS, VERDICT_WORDS

_UNITS = frozenset(["ms", "s", "min", "h", "d", "w", "x", "bp", "pp", "bps"])
_OPERATORS = frozenset(["CMP", "PLUS", "STAR", "AND", "OR", "OF", "DOT"])
_AFTER_OPERAND = _OPERATORS | frozenset([
    "MINUS", "SLASH", "IN", "IS", "NOT", "LSQB", "LPAR", "CURRENCY", "UNITS", "WITHIN", "TODAY",
])
_VALUES = frozenset(["NUMBER", "PERCENT", "DURATION", "STRING"])
_OPERANDS = _VALUES | frozenset([
    "NAME", "PATH", "BASIS", "POINTS", "TIMES_X", "DOLLARS", "INSTANT", "DATE", "TIME", "TRUE", "FALSE", "UNLIMITED",
    "LPAR", "LSQB", "MINUS", "AFTER", "SWITCH", "NOT", "IF",
])
_FRIENDLY = {
    "NAME": "a name", "FIELD": "a name", "PATH": "a name", "STRING": "a text", "TEMPLATE": "a text",
    "RULE_ID": "an id such as `EXP-010`", "RULE_REF": "an id such as `EXP-010`", "FAMILY": "a family such as `EXP`",
    "CURRENCY": "a currency such as `USD`", "NUMBER": "a number", "PERCENT": "a percentage", "DATE": "a date",
    "TIME": "a time of day", "INSTANT": "an instant", "DURATION": "a duration", "CMP": "a comparison",
    "SEVERITY": "`low`, `medium`, `high` or `critical`", "VERDICT": "`allow`, `deny`, `hold` or `modify`",
    "EVENT": "an event such as `fill`", "NORM": "`trim`, `upper`, `lower` or `nfc`", "FORMAT": "a format such as `:.2`",
    "SUPPLIER": "`host`, `venue`, `engine` or `derived`", "UNLESS_WORSE": "`unless worse`", "RANGE": "`within`",
    "ABOVE_LOW": "`above`", "$END": "the end", "BASIS": "basis points", "POINTS": "percentage points",
    "TIMES_X": "a multiple", "DOLLARS": "an amount",
}
_CLASSES = {"EVENT": EVENT_WORDS, "VERDICT": VERDICT_WORDS, "SEVERITY": SEVERITY_WORDS}
# Words of other languages, and what they are called here.
_WRONG_OPERATORS = {"=>": ">=", "=<": "<=", "<>": "!=", "=!": "!="}
_SYNONYMS = {"if": "when", "unless": "when not", "assert": "require", "forbid": "deny when", "set": "setting",
             "const": "let", "var": "let", "def": "let", "import": "use", "include": "use", "block": "deny",
             "killswitch": "kill switch", "constraint": "limit"}


class Teller:
    """Turns what Lark says into diagnostics about *source*."""

    def __init__(self, source: Source, start: str, tables: Tables, builder: Core) -> None:
        self.source, self.start, self.tables, self.builder = source, start, tables, builder
        self.text = source.text

    def tell(self, error: UnexpectedInput) -> Diagnostic:
        at = place(error, self.text)
        if isinstance(error, UnexpectedCharacters):
            return self._trapped(at) or self._say(
                codes.STRAY_CHARACTER, f"`{self.text[at]}` means nothing here", at, at + 1
            )
        token: Token = error.token  # type: ignore[attr-defined]
        names = accepted(error, self.text, self.start, self.tables, self.builder)
        if token.type == "$END" or token.start_pos is None:
            return self._early_end(at, names, error)
        if token.type == "STRING" and "TEMPLATE" in names:
            return self._bad_hole(token)
        if not token.value[:1].isalnum() and token.type not in ("STRING", "TEMPLATE") and (trapped := self._trapped(at)):
            return trapped
        return self._sign(token, names) or self._word(token, names, error) or self._otherwise(token, names)

    # ── kinds of mistakes ────────────────────────────────────────────────────────────────────────────

    def _trapped(self, at: int) -> Diagnostic | None:
        found = traps.find(self.text, at)
        if found is None:
            return None
        code, message, cure, start, end = found
        return self._say(code, message, start, end, cure)

    def _bad_hole(self, token: Token) -> Diagnostic:
        """A text that may have holes, and has one that is not closed."""
        start = token.start_pos or 0
        at = 1
        while match := PIECE.match(token.value, at):
            at = match.end()
        return self._say(codes.BAD_HOLE, "a `{` opens an expression in this text, and its `}` is missing", start + at, start + at + 1,
                         "close it, or write `\\{` for a plain brace")

    def _early_end(self, at: int, names: Set[str], error: UnexpectedInput) -> Diagnostic:
        expected = f"expected {self._list(names)}"
        if self.start == "hole":
            return self._say(codes.BAD_HOLE, "the expression in this hole ends too early", at - 1, at, expected)
        if not self.text.strip():
            return self._say(codes.UNEXPECTED_END, "the text is empty", 0, 0, expected)
        last = re.search(r"(?:\w{1,40}|\S)\s*\Z", self.text[:at])
        assert last is not None
        span = Span(self.source, last.start(), last.start() + len(last[0].rstrip()))
        return self._unfinished(codes.UNEXPECTED_END, "the text ends in the middle of a sentence", span, expected, error)

    def _unfinished(self, code: Code, message: str, span: Span, cure: str, error: UnexpectedInput) -> Diagnostic:
        """Shows the bracket that is still open, too."""
        opened = [token for token in self._open_tokens(error) if token.type in ("LBRACE", "LPAR", "LSQB")]
        labels: tuple[Label, ...] = ()
        if opened and opened[-1].start_pos is not None and opened[-1].end_pos is not None:
            inner = Span(self.source, opened[-1].start_pos, opened[-1].end_pos)
            labels = (Label(span, primary=True), Label(inner, f"this `{opened[-1].value}` is still open"))
        return Diagnostic(code, message, span, labels=labels, help=cure)

    def _sign(self, token: Token, names: Set[str]) -> Diagnostic | None:
        """Mistakes that one sign or unit gives away."""
        text, start, end = token.value, token.start_pos or 0, token.end_pos or 0
        after_number = "CURRENCY" in names
        if after_number and text in ("percent", "pct"):
            return self._say(codes.BAD_PERCENT, f"`{text}` is not a unit", start, end, "write `%` directly behind the number, as in `20%`")
        if after_number and text in _UNITS:
            return self._say(codes.BAD_NUMBER, f"`{text}` stands apart from its number", start, end,
                             f"write it directly behind the number, as in `5{'bp' if text == 'bps' else text}`")
        if after_number and token.type in ("NAME", "FIELD") and text.isupper() is False and text.upper() in ("USD", "EUR", "GBP"):
            return self._say(codes.BAD_MONEY, f"`{text}` is not a currency", start, end, f"write `{text.upper()}`")
        if token.type == "DOT" and after_number:
            return self._say(codes.BAD_NUMBER, "a number ends with a point", start, end, "put digits behind it, or delete it")
        around = self.text[max(0, start - 1) : end + 1]
        for wrong, right in _WRONG_OPERATORS.items():
            if text in ("=", "<", ">") and wrong in around:
                first = max(0, start - 1) + around.index(wrong)
                return self._say(codes.FOREIGN_OPERATOR, f"`{wrong}` is not an operator here", first, first + 2, f"write `{right}`")
        if token.type == "EQUAL" and self.text[start - 1 : start] == "=":
            return self._say(codes.FOREIGN_OPERATOR, "`==` compares and does not give a value", start - 1, end, "write `=`")
        if token.type == "EQUAL" and "CMP" in names:
            span = Span(self.source, start, end)
            fix = Fix("compare with `==`", False, (Edit(span, "=="),))
            return Diagnostic(codes.FOREIGN_OPERATOR, "`=` gives a value and does not compare", span, help="write `==`", fix=fix)
        if token.type == "COMMA" and self.text[start - 1 : start].isdigit() and self.text[end : end + 1].isdigit():
            if re.match(r"[0-9]{3}(?![0-9])", self.text[end : end + 4]):
                return self._say(codes.BAD_MONEY, "thousands are not parted by commas", start, end, "part them with `_`, as in `5_000`")
            return self._say(codes.BAD_NUMBER, "a comma is not a decimal point", start, end, "write `.`, as in `1.5`")
        if token.type == "CMP" and "PLUS" in names:
            return self._say(codes.CHAINED, "comparisons do not chain", start, end,
                             f"write `a {text} b and b {text} c`, or `x within a..b`")
        return None

    def _word(self, token: Token, names: Set[str], error: UnexpectedInput) -> Diagnostic | None:
        """A word that is misspelt, out of place, or the beginning of the next item."""
        text, start, end = token.value, token.start_pos or 0, token.end_pos or 0
        if text == "else" and "PLUS" in names:
            return self._say(codes.ELSE_PARENTHESES, "`else` gives a substitute to one reading only", start, end,
                             "put the reading and its substitute in parentheses: `(x else 0)`")
        if text in ("at", "below", "above", "(", "-") and self._in_guard(error):
            return self._say(codes.GUARD_COMMA, "the guard has no end that can be seen", start, end,
                             "put a comma where the guard stops: `when …, …`")
        if text in ITEM_WORDS and is_head(self.text, start) and "RULE" not in names:
            message = f"the sentence before this `{text}` is not finished"
            return self._unfinished(codes.UNFINISHED, message, Span(self.source, start, end), f"expected {self._list(names)}", error)
        if re.fullmatch(r"[A-Za-z_]\w*", text) and text not in HARD and (near := self._near(text, names)):
            span = Span(self.source, start, end)
            fix = Fix(f"write `{near}`", False, (Edit(span, near),))
            return Diagnostic(codes.MISSPELT, f"`{text}` is not a word that can stand here", span,
                              help=f"did you mean `{near}`?", fix=fix)
        return None

    def _in_guard(self, error: UnexpectedInput) -> bool:
        """Whether the last thing that was opened is the guard of a limit."""
        types = [token.type for token in self._open_tokens(error)]
        if "LIMIT" not in types or "LBRACE" not in types:
            return False
        inside = types[len(types) - types[::-1].index("LBRACE") :]
        closed = inside.count("LPAR") == inside.count("RPAR") and inside.count("LSQB") == inside.count("RSQB")
        return inside[:1] == ["WHEN"] and closed

    def _otherwise(self, token: Token, names: Set[str]) -> Diagnostic:
        text, start, end = token.value, token.start_pos or 0, token.end_pos or 0
        if token.type == "FORMAT" and "FORMAT" not in names:
            text, end = ":", start + 1
        shown = text if len(text) <= 40 else text[:40] + "…"
        synonym = _SYNONYMS.get(text)
        if synonym and self.tables.keywords.get(synonym.split()[0]) in names:
            return self._say(codes.UNEXPECTED, f"`{text}` cannot stand here", start, end, f"write `{synonym}`")
        if text in HARD and "NAME" in names and len(names) < 4:
            return self._say(codes.RESERVED_WORD, f"`{text}` is a word of the language and cannot be a name", start, end,
                             "choose another name")
        before = self._misspelt_before(start) if text in self.tables.keywords else None
        cure = f"did you mean `{before[1]}` where `{before[0]}` stands?" if before else f"expected {self._list(names)}"
        return self._say(codes.UNEXPECTED, f"`{shown}` cannot stand here", start, min(end, start + 60), cure)

    def _misspelt_before(self, start: int) -> tuple[str, str] | None:
        """The word before *start*, if it was taken for a name and is nearly a word of the language."""
        word = re.search(r"([a-z]{4,20})\s+\Z", self.text[max(0, start - 40) : start])
        if word is None or word[1] in self.tables.keywords:
            return None
        near = get_close_matches(word[1], sorted(self.tables.keywords), n=1, cutoff=0.8)
        return (word[1], near[0]) if near else None

    # ── words ────────────────────────────────────────────────────────────────────────────────────────

    def _near(self, text: str, names: Set[str]) -> str | None:
        words = [self.tables.words[name] for name in sorted(names) if name in self.tables.words]
        for name, members in _CLASSES.items():
            if name in names:
                words += members
        found = get_close_matches(text.lower(), words, n=1, cutoff=0.7)
        return found[0] if found and found[0] != text else None

    def _list(self, names: Set[str]) -> str:
        """What could have stood there, for people: at most six things."""
        rest = set(names)
        out = []
        if {"RULE", "LIMIT", "SETTING", "TEST"} <= rest:
            out.append("an item (`rule`, `limit`, `setting` …)")
            rest -= {self.tables.keywords[word] for word in ITEM_WORDS} | {"POLICY"}
        if len(rest & _OPERATORS) > 2:
            out.append("an operator")
            rest -= _AFTER_OPERAND
        if rest >= _VALUES:
            out.append("a value")
            rest -= _OPERANDS
        for name in sorted(rest):
            out.append(_FRIENDLY.get(name) or f"`{self._spelt(name)}`")
        out = list(dict.fromkeys(out))
        return ", ".join(out[:6]) + (" …" if len(out) > 6 else "")

    def _spelt(self, name: str) -> str:
        return self.tables.words.get(name) or self.tables.spelling[name].replace("\\", "")

    @staticmethod
    def _open_tokens(error: UnexpectedInput) -> list[Token]:
        """Tokens of the sentence in hand that are not yet part of a node."""
        parser: Any = error.interactive_parser
        return [value for value in parser.parser_state.value_stack if isinstance(value, Token)]

    def _say(self, code: Code, message: str, start: int, end: int, cure: str | None = None) -> Diagnostic:
        return Diagnostic(code, message, Span(self.source, start, end), help=cure)
