"""The tree: what the author wrote, and nothing inferred.

Passes never write here. What a pass learns goes into side tables keyed by `Node.id` (see `semantics.model`).
Nodes are slotted dataclasses that type checkers treat as frozen; they are not frozen at run time because a
frozen dataclass costs four times as much to build, and large policies have a hundred thousand nodes.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeVar, dataclass_transform

from caplex.compiler.source import Span

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def node(cls: type[_T]) -> type[_T]:
    return dataclass(slots=True, kw_only=True, eq=True)(cls)


@node
class Node:
    id: int = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)


@node
class Name(Node):
    """A word with its place: a declared name, a family, an action, a label."""

    text: str


# ── expressions ───────────────────────────────────────────────────────────────────────────────────────


@node
class Number(Node):
    """A bare numeral; takes the unit of its partner."""

    value: Decimal


@node
class Money(Node):
    """``5_000 USD``; ``$5`` has *currency* None: the policy's currency, which must then be a dollar."""

    amount: Decimal
    currency: str | None


@node
class Percent(Node):
    """``20%`` holds 20."""

    value: Decimal


@node
class BasisPoints(Node):
    """``25bp`` holds 25."""

    value: Decimal


@node
class Points(Node):
    """``10pp`` holds 10: a difference of shares, in percentage points."""

    value: Decimal


@node
class Multiple(Node):
    """``2x`` holds 2: a ratio."""

    value: Decimal


@node
class Units(Node):
    """``12 units``: a quantity."""

    value: Decimal


@node
class Duration(Node):
    nanoseconds: int


@node
class Instant(Node):
    """Nanoseconds since 1970-01-01T00:00:00Z."""

    nanoseconds: int


@node
class Date(Node):
    """ISO text, e.g. ``2026-01-05``; validity is checked by the builder."""

    iso: str


@node
class TimeOfDay(Node):
    """Nanoseconds since midnight."""

    nanoseconds: int


@node
class Text(Node):
    value: str


@node
class Bool(Node):
    value: bool


@node
class Unlimited(Node):
    pass


@node
class ListOf(Node):
    items: tuple[Expr, ...]


@node
class FieldStep(Node):
    """``.price``"""

    name: str


@node
class RowStep(Node):
    """``["SPY"]``"""

    key: Expr


@node
class Read(Node):
    """A read: ``drawdown``, ``account.equity``, ``market["SPY"].price``, ``after.position.notional``."""

    name: str
    steps: tuple[FieldStep | RowStep, ...] = ()


@node
class Negate(Node):
    operand: Expr


@node
class Not(Node):
    operand: Expr


@node
class Arithmetic(Node):
    """``of`` is multiplication that remembers what the share is of."""

    operator: Literal["+", "-", "*", "/", "of"]
    left: Expr
    right: Expr


@node
class Logic(Node):
    operator: Literal["and", "or"]
    left: Expr
    right: Expr


@node
class Compare(Node):
    operator: Literal["<", "<=", "==", "!=", ">=", ">"]
    left: Expr
    right: Expr


@node
class Within(Node):
    """``x within a..b``: both ends included."""

    value: Expr
    low: Expr
    high: Expr


@node
class Among(Node):
    """``x in set`` / ``x not in set``"""

    value: Expr
    collection: Expr
    negated: bool


@node
class IsKnown(Node):
    value: Expr
    negated: bool


@node
class IsMultiple(Node):
    value: Expr
    of: Expr


@node
class Else(Node):
    """``x else 0``: the fallback stands in only for an absent optional reading."""

    value: Expr
    fallback: Expr


@node
class If(Node):
    condition: Expr
    then: Expr
    otherwise: Expr


@node
class InLast(Node):
    """``fills in last 1d`` as a source; ``entry.at in last 1h`` as a condition on an instant."""

    value: Expr
    window: Expr


@node
class Today(Node):
    """``fills today``; ``entry.at today``."""

    value: Expr


@node
class SwitchIs(Node):
    switch: Reference
    state: Literal["tripped", "armed"]


@node
class Interval(Node):
    """``0..1``: only as an argument of `clamp`."""

    low: Expr
    high: Expr


@node
class Call(Node):
    """A call of a built-in function: ``abs(x)``, ``max(a, b)``, ``clamp(x, 0..1)``."""

    function: Name
    arguments: tuple[Expr | Interval, ...]


@node
class Aggregate(Node):
    """``sum(f.notional for f in fills in last 1d where f.symbol == intent.symbol)``

    ``count(fills today where event.side == "buy")`` has no variable of its own (*variable* None, *body* None):
    its row is called ``event``. A *source* is a bare read; the window, if any, has been taken off it.
    """

    function: Name
    body: Expr | None
    variable: Name | None
    source: Expr
    last: Expr | None
    today: bool
    where: Expr | None


