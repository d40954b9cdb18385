"""The conformance cases of the language, run by every engine; see README.md beside this file."""
from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

import caplex
from caplex.compiler import driver, reference
from caplex.compiler.source import Source
from caplex.runtime import remedies
from caplex.runtime.facts import World
from caplex.runtime.ruling import Ruling

HERE = Path(__file__).resolve().parent
SPEC = HERE.parents[1] / "docs" / "spec.md"
HEADER = {
    "version": '"1"', "language": "1", "mode": "enforce", "currency": "USD", "timezone": '"UTC"', "closing": "faces every rule",
    "overrides": "tightest wins", "lot": "1", "unlimited exposure": "", "unlimited loss": ""}
NOW = "2026-01-05T15:00:00Z"
SHORT = ("name", "expect", "price", "position", "history", "raw_history", "without", "now", "raw")


# ── from a case to a policy and a document ────────────────────────────────────────────────────────────


def plain(value: Any) -> Any:
    """YAML's instants and dates as the texts they were."""
    match value:
        case datetime():
            return value.isoformat().removesuffix("+00:00") + "Z"
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case _:
            return value


def policy_text(suite: Mapping[str, Any]) -> str:
    body = suite["policy"]
    families = dict.fromkeys(re.findall(r"^\s*(?:rule|limit|throttle|cooldown|kill switch) ([A-Z][A-Z0-9-]*?)-[0-9]+", body, re.MULTILINE))
    clauses = {**HEADER, "stages": ", ".join(families), **suite.get("header", {})}
    header = "\n".join(f"  {clause} {value}" for clause, value in clauses.items() if value is not None)
    return f"policy conformance {{\n{header}\n}}\n{body}\n"


