"""A frame of intents as an engine would answer it, in one pass over a state of its own: nothing is told, written or kept.

What the fast lane knows of a kind of intent (`prepared`) is taken as it is: the settled readings and the fused form. What
approvals change is counted here in whole numbers: room by symbol, when it lapses, the windows over orders, the totals of the
book. Whatever is not plain (a reading, a day that begins, a hold, an id that comes twice) is a step of the machine itself: first
it hears what has been approved. If nothing came of it but an approval or a denial, the pass goes on; else everything here is
begun anew from the machine's state.
"""
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from copy import copy
from decimal import Decimal
from fractions import Fraction
from heapq import heapify, heappop
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.canonical import fixed
from caplex.runtime.columns.deciding import fill
from caplex.runtime.engine.asked import PRICE, Asked, NotInOnePass, events_of
from caplex.runtime.engine.live import Desk
from caplex.runtime.engine.meeting import NEVER, ZERO, Known
from caplex.runtime.engine.plainly import GRAIN, Odd, grains
from caplex.runtime.engine.rings import approved
from caplex.runtime.engine.state import Order
from caplex.runtime.engine.strides import ODD, give
from caplex.runtime.operators import Unusable
from caplex.runtime.ruling import Verdict

if TYPE_CHECKING:
    from caplex.runtime.columns.deciding import Result
    from caplex.runtime.columns.places import Sheet
    from caplex.runtime.decision import Decision
    from caplex.runtime.engine.machine import Machine

_MOVED: Final = frozenset({"now", "orders", "positions", "position", "portfolio"})
"""What time and approvals change: a switch that reads it may trip on the way."""


def twin_of(machine: Machine) -> Machine:
    """A machine of its own that begins where *machine* is."""
    twin = copy(machine)
    twin.state, twin.desk = machine.state.fork(), Desk(machine.policy.plan)
    if not machine.shortcuts:
        twin.desk.walk()
    return twin


