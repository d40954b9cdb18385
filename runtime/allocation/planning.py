"""From facts to shares: freeze, scores, bounds, scale, threshold, in this order. Nothing raises on bad facts: the plan is refused."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from caplex.runtime.allocation.ruling import Cut, Infeasible, Lost, Named, Ruled, Term
from caplex.runtime.allocation.shares import ONE, UNIT, ZERO, fill, printed
from caplex.runtime.bind import Bound
from caplex.runtime.book import Book
from caplex.runtime.facts import World
from caplex.runtime.layout import Entry, pointer
from caplex.runtime.messages import tell_leaf
from caplex.runtime.plan import AllocationPlan, Plan, Reading
from caplex.runtime.reading import read
from caplex.runtime.rows import Row
from caplex.runtime.schema import FieldSpec, Kind, Type
from caplex.runtime.values import UNLIMITED, Leaf, Unknown, unknown

SHARE = FieldSpec("allocation", "share", Type(Kind.RATIO))
_KEPT = ("account", "venue")


class Standpoint(World):
    """A world as the owner of one name sees it: rows of *dimension* are those of *name*. There is no intent."""

    def __init__(self, world: World, dimension: str = "", name: str = "") -> None:
        _ = world._indices  # made once, for all names
        self.__dict__.update(world.__dict__)
        said = world.intent.entry.data if world.intent is not None else {}
        own = {key: said[key] for key in _KEPT if said.get(key) is not None}
        entry = Entry({**own, dimension: name} if dimension else own, "/intent")
        row = self.__dict__["intent"] = Row(self, self.schema.sections["intent"], entry)
        self._tables, self._found = {**world._tables, "intent": [row]}, {}


class Slots(Bound):
    """The slots of one allocation, filled from one standpoint."""

    __slots__ = ()

    def __init__(self, plan: Plan, world: World) -> None:
        self.plan, self.world, self.now = plan, world, world.now
        self.document, self.approved, self.unwritten, self.ints = (), frozenset(), False, None
        self._book = Book(world)
        self.slots = []
        for number, spec in enumerate(plan.slots):
            self.slots.append(self._fill(number, spec))

    def value(self, reading: Reading | None, otherwise: Any = None) -> Any:
        """What *reading* says; *otherwise* for a clause that is not there."""
        return otherwise if reading is None else reading(self.slots, ZERO)


def rule_on(plan: Plan, allocation: AllocationPlan, document: Any, current: Mapping[str, Any] | None = None) -> Ruled:
    """Share out by *allocation*; *current* is the plan in force, that of the facts unless given."""
    world = _world(plan, document)
    if world.document_problems or isinstance(world.now, Unknown):
        leaves = world.document_problems or sorted(world.now.leaves)
        return _refused(in_force(current, None)[0], [Lost(None, leaf) for leaf in leaves])
    previous, lost = in_force(current, world)
    outside = _outside(plan, int(world.now))
    if lost or outside:
        return _refused(previous, lost or [Lost(None, outside)] if outside else lost)
    own = replace(plan, slots=allocation.slots, folds=allocation.folds, settings=allocation.settings)
    return _Sharing(own, allocation, world, previous).ruled()


def _world(plan: Plan, document: Any) -> World:
    header = plan.header
    if isinstance(document, Mapping) and "intent" not in document:
        document = {**document, "intent": {}}  # nobody asks for an order
    return World(plan.schema, document, currency=header.currency, timezone=header.timezone, day_start_ns=header.day_start_ns)


def in_force(current: Mapping[str, Any] | None, world: World | None) -> tuple[dict[str, Fraction] | None, list[Lost]]:
    """The plan in force, exactly, and what of it cannot be read. None, or no shares at all, is no plan."""
    if current is None and world is not None:
        rows = world.rows("allocation")
        found = {} if isinstance(rows, Unknown) else {row.entry.keys["strategy"]: row.cell("share") for row in rows}
    else:
        found = {name: read(SHARE, share, pointer("allocation", name)) for name, share in (current or {}).items()}
    lost = [Lost(name, leaf) for name, share in sorted(found.items()) if isinstance(share, Unknown) for leaf in sorted(share.leaves)]
    return (None if lost or not found else dict(sorted(found.items()))), lost


def _refused(previous: Mapping[str, Fraction] | None, lost: list[Lost]) -> Ruled:
    return Ruled("refused", previous, lost=tuple(dict.fromkeys(lost)))


def _outside(plan: Plan, now: int) -> Leaf | None:
    header = plan.header
    begun = header.effective_from_ns is None or header.effective_from_ns <= now
    over = header.effective_until_ns is not None and header.effective_until_ns <= now
    return None if begun and not over else Leaf("SYS-010", "", "not-in-effect")


class _Sharing:
    """One round."""

    def __init__(self, plan: Plan, allocation: AllocationPlan, world: World, previous: Mapping[str, Fraction] | None) -> None:
        self.plan, self.allocation, self.world, self.previous = plan, allocation, world, previous
        self.all = Slots(plan, Standpoint(world))
        self.lost: dict[Leaf, list[str | None]] = {}
        self.cuts: list[Cut] = []

    def ruled(self) -> Ruled:
        allocation = self.allocation
        frozen = self.all.value(allocation.freeze, False)
        if frozen is not False:
            leaves = sorted(frozen.leaves) if isinstance(frozen, Unknown) else []
            return Ruled("frozen", self.previous, lost=tuple(Lost(None, leaf) for leaf in leaves))
        rows = self.world.rows(allocation.section)
        self._usable(None, rows)
        fixed = {name: self._usable(None, self.all.value(share)) for name, share in allocation.fixed}
        scale = self._scale()
        threshold = self._usable(None, self.all.value(allocation.threshold, ZERO))
        self._cut(self.all, None)
        listed = [] if isinstance(rows, Unknown) else sorted({row.entry.keys[allocation.key] for row in rows} - fixed.keys())
        scored = [self._scored(name) for name in listed] if allocation.score is not None else []
        if self.lost:
            return replace(_refused(self.previous, list(self._told())), cuts=tuple(self.cuts))
        return self._planned(fixed, scored, scale, threshold)

    # ── readings ─────────────────────────────────────────────────────────────────────────────────────

    def _usable(self, name: str | None, value: Any) -> Any:
        """*value*, zero where it cannot be used: then there is no plan, and it is told which reading it was."""
        if not isinstance(value, Unknown):
            return value
        for leaf in sorted(value.leaves):
            self.lost.setdefault(leaf, []).append(name)
        return ZERO

    def _told(self) -> Iterator[Lost]:
        """A reading that several names need is nobody's own."""
        for leaf, names in self.lost.items():
            yield Lost(names[0] if len(set(names)) == 1 else None, leaf)

    def _scale(self) -> Fraction:
        scale = self.all.value(self.allocation.scale, ONE)
        if not isinstance(scale, Unknown) and not ZERO <= scale <= ONE:
            scale = unknown("SYS-004", "scale by", "out-of-range", str(scale), "0..1")
        found: Fraction = self._usable(None, scale)
        return found

    def _scored(self, name: str) -> Named:
        allocation = self.allocation
        slots = Slots(self.plan, Standpoint(self.world, allocation.key, name))
        score = self._usable(name, slots.value(allocation.score))
        floor = self._usable(name, slots.value(allocation.floor, ZERO))
        ceiling = self._usable(name, slots.value(allocation.ceiling, UNLIMITED))
        terms: list[Term] = []
        for term in allocation.terms:
            weight = None if term.weight is None else self._usable(name, slots.value(term.weight))
            value = self._usable(name, slots.value(term.value))
            worth = value if weight is None else weight * value
            terms.append(Term(term.text, weight, value, -worth if term.negative else worth))
        self._cut(slots, name)
        return Named(name, score, ZERO, None, max(floor, ZERO), ONE if ceiling is UNLIMITED else ceiling, tuple(terms))

    def _cut(self, slots: Slots, name: str | None) -> None:
        for cut in self.allocation.cuts:
            values = [slots.value(reading) for reading in (cut.value, cut.low, cut.high)] if cut.each is (name is not None) else []
            if values and all(isinstance(value, Fraction) for value in values):
                value, low, high = values
                used = min(max(value, low), high)
                if used != value:
                    self.cuts.append(Cut(name, f"{cut.section}.{cut.field}", value, used))

    # ── shares ───────────────────────────────────────────────────────────────────────────────────────

    def _planned(self, fixed: Mapping[str, Fraction], scored: list[Named], scale: Fraction, threshold: Fraction) -> Ruled:
        room = ONE - sum(fixed.values(), ZERO)
        floors, ceilings = [each.floor or ZERO for each in scored], [each.ceiling or ZERO for each in scored]
        infeasible = self._infeasible(fixed, scored, room)
        if infeasible is not None and infeasible.bound != "ceiling":
            return Ruled("refused", self.previous, scale=scale, threshold=threshold, infeasible=infeasible, cuts=tuple(self.cuts))
        shares = ceilings if infeasible is not None else fill([max(each.score or ZERO, ZERO) for each in scored], floors, ceilings, room)
        names = [Named(name, None, share, "fixed") for name, share in fixed.items()]
        for each, share in zip(scored, shares, strict=True):
            names.append(replace(each, share=share, bound="ceiling" if share == each.ceiling else "floor" if share == each.floor else None))
        names.sort(key=lambda each: each.name)
        units = printed({each.name: each.share * scale for each in names})
        largest = None if self.previous is None else max(moves(self.previous, units).values(), default=ZERO, key=abs)
        moved = largest is None or self.allocation.threshold is None or abs(largest) >= threshold
        return Ruled("rebalance" if moved else "keep", self.previous, tuple(names), units, scale,
                     None if self.allocation.threshold is None else threshold, None if largest is None else abs(largest), infeasible,
                     cuts=tuple(self.cuts))

    @staticmethod
    def _infeasible(fixed: Mapping[str, Fraction], scored: list[Named], room: Fraction) -> Infeasible | None:
        negative = next((name for name, share in fixed.items() if share < 0), None)
        if room < 0 or negative is not None:
            total, most = (ONE - room, ONE) if negative is None else (fixed[negative], ZERO)
            return Infeasible("fixed", total, most, len(fixed), negative)
        for each in scored:
            if each.floor is not None and each.ceiling is not None and each.floor > each.ceiling:
                return Infeasible("floor", each.floor, each.ceiling, len(scored), each.name)
        floors = sum((each.floor or ZERO for each in scored), ZERO)
        ceilings = sum((each.ceiling or ZERO for each in scored), ZERO)
        if floors > room:
            return Infeasible("floor", floors, room, len(scored))
        return Infeasible("ceiling", ceilings, room, len(scored)) if scored and ceilings < room else None


