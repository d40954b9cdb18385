"""The eighteen rules of `baseline.py` in the languages of other engines, and a case as the flat facts that these read.

Peers get what a host would have looked up for them: the price, the position, the counters of this intent, gross and net kept up to
date. The rules stand here once, as Python expressions, and are written anew for engines of that kind; Cedar and Rego read too
differently and have texts of their own. An engine answers with a mask (bit *i* is `baseline.RULES[i]`), because that is the
least to hand back; how far an order fits is a second expression, asked for where EXP-001 alone is broken.
"""
from __future__ import annotations

import ast
from decimal import Decimal
from fractions import Fraction
from typing import Any

import baseline

NEW, CURRENT = "(held + signed) * price", "held * price"
CAP = '(0.2 if symbol == "BTC" else (0.15 if strategy == "trend" else 0.1))'
CONDITIONS = {
    "KILL-001": "kill",
    "LOSS-001": "day_start - equity >= 0.02 * day_start",
    "LOSS-002": "peak - equity >= 0.1 * peak",
    "EXEC-001": "orders >= 60",
    "EXEC-002": 'orders_strategy >= (40 if strategy == "mm" else 20)',
    "CONF-001": "confidence < 0.7",
    "COOL-001": "since_trade < 60",
    "COOL-002": "since_symbol < 300",
    "POS-001": "positions >= 25",
    "EXP-004": "gross >= 1900000.0",
    "SCALE-001": 'is_held and not (((held > 0.0 and side == "buy") or (held <= 0.0 and side == "sell")) and confidence > position_confidence + 0.05 and scale_ins < 2)',
    "EXP-005": f"abs({CURRENT}) >= 150000.0",
    "POS-002": "is_held and legs >= 3",
    "REG-001": "regime_count >= 8",
    "EXP-001": f"abs({NEW}) > {CAP} * equity",
    "EXP-002": f"gross - abs({CURRENT}) + abs({NEW}) > 2.0 * equity",
    "EXP-003": f"abs(net - {CURRENT} + {NEW}) > equity"}
BIT = {rule: 1 << position for position, rule in enumerate(baseline.RULES)}
MASK = "1 if price <= 0.0 else " + " + ".join(f"({BIT[rule]} if {text} else 0)" for rule, text in CONDITIONS.items())
ROOM = f'{CAP} * equity / price - held if side == "buy" else {CAP} * equity / price + held'
"""How far EXP-001 lets the order go; below zero not at all."""


def flat(intent: Any, state: Any) -> dict[str, Any]:
    """What the rules read of a case, over its kind of number."""
    zero = state.equity - state.equity
    position = state.positions.get(intent.symbol)
    held = position.quantity if position is not None else zero
    price = state.prices.get(intent.symbol)
    return {
        "symbol": intent.symbol, "strategy": intent.strategy, "side": intent.side, "signed": intent.quantity if intent.side == "buy" else -intent.quantity,
        "confidence": intent.confidence, "price": zero if price is None else price, "is_held": position is not None, "held": held,
        "legs": position.legs if position is not None else 0, "scale_ins": position.scale_ins if position is not None else 0,
        "position_confidence": position.confidence if position is not None else zero, "kill": state.kill, "equity": state.equity,
        "day_start": state.day_start, "peak": state.peak, "orders": state.orders_global, "orders_strategy": state.orders_by.get(intent.strategy, 0),
        "since_trade": state.now - state.last_trade, "since_symbol": state.now - state.last_by.get(intent.symbol, 0), "positions": len(state.positions),
        "regime_count": state.regimes.get(intent.regime, 0), "gross": state.gross, "net": state.net}


# ── one source, several spellings ─────────────────────────────────────────────────────────────────────