@node
class Reference(Node):
    """A rule id, perhaps of an imported module: ``EXP-010``, ``desk.EXP-010``."""

    alias: str | None
    rule: str

    @property
    def text(self) -> str:
        return f"{self.alias}.{self.rule}" if self.alias else self.rule


Expr = (
    Number | Money | Percent | BasisPoints | Points | Multiple | Units | Duration | Instant | Date | TimeOfDay | Text | Bool
    | Unlimited | ListOf | Read | Negate | Not | Arithmetic | Logic | Compare | Within | Among | IsKnown | IsMultiple | Else
    | If | InLast | Today | SwitchIs | Call | Aggregate
)


@node
class Hole(Node):
    """``{expr:.2}``: *format* is the text behind the colon, None if there is none."""

    value: Expr
    format: str | None


@node
class Template(Node):
    """A text with holes; literal parts are unescaped."""

    parts: tuple[str | Hole, ...]


# ── header ────────────────────────────────────────────────────────────────────────────────────────────


@node
class Version(Node):
    text: str


@node
class Language(Node):
    number: Decimal


@node
class Mode(Node):
    mode: Literal["enforce", "monitor"]


@node
class Currency(Node):
    code: str


@node
class Timezone(Node):
    name: str


@node
class DayStarts(Node):
    at: TimeOfDay


@node
class Owner(Node):
    text: str


@node
class Effective(Node):
    start: Date
    through: Date | None
    then_deny: Literal["opening", "all"]


@node
class Stages(Node):
    phases: tuple[tuple[Name, ...], ...]


@node
class ClosingSkips(Node):
    families: tuple[Name, ...]
    unless_worse: bool


@node
class ClosingFaces(Node):
    """``closing faces every rule``"""


@node
class TightestWins(Node):
    pass


@node
class OverridesBy(Node):
    """``overrides by symbol > strategy > default``"""

    order: tuple[Name, ...]


@node
class UnlimitedClause(Node):
    what: Literal["loss", "exposure"]


@node
class LotClause(Node):
    lot: Decimal


@node
class RoundingNever(Node):
    pass


@node
class ModifyNever(Node):
    pass


@node
class JournalContinues(Node):
    pass


@node
class IdempotencyKeep(Node):
    keep: Duration


@node
class Strict(Node):
    pass


HeaderClause = (
    Version | Language | Mode | Currency | Timezone | DayStarts | Owner | Effective | Stages | ClosingSkips | ClosingFaces
    | TightestWins | OverridesBy | UnlimitedClause | LotClause | RoundingNever | ModifyNever | JournalContinues
    | IdempotencyKeep | Strict
)


@node
class Header(Node):
    name: Name
    doc: str
    clauses: tuple[HeaderClause, ...]


# ── imports, facts, settings ──────────────────────────────────────────────────────────────────────────


@node
class Argument(Node):
    name: Name
    value: Expr


@node
class Use(Node):
    """``use stdlib.loss as loss (daily_stop = 2%)``, ``use "limits.cap" as desk``"""

    target: tuple[str, ...] | str
    target_span: Span = field(compare=False, repr=False)
    alias: Name | None
    arguments: tuple[Argument, ...]


@node
class TypeRef(Node):
    """``money(EUR)``, ``price?``, ``set of symbol``, ``one of a, b``: *name* is `set of` / `one of` for these."""

    name: str
    currency: str | None = None
    element: str | None = None
    members: tuple[Name, ...] = ()
    optional: bool = False


@node
class Field(Node):
    """A declared field.

    *fresh* is a duration, ``"always"``, or None; *above* is an exclusive lower end, *low* and *high* inclusive ends.
    *neutral* is the value that tests take where none is given; *supplier* is host, venue, engine or derived.
    """

    name: Name
    type: TypeRef
    doc: str = ""
    fresh: Duration | Literal["always"] | None = None
    above: Expr | None = None
    low: Expr | None = None
    high: Expr | None = None
    attested: bool = False
    normalised: tuple[str, ...] = ()
    title: str | None = None
    neutral: Expr | None = None
    supplier: str | None = None


@node
class InputRecord(Node):
    """``input regime { … }``, ``input entries each symbol as list { … }``"""

    name: Name
    each: Name | None
    as_list: bool
    fields: tuple[Field, ...]
    doc: str = ""


@node
class InputScalar(Node):
    field: Field
    doc: str = ""


@node
class Scope(Node):
    """``symbol "BTCUSDT"``, ``regime bear``"""

    dimension: Name
    value: str


