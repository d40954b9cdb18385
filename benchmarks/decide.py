"""How long one decision takes: eighteen rules, 64 cases, against the same rules written by hand.

First every case is checked against an exact oracle, the hand-written function over fractions: same verdict, same set of
rules, quantity equal once floored to the lot. Then four forms are timed in turn, so that each round sees the same
machine, and ratios are taken within a round. Times are of the processor, which other programs disturb least.

    python benchmarks/decide.py [--rounds N] [--json FILE]
"""
from __future__ import annotations

import argparse
import gc
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from time import process_time_ns
from typing import Any

import baseline  # copied unchanged, so it stands beside and not in a package
from results import Result, option, write

import caplex

HERE = Path(__file__).resolve().parent
LOT = Fraction(1, 10**8)
BUDGETS = {"decide(Facts) / hand_float": 1.7, "decide(Facts) / hand_decimal": 0.75}


def instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def document(intent: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """One of the baseline's cases as a facts document."""
    symbol = intent["symbol"]
    return {
        "now": instant(state["now"]),
        "intent": {"id": "i-1", "action": "open", "symbol": symbol, "side": intent["side"], "quantity": intent["quantity"],
                   "strategy": intent["strategy"], "confidence": intent["confidence"]},
        "account": {"equity": state["equity"], "day_start_equity": state["day_start"], "peak_equity": state["peak"]},
        "positions": {held: dict(row) for held, row in state["positions"].items()},
        "orders": [],
        "market": {quoted: {"price": price} for quoted, price in state["prices"].items()},
        "inputs": {
            "latch": {"tripped": state["kill"]},
            "trades": {"last_at": instant(state["last_trade"]), "last_in_symbol_at": instant(state["last_by"].get(symbol, 0))},
            "regime": {"positions": state["regimes"].get(intent["regime"], 0)}},
        "counters": {"orders": state["orders_global"], "orders_of_strategy": state["orders_by"].get(intent["strategy"], 0)},
    }


def check(policy: caplex.Policy, documents: list[dict[str, Any]]) -> None:
    """Every decision equals the exact oracle's, or this ends the run."""
    oracle = baseline._hand(Fraction)
    for number, ((intent, state), given) in enumerate(zip(baseline.cases(Fraction), documents, strict=True)):
        verdict, rules, quantity = oracle(intent, state)
        allowed = {"ALLOW": intent.quantity, "DENY": Fraction(0), "MODIFY": quantity}[verdict]
        for facts in (given, caplex.Facts(given)):
            decision = policy.decide(facts)
            # SYS-004 and its kin say which reading was unusable; the hand-written rule has one id for all of them.
            told = {"SYS-001" if reason.rule.startswith("SYS-") else reason.rule for reason in decision.reasons}
            found = (str(decision.verdict), told, Fraction(decision.quantity))
            wanted = (verdict, set(rules), allowed // LOT * LOT)
            if found != wanted:
                raise SystemExit(f"case {number}: {found} is not {wanted}")


def call_hand(hand: Callable[..., Any], pairs: list[tuple[Any, Any]], repeat: int) -> int:
    started = process_time_ns()
    for _ in range(repeat):
        for intent, state in pairs:
            _ = hand(intent, state)
    return process_time_ns() - started


def call_decide(decide: Callable[..., Any], given: list[Any], repeat: int) -> int:
    """Verdict, quantity and first reason are read: an answer that nobody has looked at is not an answer yet."""
    started = process_time_ns()
    for _ in range(repeat):
        for facts in given:
            decision = decide(facts)
            _ = decision.verdict
            _ = decision.quantity
            _ = decision.reason
    return process_time_ns() - started


def measure(policy: caplex.Policy, documents: list[dict[str, Any]], rounds: int, repeat: int) -> dict[str, list[float]]:
    """Nanoseconds of one decision, by form and round. Each form's loop is written out, so none pays for a wrapper."""
    prepared = [caplex.Facts(given) for given in documents]
    forms: dict[str, tuple[Callable[..., int], Callable[..., Any], list[Any], int]] = {
        "hand_float": (call_hand, baseline.hand_float, baseline.cases(float), repeat),
        "hand_decimal": (call_hand, baseline.hand_decimal, baseline.cases(baseline.Decimal), repeat),
        "decide(Facts)": (call_decide, policy.decide, prepared, repeat),
        "decide(dict)": (call_decide, policy.decide, documents, max(1, repeat // 20)),
    }
    found: dict[str, list[float]] = {name: [] for name in forms}
    gc.disable()
    try:
        for turn in range(rounds + 1):
            for name, (loop, work, cases, times) in forms.items():
                spent = loop(work, cases, times) / times / len(cases)
                if turn:  # the first round warms up
                    found[name].append(spent)
    finally:
        gc.enable()
    return found


def report(found: dict[str, list[float]]) -> dict[str, Any]:
    """Medians, quartiles, and ratios taken round by round."""
    def summary(values: list[float]) -> dict[str, float]:
        low, middle, high = statistics.quantiles(values, n=4)
        return {"median": middle, "low": low, "high": high}

    ratios = {
        f"{form} / {base}": summary([a / b for a, b in zip(found[form], found[base], strict=True)])
        for form in ("decide(Facts)", "decide(dict)") for base in ("hand_float", "hand_decimal")}
    return {"ns": {name: summary(values) for name, values in found.items()}, "ratios": ratios}


def show(result: dict[str, Any]) -> str:
    lines = [f"{'form':<28}{'us per decision':>16}{'quartiles':>20}"]
    lines += [f"{name:<28}{s['median'] / 1000:>16.2f}{s['low'] / 1000:>12.2f} … {s['high'] / 1000:.2f}" for name, s in result["ns"].items()]
    lines += ["", f"{'ratio':<32}{'median':>8}{'quartiles':>16}   budget"]
    for name, s in result["ratios"].items():
        budget = BUDGETS.get(name)
        told = "" if budget is None else f"{budget} {'held' if s['median'] <= budget else 'BROKEN'}"
        lines.append(f"{name:<32}{s['median']:>8.2f}{s['low']:>9.2f} … {s['high']:.2f}   {told}".rstrip())
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--repeat", type=int, default=40, help="passes over the 64 cases in a round")
    option(parser)
    chosen = parser.parse_args()
    policy = caplex.load(HERE / "desk18.cap")
    documents = [document(intent, state) for intent, state in baseline.documents()]
    check(policy, documents)
    found = measure(policy, documents, max(chosen.rounds, 3), chosen.repeat)
    result, checked = report(found), f"{len(documents)} cases, all equal to the exact oracle"
    write(chosen.json, "decide", [
        Result.ratio(f"{form} / {base}", found[form], found[base], most=BUDGETS.get(f"{form} / {base}"), better="lower")
        for form in ("decide(Facts)", "decide(dict)") for base in ("hand_float", "hand_decimal")], checked=checked)
    if chosen.json != "-":
        print(f"{checked}\n\n{show(result)}")
    return 0 if all(result["ratios"][name]["median"] <= budget for name, budget in BUDGETS.items()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
