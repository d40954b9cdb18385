"""The entry gate's signals and portfolios, answered by `policy.cap`, and its quantisers, answered by `grid.cap`.

Reads one JSON object a line, ``{"id", "kind", "input"}``, and writes one result a line, in the same order. It translates and
decides nothing: the configuration becomes settings, the signal an intent, the portfolio facts, and the decision's outcome is
the answer.

    python adapter.py < cases.jsonl
    python adapter.py cases.jsonl
"""
from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import caplex
from caplex.compiler.importing import env
from caplex.runtime.canonical import plain
from caplex.runtime.clock import exact_instant

HERE = Path(__file__).resolve().parent
Document = Mapping[str, Any]

# The original's configuration: our setting, and what its numbers count.
SETTINGS = {
    "min_confidence": ("min_confidence", ""),
    "cooldown_seconds_global": ("cooldown_global", "s"),
    "cooldown_seconds_per_symbol": ("cooldown_symbol", "s"),
    "max_open_positions_total": ("max_positions", ""),
    "max_total_exposure_usdt": ("max_exposure", " USDT"),
    "max_exposure_per_symbol_usdt": ("max_symbol_exposure", " USDT"),
    "max_open_positions_per_symbol": ("max_symbol_positions", ""),
    "max_open_positions_per_regime": ("max_regime_positions", ""),
    "allow_scale_in": ("allow_scale_in", ""),
    "scale_in_confidence_delta": ("scale_in_delta", ""),
    "scale_in_max_count": ("scale_in_max", ""),
}
SIDES = {"BUY": "buy", "SELL": "sell"}
UNUSABLE = {"DENY": "BLOCK_UNUSABLE"}  # what no step of the gate stopped, but the engine itself
UNROUNDED = "0.000000000000000001"  # where the original is given no step it rounds nothing
GATE_ALONE = {"min_ticket": "0 USDT"}  # which nothing is sized for
SIZE_ALONE = {"min_confidence": "0", "counted_order": "0"}
SIZED = {"counted_order": "0"}  # an order that is yet to be sized is worth nothing when it comes to the gate
EPOCH = "1970-01-01T00:00:00Z"


class Refused(Exception):
    """What was given is not one of the entry gate's documents."""


@lru_cache(maxsize=256)
def policy(settings: tuple[tuple[str, Any], ...]) -> caplex.Policy:
    return caplex.load(HERE / "policy.cap", settings=dict(settings))


@lru_cache(maxsize=1)
def grid() -> caplex.Policy:
    return caplex.load(HERE / "grid.cap")


def settings_of(config: Document, extra: Document) -> tuple[tuple[str, Any], ...]:
    """The original's configuration as settings; *extra* are those that it does not have."""
    found = {SETTINGS[name][0]: _setting(value, SETTINGS[name][1]) for name, value in config.items()}
    return tuple({**found, **extra}.items())


def _setting(value: Any, unit: str) -> Any:
    return value if isinstance(value, bool) else f"{value}{unit}"


# ── signal and portfolio → facts ──────────────────────────────────────────────────────────────────────


def facts_of(given: Document, *, sized: bool, gate: bool) -> dict[str, Any]:
    """One facts document. *sized*: the quantity is asked for and not brought. Without *gate* the portfolio shows its room alone."""
    intent, portfolio = given["intent"], given["portfolio"]
    name = _upper(intent.get("symbol"))
    symbol = name or "none"
    regime = intent.get("regime", "unknown")
    entries = portfolio["positions_by_symbol"].get(symbol, ()) if gate else ()
    return {
        "now": _instant(given["now"]),
        "intent": {
            "action": "open", "symbol": name, "side": SIDES.get(_upper(intent.get("side")), "unknown"),
            **({} if sized else {"quantity": _told(intent.get("quantity"))}),
            "confidence": _told(intent.get("confidence")), "leverage": intent.get("leverage", 1), "regime": regime,
            "risk_score": given.get("risk_score", intent.get("risk_score"))},
        "positions": {}, "orders": [], "switches": {},
        "market": {symbol: {"price": intent.get("entry_price", intent.get("price", 0)), "as_of": _instant(given["now"])}},
        "instruments": {symbol: {"lot": UNROUNDED if given.get("step") is None else given["step"]}},
        "history": {"complete_from": EPOCH, "events": list(_trades(portfolio, symbol)) if gate else []},
        "inputs": {
            "book": {
                "capital": portfolio["available_capital_usdt"],
                "positions": portfolio["total_positions"] if gate else 0,
                "positions_in_regime": portfolio["positions_by_regime"].get(regime, 0) if gate else 0,
                "exposure": portfolio["total_exposure_usdt"], "symbol_exposure": portfolio["exposure_by_symbol"].get(symbol, 0)},
            "entries": [{"symbol": symbol, "direction": row["side"], "confidence": row["confidence"]} for row in entries]}}


