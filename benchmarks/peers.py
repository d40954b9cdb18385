"""The eighteen rules of `baseline.py` on other engines, in one interleaved run: how many times a decision of caplex goes into one of theirs.

First every decision of every engine is compared with the exact oracle, the hand-written function over fractions: verdict, set of
rules, quantity floored to the lot. Ours must be equal or the run ends; theirs are counted. Then all are timed in turn within
each round, in processor time, and ratios are taken within a round.

Each peer is used in its fastest documented way: policies and expressions compiled before, facts handed over as it wants them before
where it can keep them, one evaluation a decision. An engine that is not installed is told as absent (`pip install -e .[peers]`).

    python benchmarks/peers.py [--rounds N] [--json FILE]
"""
from __future__ import annotations

import argparse
import gc
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import process_time_ns
from typing import Any

import baseline  # scripts beside, in no package
import decide as ours
import peers_rules as rules
from results import Result, option, write

import caplex

HERE = Path(__file__).resolve().parent
LOT = ours.LOT
FITS = rules.BIT["EXP-001"]
NINE = ("SYS-001", "KILL-001", "LOSS-001", "LOSS-002", "EXEC-001", "EXEC-002", "EXP-001", "EXP-002", "EXP-003")
SPECIALISED = "caplex, specialised"
Answer = tuple[str, int, Any]
"""Verdict, mask of broken rules, quantity that still fits (None but for MODIFY, or where the engine cannot say)."""
Mask = Callable[[Any], int]


@dataclass
class Form:
    """One engine used in one way.

    Attributes:
        decide: One decision on one of `given`, read as a host reads it.
        answer: The same for comparing.
        least: How many times slower than caplex it is to be at least; None has no budget.
        against: The form of caplex that it is measured against.
        beside: Is it also held against a specialised policy? The nearest are.
        same: Of the 64 cases: how many have the oracle's verdict, rules, quantity.
    """

    name: str
    package: str
    given: list[Any]
    decide: Callable[[Any], Any]
    answer: Callable[[Any], Answer]
    least: float | None = None
    against: str = "caplex"
    note: str = ""
    beside: bool = False
    same: dict[str, int] = field(default_factory=dict)


# ── what a mask comes to ──────────────────────────────────────────────────────────────────────────────


def deciding(mask: Mask, room: Callable[[Any], Any] | None) -> Callable[[Any], Answer]:
    """The host's part: a verdict from a mask, and a second question where only EXP-001 stands in the way."""
    def decide(given: Any) -> Answer:
        broken = mask(given)
        if not broken:
            return "ALLOW", 0, None
        if broken == FITS:
            if room is None:
                return "MODIFY", broken, None
            fits = room(given)
            return ("MODIFY", broken, fits) if fits > 0 else ("DENY", broken, None)
        return "DENY", broken, None
    return decide


def form(name: str, package: str, given: list[Any], mask: Mask, room: Callable[[Any], Any] | None, least: float | None = None, note: str = "",
         *, beside: bool = False) -> Form:
    decide = deciding(mask, room)
    return Form(name, package, given, decide, decide, least, note=note, beside=beside)