class Pass:
    """One pass over the rows of *sheet*. *step* takes a row the long way. Raises NotInOnePass.

    Attributes:
        late: Rows that the machine has taken.
    """

    def __init__(self, machine: Machine, sheet: Sheet, step: Callable[[Machine, int], Decision]) -> None:
        self.machine, self.state, self.plan, self._step = machine, machine.state, machine.policy.plan, step
        self._look()
        self.asked = Asked(machine, sheet)
        self.now, self.kind = self.asked.now, self.asked.kind
        self.spent = list(self.asked.sizes)
        self.known = Known(machine, self.asked, self.spent)
        self.nobody = len(machine.policy.names) + 1
        self.late: list[int] = []
        self._begin(0, -NEVER)

    def _look(self) -> None:
        """What the pass does not know."""
        machine, plan, header = self.machine, self.plan, self.plan.header
        if machine.desk.lane is None or machine.unwritten:
            raise NotInOnePass("the policy has something to tell of intents that it permits")
        if {"denials", "violations"} & plan.keep_ns.keys():
            raise NotInOnePass("denials are counted")
        for rule in machine.desk.switches.values():
            if rule.trip_reads & _MOVED or any(trip.confirm is not None or trip.condition is None for trip in rule.trips):
                raise NotInOnePass(f"{rule.id} may trip as time passes, or by what is approved")
        if header.rounding_never or header.modify_never:
            raise NotInOnePass("nothing is rounded or reduced")
        if machine.ttl_ns <= 0:
            raise NotInOnePass("approvals keep no room")

    # ── from the machine's state, and back into it ───────────────────────────────────────────────────

    def _begin(self, row: int, now: int) -> None:
        """Forget everything that was read of the state; the machine knows all that was before *row*, and it is *now*."""
        self.known.begin(row)
        # What has lapsed by now the machine notices when it comes to the account.
        orders = (order for account in self.state.working for order in self.state.flowing(account) if order.status == "reserved")
        self.early = [(order.expires_ns, number, order) for number, order in enumerate(orders) if order.expires_ns is not None and order.expires_ns > now]
        heapify(self.early)
        self.begun = row
        self._until()

    def _until(self) -> None:
        """The next moment at which something that was read no longer counts."""
        known = self.known
        ends = [met.end + 1 for number, met in enumerate(known.kinds) if known.takes[number] is not None]
        self.until = min([*ends, *(each[0] for each in self.early[:1])], default=NEVER)

    def _tell(self, row: int) -> None:
        """The machine hears what has been approved before *row*."""
        state, now, keep, asked, known = self.state, self.now[row], self.plan.keep_ns.get("order_events"), self.asked, self.known
        counted, first = "order_events" in self.plan.keep_ns, known.told
        if not counted or keep is not None:  # what has lapsed, and no window reaches, has left nothing but a name
            first = bisect_left(self.now, now - max(keep or 0, self.machine.ttl_ns), known.told, row)
        gone = range(known.told, first) if self.machine.desk.switches else ()  # a switch may be for each strategy that has traded
        for number in {self.kind[each] for each in gone if self.spent[each]}:
            met = known.kinds[number]
            if met.data.get("strategy"):
                state.traders.setdefault(met.account, set()).add(met.data["strategy"])
        if PRICE in asked.more:
            last = {self.kind[each]: each for each in range(known.told, row)}
            for each in sorted(last.values()):
                for event in events_of(asked.sheet.document(each)):
                    self.machine.step(self.machine.read(event))
        for each in range(first, row):
            size = self.spent[each]
            if not size:
                continue
            met, at, name, limit = known.kinds[self.kind[each]], self.now[each], asked.id(each), asked.limit(each)
            strategy, lapse = met.data.get("strategy"), at + self.machine.ttl_ns
            if lapse > now:
                held = f"r-row-{each}"
                state.set_order(Order(
                    held, met.account, "", met.symbol, "buy" if met.buy else "sell", "", "reserved", Fraction(size, GRAIN), ZERO, ZERO,
                    fixed(limit, 8) if limit else None, strategy, name, name, None, met.data.get("reduce_only") is True, lapse, held))
            state.moved.setdefault(met.account, set()).add(met.symbol)
            if strategy:
                state.traders.setdefault(met.account, set()).add(strategy)
            if counted and (keep is None or now - at <= keep):
                state.past(met.account, "order_events").append(approved(at, met.symbol, met.buy, size, known.value(each), name, limit, met.data))
        known.told = row

    def _elapse(self, row: int, oldest: int) -> int:
        """Room of before the frame lapses, and readings end. The first row that may have room, which was *oldest*."""
        now, known, again = self.now[row], self.known, False
        while self.early and self.early[0][0] <= now:
            order = heappop(self.early)[2]
            room, size = known.rooms.get((order.account, order.symbol)), grains(order.leaves)
            if room is not None and size is not None:
                give(room.grains, room.totals, room.value, size, buy=order.side == "buy")
            again = again or (room is None and order.account in known.books)
        for number, met in enumerate(known.kinds):
            if known.takes[number] is not None and now > met.end:
                again = again or known.totals  # others rest on its price
                known.drop(number)
        if again:
            self._tell(row)
            self._begin(row, now)
        self._until()
        return row if again else oldest

    # ── the rows ─────────────────────────────────────────────────────────────────────────────────────

    def run(self, result: Result) -> None:
        """Answer every row, in order."""
        now, spent, asked, known, kind, ttl = self.now, self.spent, self.asked, self.known, self.kind, self.machine.ttl_ns
        rules, limits = [self.nobody] * len(now), asked.limits if asked.limits is not None else repeat(0)
        mores = zip(*asked.more.values(), strict=True) if asked.more else repeat(())
        oldest, due, until, steps, gives = 0, NEVER if not now else now[0] + ttl, self.until, known.steps, known.gives
        for row, at, which, size, limit, more in zip(range(len(now)), now, asked.route, asked.sizes, limits, mores, strict=False):
            while due <= at:
                if spent[oldest]:
                    gives[kind[oldest]](spent[oldest])  # type: ignore[misc]
                oldest += 1
                due = now[oldest] + ttl
            if at >= until:
                oldest = self._elapse(row, oldest)
                due, until, steps, gives = now[oldest] + ttl, self.until, known.steps, known.gives
            try:
                found = steps[which](at, size, limit, more)
            except (Odd, Unusable):
                found = ODD
            if found is None:
                continue
            if found is ODD:
                found = self._long(row)
                if self.begun > row:  # what came before is in the machine's books
                    oldest, due = row + 1, NEVER if row + 1 == len(now) else now[row + 1] + ttl
                until, steps, gives = self.until, known.steps, known.gives
                if found is None:
                    continue
            rules[row], spent[row] = found
        fill(result, rules, spent, self.nobody, self.late)

    def _long(self, row: int) -> Any:
        """The row's kind is met, or the machine takes the row. What its step says, or None."""
        known, number, now = self.known, self.kind[row], self.now[row]
        if known.takes[number] is None and known.meet(row):
            self.until = min(self.until, known.kinds[number].end + 1)
            try:
                found = known.steps[number](now, self.spent[row], self.asked.limit(row), self.asked.others(row))
            except (Odd, Unusable):
                found = ODD
            if found is not ODD:
                return found
        self._tell(row)
        self._take(row, self._days())
        return None

    def _take(self, row: int, days: list[int | None]) -> None:
        """A step of the machine: if all that came of it is room, the pass goes on."""
        known, now = self.known, self.now[row]
        decision = self._step(self.machine, row)
        self.late.append(row)
        self.spent[row], known.told = 0, row + 1
        size = Decimal(0)
        if decision.verdict in (Verdict.ALLOW, Verdict.MODIFY) and decision.to_dict().get("repeat_of") is None:
            size = decision.quantity.scaleb(8)
        take = known.takes[self.kind[row]]
        strange = bool(size) and (take is None or size != int(size))
        if strange or days != self._days() or any(latch.tripped for latch in self.state.latches.values()):
            self._begin(row + 1, now)
        elif size and take is not None:
            self.spent[row] = int(size)
            take(now, int(size), known.value(row))

    def _days(self) -> list[int | None]:
        return [held.day_ns for held in self.state.accounts.values()]
