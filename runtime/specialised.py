"""A policy for one intent whose size is still open: everything else is settled, and sizes are looked up between thresholds.

The fused form is run once for each span of sizes in which it takes one path (`along`); what it answered there answers all of them.
Where that cannot be, it is run on the integers of the size, and where it has no answer, the whole document is decided.
"""
from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation, Overflow, Rounded
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.along import FAR, Bent, Path, Size
from caplex.runtime.beside import OF_THE_POSITION, beside
from caplex.runtime.bind import PLACES, Bound, scaled
from caplex.runtime.canonical import from_scaled, to_decimal
from caplex.runtime.decision import Core, Decision, FirstReason
from caplex.runtime.document import Object
from caplex.runtime.facts import Facts
from caplex.runtime.operators import Unusable
from caplex.runtime.plan import Fusion, Plan
from caplex.runtime.reading import read
from caplex.runtime.ruling import Verdict
from caplex.runtime.values import floor_to

if TYPE_CHECKING:
    from caplex.runtime.policy import Policy

_ALLOW, _MODIFY, _DENY = Verdict.ALLOW, Verdict.MODIFY, Verdict.DENY
_NOTHING, _ENDLESS, _UNIT = Decimal(0), Decimal("Infinity"), 10**PLACES
_EXACT: Final = Context(prec=60, traps=[InvalidOperation, Overflow, Rounded])  # what it cannot hold goes the long way
_plain, _over, _sum, _times = _EXACT.normalize, _EXACT.remainder, _EXACT.add, _EXACT.multiply
_DIGITS: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?", re.ASCII)
_MOST_RUNS: Final = 512
"""Runs of the fused form to learn from: where each size has a path of its own, there is nothing to learn."""
Answer = tuple[Verdict, Decimal | None, str | None, Core]
"""The verdict, its quantity (None: all that was asked), the first reason, what the fused form said."""
Span = tuple[Decimal, Verdict, Decimal | None, str | None, Core]
"""The first of some sizes that have one answer, and the answer."""
_END: Final[Span] = (_ENDLESS, _DENY, None, None, (0, 0, 0))


class Specialised:
    """What `Policy.specialise` returns. The document that it was made of must not change meanwhile."""

    __slots__ = ("_bound", "_document", "_spans", "policy")

    def __init__(self, policy: Policy, bound: Bound, document: Any, spans: Spans | None = None) -> None:
        self.policy, self._bound, self._document = policy, bound, document
        self._spans = Spans(known(bound)) if spans is None else spans

    def __repr__(self) -> str:
        return f"<Specialised {self.policy.name} {self.policy.version}, {len(self._spans.table[0])} spans of sizes known>"

    def decide(self, quantity: Any) -> Decision:
        """What `Policy.decide` answers to the document with *quantity* in its intent. Never raises on a bad quantity: it is denied."""
        spans = self._spans
        try:
            size = _plain(quantity) if type(quantity) is Decimal else self._read(quantity)
            lasts, found = spans.table
            first, verdict, permitted, rule, core = found[bisect_left(lasts, size)]
            if size < first or _over(size, spans.lot):
                verdict, permitted, rule, core = spans.answer(size)
        except (ArithmeticError, ValueError):  # what is no number of reasonable length raises one or the other
            return self._in_full(quantity)
        # Written out here, as in `Policy.decide`.
        decision = Sized()
        decision._whose, decision._asked, decision._core, decision.verdict = self, quantity, core, verdict
        if permitted is None:
            decision.quantity, decision.reason = _sum(size, _NOTHING), None  # 1E+2 is 100
            return decision
        reason = SizedReason()
        reason._whose, reason._asked, reason.rule = self, quantity, rule  # type: ignore[assignment]
        decision.quantity, decision.reason = permitted, reason
        return decision

    def at(self, **words: Any) -> Specialised:
        """The same with other words in the intent: ``at(side="sell", limit_price="65000")``. What was read of the book is kept."""
        document = _with(self._document, words)
        if words.keys() == {"limit_price"} and not self._spans.priced:
            return Specialised(self.policy, self._bound, document, self._spans)
        return Specialised(self.policy, self._bind(document), document)

    # ── the document with a size ─────────────────────────────────────────────────────────────────────

    def _sized(self, quantity: Any) -> Bound:
        """The document with *quantity* in its intent."""
        return self._bind(_with(self._document, {"quantity": quantity}))

    def _bind(self, document: Any) -> Bound:
        policy, first = self.policy, self._bound
        facts = Facts(document)
        if first.document or not _alike(policy.plan, document["intent"], self._document["intent"]):
            return policy.bind(facts)
        bound = facts.bound[policy] = beside(policy.plan, document, first)
        bound.policy, bound.facts, bound.names = policy, facts, first.names
        return bound

    def _in_full(self, quantity: Any) -> Decision:
        bound = self._sized(quantity)
        if self._spans.known is None and bound.ints is not None:  # the document has no size, or had none that could be used
            self._spans = Spans(known(bound))
        return self.policy.decide(bound.facts)

    def _read(self, quantity: Any) -> Decimal:
        """*quantity* as rules read it. Raises ArithmeticError where it is no number that the fused form could hold."""
        if type(quantity) is str and _DIGITS.fullmatch(quantity):
            return _plain(Decimal(quantity))
        spec = self.policy.plan.schema.field("intent", "quantity")
        value = read(spec, quantity, "") if spec is not None else None
        if not isinstance(value, Fraction) or not isinstance(scaled(value, PLACES), int):
            raise ArithmeticError
        return _plain(to_decimal(value))


