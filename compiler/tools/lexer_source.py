"""The source of the Pygments lexer, made from the terminals: `lexer_pygments` must start without the parser, so its words stand in it."""
from __future__ import annotations

from textwrap import wrap
from typing import Final

from caplex.compiler.tools.lexer_terms import terms, words_pattern

_KINDS: Final = {
    "INSTANT": "Literal.Date", "DATE": "Literal.Date", "TIME": "Literal.Date", "DURATION": "Literal.Date", "PERCENT": "Number.Float",
    "BASIS": "Number.Float", "POINTS": "Number.Float", "TIMES_X": "Number.Float", "DOLLARS": "Number.Float", "NUMBER": "Number",
}
_HEAD: Final = '''"""Colours for the language wherever Pygments draws: in documents, in notebooks, in `rich`.

Generated from the terminals of the grammar; `python -m caplex.compiler.tools.lexer_terms` writes it anew.
"""
from __future__ import annotations

from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups, include
from pygments.token import Comment, Keyword, Literal, Name, Number, Operator, Punctuation, String, Text

'''
_CLASS: Final = '''

class CapLexer(RegexLexer):  # type: ignore[misc]  # pygments has no types
    """Policies of caplex: files that end in `.cap`."""

    name = "caplex"
    aliases: ClassVar = ["cap", "caplex"]
    filenames: ClassVar = ["*.cap"]
    mimetypes: ClassVar = ["text/x-caplex"]

    tokens: ClassVar[dict[str, Any]] = {
        "root": [
            (r"##.*?$", String.Doc),
            (r"#.*?$", Comment.Single),
            (r'(because|always)(\\s*)(")', bygroups(Keyword, Text, String.Double), "told"),
            (r'"', String.Double, "text"),
            (r"(kill)(\\s+)(switch)(\\s+)([A-Z][A-Z0-9-]*-[0-9]+)", bygroups(Keyword.Declaration, Text, Keyword.Declaration, Text, Name.Function)),
            (r"(setting|let|input|allocate)(\\s+)([a-z_]\\w*)", bygroups(Keyword.Declaration, Text, Name.Variable)),
            (r"(policy)(\\s+)(\\w+)", bygroups(Keyword.Declaration, Text, Name.Class)),
            (r"(use)(\\s+)([a-z][\\w.]*)", bygroups(Keyword.Declaration, Text, Name.Namespace)),
            include("code"),
        ],
        "code": [
            (RULE, Name.Function),
            *((pattern, token) for pattern, token in LITERALS),
            (r"(?<=[0-9])(\\s+)([A-Z][A-Z0-9]{2,9}|units)(?!\\w)", bygroups(Text, Keyword.Type)),
            (FUNCTIONS, Name.Builtin),
            (TYPES, bygroups(Punctuation, Text, Keyword.Type)),
            (DECLARATIONS, Keyword.Declaration),
            (OPERATORS, Operator.Word),
            (CONSTANTS, Keyword.Constant),
            (EFFECTS, Keyword.Reserved),
            (CLAUSES, Keyword),
            (r"([a-z_]\\w*)((?:\\.[A-Za-z_]\\w*)+)", bygroups(Name, Name.Attribute)),
            (FAMILY, Name.Label),
            (r"<=|>=|==|!=|<|>|\\.\\.|[-+*/=|]", Operator),
            (r"[{}()\\[\\],:.?]", Punctuation),
            (r"\\w+", Name),
            (r"\\s+", Text.Whitespace),
        ],
        "text": [
            (r"\\\\u\\{[0-9A-Fa-f]{1,6}\\}|\\\\.", String.Escape),
            (r'"', String.Double, "#pop"),
            (r"$", String.Double, "#pop"),
            (r'[^"\\\\\\n]+', String.Double),
        ],
        "told": [
            (r"\\\\u\\{[0-9A-Fa-f]{1,6}\\}|\\\\.", String.Escape),
            (r"\\{", String.Interpol, "hole"),
            (r'"', String.Double, "#pop"),
            (r"$", String.Double, "#pop"),
            (r'[^"\\\\{\\n]+', String.Double),
        ],
        "hole": [
            (r"(:[^{}\\"\\n]*)(\\})", bygroups(String.Escape, String.Interpol), "#pop"),
            (r"\\}", String.Interpol, "#pop"),
            (r'"', String.Double, "text"),
            (r"(?=\\n)", Text, "#pop"),
            include("code"),
        ],
    }
'''


def source() -> str:
    """As the file holds it."""
    known = terms()
    lines = [
        _constant("RULE", known.ids["RULE_REF"]), _constant("FAMILY", known.ids["FAMILY"]),
        "LITERALS = (", *(f"    ({_quoted(pattern)}, {_KINDS[name]})," for name, pattern in known.literals.items()), ")",
        _constant("FUNCTIONS", rf"(?<![\w.])(?:{'|'.join(known.functions)})(?=\()"),
        _constant("TYPES", rf"(:)(\s*)({'|'.join(known.types)})(?!\w)"),
        *(_constant(name, words_pattern(words)) for name, words in (
            ("DECLARATIONS", known.declarations), ("OPERATORS", known.operators), ("CONSTANTS", known.constants), ("EFFECTS", known.effects),
            ("CLAUSES", known.clauses))),
    ]
    return _HEAD + "\n".join(lines) + "\n" + _CLASS


def _quoted(pattern: str) -> str:
    assert '"' not in pattern
    return f'r"{pattern}"'


def _constant(name: str, pattern: str) -> str:
    whole = f"{name} = {_quoted(pattern)}"
    if len(whole) <= 140:
        return whole
    pieces = wrap(pattern.replace("|", "| "), 120, break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"{name} = (", *(f"    {_quoted(piece.replace('| ', '|'))}" for piece in pieces), ")"])