def moves(previous: Mapping[str, Fraction], units: Mapping[str, int]) -> dict[str, Fraction]:
    """The change of each name in points, as printed; one that is missing on a side has nothing there."""
    return {name: Fraction(units.get(name, 0), UNIT) - previous.get(name, ZERO) for name in sorted({*previous, *units})}


def moved(plan: Plan, allocation: AllocationPlan, document: Any, shares: Mapping[str, Any], current: Mapping[str, Any] | None) -> bool:
    """Would the threshold of *allocation* put *shares* in the place of *current*? Raises ValueError on what cannot be used."""
    world = _world(plan, document)
    old, lost = in_force(current or {}, None)
    new, also = in_force(shares, None)
    leaves = [*world.document_problems, *(each.leaf for each in (*lost, *also))]
    if not leaves and allocation.threshold is not None:
        own = replace(plan, slots=allocation.slots, folds=allocation.folds, settings=allocation.settings)
        threshold = Slots(own, Standpoint(world)).value(allocation.threshold)
        leaves = sorted(threshold.leaves) if isinstance(threshold, Unknown) else []
    if leaves:
        raise ValueError("; ".join(tell_leaf(leaf) for leaf in leaves))
    if old is None or allocation.threshold is None:
        return True
    new = new or {}
    return any(abs(new.get(name, ZERO) - old.get(name, ZERO)) >= threshold for name in {*old, *new})