class Sized(Decision):
    """A decision of a specialised policy. The document that it is about is put together when somebody asks for more than was told."""

    __slots__ = ("_asked", "_made", "_whose")

    _asked: Any
    _made: Bound
    _whose: Specialised

    @property
    def _bound(self) -> Any:
        try:
            return self._made
        except AttributeError:
            self._made = self._whose._sized(self._asked)
            return self._made

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        return Decision.from_dict, (self.to_dict(),)


class SizedReason(FirstReason):
    """The first reason of such a decision."""

    __slots__ = ("_asked", "_whose")

    _asked: Any
    _whose: Specialised

    @property
    def _whole(self) -> Any:
        bound = self._whose._sized(self._asked)
        return bound.policy.decide(bound.facts).reasons[0]


def _with(document: Any, words: Mapping[str, Any]) -> Any:
    """*document* with other words in its intent; as it is, where it has none."""
    intent = document.get("intent") if isinstance(document, Mapping) else None
    return _put(document, {"intent": _put(intent, words)}) if isinstance(intent, Mapping) else document


def _put(given: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    put = {**given, **words}
    return Object(list(put.items()), given.duplicates) if isinstance(given, Object) else put


def _alike(plan: Plan, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Do both intents mean the same position, in words that the policy knows?"""
    fields = plan.schema.sections["intent"].fields
    return one.keys() - other.keys() <= fields.keys() and all(one.get(name) == other.get(name) for name in OF_THE_POSITION)


# ── sizes that have one answer ────────────────────────────────────────────────────────────────────────


class Spans:
    """What is known of sizes.

    Attributes:
        table: The last sizes of the spans, in order, and the spans, with one more for all that lies beyond.
        lot: Sizes within a span are multiples of it.
        priced: Does the limit price matter?
    """

    __slots__ = ("_runs", "known", "lot", "priced", "table")

    def __init__(self, known: Known | None) -> None:
        self.known = known
        self.table: tuple[list[Decimal], list[Span]] = [], [_END]
        self.lot = _NOTHING if known is None else from_scaled(known.lot, PLACES)
        self.priced = known is None or known.priced
        self._runs = _MOST_RUNS

    def answer(self, size: Decimal) -> Answer:
        """Of a size of no span. Raises ArithmeticError where the whole document has to be decided."""
        number = _times(size, _UNIT)
        n = int(number)
        if self.known is None or number != n or not 0 < n < FAR:
            raise ArithmeticError
        if self._runs and not n % self.known.lot:
            self._runs -= 1
            try:
                return self._learn(n)
            except Bent:
                pass
        return self._answer(n, self.known.core(n))

    def _learn(self, n: int) -> Answer:
        """The answer at *n*, kept for all sizes that have it in the same way."""
        assert self.known is not None
        path = Path(n)
        answer = self._answer(Size(path), self.known.core(Size(path)))
        first, last = from_scaled(path.low, PLACES), from_scaled(path.high, PLACES)
        lasts, spans = self.table
        at = bisect_left(lasts, last)
        self.table = [*lasts[:at], last, *lasts[at:]], [*spans[:at], (first, *answer), *spans[at:]]  # both at once: others may be looking
        return answer

    def _answer(self, n: Any, core: tuple[Any, int, int] | None) -> Answer:
        """What the fused form said at *n*, a size or all those of a path."""
        assert self.known is not None
        if core is None:
            raise ArithmeticError
        permitted, broken, failing = core
        mask = broken | failing
        whole = bool(permitted == n)
        if not whole and not isinstance(permitted, int):
            raise Bent
        if whole == bool(mask):  # of a size between lots only the traced form knows the reason
            raise ArithmeticError
        if whole:
            return _ALLOW, None, None, (0, 0, 0)
        verdict, quantity = (_MODIFY, from_scaled(permitted, PLACES)) if permitted else (_DENY, _NOTHING)
        return verdict, quantity, self.known.first(mask), (permitted, broken, failing)


class Known:
    """What the fused form is given beside the size, in its units."""

    __slots__ = ("bound", "closing", "fused", "least", "lot", "most", "only_closing", "priced", "rest", "sell")

    def __init__(self, bound: Bound, fused: Fusion, rest: tuple[Any, ...], closing: int, lot: int, most: int | None, least: int, *, priced: bool) -> None:
        self.bound, self.fused, self.rest, self.priced = bound, fused, rest, priced
        self.closing, self.lot, self.most, self.least, self.sell = closing, lot, most, least, bound.direction < 0
        self.only_closing = bound.action == "close" and bound.intent("reduce_only") is not False

    def core(self, n: Any) -> Core | None:
        """What it says at *n*, a whole number or the `Size` of a path whose sizes are multiples of the lot. As `Bound._prelude`."""
        beyond = n > self.closing
        if beyond and self.only_closing:
            return None
        leg, most = self.closing if beyond else n, self.most
        if most is None:
            most = (n if beyond else self.closing) + self.lot
        whole = (isinstance(n, Size) or n % self.lot == 0) and n <= most and (n >= self.least or not beyond)
        try:
            return self.fused(n, leg, whole, self.lot, most, self.least, -n if self.sell else n, *self.rest)
        except Unusable:
            return None

    def first(self, mask: int) -> str:
        """Id of the first reason."""
        if mask < 0:  # the first rule could not read its one value
            return min(self.bound.slots[-1 - mask].leaves).sys  # type: ignore[no-any-return]
        return self.bound.names[(mask & -mask).bit_length() - 1]


def known(bound: Bound) -> Known | None:
    """None where the fused form has no answer, or where more than the prelude depends on the size."""
    ints, plan = bound.ints, bound.plan
    if ints is None or plan.fused is None or bound.action not in ("open", "close") or bound.asked is None:
        return None
    in_force = {*plan.fused_slots, *(number for number, _ in plan.fused_defaults)}
    told = {(slot.section, slot.name) for number, slot in enumerate(plan.slots) if number in in_force or plan.folds}
    if ("intent", "quantity") in told:
        return None
    grid = bound.grid(bound.action, bound.closing)
    most = None if grid.most is None else scaled(floor_to(grid.most, grid.lot), PLACES)
    units = [scaled(bound.closing, PLACES), scaled(grid.lot, PLACES), scaled(bound.least(grid), PLACES)]
    if not all(isinstance(each, int) for each in units) or not (most is None or isinstance(most, int)) or units[1] <= 0:
        return None
    priced = grid.least_notional is not None or not told.isdisjoint({("intent", "limit_price"), ("", "order_value")})
    return Known(bound, plan.fused, ints[7:], units[0], units[1], most, units[2], priced=priced)
