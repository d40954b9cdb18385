"""Denials and reductions of the fast path: the fused form has said which rules were broken, and only those are told.

What is told of a rule (what it saw, what it allows, its words and terms) comes from the traced form, as on the long way: a
second way to tell it would be a second meaning. But only the rules that took something away are asked, and only the readings
that they ask for are made, out of the whole numbers that were judged. Where the traced form does not say of each of them what
the fused form has said, the intent goes the long way; nothing has been done to the state by then.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from caplex.runtime import outcome, telling
from caplex.runtime.canonical import to_decimal
from caplex.runtime.clock import exact_instant
from caplex.runtime.decision import Told
from caplex.runtime.engine.again import value_of, world_again
from caplex.runtime.engine.lane import Swift
from caplex.runtime.engine.live import LiveBound, LiveFacts
from caplex.runtime.engine.plainly import GRAIN, Odd
from caplex.runtime.engine.prepared import Moment, Prepared, Size, order_value
from caplex.runtime.grid import Grid
from caplex.runtime.judge import Case, Standing, nothing_left, stand
from caplex.runtime.plan import Plan
from caplex.runtime.ruling import Ruling
from caplex.runtime.values import Unknown

if TYPE_CHECKING:
    from caplex.runtime.decision import Core
    from caplex.runtime.engine.lane import Lane


class Less(Swift):
    """A denial or a reduction of the fast path, and its ruling. Readings are put together again when somebody asks for more than was told."""

    __slots__ = ("_lean", "_said")

    _lean: Lean | None
    _said: Ruling

    @property
    def ruling(self) -> Ruling:
        return self._said

    @property
    def _bound(self) -> Any:
        return self._lean if self._lean is not None else super()._bound

    def rest(self) -> Less:
        """The decision as hosts keep it, without the readings of a state that moves on."""
        self._lean = None
        return self


class _Slots(dict[int, Any]):
    """Slots that are read when asked for. What cannot be read is for the long way."""

    __slots__ = ("bound", "ints", "places", "plan", "rows")

    bound: Lean
    ints: tuple[Any, ...]
    places: dict[int, int]
    plan: Plan
    rows: Mapping[int, Any]  # fields of the account

    def __missing__(self, number: int) -> Any:
        spec, place = self.plan.slots[number], self.places.get(number)
        found = value_of(self.ints[place], spec) if place is not None else self.rows[number] if number in self.rows else self.bound._fill(number, spec)
        if isinstance(found, Unknown):
            raise Odd
        self[number] = found
        return found


class Lean(LiveBound):
    """Readings of one intent as the fused form had them; world and book are made if a rule or a text asks for them."""

    __slots__ = ("_grid", "_kind", "_taken")

    _grid: Grid
    _kind: tuple[Lane, Prepared]
    _taken: tuple[Any, ...]

    def __getattr__(self, name: str) -> Any:
        if name not in ("world", "_book"):
            raise AttributeError(name)
        self.world, self._book = world_again(*self._kind, *self._taken)
        return getattr(self, name)

    def grid(self, action: str, closing: Fraction) -> Grid:
        return self._grid

    def book(self, name: str) -> Any:
        return self._taken[6].value if name == "value" else super().book(name)


class Teller:
    """Tells denials and reductions of one policy.

    Attributes:
        places: Where the fused form has a slot.
        switches: Those that count what rules do: they stand behind the rules, and may trip because of them.
        at_length: Mask of the rules that take something away in more ways than one (a switch, a hold, one that somebody may override):
            where one of them did, the whole decision is the long way's.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.places = {number: place for place, number in enumerate(plan.fused_slots, 7)}
        self.switches = tuple(rule for rule in plan.rules if rule.kind == "switch" and any(trip.kind in ("rule", "count") for trip in rule.trips))
        self.at_length = sum(1 << number for number, rule in enumerate(plan.rules) if rule.kind == "switch" or rule.effect == "hold" or rule.overridable is not None)

    def tell(self, lane: Lane, found: Prepared, moment: Moment, core: Core, leg: int, size: Size, taken: tuple[Any, ...]) -> Less:
        """The decision. Raises Odd where the traced form has to say all of it."""
        _, broken, failing = core
        if (broken | failing) < 0 or (broken | failing) & self.at_length:
            raise Odd
        lean = self._lean(lane, found, moment, leg, taken)
        case = Case(self.plan, lean, size.value, Fraction(leg, GRAIN), lean._grid, found.action, lean.now)
        self._judge(case, core, moment.state.histories.get(moment.account) or {})
        ruling = outcome.tell(case, outcome.Request(case.n, case.c, case.action, "buy" if found.buy else "sell"))
        less = Less.__new__(Less)
        less._core, less._shape, less._taken, less._lean, less._said = None, (lane, found, ruling), taken, lean, ruling
        less._told = told = telling.tell(lean.policy, lean.facts, lean, ruling, case)
        less.verdict, less.quantity, less.reason = ruling.verdict, to_decimal(ruling.quantity), Told(told["reasons"][0])
        return less

    def _judge(self, case: Case, core: Core, histories: Mapping[str, Any]) -> None:
        """The rules of *core*, and the switches that count what they do, as `judge` has them. Raises Odd where it comes to something else."""
        permitted, broken, failing = core
        rules, mask, phase = self.plan.rules, broken | failing, 0
        asked, last = [], len(rules)
        while mask:
            asked.append((mask & -mask).bit_length() - 1)
            mask &= mask - 1
        if broken and not permitted and not failing:  # the fused form may have ended with the last one that it names
            last = broken.bit_length()
            asked = [*(number for number in asked if number < last), *self._behind(last)]
        for number in asked:
            rule = rules[number]
            if rule.phase != phase:
                phase = rule.phase
                if nothing_left(case):
                    raise Odd
            if number < last:
                standing = stand(case, rule)
                if standing.state != ("broken" if broken >> number & 1 else "kept"):
                    raise Odd
                standing.fails = bool(failing >> number & 1)
            elif case.action not in rule.actions or (rule.kind != "switch" and case.bound.broken(rule, case.n, case.c) is False):
                continue
            else:
                standing = stand(case, rule)
            if rule.kind == "switch":
                if standing.state not in ("kept", "not-applicable"):
                    raise Odd
                continue
            if standing.state == "unknown" or not standing.enforcing:
                raise Odd
            case.standings.append(standing)
        x = case.grid.snap(min(case.caps()))
        allowed = Fraction(permitted, GRAIN)
        if x is None or allowed not in ((0, x, case.grid.snap(min(x, case.c))) if failing else (x,)):
            raise Odd
        case.x, case.permitted = x, allowed
        self._count(case, histories)

    def _count(self, case: Case, histories: Mapping[str, Any]) -> None:
        """Switches that what was broken may trip. They stand behind the rules, because they take nothing away themselves."""
        violated = {standing.rule.id for standing in case.standings if standing.state == "broken"}
        end = self._end(case)
        for rule in self.switches:
            if rule.phase > end or case.action not in rule.actions:
                continue
            for trip in rule.trips:
                if trip.kind == "rule":
                    near = not violated.isdisjoint(trip.rules)
                elif trip.kind == "count":
                    amount = trip.amount(case.bound.slots, case.n) if trip.amount is not None else None
                    near = not isinstance(amount, Fraction) or len(histories.get(trip.events) or ()) + len(violated) + 1 >= amount
                else:
                    continue
                if near:
                    if case.bound.scope(rule) is not None:
                        case.standings.append(Standing(rule, "kept", case.n))
                    break

    @staticmethod
    def _end(case: Case) -> int:
        """The last phase that was judged."""
        standings, least = case.standings, case.n
        for number, standing in enumerate(standings):
            least = min(least, standing.cap)
            if (number + 1 == len(standings) or standings[number + 1].rule.phase != standing.rule.phase) and case.grid.snap(least) == 0:
                return standing.rule.phase
        return case.plan.rules[-1].phase if case.plan.rules else 0

    def _behind(self, number: int) -> Iterator[int]:
        """The rest of the phase of the rule before *number*: it is judged, whatever the rules before it have left."""
        rules = self.plan.rules
        phase = rules[number - 1].phase
        while number < len(rules) and rules[number].phase == phase:
            yield number
            number += 1

    def _lean(self, lane: Lane, found: Prepared, moment: Moment, leg: int, taken: tuple[Any, ...]) -> Lean:
        data, now, size, _, _, own, _, ints, _, _, policy, chain = taken
        if found.known is None:
            slots = found.bound.slots
            found.known = {number: slots[number] for number in found.settled if not isinstance(slots[number], Unknown)}
        lean = Lean.__new__(Lean)
        filled = _Slots(found.known)
        filled.bound, filled.ints, filled.places, filled.plan, filled.rows = lean, ints, self.places, self.plan, moment.rows
        facts = LiveFacts({"now": exact_instant(now), "intent": {name: value for name, value in data.items() if name != "type"}}, chain)
        lean.plan, lean.approved, lean.unwritten, lean.document, lean.now, lean.ints, lean.slots = (
            self.plan, frozenset(), False, (), Fraction(now), ints, filled)  # type: ignore[assignment]
        lean.action, lean.closing, lean.asked_decimal = found.action, Fraction(own[3], GRAIN), to_decimal(size)
        lean.policy, lean.facts, lean.names = policy, facts, policy.names
        lean._kind, lean._taken = (lane, found), taken
        lean._grid = Grid(Fraction(found.lot, GRAIN), Fraction(leg, GRAIN), most=found.most, least_quantity=found.least or None,
                          least_notional=found.least_notional, unit=order_value(moment, buy=found.buy))
        return lean