@node
class Override(Node):
    kind: Literal["set", "tighten", "loosen"]
    scopes: tuple[Scope, ...]
    value: Expr
    through: Date | None
    approved_by: str | None
    ticket: str | None


@node
class Setting(Node):
    name: Name
    type: TypeRef
    value: Expr
    doc: str = ""
    low: Expr | None = None
    high: Expr | None = None
    safer: Literal["lower", "higher"] | None = None
    hard: bool = False
    open: bool = False
    title: str | None = None
    overrides: tuple[Override, ...] = ()


@node
class Let(Node):
    name: Name
    type: TypeRef | None
    value: Expr
    doc: str = ""


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────────


@node
class Approval(Node):
    role: str
    quorum: int
    within: Expr | None


@node
class Attributes(Node):
    """What may stand between the title and the brace; each at most once (`repeated` names those that were not)."""

    actions: tuple[Name, ...] = ()
    severity: Literal["low", "medium", "high", "critical"] | None = None
    code: Name | None = None
    outcome: Name | None = None
    cites: str | None = None
    monitor: Date | Literal["always"] | None = None
    overridable_by: str | None = None
    repeated: tuple[str, ...] = ()


@node
class Deny(Node):
    condition: Expr
    opening_only: bool = False


@node
class Require(Node):
    condition: Expr


@node
class Warn(Node):
    condition: Expr


@node
class Hold(Node):
    condition: Expr
    approval: Approval


Effect = Deny | Require | Warn | Hold


@node
class Rule(Node):
    rule_id: Name
    title: str | None
    attributes: Attributes
    when: Expr | None
    effect: Effect
    because: Template | None
    doc: str = ""


Boundary = Literal["at most", "below", "at least", "above"]
Breach = Literal["deny", "reduce", "hold", "warn"]


@node
class Limit(Node):
    rule_id: Name
    title: str | None
    attributes: Attributes
    when: Expr | None
    measure: Expr
    boundary: Boundary
    bound: Expr
    breach: Breach
    approval: Approval | None
    because: Template | None
    doc: str = ""


@node
class PerDay(Node):
    pass


@node
class Throttle(Node):
    rule_id: Name
    title: str | None
    attributes: Attributes
    when: Expr | None
    amount: Expr
    events: Name
    window: Expr | PerDay
    counters: Expr | None
    each: tuple[Read, ...]
    where: Expr | None
    reserve: Expr | None
    because: Template | None
    doc: str = ""


@node
class Cooldown(Node):
    rule_id: Name
    title: str | None
    attributes: Attributes
    when: Expr | None
    during: Expr
    event: Name
    each: tuple[Read, ...]
    where: Expr | None
    because: Template | None
    doc: str = ""


@node
class Confirm(Node):
    """``for 3 readings`` (*readings* true) or ``for 2s``."""

    amount: Expr
    readings: bool


@node
class TripWhen(Node):
    condition: Expr
    confirm: Confirm | None
    because: Template | None


@node
class TripOnRule(Node):
    rule: Reference
    because: Template | None


@node
class TripOnCount(Node):
    """``trip when 5 denials of severity high in any 5min``: *severity*, *rules* and *families* exclude each other."""

    amount: Expr
    events: Name
    severity: str | None
    rules: tuple[Reference, ...]
    families: tuple[Name, ...]
    window: Expr
    because: Template | None


Trip = TripWhen | TripOnRule | TripOnCount


@node
class WhileTripped(Node):
    deny: Literal["opening", "all"]


@node
class Cancel(Node):
    which: Literal["opening", "all"]


@node
class Flatten(Node):
    pass


@node
class Notify(Node):
    channel: str


@node
class Rebase(Node):
    field: Read
    value: Expr


Duty = Cancel | Flatten | Notify
Action = Cancel | Flatten | Notify | Rebase


@node
class OnTrip(Node):
    actions: tuple[Action, ...]


@node
class OnRearm(Node):
    actions: tuple[Action, ...]


@node
class RearmNever(Node):
    pass


@node
class RearmByRole(Node):
    """*quorum*: a number, or a read of a setting."""

    quorum: Expr
    role: str


@node
class RearmDelay(Node):
    delay: Expr


@node
class RearmWhen(Node):
    condition: Expr


@node
class Rearm(Node):
    terms: tuple[RearmByRole | RearmDelay | RearmWhen, ...]


SwitchClause = Trip | WhileTripped | OnTrip | OnRearm | RearmNever | Rearm


@node
class ForEach(Node):
    """``for each strategy, symbol``"""

    dimensions: tuple[Name, ...]


