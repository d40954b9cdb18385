"""The algebra of types: which values may be combined, compared, and what comes out (docs/spec.md, CAP-TYPE).

Everything here is about types alone; `infer` walks the tree and says where. `UNKNOWN` is the type of what has already
been complained about: whatever it meets becomes unknown too, and nothing more is said.
"""
from __future__ import annotations

from typing import Final

from caplex.runtime.schema import Kind, Type

UNKNOWN: Final = Type(Kind.UNKNOWN)
MONEY: Final = Type(Kind.MONEY)
PRICE: Final = Type(Kind.PRICE)
QUANTITY: Final = Type(Kind.QUANTITY)
RATIO: Final = Type(Kind.RATIO)
COUNT: Final = Type(Kind.COUNT)
RATE: Final = Type(Kind.RATE)
DURATION: Final = Type(Kind.DURATION)
INSTANT: Final = Type(Kind.INSTANT)
DATE: Final = Type(Kind.DATE)
TIME: Final = Type(Kind.TIME)
BOOL: Final = Type(Kind.BOOL)
TEXT: Final = Type(Kind.TEXT)
TEXT_LITERAL: Final = Type(Kind.TEXT, bare=True)
"""A text as written, which may stand for any identifier or member."""
BARE: Final = Type(Kind.RATIO, bare=True)
MONEY_LITERAL: Final = Type(Kind.MONEY, bare=True)
"""``5 USD`` as written, which may also be a price."""

NOMINALS: Final = (
    "symbol", "strategy", "account", "venue", "pair", "trader", "desk", "sector", "asset", "payee", "mandate", "model",
    "agent",
)
PLAIN_TYPES: Final[dict[str, Type]] = {
    "money": MONEY, "price": PRICE, "quantity": QUANTITY, "ratio": RATIO, "number": Type(Kind.RATIO, name="number"),
    "count": COUNT,
    "rate": RATE, "duration": DURATION, "instant": INSTANT, "date": DATE, "time": TIME, "bool": BOOL, "text": TEXT,
    **{name: Type(Kind.NOMINAL, name=name) for name in NOMINALS},
}

_TIMES: Final[dict[tuple[Kind, Kind], Kind]] = {
    (Kind.QUANTITY, Kind.PRICE): Kind.MONEY,
    (Kind.RATE, Kind.DURATION): Kind.COUNT,
    **{(Kind.RATIO, kind): kind
       for kind in (Kind.RATIO, Kind.MONEY, Kind.PRICE, Kind.QUANTITY, Kind.COUNT, Kind.RATE, Kind.DURATION)},
    **{(Kind.COUNT, kind): kind for kind in (Kind.COUNT, Kind.MONEY, Kind.PRICE, Kind.QUANTITY, Kind.DURATION,
                                             Kind.RATE)},
}
_OVER: Final[dict[tuple[Kind, Kind], Kind]] = {
    (Kind.MONEY, Kind.PRICE): Kind.QUANTITY,
    (Kind.MONEY, Kind.QUANTITY): Kind.PRICE,
    (Kind.COUNT, Kind.DURATION): Kind.RATE,
    (Kind.RATIO, Kind.DURATION): Kind.RATE,
    (Kind.COUNT, Kind.RATE): Kind.DURATION,
    (Kind.RATIO, Kind.COUNT): Kind.RATIO,
    **{(kind, kind): Kind.RATIO
       for kind in (Kind.MONEY, Kind.PRICE, Kind.QUANTITY, Kind.RATIO, Kind.COUNT, Kind.RATE, Kind.DURATION)},
    **{(kind, divisor): kind
       for kind in (Kind.MONEY, Kind.PRICE, Kind.QUANTITY, Kind.COUNT, Kind.RATE, Kind.DURATION)
       for divisor in (Kind.RATIO, Kind.COUNT) if (kind, divisor) != (Kind.COUNT, Kind.COUNT)},
}
_PLAIN: Final[dict[Kind, Type]] = {
    Kind.MONEY: MONEY, Kind.PRICE: PRICE, Kind.QUANTITY: QUANTITY, Kind.RATIO: RATIO, Kind.COUNT: COUNT,
    Kind.RATE: RATE,
    Kind.DURATION: DURATION, Kind.INSTANT: INSTANT,
}
ORDERED: Final = frozenset({*_PLAIN, Kind.DATE, Kind.TIME})
_CURRENT: Final = frozenset({Kind.MONEY, Kind.PRICE})
RATE_OF: Final = "fx "
"""Prefix of the *of* of an exchange rate: ``fx EURUSD``."""


def make(kind: Kind, currency: str | None = None, of: str | None = None) -> Type:
    """The plain type of *kind*, shared where it can be."""
    return _PLAIN[kind] if currency is None and of is None else Type(kind, currency=currency, of=of)


def plain(type_: Type) -> Type:
    """*type_* as it stands when nothing gives it a unit."""
    if not type_.bare:
        return type_
    return TEXT if type_.kind is Kind.TEXT else make(type_.kind, type_.currency, type_.of)


