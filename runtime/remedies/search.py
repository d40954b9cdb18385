"""The search: what one step does, what several do together, and what nothing does.

First each kind of step is tried by itself: a size, an act, a time, a fact, a setting. Where none is enough, a plan is
made: the obstacles are taken in the order of decision, each gets the best step there is for it, and it is decided again,
until the intent passes; once with the size last, once without. What proves superfluous is taken out again.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator

from caplex.runtime.canonical import to_decimal
from caplex.runtime.remedies import acts, sizes, times, values
from caplex.runtime.remedies.trials import Obstacle, Spent, Trial, Trials, obstacles
from caplex.runtime.remedy import Change, Remedy, Step, StepKind
from caplex.runtime.ruling import Verdict

MOST_OFFERS = 5
MOST_STEPS = 6
_MOST: dict[StepKind, int] = {"fact": 2, "setting": 2}
"""Facts and settings that are offered for one rule."""
Passes = Callable[[Trial | None], bool]


def offers(trials: Trials) -> tuple[tuple[Remedy, ...], list[Obstacle]]:
    """What would make the intent pass, best first; and, if nothing does, what stays in the way whatever is done."""
    found: list[Remedy] = []
    stuck: list[Obstacle] = []
    try:
        for step in _alone(trials, trials.base):
            _add(found, trials, [step])
        for with_size in (True, False) if not found else ():
            steps, stuck = _plan(trials, with_size=with_size)
            if not stuck and _is_tight(trials, steps := _pruned(trials, steps)):
                _add(found, trials, steps)
    except Spent:
        pass  # what was found so far was decided again
    return tuple(found[:MOST_OFFERS]), _hard(trials, stuck)


def _is_tight(trials: Trials, steps: list[Step]) -> bool:
    """Where a size comes last: is one lot more too much, after the steps that were left in?"""
    tried = trials.run(changes_of(steps))
    if steps[-1].kind != "size" or tried is None or tried.case is None:
        return True
    case = tried.case
    larger = trials.run((*changes_of(steps[:-1]), sizes.change(case, case.n + case.grid.lot)))
    before = trials.run(changes_of(steps[:-1])) if len(steps) > 1 else trials.base
    asked = before.ruling.requested if before is not None else None
    return (asked is not None and case.n + case.grid.lot > asked) or not trials.passes(larger, smaller=True)


def _hard(trials: Trials, stuck: list[Obstacle]) -> list[Obstacle]:
    """Those of *stuck* that no size removes either; all of them, if each alone could be removed by one."""
    case = trials.base.case
    if case is None:
        return stuck
    return [one for one in stuck if one.rule is None or not sizes.helps(case, one.rule, strict=trials.strict)] or stuck


def _add(found: list[Remedy], trials: Trials, steps: list[Step]) -> None:
    tried = trials.run(changes_of(steps))
    if tried is None or not trials.passes(tried, smaller=steps[-1].kind == "size"):
        return
    ruling = tried.ruling
    quantity = ruling.quantity if ruling.if_approved is None else ruling.if_approved
    roles = tuple(dict.fromkeys(
        reason.approval.role for reason in ruling.reasons if reason.approval is not None)) if ruling.verdict is Verdict.HOLD else ()
    remedy = Remedy(steps=tuple(steps), verdict=ruling.verdict, quantity=to_decimal(quantity), approvals=roles)
    if all(remedy.text != other.text and remedy.changes != other.changes for other in found):
        found.append(remedy)


def changes_of(steps: list[Step]) -> tuple[Change, ...]:
    return tuple(change for step in steps for change in step.changes)


# ── one step ──────────────────────────────────────────────────────────────────────────────────────────


def _alone(trials: Trials, trial: Trial) -> Iterator[Step]:
    """Steps any of which may be enough by itself, best first."""
    standing = obstacles(trial, strict=trials.strict)
    yield from _sizes(trials, trial, standing)
    yield from _steps(trials, trial, standing, trials.passes)


def _sizes(trials: Trials, trial: Trial, standing: list[Obstacle]) -> Iterator[Step]:
    """The largest size that passes; if that wants an approval, also the largest that needs none."""
    for strict in (False, True):
        if strict or not trials.strict:
            step = sizes.step(trials, trial, _ids(standing), strict=strict)
            if step is not None:
                yield step


def _steps(trials: Trials, trial: Trial, targets: list[Obstacle], passes: Passes) -> Iterator[Step]:
    """Steps other than a size that remove *targets*, as *passes* says, by kind: act, time, fact, setting."""
    for one in targets:
        step = acts.rearmed(trial, one) or acts.reconciled(trial, one)
        if step is not None:
            yield step
    if trial.case is None:
        yield from _fresh(trial, targets)
        return
    waiting = times.step(trials, trial, targets, passes, _ids(targets))
    if waiting is not None:
        yield waiting
    yield from _fresh(trial, targets)
    seen: set[str] = set()
    for kind, most in _MOST.items():
        for one in targets:
            count = 0
            for knob in values.knobs(trial, one, kind):
                if count == most or knob.path in seen or (count and knob.name in values.PAST):
                    continue
                seen.add(knob.path)
                step = values.step(trials, trial, knob, [one, *(other for other in targets if other is not one)], passes, _ids(targets),
                                   strict=trials.strict)
                if step is not None:
                    count += 1
                    yield step


def _fresh(trial: Trial, targets: list[Obstacle]) -> Iterator[Step]:
    everything = Obstacle(targets[0].id, leaves=frozenset().union(*(one.leaves for one in targets))) if targets else None
    step = acts.freshened(trial, everything) if everything is not None else None
    if step is not None:
        yield step


def _ids(standing: list[Obstacle]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.id for one in standing))


# ── several steps ─────────────────────────────────────────────────────────────────────────────────────


def _plan(trials: Trials, *, with_size: bool) -> tuple[list[Step], list[Obstacle]]:
    """Steps that together make the intent pass, or as many as there are, and what is still in the way then."""
    steps: list[Step] = []
    standing = obstacles(trials.base, strict=trials.strict)
    for _ in range(MOST_STEPS):
        trial = trials.run(changes_of(steps)) if steps else trials.base
        if trial is None:
            break
        if trials.passes(trial):
            return steps, []
        standing = obstacles(trial, strict=trials.strict) or standing
        if with_size and (last := next(_sizes(trials, trial, standing), None)) is not None:
            return [*steps, last], []
        step = _next(trials, trial, standing)
        if step is None:
            break
        steps.append(step)
    return steps, standing


def _next(trials: Trials, trial: Trial, standing: list[Obstacle]) -> Step | None:
    """A step for the first obstacle that any step removes."""
    for one in standing:
        def gone(tried: Trial | None, one: Obstacle = one) -> bool:
            return tried is not None and _further(trial, tried) and all(not _same(one, other) for other in obstacles(tried, strict=trials.strict))

        for step in _steps(trials, trial, [one], gone):
            tried = trials.run((*trial.changes, *step.changes))
            if step.kind == "operator" or gone(tried):
                return step
    return None


def _same(one: Obstacle, other: Obstacle) -> bool:
    return one.id == other.id and one.leaves <= other.leaves


def _further(trial: Trial, tried: Trial) -> bool:
    """The same size is asked for, and could be judged."""
    if tried.case is None:
        return trial.case is None
    return trial.case is None or tried.case.n >= trial.case.n


def _pruned(trials: Trials, steps: list[Step]) -> list[Step]:
    """Without steps that are not needed."""
    at = 0
    while at < len(steps) and len(steps) > 1:
        fewer = steps[:at] + steps[at + 1 :]
        sized = fewer[-1].kind == "size"
        if trials.passes(trials.run(changes_of(fewer)), smaller=sized):
            steps = fewer
        else:
            at += 1
    return steps
