"""The traced form: one callable per expression of each rule, over exact values that may be absent or unknown.

It is the whole meaning of a policy: the fused form (`codegen.scalar`) is only a faster way to the same verdict.
"""
from __future__ import annotations

from fractions import Fraction
from typing import Any

from caplex.compiler.graph.ir import Fold, RuleGraph

BINARY = {"add": "({0} + {1})", "sub": "({0} - {1})", "mul": "({0} * {1})", "div": "divide({0}, {1})", "max": "largest({0}, {1})",
          "min": "smallest({0}, {1})", "lt": "less({0}, {1})", "le": "at_most({0}, {1})", "eq": "equal({0}, {1})",
          "ne": "differ({0}, {1})", "ge": "at_least({0}, {1})", "gt": "more({0}, {1})", "and": "both({0}, {1})",
          "or": "either({0}, {1})", "not": "negate({0})", "neg": "(-{0})", "abs": "abs({0})", "if": "choose({0}, {1}, {2})",
          "else": "instead({0}, {1})", "known": "is_known({0})", "in": "among({0}, {1})", "multiple": "is_multiple({0}, {1})"}


class Traced:
    """Writes functions; constants are collected under the names ``k0``, ``k1`` …, never as source text."""

    def __init__(self, graph: RuleGraph) -> None:
        self.graph = graph
        self.constants: dict[str, Any] = {}
        self._names: dict[Any, str] = {}

    def over(self, graph: RuleGraph) -> Traced:
        """A writer of another graph whose functions are linked together with these: constants have one name."""
        other = Traced(graph)
        other.constants, other._names = self.constants, self._names
        return other

    def constant(self, value: Any) -> str:
        # A fraction by its parts: its hash takes a division.
        key = (type(value), value) if value.__class__ is not Fraction else (value.numerator, value.denominator, Fraction)
        if key not in self._names:
            self._names[key] = f"k{len(self._names)}"
            self.constants[self._names[key]] = value
        return self._names[key]

    def function(self, name: str, root: int, note: str = "") -> str:
        """``def name(s, q)`` whose value is the node *root*. Nodes used more than once get a line of their own."""
        nodes = self.graph.nodes
        order = sorted(self._reach(root))
        uses: dict[int, int] = {}
        for number in order:
            for arg in nodes[number].args:
                uses[arg] = uses.get(arg, 0) + 1
        said: dict[int, str] = {}
        lines = [f"def {name}(s, q):" + (f"  # {note}" if note else "")]
        for number in order:
            text = self.text(number, said)
            if uses.get(number, 0) > 1 and nodes[number].op not in ("const", "slot", "size", "row"):
                lines.append(f"    v{number} = {text}")
                text = f"v{number}"
            said[number] = text
        lines.append(f"    return {said[root]}")
        return "\n".join(lines) + "\n"

    def fold(self, name: str, root: int) -> str:
        """``def name(w, s)``: the value of a fold over the rows of the world *w*."""
        node = self.graph.nodes[root]
        return f"def {name}(w, s):\n    return {self._fold(node.payload, {})}\n"

    def row(self, name: str, variable: str, root: int) -> str:
        """``def name(row)``: what one row says."""
        return f"def {name}(row_{variable}):\n    return {self.inline(root)}\n"

    def _reach(self, root: int) -> set[int]:
        """Nodes below *root*, not going into folds: their rows are known only inside."""
        nodes = self.graph.nodes
        seen: set[int] = set()
        stack = [root]
        while stack:
            number = stack.pop()
            if number not in seen:
                seen.add(number)
                node = nodes[number]
                if node.args and node.op != "fold":
                    stack.extend(node.args)
        return seen

    def inline(self, number: int) -> str:
        """The node as one expression."""
        said: dict[int, str] = {}
        for each in sorted(self._reach(number)):
            said[each] = self.text(each, said)
        return said[number]

    def text(self, number: int, said: dict[int, str]) -> str:
        node = self.graph.nodes[number]
        form = BINARY.get(node.op)
        if form is not None:
            return form.format(*[said[a] for a in node.args])
        match node.op:
            case "const":
                return self.constant(node.payload)
            case "slot":
                return f"s[{node.payload}]"
            case "size":
                return "q"
            case "row":
                variable, field = node.payload
                return f"row_{variable}.cell({self.constant(field)})"
            case "fold":
                return self._fold(node.payload, said)
            case "need":
                variable, field = self.graph.nodes[node.args[0]].payload
                return f"need(row_{variable}, {self.constant(field)})"
            case "set":
                return f"members({', '.join(said[a] for a in node.args)})"
        raise AssertionError(f"no form for {node.op}")

    def _fold(self, fold: Fold, said: dict[int, str]) -> str:
        def row(number: int | None) -> str:
            return "None" if number is None else f"lambda row_{fold.variable}: {self.inline(number)}"

        window = "None" if fold.window is None else said.get(fold.window) or self.inline(fold.window)
        rows = f"rows_of(w, {self.constant(fold.section)}, {window}, {fold.today})"
        return f"fold({self.constant(fold.function)}, {rows}, {row(fold.where)}, {row(fold.body)})"
