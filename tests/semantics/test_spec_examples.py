"""The examples of language.md §13, byte for byte."""
from __future__ import annotations

import textwrap

from caplex.compiler import driver
from caplex.compiler.diagnostics.render import render
from caplex.compiler.source import Source

HEADER = ('policy p { version "1" language 1 currency USD stages EXP closing faces every rule unlimited exposure unlimited loss }\n')


def shown(before: str, line: str, after: str) -> str:
    """What `check` says of a program whose line 31 is *line*."""
    text = HEADER + "\n" * (29 - before.count("\n")) + before + line + "\n" + after
    assert text.split("\n")[30] == line
    _, problems = driver.check_source(Source("desk.cap", text))
    return "\n\n".join(render(problem).rstrip() for problem in problems)


def test_unknown_field() -> None:
    assert shown("rule EXP-010 {\n", "  deny when portfolio.gros > 5_000 USD", "}\n") == textwrap.dedent("""\
        error[CAP203]: no field is named `portfolio.gros`
          --> desk.cap:31:13
           |
        31 |   deny when portfolio.gros > 5_000 USD
           |             ^^^^^^^^^^^^^^ unknown field
           = help: did you mean `portfolio.gross`?""")


def test_percent_of_what() -> None:
    assert shown("limit EXP-010 {\n", "  portfolio.gross at most 60%", "  else deny\n}\n") == textwrap.dedent("""\
        error[CAP310]: money cannot be compared with a percentage
          --> desk.cap:31:3
           |
        31 |   portfolio.gross at most 60%
           |   ---------------         ^^^ percent of what?
           = help: write `60% of account.equity`""")
