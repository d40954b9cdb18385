"""Exact numbers as integer source: every operation, evaluated, equals the same on fractions."""
from __future__ import annotations

import random
from fractions import Fraction

import pytest

from caplex.compiler.codegen.numbers import Num, align, literal, multiply, negated, product, quotient


def value(number: Num) -> Fraction:
    return Fraction(eval(number.code), 10**number.scale) / (eval(number.den) if number.den else 1)


def some_fraction(rng: random.Random) -> Fraction:
    return Fraction(rng.randint(-9_999, 9_999), rng.choice((1, 2, 3, 7, 8, 10, 40, 1_000)))


@pytest.mark.parametrize("seed", range(200))
def test_arithmetic_is_exact(seed: int) -> None:
    rng = random.Random(seed)
    a, b = some_fraction(rng), some_fraction(rng)
    left, right = literal(a), literal(b)
    assert value(left) == a
    assert value(multiply(left, right)) == a * b
    assert value(negated(left)) == -a
    if b > 0:
        assert value(quotient(left, right)) == a / b
    one, other, scale, den = align(left, right)
    over = Fraction(1, 10**scale) / (eval(den) if den else 1)
    assert eval(one) * over == a
    assert eval(other) * over == b


def test_products_leave_out_ones_and_fold_constants() -> None:
    assert product("x", 1) == "x"
    assert product("x", "0") == "0"
    assert product("(s3 * 2)", 100) == "(s3 * 200)"
    assert product("x", "y", 10) == "(x * y * 10)"
    assert product("x", -2) == "(x * (-2))"
