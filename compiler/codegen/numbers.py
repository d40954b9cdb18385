"""Exact numbers as integer source text: a value is ``code / (10**scale · den)`` with a scale known at compile time."""
from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

_FACTOR = re.compile(r"\((.+) \* (\d+)\)")
_MULTIPLE = re.compile(r"\((\w+) \* (\d+)\)")


@dataclass(frozen=True, slots=True)
class Num:
    """Source text of a numerator, its decimal places, and the text of a positive denominator ("" is one)."""

    code: str
    scale: int = 0
    den: str = ""

    @property
    def constant(self) -> int | None:
        text = self.code[1:-1] if self.code.startswith("(-") else self.code
        return int(text) if text.lstrip("-").isdigit() else None


def product(*factors: str | int) -> str:
    """``a * b``, leaving out ones; a zero makes it zero."""
    number, texts = 1, []
    for factor in factors:
        if isinstance(factor, int):
            number *= factor
        elif (digits := factor[1:-1] if factor.startswith("(-") else factor).lstrip("-").isdigit():
            number *= int(digits)
        elif found := _MULTIPLE.fullmatch(factor):
            number *= int(found[2])
            texts.append(found[1])
        elif factor:
            texts.append(factor)
    if number == 0:
        return "0"
    if number != 1 or not texts:
        texts.append(str(number) if number >= 0 else f"({number})")
    return texts[0] if len(texts) == 1 else f"({' * '.join(texts)})"


def literal(value: Fraction) -> Num:
    """A constant: decimal where it is one, else over its denominator."""
    den, twos, fives = value.denominator, 0, 0
    while den % 2 == 0:
        den, twos = den // 2, twos + 1
    while den % 5 == 0:
        den, fives = den // 5, fives + 1
    scale = max(twos, fives)
    number = value * den * 10**scale
    assert number.denominator == 1
    return Num(product(number.numerator), scale, str(den) if den != 1 else "")


def align(left: Num, right: Num) -> tuple[str, str, int, str]:
    """Numerators of both over one scale and one denominator."""
    scale = max(left.scale, right.scale)
    a, b = product(left.code, 10 ** (scale - left.scale)), product(right.code, 10 ** (scale - right.scale))
    if left.den == right.den:
        return a, b, scale, left.den
    return product(a, right.den), product(b, left.den), scale, product(left.den, right.den)


def lowest(left: str, right: str) -> tuple[str, str]:
    """Both sides of a comparison, without the whole factor that they have in common: ``x * 100`` and ``y * 2`` are ``x * 50`` and ``y``."""
    (a, m), (b, n) = _factored(left), _factored(right)
    common = gcd(m, n)
    return (left, right) if common <= 1 else (product(a, m // common), product(b, n // common))


def _factored(text: str) -> tuple[str, int]:
    """*text* as a rest and a whole factor; of a number there is no rest."""
    digits = text[1:-1] if text.startswith("(-") else text
    if digits.lstrip("-").isdigit():
        return "", int(digits)
    found = _FACTOR.fullmatch(text)
    return (found[1], int(found[2])) if found and _closed(found[1]) else (text, 1)


def bare(text: str) -> str:
    """*text* without the parentheses around all of it: what follows an `if` or a `=` needs none."""
    return text[1:-1] if text.startswith("(") and _closed(text) else text


def _closed(text: str) -> bool:
    """Is *text* one word, or one pair of parentheses?"""
    if not text.startswith("("):
        return text.isidentifier()
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return at == len(text) - 1
    return False


def multiply(left: Num, right: Num) -> Num:
    den = product(left.den, right.den) if left.den or right.den else ""
    return Num(product(left.code, right.code), left.scale + right.scale, den)


def quotient(left: Num, divisor: Num) -> Num:
    """``left / divisor``; the caller has tested that the divisor's numerator is positive."""
    scale = left.scale - divisor.scale
    code = product(left.code, divisor.den, 10 ** max(0, -scale))
    return Num(code, max(0, scale), product(divisor.code, left.den))


def negated(value: Num) -> Num:
    constant = value.constant
    return Num(product(-constant) if constant is not None else f"(-{value.code})", value.scale, value.den)
