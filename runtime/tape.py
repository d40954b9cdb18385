"""The columns form of a policy, as data: expressions in order, and what each rule does with the answer.

The compiler writes it from the rule graph; `runtime.columns` runs it over whole columns. What it does not know is said in
`Tape.why`, and then every row is decided one by one.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Op:
    """One expression. *args* are numbers of earlier ones; *payload* is a constant's value or a slot's number.

    Ops are those of the rule graph, `size` being the quantity asked for.
    """

    op: str
    args: tuple[int, ...] = ()
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Step:
    """What one rule does to a row.

    Attributes:
        condition: Where it is true, the rule takes something away.
        doubt: … or the row is for the long way: a hold, an approval, a reserve, a confirmation.
        leg: It leaves the closing leg alone.
        hard: Breaking it denies; else something may be left.
        pieces: Affine pieces (slope, intercept) of a rule that reduces; *strict* ones must stay below zero.
    """

    position: int
    phase: int
    condition: int
    doubt: bool = False
    leg: bool = False
    hard: bool = False
    reduces: bool = False
    pieces: tuple[tuple[int, int], ...] = ()
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Tape:
    """Everything that columns need of a policy.

    Attributes:
        ops: In an order in which each stands after its arguments.
        steps: By position.
        slots: Numbers of the slots that ops read.
        folds: Aggregates: section that each walks over, and the numbers of the slots that it reads.
        why: Why there is no columns form; empty if there is one. *rule* names the first rule in the way, if it is one.
    """

    ops: tuple[Op, ...] = ()
    steps: tuple[Step, ...] = ()
    slots: tuple[int, ...] = ()
    folds: tuple[tuple[str, tuple[int, ...]], ...] = ()
    why: str = ""
    rule: str = ""
