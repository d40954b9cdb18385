"""The way in: a text in, its canonical form out, and proof that nothing but space has changed."""
from __future__ import annotations

import re

from caplex.compiler.diagnostics.render import render
from caplex.compiler.formatting.document import Printer
from caplex.compiler.formatting.layout import Layout
from caplex.compiler.formatting.tokens import Text
from caplex.compiler.source import Source
from caplex.compiler.syntax.parser import parse
from caplex.runtime.errors import PolicyError

_COMMENT_OR_TEXT = re.compile(r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"|(#[^\n]*)')


def format_text(text: str, *, name: str = "policy.cap") -> str:
    """*text* in its canonical layout: same tree, same comments, another spacing.

    Args:
        text: A policy, a module or a file of tests.
        name: What messages call it.
    Raises:
        PolicyError: It does not parse; `.diagnostics` say why.
    """
    text = text.replace("\r\n", "\n")
    tree, problems = parse(Source(name, text))
    if tree is None:
        raise PolicyError("\n\n".join(render(found) for found in problems), diagnostics=problems)
    formatted = Printer().print(Layout(Text(text)).module())
    if formatted != text and (parse(Source(name, formatted))[0] != tree or _comments(formatted) != _comments(text)):
        # A formatter that loses a word is worse than none.
        raise AssertionError(f"formatting `{name}` would change more than its layout")
    return formatted


def _comments(text: str) -> list[str]:
    return [match[1].rstrip() for match in _COMMENT_OR_TEXT.finditer(text) if match[1]]
