"""The layout of a module: items, their blocks and the lines in these.

What an author decides: whether an item that fits stands on one line, where empty lines are, whether a setting's title has its own line, whether
an order stands behind its time. All else follows from the tokens.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lark import Token, Tree

from caplex.compiler.formatting.bodies import SPACES, Bodies
from caplex.compiler.formatting.columns import Cells, align
from caplex.compiler.formatting.document import (
    GAP,
    LINE,
    WIDTH,
    Block,
    Doc,
    Group,
    Hard,
    Nest,
    flat_width,
)
from caplex.compiler.formatting.expressions import is_word, kind, parts
from caplex.compiler.formatting.tokens import Tok, leaves

_RULES = frozenset(["rule", "limit", "throttle", "cooldown", "kill_switch"])
# Blocks whose lines have columns, and none when all of it is one line.
_COLUMNED = frozenset(["header", "size", "allocate", "input_record", "overrides", "test"])
# Items that stand apart from their neighbours when they are open.
_APART = frozenset([*_RULES, "header", "waiver", "size", "allocate", "answer", "test", "property"])
_SETTING_ORDER = ("range", "safer", "hard", "open", "title")
# What stands between two lines of a block that is written on one line; two spaces where they do not make a sentence.
_ONE = frozenset(["rule", "limit", "throttle", "cooldown", "waiver", "answer", "property"])


@dataclass(slots=True)
class Item:
    """An item: its first token, its layout, whether an empty line parts it from its neighbours in any case.

    *table* says which rows it may stand in columns with; one without *cells* did not fit on its line, and spoils the table. *tail* follows its cells.
    """

    first: Tok
    doc: Doc
    open: bool = False
    table: str = ""
    cells: Cells | None = None
    gaps: tuple[str, ...] = ()
    tail: list[Doc] = field(default_factory=list)


class Layout(Bodies):
    """Layouts of one text. A guard and the labels are laid out once each: their comma is added then."""

    def module(self) -> Doc:
        items = [self._item(child) for child in parts(self.text.tree)]
        self._align(items)
        out: list[Doc] = []
        before: Item | None = None
        for item in items:
            item.first.starts = True
            if before is not None:
                apart = (item.open or before.open) and not _parted(item.first)
                out.append(Hard(blank=item.first.gap or apart))
            out.append(item.doc)
            before = item
        end = self.text.end
        end.starts = True
        return [*out, Hard(blank=bool(end.above) and end.gap and before is not None), end]

    # ── items ────────────────────────────────────────────────────────────────────────────────────────

    def _item(self, node: Tree[Token]) -> Item:
        name = kind(node)
        first = self.first(node)
        children = parts(node)
        if name == "setting":
            return self._setting(node, first)
        if name in ("let", "input_scalar"):
            at = next((number for number, child in enumerate(children) if is_word(child, "=")), len(children))
            type_ = children[2:at] if name == "let" else children[2:4]
            rest = children[at:] if name == "let" else children[4:]
            cells: Cells = [self.spaced(children[:2]), self.spaced(type_) if type_ else None, self.clauses(rest) if rest else None]
            return self._row_item(first, name, cells, SPACES)
        if name == "use":
            at = 3 if len(children) > 2 and is_word(children[2], "as") else 2
            alias = children[2 : at + 1] if at == 3 else []
            arguments = [child for child in children[2:] if kind(child) == "arguments"]
            cells = [self.spaced(children[:2]), self.spaced(alias) if alias else None, self.doc(arguments[0]) if arguments else None]
            if arguments and (flat_width(align([cells], SPACES)[0]) or WIDTH + 1) > WIDTH:
                cells[2] = self.arguments(arguments[0], broken=True)
                return Item(first, align([cells], SPACES)[0], table=name, cells=cells, gaps=SPACES)
            return self._row_item(first, name, cells, SPACES)
        if not any(is_word(child, "{") for child in children):
            return Item(first, self.doc(node))
        return self._braced(node, first)

    def _row_item(self, first: Tok, table: str, cells: Cells, gaps: tuple[str, ...]) -> Item:
        doc = align([cells], gaps)[0]
        width = flat_width(doc)
        row = width is not None and width <= WIDTH
        return Item(first, doc, table=table if row else "", cells=cells, gaps=gaps)

    def _setting(self, node: Tree[Token], first: Tok) -> Item:
        children = parts(node)
        value = children.index(next(child for child in children if is_word(child, "=")))
        clauses = [child for child in children[value + 2 :] if kind(child) != "overrides"]
        cells: Cells = [self.spaced(children[:2]), self.spaced(children[2:value]), self.spaced(children[value : value + 2])]
        head: Doc = align([cells], SPACES)[0]
        laid = {child: self.doc(child) for child in clauses}
        titled = False
        doc: list[Doc] = [head]
        for child in clauses:
            # Where the clauses need a second line, the title may stand on it as well.
            apart = kind(child) == "title" and self.first(child).first and (flat_width(doc) or 0) <= WIDTH
            doc.append(Nest(Group([GAP, laid[child]], broken=apart)))
            titled = titled or apart
        if kind(children[-1]) == "overrides":
            inside = children[-1]
            block, _ = self._block(inside, parts(inside), doc, self._is_line(node))
            return Item(first, block)
        order = [_SETTING_ORDER.index(kind(child)) for child in clauses]
        by_kind = {kind(child): laid[child] for child in clauses}
        tail: list[Doc] = []
        width = flat_width(doc)
        if "title" in by_kind and (titled or width is None or width > WIDTH):
            # The title goes to the next line, and the rest may still be a row.
            title = by_kind.pop("title")
            width = flat_width(doc[:-1])
            tail = [Nest(Group([GAP, title], broken=True))]
        if width is None or width > WIDTH or order != sorted(set(order)):
            return Item(first, doc, table="setting")
        cells += [by_kind.get(name) for name in _SETTING_ORDER]
        return Item(first, doc, table="setting", cells=cells, gaps=(*SPACES, *["  "] * len(_SETTING_ORDER)), tail=tail)

    def _braced(self, node: Tree[Token], first: Tok) -> Item:
        children = parts(node)
        at = next(number for number, child in enumerate(children) if is_word(child, "{"))
        words = [child for child in children[:at] if isinstance(child, Token)]
        head: list[Doc] = []
        for child in children[:at]:
            if isinstance(child, Token):
                head += [" ", self.doc(child)] if head else [self.doc(child)]
            else:
                head.append(Nest(Group([LINE, self.doc(child)]), 4))
        on_line = self._is_line(node)
        doc, opened = self._block(node, children[at:], head, on_line)
        if opened or kind(node) not in _RULES or isinstance(doc, str):
            return Item(first, Block(doc) if kind(node) == "header" else doc, opened and kind(node) in _APART)
        # [word, id, title, attributes, { … }]
        named = next(number for number, word in enumerate(words) if word.type == "RULE_ID")
        title = words[named + 1 :]
        attributes = [child for child in children[:at] if not isinstance(child, Token)]
        assert isinstance(doc, list)
        cells: Cells = [
            self.spaced(words[:named]), self.doc(words[named]), self.spaced(title) if title else None,
            self.spaced(attributes) if attributes else None, doc[len(head) + 1 :],
        ]
        return Item(first, doc, table="rule", cells=cells, gaps=(" ",) * 5)

    def _align(self, items: list[Item]) -> None:
        """Puts the rows that stand directly below each other into columns."""
        run: list[Item] = []
        for item in [*items, None]:
            follows = item is not None and item.table and run and item.table == run[-1].table and not item.first.gap and not item.first.above
            if not follows:
                _into_columns(run)
                run = []
            if item is not None and item.table:
                run.append(item)

    # ── blocks ───────────────────────────────────────────────────────────────────────────────────────

    def _is_line(self, node: Tree[Token]) -> bool:
        """Whether the author wrote all of it on one line."""
        tokens = [self.text.tok(token) for token in leaves(node)]
        return not any(token.first for token in tokens[1:])

    def _block(self, node: Tree[Token], braced: list[Any], head: list[Doc], on_line: bool) -> tuple[Doc, bool]:
        """*head* and ``{ … }``, and whether that is open over several lines."""
        opening, *body, closing = braced
        name = kind(node)
        bottom = self.text.tok(closing)
        self.in_columns = not on_line
        lines = self.bodies.get(name, self.one_each)(body)
        if on_line and lines:
            between = " " if name in _ONE else "  "
            inside: list[Doc] = []
            for _, line in lines:
                inside += [between, line] if inside else [line]
            doc: list[Doc] = [*head, " ", self.doc(opening), " ", inside, " ", self.doc(closing)]
            width = flat_width(doc)
            if width is not None and width <= WIDTH:
                return doc, False
            if name in _COLUMNED:
                self.in_columns = True
                lines = self.bodies[name](body)
        if name == "answer":
            self.last_comma(lines)
        if bottom.above:
            held = Tok("", above=bottom.above)
            lines.append((held, held))
            bottom.above = []
        bottom.blank = False
        if not lines:
            return [*head, " ", self.doc(opening), " ", self.doc(closing)], False
        out: list[Doc] = []
        for number, (first, line) in enumerate(lines):
            first.starts = True
            out += [Hard(blank=number > 0 and first.gap), line]
        return [*head, " ", self.doc(opening), Nest(out), Hard(), self.doc(closing)], True


def _parted(token: Tok) -> bool:
    return token.blank or any(comment.blank for comment in token.above)


def _into_columns(run: list[Item]) -> None:
    cells = [item.cells for item in run if item.cells is not None]
    if run and len(cells) == len(run):
        for item, doc in zip(run, align(cells, run[0].gaps), strict=True):
            item.doc = [doc, *item.tail]
