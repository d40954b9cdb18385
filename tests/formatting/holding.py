"""What must hold for every text that is formatted, found out without the formatter's own reading of it."""
from __future__ import annotations

import re

import caplex
from caplex.compiler.source import Source
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.parser import parse

_PIECE = re.compile(r'(?P<comment>#[^\n]*)|(?P<text>"[^"\\\n]*(?:\\.[^"\\\n]*)*")|(?P<space>\s+)|(?P<sign>.)')


def tree(text: str) -> ast.Module | None:
    """The tree of *text*, None if it does not parse."""
    return parse(Source("t.cap", text))[0]


def read(text: str) -> tuple[list[str], list[tuple[int, bool, str]]]:
    """Its code without spaces and commas; and of each comment how much code stands before it, whether it has its own line, its words."""
    code: list[str] = []
    comments: list[tuple[int, bool, str]] = []
    for match in _PIECE.finditer(text):
        if match["comment"]:
            line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
            comments.append((len(code), not line.strip(), match["comment"].rstrip()))
        elif match["text"] or (match["sign"] and match["sign"] != ","):
            code.append(match[0])
    return code, comments


def held(text: str) -> str:
    """*text* formatted, after everything about it was looked at."""
    before = tree(text.replace("\r\n", "\n"))
    assert before is not None, text
    out = caplex.format_text(text)
    assert tree(out) == before, (text, out)
    assert read(out) == read(text.replace("\r\n", "\n")), (text, out)
    again = caplex.format_text(out)
    assert again == out, (text, out, again)
    assert not re.search(r"[ \t\r]\n", out), (text, out)
    assert "\n\n\n" not in out, out
    assert not out.startswith("\n"), out
    assert out == "" or (out.endswith("\n") and not out.endswith("\n\n")), (text, out)
    return out
