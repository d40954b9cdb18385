"""What an allocation means, on its own: the rules of docs/spec.md (CAP-ALLOC) one after the other, by other arithmetic than the engine's."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from caplex.compiler.reference.book import Book
from caplex.compiler.reference.expressions import Reader
from caplex.compiler.semantics import model
from caplex.compiler.semantics.sharing import section_of
from caplex.compiler.syntax import ast
from caplex.runtime.allocation.ruling import Infeasible, Lost, Named, Ruled
from caplex.runtime.facts import World
from caplex.runtime.layout import Entry
from caplex.runtime.rows import Row
from caplex.runtime.schema import SectionSpec
from caplex.runtime.values import ABSENT, UNLIMITED, Leaf, Unknown

ZERO, ONE = Fraction(0), Fraction(1)
SMALLEST = Fraction(1, 10**12)


def shares_on(checked: model.CheckedModule, name: str, document: Mapping[str, Any], current: Mapping[str, Fraction] | None) -> Ruled:
    """What the allocation *name* of *checked* says; terms and cuts, which only tell, are left out. *current* is the plan in force."""
    item = next(item for alias, module in checked.modules.items() for item in module.items
                if isinstance(item, ast.Allocate) and name == (f"{alias}.{item.name.text}" if alias else item.name.text))
    previous = dict(sorted(current.items())) if current else None
    policy = checked.policy
    world = _world(checked, {"intent": {}, **document})
    if world.document_problems or isinstance(world.now, Unknown):
        return Ruled("refused", previous, lost=tuple(Lost(None, leaf) for leaf in world.document_problems))
    if (policy.effective_from_ns or 0) > world.now or (policy.effective_until_ns is not None and world.now >= policy.effective_until_ns):
        return Ruled("refused", previous, lost=(Lost(None, Leaf("SYS-010", "", "not-in-effect")),))
    section = section_of(checked.schema.sections, item.across.text)
    assert section is not None
    return Round(checked, item, section, document, world, previous).ruled()


def _world(checked: model.CheckedModule, document: Mapping[str, Any]) -> World:
    policy = checked.policy
    return World(checked.schema, document, currency=policy.currency, timezone=policy.timezone, day_start_ns=policy.day_start_ns)


@dataclass
class Claimant:
    """A name that shares in what is not fixed: at least *low*, at most *high*; *got* once it is settled."""

    name: str
    score: Fraction
    low: Fraction
    high: Fraction
    got: Fraction | None = None


@dataclass
class Round:
    checked: model.CheckedModule
    item: ast.Allocate
    section: SectionSpec
    document: Mapping[str, Any]
    world: World
    previous: Mapping[str, Fraction] | None
    unusable: list[tuple[str | None, Leaf]] = field(default_factory=list)

    def ruled(self) -> Ruled:
        freeze = self._clause("freeze when")
        if freeze is not None:
            frozen = self._reader(None).value(freeze, ZERO)
            if frozen is not False:
                return Ruled("frozen", self.previous, lost=tuple(Lost(None, leaf) for leaf in sorted(_leaves(frozen))))
        rows = self.world.rows(self.section.name)
        self._need(None, rows)
        fixed = {clause.subject or "": self._need(None, self._reader(None).value(clause.value, ZERO))
                 for clause in self.item.clauses if clause.kind == "fixed"}
        scale = self._once("scale by", ONE)
        if not 0 <= scale <= 1:
            self.unusable.append((None, Leaf("SYS-004", "scale by", "out-of-range", str(scale), "0..1")))
        threshold = self._once("rebalance when", ZERO)
        claimants = list(self._claimants(rows, fixed)) if self._clause("score") is not None and not isinstance(rows, Unknown) else []
        if self.unusable:
            return Ruled("refused", self.previous, lost=tuple(self._lost()))
        return self._shared_out(fixed, claimants, scale, threshold)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    def _clause(self, kind: str) -> ast.Expr | None:
        return next((clause.value for clause in self.item.clauses if clause.kind == kind), None)

    def _reader(self, name: str | None) -> Reader:
        """Whoever reads for *name* finds the rows of *name* as an intent of that name would; for all, there is no such name."""
        own = {} if name is None else {self.section.key or "": name}
        kept = {key: value for key, value in (self.document.get("intent") or {}).items() if key in ("account", "venue")}
        world = _world(self.checked, {**self.document, "intent": {}})
        intent = Row(world, self.checked.schema.sections["intent"], Entry({**kept, **own}, "/intent"))
        world.__dict__["intent"], world._tables["intent"] = intent, [intent]
        return Reader(self.checked, world, Book(world))

    def _need(self, name: str | None, value: Any) -> Any:
        leaves = _leaves(value)
        self.unusable += [(name, leaf) for leaf in sorted(leaves)]
        return ZERO if leaves else value

    def _once(self, kind: str, otherwise: Fraction) -> Fraction:
        clause = self._clause(kind)
        value: Fraction = otherwise if clause is None else self._need(None, self._reader(None).value(clause, ZERO))
        return value

    def _claimants(self, rows: list[Row], fixed: Mapping[str, Fraction]) -> Iterator[Claimant]:
        names = {row.entry.keys[self.section.key or ""] for row in rows}
        for name in sorted(names.difference(fixed)):
            reader = self._reader(name)
            said: dict[str, Any] = {}
            for kind, otherwise in (("score", ZERO), ("floor", ZERO), ("ceiling", UNLIMITED)):
                clause = self._clause(kind)
                said[kind] = otherwise if clause is None else self._need(name, reader.value(clause, ZERO))
            high = ONE if said["ceiling"] is UNLIMITED else said["ceiling"]
            yield Claimant(name, said["score"], max(said["floor"], ZERO), high)

    def _lost(self) -> Iterator[Lost]:
        seen: dict[Leaf, set[str | None]] = {}
        for name, leaf in self.unusable:
            seen.setdefault(leaf, set()).add(name)
        for leaf, names in seen.items():
            yield Lost(next(iter(names)) if len(names) == 1 else None, leaf)

    # ── sharing ──────────────────────────────────────────────────────────────────────────────────────

    def _shared_out(self, fixed: Mapping[str, Fraction], claimants: list[Claimant], scale: Fraction, threshold: Fraction) -> Ruled:
        room = ONE - sum(fixed.values())
        found = _infeasible(fixed, claimants, room)
        asked = None if self._clause("rebalance when") is None else threshold
        if found is not None and found.bound != "ceiling":
            return Ruled("refused", self.previous, scale=scale, threshold=threshold, infeasible=found)
        settle(claimants, room if found is None else found.total)
        names = [Named(name, None, share, "fixed") for name, share in fixed.items()]
        for each in claimants:
            assert each.got is not None
            bound = "ceiling" if each.got == each.high else "floor" if each.got == each.low else None
            names.append(Named(each.name, each.score, each.got, bound, each.low, each.high))  # type: ignore[arg-type]
        names.sort(key=lambda each: each.name)
        units = print_shares({each.name: each.share * scale for each in names})
        plan = Ruled("rebalance", self.previous, tuple(names), units, scale, asked, None, found)
        if self.previous is None:
            return plan
        largest = max((abs(units.get(name, 0) * SMALLEST - self.previous.get(name, ZERO)) for name in set(units) | set(self.previous)), default=ZERO)
        return replace(plan, state="rebalance" if asked is None or largest >= asked else "keep", largest=largest)


def _leaves(value: Any) -> frozenset[Leaf]:
    assert value is not ABSENT
    return value.leaves if isinstance(value, Unknown) else frozenset()


def _infeasible(fixed: Mapping[str, Fraction], claimants: list[Claimant], room: Fraction) -> Infeasible | None:
    for name, share in fixed.items():
        if share < 0:
            return Infeasible("fixed", share, ZERO, len(fixed), name)
    if room < 0:
        return Infeasible("fixed", sum(fixed.values(), ZERO), ONE, len(fixed))
    for each in claimants:
        if each.low > each.high:
            return Infeasible("floor", each.low, each.high, len(claimants), each.name)
    least, most = sum((each.low for each in claimants), ZERO), sum((each.high for each in claimants), ZERO)
    if least > room:
        return Infeasible("floor", least, room, len(claimants))
    return Infeasible("ceiling", most, room, len(claimants)) if claimants and most < room else None


def settle(claimants: list[Claimant], room: Fraction) -> None:
    """Part *room* by score, then settle whoever came to lie outside the bounds on the side that is worse off, and part the rest anew."""
    open_ = list(claimants)
    while open_:
        scores = [max(each.score, ZERO) for each in open_]
        if not sum(scores):
            scores = [ONE] * len(open_)
        wanted = [room * score / sum(scores) for score in scores]
        held = [min(max(want, each.low), each.high) for want, each in zip(wanted, open_, strict=True)]
        excess = sum(held) - room
        settled = [each for each, want, hold in zip(open_, wanted, held, strict=True)
                   if excess == 0 or (hold > want if excess > 0 else hold < want)]
        for each, hold in zip(open_, held, strict=True):
            if each in settled:
                each.got = hold
                room -= hold
        open_ = [each for each in open_ if each.got is None]


def print_shares(shares: Mapping[str, Fraction]) -> dict[str, int]:
    """Twelve decimals: all rounded down, and what the sum has lost goes, a unit each, to those who lost most; the first name of equals."""
    down = {name: int(share / SMALLEST) for name, share in sorted(shares.items())}
    missing = int(sum(shares.values(), ZERO) / SMALLEST) - sum(down.values())
    losers = sorted(shares, key=lambda name: (-(shares[name] / SMALLEST - down[name]), name))
    return {name: units + (name in losers[:missing]) for name, units in down.items()}
