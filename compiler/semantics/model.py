"""The checked module: the tree as written, and beside it what the passes have learnt.

Both semantics start here. Everything is keyed by `Node.id`; the tree itself is never written into.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from caplex.compiler.syntax import ast
from caplex.runtime.schema import FieldSpec, Schema, SectionSpec, Type

Value = Fraction | str | bool | frozenset[str] | None
"""A constant. None is `unlimited`. Enumeration members and texts are `str`, instants and durations nanoseconds."""


# ── what a name may mean ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class FieldBinding:
    """A supplied field: ``account.equity``; ``market["SPY"].price`` has *key*; a row section without key reads the intent's row."""

    section: SectionSpec
    field: FieldSpec
    key: ast.Expr | None = None


@dataclass(frozen=True, slots=True)
class DerivedBinding:
    """A computed field, by its full name: ``after.position.notional``, ``intent.notional``, ``portfolio.gross`` ….

    The names and formulas are listed in `docs/spec.md` (CAP-DERIVED) and in `semantics.builtins.DERIVED`.
    """

    name: str
    field: FieldSpec


@dataclass(frozen=True, slots=True)
class RowBinding:
    """A field of the row variable of an aggregate (or of ``event`` in a throttle): ``p.notional``."""

    variable: str
    section: SectionSpec
    field: FieldSpec


@dataclass(frozen=True, slots=True)
class SectionBinding:
    """A whole section, as the source of an aggregate."""

    section: SectionSpec


@dataclass(frozen=True, slots=True)
class SettingBinding:
    name: str
    """Qualified: ``max_position`` or ``loss.daily_stop``."""


@dataclass(frozen=True, slots=True)
class LetBinding:
    name: str
    value: ast.Expr


@dataclass(frozen=True, slots=True)
class MemberBinding:
    """A bare word that is a member of the enumeration on the other side: ``intent.side == buy``."""

    value: str


@dataclass(frozen=True, slots=True)
class SwitchBinding:
    switch: str


@dataclass(frozen=True, slots=True)
class NowBinding:
    pass


Binding = (
    FieldBinding | DerivedBinding | RowBinding | SectionBinding | SettingBinding | LetBinding | MemberBinding | SwitchBinding | NowBinding
)


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class OverrideInfo:
    """One override, checked. *value* is never looser than a default that was moved from outside, if it is a `tighten`; *written* is
    what the policy alone says. *scopes* maps a dimension (``symbol``, ``strategy``, ``account``, ``venue``, or a section with an
    enumeration: ``regime.value``) to the text it must equal. *through_ns*: the first instant at which it no longer holds."""

    kind: Literal["set", "tighten", "loosen"]
    scopes: tuple[tuple[str, str], ...]
    value: Value
    written: Value
    through: str | None
    until_ns: int | None
    approved_by: str | None
    ticket: str | None
    node: ast.Override
    origin: str = ""
    """Where it comes from, if from outside the policy; then it has no scopes, and stands in for the default."""


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """One setting, with its resolved default (after `use … (…)`, files, environment, `--set`) and, as *default*, the one that the
    policy and its modules give it."""

    name: str
    type: Type
    value: Value
    default: Value
    origin: str
    """policy · use · file … · environment · --set"""
    overrides: tuple[OverrideInfo, ...]
    safer: Literal["lower", "higher"] | None
    hard: bool
    open: bool
    low: Fraction | None
    high: Fraction | None
    title: str | None
    node: ast.Setting


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """A rule, limit, throttle, cooldown or kill switch in its place.

    Attributes:
        id: Qualified id, ``EXP-010`` or ``sanity.ORD-010``.
        position: Rank in the order of decision (stage, number, id), from 0.
        phase: Index of the phase of its stage (bars part phases), from 0.
        skipped: Its stage is one that closing skips.
        unless_worse: … with `unless worse`.
        actions: Actions it judges.
        until_ns / suspended: `monitor through DATE` ends at *until_ns*; ``"always"`` never ends; None: not monitored.
    """

    id: str
    node: ast.RuleItem
    stage: str
    phase: int
    position: int
    skipped: bool
    unless_worse: bool
    actions: frozenset[str]
    monitor: Literal["always"] | int | None
    severity: str
    waivers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WaiverInfo:
    id: str
    of: str
    node: ast.Waiver
    until_ns: int


@dataclass(frozen=True, slots=True)
class SizeInfo:
    id: str
    node: ast.Size


@dataclass(frozen=True, slots=True)
class PolicyInfo:
    """The header, resolved. *day_start_ns* is the offset of the day boundary from midnight."""

    name: str
    version: str
    language: int
    mode: Literal["enforce", "monitor"]
    currency: str
    timezone: str
    day_start_ns: int
    owner: str
    effective_from_ns: int | None
    effective_until_ns: int | None
    outside: Literal["opening", "all"]
    phases: tuple[tuple[str, ...], ...]
    """Stages by phase, in order. ``SYS`` and ``KILL`` are added in front where they are used and not listed."""
    sys_listed: bool
    closing: Literal["skips", "faces"]
    skipped: frozenset[str]
    unless_worse: bool
    overrides: tuple[str, ...] | Literal["tightest"]
    lot: Fraction | None
    rounding_never: bool
    modify_never: bool
    journal_continues: bool
    idempotency_keep_ns: int | None
    strict: bool
    unlimited: frozenset[str]


@dataclass(slots=True)
class CheckedModule:
    """What both semantics read.

    Attributes:
        modules: The entry module first, then imported ones by alias.
        bindings: What each `Read` (and `Reference` in `SwitchIs`) means.
        types: The type of each expression; a bare numeral has the type of its partner.
        aggregates: For each `Aggregate`, the section it ranges over.
        throttle_events: For each throttle, cooldown and TripOnCount node, the history section that it counts.
        throttle_keys: For each throttle/cooldown, pairs (field of the event row, expression read on the intent's side).
        rules: In the order of decision.
    """

    policy: PolicyInfo
    modules: dict[str, ast.Module]
    schema: Schema
    bindings: dict[int, Binding] = field(default_factory=dict)
    types: dict[int, Type] = field(default_factory=dict)
    aggregates: dict[int, SectionSpec] = field(default_factory=dict)
    throttle_events: dict[int, SectionSpec] = field(default_factory=dict)
    throttle_keys: dict[int, tuple[tuple[str, ast.Read], ...]] = field(default_factory=dict)
    settings: dict[str, SettingInfo] = field(default_factory=dict)
    rules: tuple[RuleInfo, ...] = ()
    waivers: dict[str, WaiverInfo] = field(default_factory=dict)
    sizes: tuple[SizeInfo, ...] = ()
    answer: ast.Answer | None = None
    emits: tuple[ast.Emit, ...] = ()
    tests: tuple[ast.Test, ...] = ()
    properties: tuple[ast.Property, ...] = ()
    references: dict[int, str] = field(default_factory=dict)
    """Qualified rule id of each `Reference` node."""
