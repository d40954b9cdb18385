"""What the tests of a policy have looked at: measured on judged decisions, rule by rule and bound by bound.

`Watch` sees each decision as it was judged (its slots, its standings) and marks the sites of `sites`; nothing is guessed
from the text of the tests. docs/spec.md, CAP-COVER, says what counts.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from caplex.compiler.semantics.model import CheckedModule
from caplex.compiler.syntax import ast
from caplex.compiler.testing import boundaries
from caplex.compiler.testing.sites import MISSING, Group, Side, Site, Sites
from caplex.runtime.bind import Bound
from caplex.runtime.decision import Decision
from caplex.runtime.engine.engine import Engine
from caplex.runtime.engine.state import Latch
from caplex.runtime.judge import Case, Standing
from caplex.runtime.plan import RulePlan
from caplex.runtime.ruling import Ruling, Verdict
from caplex.runtime.texts import human_pair
from caplex.runtime.values import Unknown

STANDARD: Final = "stdlib/"
GROUPS: Final[tuple[Group, ...]] = ("rule", "condition", "boundary", "state")
WORDS: Final[dict[Group, str]] = {"rule": "rules", "condition": "conditions", "boundary": "boundary sides", "state": "settings and switches"}


def own_modules(checked: CheckedModule) -> frozenset[str]:
    """Aliases of what a policy is measured by: itself and its own files. A standard pack has tests of its own."""
    return frozenset(alias for alias, module in checked.modules.items() if not alias or not module.span.source.name.startswith(STANDARD))


class Watch:
    """Marks what the decisions of one policy look at."""

    def __init__(self, checked: CheckedModule, aliases: frozenset[str] | None = None) -> None:
        self.checked = checked
        self.aliases = own_modules(checked) if aliases is None else aliases
        self.sites = Sites(checked, self.aliases)
        self._by_owner: dict[str, list[Site]] = {}
        for site in self.sites.all:
            self._by_owner.setdefault(site.owner, []).append(site)
        self.judged: dict[str, int] = {}
        self.clauses: dict[tuple[str, int], str] = {}
        self._under: dict[int, Watch] = {}

    def under(self, checked: CheckedModule) -> Watch:
        """A watch of the same policy under settings that a test gives; what it sees is seen here."""
        found = self._under.get(id(checked))
        if found is None:
            found = self._under[id(checked)] = Watch(checked, self.aliases)
            found.judged = self.judged
            mine = self._by_place()
            for key, sites in found._by_place().items():
                for site, same in zip(sites, mine.get(key, ()), strict=False):
                    site.sides = same.sides
        return found

    def _by_place(self) -> dict[tuple[object, ...], list[Site]]:
        """Sites by where they stand, which is the same under all settings."""
        found: dict[tuple[object, ...], list[Site]] = {}
        for site in self.sites.all:
            found.setdefault((site.owner, site.group, site.text, site.where, site.number, site.operator, site.span.source.name, site.span.start), []).append(site)
        return found

    def __call__(self, decision: Decision) -> None:
        """Take in one decision of an engine."""
        bound = decision._bound
        if bound is None:
            return  # told again, or of nobody
        self.see(bound, *decision._whole())
        for latch in bound.world.state.latches.values():
            self._latch(latch)

    def see(self, bound: Bound, ruling: Ruling, case: Case | None) -> None:
        """Take in one judged decision."""
        if case is None:
            return
        if not self.clauses:
            self.clauses = {(rule.id, number): trip.text for rule in case.plan.rules for number, trip in enumerate(rule.trips)}
        for standing in case.standings:
            if self.sites.mine(standing.rule.id):
                self._rule(standing, case, ruling)
            self._waivers(standing, case)
        self._sizes(case)
        passes = ruling.verdict in (Verdict.ALLOW, Verdict.MODIFY)
        for site in self._by_owner.get("answer", ()):
            if site.group == "condition":
                self._condition(site, case, case.n)
            elif passes and ruling.outcome == site.text:
                site.sides[0].hits += 1

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────

    def _rule(self, standing: Standing, case: Case, ruling: Ruling) -> None:
        rule = standing.rule
        if standing.state not in ("kept", "broken", "unknown") or (case.n <= standing.start and rule.kind != "switch"):
            return  # not its action, waived, behind a bar, or only closing
        self.judged[rule.id] = self.judged.get(rule.id, 0) + 1
        sites = self._by_owner[rule.id]
        if rule.kind == "switch":
            self._switch(standing, case, ruling, sites)
            return
        slots = case.bound.slots
        guarded = rule.when is not None and rule.when(slots, case.n) is not True
        if not guarded and standing.state != "unknown":
            _first(sites, "rule").sides[standing.state == "broken"].hits += 1
            self._overrides(rule, case)
        elif not guarded and _first(sites, "rule").sides[1].what == MISSING:
            _first(sites, "rule").sides[1].hits += 1
        for site in sites:
            if site.group == "rule" or (guarded and site.where == "body"):
                continue
            for size in _sizes(standing, case):
                self._look(site, case, size)

    def _look(self, site: Site, case: Case, size: Fraction) -> None:
        if site.group == "condition":
            self._condition(site, case, size)
        elif site.fold:
            _window(site, case)
        elif site.group == "boundary":
            _boundary(site, case, size)

    @staticmethod
    def _condition(site: Site, case: Case, size: Fraction) -> None:
        assert site.left is not None
        value = site.left(case.bound.slots, size)
        if value is True or value is False:
            site.sides[0 if value else 1].hits += 1

    def _overrides(self, rule: RulePlan, case: Case) -> None:
        plan = case.plan
        for slot in rule.reads:
            spec = plan.slots[slot]
            if spec.kind != "setting" or spec.name not in self._by_owner:
                continue
            setting = plan.settings[spec.name]
            _, override = case.bound.setting_in_force(spec.name)
            for site in self._by_owner[spec.name]:
                if override is setting.overrides[site.number]:
                    site.sides[0].hits += 1

    def _waivers(self, standing: Standing, case: Case) -> None:
        rule = standing.rule
        for waiver in rule.waivers:
            if case.now < waiver.until_ns and case.action in rule.actions:
                for site in self._by_owner.get(waiver.id, ()):
                    self._look(site, case, case.n)
                self.judged[waiver.id] = self.judged.get(waiver.id, 0) + 1

    # ── switches ─────────────────────────────────────────────────────────────────────────────────────

    def _switch(self, standing: Standing, case: Case, ruling: Ruling, sites: list[Site]) -> None:
        rule = standing.rule
        if standing.state == "unknown":
            return
        trips = [trip for trip in ruling.tripped if trip.switch == rule.id]
        _first(sites, "rule").sides[standing.state == "broken" or bool(trips)].hits += 1
        for site in sites:
            if site.group == "state" and site.number >= 0 and any(trip.clause == site.number for trip in trips):
                site.sides[0].hits += 1
            elif site.where == "trip":
                self._look(site, case, case.n)

    def ended(self, engine: Engine) -> None:
        """A test is over: what its switches have come to."""
        for latch in engine._machine.state.latches.values():
            self._latch(latch)

    def _latch(self, latch: Latch) -> None:
        if latch.since_ns is None:
            return
        cause = (latch.cause or {}).get("expression")
        for site in self._by_owner.get(latch.switch, ()):
            if site.group == "rule" and latch.tripped:
                site.sides[1].hits += 1
            elif (site.group == "state" and site.number == -1 and not latch.tripped) or (site.group == "state" and site.number >= 0 and latch.tripped and cause == self.clauses.get((latch.switch, site.number))):
                site.sides[0].hits += 1

    # ── sizes ────────────────────────────────────────────────────────────────────────────────────────

    def _sizes(self, case: Case) -> None:
        slots, zero = case.bound.slots, Fraction(0)
        for size, _, leaves in case.sizes:
            if leaves or size.id not in self._by_owner:
                continue
            self.judged[size.id] = self.judged.get(size.id, 0) + 1
            money = size.money(slots, zero)
            for site in self._by_owner[size.id]:
                if site.group == "boundary":
                    _boundary(site, case, zero)
                elif len(site.sides) == 2:
                    site.sides[case.floor_broken is size].hits += 1
                elif site.left is not None:
                    value = site.left(slots, zero)
                    met = value == money if site.sides[0].what == "gives the size" else value != 1
                    if not isinstance(value, Unknown) and met:
                        site.sides[0].hits += 1

    def report(self) -> Coverage:
        return Coverage.of(self)


def _first(sites: list[Site], group: Group) -> Site:
    return next(site for site in sites if site.group == group)


def _sizes(standing: Standing, case: Case) -> list[Fraction]:
    """Sizes at which a decision has looked at a rule: what was asked; and where it cut, what it left and one lot more."""
    if standing.rule.effect == "reduce" and standing.state == "broken" and 0 < case.permitted < case.n and standing.cap == case.permitted:
        lot = case.grid.lot
        return [case.n, case.permitted, *([case.permitted + lot] if isinstance(lot, Fraction) else [])]
    return [case.n]


def _boundary(site: Site, case: Case, size: Fraction) -> None:
    assert site.left is not None
    assert site.right is not None
    slots = case.bound.slots

    def measured(at: Fraction) -> tuple[Fraction, Fraction] | None:
        left, right = site.left(slots, at), site.right(slots, at)  # type: ignore[misc]
        return (left, right) if isinstance(left, Fraction) and isinstance(right, Fraction) else None

    here = measured(size)
    if here is None:
        return
    distance = here[0] - here[1]
    step = boundaries.step_of(site.kind.kind, case, here[1])
    lot = boundaries.lot_of(case)
    for beside in (size - lot, size + lot):
        there = measured(beside)
        if there is not None:
            step = max(step, abs((there[0] - there[1]) - distance))
    side = site.sides[boundaries.side_of(site.operator, distance)]
    if abs(distance) <= step:
        side.hits += 1
    if side.nearest is None or abs(distance) < abs(side.nearest[0]):
        side.nearest = (distance, *here)


def _window(site: Site, case: Case) -> None:
    bound = case.bound
    shorter, held, longer = (read(bound.world, bound.slots) for read in site.fold)
    for side, inner, outer in ((site.sides[0], shorter, held), (site.sides[1], held, longer)):
        if isinstance(inner, Fraction) and isinstance(outer, Fraction) and outer > inner:
            side.hits += 1


# ── what came of it ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    covered: int = 0
    total: int = 0

    @property
    def percent(self) -> Fraction:
        return Fraction(100) if not self.total else Fraction(100 * self.covered, self.total)

    def __add__(self, other: Share) -> Share:
        return Share(self.covered + other.covered, self.total + other.total)

    def to_dict(self) -> dict[str, Any]:
        return {"covered": self.covered, "total": self.total, "percent": percent(self.percent)}


def percent(value: Fraction) -> str:
    """Rounded down to a tenth: 100 says that nothing is missing."""
    tenths = int(value * 10)
    return f"{tenths // 10}.{tenths % 10}" if tenths % 10 else str(tenths // 10)


@dataclass(frozen=True, slots=True)
class Row:
    """One rule, size, waiver or setting."""

    owner: str
    judged: int
    kept: int
    violated: int
    shares: Mapping[Group, Share]
    sites: tuple[Site, ...]

    @property
    def missing(self) -> list[tuple[Site, Side]]:
        return [(site, side) for site in self.sites for side in site.sides if not side.hits]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the tests of one policy have looked at.

    Attributes:
        totals: *rule* counts a rule once, if it was both kept and violated; the others count sides.
        elsewhere: Rules of standard packs, by alias, which are measured by their own tests.
        allocations: What tests cannot ask for, and nothing is counted of.
    """

    policy: str
    currency: str
    rows: tuple[Row, ...]
    totals: Mapping[Group, Share]
    elsewhere: Mapping[str, int]
    sources: Mapping[str, str] = field(repr=False, default_factory=dict)
    allocations: tuple[str, ...] = ()

    @classmethod
    def of(cls, watch: Watch) -> Coverage:
        rows = []
        for owner, sites in watch._by_owner.items():
            shares = {group: sum((_share(site) for site in sites if site.group == group), Share()) for group in GROUPS}
            kept, violated = next((tuple(side.hits for side in site.sides) for site in sites if site.group == "rule"), (0, 0))
            rows.append(Row(owner, watch.judged.get(owner, 0), kept, violated, shares, tuple(sites)))
        totals = {group: sum((row.shares[group] for row in rows), Share()) for group in GROUPS}
        checked = watch.checked
        elsewhere: dict[str, int] = {}
        for info in checked.rules:
            alias = info.id.rpartition(".")[0]
            if alias not in watch.aliases:
                elsewhere[alias] = elsewhere.get(alias, 0) + 1
        sources = {module.span.source.name: module.span.source.text for alias, module in checked.modules.items() if alias in watch.aliases}
        own = [checked.modules[alias] for alias in checked.modules if alias in watch.aliases]
        allocations = tuple(item.name.text for module in own for item in module.items if isinstance(item, ast.Allocate))
        return cls(checked.policy.name, checked.policy.currency, tuple(rows), totals, elsewhere, sources, allocations)

    @property
    def lowest(self) -> Fraction:
        """The smallest of the totals, in percent: what `--coverage-min` is compared with."""
        return min(share.percent for share in self.totals.values())

    def to_dict(self) -> dict[str, Any]:
        return {
            "policy": self.policy,
            "totals": {_key(group): self.totals[group].to_dict() for group in GROUPS},
            "rules": [{
                "id": row.owner, "judged": row.judged, "kept": row.kept, "violated": row.violated,
                **{_key(group): row.shares[group].to_dict() for group in GROUPS if group != "rule"},
            } for row in self.rows],
            "sites": [self._site(site) for row in self.rows for site in row.sites],
            "elsewhere": dict(self.elsewhere),
            "allocations": list(self.allocations),
        }

    def _site(self, site: Site) -> dict[str, Any]:
        begin = site.span.begin
        return {"rule": site.owner, "kind": site.group, "text": site.text, "file": site.span.source.name, "line": begin.line, "column": begin.column,
                "sides": [{"side": side.what, "hits": side.hits, "nearest": self.nearest(site, side) or None} for side in site.sides]}

    def nearest(self, site: Site, side: Side) -> str:
        """How near the tests came to a side that they miss, in words."""
        if side.hits or side.nearest is None:
            return ""
        return f"nearest {human_pair(side.nearest[1], side.nearest[2], site.kind, self.currency)[0]}"


def _share(site: Site) -> Share:
    if site.group == "rule":
        return Share(int(all(side.hits for side in site.sides)), 1)
    return Share(site.covered, len(site.sides))


def _key(group: Group) -> str:
    return {"rule": "rules", "condition": "conditions", "boundary": "boundary_sides", "state": "states"}[group]


def total(coverages: Iterable[Coverage]) -> dict[Group, Share]:
    """The totals of several policies together."""
    found = {group: Share() for group in GROUPS}
    for coverage in coverages:
        found = {group: found[group] + coverage.totals[group] for group in GROUPS}
    return found
