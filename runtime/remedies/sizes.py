"""The largest size that passes.

Every rule is kept on its closing leg and on one interval above it (docs/spec.md, CAP-SHAPE-2). So from the size asked
for one goes down: to the largest size that the first rule in the way keeps, and on from there, until none is in the way.
For a limit that reduces that size is a closed formula; for a condition it lies between a size that is kept and one that
is not, and halving finds it on the grid. A narrow interval inside a joint condition may be missed; nothing is promised
that was not decided again.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from caplex.runtime.canonical import grouped, plain
from caplex.runtime.judge import Case, alone
from caplex.runtime.plan import RulePlan
from caplex.runtime.remedies.trials import Trial, Trials, stands_in_the_way
from caplex.runtime.remedy import Change, Step
from caplex.runtime.values import floor_to

ZERO = Fraction(0)
FIELDS = {"open": "quantity", "close": "quantity", "adjust": "delta", "transfer": "amount"}
_ROUNDS = 60


def step(trials: Trials, trial: Trial, rules: tuple[str, ...], *, strict: bool) -> Step | None:
    """The size step from *trial*, decided again; None if no smaller size passes. *strict*: without an approval."""
    case = trial.case
    if case is None or case.action not in FIELDS or not isinstance(case.grid.lot, Fraction):
        return None
    start = case.grid.snap(case.n)
    if not start:
        return None

    def holds(q: Fraction) -> bool:
        tried = trials.run((*trial.changes, change(case, q)))
        return trials.passes(tried, smaller=True) and not (strict and tried is not None and tried.ruling.holds)

    best = largest(case, start, strict=strict)
    if not _is_last(holds, case, best):
        # A ticket's floor is met by no smaller opening leg: then what closes may pass alone.
        best = _by_trials(holds, case, start) if _reads_asked(trial, case) else case.grid.snap(min(case.c, start)) or ZERO
        if not _is_last(holds, case, best):
            return None
    if best <= 0 or best >= case.n:
        return None
    return Step(kind="size", text=_text(trial, case, best), changes=(change(case, best),), rules=rules, now=_units(trial, case, case.n),
                wanted=_units(trial, case, best))


def change(case: Case, q: Fraction) -> Change:
    """The intent asks for *q*."""
    sign = "-" if case.action == "adjust" and case.bound.side == "sell" else ""
    return Change(where="facts", path=f"intent.{FIELDS[case.action]}", value=sign + plain(q))


def _units(trial: Trial, case: Case, q: Fraction) -> str:
    return grouped(plain(q)) + (f" {trial.plan.header.currency}" if case.action == "transfer" else "")


def _text(trial: Trial, case: Case, q: Fraction) -> str:
    return f"at most {_units(trial, case, q)}" + (", which only closes" if q <= case.c and case.n > case.c else "")


def _is_last(holds: Callable[[Fraction], bool], case: Case, best: Fraction) -> bool:
    """Does *best* pass, and the next larger size not?"""
    return best > 0 and holds(best) and (best + case.grid.lot > case.n or not holds(best + case.grid.lot))


def largest(case: Case, q: Fraction, *, strict: bool) -> Fraction:
    """The largest tradable size up to *q* at which no rule is in the way; 0 if there is none."""
    for _ in range(_ROUNDS):
        here = q
        for sys, cap, _leaves in case.extra_caps:
            q = min(q, cap) if sys.startswith("SYS") else q
        for size, cap, _leaves in case.sizes:
            q = min(q, cap) if size.reach == "all opening" else q
        for rule in case.plan.rules:
            if q > 0 and stands_in_the_way(alone(case, rule, q), q, strict=strict):
                q = _below(case, rule, q, strict=strict)
        q = case.grid.snap(q) or ZERO
        if q in (here, ZERO):
            return q
    return ZERO


def helps(case: Case, rule: RulePlan, *, strict: bool) -> bool:
    """Is there a smaller size that *rule*, were it alone, would keep?"""
    return isinstance(case.grid.lot, Fraction) and bool(case.grid.snap(_below(case, rule, case.n, strict=strict)))


def _below(case: Case, rule: RulePlan, q: Fraction, *, strict: bool) -> Fraction:
    """The largest multiple of the lot under *q* that *rule* keeps."""
    standing = alone(case, rule, q)
    if standing.enforcing and rule.effect == "reduce" and standing.state == "broken":
        return standing.cap
    start = min(standing.start, q) if rule.kind != "switch" else standing.cap
    if not rule.reads_size:
        return start

    def kept(p: Fraction) -> bool:
        return not stands_in_the_way(alone(case, rule, p), p, strict=strict)

    return _edge(kept, case, _kept_size(kept, case, rule, start, q), q) or start


def _edge(kept: Callable[[Fraction], bool], case: Case, low: Fraction | None, high: Fraction) -> Fraction | None:
    """The largest multiple of the lot that is kept, between *low*, which is, and *high*, which is not."""
    if low is None:
        return None
    lot: Fraction = case.grid.lot
    first, last = int(low / lot), int(high / lot)
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (middle, last) if kept(middle * lot) else (first, middle)
    return first * lot


def _kept_size(kept: Callable[[Fraction], bool], case: Case, rule: RulePlan, start: Fraction, q: Fraction) -> Fraction | None:
    """Some size between *start* and *q* that is kept."""
    for p in _probes(case, start, q):
        if kept(p):
            return p
    return _least_excess(kept, case, rule, start, q)


def _probes(case: Case, start: Fraction, q: Fraction) -> Iterator[Fraction]:
    lot: Fraction = case.grid.lot
    part = q - start
    for _ in range(40):
        part /= 2
        p = floor_to(start + part, lot)
        if p <= start:
            break
        yield p
    first = floor_to(start, lot) + lot
    if first < q:
        yield first


def _least_excess(kept: Callable[[Fraction], bool], case: Case, rule: RulePlan, start: Fraction, q: Fraction) -> Fraction | None:
    """By thirds, the size at which the measure exceeds its bound least: a convex excess has no other valley."""
    lot: Fraction = case.grid.lot
    upper = rule.comparison in ("<=", "<")

    def excess(k: int) -> Fraction | None:
        observed, bound = case.bound.sides(rule, k * lot)
        if not isinstance(observed, Fraction) or not isinstance(bound, Fraction):
            return None
        return observed - bound if upper else bound - observed

    low, high = int(start / lot), int(q / lot)
    while high - low > 2:
        third = (high - low) // 3
        left, right = excess(low + third), excess(high - third)
        if left is None or right is None:
            return None
        low, high = (low, high - third) if left <= right else (low + third, high)
    return next((k * lot for k in range(low, high + 1) if start < k * lot < q and kept(k * lot)), None)


# ── rules that read the size asked for as a fact ──────────────────────────────────────────────────────


def _reads_asked(trial: Trial, case: Case) -> bool:
    """``intent.amount`` and ``intent.delta`` are facts to a rule: then only deciding again tells."""
    return any(slot.kind == "field" and slot.section == "intent" and slot.name in ("amount", "delta", "quantity") for slot in trial.plan.slots)


def _by_trials(holds: Callable[[Fraction], bool], case: Case, start: Fraction) -> Fraction:
    lot: Fraction = case.grid.lot
    low = next((p for p in _probes(case, ZERO, start) if holds(p)), None)
    best = _edge(holds, case, low, start) if low is not None and not holds(start) else None
    return best if best is not None and _is_last(holds, case, best) and best >= lot else ZERO
