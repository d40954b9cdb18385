"""Numbers at the scale at which the fused form has them: whole, or the long way has to say them."""
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from caplex.runtime.engine.plainly import Odd
from caplex.runtime.values import ABSENT

Fill = Callable[[Any], Any]
"""Says of a moment (`prepared.Moment`) what stands in one place."""


def shift(value: Any, places: int, scale: int | None) -> int:
    """*value* with so many decimals as a number with *scale* decimals. Raises Odd."""
    if scale is None or type(value) is not int:
        raise Odd
    if scale >= places:
        return int(value * 10 ** (scale - places))
    found, rest = divmod(value, 10 ** (places - scale))
    if rest:
        raise Odd
    return int(found)


def shifted(read: Fill, places: int, scale: int | None) -> Fill:
    """`shift` of what *read* says of a moment, with all that can be known before."""
    if scale is None or scale < places:
        return lambda m: shift(read(m), places, scale)
    factor: int = 10 ** (scale - places)

    def fill(moment: Any) -> int:
        value: int = read(moment)
        if type(value) is not int:
            raise Odd
        return value * factor

    return fill


def exact(value: Any, scale: int | None, default: Any = None) -> Any:
    """*value* as `Bound` gives it to the fused form; *default* stands for what is absent. Raises Odd."""
    if value is ABSENT:
        return default
    if isinstance(value, Fraction):
        if scale is None:
            raise Odd
        number, rest = divmod(value.numerator * 10**scale, value.denominator)
        if rest:
            raise Odd
        return number
    if not isinstance(value, str | bool | frozenset):
        raise Odd
    return value
