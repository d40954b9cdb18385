"""Facts bound to one policy: every slot read once, exactly; and as scaled integers where all of them are plain."""
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from caplex.runtime.book import Book
from caplex.runtime.canonical import to_decimal
from caplex.runtime.facts import Row, World
from caplex.runtime.grid import Grid
from caplex.runtime.layout import pointer
from caplex.runtime.operators import TRAP, rows_of
from caplex.runtime.overrides import candidates
from caplex.runtime.plan import Override, Plan, RulePlan, SettingPlan, SlotSpec
from caplex.runtime.switches import after_arming
from caplex.runtime.values import (
    ABSENT,
    UNLIMITED,
    Leaf,
    Truth,
    Unknown,
    at_least,
    both,
    either,
    equal,
    floor_to,
    less,
    merge,
    more,
    unknown,
)

ZERO = Fraction(0)
PLACES = 8
UNIT = 10**PLACES
"""Units of the fused form per unit of quantity."""
TRADES = frozenset({"open", "close", "adjust"})


class Bound:
    """The slots of *plan*, filled from *document*.

    Attributes:
        slots: One value a slot: exact number, text, bool, set, ABSENT, or Unknown.
        ints: What the fused form unpacks, or None where it cannot answer.
        approved: Rules whose hold has been lifted; only an engine knows, and no document may claim it.
        unwritten: The journal cannot be written and the policy lets closing continue; only an engine knows.
        policy, facts, names: Set by `Policy.bind`, for decisions that are told later.
    """

    __slots__ = ("_book", "action", "approved", "asked_decimal", "closing", "document", "facts", "ints", "names", "now", "plan", "policy", "slots", "unwritten", "world")

    policy: Any
    facts: Any
    names: tuple[str, ...]

    def __init__(self, plan: Plan, document: Any, *, world: World | None = None, book: Book | None = None) -> None:
        """*world* and *book* stand for what would be made of *document*: an engine has them at hand."""
        header = plan.header
        self.plan = plan
        self.approved: frozenset[str] = frozenset()
        self.unwritten = False
        if world is None:
            world = World(plan.schema, document, currency=header.currency, timezone=header.timezone, day_start_ns=header.day_start_ns)
        self.world = world
        self.document: tuple[Leaf, ...] = tuple(self.world.document_problems)
        self.now: Any = self.world.now
        self.ints: tuple[Any, ...] | None = None
        self.slots: list[Any] = []
        if self.document:
            return
        self._book = book if book is not None else Book(self.world)
        self.action: Any = self._book.action
        self.closing: Fraction = self._book.c
        for number, spec in enumerate(plan.slots):
            self.slots.append(self._fill(number, spec))
        if plan.fused is not None:
            self.ints = self._integers()

    # ── slots ────────────────────────────────────────────────────────────────────────────────────────

    def _fill(self, number: int, spec: SlotSpec) -> Any:
        match spec.kind:
            case "field":
                return self._field(spec)
            case "book":
                return self.book(spec.name)
            case "setting":
                return self._setting(self.plan.settings[spec.name])[0]
            case "switch":
                return self._switch(spec.name)
            case "counter":
                return self.world.counter(spec.name)
            case "now":
                return self.now
            case "fold":
                return self.plan.folds[number](self.world, self.slots)
            case "permitted":
                return ZERO

    def _field(self, spec: SlotSpec) -> Any:
        key: Any = spec.key_text
        if spec.key_slot is not None:
            key = self.slots[spec.key_slot]
            if isinstance(key, Unknown):
                return key
            if key is ABSENT:
                return unknown("SYS-001", f"/{spec.section}", "missing")
        if spec.section == "intent" and spec.name == "side":
            return self.book("side")
        value = self.world.cell(spec.section, key, spec.name)
        if value is ABSENT and not spec.optional:
            return unknown("SYS-001", self.world.path(spec.section, key, spec.name), "missing")
        return value

    def settle(self, permitted: Fraction) -> None:
        """Tell the texts and labels, which are evaluated after the verdict, what is permitted."""
        for number, spec in enumerate(self.plan.slots):
            if spec.kind == "permitted":
                self.slots[number] = permitted

    def setting_in_force(self, name: str) -> tuple[Any, Override | None]:
        """Value of a setting here, and the override that gave it."""
        return self._setting(self.plan.settings[name])

    def _setting(self, setting: SettingPlan) -> tuple[Any, Override | None]:
        if not setting.overrides:
            return setting.value, None
        matching: list[Override] = []
        lost: list[Unknown] = []
        for override in candidates(self.plan, setting, self._scope_value):
            if override.until_ns is not None and not (isinstance(self.now, Fraction) and self.now < override.until_ns):
                continue
            fits = both(*(equal(self._scope_value(slot), text) for text, slot in override.scopes))
            if isinstance(fits, Unknown):
                lost.append(fits)
            elif fits:
                matching.append(override)
        if lost:
            return merge(*lost), None
        if not matching:
            return setting.value, None
        if any(override.scopes for override in matching):  # what was approved for all stands in for the default: it counts if nothing else does
            matching = [override for override in matching if override.scopes]
        best = min(matching, key=lambda o: self._rank(setting, o)) if setting.order != "tightest" else _tightest(setting, matching)
        return best.value, best

    def _scope_value(self, slot: int) -> Any:
        return self.slots[slot] if slot < len(self.slots) else self._fill(slot, self.plan.slots[slot])

    @staticmethod
    def _rank(setting: SettingPlan, override: Override) -> tuple[bool, ...]:
        """Tightens before the rest; then who names the first dimension of the declared order that the other does not."""
        named = {dimension.removesuffix(".value") for dimension in override.ranks} | set(override.ranks)
        return (override.kind != "tighten", *(dimension not in named for dimension in setting.order))

    def _switch(self, name: str) -> Any:
        scope = self.scope(self.plan.rule(name))
        return scope if isinstance(scope, Unknown) else "armed" if scope is None else self.world.switch(name, scope)

    def scope(self, rule: RulePlan) -> tuple[tuple[str, str], ...] | Unknown | None:
        """The scope of a switch for this intent, as pairs of dimension and value; None if it concerns others only.

        A document of one account or venue need not name it; any other dimension that is not told leaves the scope unknown.
        """
        found: list[tuple[str, Any]] = []
        for dimension in rule.scope:
            if dimension in ("account", "venue") and self.world.claim(dimension) is None:
                continue
            section, field = ("intent", dimension) if self.plan.schema.field("intent", dimension) else (dimension, "value")
            value = self.world.cell(section, None, field)
            if rule.scope_is is not None and not isinstance(value, Unknown) and value != rule.scope_is:
                return None
            found.append((dimension, unknown("SYS-001", pointer("intent", dimension), "missing") if value is ABSENT else value))
        lost = merge(*(value for _, value in found))
        return tuple(found) if lost is None else lost

    def confirming(self, rule: RulePlan, clause: int) -> tuple[int, Fraction | None]:
        """Earlier readings that held, and since when, from the row of the switch."""
        scope = self.scope(rule)
        return self.world.confirming(rule.id, scope if isinstance(scope, tuple) else (), clause)

    # ── positions, legs, the grid ────────────────────────────────────────────────────────────────────

    def book(self, name: str) -> Any:
        """A value that follows from positions and orders, by the name that the graph gives it."""
        book = self._book
        buy = isinstance(book.side, str) and book.side == "buy"
        match name:
            case "position":
                return book.P
            case "base":
                if isinstance(book.side, Unknown):
                    return book.side
                return book.P + book.OB if buy else book.P - book.OS
            case "others_net":
                if isinstance(book.side, Unknown):
                    return book.side
                return book.others_net_buy if buy else book.others_net_sell
            case "day_start":
                return self.world.day_start
            case "closing":
                return book.closable
            case "side":
                return book.side
        return getattr(book, _BOOK[name])

    @property
    def side(self) -> str | None:
        return self._book.side if isinstance(self._book.side, str) else None

    @property
    def direction(self) -> Any:
        return self._book.direction

    @property
    def reconciled(self) -> bool:
        """Do the books fit the venue's, as far as anybody says? What cannot be read does not."""
        row = self.world.row("account") if "account" in self.plan.schema.sections else None
        return not isinstance(row, Row) or row.entry.data.get("reconciled") is None or row.cell("reconciled") is True

    @property
    def asked(self) -> Any:
        """The size in the document: None if it gives none."""
        return self._book.n_requested

    @property
    def closable(self) -> Any:
        """The closing leg before the size is known, or Unknown."""
        return self._book.closable

    @property
    def lot(self) -> Any:
        """Smallest step: of the instrument, else of the header; money moves in hundredths."""
        trade = isinstance(self.action, str) and self.action in TRADES
        lot = self._book.lot if trade else ABSENT
        if lot is not ABSENT:
            return lot
        if self.plan.header.lot is not None:
            return self.plan.header.lot
        return unknown("SYS-001", self._book.lot_path, "missing") if trade else Fraction(1, 100)

    def intent(self, name: str) -> Any:
        return self.world.cell("intent", None, name)

    def grid(self, action: str, closing: Fraction) -> Grid:
        if action in ("cancel", "noop"):
            return Grid(Fraction(1), closing)
        if action == "transfer":
            return Grid(self.lot, closing)
        book = self._book
        most, least, money = (None if v is ABSENT else v for v in (book.max_quantity, book.min_quantity, book.min_notional))
        return Grid(self.lot, closing, most=most, least_quantity=least, least_notional=money, unit=book.order_value)

    # ── what a rule says at a size ───────────────────────────────────────────────────────────────────

    def broken(self, rule: RulePlan, q: Fraction, c: Fraction) -> Truth:
        """Its `when` holds and it is not kept at *q*; *c* closes. The closing leg is not yet left alone here."""
        assert rule.broken is not None
        slots = self.slots
        broken = rule.broken(slots, q)
        if rule.reserve is not None and rule.observed is not None and rule.bound is not None:
            most = rule.bound(slots, q)
            if most is not UNLIMITED:
                broken = either(broken, both(more(q, c), at_least(rule.observed(slots, q), most - rule.reserve(slots, q))))
        return both(rule.when(slots, q), broken) if rule.when else broken

    def sides(self, rule: RulePlan, q: Fraction) -> tuple[Any, Any]:
        """What a rule measures and what it allows; a throttle that is not full allows what its reserve leaves."""
        observed = rule.observed(self.slots, q) if rule.observed else None
        bound = rule.bound(self.slots, q) if rule.bound else None
        if rule.reserve is not None and bound is not UNLIMITED and less(observed, bound) is True:
            bound = bound - rule.reserve(self.slots, q)
        return observed, bound

    def tally(self, events: str, window: Any, since: Fraction | None, before: int, matches: Callable[..., bool]) -> Any:
        """How many events of a history inside *window*, and not before *since* (nor among the first *before* of that instant), *matches*
        by rule, severity and family."""
        rows = rows_of(self.world, events, window, False)
        if isinstance(rows, Unknown):
            return rows
        cells = [[row.cell(name) for name in ("rule", "severity", "family")] for row in after_arming(rows, since, before)]
        return sum(matches(*(cell if isinstance(cell, str) else None for cell in row)) for row in cells)

    # ── integers ─────────────────────────────────────────────────────────────────────────────────────

    def _integers(self) -> tuple[Any, ...] | None:
        """Prelude and slots of the fused form; None if anything is unusable or finer than its scale."""
        book = self._book
        if not isinstance(self.action, str) or self.action not in TRADES or not isinstance(self.now, Fraction):
            return None
        n = self._requested()
        if n is None or not self.reconciled or isinstance(book.direction, Unknown) or isinstance(book.closable, Unknown):
            return None
        self.asked_decimal = to_decimal(n)
        prelude = self._prelude(n)
        if prelude is None:
            return None
        found: list[Any] = list(prelude)
        for number in self.plan.fused_slots:
            value = self.slots[number]
            value = TRAP if isinstance(value, Unknown) else scaled(value, self.plan.slots[number].scale)
            if value is _UNFIT or (value is TRAP and number in self.plan.fused_known):
                return None
            found.append(value)
        for number, default in self.plan.fused_defaults:
            value = self.slots[number]
            value = default if value is ABSENT else TRAP if isinstance(value, Unknown) else scaled(value, self.plan.slots[number].scale)
            if value is _UNFIT:
                return None
            found.append(value)
        return tuple(found)

    def _requested(self) -> Fraction | None:
        asked, c = self._book.n_requested, self.closing
        if isinstance(asked, Unknown):
            return None
        if self.action == "close":
            if c == 0 or (asked is not None and asked > c and self.intent("reduce_only") is not False):
                return None
            return c if asked is None else asked
        return asked if isinstance(asked, Fraction) else None

    def _prelude(self, n: Fraction) -> tuple[Any, ...] | None:
        grid = self.grid(self.action, self.closing)
        if grid.leaves or not isinstance(grid.lot, Fraction):
            return None
        least = self.least(grid)
        most = grid.most if grid.most is not None else max(n, self.closing) + grid.lot
        values = [n, min(self.closing, n), grid.lot, floor_to(most, grid.lot), least]
        units = [scaled(value, PLACES) for value in values]
        if _UNFIT in units:
            return None
        size, leg, lot, top, bottom = units
        whole = size % lot == 0 and size <= top and (size >= bottom or size <= leg)
        return size, leg, whole, lot, top, bottom, size if self._book.direction > 0 else -size


    @staticmethod
    def least(grid: Grid) -> Fraction:
        """The smallest multiple of the lot that is large enough; the readings of *grid* can be used."""
        least: Fraction = grid.least_quantity or ZERO
        if grid.least_notional is not None:
            least = max(least, grid.least_notional / grid.unit)
        return -floor_to(-least, grid.lot)


_BOOK = {"value": "V", "order_value": "order_value", "direction": "direction", "others_gross": "others_gross", "held_gross": "held_gross",
         "held_net": "held_net", "held_count": "position_count", "committed_count": "committed_count"}
_UNFIT = object()


def scaled(value: Any, scale: int | None) -> Any:
    """*value* as the fused form wants it: an integer in units of ``10**-scale``, a text as it is, None for absence."""
    if isinstance(value, Fraction):
        if scale is None:
            return _UNFIT
        number, rest = divmod(value.numerator * 10**scale, value.denominator)
        return _UNFIT if rest else number
    if value is ABSENT:
        return None
    return _UNFIT if value is UNLIMITED else value


def _tightest(setting: SettingPlan, matching: list[Override]) -> Override:
    """The safest value among those that match; without a safer side the first as written."""
    def key(override: Override) -> Any:
        value = override.value
        above = 1 if value is UNLIMITED else 0
        number = ZERO if value is UNLIMITED or not isinstance(value, Fraction) else value
        return (above, number) if setting.safer != "higher" else (-above, -number)

    return matching[0] if setting.safer is None else min(matching, key=key)
