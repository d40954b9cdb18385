"""The vocabulary of the grammar for editors: its words by what they do, its literals as patterns; and who writes the files.

`python -m caplex.compiler.tools.lexer_terms` writes what is generated: the TextMate grammar of `editors/` and the Pygments
lexer beside this module. A test holds the files equal to what would be written.
"""
from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from caplex.compiler.semantics import builtins, units
from caplex.compiler.syntax.tables import Tables
from caplex.compiler.syntax.words import ITEM_WORDS

# Each literal of the grammar, in the order in which they must be tried: the longer before what it begins with.
LITERALS: Final = ("INSTANT", "DATE", "TIME", "DURATION", "PERCENT", "BASIS", "POINTS", "TIMES_X", "DOLLARS", "NUMBER")
IDS: Final = ("RULE_REF", "FAMILY")
# Names, texts, signs, and what is a part of them; everything else must be a word, or the test complains.
OTHER: Final = frozenset({"NAME", "FIELD", "PATH", "STRING", "TEMPLATE", "FORMAT", "COMMENT", "SPACE", "CMP", "CURRENCY", "RULE_ID"})
OPERATORS: Final = frozenset(["and", "or", "not", "in", "is", "of", "within", "else", "if", "then", "where"])
CONSTANTS: Final = frozenset(["true", "false", "unlimited"])
EFFECTS: Final = frozenset(["allow", "deny", "hold", "modify", "warn", "require", "reduce", "trip", "rearm", "expect"])
_ALTERNATIVES: Final = re.compile(r"\(\?:([a-z|]+)\)\(\?!\\w\)")
_WORD: Final = re.compile(r"([a-z]+)\(\?!\\w\)")


@dataclass(frozen=True, slots=True)
class Terms:
    """Words sorted; *literals* and *ids* are patterns by terminal."""

    declarations: tuple[str, ...]
    operators: tuple[str, ...]
    constants: tuple[str, ...]
    effects: tuple[str, ...]
    clauses: tuple[str, ...]
    functions: tuple[str, ...]
    types: tuple[str, ...]
    literals: dict[str, str]
    ids: dict[str, str]
    string: str


@cache
def terms() -> Terms:
    """What the grammar holds now. Raises AssertionError for a terminal that is in none of the lists above."""
    spelling = Tables(None).spelling
    found: set[str] = set()
    for name, pattern in spelling.items():
        words = _words(pattern)
        found |= words
        known = bool(words) or name in (*LITERALS, *IDS) or name in OTHER or not re.search(r"\w", pattern)
        assert known, f"the terminal {name} is new: say in {__name__} what editors should make of it"
    declarations = {*ITEM_WORDS, "policy"}
    rest = found - declarations - OPERATORS - CONSTANTS - EFFECTS
    assert found >= OPERATORS | CONSTANTS | EFFECTS | declarations
    return Terms(
        tuple(sorted(declarations)), tuple(sorted(OPERATORS)), tuple(sorted(CONSTANTS)), tuple(sorted(EFFECTS)), tuple(sorted(rest)),
        tuple(sorted({*builtins.FUNCTIONS, *builtins.AGGREGATES})), tuple(sorted(units.PLAIN_TYPES)),
        {name: spelling[name] for name in LITERALS}, {name: spelling[name] for name in IDS}, spelling["STRING"],
    )


def _words(pattern: str) -> set[str]:
    if match := _ALTERNATIVES.fullmatch(pattern):
        return set(match[1].split("|"))
    if "unless" in pattern:
        return {"unless", "worse"}
    match = _WORD.match(pattern)
    return {match[1]} if match else set()


def words_pattern(words: tuple[str, ...]) -> str:
    """*words* where they are no field: neither behind a dot nor before a colon or a dot."""
    return rf"(?<![\w.\-])(?:{'|'.join(words)})(?![\w\-])(?!\s*[:.](?![.]))"


def files(root: Path) -> dict[Path, str]:
    """What is generated, by path."""
    from caplex.compiler.tools.lexer_source import source
    from caplex.compiler.tools.textmate import text

    return {
        root / "editors" / "textmate" / "cap.tmLanguage.json": text(),
        root / "editors" / "vscode" / "syntaxes" / "cap.tmLanguage.json": text(),
        root / "compiler" / "tools" / "lexer_pygments.py": source(),
    }


def main() -> int:
    """Write the files that have changed; name them."""
    root = Path(__file__).resolve().parents[2]
    for path, text in files(root).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(root)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