def _trades(portfolio: Document, symbol: str) -> Iterator[dict[str, Any]]:
    """The original knows when it last traded at all, and when in the symbol."""
    yield {"type": "fill", "symbol": "any", "at": _instant(portfolio["last_trade_time"])}
    if symbol in portfolio["last_trade_by_symbol"]:
        yield {"type": "fill", "symbol": symbol, "at": _instant(portfolio["last_trade_by_symbol"][symbol])}


def _upper(value: Any) -> str | None:
    """Sides and symbols came in both cases; what is no text is no name."""
    return value.upper() if isinstance(value, str) else None


def _told(value: Any) -> Any:
    """What is missing is told as such, so that it is found unusable, and not taken for what may be left out."""
    return "missing" if value is None else value


def _instant(value: Any) -> str:
    """Seconds since 1970; what are none are told as they are, and found unusable."""
    try:
        return exact_instant(int(Decimal(value).scaleb(9)))
    except (ArithmeticError, TypeError, ValueError):
        return str(value)


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────


def decide(given: Document, settings: Document, *, sized: bool, gate: bool = True) -> caplex.Decision:
    with _translating():
        chosen, facts = settings_of(given["config"], settings), facts_of(given, sized=sized, gate=gate)
    return policy(chosen).decide(facts)


def allow_new_entry(given: Document) -> dict[str, Any]:
    return {"decision": _outcome(decide(given, GATE_ALONE, sized=False))}


def compute_order_size(given: Document) -> dict[str, Any]:
    """Of the portfolio, the original's sizing looks at capital and exposures alone; whether to enter was asked before."""
    return {"qty": f"{decide(given, SIZE_ALONE, sized=True, gate=False).quantity:f}"}


def flow(given: Document) -> dict[str, Any]:
    decision = decide(given, SIZED, sized=True)
    return {"decision": _outcome(decision), "qty": f"{decision.quantity:f}"}


def _outcome(decision: caplex.Decision) -> str:
    return UNUSABLE.get(decision.outcome, decision.outcome)


def quantize_to_step(given: Document) -> dict[str, Any]:
    with _translating():
        return _quantize(given["qty"], given["step"])


def quantize_to_tick(given: Document) -> dict[str, Any]:
    with _translating():
        return _quantize(given["price"], given["tick"])


def _quantize(amount: Any, step: Any) -> dict[str, Any]:
    decision = grid().decide({
        "now": EPOCH, "intent": {"action": "open", "symbol": "any", "side": "buy", "quantity": _told(amount)},
        "positions": {}, "orders": [], "instruments": {"any": {"lot": _told(step)}}})
    return {"value": f"{decision.quantity:f}"}


def from_env(given: Document) -> dict[str, Any]:
    """The `POLICY_*` variables, as the original's configuration; what moved nothing keeps the policy's default."""
    with _translating():
        source = env.from_environment(given["env"])
    found, wrong = env.read(source)
    if wrong:
        raise Refused("; ".join(each.message for each in wrong))
    resolved = policy(tuple((each.setting, each.value) for each in found)).settings
    return {"config": {name: _plain(resolved[setting], unit) for name, (setting, unit) in SETTINGS.items()}}


def _plain(value: Any, unit: str) -> Any:
    """As the original had it: durations as numbers of seconds."""
    if isinstance(value, bool):
        return value
    return f"{Decimal(plain(value)).scaleb(-9).normalize():f}" if unit == "s" else plain(value)


ANSWERS: dict[str, Callable[[Document], dict[str, Any]]] = {
    "allow_new_entry": allow_new_entry, "compute_order_size": compute_order_size, "flow": flow,
    "quantize_to_step": quantize_to_step, "quantize_to_tick": quantize_to_tick, "from_env": from_env}


def answer(line: str) -> dict[str, Any]:
    try:
        with _translating():
            case = json.loads(line, parse_float=Decimal, object_hook=_number)
            kind, given = case["kind"], case["input"]
        if kind not in ANSWERS:
            raise Refused(f"kind {kind!r} is not answered")
        return ANSWERS[kind](given)
    except caplex.PolicyError as error:
        return {"refused": True, "error": "; ".join(diagnostic.message for diagnostic in error.diagnostics)}
    except Refused as error:
        return {"refused": True, "error": str(error)}


@contextmanager
def _translating() -> Iterator[None]:
    """What goes wrong while a document is read is the document's fault."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"not a document of the entry gate: {error!r}") from error


def _number(document: dict[str, Any]) -> Any:
    """Non-finite numbers arrive as ``{"$f": "nan"}``; they stay what they are, and whoever reads them refuses."""
    return Decimal(document["$f"]) if document.keys() == {"$f"} else document


def main(arguments: list[str], lines: Iterable[str]) -> int:
    for line in Path(arguments[0]).read_text(encoding="utf-8").splitlines() if arguments else lines:
        if line.strip():
            print(json.dumps(answer(line)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], sys.stdin))
