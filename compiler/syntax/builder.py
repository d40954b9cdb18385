"""The builder: from the sentences that Lark recognises straight to the tree, without a parse tree in between.

Its parts, by what they build: `build_core` (places, ids, texts), `build_expressions`, `build_facts` (header, imports,
inputs, settings), `build_rules` (rules, limits, rates, switches, waivers), `build_plans` (sizing, allocation, tests).
"""
from __future__ import annotations

from caplex.compiler.source import Span
from caplex.compiler.syntax import ast
from caplex.compiler.syntax.build_core import Children
from caplex.compiler.syntax.build_plans import Plans


class Builder(Plans):
    def module(self, c: Children) -> ast.Module:
        header = c[0] if c and isinstance(c[0], ast.Header) else None
        items = tuple(c if header is None else c[1:])
        whole = Span(self._source, 0, len(self._source.text))
        return ast.Module(id=self._next(), span=whole, header=header, items=items)
