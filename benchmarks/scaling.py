"""How the cost of one decision moves with size: rules, positions, overrides.

Policies of typical shapes are written with 10 … 10 000 rules: a limit for each symbol, a rule for each strategy, limits for each
pair of both, for each venue a few, tiers of one measure, and all of these together. Before anything is timed the fused form's
answers (verdict, quantity, which rules) are compared with the traced form's, on quiet documents and on such as break rules.
Then all sizes of a shape are timed in turn within each round, on prepared facts that break nothing, and ratios are taken
round by round.

    python benchmarks/scaling.py [--rounds N] [--most RULES] [--json FILE]
"""
from __future__ import annotations

import argparse
import copy
import gc
from collections.abc import Callable
from pathlib import Path
from time import process_time_ns
from typing import Any

from results import Curve, Result, option, quartiles, write

import caplex
from engine import Desk

HERE = Path(__file__).resolve().parent
MOST = 1.2
"""10 000 rules may cost so many times what 100 cost, when quiet; positions in an engine alike."""
SIZES = (10, 100, 1_000, 10_000)
POSITIONS = (20, 100, 500, 5_000)
OVERRIDES = (10, 100, 1_000, 10_000, 100_000)
HEAD = """policy scaling {
  version "1"  language 1  mode enforce  currency USD  timezone "UTC"  stages DATA, EXP  closing faces every rule
  unlimited loss  unlimited exposure  overrides by symbol > default  lot 0.01
}
input market { price : price above 0 fresh always }
rule DATA-001 { require market.price > 0 }
"""
Rule = Callable[[str, int], str]
PAIRS = 2
"""Strategies that each symbol of the shape `pairs` has: few, so that as many rules apply to an intent among a hundred as among 10 000."""


def symbols(name: str, n: int) -> str:
    return f'limit {name} {{ when intent.symbol == "S{n}", abs(after.position.notional) at most {1_000 + n} USD else reduce }}'


def strategies(name: str, n: int) -> str:
    return f'rule {name} {{ deny when intent.strategy == "T{n}" and account.equity < {1_000 + n} USD }}'


def pairs(name: str, n: int) -> str:
    return (f'limit {name} {{ when intent.symbol == "S{n // PAIRS}" and intent.strategy == "T{n % PAIRS}", '
            f"abs(after.position.notional) at most {1_000 + n} USD else deny }}")


def venues(name: str, n: int) -> str:
    return f'limit {name} {{ when intent.venue in ["V{n}", "W{n}"], intent.quantity at most {500 + n} else deny }}'


def tiers(name: str, n: int) -> str:
    return f"limit {name} {{ account.drawdown below {10 + n / 1_000:.3f}% else deny }}"


MIXED: tuple[Rule, ...] = (symbols, strategies, pairs, venues, tiers)
SHAPES: dict[str, tuple[Rule, ...]] = {each.__name__: (each,) for each in MIXED} | {"mixed": MIXED}


