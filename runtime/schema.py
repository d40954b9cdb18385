"""What a facts document may hold: sections and fields, as the checked policy knows them.

The built-in part is written in `grammar/facts.cap`; policies add to it. The compiler makes these objects; the runtime
reads documents by them and needs no compiler.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Final, Literal


class Kind(StrEnum):
    """Kinds of value. Ratio and number are one dimensionless kind that prints differently."""

    MONEY = "money"
    PRICE = "price"
    QUANTITY = "quantity"
    RATIO = "ratio"
    COUNT = "count"
    RATE = "rate"
    DURATION = "duration"
    INSTANT = "instant"
    DATE = "date"
    TIME = "time"
    BOOL = "bool"
    TEXT = "text"
    NOMINAL = "nominal"
    ENUM = "enum"
    SET = "set"
    UNKNOWN = "unknown"


NUMERIC = frozenset({Kind.MONEY, Kind.PRICE, Kind.QUANTITY, Kind.RATIO, Kind.COUNT, Kind.RATE, Kind.DURATION, Kind.INSTANT})


@dataclass(frozen=True, slots=True)
class Type:
    """The type of a field or an expression.

    Attributes:
        currency: Of money and price; None is the currency of the policy.
        name: Of a nominal type (``symbol``) or an enumeration.
        members: Of an enumeration, in the order declared.
        element: Of a set.
        of: What a ratio is a share of, where known: ``account.peak_equity``.
        bare: A numeral without unit, which takes the unit of its partner.
    """

    kind: Kind
    currency: str | None = None
    name: str | None = None
    members: tuple[str, ...] = ()
    element: Type | None = None
    of: str | None = None
    bare: bool = False

    @property
    def numeric(self) -> bool:
        return self.kind in NUMERIC


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field. *fresh_ns* is how old its row may be (0: no bound). Ranges are exact and inclusive but for *above*."""

    section: str
    name: str
    type: Type
    optional: bool = False
    derived: bool = False
    fresh_ns: int = 0
    low: Fraction | None = None
    high: Fraction | None = None
    above: Fraction | None = None
    attested: bool = False
    normalised: tuple[str, ...] = ()
    neutral: Fraction | str | bool | None = None
    supplier: str = "host"
    doc: str = ""

    @property
    def path(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def positive(self) -> bool:
        """Never zero or negative, by its declared range: needs no sign test as a divisor."""
        return (self.above is not None and self.above >= 0) or (self.low is not None and self.low > 0)

    @property
    def non_negative(self) -> bool:
        return self.positive or (self.low is not None and self.low >= 0)


Shape = Literal["one", "row", "list", "history"]
PLAN_IN_FORCE: Final = "allocation"
"""The built-in section that lies under `inputs`: whoever works out shares feeds them as any other input."""


@dataclass(frozen=True, slots=True)
class SectionSpec:
    """A section.

    Attributes:
        name: As policies write it: ``account``, ``market``, ``positions``, ``fills``.
        shape: ``one`` record (intent, account of the intent, guardian …); ``row``: a table keyed by *key*, a bare read takes
            the row of the intent's *key*; ``list``: rows to aggregate over; ``history``: events to aggregate over.
        key: The dimension of a ``row`` section: ``symbol``, ``strategy``, ``venue``, ``account``.
        inputs: Declared by the policy: stands under ``inputs`` in the document.
        scalar: An ``input name : type`` without record; its only field is ``value``.
    """

    name: str
    shape: Shape
    fields: dict[str, FieldSpec] = field(hash=False)
    key: str | None = None
    inputs: bool = False
    scalar: bool = False
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    sections: dict[str, SectionSpec] = field(hash=False)

    def field(self, section: str, name: str) -> FieldSpec | None:
        found = self.sections.get(section)
        return found.fields.get(name) if found else None
