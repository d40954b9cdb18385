"""How expressions break: before an operator, the loosest first; inside brackets, which then stand on lines of their own."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from lark import Token, Tree

from caplex.compiler.formatting.document import LINE, SOFT, WIDTH, Doc, Group, Nest, Pad, broken, flat_width
from caplex.compiler.formatting.tokens import Text, Tok, leaves

Node: TypeAlias = "Tree[Token] | Token"

_CHAINS = {"or_": ("or",), "and_": ("and",), "+": ("+", "-"), "*": ("*", "/")}
# Brackets that are wider than this will not fit behind what stands before them.
_OPENS = 80
_BRACKETED = frozenset(["call", "parentheses", "list_of"])
# Nothing stands between their parts.
_TIGHT = frozenset(["path", "after_field", "step_field", "step_row", "negate", "interval", "type", "money_type"])
# Clauses that may begin a line when their sentence is long.
_CLAUSES = frozenset([
    "per_key", "where", "reserve", "counters", "approval", "confirm", "because", "through", "approved", "ticket", "pair", "by_rules",
    "including_switches",
])


def kind(node: Node | None) -> str:
    """The name of the rule that *node* is, or the type of the token."""
    if node is None:
        return ""
    return node.type if isinstance(node, Token) else str(node.data)


def parts(node: Node) -> list[Any]:
    """The children that are there."""
    return [] if isinstance(node, Token) else [child for child in node.children if child is not None]


def is_word(node: Node | None, *words: str) -> bool:
    return isinstance(node, Token) and node.value in words


class Expressions:
    """Layouts of expressions, and of sentences that have no layout of their own."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self._special: dict[str, Callable[[Any], Doc]] = {
            **dict.fromkeys(("compare", "in_", "not_in", "is_multiple", "is_known", "in_last", "today"), self._relation),
            **dict.fromkeys(("or_", "and_", "arithmetic"), self._chain),
            **dict.fromkeys(_TIGHT, self._tight),
            "within": self._within, "range": self._within, "not_": self.phrase, "if_": self._if, "else_": self.phrase,
            "parentheses": self._parentheses, "list_of": self._list, "call": self._call, "each": self._each,
            "filtered": self._each, "row": self._row, "implies": self._implies, "rearm": self._rearm,
        }

    def doc(self, node: Node) -> Doc:
        """The layout of *node*."""
        if isinstance(node, Token):
            return self.text.tok(node)
        special = self._special.get(str(node.data))
        return self.phrase(node) if special is None else special(node)

    def first(self, node: Node) -> Tok:
        """The first token of *node*."""
        return self.text.tok(next(leaves(node)))

    def phrase(self, node: Node) -> Doc:
        """Its parts with a space between; a line may end at a comma, and before a clause."""
        return self.spaced(parts(node))

    def spaced(self, children: list[Any]) -> Doc:
        out: list[Doc] = []
        comma = True
        for child in children:
            if is_word(child, ","):
                out.append(self.doc(child))
                comma = True
                continue
            if (comma and out) or kind(child) in _CLAUSES:
                out.append(broken(self.doc(child)))
            else:
                out += [" ", self.doc(child)] if out else [self.doc(child)]
            comma = False
        return out

    # ── operators ────────────────────────────────────────────────────────────────────────────────────

    def _chain(self, node: Node, by: int = 2) -> Doc:
        """``a or b or c``: one operator of each loudness, all on one line or each on its own."""
        sort = _sort(node)
        if sort is None:
            left, operator, right = parts(node)
            return [self.doc(left), " ", self.doc(operator), " ", self.doc(right)]  # `of`
        operands: list[tuple[Any, Any]] = []
        here = node
        while _sort(here) == sort:
            left, operator, right = parts(here)
            operands.append((operator, right))
            here = left
        out: list[Doc] = [[LINE, self.doc(operator), " ", self.doc(right)] for operator, right in reversed(operands)]
        # A tighter chain in front goes further in, or its lines would read as this one's.
        return Group([self.doc(here) if _sort(here) is None else Nest(self.doc(here), by), Nest(out, by)])

    def bracketed(self, node: Node) -> Doc:
        """*node* inside brackets, which indent it already."""
        if kind(node) == "if_":
            return self._if(node, 0)
        return self._chain(node, 0) if kind(node) in ("or_", "and_", "arithmetic") else self.doc(node)

    def _relation(self, node: Node) -> Doc:
        """``a <= b``, ``a is known``"""
        left, *words = parts(node)
        if kind(node) in ("is_known", "today"):
            return [self.doc(left), " ", self.spaced(words)]
        right = words.pop()
        return self.joined(left, self.spaced(words), right)

    def joined(self, left: Node, words: Doc, right: Node) -> Doc:
        """The words begin a line; but not between brackets that are too wide for one and open up in any case."""
        sides = [self.doc(left), self.doc(right)]
        if any(kind(side) in _BRACKETED and (flat_width(doc) or WIDTH) > _OPENS for side, doc in zip((left, right), sides, strict=True)):
            return [sides[0], " ", words, " ", sides[1]]
        return Group([sides[0], Nest([LINE, words, " ", sides[1]])])

    def _within(self, node: Node) -> Doc:
        """``x within a..b``, ``within a..b``"""
        *before, low, dots, high = parts(node)
        return [self.spaced(before), " ", self.doc(low), self.doc(dots), self.doc(high)]

    def _if(self, node: Node, by: int = 2) -> Doc:
        out: list[Doc] = []
        here: Node = node
        while kind(here) == "if_":
            word, condition, then, value, otherwise, here = parts(here)
            out += [self.doc(word), " ", self.doc(condition), broken(self.doc(then), " ", self.doc(value)), LINE, self.doc(otherwise), " "]
        return Group(Nest([*out, self.doc(here)], by))

    def _implies(self, node: Node) -> Doc:
        """``if A then B`` in a property."""
        word, condition, then, claim = parts(node)
        return Group([self.doc(word), " ", self.doc(condition), Nest([LINE, self.doc(then), " ", Nest(self.doc(claim))])])

    def _rearm(self, node: Node) -> Doc:
        """``rearm A and B and C``"""
        word, first, *others = parts(node)
        out: list[Doc] = []
        for sign, term in zip(others[::2], others[1::2], strict=True):
            out += [LINE, self.doc(sign), " ", self.doc(term)]
        return Group([self.doc(word), " ", self.doc(first), Nest(out)])

    # ── brackets ─────────────────────────────────────────────────────────────────────────────────────

    def _tight(self, node: Node) -> Doc:
        if kind(node) == "negate":
            self.first(node).close = True
        return [self.doc(child) for child in parts(node)]

    def _parentheses(self, node: Node) -> Doc:
        opening, inside, closing = parts(node)
        return self._brackets(opening, [self.bracketed(inside)], closing)

    def _brackets(self, opening: Node, inside: list[Doc], closing: Node) -> Doc:
        if not inside:
            return [self.doc(opening), self.doc(closing)]
        return Group([self.doc(opening), Nest([SOFT, inside]), SOFT, self.doc(closing)])

    def _call(self, node: Node) -> Doc:
        function, opening, *inside, closing = parts(node)
        out: list[Doc] = []
        for child in inside:
            if is_word(child, ","):
                out += [self.doc(child), LINE]
            else:
                out.append(self.bracketed(child))
        return [self.doc(function), self._brackets(opening, out, closing)]

    def _each(self, node: Node) -> Doc:
        """``f.notional for f in fills where …``, ``fills where …``"""
        *before, last = parts(node)
        if kind(last) != "where":
            return self.spaced([*before, last])
        return Group([self.spaced(before), LINE, self.doc(last)])

    def _list(self, node: Node) -> Doc:
        """Items fill the lines."""
        opening, *inside, closing = parts(node)
        out: list[Doc] = []
        for child in inside:
            if is_word(child, ","):
                out.append(self.doc(child))
            else:
                out.append(Group([LINE, self.doc(child)]) if out else self.doc(child))
        return self._brackets(opening, out, closing)

    # ── tables ───────────────────────────────────────────────────────────────────────────────────────

    def table(self, node: Node) -> Doc:
        """``each a, b in [1, 2], [3, 4]``: on one line, or a row a line with its cells below each other."""
        children = parts(node)
        at = next(number for number, child in enumerate(children) if kind(child) == "row")
        rows = [child for child in children[at:] if kind(child) == "row"]
        commas = [self.doc(child) for child in children[at:] if kind(child) != "row"]
        widths = _columns([[flat_width(self.doc(cell)) for cell in _cells(row)] for row in rows])
        out: list[Doc] = []
        for number, row in enumerate(rows):
            out += [LINE, self._row(row, widths), *commas[number : number + 1]]
        return Group([self.spaced(children[:at]), Nest(out)], broken=any(self.first(row).first for row in rows))

    def _row(self, node: Node, widths: list[int] | None = None) -> Doc:
        """``[1, 2]``; with *widths*, cells are padded where each row has its line."""
        out: list[Doc] = []
        number = 0
        pad = 0
        for child in parts(node):
            if is_word(child, ","):
                out += [self.doc(child), " ", Pad(" " * pad)]
                continue
            out.append(self.doc(child))
            if not is_word(child, "[", "]"):
                width = flat_width(self.doc(child))
                pad = widths[number] - width if widths is not None and width is not None else 0
                number += 1
        return out


def _sort(node: Node) -> str | None:
    """Which chain an operation belongs to; None for `of`, which is short, and for all else."""
    name = kind(node)
    if name in ("or_", "and_"):
        return name
    if name != "arithmetic":
        return None
    sign = str(parts(node)[1])
    return next((sort for sort, signs in _CHAINS.items() if sign in signs), None)


def _cells(row: Node) -> list[Node]:
    return [child for child in parts(row) if not is_word(child, "[", ",", "]")]


def _columns(rows: list[list[int | None]]) -> list[int] | None:
    """Widths of the columns, if all rows have as many."""
    if len({len(row) for row in rows}) != 1:
        return None
    return [max(width or 0 for width in column) for column in zip(*rows, strict=True)]