_COMPARE = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "=="}
_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class Infix:
    """Languages that look like C: ``c ? a : b``; what differs is said by the constructor."""

    def __init__(self, *, both: str = "&&", either: str = "||", never: str = "!", absolute: bool = False, true: str = "{}") -> None:
        self.both, self.either, self.never, self.absolute, self.true = both, either, never, absolute, true

    def text(self, source: str) -> str:
        return self._of(ast.parse(source, mode="eval").body)

    def _of(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id="kill" | "is_held"):
                return self.true.format(node.id)
            case ast.Name():
                return node.id
            case ast.Constant():
                return f'"{node.value}"' if isinstance(node.value, str) else repr(node.value)
            case ast.IfExp():
                return f"({self._of(node.test)} ? {self._of(node.body)} : {self._of(node.orelse)})"
            case ast.BoolOp():
                return "(" + f" {self.both if isinstance(node.op, ast.And) else self.either} ".join(map(self._of, node.values)) + ")"
            case ast.UnaryOp():
                return f"{self.never} ({self._of(node.operand)})"
            case ast.Compare():
                return f"({self._of(node.left)} {_COMPARE[type(node.ops[0])]} {self._of(node.comparators[0])})"
            case ast.BinOp():
                return f"({self._of(node.left)} {_ARITHMETIC[type(node.op)]} {self._of(node.right)})"
            case ast.Call():
                inner = self._of(node.args[0])
                return f"abs({inner})" if self.absolute else f"({inner} < 0.0 ? 0.0 - {inner} : {inner})"
        raise AssertionError(ast.dump(node))


def jsonlogic(source: str) -> Any:
    """As JSONLogic."""
    return _logic(ast.parse(source, mode="eval").body)


def _logic(node: ast.expr) -> Any:
    match node:
        case ast.Name():
            return {"var": node.id}
        case ast.Constant():
            return node.value
        case ast.IfExp():
            return {"if": [_logic(node.test), _logic(node.body), _logic(node.orelse)]}
        case ast.BoolOp():
            return {"and" if isinstance(node.op, ast.And) else "or": [_logic(each) for each in node.values]}
        case ast.UnaryOp():
            return {"!": [_logic(node.operand)]}
        case ast.Compare():
            return {_COMPARE[type(node.ops[0])]: [_logic(node.left), _logic(node.comparators[0])]}
        case ast.BinOp():
            if isinstance(node.op, ast.Add):  # `a + b + c` is one operation of three
                left = _logic(node.left)
                return {"+": [*(left["+"] if isinstance(left, dict) and "+" in left else [left]), _logic(node.right)]}
            return {_ARITHMETIC[type(node.op)]: [_logic(node.left), _logic(node.right)]}
        case ast.Call():
            return {"abs": [_logic(node.args[0])]}
    raise AssertionError(ast.dump(node))


# ── Rego ──────────────────────────────────────────────────────────────────────────────────────────────

REGO = """package desk

new := (input.held + input.signed) * input.price
current := input.held * input.price
most := 40 if input.strategy == "mm" else := 20
cap := 0.2 if input.symbol == "BTC" else := 0.15 if input.strategy == "trend" else := 0.1
direction if { input.held > 0; input.side == "buy" }
direction if { input.held <= 0; input.side == "sell" }
scales if { direction; input.confidence > input.position_confidence + 0.05; input.scale_ins < 2 }
usable if input.price > 0

broken contains "SYS-001" if input.price <= 0
broken contains "KILL-001" if { usable; input.kill }
broken contains "LOSS-001" if { usable; input.day_start - input.equity >= 0.02 * input.day_start }
broken contains "LOSS-002" if { usable; input.peak - input.equity >= 0.1 * input.peak }
broken contains "EXEC-001" if { usable; input.orders >= 60 }
broken contains "EXEC-002" if { usable; input.orders_strategy >= most }
broken contains "CONF-001" if { usable; input.confidence < 0.7 }
broken contains "COOL-001" if { usable; input.since_trade < 60 }
broken contains "COOL-002" if { usable; input.since_symbol < 300 }
broken contains "POS-001" if { usable; input.positions >= 25 }
broken contains "EXP-004" if { usable; input.gross >= 1900000 }
broken contains "SCALE-001" if { usable; input.is_held; not scales }
broken contains "EXP-005" if { usable; abs(current) >= 150000 }
broken contains "POS-002" if { usable; input.is_held; input.legs >= 3 }
broken contains "REG-001" if { usable; input.regime_count >= 8 }
broken contains "EXP-001" if { usable; abs(new) > cap * input.equity }
broken contains "EXP-002" if { usable; (input.gross - abs(current)) + abs(new) > 2 * input.equity }
broken contains "EXP-003" if { usable; abs((input.net - current) + new) > input.equity }

room := ((cap * input.equity) / input.price) - input.held if input.side == "buy" else := ((cap * input.equity) / input.price) + input.held
"""

