"""A compiled policy as the runtime sees it: slots to fill from facts, and callables over them. No source, no tree.

The compiler builds these; `runtime.bind` fills slots, `runtime.judge` runs the callables and tells everything,
`Plan.fused` answers the verdict alone, fast.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from caplex.runtime.schema import Schema, Type
from caplex.runtime.tape import Tape
from caplex.runtime.values import Truth

Slots = Sequence[Any]
Reading = Callable[[Slots, Fraction], Any]
Condition = Callable[[Slots, Fraction], Truth]
Fusion = Callable[..., tuple[int, int, int] | None]
"""From scaled integers to (permitted in 1e-8, mask of broken rules, mask of rules that fail at the smaller size)."""


@dataclass(frozen=True, slots=True)
class SlotSpec:
    """One value that is read once per decision.

    Attributes:
        kind: field (section, field, key) · book (name) · setting (name) · switch (id) · counter (name) · now · fold (function
            index) · permitted (known after the verdict).
        scale: Decimal places that the fast form keeps; None for values that are not numbers.
        key_slot: Slot whose text is the key of the row.
        optional: Absence may be seen; a reading that is needed is unknown when it is absent.
    """

    kind: Literal["field", "book", "setting", "switch", "counter", "now", "fold", "permitted"]
    name: str
    section: str = ""
    key_text: str | None = None
    key_slot: int | None = None
    scale: int | None = None
    optional: bool = False
    fold: int | None = None

    def key(self) -> tuple[Any, ...]:
        return (self.kind, self.name, self.section, self.key_text, self.key_slot, self.fold, self.optional)

    def __str__(self) -> str:
        at = f'["{self.key_text}"]' if self.key_text is not None else f"[s{self.key_slot}]" if self.key_slot is not None else ""
        body = f"{self.section}{at}.{self.name}" if self.section else f"{self.name}"
        return body if self.kind == "field" else f"{self.kind} {body}" if self.kind != "now" else "now"


@dataclass(frozen=True, slots=True)
class Override:
    kind: Literal["set", "tighten", "loosen"]
    scopes: tuple[tuple[str, int], ...]
    """Pairs (text, slot that must equal it)."""
    ranks: tuple[str, ...]
    value: Any
    until_ns: int | None
    source: str
    through: str | None
    approved_by: str | None
    ticket: str | None
    column: int = 0
    """Of *source*; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class SettingPlan:
    name: str
    type: Type
    value: Any
    origin: str
    safer: Literal["lower", "higher"] | None
    overrides: tuple[Override, ...]
    order: tuple[str, ...] | Literal["tightest"]
    source: str
    low: Fraction | None = None
    high: Fraction | None = None
    """Declared range, `within low..high`; None is open."""
    column: int = 0
    """Of *source*; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class WaiverPlan:
    id: str
    until_ns: int
    when: Condition


@dataclass(frozen=True, slots=True)
class PiecePlan:
    slope: Reading
    intercept: Reading


@dataclass(frozen=True, slots=True)
class TripPlan:
    kind: Literal["when", "rule", "count"]
    text: str
    condition: Condition | None
    observed: Reading | None
    bound: Reading | None
    comparison: str
    confirm: Reading | None
    confirm_readings: bool
    rules: tuple[str, ...]
    families: tuple[str, ...]
    severity: str | None
    amount: Reading | None
    events: str
    window: Reading | None
    position: Mapping[str, Any] | None = None
    """Where the clause stands: file, line, column."""


@dataclass(frozen=True, slots=True)
class RearmPlan:
    """How people arm a switch again; all parts must be met. *terms* as written, ``by 2 of "risk-officer"``; none: never.

    Attributes:
        role, quorum: So many distinct people who hold the role; an empty role asks for nobody.
        delay: Nanoseconds that must have passed since the trip.
        condition: Read on the state at the time of the act; None asks for nothing.
    """

    terms: tuple[str, ...] = ()
    role: str = ""
    quorum: Reading | None = None
    delay: Reading | None = None
    condition: Condition | None = None
    condition_text: str = ""


@dataclass(frozen=True, slots=True)
class RebasePlan:
    """``rebase account.peak_equity to account.equity``, when the switch trips or when it is armed again."""

    on: Literal["trip", "rearm"]
    section: str
    field: str
    value: Reading


@dataclass(frozen=True, slots=True)
class ClockPlan:
    """What makes the answer of a rule change though nothing happens but the passing of time.

    Attributes:
        windows: Section and length: an event leaves the rule's sight when it is that old.
        moments: Both sides of each comparison that reads `now`.
        daily: It counts from the start of the day.
    """

    windows: tuple[tuple[str, Reading], ...] = ()
    moments: tuple[tuple[Reading, Reading], ...] = ()
    daily: bool = False


@dataclass(frozen=True, slots=True)
class RulePlan:
    """One rule, limit, throttle, cooldown or switch; see `compiler.graph.ir.RuleNode` for the fields."""

    id: str
    title: str
    kind: Literal["rule", "limit", "throttle", "cooldown", "switch"]
    stage: str
    phase: int
    effect: Literal["deny", "reduce", "hold", "warn"]
    opening_only: bool
    skipped: bool
    unless_worse: bool
    actions: frozenset[str]
    severity: str
    code: str | None
    outcome: str | None
    monitor: Literal["always"] | int | None
    overridable: str | None
    broken: Condition | None
    when: Condition | None
    observed: Reading | None
    comparison: str
    bound: Reading | None
    unit: Type
    reads_size: bool
    pieces: tuple[PiecePlan, ...]
    strict: bool
    waivers: tuple[WaiverPlan, ...]
    approval: tuple[str, int, Reading | None] | None
    reserve: Reading | None
    trips: tuple[TripPlan, ...]
    denies: Literal["opening", "all"]
    scope: tuple[str, ...]
    scope_is: str | None
    duties: tuple[tuple[str, str | None], ...]
    because: tuple[Any, ...] | None
    reads: tuple[int, ...]
    source: str
    position: dict[str, Any]
    settings: tuple[int, ...] = ()
    """Slots of all settings that are numbers; *reads* has only those with overrides."""
    clock: ClockPlan = ClockPlan()
    rearm: RearmPlan | None = None
    rebases: tuple[RebasePlan, ...] = ()
    trip_reads: frozenset[str] = frozenset()
    """Sections whose change may trip a switch; ``now`` where time alone may."""
    condition: str = ""
    """What it demands or forbids, as written: ``deny when intent.symbol in blocked``."""


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """An aggregate over a history that an engine keeps up to date: how many events, their sum, or when the last one was.

    Attributes:
        window: Its length; None without *today*: no end.
        keys: What an event says, and what that must equal for it to count.
        body: What is added up.
    """

    function: Literal["count", "sum", "last"]
    section: str
    window: Reading | None
    today: bool
    keys: tuple[tuple[Callable[[Any], Any], Reading], ...]
    body: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class SizePlan:
    id: str
    title: str
    reach: Literal["all opening", "unsized"]
    money: Reading
    floor: Reading | None
    leverage: Reading | None
    because: tuple[Any, ...] | None
    source: str


@dataclass(frozen=True, slots=True)
class TermPlan:
    """A summand of a score: ``40% * clamp(…)``. *weight* is None where nothing is weighed."""

    text: str
    negative: bool
    weight: Reading | None
    value: Reading


@dataclass(frozen=True, slots=True)
class CutPlan:
    """A bare reading that the policy clamps: a value outside of *low* and *high* is cut, and told. *each*: read for each name."""

    section: str
    field: str
    each: bool
    value: Reading
    low: Reading
    high: Reading


@dataclass(frozen=True, slots=True)
class AllocationPlan:
    """How capital is shared out. Its readings stand on slots of their own, which are not read for a decision.

    Attributes:
        across: As the policy writes it; *section* is the section of that name, *key* its dimension.
        score, floor, ceiling: Read for each name; the rest is read once.
        freeze_text: The condition as written.
        fixed: Names with a share of their own.
    """

    name: str
    across: str
    section: str
    key: str
    score: Reading | None
    terms: tuple[TermPlan, ...]
    floor: Reading | None
    ceiling: Reading | None
    scale: Reading | None
    freeze: Condition | None
    freeze_text: str
    threshold: Reading | None
    fixed: tuple[tuple[str, Reading], ...]
    cuts: tuple[CutPlan, ...]
    slots: tuple[SlotSpec, ...]
    folds: dict[int, Callable[..., Any]]
    settings: dict[str, SettingPlan]
    source: str


@dataclass(frozen=True, slots=True)
class HeaderPlan:
    """What the driver needs of the header; see `compiler.semantics.model.PolicyInfo`."""

    name: str
    version: str
    language: int
    mode: Literal["enforce", "monitor"]
    currency: str
    timezone: str
    day_start_ns: int
    effective_from_ns: int | None
    effective_until_ns: int | None
    outside: Literal["opening", "all"]
    stages: tuple[str, ...]
    phase_count: int
    sys_listed: bool
    lot: Fraction | None
    rounding_never: bool
    modify_never: bool
    journal_continues: bool = False
    """`journal failure: closing continues`."""
    idempotency_keep_ns: int | None = None
    owner: str = ""


@dataclass(slots=True)
class Plan:
    """Everything that a trading host needs to decide."""

    header: HeaderPlan
    schema: Schema
    slots: tuple[SlotSpec, ...]
    folds: dict[int, Callable[..., Any]]
    """By number of the slot that they fill."""
    settings: dict[str, SettingPlan]
    rules: tuple[RulePlan, ...]
    sizes: tuple[SizePlan, ...]
    labels: tuple[tuple[str, Condition | None], ...]
    emits: tuple[tuple[str, Condition | None, tuple[Any, ...]], ...]
    allocations: dict[str, AllocationPlan] = field(default_factory=dict)
    fused: Fusion | None = None
    fused_slots: tuple[int, ...] = ()
    fused_known: frozenset[int] = frozenset()
    """Slots whose presence alone is asked for: the fused form cannot answer when they are unusable."""
    fused_defaults: tuple[tuple[int, int], ...] = ()
    """Pairs (slot, scaled value that stands in where the reading is absent)."""
    python: str = ""
    graph_text: str = ""
    hash: str = ""
    settings_hash: str = ""
    windows: dict[int, WindowPlan] = field(default_factory=dict)
    """Those of *folds* that can be kept up to date, by the same numbers."""
    by_symbol: dict[int, str] = field(default_factory=dict)
    """Those of *folds* over positions that follow from their values in each symbol: the function, by the same numbers."""
    keep_ns: dict[str, int | None] = field(default_factory=dict)
    """How far back each history is read, by section; None: without end. A history that is not here is not read."""
    columns: Tape = field(default_factory=Tape)
    """The columns form."""
    given: dict[str, Any] = field(default_factory=dict)
    """What came from outside: ``settings`` by name and ``mode``, as given."""
    sources: dict[str, str] = field(default_factory=dict)
    """Text of each source file by name, so that explanations can cite lines."""
    lookups: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What is looked up often, made when first asked for: overrides by setting (`runtime.overrides`), rules by id under the empty name."""

    def rule(self, id_: str) -> RulePlan:
        """The rule with this id. Raises KeyError."""
        found = self.find(id_)
        if found is None:
            raise KeyError(id_)
        return found

    def find(self, id_: str) -> RulePlan | None:
        """The rule with this id; None if there is none."""
        known = self.lookups.get("")
        if known is None or known[0] is not self.rules:
            known = self.lookups[""] = self.rules, {rule.id: rule for rule in self.rules}
        found: RulePlan | None = known[1].get(id_)
        return found

    def names(self) -> tuple[str, ...]:
        """Ids of the rules, in the order of decision."""
        return tuple(rule.id for rule in self.rules)