def text(shape: tuple[Rule, ...], rules: int) -> str:
    """A policy of *rules* rules beside the first, which asks for a price."""
    return HEAD + "\n".join(shape[n % len(shape)](f"EXP-{n:05d}", n // len(shape)) for n in range(rules)) + "\n"


def overridden(count: int) -> str:
    lines = "\n".join(f'  set for symbol "S{n}" = {1_000 + n} USD' for n in range(count))
    return f"{HEAD}setting largest : money = 500 USD {{\n{lines}\n}}\nlimit EXP-001 {{ abs(after.position.notional) at most largest else reduce }}\n"


def document(number: int, *, quantity: str = "5", equity: str = "100000", positions: int = 1) -> dict[str, Any]:
    symbol = f"S{number}"
    return {
        "now": "2026-01-05T15:00:00Z",
        "intent": {"id": f"i-{number}", "action": "open", "symbol": symbol, "side": "buy", "quantity": quantity, "strategy": f"T{number % PAIRS}",
                   "venue": f"V{number}"},
        "account": {"equity": equity, "day_start_equity": "100000", "peak_equity": "100000"},
        "positions": {f"S{number + held}": {"quantity": "1"} for held in range(positions)}, "orders": [],
        "market": {f"S{number + held}": {"price": "10"} for held in range(positions)}}


def quiet(positions: int = 1) -> list[dict[str, Any]]:
    return [document(number, positions=positions) for number in range(8)]


def check(policy: caplex.Policy) -> int:
    """The fused form's answers are the traced form's, or this ends the run."""
    given = [*quiet(), *(document(n, quantity=q, equity=e) for n in (0, 3, 7, 90_000) for q in ("99.98", "150", "5000") for e in ("100000", "89995", "900"))]
    for facts in given:
        decision, ruling = policy.decide(facts), policy.ruling(facts)
        core = decision._core
        if core is None:
            raise SystemExit(f"{policy.name}: the fused form has no answer to {facts['intent']}")
        names = [name for position, name in enumerate(policy.names) if (core[1] | core[2]) >> position & 1]
        rules = [reason.rule for reason in ruling.reasons]
        # A denial may have ended with the first reason that nothing behind it can change: then the mask has not all of them.
        if (decision.verdict, decision.quantity, names[:1]) != (ruling.verdict, ruling.quantity, rules[:1]) or not {*names} <= {*rules}:
            raise SystemExit(f"{policy.name}: {decision} is not {ruling.verdict} {ruling.quantity} on {facts['intent']}")
    return len(given)


def timed(forms: dict[Any, Callable[[], int]], rounds: int) -> dict[Any, list[float]]:
    """Nanoseconds by form and round; every form once in each round, in turn."""
    found: dict[Any, list[float]] = {name: [] for name in forms}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds + 1):
            for name, run in forms.items():
                spent = run()
                if turn:  # the first round warms up
                    found[name].append(spent)
    finally:
        gc.enable()
    return found


def deciding(policy: caplex.Policy, given: list[Any], repeat: int) -> Callable[[], int]:
    def run() -> int:
        decide = policy.decide
        began = process_time_ns()
        for _ in range(repeat):
            for facts in given:
                decision = decide(facts)
                _ = decision.verdict
                _ = decision.quantity
                _ = decision.reason
        return (process_time_ns() - began) // (repeat * len(given))
    return run


def binding(policy: caplex.Policy, given: list[dict[str, Any]], repeat: int) -> Callable[[], int]:
    """From a dictionary that was not seen before: facts are read, overrides looked up."""
    def run() -> int:
        fresh = [copy.deepcopy(facts) for facts in given for _ in range(repeat)]
        began = process_time_ns()
        for facts in fresh:
            policy.decide(facts)
        return (process_time_ns() - began) // len(fresh)
    return run


def stepping(desk: Desk, times: int) -> Callable[[], int]:
    return lambda: desk.steps(times)[0] // times


def against(name: str, found: dict[int, list[float]], base: int, unit: str, most: float | None, note: str = "", last: int = 0) -> tuple[list[Result], Curve]:
    """Every size over *base*; *last*, or the largest, is the one with the budget."""
    last = last or max(found)
    results = [Result.ratio(f"{name}: {size} {unit} / {base}", found[size], found[base], most=most if size == last else None, note=note)
               for size in found if size != base]
    points = [(size, *(quartiles([a / b for a, b in zip(found[size], found[base], strict=True)])[i] for i in (1, 0, 2))) for size in found]
    return results, Curve(f"cost of a decision by {unit}, {name}", unit, [(float(x), m, low, high) for x, m, low, high in points])


def measure(rounds: int, most: int) -> tuple[list[Result], list[Curve], int, dict[str, dict[int, list[float]]]]:
    results: list[Result] = []
    curves: list[Curve] = []
    raw: dict[str, dict[int, list[float]]] = {}
    checked = 0
    sizes = [size for size in SIZES if size <= max(most, 100)]

    def keep(name: str, found: dict[int, list[float]], base: int, unit: str, budget: float | None, note: str = "", last: int = 0) -> None:
        more, curve = against(name, found, base, unit, budget, note, last)
        results.extend(more)
        curves.append(curve)
        raw[f"{name}, by {unit}"] = found

    for name, shape in SHAPES.items():
        policies = {size: caplex.loads(text(shape, size)) for size in sizes}
        checked += sum(check(policy) for policy in policies.values())
        facts = [caplex.Facts(given) for given in quiet()]
        keep(name, timed({size: deciding(policy, facts, 250) for size, policy in policies.items()}, rounds), 100, "rules", MOST)
    policies = {count: caplex.loads(overridden(count)) for count in OVERRIDES if count <= 10 * most}
    checked += sum(check(policy) for policy in policies.values())
    keep("decide(dict)", timed({count: binding(policy, quiet(), 4) for count, policy in policies.items()}, rounds), 10, "overrides", MOST)
    keep("decide(dict)", timed({count: binding(policies[10], quiet(count), 1) for count in POSITIONS}, max(3, rounds // 3)), 20, "positions", None,
         "the document is read from end to end: an engine has it at hand")
    facts_of = {count: [caplex.Facts(given) for given in quiet(count)] for count in POSITIONS}
    keep("decide(Facts)", timed({count: deciding(policies[10], facts, 250) for count, facts in facts_of.items()}, rounds), 20, "positions", MOST)
    gated = caplex.load(HERE.parent / "examples" / "policygate" / "policy.cap")
    desks = {count: Desk(gated, count) for count in POSITIONS}
    for desk in desks.values():
        desk.steps(2 * desk.symbols)  # the first intent of its kind goes the long way
    keep("step of an engine", timed({count: stepping(desk, 100) for count, desk in desks.items()}, rounds), 20, "positions", MOST,
         "5 000 symbols are more kinds of intents than an engine keeps", last=500)
    for desk in desks.values():
        desk.engine.close()
    return results, curves, checked, raw


def show(raw: dict[str, dict[int, list[float]]], results: list[Result]) -> str:
    lines = []
    for name, found in raw.items():
        lines.append(f"{name:<34}" + "".join(f"{size:>9}: {quartiles(list(spent))[1] / 1000:.2f} us" for size, spent in found.items()))
    lines += ["", f"{'ratio':<54}{'median':>8}{'quartiles':>16}   budget"]
    for each in results:
        budget = "" if each.most is None else f"{each.most} {'held' if each.kept else 'MISSED'}"
        lines.append(f"{each.name:<54}{each.median:>8.2f}{each.low:>9.2f} … {each.high:.2f}   {budget}".rstrip())
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--most", type=int, default=10_000, help="rules of the largest policies")
    option(parser)
    chosen = parser.parse_args()
    results, curves, checked, raw = measure(max(chosen.rounds, 3), chosen.most)
    told = f"{checked} decisions, all as the traced form gives them"
    write(chosen.json, "scaling", results, curves, checked=told)
    if chosen.json != "-":
        print(f"{told}\n\n{show(raw, results)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
