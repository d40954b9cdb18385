"""The judge: what the language means, said as plainly as it can be said, in fractions.

Every engine must answer as this one does. It reads the checked `ast.Module` and a `World`, resolves overrides itself, and
knows nothing of graphs, generated code or the compiled form's books. Simple before fast: `expressions` says what a text
means, `book` what a position is, `rules` how one rule stands, `decide` what all of them together permit; `allocate` shares capital out.
"""
from caplex.compiler.reference.allocate import shares_on
from caplex.compiler.reference.decide import rule_on

__all__ = ["rule_on", "shares_on"]
