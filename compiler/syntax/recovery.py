"""Going on after a mistake: skip to the next item, and see that the words in between make no second error."""
from __future__ import annotations

import re
from collections.abc import Set
from typing import Any

from lark import Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput
from lark.lexer import LineCounter
from lark.utils import TextSlice

from caplex.compiler.syntax import ast
from caplex.compiler.syntax.build_core import Core
from caplex.compiler.syntax.tables import Tables

# How items begin. More than their first word, since most of these words may also stand as a field.
HEAD = re.compile(
    r"""(?:rule|limit|throttle|cooldown|waiver|size)\s+[A-Z][A-Z0-9-]*-\d|kill\s+switch\s+[A-Z]|setting\s+\w+\s*:
        |let\s+\w+\s*[:=]|test\s+"|property\s+"|input\s+\w+\s*(?:each\s+\w+\s*)?(?:as\s+list\s*)?[{:]|use\s+["a-z]
        |answer\s*\{|emit\s+"|allocate\s+\w+\s+across""",
    re.X,
)
_SKIP = re.compile(r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?|\#[^\n]*|[{}]|\w+|[^\w"\#{}]+')


# Behind the brace of a broken item only a word can begin the next; more braces are more of the same mistake.
_WORD_NEXT = re.compile(r"(?:\s+|\#[^\n]*)*+(?:[A-Za-z]|\Z)")


def is_head(text: str, at: int) -> bool:
    return HEAD.match(text, at) is not None and (at == 0 or not (text[at - 1].isalnum() or text[at - 1] in "_."))


def resync(error: UnexpectedInput, text: str) -> None:
    """Move the lexer behind the broken item, and unwind both stacks to the last item that was whole."""
    parser: Any = error.interactive_parser
    values, states = parser.parser_state.value_stack, parser.parser_state.state_stack
    depth = 0
    keep = _boundary(values)
    while len(values) > keep:
        value = values.pop()
        states.pop()
        if isinstance(value, Token):
            depth += (value.type == "LBRACE") - (value.type == "RBRACE")
    at = _next_item(text, place(error, text), depth)
    counter: Any = LineCounter("\n")  # type: ignore[no-untyped-call]
    counter.feed(TextSlice(text, 0, at))
    lexer = parser.lexer_thread.state
    lexer.line_ctr = counter
    lexer.last_token = None


def accepted(error: UnexpectedInput, text: str, start: str, tables: Tables, builder: Core) -> Set[str]:
    """Types of the tokens that could follow the last good one.

    LALR reduces on merged look-aheads before it sees the error, so the state in hand has lost the operators: run the
    item again up to the error, and ask there.
    """
    parser: Any = error.interactive_parser
    found: Set[str]
    if start == "module":
        values = parser.parser_state.value_stack
        begin = next((v.start_pos for v in values[_boundary(values) :] if isinstance(v, Token)), None)
    else:
        begin = parser.lexer_thread.state.text.start
    end = place(error, text)
    if begin is None or begin >= end:
        found = parser.accepts()
        return found
    quiet, builder._quiet = builder._quiet, True
    try:
        again: Any = tables.lark.parse_interactive(TextSlice(text, begin, end), start=start)
        again.exhaust_lexer()
        found = again.accepts()
    except UnexpectedInput:
        found = parser.accepts()
    finally:
        builder._quiet = quiet
    return found


def place(error: UnexpectedInput, text: str) -> int:
    """Offset of the mistake; the end of the text if that came too early."""
    if isinstance(error, UnexpectedCharacters):
        return error.pos_in_stream or 0
    token: Token = error.token  # type: ignore[attr-defined]
    if token.type == "$END" or token.start_pos is None:
        parser: Any = error.interactive_parser
        end = parser.lexer_thread.state.text.end
        return len(text) if end is None else int(end)
    return token.start_pos


def _boundary(values: list[Any]) -> int:
    """Index just behind the last finished item (or the header) on the value stack."""
    for i in range(len(values), 0, -1):
        value = values[i - 1]
        if isinstance(value, ast.Header) or (isinstance(value, Tree) and str(value.data).startswith("__module")):
            return i
    return 0


def _next_item(text: str, at: int, depth: int) -> int:
    """Where to go on: at the next item, or behind the brace that closes the broken one."""
    while at < len(text):
        if is_head(text, at):
            return at
        match = _SKIP.match(text, at)
        assert match is not None
        at = match.end()
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth <= 0 and _WORD_NEXT.match(text, at):
                return at
    return at
