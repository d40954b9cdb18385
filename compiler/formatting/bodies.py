"""The lines inside a block: which there are, and their columns; and the sentences that have a layout of their own."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lark import Token

from caplex.compiler.formatting.columns import Cells, align
from caplex.compiler.formatting.document import GAP, LINE, SOFT, WIDTH, Doc, Group, Line, Nest, Pad, broken, flat_width
from caplex.compiler.formatting.expressions import Expressions, Node, is_word, kind, parts
from caplex.compiler.formatting.tokens import Text, Tok, leaves

Lines = list[tuple[Tok, Doc]]

SPACES = (" ", " ", " ")

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
_TIMES = frozenset(["at", "later"])


class Bodies(Expressions):
    """Layouts of the lines in blocks.

    Attributes:
        in_columns: Whether they stand below each other; else all are put on one line.
        bodies: What makes the lines of a block, by its kind; a line for each part is the rule.
    """

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.in_columns = True
        self._special |= {
            "table": self.table, "only_when": self._only_when, "pair": self._pair, "journal_continues": self._journal,
            "arguments": self.arguments, "guard": self._guard, "override": self._override, "field": self._field,
            "emit_always": self._emit, "emit_when": self._emit,
        }
        self.bodies: dict[str, Callable[[list[Any]], Lines]] = {
            "header": self._keyed, "size": self._keyed, "allocate": self._keyed, "input_record": self._fields,
            "overrides": self._overrides, "answer": self._labels, "test": self._steps,
            "limit": self._sentence, "throttle": self._sentence, "cooldown": self._sentence, "waiver": self._sentence,
        }

    def clauses(self, children: list[Any]) -> Doc:
        """``= expr`` of a let; the clauses of a fact, which fill the lines."""
        first, *others = children
        if isinstance(first, Token):
            return self.spaced(children)
        lead: list[Doc] = [" "] if kind(first) == "title" else []
        return [*lead, self.doc(first), *(Nest(Group([GAP if kind(child) == "title" else LINE, self.doc(child)])) for child in others)]

    def one_each(self, body: list[Any]) -> Lines:
        return [(self.first(child), self.doc(child)) for child in body]

    def _sentence(self, body: list[Any]) -> Lines:
        """Guard, sentence, because."""
        guards = [child for child in body if kind(child) == "guard"]
        because = [child for child in body if kind(child) == "because"]
        middle = [child for child in body if child not in guards and child not in because]
        lines = self.one_each(guards)
        if kind(middle[-1]) == "breach":
            measure, boundary, bound, breach = middle
            doc: Doc = [self.joined(measure, self.doc(boundary), bound), Nest(Group([GAP, self.doc(breach)]))]
        else:
            doc = self.spaced(middle)
        return [*lines, (self.first(middle[0]), doc), *self.one_each(because)]

    def _keyed(self, body: list[Any]) -> Lines:
        """Clauses with their keys in one column and what they say in another."""
        keys = [_KEYS.get(kind(child) if kind(child) != "allocate_clause" else str(parts(child)[0]), 0) for child in body]
        widths = [len(" ".join(str(word) for word in parts(child)[:key])) for child, key in zip(body, keys, strict=True)]
        column = max(widths, default=0) + 1 if self.in_columns else 0
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
        lines = self.one_each(body)
        if not self.in_columns or any(first.above for first, _ in lines):
            return lines
        run: list[int] = []
        for number in range(len(lines) + 1):
            if number == len(lines) or lines[number][0].gap:
                cells = [self._field_cells(body[each]) for each in run]
                if all((flat_width(lines[each][1]) or WIDTH) < WIDTH - 2 for each in run):
                    for each, doc in zip(run, align(cells, SPACES, indent=2, furthest=12), strict=True):
                        lines[each] = (lines[each][0], doc)
                run = []
            run.append(number)
        return lines

    def _field_cells(self, node: Node) -> Cells:
        name, colon, type_, *clauses = parts(node)
        return [self.doc(name), self.spaced([colon, type_]), self.clauses(clauses) if clauses else None]

    def _field(self, node: Node) -> Doc:
        return align([self._field_cells(node)], SPACES)[0]

    def _overrides(self, body: list[Any]) -> Lines:
        """``tighten for`` above ``loosen  for``."""
        column = max((len(parts(child)[0]) for child in body), default=0) if self.in_columns else 0
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

    def last_comma(self, lines: Lines) -> None:
        """A list over several lines ends with a comma, so that a line more changes one line."""
        if lines and not self._comma_last:
            lines[-1] = (lines[-1][0], [lines[-1][1], self._comma(self._last_label)])

    def _comma(self, node: Any) -> Tok:
        """A comma that the author left out, directly behind *node*."""
        last = self.text.tok(list(leaves(node))[-1])
        comma = Tok(",", behind=last.behind, column=last.column, space=last.space)
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
        column = self._time_column(rows) if self.in_columns else 0
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

    def arguments(self, node: Node, *, broken: bool = False) -> Doc:
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
