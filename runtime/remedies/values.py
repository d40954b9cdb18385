"""Other values: a number, a yes or a word among the facts, or a number among the settings, at which the intent passes.

The nearest one is searched on a grid of decimals that people would write: where measure and bound are affine in it at
their common root, rounded to the side that passes; else between a value that passes and one that does not, by halving.
Then it is decided again, and so is its neighbour on the grid, which must not pass.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

from caplex.runtime.judge import Case, alone
from caplex.runtime.paths import steps, write
from caplex.runtime.reading import Unreadable, convert
from caplex.runtime.remedies.changing import allowed, held, parts_of, written
from caplex.runtime.remedies.trials import Obstacle, Trial, Trials, stands_in_the_way, with_slots
from caplex.runtime.remedy import Change, Step, StepKind
from caplex.runtime.schema import Kind, Type
from caplex.runtime.texts import human

PLACES = {Kind.MONEY: 2, Kind.PRICE: 2, Kind.RATIO: 6, Kind.QUANTITY: 4, Kind.COUNT: 0, Kind.RATE: 6, Kind.DURATION: 0}
"""Decimals of a value that is offered, by kind."""
FIXED = frozenset({"intent", "market", "instrument", "position", "positions", "orders", "fx"})
"""Sections that nobody changes to make an intent pass: what is asked, what the market says, what is held."""
PAST = frozenset({"account.peak_equity", "account.day_start_equity"})
"""What is over and no longer moves is offered where nothing else is."""
_GROWTH, _PROBES = 4, 24


@dataclass(slots=True)
class Knob:
    """A value that could be another: of a fact, or (*setting*) of a setting.

    Attributes:
        slots: All slots that read it.
        path: Where a change puts it.
        name: What the policy calls it.
    """

    slots: tuple[int, ...]
    type: Type
    value: Any
    path: str
    name: str
    setting: bool = False
    low: Fraction | None = None
    high: Fraction | None = None
    above: Fraction | None = None
    note: str = ""

    @property
    def kind(self) -> StepKind:
        return "setting" if self.setting else "fact"

    def may_be(self, value: Fraction) -> bool:
        low, high, above = self.low, self.high, self.above
        return not ((low is not None and value < low) or (high is not None and value > high) or (above is not None and value <= above))


# ── what could be changed ─────────────────────────────────────────────────────────────────────────────


def knobs(trial: Trial, obstacle: Obstacle, kind: StepKind) -> Iterator[Knob]:
    """Facts or settings that the rule in the way reads."""
    rule = obstacle.rule
    if rule is None or trial.case is None:
        return
    if kind == "setting":
        for slot in rule.settings:
            yield from _setting(trial, slot)
    else:
        yield from sorted((knob for slot in rule.reads for knob in _fact(trial, slot)), key=lambda knob: knob.name in PAST)


def _setting(trial: Trial, slot: int) -> Iterator[Knob]:
    plan, bound = trial.plan, trial.bound
    setting = plan.settings[plan.slots[slot].name]
    value, override = bound.setting_in_force(setting.name)
    if not isinstance(value, Fraction) or setting.type.kind not in PLACES:
        return
    low, high = allowed(setting, override)
    scope = "" if override is None or not override.ranks else " for " + " and ".join(f'{d} "{t}"' for d, (t, _) in zip(override.ranks, override.scopes, strict=True))
    yield Knob((slot,), setting.type, value, setting.name, setting.name, True, low, high, note=scope)


def _fact(trial: Trial, slot: int) -> Iterator[Knob]:
    plan, bound = trial.plan, trial.bound
    spec = plan.slots[slot]
    if spec.kind == "counter":
        value = bound.slots[slot]
        if isinstance(value, Fraction):
            yield Knob((slot,), Type(Kind.COUNT), value, write(("counters", spec.name)), f"counters.{spec.name}", low=Fraction(0))
        return
    declared = plan.schema.field(spec.section, spec.name) if spec.kind == "field" else None
    if declared is None or spec.section in FIXED or declared.derived:
        return
    value = bound.slots[slot]
    if not isinstance(value, bool | str | Fraction) or declared.type.kind not in (*PLACES, Kind.BOOL, Kind.ENUM):
        return
    key = bound.slots[spec.key_slot] if spec.key_slot is not None else spec.key_text
    section = plan.schema.sections[spec.section]
    parts = parts_of(bound.world.path(spec.section, key, spec.name), trial.document)
    if section.scalar and not isinstance(held(trial.document, parts[:-1]), dict):
        parts = parts[:-1]
    try:
        if convert(declared.type, held(trial.document, parts)) != value:
            return  # it was converted on the way, as money of another currency is
    except Unreadable:
        return
    same = tuple(n for n, other in enumerate(plan.slots)
                 if (other.kind, other.section, other.name, other.key_text, other.key_slot) == (spec.kind, spec.section, spec.name, spec.key_text, spec.key_slot))
    name = spec.section if section.scalar else f"{spec.section}[\"{key}\"].{spec.name}" if key is not None else f"{spec.section}.{spec.name}"
    yield Knob(same, declared.type, value, write(parts), name, False, declared.low, declared.high, declared.above)


# ── steps ─────────────────────────────────────────────────────────────────────────────────────────────


def step(trials: Trials, trial: Trial, knob: Knob, targets: list[Obstacle], passes: Callable[[Trial | None], bool], rules: tuple[str, ...],
         *, strict: bool) -> Step | None:
    """The nearest value of *knob* at which *passes*; *targets* are looked at first, without deciding."""
    case = trial.case
    assert case is not None

    def kept(value: Any) -> bool:
        tried = with_slots(case, dict.fromkeys(knob.slots, value))
        return not any(one.rule is not None and stands_in_the_way(alone(tried, one.rule, case.n), case.n, strict=strict) for one in targets)

    def holds(value: Any) -> bool:
        return passes(trials.run((*trial.changes, _change(knob, value))))

    if not isinstance(knob.value, Fraction):
        options = [not knob.value] if isinstance(knob.value, bool) else [word for word in knob.type.members if word != knob.value]
        wanted: Any = next((value for value in options if kept(value) and holds(value)), None)
        return None if wanted is None else _step(trials, knob, wanted, rules)
    unit = Fraction(1, 10 ** PLACES[knob.type.kind])
    wanted = _nearest(knob, kept, _root(case, knob, targets), unit)
    if wanted is None or not holds(wanted):
        return None
    nearer = wanted - unit if wanted > knob.value else wanted + unit
    between = min(wanted, knob.value) < nearer < max(wanted, knob.value)
    return None if between and holds(nearer) else _step(trials, knob, wanted, rules)


def _change(knob: Knob, value: Any) -> Change:
    given = written(value, knob.type) if isinstance(value, Fraction) else value
    return Change(where="policy" if knob.setting else "facts", path=knob.path, value=given)


def _step(trials: Trials, knob: Knob, wanted: Any, rules: tuple[str, ...]) -> Step:
    currency = trials.plan.header.currency
    now, then = (human(value, knob.type, currency) for value in (_at_first(trials, knob), wanted))
    word = "" if not isinstance(wanted, Fraction) else "at least " if wanted > knob.value else "at most "
    verb = "" if word else "is " if not knob.setting else "= "
    text = f"{knob.name}{knob.note} {verb}{word}{then} (now {now})"
    return Step(kind=knob.kind, text=f"a change of the policy: {text}" if knob.setting else text, changes=(_change(knob, wanted),), rules=rules,
                binds=knob.name, now=now, wanted=then)


def _at_first(trials: Trials, knob: Knob) -> Any:
    """Its value before any step was taken."""
    if knob.setting:
        return trials.base.bound.setting_in_force(knob.path)[0]
    try:
        return convert(knob.type, held(trials.document, steps(knob.path)))
    except Unreadable:
        return knob.value


# ── the nearest number ────────────────────────────────────────────────────────────────────────────────


def _root(case: Case, knob: Knob, targets: list[Obstacle]) -> Fraction | None:
    """Where the first target would meet its bound, were both its sides affine in the value."""
    rule = targets[0].rule if targets else None
    if rule is None or not rule.comparison:
        return None

    def excess(value: Fraction) -> Fraction | None:
        observed, bound = with_slots(case, dict.fromkeys(knob.slots, value)).bound.sides(rule, case.n)
        return observed - bound if isinstance(observed, Fraction) and isinstance(bound, Fraction) else None

    here, there = excess(knob.value), excess(knob.value + 1)
    return None if here is None or there is None or here == there else knob.value - here / (there - here)


def _nearest(knob: Knob, kept: Callable[[Fraction], bool], root: Fraction | None, unit: Fraction) -> Fraction | None:
    """The value on the grid, nearest to the one in force, at which *kept*; None if none was found in the declared range."""
    def fits(k: int) -> bool:
        return knob.may_be(k * unit) and kept(k * unit)

    if root is not None:
        for k, beside in ((ceil(root / unit), -1), (floor(root / unit), 1), (ceil(root / unit) + 1, -1), (floor(root / unit) - 1, 1)):
            if (k * unit - knob.value) * beside < 0 and fits(k) and (abs((k + beside) * unit - knob.value) < unit or not fits(k + beside)):
                return k * unit
    found = [k for k in (_outward(fits, knob, unit, 1), _outward(fits, knob, unit, -1)) if k is not None]
    return min((k * unit for k in found), key=lambda value: (abs(value - knob.value), value), default=None)


def _outward(fits: Callable[[int], bool], knob: Knob, unit: Fraction, way: int) -> int | None:
    """Further and further out until one fits, then back by halving."""
    first: int = floor(knob.value / unit) if way > 0 else ceil(knob.value / unit)
    edge = knob.high if way > 0 else knob.low
    most: int | None = None if edge is None else abs((floor(edge / unit) if way > 0 else ceil(edge / unit)) - first)
    last, distance = 0, 1
    for _ in range(_PROBES):
        if most is not None and distance > most:
            distance = most
        if distance <= last:
            return None
        if fits(first + way * distance):
            while distance - last > 1:
                middle = (last + distance) // 2
                last, distance = (last, middle) if fits(first + way * middle) else (middle, distance)
            return first + way * distance
        last, distance = distance, distance * _GROWTH
    return None