@node
class ForOne(Node):
    """``for account``, ``for strategy "SCALPER"``"""

    dimension: Name
    value: str | None


@node
class KillSwitch(Node):
    rule_id: Name
    title: str | None
    attributes: Attributes
    targets: tuple[ForEach | ForOne, ...]
    clauses: tuple[SwitchClause, ...]
    doc: str = ""


@node
class Waiver(Node):
    rule_id: Name
    of: Reference
    title: str | None
    through: Date | None
    approved_by: str | None
    ticket: str | None
    including_switches: bool
    when: Expr
    because: Template | None
    doc: str = ""


# ── sizing, allocation ────────────────────────────────────────────────────────────────────────────────


@node
class SizeStart(Node):
    value: Expr


@node
class SizeTimes(Node):
    value: Expr


@node
class SizeAtMost(Node):
    value: Expr


@node
class SizeAtLeast(Node):
    value: Expr
    because: Template | None


@node
class SizeInMargin(Node):
    leverage: Read


SizeStep = SizeStart | SizeTimes | SizeAtMost | SizeAtLeast | SizeInMargin


@node
class Size(Node):
    rule_id: Name
    title: str | None
    reach: Literal["all opening", "unsized"]
    steps: tuple[SizeStep, ...]
    doc: str = ""


@node
class AllocateClause(Node):
    kind: Literal["score", "floor", "ceiling", "scale by", "freeze when", "rebalance when", "fixed"]
    value: Expr
    subject: str | None = None


@node
class Allocate(Node):
    name: Name
    across: Name
    clauses: tuple[AllocateClause, ...]
    doc: str = ""


@node
class AnswerLabel(Node):
    """*when* None is ``otherwise``."""

    label: Name
    when: Expr | None


@node
class Answer(Node):
    labels: tuple[AnswerLabel, ...]


@node
class Emit(Node):
    """*when* None is ``always``."""

    tag: str
    when: Expr | None
    text: Template


# ── tests, properties ─────────────────────────────────────────────────────────────────────────────────


@node
class Pair(Node):
    name: Name
    value: Expr


@node
class Given(Node):
    """``given account.equity = 10_000 USD``"""

    target: Read
    value: Expr


@node
class GivenNothingElse(Node):
    pass


@node
class EachRow(Node):
    """A table: *cells* are expressions, names, or verdict words."""

    columns: tuple[Name, ...]
    rows: tuple[tuple[Expr | Name, ...], ...]


@node
class At(Node):
    instant: Instant


@node
class Later(Node):
    """``after 5min``: so much later than the instant before."""

    nanoseconds: int


@node
class Happens(Node):
    """``fill buy 1 "BTCUSDT" price 100 USD``; *event* is one of `words.EVENT_WORDS`. An order without a size has no *amount*."""

    event: str
    side: Literal["buy", "sell"] | None
    amount: Expr | None
    symbol: str | None
    pairs: tuple[Pair, ...]


@node
class Operate(Node):
    """``trip K-1``, ``rearm K-1 by "ann"``"""

    act: Literal["trip", "rearm"]
    switch: Reference
    pairs: tuple[Pair, ...]


@node
class ExpectVerdict(Node):
    """*verdict* may be the name of a table column, in which case `column` is true."""

    verdict: str
    to: Expr | None
    by: tuple[Reference, ...]
    column: bool = False


@node
class ExpectViolated(Node):
    rule: Reference


@node
class ExpectSwitch(Node):
    switch: Reference
    state: Literal["tripped", "armed"]


@node
class ExpectObligation(Node):
    duty: Duty


@node
class ExpectValue(Node):
    read: Read
    operator: str
    value: Expr


Step = (
    Given | GivenNothingElse | EachRow | At | Later | Happens | Operate | ExpectVerdict | ExpectViolated | ExpectSwitch
    | ExpectObligation | ExpectValue
)


@node
class Test(Node):
    title: str
    steps: tuple[Step, ...]
    doc: str = ""


@node
class Implies(Node):
    """``if A then B`` in a property."""

    condition: Expr
    claim: Claim


Claim = Expr | Implies


@node
class Property(Node):
    title: str
    claim: Claim
    doc: str = ""


Item = (
    Use | InputRecord | InputScalar | Setting | Let | Rule | Limit | Throttle | Cooldown | KillSwitch | Waiver | Size
    | Allocate | Answer | Emit | Test | Property
)
RuleItem = Rule | Limit | Throttle | Cooldown | KillSwitch


@node
class Module(Node):
    """One parsed file. An entry file has a header; modules, facts and test files have none."""

    header: Header | None
    items: tuple[Item, ...]