def oracle(only: tuple[str, ...] = baseline.RULES) -> list[tuple[str, int, Fraction]]:
    """Verdict, mask and permitted quantity of each case under these of the rules, exactly."""
    hand, told = baseline._hand(Fraction), []
    for intent, state in baseline.cases(Fraction):
        facts = rules.flat(intent, state)
        broken = [rule for rule in hand(intent, state)[1] if rule in only]
        mask = sum(rules.BIT[rule] for rule in broken)
        if not broken:
            told.append(("ALLOW", 0, intent.quantity))
        elif broken == ["EXP-001"] and (fits := _room(facts)) > 0:
            told.append(("MODIFY", mask, fits // LOT * LOT))
        else:
            told.append(("DENY", mask, Fraction(0)))
    return told


def _room(facts: dict[str, Any]) -> Fraction:
    cap = Fraction("0.2") if facts["symbol"] == "BTC" else Fraction("0.15") if facts["strategy"] == "trend" else Fraction("0.1")
    room = cap * facts["equity"] / facts["price"]
    return room - facts["held"] if facts["side"] == "buy" else room + facts["held"]


def compare(one: Form, wanted: list[tuple[str, int, Fraction]]) -> None:
    """Count what is as the oracle says."""
    found = dict.fromkeys(("verdict", "rules", "quantity"), 0)
    for given, (intent, _), (verdict, mask, quantity) in zip(one.given, baseline.cases(Fraction), wanted, strict=True):
        theirs, broken, fits = one.answer(given)
        found["verdict"] += theirs == verdict
        found["rules"] += broken == mask
        size = intent.quantity if theirs == "ALLOW" else Fraction(0) if theirs == "DENY" else None if fits is None else Fraction(fits) // LOT * LOT
        found["quantity"] += size == quantity
    one.same = found


# ── the engines ───────────────────────────────────────────────────────────────────────────────────────


def caplex_forms() -> Iterator[Form]:
    documents = [ours.document(intent, state) for intent, state in baseline.documents()]
    whole = caplex.load(HERE / "desk18.cap")
    ours.check(whole, documents)
    nine = _nine()
    for name, policy, given in (("caplex", whole, [caplex.Facts(each) for each in documents]), ("caplex, nine rules", nine, [caplex.Facts(each) for each in documents]),
                                ("caplex, facts as a dict", whole, documents)):
        yield Form(name, "caplex", given, policy.decide, lambda facts, policy=policy: told_of(policy.decide(facts)))
    asked = [(whole.specialise(each).decide, Decimal(str(each["intent"]["quantity"]))) for each in documents]
    yield Form(SPECIALISED, "caplex", asked, lambda case: case[0](case[1]), lambda case: told_of(case[0](case[1])))


def told_of(found: caplex.Decision) -> Answer:
    told = {"SYS-001" if each.rule.startswith("SYS-") else each.rule for each in found.reasons}
    return str(found.verdict), sum(rules.BIT[rule] for rule in told), Fraction(found.quantity)


def _nine() -> caplex.Policy:
    from caplex.compiler import driver
    from caplex.compiler.tools.bench_variants import Compiled

    checked, _ = driver.check_path(HERE / "desk18.cap")
    assert checked is not None
    nine = Compiled(checked).without({rule.id for rule in checked.rules} - {"DATA-010", *NINE})
    assert nine is not None
    return nine


def policygate() -> Iterator[Form]:
    from policygate_capital.engine.policy_engine import PolicyEngine
    from policygate_capital.models.intent import OrderIntent
    from policygate_capital.models.state import ExecutionState, MarketSnapshot, PortfolioState

    limits = {"max_position_pct": 0.1, "max_gross_exposure_x": 2, "max_net_exposure_x": 1}
    policy = {
        "version": "0.1", "limits": {
            "exposure": limits, "loss": {"daily_loss_limit_pct": 0.02, "max_drawdown_pct": 0.1},
            "execution": {"max_orders_per_minute_global": 60, "max_orders_per_minute_by_strategy": 20},
            "kill_switch": {"trip_on_rules": [], "trip_after_n_violations": 10000, "violation_window_seconds": 300}},
        "overrides": {"symbols": {"BTC": {"exposure": {**limits, "max_position_pct": 0.2}}},
                      "strategies": {"trend": {"exposure": {**limits, "max_position_pct": 0.15}},
                                     "mm": {"execution": {"max_orders_per_minute_global": 60, "max_orders_per_minute_by_strategy": 40}}}}}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policy.yaml"
        file.write_text(json.dumps(policy), encoding="utf-8")  # JSON is YAML
        engine = PolicyEngine(file)
    stamp, given = ours.instant(baseline.NOW), []
    for intent, state in baseline.cases(float):
        given.append((
            OrderIntent.model_validate({"intent_id": "i-1", "timestamp": stamp, "strategy_id": intent.strategy, "account_id": "a", "side": intent.side,
                                        "instrument": {"symbol": intent.symbol, "asset_class": "crypto"}, "order_type": "market", "qty": intent.quantity}),
            PortfolioState(equity=state.equity, start_of_day_equity=state.day_start, peak_equity=state.peak,
                           positions={symbol: held.quantity for symbol, held in state.positions.items()}),
            MarketSnapshot(timestamp=stamp, prices=state.prices),
            ExecutionState(orders_last_60s_global=state.orders_global, orders_last_60s_by_strategy=state.orders_by, kill_switch_active=state.kill)))

    def decide(case: Any) -> Any:
        return engine.evaluate(*case)

    def answer(case: Any) -> Answer:
        found = engine.evaluate(*case)
        size = None if found.modified_intent is None else Decimal(repr(found.modified_intent.qty))
        return found.decision, sum(rules.BIT[each.rule_id] for each in found.violations), size

    yield Form("policygate-capital, its nine rules", "policygate-capital", given, decide, answer, 15, "caplex, nine rules",
               "models built before; its evaluation values the book anew each time")


def cedar() -> Iterator[Form]:
    import cedarpy

    policies, entities = cedarpy.PolicySet.from_str(rules.CEDAR), cedarpy.Entities.from_json_str("[]")
    asked = [{"principal": {"type": "Desk", "id": "d"}, "action": {"type": "Action", "id": "open"}, "resource": {"type": "Account", "id": "a"},
              "context": json.dumps(rules.whole(facts))} for facts in _facts()]

    def mask(request: Any) -> int:
        found = cedarpy.is_authorized(request, policies, entities).diagnostics.id_annotations_by_reason
        return 0 if not found.keys() - {"policy0"} else sum(map(rules.BIT.__getitem__, found.values()))

    yield form("cedarpy", "cedarpy", asked, mask, None, 60,
               "policies parsed before, context as JSON text made before; whole numbers; it cannot say how much would fit")


def rego() -> Iterator[Form]:
    from regopy import Input, Interpreter

    machine = Interpreter()
    machine.add_module("desk", rules.REGO)
    bundle = machine.build(None, ["desk/broken", "desk/room"])

    def mask(given: Any) -> int:
        machine.set_input(given)
        return sum(map(rules.BIT.__getitem__, json.loads(str(machine.query_bundle_entrypoint(bundle, "desk/broken")))["expressions"][0]))

    def room(given: Any) -> Any:
        return json.loads(str(machine.query_bundle_entrypoint(bundle, "desk/room")))["expressions"][0]

    yield form("regopy (rego-cpp)", "regopy", [Input(each) for each in _facts(float)], mask, room, 60,
               "in the place of regorus, of which there is no wheel; compiled to a bundle, inputs made before")


def zen() -> Iterator[Form]:
    import zen

    spelling = rules.Infix(both="and", either="or", never="not", absolute=True)
    mask, room = (zen.compile_expression(spelling.text(text)) for text in (rules.MASK, rules.ROOM))
    yield form("zen-engine, expression", "zen-engine", [json.dumps(each) for each in _facts(float)], mask.evaluate, room.evaluate, 5,
               "compiled; facts as JSON text made before, which is faster than a dict", beside=True)
    graph = zen.ZenEngine().create_decision(json.dumps({
        "nodes": [{"id": "in", "type": "inputNode", "name": "in", "position": {"x": 0, "y": 0}},
                  {"id": "rules", "type": "expressionNode", "name": "rules", "position": {"x": 1, "y": 0},
                   "content": {"expressions": [{"id": "m", "key": "mask", "value": spelling.text(rules.MASK)}]}},
                  {"id": "out", "type": "outputNode", "name": "out", "position": {"x": 2, "y": 0}}],
        "edges": [{"id": "a", "sourceId": "in", "targetId": "rules", "type": "edge"}, {"id": "b", "sourceId": "rules", "targetId": "out", "type": "edge"}]}))
    yield form("zen-engine, decision graph", "zen-engine", [json.dumps(each) for each in _facts(float)], lambda given: graph.evaluate(given)["result"]["mask"],
               room.evaluate, note="the same expression as the one node of a graph")


def datalogic() -> Iterator[Form]:
    import datalogic_py

    engine = datalogic_py.Engine()
    mask, room = (engine.compile(rules.jsonlogic(text)) for text in (rules.MASK, rules.ROOM))
    session = engine.session()
    yield form("datalogic-py, session and handle", "datalogic-py", [datalogic_py.DataHandle(each) for each in _facts(float)],
               lambda given: session.evaluate_int(mask, given), lambda given: session.evaluate_float(room, given), 3,
               "compiled; facts parsed into handles before; the answer is one integer", beside=True)
    names = engine.compile({"merge": [{"if": [rules.jsonlogic(text), [rule], []]} for rule, text in rules.CONDITIONS.items()]})
    unpriced = engine.compile(rules.jsonlogic("price <= 0.0"))

    def listed(given: Any) -> int:
        if session.evaluate_bool(unpriced, given):
            return 1
        return sum(map(rules.BIT.__getitem__, session.evaluate_data(names, given)))

    yield form("datalogic-py, a list of ids", "datalogic-py", [datalogic_py.DataHandle(each) for each in _facts(float)], listed,
               lambda given: session.evaluate_float(room, given), note="as the first, but the answer is the list of broken rules")
    yield form("datalogic-py, facts as a dict", "datalogic-py", _facts(float), mask.evaluate, room.evaluate, note="compiled; facts handed over each time")


def cel() -> Iterator[Form]:
    import cel

    mask, room = (cel.compile(rules.Infix().text(text)) for text in (rules.MASK, rules.ROOM))
    yield form("common-expression-language, context", "common-expression-language", [cel.Context(variables=each) for each in _facts(float)],
               mask.execute, room.execute, note="compiled; contexts made before")


def rule_engine() -> Iterator[Form]:
    import rule_engine

    context = rule_engine.Context(resolver=rule_engine.resolve_item)
    mask, room = (rule_engine.Rule(rules.Infix(both="and", either="or", never="not").text(text), context=context) for text in (rules.MASK, rules.ROOM))

    yield form("rule-engine", "rule-engine", _facts(Decimal), lambda given: int(mask.evaluate(given)), room.evaluate, note="compiled; reckons in Decimals")


def _facts(number: type = Fraction) -> list[dict[str, Any]]:
    exact = [rules.flat(intent, state) for intent, state in baseline.cases(Fraction)]
    return exact if number is Fraction else [rules.kinds(each, number) for each in exact]


PEERS: dict[str, Callable[[], Iterator[Form]]] = {
    "policygate-capital": policygate, "cedarpy": cedar, "regopy": rego, "zen-engine": zen, "datalogic-py": datalogic,
    "common-expression-language": cel, "rule-engine": rule_engine}


# ── measuring ─────────────────────────────────────────────────────────────────────────────────────────


def loop_ours(one: Form, times: int) -> int:
    return ours.call_decide(one.decide, one.given, times)


def loop_sized(one: Form, times: int) -> int:
    """Everything but the size was settled before."""
    return ours.call_sized(None, one.given, times)


def loop(one: Form, times: int) -> int:
    decide, given = one.decide, one.given
    began = process_time_ns()
    for _ in range(times):
        for each in given:
            _ = decide(each)
    return process_time_ns() - began


def measure(forms: list[Form], rounds: int, sample_ns: int = 4_000_000) -> dict[str, list[float]]:
    """Nanoseconds of one decision, by form and round."""
    loops = {one.name: loop_sized if one.name == SPECIALISED else loop_ours if one.package == "caplex" else loop for one in forms}
    times = {one.name: max(1, sample_ns // max(1, loops[one.name](one, 1))) for one in forms}
    found: dict[str, list[float]] = {one.name: [] for one in forms}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds + 1):
            for one in forms:
                spent = loops[one.name](one, times[one.name]) / times[one.name] / len(one.given)
                if turn:  # the first round warms up
                    found[one.name].append(spent)
            gc.collect()
    finally:
        gc.enable()
    return found


def results(forms: list[Form], found: dict[str, list[float]]) -> Iterator[Result]:
    for one in forms:
        if one.name == one.against:
            continue
        if one.package != "caplex":
            same = "; ".join(f"{what} as the oracle's in {count} of {len(one.given)}" for what, count in one.same.items() if count != len(one.given))
            yield Result.ratio(f"{one.name} / {one.against}", found[one.name], found[one.against], least=one.least,
                               better="higher", note="; ".join(part for part in (one.note, same or "all decisions as the oracle's") if part))
        else:
            yield Result.ratio(f"{one.name} / caplex", found[one.name], found["caplex"], better="lower")
    for one in forms:
        if one.beside:
            yield Result.ratio(f"{one.name}, against a specialised policy / {SPECIALISED}", found[one.name], found[SPECIALISED], better="higher", note="all but the size is settled before; the peer asks all its rules")


def show(forms: list[Form], found: dict[str, list[float]], told: list[Result], absent: list[str]) -> Iterator[str]:
    by_name = {each.name.partition(" / ")[0]: each for each in told if not each.name.endswith(SPECIALISED)}
    yield f"{'engine':<38}{'us':>8}{'ratio':>8}{'quartiles':>18}  {'as the oracle: verdict, rules, quantity':<40}budget"
    for one in forms:
        each = by_name.get(one.name)
        ratio = "" if each is None else f"{each.median:>8.1f}{each.low:>9.1f} … {each.high:.1f}"
        same = f"{one.same['verdict']}, {one.same['rules']}, {one.same['quantity']} of {len(one.given)}"
        budget = "" if one.least is None or each is None else f"≥ {one.least:g} {'held' if each.kept else 'MISSED'}"
        yield f"{one.name:<38}{sorted(found[one.name])[len(found[one.name]) // 2] / 1000:>8.2f}{ratio:<26}  {same:<40}{budget}".rstrip()
    for each in told:
        if each.name.endswith(SPECIALISED):
            yield f"  {each.name}: {each.median:.1f} ({each.low:.1f} … {each.high:.1f}); {each.note}"
    for one in forms:
        if one.note:
            yield f"  {one.name} {version(one.package)}: {one.note}"
    for package in absent:
        yield f"  {package} is not installed: absent"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", metavar="PACKAGE", help="this peer alone")
    option(parser)
    chosen = parser.parse_args()
    forms, absent = list(caplex_forms()), []
    for package, make in PEERS.items():
        if chosen.only not in (None, package):
            continue
        try:
            version(package)
            forms += make()
        except (PackageNotFoundError, ImportError):
            absent.append(package)
    wanted, nine = oracle(), oracle(NINE)
    for one in forms:
        compare(one, nine if "nine" in one.name else wanted)
    for one in forms[:4]:
        if set(one.same.values()) != {len(one.given)}:
            raise SystemExit(f"{one.name} decides otherwise than the oracle: {one.same}")
    found = measure(forms, max(chosen.rounds, 3))
    told = list(results(forms, found))
    notes = [f"{package} is not installed" for package in absent] + ["regorus has no wheel for Python: regopy, rego-cpp, stands for Rego"]
    write(chosen.json, "peers", told, checked="every decision of each engine compared with the exact oracle; ours equal in all", notes=notes)
    if chosen.json != "-":
        print("\n".join(show(forms, found, told, absent)))
    return 0 if all(each.kept is not False for each in told) else 1


if __name__ == "__main__":
    raise SystemExit(main())
