"""The fast path of a step: an intent that is permitted as it stands, from the state to the journal's line in whole numbers.

The long way makes readings of everything (`live.bind`), judges rule by rule or by the fused function (`quick`), tells the
decision as a document (`telling`) and encodes it. Nearly all of that is the same for two intents that differ in id, time, size
and limit price alone. So what such a *kind* of intent shares is kept:

- `prepared.Prepared`: which slots are settled, and small functions for the others, over the state's own numbers;
- `lines.Line`: the document of an approval and its canonical text, with holes where approvals of the kind differ.

A kind is prepared when it is met first, from the readings that the long way then goes on with, and what it would have given to the
fused function then must be what the long way gave; its line must come out as the long way's document is encoded. What settled
slots rest on is remembered and compared by identity at every intent (rows are replaced, never changed), with the span of time
in which no stamp is too old or from the future.

The long way is the truth. Whatever is not plain goes there, at any moment before the state has been touched: a kind that could
not be prepared, a reading that cannot be used or is finer than its scale, a tripped switch, a book whose totals are not sound,
and every answer but ALLOW. `tests/engine/test_lane.py` runs both ways on drawn streams and compares journals byte by byte;
`Machine(shortcuts=False)` is the long way alone.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.bind import ZERO
from caplex.runtime.canonical import fixed, to_decimal
from caplex.runtime.engine import alike
from caplex.runtime.engine.heard import PlainIntent
from caplex.runtime.engine.kinds import Kind, Kinds, Roster
from caplex.runtime.engine.ledger import NOTHING
from caplex.runtime.engine.lines import Answer, Line
from caplex.runtime.engine.plainly import GRAIN, Odd, grains, thin_out
from caplex.runtime.engine.prepared import Moment, Prepared, Size, account_rows, order_value, prepare
from caplex.runtime.engine.quick import Kept
from caplex.runtime.engine.state import Account, Order, Past, Seen, State
from caplex.runtime.engine.times import stamped
from caplex.runtime.operators import Unusable
from caplex.runtime.reading import read
from caplex.runtime.rows import FUTURE_NS, Row
from caplex.runtime.ruling import Ruling, Verdict
from caplex.runtime.schema import FieldSpec
from caplex.runtime.values import floor_to

if TYPE_CHECKING:
    from caplex.runtime.decision import Core, Decision
    from caplex.runtime.engine.latches import Latches
    from caplex.runtime.engine.lessen import Less, Teller
    from caplex.runtime.engine.live import Desk, LiveBound
    from caplex.runtime.engine.machine import Machine
    from caplex.runtime.plan import Plan

_MOST_SIZES: Final = 8192
_ALLOW: Final = Verdict.ALLOW


class Sheet:
    """An account as it stands: fields that the policy reads by slot, and from when to when they may be read so."""

    __slots__ = ("begin", "day_start", "end", "fees", "fields", "flows", "peak", "row", "rows")

    def __init__(self, held: Account, row: Mapping[str, Any] | None, rows: dict[int, Any], begin: int, end: int) -> None:
        self.fields, self.peak, self.day_start, self.flows, self.fees = held.fields, held.peak, held.day_start, held.flows, held.fees
        self.row, self.rows, self.begin, self.end = row, rows, begin, end


class Swift(Kept):
    """A decision of the fast path. Readings and ruling are put together when somebody asks for more than was told."""

    __slots__ = ("_answer", "_made", "_shape", "_taken")

    _answer: Answer
    _made: LiveBound
    _shape: tuple[Lane, Prepared, Ruling]
    _taken: tuple[Any, ...]

    def to_dict(self) -> dict[str, Any]:
        try:
            return dict(self._told)
        except AttributeError:
            self._told = self._answer.again()  # its own: what a host does to it is not done to the state
            return dict(self._told)

    @property
    def ruling(self) -> Ruling:
        _, _, size, closing, *_ = self._taken
        return replace(self._shape[2], requested=size, quantity=size, closing=Fraction(closing, GRAIN))

    @property
    def _known(self) -> Ruling:  # type: ignore[override]
        return self.ruling

    @property
    def _bound(self) -> Any:
        try:
            return self._made
        except AttributeError:
            from caplex.runtime.engine.again import bound_again

            self._made = bound_again(*self._shape[:2], *self._taken)
            return self._made


class Lane:
    """The fast path of one policy over one desk; what it knows of kinds of intents, sizes and accounts."""

    def __init__(self, plan: Plan, desk: Desk) -> None:
        self.plan, self.desk = plan, desk
        self._kinds = Roster()
        self._elders: dict[Kind, Kinds] | None = {} if alike.shares(plan) else None  # of kinds that differ in the symbol alone, the last that was prepared at length
        self._sizes: dict[tuple[str, str], tuple[Size, Decimal, str] | None] = {}
        self._sheets: dict[str, Sheet] = {}
        self._moment = Moment()
        self._teller: Teller | None = None
        self._spare: tuple[PlainIntent, LiveBound] | None = None  # readings that the long way need not make again
        fields = plan.schema.sections["intent"].fields
        self._specs: dict[str, FieldSpec] = {name: fields[name] for name in ("quantity", "limit_price") if name in fields}

    # ── what an intent is like ───────────────────────────────────────────────────────────────────────

    def kind(self, data: Mapping[str, Any]) -> Kind | None:
        """What the intent shares with others of its kind; None for one that has no kind."""
        if "expires_at" in data or data.get("quantity") is None or data.get("account") is None:
            return None
        rest = dict(data)
        del rest["id"], rest["at"], rest["quantity"]
        limit = rest.pop("limit_price", None)
        return (limit is None, *rest.items())

    def _size(self, name: str, text: Any) -> tuple[Size, Decimal, str] | None:
        """A quantity or a price of the intent, read as rules read it; None if it is unusable or finer than a grain."""
        key = name, text
        try:
            return self._sizes[key]
        except KeyError:
            pass
        spec = self._specs.get(name)
        value = read(spec, text, "") if spec is not None else None
        found = None
        if isinstance(value, Fraction) and value > 0 and (count := grains(value)) is not None:
            found = Size(value, count), to_decimal(value), fixed(count, 8)
        thin_out(self._sizes, _MOST_SIZES)
        self._sizes[key] = found
        return found

    # ── deciding ─────────────────────────────────────────────────────────────────────────────────────

    def decide(self, machine: Machine, event: PlainIntent, account: str, now: int, latches: Latches) -> tuple[Swift, Answer, str] | Less | None:
        """The decision, the document and its text, with all that an approval does to the state; or a denial or reduction, or None, and nothing done."""
        kind = self.kind(event.data)
        if kind is None or latches.tripped or latches.obligations:
            return None
        known = self._kinds.get(kind) or self._kinds.add(kind)
        latched = machine.state.latches
        if known.hopeless or known.pause or (latched and any(latch.tripped for latch in latched.values())):
            known.pause -= known.pause > 0
            return None
        size = self._size("quantity", event.data["quantity"])
        if size is None:
            return None
        limit = None
        if not kind[0]:
            priced = self._size("limit_price", event.data["limit_price"])
            if priced is None:
                return None
            limit = priced[0]
        try:
            found = self._prepared(machine, kind, known, event, account, now)
            moment = self._look(machine.state, found, account, now, size[0], limit)
            core, leg = self._judge(found, moment)
            if core == (size[0].grains, 0, 0):
                line = known.line
                if line is None and known.elder is not None:
                    line = known.line = known.elder.line
                return None if line is None or self._may_trip(found, moment) else self._approve(machine, event, line, found, moment, size, leg)
            if self._teller is None:
                from caplex.runtime.engine.lessen import Teller

                self._teller = Teller(self.plan)
            return self._teller.tell(self, found, moment, core, leg, size[0], self._taken(machine, event, found, moment, size[0], leg))
        except (Odd, Unusable):
            return None

    def _prepared(self, machine: Machine, kind: Kind, known: Kinds, event: PlainIntent, account: str, now: int) -> Prepared:
        """The kind as it is prepared on the present state. Raises Odd."""
        found, state = known.prepared, machine.state
        if found is not None and _holds(found, state, now):
            return found
        symbol, family = event.data.get("symbol"), ()
        if self._elders is not None and symbol is not None:
            family = tuple(each for each in kind if each != ("symbol", symbol))
            elder = self._elders.get(family)
            if elder is not None and elder is not known and elder.prepared is not None and _holds(elder.prepared, state, now):
                found = alike.derive(self.plan, self.desk, elder.prepared, state, account, symbol, now)
                if found is not None:
                    known.prepared, known.elder, known.line = found, elder, elder.line
                    return found
        intent = machine.named(event.data)
        if intent["account"] != event.data["account"]:
            known.hopeless = True
            raise Odd
        from caplex.runtime.engine.live import bind

        bound = bind(machine.policy, state, self.desk, intent, account, now, machine.chain)
        self._spare = event, bound
        self.desk.ledger(bound.world)
        known.prepared = None
        known.failed += 1
        known.pause = 2 ** min(known.failed, 12)
        found = prepare(self.plan, self.desk, bound, state, now)
        if self.desk.plainly is not None and self.desk.plainly.worth(state, found.symbol, now) is None:
            self.desk.plainly.learn(bound.world, found.symbol)
        size = self._size("quantity", event.data["quantity"])
        limit = self._size("limit_price", event.data["limit_price"]) if event.data.get("limit_price") is not None else None
        assert size is not None
        moment = self._look(state, found, account, now, size[0], limit[0] if limit is not None else None)
        self._fill(found, moment)
        if tuple(found.ints) != bound.ints:
            known.hopeless = True
            raise Odd
        known.prepared, known.elder, known.failed, known.pause = found, None, 0, 0
        self._kinds.weigh(known)
        if self._elders is not None and found.symbol == symbol:
            thin_out(self._elders, _MOST_SIZES)
            self._elders[family] = known
        return found

    def _look(self, state: State, found: Prepared, account: str, now: int, size: Size, limit: Size | None) -> Moment:
        """What the functions of slots are told of. Raises Odd."""
        desk, moment = self.desk, self._moment
        plainly = desk.plainly
        held = state.accounts.get(account)
        ledger = desk.follow(state, account, now)
        priced = plainly.worth(state, found.symbol, now) if plainly is not None else None
        if priced is None:
            found.end = found.begin - 1  # prepare it anew
        if held is None or ledger is None or priced is None:
            raise Odd
        if desk.fresh_ns and (priced.stamp_ns is None or now - priced.stamp_ns > desk.fresh_ns):
            raise Odd
        venue, side = found.venue, found.position_side
        if venue is not None and any(each != venue for each in priced.venues):
            raise Odd
        if found.totals and not desk.is_sound(ledger, now):
            raise Odd
        part = ledger.part(found.symbol)
        own = part.own
        if own is None:
            if part is not NOTHING or state.held.get(account, {}).get(found.symbol) or state.working.get(account, {}).get(found.symbol):
                raise Odd
            own = 0, 0, 0, "", ""
        position, buys, sells, there, way = own
        if (there and venue is not None and there != venue) or (way and side is not None and way != side):
            raise Odd
        sheet = self._sheet(state, held, account, now)
        moment.state, moment.account, moment.held, moment.now, moment.ledger, moment.part = state, account, held, now, ledger, part
        moment.position, moment.buys, moment.sells = position, buys, sells
        moment.closable = 0 if found.hedged else max(0, -position - buys if found.buy else position - sells)
        moment.grains, moment.limit, moment.priced, moment.rows = size.grains, limit, priced, sheet.rows
        return moment

    def _sheet(self, state: State, held: Any, account: str, now: int) -> Sheet:
        """The account as it stands. Raises Odd."""
        found = self._sheets.get(account)
        if found is None or not (found.fields is held.fields and found.peak is held.peak and found.day_start is held.day_start
                                 and found.flows is held.flows and found.fees is held.fees):
            from caplex.runtime.engine.live import LiveWorld

            world = LiveWorld(self.plan, state, self.desk, {"now": stamped(now), "intent": {"action": "noop", "account": account}}, account)
            row = (world._layout.accounts or {}).get(account)
            begin, end = -(2**80), 2**80
            if row is not None and row.get("as_of") is not None:
                there = world.row("account")
                at = world.stamp(there) if isinstance(there, Row) else None
                if at is None:
                    raise Odd
                fresh = min((spec.fresh_ns for spec in self.plan.schema.sections["account"].fields.values() if spec.fresh_ns), default=None)
                begin, end = at - FUTURE_NS, end if fresh is None else at + fresh
            thin_out(self._sheets, _MOST_SIZES)
            found = self._sheets[account] = Sheet(held, row, account_rows(self.plan, world), begin, end)
            if row is not None and row.get("currency") not in (None, world.currency):
                found.end = found.begin - 1  # what a rate says may change
        if held.unreconciled is not None or held.outgoing or (held.fields.get("reconciled") not in (None, True)) or not found.begin <= now <= found.end:
            raise Odd
        return found

    def _fill(self, found: Prepared, moment: Moment) -> int:
        """The integers of the fused form; the closing leg. Raises Odd."""
        ints, size, closable, lot = found.ints, moment.grains, moment.closable, found.lot
        leg = min(closable, size)
        top = size if size > closable else closable
        most = (top + lot) // lot * lot if found.most is None else grains_of(floor_to(found.most, Fraction(lot, GRAIN)))
        least = found.least
        if found.least_notional is not None:
            least = max(least, found.least_notional / order_value(moment, buy=found.buy))
        bottom = grains_of(-floor_to(-least, Fraction(lot, GRAIN))) if least else 0
        ints[0], ints[1], ints[3], ints[4], ints[5] = size, leg, lot, most, bottom
        ints[2] = size % lot == 0 and size <= most and (size >= bottom or size <= leg)
        ints[6] = size if found.buy else -size
        fills, stays = found.fills, found.stays
        for place, fill in fills[""]:
            ints[place] = fill(moment)
        if stays[0] is not moment.rows or stays[1] is not moment.state.counters or stays[2] is not moment.priced:
            for group in ("account", "counters", "price"):
                for place, fill in fills[group]:
                    ints[place] = fill(moment)
            stays[:] = moment.rows, moment.state.counters, moment.priced
        return leg

    def _judge(self, found: Prepared, moment: Moment) -> tuple[Core, int]:
        """What the fused form says, and the closing leg. Raises Odd or Unusable."""
        if found.action == "close" and (moment.closable == 0 or moment.grains > moment.closable):
            raise Odd
        leg = self._fill(found, moment)
        assert self.plan.fused is not None
        core = self.plan.fused(*found.ints)
        if core is None:
            raise Odd
        return core, leg

    @staticmethod
    def _may_trip(found: Prepared, moment: Moment) -> bool:
        """Are there so many events that a switch that counts them may trip?"""
        histories = moment.state.histories.get(moment.account)
        for section, amount in found.counts:
            events = histories.get(section) if histories is not None else None
            if events and len(events) >= amount:
                return True
        return False

    def _taken(self, machine: Machine, event: PlainIntent, found: Prepared, moment: Moment, size: Size, leg: int) -> tuple[Any, ...]:
        """What a decision rests on, for `again`."""
        return (event.data, moment.now, size.value, leg, moment.limit, (moment.position, moment.buys, moment.sells, moment.closable), moment.priced,
                tuple(found.ints), self._sheets[moment.account].row, moment.state.counters, machine.policy, machine.chain)

    # ── approving ────────────────────────────────────────────────────────────────────────────────────

    def _approve(
        self, machine: Machine, event: PlainIntent, line: Line, found: Prepared, moment: Moment, size: tuple[Size, Decimal, str], leg: int,
    ) -> tuple[Swift, Answer, str]:
        """What `intents.record` does and tells."""
        state, data, now, name = machine.state, event.data, moment.now, event.id
        assert name is not None
        quantity, decimal, text = size
        reservation, lapse = f"r-{state.seq}", now + machine.ttl_ns
        price = data.get("limit_price")
        order = Order(
            reservation, moment.account, data.get("venue") or "", data["symbol"], "buy" if found.buy else "sell", data.get("position_side") or "",
            "reserved", quantity.value, ZERO, ZERO, price, data.get("strategy"), name, name, None, data.get("reduce_only") is True, lapse, reservation)
        state.set_order(order)
        decision_id = "d-" + sha256(f'{line.start}{event.hash}","{state.seq}"]'.encode("ascii")).hexdigest()[:16]
        notional = fixed(quantity.grains * moment.priced.grains, 16)
        limit = self._size("limit_price", price) if price is not None else None
        closing, opening = (fixed(leg, 8), fixed(quantity.grains - leg, 8)) if leg else ("0", text)
        told, encoded = line.tell(
            event, stamped(now), stamped(lapse), decision_id, machine.chain, text, closing, opening, notional, reservation, state.seq,
            limit[2] if limit is not None else "")
        if "order_events" in self.plan.keep_ns:
            state.past(moment.account, "order_events").append(Past("order_events", now, line.form.row(data, text, notional)))
        state.answer(name, Seen(event.hash, decision_id, now, state.asked_ns, told))
        decision = Swift.__new__(Swift)
        decision._core, decision._answer, decision.verdict, decision.quantity, decision.reason = None, told, _ALLOW, decimal, None
        decision._shape = self, found, line.ruling
        decision._taken = self._taken(machine, event, found, moment, quantity, leg)
        return decision, told, encoded

    def spare(self, event: PlainIntent) -> LiveBound | None:
        """The readings of *event*, if they have just been made: for the long way, once."""
        spare, self._spare = self._spare, None
        return spare[1] if spare is not None and spare[0] is event else None

    def learn(self, machine: Machine, event: PlainIntent, decision: Decision, told: dict[str, Any]) -> None:
        """The line of the kind, from an approval that came the long way."""
        kind = self.kind(event.data)
        known = self._kinds.get(kind) if kind is not None else None
        if known is None or known.line is not None or known.hopeless or type(decision) is not Kept or told["verdict"] != "ALLOW":
            return
        line = Line.read(machine.policy, event, told, decision.ruling)
        if line is None:
            known.hopeless = True
        known.line = line
        if known.elder is not None and known.elder.line is None:
            known.elder.line = line


def _holds(found: Prepared, state: State, now: int) -> bool:
    """Are the rows that *found* was read of there still, and not too old?"""
    inputs, strategies, venues, session, fx = found.tables
    if not (found.begin <= now <= found.end and inputs is state.inputs and strategies is state.strategies and venues is state.venues
            and session is state.session and fx is state.fx):
        return False
    details = state.details.get(found.symbol)
    return (next(iter(details.values()), None) if details else None) is found.details and (
        found.quote is None or next(iter(state.quotes.get(found.symbol, {"": None}).values()), None) is found.quote)


def grains_of(value: Fraction) -> int:
    """Raises Odd."""
    found = grains(value)
    if found is None:
        raise Odd
    return found