# ── Cedar: whole numbers alone, no division, no magnitude, and an answer that is yes or no ────────────

_NEW, _CURRENT = "(context.held + context.signed) * context.price", "context.held * context.price"


def _size(text: str) -> str:
    return f"(if {text} < 0 then 0 - ({text}) else {text})"


CEDAR_CONDITIONS = {
    "SYS-001": "context.price <= 0",
    "KILL-001": "context.kill",
    "LOSS-001": "100 * (context.day_start - context.equity) >= 2 * context.day_start",
    "LOSS-002": "10 * (context.peak - context.equity) >= context.peak",
    "EXEC-001": "context.orders >= 60",
    "EXEC-002": 'context.orders_strategy >= (if context.strategy == "mm" then 40 else 20)',
    "CONF-001": "context.confidence < 70",
    "COOL-001": "context.since_trade < 60",
    "COOL-002": "context.since_symbol < 300",
    "POS-001": "context.positions >= 25",
    "EXP-004": "context.gross >= 1900000000000",
    "SCALE-001": 'context.is_held && !(((context.held > 0 && context.side == "buy") || (context.held <= 0 && context.side == "sell")) '
                 "&& context.confidence > context.position_confidence + 5 && context.scale_ins < 2)",
    "EXP-005": f"{_size(_CURRENT)} >= 150000000000",
    "POS-002": "context.is_held && context.legs >= 3",
    "REG-001": "context.regime_count >= 8",
    "EXP-001": f'20 * {_size(_NEW)} > (if context.symbol == "BTC" then 4 else if context.strategy == "trend" then 3 else 2) * context.equity',
    "EXP-002": f"context.gross - {_size(_CURRENT)} + {_size(_NEW)} > 2 * context.equity",
    "EXP-003": f"{_size(f'(context.net - {_CURRENT} + {_NEW})')} > context.equity"}
CEDAR = "permit(principal, action, resource);\n" + "".join(
    f'@id("{rule}")\nforbid(principal, action, resource) when {{ {text if rule == "SYS-001" else f"context.price > 0 && {text}"} }};\n'
    for rule, text in CEDAR_CONDITIONS.items())
_SCALES = {"held": 4, "signed": 4, "price": 2, "confidence": 2, "position_confidence": 2, "equity": 6, "day_start": 6, "peak": 6, "gross": 6, "net": 6}


def whole(facts: dict[str, Any]) -> dict[str, Any]:
    """*facts*, fractions, as whole numbers: quantities of 1e-4, prices of 1e-2, money of 1e-6."""
    told = dict(facts)
    for name, places in _SCALES.items():
        scaled = facts[name] * 10**places
        if scaled.denominator != 1:
            raise SystemExit(f"{name} {facts[name]} has more than {places} decimals")
        told[name] = int(scaled)
    return told


def kinds(facts: dict[str, Any], number: type) -> dict[str, Any]:
    """*facts*, fractions, with numbers of another kind; whole counts stay whole."""
    def made(value: Fraction) -> Any:
        return number(value) if number is float else Decimal(value.numerator) / Decimal(value.denominator)
    return {name: made(value) if isinstance(value, Fraction) else value for name, value in facts.items()}
