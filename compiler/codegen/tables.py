"""Rules alike in the fused form: one loop over rows of a table, in the place of a line for each rule.

Rows under a text are looked up; sorted ones end at the first row that is kept. What rows have in common is worked out before
the loop, and only where there are rows.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from caplex.compiler.codegen.expressions import Expressions
from caplex.compiler.codegen.numbers import Num
from caplex.compiler.graph import shape
from caplex.compiler.graph.families import Family, by_key, has_hole
from caplex.compiler.graph.ir import COMPARISONS, LOGIC, RuleGraph

STEP = "    "
_TRUTHS = COMPARISONS | LOGIC | {"known", "in", "multiple"}


class Tables(Expressions):
    """Writes loops over rows. ``p`` is the position of a row's rule, ``k0``, ``k1`` … are its constants."""

    def __init__(self, graph: RuleGraph) -> None:
        super().__init__(graph)
        self._named: dict[int, str] = {}

    def _table(self, family: Family) -> str:
        """Name of the table with the rows of *family*: by key, or one after the other."""
        first = family.template.position
        if first not in self._named:
            self._named[first] = name = f"ROWS_{len(self._named)}"
            found = {key: tuple((row.position, *row.cells) if family.holes else row.position for row in rows) for key, rows in by_key(family).items()}
            self.constants[name] = found if family.keys else found[()]
        return self._named[first]

    def _rows(self, family: Family, roots: Iterable[int], tell: Callable[[], None], *, ordered: bool = False) -> None:
        """A loop in which *tell* says what is done with one row; *roots* are what it works out."""
        nums, texts, indent = dict(self._nums), dict(self._texts), self._indent
        table, note = self._table(family), f"  # {family.template.id} and {len(family.rules) - 1} alike"
        columns = ", ".join(("p", *(hole.name for hole in family.holes)))
        if family.keys:
            keys = ", ".join(self._text(key) for key in family.keys)
            looked = f"{table}.get({keys if len(family.keys) == 1 else f'({keys})'}, ())"
            self._say(f"rows = {looked}{note}")
            self._say("if rows:")
            self._indent += STEP
        begun = len(self.lines)
        for root in roots:
            self._before(root)
        if ordered and family.factor is not None and not shape.non_negative(self.graph, family.factor):
            self._say(f"if {self._num(family.factor).code} < 0: return None")  # then thresholds would be the other way round
        if family.keys and len(self.lines) == begun:
            del self.lines[-2:]
            self._indent = indent
            self._say(f"for {columns} in {looked}:{note}")
        else:
            self._say(f"for {columns} in {'rows:' if family.keys else table + ':' + note}")
        self._indent += STEP
        tell()
        self._nums, self._texts, self._indent = nums, texts, indent  # what was worked out inside is not there behind it

    def _before(self, number: int) -> None:
        """Work out what below *number* is the same for all rows."""
        node = self.graph.nodes[number]
        if node.op in ("const", "slot", "size", "hole"):
            return
        if has_hole(self.graph, number):
            for arg in node.args:
                self._before(arg)
        elif self._numeric(number):
            found = self._num(number)
            if not found.code.isidentifier() and found.constant is None:
                self._say(f"v{number} = {found.code}")
                self._nums[number] = Num(f"v{number}", found.scale, found.den)
        elif node.op in _TRUTHS:
            text = self._bool(number)
            if not text.isidentifier():
                self._say(f"v{number} = {text}")
                self._texts[number] = f"v{number}"

    def _bit(self, position: int) -> str:
        return str(1 << position) if position < 64 else f"1 << {position}"

    def _bits(self, mask: int) -> str:
        """*mask* as source text; a wide one is a constant by name."""
        return str(mask) if mask.bit_length() <= 64 else self._constant(mask)


def shown(value: Any, most: int = 3) -> str:
    """A constant as a listing shows it: sets in one order, of a table its first rows, of a wide mask how many rules are in it."""
    if isinstance(value, frozenset) and value:
        return f"frozenset({{{', '.join(sorted(map(repr, value)))}}})"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"bits of {value.bit_count()} rules"
    if isinstance(value, dict):
        return f"{{{', '.join([f'{key!r}: {shown(rows, most)}' for key, rows in list(value.items())[:most]] + _more(value, most))}}}"
    if isinstance(value, tuple):
        return f"({', '.join([shown(each, 1_000) for each in value[:most]] + _more(value, most))}{',' if len(value) == 1 else ''})"
    return repr(value)


def _more(value: Any, most: int) -> list[str]:
    return [f"… {len(value) - most} more"] if len(value) > most else []