def noun(type_: Type) -> str:
    """What a person calls a value of *type_*: ``money``, ``a percentage``, ``a symbol``."""
    match type_.kind:
        case Kind.MONEY:
            return f"money in {type_.currency}" if type_.currency else "money"
        case Kind.PRICE:
            return f"a price in {type_.currency}" if type_.currency else "a price"
        case Kind.RATIO:
            return "a bare number" if type_.bare else "a number" if type_.name == "number" else "a percentage"
        case Kind.NOMINAL:
            return f"{'an' if (type_.name or 'x')[0] in 'aeiou' else 'a'} {type_.name}"
        case Kind.ENUM:
            return "one of " + ", ".join(f"`{member}`" for member in type_.members)
        case Kind.SET:
            return "a list" if type_.element is None else f"a list of {plural(type_.element)}"
        case Kind.BOOL:
            return "true or false"
        case Kind.INSTANT:
            return "an instant"
        case Kind.UNKNOWN:
            return "a value"
        case _:
            return f"a {type_.kind.value}"


def plural(type_: Type) -> str:
    words = {Kind.MONEY: "amounts of money", Kind.RATIO: "percentages", Kind.QUANTITY: "quantities",
             Kind.BOOL: "truth values"}
    return words.get(type_.kind) or (f"{type_.name}s" if type_.kind is Kind.NOMINAL else f"{type_.kind.value}s")


def same_currency(left: Type, right: Type) -> bool:
    return left.kind not in _CURRENT or left.currency == right.currency


def product(left: Type, right: Type) -> Type | None:
    """The type of ``left * right``; None if it has none."""
    if left.kind is Kind.UNKNOWN or right.kind is Kind.UNKNOWN:
        return UNKNOWN
    if exchanged := _exchange(left, right) or _exchange(right, left):
        return exchanged
    if left.bare and right.bare and left.kind is right.kind is Kind.RATIO:
        return BARE
    first, second = _as_price(left, right.kind, Kind.QUANTITY), _as_price(right, left.kind, Kind.QUANTITY)
    kind = _TIMES.get((first, second)) or _TIMES.get((second, first))
    if kind is None:
        return None
    of = None
    if kind is Kind.RATIO and (left.of is None or right.of is None):
        of = left.of or right.of
    return make(kind, left.currency or right.currency, of)


def quotient(left: Type, right: Type, whole: str | None = None) -> Type | None:
    """The type of ``left / right``; *whole* is the field that the divisor reads, which a share then remembers."""
    if left.kind is Kind.UNKNOWN or right.kind is Kind.UNKNOWN:
        return UNKNOWN
    if left.bare and right.bare and left.kind is right.kind is Kind.RATIO:
        return BARE
    if exchanged := _exchange(left, right, inverse=True):
        return exchanged
    kind = _OVER.get((left.kind, right.kind))
    if left.kind is Kind.MONEY and right.kind is Kind.PRICE and left.currency != right.currency:
        return None
    if kind is None:
        return None
    if kind is Kind.RATIO:
        if left.kind in _CURRENT and not same_currency(left, right):
            return None
        dimensioned = left.kind not in (Kind.RATIO, Kind.COUNT)
        return make(kind, None,
                    whole if dimensioned else left.of if right.kind is Kind.RATIO and right.of is None else None)
    return make(kind, left.currency if kind in _CURRENT else None)


def total(left: Type, right: Type, *, minus: bool) -> Type | None:
    """The type of ``left + right`` or ``left - right``."""
    if left.kind is Kind.UNKNOWN or right.kind is Kind.UNKNOWN:
        return UNKNOWN
    if left.kind is Kind.INSTANT or right.kind is Kind.INSTANT:
        if left.kind is right.kind:
            return DURATION if minus else None
        if left.kind is Kind.INSTANT and right.kind is Kind.DURATION:
            return INSTANT
        return INSTANT if left.kind is Kind.DURATION and not minus else None
    if not left.numeric or left.kind is not right.kind or not same_currency(left, right):
        return None
    if left.bare and right.bare:
        return left
    if left.kind is Kind.RATIO:
        return make(Kind.RATIO, None,
                    left.of if left.of == right.of or right.of is None else right.of if left.of is None else None)
    return make(left.kind, left.currency)


def _as_price(type_: Type, partner: Kind, when: Kind) -> Kind:
    """Money as written is a price where it multiplies a quantity: ``5 USD * intent.quantity``."""
    return Kind.PRICE if type_.bare and type_.kind is Kind.MONEY and partner is when else type_.kind


def _exchange(amount: Type, rate: Type, *, inverse: bool = False) -> Type | None:
    """``fee * fx["EURUSD"].rate``: euros become dollars; divided, dollars become euros.

    A currency of None is the policy's; `infer` spells it out in the rate's *of* as an empty word: ``fx EUR>``.
    """
    if amount.kind not in _CURRENT or rate.of is None or not rate.of.startswith(RATE_OF):
        return None
    base, _, quote = rate.of[len(RATE_OF):].partition(">")
    source, target = (quote, base) if inverse else (base, quote)
    if (amount.currency or "") != source:
        return None
    return make(amount.kind, target or None)
