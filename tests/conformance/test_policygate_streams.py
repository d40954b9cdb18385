"""PolicyGate's recorded runs and audit lines, answered by `examples/policygate` through the engine and the simulated broker.

A run holds what differs from `base.json`, its intents what differs from the intent there, and what exact arithmetic and the
documented meaning give. An audit line bears no chain: a change of what no rule reads cannot be seen in it alone, and stands in
no case here; `caplex replay` sees it in a journal.
"""
from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent / "policygate"
ADAPTER = Path(__file__).resolve().parents[2] / "examples" / "policygate" / "adapter.py"
LOT = Fraction(1, 10**8)


def merge(base: Any, given: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(given, dict):
        return given
    return {key: merge(base[key], given[key]) if key in base and key in given else given.get(key, base.get(key)) for key in {**base, **given}}


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / "streams" / name).read_text(encoding="utf-8").splitlines()]


STREAMS, LINES = cases("streams.jsonl"), cases("audit_lines.jsonl")


def asked() -> str:
    base = json.loads((HERE / "base.json").read_text(encoding="utf-8"))
    lines = [{"id": case["name"], "kind": "stream", "input": {
        **merge({**base, "broker": {}}, case["given"]), "intents": [merge(base["intent"], each) for each in case["intents"]]}} for case in STREAMS]
    lines += [{"id": case["name"], "kind": "replay", "input": {"event": case["event"], "policy": merge(base["policy"], case["given"]["policy"])}}
              for case in LINES]
    return "".join(json.dumps(line) + "\n" for line in lines)


def answers(seed: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ADAPTER)], input=asked(), capture_output=True, text=True, check=False, timeout=600,
        env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": str(ADAPTER.parents[2]), "HOME": str(Path.home())})
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def answered() -> list[dict[str, Any]]:
    return [json.loads(line) for line in answers("0").splitlines()]


def exact(value: Any) -> Fraction | None:
    return None if value is None else Fraction(Decimal(str(value)))


def fits(quantity: Any, wanted: Any) -> bool:
    """The quantity, or one that is less by less than a lot."""
    one, other = exact(quantity), exact(wanted)
    return one == other if one is None or other is None else 0 <= other - one < LOT


@pytest.mark.parametrize("number", range(len(STREAMS)), ids=[case["name"] for case in STREAMS])
def test_stream(number: int) -> None:
    answer, accept = answered()[number], STREAMS[number]["accept"]
    assert [(each["intent_id"], each["decision"], each["rules"]) for each in answer["decisions"]] == [
        (each["intent_id"], each["decision"], each["rules"]) for each in accept["decisions"]]
    assert all(fits(one["modified_qty"], other["modified_qty"]) for one, other in zip(answer["decisions"], accept["decisions"], strict=True))
    held = {symbol: exact(quantity) for symbol, quantity in accept["final_positions"].items() if quantity}
    assert {symbol: exact(quantity) for symbol, quantity in answer["final_positions"].items()} == held
    assert answer["kill_switch_active"] is accept["kill_switch_active"]


@pytest.mark.parametrize("number", range(len(LINES)), ids=[case["name"] for case in LINES])
def test_audit_line(number: int) -> None:
    answer = answered()[len(STREAMS) + number]
    assert answer.get("match", False) is LINES[number]["match"], answer


def test_all_are_here() -> None:
    assert (len(STREAMS), len(LINES)) == (29, 30)


def test_the_hash_seed_changes_nothing() -> None:
    assert answers("0") == answers("4242")


def test_a_broker_that_breaks_is_told_after_what_was_decided() -> None:
    base = json.loads((HERE / "base.json").read_text(encoding="utf-8"))
    intents = [{**base["intent"], "intent_id": f"i-{number}"} for number in (1, 2, 3)]
    given = {**base, "market": {**base["market"], "prices": {"AAPL": 200}}, "intents": intents, "broker": {"fail_on": [2]}}
    done = subprocess.run([sys.executable, str(ADAPTER)], input=json.dumps({"id": "1", "kind": "stream", "input": given}) + "\n", capture_output=True,
                          text=True, check=True, timeout=60, env={"PATH": "", "PYTHONPATH": str(ADAPTER.parents[2]), "HOME": str(Path.home())})
    answer = json.loads(done.stdout)
    assert [each["intent_id"] for each in answer["decisions"]] == ["i-1", "i-2"]
    assert answer["final_positions"] == {"AAPL": "10"}
    assert "i-2" in answer["error"]
