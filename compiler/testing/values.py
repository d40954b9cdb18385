"""Values that a test writes, as facts documents hold them."""
from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from caplex.compiler.semantics.constants import NotConstant, evaluate
from caplex.compiler.semantics.model import CheckedModule, MemberBinding, SettingBinding, Value
from caplex.compiler.syntax import ast
from caplex.runtime.canonical import plain
from caplex.runtime.clock import SECOND, exact_instant, format_duration
from caplex.runtime.schema import Kind, Type

Cells = Mapping[str, ast.Expr | ast.Name]


class Values:
    """The values of one row of one test."""

    def __init__(self, checked: CheckedModule, cells: Cells) -> None:
        self.checked, self.cells = checked, cells

    def exact(self, expr: ast.Expr | ast.Name) -> Value:
        """The value; a column's is that of the row. A word is its own text. Raises NotConstant."""
        if isinstance(expr, ast.Name):
            return expr.text
        return evaluate(expr, self._named)

    def _named(self, read: ast.Read) -> Value:
        if not read.steps and read.name in self.cells:
            return self.exact(self.cells[read.name])
        match self.checked.bindings.get(read.id):
            case MemberBinding(value=word):
                return word
            case SettingBinding(name=name):
                return self.checked.settings[name].value
        if not read.steps:
            return read.name
        raise NotConstant(read)

    def json(self, expr: ast.Expr | ast.Name, type: Type) -> Any:
        """The same as a document says it."""
        value = self.exact(expr)
        match value:
            case bool() | str() | None:
                return value
            case frozenset():
                return sorted(value)
            case Fraction():
                return of_number(value, type.kind)

    def told(self, text: str) -> str:
        """*text*, with the values of the row behind the columns that it names."""
        import re

        used = [name for name in self.cells if re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text)]
        return text + (" (" + ", ".join(f"{name} {self.cells[name].span.text}" for name in used) + ")" if used else "")


def of_number(value: Fraction, kind: Kind) -> str:
    match kind:
        case Kind.DURATION:
            return format_duration(int(value))
        case Kind.INSTANT:
            return exact_instant(int(value))
        case Kind.TIME:
            seconds = int(value) // SECOND
            return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        case _:
            return plain(value)
