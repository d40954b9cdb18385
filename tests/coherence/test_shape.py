"""Curvature in the size: what is proved, what is refused, and that proofs are true and can be compiled."""
from __future__ import annotations

import random

import pytest

from caplex.compiler.graph.build import build
from caplex.compiler.semantics import shape
from caplex.compiler.semantics.coherence.context import Context
from caplex.compiler.semantics.coherence.witness import broken_between
from caplex.compiler.semantics.shape import AFFINE, CONCAVE, CONSTANT, CONVEX, NEITHER, Sign
from caplex.compiler.syntax import ast
from tests.coherence.conftest import check_text

MONEY = {
    "account.equity": CONSTANT,
    "account.equity - portfolio.gross": CONSTANT,
    "max(min(account.equity, 5 USD), account.available)": CONSTANT,
    "intent.notional": AFFINE,
    "account.equity - 2 * after.position.notional": AFFINE,
    "10% of after.position.notional": AFFINE,
    "after.position.notional / 3": AFFINE,
    "account.leverage_left * after.position.notional": AFFINE,
    "after.portfolio.net": AFFINE,
    "if account.equity > 5 USD then intent.notional else 3 USD": AFFINE,
    "abs(after.position.notional)": CONVEX,
    "after.portfolio.gross": CONVEX,
    "market.price * intent.opening": CONVEX,
    "abs(after.portfolio.gross)": CONVEX,
    "max(intent.notional, account.equity, 3 USD)": CONVEX,
    "2 * abs(after.position.notional) + after.portfolio.gross - intent.notional": CONVEX,
    "if account.equity > 5 USD then abs(after.position.notional) else intent.notional": CONVEX,
    "-abs(after.position.notional)": CONCAVE,
    "account.equity - after.portfolio.gross": CONCAVE,
    "market.price * intent.closing": CONCAVE,
    "min(intent.notional, account.equity)": CONCAVE,
    "-2 * after.portfolio.gross": CONCAVE,
    "after.portfolio.gross - abs(after.position.notional)": NEITHER,
    "account.leverage_left * after.portfolio.gross": NEITHER,
    "clamp(intent.notional, 1 USD..2 USD)": NEITHER,
    "max(intent.notional, account.equity - after.portfolio.gross)": NEITHER,
    "if after.position.quantity > 0 then intent.notional else 0 USD": NEITHER,
    "account.equity * (intent.notional / after.portfolio.gross)": NEITHER,
}
INPUTS = "input account { leverage_left : ratio }\n"


def measure(text: str) -> tuple[ast.Expr, Context]:
    """The measure of a limit that only warns of nothing: written so that it is checked but never refused itself."""
    checked, problems = check_text(f"{INPUTS}let measured : money = {text}\nlimit EXP-010 {{ account.equity above 0 USD else deny }}")
    assert checked is not None, problems
    let = next(item for item in checked.modules[""].items if isinstance(item, ast.Let))
    return let.value, Context(checked)


@pytest.mark.parametrize("text", MONEY)
def test_curvature(text: str) -> None:
    expr, context = measure(text)
    assert shape.curvature(expr, context.checked) is MONEY[text]
    found = context.shapes.of(expr)
    assert (found.witness is not None) is (MONEY[text] is NEITHER)


@pytest.mark.parametrize(("text", "sign"), [
    ("intent.notional", Sign.POSITIVE), ("abs(account.equity)", Sign.NON_NEGATIVE), ("-market.price * 2 units", Sign.NEGATIVE),
    ("account.equity", Sign.ANY), ("min(account.equity, 0 USD)", Sign.NON_POSITIVE), ("max(account.equity, 1 USD)", Sign.POSITIVE),
    ("account.day_start_equity", Sign.POSITIVE), ("sum(abs(p.notional) for p in positions)", Sign.NON_NEGATIVE),
])
def test_sign(text: str, sign: Sign) -> None:
    expr, context = measure(text)
    assert shape.sign(expr, context.checked) is sign


def test_signs_of_settings_are_those_of_their_values() -> None:
    text = "setting share : ratio = {} within -2..2\nlimit EXP-010 {{ share * abs(after.position.notional) at most 5 USD else reduce }}"
    assert check_text(text.format("50%"))[0] is not None
    assert check_text(text.format("-50%"))[0] is None


def test_too_many_corners() -> None:
    parts = " + ".join(f"abs(after.position.notional - {n} USD)" for n in range(7))
    _, problems = check_text(f"limit EXP-010 {{ {parts} at most 5 USD else reduce }}")
    assert [problem.code.id for problem in problems if problem.is_error] == ["CAP401"]


# ── proofs are true ───────────────────────────────────────────────────────────────────────────────────

LEAVES = (
    "intent.notional", "after.position.notional", "after.portfolio.gross", "after.portfolio.net", "market.price * intent.opening",
    "market.price * intent.closing", "account.equity", "portfolio.gross", "40 USD", "120 USD",
)


def random_money(chance: random.Random, depth: int) -> str:
    if depth == 0 or chance.random() < 0.2:
        return f"({chance.choice(LEAVES)})"
    a, b = random_money(chance, depth - 1), random_money(chance, depth - 1)
    return chance.choice((
        f"({a} + {b})", f"({a} - {b})", f"abs({a})", f"max({a}, {b})", f"min({a}, {b})", f"(2 * {a})", f"(-{a})", f"({a} / 4)",
        f"(account.leverage_left * {a})", f"(if account.equity > 5 USD then {a} else {b})", f"clamp({a}, 0 USD..50 USD)",
    ))


def test_what_is_accepted_has_no_gap_and_can_be_compiled() -> None:
    """Accepted limits keep their sizes in one piece, by trial; and `graph.shape` can write them as affine pieces."""
    chance = random.Random(20260105)
    accepted = refused = 0
    for number in range(160):
        expr = random_money(chance, 3)
        boundary = chance.choice(("at most", "below", "at least", "above"))
        bound = chance.choice(("60 USD", "account.available", "5% of account.day_start_equity"))
        checked, problems = check_text(f"{INPUTS}limit EXP-010 {{ {expr} {boundary} {bound} else deny }}\n# {number}")
        if checked is None:
            assert {problem.code.id for problem in problems if problem.is_error} == {"CAP401"}, (expr, problems)
            refused += 1
            continue
        accepted += 1
        context = Context(checked)
        limit = checked.rules[0].node
        assert isinstance(limit, ast.Limit)
        assert broken_between(context, limit) is None, expr
        if context.shapes.reads_size(limit.measure):
            reducing, _ = check_text(f"{INPUTS}limit EXP-010 {{ {expr} {boundary} {bound} else reduce }}")
            assert reducing is not None
            build(reducing)
    assert accepted > 40
    assert refused > 40


def test_conditions() -> None:
    kept = (
        "deny when intent.quantity > 5", "require after.position.quantity within -5..5", "deny when intent.quantity < 5",
        "deny when abs(after.position.notional) > 5 USD or intent.quantity > 8", "require not (intent.quantity > 5)",
        "deny when account.equity < 5 USD and after.portfolio.gross > 50 USD", "require intent.quantity == 5",
        "warn when intent.notional > 50_000 USD",
    )
    for effect in kept:
        checked, problems = check_text(f"rule EXP-010 {{ {effect} }}")
        assert checked is not None, (effect, problems)
