"""A frame of intents decided: columns where they can, and `policy.decide` for every row where they cannot."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from caplex.runtime.columns import judging
from caplex.runtime.columns.binding import bind_groups
from caplex.runtime.columns.judging import ALLOW, DENY, HOLD, LATER, MODIFY, Judge
from caplex.runtime.columns.leaves import Leaves, Rows
from caplex.runtime.columns.places import FrameError, Sheet
from caplex.runtime.columns.reading import columns_of, wrapped
from caplex.runtime.columns.roles import groups, roles
from caplex.runtime.columns.vectors import NotInColumns
from caplex.runtime.columns.writing import GRID, written
from caplex.runtime.decision import Decision

if TYPE_CHECKING:
    from caplex.runtime.policy import Policy

CHUNK = 65_536
"""Rows at a time: more wait for memory, fewer for Python."""
VERDICTS = ("ALLOW", "MODIFY", "HOLD", "DENY")
CODES = {"ALLOW": ALLOW, "MODIFY": MODIFY, "HOLD": HOLD, "DENY": DENY}


@dataclass(slots=True)
class Report:
    """How a frame was decided.

    Attributes:
        rows, groups: How many; rows of a group differ in numbers alone.
        fell_back: Rows that were decided one by one.
        why: Why all of them were; empty if columns were tried.
    """

    rows: int = 0
    groups: int = 0
    fell_back: int = 0
    why: str = ""

    @property
    def share(self) -> float:
        return self.fell_back / self.rows if self.rows else 0


@dataclass(slots=True)
class Result:
    """Answers of a frame, row by row: arrays and the words that codes in them stand for."""

    verdict: Any
    rule: Any
    quantity: Any
    scale: int
    late: Any
    """Rows that were decided one by one."""
    rules: list[str]
    numbers: dict[str, int]
    reasons: dict[int, str] = field(default_factory=dict)
    sizes: dict[int, Decimal] = field(default_factory=dict)
    """Quantities that do not fit the array."""


def sheet_of(policy: Policy, frame: Any, base: Mapping[str, Any] | None) -> tuple[Any, Sheet]:
    """The frame behind narwhals, and its cells in their places. Raises FrameError."""
    given = wrapped(frame)
    if base is not None and not isinstance(base, Mapping):
        raise FrameError("the base facts are not an object")
    return given, Sheet(policy.plan.schema, dict(base or {}), columns_of(given), len(given))


def decide_frame(policy: Policy, frame: Any, base: Mapping[str, Any] | None, *, progress: Callable[[int], None] | None = None) -> Any:
    """See `Policy.decide_frame`."""
    given, sheet = sheet_of(policy, frame, base)
    result, report = decide_sheet(policy, sheet, progress)
    return written(policy, given, result), report


def decide_row(policy: Policy, frame: Any, row: int, base: Mapping[str, Any] | None) -> Decision:
    """See `Policy.decide_row`."""
    _, sheet = sheet_of(policy, frame, base)
    if not -sheet.rows <= row < sheet.rows:
        raise FrameError(f"row {row} is not in a frame of {sheet.rows} rows")
    return policy.decide(sheet.document(row % sheet.rows))


def blank(policy: Policy, rows: int) -> Result:
    """Nothing decided yet."""
    rules = [*policy.names, GRID, ""]
    numbers = {name: number for number, name in enumerate(rules)}
    return Result(np.full(rows, LATER, np.int8), np.full(rows, numbers[""], np.int32), np.zeros(rows, np.int64), 0, np.zeros(rows, np.bool_), rules, numbers)


def decide_sheet(policy: Policy, sheet: Sheet, progress: Callable[[int], None] | None = None) -> tuple[Result, Report]:
    result, report = blank(policy, sheet.rows), Report(sheet.rows)
    try:
        _by_columns(policy, sheet, result, report)
    except NotInColumns as reason:
        report.why = str(reason)
        result.verdict[:] = LATER
    result.late = result.verdict == LATER
    late = np.flatnonzero(result.late)
    report.fell_back = len(late)
    _one_by_one(policy, sheet, late, result, progress)
    return result, report


def _by_columns(policy: Policy, sheet: Sheet, result: Result, report: Report) -> None:
    plan = policy.plan
    if plan.columns.why or plan.fused is None:
        raise NotInColumns(plan.columns.why or "the policy has no fast form")
    if not sheet.rows:
        return
    found = roles(plan, sheet)
    group, firsts = groups(found.keys, sheet.rows)
    report.groups = len(firsts)
    bounds, firsts = bind_groups(plan, sheet, found, firsts)
    judge = Judge(plan, Leaves(plan, sheet, found.numbers, bounds, firsts))
    result.scale = judge.scale
    with np.errstate(over="ignore"):  # only in rows that are marked
        for start in range(0, sheet.rows, CHUNK):
            at = slice(start, min(start + CHUNK, sheet.rows))
            answers = judge.judge(Rows(at, group[at]), at.stop - start)
            result.verdict[at], result.rule[at], result.quantity[at] = answers.verdict, answers.rule, answers.quantity


def _one_by_one(policy: Policy, sheet: Sheet, late: Any, result: Result, progress: Callable[[int], None] | None) -> None:
    for done, row in enumerate(late.tolist()):
        enter(policy.decide(sheet.document(row)), row, result)
        if progress is not None and done % 256 == 0:
            progress(done)


def fill(result: Result, rules: list[int], quantities: list[int], nobody: int, late: list[int]) -> None:
    """Write the answers of all rows but those in *late*, which have been entered."""
    rows = np.array(late, np.int64)
    kept = [each[rows] for each in (result.verdict, result.rule, result.quantity)]
    result.rule[:], result.quantity[:] = rules, quantities
    result.verdict[:] = np.where(result.rule == nobody, ALLOW, np.where(result.quantity > 0, MODIFY, DENY))
    result.verdict[rows], result.rule[rows], result.quantity[rows] = kept
    result.late[:] = False
    result.late[rows] = True


def enter(decision: Decision, row: int, result: Result) -> None:
    """Write what one decision says into the arrays."""
    result.verdict[row] = CODES[str(decision.verdict)]
    rule = decision.decided_by or ""
    if rule not in result.numbers:
        result.numbers[rule] = len(result.rules)
        result.rules.append(rule)
    result.rule[row] = result.numbers[rule]
    if rule.startswith("SYS-") and rule != GRID:
        result.reasons[row] = decision.reasons[0]["message"]
    scaled = decision.quantity.scaleb(result.scale)
    if scaled == scaled.to_integral_value() and abs(scaled) < judging.FREE:
        result.quantity[row] = int(scaled)
    else:
        result.sizes[row] = decision.quantity
