"""Plays the tape: what a group shares is worked out once, in fractions; the rest for many rows at a time, in vectors."""
from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from caplex.runtime import operators, values
from caplex.runtime.columns import vectors
from caplex.runtime.columns.leaves import LOST, Leaf, Leaves, Rows, spread
from caplex.runtime.columns.vectors import NotInColumns, Vec, any_of
from caplex.runtime.tape import Op, Tape
from caplex.runtime.values import UNLIMITED

_ONCE: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": values.divide, "neg": operator.neg, "abs": abs,
    "max": operators.largest, "min": operators.smallest, "lt": values.less, "le": values.at_most, "eq": values.equal, "ne": values.differ,
    "ge": values.at_least, "gt": values.more, "and": values.both, "or": values.either, "not": values.negate, "if": operators.choose,
    "else": operators.instead, "known": operators.is_known, "in": operators.among, "multiple": operators.is_multiple,
}
"""As the traced form has them."""
_MANY: dict[str, Callable[..., Vec]] = {
    "add": vectors.add, "sub": vectors.subtract, "mul": vectors.multiply, "div": vectors.divide, "neg": vectors.negative, "abs": vectors.absolute,
    "max": vectors.largest, "min": lambda a, b: vectors.largest(a, b, smallest=True), "and": vectors.both, "or": vectors.either, "not": vectors.negate,
    "if": vectors.choose, "else": vectors.instead, "known": vectors.known, "multiple": vectors.is_multiple,
}
_ORDER = frozenset({"lt", "le", "eq", "ne", "ge", "gt"})


class Player:
    """The tape over one frame.

    Attributes:
        shared: For each op that does not differ within a group, its value in each group; None for the others.
    """

    def __init__(self, tape: Tape, leaves: Leaves) -> None:
        self.tape, self.leaves, self.count = tape, leaves, len(leaves.bounds)
        self.shared: list[list[Any] | None] = []
        self._spread: dict[int, Leaf] = {}
        for op in tape.ops:
            self.shared.append(self._of_groups(op))

    def _of_groups(self, op: Op) -> list[Any] | None:
        match op.op:
            case "const":
                return [op.payload] * self.count
            case "slot":
                return self.leaves.values.get(op.payload)
            case "size":
                return None if self.leaves.size is not None else self.leaves.sizes
        given = [self.shared[arg] for arg in op.args]
        if any(each is None for each in given):
            return None
        work = _ONCE[op.op]
        return [work(*each) if good else LOST for each, good in zip(zip(*given, strict=True), self.leaves.good, strict=True)]

    def at(self, rows: Rows, size: Vec) -> Playing:
        """The tape at *rows*, judged at *size*."""
        return Playing(self, rows, size)

    def leaf(self, number: int) -> Leaf:
        """A value that groups share, for each row."""
        found = self._spread.get(number)
        if found is None:
            given = self.shared[number]
            assert given is not None
            if any(value is UNLIMITED or isinstance(value, str | frozenset) for value in given):
                raise NotInColumns("a text differs from row to row")
            found = self._spread[number] = spread(given)
        return found


class Playing:
    """Values of ops at some rows, each worked out when first asked for. *judged* stands for a `size` that groups share."""

    def __init__(self, player: Player, rows: Rows, size: Vec) -> None:
        self._player, self._rows, self._size = player, rows, size
        self._known: dict[int, Vec] = {}

    def value(self, number: int) -> Vec:
        found = self._known.get(number)
        if found is None:
            found = self._known[number] = self._work(number)
        return found

    def _work(self, number: int) -> Vec:
        player, op = self._player, self._player.tape.ops[number]
        if op.op == "size":
            return self._size
        if player.shared[number] is not None:
            return player.leaf(number)(self._rows)
        if op.op == "slot":
            return player.leaves.rows[op.payload](self._rows)
        if op.op in _ORDER:
            return self._order(op)
        if op.op == "in":
            return self._among(op)
        return _MANY[op.op](*(self.value(arg) for arg in op.args))

    def _order(self, op: Op) -> Vec:
        left, right = op.args
        for one, other, holds in ((right, left, ("lt", "le", "ne")), (left, right, ("gt", "ge", "ne"))):
            if player_const(self._player, one) is UNLIMITED:
                value = self.value(other)
                return Vec(op.op in holds, bad=any_of(value.bad, value.absent))
        return vectors.compare(op.op, self.value(left), self.value(right))

    def _among(self, op: Op) -> Vec:
        members = player_const(self._player, op.args[1])
        if not isinstance(members, frozenset):
            raise NotInColumns("a set differs from group to group")
        return vectors.among(self.value(op.args[0]), members)


def player_const(player: Player, number: int) -> Any:
    """The constant that an op is; None if it is none."""
    op = player.tape.ops[number]
    return op.payload if op.op == "const" else None
