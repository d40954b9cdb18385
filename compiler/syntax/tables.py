"""The parse tables: built from `grammar/`, bound to word boundaries, kept in the user's cache folder.

Building takes more than a second, loading a tenth of that. The file's name holds the digest of everything it was made from,
and `keeping` believes only what is whole and this user's own, so a stale, torn or foreign file is built anew.
`Lark(cache=…)` is not used: it writes in place.
"""
from __future__ import annotations

import hashlib
import io
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import lark
from lark import Lark, Token
from lark.lexer import PatternRE, PatternStr, TerminalDef

from caplex import grammar
from caplex.compiler import keeping
from caplex.compiler.syntax.words import HARD

STARTS = ("module", "hole", "lone")
KEYWORD_PRIORITY = 20
_KEYWORD = re.compile(r"([a-z]+)\(\?!\\w\)")
# Given anew at every start, so they are not kept in the file.
_NOT_KEPT = ("transformer", "lexer_callbacks", "edit_terminals", "propagate_positions")

Callbacks = dict[str, Callable[[Token], Token]]


class Tables:
    """A Lark parser whose reductions call *builder*, and what messages need to know about its terminals.

    Attributes:
        lark: The parser, with the start rules `STARTS`.
        keywords: Word to terminal name, for every keyword of the grammar.
        words: Terminal name to word, the other way round.
        spelling: Terminal name to its pattern.
    """

    def __init__(self, builder: object | None, on_comment: Callable[[Token], Token] | None = None, **options: Any) -> None:
        self.keywords: dict[str, str] = {}
        callbacks: Callbacks = {"NAME": self._refuse_hard_word}
        if on_comment is not None:
            callbacks["COMMENT"] = on_comment
        at_run_time: dict[str, Any] = {"transformer": builder, "lexer_callbacks": callbacks, "propagate_positions": False}
        self.lark = _build(at_run_time, options) if options else _load(at_run_time)
        self.spelling = {terminal.name: terminal.pattern.value for terminal in self.lark.terminals}
        for name, pattern in self.spelling.items():
            if match := _KEYWORD.match(pattern):
                self.keywords[match[1]] = name
        self.words = {name: word for word, name in self.keywords.items()}

    def _refuse_hard_word(self, token: Token) -> Token:
        """A hard word where only a name fits keeps its own type, and so becomes an error at its true place."""
        if token.value in HARD:
            return Token.new_borrow_pos(self.keywords[token.value], token.value, token)
        return token


def _bind_keyword(terminal: TerminalDef) -> None:
    """`policy` must not match the beginning of `policycore`."""
    pattern = terminal.pattern
    if isinstance(pattern, PatternStr) and re.fullmatch(r"[a-z]+", pattern.value):
        terminal.pattern = PatternRE(pattern.value + r"(?!\w)", pattern.flags)
        terminal.priority = KEYWORD_PRIORITY


def _grammar_folder() -> Path:
    assert grammar.__file__ is not None
    return Path(grammar.__file__).parent


def _build(at_run_time: dict[str, Any], options: dict[str, Any]) -> Lark:
    return Lark.open(
        str(_grammar_folder() / "cap.lark"),
        parser="lalr",
        lexer="contextual",
        start=list(STARTS),
        keep_all_tokens=True,
        maybe_placeholders=True,
        edit_terminals=_bind_keyword,
        **at_run_time,
        **options,
    )


def _load(at_run_time: dict[str, Any]) -> Lark:
    path = cache_file()
    if path is None:
        return _build(at_run_time, {})
    if (payload := keeping.read(path)) is not None:
        with suppress(Exception):  # tables of another version of Lark, or damaged: they are built anew
            return Lark.__new__(Lark)._load(io.BytesIO(payload), **at_run_time)
    built = _build(at_run_time, {})
    buffer = io.BytesIO()
    built.save(buffer, exclude_options=_NOT_KEPT)
    keeping.write(path, buffer.getvalue())
    return built


def cache_file() -> Path | None:
    """Where the tables are kept; None if caching is off, or if there is no home or none to be trusted."""
    if os.environ.get("CAPLEX_NO_CACHE"):
        return None
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(base) if base and os.path.isabs(base) else Path.home() / ".cache"
    except RuntimeError:
        return None
    digest = hashlib.sha256()
    for source in (_grammar_folder() / "cap.lark", _grammar_folder() / "terminals.lark", Path(__file__)):
        try:
            digest.update(source.read_bytes())
        except OSError:  # e.g. a program frozen without its sources: the versions below must do
            digest.update(source.name.encode())
    digest.update(f"{lark.__version__} {sys.version_info[:2]}".encode())
    home = keeping.folder(str(folder / "caplex" / "grammar"))
    return Path(home, f"{digest.hexdigest()[:24]}.tables") if home is not None else None
