"""The TextMate grammar of the language, as VS Code, GitHub's highlighter and many others read it: made from the terminals."""
from __future__ import annotations

import json
from typing import Any, Final

from caplex.compiler.tools.lexer_terms import Terms, terms, words_pattern

SCOPE: Final = "source.cap"
_LITERAL_SCOPES: Final = {
    "INSTANT": "constant.numeric.instant", "DATE": "constant.numeric.date", "TIME": "constant.numeric.time", "DURATION": "constant.numeric.duration",
    "PERCENT": "constant.numeric.percent", "BASIS": "constant.numeric.percent", "POINTS": "constant.numeric.percent",
    "TIMES_X": "constant.numeric.multiple", "DOLLARS": "constant.numeric.money", "NUMBER": "constant.numeric",
}


def text() -> str:
    """As the file holds it."""
    return json.dumps(grammar(), indent=2, ensure_ascii=False) + "\n"


def grammar() -> dict[str, Any]:
    known = terms()
    return {
        "name": "caplex", "scopeName": SCOPE, "fileTypes": ["cap"],
        "patterns": [{"include": f"#{name}"} for name in ("comments", "told", "texts", "declared", "heads", "code")],
        "repository": {
            "comments": {"patterns": [_match(r"##.*$", "comment.line.documentation.cap"), _match(r"#.*$", "comment.line.number-sign.cap")]},
            "told": {"patterns": [_told()]},
            "texts": {"patterns": [{"name": "string.quoted.double.cap", "begin": '"', "end": r'"|$', "patterns": [{"include": "#escapes"}]}]},
            "escapes": {"patterns": [_match(r"\\u\{[0-9A-Fa-f]{1,6}\}|\\.", "constant.character.escape.cap")]},
            "hole": {"patterns": [_hole()]},
            "declared": {"patterns": [_named("setting|let|input|allocate", r"[a-z_]\w*", "variable.other.constant.cap"), _named("policy", r"\w+", "entity.name.type.cap")]},
            "heads": {"patterns": [_named("rule|limit|throttle|cooldown|waiver|size", r"[A-Z][A-Z0-9-]*-[0-9]+", "entity.name.function.rule.cap"),
                                   _switch(), _use()]},
            "code": {"patterns": _code(known)},
        },
    }


def _match(pattern: str, name: str) -> dict[str, Any]:
    return {"match": pattern, "name": name}


def _named(words: str, name: str, scope: str) -> dict[str, Any]:
    return {"match": rf"(?<![\w.])({words})\s+({name})", "captures": {"1": {"name": "keyword.declaration.cap"}, "2": {"name": scope}}}


def _switch() -> dict[str, Any]:
    return {"match": r"(?<![\w.])(kill)\s+(switch)\s+([A-Z][A-Z0-9-]*-[0-9]+)", "captures": {
        "1": {"name": "keyword.declaration.cap"}, "2": {"name": "keyword.declaration.cap"}, "3": {"name": "entity.name.function.rule.cap"}}}


def _use() -> dict[str, Any]:
    return {"match": r"(?<![\w.])(use)\s+([a-z][\w.]*)(?:\s+(as)\s+(\w+))?", "captures": {
        "1": {"name": "keyword.declaration.cap"}, "2": {"name": "entity.name.namespace.cap"}, "3": {"name": "keyword.other.cap"},
        "4": {"name": "entity.name.namespace.cap"}}}


def _told() -> dict[str, Any]:
    """A text that has holes: only what is told has them."""
    return {
        "begin": r'(?<![\w.])(because|always)\s*(")', "beginCaptures": {"1": {"name": "keyword.other.cap"}, "2": {"name": "punctuation.definition.string.begin.cap"}},
        "end": r'"|$', "endCaptures": {"0": {"name": "punctuation.definition.string.end.cap"}},
        "contentName": "string.quoted.double.told.cap", "patterns": [{"include": "#escapes"}, {"include": "#hole"}],
    }


def _hole() -> dict[str, Any]:
    return {
        "name": "meta.embedded.cap", "begin": r"\{", "beginCaptures": {"0": {"name": "punctuation.section.embedded.begin.cap"}},
        "end": r"\}|$", "endCaptures": {"0": {"name": "punctuation.section.embedded.end.cap"}},
        "patterns": [_match(r":[^{}\"\n]*(?=\})", "constant.other.placeholder.cap"), {"include": "#texts"}, {"include": "#code"}],
    }


def _code(known: Terms) -> list[dict[str, Any]]:
    return [
        _match(known.ids["RULE_REF"], "entity.name.function.rule.cap"),
        *(_match(rf"(?<!\w)(?<!\w\.){pattern}" if not pattern.startswith(r"\$") else pattern, f"{_LITERAL_SCOPES[name]}.cap") for name, pattern in known.literals.items()),
        _match(r"(?<=[0-9])\s+([A-Z][A-Z0-9]{2,9}|units)(?!\w)", "keyword.other.unit.cap"),
        _match(rf"(?<![\w.])(?:{'|'.join(known.functions)})(?=\()", "support.function.cap"),
        _match(rf"(?<=:)\s*(?:{'|'.join(known.types)})(?!\w)", "support.type.cap"),
        _match(words_pattern(known.declarations), "keyword.declaration.cap"),
        _match(words_pattern(known.operators), "keyword.operator.word.cap"),
        _match(words_pattern(known.constants), "constant.language.cap"),
        _match(words_pattern(known.effects), "keyword.control.cap"),
        _match(words_pattern(known.clauses), "keyword.other.cap"),
        {"match": r"(?<![\w.])([a-z_]\w*)((?:\.[A-Za-z_]\w*)+)", "captures": {"1": {"name": "variable.other.object.cap"}, "2": {"name": "variable.other.property.cap"}}},
        _match(known.ids["FAMILY"], "entity.name.type.family.cap"),
        _match(r"<=|>=|==|!=|<|>|\.\.|[-+*/=|]", "keyword.operator.cap"),
    ]