def overlay(base: Any, given: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(given, dict):
        return given
    return {key: overlay(base[key], given[key]) if key in base and key in given else given.get(key, base.get(key)) for key in {**base, **given}}


def document(shared: Mapping[str, Any], case: Mapping[str, Any]) -> dict[str, Any]:
    told = overlay(plain(dict(shared)), plain(dict(case)))
    if "raw" in told:
        return dict(told["raw"])
    now = told.get("now", NOW)
    facts: dict[str, Any] = {
        "now": now,
        "intent": {"id": "i-1", "action": "open", "symbol": "AAPL", "side": "buy", "quantity": "10", "strategy": "momentum"},
        "account": dict.fromkeys(("equity", "day_start_equity", "peak_equity", "available"), "100000"),
        "positions": {}, "orders": [], "market": {}, "history": {"complete_from": "2025-12-01T00:00:00Z", "events": []}, "switches": {}}
    facts = overlay(facts, {key: value for key, value in told.items() if key not in SHORT})
    facts["intent"] = {key: value for key, value in facts["intent"].items() if value is not None}
    symbol = facts["intent"]["symbol"]
    facts["market"].setdefault(symbol, {"price": "100"})
    if "price" in told:
        facts["market"][symbol]["price"] = told["price"]
    for row in facts["market"].values():
        row.setdefault("as_of", now)
    if "position" in told:
        facts["positions"][symbol] = {"quantity": told["position"]}
    for event in told.get("history", []):
        (kind, subject), *rest = event.items()
        facts["history"]["events"].append({"type": kind, "symbol": subject, **dict(rest)})
    if "raw_history" in told:
        facts["history"] = told["raw_history"]
    for path in told.get("without", []):
        *parents, last = path.strip("/").split("/")
        place = facts
        for parent in parents:
            place = place[parent]
        del place[last]
    return facts


# ── engines ───────────────────────────────────────────────────────────────────────────────────────────


class Case(NamedTuple):
    """Text of a policy and, as JSON, its settings from outside."""

    text: str
    settings: str


@cache
def checked(policy: Case) -> Any:
    module, diagnostics = driver.check_source(Source("case.cap", policy.text), settings=json.loads(policy.settings))
    assert module is not None, "\n".join(str(found.message) for found in diagnostics)
    return module


@cache
def compiled(policy: Case) -> caplex.Policy:
    return caplex.loads(policy.text, name="case.cap", settings=json.loads(policy.settings))


def by_reference(policy: Case, facts: dict[str, Any]) -> dict[str, Any]:
    module = checked(policy)
    info = module.policy
    world = World(module.schema, facts, currency=info.currency, timezone=info.timezone, day_start_ns=info.day_start_ns)
    return of_ruling(reference.rule_on(module, world))


def by_judge(policy: Case, facts: dict[str, Any]) -> dict[str, Any]:
    return of_ruling(compiled(policy).ruling(facts))


def by_decide(policy: Case, facts: dict[str, Any]) -> dict[str, Any]:
    """The face: the fused function first, the rest told on demand."""
    decision = compiled(policy).decide(facts)
    found = remedies.find(decision)
    return {
        "remedies": [offer.text for offer in found.offers], "unmet": [unmet.text for unmet in found.unmet],
        "verdict": str(decision.verdict), "quantity": Fraction(decision.quantity),
        "if_approved": None if decision.if_approved is None else Fraction(decision.if_approved),
        "reasons": [reason.rule for reason in decision.reasons], "code": decision.code, "outcome": decision.outcome,
        "decided_by": decision.decided_by, "warnings": [told.rule for told in decision.warnings],
        "monitored": [told.rule for told in decision.monitored], "tripped": [trip.switch for trip in decision.tripped],
        "emitted": list(decision.emitted)}


def of_ruling(ruling: Ruling) -> dict[str, Any]:
    leaves = [*ruling.document, *(leaf for reason in ruling.reasons for leaf in reason.leaves)]
    return {
        "verdict": str(ruling.verdict), "quantity": ruling.quantity, "if_approved": ruling.if_approved,
        "reasons": [reason.rule for reason in ruling.reasons], "code": ruling.code, "outcome": ruling.outcome,
        "decided_by": ruling.decided_by, "violated": list(ruling.violated), "warnings": [told.rule for told in ruling.warnings],
        "monitored": [told.rule for told in ruling.monitored], "tripped": [trip.switch for trip in ruling.tripped],
        "emitted": list(ruling.emitted), "paths": list(dict.fromkeys(leaf.path for leaf in leaves))}


ENGINES: tuple[Callable[[Case, dict[str, Any]], dict[str, Any]], ...] = (by_reference, by_judge, by_decide)


# ── the cases ─────────────────────────────────────────────────────────────────────────────────────────


def suites() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(HERE.glob("*.yaml")):
        for suite in YAML(typ="safe", pure=True).load_all(path.read_text(encoding="utf-8")):
            yield path.stem, suite


CASES = [(f"{stem}: {suite['spec']}: {case['name']}", suite, case) for stem, suite in suites() for case in suite["cases"]]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
@pytest.mark.parametrize(("suite", "case"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_conformance(engine: Callable[[Case, dict[str, Any]], dict[str, Any]], suite: dict[str, Any], case: dict[str, Any]) -> None:
    policy = Case(policy_text(suite), json.dumps(plain(suite.get("settings", {}))))
    answer = engine(policy, document(suite.get("given", {}), case))
    expect = {key: Fraction(value) if key in ("quantity", "if_approved") else value for key, value in case["expect"].items()}
    assert {key: answer[key] for key in expect if key in answer} == {key: value for key, value in expect.items() if key in answer}, answer


def test_every_word_of_a_suite_is_read() -> None:
    assert {key for _, suite in suites() for key in suite} <= {"spec", "policy", "header", "given", "cases", "settings"}


def test_every_case_has_its_own_name() -> None:
    assert len({row[0] for row in CASES}) == len(CASES)


def test_every_case_names_a_paragraph_of_the_specification() -> None:
    paragraphs = set(re.findall(r"\*\*(CAP-[A-Z]+-[0-9]+)\.\*\*", SPEC.read_text(encoding="utf-8")))
    assert {suite["spec"] for _, suite in suites()} <= paragraphs


def test_what_is_expected_is_something_that_engines_tell() -> None:
    known = {"verdict", "quantity", "reasons", "code", "outcome", "decided_by", "violated", "warnings", "monitored", "tripped",
             "if_approved", "emitted", "paths", "remedies", "unmet"}
    assert {key for _, _, case in CASES for key in case["expect"]} <= known
    assert all(Decimal(case["expect"].get("quantity", 0)) >= 0 for _, _, case in CASES)
