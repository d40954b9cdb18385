"""The parse itself, over the tables that Lark worked out: one loop for texts without mistakes.

Lark's own loop can stop at any token, be asked what would fit there, and go on; for that it pays with several calls and a
full token at each step. Nearly every text has no mistake, so that is tried first, here: same tables, same contextual lexers,
same calls of the builder in the same order. At the first thing that does not fit the attempt is given up, and Lark reads the
text from its beginning and says what is wrong.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lark import Lark, Token
from lark.parse_tree_builder import ExpandSingleChild
from lark.parsers.lalr_analysis import Shift

_SPACE, _COMMENT = "SPACE", "COMMENT"
_END = "$END"
# What one state needs: the match of its terminals, what to do with each, where a finished sentence leads, calls on tokens.
_State = tuple[Callable[[str, int, int], "re.Match[str] | None"], dict[str, Any], dict[str, int], dict[str, Callable[[Token], Token]]]


class GivenUp(Exception):
    """The text has a mistake, or something else that only Lark can tell."""


class Loop:
    """Lark's tables, unfolded state by state as texts come to them."""

    def __init__(self, lark: Lark) -> None:
        parser: Any = lark.parser
        table = parser.parser._parse_table
        self._table = table.states
        self._starts, self._ends = table.start_states, table.end_states
        self._callbacks = parser.parser.parser.callbacks
        self._lexers = parser.lexer.lexers
        self._states: dict[int, _State] = {}
        self._jumps: dict[tuple[int, int, str], int] = {}
        self._scanners: dict[int, Any] = {}
        self._rules: dict[int, Any] = {}

    def parse(self, text: str, start: str, begin: int = 0, end: int | None = None) -> Any:
        """What the builder makes of *text* between *begin* and *end*. Raises GivenUp."""
        end = len(text) if end is None else end
        known, unfold, jumps, jump = self._states, self._unfold, self._jumps, self._jump
        new, token_class = str.__new__, Token
        final = self._ends[start]
        states, values = [self._starts[start]], []
        at = begin
        match, actions, _, calls = known.get(states[0]) or unfold(states[0])
        while True:
            found = match(text, at, end)
            if found is None:
                if text[at:end].strip(" \t\r\n\f"):
                    raise GivenUp
                kind: Any = _END
                token = new(token_class, "")
                token.type, token.value, token.start_pos, token.end_pos = kind, "", at, at
            else:
                kind = found.lastgroup
                value = found[kind]
                at = found.end()
                token = new(token_class, value)
                token.type, token.value, token.start_pos, token.end_pos = kind, value, at - len(value), at
                if kind in calls:
                    token.line = token.column = token.end_line = token.end_column = None  # nobody asks; but it is borrowed
                    token = calls[kind](token)
                    if kind == _COMMENT:
                        continue
                    kind = token.type
            while True:
                action = actions.get(kind)
                if action is None:
                    raise GivenUp
                if action.__class__ is int:
                    states.append(action)
                    values.append(token)
                    match, actions, _, calls = known.get(action) or unfold(action)
                    break
                build, size, origin = action
                if build is None:  # one part, which stands for the whole: nothing is built
                    place = (states[-1], states[-2], kind)
                    state = jumps.get(place) or jump(place)
                    states[-1] = state
                else:
                    if size:
                        parts = values[-size:]
                        del values[-size:], states[-size:]
                        values.append(build(parts))
                    else:
                        values.append(build([]))
                    below = states[-1]
                    state = (known.get(below) or unfold(below))[2][origin]
                    states.append(state)
                if state == final and kind == _END:
                    return values[-1]
                actions = (known.get(state) or unfold(state))[1]

    def _jump(self, place: tuple[int, int, str]) -> int:
        """Where sentences of one part lead from a state above another, at the sight of a token: `term`, `sum`, `comparison` …"""
        state, below, kind = place
        gotos = (self._states.get(below) or self._unfold(below))[2]
        while True:
            action = (self._states.get(state) or self._unfold(state))[1].get(kind)
            if action.__class__ is not tuple or action[0] is not None:
                self._jumps[place] = state
                return state
            state = gotos[action[2]]

    def _unfold(self, state: int) -> _State:
        actions: dict[str, Any] = {}
        gotos: dict[str, int] = {}
        for name, (action, argument) in self._table[state].items():
            if action is not Shift:
                actions[name] = self._rules.get(id(argument)) or self._rule(argument)
            elif name.isupper() or name.startswith("$"):
                actions[name] = argument
            else:
                gotos[name] = argument
        match, calls = self._scanner(self._lexers[state])
        made = self._states[state] = (match, actions, gotos, calls)
        return made

    def _rule(self, rule: Any) -> Any:
        build, size = self._callbacks[rule], len(rule.expansion)
        if isinstance(build, ExpandSingleChild):
            build = None if size == 1 else build.node_builder
        made = self._rules[id(rule)] = (build, size, rule.origin.name)
        return made

    def _scanner(self, lexer: Any) -> Any:
        """The terminals of a state as one pattern, in Lark's order, behind any white space; and what is called on its tokens."""
        if id(lexer) not in self._scanners:
            kept = [terminal for terminal in lexer.terminals if terminal.name != _SPACE]
            pattern = "|".join(f"(?P<{terminal.name}>{terminal.pattern.to_regexp()})" for terminal in kept)
            made = re.compile(f"[ \\t\\r\\n\\f]*+(?:{pattern})", lexer.g_regex_flags)
            self._scanners[id(lexer)] = made.match, lexer.user_callbacks
        return self._scanners[id(lexer)]
