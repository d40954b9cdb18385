"""The layout of a module: items, their blocks and the lines in these.

What an author decides: whether an item that fits stands on one line, where empty lines are, whether a setting's title has its own line, whether
an order stands behind its time. All else follows from the tokens.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lark import Token, Tree

from caplex.compiler.formatting.columns import Cells, align
from caplex.compiler.formatting.document import (
    GAP,
    LINE,
    SOFT,
    WIDTH,
    Block,
    Doc,
    Group,
    Hard,
    Line,
    Nest,
    Pad,
    broken,
    flat_width,
)
from caplex.compiler.formatting.expressions import Expressions, Node, is_word, kind, parts
from caplex.compiler.formatting.tokens import Text, Tok, leaves

Lines = list[tuple[Tok, Doc]]

_SPACES = (" ", " ", " ")

# How many tokens of a clause are its key; what is not here has none, and stands in no column.
_KEYS = {
    **dict.fromkeys((
        "version", "language", "mode", "currency", "timezone", "owner", "effective", "stages", "closing_skips", "closing_faces",
        "tightest_wins", "overrides_by", "unlimited_clause", "lot", "rounding_never", "modify_never", "size_start", "size_times",
        "score", "floor", "ceiling",
    ), 1),
    **dict.fromkeys(("day_starts", "size_at_most", "size_at_least", "scale"), 2),
}
_LISTS = frozenset(["stages", "closing_skips", "effective"])
_RULES = frozenset(["rule", "limit", "throttle", "cooldown", "kill_switch"])
_TIMES = frozenset(["at", "later"])
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


class Layout(Expressions):
    """Layouts of one text. Each node is laid out once: comments and commas may be moved by it."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self._columns = True
        self._special |= {
            "table": self.table, "only_when": self._only_when, "pair": self._pair, "journal_continues": self._journal,
            "arguments": self._arguments, "guard": self._guard, "override": self._override, "field": self._field,
            "emit_always": self._emit, "emit_when": self._emit,
        }
        self._lines: dict[str, Callable[[list[Any]], Lines]] = {
            "header": self._keyed, "size": self._keyed, "allocate": self._keyed, "input_record": self._fields,
            "overrides": self._overrides, "answer": self._labels, "test": self._steps,
            "limit": self._sentence, "throttle": self._sentence, "cooldown": self._sentence, "waiver": self._sentence,
        }

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
            cells: Cells = [self.spaced(children[:2]), self.spaced(type_) if type_ else None, self._clauses(rest) if rest else None]
            return self._row_item(first, name, cells, _SPACES)
        if name == "use":
            at = 3 if len(children) > 2 and is_word(children[2], "as") else 2
            alias = children[2 : at + 1] if at == 3 else []
            arguments = [child for child in children[2:] if kind(child) == "arguments"]
            cells = [self.spaced(children[:2]), self.spaced(alias) if alias else None, self.doc(arguments[0]) if arguments else None]
            if arguments and (flat_width(align([cells], _SPACES)[0]) or WIDTH + 1) > WIDTH:
                cells[2] = self._arguments(arguments[0], broken=True)
                return Item(first, align([cells], _SPACES)[0], table=name, cells=cells, gaps=_SPACES)
            return self._row_item(first, name, cells, _SPACES)
        if not any(is_word(child, "{") for child in children):
            return Item(first, self.doc(node))
        return self._braced(node, first)

    def _clauses(self, children: list[Any]) -> Doc:
        """``= expr`` of a let; the clauses of a fact, which fill the lines."""
        first, *others = children
        if isinstance(first, Token):
            return self.spaced(children)
        lead: list[Doc] = [" "] if kind(first) == "title" else []
        return [*lead, self.doc(first), *(Nest(Group([GAP if kind(child) == "title" else LINE, self.doc(child)])) for child in others)]

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
        head: Doc = align([cells], _SPACES)[0]
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
        return Item(first, doc, table="setting", cells=cells, gaps=(*_SPACES, *["  "] * len(_SETTING_ORDER)), tail=tail)

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
        self._columns = not on_line
        lines = self._lines.get(name, self._one_each)(body)
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
                self._columns = True
                lines = self._lines[name](body)
        if name == "answer":
            self._last_comma(lines)
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

    def _one_each(self, body: list[Any]) -> Lines:
        return [(self.first(child), self.doc(child)) for child in body]

    def _sentence(self, body: list[Any]) -> Lines:
        """Guard, sentence, because."""
        guards = [child for child in body if kind(child) == "guard"]
        because = [child for child in body if kind(child) == "because"]
        middle = [child for child in body if child not in guards and child not in because]
        lines = self._one_each(guards)
        if kind(middle[-1]) == "breach":
            measure, boundary, bound, breach = middle
            doc: Doc = [self.joined(measure, self.doc(boundary), bound), Nest(Group([GAP, self.doc(breach)]))]
        else:
            doc = self.spaced(middle)
        return [*lines, (self.first(middle[0]), doc), *self._one_each(because)]

    def _keyed(self, body: list[Any]) -> Lines:
        """Clauses with their keys in one column and what they say in another."""
        keys = [_KEYS.get(kind(child) if kind(child) != "allocate_clause" else str(parts(child)[0]), 0) for child in body]
        widths = [len(" ".join(str(word) for word in parts(child)[:key])) for child, key in zip(body, keys, strict=True)]
        column = max(widths, default=0) + 1 if self._columns else 0
        lines: Lines = []
        for child, key, width in zip(body, keys, widths, strict=True):
            if not key:
                lines.append((self.first(child), self.doc(child)))
                continue
            children = parts(child)
            # What a long list goes on with stands below its first name; an expression further in than its beginning.
            value = Nest(self.spaced(children[key:]), column - 2 if kind(child) in _LISTS else column)
            lines.append((self.first(child), [self.spaced(children[:key]), " " * max(column - width, 1), value]))
        return lines

    def _fields(self, body: list[Any]) -> Lines:
        """Fields; in columns if no comment parts them."""
        lines = self._one_each(body)
        if not self._columns or any(first.above for first, _ in lines):
            return lines
        run: list[int] = []
        for number in range(len(lines) + 1):
            if number == len(lines) or lines[number][0].gap:
                cells = [self._field_cells(body[each]) for each in run]
                if all((flat_width(lines[each][1]) or WIDTH) < WIDTH - 2 for each in run):
                    for each, doc in zip(run, align(cells, _SPACES, indent=2, furthest=12), strict=True):
                        lines[each] = (lines[each][0], doc)
                run = []
            run.append(number)
        return lines

    def _field_cells(self, node: Node) -> Cells:
        name, colon, type_, *clauses = parts(node)
        return [self.doc(name), self.spaced([colon, type_]), self._clauses(clauses) if clauses else None]

    def _field(self, node: Node) -> Doc:
        return align([self._field_cells(node)], _SPACES)[0]

    def _overrides(self, body: list[Any]) -> Lines:
        """``tighten for`` above ``loosen  for``."""
        column = max((len(parts(child)[0]) for child in body), default=0) if self._columns else 0
        lines: Lines = []
        for child in body:
            word, *others = parts(child)
            lines.append((self.first(child), [self.doc(word), " " * max(column - len(word) + 1, 1), self.spaced(others)]))
        return lines

    def _override(self, node: Node) -> Doc:
        return self.spaced(parts(node))

    def _labels(self, body: list[Any]) -> Lines:
        lines: Lines = []
        for child in body:
            if is_word(child, ","):
                lines[-1] = (lines[-1][0], [lines[-1][1], self.doc(child)])
            else:
                lines.append((self.first(child), self.doc(child)))
        self._comma_last = bool(body) and is_word(body[-1], ",")
        self._last_label = body[-1] if body else None
        return lines

    def _last_comma(self, lines: Lines) -> None:
        """A list over several lines ends with a comma, so that a line more changes one line."""
        if lines and not self._comma_last:
            lines[-1] = (lines[-1][0], [lines[-1][1], self._comma(self._last_label)])

    def _comma(self, node: Any) -> Tok:
        """A comma that the author left out, directly behind *node*."""
        last = self.text.tok(list(leaves(node))[-1])
        comma = Tok(",", behind=last.behind, column=last.column)
        last.behind = []
        return comma

    def _steps(self, body: list[Any]) -> Lines:
        """Steps of a test. What the author wrote on one line stays on it; a time begins one."""
        rows: list[list[Any]] = []
        # A test that was one line and is too long for it has a line for each step.
        joined = any(self.first(child).first for child in body)
        for child in body:
            first = self.first(child)
            follows = not first.first and not first.above and kind(child) not in _TIMES
            if follows and rows and (joined or kind(rows[-1][-1]) in _TIMES):
                rows[-1].append(child)
            else:
                rows.append([child])
        column = self._time_column(rows) if self._columns else 0
        return [(self.first(row[0]), self._step_row(row, column)) for row in rows]

    def _time_column(self, rows: list[list[Any]]) -> int:
        """How wide the widest time is, of those that keep their orders behind them."""
        wide = [tuple(flat_width(part) for part in (self.doc(row[0]), self._step_row(row, 0))) for row in rows if kind(row[0]) == "at" and len(row) > 1]
        kept = [(time, whole) for time, whole in wide if time is not None and whole is not None and whole + 2 <= WIDTH]
        column = max((time for time, _ in kept), default=0)
        return column if all(whole - time + column + 2 <= WIDTH for time, whole in kept) else 0

    def _step_row(self, row: list[Any], column: int) -> Doc:
        first, *others = map(self.doc, row)
        width = flat_width(first)
        gap = Line(" " * max(column - width + 2, 2)) if width is not None and kind(row[0]) == "at" else GAP
        return Group([first, *([gap if number == 0 else GAP, doc] for number, doc in enumerate(others))])

    # ── sentences with a layout of their own ─────────────────────────────────────────────────────────

    def _guard(self, node: Node) -> Doc:
        """A guard ends with its comma, whether or not it must."""
        children = parts(node)
        comma: list[Doc] = [] if is_word(children[-1], ",") else [self._comma(children[-1])]
        return [self.spaced(children), *comma]

    def _arguments(self, node: Node, *, broken: bool = False) -> Doc:
        """``(a = 1, b = 2)``: on one line, or each on its own."""
        opening, *inside, closing = parts(node)
        arguments = [child for child in inside if kind(child) == "argument"]
        column = max(len(parts(child)[0]) for child in arguments)
        out: list[Doc] = []
        for child in inside:
            if is_word(child, ","):
                out += [self.doc(child), LINE]
                continue
            name, equals, value = parts(child)
            out.append([self.doc(name), Pad(" " * (column - len(name))), " ", self.doc(equals), " ", self.doc(value)])
        return Group([self.doc(opening), Nest([SOFT, out]), SOFT, self.doc(closing)], broken=broken or self.first(arguments[0]).first)

    def _only_when(self, node: Node) -> Doc:
        """``when (…)`` in `rearm`."""
        word, opening, inside, closing = parts(node)
        return [self.doc(word), " ", self._brackets(opening, [self.bracketed(inside)], closing)]

    def _pair(self, node: Node) -> Doc:
        """``price 5 USD``, ``.at 5``"""
        *name, value = parts(node)
        return [[self.doc(part) for part in name], " ", self.doc(value)]

    def _journal(self, node: Node) -> Doc:
        """``journal failure: closing continues``"""
        first, second, colon, *others = parts(node)
        return [self.doc(first), " ", self.doc(second), self.doc(colon), " ", self.spaced(others)]

    def _emit(self, node: Node) -> Doc:
        """The text begins a line if it does not fit."""
        *words, template = parts(node)
        return [self.spaced(words), broken(self.doc(template))]


def _parted(token: Tok) -> bool:
    return token.blank or any(comment.blank for comment in token.above)


def _into_columns(run: list[Item]) -> None:
    cells = [item.cells for item in run if item.cells is not None]
    if run and len(cells) == len(run):
        for item, doc in zip(run, align(cells, run[0].gaps), strict=True):
            item.doc = [doc, *item.tail]

