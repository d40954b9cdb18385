"""Colours for the language wherever Pygments draws: in documents, in notebooks, in `rich`.

Generated from the terminals of the grammar; `python -m caplex.compiler.tools.lexer_terms` writes it anew.
"""
from __future__ import annotations

from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups, include
from pygments.token import Comment, Keyword, Literal, Name, Number, Operator, Punctuation, String, Text

RULE = r"(?:[a-z_][A-Za-z0-9_]*\.)?[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*-[0-9]+(?![\w-])"
FAMILY = r"[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*(?![\w-])"
LITERALS = (
    (r"[0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9](?::[0-9][0-9](?:\.[0-9]{1,9})?)?Z(?!\w)", Literal.Date),
    (r"[0-9]{4}-[0-9][0-9]-[0-9][0-9](?![\w-])", Literal.Date),
    (r"[0-9][0-9]:[0-9][0-9](?::[0-9][0-9])?(?![\w:])", Literal.Date),
    (r"(?:[0-9]+(?:ms|min|s|h|d|w))+(?!\w)", Literal.Date),
    (r"(?:0|[1-9][0-9]*(?:_[0-9]+)*)(?:\.[0-9]+)?%(?![\w%])", Number.Float),
    (r"(?:0|[1-9][0-9]*(?:_[0-9]+)*)(?:\.[0-9]+)?bp(?!\w)", Number.Float),
    (r"(?:0|[1-9][0-9]*(?:_[0-9]+)*)(?:\.[0-9]+)?pp(?!\w)", Number.Float),
    (r"(?:0|[1-9][0-9]*(?:_[0-9]+)*)(?:\.[0-9]+)?x(?!\w)", Number.Float),
    (r"\$(?:0|[1-9][0-9]*(?:_[0-9]+)*)(?:\.[0-9]+)?(?![\w%]|[.,][0-9])", Number.Float),
    (r"(?:0|[1-9][0-9]*(?:_[0-9]+)*)(?:\.[0-9]+)?(?![\w%]|\.[0-9])", Number),
)
FUNCTIONS = r"(?<![\w.])(?:abs|all|any|clamp|count|max|min|sum)(?=\()"
TYPES = (
    r"(:)(\s*)(account|agent|asset|bool|count|date|desk|duration|instant|mandate|model|money|number|pair|payee|"
    r"price|quantity|rate|ratio|sector|strategy|symbol|text|time|trader|venue)(?!\w)"
)
DECLARATIONS = (
    r"(?<![\w.\-])(?:allocate|answer|cooldown|emit|input|kill|let|limit|policy|property|rule|setting|size|test|"
    r"throttle|use|waiver)(?![\w\-])(?!\s*[:.](?![.]))"
)
OPERATORS = r"(?<![\w.\-])(?:and|else|if|in|is|not|of|or|then|where|within)(?![\w\-])(?!\s*[:.](?![.]))"
CONSTANTS = r"(?<![\w.\-])(?:false|true|unlimited)(?![\w\-])(?!\s*[:.](?![.]))"
EFFECTS = r"(?<![\w.\-])(?:allow|deny|expect|hold|modify|rearm|reduce|require|trip|warn)(?![\w\-])(?!\s*[:.](?![.]))"
CLAUSES = (
    r"(?<![\w.\-])(?:above|across|after|all|always|any|approval|approve|approved|armed|as|at|attested|because|"
    r"below|beyond|buy|by|cancel|cash|ceiling|cites|closing|code|continues|critical|currency|day|decline|"
    r"denial|derived|during|each|effective|enforce|engine|every|exposure|faces|failure|fill|fixed|flatten|floor|"
    r"for|freeze|fresh|from|given|hard|high|higher|host|idempotency|including|intent|journal|keep|known|"
    r"language|last|least|list|loosen|loss|lot|low|lower|margin|medium|mode|monitor|most|moves|multiple|"
    r"neutral|never|nfc|normalised|nothing|notify|obligation|on|one|open|opening|order|orders|otherwise|outcome|"
    r"overridable|overrides|owner|per|quorum|quote|readings|rebalance|rebase|reject|reserve|result|role|rounding|"
    r"safer|scale|score|sell|set|severity|share|skips|stages|start|starts|stop|strict|supplied|switch|switches|"
    r"through|tick|ticket|tighten|tightest|times|timezone|to|today|trim|tripped|units|unless|unsized|upper|"
    r"venue|version|violated|violation|when|while|wins|worse)(?![\w\-])(?!\s*[:.](?![.]))"
)


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
            (r'(because|always)(\s*)(")', bygroups(Keyword, Text, String.Double), "told"),
            (r'"', String.Double, "text"),
            (r"(kill)(\s+)(switch)(\s+)([A-Z][A-Z0-9-]*-[0-9]+)", bygroups(Keyword.Declaration, Text, Keyword.Declaration, Text, Name.Function)),
            (r"(setting|let|input|allocate)(\s+)([a-z_]\w*)", bygroups(Keyword.Declaration, Text, Name.Variable)),
            (r"(policy)(\s+)(\w+)", bygroups(Keyword.Declaration, Text, Name.Class)),
            (r"(use)(\s+)([a-z][\w.]*)", bygroups(Keyword.Declaration, Text, Name.Namespace)),
            include("code"),
        ],
        "code": [
            (RULE, Name.Function),
            *((pattern, token) for pattern, token in LITERALS),
            (r"(?<=[0-9])(\s+)([A-Z][A-Z0-9]{2,9}|units)(?!\w)", bygroups(Text, Keyword.Type)),
            (FUNCTIONS, Name.Builtin),
            (TYPES, bygroups(Punctuation, Text, Keyword.Type)),
            (DECLARATIONS, Keyword.Declaration),
            (OPERATORS, Operator.Word),
            (CONSTANTS, Keyword.Constant),
            (EFFECTS, Keyword.Reserved),
            (CLAUSES, Keyword),
            (r"([a-z_]\w*)((?:\.[A-Za-z_]\w*)+)", bygroups(Name, Name.Attribute)),
            (FAMILY, Name.Label),
            (r"<=|>=|==|!=|<|>|\.\.|[-+*/=|]", Operator),
            (r"[{}()\[\],:.?]", Punctuation),
            (r"\w+", Name),
            (r"\s+", Text.Whitespace),
        ],
        "text": [
            (r"\\u\{[0-9A-Fa-f]{1,6}\}|\\.", String.Escape),
            (r'"', String.Double, "#pop"),
            (r"$", String.Double, "#pop"),
            (r'[^"\\\n]+', String.Double),
        ],
        "told": [
            (r"\\u\{[0-9A-Fa-f]{1,6}\}|\\.", String.Escape),
            (r"\{", String.Interpol, "hole"),
            (r'"', String.Double, "#pop"),
            (r"$", String.Double, "#pop"),
            (r'[^"\\{\n]+', String.Double),
        ],
        "hole": [
            (r"(:[^{}\"\n]*)(\})", bygroups(String.Escape, String.Interpol), "#pop"),
            (r"\}", String.Interpol, "#pop"),
            (r'"', String.Double, "text"),
            (r"(?=\n)", Text, "#pop"),
            include("code"),
        ],
    }
